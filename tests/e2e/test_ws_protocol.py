"""RFC 6455 and RFC 7692 at the door: handshakes, frames, close codes, compression."""

import contextlib
import json
import os
import struct
import threading
import time
import zlib

import pytest
from sluicelib import SLOW, TIMEOUT, wait_for
from wslib import BINARY, CLOSE, CONTINUATION, DEFLATE, PING, PONG, TEXT, deflate, frame

PING_OP = b'{"op":"ping","ref":1}'


def malformed(ws):
    return ws.sluice.metrics("ws")["sluice_websocket_malformed_total"]


# --- the handshake

def test_the_handshake_of_a_browser(new_ws):
    ws = new_ws("[ws]\nallow_origin = https://a.example, http://b.example:8000\n")
    for origin in ("https://a.example", "http://b.example:8000"):
        ws.ask("t", headers=[f"Origin: {origin}"]).open()
    for origin in ("https://b.example", "null", "https://a.example.evil", "http://a.example"):
        status, problem = ws.ask("t", headers=[f"Origin: {origin}"]).problem()
        assert (status, problem["code"], problem["field"]) == (403, "forbidden", "Origin")


def test_no_origin_is_on_the_list_by_default(ws):
    assert ws.ask("t", headers=["Origin: http://127.0.0.1"]).problem()[0] == 403
    ws.ask("t").open()


def test_the_numeric_address_that_is_asked_may_come_in(ws):
    """It is nobody else's; a name may be made to point here by whoever owns it."""
    port = ws.sluice.port("ws")
    for scheme in ("http", "https"):
        ws.ask("t", headers=[f"Origin: {scheme}://127.0.0.1:{port}"]).open()
    for origin in (f"http://127.0.0.1:{port + 1}", f"http://a.example:{port}",
                   f"http://127.0.0.1:{port}.example"):
        assert ws.ask("t", headers=[f"Origin: {origin}"]).problem()[0] == 403


def test_any_origin_if_the_list_says_so(new_ws):
    new_ws("[ws]\nallow_origin = *\n").ask("t", headers=["Origin: null"]).open()


def test_a_subprotocol_is_chosen_from_what_is_asked(ws):
    for asked, chosen in [(None, None), ("sluice.json", "sluice.json"),
                          ("mqtt, sluice.raw", "sluice.raw"),
                          ("sluice.raw, sluice.json", "sluice.raw")]:
        headers = ws.ask("t", protocol=asked).open().head()[1]
        assert headers.get("sec-websocket-protocol") == chosen
    status, problem = ws.ask("t", protocol="mqtt").problem()
    assert (status, problem["field"]) == (400, "Sec-WebSocket-Protocol")


