import contextlib

import pytest

from faultlib import Subscriber, System


@pytest.fixture
def start(tmp_path):
    """start("[limits]\\nring = 1M\\n") runs a whole system until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda config="": stack.enter_context(System(tmp_path, config)).wait_ready()


@pytest.fixture
def subscribe():
    """subscribe(port, path, …) makes a Subscriber that the test's end closes."""
    made = []

    def make(*args, **kw):
        made.append(Subscriber(*args, **kw))
        return made[-1].wait_connected()
    yield make
    for s in made:
        s.close()
