"""Makes signatures and docstrings of methods from the engine's parameters and the arguments that only Python has."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from cassata import _core
from cassata.arguments import TEXT

Parameters = list[inspect.Parameter]
Texts = dict[str, str]
_Method = TypeVar("_Method", bound=Callable[..., Any])
REQUIRED = inspect.Parameter.empty
_BY_POSITION, _BY_NAME = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


class Argument(NamedTuple):
    """Type, default, meaning and range of an argument."""

    annotation: str
    default: Any
    help: str
    range: str = ""


def _read(text: str) -> dict[str, dict[str, Argument]]:
    stages: dict[str, dict[str, Argument]] = {}
    for stage, entries in re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL):
        found = re.findall(r"^(\w+): (.*?)(?: = (.*))?\n((?:    .*\n)+)", entries, re.MULTILINE)
        stages[stage] = {
            name: Argument(annotation, ast.literal_eval(default) if default else REQUIRED, " ".join(meaning.split()))
            for name, annotation, default, meaning in found
        }
    return stages


_OWN = _read(TEXT)
_OWN["search"]["sparse_offsets"] = _OWN["search"]["offsets"]
_PARAMETERS: dict[tuple[str, str], Any] = {(row["stage"], row["name"]): row for row in _core.parameters}
_TYPES = {"path": "Path", "bytes": "int | str"}  # where Python's name is another


def names_of(stage: str) -> list[str]:
    """The engine's parameters of a stage, in the order of its table."""
    return [name for its_stage, name in _PARAMETERS if its_stage == stage]


def row_of(stage: str, name: str) -> Any:
    """A row of the engine's table."""
    return _PARAMETERS[stage, name]


def argument(stage: str, name: str) -> Argument:
    """The description of an argument of the methods of a stage."""
    for own in (_OWN.get(stage, {}), _OWN["any"]):
        if name in own:
            return own[name]
    if stage == "load":  # arguments of the build
        known = argument("search" if name == "token_dim" else "build", name)
        kind = known.annotation.removesuffix(" | None")
        return Argument(
            f"{kind} | None", None, "As in the build; compared with the file. None: not compared.", known.range
        )
    row = _PARAMETERS[stage, name]
    text = _sentence(row["help"], row["choices"] or ())
    default = row["default"]
    if row["usual"] is not None:
        usual = row["usual"] if default is None or default == row["usual"] else f"{row['usual']}, else {default}"
        default, text = None, f"{text} None: {usual}."
    kind = _TYPES.get(row["type"], row["type"])
    return Argument(kind if default is not None else f"{kind} | None", default, text, _range(row))


def _sentence(text: str, choices: Sequence[str]) -> str:
    """`text` with a capital and a full stop; choices that it describes, as in "flat: exact", are quoted."""
    described = "|".join(map(re.escape, choices)) or r"\b\B"
    quoted = re.sub(rf"(?:^|(?<=[;.] ))({described})(?=:| \()", r'"\1"', text)
    return quoted[0].upper() + quoted[1:].rstrip(".") + "."


def _range(row: Any) -> str:
    if row["choices"]:
        return ", ".join(f'"{choice}"' for choice in row["choices"])
    if row["type"] == "bytes":
        return 'bytes, or a text such as "512MiB" or "2GB"'
    return bounds_of(row) if row["type"] in ("int", "float") else ""


def bounds_of(row: Any) -> str:
    """The bounds of a number; a maximum that no real value reaches is left out."""
    least, most = row["minimum"], row["maximum"]
    if least is None:
        return ""
    if most is None or most > 2**24:
        return f"{least:.0f} or more"
    return f"over {least:.0f}, to {most:.0f}" if row["above_minimum"] else f"{least:.0f} to {most:.0f}"


def parameters_of(stage: str, order: str, defaults: dict[str, Any] | None = None) -> Parameters:
    """The parameters that `order` names, separated by blanks; those after a "*" go by name only.

    After a parameter with a default, all have one.
    """
    made: Parameters = []
    kind: Any = _BY_POSITION
    for name in order.split():
        if name == "*":
            kind = _BY_NAME
            continue
        known = argument(stage, name)
        default = defaults[name] if defaults and name in defaults else known.default
        if default is REQUIRED and kind is _BY_POSITION and made and made[-1].default is not REQUIRED:
            default = None
        annotation = known.annotation
        if default is None and "None" not in annotation and annotation != "Progress":
            annotation += " | None"
        made.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return made


def with_arguments(doc: str, stage: str, parameters: Parameters, texts: Texts | None = None) -> str:
    """`doc` with a section on the parameters before its other sections. `texts` replaces the texts of some of them."""
    described = {p.name: (texts or {}).get(p.name) or _described(argument(stage, p.name)) for p in parameters}
    section = "\n".join(["Args:", *(_wrapped(f"{name}: {text}") for name, text in described.items())])
    place = re.search(r"^(Returns|Raises|Example):$", doc, re.MULTILINE)
    return f"{doc[: place.start()]}{section}\n\n{doc[place.start() :]}" if place else f"{doc}\n\n{section}"


