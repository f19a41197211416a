"""The words with which servers say that a request does not fit, and the numbers in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_server import ChatServer, error

from funnel.errors import ContextTooLong
from funnel.llm.base import Message, Request
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.failures import failed_reply
from funnel.llm.openai.overflow import Overflow, overflow

SAID = [json.loads(line) for line in (Path(__file__).parent / "overflows.jsonl").read_text().splitlines()]
"""Each with the numbers that a reader finds in it: the window, this prompt, the most output."""


@pytest.mark.parametrize("said", SAID, ids=[said["message"][:40] for said in SAID])
def test_the_numbers_are_read_from_the_message(said):
    found = overflow(said["message"], numbers={})
    assert found == Overflow(said["window"], said["prompt"], said["output"])


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be at least 1, got -808.",
        "Rate limit reached for m on tokens per min (TPM): Limit 10000, Used 9500, Requested 800.",
        "The model 'm' does not exist",
        "Rate limit exceeded for the current window, please retry in 20 s",
        "You have exceeded your quota for this time window",
        "Too many tokens, please wait before trying again.",
        "Too many tokens per day, please wait before trying again.",
        "Number of request tokens has exceeded your per-minute rate limit",
        "This request would exceed your organization's rate limit of 8,000 output tokens per minute.",
        "Requests have exceeded token rate limit of your current S0 pricing tier. Please retry after 20 s",
        "Quota exceeded for metric: generate_content_free_tier_input_token_count, limit: 250000",
        "Invalid value for max_tokens: expected an integer",
        "The context parameter is not supported",
        "'messages' must contain the word 'json' in some form",
        "max_tokens is too large: 100",
        "Your request was rejected as a result of our safety system",
        "Invalid schema for response_format 'answer': context=(), 'additionalProperties' is required",
        "Unsupported value: 'temperature' does not support 0",
    ],
)
def test_other_refusals_are_no_overflow(message):
    assert overflow(message, numbers={}) is None


def test_llama_cpp_states_the_numbers_beside_its_message():
    body = {
        "code": 400,
        "message": "the request exceeds the available context size. try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 900,
        "n_ctx": 512,
    }
    assert failed_reply(body, status=400).too_long == Overflow(512, 900)


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 503, None])
def test_an_overflow_is_never_tried_again_whatever_its_status(status):
    failure = failed_reply({"message": "m", "code": "context_length_exceeded"}, status=status)
    assert (failure.refused, failure.retry, failure.too_long) == (True, False, Overflow())


async def test_the_error_carries_the_numbers_and_says_what_to_do(chat_server: ChatServer):
    said = (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
    )
    chat_server.script(error(400, said, code="context_length_exceeded"))
    chat = OpenAIChat("m", api_key="x", base_url=chat_server.url)
    with pytest.raises(ContextTooLong) as caught:
        await chat.complete(Request((Message("user", "x"),), "query"))
    await chat.close()
    told = caught.value
    assert (told.window_tokens, told.prompt_tokens, told.max_output_tokens) == (8192, 9000, None)
    assert said.rstrip(".") in str(told)
    assert "FUNNEL_MAX_PROMPT_TOKENS" in str(told)
