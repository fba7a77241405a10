"""From save to close: files, what they say, progress, interruption."""

from __future__ import annotations

import os
import pickle
import re
import threading
from pathlib import Path

import cassata
import numpy as np
import pytest
from conftest import CLASSES, clustered, run_python, sizes

# --- save, load, open -------------------------------------------------------------------------------------------------


def test_save_and_open(index, queries, tmp_path):
    path = tmp_path / "index.cassata"
    assert index.path is None
    other = type(index).build_from_array(clustered(50, 24, seed=10), metric=index.metric)
    other.save(path)
    assert other.path == str(path)
    expected = other.batch_search(queries, 10)
    for opened in (
        cassata.open(path),
        cassata.open(str(path), verify=True),
        type(index).load(os.fsencode(path)),
        other,
    ):
        assert type(opened) is type(index)
        np.testing.assert_array_equal(opened.batch_search(queries, 10), expected)
        assert (opened.uuid, opened.n, opened.path) == (other.uuid, 50, str(path))


def test_build_into_a_path_equals_build_and_save(index, vectors, tmp_path):
    built = type(index).build_from_array(vectors, metric=index.metric, path=tmp_path / "built")
    again = type(index).build_from_array(vectors, metric=index.metric)
    again.save(tmp_path / "saved")
    assert (tmp_path / "built").read_bytes() == (tmp_path / "saved").read_bytes()
    assert built.uuid == again.uuid
    assert sorted(os.listdir(tmp_path)) == ["built", "saved"]


def test_saving_a_saved_index_leaves_it_where_it_is(saved, tmp_path):
    first = saved.path
    saved.save(tmp_path / "copy")
    assert saved.path == first
    saved.save(first)  # onto itself
    assert sizes(cassata.open(first)) == sizes(cassata.open(tmp_path / "copy"))


def test_load_accepts_what_the_file_says(tmp_path):
    path = tmp_path / "index"
    cassata.DensePlainHNSW.build_from_array(
        np.eye(8), metric="euclidean", dtype="f16", graph_type="standard", path=path
    )
    load = cassata.DensePlainHNSW.load
    assert (
        len(load(path))
        == len(load(path, "l2", "standard", "f16", None, 8, True))
        == len(load(path, graph_type="permuted"))
        == 8
    )
    for arguments, message in [
        ({"metric": "dotproduct"}, "metric: 'dotproduct' given, but .*index holds 'euclidean'"),
        ({"graph_type": "compressed"}, "graph_type: 'compressed' given, but .*index holds 'standard'"),
        ({"dtype": "f32"}, "dtype: 'f32' given, but .*index holds 'f16'"),
        ({"m_pq": 16}, "m_pq: 16 given, but .*index holds none"),
        ({"dim": 9}, "dim: 9 given, but .*index holds 8"),
    ]:
        with pytest.raises(ValueError, match=message):
            load(path, **arguments)
    with pytest.raises(TypeError, match="metric: 1 given"):
        load(path, metric=1)


def test_load_of_another_class(saved):
    wrong = next(face for face in CLASSES if face is not type(saved))
    right = type(saved).__name__
    with pytest.raises(ValueError, match=f"holds a {right}, not a {wrong.__name__}; use cassata.{right}.load"):
        wrong.load(saved.path)


def test_a_subclass_of_a_class(saved, tmp_path):
    class Mine(type(saved)):
        def shape(self):
            return self.n, self.dim

    mine = Mine.load(saved.path, metric=saved.metric)
    assert (type(mine), mine.shape()) == (Mine, (500, 24))
    assert sizes(mine) == sizes(saved)
    assert type(Mine.build_from_array(np.eye(24), path=tmp_path / "mine")) is Mine
    assert type(cassata.open(tmp_path / "mine")) is type(saved), "the file knows nothing of subclasses"
    wrong = next(face for face in CLASSES if face is not type(saved))
    with pytest.raises(ValueError, match=f"holds a {type(saved).__name__}, not a {wrong.__name__}"):
        type("Wrong", (wrong,), {}).load(saved.path)


