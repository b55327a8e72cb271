"""sluice.raw over WebSocket: a message is a payload, both ways."""

import pytest
from sluicelib import wait_for
from wslib import BINARY, CONTINUATION, DEFLATE, TEXT, frame

RAW = "sluice.raw"


def raw(ws, topic="t", **kw):
    return ws.connect(topic, protocol=RAW, **kw)


def test_text_stays_text_and_binary_stays_binary(ws):
    publisher, other = raw(ws), raw(ws)
    messages = ["plain", "ünïcödé 🦆", "", b"", b"bytes", b"\x00\xff", "nul \0 in text", b"utf-8"]
    for m in messages:
        publisher.send(m)
    for client in (publisher, other):
        assert [client.message() for _ in messages] == messages
    assert len(ws.sluice.history("t")["events"]) == len(messages)


@pytest.mark.parametrize("payload, headers, expected", [
    (b"text", {}, b"text"),
    (b"text", {"Content_Type": "text/plain"}, "text"),
    (b"text", {"Content_Type": "TEXT/html; charset=utf-8"}, "text"),
    (b'{"a":1}', {"Content_Type": "application/json"}, '{"a":1}'),
    (b"{}", {"Content_Type": "application/geo+json"}, "{}"),
    (b"x", {"Content_Type": "application/octet-stream"}, b"x"),
    (b"x", {"Sluice_Payload_Format": "1"}, "x"),
    (b"x", {"Sluice_Payload_Format": "0"}, b"x"),
    (b"\xff", {"Sluice_Payload_Format": "1"}, b"\xff"),
    (b"\xff", {"Content_Type": "text/plain"}, b"\xff")])
def test_what_goes_out_as_text(ws, payload, headers, expected):
    c = raw(ws)
    ws.sluice.publish("t", payload, **headers)
    assert c.message() == expected


@pytest.mark.parametrize("deflate", [None, DEFLATE])
def test_messages_of_any_size_up_to_the_limit(ws, deflate):
    c = raw(ws, deflate=deflate)
    for size in (1, 125, 126, 65535, 65536, 1 << 20):
        c.send(b"\0" * size)
        assert c.message() == b"\0" * size
        c.send("a" * size)
        assert c.message() == "a" * size


def test_any_number_of_fragments(ws):
    c = raw(ws)
    c.send_frames(frame(BINARY, b"<", fin=False), *[frame(CONTINUATION, b"x", fin=False)] * 50000,
                  *[frame(CONTINUATION, b"", fin=False)] * 1000, frame(CONTINUATION, b">"))
    assert c.message() == b"<" + b"x" * 50000 + b">"


def test_one_byte_over_the_limit_is_too_much(ws):
    for deflate in (None, DEFLATE):
        c = raw(ws, deflate=deflate)
        c.send_frames(frame(BINARY, b"x" * (1 << 20), fin=False), frame(CONTINUATION, b"y"))
        assert c.close_code() == 1009
    c = raw(ws, deflate=DEFLATE)
    c.send_packed(BINARY, b"x" * ((1 << 20) + 1))
    assert c.close_code() == 1009


def test_it_resumes_like_all_others(ws):
    c = raw(ws)
    for n in range(5):
        c.send(f"{n}")
    assert [c.message() for _ in range(5)] == list("01234")
    ids = [e["id"] for e in ws.sluice.history("t")["events"]]
    assert raw(ws, after=ids[2]).message() == "3"
    assert raw(ws, last=1).message() == "4"


def test_a_gap_closes_with_4410(ws):
    ids = ws.sluice.fill("t", 3)
    assert ws.sluice.request("DELETE", "/history/t").status_code == 200
    c = ws.ask("t", protocol=RAW, after=ids[0])
    assert c.close_code() == 4410


def test_filters_are_heard_and_not_published_to(ws):
    c = ws.connect("t/#", protocol=RAW)
    ws.sluice.publish("t/x", "heard")
    assert c.message() == b"heard"
    c.send("not me")
    assert c.close_code() == 1008


def test_it_needs_a_topic(ws):
    status, problem = ws.ask(protocol=RAW).problem()
    assert (status, problem["field"]) == (400, "topic")


def test_reserved_topics_cannot_be_published_to(ws):
    c = ws.connect("$SYS/x", protocol=RAW)
    c.send("x")
    assert c.close_code() == 1008


def test_what_could_not_be_stored_closes(new_ws):
    ws = new_ws("[limits]\npublish_timeout = 300ms\n")
    c = raw(ws)
    ws.sluice.broker.kill()
    wait_for(lambda: ws.sluice.metrics("ws")["sluice_link_up"] == 0, "the link is down")
    c.send("lost, and told so")
    assert c.close_code() == 1012
    ws.sluice.broker.start()
    # publish_timeout is for reads too, and shorter than a reconnect may take.
    wait_for(lambda: ws.sluice.request("GET", "/history/t").status_code == 200, "it answers")
    assert ws.sluice.history("t")["events"] == []


def test_a_text_message_is_published_as_text(ws):
    c = raw(ws)
    c.send_frames(frame(TEXT, b"from raw"))
    assert c.message() == "from raw"
    json = ws.connect("t", after=0)
    assert json.take("event")["data"] == "from raw"
