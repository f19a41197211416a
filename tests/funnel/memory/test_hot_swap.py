"""A memory changed while it is used: nothing is lost, and where it fails the old one stays in use."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from random import Random

import faulty_memory as faulty
import pytest
from contracts.memory import ELSEWHERE, HERE, Clock, MemoryContract
from faulty_memory import Faulty, Lasting, TakingTurns
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.errors import MemoryFailed, SwapFailed
from funnel.memory import InMemory, SqliteMemory, namespace
from funnel.memory.copying import Copied, compare
from funnel.memory.hot_swap import FEW, HotSwap


class TestOverInMemory(MemoryContract):
    @pytest.fixture
    def make(self):
        return lambda clock: HotSwap(InMemory(clock=clock))


class TestOverSqlite(MemoryContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda clock: HotSwap(SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite", clock=clock))


async def contents(memory):
    """Everything, by namespace and key."""
    return {
        (where, key): value
        for where in await memory.namespaces()
        for key, value in (await memory.get_many(where, await memory.scan(where))).items()
    }


N_KEYS = 40


async def filled(memory, **options):
    """A hot memory over this one, with some values in it."""
    hot = HotSwap(memory, **options)
    await hot.put_many(HERE, {f"{n:02}": b"value %d" % n for n in range(N_KEYS)})
    await hot.put_many(ELSEWHERE, {"é/\ud800": b"\x00", "empty": b""})
    return hot


# what a swap does


async def test_everything_is_in_the_new_memory_and_the_old_one_is_closed():
    old, new = Lasting(), Lasting()
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
    old, new = Lasting(), Lasting()
    hot = await filled(old)
    assert await hot.swap(new, copy=False) == Copied()
    assert await contents(hot) == {}
    assert len(await contents(old)) == N_KEYS + 2
    assert old.n_closed == 1


async def test_a_swap_of_nothing_is_one_all_the_same():
    hot = HotSwap(Lasting())
    new = Lasting()
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
    clock = Clock()
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
    clock = Clock()
    old, new = Faulty(clock=clock), Faulty(clock=clock)
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
    clock = Clock()
    hot, new = HotSwap(InMemory()), Faulty(clock=clock)
    await hot.put_many(HERE, {"a": b"1"}, ttl_s=1.5)

    async def fast(_n, name):
        clock.passes(1.5 * (name == "get_many"))

    new.during = fast
    await hot.swap(new)


async def test_a_value_that_ends_much_too_early_is_not_kept():
    clock = Clock()
    hot, new = HotSwap(InMemory()), Faulty(clock=clock)
    await hot.put_many(HERE, {"a": b"1"}, ttl_s=30)

    async def fast(_n, name):
        clock.passes(30 * (name == "get_many"))

    new.during = fast
    with pytest.raises(SwapFailed, match="it did not keep tenant/run/1 'a'"):
        await hot.swap(new)


# work that goes on meanwhile


def open_to_writers(hot):
    """Who waits for it inside of what the swap itself does would wait for ever."""
    return hot._open_to_writers.is_set()


async def test_what_is_written_during_the_copy_is_there_afterwards():
    old, new, last = Lasting(), Faulty(), []
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
    old, new = Lasting(), Faulty()
    hot = await filled(old)

    async def emptied(n, name):
        if name == "put_many":
            new.during = None
            await hot.delete_many(HERE, await hot.scan(HERE))

    new.during = emptied
    await hot.swap(new)
    assert await hot.namespaces() == [ELSEWHERE]


async def test_a_write_that_is_under_way_at_the_switch_is_waited_for():
    old, new = Faulty(), Faulty()
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
    old, new = Lasting(), Faulty()
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
    old, new = Faulty(), Lasting()
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


def test_more_writes_than_a_pause_allows_are_copied_before_it():
    assert N_KEYS > FEW


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
        random, clock = Random(seed), Clock()
        memories = [TakingTurns(random, clock=clock) for _ in range(4)]
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


async def one(memory, where, key):
    return (await memory.get_many(where, [key])).get(key)


# what goes wrong


async def test_two_swaps_at_once_are_refused():
    hot = await filled(Lasting())
    new, other = Faulty(), Lasting()
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
    hot, new = await filled(Lasting()), Lasting()
    await new.put_many(HERE, {"05": b"theirs"})
    with pytest.raises(SwapFailed, match=r"holds tenant/run/1 already\. Name an empty"):
        await hot.swap(new, copy=copy)
    assert await contents(new) == {(HERE, "05"): b"theirs"}
    assert len(await contents(hot)) == N_KEYS + 2


async def test_what_others_have_in_the_target_stays_there():
    theirs = namespace("other", "run", "1")
    hot, new = await filled(Lasting()), Faulty(faulty.raises, at=12)
    await Lasting.put_many(new, theirs, {"a": b"1"})
    new.n = 0
    with pytest.raises(SwapFailed):
        await hot.swap(new)
    assert await contents(new) == {(theirs, "a"): b"1"}


async def test_somebody_who_writes_to_the_new_memory_meanwhile_is_noticed():
    hot, new = await filled(Lasting()), Faulty()

    async def intrude(_n, name):
        if name == "get_many":
            new.during = None
            await Lasting.put_many(new, HERE, {"theirs": b"1"})

    async def intrude_at_once(_n, name):
        if name == "put_many":
            new.during = intrude
            await InMemory.put_many(new, HERE, {"theirs": b"1"})

    new.during = intrude_at_once
    with pytest.raises(SwapFailed, match="somebody else writes to it: tenant/run/1 'theirs'"):
        await hot.swap(new)


@pytest.mark.parametrize("copy", [True, False])
async def test_a_memory_is_not_changed_for_itself(copy):
    old = Lasting()
    hot = await filled(old)
    with pytest.raises(SwapFailed, match="changed for itself"):
        await hot.swap(old, copy=copy)
    assert old.n_closed == 0


@pytest.mark.parametrize("url", ["reddis://user:hunter2@there", "sqlite:", "memory://x"])
async def test_a_url_that_does_not_open_is_said_in_one_line(url):
    hot = await filled(Lasting())
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
async def test_a_target_that_fails_at_any_operation_leaves_all_as_it_was(fault):
    """A fault that does no harm, such as a lost deletion of what was never there, does none."""
    n_failed = 0
    for at in count(1):
        new = Faulty(fault, at)
        hot = await filled(Lasting(), patience_s=0.02)
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
            old, new = Lasting(), Faulty(fault, at)
            hot = await filled(old)
            new.during = busy(hot)
            if await failure(hot.swap(new)) is None:
                new.at = 0
                assert (await compare(old, new)).none, (fault, at)


async def test_a_source_that_fails_at_any_operation_leaves_all_as_it_was():
    for fault in (faulty.raises, faulty.hangs, faulty.breaks):
        for at in count(1):
            old, new = Faulty(url="faulty://here"), Lasting()
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


async def test_a_write_that_hangs_in_the_old_memory_ends_the_swap_and_not_the_work():
    old, new = Faulty(), Lasting()
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
        new = Faulty(faulty.comes_late, at)
        hot = await filled(Lasting())

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
        await hot.swap(Lasting())
    assert at > 8


async def test_a_swap_that_is_cancelled_after_the_switch_has_swapped():
    old, new = Faulty(), Lasting()
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
        old, new = InMemory(), Faulty(url="faulty://there")
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
            await hot.swap(Lasting(), copy=False)
    assert at > 8


async def test_a_target_that_was_opened_here_is_closed_when_the_swap_fails(tmp_path, monkeypatch):
    opened = []

    def tell(url):
        opened.append(Faulty(faulty.raises, at=7))
        return opened[-1]

    monkeypatch.setattr("funnel.memory.open_memory", tell)
    hot = await filled(Lasting())
    with pytest.raises(SwapFailed, match=r"the disk is full\.$"):
        await hot.swap("faulty://there")
    assert [memory.n_closed for memory in opened] == [1]


async def test_taking_out_is_tried_twice():
    hot, new = await filled(Lasting()), Faulty(faulty.raises, at=9)

    async def again(n, name):
        if n > 9:
            new.at, new.during = n, None

    new.during = again
    with pytest.raises(SwapFailed):
        await hot.swap(new)
    assert await contents(new) == {}


async def test_what_cannot_be_taken_out_again_is_logged(caplog):
    class Stuck(Faulty):
        async def delete_many(self, where, keys):
            raise MemoryFailed(self.url, "it is read-only now.")

    hot, new = await filled(Lasting()), Stuck(faulty.raises, at=9)
    with caplog.at_level(logging.WARNING), pytest.raises(SwapFailed, match="the disk is full"):
        await hot.swap(new)
    assert "could not be taken out again: Memory faulty://there: it is read-only now." in caplog.text


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
    hot, resident = await filled(Lasting()), Told()
    hot.residents.add(resident)
    await hot.swap(Faulty())
    assert resident.said == [("leave", "memory://", "faulty://there")]


async def test_residents_hear_that_a_move_came_to_nothing():
    hot = await filled(Lasting())
    residents = [Told(), Told(fails=True)]
    hot.residents.update(residents)
    with pytest.raises(SwapFailed, match="the disk is full"):
        await hot.swap(Faulty())
    assert all(one.said[-1:] in ([("stay", "memory://")], []) for one in residents)
    assert residents[1].said == [("leave", "memory://", "faulty://there"), ("stay", "memory://")]
    assert hot.url == "memory://"
