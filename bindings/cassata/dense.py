"""The classes for dense vectors, named and called as kANNolo's."""

from __future__ import annotations

import inspect
import textwrap
from functools import partial
from typing import Callable, TypeVar

import numpy.typing as npt

from cassata import _core, inputs
from cassata.index import Hits, Index, Self, padded
from cassata.inputs import Path, Progress, Verify, choices, graph_choices, laid_out, navigation_choices

_Build = TypeVar("_Build", bound=Callable[..., object])

_ARGUMENTS = {
    "data_path": ".npy (2-D, C order, little-endian f2/f4/f8/u1/i1), .fvecs, .bvecs, .fbin, .u8bin or .i8bin.",
    "data_vec": "Real numbers of shape (n, dim), or (n * dim,) with `dim`. float32, float16, float64, uint8 and int8 arrays are read where "
    "they lie, whatever their strides; others are copied to float32.",
    "dim": "Length of a vector; with 2-D data it may be left out and must agree.",
    "m_pq": "Pieces that a vector is cut into, and bytes that it takes; 1 to `dim`. It need not divide `dim`.",
    "m": "Neighbours of a node on the upper levels, 2 to 512; twice as many on the ground level.",
    "ef_construction": "Candidates among which neighbours are chosen: larger is a better graph and a longer build.",
    "metric": '"dotproduct" or "euclidean".',
    "graph_type": '"permuted" stores close vectors close together, for collections larger than memory; "compressed" does so, too, and '
    'codes the lists of neighbours; "standard" keeps their order. Ids are the same.',
    "dtype": 'How vectors are stored: "f32", or "f16" for half the size.',
    "navigation": 'Codes beside the vectors that guide the walk, so that it reads less: "int8", "int4" or "rabitq". What it finds is '
    "scored by the vectors themselves. None: there are none.",
    "bits": "Bits a dimension of rabitq codes, 1 to 8; None: 4.",
    "layout": '"paged": graph and codes of `navigation` lie in pages that hold what is read together, for collections of which not even '
    "these fit into memory. The file is larger, and a search reads of it what it needs. It needs `navigation` (int4 is best) and has an "
    'order of its own: `graph_type` stays "permuted". None: they are to stay in memory.',
    "encoder": 'Codes of the first stage: "pq", "rabitq" (1 bit a dimension), "rabitq-ext" (`rabitq_total_bits`), "int8" or "int4".',
    "pq_subspaces": "Of pq: pieces that a vector is cut into, and bytes that it takes; 1 to `dim`. It need not divide `dim`. None: 32, or "
    "`dim` if that is less. Other encoders take no notice of it.",
    "rabitq_total_bits": "Of rabitq-ext: bits a dimension, 1 to 8. Other encoders take no notice of it.",
    "rabitq_query_bits": "1 to 8, without effect: a query is held in 8 bits, which cost no more here.",
    "rerank_bits": "Of the second stage: 0 stores vectors as `dtype` says, 1 to 8 as rabitq codes of so many bits a dimension.",
    "second_dtype": 'How the second stage stores vectors, where `rerank_bits` is 0: "f16" (None), or "f32" for twice the size.',
    "residual_rerank": "The second stage holds only what the first leaves out, and both scores are summed: more exact for its size. "
    "It needs a first stage of rabitq, int8 or int4 codes, `rerank_bits` and dot products.",
    "opq": "Learn a rotation of the vectors first, after which less of them is lost: better recall, and a little more work a query.",
    "path": "The index file to write; an index file there is replaced at the very end. None: a temporary file, until `save(path)`.",
    "overwrite": "Let `path` replace any file; else only an empty one, or an index file.",
    "memory_budget": 'Bytes of memory, or a text such as "512MiB", that the build is to hold, collection and graph: then it is built in '
    'regions that fit, from files beside `path`. What was done is kept in `path` + ".build" until the file is there. None: no bound.',
    "resume": "With `memory_budget`: go on with what an interrupted build of the same left there, if there is anything. The file is the "
    "same.",
    "num_threads": "0 = all processors. The file does not depend on it.",
    "progress": "None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.",
}


def arguments_told(build: _Build) -> _Build:
    """Gives the docstring of a builder a section on its arguments, in their order."""
    parameters = inspect.signature(build).parameters
    two_stages = {"dtype": _ARGUMENTS["second_dtype"]} if "rerank_bits" in parameters else {}
    told = {name: {**_ARGUMENTS, **two_stages}[name] for name in parameters if name != "cls"}
    wrap = partial(textwrap.wrap, width=138, initial_indent=" " * 12, subsequent_indent=" " * 16)
    lines = [line for name, text in told.items() for line in wrap(f"{name}: {text}")]
    if build.__doc__:  # Python can be told to keep none
        build.__doc__ = build.__doc__.replace("        Raises:", "\n".join(["        Args:", *lines, "", "        Raises:"]), 1)
    return build


