"""Typed sub-calls: one prompt for many texts, an item for each line, and schemas that endpoints enforce."""

from __future__ import annotations

import json

import pytest
from chat_server import Reply, error
from second_stage import FREE, a_run, cell, last, prompt

from funnel.inspector import Inspector
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import fenced

KINDS = {"enum": ["LOC", "HUM", "NUM"]}
LABELS = {"type": "array", "items": KINDS}
NUMBERED = "1. Where is it?\n2. Who was it?\n3. Where next?"
PLAIN = "Where is it?\nWho was it?\n\nWhere next?"
LINES = ["Where is it?", "Who was it?", "Where next?"]


@pytest.fixture
def evaluate(sandbox):
    """What an expression gives inside, where sub-models reply so; the parts' model."""

    async def evaluated(expression, *sub, parts=None):
        model, parts = (
            ScriptedLLM([cell(f"submit({expression}, citations=[])")]),
            parts or ScriptedLLM(sub, name="scripted"),
        )
        async with a_run(model, sub=parts, prices={**FREE, parts.name: (0.0, 0.0)}) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return (draft.text if draft.value is None else draft.value), parts

    return evaluated


@pytest.fixture
def mistake(sandbox):
    """What the model is told of a call that is wrong."""

    async def told(expression):
        model = ScriptedLLM([cell(expression), cell("submit('x', citations=[])")])
        async with a_run(model, sub=ScriptedLLM([], name="sub")) as bench:
            await Inspector(sandbox).answer(bench.run, bench.hits())
        return last(model.requests[1])

    return told


def texts(request):
    return [text for _, text in fenced("text", prompt(request))]


def schema_shown(request):
    [(_, text)] = fenced("schema", request.messages[1].content)
    return json.loads(text)


# one for many


async def test_one_prompt_is_asked_of_every_text(evaluate):
    value, parts = await evaluate(
        "[r['value'] for r in llm_query_batched('Where?', ['a', 'b', 'c'])]", *"123"
    )
    assert value == ["1", "2", "3"]
    assert sorted(texts(request)[0] for request in parts.requests) == ["a", "b", "c"]
    assert all("Where?" in prompt(request) for request in parts.requests)


async def test_one_text_is_asked_every_prompt(evaluate):
    value, parts = await evaluate("len(llm_query_batched(['Where?', 'Who?'], 'the text'))", *"12")
    assert value == 2
    assert [texts(request) for request in parts.requests] == [["the text"]] * 2
    assert {word for r in parts.requests for word in ("Where?", "Who?") if word in prompt(r)} == {
        "Where?",
        "Who?",
    }


async def test_one_prompt_and_no_texts_make_no_call(evaluate):
    value, parts = await evaluate("len(llm_query_batched('Where?', []))")
    assert (value, parts.requests) == (0, [])


async def test_lists_of_different_lengths_are_told_how_one_prompt_serves_all(mistake):
    told = await mistake("llm_query_batched(['a'], ['b', 'c'])")
    assert "1 prompts but 2 texts" in told
    assert 'llm_query_batched("the prompt", texts)' in told


# an item for each line


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("Label the lines.", repr(NUMBERED)),
        ("Give each question its label.", repr(PLAIN)),
        ("Gib jeder Frage ein Label.", repr(PLAIN)),
        ("Label them.", repr(LINES)),
    ],
)
async def test_a_list_of_labels_has_as_many_items_as_the_text_has_lines(evaluate, asked, text):
    value, parts = await evaluate(f"llm_query({asked!r}, {text}, {LABELS})", '["LOC", "HUM", "LOC"]')
    assert value == ["LOC", "HUM", "LOC"]
    assert schema_shown(parts.requests[0]) == {**LABELS, "minItems": 3, "maxItems": 3}
    assert "The text has 3 lines: give 3 items" in prompt(parts.requests[0])


async def test_lines_that_are_given_as_a_list_are_numbered(evaluate):
    _, parts = await evaluate(f"llm_query('Label them.', {LINES}, {LABELS})", '["LOC", "HUM", "LOC"]')
    assert texts(parts.requests[0]) == [NUMBERED]


@pytest.mark.parametrize(
    ("asked", "schema"),
    [
        ("Which of these does the text name?", LABELS),
        ("Label each line.", {**LABELS, "maxItems": 2}),
        ("Which labels apply to the text, in order?", {**LABELS, "uniqueItems": True}),
        ("List every name.", {"type": "array", "items": {"type": "string"}}),
        ("Count each.", {"type": "integer"}),
    ],
)
async def test_any_other_list_has_the_length_that_the_model_gives_it(evaluate, asked, schema):
    reply = "7" if schema["type"] == "integer" else '["LOC", "HUM"]'
    _, parts = await evaluate(f"llm_query({asked!r}, {PLAIN!r}, {schema})", reply)
    assert schema_shown(parts.requests[0]) == schema
    assert len(parts.requests) == 1


async def test_a_list_that_is_the_only_member_of_an_object_gets_its_number_too(evaluate):
    form = {"type": "object", "properties": {"labels": LABELS}, "required": ["labels"]}
    reply = '{"labels": ["LOC", "HUM"]}', '{"labels": {"1": "LOC", "2": "HUM", "3": "LOC"}}'
    value, parts = await evaluate(f"llm_query('Label each line.', {NUMBERED!r}, {form})", *reply)
    assert value == {"labels": ["LOC", "HUM", "LOC"]}
    assert schema_shown(parts.requests[0])["properties"]["labels"]["minItems"] == 3


