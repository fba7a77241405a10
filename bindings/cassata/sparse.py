"""The classes for sparse vectors, named and called as kANNolo's."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, overload

import numpy as np
import numpy.typing as npt

from cassata import _core, inputs
from cassata.index import Hits, Index, Self, padded
from cassata.inputs import Path, Progress, SparseMatrix, SparseRows, Verify, graph_choices


class SparseIndex(Index):
    """Search by sparse queries."""

    @classmethod
    def load(  # type: ignore[override]  # kANNolo's order, too, is another than that of its dense classes
        cls: type[Self],
        path: Path,
        graph_type: str | None = None,
        metric: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class, in a time that does not depend on its size.

        The file knows everything about itself. What is given all the same is compared with it.

        Args:
            path: The file.
            graph_type: "standard" or "permuted", which stand for each other, or "compressed".
            metric: "dotproduct" or "euclidean".
            dtype: How values are stored, by the name that the property `dtype` has.
            dim: The largest component plus 1.
            verify: True: read the whole file now and check every byte and every rule, as `verify()` does. "touched": check rows, lists and
                pages when queries first use them.
            resident: "hot" reads what every query touches into memory now, "all" the whole file; None: queries read what they touch.
            lock: Keep that in memory (mlock) while the index is open.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: An argument contradicts the file (both values are named), the file holds another class, `lock` is given without
                `resident`, or more would be locked than this process may use.
            FormatError: The file is damaged, truncated, not an index, or needs a newer version.
            OSError: The file cannot be opened; FileNotFoundError, PermissionError and so on. Or the system refuses to lock so much.

        Example:
            >>> index = cassata.SparsePlainHNSW.load("documents.cassata")
        """
        return super().load(path, metric, graph_type, dtype, dim=dim, verify=verify, resident=resident, lock=lock, progress=progress)

    @overload
    def search(
        self,
        query_components: SparseMatrix,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
    ) -> Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
    ) -> Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
    ) -> Hits: ...
    def search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds the `k` closest vectors to each query, best first, ties by lower id.

        Called as ``search(query_components, query_values, offsets=None, k=10, ...)`` or as kANNolo's, with an integer for the third
        argument: ``search(query_components, query_values, k, ...)``. A scipy.sparse matrix takes the place of all three arrays:
        ``search(queries, k=10, ...)``.

        Args:
            query_components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), in any order; or the queries as rows of a
                scipy.sparse matrix or array. The values of a repeated component are summed. Components that no vector of the index
                has are allowed.
            *arguments: By position or by name, all that follow.
            **named: By name, all that follow:
                query_values: Real numbers of shape (entries,).
                offsets: Query i has the entries offsets[i] to offsets[i + 1] - 1; shape (nq + 1,). None: all are one query.
                k: Results a query, 0 or more; 10.
                ef_search: The walk over the graph keeps the max(ef_search, k) best: larger is more exact and slower. None: what the
                    file says, if its build found a width, else 200.
                early_exit_threshold: 0 or more, None = 0. The walk goes on while a vector's score is within the worst kept one
                    relaxed by this share: larger is more exact and slower.
                num_threads: Threads over the queries; 0 = all processors; 1.

        Returns:
            (distances, ids), float32 and int64, of one dimension, query after query. Distances are dot products (largest first) or
            squared Euclidean distances (smallest first). There are nq * k entries; missing places
            hold id -1 and distance -inf (dot product) or inf (Euclidean). A query without entries is a vector of zeros.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range, NaN or infinity (the row and the entry are named), offsets
                that fall or do not end at the number of entries, a number out of its range; the index is closed.
            TypeError: An argument is of a type that makes no sense, missing, or given twice.

        Example:
            >>> distances, ids = index.search([3, 17, 90], [0.5, 1.0, 0.25], k=3)
        """
        return answer_some(self._search, query_components, arguments, named)

    @overload
    def batch_search(
        self,
        query_components: SparseMatrix,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits: ...
    def batch_search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """As `search`, for many queries at once, by all processors unless `num_threads` says otherwise.

        Args:
            query_components: As of `search`, like all that follow.
            *arguments: By position.
            **named: By name.

        Returns:
            (distances, ids) of shape (nq, k) for a scipy.sparse matrix, (nq * k,) for arrays. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        return answer_batch(partial(self._search, 0), query_components, arguments, named)

    def _search(
        self,
        usual_threads: int,
        rows: SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int | None = None,
    ) -> Hits:
        core = self._opened()  # held until the end, whoever closes the index meanwhile
        threads = usual_threads if num_threads is None else num_threads
        return padded(core, partial(core.search_sparse, *rows), len(rows[2]) - 1, k, ef_search, early_exit_threshold, threads)


