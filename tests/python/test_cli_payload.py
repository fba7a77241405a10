"""External ids and fields on the command line: `build --ids --fields`, ids in the results of `search`, `inspect`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli import output, refusal
from conftest import rng

N, DIM = 60, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payload")
    np.save(folder / "vectors.npy", rng(1).normal(size=(N, DIM)).astype("f4"))
    np.save(folder / "queries.npy", np.load(folder / "vectors.npy")[[3, 5]])
    (folder / "texts.txt").write_text("".join(f"doc-{row}\n" for row in range(N)))
    np.save(folder / "numbers.npy", np.arange(N) * 7 - 20)
    objects = [
        {
            "size": row,
            "weight": row if row < 10 else row / 4,
            "public": row % 2 == 0,
            "section": "games" if row % 3 else "Zürich",
            "tags": ["a", "b"][: row % 3],
        }
        for row in range(N)
    ]
    objects[4]["size"] = None
    del objects[5]["section"], objects[5]["tags"]
    (folder / "fields.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects))
    for ids in ("texts.txt", "numbers.npy"):
        output(
            "build", folder / "vectors.npy", "-o", folder / ids.split(".")[0], "--kind", "flat", "-q",
            "--metric", "euclidean", "--ids", folder / ids, "--fields", folder / "fields.jsonl",
        )  # fmt: skip
    return folder


def search(folder, index, *options):
    return output("search", folder / index, folder / "queries.npy", "-k", "2", *options).splitlines()


def test_results_have_the_ids(folder):
    best = [line.split("\t")[:3] for line in search(folder, "texts")[::2]]
    assert best == [["0", "doc-3", "1"], ["1", "doc-5", "1"]]
    assert [line.split("\t")[1] for line in search(folder, "numbers")[::2]] == ["1", "15"]
    assert search(folder, "texts", "--format", "trec")[0].startswith("0 Q0 doc-3 1 ")
    assert json.loads(search(folder, "texts", "--format", "json")[0])["ids"][0] == "doc-3"
    assert json.loads(search(folder, "numbers", "--format", "json")[1])["ids"][0] == 15


def test_queries_have_the_names_that_are_given(folder):
    (folder / "names").write_text("first query\r\nsecond\n")
    names = ("--query-ids", folder / "names")
    assert search(folder, "texts", *names)[2].split("\t")[:2] == ["second", "doc-5"]
    assert json.loads(search(folder, "texts", *names, "--format", "json")[0])["query"] == "first query"
    message = refusal("search", folder / "texts", folder / "queries.npy", *names, "--format", "trec")
    assert (
        "'first query', expected a text without blanks and line breaks for --format trec; json can hold it" in message
    )
    (folder / "names").write_text("one\n")
    message = refusal("search", folder / "texts", folder / "queries.npy", *names)
    assert "1 ids, expected 2, as there are queries" in message


def test_results_may_replace_results(folder):
    for form in ("tsv", "trec", "json"):
        for _ in range(2):
            search(folder, "texts", "--format", form, "-o", folder / f"results.{form}")
    (folder / "other").write_text("a\tb\t1\tc\n")
    assert "other" in refusal("search", folder / "texts", folder / "queries.npy", "-o", folder / "other")


def test_inspect_lists_them(folder):
    shown = output("inspect", folder / "texts")
    assert "  ids        text\n" in shown
    assert "  fields     size: int64, with nulls\n" in shown
    assert "section: text, 2 different, with nulls\n" in shown
    report = json.loads(output("inspect", folder / "numbers", "--json"))
    assert report["ids"] == "int64"
    assert [(field["name"], field["type"], field["nulls"], field["dictionary_size"]) for field in report["fields"]] == [
        ("size", "int64", True, None),
        ("weight", "float64", False, None),
        ("public", "bool", False, None),
        ("section", "text", True, 2),
        ("tags", "tags", True, 2),
    ]
    output("verify", folder / "texts")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}', "[1]"], "fields.jsonl: line 2: '[1]', expected an object of JSON"),
        (['{"a": 1}', '{"a": 1'], "line 2: '{\"a\": 1', expected an object of JSON"),
        (
            ['{"a": 1}', '{"a": "x"}'],
            "line 2: 'a': \"x\" given, expected a value of the same type as in the rows before",
        ),
        (['{"a": true}', '{"a": 1}'], "line 2: 'a': 1 given, expected a value of the same type"),
        (['{"a": "x"}', '{"a": 1.5}'], "line 2: 'a': 1.5 given, expected a value of the same type"),
        (['{"a": {}}'], "line 1: 'a': {} given, expected a number, true, false, a text, a list of texts or null"),
        (['{"a": [1]}'], "line 1: 'a': [1] given, expected a number"),
        (['{"a": 9223372036854775808}'], "9223372036854775808 given, expected an integer of 64 bits"),
        (['{"a": 1}'], "fields: 'a': 1 values, expected 60, as there are vectors"),
        (['{"": 1}'] * N, "fields: '': not a name"),
    ],
)
def test_refuses_fields_that_are_none(folder, tmp_path, lines, message):
    path = tmp_path / "fields.jsonl"
    path.write_text("\n".join(lines) + "\n")
    words = ("build", folder / "vectors.npy", "-o", tmp_path / "index", "--fields", path)
    assert message in refusal(*words)
    assert not (tmp_path / "index").exists()


def test_refuses_ids_that_are_none(folder, tmp_path):
    words = ("build", folder / "vectors.npy", "-o", tmp_path / "index", "--ids")
    (tmp_path / "ids").write_text("a\n" * N)
    assert "ids: rows 0 and 1 have the same id 'a', expected each id once" in refusal(*words, tmp_path / "ids")
    np.save(tmp_path / "floats.npy", np.zeros(N))
    assert "floats.npy" in refusal(*words, tmp_path / "floats.npy")
    (tmp_path / "index").write_text("")
    assert "is the input itself" in refusal(*words, tmp_path / "index")


def test_a_recommended_index_has_them(tmp_path):
    vectors = rng(2).normal(size=(600, DIM)).astype("f4")
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "ids").write_text("".join(f"doc-{row}\n" for row in range(len(vectors))))
    (tmp_path / "fields").write_text('{"size": 1}\n' * len(vectors))
    output(
        "build", tmp_path / "vectors.npy", "-o", tmp_path / "index", "--target-recall", "0.9", "-q", "--ids",
        tmp_path / "ids", "--fields", tmp_path / "fields",
    )  # fmt: skip
    report = json.loads(output("inspect", tmp_path / "index", "--json"))
    assert (report["ids"], [field["name"] for field in report["fields"]]) == ("text", ["size"])
