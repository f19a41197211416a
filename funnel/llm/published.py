"""List prices as `genai-prices` ships them, converted to ours; nothing here asks the network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices, TimeOfDateConstraint

from funnel.llm.prices import Listing
from funnel.llm.tariff import Price, Tariff
from funnel.types import Tier

_WRITES_BY_ITSELF = ("gpt-", "openai/gpt-")
"""Models whose endpoint fills its cache without being asked for it, and bills that where it has a price."""


@dataclass(frozen=True, slots=True)
class At:
    """A provider, whose models are listed under the names that it gives them."""

    provider: Provider

    def listing(self, model: str) -> Listing | None:
        """Return what is published of a model of this provider; None if it is not listed."""
        info = self.provider.find_model(model, all_providers=providers)
        return None if info is None else Listing(self.provider.id, _tariff(info), info.context_window)


def listing_at(url: str) -> At | None:
    """Return the provider whose base URL this is; None if it is nobody's that is known."""
    return next((At(each) for each in providers if re.match(each.api_pattern, url)), None)


def listing_by(maker: str, model: str) -> Listing | None:
    """Return what a model costs at its maker's; None if it is not listed."""
    return next((At(each).listing(model) for each in providers if each.id == maker), None)


def _tariff(info: ModelInfo) -> Tariff | None:
    standard = _price(info, None)
    listed = {variant.when.get("service_tier") for variant in info.price_variants or ()}
    flex = _price(info, "flex") if "flex" in listed else None
    priority = _price(info, "priority") if "priority" in listed else None
    return None if standard is None else Tariff(standard, flex, priority)


def _price(info: ModelInfo, tier: Tier | None) -> Price | None:
    """Return the price of a model at a tier; None if it has none for text."""
    prices = [info.get_prices(datetime.now(UTC), None if tier is None else {"service_tier": tier})]
    if isinstance(info.prices, list):
        # Some prices change with the hour, and a run may last until then: the dearest is on the safe side.
        prices += [each.prices for each in info.prices if isinstance(each.constraint, TimeOfDateConstraint)]
    converted = [
        _converted(price, writes=info.id.startswith(_WRITES_BY_ITSELF))
        for price in prices
        if price.input_mtok is not None or price.output_mtok is not None
    ]
    return max(converted, key=lambda price: (price.output_usd, price.input_usd), default=None)


def _converted(price: ModelPrice, *, writes: bool) -> Price:
    written = price.cache_write_mtok if writes else None
    rates = (price.input_mtok, price.output_mtok, price.cache_read_mtok, written)
    tiered = [rate for rate in rates if isinstance(rate, TieredPrices)]
    sizes = sorted({tier.start for rate in tiered for tier in rate.tiers})

    def at(input_tokens: int) -> Price:
        inward, outward, read, write = (_rate(rate, input_tokens) for rate in rates)
        return Price(inward or 0.0, outward or 0.0, read, write)

    base = at(0)
    above = tuple((size, at(size + 1)) for size in sizes)
    return Price(base.input_usd, base.output_usd, base.cached_usd, base.written_usd, above)


def _rate(rate: Decimal | TieredPrices | None, input_tokens: int) -> float | None:
    """Return the rate that holds for a prompt of this size."""
    if rate is None:
        return None
    if not isinstance(rate, TieredPrices):
        return float(rate)
    found = rate.base
    for tier in rate.tiers:
        if input_tokens > tier.start:
            found = tier.price
    return float(found)
