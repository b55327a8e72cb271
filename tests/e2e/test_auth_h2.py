"""Who each stream of an HTTP/2 connection comes from, what it may, and how it ends."""

import json
import subprocess
import threading
import time

import h2lib
import pytest
from authlib import Auth, jwt, token
from sluicelib import TIMEOUT, wait_for

NDJSON = {"accept": "application/x-ndjson"}


def lower(fields):
    return {k.lower(): v for k, v in fields.items()}


def bearer(sub, **kw):
    return lower(Auth.bearer(sub, **kw))


def basic(name, password):
    return lower(Auth.basic(name, password))


@pytest.fixture
def new_h2(new_sluice, tmp_path):
    made = []

    def make(auth=None, **kw):
        auth = auth or Auth(tmp_path, roles={"user": {"publish": "u/%u", "subscribe": "u/#"}},
                            users={n: (f"pw of {n}", "user") for n in ("alice", "bob", "carol")},
                            more="leeway = 0s\ncookie = sid")
        s = new_sluice(auth.config(), gateways=("sse", "h2"), **kw)
        s.auth = auth
        s.session.headers.update(Auth.bearer("root", publish=["#"], subscribe=["#"]))

        def connect(**settings):
            made.append(h2lib.Connection(s.port("h2"), **settings))
            return made[-1]

        s.connect = connect
        return s

    yield make
    for c in made:
        c.close()


@pytest.fixture
def h2(new_h2):
    return new_h2()


GRANTS = {"publish": ["a"], "subscribe": ["a"], "manage": ["a"]}
VERBS = [("POST", "/events/{}", b"x", "publish", 201), ("GET", "/history/{}", None, "subscribe", 200),
         ("DELETE", "/history/{}", None, "manage", 200)]
WRONG = {
    "no JWT": lambda: {"authorization": "Bearer abc"},
    "no scheme of ours": lambda: {"authorization": "Digest x"},
    "malformed": lambda: {"authorization": "Bearer a b"},
    "expired": lambda: bearer("alice", ttl=-60, **GRANTS),
    "not yet": lambda: bearer("alice", claims={"nbf": time.time() + 600}, **GRANTS),
    "another key": lambda: bearer("alice", key=b"another key of 32 bytes, or more", **GRANTS),
    "none": lambda: {"authorization": "Bearer " + jwt({"sub": "alice"}, alg="none")},
    "another password": lambda: basic("alice", "pw of bob"),
    "nobody": lambda: basic("eve", "pw of eve"),
    "a cookie": lambda: {"cookie": "sid=abc"},
}


def refused(x, status, code):
    assert x.status == status, (x.status, x.body)
    problem = x.json()
    assert (problem["status"], problem["code"]) == (status, code)
    return problem


# --- requests -------------------------------------------------------------------------


def test_each_stream_is_whoever_it_shows(h2):
    """On one connection, in turn and all at once."""
    c = h2.connect()
    good = token("dora", **GRANTS)
    ways = [({"authorization": f"Bearer {good}"}, ""), ({"cookie": f"x=1; sid={good}"}, ""),
            ({}, f"?access_token={good}")]
    for method, path, body, verb, status in VERBS:
        for headers, query in ways:
            x = c.request(method, path.format("a") + query, headers, body)
            assert x.status == status, (x.status, x.body)
            problem = refused(c.request(method, path.format("b") + query, headers, body),
                              403, "forbidden")
            assert (problem["verb"], problem["filter"]) == (verb, "b")
        refused(c.request(method, path.format("a"), (), body), 401, "unauthorized")
    names = ["alice", "bob", "carol", "eve"] * 10
    asked = [c.begin("POST", f"/events/u/{n}", basic(n, f"pw of {n}"), b"x") for n in names]
    assert [x.wait().status for x in asked] == [401 if n == "eve" else 201 for n in names]
    assert refused(c.request("POST", "/events/u/bob", basic("alice", "pw of alice"), b"x"),
                   403, "forbidden")["filter"] == "u/bob"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_no_stranger(h2, what):
    c = h2.connect()
    shown = WRONG[what]()
    for method, path, body, _, _ in VERBS:
        x = c.request(method, path.format("a"), shown, body)
        refused(x, 401, "unauthorized")
        assert "www-authenticate" in x.headers and x.headers["x-request-id"]
    refused(c.begin("GET", "/events/a", shown).wait(), 401, "unauthorized")
    assert c.request("POST", "/events/a", bearer("dora", **GRANTS), b"x").status == 201
    assert c.goaway is None


