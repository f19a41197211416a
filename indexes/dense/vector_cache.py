"""Stores vectors of pretrained embedders by embedder and text digest; knows no documents and no models.

Its file is next to the catalog and is committed batch by batch: if a long run is interrupted, its vectors are
kept and the next run continues from there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from indexes.dense.base import Vectors
from indexes.errors import CollectionError
from indexes.storage import faults
from indexes.storage.connecting import ReadOnlyConnection, connect, may_write
from indexes.storage.definitions import defined_by, definitions
from indexes.storage.permissions import create_beside_catalog

VECTORS = "vectors.sqlite"
"""The name of the file, in the same directory as the catalog."""

_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    embedder TEXT NOT NULL,
    digest   TEXT NOT NULL,
    vector   BLOB NOT NULL,
    PRIMARY KEY (embedder, digest)
)
"""
_FIND = """
SELECT digest, vector FROM vectors WHERE embedder = ? AND digest IN (SELECT value FROM json_each(?))
"""
_KNOWN = "SELECT digest FROM vectors WHERE embedder = ? AND digest IN (SELECT value FROM json_each(?))"
_LENGTH = "SELECT length(vector) FROM vectors WHERE embedder = ? LIMIT 1"
_BATCH = 10_000
_BUSY_S = 30.0


def scrub(path: Path, digests: Iterable[bytes]) -> None:
    """Remove these texts' vectors, of any embedder, and overwrite the file's free space.

    Raises: `CollectionError` if another process reads the file for too long.
    """
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = ON")
            db.execute(_TABLE)
            db.executemany("DELETE FROM vectors WHERE digest = ?", ((d.hex(),) for d in digests))
            db.execute("VACUUM")
            busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            faults.step("vectors.scrubbed")
    except sqlite3.Error as exc:
        raise CollectionError(f"The vectors in {path} cannot be scrubbed: {exc}.") from exc
    if busy:
        raise CollectionError(f"The vectors in {path} are being read. Run this again later.")


def problem(path: Path) -> str | None:
    """Return what is wrong with a file from elsewhere; None if it holds vectors and nothing else."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        foreign = sorted(name for name, _ in definitions(db).items() - defined_by([_TABLE]).items())
        if foreign:
            return f"they define {', '.join(foreign[:3])}"
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else str(found)


class VectorCache:
    """One SQLite file, opened for each call: calls are few and large, and come from any thread."""

    def __init__(self, path: Path, embedder: str) -> None:
        self._path = path
        self._embedder = embedder

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Return the digests that have no vector."""
        wanted = set(digests)
        return wanted - {bytes.fromhex(digest) for (digest,) in self._rows(_KNOWN, wanted)}

    def dimension(self) -> int:
        """Return the length of the stored vectors; 0 if there are none."""
        with self._open() as db:
            row = db.execute(_LENGTH, (self._embedder,)).fetchone()
        return 0 if row is None else int(row[0]) // np.dtype(np.float32).itemsize

    def get(self, digests: Sequence[bytes]) -> Vectors:
        """Return float32 (n_digests, dimension). Raises: `KeyError` if one of them has no vector."""
        found = self._found(digests)
        return np.stack([np.frombuffer(found[digest.hex()], np.float32) for digest in digests])

    def all_of(self, digests: Sequence[bytes]) -> Vectors | None:
        """Return float32 (n_digests, dimension); None if one of them has no vector."""
        found = self._found(digests)
        if len(found) < len(set(digests)):
            return None
        return np.stack([np.frombuffer(found[digest.hex()], np.float32) for digest in digests])

    def put(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Store one batch and commit it."""
        rows = [
            (self._embedder, d.hex(), v.astype(np.float32).tobytes())
            for d, v in zip(digests, vectors, strict=True)
        ]
        with self._open() as db:
            db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            faults.step("vectors.put")

    def forget(self, digests: Iterable[bytes]) -> None:
        """Remove the vectors of texts that no document contains any more."""
        with self._open() as db:
            rows = [(self._embedder, digest.hex()) for digest in digests]
            db.executemany("DELETE FROM vectors WHERE embedder = ? AND digest = ?", rows)
            faults.step("vectors.forget")

    def _found(self, digests: Iterable[bytes]) -> dict[str, bytes]:
        return dict(self._rows(_FIND, set(digests)))

    def _rows(self, statement: str, digests: set[bytes]) -> Iterator[tuple[Any, ...]]:
        wanted = sorted(digest.hex() for digest in digests)
        with self._open() as db:
            for at in range(0, len(wanted), _BATCH):
                yield from db.execute(statement, (self._embedder, json.dumps(wanted[at : at + _BATCH])))

    def _connection(self) -> sqlite3.Connection:
        writable = may_write(self._path.parent)
        if not writable and not self._path.is_file():
            db = sqlite3.connect(":memory:")  # no file exists, and none can be created
        else:
            if writable and not self._path.is_file():
                create_beside_catalog(self._path)
            db = connect(self._path)
            writable = writable and not isinstance(db, ReadOnlyConnection)
            db.isolation_level = "DEFERRED"
        if writable:
            db.execute("PRAGMA journal_mode = WAL")
        if writable or not self._path.is_file():
            db.execute(_TABLE)
        return db

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connection()) as db, db:
                yield db
        except sqlite3.Error as exc:
            raise CollectionError(
                f"The vectors in {self._path} cannot be used: {exc}. Remove that file to compute them again."
            ) from exc
