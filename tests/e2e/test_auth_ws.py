"""Who a WebSocket is, at the upgrade or by its first message; renewal, and the end of it.
Over HTTP/1.1, and on streams of HTTP/2."""

import asyncio
import json
import subprocess
import threading
import time

import h2lib
import pytest
import websockets
from authlib import Auth, jwt, token
from sluicelib import TIMEOUT, wait_for
from wslib import PING, PONG, TEXT, Door, frame, path_of

DOORS = {"ws": Door, "h2": h2lib.Door}


@pytest.fixture(params=DOORS)
def open_door(request, new_sluice):
    made = []

    def make(auth, **kw):
        s = new_sluice(auth.config(), gateways=("sse", request.param), **kw)
        made.append(DOORS[request.param](s))
        made[-1].auth, made[-1].gateway = auth, request.param
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def door(open_door, tmp_path):
    """Tokens, and alice with a password; strangers may not come."""
    auth = Auth(tmp_path, roles={"reader": {"subscribe": "a/#"}}, users={"alice": ("pw", "reader")},
                more="auth_timeout = 2s\nleeway = 0s\ncookie = sid")
    return open_door(auth)


GRANTS = {"publish": ["a/#"], "subscribe": ["a/#"]}


def alice(**kw):
    return token("alice", **{**GRANTS, **kw})


def publisher(door):
    """What publishes over SSE's gateway may do everything."""
    door.sluice.session.headers.update(Auth.bearer("root", publish=["#"], subscribe=["#"]))
    return door.sluice


def shows(t):
    return [f"Authorization: Bearer {t}"]


def closed(c):
    """(what was said before, code) at the end of the connection."""
    said = []
    while (message := c._message()) is not None:
        said.append(json.loads(message))
    return said, c.closed and c.closed[0]


def subscribe(c, ref, **words):
    c.say("subscribe", ref=ref, **words)
    return c.json()


def auth_ok(c, **shown):
    c.say("auth", **shown)
    return c.take("auth-ok")


# --- the upgrade ----------------------------------------------------------------------


def test_a_token_counts_in_all_the_ways_of_http(door):
    t = alice()
    for how in ({"headers": shows(t)}, {"access_token": t}, {"headers": [f"Cookie: sid={t}"]},
                {"headers": ["Authorization: " + Auth.basic("alice", "pw")["Authorization"]]}):
        c = door.connect("a/b", **how)
        assert int(c.start) >= 0


def test_what_is_wrong_is_refused_and_never_taken_for_a_stranger(door):
    for wrong in ("abc", alice(key=b"another key of 32 bytes, or more"), alice(ttl=-60),
                  alice(claims={"nbf": time.time() + 600}), jwt({"sub": "alice"}, alg="none")):
        for protocol in ("sluice.json", "sluice.raw"):
            status, problem = door.ask("a/b", protocol=protocol, headers=shows(wrong)).problem()
            assert (status, problem["code"]) == (401, "unauthorized")
    status, problem = door.ask("a/b", headers=shows("a b")).problem()
    assert status == 401


def test_raw_without_credentials_is_refused_at_the_upgrade(open_door, tmp_path):
    door = open_door(Auth(tmp_path))
    _, headers = door.ask("a/b", headers=shows(alice(ttl=-60))).head()
    assert "The token has expired" in headers["www-authenticate"]
    c = door.ask("a/b", protocol="sluice.raw")
    status, problem = c.problem()
    assert (status, problem["code"]) == (401, "unauthorized")
    assert "Bearer" in c.head()[1]["www-authenticate"]


def test_a_forbidden_address_is_refused_at_the_upgrade(door):
    for name in ("b", "#", "+/b"):
        for protocol in ("sluice.json", "sluice.raw"):
            status, problem = door.ask(name, protocol=protocol, headers=shows(alice())).problem()
            assert (status, problem["code"]) == (403, "forbidden")
            assert (problem["verb"], problem["filter"]) == ("subscribe", name)


