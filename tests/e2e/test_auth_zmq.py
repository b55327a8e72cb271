"""ZeroMQ: who a peer is (NULL, PLAIN, CURVE), what it may, and when that ends."""

import itertools
import json
import signal
import threading
import time

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from identitylib import PASSWORD, Identities
from sluicelib import Sluice, wait_for
from zmtplib import Raw, command, greeting, metadata, ready

MS = 20000
ROLES = {"guest": {"subscribe": ["open/#"]},
         "one": {"publish": ["a/#", "own/%u/#"], "subscribe": ["a/+", "b/#", "own/%u/#"]},
         "all": {"publish": ["#"], "subscribe": ["#"]}}


class Door:
    """A system whose ZeroMQ door serves all three mechanisms, and sockets to it."""

    def __init__(self, folder, anonymous=None, config="", auth=""):
        self.ids = ids = Identities(folder / "ids")
        ids.roles = dict(ROLES)
        ids.user("alice", "one")
        ids.user("root", "all")
        self.pairs = {"gate": ids.key("gate", "one"), "boss": ids.key("boss", "all"),
                      "nobody": zmq.curve_keypair()}
        self.public, secret = zmq.curve_keypair()
        ids.write("server.key", secret)
        self.anonymous, self.auth = anonymous, auth
        self.more = f"[zmq]\ncurve_secret_key_file = {ids.folder}/server.key\n{config}"
        self.system = Sluice(folder / "s", self.text(), gateways=("zmq",)).start()
        self.context, self.numbers = zmq.Context(), itertools.count()

    def text(self):
        return self.ids.config(self.anonymous, self.auth) + self.more

    def reload(self):
        self.ids.write_lists()
        self.system.config.write_text(self.text())
        self.system.processes["zmq"].signal(signal.SIGHUP)

    @property
    def port(self):
        return self.system.port("zmq")

    def options(self, who):
        """null, plain:NAME[:PASSWORD], token:TEXT, curve:NAME"""
        how, _, rest = who.partition(":")
        if how == "plain":
            name, _, password = rest.partition(":")
            return {"plain_username": name.encode(),
                    "plain_password": (password or PASSWORD).encode()}
        if how == "token":
            short = len(rest) <= 255
            return {"plain_username": b"me" if short else rest[:255].encode(),
                    "plain_password": (rest if short else rest[255:]).encode()}
        if how == "curve":
            public, secret = self.pairs[rest]
            return {"curve_publickey": public, "curve_secretkey": secret,
                    "curve_serverkey": self.public}
        return {}

    def __call__(self, kind, who, **options):
        """(socket, its monitor)"""
        s = self.context.socket(kind)
        s.linger = 0
        s.rcvtimeo = s.sndtimeo = MS
        for name, value in {**self.options(who), **options}.items():
            setattr(s, name, value)
        # pyzmq would call it by its descriptor, which may have been another's.
        monitor = s.get_monitor_socket(addr=f"inproc://monitor-{next(self.numbers)}")
        s.connect(f"tcp://127.0.0.1:{self.port}")
        return s, monitor

    def outcome(self, kind, who, **options):
        """SUCCEEDED, or what its handshake failed with."""
        s, monitor = self(kind, who, **options)
        while monitor.poll(MS):
            event = recv_monitor_message(monitor)
            name = zmq.Event(event["event"]).name
            if name.startswith("HANDSHAKE_"):
                s.disable_monitor()
                s.close()
                return name.removeprefix("HANDSHAKE_"), int(event["value"])
        raise AssertionError("no handshake")

    def app(self, who):
        return self(zmq.DEALER, who)[0]

    def close(self):
        self.context.destroy(linger=0)
        self.system.end()


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    d = Door(tmp_path_factory.mktemp("auth-zmq"), anonymous="guest")
    yield d
    d.close()


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    d = Door(tmp_path_factory.mktemp("strict-zmq"))
    yield d
    d.close()


@pytest.fixture
def new_door(tmp_path):
    made = []

    def make(**kw):
        made.append(Door(tmp_path / str(len(made)), **kw))
        return made[-1]
    yield make
    for d in made:
        d.close()


