"""Thousands of clients that say nothing, or little, or half of a ClientHello: who is honest
is served at once (DESIGN.md 7).  CROWD=n makes it so many."""

import contextlib
import os
import selectors
import socket
import ssl
import threading
import time

import pytest

from sluicelib import TIMEOUT, wait_for
from tlslib import Authority, section

CROWD = int(os.environ.get("CROWD", "5000"))
HONEST = 100


def client_hello():
    """The bytes that a real client begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class Crowd(threading.Thread):
    """A third says nothing, a third half a ClientHello, a third one byte after the other;
    whoever is closed comes again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.hello = port, client_hello()
        self.selector = selectors.DefaultSelector()
        self.over = threading.Event()
        self.made = self.closed = 0

    def connect(self):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", self.port))
        self.selector.register(s, selectors.EVENT_READ, [self.made % 3, 0])
        self.made += 1

    def speak(self, s, state):
        kind, said = state
        if kind == 0 or (kind == 1 and said > 0) or said >= len(self.hello) - 1:
            return
        n = len(self.hello) // 2 if kind == 1 else 1
        with contextlib.suppress(OSError):
            state[1] += s.send(self.hello[said:said + n])

    def run(self):
        for _ in range(CROWD):
            self.connect()
        while not self.over.is_set():
            for key, _ in self.selector.select(0.05):
                with contextlib.suppress(BlockingIOError, OSError):
                    if key.fileobj.recv(4096):
                        continue
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.closed += 1
                self.connect()
            for key in list(self.selector.get_map().values())[:500]:
                self.speak(key.fileobj, key.data)

    def end(self):
        self.over.set()
        self.join(TIMEOUT)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()


@pytest.fixture
def crowded(new_sluice, tmp_path):
    authority = Authority(tmp_path / "ca")
    s = new_sluice(section(authority.server()))
    crowd = Crowd(s.port())
    crowd.start()
    yield s, crowd, authority.context()
    crowd.end()


def ask(port, context):
    """Seconds for a handshake and an answer."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as s:
        s.sendall(b"GET /topics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    return time.monotonic() - began


def test_an_honest_client_waits_no_second(crowded):
    s, crowd, context = crowded
    wait_for(lambda: crowd.made >= CROWD, "the crowd has come")
    waited = sorted(ask(s.port(), context) for _ in range(HONEST))
    assert waited[int(HONEST * 0.99) - 1] <= 1.0, waited[-5:]
    assert s.sse.running()
