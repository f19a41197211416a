"""Finds the value that a schema asks for in a reply that is not, or not only, JSON; checks nothing.

Small models put words around a value, leave out its quotes, write a list line by line, or give a member its
own object. What they mean is often plain, and a repair would cost another call.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from funnel.schema import bare
from funnel.schema.json_values import MAX_VALUE_CHARS
from funnel.schema.walk import object_items, resolved
from funnel.text.thoughts import part

MAX_TRIED = 20
"""How many readings of one reply are checked."""
_MAX_STARTS = 50
_MAX_DEPTH = 16
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_BRACKET = re.compile(r"[\[{]")
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
_DECODER = json.JSONDecoder(strict=False)


def readings(reply: str, schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what a reply may mean as a value of the schema, the likeliest first; thoughts are left out."""
    if len(reply) > MAX_VALUE_CHARS:
        return
    text = part(reply).text.strip()
    values = list(_json_in(text))
    for value in reversed(values):
        yield value
        yield fitted(value, schema, schema)
    for literal in _almost_json(text):
        yield fitted(literal, schema, schema)
    if not _is_json(text):
        blocks = [block.strip() for block in _FENCE.findall(text)]
        for words in (*reversed(blocks), text):
            yield from bare.values(words, schema, schema)


def fitted(value: Any, schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value with a wrapping object or list taken off, and choices spelled as the schema does."""
    own = resolved(schema, root)
    if depth > _MAX_DEPTH or not isinstance(own, Mapping):
        return value
    known = bare.choices(own, root)
    properties = dict(object_items(own.get("properties")))
    if isinstance(value, list) and own.get("type") == "object" and _holds_list(properties, root):
        value = dict.fromkeys(properties, value)
    if _is_wrapped(value, own.get("type"), properties, known):
        [inner] = value.values() if isinstance(value, dict) else value
        value = fitted(inner, own, root, depth + 1)
    elif isinstance(value, str) and known:
        value = bare.choice(value, known, value)
    elif isinstance(value, list):
        value = [fitted(item, own.get("items", {}), root, depth + 1) for item in value]
    elif isinstance(value, dict):
        value = {key: fitted(item, properties.get(key, {}), root, depth + 1) for key, item in value.items()}
    return value


def _holds_list(properties: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether the only member of an object is a list."""
    inner = [resolved(each, root) for each in properties.values()]
    return len(inner) == 1 and isinstance(inner[0], Mapping) and inner[0].get("type") == "array"


def _is_wrapped(value: Any, kind: Any, properties: Mapping[str, Any], known: bare.Choices) -> bool:
    """Whether a value of this kind, or one of these, is the only thing in an object or a list."""
    if not isinstance(value, (dict, list)) or len(value) != 1:
        return False
    if isinstance(value, list):
        return bool(known) or (kind is not None and kind != "array")
    if properties:
        return not properties.keys() & value.keys()
    return bool(known) or (kind is not None and kind != "object")


def _json_in(text: str) -> Iterator[Any]:
    """Yield the JSON values in a text that lie in no other, in order."""
    if _is_json(text):
        yield _DECODER.decode(text)
        return
    at, tried = 0, 0
    while (start := _BRACKET.search(text, at)) is not None and tried < _MAX_STARTS:
        tried += 1
        try:
            value, at = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.end()
            continue
        yield value


def _almost_json(text: str) -> Iterator[Any]:
    """Yield values that are JSON but for a trailing comma, or that Python writes so."""
    opening = [at for at in map(text.find, "[{") if at >= 0]
    whole = text[min(opening) : max(map(text.rfind, "]}")) + 1] if opening else ""
    for candidate in (*reversed(_FENCE.findall(text)), whole):
        if not candidate.strip():
            continue
        with suppress(ValueError, RecursionError):
            yield _DECODER.decode(_TRAILING_COMMA.sub(r"\1", candidate.strip()))
        # A literal is data: nothing in it is called.
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            yield ast.literal_eval(candidate.strip())


def _is_json(text: str) -> bool:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True
