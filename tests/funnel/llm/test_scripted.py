"""The public test double."""

from __future__ import annotations

import pytest

from funnel.errors import LLMUnavailable
from funnel.llm.base import Message, Request
from funnel.llm.scripted import ScriptedLLM, ScriptExhausted

ASK = Request((Message("system", "be brief"), Message("user", "who?")), "query")


async def test_replies_come_in_order():
    llm = ScriptedLLM(["a", "b"])
    assert [(await llm.complete(ASK)).text for _ in range(2)] == ["a", "b"]
    assert llm.remaining == 0


async def test_requests_are_kept():
    llm = ScriptedLLM(["a"])
    await llm.complete(ASK)
    assert llm.requests == [ASK]


async def test_an_exception_in_the_script_is_raised():
    down = LLMUnavailable("m", "there", "down")
    with pytest.raises(LLMUnavailable) as caught:
        await ScriptedLLM([down]).complete(ASK)
    assert caught.value is down


async def test_a_function_in_the_script_sees_the_request():
    llm = ScriptedLLM([lambda request: request.messages[-1].content.upper()])
    assert (await llm.complete(ASK)).text == "WHO?"


async def test_tokens_are_one_for_four_characters_rounded_up():
    completion = await ScriptedLLM(["12345"]).complete(ASK)
    assert (completion.input_tokens, completion.output_tokens) == (8 // 4 + 4 // 4, 2)


async def test_a_script_that_ran_out_says_for_what_it_was_called():
    with pytest.raises(ScriptExhausted, match=r"has 0 replies .* for 'query' with: 'who\?'"):
        await ScriptedLLM([]).complete(ASK)
