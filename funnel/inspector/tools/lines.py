"""Lists with an item for each line of a text: which schemas ask for one, and how replies are read; pure."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from funnel.errors import BadAnswer
from funnel.sandbox.base import HostError
from funnel.schema import AnswerSchema
from funnel.schema.bare import choices
from funnel.schema.taking import fitted
from funnel.schema.walk import object_items, resolved

MAX_LINES = 5_000
SHOWN_LINES, SHOWN_CHARS = 200, 40
"""How much of the lines is repeated to a model whose list has another number of items."""

NUMBERED = re.compile(r"^\s*[(\[]?(\d{1,6})[.):\]|\t]+\s*(?=\S)")
"""The number that a program put before a line."""
_EACH = re.compile(
    r"\b(?:each|every|all|per (?:line|item|question|row|entry)|line by line|one by one|respectively"
    r"|in order|jede[rsnm]?|alle|chaque|toutes?|tous|cada|todas?|todos|ogni|każd\w+|кажд\w+)\b|每|各",
    re.IGNORECASE,
)
_NUMBER_NAMES = frozenset({"line", "n", "no", "nr", "number", "index", "i", "id", "item", "row", "#"})
_BOUNDS = ("minItems", "maxItems", "uniqueItems", "contains", "prefixItems")


@dataclass(frozen=True, slots=True)
class LabelledLines:
    """The lines of a text, each of which gets an item of a list.

    `member`: the name of the list in the answer; None if it is the answer. `schema`: the schema of the answer
    with the number of items, `uncounted` without it.
    """

    lines: tuple[str, ...]
    member: str | None
    schema: AnswerSchema
    uncounted: AnswerSchema

    @property
    def first(self) -> int:
        """The number of the first line, as the text has it."""
        return _number_before(self.lines[0]) if are_numbered(self.lines) else 1

    def take(self, reply: str) -> Any:
        """Return the value of a reply, an item for each line. Raises: `BadAnswer` with what is missing."""
        try:
            return self.schema.take(reply)
        except BadAnswer as error:
            problem = error
        items = self._items_in(reply)
        if (by_number := self._by_number(reply, items)) is not None:
            if missing := [i for i in range(len(self.lines)) if i not in by_number]:
                raise BadAnswer([self._missing(missing)])
            ordered = [by_number[i] for i in range(len(self.lines))]
            return self._fitted(ordered)
        if isinstance(items, list) and len(items) != len(self.lines):
            raise BadAnswer([self._paired(items)])
        raise problem

    def _items_in(self, reply: str) -> Any:
        """Return the list in a reply, whatever the number of its items, or its items by their lines."""
        for schema in (self.uncounted, _ANYTHING):
            with suppress(BadAnswer):
                value = schema.take(reply)
                if self.member is not None and isinstance(value, dict):
                    value = value.get(self.member, value)
                return value
        return None

    def _by_number(self, reply: str, items: Any) -> dict[int, Any] | None:
        """Return the items by the places of their lines, if the model numbered them as the text does."""
        found = _numbered(items) or _numbered_words(reply)
        for first in (self.first, 1, 0):
            if found and all(first <= number < first + len(self.lines) for number in found):
                return {number - first: item for number, item in found.items()}
        return None

    def _fitted(self, items: list[Any]) -> Any:
        """Return the items as the answer, with or without their numbers. Raises: `BadAnswer`."""
        root = self.schema.json_schema
        try:
            return self.schema.check(fitted(self._whole(items), root, root))
        except BadAnswer:
            return self.schema.check(fitted(self._whole(list(map(_label, items))), root, root))

    def _whole(self, items: list[Any]) -> Any:
        return items if self.member is None else {self.member: items}

    def _missing(self, missing: Sequence[int]) -> str:
        some = ", ".join(f"line {self.first + i} ({self._shown(i)})" for i in missing[:SHOWN_LINES])
        return f"{len(missing)} of the {len(self.lines)} lines have no item: {some}"

    def _paired(self, items: Sequence[Any]) -> str:
        """Return which line each item fell on, so that the model sees where it left one out."""
        n, first = len(self.lines), self.first
        pairs = "; ".join(
            f"{first + i} ({self._shown(i)}) {item!r}" for i, item in enumerate(items[: min(n, SHOWN_LINES)])
        )
        wrong = f"{len(items) - n} are too many"
        if len(items) < n:
            wrong = f"none is left for line {first + len(items)} ({self._shown(len(items))}) to the last"
        return f"{len(items)} items for {n} lines, {wrong}. As they fall on the lines: {pairs}"

    def _shown(self, place: int) -> str:
        text = " ".join(NUMBERED.sub("", self.lines[place]).split())
        return repr(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…")


_ANYTHING = AnswerSchema({"type": ["array", "object"]})


def list_in(schema: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]] | None:
    """Return the list that is the answer, or its only member: its name (None for the answer), and schema."""
    root = resolved(schema, schema)
    if not isinstance(root, Mapping):
        return None
    if root.get("type") == "array":
        return None, root
    members = list(object_items(root.get("properties")))
    if len(members) != 1 or "$ref" in schema:
        return None
    [(name, inner)] = members
    return (name, inner) if isinstance(inner, Mapping) and inner.get("type") == "array" else None


def labels_lines(schema: Mapping[str, Any], prompt: str, text: str, *, given_as_lines: bool) -> bool:
    """Whether the answer is a list of labels of which each line of the text gets one.

    A list that names its own bounds, or whose items must differ, is none. The program must have given the
    text as a list of lines, or numbered them, or the prompt must ask for all of them, since a text of several
    lines may also be asked which labels apply to it as a whole.
    """
    found = list_in(schema)
    if found is None or any(name in found[1] for name in _BOUNDS):
        return False
    if not given_as_lines and not _is_label(found[1].get("items"), schema):
        return False
    lines = lines_of(text)
    if not 1 < len(lines) <= MAX_LINES:
        return False
    return given_as_lines or bool(listed(text)) or are_numbered(lines) or _EACH.search(prompt) is not None


def asks_for_labels(schema: object) -> bool:
    """Whether an answer, or each item of it, is one of some choices."""
    if not isinstance(schema, dict):
        return False
    found = list_in(schema)
    items = schema if found is None else found[1].get("items")
    own = resolved(items, schema)
    return isinstance(own, Mapping) and (bool(choices(own, schema)) or own.get("type") == "boolean")


def items_of_lines(schema: object, prompt: str, text: str, value: object, *, given_as_lines: bool) -> Any:
    """Return the items of an answer if each is about a line of the text, in order; None if they are not.

    A list that happens to be as long as the text counts only if the prompt asks for each line, and the
    program numbered them or asked for labels.
    """
    lines = lines_of(text)
    if isinstance(schema, dict) and (found := list_in(schema)) is not None:
        items = value.get(found[0]) if isinstance(value, dict) and found[0] is not None else value
        is_label = _is_label(found[1].get("items"), schema)
    else:
        numbered_reply = value.splitlines() if isinstance(value, str) and len(lines) > 1 else []
        items = [NUMBERED.sub("", line).strip() for line in numbered_reply if line.strip()]
        is_label = bool(items) and are_numbered(lines_of(str(value)))
    if not isinstance(items, list) or len(items) != len(lines) or len(lines) < 2:  # noqa: PLR2004 - a list
        return None
    in_order = given_as_lines or bool(listed(text)) or are_numbered(lines)
    each = _EACH.search(prompt) is not None
    return list(map(_label, items)) if (in_order or each) and (is_label or (in_order and each)) else None


def counted(schema: Mapping[str, Any], n: int) -> dict[str, Any]:
    """Return the schema with the number of items of its list."""
    found = list_in(schema)
    if found is None:
        raise ValueError("the schema has no list")
    name, inner = found
    fixed = {**inner, "minItems": n, "maxItems": n}
    if name is not None:
        return {**schema, "properties": {name: fixed}}
    outside = {key: schema[key] for key in ("$defs", "definitions", "$schema") if key in schema}
    return {**outside, **fixed}


def numbered(lines: Sequence[object]) -> str:
    """Return a list of lines as a text that numbers them from 1 on. Raises: `HostError`."""
    for line in lines:
        if not isinstance(line, str):
            raise HostError(
                f"text is a str or a list of str, one for each line, not of {type(line).__name__}"
            )
    return "\n".join(f"{n}. {' '.join(str(line).split())}" for n, line in enumerate(lines, start=1))


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that hold anything, or the strings of a list that a program wrote out."""
    return listed(text) or [line for line in text.splitlines() if line.strip()]


