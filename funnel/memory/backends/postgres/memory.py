"""`postgresql://`: a memory in the tables of a PostgreSQL database, 13 or later; knows no SQL of its own.

The URL is libpq's, its options included: `?options=-csearch_path%3Dnotes` puts the tables into the schema
`notes`, which must exist. The tables are made when a memory is first used. Every call is one statement, sent
in binary, prepared once it has been used a few times, and one transaction. Lives are counted by the server's
clock. psycopg_pool was weighed: it opens lost connections again at its own pace and not before a deadline,
tells only a log why it cannot, and takes 35 µs or more of a call that takes 140 without it.
"""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async

from funnel.errors import MemoryFailed
from funnel.memory.backends.postgres import queries
from funnel.memory.backends.postgres.migrations import migrate
from funnel.memory.backends.retrying import Failure, ServerConnection, ServerPool
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl
from funnel.memory.credentials import without_credentials

_HEAD_BYTES = 1024
_SWEEP_AFTER = 256
"""Items written with an end before this process looks for what has expired."""

_WAKE_S = 1.0
"""psycopg looks up this often while it waits for the server; 0 would be all the time."""
_NAMES = 16_384
"""Namespaces that this process remembers to have named."""

Row = tuple[Any, ...]


class PostgresMemory:
    """A memory in the database that `url` names: `postgresql://user:password@host:5432/database`.

    Opens its connections, `max_connections` at most, when they are first used. A call that loses its
    connection is tried again for `retry_s` seconds, and then a write may have been done or not.

    Raises: `MemoryFailed` for a URL that libpq does not understand.
    """

    def __init__(self, url: str, *, retry_s: float = 10.0, max_connections: int = 8) -> None:
        self._unclosed = False  # until it is made, so that a failed constructor has nothing to warn of
        if not _is_url(url):
            reason = "it is no URL of a database. Write postgresql://user:password@host:5432/database."
            raise MemoryFailed(without_credentials(url), reason)
        tables = _Tables(without_credentials(url))
        self._lines = ServerPool(
            url,
            lambda: _Client(url, tables),
            size=max_connections,
            retry_s=retry_s,
            errors=(psycopg.Error, OSError),
            explain=_explain,
        )
        self._n_ending = 0
        self._named: set[Namespace] = set()
        self._unclosed = True

    def __del__(self) -> None:
        if self._unclosed:
            warnings.warn(f"memory {self.url} was never closed", ResourceWarning, source=self, stacklevel=1)

    @property
    def url(self) -> str:
        """Where this is, without credentials."""
        return self._lines.url

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that exist and have not expired."""
        self._lines.require_open()
        if not keys:
            return {}
        if len(keys) == 1:
            rows = await self._run(queries.GET_ONE, {**_space(where), **_split(keys[0])})
        else:
            rows = await self._run(queries.GET, {**_space(where), **_columns(keys)})
        return {keys[n - 1]: value for n, value in rows}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """The same with the life that remains to each, by the server's clock."""
        self._lines.require_open()
        if not keys:
            return {}
        rows = await self._run(queries.ENTRIES, {**_space(where), **_columns(keys)})
        return {keys[n - 1]: Entry(value, ttl_s) for n, value, ttl_s in rows}

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        self._lines.require_open()
        if not items:
            return
        await self._name(where)
        if len(items) == 1:
            [(key, value)] = items.items()
            await self._write(queries.PUT_ONE, where, {**_split(key), "value": value, "ttl_s": ttl_s})
        else:
            # In one order everywhere: two batches never wait for each other's rows.
            keys = sorted(items)
            values = [items[key] for key in keys]
            await self._write(queries.PUT, where, {**_columns(keys), "values": values, "ttl_s": ttl_s})
        if ttl_s is not None:
            await self._sweep(len(items))

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete; a key that does not exist is no error."""
        self._lines.require_open()
        if keys:
            await self._write(queries.DELETE, where, _columns(sorted(keys)))

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key now holds `expected` (None: does not exist)."""
        require_keys([key])
        self._lines.require_open()
        await self._name(where)
        arguments = {**_split(key), "value": value, "expected": expected}
        [(won,)] = await self._write(queries.COMPARE_AND_SET, where, arguments)
        return bool(won)

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        asked = {
            **_space(where),
            **_bound("first", max(_bytes(prefix), _behind(after))),
            # No byte of UTF-8 is 0xFF, so this is above every key with the prefix.
            **_bound("last", _bytes(prefix) + b"\xff"),
            "limit": max(0, limit),
        }
        return [_text(head + rest) for head, rest in await self._run(queries.SCAN, asked)]

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Up to `limit` namespaces that hold a key now and sort after `after`, in order of code points."""
        asked = {**_bound("first", _behind(after)), "limit": max(0, limit)}
        return [Namespace(_text(head + rest)) for head, rest in await self._run(queries.NAMESPACES, asked)]

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Up to `limit` values under `TERMS` that hold any of these tokens, by their keys after `after`."""
        self._lines.require_open()
        if not tokens or limit < 1:
            return {}
        first = _bound("first", _behind(after))
        asked = {**_space(where), **first, "words": " | ".join(tokens), "limit": limit}
        return {_text(head + rest): value for head, rest, value in await self._run(queries.MATCHING, asked)}

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._unclosed = False
        await self._lines.close()

    async def _run(self, query: str, arguments: Mapping[str, object]) -> list[Row]:
        return await self._lines.call(lambda line: line.connection.run(query, arguments))

    async def _write(self, query: str, where: Namespace, arguments: Mapping[str, object]) -> list[Row]:
        async def write(line: ServerConnection[_Client]) -> list[Row]:
            once = {"writer": line.writer, "number": line.number}
            return await line.connection.run(query, {**_space(where), **arguments, **once})

        return await self._lines.call(write)

    async def _name(self, where: Namespace) -> None:
        """Before the first write to a namespace: it stays named, and is listed while it holds a key."""
        if where not in self._named:
            await self._run(queries.NAME, _space(where))
            if len(self._named) >= _NAMES:
                self._named.clear()
            self._named.add(where)

    async def _sweep(self, n_written: int) -> None:
        """Once in a while remove what has expired, more of it than was written since."""
        self._n_ending += n_written
        if self._n_ending >= _SWEEP_AFTER:
            self._n_ending = 0
            await self._run(queries.SWEEP_ITEMS, {})


