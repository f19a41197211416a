"""A connection of psycopg as a memory uses it: binary, cancelled at once; knows no table."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async

_WAKE_S = 1.0
"""Seconds between psycopg's checks while it waits for the server; 0 would poll constantly."""

Row = tuple[Any, ...]


class PostgresConnection(AsyncConnection[TupleRow]):
    """A connection whose calls end immediately when cancelled, without notifying the server."""

    async def ask(
        self, query: str | sql.Composed, arguments: Mapping[str, object] | None = None
    ) -> list[Row]:
        """Run one statement and return its rows.

        It is sent in binary, and so as one statement: a pooler may refuse the protocol for several.
        """
        cursor = self.cursor(binary=True)
        await cursor.execute(query, arguments)
        return await cursor.fetchall() if cursor.description else []

    async def has_session(self) -> bool:
        """Whether this leads to one session of the server, not to a pooler that shares its sessions.

        A pooler tells its clients another process id than that of a session, since it may use several.
        """
        return await self.ask("SELECT pg_backend_pid()") == [(self.info.backend_pid,)]

    async def wait(
        self,
        gen: Any,
        interval: float = _WAKE_S,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is psycopg's
    ) -> Any:
        """Wait for the server as psycopg does; if that is cancelled, close the connection."""
        # Before 3.3 psycopg had no such limit.
        limit = {} if timeout is None else {"timeout": timeout}
        try:
            return await wait_async(gen, self.pgconn.socket, interval, **limit)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise
