"""The class for dense vectors in two stages, named and called as kANNolo's."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy.typing as npt

from cassata import _core, inputs
from cassata.dense import DenseIndex, arguments_told, one_of
from cassata.index import Hits, Self, compare, padded
from cassata.inputs import Path, Progress, Verify, graph_choices


class DenseRerankHNSW(DenseIndex, holds="DenseRerankHNSW"):
    """Dense vectors in two stages.

    An HNSW graph (Malkov and Yashunin, TPAMI 2020) is walked over compact codes; the best `k_candidates` that the walk has met are scored
    again, by the vectors or by finer codes (product quantization: Jegou et al., PAMI 2011; RaBitQ: Gao and Long, SIGMOD 2024, Gao et al.,
    SIGMOD 2025). `DensePlainHNSW` with `navigation` does the same without asking how many.
    """

    _told_as: ClassVar[dict[str, str]] = {"m_pq": "pq_subspaces", "residual": "residual_rerank"}

    @classmethod
    @arguments_told
    def build_from_file(
        cls,
        data_path: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        encoder: str = "pq",
        pq_subspaces: int | None = None,
        rabitq_total_bits: int = 4,
        rabitq_query_bits: int = 1,
        rerank_bits: int = 0,
        residual_rerank: bool = False,
        *,
        dtype: str | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DenseRerankHNSW:
        """Builds from a file of vectors, streamed: memory holds the graph, a chunk of vectors and what is learned from.

        Raises:
            ValueError: An argument, or the file (the message names the row), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.

        Example:
            >>> index = cassata.DenseRerankHNSW.build_from_file("vectors.npy", m=16, encoder="rabitq", path="vectors.cassata")
        """
        stages = _stages(encoder, pq_subspaces, rabitq_total_bits, rabitq_query_bits, rerank_bits, residual_rerank, dtype)
        build = partial(_core.Index.build_from_file, inputs.dense_file("data_path", data_path))
        graph = graph_choices(metric, stages.pop("dtype"), m, ef_construction, graph_type, memory_budget, resume)
        return cls._build(build, path, overwrite, num_threads, progress, **graph, **stages)

    @classmethod
    @arguments_told
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        encoder: str = "pq",
        pq_subspaces: int | None = None,
        rabitq_total_bits: int = 4,
        rabitq_query_bits: int = 1,
        rerank_bits: int = 0,
        residual_rerank: bool = False,
        *,
        dtype: str | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DenseRerankHNSW:
        """Builds from an array.

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity (the row is named), or an argument that is not what it must be.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.DenseRerankHNSW.build_from_array(vectors, m=16, encoder="rabitq-ext", rabitq_total_bits=2)
        """
        stages = _stages(encoder, pq_subspaces, rabitq_total_bits, rabitq_query_bits, rerank_bits, residual_rerank, dtype)
        build = partial(_core.Index.build_from_array, inputs.collection_matrix(data_vec, dim))
        graph = graph_choices(metric, stages.pop("dtype"), m, ef_construction, graph_type, memory_budget, resume)
        return cls._build(build, path, overwrite, num_threads, progress, **graph, **stages)

    @classmethod
    def load(  # type: ignore[override]  # kANNolo's arguments are others than those of the other classes
        cls: type[Self],
        path: Path,
        metric: str | None = None,
        graph_type: str | None = None,
        encoder: str | None = None,
        pq_subspaces: int | None = None,
        rabitq_query_bits: int | None = None,
        rerank_bits: int | None = None,
        residual_rerank: bool | None = None,
        *,
        rabitq_total_bits: int | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class: as `DensePlainHNSW.load`.

        The file knows everything about itself. What is given all the same is compared with it.

        Args:
            path: The file.
            metric: "dotproduct" or "euclidean".
            graph_type: "standard" or "permuted", which stand for each other, or "compressed".
            encoder: As of a build. "rabitq" is one bit a dimension, "rabitq-ext" more.
            pq_subspaces: Of pq; ignored of other encoders, as by kANNolo.
            rabitq_query_bits: 1 to 8, without effect.
            rerank_bits: 0, or bits a dimension of the second stage's codes.
            residual_rerank: Whether the second stage holds only what the first leaves out.
            rabitq_total_bits: Of rabitq-ext; ignored of other encoders.
            dtype: Of the second stage: "f16", "f32" or "rabitq".
            dim: Length of a vector.
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
            >>> index = cassata.DenseRerankHNSW.load("vectors.cassata")
        """
        index = super().load(path, metric, graph_type, None, None, dim)
        info, text = index.info, inputs.file_path("path", path)
        held = _encoder_of(info)
        compare(text, "encoder", None if encoder is None else inputs.word("encoder", encoder), held)
        if held == "pq" and pq_subspaces is not None:
            compare(text, "pq_subspaces", pq_subspaces, info["m_pq"])
        if held == "rabitq-ext":
            compare(text, "rabitq_total_bits", rabitq_total_bits, info["bits"])
        if rabitq_query_bits is not None:
            _query_bits("rabitq_query_bits", rabitq_query_bits)
        compare(text, "rerank_bits", rerank_bits, info["rerank"]["bits"] or 0)
        compare(text, "residual_rerank", residual_rerank, info["rerank"]["residual"])
        compare(text, "dtype", None if dtype is None else inputs.word("dtype", dtype), info["rerank"]["dtype"])
        return index._made_ready(verify, resident, lock, progress)

    def search(  # type: ignore[override]  # kANNolo's arguments, again
        self,
        queries: npt.ArrayLike | None = None,
        k: int = 10,
        k_candidates: int = 100,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
        *,
        query: npt.ArrayLike | None = None,
    ) -> Hits:
        """Finds the `k` closest vectors to each query, best first, ties by lower id.

        Args:
            queries: As of `DensePlainHNSW.search`.
            k: Results a query, 0 or more.
            k_candidates: Results of the first stage that are scored again. There are no more results than these.
            ef_search: The walk over the graph keeps the max(ef_search, k_candidates) best: larger is more exact and slower.
            alpha: A number from 0 on. Only candidates whose first score is within the k-th one relaxed by this share are scored again;
                None: all are.
            beta: A whole number. Once k candidates are scored, the search ends after so many in a row that are none of the k best;
                None: all are scored.
            early_exit_threshold: 0 or more, None = 0. The walk goes on while a vector's first score is within the worst kept one
                relaxed by this share.
            num_threads: Threads over the queries; 0 = all processors.
            query: Another name for `queries`, as in kANNolo.

        Returns:
            (distances, ids), as of `DensePlainHNSW.search`. Distances are by the second stage.

        Raises:
            ValueError: As of `DensePlainHNSW.search`.
            TypeError: As of `DensePlainHNSW.search`.

        Example:
            >>> distances, ids = index.search(vectors[0], k=3, k_candidates=30)
        """
        given = one_of(queries, query)
        distances, ids = self._search(given, k, k_candidates, ef_search, alpha, beta, early_exit_threshold, num_threads)
        return distances.reshape(-1), ids.reshape(-1)

    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        k_candidates: int = 100,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits:
        """As `search`, for many queries at once.

        Args:
            queries: Shape (nq, dim), or (nq * dim,).
            k: Results a query.
            k_candidates: As of `search`.
            ef_search: As of `search`.
            alpha: As of `search`.
            beta: As of `search`.
            early_exit_threshold: As of `search`.
            num_threads: 0 = all processors.

        Returns:
            (distances, ids) of shape (nq, k) for 2-D queries, (nq * k,) for flat ones. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        queries = inputs.numbers("queries", queries)
        distances, ids = self._search(queries, k, k_candidates, ef_search, alpha, beta, early_exit_threshold, num_threads)
        return (distances, ids) if queries.ndim == 2 else (distances.reshape(-1), ids.reshape(-1))

    def _search(
        self,
        queries: npt.ArrayLike,
        k: int,
        k_candidates: int,
        ef_search: int,
        alpha: float | None,
        beta: int | None,
        early_exit_threshold: float | None,
        num_threads: int,
    ) -> Hits:
        """Results of shape (nq, k)."""
        core = self._opened()  # held until the end, whoever closes the index meanwhile
        matrix = inputs.queries_matrix(queries, core.dim)
        ask = partial(
            core.search,
            matrix,
            k_candidates=inputs.count("k_candidates", k_candidates),
            alpha=None if alpha is None else inputs.number("alpha", alpha, "a number from 0 on or None"),
            beta=None if beta is None else inputs.count("beta", beta),
        )
        return padded(core, ask, len(matrix), k, ef_search, early_exit_threshold, num_threads)

    def set_query_bits(self, bits: int) -> None:
        """Accepted for 1-bit RaBitQ codes, as by kANNolo, and without effect: a query is held in 8 bits, which cost no more here.

        Args:
            bits: 1 to 8.

        Raises:
            ValueError: The first stage has other codes, or `bits` is out of range.
        """
        if (held := _encoder_of(self.info)) != "rabitq":
            raise ValueError(f"bits: {bits!r:.60} given, for an encoder {held!r}; only 'rabitq' has queries of fewer bits")
        _query_bits("bits", bits)

    def space_usage_bytes(self) -> int:
        """Bytes of the file."""
        return int(self.info["file_size"])


_USUAL_PIECES = 32


def _encoder_of(info: dict[str, Any]) -> str:
    name = str(info["dtype"])
    return "rabitq-ext" if name == "rabitq" and info["bits"] > 1 else name


def _query_bits(name: str, bits: Any) -> None:
    inputs.whole_number(name, bits, *inputs.BITS)


def _stages(
    encoder: object,
    pq_subspaces: Any,
    rabitq_total_bits: Any,
    rabitq_query_bits: Any,
    rerank_bits: Any,
    residual_rerank: Any,
    dtype: object,
) -> dict[str, Any]:
    """What a build takes for its two stages."""
    _query_bits("rabitq_query_bits", rabitq_query_bits)
    name, second = inputs.word("encoder", encoder), inputs.whole_number("rerank_bits", rerank_bits, 0, inputs.BITS[1])
    pieces = {"m_pq_at_most": _USUAL_PIECES} if pq_subspaces is None else {"m_pq": inputs.pieces("pq_subspaces", pq_subspaces)}
    bits = inputs.whole_number("rabitq_total_bits", rabitq_total_bits, *inputs.BITS)
    first: dict[str, dict[str, Any]] = {
        "pq": {"dtype": "pq", **pieces},
        "rabitq": {"dtype": "rabitq", "bits": 1},
        "rabitq-ext": {"dtype": "rabitq", "bits": bits},
        "int8": {"dtype": "int8"},
        "int4": {"dtype": "int4"},
    }
    if name not in first:
        raise ValueError(f"encoder: {name!r:.60} given, expected one of {', '.join(map(repr, first))}")
    residual = inputs.truth("residual_rerank", residual_rerank)
    if residual and not second:
        raise ValueError("residual_rerank: True given with rerank_bits 0, expected bits of the codes that hold what the first leave out")
    if residual and name == "pq":
        raise ValueError("residual_rerank: True given with encoder 'pq', expected 'rabitq', 'rabitq-ext', 'int8' or 'int4'")
    if second and dtype is not None:
        raise ValueError(f"dtype: {dtype!r:.60} given with rerank_bits {second}, whose codes take the place of vectors")
    whole = inputs.word("dtype", "f16" if dtype is None else dtype)
    if whole not in ("f16", "f32"):
        raise ValueError(f"dtype: {whole!r:.60} given, expected 'f16' or 'f32', or rerank_bits for rabitq codes")
    again = {"rerank_dtype": "rabitq", "rerank_bits": second} if second else {"rerank_dtype": whole}
    return {**first[name], **again, "residual": residual}
