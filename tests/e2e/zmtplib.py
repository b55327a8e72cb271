"""ZMTP by hand: peers that say exactly the bytes they are told to."""

import contextlib
import socket
import struct

TIMEOUT = 20.0
MORE, LONG, COMMAND = 1, 2, 4


def greeting(mechanism=b"NULL", version=(3, 1), as_server=0):
    return (b"\xff" + bytes(8) + b"\x7f" + bytes(version) + mechanism.ljust(20, b"\0")
            + bytes([as_server]) + bytes(31))


def frame(body=b"", flags=0):
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def head(size, flags=0):
    """Of a frame whose body does not come."""
    return bytes([flags | LONG]) + struct.pack(">Q", size)


def message(*parts):
    return b"".join(frame(p, MORE) for p in parts[:-1]) + frame(parts[-1])


def command(name, data=b""):
    return frame(bytes([len(name)]) + name + data, COMMAND)


def metadata(**properties):
    return b"".join(bytes([len(k)]) + k.encode() + struct.pack(">I", len(v)) + v
                    for k, v in ((k.replace("_", "-"), v) for k, v in properties.items()))


def ready(kind=b"DEALER", **more):
    return command(b"READY", metadata(Socket_Type=kind, **more))


class Closed(Exception):
    """The other side has ended the connection."""


class Raw:
    """One TCP connection."""

    def __init__(self, port, rcvbuf=None):
        self.socket = socket.socket()
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, *raw):
        self.socket.sendall(b"".join(raw))
        return self

    def recv(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionError:
                more = b""
            if not more:
                raise Closed(data)
            data += more
        return data

    def recv_frame(self):
        """(flags, body)"""
        flags, size = self.recv(2)
        if flags & LONG:
            size = int.from_bytes(bytes([size]) + self.recv(7), "big")
        return flags & ~LONG, self.recv(size)

    def recv_message(self):
        """The parts of the next message; commands are passed over."""
        parts = []
        while True:
            flags, body = self.recv_frame()
            if flags & COMMAND:
                continue
            parts.append(body)
            if not flags & MORE:
                return parts

    def recv_command(self):
        flags, body = self.recv_frame()
        assert flags == COMMAND, (flags, body)
        return body[1:1 + body[0]], body[1 + body[0]:]

    def greet(self, **kw):
        self.send(greeting(**kw))
        assert self.recv(64)[:12] == b"\xff" + bytes(7) + b"\x01\x7f\x03\x01"
        return self

    def open(self, kind=b"DEALER", **more):
        self.greet().send(ready(kind, **more))
        name, _ = self.recv_command()
        assert name == b"READY", name
        return self

    def error(self):
        """Waits for ERROR and the end; the reason."""
        name, data = self.recv_command()
        assert name == b"ERROR", (name, data)
        self.ended()
        return data[1:1 + data[0]].decode()

    def ended(self):
        """Waits for the end; what came before it."""
        data = b""
        with contextlib.suppress(ConnectionError):
            while more := self.socket.recv(65536):
                data += more
        return data

    def close(self):
        self.socket.close()

    def reset(self):
        """The end without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
