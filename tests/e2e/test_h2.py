"""HTTP/2 by prior knowledge: requests, streams of events, windows, the end."""

import json
import subprocess

import h2lib
import pytest
from sluicelib import wait_for

NDJSON = {"accept": "application/x-ndjson"}


@pytest.fixture
def new_h2(new_sluice):
    """new_h2(config): a system with SSE and HTTP/2 gateways; h2.connect() connects."""
    made = []

    def make(config="", gateways=("sse", "h2")):
        s = new_sluice(config, gateways=gateways)

        def connect(**kw):
            made.append(h2lib.Connection(s.port("h2"), **kw))
            return made[-1]

        s.connect = connect
        return s

    yield make
    for c in made:
        c.close()


@pytest.fixture
def h2(new_h2):
    return new_h2()


def curl(h2, *args, path="/topics"):
    done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w",
                           "\n%{http_code} %{http_version}", *args, h2.url(path, "h2")],
                          capture_output=True, text=True, check=True)
    body, _, verdict = done.stdout.rpartition("\n")
    return body, verdict


# --- clients

def test_curl_publishes_and_reads(h2):
    body, verdict = curl(h2, "-d", "hello", path="/events/a/b")
    assert verdict == "201 2"
    event_id = json.loads(body)["id"]
    body, verdict = curl(h2, path=f"/history?id={event_id}")
    assert verdict == "200 2" and json.loads(body)["data"] == "hello"


def test_curl_sees_the_event(h2):
    p = subprocess.Popen(["curl", "-sN", "--http2-prior-knowledge", h2.url("/events/a/b", "h2")],
                         stdout=subprocess.PIPE)
    try:
        h2.wait_metric("sluice_subscriptions", 1, "h2")
        h2.publish("a/b", "hello")
        lines = iter(p.stdout.readline, b"")
        assert b"data: hello\n" in lines
    finally:
        p.kill()
        p.wait()


def test_nghttp_sees_the_event(h2):
    p = subprocess.Popen(["stdbuf", "-oL", "nghttp", h2.url("/events/a", "h2")],
                         stdout=subprocess.PIPE)
    try:
        h2.wait_metric("sluice_subscriptions", 1, "h2")
        h2.publish("a", "hello")
        lines = iter(p.stdout.readline, b"")
        assert b"data: hello\n" in lines
    finally:
        p.kill()
        p.wait()


def test_h2load_publishes(h2, tmp_path):
    payload = tmp_path / "payload"
    payload.write_bytes(b"x" * 100)
    done = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "50", "-d", str(payload),
                           h2.url("/events/load", "h2")], capture_output=True, text=True)
    assert "2000 succeeded, 0 failed" in done.stdout, done.stdout
    assert len(h2.history("load", limit=1000, after=0)["events"]) == 1000


def test_a_client_of_http_1_is_told_what_is_spoken_here(h2):
    with h2.raw("h2") as c:
        c.send(b"GET /topics HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers = c.head()
        problem = json.loads(c.rest())
    assert status == 505 and headers["content-type"] == "application/problem+json"
    assert problem["code"] == "http_version" and "HTTP/2" in problem["detail"]


def test_a_preface_that_comes_byte_by_byte(h2):
    with h2.raw("h2") as c:
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5):
            c.send(bytes([byte]))
        assert c.take(9)[3] == 4  # SETTINGS


def test_a_preface_that_is_none(h2):
    with h2.raw("h2") as c:
        c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\x00")
        assert c.head()[0] == 505


# --- requests

def test_a_publish_is_acknowledged_after_the_commit(h2):
    with h2.connect() as c:
        x = c.request("POST", "/events/a/b", {"content-type": "text/plain"}, b"hello")
        assert x.status == 201 and x.json()["topic"] == "a/b"
        assert h2.history("a/b", after=0)["events"][0]["data"] == "hello"


def test_a_body_in_many_frames_and_none(h2):
    payload = bytes(range(256)) * 3000
    with h2.connect() as c:
        x = c.request("POST", "/events/big", {}, payload)
        assert x.status == 201
        assert c.request("POST", "/events/empty", {}, b"").status == 201
        assert c.request("POST", "/events/none").status == 201
    assert h2.request("GET", "/history", params={"id": x.json()["id"]}).status_code == 200


def test_producers_and_conflicts_are_as_over_http_1(h2):
    with h2.connect() as c:
        head = {"producer-id": "p", "producer-epoch": "0", "producer-seq": "0"}
        first = c.request("POST", "/events/a", head, b"one")
        again = c.request("POST", "/events/a", head, b"one")
        gap = c.request("POST", "/events/a", {**head, "producer-seq": "7"}, b"two")
    assert (first.status, again.status, gap.status) == (201, 200, 409)
    assert gap.json()["expected_seq"] == 1


