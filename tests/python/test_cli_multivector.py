"""The program `cassata` over token vectors: build --multivec, search and bench with --multivec-queries, inspect,
verify; and misuse."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import cassata
import numpy as np
import pytest
from cli import BINARY, output, refusal, run
from conftest import FORMER, clustered, recall, rng, topics, write_sparse

pytest.importorskip("scipy.sparse")

N, NQ, TOKENS, DIM, PIECES, K = 400, 12, 5, 16, 4, 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """sparse.cassata and queries.bin; tokens (plain) and small (two levels), both with queries; plain.cassata and
    small.cassata."""
    path = tmp_path_factory.mktemp("multivector")
    write_sparse(path / "vectors.bin", topics(N, 1000, seed=1))
    write_sparse(path / "queries.bin", topics(NQ, 1000, seed=2))
    (path / "tokens").mkdir()
    doclens = rng(3).integers(0, 9, N).astype("i4")
    doclens[:2] = 0, 8
    np.save(path / "tokens" / "doclens.npy", doclens)
    np.save(path / "tokens" / "documents.npy", clustered(doclens.sum(), DIM, seed=4).astype("f2"))
    np.save(path / "tokens" / "queries.npy", clustered(NQ * TOKENS, DIM, seed=5).reshape(NQ, TOKENS, DIM))
    np.save(path / "tokens" / "ids.npy", np.arange(1000, 1000 + N))
    np.save(path / "ids.npy", np.array([str(i) for i in range(1000, 1000 + N)]))
    run("build", "vectors.bin", "-o", "sparse.cassata", "-m", 8, "-q", cwd=path)
    run("build", "tokens", "--two-level", "-o", "small", "--pq-subspaces", PIECES, "--centroids", 32, "-q", cwd=path)
    run("build", "sparse.cassata", "--multivec", "tokens", "-o", "plain.cassata", "-q", cwd=path)
    run("build", "sparse.cassata", "--multivec", "small", "-o", "small.cassata", "-q", cwd=path)
    return path


@pytest.fixture(scope="module")
def expected(folder):
    """Documents' scores for each query by MaxSim of the plain tokens, (NQ, N)."""
    ends = np.cumsum(np.load(folder / "tokens" / "doclens.npy"))[:-1]
    documents = np.split(np.load(folder / "tokens" / "documents.npy").astype("f8"), ends)
    queries = np.load(folder / "tokens" / "queries.npy").astype("f8")
    return np.array([[(q @ d.T).max(1).sum() if len(d) else -np.inf for d in documents] for q in queries])


@pytest.fixture(scope="module")
def exact(expected):
    """The ids of an exhaustive search."""
    return np.argsort(-expected, axis=1, kind="stable")[:, :K]


def found(text):
    """TSV as (ids, scores) of each query."""
    lines = [line.split("\t") for line in text.splitlines()]
    return [
        ([int(doc) for q, doc, *_ in lines if int(q) == i], [float(score) for q, *_, score in lines if int(q) == i])
        for i in range(1 + max(int(line[0]) for line in lines))
    ]


# --- build ------------------------------------------------------------------------------------------------------------


def test_build(folder):
    arguments = ("build", "sparse.cassata", "--multivec", "tokens", "-o", "again.cassata")
    told = json.loads(output(*arguments, "--ids", "ids.npy", "--layout", "plain", "--json", cwd=folder))
    assert told.pop("seconds") > 0
    assert told["rows_per_second"] > 0
    info = cassata.open(folder / "again.cassata").info
    for name in ("class", "kind", "n", "dim", "metric", "dtype", "file_size", "uuid"):
        assert told[name] == info[name], name
    assert (told["class"], told["n"], told["dtype"]) == ("SparseMultivecRerankIndex", N, "f16")
    assert (folder / "again.cassata").read_bytes() == (folder / "plain.cassata").read_bytes()
    assert output(*arguments, cwd=folder).startswith("again.cassata: SparseMultivecRerankIndex of 400 vectors")
    assert output(*arguments, "-q", cwd=folder) == ""
    face = cassata.SparseMultivecTwoLevelsPQRerankIndex
    face.build_from_file(folder / "sparse.cassata", folder / "small", PIECES, path=folder / "again.cassata")
    assert (folder / "again.cassata").read_bytes() == (folder / "small.cassata").read_bytes()


