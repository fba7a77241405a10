"""External ids and fields in Python: what builds accept, and what an index gives back."""

from __future__ import annotations

import datetime
import pickle
import re
import subprocess
import sys
from pathlib import Path

import cassata
import numpy as np
import pytest
from conftest import rng

PAGE = Path(__file__).parents[2] / "docs" / "payload.md"
N, DIM = 40, 4
VECTORS = rng(1).normal(size=(N, DIM)).astype("f4")
TEXTS = [f"doc-{N - row}-é" for row in range(N)]
NUMBERS = np.arange(N) * 7 - 20


def built(**payload):
    return cassata.build(VECTORS, kind="flat", metric="euclidean", **payload)


def values_of(index, name):
    """A list, with None for nulls."""
    values = index.fields[name]
    if isinstance(values, np.ma.MaskedArray):
        return [None if masked else value for value, masked in zip(values.data.tolist(), np.ma.getmaskarray(values))]
    return values.tolist()


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [NUMBERS, NUMBERS.astype("i4"), NUMBERS.tolist(), TEXTS, np.array(TEXTS), np.array(TEXTS, object), tuple(TEXTS)],
    ids=["int64", "int32", "ints", "strs", "array of str", "objects", "tuple"],
)
def test_results_have_the_ids(ids, tmp_path):
    index = cassata.build(VECTORS, tmp_path / "index", kind="flat", metric="euclidean", ids=ids)
    expected = list(np.asarray(ids).tolist())
    assert index.ids.tolist() == expected
    assert index.ids.dtype == (object if isinstance(expected[0], str) else np.int64)
    for opened in (index, cassata.open(tmp_path / "index"), pickle.loads(pickle.dumps(index))):
        scores, found = opened.search(VECTORS[5], k=2)
        assert found.shape == (2,)
        assert (found[0], scores[0]) == (expected[5], 0)
        assert opened.search(VECTORS, k=1)[1][:, 0].tolist() == expected
    assert [index.row(one) for one in expected] == list(range(N))
    assert index.info["ids"] == ("text" if isinstance(expected[0], str) else "int64")
    index.verify()


def test_missing_places_hold_no_id():
    scores, ids = built(ids=TEXTS).search(VECTORS[:2], k=N + 2)
    assert ids.shape == (2, N + 2)
    assert ids[:, N:].tolist() == [[None] * 2] * 2
    assert sorted(ids[0, :N]) == sorted(TEXTS)
    assert np.isinf(scores[:, N:]).all()
    assert built(ids=NUMBERS).search(VECTORS[0], k=N + 2)[1][N:].tolist() == [-1, -1]


def test_without_ids_row_numbers_are_ids():
    index = built()
    assert index.ids.tolist() == list(range(N))
    assert index.row(np.int64(7)) == 7
    assert dict(index.fields) == {}
    assert index.info["ids"] is None
    for other in (-1, N, 2**70, "7"):
        with pytest.raises(KeyError):
            index.row(other)


def test_row_knows_no_other_id():
    for index, others in ((built(ids=TEXTS), ["doc", "", 5]), (built(ids=NUMBERS), [-21, 2**63, "-20"])):
        for other in others:
            with pytest.raises(KeyError):
                index.row(other)
    for ids in (NUMBERS, TEXTS):
        for other in (2**70, "\ud800"):
            with pytest.raises(KeyError):
                built(ids=ids).row(other)
        for other in (1.5, None, np.array([3, 4])):
            with pytest.raises(TypeError, match=r"^id: (1.5|None|array\(.*) given, expected an int or a str"):
                built(ids=ids).row(other)


def test_names_of_kannolo_return_integers():
    made = cassata.DenseFlatIndex.build_from_array(VECTORS, metric="euclidean", ids=TEXTS, fields={"row": np.arange(N)})
    assert made.search(VECTORS[5], 1)[1].tolist() == [5]
    assert made.ids[5] == TEXTS[5]
    assert list(made.fields) == ["row"]
    made = cassata.DensePlainHNSW.build_from_array(VECTORS, ids=NUMBERS, metric="euclidean", m=8)
    assert made.search(VECTORS[5], 1)[1].tolist() == [NUMBERS[5]]
    assert made.batch_search(VECTORS[5:7], 1)[1].tolist() == NUMBERS[5:7, None].tolist()


