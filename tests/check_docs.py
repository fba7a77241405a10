#!/usr/bin/env python3
"""Links of the Markdown files resolve: `check_docs.py ROOT` checks all of them under ROOT, and the pages that sources
name.

A link leads to a file or folder in the repository, and to a heading of that page if it has a fragment. Links to the web
are not followed.
"""

import re
import sys
from pathlib import Path

LINK = re.compile(r"\[(?:[^][]|\[[^]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
PAGE = re.compile(r"\b((?:docs/)[\w./-]+\.md|[A-Z]+\.md)\b")  # as sources name one
SOURCES = {".h", ".cc", ".py", ".pyi", ".fbs", ".txt", ".toml"}
SKIPPED = {"build", "dist", "shared", "node_modules"}


def paths(root: Path) -> list[Path]:
    """Files under root, without hidden and generated folders."""
    found = []
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or path.name in SKIPPED or path.is_symlink():
            continue
        found += paths(path) if path.is_dir() else [path]
    return found


def without_code(text: str) -> str:
    """The lines outside code blocks, so that line numbers stay."""
    inside, lines = False, []
    for line in text.split("\n"):
        fence = line.lstrip().startswith("```")
        lines.append("" if inside or fence else line)
        inside ^= fence
    return "\n".join(lines)


def anchors(text: str) -> set[str]:
    """Fragments of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", without_code(text), re.MULTILINE):
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        number, name = 0, slug
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def wrong_link(root: Path, page: Path, link: str) -> str:
    """The problem of a link on a page; empty if it resolves."""
    if re.match(r"[a-z]+:", link):
        return ""
    name, _, fragment = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if root not in (target, *target.parents):
        return "leaves the repository"
    if not target.exists():
        return "no such file"
    if fragment and (target.suffix != ".md" or fragment not in anchors(target.read_text(encoding="utf-8"))):
        return f"no heading '{fragment}'"
    return ""


def check_page(root: Path, page: Path, text: str) -> list[str]:
    """Wrong links in a page's text."""
    wrong = []
    for number, line in enumerate(without_code(text).split("\n"), 1):
        for link in LINK.findall(re.sub(r"`[^`]*`(?!\])", "", line)):
            if problem := wrong_link(root, page, link):
                wrong.append(f"{page.relative_to(root)}:{number}: link '{link}': {problem}")
    return wrong


def check_source(root: Path, source: Path, text: str) -> list[str]:
    """Pages that a source names and that do not exist."""
    return [
        f"{source.relative_to(root)}:{number}: names {page}: no such file"
        for number, line in enumerate(text.split("\n"), 1)
        for page in PAGE.findall(line)
        if not (root / page).exists()
    ]


def must_fail(root: Path) -> list[str]:
    """Wrong links that the checks above accept: none, or they would pass by accident."""
    page = root / "docs" / "format.md"
    wrong = [
        "[a](nowhere.md)",
        "[a](#no-such-heading)",
        "see [a](../README.md#nowhere), and on",
        "[a](../../outside)",
        "[`a`](nowhere.md)",
    ]
    right = [
        "[a](format.md)",
        "[a](#header)",
        "[a](../README.md)",
        "[a](https://example.org/x)",
        "`[a](nowhere.md)`",
        "```\n[a](nowhere.md)\n```",
    ]
    accepted = [f"accepts {text!r}" for text in wrong if not check_page(root, page, text)]
    accepted += [f"refuses {text!r}" for text in right if check_page(root, page, text)]
    if not check_source(root, page, "docs/" + "nowhere.md"):
        accepted.append("accepts a source that names a missing page")
    return accepted


def main() -> int:
    root = Path(sys.argv[1]).resolve()
    problems = [f"check_docs.py {problem}" for problem in must_fail(root)]
    pages = 0
    for path in paths(root):
        if path.suffix == ".md":
            pages += 1
            problems += check_page(root, path, path.read_text(encoding="utf-8"))
        elif path.suffix in SOURCES:
            problems += check_source(root, path, path.read_text(encoding="utf-8"))
    print("\n".join(problems) or f"{pages} pages: all links resolve")
    return bool(problems) or pages == 0


if __name__ == "__main__":
    sys.exit(main())
