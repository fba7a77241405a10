"""A user's program passes mypy --strict, and the stubs tell the truth."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("mypy")

PROGRAM = """
from pathlib import Path
from typing import Any

import cassata
import numpy as np
import numpy.typing as npt


def told(stage: str, done: int, total: int) -> None:
    print(stage, done, total)


matrix: Any = None
vectors: npt.NDArray[np.float32] = np.ones((10, 4), np.float32)
index: cassata.DensePlainHNSW = cassata.DensePlainHNSW.build_from_array(
    vectors, m=8, metric="euclidean", path=Path("a"), progress=told
)
flat: cassata.DenseFlatIndex = cassata.DenseFlatIndex.build_from_file(
    "x.npy", "dotproduct", dtype="f16", num_threads=2, progress=True
)
result: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]] = index.search(vectors[0], 5, early_exit_threshold=0.1)
result = flat.batch_search([[1.0, 2.0, 3.0, 4.0]], 5)
opened: cassata.Index = cassata.open("a", verify=True)
result = opened.search(matrix, k=3, ef_search=50, k_candidates=20)
if isinstance(opened, (cassata.DenseFlatIndex, cassata.DensePlainHNSW, cassata.DensePQHNSW, cassata.DenseRerankHNSW)):
    result = opened.batch_search(vectors, 3)
guided: cassata.DensePlainHNSW = cassata.DensePlainHNSW.build_from_array(vectors, navigation="rabitq", bits=2)
stages: cassata.DenseRerankHNSW = cassata.DenseRerankHNSW.build_from_array(vectors, 4, encoder="rabitq", rerank_bits=4)
stages.batch_search(vectors, 3, 20, alpha=0.1, beta=5)
product: cassata.DensePQHNSW = cassata.DensePQHNSW.build_from_array(vectors, 4, 2, m=8, opq=True, path=Path("p"))
result = product.batch_search(vectors, 5, ef_search=50)
joined: cassata.SparseMultivecRerankIndex = cassata.SparseMultivecRerankIndex.build_from_file(
    "d", "tokens", path=Path("t")
)
result = joined.batch_search([1, 3], [0.5, 1.0], [0, 2], vectors, k_candidates=20)
with cassata.DensePQHNSW.load("p", 2, "dotproduct") as held:
    product = held
components, offsets = np.array([1, 3], np.int32), np.array([0, 2], np.int64)
texts: cassata.SparsePlainHNSW = cassata.SparsePlainHNSW.build_from_arrays(
    components, [0.5, 1.0], offsets, 16, dtype="f32", path=Path("d")
)
texts = cassata.SparsePlainHNSW.build_from_arrays(matrix, m=8, metric="euclidean")
result = texts.search(components, [0.5, 1.0], 10, 100, None)
result = texts.search(components, [0.5, 1.0], offsets, k=10, num_threads=2)
result = texts.batch_search(components, [0.5, 1.0], offsets, 10, 100, 0.1, 4)
result = texts.batch_search(matrix, k=10)
staged: cassata.SparseRerankHNSW = cassata.SparseRerankHNSW.build_from_arrays(
    components, [0.5, 1.0], offsets, 60, residual_rerank=True
)
result = staged.search(components, [0.5, 1.0], 100, 10, 100, 0.5, 10)
result = staged.search(components, [0.5, 1.0], sparse_offsets=offsets, k_candidates=50, k=10)
result = staged.batch_search(matrix, k_candidates=50, num_threads=2)
exact: cassata.SparseFlatIndex = cassata.SparseFlatIndex.build_from_arrays(components, [0.5, 1.0], offsets, dtype="f16")
result = exact.batch_search(components, [0.5, 1.0], offsets, 10)
lists: cassata.SparsePostingsIndex = cassata.SparsePostingsIndex.build_from_file(
    "x.bin", m=16, ef_construction=200, n_knn=4
)
result = lists.search(components, [0.5, 1.0], 10, 100, query_cut=5, heap_factor=0.9)
exact = cassata.SparseFlatIndex.build_from_arrays(matrix, dtype="f16", path="e")
result = exact.search(components, [0.5, 1.0], 10)
with cassata.SparsePlainHNSW.load("d", "permuted") as again:
    texts = again
