"""MQTT sessions in the broker, spoken of as gateways do, to the real process."""

import glob
import os
import random
import resource
import sqlite3
import struct
import time

import pytest

from brokerlib import BAD_REQUEST, BUSY, Broker, Reader, record, wait_for
from sessionlib import (BAD_EVENT, FENCED, FORBIDDEN, NEVER, Refused, Session,
                        SessionGateway, drop, progress, progress_of, put, topics_of)

STORE_FULL, STORE_FAILED = 25, 26
WILL = record("wills/a", b"gone")


@pytest.fixture
def broker():
    b = Broker().start()
    yield b
    b.close()


@pytest.fixture
def gateway(broker):
    return SessionGateway(broker)


@pytest.fixture
def other(broker):
    return SessionGateway(broker)


def will_sent(broker, times=1):
    return wait_for(lambda: topics_of(broker).count(("wills/a", b"gone")) == times, "the will")


def no_will(broker):
    return ("wills/a", b"gone") not in topics_of(broker)


# --- attach, resume, clean ------------------------------------------------------------

def test_a_new_session_is_not_present(gateway):
    s = gateway.attach("c", expiry=60)
    assert not s.present and s.items == {} and s.epoch > 0


def test_a_session_is_resumed_with_its_items(gateway, other):
    s = gateway.attach("c", expiry=60)
    assert s.write(progress(7, rest=b"mine"), put("Fa/#", b"\x01"), put("O\x00\x01", b"x")) == 0
    assert s.write(drop("O\x00\x01"), put("I\x00\x02", b"y")) == 0
    assert s.detach() is None
    again = other.attach("c", expiry=60)
    assert again.present
    assert again.items == {"P": struct.pack("<Q?", 7, False) + b"mine", "Fa/#": b"\x01",
                           "I\x00\x02": b"y"}
    assert again.epoch > s.epoch


def test_the_last_items_come_with_the_detach(gateway):
    gateway.attach("c", expiry=60).detach(put("Fa", b"\x00"))
    assert gateway.attach("c", expiry=60).items == {"Fa": b"\x00"}


def test_clean_ends_the_session_that_is_there(gateway):
    s = gateway.attach("c", expiry=60)
    s.write(put("Fa", b"\x00"))
    s.detach()
    s = gateway.attach("c", expiry=60, clean=True)
    assert not s.present and s.items == {}
    s.detach()
    s = gateway.attach("c", expiry=60)
    assert s.present and s.items == {}


def test_expiry_0_ends_the_session_with_its_connection(gateway):
    gateway.attach("c", expiry=60).detach(put("Fa", b"\x00"), expiry=0)
    assert not gateway.attach("c").present


def test_a_session_in_memory_alone_writes_nothing(broker, gateway):
    before = broker.metric("sluice_commits_total")
    for _ in range(10):
        gateway.attach("c").detach()
    assert broker.metric("sluice_commits_total") == before


def test_a_session_expires(gateway):
    s = gateway.attach("c", expiry=1)
    s.write(put("Fa", b"\x00"))
    s.detach()
    time.sleep(1.1) # the expiry itself, which no event tells
    assert not gateway.attach("c", expiry=1).present


def test_a_session_that_never_expires_is_there_after_a_restart(broker, gateway):
    s = gateway.attach("c", expiry=NEVER)
    s.write(put("Fa", b"\x00"))
    s.detach()
    broker.kill()
    broker.start()
    gateway.rejoin()
    assert gateway.attach("c", expiry=NEVER).items == {"Fa": b"\x00"}


def test_another_principal_is_refused(gateway, other):
    s = gateway.attach("c", expiry=60, principal="ann")
    assert other.attach("c", principal="bob").error == FORBIDDEN
    assert s.write(put("Fa", b"\x00")) == 0 # and harms nothing
    s.detach()
    assert other.attach("c", principal="bob", clean=True).error == FORBIDDEN
    assert other.attach("c", expiry=60, principal="ann").present


