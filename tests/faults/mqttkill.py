"""A broker and MQTT gateways that die at a failpoint (common/failpoint.h), and clients as
careful as the specification asks: what is in flight, either way, outlives connections.

A Publisher repeats until all is acknowledged; a Subscriber acknowledges, and knows a
repeat of what it has by the packet identifier alone.  Each is a thread, and fails on the
first packet that may not be.
"""

import contextlib
import itertools
import os
import pathlib
import random
import re
import threading
import time
from unittest import mock

from faultlib import TIMEOUT, wait_for
from mqttlib import (CONNACK, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, V5, Client, Closed,
                     Will, ack, connect, disconnect, options, publish, subscribe)
from sluicelib import BIN, Sluice

FAIL = pathlib.Path(BIN).resolve().parent / "failpoints" / "bin"
TABLE = pathlib.Path(__file__).resolve().parents[2] / "common" / "failpoint.h"
WINDOW = 3      # of a publisher
IDENTIFIERS = 7  # few, so that each comes again soon
KILLED = -9
UNKNOWN = 0x92  # packet identifier not found


def points():
    """The names in the table."""
    return re.findall(r"^ *X\((\w+)\)", TABLE.read_text(encoding="utf-8"), re.M)


# --- the system ----------------------------------------------------------------------------


class Doomed(Sluice):
    """The process that has the point ends there, `lives` times.  It is started again, or
    with `elsewhere` clients go to the other gateway.  With `roaming` they go to any, each
    time."""

    def __init__(self, folder, point, lives=1, elsewhere=False, roaming=False,
                 gateways=("mqtt",)):
        super().__init__(folder, gateways=gateways)
        self.point, self.lives = point, lives
        self.elsewhere, self.roaming = elsewhere, roaming
        self.victim = "broker" if point.startswith("broker_") else "mqtt"
        self.deaths = 0

    def add(self, name):
        p = super().add(name)
        p.command[0] = str(FAIL / os.path.basename(p.command[0]))
        return p

    def start(self):
        for name in ("broker", *self.gateways):
            self.revive(self.add(name))
        return self

    def revive(self, p):
        """With its point, if it is to die there (again)."""
        doomed = p.name == self.victim and self.deaths < self.lives
        with mock.patch.dict(os.environ, {"SLUICE_FAILPOINTS": self.point} if doomed else {}):
            p.start()

    def tend(self):
        """What has died at the point lives again."""
        for name, p in self.processes.items():
            if p.running() or (self.deaths and name == self.victim and self.elsewhere):
                continue
            assert (name, p.popen.returncode) == (self.victim, KILLED), p.logged()
            self.deaths += 1
            assert self.deaths <= self.lives
            if not self.elsewhere:
                self.revive(p)

    def door(self, gateway):
        """The port at which its clients are served now."""
        if self.roaming:
            gateway = random.choice(self.gateways)
        return self.port("mqtt-2" if self.elsewhere and self.deaths else gateway)

    def end(self):
        if self.elsewhere and self.deaths:
            del self.processes[self.victim]
        super().end()


# --- clients ----------------------------------------------------------------------------------


class Careful(threading.Thread):
    """A client with a session that outlives its connections."""

    def __init__(self, system, name, version=V5, gateway="mqtt", will=None, expiry=600):
        super().__init__(name=name, daemon=True)
        self.system, self.version, self.gateway, self.will = system, version, gateway, will
        self.expiry = {"session_expiry": expiry} if version == V5 else {}
        self.begun = False  # the session is there
        self.stopping = False
        self.connects = 0
        self.failure = None
        self.rng = random.Random(name)

    def run(self):
        try:
            while self.visit():
                time.sleep(0.01)
        except BaseException as e:  # shown by check()
            self.failure = e

    def visit(self):
        """One connection; False: the last."""
        try:
            with Client(self.system.door(self.gateway), self.version) as c:
                c.raw.socket.settimeout(TIMEOUT)
                return not self.attach(c) or self.converse(c)
        except TimeoutError as e:
            raise AssertionError(f"{self.name} waits in vain: {self.state()}") from e
        except (OSError, Closed):
            return True

    def attach(self, c):
        """False: refused for now."""
        c.send(connect(self.name, self.version, clean=False, will=self.will, **self.expiry))
        p = c.take(CONNACK)
        if p.reason != 0:
            return False
        assert p.present or not self.begun, f"{self.name}: the session is lost"
        self.begun = True
        self.connects += 1
        self.begin(c)
        return True

    def begin(self, c):
        pass

    def state(self):
        return ""

    def check(self):
        if self.failure:
            raise self.failure

    def finish(self):
        self.stopping = True
        self.join(2 * TIMEOUT)
        self.check()
        assert not self.is_alive(), f"{self.name} goes on: {self.state()}"


