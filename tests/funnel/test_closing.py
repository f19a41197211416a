"""Who asks while a funnel is closed is told so at once, and loses nothing that was paid for."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from second_stage import FREE, SHOP, cell

from funnel.errors import FunnelClosed, OtherLoop
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from funnel.sync import SyncFunnel
from indexes import RawDocuments

QUESTION = "How long do refunds take?"
DEEP, LOOKUP = Options(mode="deep"), Options(mode="lookup")
LOOK = cell('print(search("refunds")[0]["id"])')
SUBMIT = cell('mark = cite("refunds", quote="We refund within 14 days.")', 'submit(f"14 days {mark}.")')
PROMPT_S = 20.0
"""Far less than the time that a run may take, and far more than its end takes."""


class Lasting(InMemory):
    """A memory that outlives its funnels."""

    async def close(self) -> None:
        """It stays open."""


class Stuck:
    """A model that answers `replies` and then never again."""

    def __init__(self, *replies):
        self.name = "scripted"
        self.inner = ScriptedLLM(replies)
        self.stuck = threading.Semaphore(0)

    async def complete(self, request, options=None):
        if not self.inner.remaining:
            self.stuck.release()
            await asyncio.Event().wait()
        return await self.inner.complete(request, options)

    async def close(self):
        """It needs none."""


def a_funnel(tmp_path, llm, memory=None, **changed):
    return Funnel(
        RawDocuments(SHOP).as_owner(),
        models=Models(llm, llm, prices=FREE, **changed),
        memory=memory or Lasting(),
        sandbox=MontySandbox(max_processes=8),
        trace_dir=tmp_path,
        router=Router(),
    )


async def stuck(llm, n=1):
    for _ in range(n):
        assert await asyncio.to_thread(llm.stuck.acquire, timeout=PROMPT_S)


# async


@pytest.mark.parametrize("options", [DEEP, LOOKUP], ids=["deep", "lookup"])
async def test_whoever_waits_for_an_answer_is_told_that_it_was_closed(tmp_path, options):
    llm = Stuck()
    funnel = a_funnel(tmp_path, llm)
    asking = [asyncio.create_task(funnel.ask(QUESTION, options)) for _ in range(3)]
    await stuck(llm, 3)
    await funnel.close()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in ended] == [FunnelClosed] * 3
    assert str(ended[0]).startswith("This funnel is closed. Build another. Run '")
    assert "\n" not in str(ended[0])


async def test_what_was_paid_for_is_not_paid_for_again(tmp_path):
    memory, llm = Lasting(), Stuck(LOOK)
    funnel = a_funnel(tmp_path, llm, memory)
    asking = asyncio.create_task(funnel.ask(QUESTION, DEEP))
    await stuck(llm)
    await funnel.close()
    with pytest.raises(FunnelClosed) as closed:
        await asking
    again = ScriptedLLM([SUBMIT])
    async with a_funnel(tmp_path, again, memory) as other:
        answer = await other.resume(closed.value.run)
    assert (answer.text, answer.status) == ("14 days [1].", "complete")
    assert answer.usage.model_calls == 3, "one that had ended, one in flight, one anew"


async def test_a_stream_ends_with_the_same_error(tmp_path):
    llm = Stuck(LOOK)
    funnel = a_funnel(tmp_path, llm)
    closing = asyncio.create_task(stuck(llm))
    closing.add_done_callback(lambda _: asyncio.ensure_future(funnel.close()))
    with pytest.raises(FunnelClosed):
        async for _ in funnel.stream(QUESTION, DEEP):
            pass


async def test_who_waits_for_a_free_place_is_told_so_too(tmp_path):
    llm = Stuck()
    funnel = a_funnel(tmp_path, llm, max_parallel=1)
    asking = [asyncio.create_task(funnel.ask(QUESTION, DEEP)) for _ in range(4)]
    await stuck(llm)
    await funnel.close()
    assert {type(each) for each in await asyncio.gather(*asking, return_exceptions=True)} == {FunnelClosed}


async def test_a_closed_funnel_answers_nothing(tmp_path):
    funnel = a_funnel(tmp_path, Stuck())
    await funnel.close()
    await funnel.close()
    for call in (funnel.ask(QUESTION), funnel.resume("r")):
        with pytest.raises(FunnelClosed, match=r"^This funnel is closed\. Build another\.$"):
            await call


async def test_who_is_cancelled_by_its_caller_is_cancelled(tmp_path):
    llm = Stuck()
    async with a_funnel(tmp_path, llm) as funnel:
        asking = asyncio.create_task(funnel.ask(QUESTION, DEEP))
        await stuck(llm)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


def test_a_second_event_loop_is_told_where_the_funnel_belongs(tmp_path):
    funnel = a_funnel(tmp_path, ScriptedLLM([LOOK, SUBMIT, LOOK, SUBMIT]))
    assert asyncio.run(funnel.ask(QUESTION, DEEP)).status == "complete"
    for call in (funnel.ask, funnel.resume, lambda _: funnel.close()):
        with pytest.raises(OtherLoop, match=r"belongs to another event loop, .* use build_sync") as told:
            asyncio.run(call(QUESTION))
        assert "\n" not in str(told.value)


# sync


@pytest.fixture
def threads():
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def sync_funnel(tmp_path, threads):
    made = []

    def make(llm, memory=None, **changed):
        made.append(SyncFunnel(lambda: a_funnel(tmp_path, llm, memory, **changed)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_every_thread_that_asks_is_told_that_it_was_closed(sync_funnel, threads):
    llm = Stuck()
    ready = sync_funnel(llm)
    asking = [threads.submit(ready.ask, QUESTION, DEEP) for _ in range(8)]
    for _ in asking:
        assert llm.stuck.acquire(timeout=PROMPT_S)
    ready.close()
    wait(asking, PROMPT_S)
    assert {type(each.exception(0)) for each in asking} == {FunnelClosed}


def test_threads_that_ask_at_the_moment_of_closing_all_end(sync_funnel, threads):
    for n in range(20):
        ready = sync_funnel(Stuck())
        start = threading.Barrier(9)

        def ask(ready=ready, start=start):
            start.wait()
            return ready.ask(QUESTION, LOOKUP)

        asking = [threads.submit(ask) for _ in range(8)]
        start.wait()
        time.sleep(n / 2_000)
        ready.close()
        wait(asking, PROMPT_S)
        assert {type(each.exception(0)) for each in asking} == {FunnelClosed}


def test_threads_that_close_at_once_all_return(sync_funnel, threads):
    llm = Stuck()
    ready = sync_funnel(llm)
    asking = threads.submit(ready.ask, QUESTION, DEEP)
    assert llm.stuck.acquire(timeout=PROMPT_S)
    closing = [threads.submit(ready.close) for _ in range(4)]
    wait(closing, PROMPT_S)
    assert [each.result(0) for each in closing] == [None] * 4
    assert type(asking.exception(PROMPT_S)) is FunnelClosed


def test_a_thread_that_was_told_can_resume_its_run(sync_funnel, threads, tmp_path):
    memory, llm = Lasting(), Stuck(LOOK)
    ready = sync_funnel(llm, memory)
    asking = threads.submit(ready.ask, QUESTION, DEEP)
    assert llm.stuck.acquire(timeout=PROMPT_S)
    ready.close()
    closed = asking.exception(PROMPT_S)

    async def again():
        async with a_funnel(tmp_path, ScriptedLLM([SUBMIT]), memory) as other:
            return await other.resume(closed.run)

    assert asyncio.run(again()).status == "complete"


def test_who_asks_from_within_an_event_is_told_instead_of_waiting_for_itself(sync_funnel):
    ready = sync_funnel(ScriptedLLM([SUBMIT]))
    told = []

    def on_event(_event):
        for call in (lambda: ready.ask(QUESTION), ready.close):
            try:
                call()
            except OtherLoop as error:
                told.append(str(error))

    assert ready.ask(QUESTION, DEEP, on_event=on_event).status == "complete"
    assert "is called in its own thread" in told[0]
    assert len(told) % 2 == 0


def test_a_forked_process_is_told_instead_of_waiting_for_a_thread_that_it_does_not_have(sync_funnel):
    ready = sync_funnel(ScriptedLLM([]))
    child = os.fork()
    if not child:
        try:
            ready.ask(QUESTION)
        except OtherLoop as error:
            os._exit(7 if "another process" in str(error) else 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
