"""The program `cassata` as a user or a script meets it: what it accepts, what it prints."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cassata
import numpy as np
import pytest
from cassata import _core
from cli import BINARY, output, refusal, run
from conftest import brute_force

# --- help and bad usage -----------------------------------------------------------------------------------------------


def test_help_and_version():
    overview = output("--help")
    commands = re.findall(r"^  (\w+) ", overview, re.MULTILINE)
    assert commands == ["build", "search", "fuse", "inspect", "verify", "bench", "clean", "pack", "unpack"]
    for command in commands:
        assert output(command, "--help").startswith(f"Usage: cassata {command} ")
        assert output(command, "-h") == output(command, "--help")
    assert output("--version") == f"cassata {cassata.__version__} ({cassata.simd_target})\n"


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("build", ("build",)),
        ("search", ("search",)),
        ("recommend", ("build", "--target-recall")),
        ("two_level", ("build", "--two-level")),
        ("join", ("build", "--multivec")),
    ],
)
def test_options_and_defaults_are_those_of_the_table(stage, words):
    """The same table makes Python's arguments."""
    shown = re.split(r"\n +(?=-)", output(*words, "--help"))
    for row in _core.parameters:
        if row["stage"] != stage:
            continue
        (text,) = (" ".join(one.split()) for one in shown if re.match(rf"(-\w \[ )?{row['option']}[ \n]", one))
        if row["type"] in ("int", "float") and row["default"] is not None:
            assert re.search(rf"(default: |else ){row['default']:g}\)$", text.split(" Usage: ")[0].strip()), text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no command given"),
        (("fly",), "no command 'fly'"),
        (("build",), "INPUT is missing"),
        (("build", "", "-o", "z"), "INPUT: '' given, expected a path"),
        (("search", "x.cassata", "", "-k", "1"), "QUERIES: '' given"),
        (("build", "missing.npz", "-o", "z"), "cannot open missing.npz: No such file"),
        (("build", "x.npy", "-o", "folder/"), "--output: 'folder/' given, expected a file"),
        (
            ("build", "x.npy", "-o", "z", "--rerank", "f99"),
            "--rerank: 'f99' given, expected one of 'f16', 'f32', 'rabitq'",
        ),
        (("build", "x.npy"), "--output: none given"),
        (("build", "x.npy", "y", "-o", "z"), "too many arguments"),
        (("build", "x.npy", "-o"), "output"),
        (("build", "x.npy", "-o", "z", "--colour", "red"), "--colour"),
        (("build", "x.npy", "-o", "z", "--metric", "hamming"), "--metric: .*hamming.*unpack.*euclidean"),
        (("build", "x.npy", "-o", "z", "--kind", "tree"), "--kind: .*tree.*hnsw"),
        (("build", "x.npy", "-o", "z", "-m", "many"), "-m: 'many' given, expected a whole number"),
        (
            ("build", "x.npy", "-o", "z", "-m", "99999999999"),
            "-m: '99999999999' given, expected a whole number from 2 to 512",
        ),
        (("build", "missing.npy", "-o", "z"), "missing.npy.*No such file"),
        (
            ("build", "vectors.txt", "-o", "z"),
            "vectors.txt: extension '.txt', expected one of .npy, .*; sparse vectors are in .bin or .npz files",
        ),
        (("build", "vectors.npy", "-o", "z", "--resume"), "--resume: given without --memory-budget, expected both"),
        (("build", "vectors.npy", "-o", "no/such/folder/z"), "no/such/folder.*No such file"),
        (("build", "vectors.npy", "-o", "."), "."),
        (("build", "vectors.npy", "-o", "vectors.npy"), "is the input itself"),
        (("build", "vectors.npy", "-o", "link.npy"), "is the input itself"),
        (("search", "index.cassata"), "QUERIES is missing"),
        (("search", "missing.cassata", "queries.npy"), "missing.cassata.*No such file"),
        (("search", "vectors.npy", "queries.npy"), "vectors.npy.*not a Cassata index"),
        (("search", "index.cassata", "queries.npy", "--k", "3"), "--k"),
        (("search", "index.cassata", "queries.npy", "-k=-1"), "-k"),
        (
            ("search", "index.cassata", "queries.npy", "--format", "xml"),
            "--format: 'xml' given, expected one of tsv, trec, json",
        ),
        (("search", "index.cassata", "queries.npy", "--run-name", "my run"), "--run-name: 'my run' given"),
        (
            ("search", "index.cassata", "queries.npy", "--early-exit-threshold", "-0.7"),
            "--early-exit-threshold: '-0.7' given",
        ),
        (
            ("search", "index.cassata", "queries.npy", "--k-candidates", "5"),
            "--k-candidates: given, expected only with an index that has rerank codes or .*; index.cassata holds a "
            "DenseFlatIndex",
        ),
        (
            ("search", "index.cassata", "queries.npy", "--query-cut", "5"),
            "--query-cut: given, expected only with kind 'postings'",
        ),
        (("search", "index.cassata", "narrow.npy"), "narrow.npy: dim 7, expected 24"),
        (("search", "index.cassata", "nan.npy"), "nan.npy: row 1, column 3: [Nn]a[Nn]"),
        (("search", "index.cassata", "queries.npy", "-o", "queries.npy"), "is the input itself"),
        (("search", "index.cassata", "queries.npy", "-o", "index.cassata"), "is the input itself"),
        (("inspect",), "INDEX is missing"),
        (("inspect", "queries.npy"), "not a Cassata index"),
        (("inspect", "."), "directory"),
        (("verify",), "INDEX is missing"),
    ],
)
def test_refusals(arguments, message, files):
    run("build", "vectors.npy", "-o", "index.cassata", "--kind", "flat", "-q", cwd=files)
    (files / "vectors.txt").write_text("1 2 3\n")
    (files / "link.npy").symlink_to("vectors.npy")
    np.save(files / "narrow.npy", np.zeros((2, 7), np.float32))
    bad = np.zeros((2, 24), np.float32)
    bad[1, 3] = np.nan
    np.save(files / "nan.npy", bad)
    before = {path.name: path.read_bytes() for path in files.iterdir()}
    assert re.search(message, refusal(*arguments, cwd=files))
    assert {path.name: path.read_bytes() for path in files.iterdir()} == before


