"""The engine's Index, as bindings/module.cc defines it, with the parameters of the table."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypedDict, final

import numpy as np
import numpy.typing as npt

__version__: str
simd_target: str
low_recall: float
archive_level: int
metric_aliases: dict[str, str]

class FormatError(OSError, ValueError): ...

_Progress = Callable[[str, int, int], object] | None

_Rows = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]]

_Vectors = str | npt.NDArray[Any] | _Rows

_Queries = npt.NDArray[np.float32] | _Rows

_Tokens = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint64]]
_Filter = npt.NDArray[np.uint8] | dict[str, Any] | None

_Hits = tuple[npt.NDArray[np.float32], npt.NDArray[Any]]

_HitLists = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[Any]]

_Column = tuple[str, str, str, Any, npt.NDArray[np.bool_] | None]

class _Parameter(TypedDict):
    """A row of the table of parameters (cassata/parameters.h)."""

    name: str
    option: str  # "--encoding", "-m"
    type: str  # "int", "float", "bool", "str", "path", or "bytes": an int or a text such as "512MiB"
    default: int | float | bool | str | None  # None: nothing, unless it is given
    usual: str | None  # what is taken where it is not given, if that is not `default`
    minimum: int | float | None
    maximum: int | float | None
    above_minimum: bool  # the minimum is out of range
    choices: tuple[str, ...] | None
    expected: str  # "a whole number from 2 to 512"
    stage: str  # "build", "search", "open", "recommend", "two_level", "join"
    help: str
    applies: tuple[str, ...]  # tags of the indexes that have it; (): all
    only_with: str | None  # the same in words
    ignored_elsewhere: bool  # other indexes ignore it, instead of refusing it

class _Class(TypedDict):
    """Indexes of a class, as the registry has them; a class may have several rows."""

    name: str
    vectors: str
    kind: str
    dtypes: tuple[str, ...]
    second: tuple[str, ...]
    role: str  # of the second stage; "search": none; "traversal": `dtypes` are navigation codes, `second` the dtype
    metrics: tuple[str, ...]

parameters: tuple[_Parameter, ...]
classes: tuple[_Class, ...]

# Parameters go by the names of the table `parameters`; None means not given. A wrong type or an unknown name is a
# TypeError. A value out of range, or a parameter that the index does not have, is a ValueError, whose attribute
# `parameter` is the name.
def build(
    data: Index | _Vectors,
    path: str,
    progress: _Progress,
    *,
    name: str | bytes = "data_vec",
    class_name: str | None = None,
    ids: npt.NDArray[np.int64] | list[str] | None = None,
    fields: Sequence[_Column] | None = None,
    documents: Iterator[str] | Iterator[bytes] | None = None,
    filters: list[_Filter] = ...,
    **parameters: object,
) -> Index:
    """Builds over an index, a file, an array or the arrays of sparse rows.

    A `path` of "" is a temporary file. `name` is the name of arrays in messages. With a `class_name` the parameters
    must be of that class. `fields` are columns as columns.py describes them. `filters`, one or none, chooses rows of an
    index.
    """

def index_in(path: str) -> Index | None:
    """The index in a file; None: the file is no index, or cannot be read."""

def pack(index: str, archive: str, level: int, num_threads: int, overwrite: bool, progress: _Progress) -> None: ...
def unpack(archive: str, index: str, num_threads: int, overwrite: bool, progress: _Progress) -> None: ...
def recommend(
    data: Index | _Vectors, queries: Index | _Vectors | None, progress: _Progress, **parameters: object
) -> dict[str, Any]: ...
def fuse(
    rankings: Sequence[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.int64] | list[Any]]],
    weights: list[float],
    best: list[str | None],
    method: str,
    k: float,
    normalize: str,
    top: int | None,
) -> _HitLists:
    """Rankings are (name, limits, scores, ids), ids int64 or a list of str and None; the result has ids alike."""

def clean(folder: str, resumable: bool, dry_run: bool) -> list[dict[str, Any]]: ...
def train_two_level(folder: str, out_folder: str, progress: _Progress, **parameters: object) -> dict[str, Any]: ...

@final
class Index:
    @staticmethod
    def open(path: str, check: Callable[[Index], object], progress: _Progress, **parameters: object) -> Index:
        """`check` is called with the index before the file is verified or warmed, and may raise."""

    @staticmethod
    def join(first: Index, folder: str, path: str, progress: _Progress, **parameters: object) -> Index: ...
    def search(
        self,
        queries: _Queries,
        tokens: _Tokens | None = None,
        filters: list[_Filter] = ...,
        texts: bool = True,
        **parameters: object,
    ) -> _Hits:
        """(nq, k) scores and external ids, best first; missing places hold id -1 or None, and the worst score.

        `filters` are packed bits or conditions, one for all queries or one for each.

        Without `texts`, row numbers instead of ids that are texts.
        """

    def range_search(
        self,
        queries: _Queries,
        radius: float,
        max_results: int | None = None,
        tokens: _Tokens | None = None,
        filters: list[_Filter] = ...,
        **parameters: object,
    ) -> _HitLists:
        """Where the results of each query begin, their scores and external ids, best first."""

    def ids(self) -> npt.NDArray[Any] | None: ...
    def row(self, id: int | str) -> int | None: ...
    def fields(self) -> list[str]: ...
    def field(self, name: str) -> tuple[str, str, npt.NDArray[Any], npt.NDArray[np.bool_] | None] | None:
        """Type, unit, values, and the rows that have one."""

    def rows_where(self, condition: object) -> npt.NDArray[np.int64]: ...
    def documents(self, ids: object) -> list[Any]:
        """All str or all bytes. Raises KeyError for an id that no vector has."""

    def vectors(self, ids: object) -> Any:
        """Dense: (len(ids), dim). Sparse: components, values and offsets. Raises as documents()."""

    def verify(self, progress: _Progress) -> None: ...
    def warm(self, progress: _Progress, **parameters: object) -> None: ...
    def residency(self) -> dict[str, Any]: ...
    def info(self) -> dict[str, Any]: ...
    @property
    def class_name(self) -> str: ...
    @property
    def sparse(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def token_dim(self) -> int: ...
    @property
    def metric(self) -> str: ...

@final
class IndexHandle:
    """An index that can be replaced, by the file that is now at its path, and closed."""

    def __init__(self, index: Index) -> None: ...
    def get(self) -> Index:
        """The index in use; it stays valid when the handle reloads or closes. ValueError: the handle is closed."""

    def reload(self, progress: _Progress, **parameters: object) -> bool: ...
    def save(self, path: str, progress: _Progress, overwrite: bool) -> None: ...
    def close(self) -> None: ...
    @property
    def path(self) -> str | None: ...
