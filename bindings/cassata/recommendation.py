"""Recommends an index by trials on a sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cassata import _core, inputs
from cassata.columns import FieldColumns, Ids
from cassata.inputs import Documents, Path, Progress
from cassata.kannolo import CLASSES
from cassata.signatures import described

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

    @described("build")
    def build(
        self,
        data: Any,
        path: Path | None = None,
        *,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        num_threads: int = 0,
        progress: Progress = None,
        overwrite: bool = False,
    ) -> Index:
        """Builds the recommended index.

        Raises:
            ValueError: The collection has another shape, or is invalid.
            OSError: `path` cannot be written.

        Example:
            >>> index = cassata.recommend(vectors).build(vectors, "vectors.cassata")
        """
        face = CLASSES[self.class_name]
        choices: dict[str, Any] = {"overwrite": overwrite, "num_threads": num_threads, "progress": progress}
        payload: dict[str, Any] = {"ids": ids, "fields": fields, "documents": documents}
        return face.build(data, path, **payload, **choices, **self.arguments)  # type: ignore[no-any-return]


@described("recommend")
def recommend(
    data: Any,
    queries: Any = None,
    *,
    target_recall: float = 0.95,
    memory: int | str | None = None,
    k: int = 10,
    metric: str | None = None,
    sample: int = 20_000,
    num_threads: int = 0,
    progress: Progress = None,
) -> Recommendation:
    """Recommends the fastest index that reaches a recall within a bound of memory, by trials on a sample.

    Each candidate is built over the sample and over a quarter of it, and searched at many beam widths. The change of
    recall, speed and bytes between the two is extrapolated to the whole collection, which is read once. Of the fastest
    candidate and those within a tenth of its speed, the one with the fewest hot bytes is chosen. Sample and queries are
    always the same; the choice depends on measured speeds.

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
    found = _core.recommend(
        inputs.collection(data, "data")[0],
        None if queries is None else inputs.collection(queries, "queries")[0],
        inputs.progress_function(progress),
        target_recall=target_recall,
        memory=memory,
        k=k,
        metric=metric,
        sample=sample,
        num_threads=num_threads,
    )
    return Recommendation(**found)
