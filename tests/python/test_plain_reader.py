"""docs/format.md is enough to read a file: plain_reader.py, written from it, sees what the library wrote and gives the
same answers."""

from __future__ import annotations

import itertools
import re
import struct
from pathlib import Path

import cassata
import numpy as np
import pytest
from conftest import clustered, rng
from plain_reader import PlainIndex

ROOT = Path(__file__).resolve().parents[2]
OTHERS = re.compile("sparse|rerank|pq|multivec")  # what the plain reader does not read, or not as vectors
GOLDEN = sorted(path for path in ROOT.glob("tests/golden/v*/*.cassata") if not OTHERS.search(path.name))
GOLDEN_FIELDS = [path for path in GOLDEN if "-fields-" in path.name]
GOLDEN_TOKENS = sorted(ROOT.glob("tests/golden/v*/multivec-*.cassata"))
INEXACT = {"cosine"}  # metrics whose scores of small whole numbers have rounding errors in f32
BUILDS = {
    "flat": cassata.DenseFlatIndex.build_from_array,
    "standard": lambda *a, **k: cassata.DensePlainHNSW.build_from_array(
        *a, m=8, ef_construction=60, graph_type="standard", **k
    ),
    "permuted": lambda *a, **k: cassata.DensePlainHNSW.build_from_array(
        *a, m=8, ef_construction=60, graph_type="permuted", **k
    ),
    "navigation": lambda *a, **k: cassata.DensePlainHNSW.build_from_array(
        *a, m=8, ef_construction=60, navigation="rabitq", bits=2, **k
    ),
    "paged": lambda *a, **k: cassata.DensePlainHNSW.build_from_array(
        *a, m=8, ef_construction=60, navigation="int4", layout="paged", **k
    ),
    "compressed": lambda *a, **k: cassata.DensePlainHNSW.build_from_array(
        *a, m=8, ef_construction=60, graph_type="compressed", **k
    ),
}


CASES = [
    *itertools.product(BUILDS, ("dotproduct", "euclidean"), ("f32", "f16")),
    ("flat", "cosine", "f32"),
    ("compressed", "cosine", "f32"),
    ("permuted", "manhattan", "f16"),
]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def written(request, tmp_path_factory):
    """(the kind of build, vectors, the library's index, the plain reader's)."""
    build, metric, dtype = request.param
    vectors = clustered(1500, 19, seed=31)
    path = tmp_path_factory.mktemp("plain") / "index"
    index = BUILDS[build](vectors, metric=metric, dtype=dtype, path=path)
    if metric == "cosine":
        vectors = (vectors / np.linalg.norm(vectors.astype("f8"), axis=1, keepdims=True)).astype("f4")
    return build, vectors.astype("f2").astype("f4") if dtype == "f16" else vectors, index, PlainIndex(path)


def test_sees_what_the_library_tells(written):
    build, vectors, index, plain = written
    info = index.info
    assert (plain.size, plain.dim) == (info["n"], info["dim"]) == vectors.shape
    assert plain.metric == info["metric"].replace("dotproduct", "dot_product")
    assert plain.encoding.itemsize == {"f32": 4, "f16": 2}[info["dtype"]]
    assert plain.graph == info["graph"]
    assert (plain.kind == "flat") == (build == "flat") == (plain.graph is None)
    told = {s["name"]: (s["offset"], s["length"], s["tier"]) for s in info["sections"]}
    assert plain.sections == told
    provenance = info["provenance"]
    assert (plain.library_version, plain.inputs, plain.parameters) == (
        provenance["library_version"],
        provenance["inputs"],
        provenance["parameters"],
    )
    assert (plain.major, plain.minor) == info["format_version"]


def test_rows_are_the_vectors(written):
    build, vectors, _, plain = written
    assert sorted(plain.ids()) == list(range(len(vectors)))
    assert (build in ("permuted", "compressed", "navigation", "paged")) == ("ids" in plain.sections)
    np.testing.assert_allclose(
        plain.rows().astype("f4"), vectors[plain.ids()], rtol=2e-7 if plain.metric == "cosine" else 0
    )


