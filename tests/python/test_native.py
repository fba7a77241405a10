"""The native interface: cassata.build, cassata.open and Index, for every class of index."""

from __future__ import annotations

import inspect
import pickle
import re

import cassata
import numpy as np
import pytest
from conftest import METRICS, brute_force, clustered, topics, write_sparse

sparse = pytest.importorskip("scipy.sparse")

N, K, DIM, COLUMNS, TOKEN_DIM = 400, 5, 16, 900, 8
VECTORS, QUERIES = clustered(N, DIM, seed=1), clustered(7, DIM, seed=2)
DOCUMENTS, ASKED = topics(N, COLUMNS, seed=3), topics(7, COLUMNS, seed=4)
SMALL = {"m": 8, "ef_construction": 40}

# What is built of which parameters: the class, and options of a search that it has beside k.
DENSE = [
    (cassata.DenseFlatIndex, {"kind": "flat"}, {}),
    (cassata.DenseFlatIndex, {"kind": "flat", "dtype": "f16"}, {}),
    (cassata.DensePlainHNSW, SMALL, {"ef_search": 50, "early_exit_threshold": 0.1}),
    (cassata.DensePlainHNSW, {**SMALL, "navigation": "int4", "dtype": "f16", "graph_type": "compressed"}, {}),
    (cassata.DensePlainHNSW, {**SMALL, "navigation": "rabitq", "bits": 2}, {}),
    (cassata.DensePlainHNSW, {**SMALL, "navigation": "int4", "graph_type": "paged"}, {}),
    (cassata.DensePQHNSW, {**SMALL, "dtype": "pq", "m_pq": 8, "opq": True}, {"ef_search": 50}),
    (
        cassata.DenseRerankHNSW,
        {**SMALL, "dtype": "pq", "m_pq": 8, "rerank": "f16"},
        {"k_candidates": 50, "alpha": 0.5, "beta": 9},
    ),
    (
        cassata.DenseRerankHNSW,
        {**SMALL, "dtype": "rabitq", "bits": 1, "rerank": "rabitq", "rerank_bits": 4},
        {"k_candidates": 50},
    ),
]
SPARSE = [
    (cassata.SparseFlatIndex, {"kind": "flat"}, {}),
    (
        cassata.SparsePostingsIndex,
        {"kind": "postings", "n_postings": 100, "summary_energy": 0.9, "n_knn": 4},
        {"query_cut": 9},
    ),
    (cassata.SparsePlainHNSW, SMALL, {"ef_search": 50}),
    (cassata.SparsePlainHNSW, {**SMALL, "dtype": "f32", "metric": "euclidean"}, {"early_exit_threshold": 0.1}),
    (cassata.SparseFixedU8HNSW, {**SMALL, "dtype": "fixedu8"}, {}),
    (cassata.SparseFixedU16HNSW, {**SMALL, "dtype": "fixedu16"}, {}),
    (cassata.SparseDotVByteHNSW, {**SMALL, "dtype": "dotvbyte"}, {}),
    (cassata.SparseRerankHNSW, {**SMALL, "rerank": "f16", "prune_percentage": 60}, {"k_candidates": 50}),
]


def arrays(matrix):
    return cassata.SparseRows(matrix.indices, matrix.data, matrix.indptr)


