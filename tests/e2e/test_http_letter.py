"""HTTP/1.1 to the letter, where clients and suites look."""

import pytest

UPGRADE = (b"GET /events/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
           b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")


def ask(sluice, data, gateway="sse"):
    with sluice.raw(gateway) as c:
        c.send(data)
        return c.answer()


@pytest.mark.parametrize("host", ["a:b", "a:1:2", "[::1", "[::1]x", "::1", "a:99999", "[]", ":80",
                                  "[1.2.3.4]", "a]", "u@a", "a%zz"])
def test_a_host_that_is_none(sluice, host):
    assert ask(sluice, f"GET /topics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).status == 400


@pytest.mark.parametrize("host", ["", "a:", "a:80", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]:1", "a_b"])
def test_a_host_that_is_one(sluice, host):
    assert ask(sluice, f"GET /topics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).status == 200


def test_a_method_that_nobody_knows(sluice):
    for method, status in [("FROB", 501), ("get", 501), ("PROPFIND", 501), ("PUT", 405),
                           ("TRACE", 405)]:
        r = ask(sluice, f"{method} /topics HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert r.status == status, method


def test_a_path_is_compared_decoded(sluice):
    sluice.publish("a", "x")
    for path, status in [("/%74opics", 200), ("/%74%6fpics", 200), ("/%74%6Fpics?limit=1", 200),
                         ("/topics%2F", 404), ("/history%2Fa", 404), ("/%68istory/%61", 200),
                         ("/%zz", 404)]:
        r = ask(sluice, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert r.status == status, path


def test_an_expectation_of_http_1_0_is_passed_over(sluice):
    for expect in (b"100-continue", b"miracles"):
        head = b"POST /events/a HTTP/1.0\r\nExpect: " + expect + b"\r\nContent-Length: 1\r\n\r\nx"
        assert ask(sluice, head).status == 201
    head = b"POST /events/a HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\nx"
    assert ask(sluice, head).status == 417


def test_100_comes_before_101(new_sluice):
    s = new_sluice(gateways=("sse", "ws"))
    with s.raw("ws") as c:
        c.send(UPGRADE + b"Expect: 100-continue\r\n\r\n")
        assert c.head()[0] == 100
        assert c.line() == b"HTTP/1.1 101 Switching Protocols\r\n"
    with s.raw("ws") as c:
        c.send(UPGRADE + b"\r\n")
        assert c.head()[0] == 101


@pytest.mark.parametrize("codings, status", [
    (["chunked"], 201), (["chunked", "chunked"], 400), (["chunked, chunked"], 400), (["gzip", "chunked"], 501),
    (["gzip, chunked"], 501), (["chunked", "identity"], 501)])
def test_lines_of_transfer_codings_are_one_list(sluice, codings, status):
    head = b"".join(f"Transfer-Encoding: {c}\r\n".encode() for c in codings)
    assert ask(sluice, b"POST /events/a HTTP/1.1\r\nHost: h\r\n" + head +
               b"\r\n1\r\nx\r\n0\r\n\r\n").status == status


@pytest.mark.parametrize("size, status", [(b"1;a=b", 201), (b"1 ;a=b", 400), (b"1; a=b", 400),
                                          (b"1;a =b", 400)])
def test_blanks_in_a_chunks_extension(sluice, size, status):
    assert ask(sluice, b"POST /events/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
               size + b"\r\nx\r\n0\r\n\r\n").status == status


def test_if_none_match_takes_a_list_and_any(new_sluice):
    s = new_sluice(gateways=("sse", "poll"))
    ids = [s.publish("a", f"{n}") for n in range(3)]

    def poll(tags, wait="0s"):
        return s.request("GET", "/events/a", "poll", {"wait": wait}, headers={"If-None-Match": tags})

    assert [e["id"] for e in poll(f'"{ids[0]}", W/"{ids[1]}"').json()["events"]] == ids[2:]
    assert [e["id"] for e in poll(f'"{ids[1]}","{ids[0]}"').json()["events"]] == ids[2:]
    assert poll("*").status_code == 304
    assert poll(f'"{ids[2]}", "{ids[0]}"').status_code == 304
    assert poll("nonsense").json()["field"] == "If-None-Match"
