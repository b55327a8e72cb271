"""What the suites of others expect of a 5.0 server (Paho's interoperability tests), and the
same small exchange through every client at hand: mosquitto's, Paho's, MQTT.js."""

import json
import os
import subprocess

import paho.mqtt.client as paho
import pytest
from mqttlib import PUBACK, PUBLISH, options, publish, subscribe
from sluicelib import TIMEOUT, wait_for


def plain(mqtt, name, **kw):
    """A client that knows nothing of sluice."""
    return mqtt.connect(name, asks=False, **kw)


PROPERTIES = {"payload_format": 1, "content_type": "text/plain", "response_topic": "re/ply",
              "correlation_data": b"\0\1", "user": [("a", "2"), ("c", "3"), ("a", "2")]}


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_properties_compare_equal(mqtt, qos):
    c = plain(mqtt, "c")
    c.subscribed("p", qos=2)
    c.publish("p", "text", qos=qos, **PROPERTIES)
    assert c.message().props == PROPERTIES


def test_expiry_is_told_and_counted_down(mqtt):
    c = plain(mqtt, "c", session_expiry=600, clean=False)
    c.subscribed("e", qos=2)
    c.disconnect()
    p = plain(mqtt, "p")
    p.publish("e", b"gone", message_expiry=1)
    p.publish("e", b"stays", message_expiry=1000)
    p.publish("e", b"for ever")
    wait_for(lambda: len(mqtt.history("e")) == 2, "one has expired")
    c = plain(mqtt, "c", session_expiry=600, clean=False)
    stays, ever = c.messages(2)
    assert (stays.payload, ever.payload, ever.props) == (b"stays", b"for ever", {})
    assert 900 < stays.props["message_expiry"] < 1000


@pytest.mark.parametrize("as_published", [False, True])
def test_retain_as_published(mqtt, as_published):
    c = plain(mqtt, "c")
    c.subscribed("r", qos=2, retain_as_published=as_published)
    for retain in (False, True):
        c.publish("r", b"x", retain=retain)
        assert c.message().retain == (retain and as_published)


@pytest.mark.parametrize("handling, first, again", [(0, True, True), (1, True, False),
                                                   (2, False, False)])
def test_retain_handling(mqtt, handling, first, again):
    c = plain(mqtt, "c")
    c.publish("h", b"kept", retain=True)
    c.subscribed("mark")
    for expected in (first, again):
        c.subscribed("h", qos=1, retain_handling=handling)
        c.publish("mark", b"")
        if expected:
            assert c.message().said == ("h", b"kept", 1, True)
        assert c.message().topic == "mark"


def test_subscription_identifiers(mqtt):
    a, b = plain(mqtt, "a"), plain(mqtt, "b")
    a.subscribed("s/#", qos=2, props={"subscription_id": 456789})
    b.subscribed("s/#", qos=2, props={"subscription_id": 2})
    b.subscribed("s/+", qos=2, props={"subscription_id": 3})
    a.publish("s/x", b"m")
    assert a.message().subs == [456789] and b.message().subs == [2, 3]


def test_no_local(mqtt):
    a, b = plain(mqtt, "a"), plain(mqtt, "b")
    for c in (a, b):
        c.subscribed("n", qos=2, no_local=True)
    a.publish("n", b"a's")
    b.publish("n", b"b's")
    assert (a.message().payload, b.message().payload) == (b"b's", b"a's")


def test_flow_control(mqtt):
    """No more than the client allows is on its way."""
    c = plain(mqtt, "c", receive_maximum=3)
    c.subscribed("f", qos=2)
    for n in range(9):
        mqtt.publish("f", f"{n}")
    got = [c.message(ack=False) for _ in range(3)]
    c.ping()
    assert not [p for p in c.kept if p.kind == PUBLISH]
    for p in got:
        c.acknowledge(p)
    assert c.payloads(6) == [f"{n}" for n in range(3, 9)]


