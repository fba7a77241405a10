"""The classes for sparse vectors under inverted lists. `SparseFlatIndex` is named and called as kANNolo's."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy.typing as npt

from cassata import _core, inputs
from cassata.index import Hits, padded
from cassata.inputs import Path, Progress, SparseMatrix, SparseRows, choices
from cassata.sparse import SparseIndex, answer_batch, from_arrays, from_file, plain_dtype


class SparseFlatIndex(SparseIndex, holds="SparseFlatIndex"):
    """Sparse vectors, searched exactly by dot product: what a comparison with every vector finds, to the last result and tie.

    A query's inverted lists are summed, best blocks of vectors first, and only where bounds say that a result may be.
    """

    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        *,
        metric: str = "dotproduct",
        dtype: str = "f32",
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparseFlatIndex:
        """Builds from a file of sparse vectors.

        Args:
            data_file: A .bin file (u32 n; then for each vector u32 nnz, nnz x u32 components, nnz x f32 values; little-endian),
                streamed: memory does not grow with it. Or an .npz file written by scipy.sparse.save_npz, which is read whole, its
                rows sorted and their duplicates summed.
            metric: Can only be "dotproduct".
            dtype: How values are stored: "f32", or "f16" for half the size; search is exact for what is stored.
            path: The index file to write; replaced at the very end. None: a temporary file, until `save(path)`.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            num_threads: 0 = all processors. The file does not depend on it.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: An argument, or the file (the message names the row and the entry), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.
            ImportError: An .npz file, and SciPy is not installed.

        Example:
            >>> index = cassata.SparseFlatIndex.build_from_file("documents.bin", path="documents.cassata")
        """
        return cls._build(from_file(data_file, path), path, overwrite, num_threads, progress, **choices("flat", metric, plain_dtype(dtype)))

    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        *,
        metric: str = "dotproduct",
        dtype: str = "f32",
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparseFlatIndex:
        """Builds from compressed rows: vector i has the entries offsets[i] to offsets[i + 1] - 1.

        Args:
            components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), rising strictly in each vector. int32 and uint32 arrays
                are read where they lie. Or a matrix or array of scipy.sparse, alone: rows that are not sorted or have duplicates
                become so, and summed, in a copy; explicit zeros stay entries.
            values: Real numbers of shape (entries,); float32 arrays are read where they lie.
            offsets: Whole numbers of shape (n + 1,): from 0 to the number of entries, not falling. A vector may be empty.
            metric: As of `build_from_file`, like all that follow.
            dtype: "f32" or "f16".
            path: The index file to write.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            num_threads: 0 = all processors.
            progress: None, True or a function.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range or do not rise, NaN or infinity (the row and the entry
                are named), offsets that fall or do not end at the number of entries, or an argument that is not what it must be.
            TypeError: An argument is of a type that makes no sense, or missing.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.SparseFlatIndex.build_from_arrays([3, 17, 4], [0.5, 1.0, 2.0], [0, 2, 3])
        """
        build = from_arrays(components, values, offsets)
        return cls._build(build, path, overwrite, num_threads, progress, **choices("flat", metric, plain_dtype(dtype)))

    def search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds the `k` closest vectors to each query, best first, ties by lower id.

        Called as ``search(query_components, query_values, offsets=None, k=10, ...)``, or as kANNolo's, with an integer for the third
        argument: ``search(query_components, query_values, k)``. A scipy.sparse matrix takes the place of all three arrays:
        ``search(queries, k=10, ...)``.

        Args:
            query_components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), in any order; or the queries as rows of a
                scipy.sparse matrix or array. The values of a repeated component are summed. Components that no vector of the index
                has are allowed.
            *arguments: By position or by name, all that follow.
            **named: By name, all that follow:
                query_values: Real numbers of shape (entries,).
                offsets: Query i has the entries offsets[i] to offsets[i + 1] - 1; shape (nq + 1,). None: all are one query.
                k: Results a query, 0 or more; 10. Vectors that share nothing with the query score 0 and come after those that do.
                ef_search: Ignored; accepted so that all classes can be called alike.
                early_exit_threshold: Ignored, likewise.
                num_threads: Threads over the queries; 0 = all processors; 1.

        Returns:
            (distances, ids), float32 and int64, of one dimension, query after query. Distances are dot products, largest first. There
            are nq * k entries; missing places, as k > n leaves them, hold id -1 and distance -inf. All vectors score 0 for a query
            without entries.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range, NaN or infinity (the row and the entry are named), offsets
                that fall or do not end at the number of entries, a number out of its range; the index is closed.
            TypeError: An argument is of a type that makes no sense, missing, or given twice.

        Example:
            >>> distances, ids = index.search([3, 17, 90], [0.5, 1.0, 0.25], k=3)
        """
        return super().search(query_components, *arguments, **named)

    def batch_search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds the `k` closest vectors to each query; on all processors unless told otherwise.

        Called as kANNolo's, ``batch_search(query_components, query_values, offsets, k=10, num_threads=0)``, or with a scipy.sparse
        matrix in place of the three arrays; `ef_search` and `early_exit_threshold` go by name.

        Args:
            query_components: As of `search`, like all that follow.
            *arguments: By position or by name.
            **named: By name.

        Returns:
            (distances, ids) of shape (nq, k) for a scipy.sparse matrix, (nq * k,) for arrays. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        return answer_batch(self._batch, query_components, arguments, named)

    def _batch(
        self,
        rows: SparseRows,
        k: int = 10,
        num_threads: int = 0,
        *,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
    ) -> Hits:
        return self._search(0, rows, k, ef_search, early_exit_threshold, num_threads)


