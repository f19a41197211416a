"""The schemas inside a JSON Schema, and where its references lead; checks nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "dependentSchemas", "dependencies", "$defs", "definitions")
_ONES = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
    "unevaluatedProperties", "propertyNames", "not", "if", "then", "else",
)  # fmt: skip
_IN_PLACE = ("allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies", "not", "if", "then", "else")
"""Keywords whose schemas are applied to the same value, not to a part of it."""


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
            yield from ((f"{keyword}.{name}", inner) for name, inner in members(held))
        elif held is not None:
            yield keyword, held


def members(held: object) -> Iterator[tuple[str, Any]]:
    """What an object holds; nothing where it is none."""
    if isinstance(held, dict):
        yield from held.items()


def refs_in_place(root: Any) -> set[str]:
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


def loop(edges: Mapping[str, set[str]]) -> str | None:
    """A name from which one comes back to it, or None: what leads nowhere is taken away until nothing is."""
    left = dict(edges)
    while left:
        ends = [name for name, targets in left.items() if not targets & left.keys()]
        if not ends:
            return _around(left)
        for name in ends:
            del left[name]
    return None


def _around(edges: Mapping[str, set[str]]) -> str:
    """A name on a circle, where every name leads on."""
    name, seen = min(edges), set[str]()
    while name not in seen:
        seen.add(name)
        name = min(edges[name] & edges.keys())
    return name