# --- build ------------------------------------------------------------------------------------------------------------


def test_build_equals_python(files, vectors, metric):
    for kind, face in (("hnsw", cassata.DensePlainHNSW), ("flat", cassata.DenseFlatIndex)):
        for encoding in ("f32", "f16"):
            run(
                "build",
                "vectors.npy",
                "-o",
                "cli",
                "--kind",
                kind,
                "--metric",
                metric,
                "--encoding",
                encoding,
                "-q",
                cwd=files,
            )
            face.build_from_file(files / "vectors.npy", metric=metric, dtype=encoding, path=files / "python")
            assert (files / "cli").read_bytes() == (files / "python").read_bytes()


def test_build_passes_every_choice(files):
    choices = "--graph-type standard -m 7 --ef-construction 33 --threads 2 --metric euclidean --encoding f16"
    run("build", "vectors.npy", "-o", "index", *choices.split(), "-q", cwd=files)
    info = cassata.open(files / "index").info
    assert (info["graph"]["graph_type"], info["graph"]["m"], info["graph"]["ef_construction"]) == ("standard", 7, 33)
    assert (info["metric"], info["dtype"]) == ("euclidean", "f16")


def test_build_summary(files):
    text = output("build", "vectors.npy", "-o", "index", cwd=files)
    assert re.fullmatch(
        r"index: DensePlainHNSW of 800 vectors, dim 24, [0-9.]+ kB, built in [0-9.]+ s \([0-9,]+ rows/s\)\n", text
    )
    summary = json.loads(output("build", "vectors.npy", "-o", "index", "--json", cwd=files))
    index = cassata.open(files / "index")
    expected = {
        name: index.info[name] for name in ("class", "kind", "n", "dim", "metric", "dtype", "file_size", "uuid")
    }
    assert {name: summary[name] for name in expected} == expected
    assert summary["rows_per_second"] == pytest.approx(800 / summary["seconds"])
    assert output("build", "vectors.npy", "-o", "index", "-q", cwd=files) == ""


