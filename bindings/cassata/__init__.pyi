# Written by tools/generate.py.
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from cassata._core import FormatError as FormatError
from cassata._core import __version__ as __version__
from cassata._core import simd_target as simd_target
from cassata.cleaning import clean as clean
from cassata.columns import FieldColumns, FieldValues, Ids
from cassata.filters import Filter, Filters
from cassata.index import RecallWarning as RecallWarning
from cassata.inputs import Data, Documents, Path, Progress, Queries, SparseMatrix, Tokens, Verify
from cassata.inputs import SparseRows as SparseRows
from cassata.packing import pack as pack
from cassata.packing import unpack as unpack
from cassata.recommendation import Recommendation as Recommendation
from cassata.recommendation import recommend as recommend
from cassata.renamed import install_as as install_as
from cassata.two_level import train_two_level as train_two_level

__all__ = [
    "DenseFlatIndex",
    "DenseMultivecRerankIndex",
    "DensePQHNSW",
    "DensePlainHNSW",
    "DenseRerankHNSW",
    "FormatError",
    "Index",
    "RecallWarning",
    "Recommendation",
    "SparseDotPacking8HNSW",
    "SparseDotVByteHNSW",
    "SparseFixedU8HNSW",
    "SparseFixedU16HNSW",
    "SparseFlatIndex",
    "SparseMultivecRerankIndex",
    "SparseMultivecTwoLevelsPQRerankIndex",
    "SparsePlainHNSW",
    "SparsePostingsIndex",
    "SparseRerankHNSW",
    "SparseRows",
    "__version__",
    "build",
    "clean",
    "install_as",
    "open",
    "pack",
    "recommend",
    "simd_target",
    "train_two_level",
    "unpack",
]

_Hits: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[Any]]

