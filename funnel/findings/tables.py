"""Gathers the answers of sub-calls about lines and passages of a document, and makes findings of them.

Many short answers to one question are one table, which a later run takes as a whole; a few, or long ones, are
findings by themselves, which it finds by their words.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from funnel.text.citations import answer_text
from indexes.fingerprint import fingerprint

MIN_ROWS = 8
"""With fewer answers about a document, each is a finding by itself."""
MAX_ROWS = 20_000
"""Later rows of a table are not kept."""
LONG_CHARS = 80
MAX_LONG = 50
"""So many answers of a table, if they are long, are findings by themselves, too."""
SHOWN_VALUES = 12
MAX_VALUE_CHARS = 2_000
"""A longer value is not a row; it is a text about the passage rather than a fact."""
MAX_WORDS_CHARS = 2_000
_DIGITS = re.compile(r"\d+")

Version = tuple[str, str]
"""A document's id, and the version of its text."""


@dataclass(frozen=True, slots=True)
class Row:
    """A span of a document, its fingerprint, and what a sub-model said of it."""

    start: int
    stop: int
    fingerprint: str
    value: Any


@dataclass(slots=True)
class Table:
    """The rows of one document that answer one question. `title`: the document's."""

    asked: str
    version: Version
    title: str
    rows: dict[tuple[int, int], Row] = field(default_factory=dict)

    @property
    def ordered(self) -> list[Row]:
        """The rows in the order of the document, at most `MAX_ROWS`."""
        return [self.rows[span] for span in sorted(self.rows)][:MAX_ROWS]

    @property
    def is_table(self) -> bool:
        """Whether the rows are kept as a whole."""
        return len(self.rows) >= MIN_ROWS

    @property
    def alone(self) -> list[Row]:
        """The rows that are findings by themselves."""
        if not self.is_table:
            return self.ordered
        long = [row for row in self.ordered if len(answer_text(row.value)) >= LONG_CHARS]
        return long if len(long) <= MAX_LONG else []

    @property
    def summary(self) -> str:
        """The number of rows, and of the rows with each value if they are few."""
        return summary([row.value for row in self.ordered], "row")

    @property
    def words(self) -> str:
        """The different values, as far as they are searched."""
        return " ".join(dict.fromkeys(answer_text(row.value) for row in self.ordered))[:MAX_WORDS_CHARS]

    @property
    def payload(self) -> Any:
        """The rows as they are stored."""
        return {"rows": [[row.start, row.stop, row.value] for row in self.ordered]}


class PendingTables:
    """The tables of a run."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, Version], Table] = {}

    def add(self, asked: str, version: Version, title: str, row: Row) -> None:
        """Add a row; one about the same span takes the place of an earlier one.

        Questions that differ in numbers only, as those of numbered batches do, are the same.
        """
        if len(answer_text(row.value)) > MAX_VALUE_CHARS:
            return
        key = _DIGITS.sub("#", " ".join(asked.split()).casefold()), version
        table = self._tables.setdefault(key, Table(asked, version, title))
        table.rows[row.start, row.stop] = row

    def drain(self) -> Iterator[Table]:
        """Yield the tables, and forget them."""
        tables, self._tables = self._tables, {}
        yield from tables.values()


def summary(values: list[Any], what: str) -> str:
    """Return how many values there are, and how often each occurs if few are different."""
    head = f"{len(values):,} {what}" + ("s" if len(values) != 1 else "")
    if any(isinstance(value, (list, dict)) for value in values):
        return head
    counted = Counter(value if isinstance(value, str) else json.dumps(value) for value in values)
    if len(counted) > SHOWN_VALUES or any(len(name) > LONG_CHARS for name in counted):
        return head
    return f"{head}: " + ", ".join(f"{name} {count:,}" for name, count in counted.most_common())


def name_of(digest: str) -> str:
    """Return the name by which a table or a noted value is recalled."""
    return f"t{fingerprint(digest)[:10]}"
