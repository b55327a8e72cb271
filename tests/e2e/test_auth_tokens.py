"""Tokens that npm's jose made, and keys that an https server hands out: every algorithm,
rotation under load, a server that is down, and tokens of keys that nobody has."""

import http.server
import json
import os
import pathlib
import ssl
import subprocess
import threading
import time

import pytest
from authlib import Auth
from sluicelib import BIN, TIMEOUT, wait_for
from tlslib import Authority

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
SECRETS = ("HS256", "HS384", "HS512")
EVERYTHING = {"publish": ["#"], "subscribe": ["#"]}


class Jose:
    """Another implementation: makes keys and tokens."""

    def __init__(self, node_path):
        self.process = subprocess.Popen(
            ["node", str(pathlib.Path(__file__).with_name("jose_maker.js"))], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "NODE_PATH": node_path})

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def key(self, alg, kid):
        return self.ask(make=alg, kid=kid)

    def token(self, key, sub="alice", ttl=300, **claims):
        jwk = key["private"]
        body = {"sub": sub, "iat": int(time.time()), "exp": int(time.time()) + ttl,
                "sluice": EVERYTHING, **claims}
        return self.ask(sign=body, jwk=jwk, header={"alg": jwk["alg"], "kid": jwk["kid"]})["token"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(TIMEOUT)


@pytest.fixture(scope="module")
def jose(npm):
    made = Jose(npm("jose@5"))
    yield made
    made.close()


class Identity:
    """An identity provider: its JWKS over https, signed by a CA of its own."""

    def __init__(self, folder):
        self.ca = Authority(folder, "identity")
        self.keys, self.status, self.asked = [], 200, 0
        identity = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                identity.asked += 1
                body = json.dumps({"keys": [k["public"] for k in identity.keys]}).encode()
                self.send_response(identity.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.ca.server())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.port = self.server.server_port

    def lines(self, refresh="1s"):
        return (f"jwks = https://localhost:{self.port}/jwks.json\njwks_refresh = {refresh}\n"
                f"ca_file = {self.ca.file}\nleeway = 0s")

    def close(self):
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()


@pytest.fixture
def identity(tmp_path):
    made = Identity(tmp_path / "identity")
    yield made
    made.close()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def post(sluice, token, topic="a/b"):
    return sluice.request("POST", f"/events/{topic}", data=b"x", headers=bearer(token))


# --- every algorithm ---------------------------------------------------------------------


def test_tokens_of_another_implementation(new_sluice, tmp_path, jose, identity):
    identity.keys = [jose.key(alg, f"key-{alg}") for alg in ALGORITHMS]
    auth = Auth(tmp_path, tokens=False, more=identity.lines("10m"), rest="[sluice]\nlog_level = debug")
    s = new_sluice(auth.config())
    for key in identity.keys:
        r = post(s, jose.token(key))
        assert r.status_code == 201, (key["public"]["alg"], r.text)
        assert post(s, jose.token(key, ttl=-10)).status_code == 401
        assert post(s, jose.token(key, nbf=int(time.time()) + 60)).status_code == 401
        forged = jose.token(key)
        assert post(s, forged[:-8] + "AAAAAAAA").status_code == 401
        assert forged[20:40] not in s.sse.logged() and forged[-40:-8] not in s.sse.logged()
    for why in ("it has run out (exp)", "its time has not come (nbf)", "the signature is wrong"):
        assert s.sse.logged().count(why) >= len(ALGORITHMS), why
    assert identity.asked == 1


def test_secrets_come_out_of_a_file_and_never_out_of_the_web(new_sluice, tmp_path, jose, identity):
    keys = [jose.key(alg, f"key-{alg}") for alg in SECRETS]
    file = tmp_path / "keys.jwks"
    file.write_text(json.dumps({"keys": [k["public"] for k in keys]}))
    s = new_sluice(Auth(tmp_path, tokens=False, more=f"jwks = {file}").config())
    for key in keys:
        assert post(s, jose.token(key)).status_code == 201
    identity.keys = keys + [jose.key("EdDSA", "one")]
    t = new_sluice(Auth(tmp_path, tokens=False, more=identity.lines()).config())
    for key in keys:
        assert post(t, jose.token(key)).status_code == 401
    assert post(t, jose.token(identity.keys[-1])).status_code == 201


def test_a_public_key_is_no_secret(new_sluice, tmp_path, jose, identity):
    rsa = jose.key("RS256", "rsa")
    identity.keys = [rsa]
    s = new_sluice(Auth(tmp_path, tokens=False, more=identity.lines()).config())
    confused = {"private": {"kty": "oct", "k": rsa["public"]["n"], "alg": "HS256", "kid": "rsa"}}
    assert post(s, jose.token(rsa)).status_code == 201
    r = post(s, jose.token(confused))
    assert r.status_code == 401
    assert 'error="invalid_token"' in r.headers["WWW-Authenticate"]


# --- a server of keys -----------------------------------------------------------------------


class Load:
    """Publishes as one principal without a pause, over connections that stay."""

    def __init__(self, sluice, token):
        self.codes, self.stop = [], threading.Event()
        self.thread = threading.Thread(target=self.run, args=(sluice, token))
        self.thread.start()

    def run(self, sluice, token):
        while not self.stop.is_set():
            self.codes.append(post(sluice, token, "load/x").status_code)

    def end(self):
        self.stop.set()
        self.thread.join()
        return self.codes


def test_keys_rotate_under_load(new_sluice, tmp_path, jose, identity):
    old, new = jose.key("ES256", "old"), jose.key("EdDSA", "new")
    identity.keys = [old]
    s = new_sluice(Auth(tmp_path, tokens=False, more=identity.lines("1s")).config())
    stream = s.stream("load/x", bearer(jose.token(old, "reader")))
    assert stream.opened()[0] == 200
    load = Load(s, jose.token(old, "writer"))
    identity.keys = [old, new]
    assert post(s, jose.token(new)).status_code == 201  # its kid is asked for at once
    asked = identity.asked
    wait_for(lambda: identity.asked >= asked + 2, "two refreshes")
    wait_for(lambda: len(load.codes) > 50, "load")
    assert set(load.end()) == {201}
    # The key leaves: within a second of the next refresh so do its tokens and their streams.
    identity.keys = [new]
    assert stream.next("expired").json()["reason"] == "revoked"
    assert stream.next("event") is None
    assert post(s, jose.token(old)).status_code == 401
    assert post(s, jose.token(new)).status_code == 201


def test_a_server_that_is_down_leaves_the_last_keys(new_sluice, tmp_path, jose, identity):
    key = jose.key("EdDSA", "one")
    identity.keys = [key]
    s = new_sluice(Auth(tmp_path, tokens=False, more=identity.lines("1s")).config())
    assert post(s, jose.token(key, "alice")).status_code == 201
    identity.close()
    s.wait_metric("sluice_auth_jwks_failures_total", 1)
    assert post(s, jose.token(key, "bob")).status_code == 201
    assert post(s, jose.token(jose.key("EdDSA", "two"))).status_code == 503
    assert "the last keys stay" in s.sse.logged()


def test_a_start_does_not_wait_for_keys_but_tokens_do(new_sluice, tmp_path, jose, identity):
    key = jose.key("EdDSA", "one")
    identity.keys = [key]
    identity.status = 500
    s = new_sluice(Auth(tmp_path, tokens=False, more=identity.lines("1s")).config())
    assert post(s, jose.token(key)).status_code == 503
    identity.status = 200
    wait_for(lambda: post(s, jose.token(key)).status_code == 201, "keys")


def test_a_server_of_another_authority_is_not_believed(new_sluice, tmp_path, jose, identity):
    key = jose.key("EdDSA", "one")
    identity.keys = [key]
    other = Authority(tmp_path / "other")
    lines = identity.lines().replace(str(identity.ca.file), str(other.file))
    s = new_sluice(Auth(tmp_path, tokens=False, more=lines).config())
    assert post(s, jose.token(key)).status_code == 503
    assert identity.asked == 0
    assert "certificate" in s.sse.logged()


def test_unknown_keys_are_asked_for_once_a_minute(new_sluice, tmp_path, jose, identity):
    key = jose.key("EdDSA", "one")
    identity.keys = [key]
    s = new_sluice(Auth(tmp_path, tokens=False, more=identity.lines("10m")).config())
    assert post(s, jose.token(key)).status_code == 201
    strangers = [jose.token(jose.key("EdDSA", f"stranger-{n}")) for n in range(10)]
    for _ in range(10):
        assert {post(s, t).status_code for t in strangers} == {401}
    assert identity.asked == 2


def test_a_reload_with_the_same_keys_disturbs_nobody(new_sluice, tmp_path, jose, identity):
    key = jose.key("EdDSA", "one")
    identity.keys = [key]
    auth = Auth(tmp_path, tokens=False, more=identity.lines("10m"))
    s = new_sluice(auth.config())
    token = jose.token(key)
    stream = s.stream("a/b", bearer(token))
    assert stream.opened()[0] == 200
    asked = identity.asked
    auth.reload(s)
    wait_for(lambda: identity.asked > asked, "keys were asked for")
    assert post(s, token).status_code == 201
    assert post(s, jose.token(key, "bob")).status_code == 201
    assert [e.data for e in stream.events(2)] == ["x", "x"]


# --- the command line's own ---------------------------------------------------------------------


def sluice(*args):
    return subprocess.run([os.path.join(BIN, "sluice"), *map(str, args)], text=True,
                          capture_output=True, timeout=TIMEOUT)


def test_what_keygen_and_token_make_is_believed_here_and_elsewhere(new_sluice, tmp_path, jose):
    key = tmp_path / "key"
    assert sluice("keygen", "--jwt", key).returncode == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert sluice("keygen", "--jwt", key).returncode == 1  # nothing is overwritten
    jwks = tmp_path / "key.pub.jwks"
    assert "\"d\"" not in jwks.read_text()
    s = new_sluice(Auth(tmp_path, tokens=False, more=f"jwks = {jwks}\naudience = us\n").config())
    made = sluice("token", "--key", key, "--sub", "alice", "--publish", "a/#", "--ttl", "10m",
                  "--config", s.config).stdout.strip()
    assert post(s, made, "a/b").status_code == 201
    assert post(s, made, "b").status_code == 403
    told = jose.ask(verify=made, jwk=json.loads(jwks.read_text())["keys"][0])
    assert told["claims"]["aud"] == "us" and told["claims"]["jti"]
    assert told["claims"]["exp"] - told["claims"]["iat"] == 600


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "HS256"])
def test_token_signs_with_what_jose_made(jose, tmp_path, alg):
    key = jose.key(alg, "k")
    file = tmp_path / "key"
    file.write_text(json.dumps(key["private"]))
    file.chmod(0o600)
    made = sluice("token", "--key", file, "--sub", "alice", "--role", "r", "--ttl", "never")
    assert made.returncode == 0, made.stderr
    told = jose.ask(verify=made.stdout.strip(), jwk=key["public"])
    assert told["header"] == {"alg": alg, "typ": "JWT", "kid": "k"}
    assert "exp" not in told["claims"] and told["claims"]["sluice"] == {"roles": ["r"]}


def test_a_curve_pair_is_printed_as_a_file_that_pyzmq_reads(tmp_path):
    zmq_auth = pytest.importorskip("zmq.auth")
    file = tmp_path / "gw.key_secret"
    file.write_text(sluice("keygen", "--curve", "gw", "--role", "a", "--role", "b").stdout)
    public, secret = zmq_auth.load_certificate(str(file))
    assert len(public) == len(secret) == 40
    assert f"gw:{public.decode()}:a,b" in file.read_text()


@pytest.mark.parametrize("args", [(), ("--sub", "a"), ("--key", "/nonexistent"),
                                  ("--sub", "a", "--ttl", "soon"),
                                  ("--sub", "a", "--publish", "a/#/b")])
def test_what_token_cannot_make_is_a_mistake(args):
    done = sluice("token", *args)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("sluice: ")
