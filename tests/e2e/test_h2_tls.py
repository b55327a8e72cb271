"""HTTP/2 by ALPN on TLS; every client here verifies the certificate, but for nghttp, which
cannot."""

import json
import signal
import ssl
import subprocess

import h2lib
import pytest
import tlslib
from sluicelib import wait_for


@pytest.fixture
def authority(tmp_path):
    return tlslib.Authority(tmp_path / "authority")


@pytest.fixture
def h2(new_sluice, authority):
    made = []
    s = new_sluice(tlslib.section(authority.server()), gateways=("sse", "h2"))
    tlslib.trust(s, authority)

    def wrap(socket):
        context = authority.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        wrapped = context.wrap_socket(socket, server_hostname="localhost")
        assert wrapped.selected_alpn_protocol() == "h2"
        return wrapped

    def connect(settings=None, rcvbuf=None):
        made.append(h2lib.Connection(s.port("h2"), settings, rcvbuf, wrap))
        return made[-1]

    s.connect = connect
    yield s
    for c in made:
        c.close()


def url(h2, path):
    return f"https://localhost:{h2.port('h2')}{path}"


def curl(h2, authority, *args):
    done = tlslib.curl("-w", "\n%{http_code} %{http_version}", *args, ca=authority.file)
    body, _, verdict = done.stdout.rpartition("\n")
    return body, verdict


def test_curl_chooses_it(h2, authority):
    body, verdict = curl(h2, authority, "-d", "hello", url(h2, "/events/a"))
    assert verdict == "201 2" and json.loads(body)["topic"] == "a"


def test_a_client_of_http_1_is_told(h2, authority):
    body, verdict = curl(h2, authority, "--http1.1", url(h2, "/topics"))
    assert verdict == "505 1.1" and json.loads(body)["code"] == "http_version"


def test_who_names_no_protocol_may_know_it(h2, authority):
    context = authority.context()
    with h2lib.Connection(h2.port("h2"), wrap=lambda s: context.wrap_socket(
            s, server_hostname="localhost")) as c:
        assert c.get("/topics").status == 200


def test_who_speaks_neither_is_refused(h2, authority):
    context = authority.context()
    context.set_alpn_protocols(["spdy/3"])
    with pytest.raises(ssl.SSLError):
        tlslib.connect(h2, context, gateway="h2")


def test_streams_of_events(h2):
    c = h2.connect()
    streams = [c.stream("a") for _ in range(50)]
    for s in streams:
        s.started()
    ids = [c.publish("a", "x" * n * 100) for n in range(50)]
    for s in streams:
        assert [e.id for e in s.events(50)] == ids


def test_a_slow_reader_gets_all_in_the_end(h2):
    c = h2.connect({h2lib.WINDOW: 1 << 30}, rcvbuf=65536)
    streams = [c.stream("a") for _ in range(10)]
    for s in streams:
        c.answered(s.x)
    ids = h2.fill("a", 4000, payload=lambda n: "x" * 2000)
    for s in streams:
        assert [e.id for e in s.events(4000)] == ids


def test_a_new_certificate_leaves_streams_alone(h2, authority, tmp_path):
    c = h2.connect()
    s = c.stream("a")
    s.started()
    context = authority.context()
    before = tlslib.serial(tlslib.connect(h2, context, "localhost", "h2"))
    h2.config.write_text(tlslib.section(authority.server()))
    h2.processes["h2"].signal(signal.SIGHUP)
    wait_for(lambda: tlslib.serial(tlslib.connect(h2, context, "localhost", "h2")) != before,
             "the new certificate")
    id_ = c.publish("a", "still here")
    assert s.events(1)[0].id == id_


def test_websockets(h2):
    c = h2.connect()
    sockets = [h2lib.WebSocket(c, "/events/a").open() for _ in range(10)]
    for s in sockets:
        s.take("ack")
    id_ = c.publish("a", "hello")
    assert {s.take("event")["id"] for s in sockets} == {id_}


def test_a_promise_is_of_https(h2):
    c = h2.connect({h2lib.PUSH: 1})
    s = c.stream("a", push=1)
    s.started()
    c.publish("a", "hello")
    s.next("event")
    assert s.x.promises[0].request[":scheme"] == "https"
    assert s.x.promises[0].wait().json()["data"] == "hello"


def test_nghttp_and_h2load(h2, tmp_path):
    payload = tmp_path / "payload"
    payload.write_bytes(b"x" * 100)
    done = subprocess.run(["h2load", "-n", "1000", "-c", "4", "-m", "20", "-d", str(payload),
                           url(h2, "/events/load")], capture_output=True, text=True)
    assert "1000 succeeded, 0 failed" in done.stdout, done.stdout
    assert "Application protocol: h2" in done.stdout
    done = subprocess.run(["nghttp", "-v", url(h2, "/topics")], capture_output=True, text=True)
    assert "The negotiated protocol: h2" in done.stdout and '"topic":"load"' in done.stdout