def test_build_of_a_folder_that_holds_both(folder, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(folder / "tokens", both)
    shutil.copytree(folder / "small", both, dirs_exist_ok=True)
    arguments = ("build", folder / "sparse.cassata", "--multivec", both, "-o", tmp_path / "out", "-q")
    assert "documents.npy" in refusal(*arguments)
    for layout, same in [("plain", "plain.cassata"), ("two-level", "small.cassata")]:
        run(*arguments, "--layout", layout)
        assert (tmp_path / "out").read_bytes() == (folder / same).read_bytes()
    run(*arguments, "--layout", "two-level", "--pq-subspaces", PIECES)


def test_build_beside_dense_vectors(folder, tmp_path):
    np.save(tmp_path / "dense.npy", clustered(N, 8, seed=6))
    np.save(tmp_path / "queries.npy", clustered(NQ, 8, seed=7))
    run("build", "dense.npy", "-o", "dense.cassata", "-m", 8, "-q", cwd=tmp_path)
    told = json.loads(
        output("build", "dense.cassata", "--multivec", folder / "small", "-o", "d.cassata", "--json", cwd=tmp_path)
    )
    assert (told["class"], told["dim"]) == ("DenseMultivecRerankIndex", 8)
    text = output("search", "d.cassata", "queries.npy", "--multivec-queries", folder / "small", "-k", 3, cwd=tmp_path)
    assert [len(ids) for ids, _ in found(text)] == [3] * NQ


def test_help():
    assert "--multivec FOLDER" in output("build", "--multivec", "--help")
    assert "--multivec --help" in output("build", "--help")
    for command in ("search", "bench"):
        assert "--multivec-queries" in output(command, "--help")


def changed(folder, tmp_path, name, make):
    """The folder of tokens, plain ones unless `name` is of the others, with another file of that name."""
    copy = tmp_path / "changed"
    shutil.copytree(folder / ("tokens" if (folder / "tokens" / name).exists() else "small"), copy)
    np.save(copy / name, make(np.load(copy / name)))
    return copy


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("doclens.npy", lambda a: a[:-1], "399 documents, expected 400"),
        ("doclens.npy", lambda a: np.append(a, a[:1]), "401 documents, expected 400"),
        ("doclens.npy", lambda a: a + 1, "the sum of"),
        ("doclens.npy", lambda a: np.where(np.arange(N) == 7, -1, a), "row 7: -1 tokens"),
        (
            "documents.npy",
            lambda a: np.where(np.arange(len(a))[:, None] == 0, np.nan, a),
            "document 1, token 0, column 0",
        ),
        ("documents.npy", lambda a: a[0], "shape"),
        ("ids.npy", lambda a: a[:-1], "399 ids, expected 400"),
        ("ids.npy", lambda a: np.where(np.arange(N) == 17, 5, a), "row 17: id '5', expected '1017'"),
        ("index_assignment.npy", lambda a: np.where(np.arange(len(a)) == 0, 32, a), "document 1, token 0: centroid 32"),
        ("residuals.npy", lambda a: a[:, :3], "3 columns"),
        ("centroids.npy", lambda a: a[:, :-1], "residuals.npy"),
    ],
)
def test_build_of_files_that_do_not_fit(folder, tmp_path, name, make, told):
    tokens = changed(folder, tmp_path, name, make)
    (tmp_path / "out").write_bytes(FORMER)
    ids = ("--ids", folder / "ids.npy") if name == "ids.npy" else ()
    message = refusal("build", folder / "sparse.cassata", "--multivec", tokens, "-o", tmp_path / "out", *ids)
    assert told in message
    assert str(tokens) in message
    assert (tmp_path / "out").read_bytes() == FORMER
    assert sorted(os.listdir(tmp_path)) == ["changed", "out"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sparse.cassata", "--multivec", "tokens"), "--output: none given"),
        (("--multivec", "tokens", "-o", "new"), "INDEX is missing"),
        (("sparse.cassata", "--multivec", "nowhere", "-o", "new"), "nowhere"),
        (("sparse.cassata", "--multivec", "queries.bin", "-o", "new"), "queries.bin"),
        (("nowhere.cassata", "--multivec", "tokens", "-o", "new"), "nowhere.cassata: No such file"),
        (("vectors.bin", "--multivec", "tokens", "-o", "new"), "vectors.bin"),
        (("plain.cassata", "--multivec", "tokens", "-o", "new"), "plain.cassata: holds a SparseMultivecRerankIndex"),
        (("sparse.cassata", "--multivec", "tokens", "-o", "nowhere/new"), "nowhere"),
        (
            ("sparse.cassata", "--multivec", "tokens", "-o", "sparse.cassata"),
            "sparse.cassata is the index that is read",
        ),
        (
            ("sparse.cassata", "--multivec", "tokens", "-o", "tokens/documents.npy"),
            "tokens/documents.npy is a file of the folder",
        ),
        (
            ("sparse.cassata", "--multivec", "tokens", "-o", "tokens/queries.npy"),
            "tokens/queries.npy is a file of the folder",
        ),
        (("sparse.cassata", "--multivec", "tokens", "-o", "ids.npy", "--ids", "ids.npy"), "ids.npy is the file of ids"),
        (("sparse.cassata", "--multivec", "small", "-o", "new", "--pq-subspaces", 8), "4 columns, expected 8"),
        (("sparse.cassata", "--multivec", "tokens", "-o", "new", "--pq-subspaces", 4), "plain tokens"),
        (("sparse.cassata", "--multivec", "small", "-o", "new", "--pq-subspaces", "x"), "--pq-subspaces: 'x' given"),
        (("sparse.cassata", "--multivec", "small", "-o", "new", "--layout", "coded"), "--layout: 'coded' given"),
        (("sparse.cassata", "--multivec", "small", "-o", "new", "--layout", "plain"), "documents.npy"),
        (("sparse.cassata", "--multivec", "tokens", "-o", "new", "--ids", "nowhere.npy"), "nowhere.npy"),
        (("sparse.cassata", "--multivec", "small", "-o", "new", "--ids", "ids.npy", "-m", 4), "-m"),
    ],
)
def test_build_misuse(folder, arguments, told):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert told in refusal("build", *arguments, cwd=folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_interrupted_build_leaves_the_former_file(folder, tmp_path):
    tokens, target, partial = tmp_path / "tokens", tmp_path / "out", tmp_path / "out.partial"
    tokens.mkdir()
    np.save(tokens / "doclens.npy", np.full(N, 2000, "i4"))
    # 205 MB of zeros.
    documents = np.lib.format.open_memmap(tokens / "documents.npy", mode="w+", dtype="f4", shape=(N * 2000, 64))
    del documents
    target.write_bytes(FORMER)
    command = [BINARY, "build", folder / "sparse.cassata", "--multivec", tokens, "-o", target]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (partial.exists() and partial.stat().st_size):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (-signal.SIGINT, b"", b"")
    assert target.read_bytes() == FORMER
    assert not partial.exists()


# --- search -----------------------------------------------------------------------------------------------------------


def test_search_finds_what_python_finds(folder):
    tokens = np.load(folder / "tokens" / "queries.npy")
    options = ("-k", 7, "--ef-search", 50, "--k-candidates", 40, "--alpha", 0.5, "--beta", 9)
    for name in ("plain.cassata", "small.cassata"):
        text = output(
            "search", name, "queries.bin", "--multivec-queries", "tokens", *options, "--threads", 2, cwd=folder
        )
        index = cassata.open(folder / name)
        scores, ids = index.batch_search(
            topics(NQ, 1000, seed=2), tokens, k_candidates=40, k=7, ef_search=50, alpha=0.5, beta=9
        )
        for i, (mine, values) in enumerate(found(text)):
            assert mine == ids[i].tolist()
            assert np.float32(values).tolist() == scores[i].tolist()


def test_queries_as_file_and_as_folder(folder, tmp_path):
    search = ("search", "plain.cassata", "queries.bin", "--multivec-queries")
    text = output(*search, "tokens", cwd=folder)
    for other in ("small", "tokens/queries.npy", folder / "tokens"):
        assert output(*search, other, cwd=folder) == text
    np.save(tmp_path / "others.npy", np.load(folder / "tokens" / "queries.npy"))
    np.save(tmp_path / "query_doclens.npy", np.full(NQ, 1))  # of queries.npy, which is not there
    assert output(*search, tmp_path / "others.npy", cwd=folder) == text


def test_queries_of_different_lengths(folder, tmp_path):
    tokens, lengths = np.load(folder / "tokens" / "queries.npy"), np.arange(NQ) % (TOKENS + 1)
    np.save(tmp_path / "query_doclens.npy", lengths)
    np.save(tmp_path / "queries.npy", tokens)
    padded = output("search", "plain.cassata", "queries.bin", "--multivec-queries", tmp_path, cwd=folder)
    np.save(tmp_path / "queries.npy", np.concatenate([tokens[i, :n] for i, n in enumerate(lengths)]))
    flat = output("search", "plain.cassata", "queries.bin", "--multivec-queries", tmp_path / "queries.npy", cwd=folder)
    assert padded == flat
    _, ids = cassata.open(folder / "plain.cassata").batch_search(
        topics(NQ, 1000, seed=2), tokens, query_doclens=lengths, ef_search=200
    )
    assert [mine for mine, _ in found(flat)] == ids.tolist()


def test_exact_search_is_exhaustive(folder, expected, exact):
    text = output("search", "plain.cassata", "queries.bin", "--multivec-queries", "tokens", "--exact", cwd=folder)
    for i, (ids, scores) in enumerate(found(text)):
        assert ids == exact[i].tolist()
        np.testing.assert_allclose(scores, expected[i, ids], rtol=1e-5)


def test_formats(folder, tmp_path):
    search = ("search", "plain.cassata", "queries.bin", "--multivec-queries", "tokens", "-k", N, "--exact")
    answers = found(output(*search, cwd=folder))
    assert [len(ids) for ids, _ in answers] == [N] * NQ
    assert np.isneginf(answers[0][1][-1])  # of a document without tokens
    for line, (ids, scores) in zip(output(*search, "--format", "json", cwd=folder).splitlines(), answers, strict=True):
        told = json.loads(line)
        assert told["ids"] == ids
        assert told["scores"] == [score if np.isfinite(score) else None for score in scores]
    assert output(*search, "--format", "trec", "-o", tmp_path / "run.txt", cwd=folder) == ""
    lines = [line.split() for line in (tmp_path / "run.txt").read_text().splitlines()]
    assert len(lines) == N * NQ
    assert lines[0] == ["0", "Q0", str(answers[0][0][0]), "1", lines[0][4], "cassata"]
    assert float(lines[0][4]) == answers[0][1][0]


@pytest.fixture(scope="module")
def bad(folder):
    """Files of tokens that do not fit, beside the others."""
    tokens = np.load(folder / "tokens" / "queries.npy")
    for name, array in {
        "few": tokens[:-1],
        "narrow": tokens[:, :, :-1],
        "flat": tokens.reshape(-1, DIM),
        "nan": np.where(np.arange(NQ)[:, None, None] == 3, np.nan, tokens),
        "whole": tokens.astype("i4"),
    }.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "lengths").mkdir()
    np.save(folder / "lengths" / "queries.npy", tokens)
    np.save(folder / "lengths" / "query_doclens.npy", np.full(NQ, TOKENS + 1))
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize(
    ("index", "tokens", "told"),
    [
        (
            "plain.cassata",
            None,
            "--multivec-queries: none given, expected the token vectors of the queries, as in plain.cassata",
        ),
        ("sparse.cassata", "tokens", "--multivec-queries: given, but sparse.cassata holds no token vectors"),
        ("plain.cassata", "few.npy", "few.npy: token vectors of 11 queries, expected 12"),
        ("small.cassata", "narrow.npy", "narrow.npy: token vectors of dim 15, expected 16, as in small.cassata"),
        ("plain.cassata", "flat.npy", "flat.npy: shape (60, 16), expected (queries, tokens, token_dim)"),
        ("plain.cassata", "nan.npy", "nan.npy: query 3, token 0, column 0"),
        ("plain.cassata", "whole.npy", "whole.npy: dtype '<i4'"),
        ("plain.cassata", "lengths", "query_doclens.npy: row 0: 6 tokens, expected at most 5"),
        ("plain.cassata", "empty", "empty/queries.npy: No such file"),
        ("plain.cassata", "nowhere", "nowhere: No such file"),
        ("plain.cassata", "queries.bin", "queries.bin"),
    ],
)
@pytest.mark.parametrize("command", ["search", "bench"])
def test_query_tokens_that_do_not_fit(bad, command, index, tokens, told):
    option = () if tokens is None else ("--multivec-queries", tokens)
    queries = ("queries.bin",) if command == "search" else ("--queries", "queries.bin")
    assert told in refusal(command, index, *queries, *option, cwd=bad)


