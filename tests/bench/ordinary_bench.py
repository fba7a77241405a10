#!/usr/bin/env python3
"""Recall on ordinary collections, for every class: copies, near-copies, rows in their natural order, real texts in
alphabetical order.

usage: ordinary_bench.py [--data FOLDER] [--collection NAME,NAME,...] [--class NAME,NAME,...]

Prints recall@10 by score, at ef_search 50 and 200: a result counts if its exact score reaches the tenth best. In
brackets: queries that found none. Product-quantized classes are judged by their own codes, against a search that scores
every row. FOLDER holds the real collections js_minilm_f16.npy, js_minilm_queries.npy, js_expanded.bin,
js_expanded_queries.bin, and the same of debian; without it only the made collections are measured.
"""

from __future__ import annotations

import argparse
import struct
import tempfile
from pathlib import Path

import cassata
import numpy as np
import scipy.sparse as sp

K, EFS = 10, (50, 200)


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype("f4")


def copies(count, noise=0.0, dim=64):
    """8,000 rows around a centre, and so many copies of the centre, in any order."""
    rng = np.random.default_rng(0)
    centre = rng.standard_normal(dim)
    rows, queries = (unit(rng.standard_normal((n, dim)) + centre / 2) for n in (8000, 200))
    clump = unit(centre + noise * np.linalg.norm(centre) * rng.standard_normal((count, dim)))
    return rng.permutation(np.concatenate([rows, clump])), queries


def documents(order="as they come"):
    """800 documents of 25 chunks, one after another."""
    rng = np.random.default_rng(0)
    topic, document, chunk = (
        rng.standard_normal(shape) for shape in ((40, 1, 1, 64), (40, 20, 1, 64), (40, 20, 25, 64))
    )
    rows = unit((topic + 0.3 * document + 0.02 * chunk).reshape(-1, 64))
    queries = rows[rng.integers(0, len(rows), 300)] + 0.02 * rng.standard_normal((300, 64)).astype("f4")
    return (rng.permutation(rows) if order == "shuffled" else rows), queries.astype("f4")


def walk():
    """A random walk: each row is close to the one before it."""
    rng = np.random.default_rng(0)
    rows = np.cumsum(rng.standard_normal((20000, 32)), 0).astype("f4")
    return rows, rows[rng.integers(0, len(rows), 300)] + rng.standard_normal((300, 32)).astype("f4")


def line():
    """Points sorted along a line, with a little noise."""
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 100, 20000)[:, None] * rng.standard_normal(16) + 0.05 * rng.standard_normal((20000, 16))
    return rows.astype("f4"), (rows[rng.integers(0, len(rows), 300)] + 0.05 * rng.standard_normal((300, 16))).astype(
        "f4"
    )


def clusters():
    """Rows grouped by cluster, of very different sizes."""
    rng = np.random.default_rng(0)
    sizes = rng.zipf(1.4, 300).clip(5, 3000)
    centres = rng.standard_normal((300, 48))
    rows = np.concatenate([c + 0.15 * rng.standard_normal((s, 48)) for c, s in zip(centres, sizes)])
    return unit(rows), unit(rows[rng.integers(0, len(rows), 300)] + 0.1 * rng.standard_normal((300, 48)))


def sparse_rows(path, most=None):
    raw = Path(path).read_bytes()
    n, at = struct.unpack_from("<I", raw)[0], 4
    components, values, offsets = [], [], [0]
    for _ in range(n if most is None else min(n, most)):
        (count,) = struct.unpack_from("<I", raw, at)
        components.append(np.frombuffer(raw, "<u4", count, at + 4))
        values.append(np.frombuffer(raw, "<f4", count, at + 4 + 4 * count))
        offsets.append(offsets[-1] + count)
        at += 4 + 8 * count
    return sp.csr_array(
        (np.concatenate(values), np.concatenate(components).astype("i8"), offsets), shape=(len(offsets) - 1, 30522)
    )


