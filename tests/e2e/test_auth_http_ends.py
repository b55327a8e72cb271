"""The end of what somebody may do, over HTTP/1.1: in mid-stream, while waiting, and shares."""

import threading
import time

import pytest
from authlib import Auth, token
from sluicelib import wait_for

NDJSON = {"Accept": "application/x-ndjson"}


def everybody(tmp_path, **kwargs):
    roles = {"all": {"publish": "#", "subscribe": "#", "manage": "#"}, "b": {"subscribe": "b/#"},
             "own": {"publish": "u/%u", "subscribe": "u/%u, a/#"}}
    users = {"root": ("r", "all"), "alice": ("a", "own"), "bob": ("b", "own, b")}
    return Auth(tmp_path, roles=roles, users=users, more="leeway = 0s", **kwargs)


ROOT, ALICE, BOB = Auth.basic("root", "r"), Auth.basic("alice", "a"), Auth.basic("bob", "b")


@pytest.fixture
def auth(tmp_path):
    return everybody(tmp_path)


# --- revoked --------------------------------------------------------------------------


def test_a_stream_ends_with_its_user_and_no_other_does(new_sluice, auth):
    s = new_sluice(auth.config())
    first = s.publish("a/1", b"1", **ROOT)
    gone = [s.stream("a/#", {**ALICE, **NDJSON}, last=1), s.stream("a/#", ALICE, last=1)]
    here = [s.stream("a/#", {**BOB, **NDJSON}, last=1), s.stream("a/#", BOB, last=1)]
    for st in gone + here:
        assert st.events(1)[0].id == first
    del auth.users["alice"]
    began = time.monotonic()
    auth.reload(s)
    for st in gone:
        last = st.next("expired")
        assert last.json() == {"reason": "revoked", "position": last.id}
        assert int(last.id) >= int(first)
        assert st.item() is None
    assert gone[0].whole  # not cut
    assert time.monotonic() - began < 3  # a second, on a machine that does something else, too
    second = s.publish("a/1", b"2", **ROOT)
    assert [st.events(1)[0].id for st in here] == [second, second]
    assert s.stream("a/#", ALICE).status == 401
    assert s.request("POST", "/events/u/alice", data=b"x", headers=ALICE).status_code == 401


def test_grants_that_shrink_end_what_they_cover_no_longer(new_sluice, auth):
    s = new_sluice(auth.config())
    kept = s.stream("a/#", BOB)
    both = s.stream("", BOB, topic=["a/#", "b/#"])
    gone = s.stream("b/x", {**BOB, **NDJSON})
    for st in (kept, both, gone):
        st.started()
    auth.users["bob"] = auth.users["bob"].rpartition(":")[0] + ":own"
    auth.reload(s)
    for st in (both, gone):
        assert st.next("expired").json()["reason"] == "revoked"
        assert st.item() is None
    sent = s.publish("a/1", b"1", **ROOT)
    assert kept.events(1)[0].id == sent
    r = s.request("GET", "/events/b/x", headers=BOB)
    assert r.status_code == 403 and r.json()["filter"] == "b/x"


def test_a_role_that_grows_disturbs_nobody(new_sluice, auth):
    s = new_sluice(auth.config())
    st = s.stream("a/#", BOB)
    st.started()
    assert s.request("GET", "/history/c", headers=BOB).status_code == 403
    auth.roles["b"]["subscribe"] = "b/#, c/#"
    auth.reload(s)
    wait_for(lambda: s.request("GET", "/history/c", headers=BOB).status_code == 200, "grown")
    sent = s.publish("a/1", b"1", **ROOT)
    assert st.events(1)[0].id == sent


