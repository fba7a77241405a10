"""Stand-in for `_core.parameters`, `_core.build` and `_core.Index.search`."""

# ruff: noqa
# mypy: ignore-errors
import math, operator, os
import numpy as np
from cassata import _core


def _row(name, type, default, minimum, maximum, choices, stage, help, applies=()):
    usual = {"bits": "4", "rerank_bits": "4", "ef_search": "what the file keeps, otherwise 200"}.get(name)
    if type == "int":
        expected = "a whole number from " + (
            "0 on"
            if maximum is None and stage == "search"
            else "1 to the vectors' dimension"
            if name == "m_pq"
            else f"{minimum} to {maximum}"
        )
    elif type == "float":
        expected = f"a number from {minimum:g} " + ("on or None" if maximum is None else f"to {maximum:g}")
    else:
        expected = "something"
    if name == "memory_budget":
        type = "bytes"
    return dict(
        expected=expected,
        usual=usual,
        above_minimum=name == "summary_energy",
        name=name,
        type=type,
        default=None if usual and stage == "build" else default,
        minimum=minimum,
        maximum=maximum,
        choices=choices,
        stage=stage,
        help=help,
        applies=applies,
    )


_G, _L, _D, _S = ("hnsw",), ("postings",), ("dense",), ("sparse",)
parameters = (
    _row(
        "kind",
        "str",
        "hnsw",
        None,
        None,
        ("hnsw", "flat", "postings"),
        "build",
        "Structure of the index: hnsw is a graph, flat is exact, postings are inverted lists of sparse vectors.",
    ),
    _row("metric", "str", "dotproduct", None, None, ("dotproduct", "euclidean"), "build", "Similarity or distance."),
    _row(
        "dtype",
        "str",
        None,
        None,
        None,
        ("f32", "f16", "pq", "rabitq", "int8", "int4", "fixedu8", "fixedu16", "dotvbyte"),
        "build",
        "Encoding of the stored vectors.",
    ),
    _row(
        "m_pq",
        "int",
        None,
        1,
        None,
        None,
        "build",
        "Subspaces of product quantization, and bytes of a vector; at most its dimension.",
        ("pq",),
    ),
    _row("opq", "bool", False, None, None, None, "build", "Learn a rotation before product quantization.", ("pq",)),
    _row("bits", "int", 4, 1, 8, None, "build", "Bits per dimension of rabitq codes.", ("rabitq",)),
    _row(
        "navigation",
        "str",
        None,
        None,
        None,
        ("int8", "int4", "rabitq"),
        "build",
        "Short codes that guide the search; results are scored by the vectors.",
        _D,
    ),
    _row(
        "rerank",
        "str",
        None,
        None,
        None,
        ("f32", "f16", "rabitq", "fixedu8", "fixedu16", "dotvbyte"),
        "build",
        "Encoding of a second copy of the vectors, which scores the best candidates again.",
        _G,
    ),
    _row("rerank_bits", "int", 4, 1, 8, None, "build", "Bits per dimension of rabitq codes of the second copy.", ("rabitq",)),
    _row(
        "prune_percentage", "float", 100.0, 0, 100, None, "build", "Share of a sparse vector's absolute sum that the first copy keeps.", _S
    ),
    _row(
        "residual", "bool", False, None, None, None, "build", "The second copy holds what the first leaves out; both scores are summed.", _G
    ),
    _row("n_postings", "int", 0, 0, 2**32 - 1, None, "build", "Most entries of a posting list; 0: all.", _L),
    _row("summary_energy", "float", 1.0, 0, 1, None, "build", "Share of a posting list's summary that is kept; over 0.", _L),
    _row("n_knn", "int", 0, 0, 256, None, "build", "Stored nearest neighbours of each vector.", _L),
    _row(
        "graph_type",
        "str",
        "permuted",
        None,
        None,
        ("standard", "permuted", "compressed", "paged"),
        "build",
        "Order and coding of the graph; ids are the same.",
        _G,
    ),
    _row("m", "int", 32, 2, 512, None, "build", "Neighbours of a node in the upper layers; twice as many in the base layer.", _G),
    _row(
        "ef_construction", "int", 200, 1, 2**32 - 2, None, "build", "Candidates from which the neighbours of a new node are selected.", _G
    ),
    _row("memory_budget", "str", None, None, None, None, "build", 'Memory of the build, in bytes or as "512MiB"; None: no bound.', _G),
    _row("resume", "bool", False, None, None, None, "build", "Continue an interrupted build with the same memory_budget and path.", _G),
    _row("num_threads", "int", 0, 0, 4096, None, "build", "Threads; 0: all processors. The file does not depend on it."),
    _row(
        "overwrite", "bool", False, None, None, None, "build", "Let path replace any file; otherwise only an empty file or an index file."
    ),
    _row("k", "int", 10, 0, None, None, "search", "Results per query."),
    _row(
        "ef_search",
        "int",
        None,
        0,
        None,
        None,
        "search",
        "Candidates that the search keeps: more is more exact and slower. None: what the file says, otherwise 200.",
        ("hnsw", "postings"),
    ),
    _row(
        "early_exit_threshold",
        "float",
        None,
        0,
        None,
        None,
        "search",
        "The search continues while a score is within the worst kept one relaxed by this share.",
        _G,
    ),
    _row(
        "k_candidates",
        "int",
        100,
        0,
        None,
        None,
        "search",
        "Candidates of the first stage that the second stage scores.",
        ("rerank", "tokens"),
    ),
    _row(
        "alpha",
        "float",
        None,
        0,
        None,
        None,
        "search",
        "Only candidates whose first score is within the k-th one relaxed by this share are scored again; None: all are.",
        ("rerank", "tokens"),
    ),
    _row(
        "beta",
        "int",
        None,
        0,
        None,
        None,
        "search",
        "Stop after this many consecutive candidates that do not enter the top k; None: never.",
        ("rerank", "tokens"),
    ),
    _row(
        "query_cut",
        "int",
        _core.default_query_cut,
        0,
        None,
        None,
        "search",
        "Components of a query whose posting lists are summed; 0: all.",
        _L,
    ),
    _row(
        "heap_factor",
        "float",
        _core.default_heap_factor,
        0,
        1,
        None,
        "search",
        "Share of the k-th best sum that the bound of a block must reach.",
        _L,
    ),
    _row("sum_stages", "bool", False, None, None, None, "search", "Sum the scores of both stages.", ("tokens",)),
    _row("num_threads", "int", 1, 0, 4096, None, "search", "Threads over the queries; 0: all processors."),
)
_T = {(p["stage"], p["name"]): p for p in parameters}