def test_strangers_may_what_their_role_says_and_become_somebody(open_door, tmp_path):
    door = open_door(Auth(tmp_path, roles={"guest": {"subscribe": "open/#"}}, anonymous="guest"))
    c = door.connect("open/x")
    assert subscribe(c, 1, topic="a/b")["code"] == "forbidden"
    c.say("publish", topic="open/x", data="")
    assert c.take("error")["code"] == "forbidden"
    assert auth_ok(c, token=alice(subscribe=["#"]))["principal"] == "token:alice"
    assert subscribe(c, 1, topic="a/b")["op"] == "ack"
    publisher(door).publish("open/x", "still")
    assert c.take("event")["subs"] == ["path"]


def test_without_auth_what_is_shown_is_not_looked_at(new_ws):
    c = new_ws().connect("a", headers=shows("nonsense"))
    c.say("auth", token="nonsense", ref=1)
    assert c.json() == {"op": "auth-ok", "ref": 1, "principal": "anonymous", "expires": None}


# --- the first message ----------------------------------------------------------------


def test_the_first_message_says_who_it_is(door):
    c = door.ask().open()
    ok = auth_ok(c, ref="r", token=alice(ttl=60))
    assert (ok["ref"], ok["principal"]) == ("r", "token:alice")
    assert ok["expires"].endswith("Z")
    assert subscribe(c, 1, topic="a/#")["op"] == "ack"
    c.say("publish", ref=2, topic="a/b", data="x")
    assert {c.json()["op"], c.json()["op"]} == {"ack", "event"}


def test_a_password_does_as_well_and_what_comes_behind_it_waits(door):
    c = door.ask().open()
    texts = [{"op": "auth", "user": "alice", "password": "pw"},
             {"op": "subscribe", "ref": 1, "topic": "a/b"}, {"op": "ping", "ref": 2}]
    c.send_frames(*(frame(TEXT, json.dumps(t).encode()) for t in texts), frame(PING, b"z"))
    assert c.take("auth-ok") == {"op": "auth-ok", "principal": "user:alice", "expires": None}
    seen = [c.frame() for _ in range(3)]
    assert sorted(f[0] for f in seen) == [TEXT, TEXT, PONG]
    assert {json.loads(f[1])["op"] for f in seen if f[0] == TEXT} == {"ack", "pong"}


def test_the_subscription_of_the_address_waits_for_it(door):
    publisher(door)
    ids = door.sluice.fill("a/b", 3)
    c = door.ask("a/b", after=ids[0]).open()
    c.say("ping")
    assert c.take("error")["code"] == "unauthorized"
    auth_ok(c, token=alice())
    assert c.take("ack") == {"op": "ack", "ref": "path", "id": ids[0]}
    assert [e["id"] for e in c.events(2)] == ids[1:]


def test_one_that_is_not_permitted_ends_nothing_else(door):
    c = door.ask("b").open()
    auth_ok(c, token=alice())
    error = c.take("error")
    assert (error["ref"], error["code"], error["filter"]) == ("path", "forbidden", "b")
    assert subscribe(c, 1, topic="a/b")["op"] == "ack"


def test_until_then_nothing_else_is_done(door):
    c = door.ask("a/b").open()
    for op, words in (("subscribe", {"ref": 1, "topic": "a/b"}), ("unsubscribe", {"ref": 1}),
                      ("publish", {"ref": 1, "topic": "a/b", "data": ""}), ("ping", {"ref": 1})):
        c.say(op, **words)
        error = c.take("error")
        assert (error["ref"], error["code"]) == (1, "unauthorized")
    c.send_frames(frame(PING, b"x"))
    assert c.control(PONG) == b"x"


@pytest.mark.parametrize("wrong", [
    {"token": "abc"}, {"token": ""}, {"user": "alice", "password": "wrong"},
    {"user": "nobody", "password": "pw"}, {"token": token("alice", ttl=-60)},
    {"token": token("alice", key=b"another key of 32 bytes, or more")}])
def test_something_wrong_closes(door, wrong):
    c = door.ask("a/b").open()
    c.say("auth", ref=7, **wrong)
    said, code = closed(c)
    assert [(m["op"], m["ref"], m["code"]) for m in said] == [("error", 7, "unauthorized")]
    assert code == 4401


