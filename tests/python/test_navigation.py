"""Codes that guide a walk, and dense vectors in two stages: what they store, how much they find, and what is
refused."""

from __future__ import annotations

import json

import cassata
import numpy as np
import pytest
from cli import output, refusal
from conftest import rng

RANDOM = rng(3)
CENTRES = RANDOM.standard_normal((40, 48)) * 2
VECTORS = (CENTRES[RANDOM.integers(40, size=4000)] + RANDOM.standard_normal((4000, 48))).astype(np.float32)
QUERIES = (CENTRES[RANDOM.integers(40, size=100)] + RANDOM.standard_normal((100, 48))).astype(np.float32)
GUIDES = [("int8", None), ("int4", None), ("rabitq", None), ("rabitq", 1), ("rabitq", 3), ("rabitq", 8)]
STAGES = [
    {"encoder": "pq", "pq_subspaces": 16},
    {"encoder": "rabitq"},
    {"encoder": "rabitq-ext", "rabitq_total_bits": 2, "rerank_bits": 8},
    {"encoder": "int4", "dtype": "f32"},
]


def scores(metric: str) -> np.ndarray:
    products = QUERIES.astype(np.float64) @ VECTORS.T
    return products if metric == "dotproduct" else -((QUERIES**2).sum(1)[:, None] + (VECTORS**2).sum(1) - 2 * products)


def recall(ids: np.ndarray, metric: str, k: int = 10) -> float:
    exact = np.argsort(-scores(metric), axis=1, kind="stable")[:, :k]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(ids, exact)]))


@pytest.mark.parametrize("metric", ["dotproduct", "euclidean"])
@pytest.mark.parametrize(("navigation", "bits"), GUIDES)
def test_a_guided_walk_finds_the_closest_and_its_scores_are_exact(navigation, bits, metric, tmp_path):
    path = tmp_path / "index"
    index = cassata.DensePlainHNSW.build_from_array(
        VECTORS, m=16, metric=metric, navigation=navigation, bits=bits, path=path
    )
    distances, ids = index.batch_search(QUERIES, k=10, ef_search=100)
    assert recall(ids, metric) >= (0.9 if bits == 1 else 0.97)
    sign = 1 if metric == "dotproduct" else -1
    np.testing.assert_allclose(sign * distances, np.take_along_axis(scores(metric), ids, 1), rtol=1e-4, atol=1e-3)
    opened = cassata.open(path)
    assert isinstance(opened, cassata.DensePlainHNSW)
    opened.verify()
    info = opened.info
    assert (info["dtype"], info["navigation"], info["bits"]) == (
        "f32",
        navigation,
        (bits or 4) if navigation == "rabitq" else None,
    )
    np.testing.assert_array_equal(opened.batch_search(QUERIES, k=10, ef_search=100)[1], ids)


def test_queries_of_a_batch_are_answered_as_each_alone():
    index = cassata.DensePlainHNSW.build_from_array(VECTORS, m=16, navigation="int4", dtype="f16")
    distances, ids = index.batch_search(QUERIES, k=7, ef_search=40, num_threads=1)
    for i, query in enumerate(QUERIES):
        one = index.search(query, k=7, ef_search=40)
        np.testing.assert_array_equal(one[1], ids[i])
        np.testing.assert_array_equal(one[0], distances[i])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"navigation": "int5"}, "navigation: 'int5' given, expected one of 'int8', 'int4', 'rabitq'"),
        ({"navigation": ""}, "navigation: '' given, expected one of 'int8'"),
        ({"navigation": "rabitq-ext"}, "navigation: 'rabitq-ext' given, expected one of 'int8'"),
        (
            {"navigation": "int8", "dtype": "pq"},
            "dtype: 'pq' given, expected one of 'f32', 'f16'; use class DensePQHNSW",
        ),
        ({"dtype": "pq"}, "dtype: 'pq' given, expected one of 'f32', 'f16'; use class DensePQHNSW"),
        ({"dtype": "f64"}, "dtype: 'f64' given, expected one of 'f32', 'f16'$"),
        ({"dtype": "int8"}, "dtype: 'int8' given, expected one of 'f32', 'f16'; such codes are for navigation"),
        ({"m": -3}, "m: -3 given, expected a whole number from 2 to 512"),
        ({"ef_construction": 0}, "ef_construction: 0 given, expected a whole number from 1 to"),
        ({"navigation": "f16"}, "navigation: 'f16' given, expected one of 'int8', 'int4', 'rabitq'"),
        ({"navigation": "pq"}, "navigation: 'pq' given"),
        ({"navigation": "rabitq", "bits": 0}, "bits: 0 given, expected a whole number from 1 to 8"),
        ({"navigation": "rabitq", "bits": 9}, "bits: 9 given, expected a whole number from 1 to 8"),
        ({"navigation": "int8", "bits": 4}, "^bits: given, expected only with 'rabitq' codes"),
        ({"bits": 4}, "bits: 4 given without navigation"),
    ],
)
def test_wrong_guides_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        cassata.DensePlainHNSW.build_from_array(VECTORS[:50], **arguments)


