#!/usr/bin/env python3
"""Holds the sources against the rooms: who includes whom, who calls whom, who is called what.

    deploy/rooms.py            prints the rooms and what was counted; fails when a rule is broken
    deploy/rooms.py --names    and lists the names that are counted only
    deploy/rooms.py --root DIR --build DIR    of another tree, of other objects

A room is a folder that the Makefile compiles with only the -I that it may use; the table of
rooms is the Makefile's (`make print-rooms`), said nowhere else.  A *knot* is a set of files that
reach each other both ways: through calls (one object uses a symbol that another defines; nm) or
headers through includes.  The objects are made when they are not there (`make objects`).
"""

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys

MAX_KNOT = 4  # files
MANY_FILES = 4  # that many static functions of one name are too many

# How many names may break the rules that are still counted only.  They are lowered, never raised.
MAX_FOREIGN_NAMES = 0
MAX_COMMON_STATICS = 0

# Words that functions of a file may begin with, besides its own name and its room's, and why.
PREFIXES = {
    "bytes.c": ("slice", "buf", "reader", "utf8"),  # types that every file uses, so short
    "topic.c": ("filter",),  # a filter is a topic with wildcards, in one grammar
    "sse.c": ("ndjson",),  # the event stream's other spelling
    "zsock.c": ("zmsg",),  # what a zsock carries
    "deflate.c": ("deflater", "inflater"),  # its two directions
    "poll.c": ("poller",),  # one that waits; poll itself is the system's word
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
STRUCT = re.compile(r"^(?:typedef )?((?:struct|union) \w+) \{")
STATIC = re.compile(r"^static [\w\s*]*?(\w+)\([^;]*$")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"rooms: {' '.join(map(str, command))}: status {done.returncode}")
    return done.stdout


def plural(count, what):
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class Tree:
    """The rooms, what each may include, and its files.  Paths are text, relative to the root."""

    def __init__(self, root, build):
        self.root, self.build = root, build
        self.may = {}
        for line in run("make", "-s", "--no-print-directory", "-C", root, "print-rooms").splitlines():
            room, _, others = line.partition(":")
            if room:
                self.may[room] = others.split()
        if not self.may:
            sys.exit("rooms: the Makefile names none")
        self.files = {room: self.glob(room, "*.[ch]") for room in self.may}
        self.room = {f: room for room, files in self.files.items() for f in files}
        self.lines = {f: (root / f).read_text().splitlines() for f in self.room}

    def glob(self, folder, pattern):
        return sorted(str(p.relative_to(self.root)) for p in (self.root / folder).glob(pattern))

    def reach(self, room):
        """The rooms whose headers a file of room may include."""
        return [room] + self.may[room]

    def sources(self):
        return [f for f in self.room if f.endswith(".c")]

    def headers(self):
        return [f for f in self.room if f.endswith(".h")]

    def binaries(self):
        """Each room with a main, and the files of all rooms that may be in its binary."""
        for room, files in self.files.items():
            if f"{room}/main.c" in files:
                yield room, [f for r in self.reach(room) for f in self.files[r]]


def knots(edges):
    """The strongly connected sets of more than one, the largest first (Tarjan, without recursion)."""
    index, low, stack, found = {}, {}, [], []
    for start in edges:
        if start in index:
            continue
        work = [(start, iter(edges[start]))]
        index[start] = low[start] = len(index)
        stack.append(start)
        while work:
            node, nexts = work[-1]
            for n in nexts:
                if n not in index:
                    index[n] = low[n] = len(index)
                    stack.append(n)
                    work.append((n, iter(edges.get(n, ()))))
                    break
                if n in stack:
                    low[node] = min(low[node], index[n])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    found.append(sorted(stack[at:]))
                    del stack[at:]
    return sorted((k for k in found if len(k) > 1), key=lambda k: (-len(k), k))


class Report:
    def __init__(self, names):
        self.failed = False
        self.names = names

    def complain(self, text):
        self.failed = True
        print(text)

    def counted(self, what, listed, ceiling):
        """Prints how many there are, and which if asked; too many are an offence."""
        print(f"{what.format(len(listed))} (ceiling {ceiling:,})")
        if self.names:
            for line in listed:
                print(f"    {line}")
        if len(listed) > ceiling:
            self.complain(f"rooms: {len(listed):,} are more than {ceiling:,}; deploy/rooms.py --names lists them")


