"""While somebody else is asked who a request comes from: nothing of it is done before."""

import contextlib
import http.server
import json
import socket
import struct
import threading

import pytest
from authlib import Auth
from sluicelib import wait_for

GRANTS = {"publish": ["#"], "subscribe": ["#"]}


class Callback:
    """Answers each question once it is let go; tokens are names, and "bad…" is nobody."""

    def __init__(self):
        self.questions, self.gate = [], threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.questions.append(body)
                outer.gate.wait(20)
                name = body.get("token") or body.get("user")
                answer = json.dumps({"name": name, "cache": 0, **GRANTS}).encode()
                with contextlib.suppress(OSError):  # whoever asked may have left
                    self.send_response(401 if name.startswith("bad") else 200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def config(self, folder, more="", limits=""):
        url = f"http://127.0.0.1:{self.server.server_port}/"
        return Auth(folder, tokens=False, limits=limits,
                    more=f"callback = {url}\ncallback_timeout = 20s\n{more}").config()

    def asked(self, count):
        wait_for(lambda: len(self.questions) >= count, f"{count} questions")

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def callback():
    c = Callback()
    yield c
    c.close()


def request(path="/events/a", token="alice", body=b"x", method="POST", more=b""):
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(body)}\r\n".encode() + more + b"\r\n" + body)


def test_all_that_is_sent_ahead_waits_and_is_answered_in_order(new_sluice, tmp_path, callback):
    s = new_sluice(callback.config(tmp_path))
    with s.raw() as raw:
        raw.send(request(body=b"1") + request(token="bad", body=b"2") + request(body=b"3"))
        callback.asked(1)
        assert s.metrics()["sluice_http_requests_total"] == 1
        callback.gate.set()
        first, second = raw.answer(), raw.answer()
        assert (first.status, second.status) == (201, 401)
        assert second.headers["connection"] == "close"  # its body was not read
    assert [q["token"] for q in callback.questions] == ["alice", "bad"]
    assert callback.questions[0]["address"] == "127.0.0.1" and callback.questions[0]["door"] == "sse"


def test_a_body_is_asked_for_only_when_it_may_come(new_sluice, tmp_path, callback):
    s = new_sluice(callback.config(tmp_path))
    with s.raw() as raw:
        head = request(body=b"xyz", more=b"Expect: 100-continue\r\n")
        raw.send(head[:-3])
        callback.asked(1)
        callback.gate.set()
        assert raw.line() == b"HTTP/1.1 100 Continue\r\n" and raw.line() == b"\r\n"
        raw.send(b"xyz")
        assert raw.answer().status == 201


def test_a_body_in_pieces_belongs_to_whoever_was_known_at_its_head(new_sluice, tmp_path, callback):
    s = new_sluice(callback.config(tmp_path))
    callback.gate.set()
    with s.raw() as raw:
        body = b"z" * 300000
        whole = request(body=body)
        for at in range(0, len(whole), 50000):
            raw.send(whole[at:at + 50000])
        assert raw.answer().status == 201
    assert len(callback.questions) == 1


def test_whoever_closes_half_is_answered_and_whoever_leaves_is_forgotten(new_sluice, tmp_path,
                                                                        callback):
    s = new_sluice(callback.config(tmp_path))
    with s.raw() as stays:
        stays.send(request(token="stays")).half_close()
        for n in range(20):
            with s.raw() as leaves:
                leaves.send(request(token=f"leaves{n}"))
                callback.asked(n + 2)
                leaves.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))  # closes with a reset
        wait_for(lambda: s.metrics()["sluice_connections"] == 1, "only one is left")
        callback.gate.set()
        assert stays.answer().status == 201
        assert stays.rest() == b""


def test_an_answer_that_does_not_come_is_503(new_sluice, tmp_path, callback):
    s = new_sluice(callback.config(tmp_path, limits="header_timeout = 500ms"))
    with s.raw() as raw:
        raw.send(request() + request())
        answer = raw.answer()
        assert answer.status == 503 and answer.json()["code"] == "unavailable"
        assert answer.headers["retry-after"] == "1"
        assert raw.rest() == b""
    callback.gate.set()
    assert s.request("POST", "/events/a", data=b"x",
                     headers={"Authorization": "Bearer alice"}).status_code == 201


def test_a_process_that_ends_waits_for_it(new_sluice, tmp_path, callback):
    s = new_sluice(callback.config(tmp_path))
    with s.raw() as raw:
        raw.send(request())
        callback.asked(1)
        s.sse.popen.terminate()
        wait_for(lambda: "draining" in s.sse.logged() or s.admin("/readyz")[0] != 200, "it drains")
        callback.gate.set()
        assert raw.answer().status == 201
    assert s.sse.popen.wait(20) == 0


def test_a_callback_that_is_away_is_503(new_sluice, tmp_path, callback):
    s = new_sluice(callback.config(tmp_path))
    callback.close()
    r = s.request("POST", "/events/a", data=b"x", headers={"Authorization": "Bearer alice"})
    assert r.status_code == 503 and r.json()["code"] == "unavailable"
    assert r.headers["Retry-After"]
