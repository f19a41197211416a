"""A small model is asked for plain words about few passages; what supports them is located for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from second_stage import a_run, doc, prompt, reading

from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import fenced
from funnel.prompts.forms import Forms
from funnel.reader import Reader
from funnel.schema import AnswerSchema

DAYS = "We refund within 14 days."


async def read(*replies, schema=None, forms=None, form="simple", **how):
    model = ScriptedLLM(replies)
    async with a_run(model, **how) as bench:
        run = replace(bench.run, form=form, forms=forms or Forms(), schema=schema and AnswerSchema(schema))
        return await Reader().answer(run, bench.hits()), model, bench


@pytest.mark.parametrize(
    "reply",
    [
        "14 days",
        "Answer: 14 days",
        '{"answer": "14 days"}',
        "```\n14 days\n```",
        "14 days [2]",
        "[1] 14 days",
    ],
)
async def test_the_sentence_that_holds_the_answer_is_cited(reply):
    draft, model, _ = await read(reply)
    assert draft.status == "complete"
    assert [citation.quote for citation in draft.citations] == [DAYS]
    assert draft.text in {"14 days [1]", "[1] 14 days"}
    assert len(model.requests) == 1


async def test_each_statement_is_backed_by_itself_or_left_uncited():
    draft, _, _ = await read("Refunds take 14 days. Shipping is not refunded. Cats are grey.")
    assert draft.text == "Refunds take 14 days. [1] Shipping is not refunded. [2] Cats are grey."
    assert [citation.quote for citation in draft.citations] == [DAYS, "Shipping is not refunded."]


async def test_an_answer_that_no_passage_supports_is_partial():
    draft, _, _ = await read("40 days")
    assert (draft.status, draft.text, draft.citations) == ("partial", "40 days", ())
    assert draft.notices == ("Nothing in this answer is backed by a quote.",)


@pytest.mark.parametrize("reply", ["I do not know.", "The passages do not mention it.", '{"found": false}'])
async def test_that_it_does_not_know_declines(reply):
    draft, _, _ = await read(reply)
    assert draft.status == "declined"
    assert "{" not in draft.text


async def test_quotes_are_taken_where_a_small_model_gives_them():
    draft, _, _ = await read(reading("They take 14 days [276].", (276, "we refund within 14 days")))
    assert [citation.quote for citation in draft.citations] == ["We refund within 14 days"]


async def test_the_prompt_is_two_lines_a_few_passages_and_the_question_at_the_end():
    documents = [doc(f"d{i}", f"refund refunds {'word ' * 120}{i}") for i in range(12)]
    _, model, _ = await read("14 days", documents=documents)
    system, user = model.requests[0].messages
    passages = fenced("passage", user.content)
    assert len(system.content.splitlines()) == 2
    assert len(passages) <= 5
    assert sum(len(text) for _, text in passages) <= 4_000
    assert [set(attributes) for attributes, _ in passages] == [{"title"}] * len(passages)
    assert user.content.endswith(f"\n{user.content.rstrip().rpartition(chr(10))[2]}")
    assert fenced("question", user.content[user.content.rindex("<question") :])
    assert (model.requests[0].schema, model.requests[0].temperature) == (None, 0.0)


@pytest.mark.parametrize("malformed", ["", "<your answer>", "```python\nx = y\n```"])
async def test_a_reply_without_words_is_asked_for_once_more_and_not_shown_again(malformed):
    draft, model, bench = await read(malformed, "14 days")
    assert draft.status == "complete"
    assert [message.role for message in model.requests[1].messages] == ["system", "user"]
    assert prompt(model.requests[1]).endswith(
        "Answer in one short sentence of plain words: no code, no JSON."
    )
    assert len(bench.data("repair")) == 1


async def test_no_code_is_shown_when_the_second_reply_has_no_words_either():
    draft, model, _ = await read("```python\nx = y\n```", "```python\nx = y\n```")
    assert (draft.status, draft.text) == ("partial", "The model returned nothing.")
    assert "did not keep to the answer format" in draft.notices[0]
    assert model.remaining == 0


async def test_a_typed_answer_of_a_small_model_has_its_value_and_its_support():
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    reply = json.dumps({"found": True, "answer": "14 days", "value": {"days": 14}})
    draft, model, _ = await read(reply, schema=schema)
    assert (draft.value, draft.text) == ({"days": 14}, "14 days [1]")
    assert set(model.requests[0].schema["properties"]) == {"found", "answer", "value"}


async def test_two_malformed_replies_to_the_full_form_give_the_next_run_the_simple_one():
    forms = Forms()
    await read("Fourteen days.", "Fourteen days.", form="full", forms=forms)
    assert forms.form_for("scripted", None) == "simple"


async def test_two_replies_whose_every_quote_is_invented_do_so_too():
    forms = Forms()
    for _ in range(2):
        await read(reading("Ada.", (1, "Ada Marsh signs for all refunds.")), form="full", forms=forms)
    assert forms.form_for("scripted", None) == "simple"


async def test_a_well_formed_reply_keeps_the_full_form():
    forms = Forms()
    for replies in (["Fourteen.", reading("14 days")], [reading("14 days")], ["Fourteen.", reading("x")]):
        await read(*replies, form="full", forms=forms)
    assert forms.form_for("scripted", None) == "full"


async def test_the_full_form_sends_a_schema_that_endpoints_can_enforce_strictly():
    _, model, _ = await read(reading("14 days"), form="full")
    schema = model.requests[0].schema
    assert list(schema["properties"]) == schema["required"] == ["found", "answer", "missing", "quotes"]
    assert schema["additionalProperties"] is False


async def test_no_example_of_the_full_form_can_be_taken_for_an_answer():
    _, model, _ = await read(reading("14 days"), form="full", documents=[doc("d", "Nothing of that.")])
    assert "14" not in model.requests[0].messages[0].content
    assert "<your answer>" in model.requests[0].messages[0].content
