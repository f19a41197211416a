"""What a cell asks of the host and what it prints: calls are checked, answered, counted; drives no engine."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from pydantic_monty import AsyncFunctionSnapshot, AsyncFutureSnapshot, AsyncSnapshot, ExternalSettledResult

from funnel.sandbox.base import HostError, HostFunction
from funnel.sandbox.values import NotPlain, from_host, from_inside


class FromHost(Exception):
    """Carries what a host function raised past the handlers of the engine's own errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class HostCallLimit(Exception):
    """A limit that we count, not the engine."""


class Output:
    """What the cell printed, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._kept = 0
        self._printed = 0

    def __call__(self, _stream: str, text: str) -> None:
        """Take what the engine prints; from any thread, one at a time."""
        data = text.encode("utf-8", "replace")
        self._printed += len(data)
        if (room := self._limit - self._kept) > 0:
            self._parts.append(data[:room].decode("utf-8", "ignore"))
            self._kept += min(room, len(data))

    @property
    def text(self) -> str:
        """What is kept, with a line about what is not."""
        kept = "".join(self._parts)
        if self._printed <= self._limit:
            return kept
        return (
            f"{kept}\n[output cut: {self._printed:,} bytes were printed, the first {self._limit:,} are kept]"
        )


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
            raise HostCallLimit(
                f"The cell made more than {self._limit:,} host calls. Make fewer: pass lists to the batched "
                "functions, or spread the work over several cells."
            )

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
        function = self._functions[name]
        try:
            plain_args = [from_inside(argument) for argument in args]
            plain_kwargs = {key: from_inside(argument) for key, argument in kwargs.items()}
            inspect.signature(function).bind(*plain_args, **plain_kwargs)
        except (NotPlain, TypeError) as exc:
            return {"exc_type": "TypeError", "message": f"{name}(): {exc}"}
        try:
            value = await function(*plain_args, **plain_kwargs)
        except HostError as exc:
            return {"exc_type": "RuntimeError", "message": str(exc)}
        except Exception as exc:  # the session hands it to its caller
            raise FromHost(exc) from exc
        try:
            return {"return_value": from_host(value)}
        except NotPlain as exc:
            return {
                "exc_type": "RuntimeError",
                "message": f"{name}() gave a result that cannot be passed: {exc}",
            }
