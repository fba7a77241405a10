"""The demo, on small package lists made here and on the standard library's docstrings."""

from __future__ import annotations

import gzip
import lzma
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import cassata
import numpy as np
import pytest
from conftest import rng

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
if not EXAMPLES.exists():
    pytest.skip("an installed package has no examples", allow_module_level=True)
sys.path.insert(0, str(EXAMPLES))

from demo import bm25, latent, measure, store, texts, words  # noqa: E402

TOPICS = {
    "chess": "chess board game opponent checkmate play knight bishop",
    "image": "image picture resize photo pixel camera jpeg",
    "sound": "sound audio record music microphone wave",
    "mail": "mail send message inbox attachment address",
}


def described(count=200):
    """(name, short, long) of packages, each of a topic."""
    random = rng(5)
    made = []
    for i in range(count):
        topic = list(TOPICS)[i % len(TOPICS)]
        words = TOPICS[topic].split()
        made.append((f"{topic}-{i:03}", " ".join(random.permutation(words)[:3]), " ".join(random.choice(words, 12))))
    return made


@pytest.fixture
def lists(tmp_path):
    """A folder as apt keeps it: short descriptions in Packages, long ones in Translation-en, compressed in different
    ways."""
    folder = tmp_path / "lists"
    folder.mkdir()
    packages = "".join(
        f"Package: {name}\nVersion: 1\nDescription: {short}\nDescription-md5: 0\n\n" for name, short, _ in described()
    )
    stanza = "Package: {}\nDescription-md5: 0\nDescription-en: {}\n {}\n .\n {}\n\n"
    long = "".join(stanza.format(name, short, long[:40], long[40:]) for name, short, long in described())
    (folder / "mirror_dists_stable_main_binary-amd64_Packages.xz").write_bytes(lzma.compress(packages.encode()))
    (folder / "mirror_dists_stable_main_i18n_Translation-en.gz").write_bytes(gzip.compress(long.encode()))
    (folder / "mirror_dists_stable_InRelease").write_text("not a list\n")
    return folder


def demo(*arguments, code=0, command=(sys.executable, EXAMPLES / "demo"), **options):
    """What it prints."""
    options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 300, **options}
    done = subprocess.run([*command, *map(str, arguments)], check=False, **options)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["", ".gz", ".xz", ".lz4"])
