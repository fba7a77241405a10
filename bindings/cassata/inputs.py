"""Converts arguments to the engine's types; errors name the argument, the found value and the expected one."""

from __future__ import annotations

import math
import operator
import os
import re
import stat
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from cassata import _core

if TYPE_CHECKING:
    from cassata import Index

Progress: TypeAlias = bool | Callable[[str, int, int], object] | None
Path: TypeAlias = str | os.PathLike[str]
Verify: TypeAlias = bool | Literal["touched"]

CoreRows: TypeAlias = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]]
CoreTokens: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint64]]


class SparseRows(NamedTuple):
    """Sparse vectors as compressed rows: vector i has the entries offsets[i] to offsets[i + 1] - 1.

    Args:
        components: Whole numbers from 0 to 2**32 - 2 of shape (entries,); strictly increasing within a stored vector.
        values: Real numbers of shape (entries,).
        offsets: Whole numbers of shape (n + 1,), from 0 to the number of entries. None: all entries are one vector.

    Example:
        >>> index.search(cassata.SparseRows([3, 17, 90], [0.5, 1.0, 0.25]), k=3)
    """

    components: npt.ArrayLike
    values: npt.ArrayLike
    offsets: npt.ArrayLike | None = None


class SparseMatrix(Protocol):
    """A matrix or array of scipy.sparse, of any format."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def tocsr(self) -> Any:
        """The same in compressed rows."""


Data: TypeAlias = npt.ArrayLike | SparseMatrix | SparseRows | Path | "Index"
Queries: TypeAlias = npt.ArrayLike | SparseMatrix | SparseRows
Tokens: TypeAlias = npt.ArrayLike | Sequence[npt.ArrayLike]
Documents: TypeAlias = Iterable[str] | Iterable[bytes]

_FLOAT32 = np.dtype(np.float32)
_STREAMED = frozenset(map(np.dtype, ("f4", "f2", "f8", "u1", "i1")))  # read by the engine without conversion
_DENSE_FILES = (".npy", ".fvecs", ".bvecs", ".fbin", ".u8bin", ".i8bin")  # read by the engine
_SPARSE_FILES = (".bin", ".npz")
_TABLES = (".parquet", ".arrow", ".feather", ".ipc", ".csv", ".jsonl")  # read by pandas, pyarrow or polars
_MAX_COMPONENT = 2**32 - 2


def collection(data: Any, name: str = "data") -> tuple[Any, str]:
    """What the engine takes: an index, a path, an array or compressed rows.

    And their name in errors: `name`, or a path read here.
    """
    if hasattr(data, "_opened"):
        return data._opened(), name
    if isinstance(data, SparseRows):
        return sparse_rows(*data), name
    if is_matrix(data):
        return matrix_rows(name, data), name
    if isinstance(data, (str, os.PathLike)):
        return collection_file(file_path(name, data))
    return dense_matrix(name, data), name


def opened(path: str) -> _core.Index | str:
    """The index in a file, whatever its name is; the path of another file."""
    return _core.index_in(path) or path


def collection_file(path: str) -> tuple[Any, str]:
    """The same for a file; a file that the engine reads itself needs no name."""
    if not isinstance(index := opened(path), str):
        return index, ""
    if path.lower().endswith(_TABLES):
        raise ValueError(
            f"data: {path}: a table, expected one of {', '.join(_DENSE_FILES + _SPARSE_FILES)}; or read the table and "
            "pass its array"
        )
    return (matrix_rows(path, matrix_file(path)), path) if path.lower().endswith(".npz") else (path, "")


def queries_of(queries: Any, dim: int, sparse: bool) -> tuple[Any, int, bool]:
    """Queries as the engine takes them, their number, and whether they were given in two dimensions."""
    if not sparse and (type(queries) is np.ndarray or not (is_matrix(queries) or isinstance(queries, SparseRows))):
        array = queries if type(queries) is np.ndarray else numbers("queries", queries)
        matrix = queries_matrix(array, dim)
        return matrix, len(matrix), array.ndim == 2
    if not sparse:
        raise ValueError(
            f"queries: a {type(queries).__name__} given, expected an array, since the index holds dense vectors"
        )
    if isinstance(queries, SparseRows):
        rows = sparse_rows(*queries, "queries, ")
        return rows, len(rows[2]) - 1, queries.offsets is not None
    if not is_matrix(queries):
        raise ValueError(
            f"queries: a {type(queries).__name__} given, expected a scipy.sparse matrix or SparseRows, since the "
            "index holds sparse vectors"
        )
    rows = matrix_rows("queries", queries)
    return rows, len(rows[2]) - 1, len(queries.shape) == 2


def queries_matrix(queries: npt.ArrayLike, dim: int) -> npt.NDArray[np.float32]:
    """`queries` as C-contiguous float32 of shape (rows, dim): without a copy if it is already so."""
    array = queries if type(queries) is np.ndarray and queries.dtype == _FLOAT32 else numbers("queries", queries)
    if array.ndim == 1:
        if dim == 0 or array.size % dim:
            raise ValueError(f"queries: {array.size} numbers, expected {dim} (the index's dim) or a multiple of it")
        array = array.reshape(-1, dim)
    if array.ndim != 2 or array.shape[1] != dim:
        raise ValueError(f"queries: shape {array.shape}, expected ({dim},) or (number of queries, {dim})")
    return _float32("queries", array, _row_and_column)


def collection_matrix(data_vec: npt.ArrayLike, dim: Any) -> npt.NDArray[Any]:
    """`data_vec` as (rows, dim) in a type that the engine streams; copied only if it is of another type."""
    array = numbers("data_vec", data_vec)
    if dim is not None:
        dim = whole_number("dim", dim, 1)
    if array.ndim == 1:
        if dim is None:
            raise ValueError("dim: None given, expected the length of a vector, since data_vec has one dimension")
        if array.size % dim:
            raise ValueError(f"data_vec: {array.size} numbers, expected a multiple of dim={dim}")
        array = array.reshape(-1, dim)
    elif array.ndim != 2:
        raise ValueError(f"data_vec: shape {array.shape}, expected (number of vectors, dim), or one dimension and dim=")
    elif dim not in (None, array.shape[1]):
        raise ValueError(f"dim: {dim} given, but data_vec has shape {array.shape}")
    return _streamed("data_vec", array)


def _streamed(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype in _STREAMED:
        return array
    native = array.dtype.newbyteorder("=")
    return array.astype(native) if native in _STREAMED else _float32(name, array, _row_and_column)


def _float32(name: str, array: npt.NDArray[Any], place: Callable[..., str]) -> npt.NDArray[np.float32]:
    """`array` as C-contiguous float32, without a copy if it is already so. `place` names an element by its indexes."""
    if array.dtype == _FLOAT32 and array.flags.c_contiguous and array.flags.aligned:
        return array
    with np.errstate(over="ignore"):
        narrow = np.require(array, np.float32, ["C", "A"])
    if array.dtype.kind == "f" and array.dtype.itemsize > narrow.itemsize:
        beyond = np.isinf(narrow) & np.isfinite(array)
        if beyond.any():
            at = tuple(map(int, np.unravel_index(np.argmax(beyond), beyond.shape)))
            raise ValueError(f"{name}: {place(*at)}: {array[at]!s}, which f32 cannot hold")
        vanished = (narrow == 0) & (array != 0)
        if vanished.any():  # a vector of such values must not become a zero vector
            narrow[vanished] = np.copysign(np.finfo(np.float32).smallest_subnormal, array[vanished])
    return narrow


def _row_and_column(row: int, column: int) -> str:
    return f"row {row}, column {column}"


def _within(place: int, ends: npt.NDArray[np.uint64]) -> tuple[int, int]:
    """The row that holds the entry at `place`, and its number there."""
    row = int(np.searchsorted(ends, place, side="right")) - 1
    return row, place - int(ends[row])


def dense_matrix(name: str, data: npt.ArrayLike) -> npt.NDArray[Any]:
    """`data` as (rows, dim) in a type that the engine streams."""
    array = numbers(name, data)
    if array.ndim != 2:
        raise ValueError(f"{name}: shape {array.shape}, expected (number of vectors, dim)")
    return _streamed(name, array)


def sparse_rows(components: Any, values: Any, offsets: Any, prefix: str = "") -> CoreRows:
    """Compressed rows as the engine takes them, one row if `offsets` is None. Errors name the arrays with `prefix`.

    The engine checks that the components of a row rise and that values are finite.
    """
    names = f"{prefix}components", f"{prefix}values"
    whole, floats = _whole(names[0], components), _flat(names[1], values)
    if len(whole) != len(floats):
        raise ValueError(f"{names[1]}: {len(floats)} given, expected {len(whole)}, as many as {names[0]}")
    ends = np.array([0, len(whole)], np.uint64) if offsets is None else _offsets(offsets, len(whole))
    narrow = _float32(names[1], floats, lambda at: "row {}, entry {}".format(*_within(at, ends)))
    return _components(names[0], whole, ends), narrow, ends


def tokens_of(tokens: Any, rows: int, dim: int) -> CoreTokens:
    """Token vectors of `rows` queries: an array, or a list of arrays, one for each query."""
    if dim == 0:
        raise ValueError("tokens: given, expected only with an index that has token vectors")
    if isinstance(tokens, (list, tuple)) and all(isinstance(one, np.ndarray) and one.ndim == 2 for one in tokens):
        if len(tokens) != rows:
            raise ValueError(f"tokens: {len(tokens)} arrays, expected {rows}, one for each query")
        for i, one in enumerate(tokens):
            if one.shape[1] != dim:
                raise ValueError(f"tokens: query {i}: shape {one.shape}, expected (tokens, {dim})")
        lengths = [len(one) for one in tokens]
        return query_tokens(np.concatenate(tokens) if tokens else np.empty((0, dim)), rows, None, None, lengths, dim)
    return query_tokens(tokens, rows, None, None, None, dim)


def query_tokens(tokens: Any, rows: int, n_tokens: Any, token_dim: Any, doclens: Any, dim: int) -> CoreTokens:
    """Token vectors of `rows` queries, (tokens, dim) one after another, and the offsets of the queries, (rows + 1,)."""
    if tokens is None:
        raise TypeError("multivec_queries: missing, expected the queries' token vectors")
    array = numbers("multivec_queries", tokens)
    if token_dim is not None and whole_number("token_dim", token_dim) != dim:
        raise ValueError(f"token_dim: {token_dim} given, expected {dim}, as in the index")
    count = None if n_tokens is None else whole_number("n_tokens", n_tokens)
    rows_of_queries = array.ndim == 2 and count is not None and array.shape == (rows, count * dim)
    if (
        not 1 <= array.ndim <= 3
        or (array.ndim > 1 and array.shape[-1] != dim and not rows_of_queries)
        or array.size % dim
    ):
        expected = f"(queries, tokens, {dim}), (tokens, {dim}) or flat"
        raise ValueError(f"multivec_queries: shape {array.shape}, expected {expected}")
    if array.ndim < 3 and rows > 1 and count is None and doclens is None:
        raise ValueError(
            "n_tokens, query_doclens: neither given, expected one of them: the number of tokens of each query"
        )
    if array.ndim == 3 and array.shape[0] != rows:
        raise ValueError(
            f"multivec_queries: shape {array.shape}, expected {rows} queries, as many as for the first stage"
        )
    padded = array.shape[1] if array.ndim == 3 else None
    if count is not None:
        if padded not in (None, count):
            raise ValueError(f"n_tokens: {count} given, but multivec_queries has shape {array.shape}")
        padded = count if doclens is None or array.size == rows * count * dim else None
    array = array.reshape(-1, dim)
    if doclens is None:
        each = padded if padded is not None else (len(array) // rows if rows else 0)
        if len(array) != rows * each:
            raise ValueError(
                f"multivec_queries: {len(array)} token vectors, expected {each} for each of {rows} queries"
            )
        ends = np.arange(rows + 1, dtype=np.uint64) * np.uint64(each)
    else:
        array, ends = _own_lengths(array, rows, padded, _whole("query_doclens", doclens))
    return _float32(
        "multivec_queries", array, lambda at, column: "query {}, token {}, column {}".format(*_within(at, ends), column)
    ), ends


def _own_lengths(
    array: npt.NDArray[Any], rows: int, padded: int | None, lengths: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint64]]:
    if len(lengths) != rows:
        raise ValueError(f"query_doclens: {len(lengths)} given, expected {rows}, one for each query")
    wrong = (lengths < 0) | (lengths > (len(array) if padded is None else padded))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"query_doclens: row {row}: {lengths[row]}, expected 0 to {len(array) if padded is None else padded}"
        )
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
    if padded is not None:
        array = array[(np.arange(padded) < lengths[:, None]).reshape(-1)]
    elif int(ends[-1]) != len(array):
        raise ValueError(
            f"query_doclens: {int(ends[-1])} token vectors in all, expected {len(array)}, as in multivec_queries"
        )
    return array, ends


def matrix_rows(name: str, matrix: Any) -> CoreRows:
    """The rows of a scipy.sparse matrix, or one row from an array of one dimension. The matrix itself is not changed.

    Components are sorted and duplicates summed.
    """
    from scipy import sparse  # type: ignore[import-untyped]  # an optional dependency

    if len(matrix.shape) not in (1, 2):
        raise ValueError(
            f"{name}: shape {matrix.shape}, expected (number of rows, number of columns), or one dimension for one row"
        )
    try:
        if matrix.format in ("csr", "csc", "bsr"):
            matrix = type(matrix)(matrix)  # shares the arrays, but is not the caller's object
            matrix.check_format(full_check=True)  # a conversion trusts it
        rows = sparse.csr_array(matrix if len(matrix.shape) == 2 else matrix.reshape((1, -1)))
    except ValueError as error:
        raise ValueError(f"{name}: {error}, expected a valid scipy.sparse matrix") from None
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return sparse_rows(rows.indices, rows.data, rows.indptr, f"{name}, ")


def is_matrix(data: object) -> bool:
    """Whether `data` is a matrix or array of scipy.sparse."""
    return hasattr(data, "tocsr")


def matrix_file(path: str) -> SparseMatrix:
    """The matrix that scipy.sparse.save_npz wrote to `path`."""
    from scipy import sparse

    expected = "expected a file written by scipy.sparse.save_npz"
    with open(path, "rb", opener=_opened_at_once) as file:  # SciPy leaves a file open that it cannot read
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path}: not a regular file")
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path}: not a zip archive, {expected}")
        file.seek(0)
        try:
            return sparse.load_npz(file)  # type: ignore[no-any-return]
        except (OSError, MemoryError):
            raise
        except Exception as error:  # zipfile, zlib, NumPy and SciPy raise different types
            found = "holds no sparse matrix" if "does not contain" in str(error) else error
            raise ValueError(f"{path}: {found}, {expected}") from None


def _opened_at_once(path: str, flags: int) -> int:
    """Opens a file without waiting for the writer of a named pipe. Errors name the file, as the engine's do."""
    try:
        return os.open(path, flags | os.O_NONBLOCK)
    except OSError as error:
        raise type(error)(error.errno, f"cannot open {path}: {error.strerror}") from None


