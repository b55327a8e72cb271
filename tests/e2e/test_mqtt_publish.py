"""PUBLISH both ways: QoS, order, aliases, flow, expiry, properties."""

import time

import pytest
from mqttlib import (PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, V3, V5, Client, Will, ack, connect,
                     publish)
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


# --- QoS

@versions
def test_delivery_is_at_the_lower_qos(mqtt, version):
    p = mqtt.connect("p", version)
    subs = [mqtt.connect(f"s{q}", version) for q in range(3)]
    for granted, s in enumerate(subs):
        s.subscribed("a", qos=granted)
    for published in range(3):
        p.publish("a", f"{published}", qos=published)
    for granted, s in enumerate(subs):
        got = [(m.payload, m.qos, m.dup, m.retain) for m in s.messages(3)]
        assert got == [(b"%d" % q, min(q, granted), False, False) for q in range(3)]


@versions
def test_events_of_others_count_as_qos_2(mqtt, version):
    c = mqtt.connect("c", version)
    c.subscribed("a", qos=2)
    mqtt.publish("a", b"by POST")
    assert c.message().said == ("a", b"by POST", 2, False)


@versions
def test_a_publisher_hears_itself(mqtt, version):
    c = mqtt.connect("c", version)
    c.subscribed("a/#", qos=2)
    for qos in range(3):
        c.publish(f"a/{qos}", b"x", qos=qos)
    assert [m.topic for m in c.messages(3)] == ["a/0", "a/1", "a/2"]


@versions
def test_any_bytes(mqtt, version):
    c = mqtt.connect("c", version)
    c.subscribed("a", qos=1)
    payloads = [b"", b"\0", bytes(range(256)), b"x" * 127, b"y" * 16383, b"z" * (1 << 20)]
    for payload in payloads:
        c.publish("a", payload)
    assert [m.payload for m in c.messages(len(payloads))] == payloads


@versions
def test_topics_of_any_form(mqtt, version):
    c = mqtt.connect("c", version)
    topics = ["/", "//", "/a", "a/", "a//b", "ü/🦆", " ", "a b", "x" * 1024, "$a/b"]
    for topic in topics:
        c.subscribed(topic, qos=1)
        c.publish(topic, b"1")
        assert c.message().topic == topic


@versions
def test_qos_2_again_before_its_release_is_the_same_event(mqtt, version):
    """MQTT-4.3.3-10"""
    c = mqtt.connect("c", version)
    for dup in (False, True, True):
        c.send(publish("a", b"once", 2, 9, dup=dup, version=version))
        assert c.take(PUBREC, 9).reason == 0
    c.release(9)
    c.publish("a", b"last")
    assert [e["data"] for e in mqtt.history("a")] == ["once", "last"]


@versions
def test_after_its_release_an_identifier_is_new(mqtt, version):
    c = mqtt.connect("c", version)
    for n in range(3):
        c.send(publish("a", f"{n}", 2, 9, version=version))
        assert c.take(PUBREC, 9).reason == 0
        c.release(9)
    assert [e["data"] for e in mqtt.history("a")] == ["0", "1", "2"]


@versions
def test_qos_1_again_is_another_event(mqtt, version):
    """MQTT-4.3.2-5: a server may not take DUP for the same message."""
    c = mqtt.connect("c", version)
    for dup in (False, True):
        c.send(publish("a", b"x", 1, 9, dup=dup, version=version))
        c.take(PUBACK, 9)
    assert len(mqtt.history("a")) == 2


@versions
def test_dup_does_not_travel(mqtt, version):
    """MQTT-3.3.1-3"""
    c = mqtt.connect("c", version)
    c.subscribed("a", qos=1)
    c.send(publish("a", b"x", 1, 9, dup=True, version=version))
    assert c.message().dup is False


@versions
def test_a_release_of_nothing(mqtt, version):
    c = mqtt.connect("c", version)
    c.send(ack(PUBREL, 77, version=version))
    assert c.take(PUBCOMP, 77).reason == (0x92 if version == V5 else 0)


def test_acknowledgements_carry_the_event_s_id(mqtt):
    c = mqtt.connect("c")
    c.subscribed("a", qos=1)
    stream = mqtt.sluice.stream("a")
    stream.started()
    for qos in (1, 2):
        answer = c.publish("a", b"x", qos=qos)
        assert answer.event == c.message().event == stream.events(1)[0].id


@versions
def test_acknowledged_is_committed(mqtt, version):
    """The broker stopped: no PUBACK, no PUBREC; gone and back: both, once each."""
    c = mqtt.connect("c", version)
    c.publish("a", b"0")
    mqtt.sluice.broker.freeze()
    c.send(publish("a", b"1", 1, 101, version=version),
           publish("a", b"2", 2, 102, version=version))
    c.ping()
    assert not c.kept
    mqtt.sluice.broker.restart()
    c.take(PUBACK, 101)
    c.take(PUBREC, 102)
    c.release(102)
    assert [e["data"] for e in mqtt.history("a")] == ["0", "1", "2"]


