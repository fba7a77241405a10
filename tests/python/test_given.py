"""What is taken for vectors and queries, and the one line that says why something is not."""

from __future__ import annotations

import re

import cassata
import numpy as np
import pytest
from conftest import clustered

sparse = pytest.importorskip("scipy.sparse")

VECTORS = clustered(60, 8, seed=1)
MATRIX = sparse.random_array((50, 40), density=0.2, format="csr", dtype=np.float32, random_state=1)
DENSE = (
    cassata.DenseFlatIndex,
    lambda x, **k: cassata.DensePlainHNSW.build_from_array(x, m=8, ef_construction=40, **k),
    lambda x, **k: cassata.DensePQHNSW.build_from_array(x, m_pq=4, m=8, ef_construction=40, **k),
    lambda x, **k: cassata.DenseRerankHNSW.build_from_array(x, m=8, ef_construction=40, **k),
)
SPARSE = (
    cassata.SparseFlatIndex,
    cassata.SparsePostingsIndex,
    cassata.SparsePlainHNSW,
    cassata.SparseFixedU8HNSW,
    cassata.SparseFixedU16HNSW,
    cassata.SparseDotVByteHNSW,
)


class OnlyDLPack:
    """An array of a library that has no `__array__`."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnADevice(OnlyDLPack):
    def __dlpack__(self, **options):
        raise BufferError("memory of another device")


class Column:
    """As a column of a data frame: an array of objects."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        column = np.empty(len(self.rows), object)
        for i, row in enumerate(self.rows):
            column[i] = row
        return column

    def __len__(self):
        return len(self.rows)


def built(build, data):
    return build.build_from_array(data) if isinstance(build, type) else build(data)


# --- dense ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", DENSE)
@pytest.mark.parametrize(
    "form", [OnlyDLPack, Column, lambda array: Column(array.tolist())], ids=["dlpack", "column", "column of lists"]
)
def test_arrays_of_other_libraries(build, form):
    plain, index = built(build, VECTORS), built(build, form(VECTORS))
    expected = plain.batch_search(VECTORS[:9], 3)
    np.testing.assert_array_equal(index.batch_search(VECTORS[:9], 3), expected)
    np.testing.assert_array_equal(index.batch_search(form(VECTORS[:9]), 3), expected)
    np.testing.assert_array_equal(index.search(form(VECTORS[:9]), 3), [part.ravel() for part in expected])
    if form is OnlyDLPack:
        np.testing.assert_array_equal(index.search(form(VECTORS[4]), 3), [part[4] for part in expected])


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn"])
def test_types_of_ml_dtypes(name):
    narrow = VECTORS.astype(getattr(pytest.importorskip("ml_dtypes"), name))
    wide = narrow.astype(np.float32)
    for build in DENSE:
        index = built(build, narrow)
        assert index.uuid == built(build, wide).uuid
        np.testing.assert_array_equal(index.batch_search(narrow[:5], 3), index.batch_search(wide[:5], 3))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (Column([VECTORS[0], VECTORS[1][:3]]), "row 1: 3 numbers, expected 8, as many as in row 0"),
        (Column([VECTORS[0], None]), "row 1: None, expected an array of numbers of one dimension"),
        (Column([VECTORS[0], VECTORS]), r"row 1: shape \(60, 8\), expected an array of numbers of one dimension"),
        (Column(["ab", "cd"]), "row 0: 'ab', expected an array of numbers of one dimension"),
        (Column([["a"], ["b"]]), "dtype <U1, expected real numbers"),
        (
            OnADevice(VECTORS),
            r"NumPy cannot take this test_given.OnADevice \(memory of another device\), expected an array",
        ),
    ],
)
def test_columns_and_arrays_that_are_refused(data, told):
    index = cassata.DenseFlatIndex.build_from_array(VECTORS)
    for name, call in (
        ("data_vec", cassata.DensePlainHNSW.build_from_array),
        ("queries", index.batch_search),
        ("queries", index.search),
    ):
        with pytest.raises(ValueError, match=f"^{name}: {told}") as error:
            call(data)
        assert "\n" not in str(error.value)


# --- sparse -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", SPARSE)
def test_rows_of_one_dimension(face):
    index = face.build_from_arrays(MATRIX)
    row = MATRIX[7]
    assert row.ndim == 1
    expected = index.batch_search(MATRIX[[7]], k=3)
    for one in (row, row.tocoo()):
        np.testing.assert_array_equal(index.search(one, k=3), [part.ravel() for part in expected])
        np.testing.assert_array_equal(index.batch_search(one, k=3), [part.ravel() for part in expected])
    assert face.build_from_arrays(row).uuid == face.build_from_arrays(MATRIX[[7]]).uuid


