"""TLS at the doors: who gets in, with what, and what becomes of those who do not."""

import base64
import contextlib
import shutil
import signal
import ssl
import threading
import time

import pytest
from sluicelib import TIMEOUT, Raw, wait_for
from tlslib import Authority, connect, curl, openssl, section, serial, trust


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.server()


@pytest.fixture
def new_tls(new_sluice, authority, certificate):
    def make(more="", pairs=None, gateways=("sse",), config=""):
        text = section(*(pairs or [certificate]), more=more) + config
        return trust(new_sluice(text, gateways=gateways), authority)
    return make


@pytest.fixture
def tls(new_tls):
    return new_tls()


def refused(connecting):
    """The reason for which the handshake fails."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as e:
        # In TLS 1.3 a client's certificate is looked at when it believes to be done.
        connecting().recv(1)
    return str(e.value).lower().replace("_", " ")


# --- certificates

def test_a_client_that_does_not_know_the_authority_refuses(tls, tmp_path):
    stranger = Authority(tmp_path, "stranger")
    assert "certificate verify failed" in refused(lambda: connect(tls, stranger.context()))
    assert curl(tls.url("/topics")).returncode == 60
    assert curl(tls.url("/topics"), ca=stranger.file).returncode == 60
    tls.wait_metric("sluice_tls_handshakes_failed_total", 1)


def test_the_chain_is_sent(new_sluice, authority, certificate, tmp_path):
    """The file holds the certificate and what leads to the authority."""
    chain = tmp_path / "chain.pem"
    chain.write_text(certificate[0].read_text() + authority.file.read_text())
    s = trust(new_sluice(section((chain, certificate[1]))), authority)
    shown = openssl("s_client", "-connect", f"127.0.0.1:{s.port()}", "-showcerts", input=b"")
    assert shown.stdout.count(b"BEGIN CERTIFICATE") == 2


def test_certificate_and_key_may_be_one_file(new_sluice, authority, certificate, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text("".join(f.read_text() for f in certificate))
    s = trust(new_sluice(f"[tls]\ncertificate = {both}\n"), authority)
    assert s.publish("a", b"x")


def test_the_name_asked_for_decides(new_tls, authority, certificate):
    a = authority.issue("DNS:a.example")
    wild = authority.issue("DNS:*.b.example", rsa=True)
    s = new_tls(pairs=[certificate, a, wild])
    shown = {name: connect(s, authority.context(), name).getpeercert()["subjectAltName"]
             for name in ("localhost", "a.example", "x.b.example")}
    assert shown["a.example"] == (("DNS", "a.example"),)
    assert shown["x.b.example"] == (("DNS", "*.b.example"),)
    assert ("DNS", "localhost") in shown["localhost"]
    assert "hostname mismatch" in refused(lambda: connect(s, authority.context(), "c.example"))


@pytest.mark.parametrize("what", ["no file", "no certificate", "another's key", "locked", "count"])
def test_what_cannot_be_served_ends_the_start(new_sluice, authority, certificate, tmp_path, what):
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", certificate[1], "-out", locked, "-aes256", "-passout", "pass:secret")
    certificates, keys = {
        "no file": (tmp_path / "none.pem", certificate[1]),
        "no certificate": (certificate[1], certificate[1]),
        "another's key": (certificate[0], authority.server()[1]),
        "locked": (certificate[0], locked),
        "count": (f"{certificate[0]}, {certificate[0]}", certificate[1]),
    }[what]
    s = new_sluice(gateways=())
    s.config.write_text(section((certificates, keys)))
    door = s.add("sse").start(wait=False)
    assert door.popen.wait(TIMEOUT) == 1
    assert '"level":"error"' in door.logged()


# --- reloading

def replace(files, fresh):
    for to, of in zip(files, fresh):
        shutil.copy(of, to)


@pytest.fixture
def own(authority, tmp_path):
    """Files that a test may change."""
    files = tmp_path / "own.pem", tmp_path / "own.key"
    replace(files, authority.server())
    return files


def reload(s):
    before = s.sse.logged().count("configuration reloaded")
    s.sse.signal(signal.SIGHUP)
    wait_for(lambda: s.sse.logged().count("configuration reloaded") > before, "reloaded")


def test_new_certificates_are_for_new_connections_and_old_streams_go_on(new_tls, authority, own):
    s = new_tls(pairs=[own])
    stream = s.stream("a")
    stream.started()
    first = serial(connect(s, authority.context()))
    replace(own, authority.server())
    assert serial(connect(s, authority.context())) == first
    reload(s)
    second = serial(connect(s, authority.context()))
    assert second != first
    s.session.close()  # what it has is kept alive, too
    s.publish("a", b"after")
    assert stream.next("event").data == "after"


def test_bad_new_files_leave_the_old_in_force(new_tls, authority, own):
    s = new_tls(pairs=[own])
    first = serial(connect(s, authority.context()))
    own[0].write_text("no certificate\n")
    reload(s)
    assert "the TLS certificates stay as they were" in s.sse.logged()
    assert serial(connect(s, authority.context())) == first
    replace(own, authority.server())
    reload(s)
    assert serial(connect(s, authority.context())) != first


def test_a_reload_does_not_turn_tls_off(new_tls, authority):
    s = new_tls()
    s.config.write_text("")
    reload(s)
    assert "TLS is turned on or off when the process starts anew" in s.sse.logged()
    assert connect(s, authority.context()).version()


def test_rules_are_read_anew_too(new_tls, authority, certificate):
    s = new_tls()
    s.config.write_text(section(certificate, more="min_version = 1.3\n"))
    reload(s)
    assert offers(s, authority, ssl.TLSVersion.TLSv1_2) is None
    assert offers(s, authority, ssl.TLSVersion.TLSv1_3)


def test_the_metric_says_when_the_first_certificate_expires(new_tls, authority, own):
    s = new_tls(pairs=[own])
    replace(own, authority.server(days=3))
    assert 25 < (s.metrics()["sluice_tls_certificate_expiry_seconds"] - time.time()) / 86400 < 31
    reload(s)
    assert 2 < (s.metrics()["sluice_tls_certificate_expiry_seconds"] - time.time()) / 86400 < 4
    assert "expires soon" in s.sse.logged()


# --- clients' certificates

@pytest.fixture
def devices(tmp_path):
    return Authority(tmp_path, "devices")


def test_a_client_without_a_certificate_is_refused(new_tls, authority, devices):
    s = new_tls(f"client_ca = {devices.file}\n")
    refused(lambda: connect(s, authority.context()))
    wait_for(lambda: "peer did not return a certificate" in s.sse.logged(), "the log says why")
    trust(s, authority, devices.issue(subject="/O=Example/CN=device-7"))
    assert s.publish("a", b"x")
    assert s.stream("a", after="0").next("event").data == "x"


def test_a_client_with_a_certificate_of_others_is_refused(new_tls, authority, devices, tmp_path):
    s = new_tls(f"client_ca = {devices.file}\nverify = optional\n")
    stranger = Authority(tmp_path / "x", "stranger").issue()
    refused(lambda: connect(s, authority.context(stranger)))


def test_certificates_may_be_optional(new_tls, authority, devices):
    s = new_tls(f"client_ca = {devices.file}\nverify = optional\n")
    assert s.publish("a", b"without")
    trust(s, authority, devices.issue())
    s.session.close()
    assert s.publish("a", b"with")


# --- versions, ciphers, resumption

def offers(s, authority, version, ciphers=None, name="localhost"):
    c = authority.context()
    c.options &= ~ssl.OP_NO_TLSv1 & ~ssl.OP_NO_TLSv1_1
    c.minimum_version = c.maximum_version = version
    try:
        c.set_ciphers(f"{ciphers or 'ALL:COMPLEMENTOFALL'}:@SECLEVEL=0")
        with connect(s, c, name) as socket:
            return socket.version(), socket.cipher()[0]
    except (ssl.SSLError, ConnectionError):
        return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_versions_are_1_2_and_1_3(new_tls, authority):
    s = new_tls()
    assert offers(s, authority, ssl.TLSVersion.TLSv1) is None
    assert offers(s, authority, ssl.TLSVersion.TLSv1_1) is None
    assert offers(s, authority, ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
    assert offers(s, authority, ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"


def test_1_3_alone_if_asked_for(new_tls, authority):
    s = new_tls("min_version = 1.3\n")
    assert offers(s, authority, ssl.TLSVersion.TLSv1_2) is None
    assert offers(s, authority, ssl.TLSVersion.TLSv1_3)[0] == "TLSv1.3"


def test_ciphers_of_1_2_are_those_with_forward_secrecy_and_authentication(new_tls, authority):
    """Each that the library knows, alone, at a server with either kind of key."""
    s = new_tls(pairs=[authority.issue("DNS:ec.example"),
                       authority.issue("DNS:rsa.example", rsa=True)])
    every = openssl("ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").stdout.decode().strip()
    known = [c for c in every.split(":") if not c.startswith("TLS_")]
    assert len(known) > 50
    taken = {c for c in known for name in ("ec.example", "rsa.example")
             if offers(s, authority, ssl.TLSVersion.TLSv1_2, c, name)}
    assert taken == {f"ECDHE-{key}-{cipher}" for key in ("ECDSA", "RSA") for cipher in (
        "AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(tls, authority, version):
    c = authority.context()
    c.maximum_version = version
    request = b"GET /topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    def visit(session=None):
        with c.wrap_socket(Raw(tls.port()).socket, server_hostname="localhost",
                           session=session) as s:
            s.sendall(request)
            while s.recv(65536):
                pass
            return s.session, s.session_reused
    session, reused = visit()
    assert not reused
    assert visit(session)[1]
    assert tls.metrics()["sluice_tls_resumed_total"] == 1


def test_alpn(tls, authority):
    c = authority.context()
    c.set_alpn_protocols(["h2", "http/1.1"])
    assert connect(tls, c).selected_alpn_protocol() == "http/1.1"
    c.set_alpn_protocols(["spdy/1"])
    assert "no application protocol" in refused(lambda: connect(tls, c))


# --- those who do not shake hands

def test_http_without_tls_is_told_so(tls):
    raw = Raw(tls.port()).send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw.head()[0] == 400
    assert b"use https" in raw.rest()
    assert curl(f"http://127.0.0.1:{tls.port()}/topics").stdout == "This port speaks TLS: use https.\n"


def test_a_silent_client_is_closed_in_time(new_tls):
    s = new_tls("handshake_timeout = 200ms\n")
    before = time.monotonic()
    assert Raw(s.port()).rest() == b""
    assert 0.2 <= time.monotonic() - before < TIMEOUT
    assert s.metrics()["sluice_tls_handshakes_failed_total"] == 1
    assert "it took too long" in s.sse.logged()


def test_over_max_handshakes_the_longest_silent_makes_room(new_tls, authority):
    s = new_tls("max_handshakes = 2\nhandshake_timeout = 20s\n")
    silent = [Raw(s.port()) for _ in range(2)]
    before = time.monotonic()
    with connect(s, authority.context()) as honest:
        assert honest.version() and time.monotonic() - before < 10
        assert silent[0].rest() == b""
        assert s.metrics()["sluice_connections"] == 2


def test_a_crowd_gets_in(new_tls, authority):
    """More at once than may shake hands at once."""
    s = new_tls("max_handshakes = 8\n")
    done, context = [], authority.context()

    def come():
        for _ in range(5):  # a thread of this test may be held up until it looks like a silent one
            with contextlib.suppress(OSError):
                done.append(connect(s, context))
                return

    crowd = [threading.Thread(target=come) for _ in range(60)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join()
    assert len(done) == 60
    assert s.metrics()["sluice_tls_handshakes_total"] == 60


def test_a_client_over_the_limit_of_connections_gets_an_alert(new_tls, authority):
    s = new_tls(config="[limits]\nmax_connections = 2\n")
    both = [connect(s, authority.context()) for _ in range(2)]
    assert "internal error" in refused(lambda: connect(s, authority.context()))
    both.pop().close()
    wait_for(lambda: s.metrics()["sluice_connections"] < 2, "one has left")
    assert connect(s, authority.context()).version()


@pytest.mark.parametrize("garbage", [
    pytest.param(b"\x16\x03\x01\xff\xff" + b"x" * 70000, id="a record too long"),
    pytest.param(b"\0" * 100, id="zeros"),
    pytest.param(b"\x15\x03\x03\x00\x02\x02\x50", id="an alert"),
    pytest.param(b"\x80\x2e\x01\x00\x02", id="SSL 2"),
])
def test_garbage_ends_nothing_but_itself(tls, garbage):
    raw = Raw(tls.port())
    try:
        raw.send(garbage).half_close().rest()
    except OSError:
        pass
    assert tls.publish("a", b"x")
    tls.wait_metric("sluice_tls_handshakes_failed_total", 1)


# --- plain doors

def test_a_gateway_may_stay_plain(new_tls):
    s = new_tls(gateways=("sse", "poll"), config="[poll]\ntls = off\n")
    assert s.publish("a", b"x")
    answer = curl(f"http://127.0.0.1:{s.port('poll')}/history/a")
    assert '"data":"x"' in answer.stdout


def test_a_plain_door_beside_the_other(new_sluice, authority, certificate):
    s = new_sluice(gateways=())
    s.config.write_text(section(certificate) +
                        f"[sse]\nlisten_plain = 127.0.0.1:{s.base + 19}\n")
    trust(s, authority).start_gateway("sse")
    assert s.publish("a", b"x")
    assert '"data":"x"' in curl(f"http://127.0.0.1:{s.base + 19}/history/a").stdout


# --- streams

def test_a_stream_that_drains_ends_with_close_notify(tls, authority):
    c = connect(tls, authority.context())
    c.suppress_ragged_eofs = False  # an end without close_notify is an error
    c.sendall(b"GET /events/a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"retry" in c.recv(65536) + c.recv(65536)
    tls.sse.signal(signal.SIGTERM)
    while c.recv(65536):
        pass
    assert tls.sse.popen.wait(TIMEOUT) == 0


def test_a_client_that_ends_with_close_notify_alone_is_gone(tls):
    stream = tls.stream("a")
    stream.started()
    tls.wait_metric("sluice_subscriptions", 1)
    with contextlib.suppress(OSError):  # it waits for an answer, and may see a bare end instead
        stream.raw.socket.unwrap()
    wait_for(lambda: tls.metrics()["sluice_subscriptions"] == 0, "it is gone")


def test_a_slow_client_loses_nothing(new_tls):
    """It falls out of the ring, in the middle of a record, and gets all it missed."""
    s = new_tls(config="[limits]\nring = 256k\npage_cache = 256k\nring_pinned = 1M\n")
    slow = s.stream("a", rcvbuf=4096)
    slow.started()
    ids = s.fill("a", 30000, lambda n: f"{n:06d}" + "x" * 200)
    wait_for(lambda: s.metrics()["sluice_fallbacks_total"] > 0, "it has fallen back")
    assert s.metrics()["sluice_ring_pinned_bytes"] <= 17 * 1024
    events = slow.events(len(ids))
    assert [e.id for e in events] == ids
    assert all(int(e.data[:6]) == n for n, e in enumerate(events))


def test_large_events_reach_slow_and_fast(new_tls):
    s = new_tls(config="[limits]\nring = 64k\npage_cache = 64k\nring_pinned = 8M\n")
    streams = [s.stream("big", rcvbuf=4096), s.stream("big")]
    for stream in streams:
        stream.started()
    sizes = [1, 16383, 16384, 16385, 40000, 900_000, 5, 70_000]
    for n in sizes:
        s.publish("big", b"y" * n)
    for stream in streams:
        assert [len(e.data) for e in stream.events(len(sizes))] == sizes


def test_large_bodies_come_and_go(tls):
    body = bytes(range(256)) * 4000
    id = tls.publish("bin", body, Content_Type="application/octet-stream")
    event = tls.request("GET", "/history", params={"id": id}).json()
    assert base64.b64decode(event["data_base64"]) == body