class DenseIndex(Index):
    """Search by dense queries."""

    def search(
        self,
        queries: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 1,
        *,
        query: npt.ArrayLike | None = None,
    ) -> Hits:
        """Finds the `k` closest vectors to each query, best first, ties by lower id.

        Args:
            queries: Real numbers. One query: shape (dim,). Several: shape (nq, dim), or (nq * dim,). C-contiguous float32 arrays are
                used as they lie, others are copied.
            k: Results a query, 0 or more.
            ef_search: The walk over the graph keeps the max(ef_search, k) best: larger is more exact and slower. None: what the file says,
                if its build found a width, else 200. An exact index ignores it.
            early_exit_threshold: 0 or more, None = 0. The walk goes on while a vector's score is within the worst kept one
                relaxed by this share: larger is more exact and slower. An exact index ignores it.
            num_threads: Threads over the queries; 0 = all processors.
            query: Another name for `queries`, as in kANNolo.

        Returns:
            (distances, ids), float32 and int64, of one dimension, query after query. Distances are dot products (largest first) or
            squared Euclidean distances (smallest first). There are nq * k entries; missing places
            hold id -1 and distance -inf (dot product) or inf (Euclidean).

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity (the row is named), a number out of its range; the index is closed.
            TypeError: An argument is of a type that makes no sense.

        Example:
            >>> distances, ids = index.search(vectors[0], k=3)
        """
        given = one_of(queries, query)
        core = self._opened()  # held until the end, whoever closes the index meanwhile
        matrix = inputs.queries_matrix(given, core.dim)
        ask = partial(core.search, matrix)
        distances, ids = padded(core, ask, len(matrix), k, ef_search, early_exit_threshold, num_threads)
        return distances.reshape(-1), ids.reshape(-1)

    def _batch(self, queries: npt.ArrayLike, k: int, ef_search: int | None, early_exit_threshold: float | None, num_threads: int) -> Hits:
        core, queries = self._opened(), inputs.numbers("queries", queries)
        matrix = inputs.queries_matrix(queries, core.dim)
        distances, ids = padded(core, partial(core.search, matrix), len(matrix), k, ef_search, early_exit_threshold, num_threads)
        return (distances, ids) if queries.ndim == 2 else (distances.reshape(-1), ids.reshape(-1))


