"""A broker and gateways as real processes, and clients that speak to them.

Everything waits for a condition, never for a time.  Sluice owns a folder with
its configuration, data and logs; its processes can be killed, stopped and
started again by name.
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass

import requests

BIN = os.environ.get("BIN", os.path.join(os.path.dirname(__file__), "../../build/bin"))
# So many times longer than on a machine of our day things may take.
SLOW = float(os.environ.get("SLUICE_TEST_SLOW", "1"))
TIMEOUT = float(os.environ.get("SLUICE_TEST_TIMEOUT", "20"))
# Offsets from port_base: the port clients speak to, and the admin listener's.
PORTS = {"sse": 1, "ws": 2, "poll": 3, "h2": 4, "mqtt_ws": 5, "mqtt": 6, "zmq": 7}
ADMIN = {"broker": 10, "sse": 11, "ws": 12, "poll": 13, "h2": 14, "mqtt": 16, "zmq": 17}


def wait_for(condition, what, timeout=TIMEOUT):
    """The first true value of condition(), which may raise OSError meanwhile."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            value = condition()
            if value:
                return value
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout} s: {what}")


def is_free(port):
    with socket.socket() as s:
        # As our listeners do: connections that linger after their end are no hindrance.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


claims = collections.deque(maxlen=16)  # as many as one worker uses at a time, and more


