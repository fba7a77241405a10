"""The demo from command line to answers: builds once, measures, answers."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from demo import bm25, measure, store, texts
from demo.latent import Floats

_MEASURED_QUERIES = 1000
_ANSWERS = 5
_COLUMNS = 100
_SHARED = store.KINDS[1]  # what two processes open at once


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    about = "Search in the descriptions of the packages that this machine can install."
    parser = argparse.ArgumentParser(prog="demo", description=about)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cassata" / "demo"
    parser.add_argument(
        "question", nargs="*", help="the question; without one, the demo asks on a terminal, else answers its own"
    )
    parser.add_argument("--folder", type=Path, default=cache, help="folder for vectors and indexes (%(default)s)")
    parser.add_argument("--lists", type=Path, default=texts.PACKAGE_LISTS, help="apt's package lists (%(default)s)")
    parser.add_argument("--limit", type=_positive, metavar="N", help="take only N texts, evenly spread")
    parser.add_argument("--fresh", action="store_true", help="make vectors and indexes again")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def report(entry: store.Entry, source: texts.Source, reused: bool, names: list[tuple[str, str]]) -> str:
    """The report of builds and measurements."""
    facts = entry.facts
    seconds = facts["seconds"]
    some = np.random.default_rng(1).permutation(len(names))[:_MEASURED_QUERIES]
    queries = entry.queries(names[i][1] for i in some)
    lines = {
        "texts": f"{len(names):,} {source.about}",
        "words": f"{facts['words']:,} that texts have in common, counted in {seconds['words']:.1f} s",
        "dense": f"{facts['dim']} dimensions, from TF-IDF by a randomized SVD in {seconds[store.DENSE]:.1f} s",
        "BM25": f"{facts['words_a_text']:.1f} words a text, k1 {bm25.K1}, b {bm25.B}, in {seconds[store.SPARSE]:.2f} s",
        "files": f"{entry.folder}" + (" (kept from an earlier run)" if reused else ""),
    }
    table = _table(entry, queries)
    graphs = ((kind.title, info["graph"]) for kind in store.KINDS if (info := entry.info(kind))["graph"])
    shared = measure.share(entry.path(_SHARED), queries[_SHARED.vectors], entry.folder)
    seen = " and ".join(map(_mb, shared.seen_bytes))
    after = {
        "recall": f"against exact search; queries: {len(some):,} short descriptions, answered in one thread",
        "graphs": "; ".join(
            f"{title}: m {graph['m']}, ef_construction {graph['ef_construction']}" for title, graph in graphs
        ),
        "load": f"{1000 * shared.load_seconds:.2f} ms in a second process, of the {_SHARED.title}",
        "memory": f"two processes see {seen} of the {_SHARED.title} and share them: {_mb(shared.held_bytes)} in all",
    }
    return f"{_listed(lines)}\n{table}\n{_listed(after)}"


def _listed(lines: dict[str, str]) -> str:
    return "".join(f"  {name:<8} {text}\n" for name, text in lines.items())


def _table(entry: store.Entry, queries: dict[str, Any]) -> str:
    """A table of the indexes."""
    rows = [("", "class", "built in", "file", "opens in", f"recall@{measure.K}", "queries/s")]
    exact: dict[str, Floats] = {}
    for kind in store.KINDS:
        m, info = measure.measure(partial(entry.open, kind), queries[kind.vectors]), entry.info(kind)
        recall = measure.recall(m.scores, exact.setdefault(kind.vectors, m.scores))
        costs = f"{entry.facts['seconds'][kind.title]:.1f} s", _mb(info["file_size"]), f"{1000 * m.load_seconds:.2f} ms"
        rows.append((kind.title, info["class"], *costs, f"{recall:.4f}", f"{m.queries_per_second:,.0f}"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ((f"{cell:{'<' if i < 2 else '>'}{widths[i]}}" for i, cell in enumerate(row)) for row in rows)
    return "".join(f"  {'  '.join(line).rstrip()}\n" for line in lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def answer(question: str, entry: store.Entry, indexes: list[Any], names: list[tuple[str, str]]) -> str:
    """The texts closest to the question, one per line, with their scores in the indexes that find them."""
    queries = entry.queries([question])
    if not queries[store.SPARSE].nnz:
        return "  no text has a word of this question\n"
    found = []
    for kind, index in zip(store.KINDS, indexes):
        scores, ids = index.search(queries[kind.vectors], k=_ANSWERS)
        found.append({i: score for i, score in zip(ids.tolist(), scores.tolist()) if score > 0})
    shown = list(dict.fromkeys(i for one in found for i in one))
    width = max((len(names[i][0]) for i in shown), default=0)
    lines = ["".join(f"{word:>7}" for word in words) for words in zip(*(kind.title.split() for kind in store.KINDS))]
    for i in shown:
        scores = "".join(f"{one[i]:7.2f}" if i in one else f"{'-':>7}" for one in found)
        lines.append(f"{scores}  {names[i][0]:<{width}}  {names[i][1]}")
    return "".join(f"{_cut(line)}\n" for line in lines)


def _cut(line: str) -> str:
    return line if len(line) <= _COLUMNS else line[: _COLUMNS - 3] + "..."


def questions(asked: list[str], built_in: tuple[str, ...]) -> list[str] | None:
    """The questions to answer, or None if standard input is a terminal."""
    if asked:
        return asked
    return None if sys.stdin.isatty() and sys.stdout.isatty() else list(built_in)


def run(options: argparse.Namespace) -> None:
    """The whole demo."""
    source = texts.find_source(options.lists)
    entry, reused = store.entry(options.folder, source, options.limit, options.fresh)
    names = entry.texts()
    print(report(entry, source, reused, names), flush=True)
    with contextlib.ExitStack() as opened:
        indexes = [opened.enter_context(entry.open(kind)) for kind in store.KINDS]
        listed = questions(options.question, source.questions)
        if listed is not None:
            for question in listed:
                print(f"> {question}\n{answer(question, entry, indexes, names)}", flush=True)
            return
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # lets input() edit its line
        print("Ask for something, e.g. '" + "' or '".join(source.questions[:2]) + "'; an empty line ends.")
        while question := input("> ").strip():
            print(answer(question, entry, indexes, names))


def main() -> None:
    """Runs the demo; a failure is one line on stderr and exit code 2."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough
    options = arguments()
    try:
        run(options)
    except EOFError:
        print()
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(2)
