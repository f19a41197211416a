"""Opens a SQLite file for writing or, if its directory is not writable, for reading; knows no table.

In a directory that is not writable (another user's, a read-only disk), the shared-memory file of a
write-ahead log cannot be created. If the owner has a log open, it is read together with the file. Otherwise
the file is opened as immutable, without locks; close such a connection after one use, because only a new one
notices that the owner has begun to write.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

_BUSY_S = 30.0


def may_write(directory: Path) -> bool:
    """Return whether this process may create files in `directory`."""
    return os.access(directory, os.W_OK | os.X_OK)


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, usable from any thread. Raises: `sqlite3.Error`."""
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
