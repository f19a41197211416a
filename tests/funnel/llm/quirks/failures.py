"""Quirks of errors that pass: the call is made again."""

from __future__ import annotations

import time
from email.utils import formatdate

from quirks.quirk import OK, UNAVAILABLE, Quirk, fails, worded

PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>nginx"

FOR_NOW = (
    Quirk("too many requests, without more", "any", (worded(429, "Rate limit reached"), OK), requests=2),
    Quirk("too many requests, wait in seconds", "any", (fails(429, b"", Retry_After="0"), OK), requests=2),
    Quirk(
        "too many requests, wait in parts of a second",
        "Azure",
        (fails(429, b"", retry_after_ms="20"), OK),
        requests=2,
    ),
    Quirk(
        "too many requests, wait until a date in the past",
        "a clock that is slow",
        (fails(429, b"", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), OK),
        requests=2,
    ),
    Quirk(
        "too many requests, wait for nonsense",
        "gateways",
        (fails(429, b"", Retry_After="soon"), OK),
        requests=2,
    ),
    Quirk(
        "too many requests, wait for less than nothing",
        "gateways",
        (fails(429, b"", Retry_After="-5"), OK),
        requests=2,
    ),
    Quirk(
        "a page of a gateway",
        "nginx",
        (fails(502, PAGE, "text/html"),) * 3,
        error=UNAVAILABLE,
        says=("HTTP 502", "after 3 attempts"),
        never=("<", "nginx"),
        requests=3,
    ),
    Quirk("a gateway fails once", "nginx", (fails(502, PAGE, "text/html"), OK), requests=2),
    Quirk(
        "the model is being loaded",
        "llama.cpp",
        (worded(503, "Loading model", type="unavailable_error", code=503), OK),
        requests=2,
    ),
    Quirk(
        "the model is being loaded, in Hugging Face's words",
        "TGI",
        (fails(503, {"error": "Model m is currently loading", "estimated_time": 20.0}), OK),
        requests=2,
    ),
    Quirk(
        "the gateway has waited too long",
        "Cloudflare",
        (fails(524, b"error code: 524", "text/plain"), OK),
        requests=2,
    ),
    Quirk(
        "an unknown error of the gateway", "Cloudflare", (fails(520, b"<html>", "text/html"), OK), requests=2
    ),
    Quirk(
        "the provider is overloaded",
        "Anthropic",
        (fails(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), OK),
        requests=2,
    ),
    Quirk("a conflict", "any", (worded(409, "The deployment is being updated."), OK), requests=2),
    Quirk(
        "the request took too long to arrive", "HAProxy", (fails(408, b"<html>", "text/html"), OK), requests=2
    ),
    Quirk(
        "a 500 with a provider's words",
        "OpenRouter",
        (worded(500, "Provider returned error", metadata={"raw": "cuda out of memory"}),) * 3,
        error=UNAVAILABLE,
        says=("cuda out of memory",),
        requests=3,
    ),
    Quirk(
        "too many requests, wait as the details say",
        "Gemini",
        (
            fails(
                429,
                [
                    {
                        "error": {
                            "code": 429,
                            "message": "Resource exhausted",
                            "status": "RESOURCE_EXHAUSTED",
                            "details": [
                                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
                            ],
                        }
                    }
                ],
            ),
            OK,
        ),
        requests=2,
    ),
    Quirk(
        "too many requests, as a 400",
        "gateways",
        (worded(400, "Provider returned error", code=429), OK),
        requests=2,
    ),
    Quirk("unavailable, wait for no time", "any", (fails(503, b"", Retry_After="0"), OK), requests=2),
    Quirk("the gateway's client has left", "nginx", (fails(499), OK), requests=2),
    Quirk(
        "a wait until a date",
        "any",
        (lambda _body: fails(429, Retry_After=formatdate(time.time() + 1, usegmt=True)), OK),
        requests=2,
    ),
)
