"""Fusion of rankings, against a plain reference."""

import functools
import json
import operator

import cassata
import numpy as np
import pytest
from cli import output, refusal
from conftest import rng


def reference(rankings, method="rrf", k=60, weights=None, normalize=None):
    """Of one query: a dict of ids and fused scores. `rankings`: lists of (id, score), larger scores better."""
    weights = weights or [1] * len(rankings)
    parts = {one: [] for ranking in rankings for one, _ in ranking}
    for weight, ranking in zip(weights, rankings):
        scores = [score for _, score in ranking]
        if method == "rrf":
            added = {one: weight / (k + rank) for rank, (one, _) in enumerate(ranking, 1)}
        elif normalize and scores:
            low, high = min(scores), max(scores)
            added = {one: weight * ((score - low) / (high - low) if high > low else 1) for one, score in ranking}
        else:
            added = {one: weight * score for one, score in ranking}
        lacking = 0 if method == "rrf" or normalize or not scores else weight * min(0, *scores)
        for one in parts:
            parts[one].append(added.get(one, lacking))
    return {one: functools.reduce(operator.add, sorted(added), 0.0) for one, added in parts.items()}


def check(scores, ids, expected, top):
    kept = sorted(expected, key=lambda one: (-expected[one], one))[:top]
    missing = [None if ids.dtype == object else -1] * (top - len(kept))
    assert ids.tolist() == kept + missing
    assert scores[: len(kept)] == pytest.approx([expected[one] for one in kept], abs=1e-5)
    assert (scores[len(kept) :] == -np.inf).all()


def random_ranking(random, queries, k, names, distances):
    """(scores, ids) with missing places, best first; and lists of (id, score), larger scores better."""
    scores = np.full((queries, k), np.inf if distances else -np.inf, np.float32)
    ids = np.full((queries, k), None if names else -1, object if names else np.int64)
    lists = []
    for q in range(queries):
        count = random.integers(0, k + 1)
        chosen = random.choice(30, count, replace=False)
        values = np.sort(random.integers(-5, 20, count))[::-1].astype(np.float32)
        shown = [f"doc {one:02}" for one in chosen] if names else chosen.tolist()
        scores[q, :count] = -values if distances else values
        ids[q, :count] = shown
        lists.append(list(zip(shown, values.tolist())))
    return (scores, ids), lists


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 0},
        {"k": 2.5, "weights": [1, 0.25, 2]},
        {"method": "sum"},
        {"method": "sum", "weights": [1, 0.5, 3]},
        {"method": "sum", "normalize": "min-max", "weights": [1, 0, 2]},
    ],
)
def test_like_the_reference(names, distances, options):
    random = rng(7)
    for top in (None, 1, 5, 100):
        made = [random_ranking(random, 8, k, names, distances and i != 1) for i, k in enumerate((10, 4, 7))]
        scores, ids = cassata.fuse([one for one, _ in made], top=top, **options)
        width = 10 if top is None else min(top, 21)
        assert scores.shape == ids.shape == (8, width)
        assert ids.dtype == (object if names else np.int64)
        for q in range(8):
            expected = reference([lists[q] for _, lists in made], **options)
            check(scores[q], ids[q], expected, width)


def test_one_query_and_triples():
    a, b = ([3.0, 2.0], [7, 8]), ([9.0, 1.0, 0.5], [8, 9, 7])
    scores, ids = cassata.fuse([a, b])
    assert ids.tolist() == [8, 7, 9]
    assert scores == pytest.approx([1 / 62 + 1 / 61, 1 / 61 + 1 / 63, 1 / 62])
    limits, scores, ids = cassata.fuse([([0, 2, 2], *a), ([0, 0, 3], *b)])
    assert (limits.tolist(), ids.tolist()) == ([0, 2, 5], [7, 8, 8, 9, 7])
    limits, scores, ids = cassata.fuse([([0, 2, 2], *a), ([0, 0, 3], *b)], top=1)
    assert (limits.tolist(), ids.tolist()) == ([0, 1, 2], [7, 8])


