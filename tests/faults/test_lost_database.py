"""A database that is lost or older than it was: no ID is given twice, and who comes
back is told (DESIGN.md 2.3 and 2.6)."""

import contextlib
import glob
import json
import os
import shutil
import sqlite3

import pytest

from faultlib import HttpPublisher, Stream, flood, post_batch, request, wait_for


def publish(system, name, count=50):
    return flood(system.apps, "a", [f"{name} {n}".encode() for n in range(count)])


def remove_database(system):
    for path in glob.glob(system.database + "*"):
        os.unlink(path)


def copy_live(system, to):
    """As `sqlite3 sluice.db ".backup copy"` does, while the broker writes."""
    with contextlib.closing(sqlite3.connect(f"file:{system.database}?mode=ro", uri=True)) as db, \
            contextlib.closing(sqlite3.connect(to)) as copy:
        db.backup(copy)


def restore(system, copy):
    remove_database(system)
    shutil.copy(copy, system.database)


def assert_rising(*lives):
    """No ID twice, and none below one that was given before it."""
    ids = [id_ for life in lives for id_ in life]
    assert all(a < b for a, b in zip(ids, ids[1:]))


def assert_told(gap, requested, lost, first):
    """A reset that covers all that was lost, and skips nothing that is here."""
    notice = json.loads(gap.data)
    assert (gap.kind, notice["reason"]) == ("gap", "reset")
    assert notice["requested"] == str(requested)
    assert int(notice["removed_to"]) >= lost
    assert requested <= int(notice["resumed_from"]) == gap.id < first


def assert_resumes_with_reset(system, requested, lost, right, accept=Stream.SSE):
    with Stream(system.sse, "a", accept, last=requested) as stream:
        gap, *events = stream.take(1 + len(right))
        assert_told(gap, requested, lost, right[0])
        assert [e.id for e in events] == right


@pytest.mark.parametrize("accept", [Stream.SSE, Stream.NDJSON])
def test_the_database_is_deleted_while_the_system_is_down(start, accept):
    """Must show 8: a new log; all its IDs are above all that were ever given."""
    system = start()
    first = publish(system, "first")
    system.stop()
    remove_database(system)
    system.start().wait_ready()
    second = publish(system, "second")
    assert_rising(first, second)
    for requested in (first[0], first[-1]):
        assert_resumes_with_reset(system, requested, first[-1], second, accept)


def test_the_database_is_restored_from_a_copy_made_while_down(start):
    """Must show 8: what came after the copy is lost; its IDs are not given again."""
    system = start()
    kept = publish(system, "kept")
    system.stop()
    copy = shutil.copy(system.database, os.path.join(system.data, "copy"))
    system.start().wait_ready()
    lost = publish(system, "lost")
    system.stop()
    restore(system, copy)
    system.start().wait_ready()
    new = publish(system, "new")
    assert_rising(kept, lost, new)
    for requested in (lost[0], lost[-1]):
        assert_resumes_with_reset(system, requested, lost[-1], new)
    with Stream(system.sse, "a", last=kept[10]) as stream:
        events = stream.take(len(kept) - 11 + len(new))
        assert [e.id for e in events if e.kind == "event"] == kept[11:] + new


def test_the_database_is_restored_from_a_copy_made_while_it_was_written(start):
    """The same with .backup in the middle of publishing, and no clean end."""
    system = start()
    publisher = HttpPublisher("p", system.sse, "a")
    publisher.start()
    wait_for(lambda: len(publisher.acked) > 100, "some are stored")
    copy = os.path.join(system.data, "copy")
    copy_live(system, copy)
    had = len(publisher.acked)
    wait_for(lambda: len(publisher.acked) > had + 100, "some more are stored")
    publisher.stop()
    with system.without("sluice-broker"):
        restore(system, copy)
    new = publish(system, "new")
    given = list(publisher.acked.values())
    assert_rising(given, new)
    with Stream(system.sse, "a?after=0") as stream:
        iterator = (b for b in stream.iterator() if b.kind == "event")
        held = []
        for block in iterator:
            held.append(block.id)
            if block.id == new[-1]:
                break
    kept = held[:-len(new)]
    assert held[-len(new):] == new
    assert kept == given[:len(kept)] and 100 <= len(kept) <= had + 1
    assert_resumes_with_reset(system, given[-1], given[-1], new)


