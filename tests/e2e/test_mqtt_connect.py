"""CONNECT to CONNACK, keep-alive, limits told and kept, takeover, the server's own end."""

import time

import pytest
from mqttlib import (AUTH, CONNACK, PING, PINGRESP, PUBACK, PUBLISH, SUBACK, V3, V5, Client, Closed,
                     Will, connect, disconnect, packet, properties, publish, subscribe)
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


def refused(door, raw, version):
    """The code of the CONNACK that refuses, None when there was only the close."""
    return door.open(version=version).send(raw).closed()


# --- accepted

@versions
def test_a_new_session_is_not_present(mqtt, version):
    assert not mqtt.connect("a", version).connack.present


def test_connack_says_what_the_server_can(mqtt):
    props = mqtt.connect("a").connack.props
    assert "assigned_client_id" not in props and "session_expiry" not in props
    assert props.get("receive_maximum", 65535) > 0
    assert props["maximum_packet_size"] > 1 << 20
    assert props["topic_alias_maximum"] > 0
    # What is all available is not said, or said to be so.
    assert "maximum_qos" not in props
    for name in ("retain_available", "wildcard_available", "subscription_id_available",
                 "shared_available"):
        assert props.get(name, 1) == 1


def test_identifiers_are_assigned(mqtt):
    names = {mqtt.connect("").connack.props["assigned_client_id"] for _ in range(3)}
    assert len(names) == 3


def test_an_assigned_identifier_can_be_used_again(mqtt):
    c = mqtt.connect("", session_expiry=100)
    c.disconnect()
    again = mqtt.open()
    again.connect(c.connack.props["assigned_client_id"], clean=False)
    assert again.connack.present


def test_a_clean_3_1_1_client_needs_no_identifier(mqtt):
    c = mqtt.connect("", V3)
    assert not c.connack.present
    c.ping()


def test_identifiers_may_be_long_and_of_any_letters(mqtt):
    for name in ("x" * 200, "ünïcödé 🦆", "a/+/#", " "):
        c = mqtt.open()
        c.connect(name)
        c.ping()


@versions
def test_packets_may_follow_before_the_connack(mqtt, version):
    c = mqtt.open(version=version)
    c.send(connect("early", version), subscribe(1, [("e/#", 1)], version),
           publish("e/x", b"1", 1, 2, version=version), PING)
    assert c.next(CONNACK, SUBACK, PUBACK, PUBLISH).kind == CONNACK
    c.take(SUBACK, 1)
    c.take(PUBACK, 2)
    c.take(PINGRESP)
    assert c.message().payload == b"1"


@versions
def test_bytes_one_by_one(mqtt, version):
    c = mqtt.open(version=version)
    raw = connect("slow", version) + subscribe(1, [("s", 1)], version)
    for byte in raw + publish("s", b"payload", 1, 2, version=version):
        c.send(bytes([byte]))
    assert c.message().payload == b"payload"


def test_user_and_password_are_taken_without_authentication(mqtt):
    mqtt.connect("a", V3, user="u", password=b"p")
    mqtt.connect("b", V3, user="u")
    mqtt.connect("c", V5, user="u", password=b"p")
    mqtt.connect("d", V5, password=b"p")  # 5.0, 3.1.2.9: without a name too


# --- refused: bytes, return code of 3.1.1, reason of 5.0 (None: only the close)

def test_3_1_1_without_identifier_and_not_clean(mqtt):
    """MQTT-3.1.3-8"""
    assert refused(mqtt, connect("", V3, clean=False), V3) == 2


