"""Safe JSON Schema validation, in bounded time and without network access; knows no language model.

docs/answer.md says what a schema may contain.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from datetime import time as time_of_day
from functools import cache, lru_cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

from funnel.errors import BadSchema
from funnel.schema.short_repr import json_path, with_short_repr
from funnel.schema.walk import find_cycle, object_items, refs_in_place, subschemas

MAX_SCHEMA_CHARS = 20_000
"""Size limit of a schema as compact JSON, because it is part of prompts."""
MAX_PROBLEMS = 5
CHECK_CPU_S = 0.5
"""CPU seconds that one validation may take, since no thread can be stopped; ordinary ones take hundredths."""

DIALECTS = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "http://json-schema.org/draft-06/schema": "Draft6Validator",
}
FORMATS = ("date", "date-time", "time", "email", "ipv4", "ipv6", "uuid")
"""Formats that are checked. Others are annotations only, as in the specification."""

_REF = re.compile(r"#(?:/(\$defs|definitions)/([^/]+))?")
_REFUSED = {
    "patternProperties": "state propertyNames with a pattern, and additionalProperties",
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
}

Problem = tuple[str, str]
"""A JSON path and a message."""


class VettedSchema:
    """A JSON Schema that is safe to validate with.

    Patterns are matched by an engine without backtracking, in time linear in the text; a schema that is not
    `trusted` may contain none.
    Raises: `BadSchema` if it is not a JSON Schema, is larger than `MAX_SCHEMA_CHARS`, or refers to anything
    but its own root and definitions.
    """

    def __init__(self, schema: Mapping[str, Any], *, trusted: bool) -> None:
        self.schema = _plain(schema)
        self._vet(trusted=trusted)
        self._validator = _validator(self.schema)

    def problems(self, value: Any) -> list[Problem]:
        """Return the first few problems of a JSON value; an empty list if it is valid."""
        from jsonschema.exceptions import best_match  # noqa: PLC0415 - 100 ms, for typed answers only

        found: list[Problem] = []
        _CLOCK.deadline = time.thread_time() + CHECK_CPU_S
        try:
            for error in islice(self._validator.iter_errors(with_short_repr(value)), MAX_PROBLEMS):
                deepest = best_match([error])
                found.append((json_path(deepest.absolute_path), deepest.message))
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
            # Below either keyword, the library would switch to another dialect or away from our validator.
            for keyword in ("$id", "$schema"):
                if keyword in schema and where != "$":
                    raise BadSchema(f"{where}: only the root of a schema may have {keyword}")
            if "$ref" in schema:
                self._target(schema["$ref"], where)
            if "pattern" in schema and not trusted:
                raise BadSchema(
                    f"{where}: a pattern is not allowed here; describe it in the prompt and check it in code"
                )
            if isinstance(schema.get("pattern"), str):
                _check_pattern(schema["pattern"], where)
        roots = {"#": self.schema} | {
            f"#/{key}/{name}": schema
            for key in ("$defs", "definitions")
            for name, schema in object_items(self.schema.get(key))
        }
        in_place = {
            name: {self._target(ref, name) for ref in refs_in_place(root)} for name, root in roots.items()
        }
        if cycle := find_cycle(in_place):
            raise BadSchema(f"{cycle}: its $ref leads back to itself without going into the value")

    def _target(self, ref: object, where: str) -> str:
        """Return the normalised name of the definition that a $ref refers to."""
        match = _REF.fullmatch(ref) if isinstance(ref, str) else None
        if match is None:
            raise BadSchema(
                f"{where}: $ref {str(ref)[:80]!r} is refused; only '#' and '#/$defs/NAME' may be referred to"
            )
        if match[1] is None:
            return "#"
        name = unquote(match[2]).replace("~1", "/").replace("~0", "~")
        definitions = self.schema.get(match[1])
        if not isinstance(definitions, dict) or name not in definitions:
            raise BadSchema(f"{where}: $ref {str(ref)[:80]!r} names no definition of the schema")
        return f"#/{match[1]}/{name}"


def _validator(schema: dict[str, Any]) -> Any:
    """Return the library's validator for a schema."""
    from referencing import Registry  # noqa: PLC0415 - 100 ms, for typed answers only

    dialect = str(schema.get("$schema", next(iter(DIALECTS)))).rstrip("#")
    if dialect not in DIALECTS:
        raise BadSchema(f"$schema {dialect[:80]!r} is unknown. Known: {', '.join(DIALECTS)}")
    engine = _engine(DIALECTS[dialect])
    _CLOCK.deadline = time.thread_time() + CHECK_CPU_S
    try:
        wrong = next(engine(engine.META_SCHEMA).iter_errors(schema), None)
    except (_TimeUp, RecursionError):
        raise BadSchema("it is too intricate to be read") from None
    if wrong is not None:
        raise BadSchema(f"{json_path(wrong.absolute_path)}: {wrong.message[:200]}")
    # If the root names its dialect, the library would use its own validator for references to it.
    unnamed = {keyword: value for keyword, value in schema.items() if keyword != "$schema"}
    # An empty registry, so that nothing outside the schema can be resolved.
    return engine(unnamed, format_checker=_formats(), registry=Registry())


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in JSON types, without the root's $id, which would only change the base of references."""
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadSchema(f"it is not JSON: {str(error)[:200]}") from None
    if len(text) > MAX_SCHEMA_CHARS:
        raise BadSchema(f"it has {len(text):,} characters; at most {MAX_SCHEMA_CHARS:,} are allowed")
    copy: dict[str, Any] = json.loads(text)
    copy.pop("$id", None)
    return copy


def _check_pattern(pattern: str, where: str) -> None:
    from pydantic_core import SchemaError  # noqa: PLC0415 - for patterns only

    try:
        _matcher(pattern)
    except SchemaError as error:
        reason = str(error).splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise BadSchema(
            f"{where}: the pattern {pattern[:80]!r} cannot be used here: {reason.rstrip('.')}"
        ) from None


@lru_cache(maxsize=64)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that searches a pattern in a text with pydantic's engine, which never backtracks."""
    from pydantic_core import SchemaValidator, core_schema  # noqa: PLC0415 - for patterns only

    return SchemaValidator(
        core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    ).isinstance_python


class _TimeUp(Exception):
    """The validation exceeded its time limit."""


class _Clock(threading.local):
    deadline = 0.0


_CLOCK = _Clock()


def _timed(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        if time.thread_time() > _CLOCK.deadline:
            raise _TimeUp
        return keyword(*arguments)

    return timed


@cache
def _engine(name: str) -> Any:
    """Return the library's validator class of that name, extended to check the time before each keyword."""
    import jsonschema  # noqa: PLC0415 - 100 ms, for typed answers only

    theirs = getattr(jsonschema, name)
    keywords = theirs.VALIDATORS | {"pattern": _pattern, "uniqueItems": _unique}
    timed = {keyword: _timed(function) for keyword, function in keywords.items()}
    return jsonschema.validators.extend(theirs, timed)  # type: ignore[no-untyped-call]  # its stubs lack it


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError  # noqa: PLC0415 - loaded by now

    if validator.is_type(instance, "string") and not _matcher(pattern)(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique(validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    """Check `uniqueItems` in linear time; the library compares all pairs of items."""
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