@pytest.mark.parametrize("metric", ["dotproduct", "euclidean"])
@pytest.mark.parametrize("stages", STAGES)
def test_two_stages_find_the_closest(stages, metric, tmp_path):
    path = tmp_path / "index"
    index = cassata.DenseRerankHNSW.build_from_array(VECTORS, m=16, metric=metric, path=path, **stages)
    ids = index.batch_search(QUERIES, 10, 200, 200)[1]
    assert recall(ids, metric) >= 0.95
    np.testing.assert_array_equal(index.search(QUERIES[0], 10, 200, 200)[1], ids[0])
    opened = cassata.open(path)
    assert isinstance(opened, cassata.DenseRerankHNSW)
    opened.verify()
    assert opened.info["rerank"]["bits"] == (stages.get("rerank_bits") or None)
    few, none = opened.batch_search(QUERIES, 10, k_candidates=3)[1], opened.batch_search(QUERIES, 10, k_candidates=0)[1]
    assert (few[:, :3] >= 0).all()
    assert (few[:, 3:] == -1).all()
    assert (none == -1).all()


def test_a_residual_second_stage_is_more_exact_for_its_bits():
    plain, residual = (
        cassata.DenseRerankHNSW.build_from_array(
            VECTORS, m=16, encoder="rabitq-ext", rabitq_total_bits=2, rerank_bits=2, residual_rerank=r
        )
        for r in (False, True)
    )
    exact = scores("dotproduct")
    errors = []
    for index in (plain, residual):
        distances, ids = index.batch_search(QUERIES, 10, 100)
        errors.append(np.abs(distances - np.take_along_axis(exact, ids, 1)).mean())
    assert errors[1] < errors[0] / 1.5


def test_load_compares_what_it_is_told(tmp_path):
    path = tmp_path / "index"
    cassata.DenseRerankHNSW.build_from_array(
        VECTORS[:500], m=8, encoder="rabitq", rerank_bits=4, residual_rerank=True, path=path
    )
    load = cassata.DenseRerankHNSW.load
    load(path, "dotproduct", "permuted", "rabitq", 32, 1, 4, True, verify=True).set_query_bits(4)
    for arguments, words in [
        ({"encoder": "pq"}, "encoder: 'pq' given, but .* holds 'rabitq'"),
        ({"encoder": "rabitq-ext"}, "holds 'rabitq'"),
        ({"rerank_bits": 8}, "rerank_bits: 8 given, but .* holds 4"),
        ({"residual_rerank": False}, "holds True"),
        ({"metric": "euclidean"}, "holds 'dotproduct'"),
        ({"rabitq_query_bits": 9}, "rabitq_query_bits"),
    ]:
        with pytest.raises(ValueError, match=words):
            load(path, **arguments)
    with pytest.raises(ValueError, match="holds a DenseRerankHNSW"):
        cassata.DensePlainHNSW.load(path)
    assert load(path).space_usage_bytes() == path.stat().st_size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"encoder": "opq"}, "encoder: 'opq' given, expected one of 'pq', 'rabitq', 'rabitq-ext', 'int8', 'int4'"),
        ({"encoder": "rabitq-ext", "rabitq_total_bits": 9}, "rabitq_total_bits: 9 given"),
        ({"encoder": "rabitq", "rabitq_query_bits": 0}, "rabitq_query_bits: 0 given"),
        ({"encoder": "rabitq", "rerank_bits": 9}, "rerank_bits: 9 given"),
        ({"encoder": "pq", "pq_subspaces": 49}, "^pq_subspaces: 49 given, expected 1 to 48"),
        (
            {"encoder": "pq", "pq_subspaces": 0},
            "^pq_subspaces: 0 given, expected a whole number from 1 to the vectors' dimension",
        ),
        ({"encoder": "rabitq", "pq_subspaces": -1}, "^pq_subspaces: -1 given"),
        (
            {"encoder": "rabitq", "rabitq_total_bits": 77},
            "^rabitq_total_bits: 77 given, expected a whole number from 1 to 8",
        ),
        (
            {"encoder": "pq", "rerank_bits": 4, "residual_rerank": True},
            "^residual_rerank: True given with encoder 'pq'",
        ),
        ({"encoder": "int8", "pq_subspaces": 4}, "^pq_subspaces: 4 given with encoder 'int8', expected encoder 'pq'"),
        ({"encoder": "rabitq", "residual_rerank": True}, "^residual_rerank: True given with rerank_bits 0"),
        (
            {"encoder": "rabitq", "rerank_bits": 4, "residual_rerank": True, "metric": "euclidean"},
            "residual with metric 'euclidean'",
        ),
        ({"encoder": "rabitq", "dtype": "int8"}, "^dtype: 'int8' given, expected 'f16' or 'f32', or rerank_bits"),
        ({"encoder": "rabitq", "dtype": "rabitq"}, "^dtype: 'rabitq' given, expected 'f16' or 'f32', or rerank_bits"),
        ({"encoder": "rabitq", "dtype": "f32", "rerank_bits": 4}, "^dtype: 'f32' given with rerank_bits 4"),
    ],
)
def test_wrong_stages_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], **arguments)


