"""Sparse vectors: answers, ways to ask, ways to build."""

from __future__ import annotations

import os

import cassata
import numpy as np
import pytest
from conftest import METRICS, answers, recall, rng, run_python, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

Face = cassata.SparsePlainHNSW
LARGEST = 2**32 - 2


def arrays(matrix):
    """components, values, offsets"""
    return matrix.indices, matrix.data, matrix.indptr


def scores_of(vectors, queries, metric, dtype):
    """All scores in double precision, of the values as they are stored."""
    vectors, queries = vectors.astype(np.float64), queries.astype(np.float64)
    if dtype == "f16":
        vectors.data = vectors.data.astype(np.float16).astype(np.float64)
    products = (queries @ vectors.T).toarray()
    if metric == "dotproduct":
        return products
    squares = [np.asarray(matrix.multiply(matrix).sum(1)).ravel() for matrix in (queries, vectors)]
    return squares[0][:, None] + squares[1] - 2 * products


def exact(scores, k, metric):
    return np.argsort(scores if metric == "euclidean" else -scores, axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="module")
def vectors():
    return topics(2000, 3000, seed=1)


@pytest.fixture(scope="module")
def queries():
    return topics(50, 3000, seed=2)


@pytest.fixture(scope="module")
def index(vectors, metric):
    return Face.build_from_arrays(vectors, m=16, ef_construction=100, metric=metric)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f16", "f32"])
@pytest.mark.parametrize("graph_type", ["standard", "permuted"])
def test_scores_and_recall(vectors, queries, metric, dtype, graph_type):
    index = Face.build_from_arrays(*arrays(vectors), 16, 100, graph_type, metric=metric, dtype=dtype)
    scores, ids = index.batch_search(queries, 10)
    expected = scores_of(vectors, queries, metric, dtype)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, 1), rtol=1e-4, atol=1e-4)
    assert np.all(np.diff(scores, axis=1) >= 0) if metric == "euclidean" else np.all(np.diff(scores, axis=1) <= 0)
    assert recall(ids, exact(expected, 10, metric)) >= 0.95
    assert (index.dtype, index.metric, index.info["graph"]["graph_type"], index.info["graph"]["m"]) == (
        dtype,
        metric,
        graph_type,
        16,
    )
    assert (len(index), index.dim) == (2000, vectors.indices.max() + 1)


def test_an_exhaustive_walk_is_exact(metric):
    """Ties by lower id; values of few bits, so that every sum is exact."""
    random = rng(5)
    vectors = sparse.csr_matrix(random.integers(0, 3, (300, 40)) * (random.random((300, 40)) < 0.4)).astype(np.float32)
    queries = sparse.csr_matrix(random.integers(1, 3, (30, 40))).astype(np.float32)
    scores, ids = Face.build_from_arrays(vectors, metric=metric).batch_search(queries, 10, ef_search=300)
    expected = scores_of(vectors, queries, metric, "f32")
    np.testing.assert_array_equal(ids, exact(expected, 10, metric))
    np.testing.assert_array_equal(scores, np.take_along_axis(expected, ids, 1))


def test_f16_rounds_and_f32_does_not():
    for dtype, stored in (("f16", np.float32(np.float16(1.2345678))), ("f32", np.float32(1.2345678))):
        index = Face.build_from_arrays([3], [1.2345678], [0, 1], dtype=dtype)
        assert index.search([3], [1.0], k=1)[0].tolist() == [stored]


@pytest.mark.parametrize("largest", [65_535, 65_536, 4_194_303, 4_194_304, 2**31, LARGEST])
def test_large_components(largest, metric):
    """Around every bound at which components are stored, or queries are compared, in another way."""
    components = [0, 7, largest, 7, largest - 1, largest]
    index = Face.build_from_arrays(np.array(components), [1.0, 2.0, 4.0, 1.0, 8.0, 3.0], [0, 3, 5, 6], metric=metric)
    assert index.dim == largest + 1
    scores, ids = index.search([7, largest - 1, largest], [1.0, 1.0, 2.0], k=3)
    found = dict(zip(ids.tolist(), scores.tolist()))
    assert found == ({0: 10.0, 1: 9.0, 2: 6.0} if metric == "dotproduct" else {0: 7.0, 1: 53.0, 2: 3.0}), found


def test_components_no_vector_has(metric):
    index = Face.build_from_arrays([1, 4], [2.0, 3.0], [0, 1, 2], metric=metric)
    plain = index.search([1], [1.0], k=2)
    scores, ids = index.search([1, 5, 70_000, LARGEST], [1.0, 1.0, 1.0, 1.0], k=2)
    assert ids.tolist() == plain[1].tolist()
    assert (scores - plain[0]).tolist() == [0.0 if metric == "dotproduct" else 3.0] * 2


