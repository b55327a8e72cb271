"""What no client may do: each has its reason (5.0: DISCONNECT or CONNACK; 3.1.1: the
close, or a return code), and nobody else notices."""

import struct

import pytest
from mqttlib import (AUTH, CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBCOMP,
                     PUBLISH, PUBREC, PUBREL, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, V3, V5,
                     Will, connect, data, packet, prop, properties, publish, subscribe,
                     unsubscribe, varint)

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
MALFORMED, PROTOCOL, BAD_TOPIC, BAD_FORMAT = 0x81, 0x82, 0x90, 0x99
ID = b"\0\1"


def raw_props(*encoded):
    body = b"".join(encoded)
    return varint(len(body)) + body


def raw_connect(rest=b"\0\1c", flags=2, version=V5, props=b"\0", name=data("MQTT"), keep=b"\0\0"):
    """A CONNECT from its pieces; rest: the payload."""
    body = name + bytes([version, flags]) + keep
    return packet(CONNECT, 0, body + (props if version == V5 else b"") + rest)


# --- before CONNECT has been answered: name → (bytes, reason of 5.0)

FIRST_OF_5 = {
    "not CONNECT": (publish("a", b"x"), None),
    "PINGREQ": (packet(PINGREQ), None),
    "AUTH": (packet(AUTH), None),
    "type 0": (packet(0), None),
    "flags of CONNECT": (packet(CONNECT, 1, connect("c")[2:]), None),
    "a length of five bytes": (b"\x10\x80\x80\x80\x80\x01", None),
    "a reserved connect flag": (raw_connect(flags=3), MALFORMED),
    "will QoS 3": (raw_connect(b"\0\1c\0\0\1w\0\0", 2 | 4 | 24), MALFORMED),
    "will QoS without will": (raw_connect(flags=2 | 8), MALFORMED),
    "will retain without will": (raw_connect(flags=2 | 32), MALFORMED),
    "a will that is missing": (raw_connect(flags=2 | 4), MALFORMED),
    "a user that is missing": (raw_connect(flags=2 | 128), MALFORMED),
    "bytes left over": (raw_connect(b"\0\1cx"), MALFORMED),
    "no payload": (raw_connect(b""), MALFORMED),
    "a client that is no UTF-8": (raw_connect(b"\0\1\xff"), MALFORMED),
    "a client with NUL": (raw_connect(b"\0\1\0"), MALFORMED),
    "a surrogate": (raw_connect(b"\0\3\xed\xa0\x80"), MALFORMED),
    "a property twice": (raw_connect(props=raw_props(prop("session_expiry", 1),
                                                     prop("session_expiry", 1))), PROTOCOL),
    "a property of another packet": (raw_connect(props=properties({"topic_alias": 1})), MALFORMED),
    "an unknown property": (raw_connect(props=raw_props(b"\x7f\0")), MALFORMED),
    "a property cut short": (raw_connect(props=raw_props(b"\x11\0")), MALFORMED),
    "properties longer than the packet": (raw_connect(props=b"\x50"), MALFORMED),
    "receive maximum 0": (connect("c", receive_maximum=0), PROTOCOL),
    "maximum packet size 0": (connect("c", maximum_packet_size=0), PROTOCOL),
    "problem information 2": (connect("c", request_problem_info=2), PROTOCOL),
    "response information 2": (connect("c", request_response_info=2), PROTOCOL),
    "auth data without a method": (connect("c", auth_data=b"x"), PROTOCOL),
    "an unknown method": (connect("c", auth_method="x"), 0x8C),
    "a will whose topic is a filter": (connect("c", will=Will("a/+")), BAD_TOPIC),
    "a will without a topic": (connect("c", will=Will("")), BAD_TOPIC),
    "a will that is not of its format": (
        connect("c", will=Will("a", b"\xff", props={"payload_format": 1})), BAD_FORMAT),
    "will delay outside the will": (raw_connect(props=properties({"will_delay": 1})), MALFORMED),
}


