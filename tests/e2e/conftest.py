"""Fixtures of the WebSocket tests.

    def test_it(ws):         ws.connect("a/b") is open; ws.sluice is the system behind it
    def test_it(new_ws):     new_ws("[ws]\\ndeflate = off\\n"): the same, configured
"""

import pytest
from wslib import Door


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
