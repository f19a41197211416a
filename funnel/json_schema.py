"""JSON Schemas that neither hang nor leave this machine: vetted when given, checked in bounded time.

Knows no model and no answer. What a schema may hold is documented in docs/answer.md.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from datetime import time as time_of_day
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

from funnel.errors import BadSchema

MAX_SCHEMA_CHARS = 20_000
"""As compact JSON; it stands in prompts."""
MAX_PROBLEMS = 5
CHECK_CPU_S = 2.0
"""Processor seconds that one check may take. No honest schema of that size takes a tenth of it."""

DIALECTS = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "http://json-schema.org/draft-06/schema": "Draft6Validator",
}
FORMATS = ("date", "date-time", "time", "email", "ipv4", "ipv6", "uuid")
"""Checked; others are annotations, as the specification has it."""

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "dependentSchemas", "dependencies", "$defs", "definitions")
_ONES = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
    "unevaluatedProperties", "propertyNames", "not", "if", "then", "else",
)  # fmt: skip
_IN_PLACE = ("allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies", "not", "if", "then", "else")
"""Keywords whose schemas are applied to the same value, not to a part of it."""
_REF = re.compile(r"#(?:/(\$defs|definitions)/([^/]+))?")
_REFUSED = {
    "patternProperties": "state propertyNames with a pattern, and additionalProperties",
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
}

Problem = tuple[str, str]
"""Where, as a JSON path, and what."""


class Vetted:
    """A JSON Schema that was found fit to check with.

    Raises: `BadSchema` for what is no JSON Schema, is larger than `MAX_SCHEMA_CHARS`, or refers to anything
    but its own root and definitions. A pattern is matched by an engine without backtracking, in time linear
    in the text; where the schema is not `trusted`, it may hold none.
    """

    def __init__(self, schema: Mapping[str, Any], *, trusted: bool) -> None:
        self.schema = _plain(schema)
        self._patterns: dict[str, Callable[[str], bool]] = {}
        self._vet(trusted=trusted)
        self._validator = self._compile()

    def problems(self, value: Any) -> list[Problem]:
        """Where `value`, a JSON value, does not meet the schema: the first few, none if it does."""
        from jsonschema.exceptions import best_match  # noqa: PLC0415 - 100 ms, for typed answers only

        found: list[Problem] = []
        _CLOCK.deadline = time.thread_time() + CHECK_CPU_S
        try:
            for error in islice(self._validator.iter_errors(_shown(value)), MAX_PROBLEMS):
                deepest = best_match([error])
                found.append((path(deepest.absolute_path), deepest.message))
        except (_TimeUp, RecursionError):
            found.append(("$", "the schema and the value together are too intricate to be checked"))
        except OverflowError:
            found.append(("$", "it holds a number that is too large to be checked"))
        return found

    def _vet(self, *, trusted: bool) -> None:
        for where, schema in subschemas(self.schema):
            for keyword, instead in _REFUSED.items():
                if keyword in schema:
                    raise BadSchema(f"{where}: {keyword} is not supported; {instead}")
            if "$id" in schema:
                raise BadSchema(f"{where}: only the root of a schema may have an $id")
            if "$ref" in schema:
                self._target(schema["$ref"], where)
            if "pattern" in schema:
                self._pattern(schema["pattern"], where, trusted=trusted)
        roots = {"#": self.schema} | {
            f"#/{key}/{name}": schema
            for key in ("$defs", "definitions")
            for name, schema in _members(self.schema.get(key))
        }
        in_place = {
            name: {self._target(ref, name) for ref in _refs_in_place(root)} for name, root in roots.items()
        }
        if loop := _loop(in_place):
            raise BadSchema(f"{loop}: its $ref leads back to itself without going into the value")

    def _target(self, ref: object, where: str) -> str:
        """The definition that a $ref names, in one spelling."""
        match = _REF.fullmatch(ref) if isinstance(ref, str) else None
        if match is None:
            raise BadSchema(
                f"{where}: $ref {str(ref)[:80]!r} is refused; only '#' and '#/$defs/NAME' may be referred to"
            )
        if match[1] is None:
            return "#"
        name = unquote(match[2]).replace("~1", "/").replace("~0", "~")
        held = self.schema.get(match[1])
        if not isinstance(held, dict) or name not in held:
            raise BadSchema(f"{where}: $ref {str(ref)[:80]!r} names no definition of the schema")
        return f"#/{match[1]}/{name}"

    def _pattern(self, pattern: object, where: str, *, trusted: bool) -> None:
        if not trusted:
            raise BadSchema(f"{where}: a pattern is not allowed here; say it in the prompt, check it in code")
        if isinstance(pattern, str):
            self._patterns[pattern] = _matcher(pattern, where)

    def _compile(self) -> Any:
        import jsonschema  # noqa: PLC0415 - 100 ms, for typed answers only
        from referencing import Registry  # noqa: PLC0415 - likewise

        dialect = str(self.schema.pop("$schema", next(iter(DIALECTS)))).rstrip("#")
        if dialect not in DIALECTS:
            raise BadSchema(f"$schema {dialect[:80]!r} is unknown. Known: {', '.join(DIALECTS)}")
        engine = getattr(jsonschema, DIALECTS[dialect])
        _CLOCK.deadline = time.thread_time() + CHECK_CPU_S
        try:
            wrong = next(_timed_engine(engine)(engine.META_SCHEMA).iter_errors(self.schema), None)
        except (_TimeUp, RecursionError):
            raise BadSchema("it is too intricate to be read") from None
        if wrong is not None:
            raise BadSchema(f"{path(wrong.absolute_path)}: {wrong.message[:200]}")

        def matches(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
            if validator.is_type(instance, "string") and not self._patterns[pattern](instance):
                yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")

        own = _timed_engine(engine, pattern=matches, uniqueItems=_unique)
        # An empty registry: what is not in the schema is nowhere.
        return own(self.schema, format_checker=_formats(), registry=Registry())


def path(parts: Any) -> str:
    """Steps into a value as a JSON path: `$.clauses[2].year`."""
    written = "$"
    for part in parts:
        if isinstance(part, int):
            written += f"[{part}]"
        elif str(part).isidentifier():
            written += f".{part}"
        else:
            written += f"[{json.dumps(part[:60], ensure_ascii=False)}]"
    return written


def subschemas(root: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside `root`, itself first, with its JSON path; data such as `enum` is no schema."""
    todo: list[tuple[str, Any]] = [("$", root)]
    while todo:
        where, schema = todo.pop()
        if isinstance(schema, dict):
            yield where, schema
            todo += [(f"{where}.{step}", inner) for step, inner in _inner(schema, (*_LISTS, *_MAPS, *_ONES))]


