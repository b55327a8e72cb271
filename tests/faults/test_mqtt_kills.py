"""The MQTT gateway and the broker are killed at random moments, under clients as careful
as the specification asks: what was acknowledged arrives, at QoS 2 exactly once, in order.
(test_mqtt_failpoints.py places the kills; here nobody knows where they hit.)"""

import time

import pytest

from faultlib import SLOW, seeded, wait_for
from mqttkill import Publisher, Subscriber, at_least_once, differences, of, once_and_in_order
from mqttlib import V3, V5
from sluicelib import PORTS, Sluice

BROKER, GATEWAY = "sluice-broker", "sluice-mqtt"
GATEWAYS = ("mqtt", "mqtt-2")


class Doors:
    """Where clients of a system under `sluice up` find their gateway."""

    def __init__(self, system):
        self.system = system

    def door(self, _name):
        return self.system.port(PORTS["mqtt"])


class Several(Sluice):
    """A broker with gateways; whoever comes back may find another one than it left."""

    def __init__(self, folder, gateways):
        super().__init__(folder, gateways=gateways)
        self.rng = seeded()
        self.roaming = True

    def door(self, name):
        return self.port(self.rng.choice(self.gateways) if self.roaming else name)

    def kill(self, name):
        self.processes[name].restart()


@pytest.fixture
def several(tmp_path):
    made = []

    def make(*gateways):
        made.append(Several(tmp_path, gateways))
        return made[-1].start()
    yield make
    for system in made:
        system.end()


@pytest.fixture
def two(several):
    return several(*GATEWAYS)


def until(clients, condition, what):
    def look():
        for c in clients:
            c.check()
        return condition()
    wait_for(look, what)


def begin(publishers, subscribers):
    for s in subscribers:
        s.start()
    until(subscribers, lambda: all(s.subscribed for s in subscribers), "all have subscribed")
    for p in publishers:
        p.start()
    until(publishers, lambda: all(p.acked for p in publishers), "every publisher has begun")


def kill_all(kill, victims, pause=0.4):
    rng = seeded()
    rng.shuffle(victims)
    for victim in victims:
        time.sleep(rng.uniform(0.02, pause))
        kill(victim)


def end(publishers, subscribers, complete):
    """All goes on after the last kill, then everything acknowledged arrives."""
    clients = publishers + subscribers
    had = [len(p.acked) for p in publishers]
    until(clients, lambda: all(len(p.acked) > n + 5 for p, n in zip(publishers, had)),
          "every publisher goes on after the last kill")
    for p in publishers:
        p.finish()
    until(clients, complete, lambda: f"all arrives: { {s.name: s.state() for s in subscribers} }")
    for s in subscribers:
        s.restless = 0
        s.finish()
    print({c.name: c.connects for c in clients}, {p.name: len(p.acked) for p in publishers})


def acked(publishers):
    return {payload for p in publishers for payload in p.acked}


def has_all(subscriber, publishers):
    return acked(publishers) <= set(subscriber.got[1] + subscriber.got[2])


def mixed(system, restless=0):
    """(publishers, subscribers): each QoS in each version."""
    publishers = [Publisher(system, f"p{qos}v{v}", f"k/{qos}", qos, version=v)
                  for qos in (1, 2) for v in (V3, V5)]
    subscribers = [Subscriber(system, f"s{qos}v{v}", "k/#", qos, restless, version=v)
                   for qos in (1, 2) for v in (V3, V5)]
    return publishers, subscribers


def check(publishers, subscribers):
    for s in subscribers:
        for p in publishers:
            if s.qos == 2 and p.qos == 2:
                once_and_in_order(p, s.got[2])
            else:
                at_least_once(p, s.got[1])
        assert s.connects > 1


def test_through_ten_kills_of_each(several):
    """Must show 2."""
    system = several("mqtt")
    publishers, subscribers = mixed(system)
    begin(publishers, subscribers)
    kill_all(system.kill, ["broker", "mqtt"] * 10)
    end(publishers, subscribers, lambda: all(has_all(s, publishers) for s in subscribers))
    check(publishers, subscribers)


def test_clients_stay_while_the_broker_is_killed(start):
    """Their connections are the gateway's; nothing is lost, at QoS 1 nothing doubled."""
    system = start()
    publishers, subscribers = mixed(Doors(system))
    begin(publishers, subscribers)
    kill_all(system.kill_and_wait, [BROKER] * 4)
    end(publishers, subscribers, lambda: all(has_all(s, publishers) for s in subscribers))
    for s in subscribers:
        for p in publishers:
            assert of(p, s.got[min(s.qos, p.qos)]) == p.acked
        assert s.connects == 2  # finish() looks once more


def test_sessions_wander_between_gateways_that_are_killed(two):
    """Must show 3: half-done exchanges are taken up elsewhere, by clients that come and go."""
    publishers, subscribers = mixed(two, restless=200)
    begin(publishers, subscribers)
    kill_all(two.kill, [*GATEWAYS] * 4 + ["broker"] * 2)
    end(publishers, subscribers, lambda: all(has_all(s, publishers) for s in subscribers))
    check(publishers, subscribers)


@pytest.mark.parametrize("qos", [1, 2])
def test_a_group_whose_members_are_killed(two, qos):
    """Must show 5: two members at each of two gateways, the gateways killed in turn."""
    two.roaming = False
    members = [Subscriber(two, f"m{n}", "$share/g/k/#", qos, gateway=GATEWAYS[n % 2])
               for n in range(4)]
    publishers = [Publisher(two, f"p{n}", "k/x", 2, gateway=GATEWAYS[n]) for n in range(2)]
    begin(publishers, members)
    kill_all(two.kill, [*GATEWAYS] * 3)

    def got():
        return [payload for m in members for payload in m.got[qos]]
    end(publishers, members, lambda: acked(publishers) <= set(got()))
    wanted = sorted(acked(publishers))
    assert sorted(set(got())) == wanted, differences(wanted, got())
    if qos == 2:
        assert sorted(got()) == wanted, differences(wanted, got())
    assert all(len(m.got[qos]) > len(wanted) / 20 for m in members), [
        len(m.got[qos]) for m in members]


def test_members_of_a_group_that_come_and_go(two):
    """QoS 2, and nobody is killed but the connections."""
    members = [Subscriber(two, f"m{n}", "$share/g/k/#", 2, restless=20) for n in range(3)]
    publishers = [Publisher(two, f"p{n}", "k/x", 2) for n in range(2)]
    begin(publishers, members)
    until(members + publishers, lambda: all(m.connects > 5 for m in members), "they come and go")

    def got():
        return [payload for m in members for payload in m.got[2]]
    end(publishers, members, lambda: acked(publishers) <= set(got()))
    wanted = sorted(acked(publishers))
    assert sorted(got()) == wanted, differences(wanted, got())


def test_under_sluice_up(start):
    """The supervisor raises them; when all clients have gone nobody counts as connected."""
    system = start()
    publishers, subscribers = mixed(Doors(system))
    begin(publishers, subscribers)
    kill_all(system.kill_and_wait, [BROKER, GATEWAY] * 2)
    end(publishers, subscribers, lambda: all(has_all(s, publishers) for s in subscribers))
    check(publishers, subscribers)
    wait_for(lambda: system.metric("broker", "sluice_sessions_attached") == 0,
             "no session is attached", 15 * SLOW)
