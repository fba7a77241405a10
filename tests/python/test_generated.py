"""What is made from the tables, the stub and the reference page, is up to date and complete."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import cassata
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM, PAGE = ROOT / "tools" / "generate.py", ROOT / "docs" / "reference.md"
CLASSES = [thing for thing in vars(cassata).values() if inspect.isclass(thing) and issubclass(thing, cassata.Index)]


def test_they_are_up_to_date():
    done = subprocess.run([sys.executable, PROGRAM, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_finds_what_is_not(tmp_path):
    """In a tree whose page is another."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "tools" / "generate.py").write_bytes(PROGRAM.read_bytes())
    (tmp_path / "docs" / "reference.md").write_text(
        PAGE.read_text(encoding="utf-8").replace("float32", "float64", 1), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "tools" / "generate.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "docs/reference.md: not up to date" in done.stdout


@pytest.mark.parametrize("face", CLASSES, ids=lambda face: face.__name__)
def test_signatures_are_true(face):
    """No method takes any arguments, and each has a section on those that it takes."""
    for name, method in inspect.getmembers(face, callable):
        if name.startswith("_"):
            continue
        parameters = inspect.signature(method).parameters.values()
        assert not any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters), name
        told = inspect.getdoc(method).partition("Args:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^    (\w+): ", told, re.MULTILINE) == [p.name for p in parameters if p.name != "self"], name
        assert f"def {name}(" in PAGE.read_text(encoding="utf-8"), name


def test_texts_keep_names_and_numbers():
    """Names of choices are quoted, not capitalized; bounds are whole numbers."""
    told = inspect.getdoc(cassata.build)
    for choice in ("hnsw", "permuted", "dotproduct"):
        assert f'"{choice}"' in told
        assert not re.search(rf"\b{choice.capitalize()}\b", told)
    assert re.search(r"m_pq: [^()]*\(1 to 1048576\)", told)
    assert not re.search(r"\de\+\d", told + PAGE.read_text(encoding="utf-8"))


def test_the_page_has_one_sentence_a_line():
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            assert not re.search(r"(?<!e\.g)\. [A-Z`\[]", line), line


def test_the_page_names_everything_public():
    page = PAGE.read_text(encoding="utf-8")
    for name in set(cassata.__all__) - {"__version__", "simd_target", "SparseDotPacking8HNSW"}:
        assert re.search(rf"^#+ (cassata\.)?{name}$", page, re.MULTILINE), name
