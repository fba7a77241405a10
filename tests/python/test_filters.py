"""Filters of searches, in every form, and kANNolo's searches with a predicate."""

import collections
import types

import cassata
import numpy as np
import pytest
from conftest import clustered, rng

N, DIM = 1500, 16


@pytest.fixture(scope="module")
def rows():
    return clustered(N, DIM, seed=31)


@pytest.fixture(scope="module")
def asked():
    return clustered(12, DIM, seed=32)


@pytest.fixture(scope="module", params=["flat", "hnsw", "int4"])
def found_in(request, rows):
    options = {"flat": {"kind": "flat"}, "hnsw": {"m": 16}, "int4": {"m": 16, "navigation": "int4"}}[request.param]
    return cassata.build(rows, metric="euclidean", **options)


def exact(rows, query, passing, k):
    ids = np.flatnonzero(passing)
    distances = ((rows[ids].astype(np.float64) - query) ** 2).sum(1)
    return ids[np.argsort(distances, kind="stable")[:k]]


class Odd:
    """Contains odd numbers, of any type."""

    def __contains__(self, number):
        return number % 2 == 1


def forms(passing):
    """One filter in every form."""
    numbers = np.flatnonzero(passing)
    yield "truth values", passing
    yield "list of truth values", passing.tolist()
    yield "list of truth values and nulls", [True if one else None for one in passing]
    yield "array of objects", passing.astype(object)
    yield "masked array", np.ma.MaskedArray(np.ones(N, bool), ~passing)
    yield "masked row numbers", np.ma.MaskedArray(np.arange(N), ~passing)
    yield "row numbers and nulls", [None, *numbers.tolist()]
    yield "deque", collections.deque(numbers.tolist())
    yield "keys", dict.fromkeys(numbers.tolist()).keys()
    yield "row numbers", numbers
    yield "row numbers, again and in any order", np.concatenate([numbers[::-1], numbers[:3]]).astype(np.int32)
    yield "list of row numbers", numbers.tolist()
    yield "packed bits", np.packbits(passing, bitorder="little")
    yield "set", set(numbers.tolist())
    yield "function", lambda row: bool(passing[row])
    yield "list of one for each", [passing] * 12
    yield "truth values for each", np.tile(passing, (12, 1))


def test_every_form_is_the_same_filter(found_in, asked):
    passing = rng(5).random(N) < 0.3
    expected = found_in.search(asked, k=5, filter=passing)
    assert passing[expected[1]].all()
    for name, form in forms(passing):
        assert [part.tolist() for part in found_in.search(asked, k=5, filter=form)] == [
            part.tolist() for part in expected
        ], name


def test_a_roaring_bitmap(found_in, asked):
    pyroaring = pytest.importorskip("pyroaring")
    passing = rng(6).random(N) < 0.1
    bitmap = pyroaring.BitMap(np.flatnonzero(passing).tolist())
    expected = found_in.search(asked, k=5, filter=passing)[1].tolist()
    assert found_in.search(asked, k=5, filter=bitmap)[1].tolist() == expected


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01, 0.002])
def test_the_closest_rows_that_pass_are_found(found_in, rows, asked, share):
    random = rng(7)
    right = wanted = 0
    filters = [random.random(N) < share for _ in asked]
    _, ids = found_in.search(asked, k=10, filter=filters)
    for query, passing, found in zip(asked, filters, ids):
        best = exact(rows, query, passing, 10)
        assert (found[len(best) :] == -1).all()
        right += len(set(found.tolist()) & set(best.tolist()))
        wanted += len(best)
    assert right >= 0.97 * wanted


def test_each_query_has_its_own(found_in, asked):
    _, unfiltered = found_in.search(asked, k=4)
    filters = [None if i % 2 else {int(unfiltered[i][1])} for i in range(len(asked))]
    _, ids = found_in.search(asked, k=4, filter=filters)
    for i, found in enumerate(ids.tolist()):
        assert found == (unfiltered[i].tolist() if i % 2 else [unfiltered[i][1], -1, -1, -1])


def test_one_query(found_in, asked):
    scores, ids = found_in.search(asked[0], k=3, filter=Odd())
    assert scores.shape == ids.shape == (3,)
    assert (ids % 2 == 1).all()


