#!/usr/bin/python3
"""Measures sluice beside nginx + nchan, Mosquitto and a bare epoll program, in one run.

    make bench                       everything, three rounds, about ten minutes
    make bench ARGS='--quick'        one short round: does it work, roughly how fast
    make bench ARGS='--only saturate --markdown'

Each case starts a fresh server on core 0 and the load generator on core 1, so
that neither disturbs the other; rounds are interleaved, so that a slow minute
of the machine hits all servers alike; every figure is the median of the rounds.
README.md in this folder says what each figure means.

A figure that misses its target is printed as missed and fails nothing.  A run
that loses an event, or a server that does not start, is an error: status 1.
"""

import argparse
import atexit
import functools
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))

SERVER_CORE, LOAD_CORE = 0, 1
BIN = os.environ.get("BIN", "build/bin")
LOAD = os.environ.get("LOAD", "build/bench")
START_TIMEOUT = 30
LOAD_TIMEOUT = 300


# --- processes ------------------------------------------------------------------

def pin(core):
    """For preexec_fn; on a machine with one core everything shares it."""
    def apply():
        if core in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {core})
    return apply


def free_ports(count):
    """The first of `count` neighbouring ports that nothing listens on."""
    for base in range(21000, 32000, 100):
        sockets = []
        try:
            for port in range(base, base + count):
                s = socket.socket()
                sockets.append(s)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise RuntimeError("no free ports")


def wait_for_port(port, process):
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError("the server ended at once")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


def family(pid):
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as f:
            found += [int(child) for child in f.read().split()]
    return found


class Server:
    """One server under test: started fresh, pinned, stopped by its own pid."""

    def __enter__(self):
        # The database must be on a real disk, not in a temporary file system.
        self.folder = tempfile.mkdtemp(prefix="bench-", dir=os.path.dirname(LOAD))
        self.log = open(os.path.join(self.folder, "log"), "wb")
        try:
            self.process = self.start()
        except BaseException:
            self.clean()
            raise
        return self

    def __exit__(self, *unused):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.clean()

    def clean(self):
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, *command, **more):
        return subprocess.Popen(command, stderr=self.log, preexec_fn=pin(SERVER_CORE), **more)

    def pids(self):
        return family(self.process.pid)


class Sluice(Server):
    def arguments(self):
        return []

    def start(self):
        self.base = free_ports(20)
        process = self.spawn(os.path.join(BIN, "sluice"), "up", "--data",
                             os.path.join(self.folder, "data"), "--port-base", str(self.base),
                             "--ws-ping", "0s", *self.arguments(), stdout=subprocess.PIPE)
        if b"sluice: ready" not in process.stdout.readline():
            process.kill()
            process.wait()
            raise RuntimeError("sluice did not become ready")
        return process

    def subscribe(self, topic, query=""):
        return f"http://127.0.0.1:{self.base + 1}/events/{topic}{query}"

    def publish(self, topic):
        return f"http://127.0.0.1:{self.base + 1}/events/{topic}"

    subprotocol = "sluice.raw"

    def websocket(self, topic):
        return ["--subscribe", f"ws://127.0.0.1:{self.base + 2}/events/{topic}",
                "--subprotocol", self.subprotocol]

    def publish_to_websockets(self, topic, packed):
        return f"http://127.0.0.1:{self.base + 2}/events/{topic}"

    def http2(self, topic, scheme="h2"):
        return f"{scheme}://127.0.0.1:{self.base + 4}/events/{topic}"

    def poll(self, topic):
        return f"http://127.0.0.1:{self.base + 3}/events/{topic}"

    def mqtt(self):
        return f"mqtt://127.0.0.1:{self.base + 6}"

    def apps(self):
        return f"tcp://127.0.0.1:{self.base + 7}"


@functools.lru_cache(None)
def issuer():
    """Keys that last for the run: making tokens takes longer than using them."""
    from identitylib import Identities  # only these cases need its libraries
    folder = tempfile.mkdtemp(prefix="bench-issuer-", dir=os.path.dirname(LOAD))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Identities(folder)


@functools.lru_cache(None)
def tokens(algorithm, count):
    """A file of as many, each of a principal of its own, who may use bench/#."""
    ids = issuer()
    grants = {"publish": ["bench/#"], "subscribe": ["bench/#", "other/#", "third/+"]}
    name = f"{algorithm}-{count}"
    ids.write(name, "".join(ids.token(algorithm, sub=f"client-{n}", grants=grants) + "\n"
                            for n in range(count)))
    return os.path.join(ids.folder, name)


