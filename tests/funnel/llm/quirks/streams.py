"""Quirks of replies that come as a stream of events."""

from __future__ import annotations

import gzip
import json
from typing import Any

from chat_server import DONE, Reply, event, piece, streamed, usage_piece
from quirks.quirk import TEXT, UNAVAILABLE, USAGE, Quirk, body

A, B = piece(TEXT[:9]), piece(TEXT[9:])
END, BILL = piece(finish="stop"), usage_piece(21, 7)
WHOLE = b"".join((A, B, END, BILL, DONE))
MORE = {"prompt_tokens_details": {"cached_tokens": 16}}


def stream(*pieces: bytes, **how: Any) -> tuple[Reply, ...]:
    return (streamed(*pieces, **how),)


def chunk(choice: Any, **more: Any) -> bytes:
    """A piece whose first choice is this."""
    return event({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more})


def billed(text: str, output: int, finish: str | None = None) -> bytes:
    usage = {"prompt_tokens": 21, "completion_tokens": output}
    return chunk({"index": 0, "delta": {"content": text}, "finish_reason": finish}, usage=usage)


def one_by_one(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[i : i + 1] for i in range(len(data)))


def lines(data: bytes, end: bytes) -> bytes:
    return data.replace(b"\n", end)


COUNTS = (
    Quirk("usage in a last piece without choices", "OpenAI, vLLM", stream(A, B, END, BILL, DONE)),
    Quirk("no usage in the stream", "older vLLM, many gateways", stream(A, B, END, DONE), tokens=None),
    Quirk(
        "usage with the reason for the end", "DeepSeek, Mistral", stream(A, billed(TEXT[9:], 7, "stop"), DONE)
    ),
    Quirk(
        "usage in every piece, running",
        "Gemini, Perplexity, vLLM",
        stream(billed(TEXT[:9], 3), billed(TEXT[9:], 7), END, DONE),
    ),
    Quirk(
        "usage is null in every piece but the last",
        "OpenAI, Azure",
        stream(chunk({"index": 0, "delta": {"content": TEXT}}, usage=None), END, BILL, DONE),
    ),
    Quirk("usage before the words", "gateways", stream(BILL, A, B, END, DONE)),
    Quirk(
        "usage in Groq's own place",
        "Groq",
        stream(
            A, B, chunk({"index": 0, "delta": {}, "finish_reason": "stop"}, x_groq={"usage": USAGE}), DONE
        ),
    ),
    Quirk("usage after the end that is marked", "gateways", stream(A, B, END, DONE, BILL)),
    Quirk(
        "usage of nothing in the last piece",
        "gateways",
        stream(A, B, END, usage_piece(0, 0), DONE),
        tokens=None,
    ),
    Quirk(
        "cached tokens in the stream",
        "OpenAI",
        stream(A, B, END, usage_piece(21, 7, **MORE), DONE),
        cached=16,
    ),
    Quirk(
        "the first usage is of the prompt, the last of nothing",
        "gateways",
        stream(
            usage_piece(21, 0), A, B, END, usage_piece(21, 7), event({"choices": [], "usage": None}), DONE
        ),
    ),
)

