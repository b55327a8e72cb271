"""Subscriptions that start in the past: sluice-after, -since, -last, $after/, $last/;
and what is told when it is gone."""

import json
import threading

import pytest
from mqttlib import V3, V5, publish
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


def start(**words):
    """SUBSCRIBE's properties."""
    return {"user": [(f"sluice-{k}", str(v)) for k, v in words.items()]}


@pytest.fixture
def ten(mqtt):
    """A door with a/0 … a/9 behind it, in turn on a/x and a/y; their IDs are .ids."""
    mqtt.ids = [mqtt.publish(f"a/{'xy'[n % 2]}", f"{n}") for n in range(10)]
    return mqtt


# --- where it starts

@versions
@pytest.mark.parametrize("first", [0, 3, 9])
def test_after_by_filter(ten, version, first):
    c = ten.connect("c", version)
    after = ten.ids[first - 1] if first else 0
    c.subscribed(f"$after/{after}/a/+", qos=1)
    ten.publish("a/x", b"live")
    got = c.messages(11 - first)
    assert [m.payload.decode() for m in got] == [str(n) for n in range(first, 10)] + ["live"]
    assert got[0].topic == f"a/{'xy'[first % 2]}"
    assert not any(m.retain or m.dup for m in got)


def test_after_by_property(ten):
    c = ten.connect("c")
    c.subscribed("a/x", "a/y", qos=2, props=start(after=ten.ids[4]))
    ten.publish("a/y", b"live")
    assert c.payloads(6) == ["5", "6", "7", "8", "9", "live"]


@versions
def test_last_by_filter(ten, version):
    c = ten.connect("c", version)
    c.subscribed("$last/3/a/#", qos=1)
    ten.publish("a/y", b"live")
    assert c.payloads(4) == ["7", "8", "9", "live"]


def test_last_by_property(ten):
    """The newest of each filter, in one order."""
    c = ten.connect("c")
    c.subscribed("a/x", qos=1, props=start(last=2))
    assert c.payloads(2) == ["6", "8"]
    c.subscribed("a/y", qos=1, props=start(last=0))
    ten.publish("a/y", b"live")
    assert c.payloads(1) == ["live"]


def test_since(ten):
    c = ten.connect("c")
    c.subscribed("a/+", qos=1, props=start(since="10m"))
    assert c.payloads(10) == [str(n) for n in range(10)]
    time = ten.history("a/x")[2]["time"]
    d = ten.connect("d")
    d.subscribed("a/x", qos=1, props=start(since=time))
    assert d.payloads(3) == ["4", "6", "8"]


def test_after_the_head(ten):
    c = ten.connect("c")
    c.subscribed("a/+", qos=1, props=start(after=ten.ids[-1]))
    ten.publish("a/x", b"live")
    assert c.payloads(1) == ["live"]


@pytest.mark.parametrize("words", [{"after": "x"}, {"after": "-1"}, {"last": "1.5"}, {"since": "?"},
                                   {"after": "1", "last": "1"}, {"after": ""}])
def test_a_start_that_is_none(ten, words):
    c = ten.connect("c")
    codes = c.subscribe("a/+", "b", qos=1, props=start(**words)).codes
    assert all(code >= 0x80 for code in codes), codes
    c.ping()


# --- the subscription is that of the inner filter

@versions
def test_unsubscribe_takes_either_form(ten, version):
    c = ten.connect("c", version)
    for filter in ("a/x", f"$after/{ten.ids[2]}/a/x", "$last/7/a/x"):
        c.subscribed("$after/0/a/x", qos=1)
        assert c.payloads(5) == ["0", "2", "4", "6", "8"]
        assert c.unsubscribe(filter).codes == ([0] if version == V5 else [])
    c.subscribed("end", qos=1)
    for topic in ("a/x", "end"):
        ten.publish(topic, b"x")
    assert c.message().topic == "end" and not c.kept


