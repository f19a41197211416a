"""Reads regular expressions: makes a space in them match any white space, and finds what they need to match.

Patterns are read here, and compiled only by the process that can be killed.
"""

from __future__ import annotations

from dataclasses import dataclass

from funnel.workspace.patterns.literals import needed
from funnel.workspace.patterns.spacing import spaced
from funnel.workspace.patterns.tokens import tokens_of


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in which a space matches any white space (`spaced`), and its literals.

    A text without any of the `literals` holds no match; if there are none, nothing is known. If
    `ignore_case`, they are ASCII and in lower case.
    """

    spaced: str
    literals: tuple[str, ...]
    ignore_case: bool


def understood(pattern: str, *, ignore_case: bool) -> Pattern:
    """Return how to search for a pattern that `re` accepts."""
    tokens, flags = tokens_of(pattern)
    folded = ignore_case or "i" in flags
    literals = needed(tokens, folded=folded) or frozenset()
    return Pattern(spaced(tokens, ascii_only="a" in flags), tuple(sorted(literals)), folded)
