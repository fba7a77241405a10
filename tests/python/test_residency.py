"""What of an index is in memory, how processes share it, and how they go over to a new file."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import cassata
import numpy as np
import pytest
from cli import run
from conftest import at_size, clustered, sizes

CGROUPS = Path("/sys/fs/cgroup")


def drop(path):
    """Has the kernel forget a file that nobody has mapped."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def checked(residency, index):
    """The parts add up to the sums, which are returned."""
    tiers = {section["name"]: section["tier"] for section in index.info["sections"]}
    assert {section["name"]: section["tier"] for section in residency["sections"]} == tiers
    for sum_of, names in (("hot", ["hot"]), ("cold", ["cold"]), ("all", ["hot", "cold"])):
        parts = [section for section in residency["sections"] if section["tier"] in names]
        for key in ("bytes", "resident_bytes"):
            assert residency[sum_of][key] == sum(section[key] for section in parts)
    return residency["hot"], residency["cold"]


@pytest.fixture
def tiered(tmp_path, built_once):
    """An index with hot and cold sections, closed, and out of memory where the file system allows."""

    def build(path):
        cassata.DensePlainHNSW.build_from_array(
            clustered(24_000, 128, seed=1), navigation="int8", m=8, ef_construction=20, path=path
        ).close()

    path = shutil.copy(built_once("tiered", build), tmp_path / "tiered")
    drop(path)
    return path


# --- open -------------------------------------------------------------------------------------------------------------


def test_open_reads_what_is_named(tiered):
    with cassata.open(tiered) as index:
        hot, cold = checked(index.residency(), index)
        if cold["share"] == 1:
            pytest.skip("this file system keeps its files in memory")
        assert hot["share"] < 1  # though the kernel reads some megabytes ahead
    told = []
    with cassata.DensePlainHNSW.load(tiered, resident="hot", progress=lambda *done: told.append(done)) as index:
        hot, cold = checked(index.residency(), index)
        assert hot["share"] == 1
        assert cold["bytes"] > 0
        assert {stage for stage, _, _ in told} == {"warm"}
        assert told[-1][1:] == (hot["bytes"], hot["bytes"])
    with cassata.open(tiered, resident="all", verify=True) as index:
        assert index.residency()["all"]["share"] == 1


def test_queries_warm_an_index_little_by_little(tmp_path):
    rows, dim = at_size((12_000, 512), (6_000, 1024))
    asked, path = clustered(9, dim, seed=2), tmp_path / "hot"
    cassata.DensePlainHNSW.build_from_array(clustered(rows, dim, seed=1), m=8, ef_construction=40, path=path).close()
    drop(path)
    with cassata.open(path) as index:
        if index.residency()["hot"]["share"] == 1:
            pytest.skip("this file system keeps its files in memory")
        first = index.search(asked[0], 10)[1].tolist()
        shares = [index.residency()["hot"]["share"]]
        for query in asked[1:]:
            index.search(query, 10)
            shares.append(index.residency()["hot"]["share"])
        assert shares[0] < 1
        assert shares[-1] == 1
        assert index.search(asked[0], 10)[1].tolist() == first


def test_every_class_loads_hot(saved):
    for index in (type(saved).load(saved.path, resident="hot"), cassata.open(saved.path, resident="ALL", lock=False)):
        assert index.residency()["hot"]["share"] == 1
        assert sizes(index) == sizes(saved)


def test_wrong_arguments(saved):
    for arguments, error, message in [
        ({"resident": "warm"}, ValueError, "resident: 'warm' given, expected 'hot' or 'all'"),
        ({"resident": 1}, TypeError, "resident: 1 given"),
        ({"lock": True}, ValueError, "lock: given without resident"),
        ({"resident": "hot", "lock": 1}, TypeError, "lock: 1 given"),
        ({"resident": "hot", "progress": 3}, TypeError, "progress"),
    ]:
        for call in (
            lambda a: cassata.open(saved.path, **a),
            lambda a: type(saved).load(saved.path, **a),
            lambda a: saved.reload(**a),
        ):
            if call.__code__.co_names[-1] == "reload" and error is ValueError and "warm" in message:
                continue  # nothing to reload
            with pytest.raises(error, match=message):
                call(arguments)


def test_progress_cancels(tiered):
    def stop(*_):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        cassata.open(tiered, resident="hot", progress=stop)


LOCK = """
    import ctypes, os, resource, sys, cassata
    size = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (size, size))
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)   # root may lock whatever the limit says
    try:
        index = cassata.open(sys.argv[1], resident="hot", lock=True)
        print("locked", [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmLck")][0])
    except OSError as error:
        print("refused", error)
"""