class SparsePlainHNSW(SparseIndex, holds="SparsePlainHNSW"):
    """Sparse vectors under an HNSW graph (Malkov and Yashunin, TPAMI 2020): components of 2 or 4 bytes, values of f16 or f32."""

    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        dtype: str = "f16",
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparsePlainHNSW:
        """Builds from a file of sparse vectors.

        Args:
            data_file: A .bin file (u32 n; then for each vector u32 nnz, nnz x u32 components, nnz x f32 values; little-endian),
                streamed: memory does not grow with it. Or an .npz file written by scipy.sparse.save_npz, which is read whole, its
                rows sorted and their duplicates summed.
            m: Neighbours of a node on the upper levels, 2 to 512; twice as many on the ground level.
            ef_construction: Candidates among which neighbours are chosen: larger is a better graph and a longer build.
            graph_type: "permuted" stores close vectors close together, for collections larger than memory; "compressed" does so,
                too, and codes the lists of neighbours; "standard" keeps their order. Ids are the same.
            metric: "dotproduct" or "euclidean".
            dtype: How values are stored: "f16", or "f32" for exact ones.
            path: The index file to write; replaced at the very end. None: a temporary file, until `save(path)`.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            memory_budget: Bytes of memory, or a text such as "512MiB", that the build is to hold, collection and graph: then it is built
                in regions that fit, from files beside `path`. What was done is kept in `path` + ".build" until the file is there.
            resume: With `memory_budget`: go on with what an interrupted build of the same left there, if there is anything. The file is
                the same.
            num_threads: 0 = all processors. The file does not depend on it.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: An argument, or the file (the message names the row and the entry), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.
            ImportError: An .npz file, and SciPy is not installed.

        Example:
            >>> index = cassata.SparsePlainHNSW.build_from_file("documents.bin", m=16, path="documents.cassata", progress=True)
        """
        build = from_file(data_file, path)
        return cls._build(
            build,
            path,
            overwrite,
            num_threads,
            progress,
            **graph_choices(metric, plain_dtype(dtype), m, ef_construction, graph_type, memory_budget, resume),
        )

    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        dtype: str = "f16",
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparsePlainHNSW:
        """Builds from compressed rows: vector i has the entries offsets[i] to offsets[i + 1] - 1.

        Args:
            components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), rising strictly in each vector. int32 and uint32 arrays
                are read where they lie. Or a matrix or array of scipy.sparse, alone: rows that are not sorted or have duplicates
                become so, and summed, in a copy; explicit zeros stay entries.
            values: Real numbers of shape (entries,); float32 arrays are read where they lie.
            offsets: Whole numbers of shape (n + 1,): from 0 to the number of entries, not falling. A vector may be empty.
            m: As of `build_from_file`, like all that follow.
            ef_construction: Candidates among which neighbours are chosen.
            graph_type: "permuted", "compressed" or "standard".
            metric: "dotproduct" or "euclidean".
            dtype: "f16" or "f32".
            path: The index file to write.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            memory_budget: Bytes of memory, or a text such as "512MiB", that the build is to hold, collection and graph: then it is built
                in regions that fit, from files beside `path`. What was done is kept in `path` + ".build" until the file is there.
            resume: With `memory_budget`: go on with what an interrupted build of the same left there, if there is anything. The file is
                the same.
            num_threads: 0 = all processors.
            progress: None, True or a function.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range or do not rise, NaN or infinity (the row and the entry
                are named), offsets that fall or do not end at the number of entries, or an argument that is not what it must be.
            TypeError: An argument is of a type that makes no sense, or missing.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.SparsePlainHNSW.build_from_arrays([3, 17, 4], [0.5, 1.0, 2.0], [0, 2, 3], metric="euclidean")
        """
        build = from_arrays(components, values, offsets)
        return cls._build(
            build,
            path,
            overwrite,
            num_threads,
            progress,
            **graph_choices(metric, plain_dtype(dtype), m, ef_construction, graph_type, memory_budget, resume),
        )


