"""An MQTT client, 3.1.1 and 5.0, that can also do what no client may.

Functions make packets as bytes; what comes is read packet by packet and held against
the specification: flags, property sets, lengths, UTF-8, nothing left over.  A Client is
one connection; it answers only what a test tells it to, but for message(), which
acknowledges unless told otherwise.  Door is a running gateway with its clients.
"""

import itertools
import socket
import struct
from collections import deque
from dataclasses import dataclass, field

from sluicelib import Raw, wait_for
from wslib import BINARY, CLOSE, PONG, WebSocket, frame

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
 UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)
NAMES = ("0 CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE "
         "UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH").split()
V3, V5 = 4, 5  # the protocol level: 3.1.1 and 5.0
NEVER = 0xFFFFFFFF

# --- properties (5.0, 2.2.2) -----------------------------------------------------------

PROPERTIES = {
    "payload_format": (0x01, "u8"), "message_expiry": (0x02, "u32"),
    "content_type": (0x03, "text"), "response_topic": (0x08, "text"),
    "correlation_data": (0x09, "data"), "subscription_id": (0x0B, "varint"),
    "session_expiry": (0x11, "u32"), "assigned_client_id": (0x12, "text"),
    "server_keep_alive": (0x13, "u16"), "auth_method": (0x15, "text"),
    "auth_data": (0x16, "data"), "request_problem_info": (0x17, "u8"),
    "will_delay": (0x18, "u32"), "request_response_info": (0x19, "u8"),
    "response_info": (0x1A, "text"), "server_reference": (0x1C, "text"),
    "reason_string": (0x1F, "text"), "receive_maximum": (0x21, "u16"),
    "topic_alias_maximum": (0x22, "u16"), "topic_alias": (0x23, "u16"),
    "maximum_qos": (0x24, "u8"), "retain_available": (0x25, "u8"), "user": (0x26, "pair"),
    "maximum_packet_size": (0x27, "u32"), "wildcard_available": (0x28, "u8"),
    "subscription_id_available": (0x29, "u8"), "shared_available": (0x2A, "u8"),
}
BY_NUMBER = {number: (name, kind) for name, (number, kind) in PROPERTIES.items()}
REASONED = {"reason_string", "user"}
MAY_CARRY = {  # what a server may say in each of its packets
    CONNACK: REASONED | {
        "session_expiry", "receive_maximum", "maximum_qos", "retain_available",
        "maximum_packet_size", "assigned_client_id", "topic_alias_maximum", "wildcard_available",
        "subscription_id_available", "shared_available", "server_keep_alive", "response_info",
        "server_reference", "auth_method", "auth_data"},
    PUBLISH: {"payload_format", "message_expiry", "topic_alias", "response_topic",
              "correlation_data", "user", "subscription_id", "content_type"},
    PUBACK: REASONED, PUBREC: REASONED, PUBREL: REASONED, PUBCOMP: REASONED,
    SUBACK: REASONED, UNSUBACK: REASONED,
    DISCONNECT: REASONED | {"server_reference"},
    AUTH: REASONED | {"auth_method", "auth_data"},
}


