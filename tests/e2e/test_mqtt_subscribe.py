"""SUBSCRIBE and UNSUBSCRIBE: who gets what, and how often."""

import pytest
from mqttlib import (PUBLISH, SUBACK, UNSUBACK, V3, V5, options, subscribe, unsubscribe)

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])

FILTERS = ["#", "/#", "+", "+/+", "/+", "+/", "a", "a/", "/a", "a/#", "a/+", "a/b", "a/b/#",
           "a/+/c", "a/+/#", "+/b/+", "+/+/+", "a//c", "a/+/+", "A", "$x/#", "$x/+", "+/y", "$x/y"]
TOPICS = ["a", "A", "/", "a/", "/a", "//", "a/b", "a/b/c", "a//c", "a/b/c/d", "b", "b/b/b", "$x/y",
          "$x", "aa", "a b"]


def matches(filter, topic):
    """4.7, word for word."""
    if topic[0] == "$" and filter[0] in "+#":
        return False
    wanted, levels = filter.split("/"), topic.split("/")
    for n, level in enumerate(wanted):
        if level == "#":
            return True
        if n == len(levels) or level not in ("+", levels[n]):
            return False
    return len(wanted) == len(levels)


# --- filters

def test_every_filter_gets_what_it_matches(mqtt):
    """Each filter has an identifier, so that one message tells all that matched it."""
    c = mqtt.connect("c")
    for n, filter in enumerate(FILTERS):
        c.subscribed(filter, qos=1, props={"subscription_id": n + 1})
    for topic in TOPICS:
        mqtt.publish(topic, b"x")
        expected = [n + 1 for n, f in enumerate(FILTERS) if matches(f, topic)]
        if expected:
            m = c.message()
            assert (m.topic, m.subs) == (topic, expected)
    mqtt.publish("a", b"last")
    assert c.message().payload == b"last"
    assert not c.kept


@versions
@pytest.mark.parametrize("filter", ["+", "a/#", "+/b"])
def test_filters_one_by_one(mqtt, version, filter):
    c = mqtt.connect("c", version)
    c.subscribed(filter, "last", qos=1)
    for topic in TOPICS:
        mqtt.publish(topic, b"x")
    mqtt.publish("last", b"")
    expected = [t for t in TOPICS if matches(filter, t)] + ["last"]
    assert [m.topic for m in c.messages(len(expected))] == expected


@versions
def test_what_is_no_filter_is_refused_by_itself(mqtt, version):
    c = mqtt.connect("c", version)
    bad = ["a#", "a/#/b", "a+", "+a/b", "#/a", "x" * 1025, "$share/g", "$share//a", "$share/g+/a",
           "$share/g/", "$after/x/a", "$after/1", "$after//a", "$last/a/b", "$last/-1/a",
           "$after/0/$share/g/a", "$last/1/$share/g/a", "$after/0/$after/0/a"]
    codes = c.subscribe("good/+", *bad, "good/#", qos=1).codes
    refusal = 0x8F if version == V5 else 0x80
    assert codes == [1] + [refusal] * len(bad) + [1]
    mqtt.publish("good/x", b"1")
    assert c.message().payload == b"1"


@versions
def test_a_topic_of_1024_bytes(mqtt, version):
    c = mqtt.connect("c", version)
    for filter in ("y" * 1024, "z" * 1022 + "/#"):
        c.subscribed(filter, qos=1)
    mqtt.publish("y" * 1024, b"y")
    mqtt.publish("z" * 1022 + "/z", b"z")
    assert c.payloads(2) == ["y", "z"]


# --- one copy

@versions
def test_overlapping_filters_give_one_copy_at_the_highest_qos(mqtt, version):
    c = mqtt.connect("c", version)
    for filter, qos in [("a/#", 0), ("a/+", 2), ("a/b", 1), ("a/b/c", 1)]:
        c.subscribed(filter, qos=qos)
    for topic in ("a/b", "a/b/c"):
        mqtt.publish(topic, b"x")
    first, second = c.messages(2)
    assert (first.topic, first.qos) == ("a/b", 2)
    assert (second.topic, second.qos) == ("a/b/c", 1)
    mqtt.publish("a/b", b"last")
    assert c.message().payload == b"last" and not c.kept


def test_retain_as_published_of_any_matching_filter(mqtt):
    c = mqtt.connect("c")
    c.subscribed("a/#", qos=0, retain_as_published=True)
    c.subscribed("a/b", qos=2)
    p = mqtt.connect("p")
    p.publish("a/b", b"1", qos=2, retain=True)
    assert c.message().said == ("a/b", b"1", 2, True)


