"""Brings the tables of a PostgreSQL memory up to date, by the numbered files in `sql`; knows no value.

The tables are in the first schema of the connection's search_path. Keys and names of namespaces are UTF-8,
whose byte order is that of code points, whatever the database's collation. An index takes at most 2,704 bytes
of a row, so each key is split after 1,024 bytes into `head` and `rest`; the primary key has a digest of those
with a rest. The order of (head, rest) is that of the whole.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from funnel.errors import MemoryFailed
from funnel.memory.backends.sql import read_text

_LOCK = 0x46554E4D  # "FUNM": one process migrates a database, and the others wait

MIGRATIONS: tuple[str, ...] = tuple(
    read_text(__package__, f"sql/migration_{number:04d}.sql") for number in range(1, 3)
)
"""Migration n is at index n - 1. Never change a published one: add another."""


async def migrate(connection: AsyncConnection[TupleRow], url: str) -> None:
    """Bring the tables up to date. If they are, a role that may not create tables can use them.

    Raises: `MemoryFailed` if a newer funnel made them; `psycopg.Error`.
    """
    cursor = await connection.execute("SELECT to_regclass('funnel_migrations') IS NOT NULL")
    if await cursor.fetchone() == (True,) and await _applied(connection, url) == len(MIGRATIONS):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        # Another process may have been first. to_regclass might not know of it yet, but this does.
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS funnel_migrations ("
            "number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = await _applied(connection, url)
        for number, statements in enumerate(MIGRATIONS[applied:], start=applied + 1):
            await connection.execute(statements)
            await connection.execute("INSERT INTO funnel_migrations (number) VALUES (%s)", [number])


async def _applied(connection: AsyncConnection[TupleRow], url: str) -> int:
    """Return the number of the last migration that was applied; 0 if there is none."""
    cursor = await connection.execute("SELECT coalesce(max(number), 0) FROM funnel_migrations")
    [(applied,)] = await cursor.fetchall()
    if applied > len(MIGRATIONS):
        reason = f"format {applied}; this version reads up to {len(MIGRATIONS)}. Upgrade funnel-rlm."
        raise MemoryFailed(url, reason)
    return int(applied)
