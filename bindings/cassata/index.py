"""What the index classes have in common: thin faces over one `_core.Index`, from load to close."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import threading
import uuid
import warnings
from typing import TYPE_CHECKING, Any, Callable, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from cassata import _core, inputs
from cassata.inputs import Path, Progress, Verify

if TYPE_CHECKING:
    from cassata.compact import SparseDotVByteHNSW, SparseFixedU8HNSW, SparseFixedU16HNSW
    from cassata.dense import DenseFlatIndex, DensePlainHNSW
    from cassata.dense_rerank import DenseRerankHNSW
    from cassata.multivector import DenseMultivecRerankIndex, SparseMultivecRerankIndex, SparseMultivecTwoLevelsPQRerankIndex
    from cassata.postings import SparseFlatIndex, SparsePostingsIndex
    from cassata.product import DensePQHNSW
    from cassata.rerank import SparseRerankHNSW
    from cassata.sparse import SparsePlainHNSW

Self = TypeVar("Self", bound="Index")


class RecallWarning(UserWarning):
    """A build searched its index for a sample of queries and found too little. `info["provenance"]["self_check"]` has the numbers."""


_switching = threading.Lock()  # held while an index takes another file for its own, not while that is opened
Hits = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


class Index:
    """What all classes have in common. An index is immutable but for `reload`: any number of threads may search it at once.

    It is also a context manager that closes the index, and can be pickled once it has a path: the pickle holds the path and the
    file's uuid, so that every process that loads it shares one physical copy.
    """

    _classes: ClassVar[dict[str, type[Index]]] = {}  # what `open` returns for a file of each class
    _holds: ClassVar[str]  # the class that the engine names in its files; the same in a subclass of a user's
    _told_as: ClassVar[dict[str, str]] = {}  # arguments of builds, by the engine's names for them in its errors
    _held: _core.Index | None
    _path: str | None

    def __init_subclass__(cls, holds: str | None = None) -> None:
        """Makes the class of the files that it `holds` known to `open`, and has its methods tell near names of unknown arguments."""
        if holds is not None:
            cls._holds, Index._classes[holds] = holds, cls
        if cls.__module__.startswith("cassata."):
            tell_near_names(cls)

    def __init__(self, *arguments: object, **named: object) -> None:
        """Raises TypeError: indexes are built or loaded.

        Args:
            *arguments: Any.
            **named: Any.
        """
        name = type(self).__name__
        arrays = "build_from_arrays" if hasattr(type(self), "build_from_arrays") else "build_from_array"
        raise TypeError(f"{name}: use {name}.build_from_file, {arrays} or load")

    @classmethod
    def _face(cls: type[Self], core: _core.Index, path: str | None) -> Self:
        face = object.__new__(cls)
        face._held, face._path = core, path
        return face

    @classmethod
    def _build(
        cls: type[Self],
        build: Callable[..., _core.Index],
        path: Path | None,
        overwrite: bool,
        num_threads: int,
        progress: Progress,
        **choices: object,
    ) -> Self:
        """Builds by a function of the engine that already knows its collection."""
        target = None if path is None else inputs.file_path("path", path)
        report = inputs.progress_function(progress)
        choices["overwrite"] = inputs.truth("overwrite", overwrite)
        try:
            face = cls._face(build(target or "", report, class_name=cls._holds, num_threads=inputs.threads(num_threads), **choices), target)
        except ValueError as error:
            name, _, rest = str(error).partition(": ")
            if name not in cls._told_as:
                raise
            raise ValueError(f"{cls._told_as[name]}: {rest}") from None
        face._warn_of_low_recall()
        return face

    def _warn_of_low_recall(self) -> None:
        check = self._opened().info()["provenance"]["self_check"]
        if check is None or check["recall"] >= _core.low_recall:
            return
        advice = "a larger ef_search, m, ef_construction or more exact codes raise it"
        message = f"recall@{check['k']} of a sample is {check['recall']:.3f} by default parameters; {advice}"
        warnings.warn(message, RecallWarning, stacklevel=4)

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
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class, in a time that does not depend on its size.

        The file knows everything about itself. What is given all the same is compared with it.

        Args:
            path: The file.
            metric: "dotproduct" or "euclidean".
            graph_type: "standard" or "permuted", which stand for each other, or "compressed".
            dtype: As of a build.
            m_pq: As product-quantized classes have it; where the file holds none, any value is refused.
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
            >>> index = cassata.DensePlainHNSW.load("vectors.cassata")
        """
        index = cls._load(path, metric=metric, graph_type=graph_type, dtype=dtype, m_pq=m_pq, dim=dim)
        return index._made_ready(verify, resident, lock, progress)

    def _made_ready(self: Self, verify: Verify, resident: str | None, lock: bool, progress: Progress) -> Self:
        """What an opening is asked for besides, once nothing contradicts the file."""
        core = self._held
        assert core is not None, "it was loaded just now"
        make_ready(core, verify, resident, lock, progress)
        return self

    @classmethod
    def _load(cls: type[Self], path: Path, **asked: object) -> Self:
        path = inputs.file_path("path", path)
        core = _core.Index.open(path)
        if core.class_name != cls._holds:
            raise ValueError(f"{path}: holds a {core.class_name}, not a {cls._holds}; use cassata.{core.class_name}.load or cassata.open")
        info = core.info()
        info["graph_type"] = (info["graph"] or {}).get("graph_type")
        for name, value in asked.items():
            is_word = name in ("metric", "graph_type", "dtype", "navigation")
            compare(path, name, inputs.word(name, value) if is_word and value is not None else value, info[name])
        return cls._face(core, path)

    def save(self, path: Path, progress: Progress = None, *, overwrite: bool = False) -> None:
        """Writes the index file to `path`, checking every byte on the way.

        The file appears complete or not at all: what stood there stays until the new one is whole. An index that was built without
        `path=` lives at `path` from now on.

        Args:
            path: Where to; an index file there is replaced, or an empty file.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.
            overwrite: Replace any other file, too.

        Raises:
            OSError: The file cannot be written, e.g. the disk is full or another writer is at work there; FileExistsError: another file is
                there. If the error has a true attribute `published`, the file stands, complete, but may not survive a power loss.
            FormatError: The index's own file is damaged.
        """
        core, target = self._opened(), inputs.file_path("path", path)
        core.save(target, inputs.progress_function(progress), inputs.truth("overwrite", overwrite))
        if self._path is None:
            self._held, self._path = _core.Index.open(target), target  # lets go of the temporary file

    def verify(self, progress: Progress = None) -> None:
        """Reads the whole file and checks every byte against its hash, then every structural rule.

        Args:
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Raises:
            FormatError: Something is damaged; the message names the section and the byte.
        """
        self._opened().verify(inputs.progress_function(progress))

    def residency(self) -> dict[str, Any]:
        """How much of the file is in memory: in the page cache, whichever process had it read.

        Keys: sections (a list of name, tier, bytes, resident_bytes and share), hot, cold and all (each bytes, resident_bytes and share, in
        sum). Where the system does not tell, resident_bytes and share are None: it tells only the file's owner and those who may write it.
        """
        sections = [_with_share(section) for section in self._opened().residency()]
        tiers = {"hot": ("hot",), "cold": ("cold",), "all": ("hot", "cold")}
        return {"sections": sections, **{name: _summed([s for s in sections if s["tier"] in tier]) for name, tier in tiers.items()}}

    def reload(self, verify: Verify = True, *, resident: str | None = None, lock: bool = False, progress: Progress = None) -> bool:
        """Goes over to the file that stands now under the path that the index was opened from, or saved or built at.

        Searches under way in other threads end over the file that they began with; the next ones see the new file. It must be of the same
        class and metric, with vectors (unless sparse) and tokens of the same dimension; the number of vectors and all else may differ.
        If nobody has put another file there, or changed this one in place, nothing is done.

        Args:
            verify: True: check every byte and every rule of the new file before the index goes over to it. False, "touched": as of `load`.
            resident: The same.
            lock: The same; for a moment both files are locked.
            progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

        Returns:
            Whether the content is another: False also of a new file with the same uuid.

        Raises:
            ValueError: The index is in a temporary file, or the new file holds another kind of index.
            FormatError: The new file is damaged.
            OSError: There is none, or it cannot be opened. Whatever is raised, the file opened before stays in use.
        """
        choices = (inputs.verification(verify), *_residence(resident, lock), inputs.progress_function(progress))
        while True:
            core = self._opened()
            fresh, changed = core.reloaded(*choices)
            with _switching:
                if self._held is core:
                    self._held = fresh
                    return changed
            # another thread reloaded or closed it meanwhile: that counts, and is looked at again

    @property
    def n(self) -> int:
        """Vectors in the index; the same as `len(index)`."""
        return self._opened().size

    @property
    def dim(self) -> int:
        """Length of a vector; of sparse vectors, their largest component plus 1."""
        return self._opened().dim

    @property
    def metric(self) -> str:
        """Either "dotproduct" or "euclidean"."""
        return self._opened().metric

    @property
    def dtype(self) -> str:
        """How vectors are stored: "f32" or "f16"; dense ones also "pq", and in two stages, the first, "rabitq", "int8" or "int4".

        Sparse ones also "fixedu8", "fixedu16" or "dotvbyte".
        """
        return str(self._opened().info()["dtype"])

    @property
    def path(self) -> str | None:
        """The file's absolute path; None while the index lives in an unnamed temporary file."""
        return self._path

    @property
    def uuid(self) -> str:
        """The file's uuid. It is derived from the content: equal files, equal uuids."""
        return str(uuid.UUID(bytes=self._opened().uuid))

    @property
    def info(self) -> dict[str, Any]:
        """All that the file says about itself, as plain values.

        Keys: class, kind, n, dim, metric, dtype (of two stages: the first's), navigation (the codes that guide the walk, else None), bits
        (a dimension, of rabitq codes that are walked, else None), m_pq (pieces of product-quantized vectors, else None), opq (whether
        these are rotated first), graph (None, or graph_type, m, ef_construction, level_sizes, duplicates: rows that another row
        stands for in the graph, and near_copies: how many of these only resemble it),
        postings (None, or lists, n_postings, summary_energy, n_knn), rerank (None, or of the second stage
        dtype, bits, prune_percentage and residual, or of token vectors dtype, token_dim and m_pq), ef_search (what a search without one
        takes, if the build found it, else None), sections (a list of name, offset, length and tier; in bytes), file_size (bytes),
        format_version (major, minor), uuid, path, and provenance (library_version; inputs: a list of name, rows, bytes and xxh3 hash;
        parameters; self_check: None, or how well the index answered when it was built, against a scan of all rows: k, ef_search, rows and
        recall_rows of queries from the collection, fresh and recall_fresh of others, and recall, the smaller of both).
        """
        return {**self._opened().info(), "uuid": self.uuid, "path": self._path}

    def space_usage_bytes(self) -> int:
        """Bytes of the index file."""
        return int(self._opened().info()["file_size"])

    def close(self) -> None:
        """Lets go of the file; any later use raises ValueError. Searches under way in other threads end undisturbed."""
        self._held = None

    def __enter__(self: Self) -> Self:
        """Returns the index itself."""
        self._opened()
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the index."""
        self.close()

    def __len__(self) -> int:
        """Vectors in the index."""
        return self._opened().size

    def __repr__(self) -> str:
        """The class and what the file holds."""
        if self._held is None:
            return f"{type(self).__name__}(closed, path={self._path!r})"
        info = self._held.info()
        graph = {name: value for name, value in (info["graph"] or {}).items() if name not in ("level_sizes", "duplicates", "near_copies")}
        codes = {name: info[name] for name in ("navigation", "bits", "m_pq") if info[name] is not None}
        if info["opq"]:
            codes["opq"] = True
        rerank = {name: value for name, value in (info["rerank"] or {}).items() if value is not None}
        if self._holds.startswith("Dense"):
            rerank.pop("prune_percentage", None)  # dense vectors are not pruned
        second = {f"rerank_{name}" if name in ("dtype", "bits") else name: value for name, value in rerank.items()}
        held = {**{name: info[name] for name in ("n", "dim", "metric", "dtype")}, **codes, **second, **graph, "path": self._path}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in held.items())})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles the path and the uuid."""
        identity = self.uuid
        if self._path is None:
            raise ValueError(f"{type(self).__name__}: an index in a temporary file cannot be pickled; save(path) it first")
        return _unpickle, (type(self), self._path, identity)

    def _opened(self) -> _core.Index:
        core = self._held
        if core is None:
            raise ValueError(f"{type(self).__name__}: the index is closed")
        return core


