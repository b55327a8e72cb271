"""What is wrong or cannot be so is said, and nothing is quietly otherwise."""

import os
import signal
import subprocess

import pytest
from sluicelib import BIN, TIMEOUT, port_base, wait_for


def run(binary, *args, **env):
    return subprocess.run([os.path.join(BIN, binary), *args], env={**os.environ, **env},
                          capture_output=True, text=True, timeout=TIMEOUT)


# --- the environment

@pytest.mark.parametrize("name", ["SLUICE_SSE_LISTN", "SLUICE_LIMIT_RING", "SLUICE_LISTEN"])
def test_an_unknown_variable_stops_the_start_and_is_named(name):
    done = run("sluice-sse", "--admin-listen", "", **{name: "x"})
    assert done.returncode != 0
    assert f"{name}: there is no such variable" in done.stderr


@pytest.mark.parametrize("name", ["SLUICE_SERVICE_HOST", "SLUICE_SERVICE_PORT", "SLUICE_PORT",
                                  "SLUICE_PORT_8081_TCP_ADDR", "SLUICE_SSE_SERVICE_PORT_HTTP",
                                  "SLUICE_TEST_ANYTHING"])
def test_what_kubernetes_tells_of_a_service_is_none_of_ours(name, tmp_path):
    done = run("sluice-sse", "--config", str(tmp_path / "none"), **{name: "tcp://10.0.0.1:80"})
    assert "no such variable" not in done.stderr and "none: " in done.stderr


# --- where clients are served

def test_bind_opens_every_door_and_no_admin_listener(new_sluice):
    s = new_sluice("[sluice]\nbind = 127.0.0.2\n")
    assert f'"listening","address":"127.0.0.2:{s.port()}"' in s.sse.logged()
    assert s.admin("/healthz")[0] == 200


def test_bind_beyond_loopback_is_refused_without_a_word_for_it(tmp_path):
    done = run("sluice-sse", "--data", str(tmp_path), SLUICE_BIND="0.0.0.0")
    assert done.returncode != 0 and "refusing to listen beyond loopback" in done.stderr


# --- one address

@pytest.mark.parametrize("other", ["ws", "poll", "h2", "mqtt"])
def test_gateways_of_two_kinds_do_not_share_an_address(sluice, other):
    done = run(f"sluice-{other}", "--data", str(sluice.data), "--port-base", str(port_base()),
               "--listen", f"127.0.0.1:{sluice.port()}")
    assert done.returncode != 0
    assert '"msg":"cannot listen"' in done.stderr
    assert '"held_by":"sluice-sse http/1.1"' in done.stderr


def test_an_address_of_another_sluice_is_not_shared(sluice, tmp_path):
    done = run("sluice-sse", "--data", str(tmp_path), "--port-base", str(port_base()),
               "--listen", f"127.0.0.1:{sluice.port()}")
    assert done.returncode != 0 and "Address already in use" in done.stderr


def test_what_was_killed_holds_no_address(sluice):
    sluice.sse.kill()
    other = sluice.add("ws")
    other.command += ["--listen", f"127.0.0.1:{sluice.port()}"]
    other.start()
    assert other.running()


def test_a_certificate_that_cannot_be_read_is_told_and_nothing_else_happens(tmp_path):
    for kind in ("sse", "ws", "poll", "h2", "mqtt"):
        done = run(f"sluice-{kind}", "--data", str(tmp_path), "--port-base", str(port_base()),
                   "--tls-certificate", "nope.pem", "--tls-key", "nope.pem")
        assert done.returncode == 1, f"{kind}: {done.returncode}\n{done.stderr}"
        assert "nope.pem" in done.stderr and "No such file or directory" in done.stderr


# --- SIGHUP

@pytest.mark.parametrize("who,before,after,named", [
    ("sse", "[limits]\nring = 8M\n", "[limits]\nring = 9M\n", "limits.ring"),
    ("sse", "[sse]\nkeepalive = 5s\n", "[sse]\nkeepalive = 6s\n", "sse.keepalive"),
    ("broker", "[broker]\nreaders = 2\n", "[broker]\nreaders = 3\n", "broker.readers"),
])
def test_a_reload_names_what_needs_a_restart(new_sluice, who, before, after, named):
    s = new_sluice(before)
    s.config.write_text(after)
    s.processes[who].signal(signal.SIGHUP)
    wait_for(lambda: "configuration reloaded" in s.processes[who].logged(), "the reload")
    assert f'"msg":"some of what has changed needs a restart","keys":"{named}"' in \
        s.processes[who].logged()


def test_a_reload_of_what_can_be_reloaded_names_nothing(new_sluice):
    s = new_sluice("[broker]\nmax_age = 7d\n")
    s.config.write_text("[broker]\nmax_age = 6d\n[sluice]\nlog_level = warn\n")
    for who in ("broker", "sse"):
        s.processes[who].signal(signal.SIGHUP)
        before = s.processes[who].logged()
        assert "needs a restart" not in before
    s.config.write_text("[broker]\nmax_age = 6d\n[sluice]\nlog_level = info\ndrain = 4s\n")
    for who in ("broker", "sse"):
        s.processes[who].signal(signal.SIGHUP)
        logged = wait_for(lambda: ("needs a restart" in s.processes[who].logged() and
                                   s.processes[who].logged()), "the second reload")
        assert '"keys":"sluice.drain"' in logged


# --- metrics for alerts

def test_refused_topics_are_no_failing_store(sluice):
    for _ in range(5):
        assert sluice.post("a/#", "x").status_code == 400
    metrics = sluice.metrics("broker")
    assert metrics["sluice_store_failing"] == 0 and metrics["sluice_commits_failed_total"] == 0
    assert metrics["sluice_ready"] == 1
    sluice.broker.freeze()
    try:
        wait_for(lambda: sluice.metrics("sse")["sluice_ready"] == 0, "not ready without a broker")
    finally:
        sluice.broker.thaw()
