"""Range searches: all rows within a radius, of each query its own number."""

from itertools import pairwise

import cassata
import numpy as np
import pytest
from cli import output, refusal
from conftest import clustered, rng, topics

N, DIM = 1500, 16
BUILDS = {
    "flat": {"kind": "flat"},
    "hnsw": {"m": 16},
    "int4": {"m": 16, "navigation": "int4"},
    "paged": {"m": 16, "navigation": "int4", "graph_type": "paged"},
    "rerank": {"m": 16, "dtype": "int8", "rerank": "f32"},
}


@pytest.fixture(scope="module")
def rows():
    made = clustered(N, DIM, seed=41)
    made[700:720] = made[3]  # ties
    return made


@pytest.fixture(scope="module")
def asked(rows):
    return np.concatenate([clustered(9, DIM, seed=42), rows[3:4]])


@pytest.fixture(scope="module", params=BUILDS)
def index(request, rows):
    return cassata.build(rows, metric="euclidean", ids=np.arange(N) + 5000, **BUILDS[request.param])


def exact(rows, query, radius):
    distances = ((rows.astype(np.float64) - query) ** 2).sum(1)
    order = np.argsort(distances, kind="stable")
    return order[distances[order] <= radius] + 5000


def lists(found):
    limits, scores, ids = found
    assert (limits.dtype, scores.dtype) == (np.int64, np.float32)
    assert limits[0] == 0
    assert limits[-1] == len(scores) == len(ids)
    return [ids[begin:end].tolist() for begin, end in pairwise(limits)]


@pytest.mark.parametrize("results", [1, 20, 200, 1200])
def test_finds_what_a_scan_finds(index, rows, asked, results):
    distances = np.sort(((rows[None].astype(np.float64) - asked[:, None]) ** 2).sum(2).ravel())
    radius = float(distances[results * len(asked)]) * 1.00001
    found = lists(index.range_search(asked, radius))
    for query, ids in zip(asked, found):
        expected = exact(rows, query, radius).tolist()
        assert len(set(ids) & set(expected)) >= 0.97 * len(expected)
        if index.info["kind"] == "flat":
            assert ids == expected
    assert lists(index.range_search(asked, radius, max_results=7)) == [ids[:7] for ids in found]
    alone = index.range_search(asked[4], radius)
    assert alone[0].shape == (2,)
    assert lists(alone) == [found[4]]


def test_the_radius_is_inclusive_and_ties_are_in_order(index, rows, asked):
    scores, ids = index.search(asked[-1], k=21)
    assert ids.tolist() == [5003, *range(5700, 5720)]
    narrow = {"ef_search": 4} | ({"k_candidates": 4} if isinstance(index, cassata.DenseRerankHNSW) else {})
    for options in ({}, narrow):  # a narrow search ends among the ties, and must go on
        assert lists(index.range_search(asked[-1], scores[0], **options)) == [ids.tolist()]
    assert lists(index.range_search(asked[-1], np.nextafter(scores[0], np.float32(-1)))) == [[]]


def test_infinite_radii(index, asked):
    every = index.range_search(asked, np.inf)
    assert np.diff(every[0]).tolist() == [N] * len(asked)
    assert all(sorted(ids) == list(range(5000, 5000 + N)) for ids in lists(every))
    assert lists(index.range_search(asked, -np.inf)) == [[]] * len(asked)
    ids = index.search(asked, k=30)[1]
    assert lists(index.range_search(asked, np.inf, max_results=30)) == ids.tolist()


def test_filters(index, asked):
    passing = rng(6).random(N) < 0.5
    all_ids = lists(index.range_search(asked, np.inf))
    found = lists(index.range_search(asked, np.inf, filter=passing))
    assert found == [[one for one in ids if passing[one - 5000]] for ids in all_ids]
    each = [None, np.zeros(N, bool), *[passing] * (len(asked) - 2)]
    assert lists(index.range_search(asked, np.inf, filter=each)) == [all_ids[0], [], *found[2:]]


def test_text_ids_and_no_queries(rows):
    index = cassata.build(rows, kind="flat", ids=[f"row {i}" for i in range(N)])
    scores, ids = index.search(rows[:2], k=3)
    limits, _, names = index.range_search(rows[:2], float(scores[:, 2].min()))
    assert names.dtype == object
    assert names[limits[1] :][:3].tolist() == ids[1].tolist()
    assert [part.shape for part in index.range_search(rows[:0], 1.0)] == [(1,), (0,), (0,)]


def test_sparse_and_kannolo(rows):
    matrix, queries = topics(600, 3000, seed=3), topics(5, 3000, seed=4)
    products = (queries @ matrix.T).toarray()
    for options in ({"kind": "flat", "dtype": "f32"}, {"kind": "postings", "dtype": "f32"}, {"m": 8, "dtype": "f32"}):
        index = cassata.build(matrix, **options)
        for radius in (np.sort(products.ravel())[-40] * 0.99999, 1e-3, 0.0, -1.0):
            found = lists(index.range_search(queries, radius))
            assert [set(ids) for ids in found] == [set(np.flatnonzero(row >= radius)) for row in products]
    index = cassata.DensePlainHNSW.build_from_array(rows, m=8)
    limits, scores, _ = index.range_search(rows[:3], 10.0, ef_search=50)
    assert limits.shape == (4,)
    assert (scores >= 10).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"radius": np.nan}, ValueError, "radius: nan given, expected a number"),
        ({"radius": "near"}, TypeError, "radius: 'near' given, expected a number"),
        ({"radius": 1, "max_results": -1}, ValueError, "max_results: -1 given, expected a whole number"),
        ({"radius": 1, "max_results": 1.5}, TypeError, "max_results: 1.5 given, expected a whole number"),
        ({"radius": 1, "k": 3}, TypeError, "k: unknown argument of .*range_search"),
        ({"radius": 1, "k_candidates": 3}, ValueError, "k_candidates: given, expected only with"),
        ({}, TypeError, "radius"),
    ],
)
def test_bad_arguments(rows, arguments, error, message):
    index = cassata.build(rows[:50], kind="flat")
    with pytest.raises(error, match=message):
        index.range_search(rows[:2], **arguments)


def test_the_program(tmp_path, rows, asked):
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "asked.npy", asked)
    index = cassata.build(rows, tmp_path / "index", metric="euclidean", m=16)
    distances = np.sort(((rows[None] - asked[:, None]) ** 2).sum(2).ravel())
    radius = float(distances[100]) * 1.00001
    found = lists(index.range_search(asked, radius))
    command = ["search", tmp_path / "index", tmp_path / "asked.npy", "--radius", repr(radius)]

    def printed(*options):
        lines = [line.split("\t") for line in output(*command, *options).splitlines()]
        return [[int(line[1]) for line in lines if int(line[0]) == query] for query in range(len(asked))]

    assert printed() == found
    assert printed("--max-results", "3") == [ids[:3] for ids in found]
    assert printed("--exact") == [(exact(rows, query, radius) - 5000).tolist() for query in asked]
    (tmp_path / "some").write_text("".join(f"{row}\n" for row in range(0, N, 2)))
    assert printed("--filter-ids", tmp_path / "some") == [[one for one in ids if one % 2 == 0] for ids in found]
    assert output(*command, "--format", "json").count("\n") == len(asked)
    assert "-k: given with --radius, expected --max-results" in refusal(*command, "-k", "5")
    without = [*command[:3], "--max-results", "5"]
    assert "--max-results: given without --radius, expected -k" in refusal(*without)
    assert "radius: nan given" in refusal(*command[:4], "nan")
