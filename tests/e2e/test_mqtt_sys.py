"""$SYS/broker/…: what MQTT's tools look for; summed over gateways, never in the log."""

import re
import time

import pytest
from mqttlib import V3, V5, Client
from sluicelib import wait_for

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
WANTED = ["version", "uptime", "clients/connected", "clients/total", "messages/received",
          "messages/sent", "publish/messages/received", "publish/messages/sent",
          "bytes/received", "bytes/sent", "subscriptions/count", "retained messages/count",
          "load/messages/received/1min", "load/messages/sent/5min", "load/connections/1min"]


def told(client, name):
    """Waits for a topic of $SYS/broker/; later values replace earlier ones."""
    values = client.__dict__.setdefault("sys", {})

    def there():
        if name in values:
            return values[name]
        m = client.message()
        values[m.topic.removeprefix("$SYS/broker/")] = m.payload.decode()
        return None
    return wait_for(there, name)


@versions
def test_the_topics_that_tools_look_for(mqtt, version):
    c = mqtt.connect("c", version)
    c.subscribed("$SYS/broker/#", qos=0)
    for name in WANTED:
        assert told(c, name)
    assert re.match("sluice ", told(c, "version"))
    assert re.match("[0-9]+ seconds", told(c, "uptime"))


def test_they_are_retained(mqtt):
    """For one who comes later, and for one topic."""
    first = mqtt.connect("first")
    first.subscribed("$SYS/#", qos=0)
    told(first, "version")
    c = mqtt.connect("c")
    c.subscribed("$SYS/broker/version", qos=0)
    m = c.message()
    assert (m.topic, m.retain) == ("$SYS/broker/version", True)


@pytest.mark.parametrize("filter", ["$SYS/#", "$SYS/broker/+", "$SYS/+/version",
                                    "$SYS/broker/version/#"])
def test_filters(mqtt, filter):
    c = mqtt.connect("c")
    c.subscribed(filter, qos=0)
    told(c, "version")


def test_wildcards_at_the_first_level_do_not_see_them(mqtt):
    """MQTT-4.7.2-1"""
    c, sys = mqtt.connect("c"), mqtt.connect("sys")
    c.subscribed("#", "+/broker/#", "+/#", qos=0)
    sys.subscribed("$SYS/#", qos=0)
    told(sys, "version")
    mqtt.publish("a", b"x")
    assert c.message().topic == "a"


def test_clients_are_counted_over_all_gateways(new_mqtt):
    mqtt = new_mqtt("[broker]\nsys_interval = 100ms\n", gateways=("mqtt", "mqtt-2"))
    c = mqtt.connect("c")
    others = [mqtt.connect(f"o{n}", gateway=("mqtt", "mqtt-2")[n % 2]) for n in range(5)]
    c.subscribed("$SYS/broker/clients/connected", qos=0)
    wait_for(lambda: c.message().payload == b"6", "six are counted")
    for o in others[:3]:
        o.disconnect()
    wait_for(lambda: c.message().payload == b"3", "three are counted")


def test_they_may_be_switched_off(new_mqtt):
    mqtt = new_mqtt("[broker]\nsys_interval = 0s\n")
    c = mqtt.connect("c")
    c.subscribed("$SYS/#", "a", qos=0)
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() > begun + 1.2, "a tick has passed")
    mqtt.publish("a", b"x")
    assert c.message().topic == "a"


def test_only_qos_0_is_granted(mqtt):
    assert mqtt.connect("c").subscribe("$SYS/#", "a", qos=2).codes == [0, 2]


def test_they_are_not_in_the_log(mqtt):
    c = mqtt.connect("c")
    c.subscribed("$SYS/#", qos=0)
    told(c, "uptime")
    topics = mqtt.sluice.request("GET", "/topics").json()["topics"]
    assert not [t for t in topics if t["topic"].startswith("$SYS")]


def test_unsubscribe(mqtt):
    c = mqtt.connect("c")
    c.subscribed("$SYS/#", qos=0)
    told(c, "version")
    assert c.unsubscribe("$SYS/#").codes == [0]
    c.kept.clear()
    c.subscribed("a", qos=0)
    with Client(mqtt.sluice.port("mqtt")) as other:
        other.connect("other")
        other.publish("a", b"x")
    assert c.message().topic == "a"
