"""The letter of RFC 9113 and RFC 7541: what each frame may hold, and where it may come.
The cases are those that h2spec tries, by its numbers, and their siblings."""

import h2lib
import pytest
from h2lib import PREFACE, encode, encode_fields, frame, headers
from sluicelib import Sluice

(NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE, REFUSED,
 CANCEL, COMPRESSION, CONNECT, CALM) = range(12)
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIO = 1, 1, 4, 8, 32
ENDS = END_STREAM | END_HEADERS
CANCELLED = (CANCEL).to_bytes(4, "big")


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    s = Sluice(tmp_path_factory.mktemp("letter"), gateways=("sse", "h2")).start()
    yield s
    assert all(p.running() for p in s.processes.values())
    s.end()


@pytest.fixture
def frames(system):
    """frames(): a client that speaks in frames, and knows the server's settings."""
    made = []

    def connect(**kw):
        made.append(h2lib.Frames(system.port("h2"), **kw))
        made[-1].settled()
        return made[-1]

    yield connect
    for c in made:
        c.close()


def answered(c, stream, path="/topics"):
    """A request whose answer is there: the stream is closed."""
    c.send(headers(stream, path))
    c.until(lambda: any(f[2] == stream and f[0] in (HEADERS, DATA) and f[1] & END_STREAM
                        for f in c.seen), "end of the answer")


def verdict(c):
    """What the server says first that is an error: ("stream" or "connection", code)."""
    c.socket.settimeout(3)
    at = 0
    while True:
        for kind, _, _, payload in c.seen[at:]:
            if kind == RST:
                return "stream", int.from_bytes(payload, "big")
            if kind == GOAWAY:
                return "connection", int.from_bytes(payload[4:8], "big")
        at = len(c.seen)
        if not c.pump():
            return "connection", None


def pinged(c, data=b"letter..", flags=0):
    """The server still answers."""
    c.send(frame(PING, flags, 0, data))
    c.until(lambda: any(f[0] == PING and f[3] == data for f in c.seen), "answer to a PING")


# --- streams that have been (RFC 9113, 5.1 and 5.1.1)

def open_stream(c):
    c.send(headers(1, "/events/a", "POST", END_HEADERS))


def half_closed(c):
    c.send(headers(1, "/events/a"))
    assert c.status(1) == 200


def closed(c):
    answered(c, 1)


def cancelled(c):
    c.send(headers(1, "/events/a") + frame(RST, 0, 1, CANCELLED))


def cancelled_open(c):
    open_stream(c)
    c.send(frame(RST, 0, 1, CANCELLED))


def none(c):
    pass


def skipped(c):
    answered(c, 5)