def plain_dtype(dtype: str) -> str:
    """`dtype`, if it is one of `SparsePlainHNSW`: the engine knows others, which are those of other classes."""
    if inputs.word("dtype", dtype) not in ("f16", "f32"):
        raise ValueError(f"dtype: {dtype!r} given, expected one of 'f16', 'f32'")
    return dtype


def from_file(data_file: Path, path: Path | None) -> Callable[..., _core.Index]:
    """A build of the engine that reads a .bin or .npz file and writes to `path`."""
    source = inputs.sparse_file("data_file", data_file)
    if not source.endswith(".npz"):
        return partial(_core.Index.build_from_sparse_file, source)
    matrix = inputs.matrix_file(source)
    inputs.not_the_input(path, source)
    return partial(_core.Index.build_from_sparse_arrays, *inputs.matrix_rows(source, matrix), name=source)


def from_arrays(
    components: npt.ArrayLike | SparseMatrix, values: npt.ArrayLike | None, offsets: npt.ArrayLike | None
) -> Callable[..., _core.Index]:
    """A build of the engine that reads compressed rows or a scipy.sparse matrix."""
    if inputs.is_matrix(components):
        if values is not None or offsets is not None:
            raise TypeError("values, offsets: given beside a scipy.sparse matrix, expected neither")
        rows = inputs.matrix_rows("components", components)
    elif values is None or offsets is None:
        raise TypeError("components, values, offsets: expected all three, or a scipy.sparse matrix alone")
    else:
        rows = inputs.sparse_rows(components, values, offsets)
    return partial(_core.Index.build_from_sparse_arrays, *rows, name="values")


def answer_some(search: Callable[..., Hits], query_components: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Hits:
    """What a `search` of a class returns, by its `_search`."""
    rows, arguments = take_queries(query_components, arguments, named)
    distances, ids = search(1, rows, *arguments, **named)
    return distances.reshape(-1), ids.reshape(-1)


def answer_batch(search: Callable[..., Hits], query_components: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Hits:
    """What a `batch_search` returns, by a function of the rows and the arguments after them."""
    rows, arguments = take_queries(query_components, arguments, named)
    distances, ids = search(rows, *arguments, **named)
    return (distances, ids) if inputs.is_rows(query_components) else (distances.reshape(-1), ids.reshape(-1))


def take_queries(query_components: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[SparseRows, tuple[Any, ...]]:
    """The queries, and the arguments after them. Takes its own out of `named`.

    Offsets are called `offsets`, or `sparse_offsets` as by kANNolo.
    """
    if inputs.is_matrix(query_components):
        return inputs.matrix_rows("query_components", query_components), arguments
    values, arguments = (arguments[0], arguments[1:]) if arguments else (named.pop("query_values", None), ())
    if values is None:
        raise TypeError("query_values: missing, expected an array of numbers beside query_components")
    offsets, other = named.pop("offsets", None), named.pop("sparse_offsets", None)
    if offsets is not None and other is not None:
        raise TypeError("offsets: given twice, also as sparse_offsets")
    offsets = other if offsets is None else offsets
    if arguments and (arguments[0] is None or isinstance(arguments[0], (list, tuple)) or np.ndim(arguments[0]) > 0):
        if offsets is not None:
            raise TypeError("offsets: given twice, by position and by name")
        offsets, arguments = arguments[0], arguments[1:]
    return inputs.sparse_rows(query_components, values, offsets, "query_"), arguments