with cassata.DensePlainHNSW.load("a", metric="euclidean") as loaded:
    n: int = len(loaded) + loaded.n + loaded.dim
    name: str = loaded.metric + loaded.uuid + str(loaded.info["file_size"]) + cassata.__version__
    loaded.verify(progress=True)
    loaded.save(Path("b"))
native: cassata.Index = cassata.build(vectors, Path("n"), metric="l2", navigation="rabitq", bits=2, m=8, progress=told)
result = native.search(vectors, k=5, ef_search=50, early_exit_threshold=0.1, num_threads=2)
native = cassata.Index.open("n", resident="hot")
result = native.search(cassata.SparseRows(components, [0.5, 1.0]), k=3, query_cut=9)
result = native.join("tokens", Path("j"), overwrite=True).search(matrix, tokens=[vectors, vectors], k_candidates=20)
with cassata.Index.open("n") as opened_natively:
    opened_natively.warm(resident="all", lock=True)
native = cassata.recommend(vectors).build(vectors)
native = cassata.build(native, dtype="f16", filter={"size": {"$lt": 3}}, metric="l2")
result = native.search(native.vectors([1, 2]), k=3)
try:
    cassata.open("c")
except cassata.FormatError as error:
    print(error)
"""

MISUSES = [
    "cassata.DensePlainHNSW.build_from_array(3, m='many')",
    "cassata.open(5)",
    "cassata.open('a').search([[1.0]], 5)",
    "cassata.open('a').search(None, k='ten')",
    "cassata.DenseFlatIndex.load('a', metric=3)",
    "cassata.SparsePlainHNSW.load('a').search([1], [1.0], k='ten')",
    "cassata.SparsePlainHNSW.load('a').search([1])",
    "cassata.SparsePlainHNSW.build_from_file('x.bin', dtype=16)",
    "cassata.build('x.npy', efConstruction=40)",
    "cassata.build('x.npy', None, 'flat')",
    "cassata.Index.open('a').search([[1.0]], 5)",
    "cassata.SparseFlatIndex.load('a').search([1], [1.0], [0, 1], heap_factor=0.5)",
    "cassata.SparseMultivecRerankIndex.load('a').search([1], [1.0], None, None, tokens_a_query=3)",
]


def mypy(tmp_path, text):
    program = tmp_path / "program.py"
    program.write_text(text)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--config-file=",
        "--cache-dir=.",
        str(program),
    ]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)


def test_a_users_program(tmp_path):
    done = mypy(tmp_path, PROGRAM)
    assert done.returncode == 0, done.stdout + done.stderr


def test_misuses_are_found(tmp_path):
    done = mypy(tmp_path, "\n".join(["import cassata", *MISUSES]))
    for line, misuse in enumerate(MISUSES, start=2):
        assert f"program.py:{line}: error" in done.stdout, (misuse, done.stdout + done.stderr)


def test_the_stubs_are_true(tmp_path):
    allowed = tmp_path / "allowed"
    # What every pybind11 class has: a metaclass, and an __init__ that raises. What the stub of the package has, and its
    # source has not.
    ours = [f"cassata._core.{name}{member}" for name in ("Index", "IndexHandle") for member in ("", ".__init__")]
    ours += ["cassata._core.classes", "cassata._core.parameters"]  # dicts, which stubtest takes for no TypedDict
    made = [f"cassata.index.{name}" for name in ("Index.build", "Index.search", "build")]
    allowed.write_text("".join(f"{name}\n" for name in [*ours, *made]))
    command = [sys.executable, "-m", "mypy.stubtest", "cassata", f"--allowlist={allowed}", "--ignore-unused-allowlist"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