def test_odd_names(tmp_path):
    for name in ("with space", "ünïcode ☃", os.fsdecode(b"not utf-8 \xff")):
        path = tmp_path / name
        index = cassata.DenseFlatIndex.build_from_array(np.eye(3), path=path)
        assert index.path == str(path)
        assert sizes(cassata.open(os.fsencode(path))) == sizes(index)
        with pytest.raises(FileNotFoundError):
            cassata.open(str(path) + "x")


def test_relative_paths_are_kept_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = cassata.DenseFlatIndex.build_from_array(np.eye(3), path="here")
    monkeypatch.chdir("/")
    assert index.path == str(tmp_path / "here")
    assert len(pickle.loads(pickle.dumps(index))) == 3


def test_temporary_indexes_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    index = cassata.DensePlainHNSW.build_from_array(np.eye(16))
    assert len(index) == 16
    index.close()
    assert os.listdir(tmp_path) == []


# --- what an index says about itself ----------------------------------------------------------------------------------


def test_info(index, vectors, metric):
    info = index.info
    assert (info["class"], info["n"], info["dim"], info["metric"], info["dtype"]) == (
        type(index).__name__,
        len(vectors),
        24,
        metric,
        "f32",
    )
    assert (info["graph"] is None) == isinstance(index, cassata.DenseFlatIndex)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", info["uuid"])
    assert info["path"] is None
    assert all(info["file_size"] >= section["offset"] + section["length"] for section in info["sections"])
    assert all(section["offset"] % 4096 == 0 for section in info["sections"])
    provenance = info["provenance"]
    assert provenance["library_version"] == cassata.__version__
    assert [(source["rows"], source["bytes"]) for source in provenance["inputs"]] == [(len(vectors), vectors.nbytes)]


def test_info_of_the_graph():
    index = cassata.DensePlainHNSW.build_from_array(np.eye(64), m=5, ef_construction=33, graph_type="standard")
    graph = index.info["graph"]
    assert (graph["m"], graph["ef_construction"], graph["graph_type"]) == (5, 33, "standard")


def test_file_size_is_the_file_size(saved):
    assert saved.info["file_size"] == saved.space_usage_bytes() == os.path.getsize(saved.path)


def test_repr(saved):
    assert repr(saved).startswith(f"{type(saved).__name__}(n=500, dim=24, metric='dotproduct', dtype='f32', ")
    assert f"path={saved.path!r}" in repr(saved)
    assert ("m=32, ef_construction=200" in repr(saved)) == isinstance(saved, cassata.DensePlainHNSW)
    saved.close()
    assert repr(saved) == f"{type(saved).__name__}(closed, path={saved.path!r})"


def test_uuid_comes_from_the_content(vectors):
    build = cassata.DenseFlatIndex.build_from_array
    assert build(vectors).uuid == build(vectors).uuid
    assert build(vectors).uuid != build(vectors[:-1]).uuid


# --- close ------------------------------------------------------------------------------------------------------------


def test_closed(saved):
    with saved as index:
        assert index is saved
    saved.close()
    query = np.ones(24, np.float32)
    for use in (
        lambda: saved.search(query),
        lambda: saved.batch_search(query),
        lambda: len(saved),
        lambda: saved.dim,
        lambda: saved.metric,
        lambda: saved.info,
        lambda: saved.uuid,
        lambda: saved.verify(),
        lambda: saved.save("nowhere"),
        lambda: pickle.dumps(saved),
        lambda: saved.__enter__(),
    ):
        with pytest.raises(ValueError, match="the index is closed"):
            use()


