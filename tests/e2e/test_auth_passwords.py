"""Users with passwords, the HTTP callback, and the file that `sluice passwd` writes."""

import concurrent.futures
import contextlib
import crypt  # pylint: disable=deprecated-module
import http.client
import http.server
import json
import os
import pty
import select
import signal
import statistics
import subprocess
import termios
import threading
import time
from base64 import b64encode

import pytest
from sluicelib import BIN, TIMEOUT, wait_for

FREE = 10  # wrong passwords that cost nothing: common/auth/slowness.h
ROLES = """
[role "editor"]
publish = #
subscribe = #
[role "own"]
publish = home/%u/#
subscribe = home/%u/#
"""


def passwd(file, user, password, *more):
    """sluice passwd with a line of standard input."""
    return subprocess.run([os.path.join(BIN, "sluice"), "passwd", str(file), user, *more], check=False,
                          input=f"{password}\n".encode(), capture_output=True, timeout=TIMEOUT)


def cheap(name, roles="editor"):
    """A line of a user whose password is the name; quickly checked."""
    return f"{name}:{crypt.crypt(name, '$y$j75$..........A4')}:{roles}\n"


class Team:
    """A system with users; each request is a connection of its own, from any loopback address."""

    def __init__(self, sluice, users):
        self.sluice, self.users = sluice, users

    def ask(self, user=None, password="", topic="a/b", method="POST", source="127.0.0.1"):
        """(status, headers) of a publish."""
        c = http.client.HTTPConnection("127.0.0.1", self.sluice.port(), timeout=TIMEOUT,
                                       source_address=(source, 0))
        with contextlib.closing(c):
            pair = b64encode(f"{user}:{password}".encode()).decode()
            path = f"/events/{topic}" if method == "POST" else f"/history/{topic}"
            c.request(method, path, body=b"x" if method == "POST" else None,
                      headers={"Authorization": f"Basic {pair}"} if user else {})
            r = c.getresponse()
            r.read()
            return r.status, r.headers

    def status(self, *args, **kwargs):
        return self.ask(*args, **kwargs)[0]

    def reload(self):
        self.sluice.sse.signal(signal.SIGHUP)


@pytest.fixture
def new_team(new_sluice, tmp_path):
    def make(lines="", users=None, auth=""):
        file = tmp_path / "users"
        if users is not None:
            file.write_text(users)
            file.chmod(0o600)
            auth += f"users = {file}\n"
        return Team(new_sluice(f"{lines}\n[auth]\n{auth}\n{ROLES}"), file)

    return make


# --- users ------------------------------------------------------------------------------------


def test_curl_u(new_team, tmp_path):
    assert passwd(tmp_path / "users", "alice", "wonderland", "--role", "own").returncode == 0
    team = new_team(users=(tmp_path / "users").read_text())
    url = team.sluice.url("/events/home/alice/door")

    def curl(*more):
        done = subprocess.run(["curl", "-s", "-i", "-d", "open", *more, url], check=True,
                              capture_output=True, timeout=TIMEOUT)
        return done.stdout.decode()

    assert " 20" in curl("-u", "alice:wonderland").splitlines()[0]
    refused = curl("-u", "alice:looking-glass")
    assert " 401 " in refused.splitlines()[0]
    assert 'Basic realm="sluice", charset="UTF-8"' in refused
    assert " 401 " in curl().splitlines()[0]
    assert team.status("alice", "wonderland", topic="home/bob/door") == 403
    assert "wonderland" not in team.sluice.sse.logged() + team.sluice.broker.logged()


def test_a_start_names_the_line_that_is_wrong(new_sluice, tmp_path):
    (tmp_path / "users").write_text(cheap("alice") + cheap("bob", "author"))
    sluice = new_sluice(f"[auth]\nusers = {tmp_path}/users\n{ROLES}", gateways=())
    sse = sluice.add("sse").start(wait=False)
    assert sse.popen.wait(TIMEOUT) != 0
    assert 'no role \\"author\\"' in sse.logged() and '"line":2' in sse.logged()
    del sluice.processes["sse"]


