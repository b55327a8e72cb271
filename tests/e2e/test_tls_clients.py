"""Every protocol over TLS, by clients that others wrote and that verify."""

import asyncio
import json
import subprocess
import threading

import paho.mqtt.client as paho
import pytest
import websockets
from sluicelib import TIMEOUT, wait_for
from tlslib import Authority, curl, section, trust

DOORS = ("sse", "ws", "poll", "mqtt")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def tls(new_sluice, authority):
    return trust(new_sluice(section(authority.server()), gateways=DOORS), authority)


@pytest.fixture
def ca(authority):
    return authority.file


class Lines:
    """A program whose lines of output are waited for."""

    def __init__(self, *command):
        self.lines = []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\r\n"))

    def wait(self, line):
        def found():
            assert self.process.poll() is None or line in self.lines, self.lines
            return line in self.lines
        wait_for(found, f"{line!r} in {self.lines}")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(TIMEOUT)
        self.reader.join(TIMEOUT)
        self.process.stdout.close()


# --- HTTP

def curl_stream(tls, ca, *args):
    return Lines("curl", "-sSN", "--cacert", str(ca), *args, tls.url("/events/a"))


def test_curl_streams_sse(tls, ca):
    with curl_stream(tls, ca) as stream:
        tls.wait_metric("sluice_subscriptions", 1)
        id = tls.publish("a", b"hello")
        stream.wait(f"id: {id}")
        stream.wait("data: hello")


def test_curl_streams_ndjson(tls, ca):
    with curl_stream(tls, ca, "-H", "Accept: application/x-ndjson") as stream:
        tls.wait_metric("sluice_subscriptions", 1)
        id = tls.publish("a", b"hello")
        wait_for(lambda: any(f'"id":"{id}"' in line for line in stream.lines), "the event")


@pytest.mark.parametrize("door", ["sse", "ws", "poll"])
def test_curl_publishes_and_reads_history(tls, ca, door):
    made = curl("-d", "hello", tls.url("/events/a", door), ca=ca)
    id = json.loads(made.stdout)["id"]
    page = json.loads(curl(tls.url("/history/a", door), ca=ca).stdout)
    assert [(e["id"], e["data"]) for e in page["events"]] == [(id, "hello")]
    assert "HTTP/1.1 404" in curl("-i", tls.url("/nowhere", door), ca=ca).stdout


def test_curl_polls(tls, ca):
    waiting = threading.Thread(target=lambda: answers.append(
        curl(tls.url("/events/a", "poll", wait="20s"), ca=ca).stdout))
    answers = []
    waiting.start()
    tls.wait_metric("sluice_subscriptions", 1, "poll")
    id = tls.publish("a", b"hello")
    waiting.join()
    answer = json.loads(answers[0])
    assert (answer["events"][0]["id"], answer["next"]) == (id, id)


def test_one_connection_carries_many_requests(tls, ca):
    urls = [tls.url("/topics")] * 20
    answer = curl("-w", "%{num_connects}\n", *urls, ca=ca)
    assert answer.stdout.count('{"topics":[]') == 20
    assert [line[-1] for line in answer.stdout.splitlines() if line].count("1") == 1


# --- WebSocket

def test_python_websockets(tls, authority):
    async def main():
        url = f"wss://localhost:{tls.port('ws')}/events/a"
        async with websockets.connect(url, ssl=authority.context(), max_size=None,
                                      subprotocols=["sluice.json"]) as c:
            assert json.loads(await c.recv())["op"] == "ack"
            for text in ("x", "y" * 70000, "z" * 900_000):
                await c.send(json.dumps({"op": "publish", "ref": 1, "topic": "a", "data": text}))
                got = [json.loads(await asyncio.wait_for(c.recv(), TIMEOUT)) for _ in range(2)]
                event = next(m for m in got if m["op"] == "event")
                assert event["data"] == text
        assert c.close_code == 1000
    asyncio.run(main())


# --- MQTT

def mosquitto(kind, tls, ca, *args):
    return [f"mosquitto_{kind}", "-h", "localhost", "-p", str(tls.port("mqtt")), "--cafile",
            str(ca), *args]


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto(tls, ca, version):
    with Lines(*mosquitto("sub", tls, ca, "-V", version, "-q", "1", "-t", "a/#", "-v")) as sub:
        tls.wait_metric("sluice_subscriptions", 1, "mqtt")
        subprocess.run(mosquitto("pub", tls, ca, "-V", version, "-q", "1", "-t", "a/b", "-m", "hi"),
                       check=True, timeout=TIMEOUT)
        sub.wait("a/b hi")
        tls.publish("a/c", b"by HTTP")
        sub.wait("a/c by HTTP")


def test_mosquitto_refuses_a_stranger(tls, ca, tmp_path):
    stranger = Authority(tmp_path, "stranger").file
    done = subprocess.run(mosquitto("pub", tls, stranger, "-t", "a", "-m", "x"), timeout=TIMEOUT,
                          capture_output=True)
    assert done.returncode != 0


def test_mosquitto_with_alpn(tls, ca):
    alpn = [["--tls-alpn", name] for name in ("mqtt", "x-other")]
    done = [subprocess.run(mosquitto("pub", tls, ca, *a, "-q", "1", "-t", "a", "-m", "x"),
                           timeout=TIMEOUT, capture_output=True).returncode for a in alpn]
    assert done[0] == 0 and done[1] != 0


def test_a_session_belongs_to_its_certificate(new_sluice, authority, tmp_path):
    """Whatever name its client says beside it."""
    devices = Authority(tmp_path, "devices")
    mine, theirs = (devices.issue(subject=f"/CN=device-{n}") for n in (1, 2))
    s = new_sluice(section(authority.server(), more=f"client_ca = {devices.file}\n"),
                   gateways=("mqtt",))

    def subscribe(certificate, user):
        command = mosquitto("sub", s, authority.file, "-V", "mqttv5", "-c", "-x", "60", "-i", "it",
                            "--cert", certificate[0], "--key", certificate[1], "-u", user,
                            "-q", "1", "-t", "a", "-E")
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert subscribe(mine, "me").returncode == 0
    assert subscribe(mine, "another").returncode == 0
    assert "not authorized" in subscribe(theirs, "me").stderr.lower()


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho(tls, authority, transport):
    came = []
    c = paho.Client(client_id="paho", transport=transport)
    c.tls_set_context(authority.context())
    c.on_connect = lambda *_: c.subscribe("a", 1)
    c.on_subscribe = lambda *_: c.publish("a", b"y" * 70000, 1)
    c.on_message = lambda _c, _u, m: came.append(m.payload)
    c.connect("localhost", tls.port("mqtt_ws" if transport == "websockets" else "mqtt"))
    c.loop_start()
    wait_for(lambda: came == [b"y" * 70000], "the message")
    c.disconnect()
    c.loop_stop()
