"""What a ZeroMQ peer may ask: no loop stands still for it, and it holds no more than a few
times its own size.  And what strangers may ask of the handshake, many at once."""

import contextlib
import ctypes
import ctypes.util
import json

import pytest
import zmq
import zmq.utils.z85
from pricelib import HELD, SLACK, STALL, Meter, Row, best, slowness
from sluicelib import Sluice, wait_for
from zmtplib import MORE, Closed, Raw, command, frame, greeting, message, metadata, ready

MAX_PAYLOAD = 1 << 20
COMMAND_MAX = 8192
SLOW = slowness()


@pytest.fixture(scope="module")
def keys():
    return zmq.curve_keypair()


@pytest.fixture(scope="module")
def system(tmp_path_factory, keys):
    folder = tmp_path_factory.mktemp("prices-zmq")
    (folder / "key").write_bytes(keys[1])
    (folder / "key").chmod(0o600)
    (folder / "users").write_text("alice:$5$rounds=1000$salt$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx:all\n")
    s = Sluice(folder / "s", f"[auth]\nanonymous = all\nusers = {folder}/users\n"
               '[role "all"]\npublish = #\nsubscribe = a/#, f/#, p\n'
               f"[zmq]\ncurve_secret_key_file = {folder}/key\n", gateways=("zmq",)).start()
    yield s
    s.end()


# --- one peer ------------------------------------------------------------------------------

def entered(kind=b"DEALER"):
    return lambda system: Raw(system.port("zmq")).open(kind)


def unknown(mechanism=b"NULL"):
    return lambda system: Raw(system.port("zmq")).greet(mechanism=mechanism)


def answers(count=1):
    def answer(c):
        for _ in range(count):
            c.recv_message()
    return answer


def ended(c):
    with contextlib.suppress(OSError):
        c.ended()


def ponged(c):
    c.send(frame(b"\x04PING\0\0", 4))
    while True:
        flags, body = c.recv_frame()
        if flags == 4 and body[:5] == b"\x04PONG":
            return


def row(name, enter, raw, answer, **kw):
    return Row(f"zmq {name}", "zmq", enter, raw, answer, **kw)


def subscribe(n, filters, options=b"{}"):
    return message(b"subscribe", b"%d" % n, filters, options)


def sub(prefix, add=1):
    return message(bytes([add]) + prefix)


PROPERTIES = metadata(Socket_Type=b"DEALER") + metadata(X=b"") * 1300
DEEP = json.dumps([f"f/{n}/" + "x" * 900 for n in range(64)]).encode()
ESCAPED = b'["' + b"\\u0061" * 87000 + b'"]'
ROWS = [
    row("READY of properties", unknown(), command(b"READY", PROPERTIES),
        lambda c: c.recv_command(), memory=False),
    row("a command that is too large", unknown(), command(b"READY", bytes(COMMAND_MAX * 4)), ended),
    row("HELLO of PLAIN at its longest", unknown(b"PLAIN"),
        command(b"HELLO", b"\xff" + b"u" * 255 + b"\xff" + b"p" * 255), ended),
    row("HELLO of CURVE that is forged", unknown(b"CURVE"),
        command(b"HELLO", b"\1\0" + bytes(72) + b"k" * 32 + b"\0" * 7 + b"\1" + b"b" * 80), ended),
    row("publish at max_payload", entered(),
        message(b"publish", b"r", b"p", b"{}", b"x" * MAX_PAYLOAD), answers()),
    row("publish above max_payload", entered(),
        message(b"publish", b"r", b"p", b"{}", b"x" * (2 * MAX_PAYLOAD - 100)), answers()),
    row("publish of headers", entered(), message(
        b"publish", b"r", b"p", json.dumps({"properties": [["k", "v"]] * 20000}).encode(), b"x"),
        answers()),
    row("publishes, small", entered(),
        b"".join(message(b"publish", b"%d" % n, b"p", b"{}", b"x") for n in range(2000)),
        answers(2000), memory=False),
    row("PUSH at max_payload", entered(b"PUSH"), message(b"p", b"x" * MAX_PAYLOAD), ponged),
    row("a message of 64 parts", entered(), message(*[b"x" * 16000] * 64), answers()),
    row("a message without an end", entered(), frame(b"x", MORE) * 65, ended),
    row("a message that is too large", entered(), message(b"x" * (4 * MAX_PAYLOAD)), ended),
    row("subscribe of 64 long filters", entered(), subscribe(1, DEEP), answers(), memory=False),
    row("subscribe of a filter of escapes", entered(), subscribe(1, ESCAPED), answers()),
    row("subscribe of what is no JSON at its end", entered(),
        subscribe(1, b'["a",' * 100000 + b"!"), answers()),
    row("subscribes, as many as are let", entered(),
        b"".join(subscribe(n, b"f/%d" % n) for n in range(1000)), answers(1000), memory=False),
    row("subscribes and unsubscribes", entered(),
        b"".join(subscribe(n, b"f/%d" % n) + message(b"unsubscribe", b"%d" % n)
                 for n in range(1000)), ponged, memory=False),
    row("subscribes that are refused", entered(),
        b"".join(subscribe(n, b"secret/%d/#" % n) for n in range(2000)), answers(2000), memory=False),
    row("1,024 prefixes", entered(b"SUB"), b"".join(sub(b"f/%d" % n) for n in range(1024)), ponged,
        memory=False),
    row("1,024 prefixes that are refused", entered(b"SUB"),
        b"".join(sub(b"secret/%d" % n) for n in range(1024)), ponged, memory=False),
    row("prefixes, told of and refused", entered(b"SUB"),
        sub(b"$SYS/sluice/") + b"".join(sub(b"x/%d" % n) + sub(b"x/%d" % n, 0) for n in range(2000)),
        ponged, memory=False),
    row("prefixes that come and go", entered(b"SUB"),
        b"".join(sub(b"f/%d" % n) + sub(b"f/%d" % n, 0) for n in range(10000)), ponged, memory=False),
    row("one prefix more than may be", entered(b"SUB"),
        b"".join(sub(b"f/%d" % n) for n in range(1025)), ended, memory=False),
    row("credits", entered(), subscribe(1, b"f/x", b'{"credit":0}') +
        message(b"credit", b"1", b"1") * 20000, answers(), memory=False),
    row("histories, one behind the other", entered(),
        message(b"history", b"h", b"f/#", b'{"limit":1000,"order":"desc"}') * 100, answers(100),
        memory=False),
    row("pings whose answers wait", entered(), message(b"ping", b"x" * 256) * 400, answers(400),
        memory=False),
    row("PINGs", entered(), frame(b"\x04PING\0\0" + b"c" * 16, 4) * 20000, ponged, memory=False),
    row("commands that nobody knows", entered(), command(b"WHAT", bytes(COMMAND_MAX - 5)) * 500,
        ponged, memory=False),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_price(system, row):
    stalls, held, size = best(system, row)
    shown = ", ".join(f"{w}: {s * 1000:.1f} ms, {held[w]:,.0f} bytes held"
                      for w, s in stalls.items())
    print(f"{row.name} ({size:,} bytes): {shown}")
    for who, stall in stalls.items():
        assert stall <= STALL * SLOW, (row.name, shown)
        if row.memory:
            assert held[who] <= HELD * size + SLACK, (row.name, shown)


# --- many strangers ------------------------------------------------------------------------

SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))