def test_nothing_passes(found_in, asked):
    scores, ids = found_in.search(asked, k=3, filter=[])
    assert (ids == -1).all()
    assert np.isinf(scores).all()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (np.zeros(3, bool), ValueError, "filter: 3 truth values, expected 1500, one for each row"),
        ([0, N], ValueError, "filter: row number 1500 at place 1, expected 0 to 1499"),
        (np.array([5, -1]), ValueError, "filter: row number -1 at place 1, expected 0 to 1499"),
        (np.zeros(N), TypeError, "filter: values of type float64, expected bool .truth values., int64 or text .ids."),
        ([1.0], TypeError, "filter: values of type float64"),
        ({1.0}, TypeError, "filter: values of type float64, expected int64 or text .ids."),
        ({True}, TypeError, "filter: values of type bool, expected int64 or text"),
        ([True, None, False], ValueError, "filter: 3 truth values, expected 1500"),
        (np.array([True, None, False], object), ValueError, "filter: 3 truth values, expected 1500"),
        (["7"], TypeError, "filter: '7' given, expected row numbers, as the index has no ids"),
        ({"7"}, TypeError, "filter: '7' given, expected row numbers, as the index has no ids"),
        ([2**70], ValueError, "filter: row 0: 1180591620717411303424, expected an integer of 64 bits"),
        (np.array([2**64 - 1], np.uint64), ValueError, "filter: row 0: 18446744073709551615, expected at most"),
        (bytearray(b"ab"), TypeError, "filter: bytearray, expected truth values"),
        (types.MappingProxyType({"a": 1}), TypeError, "filter: mappingproxy, expected truth values"),
        (np.zeros(7, np.uint8), ValueError, "filter: 7 bytes of packed bits, expected 188"),
        (np.zeros((2, 3, 4), bool), ValueError, "filter: shape .2, 3, 4., expected one dimension"),
        ([{1}, {2}], ValueError, "filter: 2 filters, expected one, or one for each of the 12 queries"),
        ([{1}] * 11 + [np.zeros(2, bool)], ValueError, "filter of query 11: 2 truth values"),
        (7, TypeError, "filter: int, expected truth values"),
        ("odd", TypeError, "filter: str, expected truth values"),
    ],
)
def test_what_is_no_filter_is_refused(found_in, asked, given, error, text):
    with pytest.raises(error, match=text):
        found_in.search(asked, k=3, filter=given)


def test_what_a_function_raises_is_raised(found_in, asked):
    def fails(row):
        if row == 17:
            raise KeyError("no such row")
        return True

    with pytest.raises(KeyError, match="no such row"):
        found_in.search(asked, k=3, filter=fails)


def test_classes_of_kannolo_take_filters(rows, asked):
    index = cassata.DensePlainHNSW.build_from_array(rows, m=16, metric="euclidean")
    passing = np.arange(N) % 3 == 0
    _, flat = index.search(asked, k=5, filter=passing)
    _, batch = index.batch_search(asked, k=5, filter=passing)
    assert flat.shape == (60,)
    assert (flat % 3 == 0).all()
    assert batch.tolist() == flat.reshape(12, 5).tolist()


def test_searches_with_a_predicate(rows, asked):
    index = cassata.DensePlainHNSW.build_from_array(rows, m=16, metric="euclidean")
    scores, ids = index.search_filtered(asked[0], 5, lambda row: row % 2 == 0, ef_search=50)
    assert scores.dtype == np.float32
    assert ids.dtype == np.int64
    assert ids.tolist() == exact(rows, asked[0], np.arange(N) % 2 == 0, 5).tolist()
    few = index.search_filtered(asked[0], k=5, predicate={3, 4}.__contains__)
    assert sorted(few[1].tolist()) == [3, 4]  # no places without a result
    with pytest.raises(RuntimeError, match="build_acorn_gamma: not called"):
        index.search_filtered_gamma(asked[0], 5, lambda row: True)
    index.build_acorn_gamma(3)
    assert index.search_filtered_gamma(asked[0], 5, lambda row: row % 2 == 0, 50)[1].tolist() == ids.tolist()
    for gamma in (0, -1, "3"):
        with pytest.raises((ValueError, TypeError), match="gamma"):
            index.build_acorn_gamma(gamma)
    with pytest.raises(TypeError, match="predicate: int, expected a function"):
        index.search_filtered(asked[0], 5, 7)
    with pytest.raises(ZeroDivisionError):
        index.search_filtered(asked[0], 5, lambda row: 1 / 0)


