"""Edits of a cell's source at the positions that Python's parser gives; the number of lines stays."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_ATTRIBUTE = re.compile(rb"\.[ \t]*(\w+)\Z")
_PARENTHESIS = re.compile(rb"[ \t]*\(")


@dataclass(frozen=True, slots=True)
class Edit:
    """Text to put in place of the bytes from `start` to `stop`; `order` decides between two at one place."""

    start: int
    stop: int
    text: str
    order: int = 0


class Text:
    """The source in UTF-8; converts the parser's (line, column) positions to byte offsets."""

    def __init__(self, source: str) -> None:
        self.data = source.encode()
        self._starts = [0]
        for line in self.data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the byte offsets of a node."""
        last = node.lineno if node.end_lineno is None else node.end_lineno
        stop = node.col_offset if node.end_col_offset is None else node.end_col_offset
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[last - 1] + stop

    def of(self, node: ast.expr | ast.stmt) -> str:
        """Return the source of a node."""
        start, stop = self.span(node)
        return self.data[start:stop].decode()

    def edited(self, edits: list[Edit]) -> str:
        """Return the source with all edits."""
        parts: list[bytes] = []
        at = 0
        for edit in sorted(edits, key=lambda e: (e.start, e.stop, e.order)):
            if edit.start < at:
                continue  # it is inside a statement that is replaced as a whole
            parts += [self.data[at : edit.start], edit.text.encode()]
            at = edit.stop
        return b"".join([*parts, self.data[at:]]).decode()

    def statement(self, node: ast.stmt, replacement: str) -> Edit:
        """Replace a statement; empty parentheses after it keep the number of lines."""
        start, stop = self.span(node)
        breaks = self.data[start:stop].count(b"\n")
        return Edit(start, stop, f"{replacement}; ({chr(10) * breaks})" if breaks else replacement)

    def name(self, node: ast.Name, replacement: str) -> list[Edit]:
        """Replace a name."""
        return [Edit(*self.span(node), replacement)]

    def around(self, node: ast.expr, prefix: str, suffix: str) -> list[Edit]:
        """Put text around an expression, outside of what is put around its parts."""
        start, stop = self.span(node)
        return [Edit(start, start, prefix, -stop), Edit(stop, stop, suffix, -start)]

    def method(self, call: ast.Call, attribute: ast.Attribute, function: str) -> list[Edit]:
        """Turn `x.f(a)` into `function(x, a)`; no edit where a comment or a line break stands in between."""
        start, stop = self.span(attribute)
        dot = _ATTRIBUTE.search(self.data, start, stop)
        opened = _PARENTHESIS.match(self.data, stop)
        if dot is None or opened is None:
            return []
        separator = ", " if call.args or call.keywords else ""
        return [Edit(start, start, f"{function}(", -stop), Edit(dot.start(), opened.end(), separator)]

    def attribute(self, node: ast.Attribute, function: str) -> list[Edit]:
        """Turn `x.name` into `function(x)`."""
        start, stop = self.span(node)
        dot = _ATTRIBUTE.search(self.data, start, stop)
        if dot is None:
            return []
        return [Edit(start, start, f"{function}(", -stop), Edit(dot.start(), stop, ")")]
