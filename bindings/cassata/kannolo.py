"""The classes of kANNolo, made from a table: the names and orders of its arguments, translated to the native interface.

An index that one of these classes' constructors made returns flat arrays from `search`, query after query, as kANNolo does. One that
`cassata.open` or `cassata.build` made returns an array of shape (nq, k) for several queries.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np

from cassata import _core, inputs, signatures
from cassata.index import Hits, Index, make_ready
from cassata.signatures import REQUIRED

# --- translations ----------------------------------------------------------------------------------------------------------------


def _paged(given: dict[str, Any]) -> None:
    """Translates `layout` of `DensePlainHNSW` to a graph type."""
    layout, graph_type = given.pop("layout", None), given.get("graph_type", "permuted")
    if given.get("navigation") is None and given.get("bits") is not None:
        raise ValueError(f"bits: {given['bits']!r:.60} given without navigation, whose codes have them")
    if layout is None:
        return
    if inputs.word("layout", layout) != "paged":
        raise ValueError(f"layout: {layout!r:.60} given, expected 'paged' or None")
    if graph_type not in ("permuted", "paged"):
        raise ValueError(
            f"graph_type: {graph_type!r:.60} given with layout 'paged', which has an order and lists of its own: expected 'permuted'"
        )
    if given.get("navigation") is None:
        raise ValueError("layout: 'paged' given without navigation, expected codes that guide the walk, e.g. 'int4'")
    given["graph_type"] = "paged"


def _bits(name: str, value: Any, minimum: int = 1) -> int:
    return inputs.whole_number(name, value, minimum, signatures.bounds_of("build", "bits")[1])


def _two_stages(given: dict[str, Any]) -> None:
    """Translates the arguments of `DenseRerankHNSW`."""
    encoder, pieces, total = given.pop("encoder", "pq"), given.pop("pq_subspaces", None), given.pop("rabitq_total_bits", 4)
    _bits("rabitq_query_bits", given.pop("rabitq_query_bits", 1))
    second, dtype = _bits("rerank_bits", given.pop("rerank_bits", 0), 0), given.pop("dtype", None)
    residual = inputs.truth("residual_rerank", given.pop("residual_rerank", False))
    name, total = inputs.word("encoder", encoder), _bits("rabitq_total_bits", total)
    first: dict[str, dict[str, Any]] = {
        "pq": {"dtype": "pq", "m_pq": pieces},
        "rabitq": {"dtype": "rabitq", "bits": 1},
        "rabitq-ext": {"dtype": "rabitq", "bits": total},
        "int8": {"dtype": "int8"},
        "int4": {"dtype": "int4"},
    }
    if name not in first:
        raise ValueError(f"encoder: {name!r:.60} given, expected one of {', '.join(map(repr, first))}")
    if residual and not second:
        raise ValueError("residual_rerank: True given with rerank_bits 0, expected bits of the codes that hold what the first leave out")
    if residual and name == "pq":
        raise ValueError("residual_rerank: True given with encoder 'pq', expected 'rabitq', 'rabitq-ext', 'int8' or 'int4'")
    if second and dtype is not None:
        raise ValueError(f"dtype: {dtype!r:.60} given with rerank_bits {second}, whose codes take the place of vectors")
    whole = inputs.word("dtype", "f16" if dtype is None else dtype)
    if whole not in ("f16", "f32"):
        raise ValueError(f"dtype: {whole!r:.60} given, expected 'f16' or 'f32', or rerank_bits for rabitq codes")
    again = {"rerank": "rabitq", "rerank_bits": second} if second else {"rerank": whole}
    given.update({**first[name], **again, "residual": residual})


def _pruned(given: dict[str, Any]) -> None:
    """Translates the arguments of `SparseRerankHNSW`."""
    for ours, theirs in (("dtype", "first_stage_value_type"), ("rerank", "second_stage_value_type")):
        given[ours] = _value_type(theirs, given.pop(theirs, "f16"))
    given["residual"] = inputs.truth("residual_rerank", given.pop("residual_rerank", False))


def _value_type(name: str, value: Any) -> str:
    text = inputs.word(name, value)
    return "f16" if text == "blocked-sparse" else text  # kANNolo's name for f16 values that lie in another order


def _without_graph(given: dict[str, Any]) -> None:
    """Checks what `SparsePostingsIndex` takes so that one script can build either index."""
    for name in ("m", "ef_construction"):
        if (value := given.pop(name, None)) is not None:
            inputs.whole_number(name, value)


# --- what a file holds -----------------------------------------------------------------------------------------------------------


def _encoder_of(info: dict[str, Any]) -> str:
    name = str(info["dtype"])
    return "rabitq-ext" if name == "rabitq" and info["bits"] > 1 else name


_Held = Callable[[dict[str, Any]], Any]
_ANY = object()  # held: whatever is asked for
_HELD: dict[str, _Held] = {
    **{name: lambda info, name=name: info[name] for name in ("metric", "dtype", "dim", "navigation", "bits", "m_pq", "opq")},
    "graph_type": lambda info: (info["graph"] or {}).get("graph_type"),
}
_HELD_OF_TWO_STAGES: dict[str, _Held] = {
    "encoder": _encoder_of,
    "pq_subspaces": lambda info: info["m_pq"] if info["dtype"] == "pq" else _ANY,
    "rabitq_total_bits": lambda info: info["bits"] if _encoder_of(info) == "rabitq-ext" else _ANY,
    "rabitq_query_bits": lambda info: _ANY,
    "rerank_bits": lambda info: info["rerank"]["bits"] or 0,
    "residual_rerank": lambda info: info["rerank"]["residual"],
    "dtype": lambda info: info["rerank"]["dtype"],
}
_HELD_OF_PRUNED: dict[str, _Held] = {
    "first_stage_value_type": lambda info: info["dtype"],
    "second_stage_value_type": lambda info: info["rerank"]["dtype"],
    "residual_rerank": lambda info: info["rerank"]["residual"],
    "prune_percentage": lambda info: info["rerank"]["prune_percentage"],
}
_HELD_OF_TOKENS: dict[str, _Held] = {
    "pq_subspaces": lambda info: info["rerank"]["m_pq"],
    "token_dim": lambda info: info["rerank"]["token_dim"],
}
_WORDS = ("metric", "graph_type", "dtype", "navigation", "encoder")
_INTERCHANGEABLE = ("standard", "permuted")  # graph types: who loads either need not know which was built


def _compare(path: str, name: str, asked: Any, held: Any) -> None:
    """Raises ValueError where what was asked for is not what the file at `path` holds."""
    if name == "rabitq_query_bits" and asked is not None:
        _bits(name, asked)
    if asked is None or held is _ANY:
        return
    if name in _WORDS or name.endswith("_value_type"):
        asked = _value_type(name, asked)
    if asked != held and not (name == "graph_type" and asked in _INTERCHANGEABLE and held in _INTERCHANGEABLE):
        raise ValueError(f"{name}: {asked!r} given, but {path} holds {'none' if held is None else repr(held)}")


# --- the table -------------------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What distinguishes a class of kANNolo. Orders of arguments are separated by blanks; those after a "*" go by name alone."""

    name: str
    doc: str
    build: str  # after the vectors, before the arguments that every build has
    fixed: dict[str, Any] = {}  # parameters that the class determines
    defaults: dict[str, Any] = {}  # where they differ from the engine's; REQUIRED: none
    translate: Callable[[dict[str, Any]], None] | None = None
    renamed: dict[str, str] = {}  # parameters by their names here, for errors
    load: str = ""
    held: dict[str, _Held] = {}
    search: str = "k ef_search early_exit_threshold num_threads"
    batch: str | None = None  # None: as `search`
    search_defaults: dict[str, Any] = {}
    offsets: str = "offsets"
    files: tuple[str, ...] = ()  # of classes with token vectors: what they are joined of

    @property
    def sparse(self) -> bool:
        """Whether its vectors are sparse."""
        return self.name.startswith("Sparse")


