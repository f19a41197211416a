"""The OpenAI client against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest
from chat_server import ChatServer, Reply, error

from funnel.errors import BadSetting, LLMBadResponse, LLMRefused, LLMUnavailable
from funnel.llm.base import CallOptions, Message, Request, Retry
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.connection import Connection
from funnel.llm.openai.probing import probe

KEY = "sk-very-secret"
ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
STRICT = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.fixture(params=["aiohttp", "own"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here runs on aiohttp and on the library's own transport."""
    if request.param == "own":
        monkeypatch.setattr("funnel.llm.openai.client._fits_aiohttp", lambda _url: False)
    return request.param


@pytest.fixture
async def chat(chat_server: ChatServer):
    llm = OpenAIChat("m", api_key=KEY, base_url=chat_server.url, backoff_s=0.001)
    yield llm
    await llm.close()


async def failing(chat: OpenAIChat, kind: type[Exception], request: Request = ASK, **options) -> str:
    with pytest.raises(kind) as caught:
        await chat.complete(request, CallOptions(**options))
    message = str(caught.value)
    assert KEY not in message
    assert "\n" not in message
    return message


async def test_a_completion_brings_text_model_and_the_tokens_that_were_served(chat, chat_server):
    chat_server.script(Reply("y" * 8))
    completion = await chat.complete(ASK)
    assert (completion.text, completion.model, completion.finish_reason) == ("y" * 8, "m", "stop")
    assert (completion.input_tokens, completion.output_tokens) == (40 / 4, 8 / 4)
    assert not completion.estimated


async def test_the_request_carries_messages_limit_key_and_nothing_that_was_not_asked_for(chat, chat_server):
    await chat.complete(ASK)
    seen = chat_server.seen[0]
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    messages = [{"role": "user", "content": "x" * 40}]
    asked = {"model": "m", "messages": messages, "max_tokens": 100}
    assert seen.body == {**asked, "stream": True, "stream_options": {"include_usage": True}}


