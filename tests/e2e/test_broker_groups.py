"""Shared subscriptions in the broker: each event to one member of its group."""

import pytest

from brokerlib import Broker, publish, record, wait_for
from sessionlib import (CONFLICT, SessionGateway, app_of, drop, put, shared, taken)

GROUP = "$share/g/a/#"


@pytest.fixture
def broker():
    b = Broker().start()
    yield b
    b.close()


@pytest.fixture
def app(broker):
    return app_of(broker)


@pytest.fixture
def gateway(broker):
    return SessionGateway(broker)


@pytest.fixture
def other(broker):
    return SessionGateway(broker)


def member(gateway, client, qos=1, credit=100, expiry=60, group=GROUP, **kw):
    s = gateway.attach(client, expiry=expiry)
    assert s.write(shared(group, qos, **kw)) == 0
    if credit:
        gateway.credit(s, credit)
    return s


def publish_all(app, count, topic="a/x"):
    """QoS 2 events of an application; returns their IDs."""
    for n in range(count):
        publish(app, topic, str(n))
    return [int(app.recv_multipart()[2]) for _ in range(count)]


def ids(gateway, client=None):
    return [a.event.id for a in gateway.assigned if client in (None, a.client)]


def got(gateway, count, client=None):
    gateway.until(lambda: len(ids(gateway, client)) >= count, f"{count} assigned events")
    return ids(gateway, client)


def take(gateway, session, *event_ids, group=GROUP, **kw):
    """The session makes QoS 2 events its own."""
    items = [put(b"O" + n.to_bytes(2, "big"), b"%d" % i) for n, i in enumerate(event_ids, 1)]
    return gateway.write(session, *items, groups=b"".join(taken(group, i) for i in event_ids),
                         **kw)


# --- who gets what -----------------------------------------------------------------------

def test_each_event_goes_to_one_member(broker, gateway, other, app):
    member(gateway, "m1")
    member(other, "m2")
    expected = publish_all(app, 20)
    assert sorted(got(gateway, 10) + got(other, 10)) == expected


def test_an_assignment_names_member_group_and_event(gateway, app):
    s = member(gateway, "m1")
    (id_,) = publish_all(app, 1)
    got(gateway, 1)
    (a,) = gateway.assigned
    assert (a.client, a.epoch, a.group) == ("m1", s.epoch, GROUP)
    assert (a.event.id, a.event.topic, a.event.payload) == (id_, "a/x", b"0")


def test_what_the_filter_does_not_match_is_nobodys(gateway, app):
    member(gateway, "m1")
    publish_all(app, 3, "b")
    expected = publish_all(app, 1)
    assert got(gateway, 1) == expected


def test_groups_of_the_same_filter_each_get_all(gateway, app):
    member(gateway, "m1")
    member(gateway, "m2", group="$share/h/a/#")
    expected = publish_all(app, 5)
    assert got(gateway, 5, "m1") == got(gateway, 5, "m2") == expected


def test_an_event_of_many_groups_travels_once(gateway, app):
    for n in range(5):
        member(gateway, f"m{n}", group=f"$share/g{n}/a/#")
    expected = publish_all(app, 3)
    assert sorted(got(gateway, 15)) == sorted(expected * 5)
    assert gateway.records == 3


def test_the_member_with_most_credit_gets_it(gateway, app):
    member(gateway, "m1", credit=2)
    member(gateway, "m2", credit=7)
    publish_all(app, 5)
    assert len(got(gateway, 5, "m2")) == 5


def test_without_credit_the_group_waits_and_loses_nothing(gateway, app):
    s = member(gateway, "m1", credit=2)
    expected = publish_all(app, 10)
    assert got(gateway, 2) == expected[:2]
    gateway.done(s, GROUP, *expected[:2])
    gateway.credit(s, 3)
    assert got(gateway, 5) == expected[:5]
    gateway.credit(s, 100)
    assert got(gateway, 10) == expected
    more = publish_all(app, 2)
    assert got(gateway, 12) == expected + more


def test_a_new_group_starts_at_the_head_or_where_it_says(gateway, app):
    old = publish_all(app, 3)
    member(gateway, "m1")
    member(gateway, "m2", group="$share/h/a/#", start=old[0])
    new = publish_all(app, 2)
    assert got(gateway, 2, "m1") == new
    assert got(gateway, 4, "m2") == old[1:] + new


