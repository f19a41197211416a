"""Checks that the catalog is consistent: tables, texts, versions, fingerprints, readers, spans."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha256

from indexes.catalog.reader import CatalogReader
from indexes.catalog.text import PAGE_CHARS, encode, indexed_text
from indexes.types import Document

_ALL = 1 << 62


def problems(reader: CatalogReader) -> Iterator[str]:
    """Yield what is wrong with the catalog, one line each."""
    connection = reader.connection
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"catalog: {line}"
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"catalog: row {row} of {table} belongs to a row of {parent} that does not exist"
    for number, id_, version, fingerprint, n_chars in connection.execute(
        "SELECT number, id, version, fingerprint, n_chars FROM documents"
    ):
        if too_long := _too_long(connection, number, n_chars):
            yield f"document {id_[:80]!r}: {too_long}"
            continue
        try:
            document = reader.document(number)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            yield f"document {id_!r}: it cannot be read ({exc})"
            continue
        whole = reader.text(number, 0, _ALL)
        is_intact = whole == document.text and document.version == version
        if not is_intact:
            yield f"document {document.id!r}: its text is not the text of version {version}"
        elif document.fingerprint != fingerprint:
            yield f"document {document.id!r}: its title, metadata, readers or sections are not as stored"
        rows = connection.execute("SELECT principal FROM readers WHERE document = ?", (number,))
        if {principal for (principal,) in rows} != document.readers:
            yield f"document {document.id!r}: its table of readers differs from its readers"
        spans = connection.execute(
            "SELECT id, start, stop, digest FROM passages WHERE document = ?", (number,)
        )
        yield from _span_problems(spans, document, whole if is_intact else None, len(whole))


def _too_long(connection: sqlite3.Connection, number: int, n_chars: object) -> str:
    """Return what is wrong if a document's pages hold more than its text, so that it is not read; or ""."""
    pages, longest = connection.execute(
        "SELECT count(*), coalesce(max(length(text)), 0) FROM pages WHERE document = ?", (number,)
    ).fetchone()
    if not isinstance(n_chars, int) or pages > n_chars // PAGE_CHARS + 1 or longest > 4 * PAGE_CHARS:
        return f"it has {pages:,} pages of up to {longest:,} bytes, and should have {n_chars} characters"
    return ""


def _span_problems(
    spans: sqlite3.Cursor, document: Document, whole: str | None, n_chars: int
) -> Iterator[str]:
    """Check a document's passages; `whole` is its text, or None if the text is damaged."""
    for passage, start, stop, digest in spans:
        if not 0 <= start < stop <= n_chars:
            yield f"passage {passage!r}: [{start}, {stop}) is not a span of {n_chars} characters"
        elif whole is not None:
            indexed = encode(indexed_text(document.title, whole[start:stop]))
            if sha256(indexed).digest() != digest:
                yield f"passage {passage!r}: its text is not the one that was indexed"
