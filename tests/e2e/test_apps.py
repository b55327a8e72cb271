"""Publishing applications over ZeroMQ: DESIGN 3.1, with the real broker and sluice-zmq."""

import json
import os
import random
import signal
import socket
import subprocess

import pytest
import zmq

from brokerlib import BIN, TIMEOUT, Broker, Reader, answer, publish, published, wait_for


@pytest.fixture
def broker():
    b = Broker("--limits-max-payload", "64k").start()
    yield b
    b.close()


@pytest.fixture
def app(broker):
    return broker.app()


def error_of(app):
    verb, ref, code, text = answer(app)
    assert verb == "error"
    assert text
    return ref, code, text


# --- what works ----------------------------------------------------------------

def test_a_publish_is_answered_with_its_ref_and_id(broker, app):
    publish(app, "a/b", b"hello", ref="r-1")
    verb, ref, id_ = answer(app)
    assert (verb, ref) == ("ok", "r-1")
    assert [(e.id, e.topic, e.payload) for e in Reader(broker).all("#")] == \
        [(int(id_), "a/b", b"hello")]


def test_a_request_socket_can_publish(broker):
    req = broker.app(zmq.REQ)
    for n in range(3):
        publish(req, "a", str(n), ref=f"{n}")
        assert answer(req)[:2] == ["ok", f"{n}"]


def test_ten_thousand_in_flight_are_answered_in_order_with_rising_ids(broker):
    app = broker.app(sndhwm=0, rcvhwm=0)
    for n in range(10000):
        publish(app, f"t/{n % 100}", str(n), ref=str(n))
    answers = [answer(app) for _ in range(10000)]
    assert [a[1] for a in answers] == [str(n) for n in range(10000)]
    ids = [int(a[2]) for a in answers]
    assert all(a < b for a, b in zip(ids, ids[1:]))
    assert [int(e.payload) for e in Reader(broker).all("t/+")] == list(range(10000))


def test_headers_become_properties(broker, app):
    headers = {"type": "tick", "content_type": "text/plain", "retain": True, "expiry": 3600,
               "properties": [["k", "v"], ["k", "w"]]}
    assert published(app, "a", headers=json.dumps(headers)) > 0
    assert published(app, "a", headers="") > 0


def test_a_payload_may_be_any_bytes_and_none(broker, app):
    for payload in (b"", bytes(range(256)), b"\0" * 65536):
        published(app, "bytes", payload)
    assert [len(e.payload) for e in Reader(broker).all("bytes")] == [0, 256, 65536]


def test_a_repeat_of_a_producer_gets_the_first_id(broker, app):
    headers = '{"producer":{"id":"p","epoch":0,"seq":%d}}'
    first = published(app, "a", headers=headers % 0)
    second = published(app, "a", headers=headers % 1)
    assert second > first
    assert published(app, "a", headers=headers % 0) == first
    assert len(Reader(broker).all("#")) == 2


def test_a_producers_gap_names_both_numbers(app):
    headers = '{"producer":{"id":"p","epoch":0,"seq":%d}}'
    published(app, "a", headers=headers % 0)
    publish(app, "a", headers=headers % 5)
    _, code, text = error_of(app)
    assert code == "producer_gap"
    assert "expected 1, received 5" in text


def test_a_small_window_pauses_reading_and_loses_nothing():
    broker = Broker("--zmq-publish-window", "64k").start()
    app = broker.app(sndhwm=0, rcvhwm=0)
    for n in range(2000):
        publish(app, "a", b"x" * 1000, ref=str(n))
    assert [answer(app)[1] for _ in range(2000)] == [str(n) for n in range(2000)]
    broker.close()


# --- what is refused ---------------------------------------------------------------

@pytest.mark.parametrize("topic", ["", "a/#", "+", "$SYS/x", "$share/g/a", b"\xff", b"a\0b",
                                   "a" * 1025])
def test_bad_topics(app, topic):
    publish(app, topic, ref="7")
    assert error_of(app)[:2] == ("7", "bad_topic")


@pytest.mark.parametrize("headers", ["[]", "{", "null", '{"x":1}', '{"topic":"a"}', '{"data":1}',
                                     '{"id":"1"}', '{"retain":1}', '{"type":"sluice.gap"}',
                                     '{"expiry":-1}', b'{"type":"\xff"}', "{} {}"])
def test_bad_headers(app, headers):
    publish(app, "a", headers=headers, ref="7")
    assert error_of(app)[:2] == ("7", "bad_event")


def test_a_payload_over_the_limit(app):
    publish(app, "a", b"x" * 65537)
    assert error_of(app)[1] == "too_large"
    published(app, "a", b"x" * 65536)


@pytest.mark.parametrize("parts", [[b"publish", b"7", b"a", b"{}"],
                                   [b"publish", b"7", b"a", b"{}", b"", b""],
                                   [b"subscribe", b"7", b"a"],
                                   [b"\xff\xfe", b"7"],
                                   [b"publish", b"7"] + [b""] * 40])
def test_malformed_messages_are_refused_by_their_ref_and_counted(broker, app, parts):
    app.send_multipart(parts)
    assert error_of(app)[:2] == ("7", "bad_request")
    assert broker.door.metric("sluice_bad_frames_total") == 1
    published(app, "a")


