"""The line that ends each message: which turn it is, and what is left of the limits; reads no document."""

from __future__ import annotations

from typing import Any

from funnel.llm.budget import Ledger
from funnel.llm.meter import Meter

PLENTY = 0.5
"""While this share of every limit is left, the exact amount does not change what a model does."""


def left(ledger: Ledger, turn: int) -> dict[str, Any]:
    """Return what `budget()` returns in that turn."""
    seconds, usd = ledger.remaining_s, ledger.remaining_usd()
    return {
        "turns_left": ledger.limits.max_turns - turn,
        "calls_left": ledger.remaining_calls(),
        "seconds_left": None if seconds is None else round(seconds),
        "usd_left": None if usd is None else round(usd, 4),
        "tokens_left": ledger.remaining_tokens(),
    }


def closing(ledger: Ledger, root: Meter, turn: int, prompt_tokens: int) -> tuple[str, tuple[str, str] | None]:
    """Return the line, and what replaces its changing part in the cache's key.

    It tells what the cell of this turn can spend: the call that is about to be made is taken off, with a
    prompt of so many tokens.

    While plenty is left, the key holds the limits instead: a model does not act differently for a second or a
    call less, and a run that repeats another would otherwise never hit the cache after its first turn.
    """
    now, limits = left(ledger, turn), ledger.limits
    price = 0.0 if root.price is None else root.price.cost(prompt_tokens, 0)
    names = {
        "calls_left": ("model calls", limits.max_calls, 1),
        "seconds_left": ("seconds", limits.timeout_s, 0),
        "usd_left": ("dollars", limits.max_usd, price),
        "tokens_left": ("tokens", limits.max_tokens, prompt_tokens),
    }
    bounded = [
        (round(max(0, now[key] - own), 4), name, limit)
        for key, (name, limit, own) in names.items()
        if limit is not None and now[key] is not None
    ]
    budget = ", ".join(f"{amount} {name}" for amount, name, _ in bounded)
    line = f"Turn {turn} of {limits.max_turns}." + (f" Left: {budget}." if budget else "")
    if turn == limits.max_turns:
        line += " This is the last turn: submit now what you have."
    plenty = all(amount >= PLENTY * limit for amount, _, limit in bounded)
    counts = ", ".join(f"{limit:g} {name}" for _, name, limit in bounded)
    return line, (f"Left: {budget}.", f"Of: {counts}.") if budget and plenty else None
