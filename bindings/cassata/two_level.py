"""Token vectors made small: training of two-level codes."""

from __future__ import annotations

from typing import Any

from cassata import _core, inputs
from cassata.inputs import Path, Progress


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
    """Learns to hold token vectors in two levels, a centroid and a product-quantized residual each, and writes a collection so.

    `out_folder` then holds what `SparseMultivecTwoLevelsPQRerankIndex` is built from: doclens.npy, (documents,) int32; centroids.npy,
    (n_centroids, token_dim) float32; index_assignment.npy, (total_tokens,) uint64; pq_centroids.npy, (256 * token_dim,) float32,
    which is (pq_subspaces, 256, token_dim / pq_subspaces) flat; residuals.npy, (total_tokens, pq_subspaces) uint8. queries.npy,
    query_doclens.npy and ids.npy are copied if they are there. Both levels are learned from a sample. The collection is read twice, in
    bounded memory, and the files get their names when all are complete. The same input and arguments give the same bytes, whatever
    the threads.

    Args:
        multivec_data_folder: Holds documents.npy, (total_tokens, token_dim) or padded (documents, tokens, token_dim), float16, float32 or
            uint16 that hold float16, and doclens.npy, (documents,) integers: how many tokens each document has.
        out_folder: Another folder, which is made if it is not there.
        pq_subspaces: Pieces that a residual is cut into, and bytes that it takes; divides token_dim.
        n_centroids: None: the power of two next below 16 sqrt(total_tokens), at most 65,536.
        num_threads: 0 = all processors.
        progress: None, True for a bar on stderr, or a function of (stage, done, total), which may raise to cancel: then nothing is written.
        overwrite: Replace files of these names in `out_folder` whatever they are; else only those that a former call wrote.

    Returns:
        documents, tokens, token_dim, pq_subspaces, n_centroids; samples: tokens that were learned from; centroid_error and error:
        mean squared distance of tokens to their centroids, and to what both levels give back, as shares of the tokens' mean squared
        norm; plain_bytes_per_token and bytes_per_token: in an index, as float16 and in two levels.

    Raises:
        ValueError: An argument or a file is not what it must be.
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
