"""Both routes, end to end, with a real language model that is weak: an answer comes, whatever it says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic_core import from_json
from services.llama_server import LlamaServer

from funnel import Limits, Options, Settings, build
from funnel.errors import LLMUnavailable
from funnel.trace.kinds import AnswerDelta, AnswerRetracted, CallRetried, ModelCallEnded, ReplyRejected
from funnel.types import EndReason
from indexes import RawDocuments
from indexes.types import Document, DocumentId

GOODS = ("apples", "bricks", "candles", "drums")
DOCUMENTS = RawDocuments(
    [
        Document(DocumentId(name), f"Refunds of {name} take {days} days. Returns go to the desk.", title=name)
        for days, name in enumerate(GOODS, start=11)
    ]
)
LOOKUP = "How long does a refund of bricks take?"
COMPARE = "Compare how long the refunds of apples, bricks, candles and drums take."
# On a machine that is busy it may take minutes, and that is no failure.
LIMITS = Limits(max_calls=3, max_turns=2, timeout_s=None)
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def settings(llama_server: LlamaServer, tmp_path: Path) -> Settings:
    return Settings(
        model=llama_server.model,
        base_url=llama_server.url,
        memory="memory://",
        trace_dir=tmp_path / "traces",
        max_output_tokens=96,
    )


async def ask(settings: Settings, question: str, *, mode: str, documents=DOCUMENTS):
    """An answer, and what the events of its run say."""
    seen = []
    async with build(documents.as_owner(), settings) as funnel:
        answer = await funnel.ask(question, Options(mode=mode, limits=LIMITS), on_event=seen.append)
    return answer, [event.data for event in seen]


def answer_of(reply: str) -> str:
    """The answer in a reply of the full form, which may have been cut."""
    return from_json(reply, allow_partial="trailing-strings").get("answer", "")


def counted(events) -> tuple[int, int, int]:
    ended = [event for event in events if isinstance(event, ModelCallEnded)]
    # Of a reply that ran in circles and was cut, and of an attempt that was lost, the server counts nothing.
    lost = any(isinstance(event, CallRetried) for event in events)
    assert lost or {call.usage for call in ended if call.cut is None} <= {"reported"}
    return len(ended), sum(c.input_tokens for c in ended), sum(c.output_tokens for c in ended)


async def test_a_lookup_comes_to_an_answer_with_the_tokens_that_the_server_counted(settings):
    answer, events = await ask(settings, LOOKUP, mode="lookup")
    assert answer.text
    assert answer.route == "lookup"
    usage = answer.usage
    assert (usage.model_calls, usage.input_tokens, usage.output_tokens) == counted(events)
    assert 100 < usage.input_tokens < 5_000


async def test_a_reply_that_was_not_cut_has_the_form_of_the_reader(settings):
    answer, events = await ask(settings, LOOKUP, mode="lookup")
    ended = [event for event in events if isinstance(event, ModelCallEnded)]
    whole = sum(call.finish_reason == "stop" for call in ended)
    rejected = sum(isinstance(event, ReplyRejected) for event in events)
    assert (whole, rejected) == (1, 0) or (whole < len(ended) and rejected)
    assert answer.end_reason in {EndReason.ANSWERED, EndReason.NOT_FOUND, EndReason.MALFORMED}


async def test_a_deep_question_comes_to_an_answer_within_its_limits(settings):
    answer, events = await ask(settings, COMPARE, mode="deep")
    assert answer.text
    assert answer.route == "deep"
    assert 1 <= answer.usage.model_calls <= 3
    assert 1 <= answer.usage.turns <= 2
    usage = answer.usage
    assert (usage.model_calls, usage.input_tokens, usage.output_tokens) == counted(events)


async def test_a_run_whose_server_is_killed_ends_in_one_line_and_goes_on_when_it_is_back(
    settings, llama_server, tmp_path
):
    settings = settings.model_copy(update={"memory": f"sqlite:///{tmp_path / 'memory.sqlite'}"})
    seen = []
    async with build(DOCUMENTS.as_owner(), settings) as funnel:
        asked = asyncio.create_task(funnel.ask(LOOKUP, Options(mode="lookup"), on_event=seen.append))
        await asyncio.to_thread(llama_server.wait_until_busy, 1)
        llama_server.end()
        with pytest.raises(LLMUnavailable) as caught:
            await asked
        assert "\n" not in str(caught.value)
        await asyncio.to_thread(llama_server.start)
        answer = await funnel.resume(seen[0].run)
    assert answer.text
    assert answer.usage.model_calls >= 2


async def test_passages_beyond_the_window_are_refused_once_and_then_fewer_are_read(settings, llama_server):
    settings = settings.model_copy(update={"prompt_form": "full"})
    filler = "The desk keeps a list of what came back. " * 30
    pages = [Document(DocumentId(f"p{n}"), f"Refunds of bricks, page {n}. {filler}") for n in range(20)]
    answer, events = await ask(settings, LOOKUP, documents=RawDocuments(pages), mode="lookup")
    assert answer.text
    refused, read = [event for event in events if isinstance(event, ModelCallEnded)][:2]
    assert (refused.error_type, read.error_type) == ("ContextTooLong", None)
    # Of a reply that ran in circles the tokens are estimated, generously.
    assert read.usage != "reported" or read.input_tokens < llama_server.window


@pytest.mark.parametrize("form", ["full", "simple"])
async def test_the_words_of_a_lookup_are_those_that_the_model_writes(settings, form):
    settings = settings.model_copy(update={"prompt_form": form})
    _, events = await ask(settings, LOOKUP, mode="lookup")
    heard, written = "", ""
    for event in events:
        match event:
            case AnswerRetracted():
                heard = ""
            case AnswerDelta(text=words):
                heard += words
            case ModelCallEnded(text=str(reply)):
                written = reply if form == "simple" else answer_of(reply)
                assert written.lstrip().startswith(heard)
                assert heard or not written.strip()
