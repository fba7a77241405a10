"""What killed builds left: found and removed, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import cassata
import numpy as np
import pytest
from cli import BINARY, output, refusal
from conftest import clustered

USERS = b"a file of the user's\n"


def killed(folder, name, *options, until):
    """A build that is killed as soon as `until` holds."""
    command = [BINARY, "build", folder / "vectors.npy", "-o", folder / name, "-m", "8", "-q", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while not until():
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()


@pytest.fixture
def place(tmp_path):
    """A folder in which builds were killed, and files of the user's that are named as if."""
    np.save(tmp_path / "vectors.npy", clustered(20_000, 64, seed=1))
    killed(tmp_path, "a", until=(tmp_path / "a.partial").exists)
    killed(tmp_path, "b", "--memory-budget", "50MiB", until=(tmp_path / "b.build" / "kept").exists)
    killed(tmp_path, "c", "--memory-budget", "50MiB", until=(tmp_path / "c.build" / "names").exists)
    (tmp_path / "c.build" / "kept").unlink(missing_ok=True)  # as if it was killed earlier
    (tmp_path / "users.partial").write_bytes(USERS)
    (tmp_path / "empty.partial").touch()
    (tmp_path / "users.build").mkdir()
    (tmp_path / "users.build" / "notes").write_bytes(USERS)
    (tmp_path / "empty.build").mkdir()
    (tmp_path / "link.partial").symlink_to("a.partial")
    (tmp_path / "link.build").symlink_to("b.build")
    return tmp_path


LEFT = ["a.partial", "b.build", "b.partial", "c.build", "c.partial"]


def described(found, folder):
    assert all(item["bytes"] >= 0 for item in found)
    return [(os.path.relpath(item["path"], folder), item["what"], item["kept"]) for item in found]


EXPECTED = [
    ("a.partial", "unfinished file", None),
    ("b.build", "work folder", "a build can be resumed from it"),
    ("b.partial", "unfinished file", None),
    ("c.build", "work folder", None),
    ("c.partial", "unfinished file", None),
]


def test_leftovers_are_removed_and_nothing_else(place):
    before = sorted(os.listdir(place))
    assert described(cassata.clean(place, dry_run=True), place) == EXPECTED
    assert described(json.loads(output("clean", place, "--dry-run", "--json")), place) == EXPECTED
    assert "would remove " + str(place / "a.partial") in output("clean", place, "-n")
    assert sorted(os.listdir(place)) == before
    told = output("clean", place).splitlines()
    assert [line.split()[0] for line in told] == ["removed", "kept", "removed", "removed", "removed"]
    assert sorted(os.listdir(place)) == sorted(set(before) - set(LEFT) | {"b.build"})
    assert described(cassata.clean(place), place) == EXPECTED[1:2]
    assert described(cassata.clean(place, resumable=True), place) == [("b.build", "work folder", None)]
    assert sorted(os.listdir(place)) == sorted(set(before) - set(LEFT))
    assert (place / "users.partial").read_bytes() == (place / "users.build" / "notes").read_bytes() == USERS
    assert json.loads(output("clean", place, "--json")) == []
    assert output("clean", place) == ""


def test_files_of_the_users_in_a_work_folder_stay(place):
    (place / "c.build" / "notes").write_bytes(USERS)
    found = {name: kept for name, _, kept in described(cassata.clean(place), place)}
    assert found["c.build"] == "files that no build made are in it; the build's own are removed"
    assert os.listdir(place / "c.build") == ["notes"]
    assert (place / "c.build" / "notes").read_bytes() == USERS


def test_what_a_build_is_at_work_on_stays(place):
    command = [
        BINARY,
        "build",
        place / "vectors.npy",
        "-o",
        place / "b",
        "-m",
        "8",
        "-q",
        "--memory-budget",
        "50MiB",
        "--resume",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while cassata.clean(place, dry_run=True)[2]["kept"] is None:
            assert process.poll() is None
        process.send_signal(signal.SIGSTOP)
        found = {name: kept for name, _, kept in described(cassata.clean(place, resumable=True), place)}
        assert found["b.partial"] == "a writer is at work on it"
        assert found["b.build"] == "a build is at work on it"
        process.send_signal(signal.SIGCONT)
        assert process.wait() == 0
    assert cassata.open(place / "b").n == 20_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_others_left_stays(place):
    for name in ("a.partial", "c.build"):
        os.chown(place / name, 65534, 65534)
    assert [name for name, _, _ in described(cassata.clean(place), place)] == ["b.build", "b.partial", "c.partial"]
    assert (place / "a.partial").exists()
    assert (place / "c.build" / "what").exists()


def test_folders_that_cannot_be_read(tmp_path):
    assert "No such file" in refusal("clean", tmp_path / "none")
    (tmp_path / "file").touch()
    assert "Not a directory" in refusal("clean", tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        cassata.clean(tmp_path / "none")
    with pytest.raises(TypeError, match="dry_run"):
        cassata.clean(tmp_path, dry_run="yes")
    assert cassata.clean(tmp_path) == []
