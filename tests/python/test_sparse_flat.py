"""Exact search of sparse vectors, against all products."""

from __future__ import annotations

import cassata
import numpy as np
import pytest
from conftest import rng, topics

sparse = pytest.importorskip("scipy.sparse")

Exact = cassata.SparseFlatIndex


class Rows:
    """Compressed rows made at random, and their products with others in double precision."""

    def __init__(self, rows):
        self.components = np.concatenate([[], *(components for components, _ in rows)]).astype(np.int64)
        self.values = np.concatenate([[], *(values for _, values in rows)]).astype(np.float32)
        self.offsets = np.cumsum([0, *(len(components) for components, _ in rows)])

    def arrays(self):
        return self.components, self.values, self.offsets

    def matrix(self, known):
        """The entries at `known` components, which rise."""
        places = np.searchsorted(known, self.components)
        return sparse.csr_matrix(
            (self.values.astype(np.float64), places, self.offsets), (len(self.offsets) - 1, len(known))
        )


def products(vectors, queries):
    """Scores, and what f32 may round them by, of shape (queries, vectors)."""
    known = np.unique(np.concatenate([vectors.components, queries.components]))
    a, b = queries.matrix(known), vectors.matrix(known)
    return (a @ b.T).toarray(), (abs(a) @ abs(b).T).toarray() * 2.0**-18 + 1e-44


def random_rows(random, count, components, value, most=14):
    """Rows of up to `most` entries; some are empty, some said before."""
    rows = []
    for _ in range(count):
        size = min(random.integers(0, most + 1), len(components))
        picked = np.sort(random.choice(components, size, replace=False))
        rows.append(rows[random.integers(len(rows))] if rows and random.random() < 0.1 else (picked, value(size)))
    return Rows(rows)


def collection(seed):
    """Vectors, queries and k; where whole is true every f32 sum is exact."""
    random = rng(seed)
    spread = [50, 3000, 70_000, 2**32 - 1][seed % 4]
    components = np.unique(np.append(random.integers(0, spread, random.choice([5, 40, 400])), spread - 1))
    asked = np.unique(np.append(components, random.integers(0, 2**32 - 1, 5)))
    whole, signed = seed % 3 != 0, random.random() < 0.5
    scale = 1.0 if whole else random.choice([1e-12, 1.0, 1e15])

    def value(size):
        values = random.integers(1, 5, size) / 2 if whole else random.lognormal(0, 1, size) * scale
        return values * random.choice([-1, 1], size) if signed else values

    vectors = random_rows(random, random.choice([1, 7, 31, 32, 33, 700, 2000]), components, value)
    return vectors, random_rows(random, 12, asked, value), random.choice([1, 3, 10, 100, 3000]), whole


def check_row(scores, ids, expected, rounding, whole, case):
    """One query's results against its products with all vectors."""
    there = min(len(ids), len(expected))
    assert np.all(ids[there:] == -1), case
    assert np.all(scores[there:] == -np.inf), case
    scores, ids = scores[:there], ids[:there]
    best = np.argsort(-expected, kind="stable")[:there]
    if whole:
        assert ids.tolist() == best.tolist(), case
        assert scores.tolist() == expected[best].tolist(), case
        return
    assert len(set(ids.tolist())) == there, case
    assert np.all(np.abs(scores - expected[ids]) <= rounding[ids]), case
    assert np.all((scores[:-1] > scores[1:]) | ((scores[:-1] == scores[1:]) & (ids[:-1] < ids[1:]))), case
    assert np.all(expected[best] - expected[ids] <= rounding[best] + rounding[ids]), case


@pytest.mark.parametrize("seed", range(48))
def test_exact_answers_are_those_of_all_products(seed):
    vectors, queries, k, whole = collection(seed)
    index = Exact.build_from_arrays(*vectors.arrays())
    scores, ids = (part.reshape(-1, k) for part in index.batch_search(*queries.arrays(), k))
    expected, rounding = products(vectors, queries)
    for row in range(len(expected)):
        check_row(scores[row], ids[row], expected[row], rounding[row], whole, f"seed {seed}, query {row}, k {k}")


def test_exact_answers_of_f16_are_those_of_what_is_stored():
    vectors, queries = topics(2000, 3000, seed=1), topics(50, 3000, seed=2)
    index = Exact.build_from_arrays(vectors, dtype="f16")
    assert index.dtype == "f16"
    stored = vectors.astype(np.float64)
    stored.data = vectors.data.astype(np.float16).astype(np.float64)
    expected = (queries.astype(np.float64) @ stored.T).toarray()
    scores, ids = index.batch_search(queries, 10)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :10], rtol=1e-5)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, 1), rtol=1e-5)


def test_vectors_that_share_nothing_fill_up_by_lowest_id():
    index = Exact.build_from_arrays([4, 9, 4], [1.0, 2.0, -3.0], [0, 0, 1, 2, 2, 3])
    scores, ids = index.search([4], [1.0], k=6)
    assert (ids.tolist(), scores.tolist()) == ([1, 0, 2, 3, 4, -1], [1.0, 0.0, 0.0, 0.0, -3.0, -np.inf])
    scores, ids = index.search([], [], k=2)
    assert (ids.tolist(), scores.tolist()) == ([0, 1], [0.0, 0.0])
    assert index.search([7], [1.0], k=2)[1].tolist() == [0, 1]
    assert index.search([4], [-1.0], k=2)[1].tolist() == [4, 0]


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_equal_vectors_come_by_id(count):
    index = Exact.build_from_arrays([2, 5] * count, [1.5, 0.5] * count, np.arange(count + 1) * 2)
    scores, ids = index.search([2, 5, 90], [2.0, 2.0, 1.0], k=64)
    assert ids[:count].tolist() == list(range(min(64, count)))
    assert np.all(scores[:count] == 4.0)


def test_the_largest_scores():
    index = Exact.build_from_arrays([1, 1, 1, 1], [1.9e18, 1e18, 1.0, 1.9e18], [0, 1, 2, 3, 4])
    scores, ids = index.search([1], [1.9e18], k=4)
    assert ids.tolist() == [0, 3, 1, 2]
    np.testing.assert_allclose(scores, [1.9e18**2, 1.9e18**2, 1.9e36, 1.9e18], rtol=1e-6)
