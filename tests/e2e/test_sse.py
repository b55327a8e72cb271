"""Streams over SSE and NDJSON: forms, starts, gaps, keep-alives, slow clients."""

import json
import signal
import socket
import subprocess
import time

import pytest
from sluicelib import TIMEOUT, wait_for

NDJSON = {"Accept": "application/x-ndjson"}


# --- the form of a stream

def test_an_event_arrives_with_its_id(sluice):
    s = sluice.stream("a/b")
    s.started()
    event_id = sluice.publish("a/b", "hello")
    (event,) = s.events(1)
    assert (event.id, event.data, event.type) == (event_id, "hello", None)


def test_the_head_of_a_stream(sluice):
    s = sluice.stream("a")
    assert s.status == 200
    assert s.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-cache" in s.headers["cache-control"]
    assert s.headers["x-accel-buffering"] == "no"
    assert s.headers["connection"] == "close"
    assert "transfer-encoding" not in s.headers


def test_a_stream_opens_with_retry_and_its_position(sluice):
    first = sluice.publish("a", "one")
    s = sluice.stream("a")
    retry, start = s.item(), s.item()
    assert (retry.kind, retry.data) == ("retry", "2000")
    assert start.type == "sluice.start" and int(start.id) >= int(first)
    assert start.json() == {"start": start.id}