def test_filters_are_of_external_ids(rows, asked):
    numbers = np.arange(N, dtype=np.int64) * 7 - 51
    names = [f"doc {i}" for i in range(N)]
    passing = np.arange(N) % 5 == 0
    by_row = cassata.build(rows, metric="euclidean").search(asked, k=4, filter=passing)[1]
    for ids in (numbers, names):
        index = cassata.build(rows, metric="euclidean", ids=ids)
        chosen = [one for one, passes in zip(list(ids), passing) if passes]
        expected = np.array(ids, object)[by_row]
        for form in (passing, chosen, set(chosen), set(chosen).__contains__):
            assert index.search(asked, k=4, filter=form)[1].tolist() == expected.tolist()
        with pytest.raises(ValueError, match=r"filter: id .* at place 1, expected ids of the index"):
            index.search(asked, k=4, filter=[chosen[0], "none" if ids is names else 999_999])
    assert index.search(asked[0], k=4, filter=np.flatnonzero(passing))[1].tolist() == expected[0].tolist()
    index = cassata.DensePlainHNSW.build_from_array(rows, metric="euclidean", ids=names)
    few = index.search_filtered(asked[0], 3, lambda row: row % 5 == 0)[1]  # texts: kANNolo's searches have row numbers
    assert few.tolist() == by_row[0][:3].tolist()


def test_columns_are_read_by_their_values(rows, asked):
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    passing = np.arange(N) % 5 == 0
    numbers = np.flatnonzero(passing)
    index = cassata.build(rows, kind="flat", metric="euclidean")
    expected = index.search(asked, k=5, filter=passing)[1].tolist()
    nullable = pd.Series(passing).astype("boolean").mask(~passing)
    for column in (
        pd.Series(passing, index=range(7, N + 7)), nullable, nullable.array, pd.Series(passing, dtype=object),
        pd.Series(numbers), pd.Index(numbers), pd.Series(numbers).astype("category"),
        pd.Series([None, *numbers], dtype="Int64"),
        pa.array(passing), pa.array(np.ones(N, bool), mask=~passing), pa.chunked_array([numbers[:9], numbers[9:]]),
    ):  # fmt: skip
        assert index.search(asked, k=5, filter=column)[1].tolist() == expected, column
        assert index.search(asked, k=5, filter=[column] * 12)[1].tolist() == expected, column
        _, _, ids = index.range_search(asked[:1], np.inf, filter=column)
        assert sorted(ids.tolist()) == numbers.tolist()
        assert len(cassata.build(index, kind="flat", filter=column)) == len(numbers)
    frame = pd.DataFrame({"passing": passing})
    for table in (frame, pa.table({"passing": passing}), frame.groupby("passing")):
        with pytest.raises(TypeError, match=rf"^filter: a {type(table).__name__} given, expected a "):
            index.search(asked, k=5, filter=table)
        with pytest.raises(TypeError, match=rf"^filter of query 0: a {type(table).__name__} given"):
            index.search(asked, k=5, filter=[table] * 12)


def test_nulls_of_a_field_do_not_pass(rows, asked):
    years = np.where(np.arange(N) % 3 == 0, None, np.arange(N))
    index = cassata.build(rows, kind="flat", metric="euclidean", fields={"year": years})
    ids = index.search(asked, k=N, filter=index.fields["year"] < 20)[1]
    assert sorted(set(ids.ravel().tolist())) == [-1] + [year for year in range(20) if year % 3]


def test_a_range_is_as_fast_as_others(rows, asked):
    for ids, first, step in ((None, 0, 1), ([f"doc {i}" for i in range(N)], 0, 1), (np.arange(N) * 7 + 3, 3, 7)):
        index = cassata.build(rows, kind="flat", metric="euclidean", ids=ids)
        by_row = index.search(asked, k=4, filter=np.arange(N) < 100)[1].tolist()
        for span in (range(first, first + 100 * step, step), range(first + 100 * step - 1, -(10**30), -1)):
            assert index.search(asked, k=4, filter=span)[1].tolist() == by_row
        assert index.search(asked, k=4, filter=range(-(10**30), first + 100 * step))[1].tolist() == by_row
        assert (
            index.search(asked, k=4, filter=range(-(10**30), 10**30))[1].tolist()
            == index.search(asked, k=4)[1].tolist()
        )


