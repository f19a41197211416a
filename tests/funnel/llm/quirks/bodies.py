"""Quirks of replies that come as one body."""

from __future__ import annotations

import gzip
import json

from chat_server import Reply
from quirks.quirk import BAD, TEXT, USAGE, Quirk, body, plain, said, states

COMPLETION = json.dumps(body()).encode()
HALF = COMPLETION.replace(b'"We', b'"\\ud83dWe')


def sent(payload: bytes, content_type: str = "application/json", **headers: str) -> Reply:
    return Reply(
        body=payload, content_type=content_type, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


USAGES = (
    Quirk("no usage", "older servers", (plain(usage=...),), tokens=None),
    Quirk("usage is null", "gateways", (plain(usage=None),), tokens=None),
    Quirk("usage is empty", "gateways", (states(),), tokens=None),
    Quirk("usage is a list", "gateways", (plain(usage=[]),), tokens=None),
    Quirk("usage lacks the output", "gateways", (states(prompt_tokens=21),), tokens=None),
    Quirk("usage lacks the input", "gateways", (states(completion_tokens=7),), tokens=None),
    Quirk(
        "usage in zeros",
        "gateways",
        (states(prompt_tokens=0, completion_tokens=0, total_tokens=0),),
        tokens=None,
    ),
    Quirk(
        "usage is null inside", "gateways", (states(prompt_tokens=None, completion_tokens=None),), tokens=None
    ),
    Quirk("usage below zero", "gateways", (states(prompt_tokens=-1, completion_tokens=-1),), tokens=None),
    Quirk("usage as floats", "gateways", (states(prompt_tokens=21.0, completion_tokens=7.0),)),
    Quirk(
        "usage in fractions", "gateways that estimate", (states(prompt_tokens=20.4, completion_tokens=6.5),)
    ),
    Quirk("usage as strings", "gateways", (states(prompt_tokens="21", completion_tokens="7"),)),
    Quirk(
        "usage in words", "gateways", (states(prompt_tokens="many", completion_tokens="few"),), tokens=None
    ),
    Quirk(
        "usage in Anthropic's names", "Anthropic behind gateways", (states(input_tokens=21, output_tokens=7),)
    ),
    Quirk("usage only in total, and of the input", "Gemini", (states(prompt_tokens=21, total_tokens=28),)),
    Quirk(
        "usage beyond all reason",
        "gateways",
        (states(prompt_tokens=2**63, completion_tokens=2**63),),
        tokens=None,
    ),
    Quirk(
        "cached tokens in the details",
        "OpenAI, vLLM, OpenRouter",
        (states(**USAGE, prompt_tokens_details={"cached_tokens": 16, "audio_tokens": None}),),
        cached=16,
    ),
    Quirk(
        "cached tokens beside the others",
        "DeepSeek",
        (states(**USAGE, prompt_cache_hit_tokens=16, prompt_cache_miss_tokens=5),),
        cached=16,
    ),
    Quirk("the details are null", "vLLM", (states(**USAGE, prompt_tokens_details=None),)),
    Quirk(
        "more cached tokens than tokens",
        "gateways",
        (states(**USAGE, prompt_tokens_details={"cached_tokens": 999}),),
        cached=21,
    ),
)

ENDS = (
    Quirk("no reason for the end", "gateways", (said(None, content=TEXT),)),
    Quirk("a number as the reason for the end", "Gemini behind gateways", (said(1, content=TEXT),)),
    Quirk("an object as the reason for the end", "gateways", (said({"type": "stop"}, content=TEXT),)),
    Quirk("eos as the reason for the end", "Together", (said("eos", content=TEXT),)),
    Quirk("eos_token as the reason for the end", "TGI", (said("eos_token", content=TEXT),)),
    Quirk(
        "end_turn as the reason for the end", "Anthropic behind gateways", (said("end_turn", content=TEXT),)
    ),
    Quirk("STOP in capitals", "Gemini behind gateways", (said("STOP", content=TEXT),)),
    Quirk(
        "MAX_TOKENS in capitals",
        "Gemini behind gateways",
        (said("MAX_TOKENS", content=TEXT),),
        finish="length",
    ),
    Quirk(
        "max_tokens as the reason for the end",
        "Anthropic behind gateways",
        (said("max_tokens", content=TEXT),),
        finish="length",
    ),
    Quirk(
        "the filter took the rest", "Azure", (said("content_filter", content=TEXT),), finish="content_filter"
    ),
)

MESSAGES = (
    Quirk(
        "the content in parts",
        "Mistral, vLLM",
        (said(content=[{"type": "text", "text": TEXT[:9]}, {"type": "text", "text": TEXT[9:]}]),),
    ),
    Quirk("null among the parts", "gateways", (said(content=[None, {"type": "text", "text": TEXT}]),)),
    Quirk("a part that is a string", "gateways", (said(content=[TEXT]),)),
    Quirk(
        "a part whose text is null",
        "gateways",
        (said(content=[{"type": "text", "text": None}, {"type": "text", "text": TEXT}]),),
    ),
    Quirk(
        "a part that is an image",
        "gateways",
        (
            said(
                content=[{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": TEXT}]
            ),
        ),
    ),
    Quirk(
        "a refusal in place of the content",
        "OpenAI",
        (said(content=None, refusal="I cannot."),),
        text="I cannot.",
        finish="refusal",
    ),
    Quirk(
        "a call of a tool in place of the content",
        "any",
        (
            said(
                "tool_calls",
                content=None,
                tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            ),
        ),
        text="",
        finish="tool_calls",
    ),
    Quirk("no content at all", "any", (said(),), text=""),
    Quirk(
        "half a surrogate pair in the content",
        "servers that cut between tokens",
        (sent(HALF),),
        text="\N{REPLACEMENT CHARACTER}" + TEXT,
    ),
    Quirk(
        "bytes that are no UTF-8 in the content",
        "servers that cut between tokens",
        (sent(COMPLETION.replace(b'"We', b'"\xffWe')),),
        text="\N{REPLACEMENT CHARACTER}" + TEXT,
    ),
    Quirk("the model's name is null", "gateways", (plain(model=None),)),
    Quirk("the model's name is a number", "gateways", (plain(model=7),)),
    Quirk("the id and the date are missing", "gateways", (plain(id=..., created=..., object=...),)),
    Quirk(
        "members that nobody documents",
        "Azure, Groq",
        (plain(prompt_filter_results=[{"prompt_index": 0}], x_groq={"id": "r"}, system_fingerprint=None),),
    ),
    Quirk(
        "a second choice",
        "any",
        (
            plain(
                choices=[
                    *body()["choices"],
                    {"index": 1, "finish_reason": "stop", "message": {"content": "No."}},
                ]
            ),
        ),
    ),
    Quirk(
        "the text where completions had it",
        "older servers",
        (plain(choices=[{"index": 0, "text": TEXT, "finish_reason": "stop"}]),),
    ),
    Quirk(
        "a message that is a string",
        "gateways",
        (plain(choices=[{"index": 0, "finish_reason": "stop", "message": TEXT}]),),
    ),
    Quirk(
        "the content is an object, read already",
        "gateways",
        (said(content={"days": 14}),),
        text='{"days": 14}',
    ),
)

ENVELOPES = (
    Quirk("it cannot stream, and sends one body", "gateways", (plain(),)),
    Quirk("a BOM before the JSON", "gateways on Windows", (sent(b"\xef\xbb\xbf" + COMPLETION),)),
    Quirk(
        "empty lines before the JSON, to keep the connection", "DeepSeek", (sent(b"\n" * 40 + COMPLETION),)
    ),
    Quirk(
        "JSON that is called text/plain",
        "corporate proxies",
        (sent(COMPLETION, "text/plain; charset=utf-8"),),
    ),
    Quirk("JSON that is called text/html", "gateways", (sent(COMPLETION, "text/html"),)),
    Quirk("JSON that is called an event stream", "gateways", (sent(COMPLETION, "text/event-stream"),)),
    Quirk("JSON in gzip", "nginx", (sent(gzip.compress(COMPLETION), Content_Encoding="gzip"),)),
    Quirk(
        "NaN among the numbers",
        "servers in Python",
        (sent(COMPLETION.replace(b'"created": 1', b'"created": NaN')),),
    ),
    Quirk(
        "an empty body",
        "gateways",
        (sent(b""),),
        error=BAD,
        says=("an empty body",),
        never=("OPENAI_BASE_URL",),
    ),
    Quirk(
        "a page of a proxy in place of the reply",
        "captive portals",
        (sent(b"<!DOCTYPE html><html><body>Log in", "text/html"),),
        error=BAD,
        says=("a page of HTML", "OPENAI_BASE_URL"),
        never=("<html>",),
    ),
    Quirk("the reply is null", "gateways", (sent(b"null"),), error=BAD, says=("not a chat completion",)),
    Quirk("the reply is a list", "gateways", (sent(b"[1, 2]"),), error=BAD, says=("not a chat completion",)),
    Quirk(
        "the reply is another API's",
        "a wrong path",
        (sent(b'{"output": [], "object": "response"}'),),
        error=BAD,
        says=("no choices",),
    ),
    Quirk(
        "half a body",
        "gateways that restart",
        (sent(COMPLETION[:60]),) * 3,
        error=BAD,
        says=("not JSON",),
        never=("OPENAI_BASE_URL",),
    ),
    Quirk(
        "a warning before the JSON", "PHP gateways", (sent(b"Warning: headers already sent\n" + COMPLETION),)
    ),
    Quirk("a remark after the JSON", "corporate proxies", (sent(COMPLETION + b"\n<!-- 3 ms -->"),)),
)

BODIES = (*USAGES, *ENDS, *MESSAGES, *ENVELOPES)