def test_answers_as_the_library(written):
    _, _, index, plain = written
    for query in clustered(40, 19, seed=32):
        expected_scores, expected_ids = index.search(query, 10, ef_search=len(index))
        scores, ids = plain.search(query, 10)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5, atol=1e-4)


@pytest.fixture
def graph(written):
    """The plain reader's view of a graph index."""
    if written[0] == "flat":
        pytest.skip("no graph")
    return written[3]


def test_graph_is_as_specified(graph):
    m, sizes, n = graph.graph["m"], graph.graph["level_sizes"], graph.size
    for row in range(n):
        neighbors = graph.ground_neighbors(row).tolist()
        assert max(neighbors) < n
        assert len(set(neighbors)) == len(neighbors)
        assert row not in neighbors
    lists = [("graph.upper_edges", sum(sizes), m)] + [("graph.edges", n, 2 * m)] * (
        graph.graph["graph_type"] not in ("compressed", "paged")
    )
    for name, rows, places in lists:
        unused = graph.neighbors(name, rows * places).reshape(-1, places) == 0xFFFFFFFF
        assert (unused[:, :-1] <= unused[:, 1:]).all(), "unused places stand at the end"
    nodes = graph.section("graph.upper_nodes", "<u4")
    assert len(nodes) == len(set(nodes.tolist())) == sizes[0]
    assert sizes == sorted(sizes, reverse=True)
    assert graph.neighbors("graph.upper_edges", sum(sizes) * m).size == sum(sizes) * m
    for level, size in enumerate(sizes, start=1):
        on_level = set(nodes[:size].tolist())
        for position in range(size):
            assert set(graph.upper_neighbors(level, position).tolist()) <= on_level - {int(nodes[position])}


@pytest.mark.parametrize(
    "choices",
    [{"graph_type": "standard"}, {}, {"graph_type": "compressed"}, {"navigation": "int4", "layout": "paged"}],
    ids=["standard", "permuted", "compressed", "paged"],
)
def test_duplicates_are_as_specified(tmp_path, choices):
    vectors = clustered(300, 19, seed=3)
    vectors[200:260] = vectors[0:180:3]
    vectors[260:] = vectors[1:161:4] + np.float32(1e-4)
    order = rng(1).permutation(300)
    index = cassata.DensePlainHNSW.build_from_array(
        vectors[order], metric="euclidean", m=4, path=tmp_path / "index", **choices
    )
    plain = PlainIndex(tmp_path / "index")
    ids, rows = plain.ids(), plain.rows()
    row_of = np.argsort(ids)
    found = plain.duplicates()
    assert found == sorted(found, key=lambda one: (one[0], one[1], ids[one[2]]))
    copies, near = ([(id_, row) for id_, is_near, row in found if is_near == kind] for kind in (False, True))
    assert len(copies) >= 50
    assert len(near) >= 30
    assert plain.graph["duplicates"] == len(copies) + len(near) == index.info["graph"]["duplicates"]
    assert plain.graph["near_copies"] == len(near) == index.info["graph"]["near_copies"]
    assert struct.unpack_from("<Q", plain.file.tobytes(), 48)[0] & 1, "the feature bit"
    representatives, duplicates = {r for r, _ in copies + near}, {int(ids[row]) for _, row in copies + near}
    assert not representatives & duplicates
    assert len(duplicates) == len(copies) + len(near)
    for representative, row in copies:
        np.testing.assert_array_equal(rows[row], rows[row_of[representative]])
        assert ids[row] > representative
    for representative, row in near:
        assert 0 < np.abs(rows[row] - rows[row_of[representative]]).max() < 1e-2
    if choices.get("graph_type") != "standard":
        assert sorted(row_of[list(duplicates)]) == list(range(300 - len(duplicates), 300))


