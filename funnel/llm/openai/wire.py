"""The chat completions format: converts a Request to a body, and a body to a list of models; does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funnel.llm.base import Request

_KINDS = frozenset({"type", "enum", "const", "anyOf", "$ref"})
"""Strict mode wants one of these in every schema."""
_STRICT_KEYWORDS = _KINDS | {
    "properties", "required", "additionalProperties", "items", "$defs", "definitions", "description", "title",
    "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minItems", "maxItems",
}  # fmt: skip


def request_body(model: str, request: Request) -> dict[str, Any]:
    """Return the body for a request to an endpoint that accepts everything."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": _sendable(m.content)} for m in request.messages],
        "max_completion_tokens": request.max_output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.schema is not None:
        schema = dict(request.schema)
        # Strict mode rejects schemas outside its subset. Without strict mode they still guide the model.
        wrapped = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": wrapped}
    return body


def _sendable(text: str) -> str:
    """Replace lone surrogates, which a document may hold but which cannot be encoded as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _is_strict(schema: Any) -> bool:
    """Whether strict mode accepts a schema: with these keywords only, all members required, and no others."""
    if not isinstance(schema, Mapping) or not schema.keys() <= _STRICT_KEYWORDS:
        return False
    if schema.keys().isdisjoint(_KINDS):
        return False
    properties = schema.get("properties", {})
    if "properties" in schema or schema.get("type") == "object":
        required = set(schema.get("required", ()))
        if required != set(properties) or schema.get("additionalProperties") is not False:
            return False
    inner = [*properties.values(), *schema.get("anyOf", ())]
    inner += [each for name in ("$defs", "definitions") for each in schema.get(name, {}).values()]
    inner += [schema["items"]] if "items" in schema else []
    return all(_is_strict(each) for each in inner)
