"""$SYS/broker/: what gateways report, summed by the broker and told to all of them."""

import re

import pytest

from brokerlib import Broker, Gateway, record, wait_for
from sessionlib import SessionGateway, shared


@pytest.fixture
def broker():
    b = Broker("--sys-interval", "100ms").start()
    yield b
    b.close()


def told(gateway, topic, value):
    topic = f"$SYS/broker/{topic}"
    gateway.until(lambda: gateway.sys.get(topic) == str(value), f"{topic} {value}, not "
                  f"{gateway.sys.get(topic)}")


def test_a_gateway_is_told_at_once_after_its_hello():
    broker = Broker("--sys-interval", "1h").start()
    for _ in range(2):
        g = SessionGateway(broker)
        g.until(lambda g=g: g.sys, "$SYS")
        assert g.sys["$SYS/broker/version"].startswith("sluice ")
        assert re.fullmatch(r"\d+ seconds", g.sys["$SYS/broker/uptime"])
    broker.close()


def test_none_is_told_when_it_is_off():
    broker = Broker("--sys-interval", "0s").start()
    g = SessionGateway(broker)
    assert g.quiet(500) and not g.sys
    broker.close()


def test_gateways_of_other_protocols_are_not_told(broker):
    g = Gateway(broker)
    g.hello()
    assert g.quiet(500)


def test_clients_are_counted(broker):
    g = SessionGateway(broker)
    stays, goes = g.attach("a", expiry=60), g.attach("b", expiry=60)
    g.attach("c")
    told(g, "clients/connected", 3)
    goes.detach()
    told(g, "clients/connected", 2)
    told(g, "clients/disconnected", 1)
    told(g, "clients/total", 3)
    told(g, "clients/maximum", 3)
    stays.detach(expiry=1)
    told(g, "clients/expired", 1)
    told(g, "clients/disconnected", 1)


def test_reports_are_summed_and_outlive_their_gateways(broker):
    a, b = SessionGateway(broker), SessionGateway(broker)
    a.report(messages_received=5, bytes_sent=100, subscriptions=2)
    b.report(messages_received=7, bytes_sent=50, subscriptions=3)
    told(a, "messages/received", 12)
    told(a, "bytes/sent", 150)
    told(a, "subscriptions/count", 5)
    b.leave()
    told(a, "subscriptions/count", 2)
    told(a, "messages/received", 12)
    a.report(messages_received=6, bytes_sent=100, subscriptions=2)
    told(a, "messages/received", 13)


def test_the_log_and_shared_subscriptions_are_counted(broker):
    g = SessionGateway(broker)
    s = g.attach("a", expiry=60)
    s.write(shared("$share/g/a", 1), record=record("a", flags=1))
    told(g, "shared_subscriptions/count", 1)
    told(g, "retained messages/count", 1)
    told(g, "store/messages/count", 1)


def test_loads_rise_and_have_two_digits(broker):
    g = SessionGateway(broker)
    g.report(messages_received=1000)
    topic = "$SYS/broker/load/messages/received/1min"
    wait_for(lambda: (g.poll(10), float(g.sys.get(topic, 0)) > 0)[1], "a load")
    assert re.fullmatch(r"\d+\.\d\d", g.sys[topic])
    assert float(g.sys[topic]) > float(g.sys["$SYS/broker/load/messages/received/15min"])
