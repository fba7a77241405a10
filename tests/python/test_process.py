"""How a process with threads at work ends, and which interpreters may import the package."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PREPARED = """
    import sys, threading, time
    import numpy as np, cassata
    vectors = np.random.default_rng(0).standard_normal((2000, 32)).astype("f4")
    folder = sys.argv[1]
    index = cassata.DenseFlatIndex.build_from_array(vectors, path=folder + "/flat")
    graph = cassata.DensePlainHNSW.build_from_array(vectors[:500], m=8, ef_construction=20)
    components, offsets = np.tile(np.arange(8), 300), np.arange(301) * 8
    sparse = cassata.SparsePlainHNSW.build_from_arrays(components, np.ones(2400), offsets, 8, 20)
    np.save(folder + "/documents.npy", vectors), np.save(folder + "/doclens.npy", np.full(100, 20, "i4"))
    np.save(folder + "/vectors.npy", vectors)
    told = lambda *progress: None
"""
CALLS = {
    "search": "index.search(vectors[0], 10)",
    "batch_search": "graph.batch_search(vectors[:50], 10)",
    "sparse search": "sparse.search([1, 3], [1.0, 2.0])",
    "build": "cassata.DensePlainHNSW.build_from_array(vectors, m=8, ef_construction=20, progress=told)",
    "build from a file": "cassata.DenseFlatIndex.build_from_file(folder + '/vectors.npy', progress=told)",
    "verify": "index.verify(progress=told)",
    "warm": "cassata.open(folder + '/flat', resident='all', progress=told)",
    "save": "index.save(folder + '/' + threading.current_thread().name, progress=told)",
    "reload": "index.reload()",
    "open": "cassata.open(folder + '/flat')",
    "train": (
        "cassata.train_two_level(folder, folder + '/' + threading.current_thread().name, pq_subspaces=8, progress=told)"
    ),
    "recommend": "cassata.recommend(vectors, target_recall=0.5, sample=200, progress=told)",
}


def ends(code, *arguments):
    """The exit status of a process that runs `code`, and what it wrote to stderr."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr


@pytest.mark.parametrize("call", CALLS)
def test_daemon_threads_at_work_when_the_process_ends(call, tmp_path):
    code = f"""
    def forever():
        while True:
            {CALLS[call]}
            done.set()

    done = threading.Event()
    for _ in range(3):
        threading.Thread(target=forever, daemon=True).start()
    assert done.wait(60)
    """
    assert ends(textwrap.dedent(PREPARED) + textwrap.dedent(code), tmp_path) == (0, "")


def test_a_search_while_the_interpreter_ends(tmp_path):
    """Of the thread that ends it, which still gets the lock: by a finalizer of an object that lives as long."""
    code = """
    class Last:
        def __init__(self):
            self.search, self.build, self.query = index.search, cassata.DenseFlatIndex.build_from_array, vectors[0]

        def __del__(self):
            built = self.build(self.query[None], progress=lambda *progress: None)
            print(self.search(self.query, 3)[1].shape, len(built))

    last = Last()
    """
    command = [sys.executable, "-c", textwrap.dedent(PREPARED) + textwrap.dedent(code), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(3,) 1\n", "")


@pytest.mark.parametrize("statement", ["import cassata", "from cassata import _core"])
def test_an_import_in_a_sub_interpreter_is_refused(statement):
    interpreters = pytest.importorskip("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    code = f"""
    import {interpreters.__name__} as interpreters
    body = '''
    try:
        {statement}
    except ImportError as error:
        assert str(error).startswith("cassata: imported in a sub-interpreter, which is unsupported"), error
    else:
        raise AssertionError("no error")
    '''
    import textwrap
    number = interpreters.create()
    failed = interpreters.run_string(number, textwrap.dedent(body))
    assert failed is None, failed
    interpreters.destroy(number)
    import cassata
    """
    assert ends(code) == (0, "")
