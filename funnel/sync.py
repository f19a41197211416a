"""The funnel for scripts and notebooks: the same calls without `await`; knows none of its parts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Self

from funnel.pipeline import Funnel, Options
from funnel.trace.events import Sink
from funnel.types import Answer


class SyncFunnel:
    """Runs a `Funnel` in a thread with an event loop of its own, so that it also works in a notebook.

    Safe for use by several threads at once. `build` is called inside that loop, to which the parts belong.
    """

    def __init__(self, build: Callable[[], Funnel]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="funnel", daemon=True)
        self._thread.start()
        try:
            self._funnel = asyncio.run_coroutine_threadsafe(_call(build), self._loop).result()
        except BaseException:
            self._stop()
            raise

    def ask(self, question: str, options: Options | None = None, *, on_event: Sink | None = None) -> Answer:
        """Ask as `Funnel.ask` does; Ctrl-C cancels the run. `on_event` is called in the funnel's thread.

        Raises: as `Funnel.ask`; `RuntimeError` if this is closed.
        """
        if self._loop.is_closed():
            raise RuntimeError("this funnel is closed")
        future = asyncio.run_coroutine_threadsafe(
            self._funnel.ask(question, options, on_event=on_event), self._loop
        )
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close the funnel and end the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._stop()

    async def _end(self) -> None:
        """Cancel what is still running, so that it releases what others wait for, and close the funnel."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._funnel.close()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _call(build: Callable[[], Funnel]) -> Funnel:
    return build()
