"""A collection's SQLite file, from which everything else is derived: connections and transactions.

Each write transaction that changes anything increases the generation by one. An engine at generation g reads
the passages added and removed after g from a `CatalogReader`.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import JSONDecodeError
from pathlib import Path
from threading import Lock

from indexes.catalog import schema
from indexes.catalog.reader import CatalogReader
from indexes.catalog.writer import CatalogWriter
from indexes.errors import CollectionDamaged, CollectionError, CollectionNotReadable
from indexes.storage import faults
from indexes.storage.connecting import ReadOnlyConnection, connect, may_write
from indexes.storage.permissions import CATALOG, create_missing

_MAX_IDLE = 8
_CACHE_KIB = 16_000
"""Searches read pages all over the file: with SQLite's 2 MB they take a third longer, writes even more."""
_WRITE = "BEGIN IMMEDIATE"


@dataclass
class Catalog:
    """The SQLite file of a collection. Thread-safe; writers have to hold the collection's lock."""

    path: Path
    _idle: deque[sqlite3.Connection] = field(default_factory=deque, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, str], *, shared: bool = False) -> Catalog:
        """Create an empty catalog with these settings in the file `path`, which must not be a catalog yet.

        Only this user may read it, unless it is `shared`.
        """
        create_missing(path, shared=shared)
        catalog = cls(path)
        with catalog._connection() as db:
            schema.create(db, settings)
        return catalog

    @classmethod
    def open(cls, path: Path) -> Catalog:
        """Open the catalog in the file `path`.

        Raises: `CollectionNotFound`, `CollectionNotReadable`, `CollectionTooNew`, `CollectionDamaged`;
        `CollectionNotWritable` for an older format in a directory that may not be written to.
        """
        catalog = cls(path)
        try:
            schema.check_file(path)
            with catalog._connection() as db:
                schema.upgrade(db, path.parent, writable=not isinstance(db, ReadOnlyConnection))
        except PermissionError as exc:
            raise CollectionNotReadable(path.parent) from exc
        except BaseException:
            catalog.close()
            raise
        return catalog

    @contextmanager
    def read(self) -> Iterator[CatalogReader]:
        """Read one consistent view; others can write meanwhile."""
        with self._connection() as db, _transaction(db, "BEGIN"):
            try:
                yield CatalogReader(db)
            except (UnicodeDecodeError, JSONDecodeError) as exc:
                raise CollectionDamaged(self.path.parent, str(exc)) from exc

    @contextmanager
    def write(self) -> Iterator[CatalogWriter]:
        """Run a write transaction; an exception rolls it back. A change increases the generation."""
        with self._connection() as db, _transaction(db, _WRITE):
            writer = CatalogWriter(db)
            yield writer
            if writer.changed:
                db.execute("UPDATE settings SET value = value + 1 WHERE name = 'generation'")
                now = datetime.now(UTC).isoformat(timespec="seconds")
                db.execute("INSERT OR REPLACE INTO settings VALUES ('written', ?)", (now,))

    def set(self, name: str, value: str) -> None:
        """Store a setting without increasing the generation."""
        with self._connection() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def scrub(self) -> None:
        """Rewrite the file without deleted content, and empty its write-ahead log.

        Raises: `CollectionError` if another process reads it for too long.
        """
        with self._connection() as db:
            db.execute("PRAGMA secure_delete = ON")
            db.execute("UPDATE removed SET digest = x''")
            db.execute("VACUUM")
            faults.step("catalog.vacuum")
            busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            faults.step("catalog.scrubbed")
        if busy:
            raise CollectionError(f"{self.path} is being read by another process. Run this again later.")

    def close(self) -> None:
        """Close all idle connections; those in use are closed when they are returned."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        db: sqlite3.Connection | None = None
        try:
            db = self._take()
            yield db
        except sqlite3.OperationalError as exc:  # a full disk, no permission, a file locked for too long
            raise CollectionError(f"The catalog {self.path} cannot be used: {exc}.") from exc
        except sqlite3.DatabaseError as exc:
            raise CollectionDamaged(self.path.parent, str(exc)) from exc
        finally:
            if db is not None:
                self._give_back(db)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        db = connect(self.path)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        lasting = not isinstance(db, ReadOnlyConnection) and may_write(self.path.parent)
        with self._lock:
            if lasting and not self._closed and len(self._idle) < _MAX_IDLE:
                self._idle.append(db)
                return
        db.close()


@contextmanager
def _transaction(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        if begin == _WRITE:
            faults.step("catalog.begun")
        yield
        if begin == _WRITE:
            faults.step("catalog.commit")
    except BaseException:
        if db.in_transaction:  # SQLite itself rolls back if the disk is full
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    if begin == _WRITE:
        faults.step("catalog.committed")


__all__ = ["CATALOG", "Catalog"]
