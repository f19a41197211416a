"""Tells what a program asked from the text that it asked about, if one string holds both; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

MIN_ASKED_CHARS = 10
"""What several prompts have in common is what was asked if it is at least so long."""
_NUMBER_BEFORE = re.compile(r"^\s*(?:[(\[]?\d{1,6}[.):\]|\t]+|[-*•]|>)\s+(?=\S)")
_WORD_END = re.compile(r"\w*$")
_OF_TEXT = re.compile(r"^[^\n]*(?=\n)|^\S*")


def told_apart(prompts: Sequence[str]) -> list[tuple[str, str]] | None:
    """Return (asked, text) for prompts that differ in a text between the same words; None if they do not."""
    if len(set(prompts)) < 2:  # noqa: PLR2004 - one prompt is no comparison
        return None
    before = _beginning(prompts)
    after = _beginning([prompt[len(before) :][::-1] for prompt in prompts])[::-1]
    # A word, or a line, that the texts happen to have in common belongs to the texts.
    before = before[: _cut(before)]
    after = _OF_TEXT.sub("", after)
    if len(f"{before}{after}".strip()) < MIN_ASKED_CHARS:
        return None
    asked = " … ".join(part for part in (before.strip(), after.strip()) if part)
    return [(asked, prompt[len(before) : len(prompt) - len(after)].strip()) for prompt in prompts]


def _beginning(texts: Sequence[str]) -> str:
    """Return what all of these texts begin with."""
    pairs = zip(min(texts), max(texts), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _cut(before: str) -> int:
    """Return where the common beginning ends: at the end of its last line or colon, else of its last word."""
    marks = max(before.rfind("\n"), before.rfind(": ") + 1, before.rfind(":\n") + 1)
    if marks > 0:
        return marks + 1 if before[marks : marks + 1].isspace() else marks
    return len(_WORD_END.sub("", before))


def plain_line(line: str) -> str:
    """Return a line without the number or bullet that a program put before it, nor the marks of a match."""
    return _NUMBER_BEFORE.sub("", line).replace(">>", "").replace("<<", "").strip()