def listed(text: str) -> list[str]:
    """Return the strings of a list as JSON or Python writes it; nothing if the text is no such list."""
    written = text.strip()
    if written[:1] + written[-1:] != "[]":
        return []
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            value = read(written)
            is_lines = isinstance(value, list) and all(isinstance(each, str) for each in value)
            return [each for each in value if each.strip()] if is_lines else []
    return []


def are_numbered(lines: Sequence[str]) -> bool:
    """Whether a program numbered the lines one by one, from whatever number."""
    numbers = [int(found[1]) for line in lines if (found := NUMBERED.match(line))]
    return len(numbers) == len(lines) and all(b == a + 1 for a, b in pairwise(numbers))


def _number_before(line: str) -> int:
    found = NUMBERED.match(line)
    return int(found[1]) if found else 1


def _is_label(items: Any, root: Mapping[str, Any]) -> bool:
    """Whether an item is one of some choices, or an object with such a member and few others."""
    own = resolved(items, root)
    if not isinstance(own, Mapping):
        return False
    if choices(own, root) or own.get("type") == "boolean":
        return True
    members = dict(object_items(own.get("properties")))
    names = {name.casefold() for name in members}
    return bool(names & _NUMBER_NAMES) or any(_is_label(inner, root) for inner in members.values())


def _numbered(value: Any) -> dict[int, Any] | None:
    """Return items by the numbers that the model gave them; None if it gave none."""
    if isinstance(value, dict):
        found = {int(key.strip("# .")): item for key, item in value.items() if key.strip("# .").isdecimal()}
        return found if found and len(found) == len(value) else None
    numbers = list(map(_number_of, value)) if isinstance(value, list) else []
    if not numbers or None in numbers:
        return None
    return {number: item for number, item in zip(numbers, value, strict=True) if number is not None}


def _numbered_words(reply: str) -> dict[int, Any] | None:
    """Return what stands behind the numbers at the beginnings of lines."""
    found = [(match, line) for line in lines_of(reply) if (match := NUMBERED.match(line))]
    return {int(match[1]): line[match.end() :].strip() for match, line in found[:MAX_LINES]} or None


def _number_of(item: Any) -> int | None:
    """Return the number that an item has as a member."""
    if not isinstance(item, dict):
        return None
    for key, inner in item.items():
        if key.casefold() in _NUMBER_NAMES and isinstance(inner, int) and not isinstance(inner, bool):
            return inner
    return None


def _label(item: Any) -> Any:
    """Return an item without its number, and without the object around what is left."""
    if _number_of(item) is None:
        return item
    rest = {key: inner for key, inner in item.items() if key.casefold() not in _NUMBER_NAMES}
    return next(iter(rest.values())) if len(rest) == 1 else rest
