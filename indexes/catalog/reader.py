"""A consistent view of the catalog: documents, spans, passages, changes since a generation; writes nothing.

Text is stored in UTF-8 pages of `PAGE_CHARS` characters, so that a span is read without the whole document.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.filter_sql import Sql, compiled, joined
from indexes.catalog.text import PAGE_CHARS, decode, indexed_text
from indexes.filters import matches
from indexes.scope import Scope
from indexes.types import Document, DocumentId, DocumentInfo, Passage, PassageId, Section, VersionText

_READERS_KEPT = 1024

_ROWS = """
SELECT p.key, p.document, p.start, p.stop, p.digest, d.title, d.id, d.readers
FROM passages p JOIN documents d ON d.number = p.document WHERE p.key >= ? ORDER BY p.key
"""
_ROWS_OF = """
SELECT p.key, p.document, p.start, p.stop, p.digest, d.title, d.id, d.readers
FROM passages p JOIN documents d ON d.number = p.document
WHERE p.key IN (SELECT value FROM json_each(?)) ORDER BY p.key
"""
_LOCATIONS = """
SELECT d.readers, p.key, p.id, d.number, d.id, d.version, p.start, p.stop, p.section
FROM passages p JOIN documents d ON d.number = p.document WHERE p.key IN (SELECT value FROM json_each(?))
"""
_INFOS = """
SELECT number, id, version, title, uri, n_chars, metadata FROM documents
WHERE number IN (SELECT value FROM json_each(?))
"""
_PAGES = """
SELECT p.document, p.ordinal, p.text
FROM json_each(?) wanted JOIN pages p
ON p.document = json_extract(wanted.value, '$[0]') AND p.ordinal = json_extract(wanted.value, '$[1]')
"""
_TEXTS = """
SELECT d.id, d.version, d.readers, d.metadata, p.ordinal, p.text
FROM json_each(?) wanted CROSS JOIN documents d ON d.id = wanted.value
LEFT JOIN pages p ON p.document = d.number
"""
_ADDED = """
SELECT p.key, d.readers, d.metadata
FROM passages p JOIN documents d ON d.number = p.document WHERE p.key >= ? ORDER BY p.key
"""
_FIRST_KEY = "SELECT key FROM passages WHERE added > ? ORDER BY added, key LIMIT 1"
_NO_KEY = (1 << 63) - 1
_LONGEST = 1 << 62
"""No text is longer, and SQLite takes no larger number."""
_READABLE = "{column} IN (SELECT document FROM readers WHERE principal IN (SELECT value FROM json_each(?)))"


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage as engines index it. `digest` is the SHA-256 of `text`, which begins with the title."""

    key: int
    text: str
    readers: frozenset[str]
    digest: bytes
    title: str = ""
    document_id: str = ""


