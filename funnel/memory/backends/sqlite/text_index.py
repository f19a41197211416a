"""The full-text index of a SQLite memory: FTS5, kept up to date by triggers; knows no value.

The triggers are part of the file, so every program that writes to it keeps the index right, even an earlier
version of this one. It indexes the values under `TERMS`: ASCII words of letters and digits, which the
tokenizer `ascii` leaves as they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from funnel.memory.backends.sql import read_queries, read_statements
from funnel.memory.base import Namespace

CREATE = read_statements(__package__, "sql/text_index.sql")
MATCHING = read_queries(__package__, "sql/queries.sql")["matching"]


def available(connection: sqlite3.Connection) -> bool:
    """Return True if this SQLite was built with FTS5."""
    found = connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone()
    return found is not None


def exists(connection: sqlite3.Connection) -> bool:
    """Return True if the file has the index."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'terms'").fetchone()
    return found is not None


def expression(where: Namespace, tokens: Sequence[str]) -> str:
    """Return the query of FTS5 for any of the tokens in that namespace."""
    words = " OR ".join(f'"{token}"' for token in tokens)
    return f'space : "{where.encode("utf-8", "surrogatepass").hex().upper()}" AND words : ({words})'