def test_packages_are_read(extension, tmp_path):
    cake = b"Package: cake\nDescription: sweet\n thing\n .\n with  cream\nTag: food\n\n"
    stanza = cake + b"Package: bare\nVersion: 2\n\nPackage: pie\nDescription: flat\n"
    path = tmp_path / f"x_Packages{extension}"
    if extension == ".lz4":
        if not os.path.exists("/usr/lib/apt/apt-helper"):
            pytest.skip("apt's helper is not on this machine")
        path.write_bytes(lz4_frame(stanza))
    else:
        path.write_bytes({"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[extension](stanza))
    assert texts.read_packages([path]) == [
        texts.Text("cake", "sweet", "thing with  cream"),
        texts.Text("pie", "flat", ""),
    ]


def lz4_frame(data):
    """An LZ4 frame of one uncompressed block."""
    return b"\x04\x22\x4d\x18\x60\x40\x82" + (len(data) | 1 << 31).to_bytes(4, "little") + data + bytes(4)


def test_the_longest_description_wins(lists):
    source = texts.find_source(lists)
    assert source.kind == "packages"
    expected = [
        texts.Text(name, short, f"{long[:40].strip()} {long[40:].strip()}") for name, short, long in sorted(described())
    ]
    assert source.read() == expected


def test_fingerprint_follows_the_content(lists):
    first = texts.find_source(lists).fingerprint
    assert texts.find_source(lists).fingerprint == first
    list_ = next(lists.glob("*_Packages.xz"))
    list_.write_bytes(lzma.compress(lzma.decompress(list_.read_bytes()).replace(b"Version: 1", b"Version: 2", 1)))
    assert texts.find_source(lists).fingerprint != first


def test_docstrings_where_there_are_no_lists(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        source = texts.find_source(folder)
        assert source.kind == "docstrings"
    found = {text.name: text for text in source.read()}
    assert found["json.dumps"].short == "Serialize ``obj`` to a JSON formatted ``str``."
    assert "textwrap" in found
    assert not any(name.startswith("test.") for name in found)


# --- vectors ----------------------------------------------------------------------------------------------------------


def test_directions_are_the_singular_vectors():
    for seed in range(10):
        random = rng(seed)
        rows, columns, rank = random.integers(30, 80), random.integers(20, 60), 5
        left, _ = np.linalg.qr(random.standard_normal((rows, 12)))
        right, _ = np.linalg.qr(random.standard_normal((columns, 12)))
        values = 2.0 ** -np.arange(12)
        matrix = latent.sparse.csr_matrix((left * values) @ right.T, dtype=np.float32)
        found = latent._directions(matrix, rank)
        expected = right[:, :rank] / np.sqrt(values[:rank])
        np.testing.assert_allclose(
            np.abs((found * expected).sum(0)), 1 / values[:rank], rtol=1e-3, err_msg=f"seed {seed}"
        )
        np.testing.assert_allclose(
            np.linalg.norm(found, axis=0), values[:rank] ** -0.5, rtol=1e-3, err_msg=f"seed {seed}"
        )


def test_space_survives_saving_and_streams_what_it_projects(tmp_path):
    documents = [f"{name} {short} {long}" for name, short, long in described()] + ["unheardof"]
    vocabulary, counts = words.Vocabulary.of(documents)
    space, matrix = latent.LatentSpace.fit(counts, 16)
    space.write_npy(tmp_path / "vectors.npy", matrix)
    space.save(tmp_path / "space.npz")
    vectors = np.load(tmp_path / "vectors.npy")
    np.testing.assert_allclose(
        latent.LatentSpace.load(tmp_path / "space.npz").project(vocabulary.count(documents)), vectors, atol=1e-5
    )
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths[:-1], 1, atol=1e-5)
    assert lengths[-1] == 0  # no word that another text has


def test_words_are_counted_by_their_stems(tmp_path):
    vocabulary, counts = words.Vocabulary.of(
        ["C++ queries, a QUERY: images", "an image of c++ lost_word", "é é é", "É"]
    )
    assert sorted(vocabulary.words) == ["c++", "image", "é"]
    vocabulary.save(tmp_path / "words.txt")
    again = words.Vocabulary.load(tmp_path / "words.txt")
    assert again.words == vocabulary.words
    columns = [vocabulary.words.index(word) for word in ("c++", "image", "é")]
    assert counts.toarray()[:, columns].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 3], [0, 0, 1]]
    assert again.count(["Images image C++ nothing", ""]).toarray()[:, columns].tolist() == [[1, 2, 0], [0, 0, 0]]


def test_texts_without_a_common_word_are_refused():
    with pytest.raises(ValueError, match="2 texts have no word in common"):
        words.Vocabulary.of(["one", "two"])


def test_bm25_of_three_texts():
    vocabulary, counts = words.Vocabulary.of(["cat cat dog", "cat dog bird bird bird", "cat bird"])
    assert (bm25.K1, bm25.B) == (1.2, 0.75)
    # Lengths 3, 5 and 2, average 10 / 3; all three texts have a cat, two each a dog and a bird.
    rarity = {"cat": math.log(1 + 0.5 / 3.5), "dog": math.log(1 + 1.5 / 2.5), "bird": math.log(1 + 1.5 / 2.5)}
    damping = [1.2 * (0.25 + 0.75 * length * 3 / 10) for length in (3, 5, 2)]
    repeated = [{"cat": 2, "dog": 1}, {"cat": 1, "dog": 1, "bird": 3}, {"cat": 1, "bird": 1}]
    saturated = [{word: tf / (tf + damp) for word, tf in text.items()} for text, damp in zip(repeated, damping)]
    expected = [[rarity[word] * text.get(word, 0) for word in vocabulary.words] for text in saturated]
    np.testing.assert_allclose(bm25.vectors(counts).toarray(), expected, rtol=1e-6)
    scores = (vocabulary.count(["bird dog"]) @ bm25.vectors(counts).T).toarray()[0]
    assert scores.argsort().tolist() == [0, 2, 1]  # both words; a bird in a short text; a dog in a longer one


