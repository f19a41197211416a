"""The interface of a language model: messages in, text and token counts out; knows no provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from funnel.types import Message, Purpose, Tier

MAX_REPLY_CHARS = 100_000
"""Longer replies are never parsed; none of the prompts asks for one."""


def estimated_tokens(text: str) -> int:
    """Return an upper bound of a message's tokens without a tokenizer: one per two bytes, plus eight.

    English takes about four bytes per token, dense code and CJK about two to three.
    """
    return len(text.encode("utf-8", "replace")) // 2 + 8


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `schema` is a JSON Schema for the answer, which the endpoint enforces if it can.

    `grammar`: the same as a grammar in the notation of llama.cpp (GBNF), for an answer that is no JSON; only
    an endpoint that is known to enforce it is sent it.

    `varying` is a pair: text at the end of the last message that varies from run to run (the remaining
    budget), and what replaces it in the cache key. Requests that differ only in it share cached answers.
    """

    messages: tuple[Message, ...]
    purpose: Purpose
    max_output_tokens: int = 4096
    temperature: float | None = None
    schema: Mapping[str, Any] | None = None
    varying: tuple[str, str] | None = None
    grammar: str | None = None

    def key(self, model: str, endpoint: str) -> str:
        """Return the cache key: equal for two calls if nothing that affects the answer differs."""
        messages = [[m.role, m.content] for m in self.messages]
        if self.varying:
            text, replacement = self.varying
            before, _, after = messages[-1][1].rpartition(text)
            messages[-1][1] = f"{before}{replacement}{after}"
        parts = {
            "model": model, "endpoint": endpoint, "messages": messages,
            "max_output_tokens": self.max_output_tokens, "temperature": self.temperature,
            "schema": self.schema,
        }  # fmt: skip
        if self.grammar is not None:
            parts["grammar"] = self.grammar
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def estimated_input_tokens(self) -> int:
        """Return an upper bound of the tokens of all messages and of the schema, which is sent with them."""
        tokens = sum(estimated_tokens(message.content) for message in self.messages)
        return tokens if self.schema is None else tokens + len(json.dumps(self.schema)) // 2 + 8


@dataclass(frozen=True, slots=True)
class Completion:
    """The model's reply. `finish_reason` is the provider's: "stop", "length", …; "refusal" if it declined.

    `estimated`: the endpoint stated no usage, or only a part, and what is missing is our own upper bound.
    `thoughts`: what a reasoning model thought before it spoke; never a part of `text`. `cut`: why we stopped
    reading, "repetition" or "size", else "".

    Of `input_tokens`, `cached_input_tokens` were in the endpoint's cache and `cache_written_tokens` were put
    there. `tier`: the service tier at which the endpoint says that it served the call, in its own word.
    """

    text: str
    model: str
    input_tokens: int
    output_tokens: int
    finish_reason: str = "stop"
    estimated: bool = False
    cached_input_tokens: int = 0
    cache_written_tokens: int = 0
    tier: str = ""
    thoughts: str = ""
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """A failed attempt that will be repeated after `wait_s` seconds. `attempt` starts at 1.

    `may_be_billed`: the attempt may have been served before it failed (a timeout, a lost connection). `tier`:
    the service tier that the next attempt asks for, if it is another one; else "".
    """

    attempt: int
    reason: str
    wait_s: float
    may_be_billed: bool = False
    tier: Tier | Literal[""] = ""


OnRetry = Callable[[Retry], Awaitable[None] | None]
"""Called before the wait of a retry; what it returns is awaited. An exception from it ends the call."""


def _ignore(_retry: Retry) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait before an attempt: why, and about how long; 0 if nobody knows."""

    reason: str
    wait_s: float


WhileWaiting = Callable[[Wait], AbstractAsyncContextManager[None]]
"""Called before a wait, which then takes place inside what it returns.

