"""MQTT sessions as gateways speak of them to the broker (proto/wire_session.h), and
brokers that are killed under them."""

import struct
import time
from dataclasses import dataclass, field

import zmq

from brokerlib import Gateway, Reader, events_of, parse, str16

SESSION, TELL, SESSION_ACKS, CALL = 8, 9, 72, 73
ATTACH, WRITE, DETACH, POSITION = range(1, 5)
HOLD, CREDIT, DONE, REPORT = range(1, 5)
FENCE, ASSIGN, SYS = range(1, 4)
FORBIDDEN, FENCED, CONFLICT, BAD_EVENT = 7, 8, 30, 5
NEVER = 0xFFFFFFFF
HEAD = 0xFFFFFFFFFFFFFFFF


def put(key, value=b""):
    return b"\x01" + str16(key) + str16(value)


def drop(key):
    return b"\x00" + str16(key)


def progress(cursor, follows=False, rest=b""):
    return put("P", struct.pack("<Q?", cursor, follows) + rest)


def shared(group, qos, start=HEAD):
    """The item of a shared subscription: group is "$share/name/filter"."""
    return put("F" + group, struct.pack("<BQ", qos, start))


def items_of(raw):
    items = {}
    while raw:
        (size,) = struct.unpack_from("<H", raw, 1)
        key = raw[3:3 + size]
        (length,) = struct.unpack_from("<H", raw, 3 + size)
        assert raw[0] == 1
        items[key.decode("latin-1")] = raw[5 + size:5 + size + length]
        raw = raw[5 + size + length:]
    return items


def progress_of(items):
    return struct.unpack_from("<Q?", items["P"])


def taken(group, id_):
    return str16(group) + struct.pack("<Q", id_)


@dataclass
class Attached:
    epoch: int
    head: int
    present: bool
    items: dict


@dataclass
class Refused:
    error: int
    text: str


@dataclass
class Assigned:
    client: str
    epoch: int
    group: str
    event: object
    flags: int = 0


@dataclass
class Session:
    """A session as its gateway knows it."""
    gateway: "SessionGateway"
    client: str
    epoch: int
    expiry: int
    present: bool = False
    items: dict = field(default_factory=dict)
    principal: str = ""

    def write(self, *items, record=b"", groups=b""):
        return self.gateway.write(self, *items, record=record, groups=groups)

    def detach(self, *items, will=False, expiry=None):
        return self.gateway.detach(self, *items, will=will, expiry=expiry)


