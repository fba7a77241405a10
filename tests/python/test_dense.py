"""Building and searching the dense classes: answers, shapes, threads, memory."""

from __future__ import annotations

import struct
import sys
import threading
import time

import cassata
import numpy as np
import pytest
from conftest import CLASSES, METRICS, brute_force, clustered, recall, rng, run_python


def write_fbin(path, array, kind):
    path.write_bytes(struct.pack("<II", *array.shape) + array.astype(kind).tobytes())


def write_vecs(path, array, kind):
    path.write_bytes(b"".join(struct.pack("<i", array.shape[1]) + row.astype(kind).tobytes() for row in array))


# --- answers ----------------------------------------------------------------------------------------------------------


def test_flat_is_exact(flat, vectors, queries, metric):
    scores, ids = flat.batch_search(queries, k=10)
    expected_scores, expected_ids = brute_force(vectors, queries, 10, metric)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-4, atol=1e-3)


def test_hnsw_recall(hnsw, vectors, queries, metric):
    _, expected = brute_force(vectors, queries, 10, metric)
    assert recall(hnsw.batch_search(queries, k=10, ef_search=200)[1], expected) >= 0.97


@pytest.mark.parametrize("graph_type", ["standard", "permuted"])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_graph_types_and_dtypes(vectors, queries, metric, graph_type, dtype):
    index = cassata.DensePlainHNSW.build_from_array(
        vectors, m=16, ef_construction=100, metric=metric, graph_type=graph_type, dtype=dtype
    )
    _, expected = brute_force(vectors.astype(np.float16) if dtype == "f16" else vectors, queries, 10, metric)
    assert recall(index.batch_search(queries, k=10)[1], expected) >= 0.96
    assert (index.dtype, index.info["graph"]["graph_type"]) == (dtype, graph_type)


def test_f16_flat_scores_the_rounded_vectors(vectors, queries, metric):
    index = cassata.DenseFlatIndex.build_from_array(vectors, metric=metric, dtype="f16")
    expected, _ = brute_force(vectors.astype(np.float16), queries, 5, metric)
    np.testing.assert_allclose(index.batch_search(queries, 5)[0], expected, rtol=1e-4, atol=1e-3)


def test_more_effort_finds_no_less(hnsw, vectors, queries, metric):
    _, expected = brute_force(vectors, queries, 10, metric)
    low, high = (recall(hnsw.batch_search(queries, 10, ef)[1], expected) for ef in (10, 400))
    assert high >= low
    assert high >= 0.98


def test_early_exit_threshold_widens_the_walk(hnsw, vectors, queries, metric):
    _, expected = brute_force(vectors, queries, 10, metric)
    narrow, wide = (recall(hnsw.batch_search(queries, 10, 10, threshold)[1], expected) for threshold in (None, 0.5))
    assert wide >= narrow
    np.testing.assert_array_equal(
        hnsw.batch_search(queries, 10, 10, None)[1], hnsw.batch_search(queries, 10, 10, 0.0)[1]
    )


def test_best_first_and_ids_belong_to_scores(index, vectors, queries, metric):
    scores, ids = index.batch_search(queries, k=20)
    assert np.all(np.diff(scores, axis=1) >= 0) if metric == "euclidean" else np.all(np.diff(scores, axis=1) <= 0)
    pairs = vectors[ids].astype(np.float64), queries[:, None].astype(np.float64)
    expected = ((pairs[0] - pairs[1]) ** 2).sum(2) if metric == "euclidean" else (pairs[0] * pairs[1]).sum(2)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-3)


def test_ties_by_lower_id(metric):
    vectors = np.tile(np.eye(4, dtype=np.float32), (5, 1))  # each vector five times
    for face in CLASSES:
        _, ids = face.build_from_array(vectors, metric=metric).search(vectors[2], k=5)
        assert ids.tolist() == [2, 6, 10, 14, 18]


