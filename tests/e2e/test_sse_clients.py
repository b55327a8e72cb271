"""Libraries for server-sent events, as applications use them: they take an ID from an event
that they dispatch and from nothing else, and one calls for every block."""

import os
import pathlib
import queue
import subprocess
import threading

import pytest
from sluicelib import TIMEOUT, wait_for

LIBRARIES = {"eventsource": "3", "launchdarkly-eventsource": "2", "event-source-polyfill": "1",
             "@microsoft/fetch-event-source": "2", "eventsource-client": "1"}
CLIENT = pathlib.Path(__file__).with_name("sse_client.js")


class Client:
    def __init__(self, library, url, modules):
        self.node = subprocess.Popen(["node", CLIENT, library, url], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     env={**os.environ, "NODE_PATH": modules})
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.node.stdout:
            self.lines.put(line.rstrip("\n"))

    def says(self):
        return self.lines.get(timeout=TIMEOUT)

    def close(self):
        self.node.stdin.close()
        self.node.wait(TIMEOUT)


@pytest.fixture
def follow(npm):
    made = []

    def make(library, url):
        npm(f"{library}@{LIBRARIES[library]}")
        modules = npm(f"eventsource@{LIBRARIES['eventsource']}")
        made.append(Client(library, url, modules))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("library", LIBRARIES)
def test_it_resumes_exactly_though_it_saw_no_event(new_sluice, follow, library):
    """Cut behind the opening; what is published meanwhile comes, once, in order."""
    s = new_sluice("[sse]\nretry = 100ms\n", gateways=("sse", "poll"))
    client = follow(library, s.url("/events/a"))
    assert client.says() == "open"
    s.wait_metric("sluice_subscriptions", 1)
    s.sse.kill()
    ids = [s.publish("a", f"{n}", gateway="poll") for n in range(3)]
    s.sse.start()
    said = []
    while len(said) < 3:
        if (line := client.says()) != "open":
            said.append(line)
    assert said == [f"{id_} {n}" for n, id_ in enumerate(ids)]
    last = s.publish("a", "last")
    assert client.says() == f"{last} last"


def test_keep_alives_and_positions_do_not_make_it_come_back(new_sluice, follow):
    """fetch-event-source called onmessage for what had no data."""
    s = new_sluice("[sse]\nkeepalive = 100ms\n")
    client = follow("@microsoft/fetch-event-source", s.url("/events/a"))
    assert client.says() == "open"
    s.wait_metric("sluice_subscriptions", 1)
    before = s.metrics()["sluice_sent_bytes_total"]
    s.publish("elsewhere", b"x")
    wait_for(lambda: s.metrics()["sluice_sent_bytes_total"] > before + 100, "keep-alives are sent")
    last = s.publish("a", "x")
    assert client.says() == f"{last} x"
    assert s.metrics()["sluice_connections_total"] <= 3
