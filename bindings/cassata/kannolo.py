"""The classes of kANNolo, made from a table: the names and orders of its arguments, translated to the native interface.

`search` of an index that a constructor of these classes made returns flat arrays, query after query, as kANNolo does.
If `cassata.open` or `cassata.build` made the index, it returns arrays of shape (nq, k) for several queries.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cassata import _core, filters, inputs, signatures
from cassata.index import SEARCH_ARGUMENTS, Hits, Index
from cassata.signatures import REQUIRED

# --- translations -----------------------------------------------------------------------------------------------------


_UP_TO_DIM = "1 to the vectors' dimension"


def _paged(given: dict[str, Any]) -> None:
    """Translates `layout` of `DensePlainHNSW` to a graph type."""
    layout, graph_type = given.pop("layout", None), given.get("graph_type", "permuted")
    if given.get("navigation") is None and given.get("bits") is not None:
        raise ValueError(
            f"bits: {given['bits']!r:.60} given without navigation, expected both: these are bits of navigation codes"
        )
    if layout is None:
        return
    if inputs.word("layout", layout) != "paged":
        raise ValueError(f"layout: {layout!r:.60} given, expected 'paged' or None")
    if graph_type not in ("permuted", "paged"):
        raise ValueError(
            f"graph_type: {graph_type!r:.60} given with layout 'paged', which has its own order and lists, expected "
            "'permuted'"
        )
    if given.get("navigation") is None:
        raise ValueError("layout: 'paged' given without navigation, expected navigation codes, e.g. 'int4'")
    given["graph_type"] = "paged"


def _subspaces(name: str, value: Any) -> int:
    """A number of subspaces of product quantization; the engine checks that it is at most the dimension."""
    if value is None:
        raise TypeError(f"{name}: missing, expected a whole number from {_UP_TO_DIM}")
    return inputs.whole_number(name, value, 1, expected=_UP_TO_DIM)


def _product(given: dict[str, Any]) -> None:
    """Checks the arguments of `DensePQHNSW`."""
    given["m_pq"] = _subspaces("m_pq", given.get("m_pq"))


def _bits(name: str, value: Any, minimum: int = 1) -> int:
    return inputs.whole_number(name, value, minimum, signatures.row_of("build", "bits")["maximum"])


def _two_stages(given: dict[str, Any]) -> None:
    """Translates the arguments of `DenseRerankHNSW`."""
    encoder, subspaces, total = (
        given.pop("encoder", "pq"),
        given.pop("pq_subspaces", None),
        given.pop("rabitq_total_bits", 4),
    )
    _bits("rabitq_query_bits", given.pop("rabitq_query_bits", 1))
    if subspaces is not None:
        subspaces = _subspaces("pq_subspaces", subspaces)
    second, dtype = _bits("rerank_bits", given.pop("rerank_bits", 0), 0), given.pop("dtype", None)
    residual = inputs.truth("residual_rerank", given.pop("residual_rerank", False))
    name, total = inputs.word("encoder", encoder), _bits("rabitq_total_bits", total)
    first: dict[str, dict[str, Any]] = {
        "pq": {"dtype": "pq", "m_pq": subspaces},
        "rabitq": {"dtype": "rabitq", "bits": 1},
        "rabitq-ext": {"dtype": "rabitq", "bits": total},
        "int8": {"dtype": "int8"},
        "int4": {"dtype": "int4"},
    }
    if name not in first:
        raise ValueError(f"encoder: {name!r:.60} given, expected one of {', '.join(map(repr, first))}")
    if subspaces is not None and name != "pq":
        raise ValueError(f"pq_subspaces: {subspaces} given with encoder {name!r}, expected encoder 'pq'")
    if residual and not second:
        raise ValueError(
            "residual_rerank: True given with rerank_bits 0, expected 1 to 8, bits of the codes that hold the residual"
        )
    if residual and name == "pq":
        raise ValueError(
            "residual_rerank: True given with encoder 'pq', expected 'rabitq', 'rabitq-ext', 'int8' or 'int4'"
        )
    if second and dtype is not None:
        raise ValueError(
            f"dtype: {dtype!r:.60} given with rerank_bits {second}, expected one of them: rabitq codes replace the "
            "vectors"
        )
    whole = inputs.word("dtype", "f16" if dtype is None else dtype)
    if whole not in ("f16", "f32"):
        raise ValueError(f"dtype: {whole!r:.60} given, expected 'f16' or 'f32', or rerank_bits for rabitq codes")
    again = {"rerank": "rabitq", "rerank_bits": second} if second else {"rerank": whole}
    given.update({**first[name], **again, "residual": residual})


def _pruned(given: dict[str, Any]) -> None:
    """Translates the arguments of `SparseRerankHNSW`."""
    if given.get("prune_percentage") is None:
        raise TypeError(
            f"prune_percentage: missing, expected {signatures.row_of('build', 'prune_percentage')['expected']}"
        )
    for ours, theirs in (("dtype", "first_stage_value_type"), ("rerank", "second_stage_value_type")):
        given[ours] = _value_type(theirs, given.pop(theirs, "f16"))
    given["residual"] = inputs.truth("residual_rerank", given.pop("residual_rerank", False))


def _value_type(name: str, value: Any) -> str:
    text = inputs.word(name, value)
    return "f16" if text == "blocked-sparse" else text  # kANNolo's name for f16 values in another order


def _without_graph(given: dict[str, Any]) -> None:
    """Checks the graph arguments that `SparsePostingsIndex` accepts so that one script can build either index."""
    for name in ("m", "ef_construction"):
        if (value := given.pop(name, None)) is not None:
            inputs.whole_number(name, value)


# --- what a file holds ------------------------------------------------------------------------------------------------


def _encoder_of(info: dict[str, Any]) -> str:
    name = str(info["dtype"])
    return "rabitq-ext" if name == "rabitq" and info["bits"] > 1 else name


_Held = Callable[[dict[str, Any]], Any]
_ANY = object()  # held: any value agrees
_HELD: dict[str, _Held] = {
    **{name: operator.itemgetter(name) for name in ("metric", "dtype", "dim", "navigation", "bits", "m_pq", "opq")},
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
_INTERCHANGEABLE = ("standard", "permuted")  # graph types: `load` accepts each for the other


def _compare(path: str, name: str, asked: Any, held: Any) -> None:
    """Raises ValueError if an argument of `load` contradicts the file at `path`."""
    if name == "rabitq_query_bits" and asked is not None:
        _bits(name, asked)
    if asked is None or held is _ANY:
        return
    if name in _WORDS or name.endswith("_value_type"):
        asked = _value_type(name, asked)
    if asked != held and not (name == "graph_type" and asked in _INTERCHANGEABLE and held in _INTERCHANGEABLE):
        raise ValueError(f"{name}: {asked!r} given, but {path} holds {'none' if held is None else repr(held)}")


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A class of kANNolo. Orders of arguments are names separated by blanks; those after a "*" go by name only."""

    name: str
    doc: str
    build: str  # after the vectors, before the arguments that every build has
    fixed: dict[str, Any] = field(default_factory=dict)  # parameters that the class determines
    defaults: dict[str, Any] = field(default_factory=dict)  # where they differ from the engine's; REQUIRED: none
    ignored: str = ""  # arguments of builds that are checked and have no effect
    translate: Callable[[dict[str, Any]], None] | None = None
    renamed: dict[str, str] = field(default_factory=dict)  # parameters by their names here, for errors
    load: str = ""
    held: dict[str, _Held] = field(default_factory=dict)
    search: str = "k ef_search early_exit_threshold num_threads"
    batch: str | None = None  # None: as `search`
    search_defaults: dict[str, Any] = field(default_factory=dict)  # after kANNolo's constructors; else the file's
    offsets: str = "offsets"
    files: str = ""  # classes with token vectors: arguments of the join
    two_level: bool | None = None  # layout of their tokens; None: the caller chooses
    texts: dict[str, str] = field(default_factory=dict)  # arguments with another meaning here

    @property
    def sparse(self) -> bool:
        """Whether its vectors are sparse."""
        return _VECTORS[self.name] == "sparse"


