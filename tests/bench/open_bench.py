#!/usr/bin/env python3
"""What opening an index costs: time, private memory, what two processes share, and the first answer after a cold start.

usage: open_bench.py INDEX QUERIES.npy [--kannolo FILE GRAPH_TYPE]

Each figure is the median of five processes of their own. The cold start empties the page cache, so it needs root.
--kannolo times kannolo's load and first answer of a DensePlainHNSW (dot product) that it saved, beside ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

PROBE = """
import json, sys, time
import numpy as np
queries = np.load(sys.argv[2]).astype("f4")
def memory():
    lines = open("/proc/self/smaps_rollup").read().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
def mapped(path):
    inside, pss = False, 0
    for line in open("/proc/self/smaps"):
        if not line.split()[0].endswith(":"): inside = line.rstrip().endswith(path)
        elif inside and line.startswith("Pss:"): pss += int(line.split()[1]) / 1024
    return pss
if sys.argv[3] == "cassata":
    import cassata
    load = lambda: cassata.open(sys.argv[1])
else:
    import kannolo
    load = lambda: kannolo.DensePlainHNSW.load(sys.argv[1], metric="dotproduct", graph_type=sys.argv[3])
before = memory()
start = time.perf_counter()
index = load()
opened = time.perf_counter()
index.search(queries[0], k=10, ef_search=40)
answered = time.perf_counter()
for query in queries[:100]: index.search(query, k=10, ef_search=100)
after = memory()
private = after["Pss_Anon"] - before["Pss_Anon"]
out = dict(load_ms=1e3 * (opened - start), first_answer_ms=1e3 * (answered - start), private_mib=private)
if len(sys.argv) > 4:
    index.verify()  # touches every page
    print("ready", flush=True)
    sys.stdin.readline()
    out["pss_mib"] = mapped(sys.argv[1])
print(json.dumps(out), flush=True)
if len(sys.argv) > 4: sys.stdin.readline()
"""


def probe(path: str, queries: str, library: str) -> dict[str, float]:
    """Figures of one process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, path, queries, library], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def drop_page_cache() -> None:
    """Empties the page cache of the machine."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def medians(path: str, queries: str, library: str, cold: bool) -> dict[str, float]:
    """Medians over five processes."""
    runs = []
    for _ in range(5):
        if cold:
            drop_page_cache()
            subprocess.run(
                [sys.executable, "-c", f"import numpy, {'cassata' if library == 'cassata' else 'kannolo'}"], check=True
            )  # the code itself is warm
        runs.append(probe(path, queries, library))
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def shared(path: str, queries: str, readers: int) -> float:
    """Sum of the Pss of the mapped file, in MiB, while `readers` processes have it open and have read all of it."""
    command = [sys.executable, "-c", PROBE, path, queries, "cassata", "share"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(readers)
    ]
    assert all(p.stdout.readline() == "ready\n" for p in processes)
    total = 0.0
    for p in processes:
        p.stdin.write("\n")
        p.stdin.flush()
        total += json.loads(p.stdout.readline())["pss_mib"]
    for p in processes:
        p.communicate("\n")
    return round(total, 1)


def main() -> None:
    """Prints one JSON line a library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index")
    parser.add_argument("queries")
    parser.add_argument("--kannolo", nargs=2, metavar=("FILE", "GRAPH_TYPE"))
    arguments = parser.parse_args()
    indexes = [(os.path.abspath(arguments.index), "cassata")] + (
        [tuple(arguments.kannolo)] if arguments.kannolo else []
    )
    for path, library in indexes:
        warm, cold = (medians(path, arguments.queries, library, cold) for cold in (False, True))
        out = {
            "library": "cassata" if library == "cassata" else "kannolo",
            "file_mib": round(os.path.getsize(path) / 2**20, 1),
            "warm": warm,
            "cold": cold,
        }
        if library == "cassata":
            out["pss_mib"] = {readers: shared(path, arguments.queries, readers) for readers in (1, 2)}
        print(json.dumps(out))


if __name__ == "__main__":
    main()