def test_nothing_in_time_closes(door):
    c, begun = door.ask("a/b").open(), time.monotonic()
    c.say("ping")
    said, code = closed(c)
    assert (said[0]["code"], code) == ("unauthorized", 4401)
    assert 1.5 < time.monotonic() - begun < 5


def test_a_long_message_of_nobody_is_refused(door):
    c = door.ask().open()
    c.say("auth", token="x" * 40000)
    assert closed(c) == ([], 1009)


def test_a_malformed_one_is_an_error_alone(door):
    c = door.ask().open()
    c.say("auth", user="alice")
    assert c.take("error")["code"] == "bad_request"
    assert auth_ok(c, user="alice", password="pw")["principal"] == "user:alice"


# --- what it may ----------------------------------------------------------------------


def test_each_verb_is_held_to_its_grants(door):
    c = door.connect(headers=shows(token("bob", publish=["p/+"], subscribe=["s/#", "x"])))
    for topic, ok in (("s/#", True), ("s/+/t", True), ("x", True), ("p/a", False), ("#", False),
                      ("+/a", False), ("x/y", False)):
        answer = subscribe(c, topic, topic=topic)
        assert (answer["op"] == "ack") == ok, answer
        if not ok:
            assert (answer["verb"], answer["filter"]) == ("subscribe", topic)
    answer = subscribe(c, "two", topics=["x", "y"])
    assert (answer["code"], answer["filter"]) == ("forbidden", "y")
    for topic, ok in (("p/a", True), ("s/a", False), ("p/a/b", False), ("p", False)):
        c.say("publish", ref=topic, topic=topic, data="")
        answer = c.json()
        assert (answer["op"] == "ack") == ok, answer
        if not ok:
            assert (answer["code"], answer["verb"], answer["filter"]) == ("forbidden", "publish", topic)
            assert topic in answer["text"]


def test_raw_has_codes_for_it(door):
    c = door.connect("a/b", protocol="sluice.raw", headers=shows(alice(publish=[])))
    c.send("x")
    assert c.close_code() == 4403


# --- renewal --------------------------------------------------------------------------


def test_a_renewal_disturbs_nothing(door):
    """Under load: nothing is lost, doubled or out of order, though the token is another one
    every few events, and the first ones run out."""
    s = publisher(door)
    c = door.connect("a/#", headers=shows(alice(ttl=3)))
    ids, stop = [], threading.Event()

    def publish():
        while not stop.is_set():
            ids.extend(s.batch([{"topic": f"a/{n}", "data": n} for n in range(50)]))

    thread = threading.Thread(target=publish)
    thread.start()
    seen, renewed, end = [], 0, time.monotonic() + 5
    while time.monotonic() < end or renewed < 5:
        if time.monotonic() > end - 5 + renewed:
            c.say("auth", ref=renewed, token=alice(ttl=3))
            renewed += 1
        message = c.json()
        assert message["op"] in ("event", "auth-ok"), message
        if message["op"] == "event":
            seen.append(message["id"])
    stop.set()
    thread.join()
    while len(seen) < len(ids):
        message = c.json()
        if message["op"] == "event":
            seen.append(message["id"])
    assert seen == ids and len(ids) > 100


def test_another_name_is_refused_and_the_connection_lives(door):
    c = door.connect("a/b", headers=shows(alice()))
    c.say("auth", ref=1, token=token("bob", **GRANTS))
    error = c.take("error")
    assert (error["ref"], error["code"]) == (1, "forbidden")
    c.say("auth", ref=2, token="wrong")
    assert (c.take("error")["code"]) == "unauthorized"
    c.say("auth", ref=3, user="alice", password="pw")
    assert c.take("error")["code"] == "forbidden"  # user:alice is not token:alice
    publisher(door).publish("a/b", "x")
    assert c.take("event")["data"] == "x"


