"""The link between broker and gateway: DESIGN 3.2 and 3.3, spoken byte by byte
to the real broker."""

import os
import select
import signal
import struct
import subprocess
import sys
import time

import pytest
import zmq

import brokerlib
from brokerlib import (ACKS, BAD_FILTER, BAD_REQUEST, BAD_TOPIC, BUSY, EVENT, FILTER_LIVE,
                       FILTER_NO, HELLO, HELLO_NO, LIVE, NOT_FOUND, PAGE, REMOVED, REPEAT,
                       START, TOPICS, VERSION, Broker, Gateway, Reader, page_request, publish, published,
                       read_filters, record, str16, unit, wait_for)

CREDIT = 64 << 10


@pytest.fixture
def broker():
    b = Broker("--gateway-credit", "64k", "--publish-window", "64k", "--limits-max-payload", "32k").start()
    yield b
    b.close()


@pytest.fixture
def app(broker):
    return broker.app(sndhwm=0, rcvhwm=0)


@pytest.fixture
def gateway(broker):
    g = Gateway(broker)
    g.ok = g.hello()
    return g


def live_events(gateway, upto, confirm=True):
    """All live messages up to that ID: their ranges must chain, their events rise."""
    events, ranges = [], []
    while not ranges or ranges[-1][1] < upto:
        m = gateway.recv_kind(LIVE)
        if ranges:
            assert m.after == ranges[-1][1]
        assert all(m.after < e.id <= m.upto for e in m.events)
        ranges.append((m.after, m.upto))
        events += m.events
        if confirm:
            gateway.confirm(m.upto)
    ids = [e.id for e in events]
    assert ids == sorted(set(ids))
    return events


# --- hello -----------------------------------------------------------------------

def test_hello_tells_the_log_the_head_and_the_window(broker, gateway, app):
    assert gateway.ok.version == VERSION
    assert gateway.ok.log != bytes(16)
    assert gateway.ok.window == 64 << 10
    assert not gateway.ok.reset
    id_ = published(app, "a")
    assert Gateway(broker).hello().head == id_


def test_a_known_position_needs_no_reset_and_a_strange_one_does(broker, gateway, app):
    id_ = published(app, "a")
    assert not Gateway(broker).hello(seen=id_, log=gateway.ok.log).reset
    assert Gateway(broker).hello(seen=id_ + (1 << 40), log=gateway.ok.log).reset
    assert Gateway(broker).hello(seen=id_, log=bytes([7]) * 16).reset


def test_another_version_is_refused(broker):
    g = Gateway(broker)
    g.say_hello(version=VERSION - 1)
    assert g.recv().kind == HELLO_NO
    g.hello()


def test_a_malformed_hello_is_refused(broker):
    g = Gateway(broker)
    g.send(struct.pack("<BH", HELLO, VERSION), b"short")
    m = g.recv()
    assert (m.kind, m.error) == (HELLO_NO, BAD_REQUEST)


def test_what_precedes_hello_is_discarded(broker):
    g = Gateway(broker)
    g.publish(unit(1, record("a")))
    g.confirm(1)
    g.hello()
    assert g.quiet()
    assert Reader(broker).all("#") == []


def test_the_same_instance_on_a_new_connection_replaces_the_old(broker, gateway, app):
    gateway.filter_add(1, "#")
    again = Gateway(broker, gateway.instance)
    again.hello()
    published(app, "a")
    assert broker.metric("sluice_gateways") == 2  # sluice-zmq is the other
    assert gateway.quiet() and again.quiet()


def test_a_second_hello_on_a_connection_begins_anew(broker, gateway, app):
    gateway.filter_add(1, "#")
    gateway.hello()
    published(app, "a")
    assert gateway.quiet()
    assert gateway.filter_add(1, "#").kind == FILTER_LIVE


def test_a_gateway_that_goes_is_forgotten_though_nothing_happens(broker, gateway):
    assert broker.metric("sluice_gateways") == 1
    gateway.socket.close()
    wait_for(lambda: broker.metric("sluice_gateways") == 0, "the gateway is gone")


