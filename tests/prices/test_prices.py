"""Every request, packet and frame at its size limit: no loop stands still for it, and it
holds no more than a few times its own size."""

import contextlib
import json

import pytest
from h2lib import Connection as H2
from mqttlib import (AUTH, CONNACK, CONNECT, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL,
                     SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, V3, V5, PING, Client, Closed, Will, ack,
                     connect, data, packet, prop, publish, subscribe, unsubscribe, varint)
from pricelib import Row, check
from sluicelib import Raw
from wslib import BINARY, TEXT, WebSocket, frame

MAX_PAYLOAD = 1 << 20
MAX_PACKET = MAX_PAYLOAD + 128 * 1024
MAX_BODY = 8 << 20

# --- MQTT: packets -------------------------------------------------------------------------


def users(size):
    """User properties of so many bytes in all, small ones: as many as can be."""
    one = prop("user", ("k", "v"))
    return one * (size // len(one))


def padded(first, before, after=b""):
    """A packet of the largest size, whose properties are made to fill it."""
    room = MAX_PACKET - 5 - len(before) - len(after) - 4
    props = users(room)
    return packet(first >> 4, first & 15, before + varint(len(props)) + props + after)


def id_of(n):
    return n.to_bytes(2, "big")


def entered(version=V5, **kw):
    def enter(system):
        c = Client(system.port("mqtt"), version)
        c.connect("", **kw)
        return c
    return enter


def unknown(system):
    return Client(system.port("mqtt"))


def until(*kinds):
    """Waits for one of them, or the end."""
    def answer(c):
        with contextlib.suppress(Closed):
            c.next(*kinds)
    return answer


def pinged(c):
    with contextlib.suppress(Closed, ConnectionError):
        c.ping()


def ended(c):
    with contextlib.suppress(Closed):
        c.closed()


def filters(count, text="f/{}/" + "x" * 900):
    return [text.format(n) for n in range(count)]


def with_subscriptions(system):
    c = entered()(system)
    c.subscribed(*filters(1024))
    return c


def answers(count):
    def answer(c):
        for _ in range(count):
            c.take(PINGRESP)
    return answer


def row(name, enter, raw, answer, **kw):
    return Row(f"mqtt {name}", "mqtt", enter, raw, answer, **kw)


HUGE_CONNECT = data("MQTT") + b"\5\2\0\0"
MQTT = [
    row("CONNECT of properties", unknown, padded(CONNECT << 4, HUGE_CONNECT, data("c")), until(CONNACK)),
    row("CONNECT of a will", unknown,
        packet(CONNECT, 0, data("MQTT") + b"\5\6\0\0\0" + data("c") + b"\0" + data("w") +
               data(b"x" * 65535)), until(CONNACK)),
    row("CONNECT of a will, stored", unknown,
        connect("stored", will=Will("w", b"x" * 65535), session_expiry=1), until(CONNACK)),
    row("CONNECT that is no UTF-8 at its end", unknown,
        padded(CONNECT << 4, HUGE_CONNECT, data(b"\xff")), ended),
    row("PUBLISH at QoS 0", entered(), publish("p", b"x" * MAX_PAYLOAD), pinged),
    row("PUBLISH at QoS 1", entered(), publish("p", b"x" * MAX_PAYLOAD, 1, 1), until(PUBACK)),
    row("PUBLISH at QoS 2", entered(), publish("p", b"x" * MAX_PAYLOAD, 2, 1), until(PUBREC)),
    row("PUBLISH of text", entered(),
        publish("p", "\u20ac" * (MAX_PAYLOAD // 3), 1, 1, payload_format=1), until(PUBACK)),
    row("PUBLISH of properties", entered(),
        padded(3 << 4 | 2, data("p") + id_of(1)), until(PUBACK)),
    row("PUBLISH retained, 3.1.1", entered(V3),
        publish("p", b"x" * MAX_PAYLOAD, 1, 1, True, version=V3), until(PUBACK)),
    row("PUBLISHes, small", entered(),
        b"".join(publish("p", b"x", 1, n) for n in range(1, 1025)), pinged, memory=False),
    *(row(f"{name} of properties", entered(), padded(kind << 4 | flags, id_of(7) + b"\0"), pinged)
      for name, kind, flags in (("PUBACK", PUBACK, 0), ("PUBREC", PUBREC, 0),
                                ("PUBREL", PUBREL, 2), ("PUBCOMP", PUBCOMP, 0))),
    row("PUBRELs", entered(), b"".join(ack(PUBREL, n) for n in range(1, 60000)), pinged,
        memory=False),
    row("SUBSCRIBE of properties", entered(),
        padded(SUBSCRIBE << 4 | 2, id_of(1), data("f") + b"\0"), until(SUBACK)),
    row("SUBSCRIBE of 1,024 filters", entered(),
        subscribe(1, [(f, 1) for f in filters(1024)]), until(SUBACK), memory=False),
    row("SUBSCRIBE of 1,024 filters, stored", entered(session_expiry=5, clean=False),
        subscribe(1, [(f, 1) for f in filters(1024)]), until(SUBACK), memory=False),
    row("SUBSCRIBE of as many equal filters as fit", entered(),
        subscribe(1, [("f", 0)] * (MAX_PACKET // 4 - 10)), ended),
    row("SUBSCRIBE of 1,024 equal filters", entered(), subscribe(1, [("f", 0)] * 1024),
        until(SUBACK), memory=False),
    row("SUBSCRIBE of 1,024 that replay", entered(),
        subscribe(1, [(f"$last/1/f/{n}", 0) for n in range(1024)]), until(SUBACK), memory=False),
    row("SUBSCRIBE of 1,024 starts", entered(),
        subscribe(1, [(f"$last/{n + 1}/f/{n}", 0) for n in range(1024)]), until(SUBACK),
        memory=False),
    row("SUBSCRIBE of 1,024 groups", entered(),
        subscribe(1, [(f"$share/{n}/f", 0) for n in range(1024)]), until(SUBACK), memory=False),
    row("SUBSCRIBEs, small", entered(),
        b"".join(subscribe(n, [(f"f/{n}", 0)]) for n in range(1, 1025)) + PING, pinged,
        memory=False),
    row("SUBSCRIBE again of 1,024", with_subscriptions,
        subscribe(1, [(f, 1) for f in filters(1024)]), until(SUBACK), memory=False),
    row("UNSUBSCRIBE of 1,024", with_subscriptions, unsubscribe(1, filters(1024)),
        until(UNSUBACK), memory=False),
    row("UNSUBSCRIBE of properties", entered(),
        padded(UNSUBSCRIBE << 4 | 2, id_of(1), data("f")), until(UNSUBACK)),
    row("UNSUBSCRIBE of as many equal filters as fit", entered(),
        unsubscribe(1, ["f"] * (MAX_PACKET // 3 - 10)), ended),
    row("PINGREQs", entered(), PING * 20000, answers(20000), memory=False),
    row("DISCONNECT of properties", entered(), padded(DISCONNECT << 4, b"\0"), ended),
    row("AUTH of properties", entered(),
        padded(AUTH << 4, b"\x18"), ended),
    row("a packet that is too large", entered(), packet(PINGREQ + 1, 0, b"", length=MAX_PACKET),
        ended),
]

# --- HTTP and what it carries ----------------------------------------------------------------


def post(path, body, *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def http(system):
    return Raw(system.port("sse"))


def responded(c):
    assert c.take(9) == b"HTTP/1.1 "


LINE = json.dumps({"topic": "p", "data": "x" * 780}).encode() + b"\n"
PROPERTIES = [["k", "v" * 60]] * 900

HTTP = [
    Row("http POST at max_payload", "sse", http, post("/events/p", b"x" * MAX_PAYLOAD), responded),
    Row("http POST of JSON in the JSON form", "sse", http,
        post("/events", json.dumps({"topic": "p", "data": ["\u20ac"] * 100000,
                                    "properties": PROPERTIES}).encode() + b"\n",
             "Content-Type: application/x-ndjson"), responded),
    Row("http batch at max_body", "sse", http,
        post("/events", LINE * (MAX_BODY // len(LINE)), "Content-Type: application/x-ndjson"),
        responded),
    Row("http batch of 10,000 events", "sse", http,
        post("/events", b'{"topic":"p","data":1}\n' * 10000, "Content-Type: application/x-ndjson"),
        responded, memory=False),
    Row("http batch of 10,000 producers", "sse", http,
        post("/events", b"".join(b'{"topic":"p","data":1,"producer":{"id":"p%d","epoch":0,"seq":0}}\n' % n
                                 for n in range(10000)), "Content-Type: application/x-ndjson"),
        responded, memory=False),
    Row("http batch of 10,000 numbers of one producer", "sse", http,
        post("/events", b"".join(b'{"topic":"p","data":1,"producer":{"id":"q","epoch":0,"seq":%d}}\n' % n
                                 for n in range(10000)), "Content-Type: application/x-ndjson"),
        responded, memory=False),
    Row("http batch of 10,000 topics", "sse", http,
        post("/events", b"".join(b'{"topic":"many/%d","data":1}\n' % n for n in range(10000)),
             "Content-Type: application/x-ndjson"), responded, memory=False),
    Row("http POST of the deepest JSON", "sse", http,
        post("/events", b'{"topic":"p","data":' + b"[" * 500000 + b"]" * 500000 + b"}\n",
             "Content-Type: application/x-ndjson"), responded),
]


def websocket(path):
    def enter(system):
        ws = WebSocket(system.port("ws"), *path)
        ws.open()
        return ws
    return enter


def framed(c):
    c.frame()


WS = [
    Row("ws publish at max_payload", "ws", websocket(("/events", "sluice.json")),
        frame(TEXT, json.dumps({"op": "publish", "ref": "r", "topic": "p",
                                "data": "x" * (MAX_PAYLOAD - 100)}).encode()), framed),
    Row("ws raw frame at max_payload", "ws", websocket(("/events/p", "sluice.raw")),
        frame(BINARY, b"x" * MAX_PAYLOAD), framed),
    Row("ws message of 100,000 fragments", "ws", websocket(("/events", "sluice.json")),
        frame(TEXT, b"{", fin=False) + frame(0, b"", fin=False) * 100000 + frame(0, b"}"), framed,
        memory=False),
]


class H2Post:
    """A POST whose head was said; its body is what is sent, as many frames as it takes."""

    FRAME = 16384

    def __init__(self, system):
        self.h2 = H2(system.port("h2"))
        self.socket = self.h2.socket
        self.h2.until(lambda: self.h2.h2.remote_settings.initial_window_size >= MAX_PAYLOAD,
                      "the server's settings")
        self.exchange = self.h2.begin("POST", "/events/p", end=False)

    def body(self):
        """DATA, which the window that the server has announced allows."""
        id = self.exchange.id.to_bytes(4, "big")
        count = MAX_PAYLOAD // self.FRAME
        return b"".join(self.FRAME.to_bytes(3, "big") + bytes([0, n == count - 1]) + id +
                        b"x" * self.FRAME for n in range(count))

    def answered(self):
        assert self.h2.answered(self.exchange).status == 201

    def close(self):
        self.h2.close()


OVER_H2 = [Row("h2 POST at max_payload", "h2", H2Post, H2Post.body, H2Post.answered)]


@pytest.mark.parametrize("row", MQTT + HTTP + WS + OVER_H2, ids=lambda row: row.name.replace(" ", "-"))
def test_price(system, row):
    check(system, row)