def test_one_who_joins_later_does_not_move_the_group(gateway, app):
    old = publish_all(app, 2)
    member(gateway, "m1", credit=0)
    new = publish_all(app, 2)
    member(gateway, "m2", start=old[0] - 1)
    assert got(gateway, 2, "m2") == new


@pytest.mark.parametrize("group", ["$share/g", "$share//a", "$share/g/a/#/b", "$share/g/"])
def test_a_group_that_is_none_is_refused(gateway, group):
    s = gateway.attach("c", expiry=60)
    assert s.write(shared(group, 1)).error == 3


def test_one_who_leaves_gets_nothing_more(gateway, app):
    s = member(gateway, "m1")
    member(gateway, "m2", credit=1000)
    assert s.write(drop("F" + GROUP)) == 0
    expected = publish_all(app, 5)
    assert got(gateway, 5, "m2") == expected
    assert ids(gateway, "m1") == []


# --- members that go -----------------------------------------------------------------------

def test_what_a_member_had_goes_to_another_in_order(gateway, other, app):
    s = member(gateway, "m1", credit=5)
    expected = publish_all(app, 8)
    assert got(gateway, 5) == expected[:5]
    gateway.done(s, GROUP, expected[1])
    s.detach()
    member(other, "m2")
    assert got(other, 7) == [i for i in expected if i != expected[1]]


def test_a_dead_gateways_events_go_to_another(gateway, other, app):
    member(gateway, "m1", credit=1000)
    expected = publish_all(app, 5)
    got(gateway, 5)
    member(other, "m2", credit=10)
    gateway.leave()
    assert got(other, 5) == expected


def test_what_is_returned_goes_to_another(gateway, other, app):
    s = member(gateway, "m1", credit=1000)
    member(other, "m2", credit=10)
    (id_,) = publish_all(app, 1)
    got(gateway, 1)
    gateway.credit(s, 0)
    gateway.done(s, GROUP, id_, returned=True)
    assert got(other, 1) == [id_]


def test_with_nobody_connected_the_cursor_waits(gateway, other, app):
    s = member(gateway, "m1")
    s.detach()
    expected = publish_all(app, 5)
    s = other.attach("m1", expiry=60)
    assert s.present
    other.credit(s, 100)
    assert got(other, 5) == expected


def test_a_group_whose_sessions_have_ended_is_forgotten(gateway, app):
    s = member(gateway, "m1")
    s.detach(expiry=0)
    publish_all(app, 2)
    member(gateway, "m1")
    new = publish_all(app, 1)
    assert got(gateway, 1) == new


def test_a_member_in_memory_alone_is_forgotten_with_its_connection(gateway, app):
    s = member(gateway, "m1", expiry=0)
    first = publish_all(app, 1)
    assert got(gateway, 1) == first
    s.detach()
    publish_all(app, 2)
    member(gateway, "m1", expiry=0)
    new = publish_all(app, 1)
    assert got(gateway, 2) == first + new


# --- QoS 2 -------------------------------------------------------------------------------------

def test_an_event_taken_over_is_the_sessions_own(gateway, other, app):
    s = member(gateway, "m1", qos=2)
    expected = publish_all(app, 3)
    assert got(gateway, 3) == expected
    assert take(gateway, s, *expected[:2]) == 0
    s.detach()
    member(other, "m2", qos=2)
    assert got(other, 1) == expected[2:]
    s = other.attach("m1", expiry=60)
    assert sorted(v for k, v in s.items.items() if k[0] == "O") == \
        sorted(b"%d" % i for i in expected[:2])


def test_what_is_anothers_by_now_cannot_be_taken_over(gateway, other, app):
    s = member(gateway, "m1", qos=2, credit=1000)
    t = member(other, "m2", qos=2, credit=10)
    expected = publish_all(app, 2)
    got(gateway, 2)
    gateway.credit(s, 0)
    gateway.done(s, GROUP, expected[1], returned=True)
    assert got(other, 1) == expected[1:]
    answer = take(gateway, s, *expected)
    assert (answer.error, answer.text) == (CONFLICT, str(expected[1]))
    assert take(other, t, expected[1]) == 0
    assert take(gateway, s, expected[0]) == 0
    assert s.detach() is None


