"""A quote is a span of stored text, or it is no citation; knows text and spans, no model and no store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from funnel.text.sentences import statements, without_code
from funnel.types import Citation, Span

MARKER = re.compile(r"\[(\d{1,3})\]")
"""How an answer's text refers to a citation: [1], [2], …."""

_SPACED_MARKER = re.compile(r"(?<! )( *)\[(\d{1,3})\]")
_SAME = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " ", "…": "..."})
_LEAST_WORDS = 2


@dataclass(frozen=True, slots=True)
class CitableText:
    """A stretch of a stored document in which quotes may be looked for; `start` is where `text` begins."""

    document_id: str
    title: str
    uri: str
    start: int
    text: str


def locate(text: str, quote: str) -> tuple[int, int] | None:
    """Where `quote` stands in `text`, as (start, stop), or None.

    Exactly, else with white space, quotation marks and dashes treated alike, since models retype these.
    The words themselves must agree to the letter; the span returned is the stored text's own.
    """
    quote = quote.strip()
    if not quote:
        return None
    if (at := text.find(quote)) >= 0:
        return at, at + len(quote)
    words = quote.translate(_SAME).split()
    if len(words) < _LEAST_WORDS:
        return None
    pattern = r"\s+".join(_loosely(word) for word in words)
    found = re.search(pattern, text)
    return found.span() if found else None


def _loosely(word: str) -> str:
    """A pattern for one word in which quotation marks and dashes match all their kinds."""
    kinds = {"'": "['‘’]", '"': '["“”]', "-": "[-–—]"}
    return "".join(kinds.get(c, re.escape(c)) for c in word).replace(r"\.\.\.", r"(?:\.\.\.|…)")


def cite(source: CitableText, quote: str) -> Citation | None:
    """The citation of `quote` in `source`, or None when the words do not stand there."""
    span = locate(source.text, quote)
    if span is None:
        return None
    start, stop = span
    return Citation(
        document_id=source.document_id,
        title=source.title,
        uri=source.uri,
        start=source.start + start,
        stop=source.start + stop,
        quote=source.text[start:stop],
    )


def renumber(text: str, numbered: Mapping[int, Iterable[Citation]]) -> tuple[str, tuple[Citation, ...]]:
    """Rewrite the markers in `text` so that they count 1, 2, … in order of appearance.

    `numbered` maps each marker's number to the citations it stands for. A marker that stands for none is
    taken out. Citations that no marker names follow those that are named. Equal spans become one.
    """
    rewritten, citations = renumber_value(text, numbered)
    return str(rewritten).strip(), citations


def renumber_value(
    value: Any, numbered: Mapping[int, Iterable[Citation]]
) -> tuple[Any, tuple[Citation, ...]]:
    """`renumber` for every text in a JSON value, with one count; keys and numbers are no text."""
    order: dict[Citation, int] = {}

    def replace(match: re.Match[str]) -> str:
        space, number = match[1], int(match[2])
        if number not in numbered:
            return "" if match.start() else space
        places = [order.setdefault(c, len(order) + 1) for c in numbered[number]]
        return space + "".join(f"[{place}]" for place in places)

    rewritten = _texts(value, lambda text: _SPACED_MARKER.sub(replace, text))
    for citations in numbered.values():
        for citation in citations:
            order.setdefault(citation, len(order) + 1)
    return rewritten, tuple(order)


def markers_in(value: Any) -> list[int]:
    """The numbers of all markers in a text, or in the texts of a JSON value, in order."""
    found: list[int] = []

    def look(text: str) -> str:
        found.extend(int(number) for number in MARKER.findall(text))
        return text

    _texts(value, look)
    return found


def answer_text(value: Any) -> str:
    """A JSON value as the text of an answer: text as it is, anything else as JSON.

    Raises: `ValueError` for nan and inf, which JSON has not.
    """
    # Indented, a list of one number is no marker: `[5]` would be one.
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    )


def uncited(text: str) -> tuple[Span, ...]:
    """The statements of an answer that carry no marker, in order; none where the answer is JSON.

    A marker right after the full stop belongs to the sentence before it.
    """
    if _is_data(text):
        return ()
    plain = without_code(text)
    found = (span for span in statements(text) if not MARKER.search(plain, *span))
    return tuple(Span(start, stop, text[start:stop]) for start, stop in found)


def _is_data(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), str)
    except (ValueError, RecursionError):
        return False


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each of its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _texts(item, change) for key, item in value.items()}
    return value