def print_rooms(tree):
    width = max(map(len, tree.may))
    print("rooms, and what each may include:")
    for room, others in tree.may.items():
        print(f"    {room:{width}}  {' '.join(others) or '(nothing of ours)'}")


def check_folders(tree, report):
    """Sources lie in rooms, and a room is there."""
    for room, files in tree.files.items():
        if not files:
            report.complain(f"{room}: a room of the Makefile without a file")
    tops = sorted({room.split("/")[0] for room in tree.may})
    for f in (f for top in tops for f in tree.glob(top, "**/*.[ch]")):
        if f not in tree.room:
            report.complain(f"{f}: lies in no room of the Makefile")


def check_includes(tree, report):
    """Each quoted include is a header of a room that the file's own may use; no header twice."""
    where = collections.defaultdict(list)
    for h in tree.headers():
        where[h.rsplit("/", 1)[1]].append(h)
    for name, files in sorted(where.items()):
        if len(files) > 1:
            report.complain(f"{name}: a header's name twice: {', '.join(files)}")

    total, wrong, edges = 0, 0, collections.defaultdict(set)
    for f, room in tree.room.items():
        for number, line in enumerate(tree.lines[f], 1):
            match = INCLUDE.match(line)
            if match is None:
                continue
            total += 1
            name = match[1]
            headers = [h for r in tree.reach(room) for h in where[name] if tree.room[h] == r]
            if headers:
                edges[f].add(headers[0])
                continue
            wrong += 1
            if "/" in name:
                report.complain(f'{f}:{number}: "{name}": an include names a header, not a path')
            elif where[name]:
                report.complain(f'{f}:{number}: "{name}" is of {tree.room[where[name][0]]}, which {room} may not include')
            else:
                report.complain(f'{f}:{number}: "{name}" is a header of no room')
    print(f"includes: {total:,}, {wrong} against the rooms")
    for knot in knots({f: sorted(edges[f]) for f in tree.headers()}):
        report.complain(f"headers include each other: {' '.join(knot)}")


class Symbols:
    """What each source's object defines and uses; who calls what of whom."""

    def __init__(self, tree):
        jobs = f"-j{os.cpu_count()}"
        run("make", jobs, "-s", "--no-print-directory", "-C", tree.root, f"BUILD={tree.build}", "objects")
        self.functions = {}
        self.calls = collections.defaultdict(lambda: collections.defaultdict(list))
        defined, used = collections.defaultdict(list), {}
        for f in tree.sources():
            self.functions[f], used[f] = [], []
            for line in run("nm", "-g", tree.root / tree.build / "obj" / f"{f[:-2]}.o").splitlines():
                *_, kind, symbol = line.split()
                if kind == "U":
                    used[f].append(symbol)
                elif kind.isupper():
                    defined[symbol].append(f)
                    if kind in "TW":
                        self.functions[f].append(symbol)
        for f, symbols in used.items():
            reach = tree.reach(tree.room[f])
            for symbol in symbols:
                # Two binaries may each have one of that name: the one that f may use is meant.
                of = [d for d in defined.get(symbol, ()) if tree.room[d] in reach] or defined.get(symbol, ())
                for d in of:
                    self.calls[f][d].append(symbol)

    def called_from_elsewhere(self):
        """(file, function) of each function that another file of the tree uses."""
        used = {(d, s) for calls in self.calls.values() for d, symbols in calls.items() for s in symbols}
        return sorted((f, s) for f, symbols in self.functions.items() for s in symbols if (f, s) in used)


def check_knots(tree, symbols, report):
    found = knots({f: sorted(symbols.calls[f]) for f in tree.sources()})
    print(f"knots: {len(found)}, the largest of {plural(len(found[0]) if found else 1, 'file')} (at most {MAX_KNOT})")
    for knot in found:
        rooms = sorted({tree.room[f] for f in knot})
        across, large = len(rooms) > 1, len(knot) > MAX_KNOT
        print(f"    {len(knot)} of {' and '.join(rooms)}: {' '.join(f.rsplit('/', 1)[1][:-2] for f in knot)}")
        if not across and not large:
            continue
        report.complain(f"    a knot {'across rooms' if across else f'of more than {MAX_KNOT} files'}, tied by:")
        for f in knot:
            for d in sorted(symbols.calls[f]):
                if d in knot:
                    print(f"        {f} -> {d}: {', '.join(symbols.calls[f][d])}")


