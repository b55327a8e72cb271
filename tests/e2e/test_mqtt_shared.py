"""Shared subscriptions: a group's events are its members', one each, at whatever gateway."""

import pytest
from mqttlib import PUBLISH, PUBREC, PUBREL, V3, V5, ack, publish, subscribe
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
SHARED = "$share/g/a/#"


def drain(clients, count):
    """The payloads of each, once all of them together have got so many."""
    got = [[] for _ in clients]

    def all_there():
        for payloads, c in zip(got, clients):
            payloads += [m.payload.decode() for m in c.serve(0.02)]
        return sum(map(len, got)) >= count
    wait_for(all_there, f"{count} events")
    return got


@versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_event_goes_to_one_member(mqtt2, version, qos):
    """Over two gateways, and balanced."""
    clients = [mqtt2.connect(f"c{n}", version, gateway=("mqtt", "mqtt-2")[n % 2])
               for n in range(4)]
    for c in clients:
        c.subscribed(SHARED, qos=qos)
    p = mqtt2.connect("p", version)
    p.send(*(publish("a/x", f"{n}", 1, n + 1, version=version) for n in range(200)))
    shares = drain(clients, 200)
    everything = [int(n) for share in shares for n in share]
    assert sorted(everything) == list(range(200))
    assert all(len(share) >= 10 for share in shares), [len(s) for s in shares]


def test_groups_are_apart(mqtt2):
    """By name and by filter; a plain subscription beside them gets its own copy."""
    one, other, plain = (mqtt2.connect(n) for n in ("one", "other", "plain"))
    one.subscribed("$share/g/a", qos=1)
    other.subscribed("$share/h/a", "$share/g/+", qos=1)
    plain.subscribed("a", qos=1)
    mqtt2.publish("a", b"x")
    assert one.payloads(1) == ["x"]
    assert other.payloads(2) == ["x", "x"]
    assert plain.payloads(1) == ["x"]


def test_a_session_with_both_gets_both_copies(mqtt):
    c = mqtt.connect("c")
    c.subscribed("a", qos=1, props={"subscription_id": 1})
    c.subscribed("$share/g/a", qos=1, props={"subscription_id": 2})
    mqtt.publish("a", b"x")
    assert sorted(m.subs for m in c.messages(2)) == [[1], [2]]


def test_no_retained_messages(mqtt):
    """3.8.3.1"""
    mqtt.connect("p").publish("a/x", b"retained", retain=True)
    c = mqtt.connect("c")
    c.subscribed(SHARED, qos=1)
    mqtt.publish("a/x", b"live")
    assert c.message().said == ("a/x", b"live", 1, False)


def test_no_local_is_an_error(mqtt):
    """MQTT-3.8.3-4"""
    c = mqtt.connect("c")
    c.send(subscribe(1, [(SHARED, 1 | 4)]))
    assert c.closed() == 0x82


@versions
def test_unsubscribe(mqtt, version):
    c, other = mqtt.connect("c", version), mqtt.connect("other", version)
    for member in (c, other):
        member.subscribed(SHARED, qos=1)
    assert c.unsubscribe("a/#").codes == ([0x11] if version == V5 else [])
    assert c.unsubscribe(SHARED).codes == ([0] if version == V5 else [])
    for n in range(10):
        mqtt.publish("a/x", f"{n}")
    assert other.payloads(10) == [str(n) for n in range(10)]
    c.ping()
    assert not c.kept


@versions
def test_what_a_leaving_member_had_goes_to_another(mqtt2, version):
    """QoS 1: unacknowledged, too."""
    leaving = mqtt2.connect("leaving", version)
    leaving.subscribed(SHARED, qos=1)
    for n in range(10):
        mqtt2.publish("a/x", f"{n}")
    held = leaving.messages(10, ack=False)
    leaving.acknowledge(held[0])
    leaving.ping()
    staying = mqtt2.connect("staying", version, gateway="mqtt-2")
    staying.subscribed(SHARED, qos=1)
    leaving.close()
    got = drain([staying], 9)[0]
    assert set(got) | {"0"} == {str(n) for n in range(10)}


def test_a_leaving_qos_2_member_keeps_what_was_sent(mqtt2):
    """MQTT-4.8.2-5 asks that delivery waits for its session; what was not sent goes on."""
    leaving = mqtt2.session("leaving", receive_maximum=2)
    leaving.subscribed(SHARED, qos=2)
    for n in range(5):
        mqtt2.publish("a/x", f"{n}")
    sent = leaving.messages(2, ack=False)
    leaving.ping()
    leaving.close()
    staying = mqtt2.connect("staying", gateway="mqtt-2")
    staying.subscribed(SHARED, qos=2)
    assert drain([staying], 3)[0] == ["2", "3", "4"]
    leaving = mqtt2.session("leaving", gateway="mqtt-2")
    again = leaving.messages(2)
    assert [(m.payload, m.id, m.dup) for m in again] == [(m.payload, m.id, True) for m in sent]


def test_a_qos_2_session_that_ends_gives_back_what_it_had_not_received(mqtt2):
    """4.8.2: when the session ends, its unfinished messages are discarded or go to
    another; here they are not lost to the group before they were sent."""
    leaving = mqtt2.connect("leaving", receive_maximum=1)
    leaving.subscribed(SHARED, qos=2)
    for n in range(4):
        mqtt2.publish("a/x", f"{n}")
    leaving.message(ack=False)
    staying = mqtt2.connect("staying", gateway="mqtt-2")
    staying.subscribed(SHARED, qos=2)
    leaving.close()
    got = drain([staying], 3)[0]
    assert {"1", "2", "3"} <= set(got)