def test_one_block_opens_a_stream(sluice):
    """Some libraries call for each block, and take an ID only from one with data."""
    with sluice.raw() as c:
        c.send(b"GET /events/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.head()[0] == 200
        lines = [c.line().decode() for _ in range(5)]
        names = [line.partition(":")[0] for line in lines]
        assert names == ["retry", "event", "id", "data", "\n"]
        sluice.publish("a", "x")
        assert c.line().startswith(b"id: ") and c.line() == b"data: x\n" and c.line() == b"\n"


@pytest.mark.parametrize("config, params", [("", {"announce": "off"}), ("announce = off", {})])
def test_a_stream_that_does_not_announce(new_sluice, config, params):
    s = new_sluice(f"[sse]\nkeepalive = 100ms\n{config}\n")
    with s.raw() as c:
        query = "?announce=off" if params else ""
        c.send(f"GET /events/a{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert c.head()[0] == 200
        assert c.line() == b"retry: 2000\n"
        assert [c.line() for _ in range(3)] == [b": \n"] * 3
        s.publish("b", "elsewhere")
        assert [c.line() for _ in range(3)] == [b": \n"] * 3
        s.publish("a", "x")
        while (line := c.line()) == b": \n":
            pass
        assert line.startswith(b"id: ") and c.line() == b"data: x\n"
    assert s.stream("a", announce="maybe").problem()["field"] == "announce"
    assert s.stream("a", announce="on").started().type == "sluice.start"


def test_a_position_while_it_is_quiet(new_sluice):
    s = new_sluice("[sse]\nkeepalive = 100ms\n")
    stream = s.stream("a")
    stream.started()
    last = s.publish("b", "elsewhere")
    while (item := stream.next("position")).id != last:
        pass
    assert item.type == "sluice.position" and item.json() == {"position": last}


@pytest.mark.parametrize("payload, data", [
    (b"a\rb\r\nc", "a\nb\nc"), (b"cut \xe2\x82", "cut \ufffd"), (b"\xff\0x", "\ufffd\ufffdx"),
    (b"plain\n", "plain\n")])
def test_any_payload_as_text(sluice, payload, data):
    s = sluice.stream("a", format="text")
    s.started()
    id_ = sluice.publish("a", payload, Sluice_Type="said")
    (event,) = s.events(1)
    assert (event.id, event.type, event.data) == (id_, "said", data)


def test_text_is_for_sse_alone(new_sluice):
    s = new_sluice(gateways=("sse", "poll"))
    assert s.stream("a", {"Accept": "application/x-ndjson"}, format="text").problem()["field"] == "format"
    assert s.stream("a", gateway="poll", format="text").problem()["field"] == "format"


@pytest.mark.parametrize("name", ["lastEventId", "last-event-id", "Last-Event-ID"])
def test_libraries_say_their_cursor_in_the_query(sluice, name):
    ids = [sluice.publish("a", f"{n}") for n in range(4)]
    for params, headers in [({name: ids[1]}, {}), ({name: ids[1], "after": ids[0]}, {}),
                            ({name: ids[0], "after": ids[1]}, {}),
                            ({name: ids[1], "last": "4"}, {}), ({name: ids[1], "since": "1h"}, {}),
                            ({name: ids[1]}, {"Last-Event-ID": ids[0]}),
                            ({name: ids[0]}, {"Last-Event-ID": ids[1]}),
                            ({"after": ids[1]}, {"Last-Event-ID": ids[0]}),
                            ({name: ["", ids[1], ids[0]]}, {})]:
        assert [e.id for e in sluice.stream("a", headers, **params).events(2)] == ids[2:]
    assert sluice.stream("a", **{name: "x"}).problem()["field"] == name


@pytest.mark.parametrize("method, path, name", [
    ("GET", "/events/a?afterr=0", "afterr"), ("GET", "/events?topic=a&Since=1h", "Since"),
    ("GET", "/history/a?Limit=1", "Limit"), ("GET", "/history?id=1&x=1", "x"),
    ("GET", "/topics?fliter=a", "fliter"), ("POST", "/events/a?retain=1", "retain"),
    ("POST", "/events?topic=a", "topic"), ("DELETE", "/history/a?to=5", "to"),
    ("GET", "/events/a?%61fterr=0", "afterr"), ("HEAD", "/topics?x", None)])
def test_a_parameter_that_there_is_not(sluice, method, path, name):
    r = sluice.request(method, path, data=b"x" if method == "POST" else None)
    assert r.status_code == 400
    if name is not None:
        assert r.json()["field"] == name
    assert sluice.request("GET", "/topics?_=17&access_token=x").status_code == 200


def test_curl_sees_the_event(sluice):
    curl = subprocess.Popen(["curl", "-sN", sluice.url("/events/a/b")], stdout=subprocess.PIPE)
    try:
        sluice.wait_metric("sluice_subscriptions", 1)
        event_id = sluice.publish("a/b", "hello")
        lines = iter(curl.stdout.readline, b"")
        assert b"data: hello\n" in lines
        assert event_id
    finally:
        curl.kill()
        curl.wait()


def test_lines_of_a_payload_are_data_lines(sluice):
    s = sluice.stream("a")
    s.started()
    sluice.publish("a", "one\n\ntwo\n")
    assert s.events(1)[0].data == "one\n\ntwo\n"


def test_a_payload_that_is_no_text_comes_as_json(sluice):
    s = sluice.stream("a")
    s.started()
    sluice.publish("a", b"\xff\x00")
    (event,) = s.events(1)
    assert event.type == "sluice.json"
    assert event.json()["data_base64"] == "/wA="


def test_the_type_is_the_event_name_in_both_forms(sluice):
    raw, as_json = sluice.stream("a"), sluice.stream("a", format="json")
    raw.started(), as_json.started()
    sluice.publish("a", "x", Sluice_Type="alarm")
    assert raw.events(1)[0].type == "alarm"
    (event,) = as_json.events(1)
    assert event.type == "alarm" and event.json()["type"] == "alarm"


def test_several_topics_come_as_json(sluice):
    s = sluice.stream(topic=["a", "b/+"])
    s.started()
    sluice.publish("b/c", '{"x": 1}', Content_Type="application/json")
    (event,) = s.events(1)
    assert event.json()["topic"] == "b/c" and event.json()["data"] == {"x": 1}


def test_a_wildcard_gets_what_matches_once(sluice):
    s = sluice.stream("a/#", topic=["a/+", "a/b"])
    s.started()
    sluice.publish("x", "no")
    sluice.publish("a/b", "yes")
    sluice.publish("a/b/c", "also")
    assert [e.json()["data"] for e in s.events(2)] == ["yes", "also"]


def test_a_plus_is_a_plus_and_utf8_is_escaped(sluice):
    s = sluice.stream("ä +/x y", format="json")
    assert s.status == 400  # "+" is not alone in its level
    t = sluice.stream("ä/x y", format="json")
    t.started()
    sluice.publish("ä/x y", "1")
    assert t.events(1)[0].json()["topic"] == "ä/x y"


def test_ndjson_is_chunked_lines(sluice):
    s = sluice.stream("a", NDJSON)
    assert s.headers["content-type"] == "application/x-ndjson"
    assert s.headers["transfer-encoding"] == "chunked"
    assert s.item().kind == "position"
    event_id = sluice.publish("a", "x")
    (event,) = s.events(1)
    assert event.id == event_id and event.json()["data"] == "x"


def test_ndjson_to_http_1_0_is_not_chunked(sluice):
    with sluice.raw() as c:
        c.send(b"GET /events/a HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n")
        status, headers = c.head()
        assert status == 200 and "transfer-encoding" not in headers
        assert "upto" in json.loads(c.line())
        sluice.publish("a", "x")
        assert json.loads(c.line())["data"] == "x"


def test_an_accept_header_that_names_neither_is_refused(sluice):
    s = sluice.stream("a", {"Accept": "image/png"})
    assert s.status == 406 and s.problem()["field"] == "Accept"


def test_head_says_what_get_would(sluice):
    r = sluice.request("HEAD", "/events/a")
    assert r.status_code == 200 and r.headers["Content-Type"] == "text/event-stream; charset=utf-8"


# --- where it starts

def test_after_zero_is_all_that_is_kept(sluice):
    ids = sluice.fill("a", 5)
    s = sluice.stream("a", after=0)
    assert [e.id for e in s.events(5)] == ids


def test_after_is_strictly_after(sluice):
    ids = sluice.fill("a", 5)
    assert [e.id for e in sluice.stream("a", after=ids[2]).events(2)] == ids[3:]


def test_last_event_id_wins_over_the_query(sluice):
    ids = sluice.fill("a", 5)
    s = sluice.stream("a", {"Last-Event-ID": ids[3]}, after=ids[0])
    assert s.events(1)[0].id == ids[4]


def test_an_empty_last_event_id_is_none(sluice):
    ids = sluice.fill("a", 3)
    s = sluice.stream("a", {"Last-Event-ID": ""}, after=ids[0])
    assert [e.id for e in s.events(2)] == ids[1:]


def test_last_n_is_the_newest_of_each_filter(sluice):
    a, b = sluice.fill("a", 5), sluice.fill("b", 5)
    s = sluice.stream(topic=["a", "b"], last=2)
    assert [e.id for e in s.events(4)] == a[3:] + b[3:]
    live = sluice.publish("a", "live")
    assert s.events(1)[0].id == live


def test_since_a_duration(sluice):
    ids = sluice.fill("a", 3)
    assert [e.id for e in sluice.stream("a", since="1h").events(3)] == ids


def test_since_a_time(sluice):
    ids = sluice.fill("a", 3)
    s = sluice.stream("a", since="2020-01-01T00:00:00+02:00")
    assert [e.id for e in s.events(3)] == ids


def test_none_is_from_now(sluice):
    sluice.fill("a", 3)
    s = sluice.stream("a")
    s.started()
    live = sluice.publish("a", "live")
    assert s.events(1)[0].id == live


def test_a_replay_goes_over_into_live(sluice):
    ids = sluice.fill("a", 3000)
    s = sluice.stream("a", after=0)
    got = [e.id for e in s.events(3000)]
    live = sluice.publish("a", "live")
    assert got + [s.events(1)[0].id] == ids + [live]


def test_the_start_position_resumes_without_a_gap(sluice):
    s = sluice.stream("a")
    start = s.started().id
    s.close()
    missed = sluice.publish("a", "missed")
    t = sluice.stream("a", {"Last-Event-ID": start})
    assert t.events(1)[0].id == missed


@pytest.mark.parametrize("params,field,code", [
    ({"after": "x"}, "after", "bad_cursor"),
    ({"after": "-1"}, "after", "bad_cursor"),
    ({"after": str(2**53)}, "after", "bad_cursor"),
    ({"since": "yesterday"}, "since", "bad_cursor"),
    ({"since": "2026-13-01T00:00:00Z"}, "since", "bad_cursor"),
    ({"last": "many"}, "last", "bad_cursor"),
    ({"last": "10001"}, "last", "bad_cursor"),
    ({"last": "1", "after": "1"}, "after", "bad_cursor"),
    ({"format": "xml"}, "format", "bad_request"),
    ({"on_gap": "maybe"}, "on_gap", "bad_request"),
    ({"topic": "a/#/b"}, "topic", "bad_filter"),
    ({"topic": ""}, "topic", "bad_filter"),
])
def test_a_bad_parameter_is_named(sluice, params, field, code):
    s = sluice.stream("a", **params)
    problem = s.problem()
    assert (s.status, problem["status"]) == (400, 400)
    assert s.headers["content-type"] == "application/problem+json"
    assert (problem["field"], problem["code"]) == (field, code)


def test_a_bad_last_event_id_is_named(sluice):
    s = sluice.stream("a", {"Last-Event-ID": "abc"})
    assert s.status == 400 and s.problem()["field"] == "Last-Event-ID"


def test_no_topic_at_all(sluice):
    assert sluice.stream("").problem()["field"] == "topic"


def test_too_many_filters(new_sluice):
    s = new_sluice("[limits]\nmax_filters = 2\n")
    assert s.stream(topic=["a", "b", "c"]).status == 400


# --- gaps

SHORT = '[retention "#"]\nmax_events = 10\n'


def expire(s, ids):
    """Publishes until retention has removed the first of ids."""
    s.fill("a", 100)
    wait_for(lambda: s.history("a", after=0)["events"][0]["id"] > ids[-1], "retention")


def test_an_expired_cursor_gets_a_notice_and_then_what_is_kept(new_sluice):
    s = new_sluice(SHORT)
    ids = s.fill("a", 5)
    expire(s, ids)
    kept = [e["id"] for e in s.history("a", after=0)["events"]]
    stream = s.stream("a", {"Last-Event-ID": ids[0]})
    gap = stream.next("gap", "event")
    assert gap.kind == "gap"
    said = gap.json()
    assert said["reason"] == "expired" and said["requested"] == ids[0]
    assert int(said["removed_to"]) >= int(ids[-1]) and said["resumed_from"] == gap.id
    got = [e.id for e in stream.events(10)]
    assert got[-len(kept):] == kept[-len(got):]


def test_on_gap_fail_is_410_before_the_stream(new_sluice):
    s = new_sluice(SHORT)
    ids = s.fill("a", 5)
    expire(s, ids)
    stream = s.stream("a", {"Last-Event-ID": ids[0]}, on_gap="fail")
    assert stream.status == 410
    assert stream.problem()["gap"]["requested"] == ids[0]


def test_a_future_cursor_gets_a_notice_and_goes_on_from_now(sluice):
    ids = sluice.fill("a", 2)
    s = sluice.stream("a", {"Last-Event-ID": str(int(ids[-1]) + 2**40)})
    gap = s.next("gap", "event")
    assert gap.kind == "gap" and gap.json()["reason"] == "future"
    live = sluice.publish("a", "live")
    assert s.events(1)[0].id == live


def test_a_deleted_history_is_announced(sluice):
    ids = sluice.fill("a", 3)
    r = sluice.request("DELETE", "/history/a")
    assert r.status_code == 200 and r.json() == {"topic": "a", "removed_to": ids[-1]}
    s = sluice.stream("a", {"Last-Event-ID": ids[0]}, )
    gap = s.next("gap", "event")
    assert gap.kind == "gap" and gap.json()["reason"] == "deleted"
    live = sluice.publish("a", "live")
    assert s.events(1)[0].id == live


def test_a_gap_in_ndjson_is_a_line(sluice):
    ids = sluice.fill("a", 3)
    sluice.request("DELETE", "/history/a")
    s = sluice.stream("a", {**NDJSON, "Last-Event-ID": ids[0]})
    gap = s.next("gap", "event")
    assert gap.json()["removed_to"] == ids[-1]


# --- staying alive

def test_keep_alives_carry_the_position(new_sluice):
    s = new_sluice("[sse]\nkeepalive = 300ms\n")
    stream = s.stream("quiet")
    start = int(stream.started().id)
    last = int(s.publish("other", "x"))
    assert last > start
    while (item := stream.next("comment", "position")).kind == "comment" or int(item.id) < last:
        assert item is not None


def test_ndjson_keep_alives_are_positions(new_sluice):
    s = new_sluice("[sse]\nkeepalive = 300ms\n")
    stream = s.stream("quiet", NDJSON)
    assert [stream.item().kind for _ in range(3)] == ["position"] * 3


def test_a_client_that_closes_its_sending_side_is_gone(sluice):
    s = sluice.stream("a")
    s.started()
    s.raw.half_close()
    assert s.next("event") is None
    wait_for(lambda: sluice.metrics()["sluice_subscriptions"] == 0, "the subscription ends")


def test_what_a_stream_client_sends_later_is_ignored(sluice):
    s = sluice.stream("a")
    s.started()
    s.raw.send(b"GET /again HTTP/1.1\r\n\r\n" * 10)
    event_id = sluice.publish("a", "x")
    assert s.events(1)[0].id == event_id


def test_the_broker_away_opens_the_stream_with_comments(sluice):
    sluice.broker.kill()
    s = sluice.stream("a")
    assert s.status == 200
    assert s.next("comment").kind == "comment"
    sluice.broker.start()
    s.started()
    live = sluice.publish("a", "live")
    assert s.events(1)[0].id == live


def test_the_broker_away_is_503_to_those_who_want_to_know(sluice):
    sluice.broker.kill()
    s = sluice.stream("a", on_gap="fail")
    t = sluice.stream("a", NDJSON)
    assert s.status == 503 and s.headers["retry-after"]
    assert t.status == 503


def test_a_stream_outlives_the_broker(sluice):
    s = sluice.stream("a")
    s.started()
    before = sluice.publish("a", "before")
    sluice.broker.restart()
    after = sluice.publish("a", "after")
    assert [e.id for e in s.events(2)] == [before, after]


# --- clients that read slowly

def test_a_client_that_does_not_read_gets_everything_later(new_sluice):
    s = new_sluice("[limits]\nring = 256k\n")
    slow = s.stream("a", rcvbuf=4096)
    slow.started()
    payload = "x" * 400
    ids = []
    for _ in range(10):
        ids += s.fill("a", 2000, lambda n: payload)
    assert [e.id for e in slow.events(len(ids))] == ids


def test_a_client_that_does_not_read_costs_no_growing_memory(new_sluice):
    s = new_sluice("[limits]\nring = 1M\npage_cache = 1M\n")
    slow = s.stream("a", rcvbuf=4096)
    slow.started()
    s.fill("a", 20000, lambda n: "x" * 200)
    before = s.sse.memory()
    s.fill("a", 60000, lambda n: "x" * 200)
    assert s.sse.memory() - before < 4 * 1024 * 1024
    assert s.metrics()["sluice_subscriptions"] == 1


def test_half_written_events_are_bounded(new_sluice):
    """Clients stop within a large event each; over ring_pinned the longest stalled is closed.
    Events of many sizes, so that what the kernel takes ends at no client's event."""
    s = new_sluice("[limits]\nring = 1M\nring_pinned = 1M\npage_cache = 1M\n")
    payloads = {f"a/{n}": "x" * (550_000 + 50_000 * n) for n in range(8)}
    stalled = [s.stream(topic, rcvbuf=4096) for topic in payloads]
    for stream in stalled:
        stream.started()

    def closed():
        for topic, payload in payloads.items():
            s.publish(topic, payload)
        m = s.metrics()
        assert m["sluice_ring_pinned_bytes"] <= 1024 * 1024
        return m["sluice_stalled_closed_total"] > 0

    wait_for(closed, "a stalled client is closed")
    fast = s.stream("a")
    fast.started()
    live = s.publish("a", "live")
    assert fast.events(1)[0].id == live


def test_a_slow_client_holds_up_nobody(sluice):
    slow, fast = sluice.stream("a", rcvbuf=4096), sluice.stream("a")
    slow.started(), fast.started()
    ids = sluice.fill("a", 10000, lambda n: "x" * 500)
    assert [e.id for e in fast.events(10000)] == ids


# --- the process

def test_sigterm_ends_streams_cleanly(sluice):
    sse, ndjson = sluice.stream("a"), sluice.stream("a", NDJSON)
    sse.started(), ndjson.started()
    sluice.sse.signal(signal.SIGTERM)
    assert sse.next("event") is None and ndjson.next("event") is None
    assert ndjson.whole
    assert sluice.sse.popen.wait(TIMEOUT) == 0


def test_sigterm_refuses_new_clients(sluice):
    held = sluice.stream("a")
    held.started()
    port = sluice.port()
    assert sluice.sse.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)


def test_ready_follows_the_broker(sluice):
    assert sluice.admin("/readyz")[0] == 200
    sluice.broker.kill()
    wait_for(lambda: sluice.admin("/readyz")[0] == 503, "not ready without a broker")
    sluice.broker.start()
    wait_for(lambda: sluice.admin("/readyz")[0] == 200, "ready again")


def test_listening_beyond_loopback_must_be_asked_for(sluice):
    p = subprocess.run([*sluice.sse.command, "--admin-listen", "", "--listen", "0.0.0.0:0"], capture_output=True,
                       timeout=TIMEOUT, check=False)
    assert p.returncode == 1 and b"allow_anonymous" in p.stderr


def test_connections_are_limited(new_sluice):
    s = new_sluice("[limits]\nmax_connections = 3\n")
    held = [s.stream("a") for _ in range(3)]
    for stream in held:
        stream.started()
    with s.raw() as c:
        assert c.head()[0] == 429
    held[0].close()

    def admitted():
        with s.raw() as c:
            c.send(b"GET /topics HTTP/1.1\r\nHost: x\r\n\r\n")
            return c.head()[0] == 200

    wait_for(admitted, "room for another client")


def test_a_thousand_streams_all_get_it(new_sluice):
    s = new_sluice()
    streams = [s.stream("a") for _ in range(1000)]
    for stream in streams:
        stream.started()
    event_id = s.publish("a", "all")
    begin = time.monotonic()
    assert all(stream.events(1)[0].id == event_id for stream in streams)
    assert time.monotonic() - begin < TIMEOUT


def test_half_a_surrogate_pair_is_json(sluice):
    """By RFC 8259's grammar; it stays `data`, byte for byte."""
    s = sluice.stream("a/#")
    s.started()
    whole = r'{"a":"\ud83d","b":["\ude00x"]}'
    sluice.publish("a/1", whole, Content_Type="application/json")
    r = sluice.request("POST", "/events", data=r'{"topic":"a/2","data":' + whole + "}\n",
                       headers={"Content-Type": "application/x-ndjson"})
    assert r.status_code == 201
    for event in s.events(2):
        assert f'"data":{whole}' in event.data
    for line, field in [(r'{"topic":"a","data":"\ud83d"}', "data"),
                        (r'{"topic":"a\ud83d","data":1}', "topic")]:
        r = sluice.request("POST", "/events", data=line + "\n",
                           headers={"Content-Type": "application/x-ndjson"})
        assert (r.status_code, r.json()["field"]) == (400, field)