# --- order and flow

@versions
@pytest.mark.parametrize("qos", [0, 1])
def test_order(mqtt, version, qos):
    """MQTT-4.6.0-2, -5"""
    p, s = mqtt.connect("p", version), mqtt.connect("s", version)
    s.subscribed("a", qos=qos)
    p.send(*(publish("a", f"{n}", qos, n + 1, version=version) for n in range(500)))
    if qos:
        assert [p.take(PUBACK).id for _ in range(500)] == list(range(1, 501))
    assert s.payloads(500) == [str(n) for n in range(500)]


@versions
def test_order_at_qos_2(mqtt, version):
    """MQTT-4.6.0-3, -4: PUBREC in the order of PUBLISH, PUBREL in the order of PUBREC."""
    p, s = mqtt.connect("p", version), mqtt.connect("s", version)
    s.subscribed("a", qos=2)
    p.send(*(publish("a", f"{n}", 2, n + 1, version=version) for n in range(10)))
    assert [p.take(PUBREC).id for _ in range(10)] == list(range(1, 11))
    p.send(*(ack(PUBREL, n + 1, version=version) for n in range(10)))
    assert [p.take(PUBCOMP).id for _ in range(10)] == list(range(1, 11))
    got = s.messages(10, ack=False)
    assert [m.payload for m in got] == [b"%d" % n for n in range(10)]
    assert len({m.id for m in got}) == 10
    s.send(*(ack(PUBREC, m.id, version=version) for m in got))
    assert [s.take(PUBREL).id for _ in got] == [m.id for m in got]


def test_the_client_s_receive_maximum_is_kept(mqtt):
    """MQTT-3.3.4-9; while the quota is 0, QoS 0 waits too."""
    c = mqtt.connect("c", receive_maximum=2)
    c.subscribed("a/#", qos=2)
    p = mqtt.connect("p")
    for n, qos in enumerate([1, 2, 0, 1, 1]):
        p.publish(f"a/{n}", b"x", qos=qos)
    first, second = c.messages(2, ack=False)
    c.ping()
    assert not c.kept
    c.acknowledge(first)
    got = c.messages(2, ack=False)
    assert [m.topic for m in got] == ["a/2", "a/3"]
    c.ping()
    assert not c.kept
    c.send(ack(PUBREC, second.id))
    c.take(PUBREL, second.id)
    c.ping()
    assert not c.kept  # PUBREC does not give the place back, PUBCOMP does
    c.send(ack(PUBCOMP, second.id))
    assert c.message().topic == "a/4"


def test_a_refusing_pubrec_ends_the_exchange(mqtt):
    """4.3.3: and gives the place back."""
    c = mqtt.connect("c", receive_maximum=1)
    c.subscribed("a", qos=2)
    for n in range(3):
        mqtt.publish("a", f"{n}")
    for n in range(2):
        m = c.message(ack=False)
        assert m.payload == b"%d" % n
        c.send(ack(PUBREC, m.id, 0x83))
    assert c.message().payload == b"2"
    assert not c.kept


def test_our_receive_maximum_is_demanded(new_mqtt):
    """MQTT-3.3.4-7 is the client's duty; 0x93 the answer."""
    mqtt = new_mqtt("[mqtt]\nreceive_maximum = 5\n")
    c = mqtt.connect("c")
    assert c.connack.props["receive_maximum"] == 5
    for id in range(1, 6):
        c.send(publish("a", b"x", 2, id))
        c.take(PUBREC, id)
    c.send(publish("a", b"x", 0))
    c.release(1)
    c.publish("a", b"x", 1)
    c.send(publish("a", b"x", 2, 6))
    c.take(PUBREC, 6)
    c.send(publish("a", b"x", 2, 7))
    assert c.closed() == 0x93


# --- topic aliases

def test_aliases_of_the_client(mqtt):
    c = mqtt.connect("c")
    c.subscribed("#", qos=1)
    c.publish("a", b"1", topic_alias=1)
    c.publish("", b"2", topic_alias=1)
    c.publish("b", b"3", topic_alias=2)
    c.publish("", b"4", topic_alias=1)
    c.publish("c", b"5", topic_alias=1)
    c.publish("", b"6", topic_alias=1)
    c.publish("", b"7", topic_alias=2, qos=2)
    highest = c.connack.props["topic_alias_maximum"]
    c.publish("d", b"8", topic_alias=highest)
    c.publish("", b"9", topic_alias=highest, qos=0)
    assert "".join(m.topic for m in c.messages(9)) == "aabaccbdd"


