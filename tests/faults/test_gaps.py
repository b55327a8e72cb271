"""What a client can no longer get is announced, never skipped over (DESIGN.md 2.6)."""

import json

import pytest

from faultlib import Stream, flood, post, post_batch, request, wait_for

FORMS = pytest.mark.parametrize("accept", [Stream.SSE, Stream.NDJSON])


def history(system, topic, **query):
    asked = "&".join(f"{k}={v}" for k, v in query.items())
    status, body = request(system.sse, "GET", f"/history/{topic}?{asked}")
    assert status == 200, body
    return json.loads(body)


def kept(system, topic):
    return [int(e["id"]) for e in history(system, topic, after=0, limit=1000)["events"]]


def wait_kept(system, topic, count):
    wait_for(lambda: len(kept(system, topic)) == count, f"{count} are kept")
    return kept(system, topic)


def resume(system, path, last, accept=Stream.SSE):
    return Stream(system.sse, path, accept, last=last)


def assert_gap(block, requested, resumed_from, removed_to, reason):
    """The notice, and that its id: is where it resumes from."""
    assert block.kind == "gap"
    assert json.loads(block.data) == {"requested": str(requested),
                                      "resumed_from": str(resumed_from),
                                      "removed_to": str(removed_to), "reason": reason}
    assert block.id == resumed_from


def assert_announced(block, requested, removed_to, first, reason):
    """The same where resumed_from may lie anywhere behind what was asked for, up to
    what was removed, but before the first event that is kept."""
    assert requested <= block.id <= removed_to
    assert block.id < first
    assert_gap(block, requested, block.id, removed_to, reason)


@FORMS
def test_an_id_that_a_limit_on_events_has_overtaken(start, accept):
    """Must show 5, max_events: one notice, then everything that is kept."""
    system = start('[retention "few/#"]\nmax_events = 100\n')
    ids = post_batch(system.sse, "few/a", [f"n {n}" for n in range(1000)])
    assert wait_kept(system, "few/a", 100) == ids[900:]
    with resume(system, "few/a", ids[10], accept) as stream:
        gap, *events = stream.take(101)
        assert_announced(gap, ids[10], ids[899], ids[900], "expired")
        assert [e.id for e in events] == ids[900:]
        new = post(system.sse, "few/a", "new")
        assert [b.id for b in stream.take(1)] == [new]


def test_an_id_that_age_has_overtaken(start):
    """max_age, without any new write; what other topics keep is not touched."""
    system = start('[retention "short"]\nmax_age = 1s\n')
    ids = post_batch(system.sse, "short", ["a", "b", "c"])
    other = post(system.sse, "long", "kept")
    wait_kept(system, "short", 0)
    with resume(system, "short?topic=long", ids[0]) as stream:
        gap, event = stream.take(2)
        assert_announced(gap, ids[0], ids[2], other, "expired")
        assert event.id == other


@FORMS
def test_an_id_that_a_delete_has_overtaken(start, accept):
    """DELETE: reason deleted, and IDs go on above what was removed."""
    system = start()
    ids = post_batch(system.sse, "a", ["1", "2", "3"])
    status, body = request(system.sse, "DELETE", "/history/a")
    assert status == 200
    assert json.loads(body)["removed_to"] == str(ids[2])
    new = post(system.sse, "a", "4")
    with resume(system, "a", ids[0], accept) as stream:
        gap, event = stream.take(2)
        assert_announced(gap, ids[0], ids[2], new, "deleted")
        assert event.id == new


def test_no_notice_to_whom_nothing_is_missing(start):
    """The last removed event seen, or another topic asked for: no gap."""
    system = start('[retention "few"]\nmax_events = 10\n')
    ids = post_batch(system.sse, "few", [str(n) for n in range(100)])
    others = [post(system.sse, "many", str(n)) for n in range(3)]
    wait_kept(system, "few", 10)
    with resume(system, "few", ids[89]) as stream:
        assert [b.id for b in stream.take(10)] == ids[90:]
    with resume(system, "many", ids[0]) as stream:
        assert [b.id for b in stream.take(3)] == others


