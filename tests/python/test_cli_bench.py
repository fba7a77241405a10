"""`cassata bench`: what it says of recall, where it takes the exact answers from, and what it draws. Never how fast
anything is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cassata
import numpy as np
import pytest
from cli import BINARY, output, refusal, run
from conftest import brute_force, clustered, recall, topics, write_sparse

K = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """vectors.npy, queries.npy, and indexes over the former: flat, graph, half (f16), by Euclidean distance."""
    path = tmp_path_factory.mktemp("bench")
    vectors = clustered(1500, 16, seed=3)
    np.save(path / "vectors.npy", vectors)
    np.save(path / "queries.npy", clustered(40, 16, seed=4))
    build = {"m": 4, "ef_construction": 20, "metric": "euclidean"}
    cassata.DenseFlatIndex.build_from_array(vectors, metric="euclidean", path=path / "flat.cassata")
    cassata.DensePlainHNSW.build_from_array(vectors, path=path / "graph.cassata", **build)
    cassata.DensePlainHNSW.build_from_array(vectors, dtype="f16", path=path / "half.cassata", **build)
    return path


@pytest.fixture(scope="module")
def exact(folder):
    """The ids of a brute force search."""
    return brute_force(np.load(folder / "vectors.npy"), np.load(folder / "queries.npy"), K, "euclidean")[1]


def report(folder, *arguments, queries="queries.npy"):
    return json.loads(output("bench", *arguments, "--queries", queries, "--json", "--repeat", 1, cwd=folder))


def with_python(**variables):
    """An environment in which the program finds this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **{name: str(value) for name, value in variables.items()}}


def refused(folder, *arguments):
    return refusal("bench", *arguments, cwd=folder)


def test_recall_is_what_a_search_finds(folder, exact):
    queries = np.load(folder / "queries.npy")
    found = report(folder, "graph.cassata", "flat.cassata", "--ef-search", "40,10,20")
    graph, flat = found["indexes"]
    assert [point["ef_search"] for point in graph["points"]] == [10, 20, 40]
    index = cassata.open(folder / "graph.cassata")
    for point in graph["points"]:
        ids = index.batch_search(queries, K, ef_search=point["ef_search"])[1]
        assert point["recall"] == pytest.approx(recall(ids, exact))
    assert graph["points"][0]["recall"] < graph["points"][-1]["recall"]
    assert [(point["ef_search"], point["recall"]) for point in flat["points"]] == [(None, 1)]


def test_report(folder):
    found = report(folder, "graph.cassata", "flat.cassata", "--recall", "0.5,1", "-k", 7, "--threads", 2)
    assert found["queries"] == {"path": "queries.npy", "n": 40}
    assert (found["k"], found["threads"], found["repeat"]) == (7, 2, 1)
    assert found["truth"] == {"source": "index", "path": "graph.cassata", "dtype": "f32"}
    for name, curve in zip(("graph.cassata", "flat.cassata"), found["indexes"]):
        info = cassata.open(folder / name).info
        assert {key: curve[key] for key in ("class", "kind", "n", "dim", "metric", "dtype", "file_size", "uuid")} == {
            key: info[key] for key in ("class", "kind", "n", "dim", "metric", "dtype", "file_size", "uuid")
        }
        assert curve["path"] == name
        assert curve["hot_bytes"] == sum(section["length"] for section in info["sections"] if section["tier"] == "hot")
        assert curve["bytes_per_vector"] == pytest.approx(info["file_size"] / 1500)
        for point in curve["points"]:
            assert set(point) == {"ef_search", "recall", "queries_per_second", "p50_seconds", "p99_seconds"}
            assert 0 < point["p50_seconds"] <= point["p99_seconds"]
            assert point["queries_per_second"] > 0
        assert [target["recall"] for target in curve["targets"]] == [0.5, 1]
        for target in curve["targets"]:
            reached = any(point["recall"] >= target["recall"] for point in curve["points"])
            assert (target["queries_per_second"] is not None) == reached
    assert found["indexes"][1]["targets"][1]["ef_search"] is None


