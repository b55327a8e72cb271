"""A full disk, a database that cannot be written, one that is damaged: publishers are
told, subscribers keep streaming, and publishing resumes by itself (DESIGN.md 2.4.7)."""

import contextlib
import json
import os
import subprocess

import pytest

from faultlib import (AppPublisher, HttpPublisher, Stream, System, assert_exactly_once, dealer,
                      flood, limit_file_size, post, request, wait_for)
from sluicelib import ADMIN

KEEPALIVES = "[sse]\nkeepalive = 100ms\n"
DISK = 24 << 20


class Disk:
    """A file system of the data folder's own; full() leaves no byte, empty() room."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "data")
        self.filler = os.path.join(self.folder, "filler")
        os.mkdir(self.folder)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=750", "tmpfs",
                           self.folder], capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a file system is not permitted here")

    def full(self):
        with open(self.filler, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(4096))

    def empty(self):
        os.unlink(self.filler)

    def read_only(self):
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)

    def close(self):
        subprocess.run(["umount", self.folder], check=True)


class FileLimit:
    """The broker may not make a file larger than it is: no rights needed for that."""

    def __init__(self, system):
        self.system = system

    def full(self):
        sizes = [os.path.getsize(self.system.database + end) for end in ("", "-wal")]
        limit_file_size(self.system.pid("sluice-broker"), max(sizes) + 200_000)

    def empty(self):
        limit_file_size(self.system.pid("sluice-broker"), None)


@pytest.fixture(params=["disk", "limit"])
def hurt(request, tmp_path):
    """(system, what makes its disk full and empty again)"""
    with contextlib.ExitStack() as stack:
        disk = None
        if request.param == "disk":
            disk = Disk(tmp_path)
            stack.callback(disk.close)
        system = stack.enter_context(System(tmp_path, KEEPALIVES)).wait_ready()
        yield system, disk or FileLimit(system)


def try_post(system, topic, payload):
    status, body = request(system.sse, "POST", f"/events/{topic}", payload)
    return status, json.loads(body)


def fill_until_refused(system, hurt):
    """Publishes until there is no room; (the IDs that were stored, the refusal)."""
    hurt.full()
    ids = []
    while True:
        status, body = try_post(system, "a", "x" * 20_000)
        if status == 503:
            return ids, body
        assert status == 201, body
        ids.append(int(body["id"]))


def until_stored(system, topic, payload):
    """The ID, once publishing has resumed."""
    return wait_for(lambda: (r := try_post(system, topic, payload))[0] == 201 and int(r[1]["id"]),
                    "publishing resumes")


def ready(system, process):
    return request(system.port(ADMIN[process]), "GET", "/readyz")[0]


def test_a_full_disk_refuses_and_recovers(hurt, subscribe):
    """503 store_full with the reason; nothing refused is seen by anybody; streams,
    replays and keep-alives go on; publishing resumes when space returns."""
    system, disk = hurt
    client = subscribe(system.sse, "a")
    first = post(system.sse, "a", "before")
    ids, refusal = fill_until_refused(system, disk)
    assert refusal["code"] == "store_full" and refusal["status"] == 503
    assert "disk" in refusal["detail"].lower()
    client.wait_count(1 + len(ids))
    assert ready(system, "broker") == 503
    assert request(system.port(ADMIN["broker"]), "GET", "/healthz")[0] == 200
    with Stream(system.sse, "a?after=0") as replay:
        assert [b.id for b in replay.take(1 + len(ids))] == [first, *ids]
    # 100 ms apart: its connection is alive, though nothing can be published.
    with Stream(system.sse, "a") as quiet:
        quiet.take(1, kinds=("id",))
        for _ in range(3):
            assert quiet.socket.recv(100).startswith(b": ")
    assert try_post(system, "a", "y" * 20_000)[0] == 503
    disk.empty()
    resumed = until_stored(system, "a", "after")
    wait_for(lambda: ready(system, "broker") == 200, "the broker is ready again")
    events = client.wait_count(len(ids) + 2)
    assert [e.id for e in events] == [first, *ids, resumed]
    assert client.connects == 1 and not client.gaps
    assert not any(e.data.startswith("y") for e in events)


def test_publishers_that_repeat_get_through_a_full_disk(hurt, subscribe):
    """Refused, repeated, stored once: over HTTP and over ZeroMQ with a window."""
    system, disk = hurt
    clients = [subscribe(system.sse, "h"), subscribe(system.sse, "z")]
    publishers = [HttpPublisher("h", system.sse, "h", producer=True),
                  AppPublisher("z", system.apps, "z")]
    for p in publishers:
        p.start()
    wait_for(lambda: all(p.acked for p in publishers), "they publish")
    for _ in range(2):
        for p in publishers:
            p.refusals.clear()
        fill_until_refused(system, disk)
        wait_for(lambda: all("store_full" in p.refusals for p in publishers), "all are refused")
        disk.empty()
        had = [len(p.acked) for p in publishers]
        wait_for(lambda had=had: all(len(p.acked) > n + 10 for p, n in zip(publishers, had)),
                 "all go on")
    for p, client in zip(publishers, clients):
        p.stop()
        assert_exactly_once(client, p.acked)
        assert client.connects == 1


def test_an_application_is_told_the_reason(hurt):
    system, disk = hurt
    fill_until_refused(system, disk)
    s = dealer(system.apps)
    s.send_multipart([b"publish", b"r", b"a", b"{}", b"x" * 20_000])
    answer = s.recv_multipart()
    s.close()
    assert answer[:3] == [b"error", b"r", b"store_full"]
    assert b"disk" in answer[3].lower()
    disk.empty()


def test_a_broker_killed_with_a_full_disk_keeps_what_was_acknowledged(hurt, subscribe):
    """Whether the lives in between can start or not: nothing is lost."""
    system, disk = hurt
    client = subscribe(system.sse, "a")
    ids, _ = fill_until_refused(system, disk)
    system.kill("sluice-broker")
    system.wait_log(2, msg="process started", child="broker")
    disk.empty()
    new = until_stored(system, "a", "after")
    assert [e.id for e in client.wait_count(len(ids) + 1)] == [*ids, new]
    system.forgive_failures()


def test_a_disk_that_is_full_from_the_start(tmp_path):
    """No room for the database at all: it says so and ends with an error."""
    disk = Disk(tmp_path)
    try:
        disk.full()
        with System(tmp_path) as system:
            assert system.wait_exit() != 0
            assert "disk is full" in system.log_text()
            assert "sluice: ready" not in system.lines
    finally:
        disk.close()


# --- a database that cannot be used ---------------------------------------------------------


def publish_and_stop(system, count=2000):
    flood(system.apps, "a", [b"x" * 1000] * count)
    system.stop()


def refused_start(tmp_path):
    """What the log says of a start that fails."""
    with System(tmp_path) as again:
        assert again.wait_exit() != 0
        assert "sluice: ready" not in again.lines
        return again.log_text()


def overwrite(path, offset, length):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(os.urandom(length))


@pytest.mark.parametrize("offset, length", [(0, 100), (100, 4000), (40_000, 200_000)],
                         ids=["header", "schema", "pages"])
def test_a_damaged_database_is_refused(start, tmp_path, offset, length):
    """It does not start, and the message says what to do; nothing is overwritten."""
    system = start()
    publish_and_stop(system)
    overwrite(system.database, offset, length)
    with open(system.database, "rb") as f:
        damaged = f.read()
    log = refused_start(tmp_path)
    assert "move" in log and "sluice.db" in log
    with open(system.database, "rb") as f:
        assert f.read() == damaged


def test_a_truncated_database_is_refused(start, tmp_path):
    system = start()
    publish_and_stop(system)
    os.truncate(system.database, os.path.getsize(system.database) // 2)
    log = refused_start(tmp_path)
    assert "damaged" in log and "backup" in log


def test_a_file_that_is_not_ours_is_refused(tmp_path):
    """Neither text nor another program's database is touched."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "sluice.db").write_text("not a database " * 1000)
    assert "sluice.db" in refused_start(tmp_path)
    (data / "sluice.db").unlink()
    subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys\n"
                    "db = sqlite3.connect(sys.argv[1])\n"
                    "db.execute('CREATE TABLE other(x)')\ndb.commit()", data / "sluice.db"],
                   check=True)
    assert "not written by sluice" in refused_start(tmp_path)