def test_a_wildcard_is_told_what_it_misses_and_loses_nothing_that_is_kept(start):
    """An event of another topic, older than what was removed, is kept: it comes
    after the notice, which must not skip it."""
    system = start('[retention "few"]\nmax_events = 1\n')
    begin = post(system.sse, "many", "begin")
    old = post(system.sse, "few", "goes")
    between = post(system.sse, "many", "between")
    removed = post(system.sse, "few", "goes too")
    last = post(system.sse, "few", "stays")
    wait_kept(system, "few", 1)
    with resume(system, "%23", begin) as stream:
        gap, *events = stream.take(3)
        assert_announced(gap, begin, removed, between, "expired")
        assert gap.id < between
        assert [e.id for e in events] == [between, last]
    assert old < between


@FORMS
def test_an_id_from_the_future(start, accept):
    """Must show 5: reason future, and the stream goes on from now."""
    system = start()
    ids = post_batch(system.sse, "a", ["1", "2"])
    future = ids[1] + (1 << 32)
    with resume(system, "a", future, accept) as stream:
        gap, = stream.take(1)
        assert gap.kind == "gap"
        notice = json.loads(gap.data)
        assert notice["reason"] == "future"
        assert notice["requested"] == str(future)
        assert ids[1] <= int(notice["resumed_from"]) == gap.id < future
        new = post(system.sse, "a", "3")
        assert [b.id for b in stream.take(1)] == [new]


def test_an_id_that_only_this_gateway_has_not_seen_is_not_from_the_future(start, subscribe):
    """A cursor taken from an acknowledgement may be ahead of the gateway: no gap."""
    system = start()
    for n in range(50):
        id_ = flood(system.apps, "a", [b"%d" % n])[0]
        with resume(system, "a", id_) as stream:
            new = post(system.sse, "a", "next")
            block, = stream.take(1)
            assert (block.kind, block.id) == ("event", new)


@pytest.mark.parametrize("accept, reason", [
    (Stream.SSE, "expired"), (Stream.NDJSON, "expired"), (Stream.SSE, "future")])
def test_on_gap_fail(start, accept, reason):
    """410 with the same notice in the problem; without a gap it streams."""
    system = start('[retention "few"]\nmax_events = 10\n')
    ids = post_batch(system.sse, "few", [str(n) for n in range(100)])
    wait_kept(system, "few", 10)
    cursor = ids[0] if reason == "expired" else ids[-1] + (1 << 32)
    with resume(system, "few?on_gap=fail", cursor, accept) as stream:
        assert stream.status == 410
        problem = stream.problem()
        assert problem["code"] == "gone"
        assert problem["gap"]["reason"] == reason
        assert problem["gap"]["requested"] == str(cursor)
    with resume(system, "few?on_gap=fail", ids[95], accept) as stream:
        assert [b.id for b in stream.take(4)] == ids[96:]


@FORMS
@pytest.mark.parametrize("start_at", ["since=1h", "last=1000", "after=0"])
def test_no_starting_notice_where_none_was_missed(start, accept, start_at):
    """since, last and after=0 ask for what there is."""
    system = start('[retention "few"]\nmax_events = 10\n')
    ids = post_batch(system.sse, "few", [str(n) for n in range(100)])
    wait_kept(system, "few", 10)
    with Stream(system.sse, f"few?{start_at}", accept) as stream:
        blocks = stream.take(10)
        assert [(b.kind, b.id) for b in blocks] == [("event", i) for i in ids[90:]]


@FORMS
def test_a_slow_client_overtaken_in_mid_stream(start, subscribe, accept):
    """Retention passes a client that does not read, while it is connected: notice
    and events still say together, in order, what became of every single one."""
    system = start('[retention "few"]\nmax_events = 500\n'
                   "[limits]\nring = 256k\npage_cache = 256k\n")
    slow = subscribe(system.sse, "few", accept=accept, receive_buffer=4096)
    slow.reading.clear()
    ids = flood(system.apps, "few", (b"%d " % n + b"x" * 200 for n in range(60_000)))
    wait_kept(system, "few", 500)
    slow.reading.set()
    wait_for(lambda: slow.last == str(ids[-1]), "it has come to the end")
    got = [e.id for e in slow.events]
    assert got[-500:] == ids[-500:]
    assert slow.gaps and slow.connects == 1
    assert all(g["reason"] == "expired" for g in slow.gaps)
    missing = set(ids) - set(got)
    assert missing
    for id_ in missing:
        assert any(int(g["requested"]) < id_ <= int(g["removed_to"]) for g in slow.gaps)


