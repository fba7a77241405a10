"""Writes the stub of the package and the reference page from the tables of parameters and classes.

    python tools/generate.py            # writes bindings/cassata/__init__.pyi and docs/reference.md
    python tools/generate.py --check    # exit code 1 if one of them is not up to date

Needs the package, built from this tree.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import cassata
from cassata import kannolo, signatures

ROOT = Path(__file__).parents[1]
STUB, PAGE = ROOT / "bindings" / "cassata" / "__init__.pyi", ROOT / "docs" / "reference.md"
_Kind = inspect.Parameter
_SENTENCE_END = re.compile(r"(?<=\.)(?<!e\.g\.) (?=[A-Z`])")

# --- signatures -------------------------------------------------------------------------------------------------------


def parameter(p: inspect.Parameter) -> str:
    """As it stands in a `def`."""
    stars = "*" if p.kind is _Kind.VAR_POSITIONAL else "**" if p.kind is _Kind.VAR_KEYWORD else ""
    annotation = "" if p.annotation is p.empty else f": {_type(p)}"
    default = "" if p.default is p.empty else f"{' = ' if annotation else '='}{_literal(p.default)}"
    return f"{stars}{p.name}{annotation}{default}"


def _type(p: inspect.Parameter) -> str:
    return str(getattr(p.annotation, "__forward_arg__", p.annotation))  # of a NamedTuple, a reference


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def definition(
    name: str,
    parameters: list[inspect.Parameter],
    returns: str,
    indent: str = "",
    end: str = ": ...",
    comment: str = "",
) -> str:
    """A `def` of one line, or of one line for each parameter."""
    parts: list[str] = []
    for p in parameters:
        if p.kind is _Kind.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(parameter(p))
    tail = f") -> {returns}{end}"
    line = f"{indent}def {name}({', '.join(parts)}{tail}{comment}"
    if len(line) <= 120:
        return line
    inner = f"{indent}    {', '.join(parts)}"
    if len(inner) <= 120:
        return f"{indent}def {name}({comment}\n{inner}\n{indent}{tail}"
    return "\n".join([f"{indent}def {name}({comment}", *(f"{indent}    {part}," for part in parts), f"{indent}{tail}"])


def own_parameters(function: Any) -> list[inspect.Parameter]:
    """All of them, with "self" or "cls"."""
    return list(inspect.signature(getattr(function, "__func__", function)).parameters.values())


def returned(function: Any) -> str:
    """The annotation of what it returns."""
    return str(inspect.signature(getattr(function, "__func__", function)).return_annotation)


# --- the stub ---------------------------------------------------------------------------------------------------------

HEAD = """# Written by tools/generate.py.
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from cassata._core import FormatError as FormatError
from cassata._core import __version__ as __version__
from cassata._core import simd_target as simd_target
from cassata.cleaning import clean as clean
from cassata.columns import FieldColumns, FieldValues, Ids
from cassata.filters import Filter, Filters
from cassata.index import RecallWarning as RecallWarning
from cassata.inputs import Data, Documents, Path, Progress, Queries, SparseMatrix, Tokens, Verify
from cassata.inputs import SparseRows as SparseRows
from cassata.packing import pack as pack
from cassata.packing import unpack as unpack
from cassata.recommendation import Recommendation as Recommendation
from cassata.recommendation import recommend as recommend
from cassata.renamed import install_as as install_as
from cassata.two_level import train_two_level as train_two_level

