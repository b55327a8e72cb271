"""A page of elsewhere in a real browser, by its own name and by one that points here: it
writes nothing and reads nothing, whatever port it asks (DESIGN.md, 2.7)."""

import pytest
from sluicelib import ADMIN, PORTS, Sluice, wait_for

GATEWAYS = ("sse", "ws", "poll", "h2", "mqtt", "zmq")

# Everything that a page can do to a port; says what it could read.
ATTACK = """
const [base, sockets, done] = arguments;
const read = [], got = (what) => { if (what) read.push(what); };
const attempt = (path, options) => fetch(base + path, options).then(
  async (r) => { if (r.type != 'opaque' && r.status < 400) got(path + ': ' + await r.text()); },
  () => {});
const posts = ['/events/secret', '/events'].flatMap((path) => [
  attempt(path, {method: 'POST', mode: 'no-cors', body: '{"topic":"secret","data":1}\\n'}),
  attempt(path, {method: 'POST', mode: 'no-cors', body: new URLSearchParams({a: '1'})}),
  attempt(path, {method: 'POST', body: '{"topic":"secret","data":1}\\n',
                 headers: {'Content-Type': 'application/json', 'Sluice-Retain': '1'}})]);
const gets = ['/history/secret', '/topics', '/metrics', '/healthz', '/readyz',
              '/events/secret?after=0&wait=0s'].map((path) => attempt(path));
const image = new Promise((r) => {
  const i = new Image(); i.onload = i.onerror = r; i.src = base + '/history/secret'; });
const source = new Promise((r) => {
  const s = new EventSource(base + '/events/secret?after=0');
  s.onopen = () => { got('EventSource'); s.close(); r(); };
  s.onerror = () => { s.close(); r(); }; });
const socket = (path, protocol) => new Promise((r) => {
  const s = new WebSocket(base.replace('http', 'ws') + path, protocol);
  s.onopen = () => { got('WebSocket ' + path); s.close(); r(); };
  s.onerror = r; });
Promise.all([...posts, ...gets, attempt('/history/secret', {method: 'DELETE'}), image, source,
             ...sockets.map(([path, protocol]) => socket(path, protocol))])
  .then(() => done(read));
"""


# A browser makes WebSockets that fail wait, so only those that might not are tried.
SOCKETS = {"ws door": [["/events/secret", "sluice.json"]], "mqtt_ws door": [["/mqtt", "mqtt"]]}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    s = Sluice(tmp_path_factory.mktemp("gate"), gateways=GATEWAYS).start()
    s.publish("secret", b"words")
    yield s
    s.end()


def ports(s):
    return {f"{name} {kind}": s.base + offset for kind, table in (("door", PORTS), ("admin", ADMIN))
            for name, offset in table.items()}


def test_a_foreign_page(browser, origin, system):
    before = system.history("secret")["events"]
    browser.get(origin.replace("127.0.0.1", "evil.example") + "/page.html")
    for name, port in ports(system).items():
        for host in ("127.0.0.1", "rebound.example"):
            read = browser.execute_async_script(ATTACK, f"http://{host}:{port}",
                                                SOCKETS.get(name, []))
            assert read == [], (name, host)
    assert system.history("secret")["events"] == before
    assert [t["topic"] for t in system.request("GET", "/topics").json()["topics"]] == ["secret"]


def test_a_page_whose_name_points_here(browser, system):
    """Its origin is the gateway's very own, so nothing but the name can tell."""
    before = system.history("secret")["events"]
    for name, port in ports(system).items():
        if name in ("mqtt door", "zmq door"):
            continue  # no HTTP, no page
        browser.get(f"http://rebound.example:{port}/topics")
        assert "words" not in browser.page_source
        read = browser.execute_async_script(ATTACK, f"http://rebound.example:{port}",
                                            SOCKETS.get(name, []))
        assert read == [], name
    assert system.history("secret")["events"] == before


def test_a_page_that_is_allowed(browser, origin, new_sluice):
    """By a pattern, with credentials: fetch, and an EventSource that resumes."""
    page = origin.replace("127.0.0.1", "app.good.example")
    pattern = origin.replace("127.0.0.1", "*.good.example")
    s = new_sluice(f"[sse]\nallow_origin = {pattern}\nallow_credentials = on\nretry = 100ms\n")
    base = f"http://127.0.0.1:{s.port()}"
    browser.get(page + "/page.html")
    answer = browser.execute_async_script(
        """const [base, done] = arguments;
        fetch(base + '/events/a', {method: 'POST', body: 'x', credentials: 'include', headers: {
            'Authorization': 'Bearer x', 'Cache-Control': 'no-cache', 'Sluice-Type': 'said',
            'traceparent': '00-00000000000000000000000000000001-0000000000000001-00'}})
          .then(async (r) => done([r.status, await r.json()]), (e) => done(String(e)));""", base)
    assert answer[0] == 201
    browser.execute_script(
        """window.said = [];
        window.source = new EventSource(arguments[0], {withCredentials: true});
        source.addEventListener('said', (e) => said.push(e.lastEventId));""",
        base + "/events/a?after=0")
    wait_for(lambda: browser.execute_script("return said") == [answer[1]["id"]], "it is said")
    s.sse.restart()
    again = s.publish("a", b"y", Sluice_Type="said")
    wait_for(lambda: browser.execute_script("return said") == [answer[1]["id"], again], "it is back")
    browser.execute_script("source.close()")