@versions
def test_the_same_start_does_not_rewind_a_resumed_session(ten, version):
    """So that a client may say the same at every connection; another start does."""
    c = ten.session("c", version)
    c.subscribed("$after/0/a/+", qos=1)
    assert c.payloads(10) == [str(n) for n in range(10)]
    c.disconnect()
    ten.publish("a/x", b"10")
    c = ten.session("c", version)
    c.subscribed("$after/0/a/+", qos=1)
    ten.publish("a/x", b"11")
    assert c.payloads(2) == ["10", "11"]
    c.subscribed(f"$after/{ten.ids[7]}/a/+", qos=1)
    assert c.payloads(4) == ["8", "9", "10", "11"]
    ten.publish("a/x", b"12")
    assert c.payloads(1) == ["12"] and not c.kept


def test_identifiers_and_options_hold_in_replays(ten):
    c = ten.connect("c")
    c.publish("a/x", b"own", qos=1, retain=True)
    c.subscribed("a/x", qos=1, no_local=True,
                 props={**start(after=ten.ids[5]), "subscription_id": 4})
    ten.connect("other").publish("a/x", b"retained", retain=True)
    got = c.messages(3)
    assert [m.payload for m in got] == [b"6", b"8", b"retained"]
    assert [m.subs for m in got] == [[4]] * 3


# --- joining

@versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_long_replay_joins_what_is_live(mqtt, version, qos):
    """In order and once, while events come."""
    mqtt.sluice.fill("a", 3000)
    stop = threading.Event()
    live = []

    def more():
        with mqtt.connect("p") as p:
            while not stop.is_set() or len(live) < 20:
                live.append(p.publish("a", f"live {len(live)}", qos=1).event)
    publisher = threading.Thread(target=more)
    publisher.start()
    try:
        c = mqtt.connect("c", version)
        c.subscribed("$after/0/a", qos=qos)
        got = c.payloads(3000)
    finally:
        stop.set()
        publisher.join()
    assert got == [f"event {n}" for n in range(3000)]
    assert c.payloads(len(live)) == [f"live {n}" for n in range(len(live))]


def test_a_replay_beside_a_live_subscription(ten):
    """Each on its own cursor until they meet: every event for each, then one copy."""
    c = ten.connect("c")
    c.subscribed("a/x", qos=1, props={"subscription_id": 1})
    ten.publish("a/x", b"live")
    assert c.message().subs == [1]
    c.subscribed("a/+", qos=1, props={**start(after=0), "subscription_id": 2})
    got = c.messages(11)
    assert [m.payload.decode() for m in got] == [str(n) for n in range(10)] + ["live"]
    assert all(2 in m.subs for m in got)
    ten.publish("a/x", b"both")
    assert c.message().subs == [1, 2] and not c.kept


def test_a_replay_goes_on_in_a_resumed_session(mqtt2):
    mqtt2.sluice.fill("a", 300)
    c = mqtt2.session("c", receive_maximum=10)
    c.subscribed("a", qos=1, props=start(after=0))
    assert c.payloads(100) == [f"event {n}" for n in range(100)]
    c.ping()
    c.close()
    mqtt2.publish("a", b"live")
    c = mqtt2.session("c", gateway="mqtt-2")
    assert c.connack.present
    got = [c.message().payload.decode()]
    while got[-1] != "live":
        got.append(c.message().payload.decode())
    expected = [f"event {n}" for n in range(300)] + ["live"]
    assert got == expected[-len(got):] and len(got) >= 201


def test_a_wildcard_replay_over_many_topics(mqtt):
    ids = mqtt.sluice.batch([{"topic": f"m/{n % 40}/{n}", "data": f"{n}"} for n in range(800)])
    c = mqtt.connect("c")
    c.subscribed("m/+/#", qos=1, props=start(after=ids[99]))
    assert c.payloads(700) == [str(n) for n in range(100, 800)]


# --- gaps

def gap_of(p):
    return json.loads(p.ours["sluice-gap"])