# --- epochs and takeover -----------------------------------------------------------------

def test_writes_of_an_older_epoch_are_refused(gateway):
    old = gateway.attach("c", expiry=60)
    old.detach()
    new = gateway.attach("c", expiry=60)
    assert old.write(put("Fa", b"\x00")).error == FENCED
    assert old.detach().error == FENCED
    assert new.write(put("Fb", b"\x00")) == 0


def test_a_session_that_nobody_attached_is_refused(gateway):
    assert Session(gateway, "nobody", 1, 60).write(put("Fa", b"\x00")).error == FENCED


def test_a_takeover_waits_for_the_last_checkpoint(gateway, other):
    s = gateway.attach("c", expiry=60)
    seq = other.send_attach("c", expiry=60)
    gateway.until(lambda: gateway.fences, "the fence")
    assert gateway.fences == [("c", s.epoch)]
    assert s.write(put("O\x00\x01", b"late")) == 0
    assert s.detach(progress(9)) is None
    a = other.attached(seq)
    assert a.present and a.items.keys() == {"P", "O\x00\x01"}


def test_a_takeover_waits_no_longer_than_half_a_second(broker, gateway, other):
    s = gateway.attach("c", expiry=60)
    started = time.monotonic()
    new = other.attach("c", expiry=60)
    assert new.present and 0.3 < time.monotonic() - started < 5
    assert s.write(put("Fa", b"\x00")).error == FENCED
    assert s.detach().error == FENCED
    assert new.write(put("Fa", b"\x00")) == 0
    assert broker.metric("sluice_session_takeovers_total") == 1


def test_a_takeover_does_not_wait_for_a_gateway_that_has_gone(broker, gateway, other):
    gateway.attach("c", expiry=60).write(put("Fa", b"\x00"))
    gateway.leave()
    wait_for(lambda: broker.metric("sluice_gateways") == 1, "the gateway is gone", 5)
    started = time.monotonic()
    assert other.attach("c", expiry=60).items == {"Fa": b"\x00"}
    assert time.monotonic() - started < 0.5


def test_attaches_of_one_client_are_served_one_by_one(broker):
    gateways = [SessionGateway(broker) for _ in range(4)]
    seqs = [g.send_attach("c", expiry=60) for g in gateways]
    got = [g.attached(s) for g, s in zip(gateways, seqs)]
    epochs = [a.epoch for a in got]
    assert len(set(epochs)) == 4
    last = max(range(4), key=lambda i: epochs[i])
    for i, g in enumerate(gateways):
        answer = Session(g, "c", epochs[i], 60).write(put("Fa", b"\x00"))
        assert answer == 0 if i == last else answer.error == FENCED


def test_the_same_attach_again_is_answered_as_before(broker, gateway):
    seq = gateway.send_attach("c", expiry=60, will=WILL)
    first = gateway.attached(seq)
    broker.kill()
    broker.start()
    gateway.rejoin() # the answer was lost: it holds nothing
    gateway.send_attach("c", expiry=60, will=WILL, seq=seq)
    assert gateway.attached(seq).epoch == first.epoch
    assert not first.present
    assert Session(gateway, "c", first.epoch, 60).detach(will=False) is None
    assert no_will(broker)


def test_more_attaches_than_may_wait_are_refused(gateway, other):
    gateway.attach("c", expiry=60)
    seqs = [other.send_attach("c", expiry=60) for _ in range(12)]
    errors = [a.error for a in map(other.attached, seqs) if isinstance(a, Refused)]
    assert errors == [BUSY] * 4


