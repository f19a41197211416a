"""What a typed answer must be: a pydantic model or a JSON Schema, checked; knows no model and no document."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funnel.errors import BadAnswer, BadSchema
from funnel.json_schema import MAX_PROBLEMS, MAX_SCHEMA_CHARS, Vetted, path, rooted, subschemas

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_VALUE_CHARS = 100_000
MAX_VALUE_PARTS = 50_000
MAX_DEPTH = 32
MAX_INTEGER_BITS = 4_096
_MESSAGE_CHARS = 200
_MAX_STARTS = 50
"""So often a reply is searched for a JSON value that begins in it."""
_FENCE = re.compile(r"```[ \t]*\w*[ \t]*\n(.*?)```", re.DOTALL)


class AnswerSchema:
    """What an answer must be.

    `AnswerSchema(Model)` checks with the pydantic model: its validators run, its aliases and defaults apply,
    and the value is what it dumps. `AnswerSchema(mapping)` checks with a JSON Schema (2020-12, or what its
    $schema names), which must refer to nothing outside itself; `trusted=False` is for one that a model wrote.
    """

    __slots__ = ("_model", "_vetted", "json_schema")

    def __init__(self, source: type[BaseModel] | Mapping[str, Any], *, trusted: bool = True) -> None:
        """Raises: `BadSchema`."""
        self._model: type[BaseModel] | None = None
        self._vetted: Vetted | None = None
        if isinstance(source, Mapping):
            self._vetted = Vetted(source, trusted=trusted)
            schema = self._vetted.schema
        elif isinstance(source, type) and hasattr(source, "model_json_schema"):
            self._model = source
            schema = _schema_of(source)
        else:
            raise BadSchema(f"it is a pydantic model class or a JSON Schema as a dict, not {source!r:.80}")
        self.json_schema: dict[str, Any] = schema
        """The JSON Schema, without titles that a model class generates for itself."""

    @classmethod
    def load(cls, file: Path) -> AnswerSchema:
        """The JSON Schema in a file. Raises: `BadSchema`."""
        try:
            schema = json.loads(file.read_bytes())
        except OSError as error:
            raise BadSchema(f"{file} cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"{file} holds no JSON ({error})") from error
        if not isinstance(schema, dict):
            raise BadSchema(f"{file} holds no JSON Schema: a JSON object is expected")
        try:
            return cls(schema)
        except BadSchema as error:
            raise BadSchema(f"{file}: {error.reason}") from error

    @property
    def text(self) -> str:
        """The JSON Schema on one line, for prompts."""
        return json.dumps(self.json_schema, ensure_ascii=False, separators=(",", ":"))

    def check(self, value: Any) -> Any:
        """`value` as JSON types, as the schema would have it. Takes bounded time; may be called in a thread.

        Raises: `BadAnswer` with the path and message of the first few problems.
        """
        plain = _Plain().copy(value, ())
        if self._model is not None:
            return _validated(self._model, plain)
        if self._vetted is not None and (problems := self._vetted.problems(plain)):
            raise BadAnswer(_lines(problems))
        return plain

    def parse(self, reply: str) -> Any:
        """The checked first JSON value of a reply; words and a fence around it are forgiven.

        Raises: `BadAnswer`.
        """
        return self.check(first_json(reply))

    def member(self, name: str, others: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON Schema of an object that has this answer or null as its member `name`, beside `others`."""
        inner = rooted(self.json_schema, name)
        lifted: dict[str, Any] = {key: inner.pop(key) for key in ("$defs", "definitions") if key in inner}
        definitions = lifted.pop("$defs", {})
        definitions[name] = inner
        return {
            "type": "object",
            "properties": {**others, name: {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}},
            "required": [*others, name],
            "additionalProperties": False,
            "$defs": definitions,
            **lifted,
        }


def first_json(reply: str) -> Any:
    """The first JSON value of a reply: all of it, what its first fence holds, or an object or list in it.

    Raises: `BadAnswer` where it holds none.
    """
    if len(reply) > MAX_VALUE_CHARS:
        raise BadAnswer([f"$: the reply has {len(reply):,} characters; at most {MAX_VALUE_CHARS:,} are read"])
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for text in _candidates(reply):
        try:
            return decoder.raw_decode(text)[0]
        except (ValueError, RecursionError):
            continue
    raise BadAnswer(["$: the reply holds no JSON value (text stands in double quotes)"])


def _candidates(reply: str) -> Iterator[str]:
    whole = reply.strip()
    # A number followed by words is not the reply's value, unlike an object followed by them.
    if whole[:1] in {"{", "["} or _is_scalar(whole):
        yield whole
    if fenced := _FENCE.search(reply):
        yield fenced[1].strip()
    starts = (match.start() for match in re.finditer(r"[\[{]", reply))
    for _, start in zip(range(_MAX_STARTS), starts, strict=False):
        yield reply[start:]


def _is_scalar(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


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


def _validated(model: type[BaseModel], plain: Any) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415 - loaded by now

    try:
        instance = model.model_validate_json(json.dumps(plain))
        return json.loads(instance.model_dump_json(by_alias=True))
    except ValidationError as error:
        listed = error.errors(include_url=False, include_context=False, include_input=False)
        raise BadAnswer(_lines((path(each["loc"]), each["msg"]) for each in listed)) from None
    except Exception as error:  # the user's own validators: what they stumble over is a fault of the value
        raise BadAnswer([f"$: {type(error).__name__}: {str(error)[:_MESSAGE_CHARS]}"]) from error


def _lines(problems: Iterable[tuple[str, str]]) -> list[str]:
    found = list(problems)
    lines = [f"{where}: {_short(message)}" for where, message in found[:MAX_PROBLEMS]]
    return [*lines, "…"] if len(found) > MAX_PROBLEMS else lines


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= _MESSAGE_CHARS else f"{line[:_MESSAGE_CHARS]}…"


class _Plain:
    """Copies one value, and counts what it takes over all its parts."""

    def __init__(self) -> None:
        self._parts = 0
        self._chars = 0

    def copy(self, value: Any, where: tuple[str | int, ...]) -> Any:
        self._parts += 1
        if self._parts > MAX_VALUE_PARTS:
            raise BadAnswer([f"$: it has more than {MAX_VALUE_PARTS:,} parts"])
        if len(where) > MAX_DEPTH:
            raise BadAnswer([f"{path(where)}: it is nested deeper than {MAX_DEPTH} levels"])
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return self._number(value, where)
        if isinstance(value, (list, tuple)):
            return [self.copy(item, (*where, i)) for i, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {self._key(key, where): self.copy(item, (*where, str(key))) for key, item in value.items()}
        raise BadAnswer([f"{path(where)}: a {type(value).__name__} is no JSON value"])

    def _text(self, text: str) -> str:
        self._chars += len(text)
        if self._chars > MAX_VALUE_CHARS:
            raise BadAnswer([f"$: it holds more than {MAX_VALUE_CHARS:,} characters of text"])
        return text.encode("utf-8", "replace").decode()

    def _number(self, value: float, where: tuple[str | int, ...]) -> float:
        if isinstance(value, int):
            if value.bit_length() > MAX_INTEGER_BITS:
                raise BadAnswer([f"{path(where)}: the integer has too many digits"])
        elif not math.isfinite(value):
            raise BadAnswer([f"{path(where)}: {value} is no JSON number"])
        return value

    def _key(self, key: object, where: tuple[str | int, ...]) -> str:
        if not isinstance(key, str):
            raise BadAnswer([f"{path(where)}: the key {key!r:.60} is no text; JSON has no other keys"])
        return self._text(key)
