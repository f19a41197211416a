"""Values that must have a form: what is submitted, what sub-models answer, what a budget's end leaves."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel
from second_stage import a_run, cell, last, prompt

from funnel.errors import LLMUnavailable
from funnel.inspector import Inspector
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import fenced
from funnel.schema import AnswerSchema

DAYS = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")
CITE = 'mark = cite("refunds", quote="We refund within 14 days.")'
NUMBER = '{"type": "integer"}'


class Days(BaseModel):
    days: int


@pytest.fixture
def inspect(sandbox):
    """Runs an inspector over what the model replies; gives the draft, the model and the bench."""

    async def inspected(*replies, sub=(), schema=DAYS, **how):
        model = ScriptedLLM(replies)
        parts = ScriptedLLM(sub, name="scripted")
        form = None if schema is None else AnswerSchema(schema)
        async with a_run(model, sub=parts, schema=form, **how) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return draft, model, parts, bench

    return inspected


@pytest.fixture
def evaluate(inspect):
    """What an expression gives inside, where sub-models reply so; the parts' model and the bench."""

    async def evaluated(expression, *sub, **how):
        draft, _, parts, bench = await inspect(
            cell(f"submit({expression}, citations=[])"), sub=sub, schema=None, **how
        )
        return (draft.text if draft.value is None else draft.value), parts, bench

    return evaluated


@pytest.fixture
def mistake(inspect):
    """The error that an expression gives inside."""

    async def told(expression, *sub, **how):
        _, model, _, _ = await inspect(
            cell(expression), cell("submit('x', citations=[])"), sub=sub, schema=None, **how
        )
        return last(model.requests[1])

    return told


@pytest.mark.parametrize("schema", [DAYS, Days])
async def test_a_value_that_meets_the_schema_is_the_answer(inspect, schema):
    draft, _, _, _ = await inspect(cell(CITE, 'submit({"days": 14}, citations=[mark])'), schema=schema)
    assert (draft.status, draft.value, json.loads(draft.text)) == ("complete", {"days": 14}, {"days": 14})
    assert [c.quote for c in draft.citations] == ["We refund within 14 days."]


async def test_the_first_message_shows_the_schema_and_how_to_submit(inspect):
    _, model, _, _ = await inspect(cell('submit({"days": 14}, citations=[])'))
    assert [json.loads(text) for _, text in fenced("schema", last(model.requests[0]))] == [DAYS]
    assert "submit(value, citations=" in last(model.requests[0])


async def test_a_run_without_a_schema_says_nothing_of_one(inspect):
    _, model, _, _ = await inspect(cell('submit({"days": 14}, citations=[])'), schema=None)
    assert "submit(value, citations=" not in prompt(model.requests[0])


async def test_a_value_that_does_not_is_refused_with_its_path_and_the_work_goes_on(inspect):
    draft, model, _, _ = await inspect(
        cell('submit({"days": "14"}, citations=[])'), cell('submit({"days": 14}, citations=[])')
    )
    assert "$.days: '14' is not of type 'integer'" in last(model.requests[1])
    assert draft.value == {"days": 14}


async def test_words_are_refused_where_a_value_is_wanted(inspect):
    _, model, _, _ = await inspect(cell("submit('14 days')"), cell('submit({"days": 14}, citations=[])'))
    assert "$: '14 days' is not of type 'object'" in last(model.requests[1])


async def test_what_the_documents_do_not_hold_is_said_in_words(inspect):
    draft, _, _, _ = await inspect(cell("submit('It is not said.', found=False)"))
    assert (draft.status, draft.text, draft.value) == ("declined", "It is not said.", None)


async def test_a_text_may_be_what_is_wanted(inspect):
    schema = {"type": "string", "maxLength": 12}
    draft, _, _, _ = await inspect(cell(CITE, 'submit("14 days " + mark)'), schema=schema)
    assert (draft.text, draft.value) == ("14 days [1]", "14 days [1]")


async def test_markers_in_a_value_count_from_one_and_keys_and_numbers_are_none(inspect):
    draft, _, _, _ = await inspect(
        cell('cite("leases", 0, 9)', CITE, 'submit({"a [7]": "14 " + mark + " [2026]", "n": [7]})'),
        schema={"type": "object"},
    )
    assert draft.value == {"a [7]": "14 [1] [2026]", "n": [7]}
    assert json.loads(draft.text) == draft.value


async def test_a_child_answers_in_words_whatever_its_parent_is_to_submit(inspect):
    draft, model, _, _ = await inspect(
        cell('said = rlm_query("How long?", ["refunds"])', "submit({'days': int(said)}, citations=[])"),
        cell('submit("14", citations=[])'),
    )
    assert draft.value == {"days": 14}
    assert "submit(value, citations=" not in prompt(model.requests[1])


async def test_what_is_left_of_a_budget_is_asked_for_words_and_a_value(inspect):
    replies = [cell(CITE, 'note("days", "14 " + mark)'), '{"answer": "14 days [1].", "value": {"days": 14}}']
    draft, model, _, _ = await inspect(*replies, limits=Limits(max_turns=1))
    assert (draft.status, draft.text, draft.value) == ("partial", "14 days [1].", {"days": 14})
    assert [c.quote for c in draft.citations] == ["We refund within 14 days."]
    assert len(draft.notices) == 1
    assert model.requests[1].schema["required"] == ["answer", "value"]
    assert [json.loads(text) for _, text in fenced("schema", last(model.requests[1]))] == [DAYS]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ('{"answer": "14 days.", "value": {"days": "14"}}', "$.days: '14' is not of type 'integer'"),
        ('{"answer": "14 days.", "value": null}', "none was submitted"),
        ('{"answer": "14 days."}', "none was submitted"),
        ("14 days.", "none was submitted"),
    ],
)
async def test_without_a_value_the_last_call_leaves_words_and_says_so(inspect, reply, reason):
    draft, _, _, _ = await inspect(cell("print(1)"), reply, limits=Limits(max_turns=1))
    assert (draft.status, draft.text, draft.value) == ("partial", "14 days.", None)
    assert draft.notices[1] == f"The answer has no value of the form asked for ({reason})."


