"""Conversion of filters to what `_core` takes: packed bits, one for each row."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence, Set
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cassata import _core, columns

Filter: TypeAlias = npt.NDArray[Any] | Container[Any] | Callable[[Any], object] | dict[str, Any]
Filters: TypeAlias = Filter | Sequence[Filter | None]
Bits: TypeAlias = npt.NDArray[np.uint8]
Chosen: TypeAlias = list[Bits | dict[str, Any] | None]  # what the engine takes


def of_queries(given: Any, queries: int, core: _core.Index) -> Chosen:
    """One filter for all queries, or one for each; empty: none.

    Args:
        given: None, a filter, or a list of filters and None, one for each query.
        queries: The number of queries.
        core: The index.

    Raises:
        ValueError: A wrong shape or length, or an id that the index does not have; the message names the query.
        TypeError: Nothing that can be a filter. What a function raises is raised.
    """
    if given is None:
        return []
    if not (_is_array(given) and given.ndim == 2) and not _is_list_of_filters(given):
        return [_chosen(given, core, "filter")]
    each = list(given)
    if len(each) != queries:
        raise ValueError(f"filter: {len(each)} filters, expected one, or one for each of the {queries} queries")
    made: dict[int, Any] = {}  # an object that several queries share is converted once
    for i, one in enumerate(each):
        if id(one) not in made:
            made[id(one)] = None if one is None else _chosen(one, core, f"filter of query {i}")
    return [made[id(one)] for one in each]


def of_rows(given: Any, core: _core.Index) -> Bits | dict[str, Any]:
    """One filter, which chooses rows. Raises as `of_queries`."""
    return _chosen(given, core, "filter")


def of_function(passes: Callable[[Any], object], core: _core.Index, texts: bool = True) -> Bits:
    """The rows for whose ids the function returns something true. Without `texts`, row numbers for ids that are."""
    ids = core.ids()
    known = range(core.size) if ids is None or (ids.dtype == object and not texts) else ids.tolist()
    return _packed(np.fromiter((bool(passes(one)) for one in known), bool, core.size))


def _is_array(given: Any) -> bool:
    """Whether it is an array of NumPy, or of a library such as PyTorch."""
    return hasattr(given, "__array__") and not columns.is_of_a_library(given) and not isinstance(given, np.generic)


def _is_list_of_filters(given: Any) -> bool:
    """Whether it is a list of filters and None; others are columns of truth values or ids."""
    if not isinstance(given, (list, tuple)):
        return False
    kinds = {type(one): one for one in given}.values()
    return bool(kinds) and (all(one is None for one in kinds) or any(map(_is_filter, kinds)))


def _is_filter(given: Any) -> bool:
    if isinstance(given, (str, bytes, np.generic)):
        return False
    return callable(given) or any(hasattr(given, name) for name in ("__contains__", "__array__", "__iter__"))


def _chosen(given: Any, core: _core.Index, name: str) -> Bits | dict[str, Any]:
    if isinstance(given, dict):  # a condition over fields
        return given
    if isinstance(given, range):
        return _of_range(given, core)
    if _is_list_of_filters(given):
        raise TypeError(f"{name}: a list of {len(given)} filters, expected one filter")
    if columns.is_of_a_library(given):
        return _of_column(given, core, name)
    if isinstance(given, Sequence) and not isinstance(given, _BYTES):
        return _of_column(list(given), core, name)
    if columns.is_from("pyroaring", given):
        return _of_column(np.asarray(given.to_array()), core, name, some=True)
    if isinstance(given, Set):
        return _of_column(list(given), core, name, some=True)
    if _is_array(given):
        return _of_array(np.asanyarray(given), core, name)
    if hasattr(given, "__contains__") and not isinstance(given, (*_BYTES, Mapping)):
        return of_function(given.__contains__, core)
    if callable(given):
        return of_function(given, core)
    raise TypeError(
        f"{name}: {type(given).__name__}, expected truth values, ids, packed bits, a set, a function, a condition or "
        "None"
    )


_BYTES = (str, bytes, bytearray, memoryview)


def _of_range(given: range, core: _core.Index) -> Bits:
    """In a time that does not depend on the length of the range."""
    if given.step != 1:
        return of_function(given.__contains__, core, texts=False)
    numbers: Any = core.ids() if core.info()["ids"] == "int64" else np.arange(core.size)
    return _packed((numbers >= given.start) & (numbers < given.stop))


def _of_array(given: npt.NDArray[Any], core: _core.Index, name: str) -> Bits:
    if given.ndim != 1:
        raise ValueError(f"{name}: shape {given.shape}, expected one dimension")
    if given.dtype != np.uint8 or isinstance(given, np.ma.MaskedArray):
        return _of_column(given, core, name)
    size = (core.size + 7) // 8
    if len(given) != size:
        raise ValueError(
            f"{name}: {len(given)} bytes of packed bits, expected {size}, a bit for each row; ids have another dtype"
        )
    return np.ascontiguousarray(given)


def _of_column(given: Any, core: _core.Index, name: str, some: bool = False) -> Bits:
    """Truth values or ids, nulls among them. With `some`, ids that need not be in the index."""
    column = columns.column_of(name, name, given)
    values, present = column.values, column.present
    if column.type == "bool" and not some:
        if len(values) != core.size:
            raise ValueError(f"{name}: {len(values)} truth values, expected {core.size}, one for each row")
        return _packed(values if present is None else values & present)
    if column.type not in ("int64", "text"):
        expected = "int64 or text (ids)" if some else "bool (truth values), int64 or text (ids)"
        raise TypeError(f"{name}: values of type {column.type}, expected {expected}")
    places = np.arange(len(values)) if present is None else np.flatnonzero(present)
    held = core.info()["ids"]
    if column.type == "text" and held != "text" and len(places):
        expected = "integers, as the ids are" if held else "row numbers, as the index has no ids"
        raise TypeError(f"{name}: {values[places[0]]!r:.60} given, expected {expected}")
    passing = np.zeros(core.size, bool)
    if column.type == "int64" and held != "int64":
        rows = values[places]
        known = (rows >= 0) & (rows < core.size)
        if not (some or known.all()):
            at = places[np.argmin(known)]
            raise ValueError(f"{name}: row number {values[at]} at place {at}, expected 0 to {core.size - 1}")
        passing[rows[known]] = True
        return _packed(passing)
    ids = values if column.type == "text" else values.tolist()
    if some and 4 * len(places) > core.size:  # cheaper than to look up each
        return of_function({ids[place] for place in places.tolist()}.__contains__, core)
    for place in places.tolist():
        row = columns.row_of(core, ids[place])
        if row is not None:
            passing[row] = True
        elif not some:
            raise ValueError(f"{name}: id {ids[place]!a:.80} at place {place}, expected ids of the index")
    return _packed(passing)


def _packed(passing: npt.NDArray[np.bool_]) -> Bits:
    return np.packbits(passing, bitorder="little")
