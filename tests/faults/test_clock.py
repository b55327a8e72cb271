"""The clock of the broker's machine is wrong: for a moment, for good, from the start.

libfaketime sets the wall clock of one process, while it runs, and leaves the monotonic one."""

import datetime
import glob
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from sluicelib import BIN, Sluice, wait_for  # pylint: disable=wrong-import-position

SHIM = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
EPOCH_MS = 1577836800000
DAY = 86400
STEPS = {"2100": 74 * 365 * DAY, "in 30 days": 30 * DAY, "tomorrow": DAY, "yesterday": -DAY,
         "1970": -50 * 365 * DAY}
CONFIG = "[broker]\nmax_age = 2d\n"


def time_of(event_id):
    return EPOCH_MS / 1000 + (int(event_id) >> 12) / 1000


def now():
    return datetime.datetime.now(datetime.timezone.utc).timestamp()


class Clock:
    """The wall clock of a system's broker."""

    def __init__(self, system, process="broker"):
        self.file = system.folder / f"{process}.clock"
        self.set(0)
        command = system.processes[process].command
        system.processes[process].command = [
            "env", f"LD_PRELOAD={SHIM[0]}", f"FAKETIME_TIMESTAMP_FILE={self.file}",
            "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
            # A sanitizer that is linked in need not come before it.
            "ASAN_OPTIONS=quarantine_size_mb=1:verify_asan_link_order=0", *command]

    def set(self, seconds):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(self.file)


@pytest.fixture
def system(tmp_path):
    if not SHIM:
        pytest.fail("libfaketime is missing: run deploy/install-deps.sh test")
    made = Sluice(tmp_path / "system", CONFIG)
    made.add("broker")
    made.clock = Clock(made)
    for name in made.gateways:
        made.add(name)
    yield made
    made.end()


def begin(system):
    for process in system.processes.values():
        process.start()


def held(system):
    return system.metrics("broker")["sluice_clock_held"] == 1


def published(system, first, count):
    return [int(system.publish("a", str(i))) for i in range(first, first + count)]


def assert_kept(system, count):
    events = system.history("a", order="asc", limit=500)["events"]
    assert [str(e["data"]) for e in events] == [str(i) for i in range(count)]


def assert_ids_are_of_now(ids):
    assert ids == sorted(set(ids))
    assert all(abs(time_of(i) - now()) < 60 for i in ids)


def retention_has_looked(system):
    """Twice: it looks every second, by the monotonic clock."""
    looks = system.metrics("broker")["sluice_retention_looks_total"]
    wait_for(lambda: system.metrics("broker")["sluice_retention_looks_total"] >= looks + 2,
             "retention has looked")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_for_a_moment_removes_nothing_and_no_id_follows(system, step):
    begin(system)
    ids = published(system, 0, 5)
    system.clock.set(STEPS[step])
    wait_for(lambda: held(system), "the step is seen")
    assert "the clock is not believed" in system.admin("/readyz", "broker")[1]
    ids += published(system, 5, 5)
    retention_has_looked(system)
    system.clock.set(0)
    wait_for(lambda: not held(system), "the clock is back")
    ids += published(system, 10, 5)
    assert_ids_are_of_now(ids)
    assert_kept(system, 15)
    system.broker.restart()
    wait_for(lambda: system.admin("/readyz")[0] == 200, "the gateway is back")
    assert_ids_are_of_now(published(system, 15, 1))
    assert_kept(system, 16)


@pytest.mark.parametrize("step", [step for step in STEPS if step != "tomorrow"])
def test_a_start_with_a_wrong_clock_is_put_right_later(system, step):
    """As of a machine that boots before it has asked for the time.  (A day ahead is likely,
    and believed.)"""
    begin(system)
    ids = published(system, 0, 5)
    system.broker.stop()
    system.clock.set(STEPS[step])
    system.broker.start()
    wait_for(lambda: system.admin("/readyz")[0] == 200, "the gateway is back")
    ids += published(system, 5, 5)
    retention_has_looked(system)
    system.clock.set(0)
    wait_for(lambda: not held(system), "the clock is right")
    ids += published(system, 10, 5)
    assert_ids_are_of_now(ids)
    assert_kept(system, 15)


def test_what_stands_is_believed(system):
    system.config.write_text(CONFIG + "clock_settle = 2s\n")
    begin(system)
    published(system, 0, 5)
    system.clock.set(DAY)
    wait_for(lambda: held(system), "the step is seen")
    wait_for(lambda: not held(system), "it is believed")
    (last,) = published(system, 5, 1)
    assert abs(time_of(last) - now() - DAY) < 60
    assert_kept(system, 6)


def test_or_when_somebody_says_so(system):
    begin(system)
    published(system, 0, 5)
    system.clock.set(DAY)
    wait_for(lambda: held(system), "the step is seen")
    done = subprocess.run([os.path.join(BIN, "sluice"), "clock", "accept", "--config",
                           str(system.config), "--data", str(system.data), "--port-base",
                           str(system.base)], stdout=subprocess.PIPE, text=True, check=True)
    assert "believed from now on" in done.stdout
    assert not held(system)
    (last,) = published(system, 5, 1)
    assert abs(time_of(last) - now() - DAY) < 60


def test_numbered_producers_go_on_through_a_wrong_boot(system):
    """A boot in 1970 that is corrected later left them in producer_gap."""
    begin(system)
    headers = {"Producer-Id": "p", "Producer-Epoch": "0"}
    first = [system.publish("a", str(i), **headers, **{"Producer-Seq": str(i)}) for i in range(3)]
    system.broker.stop()
    system.clock.set(STEPS["1970"])
    system.broker.start()
    wait_for(lambda: system.admin("/readyz")[0] == 200, "the gateway is back")
    first.append(system.publish("a", "3", **headers, **{"Producer-Seq": "3"}))
    system.clock.set(0)
    wait_for(lambda: not held(system), "the clock is right")
    retention_has_looked(system)
    again = system.publish("a", "3", **headers, **{"Producer-Seq": "3"})
    assert again == first[3]
    system.publish("a", "4", **headers, **{"Producer-Seq": "4"})
    assert_kept(system, 5)