def test_of_indexes():
    random = rng(8)
    rows = random.standard_normal((300, 8), dtype=np.float32)
    near = cassata.build(rows, kind="flat", metric="euclidean")
    along = cassata.build(rows, kind="flat")
    found = [near.search(rows[:5], k=20), along.search(rows[:5], k=10)]
    scores, ids = cassata.fuse(found, method="sum", normalize="min-max")
    assert scores.shape == (5, 20)
    assert (ids[:, 0] == np.arange(5)).all()  # a row is the closest to itself, at the largest scaled score
    limits, _, ids = cassata.fuse([near.range_search(rows[:5], 4.0), along.range_search(rows[:5], 6.0)])
    assert len(limits) == 6
    assert len(ids) == limits[-1]


def test_the_order_shows_what_is_best():
    falls, rises = ([9.0, 4.0], [1, 2]), ([1.0, 3.0], [2, 3])
    assert cassata.fuse([falls, rises], "sum", normalize="min-max")[1].tolist() == [1, 2]
    missing = ([5.0, np.inf], [1, -1])  # a distance
    assert cassata.fuse([missing], "sum")[0].tolist() == [-5, -np.inf]
    same = ([2.0, 2.0], [4, 3])
    scores, ids = cassata.fuse([same], "sum", normalize="min-max")
    assert (scores.tolist(), ids.tolist()) == ([1, 1], [3, 4])


def test_the_best_score_is_given_where_no_order_shows_it():
    one, other = ([[0.69]], [[64]]), ([[1.45]], [[46]])
    for best in ("smallest", ["smallest", "Smallest"]):
        scores, ids = cassata.fuse([one, other], "sum", best=best, top=2)
        assert ids.tolist() == [[46, 64]]  # absent from a ranking of distances: as far as its farthest
        assert scores[0] == pytest.approx([-0.69 - 1.45] * 2)
    assert cassata.fuse([one, other], "sum", best="largest")[1].tolist() == [[46]]
    rises, same = ([1.0, 2.0, 3.0], [1, 2, 3]), ([1.0, 1.0, 1.0], [7, 8, 9])
    scores, ids = cassata.fuse([rises, same], "sum", best=[None, "largest"], top=6)
    assert (scores.tolist(), ids.tolist()) == ([-1, -2, -2, -2, -2, -3], [1, 2, 7, 8, 9, 3])
    with pytest.raises(ValueError, match=r"best: none given for rankings\[1\], whose scores do not show"):
        cassata.fuse([rises, same], "sum")


def test_sums_neither_overflow_nor_lose_the_order():
    falls = (np.arange(5, 0, -1.0), [5, 4, 3, 2, 1])
    for options in ({"k": 1e9}, {"k": 1e15}, {"weights": [1e-30]}):
        assert cassata.fuse([falls], **options)[1].tolist() == falls[1]
    heavy = (np.array([3e38, 2e38, -3e38], "f4"), [3, 2, 1])
    scores, ids = cassata.fuse([heavy, heavy], "sum", weights=[1e30, 1e30])
    most = np.finfo("f4").max
    assert (scores.tolist(), ids.tolist()) == ([most, most, -most], [3, 2, 1])


