"""The client commands of sluice against a real system."""

import base64
import json
import os
import pty
import signal
import subprocess
import threading
import time

import pytest
import requests

from sluicelib import TIMEOUT, port_base, wait_for
from up_util import SLUICE, SSE, Up


@pytest.fixture(scope="module")
def system():
    with Up() as u:
        yield u.wait_ready()


@pytest.fixture
def own():
    """A system for tests that hurt it; clients come back soon."""
    with Up("--sse-retry", "100ms") as u:
        yield u.wait_ready()


@pytest.fixture
def topic(request):
    return "t/" + "".join(c if c.isalnum() else "_" for c in request.node.name)


class Sub:
    """`sluice sub` running; its lines as they come."""

    def __init__(self, up, *args):
        self.lines = []
        self.process = up.popen("sub", *args, stderr=subprocess.PIPE)
        self.errors = []
        self.readers = [threading.Thread(target=self._read, args=a, daemon=True)
                        for a in ((self.process.stdout, self.lines),
                                  (self.process.stderr, self.errors))]
        for r in self.readers:
            r.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        for r in self.readers:
            r.join(5)
        self.process.stdout.close()
        self.process.stderr.close()

    def wait(self, count):
        return wait_for(lambda: len(self.lines) >= count and self.lines, f"{count} lines")

    def wait_exit(self):
        code = self.process.wait(TIMEOUT)
        for r in self.readers:
            r.join(5)
        return code


def publish(up, topic, *messages, args=()):
    """The IDs, in order."""
    r = up.run("pub", topic, "-v", *args, stdin="".join(m + "\n" for m in messages))
    assert r.returncode == 0, r.stderr
    return r.stdout.split()


def history(up, topic, *args):
    order = () if "--order" in args else ("--oldest-first",)
    r = up.run("history", topic, "--json", *order, *args)
    assert r.returncode == 0, r.stderr
    return [json.loads(line) for line in r.stdout.splitlines()]


# --- help and mistakes --------------------------------------------------------


def sluice(*args):
    return subprocess.run([SLUICE, *args], capture_output=True, text=True, timeout=TIMEOUT)


def test_help_lists_every_command():
    r = sluice()
    assert r.returncode == 0
    for command in ("up", "pub", "sub", "history", "topics", "delete", "status", "check"):
        assert f"\n  {command} " in r.stdout
        assert sluice("help", command).stdout == sluice(command, "--help").stdout != ""


def test_version():
    assert sluice("--version").stdout.startswith("sluice ")


def test_an_unknown_command_gets_a_hint():
    r = sluice("histroy")
    assert r.returncode == 2
    assert "did you mean 'history'?" in r.stderr


@pytest.mark.parametrize("args", [["sub"], ["pub"], ["history", "a", "b"], ["sub", "a", "--nope"],
                                  ["sub", "a", "--format", "xml"], ["history", "a", "-n", "x"],
                                  ["pub", "a", "--property", "x"], ["pub", "a", "b", "--json"],
                                  ["pub", "a", "--json", "--type", "t"], ["delete"],
                                  ["topics", "--url", "localhost"], ["topics", "--key", "k"],
                                  ["topics", "--token", "a b"], ["topics", "--user", ":x"],
                                  ["topics", "--token", "a", "--user", "b:c"],
                                  ["topics", "--token-file", "/nowhere"],
                                  ["history", "a", "--order", "asc", "--oldest-first"]])
def test_a_mistake_in_the_command_line_exits_with_2(args):
    r = sluice(*args)
    assert r.returncode == 2
    assert r.stderr.startswith("sluice")


@pytest.mark.parametrize("args", [["sub", "a"], ["history", "a"], ["topics"]])
def test_nobody_there_is_told(args):
    r = sluice(*args, "--port-base", str(port_base()))
    assert r.returncode == 1
    assert "cannot connect to 127.0.0.1:" in r.stderr


# --- pub -----------------------------------------------------------------------


