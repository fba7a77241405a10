"""What the index does: how fast it opens and answers, how exactly, and what two processes share of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import cassata
from cassata.demo.latent import Floats

K = 10

# A process of its own opens the index, answers the same queries, says how long opening took, and waits until its memory is measured.
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
    """Seconds, bytes, shares."""

    load_seconds: float
    second_load_seconds: float
    queries: int
    recall: float
    queries_per_second: float
    seen_bytes: tuple[int, int]  # of the file, by each process
    held_bytes: int  # of memory, for both together


def measure(index_path: Path, vectors_path: Path, queries: Floats, scratch: Path) -> Measures:
    """Runs `queries` in two processes at once. `scratch` is a folder for a file that is removed again."""
    start = time.perf_counter()
    index = cassata.open(index_path)
    load_seconds = time.perf_counter() - start
    start = time.perf_counter()
    ids = index.batch_search(queries, K, num_threads=1)[1]
    rate = len(queries) / (time.perf_counter() - start)
    exact = cassata.DenseFlatIndex.build_from_file(vectors_path).batch_search(queries, K)[1]
    recall = float(np.mean([len(np.intersect1d(found, true)) / len(true) for found, true in zip(ids, exact)]))
    second_load, seen, held = _share(index_path, queries, ids, scratch)
    return Measures(load_seconds, second_load, len(queries), recall, rate, seen, held)


def _share(index_path: Path, queries: Floats, ids: npt.NDArray[np.int64], scratch: Path) -> tuple[float, tuple[int, int], int]:
    """Load time of a second process; bytes of the file that this process and that one see; bytes of memory that this takes."""
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
    return float(answer[0]), (here[0], there[0]), here[1] + there[1]


def mapped(process: str, path: Path) -> tuple[int, int]:
    """Bytes of the mapped file that are in the process's memory: all of them, and its share (Rss and Pss of proc(5))."""
    rss = pss = 0
    inside = False
    name = str(path.resolve())
    with open(f"/proc/{process}/smaps", errors="surrogateescape") as smaps:
        for line in smaps:
            key, _, rest = line.partition(" ")
            if not key.endswith(":"):  # the first line of a mapping: addresses, permissions, offset, device, inode, path
                inside = line.rstrip("\n").endswith(" " + name)
            elif inside and key == "Rss:":
                rss += 1024 * int(rest.split()[0])
            elif inside and key == "Pss:":
                pss += 1024 * int(rest.split()[0])
    return rss, pss
