"""Finds and removes the leftovers of killed builds."""

from __future__ import annotations

from typing import Any

from cassata import _core, inputs
from cassata.inputs import Path
from cassata.signatures import near_names


@near_names
def clean(folder: Path, *, resumable: bool = False, dry_run: bool = False) -> list[dict[str, Any]]:
    """Removes the leftovers of killed builds: unfinished files (`.partial`) and work folders (`.build`).

    Builds with a `memory_budget` have work folders. Only leftovers of this user that no running build uses. Subfolders
    are not searched, symbolic links are not followed, and files that builds did not make are kept.

    Args:
        folder: The folder to clean.
        resumable: Also remove work folders that a build with `resume=True` can continue; otherwise they are returned
            and kept.
        dry_run: Remove nothing.

    Returns:
        The leftovers, ordered by path, each with path, what ("unfinished file" or "work folder"), bytes, and kept: None
        if it is removed (or would be), else the reason why it stays.

    Raises:
        OSError: The folder cannot be read, or something in it cannot be removed.

    Example:
        >>> cassata.clean("indexes", dry_run=True)
    """
    return _core.clean(
        inputs.file_path("folder", folder), inputs.truth("resumable", resumable), inputs.truth("dry_run", dry_run)
    )