Entering frees what the call holds, and leaving takes it again. An exception from either ends the call.
"""


def _hold_on(_wait: Wait) -> AbstractAsyncContextManager[None]:
    """Free nothing."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Options of one call: its timeout including retries, and callbacks for retries, waits and words.

    `party`: who calls; if calls have to wait, parties have their turns round robin. `on_delta` is called with
    the words of the reply as they come, if the model can give them one by one; after a retry they begin anew.
    """

    timeout_s: float | None = None
    on_retry: OnRetry = field(default=_ignore)
    while_waiting: WhileWaiting = field(default=_hold_on)
    party: Hashable = None
    on_delta: Callable[[str], None] | None = None


class LLM(Protocol):
    """A language model: what `build(models=…)` takes. No base class is needed, only these three members.

    `funnel.testing.model.ModelContract` is the suite that checks one. It is asked by many tasks of one event
    loop at once. A model that also has an `endpoint` (`Located`) has its answers cached; one with an
    `account` (`Accountable`) shares its limit of parallel calls with all others of that account.
    """

    @property
    def name(self) -> str:
        """The model's name, as in answers, traces and the price table; one line that does not change."""

    async def complete(self, request: Request, options: CallOptions = ...) -> Completion:
        """Return one completion of `request.messages`, with the tokens that it took.

        The budget of a run reserves `request.estimated_input_tokens()` and `request.max_output_tokens`, so a
        call must stay within both. `request.schema` may be ignored: answers are checked in any case. The call
        must end within `options.timeout_s`, and tell `options.on_retry` of each attempt before it repeats it.

        Raises: `LLMUnavailable` if it may work later; `LLMRefused` if it never will; `ContextTooLong` if the
        request does not fit; `LLMBadResponse` if what came is no completion. Any other exception ends the
        run. `asyncio.CancelledError` must pass through.
        """

    async def close(self) -> None:
        """Close the connections. A second call does nothing."""


@runtime_checkable
class Accountable(Protocol):
    """An `LLM` whose calls count against a limit shared by all models with the same account."""

    @property
    def account(self) -> str:
        """A name for endpoint and key, valid within this process, that reveals neither."""


@runtime_checkable
class Located(Protocol):
    """An `LLM` that names its endpoint. Answers of other models are never cached."""

    @property
    def endpoint(self) -> str:
        """Provider and base URL without credentials, which tell apart two models of the same name."""


@runtime_checkable
class Tiered(Protocol):
    """An `LLM` that asks its endpoint for a service tier, which decides the price of its calls."""

    @property
    def tier(self) -> Tier:
        """The service tier that calls ask for."""


@dataclass(frozen=True, slots=True)
class StatedWindow:
    """The window that an endpoint says it gives a model: the tokens of prompt and reply together.

    `cuts`: it cuts longer prompts without saying so. `certain`: it has said so of the model as it is loaded
    now. `advice`: how to make the window larger.
    """

    tokens: int
    cuts: bool = False
    certain: bool = True
    advice: str = ""


@runtime_checkable
class Windowed(Protocol):
    """An `LLM` whose endpoint can be asked for its window."""

    async def stated_window(self) -> StatedWindow | None:
        """Return the window that the endpoint states, None if it states none. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended: its completion or failure, the usage booked for it, and whether it was cached.

    `calls`: the number of calls booked for it: 0 if it was refused, one more for each attempt that was lost.
    `cached_input_tokens`: how many of `input_tokens` the endpoint had in its cache. `tier`: the service tier
    that served it, if one was asked for.
    """

    completion: Completion | None
    failure: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    cached: bool = False
    calls: int = 1
    cached_input_tokens: int = 0
    tier: str = ""


@dataclass(frozen=True, slots=True)
class StepId:
    """Identifies a step of a run: its path in the tree of steps, and a fingerprint of what is asked there."""

    path: tuple[int, ...]
    fingerprint: str


class CallJournal(Protocol):
    """Records the calls of a run, so that a resumed run can replay them."""

    def outcome(self, step: StepId) -> Outcome | None:
        """Return how this step's call ended in an earlier attempt of the run; None if it was not made."""

    async def asked(self, step: StepId, worst: Outcome) -> None:
        """Record that a call is about to be made that may use as much as `worst`."""

    def asked_again(self, step: StepId, worst: Outcome) -> None:
        """Record that the call is about to be repeated, and that the lost attempt may have been served."""

    def put_off(self, step: StepId, spent: Outcome) -> None:
        """Record that the call waits, not under way. `spent`: what is booked for its attempts so far."""

    async def ended(self, step: StepId, outcome: Outcome) -> None:
        """Record how the call ended."""


class Cache(Protocol):
    """Keeps completions from run to run."""

    async def through(self, key: str, call: Callable[[], Awaitable[Completion]]) -> tuple[Completion, bool]:
        """Return the completion for a key, and True if `call` was not needed for it.

        Raises: whatever `call` raises.
        """


__all__ = [
    "LLM", "Cache", "CallJournal", "CallOptions", "Completion", "Located", "Message", "OnRetry", "Outcome",
    "Purpose", "Request", "Retry", "StepId", "Wait", "WhileWaiting", "estimated_tokens",
]  # fmt: skip
