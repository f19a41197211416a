"""Waits for a blocking call up to a time limit; knows nothing of what is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def wait_for(call: Callable[[], T], timeout_s: float | None) -> T:
    """Run `call` in a thread of its own and return its result.

    A thread cannot be stopped: after the time limit it goes on, but neither the loop nor the process waits
    for it, as they would with `asyncio.to_thread`.

    Raises: `TimeoutError`, and what the call raises.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no error

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as exc:  # noqa: BLE001 - handed to whoever waits
            error = exc
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=partial(copy_context().run, work), name="funnel-call", daemon=True).start()
    async with asyncio.timeout(timeout_s):
        return await future
