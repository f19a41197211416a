"""A value and when it expires, for backends that store the time of expiry; knows no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from funnel.memory.base import Entry


@dataclass(frozen=True, slots=True)
class Value:
    """A value; `expires_at` in seconds since 1970, infinite if it never expires."""

    value: bytes
    expires_at: float = math.inf

    def entry(self, now: float) -> Entry:
        """Return the value with its remaining life."""
        return Entry(self.value, None if self.expires_at == math.inf else self.expires_at - now)
