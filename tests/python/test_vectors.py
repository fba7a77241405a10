"""Vectors read back from an index, and builds from an index, in Python and on the command line."""

from __future__ import annotations

import json

import cassata
import numpy as np
import pytest
from cli import output, refusal
from conftest import clustered, rng, topics, write_sparse

N, DIM = 400, 12


@pytest.fixture(scope="module")
def vectors():
    return clustered(N, DIM, seed=1)


@pytest.fixture(scope="module")
def matrix():
    return topics(N, 5000, seed=2)


@pytest.fixture(scope="module")
def full(vectors, tmp_path_factory):
    """A file with text ids, fields and documents."""
    path = tmp_path_factory.mktemp("full") / "full.cassata"
    cassata.build(
        vectors,
        path,
        metric="euclidean",
        m=8,
        ef_construction=40,
        ids=[f"doc-{row}" for row in range(N)],
        fields={"size": np.arange(N), "tags": [["even"] if row % 2 == 0 else [] for row in range(N)]},
        documents=(f"text {row}" for row in range(N)),
    ).close()
    return path


def as_matrix(rows, shape):
    sparse = pytest.importorskip("scipy.sparse")
    return sparse.csr_array((rows.values, rows.components, rows.offsets), shape)


def test_dense_vectors_are_those_of_the_build(vectors):
    index = cassata.build(vectors, m=8, ef_construction=40)
    found = index.vectors(range(N))
    assert (found.dtype, found.shape) == (np.float32, (N, DIM))
    np.testing.assert_array_equal(found, vectors)
    rows = rng(3).integers(0, N, 1000)
    np.testing.assert_array_equal(index.vectors(rows), vectors[rows])
    assert index.vectors([]).shape == (0, DIM)
    _, ids = index.search(vectors[5], k=3)
    np.testing.assert_array_equal(index.vectors(ids), vectors[ids])


@pytest.mark.parametrize(
    ("parameters", "loss"),
    [
        ({"dtype": "f16"}, 1e-6),
        ({"navigation": "int4"}, 0),
        ({"navigation": "int8", "graph_type": "paged", "dtype": "f16"}, 1e-6),
        ({"dtype": "pq", "m_pq": DIM}, 1e-2),
        ({"dtype": "int8", "rerank": "f32"}, 0),
        ({"dtype": "rabitq", "rerank": "rabitq", "rerank_bits": 6, "residual": True}, 1e-3),
    ],
)
def test_other_encodings_lose_little(vectors, parameters, loss):
    found = cassata.build(vectors, m=8, ef_construction=40, **parameters).vectors(range(N))
    assert ((found - vectors) ** 2).sum() <= loss * (vectors**2).sum()


def test_cosine_has_vectors_of_length_1(vectors):
    found = cassata.build(vectors, kind="flat", metric="cosine").vectors(range(N))
    np.testing.assert_allclose(found, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        {"kind": "flat"},
        {"kind": "postings", "dtype": "f32"},
        {"dtype": "f32", "m": 8, "ef_construction": 40},
        {"dtype": "f32", "prune_percentage": 60, "residual": True, "rerank": "f32", "m": 8, "ef_construction": 40},
    ],
)
def test_sparse_vectors_are_those_of_the_build(matrix, parameters):
    index = cassata.build(matrix, **parameters)
    rows = rng(4).integers(0, N, 500)
    found = index.vectors(rows)
    assert isinstance(found, cassata.SparseRows)
    assert [part.dtype for part in found] == [np.uint32, np.float32, np.uint64]
    assert (as_matrix(found, (500, 5000)) != matrix[rows]).nnz == 0
    assert index.vectors([]).offsets.tolist() == [0]
    _, ids = index.search(index.vectors([7]), k=1)
    assert ids.tolist() == [[7]]


def test_external_ids(full, vectors):
    index = cassata.open(full)
    np.testing.assert_array_equal(index.vectors(["doc-7", "doc-3", "doc-7"]), vectors[[7, 3, 7]])
    np.testing.assert_array_equal(index.vectors(index.ids[:5]), vectors[:5])
    with pytest.raises(KeyError, match=r"^'doc-400'$"):
        index.vectors(["doc-1", "doc-400"])
    np.testing.assert_array_equal(index.vectors([7, "doc-3"]), vectors[[7, 3]])  # integers are row numbers
    with pytest.raises(KeyError, match=r"^400$"):
        index.vectors([400])