def claim(base):
    """Whether the range is ours: other sessions on this machine see the claim too."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0sluice-tests-{base}")
    except OSError:
        mark.close()
        return False
    claims.append(mark)
    return True


def port_base():
    """The first of 20 free ports below the kernel's own range, of nobody else's."""
    while True:
        base = 10000 + random.randrange(0, 20000, 20)
        if claim(base) and all(is_free(base + i) for i in range(20)):
            return base


class Process:
    """One of our processes; start() waits until it says that it is ready."""

    def __init__(self, name, command, log):
        self.name, self.command, self.log = name, command, log
        self.popen = None

    @property
    def pid(self):
        return self.popen.pid

    def start(self, wait=True):
        ours, theirs = os.pipe()
        # A sanitizer that holds on to freed memory would make memory() meaningless.
        env = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1"}
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.command + ["--ready-fd", str(theirs)], env=env,
                                          pass_fds=[theirs], stderr=log, stdin=subprocess.DEVNULL)
        os.close(theirs)
        with os.fdopen(ours, "rb") as f:
            if wait:
                assert f.read(1), f"{self.name} ended before it was ready:\n{self.logged()}"
        return self

    def logged(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def signal(self, number):
        os.kill(self.popen.pid, number)

    def kill(self):
        """SIGKILL, and wait until it is gone."""
        self.popen.kill()
        self.popen.wait(TIMEOUT)

    def stop(self, timeout=TIMEOUT):
        """SIGTERM; the exit code."""
        self.popen.terminate()
        return self.popen.wait(timeout)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def restart(self):
        self.kill()
        return self.start()

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def end(self):
        """Whatever state it is in; True when it ended in order."""
        if not self.running():
            return True
        self.thaw()
        self.popen.terminate()
        try:
            return self.popen.wait(TIMEOUT) == 0
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return False


class Sluice:
    """A system in a folder: .broker, .sse, and what start_gateway adds.  A second
    gateway of a kind is called "mqtt-2" and so on; it has a range of ports of its own."""

    def __init__(self, folder, config="", gateways=("sse",)):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.base = port_base()
        self.bases = {"": self.base}
        self.config = self.folder / "sluice.ini"
        self.config.write_text(config)
        self.processes = {}
        self.gateways = gateways
        self.session = requests.Session()
        self.tls = None  # an ssl.SSLContext once clients are to speak TLS (tlslib.py)
        self.streams = []

    # --- processes

    def range_of(self, name):
        """(kind, first port of its range)"""
        kind, _, number = name.partition("-")
        if number not in self.bases:
            self.bases[number] = port_base()
        return kind, self.bases[number]

    def add(self, name):
        kind, base = self.range_of(name)
        command = [os.path.join(BIN, f"sluice-{kind}"), "--config", str(self.config),
                   "--data", str(self.data), "--port-base", str(base)]
        self.processes[name] = Process(name, command, self.folder / f"{name}.log")
        return self.processes[name]

    def start(self):
        self.add("broker").start()
        for name in self.gateways:
            self.add(name).start()
        return self

    def start_gateway(self, name):
        return self.add(name).start()

    @property
    def broker(self):
        return self.processes["broker"]

    @property
    def sse(self):
        return self.processes["sse"]

    def end(self):
        """Ends all; a process that ends badly fails the test that used it."""
        for s in self.streams:
            s.close()
        self.session.close()
        names = [n for n in self.processes if n != "broker"] + ["broker"]
        bad = [n for n in names if n in self.processes and not self.processes[n].end()]
        logs = "".join(p.logged() for p in self.processes.values())
        assert not bad, f"ended badly: {bad}\n{logs[-4000:]}"
        assert "Sanitizer" not in logs and "runtime error" not in logs, logs[-8000:]

    # --- addresses

    def port(self, name="sse"):
        kind, base = self.range_of(name)
        return base + PORTS[kind]

    def url(self, path, gateway="sse", **params):
        query = urllib.parse.urlencode(params, doseq=True, quote_via=urllib.parse.quote)
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.port(gateway)}{path}{'?' + query if query else ''}"

    def admin(self, path, who="sse"):
        """(status, text) of the admin listener."""
        kind, base = self.range_of(who)
        url = f"http://127.0.0.1:{base + ADMIN[kind]}{path}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def metrics(self, who="sse"):
        """{name: value} of the metrics without labels."""
        lines = self.admin("/metrics", who)[1].splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")
        return {name: float(value) for name, value in pairs}

    def wait_metric(self, name, least, who="sse"):
        return wait_for(lambda: self.metrics(who)[name] >= least, f"{name} of {who} >= {least}")

    # --- clients

    def request(self, method, path, gateway="sse", params=None, **kwargs):
        kwargs.setdefault("timeout", TIMEOUT)
        return self.session.request(method, self.url(path, gateway, **(params or {})), **kwargs)

    def publish(self, topic, payload=b"", gateway="sse", **headers):
        """POST /events/{topic}; headers with _ for -.  The ID, as text."""
        r = self.post(topic, payload, gateway, **headers)
        assert r.status_code in (200, 201), (r.status_code, r.text)
        return r.json()["id"]

    def post(self, topic, payload=b"", gateway="sse", **headers):
        """The same, whatever the answer is."""
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.request("POST", "/events/" + urllib.parse.quote(topic), gateway,
                            data=payload, headers=named)

    def batch(self, events, gateway="sse"):
        """POST /events with one JSON object a line; the IDs."""
        body = "\n".join(json.dumps(e) for e in events)
        r = self.request("POST", "/events", gateway, data=body.encode(),
                         headers={"Content-Type": "application/x-ndjson"})
        assert r.status_code in (200, 201), (r.status_code, r.text)
        return [e["id"] for e in r.json()["events"]]

    def fill(self, topic, count, payload=lambda n: f"event {n}", chunk=2000):
        """Publishes count events in batches; the IDs."""
        ids = []
        for start in range(0, count, chunk):
            numbers = range(start, min(count, start + chunk))
            ids += self.batch([{"topic": topic, "data": payload(n)} for n in numbers])
        return ids

    def stream(self, name="", headers=None, /, gateway="sse", rcvbuf=None, **params):
        """An open stream; name is the path's topic, '' subscribes by ?topic= alone."""
        path = "/events" + ("/" + urllib.parse.quote(name) if name else "")
        s = Stream(self.port(gateway), self.url(path, gateway, **params), headers or {}, rcvbuf,
                   self.tls)
        self.streams.append(s)
        return s

    def history(self, name, /, gateway="sse", headers=None, **params):
        r = self.request("GET", "/history/" + urllib.parse.quote(name), gateway, params,
                         headers=headers)
        assert r.status_code == 200, (r.status_code, r.text)
        return r.json()

    def raw(self, gateway="sse"):
        return Raw(self.port(gateway), tls=self.tls)


class Buffered:
    """What has come but was not taken yet is in `buffer`; more() reads once, False at the end."""

    def take(self, n):
        while len(self.buffer) < n and self.more():
            pass
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def rest(self):
        """All bytes until the server closes."""
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data


