"""Token vectors behind a graph: MaxSim against NumPy, ways to ask, folders that do not fit, files."""

from __future__ import annotations

import pickle
import shutil

import cassata
import numpy as np
import pytest
from conftest import FORMER, clustered, recall, rng, run_python, topics

sparse = pytest.importorskip("scipy.sparse")

Plain, Coded, Dense = (
    cassata.SparseMultivecRerankIndex,
    cassata.SparseMultivecTwoLevelsPQRerankIndex,
    cassata.DenseMultivecRerankIndex,
)
N, NQ, COLUMNS, DIM, PIECES, CENTROIDS = 600, 20, 2000, 24, 8, 40
SPOILED = 44  # the token that is spoiled in folders that do not fit


class Tokens:
    """Documents' tokens in both forms, and what is stored of them."""

    def __init__(self, seed=5):
        random = rng(seed)
        self.doclens = random.integers(0, 12, N).astype(np.int32)
        self.doclens[:2] = 0, 11
        self.offsets = np.concatenate([[0], np.cumsum(self.doclens)])
        self.tokens = clustered(int(self.offsets[-1]), DIM, seed + 1)
        self.centroids = clustered(CENTROIDS, DIM, seed + 2)
        self.assignment = random.integers(0, CENTROIDS, len(self.tokens))
        self.pieces = 0.3 * random.standard_normal((PIECES, 256, DIM // PIECES)).astype(np.float32)
        self.codes = random.integers(0, 256, (len(self.tokens), PIECES)).astype(np.uint8)
        residuals = self.pieces[np.arange(PIECES), self.codes].reshape(-1, DIM)
        self.decoded = self.centroids[self.assignment].astype(np.float64) + residuals
        self.norms = random.exponential(3, len(self.tokens)).astype(np.float16)
        self.scaled = self.centroids[self.assignment].astype(np.float64) + residuals * self.norms[:, None].astype(
            np.float64
        )
        self.rounded = self.tokens.astype(np.float16).astype(np.float64)

    def place(self, token):
        """The document that has this token, and its number in it, as messages name them."""
        document = np.searchsorted(self.offsets, token, "right") - 1
        return f"document {document}, token {token - self.offsets[document]}"

    def write_plain(self, folder, documents=None, **files):
        folder.mkdir(exist_ok=True)
        return self._write(
            folder,
            documents=self.tokens.astype("f2") if documents is None else documents,
            doclens=self.doclens,
            **files,
        )

    def write_coded(self, folder, **files):
        folder.mkdir(exist_ok=True)
        parts = {
            "doclens": self.doclens,
            "centroids": self.centroids,
            "index_assignment": self.assignment.astype(np.uint64),
            "pq_centroids": self.pieces.reshape(-1),
            "residuals": self.codes,
        }
        return self._write(folder, **{**parts, **files})

    @staticmethod
    def _write(folder, **arrays):
        for name, array in arrays.items():
            if array is not None:
                np.save(folder / f"{name}.npy", array)
        return folder

    def scores(self, tokens, queries):
        """MaxSim by definition, (queries, documents)."""
        found = np.full((len(queries), N), -np.inf)
        for document, (begin, end) in enumerate(zip(self.offsets, self.offsets[1:])):
            for i, query in enumerate(queries):
                if end > begin:
                    found[i, document] = (query.astype(np.float64) @ tokens[begin:end].T).max(axis=1).sum()
        return found


@pytest.fixture(scope="module")
def tokens():
    return Tokens()


@pytest.fixture(scope="module")
def vectors():
    return topics(N, COLUMNS, seed=1)


@pytest.fixture(scope="module")
def queries():
    return topics(NQ, COLUMNS, seed=2)


@pytest.fixture(scope="module")
def query_tokens():
    return clustered(NQ * 6, DIM, seed=9).reshape(NQ, 6, DIM)


@pytest.fixture(scope="module", params=["standard", "permuted", "compressed"])
def first(request, vectors, tmp_path_factory):
    path = tmp_path_factory.mktemp("first") / "sparse.cassata"
    cassata.SparsePlainHNSW.build_from_arrays(vectors, m=16, ef_construction=100, graph_type=request.param, path=path)
    return path


@pytest.fixture(scope="module")
def plain(first, tokens, tmp_path_factory):
    return Plain.build_from_file(first, tokens.write_plain(tmp_path_factory.mktemp("plain")))


@pytest.fixture(scope="module")
def coded(first, tokens, tmp_path_factory):
    return Coded.build_from_file(first, tokens.write_coded(tmp_path_factory.mktemp("coded")), PIECES)


def candidates(first, queries, k):
    """What the first stage gives."""
    return cassata.open(first).batch_search(queries, k, 200)[1]


def arrays(matrix):
    return matrix.indices, matrix.data, matrix.indptr


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["plain", "coded"])
def test_scores_are_maxsim_over_the_candidates(request, first, face, tokens, queries, query_tokens):
    index = request.getfixturevalue(face)
    stored = tokens.rounded if face == "plain" else tokens.decoded
    scores, ids = index.batch_search(queries, query_tokens, k_candidates=50, k=10, ef_search=200)
    expected = tokens.scores(stored, query_tokens)
    among = candidates(first, queries, 50)
    for i in range(NQ):
        best = sorted(among[i].tolist(), key=lambda document: (-expected[i, document], document))[:10]
        assert ids[i].tolist() == best
    np.testing.assert_allclose(scores, np.take_along_axis(expected, ids, 1), rtol=2e-6, atol=2e-5)
    index.verify()


@pytest.mark.parametrize("face", ["plain", "coded"])
def test_all_candidates_are_exhaustive_search(request, first, face, tokens, queries, query_tokens):
    index = request.getfixturevalue(face)
    expected = tokens.scores(tokens.rounded if face == "plain" else tokens.decoded, query_tokens)
    _, ids = index.batch_search(queries, query_tokens, k_candidates=N, k=10)
    assert recall(ids, np.argsort(-expected, axis=1, kind="stable")[:, :10]) == 1
    scores, ids = index.batch_search(queries, query_tokens, k_candidates=N, k=N)  # documents without tokens come last
    empty = np.flatnonzero(tokens.doclens == 0)
    assert set(ids[0, -len(empty) :].tolist()) == set(empty.tolist())
    assert np.all(np.isneginf(scores[:, -len(empty) :]))
    assert np.all(np.isfinite(scores[:, : -len(empty)]))


def test_both_stages_together(first, plain, tokens, queries, query_tokens, vectors):
    scores, ids = plain.batch_search(queries, query_tokens, k_candidates=40, k=5, residuals=True)
    sums = (
        tokens.scores(tokens.rounded, query_tokens)
        + (queries.astype(np.float64) @ vectors.astype(np.float64).T).toarray()
    )
    np.testing.assert_allclose(scores, np.take_along_axis(sums, ids, 1), rtol=1e-3)  # the first stage holds f16


def test_alpha_and_beta(first, plain, tokens, queries, query_tokens):
    k, among = 5, candidates(first, queries, 60)
    first_scores = cassata.open(first).batch_search(queries, 60, 200)[0]
    expected = tokens.scores(tokens.rounded, query_tokens)
    _, ids = plain.batch_search(queries, query_tokens, k_candidates=60, k=k, ef_search=200, alpha=0.1)
    for i in range(NQ):
        worst = first_scores[i, k - 1]
        near = among[i][first_scores[i] >= worst - abs(worst) * np.float32(0.1)].tolist()
        assert ids[i].tolist() == sorted(near, key=lambda document: (-expected[i, document], document))[:k]
    _, ids = plain.batch_search(queries, query_tokens, k_candidates=60, k=k, ef_search=200, beta=3)
    for i in range(NQ):
        best, idle = [], 0
        for document in among[i].tolist():
            if len(best) >= k and idle >= 3:
                break
            kept = sorted([*best, (-expected[i, document], document)])[:k]
            idle = 0 if (-expected[i, document], document) in kept else idle + 1
            best = kept
        assert ids[i].tolist() == [document for _, document in best]


def test_dense_first_stages(tmp_path, tokens, query_tokens):
    data, asked = clustered(N, 16, 3), clustered(NQ, 16, 4)
    folder = tokens.write_coded(tokens.write_plain(tmp_path / "folder"))
    for face, more in ((cassata.DensePlainHNSW, {}), (cassata.DensePQHNSW, {"m_pq": 8})):
        path = tmp_path / "dense.cassata"
        face.build_from_array(data, m=8, path=path, **more)
        for pieces, stored in ((None, tokens.rounded), (PIECES, tokens.decoded)):
            index = Dense.build_from_file(path, folder, pieces, two_level=bool(pieces))
            scores, ids = index.batch_search(asked, query_tokens, k_candidates=30, k=5)
            np.testing.assert_allclose(
                scores, np.take_along_axis(tokens.scores(stored, query_tokens), ids, 1), rtol=2e-6, atol=2e-5
            )
            one = index.search(asked[3], query_tokens[3], k_candidates=30, k=5)
            assert one[1].tolist() == ids[3].tolist()
            with pytest.raises(ValueError, match=r"documents.npy"):
                Dense.build_from_file(path, folder)
            assert type(cassata.open(save(index, tmp_path / "saved.cassata"))) is Dense


def save(index, path):
    index.save(path)
    return path


# --- folders ----------------------------------------------------------------------------------------------------------


def test_layouts_of_a_folder(first, plain, tokens, tmp_path, queries, query_tokens):
    padded = np.full((N, 11, DIM), np.nan, np.float32)
    for document, (begin, end) in enumerate(zip(tokens.offsets, tokens.offsets[1:])):
        padded[document, : end - begin] = tokens.tokens[begin:end]
    expected = [part.tolist() for part in plain.batch_search(queries, query_tokens)]
    for name, documents in (
        ("f4", tokens.tokens),
        ("bits", tokens.tokens.astype("f2").view(np.uint16)),
        ("padded", padded),
    ):
        index = Plain.build_from_file(first, tokens.write_plain(tmp_path / name, documents))
        assert [part.tolist() for part in index.batch_search(queries, query_tokens)] == expected, name


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u4", "i8", "u8"])
def test_types_of_assignments(first, coded, tokens, tmp_path, queries, query_tokens, dtype):
    folder = tokens.write_coded(
        tmp_path / "folder",
        index_assignment=tokens.assignment.astype(dtype),
        pq_centroids=tokens.pieces,
        doclens=tokens.doclens.astype("i8"),
    )
    index = Coded.build_from_file(first, folder, PIECES)
    expected = coded.batch_search(queries, query_tokens)
    for mine, theirs in zip(index.batch_search(queries, query_tokens), expected):
        np.testing.assert_array_equal(mine, theirs)


def test_first_stages(tmp_path, vectors, tokens, queries, query_tokens):
    folder = tokens.write_plain(tmp_path / "folder")
    for face in (cassata.SparseFixedU8HNSW, cassata.SparseFixedU16HNSW, cassata.SparseDotVByteHNSW):
        path = tmp_path / f"{face.__name__}.cassata"
        face.build_from_arrays(vectors, m=8, path=path)
        index = Plain.build_from_file(path, folder)
        assert index.dtype == cassata.open(path).dtype
        assert index.batch_search(queries, query_tokens, k=5)[1].shape == (NQ, 5)
    others = {
        "rerank": lambda path: cassata.SparseRerankHNSW.build_from_arrays(vectors, prune_percentage=60, path=path),
        "flat": lambda path: cassata.SparseFlatIndex.build_from_arrays(vectors, path=path),
        "euclidean": lambda path: cassata.SparsePlainHNSW.build_from_arrays(vectors, metric="euclidean", path=path),
        "dense": lambda path: cassata.DensePlainHNSW.build_from_array(clustered(N, 8, 1), path=path),
    }
    for name, build in others.items():
        build(tmp_path / name)
        with pytest.raises(ValueError, match=name if name != "flat" else "SparseFlatIndex") as error:
            Plain.build_from_file(tmp_path / name, folder)
        assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"doclens": lambda t: t.doclens[:-1]}, "doclens.npy"),
        ({"doclens": lambda t: np.append(t.doclens, 3).astype("i4")}, "601"),
        ({"doclens": lambda t: np.where(np.arange(N) == 7, -1, t.doclens).astype("i4")}, "7"),
        ({"doclens": lambda t: t.doclens.astype("f4")}, "doclens.npy"),
        ({"doclens": lambda t: t.doclens[:, None]}, "doclens.npy"),
        ({"documents": lambda t: t.tokens[:-1]}, "documents.npy"),
        ({"documents": lambda t: np.asfortranarray(t.tokens)}, "fortran"),
        ({"documents": lambda t: t.tokens.astype("i4")}, "documents.npy"),
        ({"documents": lambda t: t.tokens.reshape(-1)}, "documents.npy"),
        ({"documents": lambda t: spoiled(t.tokens, (SPOILED, 5), np.nan)}, "{place}, column 5: NaN"),
        ({"documents": lambda t: spoiled(t.tokens, (SPOILED, 5), 1e6)}, "{place}, column 5: 1e.06"),
    ],
)
def test_plain_folders_that_do_not_fit(first, tokens, tmp_path, files, told):
    folder = tokens.write_plain(tmp_path / "folder")
    for name, make in files.items():
        np.save(folder / f"{name}.npy", make(tokens))
    target = tmp_path / "former.cassata"
    target.write_bytes(FORMER)
    with pytest.raises(ValueError, match=told.format(place=tokens.place(SPOILED))) as error:
        Plain.build_from_file(first, folder, path=target)
    assert str(folder) in str(error.value)
    assert target.read_bytes() == FORMER


