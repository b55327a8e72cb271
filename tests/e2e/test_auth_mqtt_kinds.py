"""MQTT with TLS: every kind of credential, every verb, filters that are covered, partly or not at
all; at the first connect, at resuming, taking over, renewing, and when it is taken away.

One system for all: each case has names of clients and topics of its own, and users, tokens and
certificates are its own, so that what is taken away from one is nobody else's.
"""

import itertools
import os
import pathlib
import signal
import subprocess

import paho.mqtt.client as paho
import pytest
from identitylib import ALGORITHMS, FORGERIES, PASSWORD, Identities, forged
from mqttauthlib import DENIED, WRONG, auth
from mqttlib import (AUTH, CONNACK, PUBACK, PUBLISH, SUBACK, V3, V5, Client, connect,
                     disconnect, options, publish, subscribe)
from sluicelib import TIMEOUT, Sluice, wait_for
from tlslib import Authority, section

numbers = itertools.count()


class System:
    """One gateway with TLS that believes all kinds."""

    def __init__(self, folder):
        self.ids = Identities(folder / "ids")
        self.ids.roles = {
            "own": {"publish": ["o/%u/#"], "subscribe": ["o/%u/#"]},
            "stranger": {"publish": ["o/anonymous/#"], "subscribe": ["o/anonymous/#"]},
            "all": {"publish": ["#"], "subscribe": ["#"]}}
        self.ids.user("root", "all")
        for n in range(400):
            self.ids.users[f"u{n}"] = self.ids.users["root"][0], ("own",)
        self.ids.write_lists()
        self.authority = Authority(folder, "server")
        self.devices = Authority(folder, "devices")
        self.ca = self.authority.file
        self.text = section(self.authority.server(), more=f"client_ca = {self.devices.file}\n"
                            "verify = optional\n") + self.ids.config(
            anonymous="stranger", more="certificate_roles = own\nleeway = 0s\n")
        self.sluice = Sluice(folder / "sluice", self.text, gateways=("mqtt",)).start()
        self.sluice.tls = self.authority.context()
        self.opened = []

    def certificate(self, name):
        return self.devices.issue(subject=f"/CN={name}")

    def open(self, version, context=None):
        c = Client(self.sluice.port("mqtt"), version, tls=context or self.sluice.tls)
        self.opened.append(c)
        return c

    def reload(self):
        """What is in the files now; it holds when this returns."""
        p = self.sluice.processes["mqtt"]
        before = p.logged().count("configuration reloaded")
        p.signal(signal.SIGHUP)
        wait_for(lambda: p.logged().count("configuration reloaded") > before, "reload")

    def close(self):
        for c in self.opened:
            c.close()
        self.sluice.end()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    s = System(tmp_path_factory.mktemp("kinds"))
    yield s
    s.close()


class Somebody:
    """A principal of its own, by one kind of credential."""

    def __init__(self, system, kind, version):
        self.system, self.kind, self.version = system, kind, version
        self.name = f"u{next(numbers)}"
        self.client = f"client-{self.name}"
        self.context = None
        self.jti = self.name
        if kind == "certificate":
            self.context = system.authority.context(system.certificate(self.name))
        if kind == "stranger":
            self.name = "anonymous"

    def token(self, alg="HS256", **kw):
        kw.setdefault("grants", {"roles": ["own"]})
        return self.system.ids.token(alg, sub=self.name, jti=self.jti, **kw)

    def words(self):
        how, _, alg = self.kind.partition(" ")
        return {"user": lambda: {"user": self.name, "password": PASSWORD},
                "password": lambda: {"user": "ignored", "password": self.token(alg)},
                "method": lambda: {"auth_method": "jwt", "auth_data": self.token(alg)},
                "certificate": lambda: {"user": "ignored"},
                "stranger": lambda: {}}[how]()

    def connect(self, clean=True, **more):
        c = self.system.open(self.version, self.context)
        if not clean and self.version == V5:
            more["session_expiry"] = 600
        c.connect(self.client, clean=clean, **{**self.words(), **more})
        return c

    def refused(self, words=None, **more):
        c = self.system.open(self.version, self.context)
        c.send(connect(self.client, self.version, **(self.words() if words is None else words),
                       **more))
        reason = c.take(CONNACK).reason
        assert reason and c.closed() is None
        return reason

    @property
    def t(self):
        return f"o/{self.name}"


KINDS = [("user", v) for v in (V3, V5)] + [("certificate", v) for v in (V3, V5)] \
    + [("stranger", v) for v in (V3, V5)] \
    + [(f"password {alg}", v) for alg in ALGORITHMS for v in (V3, V5)] \
    + [(f"method {alg}", V5) for alg in ALGORITHMS]
NAMES = [f"{kind}, {'5.0' if v == V5 else '3.1.1'}" for kind, v in KINDS]
kinds = pytest.mark.parametrize("kind", KINDS, ids=NAMES)


