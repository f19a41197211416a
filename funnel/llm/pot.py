"""The stored form of a ledger that several processes draw on, and its arithmetic; does no I/O.

The pot holds what has been spent for good and how much each holder has drawn; a holder's share says what the
holder has spent of that, and the worst case of the calls that it may have sent. So if a holder dies, what it
spent and what it may have sent count as spent, and the rest is returned.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from funnel.llm.limits import Limits

FORMAT = 1
_PARTS = 4
"""A holder draws this fraction (one in `_PARTS`) of what is free, divided by the number of holders."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls, tokens and dollars together. Infinite if there is no limit."""

    calls: float = 0
    tokens: float = 0
    usd: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.usd - other.usd)

    def short_of(self, needed: Amount) -> Amount:
        """Return what is missing to reach `needed`, 0 if there is enough."""
        return _each(lambda has, wants: max(0, wants - has), self, needed)

    def at_most(self, other: Amount) -> Amount:
        """Return the lesser amount of each kind."""
        return _each(min, self, other)

    def covers(self, needed: Amount) -> bool:
        """Whether there is enough of each kind, up to rounding."""
        missing = self.short_of(needed)
        return missing.calls == 0 and missing.tokens == 0 and missing.usd <= 1e-12  # noqa: PLR2004 - of a dollar

    def dump(self) -> list[float]:
        """Return the amounts as JSON types."""
        return [self.calls, self.tokens, self.usd]


@dataclass(frozen=True, slots=True)
class Pot:
    """The shared part of a ledger. `began` is in seconds since 1970.

    `wanted` counts how often a holder found too little and asked the others for what they do not use.
    """

    began: float
    spent: Amount = Amount()
    drawn: Mapping[str, Amount] = field(default_factory=dict)
    wanted: int = 0

    def free(self, limits: Limits) -> Amount:
        """Return what nobody has spent or drawn."""
        caps = _each_limit(limits)
        taken = sum(self.drawn.values(), self.spent)
        return Amount(*(max(0, left) for left in (caps - taken).dump()))

    def draw(self, holder: str, missing: Amount, limits: Limits, *, partly: bool = False) -> Pot | None:
        """Return the pot after a holder has drawn at least what it lacks, and some for later calls.

        Returns: None if there is too little; with `partly` the holder then takes what there is.
        """
        free = self.free(limits)
        if not free.covers(missing) and not partly:
            return None
        n = _PARTS * max(1, len(self.drawn))
        later = Amount(2 * missing.calls, 2 * missing.tokens, 2 * missing.usd)
        part = Amount(_part(free.calls, n), _part(free.tokens, n), free.usd / n)
        more = _each(max, later, part).at_most(free)
        finite = Amount(*(0 if math.isinf(each) else each for each in more.dump()))
        return replace(self, drawn={**self.drawn, holder: self.drawn[holder] + finite})

    def dump(self) -> bytes:
        """Return it as it is stored."""
        drawn = {name: amount.dump() for name, amount in sorted(self.drawn.items())}
        stored = {"format": FORMAT, "began": self.began, "spent": self.spent.dump(), "drawn": drawn}
        return json.dumps({**stored, "wanted": self.wanted}).encode()

    @classmethod
    def load(cls, stored: bytes) -> Pot:
        """Restore what `dump` returned. Raises: `ValueError` for a format of a later version."""
        kept = _loaded(stored)
        drawn = {name: Amount(*amount) for name, amount in kept["drawn"].items()}
        return cls(kept["began"], Amount(*kept["spent"]), drawn, kept["wanted"])


@dataclass(frozen=True, slots=True)
class Share:
    """The amounts that one holder has spent, and may have `sent`. `ended`: it is never changed again."""

    holder: Mapping[str, Any]
    count: int = 0
    spent: Amount = Amount()
    sent: Amount = Amount()
    ended: bool = False

    def dump(self) -> bytes:
        """Return it as it is stored."""
        stored = {"format": FORMAT, "holder": dict(self.holder), "count": self.count, "ended": self.ended}
        return json.dumps({**stored, "spent": self.spent.dump(), "sent": self.sent.dump()}).encode()

    @classmethod
    def load(cls, stored: bytes) -> Share:
        """Restore what `dump` returned. Raises: `ValueError` for a format of a later version."""
        kept = _loaded(stored)
        spent, sent = Amount(*kept["spent"]), Amount(*kept["sent"])
        return cls(kept["holder"], kept["count"], spent, sent, kept["ended"])


def _loaded(stored: bytes) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(stored)
    if kept["format"] != FORMAT:
        raise ValueError(f"format {kept['format']}; this version reads format {FORMAT}")
    return kept


def _each(choose: Any, one: Amount, other: Amount) -> Amount:
    return Amount(*(choose(a, b) for a, b in zip(one.dump(), other.dump(), strict=True)))


def _each_limit(limits: Limits) -> Amount:
    caps = limits.max_calls, limits.max_tokens, limits.max_usd
    return Amount(*(math.inf if cap is None else cap for cap in caps))


def _part(free: float, n: int) -> float:
    return free if math.isinf(free) else free // n
