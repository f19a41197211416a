"""Ollama, which cuts prompts without a word: found by what it answers beside its OpenAI interface."""

from __future__ import annotations

import pytest
from chat_server import ChatServer, Reply
from narrow_models import NarrowModel
from second_stage import doc, reading

from funnel.factory import build, limits
from funnel.llm import windows
from funnel.llm.openai.beside import Beside
from funnel.llm.openai.chat import OpenAIChat
from funnel.pipeline import Options
from funnel.settings import Settings
from indexes import RawDocuments

WORDS = "The tenant pays the rent on the first day of each month and keeps the garden tidy. "
LEASES = [doc(f"lease-{n}", f"Lease {n}. {WORDS * 40} It ends in {2020 + n}.") for n in range(12)]
VERSION = {"version": "0.12.6"}


def ollama(server, *, loaded=None, num_ctx=None):
    """Make the server answer as Ollama does."""
    server.beside["/api/version"] = VERSION
    running = [] if loaded is None else [{"name": "m:latest", "model": "m:latest", "context_length": loaded}]
    server.beside["/api/ps"] = {"models": running}
    parameters = "stop x" if num_ctx is None else f"stop x\nnum_ctx                 {num_ctx}"
    server.beside["/api/show"] = {"parameters": parameters, "model_info": {"llama.context_length": 131_072}}


async def stated(server):
    chat = OpenAIChat("m", base_url=server.url)
    try:
        return await chat.stated_window()
    finally:
        await chat.close()


@pytest.mark.parametrize(
    ("how", "tokens", "certain"),
    [
        ({"loaded": 8_192, "num_ctx": 2_048}, 8_192, True),
        ({"num_ctx": 16_384}, 16_384, True),
        ({}, 4_096, False),
    ],
)
async def test_the_window_is_the_one_that_is_loaded_or_would_be(chat_server, how, tokens, certain):
    ollama(chat_server, **how)
    found = await stated(chat_server)
    assert (found.tokens, found.certain, found.cuts) == (tokens, certain, True)
    assert "OLLAMA_CONTEXT_LENGTH" in found.advice


@pytest.mark.parametrize("version", [None, [], {}, {"version": 3}, {"version": ""}])
async def test_a_server_that_names_no_version_is_not_ollama(chat_server, version):
    chat_server.beside["/api/version"] = version
    assert await stated(chat_server) is None


@pytest.mark.parametrize("odd", [None, [], {"models": 3}, {"models": [None, 1, {"name": "m"}]}, "x"])
async def test_odd_answers_of_ollama_leave_its_usual_window(chat_server, odd):
    chat_server.beside |= {"/api/version": VERSION, "/api/ps": odd, "/api/show": odd}
    assert (await stated(chat_server)).tokens == 4_096


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://gpu:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://box.local/v1", True),
        ("https://ollama.acme.com:11434/v1", True),
        ("https://api.openai.com/v1", False),
        ("https://openrouter.ai/api/v1", False),
        ("http://8.8.8.8/v1", False),
        ("http://[::1]:8000/v1", True),
        ("http://[2001:4860:4860::8888]:8000/v1", False),
    ],
)
def test_only_servers_that_may_be_ollama_are_asked(url, near):
    assert Beside(None, url).is_near is near


def reader(_body):
    return reading("The garden is kept tidy [1].", (1, "keeps the garden tidy"))


async def ask(server, tmp_path, form="auto"):
    settings = Settings(
        named_model="m", base_url=server.url, memory="memory://", trace_dir=tmp_path, prompt_form=form
    )
    async with build(RawDocuments(LEASES).as_owner(), settings) as funnel:
        return await funnel.ask("How is the garden?", Options(mode="lookup", k=12, limits=limits(settings)))


async def test_no_prompt_is_longer_than_the_window_of_ollama_and_the_answer_says_so(tmp_path):
    with ChatServer() as server:
        ollama(server, loaded=4_096)
        model = server.default = NarrowModel(reader, window=4_096, refuse=None)
        asked = []
        model.says = lambda body: asked.append(model.count(body)) or reader(body)
        answer = await ask(server, tmp_path)
    assert answer.status == "complete"
    assert max(asked) < 4_096
    assert any(
        told.startswith("The window of m has 4,096 tokens, so that prompts were kept short. Ollama cuts")
        for told in answer.notices
    )


async def test_only_the_model_that_is_called_is_looked_up(tmp_path):
    with ChatServer() as server:
        server.default = NarrowModel(reader)
        named = {"named_model": "m", "named_sub_model": "part", "base_url": server.url}
        settings = Settings(**named, memory="memory://", trace_dir=tmp_path)
        async with build(RawDocuments(LEASES).as_owner(), settings) as funnel:
            await funnel.ask("How is the garden?", Options(mode="lookup"))
        asked = [key[1] for key, window in windows._KNOWN.items() if window.asked]
    assert asked == ["m"]


async def test_a_window_that_was_only_assumed_is_looked_up_once_the_model_is_loaded(tmp_path):
    with ChatServer() as server:
        ollama(server)

        def loading(_body):
            ollama(server, loaded=131_072)
            return Reply(reader(_body))

        server.script(loading)
        server.default = NarrowModel(reader, window=131_072, refuse=None)
        first, second = await ask(server, tmp_path, "full"), await ask(server, tmp_path, "full")
    assert any("passages did not fit" in told for told in first.notices)
    assert second.notices == ()