def tell_near_names(cls: type[Index]) -> None:
    """Wraps the public methods that the class itself has, for the sake of errors alone."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_") or not callable(function := getattr(member, "__func__", member)) or isinstance(function, type):
            continue
        helpful = _telling_near_names(function)
        setattr(cls, name, classmethod(helpful) if isinstance(member, classmethod) else helpful)  # none is static


def _telling_near_names(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        except TypeError as error:
            found = re.search(r"got an unexpected keyword argument '(\w+)'", str(error))
            known = _argument_names(method)
            if found is None or found[1] not in named or found[1] in known:  # one of a function that it called
                raise
            near = difflib.get_close_matches(_plain(found[1]), list(map(_plain, known)), 1, 0.6)
            told = f"did you mean {known[list(map(_plain, known)).index(near[0])]!r}?" if near else f"expected one of {', '.join(known)}"
        owner = arguments[0] if isinstance(arguments[0], type) else type(arguments[0])
        raise TypeError(f"{found[1]}: unknown argument of {owner.__name__}.{method.__name__}, {told}")

    return call


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _argument_names(method: Callable[..., Any]) -> list[str]:
    """All that its docstring names, among them those that it takes by **named."""
    told = inspect.cleandoc(method.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0]
    listed = re.findall(r"^ +(\w+): ", told, re.MULTILINE)
    return listed or [name for name in inspect.signature(method).parameters if name not in ("self", "cls")]


def open(
    path: Path, verify: Verify = False, *, resident: str | None = None, lock: bool = False, progress: Progress = None
) -> (
    DenseFlatIndex
    | DensePlainHNSW
    | DensePQHNSW
    | DenseRerankHNSW
    | SparseFlatIndex
    | SparsePostingsIndex
    | SparsePlainHNSW
    | SparseFixedU8HNSW
    | SparseFixedU16HNSW
    | SparseDotVByteHNSW
    | SparseRerankHNSW
    | SparseMultivecRerankIndex
    | SparseMultivecTwoLevelsPQRerankIndex
    | DenseMultivecRerankIndex
):
    """Opens any index file as its own class.

    Args:
        path: The file.
        verify: True: read the whole file now and check every byte and every rule, as `verify()` does. "touched": check rows, lists and
            pages when queries first use them.
        resident: "hot" reads what every query touches into memory now, "all" the whole file; None: queries read what they touch.
        lock: Keep that in memory (mlock) while the index is open.
        progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel.

    Raises:
        ValueError: `lock` without `resident`, or more would be locked than this process may use.
        FormatError: The file is damaged, truncated, not an index, or needs a newer version.
        OSError: The file cannot be opened; FileNotFoundError, PermissionError and so on. Or the system refuses to lock so much.

    Example:
        >>> index = cassata.open("vectors.cassata")
    """
    path = inputs.file_path("path", path)
    core = _core.Index.open(path)
    make_ready(core, verify, resident, lock, progress)
    face: Any = Index._classes[core.class_name]
    return face._face(core, path)  # type: ignore[no-any-return]


def make_ready(core: _core.Index, verify: Verify, resident: str | None, lock: bool, progress: Progress) -> None:
    """Does what an opening is asked for besides."""
    what, keep = _residence(resident, lock)
    report = inputs.progress_function(progress)
    checked = inputs.verification(verify)
    if checked == "touched":
        core.check_touched()
    if checked == "all":
        core.verify(report)
    if what is not None:
        core.warm(what, keep, report)


def _residence(resident: str | None, lock: bool) -> tuple[str | None, bool]:
    """The checked arguments."""
    what = None if resident is None else inputs.word("resident", resident)
    if inputs.truth("lock", lock) and what is None:
        raise ValueError("lock: given without resident, expected what is to be locked, 'hot' or 'all'")
    return what, bool(lock)


def _with_share(amount: dict[str, Any]) -> dict[str, Any]:
    there, total = amount["resident_bytes"], amount["bytes"]
    return {**amount, "share": None if there is None else there / total if total else 1.0}


def _summed(sections: list[dict[str, Any]]) -> dict[str, Any]:
    there = [section["resident_bytes"] for section in sections]
    return _with_share({"bytes": sum(section["bytes"] for section in sections), "resident_bytes": None if None in there else sum(there)})


def padded(
    core: _core.Index, ask: Callable[..., Hits], rows: int, k: int, ef_search: int | None, relax: float | None, num_threads: int
) -> Hits:
    """(rows, k) results of `ask`, a search by that many queries. What the index has not k of is missing."""
    n = core.size
    width = core.default_ef_search if ef_search is None else inputs.count("ef_search", ef_search)
    inputs.results_fit(rows, k := inputs.count("k", k))
    distances, ids = ask(min(k, n), min(width, n), inputs.threshold(relax), inputs.threads(num_threads))
    missing = k - ids.shape[1]
    if missing == 0:
        return distances, ids
    worst = -np.inf if core.largest_first else np.inf
    all_distances, all_ids = np.full((rows, k), worst, np.float32), np.full((rows, k), -1, np.int64)
    all_distances[:, :-missing], all_ids[:, :-missing] = distances, ids
    return all_distances, all_ids


def _unpickle(cls: type[Self], path: str, identity: str) -> Self:
    index = cls.load(path)
    if index.uuid != identity:
        raise ValueError(f"{path}: holds the index {index.uuid}, the pickle was made of {identity}; the file has been replaced since")
    return index


_INTERCHANGEABLE = ("standard", "permuted")  # graph types: who loads either need not know which was built


def compare(path: str, name: str, asked: object, held: object) -> None:
    """Raises ValueError where what was asked for is not what the file at `path` holds."""
    if asked is not None and asked != held and not (name == "graph_type" and asked in _INTERCHANGEABLE and held in _INTERCHANGEABLE):
        raise ValueError(f"{name}: {asked!r} given, but {path} holds {'none' if held is None else repr(held)}")


tell_near_names(Index)