def test_many_lives(start):
    """Copies of any age come back in any order: every ID is above all before it."""
    system = start()
    lives, copies = [], []
    for n in range(5):
        lives.append(publish(system, f"life {n}", 10))
        copies.append(os.path.join(system.data, f"copy {n}"))
        copy_live(system, copies[-1])
        with system.without("sluice-broker"):
            restore(system, copies[n // 2]) if n % 2 else remove_database(system)
        lives.append(post_batch(system.sse, "a", [f"batch {n}"]))
    assert_rising(*lives)


def test_restored_under_connected_clients(start, subscribe):
    """The gateway stays and has shown events that the restored log has not: its ring
    is emptied, and its clients are told in mid-stream."""
    system = start()
    clients = [subscribe(system.sse, "a"), subscribe(system.sse, "a", accept=Stream.NDJSON),
               subscribe(system.sse, "%23")]
    kept = publish(system, "kept")
    copy = os.path.join(system.data, "copy")
    copy_live(system, copy)
    lost = publish(system, "lost")
    for client in clients:
        client.wait_count(len(kept + lost))
    with system.without("sluice-broker"):
        restore(system, copy)
    new = publish(system, "new")
    assert_rising(kept, lost, new)
    for client in clients:
        assert [e.id for e in client.wait_count(len(kept + lost + new))] == kept + lost + new
        assert client.connects == 1
        assert [g["reason"] for g in client.gaps] == ["reset"]
        assert client.gaps[0]["requested"] == str(lost[-1])
    assert_resumes_with_reset(system, lost[10], lost[-1], new)


def test_deleted_under_connected_clients(start, subscribe):
    """The same with another log altogether."""
    system = start()
    client = subscribe(system.sse, "a")
    first = publish(system, "first")
    client.wait_count(len(first))
    with system.without("sluice-broker"):
        remove_database(system)
    second = publish(system, "second")
    assert_rising(first, second)
    assert [e.id for e in client.wait_count(len(first + second))] == first + second
    assert [g["reason"] for g in client.gaps] == ["reset"]
    assert client.connects == 1
    assert_resumes_with_reset(system, first[10], first[-1], second)


def test_deleted_while_it_was_open(start):
    """The file is gone, its broker goes on until it dies."""
    system = start()
    first = publish(system, "first")
    remove_database(system)
    first += publish(system, "still first")
    system.kill_and_wait("sluice-broker")
    second = publish(system, "second")
    assert_rising(first, second)
    assert_resumes_with_reset(system, first[-1], first[-1], second)


def test_volatile_ids_are_not_given_again(start):
    """IDs that no row remembers: a killed broker starts above them all the same."""
    system = start('[retention "v"]\nhistory = none\n')
    lives = []
    for _ in range(4):
        lives.append(flood(system.apps, "v", [b"x"] * 2000))
        system.kill_and_wait("sluice-broker")
    assert_rising(*lives)


def test_a_producer_goes_on_after_its_state_was_lost(start):
    """A new log knows no seq: the producer is told which it expects, and a new epoch
    begins at 0."""
    system = start()
    publisher = HttpPublisher("p", system.sse, "a", producer=True)
    publisher.start()
    wait_for(lambda: len(publisher.acked) > 10, "some are stored")
    publisher.stop()
    with system.without("sluice-broker"):
        remove_database(system)
    headers = {"Producer-Id": "p", "Producer-Epoch": "0", "Producer-Seq": str(publisher.sent)}
    status, body = request(system.sse, "POST", "/events/a", "x", headers)
    assert (status, json.loads(body)["code"]) == (409, "producer_gap")
    assert json.loads(body)["expected_seq"] == 0
    again = {**headers, "Producer-Epoch": "1", "Producer-Seq": "0"}
    assert request(system.sse, "POST", "/events/a", "x", again)[0] == 201