def test_without_a_connected_member_the_cursor_waits(mqtt2):
    c = mqtt2.session("c")
    c.subscribed(SHARED, qos=1)
    mqtt2.publish("a/x", b"0")
    assert c.payloads(1) == ["0"]
    c.disconnect()
    for n in range(1, 6):
        mqtt2.publish("a/x", f"{n}")
    c = mqtt2.session("c", gateway="mqtt-2")
    assert drain([c], 5)[0] == ["1", "2", "3", "4", "5"]


def test_a_member_that_is_full_gets_no_more(mqtt2):
    """Its share goes to those who take it."""
    full = mqtt2.connect("full", receive_maximum=1)
    full.subscribed(SHARED, qos=1)
    mqtt2.publish("a/x", b"first")
    full.message(ack=False)
    free = mqtt2.connect("free", gateway="mqtt-2")
    free.subscribed(SHARED, qos=1)
    for n in range(50):
        mqtt2.publish("a/x", f"{n}")
    assert drain([free], 50)[0] == [str(n) for n in range(50)]


def test_a_refused_message_is_not_given_to_another(mqtt2):
    """MQTT-4.8.2-6"""
    c = mqtt2.connect("c")
    c.subscribed(SHARED, qos=1)
    mqtt2.publish("a/x", b"refused")
    c.acknowledge(c.message(ack=False), reason=0x83)
    c.ping()
    other = mqtt2.connect("other", gateway="mqtt-2")
    other.subscribed(SHARED, qos=1)
    c.close()
    mqtt2.publish("a/x", b"next")
    assert drain([other], 1)[0] == ["next"]


def test_a_killed_gateway_s_members(mqtt2):
    """QoS 1: at least once, by those who are left."""
    lost = [mqtt2.connect(f"lost{n}") for n in range(2)]
    left = mqtt2.connect("left", gateway="mqtt-2")
    for c in [*lost, left]:
        c.subscribed(SHARED, qos=1)
    for n in range(30):
        mqtt2.publish("a/x", f"{n}")
    acked = []
    left.raw.socket.settimeout(0.2)
    for c in lost:
        c.raw.socket.settimeout(0.2)
        m = c.message()
        acked.append(m.payload.decode())
    mqtt2.sluice.processes["mqtt"].kill()
    for n in range(30, 40):
        mqtt2.publish("a/x", f"{n}")
    got = set(acked)

    def complete():
        try:
            got.add(left.message().payload.decode())
        except TimeoutError:
            pass
        return got == {str(n) for n in range(40)}
    wait_for(complete, "all have arrived")


def test_a_broker_restart_keeps_the_group(mqtt2):
    members = [mqtt2.session(f"c{n}", gateway=("mqtt", "mqtt-2")[n % 2]) for n in range(2)]
    for c in members:
        c.subscribed(SHARED, qos=2)
    for n in range(10):
        mqtt2.publish("a/x", f"{n}")
    before = drain(members, 10)
    mqtt2.sluice.broker.restart()
    wait_for(lambda: mqtt2.sluice.post("ready").status_code == 201, "the broker is back")
    for n in range(10, 30):
        mqtt2.publish("a/x", f"{n}")
    after = drain(members, 20)
    everything = [int(n) for share in before + after for n in share]
    assert sorted(everything) == list(range(30))


def test_a_start_positions_a_group_only_when_it_begins(mqtt):
    ids = [mqtt.publish("a/x", f"{n}") for n in range(4)]
    c = mqtt.connect("c")
    c.subscribed(f"$share/g/$after/{ids[0]}/a/#", qos=1)
    assert c.payloads(3) == ["1", "2", "3"]
    d = mqtt.connect("d")
    d.subscribed("$share/g/$after/0/a/#", qos=1)
    for n in range(4, 8):
        mqtt.publish("a/x", f"{n}")
    assert sorted(n for share in drain([c, d], 4) for n in share) == ["4", "5", "6", "7"]


def test_a_half_done_qos_2_is_released_in_its_session(mqtt2):
    c = mqtt2.session("c")
    c.subscribed(SHARED, qos=2)
    mqtt2.publish("a/x", b"x")
    m = c.message(ack=False)
    c.send(ack(PUBREC, m.id))
    c.take(PUBREL, m.id)
    c.close()
    c = mqtt2.session("c", gateway="mqtt-2")
    assert c.next(PUBREL, PUBLISH).kind == PUBREL
    mqtt2.publish("a/x", b"next")
    assert c.payloads(1) == ["next"]


def test_members_come_and_go_under_load(mqtt2):
    """At QoS 2 each event once, whoever is there."""
    p = mqtt2.connect("p")
    got = []
    anchor = mqtt2.connect("anchor", gateway="mqtt-2")
    anchor.subscribed(SHARED, qos=2)
    for n in range(10):
        c = mqtt2.connect(f"c{n}", gateway=("mqtt", "mqtt-2")[n % 2])
        c.subscribed(SHARED, qos=2)
        for k in range(10):
            p.publish("a/x", f"{n} {k}", qos=2)
        got += [x for share in drain([anchor, c], 10) for x in share]
        c.unsubscribe(SHARED)
        c.disconnect()
    assert sorted(got) == sorted(f"{n} {k}" for n in range(10) for k in range(10))