@pytest.mark.parametrize(
    ("rankings", "options", "error", "message"),
    [
        ([], {}, ValueError, "rankings: none given, expected at least one"),
        ([5], {}, TypeError, r"rankings\[0\]: a int given"),
        ([([1.0], [1]), ([[1.0]], [[1]])], {}, ValueError, r"rankings\[1\]: scores and ids of 2 dimensions, expected"),
        ([([[1.0]], [[1]]), ([[1.0]] * 2, [[1]] * 2)], {}, ValueError, r"rankings\[1\]: 2 queries, expected 1"),
        ([([1.0, 0.5], [1])], {}, ValueError, r"rankings\[0\]: scores of shape \(2,\) and ids of shape \(1,\)"),
        ([([0, 3], [1.0], [1])], {}, ValueError, r"rankings\[0\]: limits that are not from 0 to 1"),
        ([([1.0], [1]), ([1.0], ["a"])], {}, ValueError, r"rankings\[1\]: ids are texts, expected whole numbers"),
        ([([1.0], [1.5])], {}, TypeError, r"rankings\[0\]: id 1.5, expected whole numbers"),
        ([([2.0, 1.0], [7, 7])], {}, ValueError, r"rankings\[0\]: query 0, place 1: id 7 twice, expected each"),
        ([([2.0, 1.0], ["a", "a"])], {}, ValueError, r"rankings\[0\]: query 0, place 1: id 'a' twice"),
        ([([np.nan], [7])], {}, ValueError, r"rankings\[0\]: query 0, place 0: score nan, expected a number"),
        ([([np.inf], [7])], {"method": "sum"}, ValueError, "score inf, expected a finite number"),
        ([([1.0, 3.0, 2.0], [1, 2, 3])], {"method": "sum"}, ValueError, "score 2 after 3, but scores before rise"),
        ([([1.0], [1])], {"k": -1}, ValueError, r"k: -1 given, expected a number from 0 to 1e\+15"),
        ([([1.0], [1])], {"k": np.inf}, ValueError, "k: inf given, expected a number from 0"),
        ([([1.0], [1])], {"k": [1, 2]}, ValueError, r"k: shape \(2,\), expected a number"),
        ([([1.0], [1])], {"weights": 1}, ValueError, r"weights: shape \(\), expected \(1,\)"),
        ([([1.0], [1])], {"weights": [[1, 2]]}, ValueError, r"weights: shape \(1, 2\), expected \(1,\)"),
        ([([1.0], [1])], {"weights": [1e308]}, ValueError, r"weights: 1e\+308 given .* from 0 to 1e\+30"),
        ([([1.0], [1])], {"best": "largest"}, ValueError, "best: given with method 'rrf', expected method 'sum'"),
        ([([1.0], [1])], {"method": "sum", "best": "x"}, ValueError, "best: 'x' given, expected one of 'largest'"),
        ([([1.0], [1])], {"method": "sum", "best": 5}, TypeError, "best: 5 given, expected a string"),
        ([([1.0], [1])], {"method": "sum", "best": ["largest"] * 2}, ValueError, "best: 2 given, expected 1, one for"),
        ([([1.0, 2.0], [1, 2])], {"method": "sum", "best": "largest"}, ValueError, "but the largest is the best"),
        ([([1.0], [1])], {"weights": [1, 2]}, ValueError, "weights: 2 given, expected 1"),
        ([([1.0], [1])], {"weights": [-1]}, ValueError, r"weights: -1 given for rankings\[0\]"),
        ([([1.0], [1])], {"weights": [np.nan]}, ValueError, "weights: nan given"),
        ([([1.0], [1])], {"weights": ["much"]}, ValueError, "weights: dtype .*, expected real numbers"),
        ([([1.0], [1])], {"k": "many"}, TypeError, "k: 'many' given, expected"),
        ([([1.0], [1])], {"method": "max"}, ValueError, "method: 'max' given, expected one of 'rrf', 'sum'"),
        ([([1.0], [1])], {"normalize": "z"}, ValueError, "normalize: 'z' given, expected one of 'none', 'min-max'"),
        ([([1.0], [1])], {"normalize": "min-max"}, ValueError, "normalize: given with method 'rrf'"),
        ([([1.0], [1])], {"top": -1}, ValueError, "top: -1 given"),
    ],
)
def test_bad_arguments(rankings, options, error, message):
    with pytest.raises(error, match=message):
        cassata.fuse(rankings, **options)


def test_empty_rankings():
    empty = (np.empty((3, 0), np.float32), np.empty((3, 0), np.int64))
    assert [part.shape for part in cassata.fuse([empty])] == [(3, 0), (3, 0)]
    ids = cassata.fuse([empty, ([[1.0]] * 3, [[4]] * 3)])[1]
    assert ids.tolist() == [[4]] * 3