def test_aliases_end_with_the_connection(mqtt):
    """MQTT-3.3.2-7"""
    mqtt.session("c").publish("a", b"1", topic_alias=1)
    c = mqtt.session("c")
    assert c.connack.present
    c.send(publish("", b"2", 1, 1, topic_alias=1))
    assert c.closed() in (0x82, 0x94)


def test_aliases_of_the_gateway(mqtt):
    """For hot topics, within what the client allows, and not at all where it allows none."""
    with_some = mqtt.connect("some", topic_alias_maximum=3)
    without = mqtt.connect("none")
    topics = [f"topic/{'long' * 10}/{n}" for n in range(5)]
    for c in (with_some, without):
        c.subscribed("topic/#", qos=1)
    for _ in range(40):
        for topic in topics:
            mqtt.publish(topic, topic)
    for c in (with_some, without):
        for m in c.messages(40 * len(topics)):
            assert m.payload.decode() == m.topic
    assert len(with_some.aliases) <= 3 and max(with_some.aliases) <= 3
    assert with_some.alias_uses > 0
    assert not without.aliases


# --- expiry

def test_expiry_counts_down(mqtt):
    """MQTT-3.3.2-6"""
    s = mqtt.session("s")
    s.subscribed("a", qos=1)
    s.close()
    mqtt.publish("a", b"x", Sluice_Expiry="100")
    published = time.monotonic()
    wait_for(lambda: time.monotonic() > published + 1.1, "a second has passed")
    s = mqtt.session("s")
    assert 90 <= s.message().props["message_expiry"] <= 99


def test_expired_events_are_passed_over(mqtt):
    """MQTT-3.3.2-5; and no gap is told of them."""
    s = mqtt.session("s")
    s.subscribed("a", qos=1)
    s.close()
    p = mqtt.connect("p")
    p.publish("a", b"short", message_expiry=1)
    p.publish("a", b"never", message_expiry=0)
    p.publish("a", b"long", message_expiry=1000)
    p.publish("a", b"ever")
    published = time.monotonic()
    wait_for(lambda: time.monotonic() > published + 1.1, "the first has expired")
    s = mqtt.session("s")
    long, ever = s.messages(2)
    assert (long.payload, ever.payload) == (b"long", b"ever")
    assert long.props["message_expiry"] <= 999
    assert "message_expiry" not in ever.props
    assert all("sluice-gap" not in p.ours for p in (s.connack, long, ever))


# --- properties

EVERYTHING = {
    "payload_format": 1, "content_type": "text/plain; charset=utf-8",
    "response_topic": "answers/here", "correlation_data": bytes(range(256)),
    "user": [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("ü", "🦆")]}


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_properties_arrive(mqtt, qos):
    """MQTT-3.3.2-4, -15, -16, -17, -18, -20; user properties in order (-17)."""
    c = mqtt.connect("c")
    c.subscribed("a", qos=qos)
    c.publish("a", "text", qos=qos, **EVERYTHING)
    m = c.message()
    assert m.user == EVERYTHING["user"]
    named = {k: v for k, v in m.props.items() if k != "user"}
    assert named == {k: v for k, v in EVERYTHING.items() if k != "user"}
    assert list(m.ours) == ["sluice-id"]


def test_a_3_1_1_client_gets_the_payload(mqtt):
    old, new = mqtt.connect("old", V3), mqtt.connect("new")
    old.subscribed("a", qos=1)
    new.publish("a", "text", **EVERYTHING)
    assert old.message().said == ("a", b"text", 1, False)


def test_our_own_names_are_not_taken_from_clients(mqtt):
    c = mqtt.connect("c")
    c.subscribed("a", qos=1)
    answer = c.publish("a", b"x", user=[("sluice-id", "1"), ("k", "v"), ("sluice-gap", "{}"),
                                        ("sluice-", "x"), ("Sluice-id", "2")])
    m = c.message()
    assert m.user == [("k", "v"), ("Sluice-id", "2")]
    assert m.ours == {"sluice-id": answer.event}


def test_a_payload_that_is_not_what_its_format_says(mqtt):
    """3.3.2.3.2"""
    c = mqtt.connect("c")
    for qos in (1, 2):
        assert c.publish("a", b"\xff", qos=qos, payload_format=1).reason == 0x99
    c.publish("a", b"\xff", payload_format=0)
    assert len(mqtt.history("a")) == 1


# --- refusals

