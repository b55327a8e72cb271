"""`link` and `reads` over tcp: a gateway on another machine, with keys of CURVE.

Where network namespaces may be made (root), broker and gateway stand in two of them; where
they may not, those tests are skipped, and the others say the same over loopback."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
import zmq

from sluicelib import ADMIN, PORTS, Process, Sluice, port_base, wait_for


class Keys:
    """A folder of keys: secret ones in files of their own, and the list of gateways."""

    def __init__(self, folder):
        self.folder = folder
        self.public, self.list = {}, folder / "gateways"
        self.write()

    def make(self, name):
        public, secret = zmq.curve_keypair()
        self.public[name] = public.decode()
        path = self.folder / f"{name}.key"
        path.write_bytes(secret + b"\n")
        path.chmod(0o600)
        return path

    def write(self, *names):
        lines = ["# those that may come", ""] + [f"{n}:{self.public[n]}" for n in names]
        self.list.write_text("\n".join(lines) + "\n")


class Away:
    """A broker that is reached over tcp, and gateways that have a folder of their own each."""

    def __init__(self, folder, host="127.0.0.1", inside=(), outside=()):
        self.folder, self.host = folder, host
        self.inside, self.outside = list(inside), list(outside)
        folder.mkdir(exist_ok=True)
        self.keys = Keys(folder)
        self.base, self.processes = port_base(), {}
        self.link, self.reads = (f"tcp://{host}:{self.base + n}" for n in (18, 19))
        self.broker_key = self.keys.make("broker")
        self.keys.make("gate")

    def process(self, name, kind, config, prefix):
        data = self.folder / name
        path = self.folder / f"{name}.ini"
        path.write_text(f"[sluice]\ndata = {data}\n[broker]\nlink = {self.link}\n"
                        f"reads = {self.reads}\n[limits]\npublish_timeout = 1s\n{config}")
        binary = os.path.join(os.environ.get("BIN", "build/bin"), f"sluice-{kind}")
        base = port_base()
        p = Process(name, prefix + [binary, "--config", str(path), "--port-base", str(base)],
                    self.folder / f"{name}.log")
        p.base = base
        self.processes[name] = p
        return p

    def broker(self, config=None):
        keys = f"[broker]\nkey_file = {self.broker_key}\ngateway_keys = {self.keys.list}\n"
        return self.process("broker", "broker", keys if config is None else config, self.inside)

    def gateway(self, name="gate", key=None, server="broker", kind="sse"):
        key = key or self.folder / f"{name}.key"
        config = "" if key == "none" else (f"[link]\nkey_file = {key}\n"
                                           f"server_key = {self.keys.public[server]}\n")
        return self.process(name, kind, config, self.outside)

    def fetch(self, p, path, port=PORTS["sse"], data=None):
        """(status, body), asked where the gateway stands."""
        command = self.outside + ["curl", "-s", "--max-time", "10", "-w", "\n%{http_code}",
                                  f"http://127.0.0.1:{p.base + port}{path}"]
        out = subprocess.run(command + (["--data-binary", data] if data else []), check=False,
                             capture_output=True, text=True, timeout=20).stdout
        body, _, status = out.rpartition("\n")
        return int(status or 0), body

    def ready(self, p):
        return self.fetch(p, "/readyz", ADMIN["sse"])

    def end(self):
        bad = [n for n, p in self.processes.items() if n != "broker" and p.popen and not p.end()]
        if self.processes.get("broker") and not self.processes["broker"].end():
            bad.append("broker")
        assert not bad, (bad, "".join(p.logged() for p in self.processes.values())[-4000:])


@pytest.fixture
def away(tmp_path):
    made = []

    def make(**kw):
        made.append(Away(tmp_path / "away", **kw))
        return made[-1]
    yield make
    for a in made:
        a.end()


def works(a, p):
    """Publish, subscribe and replay, through the gateway."""
    ids = []
    for n in range(3):
        status, body = a.fetch(p, "/events/far/away", data=f"event {n}")
        assert status in (200, 201), (status, body)
        ids.append(json.loads(body)["id"])
    stream = subprocess.Popen(
        a.outside + ["curl", "-sN", "--max-time", "10",
                     f"http://127.0.0.1:{p.base + PORTS['sse']}/events/far/%23"
                     f"?after={int(ids[0]) - 1}"],
        stdout=subprocess.PIPE, text=True)
    try:
        seen = []
        while len(seen) < 3:
            line = stream.stdout.readline()
            assert line, seen
            if line.startswith('data: {"id"'):
                seen.append(json.loads(line[6:])["data"])
        assert seen == [f"event {n}" for n in range(3)], seen
        assert a.fetch(p, "/events/far/live", data="event live")[0] in (200, 201)
        while "event live" not in (line := stream.stdout.readline()):
            assert line
    finally:
        stream.kill()
        stream.wait()
    status, body = a.fetch(p, "/history/far/away?limit=1000")
    assert status == 200 and [e["id"] for e in json.loads(body)["events"]][-3:] == ids


def refused(a, p, why):
    """Not ready within seconds, and says what is wrong."""
    p.start(wait=False)
    wait_for(lambda: why in p.logged(), why, 10)
    status, body = wait_for(lambda: (r := a.ready(p))[0] == 503 and why in r[1] and r, "readyz", 10)
    assert status == 503 and body.startswith("not ready: "), body


# --- over loopback -------------------------------------------------------------------

def test_a_gateway_whose_key_is_listed_works(away):
    a = away()
    a.keys.write("gate")
    a.broker().start()
    works(a, a.gateway().start())
    assert a.keys.public["broker"] in a.processes["broker"].logged()


def test_a_gateway_without_a_key_gets_nothing_and_says_so(away):
    a = away()
    a.keys.write("gate")
    a.broker().start()
    refused(a, a.gateway("bare", key="none"), "one side has keys of CURVE")


def test_a_gateway_with_a_foreign_key_gets_nothing_until_it_is_listed(away):
    a = away()
    a.keys.make("stranger")
    a.keys.write("gate")
    broker = a.broker().start()
    p = a.gateway("stranger")
    refused(a, p, "our key is not among those")
    assert "a gateway is refused" in broker.logged()
    a.keys.write("gate", "stranger")
    broker.signal(signal.SIGHUP)
    wait_for(lambda: a.ready(p)[0] == 200, "ready once it is listed", 10)
    works(a, p)


def test_a_broker_that_is_another_is_not_believed(away):
    a = away()
    a.keys.make("impostor")
    a.keys.write("gate")
    a.broker().start()
    refused(a, a.gateway(server="impostor"), "another key than the one we expect")


def test_a_key_that_is_taken_off_the_list_gets_nothing_from_then_on(away):
    a = away()
    a.keys.make("second")
    a.keys.write("gate", "second")
    broker = a.broker().start()
    first, second = a.gateway().start(), a.gateway("second").start()
    works(a, first)
    a.keys.write("second")
    began = time.monotonic()
    broker.signal(signal.SIGHUP)
    wait_for(lambda: a.ready(first)[0] == 503, "not ready", 5)
    assert time.monotonic() - began < 3
    wait_for(lambda: "our key is not among those" in first.logged(), "said in its log", 10)
    assert a.fetch(first, "/history/far/away")[0] in (0, 503)
    works(a, second)
    a.keys.write("gate", "second")
    broker.signal(signal.SIGHUP)
    wait_for(lambda: a.ready(first)[0] == 200, "ready again", 10)
    works(a, first)


def test_a_list_that_makes_no_sense_changes_nothing(away):
    a = away()
    a.keys.write("gate")
    broker = a.broker().start()
    p = a.gateway().start()
    a.keys.list.write_text("gate:short\n")
    broker.signal(signal.SIGHUP)
    wait_for(lambda: "name:public-key" in broker.logged(), "said")
    works(a, p)


def test_ipc_beside_tcp_needs_no_key(away, tmp_path):
    a = away()
    a.keys.write("gate")
    run = tmp_path / "ipc"
    run.mkdir()
    tcp = a.link, a.reads
    a.link, a.reads = (f"{t}, ipc://{run}/{n}" for t, n in zip(tcp, ("link", "reads")))
    a.broker().start()
    a.link, a.reads = tcp
    far = a.gateway().start()
    a.link, a.reads = (f"ipc://{run}/{n}" for n in ("link", "reads"))
    near = a.gateway("near", key="none").start()
    works(a, far)
    works(a, near)


@pytest.mark.parametrize("config, text", [
    ("[broker]\nkey_file = {dir}/none\ngateway_keys = {dir}/gateways\n", "no secret key"),
    ("[broker]\nkey_file = {dir}/broker.key\n", "needs gateway_keys"),
    ("[broker]\nkey_file = {dir}/broker.key\ngateway_keys = {dir}/none\n", "cannot read the keys"),
])
def test_keys_that_do_not_do_stop_the_broker(away, config, text):
    a = away()
    p = a.broker(config.format(dir=a.folder)).start(wait=False)
    assert p.popen.wait(20) == 1
    assert text in p.logged()


@pytest.mark.parametrize("allow", ["", "[sluice]\nallow_anonymous = true\n"])
def test_without_keys_a_broker_stays_on_loopback(away, allow):
    a = away()
    a.link, a.reads = f"tcp://0.0.0.0:{a.base + 18}", f"tcp://0.0.0.0:{a.base + 19}"
    p = a.broker(allow).start(wait=False)
    assert p.popen.wait(20) == 1
    assert "key_file" in p.logged()


def test_a_gateway_does_not_go_elsewhere_without_keys(away):
    a = away()
    a.link = "tcp://192.0.2.1:5560"
    p = a.gateway(key="none").start(wait=False)
    assert p.popen.wait(20) == 1
    assert "[link] key_file" in p.logged()


# --- strangers at the port ------------------------------------------------------------

def test_a_storm_of_handshakes_does_not_stop_the_link(away):
    """Connections that say nothing, that greet and stop, that forge, that announce much, and
    that show a foreign key."""
    a = away()
    a.keys.write("gate")
    broker = a.broker().start()
    p = a.gateway().start()
    works(a, p)
    before, context = broker.memory(), zmq.Context()
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(47)
    sockets, strangers = [], []
    public, secret = zmq.curve_keypair()
    for n in range(1500):
        s = socket.create_connection(("127.0.0.1", a.base + 18 + n % 2))
        s.setblocking(False)
        with contextlib.suppress(OSError):
            s.send((b"", greeting, greeting + b"\x04\xc8\x05HELLO" + bytes(194),
                    greeting + b"\x06" + (40 << 20).to_bytes(8, "big") + bytes(1000))[n % 4])
        sockets.append(s)
    for n in range(100):
        s = context.socket(zmq.DEALER)
        s.linger, s.curve_publickey, s.curve_secretkey = 0, public, secret
        s.curve_serverkey = a.keys.public["broker"].encode()
        s.connect(f"tcp://127.0.0.1:{a.base + 18 + n % 2}")
        strangers.append(s)
    works(a, p)
    grown = broker.memory() - before
    for s in sockets + strangers:
        s.close()
    context.term()
    print(f"{grown / 1024:.0f} KiB for {len(sockets)} connections and {len(strangers)} sockets")
    assert grown < 60 << 20, grown
    works(a, p)
    assert a.ready(p)[0] == 200


# --- another machine --------------------------------------------------------------------

@pytest.fixture
def machines():
    """Two network namespaces with a wire between them: (the broker's, the gateway's)."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    names = [f"sluice-{os.getpid()}-{i}" for i in "ab"]
    wires = [f"sl{os.getpid() % 100000}{i}" for i in "ab"]

    def ip(*words, **kw):
        return subprocess.run(["ip", *words], capture_output=True, text=True, **kw)
    try:
        for n in names:
            if ip("netns", "add", n).returncode != 0:
                pytest.skip("network namespaces are not permitted here")
        if ip("link", "add", wires[0], "netns", names[0], "type", "veth",
              "peer", "name", wires[1], "netns", names[1]).returncode != 0:
            pytest.skip("veth pairs are not permitted here")
        for n, wire, host in zip(names, wires, (1, 2)):
            ip("-n", n, "addr", "add", f"10.99.0.{host}/24", "dev", wire, check=True)
            ip("-n", n, "link", "set", wire, "up", check=True)
            ip("-n", n, "link", "set", "lo", "up", check=True)
        yield names
    finally:
        for n in names:
            ip("netns", "del", n)


