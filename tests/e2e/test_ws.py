"""sluice.json over WebSocket: subscriptions with refs, publishing, errors, gaps."""

import json
import signal
import threading

import pytest
from sluicelib import TIMEOUT, wait_for
from wslib import DEFLATE


def subscribe(c, ref, **words):
    """Subscribes and waits for the ack; its start."""
    c.say("subscribe", ref=ref, **words)
    ack = c.take("ack")
    assert ack["ref"] == ref
    return ack["id"]


# --- opening

def test_the_address_subscribes(ws):
    c = ws.connect("a/b")
    id_ = ws.sluice.publish("a/b", "hello", Sluice_Type="greeting")
    (event,) = c.events(1)
    assert event.pop("time").endswith("Z")
    assert event == {"op": "event", "id": id_, "topic": "a/b", "type": "greeting",
                     "data": "hello", "subs": ["path"]}
    assert int(c.start) < int(id_)


def test_once_it_is_open_nothing_is_missed(ws):
    """The 101 comes when the subscription is live, so no need to wait for the ack."""
    for n in range(20):
        topic = f"fresh/{n}"
        c = ws.ask(topic).open()
        id_ = ws.sluice.publish(topic, "x")
        assert [c.take("ack")["ref"], c.take("event")["id"]] == ["path", id_]


def test_an_address_without_a_topic_starts_empty(ws):
    c = ws.connect()
    c.say("ping", ref=1)
    assert c.json() == {"op": "pong", "ref": 1}
    c.say("ping")
    assert c.json() == {"op": "pong"}


def test_the_query_says_the_same_words_as_everywhere(ws):
    ids = ws.sluice.fill("a/x", 5) + ws.sluice.fill("b", 3)
    assert [e["id"] for e in ws.connect("a/x", after=ids[1]).events(3)] == ids[2:5]
    assert [e["id"] for e in ws.connect(topic=["a/#", "b"], last=1).events(2)] == [ids[4], ids[7]]
    assert [e["id"] for e in ws.connect("#", after=0).events(8)] == ids
    assert [e["id"] for e in ws.connect("a/+", since="1h").events(5)] == ids[:5]


def test_last_event_id_resumes(ws):
    ids = ws.sluice.fill("a", 5)
    c = ws.connect("a", after=ids[0], headers=[f"Last-Event-ID: {ids[2]}"])
    assert [e["id"] for e in c.events(2)] == ids[3:]


@pytest.mark.parametrize("topic, params, field", [
    ("a/#/b", {}, "topic"), ("a", {"after": "x"}, "after"), ("a", {"last": "-1"}, "last"),
    ("a", {"after": "1", "last": "1"}, "last"), ("", {"after": "1"}, "topic"),
    ("a", {"format": "raw"}, "format"), ("a", {"on_gap": "x"}, "on_gap")])
def test_bad_words_in_the_address_are_refused_by_name(ws, topic, params, field):
    status, problem = ws.ask(topic, **params).problem()
    assert (status, problem["field"]) == (400, field)


def test_http_works_on_the_same_port(ws):
    c = ws.connect("a")
    id_ = ws.sluice.publish("a", "over http", gateway="ws")
    assert c.take("event")["id"] == id_
    assert ws.sluice.history("a", gateway="ws")["events"][0]["id"] == id_


# --- subscriptions

def test_an_ack_says_where_a_subscription_starts(ws):
    ids = ws.sluice.fill("a", 3)
    c = ws.connect()
    assert subscribe(c, "live", topic="a") >= ids[2]
    assert subscribe(c, 7, topic="a", after=ids[0]) == ids[0]
    assert [(e["id"], e["subs"]) for e in c.events(2)] == [(i, [7]) for i in ids[1:]]


def test_an_event_for_several_subscriptions_comes_once(ws):
    c = ws.connect("a/b")
    subscribe(c, "wild", topic="a/#")
    subscribe(c, 3, topics=["x", "a/b"])
    subscribe(c, "other", topic="other")
    first, second = ws.sluice.publish("a/b", "1"), ws.sluice.publish("a/c", "2")
    third = ws.sluice.publish("other", "3")
    seen = [(e["id"], e["subs"]) for e in c.events(3)]
    assert seen == [(first, ["path", "wild", 3]), (second, ["wild"]), (third, ["other"])]


def test_a_ref_comes_back_as_it_was_sent(ws):
    c = ws.connect()
    refs = ["a", "quo\"te", "ümlaut\n", "x" * 64, 0, 2**53 - 1]
    for ref in refs:
        subscribe(c, ref, topic="t")
    ws.sluice.publish("t", "x")
    (event,) = c.events(1)
    assert event["subs"] == refs