def test_no_input_is_replaced_by_results(bad):
    search = ("search", "plain.cassata", "queries.bin", "--multivec-queries", "lengths", "-o")
    bench = (
        "bench",
        "plain.cassata",
        "--queries",
        "queries.bin",
        "--multivec-queries",
        "lengths",
        "-q",
        "--save-truth",
    )
    for name in ("plain.cassata", "queries.bin", "lengths/queries.npy", "lengths/query_doclens.npy"):
        before = (bad / name).read_bytes()
        assert f"--output: {name} is the input itself" in refusal(*search, name, cwd=bad)
        assert f"--save-truth: {name} is the input itself" in refusal(*bench, name, cwd=bad)
        assert (bad / name).read_bytes() == before


# --- bench ------------------------------------------------------------------------------------------------------------

BENCH = ("--queries", "queries.bin", "--multivec-queries", "tokens", "--repeat", 1)


def test_bench_judges_by_plain_tokens(folder, exact):
    arguments = ("--ef-search", "20,400", "--k-candidates", N)
    found = output(
        "bench", "small.cassata", "plain.cassata", *BENCH, *arguments, "--save-truth", "truth.npy", "--json", cwd=folder
    )
    report = json.loads(found)
    assert report["truth"] == {"source": "index", "path": "plain.cassata", "dtype": "f16"}
    assert np.load(folder / "truth.npy").tolist() == exact.tolist()
    small, plain = report["indexes"]
    assert (small["class"], plain["class"]) == ("SparseMultivecTwoLevelsPQRerankIndex", "SparseMultivecRerankIndex")
    assert plain["points"][-1]["recall"] == 1  # all are candidates
    index, tokens = cassata.open(folder / "small.cassata"), np.load(folder / "tokens" / "queries.npy")
    ids = index.batch_search(topics(NQ, 1000, seed=2), tokens, k_candidates=N, k=K)[1]
    assert small["points"][-1]["recall"] == pytest.approx(recall(ids, exact))
    assert small["points"][-1]["recall"] < 1
    again = json.loads(
        output("bench", "small.cassata", *BENCH, *arguments, "--truth", "truth.npy", "--json", cwd=folder)
    )
    assert again["truth"]["source"] == "file"
    assert again["indexes"][0]["points"][-1]["recall"] == small["points"][-1]["recall"]