def say(s, *parts):
    s.send_multipart([p if isinstance(p, bytes) else str(p).encode() for p in parts])


def ask(s, *parts):
    say(s, *parts)
    return s.recv_multipart()


def silent(s, ms=150):
    return not s.poll(ms)


# --- who it is ----------------------------------------------------------------------------

TYPES = (zmq.DEALER, zmq.REQ, zmq.SUB, zmq.XSUB, zmq.PUSH, zmq.PUB)
RIGHT = ("plain:alice", "plain:root", "curve:gate", "curve:boss")
WRONG = ("plain:alice:wrong", "plain:nobody", "plain:alice:" + "x" * 255, "curve:nobody")


@pytest.mark.parametrize("kind, who", itertools.product(TYPES, RIGHT))
def test_who_is_known_comes_in(strict, kind, who):
    assert strict.outcome(kind, who)[0] == "SUCCEEDED"


@pytest.mark.parametrize("kind, who", itertools.product((zmq.DEALER, zmq.SUB, zmq.PUSH), WRONG))
def test_who_is_not_known_does_not(strict, kind, who):
    said = strict.outcome(kind, who)
    # libzmq 4.3.4 misspells ERROR in PLAIN, and takes ours for a mistake of the protocol.
    assert said == ("FAILED_AUTH", 400) or (who[:5] == "plain" and said[0] == "FAILED_PROTOCOL")


@pytest.mark.parametrize("kind", TYPES)
def test_strangers_are_refused_or_have_a_role(strict, door, kind):
    assert strict.outcome(kind, "null") == ("FAILED_AUTH", 400)
    assert door.outcome(kind, "null")[0] == "SUCCEEDED"


def test_wrong_credentials_are_no_strangers(door):
    assert door.outcome(zmq.DEALER, "curve:nobody") == ("FAILED_AUTH", 400)
    assert door.outcome(zmq.DEALER, "plain:alice:wrong")[0] != "SUCCEEDED"


@pytest.mark.parametrize("alg", ["HS256", "EdDSA", "ES256"])
def test_a_token_is_a_password(strict, alg):
    token = strict.ids.token(alg, grants={"publish": ["t/#"]})
    s = strict.app("token:" + token)
    assert ask(s, "publish", "1", "t/x", "{}", "x")[0] == b"ok"
    assert ask(s, "publish", "2", "u/x", "{}", "x")[2] == b"forbidden"


@pytest.mark.parametrize("claims", [{"ttl": -60}, {"aud": "another"}, {"iss": "https://evil.example"}])
def test_a_token_that_does_not_do_is_refused(strict, claims):
    token = strict.ids.token("HS256", **claims)
    assert strict.outcome(zmq.DEALER, "token:" + token)[0] != "SUCCEEDED"


def test_a_refused_peer_of_libzmq_comes_no_more(strict):
    before = strict.system.metrics("zmq")["sluice_zmq_peers_refused_total"]
    made = [strict(zmq.DEALER, who) for who in ("null", "plain:alice:wrong", "curve:nobody") * 3]
    wait_for(lambda: strict.system.metrics("zmq")["sluice_zmq_peers_refused_total"] >= before + 9,
             "all were refused")
    end = time.monotonic() + 1
    while time.monotonic() < end:  # ten times libzmq's interval of reconnecting
        assert strict.system.metrics("zmq")["sluice_zmq_peers_refused_total"] == before + 9
    for s, _ in made:
        s.disable_monitor()
        s.close()


def test_what_is_refused_is_in_the_audit_log_without_passwords(strict):
    strict.outcome(zmq.DEALER, "plain:alice:tell-nobody-this")
    log = strict.system.processes["zmq"]
    wait_for(lambda: '"audit"' in log.logged(), "audit")
    ask(strict.app("curve:gate"), "publish", "1", "secret/place", "{}", "x")
    wait_for(lambda: '"filter":"secret/place"' in log.logged(), "the refused publish")
    line = json.loads([x for x in log.logged().splitlines() if "secret/place" in x][0])
    assert (line["principal"], line["verb"], line["door"]) == ("key:gate", "publish", "zmq")
    assert line["address"] == "127.0.0.1" and "tell-nobody-this" not in log.logged()


