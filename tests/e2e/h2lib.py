"""An HTTP/2 client of many streams on one socket, on python3-h2.

A stream's window opens as its data is read, and only then: a stream that nobody reads
closes, while the connection's own window always opens again.
"""

import collections
import contextlib
import json
import socket
import time
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hpack
import wslib
from hyperframe.frame import GoAwayFrame
from sluicelib import TIMEOUT, Buffered, Stream

WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
PUSH = h2.settings.SettingCodes.ENABLE_PUSH
CONCURRENT = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS


class Exchange:
    """What has come on one stream."""

    def __init__(self, connection, stream_id):
        self.connection, self.id = connection, stream_id
        self.status, self.headers = None, {}
        self.chunks = collections.deque()  # data that nobody has read
        self.unread = 0  # bytes whose window is not given back
        self.held = False
        self.ended = False
        self.reset = None
        self.promises = []  # Exchanges that this one promised

    @property
    def over(self):
        return self.ended or self.reset is not None or self.connection.lost

    def take(self):
        """The next data; when none is left its window opens again, unless it is held."""
        data = self.chunks.popleft() if self.chunks else b""
        if not self.chunks and not self.held:
            self.connection.acknowledge(self)
        return data

    def wait(self):
        """Until it is over."""
        body = []
        while not self.over or self.chunks:
            if not self.chunks:
                self.connection.pump()
            body.append(self.take())
        self.body = b"".join(body)
        return self

    def json(self):
        return json.loads(self.body)


class Connection:
    """settings: {code: value}, said first.  auto=False: nothing is said by itself."""

    def __init__(self, port, settings=None, rcvbuf=None, wrap=lambda s: s):
        s = socket.socket()
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.settimeout(TIMEOUT)
        s.connect(("127.0.0.1", port))
        self.socket = wrap(s)
        self.authority = f"127.0.0.1:{port}"
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values={
            PUSH: 0, **(settings or {})})
        dispatch = self.h2._frame_dispatch_table
        self.on_goaway, dispatch[GoAwayFrame] = dispatch[GoAwayFrame], self.draining
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.exchanges = {}
        self.events = []
        self.goaway = None  # (error code, last stream)
        self.lost = False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def send_raw(self, data):
        self.socket.sendall(data)

    def acknowledge(self, x):
        if x.unread and not x.over:
            self.h2.increment_flow_control_window(x.unread, x.id)
            self.flush()
        x.unread = 0

    def pump(self):
        """Reads once; False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.lost = True
            return False
        for event in self.h2.receive_data(data):
            self.happened(event)
        try:
            self.flush()
        except OSError:
            pass  # the server has said its last word
        return True

    def draining(self, frame):
        """A GOAWAY that is no error: the library would understand nothing behind it."""
        state = self.h2.state_machine.state
        result = self.on_goaway(frame)
        if frame.error_code == 0:
            self.h2.state_machine.state = state
        return result

    def happened(self, event):
        self.events.append(event)
        x = self.exchanges.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = (int(event.error_code), event.last_stream_id)
        elif isinstance(event, h2.events.PushedStreamReceived):
            promised = Exchange(self, event.pushed_stream_id)
            promised.request = dict(event.headers)
            self.exchanges[promised.id] = promised
            self.exchanges[event.parent_stream_id].promises.append(promised)
        elif isinstance(event, h2.events.ResponseReceived):
            x.headers = dict(event.headers)
            x.status = int(x.headers[":status"])
        elif isinstance(event, h2.events.DataReceived):
            x.chunks.append(event.data)
            x.unread += event.flow_controlled_length
            if event.flow_controlled_length:
                self.h2.increment_flow_control_window(event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamEnded):
            x.ended = True
        elif isinstance(event, h2.events.StreamReset):
            x.reset = int(event.error_code)

    def until(self, condition, what):
        while not condition():
            assert self.pump(), f"the connection ended before {what}; GOAWAY: {self.goaway}"

    def begin(self, method, path, headers=(), body=None, end=True, more=()):
        """A request on its way; body None: there is none."""
        stream_id = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "http"), (":authority", self.authority),
                  (":path", path), *dict(headers).items(), *more]
        x = self.exchanges[stream_id] = Exchange(self, stream_id)
        self.h2.send_headers(stream_id, fields, end_stream=body is None and end)
        self.flush()
        if body is not None:
            self.send_body(x, body, end)
        return x

    def send_body(self, x, body, end=True):
        while body:
            n = min(len(body), self.h2.local_flow_control_window(x.id), 16384)
            if n == 0:
                assert self.pump(), "the connection ended under a body"
                if x.over:
                    return
                continue
            self.h2.send_data(x.id, body[:n])
            body = body[n:]
            self.flush()
        if end:
            self.h2.end_stream(x.id)
            self.flush()

    def request(self, method, path, headers=(), body=None):
        """The whole answer."""
        return self.begin(method, path, headers, body).wait()

    def get(self, path, **params):
        return self.request("GET", path_of(path, params))

    def publish(self, topic, payload=b"", **headers):
        """POST /events/{topic}; the ID, as text."""
        payload = payload.encode() if isinstance(payload, str) else payload
        named = {k.replace("_", "-").lower(): v for k, v in headers.items()}
        x = self.request("POST", "/events/" + urllib.parse.quote(topic), named, payload)
        assert x.status in (200, 201), (x.status, x.body)
        return x.json()["id"]

    def stream(self, name="", headers=(), /, **params):
        """A stream of events, as sluice.stream's."""
        path = "/events" + ("/" + urllib.parse.quote(name) if name else "")
        return EventStream(self.begin("GET", path_of(path, params), headers))

    def cancel(self, x):
        self.h2.reset_stream(x.id, 8)
        self.flush()

    def answered(self, x):
        """Waits for the head."""
        self.until(lambda: x.status is not None or x.over, "an answer")
        return x

    def ended(self):
        """Reads to the end; the GOAWAY's error code, or None."""
        while self.pump():
            pass
        return self.goaway[0] if self.goaway else None


