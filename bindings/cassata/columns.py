"""External ids and fields: columns for the engine, made of arrays, lists, data frames and tables; and the way back.

pandas, pyarrow and Polars are imported only by whoever passes an object of theirs.
"""

from __future__ import annotations

import datetime
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from cassata import _core


class Table(Protocol):
    """A pandas or Polars DataFrame, a pyarrow Table or RecordBatch."""

    @property
    def columns(self) -> Any:
        """The columns, or their names."""

    def __getitem__(self, name: str) -> Any:
        """A column."""


Ids: TypeAlias = npt.ArrayLike | Sequence[str]
FieldColumns: TypeAlias = Mapping[str, Any] | Table


class Column(NamedTuple):
    """A column as the engine takes it. Rows where `present` is False have no value; None: all have one."""

    name: str
    type: str
    unit: str
    values: Any  # an array of numbers or bools, a list of str, or a list of lists of str
    present: npt.NDArray[np.bool_] | None


def ids_of(ids: Any) -> Any:
    """External ids as the engine takes them: an int64 array or a list of str."""
    column = column_of("ids", "ids", ids)
    if column.present is not None:
        raise ValueError(f"ids: row {int(np.argmin(column.present))}: no id, expected one for each vector")
    if column.type not in ("int64", "text"):
        raise TypeError(f"ids: of type {column.type}, expected int64 or text")
    return column.values


def fields_of(fields: Any) -> list[Column]:
    """The columns of a mapping, a pandas or Polars DataFrame, or a pyarrow Table or RecordBatch."""
    if isinstance(fields, Mapping):
        names: Any = list(fields)
    elif _is_table(fields) and hasattr(type(fields), "__len__"):  # no LazyFrame, which has no columns yet
        names = fields.column_names if is_from("pyarrow", fields) else list(fields.columns)
    else:
        raise TypeError(
            f"fields: a {type(fields).__name__} given, expected a dict of columns, a pandas or Polars DataFrame or a "
            "pyarrow Table"
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"fields: {name!r:.60} given, expected names that are str")
    if len(set(names)) != len(names):
        raise ValueError(f"fields: names {names!r:.60} given, expected different ones")
    return [column_of(f"fields: {name!r}", name, fields[name]) for name in names]


def row_of(core: _core.Index, id: int | str) -> int | None:
    """The row of an id; None: the index has none such."""
    try:
        return core.row(id)
    except TypeError:  # an integer of more than 64 bits, or lone surrogates, which no id has
        return None


def is_from(package: str, given: object) -> bool:
    """Whether its class, or a base of it, is of an imported package."""
    return package in sys.modules and any(kind.__module__.partition(".")[0] == package for kind in type(given).__mro__)


def _is_table(given: object) -> bool:
    return is_of_a_library(given) and hasattr(type(given), "columns")


def is_of_a_library(given: object) -> bool:
    """Whether it is a column, or a table of them, of pandas, pyarrow or Polars."""
    if not (hasattr(type(given), "__len__") or hasattr(type(given), "columns")):
        return False
    return any(is_from(one, given) for one in ("pandas", "pyarrow", "polars"))


def column_of(place: str, name: str, given: Any) -> Column:
    """A column of any form. Errors begin with `place`."""
    if _is_table(given) or isinstance(given, (Mapping, Set)):
        raise TypeError(f"{place}: a {type(given).__name__} given, expected a column: an array or a list")
    if is_from("pyarrow", given):
        given = _from_arrow(place, given)
    elif is_from("pandas", given):
        given = _from_pandas(place, given)
    elif is_from("polars", given):
        given = _from_polars(given)
    present: Any = None
    if isinstance(given, np.ma.MaskedArray):
        present, given = ~np.ma.getmaskarray(given), given.filled()
    if isinstance(given, (str, bytes)) or not (hasattr(given, "__len__") or hasattr(given, "__array__")):
        raise TypeError(f"{place}: {given!r:.60} given, expected a column: an array or a list")
    if not isinstance(given, (list, tuple)):
        given = np.asarray(given)
        if given.ndim != 1:
            raise ValueError(f"{place}: shape {given.shape}, expected one dimension")
        if given.dtype.kind not in "OUT":
            return _of_numbers(place, name, given, present)
        given = given.tolist()
    if present is not None:
        given = [value if there else None for value, there in zip(given, present)]
    return _of_objects(place, name, given)


