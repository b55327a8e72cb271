"""A whole system under `sluice up`, and the other commands beside it.

Everything waits for a condition.  What became of the processes is read from
/proc and from the supervisor's log, a JSON object a line.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from datetime import datetime

from sluicelib import ADMIN, BIN, PORTS, TIMEOUT, port_base, wait_for

SLUICE = os.path.join(BIN, "sluice")
BROKER_ADMIN, APPS, SSE = ADMIN["broker"], PORTS["zmq"], PORTS["sse"]


def children_of(pid):
    """{name: pid} of the direct children that live."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{entry}/stat") as f:
                head, tail = f.read().rsplit(")", 1)
            state, parent = tail.split()[:2]
            if int(parent) == pid and state != "Z":
                found[head.split("(", 1)[1]] = int(entry)
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Up:
    """`sluice up`; use as a context, which ends it and all that it started."""

    def __init__(self, *flags, data=None, base=None):
        self.folder = tempfile.mkdtemp(prefix="sluice-up-")
        self.data = data or os.path.join(self.folder, "data")
        self.base = base or port_base()
        self.flags = ["--data", self.data, "--port-base", str(self.base), *flags]
        self.log_path = os.path.join(self.folder, "log")
        self.lines = []
        self.started = set()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()
        log = self.log_text()
        assert "Sanitizer" not in log and "runtime error" not in log, log[-8000:]
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([SLUICE, "up", *self.flags], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, self.log_text()
            return "sluice: ready" in self.lines
        wait_for(ready, "sluice: ready")
        return self

    def children(self):
        return children_of(self.process.pid)

    def wait_exit(self, timeout=TIMEOUT):
        code = self.process.wait(timeout)
        self.reader.join(5)
        return code

    def port(self, offset):
        return self.base + offset

    def log_text(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def log(self, **want):
        """The supervisor's log lines that have these members."""
        found = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry["process"] == "up" and all(entry.get(k) == v for k, v in want.items()):
                    found.append(entry)
        return found

    def wait_log(self, count=1, **want):
        return wait_for(lambda: (len(self.log(**want)) >= count and self.log(**want)) or None,
                        f"{count} log lines with {want}")

    def kill(self, name, signum=signal.SIGKILL):
        """Signals a child and returns its ID."""
        pid = wait_for(lambda: self.children().get(name), f"{name} runs")
        os.kill(pid, signum)
        return pid

    def command(self, *args):
        return [SLUICE, *args, "--data", self.data, "--port-base", str(self.base)]

    def run(self, *args, stdin=None, timeout=TIMEOUT):
        """Another command of sluice against this system."""
        return subprocess.run(self.command(*args), input=stdin, capture_output=True, text=True,
                              timeout=timeout)

    def popen(self, *args, **kwargs):
        return subprocess.Popen(self.command(*args), stdout=subprocess.PIPE, text=True, **kwargs)


def at(entry):
    """When a log line was written, in seconds."""
    return datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp()