def varint(n):
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def data(value):
    """Bytes, or text, after their length."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


ENCODE = {"u8": lambda v: bytes([v]), "u16": lambda v: struct.pack(">H", v),
          "u32": lambda v: struct.pack(">I", v), "varint": varint, "text": data, "data": data,
          "pair": lambda v: data(v[0]) + data(v[1])}


def prop(name, value):
    number, kind = PROPERTIES[name]
    return bytes([number]) + ENCODE[kind](value)


def properties(named):
    """With their length; a list stands for a property that is there several times."""
    out = b""
    for name, value in named.items():
        for one in value if isinstance(value, list) else [value]:
            out += prop(name, one)
    return varint(len(out)) + out


# --- packets to the server ----------------------------------------------------------------

def packet(kind, flags=0, body=b"", length=None):
    """length: what the header says instead of the truth, as a number or as bytes."""
    if not isinstance(length, bytes):
        length = varint(len(body) if length is None else length)
    return bytes([kind << 4 | flags]) + length + body


@dataclass
class Will:
    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    props: dict = field(default_factory=dict)


ASKS = ("sluice-properties", "on")  # who says this in CONNECT gets user properties of ours


def connect(client="", version=V5, clean=True, keep_alive=0, will=None, user=None, password=None,
            name="MQTT", flags=0, asks=True, **props):
    """flags: further bits of the connect flags; asks: for user properties of ours."""
    flags |= clean << 1
    if will:
        flags |= 4 | will.qos << 3 | will.retain << 5
    flags |= (user is not None) << 7 | (password is not None) << 6
    body = data(name) + bytes([version, flags]) + struct.pack(">H", keep_alive)
    body += properties({**props, **({"user": ASKS} if asks else {})}) if version == V5 else b""
    body += data(client)
    if will:
        body += properties(will.props) if version == V5 else b""
        body += data(will.topic) + data(will.payload)
    body += b"".join(data(v) for v in (user, password) if v is not None)
    return packet(CONNECT, 0, body)


def publish(topic, payload=b"", qos=0, id=None, retain=False, dup=False, version=V5, **props):
    body = data(topic) + (struct.pack(">H", id) if qos else b"")
    body += properties(props) if version == V5 else b""
    body += payload.encode() if isinstance(payload, str) else payload
    return packet(PUBLISH, dup << 3 | qos << 1 | retain, body)


def options(qos=0, no_local=False, retain_as_published=False, retain_handling=0):
    return qos | no_local << 2 | retain_as_published << 3 | retain_handling << 4


def subscribe(id, filters, version=V5, **props):
    """filters: [(filter, options)]"""
    body = struct.pack(">H", id) + (properties(props) if version == V5 else b"")
    return packet(SUBSCRIBE, 2, body + b"".join(data(f) + bytes([o]) for f, o in filters))


def unsubscribe(id, filters, version=V5, **props):
    body = struct.pack(">H", id) + (properties(props) if version == V5 else b"")
    return packet(UNSUBSCRIBE, 2, body + b"".join(data(f) for f in filters))


def ack(kind, id, reason=0, version=V5, **props):
    body = struct.pack(">H", id)
    if version == V5 and (reason or props):
        body += bytes([reason]) + (properties(props) if props else b"")
    return packet(kind, 2 if kind == PUBREL else 0, body)


def disconnect(reason=0, version=V5, **props):
    body = b""
    if version == V5 and (reason or props):
        body = bytes([reason]) + (properties(props) if props else b"")
    return packet(DISCONNECT, 0, body)


PING = packet(PINGREQ)

# --- packets from the server ------------------------------------------------------------------


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def left(self):
        return len(self.raw) - self.at

    def take(self, n):
        assert self.left() >= n, f"cut short: {self.raw!r}"
        self.at += n
        return self.raw[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def varint(self):
        start, value = self.at, 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << 7 * (self.at - start - 1)
            if byte < 0x80:
                assert self.raw[start:self.at] == varint(value), "not the shortest form"
                return value
            assert self.at - start < 4

    def data(self):
        return self.take(self.u16())

    def text(self):
        text = self.data().decode()
        assert "\0" not in text
        return text

    def pair(self):
        return self.text(), self.text()

    def properties(self, kind):
        """{name: value}; user properties and subscription identifiers are lists."""
        inner = Reader(self.take(self.varint()))
        found = {}
        while inner.left():
            name, form = BY_NUMBER[inner.u8()]
            assert name in MAY_CARRY[kind], f"{NAMES[kind]} with {name}"
            value = getattr(inner, form)()
            if name == "user" or name == "subscription_id":
                found.setdefault(name, []).append(value)
            else:
                assert name not in found, f"{name} twice"
                found[name] = value
        return found


@dataclass
class Packet:
    """What came; the members that its kind has."""

    kind: int
    id: int = None
    reason: int = None      # CONNACK, acknowledgements, DISCONNECT
    present: bool = None    # CONNACK: session present
    codes: list = None      # SUBACK, UNSUBACK
    topic: str = None       # PUBLISH; an alias is resolved
    payload: bytes = None
    qos: int = None
    dup: bool = None
    retain: bool = None
    props: dict = field(default_factory=dict)

    @property
    def ours(self):
        """The user properties that the gateway added."""
        return {k: v for k, v in self.props.get("user", []) if k.startswith("sluice-")}

    @property
    def user(self):
        """Those of the publisher."""
        return [(k, v) for k, v in self.props.get("user", []) if not k.startswith("sluice-")]

    @property
    def event(self):
        """The event's ID, as text."""
        return self.ours["sluice-id"]

    @property
    def subs(self):
        return sorted(self.props.get("subscription_id", []))

    @property
    def said(self):
        """What a message is to its receiver."""
        return self.topic, self.payload, self.qos, self.retain