def test_more_gateways_than_there_is_room_for_are_refused(broker):
    gateways = [Gateway(broker) for _ in range(257)]
    for g in gateways[:256]:
        g.hello()
    gateways[256].say_hello()
    assert gateways[256].recv().kind == HELLO_NO


# --- live --------------------------------------------------------------------------

def test_a_filter_is_live_from_the_head_and_gets_what_matches(gateway, app):
    id_ = published(app, "a/x")
    m = gateway.filter_add(5, "a/+")
    assert (m.kind, m.ref, m.live_from) == (FILTER_LIVE, 5, id_)
    ids = [published(app, t) for t in ("a/y", "b", "a/z")]
    events = live_events(gateway, ids[-1])
    assert [(e.id, e.topic) for e in events] == [(ids[0], "a/y"), (ids[2], "a/z")]


def test_the_first_range_begins_where_hello_stood(gateway, app):
    gateway.filter_add(1, "#")
    id_ = published(app, "a")
    m = gateway.recv_kind(LIVE)
    assert (m.after, m.upto) == (gateway.ok.head, id_)


def test_a_bad_filter_is_refused_and_the_link_goes_on(gateway):
    m = gateway.filter_add(1, "a/#/b")
    assert (m.kind, m.ref, m.error) == (FILTER_NO, 1, BAD_FILTER)
    assert gateway.filter_add(1, "a/#").kind == FILTER_LIVE


def test_a_dropped_filter_is_silent(gateway, app):
    gateway.filter_add(1, "a")
    gateway.filter_add(2, "b")
    gateway.filter_drop(1)
    published(app, "a")
    id_ = published(app, "b")
    assert [e.topic for e in live_events(gateway, id_)] == ["b"]


def test_the_position_travels_without_events(gateway, app):
    gateway.filter_add(1, "nothing/here")
    started = time.monotonic()
    id_ = published(app, "a")
    assert live_events(gateway, id_) == []
    assert time.monotonic() - started < 5


def test_a_flood_reaches_every_gateway_whole_and_in_order():
    broker = Broker().start()
    app = broker.app(sndhwm=0, rcvhwm=0)
    gateways = [Gateway(broker) for _ in range(3)]
    for g, text in zip(gateways, ("#", "t/+", "t/7")):
        g.hello()
        g.filter_add(1, text)
    for n in range(5000):
        publish(app, f"t/{n % 10}", str(n))
    last = int([app.recv_multipart() for _ in range(5000)][-1][2])
    for g, count in zip(gateways, (5000, 5000, 500)):
        assert len(live_events(g, last)) == count
    broker.close()


def test_a_message_holds_256_kib_or_one_event():
    broker = Broker("--limits-max-payload", "1M").start()
    app, g = broker.app(sndhwm=0), Gateway(broker)
    g.hello()
    g.filter_add(1, "#")
    for size in [100 << 10] * 7 + [1 << 20] + [10]:
        publish(app, "a", b"x" * size)
    last = int([app.recv_multipart() for _ in range(9)][-1][2])
    upto = 0
    while upto < last:
        m = g.recv_kind(LIVE)
        assert len(m.raw) <= 256 << 10 or len(m.events) == 1
        upto = m.upto
    broker.close()


# --- credit ---------------------------------------------------------------------------

def flood(app, count, size=1000):
    for _ in range(count):
        publish(app, "a", b"x" * size)
    return [int(app.recv_multipart()[2]) for _ in range(count)]


def drained(gateway, ms=300):
    """What has been sent to a gateway that confirms nothing."""
    messages = []
    while gateway.socket.poll(ms):
        messages.append(gateway.recv())
    return [m for m in messages if m.kind == LIVE and m.after != m.upto]


