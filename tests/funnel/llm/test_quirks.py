"""Every quirk of the tables, against a real server on loopback: what a user sees is what the table says."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chat_server import ChatServer
from quirks.bodies import BODIES
from quirks.connections import CONNECTIONS
from quirks.errors_inside import ERRORS_INSIDE
from quirks.failures import FOR_NOW
from quirks.page import PAGE, page
from quirks.parameters import PARAMETERS
from quirks.quirk import ASK, KEY, TEXT, Quirk
from quirks.raw_server import raw_server
from quirks.refusals import REFUSALS
from quirks.slow import SLOW
from quirks.streams import STREAMS
from quirks.thoughts import THOUGHTS

from funnel.llm.base import CallOptions, Completion
from funnel.llm.hearing import without_thoughts
from funnel.llm.openai.chat import OpenAIChat

ALL = (*BODIES, *STREAMS, *THOUGHTS, *REFUSALS, *FOR_NOW, *ERRORS_INSIDE, *PARAMETERS, *SLOW)
LONGEST_MESSAGE = 900
SERVERS = itertools.count()


@pytest.fixture(params=["aiohttp", "own"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """aiohttp, or the library's own transport, which is used behind a proxy."""
    if request.param == "own":
        monkeypatch.setattr("funnel.llm.openai.client._fits_aiohttp", lambda _url: False)
    return request.param


@asynccontextmanager
async def asking(key: str, url: str, stall_s: float = 20.0) -> AsyncIterator[OpenAIChat]:
    # What an endpoint asks callers to wait is kept by its URL, and a later server may have the same port.
    own_url = url.replace("/v1", f"/{next(SERVERS)}/v1")
    llm = OpenAIChat("m", api_key=key, base_url=own_url, max_retries=2, backoff_s=0.001, stall_s=stall_s)
    try:
        yield llm
    finally:
        await llm.close()


async def completed(quirk: Quirk, server: ChatServer) -> Completion:
    server.script(*quirk.replies)
    async with asking(quirk.key, server.url, quirk.stall_s) as llm:
        completion = await llm.complete(quirk.request, CallOptions(timeout_s=quirk.timeout_s))
        return without_thoughts(completion, quirk.request)


@pytest.mark.parametrize("quirk", [q for q in ALL if q.error is None], ids=lambda quirk: quirk.name)
async def test_an_answer_comes_in_spite_of(quirk, chat_server):
    completion = await completed(quirk, chat_server)
    assert completion.text == quirk.text or (quirk.begins and completion.text.startswith(quirk.text))
    assert completion.finish_reason == quirk.finish
    assert (completion.thoughts.strip(), completion.cut) == (quirk.thoughts, quirk.cut)
    assert completion.cached_input_tokens == quirk.cached
    stated = (completion.input_tokens, completion.output_tokens)
    assert completion.estimated is (quirk.tokens is None)
    assert stated == quirk.tokens or (quirk.tokens is None and min(stated) > 0)
    check_requests(quirk, chat_server)


@pytest.mark.parametrize("quirk", [q for q in ALL if q.error is not None], ids=lambda quirk: quirk.name)
async def test_one_clear_line_says(quirk, chat_server):
    with pytest.raises(quirk.error) as caught:
        await completed(quirk, chat_server)
    assert type(caught.value) is quirk.error
    check_message(str(caught.value), quirk.says, (quirk.key, *quirk.never))
    check_requests(quirk, chat_server)


@pytest.mark.parametrize("quirk", CONNECTIONS, ids=lambda quirk: quirk.name)
async def test_a_connection_where(quirk, transport):
    async with raw_server(*quirk.answers) as server, asking(KEY, server.url) as llm:
        if quirk.error is None:
            assert (await llm.complete(ASK)).text == TEXT
        else:
            with pytest.raises(quirk.error) as caught:
                await llm.complete(ASK)
            check_message(str(caught.value), quirk.says, (KEY,))
        assert server.connections == quirk.connections


def check_message(message: str, says: tuple[str, ...], never: tuple[str, ...]) -> None:
    assert all(piece in message for piece in says), message
    assert not any(piece in message for piece in never), message
    assert message.isprintable()
    assert len(message) < LONGEST_MESSAGE


def check_requests(quirk: Quirk, server: ChatServer) -> None:
    assert len(server.seen) == quirk.requests
    last = server.seen[-1].body
    assert not [name for name in quirk.lacks if name in last]
    assert {name: last.get(name) for name in quirk.sends or {}} == (quirk.sends or {})


def test_no_two_quirks_have_the_same_name():
    names = [quirk.name for quirk in ALL]
    assert len(names) == len(set(names))


def test_the_page_is_what_the_tables_say():
    told = "write it anew: python tests/funnel/llm/quirks/page.py"
    assert PAGE.read_text(encoding="utf-8") == page(), told