class Publisher(Careful):
    def __init__(self, system, name, topic, qos=2, pause=0.005, **kw):
        super().__init__(system, name, **kw)
        self.topic, self.qos, self.pause = topic, qos, pause
        self.numbers = itertools.count()
        self.flight = {}  # identifier -> [payload, released], in the order of sending
        self.ids = itertools.cycle(range(1, IDENTIFIERS + 1))
        self.acked = []

    def state(self):
        return f"{self.flight}, {len(self.acked)} acknowledged"

    def send(self, c, id, dup):
        payload, released = self.flight[id]
        if released:
            c.send(ack(PUBREL, id, version=self.version))
        else:
            c.send(publish(self.topic, payload, self.qos, id, dup=dup, version=self.version))

    def fill(self, c):
        while len(self.flight) < WINDOW and not self.stopping:
            id = next(i for i in self.ids if i not in self.flight)
            self.flight[id] = [f"{self.name} {next(self.numbers)}", False]
            self.send(c, id, False)
            time.sleep(self.pause)

    def converse(self, c):
        for id in self.flight:
            self.send(c, id, True)
        while True:
            self.fill(c)
            if not self.flight:
                break
            self.take(c, c.next(PUBACK, PUBREC, PUBCOMP))
        c.send(disconnect(version=self.version))
        return False

    def take(self, c, p):
        entry = self.flight.get(p.id)
        if p.kind == PUBREC:
            assert p.reason == 0 and self.qos == 2, p
            if entry and not entry[1]:
                self.acked.append(entry[0])
                entry[1] = True
            c.send(ack(PUBREL, p.id, version=self.version))
        elif p.kind == PUBCOMP:
            assert p.reason in (0, UNKNOWN) and (entry is None or entry[1]), p
            self.flight.pop(p.id, None)
        else:
            assert p.reason == 0 and self.qos == 1, p
            self.acked.append(self.flight.pop(p.id)[0])


class Subscriber(Careful):
    """restless: it cuts its connection after so many packets, on an average."""

    def __init__(self, system, name, filter, qos=2, restless=0, **kw):
        super().__init__(system, name, **kw)
        self.filter, self.qos, self.restless = filter, qos, restless
        self.subscribed = False
        self.open = {}  # identifier -> payload: received, not released
        self.got = {1: [], 2: []}

    def state(self):
        return f"open {self.open}, has {[len(v) for v in self.got.values()]}"

    def begin(self, c):
        if not self.subscribed:
            c.send(subscribe(1, [(self.filter, options(self.qos))], self.version))
            assert c.take(SUBACK, 1).codes == [self.qos]
            self.subscribed = True

    def converse(self, c):
        while not self.stopping or self.open:
            if self.restless and self.rng.randrange(self.restless) == 0:
                return self.leave(c)
            try:
                c.raw.socket.settimeout(0.05)
                p = c.next(PUBLISH, PUBREL)
            except TimeoutError:
                continue
            self.take(c, p)
        c.send(disconnect(version=self.version))
        return False

    def leave(self, c):
        """Now and then it says so."""
        if self.rng.randrange(2):
            c.send(disconnect(version=self.version))
        return True

    def finish(self):
        """Nothing is left in flight."""
        super().finish()
        with Client(self.system.door(self.gateway), self.version) as c:
            assert self.attach(c)
            c.ping()
            assert not c.kept, c.kept

    def take(self, c, p):
        if p.kind == PUBREL:
            self.open.pop(p.id, None)
            c.send(ack(PUBCOMP, p.id, version=self.version))
            return
        payload = p.payload.decode()
        if p.qos == 1:
            assert p.id not in self.open, f"{p} while {self.open}"
            self.got[1].append(payload)
            c.send(ack(PUBACK, p.id, version=self.version))
            return
        assert p.qos == 2, p
        if p.id in self.open:
            assert p.dup and self.open[p.id] == payload, f"{p} while {self.open}"
        else:
            self.open[p.id] = payload
            self.got[2].append(payload)
        c.send(ack(PUBREC, p.id, version=self.version))


class Mortal(Careful):
    """A client whose connection is cut when it is told to; its will is due then."""

    def __init__(self, system, name, topic, delay=0, **kw):
        props = {"will_delay": delay} if delay else {}
        super().__init__(system, name, will=Will(topic, b"will", 2, props=props), **kw)
        self.up = threading.Event()

    def converse(self, c):
        self.up.set()
        c.raw.socket.settimeout(0.02)
        while not self.stopping:
            with contextlib.suppress(TimeoutError):
                c.next()
        return False


# --- waiting ------------------------------------------------------------------------------------


def tended(system, clients, condition, what):
    """Waits while the dead are raised and no client has failed."""
    def look():
        system.tend()
        for c in clients:
            c.check()
        return condition()
    return wait_for(look, what)


def of(publisher, payloads):
    return [p for p in payloads if p.split()[0] == publisher.name]


def once_and_in_order(publisher, payloads):
    got = of(publisher, payloads)
    assert got == publisher.acked, differences(publisher.acked, got)


def at_least_once(publisher, payloads):
    first = list(dict.fromkeys(of(publisher, payloads)))
    assert first == publisher.acked, differences(publisher.acked, first)


def differences(wanted, got):
    order = [p for p in dict.fromkeys(got) if p in wanted]
    return {"missing": [p for p in wanted if p not in got],
            "twice": sorted({p for p in got if got.count(p) > 1}),
            "unknown": [p for p in got if p not in wanted],
            "in order": order == [p for p in wanted if p in got]}