@pytest.mark.parametrize("case, state, sent, expected", [
    ("5.1/1", none, frame(DATA, END_STREAM, 1, b"x"), ("connection", PROTOCOL)),
    ("5.1/2", none, frame(RST, 0, 1, CANCELLED), ("connection", PROTOCOL)),
    ("5.1/3", none, frame(WINDOW, 0, 1, b"\0\0\0\x64"), ("connection", PROTOCOL)),
    ("5.1/4", none, frame(CONTINUATION, END_HEADERS, 1, encode("/")), ("connection", PROTOCOL)),
    ("5.1/5", half_closed, frame(DATA, END_STREAM, 1, b"x"), ("connection", STREAM_CLOSED)),
    ("5.1/6", half_closed, headers(1, "/topics"), ("connection", STREAM_CLOSED)),
    ("5.1/7", half_closed, frame(CONTINUATION, END_HEADERS, 1, encode("/")),
     ("connection", PROTOCOL)),
    ("5.1/8", cancelled, frame(DATA, END_STREAM, 1, b"x"), ("connection", STREAM_CLOSED)),
    ("5.1/8 open", cancelled_open, frame(DATA, 0, 1, b"x"), ("connection", STREAM_CLOSED)),
    ("5.1/9", cancelled, headers(1, "/topics"), ("connection", STREAM_CLOSED)),
    ("5.1/9 open", cancelled_open, headers(1, "/topics"), ("connection", STREAM_CLOSED)),
    ("5.1/10", cancelled, frame(CONTINUATION, END_HEADERS, 1, encode("/")),
     ("connection", PROTOCOL)),
    ("5.1/11", closed, frame(DATA, END_STREAM, 1, b"x"), ("connection", STREAM_CLOSED)),
    ("5.1/12", closed, headers(1, "/topics"), ("connection", STREAM_CLOSED)),
    ("5.1/13", closed, frame(CONTINUATION, END_HEADERS, 1, encode("/")),
     ("connection", PROTOCOL)),
    ("5.1.1/1", none, headers(2, "/topics"), ("connection", PROTOCOL)),
    ("5.1.1/2", skipped, headers(3, "/topics"), ("connection", PROTOCOL)),
    ("5.1.1/2 data", skipped, frame(DATA, 0, 3, b"x"), ("connection", STREAM_CLOSED)),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_frame_where_its_stream_allows_none(frames, case, state, sent, expected):
    c = frames()
    state(c)
    c.send(sent)
    assert verdict(c) == expected


@pytest.mark.parametrize("state", [half_closed, cancelled, closed])
@pytest.mark.parametrize("sent", [
    frame(WINDOW, 0, 1, b"\0\0\0\x64"), frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"),
    frame(RST, 0, 1, CANCELLED)], ids=["window", "priority", "reset"])
def test_what_may_come_late(frames, state, sent):
    """generic 2/2 to 2/5."""
    c = frames()
    state(c)
    c.send(sent)
    pinged(c)
    answered(c, 3)


def test_what_was_under_way_to_a_stream_that_the_server_has_reset(frames):
    """Its client may not know yet (RFC 9113, 5.1)."""
    c = frames()
    c.send(headers(1, "/events/a", "POST", END_HEADERS, [("content-length", "1")]))
    c.send(frame(DATA, 0, 1, b"two"))
    assert c.reset(1) == PROTOCOL
    c.send(frame(DATA, 0, 1, b"more"))
    c.send(frame(HEADERS, ENDS, 1, encode_fields([("a", "trailer")])))
    answered(c, 3)
    c.send(frame(DATA, 0, 1, b"now it knows"))
    assert verdict(c) is not None


def test_streams_that_are_long_gone(frames):
    """Of the latest it is known how each ended; a stream that lives is never forgotten."""
    c = frames()
    c.send(headers(1, "/events/letter", "POST", END_HEADERS))
    for n in range(3, 3003, 2):
        c.send(headers(n, "/topics"))
        assert c.status(n) == 200
    c.send(frame(DATA, END_STREAM, 1, b"at last"))
    assert c.status(1) == 201
    pinged(c)
    c.send(headers(2501, "/topics"))
    assert verdict(c) == ("connection", STREAM_CLOSED)


@pytest.mark.parametrize("far", [5, 129, 2047, 2049, 4097, (1 << 31) - 1])
def test_identifiers_that_are_passed_over(frames, far):
    c = frames()
    answered(c, 1)
    answered(c, far)
    c.send(headers(far - 2, "/topics"))
    assert verdict(c) == ("connection", PROTOCOL)


def test_a_promised_stream_takes_nothing(frames, system):
    c = frames(settings={2: 1})
    c.send(headers(1, "/events/pushed?push=1"))
    assert c.status(1) == 200
    system.publish("pushed", "x")
    c.until(lambda: any(f[2] == 2 and f[0] == DATA and f[1] & END_STREAM for f in c.seen),
            "pushed event")
    c.send(frame(DATA, 0, 2, b"x"))
    assert verdict(c) == ("connection", STREAM_CLOSED)


# --- frames (RFC 9113, 4 to 6)

PRIO_ON_ONE = b"\0\0\0\x01\x10"  # depends on stream 1

@pytest.mark.parametrize("case, sent, expected", [
    ("4.2/2", headers(1, "/events/a", "POST", END_HEADERS) + frame(DATA, 1, 1, b"x" * 16385),
     ("connection", FRAME_SIZE)),
    ("4.2/3", frame(HEADERS, ENDS, 1, encode("/") + b"x" * 16385), ("connection", FRAME_SIZE)),
    ("4.3/1", frame(HEADERS, ENDS, 1, b"\x40"), ("connection", COMPRESSION)),
    ("4.3/2", frame(HEADERS, END_STREAM, 1, encode("/")) + frame(PRIORITY, 0, 1, bytes(5)),
     ("connection", PROTOCOL)),
    ("4.3/3", frame(HEADERS, END_STREAM, 1, encode("/")) + headers(3, "/"),
     ("connection", PROTOCOL)),
    ("5.3.1/1", frame(HEADERS, ENDS | PRIO, 1, PRIO_ON_ONE + encode("/topics")),
     ("connection", PROTOCOL)),
    ("5.3.1/2", frame(PRIORITY, 0, 1, PRIO_ON_ONE), ("connection", PROTOCOL)),
    ("5.3.1/2 exclusive", frame(PRIORITY, 0, 1, b"\x80\0\0\x01\x10"), ("connection", PROTOCOL)),
    ("5.3.1/2 open", headers(1, "/events/a") + frame(PRIORITY, 0, 1, PRIO_ON_ONE),
     ("connection", PROTOCOL)),
    ("5.4.1/1", frame(PING, 0, 3, b"8 bytes."), ("connection", PROTOCOL)),
    ("5.5/2", frame(HEADERS, END_STREAM, 1, encode("/")) + frame(0xff, 0, 0, b"8 bytes."),
     ("connection", PROTOCOL)),
    ("6.1/1", frame(DATA, END_STREAM, 0, b"x"), ("connection", PROTOCOL)),
    ("6.1/3", headers(1, "/events/a", "POST", END_HEADERS)
     + frame(DATA, END_STREAM | PADDED, 1, b"\x05x"), ("connection", PROTOCOL)),
    ("6.2/3", headers(0, "/topics"), ("connection", PROTOCOL)),
    ("6.2/4", frame(HEADERS, ENDS | PADDED, 1, b"\xff" + encode("/")), ("connection", PROTOCOL)),
    ("6.3/1", frame(PRIORITY, 0, 0, b"\0\0\0\0\x10"), ("connection", PROTOCOL)),
    ("6.3/2", headers(1, "/events/a") + frame(PRIORITY, 0, 1, b"\0\0\0\0"),
     ("connection", FRAME_SIZE)),
    ("6.3/2 long", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10\0"), ("connection", FRAME_SIZE)),
    ("6.4/1", frame(RST, 0, 0, CANCELLED), ("connection", PROTOCOL)),
    ("6.4/2", frame(RST, 0, 1, CANCELLED), ("connection", PROTOCOL)),
    ("6.4/3", headers(1, "/events/a") + frame(RST, 0, 1, b"\0\0\0"), ("connection", FRAME_SIZE)),
    ("6.5/1", frame(SETTINGS, ACK, 0, b"\0"), ("connection", FRAME_SIZE)),
    ("6.5/2", frame(SETTINGS, 0, 1, b"\0\x03\0\0\0\x64"), ("connection", PROTOCOL)),
    ("6.5/3", frame(SETTINGS, 0, 0, b"\0\x03\0"), ("connection", FRAME_SIZE)),
    ("6.5.2/1", frame(SETTINGS, 0, 0, b"\0\x02\0\0\0\x02"), ("connection", PROTOCOL)),
    ("6.5.2/2", frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0"), ("connection", FLOW_CONTROL)),
    ("6.5.2/3", frame(SETTINGS, 0, 0, b"\0\x05\0\0\x3f\xff"), ("connection", PROTOCOL)),
    ("6.5.2/4", frame(SETTINGS, 0, 0, b"\0\x05\x01\0\0\0"), ("connection", PROTOCOL)),
    ("6.7/3", frame(PING, 0, 1, b"8 bytes."), ("connection", PROTOCOL)),
    ("6.7/4", frame(PING, 0, 0, b"6byte"), ("connection", FRAME_SIZE)),
    ("6.8/1", frame(GOAWAY, 0, 1, bytes(8)), ("connection", PROTOCOL)),
    ("6.9/1", frame(WINDOW, 0, 0, bytes(4)), ("connection", PROTOCOL)),
    ("6.9/2", headers(1, "/events/a", "GET", ENDS) + frame(WINDOW, 0, 1, bytes(4)),
     ("connection", PROTOCOL)),
    ("6.9/3", frame(WINDOW, 0, 0, b"\0\0\x01"), ("connection", FRAME_SIZE)),
    ("6.9.1/2", frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2, ("connection", FLOW_CONTROL)),
    ("6.9.1/3", headers(1, "/events/a") + frame(WINDOW, 0, 1, b"\x7f\xff\xff\xff") * 2,
     ("stream", FLOW_CONTROL)),
    ("6.10/2", frame(HEADERS, END_STREAM, 1, encode("/")) + frame(DATA, 0, 1, b"x"),
     ("connection", PROTOCOL)),
    ("6.10/3", frame(HEADERS, END_STREAM, 1, encode("/"))
     + frame(CONTINUATION, END_HEADERS, 0, b""), ("connection", PROTOCOL)),
    ("6.10/4", headers(1, "/events/a") + frame(CONTINUATION, END_HEADERS, 1, b""),
     ("connection", PROTOCOL)),
    ("6.10/5", frame(HEADERS, END_STREAM, 1, encode("/events/a"))
     + frame(CONTINUATION, END_HEADERS, 1, b"") * 2, ("connection", PROTOCOL)),
    ("6.10/6", headers(1, "/events/a", "POST", END_HEADERS) + frame(DATA, 0, 1, b"x")
     + frame(CONTINUATION, END_HEADERS, 1, b""), ("connection", PROTOCOL)),
    ("8.1/1", headers(1, "/events/a", "POST", END_HEADERS)
     + frame(HEADERS, END_HEADERS, 1, encode_fields([("a", "b")])), ("stream", PROTOCOL)),
    ("8.2/1", frame(PUSH, END_HEADERS, 1, b"\0\0\0\x02" + encode("/")),
     ("connection", PROTOCOL)),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_frame_that_is_wrong(frames, case, sent, expected):
    c = frames()
    c.send(sent)
    assert verdict(c) == expected


@pytest.mark.parametrize("case, sent", [
    ("2/1", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
    ("3.3/1", frame(PRIORITY, 0, 1, b"\0\0\0\0\0")),
    ("3.3/2", frame(PRIORITY, 0, 1, b"\0\0\0\0\xff")),
    ("3.3/3", frame(PRIORITY, 0, 3, PRIO_ON_ONE)),
    ("3.3/4", frame(PRIORITY, 0, 3, b"\x80\0\0\x01\x10")),
    ("3.3/5", frame(PRIORITY, 0, 99, PRIO_ON_ONE)),
    ("4.1/1", frame(0xff, 0, 0, b"8 bytes.")),
    ("4.1/2", frame(PING, 0xf6, 0, b"undefine")),
    ("4.1/3", b"\0\0\x08\x06\0\x80\0\0\0reserved"),
    ("5.5/1", frame(0xff, 0xff, 0, b"x" * 1000)),
    ("6.5.2/5", frame(SETTINGS, 0, 0, b"\0\xff\0\0\0\x01")),
    ("6.7/2", frame(PING, ACK, 0, b"unasked.")),
    ("6.9.2/1", frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x01")
     + frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff")),
    ("9218", frame(16, 0, 0, b"\0\0\0\x01u=0")),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_frame_that_is_fine(frames, case, sent):
    c = frames()
    c.send(sent)
    pinged(c)
    answered(c, 1)


@pytest.mark.parametrize("case, sent", [
    ("3.2/3", frame(HEADERS, ENDS | PRIO, 1, b"\0\0\0\0\x0f" + encode("/topics"))),
    ("3.2/pad", frame(HEADERS, ENDS | PADDED, 1, b"\x03" + encode("/topics") + bytes(3))),
    ("6.10/1", frame(HEADERS, END_STREAM, 1, b"") + frame(CONTINUATION, 0, 1, encode("/topics"))
     + frame(CONTINUATION, END_HEADERS, 1, encode_fields([("a", "b")]))),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_head_that_is_fine(frames, case, sent):
    c = frames()
    c.send(sent)
    assert c.status(1) == 200


def test_frames_in_pieces(frames):
    """Each byte on its own."""
    c = frames()
    for b in frame(PRIORITY, 0, 1, b"\0\0\0\0\x10") + headers(1, "/topics"):
        c.send(bytes([b]))
    assert c.status(1) == 200
    for b in frame(PRIORITY, 0, 5, b"\0\0\0\x05\x10"):
        c.send(bytes([b]))
    assert verdict(c) == ("connection", PROTOCOL)


def test_goaway_and_resets_with_errors_that_nobody_knows(frames):
    """7/1, 7/2."""
    c = frames()
    c.send(headers(1, "/events/a"))
    assert c.status(1) == 200
    c.send(frame(RST, 0, 1, b"\0\0\0\xff"))
    pinged(c)
    c.send(frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\xff"))
    assert c.goaway() in (None, NO_ERROR)


def test_a_preface_that_is_wrong(system):
    """3.5/2."""
    with system.raw("h2") as c:
        c.send(b"INVALID CONNECTION PREFACE\r\n\r\n")
        assert c.rest().startswith(b"HTTP/1.1 505 ")


def test_settings_come_first(system):
    """3.5/1, and what must follow the preface."""
    with system.raw("h2") as c:
        c.send(PREFACE + frame(PING, 0, 0, b"8 bytes."))
        said = c.rest()
        assert said[3] == SETTINGS
        assert PROTOCOL.to_bytes(4, "big") in said[said.index(b"\x07\0\0\0\0\0"):]


# --- windows (6.9.1, 6.9.2)

def sizes(c, stream):
    return [len(f[3]) for f in c.seen if f[0] == DATA and f[2] == stream]


def test_windows_of_one_byte(frames):
    """6.9.1/1, 6.9.2/1."""
    c = frames(settings={4: 0})
    c.send(headers(1, "/nothing"))
    assert c.status(1) == 404
    pinged(c)
    assert sizes(c, 1) == []
    c.send(frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x01"))
    c.until(lambda: sizes(c, 1), "a byte")
    pinged(c, b"again...")
    assert sizes(c, 1) == [1]


def test_a_window_below_nothing(frames):
    """6.9.2/2."""
    c = frames(settings={4: 3})
    c.send(headers(1, "/nothing"))
    c.until(lambda: sizes(c, 1), "3 bytes")
    c.send(frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x02") + frame(WINDOW, 0, 1, b"\0\0\0\x02"))
    c.until(lambda: len(sizes(c, 1)) > 1, "a byte more")
    assert sizes(c, 1) == [3, 1]


# --- requests (8)

GET = [(":method", "GET"), (":scheme", "http"), (":path", "/topics"), (":authority", "x")]


def without(name):
    return [f for f in GET if f[0] != name]


@pytest.mark.parametrize("case, fields", [
    ("8.1.2/1", [*GET, ("X-Test", "ok")]),
    ("8.1.2.1/1", [*GET, (":test", "ok")]),
    ("8.1.2.1/2", [*GET, (":status", "200")]),
    ("8.1.2.1/4", [GET[0], ("x", "y"), *GET[1:]]),
    ("8.1.2.2/1", [*GET, ("connection", "keep-alive")]),
    ("8.1.2.2/keep-alive", [*GET, ("keep-alive", "1")]),
    ("8.1.2.2/proxy-connection", [*GET, ("proxy-connection", "close")]),
    ("8.1.2.2/upgrade", [*GET, ("upgrade", "websocket")]),
    ("8.1.2.2/transfer-encoding", [*GET, ("transfer-encoding", "chunked")]),
    ("8.1.2.2/2", [*GET, ("te", "trailers, deflate;q=0.5")]),
    ("8.1.2.3/1", [*without(":path"), (":path", "")]),
    ("8.1.2.3/2", without(":method")),
    ("8.1.2.3/3", without(":scheme")),
    ("8.1.2.3/4", without(":path")),
    ("8.1.2.3/5", [*GET, (":method", "GET")]),
    ("8.1.2.3/6", [*GET, (":scheme", "http")]),
    ("8.1.2.3/7", [*GET, (":path", "/topics")]),
    ("8.1.2.3/authority", [*GET, (":authority", "x")]),
    ("neither", without(":authority")),
    ("userinfo", [*without(":authority"), (":authority", "u@x")]),
    ("userinfo: password", [*without(":authority"), (":authority", "u:p@x:80")]),
    ("userinfo: none", [*without(":authority"), (":authority", "@x")]),
    ("a port that is none", [*without(":authority"), (":authority", "x:y")]),
    ("two ports", [*without(":authority"), (":authority", "x:80:80")]),
    ("a bracket left open", [*without(":authority"), (":authority", "[::1")]),
    ("two names", [*without(":authority"), (":authority", "x,y")]),
    ("a name that is none in host", [*without(":authority"), ("host", "x:y")]),
    ("userinfo in host", [*without(":authority"), ("host", "u@x")]),
    ("host differs", [*GET, ("host", "y")]),
    ("host differs: longer", [*GET, ("host", "xx")]),
    ("host differs: port", [*GET, ("host", "x:81")]),
    ("host differs: port of https", [*GET, ("host", "x:443")]),
    ("host: empty", [*GET, ("host", "")]),
    ("two hosts", [*GET, ("host", "x"), ("host", "x")]),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_malformed_request(frames, case, fields):
    c = frames()
    c.send(frame(HEADERS, ENDS, 1, encode_fields(fields)))
    assert verdict(c) == ("stream", PROTOCOL)
    answered(c, 3)


@pytest.mark.parametrize("authority, host", [
    ("x", "x"), ("Xy", "xY"), ("x:80", "x"), ("x", "x:80"), ("x:", "x"),
    ("[::1]:8084", "[::1]:8084"), ("[::1]", "[::1]:80"), (None, "x"), ("x", None)])
def test_a_host_that_is_the_authority(frames, authority, host):
    c = frames()
    fields = without(":authority")
    fields += [(":authority", authority)] if authority else []
    fields += [("host", host)] if host else []
    c.send(frame(HEADERS, ENDS, 1, encode_fields(fields)))
    assert c.status(1) == 200


def test_a_malformed_head_with_a_body(frames):
    """What comes behind it was under way."""
    c = frames()
    c.send(frame(HEADERS, END_HEADERS, 1, encode_fields(
        [(":method", "POST"), (":scheme", "http"), (":path", "/events/never"),
         (":authority", "a@b")])) + frame(DATA, END_STREAM, 1, b"x"))
    assert verdict(c) == ("stream", PROTOCOL)
    pinged(c)
    c.send(headers(3, "/topics?filter=never"))
    assert c.status(3) == 200 and not any(f[0] == GOAWAY for f in c.seen)


def test_malformed_requests_are_counted_like_others(frames):
    c = frames()
    bad = encode_fields([*without(":authority"), (":authority", "a@b")])
    for n in range(1, 3001, 2):
        c.send(frame(HEADERS, ENDS, n, bad))
    assert c.goaway() == CALM


@pytest.mark.parametrize("case, body", [
    ("8.1.2.6/1", frame(DATA, END_STREAM, 1, b"test")),
    ("8.1.2.6/2", frame(DATA, 0, 1, b"test") + frame(DATA, END_STREAM, 1, b"test")),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_length_that_is_not_the_bodys(frames, case, body):
    c = frames()
    c.send(headers(1, "/events/a", "POST", END_HEADERS, [("content-length", "1")]) + body)
    assert verdict(c) == ("stream", PROTOCOL)


@pytest.mark.parametrize("trailers, wrong", [
    ([(":method", "POST")], True), ([("connection", "close")], True), ([("x", "y")], False)])
def test_trailers(frames, trailers, wrong):
    """8.1.2.1/3, generic 4/4."""
    c = frames()
    c.send(headers(1, "/events/trailers", "POST", END_HEADERS) + frame(DATA, 0, 1, b"test")
           + frame(HEADERS, ENDS, 1, encode_fields(trailers)))
    if wrong:
        assert verdict(c) == ("stream", PROTOCOL)
    else:
        assert c.status(1) == 201


# --- HPACK (RFC 7541)

@pytest.mark.parametrize("case, block", [
    ("2.3.3/1", encode("/topics") + b"\xff\x46"),
    ("4.2/1", encode("/topics") + b"\x3f\xe1\x1f"),
    ("5.2/1", encode("/topics") + b"\x00\x01x" + b"\x84\xff\xff\xff\xff"),
    ("5.2/2", encode("/topics") + b"\x00\x01x" + b"\x82\x1c\x64\x00"[:3] + b"\x00"),
    ("5.2/3", encode("/topics") + b"\x00\x01x" + b"\x84\x3f\xff\xff\xff"),
    ("6.1/1", encode("/topics") + b"\x80"),
    ("6.3/1", b"\x3f\xe2\x1f" + encode("/topics")),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_block_that_cannot_be_read(frames, case, block):
    c = frames()
    c.send(frame(HEADERS, ENDS, 1, block))
    assert verdict(c) == ("connection", COMPRESSION)


@pytest.mark.parametrize("case, block", [
    ("generic 5/static", b"\x82\x86\x41\x01x\x44\x07/topics"),
    ("generic 5/huffman", b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
    ("generic 5/never indexed", encode("/topics") + b"\x10\x01x\x01y"),
    ("generic 5/smaller table", b"\x20" + encode("/topics")),
    ("generic 5/two sizes", b"\x20\x3f\x61" + encode("/topics")),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_block_that_is_fine(frames, case, block):
    c = frames()
    c.send(frame(HEADERS, ENDS, 1, block))
    assert c.status(1) in (200, 403, 404)  # that of Huffman names another host