def test_progress_on_a_terminal_only(files):
    control, terminal = pty.openpty()
    done = run(
        "build", "vectors.npy", "-o", "index", cwd=files, capture_output=False, stdout=subprocess.PIPE, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(control, 65536):
            shown += chunk
    except OSError:  # the terminal's end
        pass
    os.close(control)
    assert re.search(rb"\[#{25}\] 100 %", shown)
    assert b"#" not in done.stdout


# --- search -----------------------------------------------------------------------------------------------------------


def test_tsv(built, files, vectors, queries):
    path, metric = built
    scores, ids = brute_force(vectors[:800], queries, 5, metric)
    lines = [
        line.split("\t") for line in output("search", path, files / "queries.npy", "-k", 5, "--exact").splitlines()
    ]
    assert [(int(q), int(i), int(rank)) for q, i, rank, _ in lines] == [
        (q, ids[q, r], r + 1) for q in range(len(queries)) for r in range(5)
    ]
    np.testing.assert_allclose([float(line[3]) for line in lines], scores.ravel(), rtol=1e-4, atol=1e-4)


def test_trec_puts_the_best_score_first(built, files):
    path, metric = built
    tsv = [line.split("\t") for line in output("search", path, files / "queries.npy").splitlines()]
    trec = [
        line.split(" ")
        for line in output("search", path, files / "queries.npy", "--format", "trec", "--run-name", "mine").splitlines()
    ]
    assert [line[:4] for line in trec] == [[q, "Q0", i, rank] for q, i, rank, _ in tsv]
    sign = -1 if metric == "euclidean" else 1
    assert [float(line[4]) for line in trec] == [sign * float(line[3]) for line in tsv]
    assert {line[5] for line in trec} == {"mine"}
    scores = np.array([float(line[4]) for line in trec]).reshape(-1, 10)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_json_lines_equal_python(built, files, queries):
    path, _ = built
    for k, ef_search, threshold, threads in [(10, 200, 0, 1), (3, 20, 0.3, 2), (1000, 200, 0, 0), (0, 200, 0, 1)]:
        options = ["-k", k, "--ef-search", ef_search, "--early-exit-threshold", threshold, "--threads", threads]
        lines = [
            json.loads(line)
            for line in output("search", path, files / "queries.npy", "--format", "json", *options).splitlines()
        ]
        scores, ids = cassata.open(path).batch_search(queries, k, ef_search=ef_search, early_exit_threshold=threshold)
        assert [line["query"] for line in lines] == list(range(len(queries)))
        assert [line["ids"] for line in lines] == [[i for i in row if i >= 0] for row in ids.tolist()]
        found = np.array([score for line in lines for score in line["scores"]], np.float32)
        np.testing.assert_array_equal(found, scores[ids >= 0])  # every digit that a float32 needs


def test_queries_beyond_one_batch(files, queries):
    run("build", "vectors.npy", "-o", "index", "--kind", "flat", "-q", cwd=files)
    many = np.tile(queries, (50, 1))  # 3,000
    np.save(files / "many.npy", many)
    lines = output("search", "index", "many.npy", "-k", 1, cwd=files).splitlines()
    expected = brute_force(np.load(files / "vectors.npy"), queries, 1, "dotproduct")[1].ravel().tolist() * 50
    assert [tuple(map(int, line.split("\t")[:2])) for line in lines] == list(enumerate(expected))


def test_standard_input(built, files, queries):
    path, _ = built
    expected = output("search", path, files / "queries.npy")
    for separator in (" ", ", ", "\t"):
        text = "\n".join(separator.join(map(repr, row)) for row in queries.tolist()) + "\n\n"
        assert output("search", path, "-", input=text.encode()) == expected
    assert output("search", path, "-", input=b"") == ""
    with open("/proc/self/mem", "rb") as unreadable:  # at byte 0, where no memory is
        assert "cannot read standard input: Input/output error" in refusal("search", path, "-", stdin=unreadable)
    row = "1 " * 24 + "\n"
    for text, message in [
        (row + "1 2\n", "row 1 has 2 numbers, expected 24"),
        (row + "1 2 three", "row 1, column 2: 'three' given, expected a number"),
        (row.replace("1", "nan", 1), "row 0, column 0: NaN"),
        ((files / "queries.npy").read_bytes(), "a .npy file"),
    ]:
        assert message in refusal("search", path, "-", input=text if isinstance(text, bytes) else text.encode())


def test_output_file(built, files):
    path, _ = built
    expected = output("search", path, files / "queries.npy")
    assert output("search", path, files / "queries.npy", "-o", files / "run.tsv") == ""
    assert (files / "run.tsv").read_text() == expected
    assert output("search", path, files / "queries.npy", "-o", "/dev/stdout") == expected
    assert output("search", path, files / "queries.npy", "-o", "-") == expected
    assert not list(files.glob("*.partial"))


# --- inspect, verify --------------------------------------------------------------------------------------------------


def test_inspect_json_equals_python(built):
    path, _ = built
    shown = json.loads(output("inspect", path, "--json"))
    info = cassata.open(path).info
    info["format_version"] = list(info["format_version"])
    assert {name: shown[name] for name in info} == info
    assert shown["manifest"]["offset"] + shown["manifest"]["length"] == path.stat().st_size


def test_inspect_table(built, files):
    path, metric = built
    text = output("inspect", path)
    info = cassata.open(path).info
    for pattern in [
        r"class +DensePlainHNSW",
        r"vectors +800",
        r"dim +24",
        rf"metric +{metric}",
        r"layers +800 > ",
        info["uuid"],
        "from +vectors.npy: 800 rows",
    ]:
        assert re.search(pattern, text), pattern
    for section in info["sections"]:
        assert re.search(
            rf"{re.escape(section['name'])} +{section['offset']:,} +{section['length']:,} +[0-9.]+ % "
            rf"+{section['tier']}",
            text,
        )
    lengths = re.findall(r"^  [(\w.)]+(?: \w+\))? +(?:[0-9,]+ +)?([0-9,]+) +[0-9.]+ %", text, re.MULTILINE)
    assert sum(int(length.replace(",", "")) for length in lengths) == path.stat().st_size  # every byte is accounted for


ODD_NAMES = [
    b"line\nfeed",
    b"quote\"'\\back",
    b"tab\there",
    b"\xff\xfe not utf-8",
    "🍰 ünïcode".encode(),
    b"\x1b[31mred",
    b"-dash",
    b" blank ",
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=repr)
def test_odd_names(name, files):
    name, source = os.path.join(b".", name), os.path.join(b".", name + b".npy")
    shutil.copy(files / "vectors.npy", os.path.join(os.fsencode(files), source))
    assert run("build", source, "-o", name, cwd=files).stdout.count(b"\n") == 1
    shown = json.loads(run("inspect", name, "--json", cwd=files).stdout.decode())  # valid UTF-8, valid JSON
    assert shown["path"] == name.decode(errors="replace")
    assert shown["provenance"]["inputs"][0]["name"] == os.path.basename(source).decode(errors="replace")
    table = run("inspect", name, cwd=files).stdout
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", table)
    table.decode()
    assert run("verify", name, cwd=files).stdout.count(b"\n") == 1
    assert json.loads(run("verify", name, "--json", cwd=files).stdout)[0]["ok"] is True
    refusal("inspect", name + b"?", cwd=files)


def test_verify_finds_damage(built, files):
    path, _ = built
    sound = path.read_bytes()
    sections = cassata.open(path).info["sections"]
    assert output("verify", path).startswith(f"{path}: ok, ")
    assert output("verify", path, "-q") == ""
    damaged = files / "damaged"
    for section in sections:
        at = section["offset"] + section["length"] // 2
        damaged.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        message = refusal("verify", damaged, code=1)
        assert re.search(r"section '[\w.]+' at byte \d+", message)
        begin = int(re.search(r"block from byte (\d+)", message)[1])
        assert begin <= at < begin + 64 * 1024
    done = run("verify", path, damaged, "--json", code=1)
    verdicts = json.loads(done.stdout)
    assert [verdict["ok"] for verdict in verdicts] == [True, False]
    assert verdicts[0]["error"] is None
    assert "section '" in verdicts[1]["error"]
    assert done.stderr == b""
    done = run("verify", damaged, path, files / "missing", code=2)
    assert done.stdout.decode().startswith(f"{path}: ok")
    assert done.stderr.count(b"\n") == 2
    damaged.write_bytes(sound[:-1])
    refusal("verify", damaged, code=1)
    refusal("search", damaged, files / "queries.npy", code=2)


# --- what Python takes, too, and what is misspelt ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["ip", "IP", "inner_product", "dot", "DotProduct", "l2", "L2", "sqeuclidean", "Euclidean"]
)
def test_names_of_metrics_are_shared(files, name):
    run("build", files / "vectors.npy", "-o", files / "cli", "--metric", name, "-q")
    index = cassata.DensePlainHNSW.build_from_file(files / "vectors.npy", metric=name, path=files / "python")
    assert (files / "cli").read_bytes() == (files / "python").read_bytes()
    assert cassata.DensePlainHNSW.load(files / "cli", metric=name).metric == index.metric


