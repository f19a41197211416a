"""Host calls of one Monty cell: answers, counts and runs them concurrently; drives no engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic_monty import AsyncFunctionSnapshot, AsyncFutureSnapshot, AsyncSnapshot, ExternalSettledResult

from funnel.sandbox.base import HostFunction
from funnel.sandbox.calls import Held, HostAnswer, HostCallLimit, answer_call
from funnel.sandbox.values import bounded_arguments, refuse_objects


class MontyHostCalls:
    """Answers the host calls of one cell."""

    def __init__(self, functions: Mapping[str, HostFunction], limit: int) -> None:
        self._functions = functions
        self._limit = limit
        self._held = Held()
        self._tasks: dict[int, asyncio.Task[HostAnswer]] = {}
        self.made = 0
        self._suspended = 0

    def count(self, *, host: bool) -> None:
        """Count one suspension of the cell: a host call (`host`) or a lookup that the engine resolves.

        Raises: `HostCallLimit` if there are too many of either.
        """
        self.made += host
        self._suspended += 1
        if self.made > self._limit or self._suspended > max(1_000, 2 * self._limit):
            raise HostCallLimit(self._limit)

    def knows(self, name: str) -> bool:
        """Return whether `name` is a host function of this cell."""
        return name in self._functions

    async def answer_now(self, snapshot: AsyncFunctionSnapshot) -> AsyncSnapshot:
        """Answer the call before the code continues."""
        answer = await self._answer(snapshot.function_name, snapshot.args, snapshot.kwargs)
        return await snapshot.resume(self._collected(answer))

    async def answer_later(self, snapshot: AsyncFunctionSnapshot) -> AsyncSnapshot:
        """Start the call and continue the code; the answer comes when it awaits the call.

        This lets the calls of one `gather` run concurrently.
        """
        answer = self._answer(snapshot.function_name, snapshot.args, snapshot.kwargs)
        self._tasks[snapshot.call_id] = asyncio.create_task(answer)
        return await snapshot.resume({"future": ...})

    async def settle(self, snapshot: AsyncFutureSnapshot) -> AsyncSnapshot:
        """Wait until at least one of the awaited calls is done, and resume the code with what is done."""
        waiting = {call: self._tasks[call] for call in snapshot.pending_call_ids if call in self._tasks}
        if not waiting:
            return await snapshot.resume_auto()
        await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        done = {
            call: self._collected(self._tasks.pop(call).result())
            for call, task in waiting.items()
            if task.done()
        }
        return await snapshot.resume(done)

    async def cancel(self) -> None:
        """Cancel the calls that are still running, so that none outlives its cell."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _answer(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HostAnswer:
        return await answer_call(self._functions[name], name, lambda: _plain(args, kwargs), self._held)

    def _collected(self, answer: HostAnswer) -> ExternalSettledResult:
        self._held.give(answer.held)
        if answer.error is None:
            return {"return_value": answer.value}
        return {"exc_type": answer.error, "message": answer.message}


def _plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    refuse_objects((*args, *kwargs.values()))
    return bounded_arguments(args, kwargs)
