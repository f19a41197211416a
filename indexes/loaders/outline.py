"""Headings to Sections: a text cut at each heading; knows lines and offsets, no syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.types import Section


@dataclass(frozen=True, slots=True)
class Heading:
    """Where a section begins in the text, under which title, and on which line of the source (from 1)."""

    start: int
    title: str
    line: int


def line_starts(text: str) -> list[int]:
    """The offset at which each line begins, and after them the length of the text."""
    starts = [0]
    position = text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    if starts[-1] != len(text):
        starts.append(len(text))
    return starts


def sections(text: str, headings: Sequence[Heading]) -> tuple[Section, ...]:
    """One section from each heading to the next, and an untitled one for words before the first.

    `headings` are in the order of the text. No heading, no section.
    """
    if not headings:
        return ()
    found: list[Section] = []
    if text[: headings[0].start].strip():
        found.append(Section(0, headings[0].start, line=1))
    stops = [*(heading.start for heading in headings[1:]), len(text)]
    found.extend(
        Section(heading.start, stop, title=heading.title, line=heading.line)
        for heading, stop in zip(headings, stops, strict=True)
        if heading.start < stop
    )
    return tuple(found)
