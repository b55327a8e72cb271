"""DESIGN.md names files and functions on the walk of one event: they are there."""

import pathlib
import re

TREE = pathlib.Path(__file__).resolve().parents[2]


def walk():
    """(file, function) of every step, files from the top of the tree."""
    text = (TREE / "DESIGN.md").read_text(encoding="utf-8")
    section = text.split("## The walk of one event", 1)[1]
    folder = ""
    for line in section.splitlines():
        title = re.match(r"\| \| \*\*(.*)\*\*", line)
        if title:
            folder = "gateways" if "gateway" in title[1] else "broker"
        step = re.match(r"\| \d+ \| ([^|]*) \|", line)
        for name, functions in re.findall(r"(\S+\.c): ([^;]*)", step[1] if step else ""):
            path = name if re.match(r"common/|proto/", name) else f"{folder}/{name}"
            for function in re.findall(r"`(\w+)`", functions):
                yield path, function


def test_the_walk_names_what_is_there():
    steps = list(walk())
    missing = [f"{path}: {function}" for path, function in steps
               if not re.search(rf"^[a-z].*\b{function}\(", (TREE / path).read_text(encoding="utf-8"), re.M)]
    assert len(steps) > 30
    assert missing == []
