"""What the fault tests share: a system that is hurt, publishers that do not give
up, and subscribers that forgive nothing.

Everything waits for a condition.  A subscriber reads its socket's raw bytes and
fails on the first one that the format does not allow, the first ID that does not
rise and the first event that comes twice.
"""

import contextlib
import http.client
import itertools
import json
import math
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from typing import NamedTuple
from unittest import mock

import zmq

from sluicelib import ADMIN, BIN, PORTS
from up_util import Up, is_alive


def _sanitized():
    with open(os.path.join(BIN, "sluice-sse"), "rb") as f:
        return b"__asan_init" in f.read()


SANITIZED = _sanitized()
SLOW = float(os.environ.get("SLOW", "5" if SANITIZED else "1"))
TIMEOUT = 20.0 * SLOW
# A sanitizer that holds on to freed memory would make memory() meaningless.
NO_QUARANTINE = {"ASAN_OPTIONS": "quarantine_size_mb=1"}


def wait_for(condition, what, timeout=None):
    end = time.monotonic() + (timeout or TIMEOUT)
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in time: {what() if callable(what) else what}")


def seeded():
    """A random source whose seed a failure shows; FAULT_SEED repeats it."""
    seed = int(os.environ.get("FAULT_SEED") or random.randrange(1 << 32))
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)


def memory(pid):
    """Of its own, in bytes; pages of mapped files do not count."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))


# --- the system --------------------------------------------------------------------


class System(Up):
    """`sluice up` on a folder of the test's own.  Its end asserts that no process
    died but those that the test killed."""

    def __init__(self, folder, config="", **kw):
        conf = os.path.join(folder, "sluice.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(config)
        super().__init__("--config", conf, data=os.path.join(folder, "data"), **kw)
        self.killed = set()

    def start(self):
        with mock.patch.dict(os.environ, NO_QUARANTINE):
            return super().start()

    def __exit__(self, *exc):
        try:
            if exc[0] is None and self.process.poll() is None:
                self.stop()
        finally:
            super().__exit__(*exc)

    def assert_unhurt(self):
        died = self.log(msg="process was killed") + self.log(msg="process failed")
        assert {e["pid"] for e in died} <= self.killed, self.log_text()

    def forgive_failures(self):
        """What has failed up to now was meant to."""
        self.killed.update(e["pid"] for e in self.log(msg="process failed"))

    def stop(self):
        """SIGTERM; start() begins another life on the same data."""
        self.process.terminate()
        assert self.wait_exit() == 0, self.log_text()
        self.lines.clear()
        self.assert_unhurt()

    def wait_exit(self, timeout=TIMEOUT):
        return super().wait_exit(timeout)

    def pid(self, name):
        return wait_for(lambda: self.children().get(name), f"{name} runs")

    def kill(self, name, signum=signal.SIGKILL):
        """Signals a child; with SIGKILL it is gone when this returns."""
        pid = self.pid(name)
        if signum == signal.SIGKILL:
            self.killed.add(pid)
        os.kill(pid, signum)
        if signum == signal.SIGKILL:
            wait_for(lambda: not is_alive(pid), f"{name} is gone")
        return pid

    def kill_and_wait(self, name):
        """Kills a child and waits until its successor is ready."""
        lives = len(self.log(msg="process is ready", child=name.removeprefix("sluice-")))
        self.kill(name)
        self.wait_log(lives + 1, msg="process is ready", child=name.removeprefix("sluice-"))

    @contextlib.contextmanager
    def without(self, name):
        """A child is killed, and its supervisor held, so that it stays away."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            self.kill(name)
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    @property
    def sse(self):
        return self.port(PORTS["sse"])

    @property
    def apps(self):
        return f"tcp://127.0.0.1:{self.port(PORTS['zmq'])}"

    def metric(self, process, name):
        return metric(self.port(ADMIN[process]), name)

    @property
    def database(self):
        return os.path.join(self.data, "sluice.db")


def metric(port, name):
    _, text = request(port, "GET", "/metrics")
    for line in text.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise KeyError(name)