def test_a_body_waits_until_its_sender_is_known(h2):
    c = h2.connect()
    body = b"x" * 900_000
    for _ in range(3):
        x = c.begin("POST", "/events/u/alice", basic("alice", "pw of alice"), body)
        y = c.begin("POST", "/events/u/alice", basic("alice", "wrong"), body)
        assert x.wait().status == 201
        refused(y.wait(), 401, "unauthorized")
    assert c.request("GET", "/history/u/alice", basic("bob", "pw of bob")).status == 200
    too_large = c.begin("POST", "/events/u/bob", basic("bob", "pw of bob"), b"x" * 1_100_000)
    assert too_large.wait().status == 413


def test_one_who_leaves_while_it_is_asked_about_leaves_nothing(h2):
    for n in range(20):
        c = h2.connect()
        for m in range(5):
            x = c.begin("POST", "/events/u/alice", basic("alice", f"wrong {n} {m}"), b"x", end=False)
            c.cancel(x)
        c.close()
    wait_for(lambda: h2.metrics("h2")["sluice_http2_streams"] == 0, "no streams")
    assert h2.connect().request("GET", "/topics", basic("bob", "pw of bob")).status == 200


def test_a_preflight_and_what_is_nowhere_need_no_credentials(new_h2, tmp_path):
    h2 = new_h2(Auth(tmp_path, rest="[h2]\nallow_origin = https://a.example"))
    c = h2.connect()
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert c.request("OPTIONS", "/events/a", asked).status == 204
    refused(c.request("GET", "/nowhere"), 404, "not_found")
    x = c.request("GET", "/topics", {"origin": "https://a.example"})
    refused(x, 401, "unauthorized")
    assert x.headers["access-control-allow-origin"] == "https://a.example"


# --- streams that end -----------------------------------------------------------------


def publishing(s, topic):
    """(stop, ids): batches until stop() is called."""
    ids, over = [], threading.Event()

    def run():
        while not over.is_set():
            ids.extend(s.batch([{"topic": topic, "data": n} for n in range(20)]))

    thread = threading.Thread(target=run)
    thread.start()

    def stop():
        over.set()
        thread.join()
        return ids
    return stop


def read_to_end(st):
    """(IDs of events, the item that tells of the end)"""
    seen, last = [], None
    while (item := st.next("event", "gap", "expired")) is not None:
        assert last is None and item.kind != "gap", item
        if item.kind == "event":
            seen.append(item.id)
        else:
            last = item
    return seen, last


def test_a_token_that_runs_out_ends_its_streams_whole(h2):
    c = h2.connect()
    own, other = bearer("dora", ttl=2, subscribe=["a/#"]), bearer("otto", subscribe=["#"])
    first, lines = c.stream("a/x", own), c.stream("a/x", {**own, **NDJSON})
    still = c.stream("a/y", other)
    assert (first.status, lines.status, still.status) == (200, 200, 200)
    stop = publishing(h2, "a/x")
    seen, last = read_to_end(first)
    same, line = read_to_end(lines)
    ids = stop()
    assert first.x.ended and first.x.reset is None and lines.x.ended
    assert same == ids[:len(same)] and json.loads(line.data)["position"] == line.id
    assert json.loads(last.data)["reason"] == "expired"
    assert json.loads(last.data)["position"] == last.id
    again = c.stream("a/x", {**bearer("dora", subscribe=["a/#"]), "last-event-id": last.id})
    while len(seen) < len(ids):
        seen += [e.id for e in again.events(1)]
    assert seen == ids
    h2.publish("a/y", b"still")
    assert still.events(1)[0].data == "still"


