"""Packs index files for transport, and unpacks them."""

from __future__ import annotations

from cassata import _core, inputs
from cassata.inputs import Path, Progress
from cassata.signatures import near_names


@near_names
def pack(
    index: Path,
    archive: Path,
    *,
    level: int = _core.archive_level,
    num_threads: int = 0,
    overwrite: bool = False,
    progress: Progress = None,
) -> None:
    """Packs an index file into an archive, and compares every byte with its hash on the way.

    The archive is in zstd's seekable format: `unpack` and any program for zstd make the same bytes of it. It appears
    complete or not at all. Memory holds some blocks of 4 MiB.

    Args:
        index: The index file.
        archive: The file to write.
        level: Level of zstd, 1 to 22: a higher one makes a smaller archive in more time.
        num_threads: Threads; 0: all processors. The archive does not depend on it.
        overwrite: Replace any file; otherwise only an empty file or an archive of an index.
        progress: True: a bar on stderr. Or a function of (stage, done, total), called about once a second, which may
            raise to cancel.

    Raises:
        ValueError: `level` or `num_threads` is out of range.
        FormatError: The index file is damaged, or not an index.
        OSError: A file cannot be read or written.

    Example:
        >>> cassata.pack("vectors.cassata", "vectors.cassata.zst")
    """
    _core.pack(
        inputs.file_path("index", index),
        inputs.file_path("archive", archive),
        inputs.whole_number("level", level),
        inputs.whole_number("num_threads", num_threads),
        inputs.truth("overwrite", overwrite),
        inputs.progress_function(progress),
    )


@near_names
def unpack(
    archive: Path, index: Path, *, num_threads: int = 0, overwrite: bool = False, progress: Progress = None
) -> None:
    """Makes an index file of an archive that `pack` wrote.

    The file appears when all of its hashes fit. Memory holds some blocks and the table of the archive.

    Args:
        archive: The archive.
        index: The index file to write.
        num_threads: Threads; 0: all processors.
        overwrite: Replace any file; otherwise only an empty file or an index file.
        progress: As for `pack`.

    Raises:
        ValueError: `num_threads` is out of range.
        FormatError: The archive is damaged, truncated, or not one of an index.
        OSError: A file cannot be read or written.

    Example:
        >>> cassata.unpack("vectors.cassata.zst", "vectors.cassata")
    """
    _core.unpack(
        inputs.file_path("archive", archive),
        inputs.file_path("index", index),
        inputs.whole_number("num_threads", num_threads),
        inputs.truth("overwrite", overwrite),
        inputs.progress_function(progress),
    )
