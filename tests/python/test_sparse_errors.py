"""Sparse vectors: bad input, and what becomes of their index files."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import struct

import cassata
import numpy as np
import pytest
from conftest import FORMER, answers, rng, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

Face = cassata.SparsePlainHNSW


@pytest.fixture(scope="module")
def vectors():
    return topics(500, 3000, seed=1)


@pytest.fixture(scope="module")
def queries():
    return topics(50, 3000, seed=2)


# --- input ------------------------------------------------------------------------------------------------------------

ROWS = ([1, 4, 0, 2], [1.0, 2.0, 3.0, 4.0], [0, 2, 2, 4])  # rows {1, 4}, {}, {0, 2}

BAD_ROWS = [
    (0, [1, 4, -3, 2], r"components: row 2, entry 0: -3, expected 0 to 4294967294"),
    (0, [1, 2**32 - 1, 0, 2], r"components: row 0, entry 1: 4294967295, expected 0 to 4294967294"),
    (0, [1, 4, 0, 2**40], r"components: row 2, entry 1: 1099511627776, expected"),
    (0, np.array([1, 4, 0, 2**32 - 1], np.uint32), r"components: row 2, entry 1: 4294967295, expected"),
    (0, [4, 1, 0, 2], "row 0, entry 1: component 1 after 4, expected strictly increasing components"),
    (0, [1, 4, 2, 2], "row 2, entry 1: component 2 after 2, expected strictly increasing components"),
    (0, [1.0, 4.0, 0.0, 2.0], "components: dtype float64, expected whole numbers"),
    (0, [[1, 4], [0, 2]], r"components: shape \(2, 2\), expected one dimension"),
    (1, [1.0, 2.0, np.nan, 4.0], r"row 2, entry 0: -?nan, expected a finite number"),
    (1, [1.0, np.inf, 3.0, 4.0], r"row 0, entry 1: inf, expected a finite number"),
    (1, [1.0, 2.0, 3.0, 1e300], r"values: row 2, entry 1: 1e\+300, which f32 cannot hold"),
    (1, [1.0, 2.0, 3.0], "values: 3 given, expected 4, as many as .*components"),
    (1, ["a", "b", "c", "d"], "values: dtype <U1, expected real numbers"),
    (1, np.ones(4, complex), "values: dtype complex128"),
    (2, [0, 2, 1, 4], "offsets: row 1 from 2 to 1, expected non-decreasing offsets"),
    (2, np.array([0, 3, 2, 4], np.uint64), "offsets: row 1 from 3 to 2, expected non-decreasing offsets"),
    (2, [1, 2, 4], "offsets: from 1 to 4, expected 0 to the number of entries, 4"),
    (2, [0, 2, 5], "offsets: from 0 to 5, expected 0 to the number of entries, 4"),
    (2, [0, -2, 4], "offsets: row 0 from 0 to -2, expected non-decreasing offsets"),
    (2, [], "offsets: none, expected 0 and the end of each row"),
    (2, [0.0, 4.0], "offsets: dtype float64, expected whole numbers"),
    (2, [[0, 4]], r"offsets: shape \(1, 2\), expected one dimension"),
]


def with_bad(place, bad):
    return [bad if i == place else good for i, good in enumerate(ROWS)]


@pytest.mark.parametrize(("place", "bad", "message"), BAD_ROWS)
def test_bad_rows(place, bad, message, tmp_path):
    with pytest.raises(ValueError, match=f"(^|^values: ){message}"):
        Face.build_from_arrays(*with_bad(place, bad), path=tmp_path / "index")
    assert list(tmp_path.iterdir()) == []
    if "strictly increasing" in message:
        return  # the components of queries need not
    index = Face.build_from_arrays(*ROWS)
    for search in (index.search, index.batch_search):
        with pytest.raises(ValueError, match=f"^(query_|queries: )?{message}"):
            search(*with_bad(place, bad), 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda index: index.search([1]), TypeError, "query_values: missing"),
        (lambda index: index.search("text", [1.0]), TypeError, "query_components: 'text' given, expected an array"),
        (lambda index: index.search([1], [1.0], "ten"), TypeError, "k: 'ten' given, expected a whole number"),
        (lambda index: index.search([1], [1.0], 2.5), TypeError, "k: 2.5 given, expected a whole number"),
        (lambda index: index.search([1], [1.0], -1), ValueError, "k: -1 given"),
        (lambda index: index.search([1], [1.0], [0, 1], offsets=[0, 1]), TypeError, "offsets: given twice"),
        (lambda index: index.search([1], [1.0], 3, k=3), TypeError, "'k'"),
        (lambda index: index.search([1], [1.0], what=3), TypeError, "what: unknown argument"),
        (lambda index: index.search([1], [1.0], 3, 10, None, 1, 5), TypeError, "positional"),
        (lambda index: index.search([1], [1.0], ef_search=-1), ValueError, "ef_search: -1 given"),
        (lambda index: index.search([1], [1.0], num_threads=-1), ValueError, "num_threads: -1 given"),
        (lambda index: index.search([1], [1.0], early_exit_threshold=-0.7), ValueError, "early_exit_threshold"),
        (
            lambda index: index.batch_search([1], [1.0], [0, 1], 10**15),
            ValueError,
            "k: 1000000000000000 results for each of 1 queries",
        ),
        (lambda _: Face.build_from_arrays([1], [1.0]), TypeError, "expected all three, or a scipy.sparse matrix alone"),
        (lambda _: Face.build_from_arrays(sparse.eye(3), [1.0], [0, 1]), TypeError, "given with a scipy.sparse matrix"),
        (lambda _: Face.build_from_arrays([], [], [0]), ValueError, "0 vectors, expected at least 1"),
        (lambda _: Face.build_from_arrays(*ROWS, metric="jaccard"), ValueError, "jaccard"),
        (lambda _: Face.build_from_arrays(*ROWS, graph_type="tree"), ValueError, "tree"),
        (lambda _: Face.build_from_arrays(*ROWS, dtype="u8"), ValueError, "u8"),
        (lambda _: Face.build_from_arrays(*ROWS, m=1), ValueError, "m"),
        (lambda _: Face.build_from_arrays([1], [70_000.0], [0, 1]), ValueError, "row 0.*70000"),
        (lambda _: Face(), TypeError, "build_from_file, build_from_arrays or load"),
    ],
)
def test_bad_calls(call, error, message):
    with pytest.raises(error, match=message):
        call(Face.build_from_arrays(*ROWS))


def test_broken_matrices():
    """What scipy itself would read past the ends of its arrays."""
    index = Face.build_from_arrays(*ROWS)
    faults = ("indptr", 1, 9), ("indptr", 1, -5), ("indptr", 2, 2**30), ("indices", 0, -1), ("indices", 0, 2**30)
    for kind, (part, place, bad) in itertools.product(("csr", "csc", "bsr"), faults):
        broken = sparse.eye(4, dtype=np.float32).asformat(kind)
        getattr(broken, part)[place] = bad
        with pytest.raises(ValueError, match=r"^components: .* expected a valid scipy.sparse matrix"):
            Face.build_from_arrays(broken)
        with pytest.raises(ValueError, match=r"^query_components: .* expected a valid scipy.sparse matrix"):
            index.search(broken)
    unlike = sparse.csr_matrix(np.eye(4, dtype=np.float32))
    unlike.data[2] = np.nan
    with pytest.raises(ValueError, match="row 2, entry 0: nan"):
        Face.build_from_arrays(unlike)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.bin", b"", "empty.bin"),
        (
            "short.bin",
            struct.pack("<III", 2, 5, 1),
            "short.bin: row 0 at byte 4: 5 entries of 8 bytes, expected at most",
        ),
        ("long.bin", struct.pack("<IIIfI", 1, 1, 1, 1.0, 9), "long.bin: 4 bytes after the last of 1 rows"),
        (
            "falling.bin",
            struct.pack("<IIIIff", 1, 2, 5, 4, 1.0, 1.0),
            "falling.bin: row 0, entry 1: component 4 after 5",
        ),
        ("nan.bin", struct.pack("<IIIIf", 2, 0, 1, 5, np.nan), "nan.bin: row 1, entry 0: -?nan"),
        ("none.bin", struct.pack("<I", 0), "none.bin: 0 vectors"),
        ("text.npz", b"text", "text.npz: .*expected a file written by scipy.sparse.save_npz"),
        ("empty.npz", b"", "empty.npz: .*expected a file written by scipy.sparse.save_npz"),
        ("zip.npz", b"PK\x03\x04" + b"\0" * 100, "zip.npz: .*expected a file written by scipy.sparse.save_npz"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Face.build_from_file(tmp_path / name, path=tmp_path / "index")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_archives_that_hold_no_sparse_matrix(tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    (tmp_path / "noise.npz").write_bytes(bytes(range(256)))
    os.mkfifo(tmp_path / "pipe.npz")
    for name, found in (
        ("arrays.npz", "holds no sparse matrix"),
        ("noise.npz", "not a zip archive"),
        ("pipe.npz", "not a regular file"),
    ):
        with pytest.raises(ValueError, match=f"{name}: {found}"):
            Face.build_from_file(tmp_path / name)


def test_an_index_does_not_replace_its_input(tmp_path, vectors):
    sparse.save_npz(tmp_path / "input.npz", vectors)
    write_sparse(tmp_path / "input.bin", vectors)
    for path in sorted(tmp_path.iterdir()):
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"path: .* is the input, which the index would replace"):
            Face.build_from_file(path, path=path)
        assert path.read_bytes() == before


def test_files_that_are_no_matrices_or_not_there(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.eye(3))
    with pytest.raises(ValueError, match=r"other.npz: .*expected a file written by scipy.sparse.save_npz"):
        Face.build_from_file(tmp_path / "other.npz")
    sparse.save_npz(tmp_path / "infinite.npz", sparse.csr_matrix(np.float32([[1, 0], [2, np.inf]])))
    with pytest.raises(ValueError, match=r"infinite.npz: row 1, entry 1: inf, expected a finite number"):
        Face.build_from_file(tmp_path / "infinite.npz")
    for name in ("nothing.bin", "nothing.npz"):
        with pytest.raises(FileNotFoundError, match="nothing"):
            Face.build_from_file(tmp_path / name)


# --- files ------------------------------------------------------------------------------------------------------------


def test_save_load_open_pickle_verify(tmp_path, vectors, queries, metric):
    path = tmp_path / "saved"
    index = Face.build_from_arrays(vectors[:500], m=8, ef_construction=40, metric=metric)
    expected = answers(index, queries)
    index.save(path)
    index.verify()
    given = {"metric": metric, "graph_type": "permuted", "dtype": "f16", "dim": index.dim}
    for same in (
        index,
        Face.load(path),
        Face.load(path, "permuted"),
        Face.load(path, verify=True, **given),
        cassata.open(path, verify=True),
    ):
        assert type(same) is Face
        assert answers(same, queries) == expected
    again = pickle.loads(pickle.dumps(index))
    assert (answers(again, queries), again.uuid) == (expected, index.uuid)
    assert repr(again).startswith(
        f"SparsePlainHNSW(n=500, dim={index.dim}, metric={metric!r}, dtype='f16', graph_type='permuted', m=8"
    )
    for name, other in (("metric", "cosine"), ("graph_type", "compressed"), ("dtype", "f32"), ("dim", 5)):
        with pytest.raises(ValueError, match=f"{name}: {other!r} given"):
            Face.load(path, **{name: other})
    with pytest.raises(ValueError, match="holds a SparsePlainHNSW, not a DensePlainHNSW"):
        cassata.DensePlainHNSW.load(path)
    again.close()
    with pytest.raises(ValueError, match="closed"):
        again.search(queries)


def test_damaged_bytes(tmp_path, vectors, queries):
    """Seen at once or by verify; a search before that is safe."""
    path, random = tmp_path / "damaged", rng(8)
    whole = bytearray()
    with (
        Face.build_from_arrays(vectors[:300], m=8, ef_construction=40, path=path) as index,
        open(index.path, "rb") as file,
    ):
        whole += file.read()
        parts = [part["offset"] + int(random.integers(part["length"])) for part in index.info["sections"]]
    for at in {0, 100, len(whole) - 1, *parts, *random.integers(0, len(whole), 40).tolist()}:
        whole[at] ^= 0x55
        path.write_bytes(whole)
        with pytest.raises(cassata.FormatError, match="damaged"):
            search_and_verify(path, queries)
        whole[at] ^= 0x55
    path.write_bytes(whole)
    search_and_verify(path, queries)


def search_and_verify(path, queries):
    index = cassata.open(path)
    with contextlib.suppress(cassata.FormatError):
        index.batch_search(queries, 5)
    index.verify()


def test_truncated_files(tmp_path, vectors):
    path = tmp_path / "short"
    Face.build_from_arrays(vectors[:100], m=8, ef_construction=40, path=path).close()
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 1499), len(whole) - 1, 4095, 4096, 4097}:
        path.write_bytes(whole[:length])
        with pytest.raises(cassata.FormatError, match="short"):
            cassata.open(path)


def test_a_build_that_is_called_off_leaves_the_former_file(tmp_path, vectors):
    path = tmp_path / "index"
    path.write_bytes(FORMER)

    def stop(stage, done, total):
        raise RuntimeError(stage)

    with pytest.raises(RuntimeError):
        Face.build_from_arrays(vectors, path=path, progress=stop)
    assert path.read_bytes() == FORMER
    assert [entry.name for entry in tmp_path.iterdir()] == ["index"]
