"""The questions that a funnel is working on, which `close` ends; knows nothing of the work.

A funnel belongs to the event loop in which it is first used: its connections and locks do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from funnel.errors import FunnelClosed, OtherLoop


@dataclass(eq=False, slots=True)
class Question:
    """A question that is worked on. `run`: the name of its run, once it has begun."""

    run: str = ""
    scope: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


class UnderWay:
    """Lets questions in until it is closed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._questions: set[Question] = set()
        self._one_left = asyncio.Event()
        self._closed = False

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Question]:
        """Work on a question; if `close` is called meanwhile, the work is cancelled as by its caller.

        Raises: `FunnelClosed` after `close`, and to those whom it ended; `OtherLoop`.
        """
        self.require_loop()
        if self._closed:
            raise FunnelClosed
        question = Question()
        self._questions.add(question)
        try:
            async with question.scope:
                yield question
        except TimeoutError:
            if not question.scope.expired():
                raise
            raise FunnelClosed(question.run) from None
        finally:
            self._questions.discard(question)
            self._one_left.set()

    async def close(self) -> None:
        """Let nobody in any more, end what is under way and wait until it has ended. Raises: `OtherLoop`."""
        self.require_loop()
        self._closed = True
        for question in self._questions:
            question.scope.reschedule(asyncio.get_running_loop().time())
        while self._questions:
            self._one_left.clear()
            await self._one_left.wait()

    def require_loop(self) -> None:
        """Check that this is the event loop of the first use. Raises: `OtherLoop`."""
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise OtherLoop
