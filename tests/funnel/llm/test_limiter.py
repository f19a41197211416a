"""Limiters: never more inside than allowed, parties in turn, no place lost to who is cancelled."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from chat_server import Reply

from funnel.llm.base import Message, Request
from funnel.llm.budget import Ledger, Limits
from funnel.llm.limiter import CallQueue, Limiter, queue_of
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.trace.events import Events


async def test_the_slot_of_one_who_is_cancelled_in_the_moment_it_comes_goes_to_the_next():
    slots, done = Limiter(1), []

    async def take(name: str) -> None:
        async with slots:
            done.append(name)

    async with slots:
        first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
        await asyncio.sleep(0)
    first.cancel()  # its turn has come, and it has not run since
    await asyncio.gather(first, second, return_exceptions=True)
    assert done == ["second"]


async def test_who_came_first_is_served_first():
    slots, done = Limiter(2), []

    async def take(number: int) -> None:
        async with slots:
            done.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*map(take, range(50)))
    assert done == list(range(50))


async def test_whatever_is_cancelled_no_more_than_size_are_inside_and_all_slots_come_back():
    chance = random.Random(7)
    slots, inside, most = Limiter(3), 0, 0

    async def take() -> None:
        nonlocal inside, most
        async with slots:
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1

    tasks = [asyncio.create_task(take()) for _ in range(300)]
    while not all(task.done() for task in tasks):
        chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert (most, inside) == (3, 0)
    async with slots, slots, slots:
        waits = asyncio.create_task(take())
        await asyncio.sleep(0)
        assert not waits.done()
    await waits


async def test_a_party_with_one_call_is_served_before_the_ten_thousand_of_another():
    queue, done = CallQueue(), []
    many, one = Limiter(2, queue=queue), Limiter(2, queue=queue)

    async def take(party: Limiter, name: str) -> None:
        async with party:
            done.append(name)
            await asyncio.sleep(0)

    first = [asyncio.create_task(take(many, "many")) for _ in range(10_000)]
    await asyncio.sleep(0)
    last = asyncio.create_task(take(one, "one"))
    await asyncio.gather(*first, last)
    assert done.index("one") < 10


async def test_parties_that_wait_are_served_in_turn():
    queue, done = CallQueue(), []

    async def take(party: Limiter, name: str) -> None:
        async with party:
            done.append(name)

    parties = {name: Limiter(1, queue=queue) for name in "abc"}
    async with parties["a"]:
        tasks = [asyncio.create_task(take(parties[name], name)) for name in "aaabbbccc"]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert "".join(done) == "abcabcabc"


async def test_a_party_that_allows_fewer_waits_longer_and_holds_nobody_up():
    queue = CallQueue()
    narrow, wide = Limiter(1, queue=queue), Limiter(3, queue=queue)
    inside = asyncio.Event()

    async def take(party: Limiter) -> None:
        async with party:
            inside.set()

    async with wide, wide, wide:
        waits = [asyncio.create_task(take(party)) for party in (narrow, wide)]
        await asyncio.sleep(0)
        await wide.__aexit__()
        await asyncio.wait_for(waits[1], 60)
        assert not waits[0].done()
        await wide.__aenter__()
    await asyncio.wait_for(waits[0], 60)


async def cpu_s_to_leave(n: int) -> float:
    """How long `n` who wait take to be cancelled, in CPU seconds of this thread.

    Without the garbage collector, which goes through all that the other tests of this process left.
    """
    limiter = Limiter(1)

    async def take() -> None:
        async with limiter:
            raise AssertionError

    async with limiter:
        tasks = [asyncio.create_task(take()) for _ in range(n)]
        await asyncio.sleep(0)
        gc.collect()
        gc.disable()
        try:
            began = time.thread_time()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            taken = time.thread_time() - began
        finally:
            gc.enable()
    assert not limiter.locked()
    return taken


async def test_leaving_takes_the_same_time_however_many_wait():
    few = min([await cpu_s_to_leave(1_000) for _ in range(5)])
    many = min([await cpu_s_to_leave(10_000) for _ in range(3)])
    assert many < 40 * few  # ten times as many; a hundred times as long if each went through all


def test_event_loops_of_several_threads_share_a_queue():
    queue, inside, most, together = CallQueue(), 0, 0, Barrier(4)

    async def work() -> int:
        nonlocal inside, most
        limiter, served = Limiter(3, queue=queue), 0

        async def take() -> None:
            nonlocal inside, most, served
            async with limiter:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.0005)
                inside -= 1
                served += 1

        together.wait()
        await asyncio.gather(*(take() for _ in range(50)))
        return served

    with ThreadPoolExecutor(4) as threads:
        served = [future.result(120) for future in [threads.submit(asyncio.run, work()) for _ in range(4)]]
    assert served == [50] * 4
    assert most <= 3


def test_what_an_event_loop_held_when_it_was_closed_is_free_again():
    queue = CallQueue()
    ended = asyncio.new_event_loop()
    ended.run_until_complete(Limiter(1, queue=queue).__aenter__())
    ended.close()

    async def take() -> bool:
        async with asyncio.timeout(60), Limiter(1, queue=queue):
            return True

    assert asyncio.run(take())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_process_does_not_wait_for_what_its_parent_has_under_way():
    async def enter() -> None:
        await Limiter(1, queue=queue).__aenter__()

    queue = queue_of("forked")
    asyncio.run(enter())
    pid = os.fork()
    if not pid:
        os._exit(queue.full(1) or queue_of("forked").full(1))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert queue.full(1)


def test_garbage_of_an_ended_loop_frees_no_place_of_another():
    limiter = Limiter(1)

    async def stay() -> None:
        async with limiter:
            await asyncio.Event().wait()

    abandoned, coroutine = asyncio.new_event_loop(), stay()

    async def step() -> None:
        coroutine.send(None)

    abandoned.run_until_complete(step())
    abandoned.close()

    async def collect() -> None:
        async with limiter:
            pass  # the place of the ended loop is free
        coroutine.close()
        async with limiter:
            assert limiter.locked()

    asyncio.run(collect())


def limits_of(*models: Models) -> list[CallQueue]:
    """The queues that the calls of a run of each of them pass."""
    made = [made.meters(Ledger(Limits()), Events("r"))[0] for made in models]
    return [meter._limit._queue for meter in made]


def chat(url: str = "http://one/v1", key: str = "sk-1", model: str = "m") -> Models:
    made = OpenAIChat(model, api_key=key, base_url=url)
    return Models(made, made)


async def test_runs_of_all_funnels_share_the_limit_of_an_endpoint_and_key():
    first, second, other_model = limits_of(chat(), chat("http://one/v1/"), chat(model="n"))
    assert first is second is other_model


async def test_another_key_or_endpoint_has_a_limit_of_its_own():
    assert len(set(limits_of(chat(), chat(key="sk-2"), chat(url="http://two/v1")))) == 3


async def test_no_name_of_an_account_tells_its_key_or_endpoint():
    made = OpenAIChat("m", api_key="sk-secret", base_url="http://user:pass@one/v1?token=hidden")
    assert not any(part in made.account for part in ("secret", "pass", "hidden", "one"))
    assert len(made.account) == 32
    assert int(made.account, 16)


def test_a_queue_that_nobody_uses_any_more_is_let_go():
    assert queue_of("gone").full(0)
    gc.collect()
    from funnel.llm import limiter  # noqa: PLC0415 - its registry is looked at, nothing else

    assert "gone" not in limiter._QUEUES


async def test_runs_of_two_funnels_make_no_more_calls_at_once_than_one_may(chat_server):
    chat_server.default = lambda _body: Reply("ok", delay_s=0.01)
    ask = Request((Message("user", "?"),), "query")
    chats = [OpenAIChat("m", api_key="sk-1", base_url=chat_server.url) for _ in range(2)]
    meters = [
        Models(each, each, max_parallel=3).meters(Ledger(Limits()), Events("r"))[0]
        for each in chats
        for _run in range(2)
    ]
    await asyncio.gather(*(meter.complete(ask, parent=None) for meter in meters * 8))
    assert (chat_server.most_at_once, len(chat_server.seen)) == (3, 32)
    await asyncio.gather(*(each.close() for each in chats))
