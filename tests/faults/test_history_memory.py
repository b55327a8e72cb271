"""History documents share a budget: 150 large ones at once wait for each other, also for
clients that do not read them, and a small one is not held up."""

import socket
import threading
import time

from faultlib import SANITIZED, memory, post, request, wait_for

MB = 1 << 20
CLIENTS = 150
PAYLOAD = b"x" * (200 * 1024)


def asks(port, path):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    s.connect(("127.0.0.1", port))
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return s


def read_all(s):
    data = b""
    while b"\r\n\r\n" not in data:
        data += s.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += s.recv(65536)
    return head, body


def test_documents_come_out_of_a_budget(start):
    system = start("[limits]\nhistory_memory = 8M\npublish_timeout = 60s\n")
    for _ in range(6):
        post(system.sse, "large", PAYLOAD)
    post(system.sse, "small", b"1")
    gateway = system.pid("sluice-sse")
    before = memory(gateway)
    clients = [asks(system.sse, "/history/large?after=0") for _ in range(CLIENTS)]
    wait_for(lambda: system.metric("sse", "sluice_history_bytes") >= 4 * MB, "they are composed")
    peak = 0
    for _ in range(50):
        peak = max(peak, memory(gateway) - before)
        time.sleep(0.02)
    print(f"{CLIENTS} documents of 1.2 MB: {peak / MB:.1f} MB")
    if not SANITIZED:
        assert peak < 24 * MB
    results = [None] * CLIENTS

    def read(i):
        results[i] = read_all(clients[i])

    readers = [threading.Thread(target=read, args=(i,)) for i in range(CLIENTS)]
    for t in readers:
        t.start()
    for t in readers:
        t.join()
    assert {(head[:12], len(body) > 1_200_000) for head, body in results} == \
        {(b"HTTP/1.1 200", True)}
    for s in clients:
        s.close()
    assert request(system.sse, "GET", "/history/small?after=0")[0] == 200
    wait_for(lambda: system.metric("sse", "sluice_history_bytes") == 0, "all is given back")


def test_those_that_wait_too_long_are_told_to_come_again(start):
    system = start("[limits]\nhistory_memory = 2M\npublish_timeout = 500ms\n")
    post(system.sse, "large", b"\x01" * 1_000_000)  # six bytes each in JSON
    stalled = asks(system.sse, "/history/large?after=0")
    wait_for(lambda: system.metric("sse", "sluice_history_bytes") > 3 * MB, "it is composed")
    c = asks(system.sse, "/history/large?after=0")
    head, body = read_all(c)
    assert head.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in head and b'"busy"' in body
    assert system.metric("sse", "sluice_history_refused_total") == 1
    c.close()
    stalled.close()
