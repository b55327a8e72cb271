"""Clients that others wrote: mosquitto_pub and mosquitto_sub, python3-paho-mqtt, npm's
mqtt; over TCP and WebSocket, 3.1.1 and 5.0."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading

import paho.mqtt.client as paho
import pytest
from mqttlib import ASKS, V3, V5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from sluicelib import TIMEOUT, wait_for

NAMES = {V3: "mqttv311", V5: "mqttv5"}
versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


# --- mosquitto's

class Mosquitto:
    """mosquitto_pub and mosquitto_sub at a gateway; what was started ends with it."""

    def __init__(self, door, version):
        self.door, self.version = door, version
        self.started = []

    def command(self, tool, *words, gateway="mqtt"):
        return [tool, "-h", "127.0.0.1", "-p", str(self.door.sluice.port(gateway)), "-V",
                NAMES[self.version], *words]

    def pub(self, topic, payload, *words, stdin=None):
        message = [] if stdin is not None else ["-n"] if payload is None else ["-m", payload]
        subprocess.run(self.command("mosquitto_pub", "-t", topic, *message, *words), input=stdin,
                       check=True, timeout=TIMEOUT, text=True)

    def sub(self, *words, wait=True):
        """A subscriber; wait: until it has subscribed."""
        p = Subscriber(self.command("mosquitto_sub", *words, "-d"))
        self.started.append(p)
        if wait:
            p.wait_remark("Subscribed ")
        return p

    def end(self):
        for p in self.started:
            p.end()


class Subscriber:
    """mosquitto_sub: the lines that it printed, its own remarks apart."""

    def __init__(self, command):
        # Without stdbuf it keeps what it prints until it ends.
        self.process = subprocess.Popen(["stdbuf", "-oL", *command], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.got, self.remarks = [], []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            is_remark = line.startswith(("Client ", "Subscribed ", "Sending "))
            (self.remarks if is_remark else self.got).append(line.rstrip("\n"))

    def wait_remark(self, text):
        wait_for(lambda: any(text in line for line in self.remarks) or not self.reader.is_alive(),
                 text)
        assert any(text in line for line in self.remarks), (self.remarks, self.got)

    def lines(self):
        """All, once it has ended by itself."""
        assert self.process.wait(TIMEOUT) == 0, (self.remarks, self.got)
        self.reader.join()
        return self.got

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


@pytest.fixture
def new_mosquitto(mqtt):
    made = []

    def make(version):
        made.append(Mosquitto(mqtt, version))
        return made[-1]
    yield make
    for m in made:
        m.end()


@versions
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_mosquitto_pub_to_sub(new_mosquitto, version, qos):
    m = new_mosquitto(version)
    p = m.sub("-t", "m/+", "-q", qos, "-C", "5", "-F", "%t %q %r %p")
    for n in range(3):
        m.pub(f"m/{n}", f"text {n}", "-q", qos)
    m.pub("m/lines", None, "-q", qos, "-l", stdin="one\ntwo\n")
    assert p.lines() == [f"m/{n} {qos} 0 text {n}" for n in range(3)] + [
        f"m/lines {qos} 0 one", f"m/lines {qos} 0 two"]


@versions
def test_mosquitto_retained(new_mosquitto, version):
    m = new_mosquitto(version)
    m.pub("m/a", "kept", "-r", "-q", "1")
    p = m.sub("-t", "m/#", "-C", "1", "-F", "%t %r %p", wait=False)
    assert p.lines() == ["m/a 1 kept"]
    m.pub("m/a", None, "-r", "-q", "1")
    p = m.sub("-t", "m/#", "-C", "1", "-F", "%t %r %p")
    m.pub("m/b", "live")
    assert p.lines() == ["m/b 0 live"]


@versions
def test_mosquitto_will(new_mosquitto, version):
    m = new_mosquitto(version)
    watch = m.sub("-t", "will/+", "-q", "2", "-C", "1", "-F", "%t %q %p")
    p = m.sub("-t", "x", "--will-topic", "will/m", "--will-payload", "gone", "--will-qos", "2",
              "--will-retain", "-k", "10")
    p.process.kill()
    assert watch.lines() == ["will/m 2 gone"]
    p = m.sub("-t", "will/+", "-C", "1", "-F", "%t %r %p", wait=False)
    assert p.lines() == ["will/m 1 gone"]


@versions
def test_mosquitto_persistent_session(new_mosquitto, version):
    """-c, -x: what was published meanwhile comes; then by -U one filter fewer."""
    m = new_mosquitto(version)
    expiry = ["-x", "100"] if version == V5 else []
    words = ["-i", "m-kept", "-c", "-q", "2", *expiry, "-F", "%t %p"]
    assert m.sub("-t", "m/a", "-t", "m/b", "-E", *words).lines() == []
    for n in range(3):
        m.pub("m/a", f"{n}", "-q", "2")
    assert m.sub("-t", "m/b", "-C", "3", *words).lines() == ["m/a 0", "m/a 1", "m/a 2"]
    p = m.sub("-t", "m/b", "-U", "m/a", "-C", "1", *words)
    p.wait_remark("UNSUBACK")
    for topic in ("m/a", "m/b"):
        m.pub(topic, "x", "-q", "2")
    assert p.lines() == ["m/b x"]


def test_mosquitto_properties(new_mosquitto):
    """User properties are the publisher's, and ours for who asks."""
    m = new_mosquitto(V5)
    p, asking = (m.sub("-t", "m", "-q", "1", "-C", "1", "-F", "%C %R %D %E %p %P", *words)
                 for words in ([], ["-D", "connect", "user-property", *ASKS]))
    m.pub("m", "text", "-q", "1", "-D", "publish", "content-type", "text/plain",
          "-D", "publish", "response-topic", "re/ply", "-D", "publish", "correlation-data", "corr",
          "-D", "publish", "message-expiry-interval", "100",
          "-D", "publish", "user-property", "k", "v")
    line = p.lines()[0]
    assert line.startswith(("text/plain re/ply corr 100 text", "text/plain re/ply corr 99 text"))
    assert line.endswith(" text k:v")
    assert re.search(r" text sluice-id:[0-9]+ k:v$", asking.lines()[0])