@pytest.mark.parametrize("name", FIRST_OF_5)
def test_a_wrong_beginning(one_mqtt, name):
    """5.0: 4.13.1 lets a server close with or without a CONNACK that says why; ours says
    it when the packet was a CONNECT at all."""
    raw, reason = FIRST_OF_5[name]
    assert one_mqtt.open().send(raw).closed() == reason


FIRST_OF_3 = {
    "not CONNECT": (publish("a", b"x", version=V3), None),
    "a reserved connect flag": (raw_connect(flags=3, version=V3), None),
    "will QoS 3": (raw_connect(b"\0\1c\0\1w\0\0", 2 | 4 | 24, V3), None),
    "will QoS without will": (raw_connect(flags=2 | 8, version=V3), None),
    "will retain without will": (raw_connect(flags=2 | 32, version=V3), None),
    "a password without a user": (raw_connect(b"\0\1c\0\1p", 2 | 64, V3), None),
    "bytes left over": (raw_connect(b"\0\1cx", version=V3), None),
    "no payload": (raw_connect(b"", version=V3), None),
    "a client that is no UTF-8": (raw_connect(b"\0\1\xff", version=V3), None),
    "no identifier, not clean": (raw_connect(b"\0\0", 0, V3), 2),
    "a will whose topic is a filter": (connect("c", V3, will=Will("a/+")), None),
}


@pytest.mark.parametrize("name", FIRST_OF_3)
def test_a_wrong_beginning_in_3_1_1(one_mqtt, name):
    raw, code = FIRST_OF_3[name]
    assert one_mqtt.open(version=V3).send(raw).closed() == code


# --- once connected: name → ({version: bytes}, reason of 5.0); 3.1.1 has only the close

def both_versions(make):
    """The same packet in each version's form."""
    return {version: make(version) for version in (V3, V5)}


def only_5(raw):
    return {V5: raw}


def with_props(version):
    return b"\0" if version == V5 else b""


