"""One consistent view of the catalog: documents, spans, passages, what changed since; writes nothing.

Text is kept as UTF-8 pages of `PAGE_CHARS` characters, so that a span is read without its document.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexes.catalog.filter_sql import Sql, compiled, joined
from indexes.filters import matches
from indexes.scope import Scope
from indexes.types import Document, DocumentId, DocumentInfo, Passage, PassageId, Section

PAGE_CHARS = 32_768
_READERS_KEPT = 1024

_ROWS = """
SELECT p.key, p.document, p.start, p.stop, p.digest, d.title, d.readers
FROM passages p JOIN documents d ON d.number = p.document WHERE p.key >= ? ORDER BY p.key
"""
_ROWS_OF = """
SELECT p.key, p.document, p.start, p.stop, p.digest, d.title, d.readers
FROM passages p JOIN documents d ON d.number = p.document
WHERE p.key IN (SELECT value FROM json_each(?)) ORDER BY p.key
"""
_PLACES = """
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
_CAME = """
SELECT p.key, d.readers, d.metadata
FROM passages p JOIN documents d ON d.number = p.document WHERE p.key >= ? ORDER BY p.key
"""
_FIRST_KEY = "SELECT key FROM passages WHERE added > ? ORDER BY added, key LIMIT 1"
_NO_KEY = (1 << 63) - 1
_OPEN_TO = "{column} IN (SELECT document FROM readers WHERE principal IN (SELECT value FROM json_each(?)))"


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage as engines take it in. `digest` is the SHA-256 of `text`, the title's line included."""

    key: int
    text: str
    readers: frozenset[str]
    digest: bytes


class PassageLocation(NamedTuple):
    """Where a passage stands, without its text. Tuples, for a search makes hundreds of them."""

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
    """How much the catalog holds."""

    documents: int
    passages: int
    chars: int


