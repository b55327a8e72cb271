"""Every door × every credential × every verb × what it covers: one model, the same everywhere.

A door is a class with the verbs that it has; each verb answers "ok", "unauthorized" (who are
you) or "forbidden" (not you).  What is expected comes from the model alone: credentials that
are wrong are "unauthorized" at every door; those that are right are judged by their grants.
conftest prints how many combinations there were (`-rP` shows it)."""

import base64
import contextlib
import itertools
import json
import urllib.parse

import mqttlib
import pytest
import requests
import zmq
from h2lib import Connection
from identitylib import ALGORITHMS, FORGERIES, PASSWORD, Identities, forged
from mqttlib import V5, V3 as V311
from sluicelib import TIMEOUT, Sluice
from wslib import WebSocket, path_of

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
        self.system, self.name = system, "h2"

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
            socket.send_multipart([p.encode() for p in parts])
            ready = dict(poll(socket, watch))
            refused = socket not in ready
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