def _of_numbers(place: str, name: str, array: npt.NDArray[Any], present: Any) -> Column:
    """The column of an array with a dtype of numbers, bools or times."""
    kind, unit, values = array.dtype.kind, "", array
    if kind == "b":
        column = "bool"
    elif kind in "iu":
        column = "int64"
        if kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
            row = int(np.argmax(array > np.iinfo(np.int64).max))
            raise ValueError(f"{place}: row {row}: {array[row]}, expected at most {np.iinfo(np.int64).max}")
        values = array.astype(np.int64)
    elif kind == "f":
        column, values = "float64", array.astype(np.float64)
        present = _both(present, ~np.isnan(values))
    elif kind == "M":
        column, unit = "timestamp", np.datetime_data(array.dtype)[0]
        if unit in ("W", "D", "h", "m"):
            unit = "s"
        if unit not in ("s", "ms", "us", "ns"):
            raise TypeError(f"{place}: dtype {array.dtype}, expected datetime64 in D, h, m, s, ms, us or ns")
        present = _both(present, ~np.isnat(array))
        times = array.astype(f"datetime64[{unit}]")
        wrong = np.flatnonzero((times.astype(array.dtype) != array) & present)
        if wrong.size:
            raise ValueError(f"{place}: row {wrong[0]}: {array[wrong[0]]!r:.60}, which 64 bits cannot hold in seconds")
        values = times.astype(np.int64)
    else:
        raise TypeError(f"{place}: dtype {array.dtype}, expected integers, floats, bools, datetime64 or objects")
    if present is not None and present.all():
        present = None
    return Column(name, column, unit, np.ascontiguousarray(values), present)


def _both(present: Any, there: npt.NDArray[np.bool_]) -> Any:
    return there if present is None else present & there


def _is_null(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)


def _of_objects(place: str, name: str, values: Sequence[Any]) -> Column:
    """The column of Python objects, whose first one that is not null decides the type."""
    types = set(map(type, values))
    if types == {str}:  # the usual cases, without a look at each value
        return Column(name, "text", "", list(values), None)
    if types in ({int}, {bool}) and (array := np.array(values)).dtype in (bool, np.int64):
        return _of_numbers(place, name, array, None)
    first, kind = 0, None
    present = np.ones(len(values), bool)
    held: list[Any] = []
    for row, value in enumerate(values):
        if _is_null(value):
            present[row] = False
            held.append(None)
            continue
        its_kind = _kind_of(value)
        if its_kind is None:
            expected = "a str, an int, a float, a bool, a time, or a list of str (tags)"
            raise TypeError(f"{place}: row {row}: {value!r:.60} given, expected {expected}")
        if kind is None:
            first, kind = row, its_kind
        elif its_kind != kind:
            if {its_kind, kind} != {"int64", "float64"}:
                raise TypeError(
                    f"{place}: row {row}: {value!r:.60} given, expected {_NAMES[kind]}, as in row {first}, or None"
                )
            kind = "float64"
        held.append(value)
    column, unit, empty, converted = _MAKERS["int64" if kind is None else kind]
    try:
        made = converted([empty if value is None else value for value in held])
    except OverflowError:
        row = next(i for i, value in enumerate(held) if value is not None and _overflows(converted, value))
        expected = "a time in microseconds of 64 bits" if column == "timestamp" else "an integer of 64 bits"
        raise ValueError(f"{place}: row {row}: {held[row]!r:.60}, expected {expected}") from None
    return Column(name, column, unit, made, None if present.all() else present)


def _overflows(converted: Callable[[list[Any]], Any], value: Any) -> bool:
    try:
        converted([value])
    except OverflowError:
        return True
    return False


_NAMES = {
    "bool": "a bool",
    "int64": "a number",
    "float64": "a number",
    "text": "a str",
    "timestamp": "a time",
    "tags": "a list of str",
}


def _kind_of(value: Any) -> str | None:
    """The type of a column of such values; None: there is none."""
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (float, np.floating)):
        return "float64"
    if isinstance(value, (datetime.date, np.datetime64)):  # datetime.datetime is a date, too
        return "timestamp"
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return "tags" if all(isinstance(tag, str) for tag in value) else None
    return "int64" if hasattr(value, "__index__") else None


def _microseconds(value: Any) -> Any:
    if isinstance(value, np.datetime64):
        made = value.astype("datetime64[us]")
        if np.can_cast(value.dtype, made.dtype) and made.astype(value.dtype) != value:  # not of a finer unit
            raise OverflowError
        return made.astype(np.int64)
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


