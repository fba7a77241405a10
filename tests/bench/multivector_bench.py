#!/usr/bin/env python3
"""What reranking by token vectors gives and costs: recall, time of both stages, tokens a second beside NumPy, file
sizes.

usage: multivector_bench.py DOCUMENTS.bin QUERIES.bin TOKENS CODES WORK [--most N] [--k-candidates N,N,...]

DOCUMENTS.bin and QUERIES.bin are sparse vectors; TOKENS a folder of token vectors with queries.npy, and
query_doclens.npy if lengths differ; CODES the same tokens in two levels (`cassata build TOKENS --two-level`). Index
files are built in WORK unless they are there, and the memory of the builds is told. Recall@10 is against MaxSim over
all documents. Times are CPU time of one thread, medians of five rounds in turns: the first stage alone is a search of
the sparse index for k_candidates results; the rest is the second stage's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cassata
import numpy as np

ROUNDS, K = 5, 10


def sparse(path, most):
    """components, values, offsets of the first rows of a .bin file."""
    raw = Path(path).read_bytes()
    rows, at, components, values, offsets = min(most, struct.unpack_from("<I", raw)[0]), 4, [], [], [0]
    for _ in range(rows):
        (count,) = struct.unpack_from("<I", raw, at)
        components.append(np.frombuffer(raw, "<u4", count, at + 4))
        values.append(np.frombuffer(raw, "<f4", count, at + 4 + 4 * count))
        offsets.append(offsets[-1] + count)
        at += 4 + 8 * count
    return np.concatenate(components), np.concatenate(values), np.array(offsets)


def build(work, documents, tokens, codes, n):
    """The three index files."""
    first, plain, coded = (work / f"{name}.cassata" for name in ("first", "plain", "coded"))
    if not first.exists():
        cassata.SparsePlainHNSW.build_from_arrays(*sparse(documents, n), m=16, ef_construction=200, path=first)
    for path, face, folder in (
        (plain, cassata.SparseMultivecRerankIndex, tokens),
        (coded, cassata.SparseMultivecTwoLevelsPQRerankIndex, codes),
    ):
        if path.exists():
            continue
        code = (
            f"import cassata; cassata.{face.__name__}.build_from_file({str(first)!r}, {str(folder)!r}, "
            f"path={str(path)!r})\n"
        )
        code += "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        start = time.perf_counter()
        peak = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        size = sum(file.stat().st_size for file in Path(folder).glob("*.npy")) / 2**20
        print(
            f"{path.name}: {time.perf_counter() - start:.1f} s, peak {int(peak) / 1024:.0f} MiB, of a folder of "
            f"{size:.0f} MiB"
        )
    return first, plain, coded


def cpu_medians(asks):
    """Seconds of CPU time of each of `asks`, medians of rounds in which they take turns."""
    seconds = [[] for _ in asks]
    for _ in range(ROUNDS + 1):
        for kept, ask in zip(seconds, asks):
            start = time.process_time()
            ask()
            kept.append(time.process_time() - start)
    return [statistics.median(kept[1:]) for kept in seconds]


def numpy_rate(tokens, doclens, queries, lengths):
    """Tokens a second by NumPy, one matrix product a document, and by the engine, over the same documents, f32 against
    f16."""
    ends = np.cumsum(doclens)[:2000]
    documents = [
        np.ascontiguousarray(tokens[begin:end], np.float32) for begin, end in zip(np.append(0, ends[:-1]), ends)
    ]
    query = queries[: lengths[0]].T.copy()

    def score():
        for document in documents:
            if len(document):
                (document @ query).max(axis=0).sum()

    (seconds,) = cpu_medians([score])
    return int(ends[-1]) / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("documents", "queries", "tokens", "codes", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--most", type=int, default=300, help="queries")
    parser.add_argument("--k-candidates", default="10,20,50,100,200,500")
    given = parser.parse_args()
    doclens = np.load(given.tokens / "doclens.npy")
    first, plain, coded = build(given.work, given.documents, given.tokens, given.codes, len(doclens))
    asked = sparse(given.queries, given.most)
    rows = len(asked[2]) - 1
    shaped = np.load(given.tokens / "queries.npy").astype(np.float32)
    lengths = given.tokens / "query_doclens.npy"
    lengths = np.load(lengths)[:rows] if lengths.exists() else np.full(rows, shaped.shape[1])
    flat = (
        shaped[: int(lengths.sum())]
        if shaped.ndim == 2
        else np.concatenate([row[:n] for row, n in zip(shaped, lengths)])
    )
    print(
        f"{len(doclens):,} documents, {int(doclens.sum()):,} tokens of {flat.shape[1]}; {rows} queries, "
        f"{lengths.mean():.1f} tokens each"
    )
    indexes = {"plain": cassata.open(plain), "two-level": cassata.open(coded)}
    ask = {"multivec_queries": flat, "query_doclens": lengths, "num_threads": 1, "k": K}
    everything = [
        index.batch_search(*asked, **{**ask, "k_candidates": len(doclens), "num_threads": 0})[1]
        for index in indexes.values()
    ]
    exact = everything[0].reshape(rows, K)
    share = np.mean([len(set(a) & set(b)) / K for a, b in zip(everything[1].reshape(rows, K).tolist(), exact.tolist())])
    print(f"exhaustive MaxSim of the two-level tokens against that of the plain ones: recall@{K} {share:.4f}")
    base = cassata.open(first)
    print("k_candidates  first ms  " + "  ".join(f"{name}: recall  rerank ms" for name in indexes))
    for k_candidates in map(int, given.k_candidates.split(",")):
        asks = [lambda c=k_candidates: base.batch_search(*asked, k=c, ef_search=c, num_threads=1)]
        asks += [
            lambda index=index, c=k_candidates: index.batch_search(*asked, **ask, k_candidates=c, ef_search=c)
            for index in indexes.values()
        ]
        seconds = cpu_medians(asks)
        told = []
        for index, spent in zip(indexes.values(), seconds[1:]):
            ids = index.batch_search(*asked, **ask, k_candidates=k_candidates, ef_search=k_candidates)[1].reshape(
                rows, K
            )
            found = np.mean([len(set(a) & set(b)) / K for a, b in zip(ids.tolist(), exact.tolist())])
            told.append(f"{found:.4f}  {1000 * (spent - seconds[0]) / rows:.3f}")
        print(f"{k_candidates}  {1000 * seconds[0] / rows:.3f}  " + "  ".join(told))
    tokens = np.load(given.tokens / "documents.npy", mmap_mode="r")
    some = np.arange(rows) < 8
    part = int(lengths[some].sum())
    scan = {**ask, "multivec_queries": flat[:part], "query_doclens": lengths[some], "k_candidates": len(doclens)}
    arrays = asked[0][: asked[2][8]], asked[1][: asked[2][8]], asked[2][:9]
    spent = cpu_medians([lambda index=index: index.batch_search(*arrays, **scan) for index in indexes.values()])
    rates = [8 * int(doclens.sum()) / seconds / 1e6 for seconds in spent]
    print(f"million tokens a second: plain {rates[0]:.1f}, two-level {rates[1]:.1f}, ", end="")
    print(f"numpy {numpy_rate(tokens, doclens, flat, lengths) / 1e6:.1f}")
    for path in (first, plain, coded):
        print(
            f"{path.name}: {path.stat().st_size / 2**20:.1f} MiB, {path.stat().st_size / len(doclens):.0f} bytes a "
            "document"
        )


if __name__ == "__main__":
    main()
