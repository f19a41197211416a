"""The OpenAI client against a real language model: SmolLM2-135M, served by llama.cpp.

Whatever the model says, these must hold.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from jsonschema import validate
from services.llama_server import LlamaServer

from funnel.errors import ContextTooLong, LLMUnavailable
from funnel.inspector.dialogue import ONE_BLOCK
from funnel.llm.base import CallOptions, Message, Request
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.extras import Extras
from funnel.llm.openai.probing import probe

ASK = Request((Message("user", "Tell me a story of a fox and a hen."),), "query", max_output_tokens=24)
TOO_LONG = Request((Message("user", "hen " * 4_000),), "query", max_output_tokens=24)
WITHOUT_END = Request(ASK.messages, "query", max_output_tokens=2_000)
AGAIN = "Additional information regarding international organizations is unfortunately unavailable. "
HENS = {
    "type": "object",
    "properties": {
        "hen": {"enum": ["red", "white"]},
        "eggs": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["hen", "eggs"],
    "additionalProperties": False,
}


@pytest.fixture
async def chat(llama_server: LlamaServer):
    llm = OpenAIChat(llama_server.model, base_url=llama_server.url)
    yield llm
    await llm.close()


async def test_the_tokens_are_those_that_the_server_counted(chat):
    completion = await chat.complete(ASK)
    assert completion.text
    assert completion.model == LlamaServer.model
    assert not completion.estimated
    assert (completion.output_tokens, completion.finish_reason) == (24, "length")
    assert 10 < completion.input_tokens < ASK.estimated_input_tokens() + 30


async def test_the_words_come_one_by_one_and_make_the_reply(chat):
    heard = []
    completion = await chat.complete(ASK, CallOptions(on_delta=heard.append))
    assert len(heard) > 10
    assert "".join(heard) == completion.text


async def test_an_endpoint_that_is_asked_for_a_whole_reply_counts_the_same_tokens(chat, llama_server):
    whole = OpenAIChat(llama_server.model, base_url=llama_server.url, extras=Extras(body={"stream": False}))
    counts = [
        (c.input_tokens, c.output_tokens) for c in [await chat.complete(ASK), await whole.complete(ASK)]
    ]
    assert counts[0] == counts[1]
    await whole.close()


async def test_a_reply_that_says_the_same_over_and_over_is_stopped_and_frees_its_slot(llama_server):
    forced = Extras(body={"grammar": f'root ::= ("{AGAIN}")+', "ignore_eos": True})
    llm = OpenAIChat(llama_server.model, base_url=llama_server.url, extras=forced)
    asked = Request((Message("user", AGAIN * 8),), "query", max_output_tokens=2_000)
    completion = await llm.complete(asked)
    assert (completion.cut, completion.finish_reason) == ("repetition", "length")
    assert completion.text.startswith(AGAIN * 10)
    await asyncio.to_thread(llama_server.wait_until_idle)
    await llm.close()


async def test_a_reply_has_the_form_that_the_schema_asks_for(chat):
    completion = await chat.complete(Request(ASK.messages, "query", max_output_tokens=80, schema=HENS))
    assert completion.finish_reason == "stop"
    validate(json.loads(completion.text), HENS)


async def test_sixteen_calls_at_once_are_all_served_by_two_slots(chat):
    short = [Request((Message("user", f"Count to {n}."),), "query", max_output_tokens=8) for n in range(16)]
    completions = await asyncio.gather(*(chat.complete(request) for request in short))
    assert all(completion.text and not completion.estimated for completion in completions)


async def test_a_prompt_beyond_the_window_is_refused_with_the_numbers_of_the_server(chat, llama_server):
    with pytest.raises(ContextTooLong) as caught:
        await chat.complete(TOO_LONG)
    assert caught.value.window_tokens == llama_server.window
    assert 4_000 < caught.value.prompt_tokens < 5_000


async def test_a_key_of_one_letter_does_not_garble_what_the_server_says(llama_server):
    llm = OpenAIChat(llama_server.model, api_key="x", base_url=llama_server.url)
    with pytest.raises(ContextTooLong, match=r"exceeds the available context size \(2048 tokens\)"):
        await llm.complete(TOO_LONG)
    await llm.close()


async def test_a_call_that_is_cancelled_frees_its_slot(chat, llama_server):
    call = asyncio.create_task(chat.complete(WITHOUT_END))
    await asyncio.to_thread(llama_server.wait_until_busy, 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.to_thread(llama_server.wait_until_idle)


async def test_a_call_that_ran_out_of_time_frees_its_slot(chat, llama_server):
    with pytest.raises(LLMUnavailable, match="no answer within 1 s"):
        await chat.complete(WITHOUT_END, CallOptions(timeout_s=1))
    await asyncio.to_thread(llama_server.wait_until_idle)


async def test_a_server_that_is_killed_ends_its_calls_in_one_line(llama_server):
    llm = OpenAIChat(llama_server.model, base_url=llama_server.url, max_retries=1, backoff_s=0.01)
    calls = [asyncio.create_task(llm.complete(WITHOUT_END)) for _ in range(3)]
    await asyncio.to_thread(llama_server.wait_until_busy, 2)
    llama_server.end()
    for failed in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(failed, LLMUnavailable)
        assert "\n" not in str(failed)
        assert llama_server.url in str(failed)
    await llm.close()


async def test_a_call_waits_for_a_server_that_is_started_again(chat, llama_server):
    llama_server.end()
    call = asyncio.create_task(chat.complete(ASK))
    await asyncio.to_thread(llama_server.start)
    assert (await call).text


async def test_the_doctor_finds_the_model(llama_server):
    found = await probe(llama_server.url, None)
    assert found.available
    assert llama_server.model in found.detail


async def test_a_reply_keeps_to_a_grammar(chat):
    grammar = 'root ::= "the hen is " ("red" | "white")'
    completion = await chat.complete(replace(ASK, grammar=grammar))
    assert completion.text in {"the hen is red", "the hen is white"}


async def test_a_turn_of_the_simple_form_is_one_block_whatever_the_model_would_say(chat):
    completion = await chat.complete(replace(ASK, grammar=ONE_BLOCK, max_output_tokens=64))
    assert completion.text.startswith("```python\n")
    assert completion.text.endswith("\n```") or completion.finish_reason == "length"


async def test_a_model_that_copies_the_example_cannot_copy_its_placeholder(chat):
    copy = Request((Message("user", 'Copy this:\n```python\nsubmit("<answer>")\n```'),), "turn")
    completion = await chat.complete(replace(copy, grammar=ONE_BLOCK, max_output_tokens=48))
    assert '"<' not in completion.text


async def test_a_grammar_that_the_server_refuses_is_left_out(chat):
    completion = await chat.complete(replace(ASK, grammar="root ::= no-such-rule"))
    assert completion.text
