"""Sparse vectors in two stages: answers, ways to ask, errors, files."""

from __future__ import annotations

import pickle

import cassata
import numpy as np
import pytest
from conftest import recall, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

Face = cassata.SparseRerankHNSW


def arrays(matrix):
    """components, values, offsets"""
    return matrix.indices, matrix.data, matrix.indptr


@pytest.fixture(scope="module")
def vectors():
    return topics(2000, 3000, seed=1)


@pytest.fixture(scope="module")
def queries():
    return topics(50, 3000, seed=2)


@pytest.fixture(scope="module")
def index(vectors):
    return Face.build_from_arrays(
        vectors, prune_percentage=60, m=16, ef_construction=100, second_stage_value_type="f32"
    )


def products(vectors, queries):
    return (queries.astype(np.float64) @ vectors.astype(np.float64).T).toarray()


def pruned(vectors, percentage):
    """By definition, row by row."""
    kept = vectors.copy()
    for begin, end in zip(kept.indptr, kept.indptr[1:]):
        order = np.argsort(-np.abs(kept.data[begin:end]), kind="stable")
        mass = np.cumsum(np.abs(kept.data[begin:end][order].astype(np.float64)))
        count = int(np.searchsorted(mass, mass[-1] * percentage / 100)) + 1
        kept.data[begin:end][order[count:]] = 0
    kept.eliminate_zeros()
    return kept


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("graph_type", ["standard", "permuted"])
def test_scores_and_recall(vectors, queries, graph_type, residual):
    index = Face.build_from_arrays(
        *arrays(vectors), 60, 16, 100, "f32", graph_type, residual, second_stage_value_type="f32"
    )
    scores, ids = index.batch_search(queries, 150, 10, 150)
    expected = products(vectors, queries)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, 1), rtol=1e-5, atol=1e-5)
    assert np.all(np.diff(scores, axis=1) <= 0)
    assert recall(ids, np.argsort(-expected, axis=1, kind="stable")[:, :10]) >= 0.95
    assert index.info["rerank"] == {"dtype": "f32", "bits": None, "prune_percentage": 60.0, "residual": residual}
    assert (index.dtype, index.metric, index.info["graph"]["graph_type"]) == ("f32", "dotproduct", graph_type)
    index.verify()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("value_type", ["fixedu8", "fixedu16", "dotvbyte"])
def test_compact_first_stages(vectors, queries, value_type, residual):
    index = Face.build_from_arrays(
        *arrays(vectors), 70, 16, 100, value_type, residual_rerank=residual, second_stage_value_type="f32"
    )
    scores, ids = index.batch_search(queries, 150, 10, 150)
    expected = products(vectors, queries)
    error = (
        0
        if not residual
        else np.abs(queries).sum(1).max() * vectors.max() / (131_070 if value_type == "fixedu16" else 510)
    )
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, 1), rtol=1e-5, atol=1e-5 + error)
    assert recall(ids, np.argsort(-expected, axis=1, kind="stable")[:, :10]) >= 0.95
    assert index.info["dtype"] == value_type
    index.verify()


def test_what_the_stages_hold(vectors):
    def entries(index, section, bytes_each):
        return next(part["length"] for part in index.info["sections"] if part["name"] == section) // bytes_each

    kept = pruned(vectors, 50).nnz
    quick = {"m": 8, "ef_construction": 40}
    whole = Face.build_from_arrays(vectors, prune_percentage=50, **quick)
    assert (entries(whole, "codes.rows", 4), entries(whole, "rerank.rows", 4)) == (kept, vectors.nnz)
    rest = Face.build_from_arrays(
        vectors, prune_percentage=50, residual_rerank=True, second_stage_value_type="f32", **quick
    )
    assert (entries(rest, "codes.rows", 4), entries(rest, "rerank.rows", 6)) == (kept, vectors.nnz - kept)


def test_the_first_stage_chooses_the_candidates(vectors, queries):
    """As many candidates as vectors: the first stage alone decides which are scored again."""
    index = Face.build_from_arrays(
        vectors, prune_percentage=40, first_stage_value_type="f32", second_stage_value_type="f32"
    )
    first, second = products(pruned(vectors, 40), queries), products(vectors, queries)
    order = np.argsort(-first, axis=1, kind="stable")
    for alpha in (None, 0.0, 0.1, 0.5):
        _, ids = index.batch_search(queries, 2000, 10, alpha=alpha)
        for row, (candidates, found) in enumerate(zip(order, ids)):
            kth = first[row][candidates[9]]
            near = candidates if alpha is None else [c for c in candidates if first[row][c] >= kth - abs(kth) * alpha]
            best = sorted(near, key=lambda c: (-second[row][c], c))[:10]
            assert found.tolist() == best, (row, alpha)


