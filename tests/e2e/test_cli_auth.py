"""The command line and who asks: tokens, users, other servers; what refusals say."""

import base64
import http.server
import json
import os
import pty
import subprocess
import threading

import pytest

from sluicelib import TIMEOUT, port_base
from up_util import SLUICE, SSE, Up


class Stub(http.server.BaseHTTPRequestHandler):
    """Says what it was told to say, and keeps what it was asked."""

    answer = (200, {}, b"{}")

    def reply(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        status, headers, answer = self.server.answers[min(len(self.server.seen), len(self.server.answers)) - 1]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = reply

    def log_message(self, *_):
        pass


def problem(status, code, detail, **more):
    return json.dumps({"status": status, "code": code, "detail": detail, **more}).encode()


@pytest.fixture
def stub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.seen, server.answers = [], [(200, {}, b'{"topics":[]}')]
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def system():
    with Up() as u:
        yield u.wait_ready()


def sluice(*args, stdin="", env=None):
    return subprocess.run([SLUICE, *args], capture_output=True, text=True, timeout=TIMEOUT,
                          input=stdin, env={**os.environ, **(env or {})})


# --- who asks ---------------------------------------------------------------------


def shown(stub):
    return stub.seen[-1][2].get("Authorization")


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_token_comes_from_the_line_a_file_standard_input_or_the_environment(stub, tmp_path):
    (tmp_path / "token").write_text("in.a.file\nnot this\n")
    for args, stdin, env, expected in (
            (["--token", "in.the.line"], "", {}, "in.the.line"),
            (["--token-file", str(tmp_path / "token")], "", {"SLUICE_TOKEN": "x"}, "in.a.file"),
            (["--token-file", "-"], "in.a.pipe\n", {}, "in.a.pipe"),
            ([], "", {"SLUICE_TOKEN": "in.the.environment"}, "in.the.environment")):
        r = sluice("topics", "--url", stub.url, *args, stdin=stdin, env=env)
        assert r.returncode == 0, r.stderr
        assert shown(stub) == "Bearer " + expected


def test_a_password_comes_from_the_line_or_the_environment(stub):
    assert sluice("topics", "--url", stub.url, "--user", "al:a:b").returncode == 0
    assert shown(stub) == basic("al:a:b")
    r = sluice("topics", "--user", "al",
               env={"SLUICE_URL": stub.url, "SLUICE_PASSWORD": "secret", "SLUICE_TOKEN": "t"})
    assert r.returncode == 0 and shown(stub) == basic("al:secret")


def test_a_password_is_asked_for_at_the_terminal_without_echo(stub):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(SLUICE, ["sluice", "topics", "--url", stub.url, "--user", "al"])
    said = b""
    while b"Password of al: " not in said:
        said += os.read(fd, 100)
    os.write(fd, b"typed\n")
    try:
        while True:
            said += os.read(fd, 100)
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(fd)
    assert shown(stub) == basic("al:typed") and b"typed" not in said


def test_a_password_that_nobody_can_be_asked_for(stub):
    r = subprocess.run(["setsid", SLUICE, "topics", "--url", stub.url, "--user", "al"],
                       capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
    assert r.returncode == 2 and "SLUICE_PASSWORD" in r.stderr and not stub.seen


def test_secrets_of_the_line_are_blotted_out(stub):
    stub.answers = [(200, {"Content-Type": "text/event-stream"}, b": hello\n\n")]
    for args in (["--token", "se.cr.et"], ["--user", "al:secret"]):
        p = subprocess.Popen([SLUICE, "sub", "a", "--url", stub.url, *args],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            p.stderr.readline()  # the stream has ended, and it will be back
            with open(f"/proc/{p.pid}/cmdline") as f:
                line = f.read()
        finally:
            p.kill()
            p.wait()
            p.stderr.close()
        assert "sub" in line and "secret" not in line and "se.cr.et" not in line


# --- refusals ----------------------------------------------------------------------


@pytest.mark.parametrize("args, advice", [
    ([], "say who asks"), (["--token", "t"], "get a new one"), (["--user", "al:x"], "al")])
def test_who_is_not_known_is_told_what_to_do(stub, args, advice):
    stub.answers = [(401, {}, problem(401, "unauthorized", "Nobody here knows that"))]
    for command in (["topics"], ["history", "a"], ["sub", "a"], ["pub", "a", "b"],
                    ["delete", "a", "--yes"]):
        r = sluice(*command, "--url", stub.url, *args)
        assert r.returncode == 3, command
        assert "unauthorized: Nobody here knows that" in r.stderr and advice in r.stderr


def test_what_is_not_granted_is_told_and_where_to_look(stub):
    stub.answers = [(403, {}, problem(403, "forbidden", "publish to a/b", field="topic"))]
    r = sluice("pub", "a/b", "x", "--url", stub.url)
    assert r.returncode == 3 and "forbidden: publish to a/b" in r.stderr and "check --as" in r.stderr
    stub.answers = [(403, {}, problem(403, "forbidden", "no such name", field="Host"))]
    r = sluice("topics", "--url", stub.url)
    assert r.returncode == 3 and "check --as" not in r.stderr


def test_too_much_is_told_with_the_time(stub):
    stub.answers = [(429, {"Retry-After": "7"}, problem(429, "too_many", "Too fast"))]
    r = sluice("topics", "--url", stub.url)
    assert r.returncode == 4 and "too_many: Too fast; again in 7 s" in r.stderr


def test_pub_comes_again_when_it_was_too_fast(stub):
    stub.answers = [(429, {"Retry-After": "1"}, problem(429, "too_many", "Too fast")),
                    (201, {}, b'{"events":[{"id":"7","topic":"a"}]}')]
    r = sluice("pub", "a", "x", "-v", "--url", stub.url)
    assert r.returncode == 0 and r.stdout == "7\n" and len(stub.seen) == 2
    r = sluice("pub", "a", "x", "--url", stub.url + "/", "--limits-publish-timeout", "100ms")
    assert r.returncode == 0  # the second answer again


# --- another server ------------------------------------------------------------------


def test_a_url_may_have_a_path(stub):
    assert sluice("topics", "a/#", "--url", stub.url + "/broker/").returncode == 0
    assert stub.seen[-1][1] == "/broker/topics?filter=a/%23"


@pytest.mark.parametrize("door", [1, 2, 3, 4])
def test_any_gateway_may_be_named(system, door):
    url, topic = f"http://127.0.0.1:{system.port(door)}", f"door/{door}"
    r = sluice("pub", topic, "-v", "--url", url, stdin="one\ntwo\n")
    assert r.returncode == 0 and len(r.stdout.split()) == 2, r.stderr
    r = sluice("history", topic, "--json", "--url", url)
    assert [json.loads(line)["data"] for line in r.stdout.splitlines()] == ["two", "one"]


def test_pub_over_http_stores_what_comes_before_a_mistake(system):
    url = f"http://127.0.0.1:{system.port(SSE)}"
    lines = ['{"topic":"m/1","data":"one"}', '{"topic":"m/#"}', '{"topic":"m/2","data":"three"}']
    r = sluice("pub", "m", "--json", "--url", url, stdin="\n".join(lines))
    assert r.returncode == 1 and "line 2: bad_topic" in r.stderr
    r = sluice("topics", "m/#", "--json", "--url", url)
    assert [json.loads(line)["topic"] for line in r.stdout.splitlines()] == ["m/1"]


def test_pub_over_http_keeps_bytes_and_order_and_numbers(system):
    url = f"http://127.0.0.1:{system.port(SSE)}"
    numbers = "".join(f"{n}\n" for n in range(3000))
    for _ in range(2):
        r = sluice("pub", "n", "--url", url, "--producer", "p", "--epoch", "1", "--type", "t",
                   "--property", "a=b", stdin=numbers)
        assert r.returncode == 0, r.stderr
    r = sluice("history", "n", "-n", "5000", "--oldest-first", "--json", "--url", url)
    events = [json.loads(line) for line in r.stdout.splitlines()]
    assert [e["data"] for e in events] == [str(n) for n in range(3000)]
    assert events[0]["type"] == "t" and events[0]["properties"] == [["a", "b"]]
    r = subprocess.run([SLUICE, "pub", "bytes", "--url", url], input=b"a\xff\0b", timeout=TIMEOUT)
    assert r.returncode == 0
    r = sluice("history", "bytes", "--json", "--url", url)
    assert base64.b64decode(json.loads(r.stdout)["data_base64"]) == b"a\xff\0b"


def test_status_of_one_process(system):
    r = sluice("status", "--url", f"http://127.0.0.1:{system.port(11)}")
    assert r.returncode == 0 and " ready " in r.stdout


# --- nobody answers --------------------------------------------------------------------


@pytest.mark.parametrize("http", [False, True])
def test_pub_says_after_a_second_that_it_is_still_trying(http):
    base = port_base()
    args = ["--url", f"http://127.0.0.1:{base + SSE}"] if http else []
    r = sluice("pub", "a", "b", "--port-base", str(base), "--limits-publish-timeout", "1500ms", *args)
    assert r.returncode == 1 and r.stderr.count("still trying ") == 1
    assert r.stderr.splitlines()[-1].endswith("not stored")


def test_a_server_that_says_nothing_is_told_once():
    import socket
    with socket.create_server(("127.0.0.1", 0)) as s:
        p = subprocess.Popen([SLUICE, "topics", "--url", f"http://127.0.0.1:{s.getsockname()[1]}"],
                             stderr=subprocess.PIPE, text=True)
        try:
            assert p.stderr.readline().startswith("sluice: still trying http://127.0.0.1:")
        finally:
            p.kill()
            p.wait()
            p.stderr.close()


# --- delete ------------------------------------------------------------------------------


def test_delete_empties_topics_and_says_so(system):
    url = f"http://127.0.0.1:{system.port(SSE)}"
    for topic in ("d/1", "d/2", "d/2", "e"):
        assert sluice("pub", topic, "x", "--url", url).returncode == 0
    assert sluice("delete", "d/1", "--url", url).returncode == 2  # nobody to ask
    r = sluice("delete", "d/1", "--yes", "--url", url)
    assert r.returncode == 0 and r.stdout.startswith("d/1: emptied, up to ")
    r = sluice("delete", "d/#", "e", "-y", "--url", url)
    assert [line.split(":")[0] for line in r.stdout.splitlines()] == ["d/2", "e"]
    assert sluice("delete", "d/#", "-y", "--url", url).returncode == 1
    assert sluice("delete", "nothing", "-y", "--url", url).returncode == 1


@pytest.mark.parametrize("said, code", [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_delete_asks_at_a_terminal(system, said, code):
    url = f"http://127.0.0.1:{system.port(SSE)}"
    assert sluice("pub", "ask/1", "x", "--url", url).returncode == 0
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(SLUICE, ["sluice", "delete", "ask/#", "--url", url])
    text = b""
    while b"[y/N] " not in text:
        text += os.read(fd, 100)
    assert b"ask/1" in text and b"events in them" in text
    os.write(fd, said)
    try:
        while os.read(fd, 100):
            pass
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    os.close(fd)
