"""Measures an index: time to open, speed, recall, and the memory that two processes share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cassata
import numpy as np

from demo.latent import Floats

K = 10

_ROUNDING = 1e-3  # of stored values and sums

# A process of its own opens the index, answers the same queries, says how long opening took, and waits until its memory
# is measured.
_SECOND_PROCESS = """
import sys, time, zlib
import numpy as np
import cassata
start = time.perf_counter()
index = cassata.open(sys.argv[1])
seconds = time.perf_counter() - start
ids = index.batch_search(np.load(sys.argv[2]), num_threads=1)[1]
print(seconds, zlib.crc32(ids.tobytes()), flush=True)
sys.stdin.read()
"""


class Measures(NamedTuple):
    """Measurements of an index that answered queries in one thread."""

    load_seconds: float
    queries_per_second: float
    scores: Floats  # a row for each query, best first


class Shared(NamedTuple):
    """Measurements of an index file that two processes have open."""

    load_seconds: float  # of the second one
    seen_bytes: tuple[int, int]  # of the file, by each
    held_bytes: int  # of memory, for both together


def measure(load: Callable[[], Any], queries: Any) -> Measures:
    """Loads an index and searches it."""
    start = time.perf_counter()
    index = load()
    loaded = time.perf_counter()
    scores = index.batch_search(queries, K, num_threads=1)[0]
    answered = time.perf_counter()
    index.close()
    return Measures(loaded - start, scores.shape[0] / (answered - loaded), scores)


def recall(scores: Floats, exact: Floats) -> float:
    """The share of results that score no worse than the last exact result, except for rounding, so that ties count."""
    worst = exact[:, -1:]
    return float(np.mean(scores >= worst - np.abs(worst) * _ROUNDING))


def share(index_path: Path, queries: Floats, scratch: Path) -> Shared:
    """Searches in two processes at once. `scratch` is a folder for a temporary file."""
    index = cassata.open(index_path)
    ids = index.search(queries, k=K)[1]
    queries_path = scratch / f"queries-{os.getpid()}.npy"
    np.save(queries_path, queries)
    try:
        command = [sys.executable, "-c", _SECOND_PROCESS, str(index_path), str(queries_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second:
            assert second.stdout
            answer = second.stdout.readline().split()
            if not answer:
                raise OSError("the second process ended before it had answered")
            if int(answer[1]) != zlib.crc32(ids.tobytes()):
                raise OSError("the second process found other answers in the same file")
            here, there = mapped("self", index_path), mapped(str(second.pid), index_path)
            second.communicate()
    finally:
        queries_path.unlink()
    return Shared(float(answer[0]), (here[0], there[0]), here[1] + there[1])


def mapped(process: str, path: Path) -> tuple[int, int]:
    """Bytes of the mapped file in the process's memory: all, and the process's share (Rss and Pss of proc(5))."""
    rss = pss = 0
    inside = False
    name = str(path.resolve())
    with open(f"/proc/{process}/smaps", errors="surrogateescape") as smaps:
        for line in smaps:
            key, _, rest = line.partition(" ")
            # The first line of a mapping: addresses, permissions, offset, device, inode, path.
            if not key.endswith(":"):
                inside = line.rstrip("\n").endswith(" " + name)
            elif inside and key == "Rss:":
                rss += 1024 * int(rest.split()[0])
            elif inside and key == "Pss:":
                pss += 1024 * int(rest.split()[0])
    return rss, pss
