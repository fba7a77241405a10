"""One file and many users: pickles, other processes, kills, files that are replaced while they are open."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import cassata
import numpy as np
import pytest
from conftest import clustered, rng, sizes

# --- pickle -----------------------------------------------------------------------------------------------------------


def test_pickle(saved):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        other = pickle.loads(pickle.dumps(saved, protocol))
        assert type(other) is type(saved)
        assert sizes(other) == sizes(saved)
    assert sizes(copy.deepcopy(saved)) == sizes(saved)
    assert len(pickle.dumps(saved)) < 500


def test_pickle_of_an_index_without_a_path(index):
    with pytest.raises(ValueError, match=r"save\(path\) it first"):
        pickle.dumps(index)


def test_pickle_of_a_file_that_was_replaced(saved):
    pickled = pickle.dumps(saved)
    type(saved).build_from_array(np.eye(24), path=saved.path)
    with pytest.raises(ValueError, match="has been replaced"):
        pickle.loads(pickled)
    os.remove(saved.path)
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


# --- replaced files, several processes --------------------------------------------------------------------------------


def test_a_reader_keeps_the_file_it_opened(saved):
    before = sizes(saved)
    type(saved).build_from_array(clustered(77, 24, seed=11), path=saved.path)
    assert sizes(saved) == before
    saved.verify()
    assert len(cassata.open(saved.path)) == 77
    os.remove(saved.path)
    assert sizes(saved) == before


def test_a_failed_build_leaves_the_former_file(saved):
    with open(saved.path, "rb") as file:
        before = file.read()
    bad = np.ones((100, 24), np.float32)
    bad[99, 3] = np.nan
    with pytest.raises(ValueError, match="99"):
        type(saved).build_from_array(bad, path=saved.path)
    with open(saved.path, "rb") as file:
        assert file.read() == before
    assert os.listdir(os.path.dirname(saved.path)) == [os.path.basename(saved.path)]


def killed_after(work, seconds):
    """Calls work() over and over in a process of its own and kills that after so long."""
    child = os.fork()
    if child == 0:
        while True:
            work()
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_kills_of_builds_and_saves_leave_the_former_file(tmp_path):
    """kill -9 at 100 random moments or more: what stands at the path is whole, and of one of the writers."""
    path, random = tmp_path / "index", rng(15)
    many = [clustered(rows, 8, seed=rows) for rows in (300, 400)]
    other = cassata.DensePlainHNSW.build_from_array(clustered(500, 8, seed=500), num_threads=1)

    def write():
        for vectors in many:
            cassata.DensePlainHNSW.build_from_array(vectors, m=8, ef_construction=40, path=path, num_threads=1)
        other.save(path)

    started = time.perf_counter()
    write()
    took, seen, interrupted, kills = time.perf_counter() - started, set(), 0, 0
    # On a busy machine it takes more than 100.
    while kills < 100 or ((seen != {300, 400, 500} or not interrupted) and kills < 1000):
        killed_after(write, random.uniform(0, 2 * took * (1 + kills // 100)))
        kills += 1
        interrupted += os.path.exists(f"{path}.partial")
        with cassata.open(path, verify=True) as index:
            assert len(index.search(np.ones(8), 3)[1]) == 3
            seen.add(len(index))
    assert seen == {300, 400, 500}
    assert interrupted
    write()
    assert os.listdir(tmp_path) == ["index"]


SHARE = """
    import sys, cassata, numpy as np
    index = cassata.open(sys.argv[1])
    index.batch_search(np.ones((200, index.dim), np.float32), 10)
    index.verify()
    print("ready", flush=True)
    sys.stdin.readline()
    inside, pss, rss = False, 0, 0
    for line in open("/proc/self/smaps"):
        if line.split()[0].count("-") == 1 and not line.split()[0].endswith(":"):
            inside = line.rstrip().endswith(sys.argv[1])
        elif inside and line.startswith("Pss:"):
            pss += int(line.split()[1]) * 1024
        elif inside and line.startswith("Rss:"):
            rss += int(line.split()[1]) * 1024
    print(pss, rss, flush=True)
    sys.stdin.readline()
"""


def test_two_processes_share_one_copy(tmp_path):
    path = tmp_path / "shared"
    size = cassata.DenseFlatIndex.build_from_array(clustered(20_000, 64, seed=12), path=path).space_usage_bytes()
    command = [sys.executable, "-c", textwrap.dedent(SHARE), str(path)]
    readers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [reader.stdout.readline() for reader in readers] == ["ready\n"] * 2

        def say(reader):
            reader.stdin.write("\n")
            reader.stdin.flush()

        measured = []
        for reader in readers:
            say(reader)
            measured.append([int(number) for number in reader.stdout.readline().split()])
        assert all(rss >= 0.9 * size for _, rss in measured)
        assert sum(pss for pss, _ in measured) <= 1.05 * size + 8192
    finally:
        for reader in readers:
            reader.communicate("\n")


def test_search_after_fork(saved, queries):
    expected = saved.batch_search(queries, 5, num_threads=0)[1].tolist()  # the parent has used its threads
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        answer = [saved.batch_search(queries, 5, num_threads=threads)[1].tolist() for threads in (1, 2, 0)]
        os._exit(0 if answer == [expected] * 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_worker_processes(saved, method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(sizes, [saved, saved, saved]) == [sizes(saved)] * 3
