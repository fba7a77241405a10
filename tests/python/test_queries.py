"""What queries may look like, and what comes back, in every class."""

from __future__ import annotations

import cassata
import numpy as np
import pytest
from conftest import clustered, rng, topics

N, COLUMNS, TOKEN_DIM = 400, 1500, 8
SPARSE = {
    "SparseFlatIndex": {},
    "SparsePostingsIndex": {},
    "SparsePlainHNSW": {"m": 8, "ef_construction": 40},
    "SparsePlainHNSW euclidean": {"m": 8, "ef_construction": 40, "metric": "euclidean"},
    "SparseFixedU8HNSW": {"m": 8, "ef_construction": 40},
    "SparseFixedU16HNSW": {"m": 8, "ef_construction": 40},
    "SparseDotVByteHNSW": {"m": 8, "ef_construction": 40},
    "SparseRerankHNSW": {"prune_percentage": 60, "m": 8, "ef_construction": 40},
}
DENSE = {
    "DenseFlatIndex": {},
    "DensePlainHNSW": {"m": 8, "ef_construction": 40, "metric": "euclidean"},
    "DensePQHNSW": {"m_pq": 8, "m": 8, "ef_construction": 40},
    "DenseRerankHNSW": {"m": 8, "ef_construction": 40, "pq_subspaces": 8},
}


def shuffled(queries, random):
    """The same queries as arrays: entries in any order, some as two that sum to them."""
    components, values, offsets = [], [], [0]
    for begin, end in zip(queries.indptr, queries.indptr[1:]):
        c, v = queries.indices[begin:end], queries.data[begin:end]
        halved = random.random(len(c)) < 0.3
        c, v = np.concatenate([c, c[halved]]), np.concatenate([np.where(halved, v / 2, v), v[halved] / 2])
        order = random.permutation(len(c))
        components.append(c[order])
        values.append(v[order])
        offsets.append(offsets[-1] + len(c))
    return np.concatenate(components), np.concatenate(values), np.array(offsets)


@pytest.fixture(scope="module")
def queries():
    return topics(20, COLUMNS, seed=2)


@pytest.fixture(scope="module", params=SPARSE)
def sparse_index(request):
    face = getattr(cassata, request.param.split()[0])
    return face.build_from_arrays(topics(N, COLUMNS, seed=1), **SPARSE[request.param])


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """The path of a sparse index and a folder of its documents' tokens."""
    folder = tmp_path_factory.mktemp("documents")
    cassata.SparsePlainHNSW.build_from_arrays(
        topics(N, COLUMNS, seed=1), m=8, ef_construction=40, path=folder / "sparse"
    )
    np.save(folder / "documents.npy", clustered(3 * N, TOKEN_DIM, seed=3))
    np.save(folder / "doclens.npy", np.full(N, 3, np.int32))
    return cassata.SparseMultivecRerankIndex.build_from_file(folder / "sparse", folder)


def test_components_in_any_order(sparse_index, queries):
    expected = sparse_index.batch_search(queries.indices, queries.data, queries.indptr, k=7)
    c, v, o = shuffled(queries, rng(5))
    before = c.copy(), v.copy()
    for found in (sparse_index.batch_search(c, v, o, k=7), sparse_index.search(c, v, o, k=7)):
        np.testing.assert_array_equal(found, expected)
    for row in range(3):
        at = slice(o[row], o[row + 1])
        np.testing.assert_array_equal(
            sparse_index.search(c[at], v[at], k=7), [part[7 * row : 7 * row + 7] for part in expected]
        )
    np.testing.assert_array_equal(c, before[0])
    np.testing.assert_array_equal(v, before[1])


def test_components_in_any_order_beside_tokens(documents, queries):
    tokens = clustered(20 * 4, TOKEN_DIM, seed=4).reshape(20, 4, TOKEN_DIM)
    for residuals in (False, True):
        expected = documents.batch_search(queries, tokens, k=7, residuals=residuals)
        c, v, o = shuffled(queries, rng(6))
        found = documents.batch_search(c, v, o, tokens, k=7, residuals=residuals)
        np.testing.assert_array_equal(found, [part.ravel() for part in expected])
    np.testing.assert_array_equal(
        documents.search(c[: o[1]], v[: o[1]], tokens[0], k=7, residuals=True)[1], expected[1][0]
    )


