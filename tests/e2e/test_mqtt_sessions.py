"""Sessions: what stays when the connection goes, at this gateway and any other."""

import time

import pytest
from mqttlib import (CONNACK, NEVER, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V3, V5, Closed, ack,
                     connect, disconnect, publish)
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


def nothing(door):
    return "mqtt"


def another_gateway(door):
    return "mqtt-2"


def gateway_killed(door):
    door.sluice.processes["mqtt"].restart()
    return "mqtt"


def gateway_killed_and_another(door):
    door.sluice.processes["mqtt"].kill()
    return "mqtt-2"


def broker_killed(door):
    door.sluice.broker.restart()
    wait_for(lambda: door.sluice.post("ready").status_code == 201, "the broker is back")
    return "mqtt"


def gateway_restarted(door):
    """In order, by SIGTERM."""
    assert door.sluice.processes["mqtt"].stop() == 0
    door.sluice.processes["mqtt"].start()
    return "mqtt"


# What happens while the client is away; says at which gateway it comes back.
MEANWHILE = [nothing, another_gateway, gateway_killed, gateway_killed_and_another, broker_killed,
             gateway_restarted]
meanwhile = pytest.mark.parametrize("event", MEANWHILE, ids=lambda f: f.__name__)


def back(door, client, version, gateway, **kw):
    """The session again, which must be there; tried until the broker lets it in."""
    def attach():
        try:
            return door.session(client, version, gateway=gateway, **kw)
        except (AssertionError, Closed, ConnectionError):
            return None
    c = wait_for(attach, "the session is taken up")
    assert c.connack.present
    return c


# --- beginning and end

@versions
def test_a_clean_session_ends_with_its_connection(mqtt, version):
    c = mqtt.connect("c", version)
    c.subscribed("a", qos=1)
    c.disconnect()
    mqtt.publish("a", b"missed")
    c = mqtt.session("c", version)
    assert not c.connack.present
    c.subscribed("b", qos=1)
    for topic in ("a", "b"):
        mqtt.publish(topic, b"x")
    assert c.message().topic == "b" and not c.kept


@versions
def test_a_kept_session_has_its_subscriptions_and_what_it_missed(mqtt, version):
    """MQTT-3.1.2-4, -5"""
    c = mqtt.session("c", version)
    assert not c.connack.present
    c.subscribed("a/#", qos=2)
    c.disconnect()
    p = mqtt.connect("p")
    for qos in range(3):
        p.publish(f"a/{qos}", b"x", qos=qos)
    c = mqtt.session("c", version)
    assert c.connack.present
    p.publish("a/live", b"x", qos=1)
    got = [(m.topic, m.qos, m.dup) for m in c.messages(3)]
    assert got == [("a/1", 1, False), ("a/2", 2, False), ("a/live", 1, False)]


@versions
def test_clean_start_ends_what_was_there(mqtt, version):
    """MQTT-3.1.2-4 (5.0), -6 (3.1.1)"""
    c = mqtt.session("c", version)
    c.subscribed("a", qos=1)
    c.close()
    mqtt.publish("a", b"missed")
    assert not mqtt.connect("c", version).connack.present
    c = mqtt.session("c", version)
    assert c.connack.present == False  # noqa: E712  its clean predecessor ended, too
    c.subscribed("b", qos=1)
    for topic in ("a", "b"):
        mqtt.publish(topic, b"x")
    assert c.message().topic == "b" and not c.kept


def test_clean_start_with_expiry_begins_a_session_that_stays(mqtt):
    c = mqtt.connect("c", clean=True, session_expiry=100)
    assert not c.connack.present
    c.subscribed("a", qos=1)
    c.close()
    mqtt.publish("a", b"x")
    assert mqtt.session("c").message().payload == b"x"


def test_expiry_zero_ends_with_the_connection(mqtt):
    for expiry in ({}, {"session_expiry": 0}):
        c = mqtt.connect("c", clean=False, **expiry)
        assert not c.connack.present
        c.subscribed("a", qos=1)
        c.close()


@versions
def test_a_session_expires(mqtt, version):
    c = mqtt.session("short", session_expiry=1)
    c.subscribed("a", qos=1)
    c.disconnect()
    long = mqtt.session("long", version)
    long.disconnect()
    left = time.monotonic()
    wait_for(lambda: time.monotonic() > left + 1.3, "it has expired")
    assert not mqtt.session("short").connack.present
    assert mqtt.session("long", version).connack.present


def test_expiry_counts_from_the_end_of_the_connection(mqtt):
    c = mqtt.session("c", session_expiry=1)
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() > begun + 1.3, "more than its expiry has passed")
    c.close()
    assert mqtt.session("c").connack.present


