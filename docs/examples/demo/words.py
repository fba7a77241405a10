"""From texts to counted words, over a vocabulary of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

_WORD = re.compile(r"[^\W_]+[+#]*")
_MIN_TEXTS = 2  # a word counts if so many texts have it


class Vocabulary:
    """Words, each the stem of several."""

    def __init__(self, words: list[str]) -> None:
        """A word's id is its place."""
        self.words = words
        self._ids = {word: i for i, word in enumerate(words)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> tuple[Vocabulary, sparse.csr_matrix]:
        """The words that `texts` have in common, and the texts counted by them."""
        ids: dict[str, int] = {}
        counts = _count(texts, ids, grow=True)
        kept = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]) >= _MIN_TEXTS)
        if not kept.size:
            raise ValueError(f"{counts.shape[0]} texts have no word in common")
        return cls(np.array(list(ids), dtype=object)[kept].tolist()), counts[:, kept]

    def count(self, texts: Iterable[str]) -> sparse.csr_matrix:
        """How often each text has each word: a row for each text, a column for each word."""
        return _count(texts, self._ids, grow=False)

    def save(self, path: Path) -> None:
        """Writes a word a line."""
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Reads what save() wrote."""
        return cls(path.read_text(encoding="utf-8").split("\n")[:-1])


def _singular(word: str) -> str:
    """The S-stemmer of Harman, JASIS 1991."""
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "ss")) else word


def _count(texts: Iterable[str], ids: dict[str, int], grow: bool) -> sparse.csr_matrix:
    """How often each text has each word of `ids`, to which new words are added if it may grow."""
    seen: dict[str, int] = {}  # words as they are written
    columns: list[int] = []
    ends = [0]
    for text in texts:
        for word in _WORD.findall(text.lower()):
            column = seen.get(word)
            if column is None:
                stem = _singular(word)
                column = seen[word] = ids.setdefault(stem, len(ids)) if grow else ids.get(stem, -1)
            if column >= 0:
                columns.append(column)
        ends.append(len(columns))
    matrix = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(len(ends) - 1, len(ids)))
    matrix.sum_duplicates()
    return matrix
