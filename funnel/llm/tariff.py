"""What a model's tokens cost: by size of the prompt, by what the endpoint had cached, by service tier.

Knows no model by name and no ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from funnel.types import Tier

_SERVED: dict[str, Tier] = {"flex": "flex", "priority": "priority", "fast": "priority"}
"""The tiers that cost another price than the standard one, as endpoints name them in their replies."""


@dataclass(frozen=True, slots=True)
class CachedInput:
    """The tokens of a prompt that the endpoint read from its cache, and those that it wrote into it."""

    read: int = 0
    written: int = 0

    def within(self, input_tokens: int) -> CachedInput:
        """Return the same, bounded by the tokens of the prompt: endpoints have reported more than that."""
        read = min(max(self.read, 0), input_tokens)
        return CachedInput(read, min(max(self.written, 0), input_tokens - read))


NOTHING_CACHED = CachedInput()


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens.

    `cached_usd`: for input that was in the endpoint's cache; `written_usd`: for input that was put there. If
    one is None, such input costs `input_usd`. `above`: pairs of a number of tokens and the price of every
    call whose prompt has more tokens than that.
    """

    input_usd: float
    output_usd: float
    cached_usd: float | None = None
    written_usd: float | None = None
    above: tuple[tuple[int, Price], ...] = ()

    def at(self, input_tokens: int) -> Price:
        """Return the price of a call with a prompt of this size."""
        found = self
        for size, price in self.above:
            if input_tokens > size:
                found = price
        return found

    def cost(self, input_tokens: int, output_tokens: int, cached: CachedInput = NOTHING_CACHED) -> float:
        """Return the dollars for a call of this size."""
        price, cached = self.at(input_tokens), cached.within(input_tokens)
        read_usd = price.input_usd if price.cached_usd is None else price.cached_usd
        written_usd = price.input_usd if price.written_usd is None else price.written_usd
        fresh = input_tokens - cached.read - cached.written
        return (
            fresh * price.input_usd
            + cached.read * read_usd
            + cached.written * written_usd
            + output_tokens * price.output_usd
        ) / 1_000_000

    def worst(self) -> Price:
        """Return the price of calls for which nothing was cached and all is written into the cache."""
        return Price(
            max(self.input_usd, self.written_usd or 0.0),
            self.output_usd,
            above=tuple((size, price.worst()) for size, price in self.above),
        )

    def times(self, factor: float) -> Price:
        """Return the price multiplied by a factor."""
        return replace(
            self,
            input_usd=self.input_usd * factor,
            output_usd=self.output_usd * factor,
            cached_usd=None if self.cached_usd is None else self.cached_usd * factor,
            written_usd=None if self.written_usd is None else self.written_usd * factor,
            above=tuple((size, price.times(factor)) for size, price in self.above),
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """The price of a model at each service tier; None means as at the standard tier."""

    standard: Price
    flex: Price | None = None
    priority: Price | None = None

    def of(self, tier: Tier) -> Price:
        """Return the price at a tier."""
        other = {"flex": self.flex, "priority": self.priority}.get(tier)
        return self.standard if other is None else other

    def worst(self, asked: Tier) -> Price:
        """Return the price to reserve at, since a call may be served at the standard tier instead."""
        return (self.of("priority") if asked == "priority" else self.standard).worst()

    def served(self, said: str, *, asked: Tier) -> Price:
        """Return the price at the tier that the endpoint `said`, or the dearest if it said nothing."""
        if said:
            return self.of(name_of(said))
        return self.of("priority") if asked == "priority" else self.standard


def name_of(said: str) -> Tier:
    """Return the tier that an endpoint names in a reply; any other word, or none, is the standard tier."""
    return _SERVED.get(said.strip().lower(), "standard")