_VECTORS = {row["name"]: row["vectors"] for row in _core.classes}
_EF_SEARCH = {"ef_search": 100}  # of kANNolo's classes of two stages
_OPENED = "* resident lock progress"
_DENSE_LOAD = f"path metric graph_type dtype m_pq dim verify {_OPENED}"
_SPARSE_LOAD = f"path graph_type metric dtype dim verify {_OPENED}"
_FIXED_LOAD = f"path metric graph_type dtype dim verify {_OPENED}"
_TOKENS_LOAD = f"path pq_subspaces graph_type dtype dim token_dim verify metric {_OPENED}"
_RERANK = "k_candidates k ef_search alpha beta early_exit_threshold"
_TOKENS = f"multivec_queries n_tokens token_dim {_RERANK}"
_OF_TOKENS: dict[str, Any] = {
    "load": _TOKENS_LOAD,
    "held": _HELD_OF_TOKENS,
    "search": f"{_TOKENS} residuals num_threads * query_doclens",
    "search_defaults": _EF_SEARCH,
}
_SUBSPACES_OF_TOKENS = "Subspaces of a coded token's residual, compared with the files. None: not compared."
_DENSE_TYPES = {"dtype": 'How vectors are stored: "f32", or "f16" for half the size.'}
_SPARSE_TYPES = {"dtype": 'How values are stored: "f16", or "f32" for exact scores.'}
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
        texts=_DENSE_TYPES,
    ),
    Row(
        "DensePlainHNSW",
        f"""Dense vectors under an {_HNSW}: approximate, and much faster than an exact search.

With `navigation`, the traversal scores compact codes: int8 and int4 quantize the values of a vector to 256 or 16 levels
(Aguerrebere et al., VLDB 2023), rabitq encodes directions (Gao and Long, SIGMOD 2024; Gao et al., SIGMOD 2025). The
vectors then score the candidates, best first, until further ones are unlikely to enter the top k. Scores are those of
the vectors; one of the best is rarely missed.""",
        "m ef_construction metric graph_type * dtype navigation bits layout",
        {"kind": "hnsw"},
        {"dtype": "f32", "bits": None},
        translate=_paged,
        load=_DENSE_LOAD.replace("*", "* navigation bits"),
        texts=_DENSE_TYPES,
    ),
    Row(
        "DensePQHNSW",
        f"""Product-quantized dense vectors (Jegou et al., PAMI 2011) under an {_HNSW}: `m_pq` bytes a vector.

A vector is split into `m_pq` subspaces, and each is replaced by the nearest of 256 centroids that were trained on the
collection. Scores are those of the query and the vectors as stored.""",
        "m_pq m ef_construction metric graph_type * opq",
        {"kind": "hnsw", "dtype": "pq"},
        {"m_pq": REQUIRED},
        translate=_product,
        load=f"path m_pq metric graph_type dtype dim verify {_OPENED}".replace("*", "* opq"),
    ),
    Row(
        "DenseRerankHNSW",
        f"""Dense vectors in two stages.

An {_HNSW} over compact codes gives `k_candidates`, which the vectors or finer codes score again (product quantization:
Jegou et al., PAMI 2011; RaBitQ: Gao and Long, SIGMOD 2024, Gao et al., SIGMOD 2025). `DensePlainHNSW` with `navigation`
does the same without a fixed number of candidates.""",
        "m ef_construction metric graph_type encoder pq_subspaces rabitq_total_bits rabitq_query_bits rerank_bits "
        "residual_rerank * dtype",
        {"kind": "hnsw"},
        {"rerank_bits": 0, "dtype": None},
        translate=_two_stages,
        renamed={"m_pq": "pq_subspaces", "residual": "residual_rerank"},
        load="path metric graph_type encoder pq_subspaces rabitq_query_bits rerank_bits residual_rerank "
        "* rabitq_total_bits dtype dim verify resident lock progress",
        held=_HELD_OF_TWO_STAGES,
        search="k k_candidates ef_search alpha beta early_exit_threshold num_threads",
        search_defaults=_EF_SEARCH,
        texts={
            "rerank_bits": (
                "0: the second stage holds vectors in `dtype`. 1 to 8: rabitq codes of this many bits per dimension."
            ),
            "dtype": 'Encoding of the second stage if rerank_bits is 0: "f16" (None) or "f32".',
        },
    ),
    Row(
        "SparseFlatIndex",
        """Sparse vectors, searched exactly by dot product: the results of a comparison with every vector, including
ties.

The inverted lists of a query are summed, in the best row blocks first, and only in blocks whose bounds allow a
result.""",
        "* metric dtype",
        {"kind": "flat"},
        {"dtype": "f32"},
        load=_SPARSE_LOAD,
        batch="k num_threads * ef_search early_exit_threshold",
        texts=_SPARSE_TYPES,
    ),
    Row(
        "SparsePostingsIndex",
        """Sparse vectors in inverted lists, searched approximately by dot product: much faster than a graph for very
sparse vectors.

The lists of a query's strongest components are summed, in blocks of similar vectors whose bounds are high enough (as in
Seismic, Bruch et al., SIGIR 2024, which also names the parameters). The vectors with the largest sums are then scored
exactly, as they are stored.""",
        "n_postings summary_energy n_knn * metric dtype",
        {"kind": "postings"},
        {"dtype": "f16", "m": None, "ef_construction": None},
        "m ef_construction",
        _without_graph,
        load=_SPARSE_LOAD,
        search="k ef_search early_exit_threshold num_threads * query_cut heap_factor",
        texts={
            "dtype": 'Encoding of the vectors that are scored: "f16", "f32", "fixedu8", "fixedu16" or "dotvbyte".',
            "m": (
                "No effect, like ef_construction: there is no graph. Accepted so that one script can build either "
                "index."
            ),
            "ef_construction": "No effect.",
        },
    ),
    Row(
        "SparsePlainHNSW",
        f"Sparse vectors under an {_HNSW}: components of 2 or 4 bytes, values in f16 or f32.",
        "m ef_construction graph_type * metric dtype",
        {"kind": "hnsw"},
        {"dtype": "f16"},
        load=_SPARSE_LOAD,
        texts=_SPARSE_TYPES,
    ),
    Row(
        "SparseFixedU8HNSW",
        """Sparse vectors with values of one byte under an HNSW graph: whole numbers times a scale of each vector.

The error of a value is at most 1/510 of its vector's largest value (1/254 if the vector has negative values). Small
whole numbers, and their halves, quarters and so on, are exact.""",
        "m ef_construction metric graph_type *",
        {"kind": "hnsw", "dtype": "fixedu8"},
        load=_FIXED_LOAD,
    ),
    Row(
        "SparseFixedU16HNSW",
        "As `SparseFixedU8HNSW` with values of two bytes, whose error is at most 1/131,070 of the largest (1/65,534).",
        "m ef_construction metric graph_type *",
        {"kind": "hnsw", "dtype": "fixedu16"},
        load=_FIXED_LOAD,
    ),
    Row(
        "SparseDotVByteHNSW",
        """Sparse vectors of 2.3 bytes per entry under an HNSW graph, by dot product: packed components, values as in
`SparseFixedU8HNSW`.

An entry takes one byte for its value, one for its component and about two bits more if components are below 65,536; for
larger components it takes one or two bytes more. The class is also called `SparseDotPacking8HNSW`.""",
        "m ef_construction graph_type * metric",
        {"kind": "hnsw", "dtype": "dotvbyte"},
        load=_SPARSE_LOAD,
    ),
    Row(
        "SparseRerankHNSW",
        f"""Sparse vectors in two stages, by dot product.

An {_HNSW} over pruned vectors, which keep only the largest values, gives `k_candidates`, which the whole vectors score
again.""",
        "prune_percentage m ef_construction first_stage_value_type graph_type residual_rerank * "
        "second_stage_value_type",
        {"kind": "hnsw"},
        {"prune_percentage": REQUIRED},
        translate=_pruned,
        renamed={"dtype": "first_stage_value_type", "rerank": "second_stage_value_type", "residual": "residual_rerank"},
        load="path first_stage_value_type graph_type residual_rerank prune_percentage second_stage_value_type dim "
        f"verify metric {_OPENED}",
        held=_HELD_OF_PRUNED,
        search=f"{_RERANK} num_threads",
        search_defaults=_EF_SEARCH,
        offsets="sparse_offsets",
    ),
    Row(
        "SparseMultivecRerankIndex",
        """Sparse vectors under an HNSW graph, then token vectors (f16) by MaxSim, in one file.

The graph gives `k_candidates` documents, which are scored by MaxSim (Khattab and Zaharia, SIGIR 2020): for each token
of the query the largest dot product over the document's tokens, summed over the query's tokens.""",
        "",
        **_OF_TOKENS,
        batch=f"{_TOKENS} num_threads residuals * query_doclens",
        offsets="sparse_offsets",
        files="sparse_index_path multivec_data_folder * ids",
        two_level=False,
    ),
    Row(
        "SparseMultivecTwoLevelsPQRerankIndex",
        """Sparse vectors under an HNSW graph, then token vectors in two levels by MaxSim, in one file.

As `SparseMultivecRerankIndex`, but a token is stored as the number of the nearest centroid and a product-quantized
residual (Jegou et al., PAMI 2011). `cassata.train_two_level` makes the folder.""",
        "",
        **_OF_TOKENS,
        batch=f"{_TOKENS} num_threads residuals * query_doclens",
        offsets="sparse_offsets",
        files="sparse_index_path multivec_data_folder pq_subspaces * ids",
        two_level=True,
        texts={"pq_subspaces": _SUBSPACES_OF_TOKENS},
    ),
    Row(
        "DenseMultivecRerankIndex",
        "Dense vectors under an HNSW graph, then token vectors by MaxSim, in one file. Otherwise as "
        "`SparseMultivecRerankIndex`.",
        "",
        **_OF_TOKENS,
        batch=f"{_TOKENS} * num_threads residuals query_doclens",
        files="dense_index_path multivec_data_folder pq_subspaces * two_level ids",
        texts={"pq_subspaces": _SUBSPACES_OF_TOKENS},
    ),
)


