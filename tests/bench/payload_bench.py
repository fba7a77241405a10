#!/usr/bin/env python3
"""What ids, fields and conditions cost: building, opening, searching, and conditions over 1,000,000 rows.

usage: payload_bench.py [--rows N] [--folder FOLDER]

Figures are the least of several runs: of conditions those after the first, whose bytes are in memory. Each run of a
condition has another bound, since an index keeps the last results.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cassata
import numpy as np


def least_ms(work: Callable[[int], object], runs: int) -> float:
    """Milliseconds of the fastest call; `work` gets the number of the run."""
    best = float("inf")
    for run in range(runs):
        start = time.perf_counter()
        work(run)
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def main() -> None:
    """Builds an index without and one with ids and fields, and measures both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    args = parser.parse_args()
    random, n = np.random.default_rng(1), args.rows
    vectors = random.random((n, 8), np.float32)
    sections = np.array([f"section {i}" for i in range(40)])
    payload: dict[str, Any] = {
        "ids": random.permutation(n),
        "fields": {
            "size": random.integers(0, 10_000, n),
            "weight": random.random(n),
            "section": sections[random.integers(0, 40, n)],
        },
    }
    paths = {"without": args.folder / "payload_bench.without", "with": args.folder / "payload_bench.with"}
    for name, path in paths.items():
        start = time.perf_counter()
        cassata.build(vectors, path, kind="flat", metric="euclidean", **(payload if name == "with" else {}))
        print(f"build {name:8} {time.perf_counter() - start:8.2f} s  {path.stat().st_size / 1e6:8.1f} MB")
    for name, path in paths.items():
        print(f"open {name:8} {1e3 * least_ms(lambda run, path=path: cassata.open(path), 500):8.1f} us")
    index = cassata.open(paths["with"])
    few = random.integers(0, 10_000, 1000).tolist()
    conditions: dict[str, Callable[[int], dict[str, Any]]] = {
        "int64, float64 and text": lambda run: {
            "size": {"$lt": 2000 + run},
            "weight": {"$gte": 0.5},
            "section": "section 7",
        },
        "int64": lambda run: {"size": {"$lt": 2000 + run}},
        "float64": lambda run: {"weight": {"$lt": 0.2 + run / 1000}},
        "text": lambda run: {"section": {"$gt": "section 7" + "x" * run}},
        "int64 in 1,000": lambda run: {"size": {"$in": [*few, -run]}},
        "text contains": lambda run: {"section": {"$contains": f"n {run}"}},
    }
    core = index._opened()
    for name, condition in conditions.items():
        forms = [condition(run) for run in range(30)]
        milliseconds = least_ms(lambda run, forms=forms: core.rows_where(forms[run]), 30)
        print(f"condition over {name:25} {milliseconds:8.2f} ms, an array of row numbers included")


if __name__ == "__main__":
    main()
