"""Fixtures of the WebSocket tests.

    def test_it(ws):         ws.connect("a/b") is open; ws.sluice is the system behind it
    def test_it(new_ws):     new_ws("[ws]\\ndeflate = off\\n"): the same, configured
"""

import pytest
from wslib import WebSocket, path_of


class Door:
    """The WebSocket gateway of a system, and what was opened at it."""

    def __init__(self, sluice):
        self.sluice = sluice
        self.opened = []

    def ask(self, name="", /, protocol=None, deflate=None, headers=(), rcvbuf=None, **params):
        """A handshake is sent."""
        c = WebSocket(self.sluice.port("ws"), path_of(name, **params), protocol, deflate,
                      headers, rcvbuf)
        self.opened.append(c)
        return c

    def connect(self, name="", /, **kw):
        """It is accepted; whoever starts subscribed under sluice.json has its ack."""
        c = self.ask(name, **kw).open()
        if (name or "topic" in kw) and kw.get("protocol") != "sluice.raw":
            ack = c.take("ack")
            assert ack["ref"] == "path", ack
            c.start = ack["id"]
        return c

    def close(self):
        for c in self.opened:
            c.raw.close()


@pytest.fixture
def new_ws(new_sluice):
    made = []

    def make(config="", gateways=("sse", "ws")):
        made.append(Door(new_sluice(config, gateways=gateways)))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def ws(new_ws):
    return new_ws()
