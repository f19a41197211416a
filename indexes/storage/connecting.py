"""Opens a SQLite file for writing or, where nothing can be written, for reading; knows no table.

The shared-memory file of a write-ahead log cannot be created in a directory that is not writable (another
user's, a read-only disk), and not on a disk that is full. If the owner has a log open, it is read together
with the file. Otherwise the file is opened as immutable, without locks; close such a connection after one
use, because only a new one notices that someone has begun to write.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from indexes.errors import CollectionNotWritable

_BUSY_S = 30.0


def may_write(directory: Path) -> bool:
    """Return whether this process may create files in `directory`."""
    return os.access(directory, os.W_OK | os.X_OK)


class ReadOnlyConnection(sqlite3.Connection):
    """A connection to a file that cannot be written now; close it after one use."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, usable from any thread.

    Raises: `sqlite3.Error`; `CollectionNotWritable` if the disk is full and the newest writes are in a log
    that cannot be read without writing.
    """
    wal, shm = (path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm"))
    if not may_write(path.parent):
        is_live = shm.exists() or _holds_something(wal)
        return _open(path, "?mode=ro" if is_live else "?mode=ro&immutable=1", ReadOnlyConnection)
    db = _open(path, "", sqlite3.Connection)
    try:
        db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # creates the shared-memory file
    except sqlite3.OperationalError as error:
        db.close()
        if not path.is_file() or not _is_full(error):
            raise
        if _holds_something(wal):
            advice = f"Its newest documents are in {wal.name} and cannot be read without space: free some."
            raise CollectionNotWritable(path.parent, os.strerror(errno.ENOSPC), advice=advice) from error
        db = _open(path, "?mode=ro&immutable=1", ReadOnlyConnection)
        db.execute("PRAGMA temp_store = MEMORY")
    return db


def _open(path: Path, query: str, kind: type[sqlite3.Connection]) -> sqlite3.Connection:
    return sqlite3.connect(
        path.absolute().as_uri() + query,
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
    )


def _holds_something(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _is_full(error: sqlite3.OperationalError) -> bool:
    """Whether SQLite failed to create or to extend a file, as on a full disk; it does not say why."""
    return error.sqlite_errorcode & 0xFF in {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