def test_no_local_excludes_a_filter_first(mqtt):
    """What is left of the matching filters decides about QoS and identifiers."""
    c = mqtt.connect("c")
    c.subscribed("a/#", qos=2, no_local=True, props={"subscription_id": 1})
    c.subscribed("a/b", qos=0, props={"subscription_id": 2})
    c.publish("a/b", b"own", qos=2)
    mqtt.publish("a/b", b"other")
    own, other = c.messages(2)
    assert (own.payload, own.qos, own.subs) == (b"own", 0, [2])
    assert (other.payload, other.qos, other.subs) == (b"other", 2, [1, 2])


# --- identifiers

def test_subscription_identifiers(mqtt):
    """MQTT-3.3.4-3, -4"""
    c = mqtt.connect("c")
    ids = {"a/#": 1, "a/+": 268435455, "a/b": 128, "b": 16384}
    for filter, id in ids.items():
        c.subscribed(filter, qos=1, props={"subscription_id": id})
    c.subscribed("c", "a/none", qos=1)
    for topic, expected in [("a/b", [1, 128, 268435455]), ("a/b/c", [1]), ("b", [16384]),
                            ("c", []), ("a/none", [1, 268435455])]:
        mqtt.publish(topic, b"x")
        assert c.message().subs == expected, topic


def test_one_identifier_for_several_filters_is_told_once_or_each(mqtt):
    """3.3.2.3.8 leaves it open."""
    c = mqtt.connect("c")
    c.subscribed("a/#", "a/+", qos=1, props={"subscription_id": 7})
    mqtt.publish("a/b", b"x")
    assert set(c.message().subs) == {7}


# --- again, and options

@versions
def test_subscribing_again_changes_the_qos(mqtt, version):
    """MQTT-3.8.4-3"""
    c = mqtt.connect("c", version)
    for qos in (0, 2, 1):
        c.subscribed("a", qos=qos)
        mqtt.publish("a", b"x")
        assert c.message().qos == qos
    assert not c.kept


def test_subscribing_again_changes_all_options(mqtt):
    c = mqtt.connect("c")
    c.subscribed("a", qos=1, no_local=True, props={"subscription_id": 5})
    c.publish("a", b"1")
    c.subscribed("a", qos=1, retain_as_published=True)
    c.publish("a", b"2", retain=True)
    m = c.message()
    assert (m.payload, m.retain, m.subs) == (b"2", True, [])


def test_no_local(mqtt):
    """MQTT-3.8.3-3"""
    c, other = mqtt.connect("c"), mqtt.connect("other")
    c.subscribed("a", qos=1, no_local=True)
    c.publish("a", b"own")
    other.publish("a", b"other's")
    mqtt.publish("a", b"posted")
    assert c.payloads(2) == ["other's", "posted"]


def test_no_local_is_by_client_not_by_connection(mqtt):
    """Also for what is read from the store later."""
    c = mqtt.session("c")
    c.subscribed("a", qos=1, no_local=True)
    c.publish("a", b"own 1")
    c.close()
    mqtt.publish("a", b"other's")
    c = mqtt.session("c", gateway="mqtt")
    c.publish("a", b"own 2")
    mqtt.publish("a", b"last")
    assert c.payloads(2) == ["other's", "last"]
    c.subscribed("a", qos=1, no_local=True, props={"user": [("sluice-after", "0")]})
    assert c.payloads(2) == ["other's", "last"]
    assert not c.kept


def test_retain_as_published(mqtt):
    """MQTT-3.3.1-12, -13"""
    kept, plain = mqtt.connect("kept"), mqtt.connect("plain")
    kept.subscribed("a", qos=1, retain_as_published=True)
    plain.subscribed("a", qos=1)
    p = mqtt.connect("p")
    for retain in (True, False):
        p.publish("a", b"x", retain=retain)
    assert [m.retain for m in kept.messages(2)] == [True, False]
    assert [m.retain for m in plain.messages(2)] == [False, False]


# --- SUBACK, UNSUBACK

@versions
def test_codes_are_in_the_order_of_the_filters(mqtt, version):
    """MQTT-3.8.4-6, 3.9.3-1"""
    c = mqtt.connect("c", version)
    c.send(subscribe(77, [("a", 2), ("b", 0), ("c/#/d", 0), ("c", 1), ("b", 1)], version))
    codes = c.take(SUBACK, 77).codes
    assert codes == [2, 0, 0x8F if version == V5 else 0x80, 1, 1]