def test_topics_history_and_delete(h2):
    with h2.connect() as c:
        c.publish("a", "one")
        assert [t["topic"] for t in c.get("/topics").json()["topics"]] == ["a"]
        assert c.get("/history/a", after=0).json()["events"][0]["data"] == "one"
        assert c.request("DELETE", "/history/a").status in (200, 204)
        assert c.get("/history/a", after=0).json()["events"] == []


def test_history_as_lines(h2):
    ids = h2.fill("a", 1200)
    with h2.connect() as c:
        x = c.request("GET", "/history/a?after=0", NDJSON)
    lines = [json.loads(line) for line in x.body.splitlines()]
    assert [line["id"] for line in lines[:-1]] == ids and "upto" in lines[-1]
    assert x.ended


def test_errors_are_problems(h2):
    with h2.connect() as c:
        assert c.get("/nothing").json()["code"] == "not_found"
        method = c.request("PUT", "/topics")
        assert method.status == 405 and "GET" in method.headers["allow"]
        assert c.request("POST", "/events/a+b", {}, b"").json()["code"] == "bad_topic"
        assert c.request("GET", "/events/a", {"accept": "image/png"}).status == 406


def test_head_has_no_body(h2):
    with h2.connect() as c:
        x = c.request("HEAD", "/topics")
        assert (x.status, x.body) == (200, b"") and int(x.headers["content-length"]) > 0
        assert c.request("HEAD", "/events/a").headers["content-type"] == "text/event-stream; charset=utf-8"


def test_expect_100_continue(h2):
    with h2.connect() as c:
        x = c.begin("POST", "/events/a", {"expect": "100-continue"}, end=False)
        names = []
        c.until(lambda: names or any(
            type(e).__name__ == "InformationalResponseReceived" for e in c.events), "100")
        c.send_body(x, b"hello")
        assert x.wait().status == 201


def test_a_body_that_is_too_large_is_refused_at_once(new_h2):
    h2 = new_h2("[limits]\nmax_payload = 1k\n")
    with h2.connect() as c:
        told = c.begin("POST", "/events/a", {"content-length": "2000"}, end=False)
        c.answered(told)
        untold = c.begin("POST", "/events/a", {}, b"x" * 1025, end=False)
        c.answered(untold)
        assert (told.status, untold.status) == (413, 413)
        c.until(lambda: told.reset == 0 and untold.reset == 0, "RST_STREAM(NO_ERROR)")
        assert c.publish("a", "small")


def test_a_head_that_is_too_large(h2):
    with h2.connect() as c:
        assert c.request("GET", "/topics", {"x": "y" * 17000}).status == 431
        assert c.request("GET", "/topics", {f"x{i}": "y" for i in range(70)}).status == 431
        assert c.get("/topics").status == 200


def test_cors(new_h2):
    h2 = new_h2("[h2]\nallow_origin = https://page.example\n")
    with h2.connect() as c:
        x = c.request("GET", "/topics", {"origin": "https://page.example"})
        assert x.headers["access-control-allow-origin"] == "https://page.example"
        assert x.headers["vary"] == "Origin"
        preflight = c.request("OPTIONS", "/events/a", {
            "origin": "https://page.example", "access-control-request-method": "POST"})
        assert preflight.status == 204 and "POST" in preflight.headers["allow"]
        assert "access-control-allow-headers" in preflight.headers


# --- streams of events

def test_sse_on_a_stream(h2):
    with h2.connect() as c:
        s = c.stream("a/b")
        s.started()
        assert s.headers["content-type"] == "text/event-stream; charset=utf-8"
        event_id = h2.publish("a/b", "hello")
        (event,) = s.events(1)
        assert (event.id, event.data) == (event_id, "hello")


def test_ndjson_on_a_stream(h2):
    with h2.connect() as c:
        s = c.stream("a", NDJSON)
        s.started()
        h2.publish("a", "hello")
        assert json.loads(s.events(1)[0].data)["data"] == "hello"


def test_publish_and_subscribe_on_one_connection(h2):
    with h2.connect() as c:
        s = c.stream("a")
        s.started()
        ids = [c.publish("a", f"{n}") for n in range(20)]
        assert [e.id for e in s.events(20)] == ids


def test_an_event_larger_than_any_window(h2):
    payload = "0123456789" * 50000
    with h2.connect(settings={h2lib.WINDOW: 1000}) as c:
        s = c.stream("a")
        s.started()
        h2.publish("a", payload)
        h2.publish("a", "behind")
        assert [e.data for e in s.events(2)] == [payload, "behind"]


def test_resuming_across_gateways(h2):
    ids = h2.fill("a", 300)
    with h2.connect() as c:
        s = c.stream("a", after=0)
        assert [e.id for e in s.events(100)] == ids[:100]
        over_http1 = h2.stream("a", {"Last-Event-ID": s.last_id})
        assert [e.id for e in over_http1.events(100)] == ids[100:200]
        back = c.stream("a", {"last-event-id": over_http1.last_id})
        assert [e.id for e in back.events(100)] == ids[200:]


