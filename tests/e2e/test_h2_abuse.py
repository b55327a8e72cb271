"""HTTP/2 clients that break the protocol, or keep to it in order to do harm: each is
told why in a GOAWAY or RST_STREAM, costs little, and harms nobody else."""

import h2lib
import pytest
from h2lib import frame, headers, PREFACE
from sluicelib import wait_for

(NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE, REFUSED,
 CANCEL, COMPRESSION, CONNECT, CALM) = range(12)
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4


@pytest.fixture
def new_h2(new_sluice):
    """new_h2(config): a system with an HTTP/2 gateway; h2.frames() speaks in frames."""
    made = []

    def make(config=""):
        s = new_sluice(config, gateways=("sse", "h2"))

        def frames(**kw):
            made.append(h2lib.Frames(s.port("h2"), **kw))
            return made[-1]

        s.frames = frames
        return s

    yield make
    for c in made:
        c.close()


@pytest.fixture
def h2(new_h2):
    return new_h2()


def is_well(h2):
    """Others are served, and nothing is left of whoever was thrown out."""
    with h2lib.Connection(h2.port("h2")) as c:
        assert c.publish("well", "yes")
    wait_for(lambda: h2.metrics("h2")["sluice_http2_streams"] == 0, "no stream")
    wait_for(lambda: h2.metrics("h2")["sluice_connections"] == 0, "no connection")
    assert h2.metrics("h2")["sluice_subscriptions"] == 0


def calmed(h2, c):
    """It ends with ENHANCE_YOUR_CALM, and is counted."""
    assert c.goaway() == CALM
    assert h2.metrics("h2")["sluice_http2_calmed_total"] == 1
    assert h2.metrics("h2")["sluice_http2_errors_total"] == 1
    c.close()
    is_well(h2)


# --- what serves nothing

def test_rapid_reset(h2):
    c = h2.frames()
    for n in range(3000):
        c.send(headers(2 * n + 1, "/events/a") + frame(RST, 0, 2 * n + 1, b"\0\0\0\x08"))
    calmed(h2, c)


def test_resets_of_a_usual_number_are_fine(h2):
    with h2lib.Connection(h2.port("h2")) as c:
        for _ in range(3):
            streams = [c.stream("a") for _ in range(100)]
            for s in streams:
                s.started()
            for s in streams:
                s.close()
        c.publish("a", "still here")
    assert h2.metrics("h2")["sluice_http2_resets_total"] == 300


@pytest.mark.parametrize("flood", [
    frame(PING, 0, 0, b"flooding"),
    frame(SETTINGS, 0, 0, b""),
    frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"),
    frame(WINDOW, 0, 0, b"\0\0\0\x01"),
], ids=["ping", "settings", "priority", "window"])
def test_a_flood(h2, flood):
    c = h2.frames()
    c.send(flood * 3000)
    calmed(h2, c)


def test_empty_data(h2):
    c = h2.frames()
    c.send(headers(1, "/events/a", "POST", END_HEADERS) + frame(DATA, 0, 1, b"") * 3000)
    calmed(h2, c)


def test_windows_opened_byte_by_byte(h2):
    h2.publish("a", "x" * 100000)
    c = h2.frames(settings={4: 0})
    c.send(headers(1, "/events/a?after=0"))
    for _ in range(3000):
        c.send(frame(WINDOW, 0, 1, b"\0\0\0\x01"))
    calmed(h2, c)


def test_refused_requests(h2):
    c = h2.frames()
    for n in range(1000):
        c.send(headers(2 * n + 1, "/topics", more=[("Upper", "case")]))
    calmed(h2, c)


def test_a_client_that_reads_no_acknowledgements(h2):
    c = h2.frames()
    c.send_all(frame(PING, 0, 0, b"flooding") * 100000)
    calmed(h2, c)


# --- heads

def test_continuation_flood(h2):
    c = h2.frames()
    c.send(frame(HEADERS, END_STREAM, 1, h2lib.encode("/topics")))
    c.send_all(frame(CONTINUATION, 0, 1, b"") * 10000)
    calmed(h2, c)


