#!/usr/bin/env python3
"""How much of the product its tests reach, from gcov's counts in a build with --coverage.

    tests/coverage.py build/coverage forget     drop the counts
    tests/coverage.py build/coverage units      print `coverage: units 78.1 % of lines`, and
                                                write each file's into build/coverage/units.txt
"""

import collections
import json
import pathlib
import subprocess
import sys


def covered(build):
    """{file: {line: reached}} of the product; a line of two objects is reached if in either."""
    files = collections.defaultdict(dict)
    objects = []
    for folder in (build / "obj", build / "failpoints" / "obj"):
        # Those of files that have moved since stay behind.
        objects += [o for o in sorted(folder.rglob("*.gcno")) if o.relative_to(folder).with_suffix(".c").exists()]
    done = subprocess.run(["gcov", "--json-format", "--stdout", *objects], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for answer in map(json.loads, done.stdout.splitlines()):
        for file in answer["files"]:
            if not file["file"].startswith(("/", "tests/")):
                lines = files[file["file"]]
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[number] = lines.get(number, False) or line["count"] > 0
    return files


def percent(lines):
    """A share of lines, never rounded up to all of them."""
    lines = list(lines)
    return sum(lines) * 1000 // max(len(lines), 1) / 10


def main():
    build, what = pathlib.Path(sys.argv[1]), sys.argv[2]
    if what == "forget":
        for counts in build.rglob("*.gcda"):
            counts.unlink()
        return
    files = covered(build)
    listed = [f"{percent(lines.values()):5.1f} % of {len(lines):4} lines  {file}" for file, lines in sorted(files.items())]
    (build / f"{what.replace(' ', '-')}.txt").write_text("\n".join(listed) + "\n")
    print(f"coverage: {what} {percent(r for lines in files.values() for r in lines.values())} % of lines")


if __name__ == "__main__":
    main()
