"""Memories for tests that fail as they are told, take turns with others, and stay when they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from contracts.memory import ELSEWHERE, HERE

from funnel.errors import MemoryFailed
from funnel.memory import InMemory
from funnel.memory.swap.hot_swap import HotSwap

OPERATIONS = (
    "get_many", "get_entries", "put_many", "delete_many", "compare_and_set", "scan", "namespaces",
)  # fmt: skip
WRITES = {"put_many", "delete_many", "compare_and_set"}


class Lasting(InMemory):
    """What it held can be looked at after it was closed; `n_closed` counts."""

    def __init__(self, **options):
        super().__init__(**options)
        self.n_closed = 0

    async def close(self):
        self.n_closed += 1


class Faulty(Lasting):
    """At its operation number `at`, counted from 1, something happens: `fault(memory, name, call)`.

    `during` hears of each operation before it is done.
    """

    def __init__(self, fault=None, at=0, *, url="faulty://there", **options):
        super().__init__(**options)
        self.fault, self.at, self.n = fault, at, 0
        self.during: Callable[[int, str], Awaitable[None]] | None = None
        self._shown = url

    @property
    def url(self):
        return self._shown

    async def _call(self, name, *args, **options):
        self.n += 1
        n, inner = self.n, getattr(super(), name)
        if self.during is not None:
            await self.during(n, name)
        if n == self.at and self.fault is not None:
            return await self.fault(name, inner, args, options)
        return await inner(*args, **options)


def _operation(name):
    async def call(self, *args, **options):
        return await self._call(name, *args, **options)

    return call


for _name in OPERATIONS:
    setattr(Faulty, _name, _operation(_name))


class TakingTurns(Faulty):
    """Lets others run before and after each operation, as often as chance has it."""

    def __init__(self, random: Random, **options):
        super().__init__(**options)
        self.random = random

    async def _call(self, name, *args, **options):
        for _ in range(self.random.randrange(3)):
            await asyncio.sleep(0)
        found = await super()._call(name, *args, **options)
        for _ in range(self.random.randrange(3)):
            await asyncio.sleep(0)
        return found


async def raises(name, inner, args, options):
    """It is not done."""
    raise MemoryFailed("faulty://there", "the disk is full.")


async def raises_afterwards(name, inner, args, options):
    """It is done, and the answer is lost."""
    await inner(*args, **options)
    raise MemoryFailed("faulty://there", "the line is dead.")


async def breaks(name, inner, args, options):
    """Not as a memory may."""
    raise RuntimeError("a bug of the plug-in")


async def hangs(name, inner, args, options):
    await asyncio.get_running_loop().create_future()


async def comes_late(name, inner, args, options):
    """Whoever waits may be cancelled; it is done all the same, as in a thread."""

    async def later():
        for _ in range(50):
            await asyncio.sleep(0)
        return await inner(*args, **options)

    return await asyncio.shield(asyncio.create_task(later()))


async def corrupts(name, inner, args, options):
    """One bit of one value, as it is written or read."""
    if name == "put_many":
        where, items = args
        key = next(iter(items))
        return await inner(where, {**items, key: _flipped(items[key])}, **options)
    found = await inner(*args, **options)
    if name == "get_many" and found:
        key = next(iter(found))
        return {**found, key: _flipped(found[key])}
    return found


async def loses(name, inner, args, options):
    """It says that it has written."""
    return None if name in WRITES else await inner(*args, **options)


async def forgets(name, inner, args, options):
    """It says that it has nothing."""
    return {} if name == "get_many" else await inner(*args, **options)


def _flipped(value):
    return bytes([value[0] ^ 1]) + value[1:] if value else b"\x00"


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


async def one(memory, where, key):
    return (await memory.get_many(where, [key])).get(key)


def open_to_writers(hot):
    """Who waits for it inside of what the swap itself does would wait for ever."""
    return hot._open_to_writers.is_set()