def test_pub_says_nothing_and_with_v_the_id(system, topic):
    assert system.run("pub", topic, "hello").stdout == ""
    ids = system.run("pub", topic, "hello", "-v").stdout.split()
    assert len(ids) == 1 and ids[0].isdigit()


def test_pub_keeps_the_order_of_lines(system, topic):
    ids = publish(system, topic, *map(str, range(5000)))
    assert len(ids) == 5000
    assert ids == sorted(ids, key=int)


def test_pub_sends_each_line_as_it_comes(system, topic):
    with system.popen("pub", topic, "-v", stdin=subprocess.PIPE) as p:
        for message in ("one", "two"):
            p.stdin.write(message + "\n")
            p.stdin.flush()
            assert p.stdout.readline().strip().isdigit()
        p.stdin.close()
        assert p.wait(TIMEOUT) == 0


def test_pub_takes_a_file_and_a_line_without_an_end(system, topic, tmp_path):
    (tmp_path / "lines").write_text("one\ntwo")
    with open(tmp_path / "lines") as f:
        r = subprocess.run(system.command("pub", topic, "-v"), stdin=f, capture_output=True,
                           text=True, timeout=TIMEOUT)
    assert len(r.stdout.split()) == 2


def test_pub_leaves_its_input_as_it_found_it(system, topic):
    reader, writer = os.pipe()
    os.write(writer, b"one\n")
    os.close(writer)
    subprocess.run(system.command("pub", topic), stdin=reader, check=True, timeout=TIMEOUT)
    assert os.get_blocking(reader)
    os.close(reader)


def test_pub_of_nothing_is_nothing(system, topic):
    r = subprocess.run(system.command("pub", topic, "-v"), stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=TIMEOUT)
    assert (r.returncode, r.stdout) == (0, "")


def test_a_refusal_is_told_with_its_code(system):
    r = system.run("pub", "$SYS/x", "y")
    assert r.returncode == 1
    assert r.stderr.startswith("sluice: bad_topic: ")


def test_a_refused_line_is_named(system, topic):
    r = system.run("pub", topic, "--json", "-v", stdin='{"data":"a"}\n{"dat":"b"}\n{"data":"c"}\n')
    assert r.returncode == 1
    assert r.stderr.startswith("sluice: line 2: dat: ")
    assert len(r.stdout.split()) == 1


def test_a_line_too_long_is_refused(system, topic):
    r = system.run("pub", topic, "--limits-max-payload", "1k", stdin="x" * 2000 + "\n")
    assert r.returncode == 1
    assert "line 1: longer than" in r.stderr


def test_a_producer_stores_none_twice(system, topic):
    first = publish(system, topic, "a", "b", args=["--producer", topic, "--epoch", "1"])
    again = publish(system, topic, "a", "b", "c", args=["--producer", topic, "--epoch", "1"])
    assert again[:2] == first
    assert int(again[2]) > int(first[1])


def test_an_older_epoch_is_refused(system, topic):
    publish(system, topic, "a", args=["--producer", topic, "--epoch", "2"])
    r = system.run("pub", topic, "a", "--producer", topic, "--epoch", "1")
    assert r.returncode == 1
    assert "producer_fenced" in r.stderr


def test_pub_without_a_broker_says_not_stored():
    r = sluice("pub", "a", "x", "--port-base", str(port_base()), "--limits-publish-timeout", "300ms")
    assert r.returncode == 1
    assert "sluice-zmq is away" in r.stderr and "not stored" in r.stderr


def test_pub_waits_for_a_broker_that_comes(own):
    own.kill("sluice-broker")
    own.wait_log(msg="process was killed", child="broker")
    assert own.run("pub", "a", "x").returncode == 0


