"""Pauses between attempts: each up to twice as long as the one before, with jitter; knows no attempt."""

from __future__ import annotations

import random
from collections.abc import Iterator


def pauses(first_s: float, longest_s: float) -> Iterator[float]:
    """Yield the seconds to wait before the second attempt, the third, and so on, forever.

    The bound starts at `first_s` and doubles up to `longest_s`. A pause is at least half of it,
    so that callers who failed together do not come back together.
    """
    bound_s = min(first_s, longest_s)
    while True:
        yield random.uniform(bound_s / 2, bound_s)  # noqa: S311 - spreads attempts, protects nothing
        bound_s = min(2 * bound_s, longest_s)
