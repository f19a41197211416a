"""The funnel for scripts and notebooks: the same calls without `await`; knows none of its parts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Self

from funnel.conversation import Thread
from funnel.errors import FunnelClosed, OtherLoop
from funnel.llm.budget import Limits
from funnel.pipeline import Funnel, Options
from funnel.trace.events import Sink
from funnel.types import Answer, Mode


class SyncFunnel:
    """Runs a `Funnel` in a thread with an event loop of its own, so that it also works in a notebook.

    Safe for use by several threads at once. `build` is called inside that loop, to which the parts belong.
    """

    def __init__(self, build: Callable[[], Funnel]) -> None:
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._asked: set[Future[Answer]] = set()
        self._closing = False
        self._closed = threading.Event()
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

        Raises: as `Funnel.ask`; `FunnelClosed` if this is closed, also while it answers.
        """
        self._require_thread()
        with self._turn:
            if self._closing:
                raise FunnelClosed
            future = asyncio.run_coroutine_threadsafe(
                self._funnel.ask(question, options, on_event=on_event), self._loop
            )
            self._asked.add(future)
        try:
            return future.result()
        except CancelledError:
            if self._closing:
                raise FunnelClosed from None
            raise
        except BaseException:
            future.cancel()
            raise
        finally:
            with self._turn:
                self._asked.discard(future)

    def conversation(self, options: Options | None = None) -> SyncConversation:
        """Open a conversation, each question of which may refer to those before it."""
        return SyncConversation(self, options or Options())

    def close(self) -> None:
        """Close the funnel and end the thread; whoever is asking gets `FunnelClosed`.

        A second call waits until the first has ended.
        """
        self._require_thread()
        with self._turn:
            first, self._closing = not self._closing, True
        if not first:
            self._closed.wait()
            return
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        finally:
            self._stop()

    async def _end(self) -> None:
        """Close the funnel, which ends the questions under way, and cancel what is left."""
        try:
            await self._funnel.close()
        finally:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        with self._turn:
            waited_for = [*self._asked]
        # Nobody waits for a loop that is gone.
        for future in waited_for:
            future.cancel()
        self._closed.set()

    def _require_thread(self) -> None:
        """Check that waiting for the funnel's thread makes sense here. Raises: `OtherLoop`."""
        if os.getpid() != self._pid:
            raise OtherLoop("was built in another process, and a fork does not have its thread")
        if threading.current_thread() is self._thread:
            raise OtherLoop("is called in its own thread, as on_event is, and would wait for itself")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SyncConversation:
    """A conversation as `Conversation` is one, without `await`. Not thread-safe."""

    def __init__(self, funnel: SyncFunnel, options: Options) -> None:
        self._funnel = funnel
        self._thread = Thread(options)

    @property
    def run(self) -> str | None:
        """The name of the run that the next question follows; None before the first answer."""
        return self._thread.run

    def ask(
        self,
        question: str,
        *,
        mode: Mode | None = None,
        limits: Limits | None = None,
        on_event: Sink | None = None,
    ) -> Answer:
        """Return one cited answer. `mode`, `limits`: of this question, if not those of the options.

        Raises: as `SyncFunnel.ask`.
        """
        answer = self._funnel.ask(question, self._thread.options(mode, limits), on_event=on_event)
        self._thread.answered(answer)
        return answer


async def _call(build: Callable[[], Funnel]) -> Funnel:
    return build()
