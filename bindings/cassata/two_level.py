"""Training of two-level token vectors."""

from __future__ import annotations

from typing import Any

from cassata import _core, inputs
from cassata.inputs import Path, Progress
from cassata.signatures import described


@described("two_level")
def train_two_level(
    multivec_data_folder: Path,
    out_folder: Path,
    pq_subspaces: int = 32,
    n_centroids: int | None = None,
    num_threads: int = 0,
    progress: Progress = None,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Compresses token vectors to two levels, a centroid and a product-quantized residual each.

    `out_folder` then holds the input of `SparseMultivecTwoLevelsPQRerankIndex`: doclens.npy, (documents,) int32;
    centroids.npy, (n_centroids, token_dim) float32; index_assignment.npy, (total_tokens,) uint64; pq_centroids.npy,
    (256 * token_dim,) float32, which is (pq_subspaces, 256, token_dim / pq_subspaces) flat; residuals.npy,
    (total_tokens, pq_subspaces) uint8. queries.npy, query_doclens.npy and ids.npy are copied if present. Both levels
    are trained on a sample. The collection is read twice, in bounded memory, and files appear when all are complete.
    The same input and arguments give the same bytes on any number of threads.

    Returns:
        documents, tokens, token_dim, pq_subspaces, n_centroids; samples: number of tokens in the training sample;
        centroid_error and error: mean squared distance of tokens to their centroids, and to their decoded two-level
        codes, as shares of the tokens' mean squared norm; plain_bytes_per_token and bytes_per_token: in an index, as
        float16 and in two levels.

    Raises:
        ValueError: An argument or a file is invalid.
        OSError: A file cannot be read or written.

    Example:
        >>> made = cassata.train_two_level("tokens", "small_tokens", pq_subspaces=32)
        >>> made["error"], made["bytes_per_token"]
    """
    return _core.train_two_level(
        inputs.file_path("multivec_data_folder", multivec_data_folder),
        inputs.file_path("out_folder", out_folder),
        inputs.progress_function(progress),
        pq_subspaces=pq_subspaces,
        n_centroids=n_centroids,
        num_threads=num_threads,
        overwrite=overwrite,
    )
