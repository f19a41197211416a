"""The price and the window of a model, by its name and its endpoint; never asks the network.

A price that the user states goes first, then the list price of the provider whose base URL it is. At any
other URL (a gateway, a server of one's own) a model has a price only if it can be had from one maker alone,
such as `gpt-4o` or `anthropic/claude-opus-5`: what a self-hosted model costs, only its owner knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from funnel.llm.tariff import Price, Tariff

Prices = Mapping[str, Sequence[float]]
"""By model: dollars per million tokens of input and output, and of cached input if a third is given."""

BUILT_IN = "extractive"
FREE = Tariff(Price(0.0, 0.0))
FLEX_FACTOR, PRIORITY_FACTOR = 0.5, 2.0
"""OpenAI's rule for a tier whose price is not listed for a model."""
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|20\d{6})$")
_URL = re.compile(r"https?://\S+")
_MAKERS = {
    "openai": re.compile(r"gpt-(?!oss)|chatgpt-|o[134](-|$)|ft:gpt-"),
    "anthropic": re.compile(r"claude-"),
    "google": re.compile(r"gemini-"),
    "x-ai": re.compile(r"grok-"),
}
"""The makers whose models nobody else serves at a price of their own, and the names of those models."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is published of a model: who serves it, its prices (None if unknown), its window in tokens."""

    provider: str
    tariff: Tariff | None
    window_tokens: int | None


def price_of(model: str, stated: Prices, endpoint: str = "") -> Price | None:
    """Return the price of a model at the standard tier; None if unknown."""
    tariff = tariff_of(model, stated, endpoint)
    return None if tariff is None else tariff.standard


def tariff_of(model: str, stated: Prices, endpoint: str = "") -> Tariff | None:
    """Return the prices of a model; None if unknown. A dated snapshot (`gpt-4o-2024-08-06`) costs the same.

    `stated`: the user's own prices, which go first; an exact name goes before the name without the date.
    `endpoint`: a text that holds the base URL; "" if that is unknown.
    """
    for name in (model, _SNAPSHOT.sub("", model)):
        if name in stated:
            input_usd, output_usd, *cached = stated[name]
            mine = Tariff(Price(input_usd, output_usd, cached[0] if cached else None))
            return _with_all_tiers(mine, listing(model, endpoint))
    if model == BUILT_IN:
        return FREE
    found = listing(model, endpoint)
    if found is None or found.tariff is None:
        return None
    return _with_all_tiers(found.tariff, found)


def _with_all_tiers(tariff: Tariff, found: Listing | None) -> Tariff:
    """Fill in the tiers that have no price: flex by OpenAI's rule unless another provider is known."""
    by_rule = found is None or found.provider in {"openai", "azure"}
    flex = tariff.flex or (tariff.standard.times(FLEX_FACTOR) if by_rule else None)
    return Tariff(tariff.standard, flex, tariff.priority or tariff.standard.times(PRIORITY_FACTOR))


def is_published(url: str) -> bool:
    """Whether this is the base URL of a provider that publishes its prices."""
    from funnel.llm.published import listing_at  # noqa: PLC0415 - as below

    return listing_at(url) is not None


@cache
def listing(model: str, endpoint: str = "") -> Listing | None:
    """Return what is published of a model at an endpoint; None if it is not listed."""
    url = _URL.search(endpoint)
    vendor, _, name = model.lower().rpartition("/")
    maker = next((maker for maker, names in _MAKERS.items() if names.match(name)), None)
    if maker is None and url is None:
        return None
    from funnel.llm.published import listing_at, listing_by  # noqa: PLC0415 - 0.2 s that the built-in can spare

    if url is not None and (at := listing_at(url.group())) is not None:
        return at.listing(model)
    return listing_by(maker, name) if maker is not None and vendor in {"", maker} else None
