"""Citations as exact spans of stored text, and their markers in answers; knows no model and no store."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from funnel.text.locating import locate
from funnel.text.sentences import statements, without_code
from funnel.types import Citation, Span

MARKER = re.compile(r"\[(\d{1,3})\]")
"""A reference to a citation in an answer's text: [1], [2], …."""

_SPACED_MARKER = re.compile(r"(?<! )( *)\[(\d{1,3})\]")


@dataclass(frozen=True, slots=True)
class CitableText:
    """Part of a stored document to search quotes in. `start` is the offset of `text` in the document."""

    document_id: str
    title: str
    uri: str
    start: int
    text: str


def cite(source: CitableText, quote: str) -> Citation | None:
    """Return the citation of `quote` in `source`; None if its words are not there."""
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

    def replace(match: re.Match[str]) -> str:
        space, number = match[1], int(match[2])
        if number not in numbered:
            return "" if match.start() else space
        new_numbers = [order.setdefault(c, len(order) + 1) for c in numbered[number]]
        return space + "".join(f"[{new_number}]" for new_number in new_numbers)

    rewritten = _map_texts(value, lambda text: _SPACED_MARKER.sub(replace, text))
    for citations in numbered.values():
        for citation in citations:
            order.setdefault(citation, len(order) + 1)
    return rewritten, tuple(order)


def markers_in(value: Any) -> list[int]:
    """Return the numbers of all markers in a text, or in the strings of a JSON value, in order."""
    found: list[int] = []

    def collect(text: str) -> str:
        found.extend(int(number) for number in MARKER.findall(text))
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


def uncited(text: str) -> tuple[Span, ...]:
    """Return the statements of an answer without a marker, in order; none if the answer is JSON.

    A marker right after the full stop belongs to the sentence before it.
    """
    if _is_json_data(text):
        return ()
    plain = without_code(text)
    found = (span for span in statements(text) if not MARKER.search(plain, *span))
    return tuple(Span(start, stop, text[start:stop]) for start, stop in found)


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
