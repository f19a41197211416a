"""Filters over document metadata: how to build them and what they mean; knows no SQL and no engine.

    where = (field("year") >= 2020) & field("lang").is_in(["en", "de"])
    where = parse({"year": {"gte": 2020}, "lang": {"in": ["en", "de"]}})

A field holds a set of values: one for a number, a string or a bool; one for each string of a list; none if it
is missing, None, NaN or an empty list. A comparison is true if it is true for one of these values (as in
MongoDB and Qdrant: `eq` on a list means that the list contains the value). Only values of one kind compare:
`1`, `True` and `"1"` are three different values, `1` and `1.0` are the same. `ne`, `nin` and `not` are the
exact complements of `eq`, `in` and the filter, so they also match documents without the field. `eq None`
means the same as `exists False`. Strings compare by code point, so dates compare correctly as ISO strings
("2024-05-31") and in no other format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Literal

from indexes.errors import BadFilter
from indexes.types import Metadata, Scalar

MAX_CONDITIONS = 500
MAX_DEPTH = 32
MAX_VALUES = 10_000
"""Size limits of a filter, because SQLite limits an expression's depth and number of parameters."""

OPERATORS = ("eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "exists")

Atom = int | float | bytes | str
"""A value in comparable form: a number; a string as UTF-8 (sorts by code point); a bool as its name."""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_WIDEST = 1 << 63
_SHOWN_CHARS = 60


class Filter:
    """A condition on the documents that a search may find. Combine filters with `&`, `|` and `~`."""

    __slots__ = ()

    def __and__(self, other: Filter) -> Filter:
        return all_of(self, other)

    def __or__(self, other: Filter) -> Filter:
        return any_of(self, other)

    def __invert__(self) -> Filter:
        return not_(self)


@dataclass(frozen=True, slots=True)
class Condition(Filter):
    """Compares a field with an operator's atoms. `missing`: whether a missing field matches too."""

    field: str
    operator: Literal["in", "gt", "gte", "lt", "lte", "exists"]
    atoms: tuple[Atom, ...] = ()
    missing: bool = False


@dataclass(frozen=True, slots=True)
class AllOf(Filter):
    """Matches documents that every part matches; all documents if there are no parts."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """Matches documents that at least one part matches; no document if there are no parts."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """Matches documents that the part does not match."""

    part: Filter


def all_of(*parts: Filter) -> Filter:
    """Return a filter for documents that every part matches; all documents if there are no parts.

    Raises: `BadFilter` if the filter becomes too large.
    """
    return _bounded(AllOf(tuple(_flat(AllOf, parts))))


def any_of(*parts: Filter) -> Filter:
    """Return a filter for documents that at least one part matches; no document if there are no parts.

    Raises: `BadFilter` if the filter becomes too large.
    """
    return _bounded(AnyOf(tuple(_flat(AnyOf, parts))))


def not_(part: Filter) -> Filter:
    """Return a filter for documents that the part does not match. Raises: `BadFilter` if it is too large."""
    return _bounded(Not(part))


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A metadata field to compare: `field("year") >= 2020`. Every comparison may raise `BadFilter`."""

    name: str

    def __eq__(self, value: object) -> Filter:  # type: ignore[override]  # a comparison builds a filter here
        return condition(self.name, "eq", value)

    def __ne__(self, value: object) -> Filter:  # type: ignore[override]  # a comparison builds a filter here
        return condition(self.name, "ne", value)

    def __gt__(self, value: str | float) -> Filter:
        return condition(self.name, "gt", value)

    def __ge__(self, value: str | float) -> Filter:
        return condition(self.name, "gte", value)

    def __lt__(self, value: str | float) -> Filter:
        return condition(self.name, "lt", value)

    def __le__(self, value: str | float) -> Filter:
        return condition(self.name, "lte", value)

    __hash__ = None  # type: ignore[assignment]  # `==` builds a filter, so a field cannot be hashed

    def is_in(self, values: Collection[Scalar]) -> Filter:
        """Match one of these values."""
        return condition(self.name, "in", values)

    def not_in(self, values: Collection[Scalar]) -> Filter:
        """Match none of these values, or no value at all."""
        return condition(self.name, "nin", values)

    def exists(self, *, wanted: bool = True) -> Filter:
        """Match documents that have a value in the field; with `wanted=False`, those that have none."""
        return condition(self.name, "exists", wanted)


def field(name: str) -> Field:
    """Return the metadata field with this name, to build a comparison."""
    return Field(name)


def condition(name: str, operator: str, value: object) -> Filter:
    """Return one condition. Raises: `BadFilter`, which names the field and the operator."""
    match operator:
        case "eq" | "ne":
            found: Filter = _one_of(name, operator, [value])
        case "in" | "nin":
            if isinstance(value, str) or not isinstance(value, Collection) or isinstance(value, Mapping):
                raise BadFilter("takes a list of values", field=name, operator=operator)
            _check("values", len(value), MAX_VALUES)
            found = _one_of(name, operator, value)
        case "exists":
            if not isinstance(value, bool):
                raise BadFilter("takes true or false", field=name, operator=operator)
            found = Condition(name, "exists") if value else Not(Condition(name, "exists"))
        case "gt" | "gte" | "lt" | "lte":
            if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not atoms(value):
                raise BadFilter(
                    f"takes a number or a string, not {_shown(value)}. A date is an ISO string",
                    field=name,
                    operator=operator,
                )
            found = Condition(name, operator, tuple(atoms(value)))
        case _:
            raise BadFilter(f"no such operator. Known: {', '.join(OPERATORS)}", field=name, operator=operator)
    return Not(found) if operator in {"ne", "nin"} else found


def parse(form: object) -> Filter:
    """Parse a filter from its JSON form: `{"year": {"gte": 2020}, "lang": "en", "or": [{…}, {…}]}`.

    An object matches documents that all its entries match. An entry is a field with a value (`eq`) or an
    object of operators, or one of the words `and`, `or` (lists of filters) and `not` (one filter). A field
    with such a name can only be used from Python.

    Raises: `BadFilter`, which names the field and the operator.
    """
    return _bounded(_parsed(form, 1))


def matches(where: Filter, metadata: Metadata) -> bool:
    """Return whether a document with this metadata matches; the reference for translations of filters."""
    match where:
        case AllOf(parts):
            return all(matches(part, metadata) for part in parts)
        case AnyOf(parts):
            return any(matches(part, metadata) for part in parts)
        case Not(part):
            return not matches(part, metadata)
        case Condition(name, operator, wanted, missing):
            values = atoms(metadata.get(name))
            if operator == "exists":
                return bool(values)
            if operator == "in":
                return (missing and not values) or not values.isdisjoint(wanted)
            return any(
                isinstance(atom, bytes) == isinstance(wanted[0], bytes) and _ORDER[operator](atom, wanted[0])
                for atom in values
                if not isinstance(atom, str)
            )
    raise TypeError(f"{where!r} is not a filter")


def atoms(value: object) -> frozenset[Atom]:
    """Return the values of a metadata field in comparable form; none if it counts as missing."""
    match value:
        case bool():
            atom: Atom = "true" if value else "false"
        case int():
            atom = value if -_WIDEST <= value < _WIDEST else _nearest(value)
        case float() if not math.isnan(value):
            atom = value
        case str():
            atom = value.encode("utf-8", "surrogatepass")
        case list() | tuple():
            return frozenset(
                each for item in value if not isinstance(item, (list, tuple)) for each in atoms(item)
            )
        case _:
            return frozenset()
    return frozenset({atom})


def _one_of(name: str, operator: str, values: Iterable[object]) -> Filter:
    wanted: set[Atom] = set()
    missing = False
    for value in values:
        if value is None:
            missing = True
        elif isinstance(value, (str, int, float)) and (found := atoms(value)):
            wanted |= found
        else:
            raise BadFilter(
                f"compares with a string, a number, true, false or null, not {_shown(value)}",
                field=name,
                operator=operator,
            )
    return Condition(name, "in", tuple(sorted(wanted, key=_order)), missing)


def _order(atom: Atom) -> tuple[str, Atom]:
    return ("" if isinstance(atom, (int, float)) else type(atom).__name__, atom)


def _parsed(form: object, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise BadFilter(f"is nested more than {MAX_DEPTH} deep")
    if isinstance(form, Mapping):
        _check("conditions", len(form), MAX_CONDITIONS)
    else:
        raise BadFilter(f'is an object like {{"year": {{"gte": 2020}}}}, not {_shown(form)}')
    return _every([_entry(name, value, depth) for name, value in form.items()])


def _entry(name: str, value: object, depth: int) -> Filter:
    if name == "not":
        return Not(_parsed(value, depth + 1))
    if name in {"and", "or"}:
        if not isinstance(value, (list, tuple)):
            raise BadFilter("takes a list of filters", operator=name)
        _check("conditions", len(value), MAX_CONDITIONS)
        parts = tuple(_parsed(part, depth + 1) for part in value)
        return AllOf(parts) if name == "and" else AnyOf(parts)
    if not isinstance(value, Mapping):
        return condition(name, "eq", value)
    if not value:
        raise BadFilter(f"is compared with nothing. Known operators: {', '.join(OPERATORS)}", field=name)
    return _every([condition(name, operator, wanted) for operator, wanted in value.items()])


def _every(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else AllOf(tuple(_flat(AllOf, parts)))


def _flat(kind: type[AllOf | AnyOf], parts: Iterable[Filter]) -> Iterable[Filter]:
    for part in parts:
        if isinstance(part, kind):
            yield from part.parts
        else:
            yield part


def _bounded(where: Filter) -> Filter:
    sizes = list(_sizes(where, 1))
    for what, found, most in (
        ("conditions", len(sizes), MAX_CONDITIONS),
        ("levels", max((depth for depth, _ in sizes), default=0), MAX_DEPTH),
        ("values", sum(values for _, values in sizes), MAX_VALUES),
    ):
        _check(what, found, most)
    return where


def _check(what: str, found: int, most: int) -> None:
    if found > most:
        raise BadFilter(f"has {found} {what}; at most {most} are allowed")


def _sizes(where: Filter, depth: int) -> Iterator[tuple[int, int]]:
    """Yield (depth, number of values) of each condition, and of each `AllOf` or `AnyOf` without parts."""
    match where:
        case AllOf(parts) | AnyOf(parts):
            if not parts:
                yield depth, 0
            for part in parts:
                yield from _sizes(part, depth + 1)
        case Not(part):
            yield from _sizes(part, depth + 1)
        case Condition():
            yield depth, len(where.atoms)


def _nearest(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _shown(value: object) -> str:
    kinds = {dict: "an object", list: "a list", tuple: "a list", bool: "true or false", type(None): "null"}
    text = kinds.get(type(value), repr(value))
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"
