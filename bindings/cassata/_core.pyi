"""The engine's Index, as bindings/module.cc defines it; index.py checks and names the arguments."""

from typing import Any, Callable, Union, final

import numpy as np
import numpy.typing as npt

__version__: str
simd_target: str
default_query_cut: int
default_heap_factor: float
low_recall: float
metric_aliases: dict[str, str]
bounds: dict[str, tuple[int, int]]

class FormatError(OSError, ValueError): ...

_Progress = Union[Callable[[str, int, int], object], None]  # noqa: UP007

_Vectors = Union[str, npt.NDArray[Any], tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]]]  # noqa: UP007

_Tokens = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint64]]

def bytes_text(bytes: int) -> str: ...
def recommend(data: _Vectors, queries: _Vectors | None, progress: _Progress, **choices: object) -> dict[str, Any]: ...
def clean(folder: str, resumable: bool, dry_run: bool) -> list[dict[str, Any]]: ...
def train_two_level(
    folder: str, out_folder: str, progress: _Progress, pq_subspaces: int, n_centroids: int, num_threads: int, overwrite: bool
) -> dict[str, Any]: ...

@final
class Index:
    @staticmethod
    def open(path: str) -> Index: ...
    @staticmethod
    def build_from_file(data_path: str, path: str, progress: _Progress, **choices: object) -> Index: ...
    @staticmethod
    def build_from_array(data_vec: npt.NDArray[Any], path: str, progress: _Progress, **choices: object) -> Index: ...
    @staticmethod
    def build_from_sparse_file(data_path: str, path: str, progress: _Progress, **choices: object) -> Index: ...
    @staticmethod
    def build_from_sparse_arrays(
        components: npt.NDArray[np.uint32],
        values: npt.NDArray[np.float32],
        offsets: npt.NDArray[np.uint64],
        path: str,
        progress: _Progress,
        name: str,
        **choices: object,
    ) -> Index: ...
    @staticmethod
    def join(
        first: Index, folder: str, path: str, overwrite: bool, progress: _Progress, two_level: bool | None, pq_subspaces: int, ids: str
    ) -> Index: ...
    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        ef_search: int,
        early_exit_threshold: float,
        num_threads: int,
        k_candidates: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        tokens: _Tokens | None = None,
        sum_stages: bool = False,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]: ...
    def search_sparse(
        self,
        components: npt.NDArray[np.uint32],
        values: npt.NDArray[np.float32],
        offsets: npt.NDArray[np.uint64],
        k: int,
        ef_search: int,
        early_exit_threshold: float,
        num_threads: int,
        k_candidates: int = 100,
        alpha: float | None = None,
        beta: int | None = None,
        query_cut: int = ...,
        heap_factor: float = ...,
        tokens: _Tokens | None = None,
        sum_stages: bool = False,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]: ...
    def save(self, path: str, progress: _Progress, overwrite: bool) -> None: ...
    def verify(self, progress: _Progress) -> None: ...
    def check_touched(self) -> None: ...
    def warm(self, resident: str, lock: bool, progress: _Progress) -> None: ...
    def reloaded(self, verify: str, resident: str | None, lock: bool, progress: _Progress) -> tuple[Index, bool]: ...
    def residency(self) -> list[dict[str, Any]]: ...
    def info(self) -> dict[str, Any]: ...
    @property
    def uuid(self) -> bytes: ...
    @property
    def class_name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def default_ef_search(self) -> int: ...
    @property
    def token_dim(self) -> int: ...
    @property
    def largest_first(self) -> bool: ...
    @property
    def metric(self) -> str: ...