class SparsePostingsIndex(SparseIndex, holds="SparsePostingsIndex"):
    """Sparse vectors under inverted lists, searched approximately by dot product: much faster than a graph where vectors are sparse.

    The lists of a query's strongest components are summed, in blocks of similar vectors whose summaries say that it may pay (as in
    Bruch et al., SIGIR 2024, whose names the parameters have); the vectors with the largest sums are scored exactly, as they are stored.
    """

    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        n_postings: int = 0,
        summary_energy: float = 1.0,
        n_knn: int = 0,
        *,
        metric: str = "dotproduct",
        dtype: str = "f16",
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
        m: int | None = None,
        ef_construction: int | None = None,
    ) -> SparsePostingsIndex:
        """Builds from a file of sparse vectors.

        Args:
            data_file: A .bin file (u32 n; then for each vector u32 nnz, nnz x u32 components, nnz x f32 values; little-endian),
                streamed: memory does not grow with it. Or an .npz file written by scipy.sparse.save_npz, which is read whole, its
                rows sorted and their duplicates summed.
            n_postings: Entries that a list has at most, those of largest absolute value; 0: all.
            summary_energy: Over 0, at most 1. Share of a list's summary that is kept, its smallest values left out first; with 1, no
                block is passed over whose bound is high enough.
            n_knn: Nearest neighbours of each vector that are kept, 0 to 256, so that a search can look at those of the best it found.
            metric: Can only be "dotproduct".
            dtype: How the vectors that are scored are stored: "f16", "f32", "fixedu8", "fixedu16" or "dotvbyte".
            path: The index file to write; replaced at the very end. None: a temporary file, until `save(path)`.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            num_threads: 0 = all processors. The file does not depend on it.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.
            m: What the builders of graphs take, so that one script can build either; a whole number, and not used: there is no graph.
            ef_construction: As `m`.

        Raises:
            ValueError: An argument, or the file (the message names the row and the entry), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.
            ImportError: An .npz file, and SciPy is not installed.

        Example:
            >>> index = cassata.SparsePostingsIndex.build_from_file("documents.bin", path="documents.cassata", progress=True)
        """
        chosen = _choices(n_postings, summary_energy, n_knn, metric, dtype, m, ef_construction)
        return cls._build(from_file(data_file, path), path, overwrite, num_threads, progress, **chosen)

    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        n_postings: int = 0,
        summary_energy: float = 1.0,
        n_knn: int = 0,
        *,
        metric: str = "dotproduct",
        dtype: str = "f16",
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
        m: int | None = None,
        ef_construction: int | None = None,
    ) -> SparsePostingsIndex:
        """Builds from compressed rows: vector i has the entries offsets[i] to offsets[i + 1] - 1.

        Args:
            components: As of `SparseFlatIndex.build_from_arrays`, like the next two.
            values: Real numbers of shape (entries,).
            offsets: Whole numbers of shape (n + 1,).
            n_postings: As of `build_from_file`, like all that follow.
            summary_energy: Over 0, at most 1.
            n_knn: 0 to 256.
            metric: Can only be "dotproduct".
            dtype: "f16", "f32", "fixedu8", "fixedu16" or "dotvbyte".
            path: The index file to write.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            num_threads: 0 = all processors.
            progress: None, True or a function.
            m: A whole number, not used.
            ef_construction: A whole number, not used.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range or do not rise, NaN or infinity (the row and the entry
                are named), offsets that fall or do not end at the number of entries, or an argument that is not what it must be.
            TypeError: An argument is of a type that makes no sense, or missing.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.SparsePostingsIndex.build_from_arrays([3, 17, 4], [0.5, 1.0, 2.0], [0, 2, 3], n_knn=8)
        """
        chosen = _choices(n_postings, summary_energy, n_knn, metric, dtype, m, ef_construction)
        return cls._build(from_arrays(components, values, offsets), path, overwrite, num_threads, progress, **chosen)

    def search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds about the `k` closest vectors to each query, best first, ties by lower id.

        Called as ``search(query_components, query_values, offsets=None, k=10, ef_search=None, early_exit_threshold=None,
        num_threads=1)`` as the graphs' classes, and by name also query_cut and heap_factor; without the offsets, or with a scipy.sparse
        matrix in place of the three arrays.

        Args:
            query_components: As of `SparseFlatIndex.search`.
            *arguments: By position or by name, all that follow.
            **named: By name, all that follow:
                query_values: As of `SparseFlatIndex.search`.
                offsets: As of `SparseFlatIndex.search`.
                k: Results a query, 0 or more; 10.
                ef_search: Vectors that are scored, at least k, those with the largest sums: larger is more exact and slower. None: what the
                    file says, if its build found a width, else 200.
                early_exit_threshold: 0 or more, or None, as the graphs' classes take it, and not used: there is no walk.
                num_threads: Threads over the queries; 0 = all processors; 1.
                query_cut: Components of a query whose lists are summed, those that can add most; 0: all. The scores are of all. Unless
                    given, what ``cassata search --help`` shows, like the next.
                heap_factor: From 0 to 1. Blocks are summed whose bound is at least this share of the k-th best sum met: lower is more
                    exact and slower.

        Returns:
            (distances, ids), float32 and int64, of one dimension, query after query. Distances are dot products, largest first. There
            are nq * k entries; missing places hold id -1 and distance -inf. All vectors score 0 for a query without entries.

        Raises:
            ValueError: As `SparseFlatIndex.search`.
            TypeError: As `SparseFlatIndex.search`.

        Example:
            >>> distances, ids = index.search([3, 17, 90], [0.5, 1.0, 0.25], k=3, ef_search=60)
        """
        return super().search(query_components, *arguments, **named)

    def batch_search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds about the `k` closest vectors to each query; on all processors unless told otherwise.

        Called as ``batch_search(query_components, query_values, offsets, k=10, ef_search=None, early_exit_threshold=None, num_threads=0)``,
        or with a scipy.sparse matrix in place of the three arrays.

        Args:
            query_components: As of `search`, like all that follow.
            *arguments: By position or by name.
            **named: By name.

        Returns:
            (distances, ids) of shape (nq, k) for a scipy.sparse matrix, (nq * k,) for arrays. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        return super().batch_search(query_components, *arguments, **named)

    def _search(
        self,
        usual_threads: int,
        rows: SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int | None = None,
        *,
        query_cut: int = _core.default_query_cut,
        heap_factor: float = _core.default_heap_factor,
    ) -> Hits:
        core = self._opened()
        cut, factor = inputs.count("query_cut", query_cut), inputs.number("heap_factor", heap_factor, "a number from 0 to 1")
        ask = partial(core.search_sparse, *rows, query_cut=cut, heap_factor=factor)
        threads = usual_threads if num_threads is None else num_threads
        return padded(core, ask, len(rows[2]) - 1, k, ef_search, early_exit_threshold, threads)


def _choices(
    n_postings: int, summary_energy: float, n_knn: int, metric: str, dtype: str, m: int | None, ef_construction: int | None
) -> dict[str, Any]:
    for name, value in {"m": m, "ef_construction": ef_construction}.items():
        if value is not None:
            inputs.whole_number(name, value)
    return {
        **choices("postings", metric, dtype),
        "n_postings": inputs.whole_number("n_postings", n_postings),
        "summary_energy": inputs.number("summary_energy", summary_energy),
        "n_knn": inputs.whole_number("n_knn", n_knn),
    }
