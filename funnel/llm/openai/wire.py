"""The chat completions format: converts a Request to a body, and a body to a list of models; does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funnel.llm.base import Request


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
    """Whether every object in the schema lists all its properties as required and allows no other."""
    if isinstance(schema, list):
        return all(_is_strict(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    if "properties" in schema or schema.get("type") == "object":
        names = set(schema.get("properties", {}))
        if set(schema.get("required", ())) != names or schema.get("additionalProperties") is not False:
            return False
    return all(_is_strict(value) for value in schema.values())
