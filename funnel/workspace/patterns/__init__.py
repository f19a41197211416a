"""Reads regular expressions: makes a space in them match any white space, and finds what they need to match.

Patterns are read here, and compiled only by the process that can be killed.
"""

from __future__ import annotations

from dataclasses import dataclass

from funnel.workspace.patterns.literals import Needed, needed
from funnel.workspace.patterns.spacing import spaced
from funnel.workspace.patterns.tokens import tokens_of


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in which a space matches any white space, and what a text must hold to match it."""

    spaced: str
    needed: Needed


def understood(pattern: str, *, ignore_case: bool) -> Pattern:
    """Return how to search for a pattern that `re` accepts."""
    tokens, flags = tokens_of(pattern)
    folded = ignore_case or "i" in flags
    literals = sorted(needed(tokens, folded=folded) or ())
    encoded = tuple(literal.encode("utf-8", "surrogatepass") for literal in literals)
    return Pattern(spaced(tokens, ascii_only="a" in flags), Needed(encoded, folded))