def test_two_spellings_of_a_ref_are_one(ws):
    c = ws.connect()
    subscribe(c, "a/b", topic="t")
    c.send('{"op":"subscribe","ref":"\\u0061\\/b","topic":"t"}')
    error = c.take("error")
    assert (error["ref"], error["field"]) == ("a/b", "ref")
    c.say("unsubscribe", ref="a/b")
    assert c.json() == {"op": "ack", "ref": "a/b"}


def test_each_subscription_is_a_cursor_of_its_own(ws):
    """A replay beside a live one: each has every event once, in order."""
    ids = ws.sluice.fill("a", 3000)
    c = ws.connect("a")
    c.say("subscribe", ref="replay", topic="a", after=0)
    late = ws.sluice.fill("a", 200)
    live, replayed = [], []
    while len(live) < len(late) or len(replayed) < len(ids + late):
        message = c.json()
        if message["op"] == "ack":
            continue
        for ref, seen in (("path", live), ("replay", replayed)):
            seen.extend([message["id"]] * (ref in message["subs"]))
    assert live == late
    assert replayed == ids + late


def test_unsubscribing_ends_it(ws):
    c = ws.connect("a")
    subscribe(c, "b", topic="b")
    c.say("unsubscribe", ref="path")
    assert c.json() == {"op": "ack", "ref": "path"}
    ws.sluice.publish("a", "nobody hears")
    id_ = ws.sluice.publish("b", "x")
    event = c.take("event")
    assert (event["id"], event["subs"]) == (id_, ["b"])
    subscribe(c, "path", topic="a")
    assert ws.sluice.publish("a", "again") == c.take("event")["id"]


def test_a_bad_subscription_is_an_error_and_the_connection_lives_on(ws):
    c = ws.connect("a")
    for message, code, field in [
            ({"op": "subscribe", "ref": 1, "topic": "a/#/b"}, "bad_filter", "topic"),
            ({"op": "subscribe", "ref": 2, "topic": "a", "after": "x"}, "bad_cursor", "after"),
            ({"op": "subscribe", "ref": 3, "topics": []}, "bad_filter", "topics"),
            ({"op": "subscribe", "ref": 4}, "bad_filter", "topic"),
            ({"op": "subscribe", "ref": "path", "topic": "a"}, "bad_request", "ref"),
            ({"op": "subscribe", "ref": 5, "topic": "a", "speed": 1}, "bad_request", "speed"),
            ({"op": "unsubscribe", "ref": 6}, "not_found", "ref"),
            ({"op": "shout", "ref": 7}, "bad_request", "op")]:
        c.send(message)
        error = c.take("error")
        assert (error["ref"], error["code"], error["field"]) == (message["ref"], code, field)
        assert error["text"]
    for text in ("", "no json", "[]", '{"op":"subscribe"}', '{"op":"ping","ref":{}}', "null"):
        c.send(text)
        error = c.take("error")
        assert error["code"] == "bad_request" and "ref" not in error
    assert ws.sluice.publish("a", "still here") == c.take("event")["id"]


def test_a_connection_has_so_many_subscriptions(new_ws):
    ws = new_ws("[ws]\nmax_subscriptions = 3\n")
    c = ws.connect("a")
    subscribe(c, 1, topic="a")
    subscribe(c, 2, topic="a")
    c.say("subscribe", ref=3, topic="a")
    assert c.take("error")["code"] == "too_many"
    c.say("unsubscribe", ref=1)
    assert c.take("ack")["ref"] == 1
    subscribe(c, 3, topic="a")


def test_many_subscriptions_share_each_event(new_ws):
    ws = new_ws("[ws]\nmax_subscriptions = 1000\n")
    c = ws.connect()
    for n in range(1000):
        c.say("subscribe", ref=n, topic=["a", "a/#", "#", "+"][n % 4])
    assert {c.take("ack")["ref"] for _ in range(1000)} == set(range(1000))
    ids = ws.sluice.fill("a", 100)
    events = c.events(100)
    assert [e["id"] for e in events] == ids
    assert all(set(e["subs"]) == set(range(1000)) for e in events)


# --- publishing

def test_a_publish_is_acknowledged_with_its_id(ws):
    c = ws.connect()
    c.say("publish", ref="x", topic="p", data={"a": [1, 2]}, type="t", properties=[["k", "v"]])
    ack = c.take("ack")
    assert ack["ref"] == "x"
    (event,) = ws.sluice.history("p")["events"]
    assert (event["id"], event["data"], event["type"]) == (ack["id"], {"a": [1, 2]}, "t")
    assert event["properties"] == [["k", "v"]]