def check_calls(tree, symbols, report):
    """A room does not even call what it may not include (through a declaration of its own)."""
    for f, calls in symbols.calls.items():
        for d, names in calls.items():
            if tree.room[d] not in tree.reach(tree.room[f]):
                report.complain(f"{f} calls {', '.join(names)} of {d}, which {tree.room[f]} may not include")


def check_structs(tree, report):
    """No tag is defined twice among the sources of one binary."""
    told = set()
    for room, files in tree.binaries():
        where = collections.defaultdict(list)
        for f in files:
            for number, line in enumerate(tree.lines[f], 1):
                match = STRUCT.match(line)
                if match is not None:
                    where[match[1]].append(f"{f}:{number}")
        for tag, places in sorted(where.items()):
            if len(places) > 1 and tuple(places) not in told:
                told.add(tuple(places))
                report.complain(f"{tag}: defined twice in the binary of {room}: {', '.join(places)}")


def forms(word):
    """A word, its plural and its singular."""
    return {word, word + "s", word + "es", word.removesuffix("s"), word.removesuffix("es"),
            re.sub("ies$", "y", word), re.sub("y$", "ies", word)}


def prefixes(f, room):
    """What the functions of file f may begin with: `store_txn.c` gives `store_` and `store_txn_`,
    in the room store also `txn_`."""
    base, own = f.rsplit("/", 1)[1], forms(room.rsplit("/", 1)[-1])
    words = base[:-2].split("_")
    names = [words[:n] for n in range(1, len(words) + 1)]
    if words[0] in own:
        names += [words[1:n] for n in range(2, len(words) + 1)]
    for name in names:
        yield from ("_".join(name[:-1] + [last]) for last in forms(name[-1]))
    yield from own
    yield from PREFIXES.get(base, ())


def check_function_names(tree, symbols, report):
    """A function that another file calls begins with its file's name, or its room's."""
    called = symbols.called_from_elsewhere()
    foreign = []
    for f, name in called:
        if not any(name == p or name.startswith(p + "_") for p in prefixes(f, tree.room[f])):
            foreign.append(f"{f}: {name}")
    report.counted(f"names: {{:,}} of {len(called):,} functions that another file calls do not begin with their file's",
                   foreign, MAX_FOREIGN_NAMES)


def static_functions(lines):
    """Names of the static functions that are defined, not merely declared, in these lines."""
    for number, line in enumerate(lines):
        match = STATIC.match(line)
        if match is None:
            continue
        end = next((text for text in lines[number + 1:] if text.startswith(("{", "}")) or text.endswith(";")), "")
        if line.endswith("{") or end.startswith("{"):
            yield match[1]


def check_static_names(tree, report):
    """Stack traces say whose a static function is when its name is not everywhere."""
    where = collections.defaultdict(list)
    for f in tree.sources():
        for name in static_functions(tree.lines[f]):
            where[name].append(f)
    many = sorted(((name, files) for name, files in where.items() if len(files) >= MANY_FILES),
                  key=lambda item: (-len(item[1]), item[0]))
    report.counted(f"names: {{:,}} static functions have one name in {MANY_FILES} files or more",
                   [f"{len(files)} {name}: {' '.join(files)}" for name, files in many], MAX_COMMON_STATICS)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--names", action="store_true", help="list the names that are only counted")
    arguments.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    arguments.add_argument("--build", default=os.environ.get("BUILD", "build"), help="the folder, in the root, that objects are in")
    given = arguments.parse_args()

    tree, report = Tree(given.root, given.build), Report(given.names)
    print_rooms(tree)
    check_folders(tree, report)
    check_includes(tree, report)
    check_structs(tree, report)
    symbols = Symbols(tree)
    check_knots(tree, symbols, report)
    check_calls(tree, symbols, report)
    check_function_names(tree, symbols, report)
    check_static_names(tree, report)
    return report.failed


if __name__ == "__main__":
    sys.exit(main())
