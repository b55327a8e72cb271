"""Real libzmq sockets, of every type, at sluice-zmq."""

import json
import threading
import time

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from sluicelib import Sluice, wait_for

MS = 20000


class Context:
    """Sockets of one test, connected to one address."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.context = zmq.Context()

    def __call__(self, kind, **options):
        s = self.context.socket(kind)
        s.linger = 0
        s.rcvtimeo = s.sndtimeo = MS
        for name, value in options.items():
            setattr(s, name, value)
        s.connect(self.endpoint)
        return s

    def close(self):
        self.context.destroy(linger=0)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    s = Sluice(tmp_path_factory.mktemp("zmq"), gateways=("sse", "zmq")).start()
    yield s
    s.end()


@pytest.fixture
def zq(system):
    c = Context(f"tcp://127.0.0.1:{system.port('zmq')}")
    yield c
    c.close()


@pytest.fixture
def new_zq(new_sluice):
    made = []

    def make(config=""):
        s = new_sluice(config, gateways=("zmq",))
        made.append(Context(f"tcp://127.0.0.1:{s.port('zmq')}"))
        made[-1].system = s
        return made[-1]
    yield make
    for c in made:
        c.close()


def ask(s, *parts):
    s.send_multipart([p if isinstance(p, bytes) else str(p).encode() for p in parts])
    return s.recv_multipart()


def say(s, *parts):
    s.send_multipart([p if isinstance(p, bytes) else str(p).encode() for p in parts])


def publish(s, topic, payload=b"x", headers="{}"):
    verb, _, id_ = ask(s, "publish", "p", topic, headers, payload)
    assert verb == b"ok", id_
    return int(id_)


def hear(s, verb=b"event"):
    parts = s.recv_multipart()
    assert parts[0] == verb, parts
    return parts


def silent(s, ms=200):
    return not s.poll(ms)


def live(app, sub, topic):
    """Publishes until the subscriber hears: its subscription is in force."""
    for n in range(1000):
        publish(app, topic, b"sync %d" % n)
        if sub.poll(20):
            break
    while sub.recv_multipart()[1] != b"sync %d" % n:
        pass


# --- DEALER: subscriptions ---------------------------------------------------------------

def test_an_event_arrives_with_all_that_was_said_of_it(zq):
    app, headers = zq(zmq.DEALER), {
        "type": "tick", "content_type": "text/plain", "retain": True, "expiry": 3600,
        "response_topic": "r", "correlation_data": "AP8=", "properties": [["k", "v"], ["k", "w"]],
        "producer": {"id": "p", "epoch": 0, "seq": 0}}
    assert ask(app, "subscribe", "s", "all/#", "{}")[:2] == [b"ok", b"s"]
    say(app, "publish", "p", "all/a", json.dumps(headers), b"\0\xff")
    got = sorted([app.recv_multipart(), app.recv_multipart()])
    (_, ref, id_, topic, said, payload), ok = got
    assert (ref, topic, payload) == (b"s", b"all/a", b"\0\xff")
    assert ok == [b"ok", b"p", id_]
    said = json.loads(said)
    assert said.pop("time").endswith("Z")
    assert said == headers


def test_a_subscription_begins_where_it_says(zq):
    app = zq(zmq.DEALER)
    ids = [publish(app, "begin/a", b"%d" % n) for n in range(5)]
    starts = {"{}": 5, '{"after":0}': 0, '{"after":"%d"}' % ids[1]: 2, '{"last":2}': 3,
              '{"since":"1h"}': 0, "": 5}
    for options, first in starts.items():
        s = zq(zmq.DEALER)
        assert ask(s, "subscribe", "s", "begin/a", options)[:2] == [b"ok", b"s"]
        for n in range(first, 5):
            assert int(hear(s)[2]) == ids[n]
        assert silent(s, 50)


def test_several_filters_bring_an_event_once(zq):
    app = zq(zmq.DEALER)
    assert ask(app, "subscribe", "s", '["several/a","several/+","x/y"]', "{}")[0] == b"ok"
    id_ = None
    say(app, "publish", "p", "several/a", "{}", "x")
    got = [app.recv_multipart() for _ in range(2)]
    id_ = next(p[2] for p in got if p[0] == b"ok")
    assert [p[2] for p in got if p[0] == b"event"] == [id_]
    assert silent(app, 100)


def test_two_subscriptions_of_a_connection_each_bring_it(zq):
    app, other = zq(zmq.DEALER), zq(zmq.DEALER)
    for ref in "ab":
        assert ask(app, "subscribe", ref, "two/#", "{}")[:2] == [b"ok", ref.encode()]
    id_ = publish(other, "two/x")
    assert sorted((e[1], int(e[2])) for e in (hear(app), hear(app))) == [(b"a", id_), (b"b", id_)]


def test_credit_is_what_may_come_and_nothing_is_lost_without(zq):
    app, s = zq(zmq.DEALER), zq(zmq.DEALER)
    ids = [publish(app, "credit/a", b"%d" % n) for n in range(5)]
    assert ask(s, "subscribe", "s", "credit/a", '{"after":0,"credit":2}')[0] == b"ok"
    assert [int(hear(s)[2]) for _ in range(2)] == ids[:2]
    ids += [publish(app, "credit/a", b"%d" % n) for n in range(5, 10)]
    assert silent(s)
    say(s, "credit", "s", 1)
    assert int(hear(s)[2]) == ids[2]
    assert silent(s)
    say(s, "credit", "s", 100)
    assert [int(hear(s)[2]) for _ in range(7)] == ids[3:]
    assert int(ask(s, "unsubscribe", "s")[2]) >= ids[-1]


def test_credit_none_at_first(zq):
    app, s = zq(zmq.DEALER), zq(zmq.DEALER)
    assert ask(s, "subscribe", "s", "none/a", '{"credit":0}')[0] == b"ok"
    id_ = publish(app, "none/a")
    assert silent(s)
    say(s, "credit", "s", 1)
    assert int(hear(s)[2]) == id_


def test_without_credit_it_waits_in_the_store(new_zq):
    """However much passes by: the ring holds 64 KiB here, a hundredth of it."""
    zq = new_zq("[limits]\nring = 64k\npage_cache = 64k\n")
    app, s = zq(zmq.DEALER), zq(zmq.DEALER)
    assert ask(s, "subscribe", "s", "far/#", '{"credit":1}')[0] == b"ok"
    ids = []
    for n in range(6000):
        say(app, "publish", str(n), f"far/{n % 7}", "{}", b"x" * 1000)
    ids = [int(app.recv_multipart()[2]) for _ in range(6000)]
    say(s, "credit", "s", 5999)
    assert [int(hear(s)[2]) for _ in range(6000)] == ids


def test_unsubscribe_says_how_far_it_came_and_the_next_goes_on_there(zq):
    app, s = zq(zmq.DEALER), zq(zmq.DEALER)
    ids = [publish(app, "on/a", b"%d" % n) for n in range(4)]
    ask(s, "subscribe", "s", "on/a", '{"after":0,"credit":2}')
    hear(s), hear(s)
    verb, ref, position = ask(s, "unsubscribe", "s")
    assert (verb, ref, int(position)) == (b"ok", b"s", ids[1])
    assert ask(s, "subscribe", "s", "on/a", '{"after":%s}' % position.decode())[0] == b"ok"
    assert [int(hear(s)[2]) for _ in range(2)] == ids[2:]


@pytest.mark.parametrize("filters, options, code", [
    ("", "{}", b"bad_filter"), ("a/#/b", "{}", b"bad_filter"), ("[]", "{}", b"bad_filter"),
    ("[1]", "{}", b"bad_filter"), ('["a"', "{}", b"bad_filter"), ('["a","b#"]', "{}", b"bad_filter"),
    (json.dumps([f"f/{n}" for n in range(65)]), "{}", b"bad_filter"),
    ("a", "[]", b"bad_request"), ("a", "{", b"bad_request"), ("a", '{"aftr":1}', b"bad_request"),
    ("a", '{"topic":"b"}', b"bad_request"), ("a", '{"format":"raw"}', b"bad_request"),
    ("a", '{"after":"x"}', b"bad_cursor"), ("a", '{"after":true}', b"bad_request"),
    ("a", '{"after":9007199254740992}', b"bad_cursor"), ("a", '{"after":1,"last":1}', b"bad_cursor"),
    ("a", '{"since":"yesterday"}', b"bad_cursor"), ("a", '{"last":10001}', b"bad_cursor"),
    ("a", '{"on_gap":"x"}', b"bad_request"), ("a", '{"credit":-1}', b"bad_request"),
    ("a", '{"credit":"many"}', b"bad_request"),
])
def test_words_that_make_no_sense_are_refused(zq, filters, options, code):
    app = zq(zmq.DEALER)
    for verb in ("subscribe", "history"):
        if verb == "history" and "credit" in options:
            continue
        said, ref, got, text = ask(app, verb, "7", filters, options)
        assert (said, ref, got) == (b"error", b"7", code), text
    assert ask(app, "ping", "8") == [b"pong", b"8"]


def test_json_has_a_size(zq):
    app = zq(zmq.DEALER)
    large = '{"properties":[%s]}' % ",".join(['["k","v"]'] * 60_000)
    assert ask(app, "publish", "1", "a", large, "x")[:3] == [b"error", b"1", b"bad_event"]
    assert ask(app, "subscribe", "2", "a", '{"credit":1,%s"last":1}' % (" " * 5000))[:3] == \
        [b"error", b"2", b"bad_request"]
    assert ask(app, "subscribe", "3", json.dumps(["a"] * 200_000), "{}")[:3] == \
        [b"error", b"3", b"bad_filter"]


def test_refs_of_subscriptions_are_unique_on_a_connection(zq):
    app = zq(zmq.DEALER)
    assert ask(app, "subscribe", "s", "a", "{}")[0] == b"ok"
    assert ask(app, "subscribe", "s", "b", "{}")[:3] == [b"error", b"s", b"bad_request"]
    assert ask(app, "unsubscribe", "x")[:3] == [b"error", b"x", b"not_found"]
    assert ask(app, "credit", "x", 1)[:3] == [b"error", b"x", b"not_found"]
    assert ask(app, "credit", "s", 1)[:3] == [b"error", b"s", b"bad_request"]
    assert ask(app, "unsubscribe", "s")[0] == b"ok"
    assert ask(app, "subscribe", "s", "b", "{}")[0] == b"ok"


def test_subscriptions_have_a_limit(zq):
    app = zq(zmq.DEALER)
    for n in range(100):
        assert ask(app, "subscribe", n, f"limit/{n}", "{}")[0] == b"ok"
    assert ask(app, "subscribe", "more", "limit/x", "{}")[:3] == [b"error", b"more", b"too_many"]


def test_a_gap_is_told(new_zq):
    zq = new_zq('[retention "g/#"]\nmax_events = 2\n')
    app, s = zq(zmq.DEALER), zq(zmq.DEALER)
    ids = [publish(app, "g/a", b"%d" % n) for n in range(6)]

    def removed():
        doc = json.loads(ask(app, "history", "h", "g/a", '{"after":0}')[2])
        return len(doc["events"]) == 2
    wait_for(removed, "retention has removed the others")
    assert ask(s, "subscribe", "s", "g/a", '{"after":%d}' % ids[0])[0] == b"ok"
    verb, ref, gap = s.recv_multipart()
    assert (verb, ref) == (b"gap", b"s")
    gap = json.loads(gap)
    assert (gap["requested"], gap["reason"]) == (str(ids[0]), "expired")
    assert [int(hear(s)[2]) for _ in range(2)] == ids[4:]
    said = ask(s, "subscribe", "f", "g/a", '{"after":%d,"on_gap":"fail"}' % ids[0])
    assert said[:3] == [b"error", b"f", b"gone"]
    said = ask(s, "history", "h", "g/a", '{"after":%d,"on_gap":"fail"}' % ids[0])
    assert said[:3] == [b"error", b"h", b"gone"]
    assert "gap" in json.loads(ask(s, "history", "h", "g/a", '{"after":%d}' % ids[0])[2])


def test_a_dealer_that_sends_a_delimiter_gets_one(zq):
    app = zq(zmq.DEALER)
    assert ask(app, "", "subscribe", "s", "delimited", "{}")[:3] == [b"", b"ok", b"s"]
    assert ask(app, "", "ping", "1") == [b"", b"pong", b"1"]
    say(app, "publish", "p", "delimited", "{}", "x")
    got = [app.recv_multipart(), app.recv_multipart()]
    assert sorted(p[:2] for p in got) == [[b"", b"event"], [b"ok", b"p"]]


# --- history and ping ----------------------------------------------------------------------

def test_history_comes_in_pages(zq):
    app = zq(zmq.DEALER)
    ids = [publish(app, "pages/a", b"%d" % n) for n in range(25)]
    after, seen = 0, []
    for size in (10, 10, 5):
        verb, ref, document = ask(app, "history", "h", "pages/+", '{"after":"%s","limit":10}' % after)
        assert (verb, ref) == (b"ok", b"h")
        document = json.loads(document)
        assert len(document["events"]) == size
        seen += [int(e["id"]) for e in document["events"]]
        after = document["next"]
    assert seen == ids
    assert [e["data"] for e in document["events"]][-1] == "24"
    last = json.loads(ask(app, "history", "h", "pages/+", '{"last":3}')[2])
    assert [int(e["id"]) for e in last["events"]] == ids[-3:]
    assert len(json.loads(ask(app, "history", "h", '["pages/a","x"]', '{"since":"1h"}')[2])["events"]) == 25
    for limit in (0, 1001):
        assert ask(app, "history", "h", "a", '{"limit":%d}' % limit)[:3] == [b"error", b"h", b"bad_request"]


def test_what_is_asked_behind_a_history_waits_for_it(zq):
    app = zq(zmq.DEALER)
    for n in range(50):
        say(app, "history", n, "pages/+", '{"after":0}')
        say(app, "ping", n)
    got = [app.recv_multipart()[:2] for _ in range(100)]
    assert got == [[verb, b"%d" % n] for n in range(50) for verb in (b"ok", b"pong")]


def test_a_document_ends_at_a_megabyte(zq):
    app = zq(zmq.DEALER)
    for n in range(5):
        publish(app, "large/a", b"x" * 500_000)
    after, sizes = 0, []
    while sum(sizes) < 5:
        verb, _, document = ask(app, "history", "h", "large/a", '{"after":"%s"}' % after)
        assert verb == b"ok" and len(document) < 2 << 20
        document = json.loads(document)
        sizes.append(len(document["events"]))
        after = document["next"]
    assert len(sizes) > 1


def test_a_req_asks_one_at_a_time(zq):
    req = zq(zmq.REQ)
    assert ask(req, "publish", "1", "req/a", "{}", "x")[:2] == [b"ok", b"1"]
    assert ask(req, "ping", "2") == [b"pong", b"2"]
    assert ask(req, "history", "3", "req/a", '{"after":0}')[:2] == [b"ok", b"3"]
    assert ask(req, "subscribe", "4", "req/a", "{}")[:3] == [b"error", b"4", b"bad_request"]
    assert ask(req, "nonsense", "5")[:3] == [b"error", b"5", b"bad_request"]
    assert ask(req, "publish", "6", "req/+", "{}", "x")[:3] == [b"error", b"6", b"bad_topic"]


# --- SUB, XSUB -------------------------------------------------------------------------------

def test_a_prefix_of_whole_levels(zq):
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"levels/a/")
    live(app, sub, "levels/a/b")
    for topic in ("levels/a", "levels/ab/c", "levels/b", "x/levels/a/b", "levels/a/b", "levels/a/b/c"):
        publish(app, topic, topic.encode())
    assert [sub.recv_multipart() for _ in range(2)] == \
        [[t, t] for t in (b"levels/a/b", b"levels/a/b/c")]
    assert silent(sub, 50)


def test_a_prefix_within_a_level(zq):
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"within/te")
    live(app, sub, "within/te")
    for topic in ("within/te", "within/temp", "within/ta", "within/t", "within/te/x/y", "withi", "within"):
        publish(app, topic)
    assert [sub.recv_multipart()[0] for _ in range(3)] == [b"within/te", b"within/temp", b"within/te/x/y"]
    assert silent(sub, 50)


def test_a_name_without_a_slash(zq):
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"plain")
    live(app, sub, "plain")
    for topic in ("plain", "plains/x", "plai", "x/plain", "plain/y"):
        publish(app, topic)
    assert [sub.recv_multipart()[0] for _ in range(3)] == [b"plain", b"plains/x", b"plain/y"]
    assert silent(sub, 50)


def test_everything(new_zq):
    zq = new_zq()
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"")
    live(app, sub, "a")
    topics = ["a", "b/c", "/", "x/y/z"]
    for topic in topics:
        publish(app, topic)
    assert [sub.recv_multipart()[0].decode() for _ in topics] == topics


def test_prefixes_that_overlap_bring_an_event_once(zq):
    app, sub = zq(zmq.DEALER), zq(zmq.SUB)
    for prefix in (b"over/", b"over/a", b"over/a/", b"over/a/b", b"other/"):
        sub.subscribe(prefix)
    live(app, sub, "other/x")
    ids = [publish(app, "over/a/b", b"%d" % n) for n in range(50)]
    assert [sub.recv_multipart()[1] for _ in ids] == [b"%d" % n for n in range(50)]
    assert silent(sub, 50)


def test_prefixes_come_and_go_and_nothing_in_between_is_lost(zq):
    """A steady stream on one topic, while others are subscribed to and cancelled."""
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"steady/a")
    live(app, sub, "steady/a")
    over = threading.Event()

    def change():
        for n in range(60):
            sub2.subscribe(b"steady/x%d" % n) if n % 2 == 0 else sub2.unsubscribe(b"steady/x%d" % (n - 1))
            time.sleep(0.01)
        over.set()
    sub2 = sub
    sent, got = 0, []
    changer = threading.Thread(target=change)
    changer.start()
    changer.join()  # libzmq's sockets are of one thread: changes first queue, then apply
    while sent < 300:
        publish(app, "steady/a", b"%d" % sent)
        sent += 1
    while len(got) < sent:
        got.append(sub.recv_multipart()[1])
    assert got == [b"%d" % n for n in range(sent)]


def test_a_subscription_added_later_takes_effect_and_keeps_the_first(zq):
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"later/a")
    live(app, sub, "later/a")
    sub.subscribe(b"later/b")
    live(app, sub, "later/b")
    publish(app, "later/a", b"1")
    publish(app, "later/b", b"2")
    assert [sub.recv_multipart()[1] for _ in range(2)] == [b"1", b"2"]
    sub.unsubscribe(b"later/a")
    publish(app, "later/b", b"3")
    assert sub.recv_multipart()[1] == b"3"


def test_more_prefixes_than_filters(new_zq):
    zq = new_zq("[limits]\nmax_filters = 4\n")
    app, sub = zq(zmq.DEALER), zq(zmq.SUB)
    for n in range(20):
        sub.subscribe(b"more/%d/" % n)
    live(app, sub, "more/19/x")
    for n in range(20):
        publish(app, f"more/{n}/x", b"%d" % n)
    publish(app, "elsewhere")
    assert [sub.recv_multipart()[1] for _ in range(20)] == [b"%d" % n for n in range(20)]
    assert silent(sub, 50)


def test_four_frames(new_zq):
    zq = new_zq("[zmq]\nsub_frames = 4\n")
    app, sub = zq(zmq.DEALER), zq(zmq.SUB, subscribe=b"four")
    for _ in range(1000):
        id_ = publish(app, "four", b"x", '{"type":"tick"}')
        if sub.poll(20):
            break
    while (got := sub.recv_multipart())[2] != b"%d" % id_:
        pass
    topic, payload, id_, said = got
    assert (topic, payload) == (b"four", b"x")
    assert json.loads(said)["type"] == "tick"


def test_an_xsub_subscribes_by_hand(zq):
    app, xsub = zq(zmq.DEALER), zq(zmq.XSUB)
    xsub.send(b"\x01by/hand")
    live(app, xsub, "by/hand")
    xsub.send(b"\x00by/hand")
    xsub.send(b"\x01by/other")
    live(app, xsub, "by/other")
    publish(app, "by/hand", b"not this")
    publish(app, "by/other", b"this")
    assert xsub.recv_multipart() == [b"by/other", b"this"]


def test_a_slow_sub_loses_nothing(new_zq):
    """It stalls while a hundred rings pass by."""
    zq = new_zq("[limits]\nring = 64k\npage_cache = 64k\n")
    sub = zq(zmq.SUB, rcvhwm=10, rcvbuf=4096)
    sub.subscribe(b"slow/")
    app = zq(zmq.DEALER)
    live(app, sub, "slow/a")
    for n in range(6000):
        say(app, "publish", n, f"slow/{n % 5}", "{}", b"%d " % n + b"x" * 1000)
    for _ in range(6000):
        app.recv_multipart()
    got = [int(sub.recv_multipart()[1].split()[0]) for _ in range(6000)]
    assert got == list(range(6000))


# --- PUSH, PUB ---------------------------------------------------------------------------------

def test_a_push_publishes(system, zq):
    app, push = zq(zmq.DEALER), zq(zmq.PUSH)
    assert ask(app, "subscribe", "s", "push/#", "{}")[0] == b"ok"
    for n in range(1000):
        push.send_multipart([b"push/%d" % (n % 3), b"%d" % n])
    assert [hear(app)[5] for _ in range(1000)] == [b"%d" % n for n in range(1000)]


def test_a_pub_publishes_all_it_has(zq):
    app, pub = zq(zmq.DEALER), zq(zmq.PUB)
    assert ask(app, "subscribe", "s", "pub/#", "{}")[0] == b"ok"
    for n in range(1000):  # until our subscription has reached it
        pub.send_multipart([b"pub/sync", b"%d" % n])
        if app.poll(20):
            break
    pub.send_multipart([b"pub/last", b"x"])
    while hear(app)[3] != b"pub/last":
        pass


@pytest.mark.parametrize("kind", [zmq.PUSH, zmq.PUB])
def test_what_is_refused_is_counted(system, zq, kind):
    before = system.metrics("zmq")["sluice_zmq_publishes_dropped_total"]
    app, push = zq(zmq.DEALER), zq(kind)
    assert ask(app, "subscribe", "s", "good", "{}")[0] == b"ok"
    while not app.poll(20):
        push.send_multipart([b"good", b"x"])
    for bad in ([b"only one part"], [b"a", b"b", b"c"], [b"a/+", b"x"], [b"", b"x"],
                [b"$SYS/x", b"x"], [b"a", b"x" * ((1 << 20) + 1)]):
        push.send_multipart(bad)
    push.send_multipart([b"good", b"last"])
    while hear(app)[5] != b"last":
        pass
    wait_for(lambda: system.metrics("zmq")["sluice_zmq_publishes_dropped_total"] == before + 6, "six")
    log = system.processes["zmq"].logged()
    assert "a publish without an answer is refused" in log


# --- other types ---------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.REP, zmq.PULL, zmq.XPUB, zmq.PAIR])
def test_other_types_are_refused(system, zq, kind):
    before = system.metrics("zmq")["sluice_zmq_peers_refused_total"]
    s = zq.context.socket(kind)
    monitor = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
                                   | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
    s.connect(zq.endpoint)
    assert monitor.poll(MS)
    event = recv_monitor_message(monitor)["event"]
    assert event != zmq.EVENT_HANDSHAKE_SUCCEEDED
    s.disable_monitor()
    s.close()
    wait_for(lambda: system.metrics("zmq")["sluice_zmq_peers_refused_total"] > before, "counted")


@pytest.mark.parametrize("mechanism", ["plain", "curve"])
def test_another_mechanism_is_refused(zq, mechanism):
    s = zq.context.socket(zmq.DEALER)
    if mechanism == "plain":
        s.plain_username, s.plain_password = b"me", b"secret"
    else:
        s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()
        s.curve_serverkey = zmq.curve_keypair()[0]
    monitor = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
                                   | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
    s.connect(zq.endpoint)
    assert monitor.poll(MS)
    assert recv_monitor_message(monitor)["event"] != zmq.EVENT_HANDSHAKE_SUCCEEDED
    s.disable_monitor()
    s.close(linger=0)


# --- comings and goings ----------------------------------------------------------------------------

def test_heartbeats_of_libzmq_are_answered(zq):
    app = zq(zmq.DEALER, heartbeat_ivl=50, heartbeat_timeout=200, heartbeat_ttl=1000)
    monitor = app.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    assert not monitor.poll(1500)
    app.disable_monitor()
    assert ask(app, "ping", "1") == [b"pong", b"1"]


def test_chosen_identities_are_no_names(zq):
    """Two sockets of one identity live side by side."""
    a, b = zq(zmq.DEALER, identity=b"same"), zq(zmq.DEALER, identity=b"same")
    for n in range(5):
        assert ask(a, "ping", n) == [b"pong", b"%d" % n]
        assert ask(b, "ping", n) == [b"pong", b"%d" % n]


def test_a_killed_broker_costs_a_subscription_nothing(new_zq):
    zq = new_zq("[sluice]\n")
    app, s = zq(zmq.DEALER), zq(zmq.DEALER)
    assert ask(s, "subscribe", "s", "k/#", "{}")[0] == b"ok"
    ids = [publish(app, "k/a")]
    zq.system.broker.restart()
    ids += [publish(app, "k/a") for _ in range(3)]
    assert [int(hear(s)[2]) for _ in ids] == ids


def test_without_a_broker_a_publish_is_refused_in_time(new_zq):
    zq = new_zq("[limits]\npublish_timeout = 500ms\n")
    app = zq(zmq.DEALER)
    publish(app, "a")
    zq.system.broker.kill()
    verb, ref, code, _ = ask(app, "publish", "7", "a", "{}", "x")
    assert (verb, ref) == (b"error", b"7") and code in (b"unavailable", b"unknown_outcome")
    assert ask(app, "ping", "8") == [b"pong", b"8"]
    assert ask(app, "history", "9", "a", "{}")[:3] == [b"error", b"9", b"unavailable"]
    zq.system.broker.start()
    publish(app, "a")


# --- CURVE ------------------------------------------------------------------------------------------

@pytest.fixture
def curve(new_sluice, tmp_path):
    made = []

    def make(clients=""):
        public, secret = zmq.curve_keypair()
        key = tmp_path / "server.key"
        key.write_bytes(secret + b"\n")
        key.chmod(0o600)
        s = new_sluice(f"[zmq]\nmechanism = curve\ncurve_secret_key_file = {key}\n"
                       f"curve_clients = {clients}\n", gateways=("zmq",))
        c = Context(f"tcp://127.0.0.1:{s.port('zmq')}")
        c.public, c.system = public, s
        made.append(c)
        return c
    yield make
    for c in made:
        c.close()


def keys(c, pair=None, server=None):
    public, secret = pair or zmq.curve_keypair()
    return {"curve_publickey": public, "curve_secretkey": secret, "curve_serverkey": server or c.public}


def test_curve_carries_everything(curve):
    c = curve()
    app, sub, push = c(zmq.DEALER, **keys(c)), c(zmq.SUB, **keys(c)), c(zmq.PUSH, **keys(c))
    assert c.public.decode() in c.system.processes["zmq"].logged()
    assert ask(app, "subscribe", "s", "c/#", "{}")[0] == b"ok"
    sub.subscribe(b"c/")
    for n in range(1000):
        push.send_multipart([b"c/sync", b"%d" % n])
        if sub.poll(20):
            break
    payloads = [b"", b"x", b"y" * 300, bytes(range(256)) * 4000]
    for p in payloads:
        push.send_multipart([b"c/p", p])
    for s, at in ((sub, 1), (app, 5)):
        got = []
        while len(got) < len(payloads):
            m = s.recv_multipart()
            if b"c/p" in m:
                got.append(m[at])
        assert got == payloads
    for n in range(2000):
        say(app, "publish", n, "c/q", "{}", b"z" * (n % 300))
    answers = 0
    while answers < 2000:
        m = app.recv_multipart()
        assert m[0] in (b"ok", b"event")
        answers += m[0] == b"ok"


def test_curve_heartbeats_and_slow_readers(curve):
    c = curve()
    app = c(zmq.DEALER, heartbeat_ivl=50, heartbeat_timeout=300, **keys(c))
    sub = c(zmq.SUB, rcvhwm=5, rcvbuf=4096, **keys(c))
    sub.subscribe(b"slow")
    live(app, sub, "slow")
    for n in range(3000):
        say(app, "publish", n, "slow", "{}", b"%d " % n + b"x" * 1000)
    for _ in range(3000):
        assert app.recv_multipart()[0] == b"ok"
    assert [int(sub.recv_multipart()[1].split()[0]) for _ in range(3000)] == list(range(3000))


def refused(c, **options):
    s = c.context.socket(zmq.DEALER)
    for name, value in options.items():
        setattr(s, name, value)
    monitor = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
                                   | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
    s.connect(c.endpoint)
    assert monitor.poll(MS)
    assert recv_monitor_message(monitor)["event"] != zmq.EVENT_HANDSHAKE_SUCCEEDED
    s.disable_monitor()
    s.close(linger=0)


def test_curve_lets_only_the_listed_in(curve):
    known = zmq.curve_keypair()
    c = curve(clients=known[0].decode())
    app = c(zmq.DEALER, **keys(c, known))
    assert ask(app, "ping", "1") == [b"pong", b"1"]
    refused(c, **keys(c))
    refused(c, **keys(c, known, server=zmq.curve_keypair()[0]))
    refused(c)
    assert ask(app, "ping", "2") == [b"pong", b"2"]


@pytest.mark.parametrize("config, text", [
    ("mechanism = curve\n", "needs curve_secret_key_file"),
    ("mechanism = curve\ncurve_secret_key_file = {dir}/none\n", "no secret key"),
    ("mechanism = curve\ncurve_secret_key_file = {dir}/open\n", "chmod 600"),
    ("mechanism = curve\ncurve_secret_key_file = {dir}/short\n", "no secret key"),
    ("mechanism = curve\ncurve_secret_key_file = {dir}/good\ncurve_clients = abc\n", "public keys"),
    ("mechanism = null, gssapi\n", "mechanism"),
])
def test_keys_that_do_not_do_stop_the_start(tmp_path, config, text):
    for name, content, mode in (("open", zmq.curve_keypair()[1], 0o644), ("short", b"x" * 39, 0o600),
                                ("good", zmq.curve_keypair()[1], 0o600)):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(mode)
    s = Sluice(tmp_path / "s", "[zmq]\n" + config.replace("{dir}", str(tmp_path)), gateways=())
    s.processes.clear()
    p = s.add("zmq").start(wait=False)
    assert p.popen.wait(20) == 1
    assert text in p.logged()


# --- ipc -----------------------------------------------------------------------------------------------

def ipc_system(tmp_path):
    path = f"ipc://{tmp_path}/apps"
    return Sluice(tmp_path / "s", f"[zmq]\nlisten = {path}\n", gateways=("zmq",)), path


def test_ipc_is_listened_on_taken_over_and_removed(tmp_path):
    s, path = ipc_system(tmp_path)
    s.start()
    c = Context(path)
    app = c(zmq.DEALER)
    assert ask(app, "ping", "1") == [b"pong", b"1"]
    assert (tmp_path / "apps").stat().st_mode & 0o077 == 0
    s.processes["zmq"].kill()
    assert (tmp_path / "apps").is_socket()
    s.processes["zmq"].start()
    assert ask(app, "ping", "2") == [b"pong", b"2"]
    c.close()
    s.processes["zmq"].stop()
    assert not (tmp_path / "apps").exists()
    s.end()


def test_an_ipc_path_in_use_is_refused(tmp_path):
    s, path = ipc_system(tmp_path)
    s.start()
    second = s.add("zmq-2").start(wait=False)
    assert second.popen.wait(20) == 1
    assert "cannot listen" in second.logged()
    c = Context(path)
    assert ask(c(zmq.DEALER), "ping", "1") == [b"pong", b"1"]
    c.close()
    s.processes.pop("zmq-2")
    s.end()


@pytest.mark.parametrize("path", ["/tmp/" + "x" * 103, "/nonexistent/folder/apps"])
def test_an_ipc_path_that_does_not_do_stops_the_start(tmp_path, path):
    s = Sluice(tmp_path, f"[zmq]\nlisten = ipc://{path}\n", gateways=())
    p = s.add("zmq").start(wait=False)
    assert p.popen.wait(20) == 1
    assert "cannot listen" in p.logged()
