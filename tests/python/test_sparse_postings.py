"""Sparse vectors under inverted lists: what parameters do, ways to ask, files. Exact answers: test_sparse_flat.py."""

from __future__ import annotations

import cassata
import numpy as np
import pytest
from cassata import _core
from conftest import answers, recall, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

Exact, Lists = cassata.SparseFlatIndex, cassata.SparsePostingsIndex
FACES = [Exact, Lists]
LARGEST = 2**32 - 2
DTYPES = ["f16", "f32", "fixedu8", "fixedu16", "dotvbyte"]


def arrays(matrix):
    """components, values, offsets"""
    return matrix.indices, matrix.data, matrix.indptr


def lists_of(path):
    """The bytes of the lists in the index file at `path`."""
    with cassata.open(path) as index:
        part = next(part for part in index.info["sections"] if part["name"] == "postings.lists")
    return path.read_bytes()[part["offset"] : part["offset"] + part["length"]]


# --- approximate answers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors():
    return topics(4000, 3000, seed=1)


@pytest.fixture(scope="module")
def queries():
    return topics(80, 3000, seed=2)


@pytest.fixture(scope="module")
def expected(vectors, queries):
    return Exact.build_from_arrays(vectors).batch_search(queries, 10)[1]


@pytest.fixture(scope="module")
def lists(vectors):
    return Lists.build_from_arrays(vectors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_recall_and_scores(vectors, queries, expected, dtype):
    index = Lists.build_from_arrays(vectors, dtype=dtype)
    assert (index.dtype, index.metric, index.info["class"], index.info["kind"]) == (
        dtype,
        "dotproduct",
        "SparsePostingsIndex",
        "postings",
    )
    scores, ids = index.batch_search(queries, 10)
    assert recall(ids, expected) >= 0.97
    rough = 2e-2 if dtype in ("fixedu8", "dotvbyte") else 1e-3
    np.testing.assert_allclose(scores, np.take_along_axis((queries @ vectors.T).toarray(), ids, 1), rtol=rough)
    assert np.all(np.diff(scores, axis=1) <= 0)
    index.verify()


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"ef_search": 10}, {"ef_search": 400}),
        ({"query_cut": 2}, {"query_cut": 0}),
        ({"query_cut": 2, "heap_factor": 1.0}, {"query_cut": 2, "heap_factor": 0.0}),
    ],
    ids=["ef_search", "query_cut", "heap_factor"],
)
def test_a_search_that_looks_at_more_finds_more(lists, queries, expected, less, more):
    narrow, wide = (recall(lists.batch_search(queries, 10, **given)[1], expected) for given in (less, more))
    assert narrow < wide


def test_all_is_exact(vectors, queries, expected):
    """What is left to chance by an approximate search is left out here: every list, block and vector is looked at."""
    index = Lists.build_from_arrays(vectors, dtype="f32")
    found = index.batch_search(queries, 10, ef_search=4000, query_cut=0, heap_factor=0.0)[1]
    np.testing.assert_array_equal(found, expected)


def test_choices_are_in_the_file_and_told(vectors, queries, tmp_path):
    few = vectors[:1500]
    usual = Lists.build_from_arrays(few, path=tmp_path / "usual")
    assert usual.info["postings"] == {
        "lists": np.unique(few.indices).size,
        "n_postings": 0,
        "summary_energy": 1.0,
        "n_knn": 0,
    }
    assert usual.info["graph"] is None
    sizes = {}
    for name, value in {"n_postings": 8, "summary_energy": 0.5, "n_knn": 5}.items():
        index = Lists.build_from_arrays(few, **{name: value}, path=tmp_path / name)
        assert index.info["postings"] == {**usual.info["postings"], name: value}
        index.verify()
        assert index.batch_search(queries, 5)[1].shape == (80, 5)
        sizes[name] = index.space_usage_bytes()
        assert (lists_of(tmp_path / name) == lists_of(tmp_path / "usual")) == (name == "n_knn")
    assert sizes["n_postings"] < usual.space_usage_bytes() < sizes["n_knn"]