def sparse_copies(count, noise=0.0):
    """8,000 sparse rows of 40 entries with common and rare components, and copies of one made of the common ones."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 3001) ** 0.8
    share /= share.sum()

    def some(n, entries):
        rows = [rng.choice(3000, entries, replace=False, p=share) for _ in range(n)]
        values, ends = rng.gamma(2, 0.5, n * entries).astype("f4"), np.arange(n + 1) * entries
        return sp.csr_array((values, np.concatenate(rows), ends), shape=(n, 3000))

    rows, queries = some(8000, 40), some(200, 15)
    one = np.zeros(3000, "f4")
    one[:40] = 0.8
    clump = sp.csr_array((one * (1 + noise * rng.standard_normal((count, 3000)))).astype("f4")) if count else rows[:0]
    return sp.csr_array(sp.vstack([rows, clump]))[rng.permutation(8000 + count)], queries


def sparse_documents():
    """400 documents of 20 chunks one after another: the chunks share most entries."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(400):
        base = np.zeros(3000, "f4")
        base[rng.choice(3000, 60, replace=False)] = rng.gamma(2, 0.5, 60)
        for _ in range(20):
            row = base * (rng.random(3000) < 0.9) * (1 + 0.05 * rng.standard_normal(3000))
            rows.append(sp.csr_array(row.astype("f4")[None]))
    rows = sp.csr_array(sp.vstack(rows))
    return rows, rows[rng.integers(0, 8000, 200)]


DENSE = {
    "copies 0": lambda: copies(0),
    "copies 200": lambda: copies(200),
    "copies 2000": lambda: copies(2000),
    "noise 1e-4": lambda: copies(2000, 1e-4),
    "noise 1e-3": lambda: copies(2000, 1e-3),
    "noise 1e-2": lambda: copies(2000, 1e-2),
    "noise 3e-2": lambda: copies(2000, 3e-2),
    "documents": documents,
    "shuffled": lambda: documents("shuffled"),
    "walk": walk,
    "line": line,
    "clusters": clusters,
}
SPARSE = {
    "copies 0": lambda: sparse_copies(0),
    "copies 200": lambda: sparse_copies(200),
    "copies 2000": lambda: sparse_copies(2000),
    "noise 1e-4": lambda: sparse_copies(2000, 1e-4),
    "noise 1e-2": lambda: sparse_copies(2000, 1e-2),
    "documents": sparse_documents,
}
EUCLIDEAN = ("walk", "line")


def real(folder):
    for name in ("js", "debian"):
        dense, queries = folder / f"{name}_minilm_f16.npy", folder / f"{name}_minilm_queries.npy"
        if dense.exists():
            DENSE[name] = lambda dense=dense, queries=queries: (np.load(dense).astype("f4"), np.load(queries))
        entries, asked = folder / f"{name}_expanded.bin", folder / f"{name}_expanded_queries.bin"
        if entries.exists():
            SPARSE[name] = lambda entries=entries, asked=asked: (sparse_rows(entries), sparse_rows(asked))


def plain(**choices):
    return lambda rows, metric, work: cassata.DensePlainHNSW.build_from_array(rows, metric=metric, **choices)


def bounded(rows, metric, work):
    return cassata.DensePlainHNSW.build_from_array(
        rows, metric=metric, navigation="int4", memory_budget=f"{51 + len(rows) // 12000}MiB"
    )


def product(rows, metric, work):
    return cassata.DensePQHNSW.build_from_array(
        rows, m_pq=rows.shape[1] // 2 if rows.shape[1] < 100 else 96, metric=metric
    )


def two_stages(**choices):
    return lambda rows, metric, work: cassata.DenseRerankHNSW.build_from_array(rows, metric=metric, **choices)