@pytest.mark.parametrize("lines, status", [
    ([], 426),
    (["Upgrade: websocket"], 426),
    (["Upgrade: h2c", "Connection: Upgrade"], 426),
    (["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 8",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 426),
    (["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"], 400),
    (["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: short"], 400)])
def test_what_is_no_handshake(ws, lines, status):
    with ws.sluice.raw("ws") as c:
        c.send(("\r\n".join(["GET /events/a HTTP/1.1", "Host: a", *lines]) + "\r\n\r\n").encode())
        answer = c.answer()
        assert answer.status == status, answer
        if status == 426:
            assert answer.headers["upgrade"] == "websocket"
            assert answer.headers["sec-websocket-version"] == "13"
            assert answer.json()["code"] == "upgrade_required"


def test_frames_may_come_with_the_handshake(ws):
    """Before the 101 even; they wait until the connection is a WebSocket."""
    c = ws.ask("t")
    c.send_frames(frame(TEXT, PING_OP), frame(PING, b"early"))
    assert c.take("ack")["ref"] == "path"
    assert c.json() == {"op": "pong", "ref": 1}
    assert c.control(PONG) == b"early"


# --- frames

def test_fragments_with_control_frames_between_them(ws):
    c = ws.connect()
    pieces = [PING_OP[i:i + 1] for i in range(len(PING_OP))]
    c.send_frames(frame(TEXT, b"", fin=False))
    for n, piece in enumerate(pieces):
        c.send_frames(frame(CONTINUATION, piece, fin=False), frame(PING, b"%d" % n))
    c.send_frames(frame(CONTINUATION, b""))
    for n in range(len(pieces)):
        assert c.control(PONG) == b"%d" % n
    assert c.json() == {"op": "pong", "ref": 1}


def test_bytes_one_by_one(ws):
    c = ws.connect()
    for byte in frame(TEXT, PING_OP) + frame(PING, b"x" * 125):
        c.raw.send(bytes([byte]))
    assert c.json() == {"op": "pong", "ref": 1}
    assert c.control(PONG) == b"x" * 125


def test_a_pong_that_nobody_asked_for_is_passed_over(ws):
    c = ws.connect()
    c.send_frames(frame(PONG, b"hello"), frame(TEXT, PING_OP))
    assert c.json() == {"op": "pong", "ref": 1}


BAD_FRAMES = {
    "not masked": (frame(TEXT, PING_OP, mask=None), 1002),
    "reserved bit 1 without deflate": (frame(TEXT, PING_OP, rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, PING_OP, rsv=2), 1002),
    "reserved bit 3": (frame(TEXT, PING_OP, rsv=1), 1002),
    "reserved opcode 3": (frame(3, b""), 1002),
    "reserved opcode 7": (frame(7, b""), 1002),
    "reserved opcode 11": (frame(11, b""), 1002),
    "reserved opcode 15": (frame(15, b""), 1002),
    "a continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a message within a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a ping in fragments": (frame(PING, b"", fin=False), 1002),
    "a close in fragments": (frame(CLOSE, b"", fin=False), 1002),
    "a long ping": (frame(PING, b"x" * 126), 1002),
    "a long close": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "a length in too many bytes": (b"\x81\xfe\x00\x7d" + bytes(4) + b"x" * 125, 1002),
    "a length in far too many bytes": (b"\x81\xff" + (0xffff).to_bytes(8, "big") + bytes(4), 1002),
    "a negative length": (b"\x81\xff" + b"\xff" * 8 + bytes(4), 1002),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "close code 0": (frame(CLOSE, struct.pack(">H", 0)), 1002),
    "close code 999": (frame(CLOSE, struct.pack(">H", 999)), 1002),
    "close code 1004": (frame(CLOSE, struct.pack(">H", 1004)), 1002),
    "close code 1005": (frame(CLOSE, struct.pack(">H", 1005)), 1002),
    "close code 1006": (frame(CLOSE, struct.pack(">H", 1006)), 1002),
    "close code 1015": (frame(CLOSE, struct.pack(">H", 1015)), 1002),
    "close code 5000": (frame(CLOSE, struct.pack(">H", 5000)), 1002),
    "a reason that is no text": (frame(CLOSE, b"\x03\xe8\xff\xfe"), 1007),
    "text that is none": (frame(TEXT, b"\xff\xfe"), 1007),
    "text cut within a character": (frame(TEXT, b"\xc3"), 1007),
    "text that goes wrong in a fragment": (frame(TEXT, b"ok\xc3", fin=False)
                                           + frame(CONTINUATION, b"(", fin=False), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "an overlong character": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a message in binary": (frame(BINARY, PING_OP), 1003),
    "a message too long": (frame(TEXT, b"", length=1 << 40), 1009),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_malformed_frame_has_its_close_code(ws, name):
    data, code = BAD_FRAMES[name]
    c, other = ws.connect("t"), ws.connect("t")
    c.send_frames(data)
    assert c.close_code() == code
    assert ws.sluice.publish("t", "x") == other.take("event")["id"]
    assert malformed(ws) == (code != 1003)


def test_a_message_over_the_limit_in_fragments(new_ws):
    ws = new_ws("[limits]\nmax_payload = 1k\nmax_body = 1k\n")  # so 130 KiB in sluice.json
    c = ws.connect()
    c.send_frames(frame(TEXT, b"", fin=False))
    for _ in range(260):
        c.send_frames(frame(CONTINUATION, b" " * 512, fin=False))
    c.send_frames(frame(CONTINUATION, b" ", fin=False))
    assert c.close_code() == 1009


# --- closing

@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 3000, 4999])
def test_a_close_is_answered_with_its_code(ws, code):
    assert ws.connect("a").close(code, b"because") == code


def test_a_close_without_a_code_is_answered_without_one(ws):
    c = ws.connect("a")
    c.send_frames(frame(CLOSE))
    assert c.control(CLOSE) == b""
    assert c.raw.rest() == b""


def test_nothing_counts_after_a_close(ws):
    c = ws.connect()
    c.send_frames(frame(CLOSE, struct.pack(">H", 1000)), frame(TEXT, PING_OP), b"\xff\xff\xff")
    assert c.control(CLOSE) == struct.pack(">H", 1000)
    assert c.raw.rest() == b""


def test_publishes_before_a_close_have_their_acks(ws):
    c = ws.connect()
    for n in range(100):
        c.say("publish", ref=n, topic="a", data=n)
    c.send_frames(frame(CLOSE, struct.pack(">H", 1000)))
    assert [c.take("ack")["ref"] for n in range(100)] == list(range(100))
    assert c.control(CLOSE) == struct.pack(">H", 1000)


def test_a_client_that_does_not_answer_a_close_is_left(new_ws):
    c = new_ws().connect("a", protocol="sluice.json")
    c.send_frames(frame(BINARY, b"x"))
    assert c.control(CLOSE)[:2] == struct.pack(">H", 1003)
    began = time.monotonic()
    assert c.raw.rest() == b""  # the server's end
    assert time.monotonic() - began < TIMEOUT


# --- pings

def test_a_quiet_client_is_pinged(new_ws):
    c = new_ws("[ws]\nping = 300ms\n").connect("a")
    for _ in range(3):
        c.send_frames(frame(PONG, c.control(PING)))
    assert c.close() == 1000


def test_a_client_that_answers_no_ping_is_closed(new_ws):
    c = new_ws("[ws]\nping = 300ms\nping_timeout = 500ms\n").connect("a")
    assert c.control(PING) == b""
    assert c.close_code() == 1008


def test_a_ping_leaves_when_it_is_due(new_ws):
    """Not with whatever wakes the process next."""
    c = new_ws("[ws]\nping = 200ms\n").connect("a")
    begun = time.monotonic()
    for _ in range(6):
        assert c.control(PING) == b""
        c.raw.send(frame(PONG, b""))
    assert time.monotonic() - begun < 4


def test_whoever_speaks_is_not_pinged(new_ws):
    ws = new_ws("[ws]\nping = 1s\n")
    c = ws.connect()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        c.send_frames(frame(TEXT, PING_OP))
        assert c.json() == {"op": "pong", "ref": 1}
        time.sleep(0.1)


def test_a_message_must_come_to_its_end(new_ws):
    ws = new_ws("[limits]\nbody_timeout = 500ms\n")
    c = ws.connect()
    c.send_frames(frame(TEXT, b"{", fin=False))
    assert c.close_code() == 1008


# --- permessage-deflate

def test_it_is_negotiated_without_contexts(ws):
    for offer, answer in [
            (None, None), ("x-webkit-deflate-frame", None),
            (DEFLATE, f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover"),
            (f"{DEFLATE}; server_max_window_bits=10; client_max_window_bits",
             f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover; "
             "server_max_window_bits=10"),
            (f"{DEFLATE}; server_max_window_bits=7", None),
            (f"{DEFLATE}; unknown, {DEFLATE}",
             f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover")]:
        headers = ws.ask("t", deflate=offer).open().head()[1]
        assert headers.get("sec-websocket-extensions") == answer, offer


def test_it_can_be_switched_off(new_ws):
    ws = new_ws("[ws]\ndeflate = off\n")
    headers = ws.ask("t", deflate=DEFLATE).open().head()[1]
    assert "sec-websocket-extensions" not in headers


def test_events_are_compressed_for_whom_it_helps(ws):
    c, plain = ws.connect("a", deflate=DEFLATE), ws.connect("a")
    several = ws.connect("a", deflate=DEFLATE)
    several.say("subscribe", ref="r" * 64, topic="a")
    several.take("ack")
    payloads = ["x" * 1000, os.urandom(500).hex(), "", "y" * 100000]
    ids = [ws.sluice.publish("a", p) for p in payloads]
    for client in (c, plain, several):
        events = client.events(len(payloads))
        assert [(e["id"], e["data"]) for e in events] == list(zip(ids, payloads))
    assert (c.packed, plain.packed) == (4, 0)
    assert several.packed >= 3


def test_noise_goes_uncompressed(ws):
    c = ws.connect("a", protocol="sluice.raw", deflate=DEFLATE)
    noise = os.urandom(1000)
    ws.sluice.publish("a", noise)
    assert c.message() == noise and c.plain == 1


@pytest.mark.parametrize("protocol", ["sluice.json", "sluice.raw"])
def test_a_small_window_gets_what_fits_into_it(ws, protocol):
    """Its inflater has no more than 1 KiB to look back on."""
    c = ws.connect("a", protocol=protocol, deflate=f"{DEFLATE}; server_max_window_bits=10")
    c.bits = 10
    if protocol == "sluice.json":
        c.say("subscribe", ref=1, topic="a")
        c.take("ack")
    block = os.urandom(400).hex()
    for payload in ("x" * 700, block + block, block * 40, "y" * 20):
        ws.sluice.publish("a", payload, Content_Type="text/plain")
        got = c.take("event")["data"] if protocol == "sluice.json" else c.message()
        assert got == payload
    assert c.packed == 2 and c.plain >= 2


def test_compressed_messages_are_understood(ws):
    c = ws.connect(deflate=DEFLATE)
    c.send_packed(TEXT, PING_OP)
    assert c.json() == {"op": "pong", "ref": 1}
    packed = deflate(PING_OP)
    c.send_frames(frame(TEXT, packed[:5], fin=False, rsv=4), frame(PING, b"between"),
                  frame(CONTINUATION, packed[5:]))
    assert c.control(PONG) == b"between"
    assert c.json() == {"op": "pong", "ref": 1}
    c.send_frames(frame(TEXT, PING_OP))  # compressing is a choice, message by message
    assert c.json() == {"op": "pong", "ref": 1}


BAD_DEFLATE = {
    "no deflate": (frame(TEXT, b"\xff\xff\xff\xff", rsv=4), 1007),
    "cut short": (frame(TEXT, deflate(PING_OP)[:-4], rsv=4), 1007),
    "text that is none": (frame(TEXT, deflate(b"\xff\xfe"), rsv=4), 1007),
    "a bit on a continuation": (frame(TEXT, b"", fin=False, rsv=4)
                                + frame(CONTINUATION, b"", rsv=4), 1002),
    "a compressed ping": (frame(PING, deflate(b"x"), rsv=4), 1002),
    "a bomb": (frame(TEXT, deflate(b" " * (64 << 20)), rsv=4), 1009),
}


@pytest.mark.parametrize("name", BAD_DEFLATE)
def test_bad_compression_has_its_close_code(ws, name):
    data, code = BAD_DEFLATE[name]
    c = ws.connect(deflate=DEFLATE)
    before = ws.sluice.processes["ws"].memory()
    c.send_frames(data)
    assert c.close_code() == code
    assert malformed(ws) == 1
    assert ws.sluice.processes["ws"].memory() < before + 24e6


def test_a_bomb_of_bytes(ws):
    z = zlib.compressobj(9, wbits=-15)
    bomb = (z.compress(b"\0" * (256 << 20)) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]
    c = ws.connect("t", protocol="sluice.raw", deflate=DEFLATE)
    c.send_frames(frame(BINARY, bomb, rsv=4))
    assert c.close_code() == 1009
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_connections"] == 0, "it is gone")


def test_what_inflates_is_rationed(ws):
    """A few kilobytes become hundreds of megabytes: others get their turns between."""
    a, b = ws.connect(deflate=DEFLATE), ws.connect()
    space = " " * 1_900_000
    packed = [frame(TEXT, deflate(f'{{"op":"ping",{space}"ref":{n}}}'.encode()), rsv=4)
              for n in range(160)]
    b.say("ping", ref=0).take("pong")
    writer = threading.Thread(target=a.send_frames, args=packed)
    writer.start()
    longest, pinged = 0, 0
    while pinged < 20:
        start = time.monotonic()
        b.say("ping", ref=0).take("pong")
        longest, pinged = max(longest, time.monotonic() - start), pinged + 1
    assert longest < 0.2 * SLOW
    assert [a.take("pong")["ref"] for _ in packed] == list(range(len(packed)))
    writer.join()


def test_a_message_inflates_to_twice_a_payload(ws):
    c = ws.connect(deflate=DEFLATE)
    c.send_packed(TEXT, b'{"op":"ping","ref":1' + b" " * 2_000_000 + b"}")
    assert c.take("pong")["ref"] == 1
    c.send_packed(TEXT, b'{"op":"ping","ref":1' + b" " * 2_400_000 + b"}")
    assert c.close_code() == 1009


# --- publishers

def test_whoever_closes_half_while_blocked_is_let_go(new_ws):
    """Blocked by its own window, with nothing more to be read: the acknowledgement ends it."""
    ws = new_ws("[ws]\nping = 0s\npublish_window = 1k\n")
    c = ws.connect()
    ws.sluice.broker.freeze()
    try:
        c.say("publish", ref=1, topic="a", data="x" * 3000)
        ws.sluice.wait_metric("sluice_publishes_pending", 1, "ws")
        c.raw.half_close()
        assert ws.sluice.metrics("ws")["sluice_connections"] >= 1
    finally:
        ws.sluice.broker.thaw()
    c.raw.rest()  # it ends
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_connections"] == 0, "nobody left")
    assert len(ws.sluice.history("a")["events"]) == 1


def test_publishers_share_what_may_be_under_way(new_ws):
    """Twelve that flood have four windows together, so that who comes behind them does not wait
    long, and nobody is kept from publishing."""
    ws = new_ws("[ws]\npublish_window = 256k\n")
    count, chunk = 12, frame(TEXT, json.dumps(
        {"op": "publish", "topic": "flood", "data": "x" * 2000}).encode()) * 20
    flooders = [ws.connect() for _ in range(count)]
    over = threading.Event()

    def flood(c):
        with contextlib.suppress(OSError):
            while not over.is_set():
                c.raw.send(chunk)

    def drain(c):
        with contextlib.suppress(OSError):
            while c.raw.socket.recv(1 << 16):
                pass

    threads = [threading.Thread(target=run, args=(c,)) for c in flooders for run in (flood, drain)]
    for t in threads:
        t.start()
    try:
        ws.sluice.wait_metric("sluice_publishes_pending", 100, "ws")
        ws.sluice.broker.freeze()
        most = 6 * 256 * 1024 // 2400 + count  # a window of each would be twice as many
        pending = [ws.sluice.metrics("ws")["sluice_publishes_pending"] for _ in range(50)]
        assert max(pending[-25:]) <= most, (most, pending)
        ws.sluice.broker.thaw()
        honest, waits = ws.connect(), []
        for n in range(60):
            begun = time.monotonic()
            honest.say("publish", ref=n, topic="honest", data="")
            assert honest.take("ack")["ref"] == n
            waits.append(time.monotonic() - begun)
        assert sorted(waits)[58] < 2
    finally:
        over.set()
        ws.sluice.broker.thaw()
        for c in flooders:
            c.cut()
        for t in threads:
            t.join()