# --- methods ----------------------------------------------------------------------------------------------------------


def _built(row: Row, way: _Way, cls: type[Index], given: dict[str, Any]) -> Any:
    source = way.take(given)
    path, progress = given.pop("path", None), given.pop("progress", None)
    if row.translate is not None:
        row.translate(given)
    try:
        return cls._build(*source, path, progress, given)
    except (TypeError, ValueError) as error:
        name, _, rest = str(error).partition(": ")
        if name not in row.renamed:
            raise
        raise type(error)(f"{row.renamed[name]}: {rest}") from None


def _dense_file(given: dict[str, Any]) -> tuple[Any, str]:
    return inputs.opened(inputs.dense_file("data_path", given.pop("data_path"))), ""


def _dense_array(given: dict[str, Any]) -> tuple[Any, str]:
    return inputs.collection_matrix(given.pop("data_vec"), given.pop("dim", None)), "data_vec"


def _sparse_file(given: dict[str, Any]) -> tuple[Any, str]:
    source = inputs.sparse_file("data_file", given.pop("data_file"))
    if source.endswith(".npz"):
        return inputs.matrix_rows(source, inputs.matrix_file(source)), source
    return inputs.opened(source), ""


def _sparse_arrays(given: dict[str, Any]) -> tuple[Any, str]:
    components, values, offsets = (given.pop(name, None) for name in ("components", "values", "offsets"))
    if inputs.is_matrix(components) or isinstance(components, inputs.SparseRows):
        if values is not None or offsets is not None:
            raise TypeError("values, offsets: given with a scipy.sparse matrix, expected neither")
        return inputs.collection(components, "components")[0], "values"
    if values is None or offsets is None:
        raise TypeError("components, values, offsets: expected all three, or a scipy.sparse matrix alone")
    return inputs.sparse_rows(components, values, offsets), "values"