def test_a_take_over_sent_again_after_a_kill_is_no_conflict(broker, gateway, app):
    s = member(gateway, "m1", qos=2)
    expected = publish_all(app, 2)
    assert got(gateway, 2) == expected
    assert take(gateway, s, expected[0]) == 0
    seq = gateway.seq
    broker.kill()
    broker.start()
    gateway.rejoin()
    gateway.assigned.clear()
    gateway.seq = seq - 1
    assert take(gateway, s, expected[0]) == 0
    gateway.credit(s, 100)
    assert got(gateway, 1) == expected[1:]


def test_kills_of_the_broker_lose_nothing_and_double_nothing_at_qos_2(broker):
    """Two members take over what they are assigned while the broker is killed."""
    gateways = [SessionGateway(broker) for _ in range(2)]
    app = app_of(broker)
    sessions = [member(g, f"m{n}", qos=2, credit=20) for n, g in enumerate(gateways)]
    published, owned = [], [[], []]

    def work(goal):
        def step():
            for g, s, own in zip(gateways, sessions, owned):
                g.poll()
                for a in g.assigned:
                    if take(g, s, a.event.id) == 0:
                        own.append(a.event.id)
                g.assigned.clear()
                g.credit(s, 20)
            return sum(len(o) for o in owned) >= goal
        wait_for(step, f"{goal} events")

    for round_ in range(4):
        published += publish_all(app, 60)
        work(len(published) - 30 if round_ < 3 else len(published))
        if round_ < 3:
            broker.kill()
            broker.start()
            for g in gateways:
                g.assigned.clear()
                g.rejoin()
    assert sorted(owned[0] + owned[1]) == published


# --- kills --------------------------------------------------------------------------------------------

def test_after_a_restart_what_was_not_done_with_is_assigned_again(broker, gateway, app):
    s = member(gateway, "m1", qos=1)
    expected = publish_all(app, 6)
    got(gateway, 6)
    gateway.done(s, GROUP, *expected[:3])
    broker.kill()
    broker.start()
    gateway.assigned.clear()
    gateway.rejoin()
    gateway.credit(s, 100)
    gateway.until(lambda: set(expected[3:]) <= set(ids(gateway)), "the rest")


def test_members_in_memory_alone_join_again_after_a_restart(broker, gateway, app):
    s = member(gateway, "m1", qos=2, expiry=0)
    publish_all(app, 1)
    got(gateway, 1)
    broker.kill()
    broker.start()
    missed = publish_all(app_of(broker), 2)
    gateway.assigned.clear()
    gateway.rejoin()
    assert s.write(shared(GROUP, 2)) == 0
    gateway.credit(s, 100)
    assert got(gateway, 3)[1:] == missed


def test_a_lost_link_assigns_again(gateway, app):
    s = member(gateway, "m1", qos=2)
    expected = publish_all(app, 2)
    got(gateway, 2)
    gateway.assigned.clear()
    gateway.rejoin()
    gateway.credit(s, 10)
    assert got(gateway, 2) == expected


def test_an_event_at_qos_0_is_handed_over_and_forgotten(broker, gateway):
    s = member(gateway, "m1", qos=2)
    t = gateway.attach("p", expiry=0)
    id_ = t.write(record=record("a/x", flags=0))
    assert got(gateway, 1) == [id_]
    gateway.assigned.clear()
    gateway.rejoin()
    gateway.credit(s, 10)
    second = t.write(record=record("a/x", flags=1 << 4))
    assert got(gateway, 1) == [second]


def test_an_event_that_was_deleted_meanwhile_is_skipped(gateway, other, app):
    member(gateway, "m1", credit=3)
    expected = publish_all(app, 3)
    got(gateway, 3)
    other.delete(1000, "a/x")
    assert len(other.acks(1)[1000]) == 1
    gateway.rejoin()
    new = publish_all(app, 1)
    gateway.assigned.clear()
    gateway.credit(gateway.held["m1"], 10)
    assert got(gateway, 1) == new
    assert expected[0] not in ids(gateway)
