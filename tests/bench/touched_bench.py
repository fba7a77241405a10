"""What comparing blocks with their hashes costs: the first queries of a file that is not in memory, and queries of one
that is.

python tests/bench/touched_bench.py FILE.cassata [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import cassata
import numpy as np

CHOICES = (False, "touched")


def forget(path):
    """Has the kernel drop the file's pages."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def seconds(work):
    """Processor time, which other processes of a shared machine change little; reading from disk into the page cache is
    a part of it."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main(path, rounds=9):
    """Prints medians over rounds, in which the choices take turns."""
    with cassata.open(path) as index:
        queries = np.random.default_rng(3).standard_normal((2000, index.dim), dtype=np.float32)
    cold = {choice: [] for choice in CHOICES}
    warm = {choice: [] for choice in CHOICES}
    for _ in range(rounds):
        for choice in CHOICES:
            forget(path)
            with cassata.open(path, verify=choice) as index:
                cold[choice].append(
                    seconds(
                        lambda index=index: [index.search(query, k=10, ef_search=64) for query in queries[:100, None]]
                    )
                )
    held = {choice: cassata.open(path, verify=choice, resident="all") for choice in CHOICES}
    for choice in CHOICES:
        held[choice].batch_search(queries, k=10, ef_search=64, num_threads=1)
    for _ in range(rounds):
        for choice in CHOICES:
            warm[choice].append(
                seconds(lambda choice=choice: held[choice].batch_search(queries, k=10, ef_search=64, num_threads=1))
            )
    for choice in CHOICES:
        first, rate = statistics.median(cold[choice]), len(queries) / statistics.median(warm[choice])
        print(
            f"verify={choice!r}: first 100 queries {first * 1e3:.0f} ms, then {rate:.0f} queries/s, by processor time"
        )
    ratio = statistics.median(off / on for off, on in zip(warm[False], warm["touched"]))
    print(f"queries/s with / without, median of pairs: {ratio:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