def check(index, face, one, several, **options):
    """The shapes of results, of the object and of those that are opened of its file."""
    assert type(index) is face
    assert isinstance(index, cassata.Index)
    assert (index.n, len(index)) == (N, N)
    scores, ids = index.search(several, k=K, **options)
    assert (scores.shape, scores.dtype, ids.shape, ids.dtype) == ((7, K), np.float32, (7, K), np.int64)
    for i in (0, 6):
        single = index.search(one(i), k=K, **options)
        assert [part.tolist() for part in single] == [scores[i].tolist(), ids[i].tolist()]
    padded_scores, padded_ids = index.search(several, k=N + 3, **options)
    assert padded_ids.shape == (7, N + 3)
    assert np.all(padded_ids[:, -3:] == -1)
    assert np.all(np.isinf(padded_scores[:, -3:]))
    return scores, ids


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("face", "parameters", "options"), DENSE)
def test_dense_indexes(face, parameters, options, metric, tmp_path):
    index = cassata.build(VECTORS, tmp_path / "index", metric=metric, **parameters)
    scores, ids = check(index, face, lambda i: QUERIES[i], QUERIES, **options)
    for same in (
        cassata.open(tmp_path / "index"),
        cassata.Index.open(tmp_path / "index"),
        pickle.loads(pickle.dumps(index)),
    ):
        np.testing.assert_array_equal(check(same, face, lambda i: QUERIES[i], QUERIES, **options), (scores, ids))
    if face is cassata.DenseFlatIndex and "dtype" not in parameters:
        np.testing.assert_array_equal(ids, brute_force(VECTORS, QUERIES, K, metric)[1])


@pytest.mark.parametrize(("face", "parameters", "options"), SPARSE)
def test_sparse_indexes(face, parameters, options, tmp_path):
    index = cassata.build(DOCUMENTS, tmp_path / "index", **parameters)
    rows = [cassata.SparseRows(ASKED[[i]].indices, ASKED[[i]].data) for i in range(7)]
    expected = check(index, face, lambda i: rows[i], ASKED, **options)
    array = sparse.csr_array(ASKED)
    for same in (index, cassata.open(tmp_path / "index"), pickle.loads(pickle.dumps(index))):
        for one in (lambda i: rows[i], lambda i: array[i]):
            np.testing.assert_array_equal(check(same, face, one, arrays(ASKED), **options), expected)
    write_sparse(tmp_path / "documents.bin", DOCUMENTS)
    sparse.save_npz(tmp_path / "documents.npz", DOCUMENTS)
    for data in (arrays(DOCUMENTS), tmp_path / "documents.bin", str(tmp_path / "documents.npz")):
        np.testing.assert_array_equal(cassata.build(data, **parameters).search(ASKED, k=K, **options), expected)


# --- search options ---


def folder_of_tokens(path, two_level=False):
    """A folder of token vectors of N documents."""
    random = np.random.default_rng(7)
    doclens = random.integers(1, 6, N).astype(np.int32)
    path.mkdir()
    np.save(path / "doclens.npy", doclens)
    np.save(path / "documents.npy", random.standard_normal((doclens.sum(), TOKEN_DIM)).astype("f2"))
    if not two_level:
        return path
    cassata.train_two_level(path, path / "coded", pq_subspaces=4, n_centroids=20)
    return path / "coded"


ASKED_TOKENS = np.random.default_rng(8).standard_normal((7, 4, TOKEN_DIM)).astype(np.float32)
SEARCH_OPTIONS = {
    "filter": [1, 4, 9],
    "k": 3,
    "ef_search": 9,
    "early_exit_threshold": 0.1,
    "query_cut": 9,
    "heap_factor": 0.9,
    "k_candidates": 20,
    "alpha": 0.1,
    "beta": 2,
    "sum_stages": True,
    "num_threads": 2,
}
OF_ALL = {"filter", "k", "ef_search", "early_exit_threshold", "num_threads"}
OF_STAGES = {"k_candidates", "alpha", "beta"}
OF_KINDS = [
    *((face, VECTORS, QUERIES, parameters) for face, parameters, _ in DENSE),
    *((face, DOCUMENTS, ASKED, parameters) for face, parameters, _ in SPARSE),
    (cassata.DenseMultivecRerankIndex, VECTORS, QUERIES, SMALL),
    (cassata.SparseMultivecRerankIndex, DOCUMENTS, ASKED, SMALL),
    (cassata.SparseMultivecTwoLevelsPQRerankIndex, DOCUMENTS, ASKED, SMALL),
]