def test_closing_while_another_thread_searches(saved, vectors):
    queries = np.tile(vectors, (4, 1))
    expected = saved.batch_search(queries, 5, num_threads=1)[1]
    answers, started = [], threading.Event()

    def ask():
        started.set()
        try:
            answers.append(saved.batch_search(queries, 5, num_threads=1)[1])
        except ValueError as error:  # closed before it began
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    started.wait()
    saved.close()
    thread.join()
    (answer,) = answers
    if not isinstance(answer, ValueError):
        np.testing.assert_array_equal(answer, expected)


def test_a_search_under_way_outlives_close(saved, vectors):
    """Whatever step of a search it is that another thread's close() comes before; also with places that stay empty."""
    query, k = vectors[0], len(saved) + 3
    asks = [
        lambda index: index.search(query, k),
        lambda index: index.search(vectors[:2], k),
        lambda index: index.batch_search(vectors[:2], k),
    ]

    class Closing(type(saved)):
        """Closed as soon as a search has got hold of it."""

        def _opened(self):
            core = super()._opened()
            self.close()
            return core

    for ask in asks:
        np.testing.assert_array_equal(ask(Closing.load(saved.path)), ask(saved))


def test_closing_while_it_is_reloaded(saved, vectors):
    """While the new file is verified, as a signal handler may: the reload does not open the index again."""
    type(saved).build_from_array(vectors[:50], path=saved.path)
    with pytest.raises(ValueError, match="the index is closed"):
        saved.reload(progress=lambda *event: saved.close())
    with pytest.raises(ValueError, match="the index is closed"):
        len(saved)


def test_closing_while_a_temporary_index_is_saved(vectors, tmp_path):
    index = cassata.DenseFlatIndex.build_from_array(vectors)
    index.save(tmp_path / "saved", progress=lambda *event: index.close())
    with pytest.raises(ValueError, match="the index is closed"):
        len(index)
    assert index.path is None
    cassata.open(tmp_path / "saved", verify=True).close()


def test_close_unmaps(saved):
    path = os.path.realpath(saved.path)
    mapped = lambda: path in Path("/proc/self/maps").read_text()  # noqa: E731
    assert mapped()
    saved.close()
    assert not mapped()


# --- progress and interruption ----------------------------------------------------------------------------------------


def test_progress_function(vectors, tmp_path):
    told = []

    def tell(*event):
        told.append(event)

    for face in CLASSES:
        index = face.build_from_array(vectors, progress=tell)
        index.save(tmp_path / "index", progress=tell)
        index.verify(progress=tell)
    assert told
    for stage, done, total in told:
        assert isinstance(stage, str)
        assert 0 <= done <= total


def test_save_verifies_then_copies(saved, tmp_path):
    stages = []
    saved.save(tmp_path / "copy", progress=lambda stage, done, total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["verify", "save"]


def test_progress_bar(vectors, capsys):
    cassata.DensePlainHNSW.build_from_array(vectors, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "100 %\n" in err


def test_progress_that_raises_cancels(saved, vectors):
    class Enough(Exception):  # noqa: N818
        pass

    def stop(*event):
        raise Enough

    with open(saved.path, "rb") as file:
        before = file.read()
    with pytest.raises(Enough):
        type(saved).build_from_array(vectors, path=saved.path, progress=stop)
    with pytest.raises(Enough):
        saved.save(saved.path, progress=stop)
    with pytest.raises(Enough):
        saved.verify(progress=stop)
    with open(saved.path, "rb") as file:
        assert file.read() == before
    assert os.listdir(os.path.dirname(saved.path)) == [os.path.basename(saved.path)]


def test_ctrl_c_interrupts_a_build(tmp_path):
    printed = run_python(
        """
        import os, signal, sys, threading
        import cassata, numpy as np

        vectors = np.random.default_rng(0).standard_normal((400_000, 64), dtype=np.float32)
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            cassata.DensePlainHNSW.build_from_array(vectors, path=sys.argv[1])
        except KeyboardInterrupt:
            print("interrupted", os.listdir(os.path.dirname(sys.argv[1])))
        """,
        tmp_path / "index",
    )
    assert printed == "interrupted []\n"
