#!/usr/bin/env python3
"""Search under a limit of memory, beside others, in one run: recall, queries a second, latencies, reads, and the
device's own limit.

usage: limited_bench.py QUERIES.npy VECTORS.npy --engine KIND[:NAME]=PATH[@PERCENT] ... [--percent 25,10] [--threads
                        1,2] [--recall 0.95] [--count 10000] [--seconds 40] [--rounds 1] [--python KIND=INTERPRETER ...]
                        [--ef KIND[:NAME]=N ...]

KIND is cassata (an index file), locked (the same, opened with resident="hot" and lock=True), usearch (`view` of a saved
index of f32, inner product), faiss (an HNSW index, IO_FLAG_MMAP_IFC) or diskann (a folder of diskannpy's, prefix
"ann"). With @PERCENT an engine takes part at that limit alone. An interpreter other than this one is given by --python.
Needs Linux, root, cgroup v1 and fio. For example:

    limited_bench.py q.npy big.npy --engine cassata:int4=int4.cassata@25 --engine cassata:rabitq=rabitq1.cassata@10 \\
        --engine diskann=folder --engine faiss=big.faiss --engine usearch=big.usearch --python
        diskann=/tmp/diskann/bin/python \\ --python faiss=/tmp/peers/bin/python --python usearch=/tmp/peers/bin/python

Limits are shares of the vectors as f32. Each engine first looks, without a limit, for the smallest ef that reaches
--recall on the first --checked queries, unless --ef says it. Then each measurement is a process of its own in a memory
cgroup, after the page cache was dropped: it has the queries and NumPy before it enters; the engine's library, its index
and all that is read count. No one else may have the files open: what others read would be in memory outside the limit.
The queries as they are warm it up. What is measured are --count queries made of them: noise of 0.01 a component, other
for each, normalized, so that no query comes twice; recall is of the first --checked of these, against exact answers,
which are kept beside QUERIES.npy. --threads threads ask for one query each at a time: queries/s, latencies and reads
are theirs. "batch" are the queries/s of the same queries as one call. Both end after --seconds. The engines take turns,
--rounds times; told are the medians, and the slowest of all. fio then reads 4 KiB at random places of the first
engine's file, past the page cache; "device" is the share of its reads a second at depth 32 that those of the search
come to.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

MEMORY, BLKIO = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/blkio")
K, NOISE, SEED = 10, 0.01, 1


# One measurement, in a process of its own.


def opened(kind, path, dim, threads):
    """search(query, ef) and batch(queries, ef): ids, by one engine."""
    if kind in ("cassata", "locked"):
        import cassata

        index = cassata.open(path) if kind == "cassata" else cassata.open(path, resident="hot", lock=True)
        return (
            lambda query, ef: index.search(query, k=K, ef_search=ef)[1],
            lambda queries, ef: index.search(queries, k=K, ef_search=ef, num_threads=threads)[1].reshape(-1, K),
        )
    if kind == "usearch":
        from usearch.index import Index

        index = Index(ndim=dim, metric="ip", connectivity=16, dtype="f32")
        index.view(path)

        def search(queries, ef, count=1):
            index.expansion_search = ef
            return index.search(queries, K, threads=count).keys

        return search, lambda queries, ef: search(queries, ef, threads)
    if kind == "faiss":
        import faiss

        index = faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC)

        def search(queries, ef, count=1):
            faiss.omp_set_num_threads(count)
            return index.search(queries, K, params=faiss.SearchParametersHNSW(efSearch=ef))[1]

        return lambda query, ef: search(query[None], ef)[0], lambda queries, ef: search(queries, ef, threads)
    import diskannpy

    # it hangs where it has one thread only
    index = diskannpy.StaticDiskIndex(
        index_directory=path, num_threads=2, num_nodes_to_cache=0, cache_mechanism=1, index_prefix="ann"
    )
    return (
        lambda query, ef: index.search(query, K, max(ef, K), 4).identifiers,
        lambda queries, ef: index.batch_search(queries, K, max(ef, K), threads, 4).identifiers,
    )


def read_bytes():
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def reads(group):
    """Reads from devices that a cgroup has asked for."""
    lines = (BLKIO / group / "blkio.throttle.io_serviced").read_text().splitlines()
    return sum(int(line.split()[2]) for line in lines if " Read " in line)


def recall(ids, truth):
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(np.asarray(ids).tolist(), truth.tolist())]))


def calibrate(job):
    """The smallest ef that reaches the recall, and that recall."""
    truth = np.load(job["asked_truth"])
    queries = np.load(job["asked"])[: len(truth)]
    _, batch = opened(job["kind"], job["path"], queries.shape[1], 2)
    at = {}

    def reached(ef):
        at[ef] = recall(batch(queries, ef), truth)
        return at[ef] >= job["recall"]

    high = 16
    while high < 2048 and not reached(high):
        high *= 2
    low = high // 2
    while high - low > max(1, high // 32):
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return {"ef": high, "recall": at[high]}


def ask(search, queries, ef, threads, seconds):
    """Asks one query after another on each of some threads: ids, latencies in s by query (0: not asked), seconds in
    all."""
    ids, latencies, end = np.zeros((len(queries), K), np.int64), np.zeros(len(queries)), time.perf_counter() + seconds
    failures = []

    def work(first):
        try:
            for i in range(first, len(queries), threads):
                start = time.perf_counter()
                if start > end:
                    return
                found = np.asarray(search(queries[i], ef))
                latencies[i] = time.perf_counter() - start
                ids[i, : len(found)] = found
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return ids, latencies, time.perf_counter() - start


def measure(job):
    warming = np.load(job["queries"]).astype(np.float32)
    queries, truth, ef, threads = np.load(job["asked"]), np.load(job["asked_truth"]), job["ef"], job["threads"]
    backwards = queries[::-1].copy()  # those asked last were read last
    for groups in (MEMORY, BLKIO):
        (groups / job["group"] / "cgroup.procs").write_text(str(os.getpid()))
    start = time.perf_counter()
    search, batch = opened(job["kind"], job["path"], queries.shape[1], threads)
    told = {"opened": time.perf_counter() - start}
    ask(search, warming, ef, threads, job["seconds"])
    before = reads(job["group"]), read_bytes()
    ids, latencies, seconds = ask(search, queries, ef, threads, job["seconds"])
    after = reads(job["group"]), read_bytes()
    done = np.flatnonzero(latencies)
    checked = done[done < len(truth)]
    milliseconds = np.sort(latencies[done]) * 1000
    told |= {
        "queries": len(done),
        "recall": recall(ids[checked], truth[checked]),
        "qps": len(done) / seconds,
        "max": milliseconds[-1],
    }
    told |= {name: float(np.percentile(milliseconds, share)) for name, share in (("p50", 50), ("p99", 99))}
    told |= {"reads": (after[0] - before[0]) / len(done), "kib": (after[1] - before[1]) / len(done) / 1024}
    told["reads_s"] = (after[0] - before[0]) / seconds
    part = max(threads, min(len(queries), int(told["qps"] * job["seconds"])))
    start = time.perf_counter()
    batch(backwards[:part], ef)
    told["batch"] = part / (time.perf_counter() - start)
    return told


# All of them.


def fail(message):
    sys.exit(f"limited_bench.py: {message}")


def prepared(given):
    """Files of the queries that are asked, and of exact answers to the first of them."""
    vectors = np.load(given.vectors, mmap_mode="r")
    queries = np.load(given.queries).astype(np.float32)

    def exact(of, name):
        file = Path(f"{given.queries}.{name}.npy")
        if not file.exists():
            best = [np.empty((len(of), 0), np.int64), np.empty((len(of), 0), np.float32)]
            for begin in range(0, len(vectors), 50_000):
                scores = of @ np.asarray(vectors[begin : begin + 50_000], np.float32).T
                near = np.argpartition(-scores, K, axis=1)[:, :K]
                both = np.concatenate([best[1], np.take_along_axis(scores, near, 1)], axis=1)
                order = np.argsort(-both, axis=1, kind="stable")[:, :K]
                best = [
                    np.take_along_axis(np.concatenate([best[0], near + begin], axis=1), order, 1),
                    np.take_along_axis(both, order, 1),
                ]
            np.save(file, best[0])
        return file

    rng = np.random.default_rng(SEED)
    asked = np.resize(queries, (given.count, queries.shape[1]))
    asked = asked + rng.standard_normal(asked.shape, dtype=np.float32) * np.float32(NOISE)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    file = Path(f"{given.queries}.asked.npy")
    np.save(file, asked)
    return file, exact(asked[: given.checked], f"asked{given.checked}.gt")


@contextlib.contextmanager
def limited(limit):
    """A cgroup of so many bytes: its name."""
    name = f"limited-{os.getpid()}"
    places = [groups / name for groups in (MEMORY, BLKIO)]
    for place in places:
        place.mkdir()
    try:
        (places[0] / "memory.limit_in_bytes").write_text(str(limit))
        for device in Path("/sys/block").glob("*/dev"):
            for rate in (2**32 - 2, 0):  # any limit at all, taken back at once, makes the kernel count reads
                with contextlib.suppress(OSError):
                    (places[1] / "blkio.throttle.read_iops_device").write_text(f"{device.read_text().strip()} {rate}")
        yield name
    finally:
        for place in places:
            for _ in range(100):  # until the kernel has let go of a process that was killed
                with contextlib.suppress(OSError):
                    place.rmdir()
                    break
                time.sleep(0.1)


def run(job, python):
    """What a process of this script tells of a job, or how it ended."""
    process = subprocess.Popen(
        [python, __file__, "--job", json.dumps(job)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, errors = process.communicate(timeout=20 * job["seconds"] + 300)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return {"ended": "does not end"}
    if process.returncode == -signal.SIGKILL:
        return {"ended": "killed: more memory than the limit"}
    if process.returncode:
        return {"ended": (errors.strip().splitlines() or [f"ended with {process.returncode}"])[-1]}
    return json.loads(out.splitlines()[-1])


def device(path):
    """Reads of 4 KiB a second at depth 1 and 32."""
    told = {}
    for depth in (1, 32):
        options = (
            f"--name=reads --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth={depth} --runtime=5 "
            f"--time_based --readonly"
        )
        command = ["fio", *options.split(), f"--filename={path}", "--output-format=json"]
        report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        told[depth] = report["jobs"][0]["read"]["iops"]
    return told


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("queries", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--engine", action="append", required=True, metavar="KIND[:NAME]=PATH[@PERCENT]")
    parser.add_argument("--python", action="append", default=[], metavar="KIND=INTERPRETER")
    parser.add_argument("--ef", action="append", default=[], metavar="KIND[:NAME]=N", help="instead of looking for it")
    parser.add_argument("--percent", default="25,10", help="limits, of the vectors as f32")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--count", type=int, default=10_000, help="queries")
    parser.add_argument("--checked", type=int, default=2_000, help="queries whose recall is told")
    parser.add_argument("--seconds", type=float, default=40, help="the most that a measurement takes")
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


def main():
    if sys.argv[1:2] == ["--job"]:
        job = json.loads(sys.argv[2])
        print(json.dumps(measure(job) if job["group"] else calibrate(job)))
        return
    given = arguments()
    if not (MEMORY / "memory.limit_in_bytes").exists() or not BLKIO.exists():
        fail(f"no cgroup v1 controllers of memory and blkio at {MEMORY.parent}: this measures under their limits")
    if os.geteuid() != 0:
        fail("needs root: it makes cgroups and drops the page cache")
    asked, asked_truth = prepared(given)
    pythons = dict(item.split("=", 1) for item in given.python)
    chosen = dict(item.split("=", 1) for item in given.ef)
    shape = np.load(given.vectors, mmap_mode="r").shape
    size = shape[0] * shape[1] * 4
    base = {
        "queries": str(given.queries),
        "asked": str(asked),
        "asked_truth": str(asked_truth),
        "recall": given.recall,
    }
    base["seconds"] = given.seconds
    engines = []
    for item in given.engine:
        name, _, path = item.partition("=")
        path, _, percent = path.partition("@")
        kind = name.split(":")[0]
        engine = {**base, "name": name, "kind": kind, "path": path, "percent": percent, "group": ""}
        found = {"ef": int(chosen[name])} if name in chosen else run(engine, pythons.get(kind, sys.executable))
        if "ef" not in found:
            fail(f"{name}: {found['ended']}")
        engines.append({**engine, "ef": found["ef"]})
    columns = ["limit", "threads", "engine", "ef", "recall", "queries/s", "batch", "p50", "p99", "max", "max/p50"]
    columns += ["reads", "KiB", "reads/s", "device", "queries", "open"]
    rows, at_depth = {}, []
    for _ in range(given.rounds):
        for percent in map(float, given.percent.split(",")):
            for threads in map(int, given.threads.split(",")):
                for engine in engines:
                    if engine["percent"] and float(engine["percent"]) != percent:
                        continue
                    os.sync()
                    Path("/proc/sys/vm/drop_caches").write_text("3")
                    with limited(int(size * percent / 100)) as group:
                        told = run(
                            {**engine, "group": group, "threads": threads}, pythons.get(engine["kind"], sys.executable)
                        )
                    rows.setdefault((percent, threads, engine["name"], engine["ef"]), []).append(told)
                    print(f"{percent:g} % {threads} {engine['name']}: {told}", file=sys.stderr, flush=True)
        at_depth.append(device(next(e["path"] for e in engines if Path(e["path"]).is_file())))
    iops = {depth: statistics.median(told[depth] for told in at_depth) for depth in (1, 32)}
    print(f"{shape[0]:,} x {shape[1]}, {size / 2**20:.0f} MiB as f32; {given.count:,} queries with noise of {NOISE}")
    print("p50, p99 and max in ms; reads and KiB are those of a query")
    print(f"the device reads 4 KiB {iops[1]:,.0f} times a second at depth 1, {iops[32]:,.0f} at depth 32")
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for (percent, threads, name, ef), all_told in rows.items():
        cells = [f"{size * percent / 100 / 2**20:.0f} MiB ({percent:g} %)", threads, name, ef]
        kept = [told for told in all_told if "ended" not in told]
        if not kept:
            cells += [all_told[0]["ended"]] + [""] * (len(columns) - 5)
        else:
            m = {key: statistics.median(told[key] for told in kept) for key in kept[0]}
            m["max"] = max(told["max"] for told in kept)
            cells += [
                f"{m['recall']:.3f}",
                f"{m['qps']:,.1f}",
                f"{m['batch']:,.1f}",
                *(f"{m[key]:.2f}" for key in ("p50", "p99", "max")),
            ]
            cells += [f"{m['max'] / m['p50']:.1f}", f"{m['reads']:.1f}", f"{m['kib']:,.0f}", f"{m['reads_s']:,.0f}"]
            cells += [f"{m['reads_s'] / iops[32]:.0%}", f"{m['queries']:.0f}", f"{m['opened']:.1f} s"]
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
