"""Programs written for kANNolo, in both of its generations."""

from __future__ import annotations

import inspect
import re

import cassata as kannolo
import numpy as np
import pytest
from conftest import brute_force, clustered, recall, topics, write_sparse


@pytest.fixture(scope="module")
def data():
    return clustered(2000, 16, seed=8), clustered(30, 16, seed=9)


def test_a_program_of_the_new_generation(data, tmp_path):
    documents, queries = data
    np.save(tmp_path / "documents.npy", documents)
    path = str(tmp_path / "index.kannolo")
    index = kannolo.DensePlainHNSW.build_from_file(str(tmp_path / "documents.npy"), 16, 100, "euclidean", "standard")
    index.save(path)
    index = kannolo.DensePlainHNSW.load(path, "euclidean", "standard")
    distances, ids = index.search(queries[0], 10)
    assert type(distances) is type(ids) is np.ndarray
    assert (distances.shape, distances.dtype, ids.shape, ids.dtype) == ((10,), np.float32, (10,), np.int64)
    distances, ids = index.search(query=queries[0], k=10, ef_search=100, early_exit_threshold=0.1)
    assert ids.shape == (10,)
    distances, ids = index.batch_search(queries.ravel(), 10, 100, None, 1)
    assert ids.shape == (300,)
    assert recall(ids, brute_force(documents, queries, 10, "euclidean")[1]) >= 0.95
    distances, ids = index.batch_search(
        queries=queries.ravel(), k=10, ef_search=100, early_exit_threshold=None, num_threads=0
    )
    assert distances.shape == (300,)
    assert index.space_usage_bytes() >= documents.nbytes


def test_a_program_of_the_old_generation(data):
    documents, queries = data
    index = kannolo.DensePlainHNSW.build_from_array(documents.ravel(), 16, m=16, ef_construction=100, metric="ip")
    distances, ids = index.search(queries.ravel(), k=10, ef_search=200)
    assert (distances.shape, ids.shape) == ((300,), (300,))
    assert recall(ids, brute_force(documents, queries, 10, "dotproduct")[1]) >= 0.95
    distances, ids = index.search(queries=queries[0], k=10, ef_search=200, early_exit_threshold=0.2)
    assert ids.shape == (10,)


def test_flat_programs(data, tmp_path):
    documents, queries = data
    np.save(tmp_path / "documents.npy", documents)
    expected = brute_force(documents, queries, 10, "euclidean")[1].ravel()
    flat = kannolo.DenseFlatIndex
    for index in (
        flat.build_from_file(str(tmp_path / "documents.npy"), "euclidean"),
        flat.build_from_file(data_path=str(tmp_path / "documents.npy"), metric="l2"),
        flat.build_from_array(documents.ravel(), 16, "L2"),
        flat.build_from_array(data_vec=documents.ravel(), dim=16, metric="euclidean"),
    ):
        np.testing.assert_array_equal(index.batch_search(queries.ravel(), 10, 1)[1], expected)
        np.testing.assert_array_equal(index.batch_search(queries=queries.ravel(), k=10, num_threads=2)[1], expected)
        np.testing.assert_array_equal(index.search(queries, 10)[1], expected)  # old: a 2-D batch
        np.testing.assert_array_equal(index.search(query=queries[0], k=10)[1], expected[:10])
        index.save(str(tmp_path / "flat"))
        assert len(flat.load(str(tmp_path / "flat"), "euclidean")) == 2000


