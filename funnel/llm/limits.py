"""Limits and reservations, as values; knows no ledger and no model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from funnel.errors import BadSetting

MIN_OUTPUT_TOKENS = 64
"""A call that may answer with fewer tokens than this is not worth its input."""

USUAL_PROMPT_TOKENS = 32_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a run, its children included. None means no limit of that kind.

    `max_turns` applies to each inspector, `max_output_chars` to what all cells print and note together,
    `max_stored_bytes` to what the run writes: its journal, its notes, pages of documents, its trace.
    `max_prompt_tokens` bounds the estimated size of every prompt, whatever the documents' size; but a prompt
    that a program writes only if it is not the usual one. `max_output_tokens`: how long each reply may be,
    instead of the usual length for its purpose.

    In the ledger of a job or an owner only the sums apply (dollars, calls, tokens, seconds, characters of
    output, bytes stored); turns, depth and prompt size are limited for each run. The defaults are those of a
    run; for a job, use `only`.

    Raises: `BadSetting` for a limit that is negative or not a number.
    """

    max_usd: float | None = None
    max_calls: int | None = 100
    max_tokens: int | None = None
    timeout_s: float | None = 300.0
    max_turns: int = 16
    max_depth: int = 2
    max_prompt_tokens: int = USUAL_PROMPT_TOKENS
    max_output_chars: int | None = 4_000_000
    max_output_tokens: int | None = None
    max_stored_bytes: int | None = 100_000_000

    def __post_init__(self) -> None:
        for name in (
            "max_usd", "max_calls", "max_tokens", "timeout_s", "max_turns", "max_depth", "max_output_chars",
            "max_prompt_tokens", "max_output_tokens", "max_stored_bytes",
        ):  # fmt: skip
            value = getattr(self, name)
            # A limit of NaN would never count as passed.
            if value is not None and (math.isnan(value) or value < 0):
                raise BadSetting(name, f"must be 0 or more, not {value:g}.")

    @property
    def max_sub_prompt_tokens(self) -> int | None:
        """The most that a prompt may have that a program wrote; None if nobody has set a limit."""
        return None if self.max_prompt_tokens == USUAL_PROMPT_TOKENS else self.max_prompt_tokens

    @classmethod
    def only(
        cls,
        *,
        max_usd: float | None = None,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Limits:
        """Return these limits and no others, as for a job or an owner."""
        return cls(max_usd, max_calls, max_tokens, timeout_s, max_output_chars=None, max_stored_bytes=None)


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """The worst case of one call. `output_tokens` is the most that the call may be asked for.

    Compared by identity, since two of the same size are not the same. `in_flight`: the call is being made
    now, so that it pays to wait for its end; otherwise the reservation is kept for a later call.
    """

    input_tokens: int
    output_tokens: int
    usd: float
    in_flight: bool = False