def test_deleted_while_a_slow_client_has_not_read_it(start, subscribe):
    """A DELETE in mid-stream: what the client had not been sent is announced."""
    system = start("[limits]\nring = 256k\npage_cache = 256k\n")
    slow = subscribe(system.sse, "a", receive_buffer=4096)
    slow.reading.clear()
    ids = flood(system.apps, "a", (b"%d " % n + b"x" * 200 for n in range(20_000)))
    assert request(system.sse, "DELETE", "/history/a")[0] == 200
    new = post(system.sse, "a", "new")
    slow.reading.set()
    wait_for(lambda: slow.last == str(new), "it has come to the end")
    got = [e.id for e in slow.events]
    assert got[:-1] == ids[:len(got) - 1]
    assert [g["reason"] for g in slow.gaps] == ["deleted"]
    assert slow.gaps[0]["removed_to"] == str(ids[-1])
    assert slow.gaps[0]["requested"] == str(got[-2])


VOLATILE = '[retention "v/#"]\nhistory = none\n[limits]\nring = 64k\npage_cache = 64k\n'


@FORMS
def test_a_volatile_event_that_has_left_the_ring(start, accept):
    """history = none: what the ring holds is served from it without a notice, what
    fell out of it is announced."""
    system = start(VOLATILE)
    with Stream(system.sse, "v/a", accept) as live:
        live.take(1, kinds=("id",))
        first = flood(system.apps, "v/a", [b"%d" % n for n in range(20)])
        assert [b.id for b in live.take(20)] == first
        with resume(system, "v/a", first[9], accept) as back:
            assert [b.id for b in back.take(10)] == first[10:]
        ids = flood(system.apps, "v/a", (b"%d " % n + b"x" * 100 for n in range(5000)))
        with resume(system, "v/a", first[9], accept) as back:
            gap, = back.take(1)
            notice = json.loads(gap.data)
            assert notice["reason"] == "volatile"
            assert notice["requested"] == str(first[9])
            assert first[19] <= int(notice["removed_to"]) <= ids[-1]
            new = flood(system.apps, "v/a", [b"new"])
            wait_for(lambda: back.take(1)[0].id == new[0], "the new event")


def removed_to(gap):
    return int(json.loads(gap.data)["removed_to"])


def assert_delivered_or_announced(system, stream, topic):
    """One volatile event after the other, until the stream is live and has it."""
    block = None
    while block is None or block.kind == "gap":
        id_ = flood(system.apps, topic, [b"x"])[0]
        block, = stream.take(1)
        while block.kind == "gap" and removed_to(block) < id_:
            block, = stream.take(1)
    assert block.id == id_


def test_a_volatile_event_from_before_a_restart(start):
    """A new gateway has no ring: told, and then live.  A new broker knows not how many
    there were: told of all that may have been, if need be a second time."""
    system = start(VOLATILE)
    ids = flood(system.apps, "v/a", [b"1", b"2", b"3"])
    system.kill_and_wait("sluice-sse")
    with resume(system, "v/a", ids[0]) as stream:
        gap, = stream.take(1)
        assert_gap(gap, ids[0], gap.id, ids[2], "volatile")
    system.kill_and_wait("sluice-broker")
    with resume(system, "v/a", ids[0]) as stream:
        gap, = stream.take(1)
        assert json.loads(gap.data)["reason"] == "volatile"
        assert removed_to(gap) >= ids[2]
        assert_delivered_or_announced(system, stream, "v/a")


def test_an_expired_event_is_no_gap(start):
    """An event past its own expiry is left out without a word."""
    system = start()
    begin = post(system.sse, "a", "begin")
    expired = post(system.sse, "a", "short", {"Sluice-Expiry": "1"})
    last = post(system.sse, "a", "stays")
    wait_for(lambda: expired not in kept(system, "a"), "it has expired")
    with resume(system, "a", begin) as stream:
        assert [(b.kind, b.id) for b in stream.take(1)] == [("event", last)]


def test_gaps_are_counted(start):
    system = start('[retention "few"]\nmax_events = 1\n')
    ids = post_batch(system.sse, "few", ["1", "2", "3"])
    wait_kept(system, "few", 1)
    with resume(system, "few", ids[0]) as stream:
        stream.take(1)
        wait_for(lambda: system.metric("sse", "sluice_gaps_total") == 1, "the metric")