def beyond_float32(shape, place):
    array = np.zeros(shape)
    array[place] = 1e300
    return array


def spoiled(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"index_assignment": lambda t: spoiled(t.assignment.astype("u8"), SPOILED, CENTROIDS)}, "{place}"),
        ({"index_assignment": lambda t: spoiled(t.assignment.astype("i4"), SPOILED, -1)}, "{place}"),
        ({"index_assignment": lambda t: t.assignment[:-1].astype("u8")}, "index_assignment.npy"),
        ({"residuals": lambda t: t.codes[:-1]}, "residuals.npy"),
        ({"residuals": lambda t: t.codes[:, :-1]}, "pq_centroids.npy|residuals.npy"),
        ({"pq_centroids": lambda t: t.pieces.reshape(-1)[:-1]}, "pq_centroids.npy"),
        ({"centroids": lambda t: t.centroids[:, :-1]}, "centroids.npy"),
        ({"centroids": lambda t: spoiled(t.centroids, (3, 4), np.inf)}, "3"),
        (
            {"residual_norms": lambda t: t.norms[:-1]},
            "residual_norms.npy: .* tokens, expected .*, the sum of doclens.npy",
        ),
        ({"residual_norms": lambda t: t.norms.astype("f4")}, "residual_norms.npy: dtype '<f4', expected one of <f2"),
        ({"residual_norms": lambda t: spoiled(t.norms, SPOILED, -1)}, "{place}: a negative"),
        ({"residual_norms": lambda t: spoiled(t.norms, SPOILED, np.nan)}, "{place}: a NaN"),
    ],
)
def test_coded_folders_that_do_not_fit(first, tokens, tmp_path, files, told):
    folder = tokens.write_coded(tmp_path / "folder")
    for name, make in files.items():
        np.save(folder / f"{name}.npy", make(tokens))
    with pytest.raises(ValueError, match=told.format(place=tokens.place(SPOILED))) as error:
        Coded.build_from_file(first, folder, PIECES)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("size", [1, 40], ids=["looked up", "multiplied"])