async def test_temperature_and_schema_are_sent_where_asked_for(chat, chat_server):
    await chat.complete(Request(ASK.messages, "query", temperature=0.0, schema=STRICT))
    body = chat_server.seen[0].body
    assert body["temperature"] == 0.0
    wrapped = {"name": "answer", "schema": STRICT, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": wrapped}


async def test_a_schema_outside_strict_mode_is_sent_as_not_strict(chat, chat_server):
    loose = {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}
    await chat.complete(Request(ASK.messages, "query", schema=loose))
    assert chat_server.seen[0].body["response_format"]["json_schema"]["strict"] is False


async def test_half_a_surrogate_pair_in_a_document_is_no_error(chat, chat_server):
    await chat.complete(Request((Message("user", "a\ud800b"),), "query"))
    assert chat_server.seen[0].body["messages"][0]["content"] == "a?b"


async def test_empty_content_is_an_empty_text(chat, chat_server):
    choice = {"message": {"role": "assistant", "content": None}, "finish_reason": "length"}
    chat_server.script(
        Reply(body={"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    )
    completion = await chat.complete(ASK)
    assert (completion.text, completion.finish_reason, completion.output_tokens) == ("", "length", 4)


async def test_a_refusal_is_its_text_and_says_so(chat, chat_server):
    choice = {"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"}
    chat_server.script(Reply(body={"choices": [choice]}))
    completion = await chat.complete(ASK)
    assert (completion.text, completion.finish_reason) == ("I will not.", "refusal")


async def test_content_in_parts_is_joined(chat, chat_server):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    chat_server.script(Reply(body={"choices": [{"message": {"content": parts}}]}))
    assert (await chat.complete(ASK)).text == "ab"


async def test_usage_that_the_server_does_not_state_is_estimated_from_above_and_flagged(chat, chat_server):
    chat_server.script(Reply("y" * 8, no_usage=True))
    completion = await chat.complete(ASK)
    assert completion.estimated
    assert (completion.input_tokens, completion.output_tokens) == (40 // 2 + 8, 8 // 2 + 8)


async def test_429_with_retry_after_is_waited_out_and_heard_of(chat, chat_server):
    chat_server.script(error(429, "slow down", retry_after="0.05"), Reply("done"))
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "done"
    assert heard == [Retry(1, "HTTP 429, slow down", 0.05, may_be_billed=False)]


async def test_retry_after_ms_is_honoured(chat, chat_server):
    chat_server.script(error(429, retry_after_ms="30"))
    heard: list[Retry] = []
    await chat.complete(ASK, CallOptions(on_retry=heard.append))
    assert heard[0].wait_s == 0.030


async def test_retry_after_may_be_a_date(chat, chat_server):
    chat_server.script(error(503, retry_after=formatdate(time.time() - 5, usegmt=True)))
    heard: list[Retry] = []
    await chat.complete(ASK, CallOptions(on_retry=heard.append))
    assert heard[0].wait_s == 0.0


async def test_an_endpoint_that_asks_for_a_longer_wait_than_is_left_is_given_up_at_once(chat, chat_server):
    chat_server.script(error(429, "slow down", retry_after="30"))
    message = await failing(chat, LLMUnavailable, timeout_s=20.0)
    assert "HTTP 429, slow down; it asks to wait 30 s, and 20 s are left. Try again later" in message
    assert message.endswith("Try again later, or lower FUNNEL_MAX_PARALLEL.")
    assert len(chat_server.seen) == 1


async def test_500s_are_tried_five_times_and_then_given_up(chat, chat_server):
    chat_server.script(*[error(500, "boom")] * 5)
    heard: list[Retry] = []
    message = await failing(chat, LLMUnavailable, on_retry=heard.append)
    assert "HTTP 500, boom, after 5 attempts. The endpoint failed" in message
    assert [retry.attempt for retry in heard] == [1, 2, 3, 4]
    assert len(chat_server.seen) == 1 + 4


async def test_the_wait_doubles_with_jitter(chat, chat_server):
    chat_server.script(*[error(500)] * 4)
    heard: list[Retry] = []
    await chat.complete(ASK, CallOptions(on_retry=heard.append))
    for retry, longest in zip(heard, [0.001, 0.002, 0.004, 0.008], strict=True):
        assert longest / 2 <= retry.wait_s <= longest


async def test_what_the_listener_raises_ends_the_call(chat, chat_server):
    chat_server.script(error(500))

    def stop(_retry: Retry) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await chat.complete(ASK, CallOptions(on_retry=stop))
    assert len(chat_server.seen) == 1


async def test_the_whole_call_is_bounded_by_its_timeout(chat, chat_server):
    chat_server.script(Reply("late", delay_s=300))
    with pytest.raises(LLMUnavailable, match=r"no answer within 2 s") as caught:
        await chat.complete(ASK, CallOptions(timeout_s=2))
    assert caught.value.may_be_billed


async def test_a_lost_connection_is_tried_again_as_one_that_may_be_billed(chat, chat_server):
    chat_server.script(Reply("lost", hang_up=True))
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "ok"
    assert [r.may_be_billed for r in heard] == [True]


async def test_an_endpoint_that_is_down_says_where_it_was_looked_for():
    with ChatServer() as gone:
        url = gone.url
    chat = OpenAIChat("m", api_key=KEY, base_url=url, max_retries=1, backoff_s=0.001)
    message = await failing(chat, LLMUnavailable)
    assert url in message
    assert "no connection" in message
    assert "OPENAI_BASE_URL" in message
    await chat.close()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(body=b"<html>hello</html>", content_type="text/html"), "a page of HTML"),
        (Reply(body=b"not json"), "not JSON"),
        (Reply(body=b'{"choices": [{"mess'), "not JSON"),
        (Reply(body=b""), "an empty body"),
        (Reply(body=b"[1]"), "[1]"),
    ],
)
async def test_a_body_that_is_no_completion_says_what_it_is_instead(chat, chat_server, reply, said):
    chat_server.script(reply)
    assert said in await failing(chat, LLMBadResponse)
    assert len(chat_server.seen) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(body={"choices": []}), "without choices"),
        (Reply(body={"choices": None}), "without choices"),
        (Reply(body={"error": {"message": "upstream is down"}}), "upstream is down"),
        (Reply(body=[{"error": {"message": "upstream is down"}}]), "upstream is down"),
        (Reply(body={"choices": [{"finish_reason": "error", "message": {"content": "x"}}]}), "'error'"),
        (Reply(body={"choices": [{"error": {"message": "upstream is down"}}]}), "upstream is down"),
    ],
)
async def test_a_failure_in_a_200_is_tried_again_and_not_blamed_on_the_url(chat, chat_server, reply, said):
    chat_server.script(*[reply] * 5)
    message = await failing(chat, LLMUnavailable)
    assert said in message
    assert "OPENAI_BASE_URL" not in message
    assert len(chat_server.seen) == 5


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            error(401, f"Incorrect API key provided: {KEY}"),
            ["HTTP 401", "provided: ***", "Check OPENAI_API_KEY."],
        ),
        (error(403, "not yours"), ["not yours", "Check OPENAI_API_KEY."]),
        (error(404, "The model 'm' does not exist"), ["does not exist", "Check FUNNEL_MODEL"]),
        (error(400, "context length\nexceeded"), ["HTTP 400, context length exceeded"]),
        (error(429, "no money", code="insufficient_quota"), ["no money", "billing"]),
        (
            Reply(status=404, body=b"<html>\nnginx</html>", content_type="text/html"),
            ["HTTP 404.", "OPENAI_BASE_URL"],
        ),
        (Reply(status=422, body={"detail": "bad role"}), ["HTTP 422, bad role"]),
    ],
)
async def test_a_refusal_is_not_tried_again_and_says_what_to_do(chat, chat_server, reply, said):
    chat_server.script(reply)
    message = await failing(chat, LLMRefused)
    assert [part for part in said if part not in message] == []
    assert len(chat_server.seen) == 1