def test_a_sparse_program_of_the_new_generation(tmp_path):
    documents, queries = topics(500, 2000, seed=3), topics(20, 2000, seed=4)
    write_sparse(tmp_path / "documents.bin", documents)
    path = str(tmp_path / "index.kannolo")
    index = kannolo.SparsePlainHNSW.build_from_file(str(tmp_path / "documents.bin"), 16, 100, "standard")
    index = kannolo.SparsePlainHNSW.build_from_file(
        data_file=str(tmp_path / "documents.bin"), m=16, ef_construction=100, graph_type="standard"
    )
    index.save(path)
    index = kannolo.SparsePlainHNSW.load(path, "standard")
    c, v, offsets = queries.indices.astype(np.int32), queries.data, queries.indptr.astype(np.int64)
    expected = np.argsort(-(queries @ documents.T).toarray(), axis=1, kind="stable")[:, :10]
    distances, ids = index.batch_search(c, v, offsets, 10, 100, None, 1)
    assert (distances.shape, ids.shape) == ((200,), (200,))
    assert recall(ids, expected) >= 0.95
    distances, ids = index.batch_search(
        query_components=c, query_values=v, offsets=offsets, k=10, ef_search=100, num_threads=0
    )
    one, two = index.search(c[: offsets[1]], v[: offsets[1]], 10, 100, None)
    assert (one.tolist(), two.tolist()) == (distances[:10].tolist(), ids[:10].tolist())
    one, two = index.search(
        query_components=c[: offsets[1]], query_values=v[: offsets[1]], k=10, ef_search=100, early_exit_threshold=0.1
    )
    assert (one.shape, two.shape) == ((10,), (10,))
    assert index.space_usage_bytes() > 500 * 30 * 4


def test_a_sparse_program_of_the_old_generation():
    documents, queries = topics(300, 2000, seed=3), topics(20, 2000, seed=4)
    c, v, offsets = documents.indices.astype(np.int32), documents.data, documents.indptr.astype(np.int64)
    index = kannolo.SparsePlainHNSW.build_from_arrays(c, v, offsets, m=16, ef_construction=100, metric="ip")
    distances, ids = index.search(queries.indices, queries.data, queries.indptr, 10, 200)
    assert (distances.shape, ids.shape) == ((200,), (200,))
    expected = np.argsort(-(queries @ documents.T).toarray(), axis=1, kind="stable")[:, :10]
    assert recall(ids, expected) >= 0.95


def test_a_rerank_program(tmp_path):
    documents, queries = topics(1500, 2000, seed=3), topics(20, 2000, seed=4)
    write_sparse(tmp_path / "documents.bin", documents)
    path = str(tmp_path / "index.kannolo")
    expected = np.argsort(-(queries @ documents.T).toarray(), axis=1, kind="stable")[:, :10]
    for residual in (False, True):
        kannolo.SparseRerankHNSW.build_from_file(
            str(tmp_path / "documents.bin"), 70.0, 16, 100, "blocked-sparse", "permuted", residual
        ).save(path)
        index = kannolo.SparseRerankHNSW.load(path, "blocked-sparse", "permuted", residual)
        c, v, o = queries.indices.astype(np.int32), queries.data, queries.indptr.astype(np.int64)
        distances, ids = index.search(c[: o[1]], v[: o[1]], 100, 10, 100, None, None, None)
        assert (distances.shape, distances.dtype, ids.shape, ids.dtype) == ((10,), np.float32, (10,), np.int64)
        distances, ids = index.search(
            query_components=c[: o[1]], query_values=v[: o[1]], k_candidates=50, k=5, ef_search=100, alpha=0.5, beta=20
        )
        assert ids.shape == (5,)
        distances, ids = index.batch_search(c, v, o, 150, 10, 150, None, None, None, 1)
        assert ids.shape == (200,)
        assert recall(ids, expected) >= 0.95
        old = index.search(
            query_components=c,
            query_values=v,
            sparse_offsets=o,
            k_candidates=150,
            k=10,
            ef_search=150,
            early_exit_threshold=None,
        )
        np.testing.assert_array_equal(old, (distances, ids))
        assert len(index) == 1500
        assert index.space_usage_bytes() > 0
    kannolo.SparseRerankHNSW.build_from_arrays(
        documents.indices,
        documents.data,
        documents.indptr,
        60.0,
        m=8,
        ef_construction=40,
        first_stage_value_type="f16",
        residual_rerank=False,
    )


def test_arguments_by_name(data):
    documents, _ = data
    index = kannolo.DensePlainHNSW.build_from_array(
        data_vec=documents.ravel(), dim=16, m=8, ef_construction=40, metric="dotproduct", graph_type="permuted"
    )
    assert index.info["graph"]["m"] == 8