class Raw(Buffered):
    """A connection, for bytes that no client library would send."""

    def __init__(self, port, rcvbuf=None, tls=None):
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def more(self):
        """Reads once; False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.ended = self.ended or not data
        self.buffer += data
        return bool(data)

    def line(self):
        """Up to and with the next LF, or None at the end."""
        while b"\n" not in self.buffer:
            if not self.more():
                return None
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def head(self):
        """(status, {name: value}) of an answer; (None, {}) when there is none."""
        first = self.line()
        if first is None:
            return None, {}
        headers = {}
        while (line := self.line()) not in (b"\r\n", None):
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(first.split()[1]), headers

    def answer(self):
        """A whole answer with Content-Length."""
        status, headers = self.head()
        body = self.take(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


@dataclass
class Item:
    """What a stream says: an event, a position, a gap, a comment or a retry."""

    kind: str
    id: str = None
    type: str = None
    data: str = None

    def json(self):
        return json.loads(self.data)


class Stream:
    """A stream of SSE blocks or NDJSON lines, read item by item."""

    def __init__(self, port, url, headers, rcvbuf=None, tls=None):
        self.raw = Raw(port, rcvbuf, tls)
        path = url.split("/", 3)[3]
        lines = [f"GET /{path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{k}: {v}" for k, v in headers.items()]
        self.raw.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._opened = None
        self.body = b""
        self.last_id = None
        self.whole = False  # the last chunk came

    def close(self):
        self.raw.close()

    def opened(self):
        """(status, headers); waits for the head."""
        if self._opened is None:
            self._opened = self.raw.head()
        return self._opened

    @property
    def status(self):
        return self.opened()[0]

    @property
    def headers(self):
        return self.opened()[1]

    def problem(self):
        return json.loads(self.raw.take(int(self.headers["content-length"])))

    def _more(self):
        """More of the body; False at the end."""
        if self.headers.get("transfer-encoding") != "chunked":
            got = self.raw.buffer or (self.raw.more() and self.raw.buffer)
            self.body += self.raw.buffer
            self.raw.buffer = b""
            return bool(got)
        size = self.raw.line()
        if size is None:
            return False
        data = self.raw.take(int(size, 16) + 2)
        assert data.endswith(b"\r\n"), data
        self.whole = data == b"\r\n"
        self.body += data[:-2]
        return not self.whole

    def _until(self, end):
        while end not in self.body:
            if not self._more():
                return None
        block, _, self.body = self.body.partition(end)
        return block.decode()

    def _line_item(self):
        line = self._until(b"\n")
        if line is None:
            return None
        value = json.loads(line)
        if "upto" in value:
            return Item("position", value["upto"])
        if "gap" in value:
            return Item("gap", value["gap"]["resumed_from"], data=json.dumps(value["gap"]))
        if "expired" in value:
            last = value["expired"]
            return Item("expired", last.get("position"), data=json.dumps(last))
        return Item("event", value["id"], value.get("type"), line)

    def _block_item(self):
        item, data = Item("comment"), []
        block = ""
        while (line := self._until(b"\n")) != "":
            if line is None:
                return None
            if not block and line.startswith(":"):
                return item
            if not block and line.startswith("retry:"):
                return Item("retry", data=line.removeprefix("retry:").strip())
            block += line + "\n"
        block = block.rstrip("\n")
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                item.id, item.kind = value, "position"
            elif name == "event":
                item.type = value
            elif name == "data":
                data.append(value)
            elif name == "retry":
                item.kind, item.data = "retry", value
            else:
                assert name == "", block
        if data:
            item.kind = {"sluice.gap": "gap", "sluice.start": "position",
                         "sluice.position": "position",
                         "sluice.expired": "expired"}.get(item.type, "event")
            item.data = "\n".join(data)
        return item

    def item(self):
        """The next one, or None when the stream has ended."""
        assert self.status == 200, (self.status, self.problem())
        ndjson = self.headers["content-type"] == "application/x-ndjson"
        item = self._line_item() if ndjson else self._block_item()
        if item is not None and item.id is not None:
            self.last_id = item.id
        return item

    def next(self, *kinds):
        """The next item of these kinds; others are passed over."""
        while (item := self.item()) is not None:
            if item.kind in kinds:
                return item
        return None

    def started(self):
        """Waits until the stream is live or its replay has begun."""
        item = self.next("position", "gap")
        assert item is not None
        return item

    def events(self, count):
        """The next count events; gaps fail."""
        found = []
        while len(found) < count:
            item = self.next("event", "gap")
            assert item is not None, f"the stream ended after {len(found)} of {count}"
            assert item.kind == "event", item
            found.append(item)
        return found
