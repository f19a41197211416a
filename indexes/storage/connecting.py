"""How a SQLite file is opened, to write or only to read; knows no table.

A directory that may not be written to (another user's, a read-only disk) has no room for the shared memory
of a write-ahead log. Where its owner has a log open, that is read along with the file; where there is none,
the file is opened as one that does not change, without locks. Such a connection is to be closed after one
use, for only the next one sees that the owner has begun to write.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

_BUSY_S = 30.0


def may_write(directory: Path) -> bool:
    """Whether this process may make files in `directory`."""
    return os.access(directory, os.W_OK | os.X_OK)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file `path`, in autocommit, for any thread. Raises: `sqlite3.Error`."""
    writable = may_write(path.parent)
    wal, shm = (path.with_name(f"{path.name}-{kind}") for kind in ("wal", "shm"))
    is_live = shm.exists() or (wal.is_file() and wal.stat().st_size > 0)
    query = "" if writable else "?mode=ro" if is_live else "?mode=ro&immutable=1"
    return sqlite3.connect(
        path.absolute().as_uri() + query,
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
