"""A run whose memory was emptied under it ends with one line, and promises no resume."""

from __future__ import annotations

import asyncio

import pytest
from second_stage import FREE, SHOP, cell

from funnel.errors import LLMUnavailable, MemoryFailed, RunLost
from funnel.journal import lease
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments

QUESTION = "How long do refunds take?"
SUBMIT = cell('mark = cite("refunds", quote="We refund within 14 days.")', 'submit(f"14 days {mark}.")')
DEEP = Options(mode="deep")


class Emptied(InMemory):
    """A memory that anybody may empty, as FLUSHALL does."""

    def empty(self):
        self._spaces.clear()


class Slow(ScriptedLLM):
    """Waits for what `meanwhile` does before each reply."""

    def __init__(self, replies, meanwhile):
        super().__init__(replies)
        self.meanwhile = meanwhile

    async def complete(self, request, options=None):
        await self.meanwhile()
        return await super().complete(request, options)


async def nothing():
    """Nothing happens meanwhile."""


@pytest.fixture
def memory():
    return Emptied()


@pytest.fixture
async def funnel_of(tmp_path, memory):
    """Makes the one funnel of a test, whose model makes these replies."""
    made = []

    def make(*replies, meanwhile=nothing):
        made.append(
            Funnel(
                RawDocuments(SHOP).as_owner(),
                models=Models(Slow(replies, meanwhile), ScriptedLLM([], name="sub"), prices=FREE),
                memory=memory,
                sandbox=MontySandbox(max_processes=1),
                trace_dir=tmp_path,
                router=Router(),
            )
        )
        return made[0]

    yield make
    await made[0].close()


@pytest.fixture
def seen():
    return []


@pytest.fixture
def noticed_soon(monkeypatch):
    monkeypatch.setitem(lease.Lease.__init__.__kwdefaults__, "ttl_s", 0.06)


async def test_a_run_whose_memory_was_emptied_ends_with_one_line(funnel_of, memory, seen, noticed_soon):
    async def emptied():
        memory.empty()
        await asyncio.sleep(0.3)

    funnel = funnel_of(cell("print(1)"), SUBMIT, meanwhile=emptied)
    with pytest.raises(RunLost, match="It cannot be resumed; ask the question anew") as lost:
        await funnel.ask(QUESTION, DEEP, on_event=seen.append)
    assert "\n" not in str(lost.value)
    assert not await funnel.holds(seen[0].run)
    assert await memory.namespaces() == []


async def test_an_answer_that_was_found_before_anybody_noticed_is_given(funnel_of, memory, seen):
    def emptied(_request):
        memory.empty()
        return SUBMIT

    funnel = funnel_of(emptied)
    answer = await funnel.ask(QUESTION, DEEP, on_event=seen.append)
    assert (answer.status, answer.text) == ("complete", "14 days [1].")
    assert not await funnel.holds(seen[0].run)


async def test_a_run_that_is_cancelled_after_that_is_not_said_to_be_there(funnel_of, memory, seen):
    reached = asyncio.Event()

    async def emptied():
        memory.empty()
        reached.set()
        await asyncio.sleep(60)

    funnel = funnel_of(SUBMIT, meanwhile=emptied)
    asking = asyncio.create_task(funnel.ask(QUESTION, DEEP, on_event=seen.append))
    await reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not await funnel.holds(seen[0].run)


async def test_a_run_that_failed_is_still_held(funnel_of, seen):
    funnel = funnel_of(LLMUnavailable("scripted", "http://localhost", "connection refused"))
    with pytest.raises(LLMUnavailable):
        await funnel.ask(QUESTION, DEEP, on_event=seen.append)
    assert await funnel.holds(seen[0].run)


async def test_whether_a_closed_memory_holds_a_run_is_not_known(funnel_of, memory):
    funnel = funnel_of()
    await memory.close()
    with pytest.raises(MemoryFailed):
        await funnel.holds("r")
