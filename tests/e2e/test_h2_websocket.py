"""WebSocket over HTTP/2 (RFC 8441): the tests of WebSocket once more, on streams, and what
is HTTP/2's own."""

import h2lib
import pytest
import test_ws
import test_ws_raw
from sluicelib import wait_for
from wslib import DEFLATE


def of(gateway):
    return "h2" if gateway == "ws" else gateway


@pytest.fixture
def new_ws(new_sluice):
    """As the WebSocket tests have it; what they call ws is the HTTP/2 gateway."""
    made = []

    def make(config="", gateways=("sse", "h2")):
        s = new_sluice(config, gateways=tuple(of(g) for g in gateways))
        metrics = s.metrics
        s.metrics = lambda who="sse": metrics(of(who))
        s.processes["ws"] = s.processes["h2"]
        made.append(h2lib.Door(s))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def ws(new_ws):
    return new_ws()


def again(module, *but):
    """Its tests, in this module."""
    return {name: test for name, test in vars(module).items()
            if name.startswith("test_") and name not in but}


# They are about a connection of its own, or about HTTP/1.1; or two threads share a connection,
# which h2's client does not allow.
globals().update(again(test_ws, "test_http_works_on_the_same_port",
                       "test_what_a_client_leaves_is_forgotten",
                       "test_a_publisher_that_reads_no_acks_is_not_read_either"))
globals().update(again(test_ws_raw))


@pytest.fixture
def connection(ws):
    with h2lib.Connection(ws.sluice.port("h2")) as c:
        yield c


def test_the_server_says_that_it_can(connection):
    connection.until(lambda: connection.h2.remote_settings.enable_connect_protocol, "SETTINGS")


def test_many_kinds_of_streams_on_one_connection(ws, connection):
    events = [connection.stream("a") for _ in range(20)]
    sockets = [h2lib.WebSocket(connection, "/events/a", deflate=DEFLATE if n % 2 else None)
               for n in range(20)]
    for s in events:
        s.started()
    for s in sockets:
        s.open().take("ack")
    ids = [connection.publish("a", f"{n}" * 100) for n in range(50)]
    for s in events:
        assert [e.id for e in s.events(50)] == ids
    for s in sockets:
        assert [e["id"] for e in s.events(50)] == ids


def test_one_that_is_not_read_holds_up_nobody(ws, connection):
    slow = h2lib.WebSocket(connection, "/events/a").open()
    slow.take("ack")
    slow.x.held = True
    others = [h2lib.WebSocket(connection, "/events/a").open() for _ in range(10)]
    for s in others:
        s.take("ack")
    ids = ws.sluice.fill("a", 3000, payload=lambda n: "x" * 100)
    for s in others:
        assert [e["id"] for e in s.events(3000)] == ids
    slow.x.held = False
    assert [e["id"] for e in slow.events(3000)] == ids


def test_resuming_over_sse_and_back(ws, connection):
    ids = ws.sluice.fill("a", 30)
    s = h2lib.WebSocket(connection, "/events/a?after=0").open()
    s.take("ack")
    assert [e["id"] for e in s.events(10)] == ids[:10]
    over_sse = ws.sluice.stream("a", {"Last-Event-ID": ids[9]})
    assert [e.id for e in over_sse.events(10)] == ids[10:20]
    back = h2lib.WebSocket(connection, f"/events/a?after={over_sse.last_id}").open()
    back.take("ack")
    assert [e["id"] for e in back.events(10)] == ids[20:]


def test_windows_hold_up_a_client_that_publishes_faster_than_the_broker(new_ws):
    ws = new_ws("[h2]\nwindow = 16k\n[ws]\npublish_window = 20k\n")
    c = ws.connect()
    for n in range(500):
        c.say("publish", ref=n, topic="a", data="x" * 1000)
    assert [c.take("ack")["ref"] for n in range(500)] == list(range(500))


def test_a_publisher_that_reads_no_acks_has_them_all_in_the_end(new_ws):
    """Of its connection it reads what opens its window, and no more."""
    ws = new_ws("[h2]\nwindow = 16k\n[ws]\npublish_window = 16k\n")
    c = ws.connect()
    count = 20000
    for n in range(count):
        c.say("publish", ref=n, topic="a", data=n)
    assert [c.take("ack")["ref"] for _ in range(count)] == list(range(count))


def test_a_stream_ends_whole_when_both_have_closed(ws):
    c = ws.connect("a")
    assert c.close() == 1000
    assert c.x.ended
    wait_for(lambda: ws.sluice.metrics("h2")["sluice_http2_streams"] == 0, "no stream")


def test_a_cancelled_stream_is_gone(ws, connection):
    for n in range(30):
        c = h2lib.WebSocket(connection, "/events/a").open()
        c.say("subscribe", ref="b", topic="b")
        if n % 2:
            c.close()
        else:
            c.raw.close()
    wait_for(lambda: ws.sluice.metrics("h2")["sluice_http2_streams"] == 0, "no stream")
    assert ws.sluice.metrics("h2")["sluice_subscriptions"] == 0


def test_other_protocols_are_not_spoken(connection):
    connection.until(lambda: connection.h2.remote_settings.enable_connect_protocol, "SETTINGS")
    x = connection.begin("CONNECT", "/events/a", [(":protocol", "connect-udp")], end=False)
    assert connection.answered(x).status == 501


def test_what_is_no_websocket_of_ours(ws, connection):
    for path, fields, status in [
            ("/events", {"sec-websocket-version": "12"}, 426),
            ("/events", {"sec-websocket-version": "13", "sec-websocket-protocol": "x"}, 400),
            ("/events/a", {"sec-websocket-version": "13", "origin": "http://evil.example"}, 403),
            ("/topics", {"sec-websocket-version": "13"}, 405),
            ("/nothing", {"sec-websocket-version": "13"}, 404)]:
        connection.until(lambda: connection.h2.remote_settings.enable_connect_protocol, "SETTINGS")
        x = connection.begin("CONNECT", path, [(":protocol", "websocket")], more=fields.items(),
                             end=False)
        assert connection.answered(x).status == status, path
