"""Finds the document that a text comes from, and its place there; knows no document and no memory."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_REMEMBERED_CHARS = 4_000_000
"""The latest texts are remembered, up to this many characters together."""
MAX_REMEMBERED = 5_000
"""The latest texts that are remembered, however short they are."""
MAX_SEARCHED_CHARS = 500_000_000
"""What is searched in all for texts that are part of another; half a second's work."""
MAX_LOCATED_CHARS = 150_000_000
"""The same for pieces whose white space may differ; about half a second's work, too."""
MAX_ASKED = 1_000
MIN_TEXT_CHARS = 20
"""A shorter text is not looked up, since it may occur in many documents."""
MIN_LINE_CHARS = 3
"""A piece that is shorter than a text must be a line of its own, and one shorter than this has no place."""


class TextSpan(NamedTuple):
    """A text taken from a document, and where it starts there."""

    document_id: str
    start: int
    text: str


class Place(NamedTuple):
    """Where a piece of text stands, and the text as it stands there.

    `gap`: the text between this piece and the one before it; None if that stands elsewhere or behind it.
    """

    document_id: str
    start: int
    text: str
    gap: str | None = None

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


class Provenance:
    """Texts of documents that a run received, to find the source of a text that it passes on."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._n_chars = 0
        self._searched_chars = 0
        self._asked: dict[str, tuple[str, int] | None] = {}
        """What was asked since the last text came, since a text is asked about more than once."""
        self._located_chars = 0
        self._unknown: set[str] = set()

    def add(self, span: TextSpan) -> None:
        """Remember where a text begins in its document."""
        text = span.text
        if text in self._texts or not MIN_TEXT_CHARS <= len(text) <= MAX_REMEMBERED_CHARS:
            return
        self._texts[text] = (span.document_id, span.start)
        self._asked.clear()
        self._unknown.clear()
        self._n_chars += len(text)
        while self._n_chars > MAX_REMEMBERED_CHARS or len(self._texts) > MAX_REMEMBERED:
            self._n_chars -= len(self._texts.popitem(last=False)[0])

    @property
    def is_crowded(self) -> bool:
        """Whether the oldest texts are soon forgotten."""
        return 4 * self._n_chars > 3 * MAX_REMEMBERED_CHARS or 4 * len(self._texts) > 3 * MAX_REMEMBERED

    def known(self) -> Iterator[TextSpan]:
        """Yield the texts that are remembered, the latest last."""
        for text, (document_id, start) in self._texts.items():
            yield TextSpan(document_id, start, text)

    def find(self, text: str) -> tuple[str, int] | None:
        """Return the document of a text and where the text starts in it; None if the text is unknown."""
        if len(text) < MIN_TEXT_CHARS:
            return None
        if text in self._texts:
            return self._texts[text]
        if text not in self._asked:
            if len(self._asked) >= MAX_ASKED:
                self._asked.clear()
            self._asked[text] = self._inside(text)
        return self._asked[text]

    def _inside(self, text: str) -> tuple[str, int] | None:
        """Return the place of a text that is part of another."""
        for known, (document_id, start) in reversed(self._texts.items()):
            if len(known) < len(text):
                continue
            if self._searched_chars > MAX_SEARCHED_CHARS:
                return None
            self._searched_chars += len(known)
            if (offset := known.find(text)) >= 0:
                return document_id, start + offset
        return None

    def locate(self, pieces: Sequence[str]) -> list[Place | None]:
        """Return the place of each piece that a program cut out of a text, None for one that stands nowhere.

        White space in a piece matches any white space. Pieces are looked for where the one before ended, so
        that a line that occurs twice is found twice.
        """
        found: list[Place | None] = []
        known, at = "", 0
        for piece in pieces:
            place = None
            for text, start in self._candidates(known, at):
                if (span := self._span(text, piece, start)) is not None:
                    gap = text[at : span[0]] if text == known and at <= span[0] else None
                    document_id, offset = self._texts[text]
                    place = Place(document_id, offset + span[0], text[slice(*span)], gap)
                    known, at = text, span[1]
                    break
            if place is None:
                self._unknown.add(piece)
            found.append(place)
        return found

    def _candidates(self, known: str, at: int) -> Iterator[tuple[str, int]]:
        """Yield the texts to look into, and from where: the last one from where it was left, then all."""
        if known:
            yield known, at
        for text in reversed(self._texts):
            yield text, 0

    def _span(self, text: str, piece: str, start: int) -> tuple[int, int] | None:
        """Return where a piece stands in a text, at the ends of words or, if it is short, of a line."""
        if piece in self._unknown or len(piece) < MIN_LINE_CHARS or len(text) < len(piece):
            return None
        whole = len(piece) < MIN_TEXT_CHARS
        if (span := self._first(text, re.compile(re.escape(piece)), start, whole=whole)) is not None:
            return span
        words = piece.split()
        if len(words) < 2:  # noqa: PLR2004 - a single word has no white space inside
            return None
        return self._first(text, re.compile(r"\s+".join(map(re.escape, words))), start, whole=whole)

    def _first(
        self, text: str, pattern: re.Pattern[str], start: int, *, whole: bool
    ) -> tuple[int, int] | None:
        while self._located_chars <= MAX_LOCATED_CHARS:
            match = pattern.search(text, start)
            self._located_chars += (len(text) if match is None else match.end()) - start
            if match is None:
                return None
            if _is_apart(text, match.start(), match.end(), whole=whole):
                return match.span()
            start = match.start() + 1
        return None


def _is_apart(text: str, start: int, stop: int, *, whole: bool) -> bool:
    """Whether a span ends at the ends of words; `whole`: at those of a line, white space aside."""
    if whole:
        line_start, line_stop = text.rfind("\n", 0, start) + 1, text.find("\n", stop)
        after = text[stop:] if line_stop < 0 else text[stop:line_stop]
        return not text[line_start:start].strip() and not after.strip()
    ends = (text[start - 1 : start], text[start]), (text[stop - 1], text[stop : stop + 1])
    return not any(_is_word(left) and _is_word(right) for left, right in ends)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
