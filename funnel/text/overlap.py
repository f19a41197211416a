"""Finds which stretches of known texts stand in another text, such as a printed output; pure.

Words are compared, so that other white space, numbering, quotation marks and escapes do not matter. What
stands in several known texts is counted once, where most of it stands. A stretch of fewer than `MIN_WORDS`
words is not found.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MIN_WORDS = 5
_STEP = 3
"""Each known text is looked up at every third word; a stretch of five words holds such a place whole."""
_MAX_PLACES = 8
"""How often the same three words may stand in a text before further places are not tried."""
_MAX_SKIPPED = 4
"""How many words may be put in or left out inside a stretch."""
_MAX_STRETCHES = 50_000
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[nrt])")


class Stretch(NamedTuple):
    """Characters `start` to `stop` of the known text number `text`."""

    text: int
    start: int
    stop: int


class _Match(NamedTuple):
    """Words of a known text that stand in the shown one; `size` counts those that are the same."""

    size: int
    text: int
    first: int
    last: int
    at: int
    end: int


def stretches(shown: str, known: Iterable[str]) -> list[Stretch]:
    """Return the stretches of the known texts that stand in `shown`.

    The time is linear in the known texts, and memory is taken for `shown` and for one known text at a time.
    """
    words = _WORD.findall(_ESCAPE.sub(_unescaped, shown))
    places: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for i, three in enumerate(zip(words, words[1:], words[2:], strict=False)):
        if len(there := places[three]) < _MAX_PLACES:
            there.append(i)
    kept: list[str] = []
    matches: list[_Match] = []
    for number, text in enumerate(known):
        kept.append(text)
        if len(matches) < _MAX_STRETCHES:
            matches += _matches(number, _WORD.findall(text), words, places)
    return _located(_counted_once(matches, len(words)), kept)


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else " "


def _matches(
    number: int, text: Sequence[str], words: Sequence[str], places: dict[tuple[str, str, str], list[int]]
) -> list[_Match]:
    found: list[_Match] = []
    begun = 0
    for i, three in enumerate(zip(text[::_STEP], text[1::_STEP], text[2::_STEP], strict=False)):
        at = _STEP * i
        if at < begun or three not in places:
            continue
        best = max(_extended(number, text, at, words, place) for place in places[three])
        if best.size >= MIN_WORDS:
            found.append(best)
            begun = best.last
    return found


def _extended(number: int, text: Sequence[str], at: int, words: Sequence[str], place: int) -> _Match:
    """Return the longest match around two equal words, over a few that were put in or left out."""
    first, begin = at, place
    while first > 0 and begin > 0 and text[first - 1] == words[begin - 1]:
        first, begin = first - 1, begin - 1
    size, last, end = at - first, at, place
    while True:
        while last < len(text) and end < len(words) and text[last] == words[end]:
            size, last, end = size + 1, last + 1, end + 1
        skipped = _skipped(text, last, words, end)
        if skipped is None:
            return _Match(size, number, first, last, begin, end)
        last, end = last + skipped[0], end + skipped[1]


def _skipped(text: Sequence[str], last: int, words: Sequence[str], end: int) -> tuple[int, int] | None:
    """Return how many words of each to skip so that the next two are equal; None if no few do."""
    for total in range(1, 2 * _MAX_SKIPPED + 1):
        for left_out in range(max(0, total - _MAX_SKIPPED), min(total, _MAX_SKIPPED) + 1):
            here, there = last + left_out, end + total - left_out
            if here + 1 < len(text) and text[here : here + 2] == words[there : there + 2]:
                return left_out, total - left_out
    return None


def _counted_once(matches: Sequence[_Match], n_words: int) -> list[_Match]:
    """Return the longest matches, without those of which more than half is in longer ones."""
    taken = bytearray(n_words)
    chosen: list[_Match] = []
    # Of equal ones the latest text: what was handed out last is what was printed.
    for match in sorted(matches, key=lambda each: (-each.size, -each.text)):
        if 2 * sum(taken[match.at : match.end]) <= match.end - match.at:
            taken[match.at : match.end] = b"\x01" * (match.end - match.at)
            chosen.append(match)
    return chosen


def _located(matches: Sequence[_Match], known: Sequence[str]) -> list[Stretch]:
    by_text: defaultdict[int, list[_Match]] = defaultdict(list)
    for match in matches:
        by_text[match.text].append(match)
    found: list[Stretch] = []
    for number, some in by_text.items():
        spans = [word.span() for word in _WORD.finditer(known[number])]
        found += [Stretch(number, spans[each.first][0], spans[each.last - 1][1]) for each in some]
    return found