def test_beta_stops_early(index, queries):
    exact, first, few = (index.batch_search(queries, 200, 10, beta=beta) for beta in (None, 0, 5))
    plain = index.batch_search(queries, 10, 10, 200)
    np.testing.assert_array_equal(first[1], plain[1])  # only the first k are scored
    np.testing.assert_array_equal(index.batch_search(queries, 200, 10, beta=200)[1], exact[1])
    assert np.all(first[0].sum(1) <= few[0].sum(1))
    assert np.all(few[0].sum(1) <= exact[0].sum(1))
    assert first[0].sum() < few[0].sum() < exact[0].sum()


def test_fewer_candidates_than_results(index, queries):
    c, v = queries[0].indices, queries[0].data
    scores, ids = index.search(c, v, 4, 10)
    assert (np.count_nonzero(ids >= 0), scores[4:].tolist()) == (4, [-np.inf] * 6)
    scores, ids = index.batch_search(queries[:1], 4, 10)
    assert (np.count_nonzero(ids >= 0), scores[0, 4:].tolist()) == (4, [-np.inf] * 6)
    assert index.search(c, v, 0, 10)[1].tolist() == [-1] * 10
    assert index.search(c, v, 100, 0)[1].shape == (0,)
    assert np.count_nonzero(index.search(c, v, 5000, 5000)[1] >= 0) == 2000


def test_empty_vectors_and_queries():
    index = Face.build_from_arrays([1, 2], [1.0, 1.0], [0, 0, 1, 1, 2, 2], 50)
    assert index.search([2], [1.0], k=6)[1].tolist() == [3, 0, 1, 2, 4, -1]
    scores, ids = index.search([2], [1.0], [0, 0, 1, 1], k=2)
    assert (ids.tolist(), scores.tolist()) == ([0, 1, 3, 0, 0, 1], [0, 0, 1, 0, 0, 0])
    assert index.batch_search([], [], [0])[1].shape == (0,)
    assert Face.build_from_arrays([], [], [0, 0, 0], 30, residual_rerank=True).search([3], [1.0], k=2)[1].tolist() == [
        0,
        1,
    ]


# --- ways to ask and to build -----------------------------------------------------------------------------------------


def test_all_ways_to_ask_agree(index, queries):
    expected = index.batch_search(queries, 30, 7, 50, 0.2, 9, 0.1)
    flat = tuple(part.ravel() for part in expected)
    c, v, o = arrays(queries)
    rest = {"alpha": 0.2, "beta": 9, "early_exit_threshold": 0.1}
    for given in (
        index.search(queries, 30, 7, 50, **rest),
        index.search(c, v, o, 30, 7, 50, 0.2, 9, 0.1),
        index.search(c, v, sparse_offsets=o, k_candidates=30, k=7, ef_search=50, **rest),
        index.search(
            query_components=c, query_values=v, offsets=o.tolist(), k_candidates=30, k=7, ef_search=50, **rest
        ),
        index.batch_search(c, v, o, 30, 7, 50, 0.2, 9, 0.1, 1),
        index.batch_search(c.astype(np.int64), v.astype(np.float64), tuple(o), 30, 7, 50, num_threads=2, **rest),
    ):
        np.testing.assert_array_equal(given, flat)
    for row in range(5):
        c, v = queries[row].indices, queries[row].data
        for given in (
            index.search(c, v, 30, 7, 50, 0.2, 9, 0.1),
            index.search(c, v, None, 30, 7, 50, **rest),
            index.search(c, v, k_candidates=30, k=7, ef_search=50, **rest),
        ):
            np.testing.assert_array_equal(given, [part[row] for part in expected])


def test_every_input_gives_the_same_file(tmp_path, vectors):
    write_sparse(tmp_path / "documents.bin", vectors)
    sparse.save_npz(tmp_path / "documents.npz", vectors)
    c, v, o = arrays(vectors)
    sections = set()
    for build in (
        lambda **chosen: Face.build_from_file(tmp_path / "documents.bin", 60, **chosen),
        lambda **chosen: Face.build_from_file(tmp_path / "documents.npz", prune_percentage=60, **chosen),
        lambda **chosen: Face.build_from_arrays(vectors, prune_percentage=60, **chosen),
        lambda **chosen: Face.build_from_arrays(c, v, o, 60.0, **chosen),
    ):
        for threads in (1, 2):
            with build(m=8, ef_construction=40, path=tmp_path / "index", num_threads=threads) as index:
                parts = index.info["sections"]
            whole = (tmp_path / "index").read_bytes()
            sections.add(b"".join(whole[part["offset"] : part["offset"] + part["length"]] for part in parts))
    assert len(sections) == 1


