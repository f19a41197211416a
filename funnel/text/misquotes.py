"""Finds what a quote means in a text although it was not copied exactly; pure.

Letter case and punctuation may differ, words may be left out at an ellipsis, and one or two words may be
others. No number, name or word that turns the meaning may differ: what is found says what the quote says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from funnel.text.numbers import Word, words
from indexes.retrieval.analysis import STOP_WORDS

MAX_WORDS = 150
"""Longer quotes are not looked for, since the time grows with their length."""
MAX_SPAN_CHARS = 800
"""Length of the longest span that a quote with an ellipsis is replaced by."""
_ELLIPSIS = re.compile(r"[\[(]?\s*(?:\.\.\.|…)\s*[\])]?")
_LEAST_WORDS = 2
_CHANGED = ((6, 2), (4, 1))
"""A quote of at least so many words may have so many others."""
_LONG_WORDS = 7
"""A quote of so many words may have one word of another meaning."""
_MAX_SEEDS = 8
_LIGHT = STOP_WORDS | {"within", "upon", "will", "also", "per"}
_SAME = 0.7
"""Two words that share so much of their letters are taken for forms of one."""
_TURNING_WORDS = """
    may must shall can could should before after above below over under up down more less most least first
    last only all any some every each both either or but if until than rose fell increase increased increases
    decrease decreased decreases higher lower maximum minimum yes fails failed
"""
_TURNING = frozenset(_TURNING_WORDS.split())
"""Words that change what a sentence says."""


class _Aligned(NamedTuple):
    stop: int
    changes: list[tuple[Word | None, Word | None]]


def locate_misquote(text: str, quote: str) -> tuple[int, int] | None:
    """Return the span of `text` that a quote means; None if there is none, or it says something else."""
    parts = [part for part in _ELLIPSIS.split(quote) if part.strip()]
    if not parts or len(quote) > len(text) * 2 + 100:
        return None
    found: list[tuple[int, int]] = []
    there = list(words(text))
    for part in parts:
        first = found[-1][1] if found else 0
        span = _locate(text, [word for word in there if word.start >= first], part)
        if span is None:
            return None
        found.append(span)
    start, stop = found[0][0], found[-1][1]
    return (start, stop) if len(parts) == 1 or stop - start <= MAX_SPAN_CHARS else None


def _locate(text: str, there: Sequence[Word], quote: str) -> tuple[int, int] | None:
    wanted = list(words(quote))
    if not _LEAST_WORDS <= len(wanted) <= MAX_WORDS:
        return None
    most = next((changes for least, changes in _CHANGED if len(wanted) >= least), 0)
    for budget in range(most + 1):
        for first, at in _seeds(wanted, there, budget):
            aligned = _around(wanted, there, first, at, budget)
            if aligned is None or not _harmless(aligned[2], wanted, text, quote):
                continue
            return there[aligned[0]].start, _with_full_stop(text, there[aligned[1] - 1].stop, quote)
    return None


def _seeds(wanted: Sequence[Word], there: Sequence[Word], budget: int) -> Iterator[tuple[int, int]]:
    """Yield places where a part of the quote stands: if few words differ, one of its parts does not."""
    forms = [word.form for word in there]
    size = max(1, len(wanted) // (budget + 1))
    for part in range(budget + 1):
        first = part * size
        pattern = [word.form for word in wanted[first : first + size]]
        seen = 0
        for at in range(len(forms) - len(pattern) + 1):
            if forms[at] == pattern[0] and forms[at : at + len(pattern)] == pattern:
                yield first, at
                seen += 1
                if seen == _MAX_SEEDS:
                    break


def _around(
    wanted: Sequence[Word], there: Sequence[Word], first: int, at: int, budget: int
) -> tuple[int, int, list[tuple[Word | None, Word | None]]] | None:
    """Return from where to where the quote stands around a place that fits, and which words differ."""
    after = _extend(wanted[first:], there[at:], budget)
    if after is None:
        return None
    left = budget - len(after.changes)
    before = _extend(wanted[:first][::-1], there[:at][::-1], left)
    if before is None or at + after.stop == at - before.stop:
        return None
    return at - before.stop, at + after.stop, [*before.changes, *after.changes]


def _extend(wanted: Sequence[Word], there: Sequence[Word], budget: int) -> _Aligned | None:
    """Return how much of `there` the words of a quote take, with at most so many changes; None if more."""
    i = 0
    while i < len(wanted) and i < len(there) and wanted[i].form == there[i].form:
        i += 1
    if i == len(wanted):
        return _Aligned(i, [])
    if budget == 0:
        return None
    one, other = wanted[i], there[i] if i < len(there) else None
    tries: list[tuple[int, int, Word | None, Word | None]] = [(i + 1, i, one, None)]
    if other is not None:
        tries = [(i, i + 1, None, other), (i + 1, i + 1, one, other), *tries]
    best: _Aligned | None = None
    for next_wanted, next_there, missing, extra in tries:
        rest = _extend(wanted[next_wanted:], there[next_there:], budget - 1)
        if rest is not None and (best is None or len(rest.changes) + 1 < len(best.changes)):
            best = _Aligned(next_there + rest.stop, [(missing, extra), *rest.changes])
    return best


def _harmless(
    changes: Sequence[tuple[Word | None, Word | None]], wanted: Sequence[Word], text: str, quote: str
) -> bool:
    """Whether no changed word is a number, a name, or one that turns the meaning."""
    other_words = 0
    for said, stored in changes:
        if any(_weighs(word, of) for word, of in ((said, quote), (stored, text)) if word is not None):
            return False
        if said is not None and stored is not None and not _forms_of_one(said.form, stored.form):
            other_words += 1
        elif said is None or stored is None:
            lone = said or stored
            other_words += lone is not None and lone.form not in _LIGHT
    return other_words <= (1 if len(wanted) >= _LONG_WORDS else 0)


def _weighs(word: Word, text: str) -> bool:
    if word.is_number or word.negates or word.form in _TURNING:
        return True
    # Also the first word of a sentence is written with a capital letter.
    return text[word.start].isupper() and word.start > 0 and text[max(0, word.start - 2)] not in ".!?:"


def _forms_of_one(one: str, other: str) -> bool:
    return {one, other} <= _LIGHT or SequenceMatcher(None, one, other, autojunk=False).ratio() >= _SAME


def _with_full_stop(text: str, stop: int, quote: str) -> int:
    """Return the end of a span, with the mark that ends the sentence if the quote has one."""
    while stop < len(text) and text[stop] in ".!?)\"'”’%。！？" and quote.rstrip()[-1:] in ".!?\"'”’)%。！？":
        stop += 1
    return stop
