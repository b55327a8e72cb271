"""What one request, packet or frame at its size limit costs: the longest turn of the loop
of every process that it reaches, and the memory that it holds, by the processes' own
metrics (sluice_loop_stall_seconds, sluice_memory_bytes).

A Row says how a door is entered, what is sent, and what answers it.  All but its last byte
is sent first: what is held then is what an unfinished one holds.  Then the rest, and the
answer is waited for.  A machine that is busy with others stretches a turn, never shortens
it: the best of some tries counts.
"""

import fcntl
import os
import pathlib
import socket
import struct
import termios
import time
from dataclasses import dataclass, field

from sluicelib import BIN, wait_for

STALL = 0.050         # seconds: the longest turn that anything may cause
HELD = 4              # times its own size
SLACK = 256 * 1024    # what allocators and buffers of the connection keep besides
TRIES = 5


def _loop():
    start = time.perf_counter()
    sum(range(1_000_000))
    return time.perf_counter() - start


def slowness():
    """1 on a machine of our day, more on a slow one; sanitizers are slow everywhere."""
    said = os.environ.get("SLUICE_TEST_SLOW")
    if said:
        return float(said)
    sanitized = b"__asan_init" in pathlib.Path(BIN, "sluice-broker").read_bytes()
    return max(1, min(_loop() for _ in range(5)) / 0.020) * (10 if sanitized else 1)


@dataclass
class Row:
    """enter(system): a connection that sends (send or sendall).  answer(connection): waits
    until all that was asked is answered, or it was closed."""

    name: str
    who: str
    enter: object
    raw: object            # bytes, or made of the connection
    answer: object
    memory: bool = True    # what it holds is bounded by its size: no subscriptions, say
    others: tuple = ("broker",)
    pieces: int = 0        # it is sent in pieces of so many bytes; 0: at once
    tries: int = TRIES
    leave: object = field(default=lambda connection: connection.close())


def _socket_of(connection):
    raw = getattr(connection, "raw", connection)
    raw = getattr(raw, "raw", raw)
    return getattr(raw, "ws", raw).raw.socket if hasattr(raw, "ws") else raw.socket


def _sent(sock):
    """Everything has left our side."""
    return struct.unpack("I", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0] == 0


class Meter:
    """The longest turns, and the memory, since it was made."""

    def __init__(self, system, who):
        self.system, self.who = system, who
        self.stalls = dict.fromkeys(who, 0)
        self.most = dict.fromkeys(who, 0)
        self.before = {w: self._read(w)[1] for w in who}

    def _read(self, who):
        m = self.system.metrics(who)
        return m["sluice_loop_stall_seconds"], m["sluice_memory_bytes"]

    def each(self, who, count):
        """Bytes that one of so many holds now."""
        return (self._read(who)[1] - self.before[who]) / count

    def look(self):
        for w in self.who:
            stall, memory = self._read(w)
            self.stalls[w] = max(self.stalls[w], stall)
            self.most[w] = max(self.most[w], memory - self.before[w])


def once(system, row):
    """({process: longest turn}, {process: bytes held}, size) of one."""
    connection = row.enter(system)
    raw = row.raw(connection) if callable(row.raw) else row.raw
    sock = _socket_of(connection)
    meter = Meter(system, (row.who, *row.others))
    try:
        if row.pieces:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(raw) - 1, row.pieces or len(raw)):
            sock.sendall(raw[at:min(at + (row.pieces or len(raw)), len(raw) - 1)])
        wait_for(lambda: _sent(sock), "it has left")
        meter.look()
        meter.look()
        sock.sendall(raw[-1:])
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused before its end
    row.answer(connection)
    meter.look()
    row.leave(connection)
    meter.look()
    return meter.stalls, meter.most, len(raw)


def best(system, row):
    """Of some tries: the shortest of the longest turns, the least memory, for each process."""
    stalls, held = {}, {}
    for _ in range(row.tries):
        got = once(system, row)
        for w, stall in got[0].items():
            stalls[w] = min(stall, stalls.get(w, stall))
            held[w] = min(got[1][w], held.get(w, got[1][w]))
        if max(stalls.values()) < STALL / 2 and max(held.values()) <= HELD * got[2] + SLACK:
            break
    return stalls, held, got[2]


def check(system, row):
    """It is within both limits."""
    slow = slowness()
    stalls, held, size = best(system, row)
    shown = ", ".join(f"{w}: {s * 1000:.1f} ms, {held[w]:,.0f} bytes held"
                      for w, s in stalls.items())
    print(f"{row.name} ({size:,} bytes): {shown}")
    for who, stall in stalls.items():
        assert stall <= STALL * slow, (row.name, shown)
        if row.memory:
            assert held[who] <= HELD * size + SLACK, (row.name, shown)


def calm(measure):
    """Tries measure(), which returns a Meter, until no turn of its was too long; the last."""
    for _ in range(TRIES):
        meter = measure()
        if max(meter.stalls.values()) <= STALL * slowness():
            break
    else:
        raise AssertionError(f"turns were too long each time: {meter.stalls}")
    return meter