def test_wrong_types_are_refused():
    for build, arguments, words in [
        (cassata.DensePlainHNSW, {"navigation": "rabitq", "bits": True}, "bits: True given, expected a whole number"),
        (cassata.DenseRerankHNSW, {"encoder": "rabitq", "pq_subspaces": "x"}, "pq_subspaces: 'x' given"),
        (
            cassata.DenseRerankHNSW,
            {"encoder": "rabitq", "rerank_bits": 4, "residual_rerank": 1},
            "residual_rerank: 1 given, expected True or False",
        ),
    ]:
        with pytest.raises(TypeError, match=words):
            build.build_from_array(VECTORS[:50], **arguments)


def test_short_vectors_have_fewer_pieces_unless_told(tmp_path):
    np.save(tmp_path / "short.npy", VECTORS[:300, :20])
    for index in (
        cassata.DenseRerankHNSW.build_from_array(VECTORS[:300, :20], m=4),
        cassata.DenseRerankHNSW.build_from_file(tmp_path / "short.npy", 4),
    ):
        assert index.info["m_pq"] == 20
    assert cassata.DenseRerankHNSW.build_from_array(VECTORS[:300], m=4).info["m_pq"] == 32


def test_more_results_than_there_can_be_of_one_query():
    index = cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], m=4, encoder="int4")
    distances, ids = index.search(QUERIES[0], 5000, k_candidates=2**40)
    assert (len(distances), sorted(ids[:50]), set(ids[50:])) == (5000, list(range(50)), {-1})


def test_what_is_said_of_an_index(tmp_path):
    guided = cassata.DensePlainHNSW.build_from_array(
        VECTORS[:300], m=4, navigation="rabitq", bits=2, dtype="f16", path=tmp_path / "guided"
    )
    parameters = guided.info["provenance"]["parameters"]
    assert (parameters["dtype"], parameters["navigation"], parameters["bits"]) == ("f16", "rabitq", "2")
    assert "dtype='f16', navigation='rabitq', bits=2" in repr(guided)
    load = cassata.DensePlainHNSW.load
    load(tmp_path / "guided", navigation="rabitq", bits=2)
    for arguments, words in [
        ({"navigation": "int8"}, "navigation: 'int8' given, but .* 'rabitq'"),
        ({"bits": 3}, "bits: 3 given, but .* 2"),
    ]:
        with pytest.raises(ValueError, match=words):
            load(tmp_path / "guided", **arguments)
    cassata.DensePQHNSW.build_from_array(VECTORS[:300], m_pq=8, m=4, opq=True, path=tmp_path / "pq")
    assert "opq=True" in repr(cassata.DensePQHNSW.load(tmp_path / "pq", opq=True))
    with pytest.raises(ValueError, match=r"opq: False given, but .* True"):
        cassata.DensePQHNSW.load(tmp_path / "pq", opq=False)
    staged = cassata.DenseRerankHNSW.build_from_array(VECTORS[:300], m=4, encoder="int8", path=tmp_path / "staged")
    assert "prune" not in repr(staged)
    extended = cassata.DenseRerankHNSW.build_from_array(VECTORS[:300], m=4, encoder="rabitq-ext", rabitq_total_bits=3)
    extended.save(tmp_path / "extended")
    with pytest.raises(ValueError, match=r"rabitq_total_bits: 4 given, but .* 3"):
        cassata.DenseRerankHNSW.load(tmp_path / "extended", rabitq_total_bits=4)


