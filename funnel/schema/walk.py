"""Walks the subschemas and references of a JSON Schema; validates nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

_LIST_KEYWORDS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAP_KEYWORDS = ("properties", "dependentSchemas", "dependencies", "$defs", "definitions")
_SINGLE_KEYWORDS = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
    "unevaluatedProperties", "propertyNames", "not", "if", "then", "else",
)  # fmt: skip
_IN_PLACE_KEYWORDS = (
    "allOf", "anyOf", "oneOf", "dependentSchemas", "dependencies", "not", "if", "then", "else",
)  # fmt: skip
"""Keywords whose subschemas apply to the value itself, not to a part of it."""
_SUBSCHEMA_KEYWORDS = (*_LIST_KEYWORDS, *_MAP_KEYWORDS, *_SINGLE_KEYWORDS)
_MAX_REFERENCES = 8
"""How many references are followed one after another."""


def subschemas(root: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `root` and every schema inside it, each with its JSON path. Data such as `enum` is skipped."""
    todo: list[tuple[str, Any]] = [("$", root)]
    while todo:
        where, schema = todo.pop()
        if isinstance(schema, dict):
            yield where, schema
            todo += [(f"{where}.{step}", inner) for step, inner in _inner(schema, _SUBSCHEMA_KEYWORDS)]


def as_definition(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy for use as the definition `name`: references to its root become `#/$defs/name`.

    Its own definitions stay inside; the caller moves them to the root.
    """
    moved = deepcopy(dict(schema))
    for _, inner in subschemas(moved):
        if inner.get("$ref") == "#":
            inner["$ref"] = f"#/$defs/{name}"
    return moved


def resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """Return what a schema refers to, or the schema itself; a reference that leads nowhere gives {}."""
    for _ in range(_MAX_REFERENCES):
        ref = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(ref, str):
            return schema
        if ref == "#":
            schema = root
        else:
            _, keyword, name = [*ref.split("/"), "", ""][:3]
            schema = dict(object_items(root.get(keyword))).get(name, {})
    return {}


def _inner(schema: Mapping[str, Any], keywords: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for keyword in keywords:
        value = schema.get(keyword)
        if isinstance(value, list):
            yield from ((f"{keyword}[{i}]", inner) for i, inner in enumerate(value))
        elif keyword in _MAP_KEYWORDS:
            yield from ((f"{keyword}.{name}", inner) for name, inner in object_items(value))
        elif value is not None:
            yield keyword, value


def object_items(value: object) -> Iterator[tuple[str, Any]]:
    """Yield the members of a JSON object; nothing if the value is not an object."""
    if isinstance(value, dict):
        yield from value.items()


def refs_in_place(root: Any) -> set[str]:
    """Return the references that apply to the value itself, not to a part of it."""
    refs = set()
    todo = [root]
    while todo:
        schema = todo.pop()
        if isinstance(schema, dict):
            if isinstance(schema.get("$ref"), str):
                refs.add(schema["$ref"])
            todo += [inner for _, inner in _inner(schema, _IN_PLACE_KEYWORDS)]
    return refs


def find_cycle(edges: Mapping[str, set[str]]) -> str | None:
    """Return a name on a cycle of the graph; None if there is no cycle.

    Names without successors are removed until none is left.
    """
    remaining = dict(edges)
    while remaining:
        ends = [name for name, targets in remaining.items() if not targets & remaining.keys()]
        if not ends:
            return _name_on_cycle(remaining)
        for name in ends:
            del remaining[name]
    return None


def _name_on_cycle(edges: Mapping[str, set[str]]) -> str:
    """Return a name on a cycle of a graph in which every name has a successor."""
    name, seen = min(edges), set[str]()
    while name not in seen:
        seen.add(name)
        name = min(edges[name] & edges.keys())
    return name
