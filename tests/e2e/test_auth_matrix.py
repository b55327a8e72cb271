"""Every door × every credential × every verb × what it covers: one model, the same everywhere.

A door is a class with the verbs that it has; each verb answers "ok", "unauthorized" (who are
you) or "forbidden" (not you).  What is expected comes from the model alone: credentials that
are wrong are "unauthorized" at every door; those that are right are judged by their grants.
conftest prints how many combinations there were (`-rP` shows it)."""

import base64
import contextlib
import itertools
import json
import os
import signal
import time
import urllib.parse

import mqttlib
import pytest
import requests
import zmq
from h2lib import Connection
from identitylib import ALGORITHMS, FORGERIES, PASSWORD, Identities, forged
from mqttlib import V5, V3 as V311
from sluicelib import TIMEOUT, Sluice, Stream, wait_for
from wslib import WebSocket, path_of

# Sanitizers and a busy machine take longer to look at it all than the server does to end it.
SLACK = 4 if "SLUICE_TEST_TIMEOUT" in os.environ else 1
GATEWAYS = ("sse", "ws", "poll", "h2", "mqtt", "zmq")
MINE = {"publish": ["mine/#"], "subscribe": ["mine/#"], "manage": ["mine/#"]}
# What is asked for, and whether a grant of mine/# covers it.
FILTERS = {"mine/a": True, "mine/+/b": True, "mine/#": True, "mine": True, "other/a": False,
           "mine2/a": False, "#": False, "+/a": False, "+/#": False, "$SYS/#": False}
TOPICS = {"mine/a": True, "mine": True, "other/a": False, "mine2/a": False}


USERS = [f"user-{n}" for n in range(200)]
NOBODIES = [f"nobody-{n}" for n in range(2000)]


# --- credentials ------------------------------------------------------------------

class Credential:
    """How it is shown at each kind of door; a door that cannot show it is left out."""

    def __init__(self, name, right, http=None, query=None, mqtt=None, jwt=None, zmq=None):
        self.name, self.right = name, right
        self.http, self.query = http, query  # header fields; parameters
        self.mqtt, self.jwt = mqtt, jwt      # user and password; a token for AUTH's method
        self.zmq = zmq                       # a function of a socket and the server's key

    def __repr__(self):
        return self.name


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def basic(user, password):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def plain(user, password):
    def show(socket, _):
        socket.plain_username, socket.plain_password = user.encode(), password.encode()
    return show


def curve(pair):
    def show(socket, server):
        socket.curve_publickey, socket.curve_secretkey = pair
        socket.curve_serverkey = server
    return show


class Others(Credential):
    """Another name each time: failures of one name would have to wait."""

    def __init__(self, name, users, password):
        super().__init__(name, False)
        self.users, self.password = itertools.cycle(users), password

    http = property(lambda self: basic(next(self.users), self.password), lambda self, v: None)
    mqtt = property(lambda self: (next(self.users), self.password), lambda self, v: None)

    @property
    def zmq(self):
        # libzmq takes no longer ones.
        return plain(next(self.users), self.password) if len(self.password) < 256 else None

    @zmq.setter
    def zmq(self, _):
        pass


def of_token(name, right, token):
    return [Credential(f"{name} as Bearer", right, http=bearer(token)),
            Credential(f"{name} in the query", right, query={"access_token": token}),
            Credential(f"{name} in a cookie", right, http={"Cookie": f"a=b; sid={token}"}),
            Credential(f"{name} as password", right, http=basic("any", token),
                       mqtt=("any", token)) if right else
            Others(f"{name} as password", NOBODIES, token),
            Credential(f"{name} by AUTH", right, jwt=token)]


