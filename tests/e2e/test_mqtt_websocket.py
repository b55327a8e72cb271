"""MQTT in WebSocket frames (5.0, 6): packets and frames need not agree."""

import struct

import pytest
from mqttlib import (CONNACK, PING, PINGRESP, PUBLISH, SUBACK, V3, V5, Client, Will, connect,
                     disconnect, publish, subscribe)
from wslib import BINARY, CLOSE, CONTINUATION, PING as WS_PING, TEXT, WebSocket, frame

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


def shake(door, protocol="mqtt", path="/mqtt"):
    return WebSocket(door.sluice.port("mqtt_ws"), path, protocol)


@versions
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_conversation(mqtt, version, qos):
    c = mqtt.connect("c", version, over="ws")
    c.subscribed("a", qos=qos)
    payloads = [b"", b"x", b"y" * 200, b"z" * 70000, b"w" * (1 << 20)]
    for payload in payloads:
        c.publish("a", payload, qos=qos)
        assert c.message().said == ("a", payload, qos, False)
    c.unsubscribe("a")
    c.ping()
    c.disconnect()


@pytest.mark.parametrize("path", ["/mqtt", "/", "/any/where?x=1"])
@pytest.mark.parametrize("asked, chosen", [
    ("mqtt", "mqtt"), ("sluice.json, mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1")])
def test_the_subprotocol(one_mqtt, path, asked, chosen):
    """MQTT-6.0.0-3, -4; the other name is that of clients older than the standard."""
    ws = shake(one_mqtt, asked, path)
    assert ws.open().head()[1]["sec-websocket-protocol"] == chosen
    ws.raw.close()


@pytest.mark.parametrize("protocol", ["sluice.json", "mqttv5", None])
def test_another_subprotocol_is_refused(one_mqtt, protocol):
    ws = shake(one_mqtt, protocol)
    assert ws.head()[0] == 400
    ws.raw.close()


def test_origins_are_checked(new_mqtt):
    """A page of another origin may not speak for its reader."""
    mqtt = new_mqtt("[mqtt]\nallow_origin = https://a.example\n")
    for origin, status in [("https://a.example", 101), ("https://b.example", 403), (None, 101)]:
        headers = [f"Origin: {origin}"] if origin else []
        ws = WebSocket(mqtt.sluice.port("mqtt_ws"), "/mqtt", "mqtt", headers=headers)
        assert ws.head()[0] == status, origin
        ws.raw.close()


@versions
def test_many_packets_in_a_frame(mqtt, version):
    c = mqtt.open(version=version, over="ws")
    c.send(connect("c", version) + subscribe(1, [("a", 0)], version)
           + b"".join(publish("a", f"{n}", version=version) for n in range(50)) + PING)
    c.take(CONNACK)
    c.take(SUBACK)
    assert c.payloads(50) == [str(n) for n in range(50)]
    c.take(PINGRESP)


@versions
def test_a_packet_over_many_frames(mqtt, version):
    """MQTT-6.0.0-2: cut anywhere, by messages and by fragments."""
    c = mqtt.open(version=version, over="ws")
    raw = connect("c", version) + subscribe(1, [("a", 1)], version)
    for n in range(len(raw)):
        c.send(raw[n:n + 1])
    raw = publish("a", b"x" * 300, 1, 7, version=version)
    c.raw.ws.send_frames(frame(BINARY, raw[:1], fin=False),
                         frame(CONTINUATION, raw[1:2], fin=False),
                         frame(WS_PING, b"between"), frame(CONTINUATION, raw[2:]))
    c.take(CONNACK)
    assert c.message().payload == b"x" * 300
    assert c.raw.pongs == [b"between"]


def test_text_is_an_error(mqtt):
    """MQTT-6.0.0-1"""
    c = mqtt.connect("c", over="ws")
    c.raw.ws.send_frames(frame(TEXT, b"hello"))
    assert c.raw.ws.close_code() in (1002, 1003)


def test_frames_of_a_client_are_masked(mqtt):
    c = mqtt.connect("c", over="ws")
    c.raw.ws.send_frames(frame(BINARY, PING, mask=None))
    assert c.raw.ws.close_code() == 1002


def test_pings_of_both_layers(mqtt):
    c = mqtt.connect("c", over="ws")
    c.raw.ws.send_frames(frame(WS_PING, b"ws"))
    c.ping()
    assert c.raw.pongs == [b"ws"]


@versions
def test_a_violation_closes_the_websocket(mqtt, version):
    c = mqtt.connect("c", version, over="ws")
    c.send(publish("a/+", b"", version=version))
    assert c.closed() in ((0x81, 0x82, 0x90) if version == V5 else (None,))
    assert c.raw.close_code in (1000, 1002, 1003, 1008)


def test_a_closing_websocket_is_a_lost_connection(mqtt):
    watch = mqtt.connect("watch")
    watch.subscribed("w", qos=1)
    c = mqtt.connect("c", over="ws", will=Will("w", b"gone", 1))
    c.raw.ws.send_frames(frame(CLOSE, struct.pack(">H", 1000)))
    assert watch.message().payload == b"gone"
    c = mqtt.connect("d", over="ws", will=Will("w", b"never", 1))
    c.send(disconnect())
    mqtt.publish("w", b"end")
    assert watch.message().payload == b"end"


def test_one_session_over_both_transports(mqtt):
    c = mqtt.session("c", over="ws")
    c.subscribed("a", qos=2)
    mqtt.publish("a", b"1")
    m = c.message(ack=False)
    c.ping()
    tcp = mqtt.session("c")
    assert tcp.connack.present
    assert c.closed() == 0x8E
    again = tcp.message()
    assert (again.id, again.payload, again.dup) == (m.id, b"1", True)


def test_tcp_and_websocket_get_the_same(mqtt):
    clients = [mqtt.connect(f"{over}{v}", v, over=over) for over in ("tcp", "ws") for v in (V3, V5)]
    for c in clients:
        c.subscribed("a/#", qos=1)
    for n in range(300):
        clients[n % 4].send(publish(f"a/{n % 7}", b"x" * (n * 13), 1, n + 1,
                                    version=clients[n % 4].version))
    got = [[(m.topic, m.payload) for m in c.messages(300)] for c in clients]
    assert all(g == got[0] for g in got)


def test_a_slow_client_over_websocket(mqtt):
    """The same path as TCP's: nothing lost, others not delayed."""
    slow = Client(mqtt.sluice.port("mqtt_ws"), V5, "ws", rcvbuf=4096)
    mqtt.opened.append(slow)
    slow.connect("slow")
    slow.subscribed("a", qos=0)
    p = mqtt.connect("p")
    for n in range(300):
        p.publish("a", b"x" * 50000)
    assert sum(len(m.payload) for m in slow.messages(300)) == 300 * 50000
    assert not [k for k in slow.kept if k.kind == PUBLISH]


def test_plain_bytes_at_the_websocket_door(mqtt):
    with mqtt.sluice.raw("mqtt_ws") as c:
        c.send(connect("c"))
        assert not c.rest().startswith(b"\x20")
    mqtt.connect("c", over="ws").ping()
