"""What real clients do: many SUBSCRIBEs at once, PUBLISH and SUBSCRIBE in one write, small
packets, 3.1, bridges, no wish for properties of ours."""

import json

import pytest
from mqttlib import (CONNACK, DISCONNECT, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, SUBACK,
                     SUBSCRIBE, UNSUBACK, V3, V5, PING, PUBREL, Will, ack, connect, data,
                     packet, publish, subscribe, unsubscribe)
from sluicelib import wait_for
from wslib import BINARY, WebSocket, frame

V31 = 3
versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


# --- many at once

@versions
def test_many_subscribes_in_one_write(mqtt, version):
    """As Home Assistant and MQTT.js do when they come back."""
    c = mqtt.connect("c", version)
    c.send(*(subscribe(n, [(f"many/{n}", 1)], version) for n in range(1, 501)))
    assert [c.take(SUBACK, n).codes for n in range(1, 501)] == [[1]] * 500
    c.send(*(unsubscribe(n, [f"many/{n}"], version) for n in range(1, 500)))
    for n in range(1, 500):
        c.take(UNSUBACK, n)
    c.publish("many/500", b"x")
    assert c.message().said == ("many/500", b"x", 1, False)


def test_more_than_waits_is_not_read(mqtt):
    """SUBSCRIBEs beyond what may wait stand in the socket, and are answered too."""
    c = mqtt.connect("c")
    filters = [("long/" + "x" * 900, 0)]
    c.send(*(subscribe(n, filters) for n in range(1, 401)), PING)
    for n in range(1, 401):
        assert c.take(SUBACK, n).codes == [0]
    c.take(PINGRESP)


@versions
def test_too_many_filters_in_one_packet(mqtt, version):
    c = mqtt.connect("c", version)
    c.send(subscribe(1, [("same", 0)] * 1025, version))
    if version == V5:
        bye = c.take(DISCONNECT)
        assert bye.reason == 0x97 and "filters" in bye.props["reason_string"]
    assert c.closed() is None
    c = mqtt.connect("d", version)
    c.send(unsubscribe(1, ["same"] * 1025, version))
    assert c.closed() == (0x97 if version == V5 else None)


def test_a_packet_of_many_equal_filters(mqtt):
    c = mqtt.connect("c")
    assert c.subscribe(*["same"] * 1024, qos=1).codes == [1] * 1024
    c.publish("same", b"once")
    assert c.message().payload == b"once"
    assert c.unsubscribe(*["same"] * 1024).codes == [0] + [0x11] * 1023


