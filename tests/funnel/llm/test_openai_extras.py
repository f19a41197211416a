"""What the user adds to each request, and that no secret of it is shown."""

from __future__ import annotations

import base64
import json

import pytest
from chat_server import Reply, error

from funnel.errors import BadSetting, LLMError, LLMRefused
from funnel.llm.base import CallOptions, Message, Request, Retry
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.extras import Extras
from funnel.llm.openai.probing import probe

ASK = Request((Message("user", "x"),), "query", max_output_tokens=100)
KEY = "sk-very-secret-1"
HEADER = "0123456789abcdef0123456789abcdef"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


@pytest.fixture
async def open_chat(chat_server):
    opened = []

    def open_one(body=(), headers=(), **options) -> OpenAIChat:
        options = {"api_key": KEY, "base_url": chat_server.url, "backoff_s": 0.001, **options}
        opened.append(OpenAIChat("m", extras=Extras(dict(body), dict(headers)), **options))
        return opened[-1]

    yield open_one
    for chat in opened:
        await chat.close()


async def test_members_and_headers_are_sent_with_each_request(open_chat, chat_server):
    body = {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}}
    await open_chat(body, {"api-key": HEADER, "HTTP-Referer": "https://me.example"}).complete(ASK)
    seen = chat_server.seen[0]
    assert {name: seen.body[name] for name in body} == body
    assert (seen.headers["api-key"], seen.headers["http-referer"]) == (HEADER, "https://me.example")
    assert seen.headers["authorization"] == f"Bearer {KEY}"


async def test_a_member_that_is_null_is_left_out_of_the_request(open_chat, chat_server):
    await open_chat({"temperature": None}).complete(Request(ASK.messages, "query", temperature=0.0))
    assert "temperature" not in chat_server.seen[0].body


async def test_a_header_of_the_same_name_goes_before_ours(open_chat, chat_server):
    await open_chat(headers={"AUTHORIZATION": "Basic abc"}).complete(ASK)
    assert chat_server.seen[0].headers["authorization"] == "Basic abc"


async def test_without_a_key_a_header_with_one_is_sent_alone(open_chat, chat_server):
    await open_chat(headers={"api-key": HEADER}, api_key=None).complete(ASK)
    assert "authorization" not in chat_server.seen[0].headers
    assert chat_server.seen[0].headers["api-key"] == HEADER


async def test_a_member_that_the_endpoint_refuses_is_named_and_kept(open_chat, chat_server):
    chat_server.default = lambda _body: error(400, "Unrecognized request argument supplied: enable_thinking")
    with pytest.raises(LLMRefused, match="FUNNEL_EXTRA_BODY sets enable_thinking: remove it there"):
        await open_chat({"enable_thinking": False}).complete(ASK)
    assert all("enable_thinking" in seen.body for seen in chat_server.seen)


async def test_a_refusal_without_a_cause_names_what_was_added(open_chat, chat_server):
    chat_server.default = lambda _body: error(400, "Bad Request")
    with pytest.raises(LLMRefused, match=r"HTTP 400, Bad Request.*FUNNEL_EXTRA_BODY adds top_k, min_p"):
        await open_chat({"top_k": 5, "min_p": 0.1}).complete(ASK)


def test_a_setting_may_be_for_one_model():
    body = {"top_p": 0.9, "org/big-1": {"reasoning_effort": "low", "top_p": 1}, "small": {"top_k": 3}}
    headers = {"x-team": "a", "org/big-1": {"x-team": "b"}}
    models = {"org/big-1", "small"}
    of = {name: Extras.of(name, body, headers, models=models) for name in ("org/big-1", "small", "other:7b")}
    assert of["org/big-1"].body == {"top_p": 1, "reasoning_effort": "low"}
    assert of["org/big-1"].headers == {"x-team": "b"}
    assert of["small"].body == {"top_p": 0.9, "top_k": 3}
    assert of["other:7b"].body == {"top_p": 0.9}
    assert Extras.of("m", {"provider": {"order": ["a"]}}, {}).body == {"provider": {"order": ["a"]}}


def test_what_a_budget_depends_on_cannot_be_added_for_one_model_either():
    with pytest.raises(BadSetting, match="FUNNEL_EXTRA_BODY: n is not set here"):
        Extras.of("m", {"m": {"n": 4}}, {}, models={"m"})


def test_answers_are_cached_apart_by_what_is_added_but_not_by_its_secrets(open_chat):
    def endpoint(body=(), headers=()):
        return open_chat(body, headers).endpoint

    plain = endpoint()
    assert len({plain, endpoint({"top_p": 1}), endpoint({"top_p": 0.9}), endpoint((), {"x-route": "a"})}) == 4
    assert endpoint((), {"api-key": "one-key-or"}) == endpoint((), {"API-Key": "another-one"})
    assert endpoint({"a": {"token": "t1"}}) == endpoint({"a": {"token": "t2"}})
    betas = [endpoint((), {"anthropic-beta": f"output-128k-2025-02-{day}"}) for day in (18, 19)]
    assert betas[0] != betas[1]


