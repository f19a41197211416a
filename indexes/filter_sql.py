"""A filter as SQL over the catalog's attributes; knows that table, and what a filter means, no document.

Agrees with `filters.matches` on every filter and every metadata; a value reaches SQLite as a parameter only.
"""

from __future__ import annotations

from dataclasses import dataclass

from indexes.filters import AllOf, AnyOf, Atom, Condition, Filter, Not

# SQLite sorts every number before every text, and every text before every blob: an atom's kind is a range.
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
    """A condition on `documents.number` and its parameters, in order."""

    text: str
    parameters: tuple[Atom, ...] = ()


def compiled(where: Filter) -> Sql:
    """The SQL that holds for just the documents whose attributes `where` matches."""
    match where:
        case AllOf(parts):
            return _joined(" AND ", parts, empty="TRUE")
        case AnyOf(parts):
            return _joined(" OR ", parts, empty="FALSE")
        case Not(part):
            inner = compiled(part)
            return Sql(f"NOT {inner.text}", inner.parameters)
        case Condition():
            return _condition(where)
    raise TypeError(f"{where!r} is no filter")


def _joined(word: str, parts: tuple[Filter, ...], *, empty: str) -> Sql:
    inner = [compiled(part) for part in parts]
    parameters = tuple(value for part in inner for value in part.parameters)
    return Sql(f"({word.join(part.text for part in inner) or empty})", parameters)


def _condition(where: Condition) -> Sql:
    name = where.field.encode("utf-8", "surrogatepass")
    some = _having("", name)
    if where.operator == "exists":
        return some
    if where.operator != "in":
        kind = "string" if isinstance(where.atoms[0], bytes) else "number"
        return _having(f" AND {_BOUNDS[where.operator, kind]}", name, *where.atoms)
    one_of = _having(f" AND value IN ({', '.join('?' * len(where.atoms))})", name, *where.atoms)
    if where.missing:
        return Sql(f"({one_of.text} OR NOT {some.text})", one_of.parameters + some.parameters)
    return one_of


def _having(test: str, *parameters: Atom) -> Sql:
    # `test` is made of the constants above and question marks.
    text = f"(number IN (SELECT document FROM attributes WHERE field = ?{test}))"  # noqa: S608
    return Sql(text, parameters)
