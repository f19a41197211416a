"""The host calls of a cell in the Monty engine: answered, counted, side by side; drives no engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic_monty import AsyncFunctionSnapshot, AsyncFutureSnapshot, AsyncSnapshot, ExternalSettledResult

from funnel.sandbox.base import HostFunction
from funnel.sandbox.calls import HostCallLimit, answered
from funnel.sandbox.values import from_inside


class Calls:
    """The host calls of one cell."""

    def __init__(self, functions: Mapping[str, HostFunction], limit: int) -> None:
        self._functions = functions
        self._limit = limit
        self._tasks: dict[int, asyncio.Task[ExternalSettledResult]] = {}
        self.made = 0
        self._suspended = 0

    def count(self, *, host: bool) -> None:
        """Raises: `HostCallLimit` when the cell asks the host too often, for a call or for a missing name."""
        self.made += host
        self._suspended += 1
        if self.made > self._limit or self._suspended > max(1_000, 2 * self._limit):
            raise HostCallLimit(self._limit)

    def knows(self, name: str) -> bool:
        """Whether the cell may call it."""
        return name in self._functions

    async def now(self, snapshot: AsyncFunctionSnapshot) -> AsyncSnapshot:
        """Answer before the code goes on."""
        return await snapshot.resume(
            await self._answer(snapshot.function_name, snapshot.args, snapshot.kwargs)
        )

    async def later(self, snapshot: AsyncFunctionSnapshot) -> AsyncSnapshot:
        """Answer when the code waits: calls of one `gather` run side by side."""
        answer = self._answer(snapshot.function_name, snapshot.args, snapshot.kwargs)
        self._tasks[snapshot.call_id] = asyncio.create_task(answer)
        return await snapshot.resume({"future": ...})

    async def settle(self, snapshot: AsyncFutureSnapshot) -> AsyncSnapshot:
        """Wait for one call at least of those that the code waits for."""
        waiting = {call: self._tasks[call] for call in snapshot.pending_call_ids if call in self._tasks}
        if not waiting:
            return await snapshot.resume_auto()
        await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        done = {call: task.result() for call, task in waiting.items() if task.done()}
        return await snapshot.resume(done)

    async def cancel(self) -> None:
        """No call of this cell outlives it."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _answer(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ExternalSettledResult:
        answer = await answered(self._functions[name], name, lambda: _plain(args, kwargs))
        if answer.error is None:
            return {"return_value": answer.value}
        return {"exc_type": answer.error, "message": answer.message}


def _plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    return [from_inside(argument) for argument in args], {k: from_inside(v) for k, v in kwargs.items()}
