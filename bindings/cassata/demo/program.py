"""The demo from command line to answers: builds once, measures, answers."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path

import numpy as np

import cassata
from cassata.demo import measure, store, texts
from cassata.demo.latent import LatentSpace

_MEASURED_QUERIES = 1000
_ANSWERS = 5


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    about = "Search in the descriptions of the packages that this machine can install."
    parser = argparse.ArgumentParser(prog="cassata demo", description=about)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cassata" / "demo"
    parser.add_argument("question", nargs="*", help="what to look for; without one, the demo asks, or takes its own if nobody can type")
    parser.add_argument("--folder", type=Path, default=cache, help="where vectors and index are kept (%(default)s)")
    parser.add_argument("--lists", type=Path, default=texts.PACKAGE_LISTS, help="apt's package lists (%(default)s)")
    parser.add_argument("--limit", type=_positive, metavar="N", help="take only N texts, evenly spread")
    parser.add_argument("--fresh", action="store_true", help="make vectors and index anew")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def report(entry: store.Entry, source: texts.Source, reused: bool, names: list[tuple[str, str]], space: LatentSpace) -> str:
    """What was built and measured, a line each."""
    some = np.random.default_rng(1).permutation(len(names))[:_MEASURED_QUERIES]
    queries = space.project(names[i][1] for i in some)
    m = measure.measure(entry.index_path, entry.vectors_path, queries, entry.folder)
    with cassata.open(entry.index_path) as index:
        info = index.info
    facts, graph = entry.facts, info["graph"]
    seen, held = m.seen_bytes, m.held_bytes
    lines = {
        "texts": f"{info['n']:,} {source.about}",
        "vectors": f"{info['n']:,} x {info['dim']}, from TF-IDF over {facts['words']:,} words by a randomized SVD,"
        f" in {facts['vector_seconds']:.1f} s",
        "index": f"{info['class']}, m {graph['m']}, ef_construction {graph['ef_construction']}, built in {facts['build_seconds']:.1f} s"
        f" ({info['n'] / facts['build_seconds']:,.0f} rows/s)",
        "file": f"{_mb(info['file_size'])}: {entry.index_path}" + (" (kept from an earlier run)" if reused else ""),
        "load": f"{1000 * m.load_seconds:.2f} ms here, {1000 * m.second_load_seconds:.2f} ms in a second process",
        f"recall@{measure.K}": f"{m.recall:.4f} against exact search, over {m.queries:,} short descriptions as queries",
        "speed": f"{m.queries_per_second:,.0f} queries/s in one thread",
        "memory": f"two processes see {_mb(seen[0])} and {_mb(seen[1])} of the file and share them: {_mb(held)} in all",
    }
    return "".join(f"  {name:<10} {text}\n" for name, text in lines.items())


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def answer(question: str, index: cassata.DenseFlatIndex | cassata.DensePlainHNSW, space: LatentSpace, names: list[tuple[str, str]]) -> str:
    """The texts closest to the question, a line each."""
    vector = space.project([question])[0]
    if not vector.any():
        return "  no text has a word of this question\n"
    scores, ids = index.search(vector, k=_ANSWERS)
    width = max(len(names[i][0]) for i in ids)
    return "".join(f"  {score:.2f}  {names[i][0]:<{width}}  {names[i][1]}\n" for score, i in zip(scores, ids))


def questions(asked: list[str], built_in: tuple[str, ...]) -> list[str] | None:
    """Those to answer, or None if a person is there to type them."""
    if asked:
        return asked
    return None if sys.stdin.isatty() and sys.stdout.isatty() else list(built_in)


def run(options: argparse.Namespace) -> None:
    """The whole demo."""
    source = texts.find_source(options.lists)
    entry, reused = store.entry(options.folder, source, options.limit, options.fresh)
    names, space = entry.texts(), entry.space()
    print(report(entry, source, reused, names, space), flush=True)
    with cassata.DensePlainHNSW.load(entry.index_path) as index:
        listed = questions(options.question, source.questions)
        if listed is not None:
            for question in listed:
                print(f"> {question}\n{answer(question, index, space, names)}", flush=True)
            return
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # lets input() edit its line
        print("Ask for something, e.g. '" + "' or '".join(source.questions[:2]) + "'; an empty line ends.")
        while question := input("> ").strip():
            print(answer(question, index, space, names))


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
    except (OSError, ValueError, cassata.FormatError) as error:
        print(f"cassata demo: {error}", file=sys.stderr)
        sys.exit(2)