def test_disconnect_may_change_the_expiry(mqtt):
    """3.14.2.2.2"""
    mqtt.session("ends", session_expiry=100).disconnect(session_expiry=0)
    assert not mqtt.session("ends").connack.present
    mqtt.session("stays", session_expiry=1).disconnect(session_expiry=NEVER)
    left = time.monotonic()
    wait_for(lambda: time.monotonic() > left + 1.3, "its first expiry has passed")
    assert mqtt.session("stays", session_expiry=NEVER).connack.present


@pytest.mark.parametrize("first, second", [(V3, V5), (V5, V3)])
def test_a_session_may_change_its_version(mqtt, first, second):
    c = mqtt.session("c", first)
    c.subscribed("a", qos=1)
    c.close()
    mqtt.publish("a", b"x")
    c = mqtt.session("c", second)
    assert c.connack.present
    assert c.message().said == ("a", b"x", 1, False)


def test_events_of_qos_0_can_be_kept_too(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nqueue_qos0 = true\n")
    c = mqtt.session("c")
    c.subscribed("a", qos=0)
    c.subscribed("b", qos=1)
    c.close()
    p = mqtt.connect("p")
    p.publish("a", b"1", qos=1)
    p.publish("b", b"2", qos=0)
    p.publish("b", b"3", qos=1)
    c = mqtt.session("c")
    assert [(m.payload, m.qos) for m in c.messages(3)] == [(b"1", 0), (b"2", 0), (b"3", 1)]


@versions
def test_an_unsubscribed_filter_stays_away(mqtt, version):
    c = mqtt.session("c", version)
    c.subscribed("a", "b", qos=1)
    c.unsubscribe("a")
    c.close()
    for topic in ("a", "b"):
        mqtt.publish(topic, b"x")
    c = mqtt.session("c", version)
    assert c.message().topic == "b" and not c.kept


def test_options_and_identifiers_stay(mqtt):
    c = mqtt.session("c")
    c.subscribed("a", qos=2, no_local=True, retain_as_published=True,
                 props={"subscription_id": 300})
    c.close()
    c = mqtt.session("c")
    c.publish("a", b"own")
    mqtt.connect("p").publish("a", b"other", qos=2, retain=True)
    m = c.message()
    assert (m.said, m.subs) == (("a", b"other", 2, True), [300])


def test_a_new_filter_does_not_look_behind_its_subscription(mqtt):
    """However far back the session's cursor stands."""
    c = mqtt.session("c", receive_maximum=1)
    c.subscribed("a", qos=1)
    for topic in ("a", "b", "a", "b"):
        mqtt.publish(topic, b"early")
    m = c.message(ack=False)
    c.subscribed("b", qos=1)
    mqtt.publish("b", b"late")
    c.acknowledge(m)
    assert [(m.topic, m.payload) for m in c.messages(2)] == [("a", b"early"), ("b", b"late")]
    c.ping()
    assert not c.kept


# --- what was missed, after whatever happened

@versions
@meanwhile
def test_what_was_missed_arrives_once_and_in_order(mqtt2, version, event):
    mqtt = mqtt2
    c = mqtt.session("c", version)
    c.subscribed("a/#", qos=2)
    for n in range(3):
        mqtt.publish("a/x", f"{n}")
    assert c.payloads(3) == ["0", "1", "2"]
    c.disconnect()
    for n in range(3, 6):
        mqtt.publish("a/x", f"{n}")
    gateway = event(mqtt)
    for n in range(6, 9):
        mqtt.publish("a/x", f"{n}")
    c = back(mqtt, "c", version, gateway)
    got = c.messages(6)
    assert [m.payload.decode() for m in got] == ["3", "4", "5", "6", "7", "8"]
    assert not any(m.dup for m in got)
    mqtt.publish("a/x", b"last")
    assert c.payloads(1) == ["last"]


# --- in flight to the client

@versions
@meanwhile
def test_what_was_not_acknowledged_comes_again(mqtt2, version, event):
    """MQTT-4.4.0-1, -2; 3.3.1-1: the same identifiers, DUP, original order, before
    anything new."""
    mqtt = mqtt2
    c = mqtt.session("c", version)
    c.subscribed("a", qos=2)
    for n in range(5):
        mqtt.publish("a", f"{n}")
    first = c.messages(5, ack=False)
    c.acknowledge(first[1])
    c.ping()
    c.close()
    mqtt.publish("a", b"new")
    gateway = event(mqtt)
    c = back(mqtt, "c", version, gateway)
    again = c.messages(5, ack=False)
    assert [(m.payload, m.id, m.dup) for m in again[:4]] == [
        (m.payload, m.id, True) for m in first if m is not first[1]]
    assert (again[4].payload, again[4].dup) == (b"new", False)
    assert again[4].id not in [m.id for m in again[:4]]
    for m in again:
        c.acknowledge(m)
    mqtt.publish("a", b"last")
    assert c.payloads(1) == ["last"]


@versions
@meanwhile
def test_qos_1_not_acknowledged_comes_again(mqtt2, version, event):
    """Only a killed gateway may send again what was acknowledged."""
    mqtt = mqtt2
    c = mqtt.session("c", version)
    c.subscribed("a", qos=1)
    for n in range(4):
        mqtt.publish("a", f"{n}")
    first = c.messages(4, ack=False)
    c.acknowledge(first[0])
    c.acknowledge(first[2])
    c.ping()
    if event in (gateway_killed, gateway_killed_and_another):
        gateway = event(mqtt)
        mqtt.publish("a", b"new")
        c = back(mqtt, "c", version, gateway)
        got = [c.message().payload.decode()]
        while got[-1] != "new":
            got.append(c.message().payload.decode())
        assert {"1", "3"} <= set(got) <= {"0", "1", "2", "3", "new"}, got
        return
    c.disconnect()
    gateway = event(mqtt)
    mqtt.publish("a", b"new")
    c = back(mqtt, "c", version, gateway)
    got = [(m.payload, m.id, m.dup) for m in c.messages(3)]
    assert got[:2] == [(m.payload, m.id, True) for m in (first[1], first[3])]
    assert got[2][::2] == (b"new", False)


@versions
@meanwhile
def test_a_release_comes_again(mqtt2, version, event):
    """PUBREC was received: PUBREL again, not PUBLISH."""
    mqtt = mqtt2
    c = mqtt.session("c", version)
    c.subscribed("a", qos=2)
    for n in range(3):
        mqtt.publish("a", f"{n}")
    first = c.messages(3, ack=False)
    for m in first[:2]:
        c.send(ack(PUBREC, m.id, version=version))
        c.take(PUBREL, m.id)
    c.close()
    gateway = event(mqtt)
    c = back(mqtt, "c", version, gateway)
    packets = [c.next(PUBREL, PUBLISH) for _ in range(3)]
    assert [(p.kind, p.id) for p in packets] == [
        (PUBREL, first[0].id), (PUBREL, first[1].id), (PUBLISH, first[2].id)]
    assert packets[2].dup and packets[2].payload == b"2"
    for m in first[:2]:
        c.send(ack(PUBCOMP, m.id, version=version))
    c.acknowledge(packets[2])
    mqtt.publish("a", b"last")
    assert c.payloads(1) == ["last"] and not c.kept


@versions
def test_a_late_pubrec_is_not_followed_by_its_publish(mqtt, version):
    """MQTT-4.3.3-7: the client may have forgotten the identifier at PUBREL."""
    c = mqtt.session("c", version)
    c.subscribed("a", qos=2)
    mqtt.publish("a", b"once")
    m = c.message(ack=False)
    c.close()
    c = mqtt.open(version=version)
    expiry = {"session_expiry": 600} if version == V5 else {}
    c.send(connect(mqtt.name("c"), version, clean=False, **expiry),
           ack(PUBREC, m.id, version=version))
    assert c.take(CONNACK).present
    assert c.next(PUBLISH, PUBREL).kind == PUBREL
    c.send(ack(PUBCOMP, m.id, version=version))
    mqtt.publish("a", b"next")
    assert c.payloads(1) == ["next"]


def test_nothing_is_sent_again_on_a_live_connection(mqtt):
    """MQTT-4.4.0-1"""
    c = mqtt.session("c")
    c.subscribed("a", qos=2)
    mqtt.publish("a", b"1")
    m = c.message(ack=False)
    mqtt.publish("a", b"2")
    other = c.message(ack=False)
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() > begun + 1.2, "a checkpoint has been made")
    c.ping()
    assert not c.kept
    c.acknowledge(other)
    c.acknowledge(m)


