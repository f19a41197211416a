"""What a row of the tables says: what an endpoint does, and what a user must see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chat_server import Reply

from funnel.errors import LLMBadResponse, LLMError, LLMRefused, LLMUnavailable
from funnel.llm.base import Message, Request

KEY = "sk-very-secret-0123456789"
TEXT = "We refund within 14 days."
ASK = Request((Message("system", "Be brief."), Message("user", "How long?")), "query", max_output_tokens=100)
SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}},
    "required": ["days"],
    "additionalProperties": False,
}
FULL = Request(ASK.messages, "query", max_output_tokens=100, temperature=0.2, schema=SCHEMA)
"""A request with every optional parameter."""
USAGE = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}
REFUSED, UNAVAILABLE, BAD = LLMRefused, LLMUnavailable, LLMBadResponse

Body = Mapping[str, Any]
Scripted = Reply | Callable[[Body], Reply]


@dataclass(frozen=True)
class Quirk:
    """What `who` does, and what a user sees of it: a completion or an error.

    `replies`: what the server answers, in order; after the last it answers plainly. `tokens`: those that the
    completion states; None: it states an estimate, and that it is one. `begins`: its text begins with `text`.
    `error`: the class raised, with `says` in its message and nothing of `never`. `requests`: how many the
    server gets. `lacks`: what the last of them leaves out; `sends`: what it sends.
    """

    name: str
    who: str
    replies: tuple[Scripted, ...]
    text: str = TEXT
    begins: bool = False
    tokens: tuple[int, int] | None = (21, 7)
    finish: str = "stop"
    thoughts: str = ""
    cached: int = 0
    cut: str = ""
    error: type[LLMError] | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    requests: int = 1
    stall_s: float = 20.0
    timeout_s: float = 60.0
    request: Request = ASK
    key: str = KEY
    lacks: tuple[str, ...] = ()
    sends: Mapping[str, Any] | None = None

    @property
    def seen(self) -> str:
        """What a user sees, in words."""
        if self.error is not None:
            told = " … ".join(f"“{piece}”" for piece in self.says)
            return f"`{self.error.__name__}`: {told}{self._after}"
        parts = ["the answer" if self.text else "an empty reply"]
        parts += ["its tokens estimated, and said so"] if self.tokens is None else []
        parts += [f"ended for “{self.finish}”"] if self.finish != "stop" else []
        parts += ["the thoughts apart"] if self.thoughts else []
        parts += [f"{self.cached} of its tokens from the cache"] if self.cached else []
        parts += [f"cut: {self.cut}"] if self.cut else []
        parts += (
            [f"asked again without {' and '.join(f'`{name}`' for name in self.lacks)}"] if self.lacks else []
        )
        return ", ".join(parts) + self._after

    @property
    def _after(self) -> str:
        return f" (after {self.requests} requests)" if self.requests > 1 else ""


def body(**changed: Any) -> dict[str, Any]:
    """A completion as OpenAI words it, changed at its top."""
    message = {"role": "assistant", "content": TEXT}
    plain = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": USAGE,
    }  # fmt: skip
    return {name: value for name, value in (plain | changed).items() if value is not ...}


def said(finish: Any = "stop", usage: Any = USAGE, **message: Any) -> Reply:
    """A completion with this message."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return Reply(body=body(choices=[choice], usage=usage))


def plain(**changed: Any) -> Reply:
    """A completion that is no stream, changed at its top."""
    return Reply(body=body(**changed))


def states(**usage: Any) -> Reply:
    """A completion with this usage."""
    return Reply(body=body(usage=usage))


OK = plain()


def fails(status: int, given: Any = b"", content_type: str = "application/json", **headers: str) -> Reply:
    """An error of HTTP."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=given, content_type=content_type, headers=named)


def worded(status: int, message: str, **more: Any) -> Reply:
    """An error of HTTP with a message as OpenAI words it."""
    return fails(status, {"error": {"message": message, **more}})
