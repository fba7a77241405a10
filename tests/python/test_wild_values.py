"""Collections with a few values far beyond the others: the rows beside them are found as ever."""

from __future__ import annotations

import cassata
import numpy as np
import pytest
from conftest import recall, rng

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
    return rng(seed).standard_normal((n, DIM), dtype=np.float32)


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


@pytest.mark.parametrize("kind", ["f32", "int8", "int4", "rabitq 4"])
def test_one_long_row_leaves_the_others_their_neighbours_by_dot_product(kind):
    """It is the nearest of half of the rows, and closer to most candidates than any node is."""
    face, choices = DENSE[kind]
    queries, vectors = tame(200, 1), tame(ROWS, 0)

    def recall_of(vectors):
        index = face.build_from_array(vectors, m=16, **choices)
        return recall(index.batch_search(queries, K, 60)[1], nearest(vectors, queries, "dotproduct"))

    expected = recall_of(vectors)
    vectors[17] *= np.float32(1e6)
    assert recall_of(vectors) > expected - 0.02


SMALL = rng(3).standard_normal((40, 8), dtype=np.float32)
OUTSIDE = r"in a vector of length [0-9.e+-]+, expected 0 or 1e-15 to 2e\+18"


def sparse(scale, column=0):
    """Compressed rows, of which the last one is multiplied."""
    values = np.abs(SMALL).astype(np.float64)
    values[-1] *= scale
    return np.tile(np.arange(8) + column, 40), values.ravel(), np.arange(41) * 8


@pytest.mark.parametrize("factor", [1e20, 1e30, 1e-20, 1e-30, 1e-60])
def test_vectors_whose_squares_leave_f32_are_refused(factor, tmp_path):
    wild = SMALL.astype(np.float64)
    wild[-1] *= factor
    place = rf"row 39, column {np.abs(SMALL[-1]).argmax() if factor != 1e-60 else 0}: \S+ "
    np.save(tmp_path / "wild.npy", wild)
    builds = [
        (cassata.DenseFlatIndex, {}),
        (cassata.DenseFlatIndex, {"metric": "euclidean", "dtype": "f16"}),
        (cassata.DensePlainHNSW, {"metric": "euclidean"}),
        (cassata.DensePlainHNSW, {"navigation": "int8"}),
        (cassata.DensePQHNSW, {"m_pq": 4}),
        (cassata.DenseRerankHNSW, {"encoder": "rabitq"}),
    ]
    for face, choices in builds:
        with pytest.raises(ValueError, match="data_vec: " + place + OUTSIDE):
            face.build_from_array(wild, **choices)
        with pytest.raises(ValueError, match=r"wild\.npy: " + place + OUTSIDE):
            face.build_from_file(tmp_path / "wild.npy", **choices)
    for face in (
        cassata.SparseFlatIndex,
        cassata.SparsePlainHNSW,
        cassata.SparseFixedU8HNSW,
        cassata.SparseDotVByteHNSW,
        cassata.SparsePostingsIndex,
    ):
        with pytest.raises(ValueError, match=r"values: row 39, entry \d: \S+ " + OUTSIDE):
            face.build_from_arrays(*sparse(factor))
    dense, flat = cassata.DenseFlatIndex.build_from_array(SMALL), cassata.SparseFlatIndex.build_from_arrays(*sparse(1))
    with pytest.raises(ValueError, match="queries: " + place + OUTSIDE):
        dense.batch_search(wild, 3)
    with pytest.raises(ValueError, match="queries: row 39, entry .*" + OUTSIDE):
        flat.batch_search(*sparse(factor), k=3)
    with pytest.raises(ValueError, match="data: " + place.replace("39", "2439") + OUTSIDE):
        cassata.recommend(np.vstack([np.tile(SMALL, (60, 1)), wild]))


@pytest.mark.parametrize("metric", ["dotproduct", "euclidean"])
@pytest.mark.parametrize("scale", [2e-15, 1e-10, 1e10, 1e17])
def test_vectors_of_any_other_length_are_ranked(scale, metric):
    vectors = (SMALL.astype("f8") * scale).astype("f4")
    truth = nearest(vectors, vectors, metric)
    for face, choices in [
        (cassata.DenseFlatIndex, {}),
        (cassata.DensePlainHNSW, {}),
        (cassata.DensePlainHNSW, {"navigation": "int8"}),
    ]:
        scores, ids = face.build_from_array(vectors, metric=metric, **choices).batch_search(vectors, K)
        assert recall(ids, truth) > 0.99
        assert np.all(np.isfinite(scores))
        if metric == "dotproduct":
            assert np.all(scores[:, 0] > 0)


def test_zeros_are_vectors_as_ever():
    vectors = np.vstack([SMALL, np.zeros((2, 8), "f4")])
    index = cassata.DenseFlatIndex.build_from_array(vectors, metric="euclidean", dtype="f16")
    assert index.search(np.zeros(8, "f4"), 2)[1].tolist() == [40, 41]