def test_the_new_receive_maximum_holds_for_what_comes_again(mqtt):
    c = mqtt.session("c")
    c.subscribed("a", qos=1)
    for n in range(5):
        mqtt.publish("a", f"{n}")
    first = c.messages(5, ack=False)
    c.ping()
    c.disconnect()
    c = mqtt.session("c", receive_maximum=2)
    got = []
    while len(got) < 5:
        two = c.messages(min(2, 5 - len(got)), ack=False)
        c.ping()
        assert not c.kept
        got += two
        for m in two:
            c.acknowledge(m)
    assert [(m.id, m.payload, m.dup) for m in got] == [(m.id, m.payload, True) for m in first]


def test_a_takeover_does_not_lose_what_was_acknowledged(mqtt2):
    """The old gateway's last checkpoint is asked for."""
    c = mqtt2.session("c")
    c.subscribed("a", qos=1)
    for n in range(20):
        gateway = ("mqtt-2", "mqtt")[n % 2]
        for k in range(3):
            mqtt2.publish("a", f"{n} {k}")
        assert c.payloads(2) == [f"{n} 0", f"{n} 1"]
        c.message(ack=False)
        c.ping()
        c = mqtt2.session("c", gateway=gateway)
        m = c.message()
        assert (m.payload, m.dup) == (b"%d 2" % n, True)


