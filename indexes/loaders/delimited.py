"""Loads CSV and TSV: a document per row if the header allows it, else readable lines; knows nothing else.

If the header has the columns `_id` or `id`, and `text`, each row is a document, like a line of JSONL.
`title`, `url` or `uri`, and `readers` (separated by commas or semicolons) mean the same as in JSONL. Every
other column is metadata: numbers if all its cells are numbers.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from indexes.errors import BadFile
from indexes.loaders.assembly import Assembly, Parsed, clean
from indexes.loaders.decoding import read_text
from indexes.loaders.discovery import SourceFile
from indexes.loaders.rows import add_rows
from indexes.types import MAX_ID_CHARS, Document, DocumentId, Metadata, Scalar

_DELIMITERS = ",;\t|"
_SAMPLE_CHARS = 32_768
_SAMPLE_ROWS = 20
_SEPARATOR_LINE = re.compile(r"sep=([^\n\w\"])\n", re.IGNORECASE)
"""The line in which Excel declares the delimiter."""

_END = "\ue000end\ue000"
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?")
_ID, _URL, _TEXT, _TITLE, _READERS = ("_id", "id"), ("url", "uri"), ("text",), ("title",), ("readers",)

TableRow = tuple[int, list[str]]


def parse_table(text: str) -> Parsed:
    """Return the rows as lines with the header's names, in sections with their line numbers. Never raises."""
    assembly = Assembly()
    add_rows(assembly, _Table(text).rows())
    return assembly.parsed()


def read_rows(source: SourceFile) -> Iterator[tuple[Document, int]] | None:
    """Yield a document per row with its line number (from 1); return None if the header lacks id or text.

    The whole file is checked before the first document is yielded.

    Raises: `BadFile` with the line, if a row has no id or is wider than the header, or a quote is not closed.
    """
    table = _Table(read_text(source.path))
    columns = _Columns.of(next(table.rows(), (0, []))[1])
    if columns is None:
        return None
    if table.open_quote_line:
        raise BadFile(source.path, "a quotation mark is never closed", line=table.open_quote_line)
    kinds = _check_rows(source, columns, table)
    return ((_document(source, columns, kinds, row), row[0]) for row in _data_rows(table))


class _Table:
    """Iterates over the rows of a text. If a quote is never closed, quotes count as ordinary characters."""

    def __init__(self, text: str) -> None:
        stated = _SEPARATOR_LINE.match(text)
        self._skipped = 1 if stated else 0
        self._text = text[stated.end() :] if stated else text
        # The limit is global to the process. It is only ever raised, which is harmless to other users of csv.
        csv.field_size_limit(max(csv.field_size_limit(), min(sys.maxsize, 2**31 - 1)))
        self._delimiter = stated[1] if stated else _delimiter(self._text[:_SAMPLE_CHARS])
        self._quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
        self.open_quote_line = self._find_open_quote()
        if self.open_quote_line:
            self._quoting = csv.QUOTE_NONE

    def rows(self) -> Iterator[TableRow]:
        """Yield every row that is not blank, with the line on which it begins (from 1)."""
        return self._read(self._text)

    def _read(self, text: str) -> Iterator[TableRow]:
        reader = csv.reader(
            io.StringIO(text, newline="\n"),
            delimiter=self._delimiter,
            quoting=self._quoting,
            skipinitialspace=True,
        )
        line = self._skipped + 1
        for row in reader:
            if any(row):
                yield line, row
            line = self._skipped + reader.line_num + 1

    def _find_open_quote(self) -> int:
        # If the reader is inside a quote at the end, it swallows the line appended here.
        if '"' not in self._text:
            return 0
        line, row = deque(self._read(f"{self._text}\n{_END}"), maxlen=1)[0]
        return 0 if row == [_END] else line


def _delimiter(sample: str) -> str:
    """Return the delimiter with which most rows of the sample have as many cells as the first row."""

    def agreement(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline="\n"), delimiter=delimiter)
        widths = [len(row) for row, _ in zip(reader, range(_SAMPLE_ROWS), strict=False) if row]
        if not widths or widths[0] < 2:  # noqa: PLR2004  (one cell is no table)
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    return max(_DELIMITERS, key=agreement)


@dataclass(frozen=True, slots=True)
class _Columns:
    header: tuple[str, ...]
    id: int
    text: int
    title: int | None
    url: int | None
    readers: int | None

    @classmethod
    def of(cls, header: Sequence[str]) -> _Columns | None:
        names = tuple(clean(name).strip() for name in header)
        lower = [name.lower() for name in names]

        def column(wanted: Sequence[str]) -> int | None:
            return next((lower.index(name) for name in wanted if name in lower), None)

        id_, text = column(_ID), column(_TEXT)
        if id_ is None or text is None:
            return None
        return cls(names, id_, text, column(_TITLE), column(_URL), column(_READERS))

    @property
    def others(self) -> list[int]:
        known = {self.id, self.text, self.title, self.url, self.readers}
        return [index for index, name in enumerate(self.header) if name and index not in known]


def _data_rows(table: _Table) -> Iterator[TableRow]:
    rows = table.rows()
    next(rows, None)
    return rows


def _check_rows(source: SourceFile, columns: _Columns, table: _Table) -> dict[int, Callable[[str], Scalar]]:
    """Check every row, and return the function that converts the cells of each metadata column."""
    integers, numbers = set(columns.others), set(columns.others)
    for line, row in _data_rows(table):
        if len(row) > len(columns.header):
            # If cells slipped into the wrong columns, the wrong readers could get access.
            reason = f"the row has {len(row)} cells, the header {len(columns.header)}"
            raise BadFile(source.path, reason, line=line)
        id_ = _cell(row, columns.id)
        if not id_:
            raise BadFile(source.path, f"the row has no `{columns.header[columns.id]}`", line=line)
        if len(id_) > MAX_ID_CHARS:
            reason = (
                f"its `{columns.header[columns.id]}` has {len(id_):,} characters, more than {MAX_ID_CHARS:,}"
            )
            raise BadFile(source.path, reason, line=line)
        for index in numbers.copy():
            cell = _cell(row, index)
            if cell and not _INTEGER.fullmatch(cell):
                integers.discard(index)
                if not _NUMBER.fullmatch(cell):
                    numbers.discard(index)
    return {
        index: int if index in integers else float if index in numbers else str for index in columns.others
    }


def _document(
    source: SourceFile, columns: _Columns, kinds: dict[int, Callable[[str], Scalar]], row: TableRow
) -> Document:
    line, cells = row
    metadata: Metadata = {
        columns.header[index]: kind(cell) for index, kind in kinds.items() if (cell := _cell(cells, index))
    }
    readers = re.split("[,;]", _cell(cells, columns.readers))
    return Document(
        id=DocumentId(_cell(cells, columns.id)),
        text=cells[columns.text] if columns.text < len(cells) else "",
        title=" ".join(_cell(cells, columns.title).split()),
        uri=_cell(cells, columns.url) or f"{source.uri}#L{line}",
        metadata=metadata,
        readers=frozenset(name for reader in readers if (name := reader.strip())),
    )


def _cell(row: Sequence[str], index: int | None) -> str:
    return row[index].strip() if index is not None and index < len(row) else ""
