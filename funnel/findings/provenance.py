"""Finds the document that a text comes from, and its place there; knows no document and no memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

MAX_REMEMBERED_CHARS = 4_000_000
"""The latest texts are remembered, up to this many characters together."""
MAX_REMEMBERED = 5_000
"""The latest texts that are remembered, however short they are."""
MAX_SEARCHED_CHARS = 500_000_000
"""What is searched in all for texts that are part of another; half a second's work."""
MIN_TEXT_CHARS = 20
"""A shorter text is not looked up, since it may occur in many documents."""


class TextSpan(NamedTuple):
    """A text taken from a document, and where it starts there."""

    document_id: str
    start: int
    text: str


class Provenance:
    """Texts of documents that a run received, to find the source of a text that it passes on."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._n_chars = 0
        self._searched_chars = 0

    def add(self, span: TextSpan) -> None:
        """Remember where a text begins in its document."""
        text = span.text
        if text in self._texts or not MIN_TEXT_CHARS <= len(text) <= MAX_REMEMBERED_CHARS:
            return
        self._texts[text] = (span.document_id, span.start)
        self._n_chars += len(text)
        while self._n_chars > MAX_REMEMBERED_CHARS or len(self._texts) > MAX_REMEMBERED:
            self._n_chars -= len(self._texts.popitem(last=False)[0])

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
        for known, (document_id, start) in reversed(self._texts.items()):
            if len(known) < len(text):
                continue
            if self._searched_chars > MAX_SEARCHED_CHARS:
                return None
            self._searched_chars += len(known)
            if (offset := known.find(text)) >= 0:
                return document_id, start + offset
        return None