def _check(stage, given):
    out = {}
    for name, value in given.items():
        p = _T.get((stage, name))
        if p is None:
            raise TypeError(f"{name}: unknown parameter")
        if value is None:
            continue
        if name == "memory_budget":
            if not isinstance(value, str):
                value = str(_whole(name, value, 1, 2**63))
        elif p["type"] == "int":
            value = _whole(
                name,
                value,
                p["minimum"] if p["minimum"] is not None else 0,
                p["maximum"] if p["maximum"] is not None else 2**63 - 1,
                "0 on" if p["maximum"] is None and stage == "search" else "1 to the vectors' dimension" if name == "m_pq" else None,
            )
        elif p["type"] == "float":
            try:
                value = float(value)
            except OverflowError:
                value = math.inf
            except (TypeError, ValueError):
                raise TypeError(f"{name}: {value!r:.60} given, expected {p['expected']}") from None
        elif p["type"] == "bool":
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name}: {value!r:.60} given, expected True or False")
            value = bool(value)
        else:
            if not isinstance(value, str):
                raise TypeError(f"{name}: {value!r:.60} given, expected a string")
            value = value.lower()
            if name == "metric":
                value = _core.metric_aliases.get(value, value)
        out[name] = value
    return out


def _whole(name, value, minimum, maximum, expected=None):
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name}: {value!r:.60} given, expected a whole number")
    if not minimum <= number <= maximum:
        raise ValueError(f"{name}: {number:.20g} given, expected a whole number from {expected or f'{minimum} to {maximum}'}")
    return number