SCALES = [(1e-4, True), (1e-9, False)]  # what f16 holds, and what it does not


@pytest.mark.parametrize(("scale", "held"), SCALES)
def test_vectors_that_vanish_in_f16_are_refused(scale, held):
    def build(call):
        if held:
            return call()
        with pytest.raises(
            ValueError, match=r"row 0, (column|entry) \d: \S+ is the vector's largest value, too small for f16"
        ):
            call()
        return None

    vectors = SMALL * np.float32(scale)
    components, values, offsets = sparse(1)
    for metric in ("dotproduct", "euclidean"):
        index = build(lambda m=metric: cassata.DenseFlatIndex.build_from_array(vectors, metric=m, dtype="f16"))
        assert index is None or recall(index.batch_search(vectors, K)[1], nearest(vectors, vectors, metric)) > 0.95
        build(lambda m=metric: cassata.DensePlainHNSW.build_from_array(vectors, metric=m, dtype="f16"))
        build(lambda m=metric: cassata.SparsePlainHNSW.build_from_arrays(components, values * scale, offsets, metric=m))
    build(lambda: cassata.DenseRerankHNSW.build_from_array(vectors, encoder="pq", pq_subspaces=4))
    build(lambda: cassata.SparsePostingsIndex.build_from_arrays(components, values * scale, offsets))
    for face in (cassata.SparseFixedU8HNSW, cassata.SparseFixedU16HNSW, cassata.SparseDotVByteHNSW):
        assert face.build_from_arrays(components, values * scale, offsets).n == 40  # each row has a scale


def test_single_values_that_vanish_in_f16_do_no_harm():
    vectors = SMALL.copy()
    vectors[:, 0] *= np.float32(1e-9)
    assert cassata.DenseFlatIndex.build_from_array(vectors, dtype="f16").n == 40
    components, values, offsets = sparse(1)
    values[::8] *= 1e-9
    index = cassata.SparseRerankHNSW.build_from_arrays(
        components, values, offsets, prune_percentage=99.9999, residual_rerank=True
    )
    assert index.n == 40


def topical(n, seed):
    """Sparse rows around 40 topics, sorted by topic, and where each row's values end."""
    random, words = rng(seed), rng(0).permuted(np.tile(np.arange(400), (40, 1)), axis=1)[:, :60]
    rows = np.zeros((n, 400), np.float32)
    for row, topic in zip(rows, np.sort(random.integers(0, 40, n)), strict=True):
        own = random.choice(words[topic], 20, replace=False)
        row[own] = np.exp(random.standard_normal(20) / 2)
    return rows


def compressed(rows):
    return np.nonzero(rows)[1], rows[rows != 0], np.concatenate([[0], np.cumsum((rows != 0).sum(1))])


def recall_by_score(rows, queries, **choices):
    """Recall of results whose score reaches the tenth's."""
    build = {name: value for name, value in choices.items() if name != "ef_search"}
    index = cassata.SparsePostingsIndex.build_from_arrays(*compressed(rows), dtype="f32", **build)
    ids = index.batch_search(*compressed(queries), k=K, ef_search=choices.get("ef_search", 60))[1].reshape(-1, K)
    scores = queries.astype("f8") @ rows.astype("f8").T
    tenth = np.sort(scores, 1)[:, -K]
    return np.mean(np.take_along_axis(scores, ids, 1) >= tenth[:, None] * (1 - 1e-6))


@pytest.mark.parametrize("n_knn", [0, 8])
@pytest.mark.parametrize("factor", [1e3, 1e9])
def test_lists_with_wild_values_find_the_rows_beside_them(factor, n_knn):
    rows, queries = topical(4000, 1), topical(100, 2)
    expected = recall_by_score(rows, queries, n_knn=n_knn)
    for column in range(0, 400, 10):
        rows[np.flatnonzero(rows[:, column])[17], column] *= factor
    assert recall_by_score(rows, queries, n_knn=n_knn) > expected - 0.02


def test_the_order_of_rows_does_not_matter_to_lists():
    rows, queries = topical(4000, 1), topical(100, 2)
    shuffled = rng(3).permutation(rows)
    for n_knn in (0, 8):
        assert abs(recall_by_score(rows, queries, n_knn=n_knn) - recall_by_score(shuffled, queries, n_knn=n_knn)) < 0.01


def test_one_row_many_times_takes_no_place_from_others():
    rows, queries = topical(2000, 1), topical(100, 2)
    copied = rng(3).permutation(np.vstack([rows, np.repeat(rows[7:8], 500, 0)]))
    for n_knn in (0, 8):
        assert recall_by_score(copied, queries, n_knn=n_knn) > recall_by_score(rows, queries, n_knn=n_knn) - 0.01