def test_walks_the_graph(graph):
    """A greedy walk over what the sections say comes to a vector's own row for most vectors."""
    if graph.metric != "euclidean":
        pytest.skip("a vector is not always the best match of itself")
    rows, row_of = graph.rows().astype("f8"), np.argsort(graph.ids())

    def closest(candidates, query):
        return min(candidates, key=lambda row: ((rows[row] - query) ** 2).sum())

    reached = 0
    for wanted in range(0, graph.size, 15):
        query = rows[row_of[wanted]]
        nodes = graph.section("graph.upper_nodes", "<u4").tolist()
        at = nodes[0] if nodes else 0
        for level in range(len(graph.graph["level_sizes"]), -1, -1):
            while True:
                near = graph.upper_neighbors(level, nodes.index(at)) if level else graph.ground_neighbors(at)
                if (better := closest([at, *near.tolist()], query)) == at:
                    break
                at = better
        reached += graph.ids()[at] == wanted
    assert reached >= 0.7 * len(range(0, graph.size, 15))


def test_hashes_are_as_specified(written):
    xxhash = pytest.importorskip("xxhash")
    plain = written[3]
    file, digest = plain.file.tobytes(), xxhash.xxh3_64_intdigest
    offset, length, manifest_hash = struct.unpack_from("<QQQ", file, 24)
    assert struct.pack("<Q", digest(file[:4088])) == file[4088:4096]
    assert digest(file[offset : offset + length]) == manifest_hash
    hashes, count = plain.block_hashes["offset"], plain.block_hashes["count"]
    table = file[hashes : hashes + 8 * count]
    assert digest(table) == plain.block_hashes["xxh3"]
    assert hashes + 8 * count == offset
    blocks = [file[begin : min(begin + 65536, hashes)] for begin in range(4096, hashes, 65536)]
    assert [digest(block) for block in blocks] == np.frombuffer(table, "<u8").tolist()
    uuid = bytearray(struct.pack("<QQ", digest(table), manifest_hash))
    uuid[6], uuid[8] = uuid[6] & 0x0F | 0x80, uuid[8] & 0x3F | 0x80
    assert plain.uuid == bytes(uuid)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reads_golden_files(path):
    plain = PlainIndex(path)
    for line in path.with_suffix(".answers").read_text().splitlines():
        query, results = line.split("|")
        expected = [result.split(":") for result in results.split()]
        scores, ids = plain.search(np.array(query.split(), float), len(expected))
        assert ids.tolist() == [int(number) for number, _ in expected]
        np.testing.assert_allclose(
            scores, [float(score) for _, score in expected], rtol=1e-5 if plain.metric in INEXACT else 0
        )


@pytest.mark.parametrize("path", GOLDEN_FIELDS, ids=lambda path: path.stem)
def test_reads_ids_and_fields(path):
    """Those of tests/golden/golden_payload.h."""
    plain = PlainIndex(path)
    n = plain.size
    numbers = [(row - 50) * 2**57 for row in range(n)]
    texts = ["", "Zürich", "a", "ab", "\N{ICE CREAM}", "line\nbreak"]
    ids = numbers if plain.id_type == "int64" else [f"doc {n - row}" for row in range(n)]
    assert plain.external_ids() == ids
    assert [plain.number_of(external_id) for external_id in ids[::7]] == list(range(n))[::7]
    values = {
        "float": [row / 4 - 10 for row in range(n)],
        "truth": [row % 3 == 0 for row in range(n)],
        "time": [1_700_000_000_123 + row * 86_400_000 for row in range(n)],
        "text": [texts[row % 6] for row in range(n)],
        "tags": [sorted({texts[(row + 5 * tag) % 6] for tag in range(row % 4)}, key=str.encode) for row in range(n)],
    }
    assert list(plain.fields) == ["number", *values]
    assert plain.field("number") == numbers
    assert (plain.fields["time"]["type"], plain.fields["time"]["unit"]) == ("timestamp", "ms")
    floats = plain.field("float")
    assert np.isnan(floats[7])
    floats[7] = values["float"][7]
    for name in values:
        expected = [None if row % 5 == 0 else value for row, value in enumerate(values[name])]
        assert (floats if name == "float" else plain.field(name)) == expected, name


