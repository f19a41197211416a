"""The lease on a run: one process at a time works on it; knows nothing of its content.

Each process that takes a run begins a new attempt of it; no two attempts have the same number.

The clocks of two machines are never compared. A holder writes a new value every third of `ttl_s`. A process
that wants the lease watches that value. It takes over by compare-and-set if the value has not changed for
`ttl_s` by its own clock, or at once if the holder was a process of this machine that has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from funnel import holder
from funnel.errors import MemoryFailed, RunLost, RunTaken
from funnel.memory.base import Memory, Namespace

KEY = "lease"
TTL_S = 15.0
_LOOKS = 20
"""The number of times that a watcher looks within `ttl_s`."""


class Lease:
    """The right to work on one run. `take` it, `check` it before each write, `release` it."""

    def __init__(
        self,
        memory: Memory,
        where: Namespace,
        run: str,
        *,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = holder.clock,
    ) -> None:
        self._memory = memory
        self._where = where
        self._run = run
        self._ttl_s = ttl_s
        self._clock = clock
        self._holder = holder.identity()
        self._attempt = 0
        self._count = 0
        self._value: bytes | None = None
        self._renewed = 0.0
        self._lost = False
        self._gone = False
        self._turn = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None

    async def take(self) -> int:
        """Take the run. Waits up to `ttl_s` if only time can tell whether its holder is alive.

        Returns: how many times it was taken before. Raises: `RunTaken` if another process is working on it;
        `MemoryFailed`.
        """
        held = await self._held()
        if held is not None and not _is_gone(held):
            started = self._clock()
            while self._clock() - started < self._ttl_s:
                await asyncio.sleep(self._ttl_s / _LOOKS)
                now = await self._held()
                if now is None or _is_gone(now):
                    held = now
                    break
                if now != held:
                    raise RunTaken(self._run, _described(now))
        self._attempt = 0 if held is None else json.loads(held)["life"] + 1
        mine, began = self._next(), self._clock()
        if not await self._memory.compare_and_set(self._where, KEY, expected=held, value=mine):
            now = await self._held()
            if now != mine:
                raise RunTaken(self._run, "another process" if now is None else _described(now))
        self._value, self._renewed = mine, began
        self._beating = asyncio.create_task(self._beat())
        return self._attempt

    async def check(self, *, anew: bool = False) -> None:
        """Check that the lease is still held; renew it first if that is overdue, as after a long sleep.

        `anew`: renew it in any case, which shows what happened since the last time.

        Raises: `RunLost` if the memory holds neither this lease nor another; `RunTaken` if another process
        has it.
        """
        # Renewed well before another process may take it, so that there is time for the write.
        if not self._lost and (anew or self._clock() - self._renewed > self._ttl_s * 2 / 3):
            await self._renew()
        if self._gone:
            raise RunLost(self._run, self._memory.url)
        if self._lost:
            raise RunTaken(self._run, "another process, which took it over when this one was not heard of")

    async def release(self) -> None:
        """Release the lease; a second call does nothing."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None
        if self._value is not None and not self._lost:
            # Written instead of deleted, since compare-and-set touches only our own value.
            free = json.dumps({"pid": None, "life": self._attempt}).encode()
            with contextlib.suppress(MemoryFailed):
                await self._memory.compare_and_set(self._where, KEY, expected=self._value, value=free)
        self._value = None

    async def _beat(self) -> None:
        while not self._lost:
            await asyncio.sleep(self._ttl_s / 3)
            # A brief failure of the memory is no reason to stop: `check` decides when it matters.
            with contextlib.suppress(MemoryFailed):
                await self._renew()

    async def _renew(self) -> None:
        async with self._turn:
            if self._value is None or self._lost:
                return
            following, began = self._next(), self._clock()
            if await self._memory.compare_and_set(
                self._where, KEY, expected=self._value, value=following
            ) or ((now := await self._held()) == following):
                self._value, self._renewed = following, began
            else:
                # Whoever takes over a run leaves a lease, also after its end.
                self._lost, self._gone = True, now is None

    def _next(self) -> bytes:
        self._count += 1
        return json.dumps({**self._holder, "life": self._attempt, "count": self._count}).encode()

    async def _held(self) -> bytes | None:
        return (await self._memory.get_many(self._where, [KEY])).get(KEY)


class Watch:
    """Tells whether a process is working on a run, from repeated reads of the value under `KEY`."""

    def __init__(self, *, clock: Callable[[], float] = holder.clock) -> None:
        self._clock = clock
        self._seen: bytes | None = None
        self._since = clock()

    def alive(self, held: bytes | None) -> bool:
        """Whether the holder may be working: not known to be dead, and renewed within two lease times."""
        if held != self._seen:
            self._seen, self._since = held, self._clock()
        return held is not None and not _is_gone(held) and self._clock() - self._since < 2 * TTL_S


def _is_gone(held: bytes) -> bool:
    """Whether the holder is known to have ended: released, or a dead process of this machine."""
    return holder.is_gone(json.loads(held))


def _described(held: bytes) -> str:
    who: dict[str, Any] = json.loads(held)
    here = "this machine" if who["machine"] == holder.machine() else "another machine"
    return "another process" if who["pid"] is None else f"process {who['pid']} on {here}"
