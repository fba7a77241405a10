"""Codes that guide a walk, and dense vectors in two stages: what they store, how much they find, and what is refused."""

from __future__ import annotations

import json

import cassata
import numpy as np
import pytest
from cli import output, refusal

RANDOM = np.random.default_rng(3)
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
    index = cassata.DensePlainHNSW.build_from_array(VECTORS, m=16, metric=metric, navigation=navigation, bits=bits, path=path)
    distances, ids = index.batch_search(QUERIES, k=10, ef_search=100)
    assert recall(ids, metric) >= (0.9 if bits == 1 else 0.97)
    sign = 1 if metric == "dotproduct" else -1
    np.testing.assert_allclose(sign * distances, np.take_along_axis(scores(metric), ids, 1), rtol=1e-4, atol=1e-3)
    opened = cassata.open(path)
    assert isinstance(opened, cassata.DensePlainHNSW)
    opened.verify()
    info = opened.info
    assert (info["dtype"], info["navigation"], info["bits"]) == ("f32", navigation, (bits or 4) if navigation == "rabitq" else None)
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
        ({"navigation": "int5"}, "'int8', 'int4'"),
        ({"navigation": "f16"}, "navigation: 'f16' given, expected one of 'int8', 'int4', 'rabitq'"),
        ({"navigation": "pq"}, "navigation: 'pq' given"),
        ({"navigation": "rabitq", "bits": 0}, "bits: 0 given, expected 1 to 8"),
        ({"navigation": "rabitq", "bits": 9}, "bits: 9 given, expected 1 to 8"),
        ({"navigation": "int8", "bits": 4}, "bits: given for vectors stored as 'int8'"),
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
        cassata.DenseRerankHNSW.build_from_array(VECTORS, m=16, encoder="rabitq-ext", rabitq_total_bits=2, rerank_bits=2, residual_rerank=r)
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
    cassata.DenseRerankHNSW.build_from_array(VECTORS[:500], m=8, encoder="rabitq", rerank_bits=4, residual_rerank=True, path=path)
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
        ({"encoder": "pq", "pq_subspaces": 49}, "m_pq: 49 given"),
        ({"encoder": "pq", "rerank_bits": 4, "residual_rerank": True}, "residual"),
        ({"encoder": "rabitq", "residual_rerank": True}, "residual"),
        ({"encoder": "rabitq", "rerank_bits": 4, "residual_rerank": True, "metric": "euclidean"}, "residual"),
        ({"encoder": "rabitq", "dtype": "int8"}, "rerank: 'int8' given"),
    ],
)
def test_wrong_stages_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], **arguments)


def test_query_bits_are_of_one_bit_codes_alone():
    index = cassata.DenseRerankHNSW.build_from_array(VECTORS[:50], encoder="pq", pq_subspaces=4)
    with pytest.raises(ValueError, match="an encoder 'pq'"):
        index.set_query_bits(4)


def test_command_line(tmp_path):
    np.save(tmp_path / "x.npy", VECTORS[:500])
    np.save(tmp_path / "q.npy", QUERIES[:5])
    for name, options, shown in [
        ("guided", ["--encoding", "f16", "--navigation", "rabitq", "--bits", "2"], ["navigation", "rabitq, 2 bits", "f16"]),
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
    assert (told["class"], told["dtype"], told["navigation"], told["bits"], told["rerank"]) == ("DensePlainHNSW", "f16", "rabitq", 2, None)
    assert "--navigation" in refusal("build", tmp_path / "x.npy", "-o", tmp_path / "no", "--navigation", "int8", "--rerank", "f16")