def test_norms_of_residuals(first, tokens, queries, tmp_path, size):
    asked = clustered(NQ * 6 * size, DIM, 9).reshape(NQ, -1, DIM)
    folder = tokens.write_coded(tmp_path / "folder", residual_norms=tokens.norms)
    index = Coded.build_from_file(first, folder, PIECES, path=tmp_path / "index")
    without = Coded.build_from_file(first, tokens.write_coded(tmp_path / "without"))
    assert (index.info["rerank"]["dtype"], without.info["rerank"]["dtype"]) == ("two-level-pq-norms", "two-level-pq")
    assert [entry["name"] for entry in index.info["provenance"]["inputs"]][-1] == "residual_norms.npy"
    sizes = [next(s["length"] for s in i.info["sections"] if s["name"] == "rerank.rows") for i in (index, without)]
    assert sizes[0] - sizes[1] == 2 * len(tokens.norms)
    index.save(tmp_path / "saved")
    for opened in (cassata.open(tmp_path / "index", verify=True), Coded.load(tmp_path / "saved", PIECES, verify=True)):
        assert opened.uuid == index.uuid
        scores, ids = opened.batch_search(queries, asked, k=N, k_candidates=N, ef_search=N)
        expected = tokens.scores(tokens.scaled, asked)
        there = ids >= 0
        assert np.mean(there) > 0.9
        found = np.take_along_axis(expected, np.where(there, ids, 0), 1)
        np.testing.assert_allclose(scores[there], found[there], rtol=1e-4, atol=1e-3 * size)


