"""At most so many at once, the others in order of arrival; knows nothing of what is done in a slot."""

from __future__ import annotations

import asyncio
from collections import OrderedDict


class Limiter:
    """`async with slots:` waits for one of `size`. Whoever is cancelled while waiting leaves at once.

    `asyncio.Semaphore` goes through all who wait for each that leaves: a deadline that ends some ten
    thousand of them together would be late by seconds.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    def locked(self) -> bool:
        """Whether whoever comes now has to wait."""
        return self._free == 0

    async def __aenter__(self) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the slot had come, but not its holder
            raise

    async def __aexit__(self, *_exc: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        """Hand a slot to who has waited longest; it is free only where nobody waits."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