def _described(known: Argument) -> str:
    return f"{known.help} ({known.range})" if known.range else known.help


def _wrap(text: str) -> str:
    return "\n".join(
        textwrap.wrap(text, 116, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False)
    )


_wrapped = functools.cache(_wrap)  # many methods have the same arguments


def complete(function: Any, first: str, parameters: Parameters, returns: str, doc: str) -> None:
    """Gives a function its signature, with `first` ("self", "cls" or "") before the parameters, and its docstring."""
    own = [inspect.Parameter(first, _BY_POSITION)] if first else []
    function.__signature__ = inspect.Signature([*own, *parameters], return_annotation=returns)
    function.__doc__ = doc


def method(
    name: str,
    owner: str,
    first: str,
    parameters: Parameters,
    returns: str,
    doc: str,
    body: Callable[[Any, dict[str, Any]], Any],
    aliases: frozenset[str] = frozenset(),
    positions: Callable[[tuple[Any, ...], tuple[str, ...]], tuple[str, ...]] | None = None,
    more: Callable[[Any], Sequence[str]] = lambda _: (),
) -> Any:
    """A method of `owner` with these parameters. `body` gets the arguments that are given, by their names.

    `aliases` are names that the signature leaves out, `more` returns those that an object accepts besides.
    `positions` names the positional arguments, where their values decide.
    """
    usual = tuple(p.name for p in parameters if p.kind is _BY_POSITION)
    required = tuple(p.name for p in parameters if p.default is REQUIRED)
    shown = [p.name for p in parameters]
    known = aliases.union(shown)

    def call(self: Any, /, *arguments: Any, **named: Any) -> Any:
        names = usual if positions is None else positions(arguments, usual)
        given = dict(zip(names, arguments))
        if named:
            if not (named.keys() <= known and given.keys().isdisjoint(named)):
                _refuse_unless_known(
                    named, given, known, f"{_name_of(self)}.{name}", list(dict.fromkeys([*shown, *more(self)]))
                )
            given.update(named)
        if len(arguments) > len(names):
            raise TypeError(
                f"{names[-1]}: {len(arguments) - len(names)} positional arguments given after it, expected none"
            )
        for missing in required:
            if missing not in given and aliases.isdisjoint(given):
                raise TypeError(f"{missing}: missing argument of {_name_of(self)}.{name}")
        return body(self, given)

    call.__name__, call.__qualname__, call.__module__ = name, f"{owner}.{name}", "cassata"
    complete(call, first, parameters, returns, doc)
    return classmethod(call) if first == "cls" else call


def _refuse_unless_known(
    named: dict[str, Any], given: dict[str, Any], known: frozenset[str], where: str, shown: list[str]
) -> None:
    """Raises TypeError for a name that is neither in `known` nor in `shown`, or that is given by position too."""
    for name in named:
        if name not in known and name not in shown:
            raise unknown(name, where, shown)
        if name in given:
            raise TypeError(f"{name}: given twice, argument {name!r} by position and by name")


def unknown(name: str, where: str, known: list[str]) -> TypeError:
    """The error for an unknown argument, with the most similar known name."""
    plain = [one.replace("_", "").lower() for one in known]
    near = difflib.get_close_matches(name.replace("_", "").lower(), plain, 1, 0.6)
    hint = f"did you mean {known[plain.index(near[0])]!r}?" if near else f"expected one of {', '.join(known)}"
    return TypeError(f"{name}: unknown argument of {where}, {hint}")


def _name_of(owner: Any) -> str:
    return owner.__name__ if isinstance(owner, type) else type(owner).__name__


def described(stage: str, **texts: str) -> Callable[[_Method], _Method]:
    """Completes the docstring of a method of this stage by its arguments; `texts` replaces the texts of some."""

    def complete(function: _Method) -> _Method:
        own = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
        function.__doc__ = with_arguments(inspect.getdoc(function) or "", stage, own, texts)
        return near_names(function)

    return complete


def near_names(function: _Method) -> _Method:
    """Has the error of an unknown argument of a function or method name the most similar known one."""
    known = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except TypeError as error:
            found = re.search(r"got an unexpected keyword argument '(\w+)'", str(error))
            if found is None or found[1] not in named or found[1] in known:  # of a function that it called
                raise
        owner = _name_of(arguments[0]) if "." in function.__qualname__ else "cassata"
        raise unknown(found[1], f"{owner}.{function.__name__}", known)

    return call  # type: ignore[return-value]