def test_a_gap_is_told_on_the_next_message(ten):
    """What is gone is announced; what is kept comes."""
    ten.sluice.request("DELETE", "/history/a/x")
    c = ten.connect("c")
    c.subscribed("a/+", qos=1, props=start(after=ten.ids[1]))
    got = c.messages(4)
    assert [m.payload for m in got] == [b"3", b"5", b"7", b"9"]
    gap = gap_of(got[0])
    assert (gap["requested"], gap["reason"]) == (ten.ids[1], "deleted")
    assert gap["removed_to"] == ten.ids[8]
    assert not any("sluice-gap" in m.ours for m in got[1:])


def test_after_zero_is_all_that_is_kept(ten):
    ten.sluice.request("DELETE", "/history/a/x")
    c = ten.connect("c")
    c.subscribed("a/+", qos=1, props=start(after=0))
    got = c.messages(5)
    assert [m.payload for m in got] == [b"1", b"3", b"5", b"7", b"9"]
    assert not any("sluice-gap" in m.ours for m in got)


def test_a_3_1_1_client_may_subscribe_to_gaps(ten):
    ten.sluice.request("DELETE", "/history/a/x")
    c = ten.connect("c", V3)
    c.subscribed("$SYS/sluice/gap", qos=0)
    c.subscribed(f"$after/{ten.ids[1]}/a/+", qos=1)
    got = c.messages(5)
    assert {m.payload for m in got if m.topic == "a/y"} == {b"3", b"5", b"7", b"9"}
    gap = json.loads(next(m.payload for m in got if m.topic == "$SYS/sluice/gap"))
    assert gap["reason"] == "deleted"


def test_a_resumed_session_s_gap_is_in_its_connack(mqtt):
    c = mqtt.session("c")
    c.subscribed("a", qos=1)
    mqtt.publish("a", b"0")
    assert c.payloads(1) == ["0"]
    c.disconnect()
    mqtt.publish("a", b"1")
    mqtt.sluice.request("DELETE", "/history/a")
    mqtt.publish("a", b"2")
    c = mqtt.session("c")
    m = c.message()
    assert m.payload == b"2"
    assert gap_of(c.connack)["reason"] == gap_of(m)["reason"] == "deleted"


def test_a_session_with_a_gap_can_be_dropped(new_mqtt):
    mqtt = new_mqtt("[mqtt]\non_gap = drop-session\n")
    c = mqtt.session("c", V3)
    c.subscribed("a", qos=1)
    c.disconnect()
    mqtt.publish("a", b"1")
    mqtt.sluice.request("DELETE", "/history/a")
    dropped = wait_for(lambda: not mqtt.session("c", V3).connack.present, "it is dropped")
    assert dropped


def test_a_position_from_the_future(ten):
    """Told, and goes on from now."""
    c = ten.connect("c")
    c.subscribed("a/+", qos=1, props=start(after=(1 << 53) - 2))
    ten.publish("a/x", b"live")
    m = c.message()
    assert m.payload == b"live" and gap_of(m)["reason"] == "future"


@versions
def test_what_was_in_flight_and_is_deleted(mqtt, version):
    """The session goes on with what is there; the identifier of a lost QoS 2 event is
    not used again."""
    c = mqtt.session("c", version)
    c.subscribed("a", qos=2)
    mqtt.publish("a", b"1")
    lost = c.message(ack=False)
    c.ping()
    c.close()
    mqtt.sluice.request("DELETE", "/history/a")
    mqtt.publish("a", b"2")
    c = mqtt.session("c", version)
    m = c.message(ack=False)
    assert m.payload == b"2" and m.id != lost.id


def test_replays_of_a_3_1_1_client_end_to_end(mqtt):
    """Must show 4: by hand, as mosquitto_sub -t '$after/…' does."""
    ids = [mqtt.publish("a", f"{n}") for n in range(3)]
    c = mqtt.connect("c", V3)
    c.send(publish("a", b"3", 1, 1, version=V3))
    c.subscribed(f"$after/{ids[0]}/a", qos=1)
    assert c.payloads(3) == ["1", "2", "3"]
