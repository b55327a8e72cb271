"""sluice check: what is wrong with a configuration, and what somebody may do."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

import pytest

from sluicelib import TIMEOUT
from tlslib import Authority
from up_util import SLUICE

ROLES = """
[role "device"]
publish = fleet/%u/#, at/%c/x
subscribe = fleet/%u/commands/#

[role "guest"]
subscribe = public/#
"""


def check(config, *args, stdin="", folder=None):
    return subprocess.run([SLUICE, "check", "--config", str(config), *args], capture_output=True,
                          text=True, timeout=TIMEOUT, input=stdin, cwd=folder)


@pytest.fixture
def make(tmp_path):
    def made(text):
        file = tmp_path / "s.conf"
        file.write_text(text)
        return file
    return made


def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    file.chmod(0o600)
    return file


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(file, **claims):
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    text = head + "." + b64(json.dumps({"sub": "al", "exp": int(time.time()) + 100, **claims}).encode())
    return text + "." + b64(hmac.new(file.read_bytes().strip(), text.encode(), hashlib.sha256).digest())


# --- a configuration ---------------------------------------------------------------


def test_the_defaults_are_good(make):
    r = check(make(""))
    assert (r.returncode, r.stdout) == (0, "the configuration is good; warnings: 0\n")


def test_a_line_that_cannot_be_read_is_named(make):
    r = check(make("[sse]\nx = 1\n[ws]\nlisten = nowhere\n"))
    assert r.returncode == 1
    assert "s.conf:2: [sse] has no key x" in r.stderr and 's.conf:4: listen: "nowhere"' in r.stderr


@pytest.mark.parametrize("text, said", [
    ("[sse]\nlisten = 0.0.0.0:1\n", "s.conf:2: 0.0.0.0:1 is beyond loopback"),
    ("[tls]\nclient_ca = nope\n", "s.conf:2: no certificate can be read from nope"),
    ("[tls]\n\ncertificate = nope\n", "s.conf:3: no certificate can be read from nope"),
    ("[auth]\ncertificate_roles = x\n", 's.conf:2: there is no role "x"'),
    ("[auth]\nanonymous = guest, y\n" + ROLES, 's.conf:2: there is no role "y"'),
    ("[auth]\nhmac_key_file = nope\n", "s.conf:2: nope: No such file"),
    ("[auth]\njwks = nope\n", "s.conf:2: what tokens are verified with is no good"),
    ("[auth]\njwks = https://127.0.0.1:1/x\n", "s.conf:2: no keys can be had"),
    ("[zmq]\ncurve_secret_key_file = nope\n", "s.conf:2: nope: No such file"),
    ("[broker]\nlink = tcp://0.0.0.0:5560\n", "need keys"),
])
def test_what_would_not_start_is_an_error(make, text, said):
    r = check(make(text))
    assert r.returncode == 1 and said in r.stdout, r.stdout
    assert "the configuration is not good" in r.stdout


@pytest.mark.parametrize("text, said", [
    ("[sluice]\nallow_anonymous = on\nbind = 0.0.0.0\n", "s.conf:3: warning: whoever reaches"),
    ("[sse]\nadmin_listen = 0.0.0.0:1\n", "s.conf:2: warning: metrics are shown"),
    ("[auth]\nanonymous = guest\n[sse]\nlisten = 0.0.0.0:1\n" + ROLES, "s.conf:4: warning: 0.0.0.0:1 speaks no TLS"),
    ("[ws]\nallow_origin = *\nallow_credentials = on\n", "s.conf:3: warning: with allow_origin = *"),
    ("[auth]\nanonymous = a\n[role \"a\"]\nmanage = x\n", "s.conf:3: warning: strangers have"),
    ("[auth]\nanonymous = a\n[role \"a\"]\n", 's.conf:3: warning: role "a" grants nothing'),
    ("[auth]\nanonymous = guest\ncookie = c\n" + ROLES, "s.conf:3: warning: nothing here knows"),
    (ROLES, "warning: roles, but nothing"),
    ("[broker]\nmax_bytes = 0\n", "s.conf:2: warning: [broker] max_bytes is 0"),
])
def test_what_is_unwise_is_a_warning(make, text, said):
    r = check(make(text))
    assert r.returncode == 0 and said in r.stdout, r.stdout


def test_certificates_are_looked_at(make, tmp_path):
    a = Authority(tmp_path)
    certificate, key = a.issue("DNS:localhost", days=5)
    other = a.issue("DNS:other.example")[1]
    r = check(make(f"[tls]\ncertificate = {certificate}\nkey = {other}\n"))
    assert r.returncode == 1 and f"s.conf:3: {other} is not the key of {certificate}" in r.stdout
    assert "s.conf:2: warning: " in r.stdout and "pem expires in " in r.stdout
    os.chmod(key, 0o644)
    r = check(make(f"[tls]\ncertificate = {certificate}\nkey = {key}\n"))
    assert r.returncode == 0 and f"s.conf:3: warning: others may read {key}" in r.stdout


def test_a_secret_that_others_may_read(make, tmp_path):
    file = secret(tmp_path)
    assert "others may" not in check(make(f"[auth]\nhmac_key_file = {file}\n")).stdout
    file.chmod(0o644)
    assert f"warning: others may read {file}" in check(make(f"[auth]\nhmac_key_file = {file}\n")).stdout


def test_a_file_that_is_wrong_is_told_with_its_line(make, tmp_path):
    (tmp_path / "keys").write_text("# keys\ntill:" + "a" * 40 + ":guest,none\n")
    (tmp_path / "users").write_text("alice:secret:guest\n")
    for what, line in (("keys", 2), ("users", 1)):
        r = check(make(f"[auth]\n{what} = {tmp_path}/{what}\n" + ROLES))
        assert r.returncode == 1 and f"s.conf:2: the file of {what} is no good: see above" in r.stdout
        assert f"file={tmp_path}/{what} line={line}" in r.stderr and "secret" not in r.stderr


# --- somebody -------------------------------------------------------------------------


@pytest.mark.parametrize("args, code, said", [
    (("--as", "user:alice", "publish", "fleet/alice/x"), 0, 'yes: publish = fleet/%u/#   (role "device", '),
    (("--as", "user:alice", "publish", "fleet/bob/x"), 1, "no: nothing grants publish of fleet/bob/x"),
    (("--as", "user:alice", "publish", "fleet/+/x"), 1, "no: "),
    (("--as", "user:alice", "publish", "at/me/x"), 1, "no: "),
    (("--as", "user:alice", "--client", "me", "publish", "at/me/x"), 0, "yes: publish = at/%c/x"),
    (("--as", "user:alice", "manage", "a"), 1, "no: "),
    (("--as", "cert:pump", "subscribe", "fleet/pump/commands/#"), 0, "yes: "),
    (("--as", "cert:a/b", "publish", "fleet/x"), 1, "may not stand in a topic"),
    (("--as", "anonymous", "subscribe", "public/+"), 0, 'role "guest"'),
    (("--as", "user:alice"), 0, "subscribe = fleet/%u/commands/#"),
])
def test_what_somebody_may_do(make, tmp_path, args, code, said):
    (tmp_path / "users").write_text("alice:$y$x:device\n")
    config = make(f"[auth]\nusers = {tmp_path}/users\ncertificate_roles = device\nanonymous = guest\n" + ROLES)
    r = check(config, *args)
    assert r.returncode == code and said in r.stdout, r.stdout + r.stderr


@pytest.mark.parametrize("args, code", [
    (("--as", "user:nobody"), 1), (("--as", "token:x"), 2), (("--as", "alice"), 2),
    (("--as", "anonymous", "fly", "a"), 2), (("--as", "anonymous", "publish"), 2),
    (("--as", "anonymous", "publish", "a/#/b"), 2), (("publish", "a"), 2), (("--token", "nowhere"), 2)])
def test_a_question_that_makes_no_sense(make, tmp_path, args, code):
    (tmp_path / "users").write_text("")
    r = check(make(f"[auth]\nusers = {tmp_path}/users\nanonymous = guest\nhmac_key_file = {secret(tmp_path)}\n"
                   + ROLES), *args)
    assert r.returncode == code and r.stderr.startswith("sluice: ")


def test_what_a_token_may_do(make, tmp_path):
    file = secret(tmp_path)
    config = make(f"[auth]\nhmac_key_file = {file}\n" + ROLES)
    good = token(file, sluice={"publish": ["a/#"], "roles": ["guest"]})
    r = check(config, "--token", "-", stdin=good + "\n")
    assert r.returncode == 0 and r.stdout.startswith("token:al, good for another ")
    assert "publish = a/#   (the token's own)" in r.stdout and 'role "guest"' in r.stdout
    (tmp_path / "token").write_text(good)
    assert check(config, "--token", str(tmp_path / "token"), "publish", "a/b").returncode == 0
    assert check(config, "--token", str(tmp_path / "token"), "publish", "b").returncode == 1
    for bad in (token(file, exp=1000), good[:-3] + "AAA", "x"):
        r = check(config, "--token", "-", stdin=bad)
        assert r.returncode == 1 and r.stdout.startswith("no: the token is refused: ")
        assert bad not in r.stdout + r.stderr


def test_without_authentication_everybody_may(make):
    r = check(make(""), "--as", "user:alice", "manage", "#")
    assert r.returncode == 0 and "everybody may do everything" in r.stdout