# kANNolo 0.15.1: the names in their order, without those that have a default of another meaning.
SIGNATURES = {
    "DenseFlatIndex": {
        "build_from_file": ["data_path", "metric"],
        "build_from_array": ["data_vec", "dim", "metric"],
        "batch_search": ["queries", "k", "num_threads"],
        "load": ["path", "metric"],
        "save": ["path"],
    },
    "DensePlainHNSW": {
        "build_from_file": ["data_path", "m", "ef_construction", "metric", "graph_type"],
        "build_from_array": ["data_vec", "dim", "m", "ef_construction", "metric", "graph_type"],
        "batch_search": ["queries", "k", "ef_search", "early_exit_threshold", "num_threads"],
        "load": ["path", "metric", "graph_type"],
        "save": ["path"],
        "search": ["queries", "k", "ef_search", "early_exit_threshold"],
    },
    "SparseFixedU8HNSW": {
        "build_from_file": ["data_file", "m", "ef_construction", "metric", "graph_type"],
        "build_from_arrays": ["components", "values", "offsets", "m", "ef_construction", "metric", "graph_type"],
        "batch_search": ["query_components"],
        "load": ["path", "metric", "graph_type"],
        "save": ["path"],
        "search": ["query_components"],
    },
    "SparseFixedU16HNSW": {
        "build_from_file": ["data_file", "m", "ef_construction", "metric", "graph_type"],
        "build_from_arrays": ["components", "values", "offsets", "m", "ef_construction", "metric", "graph_type"],
        "load": ["path", "metric", "graph_type"],
    },
    "SparseDotPacking8HNSW": {
        "build_from_file": ["data_file", "m", "ef_construction", "graph_type"],
        "build_from_arrays": ["components", "values", "offsets", "m", "ef_construction", "graph_type"],
        "batch_search": ["query_components"],
        "load": ["path", "graph_type"],
        "save": ["path"],
        "search": ["query_components"],
    },
    "SparsePlainHNSW": {  # whose searches take an integer or an array for the third argument
        "build_from_file": ["data_file", "m", "ef_construction", "graph_type"],
        "build_from_arrays": ["components", "values", "offsets", "m", "ef_construction", "graph_type"],
        "batch_search": ["query_components"],
        "load": ["path", "graph_type"],
        "save": ["path"],
        "search": ["query_components"],
    },
    "SparseRerankHNSW": {
        "build_from_file": [
            "data_file",
            "prune_percentage",
            "m",
            "ef_construction",
            "first_stage_value_type",
            "graph_type",
            "residual_rerank",
        ],
        "build_from_arrays": [
            "components",
            "values",
            "offsets",
            "prune_percentage",
            "m",
            "ef_construction",
            "first_stage_value_type",
            "graph_type",
        ],
        "batch_search": ["query_components"],
        "load": ["path", "first_stage_value_type", "graph_type", "residual_rerank"],
        "save": ["path"],
        "search": ["query_components"],
    },
}


@pytest.mark.parametrize("face", SIGNATURES)
def test_names_and_positions(face):
    for method, expected in SIGNATURES[face].items():
        parameters = inspect.signature(getattr(getattr(kannolo, face), method)).parameters.values()
        positional = [parameter.name for parameter in parameters if parameter.kind == parameter.POSITIONAL_OR_KEYWORD]
        assert [name for name in positional if name != "self"][: len(expected)] == expected, method


def test_everything_public_is_documented():
    for name in kannolo.__all__:
        thing = getattr(kannolo, name)
        assert isinstance(thing, str) or thing.__doc__, name
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for member, value in inspect.getmembers(thing):
                assert member.startswith("_") or isinstance(value, str) or inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.parametrize("face", SIGNATURES)
def test_every_argument_is_documented(face):
    for method, value in inspect.getmembers(getattr(kannolo, face), callable):
        if not method.startswith("_"):
            told = re.findall(
                r"^    \**(\w+): ", inspect.getdoc(value).partition("Args:\n")[2].partition("\n\n")[0], re.MULTILINE
            )
            assert told == [name for name in inspect.signature(value).parameters if name != "self"], method