def test_a_gap_is_told_or_refused(h2):
    ids = h2.fill("a", 10)
    h2.request("DELETE", "/history/a")
    with h2.connect() as c:
        assert c.stream("a", after=ids[0]).next("gap").kind == "gap"
        s = c.stream("a", after=ids[0], on_gap="fail")
        assert s.status == 410 and s.problem()["code"] == "gone"


def test_a_cancelled_stream_is_gone(h2):
    with h2.connect() as c:
        streams = [c.stream("a") for _ in range(5)]
        for s in streams:
            s.started()
        for s in streams[:3]:
            s.close()
        wait_for(lambda: h2.metrics("h2")["sluice_subscriptions"] == 2, "2 subscriptions")
        h2.publish("a", "hello")
        assert [s.events(1)[0].data for s in streams[3:]] == ["hello", "hello"]


def test_keepalives(new_h2):
    h2 = new_h2("[h2]\nkeepalive = 200ms\n")
    with h2.connect() as c:
        s, lines = c.stream("a"), c.stream("a", NDJSON)
        s.started(), lines.started()
        assert s.next("comment") and lines.next("position")


# --- windows

def test_200_subscriptions_one_of_which_is_never_read(h2):
    """Different cursors on one connection; the one whose window is closed holds up
    nobody, and has missed nothing when it is read."""
    ids = h2.fill("a", 4000, payload=lambda n: f"event {n} " + "x" * 50)
    with h2.connect() as c:
        streams = {n: c.stream("a", after=ids[n]) for n in range(0, 2000, 10)}
        slow = streams.pop(1000)
        slow.x.held = True
        later = h2.fill("a", 500, payload=lambda n: f"later {n}")
        for n, s in streams.items():
            assert [e.id for e in s.events(4500 - n - 1)] == ids[n + 1:] + later, n
        assert slow.x.unread < 70000
        live = h2.publish("a", "live")
        assert all(s.events(1)[0].id == live for s in streams.values())
        slow.x.held = False
        assert [e.id for e in slow.events(3500)] == ids[1001:] + later + [live]


def test_a_closed_window_takes_nothing(h2):
    with h2.connect(settings={h2lib.WINDOW: 0}) as c:
        s = c.stream("a")
        c.answered(s.x)
        ids = h2.fill("a", 3000)
        c.h2.update_settings({h2lib.WINDOW: 100000})
        c.flush()
        assert [e.id for e in s.events(3000)] == ids


def test_a_socket_that_is_not_read_costs_little(new_h2):
    h2 = new_h2("[limits]\nring = 1M\nring_pinned = 1M\n")
    with h2.connect(rcvbuf=65536, settings={h2lib.WINDOW: 1 << 30}) as c:
        streams = [c.stream("a", after=0) for _ in range(10)]
        for s in streams:
            c.answered(s.x)
        before = h2.processes["h2"].memory()
        ids = h2.fill("a", 4000, payload=lambda n: "x" * 2000)
        other = h2.stream("a", gateway="sse", after=ids[-2])
        assert other.events(1)[0].id == ids[-1]
        assert h2.processes["h2"].memory() - before < 24 << 20
        for s in streams:
            assert s.events(4000)[-1].id == ids[-1]


# --- the end

def test_a_stopping_gateway_ends_streams_whole(h2):
    with h2.connect() as c:
        s = c.stream("a")
        s.started()
        h2.publish("a", "last")
        assert s.next("event").data == "last"  # else it may be on its way from the broker still
        h2.processes["h2"].popen.terminate()
        assert s.next("event") is None and s.whole
        assert c.ended() == 0
    assert h2.processes["h2"].popen.wait(20) == 0


def test_a_publish_under_way_is_answered_by_a_stopping_gateway(h2):
    with h2.connect() as c:
        x = c.begin("POST", "/events/a", {}, b"half ", end=False)
        c.publish("b", "the first is there")
        h2.processes["h2"].popen.terminate()
        c.until(lambda: c.goaway, "GOAWAY")
        c.send_body(x, b"whole")
        assert x.wait().status == 201
        assert c.ended() == 0


def test_a_killed_broker(h2):
    with h2.connect() as c:
        s = c.stream("a")
        s.started()
        ids = [c.publish("a", "before")]
        h2.broker.restart()
        ids.append(c.publish("a", "after"))
        assert [e.id for e in s.events(2)] == ids


def test_an_idle_connection_is_closed(new_h2):
    h2 = new_h2("[limits]\nidle_timeout = 500ms\n")
    with h2.connect() as c:
        c.get("/topics")
        assert c.ended() == 0


def test_a_connection_with_a_stream_is_not_idle(new_h2):
    h2 = new_h2("[limits]\nidle_timeout = 200ms\n[h2]\nkeepalive = 1s\n")
    with h2.connect() as c:
        s = c.stream("a")
        s.started()
        assert s.next("comment")
        h2.publish("a", "there")
        assert s.events(1)
