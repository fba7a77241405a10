"""From counted words to dense vectors: latent semantic analysis (Deerwester et al., JASIS 1990) by a randomized SVD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]

Floats = npt.NDArray[np.float32]

_SEED = 1
_OVERSAMPLING, _POWER_ROUNDS = 10, 2
_CHUNK_ROWS = 8192


class LatentSpace:
    """The words' weights, and the principal directions of the texts."""

    def __init__(self, weights: Floats, directions: Floats) -> None:
        """Both have a row for each word, `directions` a column for each dimension."""
        self.weights, self.directions = weights, directions

    @classmethod
    def fit(cls, counts: sparse.csr_matrix, dim: int) -> tuple[LatentSpace, sparse.csr_matrix]:
        """The space of the counted texts, of at most `dim` dimensions, and the texts as rows of weighted words."""
        rows, words = counts.shape
        used_by = np.bincount(counts.indices, minlength=words)
        # Squared: the SVD favours common words, rare ones tell more.
        weights = np.log((1 + rows) / used_by).astype(np.float32) ** 2
        matrix = _weigh(counts, weights)
        return cls(weights, _directions(matrix, min(dim, *matrix.shape))), matrix

    @property
    def dim(self) -> int:
        """Dimensions."""
        return int(self.directions.shape[1])

    def project(self, counts: sparse.csr_matrix) -> Floats:
        """One row of unit length for each counted text; zeros for a text without a word."""
        return self._place(_weigh(counts, self.weights))

    def write_npy(self, path: Path, matrix: sparse.csr_matrix) -> None:
        """Writes the projections of the rows that fit() returned, one chunk at a time."""
        rows = matrix.shape[0]
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": (rows, self.dim)}
            )
            for begin in range(0, rows, _CHUNK_ROWS):
                file.write(self._place(matrix[begin : begin + _CHUNK_ROWS]).tobytes())

    def save(self, path: Path) -> None:
        """Writes the space as .npz."""
        np.savez(path, weights=self.weights, directions=self.directions)

    @classmethod
    def load(cls, path: Path) -> LatentSpace:
        """Reads a space that save() wrote."""
        with np.load(path) as held:
            return cls(held["weights"], held["directions"])

    def _place(self, matrix: sparse.csr_matrix) -> Floats:
        vectors = np.asarray(matrix @ self.directions, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _weigh(counts: sparse.csr_matrix, weights: Floats) -> sparse.csr_matrix:
    """Sublinear TF-IDF, rows of unit length."""
    matrix = sparse.csr_matrix(counts, dtype=np.float32, copy=True)
    matrix.data = (1 + np.log(matrix.data)) * weights[matrix.indices]
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1)).A1
    matrix.data /= np.repeat(lengths, np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def _directions(matrix: sparse.csr_matrix, rank: int) -> Floats:
    """The first right singular vectors, as columns.

    Halko, Martinsson and Tropp, SIAM Review 2011, algorithms 4.4 and 5.1. Each is divided by the square root of its
    singular value, so that the few strongest topics do not drown the rest.
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
    """The left singular vectors and singular values of a tall matrix, largest first, without those lost in rounding.

    From the eigenvectors of its small Gram matrix: far faster than a QR decomposition, and exact enough for a basis.
    """
    squares, rotation = np.linalg.eigh((matrix.T @ matrix).astype(np.float64))
    kept = np.flatnonzero(squares > squares[-1] * 1e-7)[::-1]
    values = np.sqrt(squares[kept])
    return np.asarray(matrix @ (rotation[:, kept] / values).astype(np.float32)), values.astype(np.float32)
