"""A real browser's EventSource: it comes back by itself, and nothing is missing or
twice (promises 3 and 4 of DESIGN.md)."""

import json

import pytest

from faultlib import flood, post, post_batch, request, wait_for

OPEN, CLOSED = 1, 2


class EventSource:
    """One in the page."""

    made = 0

    def __init__(self, browser, origin, system, path, types=()):
        EventSource.made += 1
        self.browser, self.name = browser, f"s{EventSource.made}"
        if not browser.current_url.startswith(origin):
            browser.get(f"{origin}/page.html")
        browser.execute_script("listen(...arguments)", self.name,
                               f"http://127.0.0.1:{system.sse}/events/{path}", list(types))

    def report(self):
        return self.browser.execute_script("return report(arguments[0])", self.name)

    def wait_open(self, times=1):
        wait_for(lambda: (r := self.report())["opened"] >= times and r["state"] == OPEN,
                 f"it has opened {times} times")
        return self

    def wait_said(self, count):
        """[type, ID, data] of all it has said, once that is so much."""
        wait_for(lambda: len(self.report()["said"]) >= count, f"{count} events")
        return self.report()["said"]

    def close(self):
        self.browser.execute_script("streams[arguments[0]].source.close()", self.name)


@pytest.fixture
def listen(browser, origin):
    made = []

    def make(system, path, types=()):
        made.append(EventSource(browser, origin, system, path, types))
        return made[-1].wait_open()

    yield make
    for source in made:
        source.close()


def messages(ids, payloads):
    return [["message", str(i), p] for i, p in zip(ids, payloads)]


def test_events_arrive_with_their_ids(start, listen):
    """What is published comes as message events, byte for byte, IDs in lastEventId."""
    system = start()
    source = listen(system, "a/b")
    payloads = ["plain", "", "two\nlines", " leading space", "trailing\n", "ünïcödé 🦆", "\n\n"]
    ids = [post(system.sse, "a/b", p.encode()) for p in payloads]
    assert source.wait_said(len(ids)) == messages(ids, payloads)


def test_it_reconnects_by_itself_and_misses_nothing(start, listen):
    """The gateway is killed three times, with events before, between and after."""
    system = start()
    source = listen(system, "a")
    ids, payloads = [], []
    for life in range(3):
        payloads += [f"{life} {n}" for n in range(50)]
        ids += post_batch(system.sse, "a", payloads[-50:])
        system.kill("sluice-sse")
        payloads.append(f"{life} while it is away")
        ids += flood(system.apps, "a", [payloads[-1].encode()])
        source.wait_open(life + 2)
    assert source.wait_said(len(ids)) == messages(ids, payloads)


def test_it_resumes_though_it_had_seen_no_event(start, listen):
    """The start block has an ID and no data: it fires nothing, but it is what the
    browser sends as Last-Event-ID."""
    system = start()
    post(system.sse, "quiet", b"before it came")
    source = listen(system, "quiet")
    wait_for(lambda: system.metric("sse", "sluice_subscriptions") == 1, "it is subscribed")
    wait_for(lambda: system.metric("sse", "sluice_sent_bytes_total") > 0, "it is placed")
    system.kill("sluice-sse")
    ids = flood(system.apps, "quiet", [b"while it is away"])
    assert source.wait_said(1) == messages(ids, ["while it is away"])
    assert source.report()["opened"] == 2


def test_it_does_not_notice_that_the_broker_is_killed(start, listen):
    """Its connection is the gateway's."""
    system = start()
    source = listen(system, "%23")
    ids = flood(system.apps, "a", [b"1"])
    system.kill("sluice-broker")
    ids.append(wait_for(lambda: try_post(system, "a", "2"), "the broker is back"))
    said = source.wait_said(2)
    assert [s[1] for s in said] == [str(i) for i in ids]
    assert [json.loads(s[2])["data"] for s in said] == ["1", "2"]
    assert source.report()["opened"] == 1


def try_post(system, topic, payload):
    status, body = request(system.sse, "POST", f"/events/{topic}", payload)
    return status == 201 and int(json.loads(body)["id"])