def _joined(row: Row, cls: type[Index], given: dict[str, Any]) -> Any:
    name = row.files.split()[0]
    path = inputs.file_path(name, given.pop(name))
    first = Index.open(path)
    if first._sparse != row.sparse:
        kind = "sparse" if row.sparse else "dense"
        raise ValueError(f"{path}: holds a {type(first).__name__}, expected a class with {kind} vectors")
    folder = given.pop("multivec_data_folder")
    return cls._joined(first._opened(), "multivec_data_folder", folder, **{"two_level": row.two_level, **given})


def _loaded(row: Row, cls: type[Index], given: dict[str, Any]) -> Any:
    path = inputs.file_path("path", given.pop("path"))
    choices = {name: given.pop(name) for name in ("verify", "resident", "lock", "progress") if name in given}

    def compare(info: dict[str, Any]) -> None:
        for name, asked in given.items():
            _compare(path, name, asked, {**_HELD, **row.held}[name](info))

    return cls._open(path, compare, **choices)


def _either(given: dict[str, Any], name: str, other: str) -> Any:
    """Takes what was given by one of two names."""
    value, again = given.pop(name, None), given.pop(other, None)
    if value is not None and again is not None:
        raise TypeError(f"{name}: given twice, also as {other}")
    return again if value is None else value


