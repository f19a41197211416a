"""Stores postings in one SQLite file; knows terms and keys, no score and no reader.

A term's postings are rows of at most `ROW_KEYS` passages. A write adds to the last row of a term or begins
another, so that its cost does not grow with the collection. Removed passages are listed, and gone once the
whole is built again. The generation is written in the same transaction.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np

from indexes.lexical.base import LexicalEntry
from indexes.lexical.visible.scoring import Counts, Postings
from indexes.scope import Keys
from indexes.storage.connecting import ReadOnlyConnection, connect
from indexes.storage.permissions import follow_catalog, make_engine_folder

FILE = "postings.sqlite"
ROW_KEYS = 2_048
LENGTHS = ""
"""The name of the row with the lengths of all passages; no term is empty."""

_BLOCK = 10_000
_MAX_IDLE = 8
_TABLES = """
CREATE TABLE IF NOT EXISTS postings (
    number INTEGER PRIMARY KEY,
    term   BLOB NOT NULL,
    keys   BLOB NOT NULL,
    counts BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS postings_term ON postings (term);
CREATE TABLE IF NOT EXISTS removed (key INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS covered (write INTEGER PRIMARY KEY AUTOINCREMENT, generation INTEGER NOT NULL)
"""
_LAST = "SELECT number, keys, counts FROM postings WHERE term = ? ORDER BY number DESC LIMIT 1"
_ROWS = "SELECT keys, counts FROM postings WHERE term = ? ORDER BY number"
_PUT = "INSERT OR REPLACE INTO postings VALUES (?, ?, ?, ?)"


class PostingsView:
    """One consistent view of the postings."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @property
    def covered(self) -> tuple[int, int]:
        """The number of the last write, and the generation that it covered. Raises: `sqlite3.Error`."""
        row = self._db.execute("SELECT write, generation FROM covered").fetchone()
        if row is None:
            raise sqlite3.DatabaseError("the postings were never written")
        return int(row[0]), int(row[1])

    def postings(self, term: str) -> Postings:
        """Return a term's passages, removed ones among them."""
        rows = self._db.execute(_ROWS, (_stored(term),)).fetchall()
        if not rows:
            return Postings(np.empty(0, np.int64), np.empty(0, np.uint32))
        keys = np.concatenate([np.frombuffer(keys, "<i8") for keys, _ in rows])
        counts = np.concatenate([np.frombuffer(counts, "<u4") for _, counts in rows])
        if (keys[1:] > keys[:-1]).all():
            return Postings(keys, counts)
        order = np.argsort(keys)
        return Postings(keys[order], counts[order])

    def lengths(self) -> tuple[Keys, Counts, int]:
        """Return the keys of the passages held, ascending, their lengths, and how many are removed."""
        everything = self.postings(LENGTHS)
        removed = np.fromiter((key for (key,) in self._db.execute("SELECT key FROM removed")), np.int64)
        kept = ~np.isin(everything.keys, removed, assume_unique=True)
        return everything.keys[kept], everything.counts[kept], len(removed)


def known_terms(directory: Path, terms: Iterable[str]) -> set[str]:
    """Return which of the terms have postings in `directory`, also if only removed passages have them."""
    if not (directory / FILE).is_file():
        return set()
    with PostingsFile(directory).read() as view:
        return {term for term in terms if len(view.postings(term).keys)}


class PostingsFile:
    """The file of postings in a directory, which may not exist yet. Thread-safe; one process writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._idle: deque[sqlite3.Connection] = deque()
        self._lock = Lock()

    @contextmanager
    def read(self) -> Iterator[PostingsView]:
        """Read one consistent view. Raises: `sqlite3.Error`, also if there is no file."""
        if not self._path.is_file():
            raise sqlite3.OperationalError("there is no file of postings")
        with self._connection() as db:
            db.execute("BEGIN")
            try:
                yield PostingsView(db)
            finally:
                db.execute("ROLLBACK")

    def write(self, added: Iterable[LexicalEntry], removed: Iterable[int], generation: int) -> None:
        """Add and remove passages and cover `generation`: all of that is stored, or none.

        Raises: `sqlite3.Error`, `OSError`.
        """
        make_engine_folder(self._directory)
        with self._connection() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            try:
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                db.executemany("INSERT OR IGNORE INTO removed VALUES (?)", ((key,) for key in removed))
                entries = iter(added)
                while block := list(islice(entries, _BLOCK)):
                    _add(db, block)
                db.execute("DELETE FROM covered")
                db.execute("INSERT INTO covered (generation) VALUES (?)", (generation,))
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        follow_catalog(self._directory.parent)

    def clear(self) -> None:
        """Remove the files."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            (self._directory / f"{FILE}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._idle.pop() if self._idle else None
        db = db or connect(self._path)
        try:
            yield db
        except BaseException:
            db.close()
            raise
        with self._lock:
            if not isinstance(db, ReadOnlyConnection) and len(self._idle) < _MAX_IDLE:
                self._idle.append(db)
                return
        db.close()


def _add(db: sqlite3.Connection, entries: Sequence[LexicalEntry]) -> None:
    found: dict[str, tuple[array[int], array[int]]] = {LENGTHS: (array("q"), array("I"))}
    for entry in entries:
        for term, count in [(LENGTHS, len(entry.terms)), *Counter(entry.terms).items()]:
            if term not in found:
                found[term] = (array("q"), array("I"))
            keys, counts = found[term]
            keys.append(entry.key)
            counts.append(count)
    # Looking for the last row of each term is half of the work, and at first there is none.
    is_empty = db.execute("SELECT 1 FROM postings LIMIT 1").fetchone() is None
    for term in sorted(found):
        name = _stored(term)
        _append(db, name, None if is_empty else db.execute(_LAST, (name,)).fetchone(), *found[term])


def _append(
    db: sqlite3.Connection,
    term: bytes,
    last: tuple[int, bytes, bytes] | None,
    new_keys: array[int],
    new_counts: array[int],
) -> None:
    keys, counts = np.frombuffer(new_keys, np.int64), np.frombuffer(new_counts, np.uintc)
    number = None
    if last is not None and len(last[1]) < ROW_KEYS * keys.itemsize:
        number = last[0]
        keys = np.concatenate([np.frombuffer(last[1], "<i8"), keys])
        counts = np.concatenate([np.frombuffer(last[2], "<u4"), counts])
    for at in range(0, len(keys), ROW_KEYS):
        row = slice(at, at + ROW_KEYS)
        blobs = (keys[row].astype("<i8").tobytes(), counts[row].astype("<u4").tobytes())
        db.execute(_PUT, (number, term, *blobs))
        number = None


def _stored(term: str) -> bytes:
    return term.encode("utf-8", "surrogatepass")