def test_a_damaged_session_begins_anew(broker, gateway):
    gateway.attach("c", expiry=NEVER).write(put("Fa", b"\x00"))
    gateway.attach("d", expiry=NEVER).write(put("Fa", b"\x00"))
    broker.kill()
    with sqlite3.connect(glob.glob(f"{broker.data}/*.db")[0]) as db:
        assert db.execute("UPDATE state SET value = x'ff' WHERE owner = CAST('c' AS BLOB)"
                          " AND key = CAST('H' AS BLOB)").rowcount == 1
    broker.start()
    gateway.rejoin()
    gateway.until(lambda: gateway.fences, "the fence")
    s = gateway.attach("c", expiry=NEVER)
    assert not s.present and s.items == {}
    s.detach()
    assert gateway.attach("c", expiry=NEVER).present
    assert gateway.attach("d", expiry=NEVER).items == {"Fa": b"\x00"}


# --- events of sessions -------------------------------------------------------------------

def test_an_event_and_its_packet_identifier_are_one_write(broker, gateway):
    s = gateway.attach("c", expiry=60)
    id_ = s.write(put("I\x00\x07"), record=record("a", b"once"))
    assert [(e.id, e.payload) for e in Reader(broker).all("#")] == [(id_, b"once")]
    s.detach()
    assert "I\x00\x07" in gateway.attach("c", expiry=60).items


def test_an_event_sent_again_after_a_kill_is_stored_once(broker, gateway):
    s = gateway.attach("c", expiry=60)
    seq = gateway.send_write(s, put("I\x00\x07"), record=record("a", b"once"))
    id_ = gateway.written(seq)
    broker.kill()
    broker.start()
    gateway.rejoin()
    gateway.send_write(s, put("I\x00\x07"), record=record("a", b"once"), seq=seq)
    assert gateway.written(seq) == id_
    assert topics_of(broker) == [("a", b"once")]


def test_a_session_in_memory_alone_may_publish(broker, gateway):
    s = gateway.attach("c")
    assert s.write(put("I\x00\x07"), record=record("a")) > 0
    s.detach()
    assert topics_of(broker) == [("a", b"x")]
    assert not gateway.attach("c").present


@pytest.mark.parametrize("body,error", [
    ({"record": record("a/+")}, 2),
    ({"record": record("a", flags=1 << 9)}, BAD_EVENT),
])
def test_a_bad_event_refuses_the_whole_write(broker, gateway, body, error):
    s = gateway.attach("c", expiry=60)
    assert s.write(put("I\x00\x07"), **body).error == error
    s.detach()
    assert gateway.attach("c", expiry=60).items == {}
    assert topics_of(broker) == []


@pytest.mark.parametrize("item", [put("X"), put("P", b"short"), put("O\x00"), put("F")])
def test_an_item_that_is_not_well_formed_is_refused(gateway, item):
    s = gateway.attach("c", expiry=60)
    assert s.write(item).error == BAD_REQUEST


def test_a_malformed_body_refuses_its_unit_alone(gateway):
    assert gateway.answer(gateway.unit(1, b"\x01")).error == BAD_REQUEST
    assert gateway.answer(gateway.unit(2, b"")).error == BAD_REQUEST
    assert gateway.attach("c").epoch > 0


def test_a_malformed_will_is_refused(gateway):
    assert gateway.attach("c", will=record("a/#")).error == 2


# --- wills ------------------------------------------------------------------------------------

def test_a_will_is_sent_when_the_connection_fails(broker, gateway):
    gateway.attach("c", will=WILL).detach(will=True)
    assert topics_of(broker) == [("wills/a", b"gone")]
    assert broker.metric("sluice_wills_sent_total") == 1


def test_a_will_is_forgotten_when_the_client_says_goodbye(broker, gateway):
    gateway.attach("c", will=WILL).detach(will=False)
    gateway.attach("c", will=WILL, expiry=60, delay=1).detach(will=False)
    assert topics_of(broker) == []


def test_a_will_waits_for_its_delay(broker, gateway):
    gateway.attach("c", will=WILL, expiry=60, delay=1).detach(will=True)
    assert no_will(broker)
    will_sent(broker)
    assert gateway.attach("c", expiry=60).present


