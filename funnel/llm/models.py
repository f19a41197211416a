"""The two models of a funnel and their prices: one leads, one does the parts; knows no provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from funnel.llm.base import LLM, Cache, CallJournal
from funnel.llm.budget import Ledger
from funnel.llm.limiter import Limiter
from funnel.llm.meter import Meter
from funnel.llm.prices import price_of
from funnel.trace.events import Events


@dataclass(frozen=True, slots=True)
class Models:
    """What a funnel calls, and what that costs.

    `prices` ((input, output) in dollars per million tokens) go before the shipped table; `max_parallel`
    calls may be in flight in one run.
    """

    root: LLM
    sub: LLM
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    max_parallel: int = 16

    def meters(
        self,
        ledger: Ledger,
        events: Events,
        *,
        cache: Cache | None = None,
        journal: CallJournal | None = None,
    ) -> tuple[Meter, Meter]:
        """The meters of one run, root and sub: one ledger, one stream and one limit for both."""
        limit = Limiter(self.max_parallel)
        root, sub = (
            Meter(
                llm,
                ledger,
                events,
                price=price_of(llm.name, self.prices),
                limit=limit,
                cache=cache,
                journal=journal,
            )
            for llm in (self.root, self.sub)
        )
        return root, sub

    async def close(self) -> None:
        """Let go of both models' connections."""
        await self.root.close()
        if self.sub is not self.root:
            await self.sub.close()