def test_integers_are_row_numbers_where_ids_are_texts():
    documents = [f"about {text}" for text in TEXTS]
    made = cassata.DenseFlatIndex.build_from_array(VECTORS, metric="euclidean", ids=TEXTS, documents=documents)
    _, found = made.search(VECTORS[5], 3)
    assert made.documents(found) == [documents[row] for row in found]
    np.testing.assert_array_equal(made.vectors(found), VECTORS[found])
    assert made.documents(["doc-3-é", 5]) == ["about doc-3-é", documents[5]]
    for ask in (made.documents, made.vectors):
        for other in (-1, N, 2**70):
            with pytest.raises(KeyError, match=str(other)):
                ask([0, other])
        with pytest.raises(TypeError, match=r"^ids: None given, expected ids"):
            ask([0, None])
        with pytest.raises(ValueError, match=r"^ids: shape \(1, 3\), expected one dimension"):
            ask(found[None])


@pytest.mark.parametrize("path", ["\ud800", "a\ud800b"])
def test_paths_are_texts_that_systems_have(path):
    for opens in (cassata.open, cassata.build, lambda path: cassata.build(VECTORS, path)):
        with pytest.raises(ValueError, match=r"^(path|data): '.*\\ud800.*' given, expected a path without lone"):
            opens(path)


@pytest.mark.parametrize("documents", [{"a": 1}, {"a"}, dict.fromkeys("ab").keys()])
def test_documents_have_an_order(documents):
    with pytest.raises(TypeError, match=rf"^documents: a {type(documents).__name__} given, expected an iterable"):
        built(documents=documents)


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([1] * N, ValueError, "ids: rows 0 and 1 have the same id 1, expected each id once"),
        (np.arange(N) - 3, ValueError, "ids: row 2: -1, which stands for a missing result"),
        (["a", "b", "a"] * 14, ValueError, "ids: 42 given, expected 40, as there are vectors"),
        ([*TEXTS[:-1], None], ValueError, "ids: row 39: no id, expected one for each vector"),
        ([*TEXTS[:-1], 7], TypeError, "ids: row 39: 7 given, expected a str, as in row 0, or None"),
        (NUMBERS / 2, TypeError, "ids: of type float64, expected int64 or text"),
        (NUMBERS[:, None], ValueError, "ids: shape \\(40, 1\\), expected one dimension"),
        ("abc", TypeError, "ids: 'abc' given, expected a column: an array or a list"),
        ([2**63] * N, ValueError, "ids: row 0: 9223372036854775808, expected an integer of 64 bits"),
        (np.full(N, 2**63, np.uint64), ValueError, "ids: row 0: 9223372036854775808, expected at most"),
        (["\ud800", *TEXTS[1:]], ValueError, "ids: '.*ud800' given, expected a text without lone surrogates"),
    ],
)
def test_refuses_ids_that_are_none(ids, error, message):
    with pytest.raises(error, match=rf"^{message}"):
        built(ids=ids)


# --- fields -----------------------------------------------------------------------------------------------------------

DAYS = np.arange(N).astype("datetime64[D]")
COLUMNS = {
    "int64": np.arange(N) * 2**50,
    "int8": np.arange(N).astype("i1"),
    "float32": np.arange(N).astype("f4") / 4,
    "bool": np.arange(N) % 3 == 0,
    "days": DAYS,
    "milliseconds": DAYS.astype("datetime64[ms]") + np.timedelta64(1, "ms"),
    "nanoseconds": DAYS.astype("datetime64[ns]") + np.timedelta64(1, "ns"),
    "text": np.array(TEXTS),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_arrays_come_back(name):
    index = built(fields={name: COLUMNS[name]})
    found = index.fields[name]
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, COLUMNS[name])
    index.verify()


