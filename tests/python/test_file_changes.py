"""Index files that are truncated or overwritten while they are in use, or that were never whole: errors, and a process
that lives on."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import cassata
import numpy as np
import pytest
from cli import refusal
from conftest import clustered, rng

ROWS, DIM = 20_000, 16


@pytest.fixture(scope="module")
def vectors():
    return rng(1).standard_normal((ROWS, DIM)).astype(np.float32)


@pytest.fixture
def path(vectors, tmp_path):
    """A flat index, of which nothing is read before a search."""
    file = tmp_path / "index.cassata"
    cassata.DenseFlatIndex.build_from_array(vectors, path=file)
    return file


def overwrite(path, data):
    """As cp does it: in place."""
    with open(path, "r+b") as file:
        file.truncate()
        file.write(data)


def test_a_truncated_file_ends_each_call_in_an_error(path, vectors, tmp_path):
    index = cassata.open(path)
    os.truncate(path, 8192)
    for call in (
        lambda: index.search(vectors[:1], k=3),
        lambda: index.search(vectors[:1], k=3),
        lambda: index.batch_search(vectors[:9], k=3),
        index.verify,
        lambda: index.save(tmp_path / "copy"),
    ):
        with pytest.raises(OSError, match=rf"{path}: truncated while it was in use: it has 8192 bytes"):
            call()
    assert not (tmp_path / "copy").exists()
    with pytest.raises(cassata.FormatError, match=r"header at byte 16.*stays in use"):
        index.reload()


def test_an_overwritten_file_is_an_error_until_it_is_reloaded(path, vectors, tmp_path):
    index = cassata.open(path)
    cassata.DenseFlatIndex.build_from_array(vectors[::-1].copy(), path=tmp_path / "other")
    assert index.reload() is False
    overwrite(path, (tmp_path / "other").read_bytes())
    with pytest.raises(cassata.FormatError, match="changed in place while it was in use"):
        index.search(vectors[:1], k=1)
    assert index.reload() is True
    assert index.reload() is False
    other = cassata.open(tmp_path / "other")
    assert index.uuid == other.uuid
    np.testing.assert_array_equal(index.search(vectors[:1], k=3), other.search(vectors[:1], k=3))


@pytest.fixture
def holed(path):
    """As an unfinished download is: whole in length, with zeros in the middle."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100_000] = bytes(100_000)
    file = path.with_name("holed")
    file.write_bytes(data)
    return file


def test_a_hole_is_found_where_it_is_asked_for(path, holed, vectors):
    cassata.open(holed).search(vectors[:1], k=3)  # nobody asked
    at = r"section 'codes.rows' at byte \d+: the 64 KiB block"
    index = cassata.open(holed, verify="touched")
    for _ in range(2):
        with pytest.raises(cassata.FormatError, match=at):
            index.search(vectors[:1], k=3)
    for choice in ({"verify": True}, {"resident": "hot"}, {"resident": "all"}):
        with pytest.raises(cassata.FormatError, match=at):
            cassata.open(holed, **choice)
    index = cassata.DenseFlatIndex.load(path)
    expected = index.search(vectors[:1], k=3)
    shutil.copy(holed, path.with_name("next"))
    path.with_name("next").replace(path)
    with pytest.raises(cassata.FormatError, match=rf"{at}.*stays in use"):
        index.reload()
    np.testing.assert_array_equal(index.search(vectors[:1], k=3), expected)
    assert index.reload(verify=False) is False, "a hole does not change the uuid"


def test_what_is_verified_is_chosen_by_name(path, vectors):
    touched = cassata.DenseFlatIndex.load(path, verify="touched")
    np.testing.assert_array_equal(touched.batch_search(vectors[:5], k=3), cassata.open(path).search(vectors[:5], k=3))
    for call in (cassata.open, cassata.DenseFlatIndex.load, lambda path, **given: cassata.open(path).reload(**given)):
        with pytest.raises(ValueError, match="verify: 'all' given, expected True, False or 'touched'"):
            call(path, verify="all")
        with pytest.raises(TypeError, match="verify: 1 given, expected True, False or 'touched'"):
            call(path, verify=1)


SEARCH = """
import os, sys, cassata, numpy as np
index = cassata.open(sys.argv[1])
os.truncate(sys.argv[1], 8192)
try:
    index.search(np.zeros((1, 16), np.float32), k=3)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("guard", ["0", "1", None])
def test_the_environment_switches_the_guard_off(path, guard):
    environment = {name: value for name, value in os.environ.items() if name != "CASSATA_SIGBUS_GUARD"}
    if guard is not None:
        environment["CASSATA_SIGBUS_GUARD"] = guard
    done = subprocess.run(
        [sys.executable, "-c", SEARCH, str(path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == (-signal.SIGBUS if guard == "0" else 0), done.stderr
    assert ("truncated while it was in use" in done.stdout) == (guard != "0")


def test_verify_can_be_interrupted_at_any_moment(path):
    """The rules of rows are checked while they are read, so that progress is told all along."""
    index = cassata.open(path)
    told = []
    index.verify(progress=lambda *step: told.append(step))
    assert told[-1][1] == told[-1][2] >= ROWS * DIM * 4
    assert [step[1] for step in told] == sorted(step[1] for step in told)


def test_verify_of_a_truncated_file_is_refused(path):
    os.truncate(path, path.stat().st_size - 1)
    assert "header at byte 16" in refusal("verify", pathlib.Path(path), code=1)


def test_reload_verifies_a_file_whose_vectors_alone_were_overwritten(tmp_path):
    vectors = clustered(3000, 32, seed=1)
    index = cassata.DenseFlatIndex.build_from_array(vectors, path=tmp_path / "index")
    assert not index.reload()
    place = next(section for section in index.info["sections"] if section["name"] == "codes.rows")
    with open(tmp_path / "index", "r+b") as file:
        file.seek(place["offset"] + place["length"] // 4)
        file.write(bytes(place["length"] // 2))
    with pytest.raises(cassata.FormatError, match=r"section 'codes.rows' at byte \d+"):
        index.reload()
    assert not index.reload(verify=False)