def test_publishes_are_stored_in_their_order(ws):
    c = ws.connect()
    for n in range(2000):
        c.say("publish", ref=n, topic="p", data=n)
    acks = [c.take("ack") for _ in range(2000)]
    assert [a["ref"] for a in acks] == list(range(2000))
    ids = [int(a["id"]) for a in acks]
    assert ids == sorted(set(ids))
    assert [e["data"] for e in ws.sluice.history("p", limit=1000)["events"]] == list(range(1000))


def test_the_publisher_hears_itself(ws):
    c = ws.connect("a")
    c.say("publish", ref=1, topic="a", data_base64="AP8=")
    ack, event = sorted((c.json(), c.json()), key=lambda m: m["op"])
    assert (ack["op"], event["op"], ack["id"]) == ("ack", "event", event["id"])
    assert event["data_base64"] == "AP8="


def test_a_bad_publish_is_an_error_by_its_ref(ws):
    c = ws.connect()
    for members, code, field in [
            ({"topic": "a/#"}, "bad_topic", "topic"), ({"topic": "$SYS/x"}, "bad_topic", "topic"),
            ({"data": 1}, "bad_event", "topic"), ({"topic": "a", "colour": 1}, "bad_event", "colour"),
            ({"topic": "a", "data_base64": "!"}, "bad_event", "data_base64")]:
        c.say("publish", ref="r", **members)
        error = c.take("error")
        assert (error["ref"], error["code"], error["field"]) == ("r", code, field)
    assert ws.sluice.history("a")["events"] == []


def test_an_event_that_is_too_large_is_an_error(new_ws):
    ws = new_ws("[limits]\nmax_payload = 1k\n")
    c = ws.connect()
    c.say("publish", ref=1, topic="a", data="x" * 1025)
    assert c.take("error")["code"] == "too_large"
    c.say("publish", ref=2, topic="a", data="x" * 1024)
    assert c.take("ack")["ref"] == 2


def test_producers_are_idempotent_here_too(ws):
    c = ws.connect()

    def publish(seq, epoch=0):
        c.say("publish", ref=seq, topic="p", data=seq,
              producer={"id": "me", "epoch": epoch, "seq": seq})
        return c.json()
    first = publish(0)
    assert publish(0)["id"] == first["id"]
    gap = publish(5)
    assert (gap["code"], gap["expected_seq"], gap["received_seq"]) == ("producer_gap", 1, 5)
    assert publish(0, epoch=3)["op"] == "ack"
    fenced = publish(1, epoch=2)
    assert (fenced["code"], fenced["epoch"]) == ("producer_fenced", 3)


def test_publishing_while_the_broker_is_away(new_ws):
    ws = new_ws("[limits]\npublish_timeout = 2s\n")
    c = ws.connect("a")
    ws.sluice.broker.kill()
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_link_up"] == 0, "the link is down")
    c.say("publish", ref=1, topic="a", data="x")
    assert c.take("error")["code"] == "unavailable"
    ws.sluice.broker.start()
    ws.sluice.wait_metric("sluice_link_up", 1, "ws")
    c.say("publish", ref=2, topic="a", data="x")
    assert {c.json()["op"], c.json()["op"]} == {"ack", "event"}


def test_a_publisher_that_reads_no_acks_is_not_read_either(new_ws):
    """Its messages stay in its own socket; every one is acknowledged in the end."""
    ws = new_ws("[ws]\npublish_window = 16k\n")
    c = ws.connect()
    count = 20000
    writer = threading.Thread(target=lambda: [c.say("publish", ref=n, topic="a", data=n)
                                              for n in range(count)], daemon=True)
    writer.start()
    writer.join(0.3)
    assert [c.take("ack")["ref"] for _ in range(count)] == list(range(count))
    writer.join(TIMEOUT)


# --- gaps

def emptied(ws, topic):
    """Three events that are gone; the first ID."""
    ids = ws.sluice.fill(topic, 3)
    assert ws.sluice.request("DELETE", f"/history/{topic}").status_code == 200
    return ids


def test_what_is_gone_is_announced(ws):
    ids = emptied(ws, "a")
    c = ws.connect("a", after=ids[0])
    gap = c.take("gap")
    assert (gap["ref"], gap["requested"], gap["removed_to"]) == ("path", ids[0], ids[2])
    assert gap["reason"] == "deleted" and c.start == gap["resumed_from"]
    assert ws.sluice.publish("a", "next") == c.take("event")["id"]


def test_a_gap_names_its_subscription(ws):
    ids = emptied(ws, "a")
    c = ws.connect("b")
    subscribe(c, "old", topic="a", after=ids[1])
    assert c.take("gap")["ref"] == "old"
    subscribe(c, "future", topic="a", after=2**53 - 2)
    assert c.take("gap")["reason"] == "future"
    id_ = ws.sluice.publish("a", "next")
    subs = []
    while len(subs) < 2:  # together only if both are at the head by now
        event = c.take("event")
        assert event["id"] == id_
        subs += event["subs"]
    assert sorted(subs) == ["future", "old"]


