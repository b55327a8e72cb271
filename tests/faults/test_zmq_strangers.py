"""Strangers at sluice-zmq: two thousand sessions that are malformed, hostile or clumsy, and
an application that is served all the while.

What killed or filled libzmq's own sockets is among them: identities that a ROUTER gives out
itself, messages of endless parts, answers that nobody reads.
"""

import contextlib
import os
import random
import resource
import socket
import struct
import threading
import time

import pytest

from faultlib import PORTS, SANITIZED, TIMEOUT, dealer, memory, seeded, wait_for
from zmtplib import COMMAND, MORE, Raw, command, frame, greeting, head, message, ready

MB = 1 << 20
SESSIONS = int(os.environ.get("STRANGERS", "2000"))
CAP = 96 * MB  # unfinished messages 32 MB, histories 48 MB, and what they lie in

CONFIG = """
[limits]
body_timeout = 2s
[zmq]
handshake_timeout = 1s
"""


@pytest.fixture
def system(start):
    return start(CONFIG)


def publish(n, topic=b"strangers/x", payload=b"x"):
    return message(b"publish", b"%d" % n, topic, b"{}", payload)


# --- what they do: each gets a connection and chance, and sends -----------------------

def garbage(r, rng):
    r.send(rng.randbytes(rng.choice((1, 10, 64, 200, 5000))))


def part_of_a_greeting(r, rng):
    r.send(greeting()[:rng.randrange(64)])