"""


def stub() -> str:
    """The text of `__init__.pyi`."""
    classes = "\n".join(class_stub(row) for row in kannolo.TABLE)
    listed = "\n".join(f'    "{name}",' for name in cassata.__all__)
    functions = [
        definition("build", own_parameters(cassata.build), returned(cassata.build)),
        definition("open", own_parameters(cassata.open), returned(cassata.open)),
    ]
    return (
        f"{HEAD}__all__ = [\n{listed}\n]\n\n_Hits: TypeAlias = tuple[npt.NDArray[np.float32], "
        "npt.NDArray[Any]]\n\n"
        f"{index_stub()}\n{classes}\nSparseDotPacking8HNSW = SparseDotVByteHNSW\n\n"
        + "\n".join(functions).replace("Hits", "_Hits")
        + "\n"
    )


def index_stub() -> str:
    """The class Index."""
    lines = ["class Index:"]
    for name, member in vars(cassata.Index).items():
        if name.startswith("_") and name not in (
            "__init__",
            "__enter__",
            "__exit__",
            "__len__",
            "__repr__",
            "__reduce__",
        ):
            continue
        if isinstance(member, property):
            lines += ["    @property", f"    def {name}(self) -> {returned(member.fget)}: ..."]
            continue
        if isinstance(member, classmethod):
            lines.append("    @classmethod")
        if callable(getattr(member, "__func__", member)):
            lines.append(
                definition(
                    name, [_plain(p) for p in own_parameters(member)], returned(member).replace("Hits", "_Hits"), "    "
                )
            )
    return "\n".join(lines) + "\n"


def _plain(p: inspect.Parameter) -> inspect.Parameter:
    return p.replace(annotation=p.empty) if p.name in ("self", "cls") else p


def class_stub(row: kannolo.Row) -> str:
    """A class of kANNolo."""
    face = kannolo.CLASSES[row.name]
    lines = [f"class {row.name}(Index):"]
    for name in [name for name in vars(face) if not name.startswith("_")]:
        member = vars(face)[name]
        if isinstance(member, classmethod):
            lines += ["    @classmethod", definition(name, own_parameters(member), returned(member), "    ")]
        elif name in ("search", "batch_search") and row.sparse:
            lines += overloads(name, own_parameters(member), "  # type: ignore[override]" if name == "search" else "")
        else:
            comment = "  # type: ignore[override]" if name == "search" else ""
            lines.append(
                definition(
                    name, own_parameters(member), returned(member).replace("Hits", "_Hits"), "    ", comment=comment
                )
            )
    return "\n".join(lines) + "\n"


def overloads(name: str, parameters: list[inspect.Parameter], comment: str) -> list[str]:
    """A sparse search: by a matrix, by arrays, and by arrays without offsets, whose place the next argument takes."""
    self, components, values, offsets, *rest = parameters
    positional = [p for p in rest if p.kind is _Kind.POSITIONAL_OR_KEYWORD]
    values = values.replace(default=_Kind.empty)
    ways = [
        [self, components.replace(annotation="SparseMatrix | SparseRows"), *rest],
        [self, components, values, offsets, *rest],
        [self, components, values, positional[0].replace(default=_Kind.empty), *rest[1:]],
    ]
    lines = []
    for i, way in enumerate(ways):
        lines += [f"    @overload{comment if i == 0 else ''}", definition(name, way, "_Hits", "    ")]
    return lines


# --- the page ---------------------------------------------------------------------------------------------------------

INTRODUCTION = """# Reference

Written by `tools/generate.py` from the tables of parameters and classes.
[python.md](python.md) is the guide.

Types: `Path` is a str or os.PathLike; `Progress` is None, a bool or a function of (stage, done, total);
`Hits` is a tuple of two arrays, float32 scores and int64 ids.
`Data`, `Documents`, `Queries` and `Tokens` are described where they are used.
"""


def page() -> str:
    """The text of reference.md."""
    parts = [INTRODUCTION, "## Functions\n"]
    for name in ("build", "open", "recommend", "train_two_level", "clean", "pack", "unpack", "install_as"):
        parts.append(function_text(f"cassata.{name}", getattr(cassata, name)))
    parts += ["## Index\n", flowed(doc_of(cassata.Index)) + "\n"]
    for name, member in inspect.getmembers(cassata.Index):
        if not name.startswith("_") and callable(member):
            parts.append(function_text(f"Index.{name}", vars(cassata.Index)[name]))
    properties = [(name, member) for name, member in vars(cassata.Index).items() if isinstance(member, property)]
    parts += ["### Properties\n\n| property | type | |\n| --- | --- | --- |"]
    parts += [f"| `{name}` | {_cell(returned(p.fget))} | {_cell(flowed(doc_of(p)))} |" for name, p in properties]
    parts += ["\n## Other classes\n", function_text("cassata.SparseRows", cassata.SparseRows)]
    parts += [
        "### cassata.Recommendation\n",
        flowed(doc_of(cassata.Recommendation)) + "\n",
        "| attribute | type |\n| --- | --- |",
    ]
    parts += [f"| `{field.name}` | {_cell(field.type)} |" for field in dataclasses.fields(cassata.Recommendation)]
    parts += ["", function_text("Recommendation.build", cassata.Recommendation.build)]
    parts += [
        f"### cassata.{error.__name__}\n\n{flowed(doc_of(error))}\n"
        for error in (cassata.FormatError, cassata.RecallWarning)
    ]
    parts += ["## Classes of kANNolo\n", CLASSES]
    for row in kannolo.TABLE:
        parts.append(class_text(row))
    for stage, title in (
        ("build", "Arguments of builds"),
        ("join", "Arguments of builds that join files"),
        ("search", "Arguments of searches"),
        ("load", "Arguments of load"),
    ):
        parts.append(arguments_text(stage, title))
    return "\n".join(parts).rstrip() + "\n"


CLASSES = """Each is an `Index` that also has the constructors and argument orders of kANNolo.
The tables that follow the classes describe the arguments.

- `build_*` and `load` return an index of the class.
  `search` of such an index returns flat arrays, query after query: (k,) for one query, (nq * k,) for several.
  If `cassata.open` or `cassata.build` made the index, it returns arrays of shape (nq, k) for queries of two dimensions.
  It then has the options and defaults of `Index.search`, by name, and uses all processors for several queries.