def test_a_gateway_that_does_not_confirm_is_paused_then_sees_the_hole(broker, gateway, app):
    gateway.filter_add(1, "#")
    ids = flood(app, 500)
    got = drained(gateway)
    assert sum(len(m.raw) for m in got) <= max(CREDIT, len(got[0].raw))
    assert got[-1].upto < ids[-1]
    assert broker.metric("sluice_gateway_pauses_total") == 1
    gateway.confirm(got[-1].upto)
    m = gateway.recv_kind(LIVE)
    assert (m.after, m.upto, m.events) == (ids[-1], ids[-1], [])
    (last,) = flood(app, 1)
    assert [e.id for e in live_events(gateway, last)] == [last]
    assert [e.id for e in Reader(broker).all("#")] == ids + [last]


def test_a_paused_gateway_holds_up_nobody(broker, gateway, app):
    gateway.filter_add(1, "#")
    other = Gateway(broker)
    other.hello()
    other.filter_add(1, "#")
    for _ in range(40):
        ids = flood(app, 25) # two such floods are within the credit
        assert [e.id for e in live_events(other, ids[-1])] == ids
    got = drained(gateway)
    assert sum(len(m.raw) for m in got) <= CREDIT
    assert got[-1].upto < ids[-1]


FROZEN_GATEWAY = """
import sys, types
sys.path.insert(0, sys.argv[1])
import zmq, brokerlib
broker = types.SimpleNamespace(link=sys.argv[2], context=zmq.Context(), sockets=[])
broker.socket = types.MethodType(brokerlib.Broker.socket, broker)

def join(g):
    g.hello()
    g.filter_add(1, "#")
    return g

g = join(brokerlib.Gateway(broker))
print("live", flush=True)
while True:
    if not g.socket.poll(2000): # the broker may have given us up
        g.reconnect()
        join(g)
        continue
    m = g.recv()
    if m.kind == brokerlib.LIVE and m.events:
        g.confirm(m.upto)
        print(m.events[-1].id, flush=True)
"""


