"""Swaps that fail: at every operation of either memory, when they are cancelled, when they are closed."""

from __future__ import annotations

import asyncio
import logging
from itertools import count

import pytest
from event_loops import virtual_time
from hot_memories import N_KEYS, contents, filled, one, open_to_writers

from funnel.errors import MemoryFailed, SwapFailed
from funnel.memory import InMemory, namespace
from funnel.memory.swap.copying import Copied, compare
from funnel.testing import faulty_memory as faulty
from funnel.testing.faulty_memory import FaultyMemory, PeekableMemory
from funnel.testing.memory import HERE


async def test_two_swaps_at_once_are_refused():
    hot = await filled(PeekableMemory())
    new, other = FaultyMemory(), PeekableMemory()
    said = []

    async def another(_n, _name):
        if not said:
            said.append("")
            with pytest.raises(SwapFailed, match="another swap is under way") as failed:
                await hot.swap(other)
            said[0] = str(failed.value)

    new.during = another
    await hot.swap(new)
    assert said[0].startswith("Memory memory://: it stays in use")
    assert await contents(other) == {}


@pytest.mark.parametrize("copy", [True, False])
async def test_a_target_that_holds_a_namespace_of_ours_is_refused_and_left_as_it_is(copy):
    hot, new = await filled(PeekableMemory()), PeekableMemory()
    await new.put_many(HERE, {"05": b"theirs"})
    with pytest.raises(SwapFailed, match=r"holds tenant/run/1 already\. Name an empty"):
        await hot.swap(new, copy=copy)
    assert await contents(new) == {(HERE, "05"): b"theirs"}
    assert len(await contents(hot)) == N_KEYS + 2


async def test_what_others_have_in_the_target_stays_there():
    theirs = namespace("other", "run", "1")
    hot, new = await filled(PeekableMemory()), FaultyMemory(faulty.raises, at=12)
    await PeekableMemory.put_many(new, theirs, {"a": b"1"})
    new.n = 0
    with pytest.raises(SwapFailed):
        await hot.swap(new)
    assert await contents(new) == {(theirs, "a"): b"1"}


async def test_somebody_who_writes_to_the_new_memory_meanwhile_is_noticed():
    hot, new = await filled(PeekableMemory()), FaultyMemory()

    async def intrude(_n, name):
        if name == "get_many":
            new.during = None
            await PeekableMemory.put_many(new, HERE, {"theirs": b"1"})

    async def intrude_at_once(_n, name):
        if name == "put_many":
            new.during = intrude
            await InMemory.put_many(new, HERE, {"theirs": b"1"})

    new.during = intrude_at_once
    with pytest.raises(SwapFailed, match="somebody else writes to it: tenant/run/1 'theirs'"):
        await hot.swap(new)


@pytest.mark.parametrize("copy", [True, False])
async def test_a_memory_is_not_changed_for_itself(copy):
    old = PeekableMemory()
    hot = await filled(old)
    with pytest.raises(SwapFailed, match="changed for itself"):
        await hot.swap(old, copy=copy)
    assert old.n_closed == 0


@pytest.mark.parametrize("url", ["reddis://user:hunter2@there", "sqlite:", "memory://x"])
async def test_a_url_that_does_not_open_is_said_in_one_line(url):
    hot = await filled(PeekableMemory())
    with pytest.raises(SwapFailed) as failed:
        await hot.swap(url)
    assert "\n" not in str(failed.value)
    assert "hunter2" not in str(failed.value)
    assert not str(failed.value).endswith("..")
    assert len(await contents(hot)) == N_KEYS + 2


def busy(hot):
    """Writes that go on as long as the first operations of the new memory."""

    async def during(n, _name):
        if n <= 8 and open_to_writers(hot):
            await hot.put_many(
                HERE, {f"new {n}": b"%d" % n, **{f"{i:02}": b"%d" % n for i in range(n, N_KEYS)}}
            )
            await hot.delete_many(HERE, [f"{n:02}"])

    return during


