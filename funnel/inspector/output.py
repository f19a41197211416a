"""Cuts long outputs for the prompt: how much is shown, where the cut is, what holds the rest."""

from __future__ import annotations

import ast
from typing import TypeGuard

LEAST_CHARS = 8_000
MOST_CHARS = 100_000
USUAL_CHARS = LEAST_CHARS
HEAD_SHARE = 0.75
REMAINDER_SHARE = 0.2
"""A remainder below this share of the window is shown, since hiding it would cost a turn and save little."""


def window(free_tokens: int, room_tokens: int) -> int:
    """Return how many characters of an output are shown: half of what the prompt has free, in plain text.

    `room_tokens`: what it has for all turns; half of that is the most where it is little.
    """
    return max(min(LEAST_CHARS, room_tokens), min(MOST_CHARS, free_tokens))


def shorten(text: str, *, chars: int = USUAL_CHARS, holder: str = "") -> str:
    """Return a text, or head and tail of a long one with what is missing between them, cut between lines.

    `holder`: the variable that holds the whole text, if it is known.
    """
    if len(text) <= chars * (1 + REMAINDER_SHARE):
        return text
    head = _line_end(text, int(chars * HEAD_SHARE))
    tail = _line_start(text, len(text) - (chars - int(chars * HEAD_SHARE)))
    kept = f"; the whole is in `{holder}`" if holder else ""
    note = (
        f"[... {tail - head:,} of {len(text):,} characters not shown, from {head:,} on{kept}; in the next "
        f"cell last_output() has all: print(last_output()[{head}:{head + chars}]) ...]"
    )
    before, after = text[:head].removesuffix("\n"), text[tail:]
    return f"{before}\n{note}\n{after}"


def _line_end(text: str, stop: int) -> int:
    """Return the end of the last whole line before `stop`, or `stop` itself within a very long line."""
    found = text.rfind("\n", stop // 2, stop)
    return stop if found < 0 else found + 1


def _line_start(text: str, start: int) -> int:
    """Return the start of the first whole line from `start` on, or `start` itself within a very long line."""
    found = text.find("\n", start - 1, start + (len(text) - start) // 2)
    return start if found < 0 else found + 1


def cut_middle(text: str, head: int, tail: int) -> str:
    """Return head and tail of a text that no variable holds, with its length between them."""
    if len(text) <= head + tail:
        return text
    dropped = len(text) - head - tail
    return f"{text[:head]}\n[... {dropped:,} of {len(text):,} characters not shown ...]\n{text[-tail:]}"


def printed_name(source: str) -> str:
    """Return the variable that is all that a cell shows, "" if there is none such."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    prints = [node for node in ast.walk(tree) if _is_print(node)]
    values = [node.value for node in tree.body[-1:] if isinstance(node, ast.Expr)]
    if not prints:
        shown = values
    elif len(prints) == 1 and not (values and values[0] is not prints[0]):
        top = [node.value for node in tree.body if isinstance(node, ast.Expr)]
        shown = prints[0].args if prints[0] in top and not prints[0].keywords else []
    else:
        shown = []
    return shown[0].id if len(shown) == 1 and isinstance(shown[0], ast.Name) else ""


def _is_print(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
