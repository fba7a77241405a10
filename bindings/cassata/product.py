"""The class for product-quantized dense vectors, named and called as kANNolo's."""

from __future__ import annotations

from functools import partial

import numpy.typing as npt

from cassata import _core, inputs
from cassata.dense import DenseGraphIndex, arguments_told
from cassata.index import Self
from cassata.inputs import Path, Progress, Verify, graph_choices, product_choices


class DensePQHNSW(DenseGraphIndex, holds="DensePQHNSW"):
    """Product-quantized dense vectors (Jegou et al., PAMI 2011) under an HNSW graph: `m_pq` bytes a vector.

    Distances are those of the query to the vectors as they are stored: each cut into `m_pq` pieces, each piece replaced by the
    nearest of 256 that were learned from the collection.
    """

    @classmethod
    @arguments_told
    def build_from_file(
        cls,
        data_path: Path,
        m_pq: int,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        opq: bool = False,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DensePQHNSW:
        """Builds from a file of vectors, streamed: memory holds the graph, a chunk of vectors and what is learned from.

        Raises:
            ValueError: An argument, or the file (the message names the row), is not what it must be.
            OSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.

        Example:
            >>> index = cassata.DensePQHNSW.build_from_file("vectors.npy", m_pq=32, m=16, path="vectors.cassata")
        """
        build = partial(_core.Index.build_from_file, inputs.dense_file("data_path", data_path))
        graph = graph_choices(metric, "pq", m, ef_construction, graph_type, memory_budget, resume)
        return cls._build(build, path, overwrite, num_threads, progress, **graph, **product_choices(m_pq, opq))

    @classmethod
    @arguments_told
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        m_pq: int | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        opq: bool = False,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> DensePQHNSW:
        """Builds from an array.

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity (the row is named), or an argument that is not what it must be.
            TypeError: `m_pq` is missing, or an argument is of a type that makes no sense.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.DensePQHNSW.build_from_array(vectors, m_pq=32, m=16, metric="euclidean")
        """
        build = partial(_core.Index.build_from_array, inputs.collection_matrix(data_vec, dim))
        graph = graph_choices(metric, "pq", m, ef_construction, graph_type, memory_budget, resume)
        return cls._build(build, path, overwrite, num_threads, progress, **graph, **product_choices(m_pq, opq))

    @classmethod
    def load(  # type: ignore[override]  # kANNolo's order is another than that of the other classes
        cls: type[Self],
        path: Path,
        m_pq: int | None = None,
        metric: str | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        opq: bool | None = None,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class: as `DensePlainHNSW.load`, with `m_pq` first.

        Args:
            path: The file.
            m_pq: Pieces of a vector. The file knows them and all that follows; what is given all the same is compared with it.
            metric: "dotproduct" or "euclidean".
            graph_type: "standard" or "permuted", which stand for each other, or "compressed".
            dtype: "pq".
            dim: Length of a vector.
            verify: True: read the whole file now and check every byte and every rule, as `verify()` does. "touched": check rows, lists and
                pages when queries first use them.
            opq: Whether the vectors are rotated first.
            resident: "hot" reads what every query touches into memory now, "all" the whole file; None: queries read what they touch.
            lock: Keep that in memory (mlock) while the index is open.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            ValueError: An argument contradicts the file (both values are named), the file holds another class, `lock` is given without
                `resident`, or more would be locked than this process may use.
            FormatError: The file is damaged, truncated, not an index, or needs a newer version.
            OSError: The file cannot be opened; FileNotFoundError, PermissionError and so on. Or the system refuses to lock so much.

        Example:
            >>> index = cassata.DensePQHNSW.load("vectors.cassata")
        """
        index = cls._load(path, m_pq=m_pq, metric=metric, graph_type=graph_type, dtype=dtype, dim=dim, opq=opq)
        return index._made_ready(verify, resident, lock, progress)