def hello(server, n):
    """A HELLO of CURVE that is as it should be, so that it is answered."""
    public, secret, box = (ctypes.create_string_buffer(n) for n in (32, 32, 80))
    number = (n + 1).to_bytes(8, "big")
    SODIUM.crypto_box_keypair(public, secret)
    SODIUM.crypto_box_easy(box, bytes(64), ctypes.c_ulonglong(64), b"CurveZMQHELLO---" + number,
                           server, secret)
    return command(b"HELLO", b"\1\0" + bytes(72) + public.raw + number + box.raw)


def z85(text):
    return zmq.utils.z85.decode(text)


def storm(system, count, say):
    """(longest turn, bytes held for one) of so many handshakes that do not go on."""
    meter, made = Meter(system, ("zmq",)), []
    for n in range(count):
        made.append(Raw(system.port("zmq")))
        say(made[-1], n)
    wait_for(lambda: system.metrics("zmq")["sluice_connections"] >= 0, "it answers")
    meter.look()
    for r in made:
        r.socket.close()
    wait_for(lambda: system.metrics("zmq")["sluice_connections"] == 0, "all are gone")
    meter.look()
    return meter.stalls["zmq"], meter.most["zmq"] / count


@pytest.mark.parametrize("what", ["nothing", "half a greeting", "a greeting", "HELLO", "a password"])
def test_a_storm_of_handshakes(system, keys, what):
    server = z85(keys[0])
    hellos = [hello(server, n) for n in range(500)]
    say = {
        "nothing": lambda r, n: None,
        "half a greeting": lambda r, n: r.send(greeting(b"CURVE")[:20]),
        "a greeting": lambda r, n: r.send(greeting(b"CURVE")),
        "HELLO": lambda r, n: r.send(greeting(b"CURVE"), hellos[n]),
        "a password": lambda r, n: r.send(greeting(b"PLAIN"), command(b"HELLO", b"\5alice\1x")),
    }[what]
    stall, held = min(storm(system, 500, say) for _ in range(2))
    print(f"{what}: {stall * 1000:.1f} ms, {held:,.0f} bytes each")
    assert stall <= STALL * SLOW
    assert held <= 8192


def test_strangers_do_not_keep_the_others_waiting(system, keys):
    """A honest peer is answered while wrong keys come as fast as they can be sent."""
    server = z85(keys[0])
    honest = Raw(system.port("zmq")).open()
    for n in range(300):
        r = Raw(system.port("zmq"))
        r.send(greeting(b"CURVE"), hello(server, n))
        r.socket.close()
        honest.send(message(b"ping", b"1"))
        assert honest.recv_message() == [b"pong", b"1"]
    with contextlib.suppress(Closed):
        Raw(system.port("zmq")).greet().send(ready()).recv_command()
