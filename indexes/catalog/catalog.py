"""The one truth of a collection: a SQLite file, its connections and transactions; knows no engine.

Each write transaction that changes anything raises the generation by one; an engine at generation g asks a
`CatalogReader` for what came and went since g.
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
from indexes.storage.connecting import connect, may_write

CATALOG = "catalog.sqlite"
"""Its name in a collection's directory."""

_OPEN_FOR_LATER = 8
_CACHE_KIB = 16_000
"""What a search looks up lies anywhere: with SQLite's own 2 MB it takes a third longer, a write more."""
_WRITE = "BEGIN IMMEDIATE"


@dataclass
class Catalog:
    """The SQLite file of a collection. Thread-safe; writers are expected to hold the collection's lock."""

    path: Path
    _idle: deque[sqlite3.Connection] = field(default_factory=deque, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, str]) -> Catalog:
        """An empty catalog with these settings in the file `path`, which must not be one yet."""
        catalog = cls(path)
        with catalog._connection() as db:
            schema.create(db, settings)
        return catalog

    @classmethod
    def open(cls, path: Path) -> Catalog:
        """The catalog in the file `path`.

        Raises: `CollectionNotFound`, `CollectionNotReadable`, `CollectionTooNew`, `CollectionDamaged`;
        `CollectionNotWritable` for an older format where it may not be changed.
        """
        catalog = cls(path)
        try:
            schema.look(path)
            with catalog._connection() as db:
                schema.check(db, path.parent, writable=may_write(path.parent))
        except PermissionError as exc:
            raise CollectionNotReadable(path.parent) from exc
        except BaseException:
            catalog.close()
            raise
        return catalog

    @contextmanager
    def read(self) -> Iterator[CatalogReader]:
        """One consistent view; others go on writing meanwhile."""
        with self._connection() as db, _transaction(db, "BEGIN"):
            try:
                yield CatalogReader(db)
            except (UnicodeDecodeError, JSONDecodeError) as exc:
                raise CollectionDamaged(self.path.parent, str(exc)) from exc

    @contextmanager
    def write(self) -> Iterator[CatalogWriter]:
        """A write transaction: rolled back by an exception, and when nothing changed."""
        with self._connection() as db, _transaction(db, _WRITE):
            writer = CatalogWriter(db)
            yield writer
            if writer.changed:
                db.execute("UPDATE settings SET value = value + 1 WHERE name = 'generation'")
                now = datetime.now(UTC).isoformat(timespec="seconds")
                db.execute("INSERT OR REPLACE INTO settings VALUES ('written', ?)", (now,))

    def set(self, name: str, value: str) -> None:
        """Record a value that is no part of any generation."""
        with self._connection() as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def scrub(self) -> None:
        """Write the file anew without what was deleted, and empty its write-ahead log.

        Raises: `CollectionError` where another process has been reading for too long.
        """
        with self._connection() as db:
            db.execute("PRAGMA secure_delete = ON")
            db.execute("UPDATE removed SET digest = x''")
            db.execute("VACUUM")
            faults.step("catalog.vacuum")
            busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            faults.step("catalog.scrubbed")
        if busy:
            raise CollectionError(f"{self.path} is being read. Run this again when that has ended.")

    def close(self) -> None:
        """Close every connection that is not in use; those in use close when they are given back."""
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
        except sqlite3.OperationalError as exc:  # a full disk, no permission, a file busy for too long
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
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        lasting = may_write(self.path.parent)
        with self._lock:
            if lasting and not self._closed and len(self._idle) < _OPEN_FOR_LATER:
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
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    if begin == _WRITE:
        faults.step("catalog.committed")