@pytest.mark.parametrize(
    "fault",
    [
        faulty.raises,
        faulty.raises_afterwards,
        faulty.breaks,
        faulty.hangs,
        faulty.corrupts,
        faulty.loses,
        faulty.forgets,
    ],
)
@virtual_time
async def test_a_target_that_fails_at_any_operation_leaves_all_as_it_was(fault):
    """A fault that does no harm, such as a lost deletion of what was never there, does none."""
    n_failed = 0
    for at in count(1):
        new = FaultyMemory(fault, at)
        hot = await filled(PeekableMemory(), patience_s=0.02)
        new.during = busy(hot)
        error = await failure(hot.swap(new))
        if error is None and new.n < at:
            break
        if error is not None:
            n_failed += 1
            said = (
                "RuntimeError: a bug of the plug-in" if fault is faulty.breaks else "Memory faulty://there: "
            )
            assert said in f"{type(error).__name__}: {error}", at
            assert isinstance(error, RuntimeError) or "Memory memory://: it stays in use" in str(error)
            assert hot.url == "memory://"
            assert await contents(new) == {}, at
        assert len(await contents(hot)) >= N_KEYS
        await hot.put_many(HERE, {"and": b"on"})
        assert await one(hot, HERE, "and") == b"on"
    assert n_failed > 5, at


async def failure(work):
    """The error that it ended in, if any."""
    [found] = await asyncio.gather(work, return_exceptions=True)
    return found if isinstance(found, BaseException) else None


async def test_what_a_fault_did_not_harm_is_all_there():
    """After a swap that went through in spite of a fault, both memories are the same."""
    for fault in (faulty.corrupts, faulty.loses, faulty.forgets):
        for at in range(1, 60):
            old, new = PeekableMemory(), FaultyMemory(fault, at)
            hot = await filled(old)
            new.during = busy(hot)
            if await failure(hot.swap(new)) is None:
                new.at = 0
                assert (await compare(old, new)).none, (fault, at)


@virtual_time
async def test_a_source_that_fails_at_any_operation_leaves_all_as_it_was():
    for fault in (faulty.raises, faulty.hangs, faulty.breaks):
        for at in count(1):
            old, new = FaultyMemory(url="faulty://here"), PeekableMemory()
            hot = await filled(old, patience_s=0.02)
            old.fault, old.at, old.n = fault, at, 0
            if await failure(hot.swap(new)) is None:
                assert old.n < at
                break
            assert await contents(new) == {}, at
            assert (hot.url, old.n_closed) == ("faulty://here", 0)
            old.at = 0
            assert len(await contents(hot)) == N_KEYS + 2
        assert at > 8


@virtual_time
async def test_a_write_that_hangs_in_the_old_memory_ends_the_swap_and_not_the_work():
    old, new = FaultyMemory(), PeekableMemory()
    hot = await filled(old, patience_s=0.02)
    old.fault, old.at, old.n = faulty.hangs, 1, 0
    hanging = asyncio.create_task(hot.put_many(HERE, {"hangs": b"1"}))
    await asyncio.sleep(0)
    with pytest.raises(SwapFailed, match=r"no answer within 0\.02 s"):
        await hot.swap(new)
    await hot.put_many(HERE, {"and": b"on"})
    assert await one(hot, HERE, "and") == b"on"
    assert await contents(new) == {}
    hanging.cancel()


async def test_a_swap_that_is_cancelled_at_any_operation_leaves_all_as_it_was():
    for at in count(1):
        new = FaultyMemory(faulty.comes_late, at)
        hot = await filled(PeekableMemory())

        swapping = asyncio.create_task(hot.swap(new))

        async def stop(n, _name, at=at, swapping=swapping):
            if n == at:
                asyncio.get_running_loop().call_soon(swapping.cancel)

        new.during = stop
        if await asyncio.gather(swapping, return_exceptions=True) == [Copied(42, 311)]:
            break
        assert swapping.cancelled()
        for _ in range(100):
            await asyncio.sleep(0)
        assert await contents(new) == {}, at
        assert (hot.url, len(await contents(hot))) == ("memory://", N_KEYS + 2)
        await hot.put_many(HERE, {"and": b"on"})
        await hot.swap(PeekableMemory())
    assert at > 8