@pytest.fixture
def frozen(broker):
    """A gateway in a process of its own; lines() are the last IDs that it saw."""
    child = subprocess.Popen([sys.executable, "-c", FROZEN_GATEWAY,
                              os.path.dirname(brokerlib.__file__), broker.link],
                             stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"live\n"
    yield child
    child.kill()
    child.wait()


def test_a_frozen_gateway_costs_bounded_memory_and_comes_back(broker, app, frozen):
    other = Gateway(broker)
    other.hello()
    other.filter_add(1, "#")
    before = broker.memory()
    frozen.send_signal(signal.SIGSTOP)
    for _ in range(20):
        last = flood(app, 250, 30000)[-1] # 150 MB in all
        while (m := other.recv_kind(LIVE)).upto < last:
            other.confirm(m.upto)
        other.confirm(m.upto)
    assert broker.memory() - before < 80 << 20 # most of it is SQLite's cache
    frozen.send_signal(signal.SIGCONT)
    os.set_blocking(frozen.stdout.fileno(), False)

    def sees_a_new_event():
        (new,) = flood(app, 1)
        select.select([frozen.stdout], [], [], 0.2)
        seen = (frozen.stdout.read() or b"").split()
        return any(int(id_) >= new for id_ in seen)

    wait_for(sees_a_new_event, "the gateway is live again")


# --- publishing -------------------------------------------------------------------------

def test_units_are_acknowledged_with_their_ids(broker, gateway):
    gateway.publish(unit(1, record("a", b"1")), unit(2, record("b", b"2"), record("c", b"3")))
    acks = gateway.acks(2)
    ids = acks[1] + acks[2]
    assert ids == sorted(ids)
    assert [(e.id, e.payload) for e in Reader(broker).all("#")] == \
        list(zip(ids, (b"1", b"2", b"3")))


def test_a_gateway_sees_its_own_event_before_the_acknowledgement(gateway):
    gateway.filter_add(1, "#")
    for seq in range(1, 200):
        gateway.publish(unit(seq, record("a")))
    seen, acked = set(), set()
    while len(acked) < 199:
        m = gateway.recv()
        if m.kind == LIVE:
            seen |= {e.id for e in m.events}
            gateway.confirm(m.upto)
        elif m.kind == ACKS:
            acked |= {i for ids in m.acks.values() for i in ids}
            assert acked <= seen


def test_acknowledgements_of_a_turn_share_a_message(gateway):
    gateway.publish(*[unit(seq, record("a")) for seq in range(1, 501)])
    sizes = []
    while sum(sizes) < 500:
        sizes.append(len(gateway.recv_kind(ACKS).acks))
    assert len(sizes) < 20


def test_a_bad_event_refuses_its_unit_and_no_other(broker, gateway):
    gateway.publish(unit(1, record("a")), unit(2, record("a"), record("b/+")),
                    unit(3, record("a", flags=1 << 1)), unit(4, record("a", b"x" * 32769)),
                    unit(5, record("a")))
    acks = gateway.acks(5)
    assert acks[2][:2] == (BAD_TOPIC, 1)
    assert isinstance(acks[3], tuple) and isinstance(acks[4], tuple)
    assert [e.id for e in Reader(broker).all("#")] == acks[1] + acks[5]


def test_a_window_exceeded_is_refused_as_busy(broker, gateway):
    big = record("a", b"x" * 30000)
    gateway.publish(*[unit(seq, big) for seq in range(1, 11)])
    acks = gateway.acks(10)
    assert [seq for seq in acks if isinstance(acks[seq], list)] == [1, 2]
    assert all(acks[seq][0] == BUSY for seq in range(3, 11))
    gateway.publish(unit(11, big))
    assert isinstance(gateway.acks(1)[11], list)


def test_a_repeated_unit_is_acknowledged_with_its_first_ids(broker, gateway):
    gateway.publish(unit(1, record("a"), record("b")))
    first = gateway.acks(1)[1]
    gateway.publish(unit(1, record("a"), record("b")))
    assert [i & ~REPEAT for i in gateway.acks(1)[1]] == first
    assert len(Reader(broker).all("#")) == 2


def test_a_killed_broker_neither_loses_nor_doubles(broker, gateway):
    """Five kills while units stream; what is unacknowledged is sent again, in order."""
    units = {seq: unit(seq, record("a", str(seq).encode())) for seq in range(1, 2001)}
    acked, sent = {}, 0
    for round_ in range(6):
        for seq in sorted(units.keys() - acked.keys()):
            if seq <= sent:
                gateway.publish(units[seq])
        goal = min(2000, sent + 350)
        for seq in range(sent + 1, goal + 1):
            gateway.publish(units[seq])
        sent = goal
        while len(acked) < (sent - 150 if round_ < 5 else 2000):
            acked.update(gateway.recv_kind(ACKS).acks)
        if round_ == 5:
            break
        broker.kill()
        broker.start()
        gateway.reconnect()
        gateway.hello()
    stored = Reader(broker).all("#")
    assert [int(e.payload) for e in stored] == list(range(1, 2001))
    assert [e.id for e in stored] == [acked[seq][0] & ~REPEAT for seq in range(1, 2001)]


def test_a_removal_precedes_the_deletes_acknowledgement(broker, gateway):
    gateway.filter_add(1, "a/+")
    gateway.publish(unit(1, record("a/x"), record("a/x")))
    ids = gateway.acks(1)[1]
    gateway.delete(2, "a/x")
    removed = gateway.recv_kind(REMOVED)
    assert removed.upto == ids[1]
    assert gateway.acks(1)[2] == [ids[1]]
    assert Reader(broker).all("#") == []


def test_a_delete_of_no_topic_is_refused(gateway):
    gateway.delete(1, "a/+")
    assert gateway.acks(1)[1][0] == BAD_TOPIC


# --- malformed --------------------------------------------------------------------------

@pytest.mark.parametrize("frame", [b"\x04\x00", b"\x05", b"\x02\x01\x00\x00\x00\xff\xff", b"\x7f",
                                   b"\x04" + unit(1, record("a"))[:-1], b"\x04" + unit(1)])
def test_a_malformed_frame_ends_the_link_until_the_next_hello(broker, gateway, app, frame):
    gateway.filter_add(1, "#")
    gateway.send(frame)
    assert gateway.recv_kind(HELLO_NO).error == BAD_REQUEST
    assert broker.metric("sluice_bad_frames_total") == 1
    published(app, "a")
    gateway.publish(unit(9, record("a")))
    assert gateway.quiet()
    gateway.hello()
    assert gateway.filter_add(1, "#").kind == FILTER_LIVE


def test_a_gateway_that_never_reads_is_dropped_and_told_when_it_does(broker):
    g = Gateway.__new__(Gateway)
    g.broker, g.instance = broker, bytes(range(16))
    g.socket = broker.socket(zmq.DEALER, broker.link, rcvhwm=10, sndhwm=0)
    g.hello()
    for ref in range(100000): # each is answered, and no answer is read
        g.send(struct.pack("<BI", brokerlib.FILTER_ADD, ref), str16("bad/#/filter"))
    wait_for(lambda: broker.metric("sluice_gateways") == 0, "the gateway is dropped")
    assert g.recv_kind(HELLO_NO)
    g.hello()
    assert g.filter_add(1, "#").kind == FILTER_LIVE


def test_link_takes_several_endpoints():
    port = brokerlib.free_port()
    b = Broker()
    b.flags = ("--link", f"{b.link},tcp://127.0.0.1:{port}")
    b.start()
    Gateway(b).hello()
    b.link = f"tcp://127.0.0.1:{port}"
    Gateway(b).hello()
    assert b.metric("sluice_gateways") == 2
    b.close()


# --- reads --------------------------------------------------------------------------------

@pytest.fixture
def reader(broker):
    return Reader(broker)


def test_pages_topics_events_and_starts(reader, app):
    ids = [published(app, t) for t in ("a", "b", "a")]
    assert [e.id for e in reader.all("a")] == [ids[0], ids[2]]
    r = reader.ask(struct.pack("<BQQ", EVENT, 8, ids[1]))
    assert (r.kind, r.ref, r.error) == (EVENT + 64, 8, 0)
    r = reader.ask(struct.pack("<BQBQ", START, 9, 2, 1) + read_filters("a"))
    assert (r.kind, r.error) == (START + 64, 0)
    r = reader.ask(struct.pack("<BQ", TOPICS, 10) + str16("") + str16("") + struct.pack("<I", 10))
    assert (r.kind, r.error) == (TOPICS + 64, 0)


def test_an_event_that_is_not_there(reader):
    assert reader.ask(struct.pack("<BQQ", EVENT, 8, 12345)).error == NOT_FOUND


@pytest.mark.parametrize("raw,error", [
    (struct.pack("<BQ", PAGE, 7), BAD_REQUEST),
    (struct.pack("<BQ", 99, 7), BAD_REQUEST),
    (page_request(7, "a/#/b"), BAD_FILTER),
    (page_request(7, "a") + b"x", BAD_REQUEST),
    (struct.pack("<BQBQ", START, 7, 9, 1) + read_filters("a"), BAD_REQUEST),
])
def test_bad_requests_are_answered_with_an_error(reader, raw, error):
    r = reader.ask(raw)
    assert (r.ref, r.error) == (7, error)


def test_too_many_waiting_reads_are_refused_as_busy(broker, app):
    flood(app, 500, 1)
    s = broker.socket(zmq.DEALER, broker.reads, sndhwm=0, rcvhwm=0)
    for ref in range(20000):
        s.send(page_request(ref, "#"))
    errors = set()
    while errors != {0, BUSY}:
        errors.add(brokerlib.reply_of(s.recv()).error)


def test_a_reader_that_leaves_harms_nobody(broker, app):
    published(app, "a")
    leaver = Reader(broker)
    for ref in range(500):
        leaver.socket.send(page_request(ref, "#"))
    leaver.socket.close()
    assert len(Reader(broker).all("#")) == 1
