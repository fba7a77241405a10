"""`cassata.recommend` and `cassata build --target-recall`: what is recommended is built, and keeps its word. Never how
fast it is."""

from __future__ import annotations

import inspect
import json
import pickle

import cassata
import numpy as np
import pytest
from cli import output, refusal
from conftest import at_size, brute_force, clustered, recall, topics, write_sparse

K, SAMPLE = 10, at_size(600, 250)


@pytest.fixture(scope="module")
def vectors():
    return clustered(2500, 16, seed=11)


@pytest.fixture(scope="module")
def queries():
    return clustered(100, 16, seed=12)


@pytest.fixture(scope="module")
def found(vectors, queries):
    return cassata.recommend(vectors, queries, target_recall=0.9, metric="euclidean", sample=1000)


def test_keeps_its_word(found, vectors, queries):
    assert found.recall >= 0.9
    index = found.build(vectors)
    assert type(index) is getattr(cassata, found.class_name)
    assert (index.n, index.metric) == (2500, "euclidean")
    assert index.space_usage_bytes() == pytest.approx(found.bytes, rel=0.1)
    hot = sum(section["length"] for section in index.info["sections"] if section["tier"] == "hot")
    assert hot == pytest.approx(found.hot_bytes, rel=0.1)
    width = {} if found.ef_search is None else {"ef_search": found.ef_search}
    assert (
        recall(index.batch_search(queries, K, **width)[1], brute_force(vectors, queries, K, "euclidean")[1])
        >= 0.9 - 0.05
    )


def test_arguments_are_those_of_the_class(found, vectors):
    build = getattr(cassata, found.class_name).build_from_array
    if not set(found.arguments) <= set(inspect.signature(build).parameters):
        pytest.skip(f"{found.class_name} has no {found.arguments} in Python")
    by_hand, by_itself = build(vectors, **found.arguments), found.build(vectors)
    assert by_hand.info["provenance"]["parameters"] == by_itself.info["provenance"]["parameters"]
    assert by_hand.info["sections"] == by_itself.info["sections"]


def test_the_index_is_native(found, vectors, queries):
    with found.build(vectors) as index:
        assert index.search(queries, k=K)[1].shape == (len(queries), K)
        np.testing.assert_array_equal(index.search(queries, k=K), cassata.Index.search(index, queries, k=K))


def test_can_be_pickled(found, vectors):
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert type(copy.build(vectors)).__name__ == found.class_name


def test_tells_why(found):
    first, second, third = found.why.splitlines()
    assert first.startswith(f"{found.class_name}, ")
    assert second.startswith(f"For 2500 vectors: recall@10 {found.recall:.4f}")
    assert "100 of the given queries" in third
    assert len(found.trials) >= 8
    assert {key: getattr(found, key) for key in found.trials[0]} in found.trials
    assert found.class_name in repr(found)


def test_memory_is_a_bound(vectors):
    every = cassata.recommend(vectors, target_recall=0.6, sample=SAMPLE)
    assert "held-out queries" in every.why
    least, second, *_ = sorted(trial["hot_bytes"] for trial in every.trials if trial["recall"] is not None)
    half = (least + second) // 2
    for memory in at_size((half, f"{(least + second) / 2048} KiB"), (half,)):
        assert (
            cassata.recommend(vectors, target_recall=0.5, memory=memory, sample=SAMPLE).hot_bytes
            <= (least + second) / 2
        )
    with pytest.raises(
        ValueError,
        match=(
            r"^memory: no candidate .* recall@10 of 0.5000 within the memory of 1\.0 kB; the smallest that does needs"
        ),
    ):
        cassata.recommend(vectors, target_recall=0.5, memory=1000, sample=SAMPLE)


def test_whatever_the_collection_comes_as(vectors, queries, tmp_path):
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "queries.npy", queries)
    found = cassata.recommend(tmp_path / "vectors.npy", str(tmp_path / "queries.npy"), sample=SAMPLE)
    index = found.build(tmp_path / "vectors.npy", tmp_path / "index")
    assert cassata.open(tmp_path / "index").uuid == index.uuid
    with pytest.raises(ValueError, match="is the input, which the index would replace"):
        found.build(tmp_path / "vectors.npy", tmp_path / "vectors.npy")
    assert cassata.recommend(vectors[::-1].astype(">f8"), queries.tolist(), sample=SAMPLE).recall >= 0.95


