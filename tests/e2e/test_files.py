"""What a process leaves on disk is its owner's alone, and its binary is hardened."""

import os
import stat
import subprocess

import pytest
from sluicelib import BIN

BINARIES = sorted(name for name in os.listdir(BIN) if name.startswith("sluice"))


def files_of(folder):
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            yield os.path.join(root, name)


def test_no_file_is_for_others_whatever_the_folder_is(new_sluice):
    s = new_sluice()
    s.publish("a", b"secret")
    paths = list(files_of(s.data))
    assert any(p.endswith("sluice.db") for p in paths) and any(p.endswith("-wal") for p in paths)
    for path in paths:
        mode = os.lstat(path).st_mode
        others = 0o007 if stat.S_ISDIR(mode) else 0o077
        assert mode & others == 0, f"{path}: {stat.filemode(mode)}"


def test_files_that_an_earlier_umask_left_readable_are_closed_at_the_start(new_sluice):
    s = new_sluice()
    s.publish("a", b"secret")
    s.broker.stop()
    database = os.path.join(s.data, "sluice.db")
    os.chmod(database, 0o644)
    s.broker.start()
    assert stat.S_IMODE(os.stat(database).st_mode) == 0o600


@pytest.mark.parametrize("binary", BINARIES)
def test_a_binary_is_hardened(binary):
    said = subprocess.run(["readelf", "-hldW", os.path.join(BIN, binary)], check=True,
                          capture_output=True, text=True).stdout
    assert "DYN (" in said and "PIE" in said
    assert "GNU_RELRO" in said and "BIND_NOW" in said
