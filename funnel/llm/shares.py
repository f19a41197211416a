"""The pot and the shares of one ledger in a memory, changed by compare-and-set alone; knows no call.

As with the leases of runs, the clocks of two machines are never compared: a holder keeps writing its share,
and a process that has seen it unchanged for `lease_s` takes the holder for dead and ends the share. The
holder can then spend nothing more, since it sends a call only after it has written its own share.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

from funnel import holder
from funnel.backoff import pauses
from funnel.errors import MemoryFailed
from funnel.llm.limits import Limits
from funnel.llm.pot import Amount, Pot, Share
from funnel.memory.base import Memory, Namespace

POT, SHARE = "pot", "share/"
_TRIES = 60
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.2
_LISTED = 1_000
_LOG = logging.getLogger(__name__)


class Lost(MemoryFailed):
    """This holder was taken for dead, and another process ended its share."""


class Shares:
    """One holder's access to the pot. For one event loop; calls of `write_share` may not overlap.

    Raises from every method: `MemoryFailed`, also if others change the pot too often.
    """

    def __init__(self, memory: Memory, where: Namespace, limits: Limits, *, lease_s: float) -> None:
        self.lease_s = lease_s
        self._memory = memory
        self._where = where
        self._limits = limits
        self._me: dict[str, Any] = {}
        self._mine: Share | None = None
        self._seen: dict[str, tuple[bytes, float]] = {}

    @property
    def id(self) -> str:
        """The name of this holder."""
        return str(self._me["id"])

    async def join(self) -> Pot:
        """Become a holder with a new name and nothing drawn. Returns: the pot."""
        self._me = holder.identity()
        self._mine = None
        await self.write_share(Amount(), Amount())
        return await self._change(lambda pot: replace(pot, drawn={**pot.drawn, self.id: Amount()}))

    async def pot(self) -> Pot:
        """Return the pot as it is now."""
        found = (await self._memory.get_many(self._where, [POT])).get(POT)
        return Pot(time.time()) if found is None else self._read(Pot.load, found)

    async def draw(self, missing: Amount, *, partly: bool = False) -> tuple[Pot, bool]:
        """Draw what is missing, and some more. Returns: the pot, and whether there was enough."""
        enough = True

        def change(pot: Pot) -> Pot:
            nonlocal enough
            self._require(pot)
            drawn = pot.draw(self.id, missing, self._limits, partly=partly)
            enough = drawn is not None
            return drawn or pot

        return await self._change(change), enough

    async def give_back(self, in_use: Amount) -> Pot:
        """Keep what is in use, and give the rest of what was drawn back."""

        def change(pot: Pot) -> Pot:
            self._require(pot)
            return replace(pot, drawn={**pot.drawn, self.id: pot.drawn[self.id].at_most(in_use)})

        return await self._change(change)

    async def ask_for_more(self) -> Pot:
        """Ask the other holders to give back what they do not use."""
        return await self._change(lambda pot: replace(pot, wanted=pot.wanted + 1))

    async def write_share(self, spent: Amount, sent: Amount, *, ended: bool = False) -> None:
        """Write this holder's share, which also renews its lease. Raises: `Lost`."""
        before = self._mine
        share = Share(self._me, 0 if before is None else before.count + 1, spent, sent, ended)
        key, value = SHARE + self.id, share.dump()
        expected = None if before is None else before.dump()
        written = await self._memory.compare_and_set(self._where, key, expected=expected, value=value)
        # A write whose reply was lost may have succeeded.
        if not written and (await self._memory.get_many(self._where, [key])).get(key) != value:
            raise self._lost()
        self._mine = share

    async def leave(self, spent: Amount, sent: Amount) -> None:
        """Book what was spent and may have been sent, and give the rest back."""
        await self.write_share(spent, sent, ended=True)
        await self._book_ended(self.id, spent + sent)

    async def others(self) -> list[Share]:
        """Return the shares of the other living holders; those of dead ones are booked and removed."""
        keys = await self._memory.scan(self._where, SHARE, limit=_LISTED)
        found = await self._memory.get_many(self._where, [key for key in keys if key != SHARE + self.id])
        now, living = holder.clock(), []
        for key in self._seen.keys() - found.keys():
            del self._seen[key]
        for key, value in found.items():
            if self._seen.get(key, (b"",))[0] != value:
                self._seen[key] = value, now
            share = self._read(Share.load, value)
            silent_s = now - self._seen[key][1]
            if share.ended or holder.is_gone(share.holder) or silent_s >= self.lease_s:
                await self._end(key, value, share)
            else:
                living.append(share)
        return living

    async def total(self) -> Amount:
        """Return what all holders have spent so far; open calls count at their worst case."""
        shares = [self._mine, *await self.others()]
        return sum((s.spent + s.sent for s in shares if s is not None), (await self.pot()).spent)

    def _require(self, pot: Pot) -> None:
        if self.id not in pot.drawn:
            raise self._lost()

    def _lost(self) -> Lost:
        reason = f"this process was not heard of for {self.lease_s:g} s; what it had reserved was let go."
        return Lost(self._memory.url, reason)

    async def _end(self, key: str, value: bytes, share: Share) -> None:
        ended = replace(share, ended=True)
        if not share.ended and not await self._memory.compare_and_set(
            self._where, key, expected=value, value=ended.dump()
        ):
            return  # it lives, or another has just ended it
        _LOG.info("a holder of %s is gone: what it may have spent is booked", self._where)
        await self._book_ended(key.removeprefix(SHARE), share.spent + share.sent)

    async def _book_ended(self, name: str, spent: Amount) -> None:
        """Book what an ended holder spent, once: only while the pot knows it."""

        def change(pot: Pot) -> Pot:
            if name not in pot.drawn:
                return pot
            rest = {other: amount for other, amount in pot.drawn.items() if other != name}
            return replace(pot, spent=pot.spent + spent, drawn=rest)

        await self._change(change)
        await self._memory.delete_many(self._where, [SHARE + name])

    async def _change(self, change: Callable[[Pot], Pot]) -> Pot:
        """Change the pot, trying again while others change it at the same time. Returns: the new pot."""
        for pause_s in islice(pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S), _TRIES):
            found = (await self._memory.get_many(self._where, [POT])).get(POT)
            pot = Pot(time.time()) if found is None else self._read(Pot.load, found)
            changed = change(pot)
            if found is not None and changed == pot:
                return pot
            if await self._memory.compare_and_set(self._where, POT, expected=found, value=changed.dump()):
                return changed
            await asyncio.sleep(pause_s)
        raise MemoryFailed(self._memory.url, f"too many change the ledger {self._where} at once.")

    def _read(self, load: Callable[[bytes], Any], stored: bytes) -> Any:
        try:
            return load(stored)
        except (ValueError, KeyError, TypeError) as error:
            reason = f"the ledger {self._where} cannot be read ({error})."
            raise MemoryFailed(self._memory.url, reason) from error