# --- the program ------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """The same queries in three formats; ids are numbers and texts."""
    (tmp_path / "a.run").write_text("q1 Q0 10 1 9.5 x\nq1 Q0 9 2 7 x\nq2 Q0 doc 1 1.5 x\n")
    (tmp_path / "b.tsv").write_text("q3\t4\t1\t0.5\nq1\t9\t1\t0.25\nq1\tdoc\t2\t0.75\n")
    lines = [{"query": "q2", "ids": [10, "doc"], "scores": [3.5, 1]}, {"query": 7, "ids": [], "scores": []}]
    (tmp_path / "c.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [tmp_path / name for name in ("a.run", "b.tsv", "c.json")]


def rows_of(text):
    return [(line[0], line[1], int(line[2]), float(line[3])) for line in (row.split("\t") for row in text.splitlines())]


def test_the_program_fuses_files(files):
    first, second, third = 1 / 61, 1 / 62, 1 / 63
    found = rows_of(output("fuse", *files))
    assert [row[:3] for row in found] == [
        ("q1", "9", 1), ("q1", "10", 2),
        ("q2", "doc", 1), ("q2", "10", 2),
        ("q3", "4", 1),
    ]  # fmt: skip
    assert [row[3] for row in found] == pytest.approx([first + second, first, first + second, first, first])
    weighted = rows_of(output("fuse", *files, "--k", "1", "--weights", "1,0.5,3", "--top", "5"))
    assert [row[:2] for row in weighted[:3]] == [("q1", "9"), ("q1", "10"), ("q1", "doc")]
    assert weighted[0][3] == pytest.approx(1 / 3 + 0.5 / 2)
    assert third < second


def test_the_program_sums_scores(files):
    found = rows_of(output("fuse", *files[:2], "--method", "sum", "--normalize", "min-max", "--top", "9"))
    q1 = [(row[1], row[3]) for row in found if row[0] == "q1"]
    assert q1 == [("9", 1), ("10", 1), ("doc", 0)]  # distances in b.tsv: 9 is its best
    run = output("fuse", *files[:2], "--format", "trec", "--run-name", "both")
    assert run.splitlines()[0].split()[:4] == ["q1", "Q0", "9", "1"]
    assert run.splitlines()[0].endswith(" both")
    assert json.loads(output("fuse", *files, "--format", "json").splitlines()[-1]) == {
        "query": 7, "ids": [], "scores": [],
    }  # fmt: skip


def test_the_program_reads_what_search_prints(tmp_path):
    random = rng(9)
    rows = random.standard_normal((50, 4), dtype=np.float32)
    np.save(tmp_path / "asked.npy", rows[:6])
    for name, metric in (("near", "euclidean"), ("along", "dotproduct")):
        cassata.build(rows, tmp_path / name, kind="flat", metric=metric)
    results = [cassata.open(tmp_path / name).search(rows[:6], k=10) for name in ("near", "along")]
    for formats in (("tsv", "json"), ("trec", "tsv"), ("json", "trec")):
        paths = [tmp_path / f"{name}.{kind}" for name, kind in zip(("near", "along"), formats)]
        for path, name in zip(paths, ("near", "along")):
            output("search", tmp_path / name, tmp_path / "asked.npy", "--format", path.suffix[1:], "-o", path)
        for options in ((), ("--method", "sum", "--normalize", "min-max")):
            named = {"method": "sum", "normalize": "min-max"} if options else {}
            scores, ids = cassata.fuse(results, **named)
            found = rows_of(output("fuse", *paths, *options))
            assert [int(row[1]) for row in found] == ids.ravel().tolist()
            assert [row[3] for row in found] == pytest.approx(scores.ravel().tolist(), abs=1e-6)
    output("fuse", *paths, "-o", tmp_path / "fused.run", "--format", "trec")
    assert (tmp_path / "fused.run").read_text().count("\n") == 60
    output("fuse", *paths, "-o", tmp_path / "fused.run")  # results may be replaced by results


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 a 1\n", "line 1: expected a line of a TREC run"),
        ("\nq Q0 a first 1 x\n", "line 2: rank 'first', expected a whole number"),
        ("q Q0 a 1 high x\n", "line 1: score 'high', expected a number"),
        ("q Q0 a 1 nan x\n", "line 1: score 'nan', expected a number"),
        ('{"query": 1, "ids": [1]}\n', "line 1: expected a JSON object of query, ids and as many scores"),
        ('{"query": 1, "ids": [1], "scores": [true]}\n', "line 1: scores: expected numbers or null"),
        ('{"query": 1, "ids": [1.5], "scores": [2]}\n', "line 1: ids: expected a whole number or a text"),
        ("q Q0 a 1 2 x\nq Q0 a 2 1 x\n", "line 2: query 'q': id 'a' twice, expected each id once"),
        ('{"query": 7, "ids": [1], "scores": [2]}\n' * 2, "line 2: query '7': id '1' twice, expected each id once"),
    ],
)
def test_bad_files(tmp_path, text, message):
    (tmp_path / "bad").write_text(text)
    error = refusal("fuse", tmp_path / "bad")
    assert f"{tmp_path / 'bad'}: " in error
    assert message in error


