"""A real browser over HTTP/2 and TLS: EventSource, streams of fetch and WebSocket, all on
one connection, more of them than HTTP/1.1 would let a page have."""

import base64
import hashlib
import subprocess

import pytest
from selenium import webdriver

import tlslib
from chromium_flags import FLAGS
from faultlib import TIMEOUT, metric, wait_for
from sluicelib import ADMIN, PORTS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return tlslib.Authority(tmp_path_factory.mktemp("authority")).server()


def fingerprint(certificate):
    """Of its key, as Chromium is told to trust it."""
    key = tlslib.openssl("x509", "-in", certificate[0], "-pubkey", "-noout").stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, check=True,
                         capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture(scope="module")
def browser(tmp_path_factory, certificate):
    """It trusts the one certificate."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
                 f"--ignore-certificate-errors-spki-list={fingerprint(certificate)}"]:
        options.add_argument(flag)
    service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.set_script_timeout(TIMEOUT)
        yield driver


class Page:
    def __init__(self, browser, origin, system):
        self.browser = browser
        self.port = system.port(PORTS["h2"])
        self.admin = system.port(ADMIN["h2"])
        browser.get(f"{origin}/h2.html")

    def url(self, path, scheme="https"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def call(self, function, *args):
        return self.browser.execute_script(f"return {function}(...arguments)", *args)

    def report(self, name):
        return self.call("report", name)

    def wait_open(self, name, times=1):
        wait_for(lambda: self.report(name)["opened"] >= times, f"{name} is open")

    def wait_said(self, name, count):
        wait_for(lambda: len(self.report(name)["said"]) >= count,
                 lambda: f"{count} of {name}: {self.report(name)}")
        return self.report(name)["said"]

    def publish(self, topic, payload):
        status, answer = self.call("publish", self.url(f"/events/{topic}"), payload)
        assert status == 201, answer
        return answer["id"]

    def metric(self, name):
        return metric(self.admin, name)


@pytest.fixture
def page(browser, origin, start, certificate):
    system = start("tls = off\n[h2]\nretry = 200ms\nallow_origin = " + origin + "\n"
                   + tlslib.section(certificate))
    page = Page(browser, origin, system)
    page.system = system
    yield page
    page.call("closeAll")


def test_an_eventsource(page):
    page.call("listen", "s", page.url("/events/a"))
    page.wait_open("s")
    ids = [page.publish("a", f"event {n}") for n in range(5)]
    assert page.wait_said("s", 5) == [[i, f"event {n}"] for n, i in enumerate(ids)]


def test_more_streams_than_http_1_would_let_a_page_have(page):
    for n in range(30):
        page.call("listen", f"s{n}", page.url("/events/a"))
    for n in range(30):
        page.wait_open(f"s{n}")
    id_ = page.publish("a", "for all")
    for n in range(30):
        assert page.wait_said(f"s{n}", 1) == [[id_, "for all"]]
    assert page.metric("sluice_connections") <= 2  # requests with credentials, and without


def test_a_stream_of_fetch(page):
    ids = [page.publish("a", "before")]
    page.browser.execute_script("read(...arguments)", "f", page.url("/events/a?after=0"))
    page.wait_open("f")
    ids.append(page.publish("a", "after"))
    said = page.wait_said("f", 3)
    assert [e["id"] for e in said if "id" in e] == ids


def test_a_websocket_on_the_same_connection(page):
    """Chromium has one for requests with credentials, which a WebSocket's are."""
    page.browser.execute_async_script(
        "fetch(arguments[0], {mode: 'no-cors', credentials: 'include'}).then(arguments[1])",
        page.url("/topics"))
    before = page.metric("sluice_connections_total")
    page.call("connect", "w", page.url("/events/a", "wss"))
    page.wait_open("w")
    assert page.metric("sluice_connections_total") == before
    id_ = page.publish("a", "hello")
    assert [(m["op"], m.get("id")) for m in page.wait_said("w", 2)][1] == ("event", id_)


def test_it_comes_back_by_itself_and_misses_nothing(page):
    page.call("listen", "s", page.url("/events/a"))
    page.wait_open("s")
    ids = [page.publish("a", "before")]
    page.wait_said("s", 1)
    page.system.kill_and_wait("sluice-h2")
    ids += [page.publish("a", "while it was away"), page.publish("a", "after")]
    page.wait_open("s", 2)
    assert [i for i, _ in page.wait_said("s", 3)] == ids
