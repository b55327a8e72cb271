"""What the containers start with: the compose file, and the entry point, run in a folder."""

import os
import pathlib
import stat
import subprocess

import requests
import yaml

from sluicelib import BIN, TIMEOUT, port_base, wait_for

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
ENTRYPOINT = DEPLOY / "entrypoint.sh"


def enter(data, *command, **env):
    """The container's start; what it runs is `command`."""
    return subprocess.run([ENTRYPOINT, *command], capture_output=True, text=True, timeout=TIMEOUT,
                          env={"PATH": f"{BIN}:{os.environ['PATH']}", "SLUICE_DATA": str(data), **env})


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# --- the compose file -------------------------------------------------------------


def compose():
    return yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())


def test_nothing_is_open_to_strangers():
    text = (DEPLOY / "docker-compose.yml").read_text()
    assert "ALLOW_ANONYMOUS" not in text and "ADMIN_LISTEN" not in text
    for service in compose()["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_one_service_makes_the_keys_and_the_others_wait_for_it():
    services = compose()["services"]
    setup = services.pop("setup")
    assert setup["environment"]["SLUICE_FIRST_START"] == "make" and setup["restart"] == "no"
    assert set(setup["volumes"]) == {"keys:/var/lib/sluice/keys", "trust:/var/lib/sluice/trust"}
    assert set(services) == {"broker", "sse", "ws", "poll", "h2", "mqtt", "zmq"}
    for service in services.values():
        assert service["environment"]["SLUICE_FIRST_START"] == "wait"
        assert service["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
        assert "trust:/var/lib/sluice/trust:ro" in service["volumes"]
        assert not any(v.startswith("keys:") for v in service["volumes"])


def test_every_volume_and_folder_is_there():
    c, dockerfile = compose(), (DEPLOY / "Dockerfile").read_text()
    for service in c["services"].values():
        for volume in service["volumes"]:
            name, folder = volume.split(":")[:2]
            assert name in c["volumes"] and folder in dockerfile
    assert 'ENTRYPOINT ["sluice-entrypoint"]' in dockerfile


# --- the entry point ----------------------------------------------------------------


def test_the_first_start_makes_a_token_and_says_where(tmp_path):
    r = enter(tmp_path, "env")
    token = tmp_path / "keys" / "admin.token"
    assert r.returncode == 0 and f"is in {token}" in r.stderr
    assert f"SLUICE_AUTH_JWKS={tmp_path}/trust/tokens.jwks" in r.stdout
    assert "SLUICE_FIRST_START" not in r.stdout
    for path in (token, tmp_path / "keys" / "tokens.pem"):
        assert mode(path) == 0o600
    assert mode(tmp_path / "keys") == 0o700
    assert token.read_text().strip() not in r.stdout + r.stderr
    before = token.read_text()
    r = enter(tmp_path, "env")
    assert r.stderr == "" and token.read_text() == before


def test_the_token_may_do_everything(tmp_path):
    enter(tmp_path, "true")
    for verb in ("publish", "subscribe", "manage"):
        r = enter(tmp_path, "sluice", "check", "--token", str(tmp_path / "keys" / "admin.token"), verb, "#")
        assert r.returncode == 0 and r.stdout.splitlines()[-1].startswith("yes: "), r.stdout


def test_a_container_beside_it_makes_nothing(tmp_path):
    r = enter(tmp_path, "env", SLUICE_FIRST_START="wait")
    assert f"SLUICE_AUTH_JWKS={tmp_path}/trust/tokens.jwks" in r.stdout
    assert list(tmp_path.iterdir()) == [] and r.stderr == ""


def test_a_configuration_of_ones_own_is_left_alone(tmp_path):
    (tmp_path / "c").write_text("[auth]\nanonymous = r\n[role \"r\"]\nsubscribe = #\n")
    for env in ({"SLUICE_CONFIG": str(tmp_path / "c")}, {"SLUICE_AUTH_USERS": "/etc/sluice/users"}):
        r = enter(tmp_path, "env", **env)
        assert r.returncode == 0 and "SLUICE_AUTH_JWKS" not in r.stdout
        assert not (tmp_path / "keys").exists()


def test_a_system_that_was_started_so_lets_in_whoever_has_the_token(tmp_path):
    base = port_base()
    url = f"http://127.0.0.1:{base + 1}/events/a"
    p = subprocess.Popen([ENTRYPOINT, "sluice", "up"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         env={"PATH": f"{BIN}:{os.environ['PATH']}", "SLUICE_DATA": str(tmp_path),
                              "SLUICE_PORT_BASE": str(base)})
    try:
        assert p.stdout.readline() == "sluice: ready\n"
        token = (tmp_path / "keys" / "admin.token").read_text().strip()
        assert requests.post(url, data="x", timeout=TIMEOUT).status_code == 401
        shown = {"Authorization": f"Bearer {token}"}
        wait_for(lambda: requests.post(url, data="x", headers=shown, timeout=TIMEOUT).status_code == 201,
                 "a publish with the token")
    finally:
        p.terminate()
        p.wait(TIMEOUT)
        p.stdout.close()
