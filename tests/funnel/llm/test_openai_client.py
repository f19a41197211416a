"""The transports under the client: what reaches the endpoint, and what of its misbehaviour reaches us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest
from chat_server import ChatServer

from funnel.errors import LLMUnavailable
from funnel.llm.base import CallOptions, Message, Request, Retry
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.client import client
from funnel.llm.openai.connection import Connection
from funnel.llm.openai.failures import failed_attempt

ASK = Request((Message("user", "x"),), "query", max_output_tokens=100)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
COMPLETION = b'{"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}'

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["aiohttp", "own"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "own":
        monkeypatch.setattr("funnel.llm.openai.client._fits_aiohttp", lambda _url: False)
    return request.param


@asynccontextmanager
async def served_by(serve: Serve, **options) -> AsyncIterator[OpenAIChat]:
    """A client of an endpoint whose every connection is served so, once the request is read."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ).split(b":")[1]
        await reader.readexactly(int(size))
        await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    chat = OpenAIChat("m", api_key="sk-secret", base_url=url, backoff_s=0.001, **options)
    try:
        yield chat
    finally:
        await chat.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b'{"choices"'])
async def test_a_cancelled_call_closes_its_connection_whatever_had_come(transport, sent):
    waiting, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        writer.write(sent)
        await writer.drain()
        waiting.set()
        assert await reader.read() == b""
        closed.set()

    async with served_by(serve) as chat:
        task = asyncio.create_task(chat.complete(ASK))
        await waiting.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(60):
            await closed.wait()


@pytest.mark.parametrize("sent", [b"", b"this is no HTTP\r\n\r\n", HEAD[:20], HEAD, HEAD + b'{"choices"'])
async def test_a_connection_lost_once_the_request_was_sent_may_be_billed(transport, sent):
    async def serve(_reader, writer):
        writer.write(sent)
        await writer.drain()

    heard: list[Retry] = []
    async with served_by(serve, max_retries=1) as chat:
        with pytest.raises(LLMUnavailable, match="the connection was lost") as caught:
            await chat.complete(ASK, CallOptions(on_retry=heard.append))
    assert caught.value.may_be_billed
    assert [retry.may_be_billed for retry in heard] == [True]
    assert "sk-secret" not in str(caught.value)


async def test_as_many_calls_are_in_flight_as_are_made(transport):
    n, arrived, everybody = 130, 0, asyncio.Event()

    async def serve(_reader, writer):
        nonlocal arrived
        arrived += 1
        if arrived == n:
            everybody.set()
        await everybody.wait()
        size = f"HTTP/1.1 200 OK\r\ncontent-length: {len(COMPLETION)}\r\n\r\n"
        writer.write(size.encode() + COMPLETION)
        await writer.drain()

    async with served_by(serve) as chat, asyncio.timeout(60):
        completions = await asyncio.gather(*(chat.complete(ASK) for _ in range(n)))
    assert [completion.text for completion in completions] == ["ok"] * n


async def test_where_nobody_listens_the_reason_is_the_systems_and_holds_no_address_of_an_object(transport):
    with ChatServer() as gone:
        url = gone.url
    chat = OpenAIChat("m", base_url=url, max_retries=0)
    with pytest.raises(LLMUnavailable, match="no connection") as caught:
        await chat.complete(ASK)
    await chat.close()
    assert not caught.value.may_be_billed
    assert "object at" not in str(caught.value)


async def test_a_proxy_of_the_environment_is_asked(chat_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", chat_server.url.removesuffix("/v1"))
    chat = OpenAIChat("m", base_url="http://model.example/v1")
    assert (await chat.complete(ASK)).text == "ok"
    await chat.close()
    assert chat_server.seen[0].path == "http://model.example/v1/chat/completions"


async def test_a_password_in_the_url_is_sent_as_before(chat_server):
    chat = OpenAIChat("m", base_url=chat_server.url.replace("http://", "http://me:pw@"))
    assert (await chat.complete(ASK)).text == "ok"
    await chat.close()
    assert chat_server.seen[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("url", "proxy", "suits"),
    [
        ("http://localhost/v1", None, True),
        ("http://localhost/v1", "socks5://localhost:1", False),
        ("http://localhost/v1", "http://localhost:1", False),
        ("http://me:pw@localhost/v1", None, True),
    ],
)
def test_aiohttp_sends_where_it_knows_how_to(monkeypatch, url, proxy, suits):
    if proxy is not None:
        monkeypatch.setenv("ALL_PROXY", proxy)
    given: dict[str, object] = {}
    monkeypatch.setattr(openai, "AsyncOpenAI", lambda **options: given.update(options))
    client("m", Connection(url))
    assert (given["http_client"] is not None) is suits


def test_a_connection_that_took_too_long_to_make_is_not_billed():
    late = ConnectionError("as the transport says it")
    late.__cause__ = aiohttp.ConnectionTimeoutError("no answer")
    error = openai.OpenAIError("as the library says it")
    error.__cause__ = late
    failure = failed_attempt(error)
    assert (failure.retry, failure.may_be_billed) == (True, False)