def all_credentials(ids, known, stranger):
    made = [Credential("nothing", False, http={}, mqtt=(None, None), zmq=lambda s, k: None)]
    for alg in ALGORITHMS:
        made += of_token(alg, True, ids.token(alg, sub=f"a-{alg}", grants=MINE))
    for how in FORGERIES:
        made += of_token(how, False, forged(ids, how, grants=MINE))
    made += [Credential("a password", True, http=basic("alice", PASSWORD),
                        mqtt=("alice", PASSWORD), zmq=plain("alice", PASSWORD)),
             Others("a wrong password", USERS, "wrong"),
             Others("no such user", NOBODIES, PASSWORD),
             Credential("a name without a password", False, mqtt=("alice", None)),
             Credential("a CURVE key", True, zmq=curve(known)),
             Credential("a CURVE key that nobody knows", False, zmq=curve(stranger)),
             Credential("no scheme", False, http={"Authorization": "abc"}),
             Credential("another scheme", False, http={"Authorization": "Digest abc"}),
             Credential("Basic without base64", False, http={"Authorization": "Basic %%"})]
    return made


# --- doors --------------------------------------------------------------------------

def verdict(status):
    assert status in (200, 201, 204, 304, 401, 403), status
    return {401: "unauthorized", 403: "forbidden"}.get(status, "ok")


class HttpDoor:
    """A gateway over HTTP/1.1.  read: how its subscriptions are asked for."""

    def __init__(self, system, gateway, path="/events", accept="text/event-stream", **params):
        self.system, self.gateway, self.path = system, gateway, path
        self.accept, self.params = accept, params
        self.name = f"{gateway} {path} {accept}"

    def shows(self, c):
        return c.http is not None or c.query is not None

    def request(self, c, method, path, params=None, **kw):
        r = requests.request(method, self.system.url(path, self.gateway),
                             params={**(params or {}), **(c.query or {})},
                             headers={**(c.http or {}), **kw.pop("headers", {})}, timeout=TIMEOUT,
                             stream=True, **kw)
        with contextlib.closing(r):
            if r.status_code == 401:
                assert "WWW-Authenticate" in r.headers, r.headers
                assert r.json()["code"] == "unauthorized"
            if r.status_code == 403:
                problem = r.json()
                assert problem["code"] == "forbidden", problem
            assert r.status_code < 500, (r.status_code, r.text)
            return r.status_code

    def subscribe(self, c, what):
        return verdict(self.request(c, "GET", self.path, {"topic": what, **self.params},
                                    headers={"Accept": self.accept}))

    def publish(self, c, topic):
        return verdict(self.request(c, "POST", "/events/" + urllib.parse.quote(topic), data=b"x"))

    def manage(self, c, topic):
        status = self.request(c, "DELETE", "/history/" + urllib.parse.quote(topic))
        return "ok" if status == 404 else verdict(status)


class HistoryDoor(HttpDoor):
    """/history/{filter}: read only."""

    publish = manage = None

    def subscribe(self, c, what):
        return verdict(self.request(c, "GET", "/history/" + urllib.parse.quote(what)))


class BatchDoor(HttpDoor):
    """POST /events with lines."""

    subscribe = manage = None

    def publish(self, c, topic):
        return verdict(self.request(c, "POST", "/events", data=json.dumps(
            {"topic": topic, "data": 1}) + "\n", headers={"Content-Type": "application/x-ndjson"}))


class Http2Door:
    def __init__(self, system):
        self.system, self.name, self.accept = system, "h2", "text/event-stream"

    def shows(self, c):
        return c.http is not None or c.query is not None

    def request(self, c, method, path, body=None):
        query = urllib.parse.urlencode(c.query or {})
        path += ("&" if "?" in path else "?") + query if query else ""
        with Connection(self.system.port("h2")) as connection:
            x = connection.begin(method, path, {k.lower(): v for k, v in (c.http or {}).items()},
                                 body)
            return connection.answered(x).status

    def subscribe(self, c, what):
        return verdict(self.request(c, "GET", "/events?topic=" + urllib.parse.quote(what, "")))

    def publish(self, c, topic):
        return verdict(self.request(c, "POST", "/events/" + urllib.parse.quote(topic), b"x"))

    def manage(self, c, topic):
        status = self.request(c, "DELETE", "/history/" + urllib.parse.quote(topic))
        return "ok" if status == 404 else verdict(status)


