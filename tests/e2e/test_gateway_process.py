"""A gateway as a process: draining, limits on connections, addresses."""

import os
import resource
import signal
import socket
import subprocess
import threading

import pytest
from sluicelib import TIMEOUT, Raw, wait_for

POST = b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
GET = b"GET /topics HTTP/1.1\r\nHost: h\r\n\r\n"


def served(port):
    """A new client is accepted and answered."""
    with Raw(port) as c:
        c.send(GET)
        return c.answer().status == 200


# --- draining

def test_a_publish_in_flight_is_answered_before_the_end(sluice):
    sluice.broker.freeze()
    with sluice.raw() as c:
        c.send(POST)
        sluice.wait_metric("sluice_publishes_pending", 1)
        sluice.sse.signal(signal.SIGTERM)
        sluice.broker.thaw()
        answer = c.answer()
        assert answer.status == 201 and answer.headers["connection"] == "close"
        assert c.rest() == b""
    assert sluice.sse.popen.wait(TIMEOUT) == 0


def test_a_kept_idle_connection_does_not_hold_up_the_end(sluice):
    with sluice.raw() as c:
        c.send(GET)
        assert c.answer().status == 200
        sluice.sse.signal(signal.SIGTERM)
        assert c.rest() == b""
    assert sluice.sse.popen.wait(TIMEOUT) == 0


def test_a_client_that_takes_nothing_holds_up_the_end_no_longer_than_drain(new_sluice):
    s = new_sluice("[sluice]\ndrain = 500ms\n")
    slow = s.stream("a", rcvbuf=4096)
    slow.started()
    s.fill("a", 20000, lambda n: "x" * 500)
    assert s.sse.stop(timeout=10) == 0


def test_a_second_signal_ends_it_now(new_sluice):
    s = new_sluice("[sluice]\ndrain = 60s\n")
    s.broker.freeze()
    with s.raw() as c:
        c.send(POST)
        s.wait_metric("sluice_publishes_pending", 1)
        s.sse.signal(signal.SIGTERM)
        wait_for(lambda: s.admin("/readyz")[0] == 503, "draining")
        # One told twice at once is one: this one is told until it counts.
        wait_for(lambda: s.sse.signal(signal.SIGTERM) or s.sse.popen.poll() is not None, "the end")


# --- limits

def test_connections_of_one_address_are_limited(new_sluice):
    s = new_sluice("[limits]\nmax_connections_per_address = 2\n")
    held = [s.stream("a"), s.stream("a")]
    for stream in held:
        stream.started()
    with s.raw() as c:
        assert c.head()[0] == 429
    held[0].close()

    def admitted():
        with s.raw() as c:
            c.send(GET)
            return c.head()[0] == 200

    wait_for(admitted, "room for another client of this address")


def test_without_descriptors_clients_wait_and_are_served_later(sluice):
    used = len(os.listdir(f"/proc/{sluice.sse.pid}/fd"))
    limit = used + 10 + 16  # what the process keeps for itself
    resource.prlimit(sluice.sse.pid, resource.RLIMIT_NOFILE, (limit, limit))
    # Two more than have room: one that was open when we counted may have gone since.
    first = [sluice.raw() for _ in range(20)]
    wait_for(lambda: len(os.listdir(f"/proc/{sluice.sse.pid}/fd")) >= used + 9, "all are in use")
    late = sluice.raw()
    late.send(GET)
    wait_for(lambda: "cannot accept" in sluice.sse.logged(), "the log says so")
    for c in first:
        c.close()
    assert late.answer().status == 200
    late.close()


# --- addresses

def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_several_addresses_ipv6_too(new_sluice):
    s = new_sluice(gateways=())
    p = s.add("sse")
    p.command += ["--listen", f"127.0.0.1:{s.port()},[::1]:{s.port()}"]
    p.start()
    assert served(s.port())
    with socket.create_connection(("::1", s.port()), timeout=TIMEOUT) as c:
        c.sendall(GET)
        assert c.recv(100).startswith(b"HTTP/1.1 200")


def test_an_address_in_use_by_another_is_said(sluice):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        p = subprocess.run([*sluice.sse.command, "--admin-listen", "", "--listen", listen],
                           capture_output=True, timeout=TIMEOUT, check=False)
    assert p.returncode == 1 and listen.encode() in p.stderr


def test_two_gateways_share_an_address(sluice):
    second = sluice.add("sse2")
    second.command = [*sluice.sse.command, "--admin-listen", ""]
    second.start()
    streams = [sluice.stream("a") for _ in range(20)]
    for s in streams:
        s.started()
    event_id = sluice.publish("a", "x")
    assert all(s.events(1)[0].id == event_id for s in streams)
    sluice.sse.kill()
    wait_for(lambda: served(sluice.port()), "the other one serves")


# --- readiness

def test_it_listens_before_there_is_a_broker(new_sluice):
    s = new_sluice(gateways=())
    s.broker.kill()
    gateway = s.add("sse").start(wait=False)
    wait_for(lambda: s.admin("/healthz")[0] == 200, "alive")
    assert s.admin("/readyz")[0] == 503
    answers = []
    publisher = threading.Thread(target=lambda: answers.append(s.post("a", "x").status_code))
    publisher.start()
    s.broker.start()
    publisher.join()
    assert answers == [201] and gateway.running()
    wait_for(lambda: s.admin("/readyz")[0] == 200, "ready")
