"""A clock for tests, in which time passes only when the test says so."""

from __future__ import annotations


class FakeClock:
    """Returns `now`, in seconds, when called; only `passes` advances it."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def passes(self, seconds: float) -> None:
        """Advance the time by this many seconds."""
        self.now += seconds