def test_wrong_passwords_slow_down(new_team):
    team = new_team(users=cheap("alice") + cheap("bob"))
    statuses = [team.status("alice", f"guess {i}") for i in range(FREE + 1)]
    assert statuses == [401] * (FREE + 1)
    status, headers = team.ask("alice", "alice")
    assert status == 429 and headers["Retry-After"] == "1"
    assert team.status("bob", "bob") in (200, 201)
    wait_for(lambda: team.status("alice", "alice") in (200, 201), "the wait is over")
    assert team.sluice.metrics()["sluice_auth_slowed_total"] >= 1


def test_who_was_right_before_is_not_kept_out(new_team):
    team = new_team(users=cheap("alice"))
    assert team.status("alice", "alice", source="127.0.0.2") in (200, 201)
    for i in range(FREE + 1):
        assert team.status("alice", f"guess {i}", source="127.0.0.3") == 401
    assert team.status("alice", "alice", source="127.0.0.4") == 429
    assert team.status("alice", "alice", source="127.0.0.2") in (200, 201)
    # What is remembered is no way to try passwords.
    assert team.status("alice", "alice", source="127.0.0.3") == 429


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_brute_force_costs_little(new_team):
    team = new_team(users=cheap("alice"))
    before = cpu_seconds(team.sluice.sse)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda i: team.status("alice", f"guess {i}"), range(1000)))
    assert set(statuses) == {401, 429}
    metrics = team.sluice.metrics()
    assert metrics["sluice_auth_password_hashes_total"] < 100
    assert statuses.count(401) < 100
    assert cpu_seconds(team.sluice.sse) - before < 5


def test_others_do_not_wait_while_passwords_are_hashed(new_team, tmp_path):
    passwd(tmp_path / "users", "alice", "alice", "--role", "editor")
    line = (tmp_path / "users").read_text()
    names = [f"user{i}" for i in range(64)]
    users = line + "".join(line.replace("alice", name) for name in names)
    team = new_team(users=users, auth="password_checks = 128\n")
    known = http.client.HTTPConnection("127.0.0.1", team.sluice.port(), timeout=TIMEOUT)
    header = {"Authorization": "Basic " + b64encode(b"alice:alice").decode()}

    def ask_known():
        start = time.monotonic()
        known.request("GET", "/topics", headers=header)
        known.getresponse().read()
        return time.monotonic() - start

    ask_known()
    start, taken = time.monotonic(), []
    with contextlib.closing(known), concurrent.futures.ThreadPoolExecutor(64) as pool:
        asked = [pool.submit(team.status, name, "alice", source=f"127.0.1.{i + 1}")
                 for i, name in enumerate(names)]
        while not all(a.done() for a in asked):
            taken.append(ask_known())
    whole = time.monotonic() - start
    assert {a.result() for a in asked} <= {200, 201}
    assert team.sluice.metrics()["sluice_auth_password_hashes_total"] == 65
    assert statistics.median(taken) < whole / 10, (statistics.median(taken), whole)


def test_a_changed_password_ends_what_it_opened(new_team):
    team = new_team(users=cheap("alice") + cheap("bob"))
    header = {"Authorization": "Basic " + b64encode(b"alice:alice").decode()}
    other = {"Authorization": "Basic " + b64encode(b"bob:bob").decode()}
    alice, bob = (team.sluice.stream("a/b", h) for h in (header, other))
    assert alice.status == bob.status == 200
    team.users.write_text(cheap("bob") + cheap("alice").replace("A4$", "A5$"))
    team.reload()
    assert json.loads(alice.next("expired").data)["reason"] == "revoked"
    assert alice.next("event") is None
    assert team.status("alice", "alice") == 401
    assert team.status("bob", "bob") in (200, 201)
    assert bob.next("event").data == "x"


