from __future__ import annotations

import json
import math
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.catalog import schema
from indexes.catalog.filter_sql import compiled
from indexes.errors import BadFilter
from indexes.filters import MAX_CONDITIONS, Condition, all_of, any_of, condition, field, matches, not_, parse

DOCUMENT = {
    "year": 2021,
    "score": 0.5,
    "lang": "en",
    "draft": False,
    "tags": ["law", "tax"],
    "gone": None,
    "none": [],
    "day": "2024-05-31",
}

NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.5, math.inf, -math.inf, 2**53, 2**53 + 1, float(2**53)]),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, float(2**63), 10**400]),
)
STRINGS = st.one_of(
    st.text(alphabet="ab1é\x00\ud800\uffff😀", max_size=3), st.sampled_from(["", "1", "true"])
)
SCALARS = st.one_of(NUMBERS, STRINGS, st.booleans(), st.none())
FIELDS = st.sampled_from(["a", "b", "not", "x'; --", ""])
METADATA = st.dictionaries(
    FIELDS, st.one_of(SCALARS, st.just(math.nan), st.lists(STRINGS, max_size=3)), max_size=4
)
CONDITIONS = st.one_of(
    st.builds(condition, FIELDS, st.sampled_from(["eq", "ne"]), SCALARS),
    st.builds(condition, FIELDS, st.sampled_from(["in", "nin"]), st.lists(SCALARS, max_size=4)),
    st.builds(condition, FIELDS, st.sampled_from(["gt", "gte", "lt", "lte"]), st.one_of(NUMBERS, STRINGS)),
    st.builds(condition, FIELDS, st.just("exists"), st.booleans()),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: all_of(*parts)),
        st.lists(inner, max_size=3).map(lambda parts: any_of(*parts)),
        inner.map(not_),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def db():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE documents (number INTEGER PRIMARY KEY)")
    for statement in schema._statements(schema._ATTRIBUTES):
        connection.execute(statement)
    yield connection
    connection.close()


def found(db, where):
    sql = compiled(where, "number")
    rows = db.execute(f"SELECT number FROM documents WHERE {sql.text} ORDER BY number", sql.parameters)  # noqa: S608 - what is tested
    return [number for (number,) in rows]


@settings(max_examples=400, deadline=None)
@given(where=FILTERS, stored=st.lists(METADATA, max_size=4))
def test_the_sql_finds_what_the_reference_matches(db, where, stored):
    db.execute("DELETE FROM documents")
    db.execute("DELETE FROM attributes")
    for number, metadata in enumerate(stored):
        db.execute("INSERT INTO documents VALUES (?)", (number,))
        schema.put_attributes(db, number, metadata)
    assert found(db, where) == [n for n, metadata in enumerate(stored) if matches(where, metadata)]


@given(where=FILTERS, metadata=METADATA)
def test_metadata_means_the_same_after_it_was_stored(where, metadata):
    assert matches(where, json.loads(json.dumps(metadata))) == matches(where, metadata)


@given(where=FILTERS)
def test_no_value_and_no_field_stands_in_the_sql_itself(where):
    sql = compiled(where, "number")
    assert sql.text.count("?") == len(sql.parameters)
    assert "--" not in sql.text


@given(where=FILTERS, metadata=METADATA)
def test_a_filter_or_its_complement_matches_and_never_both(where, metadata):
    assert matches(where, metadata) != matches(~where, metadata)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, True),
        ({"year": 2021}, True),
        ({"year": 2021.0}, True),
        ({"year": "2021"}, False),
        ({"year": {"gte": 2020, "lt": 2022}}, True),
        ({"year": {"gt": 2021}}, False),
        ({"year": {"gt": "2020"}}, False),
        ({"draft": False}, True),
        ({"draft": 0}, False),
        ({"tags": "tax"}, True),
        ({"tags": {"in": ["x", "law"]}}, True),
        ({"tags": {"ne": "tax"}}, False),
        ({"tags": {"gte": "t"}}, True),
        ({"lang": {"nin": ["de", "fr"]}}, True),
        ({"missing": {"ne": 1}}, True),
        ({"missing": {"nin": [1]}}, True),
        ({"missing": {"lt": 1}}, False),
        ({"missing": {"exists": False}}, True),
        ({"gone": {"exists": True}}, False),
        ({"none": {"exists": True}}, False),
        ({"gone": None, "missing": None}, True),
        ({"lang": None}, False),
        ({"lang": {"in": [None, "de"]}}, False),
        ({"gone": {"in": [None, "de"]}}, True),
        ({"day": {"gte": "2024-01-01", "lt": "2024-06-01"}}, True),
        ({"or": [{"lang": "de"}, {"score": {"lte": 0.5}}]}, True),
        ({"or": []}, False),
        ({"and": []}, True),
        ({"not": {"lang": "en"}}, False),
        ({"lang": {"in": []}}, False),
    ],
)
def test_what_a_filter_means(form, expected):
    assert matches(parse(form), DOCUMENT) is expected


