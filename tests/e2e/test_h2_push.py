"""Server push: events as promised resources beside their lines."""

import json
import pathlib
import subprocess

import h2lib
import pytest
from sluicelib import TIMEOUT, wait_for

HERE = pathlib.Path(__file__).parent

NDJSON = {"accept": "application/x-ndjson"}
LARGE = {h2lib.PUSH: 1, h2lib.WINDOW: 1 << 20}


@pytest.fixture
def h2(new_sluice):
    made = []
    s = new_sluice(gateways=("sse", "h2"))

    def connect(settings=()):
        made.append(h2lib.Connection(s.port("h2"), {**LARGE, **dict(settings)}))
        return made[-1]

    s.connect = connect
    yield s
    for c in made:
        c.close()


def lines(stream, count):
    return [stream.next("event") for _ in range(count)]


def test_each_event_is_a_promised_resource(h2):
    c = h2.connect()
    s = c.stream("a", push=1)
    s.started()
    ids = [h2.publish("a", f"event {n}") for n in range(5)]
    for id_, line in zip(ids, lines(s, 5)):
        assert (line.type, line.id, line.data) == ("sluice.push", id_, f"/history?id={id_}")
    assert [p.request[":path"] for p in s.x.promises] == [f"/history?id={id_}" for id_ in ids]
    for p in s.x.promises:
        assert p.request[":method"] == "GET" and p.request[":authority"] == c.authority
        assert p.wait().status == 200 and p.headers["content-type"] == "application/json"
        asked = h2.request("GET", p.request[":path"])
        assert p.body == asked.content and int(p.headers["content-length"]) == len(p.body)


def test_lines_of_json(h2):
    c = h2.connect()
    s = c.stream("a", NDJSON, push=1)
    s.started()
    id_ = h2.publish("a", "hello")
    assert json.loads(s._until(b"\n")) == {"push": f"/history?id={id_}"}
    assert s.x.promises[0].wait().json()["data"] == "hello"


@pytest.mark.parametrize("settings", [{h2lib.PUSH: 0}, {h2lib.CONCURRENT: 0}], ids=["off", "none"])
def test_who_wants_no_push_gets_the_plain_stream(h2, settings):
    with h2.connect(settings) as c:
        s = c.stream("a", push=1)
        s.started()
        h2.publish("a", "hello")
        assert s.events(1)[0].data == "hello" and not s.x.promises


def test_over_http_1_too(h2):
    s = h2.stream("a", gateway="sse", push=1)
    s.started()
    h2.publish("a", "hello")
    assert s.events(1)[0].data == "hello"


def test_what_push_may_be(h2):
    c = h2.connect()
    assert c.stream("a", push=2).problem()["field"] == "push"
    s = c.stream("a", push=0)
    s.started()
    h2.publish("a", "hello")
    assert s.events(1)[0].data == "hello"


def test_no_more_at_once_than_the_client_allows(h2):
    ids = h2.fill("a", 200, payload=lambda n: "x" * 1000)
    with h2.connect({h2lib.CONCURRENT: 3, h2lib.WINDOW: 400}) as c:
        s = c.stream("a", push=1, after=0)
        got = []

        def are_promised(count):
            c.acknowledge(s.x)
            return len(s.x.promises) == count

        for n in range(200):
            c.until(lambda: are_promised(min(n + 3, 200)), f"promise {n + 2}")
            assert sum(not p.over for p in s.x.promises) == min(3, 200 - n)
            got.append(s.x.promises[n].wait().json()["id"])
            assert s.next("event").id == ids[n]
        assert got == ids


def test_a_promise_may_be_cancelled(h2):
    c = h2.connect({h2lib.WINDOW: 1000})
    s = c.stream("a", push=1)
    s.started()
    payload = "x" * 10000
    h2.publish("a", payload), h2.publish("a", payload)
    c.until(lambda: len(s.x.promises) == 2, "two promises")
    c.cancel(s.x.promises[0])
    assert s.x.promises[1].wait().json()["data"] == payload
    h2.publish("a", "goes on")
    assert lines(s, 3)[-1].type == "sluice.push"
    assert s.x.promises[2].wait().json()["data"] == "goes on"
    assert h2.metrics("h2")["sluice_http2_pushed_total"] == 3