async def test_a_swap_that_is_cancelled_after_the_switch_has_swapped():
    old, new = FaultyMemory(), PeekableMemory()
    hot = await filled(old)
    free = asyncio.Event()

    async def slow(_n, name):
        if name == "get_many":
            await free.wait()

    old.during = slow
    reading = asyncio.create_task(hot.get_many(HERE, ["05"]))
    await asyncio.sleep(0)
    swapping = asyncio.create_task(hot.swap(new))
    while hot._held.memory is not new:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    swapping.cancel()
    await asyncio.gather(swapping, return_exceptions=True)
    assert (old.n_closed, len(await contents(hot))) == (0, N_KEYS + 2)
    free.set()
    assert await reading == {"05": b"value 5"}
    await hot.close()
    assert (old.n_closed, new.n_closed > 0) == (1, True)


async def test_closing_at_any_operation_of_a_swap_ends_it_and_closes_both(tmp_path):
    for at in count(1):
        old, new = InMemory(), FaultyMemory(url="faulty://there")
        hot = await filled(old)
        closing = []

        async def close(n, _name, at=at, closing=closing, hot=hot):
            if n == at:
                closing.append(asyncio.create_task(hot.close()))
                await asyncio.sleep(0)

        new.during = close
        if await failure(hot.swap(new)) is None:
            break
        assert await contents(new) == {}, at
        await asyncio.gather(*closing)
        with pytest.raises(MemoryFailed, match="closed"):
            await hot.scan(HERE)
        with pytest.raises(MemoryFailed, match="closed"):
            await hot.swap(PeekableMemory(), copy=False)
    assert at > 8


async def test_a_target_that_was_opened_here_is_closed_when_the_swap_fails(tmp_path, monkeypatch):
    opened = []

    def tell(url):
        opened.append(FaultyMemory(faulty.raises, at=7))
        return opened[-1]

    monkeypatch.setattr("funnel.memory.open_memory", tell)
    hot = await filled(PeekableMemory())
    with pytest.raises(SwapFailed, match=r"the disk is full\.$"):
        await hot.swap("faulty://there")
    assert [memory.n_closed for memory in opened] == [1]


async def test_taking_out_is_tried_twice():
    hot, new = await filled(PeekableMemory()), FaultyMemory(faulty.raises, at=9)

    async def again(n, name):
        if n > 9:
            new.at, new.during = n, None

    new.during = again
    with pytest.raises(SwapFailed):
        await hot.swap(new)
    assert await contents(new) == {}


async def test_what_cannot_be_taken_out_again_is_logged(caplog):
    class Stuck(FaultyMemory):
        async def delete_many(self, where, keys):
            raise MemoryFailed(self.url, "it is read-only now.")

    hot, new = await filled(PeekableMemory()), Stuck(faulty.raises, at=9)
    with caplog.at_level(logging.WARNING), pytest.raises(SwapFailed, match="the disk is full"):
        await hot.swap(new)
    assert "could not be deleted again: Memory faulty://there: it is read-only now." in caplog.text


# who lives there


class Told:
    def __init__(self, *, fails=False):
        self.said, self.fails = [], fails

    async def leave(self, old, url):
        self.said.append(("leave", old.url, url))
        if self.fails:
            raise MemoryFailed(old.url, "the disk is full.")

    async def stay(self, old):
        self.said.append(("stay", old.url))


async def test_residents_hear_of_a_move_before_the_switch():
    hot, resident = await filled(PeekableMemory()), Told()
    hot.residents.add(resident)
    await hot.swap(FaultyMemory())
    assert resident.said == [("leave", "memory://", "faulty://there")]


async def test_residents_hear_that_a_move_came_to_nothing():
    hot = await filled(PeekableMemory())
    residents = [Told(), Told(fails=True)]
    hot.residents.update(residents)
    with pytest.raises(SwapFailed, match="the disk is full"):
        await hot.swap(FaultyMemory())
    assert all(one.said[-1:] in ([("stay", "memory://")], []) for one in residents)
    assert residents[1].said == [("leave", "memory://", "faulty://there"), ("stay", "memory://")]
    assert hot.url == "memory://"
