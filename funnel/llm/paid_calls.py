"""One call of a model that is paid for: announced, shown as an event, sent, booked, recorded; knows no limit.

A failed call is booked at nothing if the endpoint refused it or was never reached, and at its whole
reservation if it may have been served (a timeout, a lost or cancelled call, an unreadable answer): nobody can
know, and a cap that may have been passed counts as passed. So `usage` is never below what was billed. The
`usage` of the end event says which case it was: reported, estimated, worst_case or none.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace

from funnel.errors import LLMError
from funnel.llm.attempts import FELL_BACK, Attempts
from funnel.llm.base import LLM, CallJournal, CallOptions, Completion, Request, Retry, StepId
from funnel.llm.bill import Bill
from funnel.llm.budget import Ledger, Reservation
from funnel.llm.hearing import Hearing, Listener, without_thoughts
from funnel.llm.limiter import Place
from funnel.llm.tariff import Tariff, name_of
from funnel.trace.events import Events
from funnel.trace.kinds import ModelCallEnded, ModelCallStarted
from funnel.types import Tier

TIER_OTHER = "The endpoint of {} served calls that asked for the {} tier at the standard tier."
TIER_UNKNOWN = (
    "The endpoint of {} does not say that it served the {} tier: it may not know it, so the dearest price "
    "that a call can have had is counted."
)


@dataclass(frozen=True, slots=True)
class PaidCalls:
    """Calls one model and books each call in `ledger` by `tariff`. `asked`: the tier that calls ask for.

    `notices` takes what whoever reads the answer should know, once for each kind. `listener`: hears the words
    of replies as they come.
    """

    _llm: LLM
    _ledger: Ledger
    _events: Events
    _journal: CallJournal | None
    _tariff: Tariff | None
    _asked: Tier
    _notices: dict[str, str]
    listener: Listener | None = None

    async def make(
        self,
        request: Request,
        reservation: Reservation,
        taken: Place,
        parent: int | None,
        place: StepId | None,
    ) -> Completion:
        """Make one call within its reservation, and book it; while it waits, it frees both that and `taken`.

        Only the event of the call holds what the model thought.

        Raises: as `Meter.complete`.
        """
        granted = request
        if reservation.output_tokens != request.max_output_tokens:
            granted = replace(request, max_output_tokens=reservation.output_tokens)
        begun = ModelCallStarted(
            purpose=granted.purpose,
            model=self._llm.name,
            messages=granted.messages,
            max_output_tokens=granted.max_output_tokens,
        )
        bill = Bill(self._ledger, reservation, self._tariff, self._asked)
        attempts = Attempts(
            bill,
            taken,
            self._ledger,
            self._events,
            self._journal,
            place,
            self._notices,
            spares_time=request.purpose == "query",
        )
        try:
            await attempts.announce(reservation)
            with self._events.open(begun, parent=parent) as model_call:
                attempts.event = model_call.id
                try:
                    completion = without_thoughts(await self._send(granted, attempts), granted)
                    bill.settle(completion)
                except BaseException as error:
                    bill.fail(error)
                    model_call.end_with(ModelCallEnded(**bill.data))
                    await self._write(place, bill, None, error)
                    raise
                ended = ModelCallEnded(
                    **bill.data,
                    text=completion.text,
                    finish_reason=completion.finish_reason,
                    thoughts=completion.thoughts or None,
                    cut=completion.cut or None,
                )
                model_call.end_with(ended)
                said = replace(completion, thoughts="") if completion.thoughts else completion
                await self._write(place, bill, said)
                return said
        finally:
            # Still open only where the journal or the start event could not be written: nothing was sent.
            bill.release()

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

    async def _send(self, request: Request, attempts: Attempts) -> Completion:
        hearing = Hearing(self.listener)

        def on_retry(retry: Retry) -> Awaitable[None] | None:
            hearing.attempt_again()
            return attempts.on_retry(retry)

        options = CallOptions(
            self._ledger.remaining_s,
            on_retry,
            attempts.while_waiting,
            attempts.place.party,
            hearing.on_delta,
        )
        try:
            completion = await self._llm.complete(request, options)
        except LLMError as error:
            # The model was told of the deadline, and may be the first to notice it.
            if error.may_be_billed and self._ledger.remaining_s == 0:
                raise self._ledger.out_of_time() from error
            raise
        if self._asked not in {"standard", name_of(completion.tier)} and FELL_BACK not in self._notices:
            kind = TIER_OTHER if completion.tier else TIER_UNKNOWN
            self._notices[kind] = kind.format(self._llm.name, self._asked)
        hearing.end(completion, request)
        return completion