def test_a_delayed_will_goes_when_the_session_ends(broker, gateway):
    gateway.attach("c", will=WILL, expiry=1, delay=60).detach(will=True)
    will_sent(broker)
    assert not gateway.attach("c").present


def test_a_client_that_comes_back_in_time_cancels_its_will(broker, gateway):
    gateway.attach("c", will=WILL, expiry=60, delay=1).detach(will=True)
    gateway.attach("c", expiry=60)
    time.sleep(2.5) # past the delay and a look
    assert no_will(broker)


def test_a_client_that_comes_back_clean_sends_it(broker, gateway):
    gateway.attach("c", will=WILL, expiry=60, delay=60).detach(will=True)
    assert not gateway.attach("c", clean=True).present
    assert topics_of(broker) == [("wills/a", b"gone")]


def test_a_takeover_sends_a_will_without_delay(broker, gateway, other):
    gateway.attach("c", will=WILL, expiry=60)
    assert other.attach("c", expiry=60).present
    will_sent(broker)


def test_a_takeover_cancels_a_will_with_delay(broker, gateway, other):
    gateway.attach("c", will=WILL, expiry=60, delay=1)
    assert other.attach("c", expiry=60).present
    time.sleep(2.5) # past the delay and a look
    assert no_will(broker)


def test_a_clean_takeover_sends_even_a_delayed_will(broker, gateway, other):
    gateway.attach("c", will=WILL, expiry=60, delay=60)
    assert not other.attach("c", clean=True).present
    will_sent(broker)


def test_the_gateways_death_sends_wills_and_keeps_sessions(broker, gateway, other):
    gateway.attach("c", will=WILL, expiry=60).write(put("Fa", b"\x00"))
    gateway.attach("d", will=record("wills/d"))
    gateway.leave()
    wait_for(lambda: sorted(t for t, _ in topics_of(broker)) == ["wills/a", "wills/d"], "wills")
    assert other.attach("c", expiry=60).items == {"Fa": b"\x00"}
    assert not other.attach("d").present


def test_a_lost_link_sends_nothing_when_the_gateway_comes_back(broker, gateway):
    s = gateway.attach("c", will=WILL, expiry=60)
    gateway.rejoin()
    time.sleep(4.5) # past the grace
    assert no_will(broker)
    assert s.write(put("Fa", b"\x00")) == 0


def test_what_a_gateway_that_comes_back_does_not_hold_has_ended(broker, gateway):
    gateway.attach("c", will=WILL, expiry=60)
    s = gateway.attach("d", expiry=60)
    gateway.held.pop("c")
    gateway.rejoin()
    will_sent(broker)
    assert s.write(put("Fa", b"\x00")) == 0


def test_a_restart_of_the_broker_sends_no_will_of_a_live_client(broker, gateway):
    s = gateway.attach("c", will=WILL, expiry=60)
    memory = gateway.attach("d")
    broker.kill()
    broker.start()
    gateway.rejoin()
    time.sleep(11.5) # past the grace
    assert no_will(broker)
    assert s.write(put("Fa", b"\x00")) == 0
    assert memory.write(record=record("a")) > 0
    assert gateway.fences == []


def test_a_gateway_that_died_with_the_broker_has_its_wills_sent(broker, gateway):
    gateway.attach("c", will=WILL)
    gateway.leave()
    broker.kill()
    broker.start()
    will_sent(broker)


def test_a_delayed_will_survives_a_kill(broker, gateway):
    gateway.attach("c", will=WILL, expiry=60, delay=1).detach(will=True)
    broker.kill()
    broker.start()
    will_sent(broker)


# --- what is held ----------------------------------------------------------------------------------

def test_a_session_held_by_another_is_fenced(broker, gateway, other):
    old = gateway.attach("c", expiry=60)
    new = other.attach("c", expiry=60)
    gateway.fences.clear()
    gateway.hold(old)
    gateway.until(lambda: gateway.fences, "the fence")
    assert gateway.fences == [("c", old.epoch)]
    assert new.write(put("Fa", b"\x00")) == 0


