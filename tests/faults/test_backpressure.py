"""Publishers faster than the disk are slowed; memory stays bounded and nobody else
notices (promise 6 of DESIGN.md)."""

import json
import signal
import threading
import time

import pytest
import zmq

from faultlib import (SANITIZED, TIMEOUT, Subscriber, dealer, flood, memory, post, request,
                      wait_for)

MB = 1 << 20


class Flooder(threading.Thread):
    """An application that sends as fast as its socket takes it, and counts how often
    that was not at once."""

    def __init__(self, endpoint, name, count, size):
        super().__init__(daemon=True)
        self.endpoint, self.name, self.count, self.size = endpoint, name, count, size
        self.ids, self.waits, self.failure = [], 0, None
        self.start()

    def run(self):
        try:
            self.work()
        except Exception as e:  # shown by finish()
            self.failure = e

    def work(self):
        s = dealer(self.endpoint)
        s.sndhwm = 10
        sent, body = 0, b"x" * self.size
        while len(self.ids) < self.count:
            while sent < self.count and s.poll(0, zmq.POLLOUT):
                s.send_multipart([b"publish", b"", self.name.encode(), b"{}", b"%d " % sent + body])
                sent += 1
            self.waits += sent < self.count
            events = s.poll(TIMEOUT * 1000, zmq.POLLIN | (zmq.POLLOUT if sent < self.count else 0))
            assert events, "neither an answer nor room"
            while s.poll(0):
                verb, _, id_, *_ = s.recv_multipart()
                assert verb == b"ok", id_
                self.ids.append(int(id_))
        s.close()

    def finish(self):
        self.join(3 * TIMEOUT)
        if self.failure:
            raise self.failure
        assert len(self.ids) == self.count


class Peak(threading.Thread):
    """The highest memory of a process while the test goes on."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over = pid, threading.Event()
        self.begin = self.peak = memory(pid)
        self.start()

    def run(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, memory(self.pid))

    def growth(self):
        self.over.set()
        self.join()
        return (self.peak - self.begin) / MB


@pytest.mark.parametrize("apps, size, count", [(3, 100, 30_000), (3, 10_000, 5000),
                                               (1, 1_000_000, 250)])
def test_applications_that_publish_faster_than_the_disk(start, subscribe, apps, size, count):
    """What waits in broker and gateway is bounded by each application's publish_window;
    every publish is stored once, in its publisher's order, and subscribers get all."""
    if SANITIZED:
        count //= 4
    system = start("[broker]\nmax_bytes = 0\n")
    client = subscribe(system.sse, "f/%23?format=raw")
    flood(system.apps, "warm", [b"x" * 10_000] * 4000)  # fills the page cache
    peaks = [Peak(system.pid(f"sluice-{name}")) for name in ("broker", "zmq")]
    flooders = [Flooder(system.apps, f"f/{n}", count, size) for n in range(apps)]
    for f in flooders:
        f.finish()
    growth = [peak.growth() for peak in peaks]
    print(f"grew by {growth} MB at most; waited {[f.waits for f in flooders]} times")
    assert max(growth) < 64
    assert all(f.waits > 0 for f in flooders)
    events = client.wait_count(apps * count, 3 * TIMEOUT)
    assert sorted(i for f in flooders for i in f.ids) == [e.id for e in events]
    for f in flooders:
        assert f.ids == sorted(f.ids)


def test_an_application_that_does_not_read_its_answers(start, subscribe):
    """It is not read itself until it does: nothing of it is lost, and others go on."""
    system = start()
    client = subscribe(system.sse, "deaf")
    other = subscribe(system.sse, "other")
    flood(system.apps, "warm", [b"x" * 10_000] * 4000)
    peak = Peak(system.pid("sluice-zmq"))
    deaf = dealer(system.apps)
    deaf.sndhwm = deaf.rcvhwm = 10
    sent = 0
    while deaf.poll(1000, zmq.POLLOUT):  # until its own queue is full, and stays so
        deaf.send_multipart([b"publish", b"%d" % sent, b"deaf", b"{}", b"%d" % sent])
        sent += 1
    ids = flood(system.apps, "other", [b"y"] * 1000)
    assert [e.id for e in other.wait_count(1000)] == ids
    assert peak.growth() < 32
    answered = [deaf.recv_multipart() for _ in range(sent)]
    assert [a[:2] for a in answered] == [[b"ok", b"%d" % n] for n in range(sent)]
    assert [e.data for e in client.wait_count(sent)] == [str(n) for n in range(sent)]
    assert [e.id for e in client.events] == [int(a[2]) for a in answered]
    deaf.close()


