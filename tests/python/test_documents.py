"""Stored documents, and packed indexes, through Python."""

from __future__ import annotations

import gc

import cassata
import numpy as np
import pytest
from conftest import clustered, rng, topics
from plain_reader import PlainIndex

N = 600


def words(count=N, seed=1):
    """Texts of several alphabets, some of them empty, one longer than a record of short lengths holds."""
    random = rng(seed)
    known = ["größer", "a", "search", "字", "🎲", "vectors\n", "\t"]
    texts = [" ".join(random.choice(known, random.integers(0, 40))) for _ in range(count)]
    return [*texts[:-1], "long " * 20_000]


@pytest.fixture(scope="module")
def vectors():
    return clustered(N, 16, seed=2)


def built(vectors, documents, path=None):
    return cassata.build(vectors, path, m=8, ef_construction=40, documents=documents)


def test_texts(vectors, tmp_path):
    texts = words()
    index = built(vectors, texts, tmp_path / "index")
    rows = rng(3).integers(0, N, 50)
    assert index.documents(rows) == [texts[row] for row in rows]
    assert index.documents([]) == []
    _, ids = index.search(vectors[5], k=7)
    assert index.documents(ids) == [texts[row] for row in ids]
    index.verify()
    held = index.info["documents"]
    assert held["text"] is True
    assert held["bytes"] == sum(len(text.encode()) for text in texts)
    assert held["largest"] == 100_000
    entry = index.info["provenance"]["inputs"][-1]
    assert (entry["name"], entry["rows"], entry["bytes"]) == ("documents", N, held["bytes"])
    with cassata.open(tmp_path / "index", verify="touched") as again:
        assert again.documents(range(N)) == texts


def test_bytes(vectors):
    parts = [rng(i).bytes(i % 50) for i in range(N)]
    index = built(vectors, iter(parts))
    assert index.info["documents"]["text"] is False
    assert index.documents(np.arange(N)) == parts


def test_sources(vectors):
    pandas = pytest.importorskip("pandas")
    arrow = pytest.importorskip("pyarrow")
    texts = words()
    sources = [
        tuple(texts),
        (text for text in texts),
        np.array(texts, object),
        np.array([*texts[:-1], "short"]),
        pandas.Series(texts, index=range(7, N + 7)),
        arrow.array(texts),
        arrow.chunked_array([texts[:100], texts[100:]]),
    ]
    for source in sources:
        found = built(vectors, source).documents(range(N))
        assert found[:-1] == texts[:-1], type(source)


def test_plain_reader_reads_them(vectors, tmp_path):
    pytest.importorskip("zstandard")
    texts = [f'{{"title": "item {i * 7919 % 10_000}", "text": "as in the terms and conditions"}}' for i in range(6000)]
    cassata.build(rng(4).random((6000, 4), "f4"), tmp_path / "alike", kind="flat", documents=texts)
    cassata.build(vectors, tmp_path / "long", kind="flat", documents=[text.encode() for text in words()])
    alike, long = PlainIndex(str(tmp_path / "alike")), PlainIndex(str(tmp_path / "long"))
    assert "documents.dictionary" in alike.sections
    assert [alike.stored_document(row) for row in range(0, 6000, 37)] == texts[::37]
    assert [long.stored_document(row) for row in range(N)] == [text.encode() for text in words()]


