"""Why the work of a run ended, as a value: of the answer, of the record and of the trace."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from second_stage import FREE, SHOP, cell, reading

from funnel.asker import LOCAL_OWNER
from funnel.errors import BudgetExceeded, BudgetTooSmall, LLMUnavailable, MemoryFailed, SandboxDied
from funnel.journal import Journal
from funnel.llm.budget import Limits
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.trace.kinds import AnswerGiven, WorkStopped
from funnel.types import EndReason
from indexes import RawDocuments

QUESTION = "How long do refunds take?"
SUBMIT = cell('submit("14 days " + cite("refunds", quote="We refund within 14 days."))')
NONE = cell('submit("Nothing says so.", found=False)')
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")
NUMBER = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
NOT_THERE = reading("Not there.", found=False)


class Lasting(InMemory):
    async def close(self): ...


@asynccontextmanager
async def a_funnel(tmp_path, sandbox, *replies, memory=None, documents=SHOP):
    root = ScriptedLLM(replies)
    funnel = Funnel(
        RawDocuments(documents).as_owner(), models=Models(root, root, prices=FREE),
        memory=memory or InMemory(), sandbox=sandbox, trace_dir=tmp_path, router=Router(),
    )  # fmt: skip
    yield funnel


@pytest.mark.parametrize(
    ("mode", "replies", "limits", "expected"),
    [
        ("lookup", [reading("14 days [1].", (1, "We refund within 14 days."))], {}, ("complete", "answered")),
        ("lookup", [NOT_THERE], {}, ("declined", "not_found")),
        ("lookup", ["no", "still no"], {}, ("partial", "malformed")),
        ("lookup", ["no", DOWN], {}, ("partial", "broken")),
        ("lookup", ["no"], {"max_calls": 1}, ("partial", "budget")),
        ("deep", [SUBMIT], {}, ("complete", "answered")),
        ("deep", [NONE], {}, ("declined", "not_found")),
        ("deep", [cell("x = 1"), "Some."], {"max_turns": 1}, ("partial", "turns")),
        ("deep", [cell("x = 1"), "NOT FOUND", NOT_THERE], {"max_turns": 1}, ("declined", "turns")),
        ("deep", [cell("x = 1"), "Some."], {"max_calls": 1}, ("declined", "budget")),
        ("deep", [cell("print('x' * 9)"), "Some."], {"max_output_chars": 5}, ("partial", "budget")),
        ("deep", [cell("while True: pass"), "Some."], {"timeout_s": 2.0}, ("partial", "deadline")),
        ("deep", ["no"] * 4 + ["Some."], {}, ("partial", "malformed")),
        ("deep", [cell("x = 1"), DOWN, "NOT FOUND", NOT_THERE], {}, ("failed", "broken")),
    ],
)
async def test_an_answer_says_why_the_work_ended(tmp_path, sandbox, mode, replies, limits, expected):
    async with a_funnel(tmp_path, sandbox, *replies) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode=mode, limits=Limits(**limits)))
    assert (answer.status, answer.end_reason) == expected


async def test_without_a_document_nothing_is_found(tmp_path, sandbox):
    async with a_funnel(tmp_path, sandbox, documents=[]) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup"))
    assert (answer.status, answer.end_reason) == ("declined", "not_found")


async def test_a_typed_answer_without_its_form_is_malformed(tmp_path, sandbox):
    said = reading("14 days.")
    async with a_funnel(tmp_path, sandbox, said, said) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup", schema=NUMBER))
    assert (answer.status, answer.end_reason) == ("partial", "malformed")


async def test_the_trace_says_it_where_the_work_stopped_and_with_the_answer(tmp_path, sandbox):
    seen = []
    async with a_funnel(tmp_path, sandbox, cell("x = 1"), "Some.") as funnel:
        await funnel.ask(QUESTION, Options(mode="deep", limits=Limits(max_turns=1)), on_event=seen.append)
    said = [(type(e.data), e.data.end_reason) for e in seen if isinstance(e.data, (AnswerGiven, WorkStopped))]
    assert said == [(WorkStopped, EndReason.TURNS), (AnswerGiven, EndReason.TURNS)]
    assert seen[-2].data["end_reason"] == "turns"


async def test_the_record_of_a_run_says_it_too(tmp_path, sandbox):
    memory = Lasting()
    async with a_funnel(tmp_path, sandbox, SUBMIT, memory=memory) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="deep"))
    assert (await Journal(memory, answer.run, asker=LOCAL_OWNER).record()).end_reason is EndReason.ANSWERED


async def ended(memory):
    [run] = [where.rpartition("/")[2] for where in await memory.namespaces() if "/run/" in where]
    record = await Journal(memory, run, asker=LOCAL_OWNER).record()
    return record.end_reason


async def test_the_record_of_a_run_without_an_answer_says_what_broke_it(tmp_path, sandbox):
    memory = Lasting()
    async with a_funnel(tmp_path, sandbox, DOWN, memory=memory) as funnel:
        with pytest.raises(LLMUnavailable):
            await funnel.ask(QUESTION, Options(mode="deep"))
    assert await ended(memory) is EndReason.BROKEN


async def test_the_record_of_a_cancelled_run_says_so(tmp_path, sandbox):
    memory, asked = Lasting(), asyncio.Event()

    class Hanging(ScriptedLLM):
        async def complete(self, *_):
            asked.set()
            await asyncio.Event().wait()

    root = Hanging([])
    funnel = Funnel(
        RawDocuments(SHOP).as_owner(), models=Models(root, root, prices=FREE), memory=memory, sandbox=sandbox,
        trace_dir=tmp_path, router=Router(),
    )  # fmt: skip
    task = asyncio.create_task(funnel.ask(QUESTION, Options(mode="deep")))
    await asked.wait()
    assert await ended(memory) is None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ended(memory) is EndReason.CANCELLED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BudgetExceeded("timeout_s", 1, 1), EndReason.DEADLINE),
        (BudgetExceeded("max_usd", 1, 1), EndReason.BUDGET),
        (BudgetTooSmall("max_calls", 0, 1), EndReason.BUDGET),
        (SandboxDied("monty", "gone"), EndReason.BROKEN),
        (MemoryFailed("memory://", "down"), EndReason.BROKEN),
        (asyncio.CancelledError(), EndReason.CANCELLED),
        (KeyboardInterrupt(), EndReason.CANCELLED),
    ],
)
def test_an_error_that_ends_the_work_has_its_reason(error, expected):
    assert EndReason.of(error) is expected


def test_only_an_answer_and_its_absence_are_the_last_word_of_a_run():
    assert [reason for reason in EndReason if reason.is_final] == ["answered", "not_found"]