# By the kind of the values: type and unit of the column, what stands for a null, and the conversion.
_MAKERS: dict[str, tuple[str, str, Any, Callable[[list[Any]], Any]]] = {
    "bool": ("bool", "", False, lambda values: np.array(values, bool)),
    "int64": ("int64", "", 0, lambda values: np.array([operator.index(value) for value in values], np.int64)),
    "float64": ("float64", "", 0.0, lambda values: np.array(values, np.float64)),
    "text": ("text", "", "", lambda values: [str(value) for value in values]),
    "timestamp": (
        "timestamp",
        "us",
        np.datetime64(0, "us"),
        lambda values: np.array([_microseconds(value) for value in values], np.int64),
    ),
    "tags": ("tags", "", (), lambda values: [[str(tag) for tag in tags] for tags in values]),
}


def _from_pandas(place: str, series: Any) -> Any:
    """The values of a Series, an Index or its array, as an array; masked if nulls have no value of the dtype."""
    if not hasattr(type(series), "dtype"):
        raise TypeError(f"{place}: a {type(series).__name__} given, expected a pandas Series or Index")
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return series.to_numpy()
    if hasattr(dtype, "categories"):  # a code of each, -1 for a null
        codes = np.asarray(getattr(series, "array", series).codes)
        kinds = _from_pandas(place, dtype.categories)
        return np.ma.MaskedArray(kinds[codes], codes < 0) if len(kinds) else [None] * len(codes)
    if getattr(dtype, "tz", None) is not None:
        return series.to_numpy(dtype=f"datetime64[{dtype.unit}]")
    numpy_dtype = getattr(dtype, "numpy_dtype", None)  # of Int64, Float64, boolean
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "biuf":
        return np.ma.MaskedArray(
            series.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0)), np.asarray(series.isna())
        )
    return series.to_numpy(dtype=object)


def _from_polars(series: Any) -> Any:
    """The values of a Series, as an array or a list; masked if nulls have no value of the type."""
    if series.dtype.is_integer():
        return np.ma.MaskedArray(series.fill_null(0).to_numpy(), series.is_null().to_numpy())
    # Polars has NaN and NaT for nulls among floats and times
    return series.to_numpy() if series.dtype.is_float() or series.dtype.is_temporal() else series.to_list()


def _from_arrow(place: str, array: Any) -> Any:
    """The values of a pyarrow Array or ChunkedArray."""
    pyarrow = sys.modules["pyarrow"]
    if not hasattr(array, "null_count"):
        raise TypeError(f"{place}: a {type(array).__name__} given, expected a pyarrow Array or ChunkedArray")
    types, kind = pyarrow.types, array.type
    if types.is_dictionary(kind):
        return _from_arrow(place, array.cast(kind.value_type))
    if types.is_timestamp(kind):
        numbers, dtype = array.cast(pyarrow.int64()), f"datetime64[{kind.unit}]"
    elif types.is_date(kind):
        numbers, dtype = array.cast(pyarrow.timestamp("s")).cast(pyarrow.int64()), "datetime64[s]"
    elif types.is_integer(kind) or types.is_floating(kind):
        numbers, dtype = array, None
    else:
        return array.to_pylist()
    filled = np.asarray(numbers.fill_null(0))
    return np.ma.MaskedArray(
        filled if dtype is None else filled.astype(dtype), np.asarray(array.is_null()).astype(bool)
    )


# --- of a file --------------------------------------------------------------------------------------------------------


class FieldValues(Mapping[str, "npt.NDArray[Any]"]):
    """The fields of an index: names, and NumPy arrays of their values in the order of row numbers, read from the file.

    int64, float64, bool and timestamp (datetime64) fields with nulls are masked arrays. Those of text and tags are
    arrays of objects: str, or lists of str, and None without a value.
    """

    def __init__(self, core: _core.Index) -> None:
        """Of an open file.

        Args:
            core: The engine's index.
        """
        self._core = core
        self._names = core.fields()

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The values of a field."""
        found = self._core.field(name) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        kind, unit, values, present = found
        if kind == "timestamp":
            values = values.view(f"datetime64[{unit}]")
        if present is None or values.dtype == object:
            return values
        return np.ma.MaskedArray(values, ~present)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of fields."""
        return len(self._names)

    def __repr__(self) -> str:
        """The names and types."""
        shown = [f"{field['name']}: {field['type']}" for field in self._core.info()["fields"]]
        return f"FieldValues({', '.join(shown)})"
