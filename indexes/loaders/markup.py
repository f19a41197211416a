"""Finds the headings of Markdown and reStructuredText; knows their syntax, no files."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt

from indexes.loaders.outline import Heading, line_starts

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*\Z")


def markdown_headings(text: str) -> list[Heading]:
    """Return `# ATX` and underlined headings outside lists, quotes and code, as CommonMark defines them."""
    front = _FRONT_MATTER.match(text)
    skipped = text[: front.end()].count("\n") if front else 0
    starts = line_starts(text)
    body = text[starts[skipped] :] if skipped else text
    tokens = _markdown().parse(body)
    found: list[Heading] = []
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            line = token.map[0] + skipped
            title = " ".join(tokens[position + 1].content.split())
            found.append(Heading(starts[line], title, line + 1))
    return found


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def rst_headings(text: str) -> list[Heading]:
    """Return titles with a line of punctuation below, or above and below, at least as long as the title."""
    starts = line_starts(text)
    lines = text.split("\n")
    found: list[Heading] = []
    for below in range(1, len(lines)):
        title = lines[below - 1].rstrip()
        if not title or not _is_adornment(lines[below]) or _is_adornment(title):
            continue
        above = lines[below - 2] if below > 1 else ""
        overlined = _is_adornment(above) and above.rstrip() == lines[below].rstrip()
        if len(lines[below].rstrip()) < len(title.strip()):
            continue
        if overlined or (not above.strip() and not title[0].isspace()):
            line = below - 2 if overlined else below - 1
            found.append(Heading(starts[line], title.strip(), line + 1))
    return found


def _is_adornment(line: str) -> bool:
    return bool(_ADORNMENT.match(line))