def _components(name: str, whole: npt.NDArray[Any], offsets: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint32]:
    if whole.size and (whole.min() < 0 or whole.max() > _MAX_COMPONENT):
        place = int(np.argmax((whole < 0) | (whole > _MAX_COMPONENT)))
        row, entry = _within(place, offsets)
        raise ValueError(f"{name}: row {row}, entry {entry}: {whole[place]}, expected 0 to {_MAX_COMPONENT}")
    if whole.dtype == np.int32:
        whole = whole.view(np.uint32)  # the same bits
    return np.require(whole, np.uint32, ["C", "A"])


def _offsets(offsets: Any, entries: int) -> npt.NDArray[np.uint64]:
    given = _whole("offsets", offsets)
    if given.size == 0:
        raise ValueError("offsets: none, expected 0 and the end of each row")
    if given[0] != 0 or given[-1] != entries:
        raise ValueError(f"offsets: from {given[0]} to {given[-1]}, expected 0 to the number of entries, {entries}")
    falls = given[1:] < given[:-1]
    if falls.any():
        row = int(np.argmax(falls))
        raise ValueError(f"offsets: row {row} from {given[row]} to {given[row + 1]}, expected non-decreasing offsets")
    return np.require(given, np.uint64, ["C", "A"])


def _flat(name: str, data: Any) -> npt.NDArray[Any]:
    array = numbers(name, data)
    if array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape}, expected one dimension")
    return array


