"""A real broker process, and what speaks to it: applications and raw gateways.

Everything waits for a condition, never for a time.  The wire's bytes are those
of proto/README.md.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass, field

import zmq

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../../build/bin"))
TIMEOUT = 20.0
NO_LOG = bytes(16)
VERSION = 4  # of the wire


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, timeout=TIMEOUT):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout} s: {what}")


def get(admin, path):
    with urllib.request.urlopen(f"http://{admin}{path}", timeout=TIMEOUT) as r:
        return r.read().decode()


def metric(admin, name):
    for line in get(admin, "/metrics").splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise KeyError(name)


class Door:
    """The sluice-zmq of a broker; it has the flags of the broker that are for it."""

    def __init__(self, broker):
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.admin = f"127.0.0.1:{free_port()}"
        flags = iter(broker.flags)
        own = [f for flag in flags for f in (flag, next(flags))
               if flag.startswith(("--limits-", "--zmq-"))]
        self.process = broker.spawn(
            [os.path.join(BIN, "sluice-zmq"), "--data", broker.data, "--listen", self.endpoint,
             "--admin-listen", self.admin, *own])

    def get(self, path):
        return get(self.admin, path)

    def metric(self, name):
        return metric(self.admin, name)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(TIMEOUT) == 0


class Broker:
    """One data folder and the broker that serves it; start() again after kill()."""

    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="sluice-")
        self.data = os.path.join(self.folder, "data")
        self.admin = f"127.0.0.1:{free_port()}"
        self.link = f"ipc://{self.data}/run/link"
        self.reads = f"ipc://{self.data}/run/reads"
        self.flags = flags
        self.process = self._door = None
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.sockets = []
        self.context = zmq.Context()

    def command(self):
        return [os.path.join(BIN, "sluice-broker"), "--data", self.data,
                "--admin-listen", self.admin, *self.flags]

    def start(self):
        self.process = self.spawn(self.command())
        return self

    def spawn(self, command):
        ready, theirs = os.pipe()
        # A sanitizer that holds on to freed memory would make memory() meaningless.
        env = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1"}
        process = subprocess.Popen(command + ["--ready-fd", str(theirs)], pass_fds=[theirs],
                                   stderr=self.log, env=env)
        os.close(theirs)
        with os.fdopen(ready, "rb") as f:
            if f.read(1) == b"":
                code = process.wait(TIMEOUT)
                raise AssertionError(f"it ended with {code} before it was ready: {self.logged()}")
        return process

    @property
    def door(self):
        """sluice-zmq, where applications come in; started when it is first asked for."""
        if self._door is None:
            self._door = Door(self)
        return self._door

    @property
    def apps(self):
        return self.door.endpoint

    def logged(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT)

    def get(self, path):
        return get(self.admin, path)

    def metric(self, name):
        return metric(self.admin, name)

    def memory(self):
        """Its own; pages of the database file that are mapped do not count."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))

    def socket(self, kind, endpoint, **options):
        s = self.context.socket(kind)
        s.linger = 0
        s.rcvtimeo = s.sndtimeo = int(TIMEOUT * 1000)
        for name, value in options.items():
            setattr(s, name, value)
        s.connect(endpoint)
        self.sockets.append(s)
        return s

    def app(self, kind=zmq.DEALER, **options):
        return self.socket(kind, self.apps, **options)

    def close(self):
        for s in self.sockets:
            s.close()
        self.context.term()
        if self._door is not None:
            self._door.close()
        alive = self.process is not None and self.process.poll() is None
        code = self.stop() if alive else 0
        self.log.close()
        text = self.logged()
        shutil.rmtree(self.folder)
        assert code == 0, text
        assert "did not drain" not in text


def publish(app, topic, payload=b"x", headers="{}", ref="1"):
    parts = [b"publish", ref, topic, headers, payload]
    app.send_multipart([p.encode() if isinstance(p, str) else p for p in parts])


def answer(app):
    return [p.decode() for p in app.recv_multipart()]


def published(app, topic, payload=b"x", headers="{}"):
    """Publishes and returns the ID."""
    publish(app, topic, payload, headers)
    verb, _, id_ = answer(app)
    assert verb == "ok"
    return int(id_)


# --- the wire ----------------------------------------------------------------

HELLO, FILTER_ADD, FILTER_DROP, PUBLISH, CONFIRM, DELETE = range(1, 7)
HELLO_OK, HELLO_NO, FILTER_LIVE, FILTER_NO, ACKS, LIVE, REMOVED = range(65, 72)
WORKING = 198  # a sign of life while a read is under way; answers nothing
PAGE, START, EVENT, TOPICS = range(129, 133)
REPEAT = 1 << 63
BUSY, BAD_TOPIC, BAD_FILTER, BAD_REQUEST, NOT_FOUND = 24, 2, 3, 1, 9


def str16(text):
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<H", len(raw)) + raw


def record(topic, payload=b"x", props=b"", flags=0):
    topic = topic.encode()
    size = 32 + len(topic) + len(props) + len(payload)
    return struct.pack("<IIQQHHI", size, len(props), 0, 0, len(topic), flags, 0) \
        + topic + props + payload


def unit(seq, *records):
    return struct.pack("<QI", seq, len(records)) + b"".join(records)


@dataclass
class Event:
    id: int
    topic: str
    payload: bytes


