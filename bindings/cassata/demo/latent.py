"""From texts to dense vectors: latent semantic analysis (Deerwester et al., JASIS 1990) by a randomized SVD."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]

Floats = npt.NDArray[np.float32]

_WORD = re.compile(r"[^\W_]+[+#]*")
_SEED = 1
_OVERSAMPLING, _POWER_ROUNDS = 10, 2
_MIN_TEXTS = 2  # a word counts if so many texts have it
_CHUNK_ROWS = 8192


class LatentSpace:
    """Words, their weights, and the directions in which texts are told apart."""

    def __init__(self, words: list[str], weights: Floats, directions: Floats) -> None:
        """`weights` and `directions` have a row for each word, `directions` a column for each dimension."""
        self.words, self.weights, self.directions = words, weights, directions
        self._ids = {word: i for i, word in enumerate(words)}

    @classmethod
    def fit(cls, texts: Iterable[str], dim: int) -> tuple[LatentSpace, sparse.csr_matrix]:
        """The space of `texts`, of `dim` dimensions or as many as there can be; and the texts as weighted words, a row each."""
        all_ids: dict[str, int] = {}
        counts = _count(texts, all_ids, grow=True)
        rows = counts.shape[0]
        used_by = np.bincount(counts.indices, minlength=counts.shape[1])
        kept = np.flatnonzero(used_by >= _MIN_TEXTS)
        if not kept.size:
            raise ValueError(f"{rows} texts have no word in common")
        words = np.array(list(all_ids), dtype=object)[kept]
        weights = np.log((1 + rows) / used_by[kept]).astype(np.float32) ** 2  # squared: the SVD favours common words, rare ones tell more
        matrix = _weigh(counts[:, kept], weights)
        return cls(words.tolist(), weights, _directions(matrix, min(dim, *matrix.shape))), matrix

    @property
    def dim(self) -> int:
        """Dimensions."""
        return int(self.directions.shape[1])

    def project(self, texts: Iterable[str]) -> Floats:
        """One row of unit length for each text; zeros for a text without a known word."""
        return self._place(_weigh(_count(texts, self._ids, grow=False), self.weights))

    def write_npy(self, path: Path, matrix: sparse.csr_matrix) -> None:
        """Writes what project() gives for the rows that fit() returned, a chunk at a time."""
        rows = matrix.shape[0]
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, self.dim)})
            for begin in range(0, rows, _CHUNK_ROWS):
                file.write(self._place(matrix[begin : begin + _CHUNK_ROWS]).tobytes())

    def save(self, path: Path) -> None:
        """Writes the space as .npz."""
        np.savez(path, words=np.array(self.words, dtype=np.str_), weights=self.weights, directions=self.directions)

    @classmethod
    def load(cls, path: Path) -> LatentSpace:
        """Reads what save() wrote."""
        with np.load(path) as held:
            return cls(held["words"].tolist(), held["weights"], held["directions"])

    def _place(self, matrix: sparse.csr_matrix) -> Floats:
        vectors = np.asarray(matrix @ self.directions, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


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


def _weigh(counts: sparse.csr_matrix, weights: Floats) -> sparse.csr_matrix:
    """Sublinear TF-IDF, rows of unit length."""
    matrix = sparse.csr_matrix(counts, dtype=np.float32, copy=True)
    matrix.data = (1 + np.log(matrix.data)) * weights[matrix.indices]
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
    matrix.data /= np.repeat(lengths, np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def _directions(matrix: sparse.csr_matrix, rank: int) -> Floats:
    """The first right singular vectors, as columns: Halko, Martinsson and Tropp, SIAM Review 2011, algorithms 4.4 and 5.1.

    Each is divided by the square root of its singular value, so that the few strongest topics do not drown the rest.
    """
    width = min(rank + _OVERSAMPLING, *matrix.shape)
    start = np.random.default_rng(_SEED).standard_normal((matrix.shape[1], width), dtype=np.float32)
    basis, _ = _principal(matrix @ start)
    for _ in range(_POWER_ROUNDS):
        basis, _ = _principal(matrix.T @ basis)
        basis, _ = _principal(matrix @ basis)
    vectors, values = _principal(matrix.T @ basis)
    return np.ascontiguousarray(vectors[:, :rank] / np.sqrt(values[:rank]))


def _principal(matrix: Floats) -> tuple[Floats, Floats]:
    """The left singular vectors and the singular values of a tall matrix, largest first, without those that are lost in rounding.

    From the eigenvectors of its small Gram matrix: far faster than a QR decomposition, and exact enough for a basis.
    """
    squares, rotation = np.linalg.eigh((matrix.T @ matrix).astype(np.float64))
    kept = np.flatnonzero(squares > squares[-1] * 1e-7)[::-1]
    values = np.sqrt(squares[kept])
    return np.asarray(matrix @ (rotation[:, kept] / values).astype(np.float32)), values.astype(np.float32)
