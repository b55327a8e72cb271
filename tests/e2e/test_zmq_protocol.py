"""What sluice-zmq makes of peers that are no libzmq: ZMTP byte by byte (RFC 23, RFC 37)."""

import itertools
import json
import socket
import time

import pytest

from sluicelib import Sluice, wait_for
from zmtplib import MORE, Closed, Raw, command, frame, greeting, head, message, metadata, ready

CONFIG = """
[limits]
max_payload = 64k
body_timeout = 1s
max_connections = 40
[zmq]
handshake_timeout = 1s
ping = 1s
ping_timeout = 1s
publish_window = 64k
max_prefixes = 20
max_subscriptions = 5
"""


@pytest.fixture(scope="module")
def sluice(tmp_path_factory):
    s = Sluice(tmp_path_factory.mktemp("zmtp"), CONFIG, gateways=("zmq",)).start()
    yield s
    s.end()


@pytest.fixture
def raw(sluice):
    made = []

    def connect(**kw):
        made.append(Raw(sluice.port("zmq"), **kw))
        return made[-1]
    yield connect
    for r in made:
        r.socket.close()
    wait_for(lambda: sluice.metrics("zmq")["sluice_connections"] == 0, "all are gone")


def counted(sluice, name, before, least=1):
    wait_for(lambda: sluice.metrics("zmq")[name] >= before[name] + least, name)


# --- greeting and handshake ----------------------------------------------------------

@pytest.mark.parametrize("size", [1, 3, 10, 11, 12, 33, 63])
def test_a_greeting_may_come_in_pieces(raw, size):
    whole = greeting() + ready() + message(b"ping", b"1")
    r = raw()
    for i in range(0, len(whole), size):
        r.send(whole[i:i + size])
    r.recv(64)
    assert r.recv_command()[0] == b"READY"
    assert r.recv_message() == [b"pong", b"1"]


def test_all_of_it_may_come_at_once(raw):
    r = raw().send(greeting(), ready(), message(b"ping", b"1"), message(b"ping", b"2"))
    r.recv(64)
    assert r.recv_command()[0] == b"READY"
    assert [r.recv_message() for _ in range(2)] == [[b"pong", b"1"], [b"pong", b"2"]]


def test_we_greet_first(raw):
    assert raw().recv(64)[12:16] == b"NULL"


@pytest.mark.parametrize("kind, ours", [(b"DEALER", b"ROUTER"), (b"REQ", b"ROUTER"),
                                        (b"SUB", b"XPUB"), (b"XSUB", b"XPUB"),
                                        (b"PUSH", b"PULL"), (b"PUB", b"XSUB")])
def test_we_are_what_fits_the_peer(raw, kind, ours):
    r = raw().greet().send(ready(kind))
    name, data = r.recv_command()
    assert name == b"READY" and data == metadata(Socket_Type=ours)


@pytest.mark.parametrize("kind", [b"ROUTER", b"REP", b"PULL", b"XPUB", b"PAIR", b"STREAM", b"", b"dealer",
                                  b"CLIENT", b"RADIO"])
def test_other_types_are_refused_in_the_handshake(sluice, raw, kind):
    before = sluice.metrics("zmq")
    assert "DEALER" in raw().greet().send(ready(kind)).error()
    counted(sluice, "sluice_zmq_peers_refused_total", before)


@pytest.mark.parametrize("first", [
    b"\x01\x00",                                              # ZMTP 1.0, anonymous
    b"\x06\x00hello",                                         # 1.0, an identity
    b"\xff" + bytes(7) + b"\x01\x7f\x00",                     # 1.0 by its revision
    b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\x00\x00",         # 2.0, a DEALER
])
def test_old_peers_are_refused_at_once(sluice, raw, first):
    before = sluice.metrics("zmq")
    r = raw().send(first)
    r.recv(64)
    assert r.ended() == b""
    counted(sluice, "sluice_zmq_peers_refused_total", before)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\x16\x03\x01\x02\x00",
                                   greeting(b"PLAIN"), greeting(b"CURVE"), greeting(b"null"),
                                   greeting(b"")])
def test_what_is_no_greeting_of_ours_ends(raw, first):
    r = raw().send(first)
    r.recv(64)
    assert r.ended() == b""


