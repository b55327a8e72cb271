"""sluice up: ready, restarts, stopping, and what it refuses."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
import urllib.request

import pytest

from sluicelib import TIMEOUT, port_base, wait_for
from up_util import APPS, BROKER_ADMIN, SLUICE, Up, at, is_alive

NOISE = 0.15  # seconds that a busy machine may add to a delay


@pytest.fixture
def up():
    with Up() as u:
        yield u.wait_ready()


def gone(pids):
    return not any(is_alive(p) for p in pids)


def http(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT) as r:
        return r.status


def test_ready_is_the_first_line_and_all_are_ready_then(up):
    assert up.lines[0] == "sluice: ready"
    assert up.lines.count("sluice: ready") == 1
    assert http(up.port(BROKER_ADMIN), "/readyz") == 200
    assert "sluice-broker" in up.children()


def test_the_addresses_follow(up):
    wait_for(lambda: any(f"127.0.0.1:{up.port(APPS)}" in line for line in up.lines),
             "where applications connect")


def test_children_that_have_binaries_are_started(up):
    beside = {n for n in os.listdir(os.path.dirname(SLUICE)) if n.startswith("sluice-")}
    assert set(up.children()) == beside


def test_the_data_folder_is_closed_to_others(up):
    assert stat.S_IMODE(os.stat(up.data).st_mode) == 0o750


def test_a_killed_child_is_started_again_within_100_ms(up):
    for name in list(up.children()):
        wait_for(lambda: time.time() - at(up.log(msg="process is ready")[-1]) > 1.1,
                 "a life of more than a second")
        pid = up.kill(name)
        child = name.removeprefix("sluice-")
        wait_for(lambda: len(up.log(msg="process started", child=child)) == 2, "a new life")
        died = up.log(msg="process was killed", child=child)[-1]
        again = up.log(msg="process started", child=child)[-1]
        assert died["pid"] == pid
        assert at(again) - at(died) < 0.1 + NOISE
        wait_for(lambda: len(up.log(msg="process is ready", child=child)) == 2, "ready again")
    assert up.lines.count("sluice: ready") == 1


def test_a_child_that_dies_at_once_waits_longer_each_time(up):
    for life in range(1, 6):
        up.wait_log(life, msg="process is ready", child="broker")
        up.kill("sluice-broker")
        up.wait_log(life, msg="process was killed", child="broker")
    up.wait_log(6, msg="process started", child="broker")
    died = up.log(msg="process was killed", child="broker")
    started = up.log(msg="process started", child="broker")[1:]
    waits = [at(s) - at(d) for d, s in zip(died, started)]
    for wait, expected in zip(waits[1:], [0.1, 0.2, 0.4, 0.8]):
        assert expected - 0.01 <= wait <= expected + NOISE, waits


def test_a_child_killed_before_it_is_ready_is_started_again(up):
    up.kill("sluice-broker", signal.SIGSTOP)
    up.kill("sluice-broker")
    up.wait_log(2, msg="process started", child="broker")
    up.kill("sluice-broker", signal.SIGKILL)
    up.wait_log(2, msg="process is ready", child="broker")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all(up, signum):
    pids = up.children().values()
    before = time.monotonic()
    up.process.send_signal(signum)
    assert up.wait_exit() == 0
    assert time.monotonic() - before < 5
    assert gone(pids)


def test_stopping_a_child_that_hangs_takes_no_longer(up):
    pids = up.children().values()
    up.kill("sluice-broker", signal.SIGSTOP)
    before = time.monotonic()
    up.process.terminate()
    assert up.wait_exit() == 0
    assert time.monotonic() - before < 5 + NOISE
    assert gone(pids)


def test_a_second_signal_ends_it_at_once(up):
    pids = up.children().values()
    up.kill("sluice-broker", signal.SIGSTOP)
    up.process.terminate()
    up.wait_log(msg="stopping")
    def ended():  # a signal right behind the first counts as the same
        up.process.send_signal(signal.SIGINT)
        return up.process.poll() is not None
    before = time.monotonic()
    wait_for(ended, "the end")
    assert time.monotonic() - before < 2
    assert up.wait_exit() == 0
    assert gone(pids)


def test_a_signal_told_twice_at_once_still_drains(up):
    """As timeout(1) does, which signals its child and then the whole group."""
    up.process.terminate()
    up.wait_log(msg="stopping")
    up.process.terminate()
    assert up.wait_exit() == 0
    assert up.log(msg="process was killed") == []


def test_stopping_while_a_child_waits_for_its_restart(up):
    up.kill("sluice-broker")
    up.wait_log(msg="process was killed")
    up.process.terminate()
    assert up.wait_exit() == 0


def test_a_killed_supervisor_leaves_nobody(up):
    pids = list(up.children().values())
    up.process.kill()
    up.wait_exit()
    wait_for(lambda: gone(pids), "the children are gone", timeout=2)


def test_sighup_reaches_the_children_and_ends_nobody(up):
    before = up.children()
    up.process.send_signal(signal.SIGHUP)
    up.process.send_signal(signal.SIGHUP)
    assert up.run("pub", "a", "x").returncode == 0
    assert up.children() == before


def test_a_folder_in_use_is_refused(up):
    with Up(data=up.data) as second:
        assert second.wait_exit() == 1
        assert second.lines == []
        assert "another broker" in second.log_text()
        assert "sluice-broker did not start" in second.log_text()
    assert up.process.poll() is None
    assert up.run("pub", "a", "x").returncode == 0


def test_a_port_in_use_is_refused():
    base = port_base()
    with socket.socket() as s:
        s.bind(("127.0.0.1", base + APPS))
        s.listen()
        with Up(base=base) as u:
            assert u.wait_exit() == 1
            assert "sluice: ready" not in u.lines


def test_a_mistake_in_the_configuration_is_told_once(tmp_path):
    conf = tmp_path / "sluice.conf"
    conf.write_text("[broker]\nno_such_key = 1\n")
    with Up("--config", str(conf)) as u:
        assert u.wait_exit() == 2
        assert u.log_text().count("no_such_key") == 1
        assert f"{conf}:2" in u.log_text()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    r = subprocess.run([SLUICE, "up", "--data", str(tmp_path / "file" / "data")],
                       capture_output=True, text=True, timeout=TIMEOUT)
    assert r.returncode == 1
    assert "cannot make the data folder" in r.stderr


def test_flags_of_a_section_reach_its_process():
    base = port_base()
    with Up("--broker-admin-listen", f"127.0.0.1:{base + 19}", base=base) as u:
        u.wait_ready()
        assert http(base + 19, "/readyz") == 200


def test_the_file_reaches_every_process(tmp_path):
    base = port_base()
    conf = tmp_path / "sluice.conf"
    conf.write_text(f"[broker]\nadmin_listen = 127.0.0.1:{base + 18}\n")
    with Up(f"--config={conf}", base=base) as u:
        u.wait_ready()
        assert http(base + 18, "/readyz") == 200


def test_the_log_is_json_that_names_children(up):
    entry = up.log(msg="process is ready", child="broker")[0]
    assert entry["pid"] == up.children()["sluice-broker"]
    assert json.dumps(entry)
