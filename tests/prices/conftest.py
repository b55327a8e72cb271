"""One system for all rows."""

import pytest
import sluicelib


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    s = sluicelib.Sluice(tmp_path_factory.mktemp("prices"),
                         gateways=("sse", "ws", "poll", "h2", "mqtt", "zmq")).start()
    yield s
    s.end()