def sockets_of(pid):
    """The connections of a process that listens nowhere."""
    links = {os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
    return {name for name in links if name.startswith("socket:")}


@pytest.mark.parametrize("victim", ["broker", "zmq"])
def test_lines_flow_on_over_a_process_killed_between_them(own, topic, victim):
    killed = len(own.log(msg="process was killed", child=victim))
    with own.popen("pub", topic, "-v", stdin=subprocess.PIPE) as p:
        seen = set()
        for life in range(3):
            if victim == "zmq" or life == 0:
                seen |= wait_for(lambda: sockets_of(p.pid) - seen, "a new connection")
            p.stdin.write(f"{life}\n")
            p.stdin.flush()
            assert p.stdout.readline().strip().isdigit()
            own.kill(f"sluice-{victim}")
            own.wait_log(killed + life + 1, msg="process was killed", child=victim)
        p.stdin.close()
        assert p.wait(TIMEOUT) == 0
    own.wait_log(killed + 4, msg="process is ready", child=victim)
    assert [e["data"] for e in history(own, topic)] == ["0", "1", "2"]


def test_a_producer_survives_a_killed_broker(own):
    """Lines flow while the broker is killed twice: each is stored once, in order."""
    with own.popen("pub", "a", "-v", "--producer", "me", stdin=subprocess.PIPE) as p:
        def write():
            for i in range(20000):
                p.stdin.write(f"{i}\n")
            p.stdin.close()
        writer = threading.Thread(target=write)
        writer.start()
        ids = [p.stdout.readline().strip() for _ in range(100)]
        for life in (1, 2):
            own.kill("sluice-broker")
            own.wait_log(life + 1, msg="process is ready", child="broker")
        ids += p.stdout.read().split()
        writer.join()
        assert p.wait(TIMEOUT) == 0
    assert len(ids) == len(set(ids)) == 20000
    assert ids == sorted(ids, key=int)
    assert stored(own) == 20000


def test_without_a_producer_a_lost_answer_is_told(own):
    """The broker is stopped, so that nothing is answered, and then killed."""
    pid = own.kill("sluice-broker", signal.SIGSTOP)
    with own.popen("pub", "a", "x", stderr=subprocess.PIPE) as p:
        time.sleep(0.1)  # whether it was sent by then or not, the outcome must be told right
        os.kill(pid, signal.SIGKILL)
        code = p.wait(TIMEOUT)
        error = p.stderr.read()
    assert (code == 0 and error == "") or (code == 1 and "may be stored or not" in error)


def stored(up):
    """Events in the log."""
    r = up.run("topics", "--json")
    return sum(json.loads(line)["events"] for line in r.stdout.splitlines())


# --- sub -----------------------------------------------------------------------


def test_sub_prints_payloads_of_one_topic(system, topic):
    with Sub(system, topic, "--after", "0") as s:
        publish(system, topic, "one", "two")
        assert s.wait(2) == ["one", "two"]


def test_sub_prints_what_was_before_and_stops_at_n(system, topic):
    ids = publish(system, topic, "one", "two", "three")
    r = system.run("sub", topic, "--after", ids[0], "-n", "2", "-v")
    assert r.returncode == 0
    assert r.stdout == f"{ids[1]}\ttwo\n{ids[2]}\tthree\n"


def test_sub_last(system, topic):
    publish(system, topic, "one", "two", "three")
    assert system.run("sub", topic, "--last", "1", "-n", "1").stdout == "three\n"


def test_sub_since(system, topic):
    publish(system, topic, "one")
    assert system.run("sub", topic, "--since", "1h", "-n", "1").stdout == "one\n"


def test_sub_of_a_filter_prints_json(system, topic):
    publish(system, topic + "/a", "one")
    publish(system, topic + "/b", "two")
    r = system.run("sub", topic + "/#", "--after", "0", "-n", "2")
    events = [json.loads(line) for line in r.stdout.splitlines()]
    assert [(e["topic"], e["data"]) for e in events] == [(topic + "/a", "one"), (topic + "/b", "two")]


def test_sub_of_several_topics(system, topic):
    publish(system, topic + "/a", "one")
    publish(system, topic + "/b", "two")
    r = system.run("sub", topic + "/a", topic + "/b", "--after", "0", "-n", "2", "--format", "raw")
    assert r.stdout == "one\ntwo\n"


def test_sub_gives_bytes_back(system, topic):
    payload = bytes(range(256))
    line = json.dumps({"data_base64": base64.b64encode(payload).decode()})
    assert system.run("pub", topic, "--json", stdin=line).returncode == 0
    r = subprocess.run(system.command("sub", topic, "--after", "0", "-n", "1"),
                       capture_output=True, timeout=TIMEOUT)
    assert r.stdout == payload + b"\n"


def test_sub_of_a_bad_filter_is_refused(system):
    r = system.run("sub", "a/#/b")
    assert r.returncode == 1
    assert "bad_filter" in r.stderr


def test_sub_from_the_future_tells_the_gap(system, topic):
    with Sub(system, topic, "--after", str(2**53 - 1), "--format", "ndjson") as s:
        gap = json.loads(s.wait(1)[0])["gap"]
        assert gap["reason"] == "future"
        wait_for(lambda: any("gap: " in e for e in s.errors), "the gap on standard error")


def test_sub_goes_on_where_it_was_when_its_gateway_is_killed(own, topic):
    with Sub(own, topic, "--after", "0") as s:
        for life in range(3):
            publish(own, topic, *(f"{life}-{i}" for i in range(100)))
            s.wait(100 * life + 1)
            own.kill("sluice-sse")
        publish(own, topic, "last")
        wait_for(lambda: "last" in s.lines, "the last event")
        assert s.lines == [f"{life}-{i}" for life in range(3) for i in range(100)] + ["last"]
        assert any("connecting again" in e for e in s.errors)


def test_sub_goes_on_when_the_broker_is_killed(own, topic):
    with Sub(own, topic, "--after", "0") as s:
        publish(own, topic, "one")
        s.wait(1)
        own.kill("sluice-broker")
        publish(own, topic, "two")
        assert s.wait(2) == ["one", "two"]


def test_open_streams_do_not_hold_up_the_end(own, topic):
    with Sub(own, topic, "--after", "0") as s:
        publish(own, topic, "one")
        s.wait(1)
        before = time.monotonic()
        own.process.terminate()
        assert own.wait_exit() == 0
        assert time.monotonic() - before < 5


def test_a_full_disk_is_a_failure(system, topic):
    publish(system, topic, "x")
    for command in (("sub", topic, "--after", "0", "-n", "1"), ("history", topic)):
        with open("/dev/full", "w") as full:
            r = subprocess.run(system.command(*command), stdout=full, stderr=subprocess.PIPE,
                               text=True, timeout=TIMEOUT)
        assert r.returncode == 1
        assert "standard output" in r.stderr


def test_sub_of_a_dead_reader_ends(system, topic):
    p = system.popen("sub", topic, "--after", "0")
    p.stdout.close()
    publish(system, topic, "x")
    assert p.wait(TIMEOUT) == -signal.SIGPIPE


# --- history, topics, status -----------------------------------------------------


def test_history_shows_a_table(system, topic):
    (event_id,) = publish(system, topic, "a\tb")
    lines = system.run("history", topic).stdout.splitlines()
    assert lines[0].split() == ["ID", "TIME", "TOPIC", "PAYLOAD"]
    assert event_id in lines[1] and topic in lines[1] and lines[1].endswith("a.b")


def test_history_in_json(system, topic):
    ids = publish(system, topic, "one", "two", args=["--type", "greeting", "--property", "a=b"])
    events = history(system, topic)
    assert [e["id"] for e in events] == ids
    assert events[0]["data"] == "one" and events[0]["type"] == "greeting"
    assert events[0]["properties"] == [["a", "b"]]


def test_history_begins_with_the_newest(system, topic):
    publish(system, topic, *"abc")
    for args, expected in ((("-n", "2"), "cb"), (("--oldest-first", "-n", "2"), "ab")):
        lines = system.run("history", topic, "--json", *args).stdout.splitlines()
        assert "".join(json.loads(line)["data"] for line in lines) == expected


def test_history_after_limit_and_order(system, topic):
    ids = publish(system, topic, *"abcde")
    assert [e["data"] for e in history(system, topic, "--after", ids[1], "-n", "2")] == ["c", "d"]
    assert [e["data"] for e in history(system, topic, "--order", "desc", "-n", "2")] == ["e", "d"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_history_goes_over_pages(system, topic, order):
    publish(system, topic, *map(str, range(2500)))
    events = history(system, topic, "-n", "2400", "--order", order)
    expected = list(range(2500)) if order == "asc" else list(range(2499, -1, -1))
    assert [int(e["data"]) for e in events] == expected[:2400]


def test_history_can_be_published_again(system, topic):
    publish(system, topic, "one", "two", args=["--content-type", "text/x"])
    lines = system.run("history", topic, "--json", "--oldest-first").stdout
    lines = lines.replace(topic, topic + "/copy")
    assert system.run("pub", topic + "/copy", "--json", stdin=lines).returncode == 0
    copies = history(system, topic + "/copy")
    assert [(e["data"], e["content_type"]) for e in copies] == [("one", "text/x"), ("two", "text/x")]


def test_topics_lists_what_a_filter_matches(system, topic):
    ids = publish(system, topic + "/a", "one", "two")
    publish(system, topic + "/b", "three")
    r = system.run("topics", topic + "/#", "--json")
    topics = [json.loads(line) for line in r.stdout.splitlines()]
    assert [(t["topic"], t["events"]) for t in topics] == [(topic + "/a", 2), (topic + "/b", 1)]
    assert topics[0]["head"] == ids[1]
    table = system.run("topics", topic + "/a").stdout.splitlines()
    assert table[0].split() == ["TOPIC", "EVENTS", "BYTES", "OLDEST", "HEAD"]
    assert table[1].split()[:2] == [topic + "/a", "2"]


def test_status_of_a_ready_system(system):
    r = system.run("status")
    assert r.returncode == 0
    states = {line.split()[0]: line.split()[2] for line in r.stdout.splitlines()[1:]}
    assert states["broker"] == "ready"
    assert set(states.values()) == {"ready"}
    first = json.loads(system.run("status", "--json").stdout.splitlines()[0])
    assert first["process"] == "broker" and first["state"] == "ready"


def test_status_tells_who_is_away():
    r = sluice("status", "--port-base", str(port_base()))
    assert r.returncode == 1
    assert r.stdout.splitlines()[1].split()[2] == "away"


def test_the_gateways_address_can_be_given(system, topic):
    publish(system, topic, "x")
    r = sluice("history", topic, "--json", "--sse-listen", f"127.0.0.1:{system.port(SSE)}")
    assert json.loads(r.stdout)["data"] == "x"


@pytest.mark.parametrize("flags", [("--zmq-mechanism", "curve"), ("--zmq-listen", "")])
def test_pub_goes_over_http_where_zeromq_does_not_take_it(system, topic, flags):
    assert system.run("pub", topic, "x", *flags).returncode == 0
    assert [e["data"] for e in history(system, topic)] == ["x"]


@pytest.mark.parametrize("form", ["raw", "json"])
def test_a_terminal_is_shown_control_characters(system, topic, form):
    """It would obey them.  Into a pipe goes what came."""
    payload = b"a\x1b[2J\x07\xc2\x9b \xc3\xa4\x7f"
    url = f"http://127.0.0.1:{system.port(SSE)}/events/{topic}"
    assert requests.post(url, payload, timeout=TIMEOUT).status_code == 201
    command = system.command("sub", topic, "--after", "0", "-n", "1", "--format", form)
    ours, theirs = pty.openpty()
    assert subprocess.run(command, stdout=theirs, timeout=TIMEOUT, check=False).returncode == 0
    os.close(theirs)
    seen = os.read(ours, 4096)
    os.close(ours)
    assert not any(c in seen for c in (b"\x1b", b"\x07", b"\xc2\x9b", b"\x7f"))
    if form == "raw":
        assert seen == rb"a\x1b[2J\x07\xc2\x9b " + b"\xc3\xa4" + rb"\x7f" + b"\r\n"
        piped = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True)
        assert piped.stdout == payload + b"\n"