@pytest.mark.parametrize("level", [0, 2, 3, 6, 255])
def test_another_protocol_level(mqtt, level):
    """MQTT-3.1.2-2: told in the form of the version nearest to it, or just closed."""
    with mqtt.sluice.raw("mqtt") as c:
        c.send(connect("x", level))
        assert c.rest() in (b"", b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00")


@pytest.mark.parametrize("name", ["MQIsdp", "mqtt", "MQTTT", "", "HTTP"])
@versions
def test_another_protocol(mqtt, name, version):
    with mqtt.sluice.raw("mqtt") as c:
        c.send(connect("x", version, name=name))
        assert c.rest() in (b"", b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00")


def test_methods_of_authentication(mqtt):
    """None is offered (4.12); AUTH has no place without one."""
    assert refused(mqtt, connect("a", auth_method="SCRAM-SHA-1", auth_data=b"x"), V5) == 0x8C
    c = mqtt.connect("b")
    c.send(packet(AUTH, 0, b"\x18" + properties({"auth_method": "SCRAM-SHA-1"})))
    assert c.closed() == 0x82


def test_http_at_this_door(mqtt):
    with mqtt.sluice.raw("mqtt") as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.rest() == b""


# --- time

@versions
def test_keep_alive(mqtt, version):
    """MQTT-3.1.2-22 (5.0; 3.1.1: -24): one and a half times the time; any packet counts."""
    silent, loud = (mqtt.connect(n, version, keep_alive=1) for n in ("silent", "loud"))
    begun = time.monotonic()
    silent.raw.socket.settimeout(0.2)
    reason = "open"
    while reason == "open":
        loud.ping()
        try:
            reason = silent.closed()
        except TimeoutError:
            assert time.monotonic() < begun + 10
    assert reason == (0x8D if version == V5 else None)
    assert 1.4 <= time.monotonic() - begun
    loud.ping()


def test_the_server_may_set_keep_alive(new_mqtt):
    """MQTT-3.1.2-21"""
    mqtt = new_mqtt("[mqtt]\nmax_keep_alive = 30s\n")
    for asked, told in [(0, 30), (31, 30), (30, None), (10, None)]:
        props = mqtt.connect(keep_alive=asked).connack.props
        assert props.get("server_keep_alive") == told, asked


def test_a_connection_that_does_not_connect_is_closed(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nconnect_timeout = 300ms\n")
    silent, trickling = mqtt.open(), mqtt.open()
    up = mqtt.connect("up")
    raw = iter(connect("t" * 100))
    trickling.raw.socket.settimeout(0.02)

    def gone():
        try:
            trickling.send(bytes([next(raw)]))
            return trickling.closed() is None
        except TimeoutError:
            return False
    wait_for(gone, "the trickling one is closed")
    assert silent.closed() is None
    up.ping()


# --- limits

def test_session_expiry_has_a_limit(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nmax_session_expiry = 10s\n")
    for asked, told in [(0, None), (5, None), (10, None), (11, 10), (0xFFFFFFFF, 10)]:
        props = mqtt.connect(session_expiry=asked).connack.props
        assert props.get("session_expiry") == told, asked


def test_a_client_s_maximum_packet_size_is_kept(mqtt):
    """MQTT-3.1.2-24, -25: what is larger is passed over as if it had been sent."""
    c = mqtt.connect("small", maximum_packet_size=200, receive_maximum=2)
    c.subscribed("a", qos=2)
    for payload in (b"x" * 300, b"first", b"y" * 300, b"z" * 300, b"second"):
        mqtt.publish("a", payload)
    assert c.payloads(2) == ["first", "second"]


def test_our_properties_are_the_first_to_go(mqtt):
    """An event that fits only without sluice-id comes without it."""
    c = mqtt.connect("small", maximum_packet_size=60)
    c.subscribed("a", qos=1)
    mqtt.publish("a", b"x" * 48)
    m = c.message()
    assert m.payload == b"x" * 48 and m.ours == {}


def test_problem_information_is_for_those_who_want_it(mqtt):
    """MQTT-3.1.2-29: without it user properties only on PUBLISH, CONNACK, DISCONNECT."""
    c = mqtt.connect("no", request_problem_info=0)
    assert c.subscribed("a", qos=1).props == {}
    assert c.publish("a", b"1").props == {}
    assert c.publish("a", b"2", qos=2).props == {}
    assert c.unsubscribe("never").props == {}
    assert all(int(m.event) > 0 for m in c.messages(2))
    c = mqtt.connect("yes", request_problem_info=1)
    assert int(c.publish("a", b"3").event) > 0
    assert int(c.publish("a", b"4", qos=2).event) > 0


# --- the end

@versions
def test_disconnect_is_answered_by_the_close(mqtt, version):
    mqtt.connect("a", version).disconnect()


def test_expiry_cannot_be_raised_from_zero_at_the_end(mqtt):
    """3.14.2.2.2"""
    c = mqtt.connect("a")
    c.send(disconnect(0, session_expiry=10))
    assert c.closed() == 0x82
    mqtt.connect("b", session_expiry=5).disconnect(session_expiry=0)


@versions
def test_takeover(mqtt, version):
    """MQTT-3.1.4-3"""
    for client in ("clean", "kept"):
        first = mqtt.connect(client, version, clean=client == "clean")
        second = mqtt.connect(client, version, clean=client == "clean")
        assert first.closed() == (0x8E if version == V5 else None)
        second.ping()


@versions
def test_takeover_from_another_gateway(mqtt2, version):
    first = mqtt2.session("a", version)
    first.subscribed("x", qos=1)
    second = mqtt2.session("a", version, gateway="mqtt-2")
    assert second.connack.present
    assert first.closed() == (0x8E if version == V5 else None)
    mqtt2.publish("x", b"1")
    assert second.message().payload == b"1"
    third = mqtt2.session("a", version)
    assert third.connack.present
    assert second.closed() == (0x8E if version == V5 else None)
    mqtt2.publish("x", b"2")
    assert third.message().payload == b"2"


def test_many_takeovers_at_once_leave_one(mqtt2):
    clients = [mqtt2.open(("mqtt", "mqtt-2")[n % 2]) for n in range(12)]
    for c in clients:
        c.send(connect("same", session_expiry=60, clean=False))

    def up(c):
        try:
            c.raw.socket.settimeout(0.2)
            c.ping()
            return True
        except (Closed, OSError):
            return False
    wait_for(lambda: sum(map(up, clients)) == 1, "one has the session")


@versions
def test_a_packet_that_is_too_large_behind_connect(mqtt, version):
    """It is owed a CONNACK, which says so."""
    c = mqtt.open(version=version)
    c.send(connect("c", version), b"\x30\x80\x84\xaf\x5f", b"x" * 1000)
    assert c.closed() == (0x95 if version == V5 else None)


@pytest.mark.parametrize("elsewhere, reason", [(None, 0x8B), ("other.example:1883", 0x9C),
                                               ("a.example [::1]:1883 [::1]", 0x9C)])
@versions
def test_shutdown(new_mqtt, version, elsewhere, reason):
    """4.11, 4.13: told, and where to go if there is such a place."""
    mqtt = new_mqtt(f"[mqtt]\nserver_reference = {elsewhere or ''}\n")
    c = mqtt.connect("a", version)
    mqtt.sluice.processes["mqtt"].popen.terminate()
    reasons = []
    while (p := c.read()) is not None:
        reasons.append((p.reason, p.props.get("server_reference")))
    assert reasons == ([(reason, elsewhere)] if version == V5 else [])


# --- without the broker

@versions
def test_while_the_broker_is_away(mqtt, version):
    """Clients stay, nothing is acknowledged, nobody new is let in."""
    c = mqtt.connect("stays", version)
    c.subscribed("a", qos=1)
    mqtt.sluice.broker.kill()
    c.send(publish("a", b"1", 1, 7, version=version))
    c.ping()
    assert refused(mqtt, connect("new", version), version) == (0x88 if version == V5 else 3)
    c.ping()
    assert not c.kept
    mqtt.sluice.broker.start()
    c.take(PUBACK, 7)
    assert c.message().payload == b"1"
    wait_for(lambda: refused_or_up(mqtt, version), "new clients are let in")
    assert len(mqtt.history("a")) == 1


def refused_or_up(mqtt, version):
    with Client(mqtt.sluice.port("mqtt"), version) as c:
        c.send(connect("again", version))
        return c.take(CONNACK).reason == 0


@pytest.mark.parametrize("topic", ["a/+", "a/#", "$SYS/x", "$share/g/x", "$after/0/x"])
@versions
def test_a_will_for_a_topic_that_cannot_be_is_no_connection(one_mqtt, version, topic):
    """No name, or one of ours."""
    reason = refused(one_mqtt, connect("w", version, will=Will(topic)), version)
    assert reason == (0x90 if version == V5 else None)