def built(face, data, parameters, tmp_path):
    """A file of the class, and what its searches need besides the queries."""
    index = cassata.build(data, tmp_path / "index", **parameters)
    if "Multivec" not in face.__name__:
        return tmp_path / "index", {}
    tokens = folder_of_tokens(tmp_path / "tokens", two_level="TwoLevels" in face.__name__)
    index.join(tokens, tmp_path / "joined")
    return tmp_path / "joined", {"tokens": ASKED_TOKENS}


def test_every_class_and_option_is_listed():
    assert {face for face, *_ in OF_KINDS} == set(cassata.Index._classes.values())
    native = inspect.signature(cassata.Index.search).parameters
    assert [name for name in native if name not in ("self", "queries", "tokens")] == [*SEARCH_OPTIONS]


@pytest.mark.parametrize(("face", "data", "queries", "parameters"), OF_KINDS)
def test_every_search_option_on_every_class(face, data, queries, parameters, tmp_path):
    path, needed = built(face, data, parameters, tmp_path)
    index = cassata.open(path)
    assert type(index) is face
    kind, stages = index.info["kind"], index.info["rerank"] is not None
    has = OF_ALL | (OF_STAGES if stages else set())
    has |= {"query_cut", "heap_factor"} if kind == "postings" else set()
    has |= {"sum_stages"} if needed else set()
    for name, value in SEARCH_OPTIONS.items():
        if name in has:
            found = index.search(queries, **needed, **{name: value})
            np.testing.assert_array_equal(found, cassata.Index.search(index, queries, **needed, **{name: value}))
            np.testing.assert_array_equal(found, index.batch_search(queries, **needed, **{name: value}))
            continue
        for search in (index.search, index.batch_search):
            with pytest.raises(ValueError, match=f"^{name}: given, expected only with "):
                search(queries, **needed, **{name: value})
    if not needed:
        with pytest.raises(ValueError, match=r"^tokens: given, expected only with an index"):
            index.search(queries, tokens=ASKED_TOKENS)
        np.testing.assert_array_equal(index.search(queries, tokens=None), index.search(queries))
    with pytest.raises(
        TypeError, match=f"^sum_stage: unknown argument of {face.__name__}.search, did you mean 'sum_stages'"
    ):
        index.search(queries, **needed, sum_stage=True)
    with pytest.raises(
        TypeError,
        match=f"^{'query_cut' if kind != 'postings' else 'alpha'}: unknown argument of {face.__name__}.search",
    ):
        face.load(path).search(queries, **needed, **({"query_cut": 9} if kind != "postings" else {"alpha": 0.1}))


@pytest.mark.filterwarnings("ignore::cassata.RecallWarning")
@pytest.mark.parametrize(
    ("face", "data", "queries", "parameters"), [case for case in OF_KINDS if "Rerank" in case[0].__name__]
)
def test_the_default_of_the_file(face, data, queries, parameters, tmp_path):
    path, needed = built(face, data, {**parameters, "m": 2, "ef_construction": 1, "ef_search": 1}, tmp_path)
    native, options = cassata.open(path), {**needed, "k": 1, "k_candidates": 1}
    width = native.info["ef_search"] or 200  # else the engine's default
    held, usual = (cassata.Index.search(native, queries, ef_search=ef, **options)[1] for ef in (width, 100))
    assert not np.array_equal(held, usual)
    np.testing.assert_array_equal(native.search(queries, **options)[1], held)
    np.testing.assert_array_equal(face.load(path).batch_search(queries, **options)[1], usual)  # as kANNolo's


class Watched:
    """An engine's index that notes the threads of its searches."""

    def __init__(self, core):
        self.core, self.threads = core, []

    def __getattr__(self, name):
        return getattr(self.core, name)

    def search(self, *arguments, **named):
        self.threads.append(named.get("num_threads"))
        return self.core.search(*arguments, **named)