def test_table(folder):
    text = output(
        "bench",
        "half.cassata",
        "flat.cassata",
        "--queries",
        "queries.npy",
        "--ef-search",
        "10",
        "--recall",
        "1",
        cwd=folder,
    )
    first, second, _, graph, _, point, target, _, flat, *_ = text.splitlines()
    assert first == "recall@10 against exact answers over the f32 vectors in flat.cassata"
    assert second == "40 queries of queries.npy, threads: 1, median of 3"
    assert graph.startswith("half.cassata: DensePlainHNSW, f16, ")
    assert point.split()[0] == "10"
    assert target == "  at recall 1.0000: never reached"
    assert flat.startswith("flat.cassata: DenseFlatIndex, f32, ")
    assert output("bench", "flat.cassata", "--queries", "queries.npy", "-q", cwd=folder) == ""
    alone = output("bench", "half.cassata", "--queries", "queries.npy", "--ef-search", "10", cwd=folder)
    assert alone.startswith(
        "recall@10 against exact answers over the f16 vectors in half.cassata, which are rounded; --data "
    )


def test_truth_over_the_data_is_what_brute_force_finds(folder, exact):
    found = report(folder, "half.cassata", "--data", "vectors.npy", "--ef-search", "10", "--save-truth", "truth.npy")
    assert found["truth"] == {"source": "data", "path": "vectors.npy", "dtype": None}
    saved = np.load(folder / "truth.npy")
    assert saved.dtype == np.int64
    assert saved.tolist() == exact.tolist()
    again = report(folder, "half.cassata", "--truth", "truth.npy", "--ef-search", "10")
    assert again["truth"] == {"source": "file", "path": "truth.npy", "dtype": None}
    assert again["indexes"][0]["points"][0]["recall"] == found["indexes"][0]["points"][0]["recall"]


def test_truth_of_a_file_is_believed(folder, exact):
    wrong = exact.astype(np.uint32)
    wrong[::2] = (wrong[::2] + 1) % 1500
    np.save(folder / "wrong.npy", np.hstack([wrong, wrong]))  # more columns than k
    found = report(folder, "flat.cassata", "--truth", "wrong.npy")
    assert found["indexes"][0]["points"][0]["recall"] == pytest.approx(recall(exact, wrong))
    gone = exact.copy()
    gone[:, 5:] = -1
    np.save(folder / "gone.npy", gone)
    assert report(folder, "flat.cassata", "--truth", "gone.npy")["indexes"][0]["points"][0]["recall"] == 1


def test_truth_that_does_not_fit(folder, exact):
    arguments = ("flat.cassata", "--queries", "queries.npy", "--truth", "bad.npy")
    for bad, *parts in [
        (exact[:30], "30 rows, expected 40"),
        (exact[:, :9], "9 columns, expected at least k = 10"),
        (np.where(exact == exact[3, 2], 1500, exact), "row 3, column 2: id 1500, expected one below 1500"),
        (exact - 3 - exact.max(), "id -", "or -1 for none"),
        (exact.astype(np.float32), "dtype '<f4', expected one of <i8, <i4, <u8, <u4"),
        (exact[0], "shape '(10,)'"),
    ]:
        np.save(folder / "bad.npy", bad)
        message = refused(folder, *arguments)
        assert message.startswith("cassata bench: bad.npy: ")
        assert all(part in message for part in parts), message
    (folder / "bad.npy").write_bytes(b"no array")
    assert "bad.npy" in refused(folder, *arguments)
    (folder / "bad.npy").unlink()
    assert "bad.npy: No such file" in refused(folder, *arguments)


