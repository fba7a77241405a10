"""The native interface: one class for every index file, with options by name."""

from __future__ import annotations

import inspect
import operator
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from cassata import _core, columns, filters, inputs, signatures
from cassata.columns import FieldColumns, FieldValues, Ids
from cassata.filters import Filter, Filters
from cassata.inputs import Data, Documents, Path, Progress, Queries, SparseRows, Tokens, Verify
from cassata.signatures import described, near_names

Self = TypeVar("Self", bound="Index")
Hits: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[Any]]
HitLists: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[Any]]


class RecallWarning(UserWarning):
    """The self-check of a build found a low recall. `info["provenance"]["self_check"]` has the numbers."""


_BUILD, _SEARCH = (frozenset(signatures.names_of(stage)) for stage in ("build", "search"))


class Index:
    """An open index file, made by `cassata.build` or `cassata.open`.

    It is immutable except for `reload`: any number of threads may search it at once. As a context manager it closes
    itself. An index with a path can be pickled: the pickle holds the path and the file's uuid, so that all processes
    that load it share one physical copy. Each object is of the class that its file holds, such as
    `cassata.DensePlainHNSW`, which also has the methods and argument orders of kANNolo.
    """

    _classes: ClassVar[dict[str, type[Index]]] = {}  # by the engine's name of a file's class
    _holds: ClassVar[str | None] = None  # the engine's name of this class; None: any class
    _made_by: ClassVar[str] = "cassata.build or cassata.open"
    _fixed: ClassVar[dict[str, Any]] = {}  # parameters of a build that the class determines
    _handle: _core.IndexHandle
    _sparse: bool  # whether it holds sparse vectors
    _gamma = False  # whether kANNolo's build_acorn_gamma was called
    _flat = False  # whether `search` returns only arrays of one dimension, as after kANNolo's constructors

    def __init__(self, *arguments: object, **named: object) -> None:
        """Raises TypeError: indexes are built or opened.

        Args:
            *arguments: Any.
            **named: Any.
        """
        raise TypeError(f"{type(self).__name__}: use {self._made_by}")

    @classmethod
    def _face(cls, core: _core.Index) -> Any:
        """The object for an open file: of this class if it is that of the file, else of the file's class."""
        held = core.class_name
        face = object.__new__(cls if cls._holds == held else Index._classes.get(held, Index))
        face._handle, face._sparse = _core.IndexHandle(core), core.sparse
        return face

    @classmethod
    def build(
        cls,
        data: Data,
        path: Path | None = None,
        *,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        filter: Filter | None = None,
        progress: Progress = None,
        **parameters: Any,
    ) -> Any:
        """Builds an index of the class that its parameters determine.

        The same input and parameters give the same bytes on any number of threads. A file appears complete or not at
        all. None for a parameter means that it is not given.

        Returns:
            The index, open.

        Raises:
            ValueError: Vectors, a file or an argument are invalid, or a parameter does not apply to such an index.
            TypeError: An argument has an unknown name or a wrong type.
            OSError: A file cannot be read or written, e.g. because the disk is full or another process writes to
                `path`.

        Example:
            >>> index = cassata.build(vectors, "vectors.cassata", metric="euclidean", navigation="int4")
            >>> small = cassata.build(index, "small.cassata", dtype="int8", rerank="f16")
        """
        for name in parameters.keys() - _BUILD:
            raise signatures.unknown(name, f"{cls.__name__}.build", [*_PARAMETERS_OF_BUILD])
        given = {"ids": ids, "fields": fields, "documents": documents, "filter": filter, **parameters}
        return cls._build(*inputs.collection(data), path, progress, given)

    @classmethod
    def _build(cls, data: Any, name: str, path: Path | None, progress: Progress, parameters: dict[str, Any]) -> Any:
        """Builds from data that the engine takes. `name`: an array's, for errors, or the path of a file read here."""
        chosen = parameters.pop("filter", None)
        if chosen is not None and not isinstance(data, _core.Index):
            raise ValueError("filter: given, expected only with an index as data")
        target = None if path is None else inputs.file_path("path", path)
        if os.path.isabs(name):
            inputs.not_the_input(path, name)
        ids, fields = parameters.pop("ids", None), parameters.pop("fields", None)
        documents = inputs.documents_of(parameters.pop("documents", None))
        report = inputs.progress_function(progress)
        core = _core.build(
            data,
            target or "",
            report,
            name=os.fsencode(name),
            class_name=cls._holds,
            ids=None if ids is None else columns.ids_of(ids),
            fields=None if fields is None else columns.fields_of(fields),
            documents=documents,
            filters=[] if chosen is None else [filters.of_rows(chosen, data)],
            **{**cls._fixed, **parameters},
        )
        _warn_of_low_recall(core)
        return cls._face(core)

    @classmethod
    @described("load")
    def open(
        cls: type[Self],
        path: Path,
        *,
        verify: Verify = False,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file, in a time that does not depend on its size.

        Returns:
            An object of the class that the file holds.

        Raises:
            ValueError: The file holds another class; `lock` is given without `resident`; or the bytes to lock exceed
                the memory that this process may use.
            FormatError: The file is damaged, truncated, not an index, or needs a newer version.
            OSError: The file cannot be opened (FileNotFoundError, PermissionError and others), or the system refuses to
                lock so much.

        Example:
            >>> index = cassata.open("vectors.cassata")
        """
        return cls._open(path, None, verify, resident, lock, progress)  # type: ignore[no-any-return]

    @classmethod
    def _open(
        cls,
        path: Path,
        compare: Callable[[dict[str, Any]], object] | None,
        verify: Verify = False,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Any:
        """Opens a file. `compare` is called with the file's facts before the file is verified or warmed."""
        path = inputs.file_path("path", path)

        def check(core: _core.Index) -> None:
            if cls._holds not in (None, core.class_name):
                raise ValueError(
                    f"{path}: holds a {core.class_name}, not a {cls._holds}; use cassata.{core.class_name}.load or "
                    "cassata.open"
                )
            if compare is not None:  # the facts take as long as all else
                compare(core.info())

        choices = {"verify": inputs.verification(verify), "resident": resident, "lock": lock}
        return cls._face(_core.Index.open(path, check, inputs.progress_function(progress), **choices))

    def search(
        self, queries: Queries, *, tokens: Tokens | None = None, filter: Filters | None = None, **parameters: Any
    ) -> Hits:
        """Finds the `k` closest vectors to each query, best first, ties by lower row number.

        Returns:
            (scores, ids), of shape (k,) for one query, (nq, k) for several. Scores, float32, are those of the metric:
            dot products or cosines (largest first), squared Euclidean or Manhattan distances (smallest first). Ids are
            those that the build got: int64, or objects for texts; else row numbers. Missing places hold id -1, or None
            for texts, and score -inf or inf, as if fewer than k rows pass a filter.

        Raises:
            ValueError: Wrong shape or dtype, NaN or infinity (the message names the row), a number out of range, or the
                index is closed.
            TypeError: An argument has an unknown name or a wrong type.

        Example:
            >>> scores, ids = index.search(vectors[0], k=3)
            >>> scores, ids = index.search(vectors[0], k=3, filter=years >= 2020)
        """
        for name in parameters.keys() - _SEARCH:
            raise signatures.unknown(name, f"{type(self).__name__}.search", SEARCH_ARGUMENTS)
        core = self._opened()  # kept until the end, even if another thread closes the index
        asked, several = self._asked(core, queries, tokens, filter, parameters)
        scores, ids = core.search(**asked)
        return (scores, ids) if several else (scores.reshape(-1), ids.reshape(-1))

    def range_search(
        self,
        queries: Queries,
        radius: float,
        *,
        max_results: int | None = None,
        tokens: Tokens | None = None,
        filter: Filters | None = None,
        **parameters: Any,
    ) -> HitLists:
        """Finds all vectors within a radius of each query, best first, ties by lower row number.

        Exact with kind "flat", and with kind "postings" if its lists are complete (docs/python.md). Other indexes find
        about as much as `search` does: they begin with the given `ef_search` and `k_candidates`, and widen both as far
        as the results of a query need it.

        Returns:
            (limits, scores, ids), int64 of shape (nq + 1,) and two arrays of shape (limits[-1],), also for one query:
            the results of query i are limits[i] to limits[i + 1] - 1. Scores and ids are those of `search`.

        Raises:
            ValueError: As `search`; the radius is NaN; or it is infinite, and memory cannot hold all vectors.
            TypeError: An argument has an unknown name or a wrong type.

        Example:
            >>> limits, scores, ids = index.range_search(vectors[:2], 0.8)
            >>> ids[limits[1] : limits[2]]  # of the second query
        """
        for name in parameters.keys() - (_SEARCH - {"k"}):
            raise signatures.unknown(name, f"{type(self).__name__}.range_search", [*_PARAMETERS_OF_RANGE_SEARCH])
        core = self._opened()
        asked, _ = self._asked(core, queries, tokens, filter, parameters)
        return core.range_search(radius=radius, max_results=max_results, **asked)

    def _asked(
        self,
        core: _core.Index,
        queries: Queries,
        tokens: Tokens | None,
        filter: Filters | None,
        parameters: dict[str, Any],
    ) -> tuple[dict[str, Any], bool]:
        """The arguments of a search of the engine, and whether the queries were given in two dimensions."""
        rows, count, several = inputs.queries_of(queries, core.dim, self._sparse)
        given = None if tokens is None else inputs.tokens_of(tokens, count, core.token_dim)
        if count > 1:
            parameters.setdefault("num_threads", 0)
        chosen = filters.of_queries(filter, count, core)
        return {"queries": rows, "tokens": given, "filters": chosen, **parameters}, several

    @described("join")
    def join(
        self,
        tokens: Path,
        path: Path | None = None,
        *,
        pq_subspaces: int | None = None,
        two_level: bool | None = None,
        ids: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Index:
        """Joins this index and token vectors of its documents in a new index.

        The token vectors score the candidates of this index again (MaxSim). Tokens are streamed: memory does not grow
        with their number. The new file needs neither input.

        Raises:
            ValueError: The inputs do not fit each other, or a file is invalid: the message names the file and the row.
            OSError: A file cannot be read or written.

        Example:
            >>> index = cassata.open("sparse.cassata").join("tokens", "documents.cassata")
        """
        choices: dict[str, Any] = {"pq_subspaces": pq_subspaces, "overwrite": overwrite}
        return Index._joined(self._opened(), "tokens", tokens, path, progress, two_level, ids, **choices)  # type: ignore[no-any-return]

    @classmethod
    def _joined(
        cls,
        first: _core.Index,
        name: str,
        folder: Path,
        path: Path | None = None,
        progress: Progress = None,
        two_level: bool | None = None,
        ids: Path | None = None,
        **choices: Any,
    ) -> Any:
        """Joins an index and the token vectors of the folder, which is the argument `name`."""
        joined = _core.Index.join(
            first,
            inputs.file_path(name, folder),
            "" if path is None else inputs.file_path("path", path),
            inputs.progress_function(progress),
            layout=None if two_level is None else "two-level" if two_level else "plain",
            ids=None if ids is None else inputs.file_path("ids", ids),
            **choices,
        )
        return cls._face(joined)

    @described("join", path="The file to write.")
    def save(self, path: Path, *, progress: Progress = None, overwrite: bool = False) -> None:
        """Writes a copy of the index file to `path`, and checks every byte on the way.

        The file appears complete or not at all; a former file of that name stays until then. An index that was built
        without `path=` uses the file at `path` from now on.

        Raises:
            OSError: The file cannot be written, e.g. because the disk is full or another process writes to `path`;
                FileExistsError: `path` is another kind of file. If the error's attribute `published` is true, the file
                is complete, but may not survive a power loss.
            FormatError: The index's own file is damaged.
        """
        target = inputs.file_path("path", path)
        self._handle.save(target, inputs.progress_function(progress), inputs.truth("overwrite", overwrite))

    @described("load")
    def verify(self, *, progress: Progress = None) -> None:
        """Reads the whole file and checks every byte against its hash, then every structural rule.

        Raises:
            FormatError: Something is damaged; the message names the section and the byte.
        """
        self._opened().verify(inputs.progress_function(progress))

    @described("load", resident='"hot": the bytes that every query needs; "all": the whole file.')
    def warm(self, *, resident: str = "hot", lock: bool = False, progress: Progress = None) -> None:
        """Reads the file into memory, front to back.

        Raises:
            ValueError: The bytes to lock exceed the memory that this process may use.
            OSError: The file cannot be read, or the system refuses to lock so much.
        """
        self._opened().warm(inputs.progress_function(progress), resident=resident, lock=lock)

    def residency(self) -> dict[str, Any]:
        """How much of the file is in memory: in the page cache, whichever process read it.

        Keys: sections (a list of name, tier, bytes, resident_bytes and share), and the sums hot, cold and all (each
        bytes, resident_bytes and share). The system reports this only to the file's owner and to users who may write
        it; for others, resident_bytes and share are None.
        """
        return self._opened().residency()

    @described(
        "load",
        verify='True: check every byte and rule of the new file before the switch. False, "touched": as in `open`.',
        lock="As in `open`; for a moment both files are locked.",
    )
    def reload(
        self, *, verify: Verify = True, resident: str | None = None, lock: bool = False, progress: Progress = None
    ) -> bool:
        """Switches to the file that is now at the path that the index was opened from, or saved or built at.

        Running searches of other threads finish with the file that they began with; later ones use the new file. It
        must be of the same class and metric, with vectors (unless sparse) and tokens of the same dimension; the number
        of vectors and everything else may differ. If the file at the path is the same and unchanged, nothing is done.

        Returns:
            Whether the content differs: False also for a new file with the same uuid.

        Raises:
            ValueError: The index is in a temporary file, or the new file holds another kind of index.
            FormatError: The new file is damaged.
            OSError: The file is missing or cannot be opened. After any error the former file stays in use.
        """
        report = inputs.progress_function(progress)
        return self._handle.reload(report, verify=inputs.verification(verify), resident=resident, lock=lock)

    @property
    def ids(self) -> npt.NDArray[Any]:
        """The ids of all vectors, in their order in the build: int64, or objects for texts; else row numbers."""
        core = self._opened()
        held = core.ids()
        return np.arange(core.size, dtype=np.int64) if held is None else held

    def row(self, id: int | str) -> int:
        """The row number of the vector with this id: its place in the build, from 0.

        Args:
            id: An int or a str, as the ids are.

        Raises:
            KeyError: No vector has this id.
            TypeError: Neither an int nor a str.
        """
        try:
            given = id if isinstance(id, str) else operator.index(id)
        except TypeError:
            raise TypeError(f"id: {id!r:.60} given, expected an int or a str") from None
        found = columns.row_of(self._opened(), given)
        if found is None:
            raise KeyError(id)
        return found

    @near_names
    def documents(self, ids: Iterable[int] | Iterable[str]) -> list[str] | list[bytes]:
        """Reads stored documents.

        Args:
            ids: Ids of vectors, as searches return them: external ids if the index has some, else row numbers.
                Integers are row numbers if the ids are texts.

        Returns:
            The documents, in the order of `ids`: str or bytes, as the build got them.

        Raises:
            KeyError: No vector has such an id.
            ValueError: The file holds no documents.
            FormatError: The documents are damaged.

        Example:
            >>> scores, ids = index.search(vectors[0], k=3)
            >>> index.documents(ids)
        """
        return self._opened().documents(ids)

    @near_names
    def vectors(self, ids: Iterable[int] | Iterable[str]) -> Any:
        """Reads vectors back, in the most exact form that the file holds: those by which results are scored.

        With dtype "f32" (or a second stage of it) they are the vectors of the build; with other encodings the decoded
        codes, and with `residual` the sums of both stages. With metric "cosine" they have length 1. Token vectors
        cannot be read back: an index that has them returns the vectors of its first stage.

        Args:
            ids: Ids of vectors, in any order, as searches return them: external ids if the index has some, else row
                numbers. Integers are row numbers if the ids are texts.

        Returns:
            Dense: a float32 array of shape (len(ids), dim). Sparse: `SparseRows`, of which
            `scipy.sparse.csr_array((rows.values, rows.components, rows.offsets), (len(ids), dim))` is the matrix. Both
            are queries of `search` and data of `build`.

        Raises:
            KeyError: No vector has such an id.
            FormatError: The vectors are damaged.

        Example:
            >>> scores, ids = index.search(vectors[0], k=3)
            >>> index.vectors(ids)
        """
        found = self._opened().vectors(ids)
        return SparseRows(*found) if self._sparse else found

    @property
    def fields(self) -> FieldValues:
        """The values of the fields: a mapping of names to arrays in the order of row numbers; see docs/payload.md."""
        return FieldValues(self._opened())

    def rows_where(self, condition: dict[str, Any]) -> npt.NDArray[np.int64]:
        """The row numbers of the vectors that a condition over fields selects, ascending.

        Args:
            condition: In the form of MongoDB, as {"size": {"$lt": 1000}, "section": "games"}; see docs/payload.md.

        Raises:
            ValueError: The condition has an unknown field or operator, or a value that cannot be compared with a field.
        """
        return self._opened().rows_where(condition)

    @property
    def n(self) -> int:
        """Number of vectors; the same as `len(index)`."""
        return self._opened().size

    @property
    def token_dim(self) -> int:
        """Dimension of a token vector; 0: the index has no token vectors."""
        return self._opened().token_dim

    @property
    def dim(self) -> int:
        """Dimension of the vectors; for sparse vectors, the largest component plus 1."""
        return self._opened().dim

    @property
    def metric(self) -> str:
        """The metric, by its name in builds."""
        return self._opened().metric

    @property
    def dtype(self) -> str:
        """Encoding of the vectors (with rerank, of the first stage), by its name in builds."""
        return str(self._opened().info()["dtype"])

    @property
    def path(self) -> str | None:
        """The file's absolute path; None if the index is in an unnamed temporary file."""
        return self._handle.path

    @property
    def uuid(self) -> str:
        """The file's uuid. It is derived from the content: equal files have equal uuids."""
        return str(self._opened().info()["uuid"])

    @property
    def info(self) -> dict[str, Any]:
        """All facts in the file's header and manifest, as plain values.

        Keys:

        class, kind, n, dim, metric; dtype, the encoding of the vectors (with rerank, of the first stage);
        navigation: encoding of the traversal-only codes, or None; bits: bits per dimension of rabitq traversal codes,
            or None;
        m_pq: subspaces of product-quantized vectors, or None; opq: whether these are rotated first;
        graph: None, or graph_type, m, ef_construction, level_sizes (nodes of each upper layer), duplicates (rows
        represented by another row) and near_copies (the near duplicates among them); postings: None, or lists,
        n_postings, summary_energy and n_knn; rerank: None, or dtype, bits, prune_percentage and residual of the second
        stage, or dtype, token_dim and m_pq of token vectors; ef_search: the file's default for searches, or None;
        ids: None, or the type of the external ids, "int64" or "text"; fields: a list of name, type, unit (of
        timestamps), nulls (whether some vectors have no value) and dictionary_size (different texts, or None);
        documents: None, or text (False: they are bytes), bytes (their length), largest and block_bytes;
        sections: a list of name, offset, length and tier, in bytes; file_size in bytes; format_version (major, minor);
        uuid; path; provenance: library_version; inputs, a list of name, rows, bytes and xxh3 hash; parameters;
        self_check, None or the recall of the new index against a scan: k, ef_search, rows and recall_rows of queries
        from the collection, fresh and recall_fresh of held-out queries, and recall, the smaller of both.
        """
        return self._opened().info()

    def space_usage_bytes(self) -> int:
        """Bytes of the index file."""
        return int(self._opened().info()["file_size"])

    def close(self) -> None:
        """Releases the file; any later use raises ValueError. Running searches of other threads finish normally."""
        self._handle.close()

    def __enter__(self: Self) -> Self:
        """Returns the index itself."""
        self._opened()
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the index."""
        self.close()

    def __len__(self) -> int:
        """Number of vectors."""
        return self._opened().size

    def __repr__(self) -> str:
        """The class and the main facts of the file."""
        try:
            info = self.info
        except ValueError:
            return f"{type(self).__name__}(closed, path={self.path!r})"
        held = {name: info[name] for name in ("n", "dim", "metric", "dtype", "navigation", "bits", "m_pq")}
        held["opq"] = info["opq"] or None
        for name, value in (info["rerank"] or {}).items():
            if name != "prune_percentage" or self._sparse:  # dense vectors are not pruned
                held[f"rerank_{name}" if name in ("dtype", "bits") else name] = value
        for name in ("graph_type", "m", "ef_construction"):
            held[name] = (info["graph"] or {}).get(name)
        shown = {**{name: value for name, value in held.items() if value is not None}, "path": info["path"]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles the path and the uuid."""
        info = self.info
        if info["path"] is None:
            raise ValueError(
                f"{type(self).__name__}: an index in a temporary file cannot be pickled; save(path) it first"
            )
        return _unpickle, (type(self), info["path"], info["uuid"], self._flat)

    def _opened(self) -> _core.Index:
        """The engine's index, which stays valid until the caller is done, even if another thread closes this object."""
        return self._handle.get()


def _warn_of_low_recall(core: _core.Index) -> None:
    check = core.info()["provenance"]["self_check"]
    if check is None or check["recall"] >= _core.low_recall:
        return
    advice = "a larger ef_search, m or ef_construction, or finer codes, raise it"
    message = f"recall@{check['k']} of a sample is {check['recall']:.3f} with default parameters; {advice}"
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("cassata."):  # the caller's own frame
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RecallWarning, stacklevel=level)


def _unpickle(cls: type[Self], path: str, identity: str, flat: bool = True) -> Self:
    index: Self = cls.open(path)
    if index.uuid != identity:
        raise ValueError(
            f"{path}: holds the index {index.uuid}, expected {identity}, as in the pickle; the file has been replaced "
            "since"
        )
    index._flat = flat
    return index


def build(
    data: Data,
    path: Path | None = None,
    *,
    ids: Ids | None = None,
    fields: FieldColumns | None = None,
    documents: Documents | None = None,
    filter: Filter | None = None,
    progress: Progress = None,
    **parameters: Any,
) -> Any:
    """As `Index.build`."""
    for name in parameters.keys() - _BUILD:
        raise signatures.unknown(name, "cassata.build", [*_PARAMETERS_OF_BUILD])
    given = {"ids": ids, "fields": fields, "documents": documents, "filter": filter, **parameters}
    return Index._build(*inputs.collection(data), path, progress, given)


@near_names
def open(
    path: Path, *, verify: Verify = False, resident: str | None = None, lock: bool = False, progress: Progress = None
) -> Index:
    """As `Index.open`."""
    return Index.open(path, verify=verify, resident=resident, lock=lock, progress=progress)


_QUERIES = (
    "Dense: an array of shape (dim,) for one query, (nq, dim) for several; C-contiguous float32 arrays are used in "
    "place. Sparse: a "
    "scipy.sparse matrix whose rows are the queries, or `cassata.SparseRows`; components in any order."
)


def _parameters(stage: str, before: str, after: str = "", **defaults: Any) -> dict[str, inspect.Parameter]:
    order = f"{before} {' '.join(signatures.names_of(stage))} {after}"
    return {p.name: p for p in signatures.parameters_of(stage, order, defaults)}


_PARAMETERS_OF_BUILD = _parameters("build", "data path *", "ids fields documents filter progress", dtype=None)
_PARAMETERS_OF_SEARCH = _parameters("search", "queries * tokens filter", num_threads=0)
_PARAMETERS_OF_SEARCH["queries"] = _PARAMETERS_OF_SEARCH["queries"].replace(annotation="Queries")
SEARCH_ARGUMENTS = [*_PARAMETERS_OF_SEARCH]
_PARAMETERS_OF_RANGE_SEARCH = _parameters("search", "queries radius * max_results tokens filter", num_threads=0)
del _PARAMETERS_OF_RANGE_SEARCH["k"]
_PARAMETERS_OF_RANGE_SEARCH["queries"] = _PARAMETERS_OF_SEARCH["queries"]

_OF_BUILD, _OF_SEARCH = list(_PARAMETERS_OF_BUILD.values()), list(_PARAMETERS_OF_SEARCH.values())
_DOC = signatures.with_arguments(inspect.getdoc(Index.build) or "", "build", _OF_BUILD)
signatures.complete(Index.build.__func__, "cls", _OF_BUILD, "Index", _DOC)  # type: ignore[attr-defined]
signatures.complete(build, "", _OF_BUILD, "Index", _DOC)
_DOC = signatures.with_arguments(inspect.getdoc(Index.search) or "", "search", _OF_SEARCH, {"queries": _QUERIES})
signatures.complete(Index.search, "self", _OF_SEARCH, "Hits", _DOC)
_OF_RANGE_SEARCH = list(_PARAMETERS_OF_RANGE_SEARCH.values())
_DOC = signatures.with_arguments(
    inspect.getdoc(Index.range_search) or "", "search", _OF_RANGE_SEARCH, {"queries": _QUERIES}
)
signatures.complete(Index.range_search, "self", _OF_RANGE_SEARCH, "HitLists", _DOC)
open.__doc__ = Index.open.__doc__
