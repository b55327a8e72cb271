"""A gateway that is stopped (SIGSTOP) holds up nobody, costs the broker bounded memory
and loses nothing (promises 3 and 6 of DESIGN.md)."""

import signal
import threading
import time

from faultlib import (SANITIZED, Gateway, HttpPublisher, Stream, assert_exactly_once, flood, memory,
                      post, wait_for)

MB = 1 << 20
# The first part fills the broker's page cache; what comes after may not add to it.
WARM, FLOOD, GROWTH = (20_000, 40_000, 64 * MB) if SANITIZED else (60_000, 100_000, 16 * MB)


def payloads(count):
    return (b"%07d" % n + b"x" * 493 for n in range(count))


class Prober:
    """Publishes on a topic of its own and measures until the subscriber has it."""

    def __init__(self, system, subscriber):
        self.system, self.subscriber = system, subscriber
        self.delays, self.failure = [], None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.over.is_set():
                before = time.monotonic()
                post(self.system.sse, self.subscriber.path, b"probe")
                self.subscriber.wait_count(len(self.delays) + 1)
                self.delays.append(self.subscriber.arrivals[-1] - before)
                self.over.wait(0.02)
        except Exception as e:  # shown by stop()
            self.failure = e

    def stop(self):
        self.over.set()
        self.thread.join()
        if self.failure:
            raise self.failure
        return sorted(self.delays)


def test_a_frozen_gateway_under_a_flood(start, subscribe):
    """Must show 6: the other gateway's clients keep their latency, the broker's
    memory stays bounded, and after SIGCONT nothing is missing or twice."""
    system = start()
    with Gateway(system, system.port(18)) as frozen:
        one = subscribe(frozen.port, "a")
        every = subscribe(frozen.port, "%23", accept=Stream.NDJSON)
        live, probed = subscribe(system.sse, "a"), subscribe(system.sse, "probe")
        ids = flood(system.apps, "a", payloads(WARM))
        live.wait_count(WARM)
        broker = system.pid("sluice-broker")
        before = memory(broker)
        frozen.signal(signal.SIGSTOP)
        prober = Prober(system, probed)
        ids += flood(system.apps, "a", payloads(FLOOD))
        acknowledged = time.monotonic()
        live.wait_count(WARM + FLOOD)
        delays, after = prober.stop(), memory(broker)
        print(f"broker {before / MB:.0f} -> {after / MB:.0f} MB; {len(delays)} probes: median "
              f"{delays[len(delays) // 2] * 1e3:.1f} ms, worst {delays[-1] * 1e3:.0f} ms; the last "
              f"event {live.arrivals[-1] - acknowledged:+.2f} s after its acknowledgement")
        assert after - before < GROWTH
        assert delays[len(delays) // 2] < 0.25 and delays[-1] < 3
        frozen.signal(signal.SIGCONT)
        assert [e.id for e in one.wait_count(len(ids))] == ids
        probes = [e.id for e in probed.events]
        assert [e.id for e in every.wait_count(len(ids + probes))] == sorted(ids + probes)
        for client in (one, every):
            assert client.connects == 1 and not client.gaps
        assert [e.id for e in live.events] == ids
        assert live.connects == 1


def test_a_gateway_frozen_for_a_moment_again_and_again(start, subscribe):
    """Pauses too short for a heartbeat to notice: the credit does it."""
    system = start("[broker]\ngateway_credit = 1M\n")
    with Gateway(system, system.port(18), "--broker-gateway-credit", "1M") as frozen:
        client = subscribe(frozen.port, "a")
        ids = []
        for _ in range(5):
            frozen.signal(signal.SIGSTOP)
            ids += flood(system.apps, "a", payloads(3000))
            frozen.signal(signal.SIGCONT)
            client.wait_count(len(ids))
        assert [e.id for e in client.events] == ids
        assert client.connects == 1 and not client.gaps
        assert system.metric("broker", "sluice_gateway_pauses_total") > 0


def test_the_broker_is_killed_while_a_gateway_is_frozen(start, subscribe):
    """What the thawed gateway still holds of the old broker does no harm."""
    system = start()
    with Gateway(system, system.port(18)) as frozen:
        client = subscribe(frozen.port, "a")
        ids = flood(system.apps, "a", payloads(1000))
        client.wait_count(500)
        frozen.signal(signal.SIGSTOP)
        ids += flood(system.apps, "a", payloads(1000))
        system.kill_and_wait("sluice-broker")
        ids += flood(system.apps, "a", payloads(1000))
        frozen.signal(signal.SIGCONT)
        ids += flood(system.apps, "a", payloads(1000))
        assert [e.id for e in client.wait_count(len(ids))] == ids
        assert client.connects == 1 and not client.gaps


def test_a_publisher_at_a_gateway_that_freezes(start, subscribe):
    """Its publishes wait or are repeated; each is stored once."""
    system = start()
    client = subscribe(system.sse, "p")
    with Gateway(system, system.port(18)) as frozen:
        publisher = HttpPublisher("frozen", frozen.port, "p", producer=True)
        publisher.start()
        for _ in range(4):
            had = len(publisher.acked)
            wait_for(lambda had=had: len(publisher.acked) > had + 20, "it publishes")
            frozen.signal(signal.SIGSTOP)
            time.sleep(0.3)
            frozen.signal(signal.SIGCONT)
        publisher.stop()
    assert_exactly_once(client, publisher.acked)
