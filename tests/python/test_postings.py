"""The classes of inverted lists: exact answers against SciPy, approximate ones against exact ones, builds, files, errors."""

from __future__ import annotations

import json
import pickle

import cassata
import numpy as np
import pytest
from cli import output
from conftest import recall, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

FACES = (cassata.SparseFlatIndex, cassata.SparsePostingsIndex)


def random_rows(random, kind):
    """A collection and queries: of a few values with many ties, of both signs, or of any positive values; some rows equal, some empty."""
    rows, columns = int(random.integers(1, 700)), int(random.choice([5, 60, 3000, 80_000]))
    matrix = sparse.random(rows, columns, min(1.0, 15 / columns), "csr", np.float32, random)
    matrix = sparse.vstack([matrix, matrix[: rows // 5], sparse.csr_matrix((2, columns), dtype=np.float32)], "csr")
    if kind == "few":
        matrix.data = random.integers(1, 4, matrix.nnz).astype(np.float32)
    if kind == "signed":
        matrix.data -= 0.5
    return matrix, sparse.random(8, columns, min(1.0, 10 / columns), "csr", np.float32, random)


@pytest.mark.parametrize("kind", ["few", "signed", "positive"])
@pytest.mark.parametrize("seed", range(8))
def test_exact_answers_are_those_of_all_products(kind, seed):
    vectors, queries = random_rows(np.random.default_rng(seed), kind)
    index = cassata.SparseFlatIndex.build_from_arrays(vectors)
    index.verify()
    products = (queries.astype(np.float64) @ vectors.T.astype(np.float64)).toarray()
    for k in (1, 10, vectors.shape[0], vectors.shape[0] + 3):
        there = min(k, vectors.shape[0])
        distances, ids = index.batch_search(queries, k, num_threads=2)
        for row, (scores, found) in enumerate(zip(distances, ids)):
            if queries[row].nnz == 0:
                assert (found == -1).all()
                assert np.isneginf(scores).all()
                continue
            best = np.argsort(-products[row], kind="stable")[:there]
            np.testing.assert_allclose(scores[:there], products[row][best], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(products[row][found[:there]], products[row][best], rtol=1e-5, atol=1e-6)
            assert len(set(found[:there])) == there
            assert (found[there:] == -1).all()
            if kind == "few" and (queries.data == 1).all():
                assert list(found[:there]) == list(best)


def test_ties_and_vectors_that_share_nothing_come_by_id():
    vectors = sparse.csr_matrix(np.eye(40, 9, dtype=np.float32) + np.eye(40, 9, -9, dtype=np.float32))
    index = cassata.SparseFlatIndex.build_from_arrays(vectors)
    distances, ids = index.search([2, 500], [2.0, 1.0], k=6)
    assert ids.tolist() == [2, 11, 0, 1, 3, 4]
    assert distances.tolist() == [2, 2, 0, 0, 0, 0]
    assert index.search([2], [-1.0], k=40)[1][-2:].tolist() == [2, 11]


@pytest.mark.parametrize("dtype", ["f16", "f32", "fixedu8", "fixedu16", "dotvbyte"])
def test_approximate_answers(dtype):
    vectors, queries = topics(5000, 3000, seed=1), topics(60, 3000, seed=2)
    exact = cassata.SparseFlatIndex.build_from_arrays(vectors).batch_search(queries, 10)[1]
    index = cassata.SparsePostingsIndex.build_from_arrays(vectors, dtype=dtype)
    low, high = (recall(index.batch_search(queries, 10, ef_search=ef)[1], exact) for ef in (20, 400))
    assert 0.5 < low <= high
    assert high > 0.9
    assert recall(index.batch_search(queries, 10, ef_search=400, query_cut=0, heap_factor=0.0)[1], exact) >= high


def test_arguments_of_a_build_are_in_the_file(tmp_path):
    vectors = topics(800, 500, seed=3)
    build = cassata.SparsePostingsIndex.build_from_arrays
    index = build(vectors, n_postings=20, summary_energy=0.5, n_knn=6, path=tmp_path / "index", m=16, ef_construction=200, num_threads=1)
    assert index.info["postings"]["n_postings"] == 20
    assert index.info["postings"]["summary_energy"] == 0.5
    assert index.info["postings"]["n_knn"] == 6
    again = build(vectors, n_postings=20, summary_energy=0.5, n_knn=6, path=tmp_path / "again", num_threads=2)
    assert (tmp_path / "index").read_bytes() == (tmp_path / "again").read_bytes()
    assert again.space_usage_bytes() < build(vectors, n_knn=6).space_usage_bytes()


@pytest.mark.parametrize("face", FACES)
def test_files(face, tmp_path):
    vectors, queries = topics(600, 400, seed=4), topics(5, 400, seed=5)
    write_sparse(tmp_path / "vectors.bin", vectors)
    index = face.build_from_file(tmp_path / "vectors.bin", path=tmp_path / "index", progress=lambda *_: None)
    expected = index.batch_search(queries, 7)
    sparse.save_npz(tmp_path / "vectors.npz", vectors)
    for same in (
        face.build_from_file(tmp_path / "vectors.npz"),
        face.build_from_arrays(vectors.indices, vectors.data, vectors.indptr),
        face.load(tmp_path / "index", metric="dotproduct", verify=True),
        cassata.open(tmp_path / "index"),
        pickle.loads(pickle.dumps(index)),
    ):
        assert type(same) is face
        for found, wanted in zip(same.batch_search(queries, 7), expected):
            np.testing.assert_array_equal(found, wanted)
    one = index.search(queries.indices[: queries.indptr[1]], queries.data[: queries.indptr[1]], 7)
    np.testing.assert_array_equal(one[1], expected[1][0])
    damaged = bytearray((tmp_path / "index").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "index").write_bytes(damaged)
    with pytest.raises(cassata.FormatError, match="section 'postings"):
        face.load(tmp_path / "index", verify=True)
    (tmp_path / "index").write_bytes(damaged[: len(damaged) // 2])
    with pytest.raises(cassata.FormatError):
        cassata.open(tmp_path / "index")


def test_components_of_any_size():
    largest = 2**32 - 2
    components, offsets = np.array([1, 70_000, largest, 5, largest], np.uint32), [0, 3, 5]
    for face in FACES:
        index = face.build_from_arrays(components, [1.0, 2.0, 3.0, 1.0, 1.0], offsets)
        assert index.search([70_000, largest], [1.0, 1.0], k=2)[0].tolist() == [5, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_postings": -1}, "n_postings: -1 given"),
        ({"n_knn": 257}, "n_knn: 257 given, expected 0 to 256"),
        ({"summary_energy": 0}, "summary_energy: 0"),
        ({"summary_energy": float("nan")}, "summary_energy: nan"),
        ({"metric": "euclidean"}, "expected one that a SparsePostingsIndex has: 'dotproduct'"),
        ({"dtype": "f8"}, "dtype: 'f8' given"),
        ({"m": -3}, "m: -3 given"),
    ],
)
def test_wrong_builds(arguments, message):
    with pytest.raises(ValueError, match=message):
        cassata.SparsePostingsIndex.build_from_arrays([1], [1.0], [0, 1], **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heap_factor": 1.5}, "heap_factor: 1.5"),
        ({"heap_factor": -1}, "heap_factor"),
        ({"query_cut": -1}, "query_cut: -1"),
        ({"k": -1}, "k: -1"),
    ],
)
def test_wrong_searches(arguments, message):
    index = cassata.SparsePostingsIndex.build_from_arrays([1], [1.0], [0, 1])
    with pytest.raises(ValueError, match=message):
        index.search([1], [1.0], **arguments)


def test_wrong_exact_builds_and_searches():
    with pytest.raises(ValueError, match="expected one that a SparseFlatIndex has: 'dotproduct'"):
        cassata.SparseFlatIndex.build_from_arrays([1], [1.0], [0, 1], metric="euclidean")
    with pytest.raises(ValueError, match="dtype: 'fixedu8' given, expected one of 'f16', 'f32'"):
        cassata.SparseFlatIndex.build_from_arrays([1], [1.0], [0, 1], dtype="fixedu8")
    index = cassata.SparseFlatIndex.build_from_arrays([1], [1.0], [0, 1])
    with pytest.raises(TypeError, match="ef_search"):
        index.search([1], [1.0], k=1, ef_search=5)


@pytest.mark.parametrize(("face", "kind"), [(FACES[0], "flat"), (FACES[1], "postings")])
def test_command_line(face, kind, tmp_path):
    vectors, queries = topics(900, 400, seed=6), topics(4, 400, seed=7)
    write_sparse(tmp_path / "vectors.bin", vectors)
    write_sparse(tmp_path / "queries.bin", queries)
    more = ["--n-postings", "500", "--n-knn", "4"] if kind == "postings" else []
    summary = json.loads(output("build", "vectors.bin", "-o", "index", "--kind", kind, "--json", *more, cwd=tmp_path))
    assert (summary["class"], summary["dtype"]) == (face.__name__, "f16" if more else "f32")
    assert json.loads(output("inspect", "index", "--json", cwd=tmp_path))["postings"]["n_knn"] == (4 if more else 0)
    choices = {"ef_search": 40, "query_cut": 9, "heap_factor": 0.5} if more else {}
    options = [text for name, value in choices.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    run = output("search", "index", "queries.bin", "-k", "5", "--format", "trec", *options, cwd=tmp_path).split("\n")
    _, ids = cassata.open(tmp_path / "index").batch_search(queries, 5, **choices)
    assert [int(line.split()[2]) for line in run if line] == ids.ravel().tolist()
