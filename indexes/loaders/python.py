"""Cuts Python source into sections at its definitions; parses it, never imports or runs it."""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from indexes.loaders.outline import line_starts
from indexes.types import Section

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def parse(source: str) -> ast.Module | None:
    """Return the syntax tree; None if the source cannot be parsed (Python 2, a template, a fragment)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escape sequences do not matter here
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def python_sections(text: str) -> tuple[Section, ...]:
    """Return functions, classes, methods (`Class.method`) and the code between them as adjacent sections."""
    tree = parse(text)
    if tree is None:
        return ()
    starts = line_starts(text)
    found = tuple(_split(text, starts, tree.body, 0, len(text)))
    return found if any(section.title for section in found) else ()


def first_line(node: Definition) -> int:
    """Return the line on which a definition begins, including its decorators."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _split(
    text: str, starts: list[int], body: Sequence[ast.stmt], start: int, stop: int, title: str = ""
) -> Iterator[Section]:
    """Yield the sections of the text from `start` to `stop`, which belongs to `title`, cut at definitions."""
    position = start
    for node in body:
        if not isinstance(node, Definition) or node.end_lineno is None:
            continue
        first, last = starts[first_line(node) - 1], starts[min(node.end_lineno, len(starts) - 1)]
        # If two definitions share a line, the second belongs to the first one's section.
        if first < position or last > stop:
            continue
        yield from _gap(text, starts, position, first, title)
        name = f"{title}.{node.name}" if title else node.name
        if isinstance(node, ast.ClassDef):
            yield from _split(text, starts, node.body, first, last, name)
        else:
            yield from _gap(text, starts, first, last, name)
        position = last
    yield from _gap(text, starts, position, stop, title)


def _gap(text: str, starts: list[int], start: int, stop: int, title: str) -> Iterator[Section]:
    if text[start:stop].strip():
        yield Section(start, stop, title=title, line=bisect_right(starts, start))
