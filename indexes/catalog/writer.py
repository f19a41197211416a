"""A write transaction of the catalog: adds and removes documents; knows no engine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256

from indexes.catalog.reader import CatalogReader
from indexes.catalog.schema import put_attributes
from indexes.catalog.text import PAGE_CHARS, encode, indexed_text
from indexes.types import Document, DocumentId, Passage


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """The fields of a stored document that a writer needs."""

    number: int
    fingerprint: str
    source: str
    uri: str


class CatalogWriter(CatalogReader):
    """A write transaction; others see its changes once it is committed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._generation = self.generation + 1
        self.changed = False

    def stored(self, document_id: str) -> StoredDocument | None:
        """Return the document with this id; None if there is none."""
        row = self._db.execute(
            "SELECT number, fingerprint, source, uri FROM documents WHERE id = ?", (document_id,)
        ).fetchone()
        return None if row is None else StoredDocument(*row)

    def uris_of(self, source: str) -> list[tuple[DocumentId, str]]:
        """Return (id, URI) of the documents from `source`, sorted by id."""
        rows = self._db.execute("SELECT id, uri FROM documents WHERE source = ? ORDER BY id", (source,))
        return [(DocumentId(id_), uri) for id_, uri in rows]

    def put(self, document: Document, passages: Iterable[Passage], *, source: str) -> None:
        """Store a document, whose id must not be stored yet."""
        self.changed = True
        number = self._db.execute(
            "INSERT INTO documents "
            "(id, version, fingerprint, title, uri, n_chars, metadata, readers, sections, source) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document.id,
                document.version,
                document.fingerprint,
                document.title,
                document.uri,
                len(document.text),
                json.dumps(dict(document.metadata)) if document.metadata else "{}",
                json.dumps(sorted(document.readers)) if document.readers else "[]",
                json.dumps([asdict(section) for section in document.sections]) if document.sections else "[]",
                source,
            ),
        ).lastrowid
        # Each statement costs time, and most documents have neither readers nor metadata.
        if document.readers:
            self._db.executemany("INSERT INTO readers VALUES (?, ?)", ((r, number) for r in document.readers))
        if document.metadata and number is not None:  # `lastrowid` is never None after an INSERT
            put_attributes(self._db, number, document.metadata)
        starts = range(0, len(document.text), PAGE_CHARS)
        self._db.executemany(
            "INSERT INTO pages (document, ordinal, text) VALUES (?, ?, ?)",
            ((number, i, encode(document.text[at : at + PAGE_CHARS])) for i, at in enumerate(starts)),
        )
        sections = {section: i for i, section in enumerate(document.sections)}
        rows = (
            (
                number,
                i,
                passage.id,
                passage.start,
                passage.stop,
                sections.get(passage.section) if passage.section else None,
                sha256(encode(indexed_text(document.title, passage.text))).digest(),
                self._generation,
            )
            for i, passage in enumerate(passages)
        )
        self._db.executemany(
            "INSERT INTO passages (document, ordinal, id, start, stop, section, digest, added) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def remove(self, number: int) -> None:
        """Remove a document with its text and passages."""
        self.changed = True
        self._db.execute(
            "INSERT INTO removed SELECT key, digest, ? FROM passages WHERE document = ?",
            (self._generation, number),
        )
        self._db.execute("DELETE FROM documents WHERE number = ?", (number,))