def test_sets_name_what_lists_name(rows, asked):
    bitmap = pytest.importorskip("pyroaring").BitMap
    texts = [f"doc {i}" for i in range(N)]
    numbers = np.arange(N) + 5000
    for ids, chosen in ((None, [3, 4]), (texts, [3, 4]), (texts, ["doc 3", "doc 4"]), (numbers, [5003, 5004])):
        index = cassata.build(rows, kind="flat", metric="euclidean", ids=ids)
        expected = index.search(asked, k=2, filter=[3 <= row <= 4 for row in range(N)])[1].tolist()
        others = [chosen[0], chosen[1], "none" if isinstance(chosen[0], str) else 999_999]
        for filter in (chosen, set(chosen), set(others), frozenset(others)):
            assert index.search(asked, k=2, filter=filter)[1].tolist() == expected
        if others[2] != "none":
            assert index.search(asked, k=2, filter=bitmap(others))[1].tolist() == expected
        many = {*others, None, *(texts if others[2] == "none" else range(10_000, 10_000 + N))[5:]}
        kept = range(3, N if others[2] == "none" else 5)
        by_row = index.search(asked, k=2, filter=[row in kept for row in range(N)])[1].tolist()
        assert index.search(asked, k=2, filter=many)[1].tolist() == by_row
        with pytest.raises(ValueError, match=r"^filter: .* at place 2, expected"):
            index.search(asked, k=2, filter=others)
    for given in (["doc 3"], {"doc 3"}):
        with pytest.raises(TypeError, match=r"^filter: 'doc 3' given, expected integers, as the ids are"):
            index.search(asked, k=2, filter=given)
    index = cassata.build(rows, kind="flat", ids=texts)
    with pytest.raises(ValueError, match=r"^filter: id '\\ud800' at place 0, expected ids of the index"):
        index.search(asked, k=2, filter=["\ud800"])


def test_a_build_takes_one_filter(rows):
    index = cassata.build(rows, kind="flat")
    with pytest.raises(TypeError, match=r"^filter: a list of 2 filters, expected one filter"):
        cassata.build(index, kind="flat", filter=[np.ones(N, bool)] * 2)


def test_conditions(rows, asked):
    fields = {"size": np.arange(N), "section": [("games", "text", None)[i % 3] for i in range(N)]}
    for options in ({"kind": "flat"}, {"m": 16}, {"m": 16, "navigation": "int4"}):
        index = cassata.build(rows, metric="euclidean", fields=fields, **options)
        condition = {"section": "games", "size": {"$lt": 900}}
        passing = (np.arange(N) % 3 == 0) & (np.arange(N) < 900)
        expected = index.search(asked, k=5, filter=passing)[1].tolist()
        assert index.search(asked, k=5, filter=condition)[1].tolist() == expected
        mixed = index.search(asked, k=5, filter=[condition, None] * 6)[1]
        assert mixed[::2].tolist() == expected[::2]
        with pytest.raises(ValueError, match="sise"):
            index.search(asked, k=5, filter={"sise": 3})


def test_sparse_vectors():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.random(400, 60, 0.2, "csr", np.float32, random_state=1)
    passing = rng(9).random(400) < 0.4
    for options in ({"kind": "flat"}, {"kind": "postings"}, {"kind": "hnsw"}):
        index = cassata.build(matrix, **options)
        _, ids = index.search(matrix[:20], k=5, filter=passing)
        assert passing[ids].all()
        scores = (matrix[:20] @ matrix.T).toarray()
        scores[:, ~passing] = -np.inf
        best = np.sort(scores, 1)[:, -5:]
        assert np.mean(np.take_along_axis(scores, ids, 1).min(1) >= best.min(1) - 1e-3) >= 0.9, options


def test_complete_lists_find_all_that_passes():
    """Also where the rows that pass are far from the query, in none of its strongest lists."""
    sparse = pytest.importorskip("scipy.sparse")
    random = np.random.default_rng(4)
    matrix = sparse.random(3000, 400, 0.1, "csr", np.float32, random_state=random)
    queries = sparse.random(20, 400, 0.15, "csr", np.float32, random_state=random)
    scores = (queries @ matrix.T).toarray()
    passing = [row <= np.median(row) for row in scores]
    index = cassata.build(matrix, kind="postings", dtype="f32")
    found = index.search(queries, k=10, ef_search=20, query_cut=3, filter=passing)[0]
    best = -np.sort(-np.where(passing, scores, -np.inf), axis=1)[:, :10]
    np.testing.assert_allclose(found, best, rtol=1e-5)