# --- by hand ------------------------------------------------------------------------------

def plain(port, user, password):
    r = Raw(port).greet(mechanism=b"PLAIN")
    return r.send(command(b"HELLO", bytes([len(user)]) + user + bytes([len(password)]) + password))


def test_the_greeting_is_the_peers_mechanism(strict):
    for m, shown in ((b"NULL", b"NULL"), (b"PLAIN", b"PLAIN"), (b"CURVE", b"CURVE"),
                     (b"GSSAPI", b"CURVE"), (b"X", b"CURVE")):
        r = Raw(strict.port).send(greeting(m))
        assert r.recv(64)[12:32].rstrip(b"\0") == shown


@pytest.mark.parametrize("cut", [1, 10, 11, 12, 31, 32, 63])
def test_a_greeting_in_pieces(strict, cut):
    whole = greeting(b"PLAIN")
    r = Raw(strict.port).send(whole[:cut])
    assert r.recv(12)[:10] == b"\xff" + bytes(7) + b"\x01\x7f"
    r.send(whole[cut:])
    assert r.recv(52)[:5] == b"PLAIN"


def test_a_stranger_hears_why(strict):
    r = Raw(strict.port).greet().send(ready())
    assert r.error() == "400"


def test_all_of_a_handshake_may_come_at_once(strict):
    r = Raw(strict.port)
    password = PASSWORD.encode()
    r.send(greeting(b"PLAIN"), command(b"HELLO", b"\5alice" + bytes([len(password)]) + password),
           command(b"INITIATE", metadata(Socket_Type=b"DEALER")), b"\1\4ping\0\1x")
    r.recv(64)
    assert r.recv_command()[0] == b"WELCOME"
    assert r.recv_command()[0] == b"READY"
    assert r.recv_message() == [b"pong", b"x"]


def test_who_leaves_before_the_answer_costs_nothing(strict):
    made = [plain(strict.port, b"alice", b"wrong") for _ in range(30)]
    for r in made:
        r.reset()
    r = Raw(strict.port).greet().send(ready())
    assert r.error() == "400"


def test_a_message_before_ready_is_called_so(door):
    for m in (b"NULL", b"PLAIN", b"CURVE"):
        r = Raw(door.port).greet(mechanism=m).send(b"\0\5hello")
        assert "before the handshake was over" in r.error()


def test_too_many_failures_end_without_a_word(new_door):
    """So that libzmq, which gives up on ERROR, comes again later."""
    d = new_door()

    def said():
        try:
            return plain(d.port, b"alice", b"wrong").error()
        except Exception:  # pylint: disable=broad-except
            return None
    wait_for(lambda: said() is None, "AUTH_BUSY", 60)


def test_nobody_to_ask_ends_without_a_word(new_door):
    d = new_door(auth="callback = http://127.0.0.1:9/\ncallback_timeout = 1s")
    r = plain(d.port, b"mallory", b"x")
    assert r.ended() == b""


def test_libzmq_comes_in_once_somebody_can_be_asked(new_door):
    d = new_door(auth="callback = http://127.0.0.1:9/\ncallback_timeout = 1s")
    s = d.app("plain:mallory")
    say(s, "ping", "1")
    wait_for(lambda: d.system.metrics("zmq")["sluice_zmq_peers_refused_total"] >= 2, "it comes again")
    assert silent(s)
    d.ids.user("mallory", "one")
    d.auth = ""
    d.reload()
    assert s.recv_multipart() == [b"pong", b"1"]


def test_plain_beyond_loopback_is_served_only_when_it_is_named(new_door):
    listen = "listen = 0.0.0.0:{}\n"
    for more, shown in (("", b"CURVE"), ("mechanism = plain, curve\n", b"PLAIN")):
        d = new_door()
        d.system.processes["zmq"].stop()
        d.more += listen.format(d.port) + more
        d.system.config.write_text(d.text())
        d.system.processes["zmq"].start()
        r = Raw(d.port).send(greeting(b"PLAIN"))
        assert r.recv(64)[12:17] == shown


def test_without_auth_nothing_is_looked_at(new_sluice):
    s = new_sluice("[zmq]\nmechanism = null, plain\n", gateways=("zmq",))
    r = plain(s.port("zmq"), b"whoever", b"whatever")
    assert r.recv_command()[0] == b"WELCOME"