def test_whoever_waits_is_told_why_no_longer(new_sluice, auth):
    s = new_sluice(auth.config(), gateways=("sse", "poll"))
    answers = {}

    def wait(name, topic, headers):
        answers[name] = s.request("GET", f"/events/{topic}", "poll", {"wait": "15s"},
                                  headers=headers)

    threads = [threading.Thread(target=wait, args=args) for args in (
        ("revoked", "a/1", ALICE), ("shrunk", "b/1", BOB), ("kept", "a/2", BOB))]
    for t in threads:
        t.start()
    s.wait_metric("sluice_subscriptions", 3, "poll")
    del auth.users["alice"]
    auth.users["bob"] = auth.users["bob"].rpartition(":")[0] + ":own"
    auth.reload(s)
    wait_for(lambda: len(answers) == 2, "two answers")
    assert answers["revoked"].status_code == 401
    assert answers["revoked"].json()["code"] == "unauthorized"
    assert "Basic" in answers["revoked"].headers["WWW-Authenticate"]
    assert answers["shrunk"].status_code == 403
    assert (answers["shrunk"].json()["verb"], answers["shrunk"].json()["filter"]) == (
        "subscribe", "b/1")
    sent = s.publish("a/2", b"x", **ROOT)
    for t in threads:
        t.join()
    assert answers["kept"].json()["events"][0]["id"] == sent


def test_history_on_its_way_says_how_far_it_came(new_sluice, auth):
    s = new_sluice(auth.config())
    body = "\n".join('{"topic":"a/1","data":"%s"}' % ("x" * 20000) for _ in range(300))
    s.request("POST", "/events", data=body, headers=ROOT).raise_for_status()
    with s.raw() as raw:
        raw.socket.setsockopt(1, 8, 8192)  # SO_RCVBUF
    st = SlowHistory(s, ALICE)
    got = st.events(1)
    del auth.users["alice"]
    auth.reload(s)
    wait_for(lambda: s.request("GET", "/topics", headers=ALICE).status_code == 401, "revoked")
    while (item := st.item()) is not None and item.kind == "event":
        got.append(item)
    assert item.kind == "expired" and item.json()["reason"] == "revoked"
    assert item.id == got[-1].id and len(got) < 300
    rest = SlowHistory(s, BOB, after=item.id)
    assert len(got) + len(rest.events(300 - len(got))) == 300
    assert rest.item().kind == "position"


def SlowHistory(s, headers, **params):  # pylint: disable=invalid-name
    """A reader that takes little at a time."""
    from sluicelib import Stream
    st = Stream(s.port(), s.url("/history/a/1", **params), {**headers, **NDJSON}, rcvbuf=8192)
    s.streams.append(st)
    return st


def test_who_is_revoked_while_the_body_comes_has_published_nothing(new_sluice, auth):
    s = new_sluice(auth.config())
    with s.raw() as raw:
        raw.send(b"POST /events/u/alice HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
                 b"Authorization: %s\r\n\r\nab" % ALICE["Authorization"].encode())
        s.wait_metric("sluice_http_requests_total", 1)
        del auth.users["alice"]
        auth.reload(s)
        wait_for(lambda: s.request("GET", "/topics", headers=ALICE).status_code == 401, "revoked")
        raw.send(b"cd")
        assert raw.answer().status == 401
    assert s.history("u/alice", headers=ROOT)["events"] == []


# --- expired --------------------------------------------------------------------------


def test_a_token_that_runs_out_ends_its_stream_in_time(new_sluice, auth):
    s = new_sluice(auth.config(), gateways=("sse", "poll"))
    ends = time.time() + 1.5
    short = token("t", ttl=None, claims={"exp": ends}, subscribe=["a/#"])
    streams = [s.stream("a/#", {"Authorization": f"Bearer {short}"}),
               s.stream("a/#", NDJSON, access_token=short)]
    for st in streams:
        st.started()
    r = s.request("GET", "/events/a/x", "poll", {"wait": "15s", "access_token": short})
    assert r.status_code == 401 and "expired" in r.headers["WWW-Authenticate"]
    for st in streams:
        assert st.next("expired").json()["reason"] == "expired"
    assert ends <= time.time() < ends + 3