FRAMES = (
    Quirk(
        "comments that keep the connection",
        "OpenRouter, DeepSeek",
        stream(b": OPENROUTER PROCESSING\n\n" * 3, A, b": keep-alive\n\n", B, END, BILL, DONE),
    ),
    Quirk(
        "a comment at the end of a line only",
        "LLM gateways",
        stream(A, b": ping - 2026-11-28 10:00:00\n", B, END, BILL, DONE),
    ),
    Quirk(
        "events that are pings",
        "Anthropic, LiteLLM",
        stream(b'event: ping\ndata: {"type": "ping"}\n\n', A, B, END, BILL, DONE),
    ),
    Quirk(
        "events without data",
        "proxies",
        stream(b"retry: 3000\n\n", b"id: 7\n\n", A, b"data:\n\n", b"data: \n\n", B, END, BILL, DONE),
    ),
    Quirk(
        "named events, numbered",
        "gateways",
        stream(b"event: message\nid: 1\n" + A, b"event: message\nid: 2\n" + B, END, BILL, DONE),
    ),
    Quirk(
        "a comment taken for data",
        "gateways behind gateways",
        stream(b"data: : OPENROUTER PROCESSING\n\n", A, B, END, BILL, DONE),
    ),
    Quirk(
        "no blank after the colon",
        "Spring gateways",
        stream(*(p.replace(b"data: ", b"data:") for p in (A, B, END, BILL, DONE))),
    ),
    Quirk("lines that end as on Windows", "gateways on Windows", stream(lines(WHOLE, b"\r\n"))),
    Quirk("lines that end as on an old Mac", "by the standard", stream(lines(WHOLE, b"\r"))),
    Quirk(
        "one line end between events",
        "gateways",
        stream(*(p.replace(b"\n\n", b"\n") for p in (A, B, END, BILL, DONE))),
    ),
    Quirk("byte after byte", "slow proxies", stream(*one_by_one(WHOLE))),
    Quirk("all at once", "buffering proxies", stream(WHOLE)),
    Quirk(
        "a character in two pieces",
        "any",
        stream(
            *one_by_one(
                event({"choices": [{"delta": {"content": "Grüße 😀"}, "finish_reason": "stop"}]})
                .replace(b"\\u00fc", "ü".encode())
                .replace(b"\\ud83d\\ude00", "😀".encode())
            ),
            BILL,
            DONE,
        ),
        text="Grüße 😀",
    ),
    Quirk(
        "half a character in each of two events",
        "servers that cut between tokens",
        stream(piece("\ud83d"), piece("\ude00"), END, BILL, DONE),
        text="😀",
    ),
    Quirk(
        "one JSON over several lines of data",
        "by the standard",
        stream(
            b"".join(b"data: %b\n" % line for line in json.dumps(body(), indent=1).encode().split(b"\n"))
            + b"\n",
            DONE,
        ),
    ),
    Quirk(
        "a BOM before the first event", "gateways on Windows", stream(b"\xef\xbb\xbf" + A, B, END, BILL, DONE)
    ),
    Quirk(
        "a stream in gzip",
        "nginx",
        (
            Reply(
                body=gzip.compress(WHOLE),
                content_type="text/event-stream",
                headers={"Content-Encoding": "gzip"},
            ),
        ),
    ),
    Quirk("a stream that is called JSON", "gateways", (Reply(body=WHOLE, content_type="application/json"),)),
    Quirk("a stream that is called text/plain", "gateways", (Reply(body=WHOLE, content_type="text/plain"),)),
    Quirk(
        "JSON line by line in place of events",
        "gateways before Ollama",
        (
            Reply(
                body=b"".join(p.removeprefix(b"data: ").replace(b"\n\n", b"\n") for p in (A, B, END, BILL)),
                content_type="application/x-ndjson",
            ),
        ),
    ),
    Quirk(
        "line separators of Unicode within the words",
        "any",
        stream(
            event('{"choices": [{"delta": {"content": "a\u2028b\u0085c"}, "finish_reason": "stop"}]}'),
            BILL,
            DONE,
        ),
        text="a\u2028b\u0085c",
    ),
    Quirk(
        "a tab within the words that is not escaped",
        "servers that build JSON by hand",
        stream(event('{"choices": [{"delta": {"content": "a\tb"}, "finish_reason": "stop"}]}'), BILL, DONE),
        text="a\tb",
    ),
    Quirk(
        "the name of the field twice",
        "gateways behind gateways",
        stream(*(b"data: " + p for p in (A, B, END, BILL, DONE))),
    ),
    Quirk(
        "the pieces in a list",
        "gateways before Gemini",
        (Reply(body=json.dumps([json.loads(p[6:]) for p in (A, B, END, BILL)]).encode()),),
    ),
)