class WebSocketDoor:
    """sluice.json: what is subscribed and published is said in messages."""

    name, manage = "ws sluice.json", None

    def __init__(self, system):
        self.system = system

    def shows(self, c):
        return c.http is not None or c.query is not None

    def open(self, c, name="", protocol=None, **params):
        lines = [f"{k}: {v}" for k, v in (c.http or {}).items()]
        return WebSocket(self.system.port("ws"), path_of(name, **params, **(c.query or {})),
                         protocol, headers=lines)

    def said(self, c, op, **members):
        with self.open(c) as socket:
            if socket.head()[0] != 101:
                return verdict(socket.head()[0])
            socket.say(op, ref=1, **members)
            while True:
                try:
                    m = socket.json()
                except (ConnectionError, AssertionError):
                    assert socket.closed and socket.closed[0] == 4401, socket.closed
                    return "unauthorized"
                if m["op"] == "ack":
                    return "ok"
                if m["op"] == "error":
                    assert m["code"] in ("unauthorized", "forbidden"), m
                    return m["code"]

    def subscribe(self, c, what):
        return self.said(c, "subscribe", topic=what)

    def publish(self, c, topic):
        return self.said(c, "publish", topic=topic, data="x")


class RawWebSocketDoor(WebSocketDoor):
    """sluice.raw: the address says it."""

    name, publish = "ws sluice.raw", None

    def subscribe(self, c, what):
        with self.open(c, topic=what, protocol="sluice.raw") as socket:
            return verdict(200 if socket.head()[0] == 101 else socket.head()[0])


class MqttDoor:
    manage = None

    def __init__(self, system, version, over="tcp", auth=False):
        self.system, self.version, self.over, self.auth = system, version, over, auth
        self.name = f"mqtt {version} over {over}{' by AUTH' if auth else ''}"
        self.numbers = itertools.count()

    def shows(self, c):
        return c.jwt is not None if self.auth else c.mqtt is not None

    @contextlib.contextmanager
    def connected(self, c):
        port = self.system.port("mqtt" if self.over == "tcp" else "mqtt_ws")
        said = ({"auth_method": "jwt", "auth_data": c.jwt.encode()} if self.auth else
                {"user": c.mqtt[0], "password": c.mqtt[1]})
        with mqttlib.Client(port, self.version, self.over) as client:
            client.send(mqttlib.connect(f"m{next(self.numbers)}", self.version, **said))
            connack = client.take(mqttlib.CONNACK)
            refusals = (0x86, 0x87) if self.version == V5 else (4, 5)
            assert connack.reason == 0 or connack.reason in refusals, connack
            yield client if connack.reason == 0 else None

    def subscribe(self, c, what):
        with self.connected(c) as client:
            if client is None:
                return "unauthorized"
            (code,) = client.subscribe(what, qos=1).codes
            assert code in (1, 0x87 if self.version == V5 else 0x80), code
            return "ok" if code == 1 else "forbidden"

    def publish(self, c, topic):
        with self.connected(c) as client:
            if client is None:
                return "unauthorized"
            try:
                puback = client.publish(topic, "x")
            except ConnectionError:
                assert self.version != V5
                return "forbidden"
            if self.version == V5 and puback.reason == 0x87:
                return "forbidden"
            assert puback.reason in (0, None, 0x10), puback
            return "ok"


