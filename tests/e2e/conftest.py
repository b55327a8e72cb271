"""Fixtures of the WebSocket and MQTT tests.

    def test_it(ws):         ws.connect("a/b") is open; ws.sluice is the system behind it
    def test_it(new_ws):     new_ws("[ws]\\ndeflate = off\\n"): the same, configured
    def test_it(mqtt):       mqtt.connect("name") is connected; broker, SSE and MQTT gateway
    def test_it(mqtt2):      the same with a second MQTT gateway, "mqtt-2"
    def test_it(new_mqtt):   new_mqtt("[mqtt]\\nmax_qos = 1\\n"): the same, configured
    def test_it(one_mqtt):   a door to a system that a worker's tests share
    def test_it(npm):        npm("ws@8") is a NODE_PATH with that package in it
"""

import fcntl
import pathlib
import shutil
import subprocess

import mqttlib
import pytest
from sluicelib import BIN, Sluice
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


@pytest.fixture
def new_mqtt(new_sluice):
    made = []

    def make(config="", gateways=("sse", "mqtt")):
        made.append(mqttlib.Door(new_sluice(config, gateways=gateways)))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def mqtt(new_mqtt):
    return new_mqtt()


@pytest.fixture
def mqtt2(new_mqtt):
    return new_mqtt(gateways=("sse", "mqtt", "mqtt-2"))


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory):
    """For one_mqtt: the system that runs, in a list that is emptied when one has died."""
    running = []

    def get():
        if not running:
            folder = tmp_path_factory.mktemp("shared")
            running.append(Sluice(folder, gateways=("sse", "mqtt", "mqtt-2")).start())
        return running

    yield get
    for s in running:
        s.end()


@pytest.fixture
def one_mqtt(shared_system):
    running = shared_system()
    door = mqttlib.Door(running[0])
    yield door
    door.close()
    if not all(p.running() for p in door.sluice.processes.values()):
        running.pop().end()


@pytest.fixture(scope="session")
def npm():
    """Packages are installed once, into the build folder."""
    if shutil.which("npm") is None:
        pytest.fail("npm is missing: run deploy/install-deps.sh test")
    node = pathlib.Path(BIN).resolve().parent / "node"
    node.mkdir(parents=True, exist_ok=True)

    def get(package):
        with open(node / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (node / "node_modules" / package.rsplit("@", 1)[0]).is_dir():
                done = subprocess.run(
                    ["npm", "install", "--prefix", node, "--no-audit", "--no-fund", package],
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
                if done.returncode != 0:
                    pytest.skip(f"npm's registry cannot be reached: {done.stdout[-300:]}")
        return str(node / "node_modules")

    yield get
