"""The program `cassata` where something goes wrong around it: full disks, closed pipes, signals, other writers."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import cassata
import numpy as np
import pytest
from cli import BINARY, refusal, run
from conftest import FORMER, clustered

LONG = ("--ef-construction", "2000")  # a build of minutes, which tests end


def test_full_disk(built, files):
    path, _ = built
    queries = files / "queries.npy"
    with open("/dev/full", "w") as full:
        for arguments in [
            ("search", path, queries),
            ("inspect", path),
            ("inspect", path, "--json"),
            ("verify", path),
            ("--help",),
            ("build", "--help"),
        ]:
            assert "No space left on device" in refusal(
                *arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE
            )
    assert "/dev/full: No space left on device" in refusal("search", path, queries, "-o", "/dev/full")
    assert Path("/dev/full").is_char_device()


def test_build_does_not_replace_a_device(files):
    os.mkfifo(files / "fifo")
    refusal("build", "vectors.npy", "-o", "fifo", cwd=files)
    assert (files / "fifo").is_fifo()


def test_closed_standard_output(built, files):
    path, _ = built
    command = f'exec "{BINARY}" inspect "{path}" >&-'
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"Bad file descriptor" in done.stderr
    assert cassata.open(path, verify=True).n == 800


def test_closed_pipe(built, files, queries):
    path, _ = built
    np.save(files / "many.npy", np.tile(queries, (100, 1)))
    command = f'"{BINARY}" search "{path}" "{files / "many.npy"}" | head -1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("0\t")
    assert done.stdout.splitlines()[1] == str(128 + signal.SIGPIPE)  # as `yes | head -1` ends


def _wait_for_lock(path, process):
    """Until the process has locked `path`."""
    while True:
        assert process.poll() is None
        try:
            with open(path) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass
        except BlockingIOError:
            return
        time.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_interruption_leaves_the_former_file(number, files):
    np.save(files / "large.npy", clustered(60_000, 24, seed=3))
    target = files / "index"
    target.write_bytes(FORMER)
    process = subprocess.Popen(
        [BINARY, "build", files / "large.npy", "-o", target, *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _wait_for_lock(files / "index.partial", process)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (-number, b"", b"")
    assert target.read_bytes() == FORMER
    assert sorted(os.listdir(files)) == ["index", "large.npy", "queries.npy", "vectors.npy"]


def test_second_writer_is_told(files):
    np.save(files / "large.npy", clustered(60_000, 24, seed=3))
    build = [BINARY, "build", files / "large.npy", "-o", files / "index", *LONG]
    first = subprocess.Popen(build, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _wait_for_lock(files / "index.partial", first)
    first.send_signal(signal.SIGSTOP)  # so that it is there for as long as the second one takes to start
    assert "another writer" in refusal("build", files / "vectors.npy", "-o", files / "index")
    first.kill()
    first.communicate()
    run("build", files / "vectors.npy", "-o", files / "index", "-q")  # what a killed writer left is in nobody's way
    assert sorted(os.listdir(files)) == ["index", "large.npy", "queries.npy", "vectors.npy"]


def test_interruption_while_waiting_for_queries(built):
    path, _ = built
    process = subprocess.Popen(
        [BINARY, "search", path, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == -signal.SIGINT
    assert process.communicate() == (b"", b"")


def test_a_build_goes_on_after_kills(tmp_path):
    np.save(tmp_path / "vectors.npy", clustered(6000, 100, seed=7))
    command = [BINARY, "build", "vectors.npy", "-o", "index", "-m", "8", "--memory-budget", "50MiB", "--resume", "-q"]
    subprocess.run([*command[:4], "whole", *command[5:]], cwd=tmp_path, check=True)
    for seconds in (0.05, 0.2, 0.4, 0.8):
        with subprocess.Popen(command, cwd=tmp_path) as process:
            time.sleep(seconds)
            process.kill()
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "index").read_bytes() == (tmp_path / "whole").read_bytes()
    assert not (tmp_path / "index.build").exists()