def test_narrower_grants_end_what_they_do_not_cover(door):
    c = door.connect(headers=shows(alice(subscribe=["a/#", "b/#"])))
    for ref, topic in (("a", "a/#"), ("b", "b/#"), ("both", "b/x")):
        assert subscribe(c, ref, topic=topic)["op"] == "ack"
    s = publisher(door)
    first = s.publish("b/x", "1")
    assert c.take("event")["subs"] == ["b", "both"]
    auth_ok(c, token=alice(subscribe=["a/#", "b/x"]))
    ended = c.take("unsubscribed")
    assert (ended["ref"], ended["code"]) == ("b", "forbidden")
    assert int(ended["id"]) >= int(first)
    s.publish("b/y", "2")
    s.publish("b/x", "3")
    assert c.take("event")["subs"] == ["both"]
    s.publish("a/x", "4")
    assert c.take("event")["subs"] == ["a"]
    auth_ok(c, token=alice(subscribe=["a/#", "b/#"]))
    assert subscribe(c, "b", topic="b/#", after=ended["id"])["op"] == "ack"
    assert [e["data"] for e in c.events(2)] == ["2", "3"]


def test_a_storm_of_them_is_bounded(door):
    c = door.connect("a/b", headers=shows(alice()))
    wrong = json.dumps({"op": "auth", "token": "a.b.c"}).encode()
    c.send_frames(*[frame(TEXT, wrong)] * 60)
    codes = [c.take("error") for _ in range(60)]
    assert [e["code"] for e in codes[:10]] == ["unauthorized"] * 10
    assert {e["code"] for e in codes[12:]} == {"too_many"}
    assert all(0 < e["retry_ms"] <= 1000 for e in codes[12:])
    publisher(door).publish("a/b", "x")
    assert c.take("event")["data"] == "x"


# --- the end --------------------------------------------------------------------------


def expired(c):
    """(the last message, the events before it, the close code)"""
    said, code = closed(c)
    assert said and said[-1]["op"] == "expired", said
    return said[-1], [m for m in said[:-1] if m["op"] == "event"], code


def test_a_token_that_runs_out_says_where_to_go_on(door):
    s = publisher(door)
    c = door.connect(headers=shows(alice(ttl=2)))
    subscribe(c, "one", topic="a/1")
    subscribe(c, 2, topic="a/2")
    stop, ids = threading.Event(), []

    def publish():
        while not stop.is_set():
            ids.extend(s.batch([{"topic": "a/1", "data": 1}, {"topic": "a/2", "data": 2}] * 10))

    thread = threading.Thread(target=publish)
    thread.start()
    begun = time.monotonic()
    message, events, code = expired(c)
    assert 1 < time.monotonic() - begun < 4 and code == 4401
    assert message["reason"] == "expired"
    places = {sub["ref"]: sub["id"] for sub in message["subs"]}
    assert set(places) == {"one", 2}
    stop.set()
    thread.join()
    again = door.connect(headers=shows(alice()))
    for ref, topic in (("one", "a/1"), (2, "a/2")):
        assert subscribe_between(again, events, ref, topic=topic, after=places[ref]) == places[ref]
    while len(events) < len(ids):
        events.append(again.take("event"))
    for ref, own in (("one", ids[::2]), (2, ids[1::2])):
        assert [e["id"] for e in events if e["subs"] == [ref]] == own


def subscribe_between(c, events, ref, **words):
    """Its ack may come behind events of another subscription."""
    c.say("subscribe", ref=ref, **words)
    while (message := c.json())["op"] == "event":
        events.append(message)
    assert message["op"] == "ack", message
    return message["id"]


def test_a_revoked_token_ends_within_a_second_and_no_other_does(door):
    bad, good = alice(claims={"jti": "bad"}), alice()
    c, other = door.connect("a/b", headers=shows(bad)), door.connect("a/b", headers=shows(good))
    raw = door.connect("a/b", protocol="sluice.raw", headers=shows(bad))
    idle = door.connect(headers=shows(bad))
    door.auth.revoke("bad")
    begun = time.monotonic()
    door.auth.reload(door.sluice)
    message, _, code = expired(c)
    assert (message["reason"], code) == ("revoked", 4401)
    assert raw.close_code() == 4401 and expired(idle)[0]["subs"] == []
    assert time.monotonic() - begun < 2
    publisher(door).publish("a/b", "x")
    assert other.take("event")["data"] == "x"
    assert door.ask("a/b", headers=shows(bad)).problem()[0] == 401


