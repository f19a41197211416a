"""Lets calls of one model begin no faster than its endpoint takes them; knows no provider.

A process has one `Pacer` for each account and model, which all its runs, threads and event loops share,
since providers limit the rate of each model by itself. `Pace` says when a call may begin, and the pacer whose
turn it is.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import asynccontextmanager
from weakref import WeakSet, WeakValueDictionary

from funnel.llm.allowance import Stated
from funnel.llm.base import CallOptions, Wait
from funnel.llm.pace import Cost, Kind, Pace, Started

LOOK_AGAIN_S = 1.0
"""How often an event loop with waiting calls looks again: one of another thread may have been closed."""


class TooSlow(Exception):
    """The endpoint asks to wait longer than a call has time. `wait_s`: how long, `reason`: its last words."""

    def __init__(self, wait_s: float, reason: str) -> None:
        super().__init__(wait_s, reason)
        self.wait_s, self.reason = wait_s, reason


class _Waiter:
    """A call that waits for its turn. `started`: set once it has been given one."""

    __slots__ = ("cost", "give_up_at", "loop", "started", "turn")

    def __init__(self, cost: Cost, give_up_at: float) -> None:
        self.cost, self.give_up_at = cost, give_up_at
        self.loop = asyncio.get_running_loop()
        self.turn: asyncio.Future[None] = self.loop.create_future()
        self.started: Started | None = None

    def wake(self, error: Exception | None = None) -> bool:
        """Wake the call from any thread. Returns: False if its event loop has ended."""
        try:
            if self.loop is _running_loop():
                _end(self.turn, error)
            else:
                self.loop.call_soon_threadsafe(_end, self.turn, error)
        except RuntimeError:
            return False
        return True


class Turn:
    """The turn of one call, which says how the call went."""

    __slots__ = ("_cost", "_pacer", "_started")

    def __init__(self, pacer: Pacer, started: Started, cost: Cost) -> None:
        self._pacer, self._started, self._cost = pacer, started, cost

    def hear(self, stated: Mapping[Kind, Stated]) -> None:
        """Take what a response states to be left of the endpoint's limits."""
        if stated:
            self._pacer.hear(self._started, stated)

    def serve(self) -> None:
        """Say that the call was served."""
        self._pacer.serve(self._started)

    def refuse(self, reason: str, asked_s: float | None) -> float:
        """Say that the call was refused because of the rate, and how long the endpoint asks to wait.

        Returns: the seconds until a call may be tried again.
        """
        return self._pacer.refuse(self._started, self._cost, reason, asked_s)


_ALL: WeakSet[Pacer] = WeakSet()


