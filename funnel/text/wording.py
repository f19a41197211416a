"""Tells texts that say the same in nearly the same words; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_WORD = re.compile(r"\w+")
_ALIKE = 0.95


@dataclass(frozen=True, slots=True)
class Wording:
    """The different words of a text, and those of them that hold a digit."""

    words: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the wording of a text."""
        words = frozenset(_WORD.findall(text.casefold()))
        return cls(words, frozenset(word for word in words if any(map(str.isdigit, word))))

    def repeats(self, other: Self) -> bool:
        """Return whether two texts have the same numbers and 95 of 100 words in common."""
        if self.numbers != other.numbers:
            return False
        return len(self.words & other.words) >= _ALIKE * len(self.words | other.words)