# --- what it may --------------------------------------------------------------------------

MAY = {  # who: (may publish, may not), (may subscribe, may not)
    "null": ([], ["open/x", "a/x"]),
    "plain:alice": (["a/x", "a/b/c", "own/alice/x"], ["b/x", "own/gate/x", "aa"]),
    "curve:gate": (["a/x", "own/gate/x"], ["b/x", "own/alice/x", "own/gates"]),
    "curve:boss": (["a/x", "anything"], []),
}
HEAR = {
    "null": (["open/#", "open/x", "open"], ["#", "+/x", "op", "a/#"]),
    "plain:alice": (["a/+", "a/x", "b/#", "b/+/c", "own/alice/#"],
                    ["a/#", "a/x/y", "+/x", "#", "own/#", "own/+/x", "own/gate/#"]),
    "curve:gate": (["a/x", "b/x/y"], ["a/#", "own/alice/x"]),
    "curve:boss": (["#", "a/#", "+/x"], []),
}


@pytest.mark.parametrize("who", MAY)
def test_publishes(door, who):
    s = door.app(who)
    good, bad = MAY[who]
    for topic in good:
        assert ask(s, "publish", "r", topic, "{}", "x")[0] == b"ok", topic
    for topic in bad:
        verb, ref, code, text = ask(s, "publish", "r", topic, "{}", "x")
        assert (verb, ref, code) == (b"error", b"r", b"forbidden"), topic
        assert b"publish" in text and topic.encode() in text


def test_a_producer_is_its_principals_own(door):
    def numbered(s, epoch, seq):
        headers = json.dumps({"producer": {"id": "till", "epoch": epoch, "seq": seq}})
        return ask(s, "publish", "r", "a/numbered", headers, "x")

    alice, gate = door.app("plain:alice"), door.app("curve:gate")
    first = numbered(alice, 0, 0)
    assert first[0] == b"ok"
    assert numbered(gate, 0, 0)[0] == numbered(gate, 9, 0)[0] == b"ok"
    assert numbered(alice, 0, 0) == first
    assert numbered(alice, 0, 1)[0] == b"ok"


@pytest.mark.parametrize("who, verb", itertools.product(HEAR, ("subscribe", "history")))
def test_filters_wholly_partly_or_not_covered(door, who, verb):
    s = door.app(who)
    good, bad = HEAR[who]
    for n, f in enumerate(good):
        assert ask(s, verb, f"g{n}", f, "{}")[0] == b"ok", f
    for n, f in enumerate(x for x in bad if x not in good):
        said = ask(s, verb, f"b{n}", f, "{}")
        assert said[:3] == [b"error", b"b%d" % n, b"forbidden"], (f, said)
        assert b"subscribe" in said[3] and f.encode() in said[3]
    if bad:
        both = json.dumps([good[0], bad[0]])
        assert ask(s, verb, "both", both, "{}")[2] == b"forbidden"


def test_a_req_is_told_too(door):
    s, _ = door(zmq.REQ, "curve:gate")
    assert ask(s, "publish", "r", "b/x", "{}", "x")[:3] == [b"error", b"r", b"forbidden"]
    assert ask(s, "publish", "r", "a/x", "{}", "x")[0] == b"ok"


def test_a_push_that_may_not_is_counted_and_goes_on(door):
    before = door.system.metrics("zmq")["sluice_zmq_publishes_dropped_total"]
    boss = door.app("curve:boss")
    assert ask(boss, "subscribe", "s", "#", "{}")[0] == b"ok"
    s, _ = door(zmq.PUSH, "plain:alice")
    for topic in (b"b/no", b"own/root/no", b"a/yes"):
        s.send_multipart([topic, b"pushed"])
    while (event := boss.recv_multipart())[5] != b"pushed":
        pass
    assert event[3] == b"a/yes"
    assert door.system.metrics("zmq")["sluice_zmq_publishes_dropped_total"] == before + 2


