"""The chat completions format: converts a Request to a body, a body to a Completion; does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from funnel.errors import LLMBadResponse
from funnel.llm.base import Completion, Request


class _Part(BaseModel):
    text: str = ""


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


class _ChatCompletion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: _Usage | None = None


def request_body(model: str, request: Request) -> dict[str, Any]:
    """Return the body for a request to an endpoint that accepts everything."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": _sendable(m.content)} for m in request.messages],
        "max_completion_tokens": request.max_output_tokens,
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.schema is not None:
        schema = dict(request.schema)
        # Strict mode rejects schemas outside its subset. Without strict mode they still guide the model.
        wrapped = {"name": "answer", "schema": schema, "strict": _is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": wrapped}
    return body


def parse_completion(content: bytes, request: Request, *, model: str, endpoint: str) -> Completion:
    """Return the completion in a body. If the body states no usage, upper bounds are used.

    Raises: `LLMBadResponse` if the body is not a chat completion.
    """
    try:
        parsed = _ChatCompletion.model_validate_json(content)
    except ValidationError as exc:
        raise LLMBadResponse(model, endpoint, _describe_error(content, exc)) from None
    choice = parsed.choices[0]
    refusal = choice.message.refusal
    answer = choice.message.content
    text = "".join(part.text for part in answer) if isinstance(answer, list) else answer
    usage = parsed.usage
    return Completion(
        text=text or refusal or "",
        model=parsed.model or model,
        input_tokens=usage.prompt_tokens if usage else request.estimated_input_tokens(),
        output_tokens=usage.completion_tokens if usage else len((text or "").encode()) // 2 + 8,
        finish_reason="refusal" if refusal else choice.finish_reason or "stop",
        estimated=usage is None,
    )


def model_names(content: bytes) -> list[str] | None:
    """Return the names in a list of models, sorted; None if the body is not such a list."""
    try:
        return sorted(model.id for model in _Models.model_validate_json(content).data)
    except ValidationError:
        return None


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


def _describe_error(content: bytes, exc: ValidationError) -> str:
    start = content[:200].decode("utf-8", "replace").lstrip()
    if not start:
        return "an empty body"
    if start.startswith("<"):
        return "a page of HTML or XML"
    first = exc.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "a body that is not JSON"
    where = ".".join(str(step) for step in first["loc"])
    return f"{where or 'the body'}: {first['msg']}, in {' '.join(start.split())[:120]!r}"