def test_ties_at_the_cut_of_an_exhaustive_search(metric):
    """Many equal scores, rows in another order than ids: the lowest ids are kept, not the first rows."""
    vectors = rng(14).integers(0, 2, (400, 5)).astype(np.float32)
    exact = cassata.DenseFlatIndex.build_from_array(vectors, metric=metric).batch_search(vectors[:50], 10)
    for graph_type in ("standard", "permuted"):
        index = cassata.DensePlainHNSW.build_from_array(vectors, metric=metric, graph_type=graph_type)
        np.testing.assert_array_equal(index.batch_search(vectors[:50], 10, ef_search=400), exact)


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_shapes_of_search(index, queries):
    for given, entries in (
        (queries[0], 7),
        (queries[:3], 21),
        (queries[:3].ravel(), 21),
        (queries[:1], 7),
        (queries[:0], 0),
    ):
        scores, ids = index.search(given, 7)
        assert (scores.shape, ids.shape) == ((entries,), (entries,))
        assert (scores.dtype, ids.dtype) == (np.float32, np.int64)


def test_shapes_of_batch_search(index, queries):
    matrices = [(queries[:3], (3, 7)), (queries[:1], (1, 7)), (queries[:0], (0, 7))]
    for given, shape in [*matrices, (queries[:3].ravel(), (21,)), (queries[0], (7,))]:
        scores, ids = index.batch_search(given, 7)
        assert (scores.shape, ids.shape) == (shape, shape)


def test_missing_places(metric):
    worst = np.inf if metric == "euclidean" else -np.inf
    for face in CLASSES:
        index = face.build_from_array(np.eye(3), metric=metric)
        scores, ids = index.search(np.ones(3), k=5)
        assert (sorted(ids[:3]), ids[3:].tolist(), scores[3:].tolist()) == ([0, 1, 2], [-1, -1], [worst, worst])
        for scores, ids in (index.search(np.ones((2, 3)), k=5), index.batch_search(np.ones(6), k=5)):
            assert ids.reshape(2, 5)[:, 3:].tolist() == [[-1, -1], [-1, -1]]
            assert np.all(scores.reshape(2, 5)[:, 3:] == worst)
            assert np.all(ids.reshape(2, 5)[:, :3] >= 0)


def test_all_ways_to_ask_agree(index, queries):
    scores, ids = index.batch_search(queries, 5)
    for other in (index.search(queries, 5), index.search(queries.ravel(), 5), index.batch_search(queries.ravel(), 5)):
        np.testing.assert_array_equal(ids.ravel(), other[1])
        np.testing.assert_array_equal(scores.ravel(), other[0])
    np.testing.assert_array_equal(ids, [index.search(query, 5)[1] for query in queries])


def test_k_of_nothing_and_of_more_than_all(index, queries):
    assert index.search(queries[0], 0)[1].shape == (0,)
    assert index.batch_search(queries, 0)[1].shape == (len(queries), 0)
    found = index.search(queries[0], len(index) + 100)[1]
    assert len(found) == len(index) + 100
    there = found[found >= 0]
    assert 0 < len(there) <= len(index)
    assert len(set(there.tolist())) == len(there)


def test_tiny_collections(metric):
    for face in CLASSES:
        for n in (1, 2, 3):
            index = face.build_from_array(np.eye(4)[:n], metric=metric)
            assert sorted(index.search(np.ones(4), 10)[1].tolist()) == [-1] * (10 - n) + list(range(n))


# --- input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", CLASSES)
@pytest.mark.parametrize("kind", ["f4", "f2", "f8", "u1", "i1", ">f4", ">f8", "i4", "u2", "i8", "g"])
def test_arrays_of_all_types(face, kind):
    whole = np.round(clustered(200, 8, seed=3) * 10 + 60).clip(0, 120)
    index = face.build_from_array(whole.astype(kind), metric="euclidean")
    np.testing.assert_array_equal(index.search(whole[7], 1), [[0.0], [7]])
    np.testing.assert_array_equal(index.search(whole[9].astype(kind), 1), [[0.0], [9]])