@pytest.mark.parametrize(
    ("type", "values"),
    [
        ("int64", [1, None, np.int8(3), -(2**63)]),
        ("float64", [1, 2.5, float("nan"), None]),
        ("float64", [0.5, 2, np.float32(0.25), None]),
        ("bool", [True, None, np.bool_(False)]),
        ("text", ["a", None, "", "ü\n"]),
        ("tags", [["b", "a"], None, [], {"c"}]),
        ("int64", [None]),
    ],
)
def test_lists_come_back(type, values):
    column = [values[row % len(values)] for row in range(N)]
    index = built(fields={"field": column})
    described = index.info["fields"][0]
    assert (described["name"], described["type"], described["nulls"]) == ("field", type, True)
    expected = [None if value is None or value != value else value for value in column]
    if type == "tags":
        expected = [None if value is None else sorted(value) for value in expected]
    assert values_of(index, "field") == expected
    index.verify()


def test_times_come_back():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    given = [
        datetime.datetime(2024, 1, 31, 12, 0, 0, 5),
        datetime.datetime(2024, 1, 31, 14, 0, tzinfo=zone),
        datetime.date(1960, 2, 29),
        np.datetime64("2024-01-31T12:00:00.000001"),
        None,
        np.datetime64("NaT"),
    ]
    expected = ["2024-01-31T12:00:00.000005", "2024-01-31T12:00:00", "1960-02-29", "2024-01-31T12:00:00.000001"]
    index = cassata.build(VECTORS[:6], kind="flat", metric="euclidean", fields={"time": given})
    values = index.fields["time"]
    assert values.dtype == "datetime64[us]"
    np.testing.assert_array_equal(values[:4].data, np.array(expected, "datetime64[us]"))
    assert np.ma.getmaskarray(values).tolist() == [False] * 4 + [True] * 2
    nulls = np.where(np.arange(N) == 3, np.datetime64("NaT"), COLUMNS["milliseconds"])
    found = built(fields={"time": nulls}).fields["time"]
    assert np.ma.getmaskarray(found).nonzero()[0].tolist() == [3]
    assert found.dtype == "datetime64[ms]"


def test_masked_arrays_come_back():
    mask = np.arange(N) % 4 == 1
    for values in (np.arange(N), np.arange(N) / 2, np.arange(N) % 2 == 0, np.array(TEXTS)):
        found = values_of(built(fields={"field": np.ma.MaskedArray(values, mask)}), "field")
        assert found == [None if masked else value for value, masked in zip(values.tolist(), mask)]


def test_fields_are_a_mapping():
    index = built(fields={"b": np.arange(N), "a": TEXTS})
    assert list(index.fields) == ["b", "a"]
    assert len(index.fields) == 2
    assert "a" in index.fields
    assert repr(index.fields) == "FieldValues(b: int64, a: text)"
    for name in ("c", 7):
        with pytest.raises(KeyError):
            index.fields[name]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"a": [1, "x"] * 20}, TypeError, "fields: 'a': row 1: 'x' given, expected a number, as in row 0, or None"),
        ({"a": [None, True, 1] * 20}, TypeError, "fields: 'a': row 2: 1 given, expected a bool, as in row 1, or None"),
        ({"a": [object()] * N}, TypeError, "fields: 'a': row 0: <object .* given, expected a str, an int"),
        ({"a": [["x", 1]] * N}, TypeError, "fields: 'a': row 0: \\['x', 1\\] given, expected a str, an int"),
        ({"a": [2**64] * N}, ValueError, "fields: 'a': row 0: 18446744073709551616, expected an integer of 64 bits"),
        ({"a": np.zeros(N, "c8")}, TypeError, "fields: 'a': dtype complex64, expected integers, floats"),
        ({"a": np.zeros(N, "M8[Y]")}, TypeError, "fields: 'a': dtype datetime64\\[Y\\], expected datetime64 in D"),
        ({"a": np.zeros((N, 2))}, ValueError, "fields: 'a': shape \\(40, 2\\), expected one dimension"),
        ({"a": 7}, TypeError, "fields: 'a': 7 given, expected a column"),
        ({"a": [1]}, ValueError, "fields: 'a': 1 values, expected 40, as there are vectors"),
        ({"$a": [1] * N}, ValueError, "fields: '\\$a': not a name"),
        ({1: [1] * N}, TypeError, "fields: 1 given, expected names that are str"),
        ({"a": {1, 2}}, TypeError, "fields: 'a': a set given, expected a column"),
        ({"a": np.full(N, 2**62, "M8[D]")}, ValueError, "fields: 'a': row 0: .*, which 64 bits cannot hold in seconds"),
        (
            {"a": [None] + [np.datetime64(2**62, "s")] * (N - 1)},
            ValueError,
            "fields: 'a': row 1: .*, expected a time in microseconds of 64 bits",
        ),
        ([1] * N, TypeError, "fields: a list given, expected a dict of columns, a pandas or Polars DataFrame or a pya"),
    ],
)
def test_refuses_fields_that_are_none(fields, error, message):
    with pytest.raises(error, match=rf"^{message}"):
        built(fields=fields)


