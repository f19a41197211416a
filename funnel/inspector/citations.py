"""The spans that a run has cited, by number; one registry for the whole tree of calls. Asks no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from funnel.journal import Journal
from funnel.sandbox.base import HostError
from funnel.text.locating import locate
from funnel.text.sentences import sentences
from funnel.types import Citation
from funnel.workspace.documents import MAX_READ_CHARS, ReadableDocuments

MAX_QUOTE_CHARS = 2_000
SENTENCE_CHARS = 600
"""A sentence that is longer than this is cited only where it matched."""
MAX_CITATIONS = 999
"""A marker has at most three digits, so that a year in brackets is not a marker."""


class CitationRegistry:
    """Gives each cited span a number, which identifies it in the journal and in the answer."""

    def __init__(self, documents: ReadableDocuments, journal: Journal) -> None:
        self._documents = documents
        self._journal = journal
        self._by_number = dict(journal.citations)
        self._numbers = {citation: number for number, citation in self._by_number.items()}

    async def cite(self, document: object, start: int, stop: int) -> str:
        """Return the marker of a span, like "[3]"; white space at its ends is left out."""
        name = await self._documents.readable(document)
        info = self._documents.info(name)
        if not 0 <= start < stop <= info.n_chars:
            raise HostError(
                f"no such span: {info.id} has characters 0 to {info.n_chars}, not {start} to {stop}"
            )
        if stop - start > MAX_QUOTE_CHARS:
            raise _too_long(stop - start)
        text = await self._documents.read(name, start, stop)
        quote = text.strip()
        if not quote:
            raise HostError(f"characters {start} to {stop} of {info.id} are white space")
        begin = start + text.index(quote)
        return self._number(Citation(info.id, info.title, info.uri, begin, begin + len(quote), quote))

    async def cite_sentence(self, document: object, start: int, stop: int | None) -> str:
        """Return the marker of the sentences around a span, or of the span itself if they are long."""
        name = await self._documents.find(document)
        n_chars = self._documents.n_chars([name])
        if stop is None or not 0 <= start < stop <= n_chars or stop - start > MAX_QUOTE_CHARS:
            return await self.cite(name, start, n_chars + 1 if stop is None else stop)
        first = max(0, start - SENTENCE_CHARS)
        window = await self._documents.read(name, first, stop + SENTENCE_CHARS)
        touched = [
            (first + begin, first + end)
            for begin, end in sentences(window)
            if first + begin < stop and first + end > start
        ]
        if touched and touched[-1][1] - touched[0][0] <= SENTENCE_CHARS:
            start, stop = min(start, touched[0][0]), max(stop, touched[-1][1])
        return await self.cite(name, start, stop)

    async def cite_quote(self, document: object, quote: str) -> str:
        """Return the marker of the place where a quote occurs in the document."""
        # Twice as long, since the white space in it may be wider than in the document.
        if len(quote) > 2 * MAX_QUOTE_CHARS:
            raise _too_long(len(quote))
        name = await self._documents.readable(document)
        n_chars, step = self._documents.n_chars([name]), MAX_READ_CHARS
        # Windows overlap by twice the quote, whose white space may be wider in the document.
        overlap = min(len(quote) * 2, step // 2)
        for at in range(0, max(n_chars, 1), step - overlap):
            window = await self._documents.read(name, at, min(at + step, n_chars))
            if span := await asyncio.to_thread(locate, window, quote):
                return await self.cite(name, at + span[0], at + span[1])
        raise HostError(
            f"{quote[:80]!r} does not stand in {name} word for word; look it up with grep() or read()"
        )

    def cited(self, numbers: Sequence[int]) -> dict[int, list[Citation]]:
        """Return the citations with these numbers, by number; unknown numbers are left out."""
        return {n: [self._by_number[n]] for n in numbers if n in self._by_number}

    def _number(self, citation: Citation) -> str:
        if citation not in self._numbers and len(self._numbers) >= MAX_CITATIONS:
            raise HostError(f"{MAX_CITATIONS} spans are cited, the most there may be: cite what you submit")
        if citation not in self._numbers:
            number = max(self._by_number, default=0) + 1
            self._numbers[citation], self._by_number[number] = number, citation
            self._journal.cite(number, citation)
        return f"[{self._numbers[citation]}]"


def _too_long(n_chars: int) -> HostError:
    return HostError(
        f"a citation holds at most {MAX_QUOTE_CHARS} characters, this has {n_chars}: "
        "cite the sentence that carries the point"
    )
