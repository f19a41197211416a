"""Finds the tables in a text: their rows, and the rows at their head that name the columns; pure.

Loaders store tables as they stand in Markdown and plain text, and those of HTML, Word and slides with tabs
between the cells. Four kinds are told by what separates the cells of a line: a bar, a tab, a run of spaces,
or a comma. A line of prose is no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["|", "\t", " ", ","]

MAX_HEADER_CHARS = 600
MAX_HEADER_ROWS = 6
MAX_ROW_CHARS = 1_000
"""A longer line is not taken for a row."""

_LEAST_ROWS = 2
_LEAST_COMMA_ROWS = 3
_MAX_CELL_CHARS = 60
"""Cells between commas or runs of spaces are no longer than this; prose is."""
_MAX_BLANK_LINES: dict[Kind, int] = {"|": 0, ",": 0, "\t": 1, " ": 3}
"""How many blank lines there may be between two rows."""
_MAX_LABELS: dict[Kind, int] = {"|": 0, ",": 0, "\t": 2, " ": 2}
"""How many lines that are no rows, such as "Operating expenses:", there may be between two rows."""
_CUT_LINES = 2
"""What may be left of a cut table above its first row that looks like one: half a row, and a label."""
_MAX_NAME_CHARS = 40
_MAX_LABEL_CHARS = 120

_RULE = re.compile(r"[\s|:+=_\-\u2014\u2500]*[-=_\u2014\u2500][\s|:+=_\-\u2014\u2500]*")
_GAP = re.compile(r"(?<![.!?])[ \u00a0]{2,}|[ \u00a0]{4,}")
"""Typists put two spaces after a sentence."""
_CURRENCY = r"$\u20ac\u00a3\u00a5"
_NUMBER = re.compile(
    rf"[({_CURRENCY}~+\u2212\u2013-]*(?:(?<=[{_CURRENCY}])[ \u00a0]+[(\u2212\u2013-]?)?"
    r"\d[\d.,\u00a0' ]*\)?\s*(?:%|\w{1,3})?\)?|\d+\.\d+\s\w+"
)
_DASHES = frozenset("-\u2013\u2014\u2212")
_YEAR = re.compile(r"(?:FY\s?|Q[1-4]\s?)?(?:19|20)\d\d[EA]?")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the spans of its lines, rules among them, and how many lines at its top name the columns."""

    lines: tuple[tuple[int, int], ...]
    n_header: int

    @property
    def start(self) -> int:
        """Where the table begins."""
        return self.lines[0][0]

    @property
    def stop(self) -> int:
        """Where the table ends."""
        return self.lines[-1][1]

    @property
    def header(self) -> tuple[int, int] | None:
        """The span of the lines that name the columns; None if no line does."""
        return (self.lines[0][0], self.lines[self.n_header - 1][1]) if self.n_header else None


def tables(text: str, *, is_cut: bool = False) -> list[Table]:
    """Return the tables of a text, in order.

    `is_cut`: the text is a later part of a longer one, so that the rows at its beginning are of a table whose
    header is not known.
    """
    found: list[Table] = []
    block = _Block(text)
    lines = _lines(text)
    if is_cut:
        next(lines, None)  # it may be half a row
    for start, stop in lines:
        if not block.takes(start, stop):
            found += block.tables()
            block = _Block(text)
            block.takes(start, stop)
    found += block.tables()
    if is_cut and found and _n_lines(text[: found[0].start]) <= _CUT_LINES:
        found[0] = replace(found[0], n_header=0)
    return found


def row_at(found: Sequence[Table], start: int, stop: int) -> tuple[int, int] | None:
    """Return the span of the rows that a span is in; None if it is not in one of the tables."""
    table = next((t for t in found if t.start <= start and stop <= t.stop), None)
    if table is None:
        return None
    inside = [(first, last) for first, last in table.lines if first < stop and last > start]
    return (min(start, inside[0][0]), max(stop, inside[-1][1])) if inside else None


