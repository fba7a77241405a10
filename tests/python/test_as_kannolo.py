"""Programs that import kANNolo by its name."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import cassata
import pytest
from conftest import run_python

SCRIPT = """
    import importlib.metadata
    import sys

    import kannolo
    import kannolo.kannolo
    import numpy as np
    from beside import DIM
    from kannolo import DensePlainHNSW, SparsePlainHNSW
    from kannolo.kannolo import DenseFlatIndex

    vectors = np.eye(DIM, dtype=np.float32)
    index = DensePlainHNSW.build_from_array(vectors.ravel(), DIM, 8, 40, "euclidean", "standard")
    index.save(sys.argv[1])
    print(DensePlainHNSW.load(sys.argv[1], "euclidean", "permuted").search(vectors[3], 1)[1], sys.argv[2:], __name__)
    print(kannolo.__version__, importlib.metadata.version("kannolo"), importlib.metadata.metadata("kannolo")["Name"])
    print(kannolo.kannolo.DensePlainHNSW is DensePlainHNSW, DenseFlatIndex.__module__, "FormatError" in dir(kannolo))
    try:
        import kannolo.dense
    except ModuleNotFoundError as error:
        print(error)
"""


def as_kannolo(*arguments, cwd):
    command = [sys.executable, "-W", "error", "-m", "cassata.as_kannolo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


def test_a_script_as_it_is(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "script.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "scripts" / "beside.py").write_text("DIM = 16\n")
    done = as_kannolo("scripts/script.py", tmp_path / "index", "-x", "--help", cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "[3] ['-x', '--help'] __main__",
        "0.15.1 0.15.1 kannolo",
        "True cassata True",
        "No module named 'kannolo.dense'",
    ]
    assert cassata.open(tmp_path / "index").n == 16


def test_how_scripts_end(tmp_path):
    (tmp_path / "ends.py").write_text("import sys; sys.exit(3)\n")
    (tmp_path / "fails.py").write_text("def fail():\n    raise KeyError('here')\nfail()\n")
    assert as_kannolo("ends.py", cwd=tmp_path).returncode == 3
    failed = as_kannolo("fails.py", cwd=tmp_path)
    assert failed.returncode == 1
    assert 'fails.py", line 2, in fail' in failed.stderr
    for arguments, told in (
        ([], "usage: python -m cassata.as_kannolo SCRIPT.py"),
        (["nowhere.py"], "nowhere.py: No such file"),
    ):
        done = as_kannolo(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


def test_within_a_program():
    code = """
        import importlib.metadata, pickle, sys
        import cassata
        cassata.install_as("kannolo")
        cassata.install_as("kannolo")
        import kannolo
        from kannolo import *
        print(SparseRerankHNSW is cassata.SparseRerankHNSW, importlib.metadata.version("kannolo"))
        print(importlib.metadata.version("numpy") == __import__("numpy").__version__)
        print(sorted({module for module in sys.modules if module.startswith("kannolo")}))
        try:
            importlib.metadata.version("kannolo-other")
        except importlib.metadata.PackageNotFoundError:
            print("no other")
    """
    assert run_python(code).splitlines() == ["True 0.15.1", "True", "['kannolo', 'kannolo.kannolo']", "no other"]


def test_names_that_cannot_be_taken():
    for wrong in ("cassata", "a.b", "", 3):
        with pytest.raises(ValueError, match=r"name: .* given, expected the name of a module"):
            cassata.install_as(wrong)
    with pytest.raises(ImportError, match="'os' was imported already; expected a call before its first import"):
        cassata.install_as("os")
