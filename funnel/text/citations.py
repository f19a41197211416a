"""Citations as exact spans of stored text, and their markers in answers; knows no model and no store."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from funnel.text.absence import Wording
from funnel.text.locating import locate
from funnel.text.markers import MARKER, markers, replace_markers
from funnel.text.sentences import introductions, statements
from funnel.text.spacing import without_gaps
from funnel.types import Citation, Span

_BETWEEN = " \t\n,;:.)–—-"
"""What may stand between a marker and the words that follow it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier run found out, with the span of the document that it rests on."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class CitableText:
    """Part of a stored document to search quotes in. `start` is the offset of `text` in the document.

    `header`: the rows that name the columns, if `text` begins inside a table, or the lines of source code
    that begin the definitions around it. `known`: what earlier runs found out from spans in `text`.
    """

    document_id: str
    title: str
    uri: str
    start: int
    text: str
    header: str = ""
    known: tuple[Known, ...] = ()

    @property
    def stop(self) -> int:
        """The offset in the document at which `text` ends."""
        return self.start + len(self.text)

    @property
    def shown(self) -> str:
        """What a model is shown, without needless spaces; quotes of it are located in `text`."""
        return without_gaps(self.stored)

    @property
    def stored(self) -> str:
        """What is known, its header, then the text itself, as the document holds it."""
        parts = [f"(Found out earlier: {each.text})" for each in self.known]
        if self.header:
            parts.append(f"{self.header}\n…")
        return "\n".join([*parts, self.text])


def cite(source: CitableText, quote: str) -> Citation | None:
    """Return the citation of `quote` in `source`; None if its words are not there.

    A quote of what is known from an earlier run is cited where that run found it.
    """
    if (span := locate(source.text, quote)) is not None:
        return span_of(source, *span)
    return next(iter(found_before([source], quote)), None)


def found_before(sources: Iterable[CitableText], text: str) -> list[Citation]:
    """Return the spans of the earlier findings that a text repeats word for word, in order."""
    return [
        span_of(source, known.start - source.start, known.stop - source.start)
        for source in sources
        for known in source.known
        if locate(known.text, text)
    ]


def span_of(source: CitableText, start: int, stop: int) -> Citation:
    """Return the citation of a span of `source.text`, as far as the text goes."""
    quote = source.text[start:stop]
    return Citation(
        document_id=source.document_id,
        title=source.title,
        uri=source.uri,
        start=source.start + start,
        stop=source.start + start + len(quote),
        quote=quote,
    )


def renumber(text: str, numbered: Mapping[int, Iterable[Citation]]) -> tuple[str, tuple[Citation, ...]]:
    """Rewrite the markers in `text` so that they count 1, 2, … in order of appearance.

    `numbered` maps each marker's number to its citations. A marker without an entry is removed. Citations
    that no marker refers to follow the others. Equal spans become one citation.
    """
    rewritten, citations = renumber_value(text, numbered)
    return str(rewritten).strip(), citations


def renumber_value(
    value: Any, numbered: Mapping[int, Iterable[Citation]]
) -> tuple[Any, tuple[Citation, ...]]:
    """Renumber as `renumber` does, with one count for all strings in a JSON value; keys are left alone."""
    order: dict[Citation, int] = {}

    def renumbered(number: int) -> str | None:
        if number not in numbered:
            return None
        new_numbers = [order.setdefault(c, len(order) + 1) for c in numbered[number]]
        return "".join(f"[{new_number}]" for new_number in new_numbers)

    rewritten = _map_texts(value, lambda text: replace_markers(text, renumbered))
    for citations in numbered.values():
        for citation in citations:
            order.setdefault(citation, len(order) + 1)
    return rewritten, tuple(order)


def markers_in(value: Any) -> list[int]:
    """Return the numbers of all markers in a text, or in the strings of a JSON value, in order."""
    found: list[int] = []

    def collect(text: str) -> str:
        found.extend(int(marker[1]) for marker in markers(text))
        return text

    _map_texts(value, collect)
    return found


def answer_text(value: Any) -> str:
    """Return a JSON value as the text of an answer: a string unchanged, anything else as JSON.

    Raises: `ValueError` for nan and inf, which JSON lacks.
    """
    # Indented, because a list of one number, `[5]`, would otherwise look like a marker.
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    )


def uncited(
    text: str, *, placed: bool = False, question: str = "", documents: int | None = None
) -> tuple[Span, ...]:
    """Return the statements of an answer without a marker, in order; none if the answer is JSON.

    A marker right after the full stop belongs to the sentence before it. What a statement says is absent
    after its last marker has none, and so has an introduction that says so of all that it introduces. A
    sentence that only says how many documents were gone through needs none, unless there were fewer
    `documents`.

    `placed`: whether citations without a marker stand beside the text. Then they are behind all of a text
    without markers, except what says that something is absent or that this is all, which none can show.
    """
    if _is_json_data(text):
        return ()
    cited = [(marker.start(), marker.end()) for marker in markers(text)]
    wording = Wording.of(question, text)
    asks_for_all = bool(question) and wording.asks_for_all(question)
    found = []
    for start, stop in statements(text):
        within = cited[bisect_left(cited, (start, 0)) : bisect_left(cited, (stop, 0))]
        if within:
            found += _absent_after(text, within[-1][1], stop, wording)
            continue
        said = text[start:stop]
        through = wording.went_through(said)
        if through is not None and (documents is None or through <= documents):
            continue
        absent = through is not None or wording.claims_absence(said)
        absent = absent or (asks_for_all and re.search(r"\d", said) is not None)
        if absent or cited or not placed:
            found.append(Span(start, stop, said, absent))
    for start, stop in introductions(text):
        is_cited = bisect_left(cited, (start, 0)) < bisect_left(cited, (stop, 0))
        if not is_cited and wording.introduces_absence(text[start:stop]):
            found.append(Span(start, stop, text[start:stop], absent=True))
    return tuple(sorted(found, key=lambda span: span.start))


def _absent_after(text: str, start: int, stop: int, wording: Wording) -> list[Span]:
    """Return the end of a statement behind its last marker, if that says that something is absent."""
    rest = text[start:stop]
    said = rest.lstrip(_BETWEEN)
    if not wording.claims_absence(said):
        return []
    return [Span(stop - len(said), stop, said, absent=True)]


def _is_json_data(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), str)
    except (ValueError, RecursionError):
        return False


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a copy of a JSON value with `change` applied to each string in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _map_texts(item, change) for key, item in value.items()}
    return value


__all__ = [
    "MARKER", "CitableText", "Known", "answer_text", "cite", "markers_in", "renumber", "renumber_value",
    "span_of", "uncited",
]  # fmt: skip