@pytest.mark.parametrize("read", ["vectors", "documents"])
def test_wrong_ids(vectors, full, read):
    index = cassata.build(vectors, kind="flat", documents=["a"] * N)
    ask = getattr(index, read)
    for wrong in (N, -1, 2**63, -(2**70), "7", "\udcff"):
        with pytest.raises(KeyError):
            ask([0, wrong])
    for wrong in (5, "doc-1", b"doc", None, 1.5):
        with pytest.raises(TypeError, match=r"^ids: .* given, expected several, e\.g\. a list$"):
            ask(wrong)
    for wrong in ([1.5], [None], [[1, 2]], np.array([1.0])):
        with pytest.raises(TypeError, match=r"^ids: .* given, expected ids, which are int or str$"):
            ask(wrong)
    with pytest.raises(ValueError, match=r"^ids: shape \(2, 3\), expected one dimension$"):
        ask(np.zeros((2, 3), int))
    index.close()
    with pytest.raises(ValueError, match=r"the index is closed$"):
        ask([0])


def test_vectors_of_a_damaged_file(vectors, tmp_path):
    path = tmp_path / "index"
    cassata.build(vectors, path, kind="flat").close()
    for verify in (False, "touched"):
        index = cassata.open(path, verify=verify)
        rows = next(one for one in index.info["sections"] if one["name"] == "codes.rows")
        bytes_ = bytearray(path.read_bytes())
        at = rows["offset"] + 5 * DIM * 4
        bytes_[at : at + 4] = np.float32(np.nan).tobytes()
        index.close()
        (tmp_path / "damaged").write_bytes(bytes_)
        damaged = cassata.open(tmp_path / "damaged", verify=verify)
        with pytest.raises(cassata.FormatError, match=r"section 'codes.rows'"):
            damaged.vectors([4, 5])


def test_token_vectors_stay(tmp_path, vectors):
    doclens = np.full(N, 2)
    np.save(tmp_path / "doclens.npy", doclens)
    np.save(tmp_path / "documents.npy", rng(5).standard_normal((2 * N, 8)).astype(np.float32))
    index = cassata.build(vectors, m=8, ef_construction=40).join(tmp_path)
    np.testing.assert_array_equal(index.vectors(range(N)), vectors)


# --- an index as the input of a build ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vectors.npy", "rows.npz", "table.csv", "rows.bin", "none"])
def test_first_bytes_show_an_index(full, tmp_path, name):
    (tmp_path / name).write_bytes(full.read_bytes())
    assert cassata.build(tmp_path / name, kind="flat").n == N
    output("build", tmp_path / name, "-o", tmp_path / "new", "--kind", "flat", "-q")


def test_a_build_takes_all_that_the_index_holds(full, vectors, tmp_path):
    small = cassata.build(full, tmp_path / "small", kind="flat", dtype="f16")
    assert (small.metric, small.dtype, small.n) == ("euclidean", "f16", N)
    np.testing.assert_array_equal(small.vectors(small.ids), vectors.astype(np.float16).astype(np.float32))
    assert small.ids.tolist() == [f"doc-{row}" for row in range(N)]
    assert small.fields["size"].tolist() == list(range(N))
    assert small.documents(["doc-9"]) == ["text 9"]
    entry = small.info["provenance"]["inputs"][0]
    assert (entry["name"], entry["rows"], entry["bytes"]) == ("full.cassata", N, N * DIM * 4)


def test_other_ids_fields_documents_and_metric_may_be_given(full):
    index = cassata.open(full)
    fresh = cassata.build(
        index, kind="flat", metric="cosine", ids=np.arange(N) + 7, fields={"size": [0] * N}, documents=[b"x"] * N
    )
    assert (fresh.metric, fresh.ids.tolist(), [*fresh.fields]) == ("cosine", list(range(7, N + 7)), ["size"])
    assert fresh.documents([7]) == [b"x"]
    with pytest.raises(ValueError, match=r"^ids: 3 .*expected 400"):
        cassata.build(index, kind="flat", ids=[1, 2, 3])


