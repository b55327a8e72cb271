"""Many pollers at once: each sees everything once, in order, whatever is killed."""

import threading
import time

import pytest
from pollers import Pollers
from sluicelib import TIMEOUT


class Publishing(threading.Thread):
    """Events one by one over a gateway that is not hurt; their IDs."""

    def __init__(self, s, topic, count, pause=0.0):
        super().__init__(daemon=True)
        self.s, self.topic, self.count, self.pause = s, topic, count, pause
        self.ids = []
        self.start()

    def run(self):
        for n in range(self.count):
            self.ids.append(int(self.s.publish(self.topic, f"event {n}")))
            time.sleep(self.pause)

    def done(self):
        return not self.is_alive()


@pytest.fixture
def sluice(new_sluice):
    return new_sluice(gateways=("sse", "poll"))


def all_wait(s, pollers, count):
    pollers.run_until(lambda: s.metrics("poll")["sluice_subscriptions"] == count,
                      "all of them wait")


def test_a_thousand_pollers_each_see_all_two_thousand_events_in_order(sluice):
    """Must show 2."""
    with Pollers(sluice.port("poll"), "a", 1000) as pollers:
        all_wait(sluice, pollers, 1000)
        publishing = Publishing(sluice, "a", 2000)
        pollers.all_have(2000)
        publishing.join(TIMEOUT)
        assert len(publishing.ids) == 2000
        assert all(p.ids == publishing.ids for p in pollers.all)
        assert all(p.connects == 1 for p in pollers.all)
        print("polls of each:", pollers.all[0].polls)
    assert sluice.metrics("poll")["sluice_pages_total"] == 0


def test_pollers_miss_nothing_when_the_gateway_is_killed_under_load(sluice):
    """Must show 5, in part."""
    with Pollers(sluice.port("poll"), "a", 100, wait="1s") as pollers:
        all_wait(sluice, pollers, 100)
        # A first answer, for whoever has none has no cursor to come back with.
        first = [int(sluice.publish("a", "first"))]
        pollers.all_have(1)
        publishing = Publishing(sluice, "a", 1500, pause=0.001)
        for n in range(1, 5):
            pollers.all_have(300 * n)
            sluice.processes["poll"].kill()
            missed = len(publishing.ids) + 20
            pollers.run_until(lambda n=missed: len(publishing.ids) >= n or publishing.done(),
                              "events come while the gateway is away")
            sluice.processes["poll"].start()
        pollers.all_have(1501)
        publishing.join(TIMEOUT)  # its last acknowledgement comes behind the event
        assert all(p.ids == first + publishing.ids for p in pollers.all)
        assert min(p.connects for p in pollers.all) == 5


def test_pollers_miss_nothing_when_the_broker_is_killed_under_load(sluice):
    with Pollers(sluice.port("poll"), "a", 50, wait="1s") as pollers:
        all_wait(sluice, pollers, 50)
        publishing = Publishing(sluice, "a", 600, pause=0.001)
        for n in range(1, 4):
            pollers.all_have(150 * n)
            sluice.broker.restart()
        pollers.all_have(600)
        publishing.join(TIMEOUT)
        assert all(p.ids == publishing.ids for p in pollers.all)
        assert all(p.connects == 1 for p in pollers.all)
