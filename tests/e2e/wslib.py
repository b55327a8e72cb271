"""A WebSocket client that can also do what no client may: each frame is written as
the test says it, and each frame that comes is held against RFC 6455 and RFC 7692.
"""

import base64
import contextlib
import hashlib
import json
import os
import socket
import struct
import urllib.parse
import zlib

from sluicelib import Raw

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
DEFLATE = "permessage-deflate"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x12\x34\x56\x78", length=None):
    """A client's frame; length: what the header says, masked unless mask is None."""
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[:len(payload)], "big")
    masked = int.from_bytes(payload, "big") ^ key
    return head + mask + masked.to_bytes(len(payload), "big")


def deflate(payload):
    z = zlib.compressobj(wbits=-15)
    return (z.compress(payload) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(payload, bits=15):
    z = zlib.decompressobj(wbits=-bits)
    out = z.decompress(payload + b"\x00\x00\xff\xff")
    assert not z.unused_data and not z.unconsumed_tail
    return out


class WebSocket:
    """One connection.  Its messages are dicts under sluice.json, str or bytes under
    sluice.raw; each wait for one fails when the connection closes instead."""

    def __init__(self, port, path="/events", protocol=None, deflate=None, headers=(), rcvbuf=None):
        self.raw = Raw(port, rcvbuf)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        lines += [f"Sec-WebSocket-Extensions: {deflate}"] if deflate else []
        self.raw.send(("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode())
        self.key = key
        self.bits = 15
        self.packed = self.plain = 0  # messages that came, compressed or not
        self.closed = None            # (code, reason) of the server's close frame
        self._opened = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.raw.close()

    def cut(self):
        """Ends it under a thread that reads."""
        with contextlib.suppress(OSError):
            self.raw.socket.shutdown(socket.SHUT_RDWR)

    # --- the handshake

    def head(self):
        """(status, headers), once it is answered."""
        if self._opened is None:
            self._opened = self.raw.head()
        return self._opened

    def open(self):
        """The same, and it must have been accepted."""
        status, headers = self.head()
        if status is None:
            raise ConnectionResetError("cut within the handshake")
        assert status == 101, (status, self.raw.take(int(headers.get("content-length", 0))))
        accept = hashlib.sha1((self.key + GUID).encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(accept).decode()
        return self

    def problem(self):
        status, headers = self.head()
        return status, json.loads(self.raw.take(int(headers["content-length"])))

    # --- out

    def send(self, payload, **kw):
        """A str goes as text, bytes as binary, anything else as JSON."""
        if isinstance(payload, (str, bytes)):
            opcode = TEXT if isinstance(payload, str) else BINARY
        else:
            opcode, payload = TEXT, json.dumps(payload)
        if isinstance(payload, str):
            payload = payload.encode()
        self.raw.send(frame(opcode, payload, **kw))
        return self

    def send_packed(self, opcode, payload, **kw):
        self.raw.send(frame(opcode, deflate(payload), rsv=4, **kw))
        return self

    def send_frames(self, *frames):
        self.raw.send(b"".join(frames))
        return self

    def say(self, op, **members):
        return self.send({"op": op, **members})

    # --- in

    def frame(self):
        """(opcode, payload, compressed) of the next frame; None at the end."""
        self.open()
        head = self.raw.take(2)
        if len(head) < 2:
            return None
        opcode, size = head[0] & 15, head[1]
        assert head[0] & 0x80, "the server sends whole messages"
        assert head[0] & 0x30 == 0 and size < 128, head
        if size == 126:
            size = struct.unpack(">H", self.raw.take(2))[0]
            assert size > 125
        elif size == 127:
            size = struct.unpack(">Q", self.raw.take(8))[0]
            assert size > 65535
        payload = self.raw.take(size)
        if len(payload) < size:
            return None
        return opcode, payload, bool(head[0] & 0x40)

    def control(self, opcode):
        """The payload of the next control frame of this kind; others are an error."""
        kind, payload, packed = self.frame()
        assert kind == opcode and not packed, (kind, payload)
        return payload

    def _message(self):
        got = self.frame()
        if got is None:
            return None
        opcode, payload, packed = got
        if opcode == CLOSE:
            code = struct.unpack(">H", payload[:2])[0] if payload else 1005
            self.closed = code, payload[2:].decode()
            return None
        assert opcode in (TEXT, BINARY), got
        self.packed += packed
        self.plain += not packed
        payload = inflate(payload, self.bits) if packed else payload
        return payload.decode() if opcode == TEXT else payload

    def message(self):
        message = self._message()
        if message is None and self.closed is None:
            raise ConnectionResetError("cut")
        assert message is not None, self.closed
        return message

    def json(self):
        return json.loads(self.message())

    def take(self, op):
        """The next message, which must be of this op."""
        message = self.json()
        assert message["op"] == op, message
        return message

    def events(self, count):
        return [self.take("event") for _ in range(count)]

    def close_code(self):
        """Passes over what comes before the server's close frame; then answers it, and
        the connection must end."""
        while (got := self.frame()) is not None and got[0] != CLOSE:
            pass
        assert got is not None, "the connection ended without a close frame"
        code = struct.unpack(">H", got[1][:2])[0]
        with contextlib.suppress(OSError):
            self.raw.send(frame(CLOSE, struct.pack(">H", 1000)))
        assert self.raw.rest() == b""
        return code

    def close(self, code=1000, reason=b""):
        """Closes first; the code of the server's answer."""
        self.raw.send(frame(CLOSE, struct.pack(">H", code) + reason))
        while self._message() is not None:
            pass
        assert self.raw.rest() == b""
        return self.closed[0]


def path_of(name="", /, **params):
    query = urllib.parse.urlencode(params, doseq=True, quote_via=urllib.parse.quote)
    """name is the path's topic; params may name more."""
    path = "/events" + ("/" + urllib.parse.quote(name) if name else "")
    return path + ("?" + query if query else "")


class Door:
    """The WebSocket gateway of a system, and what was opened at it."""

    def __init__(self, sluice):
        self.sluice = sluice
        self.opened = []

    def ask(self, name="", /, protocol=None, deflate=None, headers=(), rcvbuf=None, **params):
        """A handshake is sent."""
        c = WebSocket(self.sluice.port("ws"), path_of(name, **params), protocol, deflate,
                      headers, rcvbuf)
        self.opened.append(c)
        return c

    def connect(self, name="", /, **kw):
        """It is accepted; whoever starts subscribed under sluice.json has its ack."""
        c = self.ask(name, **kw).open()
        if (name or "topic" in kw) and kw.get("protocol") != "sluice.raw":
            ack = c.take("ack")
            assert ack["ref"] == "path", ack
            c.start = ack["id"]
        return c

    def close(self):
        for c in self.opened:
            c.raw.close()