def test_a_file_that_is_wrong_changes_nothing(new_team):
    team = new_team(users=cheap("alice"))
    team.users.write_text(cheap("bob") + "carol:no hash:editor\n")
    team.reload()
    wait_for(lambda: '"line":2' in team.sluice.sse.logged(), "it is complained of")
    assert team.status("alice", "alice") in (200, 201)
    assert team.status("bob", "bob") == 401
    assert "no hash" not in team.sluice.sse.logged()


# --- the callback -----------------------------------------------------------------------------------


class Callback(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(body)
        status, answer = self.server.decide(body)
        answer = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def callback():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Callback)
    server.daemon_threads = True  # connections are kept for the next question
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_port}/auth"
    server.decide = lambda body: (200, {"roles": ["own"], "cache": 60})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_callback_knows_somebody(new_team, callback):
    team = new_team(auth=f"callback = {callback.url}\n")
    for _ in range(5):
        assert team.status("carol", "secret", topic="home/carol/x") in (200, 201)
    assert callback.seen == [{"door": "sse", "kind": "password", "user": "carol",
                              "password": "secret", "address": "127.0.0.1"}]
    assert team.status("carol", "secret", topic="home/alice/x") == 403


def test_what_is_not_cached_is_asked_each_time(new_team, callback):
    team = new_team(auth=f"callback = {callback.url}\n")
    callback.decide = lambda body: (200, {"roles": ["editor"]})
    for i in range(3):
        assert team.status("carol", "secret") in (200, 201)
        assert len(callback.seen) == i + 1


def test_the_callback_refuses(new_team, callback):
    team = new_team(auth=f"callback = {callback.url}\n")
    callback.decide = lambda body: (403, {})
    assert team.status("carol", "secret") == 401
    asked = len(callback.seen)
    assert team.status("carol", "secret") == 401
    assert len(callback.seen) == asked  # it is remembered for a second
    for i in range(FREE):
        team.status("carol", f"guess {i}")
    assert team.status("carol", "secret") == 429


def test_a_callback_that_is_down_is_503(new_team, callback):
    team = new_team(auth=f"callback = {callback.url}\ncallback_timeout = 200ms\n")
    hold = threading.Event()
    callback.decide = lambda body: (hold.wait(TIMEOUT), (200, {}))[1]
    assert team.status("carol", "secret") == 503
    hold.set()
    callback.decide = lambda body: (500, {})
    assert team.status("carol", "secret") == 503
    callback.decide = lambda body: (200, ["carol"])
    assert team.status("carol", "secret") == 503
    callback.decide = lambda body: (200, {"roles": ["editor"]})
    assert team.status("carol", "secret") in (200, 201)
    assert team.sluice.metrics()["sluice_auth_callback_failures_total"] == 3
    assert "secret" not in team.sluice.sse.logged()


def test_names_of_the_file_are_not_the_callbacks(new_team, callback):
    team = new_team(users=cheap("alice"), auth=f"callback = {callback.url}\n")
    callback.decide = lambda body: (200, {"name": "alice", "roles": ["editor"]})
    assert team.status("carol", "secret") == 503
    assert team.status("alice", "secret") == 401
    assert len(callback.seen) == 1  # alice is the file's to judge
    assert team.status("alice", "alice") in (200, 201)


def test_what_the_callback_says_runs_out(new_team, callback):
    team = new_team(auth=f"callback = {callback.url}\n")
    callback.decide = lambda body: (200, {"roles": ["editor"], "cache": 60, "expires_in": 1})
    assert team.status("carol", "secret") in (200, 201)
    wait_for(lambda: team.status("carol", "secret") in (200, 201) and len(callback.seen) > 1,
             "it is asked again")


# --- sluice passwd -----------------------------------------------------------------------------------


