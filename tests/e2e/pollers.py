"""Many long-polling clients in one thread, that forgive nothing.

Each keeps a connection and asks again with the `next` of its last answer.  A
connection that is lost is made anew, and the poll goes on from there.
"""

import re
import select
import socket
import time

from sluicelib import TIMEOUT

HEAD = re.compile(rb"HTTP/1\.1 (\d+) ")
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
NEXT = re.compile(rb"\r\nSluice-Next: (\d+)\r\n")
ID = re.compile(rb'\{"id":"(\d+)"')


class Poller:
    def __init__(self):
        self.socket = None
        self.next = None
        self.buffer = b""
        self.ids = []
        self.polls = 0
        self.connects = 0


class Pollers:
    def __init__(self, port, topic, count, wait="10s"):
        self.port, self.path, self.wait = port, f"/events/{topic}", wait
        self.epoll = select.epoll()
        self.by_fd = {}
        self.all = [Poller() for _ in range(count)]
        self.lost = list(self.all)
        self.parsed = {}  # bodies are few and shared

    def close(self):
        for p in self.by_fd.values():
            p.socket.close()
        self.epoll.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def connect(self):
        """All that are lost, while somebody listens."""
        while self.lost:
            p = self.lost[-1]
            s = socket.socket()
            try:
                s.connect(("127.0.0.1", self.port))
            except OSError:
                s.close()
                return
            self.lost.pop()
            s.setblocking(False)
            p.socket, p.buffer = s, b""
            p.connects += 1
            self.by_fd[s.fileno()] = p
            self.epoll.register(s.fileno(), select.EPOLLIN)
            self.ask(p)

    def lose(self, p):
        self.epoll.unregister(p.socket.fileno())
        del self.by_fd[p.socket.fileno()]
        p.socket.close()
        self.lost.append(p)

    def ask(self, p):
        after = f"&after={p.next}" if p.next else ""
        try:
            p.socket.send(f"GET {self.path}?wait={self.wait}{after} HTTP/1.1\r\nHost: x\r\n\r\n"
                          .encode())
        except OSError:
            pass  # the loss shows when it is read
        p.polls += 1

    def ids_in(self, body):
        found = self.parsed.get(body)
        if found is None:
            assert b'"gap":' not in body, body
            if len(self.parsed) > 100:
                self.parsed.clear()
            found = self.parsed[body] = [int(i) for i in ID.findall(body)]
        return found

    def answer(self, p):
        """Takes a whole answer off the buffer, if there is one."""
        head, end, rest = p.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        head += b"\r\n"
        status, length = int(HEAD.match(head)[1]), LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return False
        assert len(rest) == size, "more than was asked for"
        p.buffer = b""
        if status == 503:
            return True  # the gateway is here before its broker
        assert status in (200, 204), p.buffer
        assert (status == 200) == (size > 0)
        p.ids += self.ids_in(rest)
        p.next = int(NEXT.search(head)[1])
        return True

    def read(self, p):
        try:
            data = p.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lose(p)
            return
        p.buffer += data
        if self.answer(p):
            self.ask(p)

    def run_until(self, condition, what, timeout=TIMEOUT * 3):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"not within {timeout} s: {what}"
            self.connect()
            for fd, _ in self.epoll.poll(0.05):
                if fd in self.by_fd:
                    self.read(self.by_fd[fd])

    def all_have(self, count):
        self.run_until(lambda: all(len(p.ids) >= count for p in self.all),
                       f"every poller has {count} events")