def old_version(r, rng):
    r.send(rng.choice((b"\x01\x00", b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\0\0")))


def other_mechanism(r, rng):
    r.send(greeting(rng.choice((b"PLAIN", b"CURVE", b"GSSAPI", b"X" * 20))), ready())


def changed_greeting(r, rng):
    g = bytearray(greeting())
    for _ in range(rng.randrange(1, 5)):
        g[rng.randrange(64)] = rng.randrange(256)
    r.send(bytes(g), ready(), publish(1))


def chosen_identity(r, rng):
    """As libzmq's ROUTER numbers its own: a zero byte and a counter."""
    r.open(Identity=b"\0" + struct.pack(">I", rng.randrange(1 << 32)))
    r.send(publish(1))
    assert r.recv_message()[0] == b"ok"


def wrong_type(r, rng):
    r.greet().send(ready(rng.choice((b"ROUTER", b"PAIR", b"PULL", b"", b"x" * 200))))


def broken_ready(r, rng):
    body = bytearray(b"\5READY\x0bSocket-Type\0\0\0\6DEALER")
    for _ in range(rng.randrange(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    r.greet().send(frame(bytes(body), COMMAND), publish(1))


def traffic_too_early(r, rng):
    r.send(greeting(), publish(1) * rng.randrange(1, 50), ready())


def endless_parts(r, rng):
    r.open()
    part = frame(b"x" * rng.choice((0, 1, 1000, 60000)), MORE)
    for _ in range(400):
        r.send(part)


def endless_frame(r, rng):
    r.open().send(head(rng.choice((1 << 20, 1 << 21, 1 << 30, 1 << 62)), rng.choice((0, MORE, COMMAND))))
    for _ in range(rng.randrange(40)):
        r.send(bytes(50_000))


def half_a_message(r, rng):
    whole = publish(1, payload=bytes(rng.randrange(1_000_000)))
    r.open().send(whole[:rng.randrange(len(whole))])


def changed_messages(r, rng):
    raw = bytearray(b"".join(publish(n) for n in range(20)))
    for _ in range(rng.randrange(1, 30)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    r.open(rng.choice((b"DEALER", b"REQ", b"SUB", b"XSUB", b"PUSH", b"PUB"))).send(bytes(raw))


def unread_answers(r, rng):
    """Until it is not read any more."""
    r.socket.settimeout(0.2)
    r.open()
    block = b"".join(publish(n) for n in range(500))
    for _ in range(100):
        r.send(block)


def pings(r, rng):
    r.socket.settimeout(0.2)
    r.open()
    for _ in range(100):
        r.send(command(b"PING", struct.pack(">H", rng.randrange(3)) + b"c" * 16) * 1000)


def subscriptions(r, rng):
    r.open()
    for n in range(200):
        r.send(message(b"subscribe", b"%d" % n, b"+/" * rng.randrange(40) + b"#",
                       b'{"after":0,"credit":%d}' % rng.randrange(3)))


def prefixes(r, rng):
    r.open(b"SUB")
    for n in range(2000):
        r.send(command(b"SUBSCRIBE", b"%d/" % n + b"x" * rng.randrange(200)))


def histories(r, rng):
    r.socket.settimeout(0.2)
    r.open()
    for n in range(300):
        r.send(message(b"history", b"%d" % n, b"#", b'{"after":0,"limit":1000}'))


def deep_json(r, rng):
    r.open()
    for verb in (b"subscribe", b"history"):
        r.send(message(verb, b"1", b"[" * 100_000, b'{"after":' * 50_000))
    r.send(message(b"publish", b"2", b"a", b'{"properties":' + b"[" * 500_000, b""))


def unknown_commands(r, rng):
    r.open()
    for _ in range(500):
        r.send(command(bytes(rng.randrange(65, 90) for _ in range(rng.randrange(1, 20))),
                       rng.randbytes(rng.randrange(100))))


KINDS = [garbage, part_of_a_greeting, old_version, other_mechanism, changed_greeting, chosen_identity,
         wrong_type, broken_ready, traffic_too_early, endless_parts, endless_frame, half_a_message,
         changed_messages, unread_answers, pings, subscriptions, prefixes, histories, deep_json,
         unknown_commands]


class Stranger(threading.Thread):
    """One after the other, each of a kind by lot; some leave, some are cut, some stay."""

    def __init__(self, port, seed, count):
        super().__init__(daemon=True)
        self.port, self.rng, self.count = port, random.Random(seed), count
        self.failure, self.staying = None, []
        self.start()

    def run(self):
        try:
            for _ in range(self.count):
                self.session()
        except BaseException as e:  # shown by the test
            self.failure = e

    def session(self):
        r = Raw(self.port, rcvbuf=4096)
        # Being cut, refused or not read is what they are here for.
        with contextlib.suppress(OSError, Exception):
            self.rng.choice(KINDS)(r, self.rng)
        end = self.rng.randrange(4)
        if end == 0:
            self.staying.append(r)
            if len(self.staying) > 20:
                self.staying.pop(0).socket.close()
        elif end == 1:
            r.reset()
        else:
            r.socket.close()


class Honest(threading.Thread):
    """Publishes one at a time and subscribes; how long each answer took."""

    def __init__(self, endpoint):
        super().__init__(daemon=True)
        self.endpoint, self.delays, self.failure, self.over = endpoint, [], None, False
        self.start()

    def run(self):
        try:
            self.work()
        except BaseException as e:  # shown by the test
            self.failure = e

    def work(self):
        app, news = dealer(self.endpoint), dealer(self.endpoint)
        news.send_multipart([b"subscribe", b"s", b"honest/#", b"{}"])
        assert news.recv_multipart()[:2] == [b"ok", b"s"]
        n = 0
        while not self.over:
            begun = time.monotonic()
            app.send_multipart([b"publish", b"%d" % n, b"honest/a", b"{}", b"%d" % n])
            assert app.recv_multipart()[:2] == [b"ok", b"%d" % n]
            assert news.recv_multipart()[5] == b"%d" % n
            self.delays.append(time.monotonic() - begun)
            n += 1
        app.close()
        news.close()


def test_two_thousand_sessions_of_strangers(system):
    port, pid = system.port(PORTS["zmq"]), system.pid("sluice-zmq")
    broker = system.pid("sluice-broker")
    honest = Honest(f"tcp://127.0.0.1:{port}")
    wait_for(lambda: honest.failure or len(honest.delays) > 10, "the honest one is served")
    before, peak = memory(pid), 0
    rng = seeded()
    crowd = [Stranger(port, rng.randrange(1 << 32), SESSIONS // 8) for _ in range(8)]
    while any(s.is_alive() for s in crowd):
        peak = max(peak, memory(pid) - before)
        time.sleep(0.02)
    honest.over = True
    honest.join(TIMEOUT)
    assert [s.failure for s in crowd if s.failure] == [] and honest.failure is None
    delays = sorted(honest.delays)
    print(f"{SESSIONS} sessions; grew by {peak / MB:.0f} MB at most; {len(delays)} publishes, median "
          f"{delays[len(delays) // 2] * 1e3:.0f} ms, p99 {delays[len(delays) * 99 // 100] * 1e3:.0f} ms, "
          f"worst {delays[-1] * 1e3:.0f} ms")
    assert (system.pid("sluice-zmq"), system.pid("sluice-broker")) == (pid, broker)
    if not SANITIZED:
        assert peak < CAP
        assert delays[len(delays) * 99 // 100] < 1
    for s in crowd:
        for r in s.staying:
            r.socket.close()
    wait_for(lambda: system.metric("zmq", "sluice_connections") == 0, "all are gone")
    assert system.metric("zmq", "sluice_subscriptions") == 0


def test_many_unfinished_messages_have_one_budget(system):
    """A hundred peers with the most of one message each: 32 MB in all, whoever exceeds goes."""
    port, pid = system.port(PORTS["zmq"]), system.pid("sluice-zmq")
    before = memory(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            r = stack.enter_context(Raw(port))
            with contextlib.suppress(OSError):
                r.open().send(head(2_200_000), bytes(2_100_000))
        assert memory(pid) - before < CAP
    app = dealer(f"tcp://127.0.0.1:{port}")
    app.send_multipart([b"ping", b"1"])
    assert app.recv_multipart() == [b"pong", b"1"]
    app.close()


def test_descriptors_used_up(start):
    """More connections than descriptors: who is here is served, who comes waits or is told."""
    system = start(CONFIG + "[limits]\nmax_connections = 100000\n")
    port, pid = system.port(PORTS["zmq"]), system.pid("sluice-zmq")
    app = dealer(f"tcp://127.0.0.1:{port}")
    app.send_multipart([b"ping", b"0"])
    assert app.recv_multipart() == [b"pong", b"0"]
    had = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (had + 20, had + 20))
    crowd = []
    for _ in range(60):
        s = socket.create_connection(("127.0.0.1", port))
        crowd.append(s)
    for n in range(20):
        app.send_multipart([b"publish", b"%d" % n, b"a", b"{}", b"x"])
        assert app.recv_multipart()[0] == b"ok"
    for s in crowd:
        s.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (had + 20, had + 20))
    with Raw(port) as r:
        r.open().send(message(b"ping", b"1"))
        assert r.recv_message() == [b"pong", b"1"]
    assert system.pid("sluice-zmq") == pid
    app.close()
