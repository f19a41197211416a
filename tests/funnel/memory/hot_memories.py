"""Hot memories with something in them, and what is in a memory."""

from __future__ import annotations

from funnel.memory.swap.hot_swap import HotSwap
from funnel.testing.memory import ELSEWHERE, HERE


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