def test_texts_of_json_stay_texts(tmp_path):
    (tmp_path / "a").write_text('{"query": "7", "ids": ["1091", 5, "x"], "scores": [3, 2, 1]}\n')
    (tmp_path / "b").write_text("7\t5\t1\t9\n7\t1091\t2\t8\n8\t1091\t1\t1\n")
    fused = [json.loads(line) for line in output("fuse", tmp_path / "a", tmp_path / "b", "--format=json").splitlines()]
    assert [(line["query"], line["ids"]) for line in fused] == [("7", [5, "1091", "x"]), (8, ["1091"])]


def test_the_program_asks_for_the_best_score(tmp_path):
    (tmp_path / "a.run").write_text("1 Q0 a 1 3 r\n2 Q0 a 1 2 r\n")  # the largest, as in any TREC run
    (tmp_path / "b.tsv").write_text("1\tb\t1\t4\n")
    (tmp_path / "rises.run").write_text("1 Q0 a 1 3 r\n\n1 Q0 b 2 4 r\n")
    fuse = ("fuse", tmp_path / "a.run", tmp_path / "b.tsv", "--method", "sum", "--top", "2")
    assert output(*fuse[:2], *fuse[3:]) == "1\ta\t1\t3\n2\ta\t1\t2\n"
    assert f"--best: none given for {tmp_path / 'b.tsv'}, whose scores" in refusal(*fuse)
    assert output(*fuse, "--best", "largest,smallest") == "1\ta\t1\t-1\n1\tb\t2\t-4\n2\ta\t1\t2\n"
    assert output(*fuse, "--best", "largest").startswith("1\tb\t1\t4\n")
    for best, message in (("x", "'x' given, expected one of 'largest', 'sm"), ("largest,", "2 given, expected 1")):
        assert f"--best: {message}" in refusal(*fuse[:2], "--method", "sum", "--best", best)
    assert "--best: given with method 'rrf'" in refusal(*fuse[:2], "--best", "largest")
    rises = refusal("fuse", tmp_path / "rises.run", "--method", "sum")
    assert "rises.run: line 3: query '1': score 4 after 3, but the largest is the best" in rises


def test_bad_options(files):
    assert "--weights: 1 given, expected 3, one for each file" in refusal("fuse", *files, "--weights", "1")
    assert "--method: 'x' given, expected one of 'rrf', 'sum'" in refusal("fuse", *files, "--method", "x")
    assert "--normalize: given with method 'rrf'" in refusal("fuse", *files, "--normalize", "min-max")
    assert "--k: -1 given, expected a number from 0 to 1e+15" in refusal("fuse", *files, "--k", "-1")
    assert "--output: " in refusal("fuse", *files, "-o", files[0])
    assert "FILE" in refusal("fuse")
    assert "No such file" in refusal("fuse", files[0].parent / "none")
