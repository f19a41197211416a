"""Quirks of errors that stay, whatever is done: with a status of HTTP."""

from __future__ import annotations

import gzip
from base64 import b64encode

from quirks.quirk import BAD, KEY, REFUSED, Quirk, fails, worded
from quirks.streams import stream

from funnel.errors import ContextTooLong

LONG = "Go away. " * 100_000

FOR_GOOD = (
    Quirk(
        "the key is wrong",
        "OpenAI",
        (worded(401, "Incorrect API key provided: sk-very***", code="invalid_api_key"),),
        error=REFUSED,
        says=("HTTP 401", "Check OPENAI_API_KEY"),
    ),
    Quirk(
        "the key comes back in the message",
        "gateways",
        (worded(401, f"Bearer {KEY} is not known."),),
        error=REFUSED,
        says=("HTTP 401", "is not known"),
    ),
    Quirk(
        "a firewall refuses",
        "Cloudflare",
        (fails(403, b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>", "text/html"),),
        error=REFUSED,
        says=("HTTP 403", "Attention Required!"),
        never=("<",),
    ),
    Quirk(
        "the account has no money",
        "OpenRouter",
        (worded(402, "Insufficient credits. Add more using https://openrouter.ai/credits", code=402),),
        error=REFUSED,
        says=("HTTP 402", "Insufficient credits", "billing"),
    ),
    Quirk(
        "the quota is used up, as a 429",
        "OpenAI",
        (
            worded(
                429, "You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota"
            ),
        ),
        error=REFUSED,
        says=("exceeded your current quota", "billing"),
    ),
    Quirk(
        "the balance is used up",
        "DeepSeek",
        (worded(402, "Insufficient Balance", type="unknown_error"),),
        error=REFUSED,
        says=("Insufficient Balance", "billing"),
    ),
    Quirk(
        "the model is unknown",
        "vLLM",
        (
            fails(
                404,
                {
                    "object": "error",
                    "message": "The model `m` does not exist.",
                    "type": "NotFoundError",
                    "code": 404,
                },
            ),
        ),
        error=REFUSED,
        says=("The model `m` does not exist", "FUNNEL_MODEL"),
        never=("ends where the API begins",),
    ),
    Quirk(
        "the model is not there yet",
        "Ollama",
        (worded(404, "model 'm' not found, try pulling it first", type="api_error"),),
        error=REFUSED,
        says=("try pulling it first", "FUNNEL_MODEL"),
        never=("ends where the API begins",),
    ),
    Quirk(
        "the path is wrong",
        "FastAPI servers",
        (fails(404, {"detail": "Not Found"}),),
        error=REFUSED,
        says=("HTTP 404", "OPENAI_BASE_URL ends where the API begins"),
    ),
    Quirk(
        "the path is wrong, in HTML",
        "nginx",
        (fails(404, b"<html><h1>404 Not Found</h1>", "text/html"),),
        error=REFUSED,
        says=("HTTP 404", "OPENAI_BASE_URL ends where the API begins"),
        never=("<h1>",),
    ),
    Quirk(
        "the method is wrong",
        "a web page",
        (fails(405, b"Method Not Allowed", "text/plain"),),
        error=REFUSED,
        says=("HTTP 405", "OPENAI_BASE_URL"),
    ),
    Quirk(
        "the error in a list",
        "Gemini",
        (
            fails(
                403,
                [
                    {
                        "error": {
                            "code": 403,
                            "message": "Your project has been denied access.",
                            "status": "PERMISSION_DENIED",
                        }
                    }
                ],
            ),
        ),
        error=REFUSED,
        says=("HTTP 403", "denied access"),
    ),
    Quirk(
        "the prompt is refused by a filter",
        "Azure",
        (
            worded(
                400,
                "The response was filtered due to the prompt triggering content management policy.",
                code="content_filter",
                param="prompt",
            ),
        ),
        error=REFUSED,
        says=("content management policy",),
    ),
    Quirk(
        "an error in plain words",
        "corporate gateways",
        (fails(403, b"Policy 17: model m is blocked for you.", "text/plain"),),
        error=REFUSED,
        says=("HTTP 403", "Policy 17: model m is blocked"),
    ),
    Quirk("an error without a word", "proxies", (fails(403),), error=REFUSED, says=("HTTP 403",)),
    Quirk(
        "an error whose message is an object",
        "gateways",
        (fails(403, {"message": {"text": "no access to m"}}),),
        error=REFUSED,
        says=("HTTP 403", "no access to m"),
    ),
    Quirk(
        "an error in other names",
        "MiniMax",
        (fails(403, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}),),
        error=REFUSED,
        says=("HTTP 403", "login fail"),
    ),
    Quirk(
        "an error of a million letters",
        "gateways that echo",
        (worded(403, LONG),),
        error=REFUSED,
        says=("HTTP 403", "Go away"),
    ),
    Quirk(
        "an error with colours and bells",
        "a server in a terminal",
        (worded(403, "\x1b[31mdenied\x07\r\n\u202eby rule\u2028 7"),),
        error=REFUSED,
        says=("HTTP 403", "denied"),
    ),
    Quirk(
        "an error that is no UTF-8",
        "gateways on Windows",
        (fails(403, "Zugriff für m gesperrt".encode("latin-1"), "text/plain; charset=latin-1"),),
        error=REFUSED,
        says=("HTTP 403", "Zugriff f"),
    ),
    Quirk(
        "an error in gzip",
        "nginx",
        (fails(403, gzip.compress(b'{"error": {"message": "no access"}}'), Content_Encoding="gzip"),),
        error=REFUSED,
        says=("HTTP 403", "no access"),
    ),
    Quirk(
        "a page in place of the API",
        "a login page",
        (fails(302, b"", Location="/login"), fails(200, b"<html>Log in", "text/html")),
        error=BAD,
        says=("a page of HTML", "OPENAI_BASE_URL"),
        requests=2,
    ),
    Quirk(
        "the model is unknown, as a 400",
        "LM Studio",
        (
            worded(
                400,
                'Invalid model identifier "m". Please specify a valid downloaded model.',
                type="invalid_request_error",
                code="model_not_found",
            ),
        ),
        error=REFUSED,
        says=("Invalid model identifier", "FUNNEL_MODEL"),
    ),
    Quirk(
        "nobody serves the model",
        "OpenRouter",
        (worded(404, "No endpoints found for m.", code=404),),
        error=REFUSED,
        says=("No endpoints found for m", "FUNNEL_MODEL"),
        never=("ends where the API begins",),
    ),
    Quirk(
        "the key is wrong, as a 500",
        "gateways",
        (worded(500, "Incorrect API key provided", code="invalid_api_key"),),
        error=REFUSED,
        says=("Incorrect API key", "OPENAI_API_KEY"),
    ),
    Quirk(
        "the key comes back in base64",
        "gateways",
        (worded(401, f"Basic {b64encode(KEY.encode()).decode()} is not known"),),
        error=REFUSED,
        says=("is not known",),
        never=(b64encode(KEY.encode()).decode(),),
    ),
    Quirk(
        "a key of one letter",
        "servers at home",
        (worded(403, "exceeds the context of x"),),
        key="local-x",
        error=REFUSED,
        says=("exceeds the context of x",),
    ),
)

TOO_LONG = (
    Quirk(
        "the window is too small",
        "OpenAI",
        (
            worded(
                400,
                "This model's maximum context length is 8192 tokens. "
                "However, your messages resulted in 9214 tokens. "
                "Please reduce the length of the messages.",
                code="context_length_exceeded",
                param="messages",
            ),
        ),
        error=ContextTooLong,
        says=("8192 tokens",),
    ),
    Quirk(
        "the window is too small for the output",
        "vLLM",
        (
            fails(
                400,
                {
                    "object": "error",
                    "message": "This model's maximum context length is 8192 tokens. "
                    "However, you requested 8292 tokens (192 in the messages, 8100 in the completion).",
                    "type": "BadRequestError",
                    "code": 400,
                },
            ),
        ),
        error=ContextTooLong,
        says=("8192 tokens",),
    ),
    Quirk(
        "the window is too small, by another name",
        "llama.cpp",
        (
            worded(
                400,
                "request (5031 tokens) exceeds the available context size (2048 tokens), try increasing it",
                type="exceed_context_size_error",
                n_prompt_tokens=5031,
                n_ctx=2048,
            ),
        ),
        error=ContextTooLong,
        says=("2048 tokens",),
    ),
    Quirk(
        "the window is too small, said in a stream",
        "LM Studio",
        stream(
            b"event: error\n"
            b'data: {"error": {"message": "Tokens to keep are greater than the context length."}}\n\n'
        ),
        error=ContextTooLong,
        says=("context length",),
    ),
    Quirk(
        "the window is too small, as a 500",
        "llama-cpp-python",
        (worded(500, "Requested tokens (5031) exceed context window of 2048"),),
        error=ContextTooLong,
        says=("2048",),
    ),
    Quirk(
        "the body is too large for the proxy",
        "nginx",
        (fails(413, b"<html><h1>413 Request Entity Too Large</h1>", "text/html"),),
        error=ContextTooLong,
        says=("HTTP 413",),
        never=("<h1>",),
    ),
)

REFUSALS = (*FOR_GOOD, *TOO_LONG)
