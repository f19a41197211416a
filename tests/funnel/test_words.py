"""The words of an answer while they are written: shown, provisional, retracted, and kept nowhere."""

from __future__ import annotations

import json
import threading

import pytest
from chat_server import DONE, ChatServer, Reply, piece, streamed, usage_piece
from second_stage import FREE, SHOP, cell, reading

from funnel.errors import LLMError
from funnel.factory import build_sync
from funnel.llm.budget import Limits
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from funnel.settings import Settings
from indexes import RawDocuments

QUESTION = "How long do refunds take?"
ANSWER = 'They take "14" days,\nnot more [1].'
QUOTE = (1, "We refund within 14 days.")
END = (piece(finish="stop"), usage_piece(10, 2), DONE)


@pytest.fixture
async def funnels(tmp_path, sandbox: MontySandbox):
    """Builds funnels over one memory."""
    memory, made = InMemory(), []

    def make(llm) -> Funnel:
        models = Models(llm, llm, prices=FREE | {llm.name: (0.0, 0.0)})
        made.append(llm)
        return Funnel(
            RawDocuments(SHOP).as_owner(), models=models, memory=memory, sandbox=sandbox,
            trace_dir=tmp_path, router=Router(),
        )  # fmt: skip

    yield make
    for llm in made:
        await llm.close()


def chat(server: ChatServer, **how) -> OpenAIChat:
    return OpenAIChat("m", base_url=server.url, backoff_s=0.001, **how)


def drip(text: str, *, size: int = 3, **how) -> Reply:
    words = [text[at : at + size] for at in range(0, len(text), size)]
    return streamed(piece("", role="assistant"), *map(piece, words), *END, **how)


async def asked(funnel: Funnel, mode: str = "lookup", **how):
    """The answer, and what was shown of it: words, and None where they were retracted."""
    shown: list[str | None] = []

    def listen(event) -> None:
        if event.kind == "answer.delta":
            shown.append(event.data.text)
        elif event.kind == "answer.retracted":
            shown.append(None)

    answer = await funnel.ask(QUESTION, Options(mode=mode, **how), on_event=listen)
    return answer, shown


async def test_the_words_of_a_lookup_come_one_by_one_and_make_the_answer(funnels, chat_server):
    chat_server.script(drip(reading(ANSWER, QUOTE), size=8, drip_s=0.1))
    answer, shown = await asked(funnels(chat(chat_server)))
    assert "".join(shown) == answer.text == ANSWER
    assert len(shown) > 1


async def test_what_is_missing_is_no_word_of_the_answer(funnels, chat_server):
    chat_server.script(drip(reading(ANSWER, QUOTE, missing="The passages do not say who pays.")))
    answer, shown = await asked(funnels(chat(chat_server)))
    assert "".join(filter(None, shown)) == answer.text == ANSWER
    assert None not in shown


async def test_words_come_before_the_reply_is_complete(funnels, chat_server):
    heard = threading.Event()

    def waiting():
        yield piece(reading(ANSWER, QUOTE)[:40])
        assert heard.wait(30)
        yield piece(reading(ANSWER, QUOTE)[40:])
        yield from END

    chat_server.script(Reply(pieces=waiting(), content_type="text/event-stream"))
    funnel = funnels(chat(chat_server))
    words = []
    async for event in funnel.stream(QUESTION, Options(mode="lookup")):
        if event.kind == "answer.delta":
            words.append(event.data.text)
            heard.set()
        last = event
    assert "".join(words) == ANSWER
    assert last.kind == "run"


async def test_thoughts_are_in_the_trace_and_in_no_word_and_no_answer(funnels, chat_server, tmp_path):
    thoughts = '<think>Maybe {"found": true, "answer": "SECRET THOUGHT"}?</think>'
    chat_server.script(drip(f"{thoughts}{reading(ANSWER, QUOTE)}"))
    answer, shown = await asked(funnels(chat(chat_server)))
    assert "".join(shown) == answer.text == ANSWER
    [trace] = tmp_path.glob("*.jsonl")
    assert "SECRET THOUGHT" in trace.read_text()
    assert answer.usage.model_calls == 1


