"""The only way a run calls a model: journal, cache, limiter, reservation, event, call, bill.

Knows no provider. The meters of a run (root model, sub-calls) share its ledger and its stream of events.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from funnel.errors import (
    BudgetError,
    BudgetExceeded,
    BudgetTooSmall,
    CallFailed,
    ContextTooLong,
    UnknownPrice,
    WindowTooSmall,
)
from funnel.llm.base import (
    LLM,
    Cache,
    CallJournal,
    Completion,
    Located,
    Outcome,
    Request,
    StepId,
    Tiered,
)
from funnel.llm.budget import MIN_OUTPUT_TOKENS, Ledger, Limits, Price
from funnel.llm.hearing import Listener, without_thoughts
from funnel.llm.limiter import Limiter, Place
from funnel.llm.paid_calls import PaidCalls
from funnel.llm.tariff import Tariff
from funnel.llm.windows import window_of
from funnel.trace.events import Events
from funnel.trace.kinds import CacheHit
from funnel.types import Tier

MAX_SHORTER = 5
"""How often a call is made again with a shorter reply."""
CUT_SILENTLY = (
    "The server of {0} seems to cut prompts without saying so: it read only {1:,} tokens of a longer one, so "
    "this answer may miss something. Give it a larger window (Ollama: OLLAMA_CONTEXT_LENGTH, or num_ctx in a "
    "Modelfile), or set FUNNEL_MAX_PROMPT_TOKENS."
)
KEPT_SHORT = "The window of {} has {:,} tokens, so that prompts were kept short. {}"
USUAL_REPLY = 8_192
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
        self._notices: dict[str, str] = {}
        self._calls = PaidCalls(llm, ledger, events, journal, self._tariff, self._asked, self._notices)
        self._window = window_of(llm)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._llm.name

    @property
    def price(self) -> Price | None:
        """The price that a call is reserved at, None if unknown."""
        return self._worst_price

    @property
    def notices(self) -> tuple[str, ...]:
        """What whoever reads the answer should know of these calls."""
        stated, room = self._window.stated, self._window.room(self.reply_tokens(USUAL_REPLY))
        narrow = room is not None and room < self._ledger.limits.max_prompt_tokens
        if stated is None or not stated.cuts or not narrow:
            return tuple(self._notices.values())
        kept_short = KEPT_SHORT.format(self.name, stated.tokens, stated.advice)
        return (kept_short, *self._notices.values())

    async def look(self) -> None:
        """Ask the endpoint for the model's window, if it can say, so that the first prompt fits it."""
        await self._window.ask(self._llm)

    @property
    def window_tokens(self) -> int | None:
        """How many tokens prompt and reply may have together, as far as it is known."""
        return self._window.tokens

    def reply_tokens(self, usual: int) -> int:
        """Return how long a reply may be: `usual`, unless a limit says otherwise or the model gives less."""
        wanted = self._ledger.limits.max_output_tokens
        return self._window.reply(usual if wanted is None else wanted)

    def prompt_room(self, usual: int) -> int:
        """Return how many estimated tokens a prompt may have beside a reply that has `usual` tokens."""
        room = self.window_room(usual)
        limit = self._ledger.limits.max_prompt_tokens
        return limit if room is None else min(limit, room)

    def window_room(self, usual: int) -> int | None:
        """Return the same as far as the window decides; None if that is unknown."""
        return self._window.room(self.reply_tokens(usual))

    def window_too_small(self, prompt: int, usual: int, what: str) -> WindowTooSmall:
        """Return the error for a window that does not hold this many estimated tokens beside a reply."""
        needed = self._window.needed(prompt, self.reply_tokens(usual))
        return WindowTooSmall(self.name, self._window.tokens or 0, needed, what)

    def heard_by(self, listener: Listener) -> Meter:
        """Return the same meter, but with a listener that hears the words of each reply as they come."""
        heard = copy.copy(self)
        heard._calls = replace(self._calls, listener=listener)  # noqa: SLF001 - a copy of this one
        return heard

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
        if (wanted := self._ledger.limits.max_output_tokens) is not None:
            request = replace(request, max_output_tokens=wanted)
        if place is not None and (replayed := self._replayed(request, place, parent)) is not None:
            return self._again(replayed, request)
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
            return await self._fitted(request, parent, place)

        if self._cache is None:
            return await pay()
        completion, hit = await self._cache.through(request.key(self.name, self._endpoint), pay)
        if hit and _cut_short(completion, self._window.granted(request)):
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
            return self._again(completion, request)
        return completion

    def _again(self, kept: Completion, request: Request) -> Completion:
        """Return a completion that was kept, and let its words be heard."""
        # An earlier version may have kept it with its thoughts.
        said = replace(without_thoughts(kept, request), thoughts="")
        if self._calls.listener is not None and said.text:
            self._calls.listener.add(said.text)
        return said

    def _check_price(self, limits: Limits) -> None:
        if self._tariff is None and (limits.max_usd is not None or self._ledger.capped_in_usd):
            raise UnknownPrice(self.name)

    async def _fitted(self, request: Request, parent: int | None, place: StepId | None) -> Completion:
        """Pay for the call; again with a shorter reply each time that the endpoint says that it is too long.

        Raises: `ContextTooLong` if the prompt must be cut, as `_paid` otherwise.
        """
        await self.look()
        sent = replace(request, max_output_tokens=self._window.granted(request))
        for left in reversed(range(MAX_SHORTER)):
            if self._window.overfull(sent):
                raise self._too_long()
            try:
                completion = await self._paid(sent, parent, place)
            except ContextTooLong as error:
                self._window.refused(sent, error)
                shorter = self._window.shorter(sent, error)
                if shorter is None or not left:
                    raise
                sent = replace(sent, max_output_tokens=shorter)
            else:
                if self._window.uncertain:
                    await self._window.ask(self._llm, again=True)
                if self._window.used(sent, completion):
                    self._notices[CUT_SILENTLY] = CUT_SILENTLY.format(self.name, completion.input_tokens)
                return completion
        raise AssertionError("the last try returns or raises")

    def _too_long(self) -> ContextTooLong:
        return ContextTooLong(
            self.name,
            next((part for part in self._endpoint.split() if "://" in part), "its endpoint"),
            f"the prompt does not fit its window of {self._window.tokens} tokens",
            advice="Shorten it.",
            window_tokens=self._window.tokens,
        )

    async def _paid(self, request: Request, parent: int | None, place: StepId | None) -> Completion:
        """Make the call as soon as the limiter admits it and there is room in the ledgers.

        A call that has to wait for room leaves the limiter meanwhile, so that it holds up no other run.
        """
        async with Place(self._limit) as taken:
            try:
                reservation = self._ledger.reserve_at_once(*self._worst_case(request))
                if reservation is None:
                    taken.free()
                    reservation = await self._ledger.reserve_in_turn(*self._worst_case(request))
            except BudgetExceeded as refused:
                raise self._told(refused) from None
            try:
                if not taken.held:
                    await taken.take()
                return await self._calls.make(request, reservation, taken, parent, place)
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


def _cut_short(completion: Completion, max_output_tokens: int) -> bool:
    """Whether a cached completion was cut short by a run that had less budget left than this one."""
    return completion.finish_reason == "length" and completion.output_tokens < max_output_tokens
