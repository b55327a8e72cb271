"""A real mosquitto as a bridge, with its defaults: both ways, and without a loop."""

import contextlib
import shutil
import socket
import subprocess

import pytest
from identitylib import PASSWORD, Identities
from mqttlib import PUBLISH, V3, V5, Client
from sluicelib import is_free, wait_for

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
versions = pytest.mark.parametrize("protocol", [None, "mqttv31", "mqttv311", "mqttv50"])


def free_port():
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if is_free(port):
            return port


@contextlib.contextmanager
def bridged(mqtt, folder, protocol=None, *more, topic="topic # both 1",
            logged="Received SUBACK"):
    """mosquitto with a bridge to the gateway; its port.  more: lines of the bridge's."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([
        f"listener {port} 127.0.0.1", "allow_anonymous true", "connection to-sluice",
        f"address 127.0.0.1:{mqtt.sluice.port('mqtt')}", topic, "restart_timeout 1", *more,
        *([f"bridge_protocol_version {protocol}"] if protocol else []), ""]))
    with open(folder / "mosquitto.log", "wb") as log:
        p = subprocess.Popen([MOSQUITTO, "-v", "-c", config], stdout=log, stderr=log,
                             stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: logged in (folder / "mosquitto.log").read_text(), logged)
        yield port
    finally:
        p.terminate()
        p.wait()


@versions
def test_both_ways(mqtt, tmp_path, protocol):
    ours = mqtt.connect("ours", V5)
    ours.subscribed("there/#", qos=1)
    ours.subscribed("$SYS/broker/connection/#")
    with bridged(mqtt, tmp_path, protocol) as port:
        theirs = Client(port, V3)
        theirs.connect("theirs")
        theirs.subscribed("here/#", qos=1)
        for n in range(10):
            theirs.publish("there/x", f"{n}", retain=n == 9)
            mqtt.publish("here/x", f"{n}")
        assert theirs.payloads(10) == [f"{n}" for n in range(10)]
        assert ours.payloads(10) == [f"{n}" for n in range(10)]
        # Once each: nothing goes round.
        theirs.publish("there/end", b"")
        mqtt.publish("here/end", b"")
        assert (theirs.message().topic, ours.message().topic) == ("here/end", "there/end")
        for c in (theirs, ours):
            c.ping()
            assert not [p for p in c.kept if p.kind == PUBLISH]
        # Retained there, retained here.
        late = mqtt.connect("late", V5)
        late.subscribed("there/x", qos=1)
        assert late.message().said == ("there/x", b"9", 1, True)
        mqtt.publish("here/kept", b"kept", **{"Sluice-Retain": "1"})
        assert theirs.message().topic == "here/kept"
        later = Client(port, V3)
        later.connect("later")
        later.subscribed("here/kept", qos=1)
        assert later.message().said == ("here/kept", b"kept", 1, True)
        for c in (theirs, later):
            c.close()


def test_it_comes_back_to_what_it_missed(mqtt, tmp_path):
    """clean_session is false with bridges."""
    with bridged(mqtt, tmp_path):
        pass
    for n in range(5):
        mqtt.publish("here/missed", f"{n}")
    with bridged(mqtt, tmp_path) as port:
        c = Client(port, V3)
        c.connect("c")
        c.subscribed("here/#", qos=1)
        seen = wait_for(lambda: [n for n in range(5) if "'here/missed'" in
                                 (tmp_path / "mosquitto.log").read_text()], "what it missed")
        assert seen
        c.close()


@pytest.mark.parametrize("protocol", ["mqttv311", "mqttv50"])
def test_a_bridge_is_a_user(new_mqtt, tmp_path, protocol):
    """remote_username and remote_password; what it may not subscribe to is refused alone."""
    ids = Identities(tmp_path / "ids")
    ids.roles = {"bridge": {"publish": ["there/#"], "subscribe": ["here/#"]},
                 "all": {"publish": ["#"], "subscribe": ["#"]}}
    ids.user("bridge", "bridge")
    ids.user("root", "all")
    mqtt = new_mqtt(ids.config(), gateways=("mqtt",))
    ours = mqtt.connect("ours", V5, user="root", password=PASSWORD)
    ours.subscribed("there/#", qos=1)
    login = ("remote_username bridge", f"remote_password {PASSWORD}",
             "topic secret/# in 1", "topic there/# out 1")
    with bridged(mqtt, tmp_path, protocol, *login, topic="topic here/# in 1") as port:
        theirs = Client(port, V3)
        theirs.connect("theirs")
        theirs.subscribed("#", qos=1)
        ours.publish("secret/x", "no")
        ours.publish("here/x", "yes")
        assert theirs.message().payload == b"yes"
        theirs.publish("there/x", "out")
        assert ours.message().payload == b"out"
        theirs.close()


def test_a_bridge_with_a_wrong_password_stays_outside(new_mqtt, tmp_path):
    ids = Identities(tmp_path / "ids")
    ids.user("bridge")
    mqtt = new_mqtt(ids.config(), gateways=("mqtt",))
    login = ("remote_username bridge", "remote_password wrong")
    with bridged(mqtt, tmp_path, None, *login, logged="Connection Refused"):
        assert mqtt.sluice.metrics("mqtt")["sluice_mqtt_connects_refused_total"] >= 1
