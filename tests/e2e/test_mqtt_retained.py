"""Retained messages: the last of each topic, at subscribing."""

import time

import pytest
from mqttlib import V3, V5, Will
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


def retained(door, filter="#", version=V5, qos=2, **kw):
    """{topic: payload} that a new client is given at subscribing."""
    c = door.connect(version=version)
    c.subscribed(filter, "end/of/retained", qos=qos, **kw)
    found = {}
    door.publish("end/of/retained", b"")
    while (m := c.message()).topic != "end/of/retained":
        assert m.retain and not m.dup and m.topic not in found
        found[m.topic] = m.payload
    c.close()
    return found


@versions
def test_a_new_subscription_gets_the_last_one(mqtt, version):
    """MQTT-3.3.1-5, -6"""
    p = mqtt.connect("p", version)
    for n in range(3):
        p.publish("a/b", f"{n}", qos=n, retain=True)
    p.publish("a/b", b"not retained")
    p.publish("a/c", b"another", retain=True)
    assert retained(mqtt, "a/+", version) == {"a/b": b"2", "a/c": b"another"}
    assert retained(mqtt, "+/c", version) == {"a/c": b"another"}
    assert retained(mqtt, "b/#", version) == {}


@versions
def test_it_is_told_at_the_lower_qos(mqtt, version):
    p = mqtt.connect("p", version)
    for published in range(3):
        p.publish(f"a/{published}", b"x", qos=published, retain=True)
    for granted in range(3):
        c = mqtt.connect(version=version)
        c.subscribed("a/+", qos=granted)
        got = sorted((m.topic, m.qos, m.retain) for m in c.messages(3))
        assert got == [(f"a/{q}", min(q, granted), True) for q in range(3)]


def test_it_keeps_its_id_and_its_properties(mqtt):
    p = mqtt.connect("p")
    props = {"content_type": "a/b", "response_topic": "r", "correlation_data": b"\0",
             "payload_format": 1}
    id = p.publish("a", b"x", retain=True, user=[("k", "v"), ("k", "w")], **props).event
    c = mqtt.connect("c")
    c.subscribed("a", qos=1, props={"subscription_id": 9})
    m = c.message()
    assert (m.event, m.user, m.subs) == (id, [("k", "v"), ("k", "w")], [9])
    assert {k: m.props[k] for k in props} == props


@versions
def test_live_it_is_an_ordinary_message(mqtt, version):
    """MQTT-3.3.1-9 (3.1.1), 3.3.1-12 (5.0)"""
    c = mqtt.connect("c", version)
    c.subscribed("a", qos=1)
    mqtt.connect("p", version).publish("a", b"x", retain=True)
    assert c.message().said == ("a", b"x", 1, False)


@versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_empty_one_clears(mqtt, version, qos):
    """MQTT-3.3.1-6, -7: and is itself delivered to those who are there."""
    p, c = mqtt.connect("p", version), mqtt.connect("c", version)
    p.publish("a", b"x", retain=True)
    p.publish("b", b"y", retain=True)
    c.subscribed("a", qos=2)
    assert c.message().retain
    p.publish("a", b"", qos=qos, retain=True)
    assert c.message().said == ("a", b"", qos, False)
    p.publish("a", b"", qos=1)  # not retained: clears nothing
    p.publish("b", b"", qos=1)
    assert retained(mqtt, version=version) == {"b": b"y"}


def test_by_post(mqtt):
    id = mqtt.publish("a", b"x", Sluice_Retain="true", Content_Type="text/plain")
    c = mqtt.connect("c")
    c.subscribed("a", qos=2)
    m = c.message()
    assert (m.said, m.event) == (("a", b"x", 2, True), id)
    assert m.props["content_type"] == "text/plain"
    mqtt.publish("a", b"", Sluice_Retain="true")
    assert retained(mqtt) == {}


def test_retain_handling(mqtt):
    """MQTT-3.3.1-9, -10, -11"""
    mqtt.connect("p").publish("a", b"x", retain=True)
    c = mqtt.connect("c")

    def told(handling):
        c.subscribed("a", qos=1, retain_handling=handling)
        mqtt.publish("a", b"end")
        found = 0
        while c.message().retain:
            found += 1
        return found
    assert [told(h) for h in (1, 1, 0, 0, 2)] == [1, 0, 1, 1, 0]
    c.unsubscribe("a")
    assert [told(h) for h in (2, 1)] == [0, 0]
    c.unsubscribe("a")
    assert [told(h) for h in (1, 2, 0)] == [1, 0, 1]


