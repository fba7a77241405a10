"""Methods whose signatures and docstrings are made from tables: the engine's parameters, and the arguments that only Python has."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import textwrap
from typing import Any, Callable, NamedTuple, NoReturn

from cassata import _core

REQUIRED = inspect.Parameter.empty
_Kind = inspect.Parameter


class Argument(NamedTuple):
    """Type, default and meaning of an argument."""

    annotation: str
    default: Any
    help: str


_TYPES = {"path": "Path", "memory_budget": "int | str"}  # where Python takes more types than the engine
_CODES = 'One of "f16", "f32", "fixedu8", "fixedu16" and "dotvbyte".'

# Arguments of Python alone, by the stage of the method; others are the engine's.
_OWN: dict[str, dict[str, Argument]] = {
    "any": {
        "path": Argument("Path | None", None, "Index file to write. None: an unnamed temporary file, until `save(path)`."),
        "progress": Argument(
            "Progress", None, "True: a bar on stderr. Or a function of (stage, done, total), called about once a second, which may raise to cancel."
        ),
        "resident": Argument(
            "str | None", None, '"hot": read the bytes that every query needs into memory now; "all": the whole file. None: queries read what they need.'
        ),
        "lock": Argument("bool", False, "Lock the resident bytes in memory (mlock) while the index is open."),
    },
    "build": {
        "data": Argument(
            "Data", REQUIRED,
            "Vectors: an array of shape (n, dim); a scipy.sparse matrix or `SparseRows`; or the path of a file: .npy, .fvecs, .bvecs, .fbin, "
            ".u8bin, .i8bin, sparse .bin or .npz. float32, float16, float64, uint8 and int8 arrays are read in place, files are streamed.",
        ),
        "data_path": Argument("Path", REQUIRED, ".npy (2-D, C order, little-endian f2/f4/f8/u1/i1), .fvecs, .bvecs, .fbin, .u8bin or .i8bin file."),
        "data_vec": Argument(
            "npt.ArrayLike", REQUIRED,
            "Real numbers of shape (n, dim), or (n * dim,) with `dim`. float32, float16, float64, uint8 and int8 arrays are read in place, "
            "other types are copied to float32.",
        ),
        "dim": Argument("int | None", None, "Length of a vector. Optional for 2-D data, which it must agree with."),
        "data_file": Argument(
            "Path", REQUIRED,
            "Sparse .bin file (u32 n; for each vector u32 nnz, nnz u32 components, nnz f32 values; little-endian), streamed; or an .npz file "
            "of scipy.sparse.save_npz, read whole.",
        ),
        "components": Argument(
            "npt.ArrayLike | SparseMatrix | SparseRows", REQUIRED,
            "Whole numbers from 0 to 2**32 - 2 of shape (entries,), strictly increasing within a vector; int32 and uint32 arrays are read in "
            "place. Or a scipy.sparse matrix in place of all three arrays: a copy is sorted and its duplicates are summed.",
        ),
        "values": Argument("npt.ArrayLike | None", None, "Real numbers of shape (entries,); float32 arrays are read in place."),
        "offsets": Argument("npt.ArrayLike | None", None, "Whole numbers of shape (n + 1,): vector i has the entries offsets[i] to offsets[i + 1] - 1."),
        "layout": Argument(
            "str | None", None,
            '"paged": another name for graph_type="paged". Graph and navigation codes lie in pages, for collections of which not even these fit '
            "into memory. Needs `navigation`.",
        ),
        "encoder": Argument(
            "str", "pq", 'Codes of the first stage: "pq", "rabitq" (1 bit per dimension), "rabitq-ext" (`rabitq_total_bits`), "int8" or "int4".'
        ),
        "pq_subspaces": Argument("int | None", None, "Subspaces of pq, and bytes of a vector. None: 32, or the dimension if that is less."),
        "rabitq_total_bits": Argument("int", 4, "Bits per dimension of rabitq-ext, 1 to 8."),
        "rabitq_query_bits": Argument("int", 1, "1 to 8, without effect: queries have 8 bits, which cost no more here."),
        "residual_rerank": Argument("bool", False, "The second stage holds only what the first leaves out, and both scores are summed."),
        "first_stage_value_type": Argument("str", "f16", f'Encoding of the first stage. {_CODES} "blocked-sparse" stands for "f16".'),
        "second_stage_value_type": Argument("str", "f16", f"Encoding of the second stage. {_CODES}"),
        "sparse_index_path": Argument("Path", REQUIRED, "Index file of a sparse graph class without second stage, by dot product."),
        "dense_index_path": Argument("Path", REQUIRED, "Index file of DensePlainHNSW without navigation, or of DensePQHNSW, by dot product."),
        "multivec_data_folder": Argument(
            "Path", REQUIRED,
            "Folder with the documents' token vectors: doclens.npy and either documents.npy, or centroids.npy, index_assignment.npy, "
            "pq_centroids.npy and residuals.npy. The documents stand in the order of the index's vectors.",
        ),
        "two_level": Argument("bool | None", None, "Which tokens to take of a folder that has both kinds. None: there is one kind."),
        "ids": Argument("Path | None", None, ".npy file with the id of each vector, (n,) whole numbers or text, compared with ids.npy of the folder."),
    },
    "load": {
        "path": Argument("Path", REQUIRED, "The index file."),
        "verify": Argument(
            "Verify", False,
            'True: read the whole file and check every byte and rule now. "touched": check rows, lists and pages when a query first uses them.',
        ),
    },
    "search": {
        "queries": Argument("npt.ArrayLike", REQUIRED, "One query: shape (dim,). Several: (nq, dim) or (nq * dim,). C-contiguous float32 arrays are used in place."),
        "query": Argument("npt.ArrayLike | None", None, "Another name for `queries`."),
        "query_components": Argument(
            "npt.ArrayLike", REQUIRED,
            "Whole numbers from 0 to 2**32 - 2 of shape (entries,), in any order; values of equal components are summed. Or a scipy.sparse "
            "matrix whose rows are the queries, in place of all three arrays.",
        ),
        "query_values": Argument("npt.ArrayLike", None, "Real numbers of shape (entries,)."),
        "offsets": Argument(
            "npt.ArrayLike | None", None,
            "Whole numbers of shape (nq + 1,): query i has the entries offsets[i] to offsets[i + 1] - 1. None: one query. By position it may "
            "be left out: a single number is the next argument.",
        ),
        "multivec_queries": Argument(
            "npt.ArrayLike | None", None, "Token vectors of the queries: shape (nq, n_tokens, token_dim), (tokens, token_dim) or flat."
        ),
        "tokens": Argument(
            "Tokens | None", None,
            "Token vectors of the queries, if the index has token vectors: shape (n_tokens, token_dim) for one query, (nq, n_tokens, "
            "token_dim) for several, or a list of arrays (n_tokens, token_dim), one for each query.",
        ),
        "n_tokens": Argument("int | None", None, "Tokens of a query, where the shape does not determine it."),
        "token_dim": Argument("int | None", None, "Length of a token vector, as in the index."),
        "query_doclens": Argument(
            "npt.ArrayLike | None", None, "Whole numbers of shape (nq,): tokens of each query. Further tokens of 3-D `multivec_queries` are padding."
        ),
    },
}  # fmt: skip
_OWN["search"]["sparse_offsets"] = _OWN["search"]["offsets"]
_LOADED = {"metric": "str", "graph_type": "str", "dtype": "str", "navigation": "str", "prune_percentage": "float", "opq": "bool"}
_PARAMETERS = {(row["stage"], row["name"]): row for row in _core.parameters}


def names_of(stage: str) -> list[str]:
    """The engine's parameters of a stage, in the order of its table."""
    return [name for its_stage, name in _PARAMETERS if its_stage == stage]