_OPENED = "* resident lock progress"
_DENSE_LOAD = f"path metric graph_type dtype m_pq dim verify {_OPENED}"
_SPARSE_LOAD = f"path graph_type metric dtype dim verify {_OPENED}"
_FIXED_LOAD = f"path metric graph_type dtype dim verify {_OPENED}"
_TOKENS_LOAD = f"path pq_subspaces graph_type dtype dim token_dim verify metric {_OPENED}"
_RERANK = "k_candidates k ef_search alpha beta early_exit_threshold"
_TOKENS = f"multivec_queries n_tokens token_dim {_RERANK}"
_HNSW = "HNSW graph (Malkov and Yashunin, TPAMI 2020)"

TABLE = (
    Row(
        "DenseFlatIndex",
        "Dense vectors, searched exactly: every query is compared with every vector.",
        "metric * dtype",
        {"kind": "flat"},
        {"dtype": "f32"},
        load=_DENSE_LOAD,
        batch="k num_threads * ef_search early_exit_threshold",
    ),
    Row(
        "DensePlainHNSW",
        f"""Dense vectors under an {_HNSW}: approximate, and much faster than an exact search.

With `navigation`, short codes guide the search: int8 and int4 spread the values of a vector over 256 or 16 codes (Aguerrebere et al.,
VLDB 2023), rabitq encodes directions (Gao and Long, SIGMOD 2024; Gao et al., SIGMOD 2025). The candidates are then scored by the
vectors, best first, until more are unlikely to enter the top k: scores are exact, and it is rare that one of the best is missed.""",
        "m ef_construction metric graph_type * dtype navigation bits layout",
        {"kind": "hnsw"},
        {"dtype": "f32", "bits": None},
        _paged,
        load=_DENSE_LOAD.replace("*", "* navigation bits"),
    ),
    Row(
        "DensePQHNSW",
        f"""Product-quantized dense vectors (Jegou et al., PAMI 2011) under an {_HNSW}: `m_pq` bytes a vector.

Scores are those of the query and the vectors as they are stored: each is cut into `m_pq` subspaces, and each part replaced by the nearest
of 256 centroids that were learned from the collection.""",
        "m_pq m ef_construction metric graph_type * opq",
        {"kind": "hnsw", "dtype": "pq"},
        {"m_pq": REQUIRED},
        load=f"path m_pq metric graph_type dtype dim verify {_OPENED}".replace("*", "* opq"),
    ),
    Row(
        "DenseRerankHNSW",
        f"""Dense vectors in two stages.

An {_HNSW} over short codes gives `k_candidates`, which are scored again by the vectors or by finer codes (product quantization: Jegou et
al., PAMI 2011; RaBitQ: Gao and Long, SIGMOD 2024, Gao et al., SIGMOD 2025). `DensePlainHNSW` with `navigation` does the same without a
fixed number of candidates.""",
        "m ef_construction metric graph_type encoder pq_subspaces rabitq_total_bits rabitq_query_bits rerank_bits residual_rerank * dtype",
        {"kind": "hnsw"},
        {"rerank_bits": 0, "dtype": None},
        _two_stages,
        {"m_pq": "pq_subspaces", "residual": "residual_rerank"},
        "path metric graph_type encoder pq_subspaces rabitq_query_bits rerank_bits residual_rerank "
        "* rabitq_total_bits dtype dim verify resident lock progress",
        _HELD_OF_TWO_STAGES,
        "k k_candidates ef_search alpha beta early_exit_threshold num_threads",
        search_defaults={"ef_search": 100},
    ),
    Row(
        "SparseFlatIndex",
        """Sparse vectors, searched exactly by dot product: what a comparison with every vector finds, to the last result and tie.

The posting lists of a query are summed, best blocks of vectors first, and only where bounds allow a result.""",
        "* metric dtype",
        {"kind": "flat"},
        {"dtype": "f32"},
        load=_SPARSE_LOAD,
        batch="k num_threads * ef_search early_exit_threshold",
    ),
    Row(
        "SparsePostingsIndex",
        """Sparse vectors under inverted lists, searched approximately by dot product: much faster than a graph where vectors are sparse.

The lists of a query's strongest components are summed, in blocks of similar vectors whose bounds are high enough (as in Bruch et al.,
SIGIR 2024, whose names the parameters have); the vectors with the largest sums are scored exactly, as they are stored.""",
        "n_postings summary_energy n_knn * metric dtype",
        {"kind": "postings"},
        {"dtype": "f16", "m": None, "ef_construction": None},
        _without_graph,
        load=_SPARSE_LOAD,
        search="k ef_search early_exit_threshold num_threads * query_cut heap_factor",
    ),
    Row(
        "SparsePlainHNSW",
        f"Sparse vectors under an {_HNSW}: components of 2 or 4 bytes, values of f16 or f32.",
        "m ef_construction graph_type * metric dtype",
        {"kind": "hnsw"},
        {"dtype": "f16"},
        load=_SPARSE_LOAD,
    ),
    Row(
        "SparseFixedU8HNSW",
        """Sparse vectors with values of one byte under an HNSW graph: whole numbers times a scale of the vector's own.

A value is off by at most 1/510 of its vector's largest (1/254 where the vector has negative ones). Small whole numbers, and their
halves, quarters and so on, are exact.""",
        "m ef_construction metric graph_type *",
        {"kind": "hnsw", "dtype": "fixedu8"},
        load=_FIXED_LOAD,
    ),
    Row(
        "SparseFixedU16HNSW",
        "As `SparseFixedU8HNSW` with values of two bytes: they are off by at most 1/131,070 of the largest (1/65,534).",
        "m ef_construction metric graph_type *",
        {"kind": "hnsw", "dtype": "fixedu16"},
        load=_FIXED_LOAD,
    ),
    Row(
        "SparseDotVByteHNSW",
        """Sparse vectors of 2.3 bytes an entry under an HNSW graph, by dot product: packed components, values as of `SparseFixedU8HNSW`.

An entry takes one byte for its value, one for its component and some two bits, as long as components are below 65,536; beyond, one or
two bytes more. The class is also called `SparseDotPacking8HNSW`.""",
        "m ef_construction graph_type * metric",
        {"kind": "hnsw", "dtype": "dotvbyte"},
        load=_SPARSE_LOAD,
    ),
    Row(
        "SparseRerankHNSW",
        f"""Sparse vectors in two stages, by dot product.

An {_HNSW} over vectors of which only the largest values are kept gives `k_candidates`, which are scored again by the whole vectors.""",
        "prune_percentage m ef_construction first_stage_value_type graph_type residual_rerank * second_stage_value_type",
        {"kind": "hnsw"},
        {"prune_percentage": REQUIRED},
        _pruned,
        {"dtype": "first_stage_value_type", "rerank": "second_stage_value_type", "residual": "residual_rerank"},
        "path first_stage_value_type graph_type residual_rerank prune_percentage second_stage_value_type dim verify metric " + _OPENED,
        _HELD_OF_PRUNED,
        f"{_RERANK} num_threads",
        search_defaults={"ef_search": 100},
        offsets="sparse_offsets",
    ),
    Row(
        "SparseMultivecRerankIndex",
        """Sparse vectors under an HNSW graph, then token vectors (f16) by MaxSim, in one file.

The graph gives `k_candidates` documents, which are scored by MaxSim (Khattab and Zaharia, SIGIR 2020): for each token of the query the
largest dot product over the document's tokens, summed over the query's tokens.""",
        "",
        load=_TOKENS_LOAD,
        held=_HELD_OF_TOKENS,
        search=f"{_TOKENS} residuals num_threads * query_doclens",
        batch=f"{_TOKENS} num_threads residuals * query_doclens",
        search_defaults={"ef_search": 100},
        offsets="sparse_offsets",
        files=("sparse_index_path multivec_data_folder * ids", "plain"),
    ),
    Row(
        "SparseMultivecTwoLevelsPQRerankIndex",
        """Sparse vectors under an HNSW graph, then token vectors in two levels by MaxSim, in one file.

As `SparseMultivecRerankIndex`, but a token is held as the number of the nearest centroid, and what that leaves out as product-quantized
codes (Jegou et al., PAMI 2011). `cassata.train_two_level` makes the folder.""",
        "",
        load=_TOKENS_LOAD,
        held=_HELD_OF_TOKENS,
        search=f"{_TOKENS} residuals num_threads * query_doclens",
        batch=f"{_TOKENS} num_threads residuals * query_doclens",
        search_defaults={"ef_search": 100},
        offsets="sparse_offsets",
        files=("sparse_index_path multivec_data_folder pq_subspaces * ids", "two levels"),
    ),
    Row(
        "DenseMultivecRerankIndex",
        "Dense vectors under an HNSW graph, then token vectors by MaxSim, in one file. Otherwise as `SparseMultivecRerankIndex`.",
        "",
        load=_TOKENS_LOAD,
        held=_HELD_OF_TOKENS,
        search=f"{_TOKENS} residuals num_threads * query_doclens",
        batch=f"{_TOKENS} * num_threads residuals query_doclens",
        search_defaults={"ef_search": 100},
        files=("dense_index_path multivec_data_folder pq_subspaces * two_level ids", "either"),
    ),
)


