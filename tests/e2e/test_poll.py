"""Long-poll: answers and waits, cursors, forms, connections."""

import json
import signal
import threading
import time

import pytest
from sluicelib import TIMEOUT, Raw, wait_for

LONG = "60s"  # longer than any test


@pytest.fixture
def sluice(new_sluice):
    return new_sluice(gateways=("sse", "poll"))


def poll(s, name, headers=None, /, **params):
    return s.request("GET", f"/events/{name}", "poll", params, headers=headers)


def ids_of(r):
    assert r.status_code == 200, (r.status_code, r.text)
    return [e["id"] for e in r.json()["events"]]


def waiting(s, count=1):
    return wait_for(lambda: s.metrics("poll")["sluice_subscriptions"] == count, f"{count} wait")


class Waiting(threading.Thread):
    """A poll that is under way; result() is its answer."""

    def __init__(self, s, name, headers=None, **params):
        super().__init__(daemon=True)
        self.c = s.raw("poll")
        query = "&".join(f"{k}={v}" for k, v in {"wait": LONG, **params}.items())
        self.c.send(request(f"/events/{name}?{query}", headers))
        self.start()

    def run(self):
        self.answer = self.c.answer()

    def result(self):
        self.join(TIMEOUT)
        self.c.close()
        return self.answer