class Index:
    def __init__(self, *arguments: object, **named: object) -> None: ...
    @classmethod
    def build(
        cls,
        data: Data,
        path: Path | None = None,
        *,
        kind: str = "hnsw",
        metric: str = "dotproduct",
        dtype: str | None = None,
        navigation: str | None = None,
        graph_type: str = "permuted",
        m: int = 32,
        ef_construction: int = 200,
        n_postings: int = 0,
        summary_energy: float = 1.0,
        n_knn: int = 0,
        rerank: str | None = None,
        rerank_bits: int | None = None,
        prune_percentage: float | None = None,
        residual: bool = False,
        m_pq: int | None = None,
        opq: bool = False,
        bits: int | None = None,
        ef_search: int | None = None,
        memory_budget: int | str | None = None,
        resume: bool = False,
        overwrite: bool = False,
        num_threads: int = 0,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        filter: Filter | None = None,
        progress: Progress = None,
    ) -> Index: ...
    @classmethod
    def open(
        cls,
        path: Path,
        *,
        verify: Verify = False,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    def search(
        self,
        queries: Queries,
        *,
        tokens: Tokens | None = None,
        filter: Filters | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        k_candidates: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        sum_stages: bool = False,
        num_threads: int = 0,
    ) -> _Hits: ...
    def join(
        self,
        tokens: Path,
        path: Path | None = None,
        *,
        pq_subspaces: int | None = None,
        two_level: bool | None = None,
        ids: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Index: ...
    def save(self, path: Path, *, progress: Progress = None, overwrite: bool = False) -> None: ...
    def verify(self, *, progress: Progress = None) -> None: ...
    def warm(self, *, resident: str = "hot", lock: bool = False, progress: Progress = None) -> None: ...
    def residency(self) -> dict[str, Any]: ...
    def reload(
        self, *, verify: Verify = True, resident: str | None = None, lock: bool = False, progress: Progress = None
    ) -> bool: ...
    @property
    def ids(self) -> npt.NDArray[Any]: ...
    def row(self, id: int | str) -> int: ...
    def documents(self, ids: Iterable[int] | Iterable[str]) -> list[str] | list[bytes]: ...
    def vectors(self, ids: Iterable[int] | Iterable[str]) -> Any: ...
    @property
    def fields(self) -> FieldValues: ...
    def rows_where(self, condition: dict[str, Any]) -> npt.NDArray[np.int64]: ...
    @property
    def n(self) -> int: ...
    @property
    def token_dim(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    @property
    def uuid(self) -> str: ...
    @property
    def info(self) -> dict[str, Any]: ...
    def space_usage_bytes(self) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def __len__(self) -> int: ...
    def __repr__(self) -> str: ...
    def __reduce__(self) -> tuple[object, ...]: ...

class DenseFlatIndex(Index):
    @classmethod
    def build_from_file(
        cls,
        data_path: Path,
        metric: str = "dotproduct",
        *,
        dtype: str | None = "f32",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        metric: str = "dotproduct",
        *,
        dtype: str | None = "f32",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
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
    ) -> Self: ...
    def search(  # type: ignore[override]
        self,
        queries: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        num_threads: int = 0,
        *,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        filter: Filters | None = None,
    ) -> _Hits: ...

class DensePlainHNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_path: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        dtype: str | None = "f32",
        navigation: str | None = None,
        bits: int | None = None,
        layout: str | None = None,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        dtype: str | None = "f32",
        navigation: str | None = None,
        bits: int | None = None,
        layout: str | None = None,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        metric: str | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        m_pq: int | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        navigation: str | None = None,
        bits: int | None = None,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    def search(  # type: ignore[override]
        self,
        queries: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def search_filtered(
        self,
        query: npt.ArrayLike | None,
        k: int,
        predicate: Callable[[int], object],
        ef_search: int | None = 100,
        early_exit_threshold: float = 0.0,
    ) -> _Hits: ...
    def build_acorn_gamma(self, gamma: int) -> None: ...
    def search_filtered_gamma(
        self,
        query: npt.ArrayLike | None,
        k: int,
        predicate: Callable[[int], object],
        ef_search: int | None = 100,
        early_exit_threshold: float = 0.0,
    ) -> _Hits: ...

class DensePQHNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_path: Path,
        m_pq: int | None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        opq: bool = False,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        m_pq: int | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        opq: bool = False,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        m_pq: int | None = None,
        metric: str | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        opq: bool | None = None,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    def search(  # type: ignore[override]
        self,
        queries: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...

class DenseRerankHNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_path: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        encoder: str = "pq",
        pq_subspaces: int | None = None,
        rabitq_total_bits: int = 4,
        rabitq_query_bits: int = 1,
        rerank_bits: int | None = 0,
        residual_rerank: bool = False,
        *,
        dtype: str | None = None,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_array(
        cls,
        data_vec: npt.ArrayLike,
        dim: int | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        encoder: str = "pq",
        pq_subspaces: int | None = None,
        rabitq_total_bits: int = 4,
        rabitq_query_bits: int = 1,
        rerank_bits: int | None = 0,
        residual_rerank: bool = False,
        *,
        dtype: str | None = None,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        metric: str | None = None,
        graph_type: str | None = None,
        encoder: str | None = None,
        pq_subspaces: int | None = None,
        rabitq_query_bits: int | None = None,
        rerank_bits: int | None = None,
        residual_rerank: bool | None = None,
        *,
        rabitq_total_bits: int | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    def search(  # type: ignore[override]
        self,
        queries: npt.ArrayLike | None = None,
        k: int = 10,
        k_candidates: int = 100,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def batch_search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        k_candidates: int = 100,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def set_query_bits(self: Index, bits: int) -> None: ...

class SparseFlatIndex(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        *,
        metric: str = "dotproduct",
        dtype: str | None = "f32",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        *,
        metric: str = "dotproduct",
        dtype: str | None = "f32",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        graph_type: str | None = None,
        metric: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        num_threads: int = 0,
        *,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        num_threads: int = 0,
        *,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        num_threads: int = 0,
        *,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparsePostingsIndex(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        n_postings: int = 0,
        summary_energy: float = 1.0,
        n_knn: int = 0,
        *,
        metric: str = "dotproduct",
        dtype: str | None = "f16",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
        m: int | None = None,
        ef_construction: int | None = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        n_postings: int = 0,
        summary_energy: float = 1.0,
        n_knn: int = 0,
        *,
        metric: str = "dotproduct",
        dtype: str | None = "f16",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
        m: int | None = None,
        ef_construction: int | None = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        graph_type: str | None = None,
        metric: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        query_cut: int = 12,
        heap_factor: float = 1.0,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparsePlainHNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        dtype: str | None = "f16",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        dtype: str | None = "f16",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        graph_type: str | None = None,
        metric: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparseFixedU8HNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
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
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparseFixedU16HNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        metric: str = "dotproduct",
        graph_type: str = "permuted",
        *,
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
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
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparseDotVByteHNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        m: int = 32,
        ef_construction: int = 200,
        graph_type: str = "permuted",
        *,
        metric: str = "dotproduct",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        graph_type: str | None = None,
        metric: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        offsets: npt.ArrayLike | None = None,
        k: int = 10,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k: int,
        ef_search: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparseRerankHNSW(Index):
    @classmethod
    def build_from_file(
        cls,
        data_file: Path,
        prune_percentage: float | None,
        m: int = 32,
        ef_construction: int = 200,
        first_stage_value_type: str = "f16",
        graph_type: str = "permuted",
        residual_rerank: bool = False,
        *,
        second_stage_value_type: str = "f16",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def build_from_arrays(
        cls,
        components: npt.ArrayLike | SparseMatrix | SparseRows,
        values: npt.ArrayLike | None = None,
        offsets: npt.ArrayLike | None = None,
        prune_percentage: float | None = None,
        m: int = 32,
        ef_construction: int = 200,
        first_stage_value_type: str = "f16",
        graph_type: str = "permuted",
        residual_rerank: bool = False,
        *,
        second_stage_value_type: str = "f16",
        ids: Ids | None = None,
        fields: FieldColumns | None = None,
        documents: Documents | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        memory_budget: int | str | None = None,
        resume: bool = False,
        num_threads: int = 0,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        first_stage_value_type: str | None = None,
        graph_type: str | None = None,
        residual_rerank: bool | None = None,
        prune_percentage: float | None = None,
        second_stage_value_type: str | None = None,
        dim: int | None = None,
        verify: Verify = False,
        metric: str | None = None,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        sparse_offsets: npt.ArrayLike | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k_candidates: int,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 1,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        sparse_offsets: npt.ArrayLike | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        k_candidates: int,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        *,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparseMultivecRerankIndex(Index):
    @classmethod
    def build_from_file(
        cls,
        sparse_index_path: Path,
        multivec_data_folder: Path,
        *,
        ids: Path | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        pq_subspaces: int | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        token_dim: int | None = None,
        verify: Verify = False,
        metric: str | None = None,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        sparse_offsets: npt.ArrayLike | None = None,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        multivec_queries: npt.ArrayLike | None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        residuals: bool = False,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        sparse_offsets: npt.ArrayLike | None = None,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        residuals: bool = False,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        multivec_queries: npt.ArrayLike | None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        residuals: bool = False,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...

class SparseMultivecTwoLevelsPQRerankIndex(Index):
    @classmethod
    def build_from_file(
        cls,
        sparse_index_path: Path,
        multivec_data_folder: Path,
        pq_subspaces: int | None = None,
        *,
        ids: Path | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        pq_subspaces: int | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        token_dim: int | None = None,
        verify: Verify = False,
        metric: str | None = None,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @overload  # type: ignore[override]
    def search(
        self,
        query_components: SparseMatrix | SparseRows,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        sparse_offsets: npt.ArrayLike | None = None,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        multivec_queries: npt.ArrayLike | None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: SparseMatrix | SparseRows,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        residuals: bool = False,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        sparse_offsets: npt.ArrayLike | None = None,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        residuals: bool = False,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    @overload
    def batch_search(
        self,
        query_components: npt.ArrayLike,
        query_values: npt.ArrayLike | None,
        multivec_queries: npt.ArrayLike | None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        num_threads: int = 0,
        residuals: bool = False,
        *,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...

class DenseMultivecRerankIndex(Index):
    @classmethod
    def build_from_file(
        cls,
        dense_index_path: Path,
        multivec_data_folder: Path,
        pq_subspaces: int | None = None,
        *,
        two_level: bool | None = None,
        ids: Path | None = None,
        path: Path | None = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    @classmethod
    def load(
        cls,
        path: Path,
        pq_subspaces: int | None = None,
        graph_type: str | None = None,
        dtype: str | None = None,
        dim: int | None = None,
        token_dim: int | None = None,
        verify: Verify = False,
        metric: str | None = None,
        *,
        resident: str | None = None,
        lock: bool = False,
        progress: Progress = None,
    ) -> Self: ...
    def search(  # type: ignore[override]
        self,
        queries: npt.ArrayLike | None = None,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        residuals: bool = False,
        num_threads: int = 1,
        *,
        query_doclens: npt.ArrayLike | None = None,
        query: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...
    def batch_search(
        self,
        queries: npt.ArrayLike,
        multivec_queries: npt.ArrayLike | None = None,
        n_tokens: int | None = None,
        token_dim: int | None = None,
        k_candidates: int = 100,
        k: int = 10,
        ef_search: int | None = 100,
        alpha: float | None = None,
        beta: int | None = None,
        early_exit_threshold: float = 0.0,
        *,
        num_threads: int = 0,
        residuals: bool = False,
        query_doclens: npt.ArrayLike | None = None,
        filter: Filters | None = None,
    ) -> _Hits: ...

SparseDotPacking8HNSW = SparseDotVByteHNSW

def build(
    data: Data,
    path: Path | None = None,
    *,
    kind: str = "hnsw",
    metric: str = "dotproduct",
    dtype: str | None = None,
    navigation: str | None = None,
    graph_type: str = "permuted",
    m: int = 32,
    ef_construction: int = 200,
    n_postings: int = 0,
    summary_energy: float = 1.0,
    n_knn: int = 0,
    rerank: str | None = None,
    rerank_bits: int | None = None,
    prune_percentage: float | None = None,
    residual: bool = False,
    m_pq: int | None = None,
    opq: bool = False,
    bits: int | None = None,
    ef_search: int | None = None,
    memory_budget: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    num_threads: int = 0,
    ids: Ids | None = None,
    fields: FieldColumns | None = None,
    documents: Documents | None = None,
    filter: Filter | None = None,
    progress: Progress = None,
) -> Index: ...
def open(
    path: Path, *, verify: Verify = False, resident: str | None = None, lock: bool = False, progress: Progress = None
) -> Index: ...
