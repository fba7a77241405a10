"""DensePQHNSW: ways to build and to open, what is stored, how much is found, and what is refused."""

from __future__ import annotations

import json
import pickle

import cassata
import numpy as np
import pytest
from cli import output, refusal
from conftest import brute_force, clustered, recall, rng

METRICS = ("dotproduct", "euclidean")


@pytest.fixture(scope="module")
def vectors():
    return clustered(3000, 24, seed=1)


@pytest.fixture(scope="module")
def queries():
    return clustered(60, 24, seed=2)


def stored(index, path):
    """The vectors as the file holds them, read from docs/format.md alone."""
    index.save(path)
    places = {section["name"]: section for section in index.info["sections"]}
    whole = path.read_bytes()

    def numbers(name, dtype):
        at = places[name]["offset"]
        return np.frombuffer(whole[at : at + places[name]["length"]], dtype)

    n, dim, m_pq = index.n, index.dim, index.info["m_pq"]
    model, codes = numbers("codes.rows.model", "<f4"), numbers("codes.rows", "u1").reshape(n, m_pq)
    rotation = np.eye(dim)
    if index.info["opq"]:
        rotation, model = model[: dim * dim].reshape(dim, dim), model[dim * dim :]
    codebook = model.reshape(dim, 256)  # a coordinate of every centroid a row, whichever piece it is in
    widths = [dim // m_pq + (s < dim % m_pq) for s in range(m_pq)]
    pieces = codebook[np.arange(dim), np.repeat(codes, widths, axis=1)]
    rows = pieces.astype(np.float64) @ rotation
    return rows if "ids" not in places else rows[np.argsort(numbers("ids", "<u4"))]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("graph_type", ["standard", "permuted"])
@pytest.mark.parametrize(("m_pq", "opq"), [(1, False), (7, False), (8, True), (24, True)])
def test_answers_are_those_of_what_is_stored(vectors, queries, metric, graph_type, m_pq, opq, tmp_path):
    index = cassata.DensePQHNSW.build_from_array(vectors, None, m_pq, 16, 100, metric, graph_type, opq=opq)
    index.verify()
    rows = stored(index, tmp_path / "index")
    best = brute_force(rows, queries, 10, metric)[0]
    near = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(index.batch_search(queries, 10, index.n)[0], best, **near)  # a scan
    found, found_ids = index.batch_search(queries, 10, 200)
    assert np.isclose(found[:, 0], best[:, 0], **near).mean() >= 0.9
    exact = np.take_along_axis(queries.astype(np.float64) @ rows.T, found_ids, 1)
    if metric == "euclidean":
        exact = ((queries[:, None].astype(np.float64) - rows[found_ids]) ** 2).sum(2)
    np.testing.assert_allclose(found, exact, **near)


def test_more_bytes_and_a_rotation_find_more(vectors, queries):
    random = rng(5)  # vectors whose coordinates say much about each other
    mixing = random.standard_normal((24, 24)) * (0.7 ** np.arange(24))[:, None]
    vectors, queries = (vectors @ mixing).astype(np.float32), (queries @ mixing).astype(np.float32)
    expected = brute_force(vectors, queries, 10, "euclidean")[1]

    def found(m_pq, opq=False):
        index = cassata.DensePQHNSW.build_from_array(vectors, m_pq=m_pq, m=16, metric="euclidean", opq=opq)
        return recall(index.batch_search(queries, 10, 100)[1], expected)

    assert found(2) < found(6) < found(12)
    assert found(6) + 0.1 < found(6, opq=True)
    assert found(24) > 0.9


def test_ways_to_build(vectors, queries, tmp_path):
    face, expected = cassata.DensePQHNSW, None
    np.save(tmp_path / "vectors.npy", vectors)
    for index in (
        face.build_from_array(vectors.ravel(), 24, 8, 16, 100, "ip", "standard"),  # kANNolo's order
        face.build_from_array(
            data_vec=vectors, m_pq=8, m=16, ef_construction=100, graph_type="standard", num_threads=1
        ),
        face.build_from_file(str(tmp_path / "vectors.npy"), 8, 16, 100, "dotproduct", "standard"),
        face.build_from_file(
            data_path=tmp_path / "vectors.npy",
            m_pq=8,
            m=16,
            ef_construction=100,
            graph_type="standard",
            path=tmp_path / "i",
        ),
    ):
        answers = [part.tolist() for part in index.search(queries.ravel(), 10, 100)]
        expected = expected or answers
        assert answers == expected
        assert (type(index), index.dtype, index.info["m_pq"], index.info["opq"]) == (face, "pq", 8, False)
    parameters = index.info["provenance"]["parameters"]
    assert (parameters["m_pq"], parameters["dtype"]) == ("8", "pq")
    assert [part.tolist() for part in cassata.open(tmp_path / "i").search(queries.ravel(), 10, 100)] == expected
    assert [part.tolist() for part in pickle.loads(pickle.dumps(index)).search(queries.ravel(), 10, 100)] == expected
    assert face.build_from_array(vectors, m_pq=8, opq=True).info["provenance"]["parameters"]["opq"] == "true"


def test_load_compares_what_is_given(vectors, tmp_path):
    path = tmp_path / "index"
    cassata.DensePQHNSW.build_from_array(vectors, m_pq=8, metric="euclidean", graph_type="standard", path=path)
    load = cassata.DensePQHNSW.load
    assert (
        len(load(path))
        == len(load(path, 8, "l2", "standard"))
        == len(load(path, m_pq=8, dtype="pq", dim=24, verify=True))
        == 3000
    )
    for arguments, message in [
        ({"m_pq": 16}, "m_pq: 16 given, but .*index holds 8"),
        ({"metric": "dotproduct"}, "metric: 'dotproduct' given, but .*index holds 'euclidean'"),
        ({"graph_type": "compressed"}, "graph_type: 'compressed' given, but .*index holds 'standard'"),
    ]:
        with pytest.raises(ValueError, match=message):
            load(path, **arguments)
    with pytest.raises(ValueError, match="holds a DensePQHNSW, not a DensePlainHNSW"):
        cassata.DensePlainHNSW.load(path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"m_pq": 0}, ValueError, "m_pq: 0 given, expected a whole number from 1 to the vectors' dimension"),
        ({"m_pq": 25}, ValueError, "m_pq: 25 given, expected 1 to 24"),
        ({"m_pq": -1}, ValueError, "m_pq: -1 given"),
        ({"m_pq": 2.5}, TypeError, "m_pq: 2.5 given, expected a whole number"),
        ({}, TypeError, "m_pq: missing, expected a whole number from 1 to the vectors' dimension"),
        ({"m_pq": 8, "opq": "yes"}, TypeError, "opq: 'yes' given"),
    ],
)
def test_what_is_refused(vectors, arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        cassata.DensePQHNSW.build_from_array(vectors, path=tmp_path / "index", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_few_and_equal_vectors():
    for rows in (np.eye(1, 5), np.eye(5), np.ones((700, 5))):
        index = cassata.DensePQHNSW.build_from_array(rows, m_pq=3, opq=len(rows) == 5)
        assert index.search(rows[0], 1)[0][0] == pytest.approx((rows[0] ** 2).sum(), abs=1e-4)


def test_the_command_line(vectors, tmp_path):
    np.save(tmp_path / "vectors.npy", vectors)
    source, index = str(tmp_path / "vectors.npy"), str(tmp_path / "index")
    output("build", source, "-o", index, "--encoding", "pq", "--m-pq", "7", "--opq", "-m", "8", "-q")
    shown = output("inspect", index)
    assert "DensePQHNSW" in shown
    assert "pq, m_pq 7, rotated" in shown
    told = json.loads(output("inspect", index, "--json"))
    assert (told["class"], told["dtype"], told["m_pq"], told["opq"]) == ("DensePQHNSW", "pq", 7, True)
    same = cassata.DensePQHNSW.build_from_array(vectors, m_pq=7, m=8, opq=True)
    assert cassata.open(index).search(vectors[0])[1].tolist() == same.search(vectors[0])[1].tolist()
    assert "--m-pq: none given, expected a whole number from 1" in refusal(
        "build", source, "-o", index, "--encoding", "pq"
    )
    assert "--m-pq: 25 given, expected 1 to 24" in refusal(
        "build", source, "-o", index, "--encoding", "pq", "--m-pq", "25"
    )
    assert "--m-pq: given, expected only with 'pq' codes" in refusal("build", source, "-o", index, "--m-pq", "8")
    assert "--opq: given, expected only with 'pq' codes" in refusal(
        "build", source, "-o", index, "--encoding", "f16", "--opq"
    )
    flat = refusal("build", source, "-o", index, "--kind", "flat", "--encoding", "pq", "--m-pq", "8")
    assert "--encoding 'pq' with --kind 'flat'" in flat