PIECES = (
    Quirk(
        "a first piece without choices",
        "Azure",
        stream(
            event({"id": "", "model": "", "choices": [], "prompt_filter_results": []}), A, B, END, BILL, DONE
        ),
    ),
    Quirk(
        "choices are null",
        "gateways",
        stream(event({"choices": None}), A, B, END, event({"choices": None, "usage": USAGE}), DONE),
    ),
    Quirk(
        "choices are missing",
        "Bedrock, DeepInfra",
        stream(event({"object": "ping"}), A, B, END, event({"usage": USAGE}), DONE),
    ),
    Quirk(
        "a choice without delta",
        "Azure's filter",
        stream(
            A, chunk({"index": 0, "finish_reason": None, "content_filter_results": {}}), B, END, BILL, DONE
        ),
    ),
    Quirk(
        "delta is null",
        "Azure's filter",
        stream(A, chunk({"index": 0, "delta": None, "finish_reason": None}), B, END, BILL, DONE),
    ),
    Quirk("null in place of a piece", "gateways", stream(A, event("null"), B, END, BILL, DONE)),
    Quirk("a list in place of a piece", "gateways", stream(A, event([]), B, END, BILL, DONE)),
    Quirk(
        "content is null beside the role",
        "llama.cpp, vLLM",
        stream(piece(None, role="assistant", content=None), A, B, END, BILL, DONE),
    ),
    Quirk(
        "the role in every piece",
        "Gemini",
        stream(piece(TEXT[:9], role="assistant"), piece(TEXT[9:], role="assistant"), END, BILL, DONE),
    ),
    Quirk(
        "the content in parts, in a stream",
        "Mistral",
        stream(piece([{"type": "text", "text": TEXT}]), END, BILL, DONE),
    ),
    Quirk(
        "the whole message in one event", "gateways that only pretend to stream", stream(event(body()), DONE)
    ),
    Quirk("the whole message again at the end", "MiniMax", stream(A, B, event(body()), DONE)),
    Quirk(
        "a second choice between",
        "any",
        stream(A, chunk({"index": 1, "delta": {"content": "No."}}), B, END, BILL, DONE),
    ),
    Quirk("the reason for the end twice", "gateways", stream(A, B, END, END, BILL, DONE)),
    Quirk(
        "the reason for the end with the last words",
        "Gemini",
        stream(A, piece(TEXT[9:], finish="stop"), BILL, DONE),
    ),
    Quirk(
        "an empty reason for the end in every piece",
        "gateways",
        stream(piece(TEXT[:9], finish=""), piece(TEXT[9:], finish=""), END, BILL, DONE),
    ),
    Quirk(
        "a delta of text as completions had it",
        "older servers",
        stream(chunk({"index": 0, "text": TEXT, "finish_reason": None}), END, BILL, DONE),
    ),
    Quirk(
        "the index is missing",
        "gateways",
        stream(chunk({"delta": {"content": TEXT}, "finish_reason": "stop"}), BILL, DONE),
    ),
    Quirk("words after the reason for the end", "gateways", stream(A, END, B, BILL, DONE)),
)

ENDINGS = (
    Quirk("the end is not marked", "gateways", stream(A, B, END, BILL)),
    Quirk(
        "the end is marked in lower case with blanks",
        "gateways",
        stream(A, B, END, BILL, b"data:  [done] \n\n"),
    ),
    Quirk("the connection drops after the end", "proxies", stream(A, B, END, BILL, DONE, hang_up=True)),
    Quirk(
        "the connection drops after the reason for the end", "proxies", stream(A, B, END, BILL, hang_up=True)
    ),
    Quirk("no last line end", "gateways", stream(A, B, END, BILL, b"data: [DONE]")),
    Quirk("no line end after the last piece", "gateways", stream(A, B, END, BILL.rstrip())),
    Quirk(
        "the connection drops in mid-stream, once",
        "restarts",
        stream(A, hang_up=True) + stream(WHOLE),
        requests=2,
    ),
    Quirk(
        "the connection drops in mid-stream, always",
        "proxies",
        stream(A, hang_up=True) * 3,
        error=UNAVAILABLE,
        says=("the connection was lost",),
        requests=3,
    ),
    Quirk("the stream ends in mid-word", "a server that crashed", stream(A) + stream(WHOLE), requests=2),
    Quirk(
        "the stream ends in mid-event", "a proxy with a limit", stream(A, B[:20]) + stream(WHOLE), requests=2
    ),
    Quirk(
        "nothing in the stream",
        "servers that shut down",
        (Reply(body=b"", content_type="text/event-stream"), *stream(WHOLE)),
        requests=2,
    ),
    Quirk(
        "only the mark of the end", "gateways whose provider failed", stream(DONE) + stream(WHOLE), requests=2
    ),
    Quirk(
        "an event that is no JSON",
        "gateways",
        stream(A, b'data: {"choices": [{"del\n\n') + stream(WHOLE),
        requests=2,
    ),
    Quirk("no reason for the end in the stream", "older servers", stream(A, B, BILL, DONE)),
)

STREAMS = (*COUNTS, *FRAMES, *PIECES, *ENDINGS)
