"""Processes are killed while publishers and subscribers are at work: every
acknowledged event arrives exactly once, in order (promises 1 to 5 of DESIGN.md)."""

import http.client
import time

import pytest

from faultlib import (TIMEOUT, AppPublisher, HttpPublisher, Stream, assert_exactly_once, flood,
                      seeded, wait_for)

BROKER, GATEWAY = "sluice-broker", "sluice-sse"


def publishers(system):
    return [
        HttpPublisher("keys", system.sse, "k/a", pause=0.002),
        HttpPublisher("producer", system.sse, "k/b", producer=True, pause=0.002),
        AppPublisher("app-1", system.apps, "k/c"),
        AppPublisher("app-2", system.apps, "k/d/e"),
    ]


def kill_at_random(system, victims):
    rng = seeded()
    rng.shuffle(victims)
    for victim in victims:
        time.sleep(rng.uniform(0.05, 0.9))
        system.kill_and_wait(victim)


def run_and_kill(system, victims):
    """{publisher: {payload: ID}}, all that was acknowledged."""
    working = publishers(system)
    for p in working:
        p.start()
    wait_for(lambda: all(p.acked for p in working), "every publisher has begun")
    kill_at_random(system, victims)
    for p in working:
        had = len(p.acked)
        wait_for(lambda p=p, had=had: p.failure or len(p.acked) > had + 5,
                 f"{p.name} goes on after the last kill")
        p.stop()
    print({p.name: (p.sent, sorted(p.refusals)) for p in working})
    return {p.name: p.acked for p in working}


def test_acknowledged_events_arrive_exactly_once_through_kills_of_both(start, subscribe):
    """Must show 3: the broker killed five times and the gateway three times."""
    system = start()
    clients = {name: subscribe(system.sse, path) for name, path in [
        ("keys", "k/a"), ("producer", "k/b"), ("app-1", "k/c"), ("app-2", "k/d/e")]}
    everything = subscribe(system.sse, "k/%23")
    lines = subscribe(system.sse, "k/+?topic=k/d/%23", accept=Stream.NDJSON)
    acked = run_and_kill(system, [BROKER] * 5 + [GATEWAY] * 3)
    for name, client in clients.items():
        assert_exactly_once(client, acked[name])
    union = {payload: id_ for one in acked.values() for payload, id_ in one.items()}
    for client in (everything, lines):
        assert client.connects > 1
        assert_exactly_once(client, union)
    assert not any(c.gaps for c in [everything, lines, *clients.values()])


def test_a_connected_client_does_not_notice_that_the_broker_is_killed(start, subscribe):
    """The gateway stays, so its clients' connections do, and nothing is missing."""
    system = start()
    clients = [subscribe(system.sse, "k/%23"),
               subscribe(system.sse, "k/%23", accept=Stream.NDJSON)]
    acked = run_and_kill(system, [BROKER] * 5)
    union = {payload: id_ for one in acked.values() for payload, id_ in one.items()}
    for client in clients:
        assert_exactly_once(client, union)
        assert client.connects == 1
        assert not client.gaps


@pytest.mark.parametrize("accept", [Stream.SSE, Stream.NDJSON])
def test_a_client_that_saw_no_event_resumes_from_its_start(start, subscribe, accept):
    """The start block holds an ID and no data; it is enough to miss nothing, though
    broker and gateway are killed and events come while the client is away."""
    system = start()
    flood(system.apps, "before", [b"not for this client"] * 10)
    client = subscribe(system.sse, "quiet", accept=accept)
    assert not client.events
    client.leave()
    ids = flood(system.apps, "quiet", [b"first"])
    system.kill_and_wait(GATEWAY)
    ids += flood(system.apps, "quiet", [b"second"])
    system.kill_and_wait(BROKER)
    ids += flood(system.apps, "quiet", [b"third"])
    client.come_back()
    assert [e.id for e in client.wait_count(3)] == ids


def test_a_position_between_events_moves_on(start, subscribe):
    """Keep-alives carry the position, so a client of a quiet topic does not fall
    behind what retention keeps of others."""
    system = start("[sse]\nkeepalive = 200ms\n[broker]\nmax_bytes = 200k\n")
    client = subscribe(system.sse, "quiet")
    begun = int(client.last)
    ids = flood(system.apps, "busy", [b"x" * 1000] * 2000)
    wait_for(lambda: int(client.last) >= ids[-1], "the position is beyond the last event")
    assert int(client.last) > begun
    system.kill(GATEWAY)
    id_ = flood(system.apps, "quiet", [b"hello"])[0]
    assert [e.id for e in client.wait_count(1)] == [id_]
    assert not client.gaps


def test_an_http_publish_in_flight_is_repeated_without_doubling(start, subscribe):
    """A broker killed again and again under one publisher with keys: each event has
    one ID, and a repeat after the acknowledgement is told the same one."""
    system = start()
    client = subscribe(system.sse, "a")
    publisher = HttpPublisher("again", system.sse, "a")
    publisher.start()
    for _ in range(3):
        had = len(publisher.acked)
        wait_for(lambda: len(publisher.acked) >= had + 20, "some more are acknowledged")
        system.kill(BROKER)
    had = len(publisher.acked)
    wait_for(lambda: len(publisher.acked) > had, "it goes on")
    publisher.stop()
    assert_exactly_once(client, publisher.acked)
    connection = http.client.HTTPConnection("127.0.0.1", system.sse, timeout=TIMEOUT)
    for n in (0, publisher.sent // 2, publisher.sent - 1):
        assert publisher.until_acked(connection, n) == publisher.acked[publisher.payload(n)]
    connection.close()
