"""The program `cassata` over sparse vectors under inverted lists."""

from __future__ import annotations

import json
import re

import cassata
import pytest
from cli import output, refusal
from conftest import topics, write_sparse

pytest.importorskip("scipy.sparse")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """vectors.bin and queries.bin."""
    path = tmp_path_factory.mktemp("lists")
    write_sparse(path / "vectors.bin", topics(1500, 3000, seed=1))
    write_sparse(path / "queries.bin", topics(20, 3000, seed=2))
    return path


def run_of(results, k):
    """Python's results as the program prints them with --format trec."""
    scores, ids = (part.reshape(-1, k) for part in results)
    return [(str(q), "Q0", str(ids[q, i]), str(i + 1), scores[q, i]) for q in range(len(ids)) for i in range(k)]


@pytest.mark.parametrize(
    ("kind", "chosen", "asked", "given"),
    [
        ("flat", [], [], {}),
        ("flat", ["--encoding", "f16"], ["--threads", "2"], {}),
        ("postings", [], [], {}),
        ("postings", ["--encoding", "dotvbyte"], ["--ef-search", "30"], {"ef_search": 30}),
        (
            "postings",
            ["--n-knn", "4"],
            ["--query-cut", "2", "--heap-factor", "0.5"],
            {"query_cut": 2, "heap_factor": 0.5},
        ),
    ],
)
def test_results_are_those_of_python(folder, tmp_path, kind, chosen, asked, given):
    path = tmp_path / "index"
    summary = json.loads(output("build", "vectors.bin", "-o", path, "--kind", kind, "--json", *chosen, cwd=folder))
    assert summary["class"] == {"flat": "SparseFlatIndex", "postings": "SparsePostingsIndex"}[kind]
    usual = "f32" if kind == "flat" else "f16"
    assert summary["dtype"] == (chosen[1] if "--encoding" in chosen else usual)
    assert output("verify", path).startswith(f"{path}: ok")
    lines = output("search", path, "queries.bin", "-k", 7, "--format", "trec", *asked, cwd=folder).splitlines()
    with cassata.open(path) as index:
        expected = run_of(index.batch_search(topics(20, 3000, seed=2), 7, **given), 7)
    found = [line.split(" ") for line in lines]
    assert [tuple(words[:4]) for words in found] == [words[:4] for words in expected]
    assert [float(words[4]) for words in found] == pytest.approx([words[4] for words in expected], rel=1e-7)


def test_exact_search_of_either_is_the_same(folder, tmp_path):
    for kind in ("flat", "postings"):
        output("build", "vectors.bin", "-o", tmp_path / kind, "--kind", kind, "--encoding", "f32", "-q", cwd=folder)
    expected = output("search", tmp_path / "flat", "queries.bin", cwd=folder)
    for kind in ("flat", "postings"):
        assert output("search", tmp_path / kind, "queries.bin", "--exact", cwd=folder) == expected


def test_inspect(folder, tmp_path):
    choices = ["--n-postings", "40", "--summary-energy", "0.75", "--n-knn", "3"]
    output("build", "vectors.bin", "-o", tmp_path / "index", "--kind", "postings", *choices, "-q", cwd=folder)
    with cassata.open(tmp_path / "index") as index:
        held = index.info["postings"]
    assert held == {"lists": held["lists"], "n_postings": 40, "summary_energy": 0.75, "n_knn": 3}
    told = json.loads(output("inspect", tmp_path / "index", "--json"))
    assert (told["postings"], told["graph"]) == (held, None)
    text = output("inspect", tmp_path / "index")
    assert re.search(r"^  kind +postings$", text, re.MULTILINE)
    assert re.search(
        rf"^  lists +{held['lists']:,}, n_postings 40, summary_energy 0\.75, n_knn 3$", text, re.MULTILINE
    ), text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "hnsw", "--summary-energy", "1"], "--summary-energy: given, expected only with kind 'postings'"),
        (["--kind", "flat", "--n-postings", "5"], "--n-postings: given, expected only with kind 'postings'"),
        (
            ["--kind", "postings", "--metric", "euclidean"],
            "--metric 'euclidean' with a SparsePostingsIndex (use --metric 'dotproduct'",
        ),
        (["--kind", "postings", "--rerank", "f16"], "--rerank with --kind 'postings' (use --kind 'hnsw')"),
        (["--kind", "postings", "--summary-energy", "x"], "--summary-energy: 'x' given, expected a number"),
    ],
)
def test_a_build_that_is_refused(folder, tmp_path, options, message):
    assert message in refusal("build", "vectors.bin", "-o", tmp_path / "index", *options, cwd=folder)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--heap-factor", "1.5"], "--heap-factor: '1.5' given, expected a number from 0 to 1"),
    ],
)
def test_a_search_that_is_refused(folder, tmp_path, options, message):
    output("build", "vectors.bin", "-o", tmp_path / "index", "--kind", "postings", "-q", cwd=folder)
    assert message in refusal("search", tmp_path / "index", "queries.bin", *options, cwd=folder)
