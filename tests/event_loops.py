"""Event loops for tests of deadlines: time passes when the test says so, and not with the machine's load."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import pytest

from funnel.llm.budget import Ledger


class JumpingLoop(asyncio.SelectorEventLoop):
    """Real time, and what a test lets pass besides: a deadline is far away until the test jumps to it."""

    def __init__(self) -> None:
        self._ahead = 0.0
        super().__init__()

    def time(self) -> float:
        """Return the seconds that have passed for this loop."""
        return super().time() + self._ahead

    def jump_to(self, moment: float) -> None:
        """Let it be that time, unless it is later already."""
        self._ahead += max(0.0, moment - self.time())


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """No time but the timers': once every task waits it jumps to the next one.

    Waits cost nothing, and deadlines are exact: no time passes during a step, however long it takes, or while
    a thread of the loop's executor works. For tests that open no connection and start no process, since what
    comes from outside would always come too late.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._working = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the seconds that have passed for this loop."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += seconds

    @property
    def waits_for_a_thread(self) -> bool:
        """Whether a thread is at work, whose result is there before any time has passed."""
        return self._working > 0

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> Any:
        """Run it as every loop does."""
        future = super().run_in_executor(executor, func, *args)
        self._working += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _future: object) -> None:
        self._working -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would wait for the next timer, it is that timer's time."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; see `selectors`."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.waits_for_a_thread:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self._loop.jump(timeout)
        return ready


jumping = pytest.mark.event_loop(factory=JumpingLoop)
virtual_time = pytest.mark.event_loop(factory=VirtualTimeLoop)


def loop_time() -> float:
    """The clock of the running loop."""
    return asyncio.get_running_loop().time()


@pytest.fixture
def ledgers_in_loop_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers that are made without a clock follow the running loop's."""
    monkeypatch.setitem(Ledger.__init__.__kwdefaults__, "clock", loop_time)