def test_faults_are_told_of_the_entry_as_it_was_given(sparse_index):
    with pytest.raises(ValueError, match="queries: row 1, entry 2: nan"):
        sparse_index.batch_search([3, 5, 4, 4], [1.0, 1.0, 1.0, np.nan], [0, 1, 4], k=1)
    with pytest.raises(ValueError, match=r"queries: row 1, entry 1: 3e\+38 in a vector of length 4\.24"):
        sparse_index.batch_search([3, 5, 4, 4], [1.0, 1.0, 3e38, 3e38], [0, 1, 4], k=1)
    assert sparse_index.search([4, 4, 3], [1e18, -1e18, 1.0], k=1)[1].shape == (1,)


def test_results_are_as_many_as_asked_for(sparse_index, queries):
    worst = np.inf if sparse_index.metric == "euclidean" else -np.inf
    c, v, o = queries.indices, queries.data, queries.indptr
    for k in (1, 10, N + 30):
        for scores, ids in (
            sparse_index.search(c[: o[1]], v[: o[1]], k=k),
            sparse_index.search(c[: o[1]], v[: o[1]], o[:2], k=k),
        ):
            assert scores.shape == ids.shape == (k,)
            assert np.all((ids == -1) == (scores == worst))
            assert np.all(ids[N:] == -1)


@pytest.mark.parametrize("name", DENSE)
def test_dense_results_are_as_many_as_asked_for(name):
    index = getattr(cassata, name).build_from_array(clustered(N, 16, seed=1), **DENSE[name])
    worst = np.inf if index.metric == "euclidean" else -np.inf
    for query in (clustered(1, 16, seed=2)[0], clustered(1, 16, seed=2)):
        scores, ids = index.search(query, k=N + 30)
        assert scores.shape == ids.shape == (N + 30,)
        assert np.all((ids == -1) == (scores == worst))
        assert np.all(ids[N:] == -1)


def test_results_beside_tokens_are_as_many_as_asked_for(documents, queries):
    tokens = clustered(4, TOKEN_DIM, seed=4)
    scores, ids = documents.search(queries[0].indices, queries[0].data, tokens, k=30, k_candidates=12)
    assert (np.flatnonzero(ids == -1).tolist(), np.flatnonzero(np.isneginf(scores)).tolist()) == (
        [*range(12, 30)],
        [*range(12, 30)],
    )


def test_a_query_without_entries_is_a_vector_of_zeros(sparse_index):
    scores, ids = sparse_index.batch_search([3, 4], [1.0, 1.0], [0, 2, 2], k=5)
    assert np.all(ids >= 0)
    if sparse_index.metric == "dotproduct":
        assert scores[5:].tolist() == [0.0] * 5
    np.testing.assert_array_equal(sparse_index.search([], [], k=5), (scores[5:], ids[5:]))


def test_a_threshold_of_any_size(sparse_index, queries):
    for threshold in (0, 0.7, 40, 3e38):
        scores, ids = sparse_index.batch_search(queries, k=5, ef_search=5, early_exit_threshold=threshold)
        assert ids.shape == scores.shape == (20, 5)
    for wrong in (-0.1, float("inf"), float("nan"), 1e39):
        with pytest.raises(ValueError, match=r"early_exit_threshold: .* given, expected a finite number, 0 or more"):
            sparse_index.batch_search(queries, k=5, early_exit_threshold=wrong)


def test_a_large_threshold_visits_all():
    vectors, asked = clustered(N, 16, seed=1), clustered(30, 16, seed=2)
    index = cassata.DensePlainHNSW.build_from_array(vectors, m=4, ef_construction=20, metric="euclidean")
    exact = cassata.DenseFlatIndex.build_from_array(vectors, metric="euclidean").batch_search(asked, 10)
    np.testing.assert_array_equal(index.batch_search(asked, 10, 10, early_exit_threshold=1e30)[1], exact[1])


@pytest.mark.filterwarnings("ignore::cassata.RecallWarning")  # one entry a vector tells little
def test_pruned_to_nothing_is_pruned_to_one_entry(queries):
    vectors = topics(N, COLUMNS, seed=1)
    index = cassata.SparseRerankHNSW.build_from_arrays(vectors, prune_percentage=0, m=8, ef_construction=40)
    assert index.info["rerank"]["prune_percentage"] == 0
    index.verify()
    exact = cassata.SparseFlatIndex.build_from_arrays(vectors, dtype="f16")
    ids = index.batch_search(queries, k=5, k_candidates=N, ef_search=N)[1]
    np.testing.assert_array_equal(ids, exact.batch_search(queries, k=5)[1], "all are candidates")
    one = index.search([vectors[7].indices[np.argmax(vectors[7].data)]], [1.0], k=N, k_candidates=N, ef_search=N)
    assert 7 in one[1][one[0] > 0]