def test_other_misuse_of_folders(first, tokens, tmp_path):
    folder = tokens.write_coded(tmp_path / "folder")
    with pytest.raises(ValueError, match="pq_subspaces"):
        Coded.build_from_file(first, folder, 16)
    with pytest.raises((ValueError, OSError), match=r"documents.npy"):
        Plain.build_from_file(first, folder)
    with pytest.raises(OSError, match="nowhere"):
        Plain.build_from_file(first, tmp_path / "nowhere")
    with pytest.raises(TypeError):
        Plain.build_from_file(first)
    with pytest.raises(ValueError, match="holds a SparsePlainHNSW"):
        Dense.build_from_file(first, folder)
    with pytest.raises(OSError, match="missing"):
        Plain.build_from_file(tmp_path / "missing", folder)
    with pytest.raises(ValueError, match="path"):
        Coded.build_from_file(first, folder, path=first)
    cassata.open(first).verify()


def test_ids_of_both_parts_are_compared(first, tokens, tmp_path):
    folder = tokens.write_plain(tmp_path / "folder", ids=np.array([f"doc-{i}" for i in range(N)]))
    np.save(tmp_path / "same.npy", np.array([f"doc-{i}" for i in range(N)]))
    Plain.build_from_file(first, folder, ids=tmp_path / "same.npy")
    other = [f"doc-{i}" for i in range(N)]
    other[17], other[18] = other[18], other[17]
    np.save(tmp_path / "other.npy", np.array(other))
    with pytest.raises(ValueError, match="17") as error:
        Plain.build_from_file(first, folder, ids=tmp_path / "other.npy")
    assert "doc-18" in str(error.value)
    assert "doc-17" in str(error.value)
    np.save(tmp_path / "short.npy", np.arange(N - 1))
    with pytest.raises(ValueError, match=r"short.npy|ids.npy"):
        Plain.build_from_file(first, folder, ids=tmp_path / "short.npy")
    (folder / "ids.npy").unlink()
    with pytest.raises((ValueError, OSError), match=r"ids.npy"):
        Plain.build_from_file(first, folder, ids=tmp_path / "same.npy")


