"""`exchange_rate`: a tool for the model's code."""

from __future__ import annotations

from typing import Literal

from funnel import tool


@tool(exposes="nothing")
def exchange_rate(currency: Literal["USD", "CHF"]) -> float:
    """The rate of the euro to a currency."""
    return {"USD": 1.25, "CHF": 0.5}[currency]