def _connack(p, r, version):
    flags = r.u8()
    assert flags in (0, 1)
    p.present, p.reason = bool(flags), r.u8()
    assert not (p.present and p.reason)
    assert version == V5 or p.reason <= 5


def _publish(p, r, flags, version):
    p.dup, p.qos, p.retain = bool(flags & 8), flags >> 1 & 3, bool(flags & 1)
    assert p.qos < 3 and not (p.dup and p.qos == 0)
    p.topic = r.text()
    assert not set("+#") & set(p.topic)
    if p.qos:
        p.id = r.u16()
        assert p.id
    p.props = r.properties(PUBLISH) if version == V5 else {}
    p.payload = r.take(r.left())


def _acknowledged(p, r, version):
    p.id, p.reason = r.u16(), 0
    if version == V5 and r.left():
        p.reason = r.u8()
        p.props = r.properties(p.kind) if r.left() else {}


def _coded(p, r, version):
    p.id = r.u16()
    p.props = r.properties(p.kind) if version == V5 else {}
    p.codes = list(r.take(r.left()))


def _reasoned(p, r, version):
    assert version == V5, f"{NAMES[p.kind]} is not for 3.1.1"
    p.reason = r.u8() if r.left() else 0
    p.props = r.properties(p.kind) if r.left() else {}


def decode(version, first, body):
    kind, flags = first >> 4, first & 15
    p, r = Packet(kind), Reader(body)
    assert flags == (2 if kind == PUBREL else 0) or kind == PUBLISH, (NAMES[kind], flags)
    if kind == CONNACK:
        _connack(p, r, version)
        p.props = r.properties(kind) if version == V5 else {}
    elif kind == PUBLISH:
        _publish(p, r, flags, version)
    elif kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        _acknowledged(p, r, version)
    elif kind in (SUBACK, UNSUBACK):
        _coded(p, r, version)
    elif kind in (DISCONNECT, AUTH):
        _reasoned(p, r, version)
    else:
        assert kind == PINGRESP, NAMES[kind]
    assert r.left() == 0, f"bytes left over in {NAMES[kind]}: {body!r}"
    return p


# --- connections -------------------------------------------------------------------------------


class WsBytes:
    """A WebSocket as a stream of bytes, with Raw's face."""

    def __init__(self, port, path="/mqtt", protocol="mqtt", rcvbuf=None, headers=()):
        self.ws = WebSocket(port, path, protocol, rcvbuf=rcvbuf, headers=headers)
        self.socket = self.ws.raw.socket
        self.buffer = b""
        self.pongs = []
        self.close_code = None

    def send(self, raw):
        self.ws.open()
        self.ws.raw.send(frame(BINARY, raw))

    def take(self, n):
        while len(self.buffer) < n and (got := self.ws.frame()) is not None:
            opcode, payload, _ = got
            if opcode == CLOSE:
                self.close_code = struct.unpack(">H", payload[:2])[0]
                break
            assert opcode in (BINARY, PONG), got
            if opcode == PONG:
                self.pongs.append(payload)
            else:
                self.buffer += payload
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def close(self):
        self.ws.raw.close()


class Closed(ConnectionError):
    """The server closed the connection while something else was waited for."""