@versions
def test_mosquitto_replays(new_mosquitto, version):
    """$after by the filter; in 5.0 also by the property."""
    m = new_mosquitto(version)
    ids = [m.door.publish("m/a", f"{n}") for n in range(5)]
    p = m.sub("-t", f"$after/{ids[1]}/m/#", "-q", "1", "-C", "3", "-F", "%t %p", wait=False)
    assert p.lines() == ["m/a 2", "m/a 3", "m/a 4"]
    p = m.sub("-t", "$last/2/m/#", "-C", "2", "-F", "%p", wait=False)
    assert p.lines() == ["3", "4"]
    if version == V5:
        p = m.sub("-t", "m/#", "-D", "subscribe", "user-property", "sluice-after", ids[3], "-C",
                  "1", "-F", "%p", wait=False)
        assert p.lines() == ["4"]


@versions
def test_mosquitto_shares(new_mosquitto, version):
    m = new_mosquitto(version)
    subs = [m.sub("-t", "$share/g/m", "-q", "1", "-F", "%p") for _ in range(2)]
    m.pub("m", None, "-q", "1", "-l", stdin="".join(f"{n}\n" for n in range(40)))
    wait_for(lambda: sum(len(p.got) for p in subs) >= 40, "all have arrived")
    assert sorted(int(n) for p in subs for n in p.got) == list(range(40))


@versions
def test_mosquitto_sees_sys(new_mosquitto, version):
    m = new_mosquitto(version)
    p = m.sub("-t", "$SYS/broker/version", "-C", "1", wait=False)
    assert p.lines()[0].startswith("sluice ")


@versions
def test_mosquitto_many_and_large(new_mosquitto, version):
    m = new_mosquitto(version)
    p = m.sub("-t", "m", "-q", "2", "-C", "201", "-F", "%l")
    m.pub("m", "x", "-q", "2", "--repeat", "200")
    m.pub("m", None, "-q", "2", "-s", stdin="y" * 900000)
    assert p.lines() == ["1"] * 200 + ["900000"]


# --- paho

class Paho:
    """paho's client with a thread of its own; keeps what came."""

    def __init__(self, door, version, over, name="", clean=True, **kw):
        self.version = version
        transport = "websockets" if over == "ws" else "tcp"
        if version == V3:
            self.client = paho.Client(door.name(name), clean, protocol=paho.MQTTv311,
                                      transport=transport)
        else:
            self.client = paho.Client(door.name(name), protocol=paho.MQTTv5, transport=transport)
            kw.setdefault("clean_start", clean)
        self.present, self.answers, self.messages = None, {}, []
        self.client.on_connect = self._connected
        self.client.on_subscribe = self.client.on_unsubscribe = self._answered
        self.client.on_publish = lambda c, u, mid: self.answers.setdefault(mid, True)
        self.client.on_message = lambda c, u, m: self.messages.append(m)
        port = door.sluice.port("mqtt_ws" if over == "ws" else "mqtt")
        self.client.connect("127.0.0.1", port, keepalive=60, **kw)
        self.client.loop_start()
        wait_for(lambda: self.present is not None, "connected")

    def _connected(self, client, data, flags, code, properties=None):
        assert code == 0
        self.present = bool(flags["session present"])

    def _answered(self, client, data, mid, *rest):
        self.answers[mid] = rest

    def done(self, mid):
        return wait_for(lambda: self.answers.get(mid) is not None, f"the answer to {mid}")

    def subscribe(self, *args, **kw):
        self.done(self.client.subscribe(*args, **kw)[1])

    def publish(self, *args, **kw):
        info = self.client.publish(*args, **kw)
        info.wait_for_publish(TIMEOUT)

    def wait(self, count):
        wait_for(lambda: len(self.messages) >= count, f"{count} messages")
        return [(m.topic, m.payload, m.qos, m.retain) for m in self.messages]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def new_paho(mqtt):
    with contextlib.ExitStack() as stack:
        def make(*args, **kw):
            p = Paho(mqtt, *args, **kw)
            stack.callback(p.close)
            return p
        yield make


