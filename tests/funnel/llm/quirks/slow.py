"""Quirks of endpoints that are slow, silent, without end, or that limit the rate."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from chat_server import DONE, Reply, piece
from quirks.quirk import OK, TEXT, UNAVAILABLE, Quirk, fails, plain, worded
from quirks.streams import BILL, END, WHOLE, A, B, stream

SHORT_S, LONG_S = 1.0, 2.0
PING = b": keep-alive\n\n"
SENTENCE = "The refund takes 14 days, as the policy says. "


@dataclass(frozen=True)
class Paused:
    """Pieces, with seconds of silence between."""

    parts: tuple[bytes | float, ...]

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                time.sleep(part)


@dataclass(frozen=True)
class Endless:
    """Words that never end; the first time the sentence, each time numbered if they are to differ."""

    numbered: bool

    def __iter__(self) -> Iterator[bytes]:
        for n in itertools.count():
            yield piece(f"{n}: {SENTENCE}" * 40 if self.numbered else SENTENCE * 4)


def paused(*parts: bytes | float) -> tuple[Reply, ...]:
    return (Reply(pieces=Paused(parts), content_type="text/event-stream"),)


def endless(*, numbered: bool) -> tuple[Reply, ...]:
    return (Reply(pieces=Endless(numbered), content_type="text/event-stream"),)


def limited(**headers: str) -> tuple[Reply, ...]:
    named = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in headers.items()}
    return (Reply(TEXT, usage=(21, 7), headers=named),)


SILENT = (
    Quirk(
        "it thinks longer than a silence may take, before the first word",
        "reasoning models that hide it",
        paused(LONG_S, A, B, END, BILL, DONE),
        stall_s=SHORT_S,
    ),
    Quirk(
        "one body after a long silence",
        "endpoints that cannot stream",
        (Reply(body=plain().body, delay_s=LONG_S),),
        stall_s=SHORT_S,
    ),
    Quirk(
        "signs of life and no words for long",
        "OpenRouter, DeepSeek",
        paused(A, *[0.4, PING] * 4, B, END, BILL, DONE),
        stall_s=SHORT_S,
    ),
    Quirk(
        "silence in the middle of a reply, once",
        "a GPU that hangs",
        paused(A, LONG_S, B, END, BILL, DONE) + stream(WHOLE),
        stall_s=SHORT_S,
        requests=2,
    ),
    Quirk(
        "silence in the middle of a reply, always",
        "a GPU that hangs",
        paused(A, LONG_S) * 3,
        stall_s=SHORT_S,
        error=UNAVAILABLE,
        says=("no word for 1 s", "FUNNEL_STALL_S"),
        requests=3,
    ),
    Quirk("it does not close after the mark of the end", "gateways", paused(A, B, END, BILL, DONE, 3.0)),
    Quirk(
        "it does not close after the reason for the end",
        "gateways",
        paused(A, B, END, BILL, 3.0),
        stall_s=SHORT_S,
    ),
    Quirk(
        "one token at a time, slowly",
        "CPUs",
        paused(*itertools.chain.from_iterable((piece(c), 0.05) for c in TEXT), END, BILL, DONE),
        stall_s=SHORT_S,
    ),
    Quirk(
        "no word until the caller's time is up",
        "queues",
        paused(3.0) * 3,
        timeout_s=0.5,
        error=UNAVAILABLE,
        says=("no answer within 0.5 s",),
    ),
)

WITHOUT_END = (
    Quirk(
        "one sentence over and over",
        "small models",
        endless(numbered=False),
        text=SENTENCE,
        begins=True,
        finish="length",
        cut="repetition",
        tokens=None,
    ),
    Quirk(
        "words without end",
        "models without a limit",
        endless(numbered=True),
        text="0: " + SENTENCE,
        begins=True,
        finish="length",
        cut="size",
        tokens=None,
    ),
)

RATES = (
    Quirk(
        "limits in the headers that are not reached",
        "OpenAI",
        limited(limit_requests="60", remaining_requests="59", reset_requests="1s"),
    ),
    Quirk(
        "limits in the headers that make no sense",
        "gateways",
        limited(limit_requests="many", remaining_requests="-1", reset_requests="soon"),
    ),
    Quirk("a wait that there is time for", "any", (fails(429, b"", Retry_After="1"), OK), requests=2),
    Quirk(
        "a wait of an hour",
        "free tiers",
        (fails(429, b"", Retry_After="3600"),),
        timeout_s=30,
        error=UNAVAILABLE,
        says=("HTTP 429", "3,600 s"),
    ),
    Quirk(
        "a wait of an hour, in words",
        "Groq",
        (
            worded(
                429,
                "Rate limit reached for model `m` on tokens per day (TPD): "
                "Limit 100000. Please try again in 1h0m0s.",
                code="rate_limit_exceeded",
            ),
        ),
        timeout_s=30,
        error=UNAVAILABLE,
        says=("tokens per day", "3,600 s"),
    ),
)

SLOW = (*SILENT, *WITHOUT_END, *RATES)