def test_publish_then_subscribe_in_one_write(mqtt):
    c = plain(mqtt, "c")
    c.send(publish("o", b"kept", 1, 1, True), subscribe(2, [("o", options(1))]))
    c.take(PUBACK, 1)
    assert c.message().said == ("o", b"kept", 1, True)


# --- clients of others

@pytest.mark.parametrize("name", ["mqttv31", "mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_mosquitto(mqtt, name, qos):
    at = ["-h", "127.0.0.1", "-p", str(mqtt.sluice.port("mqtt")), "-V", name, "-q", qos]
    subprocess.run(["mosquitto_pub", *at, "-t", "m/kept", "-m", "retained", "-r"], check=True,
                   timeout=TIMEOUT)
    done = subprocess.run(["mosquitto_sub", *at, "-t", "m/#", "-C", "1", "-F", "%t %p %q %r"],
                          check=True, timeout=TIMEOUT, capture_output=True, text=True)
    assert done.stdout.strip() == f"m/kept retained {qos} 1"


@pytest.mark.parametrize("version", [paho.MQTTv31, paho.MQTTv311, paho.MQTTv5])
def test_paho(mqtt, version):
    got = []
    c = paho.Client("paho", protocol=version)
    c.on_message = lambda _c, _u, m: got.append((m.topic, m.payload, m.qos, m.retain))
    c.on_connect = lambda *a: [c.publish("p/x", b"kept", 1, True), c.subscribe("p/#", 1)]
    c.connect("127.0.0.1", mqtt.sluice.port("mqtt"))
    c.loop_start()
    wait_for(lambda: got, "the retained message")
    c.publish("p/x", b"live", 1)
    wait_for(lambda: len(got) == 2, "the live one")
    c.disconnect()
    c.loop_stop()
    assert got == [("p/x", b"kept", 1, True), ("p/x", b"live", 1, False)]


RESUBSCRIBES = """
const mqtt = require('mqtt');
const [url, version] = process.argv.slice(1);
const c = mqtt.connect(url, { protocolVersion: Number(version), reconnectPeriod: 50 });
let connects = 0, seen = 0;
c.on('error', (e) => { console.error(e); process.exit(1); });
c.on('connect', async () => {
  connects++;
  if (connects > 1) {
    for (let i = 0; i < 300; i++) c.publish(`js/${i}`, 'x', { qos: 1 });
    return;
  }
  for (let i = 0; i < 300; i++) await c.subscribeAsync(`js/${i}`, { qos: 1 });
  c.stream.destroy();
});
c.on('message', () => { if (++seen === 300) { console.log(connects); c.end(); } });
"""


@pytest.mark.parametrize("version", [4, 5])
def test_mqtt_js_subscribes_again(mqtt, npm, version):
    """It sends a SUBSCRIBE for each topic, all at once, when it comes back."""
    url = f"mqtt://127.0.0.1:{mqtt.sluice.port('mqtt')}"
    done = subprocess.run(["node", "-e", RESUBSCRIBES, url, str(version)], timeout=3 * TIMEOUT,
                          env={**os.environ, "NODE_PATH": npm("mqtt@5")}, capture_output=True,
                          text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr


OLD = """
const mqtt = require('mqtt');
const c = mqtt.connect(process.argv[1], { protocolId: 'MQIsdp', protocolVersion: 3,
  clientId: 'old' });
c.on('error', (e) => { console.error(e); process.exit(1); });
c.on('message', (t, p) => { console.log(JSON.stringify([t, p.toString()])); c.end(); });
c.on('connect', () => c.subscribe('o', { qos: 1 }, () => c.publish('o', 'x', { qos: 2 })));
"""


def test_mqtt_js_3_1(mqtt, npm):
    url = f"mqtt://127.0.0.1:{mqtt.sluice.port('mqtt')}"
    done = subprocess.run(["node", "-e", OLD, url], timeout=3 * TIMEOUT, text=True,
                          env={**os.environ, "NODE_PATH": npm("mqtt@5")}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["o", "x"]