class SessionGateway(Gateway):
    """A gateway named mqtt; calls that come while it waits for answers are kept."""

    def __init__(self, broker, instance=None, hold=True):
        super().__init__(broker, instance)
        self.seq = 0
        self.answers, self.fences, self.assigned, self.sys = {}, [], [], {}
        self.held = {}
        self.record, self.records = b"", 0
        self.join(hold)

    def join(self, hold=True):
        self.ok = self.hello(name="mqtt")
        if hold:
            self.hold()

    def rejoin(self, hold=True):
        self.reconnect()
        self.join(hold)

    # --- frames

    def take(self, raw):
        if raw[0] == SESSION_ACKS:
            self.take_acks(raw[1:])
        elif raw[0] == CALL:
            self.take_call(raw[1], raw[2:])
        else:
            return parse(raw)
        return None

    def take_acks(self, raw):
        while raw:
            seq, error, size = struct.unpack_from("<QHI", raw)
            data = raw[14:14 + size]
            self.answers[seq] = Refused(error, data.decode()) if error else data
            raw = raw[14 + size:]

    def take_call(self, op, raw):
        if op == SYS:
            while raw:
                topic, raw = text_of(raw)
                value, raw = text_of(raw)
                self.sys[topic] = value
            return
        client, raw = text_of(raw)
        (epoch,) = struct.unpack_from("<Q", raw)
        raw = raw[8:]
        if op == FENCE:
            self.fences.append((client, epoch))
        else:
            group, raw = text_of(raw)
            self.record = raw or self.record  # none: that of the one before
            self.records += len(raw) > 0
            (flags,) = struct.unpack_from("<H", self.record, 26)
            self.assigned.append(Assigned(client, epoch, group, events_of(self.record)[0], flags))

    def recv(self):
        while True:
            m = self.take(self.socket.recv())
            if m is not None:
                return m

    def poll(self, ms=0):
        """Takes what is there; False when nothing came."""
        if not self.socket.poll(ms):
            return False
        self.take(self.socket.recv())
        return True

    def until(self, condition, what, timeout=20):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"not within {timeout} s: {what}"
            self.poll(10)

    # --- units

    def unit(self, op, body, seq=None):
        """Sends one; returns its seq."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        self.send(bytes([SESSION]), struct.pack("<QBI", seq, op, len(body)), body)
        return seq

    def answer(self, seq):
        self.until(lambda: seq in self.answers, f"the answer to unit {seq}")
        return self.answers.pop(seq)

    def send_attach(self, client, clean=False, expiry=0, will=None, delay=0, version=5,
                    principal="", seq=None):
        body = str16(client) + str16(principal) + struct.pack("<B?I?", version, clean, expiry,
                                                              will is not None)
        if will is not None:
            body += struct.pack("<I", delay) + will
        return self.unit(ATTACH, body, seq)

    def attached(self, seq):
        data = self.answer(seq)
        if isinstance(data, Refused):
            return data
        return Attached(*struct.unpack_from("<QQ?", data), items_of(data[17:]))

    def attach(self, client, **kw):
        a = self.attached(self.send_attach(client, **kw))
        if isinstance(a, Refused):
            return a
        s = Session(self, client, a.epoch, kw.get("expiry", 0), a.present, a.items,
                    kw.get("principal", ""))
        self.held[client] = s
        return s

    def send_write(self, session, *items, record=b"", groups=b"", seq=None):
        body = str16(session.client) + struct.pack("<Q?", session.epoch, bool(record)) + record \
            + struct.pack("<I", len(groups)) + groups + b"".join(items)
        return self.unit(WRITE, body, seq)

    def written(self, seq):
        data = self.answer(seq)
        return data if isinstance(data, Refused) else struct.unpack("<Q", data)[0]

    def write(self, session, *items, **kw):
        return self.written(self.send_write(session, *items, **kw))

    def send_detach(self, session, *items, will=False, expiry=None):
        expiry = session.expiry if expiry is None else expiry
        self.held.pop(session.client, None)
        return self.unit(DETACH, str16(session.client)
                         + struct.pack("<Q?I", session.epoch, will, expiry) + b"".join(items))

    def detach(self, session, *items, **kw):
        data = self.answer(self.send_detach(session, *items, **kw))
        return data if isinstance(data, Refused) else None

    def position(self, position):
        assert self.answer(self.unit(POSITION, struct.pack("<Q", position))) == b""

    # --- told

    def tell(self, op, *body):
        self.send(bytes([TELL, op]), *body)

    def hold(self, *sessions):
        sessions = sessions or self.held.values()
        self.tell(HOLD, *[str16(s.client) + struct.pack("<QI", s.epoch, s.expiry)
                          + str16(s.principal)
                          for s in sessions])

    def credit(self, session, credit):
        self.tell(CREDIT, str16(session.client) + struct.pack("<QI", session.epoch, credit))

    def done(self, session, group, *ids, returned=False):
        self.tell(DONE, *[str16(session.client) + struct.pack("<Q", session.epoch) + str16(group)
                          + struct.pack("<Q?", id_, returned) for id_ in ids])

    def report(self, **counters):
        names = ("clients_connected", "messages_received", "messages_sent", "publish_received",
                 "publish_sent", "publish_dropped", "bytes_received", "bytes_sent",
                 "subscriptions")
        self.tell(REPORT, struct.pack("<9Q", *[counters.get(n, 0) for n in names]))

    def leave(self):
        """As if it was killed."""
        self.socket.close()


def text_of(raw):
    (size,) = struct.unpack_from("<H", raw)
    return raw[2:2 + size].decode(), raw[2 + size:]


def topics_of(broker):
    """(topic, payload) of all that is stored, in order."""
    return [(e.topic, e.payload) for e in Reader(broker).all("#")]


def app_of(broker):
    return broker.app(zmq.DEALER, sndhwm=0, rcvhwm=0)
