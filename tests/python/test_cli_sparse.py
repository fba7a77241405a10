"""The program `cassata` over sparse vectors."""

from __future__ import annotations

import json
import re

import cassata
import numpy as np
import pytest
from cli import output, refusal, run
from conftest import rng, topics


def write_bin(path, rows):
    """`rows`: (components, values) of each."""
    with path.open("wb") as file:
        file.write(np.uint32(len(rows)).tobytes())
        for components, values in rows:
            file.write(
                np.uint32(len(components)).tobytes()
                + np.asarray(components, "<u4").tobytes()
                + np.asarray(values, "<f4").tobytes()
            )


def random_rows(count, seed):
    random = rng(seed)
    for _ in range(count):
        components = np.unique(random.integers(0, 90000, 12) ** 2 // 90000)
        yield components.tolist(), (random.integers(1, 9, len(components)) / 4).tolist()  # exact in f16


@pytest.fixture
def sparse(tmp_path):
    """The folder of vectors.bin and queries.bin, and their rows; the last vector is empty."""
    vectors, queries = [*random_rows(600, 1), ([], [])], [*random_rows(20, 2)]
    write_bin(tmp_path / "vectors.bin", vectors)
    write_bin(tmp_path / "queries.bin", queries)
    return tmp_path, vectors, queries


def dim_of(rows):
    return max(components[-1] for components, _ in rows if components) + 1


def scores_of(vectors, query, metric):
    b = dict(zip(*query, strict=True))
    scores = []
    for vector in vectors:
        a = dict(zip(*vector, strict=True))
        if metric == "dotproduct":
            scores.append(sum(a[c] * b[c] for c in a.keys() & b.keys()))
        else:
            scores.append(sum((a.get(c, 0) - b.get(c, 0)) ** 2 for c in a.keys() | b.keys()))
    return np.array(scores)


@pytest.mark.parametrize("encoding", [None, "f16", "f32"])
def test_build(sparse, metric, encoding):
    folder, vectors, _ = sparse
    choice = ["--encoding", encoding] if encoding else []
    summary = json.loads(
        output(
            "build", "vectors.bin", "-o", "index", "--kind", "hnsw", "--metric", metric, "--json", *choice, cwd=folder
        )
    )
    assert (summary["class"], summary["n"], summary["dim"]) == ("SparsePlainHNSW", 601, dim_of(vectors))
    assert (summary["metric"], summary["dtype"]) == (metric, encoding or "f16")
    assert output("verify", "index", cwd=folder).startswith("index: ok")


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("fixedu8", "SparseFixedU8HNSW"), ("fixedu16", "SparseFixedU16HNSW"), ("dotvbyte", "SparseDotVByteHNSW")],
)
def test_compact_encodings(sparse, encoding, name):
    folder, vectors, queries = sparse
    summary = json.loads(
        output("build", "vectors.bin", "-o", "index", "--encoding", encoding, "-q", "--json", cwd=folder)
    )
    assert (summary["class"], summary["dtype"]) == (name, encoding)
    assert output("verify", "index", cwd=folder).startswith("index: ok")
    lines = output("search", "index", "queries.bin", "-k", 4, "--exact", "--format", "json", cwd=folder).splitlines()
    for line, query in zip(lines, queries, strict=True):
        scores = scores_of(vectors, query, "dotproduct")  # the values are whole quarters
        assert json.loads(line)["scores"] == np.sort(scores)[::-1][:4].tolist()


def test_packed_vectors_have_the_dot_product_alone(sparse):
    folder, _, _ = sparse
    message = refusal(
        "build", "vectors.bin", "-o", "index", "--encoding", "dotvbyte", "--metric", "euclidean", cwd=folder
    )
    assert "euclidean" in message
    assert "'dotproduct'" in message


def test_search_in_every_format(sparse, metric):
    folder, vectors, queries = sparse
    run("build", "vectors.bin", "-o", "index", "--metric", metric, "-q", cwd=folder)
    tsv, trec, json_lines = (
        output("search", "index", "queries.bin", "-k", 4, "--exact", "--format", name, cwd=folder).splitlines()
        for name in ("tsv", "trec", "json")
    )
    assert len(tsv) == len(trec) == 80
    for q, query in enumerate(queries):
        scores = scores_of(vectors, query, metric)
        ids = np.argsort(-scores if metric == "dotproduct" else scores, kind="stable")[:4].tolist()
        assert json.loads(json_lines[q]) == {"query": q, "ids": ids, "scores": scores[ids].tolist()}
        for rank, i in enumerate(ids):
            query_id, doc_id, place, score = tsv[4 * q + rank].split("\t")
            assert (query_id, doc_id, place, float(score)) == (str(q), str(i), str(rank + 1), scores[i])
            *words, score, _ = trec[4 * q + rank].split(" ")
            assert words == [str(q), "Q0", str(i), str(rank + 1)]
            assert float(score) == (scores[i] if metric == "dotproduct" else -scores[i])


