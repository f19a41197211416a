"""The schema of a typed answer, from a pydantic model or a JSON Schema; knows no language model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funnel.errors import BadAnswer, BadSchema
from funnel.schema.json_values import as_json, first_json
from funnel.schema.short_repr import json_path
from funnel.schema.taking import MAX_TRIED, readings
from funnel.schema.validation import MAX_PROBLEMS, MAX_SCHEMA_CHARS, VettedSchema
from funnel.schema.walk import as_definition, subschemas

if TYPE_CHECKING:
    from pydantic import BaseModel

_MESSAGE_CHARS = 200


class AnswerSchema:
    """Validates typed answers.

    `AnswerSchema(Model)` validates with a pydantic model: its validators run, its aliases and defaults apply,
    and the result is the model dumped to JSON types. `AnswerSchema(mapping)` validates with a JSON Schema
    (2020-12, or the dialect that its $schema names), which must not refer to anything outside itself.
    `trusted=False` is for a schema that a model wrote.
    """

    __slots__ = ("_model", "_vetted", "json_schema")

    def __init__(self, source: type[BaseModel] | Mapping[str, Any], *, trusted: bool = True) -> None:
        """Raises: `BadSchema`."""
        self._model: type[BaseModel] | None = None
        self._vetted: VettedSchema | None = None
        if isinstance(source, Mapping):
            self._vetted = VettedSchema(source, trusted=trusted)
            schema = self._vetted.schema
        elif isinstance(source, type) and hasattr(source, "model_json_schema"):
            self._model = source
            schema = _schema_of(source)
        else:
            raise BadSchema(
                f"it must be a pydantic model class or a JSON Schema as a dict, not {source!r:.80}"
            )
        self.json_schema: dict[str, Any] = schema
        """The JSON Schema, without the titles that pydantic generates."""

    @classmethod
    def load(cls, file: Path) -> AnswerSchema:
        """Load a JSON Schema from a file. Raises: `BadSchema`."""
        try:
            schema = json.loads(file.read_bytes())
        except OSError as error:
            raise BadSchema(f"{file} cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"{file} is not JSON ({error})") from error
        if not isinstance(schema, dict):
            raise BadSchema(f"{file} is not a JSON Schema: a JSON object is expected")
        try:
            return cls(schema)
        except BadSchema as error:
            raise BadSchema(f"{file}: {error.reason}") from error

    @property
    def text(self) -> str:
        """The JSON Schema on one line, for prompts."""
        return json.dumps(self.json_schema, ensure_ascii=False, separators=(",", ":"))

    def check(self, value: Any) -> Any:
        """Validate a value and return it as JSON types, with the model's aliases and defaults applied.

        Takes bounded time; may be called in a thread.
        Raises: `BadAnswer` with the path and message of the first few problems.
        """
        copy = as_json(value)
        if self._model is not None:
            return _validated(self._model, copy)
        if self._vetted is not None and (problems := self._vetted.problems(copy)):
            raise BadAnswer(_lines(problems))
        return copy

    def parse(self, reply: str) -> Any:
        """Validate and return the first JSON value in a reply. Text and a code fence around it are allowed.

        Raises: `BadAnswer`.
        """
        return self.check(first_json(reply))

    def take(self, reply: str) -> Any:
        """Return the value that a reply holds in whatever form, as words or almost as JSON.

        Raises: `BadAnswer` with what is wrong with its first JSON value, if no reading meets the schema.
        """
        try:
            return self.parse(reply)
        except BadAnswer as error:
            problem = error
        for value in islice(readings(reply, self.json_schema), MAX_TRIED):
            with suppress(BadAnswer):
                return self.check(value)
        raise problem

    def wrapped(self, name: str) -> dict[str, Any]:
        """Return the schema of an object whose only member, `name`, is this value.

        Some endpoints accept no other root than an object.
        """
        inner, outside = self._inside(name)
        return {
            "type": "object",
            "properties": {name: inner},
            "required": [name],
            "additionalProperties": False,
            **outside,
        }

    def member(self, name: str, others: Mapping[str, Any]) -> dict[str, Any]:
        """Return the schema of an object with the members `others`, and this answer or null as `name`."""
        inner, outside = self._inside(name)
        return {
            "type": "object",
            "properties": {**others, name: {"anyOf": [inner, {"type": "null"}]}},
            "required": [*others, name],
            "additionalProperties": False,
            **outside,
        }

    def _inside(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a reference to this schema for use in another, and the definitions that this one needs."""
        own = name
        while own in self.json_schema.get("$defs", ()):
            own += "_"
        inner = as_definition(self.json_schema, own)
        inner.pop("$schema", None)
        lifted: dict[str, Any] = {key: inner.pop(key) for key in ("$defs", "definitions") if key in inner}
        definitions = {**lifted.pop("$defs", {}), own: inner}
        return {"$ref": f"#/$defs/{own}"}, {"$defs": definitions, **lifted}


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    from pydantic.errors import PydanticUserError  # noqa: PLC0415 - 60 ms, for typed answers only

    try:
        schema: dict[str, Any] = json.loads(json.dumps(model.model_json_schema()))
    except (PydanticUserError, TypeError, ValueError) as error:
        raise BadSchema(f"{model.__name__} has no JSON Schema: {str(error).splitlines()[0]}") from error
    for where, inner in subschemas(schema):
        if where != "$" and isinstance(inner.get("title"), str):
            del inner["title"]
    size = len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")))
    if size > MAX_SCHEMA_CHARS:
        raise BadSchema(
            f"that of {model.__name__} has {size:,} characters; at most {MAX_SCHEMA_CHARS:,} are allowed"
        )
    return schema


def _validated(model: type[BaseModel], value: Any) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415 - loaded by now

    try:
        instance = model.model_validate_json(json.dumps(value))
        return json.loads(instance.model_dump_json(by_alias=True))
    except ValidationError as error:
        listed = error.errors(include_url=False, include_context=False, include_input=False)
        raise BadAnswer(_lines((json_path(each["loc"]), each["msg"]) for each in listed)) from None
    except Exception as error:  # an exception of the user's own validators counts as a fault of the value
        raise BadAnswer([f"$: {type(error).__name__}: {str(error)[:_MESSAGE_CHARS]}"]) from error


def _lines(problems: Iterable[tuple[str, str]]) -> list[str]:
    found = list(problems)
    lines = [f"{where}: {_short(message)}" for where, message in found[:MAX_PROBLEMS]]
    return [*lines, "…"] if len(found) > MAX_PROBLEMS else lines


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _MESSAGE_CHARS else f"{line[:_MESSAGE_CHARS]}…"
