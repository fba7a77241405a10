"""The classes for sparse vectors in fewer bytes: answers, errors of values, ways to build and to open."""

from __future__ import annotations

import os
import pickle

import cassata
import numpy as np
import pytest
from conftest import recall, rng, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

FIXED = [cassata.SparseFixedU8HNSW, cassata.SparseFixedU16HNSW]
FACES = [*FIXED, cassata.SparseDotVByteHNSW]
DTYPES = {"SparseFixedU8HNSW": "fixedu8", "SparseFixedU16HNSW": "fixedu16", "SparseDotVByteHNSW": "dotvbyte"}
CASES = [(face, "dotproduct") for face in FACES] + [(face, "euclidean") for face in FIXED]


def signed(matrix):
    """The same with every other value below 0."""
    matrix = matrix.copy()
    matrix.data[::2] *= -1
    return matrix


def stored(face, matrix):
    """The vectors as the class stores them, in double precision."""
    most = 65535 if face is cassata.SparseFixedU16HNSW else 255
    out = matrix.astype(np.float64)
    for begin, end in zip(matrix.indptr, matrix.indptr[1:]):
        values = out.data[begin:end]
        if values.size and (largest := np.abs(values).max()) > 0:
            step = float(np.float32(largest / (most // 2 if (values < 0).any() else most)))
            values[:] = np.rint(values / step) * step
    return out


def scores_of(vectors, queries, metric):
    queries = queries.astype(np.float64)
    products = (queries @ vectors.T).toarray()
    if metric == "dotproduct":
        return products
    squares = [np.asarray(matrix.multiply(matrix).sum(1)).ravel() for matrix in (queries, vectors)]
    return squares[0][:, None] + squares[1] - 2 * products


@pytest.fixture(scope="module", params=[False, True], ids=["", "signed"])
def vectors(request):
    matrix = topics(1500, 3000, seed=1)
    return signed(matrix) if request.param else matrix


@pytest.fixture(scope="module")
def queries():
    return topics(50, 3000, seed=2)


@pytest.mark.parametrize(("face", "metric"), CASES)
@pytest.mark.parametrize("graph_type", ["standard", "permuted"])
def test_scores_and_recall(vectors, queries, face, metric, graph_type):
    index = face.build_from_arrays(vectors, m=16, ef_construction=100, metric=metric, graph_type=graph_type)
    assert (index.metric, index.dtype, index.info["class"]) == (metric, DTYPES[face.__name__], face.__name__)
    scores, distances_and_ids = scores_of(stored(face, vectors), queries, metric), index.batch_search(queries, k=10)
    distances, ids = distances_and_ids
    np.testing.assert_allclose(distances, np.take_along_axis(scores, ids, 1), rtol=2e-5, atol=2e-5)
    exact = np.argsort(scores if metric == "euclidean" else -scores, axis=1, kind="stable")[:, :10]
    assert recall(ids, exact) >= 0.95
    index.verify()


@pytest.mark.parametrize("face", FACES)
def test_files_of_all_kinds_are_the_same_index(face, tmp_path):
    matrix = topics(300, 2000, seed=3)
    write_sparse(tmp_path / "v.bin", matrix)
    sparse.save_npz(tmp_path / "v.npz", matrix)
    of_bin = face.build_from_file(tmp_path / "v.bin", m=8, path=tmp_path / "bin.cassata")
    of_npz = face.build_from_file(tmp_path / "v.npz", m=8)
    of_arrays = face.build_from_arrays(matrix.indices, matrix.data, matrix.indptr, 8)
    expected = of_bin.batch_search(matrix[:20], k=5)
    for index in (
        of_npz,
        of_arrays,
        face.load(tmp_path / "bin.cassata", verify=True),
        pickle.loads(pickle.dumps(of_bin)),
    ):
        assert type(index) is face
        for a, b in zip(index.batch_search(matrix[:20], k=5), expected):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("face", FACES)
def test_open_returns_the_class(face, tmp_path):
    face.build_from_arrays([3, 17, 4], [0.5, 1.0, 2.0], [0, 2, 3], path=tmp_path / "v.cassata")
    with cassata.open(tmp_path / "v.cassata") as index:
        assert type(index) is face
    with pytest.raises(ValueError, match=rf"holds a {face.__name__}, not a SparsePlainHNSW"):
        cassata.SparsePlainHNSW.load(tmp_path / "v.cassata")


@pytest.mark.parametrize("face", FIXED)
def test_load_takes_the_metric_first(face, tmp_path):
    face.build_from_arrays([1], [1.0], [0, 1], metric="euclidean", path=tmp_path / "v.cassata")
    assert face.load(tmp_path / "v.cassata", "euclidean", "permuted").metric == "euclidean"
    with pytest.raises(ValueError, match=r"metric: 'dotproduct' given, but .* holds 'euclidean'"):
        face.load(tmp_path / "v.cassata", "dotproduct")


def test_packing_is_another_name():
    assert cassata.SparseDotPacking8HNSW is cassata.SparseDotVByteHNSW


def test_packed_vectors_have_the_dot_product_alone():
    with pytest.raises(ValueError, match=r"metric 'euclidean' with dtype 'dotvbyte' .*'dotproduct'"):
        cassata.SparseDotVByteHNSW.build_from_arrays([1], [1.0], [0, 1], metric="euclidean")


@pytest.mark.parametrize("dtype", ["fixedu8", "dotvbyte", "u8"])
def test_plain_vectors_are_of_floats(dtype):
    with pytest.raises(ValueError, match=f"dtype: '{dtype}' given, expected one of 'f16', 'f32'"):
        cassata.SparsePlainHNSW.build_from_arrays([1], [1.0], [0, 1], dtype=dtype)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("largest", [10, 65535, 65536, 2**24 - 1, 2**24, 2**32 - 2])
def test_components_of_every_width(face, largest):
    components = np.array([0, largest // 2, largest, 1, largest], np.int64)
    index = face.build_from_arrays(components, [1.0, 2.0, 4.0, 8.0, 1.0], [0, 3, 3, 5])
    index.verify()
    distances, ids = index.search(np.array([1, largest], np.int64), [1.0, 1.0], k=3)
    assert (distances.tolist(), ids.tolist()) == ([9.0, 4.0, 0.0], [2, 0, 1])


def test_files_are_smaller_by_what_is_left_out(tmp_path):
    random = rng(0)
    matrix = sparse.csr_matrix(
        np.where(random.random((400, 4000)) < 0.03, random.random((400, 4000)), 0).astype(np.float32)
    )
    sizes = {}
    for face in (
        cassata.SparsePlainHNSW,
        cassata.SparseFixedU16HNSW,
        cassata.SparseFixedU8HNSW,
        cassata.SparseDotVByteHNSW,
    ):
        index = face.build_from_arrays(matrix, m=4, path=tmp_path / "v.cassata")
        rows = next(s for s in index.info["sections"] if s["name"] == "codes.rows")
        sizes[face.__name__] = rows["length"] / matrix.nnz
    assert sizes["SparsePlainHNSW"] == 4
    assert sizes["SparseFixedU16HNSW"] == pytest.approx(4, abs=0.05)
    assert sizes["SparseFixedU8HNSW"] == pytest.approx(3, abs=0.05)
    assert sizes["SparseDotVByteHNSW"] < 2.25
    assert os.path.getsize(tmp_path / "v.cassata") == index.space_usage_bytes()
