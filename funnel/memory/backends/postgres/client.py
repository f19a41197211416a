"""A connection to PostgreSQL, its first use, and what its errors mean; knows no value."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async

from funnel.memory.backends.postgres import queries
from funnel.memory.backends.postgres.migrations import migrate
from funnel.memory.backends.retrying import Failure

_WAKE_S = 1.0
"""Seconds between psycopg's checks while it waits for the server; 0 would poll constantly."""

Row = tuple[Any, ...]


class Tables:
    """The tables of a database, made or brought up to date before the first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ready = False
        self._turn = asyncio.Lock()

    async def prepare(self, connection: AsyncConnection[TupleRow]) -> None:
        """Bring the tables up to date, once in this process."""
        async with self._turn:
            if not self._ready:
                await migrate(connection, self._url)
                await connection.execute(queries.SWEEP_ITEMS)
                await connection.execute(queries.SWEEP_WRITERS)
                self._ready = True


class _Connection(AsyncConnection[TupleRow]):
    """A connection whose calls end immediately when cancelled, without notifying the server."""

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


class Client:
    """One connection, which opens when it is first used."""

    def __init__(self, url: str, tables: Tables) -> None:
        self._url = url
        self._tables = tables
        self._connection: _Connection | None = None

    async def run(self, query: str, arguments: Mapping[str, object]) -> list[Row]:
        """Run a query in a transaction of its own and return its rows."""
        connection = self._connection or await self._connect()
        cursor = connection.cursor(binary=True)
        await cursor.execute(query, arguments)
        return await cursor.fetchall() if cursor.description else []

    def drop(self) -> None:
        """Close the connection without notifying the server, which may not answer."""
        if self._connection is not None:
            self._connection.pgconn.finish()
            self._connection = None

    async def close(self) -> None:
        """Close the connection."""
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


# libpq gives no error code when a server refuses a connection, only this text. If the server speaks another
# language, the call is retried until its deadline and then fails with the same text.
_REFUSED = re.compile(
    "authentication failed|does not exist|no pg_hba.conf entry|not permitted|permission denied|"
    "no password supplied|does not support SSL"
)


def explain(error: Exception) -> Failure:
    """Say what an error of psycopg means, and whether another attempt may succeed."""
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


def is_url(url: str) -> bool:
    """Return True if libpq understands the URL."""
    try:
        ports = str(conninfo_to_dict(url).get("port", ""))
    except psycopg.ProgrammingError:
        return False
    # user:password without a host reads like host:port.
    return all(port.isdecimal() for port in ports.split(",") if port)
