"""`cassata.train_two_level` and `cassata build --two-level`: the four .npy files and what they give back, read with
numpy alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import cassata
import numpy as np
import pytest
from cli import BINARY, output, refusal
from conftest import clustered

FILES = ["centroids.npy", "doclens.npy", "index_assignment.npy", "pq_centroids.npy", "residuals.npy"]
DIM = 16


@pytest.fixture(scope="module")
def tokens():
    return clustered(4000, DIM, seed=5)


@pytest.fixture
def folder(tmp_path, tokens):
    """Documents of 0 to 7 tokens, and a longer one."""
    doclens = np.append(np.tile(np.arange(8), 142), 24)
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "documents.npy", tokens)
    np.save(tmp_path / "in" / "doclens.npy", doclens)
    return tmp_path / "in"


def decoded(folder, pq_subspaces):
    centroids, assignment = np.load(folder / "centroids.npy"), np.load(folder / "index_assignment.npy")
    residuals = np.load(folder / "residuals.npy")
    pq = np.load(folder / "pq_centroids.npy").reshape(pq_subspaces, 256, -1)
    return centroids[assignment] + pq[np.arange(pq_subspaces), residuals].reshape(len(assignment), -1)


def share(tokens, others):
    return ((tokens.astype(np.float64) - others) ** 2).sum() / (tokens.astype(np.float64) ** 2).sum()


def test_files_are_what_is_said_and_near(folder, tokens):
    out = folder.parent / "out"
    made = cassata.train_two_level(folder, out, pq_subspaces=4, n_centroids=100)
    assert sorted(os.listdir(out)) == FILES
    arrays = {name.removesuffix(".npy"): np.load(out / name) for name in FILES}
    assert {name: (array.dtype.str, array.shape) for name, array in arrays.items()} == {
        "centroids": ("<f4", (100, DIM)),
        "doclens": ("<i4", np.load(folder / "doclens.npy").shape),
        "index_assignment": ("<u8", (4000,)),
        "pq_centroids": ("<f4", (256 * DIM,)),
        "residuals": ("|u1", (4000, 4)),
    }
    assert (arrays["doclens"] == np.load(folder / "doclens.npy")).all()
    assert made == {
        "documents": len(arrays["doclens"]),
        "tokens": 4000,
        "token_dim": DIM,
        "pq_subspaces": 4,
        "n_centroids": 100,
        "samples": 4000,
        "centroid_error": pytest.approx(share(tokens, arrays["centroids"][arrays["index_assignment"]]), rel=1e-4),
        "error": pytest.approx(share(tokens, decoded(out, 4)), rel=1e-4),
        "plain_bytes_per_token": 2 * DIM,
        "bytes_per_token": 2 + 4,
    }
    assert made["error"] < 0.6 * made["centroid_error"] < 0.3


def test_each_token_has_its_nearest_centroid(folder, tokens):
    cassata.train_two_level(folder, folder.parent / "out", pq_subspaces=8, n_centroids=50)
    centroids = np.load(folder.parent / "out" / "centroids.npy")
    distances = ((tokens[:, None].astype(np.float64) - centroids) ** 2).sum(2)
    found = np.take_along_axis(
        distances, np.load(folder.parent / "out" / "index_assignment.npy")[:, None].astype(np.int64), 1
    )[:, 0]
    np.testing.assert_allclose(found, distances.min(1), rtol=1e-4)


def test_two_levels_lose_less_than_one(folder):
    error = {}
    for n_centroids, pq_subspaces in [(1, 4), (64, 4), (1024, 4), (64, 8)]:
        error[n_centroids, pq_subspaces] = cassata.train_two_level(
            folder, folder.parent / "out", pq_subspaces, n_centroids
        )["error"]
    assert error[1024, 4] < error[64, 4] < error[1, 4]
    assert error[64, 8] < error[64, 4]


@pytest.mark.parametrize("dtype", ["f2", "u2", "padded"])
def test_every_layout_gives_the_same(folder, tokens, dtype):
    halves = tokens.astype(np.float16)
    np.save(folder / "documents.npy", halves.astype(np.float32))
    cassata.train_two_level(folder, folder.parent / "first", pq_subspaces=4, num_threads=1)
    documents = halves.view(np.uint16) if dtype == "u2" else halves
    if dtype == "padded":
        doclens = np.load(folder / "doclens.npy")
        documents = np.full((len(doclens), doclens.max(), DIM), np.nan, np.float32)
        documents[np.arange(doclens.max()) < doclens[:, None]] = halves
    np.save(folder / "documents.npy", documents)
    cassata.train_two_level(folder, folder.parent / "second", pq_subspaces=4, num_threads=4)
    for name in FILES:
        assert (folder.parent / "first" / name).read_bytes() == (folder.parent / "second" / name).read_bytes(), name


def test_command_line_makes_the_same_files(folder):
    made = cassata.train_two_level(folder, folder.parent / "ours", pq_subspaces=4)
    told = json.loads(
        output(
            "build", folder, "--two-level", "-o", folder.parent / "out", "--pq-subspaces", 4, "--threads", 1, "--json"
        )
    )
    assert told.pop("path") == str(folder.parent / "out")
    assert told.pop("seconds") > 0
    assert told == made
    for name in FILES:
        assert (folder.parent / "ours" / name).read_bytes() == (folder.parent / "out" / name).read_bytes(), name
    text = output("build", "--two-level", folder, "-o", folder.parent / "out", "--pq-subspaces", 4, "--centroids", 64)
    assert "4,000 tokens" in text
    assert "with 64 centroids" in text
    assert "32 as f16, 6 in two levels" in text
    assert output("build", "--two-level", folder, "-o", folder.parent / "out", "--pq-subspaces", 4, "-q") == ""


def test_command_line_helps_and_refuses(folder):
    assert "--pq-subspaces" in output("build", "--two-level", "--help")
    assert "--two-level" in output("build", "--help")
    assert "--output" in refusal("build", folder, "--two-level")
    assert "FOLDER is missing" in refusal("build", "--two-level", "-o", folder.parent / "out")
    assert "--centroids: '0' given" in refusal(
        "build", folder, "--two-level", "-o", folder.parent / "out", "--centroids", 0
    )
    assert "--pq-subspaces: 32 given, expected a divisor of 16" in refusal(
        "build", folder, "--two-level", "-o", folder.parent / "out"
    )
    assert "is the input folder" in refusal("build", folder, "--two-level", "-o", folder)
    assert "doclens.npy" in refusal("build", folder.parent, "--two-level", "-o", folder.parent / "out")
    assert sorted(os.listdir(folder.parent)) == ["in"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pq_subspaces": 5}, "pq_subspaces: 5 given, expected a divisor of 16"),
        ({"pq_subspaces": 0}, "pq_subspaces: 0"),
        ({"pq_subspaces": 4, "n_centroids": 0}, "n_centroids: 0"),
        ({"pq_subspaces": 4, "n_centroids": 4001}, "n_centroids: 4001 given, expected at most 4000"),
        ({"pq_subspaces": 4, "num_threads": -1}, "num_threads"),
    ],
)
def test_wrong_arguments(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        cassata.train_two_level(folder, folder.parent / "out", **arguments)
    assert not (folder.parent / "out").exists()


def test_wrong_folders(folder, tmp_path):
    with pytest.raises(ValueError, match=r"out_folder: .* is the input folder"):
        cassata.train_two_level(folder, folder, 4)
    with pytest.raises(FileNotFoundError, match=r"doclens\.npy"):
        cassata.train_two_level(tmp_path, tmp_path / "out", 4)
    with pytest.raises(FileNotFoundError, match="deep/er"):
        cassata.train_two_level(folder, tmp_path / "deep" / "er", 4)
    with pytest.raises(TypeError, match="out_folder"):
        cassata.train_two_level(folder, 17, 4)


def test_progress_that_raises_leaves_nothing(folder):
    stages = []
    cassata.train_two_level(folder, folder.parent / "out", 4, progress=lambda stage, *_: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["sample", "centroids", "residuals", "tokens"]
    former = {name: (folder.parent / "out" / name).read_bytes() for name in FILES}
    for at in dict.fromkeys(stages):

        def stop(stage, done, total, at=at):
            if stage == at:
                raise KeyError(at)

        for out in ["out", "new"]:
            with pytest.raises(KeyError, match=at):
                cassata.train_two_level(folder, folder.parent / out, 8, progress=stop)
    assert not (folder.parent / "new").exists()
    assert {name: (folder.parent / "out" / name).read_bytes() for name in os.listdir(folder.parent / "out")} == former


def test_interruption_leaves_nothing(folder):
    np.save(folder / "documents.npy", clustered(60_000, DIM, seed=6))
    np.save(folder / "doclens.npy", np.full(600, 100))
    out = folder.parent / "out"
    command = [BINARY, "build", folder, "--two-level", "-o", out, "--pq-subspaces", "4", "--centroids", "8192"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (out / "doclens.npy.partial").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120) == (b"", b"")
    assert process.returncode == -signal.SIGINT
    assert not out.exists()