class SluiceWithTokens(Sluice):
    """Nobody comes in without one."""

    def arguments(self):
        config = os.path.join(self.folder, "sluice.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(issuer().config())
        return ["--config", config]


class SluiceOverZeroMQ(Sluice):
    def publish(self, topic):
        return self.apps()

    def publish_to_websockets(self, topic, packed):
        return self.apps()


class SluiceInJson(Sluice):
    subprotocol = "sluice.json"


NGINX = """
{user}
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    keepalive_timeout 3600;
    keepalive_requests 1000000000;
    client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .;
    uwsgi_temp_path .; scgi_temp_path .;
    nchan_shared_memory_size 1g;
    nchan_message_buffer_length 100000;
    nchan_message_timeout 10m;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        listen 127.0.0.1:{port2} backlog=1024 http2;
        http2_max_concurrent_streams 1000;
        location = /pub {{ nchan_publisher; nchan_channel_id $arg_id; }}
        location = /sub {{ nchan_subscriber eventsource; nchan_channel_id $arg_id;
                           nchan_subscriber_first_message newest; }}
        location = /ws {{ nchan_subscriber websocket; nchan_channel_id $arg_id;
                          nchan_subscriber_first_message newest; }}
        location = /pub-packed {{ nchan_publisher; nchan_channel_id $arg_id;
                                  nchan_deflate_message_for_websocket on; }}
        location = /poll {{ nchan_subscriber longpoll; nchan_channel_id $arg_id;
                            nchan_subscriber_first_message newest; }}
    }}
}}
"""


class Nchan(Server):
    def start(self):
        self.port = free_ports(2)
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(NGINX.format(port=self.port, port2=self.port + 1,
                                 user="user root;" if os.geteuid() == 0 else ""))
        process = self.spawn("/usr/sbin/nginx", "-p", self.folder, "-c", config,
                             stdout=self.log)
        wait_for_port(self.port, process)
        while len(family(process.pid)) < 2:  # the worker that does the work
            time.sleep(0.01)
        return process

    def subscribe(self, topic):
        return f"http://127.0.0.1:{self.port}/sub?id={topic}"

    def http2(self, topic):
        return f"h2://127.0.0.1:{self.port + 1}/sub?id={topic}"

    def websocket(self, topic):
        return ["--subscribe", f"ws://127.0.0.1:{self.port}/ws?id={topic}"]

    def publish_to_websockets(self, topic, packed):
        return f"http://127.0.0.1:{self.port}/pub{'-packed' if packed else ''}?id={topic}"

    def poll(self, topic):
        return f"http://127.0.0.1:{self.port}/poll?id={topic}"

    def publish(self, topic):
        return f"http://127.0.0.1:{self.port}/pub?id={topic}"


MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
max_connections -1
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
persistence false
log_dest none
"""


class Mosquitto(Server):
    """Drops nothing: its queues are without a bound.  Keeps messages in memory."""

    def start(self):
        self.port = free_ports(1)
        config = os.path.join(self.folder, "mosquitto.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(MOSQUITTO.format(port=self.port))
        process = self.spawn("/usr/sbin/mosquitto", "-c", config, stdout=self.log)
        wait_for_port(self.port, process)
        return process

    def mqtt(self):
        return f"mqtt://127.0.0.1:{self.port}"


class Floor(Server):
    def start(self):
        self.port = free_ports(2)
        process = self.spawn(os.path.join(LOAD, "floor"), "--listen", str(self.port),
                             "--feed", str(self.port + 1), stdout=self.log)
        wait_for_port(self.port, process)
        return process

    def subscribe(self, topic):
        return f"http://127.0.0.1:{self.port}/{topic}"

    def http2(self, topic):
        return self.subscribe(topic)

    def websocket(self, topic):
        return ["--subscribe", self.subscribe(topic)]

    def publish_to_websockets(self, topic, packed):
        return self.publish(topic)

    def publish(self, topic):
        return f"feed://127.0.0.1:{self.port + 1}"


SERVERS = {"nchan": Nchan, "mosquitto": Mosquitto, "sluice": Sluice, "sluice-zmq": SluiceOverZeroMQ,
           "sluice-json": SluiceInJson, "sluice-auth": SluiceWithTokens, "floor": Floor}


def load(mode, server, *args):
    """One run of the load generator; its result, or an error that says why."""
    done = subprocess.run(
        [os.path.join(LOAD, "load"), mode, "--pids", ",".join(map(str, server.pids()))]
        + [str(a) for a in args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LOAD_TIMEOUT,
        preexec_fn=pin(LOAD_CORE), text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"load ended with {done.returncode}")
    return json.loads(done.stdout)


# --- cases ------------------------------------------------------------------------

def fan_out(mode, clients):
    def run(server, options):
        seconds = options.saturate_seconds if mode == "saturate" else options.paced_seconds
        return load(mode, server, "--clients", clients, "--seconds", seconds,
                    "--subscribe", server.subscribe("bench/all"),
                    "--publish", server.publish("bench/all"), "--topic", "bench/all",
                    *(["--rate", 50] if mode == "paced" else []))
    return run


def websocket_fan_out(mode, clients, deflate=False):
    def run(server, options):
        seconds = options.saturate_seconds if mode == "saturate" else options.paced_seconds
        return load(mode, server, "--clients", clients, "--seconds", seconds,
                    *server.websocket("bench/ws"), "--deflate", int(deflate),
                    "--publish", server.publish_to_websockets("bench/ws", deflate),
                    "--topic", "bench/ws",
                    *(["--rate", 50] if mode == "paced" else []))
    return run


def http2_fan_out(mode, clients, streams):
    """Published to the SSE gateway; the floor has no streams, so as many clients."""
    def run(server, options):
        seconds = options.saturate_seconds if mode == "saturate" else options.paced_seconds
        floor = isinstance(server, Floor)
        return load(mode, server, "--clients", clients * streams if floor else clients,
                    "--streams", 1 if floor else streams, "--seconds", seconds,
                    "--subscribe", server.http2("bench/h2"),
                    "--publish", server.publish("bench/h2"), "--topic", "bench/h2",
                    *(["--rate", 50] if mode == "paced" else []))
    return run


def http2_idle(streams):
    def run(server, options):
        return load("idle", server, "--clients", options.idle_clients // streams,
                    "--streams", streams, "--seconds", 1,
                    "--subscribe", server.http2("bench/idle"))
    return run


def cpu_of(pids):
    """User and system time of processes, in seconds."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            ticks += sum(map(int, f.read().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def http2_publish(streams):
    """By POST, by h2load: 64 connections of so many streams each."""
    def run(server, options):
        payload = os.path.join(server.folder, "payload")
        with open(payload, "wb") as f:
            f.write(b"x" * 100)
        pids = server.pids()
        before = cpu_of(pids)
        done = subprocess.run(["h2load", "-D", str(round(options.publish_seconds)), "-c", "64",
                               "-m", str(streams), "-d", payload,
                               server.http2("bench/publish", "http")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=LOAD_TIMEOUT, preexec_fn=pin(LOAD_CORE))
        found = re.search(r"finished in .*, ([0-9.]+) req/s", done.stdout)
        if found is None or "0 failed, 0 errored, 0 timeout" not in done.stdout:
            raise RuntimeError(done.stdout.strip() or "h2load said nothing")
        return {"acks_per_s": float(found[1]), "server_cpu_s": cpu_of(pids) - before}
    return run


def mqtt_fan_out(mode, clients, qos=0, topics=1):
    """Published over MQTT at QoS 1."""
    def run(server, options):
        seconds = options.saturate_seconds if mode == "saturate" else options.paced_seconds
        return load(mode, server, "--clients", clients, "--seconds", seconds,
                    "--subscribe", server.mqtt(), "--publish", server.mqtt(),
                    "--topic", "bench/mqtt", "--qos", qos, "--topics", topics,
                    *(["--rate", 50] if mode == "paced" else []))
    return run


def mqtt_idle(server, options):
    return load("idle", server, "--clients", options.idle_clients, "--seconds", 1,
                "--subscribe", server.mqtt(), "--topic", "bench/idle")


def mqtt_publish(server, options):
    return load("publish", server, "--publish", server.mqtt(), "--topic", "bench/publish",
                "--seconds", options.publish_seconds)


def mqtt_resume(clients):
    def run(server, options):
        return load("resume", server, "--clients", clients, "--qos", 1, "--events", 20,
                    "--subscribe", server.mqtt(), "--publish", server.mqtt(),
                    "--topic", "bench/resume")
    return run


def poll(clients):
    def run(server, options):
        return load("poll", server, "--clients", clients, "--seconds", options.paced_seconds,
                    "--rate", 10, "--subscribe", server.poll("bench/poll"),
                    "--publish", server.publish("bench/poll"), "--topic", "bench/poll")
    return run


def idle(server, options):
    return load("idle", server, "--clients", options.idle_clients, "--seconds", 1,
                "--subscribe", server.subscribe("bench/idle"))


def publish(server, options):
    return load("publish", server, "--publish", server.publish("bench/publish"),
                "--topic", "bench/publish", "--seconds", options.publish_seconds)


def replay(clients):
    """Stored by ZeroMQ while nobody subscribes, so that no gateway has them in memory."""
    def run(server, options):
        load("publish", server, "--publish", server.apps(), "--topic", "bench/replay",
             "--events", options.replay_events)
        return load("replay", server, "--clients", clients, "--events", options.replay_events,
                    "--sample", max(1, clients // 10),
                    "--subscribe", server.subscribe("bench/replay", "?after=0"))
    return run


def shown(server, algorithm, count):
    """The load generator's arguments: what clients show to a server that asks."""
    if not isinstance(server, SluiceWithTokens):
        return []
    return ["--tokens", os.path.abspath(tokens(algorithm, count))]


def auth_publish(server, options):
    """64 connections, each with a token of its own in every request."""
    return load("publish", server, "--publish", server.publish("bench/publish"), "--topic",
                "bench/publish", "--seconds", options.publish_seconds,
                *shown(server, "EdDSA", 64))


def auth_connect(algorithm):
    """Each client is another principal, seen for the first time."""
    def run(server, options):
        return load("connect", server, "--subscribe", server.subscribe("bench/connect"),
                    "--seconds", options.publish_seconds,
                    *shown(server, algorithm, options.principals))
    return run


ALL = ("nchan", "sluice", "sluice-zmq", "floor")
WEBSOCKETS = ("nchan", "sluice", "sluice-zmq", "sluice-json")
BOTH = ("mosquitto", "sluice")
CASES = {
    "saturate-1000": (fan_out("saturate", 1000), ALL),
    "saturate-5000": (fan_out("saturate", 5000), ALL),
    "paced-1000": (fan_out("paced", 1000), ("nchan", "sluice", "floor")),
    "paced-5000": (fan_out("paced", 5000), ("nchan", "sluice", "floor")),
    "ws-saturate-1000": (websocket_fan_out("saturate", 1000), WEBSOCKETS),
    "ws-saturate-5000": (websocket_fan_out("saturate", 5000), WEBSOCKETS),
    "ws-deflate-1000": (websocket_fan_out("saturate", 1000, deflate=True), WEBSOCKETS),
    "ws-paced-1000": (websocket_fan_out("paced", 1000), ("nchan", "sluice", "sluice-json", "floor")),
    "h2-saturate-10x100": (http2_fan_out("saturate", 10, 100), ("nchan", "sluice")),
    "h2-saturate-1000x1": (http2_fan_out("saturate", 1000, 1), ("nchan", "sluice")),
    "h2-paced-10x100": (http2_fan_out("paced", 10, 100), ("nchan", "sluice", "floor")),
    "h2-paced-1000x1": (http2_fan_out("paced", 1000, 1), ("nchan", "sluice", "floor")),
    "h2-idle": (http2_idle(100), ("nchan", "sluice")),
    "h2-idle-alone": (http2_idle(1), ("nchan", "sluice")),
    "h2-publish-64x1": (http2_publish(1), ("sluice",)),
    "h2-publish-64x10": (http2_publish(10), ("sluice",)),
    "poll-1000": (poll(1000), ("nchan", "sluice")),
    "mqtt-saturate-1000": (mqtt_fan_out("saturate", 1000), BOTH),
    "mqtt-saturate-5000": (mqtt_fan_out("saturate", 5000), BOTH),
    "mqtt-qos1-1000": (mqtt_fan_out("saturate", 1000, qos=1), BOTH),
    "mqtt-topics-1000": (mqtt_fan_out("saturate", 1000, topics=1000), BOTH),
    "mqtt-publish": (mqtt_publish, BOTH),
    "mqtt-resume-10000": (mqtt_resume(10000), BOTH),
    "mqtt-idle": (mqtt_idle, BOTH),
    "idle": (idle, ("nchan", "sluice")),
    "publish": (publish, ("nchan", "sluice", "sluice-zmq")),
    "auth-publish": (auth_publish, ("sluice", "sluice-auth")),
    "auth-connect-EdDSA": (auth_connect("EdDSA"), ("sluice", "sluice-auth")),
    "auth-connect-RS256": (auth_connect("RS256"), ("sluice-auth",)),
    "replay-1": (replay(1), ("sluice",)),
    "replay-50": (replay(50), ("sluice",)),
}


def measure(options):
    """{(case, server): [one result a round]}, and what went wrong."""
    results, errors = {}, []
    for number in range(options.rounds):
        for case, (run, servers) in CASES.items():
            if options.only and not case.startswith(tuple(options.only)):
                continue
            for name in servers:
                if name not in options.servers:
                    continue
                try:
                    with SERVERS[name]() as server:
                        result = run(server, options)
                    results.setdefault((case, name), []).append(result)
                    if options.verbose:
                        print(case, name, json.dumps(result), file=sys.stderr)
                except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                    errors.append(f"round {number + 1}, {case}, {name}: {error}")
                    print(errors[-1], file=sys.stderr)
    return results, errors


# --- figures ----------------------------------------------------------------------

class Figures:
    """Medians over the rounds; None for what was not measured."""

    def __init__(self, results):
        self.results = results

    def get(self, case, server, field):
        values = [r[field] for r in self.results.get((case, server), []) if field in r]
        return statistics.median(values) if values else None

    def cost(self, case, server):
        return self.get(case, server, "cpu_us_per_delivery")


def quotient(a, b):
    return a / b if a is not None and b else None


def growth(f, mode, server):
    return quotient(f.cost(f"{mode}-5000", server), f.cost(f"{mode}-1000", server))


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def websocket_ratios(f, row):
    cases = [("ws-saturate-1000", "1,000 WebSockets saturated"),
             ("ws-saturate-5000", "5,000 WebSockets saturated"),
             ("ws-deflate-1000", "1,000 WebSockets saturated, permessage-deflate")]
    rows = [row(f"deliveries per CPU second, {text} ({form}): sluice / nchan",
                quotient(f.cost(case, "nchan"), f.cost(case, server)), "×", 10)
            for case, text in cases
            for server, form in (("sluice", "sluice.raw"), ("sluice-json", "sluice.json"))]
    rows += [row(f"CPU at 50 events/s, 1,000 WebSockets: {server} / floor",
                 quotient(f.cost("ws-paced-1000", server), f.cost("ws-paced-1000", "floor")), "×",
                 1.3 if server == "sluice" else None, at_least=False)
             for server in ("sluice", "sluice-json", "nchan")]
    return rows


def http2_ratios(f, row):
    forms = [("10x100", "1,000 streams on 10 connections"), ("1000x1", "1,000 connections")]
    rows = [row(f"deliveries per CPU second, HTTP/2, {text}, saturated: sluice / nchan",
                quotient(f.cost(f"h2-saturate-{form}", "nchan"),
                         f.cost(f"h2-saturate-{form}", "sluice")), "×", 10)
            for form, text in forms]
    rows += [row(f"CPU at 50 events/s, HTTP/2, {text}: {server} / floor",
                 quotient(f.cost(f"h2-paced-{form}", server), f.cost(f"h2-paced-{form}", "floor")),
                 "×")
             for form, text in forms for server in ("sluice", "nchan")]
    rows += [row(f"CPU at 50 events/s, {text}: HTTP/2 / SSE over HTTP/1.1",
                 quotient(f.cost(f"h2-paced-{form}", "sluice"), f.cost("paced-1000", "sluice")),
                 "×")
             for form, text in forms]
    rows += [row(f"publishes acknowledged after fsync, HTTP/2, 64 connections × {streams}",
                 f.get(f"h2-publish-64x{streams}", "sluice", "acks_per_s"), "/s")
             for streams in (1, 10)]
    return rows + [
        row(f"memory of an idle HTTP/2 subscriber (PSS), {text}, {server}",
            f.get(case, server, "bytes_per_client"), "bytes")
        for case, text in (("h2-idle", "100 on a connection"), ("h2-idle-alone", "alone on one"))
        for server in ("sluice", "nchan")]


def mqtt_ratios(f, row):
    def per_cpu(case):
        return quotient(f.cost(case, "mosquitto"), f.cost(case, "sluice"))

    rows = [row(f"deliveries per CPU second, {text}: sluice / Mosquitto", per_cpu(case), "×", target)
            for case, text, target in (
                ("mqtt-saturate-1000", "MQTT QoS 0 to 1,000 subscribers", 20),
                ("mqtt-saturate-5000", "MQTT QoS 0 to 5,000 subscribers", 20),
                ("mqtt-qos1-1000", "MQTT QoS 1 to 1,000 subscribers", 5),
                ("mqtt-topics-1000", "1,000 MQTT topics with one subscriber each", None))]
    rows += [
        row(f"MQTT QoS 1 publishes acknowledged, {server}{note}",
            f.get("mqtt-publish", server, "acks_per_s"), "/s")
        for server, note in (("sluice", ", after fsync"), ("mosquitto", ", in memory"))]
    rows += [
        row(f"time for 10,000 sessions to resume and get 20 events each, {server}",
            f.get("mqtt-resume-10000", server, "seconds"), "s")
        for server in ("sluice", "mosquitto")]
    return rows + [
        row(f"memory of an idle MQTT subscriber (PSS), {server}",
            f.get("mqtt-idle", server, "bytes_per_client"), "bytes",
            1536 if server == "sluice" else None, at_least=False)
        for server in ("sluice", "mosquitto")]


def auth_ratios(f, row):
    return [
        row("publishes acknowledged, HTTP keep-alive × 64: with a token in each / without",
            quotient(f.get("auth-publish", "sluice-auth", "acks_per_s"),
                     f.get("auth-publish", "sluice", "acks_per_s")), "×", 0.9),
        row("connects with an answered stream, nothing shown",
            f.get("auth-connect-EdDSA", "sluice", "connects_per_s"), "/s"),
        *(row(f"the same, each with a new token, {algorithm}",
              f.get(f"auth-connect-{algorithm}", "sluice-auth", "connects_per_s"), "/s")
          for algorithm in ("EdDSA", "RS256"))]


def ratios(f):
    """(what, value, unit, target, reached): the targets of the project first."""
    def row(what, value, unit, target=None, at_least=True):
        reached = None
        if target is not None and value is not None:
            reached = value >= target if at_least else value <= target
        sign = "≥" if at_least else "≤"
        return what, value, unit, f"{sign} {number(target)}" if target is not None else "", reached

    rows = []
    for server in ("sluice", "sluice-zmq"):
        over = "HTTP" if server == "sluice" else "ZeroMQ"
        rows.append(row(f"deliveries per CPU second, 1,000 clients saturated (published over "
                        f"{over}): sluice / nchan",
                        quotient(f.cost("saturate-1000", "nchan"), f.cost("saturate-1000", server)),
                        "×", 10))
    rows += [
        row("deliveries per CPU second, 5,000 clients saturated: sluice / nchan",
            quotient(f.cost("saturate-5000", "nchan"), f.cost("saturate-5000", "sluice")), "×"),
        row("CPU at 50 events/s, 1,000 clients: sluice / floor",
            quotient(f.cost("paced-1000", "sluice"), f.cost("paced-1000", "floor")),
            "×", 1.3, at_least=False),
        row("CPU at 50 events/s, 1,000 clients: nchan / floor",
            quotient(f.cost("paced-1000", "nchan"), f.cost("paced-1000", "floor")), "×"),
    ]
    for mode, text in (("saturate", "saturated"), ("paced", "at 50 events/s")):
        floor = growth(f, mode, "floor")
        rows.append(row(f"growth of CPU per delivery from 1,000 to 5,000 clients, {text}: sluice "
                        "(target: the floor's own)",
                        growth(f, mode, "sluice"), "×", floor, at_least=False))
    rows += websocket_ratios(f, row)
    rows += http2_ratios(f, row)
    rows += mqtt_ratios(f, row)
    rows += auth_ratios(f, row)
    rows += [
        row("CPU per delivery, 1,000 pollers at 10 events/s: sluice / nchan",
            quotient(f.cost("poll-1000", "sluice"), f.cost("poll-1000", "nchan")), "×", 1,
            at_least=False),
        row("publishes acknowledged after fsync, ZeroMQ, 1,000 in flight",
            f.get("publish", "sluice-zmq", "acks_per_s"), "/s", 80000),
        row("publishes acknowledged after fsync, HTTP keep-alive × 64",
            f.get("publish", "sluice", "acks_per_s"), "/s", 20000),
        row("replay of stored events to 1 client",
            f.get("replay-1", "sluice", "deliveries_per_s"), "/s", 250000),
        row("replay of stored events to 50 clients at once",
            f.get("replay-50", "sluice", "deliveries_per_s"), "/s", 1000000),
        row("memory of an idle subscriber (PSS)",
            f.get("idle", "sluice", "bytes_per_client"), "bytes", 2048, at_least=False),
        row("memory of an idle subscriber: sluice / nchan",
            quotient(f.get("idle", "sluice", "bytes_per_client"),
                     f.get("idle", "nchan", "bytes_per_client")), "×"),
    ]
    return [r for r in rows if r[1] is not None]


COLUMNS = (
    ("deliveries/s", "deliveries_per_s"), ("events/s", "events_per_s"),
    ("CPU µs/delivery", "cpu_us_per_delivery"), ("p50 µs", "delivery_p50_us"),
    ("p99 µs", "delivery_p99_us"), ("acks/s", "acks_per_s"), ("ack p50 µs", "ack_p50_us"),
    ("ack p99 µs", "ack_p99_us"), ("bytes/client", "bytes_per_client"),
    ("server CPU s", "server_cpu_s"), ("load busy", "load_busy"),
)


def absolute(f):
    rows = []
    for case in CASES:
        for name in SERVERS:
            if (case, name) in f.results:
                cells = [f.get(case, name, field) for _, field in COLUMNS]
                rows.append([case, name] + [number(c) if c else "" for c in cells])
    return rows


def split_by_process(f):
    """Where the CPU of several processes goes, as shares."""
    rows = []
    for (case, name), rounds in f.results.items():
        shares = {}
        for process, seconds in rounds[-1].get("cpu_s_by_process", []):
            shares[process] = shares.get(process, 0) + seconds
        total = sum(shares.values())
        if len(shares) > 1 and total > 0:
            rows.append([case, name, ", ".join(f"{p} {100 * s / total:.0f} %"
                                               for p, s in shares.items())])
    return rows


# --- tables -----------------------------------------------------------------------

def verdict(reached):
    return {None: "", True: "reached", False: "MISSED"}[reached]


def print_table(title, head, rows, markdown):
    if not rows:
        return
    print(f"{'## ' if markdown else ''}{title}\n")
    if markdown:
        print("| " + " | ".join(head) + " |")
        print("|" + " --- |" * len(head))
        for row in rows:
            print("| " + " | ".join(row) + " |")
    else:
        widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
        for row in [head, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()


def print_report(results, options):
    f = Figures(results)
    print(f"Medians of {options.rounds} interleaved round(s); servers on core {SERVER_CORE}, load "
          f"on core {LOAD_CORE}; 100-byte payloads.\n")
    print_table("Ratios, and the project's targets", ("what", "measured", "target", ""),
                [(what, f"{number(value)} {unit}", target, verdict(reached))
                 for what, value, unit, target, reached in ratios(f)], options.markdown)
    print_table("Absolute figures", ["case", "server"] + [name for name, _ in COLUMNS],
                absolute(f), options.markdown)
    print_table("Where the servers' CPU went", ("case", "server", "share"),
                split_by_process(f), options.markdown)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--only", action="append", metavar="CASE",
                        help=f"cases whose names begin so: {', '.join(CASES)}")
    parser.add_argument("--servers", default=",".join(SERVERS),
                        help="comma-separated; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--verbose", action="store_true", help="each result as it comes")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    options.rounds = 1 if options.quick else options.rounds
    options.saturate_seconds = 1.5 if options.quick else 5
    options.paced_seconds = 3 if options.quick else 10
    options.publish_seconds = 1.5 if options.quick else 5
    options.principals = 3000 if options.quick else 10000
    options.idle_clients = 2000 if options.quick else 5000
    options.replay_events = 20000 if options.quick else 100000
    return options


def main():
    options = arguments()
    if os.cpu_count() < 2:
        print("one core only: servers and load share it, and the figures say little",
              file=sys.stderr)
    results, errors = measure(options)
    print_report(results, options)
    if errors:
        print("failed:", *errors, sep="\n  ", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