def test_a_role_that_shrinks_ends_subscriptions_alone(door):
    auth = door.auth
    auth.role("wide", subscribe="a/#, b/#")
    auth.reload(door.sluice)
    t = token("carol", roles=["wide"])

    def opened():
        c = door.ask("b/x", headers=shows(t))
        return c if c.head()[0] in (101, 200) else None

    c = wait_for(opened, "the role to be there")
    c.open()
    c.take("ack")
    subscribe(c, "a", topic="a/b")
    raw = door.connect("b/x", protocol="sluice.raw", headers=shows(t))
    auth.role("wide", subscribe="a/#")
    begun = time.monotonic()
    auth.reload(door.sluice)
    assert c.take("unsubscribed")["ref"] == "path"
    assert raw.close_code() == 4403
    assert time.monotonic() - begun < 2
    publisher(door).publish("a/b", "x")
    assert c.take("event")["subs"] == ["a"]


def test_a_user_that_is_gone_and_one_whose_password_is_another(door):
    c = door.ask("a/b").open()
    auth_ok(c, user="alice", password="pw")
    assert c.take("ack")["ref"] == "path"
    door.auth.user("alice", "other", "reader")
    door.auth.reload(door.sluice)
    assert expired(c)[0]["reason"] == "revoked"
    c = door.ask("a/b").open()
    c.say("auth", user="alice", password="pw")
    assert closed(c)[1] == 4401


# --- limits ---------------------------------------------------------------------------


def test_connections_of_a_principal_are_counted(open_door, tmp_path):
    door = open_door(Auth(tmp_path, limits="principal_connections = 2"))
    first = [door.connect("a/b", headers=shows(alice())) for _ in range(2)]
    status, problem = door.ask("a/b", headers=shows(alice())).problem()
    assert (status, problem["code"]) == (429, "too_many")
    c = door.ask("a/b").open()
    c.say("auth", token=alice())
    said, code = closed(c)
    assert (said[0]["code"], code) == ("too_many", 4429)
    assert auth_ok(first[0], token=alice())["principal"] == "token:alice"
    door.connect("a/b", headers=shows(token("bob", **GRANTS)))
    first[1].raw.close()
    if door.gateway == "h2":
        first[1].x.connection.close()
    wait_for(lambda: door.ask("a/b", headers=shows(alice())).head()[0] in (101, 200),
             "a place to be free")


def test_subscriptions_of_a_principal_are_counted(open_door, tmp_path):
    door = open_door(Auth(tmp_path, limits="principal_subscriptions = 3"))
    c, d = (door.connect("a/b", headers=shows(alice())) for _ in range(2))
    assert subscribe(c, 1, topic="a/1")["op"] == "ack"
    error = subscribe(d, 1, topic="a/1")
    assert (error["op"], error["code"]) == ("error", "too_many")
    assert door.ask("a/b", headers=shows(alice())).problem()[0] == 429
    c.say("unsubscribe", ref=1)
    assert c.json() == {"op": "ack", "ref": 1}
    assert subscribe(d, 1, topic="a/1")["op"] == "ack"


def test_publishes_of_a_principal_are_counted(open_door, tmp_path):
    door = open_door(Auth(tmp_path, limits="principal_publish_rate = 3"))
    c, d = (door.connect(headers=shows(alice())) for _ in range(2))
    texts = [json.dumps({"op": "publish", "ref": n, "topic": "a/b", "data": ""}) for n in range(9)]
    c.send_frames(*(frame(TEXT, t.encode()) for t in texts))
    answers = sorted((c.json() for _ in texts), key=lambda m: m["ref"])
    assert [m["op"] for m in answers[:3]] == ["ack"] * 3
    refused = [m for m in answers if m["op"] == "error"]
    assert len(refused) >= 4 and {m["code"] for m in refused} == {"too_many"}
    assert all(0 < m["retry_ms"] <= 1000 for m in refused)
    d.send_frames(*(frame(TEXT, t.encode()) for t in texts[:4]))
    assert "too_many" in {d.json().get("code") for _ in range(4)}
    raw = door.connect("a/b", protocol="sluice.raw", headers=shows(alice()))
    raw.send_frames(*[frame(TEXT, b"x")] * 6)
    assert raw.close_code() == 4429