def test_answers_do_not_depend_on_threads(index, queries):
    one, two, all_of_them = (index.batch_search(queries, beta=10, num_threads=n) for n in (1, 2, 0))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, all_of_them)


@pytest.mark.filterwarnings("ignore::cassata.RecallWarning")  # so few entries are kept
def test_a_saved_file_is_opened_as_what_it_is(tmp_path, index, queries):
    expected = index.batch_search(queries)
    path = tmp_path / "index.cassata"
    built = Face.build_from_arrays(topics(300, 3000, seed=1), prune_percentage=33.3, residual_rerank=True, path=path)
    assert isinstance(cassata.open(path, verify=True), Face)
    assert "prune_percentage=33.3" in repr(built)
    assert pickle.loads(pickle.dumps(built)).uuid == built.uuid
    Face.load(path, "f16", "permuted", True, 33.3, "f16", built.dim, verify=True)
    Face.load(path, first_stage_value_type="blocked-sparse")
    for wrong in (
        {"first_stage_value_type": "f32"},
        {"second_stage_value_type": "f32"},
        {"graph_type": "compressed"},
        {"residual_rerank": False},
        {"prune_percentage": 60},
        {"dim": 7},
    ):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: .* given, but .*index.cassata holds "):
            Face.load(path, **wrong)
    with pytest.raises(ValueError, match="holds a SparseRerankHNSW, not a SparsePlainHNSW"):
        cassata.SparsePlainHNSW.load(path)
    index.save(tmp_path / "saved")
    np.testing.assert_array_equal(cassata.open(tmp_path / "saved").batch_search(queries, ef_search=100), expected)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "prune_percentage: -0.5.* given, expected a number from 0 to 100", {"prune_percentage": -0.5}),
        (ValueError, "prune_percentage: 100.5", {"prune_percentage": 100.5}),
        (ValueError, "prune_percentage: nan", {"prune_percentage": float("nan")}),
        (ValueError, "prune_percentage: inf", {"prune_percentage": 10**400}),
        (TypeError, "prune_percentage: 'much' given, expected a number", {"prune_percentage": "much"}),
        (TypeError, "prune_percentage: missing", {"prune_percentage": None}),
        (ValueError, "residual", {"prune_percentage": 100, "residual_rerank": True}),
        (ValueError, "'f64' given, expected one of 'f16'", {"prune_percentage": 50, "first_stage_value_type": "f64"}),
        (ValueError, "'f64' given, expected one of 'f16'", {"prune_percentage": 50, "second_stage_value_type": "f64"}),
        (TypeError, "first_stage_value_type: 16 given", {"prune_percentage": 50, "first_stage_value_type": 16}),
        (ValueError, "m: 1 given", {"prune_percentage": 50, "m": 1}),
    ],
)
def test_bad_builds(error, message, arguments):
    with pytest.raises(error, match=message):
        Face.build_from_arrays([1, 2], [1.0, 2.0], [0, 1, 2], **arguments)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "alpha: -0.1.* given, expected a finite number, 0 or more", {"alpha": -0.1}),
        (ValueError, "alpha: nan", {"alpha": float("nan")}),
        (TypeError, "alpha: 'x' given", {"alpha": "x"}),
        (ValueError, "beta: -1 given, expected a whole number, 0 or more", {"beta": -1}),
        (TypeError, "beta: 1.5 given", {"beta": 1.5}),
        (ValueError, "k_candidates: -1 given", {"k_candidates": -1}),
        (ValueError, "k: -1 given", {"k": -1}),
        (ValueError, "early_exit_threshold", {"early_exit_threshold": -0.6}),
        (TypeError, "metric", {"metric": "euclidean"}),
        (TypeError, "offsets: given twice", {"offsets": [0, 1], "sparse_offsets": [0, 1]}),
    ],
)
def test_bad_searches(index, error, message, arguments):
    for search in (index.search, index.batch_search):
        with pytest.raises(error, match=message):
            search([1], [1.0], **arguments)


def test_values_beyond_f16_are_named_by_their_place():
    with pytest.raises(ValueError, match=r"row 1, entry 2: .*f16"):
        Face.build_from_arrays([1, 1, 2, 3], [1.0, 1.0, 1.0, 70000.0], [0, 1, 4], 50, residual_rerank=True)
