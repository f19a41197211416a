"""The root model of a funnel, the model of sub-calls, and their prices; knows no provider."""

from __future__ import annotations

from dataclasses import dataclass, field

from funnel.llm.base import LLM, Accountable, Cache, CallJournal, Located
from funnel.llm.budget import Ledger
from funnel.llm.limiter import CallQueue, Limiter, queue_of
from funnel.llm.meter import Meter
from funnel.llm.prices import Prices, tariff_of
from funnel.trace.events import Events


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a funnel calls, and their prices.

    `prices` (by model: input, output and, if it is given, cached input, in dollars per million tokens) go
    before the list prices of the endpoint's provider.
    `max_parallel`: how many calls to one endpoint with one key may be in flight, in all runs of this process.
    Models that name no account share one such limit within this object.
    """

    root: LLM
    sub: LLM
    prices: Prices = field(default_factory=dict)
    max_parallel: int = 16
    _queue: CallQueue = field(default_factory=CallQueue, init=False, repr=False, compare=False)

    def meters(
        self,
        ledger: Ledger,
        events: Events,
        *,
        cache: Cache | None = None,
        journal: CallJournal | None = None,
    ) -> tuple[Meter, Meter]:
        """Return the meters of one run, root and sub; both share its ledger, events and turn in the queue."""
        limits: dict[CallQueue, Limiter] = {}
        for llm in (self.root, self.sub):
            queue = self._queue_of(llm)
            limits.setdefault(queue, Limiter(self.max_parallel, queue=queue))
        root, sub = (
            Meter(
                llm,
                ledger,
                events,
                price=tariff_of(llm.name, self.prices, llm.endpoint if isinstance(llm, Located) else ""),
                limit=limits[self._queue_of(llm)],
                cache=cache,
                journal=journal,
            )
            for llm in (self.root, self.sub)
        )
        return root, sub

    def _queue_of(self, llm: LLM) -> CallQueue:
        return queue_of(llm.account) if isinstance(llm, Accountable) else self._queue

    async def close(self) -> None:
        """Close the connections of both models."""
        await self.root.close()
        if self.sub is not self.root:
            await self.sub.close()