class ZmqDoor:
    name, manage = "zmq DEALER", None

    def __init__(self, system, context, server_key):
        self.system, self.context, self.server_key = system, context, server_key

    def shows(self, c):
        return c.zmq is not None

    def said(self, c, *parts):
        with self.context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.reconnect_ivl = -1
            c.zmq(socket, self.server_key)
            watch = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                              zmq.EVENT_HANDSHAKE_FAILED_AUTH |
                                              zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                              zmq.EVENT_DISCONNECTED)
            socket.connect(f"tcp://127.0.0.1:{self.system.port('zmq')}")
            with contextlib.suppress(zmq.Again):  # it is refused already, and there is no peer
                socket.send_multipart([p.encode() for p in parts], zmq.NOBLOCK)
            refused = socket not in dict(poll(socket, watch))
            socket.disable_monitor()
            if refused:
                return "unauthorized"
            answer = socket.recv_multipart()
            if answer[0] == b"ok":
                return "ok"
            assert answer[0] == b"error", answer
            return answer[2].decode()

    def subscribe(self, c, what):
        return self.said(c, "subscribe", "s", what, "{}")

    def publish(self, c, topic):
        return self.said(c, "publish", "1", topic, "{}", "x")


def poll(*sockets):
    poller = zmq.Poller()
    for s in sockets:
        poller.register(s, zmq.POLLIN)
    ready = poller.poll(TIMEOUT * 1000)
    assert ready, "neither an answer nor a refusal"
    return ready


# --- the matrix ------------------------------------------------------------------------

class World:
    def __init__(self, folder):
        ids = self.ids = Identities(folder / "identities")
        ids.roles["mine"] = MINE
        ids.user("alice", "mine")
        for name in USERS:
            ids.user(name, "mine")
        known = ids.key("app", "mine")
        self.server_key, secret = zmq.curve_keypair()
        ids.write("server.key", secret + b"\n")
        zmq_section = (f"[zmq]\nmechanism = plain, curve\n"
                       f"curve_secret_key_file = {ids.folder}/server.key\n")
        config = zmq_section + ids.config(more="auth_timeout = 1s")
        self.system = Sluice(folder / "system", config, gateways=GATEWAYS).start()
        self.context = zmq.Context()
        self.credentials = all_credentials(ids, known, zmq.curve_keypair())
        self.doors = list(self.make_doors())

    def make_doors(self):
        s = self.system
        yield HttpDoor(s, "sse")
        yield HttpDoor(s, "sse", accept="application/x-ndjson")
        yield HttpDoor(s, "poll", accept="application/json", wait="0s")
        yield HistoryDoor(s, "sse")
        yield BatchDoor(s, "sse")
        yield Http2Door(s)
        yield WebSocketDoor(s)
        yield RawWebSocketDoor(s)
        for version in (V311, V5):
            for over in ("tcp", "ws"):
                yield MqttDoor(s, version, over)
        yield MqttDoor(s, V5, auth=True)
        yield ZmqDoor(s, self.context, self.server_key)

    def end(self):
        self.context.destroy(linger=0)
        self.system.end()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("matrix"))
    yield made
    made.end()


def combinations(world, verb):
    for door in world.doors:
        act = getattr(door, verb)
        if act is None:
            continue
        for c in world.credentials:
            if door.shows(c):
                for what, covered in (FILTERS if verb == "subscribe" else TOPICS).items():
                    # One that is not believed is asked for less: nothing is looked at.
                    if c.right or what in ("mine/a", "other/a"):
                        yield door, c, what, covered, act


@pytest.mark.parametrize("verb", ["subscribe", "publish", "manage"])
def test_the_same_at_every_door(world, verb, record_property):
    wrong, count = [], 0
    for door, c, what, covered, act in combinations(world, verb):
        expected = "unauthorized" if not c.right else "ok" if covered else "forbidden"
        got = act(c, what)
        count += 1
        if got != expected:
            wrong.append(f"{door.name}, {c}, {verb} {what}: {got}, not {expected}")
    record_property("combinations", count)
    print(f"{verb}: {count} combinations")
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong[:60])


# --- what follows the first connect -----------------------------------------------------

