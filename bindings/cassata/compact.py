"""The classes for sparse vectors in fewer bytes, named and called as kANNolo's."""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable, ClassVar, TypeVar

import numpy.typing as npt

from cassata.index import Self
from cassata.inputs import Path, Progress, SparseMatrix, Verify, graph_choices
from cassata.sparse import SparseIndex, SparsePlainHNSW, from_arrays, from_file

_F = TypeVar("_F", bound="_Fixed")
_Method = TypeVar("_Method", bound=Callable[..., object])


def _told_as(other: Any) -> Callable[[_Method], _Method]:
    """Gives a method's docstring the section on its arguments, from that of a method that has them all."""

    def tell(method: _Method) -> _Method:
        if other.__doc__ and method.__doc__:  # Python can be told to keep none
            arguments = other.__doc__.partition("Args:\n")[2].partition("\n\n")[0]
            told = {text.split(":")[0].strip(): text for text in re.split(r"\n(?= {12}\w)", arguments)}
            lines = [told[name] for name in inspect.signature(method).parameters if name != "cls"]
            method.__doc__ += "\n\n        Args:\n" + "\n".join(lines) + "\n        "
        return method

    return tell


class _Fixed(SparseIndex):
    """Sparse vectors with fixed-point values under an HNSW graph."""

    _encoding: ClassVar[str]

    @classmethod
    @_told_as(SparsePlainHNSW.load)
    def load(  # type: ignore[override]  # kANNolo's order is another than that of `SparsePlainHNSW`
        cls: type[Self],
        path: Path,
        metric: str | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self:
        """Opens an index file of this class: as `SparsePlainHNSW.load`, with `metric` before `graph_type`."""
        return super().load(path, graph_type, metric, dtype, dim, verify, resident=resident, lock=lock, progress=progress)

    @classmethod
    @_told_as(SparsePlainHNSW.build_from_file)
    def build_from_file(
        cls: type[_F],
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> _F:
        """Builds from a file of sparse vectors: as `SparsePlainHNSW.build_from_file`, with `metric` before `graph_type`."""
        build = from_file(data_file, path)
        return cls._build(
            build,
            path,
            overwrite,
            num_threads,
            progress,
            **graph_choices(metric, cls._encoding, m, ef_construction, graph_type, memory_budget, resume),
        )

    @classmethod
    @_told_as(SparsePlainHNSW.build_from_arrays)
    def build_from_arrays(
        cls: type[_F],
        components: npt.ArrayLike | SparseMatrix,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> _F:
        """Builds from compressed rows: as `SparsePlainHNSW.build_from_arrays`, with `metric` before `graph_type`."""
        build = from_arrays(components, values, offsets)
        return cls._build(
            build,
            path,
            overwrite,
            num_threads,
            progress,
            **graph_choices(metric, cls._encoding, m, ef_construction, graph_type, memory_budget, resume),
        )


class SparseFixedU8HNSW(_Fixed, holds="SparseFixedU8HNSW"):
    """Sparse vectors with values of one byte under an HNSW graph: whole numbers times a scale of the vector's own.

    A value is off by at most 1/510 of its vector's largest (1/254 where the vector has negative ones). Small whole numbers, and their
    halves, quarters and so on, are exact.
    """

    _encoding = "fixedu8"


class SparseFixedU16HNSW(_Fixed, holds="SparseFixedU16HNSW"):
    """As `SparseFixedU8HNSW` with values of two bytes: they are off by at most 1/131,070 of the largest (1/65,534)."""

    _encoding = "fixedu16"


class SparseDotVByteHNSW(SparseIndex, holds="SparseDotVByteHNSW"):
    """Sparse vectors of 2.3 bytes an entry under an HNSW graph, for the dot product: packed components, values as of `SparseFixedU8HNSW`.

    An entry takes one byte for its value, one for its component and some two bits, as long as components are below 65,536; beyond, one or
    two bytes more. The class is also called `SparseDotPacking8HNSW`.
    """

    @classmethod
    @_told_as(SparsePlainHNSW.build_from_file)
    def build_from_file(
        cls,
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparseDotVByteHNSW:
        """Builds from a file of sparse vectors: as `SparsePlainHNSW.build_from_file`; `metric` can only be "dotproduct"."""
        build = from_file(data_file, path)
        return cls._build(
            build,
            path,
            overwrite,
            num_threads,
            progress,
            **graph_choices(metric, "dotvbyte", m, ef_construction, graph_type, memory_budget, resume),
        )

    @classmethod
    @_told_as(SparsePlainHNSW.build_from_arrays)
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> SparseDotVByteHNSW:
        """Builds from compressed rows: as `SparsePlainHNSW.build_from_arrays`; `metric` can only be "dotproduct"."""
        build = from_arrays(components, values, offsets)
        return cls._build(
            build,
            path,
            overwrite,
            num_threads,
            progress,
            **graph_choices(metric, "dotvbyte", m, ef_construction, graph_type, memory_budget, resume),
        )


SparseDotPacking8HNSW = SparseDotVByteHNSW
