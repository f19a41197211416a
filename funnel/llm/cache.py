"""Caches completions across runs, separately for each tenant and rights; knows no model and no budget.

Two calls share a completion if their `Request.key` is the same. Of identical calls at the same time only one
is made, even across runs of one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from funnel.asker import Asker
from funnel.errors import LLMError
from funnel.llm.base import Completion
from funnel.memory import layout
from funnel.memory.base import Memory, Namespace
from funnel.stored import Stored

_COMPLETIONS: Stored[Completion] = Stored(Completion)
_Name = tuple[Namespace, str, bool]
_Flight = asyncio.Future[Completion | LLMError | None]


class Completions:
    """The cache that all runs over one memory share. `ttl_s`: how long a completion is kept."""

    def __init__(self, memory: Memory, *, ttl_s: float | None = None) -> None:
        self._memory = memory
        self._ttl_s = ttl_s
        self._flights: dict[_Name, _Flight] = {}

    def of(self, asker: Asker, *, fresh: bool = False) -> ScopedCache:
        """Return the cache for these rights. `fresh`: cached completions are replaced, not used."""
        return ScopedCache(
            self._memory, layout.completions(asker), self._flights, ttl_s=self._ttl_s, fresh=fresh
        )


class ScopedCache:
    """The completions of one set of rights: a `Cache` for a meter."""

    def __init__(
        self,
        memory: Memory,
        where: Namespace,
        flights: dict[_Name, _Flight],
        *,
        ttl_s: float | None,
        fresh: bool,
    ) -> None:
        self._memory = memory
        self._where = where
        self._flights = flights
        self._ttl_s = ttl_s
        self._fresh = fresh

    async def through(self, key: str, call: Callable[[], Awaitable[Completion]]) -> tuple[Completion, bool]:
        """Return the completion of that key, and whether it came without calling `call` here.

        Raises: what `call` raises, here or in the call that was under way; `MemoryFailed`.
        """
        name = (self._where, key, self._fresh)  # a fresh call waits for no other that may come from the cache
        while (flight := self._flights.get(name)) is not None:
            # Shielded: one caller may be cancelled while the others wait on.
            landed = await asyncio.shield(flight)
            if isinstance(landed, Completion):
                return landed, True
            if landed is not None:
                raise landed
        flight = self._flights[name] = asyncio.get_running_loop().create_future()
        landed = None
        try:
            if not self._fresh and (kept := await self._kept(key)) is not None:
                landed = kept
                return kept, True
            landed = await call()
            await self._keep(key, landed)
        except LLMError as error:
            landed = error
            raise
        else:
            return landed, False
        finally:
            # None: cancelled, or over the budget of its own run. Other runs then make the call themselves.
            del self._flights[name]
            flight.set_result(landed)

    async def _kept(self, key: str) -> Completion | None:
        found = (await self._memory.get_many(self._where, [key])).get(key)
        try:
            return None if found is None else _COMPLETIONS.load(found)
        except ValueError:
            return None  # a later version's: it is paid for again, and replaced

    async def _keep(self, key: str, completion: Completion) -> None:
        """Store a completion, except one that was cut or refused: it may be complete next time."""
        if completion.finish_reason == "stop" and completion.text.strip():
            stored = {key: _COMPLETIONS.dump(completion)}
            await self._memory.put_many(self._where, stored, ttl_s=self._ttl_s)
