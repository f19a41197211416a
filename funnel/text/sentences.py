"""Finds the sentences of a text, and those that state something; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CLOSERS = r"[\"'”’)\]」』）]"
_END = re.compile(
    rf"(?<=[.!?。！？])(?P<closed>{_CLOSERS}*)\s+(?=[\"'“‘(\[]?[^\sa-z])"
    r"|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)]|#)\s)"
    rf"|(?<=[。！？])(?P<closed_too>{_CLOSERS}*)(?=\S)"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|cf|vs|Mr|Mrs|Ms|Dr|St|No|Inc|Ltd|Co|Corp|Fig|al)|\b[A-Z])\.$"
)
_ABBREVIATED_CHARS = 8

_CODE = re.compile(r"`[^`\n]+`")
_CLOSING = re.compile(r"(?<=[.!?。！？\"'”’)\]」』）*_])[ \t]*\[\d{1,3}\]|(?<=[.!?。！？])[*_]+")
"""A reference in brackets, or the end of emphasis, after which a sentence may end."""
_REFERENCE = re.compile(r"\[\d{1,3}\]")
_TRAILING = " \t*_\"'”’)]」』）|"
_ONE_LINE = re.compile(r"(?:[-*+•・]|\d{1,3}[.)])\s|\||>")
_HEADING = re.compile(r"#{1,6}\s|(?:[-=_*]\s*){3,}$")
_BOLD_LINE = re.compile(r"(\*\*|__)[^*_]*[^*_.!。！]\1")
_TABLE_RULE = re.compile(r"(?=[^-]*-)[|:\s-]+")


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the spans of the sentences of a text, in order. A heading or a list item counts as one."""
    spans = []
    start = 0
    for end in _END.finditer(text):
        if _ABBREVIATION.search(text[max(start, end.start() - _ABBREVIATED_CHARS) : end.start()]):
            continue
        spans.append((start, end.start() + len(end["closed"] or end["closed_too"] or "")))
        start = end.end()
    spans.append((start, len(text)))
    trimmed = []
    for begin, stop in spans:
        sentence = text[begin:stop]
        if quote := sentence.strip():
            at = begin + len(sentence) - len(sentence.lstrip())
            trimmed.append((at, at + len(quote)))
    return trimmed


def statements(text: str) -> list[tuple[int, int]]:
    """Return the spans of the statements in a Markdown text, in order.

    A reference like [3] belongs to the statement before it. List items, table rows and quoted lines are one
    statement each. Headings, introductions that end with a colon, questions and code blocks are not
    statements.
    """
    plain = without_code(text)
    closed = _CLOSING.sub(lambda closing: "]" * len(closing[0]), plain)
    found = []
    for start, stop, is_line in _blocks(plain):
        inner = [(0, stop - start)] if is_line else sentences(closed[start:stop])
        found += [(start + a, start + b) for a, b in inner]
    return [(start, stop) for start, stop in found if _is_statement(plain[start:stop])]


def without_code(text: str) -> str:
    """Replace each character of inline code by a letter, so that all offsets stay valid."""
    return _CODE.sub(lambda code: "x" * len(code[0]), text)


def _is_statement(sentence: str) -> bool:
    content = _REFERENCE.sub("", sentence).rstrip(_TRAILING)
    return re.search(r"\w", content) is not None and content[-1] not in "?？:："


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield spans of paragraphs (False), and of list items and the like with their indented text (True)."""
    block: tuple[int, int, bool] | None = None
    in_code, at = False, 0
    lines = text.split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        stripped = line.strip()
        is_fence = stripped.startswith(("```", "~~~"))
        no_prose = is_fence or in_code or not stripped or _is_heading(stripped, following.strip())
        in_code ^= is_fence
        is_line = _ONE_LINE.match(stripped) is not None
        if block and (no_prose or is_line or (block[2] and not line[0].isspace())):
            yield block
            block = None
        if not no_prose:
            start = block[0] if block else at + len(line) - len(line.lstrip())
            block = (start, at + len(line.rstrip()), block[2] if block else is_line)
        at += len(line) + 1
    if block:
        yield block


def _is_heading(line: str, following: str) -> bool:
    """Whether a line is a heading, a rule, a table's head, or a line in bold with text below it."""
    if _HEADING.match(line) or _TABLE_RULE.fullmatch(line):
        return True
    if line.startswith("|"):
        return _TABLE_RULE.fullmatch(following) is not None
    return bool(following) and _BOLD_LINE.fullmatch(line) is not None
