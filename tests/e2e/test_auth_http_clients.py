"""Real clients that say who they are: curl, certificates, libraries for server-sent events."""

import json
import os
import pathlib
import subprocess
import time

import pytest
import tlslib
from authlib import Auth, token
from sluicelib import TIMEOUT

LIBRARIES = {"eventsource": "3", "event-source-polyfill": "1", "eventsource-client": "1"}
CLIENT = pathlib.Path(__file__).with_name("auth_client.js")


def curl(*args):
    """(status, body)"""
    done = subprocess.run(["curl", "-s", "-m", str(TIMEOUT), "-w", "\n%{http_code}", *map(str, args)],
                          capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_curl(new_sluice, tmp_path):
    auth = Auth(tmp_path, roles={"own": {"publish": "u/%u", "subscribe": "u/#"}},
                users={"bob": ("se:cret", "own")}, more="cookie = sid")
    s = new_sluice(auth.config())
    at, good = s.url("/events/u/bob"), token("bob", publish=["u/bob"])
    assert curl("-u", "bob:se:cret", "-d", "1", at)[0] == 201
    assert curl("-u", "bob:wrong", "-d", "1", at)[0] == 401
    assert curl("--anyauth", "-u", "bob:se:cret", s.url("/topics"))[0] == 200
    assert curl("--oauth2-bearer", good, "-d", "2", at)[0] == 201
    assert curl("-b", f"sid={good}", "-d", "3", at)[0] == 201
    assert curl("-d", "4", f"{at}?access_token={good}")[0] == 201
    status, body = curl("-d", "5", at)
    assert status == 401 and json.loads(body)["code"] == "unauthorized"
    status, body = curl("-u", "bob:se:cret", s.url("/history/u/bob"))
    assert [e["data"] for e in json.loads(body)["events"]] == ["1", "2", "3", "4"]
    assert curl("-u", "bob:se:cret", "-T", "/dev/null", s.url("/events/u/bob"))[0] == 405


def test_a_certificate_is_its_name(new_sluice, tmp_path):
    ca = tlslib.Authority(tmp_path / "ca")
    auth = Auth(tmp_path, roles={"device": {"publish": "fleet/%u/#", "subscribe": "fleet/%u/#"}},
                more="certificate_roles = device",
                rest=tlslib.section(ca.server(), more=f"client_ca = {ca.file}\nverify = optional\n"))
    s = new_sluice(auth.config())
    cert, key = ca.issue(subject="/CN=truck7")
    mine = ("--cacert", ca.file, "--cert", cert, "--key", key)
    at = f"https://127.0.0.1:{s.port()}/events/fleet/truck7/speed"
    assert curl(*mine, "-d", "80", at)[0] == 201
    status, body = curl(*mine, "-d", "80", at.replace("truck7", "truck8"))
    assert status == 403 and json.loads(body)["filter"] == "fleet/truck8/speed"
    assert curl("--cacert", ca.file, "-d", "80", at)[0] == 401
    # What is shown beside it counts, and wrong, is refused.
    assert curl(*mine, "--oauth2-bearer", "a.b.c", "-d", "80", at)[0] == 401
    assert curl(*mine, "--oauth2-bearer", token("x", publish=["y"]), "-d", "80", at)[0] == 403


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_goes_on_with_the_next_token(new_sluice, tmp_path, npm, library):
    auth = Auth(tmp_path, more="leeway = 0s", rest="[sse]\nretry = 100ms")
    s = new_sluice(auth.config())
    boss = Auth.bearer("boss", publish=["#"])
    ids = [s.publish("a", str(n).encode(), **boss) for n in range(3)]
    modules = npm(f"{library}@{LIBRARIES[library]}")
    short = token("t", ttl=None, claims={"exp": time.time() + 2}, subscribe=["a"])
    node = subprocess.Popen(
        ["timeout", str(TIMEOUT), "node", CLIENT, library, s.url("/events/a", after=0), short,
         token("t", subscribe=["a"])],
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "NODE_PATH": modules})
    try:
        said = [node.stdout.readline().split() for _ in range(3)]
        assert said == [[i, str(n)] for n, i in enumerate(ids)]
        word, position = node.stdout.readline().split()
        assert word == "expired" and position == ids[-1]
        last = s.publish("a", b"3", **boss)
        assert node.stdout.readline().split() == [last, "3"]
    finally:
        node.stdin.close()
        node.wait(TIMEOUT)
