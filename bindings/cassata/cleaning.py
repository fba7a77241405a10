"""What killed builds left, found and removed."""

from __future__ import annotations

from typing import Any

from cassata import _core, inputs
from cassata.inputs import Path


def clean(folder: Path, *, resumable: bool = False, dry_run: bool = False) -> list[dict[str, Any]]:
    """Removes what killed builds left: unfinished files (`.partial`) and work folders of builds with a `memory_budget` (`.build`).

    Only those of this user that no build is at work on. Folders in `folder` are not looked into, links are not followed, and files
    that builds did not make stay.

    Args:
        folder: Where indexes are built.
        resumable: Also remove work folders that a build with `resume=True` could go on with; else they are returned, and stay.
        dry_run: Remove nothing.

    Returns:
        What was found, ordered by path, each with path, what ("unfinished file" or "work folder"), bytes, and kept: None if it is
        removed (or would be), else why it stays.

    Raises:
        OSError: The folder cannot be read, or something in it cannot be removed.

    Example:
        >>> cassata.clean("indexes", dry_run=True)
    """
    return _core.clean(inputs.file_path("folder", folder), inputs.truth("resumable", resumable), inputs.truth("dry_run", dry_run))