@versions
def test_subscribing_again_gets_it_again(mqtt, version):
    """MQTT-3.8.4-3"""
    mqtt.connect("p").publish("a", b"x", retain=True)
    c = mqtt.connect("c", version)
    for _ in range(3):
        c.subscribed("a", qos=1)
        assert c.message().said == ("a", b"x", 1, True)


@versions
def test_a_resumed_session_does_not_get_it_again(mqtt, version):
    mqtt.connect("p").publish("a", b"x", retain=True)
    c = mqtt.session("c", version)
    c.subscribed("a", qos=1)
    assert c.message().retain
    c.close()
    c = mqtt.session("c", version)
    mqtt.publish("a", b"next")
    assert c.message().said == ("a", b"next", 1, False)


def test_they_stay_over_restarts_and_without_history(mqtt):
    p = mqtt.connect("p")
    p.publish("a", b"x", retain=True)
    p.publish("b", b"y", retain=True)
    mqtt.sluice.request("DELETE", "/history/a")
    mqtt.sluice.broker.restart()
    for who in ("sse", "mqtt"):
        wait_for(lambda w=who: mqtt.sluice.admin("/readyz", w)[0] == 200, f"{who} is back")
    assert mqtt.history("a") == []
    assert retained(mqtt) == {"a": b"x", "b": b"y"}


def test_of_topics_without_history(new_mqtt):
    mqtt = new_mqtt('[retention "v/#"]\nhistory = none\n')
    mqtt.connect("p").publish("v/a", b"x", retain=True)
    assert retained(mqtt, "v/+", qos=0) == {"v/a": b"x"}


def test_they_expire(mqtt):
    """And are counted down (MQTT-3.3.2-6)."""
    p = mqtt.connect("p")
    p.publish("short", b"x", retain=True, message_expiry=1)
    p.publish("long", b"y", retain=True, message_expiry=100)
    published = time.monotonic()
    wait_for(lambda: time.monotonic() > published + 1.1, "the short one has expired")
    c = mqtt.connect("c")
    c.subscribed("+", qos=1)
    m = c.message()
    assert m.topic == "long" and 90 <= m.props["message_expiry"] <= 99
    assert retained(mqtt) == {"long": b"y"}


def test_a_start_position_comes_instead(mqtt):
    p = mqtt.connect("p")
    p.publish("a", b"x", retain=True)
    p.publish("a", b"y", retain=True)
    c = mqtt.connect("c")
    c.subscribed("a", qos=1, props={"user": [("sluice-after", "0")]})
    assert [m.said[1::2] for m in c.messages(2)] == [(b"x", False), (b"y", False)]
    mqtt.publish("a", b"end")
    assert c.payloads(1) == ["end"] and not c.kept
    c = mqtt.connect("d", V3)
    c.subscribed("$last/1/a", qos=1)
    assert c.message().said == ("a", b"end", 1, False)


def test_a_will_is_retained(mqtt):
    mqtt.connect("w", will=Will("state/w", b"gone", 1, True)).close()
    mqtt.wait_history("state/w", 1)
    assert retained(mqtt) == {"state/w": b"gone"}


@versions
def test_many(mqtt, version):
    """More than one page of them, and more than the client takes at once."""
    p = mqtt.connect("p")
    topics = [f"many/{n:04}" for n in range(1200)]
    mqtt.sluice.batch([{"topic": t, "data": t, "retain": True} for t in topics])
    c = mqtt.connect("c", version)
    c.subscribed("many/+", qos=1)
    p.publish("many/0000", b"live")
    got = c.messages(1201)
    live = [m for m in got if not m.retain]
    assert {m.topic for m in got if m.retain} == set(topics)
    assert [m.payload for m in live] == [b"live"]


def test_they_come_before_the_live_events_of_their_topic(mqtt):
    """However publish and subscribe race: what is retained is older than what follows,
    and nothing comes twice."""
    p = mqtt.connect("p")
    p.publish("a", b"0", retain=True)
    for n in range(1, 30):
        c = mqtt.connect(f"c{n}")
        p.publish("a", b"%d" % n, qos=0, retain=True)
        c.subscribed("a", qos=1)
        end = mqtt.publish("a", b"end")
        got = [c.message()]
        while got[-1].event != end:
            got.append(c.message())
        ids = [int(m.event) for m in got]
        assert ids == sorted(set(ids)) and len(ids) <= 3, got
        assert not any(m.retain for m in got[1:]), got
        c.close()
