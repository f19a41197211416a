"""Trims texts for reading by a model: what costs tokens and tells nothing is left out; pure.

A quote from a trimmed text is still found in the stored one, since spaces do not count there.
"""

from __future__ import annotations

import re

MAX_INDENT = 24
_WIDE = re.compile(r"(?<=\S)[^\S\n]{3,}(?=\S)")
_ROW = re.compile(r"\t|[^\S\n]{3}|^\|")
_INDENT = re.compile(rf"^[^\S\n]{{{MAX_INDENT},}}")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?:[\w.-]+:.*\n|[ \t#-].*\n|\n)*---[ \t]*(?:\n|\Z)")


def trimmed(text: str) -> str:
    """Return a text without front matter, blank lines and wide gaps."""
    lines = (_narrow(line) for line in _FRONT_MATTER.sub("", text).split("\n"))
    return "\n".join(line for line in lines if line)


def without_gaps(text: str) -> str:
    """Return a text without wide gaps, and with blank lines only between paragraphs.

    One blank line is left where there are several, and none between two rows of a table. The front matter
    stays, which may hold an answer.
    """
    found: list[str] = []
    is_apart = was_row = False
    for stored in text.split("\n"):
        line = _narrow(stored)
        if not line:
            is_apart = bool(found)
            continue
        is_row = _ROW.search(stored.strip()) is not None
        if is_apart and not (is_row and was_row):
            found.append("")
        found.append(line)
        is_apart, was_row = False, is_row
    return "\n".join(found)


def _narrow(line: str) -> str:
    """Return a line with narrow gaps; "" if it is blank."""
    return _INDENT.sub(" " * MAX_INDENT, _WIDE.sub("  ", line.rstrip()))