class CatalogReader:
    """One consistent view of the catalog, as of the moment it was opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @property
    def generation(self) -> int:
        """The number of the last write; 0 before the first."""
        return int(self.setting("generation") or 0)

    def setting(self, name: str) -> str | None:
        """A value recorded by `Catalog.set`."""
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def counts(self) -> Counts:
        """How much there is."""
        documents, chars = self._db.execute(
            "SELECT count(*), coalesce(sum(n_chars), 0) FROM documents"
        ).fetchone()
        return Counts(documents, self.n_added(-1), chars)

    def ids(self, scope: Scope) -> list[DocumentId]:
        """The ids of the documents within `scope`, sorted."""
        sql = _narrowed(scope, "number")
        rows = self._db.execute(f"SELECT id FROM documents WHERE {sql.text} ORDER BY id", sql.parameters)  # noqa: S608 - see `Sql`
        return [DocumentId(i) for (i,) in rows]

    def count(self, scope: Scope) -> int:
        """How many documents are within `scope`."""
        sql = _narrowed(scope, "number")
        found = self._db.execute(f"SELECT count(*) FROM documents WHERE {sql.text}", sql.parameters)  # noqa: S608 - see `Sql`
        return int(found.fetchone()[0])

    def number(self, document_id: str, scope: Scope) -> int | None:
        """The catalog's own number of a document; None if there is no such document within `scope`."""
        try:
            found = self._db.execute(
                "SELECT number, readers, metadata FROM documents WHERE id = ?", (document_id,)
            ).fetchone()
        except UnicodeEncodeError:  # a lone surrogate: no stored id has one
            return None
        return found[0] if found and _is_within(scope, found[1], found[2]) else None

    def info(self, number: int) -> DocumentInfo:
        """What is known of a document, without its text."""
        return self.infos([number])[number]

    def infos(self, numbers: Iterable[int]) -> dict[int, DocumentInfo]:
        """The same of many documents, in one question."""
        rows = self._db.execute(_INFOS, (json.dumps(list(numbers)),))
        return {
            number: DocumentInfo(DocumentId(id_), version, title, uri, n_chars, json.loads(metadata))
            for number, id_, version, title, uri, n_chars, metadata in rows
        }

    def document(self, number: int) -> Document:
        """A whole document."""
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
        """The sections of a document."""
        (found,) = self._db.execute("SELECT sections FROM documents WHERE number = ?", (number,)).fetchone()
        return tuple(Section(**section) for section in json.loads(found))

    def text(self, number: int, start: int, stop: int) -> str:
        """Characters [start, stop) of a document, from the pages that hold them and no others."""
        start = max(start, 0)
        first = start // PAGE_CHARS
        pages = self._db.execute(
            "SELECT text FROM pages WHERE document = ? AND ordinal BETWEEN ? AND ? ORDER BY ordinal",
            (number, first, max(stop - 1, 0) // PAGE_CHARS),
        )
        offset = first * PAGE_CHARS
        return "".join(_decode(page) for (page,) in pages)[start - offset : max(stop - offset, 0)]

    def places(self, keys: Iterable[int], scope: Scope) -> dict[int, PassageLocation]:
        """Where these passages stand, by key; without those that are gone or closed to the asker.

        The filter of `scope` is not looked at again: a passage's metadata never changes under its key.
        """
        access = scope.access
        rows = self._db.execute(_PLACES, (json.dumps(list(keys)),))
        return {
            row[1]: PassageLocation._make(row[1:])
            for row in rows
            if access.everything or access.may_read(_readers(row[0]))
        }

    def passages(self, places: Iterable[PassageLocation]) -> list[Passage]:
        """These passages with their texts; of any documents, in one question for most of them."""
        places = list(places)
        sections = {
            number: self.sections(number)
            for number in {place.document for place in places if place.section is not None}
        }
        return [
            Passage(
                id=place.id,
                document_id=place.document_id,
                version=place.version,
                start=place.start,
                stop=place.stop,
                text=text,
                section=None if place.section is None else sections[place.document][place.section],
            )
            for place, text in zip(places, self._texts(places), strict=True)
        ]

    def _texts(self, places: Sequence[PassageLocation]) -> list[str]:
        """The text of each place; a page is read once, and all single pages in one question."""
        texts = [""] * len(places)
        on_page: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, p in enumerate(places):
            if _on_one_page(p):
                on_page[p.document, p.start // PAGE_CHARS].append(i)
            else:
                texts[i] = self.text(p.document, p.start, p.stop)
        # One page at a time: together, those of a thousand passages are a hundred megabytes.
        for number, ordinal, stored in self._db.execute(_PAGES, (json.dumps(sorted(on_page)),)):
            page, offset = _decode(stored), ordinal * PAGE_CHARS
            for i in on_page[number, ordinal]:
                texts[i] = page[places[i].start - offset : places[i].stop - offset]
        return texts

    def keys(self, *, after: int = 0) -> NDArray[np.int64]:
        """Passage keys above `after`, ascending."""
        rows = self._db.execute("SELECT key FROM passages WHERE key > ? ORDER BY key", (after,))
        return np.fromiter((key for (key,) in rows), np.int64)

    def open_keys(self, scope: Scope) -> NDArray[np.int64]:
        """The keys of the passages within `scope`, ascending."""
        sql = _narrowed(scope, "document")
        rows = self._db.execute(f"SELECT key FROM passages WHERE {sql.text}", sql.parameters)  # noqa: S608 - see `Sql`
        return np.sort(np.fromiter((key for (key,) in rows), np.int64))

    def open_keys_since(self, since: int, scope: Scope) -> NDArray[np.int64]:
        """As `open_keys`, of passages that came after generation `since`, in time that grows with them."""
        rows = self._db.execute(_CAME, (self._first_key(since),))
        came = (key for key, readers, metadata in rows if _is_within(scope, readers, metadata))
        return np.fromiter(came, np.int64)

    def _first_key(self, since: int) -> int:
        """Where the passages begin that came after generation `since`: keys rise with generations.

        Told to look for the generation itself, SQLite goes through every passage in the order of keys.
        """
        row = self._db.execute(_FIRST_KEY, (since,)).fetchone()
        return int(row[0]) if row else _NO_KEY

    def n_added(self, since: int) -> int:
        """How many passages came after generation `since`."""
        return int(self._db.execute("SELECT count(*) FROM passages WHERE added > ?", (since,)).fetchone()[0])

    def added(self, since: int) -> Iterator[PassageRow]:
        """The passages that came after generation `since`, by ascending key."""
        current, text = -1, ""
        for key, number, start, stop, digest, title, readers in self._db.execute(
            _ROWS, (self._first_key(since),)
        ):
            if number != current:
                current, text = number, self.text(number, 0, 1 << 62)
            yield PassageRow(key, indexed_text(title, text[start:stop]), _readers(readers), digest)

    def rows(self, keys: Iterable[int]) -> list[PassageRow]:
        """These passages as engines take them in, by ascending key, without those that are gone."""
        return [
            PassageRow(key, indexed_text(title, self.text(number, start, stop)), _readers(readers), digest)
            for key, number, start, stop, digest, title, readers in self._db.execute(
                _ROWS_OF, (json.dumps(list(keys)),)
            )
        ]

    def digests(self, since: int) -> list[tuple[int, bytes]]:
        """(key, digest) of each passage that came after generation `since`, by ascending key: no text."""
        return self._db.execute(
            "SELECT key, digest FROM passages WHERE key >= ? ORDER BY key", (self._first_key(since),)
        ).fetchall()

    def removed(self, since: int) -> list[int]:
        """The keys of the passages that went after generation `since`."""
        return [key for (key,) in self._db.execute("SELECT key FROM removed WHERE generation > ?", (since,))]

    def forgotten(self, since: int) -> list[bytes]:
        """The digests that went after generation `since` and that no passage has any more."""
        rows = self._db.execute(
            "SELECT digest FROM removed WHERE generation > ? AND digest NOT IN (SELECT digest FROM passages)",
            (since,),
        )
        return [digest for (digest,) in rows]

    def sources(self) -> dict[str, int]:
        """How many documents came from each source, by its name; `` for those given one by one."""
        rows = self._db.execute("SELECT source, count(*) FROM documents GROUP BY source ORDER BY source")
        return dict(rows.fetchall())

    def problems(self) -> Iterator[str]:
        """What is wrong with the catalog itself, one line each."""
        for (line,) in self._db.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield f"catalog: {line}"
        for table, row, parent, _ in self._db.execute("PRAGMA foreign_key_check"):
            yield f"catalog: row {row} of {table} belongs to a row of {parent} that is not there"
        for number, id_, version, fingerprint in self._db.execute(
            "SELECT number, id, version, fingerprint FROM documents"
        ):
            try:
                document = self.document(number)
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                yield f"document {id_!r}: it does not read ({exc})"
                continue
            yield from self._problems_of(document, number, version, fingerprint)

    def _problems_of(self, document: Document, number: int, version: str, fingerprint: str) -> Iterator[str]:
        whole = self.text(number, 0, 1 << 62)
        is_own = whole == document.text and document.version == version
        if not is_own:
            yield f"document {document.id!r}: its text is not the text of version {version}"
        elif document.fingerprint != fingerprint:
            yield f"document {document.id!r}: its title, metadata, readers or sections are not those stored"
        rows = self._db.execute("SELECT principal FROM readers WHERE document = ?", (number,))
        if {principal for (principal,) in rows} != document.readers:
            yield f"document {document.id!r}: its table of readers differs from its readers"
        spans = "SELECT id, start, stop, digest FROM passages WHERE document = ?"
        for passage, start, stop, digest in self._db.execute(spans, (number,)):
            if not 0 <= start < stop <= len(whole):
                yield f"passage {passage!r}: [{start}, {stop}) is no span of {len(whole)} characters"
            elif (
                is_own and sha256(encode(indexed_text(document.title, whole[start:stop]))).digest() != digest
            ):
                yield f"passage {passage!r}: its text is not the one that was indexed"


def indexed_text(title: str, text: str) -> str:
    """What both retrievers index of a passage: the document's title, then the passage's own text."""
    return f"{title}\n{text}" if title else text


def _narrowed(scope: Scope, column: str) -> Sql:
    """The SQL that holds for the documents within `scope`, by their number in `column`."""
    parts = [] if scope.where is None else [compiled(scope.where, column)]
    if not scope.access.everything:
        parts.append(Sql(_OPEN_TO.format(column=column), (json.dumps(sorted(scope.access.principals)),)))
    return joined(" AND ", parts, empty="TRUE")


def _is_within(scope: Scope, readers: str, metadata: str) -> bool:
    return scope.access.may_read(_readers(readers)) and (
        scope.where is None or matches(scope.where, json.loads(metadata))
    )


@lru_cache(_READERS_KEPT)
def _readers(value: str) -> frozenset[str]:
    return frozenset(json.loads(value))


def encode(text: str) -> bytes:
    """Text as it is stored."""
    # Lone surrogates occur in real files, and offsets count them.
    return text.encode("utf-8", "surrogatepass")


def _decode(page: bytes) -> str:
    return page.decode("utf-8", "surrogatepass")


def _on_one_page(place: PassageLocation) -> bool:
    return place.start // PAGE_CHARS == max(place.stop - 1, 0) // PAGE_CHARS