def test_a_gateway_on_another_machine(away, machines):
    a = away(host="10.99.0.1", inside=["ip", "netns", "exec", machines[0]],
             outside=["ip", "netns", "exec", machines[1]])
    a.keys.make("stranger")
    a.keys.write("gate")
    a.broker().start()
    works(a, a.gateway().start())
    refused(a, a.gateway("stranger"), "our key is not among those")
    refused(a, a.gateway("mistaken", key=a.folder / "gate.key", server="stranger"),
            "another key than the one we expect")
    works(a, a.processes["gate"])


def test_the_wire_between_two_machines_breaks_and_nothing_is_lost(away, machines):
    a = away(host="10.99.0.1", inside=["ip", "netns", "exec", machines[0]],
             outside=["ip", "netns", "exec", machines[1]])
    a.keys.write("gate")
    a.broker().start()
    p = a.gateway().start()
    works(a, p)
    wire = f"sl{os.getpid() % 100000}a"
    subprocess.run(["ip", "-n", machines[0], "link", "set", wire, "down"], check=True)
    wait_for(lambda: a.ready(p)[0] == 503, "the gateway knows that the broker is away")
    subprocess.run(["ip", "-n", machines[0], "link", "set", wire, "up"], check=True)
    wait_for(lambda: a.ready(p)[0] == 200, "and that it is back")
    works(a, p)


def test_a_whole_system_needs_nothing_of_this(tmp_path):
    s = Sluice(tmp_path).start()
    try:
        assert "CURVE" not in s.broker.logged()
    finally:
        s.end()