async def test_thoughts_whose_tag_the_prompt_opened_are_retracted(funnels, chat_server):
    chat_server.script(drip(f"{reading('SECRET THOUGHT')}</think>{reading(ANSWER, QUOTE)}"))
    answer, shown = await asked(funnels(chat(chat_server)))
    at = shown.index(None)
    assert "".join(shown[at + 1 :]) == answer.text == ANSWER


async def test_words_of_an_attempt_that_failed_are_retracted(funnels, chat_server):
    chat_server.script(streamed(piece(reading(ANSWER, QUOTE)[:40]), hang_up=True))
    chat_server.script(drip(reading(ANSWER, QUOTE)))
    answer, shown = await asked(funnels(chat(chat_server)))
    at = shown.index(None)
    assert "".join(shown[:at])
    assert "".join(shown[at + 1 :]) == answer.text


async def test_words_whose_quotes_do_not_stand_in_the_documents_are_retracted(funnels, chat_server):
    chat_server.script(drip(reading("By post [1].", (1, "It comes by post."))))
    answer, shown = await asked(funnels(chat(chat_server)))
    assert (answer.text, shown[-1]) == ("By post.", None)


async def test_words_of_a_malformed_reply_are_retracted_before_those_of_the_repair(funnels, chat_server):
    chat_server.script(drip('{"answer": "Wrong", "quotes": 7}'), drip(reading(ANSWER, QUOTE)))
    answer, shown = await asked(funnels(chat(chat_server)))
    at = shown.index(None)
    assert ("".join(shown[:at]), "".join(shown[at + 1 :])) == ("Wrong", answer.text)


async def test_words_of_a_run_that_ends_with_an_error_are_retracted(funnels, chat_server):
    chat_server.default = lambda _body: streamed(piece(reading(ANSWER, QUOTE)[:40]), hang_up=True)
    shown = []
    with pytest.raises(LLMError):
        await funnels(chat(chat_server, max_retries=0)).ask(
            QUESTION, Options(mode="lookup"), on_event=lambda event: shown.append(event.kind)
        )
    assert [kind for kind in shown if kind.startswith("answer.")][-1] == "answer.retracted"


async def test_words_are_kept_in_no_trace(funnels, chat_server, tmp_path):
    chat_server.script(drip(reading(ANSWER, QUOTE)))
    await asked(funnels(chat(chat_server)))
    [trace] = tmp_path.glob("*.jsonl")
    kinds = {json.loads(line).get("kind") for line in trace.read_text().splitlines()}
    assert "answer" in kinds
    assert not {kind for kind in kinds if kind and kind.startswith("answer.")}


async def test_a_cached_answer_has_its_words_at_once(funnels, chat_server):
    chat_server.script(drip(reading(ANSWER, QUOTE)))
    funnel = funnels(chat(chat_server))
    await asked(funnel, learn=False)
    answer, shown = await asked(funnel, learn=False)
    assert (shown, answer.usage.cached_calls) == ([ANSWER], 1)


async def test_a_model_that_does_not_stream_has_its_words_at_once(funnels):
    answer, shown = await asked(funnels(ScriptedLLM([f"<think>hm</think>{reading(ANSWER, QUOTE)}"])))
    assert (answer.text, shown) == (ANSWER, [ANSWER])


async def test_a_deep_answer_shows_no_words(funnels):
    _, shown = await asked(funnels(ScriptedLLM([cell('submit("14 days", citations=[])')])), mode="deep")
    assert shown == []


async def test_a_key_that_an_endpoint_echoes_is_in_no_word(funnels, chat_server):
    key = "sk-" + "0123456789abcdef" * 3
    chat_server.script(drip(reading(f"The key is {key} [1].", QUOTE), size=2))
    answer, shown = await asked(funnels(chat(chat_server, api_key=key)))
    assert key[:12] not in "".join(filter(None, shown))
    assert "***" in answer.text


