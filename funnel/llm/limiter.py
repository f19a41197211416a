"""Limits how many tasks are inside at once and serves those who wait in turn; knows nothing of the work.

A process has one `CallQueue` for each endpoint and key, which all its runs share. So `max_parallel` applies
to the process and not to each run.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict
from typing import Self
from weakref import WeakSet, WeakValueDictionary


class _Waiter:
    """A task that waits, and its event loop. `admitted`: whether it was given a place."""

    __slots__ = ("admitted", "loop", "turn")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[None] = self.loop.create_future()
        self.admitted = False

    def wake(self) -> bool:
        """Wake the task from any thread. Returns: False if its event loop has ended."""
        try:
            if self.loop is _running_loop():
                _set(self.turn)
            else:
                self.loop.call_soon_threadsafe(_set, self.turn)
        except RuntimeError:
            return False
        return True


_ALL: WeakSet[CallQueue] = WeakSet()


class CallQueue:
    """The tasks that are inside and those that wait, over all event loops of a process.

    Waiting parties (`Limiter` objects, one a run) are served round robin, and each in order of arrival: a run
    with ten thousand waiting calls does not starve one with a single call. Leaving takes the same time
    however many wait. `asyncio.Semaphore` goes through all of them for each task that leaves: a deadline that
    ends ten thousand waiters together would be late by seconds.
    """

    def __init__(self) -> None:
        self.reset()
        _ALL.add(self)

    def reset(self) -> None:
        """Forget all tasks inside and waiting, and a lock that is held, as a child process must."""
        self._lock = threading.Lock()
        self._inside: dict[asyncio.AbstractEventLoop, int] = {}
        self._n_inside = 0
        self._waiting: OrderedDict[Limiter, OrderedDict[_Waiter, None]] = OrderedDict()

    def full(self, size: int) -> bool:
        """Whether `size` or more tasks are inside."""
        return self._n_inside >= size

    def enter_at_once(self, party: Limiter) -> bool:
        """Enter if fewer than `party.size` are inside. Returns: whether that succeeded."""
        with self._lock:
            if self._n_inside >= party.size:
                self._forget_ended_loops()
            if self._n_inside < party.size:
                self._count(asyncio.get_running_loop(), 1)
                return True
            return False

    async def enter(self, party: Limiter) -> None:
        """Wait until fewer than `party.size` are inside. Cancelling is safe."""
        with self._lock:
            if self._n_inside < party.size:  # a task of another thread has left meanwhile
                self._count(asyncio.get_running_loop(), 1)
                return
            waiter = _Waiter()
            self._waiting.setdefault(party, OrderedDict())[waiter] = None
        try:
            await waiter.turn
        except asyncio.CancelledError:
            with self._lock:
                if waiter.admitted:
                    self._count(waiter.loop, -1)  # given a place, but cancelled before it woke
                    self._admit()
                else:
                    self._drop(party, waiter)
            raise

    def leave(self) -> None:
        """Give the place to the next in turn; called once by each task that has entered."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop in self._inside:  # otherwise garbage of a loop that ended, whose places are free already
                self._count(loop, -1)
                self._admit()

    def _admit(self) -> None:
        """Admit one task that there is room for, from the party whose turn it is.

        Called for each place that is freed; until then no waiting task could have been admitted.
        """
        for _ in range(len(self._waiting)):
            party, waiting = next(iter(self._waiting.items()))
            self._waiting.move_to_end(party)
            if self._n_inside >= party.size:
                continue  # another party may allow more at once
            waiter, _ = waiting.popitem(last=False)
            if not waiting:
                del self._waiting[party]
            waiter.admitted = True
            if waiter.wake():
                self._count(waiter.loop, 1)
                return

    def _drop(self, party: Limiter, waiter: _Waiter) -> None:
        waiting = self._waiting.get(party)
        if waiting is not None:
            waiting.pop(waiter, None)
            if not waiting:
                del self._waiting[party]

    def _count(self, loop: asyncio.AbstractEventLoop, change: int) -> None:
        self._n_inside += change
        n_inside = self._inside.get(loop, 0) + change
        if n_inside:
            self._inside[loop] = n_inside
        else:
            del self._inside[loop]

    def _forget_ended_loops(self) -> None:
        """Free the places of tasks whose event loop was closed, since they never leave by themselves."""
        for loop in [loop for loop in self._inside if loop.is_closed()]:
            freed = self._inside[loop]
            self._count(loop, -freed)
            for _ in range(freed):
                self._admit()


class Limiter:
    """One party's way into a queue: `async with limiter:` waits until fewer than `size` are inside.

    Parties with the same `queue` share its places; without one, this limiter is the only party.
    """

    def __init__(self, size: int, *, queue: CallQueue | None = None) -> None:
        self.size = size
        self._queue = queue or CallQueue()

    def locked(self) -> bool:
        """Whether a task that comes now has to wait."""
        return self._queue.full(self.size)

    async def __aenter__(self) -> None:
        if not self._queue.enter_at_once(self):
            await self._queue.enter(self)

    async def __aexit__(self, *_exc: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Give the place to the next in turn."""
        self._queue.leave()


class Place:
    """One task's place inside a limiter: `async with place:` takes it and frees it at the end.

    Inside, the task may free it and take it again.
    """

    __slots__ = ("held", "party")

    def __init__(self, limiter: Limiter) -> None:
        self.party = limiter
        self.held = False

    async def take(self) -> None:
        """Wait until the limiter admits the task."""
        await self.party.__aenter__()
        self.held = True

    def free(self) -> None:
        """Leave the limiter; nothing happens if the task is not inside."""
        if self.held:
            self.held = False
            self.party.leave()

    async def __aenter__(self) -> Self:
        await self.take()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.free()


_QUEUES: WeakValueDictionary[str, CallQueue] = WeakValueDictionary()
_QUEUES_LOCK = threading.Lock()


def queue_of(account: str) -> CallQueue:
    """Return the one queue of this process for an account, as `Accountable.account` names it."""
    with _QUEUES_LOCK:
        queue = _QUEUES.get(account)
        if queue is None:
            queue = _QUEUES[account] = CallQueue()
        return queue


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _set(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def _forget_the_parent() -> None:
    """Begin anew in a child process: what was inside stays inside in the parent only."""
    global _QUEUES_LOCK  # noqa: PLW0603 - another thread of the parent may hold it
    _QUEUES_LOCK = threading.Lock()
    for queue in list(_ALL):
        queue.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parent)
