"""The demo's files: made once from the texts, kept in a folder, and used until the texts change."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cassata
from scipy import sparse  # type: ignore[import-untyped]

from demo import bm25
from demo.latent import LatentSpace
from demo.texts import Source, Text
from demo.words import Vocabulary

DIM = 256
DENSE, SPARSE = "dense.npy", "bm25.npz"  # files of vectors


class Kind(NamedTuple):
    """One of the indexes that are built."""

    title: str  # in two words
    holds: Any  # its class
    vectors: str  # the file that it is built from
    choices: dict[str, int]  # where the class's own are not taken

    @property
    def file(self) -> str:
        """Name of the index file."""
        return self.title.lower().replace(" ", "-") + ".cassata"


KINDS = (  # of each file of vectors the exact index first: the others are judged by it
    Kind("dense exact", cassata.DenseFlatIndex, DENSE, {}),
    Kind("dense graph", cassata.DensePlainHNSW, DENSE, {}),
    Kind("BM25 exact", cassata.SparseFlatIndex, SPARSE, {}),
    Kind("BM25 graph", cassata.SparsePlainHNSW, SPARSE, {"ef_construction": 60}),  # in a few seconds
)

_RECIPE = 2  # changes when the same choices would make other files
_ENTRY = re.compile(r"(packages|docstrings)-[0-9a-f]{16}(\.partial)?")


class Entry:
    """A folder: names.txt (name and short text, a line each), words.txt, space.npz, vectors, indexes, facts.json."""

    def __init__(self, folder: Path) -> None:
        """`folder` is complete."""
        self.folder = folder
        self.facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
        self._words, self._space = Vocabulary.load(folder / "words.txt"), LatentSpace.load(folder / "space.npz")

    def texts(self) -> list[tuple[str, str]]:
        """(name, short text) by id."""
        lines = (self.folder / "names.txt").read_text(encoding="utf-8").split("\n")[:-1]
        return [(name, short) for name, _, short in (line.partition("\t") for line in lines)]

    def path(self, kind: Kind) -> Path:
        """The index file of that kind."""
        return self.folder / kind.file

    def open(self, kind: Kind) -> Any:
        """The index in it."""
        return kind.holds.load(self.path(kind))

    def info(self, kind: Kind) -> dict[str, Any]:
        """The facts of the entry."""
        with self.open(kind) as index:
            return index.info  # type: ignore[no-any-return]

    def queries(self, texts: Iterable[str]) -> dict[str, Any]:
        """The texts as queries, for the vectors of a file."""
        counts = self._words.count(texts)
        return {DENSE: self._space.project(counts), SPARSE: counts}


def entry(folder: Path, source: Source, limit: int | None, fresh: bool) -> tuple[Entry, bool]:
    """The entry of these texts, and whether it was there already; entries of other texts are removed."""
    recipe = DIM, bm25.K1, bm25.B, [(kind.title, kind.holds.__name__, kind.choices) for kind in KINDS]
    facts = f"{source.fingerprint} {limit} {_RECIPE} {recipe} {cassata.__version__}"
    key = hashlib.sha256(facts.encode()).hexdigest()[:16]
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
    """The files of an earlier run, which are made again if they are missing or damaged."""
    try:
        kept = Entry(folder)
        for kind in KINDS:
            kept.open(kind).close()
    except (OSError, ValueError, KeyError):
        return None
    return kept


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the next one finds the work done."""
    with open(folder / "lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sample(texts: list[Text], limit: int | None) -> list[Text]:
    """At most `limit` texts, evenly spread."""
    if limit is None or limit >= len(texts):
        return texts
    return [texts[i * len(texts) // limit] for i in range(limit)]


def _make(folder: Path, texts: list[Text]) -> None:
    _say(f"turning {len(texts):,} texts into vectors ...")
    with open(folder / "names.txt", "w", encoding="utf-8") as names:
        names.writelines(f"{text.name}\t{text.short}\n" for text in texts)
    lap = _stopwatch()
    words, counts = Vocabulary.of(f"{text.name} {text.short} {text.short} {text.long}" for text in texts)
    words.save(folder / "words.txt")
    seconds = {"words": lap()}
    space, matrix = LatentSpace.fit(counts, DIM)
    space.write_npy(folder / DENSE, matrix)
    space.save(folder / "space.npz")
    seconds[DENSE] = lap()
    sparse.save_npz(folder / SPARSE, bm25.vectors(counts), compressed=False)
    seconds[SPARSE] = lap()
    for kind in KINDS:
        _say(f"{kind.title}:")
        kind.holds.build_from_file(
            folder / kind.vectors, path=folder / kind.file, progress=sys.stderr.isatty(), **kind.choices
        ).close()
        seconds[kind.title] = lap()
    facts = {"words": len(words.words), "words_a_text": counts.nnz / len(texts), "dim": space.dim, "seconds": seconds}
    (folder / "facts.json").write_text(json.dumps(facts))


def _stopwatch() -> Callable[[], float]:
    """Returns the seconds since its last call, or since it was made."""
    last = time.perf_counter()

    def lap() -> float:
        nonlocal last
        before, last = last, time.perf_counter()
        return last - before

    return lap


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