class Client:
    """One connection.  Packets that a wait passes over are kept for later ones."""

    def __init__(self, port, version=V5, over="tcp", rcvbuf=None, tls=None, **head):
        """head: path and headers of the WebSocket's."""
        self.version = version
        self.raw = WsBytes(port, rcvbuf=rcvbuf, **head) if over == "ws" else Raw(port, rcvbuf, tls)
        self.raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = deque()
        self.aliases = {}
        self.alias_uses = 0
        self.ids = itertools.cycle(range(1, 65536))
        self.connack = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.raw.close()

    def close(self):
        """As a network does it: without DISCONNECT."""
        self.raw.close()

    def send(self, *packets):
        self.raw.send(b"".join(packets))
        return self

    # --- in

    def _frame(self):
        """(first byte, body) of the next packet; None at the end.  A timeout takes nothing."""
        head = self.raw.take(1)
        try:
            while head and len(head) < 5 and (len(head) == 1 or head[-1] & 0x80):
                byte = self.raw.take(1)
                head = head + byte if byte else b""
            if not head:
                return None
            size = Reader(head[1:]).varint()
            body = self.raw.take(size)
        except TimeoutError:
            self.raw.buffer = head + self.raw.buffer
            raise
        return (head[0], body) if len(body) == size else None

    def read(self):
        """The next packet from the socket; None at the end."""
        try:
            got = self._frame()
        except ConnectionError:
            got = None
        if got is None:
            return None
        p = decode(self.version, *got)
        if p.kind == PUBLISH and self.version == V5:
            self._resolve(p)
        return p

    def _resolve(self, p):
        alias = p.props.pop("topic_alias", None)
        if alias is None:
            assert p.topic
            return
        assert alias > 0
        if p.topic:
            self.aliases[alias] = p.topic
        else:
            self.alias_uses += 1
            p.topic = self.aliases[alias]

    def next(self, *kinds):
        """The next packet of these kinds (of any), in the order they came."""
        for n, p in enumerate(self.kept):
            if not kinds or p.kind in kinds:
                del self.kept[n]
                return p
        while (p := self.read()) is not None:
            if not kinds or p.kind in kinds:
                return p
            self.kept.append(p)
        raise Closed(f"closed; waited for {[NAMES[k] for k in kinds]}, kept {list(self.kept)}")

    def take(self, kind, id=None):
        """The next of this kind; with id, it must be that one's."""
        p = self.next(kind)
        assert id is None or p.id == id, p
        return p

    def closed(self):
        """Passes over all until the server closes; the reason of its DISCONNECT (or its
        refusing CONNACK), None when it said nothing."""
        reason = None
        while (p := self.read()) is not None:
            assert reason is None, f"{p} after the last word"
            if p.kind == DISCONNECT or (p.kind == CONNACK and p.reason):
                reason = p.reason
        return reason

    # --- a client's conversation

    def connect(self, client="", **kw):
        """CONNECT; the CONNACK, which must accept."""
        self.send(connect(client, self.version, **kw))
        self.connack = self.take(CONNACK)
        assert self.connack.reason == 0, self.connack
        return self.connack

    def subscribe(self, *filters, qos=0, props=None, **opts):
        """The SUBACK; a filter that is refused is the caller's to see."""
        id = next(self.ids)
        self.send(subscribe(id, [(f, options(qos, **opts)) for f in filters], self.version,
                            **(props or {})))
        p = self.take(SUBACK, id)
        assert len(p.codes) == len(filters)
        return p

    def subscribed(self, *filters, qos=0, **kw):
        """The same, and all are granted."""
        p = self.subscribe(*filters, qos=qos, **kw)
        assert p.codes == [qos] * len(filters), p
        return p

    def unsubscribe(self, *filters):
        id = next(self.ids)
        self.send(unsubscribe(id, filters, self.version))
        p = self.take(UNSUBACK, id)
        assert len(p.codes) == (len(filters) if self.version == V5 else 0)
        return p

    def publish(self, topic, payload=b"", qos=1, **kw):
        """The whole exchange of its QoS; the PUBACK or PUBREC, None at QoS 0."""
        id = next(self.ids) if qos else None
        self.send(publish(topic, payload, qos, id, version=self.version, **kw))
        if qos == 0:
            return None
        p = self.take(PUBACK if qos == 1 else PUBREC, id)
        if qos == 2 and p.reason < 0x80:
            self.release(id)
        return p

    def release(self, id):
        self.send(ack(PUBREL, id, version=self.version))
        done = self.take(PUBCOMP, id)
        assert done.reason == 0, done
        return done

    def acknowledge(self, p, **kw):
        """PUBACK, or the whole of QoS 2.  A resumed session may have an earlier PUBREL sent
        again, whose PUBCOMP the gateway did not live to write."""
        if p.qos == 1:
            self.send(ack(PUBACK, p.id, version=self.version, **kw))
        elif p.qos == 2:
            self.send(ack(PUBREC, p.id, version=self.version, **kw))
            released = None
            while released != p.id:
                released = self.take(PUBREL).id
                self.send(ack(PUBCOMP, released, version=self.version))

    def serve(self, seconds):
        """Answers all that comes, until nothing has come for so long; the messages."""
        got, before = [], self.raw.socket.gettimeout()
        self.raw.socket.settimeout(seconds)
        try:
            while (p := self.kept.popleft() if self.kept else self.read()) is not None:
                if p.kind == PUBLISH:
                    got.append(p)
                answer = {(PUBLISH, 1): PUBACK, (PUBLISH, 2): PUBREC, (PUBREL, None): PUBCOMP}
                if (p.kind, p.qos) in answer:
                    self.send(ack(answer[p.kind, p.qos], p.id, version=self.version))
        except TimeoutError:
            pass
        self.raw.socket.settimeout(before)
        return got

    def message(self, ack=True):
        p = self.take(PUBLISH)
        if ack:
            self.acknowledge(p)
        return p

    def messages(self, count, ack=True):
        return [self.message(ack) for _ in range(count)]

    def payloads(self, count):
        return [m.payload.decode() for m in self.messages(count)]

    def ping(self):
        self.send(PING)
        return self.take(PINGRESP)

    def disconnect(self, reason=0, **props):
        """DISCONNECT, and the server closes."""
        self.send(disconnect(reason, self.version, **props))
        assert self.closed() is None
        self.close()