# --- pandas and pyarrow -----------------------------------------------------------------------------------------------


def test_pandas_columns_come_back():
    pd = pytest.importorskip("pandas")
    nulls = np.arange(N) % 5 == 2
    plain = {
        "int": pd.Series(np.arange(N)),
        "Int": pd.Series(np.arange(N)).astype("Int16"),
        "float": pd.Series(np.arange(N) / 4),
        "Float": pd.Series(np.arange(N) / 4).astype("Float64"),
        "bool": pd.Series(np.arange(N) % 2 == 0),
        "boolean": pd.Series(np.arange(N) % 2 == 0).astype("boolean"),
        "object": pd.Series(TEXTS, dtype=object),
        "string": pd.Series(TEXTS, dtype="string"),
        "category": pd.Series(TEXTS).astype("category"),
        "lists": pd.Series([[text, "x"] for text in TEXTS]),
        "time": pd.Series(COLUMNS["milliseconds"]),
        "zone": pd.Series(COLUMNS["milliseconds"]).dt.tz_localize("UTC").dt.tz_convert("Europe/Rome"),
    }
    frame = pd.DataFrame(plain)
    missing = pd.DataFrame({name: series.mask(nulls) for name, series in plain.items()})
    ids = pd.Series(TEXTS)
    whole, holes = built(ids=ids, fields=frame), built(ids=pd.Index(NUMBERS), fields=missing)
    assert whole.ids.tolist() == TEXTS
    assert holes.ids.tolist() == NUMBERS.tolist()
    expected = {
        "int": np.arange(N), "Int": np.arange(N), "float": np.arange(N) / 4, "Float": np.arange(N) / 4,
        "bool": np.arange(N) % 2 == 0, "boolean": np.arange(N) % 2 == 0, "object": TEXTS, "string": TEXTS,
        "category": TEXTS, "lists": [sorted([text, "x"]) for text in TEXTS],
        "time": COLUMNS["milliseconds"], "zone": COLUMNS["milliseconds"],
    }  # fmt: skip
    assert list(whole.fields) == list(holes.fields) == list(expected)
    for name, values in expected.items():
        if name in ("time", "zone"):
            np.testing.assert_array_equal(whole.fields[name], values)
            found = holes.fields[name]
            np.testing.assert_array_equal(np.ma.getmaskarray(found), nulls)
            np.testing.assert_array_equal(found[~nulls].data, values[~nulls])
            continue
        values = list(values)
        assert values_of(whole, name) == values, name
        assert values_of(holes, name) == [None if null else value for value, null in zip(values, nulls)], name


@pytest.mark.parametrize("form", ["Series", "Categorical", "CategoricalIndex"])
@pytest.mark.parametrize("first", [2**53 + 1, 0.5, True, "a", None])
def test_categories_keep_their_type(form, first):
    pd = pytest.importorskip("pandas")
    values = [None if row % 3 else first for row in range(N)]
    given = pd.Series(pd.Categorical(values)) if form == "Series" else getattr(pd, form)(values)
    assert values_of(built(fields={"field": given}), "field") == values