def test_nothing_is_missing_or_double_over_renewals_under_load(new_sluice, auth):
    s = new_sluice(auth.config())
    enough, done, count = threading.Event(), threading.Event(), [0]

    def publish():
        while not enough.is_set():
            body = "".join('{"topic":"a/%d","data":%d}\n' % (n % 7, n)
                           for n in range(count[0], count[0] + 50))
            r = s.request("POST", "/events", data=body, headers=ROOT)
            assert r.status_code == 201, r.text
            count[0] += 50
        done.set()

    seen, lock = {}, threading.Lock()

    def read(name, headers):
        position, got, renewals = None, [], 0
        while not done.is_set() or len(got) < count[0]:
            fresh = token(name, ttl=None, claims={"exp": time.time() + 0.8}, subscribe=["a/#"])
            params = {"after": position} if position else {"after": "0"}
            st = s.stream("a/#", {**headers, "Authorization": f"Bearer {fresh}"}, **params)
            while (item := st.next("event", "expired")) is not None and item.kind == "event":
                got.append(item.json()["data"])
                if done.is_set() and len(got) >= count[0]:
                    break
            position = st.last_id
            renewals += item is not None and item.kind == "expired"
            st.close()
        with lock:
            seen[name] = (got, renewals)

    threads = [threading.Thread(target=read, args=a) for a in (("json", {}), ("lines", NDJSON))]
    publisher = threading.Thread(target=publish)
    for t in threads + [publisher]:
        t.start()
    time.sleep(4)  # how long the load goes on; nothing waits for it
    enough.set()
    for t in threads + [publisher]:
        t.join()
    for name, (got, renewals) in seen.items():
        assert got == list(range(count[0])), name
        assert renewals >= 3


# --- shares ---------------------------------------------------------------------------


def test_a_principal_has_so_many_connections(new_sluice, tmp_path):
    s = new_sluice(everybody(tmp_path, limits="principal_connections = 2").config())
    two = [s.stream("a/#", ALICE) for _ in range(2)]
    assert [st.status for st in two] == [200, 200]
    with s.raw() as raw:
        raw.send(b"GET /topics HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n"
                 % ALICE["Authorization"].encode())
        status, headers = raw.head()
    assert status == 429 and int(headers["retry-after"]) >= 1
    assert s.stream("a/#", BOB).status == 200
    two[0].close()
    wait_for(lambda: s.stream("a/#", ALICE).status == 200, "a place is free")


def test_a_principal_publishes_so_much_a_second(new_sluice, tmp_path):
    s = new_sluice(everybody(
        tmp_path, limits="principal_publish_rate = 5\nprincipal_publish_bytes = 1k").config())
    lines = "\n".join('{"topic":"u/alice","data":1}' for _ in range(20))
    r = s.request("POST", "/events", data=lines, headers=ALICE)
    assert r.status_code == 201  # what is larger than the limit is let through once
    r = s.request("POST", "/events/u/alice", data=b"x", headers=ALICE)
    assert r.status_code == 429 and r.json()["code"] == "too_many"
    assert 1 <= int(r.headers["Retry-After"]) <= 4
    assert s.request("POST", "/events/u/bob", data=b"x" * 5000, headers=BOB).status_code == 201
    r = s.request("POST", "/events/u/bob", data=b"x", headers=BOB)
    assert r.status_code == 429 and int(r.headers["Retry-After"]) >= 3
    assert s.request("POST", "/events/x", data=b"x", headers=ROOT).status_code == 201


def test_a_principal_has_so_many_subscriptions(new_sluice, tmp_path):
    s = new_sluice(everybody(tmp_path, limits="principal_subscriptions = 3").config(),
                   gateways=("sse", "poll"))
    for gateway in ("sse", "poll"):
        st = s.stream("", ALICE, gateway=gateway, topic=["a/1", "a/2", "a/3"])
        if gateway == "sse":
            st.started()
        s.wait_metric("sluice_subscriptions", 1, gateway)
        r = s.request("GET", "/events/a/1", gateway, headers=ALICE)
        assert r.status_code == 429 and r.headers["Retry-After"] == "1"
        st.close()
        wait_for(lambda g=gateway: s.stream("a/1", ALICE, gateway=g, wait="0s").status in (200, 204)
                 if g == "poll" else s.stream("a/1", ALICE).status == 200, "free again")


def test_a_certificate_or_nobody_is_not_counted_by_name(new_sluice, tmp_path):
    auth = Auth(tmp_path, roles={"g": {"subscribe": "#", "publish": "#"}}, anonymous="g",
                limits="principal_connections = 1\nprincipal_publish_rate = 1")
    s = new_sluice(auth.config())
    for _ in range(3):
        assert s.stream("a").status == 200
        assert s.request("POST", "/events/a", data=b"x").status_code == 201