def test_filters_in_one_packet_are_a_setting(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nmax_filters = 3\n")
    c = mqtt.connect("c")
    c.subscribed("a", "b", "c")
    c.send(subscribe(9, [(f, 0) for f in "abcd"]))
    assert c.closed() == 0x97


def test_groups_of_a_session_are_bounded(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nmax_groups = 2\n")
    c = mqtt.connect("c")
    c.subscribed("$share/a/t", "$share/b/t")
    refused = c.subscribe("$share/c/t", "t")
    assert refused.codes == [0x97, 0] and "groups" in refused.props["reason_string"]
    c.subscribed("$share/a/t")  # it is in that one
    c.unsubscribe("$share/a/t")
    c.subscribed("$share/c/t")


@pytest.mark.parametrize("qos", [0, 1])
def test_a_group_that_was_subscribed_twice_is_left_at_once(mqtt, qos):
    """Its events go to the other member then."""
    one, other = mqtt.connect("one"), mqtt.connect("other")
    for _ in range(2):
        one.subscribed("$share/g/t", qos=qos)
    one.unsubscribe("$share/g/t")
    other.subscribed("$share/g/t", qos=qos)
    for n in range(20):
        mqtt.publish("t", f"{n}")
    assert other.payloads(20) == [f"{n}" for n in range(20)]


def test_many_filters_replay_together(mqtt):
    """Opened once, and main takes them up at once."""
    for n in range(20):
        mqtt.publish(f"r/{n}", f"{n}")
    c = mqtt.connect("c")
    c.subscribed(*(f"$last/2/r/{n}" for n in range(1000)))
    assert sorted(int(m.payload) for m in c.messages(20)) == list(range(20))
    mqtt.publish("r/7", b"live")
    assert c.message().payload == b"live"
    assert c.unsubscribe(*(f"r/{n}" for n in range(1000))).codes == [0] * 1000


def test_starts_of_a_session_are_bounded(mqtt):
    c = mqtt.connect("c")
    got = c.subscribe(*(f"$last/{n}/s/{n}" for n in range(1, 101)))
    assert got.codes.count(0) == 64 and got.codes.count(0x97) == 36


# --- one after the other

@versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_subscribe_waits_for_what_was_published(mqtt, version, qos):
    """What was retained before is a retained message, not a live one."""
    c = mqtt.connect("c", version)
    for n in range(20):
        topic = f"{mqtt.t}/{qos}/{n}"
        c.send(publish(topic, b"kept", qos, n + 1, True, version=version),
               subscribe(100 + n, [(topic, 0)], version))
        assert c.take(SUBACK, 100 + n).codes == [0]
        assert c.take(PUBLISH).said == (topic, b"kept", 0, True)
        if qos == 2:
            c.release(n + 1)


@versions
def test_unsubscribe_waits_for_what_was_published(mqtt, version):
    c = mqtt.connect("c", version)
    for n in range(20):
        c.subscribed("u")
        c.send(publish("u", f"{n}", 1, n + 1, version=version),
               unsubscribe(1000 + n, ["u"], version))
        c.take(UNSUBACK, 1000 + n)
    kinds = [p.kind for p in c.kept]
    assert kinds.count(PUBACK) == 20


@versions
def test_publish_does_not_overtake_a_waiting_subscribe(mqtt, version):
    c = mqtt.connect("c", version)
    for n in range(20):
        topic = f"{mqtt.t}/{n}"
        c.send(publish("before", b"", 1, 2 * n + 1, version=version),
               subscribe(1000 + n, [(topic, 0)], version),
               publish(topic, b"after", 1, 2 * n + 2, version=version))
        c.take(SUBACK, 1000 + n)
        assert c.take(PUBLISH).said == (topic, b"after", 0, False)


@versions
def test_publishes_behind_many_subscribes(mqtt, version):
    """As MQTT.js says them when it comes back: none overtakes."""
    c = mqtt.connect("c", version)
    c.send(*(subscribe(n, [(f"{mqtt.t}/{n}", 1)], version) for n in range(1, 301)),
           *(publish(f"{mqtt.t}/{n}", b"x", 1, n, version=version) for n in range(1, 301)))
    assert [c.message().topic for _ in range(300)] == [f"{mqtt.t}/{n}" for n in range(1, 301)]


def test_acknowledgements_behind_subscribes_and_publishes_are_seen(mqtt):
    """The first SUBSCRIBE's retained messages need them."""
    for n in range(5):
        mqtt.publish(f"ret/{n}", f"{n}", **{"Sluice-Retain": "1"})
    c = mqtt.open()
    c.connect(mqtt.name("c"), receive_maximum=1)
    c.send(subscribe(1, [("ret/#", 1)]), subscribe(2, [("x", 0)]), publish("x", b"1", 1, 3))
    got = []
    while len(got) < 5:
        p = c.take(PUBLISH)
        if p.qos:
            got.append(p.payload)
            c.send(ack(PUBACK, p.id))
    assert sorted(got) == [b"0", b"1", b"2", b"3", b"4"]
    assert [c.take(SUBACK).id for _ in range(2)] == [1, 2]
    c.take(PUBACK, 3)


# --- small packets

@pytest.mark.parametrize("limit", range(1, 31))
def test_a_client_of_small_packets(mqtt, limit):
    """Nothing that comes is larger than it takes; CONNACK says so, or nothing does."""
    with mqtt.sluice.raw("mqtt") as c:
        c.send(connect("small", maximum_packet_size=limit) + PING)
        c.socket.shutdown(1)
        got = c.rest()
    at = 0
    while at < len(got):
        size = 2 + got[at + 1]
        assert size <= limit, got
        at += size
    if got and got[3]:
        assert got == b"\x20\x03\x00\x95\x00"


def test_suback_that_is_too_large_for_the_client(mqtt):
    c = mqtt.open()
    c.connect(mqtt.name("c"), maximum_packet_size=40)
    assert c.subscribe(*(f"{n}" for n in range(20))).codes == [0] * 20
    c.send(subscribe(7, [(f"{n}", 0) for n in range(60)]))
    assert c.closed() == 0x95


def test_unsuback_that_is_too_large_for_the_client(mqtt):
    c = mqtt.open()
    c.connect(mqtt.name("c"), maximum_packet_size=40)
    c.send(unsubscribe(7, [f"{n}" for n in range(60)]))
    assert c.closed() == 0x95


# --- WebSocket

def test_one_packet_a_frame(mqtt):
    ws = WebSocket(mqtt.sluice.port("mqtt_ws"), "/mqtt", "mqtt")
    ws.open()
    ws.raw.send(frame(BINARY, connect("frames") + subscribe(1, [("f", 0)]) + PING +
                      publish("f", b"x", 1, 9) + PING))
    kinds = []
    while len(kinds) < 6:
        _, payload, _ = ws.frame()
        assert len(payload) == 2 + payload[1], payload
        kinds.append(payload[0] >> 4)
    assert kinds[0] == CONNACK
    assert sorted(kinds[1:]) == sorted([SUBACK, PINGRESP, PUBACK, PUBLISH, PINGRESP])
    ws.raw.close()


# --- properties of ours

def user(p):
    return p.props.get("user", [])


def unasked(mqtt, name, **kw):
    return mqtt.connect(name, asks=False, **kw)


def test_properties_of_ours_are_for_who_asks(mqtt):
    c = unasked(mqtt, "c")
    assert user(c.connack) == []
    assert user(c.subscribe("p", qos=1)) == []
    mqtt.publish("p", b"x", **{"Sluice-Type": "alarm", "Sluice-Property": "k=v"})
    assert user(c.message()) == [("k", "v")]
    assert user(c.publish("p", b"y", user=[("a", "b"), ("a", "b")])) == []
    assert user(c.message()) == [("a", "b"), ("a", "b")]
    c.subscribed("q")  # one filter at QoS 0: the form that all share
    c.unsubscribe("p")
    mqtt.publish("q", b"z", **{"Sluice-Type": "alarm"})
    assert user(c.message()) == []


@pytest.mark.parametrize("over", ["tcp", "ws"])
def test_shared_forms_beside_each_other(mqtt, over):
    """One with properties of ours and one without, of the same event."""
    asking, plain = mqtt.connect("a", over=over), unasked(mqtt, "b", over=over)
    old = mqtt.connect("c", V3, over=over)
    for c in (asking, plain, old):
        c.subscribed("f")
    id = mqtt.publish("f", b"x", **{"Sluice-Type": "alarm", "Sluice-Property": "k=v"})
    assert user(asking.message()) == [("sluice-id", id), ("sluice-type", "alarm"), ("k", "v")]
    assert user(plain.message()) == [("k", "v")]
    assert old.message().payload == b"x"


def test_connect_asks(mqtt):
    c = mqtt.connect("c", asks=True)
    assert "sluice-id" in c.connack.ours
    c.subscribed("p")
    id = mqtt.publish("p", b"x")
    assert c.message().event == id


@pytest.mark.parametrize("word", [("sluice-last", "1"), ("sluice-properties", "on")])
def test_a_property_on_subscribe_asks_for_the_session(mqtt, word):
    c = unasked(mqtt, "c", clean=False, session_expiry=600)
    assert user(c.connack) == []
    p = c.subscribe("p", qos=1, props={"user": [word]})
    mqtt.publish("p", b"x")
    assert "sluice-id" in c.message().ours
    c.close()
    mqtt.publish("p", b"y")
    c = unasked(mqtt, "c", clean=False, session_expiry=600)  # the session has asked
    assert c.connack.present and "sluice-id" in c.connack.ours
    assert "sluice-id" in c.message().ours
    assert p.codes == [1]


def test_all_may_be_told(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nproperties = all\n")
    c = unasked(mqtt, "c")
    assert "sluice-id" in c.connack.ours
    c.subscribed("p")
    mqtt.publish("p", b"x")
    assert "sluice-id" in c.message().ours


def test_names_that_are_ours_are_taken_away_at_every_door(new_mqtt):
    mqtt = new_mqtt(gateways=("sse", "ws", "mqtt", "h2", "zmq"))
    c, plain = mqtt.connect("c"), unasked(mqtt, "plain")
    for reader in (c, plain):
        reader.subscribed("forged")
    forged = [["sluice-id", "1"], ["sluice-gap", "{}"], ["k", "v"]]
    ids = [mqtt.publish("forged", b"x", **{"Sluice-Property": "sluice-id=1"})]
    line = json.dumps({"topic": "forged", "data": "x", "properties": forged})
    done = mqtt.sluice.request("POST", "/events", data=line + "\n",
                               headers={"Content-Type": "application/x-ndjson"})
    assert done.status_code == 201, done.text
    ids.append(done.json()["events"][0]["id"])
    ids.append(c.publish("forged", b"x", user=[tuple(p) for p in forged]).event)
    for id in ids:
        message = c.message()
        assert [v for n, v in user(message) if n == "sluice-id"] == [id]
        assert "sluice-gap" not in message.ours
        assert not any(n.startswith("sluice-") for n, v in user(plain.message()))
    for event in mqtt.history("forged"):
        assert event.get("properties", [["k", "v"]]) == [["k", "v"]]


# --- expiry

def test_what_was_sent_once_is_sent_again_though_it_has_expired(mqtt):
    """MQTT-4.4.0-1; what had not left yet is let go of."""
    c = mqtt.session("c", receive_maximum=1)
    c.subscribed("e", qos=1)
    mqtt.publish("e", b"sent", **{"Sluice-Expiry": "1"})
    sent = c.message(ack=False)
    mqtt.publish("e", b"not sent", **{"Sluice-Expiry": "1"})
    c.close()
    wait_for(lambda: mqtt.sluice.request("GET", "/history/e").json()["events"] == [], "it expires")
    c = mqtt.session("c")
    again = c.message(ack=False)
    assert (again.payload, again.id, again.dup) == (b"sent", sent.id, True)
    assert again.props["message_expiry"] == 0
    c.acknowledge(again)
    mqtt.publish("e", b"later")
    assert c.message().payload == b"later"
    assert mqtt.sluice.request("GET", "/history", params={"id": sent.event}).status_code == 404


# --- reason strings

@pytest.mark.parametrize("raw, reason", [
    (subscribe(1, [("a", 3)]), 0x82), (publish("a", b"", 1, 0), 0x82), (publish("a/+", b""), 0x90),
    (packet(SUBSCRIBE, 2, b"\0"), 0x81), (packet(PUBREL, 2, b"\0\1\x01"), 0x82),
], ids=["QoS 3", "identifier 0", "wildcard", "cut", "a reason that is none"])
def test_violations_are_named(mqtt, raw, reason):
    c = mqtt.connect("c")
    c.send(raw)
    bye = c.take(DISCONNECT)
    assert bye.reason == reason and len(bye.props["reason_string"]) > 10


def test_refusals_are_named(mqtt):
    c = mqtt.connect("c")
    assert c.publish("$SYS/x", b"").props["reason_string"]
    assert c.publish("t", b"", qos=2, content_type="a\x01b").props["reason_string"]
    assert c.subscribe("a/#/b").props["reason_string"]
    c = mqtt.open()
    c.send(connect("x\x01"))
    assert c.take(CONNACK).props["reason_string"]
    c = mqtt.connect("d", request_problem_info=0)
    assert c.publish("$SYS/x", b"").props == {} and c.subscribe("a/#/b").props == {}


# --- 3.1

def connect31(client, level=V31, clean=True, flags=0, rest=b""):
    return packet(1, 0, data("MQIsdp") + bytes([level, flags | clean << 1]) + b"\0\0" +
                  data(client) + rest)


def open31(mqtt, client, **kw):
    c = mqtt.open(version=V3)
    c.send(connect31(client, **kw))
    assert c.take(CONNACK).reason == 0
    return c


def test_3_1(mqtt):
    c = open31(mqtt, "old", clean=False)
    c.subscribed("o", qos=2)
    for qos in (0, 1, 2):
        c.publish("o", f"{qos}", qos=qos)
    assert [c.message().said for _ in range(3)] == [("o", b"%d" % q, q, False) for q in range(3)]
    c.disconnect()
    mqtt.publish("o", b"missed")
    assert open31(mqtt, "old", clean=False).message().payload == b"missed"


def test_3_1_says_what_it_sends_again(mqtt):
    c = open31(mqtt, "old")
    again = subscribe(1, [("o", 1)], V3)
    c.send(bytes([again[0] | 8]) + again[1:])
    assert c.take(SUBACK, 1).codes == [1]
    c.send(publish("o", b"x", 2, 5, version=V3))
    c.take(PUBREC, 5)
    for _ in range(2):
        c.send(bytes([PUBREL << 4 | 2 | 8, 2, 0, 5]))
        c.take(PUBCOMP, 5)


def test_3_1_refuses_no_identifier(mqtt):
    with mqtt.sluice.raw("mqtt") as c:
        c.send(connect31(""))
        assert c.rest() == b"\x20\x02\x00\x02"


def test_3_1_lets_login_be_missing(mqtt):
    open31(mqtt, "login", flags=0xC0)


@pytest.mark.parametrize("name, level", [("MQTT", 3), ("MQTT", 0x83), ("MQTT", 0x85),
                                         ("MQTT", 0x86), ("MQIsdp", 4), ("MQIsdp", 5)])
def test_unknown_levels_are_told_in_the_old_form(mqtt, name, level):
    with mqtt.sluice.raw("mqtt") as c:
        c.send(packet(1, 0, data(name) + bytes([level, 2]) + b"\0\0" + data("x")))
        assert c.rest() == b"\x20\x02\x00\x01"


# --- bridges

def bridge(mqtt, client="bridge", level=0x84, name="MQTT", clean=True, will=None):
    flags = clean << 1
    body = data(client)
    if will:
        flags |= 4 | will.qos << 3 | will.retain << 5
        body += data(will.topic) + data(will.payload)
    c = mqtt.open(version=V3)
    c.send(packet(1, 0, data(name) + bytes([level, flags]) + b"\0\x3c" + body))
    assert c.take(CONNACK).reason == 0
    return c


@pytest.mark.parametrize("name, level", [("MQTT", 0x84), ("MQIsdp", 0x83)])
def test_a_bridge(mqtt, name, level):
    """Its own publishes do not come back, and RETAIN is as it was published."""
    state = "$SYS/broker/connection/x/state"
    c = bridge(mqtt, level=level, name=name, will=Will(state, b"0", 1, True))
    other = mqtt.connect("other", V3)
    for qos in (0, 1, 2):
        c.publish(state, b"1", qos=qos, retain=True)
    c.subscribed("b/#", qos=1)
    c.publish("b/own", b"x")
    other.publish("b/other", b"y", retain=True)
    other.publish("b/other", b"z")
    assert [c.message().said for _ in range(2)] == [("b/other", b"y", 1, True),
                                                     ("b/other", b"z", 1, False)]
    for version in (V3, V5):
        reader = mqtt.connect("reader", version)
        reader.subscribed("$SYS/broker/connection/#")
        reader.ping()
        assert not [p for p in reader.kept if p.kind == PUBLISH]


def test_what_a_bridge_says_of_itself_is_let_be_in_5_0(mqtt):
    state = "$SYS/broker/connection/x/state"
    c = mqtt.connect("c", will=Will(state, b"0", 2, True))
    for qos in (0, 1, 2, 2):
        got = c.publish(state, b"1", qos=qos, retain=True)
        assert got is None or got.reason == 0
