"""History, topics and deletion over HTTP."""

import json

import pytest
from sluicelib import wait_for

NDJSON = {"Accept": "application/x-ndjson"}


def ids_of(page):
    return [e["id"] for e in page["events"]]


def test_a_page_and_the_one_after_it(sluice):
    ids = sluice.fill("a", 250)
    first = sluice.history("a", after=0)
    assert ids_of(first) == ids[:100]
    second = sluice.history("a", after=first["next"], limit=1000)
    assert ids_of(second) == ids[100:]
    assert ids_of(sluice.history("a", after=second["next"])) == []


def test_a_page_of_more_than_the_broker_gives_at_once(sluice):
    ids = sluice.fill("a", 1200)
    page = sluice.history("a", limit=1000)
    assert ids_of(page) == ids[:1000] and page["next"] == ids[999]


def test_next_of_the_last_page_goes_on_with_what_comes(sluice):
    sluice.fill("a", 3)
    last = sluice.history("a", after=0)
    new = sluice.publish("a", "new")
    assert ids_of(sluice.history("a", after=last["next"])) == [new]


def test_descending_pages_end_without_next(sluice):
    ids = sluice.fill("a", 5)[::-1]
    first = sluice.history("a", order="desc", limit=3)
    assert ids_of(first) == ids[:3]
    second = sluice.history("a", order="desc", limit=3, after=first["next"])
    assert ids_of(second) == ids[3:] and "next" not in second


def test_until_an_id_is_inclusive(sluice):
    ids = sluice.fill("a", 5)
    assert ids_of(sluice.history("a", until=ids[2])) == ids[:3]
    assert ids_of(sluice.history("a", until=ids[2], order="desc")) == ids[2::-1]


def test_since_and_until_are_times_too(sluice):
    ids = sluice.fill("a", 3)
    assert ids_of(sluice.history("a", since="1h")) == ids
    assert ids_of(sluice.history("a", since="1h", order="desc")) == ids[::-1]
    assert ids_of(sluice.history("a", until="2020-01-01T00:00:00Z")) == []
    assert ids_of(sluice.history("a", until="0s")) == ids


def test_last_n(sluice):
    ids = sluice.fill("a", 5)
    assert ids_of(sluice.history("a", last=2)) == ids[3:]


def test_a_filter_reads_many_topics_in_one_order(sluice):
    ids = sluice.batch([{"topic": f"a/{n % 3}", "data": n} for n in range(9)])
    assert ids_of(sluice.history("a/#")) == ids
    assert ids_of(sluice.history("a/1", topic="a/2")) == [i for n, i in enumerate(ids) if n % 3]


def test_what_the_cursor_lost_is_told(sluice):
    ids = sluice.fill("a", 3)
    assert sluice.request("DELETE", "/history/a").json()["removed_to"] == ids[-1]
    page = sluice.history("a", after=ids[0])
    assert page["events"] == [] and page["gap"]["reason"] == "deleted"
    assert page["gap"]["requested"] == ids[0] and page["gap"]["removed_to"] == ids[-1]
    assert "gap" not in sluice.history("a", after=0)
    r = sluice.request("GET", "/history/a", params={"after": ids[0], "on_gap": "fail"})
    assert r.status_code == 410 and r.json()["gap"]["reason"] == "deleted"


def test_a_future_cursor_is_told(sluice):
    ids = sluice.fill("a", 1)
    page = sluice.history("a", after=int(ids[0]) + 2**40)
    assert page["gap"]["reason"] == "future" and int(page["next"]) >= int(ids[0])


def lines_of(sluice, name, **params):
    r = sluice.request("GET", f"/history/{name}", params=params, headers=NDJSON)
    assert r.status_code == 200 and r.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in r.text.splitlines()]


def test_ndjson_is_the_whole_range_and_how_far_it_goes(sluice):
    ids = sluice.fill("a", 1200)
    lines = lines_of(sluice, "a")
    assert [e["id"] for e in lines[:-1]] == ids
    assert int(lines[-1]["upto"]) >= int(ids[-1])
    assert lines_of(sluice, "a", after=lines[-1]["upto"]) == [lines[-1]]


def test_ndjson_within_limits(sluice):
    ids = sluice.fill("a", 1200)
    assert [e.get("id") for e in lines_of(sluice, "a", after=ids[4], limit=600)] == \
        ids[5:605] + [None]
    assert lines_of(sluice, "a", limit=3)[-1] == {"upto": ids[2]}
    assert [e.get("id") for e in lines_of(sluice, "a", until=ids[700])] == ids[:701] + [None]
    assert lines_of(sluice, "a", until="1h") == [{"upto": str(int(ids[0]) - 1)}]


def test_ndjson_downwards_has_no_position(sluice):
    ids = sluice.fill("a", 1200)
    assert [e["id"] for e in lines_of(sluice, "a", order="desc")] == ids[::-1]
    assert [e["id"] for e in lines_of(sluice, "a", order="desc", limit=700)] == ids[:499:-1]


def test_ndjson_tells_what_is_gone(sluice):
    ids = sluice.fill("a", 3)
    sluice.request("DELETE", "/history/a")
    new = sluice.publish("a", "new")
    gap, event, end = lines_of(sluice, "a", after=ids[0])
    assert gap["gap"]["removed_to"] == ids[-1] and event["id"] == new and end["upto"] >= new
    assert "gap" not in lines_of(sluice, "a")[0]
    r = sluice.request("GET", "/history/a", params={"after": ids[0], "on_gap": "fail"},
                       headers=NDJSON)
    assert r.status_code == 410