class Flow:
    """A subscription to mine/a that is open.  next(): ("event", text, ID), or ("ended", why)."""

    def __init__(self, door, c, after=None):
        self.door, self.c = door, c
        self.open(after)


class StreamFlow(Flow):
    def open(self, after):
        accept = {"Accept": self.door.accept, **(self.c.http or {})}
        params = {"topic": "mine/a", **(self.c.query or {}), **({"after": after} if after else {})}
        url = self.door.system.url("/events", self.door.gateway, **params)
        self.stream = Stream(self.door.system.port(self.door.gateway), url, accept)
        assert self.stream.status == 200, (self.c, self.stream.status)

    def next(self):
        item = self.stream.next("event", "expired")
        assert item is not None, "the stream ended without a word"
        if item.kind == "expired":
            assert self.stream.next("event", "expired") is None
            return "ended", item.json()["reason"]
        data = item.json()["data"] if "ndjson" in self.door.accept else item.data
        return "event", data, item.id

    def close(self):
        self.stream.close()


class Http2Flow(StreamFlow):
    def open(self, after):
        self.connection = Connection(self.door.system.port("h2"))
        params = {"topic": "mine/a", **(self.c.query or {}), **({"after": after} if after else {})}
        fields = {k.lower(): v for k, v in (self.c.http or {}).items()}
        self.stream = self.connection.stream("", fields, **params)
        assert self.stream.status == 200, (self.c, self.stream.status)

    def close(self):
        self.connection.close()


class WebSocketFlow(Flow):
    def open(self, after):
        self.socket = self.door.open(self.c, topic="mine/a", **({"after": after} if after else {}))
        self.socket.open().take("ack")

    def next(self):
        m = self.socket.json()
        if m["op"] == "expired":
            assert self.socket.close_code() == 4401
            return "ended", m["reason"]
        assert m["op"] == "event", m
        return "event", m["data"], m["id"]

    def close(self):
        self.socket.raw.close()


class MqttFlow(Flow):
    """Resumes its session, whose client is named as its credential is."""

    def open(self, after):
        door, c = self.door, self.c
        port = door.system.port("mqtt" if door.over == "tcp" else "mqtt_ws")
        said = ({"auth_method": "jwt", "auth_data": c.jwt.encode()} if door.auth else
                {"user": c.mqtt[0], "password": c.mqtt[1]})
        if door.version == V5:
            said["session_expiry"] = 3600
        self.client = mqttlib.Client(port, door.version, door.over)
        self.client.connect(f"{door.name} {c}".replace(" ", "-"), clean=False, **said)
        if after is None:
            self.client.subscribed("mine/a", qos=1)
        else:
            assert self.client.connack.present, c

    def next(self):
        try:
            p = self.client.next(mqttlib.PUBLISH, mqttlib.DISCONNECT)
        except ConnectionError:
            assert self.door.version != V5
            return "ended", "revoked"
        if p.kind == mqttlib.DISCONNECT:
            assert p.reason == 0x87, p
            return "ended", "revoked"
        self.client.acknowledge(p)
        return "event", p.payload.decode(), None

    def close(self):
        self.client.close()


class ZmqFlow(Flow):
    def open(self, after):
        self.socket = self.door.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.reconnect_ivl = -1
        self.socket.rcvtimeo = int(TIMEOUT * 1000)
        self.c.zmq(self.socket, self.door.server_key)
        self.socket.connect(f"tcp://127.0.0.1:{self.door.system.port('zmq')}")
        options = {"after": after} if after else {}
        self.socket.send_multipart([b"subscribe", b"s", b"mine/a", json.dumps(options).encode()])
        assert self.socket.recv_multipart()[0] == b"ok"

    def next(self):
        m = self.socket.recv_multipart()
        if m[0] == b"ok":  # the position, before the end
            m = self.socket.recv_multipart()
        if m[0] == b"error":
            assert m[1:3] == [b"", b"unauthorized"], m
            return "ended", "revoked"
        assert m[0] == b"event", m
        return "event", m[5].decode(), m[2].decode()

    def close(self):
        self.socket.close()