def test_bm25_ranks_as_it_should():
    for seed in range(20):
        random = rng(seed)
        filler = [" ".join(random.choice([f"w{i}" for i in range(40)], 12)) for _ in range(50)]
        long = " ".join(filler[:3])
        judged = ["common common " + filler[0], "common " + filler[0], "common " + long, "rare " + filler[0], filler[0]]
        documents = [*judged, *filler, *["common"] * 9, "rare"]
        vocabulary, counts = words.Vocabulary.of(documents)
        scores = (vocabulary.count(["common", "rare"]) @ bm25.vectors(counts).T).toarray()[:, : len(judged)]
        (twice, once, longer, _, none), rarer = scores[0], scores[1, 3]
        assert twice > once > longer > none == 0, f"seed {seed}"
        assert rarer > once, f"seed {seed}"


def test_exact_answers_are_the_best_of_all_products(tmp_path):
    documents = [f"{name} {short} {long}" for name, short, long in described()]
    vocabulary, counts = words.Vocabulary.of(documents)
    vectors, queries = bm25.vectors(counts), vocabulary.count(short for _, short, _ in described())
    index = cassata.SparseFlatIndex.build_from_arrays(vectors, dtype="f32")
    products = (queries @ vectors.T).toarray()
    np.testing.assert_allclose(index.batch_search(queries, 7)[0], -np.sort(-products, axis=1)[:, :7], rtol=1e-5)


def test_recall_counts_what_is_as_good_as_the_worst_exact_result():
    exact = np.float32([[5, 4, 3], [9, 9, 9], [1, -np.inf, -np.inf]])
    found = np.float32([[5, 3.0000001, 2.9], [9, 8.9999, 8], [1, 0, -np.inf]])
    assert measure.recall(found, exact) == pytest.approx(7 / 9)
    assert measure.recall(exact, exact) == 1


# --- the whole --------------------------------------------------------------------------------------------------------


def test_demo_answers_and_measures(lists, tmp_path):
    folder = tmp_path / "kept"
    shown = demo("--lists", lists, "--folder", folder, "play chess against somebody", "record music", "zzzzzz")
    assert "200 descriptions of packages" in shown
    measured, chess, sound, nothing = re.split(r"^> .*\n", shown, flags=re.MULTILINE)
    for answer, topic in ((chess, "chess"), (sound, "sound")):
        lines = answer.strip("\n").split("\n")
        assert [line.split() for line in lines[:2]] == [
            [kind.title.split()[i] for kind in store.KINDS] for i in range(2)
        ]
        rows = [re.fullmatch(r" +(.*?)  (\w+)-\d+ +(.*)", line) for line in lines[2:]]
        assert {row[2] for row in rows} == {topic}
        columns = list(zip(*(row[1].split() for row in rows)))
        assert [sum(score != "-" for score in column) for column in columns] == [5] * len(store.KINDS)
    assert "no text has a word of this question" in nothing
    (entry,) = folder.glob("packages-*")
    for kind in store.KINDS:
        index = cassata.open(entry / kind.file, verify=True)
        assert (type(index), index.n) == (kind.holds, 200)
        costs = r"[0-9.]+ s +[0-9.]+ MB +[0-9.]+ ms"
        row = re.search(
            rf"^  {kind.title} +{kind.holds.__name__} +{costs} +([0-9.]+) +[0-9,]+$", measured, re.MULTILINE
        )
        assert float(row[1]) > 0.9
    assert re.search(r"load +[0-9.]+ ms in a second process", measured)
    assert max(len(line) for line in shown.split("\n") if str(tmp_path) not in line) <= 100


