"""A connection to PostgreSQL, its first use, and what its errors mean; knows no value."""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from funnel.memory.backends.postgres.connection import PostgresConnection, Row
from funnel.memory.backends.postgres.tables import Tables
from funnel.memory.backends.retrying import Failure

_PREPARE_AFTER = 5
"""How often a query is used before a session keeps it prepared."""


class Client:
    """One connection, which opens when it is first used."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._connection: PostgresConnection | None = None

    async def run(self, query: str, arguments: Mapping[str, object]) -> list[Row]:
        """Run a query in a transaction of its own and return its rows."""
        connection = self._connection or await self._connect()
        try:
            return await connection.ask(self._tables.placed(query), {**arguments, "path": self._tables.path})
        except _NOT_PREPARED:
            self._tables.prepares = False
            raise

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

    async def _connect(self) -> PostgresConnection:
        connection = await PostgresConnection.connect(
            self._tables.dsn, autocommit=True, prepare_threshold=None
        )
        try:
            await self._tables.prepare(connection)
            if self._tables.prepares and await connection.has_session():
                connection.prepare_threshold = _PREPARE_AFTER
        except BaseException:
            connection.pgconn.finish()
            raise
        self._connection = connection
        return connection


_NOT_PREPARED = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement)
"""Errors of a session that turned out to be another one than that in which a statement was prepared."""

_LOST = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.TooManyConnections,
    *_NOT_PREPARED,  # nothing was done, and the next connection prepares nothing
    # The server undid the transaction and says: again.
    errors.DeadlockDetected,
    errors.SerializationFailure,
)


# libpq gives no error code when a server refuses a connection, only this text. If the server speaks another
# language, the call is retried until its deadline and then fails with the same text.
_REFUSED = re.compile(
    "authentication failed|does not exist|no pg_hba.conf entry|not permitted|permission denied|"
    "no password supplied|does not support SSL|no such (database|user)|unsupported startup parameter"
)


def explain(error: Exception) -> Failure:
    """Say what an error of psycopg means, and whether another attempt may succeed."""
    # The rest of the text quotes the query, or where in a function it was.
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    reason = (said or str(error)).rstrip(". ") or type(error).__name__
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    match error:
        case psycopg.OperationalError() if state is None and _REFUSED.search(reason):
            advice = (
                "The pooler before the database passes no options on: leave them out of the URL"
                if "startup parameter" in reason
                else "Check the user, the password and the database"
            )
            return Failure(f"{reason}. {advice}.", lost=False)
        case errors.InsufficientPrivilege() | errors.InvalidSchemaName():
            advice = "The schema must exist, and the user may create tables there."
            return Failure(f"{reason}. {advice}", lost=False)
        case errors.ReadOnlySqlTransaction():
            # Another server may have become the primary.
            return Failure(f"{reason}: it is a read-only replica. Name the primary", lost=True, advised=True)
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