def _answers(row: Row, batch: bool, self: Index, given: dict[str, Any]) -> Hits:
    """Results of `search` or `batch_search`."""
    core = self._opened()  # kept until the end, even if another thread closes the index
    queries, count, several = (_sparse_queries if self._sparse else _dense_queries)(core, given)
    tokens = _tokens(row, core, given, count)
    chosen = filters.of_queries(given.pop("filter", None), count, core)
    if batch or (count > 1 and not self._flat):
        given.setdefault("num_threads", 0)
    if self._flat:
        given = {**row.search_defaults, **given}
    scores, ids = core.search(queries, tokens, chosen, texts=not self._flat, **given)
    return (scores, ids) if several and (batch or not self._flat) else (scores.reshape(-1), ids.reshape(-1))


def _native(self: Index) -> Sequence[str]:
    """Arguments that the searches of an index have besides, unless a constructor of kANNolo made it."""
    return () if self._flat else SEARCH_ARGUMENTS


def _tokens(row: Row, core: _core.Index, given: dict[str, Any], count: int) -> inputs.CoreTokens | None:
    """The token vectors of that many queries; None: neither given nor needed."""
    asked = given.pop("tokens", None)
    tokens = None if asked is None else inputs.tokens_of(asked, count, core.token_dim)
    if not row.files:
        return tokens
    if "residuals" in given:
        given["residuals"] = inputs.truth("residuals", given["residuals"])
        given["sum_stages"] = _either(given, "residuals", "sum_stages")
    others = _either(given, "multivec_queries", "multivec_query")
    n_tokens, token_dim, doclens = (given.pop(name, None) for name in ("n_tokens", "token_dim", "query_doclens"))
    if tokens is None:
        return inputs.query_tokens(others, count, n_tokens, token_dim, doclens, core.token_dim)
    beside = {"multivec_queries": others, "n_tokens": n_tokens, "token_dim": token_dim, "query_doclens": doclens}
    for name, value in beside.items():
        if value is not None:
            raise TypeError(f"{name}: given with tokens, expected one of them")
    return tokens