def bounds_of(stage: str, name: str) -> tuple[Any, Any]:
    """The least and the greatest value of a parameter."""
    row = _PARAMETERS[stage, name]
    return row["minimum"], row["maximum"]


def argument(stage: str, name: str) -> Argument:
    """What is known of an argument of a method of this stage."""
    for own in (_OWN[stage], _OWN["any"]):
        if name in own:
            return own[name]
    if stage == "load":  # what a build was given, compared with the file
        known = argument("build", name) if name in _OWN["build"] or ("build", name) in _PARAMETERS else argument("search", name)
        kind = _LOADED.get(name, known.annotation.partition(" |")[0])
        return Argument(f"{kind} | None", None, f"As of the build; compared with the file. None: not compared. {known.help}")
    row = _PARAMETERS[stage, name]
    text = row["help"][0].upper() + row["help"][1:].rstrip(".") + "."
    kind = _TYPES.get(name, row["type"])
    return Argument(kind if row["default"] is not None else f"{kind} | None", row["default"], f"{text}{_range(row)}")


def _range(row: dict[str, Any]) -> str:
    if row["choices"]:
        words = [f'"{choice}"' for choice in row["choices"]]
        return f" One of {', '.join(words[:-1])} and {words[-1]}." if len(words) > 1 else f" {words[0]} alone."
    least, most = row["minimum"], row["maximum"]
    if least is None or row["type"] not in ("int", "float"):
        return ""
    return f" {least:g} or more." if most is None or most >= 2**31 else f" {least:g} to {most:g}."