CONNECTED = {
    "CONNECT again": (both_versions(lambda v: connect("c", v)), PROTOCOL),
    "type 0": (both_versions(lambda v: packet(0)), MALFORMED),
    "CONNACK": (both_versions(lambda v: packet(CONNACK, 0, b"\0\0" + with_props(v))), PROTOCOL),
    "SUBACK": (both_versions(lambda v: packet(SUBACK, 0, ID + with_props(v) + b"\0")), PROTOCOL),
    "UNSUBACK": (both_versions(lambda v: packet(UNSUBACK, 0, ID)), PROTOCOL),
    "PINGRESP": (both_versions(lambda v: packet(PINGRESP)), PROTOCOL),
    "AUTH": (both_versions(lambda v: packet(AUTH)), PROTOCOL),
    "a length of five bytes": (both_versions(lambda v: b"\x30\xff\xff\xff\xff\x01"), MALFORMED),
    "a packet of 256 MiB": (both_versions(lambda v: b"\x30\xff\xff\xff\x7f"), 0x95),
    "a body of PINGREQ": (both_versions(lambda v: packet(PINGREQ, 0, b"x")), MALFORMED),
    # flags (2.1.3)
    **{f"flags of {name}": (both_versions(lambda v, k=kind, f=flags: packet(k, f, ID)), MALFORMED)
       for name, kind, flags in [
           ("PUBACK", PUBACK, 1), ("PUBREC", PUBREC, 2), ("PUBREL", PUBREL, 0),
           ("PUBREL with 3", PUBREL, 3), ("PUBCOMP", PUBCOMP, 2), ("SUBSCRIBE", SUBSCRIBE, 0),
           ("UNSUBSCRIBE", UNSUBSCRIBE, 0)]},
    "flags of PINGREQ": (both_versions(lambda v: packet(PINGREQ, 1)), MALFORMED),
    "flags of DISCONNECT": (both_versions(lambda v: packet(DISCONNECT, 1)), MALFORMED),
    # PUBLISH
    "QoS 3": (both_versions(lambda v: packet(PUBLISH, 6, data("a") + ID + with_props(v))),
              MALFORMED),
    "DUP at QoS 0": (both_versions(lambda v: publish("a", b"", dup=True, version=v)), MALFORMED),
    "identifier 0": (both_versions(lambda v: publish("a", b"", 1, 0, version=v)), PROTOCOL),
    "a topic with +": (both_versions(lambda v: publish("a/+", b"", version=v)), BAD_TOPIC),
    "a topic with #": (both_versions(lambda v: publish("#", b"", version=v)), BAD_TOPIC),
    "a topic with NUL": (both_versions(lambda v: publish("a\0b", b"", version=v)), MALFORMED),
    "a topic that is no UTF-8": (both_versions(lambda v: publish(b"\xc3(", b"", version=v)),
                                 MALFORMED),
    "a topic longer than its packet": (both_versions(lambda v: packet(PUBLISH, 0, b"\0\5a")),
                                       MALFORMED),
    "no identifier": (both_versions(lambda v: packet(PUBLISH, 2, data("a") + b"\0")), MALFORMED),
    "no topic": (both_versions(lambda v: publish("", b"", version=v)), PROTOCOL),
    "alias 0": (only_5(publish("a", b"", topic_alias=0)), 0x94),
    "an alias too high": (only_5(publish("a", b"", topic_alias=65535)), 0x94),
    "an alias that was not set": (only_5(publish("", b"", topic_alias=1)), PROTOCOL),
    "payload format 2": (only_5(publish("a", b"", payload_format=2)), PROTOCOL),
    "a subscription identifier": (only_5(publish("a", b"", subscription_id=1)), PROTOCOL),
    "a response topic with a wildcard": (only_5(publish("a", b"", response_topic="a/+")),
                                         PROTOCOL),
    "expiry twice": (only_5(packet(PUBLISH, 0, data("a") + raw_props(
        prop("message_expiry", 1), prop("message_expiry", 1)))), PROTOCOL),
    "an unknown property": (only_5(packet(PUBLISH, 0, data("a") + raw_props(b"\x7f\0"))),
                            MALFORMED),
    "a property of another packet": (only_5(publish("a", b"", session_expiry=1)), MALFORMED),
    "properties longer than the packet": (only_5(packet(PUBLISH, 0, data("a") + b"\x7f")),
                                          MALFORMED),
    "a user property that is no UTF-8": (only_5(publish("a", b"", user=[(b"\xff", b"v")])),
                                         MALFORMED),
    "properties of a length that is none": (
        only_5(packet(PUBLISH, 0, data("a") + b"\xff\xff\xff\xff\x01")), MALFORMED),
    # SUBSCRIBE, UNSUBSCRIBE
    "no filters": (both_versions(lambda v: subscribe(1, [], v)), PROTOCOL),
    "nothing to unsubscribe": (both_versions(lambda v: unsubscribe(1, [], v)), PROTOCOL),
    "SUBSCRIBE 0": (both_versions(lambda v: subscribe(0, [("a", 0)], v)), PROTOCOL),
    "UNSUBSCRIBE 0": (both_versions(lambda v: unsubscribe(0, ["a"], v)), PROTOCOL),
    "a filter without options": (
        both_versions(lambda v: packet(SUBSCRIBE, 2, ID + with_props(v) + data("a"))), MALFORMED),
    "subscribing at QoS 3": (both_versions(lambda v: subscribe(1, [("a", 3)], v)), PROTOCOL),
    "reserved options": (both_versions(lambda v: subscribe(1, [("a", 0x40)], v)), MALFORMED),
    "options of 5.0 in 3.1.1": ({V3: subscribe(1, [("a", 4)], V3)}, None),
    "retain handling 3": (only_5(subscribe(1, [("a", 0x30)])), PROTOCOL),
    "a filter that is no UTF-8": (both_versions(lambda v: subscribe(1, [(b"\xff", 0)], v)),
                                  MALFORMED),
    "subscription identifier 0": (only_5(subscribe(1, [("a", 0)], subscription_id=0)), PROTOCOL),
    "two subscription identifiers": (only_5(subscribe(1, [("a", 0)], subscription_id=[1, 2])),
                                     PROTOCOL),
    "no local in a group": (only_5(subscribe(1, [("$share/g/a", 4)])), PROTOCOL),
    # acknowledgements
    "PUBACK cut short": (both_versions(lambda v: packet(PUBACK, 0, b"\0")), MALFORMED),
    "PUBACK 0": (both_versions(lambda v: packet(PUBACK, 0, b"\0\0")), PROTOCOL),
    "PUBREL with bytes left over": ({V3: packet(PUBREL, 2, ID + b"\0")}, None),
    "a reason that is none": (only_5(packet(PUBACK, 0, ID + b"\x55")), PROTOCOL),
    "a property of PUBACK": (only_5(packet(PUBACK, 0, ID + b"\0" + properties(
        {"session_expiry": 1}))), MALFORMED),
    # DISCONNECT, AUTH
    "a reason of the server's": (only_5(packet(DISCONNECT, 0, b"\x8e")), PROTOCOL),
    "an expiry from zero": (only_5(packet(DISCONNECT, 0, b"\0" + properties(
        {"session_expiry": 1}))), PROTOCOL),
    "AUTH with a method": (only_5(packet(AUTH, 0, b"\x18" + properties({"auth_method": "x"}))),
                           PROTOCOL),
}