# --- ways to ask ------------------------------------------------------------------------------------------------------


def test_ways_to_ask(plain, queries, query_tokens):
    scores, ids = plain.batch_search(queries, query_tokens, k_candidates=30, k=7)
    flat = query_tokens.reshape(-1)
    batch = plain.batch_search(*arrays(queries), flat, 6, DIM, 30, 7, 100, None, None, None, 2, False)  # kANNolo 0.15
    former = plain.search(*arrays(queries), flat, 6, DIM, 30, 7, 100, None, None, None)  # and before
    for found in (
        batch,
        former,
        plain.batch_search(*arrays(queries), multivec_queries=query_tokens, k_candidates=30, k=7),
    ):
        np.testing.assert_array_equal(found[0], scores.reshape(-1))
        np.testing.assert_array_equal(found[1], ids.reshape(-1))
    for i in range(NQ):
        row = queries[i]
        for asked in (
            plain.search(
                row.indices,
                row.data,
                flat[i * 6 * DIM : (i + 1) * 6 * DIM],
                6,
                DIM,
                30,
                7,
                100,
                None,
                None,
                None,
                False,
            ),
            plain.search(row.indices, row.data, query_tokens[i], k_candidates=30, k=7),
            plain.search(
                row.indices, row.data, multivec_query=query_tokens[i], n_tokens=6, token_dim=DIM, k_candidates=30, k=7
            ),
        ):
            np.testing.assert_array_equal(asked[1], ids[i])
            np.testing.assert_array_equal(asked[0], scores[i])


@pytest.mark.parametrize("face", ["plain", "coded"])
def test_queries_of_different_lengths(request, first, face, tokens, queries, query_tokens):
    index = request.getfixturevalue(face)
    lengths = np.arange(NQ) % 7
    padded = index.batch_search(queries, query_tokens, query_doclens=lengths, k=5)
    together = np.concatenate([query_tokens[i, : lengths[i]] for i in range(NQ)])
    flat = index.batch_search(queries, together, query_doclens=lengths, k=5)
    for one, other in zip(padded, flat):
        np.testing.assert_array_equal(one, other)
    expected = tokens.scores(
        tokens.rounded if face == "plain" else tokens.decoded, [query_tokens[i, : lengths[i]] for i in range(NQ)]
    )
    found = np.where(np.isfinite(padded[0]), padded[0], 0)
    held = np.take_along_axis(expected, padded[1], 1)
    np.testing.assert_allclose(found, np.where(np.isfinite(held), held, 0), rtol=2e-6, atol=2e-5)
    assert np.all((padded[0][lengths == 0] == 0) | np.isneginf(padded[0][lengths == 0]))