def path_of(path, params):
    query = urllib.parse.urlencode(params, doseq=True, quote_via=urllib.parse.quote)
    return path + ("?" + query if query else "")


class EventStream(Stream):
    """The same items, from an Exchange."""

    def __init__(self, exchange):
        self.x = exchange
        self.body = b""
        self.last_id = None

    def opened(self):
        self.x.connection.answered(self.x)
        return self.x.status, self.x.headers

    @property
    def whole(self):
        return self.x.ended

    def problem(self):
        return self.x.wait().json()

    def close(self):
        self.x.connection.cancel(self.x)

    def _more(self):
        while not self.x.chunks and not self.x.over:
            self.x.connection.pump()
        data = self.x.take()
        self.body += data
        return bool(data)


# --- WebSocket over HTTP/2 (RFC 8441) --------------------------------------------------


class Bytes(Buffered):
    """A tunnel with the face of sluicelib's Raw."""

    def __init__(self, exchange):
        self.x = exchange
        self.socket = exchange.connection.socket
        self.buffer = b""

    def send(self, data):
        self.x.connection.send_body(self.x, data, end=False)
        return self

    def half_close(self):
        self.x.connection.h2.end_stream(self.x.id)
        self.x.connection.flush()
        return self

    def more(self):
        while not self.x.chunks and not self.x.over:
            self.x.connection.pump()
        data = self.x.take()
        self.buffer += data
        return bool(data)

    def close(self):
        with contextlib.suppress(h2.exceptions.H2Error, OSError):
            self.x.connection.cancel(self.x)


class WebSocket(wslib.WebSocket):
    """The same client on a stream of a connection."""

    def __init__(self, connection, path="/events", protocol=None, deflate=None, headers=()):
        fields = [("sec-websocket-version", "13")]
        fields += [("sec-websocket-protocol", protocol)] if protocol else []
        fields += [("sec-websocket-extensions", deflate)] if deflate else []
        fields += [tuple(h.split(": ", 1)) for h in headers]
        connection.until(lambda: connection.h2.remote_settings.enable_connect_protocol,
                         "SETTINGS")
        self.x = connection.begin("CONNECT", path, [(":protocol", "websocket")], more=[
            (name.lower(), value) for name, value in fields], end=False)
        self.raw = Bytes(self.x)
        self.bits, self.packed, self.plain, self.closed = 15, 0, 0, None

    def head(self):
        self.x.connection.answered(self.x)
        return self.x.status, self.x.headers

    def open(self):
        status, headers = self.head()
        if status is None:
            raise ConnectionResetError("cut within the handshake")
        assert status == 200, (status, self.x.wait().body)
        assert "sec-websocket-accept" not in headers
        return self


