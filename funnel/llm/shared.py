"""A ledger that several processes draw on, kept in a memory: an owner's day over replicas, a job's workers.

A process draws an allowance from the pot and works from it, so that a call costs one write of the process's
own share, and processes do not compete for the pot. Before a call is sent, its worst case is written to that
share.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Self

from funnel import holder
from funnel.asker import Asker
from funnel.backoff import pauses
from funnel.errors import MemoryFailed
from funnel.llm.balance import Balance
from funnel.llm.budget import Ledger
from funnel.llm.limits import Limits, Reservation
from funnel.llm.pot import Amount, Pot, Share
from funnel.llm.shares import Lost, Shares
from funnel.llm.tariff import Price
from funnel.memory import layout
from funnel.memory.base import Memory

LEASE_S = 15.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.5
_LOG = logging.getLogger(__name__)


class SharedLedger(Ledger):
    """The ledger `name` of the asker's tenant in `memory`; every process that opens it shares its limits.

    Use as an async context manager: leaving it gives back what was not spent. If a process dies, what it had
    not sent is returned within `lease_s`, and what it may have sent counts at its worst case. `label` is its
    name in errors. `usage` is what this process spent, `total()` what all of them did.

    Raises: `MemoryFailed`.
    """

    def __init__(
        self,
        memory: Memory,
        name: str,
        limits: Limits,
        *,
        asker: Asker,
        parent: Ledger | None = None,
        label: str = "job",
        lease_s: float = LEASE_S,
    ) -> None:
        shares = Shares(memory, layout.ledger(asker, name), limits, lease_s=lease_s)
        self._shared = SharedBalance(shares, limits, name=label)
        super().__init__(limits, parent=parent, balance=self._shared)

    async def total(self) -> Amount:
        """Return what all processes have spent so far; open calls count at their worst case."""
        return await self._shared.total()

    async def __aenter__(self) -> Self:
        await self._shared.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._shared.stop()


class SharedBalance(Balance):
    """The counters of this process in a shared ledger, within what it has drawn."""

    def __init__(
        self, shares: Shares, limits: Limits, *, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(limits, name=name, clock=clock)
        self._shares = shares
        self._drawn = Amount()
        self._booked = Amount()
        self._reserved, self._sent = Amount(), Amount()
        self._mine: dict[Reservation, bool] = {}
        """Open reservations within what is drawn, and whether their calls may have been sent."""
        self._free = Amount()
        """The amounts that nobody had drawn when the pot was last read."""
        self._others: Mapping[str, Amount] = {}
        """The amounts that each holder had drawn then."""
        self._exhausted = False
        self._wanted = 0
        self._idle_at = -1
        self._drawing, self._writing = asyncio.Lock(), asyncio.Lock()
        self._unwritten: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Become a holder. Raises: `MemoryFailed`."""
        self._see(await self._shares.join())
        await self._shares.others()
        self._beating = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Book what was spent and give the rest back; if the memory fails, the end of the lease does so."""
        self._stopped = True
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None
        if self._writer is not None:
            await self._writer
        try:
            async with self._writing:
                await self._shares.leave(self._booked, self._sent)
        except MemoryFailed as error:
            _LOG.warning("a ledger is given back when its lease ends: %s", error)

    async def total(self) -> Amount:
        """Return what all processes have spent so far. Raises: `MemoryFailed`."""
        await self.flush()
        return await self._shares.total()

    # what is left

    def left_calls(self) -> int | None:
        """Model calls left as far as this process knows."""
        return None if self.limits.max_calls is None else int(self._left().calls)

    def left_tokens(self) -> int | None:
        """Tokens left as far as this process knows."""
        return None if self.limits.max_tokens is None else int(self._left().tokens)

    def left_usd(self) -> float | None:
        """Dollars left as far as this process knows."""
        return None if self.limits.max_usd is None else self._left().usd

    def _left(self) -> Amount:
        # What is free is not drawn yet, so once the pot is empty only what this process has drawn counts.
        return self._unused() if self._exhausted else self._unused() + self._free

    def fit(self, input_tokens: int, output_tokens: int, price: Price | None, *, at_least: int) -> int:
        """Fit a call as any balance does, within what is drawn; nothing is cut before the pot is empty."""
        if self._exhausted:
            return super().fit(input_tokens, output_tokens, price, at_least=at_least)
        needed = _worst_case(input_tokens, output_tokens, price)
        missing = self._unused().short_of(needed)
        if self._unused().covers(needed):
            return output_tokens
        limit = "max_calls" if missing.calls else "max_tokens" if missing.tokens else "max_usd"
        raise self.exceeded(limit, getattr(self.limits, limit) or 0, needed=_of(needed, limit))

    def may_gain(self, limit: str) -> bool:
        """Whether the pot may have more, or calls in flight may take less."""
        return not self._exhausted or super().may_gain(limit)

    async def make_room(self, input_tokens: int, output_tokens: int, price: Price | None) -> None:
        """Draw what such a call needs, or find that there is no more; then wait as any balance does."""
        if self._exhausted:
            await super().make_room(input_tokens, output_tokens, price)
        else:
            await self.prepare(input_tokens, output_tokens, price)

    async def prepare(self, input_tokens: int, output_tokens: int, price: Price | None) -> None:
        """Draw what such a call needs, if there is as much. Raises: `MemoryFailed`."""
        self._require_holding()
        needed = _worst_case(input_tokens, output_tokens, price)
        async with self._drawing:
            if self._exhausted or self._unused().covers(needed):
                return
            end = holder.clock() + self._shares.lease_s
            asked = False
            for pause_s in pauses(_FIRST_LOOK_S, _LONGEST_LOOK_S):
                if await self._draw(needed):
                    return
                others = await self._shares.others()
                if await self._draw(needed):
                    return  # a dead holder's amounts were returned
                if not any(map(self._may_return, others)) or holder.clock() >= end:
                    break
                if not asked:
                    self._see(await self._shares.ask_for_more())
                    self._wanted += 1
                    asked = True
                await asyncio.sleep(pause_s)
            await self._draw(needed, partly=True)
            self._exhausted = True
            self.wake()

    async def _draw(self, needed: Amount, *, partly: bool = False) -> bool:
        missing = self._unused().short_of(needed)
        try:
            pot, enough = await self._shares.draw(missing, partly=partly)
        except Lost:
            async with self._writing:
                await self._join_again()
            return False
        self._see(pot)
        return enough

    def _may_return(self, other: Share) -> bool:
        """Whether another holder has drawn something that it may not need."""
        drawn = self._others.get(other.holder["id"], Amount())
        return any(left > 0 for left in (drawn - other.spent).dump())

    # reservations

    def open(self, reservation: Reservation) -> None:
        """Count a reservation that fits."""
        super().open(reservation)
        self._mine[reservation] = False
        self._reserved += _worst(reservation)

    def close(self, reservation: Reservation, *, spent: tuple[int, int, float | None] | None = None) -> None:
        """Free a reservation and book what was spent, unless it was booked when this process was lost."""
        super().close(reservation, spent=spent)
        sent = self._mine.pop(reservation, None)
        if sent is None:
            return
        # If nothing is open the sums start again, so that rounding errors do not add up.
        self._reserved = self._reserved - _worst(reservation) if self._mine else Amount()
        if sent:
            self._sent = self._sent - _worst(reservation) if self._mine else Amount()
        if spent is not None:
            self._booked += Amount(1, spent[0] + spent[1], spent[2] or 0.0)

    @property
    def durable(self) -> bool:
        """Whether `announce` writes anything: always."""
        return True

    async def announce(self, reservation: Reservation) -> None:
        """Record that the call may be sent from now on. Raises: `MemoryFailed`."""
        self._require_holding()
        self._require(reservation)
        if not self._mine[reservation]:
            self._mine[reservation] = True
            self._sent += _worst(reservation)
        await self.flush()
        # Meanwhile this process may have been found lost: then a share without this call was written.
        self._require(reservation)

    def _require_holding(self) -> None:
        if self._stopped:
            raise Lost(f"{self.name} ledger", "it is closed, and a run within it goes on.")

    def _require(self, reservation: Reservation) -> None:
        if reservation not in self._mine:
            raise Lost("the ledger", "what was reserved for this call was let go before it was made.")

    async def flush(self) -> None:
        """Write this holder's share; those that ask while one write is under way share the next."""
        written = asyncio.get_running_loop().create_future()
        self._unwritten.append(written)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        while self._unwritten:
            async with self._writing:
                waiting, self._unwritten = self._unwritten, []
                error: BaseException | None = None
                try:
                    await self._shares.write_share(self._booked, self._sent)
                except Lost as lost:
                    error = lost
                    await self._join_again()
                except BaseException as failed:  # noqa: BLE001 - raised to those who wait
                    error = failed
            for written in waiting:
                if not written.done():
                    if error is None:
                        written.set_result(None)
                    else:
                        written.set_exception(error)

    async def _join_again(self) -> None:
        """Join as a new holder, with nothing, after others booked and released what this process had."""
        self._mine.clear()
        self._booked = self._drawn = self._reserved = self._sent = Amount()
        with contextlib.suppress(MemoryFailed):
            self._see(await self._shares.join())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._shares.lease_s / 3)
            # A brief failure of the memory is no reason to stop: whoever makes a call gets the error.
            with contextlib.suppress(MemoryFailed):
                await self.flush()
                await self._shares.others()
                await self._settle_up(await self._shares.pot())

    async def _settle_up(self, pot: Pot) -> None:
        """Give back what is not used if another wants it, or if nothing was done since the last time."""
        idle = not self._mine and self._idle_at == self._calls
        self._idle_at = self._calls
        wanted, self._wanted = pot.wanted > self._wanted, pot.wanted
        # Whoever draws now may be waiting for others, and holds the lock as long.
        if (wanted or idle) and not self._drawing.locked():
            async with self._drawing:
                self._drawn = self._drawn.at_most(self._in_use())
                pot = await self._shares.give_back(self._in_use())
        self._see(pot)
        if self._exhausted and all(self._free.dump()):
            self._exhausted = False
            self.wake()

    def _see(self, pot: Pot) -> None:
        self._drawn = pot.drawn.get(self._shares.id, Amount())
        self._others = pot.drawn
        self._free = pot.free(self.limits)
        self._started = self._clock() - (time.time() - pot.began)

    def _in_use(self) -> Amount:
        return self._booked + self._reserved

    def _unused(self) -> Amount:
        """Return what was drawn and is neither spent nor reserved; infinite if there is no limit."""
        unused = (self._drawn - self._in_use()).dump()
        caps = self.limits.max_calls, self.limits.max_tokens, self.limits.max_usd
        return Amount(
            *(math.inf if cap is None else max(0, left) for left, cap in zip(unused, caps, strict=True))
        )


def _worst(reservation: Reservation) -> Amount:
    return Amount(1, reservation.input_tokens + reservation.output_tokens, reservation.usd)


def _worst_case(input_tokens: int, output_tokens: int, price: Price | None) -> Amount:
    usd = price.cost(input_tokens, output_tokens) if price else 0.0
    return Amount(1, input_tokens + output_tokens, usd)


def _of(amount: Amount, limit: str) -> float | None:
    return {"max_tokens": amount.tokens, "max_usd": amount.usd}.get(limit)
