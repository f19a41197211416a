"""What a language model is to the rest: messages in, text and token counts out; knows no provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Purpose = Literal["read", "turn", "query", "extract"]
"""Why the model is called: the reader's one call, an inspector's turn, a sub-call, the last extraction."""

MAX_REPLY_CHARS = 100_000
"""No reply that was asked for is longer; one that is gets parsed by nobody."""


def estimated_tokens(text: str) -> int:
    """What a message of this text takes at most, without a tokenizer: two bytes a token, and eight tokens.

    English runs at about four bytes a token, dense code and CJK at about two to three.
    """
    return len(text.encode("utf-8", "replace")) // 2 + 8


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `schema` is a JSON Schema that the answer must meet, where the endpoint can enforce it.

    `aside`: what the end of the last message says in passing, and what counts of it. An answer that was given
    beside other words that count the same serves as well.
    """

    messages: tuple[Message, ...]
    purpose: Purpose
    max_output_tokens: int = 4096
    temperature: float | None = None
    schema: Mapping[str, Any] | None = None
    aside: tuple[str, str] | None = None

    def key(self, model: str, endpoint: str) -> str:
        """A name that two calls share when nothing that shapes the answer differs between them."""
        messages = [[m.role, m.content] for m in self.messages]
        if self.aside:
            said, counts = self.aside
            before, _, after = messages[-1][1].rpartition(said)
            messages[-1][1] = f"{before}{counts}{after}"
        parts = {
            "model": model, "endpoint": endpoint, "messages": messages,
            "max_output_tokens": self.max_output_tokens, "temperature": self.temperature,
            "schema": self.schema,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def estimated_input_tokens(self) -> int:
        """An upper bound: the sum of the messages, and the schema, which travels with the prompt."""
        tokens = sum(estimated_tokens(message.content) for message in self.messages)
        return tokens if self.schema is None else tokens + len(json.dumps(self.schema)) // 2 + 8


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back. `finish_reason` is the provider's: "stop", "length", …; "refusal" when it declined.

    `estimated`: the endpoint stated no usage, so the token counts are upper bounds of our own.
    """

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    finish_reason: str = "stop"
    estimated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return _flat(self)


def _flat(value: Any) -> dict[str, Any]:
    """What `dataclasses.asdict` gives, which copies every value; three are written a call."""
    return {name: getattr(value, name) for name in value.__slots__}


@dataclass(frozen=True, slots=True)
class Retry:
    """A failed attempt that will be made again after `wait_s` seconds. `attempt` starts at 1.

    `may_be_billed`: the attempt may have been served before it failed (a timeout, a lost connection).
    """

    attempt: int
    reason: str
    wait_s: float
    may_be_billed: bool = False


OnRetry = Callable[[Retry], None]
"""Hears of a retry before the wait; what it raises ends the call."""


def _ignore(_retry: Retry) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How one call is made: how long it may take in all, and who hears of retries."""

    timeout_s: float | None = None
    on_retry: OnRetry = field(default=_ignore)


class LLM(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The model's name, as answers and traces show it and the price table knows it."""

    async def complete(self, request: Request, options: CallOptions = ...) -> Completion:
        """One completion.

        Raises: `LLMUnavailable`, `LLMRefused`, `LLMBadResponse`; `asyncio.CancelledError` passes through.
        """

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Located(Protocol):
    """An `LLM` that says where it is called: only such a one's answers are kept in a cache."""

    @property
    def endpoint(self) -> str:
        """Provider and base URL, without credentials: what two models of one name may differ in."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended: a completion or a failure, what it was booked at, whether it was cached.

    `calls`: as how many it was booked; none where it was refused, one more for each attempt that was lost.
    """

    completion: Completion | None
    failure: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    cached: bool = False
    calls: int = 1

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**_flat(self), "completion": self.completion and self.completion.as_dict()}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Outcome:
        """What `as_dict` gave."""
        completion = kept["completion"]
        return cls(**{**kept, "completion": None if completion is None else Completion(**completion)})


@dataclass(frozen=True, slots=True)
class StepId:
    """Where in the tree of a run something is asked, and a short check of what is asked there."""

    path: tuple[int, ...]
    fingerprint: str


class CallJournal(Protocol):
    """What keeps the calls of a run for a resume."""

    def outcome(self, place: StepId) -> Outcome | None:
        """How the call ended that was made at this place in an earlier attempt of the run."""

    async def asked(self, place: StepId, worst: Outcome) -> None:
        """A call is about to be made that may take as much as `worst`."""

    def asked_again(self, place: StepId, worst: Outcome) -> None:
        """It was lost, maybe after it was served, and is about to be made again."""

    async def ended(self, place: StepId, outcome: Outcome) -> None:
        """It ended so."""


class Cache(Protocol):
    """What keeps completions from run to run."""

    async def through(self, key: str, call: Callable[[], Awaitable[Completion]]) -> tuple[Completion, bool]:
        """The completion of that key, and whether it came without calling `call` here.

        Raises: what `call` raises.
        """
