"""What callers pass becomes what the engine takes, or an error that names the argument, what was found and what was expected."""

from __future__ import annotations

import math
import operator
import os
import sys
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt

Progress = Union[None, bool, Callable[[str, int, int], object]]
Path = Union[str, "os.PathLike[str]"]

_FLOAT32 = np.dtype(np.float32)
_STREAMED = frozenset(map(np.dtype, ("f4", "f2", "f8", "u1", "i1")))  # read by the engine as they lie
_METRIC_ALIASES = {"ip": "dotproduct", "l2": "euclidean"}  # as kANNolo calls them, too
_MAX_THREADS = 4096
_BYTES_PER_RESULT = 12  # a float32 and an int64


def queries_matrix(queries: npt.ArrayLike, dim: int) -> npt.NDArray[np.float32]:
    """`queries` as C-contiguous float32 of shape (rows, dim): its own memory if it is laid out so, else a copy."""
    if type(queries) is np.ndarray and queries.dtype == _FLOAT32 and queries.flags.c_contiguous and queries.flags.aligned:
        array = queries
    else:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes an infinity, which the engine reports with its row
            array = np.require(_numbers("queries", queries), np.float32, ["C", "A"])
    if array.ndim == 1:
        if dim == 0 or array.size % dim:
            raise ValueError(f"queries: {array.size} numbers, expected {dim} (the index's dim) or a multiple of it")
        return array.reshape(-1, dim)
    if array.ndim != 2 or array.shape[1] != dim:
        raise ValueError(f"queries: shape {array.shape}, expected ({dim},) or (number of queries, {dim})")
    return array


def collection_matrix(data_vec: npt.ArrayLike, dim: int | None) -> npt.NDArray[Any]:
    """`data_vec` as (rows, dim) in a type that the engine streams: its own memory, whatever its strides, unless of another type."""
    array = _numbers("data_vec", data_vec)
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
    if array.dtype in _STREAMED:
        return array
    native = array.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):
        return array.astype(native if native in _STREAMED else _FLOAT32)


def _numbers(name: str, data: Any) -> npt.NDArray[Any]:
    if data is None or isinstance(data, (str, bytes)):
        raise TypeError(f"{name}: {data!r:.60} given, expected an array of numbers")
    if isinstance(data, np.ma.MaskedArray):
        raise ValueError(f"{name}: a masked array, expected every number to be there")
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(f"{name}: rows of different lengths, expected a rectangular array ({error})") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: dtype {array.dtype}, expected real numbers, such as float32")
    return array


def whole_number(name: str, value: Any, minimum: int = 0, maximum: int = 2**32 - 1) -> int:
    """`value` as an int within bounds."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r:.60} given, expected a whole number") from None
    if not minimum <= number <= maximum:
        raise ValueError(f"{name}: {number:.20g} given, expected a whole number from {minimum} to {maximum}")
    return number


def threads(num_threads: Any) -> int:
    """`num_threads`, 0 for all processors."""
    return whole_number("num_threads", num_threads, 0, _MAX_THREADS)


def count(name: str, value: Any) -> int:
    """A number of results or candidates: any that is not negative."""
    return whole_number(name, value, 0, sys.maxsize)


def threshold(early_exit_threshold: Any) -> float:
    """Lambda: 0 for None; its bounds are the engine's to check."""
    if early_exit_threshold is None:
        return 0.0
    try:
        return float(early_exit_threshold)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        raise TypeError(f"early_exit_threshold: {early_exit_threshold!r:.60} given, expected a number from 0 to 0.5 or None") from None


def word(name: str, value: object) -> str:
    """A choice by name, in small letters; which there are is the engine's to say."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r:.60} given, expected a string")
    value = value.lower()
    return _METRIC_ALIASES.get(value, value) if name == "metric" else value


def file_path(name: str, path: Any) -> str:
    """`path` as an absolute path, so that it means the same after os.chdir and in another process."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{name}: {path!r:.60} given, expected a path") from None
    if not text or "\0" in text:
        raise ValueError(f"{name}: {text!r:.60} given, expected the path of a file")
    return os.path.abspath(text)


def results_fit(rows: int, k: int) -> None:
    """Refuses results that this machine could not hold."""
    needed, memory = rows * k * _BYTES_PER_RESULT, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise ValueError(f"k: {k} results for each of {rows} queries need {needed} bytes, this machine has {memory}")


def progress_function(progress: Any) -> Callable[[str, int, int], object] | None:
    """The function to be told of progress, or None."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _Bar()
    if not callable(progress):
        raise TypeError(f"progress: {progress!r:.60} given, expected None, True or a function of (stage, done, total)")
    return progress  # type: ignore[no-any-return]


class _Bar:
    """A progress bar on stderr, a line for each stage."""

    def __init__(self) -> None:
        self.stage, self.percent = "", -1

    def __call__(self, stage: str, done: int, total: int) -> None:
        percent = math.floor(100 * done / total) if total else 100
        if (stage, percent) == (self.stage, self.percent):
            return
        if self.stage not in ("", stage) and self.percent < 100:
            sys.stderr.write("\n")
        self.stage, self.percent = stage, percent
        sys.stderr.write(f"\r{stage:<20} [{'#' * (percent // 4):<25}] {percent:3d} %" + ("\n" if percent >= 100 else ""))
        sys.stderr.flush()
