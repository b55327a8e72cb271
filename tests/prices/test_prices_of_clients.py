"""What clients cost while they ask, wait and do not read: heads, streams that are idle or
slow, polls that wait, compressed messages, documents of history."""

import contextlib
import json
import os

import pytest
from pricelib import SLACK, Meter, Row, calm, check
from sluicelib import Raw, wait_for
from wslib import DEFLATE, TEXT, WebSocket, deflate, frame

MAX_HEADER = 16 << 10
MAX_TARGET = 8 << 10
MAX_PAYLOAD = 1 << 20
IDLE = 200  # clients


# --- heads ------------------------------------------------------------------------------

def at(gateway):
    return lambda system: Raw(system.port(gateway))


def responded(c):
    assert c.take(9) == b"HTTP/1.1 "


def said(c):
    """An answer, or a stream's beginning."""
    assert c.take(12) in (b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 429", b"HTTP/1.1 431")


def get(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def filled(path, one, *headers):
    """A target of its largest size, filled with `one`, numbered."""
    room = MAX_TARGET - len(path)
    n = room // (len(one.format(1000)))
    return get(path + "".join(one.format(1000 + k) for k in range(n)), *headers)


def fields(one):
    room = MAX_HEADER - 128
    count = room // (len(one.format(1000)) + 2)
    return get("/events/p?wait=0s", *(one.format(1000 + k) for k in range(count)))


def thousand_responded(c):
    while c.buffer.count(b"HTTP/1.1 2") < 1000:
        assert c.more()


ESCAPED = "/events/" + "%70" * (MAX_TARGET // 3 - 10)

HEADS = [
    Row("a head of many fields", "poll", at("poll"), fields("x-{}: v"), said),
    Row("a head of many cookies", "poll", at("poll"), fields("Cookie: c{}=v"), said),
    Row("a head of many Accepts", "poll", at("poll"), fields("Accept: text/x{};q=0.5"), said),
    Row("a query of many topics", "sse", at("sse"), filled("/events?after=0", "&topic=t/{}"), said),
    Row("a query of many wildcards", "sse", at("sse"), filled("/events?after=0", "&topic=+/{}/+/#"),
        said),
    Row("a query of one parameter again and again", "sse", at("sse"),
        filled("/events/p?after=0", "&after={}"), said),
    Row("a query of parameters that there are not", "sse", at("sse"),
        filled("/events/p?after=0", "&x{}=1"), said),
    Row("a path of escapes", "poll", at("poll"), get(ESCAPED), said),
    Row("a head that comes byte by byte", "poll", at("poll"), fields("x-{}: v"), said, pieces=1,
        tries=2),
    Row("a query that comes byte by byte", "sse", at("sse"), filled("/events?after=0", "&topic=t/{}"),
        said, pieces=1, tries=2),
    Row("a listing of topics", "sse", at("sse"), get("/topics?filter=%23"), responded),
    Row("requests in one write", "poll", at("poll"), get("/events/p?wait=0s") * 1000,
        thousand_responded, memory=False),
]


@pytest.mark.parametrize("row", HEADS, ids=lambda row: row.name.replace(" ", "-"))
def test_price_of_a_head(system, row):
    check(system, row)


# --- compressed messages ----------------------------------------------------------------------

def packed(path):
    def enter(system):
        ws = WebSocket(system.port("ws"), *path, deflate=DEFLATE)
        ws.open()
        return ws
    return enter


def over(c):
    """It is closed, or what was sent is answered."""
    with contextlib.suppress(ConnectionError):
        c.frame()


def cut(c):
    c.raw.close()


def pieces_of(payload, count):
    """A message of so many fragments, and a ping's answer behind it."""
    size = len(payload) // count + 1
    parts = [payload[n:n + size] for n in range(0, len(payload), size)]
    return b"".join(frame(TEXT if n == 0 else 0, part, fin=n == len(parts) - 1, rsv=4 if n == 0 else 0)
                    for n, part in enumerate(parts))


JSON = json.dumps({"op": "publish", "ref": "r", "topic": "p", "data": " " * (MAX_PAYLOAD - 100)}).encode()
BOMBS = [
    Row("a message that inflates to 64 MiB", "ws", packed(("/events", "sluice.json")),
        frame(TEXT, deflate(b" " * (64 << 20)), rsv=4), over, memory=False, leave=cut),
    Row("that, in a thousand fragments", "ws", packed(("/events", "sluice.json")),
        pieces_of(deflate(b" " * (64 << 20)), 1000), over, memory=False, leave=cut),
    Row("a message that inflates to max_payload", "ws", packed(("/events", "sluice.json")),
        frame(TEXT, deflate(JSON), rsv=4), lambda c: c.frame(), memory=False),
    Row("many such messages", "ws", packed(("/events", "sluice.json")),
        frame(TEXT, deflate(JSON), rsv=4) * 20, lambda c: [c.frame() for _ in range(20)],
        memory=False),
    Row("a message that does not compress", "ws", packed(("/events", "sluice.json")),
        frame(TEXT, deflate(os.urandom(MAX_PAYLOAD // 2)), rsv=4), over, leave=cut),
]


@pytest.mark.parametrize("row", BOMBS, ids=lambda row: row.name.replace(" ", "-"))
def test_price_of_a_compressed_message(system, row):
    check(system, row)


def test_inflating_holds_no_more_than_twice_a_payload(system):
    ws = packed(("/events", "sluice.json"))(system)
    meter = Meter(system, ["ws"])
    bomb = pieces_of(deflate(b" " * (64 << 20)), 1000)
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        for n in range(0, len(bomb), 4096):
            ws.raw.socket.sendall(bomb[n:n + 4096])
            if n % 65536 == 0:
                meter.look()
    over(ws)
    assert meter.most["ws"] <= 3 * MAX_PAYLOAD + SLACK, meter.most


# --- clients that wait -------------------------------------------------------------------------

def sse_idle(system, n):
    c = Raw(system.port("sse"))
    c.send(get("/events/idle/x"))
    assert c.take(12) == b"HTTP/1.1 200"
    return c


def ndjson_idle(system, n):
    c = Raw(system.port("sse"))
    c.send(get("/events/idle/x", "Accept: application/x-ndjson"))
    assert c.take(12) == b"HTTP/1.1 200"
    return c


def poll_waiting(system, n):
    c = Raw(system.port("poll"))
    c.send(get("/events/idle/x?wait=60s"))
    return c


def ws_idle(system, n):
    ws = WebSocket(system.port("ws"), "/events/idle/x")
    ws.open()
    return ws.raw


def ws_packed_idle(system, n):
    ws = WebSocket(system.port("ws"), "/events/idle/x", deflate=DEFLATE)
    ws.open()
    return ws.raw


def kept_idle(system, n):
    c = Raw(system.port("poll"))
    c.send(get("/events/idle/x?wait=0s"))
    assert c.take(9) == b"HTTP/1.1 "
    return c


def half_a_head(system, n):
    c = Raw(system.port("sse"))
    c.send(get("/events/idle/x?wait=60s", "x: " + "v" * 8000)[:-4])
    return c


WAITING = [("sse stream", "sse", sse_idle, 3_000), ("ndjson stream", "sse", ndjson_idle, 3_000),
           ("poll that waits", "poll", poll_waiting, 3_000), ("websocket", "ws", ws_idle, 4_000),
           ("websocket that compresses", "ws", ws_packed_idle, 4_000),
           ("kept connection", "poll", kept_idle, 3_000),
           ("half a head of 8,000 bytes", "sse", half_a_head, 2 * 8_000)]


@pytest.mark.parametrize("who, enter, most", [w[1:] for w in WAITING],
                         ids=[w[0].replace(" ", "-") for w in WAITING])
def test_price_of_one_that_waits(system, who, enter, most):
    enter(system, 0).close()

    def some_wait():
        meter = Meter(system, [who])
        with contextlib.ExitStack() as opened:
            for n in range(IDLE):
                opened.callback(enter(system, n).close)
            wait_for(lambda: system.metrics(who)["sluice_connections"] >= IDLE, "all are in")
            meter.look()
            print(f"{meter.each(who, IDLE):,.0f} bytes each")
            assert meter.each(who, IDLE) <= most
        wait_for(lambda: meter.each(who, IDLE) < most / 10, "it is given back")
        return meter

    calm(some_wait)


def test_waiting_polls_are_all_answered_in_bounded_turns(system):
    def all_answered():
        clients = [poll_waiting(system, n) for n in range(IDLE)]
        wait_for(lambda: system.metrics("poll")["sluice_subscriptions"] >= IDLE, "all wait")
        meter = Meter(system, ["poll"])
        system.publish("idle/x", "x" * 100_000)
        for c in clients:
            assert c.take(12) == b"HTTP/1.1 200"
            c.close()
        meter.look()
        assert meter.most["poll"] <= IDLE * 100_000 / 4, "the body is one for all"
        return meter

    calm(all_answered)


# --- clients that do not read --------------------------------------------------------------------

def stalled(system, who, topic):
    if who == "ws":
        return WebSocket(system.port("ws"), f"/events/{topic}", rcvbuf=4096).open().raw
    return Raw(system.port("sse"), 4096).send(get(f"/events/{topic}"))


@pytest.mark.parametrize("who", ["sse", "ws"])
def test_price_of_those_that_do_not_read(system, who):
    def none_reads():
        with contextlib.ExitStack() as opened:
            for _ in range(30):
                opened.callback(stalled(system, who, f"slow/{who}").close)
            wait_for(lambda: system.metrics(who)["sluice_subscriptions"] >= 30, "all are in")
            meter = Meter(system, [who])
            for _ in range(120):  # 60 MB, of which ring and ring_pinned may hold 32 MiB each
                system.publish(f"slow/{who}", "x" * 500_000)
            meter.look()
            print(f"{meter.most[who]:,.0f} bytes for 30")
            assert meter.most[who] <= (64 << 20) + 30 * 70_000 + SLACK
        wait_for(lambda: system.metrics(who)["sluice_subscriptions"] == 0, "they are gone")
        return meter

    calm(none_reads)


# --- documents of history ------------------------------------------------------------------------

def test_price_of_many_documents_of_history(system):
    for _ in range(64):
        system.publish("docs/x", "x" * 64_000)

    def many_composed():
        meter = Meter(system, ["sse", "broker"])
        with contextlib.ExitStack() as opened:
            clients = [Raw(system.port("sse"), 4096).send(get("/history/docs/x?limit=1000"))
                       for _ in range(40)]
            for c in clients:
                opened.callback(c.close)
            for _ in range(20):
                meter.look()
            for c in clients[:5]:
                assert c.take(12) == b"HTTP/1.1 200"
            for _ in range(20):
                meter.look()
            print(f"{meter.most['sse']:,.0f} bytes for {len(clients)}")
            assert meter.most["sse"] <= (32 << 20) + (16 << 20) + SLACK  # history_memory, page_cache
            honest = system.request("GET", "/history/docs/x?limit=1")
            assert honest.status_code == 200 and len(honest.json()["events"]) == 1
        return meter

    calm(many_composed)