def test_indexes_and_queries_that_do_not_fit(folder):
    np.save(folder / "few.npy", np.load(folder / "vectors.npy")[:1000])
    np.save(folder / "wide.npy", np.zeros((3, 17), np.float32))
    np.save(folder / "none.npy", np.zeros((0, 16), np.float32))
    run("build", "few.npy", "-o", "few.cassata", "--kind", "flat", "--metric", "euclidean", "-q", cwd=folder)
    run("build", "vectors.npy", "-o", "dot.cassata", "--kind", "flat", "-q", cwd=folder)
    for arguments, *parts in [
        (
            ("flat.cassata", "few.cassata", "--queries", "queries.npy"),
            "few.cassata: 1000 vectors, expected 1500, as in flat.cassata",
        ),
        (
            ("flat.cassata", "dot.cassata", "--queries", "queries.npy"),
            "dot.cassata: metric dotproduct, expected euclidean",
        ),
        (("flat.cassata", "--queries", "wide.npy"), "wide.npy: dim 17, expected 16, as in flat.cassata"),
        (("flat.cassata", "--queries", "none.npy"), "none.npy: 0 vectors"),
        (("flat.cassata", "--queries", "queries.npy", "--data", "few.npy"), "few.npy: 1000 vectors, expected 1500"),
        (("flat.cassata", "--queries", "queries.npy", "--data", "wide.npy"), "wide.npy: dim 17"),
        (("flat.cassata", "--queries", "queries.npy", "-k", 1501), "-k: 1501 given, expected at most the 1500 vectors"),
    ]:
        message = refused(folder, *arguments)
        assert all(part in message for part in parts), message


def test_options_that_are_refused(folder):
    common = ("flat.cassata", "--queries", "queries.npy")
    for arguments, *parts in [
        (("flat.cassata",), "--queries: none given"),
        (("--queries", "queries.npy"), "INDEX is missing"),
        ((*common, "--ef-search", "10,,20"), "--ef-search: '' given, expected a whole number"),
        ((*common, "--ef-search", "10 20"), "--ef-search: '10 20' given"),
        ((*common, "--ef-search", "10,0"), "--ef-search: 0 given, expected at least 1"),
        (
            (*common, "graph.cassata", "--beta", 3),
            "--beta: given, expected only with an index that has rerank codes or token vectors; flat.cassata holds a "
            "DenseFlatIndex; "
            "graph.cassata holds a DensePlainHNSW",
        ),
        ((*common, "--recall", "0.5,1.1"), "--recall: '0.5,1.1' given"),
        ((*common, "--recall", "0"), "--recall: "),
        ((*common, "--repeat", 0), "--repeat: 0 given"),
        ((*common, "-k", 0), "-k: 0 given"),
        ((*common, "--truth", "t.npy", "--data", "vectors.npy"), "--truth: given with --data or --save-truth"),
        ((*common, "--save-truth", "queries.npy"), "--save-truth: queries.npy is the input itself"),
        ((*common, "--plot", "curves.txt"), "--plot: 'curves.txt' given, expected a .png, .svg or .pdf file"),
    ]:
        message = refused(folder, *arguments)
        assert all(part in message for part in parts), message


def test_lossy_codes_do_not_judge_themselves(folder):
    pytest.importorskip("scipy.sparse")
    vectors, queries = topics(800, 2000, seed=1), topics(20, 2000, seed=2)
    write_sparse(folder / "vectors.bin", vectors)
    write_sparse(folder / "queries.bin", queries)
    run("build", "vectors.bin", "-o", "coarse.cassata", "--encoding", "fixedu8", "-m", 8, "-q", cwd=folder)
    run(
        "build",
        "vectors.bin",
        "-o",
        "rerank.cassata",
        "--encoding",
        "fixedu8",
        "--rerank",
        "f32",
        "-m",
        8,
        "-q",
        cwd=folder,
    )
    message = refused(folder, "coarse.cassata", "--queries", "queries.bin")
    assert "--data, --truth: none given" in message
    assert "coarse.cassata has fixedu8" in message
    expected = brute_force(vectors.toarray(), queries.toarray(), K, "dotproduct")[1]
    for arguments in [("--data", "vectors.bin"), ("rerank.cassata",)]:
        found = report(
            folder,
            "coarse.cassata",
            *arguments,
            "--ef-search",
            "20,200",
            "--save-truth",
            "sparse.npy",
            queries="queries.bin",
        )
        assert np.load(folder / "sparse.npy").tolist() == expected.tolist()
        ids = cassata.open(folder / "coarse.cassata").batch_search(queries, k=K, ef_search=20)[1]
        assert found["indexes"][0]["points"][0]["recall"] == pytest.approx(recall(ids, expected))


