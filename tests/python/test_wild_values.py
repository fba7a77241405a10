"""Collections with a few values far beyond the others: the rows beside them are found as ever."""

from __future__ import annotations

import cassata
import numpy as np
import pytest
from conftest import recall

ROWS, DIM, K = 1500, 96, 10
DENSE = {
    "f32": (cassata.DensePlainHNSW, {}),
    "int8": (cassata.DensePlainHNSW, {"navigation": "int8"}),
    "int4": (cassata.DensePlainHNSW, {"navigation": "int4"}),
    "rabitq 1": (cassata.DensePlainHNSW, {"navigation": "rabitq", "bits": 1}),
    "rabitq 4": (cassata.DensePlainHNSW, {"navigation": "rabitq", "bits": 4}),
    "paged": (cassata.DensePlainHNSW, {"navigation": "int4", "layout": "paged"}),
    "pq": (cassata.DensePQHNSW, {"m_pq": 48}),
    "opq": (cassata.DensePQHNSW, {"m_pq": 48, "opq": True}),
    "rerank pq": (cassata.DenseRerankHNSW, {"encoder": "pq", "pq_subspaces": 48, "dtype": "f32"}),
}


def tame(n, seed):
    return np.random.default_rng(seed).standard_normal((n, DIM), dtype=np.float32)


def nearest(vectors, queries, metric):
    vectors, queries = vectors.astype("f8"), queries.astype("f8")
    distances = -queries @ vectors.T if metric == "dotproduct" else [((vectors - q) ** 2).sum(1) for q in queries]
    return np.argsort(distances, 1, kind="stable")[:, :K]


def make_wild(vectors, case, factor):
    if case == "value":
        vectors[17, 5] *= factor
    else:
        vectors[17::100] *= factor
    return vectors


@pytest.mark.parametrize("kind", DENSE)
def test_rows_beside_wild_ones_are_found(kind):
    face, choices = DENSE[kind]
    queries = tame(200, 1)

    def recall_of(vectors):
        index = face.build_from_array(vectors, m=16, metric="euclidean", **choices)
        return recall(index.batch_search(queries, K)[1], nearest(vectors, queries, "euclidean"))

    expected = recall_of(tame(ROWS, 0))
    assert recall_of(make_wild(tame(ROWS, 0), "value", np.float32(1e9))) > expected - 0.02
    assert recall_of(make_wild(tame(ROWS, 0), "rows", np.float32(1e4))) > expected - 0.02
