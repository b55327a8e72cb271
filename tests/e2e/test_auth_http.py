"""Who may do what over HTTP/1.1: credentials, verbs, refusals, and the end of them."""

import itertools
import json
import time

import pytest
from authlib import Auth, jwt, token
from sluicelib import wait_for
from wslib import WebSocket

ROLES = {"guest": {"subscribe": "open/#"}}


@pytest.fixture
def auth(tmp_path):
    return Auth(tmp_path, roles=ROLES, anonymous="guest")


def problem(r, status, code):
    assert r.status_code == status, (r.status_code, r.text)
    assert r.headers["Content-Type"] == "application/problem+json"
    assert r.json()["code"] == code and r.json()["status"] == status
    return r.json()


def audit(sluice, name="sse"):
    lines = [json.loads(line) for line in sluice.processes[name].logged().splitlines()
             if line.startswith("{")]
    return [line for line in lines if line["level"] == "audit"]


# --- strangers ------------------------------------------------------------------------


def test_strangers_are_refused_unless_there_is_a_role_for_them(new_sluice, tmp_path):
    s = new_sluice(Auth(tmp_path, more="cookie = sid").config(), gateways=("sse", "poll"))
    for gateway in ("sse", "poll"):
        for method, path in (("GET", "/events/a"), ("POST", "/events/a"), ("POST", "/events"),
                             ("GET", "/history/a"), ("DELETE", "/history/a"), ("GET", "/topics"),
                             ("GET", "/history?id=1"), ("PUT", "/events/a"), ("GET", "/topics/x"),
                             ("HEAD", "/events/a")):
            r = s.request(method, path, gateway)
            assert r.status_code == 401, (method, path, r.text)
            assert r.headers["WWW-Authenticate"] == 'Bearer realm="sluice"'
            if method != "HEAD":
                assert problem(r, 401, "unauthorized")["detail"] == "Authentication is required"


def test_what_is_nowhere_and_what_asks_about_methods_needs_no_credentials(new_sluice, tmp_path):
    s = new_sluice(Auth(tmp_path, rest="[sse]\nallow_origin = https://a.example").config())
    problem(s.request("GET", "/"), 404, "not_found")
    problem(s.request("GET", "/favicon.ico"), 404, "not_found")
    assert s.request("OPTIONS", "/events/a").status_code == 204
    r = s.request("OPTIONS", "/events/a", headers={
        "Origin": "https://a.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization"})
    assert r.status_code == 204
    assert r.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Authorization" in r.headers["Access-Control-Allow-Headers"]


def test_a_refusal_can_be_read_by_a_page_of_another_origin(new_sluice, tmp_path):
    s = new_sluice(Auth(tmp_path, rest="[sse]\nallow_origin = https://a.example").config())
    r = s.request("GET", "/topics", headers={"Origin": "https://a.example"})
    problem(r, 401, "unauthorized")
    assert r.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "WWW-Authenticate" in r.headers["Access-Control-Expose-Headers"]


def test_strangers_may_what_their_role_says(new_sluice, auth):
    s = new_sluice(auth.config())
    st = s.stream("open/a")
    assert st.status == 200
    p = problem(s.request("POST", "/events/open/a", data=b"x"), 403, "forbidden")
    assert p["verb"] == "publish" and p["filter"] == "open/a" and "open/a" in p["detail"]
    p = problem(s.request("GET", "/events", params={"topic": ["open/a", "shut/+"]}),
                403, "forbidden")
    assert p["verb"] == "subscribe" and p["filter"] == "shut/+"
    p = problem(s.request("DELETE", "/history/open/a"), 403, "forbidden")
    assert p["verb"] == "manage"


def test_a_refused_request_leaves_its_body_unread(new_sluice, auth):
    s = new_sluice(auth.config())
    with s.raw() as raw:
        raw.send(b"POST /events/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b\r\n"
                 b"Content-Length: 900000\r\nExpect: 100-continue\r\n\r\n")
        answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 401 ") and b"Connection: close" in answer


# --- tokens ---------------------------------------------------------------------------