# --- logs -----------------------------------------------------------------------------


def test_refusals_are_in_the_audit_log_and_secrets_nowhere(door):
    t = alice(publish=[])
    c = door.connect(headers=shows(t))
    c.say("publish", topic="a/b", data="")
    c.take("error")
    secret = "a.secret-that-is-shown.x"
    c.say("auth", token=secret)
    c.take("error")
    d = door.ask().open()
    d.say("auth", user="alice", password="secret-that-is-shown")
    assert closed(d)[1] == 4401
    log = door.sluice.processes[door.gateway].logged()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    refused = [line for line in lines if line.get("level") == "audit"]
    assert [(r.get("principal"), r.get("verb"), r.get("filter")) for r in refused] == [
        ("token:alice", "publish", "a/b"), ("token:alice", None, None), (None, None, None)]
    assert {(r["door"], r["address"]) for r in refused} == {("ws", "127.0.0.1")}
    assert "secret-that-is-shown" not in log and t not in log


# --- clients that others wrote --------------------------------------------------------


def test_python_renews_and_resumes(new_ws, tmp_path):
    auth = Auth(tmp_path)
    door = new_ws(auth.config())
    s = publisher(door)

    async def read(c, seen):
        async for text in c:
            message = json.loads(text)
            if message["op"] == "event":
                seen.append(message["id"])
            if message["op"] == "expired":
                return message["subs"][0]["id"]

    async def main():
        url = f"ws://127.0.0.1:{s.port('ws')}{path_of('a/b')}"
        seen = []
        async with websockets.connect(url) as c:
            await c.send(json.dumps({"op": "auth", "token": alice(ttl=1)}))
            ids = await asyncio.to_thread(s.fill, "a/b", 10)
            place = await asyncio.wait_for(read(c, seen), TIMEOUT)
            await c.wait_closed()
            assert c.close_code == 4401
        ids += await asyncio.to_thread(s.fill, "a/b", 10)
        async with websockets.connect(f"{url}?after={place}&access_token={alice()}") as c:
            while len(seen) < 20:
                message = json.loads(await asyncio.wait_for(c.recv(), TIMEOUT))
                if message["op"] == "event":
                    seen.append(message["id"])
        assert seen == ids

    asyncio.run(main())


NODE = """
const WebSocket = require('ws');
const [url, t, next] = process.argv.slice(1);
const ws = new WebSocket(url, { headers: { Authorization: 'Bearer ' + t } });
ws.on('open', () => ws.send(JSON.stringify({ op: 'auth', ref: 1, token: next })));
ws.on('message', (data) => {
  const m = JSON.parse(data);
  if (m.op === 'auth-ok') { console.log(m.principal); ws.close(1000); }
});
ws.on('close', (code) => console.log(code));
const bad = new WebSocket(url, { headers: { Authorization: 'Bearer x' } });
bad.on('unexpected-response', (_, r) => { console.log(r.statusCode); r.destroy(); bad.on('error', () => {}); });
bad.on('error', () => {});
"""


def test_node_shows_a_token(new_ws, tmp_path, npm):
    door = new_ws(Auth(tmp_path).config())
    url = f"ws://127.0.0.1:{door.sluice.port('ws')}/events/a/b"
    done = subprocess.run(["node", "-e", NODE, url, alice(), alice()], capture_output=True,
                          text=True, timeout=TIMEOUT, env={"NODE_PATH": npm("ws@8"), "PATH": "/usr/bin:/bin"})
    assert sorted(done.stdout.split()) == ["1000", "401", "token:alice"], done
