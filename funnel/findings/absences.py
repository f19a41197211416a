"""Leaves out of findings what says that something is absent, or what was inferred; pure.

Such a statement rests on what a run did not see, or on its own reasoning, so a later run must not take it for
known. If a quote says itself that something is absent, the statement is a finding like any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from funnel.text.absence import Wording
from funnel.text.sentences import statements

NO = frozenset({"no", "nein", "non", "não", "nee", "нет", "否", "いいえ", "아니요", "لا"})
QuotesOf = Callable[[str], Sequence[str]]
"""Returns the quotes that a statement cites."""


def sound(text: str, quotes_of: QuotesOf) -> str:
    """Return a text without the statements that are absences or inferences; "" if nothing else is in it."""
    try:
        return text if says_something(json.loads(text)) else ""
    except (ValueError, RecursionError):
        pass
    if text.strip(" .!\n\t").lower() in NO:
        return text
    kept, at = "", 0
    for start, stop in statements(text):
        if not is_sound(text[start:stop], quotes_of(text[start:stop])):
            kept, at = kept + text[at:start], stop
    kept = (kept + text[at:]).strip()
    return kept if statements(kept) else ""


def is_sound(statement: str, quotes: Sequence[str]) -> bool:
    """Return whether a statement is neither an inference nor an absence that its quotes do not state."""
    wording = Wording.of(statement)
    if wording.infers(statement):
        return False
    return not wording.claims_absence(statement) or any(
        Wording.of(quote).claims_absence(quote) for quote in quotes
    )


def says_something(value: Any) -> bool:
    """Return whether anything in a JSON value is there; null, "none", and what holds only such is not.

    A bare "no" is something: it judges the passage that was asked about.
    """
    if isinstance(value, dict):
        return any(map(says_something, value.values()))
    if isinstance(value, list):
        return any(map(says_something, value))
    if isinstance(value, str):
        word = value.strip(" .!\n\t").lower()
        return word in NO or (bool(word) and is_sound(value, ()))
    return value is not None
