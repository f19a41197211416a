"""`sqlite:///file`: a memory in one SQLite file that several processes may share; knows no other database.

The URL follows SQLAlchemy: three slashes and a relative path, or four slashes for an absolute one. One thread
reads and one writes, so the event loop never waits for the disk, and no read waits for a write. With WAL and
synchronous=NORMAL, values survive a killed process; a power cut can lose the last transactions, but never
half of one.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from funnel.errors import MemoryFailed
from funnel.memory.backends.opened import OpenedMemory
from funnel.memory.backends.sql import read_queries, read_statements
from funnel.memory.backends.sqlite import text_index
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl
from funnel.memory.text_search import scanned

# "FUNM", in the header of the file, so that no other program's tables are touched.
_APPLICATION_ID = 0x46554E4D
_FORMAT = 1
_BUSY_S = 30.0
_LOOK_S = 0.01
_SWEEP_S = 1.0
_MAKING = threading.Lock()

_CREATE = (
    *read_statements(__package__, "sql/schema.sql"),
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_FORMAT}",
)
_QUERIES = read_queries(__package__, "sql/queries.sql")
_GET, _PUT, _DELETE, _SCAN, _NAMESPACES, _SWEEP = (
    _QUERIES[name] for name in ("get", "put", "delete", "scan", "namespaces", "sweep")
)

T = TypeVar("T")


class SqliteMemory(OpenedMemory):
    """A memory in the SQLite file that `url` names; the file and its folder are made if they do not exist.

    `clock` returns seconds since 1970, since processes share the file.

    Raises: `MemoryFailed` if the file cannot be opened, is not a database, or belongs to another program.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._clock = clock
        self._indexed = False
        self._swept = -math.inf
        self._path = _path(url)
        with self._translated():
            self._connection = _connect(self._path)
            try:
                self._prepare()
                self._reader = _connect(self._path)
            except BaseException:
                self._connection.close()
                raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="funnel-sqlite")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="funnel-sqlite-reads")
        self._opened(url)

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""
        found = await self._entries(where, keys)
        return {key: row[0] for key, row in found.items()}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life."""
        found = await self._entries(where, keys)
        return {key: Entry(*row) for key, row in found.items()}

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        rows = [(where, _blob(key), value) for key, value in items.items()]

        def put() -> None:
            with self._transaction() as now:
                expires_at = None if ttl_s is None else now + ttl_s
                for row in rows:
                    self._connection.execute(_PUT, (*row, expires_at))

        await self._run(put)

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        rows = [(where, _blob(key)) for key in keys]

        def delete() -> None:
            with self._transaction():
                self._connection.executemany(_DELETE, rows)

        await self._run(delete)

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        require_keys([key])
        blob = _blob(key)

        def swap() -> bool:
            with self._transaction() as now:
                row = self._connection.execute(_GET, (where, blob, now)).fetchone()
                if (None if row is None else row[0]) != expected:
                    return False
                self._connection.execute(_PUT, (where, blob, value, None))
                return True

        return await self._run(swap)

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        first = _blob(prefix)
        # No byte of UTF-8 is 0xFF, so this is above every key with the prefix, and above every key for "".
        last = first + b"\xff"

        def keys() -> list[str]:
            rows = self._reader.execute(
                _SCAN,
                (where, first, last, _blob(after), self._clock(), max(0, limit)),
            )
            return [_text(key) for (key,) in rows]

        return await self._read(keys)

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""

        def spaces() -> list[Namespace]:
            rows = self._reader.execute(_NAMESPACES, (after, self._clock(), max(0, limit)))
            return [Namespace(name) for (name,) in rows]

        return await self._read(spaces)

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Return up to `limit` values under `TERMS` with any of these tokens, by key, after `after`."""
        if not self._indexed:
            return await scanned(self, where, tokens, after=after, limit=limit)
        if not tokens or limit < 1:
            return {}
        asked = text_index.expression(where, tokens)

        def match() -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            last, now, full = _blob(after), self._clock(), True
            # All keys of a page may have expired.
            while full and not found:
                keys = self._reader.execute(text_index.MATCHING, (asked, where, last, limit)).fetchall()
                for (key,) in keys:
                    if row := self._reader.execute(_GET, (where, key, now)).fetchone():
                        found[_text(key)] = row[0]
                    last = key
                full = len(keys) == limit
            return found

        return await self._read(match)

    async def close(self) -> None:
        """Close the file once the calls under way have ended; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        # The writer comes last: the last connection to a file moves the write-ahead log into it.
        await loop.run_in_executor(self._reading, self._reader.close)
        await loop.run_in_executor(self._thread, self._connection.close)
        self._reading.shutdown(wait=False)
        self._thread.shutdown(wait=False)

    async def _entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, tuple[bytes, float | None]]:
        def get() -> dict[str, tuple[bytes, float | None]]:
            now = self._clock()
            rows = {key: self._reader.execute(_GET, (where, _blob(key), now)).fetchone() for key in keys}
            return {
                key: (value, None if expires_at is None else expires_at - now)
                for key, (value, expires_at) in ((key, row) for key, row in rows.items() if row is not None)
            }

        return await self._read(get)

    async def _run(self, work: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> T:
        self._require_open()
        with self._translated():
            return await asyncio.get_running_loop().run_in_executor(thread or self._thread, work)

    async def _read(self, work: Callable[[], T]) -> T:
        return await self._run(work, self._reading)

    @contextmanager
    def _transaction(self) -> Iterator[float]:
        """Run one write at a time, all or nothing; yield the time. Sometimes delete expired values first."""
        with self._exclusive():
            now = self._clock()
            if abs(now - self._swept) >= _SWEEP_S:
                self._connection.execute(_SWEEP, (now,))
                self._swept = now
            yield now

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            advice = (
                "Check that the file can be written, that its disk has room and that nobody holds it locked."
            )
            raise MemoryFailed(self._url, f"{error}. {advice}") from error
        except sqlite3.Error as error:
            raise MemoryFailed(self._url, f"{error}. Name another file, or restore this one.") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise MemoryFailed(
                self._url, f"{error.filename or self._path}: {reason}. Name another file."
            ) from error

    def _prepare(self) -> None:
        """Create the tables, or check that they are ours; any other file is left unchanged."""
        self._check_owner()
        self._use_wal()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self._exclusive():
            # Another process may have been first.
            if not self._number("SELECT count(*) FROM sqlite_master"):
                for statement in _CREATE:
                    self._connection.execute(statement)
            self._indexed = self._with_index()

    def _use_wal(self) -> None:
        """Switch a new file to WAL permanently. SQLite does not wait for another process doing the same."""
        end = time.monotonic() + _BUSY_S
        while self._connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(_LOOK_S)
            else:
                return  # or the file system does not allow it, and nothing has changed

    def _with_index(self) -> bool:
        """Return True if texts are found by FTS5; make the index if it is missing and FTS5 is there."""
        available, exists = text_index.available(self._connection), text_index.exists(self._connection)
        if exists and not available:
            reason = "its index of texts needs FTS5, and this Python's SQLite was built without it"
            raise MemoryFailed(self._url, f"{reason}. Use another Python, or name another file.")
        if available and not exists:
            for statement in text_index.CREATE:
                self._connection.execute(statement)
        return available

    def _check_owner(self) -> None:
        if not self._number("SELECT count(*) FROM sqlite_master"):
            return
        if self._number("PRAGMA application_id") != _APPLICATION_ID:
            raise MemoryFailed(self._url, "the file is another program's database. Name another file.")
        if (found := self._number("PRAGMA user_version")) > _FORMAT:
            raise MemoryFailed(
                self._url, f"format {found}; this version reads up to {_FORMAT}. Upgrade funnel-rlm."
            )

    def _number(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


def _path(url: str) -> Path:
    """Return the file that `url` names."""
    rest = url.partition(":")[2]
    if not rest.startswith("///") or rest == "///":
        raise MemoryFailed(
            url, "it names no file. Write sqlite:///memory.sqlite, or sqlite:////srv/memory.sqlite for /srv."
        )
    return Path(rest.removeprefix("///")).expanduser()


def _connect(path: Path) -> sqlite3.Connection:
    with _MAKING:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite would make the file readable by everybody, and it holds text of documents. Only a new
            # file is opened here: closing one in use would end all locks of this process on it (POSIX).
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # Without an isolation level the code here begins and ends the transactions itself.
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _blob(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
