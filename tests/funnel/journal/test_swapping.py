"""Whoever asks for the swap of a run hears how it went, whatever becomes of the run and of the new memory."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from test_housekeeping import RECORD

from funnel.asker import LOCAL_OWNER
from funnel.errors import MemoryFailed, RunUnknown, SwapFailed
from funnel.journal import Journal, lease, swapping
from funnel.journal.journal import MOVED
from funnel.journal.swapping import REPLY, REQUEST, Mailbox, request_swap
from funnel.memory import InMemory, namespace
from funnel.memory.swap.hot_swap import HotSwap

RUN = namespace("local", "run", "r")
THERE = "there://user:hunter2@host"


class Shared(InMemory):
    """As two processes see it, one of which closes it."""

    async def close(self): ...


class There(Shared):
    url = "there://host"


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(swapping, "EVERY_S", 0.01)


@pytest.fixture
def opened(monkeypatch):
    """What the URL of the request opens."""

    def use(memory):
        def open_memory(url):
            assert url == THERE
            if isinstance(memory, BaseException):
                raise memory
            return memory

        monkeypatch.setattr("funnel.memory.open_memory", open_memory)
        return memory

    return use


@asynccontextmanager
async def working(memory, name="r"):
    """A run, as a process works on it."""
    async with Journal(memory, name, asker=LOCAL_OWNER) as journal:
        await journal.begin(replace(RECORD, run=name))
        async with Mailbox(memory, name, ttl_s=1000, every_s=0.01, asker=LOCAL_OWNER):
            yield journal


async def test_a_swap_is_answered_and_word_is_left_and_no_request_with_it(opened):
    old, new = Shared(), opened(There())
    async with working(HotSwap(old)):
        assert await request_swap(old, "r", THERE, asker=LOCAL_OWNER) == "there://host"
        assert json.loads((await old.get_many(RUN, [MOVED]))[MOVED]) == "there://host"
        assert 900 < (await old.get_entries(RUN, [MOVED]))[MOVED].ttl_s <= 1000
        kept = [*await new.scan(RUN), *await old.scan(RUN)]
        assert REQUEST not in kept
        assert not {MOVED, REPLY} & set(await new.scan(RUN))
    with pytest.raises(RunUnknown, match="it has moved to there://host"):
        await request_swap(old, "r", THERE, asker=LOCAL_OWNER)


async def test_every_run_of_the_process_leaves_word(opened):
    old = Shared()
    opened(There())
    hot = HotSwap(old)
    async with working(hot), working(hot, "other"):
        await request_swap(old, "r", THERE, asker=LOCAL_OWNER)
    for name in ("r", "other"):
        with pytest.raises(RunUnknown, match="moved"):
            await Journal(old, name, asker=LOCAL_OWNER).record()


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (MemoryFailed("there:", "it is full."), "Memory there:: it is full"),
        (RuntimeError("hunter2"), "RuntimeError in the new memory"),
    ],
)
async def test_a_memory_that_does_not_open_is_told_and_the_run_takes_the_next_request(opened, fails, said):
    old = Shared()
    opened(fails)
    async with working(HotSwap(old)):
        with pytest.raises(SwapFailed) as failed:
            await request_swap(old, "r", THERE, asker=LOCAL_OWNER)
        assert str(failed.value) == f"Memory memory://: it stays in use, the swap failed: {said}."
        opened(There())
        assert await request_swap(old, "r", THERE, asker=LOCAL_OWNER) == "there://host"


async def test_a_run_that_ends_during_the_copy_says_so(opened):
    class Slow(There):
        async def put_many(self, where, items, *, ttl_s=None):
            copying.set()
            await asyncio.sleep(0.01)
            await super().put_many(where, items, ttl_s=ttl_s)

    old, copying = Shared(), asyncio.Event()
    new = opened(Slow())
    async with working(HotSwap(old)) as journal:
        for n in range(100):
            await old.put_many(namespace("local", "document", str(n), "1"), {"k": b"1"})
        asking = asyncio.create_task(request_swap(old, "r", THERE, asker=LOCAL_OWNER))
        await copying.wait()
    with pytest.raises(SwapFailed, match="the run ended meanwhile"):
        await asking
    assert await new.namespaces() == []
    assert (await journal.record()).run == "r"


async def test_a_run_that_has_ended_is_not_waited_for():
    old = Shared()
    async with working(HotSwap(old)):
        pass
    with pytest.raises(SwapFailed, match="nobody works on run 'r' now"):
        await request_swap(old, "r", THERE, asker=LOCAL_OWNER)
    assert REQUEST not in await old.scan(RUN)


async def test_a_run_that_gives_no_word_is_not_waited_for_for_ever():
    old = Shared()
    async with Journal(old, "r", asker=LOCAL_OWNER) as journal:
        await journal.begin(RECORD)
        with pytest.raises(SwapFailed, match=r"did not reply within 0\.05 s"):
            await request_swap(old, "r", THERE, timeout_s=0.05, asker=LOCAL_OWNER)


def test_a_holder_that_is_not_heard_of_for_two_leases_is_gone():
    now = [0.0]
    watch = lease.Watch(clock=lambda: now[0])
    held = b'{"pid": 1, "machine": "another", "count": %d}'
    assert watch.alive(held % 1)
    now[0] = 29.0
    assert watch.alive(held % 1)
    assert watch.alive(held % 2)
    now[0] = 58.0
    assert watch.alive(held % 2)
    now[0] = 59.0
    assert not watch.alive(held % 2)
    assert not watch.alive(None)