def test_a_token_counts_wherever_it_is_shown(new_sluice, tmp_path):
    auth = Auth(tmp_path, more="cookie = sid")
    s = new_sluice(auth.config(), gateways=("sse", "poll"))
    good = token("alice", publish=["a"], subscribe=["a", "b/#"], manage=["a"])
    shown = ({"headers": {"Authorization": f"bEaReR {good}"}}, {"params": {"access_token": good}},
             {"headers": {"Cookie": f"x=1; sid={good}; y=2"}})
    for gateway in ("sse", "poll"):
        for how in shown:
            r = s.request("POST", "/events/a", gateway, data=b"x", **how)
            assert r.status_code == 201, r.text
            event = r.json()["id"]
            params = how.get("params", {})
            more = {"headers": how["headers"]} if "headers" in how else {}
            assert s.request("GET", "/history/a", gateway, **how).status_code == 200
            r = s.request("GET", "/history", gateway, params={"id": event, **params}, **more)
            assert r.status_code == 200 and r.json()["topic"] == "a"
            assert s.request("GET", "/topics", gateway, **how).json()["topics"]
            assert s.request("DELETE", "/history/a", gateway, **how).status_code == 200
            problem(s.request("POST", "/events/b", gateway, data=b"x", **how), 403, "forbidden")
    assert s.request("GET", "/events/a", "poll", params={"access_token": good, "wait": "0s"}
                     ).status_code in (200, 204)
    assert s.stream("a", {"Cookie": f"sid={good}"}).status == 200
    assert s.stream("a", access_token=good).status == 200