# What alice may with prefixes: a/+ and b/# and own/alice/#.
PREFIXES = [(b"b/", "b/x", True), (b"b/te", "b/test", True), (b"b/x/y", "b/x/yz", True),
            (b"own/alice/", "own/alice/x", True), (b"own/alice/x", "own/alice/xy", True),
            (b"b", "b/x", False), (b"", "b/x", False), (b"a/", "a/x", False), (b"a/x", "a/x", False),
            (b"own/", "own/alice/x", False), (b"own/alice", "own/alice/x", False),
            (b"c/", "c/x", False)]


@pytest.mark.parametrize("prefix, topic, may", PREFIXES)
def test_a_prefix_brings_only_what_is_wholly_permitted(door, prefix, topic, may):
    boss = door.app("curve:boss")
    sub, _ = door(zmq.SUB, "plain:alice")
    sub.subscribe(prefix)
    sub.subscribe(b"own/alice/sync")
    for n in range(1000):
        assert ask(boss, "publish", n, "own/alice/sync", "{}", b"sync %d" % n)[0] == b"ok"
        if sub.poll(20):
            break
    ask(boss, "publish", "x", topic, "{}", b"told")
    ask(boss, "publish", "y", "own/alice/sync", "{}", b"end")
    got = []
    while (m := sub.recv_multipart())[1] != b"end":
        got.append(m)
    assert ([topic.encode(), b"told"] in got) == may


def test_who_asks_hears_of_refused_prefixes(door):
    sub, _ = door(zmq.SUB, "plain:alice")
    sub.subscribe(b"$SYS/sluice/")
    sub.subscribe(b"secret/")
    topic, said = sub.recv_multipart()
    assert topic == b"$SYS/sluice/refused"
    assert json.loads(said) == {"prefix": "secret/", "code": "forbidden"}


# --- when it ends -------------------------------------------------------------------------

class Publisher(threading.Thread):
    """Publishes numbers until it is stopped, each acknowledged."""

    def __init__(self, door, topic):
        super().__init__()
        self.socket, self.topic = door.app("curve:boss"), topic
        self.sent, self.on = [], True
        self.start()

    def run(self):
        while self.on:
            n = len(self.sent)
            self.sent.append(int(ask(self.socket, "publish", n, self.topic, "{}", b"%d" % n)[2]))

    def stop(self):
        self.on = False
        self.join()
        return self.sent


def follow(s, ids):
    """Events until the end is told: (position, code, text)."""
    position = None
    while True:
        m = s.recv_multipart()
        if m[0] == b"event":
            ids.append(int(m[2]))
        elif m[0] == b"ok":
            position = int(m[2])
        else:
            assert m[0] == b"error", m
            return position, m[1], m[2].decode(), m[3].decode()


def takes_away(d, how):
    if how == "user":
        del d.ids.users["alice"]
    elif how == "password":
        d.ids.user("alice", "one", password="another")
    elif how == "key":
        del d.ids.curve["gate"]
    else:
        d.ids.revoked.add("card")


@pytest.mark.parametrize("how", ["user", "password", "key", "jti"])
def test_what_a_reload_takes_away_ends_within_a_second_and_nothing_is_lost(new_door, how):
    d = new_door()
    token = d.ids.token("HS256", jti="card", grants={"subscribe": ["b/#"]})
    who = {"key": "curve:gate", "jti": "token:" + token}.get(how, "plain:alice")
    s, ids, still = d.app(who), [], d.app("plain:root")
    sub, monitor = d(zmq.SUB, who)
    sub.subscribe(b"b/")
    assert ask(s, "subscribe", "s", "b/#", "{}")[0] == b"ok"
    assert ask(still, "subscribe", "s", "b/#", "{}")[0] == b"ok"
    p = Publisher(d, "b/x")
    ids.append(int(s.recv_multipart()[2]))
    takes_away(d, how)
    began = time.monotonic()
    d.reload()
    position, ref, code, text = follow(s, ids)
    assert time.monotonic() - began < 2 and (ref, code) == (b"", "unauthorized")
    assert "revoked" in text
    while zmq.Event(recv_monitor_message(monitor)["event"]).name != "DISCONNECTED":
        pass  # SUB just ends
    sent = p.stop()
    again = d.app("plain:root")
    say(again, "subscribe", "s", "b/#", json.dumps({"after": str(position)}))
    while ids[-1] != sent[-1]:
        m = again.recv_multipart()
        if m[0] == b"event":
            ids.append(int(m[2]))
    assert ids == [i for i in sent if i >= ids[0]]
    assert ask_past_events(still) == [b"pong", b"1"]
    assert d.outcome(zmq.DEALER, who)[0] != "SUCCEEDED"


