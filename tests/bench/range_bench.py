#!/usr/bin/env python3
"""Range searches beside a scan and faiss: recall and queries per second by the number of results.

usage: range_bench.py VECTORS QUERIES [--queries N] [--results R,R,...] [--engine NAME,NAME,...] [--folder FOLDER]

VECTORS and QUERIES are .npy files of dense vectors, or .bin files of sparse ones. For each number of results, the
radius is the score that so many results of a query reach on average. Recall is the share of the rows within the radius,
by exact dot products, that are found. All graphs have m = 16, ef_construction = 200; searches have the default
parameters, faiss efSearch = 200. Prints recall and queries a second of CPU time on one thread, the better of two runs.
Indexes are kept in FOLDER, if given.
"""

from __future__ import annotations

import argparse
import os
import time

import cassata
import numpy as np

GRAPH = {"m": 16, "ef_construction": 200}
DENSE = {
    "scan": {"kind": "flat", "dtype": "f16"},
    "f16": {"dtype": "f16", **GRAPH},
    "int4": {"dtype": "f16", "navigation": "int4", **GRAPH},
    "rabitq": {"dtype": "f16", "navigation": "rabitq", "bits": 1, **GRAPH},
    "paged": {"dtype": "f16", "navigation": "int4", "graph_type": "paged", **GRAPH},
    "pq": {"dtype": "pq", "m_pq": 96, "opq": True, **GRAPH},
    "rerank": {"dtype": "pq", "m_pq": 48, "rerank": "f16", **GRAPH},
    "rerank-rabitq": {"dtype": "rabitq", "bits": 2, "rerank": "f16", **GRAPH},
}
SPARSE = {
    "scan": {"kind": "flat"},
    "graph": {"dtype": "f16", **GRAPH},
    "dotvbyte": {"dtype": "dotvbyte", **GRAPH},
    "postings": {"kind": "postings"},
    "rerank": {"dtype": "f16", "rerank": "f16", "prune_percentage": 60, **GRAPH},
}


def sparse_rows(path):
    """The rows of a sparse .bin file."""
    words = np.fromfile(path, np.uint32)
    components, values, lengths, at = [], [], [], 1
    for _ in range(int(words[0])):
        count = int(words[at])
        components.append(words[at + 1 : at + 1 + count])
        values.append(words[at + 1 + count : at + 1 + 2 * count].view(np.float32))
        lengths.append(count)
        at += 1 + 2 * count
    return cassata.SparseRows(
        np.concatenate(components), np.concatenate(values), np.concatenate([[0], np.cumsum(lengths)])
    )


def matrix_of(rows, columns):
    from scipy import sparse

    return sparse.csr_matrix((rows.values, rows.components, rows.offsets), shape=(len(rows.offsets) - 1, columns))


def faiss_engine(rows, flat):
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(rows.shape[1])
    if not flat:
        index = faiss.IndexHNSWFlat(rows.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 200
        index.hnsw.efSearch = 200
    index.add(rows)

    def search(queries, radius):
        limits, _, ids = index.range_search(queries, radius)
        return limits.astype(np.int64), ids

    return search


def cassata_engine(name, source, options, folder):
    path = None if folder is None else os.path.join(folder, f"{os.path.basename(str(source))}.{name}.cassata")
    index = cassata.open(path) if path and os.path.exists(path) else cassata.build(source, path, **options)

    def search(queries, radius):
        limits, _, ids = index.range_search(queries, radius, num_threads=1)
        return limits, ids

    return search


def radius_of(scores, count):
    """A radius for about so many results, in the widest gap nearby: engines differ in the last bits of a score."""
    most = count + count // 10 + 10
    best = np.sort(np.partition(scores.ravel(), -most)[-most:])[::-1]
    widest = count - 1 + int(np.argmax(best[count - 1 : -1] - best[count:]))
    return float(best[widest] + best[widest + 1]) / 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors")
    parser.add_argument("queries")
    parser.add_argument("--queries", dest="number", type=int, default=100)
    parser.add_argument("--results", default="1,10,100,1000")
    parser.add_argument("--engine")
    parser.add_argument("--folder")
    given = parser.parse_args()
    dense = given.vectors.endswith(".npy")
    known = DENSE if dense else SPARSE
    names = given.engine.split(",") if given.engine else [*known, *(("faiss-hnsw", "faiss-flat") if dense else ())]
    if dense:
        rows = np.ascontiguousarray(np.load(given.vectors), np.float32)
        queries = np.ascontiguousarray(np.load(given.queries)[: given.number], np.float32)
        scores = queries @ rows.T
    else:
        rows, asked = sparse_rows(given.vectors), sparse_rows(given.queries)
        asked = cassata.SparseRows(asked.components, asked.values, asked.offsets[: given.number + 1])
        end = int(asked.offsets[-1])
        queries = cassata.SparseRows(asked.components[:end], asked.values[:end], asked.offsets)
        columns = int(max(rows.components.max(), queries.components.max())) + 1
        scores = (matrix_of(queries, columns) @ matrix_of(rows, columns).T).toarray()
    engines = {}
    for name in names:
        if name.startswith("faiss"):
            engines[name] = faiss_engine(rows, name == "faiss-flat")
        else:
            engines[name] = cassata_engine(name, given.vectors, known[name], given.folder)
    print("| results |", " | ".join(engines), "|")
    print("| --- " * (len(engines) + 1) + "|")
    for results in map(int, given.results.split(",")):
        radius = radius_of(scores, results * len(scores))
        cells = []
        for search in engines.values():
            times = []
            for _ in range(2):
                begin = time.process_time()
                limits, ids = search(queries, radius)
                times.append(time.process_time() - begin)
            found = sum(int((scores[q, ids[limits[q] : limits[q + 1]]] >= radius).sum()) for q in range(len(scores)))
            cells.append(f"{found / (scores >= radius).sum():.3f}, {len(scores) / min(times):,.0f}")
        print(f"| {results} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