def test_queries_as_text(sparse):
    folder, _, queries = sparse
    run("build", "vectors.bin", "-o", "index", "-q", cwd=folder)
    text = "\n".join(" ".join(f"{c}:{v}" for c, v in zip(*query, strict=True)) for query in queries) + "\n\n"
    assert output("search", "index", "-", input=text.encode(), cwd=folder) == output(
        "search", "index", "queries.bin", cwd=folder
    )
    as_json, as_text = b'{"9": 1, "10": 2} [{"3": 1}, {"3": 4}]', b"9:1 10:2\n3:1\n3:4\n"
    assert output("search", "index", "-", input=as_json, cwd=folder) == output(
        "search", "index", "-", input=as_text, cwd=folder
    )
    for line, message in [
        ("1:2\n3 4\n", "row 1, entry 0: '3' given, expected component:value"),
        ("1:2 x:4", "row 0, entry 1: 'x' given, expected a whole number"),
        ("1:2 2:y", "row 0, entry 1: 'y' given, expected a number"),
        ("3:1 2:1", "row 0, entry 1: component 2 after 3"),
        ("3:inf", "row 0, entry 0: inf"),
        ('{"1": 2}\n{"3": 1, "3": 2}', "component 3 given twice in a vector"),
    ]:
        assert f"standard input: {message}" in refusal("search", "index", "-", input=line.encode(), cwd=folder)


def test_queries_beyond_one_batch(sparse):
    folder, _, queries = sparse
    run("build", "vectors.bin", "-o", "index", "-q", cwd=folder)
    write_bin(folder / "many.bin", queries * 60)
    once = [line.split("\t")[1:] for line in output("search", "index", "queries.bin", "-k", 2, cwd=folder).splitlines()]
    many = [line.split("\t") for line in output("search", "index", "many.bin", "-k", 2, cwd=folder).splitlines()]
    assert [line[1:] for line in many] == once * 60
    assert [int(line[0]) for line in many] == [i // 2 for i in range(2400)]


def test_inspect(sparse):
    folder, vectors, _ = sparse
    run("build", "vectors.bin", "-o", "index", "-q", cwd=folder)
    text = output("inspect", "index", cwd=folder)
    for line in [
        "class +SparsePlainHNSW",
        f"dim +{dim_of(vectors)}",
        "encoding +f16",
        "codes.rows.offsets .* hot",
        "from +vectors.bin: 601 rows",
    ]:
        assert re.search(rf"^  {line}", text, re.MULTILINE), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("build", "vectors.bin", "-o", "z", "--kind", "flat", "--metric", "euclidean"),
            "--metric 'euclidean' with a SparseFlatIndex",
        ),
        (
            ("build", "vectors.bin", "-o", "z", "--kind", "flat", "--encoding", "dotvbyte"),
            "--encoding 'dotvbyte' with --kind 'flat'",
        ),
        (("build", "vectors.bin", "-o", "z", "--n-knn", "8"), "--n-knn: given, expected only with kind 'postings'"),
        (
            ("build", "vectors.bin", "-o", "z", "--encoding", "f8"),
            "--encoding: 'f8' given, expected one of 'f16', 'f32'",
        ),
        (("build", "vectors.bin", "-o", "vectors.bin"), "is the input itself"),
        (("build", "short.bin", "-o", "z"), "short.bin: "),
        (("build", "large.bin", "-o", "z"), "large.bin: row 0, entry 1: 70000.* beyond f16"),
        (("build", "unsorted.bin", "-o", "z"), "unsorted.bin: row 0, entry 1: component 3 after 7"),
        (("search", "index", "dense.npy"), "dense.npy: dense vectors, expected sparse ones"),
        (("search", "dense", "queries.bin"), "queries.bin: sparse vectors, expected dense ones"),
    ],
)
def test_refusals(arguments, message, sparse):
    folder, _, _ = sparse
    run("build", "vectors.bin", "-o", "index", "-q", cwd=folder)
    np.save(folder / "dense.npy", np.ones((5, 3), np.float32))
    run("build", "dense.npy", "-o", "dense", "-q", cwd=folder)
    (folder / "short.bin").write_bytes((folder / "vectors.bin").read_bytes()[:-2])
    write_bin(folder / "large.bin", [([3, 7], [1, 70000])])
    write_bin(folder / "unsorted.bin", [([7, 3], [1, 1])])
    assert re.search(message, refusal(*arguments, cwd=folder))
    assert not (folder / "z").exists()


# --- two stages -------------------------------------------------------------------------------------------------------