# --- methods ---------------------------------------------------------------------------------------------------------------------


def _built(row: Row, cls: type[Index], source: tuple[Any, str], given: dict[str, Any]) -> Index:
    path, progress = given.pop("path", None), given.pop("progress", None)
    for name, default in row.defaults.items():
        if default is REQUIRED and given.get(name) is None:
            raise TypeError(f"{name}: missing, expected {signatures.argument('build', name).help}")
    if row.translate is not None:
        row.translate(given)
    try:
        index = cls._build(*source, path, progress, given)
    except (TypeError, ValueError) as error:
        name, _, rest = str(error).partition(": ")
        if name not in row.renamed:
            raise
        raise type(error)(f"{row.renamed[name]}: {rest}") from None
    index._flat = True
    return index  # type: ignore[no-any-return]


def _joined(row: Row, cls: type[Index], given: dict[str, Any]) -> Index:
    name = row.files[0].split()[0]
    path = inputs.file_path(name, given[name])
    core = _core.Index.open(path)
    if core.class_name.startswith("Sparse") != row.sparse:
        raise ValueError(f"{path}: holds a {core.class_name}, which {row.name} is not made of")
    index = cls._joined(
        core,
        given["multivec_data_folder"],
        given.get("path"),
        given.get("pq_subspaces"),
        {"plain": False, "two levels": True, "either": given.get("two_level")}[row.files[1]],
        given.get("ids"),
        given.get("overwrite", False),
        given.get("progress"),
        "multivec_data_folder",
    )
    index._flat = True
    return index  # type: ignore[no-any-return]


