"""Graphs whose best finds are scored again by token vectors, named and called as kANNolo's."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from cassata import _core, inputs
from cassata.dense import one_of
from cassata.index import Hits, Index, Self, compare, padded
from cassata.inputs import Path, Progress, Verify
from cassata.sparse import take_queries


class MultivectorIndex(Index):
    """An HNSW graph over one vector a document, and the document's token vectors, in one file.

    The graph (Malkov and Yashunin, TPAMI 2020) gives `k_candidates` documents; these are scored by MaxSim (Khattab and Zaharia, SIGIR
    2020): for each token of the query the largest dot product over the document's tokens, summed over the query's tokens.
    """

    @classmethod
    def _join(
        cls: type[Self],
        first: str,
        folder: Path,
        two_level: bool | None,
        pq_subspaces: int | None,
        ids: Path | None,
        path: Path | None,
        overwrite: bool,
        progress: Progress,
    ) -> Self:
        core = _core.Index.open(first)
        if core.class_name.startswith("Sparse") != cls._holds.startswith("Sparse"):
            raise ValueError(f"{first}: holds a {core.class_name}, which {cls._holds} is not made of")
        target = None if path is None else inputs.file_path("path", path)
        joined = _core.Index.join(
            core,
            inputs.file_path("multivec_data_folder", folder),
            target or "",
            inputs.progress_function(progress),
            layout=None if two_level is None else "two-level" if two_level else "plain",
            pq_subspaces=pq_subspaces,
            ids=None if ids is None else inputs.file_path("ids", ids),
            overwrite=overwrite,
        )
        return cls._face(joined, target)

    @property
    def token_dim(self) -> int:
        """Length of a token vector."""
        return self._opened().token_dim

    @classmethod
    def load(  # type: ignore[override]  # kANNolo's arguments, too, are others than those of its other classes
        cls: type[Self],
        path: Path,
        pq_subspaces: int | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        token_dim: int | None = None,
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
            pq_subspaces: Pieces of the tokens' residuals, where they are coded in two levels.
            graph_type: "standard" or "permuted", which stand for each other, or "compressed".
            dtype: How the first stage stores vectors.
            dim: Length of the first stage's vectors; of sparse ones, the largest component plus 1.
            token_dim: Length of a token vector.
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
            >>> index = cassata.SparseMultivecRerankIndex.load("documents.cassata")
        """
        index = super().load(path, metric, graph_type, dtype, dim=dim)
        held, name = index._opened().info()["rerank"], str(index.path)
        compare(name, "pq_subspaces", pq_subspaces, held["m_pq"])
        compare(name, "token_dim", token_dim, held["token_dim"])
        return index._made_ready(verify, resident, lock, progress)

    def _answer(
        self,
        ask: Callable[..., Hits],
        rows: int,
        multivec_queries: npt.ArrayLike | None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        *,
        num_threads: int,
        residuals: bool = False,
        query_doclens: npt.ArrayLike | None = None,
    ) -> Hits:
        core = self._opened()  # held until the end, whoever closes the index meanwhile
        asked = partial(
            ask,
            tokens=inputs.query_tokens(multivec_queries, rows, n_tokens, token_dim, query_doclens, core.token_dim),
            k_candidates=inputs.count("k_candidates", k_candidates),
            alpha=None if alpha is None else inputs.number("alpha", alpha, "a number from 0 on or None"),
            beta=None if beta is None else inputs.count("beta", beta),
            sum_stages=inputs.truth("residuals", residuals),
        )
        return padded(core, asked, rows, k, ef_search, early_exit_threshold, num_threads)


