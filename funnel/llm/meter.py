"""The only way a run calls a model: journal, cache, limiter, reservation, event, call, bill.

Knows no provider. The meters of a run (root model, sub-calls) share its ledger and its stream of events.

A failed call is booked at nothing if the endpoint refused it or was never reached, and at its whole
reservation if it may have been served (a timeout, a lost or cancelled call, an unreadable answer): nobody can
know, and a cap that may have been passed counts as passed. So `usage` is never below what was billed. The
`usage` of the end event says which case it was: reported, estimated, worst_case or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from funnel.errors import BudgetError, BudgetExceeded, BudgetTooSmall, CallFailed, LLMError, UnknownPrice
from funnel.llm.base import (
    LLM,
    Cache,
    CallJournal,
    CallOptions,
    Completion,
    Located,
    Outcome,
    Request,
    Retry,
    StepId,
    Tiered,
)
from funnel.llm.bill import Bill
from funnel.llm.budget import MIN_OUTPUT_TOKENS, Ledger, Limits, Price, Reservation
from funnel.llm.limiter import Limiter
from funnel.llm.tariff import Tariff, Tier
from funnel.trace.events import Events
from funnel.trace.kinds import CacheHit, CallRetried, ModelCallEnded, ModelCallStarted

FIRST_CALL_INPUT_TOKENS = 1024
"""The lowest estimate for any of our prompts that holds a question and one passage."""


class Meter:
    """Calls one model within a run's budget. `price` is None if it is unknown, else one for each tier.

    With a `cache`, a completion that is in it is not paid for; with a `journal`, neither is a call that was
    made at the same place in an earlier attempt of the run.
    """

    def __init__(
        self,
        llm: LLM,
        ledger: Ledger,
        events: Events,
        *,
        price: Price | Tariff | None,
        limit: Limiter,
        cache: Cache | None = None,
        journal: CallJournal | None = None,
    ) -> None:
        self._llm = llm
        self._ledger = ledger
        self._events = events
        self._tariff = Tariff(price) if isinstance(price, Price) else price
        self._asked: Tier = llm.tier if isinstance(llm, Tiered) else "standard"
        self._worst_price = None if self._tariff is None else self._tariff.worst(self._asked)
        self._limit = limit
        self._cache = cache if isinstance(llm, Located) else None
        self._endpoint = llm.endpoint if isinstance(llm, Located) else ""
        self._journal = journal

    @property
    def name(self) -> str:
        """The model's name."""
        return self._llm.name

    @property
    def price(self) -> Price | None:
        """The price that a call is reserved at, None if unknown."""
        return self._worst_price

    @property
    def at_once(self) -> int:
        """How many calls of the run can be in flight at once."""
        return self._limit.size

    @property
    def cached(self) -> bool:
        """Whether the model's answers are cached for later runs."""
        return self._cache is not None

    def check_start(self, limits: Limits) -> None:
        """Make sure, before any work, that a run within `limits` can make its first call.

        Raises: `UnknownPrice` for a dollar cap on a model without a price; `BudgetTooSmall`; `BudgetExceeded`
        if a ledger above the run's has no room.
        """
        self._check_price(limits)
        first = FIRST_CALL_INPUT_TOKENS + MIN_OUTPUT_TOKENS
        price = self._worst_price
        usd = price.cost(FIRST_CALL_INPUT_TOKENS, MIN_OUTPUT_TOKENS) if price else 0.0
        if limits.max_usd is not None and limits.max_usd < usd:
            raise BudgetTooSmall("max_usd", limits.max_usd, usd)
        if limits.max_calls is not None and limits.max_calls < 1:
            raise BudgetTooSmall("max_calls", limits.max_calls, 1)
        if limits.max_tokens is not None and limits.max_tokens < first:
            raise BudgetTooSmall("max_tokens", limits.max_tokens, first)
        if limits.timeout_s is not None and limits.timeout_s <= 0:
            raise BudgetTooSmall("timeout_s", limits.timeout_s, 1)
        self._ledger.check_above(FIRST_CALL_INPUT_TOKENS, MIN_OUTPUT_TOKENS, price)

    async def complete(
        self, request: Request, *, parent: int | None, place: StepId | None = None
    ) -> Completion:
        """Make one call, shown inside the event `parent`; its output limit may be cut to what is left.

        `place`: where it is made, for the journal; a sub-call that failed there before fails again.

        Raises: `BudgetExceeded` when the call would pass a limit, or the deadline came while it ran;
        `BudgetTooSmall` when it is the run's first and would; `CallFailed`; `UnknownPrice`; what the model
        raises. Cancelling is safe: the place in the queue and the reservation are freed.
        """
        self._check_price(self._ledger.limits)
        if place is not None and (replayed := self._replayed(request, place, parent)) is not None:
            return replayed
        async with self._ledger.in_time():
            return await self._cached(request, parent, place)

    def _replayed(self, request: Request, place: StepId, parent: int | None) -> Completion | None:
        """Return what the journal holds for this step; of failures only those of sub-calls are replayed."""
        found = self._journal.outcome(place) if self._journal else None
        if found is None or (found.completion is None and request.purpose != "query"):
            return None
        text = found.failure if found.completion is None else found.completion.text
        replayed = CacheHit(source="journal", purpose=request.purpose, model=self.name, text=text)
        self._events.point(replayed, parent=parent)
        if found.completion is None:
            raise CallFailed(found.failure)
        return found.completion

    async def _cached(self, request: Request, parent: int | None, place: StepId | None) -> Completion:
        """Return the completion from the cache, or pay for it."""

        async def pay() -> Completion:
            return await self._paid(request, parent, place)

        if self._cache is None:
            return await pay()
        completion, hit = await self._cache.through(request.key(self.name, self._endpoint), pay)
        if hit and _cut_short(completion, request):
            return await pay()
        if hit:
            self._ledger.count_cached()
            saved = CacheHit(
                source="cache",
                purpose=request.purpose,
                model=self.name,
                text=completion.text,
                saved_input_tokens=completion.input_tokens,
                saved_output_tokens=completion.output_tokens,
            )
            self._events.point(saved, parent=parent)
            if self._journal is not None and place is not None:
                await self._journal.ended(place, Outcome(completion, cached=True))
        return completion

    def _check_price(self, limits: Limits) -> None:
        if self._tariff is None and (limits.max_usd is not None or self._ledger.capped_in_usd):
            raise UnknownPrice(self.name)

    async def _paid(self, request: Request, parent: int | None, place: StepId | None) -> Completion:
        """Make the call as soon as the limiter admits it and there is room in the ledgers.

        A call that has to wait for room leaves the limiter meanwhile, so that it holds up no other run.
        """
        async with self._limit:
            try:
                reservation = self._ledger.reserve_at_once(*self._worst_case(request))
            except BudgetExceeded as refused:
                raise self._told(refused) from None
            if reservation is not None:
                return await self._call(request, reservation, parent, place)
        try:
            reservation = await self._ledger.reserve_in_turn(*self._worst_case(request))
        except BudgetExceeded as refused:
            raise self._told(refused) from None
        try:
            async with self._limit:
                return await self._call(request, reservation, parent, place)
        finally:
            if self._ledger.holds(reservation):  # cancelled before the limiter admitted it
                self._ledger.release(reservation)

    def _worst_case(self, request: Request) -> tuple[int, int, Price | None]:
        return request.estimated_input_tokens(), request.max_output_tokens, self._worst_price

    def _told(self, refused: BudgetExceeded) -> BudgetError:
        """Return the refusal, as `BudgetTooSmall` if the run's own limits allow no call at all."""
        of_the_run = refused.ledger == self._ledger.name
        if of_the_run and refused.needed is not None and not self._ledger.answered:
            return BudgetTooSmall(refused.limit, refused.allowed, refused.spent + refused.needed)
        return refused

    async def _call(
        self, request: Request, reservation: Reservation, parent: int | None, place: StepId | None
    ) -> Completion:
        granted = request
        if reservation.output_tokens != request.max_output_tokens:
            granted = replace(request, max_output_tokens=reservation.output_tokens)
        begun = ModelCallStarted(
            purpose=granted.purpose,
            model=self.name,
            messages=granted.messages,
            max_output_tokens=granted.max_output_tokens,
        )
        bill = Bill(self._ledger, reservation, self._tariff, self._asked)
        try:
            await self._announce(place, reservation)
            with self._events.open(begun, parent=parent) as model_call:
                try:
                    completion = await self._send(granted, bill, model_call.id, place)
                    bill.settle(completion)
                except BaseException as error:
                    bill.fail(error)
                    model_call.end_with(ModelCallEnded(**bill.data))
                    await self._write(place, bill, None, error)
                    raise
                ended = ModelCallEnded(
                    **bill.data, text=completion.text, finish_reason=completion.finish_reason
                )
                model_call.end_with(ended)
                await self._write(place, bill, completion)
                return completion
        finally:
            # Still open only where the journal or the start event could not be written: nothing was sent.
            bill.release()

    async def _announce(self, place: StepId | None, reservation: Reservation) -> None:
        """Record that a call begins. If its end is never recorded, it counts at its worst case."""
        await self._ledger.announce(reservation)
        if self._journal is not None and place is not None:
            await self._journal.asked(place, self._worst(reservation))

    def _worst(self, reservation: Reservation) -> Outcome:
        usd = None if self._tariff is None else reservation.usd
        return Outcome(None, "", reservation.input_tokens, reservation.output_tokens, usd)

    async def _write(
        self,
        place: StepId | None,
        bill: Bill,
        completion: Completion | None,
        error: BaseException | None = None,
    ) -> None:
        """Record how a call ended. A cancelled call may have been served, so its announcement stands.

        A call that a limit ended is not recorded either: with a larger limit it is made again.
        """
        if self._journal is None or place is None:
            return
        if error is None or isinstance(error, LLMError):
            await self._journal.ended(place, bill.outcome(completion, "" if error is None else str(error)))

    async def _send(self, request: Request, bill: Bill, event: int, place: StepId | None) -> Completion:
        def on_retry(retry: Retry) -> Awaitable[None] | None:
            again = CallRetried(attempt=retry.attempt, reason=retry.reason, wait_s=retry.wait_s)
            self._events.point(again, parent=event)
            if not retry.may_be_billed:
                return None
            bill.book_worst_case()
            if self._ledger.durable:
                return asyncio.ensure_future(reserve_durably())
            reserve()
            return None

        def reserve() -> Reservation:
            reserved = bill.reserve_again()
            if self._journal is not None and place is not None:
                self._journal.asked_again(place, self._worst(reserved))
            return reserved

        async def reserve_durably() -> None:
            # What the lost attempt took may have been all that this process had drawn.
            await self._ledger.prepare(*bill.size, bill.worst)
            await self._ledger.announce(reserve())

        try:
            return await self._llm.complete(request, CallOptions(self._ledger.remaining_s, on_retry))
        except LLMError as error:
            # The model was told of the deadline, and may be the first to notice it.
            if error.may_be_billed and self._ledger.remaining_s == 0:
                raise self._ledger.out_of_time() from error
            raise


def _cut_short(completion: Completion, request: Request) -> bool:
    """Whether a cached completion was cut short by a run that had less budget left than this one."""
    return completion.finish_reason == "length" and completion.output_tokens < request.max_output_tokens