def flow_of(door):
    if isinstance(door, (HistoryDoor, BatchDoor, RawWebSocketDoor)):
        return None
    kinds = {Http2Door: Http2Flow, WebSocketDoor: WebSocketFlow, MqttDoor: MqttFlow,
             ZmqDoor: ZmqFlow, HttpDoor: StreamFlow}
    return kinds[type(door)] if getattr(door, "gateway", "") != "poll" else None


def flows_of(world, credentials):
    return [(door, c, flow_of(door)) for door in world.doors for c in credentials
            if flow_of(door) is not None and door.shows(c)]


def revocable(ids, name):
    """Credentials of a principal of its own: a token of each algorithm, a user, a key."""
    made = []
    for alg in ALGORITHMS:
        made += of_token(f"{name} {alg}", True,
                         ids.token(alg, sub=f"{name}-{alg}", jti=f"{name}-{alg}", grants=MINE))
    ids.user(name, "mine")
    made.append(Credential(f"{name}'s password", True, http=basic(name, PASSWORD),
                           mqtt=(name, PASSWORD), zmq=plain(name, PASSWORD)))
    made.append(Credential(f"{name}'s key", True, zmq=curve(ids.key(name, "mine"))))
    return made


def reload(world):
    for name in GATEWAYS:
        world.system.processes[name].signal(signal.SIGHUP)


def publish(world, text):
    """By somebody who stays."""
    r = requests.post(world.system.url("/events/mine/a"), data=text, timeout=TIMEOUT,
                      headers=bearer(world.ids.token("HS256", sub="publisher", grants=MINE)))
    assert r.status_code == 201, r.text
    return r.json()["id"]


def test_resumed_and_revoked_in_mid_stream(world, record_property):
    """All doors and credentials at once: each is connected, gets an event, goes, comes back to
    what it missed; then half of them are revoked, and end within a second of the reload, while
    the other half goes on."""
    ids = world.ids
    going, staying = revocable(ids, "going"), revocable(ids, "staying")
    reload(world)
    wanted = flows_of(world, going + staying)
    for door, c, _ in wanted:  # a reload is over when they are let in
        wait_for(lambda d=door, c=c: d.subscribe(c, "mine/a") == "ok", f"{door.name}, {c}")
    flows = [kind(door, c) for door, c, kind in wanted]
    publish(world, "one")
    seen = {f: f.next() for f in flows}
    assert all(s[:2] == ("event", "one") for s in seen.values()), seen
    for f in flows:
        f.close()
    publish(world, "two")
    flows = [type(f)(f.door, f.c, s[2] or "session") for f, s in seen.items()]
    missed = {f: f.next() for f in flows}
    assert all(s[:2] == ("event", "two") for s in missed.values()), missed

    ids.revoked.update(f"going-{alg}" for alg in ALGORITHMS)
    del ids.users["going"], ids.curve["going"]
    ids.write_lists()
    begun = time.monotonic()
    reload(world)
    ends = {f: f.next() for f in flows if f.c in going}
    took = time.monotonic() - begun
    assert all(s == ("ended", "revoked") for s in ends.values()), ends
    publish(world, "three")
    kept = {f: f.next() for f in flows if f.c in staying}
    assert all(s[:2] == ("event", "three") for s in kept.values()), kept
    for f in flows:
        f.close()
    for door, c, _ in wanted:
        if c in going:
            assert door.subscribe(c, "mine/a") == "unauthorized", (door.name, c)
    record_property("flows", len(flows))
    print(f"{len(flows)} flows resumed, {len(ends)} revoked and told within {took:.2f} s")
    assert took < 1 + SLACK, took