def test_empty_vectors_and_queries(metric):
    index = Face.build_from_arrays([1, 2], [1.0, 1.0], [0, 0, 1, 1, 2, 2], metric=metric)
    scores, ids = index.search([2], [1.0], k=6)
    assert ids.tolist() == ([3, 0, 1, 2, 4, -1] if metric == "dotproduct" else [3, 0, 2, 4, 1, -1])
    scores, ids = index.search([2], [1.0], [0, 0, 1, 1], 2)
    zeros = [0, 1] if metric == "dotproduct" else [0, 2]
    assert ids.tolist() == [*zeros, 3, 0, *zeros]
    assert scores[[0, 1, 4, 5]].tolist() == [0.0] * 4
    assert index.batch_search([], [], [0])[1].shape == (0,)
    nothing = Face.build_from_arrays([], [], [0, 0, 0], metric=metric)
    assert (len(nothing), nothing.dim) == (2, 1)
    assert nothing.search([3], [1.0], k=2)[1].tolist() == [0, 1]


# --- ways to ask ------------------------------------------------------------------------------------------------------


def test_all_ways_to_ask_agree(index, queries):
    expected = index.batch_search(queries, 7)
    flat = tuple(part.ravel() for part in expected)
    c, v, o = arrays(queries)
    for given in (
        index.search(queries, 7),
        index.search(c, v, o, 7),
        index.search(c, v, o, k=7),
        index.search(c, v, k=7, offsets=o),
        index.search(query_components=c, query_values=v, offsets=o.tolist(), k=7),
        index.batch_search(c, v, o, 7, 200, None, 1),
        index.batch_search(c.astype(np.int64), v.astype(np.float64), tuple(o), 7, num_threads=2),
        index.batch_search(c.astype(np.uint16)[::-1][::-1], v.tolist(), o.astype(np.uint64), 7, 200, 0.0),
    ):
        np.testing.assert_array_equal(given, flat)
    for row in range(5):
        c, v = queries[row].indices, queries[row].data
        for given in (
            index.search(c, v, 7),
            index.search(c, v, None, 7),
            index.search(c, v, np.int64(7), 200, None, 1),
            index.search(c, v, k=7),
        ):
            np.testing.assert_array_equal(given, [part[row] for part in expected])
        np.testing.assert_array_equal(index.batch_search(c, v, 7), [part[row] for part in expected])


def test_parameters_reach_the_engine(index, vectors, queries, metric):
    expected = exact(scores_of(vectors, queries, metric, "f16"), 10, metric)
    c, v, o = arrays(queries)
    narrow, relaxed, wide = (
        recall(index.batch_search(*given)[1], expected)
        for given in ((c, v, o, 10, 10), (c, v, o, 10, 10, 0.5), (queries, 10, 400))
    )
    assert narrow < wide
    assert narrow < relaxed


def test_shapes(index, queries):
    c, v, o = arrays(queries[:3])
    assert index.batch_search(queries[:3], 4)[1].shape == (3, 4)
    assert index.batch_search(queries[:1], 4)[1].shape == (1, 4)
    assert (
        index.search(queries[:3], 4)[1].shape
        == index.search(c, v, o, 4)[1].shape
        == index.batch_search(c, v, o, 4)[0].shape
        == (12,)
    )
    assert index.search(c, v, o, 0)[1].shape == (0,)
    scores, ids = index.search(queries[0].indices, queries[0].data)
    assert (scores.shape, scores.dtype, ids.shape, ids.dtype) == ((10,), np.float32, (10,), np.int64)


def test_missing_places(metric):
    worst = np.inf if metric == "euclidean" else -np.inf
    index = Face.build_from_arrays([1, 2], [1.0, 1.0], [0, 1, 2], metric=metric)
    for search in (index.search, index.batch_search):
        for offsets in (None, [0, 1]):
            scores, ids = search([1], [1.0], offsets, 4)
            assert (ids.tolist(), scores[2:].tolist()) == ([0, 1, -1, -1], [worst, worst])


def test_other_matrices(index, queries):
    expected = index.batch_search(queries, 5)
    reversed_rows = sparse.csr_matrix((30, 3000), dtype=np.float32)
    shuffled = queries.copy()
    for begin, end in zip(queries.indptr, queries.indptr[1:]):
        shuffled.indices[begin:end], shuffled.data[begin:end] = (
            queries.indices[begin:end][::-1],
            queries.data[begin:end][::-1],
        )
    shuffled = sparse.csr_matrix((shuffled.data, shuffled.indices, shuffled.indptr), shuffled.shape)
    before = shuffled.indices.copy()
    halves = sparse.coo_matrix((np.tile(queries.tocoo().data / 2, 2), np.tile(queries.nonzero(), 2)), queries.shape)
    for given in (shuffled, halves, queries.tocsc(), sparse.csr_array(queries), queries.astype(np.float64)):
        np.testing.assert_array_equal(index.batch_search(given, 5), expected)
    np.testing.assert_array_equal(shuffled.indices, before)  # the caller's own stays as it is
    scores, ids = index.batch_search(reversed_rows, 5)
    assert np.all(ids >= 0), "rows without entries are vectors of zeros"
    assert index.metric == "euclidean" or np.all(scores == 0)