@pytest.mark.parametrize("face", [*SPARSE, cassata.SparseRerankHNSW])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vectors.npy", "dense vectors, expected one of .bin, .npz"),
        ("vectors.FBIN", "dense vectors, expected one of .bin, .npz"),
        ("base_small.csr", "unsupported, expected one of .bin, .npz"),
        ("vectors.parquet", "unsupported, expected one of .bin, .npz"),
    ],
)
def test_files_that_hold_no_sparse_vectors(face, name, told, tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    (tmp_path / "vectors.npy").rename(tmp_path / name)
    more = {"prune_percentage": 50} if face is cassata.SparseRerankHNSW else {}
    with pytest.raises(ValueError, match=f"^data_file: .*{name}: {told}"):
        face.build_from_file(tmp_path / name, **more)


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "face", [cassata.DenseFlatIndex, cassata.DensePlainHNSW, cassata.DensePQHNSW, cassata.DenseRerankHNSW]
)
def test_tables_and_other_places(face):
    more = {"m_pq": 4} if face is cassata.DensePQHNSW else {}
    with pytest.raises(
        ValueError,
        match=r"^data_path: .*x.parquet: a table, expected one of \.npy, .*; or read the table and pass its array",
    ):
        face.build_from_file("x.parquet", **more)
    for call in (
        lambda url: face.build_from_file(url, **more),
        cassata.open,
        face.load,
        lambda url: face.build_from_array(VECTORS, path=url, **more),
    ):
        with pytest.raises(ValueError, match=r"'s3://bucket/x.npy' given, a URL; expected the path of a local file"):
            call("s3://bucket/x.npy")


def test_metrics_by_their_names():
    for name in ("ip", "IP", "inner_product", "dot", "dotproduct"):
        assert cassata.DenseFlatIndex.build_from_array(VECTORS, metric=name).metric == "dotproduct"
    for name in ("l2", "L2", "l2sq", "sqeuclidean", "euclidean"):
        assert cassata.SparsePlainHNSW.build_from_arrays(MATRIX, metric=name).metric == "euclidean"
    bits = np.packbits(VECTORS > 0, axis=1)
    for name in ("cosine", "Cos", "angular"):
        assert cassata.DensePlainHNSW.build_from_array(VECTORS, metric=name).metric == "cosine"
    for name, told in (("hamming", "unpack them"), ("jaccard", "unpack them")):
        for call in (cassata.DensePlainHNSW.build_from_array, cassata.recommend):
            with pytest.raises(ValueError, match=f"^metric: '{name}' given, unsupported: .*{told}"):
                call(bits, metric=name)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            lambda: cassata.DensePlainHNSW("file"),
            "DensePlainHNSW: use DensePlainHNSW.build_from_file, build_from_array or load",
        ),
        (
            lambda: cassata.SparseFlatIndex(path="file"),
            "SparseFlatIndex: use SparseFlatIndex.build_from_file, build_from_arrays or load",
        ),
        (
            lambda: cassata.DensePlainHNSW.build_from_array(VECTORS, efConstruction=40),
            "efConstruction: unknown argument of DensePlainHNSW.build_from_array, did you mean 'ef_construction'?",
        ),
        (lambda: cassata.DensePlainHNSW.build_from_array(VECTORS, M=8), "M: unknown argument of .*, did you mean 'm'?"),
        (
            lambda: cassata.DenseFlatIndex.load("f", metrics="l2"),
            "metrics: unknown argument of DenseFlatIndex.load, did you mean 'metric'?",
        ),
        (
            lambda: cassata.DenseFlatIndex.build_from_array(VECTORS).search(VECTORS, count=3),
            "count: unknown argument of DenseFlatIndex.search, expected one of queries, k, ",
        ),
        (
            lambda: cassata.SparsePlainHNSW.build_from_arrays(MATRIX).search(MATRIX, efSearch=3),
            "efSearch: unknown argument of SparsePlainHNSW.search, did you mean 'ef_search'?",
        ),
        (
            lambda: cassata.SparsePostingsIndex.build_from_arrays(MATRIX).batch_search(MATRIX, querycut=3),
            "querycut: unknown argument of SparsePostingsIndex.batch_search, ",
        ),
    ],
)
def test_names_that_nothing_has(call, told):
    with pytest.raises(TypeError, match=told.replace("?", re.escape("?"))) as error:
        call()
    assert "\n" not in str(error.value)


def test_errors_of_a_progress_function_stay_as_they_are():
    for name in ("other", "progress"):

        def told(stage, done, total, name=name):
            raise TypeError(f"f() got an unexpected keyword argument '{name}'")

        with pytest.raises(TypeError, match=rf"^f\(\) got an unexpected keyword argument '{name}'$"):
            cassata.DensePlainHNSW.build_from_array(VECTORS, progress=told)


def test_negative_counts():
    index = cassata.DenseFlatIndex.build_from_array(VECTORS)
    with pytest.raises(ValueError, match=r"^k: -1 given, expected a whole number, 0 or more$"):
        index.search(VECTORS[0], k=-1)
