#!/usr/bin/env python3
"""Queries a second of processes that search one index file at once, and what they hold of it.

usage: processes_bench.py INDEX QUERIES.npy [PROCESSES ...]

One thread each, ef_search 40, some three seconds. The sum of Pss counts the file's pages once, however many processes
have mapped them.
"""

from __future__ import annotations

import json
import subprocess
import sys

READER = """
import json, sys, time, cassata, numpy as np
path, queries = sys.argv[1], np.load(sys.argv[2]).astype("f4")
index = cassata.open(path, resident="hot")
index.batch_search(queries, 10, ef_search=40, num_threads=1)
print("ready", flush=True)
sys.stdin.readline()
start, done = time.perf_counter(), 0
while time.perf_counter() - start < 3:
    index.batch_search(queries, 10, ef_search=40, num_threads=1)
    done += len(queries)
rate = done / (time.perf_counter() - start)
pss, inside = 0, False
for line in open("/proc/self/smaps"):
    if not line.split()[0].endswith(":"): inside = line.rstrip().endswith(path)
    elif inside and line.startswith("Pss:"): pss += int(line.split()[1]) / 1024
print(json.dumps([rate, pss]), flush=True)
sys.stdin.readline()
"""


def measure(path: str, queries: str, processes: int) -> dict[str, float]:
    """Sums over so many processes."""
    command = [sys.executable, "-c", READER, path, queries]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    assert all(reader.stdout.readline() == "ready\n" for reader in readers)
    for reader in readers:
        reader.stdin.write("\n")
        reader.stdin.flush()
    found = [json.loads(reader.stdout.readline()) for reader in readers]
    for reader in readers:
        reader.communicate("\n")
    return {
        "processes": processes,
        "queries_per_second": round(sum(rate for rate, _ in found)),
        "pss_mib": round(sum(pss for _, pss in found), 1),
    }


if __name__ == "__main__":
    for count in map(int, sys.argv[3:] or ["1", "2", "8"]):
        print(json.dumps(measure(sys.argv[1], sys.argv[2], count)), flush=True)