def events_of(raw):
    events = []
    while raw:
        size, props, id_, _, topic, _, _ = struct.unpack_from("<IIQQHHI", raw)
        name = raw[32:32 + topic].decode()
        events.append(Event(id_, name, raw[32 + topic + props:size]))
        raw = raw[size:]
    return events


@dataclass
class Message:
    kind: int
    raw: bytes
    f: dict = field(default_factory=dict)

    def __getattr__(self, name):
        try:
            return self.__dict__["f"][name]
        except KeyError:
            raise AttributeError(name) from None


def acks_of(raw):
    acks = {}
    while raw:
        seq, error = struct.unpack_from("<QH", raw)
        raw = raw[10:]
        if error == 0:
            (count,) = struct.unpack_from("<I", raw)
            acks[seq] = list(struct.unpack_from(f"<{count}Q", raw, 4))
            raw = raw[4 + 8 * count:]
        else:
            index, *_, length = struct.unpack_from("<IQQQH", raw)
            acks[seq] = (error, index, raw[30:30 + length].decode())
            raw = raw[30 + length:]
    return acks


def parse(raw):
    kind, body = raw[0], raw[1:]
    names = {
        HELLO_OK: ("<H16sQI?", ("version", "log", "head", "window", "reset")),
        HELLO_NO: ("<H", ("error",)),
        FILTER_LIVE: ("<IQ", ("ref", "live_from")),
        FILTER_NO: ("<IH", ("ref", "error")),
        LIVE: ("<QQ", ("after", "upto")),
        REMOVED: ("<Q", ("upto",)),
    }
    if kind == ACKS:
        return Message(kind, raw, {"acks": acks_of(body)})
    fmt, keys = names[kind]
    f = dict(zip(keys, struct.unpack_from(fmt, body)))
    if kind == LIVE:
        f["events"] = events_of(body[16:])
    return Message(kind, raw, f)


class Gateway:
    """A DEALER on link that says exactly what it is told to."""

    def __init__(self, broker, instance=None):
        self.broker = broker
        self.instance = instance or uuid.uuid4().bytes
        self.seen = 0
        self.connect()

    def connect(self):
        self.socket = self.broker.socket(zmq.DEALER, self.broker.link)

    def reconnect(self):
        self.socket.close()
        self.connect()

    def send(self, *raw):
        self.socket.send(b"".join(raw))

    def recv(self):
        return parse(self.socket.recv())

    def recv_kind(self, kind):
        while True:
            m = self.recv()
            if m.kind == kind:
                return m

    def quiet(self, ms=300):
        """True when nothing but ranges without events comes for so long."""
        end = time.monotonic() + ms / 1000
        while (left := end - time.monotonic()) > 0:
            if self.socket.poll(left * 1000):
                m = self.recv()
                if m.kind != LIVE or m.events:
                    return False
        return True

    def say_hello(self, version=VERSION, seen=0, log=NO_LOG, name="test"):
        self.send(struct.pack("<BH", HELLO, version), self.instance, log,
                  struct.pack("<Q", seen), str16(name))

    def hello(self, **kw):
        self.say_hello(**kw)
        return self.recv_kind(HELLO_OK)

    def filter_add(self, ref, text):
        self.send(struct.pack("<BI", FILTER_ADD, ref), str16(text))
        while True:
            m = self.recv()
            if m.kind in (FILTER_LIVE, FILTER_NO):
                return m

    def filter_drop(self, ref):
        self.send(struct.pack("<BI", FILTER_DROP, ref))

    def publish(self, *units):
        self.send(bytes([PUBLISH]), *units)

    def acks(self, count):
        """Acknowledgements of so many units, live messages skipped."""
        acks = {}
        while len(acks) < count:
            acks.update(self.recv_kind(ACKS).acks)
        return acks

    def confirm(self, upto):
        self.send(struct.pack("<BQ", CONFIRM, upto))

    def delete(self, seq, topic):
        self.send(struct.pack("<BQ", DELETE, seq), str16(topic))


# --- reads -------------------------------------------------------------------

def read_filters(*filters):
    return struct.pack("<H", len(filters)) + b"".join(
        struct.pack("<Q", 0) + str16(f) for f in filters)


def page_request(ref, *filters, after=0, limit=0):
    return struct.pack("<BQQQI?", PAGE, ref, after, 0, limit, False) + read_filters(*filters)


@dataclass
class Reply:
    kind: int
    ref: int
    error: int
    body: bytes


def reply_of(raw):
    kind, ref, error = struct.unpack_from("<BQH", raw)
    return Reply(kind, ref, error, raw[11:])


class Reader:
    def __init__(self, broker):
        self.socket = broker.socket(zmq.DEALER, broker.reads)

    def ask(self, raw):
        self.socket.send(raw)
        while (reply := reply_of(self.socket.recv())).kind == WORKING:
            continue
        return reply

    def page(self, *filters, after=0):
        r = self.ask(page_request(1, *filters, after=after))
        assert r.error == 0, r
        upto, head, _, _, count = struct.unpack_from("<QQQBI", r.body)
        events = events_of(r.body[29:])
        assert len(events) == count
        return upto, head, events

    def all(self, *filters):
        events, after = [], 0
        while True:
            upto, head, page = self.page(*filters, after=after)
            events += page
            if upto >= head:
                return events
            after = upto
