"""Binds the quotes of an answer to its statements; no marker leaves that has no support. Calls no model.

The quote decides, not its number: it is cited where it stands in the passages shown. Each marker gets the
quotes that say what stands before it. Where no quote is left for a marker, the sentence that supports the
statement is looked for; if there is none, the marker is removed, and the statement stays uncited.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from funnel.reader.replies import Quote, Reply
from funnel.reader.support import SupportFinder
from funnel.text.citations import CitableText, cite, found_before, markers_in, renumber_value, span_of
from funnel.text.markers import in_one_form, markers, replace_markers
from funnel.text.misquotes import locate_misquote
from funnel.text.sentences import statements
from funnel.types import Citation

MAX_MARKERS = 300
"""Markers after these are removed; they are numbered anew with at most three digits."""
MAX_STATEMENTS = 200
"""Support is looked for, and quotes without a marker are bound, among the first so many statements."""
SHORT_WORDS = 3
"""A quote of fewer words stands in many passages, so that it is looked for where it is said to be, or where
it is the only one."""
_IN_ORDER = 1.0
"""What it weighs that the second quote of a passage belongs to its second marker."""
_FOLLOWS = 0.5
_NUMBERED = re.compile(r"^\W*(?:passages?\s*)?(?:[\[(]\d{1,3}[\])]|\d{1,3}\s*:)\s*[:.-]?\s*", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;&]*\Z")
_LAST_CELL = re.compile(r"\s*\|\s*\Z")


@dataclass(frozen=True, slots=True)
class Bound:
    """An answer with its markers in order, and how many of its quotes are nowhere in the passages."""

    text: str
    value: Any
    citations: tuple[Citation, ...]
    dropped: int


@dataclass(slots=True)
class _Place:
    """A marker in the answer: where it is, what it stands for, the passages it names, and its citations.

    `says`: the words from the marker before it on. `within`: the whole statement.
    """

    start: int
    stop: int
    says: str
    names: tuple[int, ...]
    within: str = ""
    citations: list[Citation] = field(default_factory=list)
    sources: set[int] = field(default_factory=set)


def bind(reply: Reply, sources: Sequence[CitableText], finder: SupportFinder, *, everywhere: bool) -> Bound:
    """Return an answer with markers that name its citations, each at the statement that it supports.

    `everywhere`: whether support is also looked for where the answer has no marker although it has others.
    """
    return _Binding(sources, finder, reply.quotes).bind(reply.answer, reply.value, everywhere=everywhere)


def locate_quote(quote: Quote, sources: Sequence[CitableText]) -> tuple[int, Citation] | None:
    """Return the number of the passage in which a quote stands, and its citation; None if it is in none."""
    text = _NUMBERED.sub("", quote.text).strip().strip("\"'“”‘’«»").strip() or quote.text
    named = quote.passage if quote.passage is not None and 1 <= quote.passage <= len(sources) else None
    order = sorted(range(1, len(sources) + 1), key=lambda number: number != named)
    found = [(n, citation) for n in order if (citation := cite(sources[n - 1], text)) is not None]
    if found and (found[0][0] == named or len(found) == 1 or len(text.split()) >= SHORT_WORDS):
        return found[0]
    for number in order:
        source = sources[number - 1]
        if (span := locate_misquote(source.text, text)) is not None:
            return number, span_of(source, *span)
    return None


class _Binding:
    def __init__(
        self, sources: Sequence[CitableText], finder: SupportFinder, quotes: Sequence[Quote]
    ) -> None:
        self._sources = sources
        self._finder = finder
        self._quotes = quotes
        self._located = [locate_quote(quote, sources) for quote in quotes]

    def bind(self, answer: str, value: Any, *, everywhere: bool) -> Bound:
        """Return the answer with its citations."""
        text = in_one_form(answer, len(self._sources), self._quoted(), self._is_reference)
        text = _with_few_markers(text)
        places = list(_places(text))
        left = self._to_their_passages(places)
        for place in places:
            self._check(place)
        spans = statements(text) or [(0, len(text))]
        added = self._to_statements(text, spans, places, left)
        if everywhere or not any(place.citations for place in (*places, *added)):
            taken = [place.start for place in (*places, *added) if place.citations]
            for start, stop in spans[:MAX_STATEMENTS]:
                if not any(start <= at <= stop for at in taken):
                    place = self._added(text, start, stop)
                    place.citations = self._support(place.says, ())
                    added.append(place)
        return self._numbered(text, value, sorted([*places, *added], key=lambda place: place.start))

    def _quoted(self) -> frozenset[int]:
        named = {quote.passage for quote in self._quotes if quote.passage is not None}
        return frozenset(named | {found[0] for found in self._located if found is not None})

    def _is_reference(self, number: int, text: str) -> bool:
        """Whether a text that stands after a number is a quote or the title of that passage."""
        bare = text.strip().strip("*_\"'“”()<>").strip()
        if not 1 <= number <= len(self._sources) or bare.startswith(("http://", "https://", "file:")):
            return True
        source = self._sources[number - 1]
        known = (source.title.casefold(), source.uri.casefold(), source.document_id.casefold())
        if any(name and (name in bare.casefold() or bare.casefold() in name) for name in known):
            return True
        return locate_quote(Quote(number, bare), [source]) is not None and bare.count(" ") >= SHORT_WORDS

    def _to_their_passages(self, places: Sequence[_Place]) -> list[int]:
        """Give the quotes to the markers that name their passages; return those that no marker names."""
        named = {number for place in places for number in place.names}
        by_number: dict[int, list[int]] = {}
        left = []
        for i, quote in enumerate(self._quotes):
            found = self._located[i]
            if quote.passage in named and quote.passage is not None:
                by_number.setdefault(quote.passage, []).append(i)
            elif found is not None and found[0] in named:
                by_number.setdefault(found[0], []).append(i)
            elif found is not None:
                left.append(i)
        for number, of_it in by_number.items():
            self._assign([place for place in places if number in place.names], of_it)
        return left

    def _assign(self, places: Sequence[_Place], quotes: Sequence[int]) -> None:
        """Give each quote to the marker whose statement it supports; quotes that were dropped keep theirs."""
        shared = {
            (p, q): self._finder.overlap(place.says, self._quotes[i].text)
            for p, place in enumerate(places)
            for q, i in enumerate(quotes)
        }
        weight = _IN_ORDER if len(places) == len(quotes) else _IN_ORDER / 100
        best = {}
        for q, i in enumerate(quotes):
            due = q * len(places) // len(quotes)
            best[q] = max(range(len(places)), key=lambda p: shared[p, q] - weight * abs(p - due))
            self._give(places[best[q]], i)
        if len(quotes) >= len(places):
            return
        alike = any(shared.values())
        for p, place in enumerate(places):
            if p in best.values():
                continue
            for q, i in enumerate(quotes):
                if not alike or (shared[p, q] and shared[p, q] >= _FOLLOWS * shared[best[q], q]):
                    self._give(place, i)

    def _give(self, place: _Place, quote: int) -> None:
        found = self._located[quote]
        if found is not None:
            # An earlier finding may rest on several spans.
            several = found_before(self._sources, self._quotes[quote].text)
            several = several if found[1] in several else [found[1]]
            place.citations += [each for each in several if each not in place.citations]
            place.sources.add(found[0])

    def _check(self, place: _Place) -> None:
        """Look for support where a marker has no quote, or none that has a word in common with its statement.

        A quote of another wording, or in another language, is kept unless the statement has numbers or names
        of which its passage holds none.
        """
        # One of several markers in a list stands after a name alone; what is said of it follows.
        said = [says for says in (place.says, place.within) if says]
        if any(self._finder.overlap(says, each.quote) for each in place.citations for says in said):
            return
        if support := self._support(place.says, place.names):
            place.citations = support
        elif self._finder.is_foreign(place.says, [number - 1 for number in place.sources]):
            place.citations = []

    def _to_statements(
        self, text: str, spans: Sequence[tuple[int, int]], places: Sequence[_Place], quotes: Iterable[int]
    ) -> list[_Place]:
        """Give quotes that no marker names to the statements that they support, at the end of each."""
        added: dict[int, _Place] = {}
        spans = spans[:MAX_STATEMENTS]
        for i in quotes:
            said = [self._finder.overlap(text[start:stop], self._quotes[i].text) for start, stop in spans]
            best = max(range(len(spans)), key=said.__getitem__)
            if not said[best] and len(spans) > 1:
                continue
            start, stop = spans[best]
            own = next((place for place in places if start <= place.start <= stop), None)
            if not said[best] and own is not None and own.citations:
                continue
            self._give(own or added.setdefault(best, self._added(text, start, stop)), i)
        return list(added.values())

    def _added(self, text: str, start: int, stop: int) -> _Place:
        """Return a place for a marker at the end of a statement; of a row of a table, in its last cell."""
        cell = _LAST_CELL.search(text, start, stop)
        at = stop if cell is None else cell.start()
        return _Place(at, at, _bare(text[start:stop]), ())

    def _support(self, says: str, names: Sequence[int]) -> list[Citation]:
        """Return citations of the sentences that support a statement, first from the passages it names.

        What repeats an earlier finding has the spans of that finding.
        """
        if says.count(" ") >= SHORT_WORDS and (several := found_before(self._sources, says.rstrip(" .!"))):
            return several
        named = [number - 1 for number in names]
        found = self._finder.find(says, within=named) if named else ()
        found = found or self._finder.find(says, prefer=named)
        return [span_of(self._sources[each.source], each.start, each.stop) for each in found]

    def _numbered(self, text: str, value: Any, places: Sequence[_Place]) -> Bound:
        """Return the text with a number of its own for each marker; the value's are counted with them."""
        kept = {citation for place in places for citation in place.citations}
        of_value = frozenset(markers_in(value))
        by_passage: dict[int, list[Citation]] = {}
        for i, quote in enumerate(self._quotes):
            found = self._located[i]
            number = quote.passage if quote.passage is not None or found is None else found[0]
            if found is not None and number is not None and (found[1] in kept or number in of_value):
                by_passage.setdefault(number, []).append(found[1])
        numbered: dict[int, list[Citation]] = {}
        fresh = max([len(self._sources), *by_passage, *of_value])
        fresh = min(fresh, 999 - MAX_MARKERS - MAX_STATEMENTS)
        parts, at = [], 0
        for place in places:
            before = text[at : place.start]
            at = place.stop
            if not place.citations:
                parts.append(before.rstrip(" ") if place.start != place.stop else before)
                continue
            fresh += 1
            numbered[fresh] = place.citations
            space = "" if place.start != place.stop or before[-1:].isspace() else " "
            parts.append(f"{before}{space}[{fresh}]")
        text = "".join([*parts, text[at:]])
        (text, value), citations = renumber_value([text, value], by_passage | numbered)
        dropped = sum(found is None for found in self._located)
        return Bound(text.strip(), value, citations, dropped)


