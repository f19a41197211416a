"""Cuts a text into sections at its headings; knows lines and offsets, no syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexes.types import Section


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: the offset of its section in the text, its title, and its line in the source (from 1)."""

    start: int
    title: str
    line: int


def line_starts(text: str) -> list[int]:
    """Return the offset at which each line begins, followed by the length of the text."""
    starts = [0]
    position = text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    if starts[-1] != len(text):
        starts.append(len(text))
    return starts


def sections(text: str, headings: Sequence[Heading]) -> tuple[Section, ...]:
    """Return one section from each heading to the next, and an untitled one for text before the first.

    `headings` are in the order of the text. Without headings there are no sections.
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
