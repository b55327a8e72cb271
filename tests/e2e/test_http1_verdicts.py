"""Our HTTP/1.1 parser beside Node's: over one table of connections' bytes, what
Node refuses we refuse, what both take is the same messages, and where we alone
refuse, the table says why."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"

H = b"Host: h\r\n"
GET = b"GET / HTTP/1.1\r\n" + H
POST = b"POST / HTTP/1.1\r\n" + H
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"\r\n"

# Both take these.
TAKEN = {
    "plain": GET + END,
    "query": b"GET /a%2Fb?x=1&y HTTP/1.1\r\n" + H + END,
    "1.0": b"GET / HTTP/1.0\r\n\r\n",
    "empty line first": END + GET + END,
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "white space around a value": GET + b"X: \t a b \t\r\n" + END,
    "empty value": GET + b"X:\r\n" + END,
    "bytes above ASCII in a value": GET + b"X: \xc3\xa4\r\n" + END,
    "absolute target": b"GET http://h:80/a?b HTTP/1.1\r\n" + H + END,
    "options": b"OPTIONS * HTTP/1.1\r\n" + H + END,
    "length": POST + b"Content-Length: 5\r\n" + END + b"hello",
    "length 0": POST + b"Content-Length: 0\r\n" + END,
    "length with zeros": POST + b"Content-Length: 005\r\n" + END + b"hello",
    "two on one connection": POST + b"Content-Length: 2\r\n" + END + b"ab" + GET + END,
    "chunks": CHUNKED + b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "chunks and another": CHUNKED + b"1\r\na\r\n0\r\n\r\n" + GET + END,
    "chunked in capitals": POST + b"Transfer-Encoding: CHUNKED\r\n" + END + b"0\r\n\r\n",
    "chunk size with zeros": CHUNKED + b"0001\r\na\r\n0\r\n\r\n",
    "chunk extension": CHUNKED + b"1;a=b;c=\"d e\"\r\na\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"1\r\na\r\n0\r\nX: y\r\n\r\n",
    "closing": GET + b"Connection: close\r\n" + END,
}

# Both refuse these.
REFUSED = {
    # the request line
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF after a field": b"GET / HTTP/1.1\r\nHost: h\n\r\n",
    "bare CR": b"GET / HTTP/1.1\rHost: h\r\n\r\n",
    "CR CR LF": b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
    "space first": b" " + GET + END,
    "tab for space": b"GET\t/ HTTP/1.1\r\n" + H + END,
    "space after the version": b"GET / HTTP/1.1 \r\n" + H + END,
    "version 1.2": b"GET / HTTP/1.2\r\n" + H + END,
    "version in small letters": b"GET / http/1.1\r\n" + H + END,
    "method with a colon": b"GE:T / HTTP/1.1\r\n" + H + END,
    "relative target": b"GET a HTTP/1.1\r\n" + H + END,
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n" + H + END,
    # header fields
    "obs-fold": GET + b"X: a\r\n b\r\n" + END,
    "obs-fold of a framing field": POST + b"Transfer-Encoding:\r\n chunked\r\n" + END + b"0\r\n\r\n",
    "no colon": GET + b"X\r\n" + END,
    "bracket in a name": GET + b"X(: a\r\n" + END,
    "NUL in a value": GET + b"X: \0\r\n" + END,
    "control character in a value": GET + b"X: \x1b[0m\r\n" + END,
    "DEL in a value": GET + b"X: \x7f\r\n" + END,
    "CR in a value": GET + b"X: a\rY: b\r\n" + END,
    # framing
    "length twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n" + END + b"a",
    "lengths that differ": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n" + END + b"ab",
    "length list": POST + b"Content-Length: 1, 1\r\n" + END + b"a",
    "length with a sign": POST + b"Content-Length: +1\r\n" + END + b"a",
    "length in hexadecimal": POST + b"Content-Length: 0x1\r\n" + END + b"a",
    "length with white space": POST + b"Content-Length: 1 1\r\n" + END + b"hello world",
    "empty length": POST + b"Content-Length:\r\n" + END,
    "length over 64 bits": POST + b"Content-Length: 18446744073709551617\r\n" + END + b"a",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" + END + b"0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n" + END,
    "identity": POST + b"Transfer-Encoding: identity\r\n" + END,
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n" + END + b"0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + END + b"0\r\n\r\n",
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n' + END + b"0\r\n\r\n",
    "chunked with VT": POST + b"Transfer-Encoding: \x0bchunked\r\n" + END + b"0\r\n\r\n",
    "chunked on a folded line": POST + b"X: y\r\n Transfer-Encoding: chunked\r\n" + END,
    # chunks
    "chunk size with a sign": CHUNKED + b"+1\r\na\r\n0\r\n\r\n",
    "chunk size 0x": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "chunk size after a space": CHUNKED + b" 1\r\na\r\n0\r\n\r\n",
    "chunk size before a space": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "chunk size of 17 digits": CHUNKED + b"10000000000000001\r\na\r\n0\r\n\r\n",
    "chunk size that is none": CHUNKED + b"\r\na\r\n0\r\n\r\n",
    "chunk line with LF": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "chunk data with LF": CHUNKED + b"1\r\na\n0\r\n\r\n",
    "chunk data too long": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "LF in an extension": CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
    "CR in an extension": CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n",
    "last chunk with LF": CHUNKED + b"0\n\n",
    "trailer without a colon": CHUNKED + b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "folded trailer": CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n",
}

# We refuse these, for the reason given; a Node of today or of the last years
# takes them.
STRICTER = {
    "bare LF at the end": (GET + b"\n", "RFC 9112, 2.2"),
    "two empty lines first": (END + END + GET + END, "RFC 9112, 2.2: at least one is ignored; one is enough"),
    "LF first": (b"\n" + GET + END, "RFC 9112, 2.2: an empty line is CRLF"),
    "two spaces": (b"GET  / HTTP/1.1\r\n" + H + END, "RFC 9112, 3: single spaces"),
    "no version": (b"GET /\r\n\r\n", "HTTP/0.9 is not spoken"),
    "version 2.0": (b"GET / HTTP/2.0\r\n" + H + END, "it has framing of its own"),
    "asterisk with GET": (b"GET * HTTP/1.1\r\n" + H + END, "RFC 9112, 3.2.4: OPTIONS only"),
    "authority form": (b"CONNECT h:80 HTTP/1.1\r\n" + H + END, "no tunnels here"),
    "userinfo": (b"GET http://u@h/ HTTP/1.1\r\n" + H + END, "RFC 9110, 4.2.4"),
    "fragment": (b"GET /a#b HTTP/1.1\r\n" + H + END, "RFC 9112, 3.2: never sent"),
    "UTF-8 in the target": (b"GET /\xc3\xa4 HTTP/1.1\r\n" + H + END, "RFC 3986, 2: %-encoded"),
    "quotes in the target": (b'GET /"<>" HTTP/1.1\r\n' + H + END, "RFC 3986, 2"),
    "space before the colon": (GET + b"X : a\r\n" + END, "RFC 9112, 5.1"),
    "space before the first field": (b"GET / HTTP/1.1\r\n " + H + END, "RFC 9112, 2.2"),
    "no name": (GET + b": a\r\n" + END, "RFC 9110, 5.1"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "RFC 9112, 3.2"),
    "two hosts": (GET + H + END, "RFC 9112, 3.2"),
    "two hosts in one": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "RFC 9112, 3.2: not a host"),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: h/p\r\n\r\n", "RFC 9112, 3.2: not a host"),
    "coding in 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "RFC 9112, 6.1: faulty framing"),
    "gzip and chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n" + END + b"0\r\n\r\n", "not implemented: 501"),
    "extension without a name": (CHUNKED + b"1;\r\na\r\n0\r\n\r\n", "RFC 9112, 7.1.1"),
}

# Node refuses these in its parser; we do after it.
REFUSED_LATER = {
    "unknown method": (b"BREW / HTTP/1.1\r\n" + H + END, "any token is read; the router answers 405 with Allow"),
}


def rows():
    yield from TAKEN.items()
    yield from REFUSED.items()
    for name, (raw, _reason) in {**STRICTER, **REFUSED_LATER}.items():
        yield name, raw


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """name -> (messages, refused) from our parser."""
    binary = tmp_path_factory.mktemp("http1") / "http1_verdict"
    sources = [HERE / "http1_verdict.c"]
    sources += [PROTO / f"{name}.c" for name in
                ("http1", "http1_chunked", "http_chars", "http_request", "bytes", "mem")]
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", f"-I{PROTO}", "-o", binary]
    subprocess.run(command + sources, check=True)
    verdicts = {}
    for name, raw in rows():
        out = subprocess.run([binary], input=raw, stdout=subprocess.PIPE, check=True, timeout=10).stdout
        lines = out.decode().splitlines()
        assert "cut" not in lines, name
        refused = lines[-1].startswith("refused")
        messages = [line.split(" ") for line in (lines[:-1] if refused else lines)]
        verdicts[name] = ([[m, bytes.fromhex(t).decode("latin1"), b] for m, t, b in messages], refused)
    return verdicts


@pytest.fixture(scope="module")
def nodes():
    """name -> (messages, refused) from Node."""
    node = shutil.which("node")
    assert node, "nodejs is not installed"
    table = list(rows())
    lines = "".join(raw.hex() + "\n" for _name, raw in table)
    out = subprocess.run([node, HERE / "http1_verdict.js"], input=lines.encode(),
                         stdout=subprocess.PIPE, check=True, timeout=60).stdout
    results = [json.loads(line) for line in out.decode().splitlines()]
    assert len(results) == len(table)
    return {name: (r["messages"], r["error"] is not None) for (name, _raw), r in zip(table, results)}


def path_of(target):
    """An absolute target is its path."""
    return target.split("h:80", 1)[1] if target.startswith("http://h:80") else target


@pytest.mark.parametrize("name", TAKEN)
def test_both_take_the_same_messages(ours, nodes, name):
    messages, refused = ours[name]
    assert not refused and messages
    node_messages, node_refused = nodes[name]
    assert not node_refused
    assert messages == [[m, path_of(t), b] for m, t, b in node_messages]


@pytest.mark.parametrize("name", [*REFUSED, *STRICTER])
def test_we_refuse_what_is_doubtful(ours, name):
    messages, refused = ours[name]
    assert refused
    assert messages == []


@pytest.mark.parametrize("name", REFUSED)
def test_node_refuses_it_too(nodes, name):
    assert nodes[name][1]


def test_what_node_refuses_we_refuse(ours, nodes):
    laxer = {name for name, _raw in rows() if nodes[name][1] and not ours[name][1]}
    assert laxer == set(REFUSED_LATER)
