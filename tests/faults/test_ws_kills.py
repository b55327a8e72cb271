"""The WebSocket gateway is killed under load: clients that come back with their last
ID miss nothing, publishers that repeat as producers double nothing."""

import json
import time

import pytest

from faultlib import (TIMEOUT, AppPublisher, Block, HttpPublisher, Publisher, Subscriber,
                      assert_exactly_once, flood, publish_and_kill)
from sluicelib import PORTS
from wslib import WebSocket, path_of

GATEWAY = "sluice-ws"


class WsSubscriber(Subscriber):
    """Several subscriptions on one connection; `ref` is the one that is checked."""

    def __init__(self, port, topic, others=(), deflate=None):
        self.others, self.deflate = others, deflate
        super().__init__(port, topic)

    def visit(self):
        words = {} if self.last is None else {"after": self.last}
        try:
            with WebSocket(self.port, path_of(self.path, **words), deflate=self.deflate) as c:
                c.open()
                self.connects += 1
                self.stream = c
                for n, topic in enumerate(self.others):
                    c.say("subscribe", ref=n, topic=topic)
                self.read(c)
        except OSError:
            time.sleep(0.02)

    def read(self, c):
        while (message := c._message()) is not None:
            m = json.loads(message)
            if m["op"] == "gap":
                self.gaps.append(m)
            elif m["op"] == "ack" and m["ref"] == "path":
                self.take(Block("id", int(m["id"]), "", ""))
            elif m["op"] == "event" and "path" in m["subs"]:
                self.take(Block("event", int(m["id"]), "", m["data"]))
            else:
                assert m["op"] in ("ack", "event"), m


class WsPublisher(Publisher):
    """Publishes over the gateway that is killed, a window in flight, as a producer;
    what was not acknowledged is repeated in order on the next connection."""

    WINDOW = 50

    def __init__(self, name, port, topic):
        super().__init__(name)
        self.port, self.topic = port, topic

    def send(self, c, n):
        c.say("publish", ref=n, topic=self.topic, data=self.payload(n),
              producer={"id": self.name, "epoch": 0, "seq": n})

    def take(self, c):
        m = c.json()
        if m["op"] == "error":
            assert m["code"] in ("unavailable", "busy", "producer_gap"), m
            self.refusals.add(m["code"])
            raise ConnectionResetError
        if m["id"] is not None:
            self.acked[self.payload(m["ref"])] = int(m["id"])

    def connected(self, c):
        c.open()
        first = next((n for n in range(self.sent) if self.payload(n) not in self.acked), self.sent)
        for n in range(first, self.sent):
            self.send(c, n)
        while len(self.acked) < self.sent or not self.stopping.is_set():
            while not self.stopping.is_set() and self.sent - len(self.acked) < self.WINDOW:
                self.sent += 1
                self.send(c, self.sent - 1)
            self.take(c)

    def work(self):
        while len(self.acked) < self.sent or not self.stopping.is_set():
            try:
                with WebSocket(self.port, path_of()) as c:
                    self.connected(c)
            except OSError:
                time.sleep(0.01)


@pytest.fixture
def subscribe_ws():
    made = []

    def make(*args, **kw):
        made.append(WsSubscriber(*args, **kw))
        return made[-1].wait_connected()
    yield make
    for s in made:
        s.close()


def port(system):
    return system.port(PORTS["ws"])


def test_clients_that_come_back_miss_nothing(start, subscribe, subscribe_ws):
    """Must show 5."""
    system = start()
    clients = [subscribe_ws(port(system), "k/#"),
               subscribe_ws(port(system), "k/#", deflate="permessage-deflate"),
               subscribe_ws(port(system), "k/#", others=["k/a", "k/+", "#"])]
    sse = subscribe(system.sse, "k/%23")
    publishers = [HttpPublisher("http", system.sse, "k/a", pause=0.002),
                  AppPublisher("app", system.apps, "k/b"),
                  WsPublisher("ws", port(system), "k/c")]
    acked = publish_and_kill(publishers, lambda: system.kill_and_wait(GATEWAY))
    for client in [*clients, sse]:
        assert_exactly_once(client, acked)
        assert not client.gaps
    assert all(c.connects > 5 for c in clients)
    assert sse.connects == 1


def test_the_broker_is_killed_under_websockets(start, subscribe_ws):
    """Its clients stay connected and see everything once, shared or alone."""
    system = start()
    clients = [subscribe_ws(port(system), "k/#"),
               subscribe_ws(port(system), "k/#", others=["k/c", "+/c"])]
    publishers = [WsPublisher("one", port(system), "k/c"), WsPublisher("two", port(system), "k/d")]
    acked = publish_and_kill(publishers, lambda: system.kill_and_wait("sluice-broker"), 3)
    for client in clients:
        assert_exactly_once(client, acked)
        assert client.connects == 1


def test_a_flood_across_a_kill(start, subscribe_ws):
    system = start()
    client = subscribe_ws(port(system), "f", others=["f"])
    ids = flood(system.apps, "f", (f"{n}".encode() for n in range(30000)))
    system.kill(GATEWAY)
    ids += flood(system.apps, "f", (f"{n}".encode() for n in range(30000, 60000)))
    events = client.wait_count(len(ids), 3 * TIMEOUT)
    assert [e.id for e in events] == ids
