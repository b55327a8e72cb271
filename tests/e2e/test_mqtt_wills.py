"""Wills: when they are published, when they are not, and by whom."""

import time

import pytest
from mqttlib import SUBACK, V3, V5, Will, connect, disconnect, packet
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
WILL = Will("w", b"gone", 1)


@pytest.fixture
def watch(mqtt2):
    """watch(): the next will that anyone published, as a message."""
    c = mqtt2.connect("watcher", gateway="mqtt-2")
    c.subscribed("w", "end", qos=2, retain_as_published=True)
    c.raw.socket.settimeout(10)
    yield c.message


def none_came(mqtt, watch):
    """An event that was published now is the next one."""
    mqtt.publish("end", b"")
    assert watch().topic == "end"


def passed(seconds):
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() > begun + seconds, "time")


def dies(c):
    c.close()


def breaks_the_protocol(c):
    c.send(packet(SUBACK, 0, b"\0\1\0"))


def does_not_ping(c):
    """Its keep-alive is 1 s."""


def ends_half_a_packet(c):
    c.send(b"\x30\x10\x00")
    c.raw.half_close()


@versions
@pytest.mark.parametrize("end", [dies, breaks_the_protocol, does_not_ping, ends_half_a_packet])
def test_a_lost_connection_has_its_will(mqtt2, watch, version, end):
    """MQTT-3.1.2-8"""
    c = mqtt2.connect("c", version, will=WILL, keep_alive=1)
    end(c)
    assert watch().said == ("w", b"gone", 1, False)
    none_came(mqtt2, watch)


@versions
def test_a_client_that_takes_its_leave_has_none(mqtt2, watch, version):
    """MQTT-3.1.2-10 (5.0), 3.14.4-3"""
    mqtt2.connect("c", version, will=WILL).disconnect()
    none_came(mqtt2, watch)


@pytest.mark.parametrize("reason", [0x04, 0x80, 0x93])
def test_a_client_may_leave_with_its_will(mqtt2, watch, reason):
    """3.1.2.5: only 0x00 removes it."""
    mqtt2.connect("c", will=WILL).disconnect(reason)
    assert watch().payload == b"gone"


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
def test_it_is_published_as_said(mqtt2, watch, qos, retain):
    """MQTT-3.1.2-14, -15, -16, -17"""
    props = {"payload_format": 1, "content_type": "t", "response_topic": "r",
             "correlation_data": b"\0\1", "user": [("b", "1"), ("a", "2"), ("sluice-id", "1")]}
    c = mqtt2.connect("c", will=Will("w", b"text", qos, retain, {**props, "message_expiry": 100}))
    c.close()
    m = watch()
    assert m.said == ("w", b"text", qos, retain)
    assert m.user == [("b", "1"), ("a", "2")]
    assert 98 <= m.props.pop("message_expiry") <= 100
    assert {k: v for k, v in m.props.items() if k != "user"} == {
        k: v for k, v in props.items() if k != "user"}


def test_an_empty_will(mqtt2, watch):
    mqtt2.connect("c", will=Will("w")).close()
    assert watch().said == ("w", b"", 0, False)


# --- delay

def test_a_delayed_will_waits(mqtt2, watch):
    """3.1.3.2.2"""
    c = mqtt2.session("c", will=Will("w", b"late", props={"will_delay": 1}))
    c.close()
    closed = time.monotonic()
    none_came(mqtt2, watch)
    assert watch().payload == b"late"
    assert time.monotonic() >= closed + 0.9


@pytest.mark.parametrize("gateway", ["mqtt", "mqtt-2"])
def test_coming_back_in_time_cancels_it(mqtt2, watch, gateway):
    """MQTT-3.1.3-9"""
    mqtt2.session("c", will=Will("w", b"late", props={"will_delay": 1})).close()
    passed(0.2)
    c = mqtt2.session("c", gateway=gateway)
    assert c.connack.present
    passed(1.2)
    none_came(mqtt2, watch)


def test_the_end_of_the_session_does_not_wait_for_the_delay(mqtt2, watch):
    """3.1.3.2.2: whichever comes first."""
    late = {"will_delay": 1000}
    mqtt2.connect("no-session", will=Will("w", b"1", props=late)).close()
    assert watch().payload == b"1"
    mqtt2.session("short", session_expiry=1, will=Will("w", b"2", props=late)).close()
    assert watch().payload == b"2"
    mqtt2.session("cleaned", will=Will("w", b"3", props=late)).close()
    none_came(mqtt2, watch)
    mqtt2.connect("cleaned")
    assert watch().payload == b"3"
    c = mqtt2.session("leaves", will=Will("w", b"4", props=late))
    c.send(disconnect(4, session_expiry=0))
    assert watch().payload == b"4"