def test_bench_tells_in_words(folder):
    text = output("bench", "plain.cassata", "small.cassata", *BENCH, "--ef-search", "20", cwd=folder)
    assert text.startswith("recall@10 against exact answers over the f16 token vectors in plain.cassata\n")
    assert "plain.cassata: SparseMultivecRerankIndex, f16 + f16, " in text
    assert "small.cassata: SparseMultivecTwoLevelsPQRerankIndex, f16 + two-level-pq, " in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("small.cassata",), "--truth: none given, but no index here holds the vectors that it was built from"),
        (
            ("plain.cassata", "--data", "vectors.bin"),
            "--data: vectors.bin given, but plain.cassata answers by token vectors",
        ),
        (
            ("plain.cassata", "sparse.cassata"),
            "sparse.cassata: token vectors of dim 0 (0: none), expected 16, as in plain.cassata",
        ),
    ],
)
def test_bench_misuse(folder, arguments, told):
    assert told in refusal("bench", *arguments, *BENCH, cwd=folder)


# --- inspect and verify -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype", "m_pq"), [("plain.cassata", "f16", None), ("small.cassata", "two-level-pq", PIECES)]
)
def test_inspect_and_verify(folder, name, dtype, m_pq):
    told = json.loads(output("inspect", name, "--json", cwd=folder))
    assert (
        told["rerank"] == {"dtype": dtype, "token_dim": DIM, "m_pq": m_pq} == cassata.open(folder / name).info["rerank"]
    )
    assert told["provenance"]["parameters"]["tokens"] == dtype
    names = [given["name"] for given in told["provenance"]["inputs"]]
    files = (
        ["documents.npy"]
        if m_pq is None
        else ["centroids.npy", "index_assignment.npy", "pq_centroids.npy", "residuals.npy"]
    )
    assert names == ["vectors.bin", "doclens.npy", *files]
    sections = {section["name"]: section for section in told["sections"]}
    assert sections["rerank.rows"]["tier"] == "cold"
    text = output("inspect", name, cwd=folder)
    assert "rerank.rows.offsets" in text
    assert told["class"] in text
    assert output("verify", name, cwd=folder).startswith(f"{name}: ok")