def test_hpack_bomb(h2):
    """A field of 4 kB enters the table once, and is named 16,000 times by one byte each."""
    before = h2.processes["h2"].memory()
    c = h2.frames()
    block = h2lib.encode("/topics") + b"\x40\x01x" + b"\x7f\xa1\x1e" + b"y" * 4000
    c.send(frame(HEADERS, END_STREAM, 1, block))
    c.send(frame(CONTINUATION, END_HEADERS, 1, b"\xbe" * 12000))
    assert c.goaway() == CALM
    assert h2.processes["h2"].memory() - before < 8 << 20
    c.close()
    is_well(h2)


def test_a_broken_header_block(h2):
    c = h2.frames()
    c.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"))
    assert c.goaway() == COMPRESSION


@pytest.mark.parametrize("fields", [
    [(":method", "GET"), (":scheme", "http"), (":authority", "x")],
    [(":method", "GET"), (":method", "GET"), (":scheme", "http"), (":path", "/")],
    [(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "x")],
    [(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/"), (":authority", "x")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":status", "200")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x"),
     ("connection", "close")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x"),
     ("transfer-encoding", "chunked")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x"),
     ("Upper", "case")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x"),
     ("x", "a\nb")],
], ids=["no path", "two methods", "empty path", "pseudo behind", "status", "connection",
        "transfer-encoding", "upper case", "newline"])
def test_a_malformed_request(h2, fields):
    c = h2.frames()
    c.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, h2lib.encode_fields(fields)))
    assert c.reset(1) == PROTOCOL
    c.send(headers(3, "/topics"))
    assert c.status(3) == 200


@pytest.mark.parametrize("path", ["topics", "//x y", "/a\"b"])
def test_a_path_that_is_none(h2, path):
    c = h2.frames()
    c.send(headers(1, path))
    assert c.first(1) in ((HEADERS, 400), (RST, PROTOCOL))


def test_a_body_that_is_not_as_long_as_it_says(h2):
    c = h2.frames()
    c.send(headers(1, "/events/a", "POST", END_HEADERS, [("content-length", "5")]))
    c.send(frame(DATA, END_STREAM, 1, b"four"))
    assert c.reset(1) == PROTOCOL


def test_plain_connect(h2):
    c = h2.frames()
    c.send(frame(HEADERS, END_HEADERS, 1, h2lib.encode_fields(
        [(":method", "CONNECT"), (":authority", "x:1")])))
    assert c.status(1) == 501


# --- frames

