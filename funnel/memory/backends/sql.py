"""Reads the SQL and Lua files beside the code, once, when a backend is imported."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

_NAME, _INCLUDE, _COMMENT = "-- name: ", "-- include: ", "--"


def read_text(package: str, path: str) -> str:
    """Return the text of a file in a package."""
    return files(package).joinpath(path).read_text("utf-8")


def read_queries(package: str, path: str) -> dict[str, str]:
    """Return the queries of a file by name, without its comments.

    A query follows a line `-- name: NAME`. A line `-- include: NAME` is replaced by that earlier query.
    """
    queries: dict[str, str] = {}
    name = ""
    for line in read_text(package, path).splitlines():
        if line.startswith(_NAME):
            name = line.removeprefix(_NAME)
            queries[name] = ""
        elif line.startswith(_INCLUDE):
            queries[name] += queries[line.removeprefix(_INCLUDE)]
        elif line and not line.startswith(_COMMENT):
            queries[name] += f"{line}\n"
    return queries


def read_statements(package: str, path: str) -> tuple[str, ...]:
    """Return the statements of a file of SQLite, for running inside a transaction, one by one."""
    return tuple(_statements(read_text(package, path)))


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        if not statement and (not line or line.startswith(_COMMENT)):
            continue
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