async def test_the_token_limit_is_renamed_where_the_model_knows_only_the_newer_name(chat, chat_server):
    said = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    chat_server.script(error(400, said, param="max_tokens"))
    await chat.complete(ASK)
    await chat.complete(ASK)
    names = [[name for name in seen.body if name.startswith("max")] for seen in chat_server.seen]
    assert names == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]


async def test_a_limit_that_is_too_large_under_either_name_is_refused_and_nothing_is_remembered(
    chat, chat_server
):
    said = error(400, "max_tokens is too large: 100", param="max_tokens")
    chat_server.script(said, error(400, "max_completion_tokens is too large", param="max_completion_tokens"))
    assert "too large" in await failing(chat, LLMRefused)
    await chat.complete(ASK)
    assert "max_tokens" in chat_server.seen[-1].body


async def test_temperature_and_schema_that_are_rejected_by_name_are_left_out_from_then_on(chat, chat_server):
    chat_server.script(
        error(400, "Unsupported value: 'temperature' does not support 0", param="temperature"),
        error(400, "response_format json_schema is unavailable now"),
    )
    request = Request(ASK.messages, "query", temperature=0.0, schema=STRICT)
    await chat.complete(request)
    await chat.complete(request)
    kept = [sorted({"temperature", "response_format"} & seen.body.keys()) for seen in chat_server.seen]
    assert kept == [["response_format", "temperature"], ["response_format"], [], []]


async def test_an_invalid_schema_is_refused_in_the_servers_words(chat, chat_server):
    chat_server.script(error(400, "Invalid schema for response_format 'answer': x", param="response_format"))
    assert "Invalid schema" in await failing(chat, LLMRefused, Request(ASK.messages, "query", schema=STRICT))
    assert len(chat_server.seen) == 1


async def test_cancelling_a_call_passes_through_and_the_client_works_on(chat, chat_server):
    chat_server.script(Reply("never", delay_s=300))
    task = asyncio.create_task(chat.complete(ASK))
    await asyncio.to_thread(chat_server.called.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await chat.complete(ASK)).text == "ok"


async def test_an_endpoint_of_ones_own_needs_no_key(chat_server):
    chat = OpenAIChat("m", base_url=chat_server.url)
    assert (await chat.complete(ASK)).text == "ok"
    await chat.close()


def test_openai_itself_needs_a_key():
    with pytest.raises(BadSetting, match=r"OPENAI_API_KEY: must be set to call 'gpt-6\.1-sol' at OpenAI"):
        OpenAIChat("gpt-6.1-sol")


def test_a_key_that_cannot_stand_in_a_header_is_refused_without_being_repeated():
    with pytest.raises(BadSetting) as caught:
        OpenAIChat("m", api_key="sk-secret\n")
    assert "sk-secret" not in str(caught.value)


def test_openai_is_asked_by_the_newer_name_at_first():
    assert OpenAIChat("gpt-6.1-sol", api_key=KEY)._parameters.form.limit_name == "max_completion_tokens"


def test_an_endpoint_is_shown_without_credentials_and_query():
    assert Connection("https://me:pw@host:8000/v1/?token=1").shown == "https://host:8000/v1"


async def test_a_probe_lists_models(chat_server):
    chat_server.script(Reply(body={"object": "list", "data": [{"id": "b"}, {"id": "a"}]}))
    found = await probe(chat_server.url, KEY)
    assert (found.available, found.detail) == (True, f"{chat_server.url}: 2 models (a, b)")
    assert chat_server.seen[0].path == "/v1/models"


@pytest.mark.parametrize(
    ("reply", "timeout_s", "said"),
    [
        (error(401, f"wrong key {KEY}"), 60, "HTTP 401, wrong key ***. Check OPENAI_API_KEY."),
        (Reply(body=b"<html>"), 60, "answers, but not with a list of models"),
        (Reply(delay_s=300), 0.2, "no answer within 0.2 s"),
    ],
)
async def test_a_probe_that_fails_is_one_line_and_no_error(chat_server, reply, timeout_s, said):
    chat_server.script(reply)
    found = await probe(chat_server.url, KEY, timeout_s=timeout_s)
    assert (found.available, found.detail) == (False, f"{chat_server.url}: {said}")