def test_a_table_is_no_column():
    pd = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"^ids: a DataFrame given, expected a column"):
        built(ids=pd.DataFrame({"a": TEXTS}))


def test_polars_columns_come_back():
    pl = pytest.importorskip("polars")
    columns = {
        "int": [2**53 + 1, None], "float": [0.5, None], "bool": [True, None], "text": ["a", None],
        "tags": [["a", "b"], None], "day": [datetime.date(2024, 1, 31), None],
    }  # fmt: skip
    frame = pl.DataFrame({name: values * (N // 2) for name, values in columns.items()})
    index = built(ids=pl.Series(TEXTS), fields=frame)
    assert index.ids.tolist() == TEXTS
    for name, values in columns.items():
        if name == "day":
            values = [datetime.datetime(2024, 1, 31), None]
        assert index.fields[name].tolist() == values * (N // 2), name
    assert index.search(VECTORS[1], k=N, filter=frame["bool"])[1].tolist().count(None) == N // 2


def test_arrow_columns_come_back():
    pa = pytest.importorskip("pyarrow")
    nulls = np.arange(N) % 5 == 2
    days = COLUMNS["milliseconds"]
    columns = {
        "int": pa.array(np.arange(N), pa.uint16(), mask=nulls),
        "float": pa.array(np.arange(N) / 4, pa.float32(), mask=nulls),
        "bool": pa.array(np.arange(N) % 2 == 0, mask=nulls),
        "string": pa.array(TEXTS, pa.large_string(), mask=nulls),
        "dictionary": pa.array(TEXTS, mask=nulls).dictionary_encode(),
        "lists": pa.array([None if null else [text, "x"] for text, null in zip(TEXTS, nulls)]),
        "time": pa.array(days, mask=nulls),
        "date": pa.array(DAYS, pa.date32(), mask=nulls),
    }
    expected = {
        "int": list(range(N)), "float": list(np.arange(N) / 4), "bool": list(np.arange(N) % 2 == 0),
        "string": TEXTS, "dictionary": TEXTS, "lists": [sorted([text, "x"]) for text in TEXTS],
    }  # fmt: skip
    batch = pa.RecordBatch.from_pydict(columns)
    table = pa.Table.from_batches([batch.slice(0, 15), batch.slice(15)])
    for given in (batch, table, dict(columns)):
        index = built(ids=pa.array(TEXTS) if given is batch else pa.chunked_array([TEXTS]), fields=given)
        assert index.ids.tolist() == TEXTS
        for name, values in expected.items():
            assert values_of(index, name) == [None if null else one for one, null in zip(values, nulls)], name
        for name, times in (("time", days), ("date", DAYS)):
            found = index.fields[name]
            np.testing.assert_array_equal(np.ma.getmaskarray(found), nulls)
            np.testing.assert_array_equal(found[~nulls].data, times[~nulls])
    with pytest.raises(ValueError, match=r"^ids: row 2: no id"):
        built(ids=columns["string"])


def test_pandas_and_pyarrow_are_not_imported():
    code = (
        "import sys, numpy, cassata\n"
        "index = cassata.build(numpy.eye(4, dtype='f4'), ids=list('abcd'), fields={'x': [1, None, 3, 4]})\n"
        "index.fields['x'], index.search([1, 0, 0, 0], k=1), index.rows_where({'x': {'$gt': 1}})\n"
        "assert not {'pandas', 'pyarrow'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- conditions -------------------------------------------------------------------------------------------------------


def test_conditions_select_rows():
    sizes = [None if row % 7 == 0 else row for row in range(N)]
    tags = [["a", "b"][: row % 3] for row in range(N)]
    index = built(fields={"size": sizes, "text": TEXTS, "tags": tags, "day": DAYS, "even": np.arange(N) % 2 == 0})

    def rows(condition):
        found = index.rows_where(condition)
        assert found.dtype == np.int64
        return found.tolist()

    kept = [row for row in range(N) if sizes[row] is not None]
    assert rows({}) == list(range(N))
    assert rows({"size": {"$gte": 3, "$lt": np.float32(9.5)}}) == [row for row in kept if 3 <= row < 9.5]
    assert rows({"size": {"$in": np.array([1, 2, 7])}}) == [1, 2]
    assert rows({"size": {"$in": {1, 2.0, np.int8(3)}}}) == [1, 2, 3]
    assert rows({"size": {"$nin": (1,)}}) == [row for row in range(N) if row != 1]
    assert rows({"size": {"$exists": False}}) == [0, 7, 14, 21, 28, 35]
    assert rows({"text": TEXTS[3]}) == [3]
    assert rows({"text": {"$contains": "-é"}, "even": True}) == list(range(0, N, 2))
    assert rows({"$or": [{"tags": "b"}, {"size": 1}]}) == [row for row in range(N) if row % 3 == 2 or row == 1]
    assert rows({"day": {"$lte": datetime.date(1970, 1, 3)}}) == [0, 1, 2]
    assert rows({"day": np.datetime64("1970-01-03")}) == [2]
    assert rows({"day": {"$gt": datetime.datetime(1970, 2, 8, tzinfo=datetime.timezone.utc)}}) == [39]
    assert rows({"day": {"$gt": "1970-02-08"}, "$not": {"even": True}}) == [39]


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        ({"sise": 1}, ValueError, "filter: unknown field 'sise', did you mean 'size'\\?"),
        ({"size": {"$let": 1}}, ValueError, "filter: 'size': unknown operator '\\$let', did you mean '\\$lt'"),
        (
            {"size": "x"},
            ValueError,
            "filter: 'size': \\$eq \"x\" given, expected a number, as the field is of type int64",
        ),
        ({"size": None}, ValueError, "filter: 'size': \\$eq null given, expected a value"),
        ({"size": 2**63}, ValueError, "filter: 9223372036854775808 given, expected an integer of 64 bits"),
        ({"size": 1j}, TypeError, "filter: 1j given, expected a dict, a list, a number"),
        ({1: 1}, TypeError, "filter: {1: 1} given, expected names that are str"),
        ([], ValueError, "filter: \\[\\] given, expected an object of fields and conditions"),
    ],
)
def test_refuses_conditions_that_have_no_meaning(condition, error, message):
    with pytest.raises(error, match=rf"^{message}"):
        built(fields={"size": np.arange(N)}).rows_where(condition)


def test_deep_conditions_are_refused():
    index = built(fields={"size": np.arange(N)})
    deep = {"size": 1}
    for _ in range(150):
        deep = {"$not": deep}
    with pytest.raises(ValueError, match=r"^filter: conditions within more than 100 others"):
        index.rows_where(deep)
    for _ in range(100_000):
        deep = {"$not": deep}
    with pytest.raises(RecursionError):
        index.rows_where(deep)


def test_joined_indexes_keep_them(tmp_path):
    np.save(tmp_path / "doclens.npy", np.ones(N, "i4"))
    np.save(tmp_path / "documents.npy", rng(2).normal(size=(N, 4)).astype("f4"))
    first = cassata.build(VECTORS, metric="dotproduct", m=8, ids=TEXTS, fields={"size": np.arange(N)})
    joined = first.join(tmp_path)
    assert joined.ids.tolist() == TEXTS
    assert joined.fields["size"].tolist() == list(range(N))
    _, ids = joined.search(VECTORS[0], tokens=rng(3).normal(size=(2, 4)), k=3)
    assert set(ids) <= set(TEXTS)


@pytest.mark.skipif(not PAGE.exists(), reason="an installed package has no docs")
def test_the_examples_of_the_page_run():
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(programs) == 3
    names: dict[str, object] = {}
    for program in programs:
        exec(compile(program, str(PAGE), "exec"), names)


def test_a_recommended_index_has_them():
    vectors = rng(4).normal(size=(400, DIM)).astype("f4")
    found = cassata.recommend(vectors, target_recall=0.5, k=1)
    index = found.build(vectors, ids=[f"doc-{row}" for row in range(400)], fields={"row": np.arange(400)})
    assert index.ids[7] == "doc-7"
    assert index.rows_where({"row": {"$lt": 2}}).tolist() == [0, 1]