@pytest.fixture
def who(system, kind):
    return Somebody(system, *kind)


def may(c, who):
    """Each verb, covered, partly covered and not."""
    filters = {f"{who.t}/a": 0, f"{who.t}/#": 0, f"$share/g/{who.t}/+": 0, "o/#": DENIED,
               "o/+/a": DENIED, "#": DENIED, "x": DENIED, "$share/g/o/#": DENIED,
               "$SYS/broker/uptime": DENIED}
    want = [code if not code or who.version == V5 else 0x80 for code in filters.values()]
    assert c.subscribe(*filters).codes == want
    c.unsubscribe(*filters)
    for qos in (0, 1, 2):
        for topic, ok in ((f"{who.t}/p", True), ("o/other/p", False), ("x", False)):
            if not ok and who.version == V3 and qos:
                continue  # it ends the connection: last_word()
            answer = c.publish(topic, b"x", qos=qos)
            assert answer is None or answer.reason == (0 if ok else DENIED)


def last_word(c, who):
    """What 3.1.1 cannot be told."""
    if who.version == V3:
        c.send(publish("x", b"x", 1, 77, version=V3))
        assert c.closed() is None


@kinds
def test_connect(who):
    c = who.connect()
    may(c, who)
    last_word(c, who)


@kinds
def test_resume(who):
    c = who.connect(clean=False)
    c.subscribed(f"{who.t}/q", qos=1)
    c.send(disconnect(version=who.version))
    c.closed()
    root = who.system.open(V5)
    root.connect(f"root-{who.client}", user="root", password=PASSWORD)
    root.publish(f"{who.t}/q", b"while away")
    c = who.connect(clean=False)
    assert c.connack.present and c.message().payload == b"while away"
    may(c, who)


@kinds
def test_take_over(who):
    c = who.connect(clean=False)
    other = Somebody(who.system, "user", who.version)
    other.client = who.client
    assert other.refused() == (DENIED if who.version == V5 else 5)
    assert not c.publish(f"{who.t}/p").reason  # not disturbed
    newer = who.connect(clean=False)
    assert newer.connack.present
    assert c.closed() == (0x8E if who.version == V5 else None)
    may(newer, who)


@pytest.mark.parametrize("kind", [(f"method {alg}", V5) for alg in ALGORITHMS], ids=ALGORITHMS)
def test_renew(who):
    c = who.connect()
    alg = who.kind.split()[1]
    c.subscribed(f"{who.t}/a", qos=1)
    for grants in ({"roles": ["own"]}, {"roles": ["own"], "publish": ["x"]}):
        c.send(auth(who.token(alg, grants=grants)))
        assert c.take(AUTH).reason == 0
    assert c.publish("x").reason == 0
    c.publish(f"{who.t}/a", b"same subscription")
    assert c.message().payload == b"same subscription"
    c.send(auth(who.token(alg)))
    assert c.take(AUTH).reason == 0
    may(c, who)


def take_away(who):
    ids = who.system.ids
    if who.kind == "user":
        del ids.users[who.name]
    elif who.kind not in ("certificate", "stranger"):
        ids.revoked.add(who.jti)
    ids.write_lists()
    who.system.reload()


@pytest.mark.parametrize("kind", [k for k in KINDS if k[0] not in ("certificate", "stranger")],
                         ids=[n for k, n in zip(KINDS, NAMES)
                              if k[0] not in ("certificate", "stranger")])
def test_taken_away_in_mid_stream(who):
    """It ends, at once; what stands is not disturbed; it is refused from then on."""
    stands = Somebody(who.system, "user", V5)
    s = stands.connect()
    s.subscribed(f"{stands.t}/a", qos=1)
    c = who.connect(clean=False)
    c.subscribed(f"{who.t}/a", qos=1)
    take_away(who)
    assert c.closed() == (DENIED if who.version == V5 else None)
    assert who.refused() == (WRONG if who.version == V5 else 4)
    s.publish(f"{stands.t}/a", b"still")
    assert s.message().payload == b"still"


@pytest.mark.parametrize("how", ["password", "method"])
@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged(system, how, forgery):
    who = Somebody(system, "user", V5)
    jwt = forged(system.ids, forgery)
    words = {"user": "alice", "password": jwt} if how == "password" else \
        {"auth_method": "jwt", "auth_data": jwt}
    assert who.refused(words) == WRONG
    who.version = V3
    if how == "password":
        assert who.refused(words) == 4


@pytest.mark.parametrize("forgery", FORGERIES)
def test_renewing_with_a_forged_one_ends_it(system, forgery):
    c = Somebody(system, "method EdDSA", V5).connect()
    c.send(auth(forged(system.ids, forgery)))
    assert c.closed() == DENIED


