"""What a typed answer must be: checked in bounded time, told by path and message, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, field_validator

from funnel.errors import BadAnswer, BadSchema
from funnel.schema import AnswerSchema
from funnel.schema.json_values import MAX_DEPTH, MAX_VALUE_CHARS, MAX_VALUE_PARTS, first_json
from funnel.schema.validation import MAX_SCHEMA_CHARS


class Clause(BaseModel):
    year: int
    party: Annotated[str, Field(alias="signedBy")] = "nobody"

    @field_validator("year")
    @classmethod
    def is_ours(cls, year: int) -> int:
        if year < 1900:
            raise ValueError("no contract is that old")
        return year


class Contract(BaseModel):
    clauses: list[Clause]
    ends: date | None = None


CLAUSES = {
    "type": "object",
    "properties": {
        "clauses": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"year": {"type": "integer"}},
                "required": ["year"],
                "additionalProperties": False,
            },
        }
    },
}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "parts": {"items": {"$ref": "#/$defs/node"}}},
            "required": ["name"],
        }
    },
}


def problems(schema: Any, value: Any, **how: bool) -> tuple[str, ...]:
    with pytest.raises(BadAnswer) as raised:
        AnswerSchema(schema, **how).check(value)
    return raised.value.problems


def refused(schema: Any, **how: bool) -> str:
    with pytest.raises(BadSchema) as raised:
        AnswerSchema(schema, **how)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_value_that_meets_the_schema_is_returned_as_it_is():
    value = {"clauses": [{"year": 2019}]}
    assert AnswerSchema(CLAUSES).check(value) == value


def test_a_problem_is_told_by_path_and_message():
    value = {"clauses": [{"year": 1}, {"year": 2}, {"year": "n/a"}]}
    assert problems(CLAUSES, value) == ("$.clauses[2].year: 'n/a' is not of type 'integer'",)
    assert problems(Contract, {"clauses": [{"year": 2001}, {"year": "n/a"}]}) == (
        "$.clauses[1].year: Input should be a valid integer, unable to parse string as an integer",
    )


def test_a_model_checks_with_its_validators_and_fills_in_aliases_and_defaults():
    value = {"clauses": [{"year": "2019"}, {"year": 2020, "signedBy": "Ada"}], "ends": "2026-05-01"}
    assert AnswerSchema(Contract).check(value) == {
        "clauses": [{"year": 2019, "signedBy": "nobody"}, {"year": 2020, "signedBy": "Ada"}],
        "ends": "2026-05-01",
    }
    assert problems(Contract, {"clauses": [{"year": 12}]}) == (
        "$.clauses[0].year: Value error, no contract is that old",
    )


def test_a_validator_that_breaks_is_a_fault_of_the_value():
    class Breaks(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def look_up(cls, name: str) -> str:
            return {"a": "A"}[name]

    assert problems(Breaks, {"name": "b"}) == ("$: KeyError: 'b'",)


def test_a_model_may_be_a_list():
    assert AnswerSchema(RootModel[list[int]]).check(["1", 2]) == [1, 2]


def test_what_a_model_dumps_is_json_even_where_it_holds_no_number():
    class Share(BaseModel):
        part: float

    assert AnswerSchema(Share).check({"part": "NaN"}) == {"part": None}


def test_of_many_problems_the_first_few_are_told():
    assert len(problems({"items": {"type": "integer"}}, ["x"] * 100)) == 5
    assert len(problems(RootModel[list[int]], ["x"] * 100)) == 6


def test_of_several_forms_the_nearest_one_is_told():
    noisy_or = {"anyOf": [{"type": "null"}, CLAUSES]}
    assert problems(noisy_or, {"clauses": [{"year": "n/a"}]}) == (
        "$.clauses[0].year: 'n/a' is not of type 'integer'",
    )


def test_a_key_that_is_no_name_is_quoted_in_the_path():
    schema = {"additionalProperties": {"additionalProperties": {"type": "null"}}}
    assert problems(schema, {"a b": {"[3]": 1}}) == ("""$["a b"]["[3]"]: 1 is not of type 'null'""",)


def test_a_value_of_any_size_makes_a_short_message():
    long = {"x" * 500 + str(i): "y" * 50 for i in range(90)}
    for schema in ({"type": "string"}, {"anyOf": [{"type": "null"}] * 300}, {"enum": ["z" * 900] * 9}):
        assert all(len(line) < 400 for line in problems(schema, [long], trusted=False))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("nan"), "$: nan is not a JSON number"),
        ({"a": [float("inf")]}, "$.a[0]: inf is not a JSON number"),
        ({"a": {1: 2}}, "$.a: the key 1 is not a string, as JSON keys must be"),
        ([{1, 2}], "$[0]: a set is not a JSON value"),
        ("x" * (MAX_VALUE_CHARS + 1), "$: it holds more than 100,000 characters of text"),
        ([0] * MAX_VALUE_PARTS, "$: it has more than 50,000 parts"),
        (1 << 5_000, "$: the integer has too many digits"),
    ],
)
def test_what_is_no_json_value_of_bounded_size_is_none(value, problem):
    assert problems({}, value) == (problem,)
    assert problems(RootModel[Any], value) == (problem,)


def test_a_value_that_is_shared_in_itself_is_counted_at_every_place():
    value: list[Any] = []
    for _ in range(30):
        value = [value, value]
    assert problems({}, value) == ("$: it has more than 50,000 parts",)


def test_a_value_is_nested_so_deep_and_no_deeper():
    def nest(depth: int) -> list[Any]:
        return [nest(depth - 1)] if depth else []

    assert AnswerSchema({}).check(nest(MAX_DEPTH)) == nest(MAX_DEPTH)
    assert "nested deeper than 32" in problems({}, nest(MAX_DEPTH + 1))[0]


def test_half_of_a_pair_that_no_utf8_holds_is_replaced():
    assert AnswerSchema({}).check({"a\ud800": "b\udfff"}) == {"a?": "b?"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_a_json_value_is_the_same_after_the_check(value):
    assert AnswerSchema({}).check(value) == value


@given(JSON)
def test_any_value_can_be_read_out_of_a_reply(value):
    for reply in (
        json.dumps(value),
        f"```json\n{json.dumps(value)}\n```",
        f"Here:\n```\n{json.dumps(value)}\n```",
    ):
        assert first_json(reply) == value


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('So: {"a": [1]} and {"b": 2}', {"a": [1]}),
        ("The years are [1, 2].", [1, 2]),
        ('{"a": 1} is what I found', {"a": 1}),
        ("```json\n[1]\n```\nor {}", [1]),
        ("{not json} but [3]", [3]),
        ('<think>{"a": 1}</think>{"a": 2}', {"a": 2}),
        (" 42\n", 42),
        ('"Berlin"', "Berlin"),
        ("null", None),
    ],
)
def test_the_first_value_of_a_reply_is_taken(reply, value):
    assert first_json(reply) == value


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Berlin",
        "42 contracts",
        "NaN",
        '{"a": NaN}',
        "[" * 90_000,
        '["' * 30_000,
        "[1" * 30_000,
        "```" + " " * 90_000,
        "1" * 5_000,
        "{" * 50 + "[1]",
        "[1]" + "x" * 100_000,
    ],
)
def test_a_reply_without_a_value_is_told_as_such(reply):
    with pytest.raises(BadAnswer, match=r"holds no JSON value|at most 100,000 are read"):
        first_json(reply)


def test_a_parsed_value_is_checked():
    assert AnswerSchema(CLAUSES).parse('```\n{"clauses": []}\n```') == {"clauses": []}
    with pytest.raises(BadAnswer, match=r"\$\.clauses: 3 is not of type 'array'"):
        AnswerSchema(CLAUSES).parse('{"clauses": 3}')


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "strin"}, "$.type: 'strin' is not valid under any of the given schemas"),
        ({"properties": {"a": {"minimum": "x"}}}, "$.properties.a.minimum: 'x' is not of type 'number'"),
        ({"required": "a"}, "$.required: 'a' is not of type 'array'"),
        ({"$schema": "http://x.org/mine"}, "$schema 'http://x.org/mine' is unknown"),
        ({"items": {"$ref": "http://x.org/a.json"}}, "$.items: $ref 'http://x.org/a.json' is refused"),
        ({"$ref": "a.json#/x"}, "$: $ref 'a.json#/x' is refused"),
        ({"$ref": "file:///etc/passwd"}, "is refused"),
        ({"$ref": "#/properties/a", "properties": {"a": {}}}, "only '#' and '#/$defs/NAME'"),
        ({"$ref": "#/$defs/b", "$defs": {"a": {}}}, "$ref '#/$defs/b' names no definition"),
        ({"items": {"$id": "http://x.org/", "$ref": "#"}}, "only the root of a schema may have $id"),
        ({"items": {"$schema": "http://json-schema.org/draft-04/schema#"}}, "$.items: only the root"),
        ({"$dynamicRef": "#meta"}, "$dynamicRef is not supported; use $ref"),
        ({"$ref": "#"}, "#: its $ref leads back to itself"),
        ({"anyOf": [{"type": "null"}, {"not": {"$ref": "#"}}]}, "leads back to itself"),
        (
            {"$ref": "#/$defs/b", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}, "b": {"$ref": "#/$defs/a"}}},
            "#/$defs/a: its $ref leads back to itself",
        ),
        ({"pattern": "(?=a)"}, "look-around, including look-ahead and look-behind, is not supported"),
        ({"pattern": r"(a)\1"}, "backreferences are not supported"),
        ({"pattern": "("}, "unclosed group"),
        ({"pattern": r"(\p{L}{1000}){1000}"}, "exceeds size limit"),
        ({"patternProperties": {"^a": {}}}, "patternProperties is not supported; state propertyNames"),
        ({"enum": ["x" * MAX_SCHEMA_CHARS]}, "at most 20,000 are allowed"),
        ({"default": {1, 2}}, "it is not JSON"),
        ({"maximum": float("inf")}, "it is not JSON"),
        ([], "a pydantic model class or a JSON Schema as a dict, not []"),
        (int, "not <class 'int'>"),
    ],
)  # fmt: skip
def test_a_bad_schema_is_refused_at_once_in_one_line(schema, reason):
    assert reason in refused(schema)


def test_a_model_without_a_json_schema_is_refused():
    class Odd(BaseModel):
        call: Callable[[], int]

    assert "Odd has no JSON Schema" in refused(Odd)


def test_a_schema_that_is_nested_without_end_is_refused():
    schema: dict[str, Any] = {}
    for _ in range(900):
        schema = {"not": schema}
    assert "too intricate" in refused(schema)


def test_data_in_a_schema_is_no_schema():
    schema = {"enum": [{"$ref": "http://x.org"}], "properties": {"$ref": {"type": "string"}, "pattern": {}}}
    assert AnswerSchema(schema, trusted=False).check({"$ref": "http://x.org"}) == {"$ref": "http://x.org"}


def test_a_schema_of_a_model_may_hold_no_pattern():
    assert "a pattern is not allowed here" in refused({"items": {"pattern": "a+"}}, trusted=False)
    assert "a pattern is not allowed here" in refused({"propertyNames": {"pattern": "a+"}}, trusted=False)


def test_a_pattern_is_searched_for_in_linear_time():
    schema = AnswerSchema({"pattern": "^(a+)+$|^(a|a)*b$"})
    assert schema.check("a" * 50_000) == "a" * 50_000
    with pytest.raises(BadAnswer, match="does not match"):
        schema.check("a" * 50_000 + "!")
    assert AnswerSchema({"pattern": "lo"}).check("hello") == "hello"
    assert AnswerSchema({"pattern": "lo"}).check(3) == 3


@pytest.mark.parametrize("dialect", ["draft-06", "draft-07", "2019-09", "2020-12"])
def test_the_dialect_that_a_schema_names_is_its_dialect(dialect):
    host = "https://json-schema.org/draft/" if dialect[0] == "2" else "http://json-schema.org/"
    schema = {"$schema": f"{host}{dialect}/schema", "properties": {"a": {"exclusiveMinimum": 3}}}
    assert AnswerSchema(schema).check({"a": 4}) == {"a": 4}
    assert problems(schema, {"a": 3})


def test_the_dialect_holds_for_a_reference_to_the_root():
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"next": {"$ref": "#"}, "name": {"pattern": "^(a|a)*$"}},
    }
    assert AnswerSchema(schema).json_schema["$schema"]
    assert problems(schema, {"next": {"next": {"name": "a" * 50_000 + "b"}}})[0].startswith(
        "$.next.next.name:"
    )


def test_a_list_of_items_is_a_tuple_where_the_dialect_says_so():
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{"$ref": "#/definitions/n"}, {"type": "string"}],
        "definitions": {"n": {"type": "integer"}},
    }
    assert AnswerSchema(schema).check([1, "a"]) == [1, "a"]
    assert problems(schema, ["a", "a"]) == ("$[0]: 'a' is not of type 'integer'",)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date", "2026-05-01", "May 1st"),
        ("date-time", "2026-05-01T10:00:00Z", "2026-05-01"),
        ("time", "10:00:00Z", "ten"),
        ("email", "a@b.org", "a"),
        ("uuid", "c0ffee00-0000-4000-8000-000000000000", "coffee"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
    ],
)
def test_these_formats_are_checked(name, right, wrong):
    assert AnswerSchema({"format": name}).check(right) == right
    assert problems({"format": name}, wrong)


def test_a_format_that_nobody_knows_is_a_remark():
    assert AnswerSchema({"format": "regex"}).check("(") == "("


def test_a_schema_may_refer_to_itself_for_the_parts_of_a_value():
    tree = {"name": "a", "parts": [{"name": "b", "parts": []}]}
    assert AnswerSchema(TREE, trusted=False).check(tree) == tree
    tree["parts"][0]["parts"].append({"name": 3})
    assert problems(TREE, tree) == ("$.parts[0].parts[0].name: 3 is not of type 'string'",)


def test_the_root_may_have_a_name_of_its_own():
    schema = {"$id": "http://x.org/s", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}
    assert problems(schema, ["a"]) == ("$[0]: 'a' is not of type 'integer'",)


def chain(length: int, name: str, last: dict[str, Any]) -> dict[str, Any]:
    """Definitions of which each is the next one."""
    links = {f"{name}{i}": {"$ref": f"#/$defs/{name}{i + 1}"} for i in range(length)}
    return {**links, f"{name}{length}": last}


def test_a_schema_that_doubles_its_own_work_ends_the_check(monkeypatch):
    monkeypatch.setattr("funnel.schema.validation.CHECK_CPU_S", 0.1)
    links = chain(40, "d", {"type": "integer"})
    doubled = {name: {"anyOf": [schema, schema]} for name, schema in links.items()}
    assert problems({"$ref": "#/$defs/d0", "$defs": doubled}, "x", trusted=False) == INTRICATE


def test_a_schema_that_goes_deeper_than_the_stack_ends_the_check():
    links = chain(100, "d", {"items": {"$ref": "#/$defs/d0"}})
    value: list[Any] = []
    for _ in range(20):
        value = [value]
    assert problems({"$ref": "#/$defs/d0", "$defs": links}, value, trusted=False) == INTRICATE


INTRICATE = ("$: the schema and the value together are too intricate to be checked",)


def test_that_no_item_comes_twice_is_checked_for_ten_thousand_objects():
    items: list[Any] = [{"a": i} for i in range(10_000)]
    assert AnswerSchema({"uniqueItems": True}).check(items) == items
    assert problems({"uniqueItems": True}, [*items, {"a": 5.0}]) == (
        "$: [10001 items] has the same item twice",
    )
    assert AnswerSchema({"uniqueItems": True}).check([1, True, "1", [1], {"1": 1}])


def test_a_number_beyond_the_arithmetic_is_told():
    assert problems({"multipleOf": 0.5}, 10**1200) == (
        "$: it holds a number that is too large to be checked",
    )


def test_the_schema_as_a_member_takes_its_definitions_along():
    member = AnswerSchema(TREE).member("value", {"found": {"type": "boolean"}})
    typed = AnswerSchema(member)
    assert typed.check({"found": True, "value": {"name": "a", "parts": [{"name": "b"}]}})
    assert typed.check({"found": False, "value": None})
    assert problems(member, {"found": True, "value": {"name": "a", "parts": [{"name": 1}]}})


def test_a_schema_that_refers_to_its_root_refers_to_the_member():
    linked = {"type": "object", "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}}
    member = AnswerSchema(linked).member("value", {})
    assert AnswerSchema(member).check({"value": {"next": {"next": None}}})
    assert problems(member, {"value": {"next": {"next": 3}}})


def test_a_definition_by_the_name_of_the_member_is_another_one():
    schema = {"$ref": "#/$defs/value", "$defs": {"value": {"type": "integer"}}}
    assert AnswerSchema(AnswerSchema(schema).member("value", {})).check({"value": 3}) == {"value": 3}


def test_the_titles_that_a_model_makes_for_itself_are_left_out():
    class Titled(BaseModel):
        title: str

    assert AnswerSchema(Titled).json_schema == {
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "title": "Titled",
        "type": "object",
    }


def test_a_schema_comes_from_a_file(tmp_path):
    file = tmp_path / "clauses.json"
    file.write_text(json.dumps(CLAUSES))
    assert AnswerSchema.load(file).json_schema == CLAUSES


@pytest.mark.parametrize("text", [None, "{", "[]", '{"type": "strin"}'])
def test_a_file_that_holds_no_schema_is_named(tmp_path, text):
    file = tmp_path / "clauses.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadSchema, match=r"clauses\.json"):
        AnswerSchema.load(file)


KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "prefixItems", "$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "if",
     "then", "enum", "const", "required", "minimum", "multipleOf", "minLength", "pattern", "format",
     "uniqueItems", "additionalProperties", "patternProperties", "propertyNames", "contains",
     "dependentSchemas", "dependencies", "unevaluatedProperties", "unevaluatedItems", "$id", "$schema",
     "$anchor", "$dynamicRef", "minContains"]
)  # fmt: skip
SIMPLE = st.sampled_from(
    ["string", "integer", "object", "array", "#", "#/$defs/a", "#/$defs/b", "date", "(a+)+$", "http://x.org",
     0, -1, 0.5, 2, True, False, None, "https://json-schema.org/draft/2020-12/schema"]
)  # fmt: skip
SCHEMAS = st.recursive(
    SIMPLE,
    lambda inner: (
        st.dictionaries(KEYWORDS | st.sampled_from("ab"), inner, max_size=4) | st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


APPLICATORS = ("items", "additionalProperties", "not", "if", "then", "contains", "unevaluatedProperties")
LEAF = {
    "type": st.sampled_from(["string", "integer", "object", "array", "null"]),
    "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b"]),
    "enum": st.lists(JSON, min_size=1, max_size=2),
    "uniqueItems": st.booleans(),
    "multipleOf": st.sampled_from([0.1, 1e-300, 3]),
}
APPLIED = st.recursive(
    st.fixed_dictionaries({}, optional=LEAF),
    lambda inner: st.fixed_dictionaries({}, optional=dict.fromkeys(APPLICATORS, inner) | LEAF),
    max_leaves=6,
)
WELL_FORMED = st.fixed_dictionaries(
    {"$defs": st.fixed_dictionaries({"a": APPLIED, "b": APPLIED})},
    optional={"properties": st.dictionaries(st.text(max_size=2), APPLIED, max_size=2)} | LEAF,
)


@settings(deadline=None)  # the first one loads the library
@given(st.dictionaries(KEYWORDS, SCHEMAS, max_size=4) | WELL_FORMED, JSON, st.booleans())
def test_whatever_a_schema_and_a_value_are_the_value_passes_or_is_told(schema, value, trusted):
    with suppress(BadSchema, BadAnswer):
        assert AnswerSchema(schema, trusted=trusted).check(value) == value


@settings(deadline=None)
@given(WELL_FORMED, JSON)
def test_whatever_a_schema_is_its_member_checks_alike(schema, value):
    try:
        alone = AnswerSchema(schema, trusted=False)
        member = AnswerSchema(alone.member("value", {}), trusted=False)
    except BadSchema:
        return
    assert meets(alone, value) == meets(member, {"value": value}) or value is None


def meets(schema, value):
    try:
        schema.check(value)
    except BadAnswer:
        return False
    return True