def ask_past_events(s):
    say(s, "ping", "1")
    while (m := s.recv_multipart())[0] == b"event":
        pass
    return m


def test_a_token_that_runs_out_ends_and_the_next_goes_on(new_door):
    d = new_door(auth="leeway = 0s")
    grants = {"subscribe": ["b/#"]}
    s, ids = d.app("token:" + d.ids.token("HS256", ttl=3, grants=grants)), []
    assert ask(s, "subscribe", "s", "b/#", "{}")[0] == b"ok"
    p = Publisher(d, "b/x")
    position, ref, code, text = follow(s, ids)
    assert (ref, code) == (b"", "unauthorized") and "expired" in text
    s = d.app("token:" + d.ids.token("HS256", sub="alice", ttl=60, grants=grants))
    say(s, "subscribe", "s", "b/#", json.dumps({"after": str(position)}))
    sent = p.stop()
    while ids[-1] != sent[-1]:
        m = s.recv_multipart()
        if m[0] == b"event":
            ids.append(int(m[2]))
    assert ids == [i for i in sent if i >= ids[0]]


def test_grants_that_shrink_end_what_they_no_longer_cover(new_door):
    d = new_door()
    s, boss = d.app("plain:alice"), d.app("curve:boss")
    sub, _ = d(zmq.SUB, "plain:alice")
    for prefix in (b"$SYS/sluice/", b"b/", b"own/alice/"):
        sub.subscribe(prefix)
    assert ask(s, "subscribe", "lost", "b/#", "{}")[0] == b"ok"
    assert ask(s, "subscribe", "kept", "own/alice/#", "{}")[0] == b"ok"
    last = ask(boss, "publish", "1", "b/x", "{}", "x")[2]
    assert s.recv_multipart()[1:3] == [b"lost", last]
    d.ids.roles["one"] = {"publish": ["a/#"], "subscribe": ["own/%u/#"]}
    d.reload()
    assert s.recv_multipart()[:2] == [b"ok", b"lost"]
    assert s.recv_multipart()[:3] == [b"error", b"lost", b"forbidden"]
    while (m := sub.recv_multipart())[0] != b"$SYS/sluice/refused":
        assert m[0] == b"b/x"
    assert json.loads(m[1])["prefix"] == "b/"
    ask(boss, "publish", "2", "b/x", "{}", "x")
    ask(boss, "publish", "3", "own/alice/x", "{}", "x")
    assert s.recv_multipart()[1] == b"kept"
    assert sub.recv_multipart()[0] == b"own/alice/x"
    d.ids.roles["one"] = ROLES["one"]
    d.reload()
    for n in range(1000):
        ask(boss, "publish", n, "b/again", "{}", "x")
        if sub.poll(20):
            break
    assert sub.recv_multipart()[0] == b"b/again"


def test_what_was_published_before_the_end_is_acknowledged(new_door):
    d = new_door()
    s = d.app("plain:alice")
    for n in range(500):
        say(s, "publish", n, "a/x", "{}", "x" * 100)
    s.recv_multipart()
    del d.ids.users["alice"]
    d.reload()
    acked = 1
    while (m := s.recv_multipart())[0] == b"ok":
        acked += 1
    assert m[:3] == [b"error", b"", b"unauthorized"]
    doc = json.loads(ask(d.app("curve:boss"), "history", "h", "a/x", '{"limit":1000}')[2])
    assert len(doc["events"]) == acked


# --- limits of a principal ------------------------------------------------------------------

LIMITS = """
[limits]
principal_connections = 3
principal_subscriptions = 4
principal_publish_rate = 20
"""


