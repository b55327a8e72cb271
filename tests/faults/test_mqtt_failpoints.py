"""Must show 2 and 3 of the MQTT gateway: the process is killed at every step of the QoS 2
exchanges, and of what sessions and groups write.  Whatever was acknowledged arrives: at
QoS 2 exactly once, in order."""

import pytest
from mqttkill import (Doomed, Mortal, Publisher, Subscriber, at_least_once, differences, of,
                      once_and_in_order, points, tended)
from mqttlib import V3, V5

GATEWAYS = ("mqtt", "mqtt-2")
MORE = 6  # messages of each publisher, acknowledged after the last death

# What a QoS 2 exchange passes, with which passing it ends.
EXCHANGE = [
    "mqtt_publish_come:4", "mqtt_in_written:4", "mqtt_pubrec_left:2", "mqtt_pubrel_come:2",
    "mqtt_in_released:2", "mqtt_pubcomp_left:2",
    "mqtt_out_gathered:2", "mqtt_write:2", "mqtt_write:3", "mqtt_write:4", "mqtt_out_written:2",
    "mqtt_publish_left:2", "mqtt_pubrec_come:2", "mqtt_pubrec_written:2", "mqtt_pubrel_left:2",
    "mqtt_pubcomp_come:2",
]
BROKER = [f"{point}:{n}" for point in ("broker_write", "broker_written") for n in range(3, 10)]
CHECKPOINT = ["mqtt_position:2", "mqtt_positioned:1", "broker_position:1", "broker_positioned:1"]
# With clients that come and go.
ATTACHING = [
    "mqtt_attached:2", "mqtt_attached:6", "mqtt_resumed:6", "mqtt_detach:1", "mqtt_detach:3",
    "broker_attach:2", "broker_attach:6", "broker_attached:2", "broker_attached:6",
    "broker_detach:1", "broker_detach:3", "broker_detached:1", "broker_detached:3",
]
ROAMING = [
    "mqtt_out_gathered:3", "mqtt_out_written:3", "mqtt_publish_left:3", "mqtt_pubrec_come:3",
    "mqtt_pubrec_written:3", "mqtt_pubrel_left:3", "mqtt_pubcomp_come:3", "mqtt_attached:5",
    "mqtt_resumed:5", "mqtt_detach:3", "broker_attached:7", "broker_detach:2", "broker_detached:2",
]
WILLS = ["mqtt_detach:1", "broker_detach:1", "broker_detached:1"]
DELAYED = ["broker_due:1", "broker_due_done:1"]
GROUPS = [
    "broker_group_save:3", "broker_group_saved:3", "mqtt_assigned:3", "broker_take:3",
    "broker_taken:3", "mqtt_taken:3",
]


class Traffic:
    """A publisher at each QoS, a subscriber at each."""

    def __init__(self, system, version=V5, restless=0):
        self.system = system
        self.publishers = [Publisher(system, f"p{qos}", f"k/{qos}", qos, version=version)
                           for qos in (1, 2)]
        self.subscribers = [Subscriber(system, f"s{qos}", "k/#", qos, restless, version=version)
                            for qos in (1, 2)]
        self.clients = self.publishers + self.subscribers

    def run(self):
        for s in self.subscribers:
            s.start()
        self.until(lambda: all(s.subscribed for s in self.subscribers), "all have subscribed")
        for p in self.publishers:
            p.start()
        self.until(lambda: self.system.deaths == self.system.lives, f"{self.system.point}")
        had = [len(p.acked) for p in self.publishers]
        self.until(lambda: all(len(p.acked) >= n + MORE for p, n in zip(self.publishers, had)),
                   lambda: f"all goes on: {self.states()}")
        self.finish()

    def finish(self):
        for p in self.publishers:
            p.finish()
        self.until(self.all_there, lambda: f"all arrives: {self.states()}")
        for s in self.subscribers:
            s.restless = 0
            s.finish()

    def all_there(self):
        acked = {p for publisher in self.publishers for p in publisher.acked}
        return all(acked <= set(s.got[1] + s.got[2]) for s in self.subscribers)

    def states(self):
        return {c.name: c.state() for c in self.clients}

    def until(self, condition, what):
        tended(self.system, self.clients, condition, what)

    def check(self):
        one, two = self.publishers
        at_least_once(one, self.subscribers[0].got[1])
        at_least_once(two, self.subscribers[0].got[1])
        at_least_once(one, self.subscribers[1].got[1])
        once_and_in_order(two, self.subscribers[1].got[2])


@pytest.fixture
def doomed(tmp_path):
    made = []

    def start(*args, **kw):
        made.append(Doomed(tmp_path, *args, **kw))
        return made[-1].start()
    yield start
    for s in made:
        s.end()