def rooted(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The schema as a definition may hold it: its references to its root are references to `#/$defs/name`.

    Its own definitions stay in it; the caller lifts them out.
    """
    moved = deepcopy(dict(schema))
    for _, inner in subschemas(moved):
        if inner.get("$ref") == "#":
            inner["$ref"] = f"#/$defs/{name}"
    return moved


def _inner(schema: Mapping[str, Any], keywords: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for keyword in keywords:
        held = schema.get(keyword)
        if isinstance(held, list):
            yield from ((f"{keyword}[{i}]", inner) for i, inner in enumerate(held))
        elif keyword in _MAPS:
            yield from ((f"{keyword}.{name}", inner) for name, inner in _members(held))
        elif held is not None:
            yield keyword, held


def _members(held: object) -> Iterator[tuple[str, Any]]:
    if isinstance(held, dict):
        yield from held.items()


def _refs_in_place(root: Any) -> set[str]:
    """The references that are followed for a value itself, not for a part of it."""
    refs = set()
    todo = [root]
    while todo:
        schema = todo.pop()
        if isinstance(schema, dict):
            if isinstance(schema.get("$ref"), str):
                refs.add(schema["$ref"])
            todo += [inner for _, inner in _inner(schema, _IN_PLACE)]
    return refs


def _loop(edges: Mapping[str, set[str]]) -> str | None:
    """A name from which one comes back to it, or None: what leads nowhere is taken away until nothing is."""
    left = dict(edges)
    while left:
        ends = [name for name, targets in left.items() if not targets & left.keys()]
        if not ends:
            return min(left)
        for name in ends:
            del left[name]
    return None


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of JSON types, without the root's $id, which would only move where references begin."""
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadSchema(f"it is no JSON: {str(error)[:200]}") from None
    if len(text) > MAX_SCHEMA_CHARS:
        raise BadSchema(f"it has {len(text):,} characters; at most {MAX_SCHEMA_CHARS:,} are allowed")
    copy: dict[str, Any] = json.loads(text)
    copy.pop("$id", None)
    return copy


def _matcher(pattern: str, where: str) -> Callable[[str], bool]:
    from pydantic_core import SchemaError, SchemaValidator, core_schema  # noqa: PLC0415 - only for patterns

    try:
        engine = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).strip().rpartition("error: ")[2].splitlines()[0]
        raise BadSchema(
            f"{where}: the pattern {pattern[:80]!r} is not supported ({reason}); "
            "look-around and back-references are not"
        ) from None
    return engine.isinstance_python


