"""The spans that a run has cited, by number; one registry for the whole tree of calls. Asks no model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from funnel.errors import BadPattern
from funnel.journal import Journal
from funnel.sandbox.base import HostError
from funnel.text.locating import locate
from funnel.text.nearest import Resembling, nearest
from funnel.text.sentences import sentences
from funnel.types import Citation
from funnel.workspace.documents import MAX_READ_CHARS, ReadableDocuments

MAX_QUOTE_CHARS = 2_000
QUOTED_CHARS = 80
MIN_WORDS = 3
"""A shorter quote is not looked for in other documents, where it may mean something else."""
MAX_SEARCHED_CHARS = 20_000_000
"""A misquotation is looked for in other documents if they hold no more, its like in a quarter of that."""
OVERLAP_CHARS = 4_000
SENTENCE_CHARS = 600
"""A sentence that is longer than this is cited only where it matched."""
MAX_CITATIONS = 999
"""A marker has at most three digits, so that a year in brackets is not a marker."""

ShownSpans = Callable[[str], Awaitable[Sequence[tuple[int, int]]]]
"""Returns which spans of a document a model was shown."""


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

    async def cite_quote(self, document: object, quote: str, shown: ShownSpans | None = None) -> str:
        """Return the marker of the place where a quote occurs in the document.

        If there are several, it is one beside the match that `document` is, or else in what the model was
        `shown`, or else the first.
        """
        # Twice as long, since the white space in it may be wider than in the document.
        if len(quote) > 2 * MAX_QUOTE_CHARS:
            raise _too_long(len(quote))
        name = await self._documents.readable(document)
        n_chars = self._documents.n_chars([name])
        if (found := await self._first(name, quote, (0, n_chars))) is None:
            raise HostError(await self._where(name, quote))
        if await self._first(name, quote, (found[1], n_chars)) is not None:
            for span in [*_around(document, n_chars), *(await shown(name) if shown is not None else ())]:
                if (preferred := await self._first(name, quote, span)) is not None:
                    found = preferred
                    break
        return await self.cite(name, *found)

    async def _first(self, name: str, quote: str, within: tuple[int, int]) -> tuple[int, int] | None:
        """Return the span of a quote's first occurrence in a span of a document."""
        start, stop = within
        # Windows overlap by twice the quote, whose white space may be wider in the document.
        overlap = min(len(quote) * 2, MAX_READ_CHARS // 2)
        for at in range(start, max(stop, start + 1), MAX_READ_CHARS - overlap):
            window = await self._documents.read(name, at, min(at + MAX_READ_CHARS, stop))
            if span := await asyncio.to_thread(locate, window, quote):
                return at + span[0], at + span[1]
        return None

    async def _where(self, name: str, quote: str) -> str:
        """Return that a quote does not stand in a document, and what to cite instead."""
        wrong = f"{quote[:QUOTED_CHARS]!r} does not stand in {name[:QUOTED_CHARS]} word for word"
        if (place := await self._elsewhere(name, quote)) is not None:
            other, start, stop = place
            return f"{wrong}, but in {other[:QUOTED_CHARS]!r}: cite({other!r}, {start}, {stop})"
        near = await self._nearest(name, quote)
        if near is None:
            return f'{wrong}, and nothing there is like it; look it up: grep(r"{_sought(quote)}", docs="all")'
        start, stop = near
        text = " ".join((await self._documents.read(name, start, stop)).split())
        shown = text if len(text) <= SENTENCE_CHARS else f"{text[:SENTENCE_CHARS]}…"
        return f"{wrong}. The nearest there is {shown!r}: cite({name!r}, {start}, {stop})"

    async def _elsewhere(self, name: str, quote: str) -> tuple[str, int, int] | None:
        """Return where a quote stands in another document that the run has found."""
        others = [each for each in self._documents.ids if each != name]
        words = quote.split()
        if len(words) < MIN_WORDS or self._documents.n_chars(others) > MAX_SEARCHED_CHARS:
            return None
        try:
            found = await self._documents.grep(
                r"\s+".join(map(re.escape, words)), others, context=0, limit=1, ignore_case=False
            )
        except (BadPattern, HostError):
            return None  # too long for a pattern, or a document has gone: what is near is told instead
        return next(((each.document_id, each.start, each.stop) for each in found.matches), None)

    async def _nearest(self, name: str, quote: str) -> tuple[int, int] | None:
        """Return the span of a document that is most like a quote."""
        best: Resembling | None = None
        n_chars = min(self._documents.n_chars([name]), MAX_SEARCHED_CHARS // 4)
        for at in range(0, n_chars, MAX_READ_CHARS - OVERLAP_CHARS):
            window = await self._documents.read(name, at, min(at + MAX_READ_CHARS, n_chars))
            if (near := await asyncio.to_thread(nearest, window, quote)) is not None:
                moved = Resembling(near.likeness, at + near.start, at + near.stop)
                best = moved if best is None else max(best, moved)
        return None if best is None else (best.start, min(best.stop, best.start + MAX_QUOTE_CHARS))

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


def _around(document: object, n_chars: int) -> list[tuple[int, int]]:
    """Return the span of a match and what stands around it; nothing if it is none."""
    match document:
        case {"start": int(start), "stop": int(stop)} if 0 <= start < stop <= n_chars:
            return [(start, stop), (max(0, start - SENTENCE_CHARS), min(stop + SENTENCE_CHARS, n_chars))]
    return []


def _sought(quote: str) -> str:
    """Return a pattern for the longest word of a quote."""
    words: list[str] = re.findall(r"\w+", quote)
    return re.escape(max(words, key=len, default="")[:QUOTED_CHARS])


def _too_long(n_chars: int) -> HostError:
    return HostError(
        f"a citation holds at most {MAX_QUOTE_CHARS} characters, this has {n_chars}: "
        "cite the sentence that carries the point"
    )
