"""A model that replies from a script, for tests; public, because users test their own code with it too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from funnel.llm.base import CallOptions, Completion, Request

ScriptedReply = str | Exception | Callable[[Request], str]


class ScriptExhausted(AssertionError):
    """The code under test called the model more often than the script has replies."""


class ScriptedLLM:
    """Gives `replies` in order: returns a text, raises an exception, calls a function with the request.

    `requests` holds every request in the order of the calls. Tokens are counted as one per four characters,
    rounded up, so that sums in tests are easy. A reply is never cut to `max_output_tokens`.
    """

    def __init__(self, replies: Sequence[ScriptedReply], *, name: str = "scripted") -> None:
        self.requests: list[Request] = []
        self._replies = list(replies)
        self._name = name

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def remaining(self) -> int:
        """Number of replies not yet given."""
        return len(self._replies) - len(self.requests)

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return the next reply. Raises: `ScriptExhausted` after the last one; an exception in the script."""
        del options
        if not self.remaining:
            last = request.messages[-1].content if request.messages else ""
            raise ScriptExhausted(
                f"ScriptedLLM has {len(self._replies)} replies and was called once more, "
                f"for {request.purpose!r} with: {last[:200]!r}. Add a reply, or find the needless call."
            )
        reply = self._replies[len(self.requests)]
        self.requests.append(request)
        # Let other tasks run, as they would while waiting for a real model.
        await asyncio.sleep(0)
        if isinstance(reply, Exception):
            raise reply
        text = reply if isinstance(reply, str) else reply(request)
        return Completion(
            text=text,
            model=self._name,
            input_tokens=sum(_tokens(message.content) for message in request.messages),
            output_tokens=_tokens(text),
        )

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _tokens(text: str) -> int:
    return -(-len(text) // 4)