def layouts(array):
    """The same rows, each time lying differently in memory."""
    n, dim = array.shape
    wide = np.zeros((2 * n, 3 * dim), array.dtype)
    wide[1::2, 2::3] = array
    shifted = np.frombuffer(b"\0" + array.tobytes(), array.dtype if array.itemsize == 1 else np.uint8, offset=1)
    yield "fortran", np.asfortranarray(array)
    yield "strided", wide[1::2, 2::3]
    yield "reversed", np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    yield "unaligned", shifted.view(array.dtype).reshape(n, dim)
    yield "flat strided", np.repeat(array.ravel(), 2)[::2]
    yield "subclass", array.view(np.matrix)
    yield "list", array.tolist()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", ["f4", "f2", "f8"])
def test_any_layout_gives_the_same_index(kind):
    array = clustered(150, 6, seed=4).astype(kind)
    expected = cassata.DensePlainHNSW.build_from_array(array).search(array[:20].astype("f4"), 5)
    for name, data in layouts(array):
        index = cassata.DensePlainHNSW.build_from_array(data, dim=6)
        np.testing.assert_array_equal(index.search(array[:20].astype("f4"), 5), expected, err_msg=name)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_queries_of_any_layout(index, queries):
    expected = index.search(queries, 5)
    for name, data in [*layouts(queries), ("float64", queries.astype("f8")), ("big-endian", queries.astype(">f4"))]:
        np.testing.assert_array_equal(index.search(data, 5), expected, err_msg=name)
    queries_read_only = queries.copy()
    queries_read_only.setflags(write=False)
    np.testing.assert_array_equal(index.search(queries_read_only, 5), expected)


@pytest.mark.parametrize("face", CLASSES)
def test_files_of_all_formats(face, tmp_path, metric):
    whole = np.round(clustered(300, 8, seed=5) * 10 + 60).clip(0, 120)
    for kind in ("f2", "f4", "f8", "u1", "i1"):
        np.save(tmp_path / f"{kind}.npy", whole.astype(kind))
    write_fbin(tmp_path / "x.fbin", whole, "f4")
    write_fbin(tmp_path / "x.u8bin", whole, "u1")
    write_fbin(tmp_path / "x.i8bin", whole, "i1")
    write_vecs(tmp_path / "x.fvecs", whole, "f4")
    write_vecs(tmp_path / "x.bvecs", whole, "u1")
    expected = face.build_from_array(whole, metric=metric).search(whole[:10], 5)
    for path in sorted(tmp_path.iterdir()):
        index = face.build_from_file(path, metric=metric)
        np.testing.assert_array_equal(index.search(whole[:10], 5), expected, err_msg=path.name)
        assert index.info["provenance"]["inputs"][0]["name"] == path.name


def test_dim_with_both_shapes(vectors):
    for face in CLASSES:
        assert face.build_from_array(vectors, 24).dim == 24
        index = face.build_from_array(vectors.ravel(), 24)
        assert (index.dim, index.n, len(index)) == (24, len(vectors), len(vectors))


# --- threads and memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", CLASSES)
@pytest.mark.parametrize("metric", METRICS)
def test_the_file_does_not_depend_on_threads(face, metric, vectors, tmp_path):
    for threads in (1, 2):
        face.build_from_array(vectors, metric=metric, path=tmp_path / str(threads), num_threads=threads)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_answers_do_not_depend_on_threads(index, queries):
    one, two, all_of_them = (index.batch_search(queries, 10, num_threads=n) for n in (1, 2, 0))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, all_of_them)