def test_a_later_version_is_served_as_ours(raw):
    r = raw().greet(version=(4, 0)).send(ready())
    assert r.recv_command()[0] == b"READY"


@pytest.mark.parametrize("bad", [
    frame(b"hello"),                                          # no command
    command(b"HELLO"),                                        # of another mechanism
    command(b"PING", b"\0\0"),                                # too early
    command(b"READY", b"\x0bSocket-Type\0\0\0\xffDEALER"),    # a property that is cut
    command(b"READY", b"\0\0\0\0\0"),                         # without a name
    command(b"READY"),                                        # no type
    ready(Identity=b"x" * 256),
    frame(b"", 4),                                            # a command without a name
    b"\x08\x00",                                              # reserved flags
    head(1 << 20, 4),                                         # a command without end
])
def test_a_handshake_that_makes_no_sense_is_answered_with_error(sluice, raw, bad):
    before = sluice.metrics("zmq")
    assert raw().greet().send(bad).error()
    counted(sluice, "sluice_zmq_peers_refused_total", before)


@pytest.mark.parametrize("identity", [b"\0\0\0\0\1", b"\0" + bytes(4), b"x" * 255, b"", bytes(255)])
def test_identities_are_any_bytes(raw, identity):
    """Those of libzmq's own ROUTERs, too, and the same for several peers at once."""
    peers = [raw().open(Identity=identity) for _ in range(3)]
    for i, r in enumerate(peers):
        r.send(message(b"ping", b"%d" % i))
    assert [r.recv_message() for r in peers] == [[b"pong", b"%d" % i] for i in range(3)]


def test_properties_are_known_without_case_and_unknown_ones_pass(raw):
    properties = b"\x0bsocket-TYPE\0\0\0\x06DEALER" + metadata(X_Foo=b"bar")
    r = raw().greet().send(command(b"READY", properties))
    assert r.recv_command()[0] == b"READY"


@pytest.mark.parametrize("said", [b"", greeting()[:10], greeting()[:11], greeting()])
def test_a_handshake_has_its_time(raw, said):
    r = raw().send(said)
    begun = time.monotonic()
    r.recv(64)
    rest = r.ended()
    assert time.monotonic() - begun < 5
    assert (b"ERROR" in rest) == (len(said) == 64)


# --- messages -------------------------------------------------------------------------

def test_commands_may_stand_between_the_parts_of_a_message(raw):
    parts = [b"publish", b"1", b"a", b"{}", b"x"]
    r = raw().open()
    for p in parts[:-1]:
        r.send(frame(p, MORE), command(b"PING", b"\0\0ctx"))
    r.send(frame(parts[-1]))
    assert [r.recv_command() for _ in range(4)] == [(b"PONG", b"ctx")] * 4
    assert r.recv_message()[:2] == [b"ok", b"1"]


def test_long_heads_of_short_frames_are_fine(raw):
    r = raw().open()
    for p in (b"publish", b"1", b"a", b"{}"):
        r.send(head(len(p), MORE), p)
    r.send(head(1), b"x")
    assert r.recv_message()[0] == b"ok"