def test_python_and_json_build_the_same_filter():
    built = (field("year") >= 2020) & field("lang").is_in(["en", "de"]) & (field("tags") == "law")
    assert built == parse({"year": {"gte": 2020}, "lang": {"in": ["de", "en"]}, "tags": "law"})
    assert (field("a") < 1) | ~field("b").exists() == parse(
        {"or": [{"a": {"lt": 1}}, {"not": {"b": {"exists": True}}}]}
    )


def test_one_true_and_the_text_one_are_three_filters():
    assert len({condition("a", "eq", value) for value in (1, True, "1", 1.0)}) == 3


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (
            {"year": {"above": 3}},
            "The filter, field 'year', operator 'above': no such operator. Known: eq,",
        ),
        ({"year": {"gte": [3]}}, "field 'year', operator 'gte': takes a number or a string, not a list."),
        (
            {"year": {"gte": True}},
            "field 'year', operator 'gte': takes a number or a string, not true",
        ),
        ({"year": {"gte": math.nan}}, "field 'year', operator 'gte': takes a number or a string, not nan."),
        ({"year": {"in": "abc"}}, "field 'year', operator 'in': takes a list of values."),
        ({"year": {"exists": 1}}, "field 'year', operator 'exists': takes true or false."),
        (
            {"year": [1]},
            "field 'year', operator 'eq': compares with a string, a number, true, false or",
        ),
        ({"year": {}}, "The filter, field 'year': is compared with nothing. Known operators: eq,"),
        ({"or": {"a": 1}}, "The filter, operator 'or': takes a list of filters."),
        ([], 'The filter: is an object like {"year": {"gte": 2020}}, not a list.'),
        ({"not": 3}, 'The filter: is an object like {"year": {"gte": 2020}}, not 3.'),
        ({"year": {"in": list(range(10_001))}}, "The filter: has 10001 values; at most 10000 are allowed."),
    ],
)
def test_a_wrong_filter_is_told_in_one_line(form, line):
    with pytest.raises(BadFilter) as told:
        parse(form)
    assert line in str(told.value)
    assert "\n" not in str(told.value)


def test_a_filter_nested_too_deep_is_refused_before_the_stack_is():
    form: dict = {"a": 1}
    for _ in range(5_000):
        form = {"not": form}
    with pytest.raises(BadFilter, match="nested more than 32 deep"):
        parse(form)


def test_the_largest_filter_is_one_that_sqlite_takes(db):
    widest = any_of(*[condition(f"f{i}", "eq", None) for i in range(MAX_CONDITIONS)])
    found(db, widest)
    with pytest.raises(BadFilter, match="501 conditions"):
        widest | Condition("one more", "exists")


def test_the_deepest_filter_is_one_that_sqlite_takes(db):
    deepest = condition("a", "in", [None, *range(9_000)])
    for i in range(15):
        deepest = not_(deepest & condition("a", "gt", i))
    found(db, deepest)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: field("x").is_in(range(10_001)), "has 10001 values; at most 10000 are allowed"),
        (lambda: parse({"x": {"nin": list(range(10_001))}}), "has 10001 values; at most 10000 are allowed"),
        (lambda: parse({f"f{i}": 1 for i in range(501)}), "has 501 conditions; at most 500 are allowed"),
        (lambda: parse({"or": [{"x": 1}] * 501}), "has 501 conditions; at most 500 are allowed"),
    ],
)
def test_a_filter_of_one_part_has_the_same_limits(make, line):
    with pytest.raises(BadFilter, match=line):
        make()


def test_a_filter_of_a_million_parts_is_refused_before_they_are_read():
    class Unread(list):
        def __iter__(self):
            raise AssertionError("read although there are too many")

    for form in ({"or": Unread([{}] * 501)}, {"x": {"in": Unread([1] * 10_001)}}):
        with pytest.raises(BadFilter, match="are allowed"):
            parse(form)
