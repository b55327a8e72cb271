"""Publishing over HTTP: what headers say, batches, producers, outcomes."""

import base64
import json
import threading

import pytest
from sluicelib import wait_for


def kept(sluice, name="a"):
    return sluice.history(name, after=0)["events"]


# --- one event

def test_an_answer_names_the_id_after_the_commit(sluice):
    r = sluice.post("a/b", "hello")
    assert r.status_code == 201
    assert r.json() == {"id": kept(sluice, "a/b")[0]["id"], "topic": "a/b"}


def test_headers_become_properties(sluice):
    r = sluice.request("POST", "/events/a", data=b"x", headers=[])
    assert r.status_code == 201
    with sluice.raw() as c:
        c.send(b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
               b"Content-Type: text/plain; charset=utf-8\r\nSluice-Type: alarm\r\n"
               b"Sluice-Retain: true\r\nSluice-Expiry: 3600\r\nSluice-Response-Topic: re/ply\r\n"
               b"Sluice-Correlation-Data: /wA=\r\nSluice-Payload-Format: 1\r\n"
               b"Sluice-Property: a=1\r\nSluice-Property: b==2\r\nSluice-Property: a=\xc3\xa4\r\n"
               b"\r\nhello")
        event_id = c.answer().json()["id"]
    (event,) = sluice.history("a", after=str(int(event_id) - 1))["events"]
    assert event["content_type"] == "text/plain; charset=utf-8"
    assert event["type"] == "alarm" and event["retain"] is True and event["expiry"] == 3600
    assert event["response_topic"] == "re/ply"
    assert base64.b64decode(event["correlation_data"]) == b"\xff\x00"
    assert event["properties"] == [["a", "1"], ["b", "=2"], ["a", "ä"]]
    assert event["data"] == "hello"


def test_what_curl_d_says_unasked_is_no_content_type(sluice):
    sluice.post("a", "x", Content_Type="application/x-www-form-urlencoded; charset=UTF-8")
    assert "content_type" not in kept(sluice)[0]


def test_json_comes_back_as_json(sluice):
    sluice.post("a", '{"x": [1, 2.50]}', Content_Type="application/json")
    assert kept(sluice)[0]["data"] == {"x": [1, 2.50]}


def test_an_empty_payload_is_an_event(sluice):
    s = sluice.stream("a")
    s.started()
    event_id = sluice.publish("a")
    (event,) = s.events(1)
    assert (event.id, event.data) == (event_id, "")


@pytest.mark.parametrize("headers,field", [
    ({"Sluice-Retain": "maybe"}, "Sluice-Retain"),
    ({"Sluice-Expiry": "-1"}, "Sluice-Expiry"),
    ({"Sluice-Expiry": "4294967296"}, "Sluice-Expiry"),
    ({"Sluice-Type": "sluice.gap"}, "Sluice-Type"),
    ({"Sluice-Type": "x" * 257}, "Sluice-Type"),
    ({"Sluice-Property": "novalue"}, "Sluice-Property"),
    ({"Sluice-Payload-Format": "2"}, "Sluice-Payload-Format"),
    ({"Sluice-Correlation-Data": "not base64"}, "Sluice-Correlation-Data"),
    ({"Sluice-Response-Topic": "a/#"}, "Sluice-Response-Topic"),
    ({"Producer-Id": "p"}, "Producer-Seq"),
    ({"Producer-Seq": "1"}, "Producer-Id"),
    ({"Producer-Id": "p", "Producer-Seq": "x"}, "Producer-Seq"),
    ({"Producer-Id": "p", "Producer-Seq": "0", "Idempotency-Key": "k"}, "Idempotency-Key"),
    ({"Idempotency-Key": ""}, "Idempotency-Key"),
])
def test_a_bad_header_is_named(sluice, headers, field):
    r = sluice.request("POST", "/events/a", data=b"x", headers=headers)
    assert r.status_code == 400
    assert r.headers["Content-Type"] == "application/problem+json"
    assert (r.json()["field"], r.json()["code"]) == (field, "bad_event")