over = pytest.mark.parametrize("over", ["tcp", "ws"])


@versions
@over
def test_paho(new_paho, version, over):
    c = new_paho(version, over, "c")
    c.subscribe([("p/a", 0), ("p/b", 1), ("p/c", 2)] if version == V3 else
                [(f"p/{t}", SubscribeOptions(q)) for q, t in enumerate("abc")])
    for topic in "abc":
        c.publish(f"p/{topic}", topic * 100, qos=2)
    assert c.wait(3) == [(f"p/{t}", t.encode() * 100, q, 0) for q, t in enumerate("abc")]
    c.done(c.client.unsubscribe("p/a")[1])
    c.publish("p/c", b"\0" * 500000, qos=1, retain=True)
    assert c.wait(4)[3] == ("p/c", b"\0" * 500000, 1, 0)
    late = new_paho(version, over, "late")
    late.subscribe("p/+", 0)
    assert late.wait(1) == [("p/c", b"\0" * 500000, 0, 1)]


@over
def test_paho_properties(new_paho, over):
    c = new_paho(V5, over, "c")
    c.subscribe("p", 1)
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "text/plain"
    properties.CorrelationData = b"\0\1"
    properties.UserProperty = [("k", "v"), ("k", "w")]
    c.publish("p", b"x", qos=1, properties=properties)
    c.wait(1)
    got = c.messages[0].properties
    assert (got.ContentType, got.CorrelationData) == ("text/plain", b"\0\1")
    assert got.UserProperty == [("k", "v"), ("k", "w")]


@versions
@over
def test_paho_session(new_paho, version, over):
    kw = {}
    if version == V5:
        kw["properties"] = Properties(PacketTypes.CONNECT)
        kw["properties"].SessionExpiryInterval = 100
    c = new_paho(version, over, "kept", clean=False, **kw)
    assert not c.present
    c.subscribe("p", 2)
    c.close()
    p = new_paho(version, over, "p")
    for n in range(10):
        p.publish("p", f"{n}", qos=2)
    c = new_paho(version, over, "kept", clean=False, **kw)
    assert c.present
    assert [m[1] for m in c.wait(10)] == [b"%d" % n for n in range(10)]


@versions
def test_paho_comes_back_by_itself(new_paho, mqtt, version):
    """Its session over the death of the gateway."""
    kw = {}
    if version == V5:
        kw["properties"] = Properties(PacketTypes.CONNECT)
        kw["properties"].SessionExpiryInterval = 100
        kw["clean_start"] = False
    c = new_paho(version, "tcp", "kept", clean=False, **kw)
    c.client.reconnect_delay_set(1, 1)
    c.subscribe("p", 2)
    mqtt.sluice.processes["mqtt"].restart()
    for n in range(5):
        mqtt.publish("p", f"{n}")
    assert [m[1] for m in c.wait(5)] == [b"%d" % n for n in range(5)]
    assert c.present


# --- npm's mqtt

@versions
@over
def test_npm_mqtt(mqtt, npm, version, over):
    scheme, which = ("ws", "mqtt_ws") if over == "ws" else ("mqtt", "mqtt")
    url = f"{scheme}://127.0.0.1:{mqtt.sluice.port(which)}/mqtt"
    script = pathlib.Path(__file__).with_name("mqtt_client.js")
    done = subprocess.run(["node", script, url, str(version)], timeout=3 * TIMEOUT, text=True,
                          env={**os.environ, "NODE_PATH": npm("mqtt@5")}, capture_output=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["granted"] == [2, 2, 2]
    said = [(m["topic"], m["payload"], m["qos"], m["retain"]) for m in seen["messages"]]
    assert said == [("js/0", "text 0", 0, False), ("js/1", "text 1", 1, False),
                    ("js/2", "text 2", 2, False), ("js/2", True, 2, False),
                    ("js/2", True, 1, True)]
    assert (seen["present"], seen["missed"]) == (True, ["while away"])
    if version == V5:
        assert [m["user"] for m in seen["messages"]] == [{"k": "v"}] * 3 + [{}] * 2
