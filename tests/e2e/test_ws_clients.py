"""Clients that others wrote: Debian's python3-websockets and npm's ws, under both
subprotocols, with and without compression."""

import asyncio
import json
import os
import pathlib
import subprocess

import pytest
import websockets
from sluicelib import TIMEOUT
from wslib import path_of

TEXTS = ["", "a", "ünïcödé 🦆", "x" * 125, "y" * 70000, "z" * (1 << 20)]

compressed = pytest.mark.parametrize("compression", [None, "deflate"])
BOTH = ("sluice.json", "sluice.raw")


# --- python3-websockets

def run(door, name, scenario, protocol, compression):
    """Runs scenario(connection) on a connection of the library's."""
    async def main():
        url = f"ws://127.0.0.1:{door.sluice.port('ws')}{path_of(name)}"
        async with websockets.connect(url, subprotocols=[protocol], compression=compression,
                                      max_size=None) as c:
            assert c.subprotocol == protocol
            assert bool(c.extensions) == (compression is not None)
            await asyncio.wait_for(scenario(c), TIMEOUT)
        return c.close_code
    assert asyncio.run(main()) == 1000


@compressed
def test_python_speaks_sluice_json(ws, compression):
    async def scenario(c):
        async def take(op):
            message = json.loads(await c.recv())
            assert message["op"] == op, message
            return message

        assert (await take("ack"))["ref"] == "path"
        for n, text in enumerate(TEXTS):
            await c.send(json.dumps({"op": "publish", "ref": n, "topic": "py", "data": text}))
            pair = [json.loads(await c.recv()), json.loads(await c.recv())]
            ack, event = sorted(pair, key=lambda m: m["op"])
            assert (ack["ref"], ack["id"]) == (n, event["id"])
            assert (event["data"], event["subs"]) == (text, ["path"])
        await c.send(json.dumps({"op": "subscribe", "ref": "again", "topic": "+", "after": 0}))
        assert (await take("ack"))["ref"] == "again"
        for text in TEXTS:
            event = await take("event")
            assert (event["data"], event["subs"]) == (text, ["again"])
        await (await c.ping())
    run(ws, "py", scenario, "sluice.json", compression)


@compressed
def test_python_speaks_sluice_raw(ws, compression):
    async def scenario(c):
        for text in TEXTS:
            for message in (text, text.encode()):
                await c.send(message)
                assert await c.recv() == message
        await c.send([b"in ", b"three ", b"fragments"])
        assert await c.recv() == b"in three fragments"
    run(ws, "py", scenario, "sluice.raw", compression)


@compressed
def test_python_sees_close_codes(ws, compression):
    async def scenario(c):
        await c.send(b"binary is not for sluice.json")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await c.recv()
        assert closed.value.rcvd.code == 1003
    with pytest.raises(AssertionError, match="1003"):
        run(ws, "py", scenario, "sluice.json", compression)


# --- npm's ws

@compressed
@pytest.mark.parametrize("protocol", BOTH)
def test_npm_ws_speaks_both(ws, npm, protocol, compression):
    form = protocol.removeprefix("sluice.")
    url = f"ws://127.0.0.1:{ws.sluice.port('ws')}{path_of('js/text')}"
    script = pathlib.Path(__file__).with_name("ws_client.js")
    done = subprocess.run(["node", script, url, form, compression or "plain"],
                          env={**os.environ, "NODE_PATH": npm("ws@8")}, timeout=3 * TIMEOUT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["protocol"], seen["code"]) == (protocol, 4000)
    assert bool(seen["extensions"]) == (compression is not None)
    assert (seen["texts"], seen["pongs"]) == (7, 1)
    assert seen["binaries"] == (7 if form == "raw" else 1)