def renewals(world):
    """(flow class, door, first credential, next ones, right or wrong) of doors that renew."""
    for door in world.doors:
        if type(door) is WebSocketDoor or getattr(door, "auth", False):
            for alg in ALGORITHMS:
                name = f"renewed-{door.name}-{alg}"
                token = world.ids.token(alg, sub=name, grants=MINE)
                first = next(c for c in of_token(alg, True, token) if door.shows(c))
                yield flow_of(door), door, first, name


def renew(flow, token):
    """True when it is taken."""
    if isinstance(flow, WebSocketFlow):
        flow.socket.say("auth", ref=9, token=token)
        m = flow.socket.json()
        assert m["op"] == "auth-ok" or m["code"] in ("unauthorized", "forbidden"), m
        return m["op"] == "auth-ok"
    flow.client.send(mqttlib.packet(mqttlib.AUTH, 0, b"\x19" + mqttlib.properties(
        {"auth_method": "jwt", "auth_data": token.encode()})))
    p = flow.client.next(mqttlib.AUTH, mqttlib.DISCONNECT)
    assert p.reason in (0, 0x86, 0x87), p
    return p.kind == mqttlib.AUTH


def test_renewed_in_mid_stream(world, record_property):
    """By a token of every algorithm; refused is what is forged, and another's name."""
    count = 0
    for kind, door, first, name in renewals(world):
        for alg in ALGORITHMS:
            flow = kind(door, first)
            assert renew(flow, world.ids.token(alg, sub=name, grants=MINE))
            publish(world, alg)
            assert flow.next()[:2] == ("event", alg)
            flow.close()
            count += 1
        for bad in [forged(world.ids, how, grants=MINE, sub=name) for how in FORGERIES] + [
                world.ids.token("ES256", sub="another", grants=MINE)]:
            flow = kind(door, first)
            assert not renew(flow, bad), (door.name, bad)
            flow.close()
            count += 1
    record_property("renewals", count)
    print(f"{count} renewals")


def test_taken_over_by_their_own_principal_alone(world, record_property):
    """MQTT's sessions: whoever shows the same name takes one over, whatever they show it with;
    nobody else does, and the live client stays."""
    ids, count = world.ids, 0
    mine = [Credential("the first", True, mqtt=("x", ids.token("RS256", sub="owner", grants=MINE))),
            Credential("the next", True, mqtt=("x", ids.token("ES256", sub="owner", grants=MINE)))]
    others = [Credential("another subject", True,
                         mqtt=("x", ids.token("EdDSA", sub="thief", grants=MINE))),
              Credential("a user of that name", True, mqtt=("alice", PASSWORD)),
              Others("a wrong password", USERS, "wrong"),
              *(Others(how, NOBODIES, forged(ids, how, sub="owner", grants=MINE))
                for how in FORGERIES)]
    for door in world.doors:
        if not isinstance(door, MqttDoor) or door.auth:
            continue
        flow = MqttFlow(door, mine[0])
        for c in others:
            name = f"{door.name} the first".replace(" ", "-")
            port = world.system.port("mqtt" if door.over == "tcp" else "mqtt_ws")
            user, password = c.mqtt
            with mqttlib.Client(port, door.version, door.over) as thief:
                thief.send(mqttlib.connect(name, door.version, user=user, password=password))
                reason = thief.take(mqttlib.CONNACK).reason
                assert reason in ((0x86, 0x87) if door.version == V5 else (4, 5)), (c, reason)
            count += 1
        publish(world, "kept")
        assert flow.next()[:2] == ("event", "kept")
        mine[1].name = mine[0].name
        taken = MqttFlow(door, mine[1], after="session")
        assert flow.client.closed() == (0x8E if door.version == V5 else None)
        publish(world, "taken")
        assert taken.next()[:2] == ("event", "taken")
        taken.close()
        count += 1
    record_property("takeovers", count)
    print(f"{count} takeovers")