def test_every_cut_of_a_message_is_the_same_message(raw):
    whole = message(b"publish", b"r", b"a/b", b'{"type":"t"}', b"x" * 300)
    r = raw().open()
    r.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for cut in range(1, len(whole), 7):
        r.send(whole[:cut])
        time.sleep(0.001)
        r.send(whole[cut:])
    ids = [int(r.recv_message()[2]) for _ in range(1, len(whole), 7)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("end, code", [
    (head(1 << 40), b"too_large"), (head((1 << 63) - 1), b"too_large"),
    (head(1 << 40, MORE), b"too_large"), (head(1 << 63), b"bad_request"),
    (frame(b"", MORE) * 65, b"bad_request"), (b"\x40", b"bad_request"), (b"\x05\x00", b"bad_request"),
])
def test_what_breaks_a_limit_is_answered_and_ends(sluice, raw, end, code):
    before = sluice.metrics("zmq")
    r = raw().open().send(message(b"publish", b"1", b"a", b"{}", b"x"))
    assert r.recv_message()[0] == b"ok"
    r.send(end)
    verb, ref, said, _ = r.recv_message()
    assert (verb, ref, said) == (b"error", b"", code)
    assert r.ended() == b""
    counted(sluice, "sluice_zmq_peers_broken_total", before)


def test_an_endless_message_ends_by_its_bytes(sluice, raw):
    """Each part is small; together they are too much."""
    memory = sluice.processes["zmq"].memory()
    r = raw().open()
    part = frame(b"x" * 10000, MORE)
    with pytest.raises((ConnectionError, BrokenPipeError)):
        for _ in range(10000):
            r.send(part)
    assert sluice.processes["zmq"].memory() - memory < 4 << 20


def test_a_message_that_does_not_come_to_its_end_has_its_time(raw):
    r = raw().open().send(frame(b"publish", MORE), b"\x00\x05ab")
    assert r.ended() == b""


@pytest.mark.parametrize("bad", [ready(), command(b"PING", b"\0"), command(b"PING", b"\0\0" + b"x" * 17),
                                 command(b"SUBSCRIBE", b"a"), command(b"CANCEL", b"a")])
def test_commands_out_of_place_end_a_dealer(raw, bad):
    r = raw().open().send(bad)
    assert r.recv_message()[:3] == [b"error", b"", b"bad_request"]
    assert r.ended() == b""


@pytest.mark.parametrize("kind", [b"PUSH", b"PUB", b"SUB"])
def test_commands_out_of_place_end_who_takes_no_answers(raw, kind):
    r = raw().open(kind).send(ready())
    assert r.ended() == (frame(b"\1") if kind == b"PUB" else b"")


def test_unknown_commands_are_passed_over(raw):
    r = raw().open().send(command(b"JOIN", b"x"), command(b"FUTURE"), message(b"ping", b"1"))
    assert r.recv_message() == [b"pong", b"1"]


def test_an_error_of_the_peers_ends_it(raw):
    assert raw().open().send(command(b"ERROR", b"\2no")).ended() == b""


# --- heartbeats -------------------------------------------------------------------------

def test_a_silent_peer_is_pinged_and_then_given_up(raw):
    r = raw().open()
    assert r.recv_command() == (b"PING", b"\0\0")
    r.send(command(b"PONG"))
    assert r.recv_command() == (b"PING", b"\0\0")
    assert r.ended() == b""


def test_a_peer_of_3_0_is_not_pinged(raw):
    r = raw().greet(version=(3, 0)).send(ready())
    assert r.recv_command()[0] == b"READY"
    r.socket.settimeout(2.5)
    with pytest.raises(TimeoutError):
        r.socket.recv(1)


def test_a_time_to_live_is_kept(raw):
    r = raw().greet(version=(3, 0)).send(ready())
    assert r.recv_command()[0] == b"READY"
    begun = time.monotonic()
    r.send(command(b"PING", b"\0\5"))
    assert r.recv_command() == (b"PONG", b"")
    assert r.ended() == b""
    assert time.monotonic() - begun < 3


# --- what is not read -------------------------------------------------------------------

def test_unread_answers_stop_the_reading_and_nothing_is_lost(sluice, raw):
    r = raw(rcvbuf=4096).open()
    memory = sluice.processes["zmq"].memory()
    r.socket.settimeout(1)
    count, last = 0, b""
    with pytest.raises(TimeoutError):
        while count < 10_000_000:
            last = b"".join(message(b"publish", b"%d" % (count + i), b"deaf", b"{}", b"")
                            for i in range(1000))
            sent = 0
            while sent < len(last):
                sent += r.socket.send(last[sent:])
            count += 1000
    assert sluice.processes["zmq"].memory() - memory < 16 << 20
    with raw().open() as other:
        other.send(message(b"publish", b"1", b"a", b"{}", b"x"))
        assert other.recv_message()[0] == b"ok"
    r.socket.settimeout(20)
    for n in range(count):
        assert r.recv_message()[:2] == [b"ok", b"%d" % n]


def test_what_was_sent_before_the_end_counts(sluice, raw):
    """A PUSH that sends much and goes: all of it is published, beyond its window, too."""
    r = raw().open(b"PUSH")
    r.send(*(message(b"gone/%d" % n, b"x" * 100) for n in range(3000)))
    r.socket.shutdown(socket.SHUT_WR)
    assert r.ended() == b""
    with raw().open() as reader:
        reader.send(message(b"history", b"h", b"gone/+", b'{"after":0,"limit":1000}'))
        verb, _, document = reader.recv_message()
        assert verb == b"ok" and len(json.loads(document)["events"]) == 1000

        def last():
            reader.send(message(b"history", b"h", b"gone/2999", b'{"after":0}'))
            return json.loads(reader.recv_message()[2])["events"]
        wait_for(last, "the last one is stored")


def test_a_reset_costs_nobody_else(raw):
    for _ in range(20):
        raw().open().send(message(b"publish", b"1", b"a", b"{}", b"x") * 50).reset()
    r = raw().open().send(message(b"ping", b"1"))
    assert r.recv_message() == [b"pong", b"1"]


# --- prefixes, as each version says them ------------------------------------------------

@pytest.mark.parametrize("add, cancel", [
    (lambda p: frame(b"\1" + p), lambda p: frame(b"\0" + p)),
    (lambda p: command(b"SUBSCRIBE", p), lambda p: command(b"CANCEL", p)),
])
def test_subscriptions_are_messages_or_commands(sluice, raw, add, cancel):
    r = raw().open(b"SUB").send(add(b"p/1"), add(b"p/1"), add(b"p/2"), cancel(b"p/1"), cancel(b"none"))
    with raw().open() as app:
        numbers = itertools.count()

        def publish(topic):
            app.send(message(b"publish", b"1", topic, b"{}", b"%d" % next(numbers)))
            assert app.recv_message()[0] == b"ok"
        wait_for(lambda: sluice.metrics("zmq")["sluice_subscriptions"] == 1, "it is there")
        r.socket.settimeout(0.05)
        for _ in range(400):  # live once the first one comes
            publish(b"p/1")
            try:
                assert r.recv_message()[0] == b"p/1"
                break
            except TimeoutError:
                pass
        r.socket.settimeout(20)
        r.send(cancel(b"p/1"))
        wait_for(lambda: not still_gets(r, publish), "it is cancelled")
        publish(b"p/2")
        assert r.recv_message()[0] == b"p/2"


def still_gets(r, publish):
    publish(b"p/1")
    publish(b"p/2")
    got = [r.recv_message()[0]]
    if got[0] == b"p/1":
        got.append(r.recv_message()[0])
    return b"p/1" in got


def test_too_many_prefixes_end_it(sluice, raw):
    before = sluice.metrics("zmq")
    r = raw().open(b"SUB").send(*(command(b"SUBSCRIBE", b"many/%d/" % n) for n in range(21)))
    assert r.ended() == b""
    counted(sluice, "sluice_zmq_peers_broken_total", before)


def test_prefixes_that_no_topic_has_cost_nothing(raw):
    r = raw().open(b"SUB").send(command(b"SUBSCRIBE", b"a/+/b"), command(b"SUBSCRIBE", b"\0"),
                                command(b"SUBSCRIBE", b"\xff\xfe/"), command(b"SUBSCRIBE", b"x" * 1025),
                                command(b"PING", b"\0\0"))
    assert r.recv_command() == (b"PONG", b"")


# --- connections ------------------------------------------------------------------------

def test_one_connection_too_many_is_told_so(sluice, raw):
    peers = [raw().open() for _ in range(40)]
    with Raw(sluice.port("zmq")) as more:
        assert more.recv(64)[:1] == b"\xff"
        assert "limit" in more.error()
    peers[0].send(message(b"ping", b"1"))
    assert peers[0].recv_message() == [b"pong", b"1"]


def test_a_stop_answers_what_was_taken(tmp_path):
    s = Sluice(tmp_path, gateways=("zmq",)).start()
    with Raw(s.port("zmq")) as r:
        r.open().send(*(message(b"publish", b"%d" % n, b"a", b"{}", b"x") for n in range(500)))
        assert r.recv_message()[0] == b"ok"
        assert s.processes["zmq"].stop() == 0
        answers = []
        with pytest.raises(Closed):
            while True:
                answers.append(r.recv_message())
        assert all(a[0] == b"ok" for a in answers)
    s.end()
