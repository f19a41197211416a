"""What an endpoint says is left of one of its limits, and how long a call has to wait for it; no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

MEASURABLE_S = 0.05
"""Shorter times until a limit is whole again are rounded by endpoints too much to compare them."""
GROWN = 1.5
"""How much more must be used than before, so that two statements tell how the limit is filled again."""
STEADY = 1.25
"""How much faster a limit may seem to be filled than before, if it is filled steadily."""
OLDER_S = 1.0
"""Times are rounded to seconds: only a statement that is older by more than that is known to be older."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a response states about one limit. `limit` is None if it is not stated.

    `whole_in_s`: the seconds until all of the limit is free again.
    """

    left: float
    whole_in_s: float
    limit: float | None = None


class Allowance:
    """One limit of an endpoint: requests or tokens in some span of time.

    Endpoints fill a limit either at once, when a window ends, or steadily. What they state does not say which
    it is, but two statements do: the time until the limit is whole grows with what is used only if it is
    filled steadily. Until that is known, the time that is stated is waited for.
    """

    def __init__(self) -> None:
        self._limit: float | None = None
        self._left = math.inf
        self._at = 0.0
        self._whole_at = -math.inf
        self._sent_at_whole = -math.inf
        self._span_s = 0.0
        self._per_s = 0.0
        self._used = (0.0, 0.0)

    def state(self, stated: Stated, now: float, *, sent_at: float, others: float) -> None:
        """Take what the response to a call states, which was sent at that time.

        `others`: the cost of all calls that the endpoint may not have counted before that call, and so has
        not yet subtracted.
        """
        whole = sent_at + stated.whole_in_s
        if now < self._whole_at and whole < self._sent_at_whole - OLDER_S:
            return  # from before the limit was filled again
        at_least = stated.left - others
        left = at_least if now >= self._whole_at else max(at_least, self._left_at(now))
        self._left, self._at = min(left, stated.left), now
        if whole > self._sent_at_whole or now >= self._whole_at:
            self._sent_at_whole, self._whole_at = whole, now + stated.whole_in_s
        self._limit = stated.limit
        self._span_s = max(self._span_s, stated.whole_in_s)
        if stated.limit is not None and stated.whole_in_s >= MEASURABLE_S:
            self._compare(stated.limit - stated.left, stated.whole_in_s)

    def _left_at(self, now: float) -> float:
        left = self._left + (now - self._at) * self._per_s
        return left if self._limit is None else min(left, self._limit)

    def _compare(self, used: float, whole_in_s: float) -> None:
        """Compare a statement with the one before, as soon as enough was used between them."""
        used_before, per_s_before = self._used
        if used < used_before or not used_before:
            self._used = used, used / whole_in_s
        elif used >= GROWN * used_before:
            per_s = used / whole_in_s
            self._per_s = per_s if per_s < STEADY * per_s_before else 0.0
            self._used = used, per_s

    def free_at(self, cost: float, now: float) -> float:
        """Return when a call of this cost fits. One that is larger than the limit needs all of it."""
        if now >= self._whole_at:
            return now
        needed = cost if self._limit is None else min(cost, self._limit)
        missing = needed - self._left
        if missing <= 0:
            return now
        if not self._per_s:
            return self._whole_at
        return max(now, min(self._whole_at, self._at + missing / self._per_s))

    def take(self, cost: float, now: float, *, others: float) -> None:
        """Take a call's cost from what is left.

        When the limit has become whole and nothing newer is stated, the same limit holds for the same span.
        `others`: the cost of calls that were just sent, which may count in this span.
        """
        if now >= self._whole_at and self._limit is not None:
            self._left, self._at = self._limit - others, now
            self._whole_at = now + self._span_s
        self._left -= cost

    def whole_by(self, at: float) -> None:
        """Expect the limit to be whole by that time: the endpoint asked to come back then."""
        self._whole_at = min(self._whole_at, at)
