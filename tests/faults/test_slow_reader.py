"""A client that stops reading costs the gateway no growing memory and misses nothing
(promises 3 and 6 of DESIGN.md)."""

import time

import pytest

from faultlib import SANITIZED, Stream, flood, memory, post, wait_for

MB = 1 << 20
SMALL = "[limits]\nring = 1M\npage_cache = 1M\nring_pinned = 1M\n"
FIRST, ALL = (20_000, 60_000) if SANITIZED else (50_000, 200_000)
PAYLOAD = b"%07d" + b"x" * 93


def payloads(begin, end):
    return (PAYLOAD % n for n in range(begin, end))


def stop_reading(client):
    client.reading.clear()
    return client


def assert_all(client, ids):
    events = client.wait_count(len(ids))
    assert [e.id for e in events] == ids
    assert all(int(e.data[:7]) == n for n, e in enumerate(events))
    assert not client.gaps
    assert client.connects == 1


def test_a_client_that_does_not_read_for_200000_events(start, subscribe):
    """Must show 4: memory does not grow, others stay live, and it gets every event
    when it reads on, though the ring is far too small to hold them."""
    system = start(SMALL)
    live = subscribe(system.sse, "a")
    slow = stop_reading(subscribe(system.sse, "a", receive_buffer=8192))
    gateway = system.pid("sluice-sse")
    ids = flood(system.apps, "a", payloads(0, FIRST))
    live.wait_count(FIRST)
    before = memory(gateway)
    ids += flood(system.apps, "a", payloads(FIRST, ALL))
    published = time.monotonic()
    live.wait_count(ALL)
    after = memory(gateway)
    print(f"memory {before / MB:.1f} -> {after / MB:.1f} MB; the live client had all "
          f"{live.arrivals[-1] - published:.2f} s after the last acknowledgement")
    assert after - before < 4 * MB
    assert len(slow.events) < FIRST / 2
    slow.reading.set()
    assert_all(slow, ids)
    assert [e.id for e in live.events] == ids
    assert live.connects == 1


def test_many_stalled_clients_cost_no_more_than_their_connections(start, subscribe):
    """Ten that stop at different places, in the middle of an event or not."""
    system = start(SMALL)
    slow = [stop_reading(subscribe(system.sse, "a", receive_buffer=4096)) for _ in range(10)]
    gateway = system.pid("sluice-sse")
    ids = flood(system.apps, "a", payloads(0, 40_000))
    wait_for(lambda: system.metric("sse", "sluice_fallbacks_total") >= 10, "all have stalled")
    begun = memory(gateway)
    ids += flood(system.apps, "a", payloads(40_000, 80_000))
    assert memory(gateway) - begun < 4 * MB
    for client in slow:
        client.reading.set()
    for client in slow:
        assert_all(client, ids)


@pytest.mark.parametrize("accept", [Stream.SSE, Stream.NDJSON])
def test_a_stalled_client_of_large_events_is_served_whole(start, subscribe, accept):
    """Events larger than the ring: one is half written when the client stalls, and
    its rest comes when it reads on."""
    system = start("[limits]\nring = 64k\npage_cache = 64k\nring_pinned = 4M\n")
    slow = stop_reading(subscribe(system.sse, "big", accept=accept, receive_buffer=4096))
    ids = [post(system.sse, "big", "%d " % n + "y" * 400_000) for n in range(20)]
    slow.reading.set()
    assert [e.id for e in slow.wait_count(20)] == ids
    assert sorted(slow.payloads(), key=lambda p: int(p.split()[0])) == list(slow.payloads())
    assert all(len(p) > 400_000 for p in slow.payloads())
    assert slow.connects == 1


def test_the_client_stalled_longest_is_closed_when_too_much_is_pinned(start, subscribe):
    """ring_pinned bounds what half-written events may hold; whoever is closed for it
    resumes by ID and still misses nothing."""
    system = start("[limits]\nring = 64k\npage_cache = 64k\nring_pinned = 64k\n")
    slow = [stop_reading(subscribe(system.sse, f"big/{n}", receive_buffer=4096)) for n in range(4)]
    ids = [[] for _ in slow]
    while system.metric("sse", "sluice_stalled_closed_total") == 0:
        assert len(ids[0]) < 50, "nobody was closed"
        # Of several sizes, so that the kernel, which takes some megabytes of each
        # client, does not take them to the end of an event.
        for n, (client, its) in enumerate(zip(slow, ids)):
            its.append(post(system.sse, client.path, f"{len(its)} " + "y" * (500_000 + 97_000 * n)))
    assert system.metric("sse", "sluice_ring_pinned_bytes") <= 64 << 10
    for client in slow:
        client.reading.set()
    for client, its in zip(slow, ids):
        assert [e.id for e in client.wait_count(len(its))] == its
    assert any(client.connects > 1 for client in slow)


def test_a_client_that_reads_slowly_does_not_delay_the_others(start, subscribe):
    """While one client stalls over a flood, an event on another topic arrives at once."""
    system = start(SMALL)
    stop_reading(subscribe(system.sse, "a", receive_buffer=4096))
    other = subscribe(system.sse, "other")
    flood(system.apps, "a", payloads(0, FIRST))
    delays = []
    for n in range(20):
        before = time.monotonic()
        post(system.sse, "other", b"now")
        other.wait_count(n + 1)
        delays.append(other.arrivals[-1] - before)
    print(f"median {sorted(delays)[10] * 1000:.1f} ms, worst {max(delays) * 1000:.1f} ms")
    assert sorted(delays)[10] < 0.1