DENSE_CLASSES = {
    "plain f32": plain(),
    "plain f16": plain(dtype="f16"),
    "standard": plain(graph_type="standard"),
    "compressed": plain(graph_type="compressed"),
    "int8": plain(navigation="int8"),
    "int4": plain(navigation="int4"),
    "int4 m 16": plain(navigation="int4", m=16),
    "plain m 16": plain(m=16),
    "rabitq 4": plain(navigation="rabitq"),
    "paged int4": plain(navigation="int4", layout="paged"),
    "bounded int4": bounded,
    "pq": product,
    "rerank int4": two_stages(encoder="int4"),
    "rerank rabitq": two_stages(encoder="rabitq-ext", rabitq_total_bits=4),
}
SPARSE_CLASSES = {
    "plain f16": lambda rows: cassata.SparsePlainHNSW.build_from_arrays(rows),
    "plain f32": lambda rows: cassata.SparsePlainHNSW.build_from_arrays(rows, dtype="f32"),
    "fixedu8": lambda rows: cassata.SparseFixedU8HNSW.build_from_arrays(rows),
    "fixedu16": lambda rows: cassata.SparseFixedU16HNSW.build_from_arrays(rows),
    "dotvbyte": lambda rows: cassata.SparseDotVByteHNSW.build_from_arrays(rows),
    "rerank": lambda rows: cassata.SparseRerankHNSW.build_from_arrays(rows, prune_percentage=80),
    "bounded": lambda rows: cassata.SparsePlainHNSW.build_from_arrays(
        rows, memory_budget=f"{52 + rows.shape[0] // 8000}MiB"
    ),
    "postings": lambda rows: cassata.SparsePostingsIndex.build_from_arrays(rows),
}


def by_score(scores, tenth, ids):
    """Recall, and how many queries found none, by the exact scores (larger is better) of the rows found."""
    found = np.array([(s[i[i >= 0]] >= t).sum() / K for s, i, t in zip(scores, ids, tenth)])
    return found.mean(), int((found == 0).sum())


def measure(index, queries, scores, own):
    tenth = np.sort(scores, 1)[:, -K] - 1e-6 * np.abs(np.sort(scores, 1)[:, -K])
    cells = []
    for ef in EFS:
        if own:  # by the codes of the index alone
            sign = 1 if index.metric == "dotproduct" else -1
            best = sign * index.batch_search(queries, k=K, ef_search=len(index))[0].reshape(-1, K)
            mine = sign * index.batch_search(queries, k=K, ef_search=ef)[0].reshape(-1, K)
            found = (mine >= best[:, -1:] - 1e-5 * np.abs(best[:, -1:])).mean(1)
            recall, none = found.mean(), int((found == 0).sum())
        else:
            recall, none = by_score(scores, tenth, index.batch_search(queries, k=K, ef_search=ef)[1].reshape(-1, K))
        cells.append(f"{recall:.3f}" + (f" ({none})" if none else ""))
    return " / ".join(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--collection", type=lambda text: text.split(","))
    parser.add_argument("--class", dest="classes", type=lambda text: text.split(","))
    parser.add_argument("--shape", choices=["dense", "sparse"])
    given = parser.parse_args()
    if given.data:
        real(given.data)
    work = Path(tempfile.mkdtemp())
    for shape, collections, classes in (("dense", DENSE, DENSE_CLASSES), ("sparse", SPARSE, SPARSE_CLASSES)):
        if given.shape not in (None, shape):
            continue
        for name, make in collections.items():
            if given.collection and name not in given.collection:
                continue
            rows, queries = make()
            metric = "euclidean" if name in EUCLIDEAN else "dotproduct"
            if shape == "sparse":
                scores = (queries @ rows.T).toarray().astype("f8")
            elif metric == "euclidean":
                q, x = queries.astype("f8"), rows.astype("f8")
                scores = np.stack([-((one - x) ** 2).sum(1) for one in q])
            else:
                scores = queries.astype("f8") @ rows.T.astype("f8")
            for label, build in classes.items():
                if given.classes and label not in given.classes:
                    continue
                index = build(rows) if shape == "sparse" else build(rows, metric, work)
                print(f"| {shape} | {name} | {label} | {measure(index, queries, scores, label == 'pq')} |", flush=True)


if __name__ == "__main__":
    main()