def test_several_queries_use_all_processors(tmp_path, monkeypatch):
    cassata.build(VECTORS, tmp_path / "index", **SMALL)
    native, flat = cassata.open(tmp_path / "index"), cassata.DensePlainHNSW.load(tmp_path / "index")
    for index, expected in ((native, [0, 0, None, 3]), (flat, [None, None, None, 3])):
        watched = Watched(index._opened())
        monkeypatch.setattr(index, "_opened", lambda watched=watched: watched)
        index.search(QUERIES)
        index.search(QUERIES.ravel())
        index.search(QUERIES[0])
        index.search(QUERIES, num_threads=3)
        assert watched.threads == expected


@pytest.mark.parametrize("face", [cassata.DenseFlatIndex, cassata.DensePQHNSW])
def test_a_class_builds_and_opens_its_own_files(face, tmp_path):
    parameters = {"m_pq": 4} if face is cassata.DensePQHNSW else {}
    index = face.build(VECTORS, tmp_path / "index", **parameters)
    assert type(index) is face
    assert type(face.open(tmp_path / "index")) is face
    with pytest.raises(ValueError, match=f"holds a {face.__name__}, not a DensePlainHNSW"):
        cassata.DensePlainHNSW.open(tmp_path / "index")


def test_the_same_bytes_by_either_interface(tmp_path):
    for face, ours, theirs in (
        (
            cassata.DensePlainHNSW,
            {"navigation": "int4", "graph_type": "paged"},
            {"navigation": "int4", "layout": "paged"},
        ),
        (
            cassata.DenseRerankHNSW,
            {"dtype": "rabitq", "bits": 3, "rerank": "f32"},
            {"encoder": "rabitq-ext", "rabitq_total_bits": 3, "dtype": "f32"},
        ),
    ):
        np.save(tmp_path / "vectors.npy", VECTORS)
        index = cassata.build(tmp_path / "vectors.npy", **SMALL, **ours)
        assert index.uuid == face.build_from_file(tmp_path / "vectors.npy", 8, 40, **theirs).uuid


@pytest.mark.parametrize("first", ["dense", "sparse"])
def test_token_vectors(first, tmp_path):
    data, queries = (VECTORS, QUERIES) if first == "dense" else (DOCUMENTS, ASKED)
    index = cassata.build(data, **SMALL).join(folder_of_tokens(tmp_path / "tokens"), tmp_path / "joined")
    assert index.token_dim == TOKEN_DIM
    tokens = ASKED_TOKENS
    face = cassata.DenseMultivecRerankIndex if first == "dense" else cassata.SparseMultivecRerankIndex
    for same in (index, cassata.open(tmp_path / "joined")):
        assert type(same) is face
        scores, ids = same.search(queries, tokens=tokens, k=K, k_candidates=50)
        assert scores.shape == ids.shape == (7, K)
        np.testing.assert_array_equal(same.search(queries, tokens=list(tokens), k=K, k_candidates=50), (scores, ids))
        one = queries[3] if first == "dense" else cassata.SparseRows(queries[[3]].indices, queries[[3]].data)
        np.testing.assert_array_equal(same.search(one, tokens=tokens[3], k=K, k_candidates=50), (scores[3], ids[3]))
        uneven = [tokens[i, : 1 + i % 4] for i in range(7)]
        np.testing.assert_array_equal(
            same.search(queries, tokens=uneven, k=K)[1][3], same.search(one, tokens=tokens[3], k=K)[1]
        )
        np.testing.assert_array_equal(
            cassata.Index.search(same, queries, tokens=tokens, k=K, k_candidates=50), (scores, ids)
        )
        with pytest.raises(ValueError, match="tokens: 6 arrays, expected 7, one for each query"):
            same.search(queries, tokens=list(tokens)[:6])
        with pytest.raises(ValueError, match=r"^tokens: query 2: shape \(\d+, \d+\), expected \(tokens, \d+\)$"):
            same.search(queries, tokens=[one[:, : 3 if i == 2 else None] for i, one in enumerate(tokens)])