def _dense_queries(core: _core.Index, given: dict[str, Any]) -> tuple[Any, int, bool]:
    """The queries, their number, and whether they were given in two dimensions."""
    queries, other = given.pop("queries", None), given.pop("query", None)
    if (queries is None) == (other is None):
        raise TypeError("queries: exactly one of queries and query must be given")
    return inputs.queries_of(other if queries is None else queries, core.dim, False)


def _sparse_queries(core: _core.Index, given: dict[str, Any]) -> tuple[inputs.CoreRows, int, bool]:
    """The same for a sparse class."""
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
    """Names of positional arguments of a sparse search: a matrix replaces three arrays, and offsets may be left out."""
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
    """The same if token vectors follow: these do not look like offsets, or a number of tokens follows them."""
    if (
        not arguments
        or len(arguments) < 3
        or inputs.is_matrix(arguments[0])
        or isinstance(arguments[0], inputs.SparseRows)
    ):
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
        except ValueError:  # of different lengths; the check of token vectors reports it
            tokens = True
    return (*usual[:2], *usual[3:]) if tokens else usual


# --- classes ----------------------------------------------------------------------------------------------------------

_SHAPES = {
    "search": """(distances, ids), float32 and int64, best first, ties by lower row number.
    Flat, query after query: (k,) for one query, (nq * k,) for several.
    Distances are scores of the metric: dot products or cosines (largest first), squared Euclidean or Manhattan
    distances (smallest first). Missing places hold id -1 and distance -inf or inf.
    If `cassata.open` or `cassata.build` made the index: (nq, k) for queries of two dimensions, several queries use all
    processors, and all options of `Index.search` go by name, with its defaults.""",
    "batch_search": (
        "(distances, ids), of shape (nq, k) for queries of two dimensions, flat for others. Otherwise as `search`."
    ),
}
_LOAD = """Opens an index file of this class, in a time that does not depend on its size. The file holds all parameters.

Raises:
    ValueError: An argument contradicts the file (the message names both values), the file holds another class, `lock`
        is given without `resident`, or the bytes to lock exceed the memory that this process may use.
    FormatError: The file is damaged, truncated, not an index, or needs a newer version.
    OSError: The file cannot be opened, or the system refuses to lock so much."""