def parameters_of(stage: str, order: str, defaults: dict[str, Any] | None = None) -> list[inspect.Parameter]:
    """The parameters that `order` names, separated by blanks; those after a "*" go by name alone."""
    made: list[inspect.Parameter] = []
    kind: Any = _Kind.POSITIONAL_OR_KEYWORD
    for name in order.split():
        if name == "*":
            kind = _Kind.KEYWORD_ONLY
            continue
        annotation, default, _ = argument(stage, name)
        if defaults and name in defaults:
            default = defaults[name]
            annotation = f"{annotation} | None" if default is None and "None" not in annotation and annotation != "Progress" else annotation
        made.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return made


@functools.cache
def _wrapped(text: str, indent: int) -> str:
    return "\n".join(textwrap.wrap(text, 130, initial_indent=" " * indent, subsequent_indent=" " * (indent + 4)))


def docstring(stage: str, summary: str, parameters: list[inspect.Parameter], sections: dict[str, str]) -> str:
    """`summary`, what is known of each parameter, and further sections, as Google's style has it."""
    texts = [summary]
    if parameters:
        texts.append("\n".join(["Args:", *(_wrapped(f"{p.name}: {argument(stage, p.name).help}", 4) for p in parameters)]))
    texts += [f"{title}:\n{textwrap.indent(text, '    ')}" for title, text in sections.items()]
    return "\n\n".join(texts)


def complete(function: Any, first: str, parameters: list[inspect.Parameter], returns: str, doc: str) -> None:
    """Gives a function its signature, with `first` ("self", "cls" or "") before the parameters, and its docstring."""
    own = [inspect.Parameter(first, _Kind.POSITIONAL_OR_KEYWORD)] if first else []
    function.__signature__ = inspect.Signature([*own, *parameters], return_annotation=returns)
    function.__doc__ = doc


def method(
    name: str,
    owner: str,
    first: str,
    parameters: list[inspect.Parameter],
    returns: str,
    doc: str,
    body: Callable[[Any, dict[str, Any]], Any],
    *,
    aliases: frozenset[str] = frozenset(),
    positions: Callable[[tuple[Any, ...], tuple[str, ...]], tuple[str, ...]] | None = None,
) -> Any:
    """A method of `owner` with these parameters. `body` gets the arguments that are given, by their names.

    `aliases` are names that the signature leaves out. `positions` names the positional arguments, where their values decide.
    """
    usual = tuple(p.name for p in parameters if p.kind is _Kind.POSITIONAL_OR_KEYWORD)
    required = tuple(p.name for p in parameters if p.default is REQUIRED)
    shown = [p.name for p in parameters]
    known = aliases.union(shown)

    def call(self: Any, /, *arguments: Any, **named: Any) -> Any:
        names = usual if positions is None else positions(arguments, usual)
        given = dict(zip(names, arguments))
        if named:
            if not (named.keys() <= known and given.keys().isdisjoint(named)):
                _refuse(named, given, known, f"{_name_of(self)}.{name}", shown)
            given.update(named)
        if len(arguments) > len(names):
            raise TypeError(f"{names[-1]}: {len(arguments) - len(names)} positional arguments given after it, expected none")
        for missing in required:
            if missing not in given:
                raise TypeError(f"{_name_of(self)}.{name}: missing argument {missing!r}")
        return body(self, given)

    call.__name__, call.__qualname__, call.__module__ = name, f"{owner}.{name}", "cassata"
    complete(call, first, parameters, returns, doc)
    return classmethod(call) if first == "cls" else call


def _refuse(named: dict[str, Any], given: dict[str, Any], known: frozenset[str], where: str, shown: list[str]) -> NoReturn:
    for name in named:
        if name not in known:
            raise unknown(name, where, shown)
    name = next(name for name in named if name in given)
    raise TypeError(f"{name}: given twice, argument {name!r} by position and by name")


def unknown(name: str, where: str, known: list[str]) -> TypeError:
    """The error that says so, with the most similar of the known names."""
    plain = [one.replace("_", "").lower() for one in known]
    near = difflib.get_close_matches(name.replace("_", "").lower(), plain, 1, 0.6)
    hint = f"did you mean {known[plain.index(near[0])]!r}?" if near else f"expected one of {', '.join(known)}"
    return TypeError(f"{name}: unknown argument of {where}, {hint}")


def _name_of(owner: Any) -> str:
    return owner.__name__ if isinstance(owner, type) else type(owner).__name__


def near_names(function: Any) -> Any:
    """Has errors of unknown arguments name the most similar known one."""
    known = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except TypeError as error:
            found = re.search(r"got an unexpected keyword argument '(\w+)'", str(error))
            if found is None or found[1] not in named or found[1] in known:  # of a function that it called
                raise
        where = f"{_name_of(arguments[0])}.{function.__name__}" if arguments and "." in function.__qualname__ else f"cassata.{function.__name__}"
        raise unknown(found[1], where, known)

    return call
