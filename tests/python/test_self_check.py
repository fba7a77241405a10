"""Every build of an approximate index searches itself, keeps what it found, and warns if that is little."""

from __future__ import annotations

import json
import subprocess
import warnings

import cassata
import numpy as np
import pytest
from cli import BINARY, output
from conftest import clustered, topics

VECTORS = clustered(2000, 24, seed=1)
BAD = {"m": 2, "ef_construction": 2}  # a graph so thin that little is found


def check_of(index):
    return index.info["provenance"]["self_check"]


@pytest.mark.parametrize(
    "build",
    [
        cassata.DensePlainHNSW.build_from_array,
        lambda x, **k: cassata.DensePlainHNSW.build_from_array(x, navigation="int4", layout="paged", **k),
        lambda x, **k: cassata.DensePlainHNSW.build_from_array(x, memory_budget="64MiB", **k),
        lambda x, **k: cassata.DensePQHNSW.build_from_array(x, m_pq=12, **k),
        lambda x, **k: cassata.SparsePlainHNSW.build_from_arrays(topics(2000, 3000, seed=1), **k),
        lambda x, **k: cassata.SparsePostingsIndex.build_from_arrays(topics(2000, 3000, seed=1), **k),
    ],
    ids=["plain", "paged", "budget", "pq", "sparse", "postings"],
)
def test_the_recall_is_in_the_file(build, tmp_path):
    first = check_of(build(VECTORS, path=tmp_path / "index", num_threads=1))
    assert (first["k"], first["ef_search"], first["rows"], first["fresh"]) == (10, 200, 16, 16)
    assert 0.9 <= first["recall"] == min(first["recall_rows"], first["recall_fresh"]) <= 1
    assert check_of(cassata.open(tmp_path / "index")) == first
    assert check_of(build(VECTORS, num_threads=2)) == first, "whatever the threads"
    told = json.loads(output("inspect", tmp_path / "index", "--json"))
    assert told["provenance"]["self_check"] == first
    assert "checked" in output("inspect", tmp_path / "index")


def test_a_bad_graph_is_warned_of(tmp_path):
    with pytest.warns(cassata.RecallWarning, match=r"recall@10 of a sample is 0\.\d+ with default parameters"):
        index = cassata.DensePlainHNSW.build_from_array(VECTORS, **BAD)
    queries = VECTORS[::20]
    scores = queries.astype("f8") @ VECTORS.T.astype("f8")
    tenth = np.sort(scores, 1)[:, -10]
    found = np.mean([(s[i] >= t - 1e-5).mean() for s, i, t in zip(scores, index.batch_search(queries)[1], tenth)])
    assert abs(check_of(index)["recall_rows"] - found) < 0.25, "about what searches find"
    np.save(tmp_path / "vectors.npy", VECTORS)
    command = [BINARY, "build", tmp_path / "vectors.npy", "-o", tmp_path / "index", "-m", "2", "--ef-construction", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cassata build: warning: recall@10 of a sample is 0." in done.stderr


def test_exact_indexes_and_good_ones_are_quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_of(cassata.DenseFlatIndex.build_from_array(VECTORS)) is None
        assert check_of(cassata.SparseFlatIndex.build_from_arrays(topics(200, 300, seed=1))) is None
        assert check_of(cassata.DensePlainHNSW.build_from_array(VECTORS))["recall"] >= 0.9


def test_few_rows_and_equal_rows():
    for rows in (VECTORS[:1], VECTORS[:2], np.repeat(VECTORS[:1], 300, 0)):
        assert check_of(cassata.DensePlainHNSW.build_from_array(rows))["recall"] == 1