# --- in flight from the client

@versions
@meanwhile
def test_a_half_published_event_is_not_doubled(mqtt2, version, event):
    """MQTT-4.3.3-10 over connections: an identifier that was not released."""
    mqtt = mqtt2
    c = mqtt.session("c", version)
    c.send(publish("a", b"once", 2, 7, version=version),
           publish("a", b"released", 2, 8, version=version))
    for id in (7, 8):
        c.take(PUBREC, id)
    c.release(8)
    c.close()
    gateway = event(mqtt)
    c = back(mqtt, "c", version, gateway)
    c.send(publish("a", b"once", 2, 7, dup=True, version=version))
    assert c.take(PUBREC, 7).reason == 0
    c.release(7)
    for id in (7, 8):
        c.send(publish("a", b"next", 2, id, version=version))
        c.take(PUBREC, id)
        c.release(id)
    assert [e["data"] for e in mqtt.history("a")] == ["once", "released", "next", "next"]


@versions
def test_a_repeated_release_is_answered(mqtt, version):
    c = mqtt.session("c", version)
    c.send(publish("a", b"x", 2, 7, version=version))
    c.take(PUBREC, 7)
    c.close()
    c = mqtt.session("c", version)
    c.release(7)
    c.send(ack(PUBREL, 7, version=version))
    assert c.take(PUBCOMP, 7).reason == (0x92 if version == V5 else 0)


@versions
def test_clean_start_forgets_half_published_events(mqtt, version):
    c = mqtt.session("c", version)
    c.send(publish("a", b"x", 2, 7, version=version))
    c.take(PUBREC, 7)
    c.close()
    c = mqtt.connect("c", version)
    c.send(publish("a", b"y", 2, 7, version=version))
    c.take(PUBREC, 7)
    assert [e["data"] for e in mqtt.history("a")] == ["x", "y"]


# --- live through whatever happens

@versions
def test_a_broker_restart_is_not_felt(mqtt, version):
    """The connection stays, and all works on."""
    c = mqtt.session("c", version)
    c.subscribed("a", qos=2)
    mqtt.publish("a", b"1")
    m = c.message(ack=False)
    mqtt.sluice.broker.restart()
    c.send(ack(PUBREC, m.id, version=version))
    c.take(PUBREL, m.id)
    c.send(ack(PUBCOMP, m.id, version=version))
    c.publish("a", b"2", qos=2)
    assert c.payloads(1) == ["2"]
    c.subscribed("b", qos=1)
    mqtt.wait_history("a", 2)
    mqtt.publish("b", b"3")
    assert c.payloads(1) == ["3"]
    c.close()
    assert mqtt.session("c", version).connack.present


def test_many_sessions_resume_at_once(mqtt2):
    names = [f"c{n}" for n in range(50)]
    for name in names:
        c = mqtt2.session(name)
        c.subscribed(f"all/{name}", "all/of", qos=1)
        c.send(disconnect())
    for n in range(5):
        mqtt2.publish("all/of", f"{n}")
    clients = [mqtt2.session(name, gateway=("mqtt", "mqtt-2")[n % 2])
               for n, name in enumerate(names)]
    for c in clients:
        assert c.connack.present
        assert c.payloads(5) == ["0", "1", "2", "3", "4"]


def test_qos_1_acknowledgements_are_kept_within_a_second(mqtt2):
    """So that a killed gateway costs few duplicates."""
    c = mqtt2.session("c")
    c.subscribed("a", qos=1)
    for n in range(10):
        mqtt2.publish("a", f"{n}")
    got = c.messages(10, ack=False)
    for m in got[:-1]:
        c.acknowledge(m)
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() > begun + 1.5, "a checkpoint has been made")
    mqtt2.sluice.processes["mqtt"].kill()
    c = back(mqtt2, "c", V5, "mqtt-2")
    m = c.message()
    assert (m.payload, m.dup, m.id) == (b"9", True, got[-1].id)
    c.send(publish("b", b"", 1, 1))
    c.take(PUBACK, 1)
    assert not c.kept
