"""Texts that every machine has: descriptions of packages, or docstrings of the standard library."""

from __future__ import annotations

import ast
import bz2
import gzip
import hashlib
import lzma
import os
import re
import subprocess
import sys
import sysconfig
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE_LISTS = Path("/var/lib/apt/lists")

_PACKAGE_QUESTIONS = (
    "resize pictures",
    "play chess",
    "find duplicate files",
    "edit sound",
    "recover deleted files",
    "monitor network traffic",
)
_DOCSTRING_QUESTIONS = (
    "parse a date",
    "compress a file",
    "send mail",
    "run another program",
    "count words in a text",
    "delete a folder",
)
_APT_HELPER = "/usr/lib/apt/apt-helper"
_LIST_NAME = re.compile(r"(_Packages|_Translation-en)(\.\w+)?$")
_DESCRIPTION = re.compile(r"^Description(?:-en)?: (.*(?:\n .*)*)", re.MULTILINE)
_DECOMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".bz2": bz2.decompress,
}


class Text(NamedTuple):
    """A thing with a name, described in a line and, if `long` is not empty, in more."""

    name: str
    short: str
    long: str


class Source(NamedTuple):
    """A source of texts. The fingerprint changes when they change, and takes less time than reading them."""

    kind: str
    about: str
    fingerprint: str
    read: Callable[[], list[Text]]
    questions: tuple[str, ...]


def find_source(lists: Path = PACKAGE_LISTS) -> Source:
    """The package lists in the folder `lists`, or the standard library if there are none with a package in them."""
    files = sorted(path for path in lists.iterdir() if _LIST_NAME.search(path.name)) if lists.is_dir() else []
    if any(path.stat().st_size for path in files):
        about = f"descriptions of packages in {lists}"
        return Source("packages", about, _fingerprint(files), lambda: read_packages(files), _PACKAGE_QUESTIONS)
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted(_sources(folder))
    about = f"docstrings of Python's standard library in {folder}"
    return Source(
        "docstrings", about, _fingerprint(files), lambda: read_docstrings(folder, files), _DOCSTRING_QUESTIONS
    )


def _fingerprint(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode(errors="surrogateescape") + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read_packages(files: list[Path]) -> list[Text]:
    """Packages by name, each with the longest description that a list has of it."""
    best: dict[str, Text] = {}
    for path in files:
        for stanza in _contents(path).split("\n\n"):
            described = _DESCRIPTION.search(stanza)
            if not described or not stanza.startswith("Package: "):
                continue
            name = stanza[len("Package: ") :].partition("\n")[0].strip()
            short, _, rest = described[1].partition("\n")
            long = " ".join(line.strip() for line in rest.split("\n") if line != " .")
            if name not in best or len(long) > len(best[name].long):
                best[name] = Text(name, short.strip(), long)
    return [best[name] for name in sorted(best)]


def _contents(path: Path) -> str:
    """A list's text, of any compression: apt's own program reads formats that Python does not."""
    decompress = _DECOMPRESSORS.get("" if path.name.endswith(("_Packages", "_Translation-en")) else path.suffix)
    if decompress:
        try:
            return decompress(path.read_bytes()).decode(errors="replace")
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise OSError(f"{path}: {error}") from None
    if not os.path.exists(_APT_HELPER):
        raise OSError(f"{path}: compressed as {path.suffix}, which needs {_APT_HELPER} to be read")
    done = subprocess.run([_APT_HELPER, "cat-file", str(path)], capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{path}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


def _sources(folder: Path) -> Iterator[Path]:
    """The standard library's modules, without tests and installed packages."""
    skipped = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "__pycache__", "ensurepip"}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in skipped]
        yield from (Path(root, name) for name in names if name.endswith(".py"))


def read_docstrings(folder: Path, files: list[Path]) -> list[Text]:
    """The modules, classes and functions that have a docstring, read from the sources: nothing is imported."""
    found: dict[str, Text] = {}
    for path in files:
        module = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # a template, or of another Python
            continue
        for name, docstring in _docstrings(tree, module):
            short, _, rest = docstring.strip().partition("\n")
            found.setdefault(name, Text(name, " ".join(short.split()), " ".join(rest.split())))
    if not found:
        sys.exit(f"demo: neither package lists nor docstrings are on this machine ({folder} has no sources)")
    return [found[name] for name in sorted(found)]


def _docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
        docstring := ast.get_docstring(node)
    ):
        yield name, docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and (
            not child.name.startswith("_")
        ):
            yield from _docstrings(child, f"{name}.{child.name}")
