"""What a run gathers besides plain findings: tables of sub-calls' answers, and the values of its notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from funnel.findings import payloads
from funnel.findings.finding import (
    MAX_ASKED_CHARS,
    MAX_SOURCES,
    Finding,
    SupportingSpan,
)
from funnel.findings.tables import MAX_WORDS_CHARS, PendingTables, Row, Table, Version, summary
from funnel.text.citations import answer_text, renumber_value
from indexes.fingerprint import fingerprint


class Gathered(NamedTuple):
    """A finding, and what is stored beside it; b"" if nothing."""

    finding: Finding
    payload: bytes = b""


class Gathering:
    """The tables and noted values of one run, until it has its answer."""

    def __init__(self) -> None:
        self._tables = PendingTables()
        self._notes: dict[str, Gathered] = {}

    def add_row(self, asked: str, version: Version, title: str, row: Row) -> None:
        """Add a sub-model's answer about a span of a document."""
        self._tables.add(asked, version, title, row)

    def add_note(self, key: str, value: Any, read: Sequence[tuple[str, str, str]]) -> None:
        """Add a noted value, in place of an earlier one. `read`: id, version and title of what it came from.

        It is dropped if nothing was read, or if it is too large.
        """
        self._notes.pop(key, None)
        value = renumber_value(value, {})[0]
        stored = payloads.dumped(value)
        if stored is None or not read:
            return
        nothing = fingerprint("")
        sources = [SupportingSpan(name, version, 0, 0, nothing, title) for name, version, title in read]
        items = list(value.values()) if isinstance(value, dict) else list(value)
        finding = Finding(
            "note",
            key.strip()[:MAX_ASKED_CHARS],
            summary(items, "value"),
            tuple(sources[:MAX_SOURCES]),
            payload=fingerprint(stored.decode()),
            holds_for=tuple((name, version) for name, version, _ in read),
            words=answer_text(value)[:MAX_WORDS_CHARS],
        )
        self._notes[key] = Gathered(finding, stored)

    def drain(self, question: str) -> Iterator[Gathered]:
        """Yield what was gathered, and forget it. `question`: that of the run, by which it is found, too."""
        for table in self._tables.drain():
            for row in table.alone:
                yield Gathered(_of_row(table, row))
            if table.is_table and (stored := payloads.dumped(table.payload)) is not None:
                yield Gathered(_of_table(table, question, fingerprint(stored.decode())), stored)
        notes, self._notes = self._notes, {}
        yield from notes.values()


def _of_row(table: Table, row: Row) -> Finding:
    text = answer_text(row.value).strip()
    value = None if isinstance(row.value, str) else row.value
    return Finding("sub-call", table.asked.strip()[:MAX_ASKED_CHARS], text, (_span(table, row),), value=value)


def _of_table(table: Table, question: str, payload: str) -> Finding:
    words = f"{question[:MAX_ASKED_CHARS]} {table.words}"
    asked, first = table.asked.strip()[:MAX_ASKED_CHARS], _span(table, table.ordered[0])
    return Finding("table", asked, table.summary, (first,), payload=payload, words=words)


def _span(table: Table, row: Row) -> SupportingSpan:
    return SupportingSpan(*table.version, row.start, row.stop, row.fingerprint, table.title)


def rows_of(payload: Any) -> list[tuple[int, int, Any]]:
    """Return the rows of a stored table as (start, stop, value), in order; none if it is no table."""
    rows = payload.get("rows", []) if isinstance(payload, dict) else []
    return [(row[0], row[1], row[2]) for row in rows]
