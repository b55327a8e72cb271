"""What deploy/rooms.py finds, in trees of a few lines."""

import pathlib
import subprocess
import sys

import pytest

ROOMS_PY = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "rooms.py"

# As the product's, but every -I for all: what the compiler would refuse is to be found, too.
MAKEFILE = """
objects: $(patsubst %.c,build/obj/%.o,$(wildcard low/*.c high/*.c))
build/obj/%.o: %.c ; @mkdir -p $(@D) && $(CC) -Ilow -Ihigh -Wno-implicit-function-declaration -c $< -o $@
print-rooms: ; @printf '%s\\n' 'low:' 'high: low'
"""


@pytest.fixture
def look(tmp_path):
    """Makes a tree of the files given, and says whether rooms.py is content, and its words."""

    def make(files):
        always = {"Makefile": MAKEFILE, "low/a.c": "", "high/main.c": "int main(void) { return 0; }"}
        for name, text in {**always, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command = [sys.executable, ROOMS_PY, "--root", tmp_path, "--build", "build", "--names"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        return done.returncode == 0, done.stdout

    return make


def circle(n, folder="low"):
    """n files, each calling the next."""
    return {
        f"{folder}/f{i}.c": f"void f{(i + 1) % n}_go(void);\nvoid f{i}_go(void)\n{{\n    f{(i + 1) % n}_go();\n}}\n"
        for i in range(n)
    }


def test_a_good_tree(look):
    good, said = look({"low/a.h": "", "high/b.c": '#include "a.h"\n'})
    assert good
    assert "    high  low\n" in said
    assert "includes: 1, 0 against the rooms\n" in said
    assert "knots: 0, the largest of 1 file (at most 4)\n" in said


def test_an_include_upwards(look):
    good, said = look({"high/b.h": "", "low/a.c": '\n#include "b.h"\n'})
    assert not good
    assert 'low/a.c:2: "b.h" is of high, which low may not include\n' in said
    assert "includes: 1, 1 against the rooms\n" in said


def test_an_include_by_path(look):
    good, said = look({"high/b.h": "", "low/a.c": '#include "../high/b.h"\n'})
    assert not good
    assert 'low/a.c:1: "../high/b.h": an include names a header, not a path\n' in said


def test_a_call_upwards(look):
    good, said = look({"high/b.c": "void b_go(void) {}\n", "low/a.c": "void b_go(void);\nvoid a_go(void) { b_go(); }\n"})
    assert not good
    assert "low/a.c calls b_go of high/b.c, which low may not include\n" in said


def test_a_file_in_no_room(look):
    good, said = look({"low/x/c.c": ""})
    assert not good
    assert "low/x/c.c: lies in no room of the Makefile\n" in said


def test_a_knot_of_four_is_told(look):
    good, said = look(circle(4))
    assert good
    assert "knots: 1, the largest of 4 files (at most 4)\n    4 of low: f0 f1 f2 f3\n" in said


def test_a_knot_of_five_is_too_large(look):
    good, said = look(circle(5))
    assert not good
    assert "a knot of more than 4 files, tied by:\n        low/f0.c -> low/f1.c: f1_go\n" in said


def test_a_knot_across_rooms(look):
    good, said = look({"high/f0.c": circle(2)["low/f0.c"], "low/f1.c": circle(2)["low/f1.c"]})
    assert not good
    assert "a knot across rooms, tied by:\n" in said


def test_headers_that_include_each_other(look):
    good, said = look({"low/a.h": '#pragma once\n#include "b.h"\n', "low/b.h": '#pragma once\n#include "a.h"\n'})
    assert not good
    assert "headers include each other: low/a.h low/b.h\n" in said


def test_a_header_twice(look):
    good, said = look({"low/a.h": "", "high/a.h": ""})
    assert not good
    assert "a.h: a header's name twice: low/a.h, high/a.h\n" in said


def test_a_struct_twice_in_a_binary(look):
    good, said = look({"low/a.c": "struct link {\n    int n;\n};\n", "high/b.c": "\nstruct link {\n    int n;\n};\n"})
    assert not good
    assert "struct link: defined twice in the binary of high: high/b.c:2, low/a.c:1\n" in said


@pytest.mark.parametrize("file", ["low/feed.c", "low/feeds.c", "low/feed_turn.c", "low/low_feed.c"])
def test_a_function_with_its_file_s_name(look, file):
    _, said = look({file: "void feed_turn(void) {}\n", "high/b.c": "void feed_turn(void);\nvoid b_go(void) { feed_turn(); }\n"})
    assert "names: 0 of 1 functions that another file calls" in said


def test_a_function_with_another_name(look):
    _, said = look({"low/a.c": "void feed_turn(void) {}\n", "high/b.c": "void feed_turn(void);\nvoid b_go(void) { feed_turn(); }\n"})
    assert "names: 1 of 1 functions that another file calls" in said
    assert "    low/a.c: feed_turn\n" in said


def test_static_functions_of_one_name(look):
    defined = "static void on_gone(int a,\n                    int b);\nstatic void on_gone(int a,\n                    int b)\n{\n}\n"
    declared = "static void on_gone(int a);\n"
    _, said = look({f"low/s{i}.c": defined for i in range(4)} | {"high/b.c": declared})
    assert "names: 1 static functions have one name in 4 files or more" in said
    assert "    4 on_gone: low/s0.c low/s1.c low/s2.c low/s3.c\n" in said
