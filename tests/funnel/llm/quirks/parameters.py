"""Quirks of what an endpoint does not know: it is asked again without."""

from __future__ import annotations

from typing import Any

from quirks.quirk import FULL, OK, Quirk, fails, worded

NO_MORE: dict[str, Any] = {"request": FULL, "requests": 2}

PARAMETERS = (
    Quirk(
        "the temperature is refused",
        "OpenAI",
        (
            worded(
                400,
                "Unsupported value: 'temperature' does not support 0.2 with this model. "
                "Only the default (1) value is supported.",
                param="temperature",
                code="unsupported_value",
            ),
            OK,
        ),
        lacks=("temperature",),
        **NO_MORE,
    ),
    Quirk(
        "the schema is refused",
        "DeepSeek",
        (worded(400, "This response_format type is unavailable now", type="invalid_request_error"), OK),
        lacks=("response_format",),
        **NO_MORE,
    ),
    Quirk(
        "the schema is refused, not by name",
        "gateways",
        (worded(400, "This model does not support structured output"), OK),
        lacks=("response_format",),
        **NO_MORE,
    ),
    Quirk(
        "the schema is refused by pydantic",
        "FastAPI servers",
        (
            fails(
                422,
                {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "response_format"],
                            "msg": "Extra inputs are not permitted",
                        }
                    ]
                },
            ),
            OK,
        ),
        lacks=("response_format",),
        **NO_MORE,
    ),
    Quirk(
        "the older name of the limit is refused",
        "OpenAI",
        (
            worded(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                param="max_tokens",
            ),
            OK,
        ),
        lacks=("max_tokens",),
        sends={"max_completion_tokens": 100},
        **NO_MORE,
    ),
    Quirk(
        "the usage of a stream is refused",
        "older vLLM",
        (
            fails(
                400,
                {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "stream_options"],
                            "msg": "Extra inputs are not permitted",
                        }
                    ]
                },
            ),
            OK,
        ),
        lacks=("stream_options",),
        sends={"stream": True},
        **NO_MORE,
    ),
    Quirk(
        "streams are refused",
        "gateways",
        (worded(400, "Streaming is not supported for this model", param="stream"), OK),
        lacks=("stream",),
        **NO_MORE,
    ),
    Quirk(
        "a system message is refused",
        "Gemma on vLLM",
        (worded(400, "System role not supported"), OK),
        sends={"messages": [{"role": "user", "content": "Be brief.\n\nHow long?"}]},
        **NO_MORE,
    ),
    Quirk(
        "a system message is refused, as an instruction",
        "Gemma at Gemini",
        (
            fails(
                400,
                [
                    {
                        "error": {
                            "code": 400,
                            "message": "Developer instruction is not enabled for models/gemma",
                            "status": "INVALID_ARGUMENT",
                        }
                    }
                ],
            ),
            OK,
        ),
        sends={"messages": [{"role": "user", "content": "Be brief.\n\nHow long?"}]},
        **NO_MORE,
    ),
    Quirk(
        "something is refused, and it does not say what",
        "Gemini",
        (
            fails(
                400,
                [
                    {
                        "error": {
                            "code": 400,
                            "message": "Request contains an invalid argument.",
                            "status": "INVALID_ARGUMENT",
                        }
                    }
                ],
            ),
            OK,
        ),
        lacks=("temperature", "response_format"),
        **NO_MORE,
    ),
    Quirk(
        "something is refused without a word",
        "gateways",
        (fails(400), OK),
        lacks=("temperature", "response_format"),
        **NO_MORE,
    ),
)