def test_limits_count_by_name(new_door):
    d = new_door(config=LIMITS)
    apps = [d.app("plain:alice") for _ in range(2)]
    for n in range(4):
        assert ask(apps[n % 2], "subscribe", n, "b/#", "{}")[0] == b"ok"
    assert ask(apps[0], "subscribe", "x", "b/#", "{}")[2] == b"too_many"
    assert ask(apps[0], "unsubscribe", "0")[0] == b"ok"
    assert ask(apps[1], "subscribe", "x", "b/#", "{}")[0] == b"ok"
    gone = d.app("plain:alice")
    assert ask(gone, "ping", "1") == [b"pong", b"1"]
    gone.close()
    wait_for(lambda: d.system.metrics("zmq")["sluice_connections"] == 2, "it is gone")
    third = d.app("plain:alice")
    assert ask(third, "ping", "1") == [b"pong", b"1"]
    assert d.outcome(zmq.DEALER, "plain:alice")[0] != "SUCCEEDED"
    assert d.outcome(zmq.DEALER, "curve:gate")[0] == "SUCCEEDED"
    said = [ask(third, "publish", n, "a/x", "{}", "x") for n in range(60)]
    refused = [m for m in said if m[0] == b"error"]
    assert refused and all(m[2] == b"too_many" and b" ms" in m[3] for m in refused)


def test_a_push_over_its_rate_waits_and_loses_nothing(new_door):
    d = new_door(config=LIMITS)
    boss = d.app("curve:boss")
    assert ask(boss, "subscribe", "s", "a/#", "{}")[0] == b"ok"
    s, _ = d(zmq.PUSH, "plain:alice")
    began = time.monotonic()
    for n in range(50):
        s.send_multipart([b"a/x", b"%d" % n])
    assert [int(boss.recv_multipart()[5]) for _ in range(50)] == list(range(50))
    assert time.monotonic() - began > 1
    assert d.system.metrics("zmq")["sluice_zmq_publishes_dropped_total"] == 0


# --- what else is said ------------------------------------------------------------------------

def test_history_both_ways_and_to_an_end(door):
    s = door.app("curve:boss")
    ids = [ask(s, "publish", n, "hist/x", "{}", b"%d" % n)[2].decode() for n in range(10)]

    def page(**options):
        m = ask(s, "history", "h", "hist/x", json.dumps(options))
        assert m[0] == b"ok", m
        doc = json.loads(m[2])
        return [e["id"] for e in doc["events"]], doc.get("next")
    assert page()[0] == ids
    assert page(order="desc")[0] == ids[::-1]
    assert page(until=ids[4])[0] == ids[:5]
    assert page(until=ids[4], order="desc", limit=2)[0] == [ids[4], ids[3]]
    got, at = [], None
    while True:
        part, following = page(order="desc", limit=3, **({"after": at} if at else {}))
        got += part
        if not following:
            break
        at = following
    assert got == ids[::-1]
    assert page(until="1970-01-02T00:00:00Z")[0] == []
    assert ask(s, "history", "h", "hist/x", '{"order":"up"}')[2] == b"bad_request"
    assert ask(s, "history", "h", "hist/x", '{"until":"never"}')[0] == b"error"


def test_a_sub_hears_of_a_gap_when_it_asks(new_door):
    d = new_door(config='[limits]\nring = 64k\n[retention "g/#"]\nmax_events = 2\n')
    boss = d.app("curve:boss")
    sub, _ = d(zmq.SUB, "curve:boss", rcvhwm=1, rcvbuf=4096)
    sub.subscribe(b"$SYS/sluice/gap")
    sub.subscribe(b"g/")
    for n in range(1000):
        ask(boss, "publish", n, "g/x", "{}", b"sync")
        if sub.poll(20):
            break
    for n in range(600):
        say(boss, "publish", n, "g/x", "{}", b"x" * 60000)
    for n in range(600):
        assert boss.recv_multipart()[0] == b"ok"
    wait_for(lambda: len(json.loads(ask(boss, "history", "h", "g/x", '{"after":0}')[2])["events"]) == 2,
             "retention has removed the others")
    for _ in range(2000):
        topic, said = sub.recv_multipart()
        if topic == b"$SYS/sluice/gap":
            assert json.loads(said)["reason"] == "expired"
            return
    raise AssertionError("no gap was told")
