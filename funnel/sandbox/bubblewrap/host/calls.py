"""Host calls of one bubblewrap cell: answers, counts and runs them concurrently; owns no connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from funnel.sandbox.base import HostFunction
from funnel.sandbox.bubblewrap.host.wire import BadFrame
from funnel.sandbox.calls import Held, HostAnswer, HostCallLimit, answer_call
from funnel.sandbox.values import bounded_arguments

_MAX_WAIT_S = 3600.0


class BubblewrapHostCalls:
    """Answers the host calls of one cell."""

    def __init__(self, functions: Mapping[str, HostFunction], limit: int) -> None:
        self._functions = functions
        self._limit = limit
        self._held = Held()
        self._tasks: dict[int, asyncio.Task[HostAnswer]] = {}
        self._made = 0
        self._waited = 0

    async def answer(self, frame: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Return the answers to a "call" or "wait" frame; None if the code does not wait for one.

        Raises: `BadFrame`; `HostCallLimit`; `HostFunctionRaised`.
        """
        if frame.get("do") == "wait":
            return await self._settle(frame.get("at_most_s"))
        number, name, args, kwargs = (frame.get(key) for key in ("id", "name", "args", "kwargs"))
        if not (
            isinstance(number, int)
            and isinstance(name, str)
            and name in self._functions
            and isinstance(args, list)
            and isinstance(kwargs, dict)
            and number not in self._tasks
        ):
            raise BadFrame
        self._made += 1
        if self._made > self._limit:
            raise HostCallLimit(self._limit)
        if frame.get("later") is not True:
            return [self._collected(number, await self._answer(name, args, kwargs))]
        self._tasks[number] = asyncio.create_task(self._answer(name, args, kwargs))
        return None

    async def cancel(self) -> None:
        """Cancel the calls that are still running, so that none outlives its cell."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _settle(self, at_most_s: Any) -> list[dict[str, Any]]:
        self._waited += 1
        if self._waited > max(1_000, 2 * self._limit):
            raise HostCallLimit(self._limit)
        if at_most_s is not None and not (isinstance(at_most_s, (int, float)) and at_most_s >= 0):
            raise BadFrame
        if not self._tasks:
            return []
        done, _ = await asyncio.wait(
            self._tasks.values(),
            timeout=None if at_most_s is None else min(at_most_s, _MAX_WAIT_S),
            return_when=asyncio.FIRST_COMPLETED,
        )
        numbers = [number for number, task in self._tasks.items() if task in done]
        return [self._collected(number, self._tasks.pop(number).result()) for number in numbers]

    async def _answer(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> HostAnswer:
        function = self._functions[name]
        return await answer_call(function, name, lambda: bounded_arguments(args, kwargs), self._held)

    def _collected(self, number: int, answer: HostAnswer) -> dict[str, Any]:
        self._held.give(answer.held)
        if answer.error is None:
            return {"id": number, "value": answer.value}
        return {"id": number, "error": answer.error, "message": answer.message}
