"""Prices of models, as data; knows no endpoint.

List prices in US dollars per million tokens (input, output), as of 2026-11-28. Discounts of the provider
(cached input, batch) are ignored, so a cost is an upper bound where they apply. Prices that a user sets take
precedence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from funnel.llm.budget import Price

PRICES: Mapping[str, Price] = {
    "extractive": Price(0.0, 0.0),
    "gpt-6.1-sol": Price(2.0, 10.0),
    "gpt-6.1-terra": Price(1.0, 5.0),
    "gpt-6-luna": Price(0.10, 0.50),
    "gpt-5": Price(1.25, 10.0),
    "gpt-5-mini": Price(0.25, 2.0),
    "gpt-5-nano": Price(0.05, 0.40),
    "gpt-4.1": Price(2.0, 8.0),
    "gpt-4.1-mini": Price(0.40, 1.60),
    "gpt-4.1-nano": Price(0.10, 0.40),
    "gpt-4o": Price(2.50, 10.0),
    "gpt-4o-mini": Price(0.15, 0.60),
    "o3": Price(2.0, 8.0),
    "o4-mini": Price(1.10, 4.40),
}
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def price_of(model: str, overrides: Mapping[str, tuple[float, float]]) -> Price | None:
    """Return the price of a model; None if unknown. A dated snapshot (`gpt-4o-2024-08-06`) costs the same.

    `overrides`: (input, output) in dollars per million tokens, by model name. An exact name takes precedence
    over the name without the date, and for the same name an override over the table.
    """
    for name in (model, _SNAPSHOT.sub("", model)):
        if name in overrides:
            return Price(*overrides[name])
        if name in PRICES:
            return PRICES[name]
    return None
