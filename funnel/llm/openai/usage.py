"""Reads the usage that an endpoint states, in any spelling; what cannot be read counts as not stated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INPUT_NAMES = ("prompt_tokens", "input_tokens")
OUTPUT_NAMES = ("completion_tokens", "output_tokens")
CACHED_NAMES = (
    "cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "num_cached_tokens",
)  # fmt: skip
"""OpenAI's name, which stands in the details, and DeepSeek's, Anthropic's and vLLM's."""
WRITTEN_NAMES = ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")
DETAILS_NAMES = ("prompt_tokens_details", "input_tokens_details")
MOST_TOKENS = 1_000_000_000
"""More than any model takes: such a figure is a mistake, and is not billed."""


@dataclass(frozen=True, slots=True)
class Stated:
    """The tokens that an endpoint states; None where it states none.

    Of the input, `cached_tokens` were in its cache, and `written_tokens` were put there.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    written_tokens: int = 0

    @property
    def anything(self) -> bool:
        """Whether it states anything."""
        return self.input_tokens is not None or self.output_tokens is not None


def stated(usage: Any) -> Stated:
    """Return what a `usage` says. A part that is missing follows from the total, if that is stated."""
    if not isinstance(usage, dict):
        return Stated()
    given, produced = _first(usage, INPUT_NAMES), _first(usage, OUTPUT_NAMES)
    total = tokens(usage.get("total_tokens"))
    if total is not None:
        if given is None and produced is not None and total > produced:
            given = total - produced
        elif produced is None and given is not None and total >= given:
            produced = total - given
    # No prompt has no tokens: some servers fill in zeros.
    given = given or None
    cached = min(_cached(usage, CACHED_NAMES), given or 0)
    return Stated(given, produced, cached, min(_cached(usage, WRITTEN_NAMES), (given or 0) - cached))


def _cached(usage: Mapping[str, Any], names: tuple[str, ...]) -> int:
    for details in (*(usage.get(name) for name in DETAILS_NAMES), usage):
        if isinstance(details, dict) and (found := _first(details, names)) is not None:
            return found
    return 0


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((found for name in names if (found := tokens(usage.get(name))) is not None), None)


def tokens(value: Any) -> int | None:
    """Return a stated number of tokens, a fraction rounded up; None if it can be none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return math.ceil(value) if 0 <= value <= MOST_TOKENS else None