def test_a_client_that_changes_its_mind_gets_lines_alone(h2):
    c = h2.connect()
    s = c.stream("a", push=1)
    s.started()
    c.h2.update_settings({h2lib.PUSH: 0})
    c.flush()
    c.request("GET", "/topics")
    id_ = h2.publish("a", "hello")
    assert s.next("event").data == f"/history?id={id_}"
    assert not s.x.promises
    assert c.get("/history", id=id_).json()["data"] == "hello"


def test_resuming_by_id(h2):
    ids = h2.fill("a", 10)
    c = h2.connect()
    s = c.stream("a", {"last-event-id": ids[3]}, push=1)
    assert [line.id for line in lines(s, 6)] == ids[4:]
    assert [p.wait().json()["id"] for p in s.x.promises] == ids[4:]


def test_a_cancelled_stream_leaves_nothing(h2):
    c = h2.connect()
    s = c.stream("a", push=1)
    s.started()
    h2.publish("a", "hello")
    s.next("event")
    s.close()
    wait_for(lambda: h2.metrics("h2")["sluice_http2_streams"] == 0, "no stream")


def test_nghttp_shows_the_promise_and_the_event(h2):
    p = subprocess.Popen(["stdbuf", "-oL", "nghttp", "-v", h2.url("/events/a", "h2", push=1)],
                         stdout=subprocess.PIPE, text=True)
    try:
        h2.wait_metric("sluice_subscriptions", 1, "h2")
        id_ = h2.publish("a", "hello")
        seen = ""
        while "END_STREAM" not in seen.partition("First push response header")[2]:
            seen += p.stdout.readline()
        assert "recv PUSH_PROMISE frame" in seen
        assert f":path: /history?id={id_}" in seen and '"data":"hello"' in seen
    finally:
        p.kill()
        p.wait()


# --- a client that says GOAWAY, and reads on


def test_node_closes_its_session_under_push(h2):
    with h2.connect() as other:
        s = other.stream("a", push=1)
        s.started()
        p = subprocess.Popen(["node", HERE / "h2_goaway.js", h2.url("", "h2"),
                              "/events/a?push=1&announce=off", "3"], stdout=subprocess.PIPE, text=True)
        try:
            assert p.stdout.readline() == "goaway\n"
            ids = [h2.publish("a", f"event {n}") for n in range(3)]
            seen, _ = p.communicate(timeout=TIMEOUT)
        finally:
            p.kill()
            p.wait()
        assert seen.split("\n") == [*(f"event {id_}" for id_ in ids), "closed", ""]
        assert p.returncode == 0
        assert [line.id for line in lines(s, 3)] == ids
        assert [q.wait().json()["id"] for q in s.x.promises] == ids


def goaway(error=0):
    return h2lib.frame(7, 0, 0, b"\0\0\0\0" + error.to_bytes(4, "big"))


@pytest.mark.parametrize("more", [b"", h2lib.frame(4, 0, 0, b""), goaway()],
                         ids=["alone", "settings", "twice"])
def test_goaway_before_the_first_event(h2, more):
    """Nothing can be promised any more: it is a plain stream."""
    h2.fill("a", 3)
    c = h2lib.Frames(h2.port("h2"), LARGE)
    c.send(h2lib.headers(1, "/events/a?after=0&push=1") + goaway() + more)
    c.until(lambda: c.body(1).count(b"data: event") == 3, "events")
    assert [line for line in c.body(1).decode().split("\n") if line.startswith("data: event")] == [
        f"data: event {n}" for n in range(3)]
    assert not [f for f in c.seen if f[0] == 5]
    c.send(h2lib.frame(3, 0, 1, b"\0\0\0\x08"))
    assert c.goaway() in (None, 0)
    wait_for(lambda: h2.metrics("h2")["sluice_http2_streams"] == 0, "no stream")


def test_goaway_under_a_promise_that_is_being_sent(h2):
    """Its stream is above the last one that the client takes: it goes, and nothing else."""
    c = h2lib.Frames(h2.port("h2"), {**LARGE, h2lib.WINDOW: 1000})
    c.send(h2lib.headers(1, "/events/a?push=1"))
    assert c.status(1) == 200
    h2.publish("a", "x" * 5000)
    assert c.find(5, 1) is not None and c.find(0, 2) is not None
    c.send(goaway())
    c.pinged()
    wait_for(lambda: h2.metrics("h2")["sluice_http2_streams"] == 1, "the stream alone")
    id_ = h2.publish("a", "y")
    c.until(lambda: f"data: /history?id={id_}".encode() in c.body(1), "line")
    assert len([f for f in c.seen if f[0] == 5]) == 1
    c.close()