def test_passwd_keeps_other_lines_and_roles(tmp_path):
    file = tmp_path / "users"
    file.write_text("# the night shift\n\nbob:$y$j75$..........A4$x:editor\n")
    file.chmod(0o640)
    assert passwd(file, "alice", "one", "--role", "editor", "--role", "own").returncode == 0
    first = file.read_text().splitlines()
    assert first[:3] == ["# the night shift", "", "bob:$y$j75$..........A4$x:editor"]
    assert first[3].startswith("alice:$y$") and first[3].endswith(":editor,own")
    assert passwd(file, "alice", "two").returncode == 0
    second = file.read_text().splitlines()
    assert second[3].endswith(":editor,own") and second[3] != first[3]
    assert file.stat().st_mode & 0o777 == 0o640
    assert passwd(file, "bob", "", "--delete").returncode == 0
    assert "bob" not in file.read_text() and "alice" in file.read_text()
    assert [f.name for f in tmp_path.iterdir()] == ["users"]


@pytest.mark.parametrize("user,password,more", [
    ("a:b", "x", []), ("", "x", []), ("a\nb", "x", []), ("#a", "x", []), ("alice", "", []),
    ("alice", "x" * 512, []), ("alice", "x", ["--role", "a:b"]), ("alice", "x", ["--role", "a,b"]),
    ("nobody", "", ["--delete"])])
def test_passwd_refuses(tmp_path, user, password, more):
    file = tmp_path / "users"
    file.write_text(cheap("alice"))
    done = passwd(file, user, password, *more)
    assert done.returncode != 0 and done.stderr.startswith(b"sluice: ")
    assert file.read_text() == cheap("alice")
    assert [f.name for f in tmp_path.iterdir()] == ["users"]


def test_a_new_file_is_its_owners_alone(tmp_path):
    assert passwd(tmp_path / "users", "alice", "x", "--role", "own").returncode == 0
    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o600


class Terminal:
    """sluice at a terminal of its own, where Ctrl-C counts."""

    def __init__(self, *arguments):
        self.fd, theirs = pty.openpty()
        command = ["env", "--default-signal=INT", "setsid", "--ctty", "--wait",
                   os.path.join(BIN, "sluice"), *arguments]
        self.popen = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.seen = b""

    def more(self):
        """False at the end."""
        assert select.select([self.fd], [], [], TIMEOUT)[0], self.seen
        data = b""
        with contextlib.suppress(OSError):  # EIO is a terminal's end
            data = os.read(self.fd, 1024)
        self.seen += data
        return bool(data)

    def expect(self, text):
        while text not in self.seen:
            assert self.more(), self.seen
        self.seen = self.seen.partition(text)[2]

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def say(self, text):
        wait_for(lambda: not self.echoes(), "no echo")
        os.write(self.fd, text)

    def end(self):
        """(everything that is left, the exit code)"""
        while self.more():
            pass
        os.close(self.fd)
        return self.seen, self.popen.wait(TIMEOUT)


@pytest.mark.parametrize("second,code", [(b"wonderland", 0), (b"wonderlan", 1)])
def test_passwd_at_a_terminal(tmp_path, second, code):
    t = Terminal("passwd", str(tmp_path / "users"), "alice", "--role", "own")
    t.expect(b"New password of alice: ")
    t.say(b"wonderland\n")
    t.expect(b"Once more, that of alice: ")
    t.say(second + b"\n")
    said, rc = t.end()
    assert rc == code and b"wonder" not in said
    assert (tmp_path / "users").exists() == (code == 0)


def test_passwd_interrupted_leaves_the_terminal_as_it_was(tmp_path):
    t = Terminal("passwd", str(tmp_path / "users"), "alice")
    t.expect(b"New password of alice: ")
    t.say(b"won\x03")
    wait_for(t.echoes, "echo")
    assert t.end()[1] in (-signal.SIGINT, 128 + signal.SIGINT)
    assert not (tmp_path / "users").exists()
