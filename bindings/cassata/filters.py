"""Conversion of filters to what `_core` takes: packed bits, one for each row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cassata import _core

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
    if not (isinstance(given, np.ndarray) and given.ndim == 2) and not _is_list_of_filters(given):
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


def _is_list_of_filters(given: Any) -> bool:
    if not isinstance(given, (list, tuple)):
        return False
    return not all(isinstance(one, (int, np.integer, np.bool_, str)) for one in given)


def _chosen(given: Any, core: _core.Index, name: str) -> Bits | dict[str, Any]:
    if isinstance(given, dict):  # a condition over fields
        return given
    roaring = sys.modules.get("pyroaring")
    if roaring is not None and isinstance(given, roaring.AbstractBitMap):
        given = np.array(given.to_array(), np.int64)
    elif isinstance(given, (list, tuple)):
        given = np.asarray(given) if len(given) else np.empty(0, np.int64)
    if isinstance(given, np.ndarray):
        return _of_array(given, core, name)
    if hasattr(given, "__contains__") and not isinstance(given, (str, bytes)):
        return of_function(given.__contains__, core)
    if callable(given):
        return of_function(given, core)
    raise TypeError(
        f"{name}: {type(given).__name__}, expected truth values, ids, packed bits, a set, a function, a condition or "
        "None"
    )


def _of_array(given: npt.NDArray[Any], core: _core.Index, name: str) -> Bits:
    size = core.size
    if given.ndim != 1:
        raise ValueError(f"{name}: shape {given.shape}, expected one dimension")
    if given.dtype == bool:
        if len(given) != size:
            raise ValueError(f"{name}: {len(given)} truth values, expected {size}, one for each row")
        return _packed(given)
    if given.dtype == np.uint8:
        if len(given) != (size + 7) // 8:
            raise ValueError(
                f"{name}: {len(given)} bytes of packed bits, expected {(size + 7) // 8}, a bit for each row; ids have "
                "another dtype"
            )
        return np.ascontiguousarray(given)
    if given.dtype.kind not in "iuUO":
        raise TypeError(f"{name}: dtype {given.dtype}, expected bool, integers or texts (ids) or uint8 (packed bits)")
    passing = np.zeros(size, bool)
    passing[_rows_of(given, core, name)] = True
    return _packed(passing)


def _rows_of(ids: npt.NDArray[Any], core: _core.Index, name: str) -> npt.NDArray[np.int64]:
    """The row numbers of ids; integers are row numbers in an index without ids, or with ids that are texts."""
    held = core.ids()
    numbers = ids.dtype.kind in "iu"
    if numbers and (held is None or held.dtype == object):
        wrong = np.flatnonzero((ids < 0) | (ids >= core.size))
        if wrong.size:
            raise ValueError(f"{name}: row number {ids[wrong[0]]} at place {wrong[0]}, expected 0 to {core.size - 1}")
        return ids.astype(np.int64)
    rows = np.empty(len(ids), np.int64)
    for place, one in enumerate(ids.tolist()):
        row = core.row(one) if isinstance(one, (int, str)) else None
        if row is None:
            raise ValueError(f"{name}: id {one!r:.80} at place {place}, expected ids of the index")
        rows[place] = row
    return rows


def _packed(passing: npt.NDArray[np.bool_]) -> Bits:
    return np.packbits(passing, bitorder="little")
