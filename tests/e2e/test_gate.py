"""What a browser may be made to send: foreign origins, and names that were made to point here."""

import http.client
import subprocess

import pytest
from h2lib import Connection
from sluicelib import ADMIN, BIN

GATEWAYS = ("sse", "ws", "poll", "h2", "mqtt")
DOORS = ("sse", "ws", "poll")
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    from sluicelib import Sluice
    s = Sluice(tmp_path_factory.mktemp("gate"), gateways=GATEWAYS).start()
    s.publish("secret", b"words")
    yield s
    s.end()


def ask(port, method, path, body=None, /, **headers):
    """(status, fields, body); header names have _ for -."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        c.request(method, path, body=body, headers=fields)
        r = c.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        c.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("headers", [
    {"Origin": EVIL}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"},
    {"Host": "evil.example"}, {"Host": "evil.example:8081"},
    {"Host": "evil.example", "Origin": "http://evil.example"},
], ids=str)
def test_a_page_of_elsewhere_writes_and_reads_nothing(system, door, headers):
    head = system.history("secret")["events"]
    port = system.port(door)
    field = "Host" if "Host" in headers else "Origin"
    for method, path in [("POST", "/events/secret"), ("POST", "/events"),
                         ("DELETE", "/history/secret"), ("GET", "/history/secret"),
                         ("GET", "/topics"), ("GET", "/events/secret?after=0"), ("GET", "/nowhere")]:
        body = b'{"topic":"secret","data":1}\n' if method == "POST" else None
        status, fields, answer = ask(port, method, path, body, **headers,
                                     Content_Type="application/x-www-form-urlencoded")
        assert status == 403, (method, path)
        assert b'"forbidden"' in answer and f'"field":"{field}"'.encode() in answer
        assert b"words" not in answer and "access-control-allow-origin" not in fields
    assert system.history("secret")["events"] == head


@pytest.mark.parametrize("who", ADMIN)
def test_nor_from_an_admin_listener(system, who):
    if who not in (*GATEWAYS, "broker"):
        pytest.skip("it is not started")
    port = system.base + ADMIN[who]
    for path in ("/metrics", "/readyz", "/healthz"):
        assert ask(port, "GET", path)[0] == 200
        assert ask(port, "GET", path, Host="10.1.2.3:8090")[0] == 200, "a kubelet's"
        for headers in ({"Origin": EVIL}, {"Host": "evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
            status, _, body = ask(port, "GET", path, **headers)
            assert status == 403 and b"sluice_" not in body and b"ok" not in body
    assert system.metrics(who)["sluice_http_forbidden_total"] >= 9


def test_who_comes_from_here_or_is_no_browser_passes(system):
    port = system.port()
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "app.localhost", "[::1]:80", "10.0.0.7",
                 "sse:8081"):
        assert ask(port, "POST", "/events/a", b"x", Host=host)[0] == 201
        assert ask(port, "POST", "/events/a", b"x", Host=host, Origin=f"http://{host}",
                   Sec_Fetch_Site="same-origin")[0] == 201
        assert ask(port, "POST", "/events/a", b"x", Host=host, Origin="http://127.0.0.1")[0] == 403
    with system.raw() as c:
        c.send(b"GET /topics HTTP/1.0\r\n\r\n")
        assert c.answer().status == 200
    with system.raw() as c:
        c.send(b"GET http://evil.example/topics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.answer().status == 403


def test_http2_and_its_authority(system):
    port = system.port("h2")
    with Connection(port) as c:
        own = c.authority
        for authority, fields, status in [
                ("evil.example", {}, 403), (own, {"origin": EVIL}, 403),
                (own, {"sec-fetch-site": "cross-site"}, 403), (own, {}, 200),
                (f"localhost:{port}", {"origin": f"http://localhost:{port}"}, 200)]:
            c.authority = authority
            for path in ("/topics", "/history/secret"):
                assert c.request("GET", path, fields).status == status, fields
            x = c.request("POST", "/events/a", fields, b"x")
            assert x.status == (201 if status == 200 else 403)


def test_a_websocket_of_elsewhere(system):
    for door, protocol in (("ws", "sluice.json"), ("mqtt_ws", "mqtt")):
        for headers, status in [({"Origin": EVIL}, 403), ({"Host": "evil.example"}, 403), ({}, 101)]:
            assert ask(system.port(door), "GET", "/mqtt" if door == "mqtt_ws" else "/events",
                       Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
                       Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
                       Sec_WebSocket_Protocol=protocol, **headers)[0] == status


def test_names_that_are_configured(new_sluice):
    s = new_sluice("[http]\nhosts = sluice.example, *.apps.example\n")
    for host, status in [("sluice.example", 200), ("SLUICE.example.:81", 200),
                         ("a.apps.example", 200), ("apps.example", 403), ("b.example", 403)]:
        assert ask(s.port(), "GET", "/topics", Host=host)[0] == status
        assert ask(s.base + ADMIN["broker"], "GET", "/healthz", Host=host)[0] == status


def test_patterns_of_origins_and_credentials(new_sluice):
    s = new_sluice("[sse]\nallow_origin = https://*.example.com, http://b.example:8000\n"
                   "allow_credentials = on\nallow_headers = X-Own, Authorization\n")
    for origin in ("https://a.example.com", "https://x.y.example.com", "http://b.example:8000"):
        status, fields, _ = ask(s.port(), "POST", "/events/a", b"x", Origin=origin,
                                Sec_Fetch_Site="cross-site")
        assert status == 201
        assert fields["access-control-allow-origin"] == origin
        assert fields["access-control-allow-credentials"] == "true"
        assert fields["vary"] == "Origin"
        status, fields, _ = ask(s.port(), "OPTIONS", "/events/a", Origin=origin,
                                Access_Control_Request_Method="POST",
                                Access_Control_Request_Headers="x-own")
        assert (status, fields["access-control-allow-headers"]) == (204, "X-Own, Authorization")
        assert fields["access-control-max-age"] == "86400"
    for origin in ("https://example.com", "http://a.example.com", "https://a.example.com:8443",
                   "https://a.example.com.evil.example", "https://evilexample.com"):
        status, fields, _ = ask(s.port(), "POST", "/events/a", b"x", Origin=origin)
        assert status == 403 and "access-control-allow-origin" not in fields


def test_any_origin_with_credentials_is_echoed(new_sluice):
    s = new_sluice("[sse]\nallow_origin = *\nallow_credentials = true\nallow_headers = *\n")
    _, fields, _ = ask(s.port(), "OPTIONS", "/events/a", Origin=EVIL,
                       Access_Control_Request_Method="POST",
                       Access_Control_Request_Headers="x-own,authorization")
    assert fields["access-control-allow-origin"] == EVIL
    assert fields["access-control-allow-headers"] == "x-own,authorization"


def test_what_pages_may_send_by_default(new_sluice):
    s = new_sluice("[sse]\nallow_origin = *\n")
    _, fields, _ = ask(s.port(), "OPTIONS", "/events/a", Origin=EVIL,
                       Access_Control_Request_Method="POST")
    allowed = fields["access-control-allow-headers"].split(", ")
    assert {"Authorization", "Cache-Control", "Last-Event-ID", "Content-Type", "traceparent",
            "Sluice-Type", "Sluice-Retain"} <= set(allowed)
    assert fields["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in fields


def test_an_answer_to_head_says_what_get_would(new_sluice):
    s = new_sluice("[sse]\nallow_origin = *\n", gateways=("sse", "h2"))
    for path, headers in [("/events/a", {}), ("/events/a", {"Accept": "application/x-ndjson"}),
                          ("/history/a", {}), ("/topics", {}),
                          ("/history/a", {"Accept": "application/x-ndjson"})]:
        head = ask(s.port(), "HEAD", path, Origin=EVIL, **headers)
        with s.raw() as c:
            c.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {EVIL}\r\n".encode() +
                   b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n")
            get = c.head()
        own = {k: v for k, v in get[1].items()
               if k not in ("date", "transfer-encoding", "connection", "content-length")}
        assert head[0] == get[0] == 200
        assert own.items() <= head[1].items(), path


@pytest.mark.parametrize("key, value", [
    ("--sse-allow-origin", "example.com"), ("--sse-allow-origin", "https://a.example/"),
    ("--sse-allow-origin", "https://*"), ("--http-hosts", "https://a.example")])
def test_a_malformed_pattern_stops_the_start(key, value):
    done = subprocess.run([f"{BIN}/sluice-sse", key, value], capture_output=True, check=False,
                          timeout=10, text=True)
    assert done.returncode != 0 and value in done.stderr