# --- ways to build ----------------------------------------------------------------------------------------------------


def sections(index):
    """The bytes of everything but the provenance."""
    with open(index.path, "rb") as file:
        whole = file.read()
    return {part["name"]: whole[part["offset"] : part["offset"] + part["length"]] for part in index.info["sections"]}


def test_every_input_gives_the_same_index(tmp_path, vectors, queries, metric):
    vectors = sparse.vstack([vectors[:400], sparse.csr_matrix((1, 3000), dtype=np.float32)], format="csr")
    write_sparse(tmp_path / "documents.bin", vectors)
    sparse.save_npz(tmp_path / "documents.npz", vectors)
    sparse.save_npz(tmp_path / "columns.npz", vectors.tocsc())
    c, v, o = arrays(vectors)
    chosen = {"m": 8, "ef_construction": 40, "metric": metric, "path": tmp_path / "index"}
    expected = None
    for build in (
        lambda: Face.build_from_file(tmp_path / "documents.bin", **chosen),
        lambda: Face.build_from_file(str(tmp_path / "documents.npz"), **chosen),
        lambda: Face.build_from_file(tmp_path / "columns.npz", **chosen),
        lambda: Face.build_from_arrays(vectors, **chosen),
        lambda: Face.build_from_arrays(sparse.csr_array(vectors), **chosen),
        lambda: Face.build_from_arrays(c, v, o, **chosen),
        lambda: Face.build_from_arrays(c.astype(np.int64), v.astype(np.float64), o.astype(np.int64), **chosen),
        lambda: Face.build_from_arrays(c.astype(">u4"), v.tolist(), o.tolist(), **chosen),
        lambda: Face.build_from_arrays(np.repeat(c, 2)[::2], np.repeat(v, 2)[::2], o.astype(np.uint64), **chosen),
    ):
        with build() as index:
            found = sections(index), answers(index, queries)
        expected = expected or found
        assert found == expected


def test_inputs_are_named_in_the_provenance(tmp_path, vectors):
    write_sparse(tmp_path / "documents.bin", vectors)
    sparse.save_npz(tmp_path / "documents.npz", vectors)
    os.link(tmp_path / "documents.npz", odd := os.fsencode(tmp_path) + b"/odd \xff.npz")
    for name, build in (
        ("documents.bin", lambda **quick: Face.build_from_file(tmp_path / "documents.bin", **quick)),
        ("documents.npz", lambda **quick: Face.build_from_file(tmp_path / "documents.npz", **quick)),
        ("odd \udcff.npz", lambda **quick: Face.build_from_file(odd, **quick)),
        ("values", lambda **quick: Face.build_from_arrays(vectors, **quick)),
    ):
        (entry,) = build(m=8, ef_construction=20).info["provenance"]["inputs"]
        assert (entry["name"], entry["rows"]) == (name, vectors.shape[0])


def test_unsorted_and_duplicate_entries_of_a_matrix(metric):
    given = sparse.csr_matrix(
        (np.array([1.0, 2.0, 3.0, 0.0], "f4"), np.array([5, 2, 5, 1]), np.array([0, 3, 4])), (2, 9)
    )
    index = Face.build_from_arrays(given, metric=metric)
    same = Face.build_from_arrays([2, 5, 1], [2.0, 4.0, 0.0], [0, 2, 3], metric=metric)
    assert index.uuid == same.uuid
    assert given.indices.tolist() == [5, 2, 5, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_the_file_does_not_depend_on_threads(vectors, tmp_path, metric):
    for threads in (1, 2):
        Face.build_from_arrays(
            vectors, m=16, ef_construction=60, metric=metric, path=tmp_path / str(threads), num_threads=threads
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_answers_do_not_depend_on_threads(index, queries):
    one, two, all_of_them = (index.batch_search(queries, 10, num_threads=n) for n in (1, 2, 0))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, all_of_them)


def test_scipy_is_not_needed_for_arrays():
    code = """
        import sys
        sys.modules["scipy"] = None
        import cassata
        index = cassata.SparsePlainHNSW.build_from_arrays([1, 2], [1.0, 1.0], [0, 1, 2])
        print(index.search([2], [1.0], k=2)[1].tolist())
    """
    assert run_python(code) == "[1, 0]\n"