def test_vectors_named_by_big_ann_benchmarks(files, vectors):
    with open(files / "base.1B.fbin.crop_nb_800", "wb") as file:
        np.array([800, vectors.shape[1]], "<u4").tofile(file)
        vectors[:800].tofile(file)
    run("build", "base.1B.fbin.crop_nb_800", "-o", "cropped", "-q", cwd=files)
    run("build", "vectors.npy", "-o", "whole", "-q", cwd=files)
    assert len(cassata.DenseFlatIndex.build_from_file(files / "base.1B.fbin.crop_nb_800")) == 800
    expected = output("search", "whole", "queries.npy", cwd=files)
    assert output("search", "cropped", "queries.npy", cwd=files) == expected
    os.rename(files / "base.1B.fbin.crop_nb_800", files / "base.1B.fbin.crop_nb_x")
    assert "extension '.crop_nb_x', expected one of .npy" in refusal(
        "build", "base.1B.fbin.crop_nb_x", "-o", "x", cwd=files
    )


@pytest.mark.parametrize("descr", ["<u1", "=u1", "|u1", "u1", "uint8"])
@pytest.mark.parametrize("wide", [False, True])
def test_npy_files_of_other_writers(tmp_path, descr, wide):
    array = np.arange(80).reshape(10, 8).astype("f4" if wide else "u1")
    descr = descr.replace("u1", "f4").replace("uint8", "float32") if wide else descr
    np.save(tmp_path / "a.npy", array)
    content = (tmp_path / "a.npy").read_bytes()
    written = b"'<f4'" if wide else b"'|u1'"
    (tmp_path / "a.npy").write_bytes(_with_descr(content, written, descr))
    run("build", "a.npy", "-o", "index", "-q", cwd=tmp_path)
    assert cassata.open(tmp_path / "index").n == 10