def test_threads_share_an_index(index, queries):
    expected = index.batch_search(queries, 10, num_threads=1)[1]
    answers = {}

    def ask(name):
        for threads in (1, 2):
            answers[name, threads] = index.batch_search(queries, 10, num_threads=threads)[1]

    workers = [threading.Thread(target=ask, args=(name,)) for name in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == 12
    for answer in answers.values():
        np.testing.assert_array_equal(answer, expected)


def turns_beside(work):
    """How often another Python thread got its turn while `work` was busy."""
    turns, done, started = 0, threading.Event(), threading.Event()

    def count():
        nonlocal turns
        while not done.is_set():
            turns += 1
            started.set()
            time.sleep(0)

    former = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # a thread runs only while the others let go of the interpreter
    try:
        other = threading.Thread(target=count)
        other.start()
        started.wait()
        before = turns
        work()
        return turns - before
    finally:
        done.set()
        other.join()
        sys.setswitchinterval(former)


def test_the_interpreter_is_free_during_long_calls(tmp_path):
    vectors = clustered(200_000, 64, seed=13)
    index = cassata.DenseFlatIndex.build_from_array(vectors)
    assert turns_beside(lambda: sum(range(10**6))) == 0
    assert turns_beside(lambda: index.batch_search(vectors[:20], 10, num_threads=1)) > 1
    assert turns_beside(lambda: cassata.DenseFlatIndex.build_from_array(vectors)) > 1
    assert turns_beside(lambda: index.save(tmp_path / "saved")) > 1
    assert turns_beside(lambda: index.verify()) > 1


PEAK = """
    import resource, sys
    import cassata, numpy as np
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
"""


def test_queries_are_not_copied():
    grown = run_python(
        PEAK
        + """
    index = cassata.DenseFlatIndex.build_from_array(np.eye(2, 1024, dtype=np.float32))
    queries = np.ones((40_000, 1024), np.float32)  # 160 MB
    index.batch_search(queries[:1000], 1)
    before = peak()
    for given in (queries, queries.ravel()):
        index.batch_search(given, 1)
        index.search(given, 1)
    print(peak() - before)
    """
    )
    assert int(grown) < 20e6


def test_collections_are_not_copied(tmp_path):
    grown = run_python(
        PEAK
        + """
    vectors = np.ones((80_000, 1024), np.float16)  # 160 MB
    cassata.DenseFlatIndex.build_from_array(vectors[:5000], path=sys.argv[1]).close()
    before = peak()
    for given in (vectors, vectors[:, ::2], vectors[::-1]):
        cassata.DenseFlatIndex.build_from_array(given, path=sys.argv[1]).close()
    print(peak() - before)
    """,
        tmp_path / "index",
    )
    assert int(grown) < 40e6


@pytest.mark.parametrize("face", [cassata.DenseFlatIndex, cassata.DensePlainHNSW])
@pytest.mark.parametrize("choices", [{"dtype": "f32"}, {"dtype": "f16"}])
def test_cosine(face, choices, vectors, queries):
    longer = vectors * np.linspace(0.1, 50, len(vectors), dtype="f4")[:, None]
    longer[7] = 0
    index = face.build_from_array(longer, metric="cosine", **choices)
    assert (index.metric, index.info["metric"]) == ("cosine", "cosine")
    units = vectors.astype("f8") / np.linalg.norm(vectors.astype("f8"), axis=1, keepdims=True)
    units[7] = 0
    cosines = queries.astype("f8") @ units.T / np.linalg.norm(queries.astype("f8"), axis=1, keepdims=True)
    scores, ids = index.batch_search(3 * queries, 10, ef_search=len(vectors))
    np.testing.assert_allclose(
        scores.reshape(-1, 10), -np.sort(-cosines, axis=1)[:, :10], atol=2e-3 if choices["dtype"] == "f16" else 1e-6
    )
    np.testing.assert_allclose(np.take_along_axis(cosines, ids.reshape(-1, 10), 1), scores.reshape(-1, 10), atol=2e-3)
    scores, ids = index.search(queries[0], len(vectors) + 2)
    assert scores[ids == 7] == 0, "a zero vector"
    assert (scores[-2:] == -np.inf).all()
    assert (index.search(0 * queries[0], 5)[0] == 0).all()


@pytest.mark.parametrize("face", [cassata.DenseFlatIndex, cassata.DensePlainHNSW])
def test_manhattan(face, vectors, queries):
    index = face.build_from_array(vectors, metric="cityblock")
    assert index.metric == "manhattan"
    distances = np.abs(queries[:, None].astype("f8") - vectors[None].astype("f8")).sum(2)
    scores, _ = index.batch_search(queries, 10, ef_search=len(vectors))
    np.testing.assert_allclose(scores.reshape(-1, 10), np.sort(distances, axis=1)[:, :10], rtol=1e-5)
    assert (index.search(queries[0], len(vectors) + 2)[0][-2:] == np.inf).all()