def test_a_session_that_was_given_up_is_fenced(broker, gateway, other):
    s = gateway.attach("c", expiry=60)
    gateway.leave()
    wait_for(lambda: "gateway that has gone" in broker.logged(), "the grace is over")
    gateway.connect()
    gateway.join()
    gateway.until(lambda: gateway.fences, "the fence")
    assert gateway.fences == [("c", s.epoch)]
    assert other.attach("c", expiry=60).present


# --- a full disk -----------------------------------------------------------------------------------

def limit_files(broker, size):
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def disk_full(broker):
    """No file of the broker's may grow."""
    limit_files(broker, max(os.path.getsize(f) for f in glob.glob(f"{broker.data}/sluice.db*")))


def disk_empty(broker):
    limit_files(broker, resource.RLIM_INFINITY)


def fails(answer):
    return isinstance(answer, Refused) and answer.error in (STORE_FULL, STORE_FAILED)


def test_what_a_full_disk_refuses_can_be_said_again(broker, gateway):
    s = gateway.attach("c", will=WILL, expiry=60)
    disk_full(broker)
    while not fails(s.write(put("Fa", bytes(4000)))):
        pass
    assert fails(s.detach(will=True))
    assert fails(gateway.attach("d", expiry=60))
    assert not isinstance(gateway.attach("e"), Refused) # it needs no room
    disk_empty(broker)
    wait_for(lambda: not fails(s.write(put("Fa", b"\x00"))), "room")
    assert s.detach(will=True) is None
    assert topics_of(broker) == [("wills/a", b"gone")]
    assert gateway.attach("c", expiry=60).items == {"Fa": b"\x00"}


def test_a_dead_gateways_will_waits_for_room(broker, gateway, other):
    other.attach("c", will=WILL, expiry=60)
    s = gateway.attach("d", expiry=60)
    disk_full(broker)
    while not fails(s.write(put("Fa", bytes(4000)))):
        pass
    other.leave()
    wait_for(lambda: "gateway that has gone" in broker.logged(), "the grace is over")
    assert no_will(broker)
    disk_empty(broker)
    will_sent(broker)
    assert gateway.attach("c", expiry=60).present


# --- positions -----------------------------------------------------------------------------------------

def test_a_session_that_follows_inherits_its_gateways_position(gateway, other):
    follows, stands = gateway.attach("f", expiry=60), gateway.attach("s", expiry=60)
    follows.write(progress(100, follows=True, rest=b"r"))
    stands.write(progress(100))
    gateway.position(500)
    follows.detach()
    stands.detach()
    assert other.attach("f", expiry=60).items["P"] == struct.pack("<Q?", 500, False) + b"r"
    assert progress_of(other.attach("s", expiry=60).items) == (100, False)


def test_what_is_resumed_follows_nobody_until_it_says_so(broker, gateway, other):
    gateway.attach("c", expiry=60).detach(progress(100, follows=True))
    other.position(900)
    other.attach("c", expiry=60).detach()
    assert progress_of(gateway.attach("c", expiry=60).items) == (100, False)


@pytest.mark.parametrize("killed", [False, True])
def test_a_dead_gateways_position_is_inherited(broker, gateway, other, killed):
    gateway.attach("c", expiry=60).write(progress(100, follows=True))
    gateway.position(500)
    gateway.leave()
    if killed:
        broker.kill()
        broker.start()
        other.rejoin()
    assert progress_of(other.attach("c", expiry=60).items) == (500, False)


# --- many -----------------------------------------------------------------------------------------------