def test_neighbours_find_what_short_lists_leave_out(vectors, queries, expected):
    without, with_them = (
        Lists.build_from_arrays(vectors, n_postings=20, n_knn=n).batch_search(queries, 10, ef_search=20)[1]
        for n in (0, 16)
    )
    assert recall(without, expected) < recall(with_them, expected)


def test_m_and_ef_construction_do_nothing(vectors):
    small = vectors[:300]
    assert Lists.build_from_arrays(small, m=16, ef_construction=100).uuid == Lists.build_from_arrays(small).uuid
    for name in ("m", "ef_construction"):
        with pytest.raises(TypeError, match=f"{name}: 'x' given, expected a whole number"):
            Lists.build_from_arrays(small, **{name: "x"})


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("largest", [65_535, 65_536, 4_194_304, LARGEST])
def test_large_components(face, largest):
    index = face.build_from_arrays(
        [0, 7, largest, 7, largest - 1, largest], [1.0, 2.0, 4.0, 1.0, 8.0, 3.0], [0, 3, 5, 6]
    )
    assert index.dim == largest + 1
    scores, ids = index.search([7, largest - 1, largest], [1.0, 1.0, 2.0], k=3)
    assert (ids.tolist(), scores.tolist()) == ([0, 1, 2], [10.0, 9.0, 6.0])


# --- ways to ask ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FACES, ids=lambda face: face.__name__)
def either(request, vectors):
    return request.param.build_from_arrays(vectors)


def test_all_ways_to_ask_agree(either, queries):
    expected = either.batch_search(queries, 7)
    flat = tuple(part.ravel() for part in expected)
    c, v, o = arrays(queries)
    for given in (
        either.search(queries, 7),
        either.search(c, v, o, 7),
        either.search(c, v, k=7, sparse_offsets=o),
        either.search(query_components=c, query_values=v, offsets=o.tolist(), k=7),
        either.batch_search(c.astype(np.int64), v.astype(np.float64), tuple(o), 7, num_threads=2),
    ):
        np.testing.assert_array_equal(given, flat)
    c, v = queries[3].indices, queries[3].data
    for given in (either.search(c, v, 7), either.search(c, v, None, 7), either.batch_search(c, v, 7)):
        np.testing.assert_array_equal(given, [part[3] for part in expected])


def test_defaults_and_names_of_a_search(lists, queries):
    usual = answers(lists, queries)
    defaults = {row["name"]: row["default"] for row in _core.parameters if row["stage"] == "search"}
    cut, factor = defaults["query_cut"], defaults["heap_factor"]
    # In the places that the graphs' classes have.
    same = lists.batch_search(queries, 10, 200, 0.3, 1, query_cut=cut, heap_factor=factor)
    assert [part.tolist() for part in same] == usual


def test_odd_numbers_of_results(either, queries):
    c, v, o = arrays(queries[:3])
    assert either.search(c, v, o, 0)[1].shape == (0,)
    assert either.batch_search(queries[:3], 0)[1].shape == (3, 0)
    scores, ids = either.batch_search(queries[:3], 5000)
    assert ids.shape == (3, 5000)
    assert np.all((ids == -1) == (scores == -np.inf))
    assert np.all(ids[:, 4000:] == -1)
    assert either.search([], [], k=2)[0].tolist() == [0.0, 0.0]
    assert either.batch_search([], [], [0, 0, 0], 2)[0].tolist() == [0.0] * 4
    assert either.batch_search([], [], [0], 2)[1].shape == (0,)


def test_answers_do_not_depend_on_threads(either, queries):
    one, two, all_of_them = (either.batch_search(queries, 10, num_threads=n) for n in (1, 2, 0))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, all_of_them)


