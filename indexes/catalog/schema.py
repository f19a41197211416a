"""The catalog's tables and their ordered migrations; knows SQL and the format number."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from indexes.errors import CollectionDamaged, CollectionNotFound, CollectionNotWritable, CollectionTooNew
from indexes.filters import atoms
from indexes.storage import faults
from indexes.storage.definitions import defined_by, definitions
from indexes.types import Metadata

APPLICATION_ID = 0x46554E4C
"""Marks the file as a catalog, so that another program's database is never mistaken for a collection."""

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
"""https://www.sqlite.org/fileformat.html, 1.3: page size at byte 16, number of pages at 28, big-endian."""

_ENGINES = ("lexical", "dense")

_FIRST = """
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO settings VALUES ('generation', '0');

CREATE TABLE documents (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    version     TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    title       TEXT NOT NULL,
    uri         TEXT NOT NULL,
    n_chars     INTEGER NOT NULL,
    metadata    TEXT NOT NULL,
    readers     TEXT NOT NULL,
    sections    TEXT NOT NULL,
    source      TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);

CREATE TABLE readers (
    principal TEXT NOT NULL,
    document  INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    PRIMARY KEY (principal, document)
) WITHOUT ROWID;
CREATE INDEX readers_document ON readers (document);

-- Text as UTF-8 in pages of equal length in characters: a span is read without the rest of its document.
CREATE TABLE pages (
    number   INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    ordinal  INTEGER NOT NULL,
    text     BLOB NOT NULL,
    UNIQUE (document, ordinal)
);

-- A key is never reused, so that an engine that lags behind cannot hold a passage under another's key.
CREATE TABLE passages (
    key      INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    ordinal  INTEGER NOT NULL,
    id       TEXT NOT NULL UNIQUE,
    start    INTEGER NOT NULL,
    stop     INTEGER NOT NULL,
    section  INTEGER,
    digest   BLOB NOT NULL,
    added    INTEGER NOT NULL
);
CREATE INDEX passages_document ON passages (document, ordinal);
CREATE INDEX passages_added ON passages (added);
CREATE INDEX passages_digest ON passages (digest);

-- What engines and caches must delete: the key and digest of each removed passage, and when it was removed.
CREATE TABLE removed (
    key        INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,
    generation INTEGER NOT NULL
);
CREATE INDEX removed_generation ON removed (generation);
"""

# A document's metadata as filters compare it: one row for each value, none if it counts as missing.
_ATTRIBUTES = """
CREATE TABLE attributes (
    field    BLOB NOT NULL,
    value    NOT NULL,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    PRIMARY KEY (field, value, document)
) WITHOUT ROWID;
CREATE INDEX attributes_document ON attributes (document);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _ATTRIBUTES)
"""Step n turns format n into format n + 1. A released step is never changed."""

_SHOWN = 3
_FILLED_AT = 2
"""The format that introduced attributes; a migration to it adds the attributes of older documents."""


def create(connection: sqlite3.Connection, settings: Mapping[str, str]) -> None:
    """Bring an empty database to the newest format and record `settings`, in one transaction."""
    connection.execute("PRAGMA journal_mode = WAL")
    _migrate(connection, 0, settings)


def check_file(path: Path) -> None:
    """Check from its first bytes that the file `path` can be a catalog, before SQLite opens it.

    Raises: `CollectionNotFound` if there is none or its creation was interrupted; `CollectionDamaged` if it
    is truncated; `PermissionError`.
    """
    if not path.is_file():
        raise CollectionNotFound(path.parent)
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if not head:
        raise _no_catalog(path.parent, "the file is empty")
    wal = path.with_name(f"{path.name}-wal")
    # With a write-ahead log the length says nothing: some pages may be in the log only.
    if head.startswith(_MAGIC) and len(head) == _HEADER_BYTES and not (wal.is_file() and wal.stat().st_size):
        page_bytes = int.from_bytes(head[16:18], "big")
        expected = int.from_bytes(head[28:32], "big") * (page_bytes if page_bytes > 1 else 1 << 16)
        size = path.stat().st_size
        if size < expected:
            raise CollectionDamaged(path.parent, f"{expected - size:,} of its {expected:,} bytes are missing")


def upgrade(connection: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    """Bring the catalog of the collection `path` to the newest format.

    Raises: `CollectionNotFound`, `CollectionTooNew`; `CollectionNotWritable` if it cannot be upgraded.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _no_catalog(path, "it is not a catalog")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if writable and mode != "wal":  # another tool has changed it
        connection.execute("PRAGMA journal_mode = WAL")
    found = _format(connection)
    if found > len(MIGRATIONS):
        raise CollectionTooNew(path, found, len(MIGRATIONS))
    if foreign := foreign_objects(connection):
        shown = ", ".join(foreign[:_SHOWN])
        raise CollectionDamaged(path, f"it defines {shown} otherwise than a catalog of format {found}")
    if found < len(MIGRATIONS):
        if not writable:
            raise CollectionNotWritable(
                path,
                f"its format is {found} and must be upgraded to {len(MIGRATIONS)}",
                advice="Ask a user who may write to it to open it once.",
            )
        _migrate(connection, found, {})


def foreign_objects(connection: sqlite3.Connection) -> list[str]:
    """Return the objects that no catalog of this format has, such as triggers, or that are defined otherwise.

    A file from elsewhere may define a trigger or a view that changes documents when others are read or
    written.
    """
    found = definitions(connection)
    expected = _objects(_format(connection))
    known = expected.items() | _objects(len(MIGRATIONS)).items()
    return sorted({name for name, _ in found.items() - known} | (expected.keys() - found))


@cache
def _objects(number: int) -> dict[str, str]:
    """Return the names and definitions of the objects of a catalog of format `number`."""
    return defined_by(MIGRATIONS[:number])


def put_attributes(connection: sqlite3.Connection, number: int, metadata: Metadata) -> None:
    """Store the metadata of the document `number` as filters compare them."""
    connection.executemany(
        "INSERT OR IGNORE INTO attributes VALUES (?, ?, ?)",
        (
            (name.encode("utf-8", "surrogatepass"), atom, number)
            for name, value in metadata.items()
            for atom in atoms(value)
        ),
    )


def _migrate(connection: sqlite3.Connection, found: int, settings: Mapping[str, str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated it while this one waited for the lock.
        found = max(found, _format(connection))
        for step in MIGRATIONS[found:]:
            for statement in _statements(step):
                connection.execute(statement)
            faults.step("catalog.schema")
        if found < _FILLED_AT:
            for number, metadata in connection.execute("SELECT number, metadata FROM documents").fetchall():
                put_attributes(connection, number, json.loads(metadata))
        connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _no_catalog(path: Path, reason: str) -> CollectionNotFound | CollectionDamaged:
    """Return the error for a file that is not a catalog: damaged if there are engines beside it."""
    held = any((path / engine).is_dir() for engine in _ENGINES)
    return CollectionDamaged(path, reason) if held else CollectionNotFound(path)


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    # executescript() would commit the open transaction first.
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
