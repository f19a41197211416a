"""A memory changed while it is used: nothing is lost, and where it fails the old one stays in use."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hot_memories import N_KEYS, contents, filled, one, open_to_writers
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.errors import SwapFailed
from funnel.memory import InMemory, SqliteMemory, namespace
from funnel.memory.swap.copying import Copied
from funnel.memory.swap.hot_swap import HotSwap
from funnel.testing import FakeClock
from funnel.testing.faulty_memory import FaultyMemory, PeekableMemory, YieldingMemory
from funnel.testing.memory import ELSEWHERE, HERE, MemoryContract


class TestOverInMemory(MemoryContract):
    @pytest.fixture
    def make(self):
        return lambda clock: HotSwap(InMemory(clock=clock))


class TestOverSqlite(MemoryContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda clock: HotSwap(SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite", clock=clock))


# what a swap does


async def test_everything_is_in_the_new_memory_and_the_old_one_is_closed():
    old, new = PeekableMemory(), PeekableMemory()
    hot = await filled(old)
    before = await contents(old)
    assert await hot.swap(new) == Copied(N_KEYS + 2, sum(map(len, before.values())))
    assert await contents(hot) == await contents(new) == before
    assert (old.n_closed, new.n_closed) == (1, 0)
    await hot.put_many(HERE, {"new": b"1"})
    assert "new" in await new.scan(HERE)
    assert await contents(old) == before


async def test_a_url_is_opened_and_used(tmp_path):
    hot = await filled(InMemory())
    before = await contents(hot)
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    await hot.swap(url)
    assert (hot.url, await contents(hot)) == (url, before)
    await hot.close()


async def test_copy_false_starts_empty():
    old, new = PeekableMemory(), PeekableMemory()
    hot = await filled(old)
    assert await hot.swap(new, copy=False) == Copied()
    assert await contents(hot) == {}
    assert len(await contents(old)) == N_KEYS + 2
    assert old.n_closed == 1


async def test_a_swap_of_nothing_is_one_all_the_same():
    hot = HotSwap(PeekableMemory())
    new = PeekableMemory()
    assert await hot.swap(new) == Copied()
    await hot.put_many(HERE, {"a": b"1"})
    assert await new.scan(HERE) == ["a"]


async def test_progress_is_told_to_the_end():
    told: list[Copied] = []
    hot = await filled(InMemory())
    copied = await hot.swap(InMemory(), on_progress=told.append)
    assert told[-1] == copied
    assert [one.keys for one in told] == sorted(one.keys for one in told)


async def test_the_life_that_remains_is_carried_over():
    clock = FakeClock()
    hot = HotSwap(InMemory(clock=clock))
    await hot.put_many(HERE, {"long": b"1"}, ttl_s=1000)
    await hot.put_many(HERE, {"short": b"1"}, ttl_s=910.25)
    await hot.put_many(HERE, {"stays": b"1"})
    clock.passes(900)
    await hot.swap(InMemory(clock=clock))
    lives = {key: entry.ttl_s for key, entry in (await hot.get_entries(HERE, await hot.scan(HERE))).items()}
    assert lives == {"long": 100, "short": pytest.approx(10.25, abs=0.001), "stays": None}
    clock.passes(101)
    assert await hot.scan(HERE) == ["stays"]


@pytest.mark.parametrize("ttl_s", [0.0001, 0.3, 1.9])
async def test_a_value_whose_life_ends_during_the_copy_does_not_fail_it(ttl_s):
    clock = FakeClock()
    old, new = FaultyMemory(clock=clock), FaultyMemory(clock=clock)
    hot = HotSwap(old)
    await hot.put_many(HERE, {"a": b"1"}, ttl_s=ttl_s)

    async def late(_n, name):
        clock.passes(ttl_s * (name == "put_many"))

    new.during = late
    await hot.swap(new)
    clock.passes(ttl_s)
    assert await hot.scan(HERE) == []


async def test_a_value_may_end_a_little_earlier_in_the_new_memory():
    """Some servers count whole seconds only."""
    clock = FakeClock()
    hot, new = HotSwap(InMemory()), FaultyMemory(clock=clock)
    await hot.put_many(HERE, {"a": b"1"}, ttl_s=1.5)

    async def fast(_n, name):
        clock.passes(1.5 * (name == "get_many"))

    new.during = fast
    await hot.swap(new)


async def test_a_value_that_ends_much_too_early_is_not_kept():
    clock = FakeClock()
    hot, new = HotSwap(InMemory()), FaultyMemory(clock=clock)
    await hot.put_many(HERE, {"a": b"1"}, ttl_s=30)

    async def fast(_n, name):
        clock.passes(30 * (name == "get_many"))

    new.during = fast
    with pytest.raises(SwapFailed, match="it did not keep tenant/run/1 'a'"):
        await hot.swap(new)


# work that goes on meanwhile


async def test_what_is_written_during_the_copy_is_there_afterwards():
    old, new, last = PeekableMemory(), FaultyMemory(), []
    hot = await filled(old)

    async def at_work(n, _name):
        if open_to_writers(hot):
            last.append(n)
            await hot.put_many(HERE, {f"new {n}": b"%d" % n, "05": b"changed"})
            await hot.delete_many(HERE, ["00", f"{n:02}"])
            expected = b"%d" % (n - 1) if n > 1 else None
            assert await hot.compare_and_set(HERE, "n", expected=expected, value=b"%d" % n)

    new.during = at_work
    await hot.swap(new)
    new.during = None
    assert await contents(new) == await contents(old)
    assert len(last) > 10
    assert await one(hot, HERE, "n") == b"%d" % last[-1]
    assert hot.url == "faulty://there"


async def test_a_namespace_that_is_emptied_during_the_copy_is_gone():
    old, new = PeekableMemory(), FaultyMemory()
    hot = await filled(old)

    async def emptied(n, name):
        if name == "put_many":
            new.during = None
            await hot.delete_many(HERE, await hot.scan(HERE))

    new.during = emptied
    await hot.swap(new)
    assert await hot.namespaces() == [ELSEWHERE]


async def test_a_write_that_is_under_way_at_the_switch_is_waited_for():
    old, new = FaultyMemory(), FaultyMemory()
    hot = await filled(old)
    inside, free = asyncio.Event(), asyncio.Event()

    async def slow(_n, name):
        if name == "put_many":
            inside.set()
            await free.wait()

    old.during = slow
    writing = asyncio.create_task(hot.put_many(HERE, {"late": b"1"}))
    await inside.wait()
    swapping = asyncio.create_task(hot.swap(new))
    for _ in range(200):
        await asyncio.sleep(0)
    assert not swapping.done()
    free.set()
    await asyncio.gather(writing, swapping)
    assert await hot.get_many(HERE, ["late"]) == {"late": b"1"}


async def test_reads_go_on_while_writes_wait_for_the_switch():
    old, new = PeekableMemory(), FaultyMemory()
    hot = await filled(old)
    in_pause, free = asyncio.Event(), asyncio.Event()

    class Slow:
        async def leave(self, _old, _url):
            in_pause.set()
            await free.wait()

        async def stay(self, _old): ...

    hot.residents.add(Slow())
    swapping = asyncio.create_task(hot.swap(new))
    await in_pause.wait()
    writing = asyncio.create_task(hot.put_many(HERE, {"05": b"later"}))
    assert await hot.get_many(HERE, ["05"]) == {"05": b"value 5"}
    assert not writing.done()
    free.set()
    await asyncio.gather(swapping, writing)
    assert await hot.get_many(HERE, ["05"]) == {"05": b"later"}
    assert await old.get_many(HERE, ["05"]) == {"05": b"value 5"}


async def test_the_old_memory_is_closed_when_the_last_reader_has_come_out():
    old, new = FaultyMemory(), PeekableMemory()
    hot = await filled(old)
    inside, free = asyncio.Event(), asyncio.Event()

    async def slow(_n, name):
        if name == "get_many":
            inside.set()
            await free.wait()

    old.during = slow
    reading = asyncio.create_task(hot.get_many(HERE, ["05"]))
    await inside.wait()
    swapping = asyncio.create_task(hot.swap(new))
    while hot.url != "memory://":  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0)
    await hot.put_many(HERE, {"05": b"later"})
    assert old.n_closed == 0
    free.set()
    assert await reading == {"05": b"value 5"}
    await swapping
    assert old.n_closed == 1


TASKS, STEPS = 4, 25
SOON_S = 100.0


class Worker:
    """Does what chance says with keys of its own, and knows what they must hold."""

    def __init__(self, name, hot, random):
        self.hot, self.random = hot, random
        self.where, self.name = namespace("t", "run", str(name % 2)), name
        self.mine: dict[str, bytes] = {}
        self.n_counted = 0

    async def work(self):
        steps = [self.put, self.delete, self.put_with_an_end, self.replace, self.count]
        for step in range(STEPS):
            await self.random.choice(steps)(f"{self.name}/{self.random.randrange(6)}", b"%d" % step)
            for key, value in self.mine.items():
                assert await one(self.hot, self.where, key) == value, step

    async def put(self, key, value):
        await self.hot.put_many(self.where, {key: value, key + "x": value})
        self.mine |= {key: value, key + "x": value}

    async def delete(self, key, _value):
        await self.hot.delete_many(self.where, [key])
        self.mine.pop(key, None)

    async def put_with_an_end(self, key, value):
        ttl_s = self.random.choice([5.0, 1_000_000.0])
        await self.hot.put_many(self.where, {key: value}, ttl_s=ttl_s)
        self.mine.pop(key, None)
        self.mine |= {key: value} if ttl_s > SOON_S else {}

    async def replace(self, key, value):
        held = await one(self.hot, self.where, key)
        assert await self.hot.compare_and_set(self.where, key, expected=held, value=value)
        self.mine[key] = value

    async def count(self, _key, _value):
        seen = await one(self.hot, HERE, "count")
        counted = b"%d" % (int(seen or b"0") + 1)
        self.n_counted += await self.hot.compare_and_set(HERE, "count", expected=seen, value=counted)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_the_order_everybody_reads_what_was_written_last(seed):
    """Tasks write, delete and read keys of their own and count together, while one swap follows another."""

    async def schedule():
        random, clock = Random(seed), FakeClock()
        memories = [YieldingMemory(random, clock=clock) for _ in range(4)]
        hot = HotSwap(memories[0])
        workers = [Worker(name, hot, random) for name in range(TASKS)]

        async def swap():
            for memory in memories[1:]:
                await hot.swap(memory)

        await asyncio.gather(swap(), *(worker.work() for worker in workers))
        clock.passes(SOON_S)
        expected = {(worker.where, key): value for worker in workers for key, value in worker.mine.items()}
        n_counted = sum(worker.n_counted for worker in workers)
        assert await contents(hot) == expected | ({(HERE, "count"): b"%d" % n_counted} if n_counted else {})

    asyncio.run(schedule())
