"""What a SQLite file defines, to be compared with what it should; knows no table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing

_OBJECTS = """
SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'
"""


def definitions(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the SQL of each table, index, view and trigger, by kind and name; statistics are left out."""
    return dict(connection.execute(_OBJECTS).fetchall())


def defined_by(scripts: Iterable[str]) -> dict[str, str]:
    """Return what these scripts define in an empty database."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for script in scripts:
            connection.executescript(script)
        return definitions(connection)
