"""How a page says who its reader is: Authorization across origins, access_token, a cookie."""

import json
import time

import pytest
from authlib import Auth, token
from sluicelib import Sluice

ASK = """
const [url, options, done] = arguments;
fetch(url, options).then(
  async (r) => done([r.status, r.headers.get('WWW-Authenticate') || '', await r.text()]),
  () => done(null));
"""

# Says all until the stream says sluice.expired, or fails, or `count` events have come.
FOLLOW = """
const [url, options, count, done] = arguments;
const source = new EventSource(url, options), said = [];
const end = (how) => { source.close(); done([how, said]); };
source.onmessage = (e) => { said.push([e.lastEventId, e.data]); if (said.length == count) end(''); };
source.addEventListener('sluice.expired', (e) => end(JSON.parse(e.data)));
source.onerror = () => { if (source.readyState == 2) end('failed'); };
"""


@pytest.fixture
def system(tmp_path, origin):
    made = []

    def make(more="", section=""):
        auth = Auth(tmp_path, more=f"leeway = 0s\n{more}",
                    rest=f"[sse]\nallow_origin = {origin}\n{section}")
        made.append(Sluice(tmp_path / str(len(made)), auth.config()).start())
        return made[-1]

    yield make
    for s in made:
        s.end()


@pytest.fixture
def page(browser, origin):
    browser.get(f"{origin}/page.html")
    yield browser
    browser.delete_all_cookies()


def ask(page, url, token=None, **options):
    if token:
        options["headers"] = {**options.get("headers", {}), "Authorization": f"Bearer {token}"}
    return page.execute_async_script(ASK, url, options)


def test_a_page_of_another_origin_sends_authorization(system, page):
    s = system()
    alice = token("alice", publish=["a/#"], subscribe=["a/#"])
    status, _, text = ask(page, s.url("/events/a/b"), alice, method="POST", body="hello",
                          headers={"Content-Type": "text/plain"})
    assert status == 201
    event = json.loads(text)["id"]
    status, _, text = ask(page, s.url("/history", id=event), alice)
    assert status == 200 and json.loads(text)["data"] == "hello"
    status, _, text = ask(page, s.url("/events/b"), alice, method="POST", body="x")
    assert status == 403 and json.loads(text)["verb"] == "publish"
    status, challenge, text = ask(page, s.url("/events/a"), token("alice", key=b"z" * 40),
                                  method="POST", body="x")
    assert status == 401 and "invalid_token" in challenge
    assert json.loads(text)["code"] == "unauthorized"
    assert ask(page, s.url("/topics"))[0] == 401


def test_an_event_source_has_its_token_in_the_query_and_goes_on_with_the_next(system, page):
    s = system()
    boss = Auth.bearer("boss", publish=["#"])
    ids = [s.publish("a", str(n).encode(), **boss) for n in range(5)]
    short = token("t", ttl=None, claims={"exp": time.time() + 1.5}, subscribe=["a"])
    how, said = page.execute_async_script(FOLLOW, s.url("/events/a", after=0, access_token=short),
                                          {}, 99)
    assert how["reason"] == "expired" and how["position"]
    assert said == [[i, str(n)] for n, i in enumerate(ids)]
    ids = [s.publish("a", str(n).encode(), **boss) for n in range(5, 9)]
    url = s.url("/events/a", access_token=token("t", subscribe=["a"]), lastEventId=how["position"])
    how, said = page.execute_async_script(FOLLOW, url, {}, 4)
    assert said == [[i, str(n)] for n, i in enumerate(ids, 5)]
    assert page.execute_async_script(FOLLOW, s.url("/events/a", access_token=short), {}, 1) == [
        "failed", []]


def test_a_cookie_counts_where_its_page_may_send_one(system, page):
    s = system("cookie = sid", "allow_credentials = on")
    boss = Auth.bearer("boss", publish=["#"])
    sent = s.publish("a", b"1", **boss)
    with_cookie = {"credentials": "include"}
    assert ask(page, s.url("/history/a"), **with_cookie)[0] == 401
    page.add_cookie({"name": "sid", "value": token("alice", subscribe=["a"], publish=["a"])})
    assert ask(page, s.url("/history/a"))[0] == 401  # a page that does not send it along
    status, _, text = ask(page, s.url("/history/a"), **with_cookie)
    assert status == 200 and json.loads(text)["events"][0]["id"] == sent
    url = s.url("/events/a", after=0)
    assert page.execute_async_script(FOLLOW, url, {"withCredentials": True}, 1) == ["", [[sent, "1"]]]
    assert page.execute_async_script(FOLLOW, url, {}, 1) == ["failed", []]
    assert ask(page, s.url("/events/a"), method="POST", body="x", **with_cookie)[0] == 201


def test_elsewhere_a_cookie_is_not_looked_at(system, page):
    """A page that may call, but not with credentials: what it sends along does nothing."""
    s = system("cookie = sid")
    page.add_cookie({"name": "sid", "value": token("alice", subscribe=["a"], publish=["a"])})
    ask(page, s.url("/events/a"), method="POST", body="x", mode="no-cors", credentials="include")
    boss = Auth.bearer("boss", subscribe=["#"])
    assert s.history("a", headers=boss)["events"] == []
    page.get(s.url("/nowhere"))  # of its own origin it counts
    page.add_cookie({"name": "sid", "value": token("alice", subscribe=["a"], publish=["a"])})
    assert ask(page, s.url("/events/a"), method="POST", body="x")[0] == 201
