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

WITHIN = (
    Quirk(
        "thoughts in tags",
        "DeepSeek-R1, Qwen3 on Ollama",
        (said(content=f"<think>{THOUGHT}</think>\n\n{TEXT}"),),
        thoughts=THOUGHT,
    ),
    Quirk(
        "empty thoughts in tags", "Qwen3 without thinking", (said(content=f"<think>\n\n</think>\n\n{TEXT}"),)
    ),
    Quirk(
        "thoughts whose tag the template opened",
        "DeepSeek-R1 on vLLM without a parser",
        (said(content=f"{THOUGHT}\n</think>\n\n{TEXT}"),),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts that never end",
        "any model with a small limit",
        (said("length", content=f"<think>{THOUGHT}"),),
        text="",
        finish="length",
        thoughts=THOUGHT,
    ),
    Quirk(
        "a tag in two pieces",
        "Ollama",
        stream(piece("<thi"), piece(f"nk>{THOUGHT}</th"), piece(f"ink>{TEXT}"), END, BILL, DONE),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts in two places",
        "any",
        (said(content=f"<think>{THOUGHT}</think>{TEXT[:9]}<think>More.</think>{TEXT[9:]}"),),
        thoughts=f"{THOUGHT}\nMore.",
    ),
    Quirk(
        "thoughts in another tag",
        "older fine-tunes",
        (said(content=f"<thinking>{THOUGHT}</thinking>{TEXT}"),),
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts before JSON",
        "R1 with a schema",
        (said(content=f'<think>{THOUGHT}</think>{{"days": 14}}'),),
        text='{"days": 14}',
        thoughts=THOUGHT,
    ),
    Quirk(
        "thoughts before code",
        "R1 as a programmer",
        (said(content=f"<think>{THOUGHT}</think>\n```python\nsubmit(1)\n```"),),
        text="```python\nsubmit(1)\n```",
        thoughts=THOUGHT,
    ),
    Quirk(
        "a tag that is quoted in code",
        "any that writes about models",
        (said(content="```python\nx = '<think>'\n```"),),
        text="```python\nx = '<think>'\n```",
    ),
)

THOUGHTS = (*BESIDE, *WITHIN)
