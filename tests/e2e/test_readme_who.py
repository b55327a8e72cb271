"""README, "Who may do what": its configurations and its lines, as they stand."""

import pathlib
import re
import subprocess

import pytest

from sluicelib import PORTS, TIMEOUT, wait_for
from tlslib import Authority
from up_util import SLUICE, SSE, Up

README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
SECTION = README.split("## Who may do what", 1)[1].split("\n## ", 1)[0]
WEB_APP, DEVICES, TEAM = re.findall(r"```ini\n(.*?)```", SECTION, re.S)[:3]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*command, stdin=""):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=TIMEOUT, input=stdin)


def sluice(*args, stdin=""):
    return run(SLUICE, *args, stdin=stdin)


def line(begin):
    """A line of the section, which is there."""
    found = re.search(rf"^    ({re.escape(begin)}.*?)( {{3,}}#.*)?$", SECTION, re.M)
    assert found, begin
    return found[1]


def at(up, command):
    """With the ports of this system."""
    return command.replace("8081", str(up.port(SSE))).replace("build/bin/sluice", SLUICE)


def configured(folder, text):
    (folder / "sluice.conf").write_text(text)
    r = sluice("check", "--config", "sluice.conf")
    assert r.returncode == 0, r.stdout + r.stderr
    return Up("--config", "sluice.conf")


def shell(command, **env):
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=TIMEOUT, env=None if not env
                          else {"PATH": "/usr/local/bin:/usr/bin:/bin", **env})


def test_a_web_app_with_tokens(folder):
    assert sluice("keygen", "--jwt", "tokens").returncode == 0
    with configured(folder, WEB_APP) as up:
        up.wait_ready()
        token = shell(at(up, line("TOKEN=$(")) + "; echo $TOKEN").stdout.strip()
        r = shell(at(up, line('curl -H "Authorization')), TOKEN=token)
        assert '"topic":"news/alice/today"' in r.stdout
        r = shell("timeout 2 " + at(up, line("curl -N")), TOKEN=token)
        assert '"data":"hello"' in r.stdout
        r = shell("timeout 5 " + line("mosquitto_sub -u -") + f" -p {up.port(PORTS['mqtt'])} -W 1 -E", TOKEN=token)
        assert r.returncode == 0, r.stderr
        assert sluice("pub", "news/bob", "x", "--token", token, "--port-base", up.base).returncode == 3


def test_devices_with_certificates(folder):
    a = Authority(folder, "ca")
    for name, pair in (("server", a.server()), ("pump-7", a.issue(subject="/CN=pump-7"))):
        for file, kind in zip(pair, ("pem", "key")):
            file.rename(folder / f"{name}.{kind}")
    (folder / "devices.pem").write_text((folder / "ca.pem").read_text())
    with configured(folder, DEVICES) as up:
        up.wait_ready()
        r = shell(line("mosquitto_pub --cafile") + f" -p {up.port(PORTS['mqtt'])} -q 1")
        assert r.returncode == 0, r.stderr
        assert '"topic":"fleet/pump-7/state"' in shell(at(up, line("curl --cacert"))).stdout
        other = at(up, line("curl --cacert")).replace("fleet/pump-7/", "fleet/pump-8/")
        assert '"code":"forbidden"' in shell(other).stdout


def test_a_team_with_passwords(folder):
    assert sluice("passwd", "users", "alice", "--role", "writer", stdin="secret\n").returncode == 0
    with configured(folder, TEAM) as up:
        up.wait_ready()
        r = shell(at(up, line("curl -u alice")).replace("alice", "alice:secret"))
        assert '"topic":"news/today"' in r.stdout
        r = shell(at(up, line("build/bin/sluice sub")) + f" --port-base {up.base} --last 1 -n 1",
                  SLUICE_PASSWORD="secret")
        assert r.stdout == "hello\n", r.stderr
        r = shell("timeout 5 " + line("mosquitto_sub -u alice") + f" -p {up.port(PORTS['mqtt'])} -W 1 -E",
                  PASSWORD="secret")
        assert r.returncode == 0, r.stderr
        r = shell(at(up, line("build/bin/sluice check --config sluice.conf --as")))
        assert r.returncode == 0 and r.stdout.startswith("yes: publish = news/#")
        assert shell(at(up, line("curl -u alice")).replace("alice", "alice:wrong")).stdout.find("unauthorized") > 0


def test_sub_goes_on_with_the_next_token(folder):
    assert sluice("keygen", "--jwt", "tokens").returncode == 0
    (folder / "sluice.conf").write_text("[auth]\njwks = tokens.pub.jwks\nleeway = 0s\n")

    def token(ttl):
        r = sluice("token", "--key", "tokens", "--sub", "al", "--publish", "#", "--subscribe", "#", "--ttl", ttl)
        return r.stdout

    (folder / "token").write_text(token("3s"))
    (folder / "long").write_text(token("1h"))
    with Up("--config", "sluice.conf") as up:
        up.wait_ready()
        lines, errors = folder / "lines", folder / "errors"
        with open(lines, "w") as out, open(errors, "w") as err:
            p = subprocess.Popen([SLUICE, "sub", "a", "--token-file", "token", "--after", "0",
                                  "--port-base", str(up.base)], stdout=out, stderr=err)
        try:
            def publish(text):
                assert sluice("pub", "a", text, "--token-file", "long", "--port-base", up.base).returncode == 0
            publish("one")
            wait_for(lambda: lines.read_text() == "one\n", "the first")
            (folder / "token").write_text(token("1h"))
            wait_for(lambda: "run out" in errors.read_text(), "the end of the first token")
            publish("two")
            wait_for(lambda: lines.read_text() == "one\ntwo\n", "what came after")
        finally:
            p.kill()
            p.wait()


def test_pub_over_zeromq_is_refused_as_over_http(folder):
    """A stranger who may not: ZMTP's NULL lets them in, and the broker's door says no."""
    (folder / "sluice.conf").write_text('[auth]\nanonymous = guest\n[role "guest"]\npublish = open/#\n')
    with Up("--config", "sluice.conf") as up:
        up.wait_ready()
        def pub(*args):
            return sluice("pub", *args, "--config", "sluice.conf", "--port-base", up.base)

        assert pub("open/a", "x").returncode == 0
        r = pub("closed", "x")
        assert r.returncode == 3 and r.stderr.startswith("sluice: forbidden: ")
