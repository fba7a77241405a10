"""Bad arguments, bad arrays, bad files: one clear error each, naming the argument or the file and what was found."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import pickle
import stat

import cassata
import numpy as np
import pytest
from conftest import CLASSES, clustered, rng


@pytest.fixture(scope="module", params=CLASSES, ids=lambda face: face.__name__)
def small(request):
    return request.param.build_from_array(clustered(100, 8, seed=6), metric="euclidean")


def with_value(shape, place, value, kind="f4"):
    array = np.ones(shape, kind)
    array[place] = value
    return array


# --- queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones(7), r"queries: 7 numbers, expected 8 .*multiple"),
        (np.ones(17), r"queries: 17 numbers, expected 8 "),
        (np.ones((2, 7)), r"queries: shape \(2, 7\), expected .*8"),
        (np.ones((2, 2, 8)), r"queries: shape \(2, 2, 8\)"),
        (1.5, r"queries: shape \(\)"),
        (np.ones(8, complex), "queries: dtype complex128"),
        (np.array([None] * 8), "queries: row 0: None, expected an array of numbers"),
        (np.array(["a"] * 8), "queries: dtype <U1"),
        (np.ones(8, bool), "queries: dtype bool"),
        (np.ones(8, "M8[s]"), "queries: dtype datetime64"),
        ([[1.0] * 8, [1.0] * 7], "queries: rows of different lengths"),
        (np.ma.masked_array(np.ones(8), [1] + [0] * 7), "queries: a masked array"),
        (with_value((3, 8), (1, 2), np.nan), "quer.* 1.*(?i:nan)"),
        (with_value((3, 8), (2, 0), np.inf), "quer.* 2.*(?i:inf)"),
        (with_value((3, 8), (2, 0), -np.inf), "quer.* 2.*(?i:inf)"),
        (with_value((3, 8), (2, 5), -1e300, "f8"), r"queries: row 2, column 5: -1e\+300, which f32 cannot hold"),
        (with_value(16, 13, 1e300, "f8"), r"queries: row 1, column 5: 1e\+300, which f32 cannot hold"),
    ],
)
def test_bad_queries(small, given, message):
    for search in (small.search, small.batch_search):
        with pytest.raises(ValueError, match=message):
            search(given, 3)


@pytest.mark.parametrize("given", ["text", b"bytes"])
def test_queries_of_nonsense_types(small, given):
    for search in (small.search, small.batch_search):
        with pytest.raises(TypeError, match=r"queries: .* given, expected an array"):
            search(given, 3)


def test_no_queries_or_twice(small):
    with pytest.raises(TypeError, match="exactly one of queries and query"):
        small.search()
    with pytest.raises(TypeError, match="exactly one of queries and query"):
        small.search(np.ones(8), query=np.ones(8))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": -1}, ValueError, "k: -1 given"),
        ({"k": 2**80}, ValueError, "k: "),
        ({"k": 2.0}, TypeError, r"k: 2\.0 given, expected a whole number"),
        ({"k": "ten"}, TypeError, "k: 'ten' given"),
        ({"ef_search": -5}, ValueError, "ef_search: -5 given"),
        ({"ef_search": "many"}, TypeError, "ef_search: .many. given"),
        ({"num_threads": -1}, ValueError, "num_threads: -1 given"),
        ({"num_threads": 10**6}, ValueError, "num_threads: 1000000 given"),
        ({"early_exit_threshold": -0.1}, ValueError, "early_exit_threshold"),
        ({"early_exit_threshold": math.nan}, ValueError, "early_exit_threshold"),
        ({"early_exit_threshold": 10**400}, ValueError, "early_exit_threshold"),
        ({"early_exit_threshold": "much"}, TypeError, "early_exit_threshold: 'much' given"),
    ],
)
def test_bad_search_parameters(small, arguments, error, message):
    for search in (small.search, small.batch_search):
        with pytest.raises(error, match=message):
            search(np.ones((2, 8)), **arguments)


def test_results_that_no_machine_holds(small):
    for k in (10**12, 2**62):
        for search in (small.search, small.batch_search):
            with pytest.raises(
                ValueError, match=rf"k: {k} results for each of 2 queries .*, this machine has \d+ bytes \([\d.]+ .iB\)"
            ):
                search(np.ones((2, 8)), k)
    with pytest.raises(ValueError, match="for each of 1 queries"):
        small.search(np.ones(8), 2**62)


# --- building ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", CLASSES)
@pytest.mark.parametrize(
    ("data", "dim", "message"),
    [
        (np.ones(8), None, "dim: None given"),
        (np.ones(9), 4, "data_vec: 9 numbers, expected a multiple of dim=4"),
        (np.ones((4, 3)), 4, r"dim: 4 given, but data_vec has shape \(4, 3\)"),
        (np.ones((4, 3, 2)), None, r"data_vec: shape \(4, 3, 2\)"),
        (np.float32(1), 1, r"data_vec: shape \(\)"),
        (np.ones((4, 3)), 0, "dim: 0 given"),
        (np.ones((4, 3)), -3, "dim: -3 given"),
        (np.ones((4, 0)), None, "dim"),
        (np.ones((4, 3), complex), None, "data_vec: dtype complex128"),
        (np.full((4, 3), None), None, "data_vec: dtype object"),
        ([["a"]], None, "data_vec: dtype"),
        ([[1.0], [1.0, 2.0]], None, "data_vec: rows of different lengths"),
        (with_value((9, 3), (5, 1), np.nan), None, "data_vec.* 5.*(?i:nan)"),
        (with_value((9, 3), (6, 1), np.inf, "f2"), None, "data_vec.* 6.*(?i:inf)"),
        (with_value((9, 3), (7, 1), 1e300, "f8"), None, r"data_vec: row 7, column 1: 1e\+300, which f32 cannot hold"),
        (with_value((9, 3), (7, 1), 1e300, "g"), None, r"data_vec: row 7, column 1: 1.*e\+300, which f32 cannot hold"),
        (with_value((9, 3), (8, 1), np.nan).ravel(), 3, "data_vec.* 8.*(?i:nan)"),
        (np.asfortranarray(with_value((9, 3), (4, 1), np.nan)), None, "data_vec.* 4.*(?i:nan)"),
    ],
)
def test_bad_collections(face, data, dim, message):
    with pytest.raises(ValueError, match=message):
        face.build_from_array(data, dim)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"metric": "round"}, ValueError, "round.*dotproduct.*euclidean.*cosine"),
        ({"metric": 3}, TypeError, "metric: 3 given, expected a string"),
        ({"graph_type": "round"}, ValueError, "round.* expected one of 'standard', 'permuted', 'compressed', 'paged'$"),
        ({"dtype": "f64"}, ValueError, "f64.*f16"),
        ({"m": 0}, ValueError, "m.*0"),
        ({"m": -2}, ValueError, "m: -2 given"),
        ({"m": 10**6}, ValueError, "m.*1000000"),
        ({"m": 2**40}, ValueError, "m: "),
        ({"m": "many"}, TypeError, "m: 'many' given"),
        ({"ef_construction": 0}, ValueError, "ef_construction"),
        ({"ef_construction": -1}, ValueError, "ef_construction: -1 given"),
        ({"num_threads": -1}, ValueError, "num_threads: -1 given"),
        ({"progress": 3}, TypeError, "progress: 3 given"),
        ({"path": ""}, ValueError, "path: '' given"),
        ({"path": "a\0b"}, ValueError, "path: "),
        ({"path": 3}, TypeError, "path: 3 given"),
    ],
)
def test_bad_build_parameters(arguments, error, message):
    with pytest.raises(error, match=message):
        cassata.DensePlainHNSW.build_from_array(np.eye(4), **arguments)


def test_values_that_f16_cannot_hold():
    with pytest.raises(ValueError, match=r"(?i)row 1|vector 1"):
        cassata.DenseFlatIndex.build_from_array(with_value((3, 3), (1, 1), 1e5), dtype="f16")


def test_classes_are_not_constructed():
    for face in CLASSES:
        with pytest.raises(TypeError, match="build_from_file, build_from_array or load"):
            face()


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (
            "fortran.npy",
            lambda path: np.save(path, np.asfortranarray(np.ones((4, 3), "f4"))),
            "fortran.npy.*(?i:fortran)",
        ),
        ("big.npy", lambda path: np.save(path, np.ones((4, 3), ">f4")), "big.npy.*(?i:endian|>f4)"),
        ("object.npy", lambda path: np.save(path, np.full((4, 3), None), allow_pickle=True), "object.npy"),
        ("flat.npy", lambda path: np.save(path, np.ones(12, "f4")), "flat.npy"),
        ("nan.npy", lambda path: np.save(path, with_value((9, 3), (5, 1), np.nan)), "nan.npy.* 5.*(?i:nan)"),
        ("short.npy", lambda path: (np.save(path, np.ones((9, 3))), os.truncate(path, 200)), "short.npy"),
        ("text.npy", lambda path: path.write_text("not an array"), "text.npy"),
        ("empty.fvecs", lambda path: path.write_bytes(b""), "empty.fvecs"),
        ("short.fbin", lambda path: path.write_bytes(b"\5\0\0\0\3\0\0\0" + b"\0" * 11), "short.fbin"),
        ("what.xyz", lambda path: path.write_bytes(b"\0"), r"what.xyz.*\.npy"),
    ],
)
def test_bad_input_files(tmp_path, name, write, message):
    write(tmp_path / name)
    for face in CLASSES:
        with pytest.raises(ValueError, match=message):
            face.build_from_file(tmp_path / name, path=tmp_path / "index")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_files_that_are_not_there(tmp_path):
    for open_it in (cassata.open, cassata.DensePlainHNSW.load, cassata.DenseFlatIndex.load):
        with pytest.raises(FileNotFoundError, match="nothing") as caught:
            open_it(tmp_path / "nothing")
        assert caught.value.errno == errno.ENOENT
    with pytest.raises(FileNotFoundError, match="nothing"):
        cassata.DenseFlatIndex.build_from_file(tmp_path / "nothing.npy")
    with pytest.raises(FileNotFoundError):
        cassata.DenseFlatIndex.build_from_array(np.eye(3), path=tmp_path / "no" / "folder")


def test_folders_are_no_files(tmp_path):
    with pytest.raises((OSError, cassata.FormatError)):
        cassata.open(tmp_path)
    with pytest.raises((OSError, ValueError)):
        cassata.DenseFlatIndex.build_from_array(np.eye(3), path=tmp_path)
    assert tmp_path.is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path, saved):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(PermissionError):
            saved.save(tmp_path / "copy")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("face", CLASSES)
def test_a_build_onto_its_input(tmp_path, face):
    path = tmp_path / "vectors.npy"
    np.save(path, np.eye(8, dtype=np.float32))
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    for target in (path, tmp_path / "link"):
        with pytest.raises(ValueError, match=rf"path: .*{target.name} is the input"):
            face.build_from_file(path, path=target)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["link", "vectors.npy"]


def test_a_partial_that_no_writer_left(small, tmp_path):
    notes = tmp_path / "index.partial"
    notes.write_text("mine")
    for write in (small.save, lambda path: type(small).build_from_array(np.eye(8), path=path)):
        with pytest.raises(FileExistsError, match=r"index\.partial: not left by an interrupted writer"):
            write(tmp_path / "index")
    assert notes.read_text() == "mine"


def test_a_full_disk(small):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with pytest.raises((OSError, ValueError)):
        small.save("/dev/full/index")


@pytest.mark.parametrize("content", [b"", b"x", b"\x89CASSA\r\n", b"\0" * 5000, b"\x93NUMPY" + b"\0" * 9000])
def test_foreign_files(tmp_path, content):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    for open_it in (cassata.open, cassata.DensePlainHNSW.load, cassata.DenseFlatIndex.load):
        with pytest.raises(cassata.FormatError, match="foreign"):
            open_it(path)


def test_truncated_files(saved, tmp_path):
    with open(saved.path, "rb") as file:
        whole = file.read()
    path = tmp_path / "short"
    for length in {*range(0, len(whole), 997), len(whole) - 1, 4095, 4096, 4097}:
        path.write_bytes(whole[:length])
        with pytest.raises(cassata.FormatError, match="short"):
            cassata.open(path)


def search_and_verify(path, queries):
    index = cassata.open(path)
    with contextlib.suppress(cassata.FormatError):
        index.search(queries, 5)
    index.verify()


def test_damaged_bytes(saved, tmp_path, queries):
    """Damage in header or manifest is seen at once, elsewhere by verify; a search before that is safe."""
    with open(saved.path, "rb") as file:
        whole = bytearray(file.read())
    path, random = tmp_path / "damaged", rng(7)
    for at in {0, 8, 100, 4095, len(whole) - 1, *random.integers(0, len(whole), 60).tolist()}:
        whole[at] ^= 0x55
        path.write_bytes(whole)
        with pytest.raises(cassata.FormatError, match="damaged"):
            cassata.open(path, verify=True)
        with pytest.raises(cassata.FormatError, match="damaged"):
            search_and_verify(path, queries)
        whole[at] ^= 0x55
    path.write_bytes(whole)
    cassata.open(path, verify=True)


def test_what_a_format_error_is(tmp_path):
    (tmp_path / "index").write_bytes(b"something else" * 1000)
    for kind in (cassata.FormatError, OSError, ValueError):
        with pytest.raises(kind, match="index: header at byte 0") as caught:
            cassata.open(tmp_path / "index")
    error = caught.value
    assert (type(error).__module__, type(error).__name__) == ("cassata", "FormatError")
    assert (error.errno, error.filename, error.args) == (None, None, (str(error),))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (cassata.FormatError, str(error))
    assert not issubclass(cassata.FormatError, FileNotFoundError)