@versions
def test_many_filters_in_one_packet(mqtt, version):
    c = mqtt.connect("c", version)
    c.subscribed(*[f"many/{n}" for n in range(400)], qos=1)
    for n in (0, 399):
        mqtt.publish(f"many/{n}", b"%d" % n)
    assert c.payloads(2) == ["0", "399"]
    c.unsubscribe(*[f"many/{n}" for n in range(399)])
    mqtt.publish("many/0", b"no")
    mqtt.publish("many/399", b"yes")
    assert c.payloads(1) == ["yes"]


@versions
def test_unsubscribe(mqtt, version):
    """MQTT-3.10.4-1 to -6"""
    c = mqtt.connect("c", version)
    c.subscribed("a", "b/#", "last", qos=1)
    assert c.unsubscribe("a", "b/+", "b/#", "never", "b/#").codes == (
        [0, 0x11, 0, 0x11, 0x11] if version == V5 else [])
    for topic in ("a", "b/c", "last"):
        mqtt.publish(topic, b"x")
    assert c.message().topic == "last"
    assert not c.kept


def test_what_is_no_filter_cannot_be_unsubscribed(mqtt):
    c = mqtt.connect("c")
    assert c.unsubscribe("a/#/b", "ok").codes == [0x8F, 0x11]


@versions
def test_requests_in_a_row_are_answered_in_order(mqtt, version):
    c = mqtt.connect("c", version)
    c.send(*(subscribe(n, [(f"a/{n}", 1)], version) for n in range(1, 30)),
           *(unsubscribe(n, [f"a/{n}"], version) for n in range(30, 40)),
           *(subscribe(n, [(f"a/{n}", 1)], version) for n in range(40, 50)))
    got = [c.next(SUBACK, UNSUBACK).id for _ in range(49)]
    assert got == list(range(1, 50))
    mqtt.publish("a/1", b"x")
    assert c.message().topic == "a/1"


def test_suback_says_where_the_subscription_starts(mqtt):
    """Everything later comes, by this door or another."""
    mqtt.publish("a", b"before")
    c = mqtt.connect("c")
    start = c.subscribed("a", qos=1).event
    mqtt.publish("a", b"after")
    m = c.message()
    assert m.payload == b"after"
    assert int(start) < int(m.event)
    assert [e["id"] for e in mqtt.history("a", after=start)] == [m.event]


@versions
def test_nothing_from_before_the_subscription(mqtt, version):
    for n in range(10):
        mqtt.publish("a", f"{n}")
    c = mqtt.connect("c", version)
    c.subscribed("a", qos=1)
    mqtt.publish("a", b"now")
    assert c.payloads(1) == ["now"]


def test_a_session_has_so_many_subscriptions(new_mqtt):
    mqtt = new_mqtt("[mqtt]\nmax_subscriptions = 3\n")
    c = mqtt.connect("c")
    assert c.subscribe("a", "b", "c", "d", "a", qos=1).codes == [1, 1, 1, 0x97, 1]
    c.unsubscribe("b")
    assert c.subscribe("d", "e", qos=1).codes == [1, 0x97]
    old = mqtt.connect("old", V3)
    assert old.subscribe("a", "b", "c", "d").codes == [0, 0, 0, 0x80]


def test_volatile_topics_are_granted_qos_0(new_mqtt):
    """history = none: there is no log to keep a place in."""
    mqtt = new_mqtt('[retention "v/#"]\nhistory = none\n')
    c = mqtt.connect("c")
    assert c.subscribe("v/#", "v/+/x", "v", "#", qos=2).codes == [0, 0, 0, 2]
    c.unsubscribe("#")
    c.publish("v/a", b"x", qos=1)
    assert c.message().said == ("v/a", b"x", 0, False)


def test_while_messages_stream_others_subscribe(mqtt):
    """Order by event ID in the session, nothing lost, nothing twice."""
    p, c = mqtt.connect("p"), mqtt.connect("c")
    c.subscribed("a/#", qos=1)
    for n in range(20):
        c.send(subscribe(n + 1, [(f"a/{n % 7}", options(1)), (f"b/{n}", 1)]))
        for k in range(10):
            p.publish(f"a/{k}", f"{n} {k}", qos=k % 2)
    got = c.messages(200)
    ids = [int(m.event) for m in got]
    assert ids == sorted(set(ids))
    assert not [k for k in c.kept if k.kind == PUBLISH]
