"""A value and when it ends, for backends that keep that themselves; knows no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from funnel.memory.base import Entry


@dataclass(frozen=True, slots=True)
class Value:
    """A value; `expires_at` in seconds since 1970, infinite when it stays."""

    value: bytes
    expires_at: float = math.inf

    def entry(self, now: float) -> Entry:
        """The value with the life that remains to it."""
        return Entry(self.value, None if self.expires_at == math.inf else self.expires_at - now)