@pytest.mark.parametrize("version", [V3, V5])
def test_a_wrong_password_and_a_user_that_there_is_not(system, version):
    who = Somebody(system, "user", version)
    wrong = WRONG if version == V5 else 4
    assert who.refused({"user": who.name, "password": "wrong"}) == wrong
    assert who.refused({"user": "nobody", "password": PASSWORD}) == wrong
    assert who.refused({"user": who.name}) == wrong
    assert who.refused({"user": who.name, "password": ""}) == wrong


def test_what_is_shown_goes_before_a_certificate(system):
    who = Somebody(system, "certificate", V5)
    user = Somebody(system, "user", V5)
    user.context = who.context
    may(user.connect(), user)
    assert user.refused({"user": user.name, "password": "wrong"}) == WRONG


def test_nothing_is_read_while_a_password_is_hashed(system):
    """What is sent behind CONNECT, at once, is done in its order when that is known."""
    who = Somebody(system, "user", V5)
    c = system.open(V5)
    c.send(connect(who.client, V5, **who.words()), subscribe(1, [(f"{who.t}/a", options(1))]),
           *[publish(f"{who.t}/a", str(n), 1, n + 1) for n in range(20)])
    assert c.take(CONNACK).reason == 0
    assert c.take(SUBACK).codes == [1]
    got = [c.next(PUBACK, PUBLISH) for _ in range(40)]
    assert [int(p.payload) for p in got if p.kind == PUBLISH] == list(range(20))


def test_who_leaves_while_a_password_is_hashed_leaves_nothing(system):
    for _ in range(20):
        who = Somebody(system, "user", V5)
        c = system.open(V5)
        c.send(connect(who.client, V5, **who.words()))
        c.close()
    Somebody(system, "user", V5).connect()


# --- clients that others wrote ------------------------------------------------------------------


def mosquitto(kind, system, *args, **kw):
    return subprocess.run(
        [f"mosquitto_{kind}", "-h", "localhost", "-p", str(system.sluice.port("mqtt")), "--cafile",
         str(system.ca), *map(str, args)], capture_output=True, text=True, timeout=TIMEOUT, **kw)


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto_pub_and_sub(system, version):
    user, cert, by_token = (Somebody(system, "user", V5) for _ in range(3))
    pair = system.certificate(cert.name)
    shows = {user: ["-u", user.name, "-P", PASSWORD],
             cert: ["--cert", pair[0], "--key", pair[1]],
             by_token: ["-u", "x", "-P", by_token.token("EdDSA")]}
    for who, words in shows.items():
        done = mosquitto("pub", system, "-V", version, "-q", 1, "-r", "-t", f"{who.t}/m", "-m",
                         "hi", *words)
        assert done.returncode == 0, done.stderr
        done = mosquitto("sub", system, "-V", version, "-C", 1, "-t", f"{who.t}/#", *words)
        assert done.stdout == "hi\n", done
        done = mosquitto("sub", system, "-V", version, "-E", "-t", "o/#", *words)
        assert "denied" in (done.stdout + done.stderr).lower() or done.returncode, done
        done = mosquitto("pub", system, "-V", version, "-q", 1, "-t", "x", "-m", "hi", *words)
        assert done.returncode or "not authorized" in done.stderr.lower(), done
    done = mosquitto("pub", system, "-V", version, "-t", "x", "-m", "hi", "-u", user.name, "-P", "no")
    assert done.returncode and "not authori" in (done.stdout + done.stderr).lower() or \
        "bad user" in (done.stdout + done.stderr).lower(), done


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho(system, transport):
    who = Somebody(system, "password RS256", V3)
    came, codes = [], []
    c = paho.Client(client_id=who.client, transport=transport)
    c.tls_set_context(system.authority.context())
    c.username_pw_set("x", who.token("RS256"))
    c.on_connect = lambda _c, _u, _f, code: (codes.append(code), c.subscribe(f"{who.t}/a", 1))
    c.on_subscribe = lambda *_: c.publish(f"{who.t}/a", b"y", 1)
    c.on_message = lambda _c, _u, m: came.append(m.payload)
    c.connect("localhost", system.sluice.port("mqtt_ws" if transport == "websockets" else "mqtt"))
    c.loop_start()
    wait_for(lambda: came == [b"y"], "the message")
    c.disconnect()
    c.loop_stop()
    assert codes == [0]


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize("over", ["mqtts", "wss"])
def test_mqtt_js(system, npm, over, version):
    who = Somebody(system, "user", version)
    port = system.sluice.port("mqtt_ws" if over == "wss" else "mqtt")
    script = pathlib.Path(__file__).with_name("mqtt_auth_client.js")
    done = subprocess.run(
        ["node", script, f"{over}://localhost:{port}", str(version), who.t, who.name, PASSWORD,
         who.token("ES256"), who.token("PS256")],
        timeout=3 * TIMEOUT, text=True, capture_output=True,
        env={**os.environ, "NODE_PATH": npm("mqtt@5"), "NODE_EXTRA_CA_CERTS": str(system.ca)})
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout == "ok\n"