class _TimeUp(Exception):
    """The check took longer than it may."""


class _Clock(threading.local):
    deadline = 0.0


_CLOCK = _Clock()


@cache
def _timed(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        if time.thread_time() > _CLOCK.deadline:
            raise _TimeUp
        return keyword(*arguments)

    return timed


def _timed_engine(engine: Any, **own: Callable[..., Any]) -> Any:
    """The library's validator with a clock before each keyword."""
    from jsonschema.validators import extend  # noqa: PLC0415 - 100 ms, for typed answers only

    timed = {name: _timed(keyword) for name, keyword in (engine.VALIDATORS | own).items()}
    return extend(engine, timed)  # type: ignore[no-untyped-call]  # its stubs leave it untyped


def _unique(validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    """`uniqueItems` in linear time; the library compares every two of the items."""
    from jsonschema import ValidationError  # noqa: PLC0415 - loaded by now

    if wanted and validator.is_type(instance, "array"):
        written = {json.dumps(item, sort_keys=True) for item in instance}
        if len(written) < len(instance):
            yield ValidationError(f"{instance!r} has the same item twice")


@cache
def _formats() -> Any:
    from jsonschema import FormatChecker  # noqa: PLC0415 - 100 ms, for typed answers only

    checker = FormatChecker(formats=[name for name in FORMATS if name not in {"date-time", "time"}])

    @checker.checks("date-time", raises=ValueError)
    def is_date_time(value: object) -> bool:
        return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value) is not None)

    @checker.checks("time", raises=ValueError)
    def is_time(value: object) -> bool:
        return not isinstance(value, str) or time_of_day.fromisoformat(value) is not None

    return checker


SHOWN_CHARS = 60
SHOWN_KEYS = 5


class _Text(str):
    """Values as messages show them: the library prints them whole, however large, once for each message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(str(self) if len(self) <= SHOWN_CHARS else f"{self[:SHOWN_CHARS]}…")


class _List(list[Any]):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"[{len(self)} items]" if self else "[]"


class _Object(dict[str, Any]):
    __slots__ = ()

    def __repr__(self) -> str:
        keys = [f"{key!r}: …" for key in islice(self, SHOWN_KEYS)]
        return f"{{{', '.join(keys)}{', …' if len(self) > SHOWN_KEYS else ''}}}"


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return _Text(value)
    if isinstance(value, list):
        return _List(_shown(item) for item in value)
    if isinstance(value, dict):
        return _Object((_Text(key), _shown(item)) for key, item in value.items())
    # JSON knows one kind of number: 1.0 is 1.
    return int(value) if isinstance(value, float) and value.is_integer() else value
