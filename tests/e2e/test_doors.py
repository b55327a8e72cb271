"""One log behind every door: an event has the same ID everywhere, and whoever stops
after it at one gateway goes on after it at another."""

import random
import threading

import h2lib
import mqttlib
import pytest
from wslib import Door

TOPIC = "d/x"


@pytest.fixture
def doors(new_sluice):
    return new_sluice(gateways=("sse", "ws", "poll", "h2", "mqtt"))


def over_sse(s, after, count):
    stream = s.stream(TOPIC, format="json", after=after)
    try:
        return [(e.id, e.json()["data"]) for e in stream.events(count)]
    finally:
        stream.close()


def over_ndjson(s, after, count):
    stream = s.stream(TOPIC, {"Accept": "application/x-ndjson"}, after=after)
    try:
        return [(e.id, e.json()["data"]) for e in stream.events(count)]
    finally:
        stream.close()


def over_websocket(s, after, count):
    door = Door(s)
    try:
        return [(e["id"], e["data"]) for e in door.connect(TOPIC, after=after).events(count)]
    finally:
        door.close()


def over_a_second_subscription(s, after, count):
    door = Door(s)
    try:
        c = door.connect("elsewhere")
        c.say("subscribe", ref="s", topic="d/+", after=after)
        assert c.take("ack")["id"] == str(after)
        return [(e["id"], e["data"]) for e in c.events(count)]
    finally:
        door.close()


def over_polls(s, after, count):
    got = []
    while len(got) < count:
        params = {"after": after, "limit": min(100, count - len(got))}
        r = s.request("GET", f"/events/{TOPIC}", "poll", params)
        assert r.status_code in (200, 204), r.text
        got += [(e["id"], e["data"]) for e in r.json()["events"]] if r.status_code == 200 else []
        after = r.json()["next"] if r.status_code == 200 else r.headers["Sluice-Next"]
    return got


def over_history(s, after, count):
    got = []
    while len(got) < count:
        page = s.history(TOPIC, after=got[-1][0] if got else after, limit=count - len(got))
        got += [(e["id"], e["data"]) for e in page["events"]]
    return got


def over_http2(s, after, count):
    with h2lib.Connection(s.port("h2")) as c:
        stream = c.stream(TOPIC, format="json", after=after)
        return [(e.id, e.json()["data"]) for e in stream.events(count)]


def over_push(s, after, count):
    with h2lib.Connection(s.port("h2"), {h2lib.PUSH: 1}) as c:
        stream = c.stream(TOPIC, push=1, after=after)
        for _ in range(count):
            stream.next("event")
        pushed = [p.wait().json() for p in stream.x.promises[:count]]
        return [(e["id"], e["data"]) for e in pushed]


def over_a_websocket_on_http2(s, after, count):
    with h2lib.Connection(s.port("h2")) as c:
        socket = h2lib.WebSocket(c, f"/events/{TOPIC}?after={after}").open()
        socket.take("ack")
        return [(e["id"], e["data"]) for e in socket.events(count)]


def over_mqtt(s, after, count):
    door = mqttlib.Door(s)
    try:
        c = door.connect("stops")
        c.subscribed(f"$after/{after}/{TOPIC}", qos=1)
        return [(m.event, m.payload.decode()) for m in c.messages(count)]
    finally:
        door.close()


DOORS = [over_sse, over_ndjson, over_websocket, over_a_second_subscription, over_polls,
         over_history, over_http2, over_push, over_a_websocket_on_http2, over_mqtt]


def publish(s, gateway, payload):
    if gateway != "h2":
        return s.publish(TOPIC, payload, gateway=gateway)
    with h2lib.Connection(s.port("h2")) as c:
        return c.publish(TOPIC, payload)


def test_an_event_has_one_id_at_every_door(doors):
    gateways = ["sse", "ws", "poll", "h2"] * 3
    ids = [publish(doors, g, f"{n}") for n, g in enumerate(gateways)]
    expected = [(i, f"{n}") for n, i in enumerate(ids)]
    for door in DOORS:
        assert door(doors, 0, len(ids)) == expected, door.__name__


def test_whoever_stops_at_one_door_goes_on_at_another(doors):
    """Must show 1: nothing lost, nothing twice, while publishers are at work at all of
    them."""
    rng = random.Random(1)
    published = []
    lock = threading.Lock()

    def publish_at(gateway, count=250):
        for n in range(count):
            payload = f"{gateway} {n}"
            id_ = publish(doors, gateway, payload)
            with lock:
                published.append((int(id_), payload))
    first = doors.publish(TOPIC, "first")
    threads = [threading.Thread(target=publish_at, args=(g,))
               for g in ("sse", "ws", "poll", "h2")]
    for t in threads:
        t.start()
    seen, last = [], first
    while len(seen) < 1000:
        door = rng.choice(DOORS)
        got = door(doors, last, min(rng.randrange(1, 60), 1000 - len(seen)))
        seen += [(int(i), d) for i, d in got]
        last = got[-1][0]
    for t in threads:
        t.join()
    assert seen == sorted(published)