@pytest.mark.parametrize("bad, error", [
    (frame(DATA, 0, 1, b"x"), PROTOCOL),
    (frame(HEADERS, END_HEADERS, 2, h2lib.encode("/topics")), PROTOCOL),
    (frame(WINDOW, 0, 0, b"\0\0\0\0"), PROTOCOL),
    (frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"), FLOW_CONTROL),
    (frame(SETTINGS, 0, 0, b"\0\x04\xff\xff\xff\xff"), FLOW_CONTROL),
    (frame(SETTINGS, 0, 0, b"\0\x05\0\0\0\0"), PROTOCOL),
    (frame(SETTINGS, 0, 0, b"\0\x04\0"), FRAME_SIZE),
    (frame(SETTINGS, 0, 1, b""), PROTOCOL),
    (frame(PING, 0, 0, b"short"), FRAME_SIZE),
    (frame(RST, 0, 1, b"\0\0\0\x08"), PROTOCOL),
    (frame(PUSH, 0, 1, b"\0\0\0\x02"), PROTOCOL),
    (frame(CONTINUATION, 0, 1, b""), PROTOCOL),
    (b"\xff\xff\xff" + b"\0\0\0\0\0\x01", FRAME_SIZE),
    (frame(SETTINGS, 0, 0, b"\0\x03\0\0\0\x01" * 100), CALM),
], ids=["data on idle", "even stream", "empty window", "window too large", "initial window",
        "frame size", "half a setting", "settings on stream", "short ping", "reset of idle",
        "push", "continuation", "huge frame", "many settings"])
def test_a_frame_that_may_not_be(h2, bad, error):
    c = h2.frames()
    c.send(bad)
    assert c.goaway() == error
    c.close()
    is_well(h2)


def test_a_streams_window_that_is_too_large(h2):
    c = h2.frames()
    c.send(headers(1, "/events/a") + frame(WINDOW, 0, 1, b"\x7f\xff\xff\xff"))
    assert c.reset(1) == FLOW_CONTROL


def test_more_than_the_window_allows(new_h2):
    h2 = new_h2("[h2]\nwindow = 16k\n")
    c = h2.frames()
    c.settled()
    c.send(headers(1, "/nothing", "POST", END_HEADERS))
    c.send_all(frame(DATA, 0, 1, b"x" * 16384) * 3)
    assert c.reset(1) == FLOW_CONTROL


# --- limits

def test_more_streams_than_allowed(new_h2):
    h2 = new_h2("[h2]\nmax_streams = 3\n")
    c = h2.frames()
    for n in range(4):
        c.send(headers(2 * n + 1, "/events/a"))
    assert c.reset(7) == REFUSED
    assert [c.status(s) for s in (1, 3, 5)] == [200] * 3
    c.settled()
    c.send(headers(9, "/events/a"))
    assert c.goaway() == PROTOCOL


def test_more_streams_than_the_process_allows(new_h2):
    h2 = new_h2("[h2]\nmax_streams_total = 3\n")
    one, two = h2.frames(), h2.frames()
    for s in (1, 3):
        one.send(headers(s, "/events/a"))
        assert one.status(s) == 200
        two.send(headers(s, "/events/a"))
    assert two.status(1) == 200 and two.reset(3) == REFUSED
    assert h2.metrics("h2")["sluice_http2_streams_refused_total"] == 1
    one.send(frame(RST, 0, 1, b"\0\0\0\x08"))
    wait_for(lambda: h2.metrics("h2")["sluice_http2_streams"] == 2, "2 streams")
    two.send(headers(5, "/events/a"))
    assert two.status(5) == 200


def test_a_head_that_does_not_end(new_h2):
    h2 = new_h2("[limits]\nheader_timeout = 300ms\n")
    c = h2.frames()
    c.send(frame(HEADERS, END_STREAM, 1, h2lib.encode("/topics")))
    assert c.reset(1) == CALM


def test_a_preface_that_does_not_end(new_h2):
    h2 = new_h2("[limits]\nheader_timeout = 300ms\n")
    with h2.raw("h2") as c:
        c.send(PREFACE[:10])
        assert c.rest() == b""


def test_a_body_that_does_not_end(new_h2):
    h2 = new_h2("[limits]\nbody_timeout = 300ms\n")
    c = h2.frames()
    c.send(headers(1, "/events/a", "POST", END_HEADERS) + frame(DATA, 0, 1, b"half"))
    assert c.status(1) == 408


def test_an_answer_that_is_not_taken(new_h2):
    h2 = new_h2("[limits]\nidle_timeout = 500ms\n")
    h2.fill("a", 100)
    c = h2.frames(settings={4: 10})
    c.send(headers(1, "/history/a?after=0"))
    assert c.status(1) == 200
    assert c.reset(1) == CANCEL


def test_bodies_of_all_together_are_bounded(new_h2):
    h2 = new_h2("[limits]\npublish_queue = 1k\nmax_payload = 100k\nmax_body = 100k\n")
    one, two = h2.frames(), h2.frames()
    part = frame(DATA, 0, 1, b"x" * 16000)
    one.send(headers(1, "/events/a", "POST", END_HEADERS) + part * 4)
    one.pinged()
    two.send(headers(1, "/events/a", "POST", END_HEADERS) + part * 4)
    assert two.status(1) == 503
    one.send(frame(DATA, END_STREAM, 1, b"end"))
    assert one.status(1) == 201


def test_half_written_events_of_streams_are_bounded(new_h2):
    """Windows that close in the middle of large events: when those leave the ring, the
    streams that stood still longest are cut."""
    h2 = new_h2("[limits]\nring = 256k\nring_pinned = 500k\npage_cache = 256k\n")
    c = h2.frames(settings={4: 1000})
    for n in range(20):
        c.send(headers(2 * n + 1, "/events/a"))
        assert c.status(2 * n + 1) == 200
    h2.publish("a", "x" * 50000)
    wait_for(lambda: h2.metrics("h2")["sluice_deliveries_total"] >= 20, "all have begun")
    h2.fill("b", 100, payload=lambda n: "y" * 10000)
    h2.fill("a", 100, payload=lambda n: "y" * 10000)
    h2.wait_metric("sluice_stalled_closed_total", 1, "h2")
    assert c.first(0, RST) == (RST, CALM)


def test_garbage(h2):
    for n in range(50):
        c = h2.frames()
        c.send_all(bytes((n * 31 + i * i) % 256 for i in range(2000)))
        assert c.goaway() is not None or c.ended
        c.close()
    is_well(h2)
