"""What endpoints refuse, by name or without a word, against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from chat_server import Reply, error

from funnel.errors import ContextTooLong, LLMRefused
from funnel.llm.base import Message, Request
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.extras import Extras

SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
MESSAGES = (Message("system", "Be brief."), Message("user", "Hello"))
ASK = Request(MESSAGES, "query", max_output_tokens=100, temperature=0.0, schema=SCHEMA)


@pytest.fixture
async def chat(chat_server):
    llm = OpenAIChat("m", api_key="sk-secret-1", base_url=chat_server.url, backoff_s=0.001)
    yield llm
    await llm.close()


def has(body, part):
    return any(m["role"] == "system" for m in body["messages"]) if part == "system" else part in body


def picky(*refused, saying="Bad Request", status=400, **fields):
    """An endpoint that refuses each body with one of these parts, in these words."""
    return lambda body: error(status, saying, **fields) if any(has(body, p) for p in refused) else Reply("ok")


async def asked(chat, server, n=1, request=ASK):
    """Ask n times; return the number of requests that each took."""
    counts = []
    for _ in range(n):
        before = len(server.seen)
        assert (await chat.complete(request)).text == "ok"
        counts.append(len(server.seen) - before)
    return counts


@pytest.mark.parametrize(
    ("part", "saying"),
    [
        ("response_format", "json_schema is not supported by this model"),
        ("response_format", "This model does not support structured outputs"),
        ("response_format", "guided decoding is not enabled"),
        ("temperature", "Unsupported value: 'temperature' does not support 0"),
        ("temperature", "sampling parameters cannot be set for this model"),
        ("system", "System role not supported"),
        ("system", "Developer instruction is not enabled for models/gemma-3"),
        ("system", "Conversation roles must alternate user/assistant/user/assistant/..."),
        ("system", "Only user and assistant roles are supported!"),
        ("system", "Invalid value for role: 'system'"),
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        ("max_tokens", "unknown field max_tokens"),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_part_that_is_spoken_of_is_left_out_at_once_and_from_then_on(
    chat, chat_server, part, saying, status
):
    chat_server.default = picky(part, saying=saying, status=status)
    assert await asked(chat, chat_server, 3) == [2, 1, 1]
    others = {"response_format", "temperature", "system"} - {part}
    assert all(has(chat_server.seen[-1].body, other) for other in others)


@pytest.mark.parametrize("status", [500, 501])
async def test_a_server_that_fails_on_a_part_it_does_not_know_is_asked_without(chat, chat_server, status):
    saying = "create() got an unexpected keyword argument 'response_format'"
    chat_server.default = picky("response_format", saying=saying, status=status)
    assert await asked(chat, chat_server, 2) == [2, 1]


async def test_the_parameter_may_stand_in_a_field_of_its_own(chat, chat_server):
    chat_server.default = picky("temperature", saying="Nope", param="temperature")
    assert await asked(chat, chat_server, 2) == [2, 1]


async def test_pydantic_names_the_parameter_in_a_path(chat, chat_server):
    detail = [{"type": "extra_forbidden", "loc": ["body", "response_format"], "msg": "Extra inputs"}]
    chat_server.default = lambda body: (
        Reply(status=422, body={"detail": detail}) if "response_format" in body else Reply("ok")
    )
    assert await asked(chat, chat_server, 2) == [2, 1]


@pytest.mark.parametrize("part", ["response_format", "temperature", "system"])
@pytest.mark.parametrize(
    "saying", ["Bad Request", "", "invalid request body", "Extra inputs are not permitted"]
)
async def test_a_refusal_without_a_name_is_tried_once_plainly(chat, chat_server, part, saying):
    chat_server.default = picky(part, saying=saying)
    assert (await asked(chat, chat_server))[0] == 2


async def test_a_router_without_a_provider_for_the_parameters_is_tried_once_plainly(chat, chat_server):
    saying = "No endpoints found that can handle the requested parameters."
    chat_server.default = picky("response_format", saying=saying, status=404)
    assert (await asked(chat, chat_server))[0] == 2


@pytest.mark.parametrize("part", ["response_format", "temperature", "system"])
async def test_only_what_was_refused_without_a_name_stays_left_out(chat, chat_server, part):
    chat_server.default = picky(part)
    counts = await asked(chat, chat_server, 8)
    assert counts[-1] == 1
    last = chat_server.seen[-1].body
    assert {p for p in ("response_format", "temperature", "system") if not has(last, p)} == {part}
    assert sum(counts) <= len(counts) + 2


async def test_the_last_suspect_is_not_tried_again_if_all_others_are_cleared(chat, chat_server):
    chat_server.default = picky("response_format")
    assert await asked(chat, chat_server, 8) == [2, 1, 1, 1, 1, 1, 1, 1]


async def test_two_parts_refused_without_a_name_are_both_found(chat, chat_server):
    chat_server.default = picky("response_format", "system")
    counts = await asked(chat, chat_server, 8)
    assert counts[-1] == 1
    last = chat_server.seen[-1].body
    assert [has(last, p) for p in ("response_format", "system", "temperature")] == [False, False, True]


async def test_a_limit_refused_without_a_name_goes_by_its_other_name(chat, chat_server):
    chat_server.default = picky("max_tokens")
    await asked(chat, chat_server, 8)
    assert (await asked(chat, chat_server)) == [1]
    last = chat_server.seen[-1].body
    assert last["max_completion_tokens"] == 100
    assert all(has(last, p) for p in ("response_format", "temperature", "system"))


async def test_an_endpoint_that_knows_neither_name_of_the_limit_is_asked_without(chat, chat_server):
    def reply(body):
        named = [name for name in body if name.startswith("max_")]
        return error(400, f"Unknown parameter: {named[0]}") if named else Reply("ok")

    chat_server.default = reply
    assert await asked(chat, chat_server, 2) == [3, 1]


async def test_what_fails_plainly_too_is_reported_in_the_servers_first_words(chat, chat_server):
    said = iter(["nothing doing", "still nothing", "no more"])
    chat_server.default = lambda _body: error(400, next(said))
    with pytest.raises(LLMRefused, match="HTTP 400, nothing doing"):
        await chat.complete(ASK)
    chat_server.default = lambda _body: Reply("ok")
    assert await asked(chat, chat_server) == [1]
    assert all(has(chat_server.seen[-1].body, p) for p in ("response_format", "temperature", "system"))


@pytest.mark.parametrize(
    "saying",
    [
        "Your request was rejected as a result of our safety system",
        "The response was filtered due to the content management policy",
        "The model `x` does not exist",
        "Invalid schema for response_format 'answer': x",
        "messages: too many images",
    ],
)
async def test_a_refusal_that_states_its_cause_is_final(chat, chat_server, saying):
    chat_server.default = picky("messages", saying=saying)
    with pytest.raises(LLMRefused):
        await chat.complete(ASK)
    assert len(chat_server.seen) == 1


async def test_a_request_that_does_not_fit_is_not_tried_without_its_limit(chat, chat_server):
    chat_server.default = picky(
        "max_tokens", saying="max_tokens: 100 > 50, which is the maximum allowed number of output tokens"
    )
    with pytest.raises(ContextTooLong) as caught:
        await chat.complete(ASK)
    assert caught.value.max_output_tokens == 50
    assert len(chat_server.seen) == 1


async def test_without_a_system_role_its_text_stands_before_the_users(chat, chat_server):
    chat_server.default = picky("system", saying="system role not supported")
    turns = (*MESSAGES, Message("assistant", "Hi"), Message("user", "a"), Message("user", "b"))
    await asked(chat, chat_server, request=Request(turns, "query"))
    assert chat_server.seen[-1].body["messages"] == [
        {"role": "user", "content": "Be brief.\n\nHello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "a\n\nb"},
    ]


async def test_a_refusal_inside_a_200_is_negotiated_as_well(chat, chat_server):
    chat_server.default = lambda body: (
        Reply(body={"error": {"message": "response_format is not supported", "code": 400}})
        if "response_format" in body
        else Reply("ok")
    )
    assert await asked(chat, chat_server, 2) == [2, 1]


@pytest.mark.parametrize(
    ("part", "saying"),
    [
        ("stream", "Streaming is not supported"),
        ("stream_options", "unknown parameter: stream_options"),
        ("stream_options", "Unrecognized request argument supplied: stream_options"),
    ],
)
async def test_an_endpoint_that_cannot_stream_is_asked_without_from_then_on(chat, chat_server, part, saying):
    chat_server.default = picky(part, saying=saying)
    assert await asked(chat, chat_server, 2) == [2, 1]
    assert part not in chat_server.seen[-1].body


@pytest.mark.parametrize("part", ["stream", "stream_options"])
async def test_streaming_refused_without_a_name_is_left_out_and_the_rest_comes_back(chat, chat_server, part):
    chat_server.default = picky(part)
    await asked(chat, chat_server, 8)
    assert await asked(chat, chat_server) == [1]
    last = chat_server.seen[-1].body
    assert part not in last
    assert all(has(last, p) for p in ("response_format", "temperature", "system"))


async def test_calls_at_once_find_out_together(chat, chat_server):
    chat_server.default = picky("response_format")
    done = await asyncio.gather(*(chat.complete(ASK) for _ in range(12)))
    assert [completion.text for completion in done] == ["ok"] * 12
    await asked(chat, chat_server, 6)
    assert await asked(chat, chat_server) == [1]
    assert has(chat_server.seen[-1].body, "system")


async def test_each_model_has_its_own_negotiation(chat_server):
    first, second = (OpenAIChat(name, base_url=chat_server.url) for name in ("a", "b"))
    chat_server.default = picky("temperature", saying="no temperature")
    assert await asked(first, chat_server, 2) == [2, 1]
    assert await asked(second, chat_server) == [2]
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("model", "effort", "sends"),
    [
        ("gpt-6.1-sol", None, False),
        ("openai/gpt-6-luna", "low", False),
        ("gpt-6.1-sol", "none", True),
        ("gpt-60-of-mine", None, True),
        ("m", None, True),
    ],
)
async def test_gpt_6_is_sent_a_temperature_only_where_it_does_not_think(chat_server, model, effort, sends):
    extras = Extras({"reasoning_effort": effort} if effort else {})
    llm = OpenAIChat(model, base_url=chat_server.url, extras=extras)
    assert await asked(llm, chat_server) == [1]
    assert ("temperature" in chat_server.seen[0].body) is sends
    await llm.close()


async def test_whole_replies_may_be_asked_for(chat_server):
    llm = OpenAIChat("m", base_url=chat_server.url, extras=Extras({"stream": False}))
    await asked(llm, chat_server)
    assert not {"stream", "stream_options"} & chat_server.seen[0].body.keys()
    await llm.close()


LLAMA_CPP = {"default_generation_settings": {"n_ctx": 4_096}}
ONE_WORD = Request((Message("user", "Say it."),), "turn", grammar='root ::= "ok"')


async def test_a_grammar_is_sent_only_where_the_server_is_known_to_keep_to_it(chat, chat_server):
    chat_server.default = Reply("ok")
    await asked(chat, chat_server, 2, ONE_WORD)
    assert not any("grammar" in each.body for each in chat_server.seen)


async def test_llama_cpp_is_sent_the_grammar_and_is_asked_once_whether_it_is_that(chat, chat_server):
    chat_server.default = Reply("ok")
    chat_server.beside["/props"] = LLAMA_CPP
    await asked(chat, chat_server, 1, ONE_WORD)
    chat_server.beside.clear()
    await asked(chat, chat_server, 1, ONE_WORD)
    assert [each.body["grammar"] for each in chat_server.seen] == ['root ::= "ok"'] * 2


async def test_a_grammar_that_is_refused_is_left_out(chat, chat_server):
    chat_server.beside["/props"] = LLAMA_CPP
    chat_server.default = picky("grammar", saying="Failed to parse grammar")
    assert await asked(chat, chat_server, 2, ONE_WORD) == [2, 1]


def test_a_grammar_tells_requests_apart_and_none_changes_no_key():
    bare = replace(ONE_WORD, grammar=None)
    assert ONE_WORD.key("m", "e") != bare.key("m", "e")
    assert bare.key("m", "e") == Request(ONE_WORD.messages, "turn").key("m", "e")
