"""Recommends an index by trials on a sample."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from cassata import _core, inputs
from cassata.inputs import Path, Progress
from cassata.kannolo import CLASSES
from cassata.signatures import near_names

if TYPE_CHECKING:
    from cassata import Index


@dataclass(frozen=True)
class Recommendation:
    """The result of `recommend`: a class, its arguments, and the expected properties of its index."""

    class_name: str
    """The class, by its name in this package."""
    arguments: dict[str, Any]
    """The arguments of its build, besides the collection."""
    ef_search: int | None
    """The beam width that reaches the target; None: the index is exact."""
    recall: float
    """Recall@k at this beam width."""
    queries_per_second: float
    """Queries per second of one thread, one query at a time."""
    hot_bytes: int
    """Bytes of the hot sections: codes and graph, without vectors that only rerank."""
    bytes: int
    """Bytes of the file."""
    why: str = field(repr=False)
    """The reasons, as text."""
    trials: list[dict[str, Any]] = field(repr=False)
    """All candidates, as dicts of the same; a missed target is None there, and a refused build has a `refusal`."""

    def build(
        self,
        data: Any,
        path: Path | None = None,
        *,
        num_threads: int = 0,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> Index:
        """Builds the recommended index.

        Args:
            data: The collection, as in `recommend`.
            path: The index file; None: an unnamed temporary one, until `save(path)`.
            num_threads: 0 = all processors.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.
            overwrite: Let `path` replace any file; otherwise only an empty file or an index file.

        Raises:
            ValueError: The collection has another shape, or is invalid.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.recommend(vectors).build(vectors, "vectors.cassata")
        """
        face = CLASSES[self.class_name]
        return face.build(data, path, overwrite=overwrite, num_threads=num_threads, progress=progress, **self.arguments)  # type: ignore[no-any-return]


@near_names
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
    """Recommends the fastest index that reaches a recall within a bound of memory, by trials on a sample.

    Each candidate is built over the sample and over a quarter of it, and searched at many beam widths. The change of
    recall, speed and bytes between the two is extrapolated to the whole collection, which is read once. Of the fastest
    candidate and those within a tenth of its speed, the one with the fewest hot bytes is chosen. Sample and queries are
    always the same; the choice depends on measured speeds.

    Args:
        data: The collection: a 2-D array, a scipy.sparse matrix, or the path of a file (.npy, .fvecs, .bvecs, .fbin,
            .u8bin, .i8bin;
            sparse: .bin, .npz).
        queries: Typical queries, given like `data`; up to 500 of them, evenly spread, are used. None: vectors of the
            sample, which are held out of the indexes. They may be easier to answer than real queries, which then need a
            larger `ef_search`.
        target_recall: Share of the k exact answers that must be found, over 0 and at most 1.
        memory: Most hot bytes, as a number or a text such as "512MiB" or "2GB": codes and graph, which every query
            reads. Vectors that only rerank are not counted. None: no bound.
        k: Results per query.
        metric: As in a build.
        sample: Most vectors in the sample. More take longer, and less is extrapolated.
        num_threads: Threads of builds; 0 = all processors. Speed is measured on one thread.
        progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

    Raises:
        ValueError: No index reaches the target within the memory (the message names the closest one), there are too few
            vectors, or an argument is invalid.
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