def test_programs_of_kannolo(tmp_path, vectors, queries):
    write_sparse(tmp_path / "documents.bin", vectors)
    c, v, o = arrays(queries)
    built = Exact.build_from_file(data_file=str(tmp_path / "documents.bin"))
    built.save(str(tmp_path / "index"))
    index = Exact.load(path=str(tmp_path / "index"))
    distances, ids = index.batch_search(query_components=c, query_values=v, offsets=o, k=10, num_threads=0)
    assert distances.shape == ids.shape == (800,)
    np.testing.assert_array_equal(ids, index.batch_search(c, v, o, 10, 1)[1])
    begin, end = o[4], o[5]
    np.testing.assert_array_equal(index.search(c[begin:end], v[begin:end], 10)[1], ids[40:50])
    np.testing.assert_array_equal(Exact.build_from_arrays(*arrays(vectors)).batch_search(c, v, o, 10)[1], ids)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"query_cut": 2.5}, TypeError, "query_cut: 2.5 given, expected a whole number"),
        ({"heap_factor": float("nan")}, ValueError, "heap_factor: nan"),
        ({"heap_factor": "x"}, TypeError, "heap_factor: 'x' given, expected a number"),
        ({"early_exit_threshold": -0.7}, ValueError, "early_exit_threshold: -0.7"),
        ({"ef_search": -1}, ValueError, "ef_search: -1 given"),
        ({"k": "ten"}, TypeError, "k: 'ten' given"),
        ({"beta": 3}, TypeError, "beta"),
    ],
)
def test_a_search_that_is_refused(lists, queries, given, error, message):
    with pytest.raises(error, match=message):
        lists.batch_search(queries, **given)


# --- ways to build ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("face", "given", "error", "message"),
    [
        (
            Lists,
            {"metric": "l2"},
            ValueError,
            r"metric 'euclidean' with a SparsePostingsIndex \(use metric 'dotproduct'",
        ),
        (Lists, {"dtype": "u8"}, ValueError, "dtype: 'u8' given"),
        (Lists, {"n_postings": 1.5}, TypeError, "n_postings: 1.5 given, expected a whole number"),
        (Lists, {"summary_energy": 1.5}, ValueError, "summary_energy: 1.5.* given"),
    ],
)
def test_a_build_that_is_refused(tmp_path, face, given, error, message):
    with pytest.raises(error, match=message):
        face.build_from_arrays([3, 17, 4], [0.5, 1.0, 2.0], [0, 2, 3], path=tmp_path / "index", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("face", FACES)
def test_copies_and_other_classes(face, tmp_path, vectors, queries):
    built = face.build_from_arrays(vectors[:500], path=tmp_path / "index")
    for index in (face.load(tmp_path / "index", None, "dotproduct"), cassata.open(tmp_path / "index", verify=True)):
        assert type(index) is face
        assert answers(index, queries) == answers(built, queries)
    built.save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "index").read_bytes()
    other = Lists if face is Exact else Exact
    with pytest.raises(ValueError, match=f"holds a {face.__name__}, not a {other.__name__}"):
        other.load(tmp_path / "index")
    with pytest.raises(ValueError, match=r"graph_type: 'permuted' given, but .* holds none"):
        face.load(tmp_path / "index", "permuted")


@pytest.mark.parametrize(
    ("face", "given"), [(Exact, {}), (Lists, {}), (Lists, {"n_knn": 6, "n_postings": 50, "summary_energy": 0.7})]
)
def test_the_file_does_not_depend_on_threads(face, given, vectors, tmp_path):
    for threads in (1, 2, 5):
        face.build_from_arrays(vectors, path=tmp_path / str(threads), num_threads=threads, **given)
    first = (tmp_path / "1").read_bytes()
    assert (tmp_path / "2").read_bytes() == first
    assert (tmp_path / "5").read_bytes() == first


@pytest.mark.parametrize("face", FACES)
def test_a_damaged_file_is_refused(face, tmp_path, vectors):
    face.build_from_arrays(vectors[:300], path=tmp_path / "index")
    whole = (tmp_path / "index").read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "short").write_bytes(whole[:length])
        with pytest.raises(cassata.FormatError, match="short"):
            face.load(tmp_path / "short")
    with cassata.open(tmp_path / "index") as index:
        parts = [part for part in index.info["sections"] if part["length"]]
    for part in parts:
        place = part["offset"] + part["length"] // 2
        (tmp_path / "bad").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(cassata.FormatError, match=r"bad: section '.*' at byte \d+: the 64 KiB block"):
            face.load(tmp_path / "bad", verify=True)
