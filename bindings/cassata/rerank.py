"""Sparse vectors in two stages, named and called as kANNolo's."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, overload

import numpy.typing as npt

from cassata import inputs
from cassata.index import Hits, Index, Self, compare, padded
from cassata.inputs import Path, Progress, SparseMatrix, SparseRows, Verify, graph_choices
from cassata.sparse import answer_batch, answer_some, from_arrays, from_file

_STAGES = {"blocked-sparse": "f16"}  # kANNolo's name for f16 values that lie in another order


class SparseRerankHNSW(Index, holds="SparseRerankHNSW"):
    """Sparse vectors in two stages, by dot product.

    An HNSW graph (Malkov and Yashunin, TPAMI 2020) is walked over vectors of which only the largest values are kept; the best
    `k_candidates` that the walk has met are scored again, by the whole vectors.
    """

    _told_as: ClassVar[dict[str, str]] = {
        "dtype": "first_stage_value_type",
        "rerank": "second_stage_value_type",
        "residual": "residual_rerank",
    }

    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        prune_percentage: float,
        m: int = 32,
        ef_construction: int = 200,
        first_stage_value_type: str = "f16",
        graph_type: str = "permuted",
        residual_rerank: bool = False,
        *,
        second_stage_value_type: str = "f16",
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparseRerankHNSW:
        """Builds from a file of sparse vectors.

        Args:
            data_file: A .bin file (u32 n; then for each vector u32 nnz, nnz x u32 components, nnz x f32 values; little-endian),
                streamed: memory does not grow with it. Or an .npz file written by scipy.sparse.save_npz, which is read whole, its
                rows sorted and their duplicates summed.
            prune_percentage: 0 to 100. The first stage keeps of each vector the fewest entries, one at least, that have this share
                of the sum of its absolute values: less is a faster and less exact walk.
            m: Neighbours of a node on the upper levels, 2 to 512; twice as many on the ground level.
            ef_construction: Candidates among which neighbours are chosen: larger is a better graph and a longer build.
            first_stage_value_type: How the first stage stores vectors: "f16", "f32", "fixedu8", "fixedu16" or "dotvbyte".
                kANNolo's "blocked-sparse" is taken for "f16".
            graph_type: "permuted" stores close vectors close together, for collections larger than memory; "compressed" does so,
                too, and codes the lists of neighbours; "standard" keeps their order. Ids are the same.
            residual_rerank: The second stage holds only what the first leaves out, and both scores are summed: a smaller file.
            second_stage_value_type: How the second stage does: "f16", "f32" for exact scores, or any other of these.
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
            >>> index = cassata.SparseRerankHNSW.build_from_file("documents.bin", 60, path="documents.cassata", progress=True)
        """
        choices = _choices(
            prune_percentage,
            m,
            ef_construction,
            first_stage_value_type,
            graph_type,
            residual_rerank,
            second_stage_value_type,
            memory_budget,
            resume,
        )
        return cls._build(from_file(data_file, path), path, overwrite, num_threads, progress, **choices)

    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        prune_percentage: float | None = None,
        m: int = 32,
        ef_construction: int = 200,
        first_stage_value_type: str = "f16",
        graph_type: str = "permuted",
        residual_rerank: bool = False,
        *,
        second_stage_value_type: str = "f16",
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparseRerankHNSW:
        """Builds from compressed rows: vector i has the entries offsets[i] to offsets[i + 1] - 1.

        Args:
            components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), rising strictly in each vector. int32 and uint32 arrays
                are read where they lie. Or a matrix or array of scipy.sparse, in the place of all three arrays.
            values: Real numbers of shape (entries,); float32 arrays are read where they lie.
            offsets: Whole numbers of shape (n + 1,): from 0 to the number of entries, not falling. A vector may be empty.
            prune_percentage: As of `build_from_file`, like all that follow. It has to be given.
            m: Neighbours of a node on the upper levels.
            ef_construction: Candidates among which neighbours are chosen.
            first_stage_value_type: "f16", "f32", "fixedu8", "fixedu16" or "dotvbyte".
            graph_type: "permuted", "compressed" or "standard".
            residual_rerank: The second stage holds only what the first leaves out.
            second_stage_value_type: "f16", "f32" or any other of these.
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
            >>> index = cassata.SparseRerankHNSW.build_from_arrays([3, 17, 4], [0.5, 1.0, 2.0], [0, 2, 3], 60)
        """
        choices = _choices(
            prune_percentage,
            m,
            ef_construction,
            first_stage_value_type,
            graph_type,
            residual_rerank,
            second_stage_value_type,
            memory_budget,
            resume,
        )
        return cls._build(from_arrays(components, values, offsets), path, overwrite, num_threads, progress, **choices)

    @classmethod
    def load(  # type: ignore[override]  # kANNolo's arguments, too, are others than those of its other classes
        cls: type[Self],
        path: Path,
        first_stage_value_type: str | None = None,
        graph_type: str | None = None,
        residual_rerank: bool | None = None,
        prune_percentage: float | None = None,
        second_stage_value_type: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        metric: str | None = None,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class, in a time that does not depend on its size.

        The file knows everything about itself. What is given all the same is compared with it.

        Args:
            path: The file.
            first_stage_value_type: "f16", "f32", "fixedu8", "fixedu16" or "dotvbyte".
            graph_type: "standard" or "permuted", which stand for each other, or "compressed".
            residual_rerank: Whether the second stage holds only what the first leaves out.
            prune_percentage: What the first stage keeps.
            second_stage_value_type: How the second stage stores vectors.
            dim: The largest component plus 1.
            verify: True: read the whole file now and check every byte and every rule, as `verify()` does. "touched": check rows, lists and
                pages when queries first use them.
            metric: "dotproduct".
            resident: "hot" reads what every query touches into memory now, "all" the whole file; None: queries read what they touch.
            lock: Keep that in memory (mlock) while the index is open.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: An argument contradicts the file (both values are named), the file holds another class, `lock` is given without
                `resident`, or more would be locked than this process may use.
            FormatError: The file is damaged, truncated, not an index, or needs a newer version.
            OSError: The file cannot be opened; FileNotFoundError, PermissionError and so on. Or the system refuses to lock so much.

        Example:
            >>> index = cassata.SparseRerankHNSW.load("documents.cassata")
        """
        index = super().load(path, metric, graph_type, dim=dim)
        info, name = index._opened().info(), str(index.path)
        held = info["rerank"]
        for argument, asked, value in (
            ("first_stage_value_type", first_stage_value_type, info["dtype"]),
            ("second_stage_value_type", second_stage_value_type, held["dtype"]),
        ):
            compare(name, argument, None if asked is None else _value_type(argument, asked), value)
        compare(name, "residual_rerank", residual_rerank, held["residual"])
        compare(name, "prune_percentage", prune_percentage, held["prune_percentage"])
        return index._made_ready(verify, resident, lock, progress)

    @overload
    def search(
        self,
        query_components: SparseMatrix,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
    ) -> Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        sparse_offsets: npt.ArrayLike | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
    ) -> Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        k_candidates: int,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
    ) -> Hits: ...
    def search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds the `k` closest vectors to each query, best first, ties by lower id.

        Called as ``search(query_components, query_values, sparse_offsets=None, k_candidates=100, ...)`` or as kANNolo's, with an
        integer for the third argument: ``search(query_components, query_values, k_candidates, k, ...)``. A scipy.sparse matrix takes
        the place of all three arrays: ``search(queries, k_candidates=100, ...)``.

        Args:
            query_components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), in any order; or the queries as rows of a
                scipy.sparse matrix or array. The values of a repeated component are summed. Components that no vector of the index
                has are allowed.
            *arguments: By position or by name, all that follow.
            **named: By name, all that follow:
                query_values: Real numbers of shape (entries,).
                sparse_offsets: Or `offsets`. Query i has the entries offsets[i] to offsets[i + 1] - 1; shape (nq + 1,). None: all
                    are one query.
                k_candidates: Results of the first stage that are scored again; 100. There are no more results than these.
                k: Results a query, 0 or more; 10.
                ef_search: The walk over the graph keeps the max(ef_search, k_candidates) best: larger is more exact and slower; 100.
                alpha: A number from 0 on. Only candidates whose first score is at least s - |s| * alpha are scored again, where s is
                    the k-th first score; None: all are.
                beta: A whole number. Once k candidates are scored, the search ends after so many in a row that are none of the k
                    best; None: all are scored.
                early_exit_threshold: 0 or more, None = 0. The walk goes on while a vector's first score is within the worst kept
                    one relaxed by this share: larger is more exact and slower.
                num_threads: Threads over the queries; 0 = all processors; 1.

        Returns:
            (distances, ids), float32 and int64, of one dimension, query after query. Distances are dot products, largest first. There
            are nq * k entries; missing places hold id -1 and distance -inf. A query without entries is a vector of zeros.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range, NaN or infinity (the row and the entry are named), offsets
                that fall or do not end at the number of entries, a number out of its range; the index is closed.
            TypeError: An argument is of a type that makes no sense, missing, or given twice.

        Example:
            >>> distances, ids = index.search([3, 17, 90], [0.5, 1.0, 0.25], k_candidates=50, k=3)
        """
        return answer_some(self._search, query_components, arguments, named)

    @overload
    def batch_search(
        self,
        query_components: SparseMatrix,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        sparse_offsets: npt.ArrayLike | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike,
        k_candidates: int,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
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
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int | None = None,
    ) -> Hits:
        core = self._opened()  # held until the end, whoever closes the index meanwhile
        ask = partial(
            core.search_sparse,
            *rows,
            k_candidates=inputs.count("k_candidates", k_candidates),
            alpha=None if alpha is None else inputs.number("alpha", alpha, "a number from 0 on or None"),
            beta=None if beta is None else inputs.count("beta", beta),
        )
        threads = usual_threads if num_threads is None else num_threads
        return padded(core, ask, len(rows[2]) - 1, k, ef_search, early_exit_threshold, threads)


def _value_type(name: str, value_type: object) -> str:
    text = inputs.word(name, value_type)
    return _STAGES.get(text, text)


def _choices(
    prune_percentage: float | None,
    m: int,
    ef_construction: int,
    first_stage_value_type: str,
    graph_type: str,
    residual_rerank: bool,
    second_stage_value_type: str,
    memory_budget: int | str | None,
    resume: bool,
) -> dict[str, Any]:
    if prune_percentage is None:
        raise TypeError("prune_percentage: missing, expected a number from 0 to 100")
    dtype = _value_type("first_stage_value_type", first_stage_value_type)
    return {
        **graph_choices("dotproduct", dtype, m, ef_construction, graph_type, memory_budget, resume),
        "rerank_dtype": _value_type("second_stage_value_type", second_stage_value_type),
        "prune_percentage": inputs.number("prune_percentage", prune_percentage),
        "residual": inputs.truth("residual_rerank", residual_rerank),
    }