_ERRORS = """

Raises:
    ValueError: Data, a file or an argument is invalid: the message names the place, the found value and the expected
        one."""
_TYPE_ERRORS = """
    TypeError: An argument is missing, or has an unknown name or a wrong type."""
_DISK_ERRORS = """
    OSError: A file cannot be read or written, e.g. because the disk is full or another process writes to `path`."""


def _class(row: Row) -> type[Index]:
    """The class of a row."""
    members: dict[str, Any] = {"__doc__": row.doc, "__module__": "cassata", "_holds": row.name, "_fixed": row.fixed}
    members.update(_constructors(row))
    members.update(_searches(row))
    if row.translate is _two_stages:
        members["set_query_bits"] = set_query_bits
    if row.name == "DensePlainHNSW":
        members |= _filtered_searches(row.name)
    members["_made_by"] = f"{row.name}.{', '.join(name for name in members if name.startswith('build_from'))} or load"
    made = Index._classes[row.name] = type(row.name, (Index,), members)
    return made


@dataclass(frozen=True)
class _Way:
    """A way to build: its name, the arguments of its data, and the function that takes them from all arguments."""

    name: str
    data: str
    doc: str
    take: Callable[[dict[str, Any]], tuple[Any, str]]
    errors: str = ""


_DENSE_WAYS = (
    _Way(
        "build_from_file",
        "data_path",
        "Builds from a file of vectors, which is streamed: memory holds a chunk of vectors, the graph, and training "
        "samples.",
        _dense_file,
    ),
    _Way("build_from_array", "data_vec dim", "Builds from an array.", _dense_array),
)
_SPARSE_WAYS = (
    _Way(
        "build_from_file",
        "data_file",
        "Builds from a file of sparse vectors.",
        _sparse_file,
        "\n    ImportError: The file is .npz, and SciPy is not installed.",
    ),
    _Way(
        "build_from_arrays",
        "components values offsets",
        "Builds from compressed rows or a scipy.sparse matrix.",
        _sparse_arrays,
    ),
)
_JOIN = "Joins an index and a folder of token vectors, which are streamed, in one new file, which needs neither input."


def _constructors(row: Row) -> dict[str, Any]:
    """Functions `build_from_*`, and `load`."""
    found: dict[str, Any] = {}

    def add(name: str, order: str, doc: str, body: Any, stage: str = "build") -> None:
        def call(cls: type[Index], given: dict[str, Any]) -> Any:
            index = body(cls, given)
            index._flat = True
            return index

        parameters = signatures.parameters_of(stage, order, row.defaults if stage == "build" else None)
        doc = signatures.with_arguments(doc, stage, parameters, None if stage == "load" else row.texts)
        found[name] = signatures.method(name, row.name, "cls", parameters, "Self", doc, call)

    errors = _ERRORS + _TYPE_ERRORS + _DISK_ERRORS
    if row.files:
        body = functools.partial(_joined, row)
        add("build_from_file", f"{row.files} path overwrite progress", _JOIN + errors, body, "join")
    else:
        budget = "memory_budget resume " if row.fixed.get("kind") == "hnsw" else ""
        star = "" if "*" in row.build else " *"
        order = f"{row.build}{star} ids fields documents path overwrite {budget}num_threads progress {row.ignored}"
        for way in _SPARSE_WAYS if row.sparse else _DENSE_WAYS:
            body = functools.partial(_built, row, way)
            add(way.name, f"{way.data} {order}", way.doc + errors + way.errors, body)
    add("load", row.load, _LOAD, functools.partial(_loaded, row), "load")
    return found