def _with_descr(content, written, descr):
    """A .npy file of version 1 with another descriptor in its header."""
    length = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + length].rstrip().replace(written, f"'{descr}'".encode()).ljust(length - 1) + b"\n"
    return content[:10] + header + content[10 + length :]


@pytest.mark.parametrize(
    "typed",
    [
        "{rows}",
        "\ufeff{rows}",
        "[{row}]\n[{row}]",
        "[[{row}],\n [{row}]]",
        "\ufeff  [[{row}], [{row}]]\r\n",
    ],
)
def test_typed_queries_as_programs_print_them(built, queries, typed):
    path, _ = built
    row = ", ".join(map(repr, queries[0].tolist()))
    expected = output("search", path, "-", input=f"{row}\n{row}\n".encode())
    assert len(expected.splitlines()) == 20
    assert output("search", path, "-", input=typed.format(row=row, rows=f"{row}\n{row}\n").encode()) == expected


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("[1, 2", "standard input: begins like JSON, but is not valid JSON"),
        ("[1, 2]", "standard input: row 0 has 2 numbers, expected 24"),
        ("[[1, 2], 3]", "standard input: "),
        ('["a", "b"]', "standard input: row 0, column 0: "),
        ('[{"a": 1}]', "standard input: row 0, column 0: "),
    ],
)
def test_typed_json_that_does_not_fit(built, typed, message):
    assert message in refusal("search", built[0], "-", input=typed.encode())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("search", "i", "q", "--ef_search", "9"), "--ef_search'; did you mean --ef-search?"),
        (("search", "i", "q", "--efsearch=9"), "did you mean --ef-search?"),
        (("search", "i", "q", "--k", "3"), "did you mean -k?"),
        (("build", "i", "-o", "o", "-M", "3"), "did you mean -m?"),
        (("build", "i", "-o", "o", "--encodng", "f16"), "did you mean --encoding?"),
        (("bench", "i", "--querys", "q"), "did you mean --queries?"),
        (("build", "i", "-o", "o", "--colour", "red"), "no option '--colour'; see 'cassata build --help'"),
        (("search", "i", "q", "-k", "-1"), "-k: '-1' given, expected a whole number, 0 or more"),
        (
            ("search", "i", "q", "-k", "99999999999999999999"),
            "-k: '99999999999999999999' given, expected a whole number, 0 or more",
        ),
    ],
)
def test_what_is_misspelt(words, told):
    assert told in refusal(*words)