def test_on_gap_fail_closes_with_4410(ws):
    ids = emptied(ws, "a")
    c = ws.ask("a", after=ids[0], on_gap="fail").open()
    assert c.take("error")["code"] == "gone"
    assert c.close_code() == 4410
    c = ws.connect("b")
    c.say("subscribe", ref="s", topic="a", after=ids[0], on_gap="fail")
    error = c.take("error")
    assert (error["ref"], error["code"]) == ("s", "gone")
    assert c.close_code() == 4410


# --- slow clients

@pytest.mark.parametrize("deflate", [None, DEFLATE, f"{DEFLATE}; server_max_window_bits=8"])
def test_a_client_that_does_not_read_gets_everything_when_it_does(new_ws, deflate):
    ws = new_ws("[limits]\nring = 256k\n")
    c = ws.connect("a", rcvbuf=4096, deflate=deflate)
    wild = ws.connect(topic=["a", "b"], rcvbuf=4096, deflate=deflate)
    subscribe(wild, "a", topic="a")
    subscribe(wild, "b", topic="b")
    ids = ws.sluice.fill("a", 20000, lambda n: f"event {n} " + "x" * 100)
    assert [e["id"] for e in c.events(20000)] == ids
    seen = {"path": [], "a": [], "b": []}
    while min(len(seen["path"]), len(seen["a"])) < 20000:
        event = wild.take("event")
        for ref in event["subs"]:
            seen[ref].append(event["id"])
    assert seen == {"path": ids, "a": ids, "b": []}


def test_one_that_always_has_more_does_not_starve_another(new_ws):
    ws = new_ws("[limits]\nring = 64k\n")
    ids = ws.sluice.fill("much", 30000, lambda n: "x" * 100)
    few = ws.sluice.fill("few", 10)
    c = ws.connect(rcvbuf=4096)
    c.say("subscribe", ref="much", topic="much", after=0)
    c.say("subscribe", ref="few", topic="few", after=0)
    seen = {"much": 0, "few": 0}
    while seen["few"] < len(few):
        message = c.json()
        if message["op"] == "event":
            seen[message["subs"][0]] += 1
    assert seen["much"] < len(ids) / 2


def test_a_stopped_client_costs_no_memory(new_ws):
    ws = new_ws("[limits]\nring = 1M\n")
    c = ws.connect("a", rcvbuf=4096)
    ws.sluice.fill("a", 5000, lambda n: "x" * 200)
    before = ws.sluice.processes["ws"].memory()
    ids = ws.sluice.fill("a", 40000, lambda n: "x" * 200)
    assert ws.sluice.processes["ws"].memory() < before + 8e6
    events = c.events(45000)
    assert [e["id"] for e in events[5000:]] == ids


# --- beginning and end

def test_a_handshake_waits_for_the_broker_and_then_gives_up(new_ws):
    ws = new_ws()
    ws.sluice.broker.kill()
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_link_up"] == 0, "the link is down")
    status, problem = ws.ask("a").problem()
    assert (status, problem["code"]) == (503, "unavailable")
    waiting = ws.ask("b")
    ws.sluice.broker.start()
    waiting.open()
    assert waiting.take("ack")["ref"] == "path"


def test_a_shutdown_closes_with_1001(ws):
    subscribed, empty = ws.connect("a"), ws.connect()
    ws.sluice.processes["ws"].signal(signal.SIGTERM)
    assert (subscribed.close_code(), empty.close_code()) == (1001, 1001)
    assert ws.sluice.processes["ws"].popen.wait(TIMEOUT) == 0


def test_a_shutdown_lets_publishes_have_their_acks(ws):
    c = ws.connect()
    for n in range(500):
        c.say("publish", ref=n, topic="a", data=n)
    first = c.take("ack")
    ws.sluice.processes["ws"].signal(signal.SIGTERM)
    acks = [first]
    while (message := c._message()) is not None:
        acks.append(json.loads(message))
    assert c.closed[0] == 1001
    assert [a["ref"] for a in acks] == list(range(len(acks)))
    stored = ws.sluice.history("a", limit=1000)["events"]
    assert [e["id"] for e in stored] == [a["id"] for a in acks]


def test_what_a_client_leaves_is_forgotten(ws):
    for n in range(30):
        c = ws.connect("a")
        subscribe(c, "b", topic="b")
        if n % 2:
            c.close()
        else:
            c.raw.close()
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_subscriptions"] == 0, "none is left")
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_connections"] == 0, "none is left")