@pytest.mark.parametrize("parts", [[b"publish"], [b"x"], [b"publish", b"r" * 257, b"a", b"", b""]])
def test_malformed_messages_without_a_ref_are_refused_all_the_same(app, parts):
    app.send_multipart(parts)
    assert error_of(app)[:2] == ("", "bad_request")


def test_a_refusal_mirrors_the_requests_delimiter(broker):
    req = broker.app(zmq.REQ)
    req.send_multipart([b"nonsense", b"7"])
    assert error_of(req)[:2] == ("7", "bad_request")


def test_garbage_on_every_socket_is_never_fatal(broker, app):
    rng = random.Random(1)
    for endpoint in (broker.apps, broker.link, broker.reads):
        s = broker.socket(zmq.DEALER, endpoint)
        for _ in range(2000):
            s.send_multipart([rng.randbytes(rng.choice((0, 1, 5, 17, 60)))
                              for _ in range(rng.randrange(1, 9))])
    published(app, "a")
    for process in broker, broker.door:
        wait_for(lambda p=process: p.metric("sluice_bad_frames_total") > 1000, "frames counted")
    assert broker.process.poll() is None and broker.door.process.poll() is None


def test_a_part_far_too_large_costs_only_its_connection(broker, app):
    other = broker.app()
    publish(other, "a", b"x" * (16 << 20))
    published(app, "a")
    assert len(Reader(broker).all("#")) == 1


# --- coming and going -----------------------------------------------------------------

def test_an_application_that_leaves_harms_nobody(broker, app):
    leaver = broker.app()
    for _ in range(1000):
        publish(leaver, "a")
    leaver.close()
    published(app, "b")
    assert broker.process.poll() is None


def test_sigterm_answers_what_was_taken_and_stores_what_was_answered(broker):
    app = broker.app(sndhwm=0, rcvhwm=0, rcvtimeo=3000)
    for n in range(5000):
        publish(app, "a", str(n), ref=str(n))
    answer(app)
    assert broker.stop() == 0
    answered = {0}
    while app.poll(500):
        verb, ref, _ = answer(app)
        assert verb == "ok"
        answered.add(int(ref))
    app.close() # what it still holds is not for the next broker
    broker.start()
    stored = [int(e.payload) for e in Reader(broker).all("a")]
    assert len(stored) == len(set(stored))
    assert answered <= set(stored)


def test_a_killed_broker_has_all_that_it_answered(broker):
    app = broker.app(sndhwm=0, rcvhwm=0)
    for n in range(3000):
        publish(app, "a", str(n), ref=str(n))
    answered = {int(answer(app)[1]) for _ in range(1000)}
    broker.kill()
    app.close()
    broker.start()
    stored = [int(e.payload) for e in Reader(broker).all("a")]
    assert answered <= set(stored)
    assert len(stored) == len(set(stored))


def test_ready_once_it_listens(broker):
    assert broker.get("/readyz")
    assert broker.get("/healthz")


def test_sighup_reloads_and_goes_on(broker, app):
    broker.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "reloaded" in broker.logged(), "the reload is logged")
    published(app, "a")


# --- a start that must not happen --------------------------------------------------------

def refused(broker, text):
    with pytest.raises(AssertionError, match="ended with 1"):
        broker.start()
    assert text in broker.logged()
    broker.close()


def test_a_second_broker_on_the_same_folder_is_refused(broker):
    second = Broker()
    second.data = broker.data
    refused(second, "another broker has this data folder open")
    published(broker.app(), "a")


def door_refused(listen, text):
    b = Broker().start()
    process = subprocess.run([os.path.join(BIN, "sluice-zmq"), "--data", b.data, "--listen", listen,
                              "--admin-listen", ""], capture_output=True, timeout=TIMEOUT,
                             check=False)
    b.close()
    assert process.returncode == 1
    assert text in process.stderr.decode()


@pytest.mark.parametrize("listen", ["tcp://*:0", "tcp://0.0.0.0:0", "0.0.0.0:0", ":0"])
def test_listening_beyond_loopback_is_refused(listen):
    door_refused(listen, "beyond loopback")


def test_an_endpoint_of_another_kind_is_refused():
    door_refused("udp://127.0.0.1:5", "not a list of")


def test_a_port_in_use_is_refused():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        door_refused(f"127.0.0.1:{s.getsockname()[1]}", "cannot listen")


def test_a_path_too_long_for_a_socket_is_refused_with_advice():
    b = Broker()
    b.data = os.path.join(b.folder, "d" * 100)
    refused(b, "too long")


def test_an_ipc_endpoint_too_long_is_refused_with_advice():
    b = Broker("--link", "ipc:///tmp/" + "l" * 104)
    refused(b, "107 bytes")


def test_a_link_of_another_kind_is_refused():
    refused(Broker("--link", "udp://127.0.0.1:5"), "not a list of endpoints")


def test_a_link_port_in_use_is_refused():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        refused(Broker("--link", f"tcp://127.0.0.1:{s.getsockname()[1]}"), "cannot listen")
