"""What a weak model means is taken out of its reply: words for a choice, lines for a list, almost JSON."""

from __future__ import annotations

import pytest

from funnel.errors import BadAnswer
from funnel.schema import AnswerSchema

LABEL = {"enum": ["LOC", "HUM", "numeric value", "A", 7, None]}
LABELS = {"type": "array", "items": LABEL}
JUDGED = {
    "type": "object",
    "properties": {"label": LABEL, "why": {"type": "string"}},
    "required": ["label", "why"],
    "additionalProperties": False,
}


def taken(schema, reply):
    return AnswerSchema(schema, trusted=False).take(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "LOC",
        '"LOC"',
        "LOC.",
        "loc",
        "'LOC'",
        "**LOC**",
        "`LOC`",
        "1. LOC",
        "Answer: LOC",
        "The label is LOC.",
        "Okay, LOC!",
        "```\nLOC\n```",
        '```json\n"loc"\n```',
        '{"label": "LOC"}',
        '{"value": "loc."}',
        '["LOC"]',
        "{'label': 'LOC'}",
        "<think>Is it HUM?</think>LOC",
        "It could be HUM, or a numeric value.\nThe text asks for a place.\n\nFinal answer: LOC",
        "LOC\n\nBecause it asks where HUM were.",
        "See [1]: this asks where. So **LOC** it is.",
    ],
)
def test_a_choice_is_found_in_whatever_words_name_it(reply):
    assert taken(LABEL, reply) == "LOC"


@pytest.mark.parametrize(
    ("reply", "value"), [("Numeric_Value", "numeric value"), ("A", "A"), ("7", 7), ("null", None)]
)
def test_a_choice_may_have_several_words_or_one_letter_or_be_no_text(reply, value):
    assert taken(LABEL, reply) == value


@pytest.mark.parametrize(
    "reply", ["LOC or HUM", "It is not LOC.", "A place, I think", "It isn't LOC", "loca", "HUMAN", "", "?"]
)
def test_what_names_no_choice_or_several_is_no_answer(reply):
    with pytest.raises(BadAnswer):
        taken(LABEL, reply)


@pytest.mark.parametrize(
    "reply",
    [
        '["LOC", "HUM", "LOC"]',
        '["loc", "Hum.", "LOC",]',
        "['LOC', 'HUM', 'LOC']",
        '{"labels": ["LOC", "HUM", "LOC"]}',
        "LOC, HUM, LOC",
        "1. LOC\n2. HUM\n3. LOC",
        "Here they are:\n\n- LOC\n- HUM\n- LOC\n\nI hope this helps.",
        "1. Where is it? -> LOC\n2. Who was it? -> HUM\n3. Where? -> LOC",
        'First [1], then:\n```json\n["LOC", "HUM", "LOC"]\n```',
    ],
)
def test_a_list_of_choices_may_stand_line_by_line_or_between_commas(reply):
    assert taken(LABELS, reply) == ["LOC", "HUM", "LOC"]


@pytest.mark.parametrize(
    "reply",
    [
        '{"label": "loc", "why": "a place"}',
        '[{"label": "LOC", "why": "a place"}]',
        '{"answer": {"label": "LOC", "why": "a place"}}',
        "{'label': 'LOC', 'why': 'a place',}",
        "label: LOC\nwhy: a place",
        "**Label:** LOC\n**Why:** a place",
        'For example {"label": "?"}. Mine: {"label": "LOC", "why": "a place"}',
    ],
)
def test_an_object_may_be_wrapped_or_stand_member_by_member(reply):
    assert taken(JUDGED, reply) == {"label": "LOC", "why": "a place"}


def test_a_line_break_inside_a_text_is_read():
    assert taken(JUDGED, '{"label": "LOC", "why": "a\nplace"}')["why"] == "a\nplace"


@pytest.mark.parametrize(
    ("kind", "reply", "value"),
    [
        ("integer", "14 days", 14),
        ("integer", "about 1,200", 1200),
        ("number", "The rate is 2.5", 2.5),
        ("integer", "I added them up.\nTotal: 12", 12),
        ("boolean", "Yes, it does.", True),
        ("boolean", "No.", False),
        ("boolean", "The answer is: true", True),
        ("string", "In May 2026.", "In May 2026."),
        ("string", "“Ada Roth”", "Ada Roth"),
        ("string", 'She said "no"', 'She said "no"'),
    ],
)
def test_a_number_a_truth_value_or_a_text_is_read_from_words(kind, reply, value):
    assert taken({"type": kind}, reply) == value


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("integer", "I found 3 in 2019"),
        ("integer", "fourteen"),
        ("integer", '"14"'),
        ("boolean", "perhaps"),
        ("string", "{broken"),
        ("integer", "It was in the year 2019 that somebody somewhere first wrote about such things at all."),
    ],
)
def test_words_that_may_mean_another_thing_are_not_taken(kind, reply):
    with pytest.raises(BadAnswer):
        taken({"type": kind}, reply)


def test_a_value_that_meets_the_schema_is_left_as_it_is():
    anything = {"type": "array", "items": {"type": ["object", "array", "string"]}}
    for value in ('[{"only": "x"}]', '[["x"]]', '["LOC"]'):
        assert taken(anything, value) == AnswerSchema(anything).parse(value)


def test_references_are_followed_and_one_that_leads_in_a_circle_ends():
    linked = {"type": "array", "items": {"$ref": "#/$defs/label"}, "$defs": {"label": LABEL}}
    assert taken(linked, "LOC, HUM") == ["LOC", "HUM"]
    nested = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    }
    assert taken(nested, "{'next': {'next': None}}") == {"next": {"next": None}}


@pytest.mark.parametrize(
    "reply",
    ["[" * 90_000, "{'a':" * 20_000, "- LOC\n" * 15_000, "LOC HUM " * 10_000, "x" * 100_001, "(" * 90_000],
)
def test_a_long_reply_is_read_or_refused_in_bounded_time(reply):
    with pytest.raises(BadAnswer):
        taken({"type": "array", "items": LABEL, "maxItems": 3}, reply)


def test_the_schema_inside_an_object_is_the_same_schema():
    for schema in (LABELS, {"$ref": "#/$defs/value", "$defs": {"value": {"type": "integer"}}}):
        wrapped = AnswerSchema(AnswerSchema(schema).wrapped("value"))
        good = {"value": ["LOC"] if schema is LABELS else 3}
        assert wrapped.check(good) == good
        with pytest.raises(BadAnswer):
            wrapped.check({"value": "other"})
