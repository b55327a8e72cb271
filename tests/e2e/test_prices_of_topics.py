"""What topics and filters may cost: their levels, how many topics the log holds, and each
client's share of a gateway's filters.  Refused in each protocol's words, and nobody else."""

import pytest
from mqttlib import CONNACK, V3, V5, connect

DEEP = "/".join("abcdefghijklmnopqrstuvwxyz1234567")  # 33 levels
AS_DEEP_AS_MAY_BE = DEEP[:-2]


# --- levels

def test_http_refuses_what_has_too_many_levels(sluice):
    assert sluice.post(AS_DEEP_AS_MAY_BE, b"1").status_code == 201
    r = sluice.post(DEEP, b"1")
    assert (r.status_code, r.json()["code"], r.json()["field"]) == (400, "bad_topic", "topic")
    assert "max_levels" in r.json()["detail"]
    r = sluice.request("GET", "/events/" + DEEP)
    assert (r.status_code, r.json()["code"]) == (400, "bad_filter")
    r = sluice.request("GET", "/history/" + AS_DEEP_AS_MAY_BE + "/%23")
    assert (r.status_code, r.json()["code"]) == (400, "bad_filter")
    assert len(sluice.request("GET", "/history/" + AS_DEEP_AS_MAY_BE).json()["events"]) == 1


def test_websockets_are_told_and_live_on(ws):
    c = ws.connect("a")
    c.send({"op": "subscribe", "ref": 1, "topic": DEEP})
    error = c.take("error")
    assert (error["ref"], error["code"], error["field"]) == (1, "bad_filter", "topic")
    c.send({"op": "publish", "ref": 2, "topic": DEEP, "data": 1})
    error = c.take("error")
    assert (error["ref"], error["code"]) == (2, "bad_topic")
    ws.sluice.publish("a", "on")
    assert c.take("event")["data"] == "on"


@pytest.mark.parametrize("version", [V3, V5], ids=["3.1.1", "5.0"])
def test_mqtt_clients_are_told_and_live_on(mqtt, version):
    c = mqtt.connect("c", version)
    assert c.subscribe(DEEP, "good", qos=1).codes == [0x8F if version == V5 else 0x80, 1]
    if version == V5:
        assert c.publish(DEEP, b"x").reason == 0x90
    mqtt.publish("good", b"on")
    assert c.message().payload == b"on"


# --- topics

def test_a_full_table_refuses_new_topics_alone(new_sluice):
    sluice = new_sluice("[limits]\nmax_topics = 8\n")
    for n in range(8):
        sluice.publish(f"t/{n}", "x")
    r = sluice.post("t/new", b"x")
    assert (r.status_code, r.json()["code"]) == (429, "too_many")
    assert sluice.post("t/1", b"x").status_code == 201
    metrics = sluice.metrics("broker")
    assert (metrics["sluice_topics"], metrics["sluice_topics_max"],
            metrics["sluice_topics_refused_total"]) == (8, 8, 1)
    ready = sluice.admin("/readyz", "broker")
    assert ready[0] == 200 and "topics" in ready[1]
    assert sluice.request("DELETE", "/history/t/1").status_code in (200, 204)
    sluice.publish("t/new", "x")
    assert sluice.post("t/newer", b"x").status_code == 429


def test_mqtt_clients_hear_of_a_full_table(new_mqtt):
    mqtt = new_mqtt("[limits]\nmax_topics = 2\n")
    c = mqtt.connect("c")
    assert c.publish("a", b"x").reason in (0, 0x10)
    assert c.publish("b", b"x").reason in (0, 0x10)
    assert c.publish("c", b"x").reason == 0x97
    assert c.publish("a", b"x").reason in (0, 0x10)


# --- producers

def test_a_producer_too_many_is_refused_and_others_go_on(new_sluice):
    sluice = new_sluice("[limits]\nmax_producers = 4\n")
    for n in range(4):
        assert sluice.post("t", b"x", Idempotency_Key=f"k{n}").status_code == 201
    r = sluice.post("t", b"x", Idempotency_Key="one more")
    assert (r.status_code, r.json()["code"]) == (429, "too_many")
    assert "producers" in r.json()["detail"]
    assert sluice.post("t", b"x", Idempotency_Key="k1").status_code == 200
    assert sluice.post("t", b"x").status_code == 201
    metrics = sluice.metrics("broker")
    assert (metrics["sluice_producers"], metrics["sluice_producers_refused_total"]) == (4, 1)


# --- sessions

def accepted(mqtt, client, version=V5):
    """What a CONNECT for a stored session is answered."""
    c = mqtt.open(version=version)
    how = {"session_expiry": 600} if version == V5 else {"clean": False}
    c.send(connect(client, version, **how))
    return c.take(CONNACK).reason


def test_stored_sessions_have_a_limit_and_undo_nobody(new_mqtt):
    mqtt = new_mqtt("[limits]\nmax_session_bytes = 4k\n")
    kept = mqtt.session("kept")
    kept.subscribed("mine", qos=1)
    codes = [accepted(mqtt, f"greedy{n}") for n in range(40)]
    assert codes.count(0x97) > 3 and codes.count(0) > 3
    assert accepted(mqtt, "greedy, too", V3) == 3

    another = "another/" + "x" * 300
    assert kept.subscribe(another, "mine", qos=1).codes == [0x97, 1]
    assert kept.subscribe("$share/g/" + another, qos=1).codes == [0x97]
    mqtt.publish(another, b"not for it")
    mqtt.publish("mine", b"on")
    assert kept.message().payload == b"on"
    mqtt.connect("in memory").subscribed("mine", qos=1)

    kept.close()
    mqtt.publish("mine", b"meanwhile")
    kept = mqtt.session("kept")
    assert kept.connack.present
    assert kept.message().payload == b"meanwhile"
    metrics = mqtt.sluice.metrics("broker")
    assert metrics["sluice_session_bytes"] >= 3500
    assert metrics["sluice_sessions_refused_total"] >= 5


# --- filters

def test_a_client_has_a_share_of_a_gateways_filters(new_ws):
    ws = new_ws("[limits]\nmax_filters_total = 320\n")
    greedy = ws.connect("a")
    refused = 0
    for n in range(40):
        greedy.send({"op": "subscribe", "ref": n, "topic": f"greedy/{n}"})
        reply = greedy.json()
        refused += reply["op"] == "error"
        assert reply["op"] != "error" or reply["code"] == "too_many"
    assert 18 <= refused <= 24
    modest = ws.connect("modest")
    ws.sluice.publish("modest", "served")
    assert modest.take("event")["data"] == "served"
    assert ws.sluice.metrics("ws")["sluice_filters_refused_total"] == refused


def test_a_session_has_one_too(new_mqtt):
    mqtt = new_mqtt("[limits]\nmax_filters_total = 320\nmax_filter_levels = 100\n")
    c = mqtt.connect("c")
    codes = c.subscribe(*[f"greedy/{n}" for n in range(40)], qos=1).codes
    assert set(codes) == {1, 0x97} and 16 <= codes.count(1) <= 22
    d = mqtt.connect("d")
    codes = d.subscribe(*[f"+/b/{n}" for n in range(15)], qos=1).codes  # 12 each
    assert codes == [1] * 8 + [0x97] * 7