def test_head_of_ndjson_has_no_body(sluice):
    r = sluice.request("HEAD", "/history/a", headers=NDJSON)
    assert r.status_code == 200 and r.headers["Content-Type"] == "application/x-ndjson"


def test_a_range_is_not_held_in_memory(new_sluice):
    """20 MB to a client that reads them only later; the gateway holds a page at most."""
    s = new_sluice("[limits]\nring = 64k\n")
    ids = s.fill("a", 20000, lambda n: "x" * 1000)
    before = s.sse.memory()
    with s.raw() as c:
        c.send(b"GET /history/a HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
        status, headers = c.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        wait_for(lambda: s.metrics()["sluice_sent_bytes_total"] > 1e6, "the socket is full")
        assert s.sse.memory() - before < 4 * 1024 * 1024
        got = [json.loads(line)["id"] for line in c.rest().split(b"\r\n") if b'"id"' in line]
    assert got == ids


def test_what_is_removed_under_a_reader_is_told(new_sluice):
    """The reader stalls in mid-range; by the time it reads on, all that follows is deleted."""
    s = new_sluice()
    ids = s.fill("a", 20000, lambda n: "x" * 1000)
    with s.raw() as c:
        c.send(b"GET /history/a HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
        c.head()
        wait_for(lambda: s.metrics()["sluice_sent_bytes_total"] > 1e6, "the socket is full")
        s.request("DELETE", "/history/a")
        lines = [json.loads(line) for line in c.rest().split(b"\r\n") if line.startswith(b"{")]
    at = next(n for n, line in enumerate(lines) if "gap" in line)
    assert [e["id"] for e in lines[:at]] == ids[:at] and 0 < at < len(ids)
    gaps = [line["gap"] for line in lines if "gap" in line]  # deleting goes in steps
    assert gaps[0]["requested"] == ids[at - 1] and gaps[-1]["removed_to"] == ids[-1]
    assert int(lines[-1]["upto"]) >= int(ids[-1])


def test_one_event(sluice):
    event_id = sluice.publish("a", "x", Sluice_Type="t")
    r = sluice.request("GET", "/history", params={"id": event_id})
    assert r.status_code == 200
    assert (r.json()["id"], r.json()["topic"], r.json()["type"]) == (event_id, "a", "t")


def test_one_event_that_is_not_there(sluice):
    r = sluice.request("GET", "/history", params={"id": "1"})
    assert r.status_code == 404 and r.json()["code"] == "not_found"


def test_topics_are_listed(sluice):
    a, b = sluice.fill("a", 3), sluice.fill("b/c", 2)
    topics = sluice.request("GET", "/topics").json()["topics"]
    assert [(t["topic"], t["head"], t["oldest"], t["events"]) for t in topics] == [
        ("a", a[-1], a[0], 3), ("b/c", b[-1], b[0], 2)]
    assert all(t["bytes"] > 0 for t in topics)


def test_topics_by_filter_and_by_page(sluice):
    sluice.batch([{"topic": f"t/{n}", "data": n} for n in range(5)] + [{"topic": "x"}])

    def names(**params):
        page = sluice.request("GET", "/topics", params=params).json()
        return [t["topic"] for t in page["topics"]], page.get("next")

    assert names(filter="t/#", limit=3) == (["t/0", "t/1", "t/2"], "t/2")
    assert names(filter="t/#", limit=3, after="t/2") == (["t/3", "t/4"], None)


@pytest.mark.parametrize("path,params,field", [
    ("/history/a", {"limit": "0"}, "limit"),
    ("/history/a", {"limit": "1001"}, "limit"),
    ("/history/a", {"limit": "x"}, "limit"),
    ("/history/a", {"order": "up"}, "order"),
    ("/history/a", {"until": "soon"}, "until"),
    ("/history/a", {"after": "x"}, "after"),
    ("/history/a", {"since": "x"}, "since"),
    ("/history/a%23", {}, "topic"),
    ("/history", {}, "id"),
    ("/history", {"id": "x"}, "id"),
    ("/topics", {"filter": "a/#/b"}, "filter"),
    ("/topics", {"limit": "-1"}, "limit"),
])
def test_a_bad_parameter_is_named(sluice, path, params, field):
    r = sluice.request("GET", path, params=params)
    assert r.status_code == 400 and r.json()["field"] == field


def test_history_without_a_broker_is_503(new_sluice):
    s = new_sluice("[limits]\npublish_timeout = 500ms\n")
    s.broker.kill()
    r = s.request("GET", "/history/a")
    assert r.status_code == 503 and r.headers["Retry-After"]


def test_deleting_empties_a_topic_everywhere(sluice):
    stream = sluice.stream("a")
    start = stream.started().id
    ids = sluice.fill("a", 3)
    stream.events(3)
    assert sluice.request("DELETE", "/history/a").status_code == 200
    assert sluice.history("a", after=0)["events"] == []
    again = sluice.stream("a", {"Last-Event-ID": start})
    assert again.next("gap", "event").json()["removed_to"] == ids[-1]


def test_deleting_wants_one_topic(sluice):
    assert sluice.request("DELETE", "/history/a/%23").status_code == 400
