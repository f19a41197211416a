"""Compiles a filter to SQL over the catalog's table of attributes; knows no document.

It agrees with `filters.matches` for every filter and all metadata. Values reach SQLite as parameters only.
"""

from __future__ import annotations

from dataclasses import dataclass

from indexes.filters import AllOf, AnyOf, Atom, Condition, Filter, Not

# SQLite sorts all numbers before all texts, and all texts before all blobs: each kind of value is a range.
_BOUNDS = {
    ("gt", "number"): "value > ? AND value < ''",
    ("gte", "number"): "value >= ? AND value < ''",
    ("lt", "number"): "value < ?",
    ("lte", "number"): "value <= ?",
    ("gt", "string"): "value > ?",
    ("gte", "string"): "value >= ?",
    ("lt", "string"): "value < ? AND value >= x''",
    ("lte", "string"): "value <= ? AND value >= x''",
}


@dataclass(frozen=True, slots=True)
class Sql:
    """An SQL condition on a column of document numbers, and its parameters in order."""

    text: str
    parameters: tuple[Atom, ...]


def compiled(where: Filter, column: str) -> Sql:
    """Return SQL that is true for the documents that `where` matches; `column` holds their numbers."""
    match where:
        case AllOf(parts):
            return joined(" AND ", [compiled(part, column) for part in parts], empty="TRUE")
        case AnyOf(parts):
            return joined(" OR ", [compiled(part, column) for part in parts], empty="FALSE")
        case Not(part):
            inner = compiled(part, column)
            return Sql(f"NOT {inner.text}", inner.parameters)
        case Condition():
            return _condition(where, column)
    raise TypeError(f"{where!r} is not a filter")


def joined(word: str, parts: list[Sql], *, empty: str) -> Sql:
    """Return the parts joined by `word`; `empty` if there are none."""
    parameters = tuple(value for part in parts for value in part.parameters)
    return Sql(f"({word.join(part.text for part in parts) or empty})", parameters)


def _condition(where: Condition, column: str) -> Sql:
    name = where.field.encode("utf-8", "surrogatepass")
    exists = _having(column, "", name)
    if where.operator == "exists":
        return exists
    if where.operator != "in":
        kind = "string" if isinstance(where.atoms[0], bytes) else "number"
        return _having(column, f" AND {_BOUNDS[where.operator, kind]}", name, *where.atoms)
    one_of = _having(column, f" AND value IN ({', '.join('?' * len(where.atoms))})", name, *where.atoms)
    if where.missing:
        return Sql(f"({one_of.text} OR NOT {exists.text})", one_of.parameters + exists.parameters)
    return one_of


def _having(column: str, test: str, *parameters: Atom) -> Sql:
    # The column is the caller's constant; `test` consists of the constants above and question marks.
    text = f"({column} IN (SELECT document FROM attributes WHERE field = ?{test}))"  # noqa: S608
    return Sql(text, parameters)
