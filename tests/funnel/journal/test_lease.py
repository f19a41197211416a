"""Who works on a run: one at a time, whatever the clocks say, and nobody waits for the dead."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from event_loops import loop_time, virtual_time

from funnel import holder
from funnel.errors import MemoryFailed, RunLost, RunTaken
from funnel.journal.lease import KEY, Lease
from funnel.memory import InMemory, namespace

HERE = namespace("local", "run", "r")
TTL_S = 15.0

pytestmark = virtual_time


def a_lease(memory, **changed) -> Lease:
    return Lease(memory, HERE, "r", **{"ttl_s": TTL_S, "clock": loop_time, **changed})


async def value(memory) -> dict:
    return json.loads((await memory.get_many(HERE, [KEY]))[KEY])


async def beats(memory, n: int) -> None:
    """Wait until the holder has been heard of so often."""
    before = (await value(memory))["count"]
    while (await value(memory))["count"] < before + n:  # noqa: ASYNC110 - a memory tells nobody of a change
        await asyncio.sleep(TTL_S / 20)


@pytest.fixture
def memory():
    return InMemory()


def dead(*, buried: bool) -> Iterator[int]:
    """The number of a process that has ended; where it is not buried, its parent has not looked yet."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if buried:
        process.wait()
    yield process.pid
    process.wait()


@pytest.fixture(params=[True, False], ids=["buried", "not yet buried"])
def dead_pid(request):
    yield from dead(buried=request.param)


async def test_the_first_takes_it_at_once_and_begins_life_0(memory):
    lease = a_lease(memory)
    assert await lease.take() == 0
    await lease.check()
    await lease.release()


async def test_each_that_takes_it_begins_a_life_of_its_own(memory):
    lives = []
    for _ in range(4):
        lease = a_lease(memory)
        lives.append(await lease.take())
        await lease.release()
    assert lives == [0, 1, 2, 3]


async def test_who_holds_it_is_named_to_who_wants_it(memory):
    first = a_lease(memory)
    await first.take()
    with pytest.raises(RunTaken, match=rf"process {os.getpid()} on this machine"):
        await a_lease(memory).take()
    await first.check()
    await first.release()


async def test_it_is_renewed_for_as_long_as_it_is_held(memory):
    first = a_lease(memory)
    await first.take()
    await beats(memory, 3)
    await first.check()
    await first.release()


async def test_who_waits_has_it_as_soon_as_it_is_let_go(memory):
    first, second = a_lease(memory, ttl_s=30.0), a_lease(memory, ttl_s=30.0)
    await first.take()
    waiting = asyncio.create_task(second.take())
    await asyncio.sleep(0.05)
    await first.release()
    async with asyncio.timeout(10):
        assert await waiting == 1
    await second.release()


def elsewhere(memory, **changed):
    """What another machine wrote that is not heard of again."""
    written = {"id": "x", "machine": "other", "pid": 1, "born": "1", "life": 4, "count": 9, **changed}
    return memory.put_many(HERE, {KEY: json.dumps(written).encode()})


async def test_a_holder_on_another_machine_that_is_not_heard_of_loses_it(memory):
    await elsewhere(memory)
    lease = a_lease(memory)
    assert await lease.take() == 5
    await lease.release()


async def test_a_holder_on_another_machine_that_is_heard_of_keeps_it(memory):
    await elsewhere(memory)
    taking = asyncio.create_task(a_lease(memory).take())
    await asyncio.sleep(TTL_S / 2)
    await elsewhere(memory, count=10)
    with pytest.raises(RunTaken, match="process 1 on another machine"):
        await taking


async def test_a_dead_process_of_this_machine_is_not_waited_for(memory, dead_pid):
    await elsewhere(memory, machine=holder.machine(), pid=dead_pid, born="1")
    lease = a_lease(memory, ttl_s=600.0)
    async with asyncio.timeout(20):
        assert await lease.take() == 5
    await lease.release()


async def test_another_process_of_the_same_number_is_not_the_holder(memory):
    await elsewhere(memory, machine=holder.machine(), pid=os.getpid(), born="long ago")
    lease = a_lease(memory, ttl_s=600.0)
    async with asyncio.timeout(20):
        await lease.take()
    await lease.release()


@pytest.mark.parametrize("offset_s", [-1e6, 1e6])
async def test_clocks_that_differ_make_no_difference(memory, offset_s):
    def clock() -> float:
        return loop_time() + offset_s

    first, second = a_lease(memory, clock=clock), a_lease(memory)
    await first.take()
    with pytest.raises(RunTaken):
        await second.take()
    await first.check()
    await first.release()
    assert await second.take() == 1
    await second.release()


async def test_of_many_that_want_a_lease_that_was_left_one_gets_it(memory):
    await elsewhere(memory)
    found = await asyncio.gather(*(a_lease(memory).take() for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["RunTaken"] * 7 + ["int"]


async def test_who_lost_it_is_told_before_the_next_write(memory):
    now = [0.0]
    first = a_lease(memory, ttl_s=600.0, clock=lambda: now[0])
    await first.take()
    await elsewhere(memory, life=1)
    await first.check()  # not yet overdue
    now[0] += 601.0
    with pytest.raises(RunTaken, match="which took it over when this one was not heard of"):
        await first.check()
    await first.release()
    assert (await value(memory))["machine"] == "other", "it lets go of what is not its own"


async def test_who_slept_and_lost_nothing_goes_on(memory):
    now = [0.0]
    first = a_lease(memory, ttl_s=600.0, clock=lambda: now[0])
    await first.take()
    now[0] += 6_000.0
    await first.check()
    await first.release()


class Unsure(InMemory):
    """Writes, and says that it did not: an answer that was lost on the way and asked for again."""

    async def compare_and_set(self, where, key, *, expected, value):
        await super().compare_and_set(where, key, expected=expected, value=value)
        return False


async def test_an_answer_that_was_lost_is_looked_up():
    lease = a_lease(Unsure())
    assert await lease.take() == 0
    await lease.check()
    await lease.release()


async def test_a_memory_that_fails_for_a_moment_does_not_end_the_lease(memory):
    first = a_lease(memory)
    await first.take()
    swap, failed = memory.compare_and_set, asyncio.Event()

    async def fails(*_args, **_named):
        failed.set()
        raise MemoryFailed("memory://", "down.")

    memory.compare_and_set = fails
    await failed.wait()
    memory.compare_and_set = swap
    await beats(memory, 1)
    await first.check()
    await first.release()


async def test_letting_go_twice_is_letting_go(memory):
    lease = a_lease(memory)
    await lease.take()
    await lease.release()
    await lease.release()
    assert await value(memory) == {"pid": None, "life": 0}


async def test_whose_memory_was_emptied_is_told_that_the_run_is_lost(memory):
    first = a_lease(memory)
    await first.take()
    await memory.delete_many(HERE, [KEY])
    await first.check()  # not yet overdue
    with pytest.raises(RunLost, match=r"memory:// no longer holds it\. Somebody emptied that memory"):
        await first.check(anew=True)
    await first.release()
    assert await memory.scan(HERE) == [], "it leaves nothing where it has nothing"


async def test_whose_memory_was_emptied_notices_it_while_it_works(memory):
    first = a_lease(memory)
    await first.take()
    await memory.delete_many(HERE, [KEY])
    await asyncio.sleep(TTL_S / 2)
    with pytest.raises(RunLost):
        await first.check()
    await first.release()
