"""Finds the sentences of a text, and those that state something; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

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
_LABEL = re.compile(r"(\*\*|__)(?:[^\W\d_]|[ &/,'’-]){1,50}[.:。：]?\1[.:]?")
MAX_LABEL_WORDS = 4
"""Words in bold at the beginning of a paragraph are its label if they are no more, and other text follows."""
_ENDED = re.compile(r"[.!。！]$")
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
    statement each. Headings, labels, introductions to what follows, questions and code blocks are not
    statements.
    """
    return [(start, stop) for start, stop, is_introduction in _said(text) if not is_introduction]


def introductions(text: str) -> list[tuple[int, int]]:
    """Return the spans of the labels and of the introductions in a Markdown text, in order."""
    return [(start, stop) for start, stop, is_introduction in _said(text) if is_introduction]


def _said(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield the spans of all that is said, and whether each only introduces what follows."""
    plain = without_code(text)
    closed = _CLOSING.sub(lambda closing: "]" * len(closing[0]), plain)
    blocks = list(_blocks(plain))
    for (start, stop, is_line), following in zip_longest(blocks, blocks[1:]):
        inner = [(0, stop - start)] if is_line else sentences(closed[start:stop])
        before_list = not is_line and following is not None and following[2]
        for i, (a, b) in enumerate(inner, 1):
            sentence = plain[start + a : start + b]
            content = _REFERENCE.sub("", sentence).rstrip(_TRAILING)
            if re.search(r"\w", content) is None or content[-1] in "?？":
                continue
            is_last = i == len(inner)
            more = not is_last or following is not None
            yield (
                start + a,
                start + b,
                (
                    content[-1] in ":："
                    or (is_last and before_list and _ENDED.search(content) is None)
                    or (more and not is_line and _is_label(sentence))
                ),
            )


def _is_label(sentence: str) -> bool:
    return _LABEL.fullmatch(sentence) is not None and len(sentence.split()) <= MAX_LABEL_WORDS


def without_code(text: str) -> str:
    """Replace each character of inline code by a letter, so that all offsets stay valid."""
    return _CODE.sub(lambda code: "x" * len(code[0]), text)


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
