#!/usr/bin/env python3
"""What a few wild values cost: recall@10 of each encoding and class on a collection some of whose values are far beyond
the others.

usage: wild_values.py [--metric euclidean] [--factors 1e2,1e4,1e6,1e9] [--only TEXT] [--cases
    value,row,rows,column,query]

The collection is 5,000 vectors of 96 normal coordinates, or 5,000 sparse vectors of 30 entries. The cases: "value": one
value of one row is multiplied; "row": one row is; "rows": 50 rows, 1 %, are; "column": one coordinate of all rows and
queries is; "query": one coordinate of all queries is. Recall is against exact answers in float64, of queries that have
the distribution of the rows without wild values. The first line is exact search in f32: no other can be expected to do
better.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cassata
import numpy as np

ROWS, DIM, QUERIES, K, WILD = 5000, 96, 100, 10, 17
CASES = ("value", "row", "rows", "column", "query")


def rows_of(rng, n, sparse):
    """Normal vectors, or about 30 entries a row whose sizes are as those of learned sparse vectors, of a dim of 1,000,
    as a dense array."""
    if not sparse:
        return rng.standard_normal((n, DIM)).astype("f4")
    out = np.zeros((n, 1000), "f4")
    weights = 1 / np.arange(1, 1001) ** 0.5
    for row in out:
        components = rng.choice(1000, 30, replace=False, p=weights / weights.sum())
        row[components] = np.exp(rng.standard_normal(30) / 2)
    return out


def make_wild(vectors, queries, case, factor):
    column = np.flatnonzero(vectors[WILD])[0]
    if case == "value":
        vectors[WILD, column] *= factor
    elif case == "row":
        vectors[WILD] *= factor
    elif case == "rows":
        vectors[WILD::100] *= factor
    elif case == "column":
        vectors[:, column] *= factor
        queries[:, column] *= factor
    elif case == "query":
        queries[:, column] *= factor


def best(vectors, queries, metric):
    vectors, queries = vectors.astype("f8"), queries.astype("f8")
    if metric == "dotproduct":
        return np.argsort(-queries @ vectors.T, 1, kind="stable")[:, :K]
    return np.argsort([((vectors - q) ** 2).sum(1) for q in queries], 1, kind="stable")[:, :K]


def entries(matrix):
    lengths = (matrix != 0).sum(1)
    return np.nonzero(matrix)[1].astype("u4"), matrix[matrix != 0], np.concatenate([[0], np.cumsum(lengths)])


def dense(build, **choices):
    return lambda x, q, metric: build(x, metric=metric, **choices).batch_search(q, K)[1].reshape(len(q), K)


def sparse(build, **choices):
    def answer(x, q, metric):
        return (
            build(*entries(x), **({"metric": metric} if metric != "dotproduct" else {}), **choices)
            .batch_search(*entries(q), k=K)[1]
            .reshape(len(q), K)
        )

    return answer


def two_levels(x, q, metric):
    """The rows as tokens, given back from both levels, compared by NumPy: dot products of no more than these."""
    with tempfile.TemporaryDirectory() as folder:
        tokens, out = Path(folder, "tokens"), Path(folder, "out")
        tokens.mkdir()
        np.save(tokens / "documents.npy", x)
        np.save(tokens / "doclens.npy", np.ones(len(x), "i4"))
        cassata.train_two_level(tokens, out, pq_subspaces=48)
        centroids, which = np.load(out / "centroids.npy"), np.load(out / "index_assignment.npy")
        books, codes = np.load(out / "pq_centroids.npy").reshape(48, 256, -1), np.load(out / "residuals.npy")
    return best(centroids[which] + np.concatenate([books[s, codes[:, s]] for s in range(48)], 1), q, metric)


def plain(**choices):
    return dense(cassata.DensePlainHNSW.build_from_array, m=16, **choices)


def reranked(**choices):
    return dense(cassata.DenseRerankHNSW.build_from_array, m=16, **choices)


def budgeted(**choices):
    def answer(x, q, metric):
        with tempfile.TemporaryDirectory() as folder:
            return plain(path=Path(folder, "index"), memory_budget=1 << 26, **choices)(x, q, metric)

    return answer


BOTH, DOT = ("euclidean", "dotproduct"), ("dotproduct",)
SUBJECTS = {
    "exact, f32": (dense(cassata.DenseFlatIndex.build_from_array), False, BOTH),
    "plain": (plain(), False, BOTH),
    "plain, budget": (budgeted(), False, BOTH),
    "paged": (plain(navigation="int4", layout="paged"), False, BOTH),
    "navigation int8": (plain(navigation="int8"), False, BOTH),
    "navigation int4": (plain(navigation="int4"), False, BOTH),
    **{f"navigation rabitq {bits}": (plain(navigation="rabitq", bits=bits), False, BOTH) for bits in (1, 2, 4, 8)},
    "pq": (dense(cassata.DensePQHNSW.build_from_array, m=16, m_pq=48), False, BOTH),
    "opq": (dense(cassata.DensePQHNSW.build_from_array, m=16, m_pq=48, opq=True), False, BOTH),
    "rerank pq": (reranked(encoder="pq", pq_subspaces=48, dtype="f32"), False, BOTH),
    "rerank rabitq, residual": (reranked(encoder="rabitq", rerank_bits=8, residual_rerank=True), False, DOT),
    "two levels": (two_levels, False, DOT),
    "sparse exact": (sparse(cassata.SparseFlatIndex.build_from_arrays, dtype="f32"), True, DOT),
    "sparse plain f32": (sparse(cassata.SparsePlainHNSW.build_from_arrays, m=16, dtype="f32"), True, BOTH),
    "fixedu8": (sparse(cassata.SparseFixedU8HNSW.build_from_arrays, m=16), True, BOTH),
    "fixedu16": (sparse(cassata.SparseFixedU16HNSW.build_from_arrays, m=16), True, BOTH),
    "dotvbyte": (sparse(cassata.SparseDotVByteHNSW.build_from_arrays, m=16), True, DOT),
    "postings": (sparse(cassata.SparsePostingsIndex.build_from_arrays, dtype="f32"), True, DOT),
    "postings, n_knn 8": (sparse(cassata.SparsePostingsIndex.build_from_arrays, dtype="f32", n_knn=8), True, DOT),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", default="euclidean", choices=BOTH)
    parser.add_argument("--factors", default="1e2,1e4,1e6,1e9")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--only", default="", help="lines whose name has this text")
    args = parser.parse_args()
    factors = args.factors.split(",")
    columns = [("none", "1"), *((case, factor) for case in args.cases.split(",") for factor in factors)]
    print(
        f"| {args.metric} | "
        + " | ".join(f"{case} {factor}" if case != "none" else "tame" for case, factor in columns)
        + " |"
    )
    print("| --- |" + " ---: |" * len(columns))
    for name, (answer, is_sparse, metrics) in SUBJECTS.items():
        if args.metric not in metrics or args.only not in name:
            continue
        cells = []
        for case, factor in columns:
            rng = np.random.default_rng(0)
            vectors, queries = rows_of(rng, ROWS, is_sparse), rows_of(rng, QUERIES, is_sparse)
            make_wild(vectors, queries, case, np.float32(factor))
            truth = best(vectors, queries, args.metric)
            try:
                ids = answer(vectors, queries, args.metric)
                cells.append(f"{np.mean([len(set(a) & set(b)) / K for a, b in zip(ids, truth, strict=True)]):.3f}")
            except ValueError:
                cells.append("refused")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
