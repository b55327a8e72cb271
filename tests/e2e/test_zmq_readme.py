"""The README's ways for a ZeroMQ application, run as they stand there: Python, npm's zeromq, C."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import zmq

from sluicelib import TIMEOUT

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def example(language, port):
    section = README.read_text(encoding="utf-8").split("\n## ZeroMQ\n")[1].split("\n## ")[0]
    (code,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert "tcp://127.0.0.1:5550" in code
    return code.replace("127.0.0.1:5550", f"127.0.0.1:{port}")


@pytest.fixture
def port(new_sluice):
    return new_sluice(gateways=("zmq",)).port("zmq")


def run(command, **kw):
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * TIMEOUT, check=False, **kw)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_python(port, tmp_path):
    (tmp_path / "app.py").write_text(example("python", port), encoding="utf-8")
    lines = run([sys.executable, tmp_path / "app.py"]).splitlines()
    assert [line.split(" ", 2)[1:] for line in lines] == [["machine/counter", f"value {n}"] for n in range(1000)]


def test_node(port, tmp_path, npm):
    (tmp_path / "app.js").write_text(example("js", port), encoding="utf-8")
    out = run(["node", tmp_path / "app.js"], env={**os.environ, "NODE_PATH": npm("zeromq@6")})
    assert out.splitlines()[-1] == "machine/node: again"


def test_c(port, tmp_path):
    (tmp_path / "app.c").write_text(example("c", port), encoding="utf-8")
    run(["cc", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "app", tmp_path / "app.c", "-lzmq"])
    assert re.fullmatch(r"\d+ machine/c: from C\n", run([tmp_path / "app"]))


# --- npm's zeromq: every type -----------------------------------------------------------

SCRIPT = """
const zmq = require('zeromq');
const to = process.argv[2];
const connect = s => { s.connect(to); return s; };

async function main() {
  const req = connect(new zmq.Request());
  await req.send(['publish', '1', 'npm/a', '{}', 'by REQ']);
  const [kind, ref] = await req.receive();
  if (kind != 'ok' || ref != '1') throw new Error(`REQ: ${kind}`);

  const app = connect(new zmq.Dealer());
  await app.send(['subscribe', 's', '["npm/#"]', '{"after":0}']);
  const xsub = connect(new zmq.XSubscriber());
  await xsub.send(['\\x01npm/']);
  const sub = connect(new zmq.Subscriber());
  sub.subscribe('npm/pu');
  const push = connect(new zmq.Push());
  const pub = connect(new zmq.Publisher());
  const timer = setInterval(async () => {
    try {
      await push.send(['npm/push', 'by PUSH']);
      await pub.send(['npm/pub', 'by PUB']);
    } catch (e) { /* one at a time */ }
  }, 50);

  const until = async (name, socket, at, wanted) => {
    wanted = new Set(wanted);
    for await (const parts of socket) {
      if (parts[0] == 'error') throw new Error(`${name}: ${parts}`);
      wanted.delete(String(parts[at]));
      if (wanted.size == 0) return;
    }
  };
  await until('DEALER', app, 5, ['by REQ', 'by PUSH', 'by PUB']);
  await until('SUB', sub, 1, ['by PUSH', 'by PUB']);
  await until('XSUB', xsub, 1, ['by PUSH', 'by PUB']);
  clearInterval(timer);

  for (const kind of ['Router', 'Reply', 'Pull', 'XPublisher', 'Pair']) {
    const s = new zmq[kind]();
    const events = [];
    const first = new Promise(done => {
      for (const name of ['disconnect', 'handshake', 'handshake:error:protocol'])
        s.events.on(name, () => done(name));
    });
    s.connect(to);
    const seen = await first;
    if (seen == 'handshake') throw new Error(`${kind} came in`);
    s.close();
  }
}
main().then(() => process.exit(0), e => { console.error(e); process.exit(1); });
"""


def test_npm_zeromq_of_every_type(port, tmp_path, npm):
    (tmp_path / "types.js").write_text(SCRIPT, encoding="utf-8")
    run(["node", tmp_path / "types.js", f"tcp://127.0.0.1:{port}"],
        env={**os.environ, "NODE_PATH": npm("zeromq@6")})


def test_npm_zeromq_with_curve(new_sluice, tmp_path, npm):
    public, secret = zmq.curve_keypair()
    key = tmp_path / "key"
    key.write_bytes(secret)
    key.chmod(0o600)
    s = new_sluice(f"[zmq]\nmechanism = curve\ncurve_secret_key_file = {key}\n", gateways=("zmq",))
    mine = zmq.curve_keypair()
    (tmp_path / "curve.js").write_text("""
      const zmq = require('zeromq');
      const [,, to, curveServerKey, curvePublicKey, curveSecretKey] = process.argv;
      const app = new zmq.Dealer({curveServerKey, curvePublicKey, curveSecretKey});
      app.connect(to);
      app.send(['ping', '1']).then(() => app.receive()).then(([kind]) => process.exit(kind == 'pong' ? 0 : 1));
    """, encoding="utf-8")
    run(["node", tmp_path / "curve.js", f"tcp://127.0.0.1:{s.port('zmq')}", public, *mine],
        env={**os.environ, "NODE_PATH": npm("zeromq@6")})