def test_query_bits_are_of_one_bit_codes_alone():
    with pytest.raises(ValueError, match=r"^bits: 9 given"):
        cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], encoder="rabitq").set_query_bits(9)
    index = cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], encoder="pq", pq_subspaces=4)
    with pytest.raises(ValueError, match="encoder 'pq', expected"):
        index.set_query_bits(4)


def test_command_line(tmp_path):
    np.save(tmp_path / "x.npy", VECTORS[:500])
    np.save(tmp_path / "q.npy", QUERIES[:5])
    for name, options, shown in [
        (
            "guided",
            ["--encoding", "f16", "--navigation", "rabitq", "--bits", "2"],
            ["navigation", "rabitq, 2 bits", "f16"],
        ),
        (
            "stages",
            ["--encoding", "rabitq", "--bits", "1", "--rerank", "rabitq", "--rerank-bits", "4", "--residual"],
            ["rabitq, 4 bits, residual"],
        ),
        ("exact", ["--encoding", "pq", "--m-pq", "8", "--rerank", "f16"], ["pq, m_pq 8", "f16"]),
    ]:
        path = tmp_path / name
        output("build", tmp_path / "x.npy", "-o", path, "-m", "8", "-q", *options)
        told = output("inspect", path)
        assert all(word in told for word in shown), told
        output("verify", path)
        assert len(output("search", path, tmp_path / "q.npy", "-k", "3").splitlines()) == 15
    told = json.loads(output("inspect", tmp_path / "guided", "--json"))
    assert (told["class"], told["dtype"], told["navigation"], told["bits"], told["rerank"]) == (
        "DensePlainHNSW",
        "f16",
        "rabitq",
        2,
        None,
    )


def test_command_line_refuses(tmp_path):
    np.save(tmp_path / "x.npy", VECTORS[:50])
    for options, message in [
        ("--navigation int8 --rerank f16", "--rerank: given with navigation, expected one of them"),
        ("--navigation int2", "--navigation: 'int2' given, expected one of 'int8', 'int4', 'rabitq'"),
        ("--navigation rabitq --bits 0", "--bits: '0' given, expected a whole number from 1 to 8"),
        ("--bits 3", "--bits: given, expected only with 'rabitq' codes"),
        ("--rerank-bits 99", "--rerank-bits: '99' given, expected a whole number from 1 to 8"),
        ("--rerank-bits 4", "--rerank-bits: given, expected only with 'rabitq' rerank codes"),
        ("--navigation int8 --rerank-bits 3", "--rerank-bits: given, expected only with 'rabitq' rerank codes"),
        ("--encoding int4", "--encoding 'int4' with --kind 'hnsw' without --rerank"),
        ("--encoding pq --m-pq 8 --navigation int4", "--encoding: 'pq' given with navigation, expected 'f32' or 'f16'"),
        ("--encoding rabitq --residual", "--residual: given without rerank, expected rerank 'rabitq'"),
        ("--encoding rabitq --rerank f16 --residual", "--residual with --encoding 'rabitq' and --rerank 'f16'"),
        ("--kind flat --graph-type compressed", "--graph-type: given, expected only with kind 'hnsw'"),
        ("--kind flat -m 8", "-m: given, expected only with kind 'hnsw'"),
        ("-m -3", "build: -m: '-3' given, expected a whole number from 2 to 512"),
        ("--memory 1GB", "--memory: given, expected only with --target-recall"),
        ("--layout plain", "--layout: 'plain' given, expected 'paged'"),
        ("--layout paged", "--graph-type 'paged' without --navigation"),
        (
            "--layout paged --navigation int4 --graph-type compressed",
            "--layout: 'paged' given with --graph-type compressed",
        ),
        ("--layout paged --kind flat", "--graph-type: given, expected only with kind 'hnsw'"),
        ("--graph-type paged", "--graph-type 'paged' without --navigation"),
        ("--pq-subspaces 4", "--pq-subspaces: given, expected only with --multivec or --two-level"),
        ("--target-recall 0.9 --m-pq 8", "--m-pq: given, unsupported with --target-recall"),
        ("--two-level -m 4", "-m: given, unsupported with --two-level"),
        ("--nonsense", "no option '--nonsense'"),
    ]:
        assert message in refusal("build", tmp_path / "x.npy", "-o", tmp_path / "no", *options.split()), options