@pytest.mark.parametrize(
    "chosen",
    [
        {"size": {"$lt": 50}},
        np.arange(N) < 50,
        [f"doc-{row}" for row in range(50)],
        np.packbits(np.arange(N) < 50, bitorder="little"),
        {f"doc-{row}" for row in range(50)},
        lambda name: int(name[4:]) < 50,
    ],
    ids=["condition", "truths", "ids", "bits", "set", "function"],
)
@pytest.mark.parametrize("opened", [False, True])
def test_a_filter_chooses_vectors(full, vectors, chosen, opened):
    data = cassata.open(full) if opened else full
    part = cassata.build(data, kind="flat", filter=chosen)
    np.testing.assert_array_equal(part.vectors(part.ids), vectors[:50])
    assert part.ids.tolist() == [f"doc-{row}" for row in range(50)]
    assert part.fields["tags"].tolist() == [["even"] if row % 2 == 0 else [] for row in range(50)]
    assert part.documents(["doc-49"]) == ["text 49"]


def test_a_part_without_ids_has_row_numbers_of_its_own(vectors):
    index = cassata.build(vectors, kind="flat")
    part = cassata.build(index, kind="flat", filter=[300, 4, 17])
    np.testing.assert_array_equal(part.vectors([0, 1, 2]), vectors[[4, 17, 300]])


def test_wrong_filters(full, vectors, tmp_path):
    with pytest.raises(ValueError, match=r"^filter: given, expected only with an index as data$"):
        cassata.build(vectors, filter={"size": 1})
    with pytest.raises(ValueError, match=r"^filter: lets none of the 400 vectors of .*full\.cassata through"):
        cassata.build(full, filter={"size": -1})
    with pytest.raises(ValueError, match=r"^filter: 3 truth values, expected 400"):
        cassata.build(full, filter=[True, False, True])
    with pytest.raises(ValueError, match=r"^filter: shape \(1, 400\), expected one dimension"):
        cassata.build(full, filter=np.ones((1, N), bool))
    with pytest.raises(ValueError, match=r"^filter: id 'x' at place 0, expected ids of the index"):
        cassata.build(full, filter=["x"])


def test_an_index_does_not_replace_its_input(full, tmp_path):
    for data in (full, cassata.open(full)):
        with pytest.raises(ValueError, match=r"^path: .*is the input, which the index would replace$"):
            cassata.build(data, full)
    assert cassata.open(full).n == N


def test_indexes_in_temporary_files_and_closed_ones(vectors):
    index = cassata.build(vectors, kind="flat")
    assert cassata.build(index, kind="flat").n == N
    index.close()
    with pytest.raises(ValueError, match=r"the index is closed$"):
        cassata.build(index)


def test_other_ways_to_build(full, vectors, matrix, tmp_path):
    face = cassata.DenseFlatIndex.build_from_file(str(full))
    assert (face.metric, face.n) == ("euclidean", N)
    assert cassata.DenseFlatIndex.build(cassata.open(full), filter={"size": 3}).ids.tolist() == ["doc-3"]
    sparse = cassata.build(matrix, tmp_path / "sparse", kind="flat")
    other = cassata.SparseFlatIndex.build_from_file(str(tmp_path / "sparse"))
    assert (as_matrix(other.vectors(range(N)), matrix.shape) != matrix).nnz == 0
    assert sparse.n == N
    with pytest.raises(ValueError, match=r"^class_name: 'DenseFlatIndex' given, but .* of class SparseFlatIndex"):
        cassata.DenseFlatIndex.build(sparse)


def test_an_interrupted_build_from_an_index_continues(full, tmp_path):
    choices = {"memory_budget": "64MiB", "m": 8, "ef_construction": 40, "filter": {"size": {"$gte": 100}}}

    def stop(stage, done, total):
        if stage == "graph" and done > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cassata.build(full, tmp_path / "new", progress=stop, **choices)
    whole = cassata.build(full, tmp_path / "other", **choices)
    resumed = cassata.build(full, tmp_path / "new", resume=True, **choices)
    assert (resumed.n, resumed.uuid) == (300, whole.uuid)
    assert resumed.ids[0] == "doc-100"