def test_moving_the_damaged_database_away_helps(start, tmp_path):
    """As the message says: a new log begins, and subscribers are told."""
    system = start()
    ids = flood(system.apps, "a", [b"x" * 1000] * 100)
    system.stop()
    overwrite(system.database, 0, 5000)
    refused_start(tmp_path)
    os.rename(system.database, system.database + ".damaged")
    system.start().wait_ready()
    new = flood(system.apps, "a", [b"new"])
    assert new[0] > ids[-1]
    with Stream(system.sse, "a", last=ids[0]) as stream:
        gap, event = stream.take(2)
        assert json.loads(gap.data)["reason"] == "reset"
        assert event.id == new[0]


def test_a_database_that_becomes_read_only(start, subscribe):
    """Publishes are refused with 503 store_failed, streams and replays go on, and
    publishing resumes when the file may be written again."""
    system = start()
    ids = flood(system.apps, "a", [b"x"] * 10)
    files = [system.database, system.database + "-wal"]
    client = subscribe(system.sse, "a")
    if subprocess.run(["chattr", "+i", *files], capture_output=True, check=False).returncode != 0:
        subprocess.run(["chattr", "-i", *files], capture_output=True, check=False)
        pytest.skip("making a file immutable is not possible here")
    try:
        status, body = try_post(system, "a", "refused")
        assert (status, body["code"]) == (503, "store_failed")
        with Stream(system.sse, "a?after=0") as replay:
            assert [b.id for b in replay.take(10)] == ids
        assert client.connects == 1 and not client.events
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)
    new = until_stored(system, "a", "again")
    assert [e.id for e in client.wait_count(1)] == [new]


def test_a_read_only_file_system_is_refused(tmp_path):
    """At the start there is somebody to tell what to do."""
    disk = Disk(tmp_path)
    try:
        with System(tmp_path) as system:
            flood(system.wait_ready().apps, "a", [b"x"])
        disk.read_only()
        log = refused_start(tmp_path)
        assert "cannot be written" in log and "permissions" in log
    finally:
        disk.close()