async def test_a_last_call_that_fails_leaves_the_notes_and_no_value(inspect):
    draft, _, _, _ = await inspect(cell('note("days", "14")'), DOWN, limits=Limits(max_turns=1))
    assert (draft.status, draft.text, draft.value) == ("partial", "days: 14", None)


async def test_last_calls_that_find_nothing_decline(inspect):
    """The first has what the run was shown, the second is the reader's, over the documents."""
    last_calls = '{"answer": "NOT FOUND", "value": null}', '{"found": false, "answer": null, "quotes": []}'
    draft, model, _, _ = await inspect(cell("print(1)"), *last_calls, limits=Limits(max_turns=1))
    assert (draft.status, draft.value) == ("declined", None)
    assert model.remaining == 0


async def test_a_sub_call_with_a_schema_gives_a_value(evaluate):
    value, parts, _ = await evaluate(
        f"llm_query('Days?', 'within 14 days', schema={DAYS}) | {{'ok': 1}}", '{"days": 14}'
    )
    assert value == {"days": 14, "ok": 1}
    (request,) = parts.requests
    assert request.schema == DAYS
    assert [json.loads(text) for _, text in fenced("schema", last(request))] == [DAYS]
    assert [text for _, text in fenced("text", last(request))] == ["within 14 days"]


async def test_a_schema_that_endpoints_refuse_is_only_shown(evaluate):
    value, parts, _ = await evaluate(f"llm_query('Days?', schema={NUMBER})", "14")
    assert (value, parts.requests[0].schema) == (14, None)


async def test_without_a_schema_a_sub_call_gives_its_text(evaluate):
    value, parts, _ = await evaluate("llm_query('Days?')", "{}")
    assert (value, parts.requests[0].schema) == ("{}", None)


async def test_what_is_wrong_goes_back_to_the_sub_model(evaluate):
    value, parts, bench = await evaluate(
        f"llm_query('Days?', schema={NUMBER})", "fourteen", '"14"', "```json\n14\n```"
    )
    assert value == 14
    assert "holds no JSON value" in last(parts.requests[1])
    assert "$: '14' is not of type 'integer'" in last(parts.requests[2])
    assert [message.role for message in parts.requests[2].messages] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip
    assert [event["reason"][:2] for event in bench.data("repair")] == ["$:", "$:"]
    assert bench.run.ledger.usage.model_calls == 4


async def test_after_two_repairs_the_call_has_failed(mistake):
    told = await mistake(f"llm_query('Days?', schema={NUMBER})", '"a"', '"b"', '"c"')
    assert "llm_query failed" in told
    assert "gave no value that meets the schema: $: 'c' is not of type 'integer'" in told


async def test_in_a_batch_each_call_is_repaired_or_fails_by_itself(evaluate):
    def reply(request):
        asked = prompt(request)
        if "drei" in asked:
            return '"never"'
        return "2" if "does not meet the schema" in asked else "1" if "eins" in asked else "x"

    value, parts, _ = await evaluate(
        f"llm_query_batched(['eins?', 'zwei?', 'drei?'], schema={NUMBER})", *[reply] * 6
    )
    assert [(each["ok"], each["value"]) for each in value] == [(True, 1), (True, 2), (False, None)]
    assert "'never' is not of type 'integer'" in value[2]["error"]
    assert parts.remaining == 0


async def test_a_text_that_holds_nothing_is_a_failed_result_and_not_asked_again(evaluate):
    value, parts, _ = await evaluate(f"llm_query_batched(['Days?'], schema={NUMBER})", "NONE")
    assert value == [{"ok": False, "value": None, "error": "the sub-model found nothing in the text (NONE)"}]
    assert len(parts.requests) == 1


async def test_a_repair_that_is_not_possible_is_a_failed_result(evaluate):
    value, _, _ = await evaluate(f"llm_query_batched(['Days?'], schema={NUMBER})", "x", DOWN)
    assert value[0]["ok"] is False
    assert "connection refused" in value[0]["error"]
    limited, _, _ = await evaluate(
        f"llm_query_batched(['Days?'], schema={NUMBER})", "x", limits=Limits(max_calls=2)
    )
    assert "max_calls = 2 is used up" in limited[0]["error"]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("'int'", "schema must be a JSON Schema as a dict, not str"),
        ("{'type': 'int'}", "schema: $.type: 'int' is not valid"),
        ("{'pattern': '(a+)+$'}", "a pattern is not allowed here"),
        ("{'$ref': 'http://x.org/s'}", "$ref 'http://x.org/s' is refused"),
        ("{'enum': ['x' * 30000]}", "at most 20,000 are allowed"),
    ],
)
async def test_a_bad_schema_is_told_before_anything_is_called(mistake, schema, reason):
    assert reason in await mistake(f"llm_query('Days?', schema={schema})")
    assert reason in await mistake(f"llm_query_batched(['Days?'], schema={schema})")
