"""The demo's files: made once from the texts, kept in a folder of their own, used until the texts change."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cassata
from cassata.demo.latent import LatentSpace
from cassata.demo.texts import Source, Text

DIM = 256

_RECIPE = f"1 {DIM}"  # changes when the same texts would make other files
_ENTRY = re.compile(r"(packages|docstrings)-[0-9a-f]{16}(\.partial)?")


class Entry:
    """A folder with names.txt (name and short text, a line each), vectors.npy, space.npz, index.cassata and facts.json."""

    def __init__(self, folder: Path) -> None:
        """`folder` is complete."""
        self.folder = folder
        self.index_path, self.vectors_path = folder / "index.cassata", folder / "vectors.npy"
        self.facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())

    def texts(self) -> list[tuple[str, str]]:
        """(name, short text) by id."""
        lines = (self.folder / "names.txt").read_text(encoding="utf-8").split("\n")[:-1]
        return [(name, short) for name, _, short in (line.partition("\t") for line in lines)]

    def space(self) -> LatentSpace:
        """What turns a question into a vector."""
        return LatentSpace.load(self.folder / "space.npz")


def entry(folder: Path, source: Source, limit: int | None, fresh: bool) -> tuple[Entry, bool]:
    """The entry of these texts, and whether it was there already; entries of other texts are removed."""
    key = hashlib.sha256(f"{source.fingerprint} {limit} {_RECIPE} {cassata.__version__}".encode()).hexdigest()[:16]
    done = folder / f"{source.kind}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if not fresh and (kept := _whole(done)):
            return kept, True
        for old in folder.iterdir():
            if _ENTRY.fullmatch(old.name):
                shutil.rmtree(old)
        partial = done.with_name(done.name + ".partial")
        partial.mkdir()
        try:
            _make(partial, _sample(source.read(), limit))
            partial.rename(done)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return Entry(done), False


def _whole(folder: Path) -> Entry | None:
    """What an earlier run made, unless it is not there or damaged: then it is made anew."""
    try:
        kept = Entry(folder)
        kept.space()
        cassata.open(kept.index_path).close()
    except (OSError, ValueError, KeyError, cassata.FormatError):
        return None
    return kept


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the next one finds the work done."""
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sample(texts: list[Text], limit: int | None) -> list[Text]:
    """At most `limit` texts, evenly spread."""
    if limit is None or limit >= len(texts):
        return texts
    return [texts[i * len(texts) // limit] for i in range(limit)]


def _make(folder: Path, texts: list[Text]) -> None:
    _say(f"turning {len(texts):,} texts into vectors ...")
    start = time.perf_counter()
    space, matrix = LatentSpace.fit((f"{text.name} {text.short} {text.short} {text.long}" for text in texts), DIM)
    space.write_npy(folder / "vectors.npy", matrix)
    space.save(folder / "space.npz")
    with open(folder / "names.txt", "w", encoding="utf-8") as names:
        names.writelines(f"{text.name}\t{text.short}\n" for text in texts)
    vectorized = time.perf_counter()
    cassata.DensePlainHNSW.build_from_file(folder / "vectors.npy", path=folder / "index.cassata", progress=sys.stderr.isatty())
    facts = {"words": len(space.words), "vector_seconds": vectorized - start, "build_seconds": time.perf_counter() - vectorized}
    (folder / "facts.json").write_text(json.dumps(facts))


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
