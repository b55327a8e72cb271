"""A real browser's WebSocket: it publishes and subscribes, resumes by ID, and sees why
it was closed."""

import json

import pytest

from faultlib import flood, post, wait_for
from sluicelib import PORTS

OPEN, CLOSED = 1, 3


class BrowserSocket:
    """One in the page."""

    made = 0

    def __init__(self, browser, origin, system, path, protocol=None):
        BrowserSocket.made += 1
        self.browser, self.name = browser, f"w{BrowserSocket.made}"
        if browser.current_url != f"{origin}/websocket.html":
            browser.get(f"{origin}/websocket.html")
        url = f"ws://127.0.0.1:{system.port(PORTS['ws'])}/events{path}"
        browser.execute_script("connect(...arguments)", self.name, url, protocol)

    def report(self):
        return self.browser.execute_script("return report(arguments[0])", self.name)

    def wait_open(self):
        wait_for(lambda: self.report()["readyState"] == OPEN, "it is open")
        return self

    def wait_said(self, count):
        wait_for(lambda: len(self.report()["said"]) >= count,
                 lambda: f"{count} messages: {self.report()}")
        return self.report()["said"]

    def wait_closed(self):
        wait_for(lambda: self.report()["closed"], "it is closed")
        return self.report()["closed"]

    def send(self, data):
        """A str goes as text, a list of numbers as bytes, a dict as JSON."""
        data = json.dumps(data) if isinstance(data, dict) else data
        self.browser.execute_script("send(...arguments)", self.name, data)

    def messages(self, count):
        return [json.loads(m) for m in self.wait_said(count)]

    def close(self):
        self.browser.execute_script("sockets[arguments[0]].socket.close(1000)", self.name)


@pytest.fixture
def begin(start, origin):
    return lambda allow=origin: start(f"[ws]\nallow_origin = {allow}\n")


@pytest.fixture
def connect(browser, origin):
    made = []

    def make(system, path, protocol=None):
        made.append(BrowserSocket(browser, origin, system, path, protocol))
        return made[-1]

    yield make
    for socket in made:
        socket.close()


def test_a_page_subscribes_and_publishes(begin, connect):
    system = begin()
    c = connect(system, "/a").wait_open()
    assert "permessage-deflate" in c.report()["extensions"]
    c.send({"op": "publish", "ref": 1, "topic": "a", "data": {"from": "the page 🦆"}})
    by_op = {m["op"]: m for m in c.messages(3)}
    assert by_op["ack"]["ref"] == 1
    event = by_op["event"]
    assert (event["id"], event["data"]) == (by_op["ack"]["id"], {"from": "the page 🦆"})
    id_ = post(system.sse, "a", b"from outside")
    assert c.messages(4)[3]["id"] == str(id_)


def test_many_subscriptions_in_a_page(begin, connect):
    system = begin()
    c = connect(system, "").wait_open()
    for ref, topic in enumerate(["x", "x", "+", "#"]):
        c.send({"op": "subscribe", "ref": ref, "topic": topic})
    assert sorted(m["ref"] for m in c.messages(4)) == [0, 1, 2, 3]
    ids = flood(system.apps, "x", [b"%d" % n for n in range(200)])
    events = c.messages(204)[4:]
    assert [int(e["id"]) for e in events] == ids
    assert all(sorted(e["subs"]) == [0, 1, 2, 3] for e in events)


def test_payloads_as_they_are(begin, connect):
    """sluice.raw: text as strings, bytes as ArrayBuffers."""
    system = begin()
    c = connect(system, "/raw", "sluice.raw").wait_open()
    assert c.report()["protocol"] == "sluice.raw"
    sent = ["plain", "ünïcödé 🦆", "", [0, 255, 128], [], "x" * 100000]
    for data in sent:
        c.send(data)
    assert c.wait_said(len(sent)) == sent


def test_a_page_resumes_where_it_was(begin, connect):
    """The gateway is killed; the page connects again after its last event."""
    system = begin()
    c = connect(system, "/a").wait_open()
    ids = flood(system.apps, "a", [b"before"] * 10)
    last = c.messages(11)[-1]["id"]
    assert int(last) == ids[-1]
    system.kill_and_wait("sluice-ws")
    assert c.wait_closed()["code"] == 1006
    missed = flood(system.apps, "a", [b"missed"] * 10)
    again = connect(system, f"/a?after={last}").wait_open()
    assert [int(m["id"]) for m in again.messages(11)[1:]] == missed


def test_a_page_sees_why_it_was_closed(begin, connect):
    system = begin()
    c = connect(system, "/a").wait_open()
    c.send([1, 2, 3])
    assert c.wait_closed() == {"code": 1003, "reason": "sluice.json speaks in text", "clean": True}
    gone = connect(system, "/a?after=1&on_gap=fail")
    assert gone.wait_closed()["code"] == 4410


def test_an_origin_that_is_not_allowed_gets_nothing(begin, connect):
    system = begin(allow="http://elsewhere.example")
    assert connect(system, "/a").wait_closed()["code"] == 1006
