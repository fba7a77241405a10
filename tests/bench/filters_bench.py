#!/usr/bin/env python3
"""Filtered searches beside other libraries: recall and queries per second by the share of rows that pass.

usage: filters_bench.py VECTORS QUERIES [--queries N] [--shares S,S,...] [--engine NAME,NAME,...]

Each query has its own filter: random rows; *clustered*: the rows closest to some row; *opposed*: the rows farthest from
the query. Engines: cassata-int4, cassata-f16, faiss (HNSW with an IDSelectorBitmap), hnswlib (a Python callback),
kannolo and kannolo-gamma (a Python predicate), scan (NumPy). Engines of sparse vectors, in .bin files, which these
libraries do not filter: cassata-graph, cassata-postings, cassata-flat, scan (SciPy). All graphs have m = 16,
ef_construction = 200, and search with ef 200. Prints recall@10 by score against an exact search of the rows that pass,
and queries a second of CPU time on one thread, the better of two runs.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait would count as time of the process
import numpy as np
from range_bench import matrix_of, sparse_rows

K, EF, M, EF_CONSTRUCTION = 10, 200, 16, 200


def cassata_engine(rows, m=M, **options):
    import cassata

    index = cassata.build(rows, m=m, ef_construction=m and EF_CONSTRUCTION, **options)

    def search(queries, masks):
        filters = [np.packbits(mask, bitorder="little") for mask in masks]
        return lambda: index.search(queries, k=K, filter=filters, num_threads=1)[1]

    return search


def faiss_engine(rows):
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(rows.shape[1], M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    index.add(rows)

    def search(queries, masks):
        bits = [np.packbits(mask, bitorder="little") for mask in masks]

        def run():
            found = []
            for query, one in zip(queries, bits):
                selector = faiss.IDSelectorBitmap(one)
                params = faiss.SearchParametersHNSW(sel=selector, efSearch=EF)
                found.append(index.search(query[None], K, params=params)[1][0])
            return np.array(found)

        return run

    return search


def hnswlib_engine(rows):
    import hnswlib

    index = hnswlib.Index("ip", rows.shape[1])
    index.init_index(len(rows), EF_CONSTRUCTION, M)
    index.add_items(rows, num_threads=1)
    index.set_ef(EF)

    def one(query, mask):
        for k in (K, 1):  # it raises if it finds fewer than k
            try:
                return np.resize(index.knn_query(query, k, num_threads=1, filter=lambda row: mask[row])[0][0], K)
            except RuntimeError:
                continue
        return np.full(K, -1)

    return lambda queries, masks: lambda: np.array([one(*pair) for pair in zip(queries, masks)])


def kannolo_engine(rows, gamma=None):
    import kannolo

    index = kannolo.DensePlainHNSW.build_from_array(
        rows.reshape(-1), rows.shape[1], m=M, ef_construction=EF_CONSTRUCTION
    )
    if gamma is not None:
        index.build_acorn_gamma(gamma)
    method = index.search_filtered if gamma is None else index.search_filtered_gamma

    def one(query, mask):
        ids = method(query, K, lambda row: bool(mask[row]), EF)[1]
        return np.concatenate([ids, np.full(K - len(ids), -1)])

    return lambda queries, masks: lambda: np.array([one(*pair) for pair in zip(queries, masks)])


def products(rows, queries):
    """The dot products of rows and queries, or one query."""
    found = rows @ queries.T
    return found if isinstance(found, np.ndarray) else found.toarray()


def scan_engine(rows):
    def one(query, mask):
        ids = np.flatnonzero(mask)
        scores = products(rows[ids], query).ravel()
        best = np.argsort(-scores)[:K]
        return np.concatenate([ids[best], np.full(K - len(best), -1)])

    return lambda queries, masks: lambda: np.array([one(*pair) for pair in zip(queries, masks)])


DENSE = {
    "cassata-int4": lambda rows: cassata_engine(rows, navigation="int4"),
    "cassata-f16": lambda rows: cassata_engine(rows, dtype="f16"),
    "faiss": faiss_engine,
    "hnswlib": hnswlib_engine,
    "kannolo": kannolo_engine,
    "kannolo-gamma": lambda rows: kannolo_engine(rows, gamma=3),
    "scan": scan_engine,
}
SPARSE = {
    "cassata-graph": cassata_engine,
    "cassata-postings": lambda rows: cassata_engine(rows, m=None, kind="postings"),
    "cassata-flat": lambda rows: cassata_engine(rows, m=None, kind="flat"),
    "scan": scan_engine,
}


def masks_of(kind, share, rows, scores, rng):
    """One filter for each query."""
    n, queries = scores.shape
    count = max(1, int(n * share))
    masks = np.zeros((queries, n), bool)
    for q, mask in enumerate(masks):
        if kind == "random":
            mask[rng.choice(n, count, replace=False)] = True
        else:
            order = -products(rows, rows[rng.integers(n)]).ravel() if kind == "clustered" else scores[:, q]
            mask[np.argpartition(order, count - 1)[:count]] = True
    return masks


def recall(ids, masks, scores):
    hits = wanted = 0
    for q, mask in enumerate(masks):
        best = np.sort(scores[mask, q])[::-1][:K]
        found = ids[q][ids[q] >= 0]
        if not mask[found].all():
            raise AssertionError(f"query {q}: a result does not pass")
        hits += min(int((scores[np.unique(found), q] >= best[-1] - 1e-4).sum()), len(best))
        wanted += len(best)
    return hits / wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors")
    parser.add_argument("queries")
    parser.add_argument("--queries", dest="number", type=int, default=100)
    parser.add_argument("--shares", default="0.5,0.1,0.02,0.01,0.002,0.0002")
    parser.add_argument("--engine", help="all of the kind of vectors, unless given")
    given = parser.parse_args()
    sparse = given.vectors.endswith(".bin")
    known = SPARSE if sparse else DENSE
    if sparse:
        vectors = sparse_rows(given.vectors)
        columns = int(vectors.components.max()) + 1
        rows = matrix_of(vectors, columns)
        queries = matrix_of(sparse_rows(given.queries), columns)[: given.number]
    else:
        rows = np.ascontiguousarray(np.load(given.vectors), np.float32)
        queries = np.ascontiguousarray(np.load(given.queries)[: given.number], np.float32)
    scores = products(rows, queries)
    engines = {name: known[name](rows) for name in (given.engine.split(",") if given.engine else known)}
    print("| filter | share |", " | ".join(engines), "|")
    print("| --- " * (len(engines) + 2) + "|")
    for kind in ("random", "clustered", "opposed"):
        for share in map(float, given.shares.split(",")):
            masks = masks_of(kind, share, rows, scores, np.random.default_rng(1))
            cells = []
            for search in engines.values():
                run = search(queries, masks)
                times = []
                for _ in range(2):
                    begin = time.process_time()
                    ids = run()
                    times.append(time.process_time() - begin)
                cells.append(f"{recall(ids, masks, scores):.3f}, {queries.shape[0] / min(times):,.0f}")
            print(f"| {kind} | {share} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
