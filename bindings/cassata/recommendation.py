"""Which index to build: tried on a sample."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from cassata import _core, inputs
from cassata.inputs import Path, Progress
from cassata.kannolo import CLASSES

if TYPE_CHECKING:
    from cassata import Index


@dataclass(frozen=True)
class Recommendation:
    """What `recommend` found: a class, its arguments, and what is to be expected of an index of the whole collection."""

    class_name: str
    """The class, by its name in this package."""
    arguments: dict[str, Any]
    """What its build takes beside the collection."""
    ef_search: int | None
    """The width of search that reaches the target; None: the index is exact."""
    recall: float
    """Recall@k at this width."""
    queries_per_second: float
    """Of one thread, by the time that a query takes alone."""
    hot_bytes: int
    """Bytes that memory should hold: codes and graph, not vectors that only finish a search."""
    bytes: int
    """Bytes of the file."""
    why: str = field(repr=False)
    """A few lines for people."""
    trials: list[dict[str, Any]] = field(repr=False)
    """All that was tried, as dicts of the same; what does not reach the target has None there, what cannot be built has a `refusal`."""

    def build(
        self, data: Any, path: Path | None = None, num_threads: int = 0, progress: Progress = None, *, overwrite: bool = False
    ) -> Index:
        """Builds the recommended index.

        Args:
            data: The collection, as of `recommend`.
            path: The index file; None: an unnamed temporary one, until `save(path)`.
            num_threads: 0 = all processors.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.
            overwrite: Let `path` replace any file; else only an empty one, or an index file.

        Raises:
            ValueError: The collection is of another shape, or not what it must be.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.recommend(vectors).build(vectors, "vectors.cassata")
        """
        face: Any = CLASSES[self.class_name]
        build = face.build_from_file
        if not isinstance(data, (str, os.PathLike)):
            build = face.build_from_arrays if inputs.is_matrix(data) else face.build_from_array
        return build(data, **self.arguments, path=path, overwrite=overwrite, num_threads=num_threads, progress=progress)  # type: ignore[no-any-return]


def recommend(
    data: Any,
    queries: Any = None,
    *,
    target_recall: float = 0.95,
    memory: int | str | None = None,
    k: int = 10,
    metric: str = "dotproduct",
    sample: int = 20_000,
    num_threads: int = 0,
    progress: Progress = None,
) -> Recommendation:
    """Tries all kinds of index on a sample of a collection, and picks the fastest that reaches a recall within a bound of memory.

    Each is built over the sample and over a quarter of it, and searched at many widths. How recall, speed and bytes change between
    the two is taken to go on so up to the whole collection, which is read once. Of those within a tenth of the fastest, the one that needs
    the least memory is picked. Sample and queries are always the same, but the choice hangs on the speed that is measured here and now.

    Args:
        data: The collection: a 2-D array, a scipy.sparse matrix, or the path of a file (.npy, .fvecs, .bvecs, .fbin, .u8bin, .i8bin;
            sparse: .bin, .npz).
        queries: The same of queries such as will be asked; up to 500 of them, evenly spread, are. None: vectors of the sample, which are
            kept out of the indexes. They may be easier to answer than real queries, which then need a larger `ef_search`.
        target_recall: Share of the k exact answers that must be found, over 0 and at most 1.
        memory: Bytes, or a text such as "512MiB" or "2GB", that codes and graph may take: what every query touches. Vectors that only
            finish a search lie elsewhere in the file, and do not count. None: no bound.
        k: Results a query.
        metric: "dotproduct" or "euclidean".
        sample: Vectors that are tried, at most. More: slower, and less is extrapolated.
        num_threads: Of builds; 0 = all processors. Speed is that of one thread.
        progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

    Raises:
        ValueError: No index reaches the target within the memory (the closest is named), there are too few vectors to try on, or an
            argument is not what it must be.
        OSError: A file cannot be read.

    Example:
        >>> found = cassata.recommend("vectors.npy", target_recall=0.98, memory="512MiB")
        >>> print(found.why)
        >>> index = found.build("vectors.npy", "vectors.cassata")
        >>> index.batch_search(queries, k=10, ef_search=found.ef_search or 10)
    """
    choices = {
        "target_recall": target_recall,
        "memory": memory,
        "k": k,
        "metric": metric,
        "sample": sample,
        "num_threads": num_threads,
    }
    asked = None if queries is None else _source("queries", queries)
    found = _core.recommend(_source("data", data), asked, inputs.progress_function(progress), **choices)
    return Recommendation(**found)


def _source(name: str, data: Any) -> str | npt.NDArray[Any] | inputs.CoreRows:
    """Vectors, as the engine takes them."""
    if inputs.is_matrix(data):
        return inputs.matrix_rows(name, data)
    if not isinstance(data, (str, os.PathLike)):
        return inputs.dense_matrix(name, data)
    path = inputs.file_path(name, data)
    return inputs.matrix_rows(path, inputs.matrix_file(path)) if path.endswith(".npz") else path
