"""Splits a document into passages with exact spans; knows sections and punctuation, no file format.

Within a section, a passage is cut as near its limit as possible: after a paragraph, else a sentence, else a
line, else a word, else between two graphemes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from indexes.types import Document, Passage, PassageId, Section

_NEWLINE = r"(?:\r\n|\r|\n)"
_BREAKS = (
    re.compile(rf"{_NEWLINE}(?:[^\S\r\n]*{_NEWLINE})+"),
    re.compile(
        r"[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f][\u201d\u2019\u300d\u300f\uff09]*\s*"
    ),
    re.compile(_NEWLINE),
    re.compile(r"\s+"),
)
_BLANK_LINES = re.compile(rf"(?:[^\S\r\n]*{_NEWLINE})*")

_ZERO_WIDTH_JOINER = "\u200d"
_MAX_SEQUENCE_CHARS = 64
"""No real grapheme is longer. Longer stacks of marks are cut, so the search for their start is bounded."""


def chunk(document: Document, *, max_chars: int = 2000) -> list[Passage]:
    """Return the passages of a document, in order, none longer than `max_chars` characters.

    Guarantees: `document.text[p.start:p.stop] == p.text`; passages do not overlap; no passage crosses a
    section border; everything but white space is in a passage; two neighbours in one section never fit into
    one passage, except around a word of more than `max_chars / 2` characters. Takes linear time.

    Raises: `ValueError` if `max_chars` is not positive.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars = {max_chars}: a passage needs at least one character")
    text, version = document.text, document.version
    passages: list[Passage] = []
    for start, stop, section in _regions(document):
        for first, last in _pieces(text, start, stop, max_chars):
            trimmed = _trim(text, first, last)
            if trimmed is not None:
                passages.append(
                    Passage(
                        id=PassageId(f"{document.id}#{len(passages)}"),
                        document_id=document.id,
                        version=version,
                        start=trimmed[0],
                        stop=trimmed[1],
                        text=text[trimmed[0] : trimmed[1]],
                        section=section,
                    )
                )
    return passages


def _regions(document: Document) -> Iterator[tuple[int, int, Section | None]]:
    """Yield (start, stop, section) from one section border to the next, with the innermost section there."""
    length = len(document.text)
    if not document.sections:
        yield 0, length, None
        return
    sections = sorted(
        (s for s in document.sections if 0 <= s.start < s.stop <= length), key=lambda s: (s.start, -s.stop)
    )
    borders = sorted({0, length, *(s.start for s in sections), *(s.stop for s in sections)})
    open_sections: list[Section] = []
    opened = 0
    for start, stop in pairwise(borders):
        while opened < len(sections) and sections[opened].start == start:
            open_sections.append(sections[opened])
            opened += 1
        while open_sections and open_sections[-1].stop <= start:
            open_sections.pop()
        yield start, stop, open_sections[-1] if open_sections else None


def _pieces(text: str, start: int, stop: int, max_chars: int) -> Iterator[tuple[int, int]]:
    while stop - start > max_chars:
        cut = _cut(text, start, start + max_chars)
        yield start, cut
        start = cut
    yield start, stop


def _cut(text: str, start: int, limit: int) -> int:
    """Return the end of a passage that begins at `start`, with start < end <= limit."""
    # Only the second half is searched, so that each passage advances by at least half the limit, which keeps
    # the whole linear. The first half is searched too only for the end of a word.
    half = start + (limit - start) // 2
    for pattern, earliest in (*((p, half) for p in _BREAKS), (_BREAKS[-1], start)):
        cut = 0
        for match in pattern.finditer(text, earliest, limit):
            if not _splits_character(text, match.end()):
                cut = match.end()
        if cut > start:
            return cut
    for cut in range(limit, max(start, limit - _MAX_SEQUENCE_CHARS), -1):
        if not _splits_character(text, cut):
            return cut
    return limit


def _splits_character(text: str, cut: int) -> bool:
    """Return whether the code points around `cut` form one grapheme (the common cases of UAX #29)."""
    before, after = text[cut - 1], text[cut]
    if after < "\u0300":
        return (before == "\r" and after == "\n") or (before == _ZERO_WIDTH_JOINER and not after.isspace())
    return (
        _ZERO_WIDTH_JOINER in (before, after)
        or unicodedata.category(after)[0] == "M"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\u1160" <= after <= "\u11ff"  # Korean vowels and finals, decomposed
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
        or (_is_flag_letter(after) and _flag_letters_before(text, cut) % 2 == 1)
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, cut: int) -> int:
    first = cut
    while first > max(0, cut - _MAX_SEQUENCE_CHARS) and _is_flag_letter(text[first - 1]):
        first -= 1
    return cut - first


def _trim(text: str, start: int, stop: int) -> tuple[int, int] | None:
    """Return the span without leading blank lines and trailing white space; None if nothing is left.

    The first line keeps its indentation, which matters in code.
    """
    stripped = text[start:stop].rstrip()
    if not stripped:
        return None
    blank = _BLANK_LINES.match(stripped)
    return start + (blank.end() if blank else 0), start + len(stripped)