@pytest.mark.parametrize("point", EXCHANGE + BROKER + CHECKPOINT)
def test_exactly_once_through_a_kill(doomed, point):
    traffic = Traffic(doomed(point))
    traffic.run()
    traffic.check()


@pytest.mark.parametrize("point", ATTACHING)
def test_exactly_once_to_clients_that_come_and_go(doomed, point):
    traffic = Traffic(doomed(point), restless=8)
    traffic.run()
    traffic.check()


@pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
@pytest.mark.parametrize("point", EXCHANGE)
def test_another_gateway_takes_the_exchange_up(doomed, point, version):
    traffic = Traffic(doomed(point, elsewhere=True, gateways=GATEWAYS), version)
    traffic.run()
    traffic.check()


@pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
@pytest.mark.parametrize("point", ROAMING)
def test_exactly_once_to_clients_of_now_this_gateway_now_that(doomed, point, version):
    traffic = Traffic(doomed(point, roaming=True, gateways=GATEWAYS), version, restless=8)
    traffic.run()
    traffic.check()


@pytest.mark.parametrize("point", EXCHANGE[::3] + BROKER[::4])
def test_exactly_once_through_kill_upon_kill(doomed, point):
    """What comes again comes to its point again."""
    traffic = Traffic(doomed(point, lives=4), V3, restless=30)
    traffic.run()
    traffic.check()


def wills_that_came(system, delay):
    """A client's connection is cut; the wills that its subscriber has got in the end."""
    mortal = Mortal(system, "mortal", "k/will", delay)
    subscriber = Subscriber(system, "s", "k/#")
    clients = [mortal, subscriber]
    subscriber.start()
    tended(system, clients, lambda: subscriber.subscribed, "it has subscribed")
    mortal.start()
    tended(system, clients, mortal.up.is_set, "the client is connected")
    mortal.stopping = True
    tended(system, clients, lambda: subscriber.got[2], "its will comes")
    tended(system, clients, lambda: system.deaths == system.lives, system.point)
    mortal.finish()
    publisher = Publisher(system, "p", "k/2")
    publisher.start()
    tended(system, [publisher], lambda: len(publisher.acked) >= MORE, "others publish")
    publisher.finish()
    tended(system, clients, lambda: len(of(publisher, subscriber.got[2])) == len(publisher.acked),
           "that arrives")
    subscriber.finish()
    return [p for p in subscriber.got[2] if p == "will"]


@pytest.mark.parametrize("point", WILLS)
def test_a_will_is_sent_once(doomed, point):
    assert wills_that_came(doomed(point), 0) == ["will"]


@pytest.mark.parametrize("point", DELAYED)
def test_a_delayed_will_is_sent_once(doomed, point):
    assert wills_that_came(doomed(point), 1) == ["will"]


def all_at_members(system):
    """Two publishers, and two members of a group at two gateways."""
    members = [Subscriber(system, f"m{n}", "$share/g/k/#", gateway=gateway)
               for n, gateway in enumerate(GATEWAYS)]
    publishers = [Publisher(system, f"p{n}", "k/2", gateway="mqtt-2") for n in range(2)]
    clients = members + publishers
    for m in members:
        m.start()
    tended(system, clients, lambda: all(m.subscribed for m in members), "all have subscribed")
    for p in publishers:
        p.start()
    tended(system, clients, lambda: system.deaths == system.lives, system.point)
    had = [len(p.acked) for p in publishers]
    tended(system, clients, lambda: all(len(p.acked) >= n + MORE for p, n in zip(publishers, had)),
           "all goes on")
    for p in publishers:
        p.finish()
    acked = sorted(publishers[0].acked + publishers[1].acked)
    tended(system, clients, lambda: set(acked) <= set(members[0].got[2] + members[1].got[2]),
           lambda: f"all arrives: {differences(acked, members[0].got[2] + members[1].got[2])}")
    for m in members:
        m.finish()
    return acked, sorted(members[0].got[2] + members[1].got[2])


@pytest.mark.parametrize("point", GROUPS)
def test_a_group_gets_each_event_once(doomed, point):
    acked, got = all_at_members(doomed(point, gateways=GATEWAYS))
    assert got == acked, differences(acked, got)


def test_every_point_is_passed():
    """Each case waits until its point has ended a process: none stands where nothing comes."""
    cases = EXCHANGE + BROKER + CHECKPOINT + ATTACHING + ROAMING + WILLS + DELAYED + GROUPS
    assert {case.split(":")[0] for case in cases} == set(points())