def _loaded(row: Row, cls: type[Index], given: dict[str, Any]) -> Index:
    path, core = cls._opened_file(given.pop("path"))
    ready = [given.pop(name, default) for name, default in (("verify", False), ("resident", None), ("lock", False), ("progress", None))]
    info = core.info()
    for name, asked in given.items():
        _compare(path, name, asked, {**_HELD, **row.held}[name](info))
    make_ready(core, *ready)
    index = cls._face(core, path)
    index._flat = True
    return index  # type: ignore[no-any-return]


def _either(given: dict[str, Any], name: str, other: str) -> Any:
    """Takes what was given by one of two names."""
    value, again = given.pop(name, None), given.pop(other, None)
    if value is not None and again is not None:
        raise TypeError(f"{name}: given twice, also as {other}")
    return again if value is None else value


def _answers(row: Row, self: Index, given: dict[str, Any], batch: bool) -> Hits:
    """Results of `search` or `batch_search`."""
    core = self._opened()  # held until the end, whoever closes the index meanwhile
    if row.sparse:
        queries, count, several = _sparse_queries(row, given)
    else:
        queries, other = given.pop("queries", None), given.pop("query", None)
        if (queries is None) == (other is None):
            raise TypeError("queries: exactly one of queries and query must be given")
        queries, count, several = inputs.queries_of(other if queries is None else queries, core.dim, False)
    tokens = None
    if row.files:
        tokens = _either(given, "multivec_queries", "multivec_query")
        if "tokens" in given:
            tokens = inputs.tokens_of(given.pop("tokens"), count, core.token_dim)
        else:
            shape = [given.pop(name, None) for name in ("n_tokens", "token_dim", "query_doclens")]
            tokens = inputs.query_tokens(tokens, count, *shape, core.token_dim)
    scores, ids = core.search(queries, tokens, **{"num_threads": 0 if batch else 1, **row.search_defaults, **given})
    return (scores, ids) if several and (batch or not self._flat) else (scores.reshape(-1), ids.reshape(-1))