def build(data, path, progress, *, name="", class_name=None, **given):
    p = _check("build", given)
    sparse = isinstance(data, tuple) or (
        isinstance(data, str) and (data.lower().endswith(".bin") or (class_name or "").startswith("Sparse"))
    )
    kind = p.pop("kind", "hnsw")
    rerank = p.pop("rerank", None)
    if sparse and rerank is None and p.get("prune_percentage") is not None:
        rerank = "f16"
    dtype = p.pop("dtype", None) or ("f16" if sparse and kind != "flat" else "f32")
    if class_name is None:
        if sparse:
            class_name = {"flat": "SparseFlatIndex", "postings": "SparsePostingsIndex"}.get(kind) or (
                "SparseRerankHNSW"
                if rerank
                else {"fixedu8": "SparseFixedU8HNSW", "fixedu16": "SparseFixedU16HNSW", "dotvbyte": "SparseDotVByteHNSW"}.get(
                    dtype, "SparsePlainHNSW"
                )
            )
        else:
            class_name = (
                "DenseFlatIndex"
                if kind == "flat"
                else "DenseRerankHNSW"
                if rerank
                else "DensePQHNSW"
                if dtype == "pq"
                else "DensePlainHNSW"
            )
    c = {
        "kind": kind,
        "metric": p.pop("metric", "dotproduct"),
        "dtype": dtype,
        "class_name": class_name,
        "num_threads": p.pop("num_threads", 0),
        "overwrite": p.pop("overwrite", False),
    }
    if "navigation" in p:
        c["navigation"] = p.pop("navigation")
    rabitq = "rabitq" in (c.get("navigation"), dtype)
    if "bits" in p or rabitq:
        if "bits" in p and c.get("navigation", dtype) in ("f32", "f16"):
            raise ValueError(f"bits: {p['bits']!r:.60} given without navigation, whose codes have them")
        c["bits"] = p.pop("bits", 4)
    if dtype == "pq" and not sparse:
        if "m_pq" in p:
            c["m_pq"] = p.pop("m_pq")
        elif rerank:
            c["m_pq_at_most"] = 32
        elif class_name in (None, "DensePQHNSW"):
            raise ValueError("m_pq: missing, expected a whole number from 1 to the vectors' dimension")
        c["opq"] = p.pop("opq", False)
    if not p.get("opq", True):
        p.pop("opq")
    if not p.get("residual", True) and not rerank:
        p.pop("residual")
    if rerank:
        c["rerank_dtype"] = rerank
        if rerank == "rabitq":
            c["rerank_bits"] = p.pop("rerank_bits", 4)
        if sparse:
            c["prune_percentage"] = p.pop("prune_percentage", 100.0)
        c["residual"] = p.pop("residual", False)
    if kind == "postings":
        for n in ("n_postings", "summary_energy", "n_knn"):
            c[n] = p.pop(n, _T["build", n]["default"])
    if kind == "hnsw":
        for n in ("graph_type", "m", "ef_construction", "resume"):
            c[n] = p.pop(n, _T["build", n]["default"])
        if "memory_budget" in p:
            c["memory_budget"] = p.pop("memory_budget")
    if p:
        raise ValueError(f"{next(iter(p))}: given, but the index has no use for it")
    if isinstance(data, tuple):
        return _core.Index.build_from_sparse_arrays(*data, path, progress, name or "values", **c)
    if not isinstance(data, str):
        return _core.Index.build_from_array(data, path, progress, **c)
    return (_core.Index.build_from_sparse_file if sparse else _core.Index.build_from_file)(data, path, progress, **c)


_dense, _sparse = _core.Index.search, _core.Index.search_sparse


def search(core, queries, tokens=None, **given):
    p = _check("search", given)
    n = core.size
    sparse = isinstance(queries, tuple)
    rows = len(queries[2]) - 1 if sparse else len(queries)
    k = p.pop("k", 10)
    width = p.pop("ef_search", core.default_ef_search)
    needed, memory = rows * k * 12, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        told = lambda size: _core.bytes_text(size) if size < 2**64 else f"{size} bytes"
        raise ValueError(f"k: {k} results for each of {rows} queries need {told(needed)}, this machine has {told(memory)}")
    if tokens is not None:
        p["tokens"] = tokens
    if not sparse:
        queries = (queries,)
    distances, ids = (_sparse if sparse else _dense)(
        core,
        *queries,
        k=min(k, n),
        ef_search=min(width, n),
        early_exit_threshold=p.pop("early_exit_threshold", 0.0),
        num_threads=p.pop("num_threads", 1),
        **p,
    )
    missing = k - ids.shape[1]
    if missing == 0:
        return distances, ids
    worst = np.inf if core.metric == "euclidean" else -np.inf
    all_distances, all_ids = np.full((rows, k), worst, np.float32), np.full((rows, k), -1, np.int64)
    all_distances[:, :-missing], all_ids[:, :-missing] = distances, ids
    return all_distances, all_ids


_core.parameters, _core.build, _core.Index.search = parameters, build, search
