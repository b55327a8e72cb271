"""What bad HTTP gets: one answer, a problem that says why, and a closed connection."""

import json
import os
import random
import time

import pytest
from sluicelib import wait_for

HOST = b"Host: h\r\n"
POST = b"POST /events/a HTTP/1.1\r\n" + HOST


def only_answer(sluice, data):
    """The one answer to data; the server must close after it."""
    with sluice.raw() as c:
        c.send(data)
        answer = c.answer()
        assert c.rest() == b"", "more than one answer"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status and problem["type"] == "about:blank"
    assert problem["title"] and problem["code"] and problem["detail"]
    return answer


MALFORMED = {
    "bare LF": b"GET /topics HTTP/1.1\nHost: h\n\n",
    "bare LF in a header": b"GET /topics HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    "obs-fold": b"GET /topics HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    "space before the colon": b"GET /topics HTTP/1.1\r\nHost : h\r\n\r\n",
    "no Host": b"GET /topics HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /topics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "two different lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a list of lengths": POST + b"Content-Length: 1, 1\r\n\r\nx",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a signed length": POST + b"Content-Length: +1\r\n\r\nx",
    "a hexadecimal length": POST + b"Content-Length: 0x1\r\n\r\nx",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "length and coding": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding in 1.0": b"POST /events/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no version": b"GET /topics\r\n\r\n",
    "a space more": b"GET  /topics HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in a header": b"GET /topics HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "a control character in the target": b"GET /to\x01pics HTTP/1.1\r\n" + HOST + b"\r\n",
    "a TLS hello": bytes.fromhex("16030100f1010000ed0303") + b"\0" * 60,
    "garbage": b"\xde\xad\xbe\xef\r\n\r\n",
    "the star, not for OPTIONS": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_is_400_and_close(sluice, data):
    assert only_answer(sluice, data).status == 400


CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = {
    "no size": b"\r\n",
    "a size that is no number": b"x\r\n",
    "a size with a prefix": b"0x1\r\na\r\n0\r\n\r\n",
    "a signed size": b"+1\r\na\r\n0\r\n\r\n",
    "a size with a blank before": b" 1\r\na\r\n0\r\n\r\n",
    "a bare LF after the size": b"1\na\r\n0\r\n\r\n",
    "data longer than its size": b"1\r\nab\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"fffffffffffffffff\r\n",
    "an endless extension": b"1;" + b"x" * 20000 + b"\r\na\r\n0\r\n\r\n",
    "an endless trailer": b"0\r\n" + b"X: y\r\n" * 4000 + b"\r\n",
}


@pytest.mark.parametrize("data", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_malformed_chunks_are_400_and_close(sluice, data):
    assert only_answer(sluice, CHUNKS + data).status == 400


def test_the_bytes_after_a_malformed_request_are_not_another_one(sluice):
    smuggled = POST + b"Content-Length: 1\r\n\r\nx"
    only_answer(sluice, POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + smuggled)
    assert sluice.history("a", after=0)["events"] == []


def test_other_errors_have_their_own_status(sluice):
    def status(data):
        return only_answer(sluice, data).status

    assert status(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n") == 501
    assert status(b"GET /topics HTTP/2.0\r\n" + HOST + b"\r\n") == 505
    assert status(b"GET /" + b"x" * 10000 + b" HTTP/1.1\r\n" + HOST + b"\r\n") == 414
    assert status(b"GET /topics HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 17000 + b"\r\n\r\n") == 431
    assert status(b"GET /topics HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 70 + b"\r\n") == 431
    assert status(POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n") == 417


def test_a_body_over_the_limit_is_refused_before_it_is_read(sluice):
    answer = only_answer(sluice, POST + b"Content-Length: 1048577\r\n\r\n")
    assert answer.status == 413 and answer.json()["field"] == "Content-Length"


def test_chunks_over_the_limit_are_refused(new_sluice):
    s = new_sluice("[limits]\nmax_payload = 1k\n")
    assert only_answer(s, CHUNKS + b"800\r\n" + b"x" * 2048 + b"\r\n0\r\n\r\n").status == 413


def test_the_error_reaches_a_client_that_is_still_sending(sluice):
    """A reset must not destroy the answer: the server reads on for a while."""
    with sluice.raw() as c:
        c.send(POST + b"Content-Length: 3000000\r\n\r\n")
        c.send(b"x" * 3000000)
        assert c.answer().status == 413


def test_a_get_with_a_body_is_refused(sluice):
    data = b"GET /topics HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    assert only_answer(sluice, data).status == 413


@pytest.mark.parametrize("method,path,allow", [
    ("PUT", "/events/a", "GET, HEAD, POST, OPTIONS"),
    ("PATCH", "/events", "GET, HEAD, POST, OPTIONS"),
    ("POST", "/history/a", "GET, HEAD, DELETE, OPTIONS"),
    ("DELETE", "/topics", "GET, HEAD, OPTIONS"),
])
def test_a_method_for_other_paths_is_405_with_allow(sluice, method, path, allow):
    r = sluice.request(method, path)
    assert r.status_code == 405 and r.headers["Allow"] == allow
    assert r.json()["code"] == "method_not_allowed"


def test_options_says_what_is_allowed(sluice):
    r = sluice.request("OPTIONS", "/history/a")
    assert r.status_code == 204 and r.headers["Allow"] == "GET, HEAD, DELETE, OPTIONS"


@pytest.mark.parametrize("path", ["/", "/nope", "/eventsx", "/Events/a", "//events/a"])
def test_an_unknown_path_is_404(sluice, path):
    with sluice.raw() as c:
        c.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert c.answer().status == 404


def test_dot_segments_are_levels_of_a_topic(sluice):
    with sluice.raw() as c:
        c.send(b"POST /events/../x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        assert c.answer().json()["topic"] == "../x"


def test_a_problem_keeps_the_connection(sluice):
    with sluice.raw() as c:
        for _ in range(3):
            c.send(b"GET /nope HTTP/1.1\r\n" + HOST + b"\r\n")
            assert c.answer().status == 404


# --- time

def test_a_slow_head_is_408(new_sluice):
    s = new_sluice("[limits]\nheader_timeout = 500ms\n")
    with s.raw() as c:
        c.send(b"GET /topics HTTP/1.1\r\nHos")
        answer = c.answer()
        assert answer.status == 408 and c.rest() == b""


def test_a_head_that_drips_is_408_all_the_same(new_sluice):
    s = new_sluice("[limits]\nheader_timeout = 1s\n")
    with s.raw() as c:
        c.socket.settimeout(0.05)
        data = iter(b"GET /topics HTTP/1.1\r\n" + b"X: y\r\n" * 1000)

        def dripped():
            try:
                c.send(bytes([next(data)]))
                return c.more() and b"408" in c.buffer
            except TimeoutError:
                return False

        wait_for(dripped, "408 to a dripping head")


def test_a_slow_body_is_408(new_sluice):
    s = new_sluice("[limits]\nbody_timeout = 500ms\n")
    with s.raw() as c:
        c.send(POST + b"Content-Length: 10\r\n\r\nabc")
        assert c.answer().status == 408 and c.rest() == b""


def test_a_silent_client_is_closed_without_a_word(new_sluice):
    s = new_sluice("[limits]\nheader_timeout = 300ms\n")
    with s.raw() as c:
        assert c.rest() == b""


def test_an_idle_kept_connection_is_closed(new_sluice):
    s = new_sluice("[limits]\nidle_timeout = 300ms\n")
    with s.raw() as c:
        c.send(b"GET /topics HTTP/1.1\r\n" + HOST + b"\r\n")
        assert c.answer().status == 200
        assert c.rest() == b""


# --- requests in pieces, and requests that are fine

def test_a_request_byte_by_byte(sluice):
    with sluice.raw() as c:
        c.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        for byte in POST + b"Content-Length: 5\r\n\r\nhello":
            c.send(bytes([byte]))
        assert c.answer().status == 201


def test_a_chunked_request_byte_by_byte(sluice):
    with sluice.raw() as c:
        c.socket.setsockopt(6, 1, 1)
        for byte in CHUNKS + b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: r\r\n\r\n":
            c.send(bytes([byte]))
        assert c.answer().status == 201
    assert sluice.history("a", after=0)["events"][0]["data"] == "hello!"


def test_expect_continue(sluice):
    with sluice.raw() as c:
        c.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert c.head()[0] == 100
        c.send(b"hello")
        assert c.answer().status == 201


def test_http_1_0_is_closed_unless_it_asks(sluice):
    with sluice.raw() as c:
        c.send(b"GET /topics HTTP/1.0\r\n\r\n")
        answer = c.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert c.rest() == b""
    with sluice.raw() as c:
        c.send(b"GET /topics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        assert [c.answer().headers["connection"] for _ in range(2)] == ["keep-alive"] * 2


def test_connection_close_is_honoured(sluice):
    with sluice.raw() as c:
        c.send(b"GET /topics HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert c.answer().headers["connection"] == "close" and c.rest() == b""


def test_head_has_no_body(sluice):
    with sluice.raw() as c:
        c.send(b"HEAD /topics HTTP/1.1\r\n" + HOST + b"\r\nGET /topics HTTP/1.1\r\n" + HOST + b"\r\n")
        status, headers = c.head()
        assert status == 200 and int(headers["content-length"]) > 0
        assert c.answer().json()["topics"] == []


def test_malformed_requests_are_counted(sluice):
    only_answer(sluice, MALFORMED["bare LF"])
    assert sluice.metrics()["sluice_http_malformed_total"] == 1


def test_noise_breaks_nothing(sluice):
    """Random bytes, and requests with random damage, on many connections."""
    rng = random.Random(int(os.environ.get("SEED", "7")))
    good = POST + b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with sluice.raw() as c:
            c.send(bytes(data)).half_close()
            c.rest()
    assert sluice.sse.running() and sluice.post("b", "x").status_code == 201


def test_many_slow_heads_hold_up_nobody(sluice):
    slow = [sluice.raw().send(b"GET /topics HTTP/1.1\r\nHost: ") for _ in range(200)]
    begin = time.monotonic()
    assert json.loads(sluice.request("GET", "/topics").text) == {"topics": []}
    assert time.monotonic() - begin < 5
    for c in slow:
        c.close()