# --- takeover

def test_takeover_publishes_a_will_without_delay(mqtt2, watch):
    """3.1.4.5-3: the old connection is closed without a DISCONNECT of its client."""
    for gateway in ("mqtt", "mqtt-2"):
        old = mqtt2.session("c", will=WILL)
        mqtt2.session("c", gateway=gateway)
        assert old.closed() == 0x8E
        assert watch().payload == b"gone"


def test_takeover_cancels_a_delayed_will(mqtt2, watch):
    """The session goes on within the delay."""
    for gateway in ("mqtt", "mqtt-2"):
        old = mqtt2.session("c", will=Will("w", b"late", props={"will_delay": 1}))
        mqtt2.session("c", gateway=gateway)
        assert old.closed() == 0x8E
        passed(1.2)
        none_came(mqtt2, watch)


@pytest.mark.parametrize("old_expiry, clean", [(0, False), (600, True)])
def test_takeover_that_ends_the_session_publishes_it(mqtt2, watch, old_expiry, clean):
    old = mqtt2.session("c", session_expiry=old_expiry,
                        will=Will("w", b"late", props={"will_delay": 1000}))
    mqtt2.connect("c", clean=clean, session_expiry=600, gateway="mqtt-2")
    assert old.closed() == 0x8E
    assert watch().payload == b"late"


@pytest.mark.parametrize("clean", [False, True])
def test_takeover_in_3_1_1_publishes_it(mqtt2, watch, clean):
    old = mqtt2.connect("c", V3, clean=clean, will=WILL)
    mqtt2.connect("c", V3, clean=clean, gateway="mqtt-2")
    assert old.closed() is None
    assert watch().payload == b"gone"


def test_the_new_connection_s_will_counts(mqtt2, watch):
    mqtt2.session("c", will=Will("w", b"old", props={"will_delay": 1000})).close()
    c = mqtt2.session("c", will=Will("w", b"new"))
    c.close()
    assert watch().payload == b"new"
    mqtt2.session("c").close()  # without a will
    none_came(mqtt2, watch)


# --- processes that end

@versions
def test_a_killed_gateway_s_clients_have_their_wills(mqtt2, watch, version):
    for n in range(3):
        mqtt2.connect(f"c{n}", version, will=Will("w", b"%d" % n, 1))
    mqtt2.connect("none", version)
    mqtt2.sluice.processes["mqtt"].kill()
    assert sorted(watch().payload for _ in range(3)) == [b"0", b"1", b"2"]
    none_came(mqtt2, watch)
    mqtt2.sluice.processes["mqtt"].start()


def test_a_stopping_gateway_s_clients_have_their_wills(mqtt2, watch):
    """A drain counts as a closed connection."""
    mqtt2.connect("c", will=WILL)
    assert mqtt2.sluice.processes["mqtt"].stop() == 0
    assert watch().payload == b"gone"


def test_a_broker_restart_fires_none(mqtt2, watch):
    """Its clients are connected all the while."""
    live = mqtt2.connect("live", will=WILL)
    stored = mqtt2.session("stored", will=WILL)
    delayed = mqtt2.session("delayed", will=Will("w", b"late", props={"will_delay": 1000}))
    delayed.close()
    mqtt2.sluice.broker.restart()
    wait_for(lambda: mqtt2.sluice.post("ready").status_code == 201, "the broker is back")
    live.ping()
    live.publish("x", b"")
    stored.publish("x", b"")
    none_came(mqtt2, watch)
    stored.close()
    assert watch().payload == b"gone"
    live.close()
    assert watch().payload == b"gone"


def test_a_delayed_will_outlives_the_broker(mqtt2, watch):
    """Its deadline is a time of day."""
    mqtt2.session("c", will=Will("w", b"late", 1, props={"will_delay": 1})).close()
    passed(0.2)
    mqtt2.sluice.broker.restart()
    assert watch().payload == b"late"


def test_a_will_reaches_other_doors_with_its_id(mqtt2, watch):
    stream = mqtt2.sluice.stream("w")
    stream.started()
    mqtt2.connect("c", will=WILL).close()
    assert watch().event == stream.events(1)[0].id


def test_a_refused_connect_has_no_will(mqtt2, watch):
    c = mqtt2.open()
    c.send(connect("c", auth_method="x", will=WILL))
    assert c.closed() == 0x8C
    none_came(mqtt2, watch)


def test_many_wills_at_once(mqtt2, watch):
    clients = [mqtt2.connect(f"c{n}", will=Will("w", b"%d" % n, 2)) for n in range(40)]
    for c in clients:
        c.close()
    assert {watch().payload for _ in range(40)} == {b"%d" % n for n in range(40)}
    none_came(mqtt2, watch)
    assert len(mqtt2.history("w")) == 40