WRONG = {
    "no JWT": lambda: "abc",
    "nothing": lambda: "",
    "another key": lambda: token("alice", publish=["#"], key=b"x" * 40),
    "none": lambda: token("alice", publish=["#"], alg="none"),
    "another algorithm": lambda: token("alice", publish=["#"], alg="HS512"),
    "RS256 with the secret": lambda: token("alice", publish=["#"], alg="RS256"),
    "expired": lambda: token("alice", publish=["#"], ttl=-60),
    "not yet": lambda: token("alice", publish=["#"], claims={"nbf": time.time() + 600}),
    "another audience": lambda: token("alice", publish=["#"], claims={"aud": "them"}),
    "another issuer": lambda: token("alice", publish=["#"], claims={"iss": "them"}),
    "no subject": lambda: token(None, publish=["#"]),
    "claims that are no object": lambda: jwt([1]),
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Tokens must be ours, for us; nobody else gets in."""
    from sluicelib import Sluice
    auth = Auth(tmp_path_factory.mktemp("auth"), more="issuer = me\naudience = us\ncookie = sid")
    s = Sluice(tmp_path_factory.mktemp("strict"), auth.config(), gateways=("sse", "poll")).start()
    yield s
    s.end()


@pytest.mark.parametrize("what", WRONG)
def test_a_token_that_is_wrong_is_refused_and_is_no_stranger(strict, what):
    bad = WRONG[what]()
    ways = [{"params": {"access_token": bad}}]
    if bad:
        ways += [{"headers": {"Authorization": f"Bearer {bad}"}},
                 {"headers": {"Cookie": f"sid={bad}"}}]
    for how in ways:
        for gateway in ("sse", "poll"):
            for method, path in (("POST", "/events/a"), ("GET", "/events/a"), ("GET", "/topics"),
                                 ("GET", "/history/a"), ("DELETE", "/history/a")):
                r = strict.request(method, path, gateway, **how)
                problem(r, 401, "unauthorized")
                assert 'error="invalid_token"' in r.headers["WWW-Authenticate"]
                assert bad == "" or bad not in r.text
    if len(bad) > 10:
        assert all(bad not in p.logged() for p in strict.processes.values())


def test_a_token_that_is_right_is_believed_there(strict):
    claims = {"iss": "me", "aud": ["us", "others"]}
    r = strict.request("POST", "/events/a", data=b"x",
                       headers=Auth.bearer("alice", publish=["a"], claims=claims))
    assert r.status_code == 201, r.text


def test_authorization_goes_first_and_is_never_passed_over(new_sluice, auth):
    s = new_sluice(auth.config())
    good = token("alice", publish=["a"])
    for header in ("Bearer", "Bearer a b", "Basic !", "Digest x", f"Bearer {good} "
                   f"{good}", good):
        r = s.request("GET", "/topics", params={"access_token": good},
                      headers={"Authorization": header})
        problem(r, 401, "unauthorized")
    problem(s.request("GET", "/topics", params={"access_token": [good, good]}),
            400, "bad_request")


@pytest.mark.parametrize("gateway", ["sse", "poll"])
def test_what_is_shown_twice_is_refused_whatever_came_before_on_the_connection(
        new_sluice, tmp_path, gateway):
    s = new_sluice(Auth(tmp_path).config(), gateways=("sse", "poll"))
    good = token("alice", subscribe=["a"])
    field = f"Authorization: Bearer {good}\r\n"
    for once, twice, status in (("", field + "Authorization: Bearer x\r\n", 401),
                                (f"?access_token={good}", "", 400)):
        with s.raw(gateway) as raw:
            lines = "" if once else field
            raw.send(f"GET /topics{once} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
            assert raw.answer().status == 200
            again = once and f"?access_token=x&access_token={good}"
            raw.send(f"GET /topics{again} HTTP/1.1\r\nHost: x\r\n{twice}\r\n".encode())
            assert raw.answer().status == status


def test_a_cookie_is_for_pages_of_the_very_origin(new_sluice, tmp_path):
    s = new_sluice(Auth(tmp_path, more="cookie = sid").config())
    cookie = {"Cookie": "sid=" + token("alice", subscribe=["a"])}
    for site, status in (("same-origin", 200), ("none", 200), ("same-site", 401)):
        r = s.request("GET", "/topics", headers={**cookie, "Sec-Fetch-Site": site})
        assert r.status_code == status, (site, r.text)


def test_without_auth_nothing_that_is_shown_is_looked_at(new_sluice):
    s = new_sluice()
    for headers in ({"Authorization": "nonsense"}, {"Authorization": "Bearer a b"},
                    {"Cookie": "sid=x"}):
        assert s.request("POST", "/events/a", data=b"x", headers=headers).status_code == 201
    assert s.request("GET", "/topics", params={"access_token": "x"}).status_code == 200


def test_a_batch_is_refused_whole_and_says_which_line(new_sluice, auth):
    s = new_sluice(auth.config())
    alice = auth.bearer("alice", publish=["a/#"], subscribe=["#"])
    lines = "\n".join(json.dumps({"topic": t, "data": 1}) for t in ("a/1", "b/1", "a/2"))
    p = problem(s.request("POST", "/events", data=lines, headers=alice), 403, "forbidden")
    assert (p["line"], p["verb"], p["filter"]) == (2, "publish", "b/1")
    assert s.history("#", headers=alice)["events"] == []


# --- names and passwords --------------------------------------------------------------


def test_nobody_repeats_or_fences_the_producer_of_another(new_sluice, tmp_path):
    s = new_sluice(Auth(tmp_path, roles={"all": {"publish": "a", "subscribe": "a"}}).config(),
                   gateways=("sse", "ws"))
    alice, eve = Auth.bearer("alice", roles=["all"]), Auth.bearer("eve", roles=["all"])

    def post(who, data, producer):
        return s.request("POST", "/events/a", data=data, headers={**who, **producer}).status_code

    def numbered(epoch, seq):
        return {"Producer-Id": "till", "Producer-Epoch": str(epoch), "Producer-Seq": str(seq)}

    def batch(who, epoch, seq):
        line = {"topic": "a", "producer": {"id": "till", "epoch": epoch, "seq": seq}}
        return s.request("POST", "/events", data=json.dumps(line), headers=who).status_code

    def by_websocket(who, epoch, seq):
        field = f"Authorization: {who['Authorization']}"
        with WebSocket(s.port("ws"), protocol="sluice.json", headers=[field]) as w:
            w.open().say("publish", ref="1", topic="a", data="w",
                         producer={"id": "till", "epoch": epoch, "seq": seq})
            return json.loads(w.frame()[1])["op"]

    assert post(alice, "a0", numbered(0, 0)) == 201
    assert post(eve, "e0", numbered(0, 0)) == 201
    assert batch(eve, 0, 1) == 201
    assert by_websocket(eve, 0, 2) == "ack"
    assert by_websocket(eve, 99, 0) == "ack"
    assert post(alice, "a1", numbered(0, 1)) == 201
    assert post(alice, "a1", numbered(0, 1)) == 200
    assert batch(alice, 0, 1) == 200
    assert post(alice, "k", {"Idempotency-Key": "K"}) == 201
    assert post(eve, "k", {"Idempotency-Key": "K"}) == 201
    assert post(alice, "k", {"Idempotency-Key": "K"}) == 200
    r = s.request("GET", "/history/a", headers=alice)
    assert [e.get("data") for e in r.json()["events"]].count("a1") == 1
    assert "token:" not in r.text


def test_a_name_and_a_password(new_sluice, tmp_path):
    auth = Auth(tmp_path, roles={"own": {"publish": "u/%u/#"}}, tokens=False,
                users={"bob": ("pass:wörd", "own")})
    s = new_sluice(auth.config())
    good, bad = Auth.basic("bob", "pass:wörd"), Auth.basic("bob", "password")
    assert s.request("POST", "/events/u/bob/x", data=b"1", headers=good).status_code == 201
    problem(s.request("POST", "/events/u/eve/x", data=b"1", headers=good), 403, "forbidden")
    r = s.request("POST", "/events/u/bob/x", data=b"1", headers=bad)
    p = problem(r, 401, "unauthorized")
    assert r.headers["WWW-Authenticate"] == (
        'Bearer realm="sluice", Basic realm="sluice", charset="UTF-8"')
    other = problem(s.request("POST", "/events/u/bob/x", data=b"1",
                              headers=Auth.basic("nobody", "password")), 401, "unauthorized")
    assert p == other


def test_requests_sent_ahead_each_come_from_whoever_they_show(new_sluice, tmp_path):
    auth = Auth(tmp_path, roles={"own": {"publish": "%u"}},
                users={"bob": ("secret", "own"), "eve": ("secret2", "own")})
    s = new_sluice(auth.config())
    alice = Auth.bearer("alice", publish=["alice"])
    who = [("bob", Auth.basic("bob", "secret")), ("alice", alice), ("eve", Auth.basic("eve", "x")),
           ("bob", Auth.basic("bob", "secret")), ("eve", Auth.basic("eve", "secret2")),
           ("alice", alice), ("bob", {}), ("alice", alice)]
    with s.raw() as raw:
        for name, fields in who:
            lines = "".join(f"{k}: {v}\r\n" for k, v in fields.items())
            raw.send(f"DELETE /history/{name} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        answers = [raw.answer().status for _ in who]
    assert answers == [403, 403, 401, 403, 403, 403, 401, 403]


# --- what may be seen -----------------------------------------------------------------


def test_topics_lists_what_may_be_seen(new_sluice, auth):
    s = new_sluice(auth.config())
    admin = auth.bearer("admin", publish=["#"], subscribe=["#"])
    names = [f"{first}/{n:03}" for first in ("open", "shut", "x") for n in range(30)]
    body = "\n".join(json.dumps({"topic": n, "data": 1}) for n in names)
    s.request("POST", "/events", data=body, headers=admin).raise_for_status()

    def pages(headers, **params):
        found, after = [], ""
        while True:
            r = s.request("GET", "/topics", params={**params, "after": after}, headers=headers)
            assert r.status_code == 200, r.text
            page = r.json()
            found += [t["topic"] for t in page["topics"]]
            if "next" not in page:
                return found
            after = page["next"]
            assert after in found

    assert pages(admin, limit=7) == names
    assert pages({}, limit=7) == names[:30]
    some = auth.bearer("alice", subscribe=["x/#", "+/001", "shut/010"])
    want = sorted({n for n in names if n.startswith("x/") or n.endswith("/001")} | {"shut/010"})
    for limit in (1, 4, 1000):
        assert pages(some, limit=limit) == want
    assert pages(some, filter="shut/#", limit=1) == ["shut/001", "shut/010"]
    assert pages(some, filter="+/001", limit=2) == ["open/001", "shut/001", "x/001"]
    p = problem(s.request("GET", "/topics", params={"filter": "none/+/x"}, headers=some),
                403, "forbidden")
    assert p["verb"] == "subscribe" and p["filter"] == "none/+/x"


def test_no_cache_keeps_what_somebody_was_shown(new_sluice, tmp_path):
    s = new_sluice(Auth(tmp_path, more="cookie = sid").config(), gateways=("sse", "poll"))
    cookie = {"Cookie": "sid=" + token("alice", publish=["a"], subscribe=["a"])}
    event = s.request("POST", "/events/a", data=b"x" * 70000, headers=cookie).json()["id"]
    documents = ("/topics", "/history/a", "/history/a?limit=1&after=" + event,
                 f"/history?id={event}")
    for gateway, path, method in itertools.product(("sse", "poll"), documents, ("GET", "HEAD")):
        r = s.session.request(method, s.url("", gateway) + path, headers=cookie)
        assert (r.status_code, r.headers["Cache-Control"]) == (200, "no-store"), path


def test_history_shows_what_may_be_seen(new_sluice, auth):
    s = new_sluice(auth.config())
    admin = auth.bearer("admin", publish=["#"], subscribe=["#"])
    shut = s.publish("shut/a", b"secret", **admin)
    mine = s.publish("open/a", b"known", **admin)
    known = s.request("GET", "/history", params={"id": mine})
    assert known.status_code == 200 and known.json()["topic"] == "open/a"
    hidden = s.request("GET", "/history", params={"id": shut})
    none = s.request("GET", "/history", params={"id": str(int(mine) + 999999)})
    assert problem(hidden, 404, "not_found") == problem(none, 404, "not_found")
    for path in ("/history/shut/a", "/history/%23", "/history/+/a", "/history/shut/+"):
        for accept in ("application/json", "application/x-ndjson"):
            r = s.request("GET", path, headers={"Accept": accept})
            assert problem(r, 403, "forbidden")["verb"] == "subscribe"
            assert "secret" not in r.text
    r = s.request("GET", "/history/open/a", params={"topic": "shut/a"})
    problem(r, 403, "forbidden")
    assert [e["data"] for e in s.history("open/#")["events"]] == ["known"]


# --- the audit and the access log -----------------------------------------------------


def test_refusals_and_deletions_are_in_the_audit_log(new_sluice, auth):
    s = new_sluice("[sluice]\nlog_format = text\n" + auth.config())
    secret = token("eve", publish=["#"], key=b"y" * 40)
    s.request("POST", "/events/a", headers={"Authorization": f"Bearer {secret}"})
    r = s.request("POST", "/events/a/b", headers={"X-Request-Id": "r-1"})
    assert r.headers["X-Request-Id"] == "r-1"
    boss = auth.bearer("boss", publish=["a"], manage=["a"])
    s.publish("a", b"x", **boss)
    s.request("DELETE", "/history/a", headers=boss).raise_for_status()
    wrong, refused, done = wait_for(lambda: len(audit(s)) == 3 and audit(s), "three lines")
    assert wrong["msg"] == "refused" and "principal" not in wrong and "verb" not in wrong
    assert wrong["request"] and wrong["address"] == "127.0.0.1" and wrong["door"] == "sse"
    assert refused["msg"] == "refused" and refused["principal"] == "anonymous"
    assert (refused["verb"], refused["filter"], refused["request"]) == ("publish", "a/b", "r-1")
    assert done["msg"] == "done" and done["principal"] == "token:boss"
    assert (done["verb"], done["filter"]) == ("manage", "a")
    assert secret not in s.sse.logged()
    assert s.metrics()["sluice_auth_refused_total"] == 1
    assert s.metrics()["sluice_auth_forbidden_total"] == 1


def test_the_audit_log_can_be_off(new_sluice, auth):
    s = new_sluice("[sluice]\nlog_audit = off\n" + auth.config())
    problem(s.request("POST", "/events/a"), 403, "forbidden")
    assert not audit(s)


def test_the_access_log_has_a_line_for_each_request_that_is_over(new_sluice, auth):
    s = new_sluice("[sluice]\nlog_access = on\n" + auth.config())
    secret = token("alice", publish=["open/a b"])
    s.request("POST", "/events/open/a%20b", params={"access_token": secret}, data=b"x",
              headers={"X-Request-Id": "r-2"}).raise_for_status()
    st = s.stream("open/#", last=1)
    st.events(1)
    st.close()
    s.request("GET", "/nowhere")

    def lines():
        found = [json.loads(line) for line in s.sse.logged().splitlines() if line[:1] == "{"]
        return [line for line in found if line["level"] == "access"]

    wait_for(lambda: len(lines()) == 3, "three lines")
    by_path = {line["path"]: line for line in lines()}
    post = by_path["/events/open/a%20b"]
    assert (post["method"], post["status"], post["topic"]) == ("POST", 201, "open/a b")
    assert (post["principal"], post["request"]) == ("token:alice", "r-2")
    assert post["bytes"] > 0 and post["duration_ms"] >= 0 and post["address"] == "127.0.0.1"
    stream = by_path["/events/open/%23"]
    assert stream["status"] == 200 and stream["bytes"] > 20 and stream["topic"] == "open/#"
    assert stream["principal"] == "anonymous"
    assert by_path["/nowhere"]["status"] == 404
    assert secret not in s.sse.logged()
