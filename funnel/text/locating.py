"""Finds a quote in a text although its spaces, quotation marks or dashes were retyped; pure.

The time is linear in the text and in the quote, whatever they hold, since both may be hostile: a regular
expression for the same takes their product.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

_CANONICAL = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " ", "…": "..."}
)
_CANONICAL_SIGNS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"})
"""The same for single signs."""
_WORD = re.compile(r"\S+")
_MARKS = "'\"`"
"""What a quote may stand between that is no part of it."""
_TOKEN = re.compile(r"\w+|[^\w\s\0]")
_MIN_WORDS = 2


def locate(text: str, quote: str) -> tuple[int, int] | None:
    """Find `quote` in `text`; returns (start, stop), or None if it is not there.

    An exact match is tried first, then one that ignores differences in white space, quotation marks and
    dashes, because models retype these, and last one that ignores all white space beside signs, as code has
    it. The words themselves must match exactly. The span is one of `text`.
    """
    quote = quote.strip()
    if not quote:
        return None
    if (at := text.find(quote)) >= 0:
        return at, at + len(quote)
    words = quote.translate(_CANONICAL).split()
    found = _Words(text).find(" ".join(words)) if len(words) >= _MIN_WORDS else None
    found = found or _locate_tokens(text, quote)
    if found is None and quote[0] == quote[-1] and quote[0] in _MARKS:
        return locate(text, quote[1:-1])
    return found


def _locate_tokens(text: str, quote: str) -> tuple[int, int] | None:
    """Find the words and signs of a quote in this order, whatever white space stands between them."""
    wanted = _TOKEN.findall(quote.translate(_CANONICAL_SIGNS))
    words = list(filter(_is_word, wanted))
    if len(words) < _MIN_WORDS or len(words) == len(wanted):
        return None
    # Most texts lack one of the words, which is known long before they are taken apart.
    if any(word not in text for word in words):
        return None
    there = list(_TOKEN.finditer(text))
    # A control character between tokens: no token holds one.
    joined = "\0".join(match[0].translate(_CANONICAL_SIGNS) for match in there)
    at = f"\0{joined}\0".find("\0{}\0".format("\0".join(wanted)))
    if at < 0:
        return None
    first = joined.count("\0", 0, at)
    return there[first].start(), there[first + len(wanted) - 1].end()


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] == "_"


class _Words:
    """The words of a text in their canonical form, with single spaces between, and where each stands."""

    def __init__(self, text: str) -> None:
        found = list(_WORD.finditer(text))
        self._words = [match[0] for match in found]
        self._starts = [match.start() for match in found]
        canonical = [word.translate(_CANONICAL) for word in self._words]
        self._text = " ".join(canonical)
        self._at = list(accumulate((len(word) + 1 for word in canonical), initial=0))

    def find(self, wanted: str) -> tuple[int, int] | None:
        """Return the first span of the original text that reads like this; None if there is none."""
        at = self._text.find(wanted)
        while at >= 0:
            start, stop = self._original(at), self._original(at + len(wanted))
            if start is not None and stop is not None:
                return start, stop
            at = self._text.find(wanted, at + 1)
        return None

    def _original(self, at: int) -> int | None:
        """Return the offset in the original text; None inside a character that became several."""
        number = bisect_right(self._at, at) - 1
        word, inside = self._words[number], at - self._at[number]
        if "…" not in word:
            return self._starts[number] + inside
        reached = 0
        for i, character in enumerate(word):
            if reached >= inside:
                return self._starts[number] + i if reached == inside else None
            reached += 3 if character == "…" else 1
        return self._starts[number] + len(word) if reached == inside else None
