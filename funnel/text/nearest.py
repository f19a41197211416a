"""Finds the sentences of a text that a misquotation most resembles; pure.

The time is linear in the text: sentences are compared by their words, and only a few of them word by word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import nlargest

from funnel.text.sentences import sentences

MAX_QUOTE_WORDS = 400
MAX_SENTENCES = 5
"""A quotation of more sentences is compared with so many at a time."""
MIN_SHARED = 0.4
"""The share of a quotation's words that must occur in what resembles it."""
_COMPARED = 8
_WORD = re.compile(r"[^\W_]+")
_LINE = re.compile(r"\S[^\n]*")
_CODE = ("():\n", ") {\n", ");\n", "):\n", " = ")
"""What only stands in code, whose sentences are lines."""


@dataclass(frozen=True, slots=True, order=True)
class Resembling:
    """A span that resembles a quotation: `likeness` is 1 if all words are the same, in the same order."""

    likeness: float
    start: int
    stop: int


def nearest(text: str, quote: str) -> Resembling | None:
    """Return the sentence, or as many as the quote has, that resembles a quote most; None if none does."""
    wanted = _WORD.findall(quote.lower())[:MAX_QUOTE_WORDS]
    if not wanted:
        return None
    several = min(MAX_SENTENCES, max(1, len(sentences(quote))))
    best = nlargest(_COMPARED, _candidates(text, frozenset(wanted), several))
    compared = (
        Resembling(
            SequenceMatcher(None, wanted, _words(text, start, stop), autojunk=False).ratio(), start, stop
        )
        for shared, _, start, stop in best
        if shared >= MIN_SHARED
    )
    return max(compared, default=None)


def _candidates(text: str, wanted: frozenset[str], several: int) -> Iterator[tuple[float, int, int, int]]:
    """Yield runs of sentences with the share of the wanted words in them; of equal ones the short first."""
    spans = sentences(text)
    if any(sign in text for sign in _CODE):
        lines = [(match.start(), match.end()) for match in _LINE.finditer(text)]
        yield from _runs(text, lines, wanted, several)
    yield from _runs(text, spans, wanted, several)


def _runs(
    text: str, spans: Sequence[tuple[int, int]], wanted: frozenset[str], several: int
) -> Iterator[tuple[float, int, int, int]]:
    """Yield the runs of so many spans; see `_candidates`."""
    held = [wanted.intersection(_words(text, start, stop)) for start, stop in spans]
    for i, (start, _) in enumerate(spans):
        last = min(i + several, len(spans)) - 1
        if held[i]:
            stop = spans[last][1]
            yield len(frozenset().union(*held[i : last + 1])) / len(wanted), start - stop, start, stop


def _words(text: str, start: int, stop: int) -> list[str]:
    return _WORD.findall(text[start:stop].lower())[: 2 * MAX_QUOTE_WORDS]
