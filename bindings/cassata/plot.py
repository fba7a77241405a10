"""Draws the output of ``cassata bench --json``: recall against queries per second, a curve for each index.

``python -m cassata.plot FORMAT < report.json > picture``, where FORMAT is png, svg or pdf. Needs matplotlib: ``pip
install matplotlib``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any, BinaryIO, NoReturn

_MARKERS = "osD^vP*X"
_NUMBER = (int, float)
_REPORT = {"k": int, "threads": int, "queries": dict, "indexes": list}
_QUERIES = {"path": str, "n": int}
_INDEX = {
    "path": str,
    "class": str,
    "encodings": str,
    "bytes_per_vector": _NUMBER,
    "hot_bytes": int,
    "n": int,
    "points": list,
}
_POINT = {"recall": _NUMBER, "queries_per_second": _NUMBER}


def draw(report: dict[str, Any], file: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> None:
    """Draws a report, as parsed from JSON, into `file`; the picture's format is by its extension if none is given.

    Raises:
        ValueError: `report` is not output of ``cassata bench --json``.
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    _check(report)
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    for number, (index, name) in enumerate(zip(report["indexes"], _names(report["indexes"]))):
        points = index["points"]
        hot = index["hot_bytes"] / index["n"]
        label = (
            f"{name}: {index['class']}, {index['encodings']}, {index['bytes_per_vector']:,.0f} bytes/vector, "
            f"{hot:,.0f} hot"
        )
        recalls, rates = [point["recall"] for point in points], [point["queries_per_second"] for point in points]
        axes.plot(recalls, rates, marker=_MARKERS[number % len(_MARKERS)], markersize=5, label=label)
    threads = report["threads"]
    axes.set_title(
        f"{report['queries']['n']:,} queries of {_plain(os.path.basename(report['queries']['path']))}, k = "
        f"{report['k']}, " + ("all threads" if threads == 0 else f"{threads} thread{'s' if threads > 1 else ''}")
    )
    axes.set_xlabel(f"recall@{report['k']}")
    axes.set_ylabel("queries/s")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file, format=format, dpi=150)


def _check(report: Any) -> None:
    _expect("report", report, _REPORT)
    _expect("queries", report["queries"], _QUERIES)
    for i, index in enumerate(report["indexes"]):
        _expect(f"indexes[{i}]", index, _INDEX)
        for j, point in enumerate(index["points"]):
            _expect(f"indexes[{i}], points[{j}]", point, _POINT)


def _expect(place: str, value: Any, fields: dict[str, Any]) -> None:
    """Raises ValueError unless `value` has these fields, of these types."""
    missing = [
        name for name, kind in fields.items() if not isinstance(value, dict) or not isinstance(value.get(name), kind)
    ]
    if missing:
        raise ValueError(f"{place}: {json.dumps(value):.60} given, {', '.join(missing)} missing or of another type")


def _plain(text: str) -> str:
    """`text` with escapes, so that matplotlib reads no formulas."""
    return text.replace("$", r"\$")


def _names(indexes: list[dict[str, Any]]) -> list[str]:
    """The indexes' file names; whole paths where two have the same name."""
    paths = [index["path"] for index in indexes]
    names = [os.path.basename(path) for path in paths]
    return [_plain(name if names.count(name) == 1 else path) for name, path in zip(names, paths)]


def _main(arguments: list[str]) -> None:
    if arguments not in (["png"], ["svg"], ["pdf"]):
        _refuse("usage: python -m cassata.plot png|svg|pdf < report.json > picture")
    if importlib.util.find_spec("matplotlib") is None:
        _refuse("cassata.plot: matplotlib is not installed; 'pip install matplotlib' installs it")
    try:
        report = json.load(sys.stdin.buffer)
        _check(report)
    except ValueError as error:
        _refuse(f"cassata.plot: standard input: {error}; expected the output of 'cassata bench --json'")
    draw(report, sys.stdout.buffer, arguments[0])


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)  # as the command line does


if __name__ == "__main__":
    _main(sys.argv[1:])