class Pacer:
    """The calls of one model that are under way, and those that wait for their turn.

    Parties (`CallOptions.party`, one a run) have their turns round robin, and each its calls in order.
    """

    def __init__(self, *, first_pause_s: float = 1.0) -> None:
        self._first_pause_s = first_pause_s
        self.reset()
        _ALL.add(self)

    def reset(self) -> None:
        """Forget all that was learnt, all calls, and a lock that is held, as a child process must."""
        self._lock = threading.Lock()
        self._pace = Pace(first_pause_s=self._first_pause_s)
        self._reason = ""
        self._under_way: dict[Started, asyncio.AbstractEventLoop] = {}
        self._waiting: OrderedDict[Hashable, OrderedDict[_Waiter, None]] = OrderedDict()
        self._n_waiting: dict[asyncio.AbstractEventLoop, int] = {}
        self._timers: dict[asyncio.AbstractEventLoop, asyncio.TimerHandle] = {}

    @property
    def counts_tokens(self) -> bool:
        """Whether the endpoint has stated a limit of tokens."""
        return self._pace.counts_tokens

    @property
    def reason(self) -> str:
        """Why calls wait: the words of the last refusal, if there was any."""
        return self._reason or "the endpoint's limit is used up"

    @asynccontextmanager
    async def turn(self, cost: Cost, options: CallOptions, *, give_up_at: float) -> AsyncIterator[Turn]:
        """Wait for the turn of a call, inside `options.while_waiting` if that takes any time.

        Cancelling is safe. Raises: `TooSlow` as soon as the endpoint asks to wait until `give_up_at`, a time
        of the running loop, or later; what `while_waiting` raises.
        """
        started = self._start_at_once(cost)
        try:
            if started is None:
                waiter = self._enlist(options.party, cost, give_up_at)
                try:
                    async with options.while_waiting(self._expected(cost)):
                        await waiter.turn
                finally:
                    started = self._withdraw(options.party, waiter)
            if started is not None:
                yield Turn(self, started, cost)
        finally:
            if started is not None:
                self._leave(started)

    def hear(self, started: Started, stated: Mapping[Kind, Stated]) -> None:
        """Take what the response to a call states."""
        with self._lock:
            self._pace.hear(started, stated, _now())

    def serve(self, started: Started) -> None:
        """Count a call as served."""
        with self._lock:
            self._under_way.pop(started, None)
            self._pace.serve(started, _now())
            self._admit()

    def refuse(self, started: Started, cost: Cost, reason: str, asked_s: float | None) -> float:
        """Count a call as refused, and tell those that cannot wait as long as the endpoint asks.

        Returns: the seconds until a call may be tried again.
        """
        with self._lock:
            now = _now()
            self._reason = reason
            self._under_way.pop(started, None)
            opens_at = self._pace.refuse(started, cost, now, asked_s)
            if self._pace.asked_s is not None:
                self._give_up(now)
            self._admit()
            return max(0.0, opens_at - now)

    def _start_at_once(self, cost: Cost) -> Started | None:
        with self._lock:
            now = _now()
            if self._waiting or self._pace.free_at(cost, now) > now:
                return None
            return self._start(cost, asyncio.get_running_loop(), now)

    def _start(self, cost: Cost, loop: asyncio.AbstractEventLoop, now: float) -> Started:
        started = self._pace.start(cost, now)
        self._under_way[started] = loop
        return started

    def _leave(self, started: Started) -> None:
        """Count a call as ended, if it was neither served nor refused: it failed or was cancelled."""
        with self._lock:
            if self._under_way.pop(started, None) is not None:
                self._pace.end(started)
                self._admit()

    def _expected(self, cost: Cost) -> Wait:
        """Return why a call waits, and about how long."""
        with self._lock:
            now = _now()
            at = self._pace.free_at(cost, now)
            return Wait(self.reason, max(0.0, at - now) if at < math.inf else 0.0)

    def _enlist(self, party: Hashable, cost: Cost, give_up_at: float) -> _Waiter:
        with self._lock:
            now = _now()
            self._check(give_up_at, now)
            waiter = _Waiter(cost, give_up_at)
            self._waiting.setdefault(party, OrderedDict())[waiter] = None
            self._n_waiting[waiter.loop] = self._n_waiting.get(waiter.loop, 0) + 1
            self._admit()
            return waiter

    def _check(self, give_up_at: float, now: float) -> None:
        """Raise `TooSlow` if the endpoint asks to wait too long."""
        if self._pace.asked_s is not None and self._pace.opens_at >= give_up_at:
            raise TooSlow(self._pace.opens_at - now, self._reason)

    def _give_up(self, now: float) -> None:
        for party, waiting in list(self._waiting.items()):
            for waiter in list(waiting):
                try:
                    self._check(waiter.give_up_at, now)
                except TooSlow as error:
                    self._drop(party, waiter)
                    waiter.wake(error)

    def _withdraw(self, party: Hashable, waiter: _Waiter) -> Started | None:
        """Take a call off the list if it is still on it. Returns: the turn that it was given, or None."""
        with self._lock:
            if waiter.started is None and self._drop(party, waiter):
                self._admit()
            return waiter.started

    def _admit(self) -> None:
        """Give the turns that may begin now, and look again when the next may."""
        now, at = _now(), math.inf
        while self._waiting:
            party, waiting = next(iter(self._waiting.items()))
            waiter = next(iter(waiting))
            at = self._pace.free_at(waiter.cost, now)
            if at > now:
                break
            self._waiting.move_to_end(party)
            self._drop(party, waiter)
            waiter.started = self._start(waiter.cost, waiter.loop, now)
            if not waiter.wake():
                del self._under_way[waiter.started]
                self._pace.end(waiter.started)
        self._pace.short(now, waiting=bool(self._waiting))
        self._look_again(min(at, now + LOOK_AGAIN_S))

    def _drop(self, party: Hashable, waiter: _Waiter) -> bool:
        """Take a call off the list. Returns: whether it was on it."""
        waiting = self._waiting.get(party, OrderedDict())
        if waiter not in waiting:
            return False
        del waiting[waiter]
        if not waiting:
            del self._waiting[party]
        self._n_waiting[waiter.loop] -= 1
        if not self._n_waiting[waiter.loop]:
            del self._n_waiting[waiter.loop]
        return True

    def _look_again(self, at: float) -> None:
        """Let the running loop look again at that time, if calls of its own wait.

        Every loop looks after its own, so that none depends on one that is busy or has been closed.
        """
        loop = asyncio.get_running_loop()
        timer = self._timers.get(loop)
        if loop not in self._n_waiting:
            if timer is not None:
                self._timers.pop(loop).cancel()
        elif timer is None or timer.when() > at:
            if timer is not None:
                timer.cancel()
            self._timers[loop] = loop.call_at(at, self._tick)

    def _tick(self) -> None:
        with self._lock:
            self._timers.pop(asyncio.get_running_loop(), None)
            self._forget_ended_loops()
            self._admit()

    def _forget_ended_loops(self) -> None:
        """End the calls of event loops that were closed, since those never end by themselves."""
        for started in [each for each, loop in self._under_way.items() if loop.is_closed()]:
            del self._under_way[started]
            self._pace.end(started)
        for loop in [loop for loop in self._timers if loop.is_closed()]:
            del self._timers[loop]


_PACERS: WeakValueDictionary[tuple[str, str], Pacer] = WeakValueDictionary()
_PACERS_LOCK = threading.Lock()


def pacer_of(account: str, model: str, *, first_pause_s: float = 1.0) -> Pacer:
    """Return the one pacer of this process for a model of an account."""
    with _PACERS_LOCK:
        pacer = _PACERS.get((account, model))
        if pacer is None:
            pacer = _PACERS[account, model] = Pacer(first_pause_s=first_pause_s)
        return pacer


def _now() -> float:
    """Return the time of the running loop; all loops of a process have the same clock."""
    return asyncio.get_running_loop().time()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _end(turn: asyncio.Future[None], error: Exception | None) -> None:
    if turn.done():
        return
    if error is None:
        turn.set_result(None)
    else:
        turn.set_exception(error)


def _forget_the_parent() -> None:
    """Begin anew in a child process: the calls of the parent are not its own."""
    global _PACERS_LOCK  # noqa: PLW0603 - another thread of the parent may hold it
    _PACERS_LOCK = threading.Lock()
    for pacer in list(_ALL):
        pacer.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parent)