def test_plot_needs_python_before_anything_is_measured(folder, tmp_path):
    lonely = tmp_path / "cassata"
    lonely.write_bytes(Path(BINARY).read_bytes())
    lonely.chmod(0o755)
    command = [lonely, "bench", "no index", "--queries", "queries.npy", "--plot", "curves.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == (
        f"cassata bench: neither {tmp_path}/python3 nor python3 on PATH can import cassata.plot, matplotlib; "
        "'pip install .[plot]' in the source tree installs them\n"
    )


def test_plot_that_fails_leaves_no_file(folder, tmp_path):
    """A module of ours that cannot draw stands for whatever may go wrong in there."""
    (tmp_path / "matplotlib.py").touch()
    (tmp_path / "cassata").mkdir()
    (tmp_path / "cassata" / "__init__.py").touch()
    (tmp_path / "cassata" / "plot.py").write_text("import sys\nif __name__ == '__main__':\n    sys.exit('no ink')\n")
    arguments = ("bench", "flat.cassata", "--queries", "queries.npy", "-q", "--plot", "no.png")
    done = run(*arguments, cwd=folder, code=2, env=with_python(PYTHONPATH=tmp_path))
    assert done.stderr.decode().splitlines()[0] == "no ink"
    assert not (folder / "no.png").exists()


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_plot_refuses_what_is_no_report(folder):
    unlike = report(folder, "flat.cassata")
    unlike["indexes"][0]["points"] = [[2]]
    for arguments, given, message in [
        (["png"], "", "cassata.plot: standard input: "),
        (
            ["png"],
            "[1]",
            "cassata.plot: standard input: report: [1] given, k, threads, queries, indexes missing or of another "
            "type; expected",
        ),
        (
            ["png"],
            json.dumps(unlike),
            "cassata.plot: standard input: indexes[0], points[0]: [2] given, recall, queries_per_second missing",
        ),
        ([], "{}", "usage: python -m cassata.plot"),
        (["gif"], "{}", "usage: python -m cassata.plot"),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "cassata.plot", *arguments], input=given, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert done.stderr.startswith(message)
        assert len(done.stderr.splitlines()) == 1


def test_candidates_of_two_stages_follow_the_width(folder):
    build = {"m": 4, "ef_construction": 20, "metric": "euclidean"}
    cassata.DenseRerankHNSW.build_from_file(
        folder / "vectors.npy", encoder="int4", path=folder / "stages.cassata", **build
    )
    common = ("stages.cassata", "graph.cassata", "--ef-search", "10,40")
    staged, graph = report(folder, *common)["indexes"]
    assert [(point["ef_search"], point["k_candidates"]) for point in staged["points"]] == [(10, 10), (40, 40)]
    assert "k_candidates" not in graph["points"][0]
    assert (staged["encodings"], graph["encodings"]) == ("int4 + f16", "f32")
    fixed = report(folder, *common, "--k-candidates", 30)["indexes"][0]
    assert [point["k_candidates"] for point in fixed["points"]] == [30, 30]
    text = output("bench", *common, "--queries", "queries.npy", "--repeat", 1, cwd=folder)
    assert text.count("k_candidates") == 1


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.parametrize(
    ("name", "magic"), [("curves.png", b"\x89PNG"), ("curves.svg", b"<?xml"), ("Curves.PDF", b"%PDF")]
)
def test_plot(folder, name, magic):
    arguments = ("bench", "flat.cassata", "graph.cassata", "--queries", "queries.npy", "--repeat", 1, "-q")
    output(*arguments, "--plot", name, cwd=folder, env=with_python())
    assert (folder / name).read_bytes().startswith(magic)


def test_the_page_has_every_option():
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    table = page.partition("\n## bench\n")[2].partition("\n## ")[0]
    for names in re.findall(r"^  (-\S+)(?: \[ (--\S+) \])?", output("bench", "--help"), re.MULTILINE):
        assert "--help" in names or any(f"`{name}`" in table for name in names if name), names