@pytest.mark.parametrize("metric", ["dotproduct", "euclidean"])
@pytest.mark.parametrize(("navigation", "bits"), [("int4", None), ("int8", None), ("rabitq", 1)])
def test_a_graph_in_pages(navigation, bits, metric, tmp_path):
    choices = {"m": 16, "metric": metric, "navigation": navigation, "bits": bits, "layout": "paged", "dtype": "f16"}
    path, copy = tmp_path / "paged", tmp_path / "copy"
    index = cassata.DensePlainHNSW.build_from_array(VECTORS, path=path, **choices)
    index.verify()
    assert index.info["graph"]["graph_type"] == "paged"
    distances, ids = index.batch_search(QUERIES, k=10, ef_search=100)
    assert recall(ids, metric) > 0.95
    exact = scores(metric)[np.arange(100)[:, None], ids]
    np.testing.assert_allclose(distances if metric == "dotproduct" else -distances, exact, rtol=2e-3, atol=0.3)
    narrow = index.batch_search(QUERIES, k=10, ef_search=10)[1]
    assert recall(narrow, metric) < recall(ids, metric)
    index.save(copy)
    assert copy.read_bytes() == path.read_bytes()
    again = cassata.open(copy, verify=True)
    for threads in (1, 2):
        np.testing.assert_array_equal(again.batch_search(QUERIES, k=10, ef_search=100, num_threads=threads)[1], ids)
    for i in range(5):
        np.testing.assert_array_equal(again.search(QUERIES[i], k=10, ef_search=100)[1], ids[i])
    cassata.DensePlainHNSW.build_from_array(VECTORS, path=copy, num_threads=1, **choices)
    assert copy.read_bytes() == path.read_bytes()


def test_the_command_line_builds_pages(tmp_path):
    np.save(tmp_path / "x.npy", VECTORS)
    output(
        "build",
        tmp_path / "x.npy",
        "-o",
        tmp_path / "paged",
        "--navigation",
        "int4",
        "--layout",
        "paged",
        "-m",
        "8",
        "--quiet",
    )
    output("verify", tmp_path / "paged")
    told = output("inspect", tmp_path / "paged")
    assert "paged, m 8" in told
    assert "4,096 bytes, links in rabitq, 1 bits" in told
    assert "graph.pages" in told


def test_pages_are_refused_where_they_make_no_sense():
    for choices, message in [
        ({"layout": "paged"}, "layout: 'paged' given without navigation"),
        ({"layout": "heaps", "navigation": "int4"}, "layout: 'heaps' given, expected 'paged' or None"),
        (
            {"layout": "paged", "navigation": "int4", "graph_type": "standard"},
            "graph_type: 'standard' given with layout 'paged'",
        ),
        ({"graph_type": "paged"}, "graph_type 'paged' without navigation"),
    ]:
        with pytest.raises(ValueError, match=message):
            cassata.DensePlainHNSW.build_from_array(VECTORS[:50], **choices)
    with pytest.raises(ValueError, match="graph_type 'paged' without navigation"):
        cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], encoder="int4", graph_type="paged")
    arrays = np.array([1, 2], np.int32), np.array([1, 2], np.float32), np.array([0, 1, 2])
    with pytest.raises(ValueError, match="graph_type 'paged' without navigation"):
        cassata.SparsePlainHNSW.build_from_arrays(*arrays, graph_type="paged")


def test_copies_leave_places_for_other_candidates_under_a_filter():
    """1,000 copies of one vector, which its codes of 1 bit place before the closest vectors."""
    random = np.random.default_rng(0)  # of other seeds few show it
    centres = random.normal(size=(12, 32))
    few = (centres[random.integers(12, size=800)] + 0.35 * random.normal(size=(800, 32))).astype("f4")
    vectors = few[np.concatenate([np.arange(800), random.integers(0, 800, 3200)])]
    vectors[1000:2000] = few[11]
    vectors = vectors[random.permutation(4000)]
    index = cassata.build(vectors, metric="dotproduct", navigation="rabitq", bits=1, m=16)
    queries = (few[11] + 0.25 * random.normal(size=(40, 32))).astype("f4")
    for share in (0.5, 0.3):
        passing = random.random(4000) < share
        found = index.search(queries, k=10, filter=passing)[0]
        exact = -np.sort(-np.where(passing, queries @ vectors.T, -np.inf), axis=1)[:, :10]
        assert np.mean(found >= exact[:, 9:] - 1e-3) >= 0.95  # without the rule 0.78