def test_another_key_in_a_header_is_another_account(open_chat):
    first, second = (open_chat(headers={"api-key": key}).account for key in ("key-number-1", "key-number-2"))
    assert first != second


ECHOES = {
    "an answer": Reply,
    "a model's name": lambda text: Reply(body=_completion(model=text)),
    "a finish reason": lambda text: Reply(body=_completion(finish_reason=text)),
    "a refusal": lambda text: error(400, text),
    "a failure": lambda text: error(500, text),
    "an error of a 200": lambda text: Reply(body={"error": {"message": text, "code": 400}}),
    "no completion": lambda text: Reply(body={"headers": text}),
    "a page": lambda text: Reply(body=f"<html>{text}</html>".encode(), content_type="text/html"),
    "plain text": lambda text: Reply(body=text.encode(), content_type="text/plain"),
}


def _completion(model="m", finish_reason="stop"):
    choice = {"message": {"content": "ok"}, "finish_reason": finish_reason}
    return {"choices": [choice], "model": model}


@pytest.mark.parametrize("where", ECHOES)
@pytest.mark.parametrize("with_password", [False, True])
async def test_a_gateway_that_echoes_the_headers_shows_no_secret(
    open_chat, chat_server, where, with_password
):
    url = chat_server.url.replace("//", "//me:p4ssw0rd@") + "?sig=1234567890abcdef7890"
    options = {"base_url": url, "api_key": None} if with_password else {}
    headers = {"api-key": HEADER, "Cookie": "session=c00kie-with-secret; a=b"}
    chat = open_chat({"user_token": "tok-in-the-body-1"}, headers, max_retries=1, **options)

    def reply(body):
        seen = chat_server.seen[-1]
        return ECHOES[where](json.dumps({**seen.headers, "path": seen.path, **body}))

    chat_server.default = reply
    heard: list[Retry] = []
    try:
        shown = repr(await chat.complete(ASK, CallOptions(on_retry=heard.append)))
    except LLMError as failed:
        shown = f"{failed} {vars(failed)} {failed.__cause__!r}"
    shown += f"{heard} {chat!r} {chat.endpoint}"
    encoded = base64.b64encode(b"me:p4ssw0rd").decode()
    hidden = [KEY, HEADER, "c00kie", "p4ssw0rd", encoded[:-2], "tok-in-the-body-1", "1234567890abcdef"]
    assert [secret for secret in hidden if secret in shown] == []


@pytest.mark.parametrize(
    "reply",
    [
        lambda text: Reply(body={"x": text}),
        lambda text: Reply(body=text.encode()),
        lambda text: Reply(body=f"data: {{{text}\n\n".encode(), content_type="text/event-stream"),
        lambda text: error(400, text),
    ],
)
async def test_a_part_of_a_secret_is_not_left_where_a_message_is_cut(open_chat, chat_server, reply):
    for before in range(60, 330, 9):
        chat_server.default = lambda _body, before=before: reply("x" * before + KEY * 3)
        with pytest.raises(LLMError) as caught:
            await open_chat(max_retries=0).complete(ASK)
        assert "sk-ve" not in str(caught.value)


async def test_a_password_in_the_url_is_sent_where_there_is_no_key(open_chat, chat_server):
    url = chat_server.url.replace("//", "//me:p%40ss@")
    await open_chat(base_url=url, api_key=None).complete(ASK)
    expected = base64.b64encode(b"me:p@ss").decode()
    assert chat_server.seen[0].headers["authorization"] == f"Basic {expected}"


async def test_with_a_key_the_key_is_sent_and_a_401_says_what_became_of_the_password(open_chat, chat_server):
    url = chat_server.url.replace("//", "//me:p4ssw0rd@")
    chat_server.script(Reply("ok"), error(401, "who are you"))
    chat = open_chat(base_url=url)
    await chat.complete(ASK)
    assert chat_server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    with pytest.raises(LLMRefused, match="The password in OPENAI_BASE_URL was not sent") as caught:
        await chat.complete(ASK)
    assert "p4ssw0rd" not in str(caught.value)


async def test_the_query_of_the_url_goes_with_every_request(open_chat, chat_server):
    await open_chat(base_url=f"{chat_server.url}?api-version=2024-10-21").complete(ASK)
    assert chat_server.seen[0].path == "/v1/chat/completions?api-version=2024-10-21"


async def test_a_probe_sends_the_same_headers_and_shows_none(chat_server):
    chat_server.default = lambda _body: error(401, f"no {chat_server.seen[-1].headers['api-key']}")
    found = await probe(chat_server.url, None, extras=Extras(headers={"api-key": HEADER}))
    assert not found.available
    assert HEADER not in found.detail
    assert chat_server.seen[0].headers["api-key"] == HEADER
