"""Few descriptors, and all of them taken: nothing ends, nothing spins, probes and those who
are there already are served, and room is used again when there is some (DESIGN.md 7)."""

import contextlib
import os
import socket
import time

import pytest

from sluicelib import ADMIN, PORTS, TIMEOUT, Sluice, wait_for

NOFILE = 64
GATEWAYS = ("sse", "ws", "poll", "h2", "mqtt")


@pytest.fixture
def poor(tmp_path):
    """Every process may have so many descriptors."""
    s = Sluice(tmp_path, "[sse]\nkeepalive = 200ms\n", GATEWAYS)
    plain = s.add

    def add(name):
        p = plain(name)
        p.command = ["prlimit", f"--nofile={NOFILE}:{NOFILE}", *p.command]
        return p
    s.add = add
    yield s.start()
    s.end()


def crowd(port, count=100):
    """Connections that say nothing; those without room wait in the kernel's queue."""
    made = []
    for _ in range(count):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(("127.0.0.1", port))
        made.append(c)
    return made


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def full(s, name):
    return len(os.listdir(f"/proc/{s.processes[name].pid}/fd")) >= NOFILE - 20


def test_all_slots_taken_and_every_process_restarted(poor):
    stream = poor.stream("a")
    stream.started()
    with contextlib.ExitStack() as stack:
        for name in GATEWAYS:
            for c in crowd(poor.base + PORTS[name]):
                stack.enter_context(c)
        for name in GATEWAYS:
            wait_for(lambda: full(poor, name), f"{name} is full")
        for name in ("broker", "ws", "poll", "h2", "mqtt"):
            others = {n: p.pid for n, p in poor.processes.items() if n != name}
            poor.processes[name].restart()
            for other in others:
                wait_for(lambda: poor.admin("/readyz", other)[0] == 200, f"{other} is ready")
            assert all(poor.processes[n].running() and poor.processes[n].pid == pid
                       for n, pid in others.items())
        spent = {n: cpu_seconds(p.pid) for n, p in poor.processes.items()}
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > 2, "a while")
        for name, before in spent.items():
            assert cpu_seconds(poor.processes[name].pid) - before < 0.5, f"{name} spins"
    # The crowd has gone: who is new is served, and who was there has missed nothing.
    wait_for(lambda: poor.post("a", b"x").status_code == 201, "a publish")
    assert stream.events(1)[0].data == "x"


@pytest.mark.parametrize("who", ["broker", "sse"])
def test_idle_connections_keep_no_probe_out(poor, who):
    with contextlib.ExitStack() as stack:
        for c in crowd(poor.base + ADMIN[who]):
            stack.enter_context(c)
        # One that comes in the very moment of the crowd may lose its place; its next try is served.
        wait_for(lambda: poor.admin("/healthz", who)[0] == 200, "a probe")
        for _ in range(20):
            assert poor.admin("/readyz", who)[0] == 200
        if who == "broker":
            poor.sse.restart()  # which needs descriptors of the broker
        assert poor.processes[who].running()


def test_a_client_that_waited_is_served_when_there_is_room(poor):
    made = crowd(poor.port("sse"))
    wait_for(lambda: full(poor, "sse"), "it is full")
    with poor.raw() as late:
        late.send(b"GET /topics HTTP/1.1\r\nHost: h\r\n\r\n")
        for c in made:
            c.close()
        late.socket.settimeout(TIMEOUT)
        assert late.answer().status == 200