# --- publishing ------------------------------------------------------------------------


def request(port, method, path, body=None, headers=None):
    """(status, body); an OSError or HTTPException when there was no answer."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def post(port, topic, payload, headers=None):
    """Publishes and returns the ID."""
    status, body = request(port, "POST", f"/events/{topic}", payload, headers)
    assert status == 201, body
    return int(json.loads(body)["id"])


def post_batch(port, topic, payloads):
    """One transaction; returns the IDs."""
    lines = "".join(json.dumps({"topic": topic, "data": p}) + "\n" for p in payloads)
    status, body = request(port, "POST", "/events", lines)
    assert status == 201, body
    return [int(e["id"]) for e in json.loads(body)["events"]]


def dealer(endpoint):
    s = zmq.Context.instance().socket(zmq.DEALER)
    s.linger = 0
    s.sndhwm = s.rcvhwm = 0
    s.rcvtimeo = s.sndtimeo = int(TIMEOUT * 1000)
    s.connect(endpoint)
    return s


def flood(endpoint, topic, payloads, window=4000):
    """Publishes many over ZeroMQ, pipelined; returns their IDs."""
    ids, sent, source = [], 0, iter(payloads)
    topic = topic.encode()
    s = dealer(endpoint)
    try:
        while True:
            for payload in itertools.islice(source, window - (sent - len(ids))):
                s.send_multipart([b"publish", b"", topic, b"{}", payload])
                sent += 1
            if len(ids) == sent:
                return ids
            parts = s.recv_multipart()
            while parts is not None:
                assert parts[0] == b"ok", parts
                ids.append(int(parts[2]))
                parts = s.recv_multipart(zmq.NOBLOCK) if s.poll(0) else None
    finally:
        s.close()


class Publisher(threading.Thread):
    """Publishes until stop(), and repeats each event until it is acknowledged.
    `acked` is {payload: ID}."""

    def __init__(self, name, pause=0.0):
        super().__init__(name=name, daemon=True)
        self.acked = {}
        self.sent = 0
        self.pause = pause
        self.stopping = threading.Event()
        self.failure = None
        self.refusals = set()

    def payload(self, n):
        return f"{self.name} {n}"

    def run(self):
        try:
            self.work()
        except Exception as e:  # shown by stop()
            self.failure = e

    def stop(self):
        self.stopping.set()
        self.join(TIMEOUT)
        if self.failure:
            raise self.failure
        assert not self.is_alive(), f"{self.name} waits for an acknowledgement"
        assert len(self.acked) == self.sent


class HttpPublisher(Publisher):
    """POST, one at a time, with an Idempotency-Key or as a producer."""

    def __init__(self, name, port, topic, producer=False, pause=0.0):
        super().__init__(name, pause)
        self.port, self.topic, self.producer = port, topic, producer

    def headers(self, n):
        if self.producer:
            return {"Producer-Id": self.name, "Producer-Epoch": "0", "Producer-Seq": str(n)}
        return {"Idempotency-Key": f"{self.name}-{n}"}

    def once(self, connection, n):
        """The ID, or None: to be repeated."""
        connection.request("POST", f"/events/{self.topic}", self.payload(n), self.headers(n))
        r = connection.getresponse()
        body = r.read()
        if r.status in (503, 504):
            self.refusals.add(json.loads(body)["code"])
            return None
        assert r.status in (200, 201), body
        return int(json.loads(body)["id"])

    def until_acked(self, connection, n):
        while True:
            try:
                id_ = self.once(connection, n)
                if id_ is not None:
                    return id_
            except (OSError, http.client.HTTPException):
                connection.close()
            time.sleep(0.01)

    def work(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5 * SLOW)
        while not self.stopping.is_set():
            n = self.sent
            self.sent += 1
            self.acked[self.payload(n)] = self.until_acked(connection, n)
            time.sleep(self.pause)
        connection.close()


class AppPublisher(Publisher):
    """ZeroMQ, a window in flight, as a producer.  Answers come in order, so one that
    is skipped was lost with a broker; after that, after any refusal and after a
    silence everything unacknowledged goes out again in order."""

    SILENCE = 1000  # ms
    AGAIN = {"busy", "unavailable", "store_full", "store_failed", "producer_gap"}

    def __init__(self, name, endpoint, topic, window=32, pause=0.001):
        super().__init__(name, pause)
        self.endpoint, self.topic, self.window = endpoint, topic, window

    def send(self, s, n):
        producer = {"producer": {"id": self.name, "epoch": 0, "seq": n}}
        s.send_multipart([part.encode() for part in (
            "publish", str(n), self.topic, json.dumps(producer), self.payload(n))])

    def answers(self, s, pending):
        """Takes what has come; False: begin anew."""
        if not s.poll(self.SILENCE * SLOW):
            return False
        while s.poll(0):
            verb, ref, *rest = (p.decode() for p in s.recv_multipart())
            if verb == "error":
                assert rest[0] in self.AGAIN, rest
                self.refusals.add(rest[0])
                return False
            if int(ref) not in pending:
                continue
            if int(ref) != pending[0]:
                return False
            self.acked[self.payload(pending.popleft())] = int(rest[0])
        return True

    def work(self):
        pending, s = deque(), None
        while pending or not self.stopping.is_set():
            if s is None:
                s = dealer(self.endpoint)
                for n in pending:
                    self.send(s, n)
            while len(pending) < self.window and not self.stopping.is_set():
                pending.append(self.sent)
                self.send(s, self.sent)
                self.sent += 1
            if pending and not self.answers(s, pending):
                s.close()
                s = None
                time.sleep(0.01)
            time.sleep(self.pause)
        if s is not None:
            s.close()


# --- subscribing ------------------------------------------------------------------------


class Block(NamedTuple):
    """What a stream said: an event, a gap notice or a position."""

    kind: str  # event, gap, id
    id: int
    type: str
    data: str


SSE_LINE = re.compile(r"(id|event|data|retry)(?:: (.*)|:)$|: ?(.*)$", re.S)


def sse_block(text):
    """A block without its empty line; None for comments and retry."""
    fields = {"data": []}
    for line in text.split("\n"):
        m = SSE_LINE.match(line)
        assert m, f"not a line of ours: {line!r}"
        name, value = m[1], m[2] or ""
        if name == "data":
            fields["data"].append(value)
        elif name:
            assert name not in fields, f"{name} twice: {text!r}"
            fields[name] = value
    return sse_kind(fields, text)


def sse_kind(fields, text):
    if "id" not in fields:
        assert not fields["data"] and "event" not in fields, f"an event without an ID: {text!r}"
        return None
    assert re.fullmatch(r"[1-9][0-9]{0,15}|0", fields["id"]), text
    id_, type_, data = int(fields["id"]), fields.get("event", ""), "\n".join(fields["data"])
    if not fields["data"]:
        assert not type_, f"a type without data: {text!r}"
        return Block("id", id_, "", "")
    kinds = {"sluice.gap": "gap", "sluice.start": "id", "sluice.position": "id"}
    kind = kinds.get(type_, "event")
    return Block(kind, id_, type_, data) if kind != "id" else Block("id", id_, "", "")


class SseReader:
    """Bytes of text/event-stream to blocks; what is left over is the cut one."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        *whole, self.rest = (self.rest + data).split(b"\n\n")
        for raw in whole:
            assert b"\r" not in raw and b"\0" not in raw
            block = sse_block(raw.decode())
            if block:
                yield block


