"""What a call holds while it is attempted, waited for and attempted again: its reservation and its place.

A call that waits for its endpoint holds neither, so that it holds up no other call: not of another run, nor
of another endpoint that draws on the same money. It takes both again before the next attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from funnel.llm.base import CallJournal, Retry, StepId, Wait
from funnel.llm.bill import Bill
from funnel.llm.budget import Ledger, Reservation
from funnel.llm.limiter import Place
from funnel.trace.events import Events
from funnel.trace.kinds import CallRetried, CallWaits

FELL_BACK = "Some calls were made at the {} tier: {}."
MARGIN_S = 0.05
"""A wait ends so much before the run's deadline, to say what was waited for."""
SPARE_SHARE, SPARE_S = 0.1, 15.0
"""The share of a run's time, and its upper limit in seconds, that is left when sub-calls stop waiting."""


@dataclass(slots=True)
class Attempts:
    """The attempts of one call. `event`: the id of the call's event. `step`: its step in the journal.

    `notices` takes what whoever reads the answer should know, once for each kind. `spares_time`: whether its
    waits end a while before the run's deadline, so that a program that waits for many calls has time to go on
    with those that were answered.
    """

    bill: Bill
    place: Place
    ledger: Ledger
    events: Events
    journal: CallJournal | None
    step: StepId | None
    notices: dict[str, str]
    spares_time: bool = False
    event: int = 0

    async def announce(self, reservation: Reservation) -> None:
        """Record that an attempt begins. If its end is never recorded, it counts at its worst case."""
        await self.ledger.announce(reservation)
        if self.journal is not None and self.step is not None:
            await self.journal.asked(self.step, self.bill.at_worst(reservation))

    def on_retry(self, retry: Retry) -> Awaitable[None] | None:
        """Book the attempt that was lost if it may have been served, and reserve the next one."""
        tier = retry.tier or None
        again = CallRetried(attempt=retry.attempt, reason=retry.reason, wait_s=retry.wait_s, tier=tier)
        self.events.point(again, parent=self.event)
        if tier is not None:
            self.notices.setdefault(FELL_BACK, FELL_BACK.format(tier, retry.reason))
        if not retry.may_be_billed:
            return None
        self.bill.book_worst_case()
        if self.ledger.durable:
            return asyncio.ensure_future(self._reserve_durably())
        self._reserve()
        return None

    def _reserve(self) -> Reservation:
        reserved = self.bill.reserve_again()
        if self.journal is not None and self.step is not None:
            self.journal.asked_again(self.step, self.bill.at_worst(reserved))
        return reserved

    async def _reserve_durably(self) -> None:
        # What the lost attempt took may have been all that this process had drawn.
        await self.ledger.prepare(*self.bill.size, self.bill.worst)
        await self.ledger.announce(self._reserve())

    @asynccontextmanager
    async def while_waiting(self, wait: Wait) -> AsyncIterator[None]:
        """Free what the call holds, and take it again afterwards.

        Raises: `BudgetExceeded` if the run's time is up meanwhile, or there is no room for the call any more.
        """
        with self.events.open(CallWaits(reason=wait.reason, wait_s=wait.wait_s), parent=self.event):
            self._let_go()
            try:
                async with asyncio.timeout(self._patience_s()) as deadline:
                    yield
            except TimeoutError:
                if not deadline.expired():
                    raise
                raise self.ledger.out_of_time(f"the call had to wait: {wait.reason}") from None
        try:
            await self._take_again()
        except BaseException:
            self._let_go()
            raise

    def _patience_s(self) -> float | None:
        """Return how long the call may wait; None if the run has no deadline."""
        left_s = self.ledger.remaining_s
        if left_s is None:
            return None
        spare_s = min(SPARE_S, SPARE_SHARE * (self.ledger.elapsed_s + left_s)) if self.spares_time else 0.0
        return left_s - max(MARGIN_S, spare_s)

    def _let_go(self) -> None:
        self.bill.release()
        self.place.free()
        if self.journal is not None and self.step is not None:
            self.journal.put_off(self.step, self.bill.outcome(None, ""))

    async def _take_again(self) -> None:
        bill = self.bill
        await self.place.take()
        reservation = self.ledger.reserve_at_once(*bill.size, bill.worst)
        if reservation is None:
            self.place.free()
            reservation = await self.ledger.reserve_in_turn(*bill.size, bill.worst)
        if reservation.output_tokens < bill.size[1]:
            # The request is made, and asks for more: nothing less will do.
            self.ledger.release(reservation)
            reservation = bill.reserve_again()
        else:
            bill.reopen(reservation)
        if not self.place.held:
            await self.place.take()
        await self.announce(reservation)
