"""Data that looks like embeddings, and what an exact search answers."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap

import cassata
import numpy as np
import pytest
from cli import run

# What a shell or nohup starts in the background ignores these, and all that it starts in turn: then nothing could be
# interrupted.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

RUN_SEED = int(os.environ.get("CASSATA_TEST_SEED") or 0)
_at_size = False  # --slow was given

METRICS = ("dotproduct", "euclidean")
CLASSES = (cassata.DenseFlatIndex, cassata.DensePlainHNSW)
FORMER = b"\x89CASSA\r\nformer"  # begins as an index file does, so that builds may replace it


def pytest_addoption(parser):
    parser.addoption(
        "--slow", action="store_true", help="also run tests marked `slow`, and tests of at_size() at their full size"
    )


def pytest_configure(config):
    global _at_size
    _at_size = config.getoption("--slow")


def pytest_collection_modifyitems(config, items):
    if not _at_size:
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)


def pytest_terminal_summary(terminalreporter):
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.line(f"The random seed was CASSATA_TEST_SEED={RUN_SEED}")


def at_size(full, small):
    """`full` in runs with --slow, else `small`, which shows the same in less time."""
    return full if _at_size else small


def rng(seed):
    """Random numbers of a seed of a test and of the run (CASSATA_TEST_SEED)."""
    return np.random.default_rng([RUN_SEED, seed] if RUN_SEED else seed)


def clustered(rows, dim, seed):
    """Rows around 30 centres, as of texts around topics."""
    random = rng(seed)
    centres = rng(99).standard_normal((30, dim))
    return (centres[random.integers(0, 30, rows)] + 0.7 * random.standard_normal((rows, dim))).astype(np.float32)


def topics(rows, columns, seed, entries=24):
    """Rows of about `entries` entries, most of them words of one of 25 topics, as of learned sparse texts."""
    from scipy import sparse

    random = rng(seed)
    words = rng(77).integers(0, columns, (25, 60))
    found = []
    for topic in random.integers(0, 25, rows):
        places = np.unique(np.concatenate([random.choice(words[topic], entries), random.integers(0, columns, 6)]))
        found.append((places, random.exponential(1.0, places.size) + 0.05))
    offsets = np.cumsum([0, *(len(places) for places, _ in found)])
    values = np.concatenate([values for _, values in found]).astype(np.float32)
    return sparse.csr_matrix((values, np.concatenate([places for places, _ in found]), offsets), (rows, columns))


def write_sparse(path, matrix):
    """The rows in the sparse .bin format."""
    with open(path, "wb") as file:
        file.write(struct.pack("<I", matrix.shape[0]))
        for begin, end in zip(matrix.indptr, matrix.indptr[1:]):
            file.write(struct.pack("<I", end - begin) + matrix.indices[begin:end].astype("<u4").tobytes())
            file.write(matrix.data[begin:end].astype("<f4").tobytes())


def brute_force(vectors, queries, k, metric):
    """Scores in double precision and ids, each (nq, k), best first, ties by lower id."""
    vectors, queries = vectors.astype(np.float64), np.atleast_2d(queries).astype(np.float64)
    scores = queries @ vectors.T
    if metric == "euclidean":
        scores = np.maximum((queries**2).sum(1)[:, None] + (vectors**2).sum(1) - 2 * scores, 0)
    ids = np.argsort(scores if metric == "euclidean" else -scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, ids, 1), ids


def sizes(index):
    """What proves that an index answers."""
    return index.batch_search(np.ones((3, index.dim), np.float32), 5)[1].tolist()


def answers(index, queries):
    """What two indexes agree on: distances and ids."""
    return [part.tolist() for part in index.batch_search(queries, 10)]


def recall(found, expected):
    """The share of the expected ids that were found, over all queries."""
    found, expected = np.asarray(found).reshape(len(expected), -1), np.asarray(expected)
    return np.mean([len(set(f) & set(e)) / len(e) for f, e in zip(found.tolist(), expected.tolist())])


def run_python(code, *arguments, cwd=None, env=os.environ):
    """What `code` prints in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=cwd, env={**env, "PYTHONWARNINGS": "error"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def vectors():
    return clustered(3000, 24, seed=1)


@pytest.fixture(scope="session")
def queries():
    return clustered(60, 24, seed=2)


@pytest.fixture(scope="session", params=METRICS)
def metric(request):
    return request.param


@pytest.fixture(scope="session")
def flat(vectors, metric):
    return cassata.DenseFlatIndex.build_from_array(vectors, metric=metric)


@pytest.fixture(scope="session")
def hnsw(vectors, metric):
    return cassata.DensePlainHNSW.build_from_array(vectors, m=16, ef_construction=100, metric=metric)


@pytest.fixture(scope="session", params=CLASSES, ids=lambda face: face.__name__)
def index(request, vectors, metric):
    """An index of each class and metric."""
    return request.param.build_from_array(vectors, metric=metric)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    """The file that `build(path)` makes, made once a session for each key; tests that change it take a copy."""
    folder, made = tmp_path_factory.mktemp("built"), {}

    def file(key, build):
        if key not in made:
            path = folder / f"{len(made)}.cassata"
            build(path)
            made[key] = path
        return made[key]

    return file


@pytest.fixture(params=CLASSES, ids=lambda face: face.__name__)
def saved(request, vectors, tmp_path, built_once):
    """An index of each class that has a path, and the file to itself."""
    face = request.param
    path = built_once(face, lambda path: face.build_from_array(vectors[:500], path=path).close())
    return face.load(shutil.copy(path, tmp_path / "saved.cassata"))


@pytest.fixture
def files(tmp_path, vectors, queries):
    """vectors.npy, queries.npy; the current folder of processes that are given cwd=."""
    np.save(tmp_path / "vectors.npy", vectors[:800])
    np.save(tmp_path / "queries.npy", queries)
    return tmp_path


@pytest.fixture(params=METRICS)
def built(request, files, built_once):
    """(index file, metric); the file is the test's own."""

    def build(path):
        run("build", "vectors.npy", "-o", path, "--metric", request.param, "-q", cwd=files)

    return shutil.copy(built_once(("program", request.param), build), files / "index.cassata"), request.param
