"""MQTT among the other doors: one event, one ID, all its properties."""

import base64
import json

import pytest
from mqttlib import V3, V5, publish

versions = pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])


@pytest.fixture
def doors(new_mqtt):
    return new_mqtt(gateways=("sse", "ws", "poll", "mqtt", "mqtt-2"))


@versions
def test_the_same_id_on_sse_and_mqtt(doors, version):
    """Must show 4."""
    stream = doors.sluice.stream("a/#")
    stream.started()
    here = doors.connect("here")
    there = doors.connect("there", gateway="mqtt-2")
    for c in (here, there):
        c.subscribed("a/#", qos=1)
    p = doors.connect("p", version)
    for n in range(5):
        p.publish(f"a/{n}", f"{n}", qos=n % 3)
    events = stream.events(5)
    for c in (here, there):
        got = c.messages(5)
        assert [(m.event, m.topic, m.payload.decode()) for m in got] == [
            (e.id, e.json()["topic"], e.json()["data"]) for e in events]


def test_whoever_stops_at_mqtt_goes_on_at_sse_and_back(doors):
    c = doors.connect("c")
    c.subscribed("a", qos=1)
    for n in range(9):
        doors.publish("a", f"{n}")
    last = c.messages(3)[-1].event
    stream = doors.sluice.stream("a", after=last)
    events = stream.events(3)
    assert [e.data for e in events] == ["3", "4", "5"]
    c = doors.connect("d", V3)
    c.subscribed(f"$after/{events[-1].id}/a", qos=1)
    assert c.payloads(3) == ["6", "7", "8"]


def test_what_mqtt_says_arrives_at_http(doors):
    stream = doors.sluice.stream("a", format="json")
    stream.started()
    c = doors.connect("c")
    c.publish("a", "text", retain=True, payload_format=1, content_type="text/plain",
              response_topic="re/ply", correlation_data=b"\0\xff", message_expiry=3600,
              user=[("b", "1"), ("a", "2"), ("b", "1")])
    event = stream.events(1)[0].json()
    wanted = {"topic": "a", "data": "text", "content_type": "text/plain", "retain": True,
              "expiry": 3600, "response_topic": "re/ply",
              "correlation_data": base64.b64encode(b"\0\xff").decode(),
              "properties": [["b", "1"], ["a", "2"], ["b", "1"]]}
    assert {k: event.get(k) for k in wanted} == wanted
    assert doors.history("a")[0] == event
    poll = doors.sluice.request("GET", "/events/a", "poll", {"after": 0}).json()["events"]
    assert poll == [event]


def test_what_http_says_arrives_at_mqtt(doors):
    """By headers, and in the JSON form."""
    c, old = doors.connect("c"), doors.connect("old", V3)
    for client in (c, old):
        client.subscribed("a", qos=2)
    ids = [doors.publish("a", b"text", Content_Type="text/plain", Sluice_Expiry="3600",
                         Sluice_Property="a=2", Sluice_Correlation_Data="AP8=",
                         Sluice_Response_Topic="re/ply")]
    ids += doors.sluice.batch([{
        "topic": "a", "data": "text", "content_type": "text/plain", "expiry": 3600,
        "properties": [["b", "1"], ["a", "2"]], "correlation_data": "AP8=",
        "response_topic": "re/ply"}])
    for id, user in zip(ids, ([("a", "2")], [("b", "1"), ("a", "2")])):
        m = c.message()
        assert m.user == user
        assert (m.event, m.said) == (id, ("a", b"text", 2, False))
        assert 3590 <= m.props.pop("message_expiry") <= 3600
        assert m.props.pop("payload_format", 1) == 1
        m.props.pop("user")
        assert m.props == {"content_type": "text/plain", "response_topic": "re/ply",
                           "correlation_data": b"\0\xff"}
        assert old.message().said == ("a", b"text", 2, False)


def test_json_arrives_byte_for_byte(doors):
    c = doors.connect("c")
    c.subscribed("a", qos=1)
    doors.publish("a", b'{"b": 1,  "a": 1.50}', Content_Type="application/json")
    m = c.message()
    assert m.payload == b'{"b": 1,  "a": 1.50}'
    assert m.props["content_type"] == "application/json"
    stream = doors.sluice.stream("b", format="json")
    stream.started()
    c.publish("b", b'{"x": [1, 2]}', content_type="application/json")
    assert stream.events(1)[0].json()["data"] == {"x": [1, 2]}
    c.publish("b", b"\xff\0")
    assert stream.events(1)[0].json()["data_base64"] == base64.b64encode(b"\xff\0").decode()


def test_a_type_does_not_get_lost(doors):
    """SSE's event: has no place of its own in MQTT; it is one of our user properties."""
    c = doors.connect("c")
    c.subscribed("a", qos=1)
    doors.publish("a", b"x", Sluice_Type="greeting")
    m = c.message()
    assert m.ours.get("sluice-type") == "greeting"


def test_a_deleted_topic_is_deleted_everywhere(doors):
    c = doors.connect("c")
    for n in range(3):
        c.publish("a", f"{n}")
    assert doors.sluice.request("DELETE", "/history/a").status_code in (200, 204)
    c.subscribed("$after/0/a", qos=1)
    c.publish("a", b"new")
    assert c.payloads(1) == ["new"] and not c.kept


def test_many_doors_one_order(doors):
    """Events of publishers at every door, in one order at every door."""
    c = doors.connect("c")
    c.subscribed("a/#", qos=1)
    stream = doors.sluice.stream("a/#")
    stream.started()
    p = doors.connect("p", gateway="mqtt-2")
    for n in range(60):
        if n % 2:
            p.send(publish("a/m", f"{n}", 1, n))
        else:
            doors.sluice.publish("a/h", f"{n}", gateway=("sse", "ws", "poll")[n % 3])
    got = [(m.event, m.payload.decode()) for m in c.messages(60)]
    assert got == [(e.id, json.loads(e.data)["data"]) for e in stream.events(60)]
    assert [int(i) for i, _ in got] == sorted(int(i) for i, _ in got)
