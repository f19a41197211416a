"""Slots: never more than there are, first come first served, none lost to who is cancelled."""

from __future__ import annotations

import asyncio
import random

from funnel.llm.limiter import Limiter


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