def test_a_revoked_token_ends_streams_within_a_second(h2):
    c = h2.connect()
    bad = bearer("dora", subscribe=["#"], claims={"jti": "bad"})
    streams = [c.stream(f"a/{n}", bad) for n in range(20)]
    assert {s.status for s in streams} == {200}
    still = c.stream("a/0", bearer("otto", subscribe=["#"]))
    assert still.status == 200
    h2.auth.revoke("bad")
    begun = time.monotonic()
    h2.auth.reload(h2)
    for s in streams:
        seen, last = read_to_end(s)
        assert seen == [] and json.loads(last.data)["reason"] == "revoked" and s.x.ended
    assert time.monotonic() - begun < 2
    refused(c.request("GET", "/topics", bad), 401, "unauthorized")
    h2.publish("a/0", b"still")
    assert still.events(1)[0].data == "still"


def test_pushed_events_come_with_the_streams_own_grants(h2):
    c = h2.connect(settings={h2lib.PUSH: 1})
    s = c.stream("a/#", bearer("dora", ttl=3, subscribe=["a/#"]), push=1)
    assert s.status == 200
    id_ = h2.publish("a/b", b"pushed")
    h2.publish("b", b"not for it")
    c.until(lambda: s.x.promises, "a promise")
    assert s.x.promises[0].wait().json()["id"] == id_
    while not s.x.over:
        c.pump()
    assert len(s.x.promises) == 1 and s.x.ended
    refused(c.request("GET", f"/history?id={int(id_) + 1}", bearer("dora", subscribe=["a/#"])),
            404, "not_found")


# --- limits ---------------------------------------------------------------------------


def test_a_connection_counts_once_however_many_streams_it_has(new_h2, tmp_path):
    h2 = new_h2(Auth(tmp_path, limits="principal_connections = 2"))
    own = bearer("dora", subscribe=["#"])
    first, second, third = h2.connect(), h2.connect(), h2.connect()
    for c in (first, second):
        assert {s.status for s in [c.stream(f"a/{n}", own) for n in range(5)]} == {200}
    x = third.request("GET", "/topics", own)
    refused(x, 429, "too_many")
    assert int(x.headers["retry-after"]) >= 1
    assert third.request("GET", "/topics", bearer("otto", subscribe=["#"])).status == 200
    first.close()
    wait_for(lambda: third.request("GET", "/topics", own).status == 200, "a place to be free")


def test_publishes_are_counted_over_all_streams(new_h2, tmp_path):
    h2 = new_h2(Auth(tmp_path, limits="principal_publish_rate = 3"))
    c = h2.connect()
    asked = [c.begin("POST", "/events/a", bearer("dora", publish=["#"]), b"x") for _ in range(12)]
    answers = [x.wait() for x in asked]
    assert 3 <= [x.status for x in answers].count(201) <= 6
    late = [x for x in answers if x.status != 201]
    for x in late:
        refused(x, 429, "too_many")
        assert x.headers["retry-after"] == "1"


# --- the end of the connection --------------------------------------------------------


def test_goaway_comes_as_ever(h2):
    c = h2.connect()
    s = c.stream("a", bearer("dora", subscribe=["#"]))
    refused(c.request("GET", "/topics"), 401, "unauthorized")
    h2.processes["h2"].popen.terminate()
    assert c.ended() == 0
    assert s.x.over and h2.processes["h2"].popen.wait(TIMEOUT) == 0


# --- clients that others wrote --------------------------------------------------------


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT).stdout


def test_curl_and_nghttp_show_credentials(h2):
    url = h2.url("/events/u/alice", "h2")
    curl = ("curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}")
    assert run(*curl, "-d", "x", url) == "401"
    assert run(*curl, "-d", "x", "-u", "alice:pw of alice", url) == "201"
    assert run(*curl, "-d", "x", "-u", "alice:pw", url) == "401"
    good = token("dora", publish=["u/alice"], subscribe=["u/#"])
    assert run(*curl, "-d", "x", "-H", f"Authorization: Bearer {good}", url) == "201"
    history = h2.url("/history/u/alice", "h2")
    assert '"topic":"u/alice"' in run("nghttp", "-H", f"authorization: Bearer {good}", history)
    assert '"topic":"u/alice"' in run("nghttp", f"{history}?access_token={good}")
    assert '"code":"unauthorized"' in run("nghttp", history)
