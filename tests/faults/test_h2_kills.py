"""The HTTP/2 gateway and the broker are killed under load: streams that come back with
their last ID miss nothing, publishes that are repeated by their key double nothing."""

import contextlib
import socket
import time

import h2.exceptions
import pytest

import h2lib
from faultlib import (AppPublisher, Block, HttpPublisher, Publisher, Subscriber,
                      assert_exactly_once, publish_and_kill)
from sluicelib import PORTS

GATEWAY = "sluice-h2"
LOST = (OSError, AssertionError, h2.exceptions.H2Error)  # how h2lib tells of a lost connection


class H2Subscriber(Subscriber):
    """One stream that is checked, on a connection of several."""

    def __init__(self, port, topic, others=0, push=False):
        self.others, self.push = others, push
        super().__init__(port, topic)

    def visit(self):
        headers = {} if self.last is None else {"last-event-id": self.last}
        settings = {h2lib.WINDOW: 1 << 24, h2lib.PUSH: int(self.push)}
        try:
            with h2lib.Connection(self.port, settings) as c:
                siblings = [c.stream("#") for _ in range(self.others)]
                self.stream = Cut(c)
                s = c.stream(self.path, headers, **({"push": 1} if self.push else {}),
                             format="json")
                assert s.status == 200, s.headers
                self.connects += 1
                self.read(c, s, siblings)
        except LOST as e:
            assert "twice" not in str(e) and "after" not in str(e), e
            time.sleep(0.02)

    def read(self, c, s, siblings):
        while (item := s.item()) is not None:
            for sibling in siblings:
                sibling.x.take()
            if item.kind == "gap":
                self.gaps.append(item)
            elif item.kind == "position":
                self.take(Block("id", int(item.id), "", ""))
            elif item.kind == "event":
                data = self.pushed(c, s, item) if self.push else item.json()
                self.take(Block("event", int(item.id), "", data["data"]))

    def pushed(self, c, s, item):
        promise = next(p for p in s.x.promises if p.request[":path"] == item.data)
        s.x.promises.remove(promise)
        promise.wait()
        if not promise.ended:
            raise ConnectionResetError
        return promise.json()


class Cut:
    """Ends a connection under the thread that reads it."""

    def __init__(self, connection):
        self.socket = connection.socket

    def cut(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class H2Publisher(Publisher):
    """Some requests at a time, each with a key; those without an answer are repeated."""

    WINDOW = 20

    def __init__(self, name, port, topic):
        super().__init__(name)
        self.port, self.topic = port, topic

    def begin(self, c, n):
        key = {"idempotency-key": f"{self.name}-{n}"}
        return c.begin("POST", f"/events/{self.topic}", key, self.payload(n).encode())

    def round(self, c):
        waiting = [n for n in range(self.sent) if self.payload(n) not in self.acked]
        if not self.stopping.is_set():
            waiting += range(self.sent, self.sent + self.WINDOW - len(waiting))
            self.sent = max(self.sent, *waiting) + 1 if waiting else self.sent
        for n, x in [(n, self.begin(c, n)) for n in waiting]:
            if x.wait().status in (200, 201):
                self.acked[self.payload(n)] = int(x.json()["id"])
            else:
                assert x.status in (None, 503, 504), (x.status, x.body)
                self.refusals.add(x.status)

    def work(self):
        while len(self.acked) < self.sent or not self.stopping.is_set():
            try:
                with h2lib.Connection(self.port) as c:
                    while not c.lost and (len(self.acked) < self.sent
                                          or not self.stopping.is_set()):
                        self.round(c)
            except LOST:
                time.sleep(0.01)


@pytest.fixture
def subscribe_h2():
    made = []

    def make(*args, **kw):
        made.append(H2Subscriber(*args, **kw))
        return made[-1].wait_connected()
    yield make
    for s in made:
        s.close()


def port(system):
    return system.port(PORTS["h2"])


def test_streams_that_come_back_miss_nothing(start, subscribe, subscribe_h2):
    system = start()
    streams = [subscribe_h2(port(system), "k/#"),
               subscribe_h2(port(system), "k/#", others=5),
               subscribe_h2(port(system), "k/#", push=True)]
    sse = subscribe(system.sse, "k/%23")
    publishers = [HttpPublisher("http", system.sse, "k/a", pause=0.002),
                  AppPublisher("app", system.apps, "k/b"),
                  H2Publisher("h2", port(system), "k/c")]
    acked = publish_and_kill(publishers, lambda: system.kill_and_wait(GATEWAY))
    for stream in [*streams, sse]:
        assert_exactly_once(stream, acked)
        assert not stream.gaps
    assert all(s.connects > 3 for s in streams)


def test_the_broker_is_killed_under_streams(start, subscribe_h2):
    """They stay open and see everything once."""
    system = start()
    streams = [subscribe_h2(port(system), "k/#", others=5),
               subscribe_h2(port(system), "k/#", push=True)]
    publishers = [H2Publisher("one", port(system), "k/c"), H2Publisher("two", port(system), "k/d")]
    acked = publish_and_kill(publishers, lambda: system.kill_and_wait("sluice-broker"), 3)
    for stream in streams:
        assert_exactly_once(stream, acked)
        assert stream.connects == 1