def test_edges(plain, queries, query_tokens):
    one = queries[0]
    assert plain.search(one.indices, one.data, query_tokens[0], k=0)[1].size == 0
    assert plain.search(one.indices, one.data, query_tokens[0], k=5, k_candidates=0)[1].tolist() == [-1] * 5
    assert np.flatnonzero(
        plain.search(one.indices, one.data, query_tokens[0], k=50, k_candidates=20)[1] == -1
    ).tolist() == [*range(20, 50)]
    assert np.all(plain.search([], [], query_tokens[0])[1] >= 0), "all documents are as good candidates as any"
    scores, ids = plain.batch_search(queries, query_tokens, k=30, k_candidates=20)
    assert np.all(ids[:, 20:] == -1)
    assert np.all(np.isneginf(scores[:, 20:]))
    assert plain.batch_search(queries[:0], query_tokens[:0])[1].shape == (0, 10)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"multivec_queries": None}, TypeError, "multivec_queries"),
        ({"multivec_queries": np.zeros((NQ, 6, DIM - 1), np.float32)}, ValueError, "multivec_queries"),
        ({"multivec_queries": np.zeros((NQ - 1, 6, DIM), np.float32)}, ValueError, str(NQ - 1)),
        ({"multivec_queries": np.zeros(NQ * 6 * DIM - 1, np.float32)}, ValueError, "multivec_queries"),
        ({"multivec_queries": np.full((NQ, 6, DIM), np.nan)}, ValueError, "query 0, token 0, column 0"),
        (
            {"multivec_queries": beyond_float32((NQ, 6, DIM), (2, 3, 5))},
            ValueError,
            r"query 2, token 3, column 5: 1e\+300, which f32",
        ),
        ({"multivec_queries": "words"}, TypeError, "multivec_queries"),
        ({"token_dim": DIM + 1}, ValueError, "token_dim"),
        ({"n_tokens": 5}, ValueError, "n_tokens"),
        ({"n_tokens": -1}, ValueError, "n_tokens"),
        (
            {"multivec_queries": np.zeros((NQ, 6, 2 * DIM), np.float32), "query_doclens": [12] * NQ, "n_tokens": 6},
            ValueError,
            "shape",
        ),
        ({"multivec_queries": np.zeros((NQ * 6, DIM), np.float32)}, ValueError, "n_tokens, query_doclens"),
        ({"multivec_queries": [[[0.0] * DIM], [[0.0]]]}, ValueError, "multivec_queries"),
        ({"residuals": "no"}, TypeError, "residuals"),
        ({"query_doclens": [7] * NQ}, ValueError, "query_doclens"),
        ({"query_doclens": [-1] * NQ}, ValueError, "query_doclens"),
        ({"query_doclens": [1]}, ValueError, "query_doclens"),
        ({"k": -1}, ValueError, "k"),
        ({"k_candidates": 1.5}, TypeError, "k_candidates"),
        ({"alpha": -1}, ValueError, "alpha"),
        ({"beta": "x"}, TypeError, "beta"),
        ({"early_exit_threshold": -0.7}, ValueError, "early_exit_threshold"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_misuse_of_search(plain, queries, query_tokens, change, error, told):
    with pytest.raises(error, match=told):
        plain.batch_search(queries, **{"multivec_queries": query_tokens, **change})


def test_arguments_given_twice_or_too_many(plain, queries, query_tokens):
    one, asked = queries[0], query_tokens[0]
    ways = (1, 6, DIM, 10, 3, 100, None, None, None, False, 1)
    assert len(plain.search(one.indices, one.data, asked, *ways[1:])[1]) == 3
    with pytest.raises(TypeError, match="num_threads"):
        plain.search(one.indices, one.data, asked, *ways[1:], "junk")
    with pytest.raises(TypeError, match="residuals: given twice"):
        plain.search(one.indices, one.data, asked, *ways[1:], residuals=True)
    with pytest.raises(TypeError, match="num_threads: given twice"):
        plain.batch_search(queries, query_tokens, *ways[1:9], 1, num_threads=1)
    with pytest.raises(TypeError, match="multivec_queries: given twice"):
        plain.search(one.indices, one.data, asked, multivec_query=asked)
    whole = np.rint(asked).astype(np.int8)
    flat = plain.search(one.indices, one.data, whole.reshape(-1), 6, DIM, k=3)
    np.testing.assert_array_equal(flat[1], plain.search(one.indices, one.data, whole, k=3)[1])


def test_tokens_are_refused_where_there_are_none(first, queries, query_tokens):
    core = cassata.open(first)._opened()
    offsets = np.arange(NQ + 1, dtype=np.uint64)
    rows = (queries.indices.astype("u4"), queries.data, queries.indptr.astype("u8"))
    with pytest.raises(ValueError, match="multivec_queries"):
        core.search(rows, (np.ascontiguousarray(query_tokens[:, 0], np.float32), offsets), k=1, ef_search=1)


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_stored_ef_search_is_kept(vectors, tokens, tmp_path):
    folder = tokens.write_plain(tmp_path / "folder")
    assert cassata.build(vectors, m=16, ef_construction=100, ef_search=37).join(folder).info["ef_search"] == 37


@pytest.mark.parametrize("face", ["plain", "coded"])
def test_one_file_is_enough(request, first, face, tokens, tmp_path, queries, query_tokens):
    folder = tokens.write_coded(tokens.write_plain(tmp_path / "folder"))
    copied, path = tmp_path / "first.cassata", tmp_path / "whole.cassata"
    shutil.copy(first, copied)
    build = Plain.build_from_file if face == "plain" else Coded.build_from_file
    index = build(copied, folder, path=path)
    expected = [part.tolist() for part in index.batch_search(queries, query_tokens)]
    shutil.rmtree(folder)
    copied.unlink()
    with cassata.open(path, verify=True) as same:
        assert type(same) is type(index) is {"plain": Plain, "coded": Coded}[face]
        assert [part.tolist() for part in same.batch_search(queries, query_tokens, ef_search=100)] == expected
        assert (same.token_dim, same.n) == (DIM, N)
        rerank = same.info["rerank"]
        assert rerank == {
            "dtype": "f16" if face == "plain" else "two-level-pq",
            "token_dim": DIM,
            "m_pq": None if face == "plain" else PIECES,
        }
        names = [given["name"] for given in same.info["provenance"]["inputs"]]
        assert "documents.npy" in names or "residuals.npy" in names
        again = pickle.loads(pickle.dumps(same))
        assert again.uuid == same.uuid
        assert f"token_dim={DIM}" in repr(same)
    assert type(index).load(path, pq_subspaces=None if face == "plain" else PIECES, token_dim=DIM).n == N
    for wrong in ({"pq_subspaces": 5}, {"token_dim": DIM + 1}, {"dim": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            type(index).load(path, **wrong)
    with pytest.raises(ValueError, match="Multivec"):
        cassata.SparsePlainHNSW.load(path)


def test_the_same_input_gives_the_same_bytes(first, tokens, tmp_path):
    folder = tokens.write_plain(tmp_path / "folder")
    for name in ("a", "b"):
        Plain.build_from_file(first, folder, path=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_memory_does_not_grow_with_the_tokens(tmp_path):
    """A process that may hold half of the token matrix builds the index."""
    n, each, dim = 2000, 100, 384  # 154 MB
    vectors = topics(n, 500, seed=3)
    first = tmp_path / "sparse.cassata"
    cassata.SparsePlainHNSW.build_from_arrays(vectors, m=4, ef_construction=20, path=first)
    documents = np.lib.format.open_memmap(tmp_path / "documents.npy", mode="w+", dtype="f2", shape=(n * each, dim))
    documents[:] = np.linspace(-1, 1, dim).astype("f2")
    documents.flush()
    np.save(tmp_path / "doclens.npy", np.full(n, each, "i4"))
    peak = run_python(
        """
        import sys, cassata
        cassata.SparseMultivecRerankIndex.build_from_file(sys.argv[1], sys.argv[2], path=sys.argv[3])
        print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
        """,
        first,
        tmp_path,
        tmp_path / "whole.cassata",
    )
    assert int(peak) * 1024 < documents.nbytes / 2