@pytest.mark.parametrize("version, name",
                         [(v, n) for n, (raw, _) in CONNECTED.items() for v in raw])
def test_a_violation(one_mqtt, version, name):
    raw, reason = CONNECTED[name]
    other = one_mqtt.connect("other")
    other.subscribed(one_mqtt.t, qos=1)
    c = one_mqtt.connect("c", version)
    assert c.send(raw[version]).closed() == (reason if version == V5 else None)
    other.publish(one_mqtt.t, b"x")
    assert other.payloads(1) == ["x"]


# --- what is no violation

@versions
def test_acknowledgements_of_nothing(one_mqtt, version):
    """4.8 gives no reason to close for them; PUBREC and PUBREL are answered."""
    c = one_mqtt.connect("c", version)
    c.send(packet(PUBACK, 0, b"\0\5"), packet(PUBCOMP, 0, b"\0\5"))
    c.send(packet(PUBREL, 2, b"\0\5"))
    assert c.take(PUBCOMP, 5).reason == (0x92 if version == V5 else 0)
    c.send(packet(PUBREC, 0, b"\0\6"))
    assert c.take(PUBREL, 6).reason == (0x92 if version == V5 else 0)
    c.ping()


def test_longer_forms_of_what_may_be_short(one_mqtt):
    c = one_mqtt.connect("c")
    c.subscribed(one_mqtt.t, qos=1)
    c.publish(one_mqtt.t, b"x")
    m = c.message(ack=False)
    c.send(packet(PUBACK, 0, struct.pack(">H", m.id) + b"\0\0"))
    c.send(packet(DISCONNECT, 0, b"\0\0"))
    assert c.closed() is None


def test_control_characters_and_a_byte_order_mark(one_mqtt):
    """1.5.4: they SHOULD not be there; U+FEFF is kept (MQTT-1.5.4-3)."""
    c = one_mqtt.connect("c")
    topic = f"{one_mqtt.t}/\ufeff\u0001\uffff"
    c.subscribed(topic, qos=1)
    c.publish(topic, b"x")
    assert c.message().topic == topic


def test_a_connection_per_violation_leaves_nothing_behind(mqtt):
    gateway = mqtt.sluice.processes["mqtt"]
    raws = [raw[V5] for raw, _ in CONNECTED.values() if V5 in raw]

    def rounds(count):
        for n in range(count):
            with mqtt.open() as c:
                c.send(connect(f"c{n}"), raws[n % len(raws)]).closed()
    rounds(300)
    before = gateway.memory()
    rounds(600)
    assert gateway.memory() < before + (4 << 20)