def _sparse_queries(row: Row, given: dict[str, Any]) -> tuple[inputs.CoreRows, int, bool]:
    """The queries, how many there are, and whether they came as rows of something of two dimensions."""
    components = _either(given, "query_components", "queries")
    if inputs.is_matrix(components):
        rows = inputs.matrix_rows("query_components", components)
        return rows, len(rows[2]) - 1, len(components.shape) == 2
    if isinstance(components, inputs.SparseRows):
        rows = inputs.sparse_rows(*components, "query_")
        return rows, len(rows[2]) - 1, components.offsets is not None
    values = given.pop("query_values", None)
    if values is None:
        raise TypeError("query_values: missing, expected an array of numbers beside query_components")
    rows = inputs.sparse_rows(components, values, _either(given, "offsets", "sparse_offsets"), "query_")
    return rows, len(rows[2]) - 1, False


def _positions(arguments: tuple[Any, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    """Names of positional arguments of a sparse search: a matrix takes the place of three arrays, and offsets may be left out."""
    if not arguments:
        return usual
    if inputs.is_matrix(arguments[0]) or isinstance(arguments[0], inputs.SparseRows):
        return (usual[0], *usual[3:])
    if len(arguments) < 3:
        return usual
    third = arguments[2]
    if third is None or isinstance(third, (list, tuple)) or np.ndim(third) > 0:
        return usual
    return (*usual[:2], *usual[3:])


def _positions_of_tokens(arguments: tuple[Any, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    """The same where token vectors follow: they are no offsets, or a number of tokens stands after them."""
    if not arguments or len(arguments) < 3 or inputs.is_matrix(arguments[0]) or isinstance(arguments[0], inputs.SparseRows):
        return _positions(arguments[:2], usual)
    third = arguments[2]
    if third is None:
        return usual
    if len(arguments) > 3 and arguments[3] is not None:
        tokens = np.ndim(arguments[3]) == 0 if not isinstance(arguments[3], (list, tuple)) else False
    else:
        try:
            array = np.asarray(third)
            tokens = array.ndim != 1 or array.dtype.kind not in "iu"
        except ValueError:  # of different lengths; what takes token vectors says so
            tokens = True
    return (*usual[:2], *usual[3:]) if tokens else usual


# --- classes ---------------------------------------------------------------------------------------------------------------------

_ERRORS = {
    "dense": "ValueError: Wrong shape or dtype, NaN or infinity (the row is named), or an argument that is not what it must be.",
    "sparse": "ValueError: Wrong shape or dtype, components that are out of range or do not increase, NaN or infinity (the row and the entry\n"
    "    are named), offsets that fall or do not end at the number of entries, or an argument that is not what it must be.",
    "file": "ValueError: An argument, or the file (the message names the row), is not what it must be.",
    "type": "\nTypeError: An argument is missing, of an unknown name, or of a type that makes no sense.",
    "disk": "\nOSError: A file cannot be read or written, e.g. the disk is full or another writer is at work on `path`.",
    "npz": "\nImportError: An .npz file, and SciPy is not installed.",
    "load": "ValueError: An argument contradicts the file (both values are named), the file holds another class, `lock` is given without\n"
    "    `resident`, or more would be locked than this process may use.\n"
    "FormatError: The file is damaged, truncated, not an index, or needs a newer version.\n"
    "OSError: The file cannot be opened, or the system refuses to lock so much.",
    "search": "ValueError: Wrong shape or dtype, NaN or infinity (the row is named), a number out of its range; the index is closed.",
}
_RETURNS = """(distances, ids), float32 and int64, best first, ties by lower id. Distances are dot products (largest first) or squared
Euclidean distances (smallest first). Missing places hold id -1 and distance -inf (dot product) or inf (Euclidean).
"""
_FLAT = """Flat, query after query: (k,) for one query, (nq * k,) for several. Of an index that `cassata.open` or `cassata.build`
made: (nq, k) for queries of two dimensions."""
_SHAPED = "Of shape (nq, k) for queries of two dimensions, flat for others: (k,) for one query, (nq * k,) for several."


def _class(row: Row) -> type[Index]:
    """The class of a row."""
    members: dict[str, Any] = {"__doc__": row.doc, "__module__": "cassata", "_holds": row.name, "_fixed": row.fixed}
    arrays = "" if row.files else "build_from_arrays, " if row.sparse else "build_from_array, "

    def refuse(self: Index, *arguments: object, **named: object) -> None:
        """Raises TypeError: indexes are built or loaded.

        Args:
            *arguments: Any.
            **named: Any.
        """
        name = type(self).__name__
        raise TypeError(f"{name}: use {name}.build_from_file, {arrays}or load".replace(", or", " or"))

    def add(name: str, stage: str, order: str, defaults: dict[str, Any], summary: str, body: Any, raises: str, more: Any, **options: Any) -> None:
        parameters = signatures.parameters_of(stage, order, defaults)
        first, returns = ("self", "Hits") if stage == "search" else ("cls", "Self")
        doc = signatures.docstring(stage, summary, parameters, {**more, "Raises": raises})
        members[name] = signatures.method(name, row.name, first, parameters, returns, doc, body, **options)

    kept = " memory_budget resume" if row.fixed.get("kind") == "hnsw" else ""
    order = row.build if "*" in row.build else f"{row.build} *"
    tail = f"{order} path overwrite{kept} num_threads progress" + (" m ef_construction" if row.translate is _without_graph else "")
    raises = _ERRORS["type"] + _ERRORS["disk"]
    if row.files:
        files = f"{row.files[0]} path overwrite progress"
        summary = "Makes one file of an index and a folder of token vectors; it needs neither any more.\n\nTokens are streamed."
        add("build_from_file", "build", files, {}, summary, lambda cls, given: _joined(row, cls, given), _ERRORS["file"] + raises, {})
    elif row.sparse:
        add("build_from_file", "build", f"data_file {tail}", row.defaults, "Builds from a file of sparse vectors.",
            lambda cls, given: _built(row, cls, _sparse_file(given.pop("data_file")), given), _ERRORS["file"] + raises + _ERRORS["npz"], {})  # fmt: skip
        loose = {**row.defaults, **{name: None for name, default in row.defaults.items() if default is REQUIRED}}
        add("build_from_arrays", "build", f"components values offsets {tail}", loose, "Builds from compressed rows or a scipy.sparse matrix.",
            lambda cls, given: _built(row, cls, _arrays(given), given), _ERRORS["sparse"] + raises, {})  # fmt: skip
    else:
        add("build_from_file", "build", f"data_path {tail}", row.defaults, "Builds from a file of vectors, streamed: memory holds a chunk of it.",
            lambda cls, given: _built(row, cls, (inputs.dense_file("data_path", given.pop("data_path")), ""), given), _ERRORS["file"] + raises, {})  # fmt: skip
        loose = {**row.defaults, **{name: None for name, default in row.defaults.items() if default is REQUIRED}}
        add("build_from_array", "build", f"data_vec dim {tail}", loose, "Builds from an array.",
            lambda cls, given: _built(row, cls, (inputs.collection_matrix(given.pop("data_vec"), given.pop("dim", None)), ""), given),
            _ERRORS["dense"] + raises, {})  # fmt: skip
    summary = "Opens an index file of this class, in a time that does not depend on its size. The file knows everything about itself."
    add("load", "load", row.load, {}, summary, lambda cls, given: _loaded(row, cls, given), _ERRORS["load"], {})

    vectors = f"query_components query_values {row.offsets}" if row.sparse else "queries"
    aliases = frozenset({"queries", "offsets", "sparse_offsets"} if row.sparse else {"query"})
    aliases |= {"multivec_query", "tokens"} if row.files else set()
    positions = None if not row.sparse else _positions_of_tokens if row.files else _positions
    loose = {"queries": None, **row.search_defaults, "num_threads": 1}
    last = "" if row.sparse else " query" if "*" in row.search else " * query"
    options = {"aliases": aliases, "positions": positions}
    errors = _ERRORS["search"] + _ERRORS["type"]
    what = "documents for each query, by the MaxSim of their tokens" if row.files else "vectors to each query"
    add("search", "search", f"{vectors} {row.search}{last}", loose, f"Finds the `k` {'best' if row.files else 'closest'} {what}.",
        lambda self, given: _answers(row, self, given, False), errors, {"Returns": _RETURNS + _FLAT}, **options)  # fmt: skip
    defaults = {**row.search_defaults, "num_threads": 0}
    add("batch_search", "search", f"{vectors} {row.batch or row.search}", defaults, "As `search`, by default on all processors.",
        lambda self, given: _answers(row, self, given, True), errors, {"Returns": _RETURNS + _SHAPED}, **options)  # fmt: skip
    if row.translate is _two_stages:
        members["set_query_bits"] = set_query_bits
    members["__init__"] = refuse
    made = type(row.name, (Index,), members)
    Index._classes[row.name] = made
    return made


def _sparse_file(path: Any) -> tuple[Any, str]:
    source = inputs.sparse_file("data_file", path)
    return (inputs.matrix_rows(source, inputs.matrix_file(source)), source) if source.endswith(".npz") else (source, "")


def _arrays(given: dict[str, Any]) -> tuple[Any, str]:
    components, values, offsets = (given.pop(name, None) for name in ("components", "values", "offsets"))
    if inputs.is_matrix(components) or isinstance(components, inputs.SparseRows):
        if values is not None or offsets is not None:
            raise TypeError("values, offsets: given beside a scipy.sparse matrix, expected neither")
        return (inputs.sparse_rows(*components) if isinstance(components, inputs.SparseRows) else inputs.matrix_rows("components", components)), ""
    if values is None or offsets is None:
        raise TypeError("components, values, offsets: expected all three, or a scipy.sparse matrix alone")
    return inputs.sparse_rows(components, values, offsets), ""


def set_query_bits(self: Index, bits: int) -> None:
    """Accepted for 1-bit RaBitQ codes, as by kANNolo, and without effect: queries have 8 bits, which cost no more here.

    Args:
        bits: 1 to 8.

    Raises:
        ValueError: The first stage has other codes, or `bits` is out of range.
    """
    if (held := _encoder_of(self.info)) != "rabitq":
        raise ValueError(f"bits: {bits!r:.60} given, for an encoder {held!r}; only 'rabitq' has queries of fewer bits")
    _bits("bits", bits)


CLASSES = {row.name: _class(row) for row in TABLE}
