"""sluice up --tls-self-signed, and the commands that speak TLS."""

import os
import shlex
import stat
import subprocess

import pytest
from sluicelib import TIMEOUT, wait_for
from tlslib import Authority, section
from up_util import SSE, Up


@pytest.fixture
def up():
    with Up("--tls-self-signed") as u:
        yield u.wait_ready()


def certificate(up):
    return os.path.join(up.data, "tls", "certificate.pem")


def trusting(up, *args, **kwargs):
    return up.run(*args, "--tls-certificate", certificate(up), **kwargs)


def announced(up, what):
    """The command that it tells to use."""
    line = wait_for(lambda: next((s for s in up.lines if s.startswith(f"sluice: {what}")), None), what)
    return shlex.split(line.split(None, 2)[2])


def test_what_it_announces_works(up):
    publish = [w.replace("TOPIC", "a") for w in announced(up, "publish")]
    done = subprocess.run(publish, capture_output=True, text=True, timeout=TIMEOUT)
    assert '"topic":"a"' in done.stdout, done.stderr
    stream = [w.replace("TOPIC", "a?after=0") for w in announced(up, "subscribe")]
    done = subprocess.run([*stream, "-s", "-m", "2"], capture_output=True, text=True)
    assert "data: MESSAGE" in done.stdout, done.stderr
    sub = [w.replace("TOPIC", "a") for w in announced(up, "commands")]
    assert up.run(*sub[1:], "--after", "0", "-n", "1").stdout == "MESSAGE\n"


def test_the_key_is_its_owners_alone(up):
    files = os.listdir(os.path.join(up.data, "tls"))
    assert sorted(files) == ["certificate.pem", "key.pem"]
    assert stat.S_IMODE(os.stat(os.path.join(up.data, "tls", "key.pem")).st_mode) == 0o600


def test_the_certificate_stays(up):
    with open(certificate(up)) as f:
        before = f.read()
    up.process.terminate()
    assert up.wait_exit() == 0
    with Up("--tls-self-signed", data=up.data) as again:
        again.wait_ready()
        with open(certificate(up)) as f:
            assert f.read() == before


def test_commands_speak_tls(up):
    assert up.run("pub", "a", "one").returncode == 0
    assert trusting(up, "sub", "a", "--after", "0", "-n", "1").stdout == "one\n"
    assert "one" in trusting(up, "history", "a").stdout
    assert "a" in trusting(up, "topics").stdout
    assert up.run("status").returncode == 0


def test_a_command_that_speaks_plain_is_told(up):
    for command in (["topics"], ["sub", "a"]):
        done = up.run(*command)
        assert done.returncode == 1
        assert "that port speaks TLS; say --tls-certificate FILE" in done.stderr


def test_a_command_takes_no_other_certificate(up, tmp_path):
    other, _ = Authority(tmp_path).server()
    done = up.run("topics", "--tls-certificate", str(other))
    assert done.returncode == 1
    assert "none of those that [tls] certificate names" in done.stderr


def test_a_subscriber_goes_on_after_a_restart(up):
    sub = up.popen("sub", "a", "-n", "2", "--tls-certificate", certificate(up),
                   stderr=subprocess.DEVNULL)
    wait_for(lambda: "subscriptions 1" in up.run("status").stdout, "it has subscribed")
    up.run("pub", "a", "one")
    assert sub.stdout.readline() == "one\n"
    up.kill("sluice-sse")
    up.run("pub", "a", "two")
    assert sub.communicate(timeout=TIMEOUT)[0] == "two\n"


def test_it_is_for_systems_without_a_certificate(tmp_path):
    with Up("--tls-self-signed", "--tls-certificate", "x.pem") as u:
        assert u.wait_exit() == 2
        assert "without [tls] certificate" in u.log_text()


def test_a_configured_certificate_is_announced_as_https(tmp_path):
    """And the commands that read the same file need no more."""
    config = tmp_path / "sluice.conf"
    config.write_text(section(Authority(tmp_path).server()))
    with Up("--config", str(config)) as u:
        u.wait_ready()
        wait_for(lambda: any(f"https://127.0.0.1:{u.port(SSE)}/" in line for line in u.lines), "https")
        assert u.run("pub", "a", "one").returncode == 0
        assert "one" in u.run("history", "a", "--config", str(config)).stdout