def in_a_process(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def readable(tiered):
    """A copy that all users can read."""
    folder = tempfile.mkdtemp(dir="/tmp")
    try:
        os.chmod(folder, 0o755)
        path = shutil.copy(tiered, folder)
        os.chmod(path, 0o644)
        yield path
    finally:
        shutil.rmtree(folder)


def test_lock(readable):
    hot = cassata.open(readable).residency()["hot"]["bytes"]
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    refused = in_a_process(LOCK, readable, 65536)
    assert refused.startswith("refused")
    for part in (readable, "RLIMIT_MEMLOCK", "65536 bytes", f"at least {hot}"):
        assert part in refused
    if os.geteuid() != 0 and hard != resource.RLIM_INFINITY and hard < hot + 2**20:
        pytest.skip(f"RLIMIT_MEMLOCK is {hard} bytes")
    locked = in_a_process(LOCK, readable, hot + 2**20)
    assert locked.startswith("locked")
    assert int(locked.split()[1]) * 1024 >= hot


OF_ANOTHER = """
    import os, sys, cassata
    os.setresuid(65534, 65534, 65534)
    print(cassata.open(sys.argv[1], resident="all").residency()["all"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_who_may_only_read_is_told_nothing_rather_than_all(readable):
    assert "'resident_bytes': None, 'share': None" in in_a_process(OF_ANOTHER, readable)
    os.chmod(readable, 0o666)
    assert "'share': 1.0" in in_a_process(OF_ANOTHER, readable)


def test_inspect_and_search_at_the_command_line(tiered, tmp_path):
    index = cassata.open(tiered, resident="hot")
    told = json.loads(run("inspect", tiered, "--resident", "--json").stdout)["residency"]
    here = index.residency()
    assert told["hot"] == here["hot"]  # what is cold comes and goes
    assert [(s["name"], s["bytes"]) for s in told["sections"]] == [(s["name"], s["bytes"]) for s in here["sections"]]
    table = run("inspect", tiered, "--resident").stdout.decode()
    assert "in memory" in table
    assert "(hot)" in table
    assert "in memory" not in run("inspect", tiered).stdout.decode()
    assert "residency" not in json.loads(run("inspect", tiered, "--json").stdout)
    np.save(tmp_path / "q.npy", clustered(5, 128, seed=2))
    expected = run("search", tiered, tmp_path / "q.npy").stdout
    assert run("search", tiered, tmp_path / "q.npy", "--resident", "hot").stdout == expected
    assert (
        run("bench", tiered, "--queries", tmp_path / "q.npy", "--resident", "all", "--ef-search", "10", "-q").returncode
        == 0
    )


# --- reload -----------------------------------------------------------------------------------------------------------


def test_reload(saved):
    face, old = type(saved), sizes(saved)
    assert saved.reload() is False
    new = face.build_from_array(clustered(77, 24, seed=11), path=saved.path)
    assert sizes(saved) == old
    assert saved.reload(verify=True, resident="hot") is True
    assert (len(saved), saved.uuid, sizes(saved)) == (77, new.uuid, sizes(new))
    new.save(saved.path)
    assert saved.reload() is False, "another file of the same content"
    saved.close()
    with pytest.raises(ValueError, match="closed"):
        saved.reload()


def test_reload_of_what_is_no_successor(saved):
    old, path = sizes(saved), saved.path
    for make, error, message in [
        (lambda: type(saved).build_from_array(np.eye(9), path=path), ValueError, "dim 9, expected 24 as before"),
        (
            lambda: type(saved).build_from_array(np.eye(24), metric="l2", path=path),
            ValueError,
            "'euclidean', expected 'dotproduct'",
        ),
        (
            lambda: (os.remove(path), Path(path).write_bytes(b"nothing of ours" * 1000)),
            cassata.FormatError,
            "not a Cassata index",
        ),
        (lambda: os.remove(path), FileNotFoundError, "stays in use"),
    ]:
        make()
        with pytest.raises(error, match=message) as raised:
            saved.reload()
        assert "the file opened before stays in use" in str(raised.value)
        assert sizes(saved) == old


def test_reload_of_an_index_without_a_path(index):
    with pytest.raises(ValueError, match="unnamed temporary file"):
        index.reload()


def test_threads_search_while_it_is_reloaded(saved, queries):
    face = type(saved)
    versions = [face.build_from_array(clustered(rows, 24, seed=rows)) for rows in (600, 800)]
    expected = [version.batch_search(queries, 700)[1].tolist() for version in versions]
    versions[0].save(saved.path)
    saved.reload()
    stop, wrong, seen = threading.Event(), [], set()

    def ask():
        while not stop.is_set():
            found = saved.batch_search(queries, 700, num_threads=1)[1].tolist()
            seen.add(expected.index(found)) if found in expected else wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(1, 200):
        versions[turn % 2].save(saved.path)
        assert saved.reload()
        if turn > 10 and seen == {0, 1}:
            break
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert seen == {0, 1}


# --- processes --------------------------------------------------------------------------------------------------------

READER = """
    import json, sys, cassata, numpy as np
    path, queries = sys.argv[1], np.load(sys.argv[2])
    index = cassata.open(path, resident="all")
    def answers(): return index.batch_search(queries, 10, num_threads=1)[1].tolist()
    def mapped():
        found, inside = {"Pss": 0, "Rss": 0}, False
        for line in open("/proc/self/smaps"):
            name = line.split()[0]
            if not name.endswith(":"):
                inside = line.rstrip().endswith(path)
            elif inside and name[:-1] in found:
                found[name[:-1]] += int(line.split()[1]) * 1024
        return found
    for line in sys.stdin:
        print(json.dumps({"answers": answers, "mapped": mapped, "reload": index.reload}[line.strip()]()), flush=True)
"""


def test_eight_processes_share_a_file_and_switch_to_a_new_one(tmp_path):
    path, asked = tmp_path / "shared", clustered(200, 64, seed=3)
    np.save(tmp_path / "queries.npy", asked)
    old = cassata.DensePlainHNSW.build_from_array(
        clustered(at_size(20_000, 4_000), 64, seed=12), m=8, ef_construction=40, path=path
    )
    command = [sys.executable, "-c", textwrap.dedent(READER), str(path), str(tmp_path / "queries.npy")]

    def started():
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def all_say(readers, what):
        for reader in readers:
            reader.stdin.write(what + "\n")
            reader.stdin.flush()
        return [json.loads(reader.stdout.readline()) for reader in readers]

    readers = [started() for _ in range(8)]
    try:
        before = old.batch_search(asked, 10)[1].tolist()
        assert all_say(readers, "answers") == [before] * 8
        size = old.residency()["all"]["resident_bytes"]
        old.close()
        mapped = all_say(readers, "mapped")
        assert all(0.9 * size <= one["Rss"] for one in mapped)
        assert sum(one["Pss"] for one in mapped) <= 1.05 * size + 8 * 4096 * 4
        for reader in readers:  # they search while the new file is published
            reader.stdin.write("answers\n")
            reader.stdin.flush()
        new = cassata.DensePlainHNSW.build_from_array(
            clustered(at_size(10_000, 2_000), 64, seed=13), m=8, ef_construction=40, path=path
        )
        after = new.batch_search(asked, 10)[1].tolist()
        assert after != before
        assert [json.loads(reader.stdout.readline()) for reader in readers] == [before] * 8
        assert all_say(readers, "answers") == [before] * 8
        readers.append(started())
        assert all_say(readers[8:], "answers") == [after]
        assert all_say(readers, "reload") == [True] * 8 + [False]
        assert all_say(readers, "answers") == [after] * 9
    finally:
        for reader in readers:
            reader.communicate()


# --- a limit of memory ------------------------------------------------------------------------------------------------

LIMITED = """
    import os, sys, cassata, numpy as np
    group = sys.argv[1]
    open(group + "/cgroup.procs", "w").write(str(os.getpid()))
    index = cassata.open(sys.argv[2])
    found = index.batch_search(np.load(sys.argv[3]), 10, ef_search=40)
    np.save(sys.argv[4], np.stack([found[0].astype("f8"), found[1].astype("f8")]))
"""


@pytest.fixture
def limited_group():
    """Makes memory cgroups of a limit; skips where there are none."""
    memory, made = CGROUPS / "memory", []

    def group(limit):
        version1 = (memory / "memory.limit_in_bytes").exists()
        folder = (memory if version1 else CGROUPS) / f"cassata-test-{os.getpid()}"
        try:
            folder.mkdir()
            made.append(folder)
            (folder / ("memory.limit_in_bytes" if version1 else "memory.max")).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"no memory cgroup can be made here: {error}")
        return folder

    yield group
    for folder in made:
        folder.rmdir()


@pytest.mark.filterwarnings("ignore::cassata.RecallWarning")  # the small form builds quickly
@pytest.mark.parametrize("navigation", ["int4", None], ids=["cold", "hot"])
def test_an_index_larger_than_the_limit_answers_alike(tmp_path, limited_group, navigation):
    """Its cold section alone, or a hot one, is more than the process may use."""
    path, limit = tmp_path / "large", 40 * 2**20
    quick = {"m": 8, "ef_construction": at_size(40, 8)}
    index = cassata.DensePlainHNSW.build_from_array(
        clustered(30_000, 512, seed=4), navigation=navigation, **quick, graph_type="compressed", path=path
    )
    assert index.residency()["cold" if navigation else "hot"]["bytes"] > limit
    np.save(tmp_path / "queries.npy", clustered(60, 512, seed=5))
    expected = np.stack(
        [part.astype("f8") for part in index.batch_search(np.load(tmp_path / "queries.npy"), 10, ef_search=40)]
    )
    index.close()
    drop(path)
    group = limited_group(limit)
    in_a_process(LIMITED, group, path, tmp_path / "queries.npy", tmp_path / "found.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), expected)