class _Tables:
    """Whether this process has seen to the tables."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ready = False
        self._turn = asyncio.Lock()

    async def prepare(self, connection: AsyncConnection[TupleRow]) -> None:
        async with self._turn:
            if not self._ready:
                await migrate(connection, self._url)
                await connection.execute(queries.SWEEP_ITEMS)
                await connection.execute(queries.SWEEP_WRITERS)
                self._ready = True


class _Connection(AsyncConnection[TupleRow]):
    """Whoever gives up a call need not wait until the server has heard of it."""

    async def wait(
        self,
        gen: Any,
        interval: float = _WAKE_S,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is psycopg's
    ) -> Any:
        # Before 3.3 psycopg had no such limit.
        limit = {} if timeout is None else {"timeout": timeout}
        try:
            return await wait_async(gen, self.pgconn.socket, interval, **limit)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


class _Client:
    """One connection, opened when it is used."""

    def __init__(self, url: str, tables: _Tables) -> None:
        self._url = url
        self._tables = tables
        self._connection: _Connection | None = None

    async def run(self, query: str, arguments: Mapping[str, object]) -> list[Row]:
        """The rows that a query gives, in a transaction of its own."""
        connection = self._connection or await self._connect()
        cursor = connection.cursor(binary=True)
        await cursor.execute(query, arguments)
        return await cursor.fetchall() if cursor.description else []

    def drop(self) -> None:
        """Close without a word to the server, which may not listen."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connect(self) -> _Connection:
        connection = await _Connection.connect(self._url, autocommit=True)
        try:
            await self._tables.prepare(connection)
        except BaseException:
            connection.pgconn.finish()
            raise
        self._connection = connection
        return connection


_LOST = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,  # another server has become the primary
    errors.TooManyConnections,
    # The server undid the transaction and says: again.
    errors.DeadlockDetected,
    errors.SerializationFailure,
)


# libpq passes on no code when a server refuses a connection. Where it says this in another language, the call
# is tried until its deadline, and then tells the same.
_REFUSED = re.compile(
    "authentication failed|does not exist|no pg_hba.conf entry|not permitted|permission denied|"
    "no password supplied|does not support SSL"
)


def _explain(error: Exception) -> Failure:
    reason = str(error).rstrip(". ") or type(error).__name__
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    match error:
        case psycopg.OperationalError() if state is None and _REFUSED.search(reason):
            return Failure(f"{reason}. Check the user, the password and the database.", lost=False)
        case errors.InsufficientPrivilege() | errors.InvalidSchemaName():
            advice = "The schema must exist, and the user may create tables there."
            return Failure(f"{reason}. {advice}", lost=False)
        case _ if isinstance(error, (*_LOST, OSError)):
            return Failure(reason, lost=True)
        case psycopg.OperationalError() if state is None or state.startswith("08"):
            # The connection itself: libpq has no codes for it.
            return Failure(reason, lost=True)
        case _:
            return Failure(f"it refused: {reason}.", lost=False)


@lru_cache(maxsize=1024)
def _space(where: Namespace) -> Mapping[str, object]:
    name = _bytes(where)
    return {"space": UUID(bytes=sha256(name).digest()[:16]), **_bound("space", name)}


def _is_url(url: str) -> bool:
    try:
        ports = str(conninfo_to_dict(url).get("port", ""))
    except psycopg.ProgrammingError:
        return False
    # user:password without a host reads like host:port.
    return all(port.isdecimal() for port in ports.split(",") if port)


def _split(key: str) -> dict[str, bytes]:
    whole = _bytes(key)
    rest = whole[_HEAD_BYTES:]
    return {
        "head": whole[:_HEAD_BYTES],
        "digest": sha256(whole).digest() if rest else b"",
        "rest": rest,
    }


def _columns(keys: Sequence[str]) -> dict[str, list[bytes]]:
    rows = [_split(key) for key in keys]
    return {f"{column}s": [row[column] for row in rows] for column in ("head", "digest", "rest")}


def _bound(name: str, whole: bytes) -> dict[str, bytes]:
    return {f"{name}_head": whole[:_HEAD_BYTES], f"{name}_rest": whole[_HEAD_BYTES:]}


def _behind(text: str) -> bytes:
    """The first bytes that sort after those of a text; nothing sorts before those of the empty one."""
    return _bytes(text) + b"\x00" if text else b""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(whole: bytes) -> str:
    return whole.decode("utf-8", "surrogatepass")
