"""Where the tables of a memory are, whoever else uses the same sessions; knows no value.

A pooler such as PgBouncer gives each transaction whatever session of the server is free. So nothing may
outlive a transaction: no setting, no lock of a session, no prepared statement. The `search_path` of the URL
is not sent to the server as an option. It is applied once, inside the statement that looks for the schema,
and from then on every table is named with its schema.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from funnel.errors import MemoryFailed
from funnel.memory.backends.postgres import queries
from funnel.memory.backends.postgres.connection import PostgresConnection
from funnel.memory.backends.postgres.migrations import migrate
from funnel.memory.credentials import without_credentials

_PATH = re.compile(r"(?:-c\s*|--)search[_-]path=((?:\\.|\S)*)\s*")
"""The setting in the `options` of libpq, where a backslash escapes the next character."""
_OURS = re.compile(r"\bfunnel_[a-z_]+")


class Tables:
    """The tables of a database, made or brought up to date before the first use.

    `dsn` is the URL without its `search_path`, for psycopg. `prepares` is False once a session turned out to
    be shared, so that no connection prepares a statement there.
    """

    def __init__(self, url: str) -> None:
        self.prepares = True
        options = str(conninfo_to_dict(url).get("options") or "")
        paths = _PATH.findall(options)
        self._path = re.sub(r"\\(.)", r"\1", paths[-1]) if paths else None
        self.dsn = make_conninfo(url, options=_PATH.sub("", options).strip()) if paths else url
        self._url = without_credentials(url)
        self._schema = ""
        self._turn = asyncio.Lock()

    async def prepare(self, connection: PostgresConnection) -> None:
        """Find the schema and bring its tables up to date, once in this process.

        Raises: `MemoryFailed` if there is no such schema, or a newer funnel made the tables; `psycopg.Error`.
        """
        async with self._turn:
            if not self._schema:
                [(schema, has_tables)] = await connection.ask(queries.PLACE, {"path": self._path})
                if schema is None:
                    named = "" if self._path is None else f" {self._path!r}"
                    reason = f"there is no schema{named} that this user may use"
                    advice = "The schema must exist, and the user may create tables there."
                    raise MemoryFailed(self._url, f"{reason}. {advice}")
                await migrate(connection, self._url, schema, has_tables=has_tables)
                await connection.ask(_placed(queries.SWEEP_ITEMS, schema), {})
                await connection.ask(_placed(queries.SWEEP_WRITERS, schema), {})
                self._schema = schema

    @property
    def path(self) -> str:
        """The `search_path` that leads to the tables. Ask for it after `prepare`."""
        return sql.Identifier(self._schema).as_string()

    def placed(self, query: str) -> str:
        """Return the query with the schema before each of our names. Call it after `prepare`."""
        return _placed(query, self._schema)


@lru_cache(maxsize=256)
def _placed(query: str, schema: str) -> str:
    # psycopg reads a single percent sign as the beginning of an argument.
    before = f"{sql.Identifier(schema).as_string()}.".replace("%", "%%")
    return _OURS.sub(lambda name: before + name[0], query)