def _with_few_markers(text: str) -> str:
    """Return the text without the markers that come after the first so many."""
    last = next((each.end() for n, each in enumerate(markers(text), start=1) if n == MAX_MARKERS), len(text))
    return text[:last] + replace_markers(text[last:], lambda _number: None)


def _places(text: str) -> Iterator[_Place]:
    """Yield the markers of an answer, those side by side as one, each with the words that it stands after."""
    groups: list[tuple[int, int, list[int]]] = []
    for marker in markers(text):
        if groups and _BETWEEN.match(text[groups[-1][1] : marker.start()]):
            start, _, numbers = groups.pop()
            groups.append((start, marker.end(), [*numbers, int(marker[1])]))
        else:
            groups.append((marker.start(), marker.end(), [int(marker[1])]))
    spans = statements(text)
    begins = [start for start, _ in spans]
    last = 0
    for start, stop, numbers in groups:
        first, end = spans[max(0, bisect_right(begins, start) - 1)] if spans else (0, len(text))
        if not first <= start < end:
            first, end = last, len(text)
        says = _bare(text[max(first, last) : start])
        names = tuple(dict.fromkeys(numbers))
        yield _Place(start, stop, says or _bare(text[stop:end]), names, within=_bare(text[first:end]))
        last = stop


def _bare(text: str) -> str:
    return " ".join(re.sub(r"\[\d{1,3}\]", " ", text).split())