class NdjsonReader:
    """Bytes of application/x-ndjson to blocks."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        *whole, self.rest = (self.rest + data).split(b"\n")
        for raw in whole:
            line = json.loads(raw)
            if "gap" in line:
                yield Block("gap", int(line["gap"]["resumed_from"]), "", json.dumps(line["gap"]))
            elif "upto" in line:
                yield Block("id", int(line["upto"]), "", "")
            else:
                yield Block("event", int(line["id"]), line.get("type", ""), raw.decode())


class Dechunker:
    """HTTP chunks to their data (RFC 9112, 7.1), no extensions, no trailers."""

    HEAD = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")

    def __init__(self):
        self.rest = b""
        self.ended = False

    def feed(self, data):
        self.rest += data
        out, at = [], 0
        while (m := self.HEAD.match(self.rest, at)) is not None:
            assert not self.ended, "bytes after the last chunk"
            size, begin = int(m[1], 16), m.end()
            if len(self.rest) < begin + size + 2:
                break
            assert self.rest[begin + size:begin + size + 2] == b"\r\n"
            out.append(self.rest[begin:begin + size])
            at = begin + size + 2
            self.ended = size == 0
        self.rest = self.rest[at:]
        return b"".join(out)


class Stream:
    """One subscription on one connection.  blocks() ends when the server has
    ended it; a cut raises OSError."""

    SSE, NDJSON = "text/event-stream", "application/x-ndjson"

    def __init__(self, port, path, accept=SSE, last=None, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.deadline = math.inf
        self.accept = accept
        try:
            self.socket.connect(("127.0.0.1", port))
            self.ask(path, last)
            self.read_head()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def cut(self):
        """Ends it under a thread that reads, which has to close it."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def ask(self, path, last):
        lines = [f"GET /events/{path} HTTP/1.1", "Host: t", f"Accept: {self.accept}"]
        if last is not None:
            lines.append(f"Last-Event-ID: {last}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def read_head(self):
        raw = b""
        while b"\r\n\r\n" not in raw:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("cut within the head")
            raw += data
        head, self.first = raw.split(b"\r\n\r\n", 1)
        status, *fields = head.decode("ascii").split("\r\n")
        self.status = int(re.fullmatch(r"HTTP/1\.1 ([1-5]\d\d) .*", status)[1])
        self.headers = {k.lower(): v for k, v in (f.split(": ", 1) for f in fields)}
        self.chunked = self.headers.get("transfer-encoding") == "chunked"
        self.reader = SseReader() if self.accept == self.SSE else NdjsonReader()
        self.dechunker = Dechunker() if self.chunked else None

    def problem(self):
        """The body of a refusal."""
        size = int(self.headers["content-length"])
        raw = self.first
        while len(raw) < size:
            raw += self.socket.recv(65536)
        return json.loads(raw)

    def blocks(self, reading=None):
        """reading: an Event; while it is clear nothing is read."""
        data = self.first
        while time.monotonic() < self.deadline:
            if self.chunked:
                data = self.dechunker.feed(data)
            yield from self.reader.feed(data)
            if reading:
                reading.wait()
            data = self.socket.recv(262144)
            if not data:
                return

    def take(self, count, kinds=("event", "gap")):
        """The next blocks of these kinds."""
        self.deadline = time.monotonic() + TIMEOUT
        wanted = (b for b in self.iterator() if b.kind in kinds)
        taken = list(itertools.islice(wanted, count))
        assert len(taken) == count, f"{len(taken)} of {count}, at last {taken[-1:]}"
        return taken

    def iterator(self):
        if not hasattr(self, "_blocks"):
            self._blocks = self.blocks()
        return self._blocks


class Subscriber(threading.Thread):
    """A client that comes back with the last ID it was given, however it was cut."""

    def __init__(self, port, path, accept=Stream.SSE, last=None, receive_buffer=None):
        super().__init__(name=path, daemon=True)
        self.port, self.path, self.accept = port, path, accept
        self.receive_buffer = receive_buffer
        self.last = last
        self.events, self.gaps, self.arrivals = [], [], []
        self.connects = 0
        self.positions = 0
        self.stream = None
        self.failure = None
        self.reading, self.home = threading.Event(), threading.Event()
        self.reading.set()
        self.home.set()
        self.over = False
        self.start()

    def run(self):
        try:
            while not self.over:
                self.home.wait()
                self.visit()
        except BaseException as e:  # shown by check()
            self.failure = e

    def visit(self):
        try:
            with Stream(self.port, self.path, self.accept, self.last,
                        self.receive_buffer) as self.stream:
                assert self.stream.status == 200, self.stream.headers
                self.connects += 1
                for block in self.stream.blocks(self.reading):
                    self.take(block)
        except OSError:
            time.sleep(0.02)

    def take(self, block):
        if block.kind == "gap":
            self.gaps.append(json.loads(block.data))
        elif self.last is not None:
            first = block.kind == "event"
            assert block.id >= int(self.last) + first, f"{block} after {self.last}"
        if block.kind == "event":
            self.events.append(block)
            self.arrivals.append(time.monotonic())
        self.positions += block.kind == "id"
        self.last = str(block.id)

    def check(self):
        if self.failure:
            raise self.failure

    def wait_connected(self):
        wait_for(lambda: self.check() or self.last is not None, f"{self.path} has a position")
        return self

    def wait_count(self, count, timeout=None):
        wait_for(lambda: self.check() or len(self.events) >= count,
                 lambda: f"{count} events at {self.path}, has {len(self.events)}", timeout)
        return self.events

    def leave(self):
        """Cuts the connection and stays away until come_back()."""
        self.home.clear()
        self.stream.cut()

    def come_back(self):
        self.home.set()

    def close(self):
        self.over = True
        self.reading.set()
        self.home.set()
        if self.stream is not None:
            self.stream.cut()
        self.join(TIMEOUT)
        self.check()

    def payloads(self):
        """{payload: ID}; an event that came twice is a failure."""
        seen = {}
        for e in self.events:
            text = e.data
            if self.accept == Stream.NDJSON or text.startswith("{"):
                text = json.loads(text)["data"]
            assert text not in seen, f"twice: {text} as {seen[text]} and {e.id}"
            seen[text] = e.id
        return seen


def publish_and_kill(publishers, kill, times=5):
    """Kills at moments drawn by lot while all publish; {payload: ID} of what was acknowledged."""
    for p in publishers:
        p.start()
    rng = seeded()
    wait_for(lambda: all(p.acked for p in publishers), "every publisher has begun")
    for _ in range(times):
        time.sleep(rng.uniform(0.05, 0.8))
        kill()
    for p in publishers:
        had = len(p.acked)
        wait_for(lambda p=p, had=had: p.failure or len(p.acked) > had + 5, f"{p.name} goes on")
        p.stop()
    print({p.name: (p.sent, sorted(map(str, p.refusals))) for p in publishers})
    return {payload: id_ for p in publishers for payload, id_ in p.acked.items()}


def assert_exactly_once(subscriber, acked):
    """Every acknowledged event is there once, under the ID of its acknowledgement,
    and nothing else; the order was checked as they came."""
    subscriber.wait_count(len(acked))
    seen = subscriber.payloads()
    missing = [p for p in acked if p not in seen]
    assert not missing, f"{len(missing)} missing at {subscriber.path}: {missing[:5]}"
    assert seen == acked


# --- a process beside the system -----------------------------------------------------------


class Gateway:
    """One more sluice-sse on a system's broker."""

    def __init__(self, system, port, *flags):
        self.port, self.admin = port, port + 1
        ready, theirs = os.pipe()
        self.log = open(os.path.join(system.folder, f"gateway-{port}"), "ab")
        self.process = subprocess.Popen(
            [os.path.join(BIN, "sluice-sse"), "--data", system.data,
             "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{port + 1}",
             "--ready-fd", str(theirs), *flags],
            stderr=self.log, pass_fds=[theirs], env={**os.environ, **NO_QUARANTINE})
        os.close(theirs)
        with os.fdopen(ready, "rb") as f:
            assert f.read(1), "the gateway ended before it was ready"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.signal(signal.SIGCONT)
        self.process.terminate()
        code = self.process.wait(TIMEOUT)
        self.log.close()
        if exc[0] is None:
            assert code == 0

    def signal(self, signum):
        self.process.send_signal(signum)

    def memory(self):
        return memory(self.process.pid)


def limit_file_size(pid, size):
    """size: bytes, or None for no limit."""
    size = resource.RLIM_INFINITY if size is None else size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