def damage(source, target, section):
    """Flips a bit of the section; returns how verify calls the block that it is in."""
    data = bytearray(source.read_bytes())
    place = next(s for s in cassata.open(source).info["sections"] if s["name"] == section)
    at = place["offset"] + place["length"] // 2
    data[at] ^= 1
    target.write_bytes(data)
    return f"the 64 KiB block from byte {4096 + (at - 4096) // 65536 * 65536} has hash"


@pytest.mark.parametrize("section", ["rerank.rows", "rerank.rows.offsets", "rerank.rows.model"])
def test_damage_is_found(folder, tmp_path, section):
    block = damage(folder / "small.cassata", tmp_path / "damaged", section)
    assert block in refusal("verify", tmp_path / "damaged", code=1)
    # The file is so small that a hot section shares the block, which a search compares as it warms it.
    assert block in refusal("search", tmp_path / "damaged", "queries.bin", "--multivec-queries", "tokens", cwd=folder)


def test_a_damaged_index_is_not_joined(folder, tmp_path):
    block = damage(folder / "sparse.cassata", tmp_path / "damaged", "codes.rows")
    message = refusal("build", tmp_path / "damaged", "--multivec", "tokens", "-o", tmp_path / "out", cwd=folder)
    assert f"{tmp_path / 'damaged'}: section '" in message
    assert block in message
    assert sorted(os.listdir(tmp_path)) == ["damaged"]