def _searches(row: Row) -> dict[str, Any]:
    """Methods `search` and `batch_search`."""
    vectors = f"query_components query_values {row.offsets}" if row.sparse else "queries"
    aliases = {"queries", "offsets", "sparse_offsets"} if row.sparse else {"query"}
    if row.files:
        aliases |= {"multivec_query", "tokens"}
    positions = None if not row.sparse else _positions_of_tokens if row.files else _positions
    closest = "Finds the `k` closest vectors to each query"
    best = "Finds the `k` best documents for each query, by the MaxSim of their tokens"
    query = "" if row.sparse else " query" if "*" in row.search else " * query"
    found: dict[str, Any] = {}
    for name, order, defaults, what in (
        ("search", row.search + query, {"queries": None, "num_threads": 1}, best if row.files else closest),
        ("batch_search", row.batch or row.search, {"num_threads": 0}, "As `search`, by default on all processors"),
    ):
        order += " filter" if "*" in order else " * filter"
        parameters = signatures.parameters_of("search", f"{vectors} {order}", {**row.search_defaults, **defaults})
        doc = f"{what}.\n\nReturns:\n    {_SHAPES[name]}{_ERRORS}{_TYPE_ERRORS}"
        doc = signatures.with_arguments(doc, "search", parameters)
        body = functools.partial(_answers, row, name == "batch_search")
        found[name] = signatures.method(
            name, row.name, "self", parameters, "Hits", doc, body, frozenset(aliases), positions, _native
        )
    return found


def set_query_bits(self: Index, bits: int) -> None:  # noqa: D417
    """Accepted for 1-bit RaBitQ codes, as in kANNolo, without effect: queries have 8 bits, which cost no more here.

    Args:
        bits: 1 to 8.

    Raises:
        ValueError: The first stage has other codes, or `bits` is out of range.
    """
    if (held := _encoder_of(self.info)) != "rabitq":
        raise ValueError(f"bits: {bits!r:.60} given for encoder {held!r}, expected encoder 'rabitq'")
    _bits("bits", bits)


def _search_filtered(self: Index, given: dict[str, Any]) -> Hits:
    predicate = given.pop("predicate")
    if not callable(predicate):
        raise TypeError(f"predicate: {type(predicate).__name__}, expected a function of a row number")
    core = self._opened()
    rows, count, _ = inputs.queries_of(given.pop("query"), core.dim, False)
    if count != 1:
        raise ValueError(f"query: {count} queries, expected one")
    chosen: filters.Chosen = [filters.of_function(predicate, core, texts=False)]
    scores, ids = core.search(rows, None, chosen, texts=False, **{"ef_search": 100, **given})
    found = np.isfinite(scores[0])
    return scores[0][found], ids[0][found]


def _build_acorn_gamma(self: Index, given: dict[str, Any]) -> None:
    inputs.whole_number("gamma", given["gamma"], 1)
    self._opened()
    self._gamma = True


def _search_filtered_gamma(self: Index, given: dict[str, Any]) -> Hits:
    if not self._gamma:
        raise RuntimeError("build_acorn_gamma: not called on this index, expected before search_filtered_gamma")
    return _search_filtered(self, given)


def _filtered_searches(owner: str) -> dict[str, Any]:
    """Methods for searches with a predicate."""
    required = dict.fromkeys(("query", "k"), signatures.REQUIRED)
    parameters = signatures.parameters_of(
        "search", "query k predicate ef_search early_exit_threshold", {**required, "ef_search": 100}
    )
    closest = "Finds the `k` closest vectors to a query among those that pass a predicate."
    shape = "\n\nReturns:\n    (scores, ids), float32 and int64, of shape (found,), found <= k, best first."
    raised = f"{_ERRORS}{_TYPE_ERRORS}"
    search = signatures.with_arguments(closest + shape + raised, "search", parameters)
    after = f"As `search_filtered`, after `build_acorn_gamma`.{shape}{raised}\n    RuntimeError: Before it."
    gamma = signatures.parameters_of("build", "gamma")
    accepted = "Accepted before `search_filtered_gamma`, as in kANNolo.\n\nRaises:\n    ValueError: Out of range."
    return {
        "search_filtered": signatures.method(
            "search_filtered", owner, "self", parameters, "Hits", search, _search_filtered
        ),
        "build_acorn_gamma": signatures.method(
            "build_acorn_gamma", owner, "self", gamma, "None",
            signatures.with_arguments(accepted, "build", gamma), _build_acorn_gamma,
        ),
        "search_filtered_gamma": signatures.method(
            "search_filtered_gamma", owner, "self", parameters, "Hits",
            signatures.with_arguments(after, "search", parameters), _search_filtered_gamma,
        ),
    }  # fmt: skip


CLASSES = {row.name: _class(row) for row in TABLE}