class _SparseMultivectorIndex(MultivectorIndex):
    """Of documents whose one vector is sparse."""

    def search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """Finds the `k` best documents for each query by the MaxSim of their tokens, best first, ties by lower id.

        Called as ``search(query_components, query_values, multivec_query, n_tokens, token_dim, k_candidates=100, ...)`` for one query,
        or ``search(query_components, query_values, sparse_offsets, multivec_queries, n_tokens, token_dim, ...)`` for several. A
        scipy.sparse matrix takes the place of the sparse arrays: ``search(queries, multivec_queries, ...)``.

        Args:
            query_components: Whole numbers from 0 to 2**32 - 2 of shape (entries,), in any order; or the queries as rows of a
                scipy.sparse matrix or array. The values of a repeated component are summed.
            *arguments: By position or by name, all that follow.
            **named: By name, all that follow:
                query_values: Real numbers of shape (entries,).
                sparse_offsets: Or `offsets`. Query i has the entries offsets[i] to offsets[i + 1] - 1; shape (nq + 1,). None: all
                    are one query.
                multivec_queries: Or `multivec_query`. The queries' token vectors: shape (nq, n_tokens, token_dim), (tokens,
                    token_dim) or flat; float32 arrays whose rows are all used are read where they lie.
                n_tokens: Tokens a query, where the shape does not tell.
                token_dim: Length of a token vector; those of the index have it, too.
                k_candidates: Documents of the first stage that are scored by their tokens; 100. There are no more results than these.
                k: Results a query, 0 or more; 10.
                ef_search: The walk over the graph keeps the max(ef_search, k_candidates) best: larger is more exact and slower; 100.
                alpha: A number from 0 on. Only candidates whose first score is at least s - |s| * alpha are scored by their tokens,
                    where s is the k-th first score; None: all are.
                beta: A whole number. Once k candidates are scored, the search ends after so many in a row that are none of the k
                    best; None: all are scored.
                early_exit_threshold: 0 or more, None = 0. The walk goes on while a vector's first score is within the worst kept
                    one relaxed by this share: larger is more exact and slower.
                residuals: A document's score is the sum of those of both stages; False.
                num_threads: Threads over the queries; 0 = all processors; 1.
                query_doclens: By name alone. Whole numbers of shape (nq,): tokens of each query. With (nq, n_tokens, token_dim) the
                    tokens beyond are padding; else the queries' tokens stand one after another.

        Returns:
            (distances, ids), float32 and int64, of one dimension, query after query. Distances are sums of dot products, largest
            first; that to a document without tokens is -inf. There are nq * k entries; missing places
            hold id -1 and distance -inf. A query without sparse entries is a vector of zeros.

        Raises:
            ValueError: Wrong shape or dtype, components that are out of range, NaN or infinity (the query and the place
                are named), lengths that do not add up, a number out of its range; the index is closed.
            TypeError: An argument is of a type that makes no sense, missing, or given twice.

        Example:
            >>> distances, ids = index.search([3, 17, 90], [0.5, 1.0, 0.25], tokens, k_candidates=50, k=3)  # tokens: (8, token_dim)
        """
        distances, ids = self._search(False, query_components, arguments, named)
        return distances.reshape(-1), ids.reshape(-1)

    def batch_search(self, query_components: Any, *arguments: Any, **named: Any) -> Hits:
        """As `search`, for many queries at once, by all processors unless `num_threads` says otherwise.

        Args:
            query_components: As of `search`, like all that follow.
            *arguments: By position; as of kANNolo, `num_threads` follows `early_exit_threshold`.
            **named: By name.

        Returns:
            (distances, ids) of shape (nq, k) for a scipy.sparse matrix, (nq * k,) for arrays. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        distances, ids = self._search(True, query_components, arguments, named)
        return (distances, ids) if inputs.is_rows(query_components) else (distances.reshape(-1), ids.reshape(-1))

    def _search(self, batch: bool, query_components: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Hits:
        if not inputs.is_matrix(query_components) and _has_no_offsets(arguments):
            rows, _ = take_queries(query_components, arguments[:1], named)
            rest = arguments[1:]
        else:
            rows, rest = take_queries(query_components, arguments, named)
        last = ("num_threads", "residuals") if batch else ("residuals", "num_threads")  # as kANNolo has them
        given = _bound((*_ARGUMENTS, *last), rest, named)
        given.setdefault("num_threads", 0 if batch else 1)
        ask = partial(self._opened().search_sparse, *rows)
        return self._answer(ask, len(rows[2]) - 1, given.pop("multivec_queries", None), **given)


_ARGUMENTS = (
    "multivec_queries",
    "n_tokens",
    "token_dim",
    "k_candidates",
    "k",
    "ef_search",
    "alpha",
    "beta",
    "early_exit_threshold",
)


def _bound(names: tuple[str, ...], arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name; each is given once at most."""
    if len(arguments) > len(names):
        raise TypeError(f"{names[-1]}: {len(arguments) - len(names)} arguments given after it, expected none")
    bound = dict(zip(names, arguments))
    if "multivec_query" in named:
        if "multivec_queries" in named:
            raise TypeError("multivec_queries: given twice, also as multivec_query")
        named = {**named, "multivec_queries": named["multivec_query"]}
        del named["multivec_query"]
    for name in named:
        if name in bound:
            raise TypeError(f"{name}: given twice, by position and by name")
    return {**bound, **named}


