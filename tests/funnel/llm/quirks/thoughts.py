"""Quirks of models that think before they speak."""

from __future__ import annotations

from chat_server import DONE, piece
from quirks.quirk import TEXT, Quirk, said
from quirks.streams import BILL, END, stream

THOUGHT = "The user asks {about} days."

BESIDE = (
    Quirk(
        "thoughts in reasoning_content",
        "DeepSeek, vLLM",
        (said(content=TEXT, reasoning_content=THOUGHT),),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts in reasoning",
        "OpenRouter, newer vLLM, Ollama",
        (said(content=TEXT, reasoning=THOUGHT),),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts under both names",
        "SGLang, OpenRouter",
        (said(content=TEXT, reasoning=THOUGHT, reasoning_content=THOUGHT),),
        thoughts=THOUGHT,
    ),
    Quirk("thoughts that are null", "vLLM", (said(content=TEXT, reasoning_content=None, reasoning=None),)),
    Quirk(
        "thoughts in a part of the content",
        "Mistral",
        (
            said(
                content=[
                    {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                    {"type": "text", "text": TEXT},
                ]
            ),
        ),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts beside the words, in a stream",
        "DeepSeek",
        stream(
            piece(None, reasoning_content=THOUGHT[:5], content=None),
            piece(None, reasoning_content=THOUGHT[5:]),
            piece(TEXT),
            END,
            BILL,
            DONE,
        ),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts and words in one piece",
        "OpenRouter",
        stream(piece(TEXT[:9], reasoning=THOUGHT), piece(TEXT[9:], reasoning=None), END, BILL, DONE),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts in parts, in a stream",
        "Mistral",
        stream(
            piece([{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]),
            piece(TEXT),
            END,
            BILL,
            DONE,
        ),
        thoughts=THOUGHT,
    ),
    Quirk(
        "only thoughts until the limit",
        "any model with a small limit",
        (said("length", content="", reasoning_content=THOUGHT),),
        text="",
        finish="length",
        thoughts=THOUGHT,
    ),
)

THOUGHTS = BESIDE
