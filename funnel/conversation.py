"""A conversation: questions that may refer to those before them, each answered by a run of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Protocol, Self

from funnel.llm.budget import Limits
from funnel.run.options import Options
from funnel.trace.events import Sink
from funnel.types import Answer, Mode


class Ask(Protocol):
    """How a question is answered: `Funnel.ask`."""

    def __call__(
        self, question: str, options: Options | None = None, *, on_event: Sink | None = None
    ) -> Awaitable[Answer]:
        """Return the answer."""


class Thread:
    """The options of the next question, and the run that it follows."""

    def __init__(self, options: Options) -> None:
        self._options = replace(options, keep_variables=True)

    @property
    def run(self) -> str | None:
        """The name of the run that the next question follows; None before the first answer."""
        return self._options.follows

    def options(self, mode: Mode | None, limits: Limits | None) -> Options:
        """Return the options of the next question; None means those of the conversation."""
        given = self._options
        return replace(given, mode=mode or given.mode, limits=limits or given.limits)

    def answered(self, answer: Answer) -> None:
        """Let the next question follow this answer."""
        self._options = replace(self._options, follows=answer.run)


class Conversation:
    """Questions to one funnel, one after the other; one that is asked meanwhile waits.

    Each is a run that follows the last one: its question is written so that it stands alone, and its program
    begins with the variables of the earlier one. What was said is kept with the runs, so that
    `Options(follows=conversation.run)` goes on with it in another process.

    A question that fails or is cancelled is not part of it, and the next follows the one before.
    """

    def __init__(self, ask: Ask, options: Options) -> None:
        self._ask = ask
        self._thread = Thread(options)
        self._turn = asyncio.Lock()

    @property
    def run(self) -> str | None:
        """The name of the run that the next question follows; None before the first answer."""
        return self._thread.run

    async def ask(
        self,
        question: str,
        *,
        mode: Mode | None = None,
        limits: Limits | None = None,
        on_event: Sink | None = None,
    ) -> Answer:
        """Return one cited answer. `mode`, `limits`: of this question, if not those of the options.

        Raises: as `Funnel.ask`.
        """
        async with self._turn:
            answer = await self._ask(question, self._thread.options(mode, limits), on_event=on_event)
            self._thread.answered(answer)
            return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the question that is under way."""
        async with self._turn:
            pass
