"""The program `cassata` and stored documents."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli import output, refusal
from conftest import rng

TEXTS = ["plain", "", "tab\there", 'a "quoted" word', "back\\slash", "größer 字 🎲"]


@pytest.fixture
def folder(tmp_path):
    """The folder of vectors.npy, queries.npy, documents.txt and documents.jsonl."""
    vectors = np.eye(len(TEXTS), dtype="f4") + rng(1).random((len(TEXTS), len(TEXTS)), "f4") / 8
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "queries.npy", np.eye(len(TEXTS), dtype="f4"))
    (tmp_path / "documents.txt").write_text("\n".join(TEXTS) + "\n")
    objects = [{"text": text + "\nsecond line", "n": i} for i, text in enumerate(TEXTS)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    return tmp_path


def built(folder, *choices):
    return output("build", "vectors.npy", "-o", "index", "--kind", "flat", *choices, cwd=folder)


def shown(folder, *choices):
    return output("search", "index", "queries.npy", "-k", "1", "--show", *choices, cwd=folder)


def test_lines(folder):
    built(folder, "--documents", "documents.txt")
    expected = [text.replace("\\", "\\\\").replace("\t", "\\t") for text in TEXTS]
    rows = [line.split("\t") for line in shown(folder).split("\n")[:-1]]
    assert [row[:3] for row in rows] == [[str(i), str(i), "1"] for i in range(len(TEXTS))]
    assert [row[4] for row in rows] == expected
    answers = [json.loads(line) for line in shown(folder, "--format", "json").splitlines()]
    assert [one["documents"] for one in answers] == [[text] for text in TEXTS]
    assert all(list(one) == ["query", "ids", "scores", "documents"] for one in answers)
    assert output("verify", "index", cwd=folder).startswith("index: ok")
    assert "\n  documents  texts of 55 B, the largest of 17 B\n" in output("inspect", "index", cwd=folder)
    facts = json.loads(output("inspect", "index", "--json", cwd=folder))
    assert facts["documents"]["text"] is True
    assert facts["documents"]["bytes"] == sum(len(text.encode()) for text in TEXTS)
    assert [one["name"] for one in facts["provenance"]["inputs"]] == ["vectors.npy", "documents.txt"]


def test_json_lines(folder):
    built(folder, "--documents", "documents.jsonl")
    answers = [json.loads(line) for line in shown(folder, "--format", "json").splitlines()]
    assert [one["documents"] for one in answers] == [[text + "\nsecond line"] for text in TEXTS]
    assert shown(folder).split("\n")[0].split("\t")[4] == "plain\\nsecond line"


def test_windows_line_ends_and_a_missing_last_one(folder):
    (folder / "documents.txt").write_bytes("\r\n".join(TEXTS).encode())
    built(folder, "--documents", "documents.txt")
    answers = [json.loads(line) for line in shown(folder, "--format", "json").splitlines()]
    assert [one["documents"][0] for one in answers] == TEXTS


def test_results_with_documents_are_replaced(folder):
    built(folder, "--documents", "documents.txt")
    for _ in range(2):
        shown(folder, "-o", "results.tsv")
    assert len((folder / "results.tsv").read_text().splitlines()) == len(TEXTS)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("few.txt", b"a\nb\n", "few.txt: 2 documents, expected 6, one for each vector"),
        ("many.txt", b"a\n" * 7, "many.txt: more than 6 documents, expected 6"),
        ("latin.txt", b"a\nb\xe4\n" * 3, "latin.txt: document 1: byte 1 is not UTF-8"),
        ("bad.jsonl", b'{"text": "a"}\n[1]\n', "bad.jsonl: line 2: '[1]', expected a JSON object"),
        ("key.jsonl", b'{"title": "a"}\n', "key.jsonl: line 1: no key 'text'"),
        ("type.jsonl", b'{"text": 7}\n', "type.jsonl: line 1: the value of 'text' is a number"),
        ("missing.txt", None, "missing.txt"),
    ],
)
def test_bad_files(folder, name, content, found):
    if content is not None:
        (folder / name).write_bytes(content)
    assert found in refusal("build", "vectors.npy", "-o", "index", "--kind", "flat", "--documents", name, cwd=folder)
    assert not (folder / "index").exists()


def test_field(folder):
    (folder / "other.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in TEXTS))
    built(folder, "--documents", "other.jsonl", "--document-field", "body")
    assert [row.split("\t")[4] for row in shown(folder).split("\n")[:2]] == ["plain", ""]


def test_what_cannot_be_shown(folder):
    built(folder)
    search = ("search", "index", "queries.npy", "--show")
    assert "--show: index holds no documents, expected texts" in refusal(*search, cwd=folder)
    built(folder, "--documents", "documents.txt")
    assert "--show: given with --format trec" in refusal(*search, "--format", "trec", cwd=folder)
    assert "--documents: given, unsupported with --multivec" in refusal(
        "build", "index", "-o", "joined", "--multivec", "tokens", "--documents", "documents.txt", cwd=folder
    )


def test_a_recommended_index(folder):
    vectors = rng(2).standard_normal((500, 8), "f4")
    np.save(folder / "many.npy", vectors)
    np.save(folder / "queries.npy", vectors[[7]])
    (folder / "many.txt").write_text("".join(f"text {i}\n" for i in range(500)))
    output(
        "build",
        "many.npy",
        "-o",
        "index",
        "--target-recall",
        "0.5",
        "--metric",
        "euclidean",
        "-q",
        "--documents",
        "many.txt",
        cwd=folder,
    )
    assert shown(folder).rstrip("\n").split("\t")[4] == "text 7"