class DenseFlatIndex(DenseIndex, holds="DenseFlatIndex"):
    """Dense vectors, searched exactly: every query is compared with every vector."""

    @classmethod
    @arguments_told
    def build_from_file(
        cls,
        data_path: Path,
        metric: str = "dotproduct",
        *,
        dtype: str = "f32",
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DenseFlatIndex:
        """Builds from a file of vectors, streamed: memory does not grow with it.

        Raises:
            ValueError: An argument, or the file (the message names the row), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.

        Example:
            >>> index = cassata.DenseFlatIndex.build_from_file("vectors.npy", path="vectors.cassata")
        """
        build = partial(_core.Index.build_from_file, inputs.dense_file("data_path", data_path))
        return cls._build(build, path, overwrite, num_threads, progress, **choices("flat", metric, dtype))

    @classmethod
    @arguments_told
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        metric: str = "dotproduct",
        *,
        dtype: str = "f32",
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DenseFlatIndex:
        """Builds from an array.

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity (the row is named), or an argument that is not what it must be.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.DenseFlatIndex.build_from_array(np.eye(8), metric="euclidean")
        """
        build = partial(_core.Index.build_from_array, inputs.collection_matrix(data_vec, dim))
        return cls._build(build, path, overwrite, num_threads, progress, **choices("flat", metric, dtype))

    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        num_threads: int = 0,
        *,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
    ) -> Hits:
        """As `search`, for many queries at once.

        Args:
            queries: Shape (nq, dim), or (nq * dim,).
            k: Results a query.
            num_threads: 0 = all processors.
            ef_search: Ignored; accepted so that all classes can be called alike.
            early_exit_threshold: Ignored, likewise.

        Returns:
            (distances, ids) of shape (nq, k) for 2-D queries, (nq * k,) for flat ones. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        return self._batch(queries, k, ef_search, early_exit_threshold, num_threads)


class DenseGraphIndex(DenseIndex):
    """Search by a walk over a graph."""

    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float | None = None,
        num_threads: int = 0,
    ) -> Hits:
        """As `search`, for many queries at once.

        Args:
            queries: Shape (nq, dim), or (nq * dim,).
            k: Results a query.
            ef_search: As of `search`.
            early_exit_threshold: As of `search`.
            num_threads: 0 = all processors.

        Returns:
            (distances, ids) of shape (nq, k) for 2-D queries, (nq * k,) for flat ones. Missing places as in `search`.

        Raises:
            ValueError: As `search`.
            TypeError: As `search`.
        """
        return self._batch(queries, k, ef_search, early_exit_threshold, num_threads)


class DensePlainHNSW(DenseGraphIndex, holds="DensePlainHNSW"):
    """Dense vectors under an HNSW graph (Malkov and Yashunin, TPAMI 2020): approximate, and much faster than an exact search.

    With `navigation`, the graph is walked by small codes: int8 and int4 spread the values of each vector over 256 or 16 codes (Aguerrebere
    et al., VLDB 2023), rabitq codes directions (Gao and Long, SIGMOD 2024; Gao et al., SIGMOD 2025). What the walk finds is scored by the
    vectors, best first, until many in a row are none of the k best: the scores are exact, and it is rare that one of the best is missed.
    """

    @classmethod
    def load(
        cls: type[Self],
        path: Path,
        metric: str | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        m_pq: int | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        navigation: str | None = None,
        bits: int | None = None,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class, in a time that does not depend on its size.

        The file knows everything about itself. What is given all the same is compared with it.

        Args:
            path: The file.
            metric: "dotproduct" or "euclidean".
            graph_type: "standard" or "permuted", which stand for each other, "compressed" or "paged".
            dtype: "f32" or "f16".
            m_pq: As product-quantized classes have it; any value is refused.
            dim: Length of a vector.
            verify: True: read the whole file now and check every byte and every rule, as `verify()` does. "touched": check rows, lists and
                pages when queries first use them.
            navigation: Codes that guide the walk, "int8", "int4" or "rabitq".
            bits: Bits a dimension of rabitq codes.
            resident: "hot" reads what every query touches into memory now, "all" the whole file; None: queries read what they touch.
            lock: Keep that in memory (mlock) while the index is open.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: An argument contradicts the file (both values are named), the file holds another class, `lock` is given without
                `resident`, or more would be locked than this process may use.
            FormatError: The file is damaged, truncated, not an index, or needs a newer version.
            OSError: The file cannot be opened; FileNotFoundError, PermissionError and so on. Or the system refuses to lock so much.

        Example:
            >>> index = cassata.DensePlainHNSW.load("vectors.cassata")
        """
        codes = {"dtype": dtype, "m_pq": m_pq, "navigation": navigation, "bits": bits}
        index = cls._load(path, metric=metric, graph_type=graph_type, dim=dim, **codes)
        return index._made_ready(verify, resident, lock, progress)

    @classmethod
    @arguments_told
    def build_from_file(
        cls,
        data_path: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        dtype: str = "f32",
        navigation: str | None = None,
        bits: int | None = None,
        layout: str | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DensePlainHNSW:
        """Builds from a file of vectors, streamed: memory holds the graph and a chunk of vectors.

        Raises:
            ValueError: An argument, or the file (the message names the row), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.

        Example:
            >>> index = cassata.DensePlainHNSW.build_from_file("vectors.npy", m=16, path="vectors.cassata", progress=True)
        """
        build = partial(_core.Index.build_from_file, inputs.dense_file("data_path", data_path))
        graph = graph_choices(metric, dtype, m, ef_construction, laid_out(layout, graph_type, navigation), memory_budget, resume)
        return cls._build(build, path, overwrite, num_threads, progress, **graph, **navigation_choices(navigation, bits))

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
        *,
        dtype: str = "f32",
        navigation: str | None = None,
        bits: int | None = None,
        layout: str | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DensePlainHNSW:
        """Builds from an array.

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity (the row is named), or an argument that is not what it must be.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.DensePlainHNSW.build_from_array(vectors, m=16, ef_construction=100, metric="euclidean")
        """
        build = partial(_core.Index.build_from_array, inputs.collection_matrix(data_vec, dim))
        graph = graph_choices(metric, dtype, m, ef_construction, laid_out(layout, graph_type, navigation), memory_budget, resume)
        return cls._build(build, path, overwrite, num_threads, progress, **graph, **navigation_choices(navigation, bits))


def one_of(queries: npt.ArrayLike | None, query: npt.ArrayLike | None) -> npt.ArrayLike:
    """The queries, by either of their names."""
    if (queries is None) == (query is None):
        raise TypeError("queries: exactly one of queries and query must be given")
    return queries if queries is not None else query  # type: ignore[return-value]