def test_a_build_from_sparse_vectors_is_the_same_as_from_their_index(matrix, tmp_path):
    first = cassata.build(matrix, kind="flat", dtype="f32")
    rows = np.flatnonzero(np.arange(N) % 3 == 0)
    taken = cassata.build(first, dtype="f32", m=8, ef_construction=40, filter=rows)
    given = cassata.build(matrix[rows], dtype="f32", m=8, ef_construction=40)
    assert taken.dim == given.dim
    assert taken.search(matrix[:20], k=5)[1].tolist() == given.search(matrix[:20], k=5)[1].tolist()


def test_recommends_for_an_index(full, vectors):
    found = cassata.recommend(cassata.open(full), target_recall=0.5, sample=300)
    assert found.arguments["metric"] == "euclidean"
    index = found.build(full)
    assert (index.n, index.metric) == (N, "euclidean")


def test_the_program_builds_from_an_index(full, tmp_path, vectors):
    output("build", full, "-o", tmp_path / "small", "--encoding", "int8", "--rerank", "f16", "-m", 8, "-q")
    report = json.loads(output("inspect", tmp_path / "small", "--json"))
    assert (report["class"], report["metric"], report["n"], report["ids"]) == (
        "DenseRerankHNSW", "euclidean", N, "text",
    )  # fmt: skip
    (tmp_path / "chosen").write_text("doc-5\ndoc-2\ndoc-399\n")
    output(
        "build", full, "-o", tmp_path / "part", "--kind", "flat", "-q", "--filter", '{"tags": "even"}',
        "--filter-ids", tmp_path / "chosen",
    )  # fmt: skip
    part = cassata.open(tmp_path / "part")
    assert (part.ids.tolist(), part.documents(["doc-2"])) == (["doc-2"], ["text 2"])
    np.testing.assert_array_equal(part.vectors(["doc-2"]), vectors[[2]])


def test_the_program_searches_for_the_vectors_of_an_index(full, tmp_path):
    output("build", full, "-o", tmp_path / "queries", "--kind", "flat", "-q", "--filter", '{"size": {"$lt": 2}}')
    lines = output("search", full, tmp_path / "queries", "-k", "1").splitlines()
    assert [line.split("\t")[1] for line in lines] == ["doc-0", "doc-1"]


def test_the_program_recommends_for_an_index(full, tmp_path):
    output(
        "build", full, "-o", tmp_path / "best", "--target-recall", "0.5", "--sample", "300", "-q",
        "--filter", '{"size": {"$gte": 40}}',
    )  # fmt: skip
    best = cassata.open(tmp_path / "best")
    assert (best.n, best.metric, best.ids[0]) == (360, "euclidean", "doc-40")


def test_what_the_program_refuses(full, vectors, tmp_path, matrix):
    np.save(tmp_path / "vectors.npy", vectors)
    write_sparse(tmp_path / "rows.bin", matrix)
    words = ("build", tmp_path / "vectors.npy", "-o", tmp_path / "new", "-q")
    assert "--filter: given, but" in refusal(*words, "--filter", '{"size": 1}')
    assert "vectors.npy is no index file" in refusal(*words, "--filter-ids", tmp_path / "rows.bin")
    words = ("build", full, "-o", tmp_path / "new", "-q")
    assert "filter: lets none of the 400 vectors of" in refusal(*words, "--filter", '{"size": -1}')
    (tmp_path / "ids").write_text("doc-1\nnone\n")
    assert "ids: line 2: 'none', expected an id of the index" in refusal(*words, "--filter-ids", tmp_path / "ids")
    assert "is the input itself" in refusal("build", full, "-o", full, "-q")
    (tmp_path / "damaged").write_bytes(full.read_bytes()[:5000])
    assert "damaged" in refusal("build", tmp_path / "damaged", "-o", tmp_path / "new", "-q")
    assert not (tmp_path / "new").exists()


def test_fields_of_an_index_can_be_left_out(full):
    assert len(cassata.build(full, kind="flat").fields) > 0
    assert len(cassata.build(full, kind="flat", fields={}).fields) == 0


def test_an_empty_condition_is_no_condition(full, tmp_path):
    error = refusal("build", full, "-o", tmp_path / "new", "--kind", "flat", "--filter", "", code=2)
    assert "filter: '' given, expected JSON" in error