def test_a_found_width_is_kept_in_the_file(files):
    made = json.loads(
        output("build", "vectors.npy", "-o", "found", "--target-recall", "0.9", "--sample", "400", "--json", cwd=files)
    )
    width = made["recommendation"]["ef_search"]
    index = cassata.open(files / "found")
    assert index.info["ef_search"] == json.loads(output("inspect", "found", "--json", cwd=files))["ef_search"] == width
    assert "--ef-search N " in output("search", "--help")
    usual = output("search", "found", "queries.npy", cwd=files)
    assert usual == output("search", "found", "queries.npy", *(("--ef-search", width) if width else ()), cwd=files)
    run("build", "vectors.npy", "-o", "plain", "-q", cwd=files)
    plain = cassata.open(files / "plain")
    assert plain.info["ef_search"] is None
    queries = np.load(files / "queries.npy")
    np.testing.assert_array_equal(plain.batch_search(queries, 10), plain.batch_search(queries, 10, ef_search=200))
    np.testing.assert_array_equal(plain.search(queries, 10, None), plain.search(queries, 10, 200))


def test_the_package_runs_the_program(tmp_path):
    (tmp_path / "cassata").symlink_to(BINARY)
    command = [sys.executable, "-m", "cassata", "--version"]
    for path, code, printed in ((tmp_path, 0, f"cassata {cassata.__version__}"), ("", 2, "")):
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": str(path)})
        if Path(sys.executable).with_name("cassata").exists():
            code, printed = 0, f"cassata {cassata.__version__}"
        assert done.returncode == code
        assert done.stdout.startswith(printed)
        assert done.stderr.count("\n") == (0 if code == 0 else 1)