class Door:
    """The MQTT gateways of a system, and what was opened at them.  Names of clients and
    the topics under `t` are this door's own."""

    numbers = itertools.count()

    def __init__(self, sluice):
        self.sluice = sluice
        self.opened = []
        self.t = f"t{next(Door.numbers)}"

    def name(self, client):
        return f"{self.t}-{client}"

    def open(self, gateway="mqtt", version=V5, over="tcp", rcvbuf=None, **more):
        """A connection on which nothing was said."""
        which = gateway.replace("mqtt", "mqtt_ws") if over == "ws" else gateway
        c = Client(self.sluice.port(which), version, over, rcvbuf, **more)
        self.opened.append(c)
        return c

    def connect(self, client=None, version=V5, gateway="mqtt", over="tcp", rcvbuf=None, **kw):
        """It is accepted.  client None: any name; "": none."""
        c = self.open(gateway, version, over, rcvbuf)
        if client is None:
            client = f"any-{len(self.opened)}"
        c.connect(self.name(client) if client else "", **kw)
        return c

    def session(self, client, version=V5, **kw):
        """The same with a session that stays: present or not is the caller's to see."""
        if version == V5:
            kw.setdefault("session_expiry", 600)
        return self.connect(client, version, clean=False, **kw)

    def publish(self, topic, payload=b"", **headers):
        """By POST; the ID."""
        return self.sluice.publish(topic, payload, **headers)

    def history(self, topic, **params):
        return self.sluice.history(topic, **params)["events"]

    def wait_history(self, topic, count):
        """The events of a topic, once there are so many."""
        def enough():
            events = self.history(topic)
            return events if len(events) >= count else None
        return wait_for(enough, f"{count} events of {topic}")

    def close(self):
        for c in self.opened:
            c.close()