def test_second_run_builds_nothing_and_new_lists_build_anew(lists, tmp_path):
    folder = tmp_path / "kept"
    options = ("--lists", lists, "--folder", folder, "chess")
    assert "kept from an earlier run" not in demo(*options)
    (first,) = folder.glob("packages-*")
    built = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    assert "kept from an earlier run" in demo(*options)
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == built
    assert "kept from an earlier run" not in demo(*options, "--fresh")
    assert (first / "names.txt").stat().st_mtime_ns != built["names.txt"]
    (folder / "mine.txt").write_text("not the demo's")
    (lists / "other_Packages").write_text("Package: chess-new\nDescription: chess board for two\n")
    assert "201 descriptions" in demo(*options)
    (second,) = folder.glob("packages-*")
    assert second != first
    assert (folder / "mine.txt").exists()


def test_other_indexes_or_damaged_ones_are_built_anew(lists, tmp_path, monkeypatch):
    source = texts.find_source(lists)
    first, _ = store.entry(tmp_path / "kept", source, 20, fresh=False)
    for kind in store.KINDS:
        path = first.path(kind)
        path.write_bytes(path.read_bytes()[:100])
        assert not store.entry(tmp_path / "kept", source, 20, fresh=False)[1], kind.title
        assert store.entry(tmp_path / "kept", source, 20, fresh=False)[1], kind.title
    monkeypatch.setattr(store, "KINDS", store.KINDS[:1])
    second, reused = store.entry(tmp_path / "kept", source, 20, fresh=False)
    assert not reused
    assert not first.folder.exists()
    assert [path.name for path in second.folder.glob("*.cassata")] == ["dense-exact.cassata"]


def test_failed_making_leaves_nothing(lists, tmp_path):
    folder = tmp_path / "kept"
    (lists / "broken_Packages.xz").write_bytes(b"no xz")
    assert re.fullmatch(r"demo: .*\n", demo("--lists", lists, "--folder", folder, code=2))
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_shared_memory_is_measured(tmp_path):
    vectors = rng(1).standard_normal((20_000, 32), dtype=np.float32)
    path = tmp_path / "index with blanks"
    index = cassata.DenseFlatIndex.build_from_array(vectors, path=path)
    assert measure.mapped("self", tmp_path / "other") == (0, 0)
    index.batch_search(vectors[:10])
    rss, pss = measure.mapped("self", path)
    assert pss <= rss
    assert vectors.nbytes <= rss <= index.space_usage_bytes() + 8192


def test_it_runs_from_anywhere_and_says_what_is_missing(lists, tmp_path):
    shown = demo("--lists", lists, "--folder", tmp_path / "kept", "--limit", 100, "chess", cwd=tmp_path)
    assert "100 descriptions" in shown
    (tmp_path / "bare").mkdir()
    bare = (sys.executable, "-S", "-E", EXAMPLES / "demo")
    assert re.fullmatch(r"demo: \w+ is not installed; .*\n", demo(command=bare, code=2, cwd=tmp_path / "bare"))


def test_entry_is_made_once_by_two_processes_at_once(lists, tmp_path):
    command = [sys.executable, EXAMPLES / "demo", "--lists", lists, "--folder", tmp_path / "kept", "chess"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    processes = [subprocess.Popen(command, **options) for _ in range(2)]
    shown = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted("kept from an earlier run" in text for text in shown) == [False, True]


def test_sample_is_spread_evenly():
    rows = [texts.Text(str(i), "", "") for i in range(100)]
    for limit in (1, 7, 99):
        names = [int(text.name) for text in store._sample(rows, limit)]
        assert len(set(names)) == limit
        assert max(np.diff(names), default=0) <= 100 // limit + 1
    assert store._sample(rows, None) is rows
    assert store._sample(rows, 1000) is rows