def header_at(found: Sequence[Table], start: int) -> tuple[int, int] | None:
    """Return the span of the header of the table in which `start` is, above it.

    Returns None if it is in none of the tables, or in the header, or if no row names the columns.
    """
    table = next((t for t in found if t.start <= start < t.stop), None)
    if table is None or (header := table.header) is None or header[1] > start:
        return None
    return header


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of all lines, without their ends and without white space on the right."""
    at = 0
    for line in text.split("\n"):
        yield at, at + len(line.rstrip())
        at += len(line) + 1


def _kind(line: str) -> Kind | None:
    """Return what separates the cells of a line; None if it does not look like a row."""
    if not 0 < len(line) <= MAX_ROW_CHARS:
        return None
    stripped = line.strip()
    if stripped[0] == "|" or " | " in stripped:
        return "|"
    if "\t" in stripped:
        return "\t"
    wide = _GAP.split(stripped)
    if len(wide) > 1 and all(len(cell) <= _MAX_CELL_CHARS for cell in wide[1:]) and _LETTER.search(line):
        return " "
    cells = stripped.split(",")
    fits = all(len(cell) <= _MAX_CELL_CHARS and cell[:1] != " " for cell in cells)
    if len(cells) > 1 and fits and cells[0] and cells[-1]:  # a line of verse ends with a comma
        return ","
    return None


class _Block:
    """Lines that follow one another and may form one table."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[tuple[int, int]] = []
        self._rows: list[str] = []
        self._kind: Kind | None = None
        self._between: list[tuple[int, int]] = []
        self._n_blank = 0
        self._has_figures = False

    def takes(self, start: int, stop: int) -> bool:
        """Take the next line of the text; return False if it does not belong to what was taken before."""
        line = self._text[start:stop]
        if not line.strip():
            self._n_blank += 1
            return self._kind is None or self._n_blank <= _MAX_BLANK_LINES[self._kind]
        kind = _kind(line)
        if self._kind is None:
            if kind is not None:
                self._kind = kind
                self._add(line, [(start, stop)])
            return kind is not None
        if kind == self._kind or _RULE.fullmatch(line):
            is_apart = self._n_blank or self._between
            if is_apart and self._has_figures and not self._figures(line):
                return False  # the header of another table
            self._add(line, [*self._between, (start, stop)])
            return True
        self._between.append((start, stop))
        return _is_label(line) and len(self._between) <= _MAX_LABELS[self._kind]

    def _add(self, line: str, lines: Sequence[tuple[int, int]]) -> None:
        self._rows += [self._text[start:stop] for start, stop in lines]
        self._lines += lines
        self._between, self._n_blank = [], 0
        self._has_figures = self._has_figures or self._figures(line)

    def _figures(self, line: str) -> bool:
        """Return whether a line has figures, or the dashes that stand for none."""
        if self._kind is None or _RULE.fullmatch(line):
            return False
        return any(_is_figure(cell) or cell in _DASHES for cell in _cells(line, self._kind))

    def tables(self) -> list[Table]:
        """Return the table that the lines form, if they are enough to be one."""
        if self._kind is None or not self._is_table():
            return []
        n_header = self._n_header()
        if n_header and self._lines[n_header - 1][1] - self._lines[0][0] > MAX_HEADER_CHARS:
            n_header = 0
        return [Table(tuple(self._lines), n_header)]

    def _is_table(self) -> bool:
        if len(self._rows) < _LEAST_ROWS:
            return False
        is_ruled = any(map(_RULE.fullmatch, self._rows))
        match self._kind:
            case "|":  # a bar is also an operator
                return is_ruled or self._rows[0].lstrip()[0] == "|"
            case " ":  # justified text has gaps, too
                return is_ruled or self._has_figures
            case ",":
                return len(self._rows) >= _LEAST_COMMA_ROWS and len({r.count(",") for r in self._rows}) == 1
            case _:
                return True

    def _n_header(self) -> int:
        """Return how many lines at the top name the columns.

        A rule below the first lines ends them. Without one they end before the first line that holds a number
        that is no year; if that is the first, there is no header. If there is none, the first line is the
        header if it reads like one.
        """
        top = self._rows[: MAX_HEADER_ROWS + 1]
        for n, row in enumerate(top):
            if n and _RULE.fullmatch(row):
                return n
        found = next((n for n, row in enumerate(top) if self._figures(row)), None)
        return (
            found
            if found is not None
            else int(self._kind is not None and _are_names(_cells(top[0], self._kind)))
        )


def _are_names(cells: Sequence[str]) -> bool:
    """Return whether the cells of a row, all words, read like the names of columns."""
    return all(len(cell) <= _MAX_NAME_CHARS and cell[-1:] not in set(".,:;") for cell in cells)


def _is_label(line: str) -> bool:
    """Return whether a line can stand between the rows of a table, such as "Operating expenses:"."""
    plain = line.strip()
    return len(plain) <= _MAX_LABEL_CHARS and plain[-1] not in ".!?" and plain[0] != "#"


def _n_lines(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


def _cells(row: str, kind: Kind) -> list[str]:
    parts = _GAP.split(row.strip()) if kind == " " else row.strip().strip("|").split(kind)
    return [cell.strip() for cell in parts]


def _is_figure(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None and _YEAR.fullmatch(cell) is None