def request(target, headers=None, method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: x"]
    lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# --- answers

def test_what_is_there_is_answered_at_once(sluice):
    ids = sluice.fill("a", 3)
    r = poll(sluice, "a", after=0)
    assert ids_of(r) == ids and r.json()["next"] == ids[-1]
    assert r.headers["Content-Type"] == "application/json"
    assert (r.headers["Sluice-Next"], r.headers["ETag"]) == (ids[-1], f'"{ids[-1]}"')
    assert r.headers["Cache-Control"] == "no-store"
    assert "gap" not in r.json()


def test_the_next_event_is_answered_as_it_comes(sluice):
    first = sluice.publish("a", "first")
    w = Waiting(sluice, "a", after=first)
    waiting(sluice)
    second = sluice.publish("a", "second")
    answer = w.result()
    assert [e["id"] for e in answer.json()["events"]] == [second]
    assert answer.json()["next"] == second


def test_an_answer_holds_what_comes_at_once(sluice):
    w = Waiting(sluice, "a")
    waiting(sluice)
    ids = sluice.fill("a", 50)
    assert [e["id"] for e in w.result().json()["events"]] == ids


def test_limit(sluice):
    ids = sluice.fill("a", 250)
    assert ids_of(poll(sluice, "a", after=0)) == ids[:100]
    r = poll(sluice, "a", after=ids[9], limit=5)
    assert ids_of(r) == ids[10:15] and r.json()["next"] == ids[14]


def test_nothing_within_wait_is_204(sluice):
    event_id = sluice.publish("a", "x")
    begin = time.monotonic()
    r = poll(sluice, "a", after=event_id, wait="300ms")
    assert 0.3 <= time.monotonic() - begin < 5
    assert r.status_code == 204 and r.content == b""
    assert int(r.headers["Sluice-Next"]) >= int(event_id)
    assert r.headers["ETag"] == '"' + r.headers["Sluice-Next"] + '"'


@pytest.mark.parametrize("params", [{}, {"after": 0}, {"last": 5}, {"since": "1h"}])
def test_no_wait_answers_at_once(sluice, params):
    begin = time.monotonic()
    assert poll(sluice, "cold", wait="0s", **params).status_code == 204
    assert time.monotonic() - begin < 1


def test_no_wait_still_sees_what_is_stored(sluice):
    ids = sluice.fill("a", 3)
    assert ids_of(poll(sluice, "a", after=ids[0], wait="0s")) == ids[1:]


def test_if_none_match_is_a_cursor(sluice):
    ids = sluice.fill("a", 3)
    tag = {"If-None-Match": f'"{ids[1]}"'}
    assert ids_of(poll(sluice, "a", tag)) == ids[2:]
    r = poll(sluice, "a", {"If-None-Match": f'W/"{ids[2]}"'}, wait="0s")
    assert r.status_code == 304 and r.content == b""
    assert int(r.headers["Sluice-Next"]) >= int(ids[2]) and r.headers["ETag"]


def test_after_wins_over_if_none_match(sluice):
    ids = sluice.fill("a", 3)
    tag = {"If-None-Match": f'"{ids[2]}"'}
    assert ids_of(poll(sluice, "a", tag, after=ids[0])) == ids[1:]
    assert poll(sluice, "a", tag, after=ids[2], wait="0s").status_code == 204


def test_last_event_id_wins_over_after(sluice):
    ids = sluice.fill("a", 3)
    assert ids_of(poll(sluice, "a", {"Last-Event-ID": ids[1]}, after=0)) == ids[2:]


def test_last_and_since(sluice):
    ids = sluice.fill("a", 5)
    assert ids_of(poll(sluice, "a", last=2)) == ids[3:]
    assert ids_of(poll(sluice, "a", since="1h")) == ids


def test_several_topics_and_wildcards(sluice):
    ids = sluice.batch([{"topic": t, "data": t} for t in ("a", "b/1", "c", "b/2/3")])
    assert ids_of(poll(sluice, "a", topic="b/+", after=0)) == ids[:2]
    assert ids_of(poll(sluice, "%23", after=0)) == ids
    r = sluice.request("GET", "/events", "poll", {"topic": ["b/#", "c"], "after": 0})
    assert ids_of(r) == ids[1:]


def test_an_event_has_its_json_form(sluice):
    sluice.publish("a", '{"x": 1}', Content_Type="application/json", Sluice_Type="t",
                   Sluice_Property="k=v")
    (event,) = poll(sluice, "a", after=0).json()["events"]
    assert event["data"] == {"x": 1} and event["type"] == "t"
    assert event["properties"] == [["k", "v"]]


def test_head_tells_where_the_log_ends(sluice):
    event_id = sluice.publish("other", "x")
    r = sluice.request("HEAD", "/events/a", "poll")
    assert r.status_code == 200
    assert r.headers["Sluice-Next"] == event_id and r.headers["ETag"] == f'"{event_id}"'
    new = sluice.publish("a", "new")
    assert ids_of(poll(sluice, "a", after=r.headers["Sluice-Next"])) == [new]


@pytest.mark.parametrize("params,headers,field", [
    ({"wait": "30"}, {}, "wait"),
    ({"wait": "soon"}, {}, "wait"),
    ({"wait": "6m"}, {}, "wait"),
    ({"limit": "0"}, {}, "limit"),
    ({"limit": "501"}, {}, "limit"),
    ({"limit": "2", "format": "raw"}, {}, "limit"),
    ({"format": "xml"}, {}, "format"),
    ({"after": "x"}, {}, "after"),
    ({"after": "1", "last": "1"}, {}, "last"),
    ({"topic": "a/#/b"}, {}, "topic"),
    ({}, {"If-None-Match": '"abc"'}, "If-None-Match"),
    ({}, {"If-None-Match": f'"{2**53}"'}, "If-None-Match"),
    ({}, {"If-None-Match": '"1", 2'}, "If-None-Match"),
])
def test_a_bad_parameter_is_named(sluice, params, headers, field):
    r = poll(sluice, "a", headers, **params)
    assert r.status_code == 400 and r.json()["field"] == field


def test_defaults_are_configured(new_sluice):
    s = new_sluice("[poll]\nwait = 200ms\nmax_wait = 1s\nlimit = 2\nmax_limit = 3\n",
                   gateways=("poll",))
    ids = s.batch([{"topic": "a", "data": n} for n in range(5)], "poll")
    assert ids_of(poll(s, "a", after=0)) == ids[:2]
    assert poll(s, "a", limit=4).status_code == 400 and poll(s, "a", wait="2s").status_code == 400
    begin = time.monotonic()
    assert poll(s, "a").status_code == 204
    assert time.monotonic() - begin < 10


# --- one poll after another

def test_following_next_misses_nothing(sluice):
    ids = sluice.fill("a", 1000)
    got, after = [], 0
    while len(got) < len(ids):
        r = poll(sluice, "a", after=after, limit=7)
        got += ids_of(r)
        after = r.json()["next"]
    assert got == ids


def test_the_first_poll_needs_no_cursor(sluice):
    """Whatever comes between the first answer and the second poll is in the second."""
    sluice.fill("a", 3)
    first = poll(sluice, "a", wait="0s")
    between = sluice.publish("a", "between")
    second = poll(sluice, "a", after=first.headers["Sluice-Next"], wait="0s")
    assert ids_of(second) == [between]


def test_the_etag_of_a_304_goes_on(sluice):
    sluice.fill("a", 3)
    tag = poll(sluice, "a", wait="0s").headers["ETag"]
    tag = poll(sluice, "a", {"If-None-Match": tag}, wait="0s").headers["ETag"]
    event_id = sluice.publish("a", "x")
    assert ids_of(poll(sluice, "a", {"If-None-Match": tag})) == [event_id]


def test_polling_at_the_head_costs_the_broker_nothing(sluice):
    """Neither pages nor filters: the topic stays warm between polls."""
    r = poll(sluice, "a", wait="0s")
    pages = sluice.metrics("poll")["sluice_pages_total"]
    for n in range(50):
        event_id = sluice.publish("a", str(n))
        r = poll(sluice, "a", after=r.headers["Sluice-Next"])
        assert ids_of(r) == [event_id]
        assert poll(sluice, "a", after=r.headers["Sluice-Next"], wait="0s").status_code == 204
    assert sluice.metrics("poll")["sluice_pages_total"] == pages


def test_polling_through_history_reads_each_page_once(sluice):
    ids = sluice.fill("a", 5000)
    got, after = [], 0
    while len(got) < len(ids):
        r = poll(sluice, "a", after=after, limit=50)
        got += ids_of(r)
        after = r.json()["next"]
    assert got == ids
    assert sluice.metrics("poll")["sluice_pages_total"] <= 5000 / 500 + 3


def test_sse_and_long_poll_speak_of_the_same_events(sluice):
    """Must show 1, in part: the same IDs at both, and each goes on where the other stopped."""
    ids = sluice.fill("a", 300)
    got, after = [], "0"
    while len(got) < len(ids):
        r = poll(sluice, "a", after=after, limit=20)
        got += ids_of(r)
        stream = sluice.stream("a", {"Last-Event-ID": r.json()["next"]})
        got += [e.id for e in stream.events(min(30, len(ids) - len(got)))]
        after = got[-1]
        stream.close()
    assert got == ids
    live = sluice.publish("a", "live", gateway="poll")
    assert ids_of(poll(sluice, "a", after=after)) == [live]
    assert sluice.stream("a", {"Last-Event-ID": after}).events(1)[0].id == live


# --- raw

def test_raw_is_the_payload_and_its_properties(sluice):
    event_id = sluice.publish(
        "ä/b c", b"\x00\xff", Content_Type="image/png", Sluice_Type="t", Sluice_Expiry="60",
        Sluice_Property="k=v=w", Sluice_Retain="true", Sluice_Correlation_Data="AP8=",
        Sluice_Response_Topic="re/ply", Producer_Id="p", Producer_Epoch="3", Producer_Seq="0")
    r = poll(sluice, "%C3%A4/b%20c", after=0, format="raw")
    assert r.status_code == 200 and r.content == b"\x00\xff"
    said = {"Content-Type": "image/png", "Sluice-Id": event_id, "Sluice-Topic": "%C3%A4/b%20c",
            "Sluice-Type": "t", "Sluice-Expiry": "60", "Sluice-Property": "k=v=w",
            "Sluice-Retain": "true", "Sluice-Correlation-Data": "AP8=", "Sluice-Next": event_id,
            "Sluice-Response-Topic": "re/ply", "Producer-Id": "p", "Producer-Epoch": "3",
            "Producer-Seq": "0", "X-Content-Type-Options": "nosniff"}
    assert {k: r.headers.get(k) for k in said} == said
    assert r.headers["Sluice-Time"].endswith("Z")


def test_raw_answers_one_event_after_the_other(sluice):
    ids = sluice.fill("a", 3)
    after = 0
    for n, event_id in enumerate(ids):
        r = poll(sluice, "a", after=after, format="raw")
        assert (r.text, r.headers["Sluice-Id"]) == (f"event {n}", event_id)
        after = r.headers["Sluice-Next"]
    assert poll(sluice, "a", after=after, format="raw", wait="0s").status_code == 204


def test_raw_of_an_empty_payload(sluice):
    sluice.publish("a", b"")
    r = poll(sluice, "a", after=0, format="raw")
    assert r.status_code == 200 and r.content == b"" and r.headers["Content-Length"] == "0"
    assert r.headers["Content-Type"] == "application/octet-stream"


def test_raw_of_text_says_so(sluice):
    sluice.publish("a", "ä".encode(), Sluice_Payload_Format="1")
    r = poll(sluice, "a", after=0, format="raw")
    assert r.headers["Content-Type"] == "text/plain; charset=utf-8" and r.text == "ä"


@pytest.mark.parametrize("event", [
    {"properties": [["a=b", "c"]]},
    {"properties": [["a", "blank last "]]},
    {"properties": [["n", str(n)] for n in range(70)]},
    {"properties": [["long", "x" * 9000]]},
])
def test_what_header_fields_cannot_carry_comes_as_json(sluice, event):
    sluice.batch([{"topic": "a", "data": "x", **event}])
    r = poll(sluice, "a", after=0, format="raw")
    assert r.headers["Sluice-Format"] == "json"
    assert r.headers["Content-Type"] == "application/json"
    assert r.json()["properties"] == event["properties"] and r.json()["data"] == "x"


# --- gaps

def test_a_gap_is_told_with_the_events(sluice):
    ids = sluice.fill("a", 3)
    sluice.request("DELETE", "/history/a", "poll")
    new = sluice.publish("a", "new")
    r = poll(sluice, "a", after=ids[0])
    gap = r.json()["gap"]
    assert ids_of(r) == [new]
    assert (gap["reason"], gap["requested"], gap["removed_to"]) == ("deleted", ids[0], ids[-1])


def test_a_gap_alone_is_told_at_once(sluice):
    ids = sluice.fill("a", 3)
    sluice.request("DELETE", "/history/a", "poll")
    r = poll(sluice, "a", after=ids[0], wait=LONG)
    assert ids_of(r) == [] and r.json()["gap"]["removed_to"] == ids[-1]
    new = sluice.publish("a", "new")
    r = poll(sluice, "a", after=r.json()["next"])
    assert ids_of(r) == [new] and "gap" not in r.json()


def test_a_gap_in_raw_is_a_header(sluice):
    ids = sluice.fill("a", 3)
    sluice.request("DELETE", "/history/a", "poll")
    r = poll(sluice, "a", after=ids[0], format="raw", wait=LONG)
    assert r.status_code == 204
    assert json.loads(r.headers["Sluice-Gap"])["removed_to"] == ids[-1]
    sluice.publish("a", "new")
    r = wait_for(lambda: (r := poll(sluice, "a", after=ids[0], format="raw")).text and r,
                 "the event at this gateway")
    assert r.text == "new" and json.loads(r.headers["Sluice-Gap"])["requested"] == ids[0]


def test_on_gap_fail_is_410(sluice):
    ids = sluice.fill("a", 3)
    sluice.request("DELETE", "/history/a", "poll")
    r = poll(sluice, "a", after=ids[0], on_gap="fail")
    assert r.status_code == 410 and r.json()["gap"]["requested"] == ids[0]
    assert poll(sluice, "a", after=ids[-1], on_gap="fail", wait="0s").status_code == 204


def test_a_future_cursor_is_told(sluice):
    ids = sluice.fill("a", 2)
    r = poll(sluice, "a", after=int(ids[-1]) + 2**40)
    assert ids_of(r) == [] and r.json()["gap"]["reason"] == "future"
    live = sluice.publish("a", "live")
    assert ids_of(poll(sluice, "a", after=r.json()["next"])) == [live]


# --- connections

def test_a_connection_is_kept(sluice):
    event_id = sluice.publish("a", "x")
    with sluice.raw("poll") as c:
        for target, status in [("/events/a?after=0", 200), (f"/events/a?after={event_id}&wait=0s", 204),
                               ("/events/a?wait=x", 400), ("/history/a", 200),
                               ("/events/a?after=0&format=raw", 200)]:
            answer = c.send(request(target)).answer()
            assert answer.status == status and "connection" not in answer.headers


def test_pipelined_polls_are_answered_in_order(sluice):
    ids = sluice.fill("a", 3)
    with sluice.raw("poll") as c:
        c.send(request("/events/a?after=0&limit=1") + request(f"/events/a?after={ids[2]}&wait={LONG}") +
               request(f"/events/a?after={ids[0]}&limit=1") + request("/topics"))
        assert c.answer().json()["next"] == ids[0]
        waiting(sluice)
        live = sluice.publish("a", "live")
        assert c.answer().json()["next"] == live
        assert c.answer().json()["next"] == ids[1]
        assert c.answer().json()["topics"][0]["head"] == live


def test_many_pipelined_polls_that_wait(sluice):
    with sluice.raw("poll") as c:
        c.send(request("/events/a?wait=100ms") * 3 + request("/events/a?wait=0s") * 200)
        assert [c.answer().status for _ in range(203)] == [204] * 203


def test_http_1_0_closes(sluice):
    sluice.publish("a", "x")
    with sluice.raw("poll") as c:
        c.send(b"GET /events/a?after=0 HTTP/1.0\r\n\r\n")
        answer = c.answer()
        assert answer.status == 200 and len(answer.json()["events"]) == 1
        assert c.rest() == b""


def test_a_client_that_leaves_is_forgotten_at_once(sluice):
    clients = [sluice.raw("poll") for _ in range(20)]
    for c in clients:
        c.send(request(f"/events/a?wait={LONG}"))
    waiting(sluice, 20)
    for c in clients:
        c.close()
    waiting(sluice, 0)
    wait_for(lambda: sluice.metrics("poll")["sluice_connections"] == 0, "connections are closed")


def test_a_client_that_sends_no_more_gets_what_is_there(sluice):
    sluice.publish("a", "x")
    with sluice.raw("poll") as c:
        c.send(request("/events/a?after=0") + request(f"/events/a?wait={LONG}")).half_close()
        assert len(c.answer().json()["events"]) == 1
        assert c.answer().status == 204
        assert c.rest() == b""


def test_sigterm_answers_those_who_wait(sluice):
    assert poll(sluice, "a", wait="0s").status_code == 204  # now the topic is warm
    w = Waiting(sluice, "a")
    waiting(sluice)
    sluice.processes["poll"].signal(signal.SIGTERM)
    answer = w.result()
    assert answer.status == 204 and answer.headers["connection"] == "close"
    assert answer.headers["sluice-next"]
    assert sluice.processes["poll"].popen.wait(TIMEOUT) == 0


def test_the_broker_away_is_503(sluice):
    sluice.broker.kill()
    r = poll(sluice, "a", after=0, wait=LONG)
    assert r.status_code == 503 and r.headers["Retry-After"] == "1"


def test_a_waiting_poll_outlives_the_broker(sluice):
    """From a cursor: without one it would begin wherever the broker says so, which it may not
    have said yet when it ends."""
    w = Waiting(sluice, "a", after=sluice.publish("a", "before"))
    waiting(sluice)
    sluice.broker.restart()
    event_id = sluice.publish("a", "x")
    assert [e["id"] for e in w.result().json()["events"]] == [event_id]


def test_a_large_answer_to_one_who_reads_slowly(new_sluice):
    """It is held once for all who have yet to take it, and counted; past the limit the one
    stalled longest is closed."""
    s = new_sluice("[limits]\nring_pinned = 9M\nmax_payload = 8M\n", gateways=("poll",))
    large = b"x" * 4000000

    def held():
        return s.metrics("poll")["sluice_ring_pinned_bytes"]

    event_id = s.publish("a", large, gateway="poll")
    slow = [Slow(s, "/events/a?after=0") for _ in range(8)]
    wait_for(lambda: s.metrics("poll")["sluice_deliveries_total"] == 8, "all are answered")
    assert 4e6 < held() < 4.1e6
    assert [c.read()["events"][0]["id"] for c in slow] == [event_id] * 8
    assert held() == 0
    for n in range(4):
        s.publish(f"b/{n}", large, gateway="poll")
        slow.append(Slow(s, f"/events/b/{n}?after=0"))
    wait_for(lambda: s.metrics("poll")["sluice_stalled_closed_total"] == 2, "two are closed")
    assert held() < 9 * 1024 * 1024
    assert slow[-1].read()["next"] and slow[-2].read()["next"]


class Slow:
    """Asks with a small receive buffer and reads nothing until read()."""

    def __init__(self, s, target):
        self.c = Raw(s.port("poll"), rcvbuf=4096)
        self.c.send(request(target))

    def read(self):
        with self.c:
            return self.c.answer().json()


# --- what all gateways share

def test_publishing_history_and_topics_are_here_too(sluice):
    event_id = sluice.publish("a/b", "x", gateway="poll")
    assert sluice.history("a/b", gateway="poll")["events"][0]["id"] == event_id
    r = sluice.request("GET", "/history", "poll", {"id": event_id})
    assert r.json()["topic"] == "a/b"
    (topic,) = sluice.request("GET", "/topics", "poll", {"filter": "a/#"}).json()["topics"]
    assert (topic["topic"], topic["head"], topic["events"]) == ("a/b", event_id, 1)
    lines = sluice.request("GET", "/history/a/b", "poll", headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line).get("id") for line in lines.text.splitlines()] == [event_id, None]
    assert sluice.request("DELETE", "/history/a/b", "poll").json()["removed_to"] == event_id
    assert sluice.history("a/b", gateway="poll")["events"] == []


def test_browsers_may_be_let_in(new_sluice):
    s = new_sluice("[poll]\nallow_origin = https://x.example\n", gateways=("poll",))
    r = poll(s, "a", {"Origin": "https://x.example"}, wait="0s")
    assert r.headers["Access-Control-Allow-Origin"] == "https://x.example"
    assert "Sluice-Next" in r.headers["Access-Control-Expose-Headers"]
    r = s.request("OPTIONS", "/events/a", "poll", headers={
        "Origin": "https://x.example", "Access-Control-Request-Method": "GET"})
    assert "If-None-Match" in r.headers["Access-Control-Allow-Headers"]
