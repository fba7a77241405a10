"""Conversion of filters to what `_core` takes: packed bits, one for each row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Filter: TypeAlias = "npt.NDArray[Any] | Container[Any] | Callable[[int], object]"
Filters: TypeAlias = "Filter | Sequence[Filter | None]"
Bits: TypeAlias = npt.NDArray[np.uint8]


def of_queries(given: Any, queries: int, size: int) -> list[Bits | None]:
    """One filter for all queries, or one for each; empty: none.

    Args:
        given: None, a filter, or a list of filters and None, one for each query.
        queries: The number of queries.
        size: The number of rows of the index.

    Raises:
        ValueError: A wrong shape or length, or a row number that the index does not have; the message names the query.
        TypeError: Nothing that can be a filter. What a function raises is raised.
    """
    if given is None:
        return []
    if not (isinstance(given, np.ndarray) and given.ndim == 2) and not _is_list_of_filters(given):
        return [_bits(given, size, "filter")]
    each = list(given)
    if len(each) != queries:
        raise ValueError(f"filter: {len(each)} filters, expected one, or one for each of the {queries} queries")
    made: dict[int, Bits | None] = {}  # an object that several queries share is converted once
    for i, one in enumerate(each):
        if id(one) not in made:
            made[id(one)] = None if one is None else _bits(one, size, f"filter of query {i}")
    return [made[id(one)] for one in each]


def of_function(passes: Callable[[int], object], size: int) -> Bits:
    """The rows for whose numbers the function returns something true."""
    return _packed(np.fromiter((bool(passes(row)) for row in range(size)), bool, size))


def _is_list_of_filters(given: Any) -> bool:
    if not isinstance(given, (list, tuple)):
        return False
    return not all(isinstance(one, (int, np.integer, np.bool_)) for one in given)


def _bits(given: Any, size: int, name: str) -> Bits:
    roaring = sys.modules.get("pyroaring")
    if roaring is not None and isinstance(given, roaring.AbstractBitMap):
        given = np.array(given.to_array(), np.int64)
    elif isinstance(given, (list, tuple)):
        given = np.asarray(given) if len(given) else np.empty(0, np.int64)
    if isinstance(given, np.ndarray):
        return _of_array(given, size, name)
    if hasattr(given, "__contains__") and not isinstance(given, (str, bytes, dict)):
        return of_function(given.__contains__, size)
    if callable(given):
        return of_function(given, size)
    raise TypeError(
        f"{name}: {type(given).__name__}, expected truth values, row numbers, packed bits, a set, a function or None"
    )


def _of_array(given: npt.NDArray[Any], size: int, name: str) -> Bits:
    if given.ndim != 1:
        raise ValueError(f"{name}: shape {given.shape}, expected one dimension")
    if given.dtype == bool:
        if len(given) != size:
            raise ValueError(f"{name}: {len(given)} truth values, expected {size}, one for each row")
        return _packed(given)
    if given.dtype == np.uint8:
        if len(given) != (size + 7) // 8:
            raise ValueError(
                f"{name}: {len(given)} bytes of packed bits, expected {(size + 7) // 8}, a bit for each row; row "
                "numbers have another dtype"
            )
        return np.ascontiguousarray(given)
    if not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"{name}: dtype {given.dtype}, expected bool, integers (row numbers) or uint8 (packed bits)")
    wrong = np.flatnonzero((given < 0) | (given >= size))
    if wrong.size:
        raise ValueError(f"{name}: row number {given[wrong[0]]} at place {wrong[0]}, expected 0 to {size - 1}")
    passing = np.zeros(size, bool)
    passing[given] = True
    return _packed(passing)


def _packed(passing: npt.NDArray[np.bool_]) -> Bits:
    return np.packbits(passing, bitorder="little")