- `batch_search` returns arrays of shape (nq, k) for queries of two dimensions, flat ones for others.
- Missing places hold id -1 and distance -inf (dotproduct, cosine) or inf (euclidean, manhattan).
- `ValueError`: data, a file or a value is invalid.
  The message names the argument, the place, the found value and the expected one.
  `TypeError`: an argument is missing, or has an unknown name or a wrong type.
  `OSError`: a file cannot be read or written.
  `cassata.FormatError`: an index file is damaged, foreign or newer.
  `ImportError`: the file is .npz, and SciPy is not installed.
"""


def doc_of(thing: Any) -> str:
    """Its docstring."""
    return inspect.getdoc(thing) or ""


def flowed(text: str, indent: str = "") -> str:
    """Paragraphs with one sentence a line, and `indent` before all lines but the first."""
    sentences = [_SENTENCE_END.sub("\n", " ".join(paragraph.split())) for paragraph in text.split("\n\n")]
    return "\n\n".join(sentences).replace("\n", f"\n{indent}")


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def function_text(title: str, function: Any) -> str:
    """Signature, arguments, result and errors."""
    plain = getattr(function, "__func__", function)
    parameters = [p for p in own_parameters(function) if p.name not in ("self", "cls")]
    name = title.rpartition(".")[2]
    summary, sections = parsed(doc_of(plain))
    result = title.partition(".")[2] if isinstance(function, type) else returned(function)
    lines = [
        f"### {title}\n",
        "```python",
        definition(name, parameters, result, end=""),
        "```\n",
        flowed(summary) + "\n",
    ]
    if "Args" in sections:
        described = dict(re.findall(r"^(\w+): (.*?)(?=^\w+: |\Z)", sections["Args"], re.MULTILINE | re.DOTALL))
        lines += ["| argument | type | default | |", "| --- | --- | --- | --- |"]
        for p in parameters:
            default = "" if p.default is p.empty else f"`{_literal(p.default)}`"
            lines.append(f"| `{p.name}` | {_cell(_type(p))} | {default} | {_cell(described.get(p.name, ''))} |")
        lines.append("")
    if "Returns" in sections:
        lines.append(f"Returns {flowed(sections['Returns'])[0].lower()}{flowed(sections['Returns'])[1:]}\n")
    if "Raises" in sections:
        errors = re.findall(r"^(\w+): (.*?)(?=^\w+: |\Z)", sections["Raises"], re.MULTILINE | re.DOTALL)
        lines += [*(f"- `{error}`: {flowed(text.strip(), '  ')}" for error, text in errors), ""]
    return "\n".join(lines)


def parsed(doc: str) -> tuple[str, dict[str, str]]:
    """Summary and sections of a docstring of Google's style."""
    parts = re.split(r"^(Args|Returns|Raises|Example):\n", doc, flags=re.MULTILINE)
    return parts[0].strip(), {name: inspect.cleandoc(text) for name, text in zip(parts[1::2], parts[2::2])}


def class_text(row: kannolo.Row) -> str:
    """A class of kANNolo: its signatures."""
    face = kannolo.CLASSES[row.name]
    lines = [f"### {row.name}\n", flowed(row.doc) + "\n", "```python"]
    for name in [name for name in vars(face) if not name.startswith("_")]:
        parameters = [p for p in own_parameters(vars(face)[name]) if p.name not in ("self", "cls")]
        lines.append(definition(name, parameters, returned(vars(face)[name]), end="").replace("Self", row.name))
    return "\n".join([*lines, "```\n"])


def arguments_text(stage: str, title: str) -> str:
    """A table of all arguments that the methods of a stage have, in the order in which they occur."""
    names: dict[str, list[str]] = {}
    rows = [row for row in kannolo.TABLE if stage not in ("build", "join") or bool(row.files) == (stage == "join")]
    for row in rows:
        for name, member in vars(kannolo.CLASSES[row.name]).items():
            if (
                (stage in ("build", "join")) == name.startswith("build_")
                and (stage == "load") == (name == "load")
                and not name.startswith("_")
            ):
                for p in own_parameters(member):
                    if p.name not in ("self", "cls", "bits") or (p.name == "bits" and stage != "search"):
                        holders = names.setdefault(p.name, [])
                        if row.name not in holders:
                            holders.append(row.name)
    lines = [f"### {title}\n", "| argument | type | range | meaning | classes |", "| --- | --- | --- | --- | --- |"]
    for name, holders in names.items():
        known = signatures.argument(stage, name)
        which = "all" if len(holders) == len(rows) else ", ".join(holders)
        lines.append(f"| `{name}` | {_cell(known.annotation)} | {_cell(known.range)} | {_cell(known.help)} | {which} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Writes both files, or checks them."""
    stale = []
    for path, text in ((STUB, stub()), (PAGE, page())):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv[1:]:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(
            f"{path.relative_to(ROOT)}: "
            f"{'not up to date; run tools/generate.py' if '--check' in sys.argv[1:] else 'written'}"
        )
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