def test_many_sessions_survive_a_kill(broker, gateway, other):
    seqs = [gateway.send_attach(f"c{n}", expiry=60) for n in range(3000)]
    sessions = [Session(gateway, f"c{n}", gateway.attached(s).epoch, 60)
                for n, s in enumerate(seqs)]
    seqs = [gateway.send_write(s, progress(n), put(f"Ft/{n}", b"\x01"))
            for n, s in enumerate(sessions)]
    assert all(gateway.written(s) == 0 for s in seqs)
    broker.kill()
    broker.start()
    other.rejoin()
    gateway.reconnect()
    gateway.join(hold=False)
    gateway.hold(*sessions[:1500])
    seqs = [other.send_attach(f"c{n}", expiry=60) for n in range(1500, 3000)]
    for n, seq in enumerate(seqs, 1500):
        a = other.attached(seq)
        assert a.present and a.items.keys() == {"P", f"Ft/{n}"}
    assert sessions[0].write(progress(1)) == 0
    assert sessions[2000].write(progress(1)).error == FENCED
    assert isinstance(sessions[2000].detach(), Refused)


# --- all at once --------------------------------------------------------------------------------------------

class Crowd:
    """Clients that move between gateways, which come and go, under a broker that is
    killed; and what must be true of them all the time."""

    def __init__(self, broker, seed):
        self.broker, self.random = broker, random.Random(seed)
        self.gateways = [SessionGateway(broker) for _ in range(3)]
        self.sessions = {}                 # client: the one that was attached last
        self.epochs = {}
        self.written = {n: (0, 0) for n in self.clients()} # last acknowledged, last sent
        self.events = {}                   # payload: its ID

    @staticmethod
    def clients():
        return [f"c{n}" for n in range(6)]

    def attach(self):
        client, gateway = self.random.choice(self.clients()), self.random.choice(self.gateways)
        had = client in self.epochs
        s = gateway.attach(client, expiry=NEVER, will=self.random.choice([None, WILL]),
                           delay=self.random.choice([0, 1]))
        assert s.epoch > self.epochs.get(client, 0)
        assert s.present == had
        acked, sent = self.written[client]
        value = int(s.items.get("O\x00\x01", b"0"))
        assert acked <= value <= sent
        self.written[client] = (value, sent)
        self.epochs[client] = s.epoch
        self.sessions[client] = s
        for g in self.gateways:
            if g is not gateway:
                g.held.pop(client, None)

    def write(self):
        if not self.sessions:
            return
        s = self.random.choice(list(self.sessions.values()))
        acked, sent = self.written[s.client]
        payload = f"{s.client}/{sent + 1}"
        self.written[s.client] = (acked, sent + 1)
        answer = s.write(put("O\x00\x01", str(sent + 1).encode()),
                         record=record("log", payload.encode()))
        if isinstance(answer, Refused): # its gateway was away too long
            assert answer.error == FENCED
            return
        self.written[s.client] = (sent + 1, sent + 1)
        self.events[payload] = answer

    def detach(self):
        if not self.sessions:
            return
        client = self.random.choice(list(self.sessions))
        self.sessions.pop(client).detach(will=self.random.choice([True, False]))

    def rejoin(self):
        self.random.choice(self.gateways).rejoin()

    def die(self):
        n = self.random.randrange(len(self.gateways))
        for s in list(self.gateways[n].held.values()):
            self.sessions.pop(s.client, None)
        self.gateways[n].leave()
        self.gateways[n] = SessionGateway(self.broker)

    def kill(self):
        self.broker.kill()
        self.broker.start()
        for g in self.gateways:
            g.rejoin()

    def step(self):
        steps = (self.attach, self.write, self.detach, self.rejoin, self.die, self.kill)
        self.random.choices(steps, (10, 20, 5, 1, 1, 0.5))[0]()

    def check(self):
        stored = [(e.payload.decode(), e.id) for e in Reader(self.broker).all("log")]
        assert len(stored) == len(set(stored))
        assert self.events.items() <= dict(stored).items()


@pytest.mark.parametrize("seed", range(4))
def test_a_crowd_keeps_its_promises(broker, seed):
    crowd = Crowd(broker, seed)
    for _ in range(250):
        crowd.step()
    crowd.check()
