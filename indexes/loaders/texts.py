"""Parses text formats by their extension into canonical text and sections; knows no files."""

from __future__ import annotations

from collections.abc import Callable

from indexes.loaders import discovery as kinds
from indexes.loaders.assembly import Parsed
from indexes.loaders.delimited import parse_table
from indexes.loaders.html import read_html
from indexes.loaders.markup import markdown_headings, rst_headings
from indexes.loaders.outline import Heading, sections
from indexes.loaders.python import python_sections


def parse_text(suffix: str, text: str) -> Parsed:
    """Parse text in the format of an extension; an unknown extension means plain text.

    Raises: `ValueError` if the text is malformed.
    """
    return _PARSERS.get(suffix, Parsed)(text)


def _markdown(text: str) -> Parsed:
    return _outlined(text, markdown_headings(text))


def _rst(text: str) -> Parsed:
    return _outlined(text, rst_headings(text))


def _outlined(text: str, headings: list[Heading]) -> Parsed:
    title = next((heading.title for heading in headings if heading.title), "")
    return Parsed(text, title, sections(text, headings))


def _html(text: str) -> Parsed:
    visible, title, headings = read_html(text)
    return Parsed(visible, title, sections(visible, headings))


def _python(text: str) -> Parsed:
    return Parsed(text, sections=python_sections(text))


_PARSERS: dict[str, Callable[[str], Parsed]] = {
    **dict.fromkeys(kinds.MARKDOWN, _markdown),
    **dict.fromkeys(kinds.RST, _rst),
    **dict.fromkeys(kinds.HTML, _html),
    **dict.fromkeys(kinds.PYTHON, _python),
    **dict.fromkeys(kinds.DELIMITED, parse_table),
}
