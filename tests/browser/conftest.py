"""A headless Chromium, a page on an origin of its own, and systems that let it in."""

import contextlib
import http.server
import pathlib
import sys
import threading

import pytest
from selenium import webdriver

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "faults"))
sys.path.insert(0, str(HERE.parent / "e2e"))

from chromium_flags import FLAGS  # noqa: E402
from faultlib import TIMEOUT, System  # noqa: E402


class Page(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=HERE)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def origin():
    """Where the pages of this folder are served."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.set_script_timeout(TIMEOUT)
        yield driver


@pytest.fixture
def start(tmp_path, origin):
    """start() runs a whole system whose SSE gateway the page's origin may call."""
    with contextlib.ExitStack() as stack:
        yield lambda config="", allow=origin: stack.enter_context(System(
            tmp_path, f"[sse]\nallow_origin = {allow}\nretry = 200ms\n{config}")).wait_ready()
