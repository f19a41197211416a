"""Later requests are like the first, which the library made up: the same headers, the same errors."""

from __future__ import annotations

import pytest
from chat_server import ChatServer, Reply, error

from funnel.errors import LLMRefused, LLMUnavailable
from funnel.llm.base import Message, Request
from funnel.llm.openai.chat import OpenAIChat

KEY = "sk-very-secret-0123456789"
ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
LONGER = Request((Message("user", "ä" * 4_000),), "query", max_output_tokens=50)


@pytest.fixture(params=["aiohttp", "own"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here runs on aiohttp and on the library's own transport."""
    if request.param == "own":
        monkeypatch.setattr("funnel.llm.openai.client._fits_aiohttp", lambda _url: False)
    return request.param


@pytest.fixture
async def chat(chat_server: ChatServer):
    llm = OpenAIChat(
        "m", api_key=KEY, base_url=f"{chat_server.url}?version=7", backoff_s=0.001, max_retries=1
    )
    await llm.complete(ASK)
    yield llm
    await llm.close()


async def test_a_later_request_has_the_headers_of_the_first_and_a_body_of_its_own(chat, chat_server):
    await chat.complete(LONGER)
    first, later = chat_server.seen
    own = {"content-length"}
    assert {name: later.headers[name] for name in later.headers.keys() - own} == {
        name: first.headers[name] for name in first.headers.keys() - own
    }
    assert later.headers["authorization"] == f"Bearer {KEY}"
    assert later.path == first.path == "/v1/chat/completions?version=7"
    assert (later.body["messages"][0]["content"], later.body["max_tokens"]) == ("ä" * 4_000, 50)


async def test_a_refusal_of_a_later_request_is_in_the_servers_words(chat, chat_server):
    chat_server.script(error(403, "the moon is full"))
    with pytest.raises(LLMRefused, match="HTTP 403, the moon is full"):
        await chat.complete(ASK)


async def test_a_page_for_a_later_request_is_no_answer(chat, chat_server):
    chat_server.script(*[Reply(status=502, body=b"<html>nginx</html>", content_type="text/html")] * 2)
    with pytest.raises(LLMUnavailable, match="HTTP 502"):
        await chat.complete(ASK)


async def test_a_connection_that_is_lost_later_is_one_clear_error(chat, chat_server):
    chat_server.script(*[Reply("lost", hang_up=True)] * 2)
    with pytest.raises(LLMUnavailable, match="the connection was lost") as failed:
        await chat.complete(ASK)
    assert failed.value.may_be_billed


async def test_what_a_redirect_asked_for_is_not_sent_again(chat_server):
    with ChatServer() as moved:
        moved.default = lambda _body: Reply(
            status=307, headers={"Location": f"{chat_server.url}/chat/completions"}, body=b""
        )
        chat = OpenAIChat("m", api_key=KEY, base_url=moved.url)
        await chat.complete(ASK)
        await chat.complete(ASK)
        assert (len(moved.seen), len(chat_server.seen)) == (2, 2)
        await chat.close()