def test_sparse(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    matrix, asked = topics(1200, 2000, seed=1), topics(30, 2000, seed=2)
    write_sparse(tmp_path / "vectors.bin", matrix)
    sparse.save_npz(tmp_path / "vectors.npz", matrix)
    every = (matrix, tmp_path / "vectors.bin", tmp_path / "vectors.npz")
    for data in at_size(every, every[1:2]):
        found = cassata.recommend(data, asked, target_recall=0.8, sample=SAMPLE)
        assert found.class_name.startswith("Sparse")
        index = found.build(data)
        ids = index.batch_search(asked, k=K, **({} if found.ef_search is None else {"ef_search": found.ef_search}))[1]
        assert recall(ids, brute_force(matrix.toarray(), asked.toarray(), K, "dotproduct")[1]) >= 0.7


def test_progress(vectors):
    stages = []
    cassata.recommend(
        vectors, sample=300, progress=lambda stage, done, total: stages.append(stage) or (0 <= done <= total)
    )
    assert list(dict.fromkeys(stages)) == ["sample", "read", "try", "measure"]

    def cancel(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cassata.recommend(vectors, progress=cancel)


def test_errors(vectors, queries):
    for message, arguments in [
        (r"^target_recall: 1.5\d* given", {"target_recall": 1.5}),
        ("^memory: '12 apples' given", {"memory": "12 apples"}),
        ("^memory: 0 given", {"memory": 0}),
        ("^k: 0 given", {"k": 0}),
        ("^metric: 'hamming' given", {"metric": "hamming"}),
        ("^queries: dim is 15, expected 16, as in data$", {"queries": queries[:, :15]}),
        ("^queries: sparse vectors, expected dense ones, as in data$", {"queries": topics(3, 16, seed=1, entries=2)}),
        (r"^queries: shape \(16,\)", {"queries": queries[0]}),
        ("^data: a sample of 50 vectors", {"data": vectors[:50]}),
        (
            r"^data: row 3, column 1: NaN",
            {"data": np.where(np.arange(2500 * 16).reshape(-1, 16) == 49, np.nan, vectors)},
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            cassata.recommend(**{"data": vectors, **arguments})
    with pytest.raises(ValueError, match=r"^data: a sample of 2500 vectors, expected more for k = 2305843009213693952"):
        cassata.recommend(vectors, k=2**61)
    with pytest.raises(TypeError, match=r"memory: 1\.5 given"):
        cassata.recommend(vectors, memory=1.5)
    with pytest.raises(TypeError, match="target_recall"):
        cassata.recommend(vectors, target_recall="much")
    with pytest.raises(FileNotFoundError):
        cassata.recommend("no such file.npy")


@pytest.fixture
def folder(tmp_path, vectors, queries):
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "queries.npy", queries)
    return tmp_path


def test_program(folder):
    arguments = (
        "build",
        "vectors.npy",
        "-o",
        "index",
        "--target-recall",
        0.9,
        "--sample",
        500,
        "--metric",
        "euclidean",
        "--memory",
        "1MB",
    )
    told = json.loads(output(*arguments, "--queries", "queries.npy", "--json", cwd=folder))
    found = told["recommendation"]
    index = cassata.open(folder / "index")
    assert told["class"] == found["class"] == type(index).__name__
    assert index.metric == found["arguments"]["metric"] == "euclidean"
    assert found["recall"] >= 0.9
    assert found["hot_bytes"] <= 1e6
    assert "within 1.0 MB" in found["why"]
    assert len(found["trials"]) >= 8
    text = output(*arguments, cwd=folder)
    assert text.count("\n* ") + text.count("\n  * ") == 1
    assert "held-out queries" in text
    assert text.splitlines()[-1].startswith("index: ")
    assert output(*arguments, "-q", cwd=folder) == ""


def test_program_refuses(folder, queries):
    np.save(folder / "narrow.npy", queries[:, :15])
    common = ("build", "vectors.npy", "-o", "index", "--target-recall")
    for arguments, part in [
        ((*common, "0"), "--target-recall: '0' given, expected a number over 0 and at most 1"),
        ((*common, "0.9", "--memory", "much"), "--memory: 'much' given"),
        ((*common, "0.5", "--memory", "1kB", "--sample", 500), "--memory: no candidate"),
        ((*common, "0.9", "--kind", "flat"), "--kind: given, unsupported with --target-recall"),
        ((*common, "0.9", "--queries", "index"), "index"),
        ((*common, "0.9", "--queries", "narrow.npy"), "narrow.npy: dim 15, expected 16, as in vectors.npy"),
        (("build", "vectors.npy", "--target-recall=0.9"), "--output: none given"),
        (
            ("build", "vectors.npy", "-o", "vectors.npy", "--target-recall=0.9"),
            "--output: vectors.npy is the input itself",
        ),
    ]:
        assert part in refusal(*arguments, cwd=folder)
    assert not (folder / "index").exists()