def test_named_events_reach_their_listeners(start, listen):
    """Sluice-Type is SSE's event:, in both forms; others do not hear it."""
    system = start()
    raw = listen(system, "a", ["tick", "tock"])
    wrapped = listen(system, "+", ["tick", "tock"])
    deaf = listen(system, "a")
    ids = [post(system.sse, "a", b"1", {"Sluice-Type": "tick"}),
           post(system.sse, "a", b"2", {"Sluice-Type": "tock"}),
           post(system.sse, "a", b"3")]
    expected = [["tick", str(ids[0])], ["tock", str(ids[1])], ["message", str(ids[2])]]
    assert [s[:2] for s in raw.wait_said(3)] == expected
    assert [s[2] for s in raw.wait_said(3)] == ["1", "2", "3"]
    assert [s[:2] for s in wrapped.wait_said(3)] == expected
    assert [json.loads(s[2])["type"] for s in wrapped.wait_said(3)[:2]] == ["tick", "tock"]
    assert deaf.wait_said(1) == messages(ids[2:], ["3"])


def test_a_payload_that_lines_cannot_carry_comes_as_json(start, listen):
    """event: sluice.json, with the bytes in base64."""
    system = start()
    source = listen(system, "a", ["sluice.json"])
    id_ = post(system.sse, "a", b"\xff\r\0")
    (type_, last, data), = source.wait_said(1)
    assert (type_, last) == ("sluice.json", str(id_))
    assert json.loads(data)["data_base64"] == "/w0A"


def test_a_gap_is_an_event_of_its_own(start, listen):
    """While it is away retention overtakes it: sluice.gap, then what is kept; the next
    reconnect resumes behind that, without a second notice."""
    system = start('[retention "few"]\nmax_events = 2\n')
    source = listen(system, "few", ["sluice.gap"])
    seen = post(system.sse, "few", b"seen")
    source.wait_said(1)
    with system.without("sluice-sse"):
        missed = flood(system.apps, "few", [b"%d" % n for n in range(100)])
        wait_for(lambda: system.metric("broker", "sluice_events_removed_total") == 99, "2 are kept")
    notice, *kept = source.wait_said(4)[1:]
    gap = json.loads(notice[2])
    assert notice[:2] == ["sluice.gap", gap["resumed_from"]]
    assert (gap["reason"], gap["requested"]) == ("expired", str(seen))
    assert gap["removed_to"] == str(missed[97])
    system.kill("sluice-sse")
    new = flood(system.apps, "few", [b"100"])
    assert source.wait_said(5)[2:] == messages(missed[98:] + new, ["98", "99", "100"])
    assert kept == messages(missed[98:], ["98", "99"])


def test_an_origin_that_is_not_allowed_gets_nothing(start, browser, origin):
    """CORS: the browser closes it for good."""
    system = start(allow="http://elsewhere.example")
    source = EventSource(browser, origin, system, "a")
    wait_for(lambda: source.report()["state"] == CLOSED, "it is refused")
    post(system.sse, "a", b"x")
    assert source.report() == {"said": [], "opened": 0, "failed": 1, "state": CLOSED}


def test_a_bad_request_ends_it(start, browser, origin):
    """400 is not retried: a topic name with a wildcard inside a level."""
    system = start()
    source = EventSource(browser, origin, system, "a%2Bb")
    wait_for(lambda: source.report()["state"] == CLOSED, "it is refused")


def test_publishing_from_the_page(start, listen, browser):
    """fetch() with CORS: a preflight for our headers, then 201 with the ID."""
    system = start()
    source = listen(system, "a", ["said"])
    answer = browser.execute_async_script(
        """const [url, done] = arguments;
        fetch(url, {method: 'POST', body: 'from the page', headers: {'Sluice-Type': 'said'}})
          .then(async (r) => done([r.status, await r.json()]), (e) => done(String(e)));""",
        f"http://127.0.0.1:{system.sse}/events/a")
    assert answer[0] == 201
    assert source.wait_said(1) == [["said", answer[1]["id"], "from the page"]]