@versions
@pytest.mark.parametrize("topic", ["$SYS/broker/uptime", "$share/g/a", "$after/0/a", "$last/1/a"])
def test_topics_that_are_ours(mqtt, version, topic):
    """5.0 has the reason; 3.1.1 has no way to say it: acknowledged, and that is all."""
    c = mqtt.connect("c", version)
    for qos in (1, 2):
        c.send(publish(topic, b"x", qos, qos, version=version))
        answer = c.take(PUBACK if qos == 1 else PUBREC, qos)
        assert answer.reason == (0x90 if version == V5 else 0)
    if version == V3:
        c.release(2)
    c.publish(topic, b"x", qos=0)
    c.ping()


def test_a_topic_that_is_too_long(mqtt):
    c = mqtt.connect("c")
    assert c.publish("x" * 1025, b"").reason == 0x90


def test_a_payload_that_is_too_large(new_mqtt):
    """Within the packet size that is taken, but over max_payload; and over both."""
    mqtt = new_mqtt("[limits]\nmax_payload = 1000\n")
    c = mqtt.connect("c")
    assert c.publish("a", b"x" * 1001).reason in (0x95, 0x97)
    assert c.publish("a", b"x" * 1000).reason in (0, 0x10)
    too_large = c.connack.props["maximum_packet_size"]
    c.send(publish("a", b"x" * too_large, 1, 5))
    assert c.closed() == 0x95
    assert len(mqtt.history("a")) == 1


def test_the_highest_qos_can_be_configured(new_mqtt):
    """MQTT-3.2.2-9 to -12"""
    mqtt = new_mqtt("[mqtt]\nmax_qos = 1\n")
    c = mqtt.connect("c")
    assert c.connack.props["maximum_qos"] == 1
    c.subscribe("a", qos=2)
    c.publish("a", b"x", qos=1)
    assert c.message().qos == 1
    c.send(publish("a", b"x", 2, 1))
    assert c.closed() == 0x9B
    w = mqtt.open()
    w.send(connect("w", will=Will("a", qos=2)))
    assert w.closed() == 0x9B


def test_retain_can_be_off(new_mqtt):
    """MQTT-3.2.2-13, -14"""
    mqtt = new_mqtt("[mqtt]\nretain_available = off\n")
    c = mqtt.connect("c")
    assert c.connack.props["retain_available"] == 0
    c.send(publish("a", b"x", 1, 1, retain=True))
    assert c.closed() == 0x9A
    w = mqtt.open()
    w.send(connect("w", will=Will("a", retain=True)))
    assert w.closed() == 0x9A


# --- pressure

def test_a_client_that_does_not_read_costs_no_memory(mqtt):
    """It stays behind in the log, and has everything when it reads again."""
    gateway = mqtt.sluice.processes["mqtt"]
    stuck = mqtt.open(rcvbuf=4096)
    stuck.connect("stuck")
    stuck.subscribed("a", qos=0)
    size, count = 60000, 1500
    before = gateway.memory()
    p = mqtt.connect("p")
    for _ in range(count // 50):
        p.send(*(publish("a", b"x" * size, 1, n + 1) for n in range(50)))
        for n in range(50):
            p.take(PUBACK, n + 1)
    assert gateway.memory() < before + (60 << 20)
    assert all(len(m.payload) == size for m in stuck.messages(count))


def test_many_clients_publish_at_once(mqtt):
    s = mqtt.connect("s")
    s.subscribed("a/#", qos=2)
    clients = [mqtt.connect(f"p{n}") for n in range(20)]
    for n, c in enumerate(clients):
        c.send(*(publish(f"a/{n}", f"{k}", 1, k + 1) for k in range(20)))
    for c in clients:
        assert [c.take(PUBACK).id for _ in range(20)] == list(range(1, 21))
    got = s.messages(400)
    assert [int(m.event) for m in got] == sorted(int(m.event) for m in got)
    for n in range(20):
        assert [m.payload for m in got if m.topic == f"a/{n}"] == [b"%d" % k for k in range(20)]


def test_a_publisher_that_reads_no_acknowledgements(mqtt):
    """Is not read for ever; others are not delayed.  (5.0 would end at its receive maximum.)"""
    c = mqtt.open(version=V3, rcvbuf=2048)
    c.connect("c")
    c.raw.socket.settimeout(0.3)
    raw = publish("a", b"", 1, 1, version=V3) * 1000
    with pytest.raises(TimeoutError):
        for _ in range(3000):
            c.raw.socket.sendall(raw)
    with Client(mqtt.sluice.port("mqtt")) as other:
        other.connect("other")
        other.publish("b", b"x")


def test_qos_0_to_nobody_costs_nothing_and_arrives(mqtt):
    c = mqtt.connect("c")
    c.send(*(publish("a", f"{n}") for n in range(1000)))
    assert len(mqtt.wait_history("a", 100)) == 100
    c.subscribed("a", props={"user": [("sluice-after", "0")]})
    assert c.payloads(1000) == [str(n) for n in range(1000)]
    assert not [p for p in c.kept if p.kind == PUBLISH]