def test_rerank_is_built_inspected_and_searched_as_in_python(sparse):
    folder, _, queries = sparse
    choices = ("--prune-percentage", "62.5", "--residual", "--rerank", "f32", "--encoding", "f32", "-q")
    output("build", "vectors.bin", "-o", "index", *choices, cwd=folder)
    index = cassata.SparseRerankHNSW.load(folder / "index", "f32", "permuted", True, 62.5, "f32", verify=True)
    shown = json.loads(output("inspect", folder / "index", "--json"))
    assert (shown["class"], shown["rerank"]) == (
        "SparseRerankHNSW",
        {"dtype": "f32", "bits": None, "prune_percentage": 62.5, "residual": True},
    )
    assert re.search(r"rerank +f32, residual, over vectors pruned to 62\.5 %", output("inspect", folder / "index"))
    assert output("verify", "index", cwd=folder).startswith("index: ok")
    components, values = (np.concatenate([np.asarray(row[part]) for row in queries]) for part in (0, 1))
    offsets = np.cumsum([0, *(len(row[0]) for row in queries)])
    walk = {"k_candidates": 30, "alpha": 0.25, "beta": 3, "ef_search": 50, "k": 7}
    options = ("--k-candidates", "30", "--alpha", "0.25", "--beta", "3", "--ef-search", "50", "-k", "7")
    for given, named in (
        (options, walk),
        (("--k-candidates", "4"), {"k_candidates": 4, "ef_search": 200}),
        ((), {"ef_search": 200}),
    ):
        lines = [line.split("\t") for line in output("search", "index", "queries.bin", *given, cwd=folder).splitlines()]
        scores, ids = index.batch_search(components, values, offsets, **named)
        assert [int(line[1]) for line in lines] == ids[ids >= 0].tolist()
        np.testing.assert_array_equal(np.array([line[3] for line in lines], np.float32), scores[ids >= 0])


def test_pruning_alone_keeps_whole_vectors_beside(sparse):
    folder, vectors, _ = sparse
    output("build", "vectors.bin", "-o", "index", "--prune-percentage", "50", "-q", cwd=folder)
    with cassata.open(folder / "index") as index:
        assert index.info["rerank"] == {"dtype": "f16", "bits": None, "prune_percentage": 50.0, "residual": False}
        lengths = {part["name"]: part["length"] for part in index.info["sections"]}
    assert lengths["rerank.rows"] == sum(len(row[0]) for row in vectors) * 6 > lengths["codes.rows"]
    output("build", "vectors.bin", "-o", "index", "--rerank", "f32", "-q", cwd=folder)
    assert cassata.open(folder / "index").info["rerank"] == {
        "dtype": "f32",
        "bits": None,
        "prune_percentage": 100.0,
        "residual": False,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prune-percentage", "-1"], "--prune-percentage: '-1' given, expected a number from 0 to 100"),
        (["--residual"], "--residual: given without --prune-percentage"),
        (["--residual", "--prune-percentage", "100"], "--residual with --prune-percentage 100"),
        (["--rerank", "f8"], "--rerank: 'f8' given, expected one of 'f16'"),
        (
            ["--rerank", "f16", "--metric", "euclidean"],
            "--metric 'euclidean' with a SparseRerankHNSW (use --metric 'dotproduct'",
        ),
        (["--rerank", "f16", "--kind", "flat"], "--rerank with --kind 'flat' (use --kind 'hnsw')"),
    ],
)
def test_a_rerank_that_is_refused(sparse, options, message):
    folder, _, _ = sparse
    assert message in refusal("build", "vectors.bin", "-o", "index", *options, cwd=folder)
    assert not list(folder.glob("index*"))


def test_dense_vectors_are_not_reranked(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    refused = refusal("build", "x.npy", "-o", "index", "--prune-percentage", "50", cwd=tmp_path)
    assert "--prune-percentage: given, expected only with sparse vectors" in refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alpha", "-1"], "--alpha: '-1' given"),
        (["--alpha", "nan"], "--alpha: 'nan' given"),
        (["--beta", "1.5"], "--beta: '1.5'"),
        (["--k-candidates", "-3"], "--k-candidates: '-3'"),
    ],
)
def test_a_search_that_is_refused(sparse, options, message):
    folder, _, _ = sparse
    output("build", "vectors.bin", "-o", "index", "--rerank", "f16", "-q", cwd=folder)
    assert message in refusal("search", "index", "queries.bin", *options, cwd=folder)


def test_matrices_of_scipy_are_read(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = topics(300, 500, seed=1)
    sparse.save_npz(tmp_path / "vectors.npz", matrix)
    sparse.save_npz(tmp_path / "queries.npz", matrix[:5])
    run("build", "vectors.npz", "-o", "index", "-m", "8", cwd=tmp_path)
    index = cassata.open(tmp_path / "index")
    assert len(index) == 300
    found = output("search", "index", "queries.npz", "-k", "3", cwd=tmp_path)
    ids = [int(line.split("\t")[1]) for line in found.splitlines()]
    assert ids == index.batch_search(matrix[:5], k=3)[1].reshape(-1).tolist()
    (tmp_path / "other.npz").write_bytes(b"no matrix")
    message = refusal("build", "other.npz", "-o", "none", cwd=tmp_path)
    assert "other.npz" in message
    assert "scipy.sparse.save_npz" in message
    assert "vectors.npz is the input" in refusal("build", "vectors.npz", "-o", "vectors.npz", "--force", cwd=tmp_path)
