"""Fixtures of all tests that run real processes.

    def test_it(sluice):           broker and SSE gateway on free ports
    def test_it(new_sluice):       new_sluice("--ring", "1M", …): the same, with flags or config
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "e2e"))

import sluicelib  # noqa: E402


@pytest.fixture
def new_sluice(tmp_path):
    """Makes systems that end with the test: new_sluice(config="[limits]\\nring = 64k\\n")."""
    made = []

    def make(config="", **kwargs):
        s = sluicelib.Sluice(tmp_path / str(len(made)), config, **kwargs)
        made.append(s)
        return s.start()

    yield make
    for s in made:
        s.end()


@pytest.fixture
def sluice(new_sluice):
    return new_sluice()
