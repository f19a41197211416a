"""The lookup route where the answer is to be typed: words with quotes, and a value that meets the schema."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import BaseModel
from second_stage import a_run, last, prompt, reading

from funnel.errors import LLMUnavailable
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import fenced
from funnel.reader import Reader
from funnel.schema import AnswerSchema

DAYS = {
    "type": "object",
    "properties": {"days": {"type": "integer"}, "why": {"type": "string"}},
    "required": ["days"],
}
QUOTE = (1, "We refund within 14 days.")
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")


class Days(BaseModel):
    days: int


async def read(*replies, schema=DAYS, **how):
    model = ScriptedLLM(replies)
    async with a_run(model, **how) as bench:
        run = replace(bench.run, schema=schema and AnswerSchema(schema))
        return await Reader().answer(run, bench.hits()), model, bench


def typed(value, answer="They take 14 days [1].", *quotes, found=True, missing=None):
    reply = json.loads(reading(answer, *(quotes or [QUOTE]), found=found, missing=missing))
    return json.dumps(reply | {"value": value})


@pytest.mark.parametrize("schema", [DAYS, Days])
async def test_an_answer_has_words_quotes_and_a_value(schema):
    draft, model, _ = await read(typed({"days": 14}), schema=schema)
    assert (draft.status, draft.text, draft.value) == ("complete", "They take 14 days [1].", {"days": 14})
    assert [c.quote for c in draft.citations] == ["We refund within 14 days."]
    assert draft.notices == ()
    assert len(model.requests) == 1


async def test_a_value_of_which_a_part_is_missing_is_kept_in_a_partial_answer():
    gap = "The passages do not say what shipping costs."
    draft, _, _ = await read(typed({"days": 14}, missing=gap))
    assert (draft.status, draft.value, draft.missing) == ("partial", {"days": 14}, gap)


async def test_the_schema_is_shown_and_asked_for():
    _, model, _ = await read(typed({"days": 14}))
    request = model.requests[0]
    assert [json.loads(text) for _, text in fenced("schema", last(request))] == [DAYS]
    assert '"value": the answer as a JSON value' in prompt(request)
    assert request.schema["required"] == ["found", "answer", "missing", "quotes", "value"]
    asked_for = AnswerSchema(request.schema)
    assert asked_for.check(json.loads(typed({"days": 14}, missing="")))
    assert asked_for.check(json.loads(typed(None, found=False, missing="")))


async def test_what_is_wrong_with_the_value_is_told_by_its_path_once():
    draft, model, bench = await read(typed({"days": "14"}), typed({"days": 14}))
    assert draft.value == {"days": 14}
    assert "(in its value $.days: '14' is not of type 'integer')" in last(model.requests[1])
    assert '"value": what the schema asks for' in last(model.requests[1])
    assert model.requests[1].schema == model.requests[0].schema
    assert bench.data("repair") == [{"reason": "in its value $.days: '14' is not of type 'integer'"}]


async def test_a_value_that_is_wrong_twice_is_none_and_the_words_stay():
    draft, model, _ = await read(typed({}), typed({"days": None}))
    assert (draft.status, draft.text, draft.value) == ("partial", "They take 14 days [1].", None)
    assert [c.quote for c in draft.citations] == ["We refund within 14 days."]
    assert draft.notices == (
        "The answer has no value of the form asked for (in its value $.days: None is not of type 'integer').",
    )
    assert model.remaining == 0


async def test_a_repair_that_is_no_reply_leaves_the_words_of_the_first():
    draft, _, _ = await read(typed({}), "Sorry.")
    assert (draft.status, draft.text, draft.value) == ("partial", "They take 14 days [1].", None)
    assert "(no JSON object in it)" in draft.notices[0]


@pytest.mark.parametrize("then", [{"limits": Limits(max_calls=1)}, {}])
async def test_a_repair_that_is_not_possible_leaves_the_words_of_the_first(then):
    draft, _, _ = await read(typed({}), DOWN, **then)
    assert (draft.status, draft.text, draft.value) == ("partial", "They take 14 days [1].", None)
    assert "used up" in draft.notices[1] or "connection refused" in draft.notices[1]


async def test_what_is_not_in_the_passages_needs_no_value():
    draft, model, _ = await read(typed(None, "It is not said.", found=False))
    assert (draft.status, draft.value) == ("declined", None)
    assert len(model.requests) == 1


async def test_a_value_that_was_not_asked_for_is_left_out():
    draft, model, _ = await read(typed({"days": 14}), schema=None)
    assert draft.value is None
    assert "value" not in model.requests[0].schema["properties"]


async def test_markers_in_the_value_count_with_those_of_the_words():
    wide = {"days": 14, "why": "so [1], not [7]; see a[i]"}
    draft, _, _ = await read(typed(wide, "14 [1], or [1].", QUOTE, (1, "Shipping is not refunded.")))
    assert draft.text == "14 [1], or [2]."
    assert draft.value == {"days": 14, "why": "so [1][2], not; see a[i]"}


@pytest.mark.parametrize("value", ["NaN", "1e999", "[" * 300 + "]" * 300, '"' + "x" * 99_000 + '"'])
async def test_a_value_that_cannot_be_read_is_told_and_not_raised(value):
    reply = typed("VALUE").replace('"VALUE"', value)
    draft, _, _ = await read(reply, reply)
    assert (draft.status, draft.value) == ("partial", None)