@pytest.mark.parametrize("path", GOLDEN_TOKENS, ids=lambda path: path.stem)
def test_reads_golden_files_of_tokens(path):
    plain = PlainIndex(path)
    for line in path.with_suffix(".answers").read_text().splitlines():
        query, results = line.split("|")
        expected = [result.split(":") for result in results.split()]
        tokens = np.array(query.split(";")[1].split(), float).reshape(-1, plain.tokens["token_dim"])
        scores, ids = plain.max_sim(tokens, len(expected))
        assert ids.tolist() == [int(number) for number, _ in expected]
        assert scores.tolist() == [float(score) for _, score in expected]


@pytest.mark.parametrize(
    ("centroids", "norms"),
    [(0, False), (50, False), (70_000, False), (50, True), (70_000, True)],
    ids=["plain", "two-level", "many-centroids", "norms", "many-centroids-norms"],
)
@pytest.mark.parametrize("first", ["dense", "sparse"])
def test_scores_tokens_as_the_library(tmp_path, first, centroids, norms):
    n, dim, pieces = 200, 6, 3
    random = rng(41)
    doclens = random.integers(0, 6, n).astype("i4")
    tokens, vectors, asked = (
        clustered(doclens.sum(), dim, 42),
        clustered(n, 8, 43),
        clustered(30, dim, 44).reshape(10, 3, dim),
    )
    np.save(tmp_path / "doclens.npy", doclens)
    np.save(tmp_path / "documents.npy", tokens)
    if centroids:
        (tmp_path / "documents.npy").unlink()
        np.save(tmp_path / "centroids.npy", clustered(centroids, dim, 45))
        np.save(tmp_path / "index_assignment.npy", random.integers(0, centroids, len(tokens)).astype("u4"))
        np.save(tmp_path / "pq_centroids.npy", 0.2 * clustered(256, dim, 46).reshape(-1))
        np.save(tmp_path / "residuals.npy", random.integers(0, 256, (len(tokens), pieces)).astype("u1"))
    if norms:
        np.save(tmp_path / "residual_norms.npy", random.exponential(2, len(tokens)).astype("f2"))
    if first == "dense":
        cassata.DensePlainHNSW.build_from_array(vectors, m=8, path=tmp_path / "first")
        index = cassata.DenseMultivecRerankIndex.build_from_file(tmp_path / "first", tmp_path, path=tmp_path / "index")
        queries = (vectors[:10],)
    else:
        components, offsets = np.tile(np.arange(8, dtype="i4"), n), np.arange(n + 1) * 8
        cassata.SparsePlainHNSW.build_from_arrays(
            components, vectors.reshape(-1), offsets, m=8, path=tmp_path / "first"
        )
        face = cassata.SparseMultivecTwoLevelsPQRerankIndex if centroids else cassata.SparseMultivecRerankIndex
        index = face.build_from_file(tmp_path / "first", tmp_path, path=tmp_path / "index")
        queries = (components[:80], vectors[:10].reshape(-1), offsets[:11])
    plain = PlainIndex(tmp_path / "index")
    scores, ids = index.batch_search(*queries, multivec_queries=asked, k=20, k_candidates=n)
    for query, expected_scores, expected_ids in zip(asked, scores.reshape(10, 20), ids.reshape(10, 20)):
        found_scores, found_ids = plain.max_sim(query, 20)
        assert found_ids.tolist() == expected_ids.tolist()
        np.testing.assert_allclose(found_scores, expected_scores, rtol=1e-5, atol=1e-4)


@pytest.mark.skipif(not GOLDEN, reason="no golden files")
def test_the_page_shows_a_golden_file():
    page = (ROOT / "docs" / "format.md").read_text()
    plain = PlainIndex(ROOT / re.search(r"`(tests/golden/\S+\.cassata)`", page)[1])
    shown = re.findall(r"^  (\w+\.?\w*) +([\d,]+) +([\d,]+) +[\d.]+ % +(hot|cold)$", page, re.MULTILINE)
    assert {
        name: (int(offset.replace(",", "")), int(length.replace(",", "")), tier) for name, offset, length, tier in shown
    } == plain.sections
    assert f"({len(plain.file):,} bytes)" in page
    assert plain.uuid.hex() in page.replace("-", "")