@pytest.mark.parametrize("path", [
    "/events/", "/events/a%2Bb/%2B", "/events/a/%23", "/events/%00", "/events/%ff",
    "/events/%24SYS/x", "/events/%24share/g/x", "/events/" + "x" * 1025, "/events/a%zz",
])
def test_a_bad_topic_is_refused(sluice, path):
    with sluice.raw() as c:
        c.send(f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx".encode())
        answer = c.answer()
    assert answer.status == 400
    assert (answer.json()["code"], answer.json()["field"]) == ("bad_topic", "topic")


def test_a_payload_larger_than_the_queue_is_taken(new_sluice):
    s = new_sluice("[limits]\nmax_payload = 2M\npublish_queue = 64k\n")
    assert s.request("POST", "/events/a", data=b"x" * 2000000).status_code == 201


def test_the_largest_payload_and_one_byte_more(new_sluice):
    s = new_sluice("[limits]\nmax_payload = 64k\n")
    assert s.post("a", b"x" * 65536).status_code == 201
    r = s.post("a", b"x" * 65537)
    assert r.status_code == 413 and r.json()["code"] == "too_large"


@pytest.mark.parametrize("path", ["/events/a", "/events"])
def test_a_compressed_body_is_refused(sluice, path):
    r = sluice.request("POST", path, data=b"x", headers={"Content-Encoding": "gzip"})
    assert r.status_code == 415 and r.json()["field"] == "Content-Encoding"


def test_a_chunked_body_is_a_payload(sluice):
    r = sluice.request("POST", "/events/a", data=iter([b"one", b" ", b"two"]))
    assert r.status_code == 201 and kept(sluice)[0]["data"] == "one two"


# --- batches

def test_a_batch_is_in_order_and_adjacent(sluice):
    ids = sluice.batch([{"topic": t, "data": t} for t in ("a", "b", "a")])
    assert ids == sorted(ids, key=int)
    assert [e["id"] for e in kept(sluice)] == [ids[0], ids[2]]


def test_blank_lines_are_skipped(sluice):
    r = sluice.request("POST", "/events", data=b'\n{"topic":"a","data":1}\r\n\n  \n')
    assert r.status_code == 201 and len(r.json()["events"]) == 1


@pytest.mark.parametrize("line,field,code", [
    ('{"topic":"a"', None, "bad_event"),
    ('{"data":1}', "topic", "bad_event"),
    ('{"topic":"a/#","data":1}', "topic", "bad_topic"),
    ('{"topic":"$SYS/x"}', "topic", "bad_topic"),
    ('{"topic":"a","nonsense":1}', "nonsense", "bad_event"),
    ('{"topic":"a","expiry":-1}', "expiry", "bad_event"),
    ('[1]', None, "bad_event"),
])
def test_a_bad_line_refuses_all_and_is_named(sluice, line, field, code):
    r = sluice.request("POST", "/events", data=f'{{"topic":"a","data":1}}\n\n{line}\n'.encode())
    problem = r.json()
    assert r.status_code == 400 and problem["line"] == 3 and problem["code"] == code
    assert problem.get("field") == field or field is None
    assert kept(sluice) == []


def test_an_empty_batch_is_refused(sluice):
    assert sluice.request("POST", "/events", data=b"\n \n").status_code == 400


def test_a_batch_of_another_media_type_is_refused(sluice):
    r = sluice.request("POST", "/events", data=b"<x/>", headers={"Content-Type": "text/xml"})
    assert r.status_code == 415


def test_a_batch_is_bounded_in_events(new_sluice):
    s = new_sluice("[limits]\nmax_batch = 3\n")
    r = s.request("POST", "/events", data=b'{"topic":"a"}\n' * 4)
    assert r.status_code == 413 and r.json()["line"] == 4


def test_a_batch_is_bounded_in_bytes(new_sluice):
    s = new_sluice("[limits]\nmax_body = 64k\n")
    r = s.request("POST", "/events", data=b'{"topic":"a"}\n' * 10000)
    assert r.status_code == 413


def test_one_payload_of_a_batch_is_bounded_too(new_sluice):
    s = new_sluice("[limits]\nmax_payload = 1k\n")
    line = json.dumps({"topic": "a", "data": "x" * 1025}).encode()
    r = s.request("POST", "/events", data=b'{"topic":"a"}\n' + line)
    assert r.status_code == 413 and r.json()["line"] == 2


# --- producers

def producer(seq, epoch=0, name="p"):
    return {"Producer-Id": name, "Producer-Epoch": str(epoch), "Producer-Seq": str(seq)}


def send(sluice, headers, topic="a"):
    return sluice.request("POST", f"/events/{topic}", data=b"x", headers=headers)


def test_a_repeat_is_answered_with_the_first_id(sluice):
    first, again = send(sluice, producer(0)), send(sluice, producer(0))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() and len(kept(sluice)) == 1


def test_a_repeat_survives_the_broker(sluice):
    first = send(sluice, producer(0)).json()
    sluice.broker.restart()
    assert send(sluice, producer(0)).json() == first


def test_a_gap_is_a_conflict_with_the_numbers(sluice):
    send(sluice, producer(0))
    r = send(sluice, producer(5))
    assert r.status_code == 409
    assert (r.json()["expected_seq"], r.json()["received_seq"]) == (1, 5)


def test_an_older_epoch_is_fenced(sluice):
    send(sluice, producer(0, epoch=3))
    r = send(sluice, producer(1, epoch=2))
    assert r.status_code == 403 and r.json()["epoch"] == 3
    assert r.json()["code"] == "producer_fenced"


def test_an_idempotency_key_is_stored_once(sluice):
    first = send(sluice, {"Idempotency-Key": "order-1"})
    again = send(sluice, {"Idempotency-Key": "order-1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"] and len(kept(sluice)) == 1


def test_a_gap_within_a_batch_names_its_line(sluice):
    lines = [{"topic": "a", "producer": {"id": "p", "epoch": 0, "seq": n}} for n in (0, 1, 3)]
    r = sluice.request("POST", "/events", data="\n".join(map(json.dumps, lines)).encode())
    assert r.status_code == 409 and r.json()["line"] == 3
    assert r.json()["expected_seq"] == 2 and kept(sluice) == []


def test_a_batch_of_repeats_is_200_with_the_first_ids(sluice):
    lines = [{"topic": "a", "producer": {"id": "p", "epoch": 0, "seq": n}} for n in range(3)]
    body = "\n".join(map(json.dumps, lines)).encode()
    first, again = (sluice.request("POST", "/events", data=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() and len(kept(sluice)) == 3


# --- the broker is away

def test_never_sent_is_503_with_retry_after(new_sluice):
    s = new_sluice("[limits]\npublish_timeout = 500ms\n")
    s.broker.kill()
    wait_for(lambda: s.metrics()["sluice_link_up"] == 0, "the link is down")
    r = s.post("a", "x")
    assert r.status_code == 503 and r.headers["Retry-After"] and r.json()["code"] == "unavailable"
    s.broker.start()
    # publish_timeout is for reads too, and shorter than a reconnect may take.
    wait_for(lambda: s.request("GET", "/history/a").status_code == 200, "it answers")
    assert kept(s) == []


def test_sent_without_an_answer_is_504(new_sluice):
    s = new_sluice("[limits]\npublish_timeout = 1s\n")
    s.broker.freeze()
    r = s.post("a", "x")
    s.broker.thaw()
    assert r.status_code == 504 and r.json()["code"] == "unknown_outcome"


def test_a_publish_waits_for_a_broker_that_comes_back(sluice):
    sluice.broker.kill()
    answers = []
    t = threading.Thread(target=lambda: answers.append(sluice.post("a", "x")))
    t.start()
    sluice.wait_metric("sluice_publishes_pending", 1)
    sluice.broker.start()
    t.join()
    assert answers[0].status_code == 201 and len(kept(sluice)) == 1


def test_publishes_that_wait_are_bounded(new_sluice):
    s = new_sluice("[limits]\npublish_queue = 64k\npublish_timeout = 5s\n")
    s.broker.kill()
    wait_for(lambda: s.metrics()["sluice_link_up"] == 0, "the link is down")
    held = [s.raw() for _ in range(8)]
    for c in held:
        c.send(b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20000)
    answers = [c.answer().status for c in held]
    assert answers.count(503) == 8
    codes = s.metrics()
    assert codes["sluice_publishes_refused_total"] == 8
    for c in held:
        c.close()


# --- connections

def test_pipelined_publishes_are_answered_in_order(sluice):
    one = b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%d"
    with sluice.raw() as c:
        c.send(b"".join(one % n for n in range(10)))
        ids = [c.answer().json()["id"] for _ in range(10)]
    assert [e["id"] for e in kept(sluice)] == ids
    assert [e["data"] for e in kept(sluice)] == [str(n) for n in range(10)]


def test_pipelined_requests_of_all_kinds_are_answered_in_order(sluice):
    post = b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    with sluice.raw() as c:
        c.send(post + b"GET /nope HTTP/1.1\r\nHost: h\r\n\r\n" + post +
               b"GET /topics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert [c.answer().status for _ in range(4)] == [201, 404, 201, 200]
        assert c.rest() == b""


def test_a_client_that_half_closes_still_gets_its_answers(sluice):
    post = b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    with sluice.raw() as c:
        c.send(post * 2).half_close()
        assert [c.answer().status for _ in range(2)] == [201, 201]
        assert c.rest() == b""


def test_64_connections_publish_at_once(sluice):
    post = b"POST /events/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
    clients = [sluice.raw() for _ in range(64)]
    for _ in range(5):
        for c in clients:
            c.send(post)
        assert all(c.answer().status == 201 for c in clients)
    for c in clients:
        c.close()
    assert len(sluice.history("a", after=0, limit=1000)["events"]) == 320


def test_cors_is_off_by_default(sluice):
    r = sluice.request("POST", "/events/a", data=b"x", headers={"Origin": "https://a.example"})
    assert r.status_code == 403 and "Access-Control-Allow-Origin" not in r.headers


def test_cors_for_the_origins_that_are_configured(new_sluice):
    s = new_sluice("[sse]\nallow_origin = https://a.example, https://b.example\n")
    r = s.request("OPTIONS", "/events/a", headers={"Origin": "https://b.example",
                                                   "Access-Control-Request-Method": "POST"})
    assert r.status_code == 204
    assert r.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert "POST" in r.headers["Access-Control-Allow-Methods"]
    assert "Last-Event-ID" in r.headers["Access-Control-Allow-Headers"]
    r = s.request("GET", "/topics", headers={"Origin": "https://c.example"})
    assert r.status_code == 403
    assert "Access-Control-Allow-Origin" not in r.headers and r.headers["Vary"] == "Origin"
    assert s.request("GET", "/topics").headers["Vary"] == "Origin", "caches keep this one too"
    stream = s.stream("a", {"Origin": "https://a.example"})
    assert stream.headers["access-control-allow-origin"] == "https://a.example"