@pytest.mark.parametrize(
    ("documents", "error", "found"),
    [
        (["a"] * (N - 1), ValueError, f"documents: {N - 1} documents, expected {N}, one for each vector"),
        (["a"] * (N + 1), ValueError, f"documents: more than {N} documents, expected {N}"),
        (["a", None] * N, TypeError, "documents: document 1 is None, expected str, as the first one"),
        ([b"a", "a"] * N, TypeError, "documents: document 1 is 'a', expected bytes, as the first one"),
        ([1] * N, TypeError, "documents: document 0 is 1, expected str or bytes"),
        (["a", "\ud800"] * N, ValueError, "documents: document 1 holds a lone surrogate"),
        ("a" * N, TypeError, "documents: 'aaa"),
        (5, TypeError, "documents: 5 given, expected an iterable of str or bytes"),
    ],
    ids=["few", "many", "none", "mixed", "numbers", "surrogate", "text", "number"],
)
def test_wrong_documents(vectors, tmp_path, documents, error, found):
    with pytest.raises(error) as raised:
        built(vectors, documents, tmp_path / "index")
    assert found in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_source_comes_through(vectors):
    def broken():
        yield "a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        built(vectors, broken())
    gc.collect()


def test_external_ids(vectors):
    texts = words()
    named = cassata.build(vectors, kind="flat", documents=texts, ids=[f"n{i}" for i in range(N)])
    _, found = named.search(vectors[5], k=4)
    assert named.documents(found) == [texts[int(name[1:])] for name in found]
    numbered = cassata.build(vectors, kind="flat", documents=texts, ids=np.arange(N) * 10 - 50)
    assert numbered.documents(np.array([-50, 40])) == [texts[0], texts[9]]
    assert (
        cassata.build(vectors, kind="flat", documents=texts, ids=list(range(N, 0, -1))).documents(iter([N]))
        == texts[:1]
    )


def test_wrong_ids(vectors):
    index = built(vectors, words())
    for ids, error in (([N], KeyError), ([-1], KeyError), (["a"], KeyError), ([1.5], TypeError), (5, TypeError)):
        with pytest.raises(error):
            index.documents(ids)
    with pytest.raises(ValueError, match="holds none, expected an index built with documents"):
        cassata.build(vectors, kind="flat").documents([0])


def test_every_builder_takes_them(vectors, tmp_path):
    texts = words()
    np.save(tmp_path / "vectors.npy", vectors)
    matrix = topics(N, 300, seed=5)
    for index in (
        cassata.DenseFlatIndex.build_from_array(vectors, documents=texts),
        cassata.DensePlainHNSW.build_from_file(tmp_path / "vectors.npy", m=8, documents=texts),
        cassata.SparsePlainHNSW.build_from_arrays(matrix, m=8, documents=texts),
    ):
        assert index.documents([0, N - 1]) == [texts[0], texts[-1]]


def test_a_recommended_and_a_joined_index_have_them(vectors, tmp_path):
    texts = words()
    found = cassata.recommend(vectors, target_recall=0.5, k=1)
    assert found.build(vectors, documents=texts).documents([3]) == [texts[3]]
    np.save(tmp_path / "doclens.npy", np.ones(N, "i4"))
    np.save(tmp_path / "documents.npy", rng(6).random((N, 4), "f4"))
    joined = built(vectors, texts).join(tmp_path)
    assert joined.documents([3, N - 1]) == [texts[3], texts[-1]]


def test_pack_and_unpack(vectors, tmp_path):
    index = built(vectors, words(), tmp_path / "index")
    stages = set()
    cassata.pack(tmp_path / "index", tmp_path / "archive", level=3, progress=lambda stage, *_: stages.add(stage))
    cassata.unpack(tmp_path / "archive", tmp_path / "copy", progress=lambda stage, *_: stages.add(stage))
    assert stages == {"pack", "unpack", "verify"}
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "index").read_bytes()
    assert cassata.open(tmp_path / "copy").uuid == index.uuid
    with pytest.raises(ValueError, match="level: 23 given, expected 1 to 22"):
        cassata.pack(tmp_path / "index", tmp_path / "archive", level=23)
    with pytest.raises(cassata.FormatError, match="not a packed index"):
        cassata.unpack(tmp_path / "index", tmp_path / "copy")
    (tmp_path / "letter").write_text("Dear reader")
    with pytest.raises(FileExistsError, match="letter"):
        cassata.pack(tmp_path / "index", tmp_path / "letter")