async def test_thoughts_of_any_model_reach_no_program_and_no_prompt(funnels):
    def turn(request):
        assert not any("HIDDEN" in message.content for message in request.messages)
        return f"<think>HIDDEN\n```python\nsubmit('wrong')\n```</think>{cell('print(1)')}"

    def last(request):
        assert not any("HIDDEN" in message.content for message in request.messages)
        return cell("r = llm_query('How long?')", "submit(r, citations=[])")

    llm = ScriptedLLM([turn, last, "<think>HIDDEN</think>14 days"])
    answer, _ = await asked(funnels(llm), mode="deep")
    assert answer.text == "14 days"


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_a_model_that_only_thinks_is_told_of_with_what_to_set(funnels, chat_server, mode):
    def thinking(_body):
        return streamed(piece(reasoning_content="hm"), piece(finish="length"), usage_piece(10, 4096), DONE)

    chat_server.default = thinking
    answer, _ = await asked(funnels(chat(chat_server)), mode=mode, limits=Limits(max_calls=6))
    assert "4,096 tokens of output with thinking" in " ".join(answer.notices)
    assert "FUNNEL_MAX_OUTPUT_TOKENS" in " ".join(answer.notices)


async def test_a_last_call_that_only_thinks_is_told_of(funnels, chat_server):
    thinking = streamed(piece(reasoning_content="hm"), piece(finish="length"), usage_piece(10, 4000), DONE)
    chat_server.script(Reply(cell("print(1)")), thinking)
    answer, _ = await asked(funnels(chat(chat_server)), mode="deep", limits=Limits(max_turns=1))
    assert "4,000 tokens of output with thinking" in answer.notices[1]


async def test_a_reply_that_goes_round_in_circles_is_told_of(funnels, chat_server):
    chat_server.default = lambda _body: streamed(*[piece("The lease ends in the spring of the year. ")] * 500)
    answer, _ = await asked(funnels(chat(chat_server)))
    assert "said the same over and over, and was stopped" in " ".join(answer.notices)


def test_the_sync_funnel_hears_the_words_too(chat_server, tmp_path):
    chat_server.script(drip(reading(ANSWER, QUOTE)))
    settings = Settings(model="m", base_url=chat_server.url, memory="memory://", trace_dir=tmp_path)
    words: list[str] = []

    def listen(event) -> None:
        if event.kind == "answer.delta":
            words.append(event.data.text)

    with build_sync(RawDocuments(SHOP).as_owner(), settings) as funnel:
        answer = funnel.ask(QUESTION, Options(mode="lookup"), on_event=listen)
    assert "".join(words) == answer.text == ANSWER


SMALL = "Refunds take 14 days"


def a_small_model(server: ChatServer) -> OpenAIChat:
    return OpenAIChat("small-1.5b", base_url=server.url, backoff_s=0.001)


async def test_the_words_of_a_small_model_come_one_by_one_and_its_citation_after_them(funnels, chat_server):
    chat_server.script(drip(SMALL, size=4, drip_s=0.05))
    answer, shown = await asked(funnels(a_small_model(chat_server)))
    assert "".join(shown) == answer.text == f"{SMALL} [1]"
    assert len(shown) > 2


@pytest.mark.parametrize("reply", [f"Answer: {SMALL}", f'{{"answer": "{SMALL}"}}', f"\n {SMALL}"])
async def test_labels_and_objects_around_the_words_of_a_small_model_are_not_shown(
    funnels, chat_server, reply
):
    chat_server.script(drip(reply))
    answer, shown = await asked(funnels(a_small_model(chat_server)))
    assert "".join(shown) == answer.text == f"{SMALL} [1]"


async def test_no_code_of_a_small_model_is_shown(funnels, chat_server):
    chat_server.script(drip(f'```python\nprint("{SMALL}")\n```'))
    answer, shown = await asked(funnels(a_small_model(chat_server)))
    assert (answer.text, shown) == (f"{SMALL} [1]", [])


async def test_words_whose_citations_belong_between_them_are_shown_again_with_the_answer(
    funnels, chat_server
):
    chat_server.script(drip(f"{SMALL}. Shipping is not refunded."))
    answer, shown = await asked(funnels(a_small_model(chat_server)))
    assert answer.text == f"{SMALL}. [1] Shipping is not refunded. [2]"
    assert shown[-1] is None