async def test_a_reply_with_one_too_few_is_told_which_item_fell_on_which_line(evaluate):
    replies = '["LOC", "LOC"]', '["LOC", "HUM", "LOC"]'
    value, parts = await evaluate(f"llm_query('Label the lines.', {NUMBERED!r}, {LABELS})", *replies)
    assert value == ["LOC", "HUM", "LOC"]
    told = last(parts.requests[1])
    assert "2 items for 3 lines, none is left for line 3 ('Where next?') to the last" in told
    assert "1 ('Where is it?') 'LOC'; 2 ('Who was it?') 'LOC'" in told


@pytest.mark.parametrize(
    "reply",
    [
        '{"1": "LOC", "3": "LOC"}',
        "1. LOC\n3. LOC",
        '[{"line": 1, "label": "LOC"}, {"line": 3, "label": "LOC"}]',
    ],
)
async def test_a_reply_that_numbers_its_items_is_told_which_line_has_none(evaluate, reply):
    value, parts = await evaluate(
        f"llm_query('Label the lines.', {NUMBERED!r}, {LABELS})", reply, '["LOC", "HUM", "LOC"]'
    )
    assert value == ["LOC", "HUM", "LOC"]
    assert "1 of the 3 lines have no item: line 2 ('Who was it?')" in last(parts.requests[1])


@pytest.mark.parametrize(
    "reply",
    [
        '{"1": "LOC", "2": "HUM", "3": "LOC"}',
        '{"0": "LOC", "1": "HUM", "2": "LOC"}',
        '[{"n": 2, "label": "HUM"}, {"n": 1, "label": "LOC"}, {"n": 3, "label": "LOC"}]',
        "1. LOC\n2. HUM\n3. LOC",
        '{"value": ["LOC", "HUM", "LOC"]}',
    ],
)
async def test_items_that_are_numbered_are_put_in_the_order_of_the_lines(evaluate, reply):
    value, parts = await evaluate(f"llm_query('Label the lines.', {NUMBERED!r}, {LABELS})", reply)
    assert value == ["LOC", "HUM", "LOC"]
    assert len(parts.requests) == 1


async def test_lines_that_a_program_numbered_on_keep_their_numbers(evaluate):
    text = "51. Where is it?\n52. Who was it?\n53. Where next?"
    replies = '{"51": "LOC", "53": "LOC"}', '{"51": "LOC", "52": "HUM", "53": "LOC"}'
    value, parts = await evaluate(f"llm_query('Label the lines.', {text!r}, {LABELS})", *replies)
    assert value == ["LOC", "HUM", "LOC"]
    assert "line 52 ('Who was it?')" in last(parts.requests[1])


async def test_in_a_batch_each_text_has_its_own_number_of_items(evaluate):
    def labels(request):
        return json.dumps(["LOC"] * schema_shown(request)["minItems"])

    value, _ = await evaluate(
        f"[len(r['value']) for r in llm_query_batched('Label each line.', ['a\\nb', 'a\\nb\\nc'], {LABELS})]",
        labels, labels,
    )  # fmt: skip
    assert value == [2, 3]


async def test_a_bare_word_answers_a_choice(evaluate):
    expression = f"[r['value'] for r in llm_query_batched('Label it.', ['a', 'b', 'c'], {KINDS})]"
    value, parts = await evaluate(expression, "LOC", '"LOC"', "LOC.")
    assert value == ["LOC"] * 3
    assert len(parts.requests) == 3


# what the endpoint enforces


@pytest.fixture
async def endpoint(chat_server):
    llm = OpenAIChat("parts", base_url=chat_server.url, api_key="k")
    yield llm
    await llm.close()


def sent(chat_server):
    return [seen.body.get("response_format", {}).get("json_schema") for seen in chat_server.seen]


async def test_a_list_and_a_choice_are_sent_inside_an_object(evaluate, endpoint, chat_server):
    chat_server.script(Reply('{"value": ["LOC", "HUM", "LOC"]}'), Reply('{"value": "HUM"}'))
    expression = f"[llm_query('Label each.', {NUMBERED!r}, {LABELS}), llm_query('Label it.', 'x', {KINDS})]"
    value, _ = await evaluate(expression, parts=endpoint)
    assert value == [["LOC", "HUM", "LOC"], "HUM"]
    labels = {"items": {**KINDS, "type": "string"}, "type": "array", "minItems": 3, "maxItems": 3}
    for form, inner in zip(sent(chat_server), (labels, {**KINDS, "type": "string"}), strict=True):
        assert form["strict"] is True
        assert form["schema"]["properties"] == {"value": {"$ref": "#/$defs/value"}}
        assert form["schema"]["$defs"] == {"value": inner}


async def test_a_schema_that_the_endpoint_calls_invalid_is_left_out_and_read_all_the_same(
    evaluate, endpoint, chat_server
):
    refusal = error(400, "Invalid schema for response_format 'answer': 'contains' is not permitted.")
    chat_server.script(refusal, Reply("LOC"), Reply("HUM"))
    expression = f"[llm_query('Label it.', 'x', {KINDS}), llm_query('Label it.', 'y')]"
    value, _ = await evaluate(expression, parts=endpoint)
    assert value == ["LOC", "HUM"]
    assert [form is not None for form in sent(chat_server)] == [True, False, False]


async def test_a_real_endpoint_keeps_a_weak_model_to_the_choices_and_to_the_number_of_lines(
    evaluate, llama_server
):
    llm = OpenAIChat(llama_server.model, base_url=llama_server.url)
    try:
        expression = (
            f"[llm_query('Label each.', {NUMBERED!r}, {LABELS}), llm_query('Label it.', 'x', {KINDS})]"
        )
        value, _ = await evaluate(expression, parts=llm)
    finally:
        await llm.close()
    labels, label = value
    assert len(labels) == 3
    assert {*labels, label} <= set(KINDS["enum"])