class Door(wslib.Door):
    """The HTTP/2 gateway of a system: each WebSocket on a connection of its own, whose
    windows are as large as a socket."""

    def __init__(self, sluice):
        super().__init__(sluice)
        self.connections = []

    def ask(self, name="", /, protocol=None, deflate=None, headers=(), rcvbuf=None, **params):
        c = Connection(self.sluice.port("h2"), {WINDOW: 1 << 24}, rcvbuf)
        self.connections.append(c)
        self.opened.append(WebSocket(c, wslib.path_of(name, **params), protocol, deflate, headers))
        return self.opened[-1]

    def close(self):
        for c in self.connections:
            c.close()


# --- frames by hand -------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def encode_fields(fields):
    """A header block that leaves the table alone: names and values as they are."""
    return b"".join(b"\0" + length(name) + name.encode() + length(value) + value.encode()
                    for name, value in fields)


def length(text):
    n = len(text.encode())
    if n < 127:
        return bytes([n])
    n -= 127
    out = b"\x7f"
    while n >= 128:
        out += bytes([n % 128 | 128])
        n //= 128
    return out + bytes([n])


def encode(path, method="GET", more=()):
    return encode_fields([(":method", method), (":scheme", "http"), (":authority", "x"),
                          (":path", path), *more])


def headers(stream, path, method="GET", flags=5, more=()):
    return frame(1, flags, stream, encode(path, method, more))


class Frames:
    """A client without a library: sends whatever bytes, and reads frames."""

    def __init__(self, port, settings=None):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False
        self.seen = []  # (kind, flags, stream, payload)
        body = b"".join(k.to_bytes(2, "big") + v.to_bytes(4, "big")
                        for k, v in (settings or {}).items())
        self.hpack = hpack.Decoder()
        self.send(PREFACE + frame(4, 0, 0, body))

    def close(self):
        self.socket.close()

    def send(self, data):
        """The server may have closed by now: what it said before is still read."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def send_all(self, data):
        """The same without reading, as far as the server takes it in a while."""
        self.socket.settimeout(2)
        self.send(data)
        self.socket.settimeout(TIMEOUT)

    def pump(self):
        """Reads the frames that are there; False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        while len(self.buffer) >= 9:
            size = 9 + int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < size:
                break
            head, self.buffer = self.buffer[:size], self.buffer[size:]
            self.take(head[3], head[4], int.from_bytes(head[5:9], "big"), head[9:])
        return not self.ended

    def take(self, kind, flags, stream, payload):
        if kind == 1:
            payload = dict(self.hpack.decode(payload))
        elif kind == 5:
            self.hpack.decode(payload[4:])
        self.seen.append((kind, flags, stream, payload))

    def find(self, kind, stream):
        """The payload of the first such frame; None at the end of the connection."""
        at = 0
        while True:
            more = self.pump() if at == len(self.seen) else True
            for seen in self.seen[at:]:
                if seen[0] == kind and seen[2] == stream:
                    return seen[3]
            at = len(self.seen)
            if not more:
                return None

    def body(self, stream):
        """What has come on it so far."""
        return b"".join(f[3] for f in self.seen if f[0] == 0 and f[2] == stream)

    def until(self, condition, what):
        """Pumps; keep-alives do not make it wait for ever."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert self.pump() and time.monotonic() < deadline, f"no {what}"

    def goaway(self):
        """The last GOAWAY's error, once the server has closed."""
        while self.pump():
            pass
        errors = [f[3][4:8] for f in self.seen if f[0] == 7]
        return int.from_bytes(errors[-1], "big") if errors else None

    def first(self, stream, *kinds):
        """(kind, status or error) of what is said first on a stream; 0: on any."""
        at = 0
        while True:
            for kind, _, s, payload in self.seen[at:]:
                if kind in (kinds or (1, 3)) and s == (stream or s):
                    return kind, (int(payload[":status"]) if kind == 1
                                  else int.from_bytes(payload, "big"))
            at = len(self.seen)
            assert self.pump()

    def reset(self, stream):
        payload = self.find(3, stream)
        return None if payload is None else int.from_bytes(payload, "big")

    def status(self, stream):
        fields = self.find(1, stream)
        return None if fields is None else int(fields[":status"])

    def pinged(self):
        """All that was sent has been looked at."""
        self.send(frame(6, 0, 0, b"tests..."))
        self.find(6, 0)

    def settled(self):
        """The server's settings are known here, and it knows that."""
        self.find(4, 0)
        self.send(frame(4, 1, 0, b""))
        self.pinged()
