#!/usr/bin/env python3
"""Writes the tables of options in docs/cli.md from the table of parameters; `--check` fails if they are stale."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from cassata import _core
from cassata.signatures import bounds_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli.md"
# "<!-- options: build -->" begins the table of a stage. Names after a minus sign are left out:
# "<!-- options: search -ef_search -->".
MARKED = re.compile(r"(<!-- options: (\w+)((?: -\w+)*) -->\n)(.*?)(<!-- end of options -->\n)", re.DOTALL)


def as_options(text: str) -> str:
    """`text` with the names of parameters as options, where these differ."""
    options = {
        row["name"]: f"`{row['option']}`"
        for row in reversed(_core.parameters)
        if row["option"].lstrip("-") != row["name"]
    }
    return re.sub(r"\b[a-z_]+\b", lambda word: options.get(word[0], word[0]), text)


def values_of(row: dict[str, Any]) -> str:
    """The valid values."""
    if row["choices"] is not None:
        return ", ".join(f"`{choice}`" for choice in row["choices"])
    if row["type"] in ("bool", "path", "bytes"):
        return {"bool": "", "path": "a file", "bytes": "bytes, as `512MiB`"}[row["type"]]
    return bounds_of(row)


def default_of(row: dict[str, Any]) -> str:
    """The default."""
    held = "" if row["default"] is None or row["type"] == "bool" else f"`{row['default']}`"
    usual = "" if row["usual"] is None else as_options(row["usual"])
    return ", else ".join(filter(None, (usual, held)))


def table_of(stage: str, without: list[str]) -> str:
    """The rows of a stage."""
    lines = ["| option | values | default | meaning |", "| --- | --- | --- | --- |"]
    for row in _core.parameters:
        if row["stage"] != stage or row["name"] in without:
            continue
        only = (
            ""
            if row["only_with"] is None
            else f". {'Used only by' if row['ignored_elsewhere'] else 'Only with'} {row['only_with']}"
        )
        lines.append(f"| `{row['option']}` | {values_of(row)} | {default_of(row)} | {as_options(row['help'])}{only} |")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """`page` with all tables rewritten."""
    return MARKED.sub(lambda found: found[1] + table_of(found[2], found[3].replace("-", "").split()) + found[5], page)


def main() -> int:
    """The exit code."""
    page = PAGE.read_text(encoding="utf-8")
    new = written(page)
    if sys.argv[1:] == ["--check"]:
        if new != page:
            print(f"{PAGE}: not up to date, run {Path(__file__).name}", file=sys.stderr)
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
