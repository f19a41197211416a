"""Converts values to JSON types and finds the JSON in a reply, with size limits; knows no schema."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from funnel.errors import BadAnswer
from funnel.schema.short_repr import json_path
from funnel.text.thoughts import part

MAX_VALUE_CHARS = 100_000
MAX_VALUE_PARTS = 50_000
MAX_DEPTH = 32
MAX_INTEGER_BITS = 4_096
_MAX_STARTS = 50
"""How many brackets of a reply are tried as the start of a JSON value."""
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)


def as_json(value: Any) -> Any:
    """Copy a value into JSON types; tuples become lists. Raises: `BadAnswer`."""
    return _Copier().copy(value, ())


def first_json(reply: str) -> Any:
    """Return the first JSON value of a reply: all of it, its first code fence, or an object or list in it.

    What a model thought before is not looked at. Raises: `BadAnswer` if there is none.
    """
    if len(reply) > MAX_VALUE_CHARS:
        raise BadAnswer([f"$: the reply has {len(reply):,} characters; at most {MAX_VALUE_CHARS:,} are read"])
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for text in _candidates(part(reply).text):
        try:
            return decoder.raw_decode(text)[0]
        except (ValueError, RecursionError):
            continue
    raise BadAnswer(["$: the reply holds no JSON value (text must be in double quotes)"])


def _candidates(reply: str) -> Iterator[str]:
    whole = reply.strip()
    # An object followed by words is the reply's value; a number followed by words is not.
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
    raise ValueError(f"{constant} is not JSON")


class _Copier:
    """Copies one value, counting its parts and characters against the limits."""

    def __init__(self) -> None:
        self._parts = 0
        self._chars = 0

    def copy(self, value: Any, where: tuple[str | int, ...]) -> Any:
        self._parts += 1
        if self._parts > MAX_VALUE_PARTS:
            raise BadAnswer([f"$: it has more than {MAX_VALUE_PARTS:,} parts"])
        if len(where) > MAX_DEPTH:
            raise BadAnswer([f"{json_path(where)}: it is nested deeper than {MAX_DEPTH} levels"])
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
        raise BadAnswer([f"{json_path(where)}: a {type(value).__name__} is not a JSON value"])

    def _text(self, text: str) -> str:
        self._chars += len(text)
        if self._chars > MAX_VALUE_CHARS:
            raise BadAnswer([f"$: it holds more than {MAX_VALUE_CHARS:,} characters of text"])
        return text.encode("utf-8", "replace").decode()

    def _number(self, value: float, where: tuple[str | int, ...]) -> float:
        if isinstance(value, int):
            if value.bit_length() > MAX_INTEGER_BITS:
                raise BadAnswer([f"{json_path(where)}: the integer has too many digits"])
        elif not math.isfinite(value):
            raise BadAnswer([f"{json_path(where)}: {value} is not a JSON number"])
        return value

    def _key(self, key: object, where: tuple[str | int, ...]) -> str:
        if not isinstance(key, str):
            raise BadAnswer(
                [f"{json_path(where)}: the key {key!r:.60} is not a string, as JSON keys must be"]
            )
        return self._text(key)
