"""Brings the tables of a PostgreSQL memory up to date, by the numbered files in `sql`; knows no value.

The tables are in the first schema of the connection's search_path. Keys and names of namespaces are UTF-8,
whose byte order is that of code points, whatever the database's collation. An index takes at most 2,704 bytes
of a row, so each key is split after 1,024 bytes into `head` and `rest`; the primary key has a digest of those
with a rest. The order of (head, rest) is that of the whole.

All migrations are one statement: a pooler in statement mode refuses a transaction of several.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from funnel.errors import MemoryFailed
from funnel.memory.backends.postgres.connection import PostgresConnection
from funnel.memory.backends.sql import read_text

_LOCK = 0x46554E4D  # "FUNM": one process migrates a database, and the others wait

MIGRATIONS: tuple[str, ...] = tuple(
    read_text(__package__, f"sql/migration_{number:04d}.sql") for number in range(1, 3)
)
"""Migration n is at index n - 1. Never change a published one: add another."""


async def migrate(connection: PostgresConnection, url: str, schema: str, *, has_tables: bool) -> None:
    """Bring the tables up to date. If they are, a role that may not create tables can use them.

    Raises: `MemoryFailed` if a newer funnel made them; `psycopg.Error`.
    """
    if has_tables and await _applied(connection, url, schema) == len(MIGRATIONS):
        return
    await connection.ask(_script(schema))
    await _applied(connection, url, schema)


def _script(schema: str) -> sql.Composed:
    """Return one statement that applies the migrations that are missing, in one transaction."""
    steps = sql.SQL("").join(_steps())
    # The lock and the path end with the transaction. Another process may have been first.
    return sql.SQL(
        "DO $funnel$ DECLARE applied integer; BEGIN "
        "PERFORM set_config('search_path', {path}, true); "
        "PERFORM pg_advisory_xact_lock({lock}); "
        "CREATE TABLE IF NOT EXISTS funnel_migrations ("
        "number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()); "
        "SELECT coalesce(max(number), 0) INTO applied FROM funnel_migrations; "
        "{steps} END $funnel$"
    ).format(path=sql.Literal(sql.Identifier(schema).as_string()), lock=sql.Literal(_LOCK), steps=steps)


def _steps() -> Iterator[sql.Composed]:
    for number, statements in enumerate(MIGRATIONS, start=1):
        yield sql.SQL(
            "IF applied < {number} THEN EXECUTE {statements}; "
            "INSERT INTO funnel_migrations (number) VALUES ({number}); END IF; "
        ).format(number=sql.Literal(number), statements=sql.Literal(statements))


async def _applied(connection: PostgresConnection, url: str, schema: str) -> int:
    """Return the number of the last migration that was applied; 0 if there is none."""
    table = sql.Identifier(schema, "funnel_migrations")
    [(applied,)] = await connection.ask(sql.SQL("SELECT coalesce(max(number), 0) FROM {}").format(table))
    if applied > len(MIGRATIONS):
        reason = f"format {applied}; this version reads up to {len(MIGRATIONS)}. Upgrade funnel-rlm."
        raise MemoryFailed(url, reason)
    return int(applied)
