"""What clients of a gateway see while its broker is dead or frozen: a publish has one
of three outcomes (promise 7 of DESIGN.md), and streams stay."""

import contextlib
import json
import os
import signal
import time

import pytest

from faultlib import Stream, flood, post, request, wait_for
from sluicelib import ADMIN

SHORT = "[limits]\npublish_timeout = 1s\n[sse]\nkeepalive = 200ms\n"


@contextlib.contextmanager
def dead(system):
    """No broker, and the gateway has seen it."""
    with system.without("sluice-broker"):
        wait_for(lambda: system.metric("sse", "sluice_link_up") == 0, "the gateway knows")
        yield


@contextlib.contextmanager
def frozen(system):
    system.kill("sluice-broker", signal.SIGSTOP)
    try:
        yield
    finally:
        system.kill("sluice-broker", signal.SIGCONT)


def put(system, key, payload="x"):
    """One publish with a key: (status, body)."""
    status, body = request(system.sse, "POST", "/events/a", payload, {"Idempotency-Key": key})
    return status, json.loads(body)


def put_until_answered(system, key, payload="x"):
    return wait_for(lambda: (r := put(system, key, payload))[0] < 500 and r, "an outcome")


def test_a_publish_that_was_never_sent_is_certainly_not_stored(start, subscribe):
    """503 unavailable; it is not stored later behind its publisher's back."""
    system = start(SHORT)
    client = subscribe(system.sse, "a")
    with dead(system):
        before = time.monotonic()
        status, problem = put(system, "k", "never sent")
        assert (status, problem["code"]) == (503, "unavailable")
        assert 0.9 < time.monotonic() - before < 5
    status, body = put_until_answered(system, "k", "sent again")
    assert status == 201
    assert [(e.id, e.data) for e in client.wait_count(1)] == [(int(body["id"]), "sent again")]


def test_a_publish_without_an_answer_is_unknown_and_may_be_repeated(start, subscribe):
    """504 unknown_outcome; the repeat with the same key is stored once, whatever had
    become of the first."""
    system = start(SHORT)
    client = subscribe(system.sse, "a")
    with frozen(system):
        status, problem = put(system, "k")
        assert (status, problem["code"]) == (504, "unknown_outcome")
    _, body = put_until_answered(system, "k")
    last = post(system.sse, "a", "last")
    assert [e.id for e in client.wait_count(2)] == [int(body["id"]), last]


def test_a_publish_waits_for_a_broker_that_comes_back(start):
    """Within publish_timeout the restart is not even noticed."""
    system = start()
    with dead(system):
        os.kill(system.process.pid, signal.SIGCONT)
        assert put(system, "k")[0] == 201


@pytest.mark.parametrize("away", [dead, frozen])
def test_streams_stay_and_go_on(start, subscribe, away):
    """Connected clients get keep-alives, and then what comes."""
    system = start(SHORT)
    with Stream(system.sse, "a") as stream:
        stream.take(1, kinds=("id",))
        with away(system):
            for _ in range(10):
                assert stream.socket.recv(100).startswith(b": ")
        id_ = wait_for(lambda: (r := put(system, "k"))[0] == 201 and int(r[1]["id"]), "stored")
        assert stream.take(1)[0].id == id_


def test_an_event_source_may_open_while_the_broker_is_dead(start):
    """200 and comments after 2 s, since an error would end a browser's EventSource for
    good; when the broker is back the stream is placed exactly where it asked to be."""
    system = start(SHORT)
    ids = flood(system.apps, "a", [b"1", b"2", b"3"])
    with dead(system):
        with Stream(system.sse, "a", last=ids[0]) as resumed, Stream(system.sse, "a") as fresh:
            assert resumed.status == fresh.status == 200
            assert resumed.socket.recv(100).startswith(b":")  # comments
            os.kill(system.process.pid, signal.SIGCONT)
            assert [b.id for b in resumed.take(2)] == ids[1:]
            fresh.take(1, kinds=("id",))
            new = wait_for(lambda: put(system, "k")[1].get("id"), "stored")
            assert fresh.take(1)[0].id == resumed.take(1)[0].id == int(new)


@pytest.mark.parametrize("path, accept", [("a", Stream.NDJSON), ("a?on_gap=fail", Stream.SSE)])
def test_who_can_be_told_is_told(start, path, accept):
    """NDJSON and on_gap=fail get 503."""
    system = start(SHORT)
    with dead(system), Stream(system.sse, path, accept) as stream:
        assert stream.status == 503
        assert stream.problem()["code"] == "unavailable"


def test_a_gateway_says_that_it_is_not_ready(start):
    system = start(SHORT)
    admin = system.port(ADMIN["sse"])
    assert request(admin, "GET", "/readyz")[0] == 200
    with dead(system):
        assert request(admin, "GET", "/readyz")[0] == 503
        assert request(admin, "GET", "/healthz")[0] == 200
    wait_for(lambda: request(admin, "GET", "/readyz")[0] == 200, "it is ready again")