def _has_no_offsets(arguments: tuple[Any, ...]) -> bool:
    """Whether token vectors follow the values: a number of tokens stands after them, or they are no offsets."""
    if len(arguments) < 2 or arguments[1] is None:
        return False
    if len(arguments) > 2 and arguments[2] is not None:
        return np.ndim(arguments[2]) == 0 if not isinstance(arguments[2], (list, tuple)) else False
    try:
        array = np.asarray(arguments[1])
    except ValueError:  # ragged; what takes token vectors says so
        return True
    return array.ndim != 1 or array.dtype.kind not in "iu"


class SparseMultivecRerankIndex(_SparseMultivectorIndex, holds="SparseMultivecRerankIndex"):
    """Sparse vectors under an HNSW graph, then token vectors (f16) by MaxSim, in one file."""

    @classmethod
    def build_from_file(
        cls,
        sparse_index_path: Path,
        multivec_data_folder: Path,
        *,
        ids: Path | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> SparseMultivecRerankIndex:
        """Joins a sparse index and a folder of token vectors in one file, which needs neither any more.

        Tokens are streamed: memory does not grow with them. That both parts are of the same documents is checked as far as it can be.

        Args:
            sparse_index_path: An index file of SparsePlainHNSW, SparseFixedU8HNSW, SparseFixedU16HNSW or SparseDotVByteHNSW, with the
                metric "dotproduct".
            multivec_data_folder: A folder with `documents.npy`, all documents' tokens of shape (tokens, token_dim) as f2, f4 or u2
                (the bits of f2), or (n, n_tokens, token_dim) with padding past each document's tokens; and `doclens.npy`, (n,) i4 or
                i8, how many tokens each document has. Documents stand in the order in which they were given to the sparse index.
            ids: A .npy file with the id of each vector of the sparse index, (n,) whole numbers or text. It is compared with `ids.npy`
                in the folder, which must be there.
            path: The index file to write; replaced at the very end. None: a temporary file, until `save(path)`.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: The parts do not fit each other, or a file is not what it must be: the message names the file and the row.
            FormatError: The sparse index is damaged.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.

        Example:
            >>> index = cassata.SparseMultivecRerankIndex.build_from_file("sparse.cassata", "tokens", path="documents.cassata")
        """
        first = inputs.file_path("sparse_index_path", sparse_index_path)
        return cls._join(first, multivec_data_folder, False, None, ids, path, overwrite, progress)


class SparseMultivecTwoLevelsPQRerankIndex(_SparseMultivectorIndex, holds="SparseMultivecTwoLevelsPQRerankIndex"):
    """Sparse vectors under an HNSW graph, then token vectors in two levels by MaxSim, in one file.

    A token is held as the number of the centroid that is nearest to it, and what that leaves out as product-quantized codes (Jegou et
    al., PAMI 2011).
    """

    @classmethod
    def build_from_file(
        cls,
        sparse_index_path: Path,
        multivec_data_folder: Path,
        pq_subspaces: int | None = None,
        *,
        ids: Path | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> SparseMultivecTwoLevelsPQRerankIndex:
        """Joins a sparse index and a folder of coded token vectors in one file, which needs neither any more.

        Codes are streamed: memory does not grow with them. `cassata.train_two_level` makes such a folder from token vectors.

        Args:
            sparse_index_path: As of `SparseMultivecRerankIndex.build_from_file`.
            multivec_data_folder: A folder with `doclens.npy`, (n,) i4 or i8, tokens of each document; `centroids.npy`, (centroids,
                token_dim) f4; `index_assignment.npy`, (tokens,) whole numbers, the centroid of each token; `pq_centroids.npy`, (M,
                256, token_dim / M) f4 or flat; `residuals.npy`, (tokens, M) u1. A token is its centroid plus the PQ centroids that its
                codes name, one after another. With `residual_norms.npy`, (tokens,) f2, these are multiplied by the token's norm.
            pq_subspaces: M, which the files tell, too, and which must agree.
            ids: As of `SparseMultivecRerankIndex.build_from_file`, as are the next two.
            path: The index file to write.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            progress: None, True or a function.

        Raises:
            ValueError: The parts do not fit each other, or a file is not what it must be: the message names the file and the row.
            FormatError: The sparse index is damaged.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.

        Example:
            >>> index = cassata.SparseMultivecTwoLevelsPQRerankIndex.build_from_file("sparse.cassata", "codes", 32, path="d.cassata")
        """
        first = inputs.file_path("sparse_index_path", sparse_index_path)
        return cls._join(first, multivec_data_folder, True, pq_subspaces, ids, path, overwrite, progress)


class DenseMultivecRerankIndex(MultivectorIndex, holds="DenseMultivecRerankIndex"):
    """Dense vectors under an HNSW graph, then token vectors by MaxSim, in one file."""

    @classmethod
    def build_from_file(
        cls,
        dense_index_path: Path,
        multivec_data_folder: Path,
        pq_subspaces: int | None = None,
        *,
        two_level: bool | None = None,
        ids: Path | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> DenseMultivecRerankIndex:
        """Joins a dense index and a folder of token vectors, plain or coded, in one file, which needs neither any more.

        Args:
            dense_index_path: An index file of DensePlainHNSW without navigation, or DensePQHNSW, with the metric "dotproduct".
            multivec_data_folder: A folder as `SparseMultivecRerankIndex` or `SparseMultivecTwoLevelsPQRerankIndex` takes it.
            pq_subspaces: Of coded tokens, pieces of the residuals.
            two_level: Whether to take the coded tokens of a folder that has both; None: there is one kind.
            ids: As of `SparseMultivecRerankIndex.build_from_file`, as are the next two.
            path: The index file to write.
            overwrite: Let it replace any file; else only an empty one, or an index file.
            progress: None, True or a function.

        Raises:
            ValueError: The parts do not fit each other, or a file is not what it must be: the message names the file and the row.
            FormatError: The dense index is damaged.
            OSError: A file cannot be read or written.

        Example:
            >>> index = cassata.DenseMultivecRerankIndex.build_from_file("dense.cassata", "tokens", path="documents.cassata")
        """
        first = inputs.file_path("dense_index_path", dense_index_path)
        return cls._join(first, multivec_data_folder, two_level, pq_subspaces, ids, path, overwrite, progress)

    def search(
        self,
        queries: npt.ArrayLike | None = None,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float | None = None,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        query: npt.ArrayLike | None = None,
    ) -> Hits:
        """Finds the `k` best documents for each query by the MaxSim of their tokens, best first, ties by lower id.

        Args:
            queries: Real numbers. One query: shape (dim,). Several: shape (nq, dim), or (nq * dim,).
            multivec_queries: Their token vectors. As of `SparseMultivecRerankIndex.search`, like all that follow.
            n_tokens: Tokens a query.
            token_dim: Length of a token vector.
            k_candidates: Documents of the first stage that are scored by their tokens.
            k: Results a query.
            ef_search: The walk keeps the max(ef_search, k_candidates) best.
            alpha: How far behind the k-th a candidate may be; None: all are scored.
            beta: Candidates in a row that are none of the k best, after which the search ends; None: all are scored.
            early_exit_threshold: 0 or more, None = 0.
            residuals: A document's score is the sum of those of both stages.
            num_threads: Threads over the queries; 0 = all processors.
            query_doclens: Tokens of each query.
            query: Another name for `queries`.

        Returns:
            (distances, ids), as of `SparseMultivecRerankIndex.search`.

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity, lengths that do not add up, a number out of its range; the index is closed.
            TypeError: An argument is of a type that makes no sense, or missing.

        Example:
            >>> distances, ids = index.search(vector, tokens, k_candidates=50, k=3)  # tokens: (8, token_dim)
        """
        given = one_of(queries, query)
        matrix = inputs.queries_matrix(given, self._opened().dim)
        distances, ids = self._answer(
            partial(self._opened().search, matrix),
            len(matrix),
            multivec_queries,
            n_tokens,
            token_dim,
            k_candidates,
            k,
            ef_search,
            alpha,
            beta,
            early_exit_threshold,
            num_threads=num_threads,
            residuals=residuals,
            query_doclens=query_doclens,
        )
        return distances.reshape(-1), ids.reshape(-1)

    def batch_search(
        self, queries: npt.ArrayLike, multivec_queries: npt.ArrayLike | None = None, *arguments: Any, num_threads: int = 0, **named: Any
    ) -> Hits:
        """As `search`, for many queries at once.

        Args:
            queries: Shape (nq, dim), or (nq * dim,).
            multivec_queries: As of `search`, like all that follow.
            *arguments: By position, n_tokens to early_exit_threshold.
            num_threads: 0 = all processors.
            **named: By name.

        Returns:
            (distances, ids) of shape (nq, k) for 2-D queries, (nq * k,) for flat ones. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        core, queries = self._opened(), inputs.numbers("queries", queries)
        matrix = inputs.queries_matrix(queries, core.dim)
        ask = partial(core.search, matrix)
        distances, ids = self._answer(ask, len(matrix), multivec_queries, *arguments, num_threads=num_threads, **named)
        return (distances, ids) if queries.ndim == 2 else (distances.reshape(-1), ids.reshape(-1))
