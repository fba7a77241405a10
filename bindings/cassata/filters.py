"""Conversion of filters to what `_core` takes: packed bits, one for each row."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Bits: TypeAlias = npt.NDArray[np.uint8]


def of_queries(given: Any, queries: int, size: int) -> list[Bits | None]:
    """One filter for all queries, or one for each; empty: none.

    Args:
        given: None, one filter, or a list of filters and None, one for each query.
        queries: The number of queries.
        size: The number of rows of the index.
    """
    if given is None:
        return []
    if isinstance(given, np.ndarray) and given.ndim == 2:
        given = list(given)
    if _is_list(given):
        if len(given) != queries:
            raise ValueError(f"filter: {len(given)} filters, expected one, or one for each of the {queries} queries")
        made: dict[int, Bits | None] = {}  # equal objects are converted once
        return [made.setdefault(id(one), _bits(one, size, f"filter {i}: ")) for i, one in enumerate(given)]
    return [_bits(given, size, "filter: ")]


def _is_list(given: Any) -> bool:
    """Whether it is a list of filters: neither of numbers nor of truth values."""
    if not isinstance(given, (list, tuple)):
        return False
    return any(not isinstance(one, (int, np.integer, np.bool_)) for one in given)


def _bits(given: Any, size: int, place: str) -> Bits | None:
    if given is None:
        return None
    if callable(given) and not hasattr(given, "__contains__"):
        return _packed(np.fromiter((bool(given(row)) for row in range(size)), bool, size))
    if isinstance(given, (np.ndarray, list, tuple)):
        array = np.asarray(given)
        if array.ndim != 1:
            raise ValueError(f"{place}shape {array.shape}, expected one dimension")
        if array.dtype == bool:
            if len(array) != size:
                raise ValueError(f"{place}{len(array)} truth values, expected {size}, one for each row")
            return _packed(array)
        if array.dtype == np.uint8:
            if len(array) != (size + 7) // 8:
                raise ValueError(
                    f"{place}{len(array)} bytes of packed bits, expected {(size + 7) // 8}, a bit for each row; row "
                    "numbers have another dtype"
                )
            return np.ascontiguousarray(array)
        if len(array) == 0 or np.issubdtype(array.dtype, np.integer):
            return _of_rows(array.astype(np.int64), size, place)
        raise TypeError(f"{place}dtype {array.dtype}, expected bool, uint8 (packed bits) or integers (row numbers)")
    if hasattr(given, "to_array") and type(given).__module__.split(".")[0] == "pyroaring":
        return _of_rows(np.asarray(given.to_array(), np.int64), size, place)
    if hasattr(given, "__contains__"):
        return _packed(np.fromiter((row in given for row in range(size)), bool, size))
    raise TypeError(
        f"{place}{type(given).__name__}, expected truth values, packed bits, row numbers, a set, a function or None"
    )


def _of_rows(rows: npt.NDArray[np.int64], size: int, place: str) -> Bits:
    wrong = np.flatnonzero((rows < 0) | (rows >= size))
    if wrong.size:
        raise ValueError(f"{place}row number {rows[wrong[0]]} at place {wrong[0]}, expected 0 to {size - 1}")
    passing = np.zeros(size, bool)
    passing[rows] = True
    return _packed(passing)


def _packed(passing: npt.NDArray[np.bool_]) -> Bits:
    return np.packbits(passing, bitorder="little")
