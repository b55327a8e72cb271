"""traceparent and tracestate of a publish (W3C Trace Context) come out at every door."""

import json

import mqttlib
import pytest
import zmq
from sluicelib import Sluice
from wslib import Door

GATEWAYS = ("sse", "ws", "poll", "h2", "mqtt", "zmq")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
BOTH = {"traceparent": PARENT, "tracestate": STATE}


@pytest.fixture(scope="module")
def s(tmp_path_factory):
    system = Sluice(tmp_path_factory.mktemp("traces"), gateways=GATEWAYS).start()
    yield system
    system.end()


def read(s, topic):
    """The properties of a topic's events."""
    return [dict(e.get("properties", [])) for e in s.history(topic)["events"]]


@pytest.mark.parametrize("gateway", ["sse", "ws", "poll"])
def test_a_request_lends_its_trace_to_what_it_publishes(s, gateway):
    topic = f"in/{gateway}"
    s.publish(topic, b"x", gateway, **BOTH)
    r = s.request("POST", "/events", gateway, headers=BOTH, data="\n".join([
        json.dumps({"topic": topic, "data": 1}),
        json.dumps({"topic": topic, "data": 2, "properties": [["k", "v"]]}),
        json.dumps({"topic": topic, "data": 3, "properties": [["traceparent", "mine"]]})]))
    assert r.status_code == 201, r.text
    assert read(s, topic) == [BOTH, BOTH, {"k": "v", **BOTH}, {"traceparent": "mine"}]


def test_a_state_in_several_lines_is_one_list(s):
    with s.raw() as raw:
        raw.send(f"POST /events/in/lines HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                 f"Traceparent: {PARENT}\r\ntracestate: a=1\r\nTracestate: b=2,c=3\r\n\r\nx"
                 .encode())
        assert raw.answer().status == 201
    assert read(s, "in/lines") == [{"traceparent": PARENT, "tracestate": "a=1,b=2,c=3"}]


@pytest.mark.parametrize("headers, kept", [
    ({"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"}, {}),
    ({"traceparent": PARENT.upper(), "tracestate": STATE}, {}),
    ({"traceparent": "x" * 3000}, {}),
    ({"tracestate": STATE}, {}),
    ({"traceparent": PARENT, "tracestate": "a"}, {"traceparent": PARENT}),
    ({"traceparent": PARENT, "tracestate": "=,=" * 300}, {"traceparent": PARENT}),
    ({"traceparent": PARENT, "Sluice-Property": "traceparent=own"}, {"traceparent": "own"}),
])
def test_what_is_malformed_is_dropped_and_what_was_said_stays(s, headers, kept):
    event = s.publish("in/bad", b"x", **headers)
    r = s.request("GET", "/history", params={"id": event})
    assert dict(r.json().get("properties", [])) == kept


def test_it_comes_out_at_every_door(s):
    door, mqtt = Door(s), mqttlib.Door(s)
    context = zmq.Context()
    app = context.socket(zmq.DEALER)
    app.linger, app.rcvtimeo = 0, 20000
    try:
        sse, lines = s.stream("out", format="json"), s.stream("out", {
            "Accept": "application/x-ndjson"})
        ws = door.connect("out")
        m = mqtt.connect("reader")
        m.subscribed("out")
        app.connect(f"tcp://127.0.0.1:{s.port('zmq')}")
        app.send_multipart([b"subscribe", b"s", b"out", b"{}"])
        assert app.recv_multipart()[0] == b"ok"
        sse.started()
        lines.started()
        event = s.publish("out", b"x", **BOTH)
        assert dict(sse.events(1)[0].json()["properties"]) == BOTH
        assert dict(lines.events(1)[0].json()["properties"]) == BOTH
        assert dict(ws.events(1)[0]["properties"]) == BOTH
        assert dict(m.message().user) == BOTH
        raw = s.request("GET", "/events/out", "poll", {"after": int(event) - 1, "format": "raw"})
        assert raw.headers["Sluice-Property"] == (
            f"traceparent={PARENT}, tracestate={STATE}")
        r = s.request("GET", "/events/out", "poll", {"after": int(event) - 1})
        assert dict(r.json()["events"][0]["properties"]) == BOTH
        said = json.loads(app.recv_multipart()[4])
        assert dict(said["properties"]) == BOTH
    finally:
        door.close()
        mqtt.close()
        context.destroy(linger=0)


def test_mqtt_says_it_in_user_properties(s):
    mqtt = mqttlib.Door(s)
    try:
        mqtt.connect("writer").publish("in/mqtt", b"x", user=list(BOTH.items())[0])
    finally:
        mqtt.close()
    assert read(s, "in/mqtt") == [{"traceparent": PARENT}]