class Poster(threading.Thread):
    """POSTs one event; what came of it."""

    def __init__(self, port, topic, n, size):
        super().__init__(daemon=True)
        self.port, self.topic, self.payload = port, topic, f"{n} " + "x" * size
        self.status = self.code = None
        self.start()

    def run(self):
        self.status, body = request(self.port, "POST", f"/events/{self.topic}", self.payload)
        self.code = json.loads(body).get("code")


def test_a_gateway_whose_broker_takes_nothing(start, subscribe):
    """What exceeds publish_queue is refused at once as busy, and what waited too long
    is unknown: an event that was refused is never seen, one that was acknowledged
    always is, and memory is that of the queue."""
    system = start("[limits]\npublish_queue = 2M\npublish_timeout = 2s\n")
    client = subscribe(system.sse, "a")
    peak = Peak(system.pid("sluice-sse"))
    system.kill("sluice-broker", signal.SIGSTOP)
    posters = [Poster(system.sse, "a", n, 100_000) for n in range(100)]
    wait_for(lambda: sum(p.status == 503 for p in posters) > 50, "most are refused")
    assert {p.code for p in posters if p.status == 503} == {"busy"}
    wait_for(lambda: all(p.status for p in posters), "the others are given up")
    assert {p.code for p in posters} <= {"busy", "unknown_outcome", "unavailable"}
    assert peak.growth() < 24
    system.kill("sluice-broker", signal.SIGCONT)
    last = wait_for(lambda: try_post(system, "last"), "publishing goes on")
    wait_for(lambda: client.last == str(last), "the last event")
    seen = client.payloads()
    for p in posters:
        assert p.status == 504 or p.payload not in seen


def try_post(system, payload):
    status, body = request(system.sse, "POST", "/events/a", payload)
    return status == 201 and int(json.loads(body)["id"])


def test_one_publisher_does_not_starve_another(start):
    """While applications flood, a POST is still answered soon."""
    system = start("[broker]\nmax_bytes = 0\n")
    flooders = [Flooder(system.apps, f"f/{n}", 3000, 10_000) for n in range(2)]
    delays = []
    while any(f.is_alive() for f in flooders):
        before = time.monotonic()
        post(system.sse, "p", b"x")
        delays.append(time.monotonic() - before)
    for f in flooders:
        f.finish()
    print(f"{len(delays)} posts, median {sorted(delays)[len(delays) // 2] * 1e3:.0f} ms, "
          f"worst {max(delays) * 1e3:.0f} ms")
    assert max(delays) < 5


def test_many_slow_subscribers_do_not_slow_a_publisher(start):
    """Backpressure goes to publishers from the disk alone, never from subscribers."""
    system = start("[limits]\nring = 1M\npage_cache = 1M\n")
    slow = [Subscriber(system.sse, "a", receive_buffer=4096).wait_connected() for _ in range(30)]
    for s in slow:
        s.reading.clear()
    count = 10_000 if SANITIZED else 40_000
    before = time.monotonic()
    flood(system.apps, "a", [b"x" * 100] * count)
    with_slow = time.monotonic() - before
    before = time.monotonic()
    flood(system.apps, "b", [b"x" * 100] * count)
    alone = time.monotonic() - before
    print(f"{with_slow:.2f} s beside stalled subscribers, {alone:.2f} s without")
    assert with_slow < 3 * alone + 1
    for s in slow:
        s.close()