def _whole(name: str, data: Any) -> npt.NDArray[Any]:
    array = _flat(name, data)
    if array.size and array.dtype.kind == "f":  # an empty list has float64
        raise ValueError(f"{name}: dtype {array.dtype}, expected whole numbers, such as int64")
    return array


def numbers(name: str, data: Any) -> npt.NDArray[Any]:
    """`data` as an array of real numbers, of any shape."""
    if data is None or isinstance(data, (str, bytes)):
        raise TypeError(f"{name}: {data!r:.60} given, expected an array of numbers")
    if isinstance(data, np.ma.MaskedArray):
        raise ValueError(f"{name}: a masked array, expected an array without a mask")
    if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
        data = _from_dlpack(name, data)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(f"{name}: rows of different lengths, expected a rectangular array ({error})") from None
    if array.dtype.kind == "O" and array.ndim == 1 and array.size:
        array = _stacked(name, array)
    if array.dtype.kind == "V" and array.dtype.type.__module__ == "ml_dtypes":  # bfloat16 and its kin
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: dtype {array.dtype}, expected real numbers, such as float32")
    return array


def _from_dlpack(name: str, data: Any) -> npt.NDArray[Any]:
    """The array of another library that supports only DLPack."""
    try:
        return np.from_dlpack(data)
    except (BufferError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        kind = f"{type(data).__module__}.{type(data).__name__}"
        raise ValueError(
            f"{name}: NumPy cannot take this {kind} ({error}), expected an array of a NumPy dtype, in main memory"
        ) from None


def _stacked(name: str, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows in an array of objects, such as a column of a data frame."""
    rows: list[npt.NDArray[Any]] = []
    for i, row in enumerate(column):
        if row is None or np.ndim(row) != 1:
            found = f"{row!r:.60}" if np.ndim(row) == 0 else f"shape {np.shape(row)}"
            raise ValueError(f"{name}: row {i}: {found}, expected an array of numbers of one dimension")
        if rows and len(row) != len(rows[0]):
            raise ValueError(f"{name}: row {i}: {len(row)} numbers, expected {len(rows[0])}, as many as in row 0")
        rows.append(np.asarray(row))
    return np.stack(rows)


def documents_of(documents: Any) -> Iterator[Any] | None:
    """The documents one after another; the engine checks their types."""
    if documents is None:
        return None
    expected = "expected an iterable of str or bytes, one for each vector"
    if isinstance(documents, (Mapping, Set)) or hasattr(type(documents), "columns"):  # of no order, or a table
        raise TypeError(f"documents: a {type(documents).__name__} given, {expected}")
    if isinstance(documents, (str, bytes)) or not isinstance(documents, Iterable):
        raise TypeError(f"documents: {documents!r:.60} given, {expected}")
    if hasattr(documents, "to_pylist") and hasattr(documents, "slice"):  # of Arrow, whose own items are no str
        column: Any = documents
        pieces = (column.slice(at, 1024) for at in range(0, len(column), 1024))
        return (document for piece in pieces for document in piece.to_pylist())
    return iter(documents)


def truth(name: str, value: Any) -> bool:
    """`value`, which is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: {value!r:.60} given, expected True or False")
    return bool(value)


def verification(value: Any) -> str:
    """The engine's name of True, False or "touched"."""
    if isinstance(value, str) and value.lower() == "touched":
        return "touched"
    if not isinstance(value, (bool, np.bool_)):
        raise (ValueError if isinstance(value, str) else TypeError)(
            f"verify: {value!r:.60} given, expected True, False or 'touched'"
        )
    return "all" if value else "none"


def whole_number(name: str, value: Any, minimum: int = 0, maximum: int = 2**32 - 1, expected: str | None = None) -> int:
    """`value` as an int within bounds; `expected` replaces the bounds in the message."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name}: {value!r:.60} given, expected a whole number")
    if not minimum <= number <= maximum:
        raise ValueError(
            f"{name}: {number:.20g} given, expected a whole number from {expected or f'{minimum} to {maximum}'}"
        )
    return number


def word(name: str, value: object) -> str:
    """The name of a choice, in lower case; the engine checks it."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r:.60} given, expected a string")
    value = value.lower()
    return _core.metric_aliases.get(value, value) if name == "metric" else value


def file_path(name: str, path: Any) -> str:
    """`path` as an absolute path, so that it means the same after os.chdir and in another process."""
    try:
        text = os.fsdecode(path)
        os.fsencode(text)
    except TypeError:
        raise TypeError(f"{name}: {path!r:.60} given, expected a path") from None
    except UnicodeError:
        raise ValueError(f"{name}: {path!a:.60} given, expected a path without lone surrogates") from None
    if not text or "\0" in text:
        raise ValueError(f"{name}: {text!r:.60} given, expected the path of a file")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        raise ValueError(
            f"{name}: {text!r:.200} given, a URL; expected the path of a local file: copy the file to this machine "
            "first"
        )
    return os.path.abspath(text)


def dense_file(name: str, path: Any) -> str:
    """The path of a file of dense vectors. The engine checks the extension, except those of tables."""
    text = file_path(name, path)
    if text.lower().endswith(_TABLES):
        raise ValueError(
            f"{name}: {text}: a table, expected one of {', '.join(_DENSE_FILES)}; or read the table and pass its array"
        )
    return text


def sparse_file(name: str, path: Any) -> str:
    """The path of a file of sparse vectors. A .bin file may have any extension that is not that of another format."""
    text = file_path(name, path)
    if text.lower().endswith((*_DENSE_FILES, *_TABLES, ".csr", ".mtx")):
        found = "dense vectors" if text.lower().endswith(_DENSE_FILES) else "unsupported"
        raise ValueError(
            f"{name}: {text}: {found}, expected one of {', '.join(_SPARSE_FILES)} (by scipy.sparse.save_npz)"
        )
    return text


def not_the_input(path: Any, source: str) -> None:
    """Refuses to write an index over its own input, as the engine does for files that it reads itself."""
    if path is not None and os.path.exists(target := file_path("path", path)) and os.path.samefile(target, source):
        raise ValueError(f"path: {target} is the input, which the index would replace")


def progress_function(progress: Any) -> Callable[[str, int, int], object] | None:
    """The function that receives progress, or None."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _Bar()
    if not callable(progress):
        raise TypeError(f"progress: {progress!r:.60} given, expected None, True or a function of (stage, done, total)")
    return progress  # type: ignore[no-any-return]


_FIRST_SECONDS = 3.0  # of a stage, in which the bar shows no estimate


class _Bar:
    """A progress bar on stderr, one line for each stage, with the estimated rest of the stage."""

    def __init__(self) -> None:
        self.stage, self.percent = "", -1
        self.start, self.first = 0.0, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        percent = math.floor(100 * done / total) if total else 100
        if (stage, percent) == (self.stage, self.percent):
            return
        if self.stage not in ("", stage) and self.percent < 100:
            sys.stderr.write("\n")
        if stage != self.stage or percent < self.percent:
            self.start, self.first = time.monotonic(), done
        self.stage, self.percent = stage, percent
        end = "\n" if percent >= 100 else ""
        sys.stderr.write(f"\r{stage + self._left(done, total):<28} [{'#' * (percent // 4):<25}] {percent:3d} %{end}")
        sys.stderr.flush()

    def _left(self, done: int, total: int) -> str:
        seconds = time.monotonic() - self.start
        if seconds < _FIRST_SECONDS or done <= self.first or done >= total:
            return ""
        rest = int(seconds * (total - done) / (done - self.first))
        return f", {rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d} left"