def test_tokens_say_all_of_themselves(tmp_path):
    path, asked = built(cassata.DenseMultivecRerankIndex, VECTORS, SMALL, tmp_path)
    with cassata.open(path) as index:
        for name, value in (("query_doclens", [1] * 7), ("n_tokens", 3), ("multivec_queries", ASKED_TOKENS)):
            with pytest.raises(TypeError, match=f"^{name}: given with tokens, expected one of them"):
                index.search(QUERIES, **asked, **{name: value})


def test_kannolo_constructors_flatten(tmp_path):
    built = cassata.DenseFlatIndex.build_from_array(VECTORS, path=tmp_path / "index")
    for flat in (built, cassata.DenseFlatIndex.load(tmp_path / "index"), pickle.loads(pickle.dumps(built))):
        assert flat.search(QUERIES, K)[1].shape == (7 * K,)
        assert flat.batch_search(QUERIES, K)[1].shape == (7, K)
    for native in (cassata.open(tmp_path / "index"), pickle.loads(pickle.dumps(cassata.open(tmp_path / "index")))):
        assert native.search(QUERIES, K)[1].shape == (7, K)
        assert native.search(QUERIES.ravel(), K)[1].shape == (7 * K,)


def test_options_go_by_name(tmp_path):
    for call in (
        cassata.build,
        cassata.Index.build,
        cassata.Index.search,
        cassata.open,
        cassata.Index.open,
        cassata.Index.join,
    ):
        by_position = [p.name for p in inspect.signature(call).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert by_position in (["data", "path"], ["self", "queries"], ["path"], ["self", "tokens", "path"]), call
        assert not any(
            p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in inspect.signature(call).parameters.values()
        ), call
    with pytest.raises(TypeError, match="positional"):
        cassata.build(VECTORS, None, "flat")
    index = cassata.build(VECTORS, kind="flat")
    with pytest.raises(TypeError, match="positional"):
        cassata.Index.search(index, QUERIES, 3)
    for call in (
        lambda: cassata.open(tmp_path / "index", True),
        lambda: cassata.Index.open(tmp_path / "index", True),
        lambda: index.save(tmp_path / "index", True),
        lambda: index.verify(True),
        lambda: index.reload(True),
        lambda: index.warm("hot"),
    ):
        with pytest.raises(TypeError, match="positional"):
            call()


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (
            lambda: cassata.build(VECTORS, efConstruction=40),
            TypeError,
            "efConstruction: unknown argument of .*, did you mean 'ef_construction'?",
        ),
        (
            lambda: cassata.build(VECTORS, whatever=40),
            TypeError,
            "whatever: unknown argument of cassata.build, expected one of data",
        ),
        (lambda: cassata.build(VECTORS, m=1), ValueError, "m: 1 given, expected a whole number from 2 to 512"),
        (lambda: cassata.build(VECTORS, m=2.5), TypeError, "m: 2.5 given, expected a whole number"),
        (lambda: cassata.build(VECTORS, kind="tree"), ValueError, "kind: 'tree' given"),
        (lambda: cassata.build(VECTORS, metric="hamming"), ValueError, "metric: 'hamming' given"),
        (lambda: cassata.build(VECTORS, dtype="f64"), ValueError, "dtype: 'f64' given"),
        (lambda: cassata.build(VECTORS, opq=1, dtype="pq", m_pq=4), TypeError, "opq: 1 given, expected True or False"),
        (lambda: cassata.build(VECTORS, dtype="pq"), ValueError, "m_pq: "),
        (lambda: cassata.build(VECTORS, kind="flat", m=8), ValueError, "^m: "),
        (lambda: cassata.build(VECTORS, n_knn=8), ValueError, "^n_knn: "),
        (lambda: cassata.build(VECTORS, bits=2), ValueError, "^bits: "),
        (lambda: cassata.build(VECTORS[0]), ValueError, r"data: shape \(16,\), expected \(number of vectors, dim\)"),
        (
            lambda: cassata.build("vectors.parquet"),
            ValueError,
            "data: .*vectors.parquet: a table, expected one of .npy",
        ),
        (lambda: cassata.build("s3://bucket/x.npy"), ValueError, "data: .* a URL"),
        (lambda: cassata.build("nothing.npy"), FileNotFoundError, "cannot open .*nothing.npy: No such file"),
        (lambda: cassata.build("nothing.npz"), FileNotFoundError, "cannot open .*nothing.npz: No such file"),
        (lambda: cassata.build(None), TypeError, "data: None given"),
        (lambda: cassata.Index(), TypeError, "Index: use cassata.build or cassata.open"),
        (
            lambda: cassata.open("x", verfy=True),
            TypeError,
            "^verfy: unknown argument of cassata.open, did you mean 'verify'?",
        ),
        (
            lambda: cassata.Index.open("x", verfy=True),
            TypeError,
            "^verfy: unknown argument of Index.open, did you mean 'verify'?",
        ),
        (lambda: cassata.recommend(VECTORS, target_recal=0.9), TypeError, "did you mean 'target_recall'?"),
        (lambda: cassata.clean(".", dry=True), TypeError, "did you mean 'dry_run'?"),
        (lambda: cassata.train_two_level("x", "y", pq_subspace=4), TypeError, "did you mean 'pq_subspaces'?"),
        (
            lambda: cassata.build(VECTORS, kind="flat").search(QUERIES, efsearch=3),
            TypeError,
            "did you mean 'ef_search'?",
        ),
        (lambda: cassata.build(VECTORS, kind="flat").search(QUERIES, k=-1), ValueError, "k: -1 given"),
        (lambda: cassata.build(VECTORS, kind="flat").search(QUERIES[:, :3]), ValueError, r"queries: shape \(7, 3\)"),
        (
            lambda: cassata.build(VECTORS, kind="flat").search(ASKED),
            ValueError,
            "queries: .* expected an array, since the index holds dense",
        ),
        (lambda: cassata.build(VECTORS, kind="flat").save("x", overwrit=True), TypeError, "did you mean 'overwrite'?"),
        (lambda: cassata.build(DOCUMENTS, kind="flat", dtype="pq"), ValueError, "dtype: 'pq' given"),
        (
            lambda: cassata.Index.search(cassata.build(DOCUMENTS, kind="flat"), QUERIES),
            ValueError,
            "queries: .* since the index holds sparse",
        ),
    ],
)
def test_errors(call, error, told):
    with pytest.raises(error, match=told.replace("?", re.escape("?"))) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_an_index_does_not_replace_its_input(tmp_path):
    sparse.save_npz(tmp_path / "input.npz", DOCUMENTS)
    np.save(tmp_path / "input.npy", VECTORS)
    for path in sorted(tmp_path.iterdir()):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="is the input, which the index would replace"):
            cassata.build(path, path)
        assert path.read_bytes() == before


def test_warming(tmp_path):
    index = cassata.build(VECTORS, tmp_path / "index", **SMALL)
    index.warm()
    assert index.residency()["hot"]["share"] in (1.0, None)
    index.warm(resident="all", progress=lambda *event: None)
    assert index.residency()["all"]["share"] in (1.0, None)
    with pytest.raises(ValueError, match="resident: 'cold' given"):
        index.warm(resident="cold")


def test_low_recall_warns_at_the_call():
    random = np.random.default_rng(1)
    with pytest.warns(cassata.RecallWarning) as warned:
        cassata.build(random.standard_normal((4000, 96), dtype=np.float32), m=2, ef_construction=1)
    assert warned[0].filename == __file__
    with pytest.warns(cassata.RecallWarning) as warned:
        cassata.DensePlainHNSW.build_from_array(
            random.standard_normal((4000, 96), dtype=np.float32), m=2, ef_construction=1
        )
    assert warned[0].filename == __file__