class PassageLocation(NamedTuple):
    """The location of a passage, without its text. A tuple, because a search creates hundreds of them."""

    key: int
    id: PassageId
    document: int
    document_id: DocumentId
    version: str
    start: int
    stop: int
    section: int | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of documents, passages and characters in the catalog."""

    documents: int
    passages: int
    chars: int


class CatalogReader:
    """One consistent view of the catalog, as of the moment it was opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this view, for reading only."""
        return self._db

    @property
    def generation(self) -> int:
        """The number of the last write; 0 before the first."""
        return int(self.setting("generation") or 0)

    def setting(self, name: str) -> str | None:
        """Return the value of a setting; None if it is not set."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def counts(self) -> Counts:
        """Return the numbers of documents, passages and characters."""
        documents, chars = self._db.execute(
            "SELECT count(*), coalesce(sum(n_chars), 0) FROM documents"
        ).fetchone()
        return Counts(documents, self.n_added(-1), chars)

    def ids(self, scope: Scope) -> list[DocumentId]:
        """Return the ids of the documents within `scope`, sorted."""
        sql = _narrowed(scope, "number")
        rows = self._db.execute(f"SELECT id FROM documents WHERE {sql.text} ORDER BY id", sql.parameters)  # noqa: S608 - see `Sql`
        return [DocumentId(i) for (i,) in rows]

    def infos_within(self, scope: Scope) -> list[DocumentInfo]:
        """Return the fields except the text of all documents within `scope`, by id, in one query."""
        sql = _narrowed(scope, "number")
        rows = self._db.execute(
            "SELECT id, version, title, uri, n_chars, metadata FROM documents "  # noqa: S608 - see `Sql`
            f"WHERE {sql.text} ORDER BY id",
            sql.parameters,
        )
        return [
            DocumentInfo(DocumentId(id_), version, title, uri, n_chars, json.loads(metadata))
            for id_, version, title, uri, n_chars, metadata in rows
        ]

    def texts(self, ids: Sequence[str], scope: Scope) -> dict[DocumentId, VersionText]:
        """Return the texts of those of these documents that are within `scope`, in one query."""
        versions: dict[str, str] = {}
        pages: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        for id_, version, readers, metadata, ordinal, text in self._db.execute(_TEXTS, (json.dumps(ids),)):
            if id_ in versions or _is_within(scope, readers, metadata):
                versions[id_] = version
                if text is not None:
                    pages[id_].append((ordinal, text))
        return {
            DocumentId(id_): VersionText(version, "".join(decode(text) for _, text in sorted(pages[id_])))
            for id_, version in versions.items()
        }

    def count(self, scope: Scope) -> int:
        """Return how many documents are within `scope`."""
        sql = _narrowed(scope, "number")
        found = self._db.execute(f"SELECT count(*) FROM documents WHERE {sql.text}", sql.parameters)  # noqa: S608 - see `Sql`
        return int(found.fetchone()[0])

    def number(self, document_id: str, scope: Scope) -> int | None:
        """Return the catalog's own number of a document; None if there is no such document within `scope`."""
        try:
            found = self._db.execute(
                "SELECT number, readers, metadata FROM documents WHERE id = ?", (document_id,)
            ).fetchone()
        except UnicodeEncodeError:  # a lone surrogate: no stored id has one
            return None
        return found[0] if found and _is_within(scope, found[1], found[2]) else None

    def info(self, number: int) -> DocumentInfo:
        """Return a document's fields except its text."""
        return self.infos([number])[number]

    def infos(self, numbers: Iterable[int]) -> dict[int, DocumentInfo]:
        """Return the fields of many documents except their texts, by number, in one query."""
        rows = self._db.execute(_INFOS, (json.dumps(list(numbers)),))
        return {
            number: DocumentInfo(DocumentId(id_), version, title, uri, n_chars, json.loads(metadata))
            for number, id_, version, title, uri, n_chars, metadata in rows
        }

    def document(self, number: int) -> Document:
        """Return a whole document."""
        info = self.info(number)
        (readers,) = self._db.execute("SELECT readers FROM documents WHERE number = ?", (number,)).fetchone()
        return Document(
            id=info.id,
            text=self.text(number, 0, info.n_chars),
            title=info.title,
            uri=info.uri,
            metadata=info.metadata,
            readers=_readers(readers),
            sections=self.sections(number),
        )

    def sections(self, number: int) -> tuple[Section, ...]:
        """Return the sections of a document."""
        (found,) = self._db.execute("SELECT sections FROM documents WHERE number = ?", (number,)).fetchone()
        return tuple(Section(**section) for section in json.loads(found))

    def text(self, number: int, start: int, stop: int) -> str:
        """Return the characters [start, stop) of a document, reading only the pages that hold them."""
        start, stop = min(max(start, 0), _LONGEST), min(stop, _LONGEST)
        first = start // PAGE_CHARS
        pages = self._db.execute(
            "SELECT text FROM pages WHERE document = ? AND ordinal BETWEEN ? AND ? ORDER BY ordinal",
            (number, first, max(stop - 1, 0) // PAGE_CHARS),
        )
        offset = first * PAGE_CHARS
        return "".join(decode(page) for (page,) in pages)[start - offset : max(stop - offset, 0)]

    def locations(self, keys: Iterable[int], scope: Scope) -> dict[int, PassageLocation]:
        """Return where these passages are, by key, except those that are gone or that the asker may not read.

        The filter of `scope` is not checked again: the metadata of the passage with a key never changes.
        """
        access = scope.access
        rows = self._db.execute(_LOCATIONS, (json.dumps(list(keys)),))
        return {
            row[1]: PassageLocation._make(row[1:])
            for row in rows
            if access.everything or access.may_read(_readers(row[0]))
        }

    def passages(self, locations: Iterable[PassageLocation]) -> list[Passage]:
        """Return these passages with their texts, most of them read in one query."""
        locations = list(locations)
        sections = {
            number: self.sections(number)
            for number in {location.document for location in locations if location.section is not None}
        }
        return [
            Passage(
                id=location.id,
                document_id=location.document_id,
                version=location.version,
                start=location.start,
                stop=location.stop,
                text=text,
                section=None if location.section is None else sections[location.document][location.section],
            )
            for location, text in zip(locations, self._texts(locations), strict=True)
        ]

    def _texts(self, locations: Sequence[PassageLocation]) -> list[str]:
        """Return the text at each location. Each page is read once, most of them in one query."""
        texts = [""] * len(locations)
        on_page: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, p in enumerate(locations):
            if _on_one_page(p):
                on_page[p.document, p.start // PAGE_CHARS].append(i)
            else:
                texts[i] = self.text(p.document, p.start, p.stop)
        # One page at a time: the pages of a thousand passages together are a hundred megabytes.
        for number, ordinal, stored in self._db.execute(_PAGES, (json.dumps(sorted(on_page)),)):
            page, offset = decode(stored), ordinal * PAGE_CHARS
            for i in on_page[number, ordinal]:
                texts[i] = page[locations[i].start - offset : locations[i].stop - offset]
        return texts

    def keys(self, *, after: int = 0) -> NDArray[np.int64]:
        """Return the passage keys above `after`, ascending."""
        rows = self._db.execute("SELECT key FROM passages WHERE key > ? ORDER BY key", (after,))
        return np.fromiter((key for (key,) in rows), np.int64)

    def open_keys(self, scope: Scope) -> NDArray[np.int64]:
        """Return the keys of the passages within `scope`, ascending."""
        sql = _narrowed(scope, "document")
        rows = self._db.execute(f"SELECT key FROM passages WHERE {sql.text}", sql.parameters)  # noqa: S608 - see `Sql`
        return np.sort(np.fromiter((key for (key,) in rows), np.int64))

    def open_keys_since(self, since: int, scope: Scope) -> NDArray[np.int64]:
        """Return the keys of `open_keys` added after generation `since`, without scanning the older ones."""
        rows = self._db.execute(_ADDED, (self._first_key(since),))
        added = (key for key, readers, metadata in rows if _is_within(scope, readers, metadata))
        return np.fromiter(added, np.int64)

    def _first_key(self, since: int) -> int:
        """Return the first key added after generation `since`: keys increase with generations.

        With a condition on the generation itself, SQLite would scan all passages in the order of keys.
        """
        row = self._db.execute(_FIRST_KEY, (since,)).fetchone()
        return int(row[0]) if row else _NO_KEY

    def n_added(self, since: int) -> int:
        """Return how many passages were added after generation `since`."""
        return int(self._db.execute("SELECT count(*) FROM passages WHERE added > ?", (since,)).fetchone()[0])

    def added(self, since: int) -> Iterator[PassageRow]:
        """Yield the passages added after generation `since`, by ascending key."""
        current, text = -1, ""
        for key, number, start, stop, digest, title, name, readers in self._db.execute(
            _ROWS, (self._first_key(since),)
        ):
            if number != current:
                current, text = number, self.text(number, 0, 1 << 62)
            shown = indexed_text(title, text[start:stop])
            yield PassageRow(key, shown, _readers(readers), digest, title, name)

    def rows(self, keys: Iterable[int]) -> list[PassageRow]:
        """Return these passages as engines index them, by ascending key, except those that are gone."""
        return [
            PassageRow(
                key,
                indexed_text(title, self.text(number, start, stop)),
                _readers(readers),
                digest,
                title,
                name,
            )
            for key, number, start, stop, digest, title, name, readers in self._db.execute(
                _ROWS_OF, (json.dumps(list(keys)),)
            )
        ]

    def digests(self, since: int) -> list[tuple[int, bytes]]:
        """Return (key, digest) of each passage added after generation `since`, by ascending key."""
        return self._db.execute(
            "SELECT key, digest FROM passages WHERE key >= ? ORDER BY key", (self._first_key(since),)
        ).fetchall()

    def digests_of(self, keys: NDArray[np.int64]) -> list[bytes] | None:
        """Return the digest of each of these passages; None if one of them is gone."""
        rows = self._db.execute(
            "SELECT key, digest FROM passages WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys.tolist()),),
        )
        found = dict(rows.fetchall())
        return [found[key] for key in keys.tolist()] if len(found) == len(keys) else None

    def removed(self, since: int) -> list[int]:
        """Return the keys of the passages removed after generation `since`."""
        return [key for (key,) in self._db.execute("SELECT key FROM removed WHERE generation > ?", (since,))]

    def forgotten(self, since: int) -> list[bytes]:
        """Return the digests removed after generation `since` that no longer belong to any passage."""
        rows = self._db.execute(
            "SELECT digest FROM removed WHERE generation > ? AND digest NOT IN (SELECT digest FROM passages)",
            (since,),
        )
        return [digest for (digest,) in rows]

    def sources(self) -> dict[str, int]:
        """Return the number of documents from each source, by name; "" for those stored by `upsert`."""
        rows = self._db.execute("SELECT source, count(*) FROM documents GROUP BY source ORDER BY source")
        return dict(rows.fetchall())


def _narrowed(scope: Scope, column: str) -> Sql:
    """Return SQL that is true for the documents within `scope`; `column` holds their numbers."""
    parts = [] if scope.where is None else [compiled(scope.where, column)]
    if not scope.access.everything:
        parts.append(Sql(_READABLE.format(column=column), (json.dumps(sorted(scope.access.principals)),)))
    return joined(" AND ", parts, empty="TRUE")


def _is_within(scope: Scope, readers: str, metadata: str) -> bool:
    return scope.access.may_read(_readers(readers)) and (
        scope.where is None or matches(scope.where, json.loads(metadata))
    )


@lru_cache(_READERS_KEPT)
def _readers(value: str) -> frozenset[str]:
    return frozenset(json.loads(value))


def _on_one_page(location: PassageLocation) -> bool:
    return location.start // PAGE_CHARS == max(location.stop - 1, 0) // PAGE_CHARS
