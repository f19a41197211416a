"""How fast one model of one account may be called, from refusals and from what responses state; no I/O.

Nothing is held back until the endpoint refuses a call because too many were made, or states that a limit is
used up. After a refusal nobody calls for a while, which doubles with each further refusal; then one call is
tried, and when that is not refused, half as many at once as before. From the second refusal on, calls also
keep the rate that was served while calls had to wait. Both grow again with each call that is served.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from funnel.llm.allowance import Allowance, Stated

Kind = Literal["requests", "tokens"]
LONGEST_PAUSE_S = 30.0
"""The longest pause that is not asked for: most limits are for a minute, and some for an hour."""
NOT_REFUSED_S = 2.0
"""Refusals come quickly: a call that was not refused by then was taken, however long its reply takes."""
FORGET_S = 120.0
"""After so much time without a call, what was learnt from refusals is forgotten."""
GROWTH = 1.05
"""The factor by which the rate grows with each call that is served."""
UNLIMITED = 1_000.0
"""A rate per second, and a number of calls at once, that is not worth keeping."""
MOST_JITTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The tokens that a call is expected to take, and the most that it may take."""

    expected: int = 0
    most: int = 0


@dataclass(eq=False, slots=True)
class Started:
    """A call that has begun. `counted`: the requests and tokens that were surely counted before it."""

    number: int
    at: float
    tokens: float
    counted: tuple[int, float]


class Pace:
    """Times are seconds on a clock that never goes back. Not safe for several threads by itself.

    `first_pause_s`: about how long to pause after a refusal that asks for no certain time.
    """

    def __init__(self, *, first_pause_s: float = 1.0) -> None:
        self._first_pause_s = first_pause_s
        self._limits: dict[Kind, Allowance] = {"requests": Allowance(), "tokens": Allowance()}
        self.counts_tokens = False
        self._worst_case = False
        self._calls: dict[Started, None] = {}
        self._n_started = 0
        self._n_ended = 0
        self._tokens_started = self._tokens_ended = 0.0
        self._last_at = math.inf
        self._forget()

    def _forget(self) -> None:
        self._at_once = math.inf
        self._per_s = math.inf
        self._open_at = self._next_at = -math.inf
        self._pauses = 0
        self._cut_after = 0
        self._tried: Started | None = None
        self._short_at: float | None = None
        self._short_s = 0.0
        self._n_served = 0
        self.asked_s: float | None = None

    @property
    def in_flight(self) -> int:
        """How many calls have begun and not ended."""
        return len(self._calls)

    @property
    def closed(self) -> bool:
        """Whether the endpoint has refused the last calls, so that they are tried one by one."""
        return self._pauses > 0

    @property
    def opens_at(self) -> float:
        """The time before which no call may begin."""
        return self._open_at

    def tokens(self, cost: Cost) -> float:
        """Return the tokens to count a call at: the expected ones unless the endpoint counts the most."""
        return float(cost.most if self._worst_case else cost.expected)

    def free_at(self, cost: Cost, now: float) -> float:
        """Return when a call may begin; infinity if one that is under way must end before."""
        if len(self._calls) + 1 > self._at_once:
            return math.inf
        tried_until = -math.inf if self._tried is None else self._tried.at + NOT_REFUSED_S
        return max(now, self._open_at, self._next_at, tried_until, self.stated_at(cost, now))

    def stated_at(self, cost: Cost, now: float) -> float:
        """Return when a call fits into what the endpoint stated to be left."""
        requests, tokens = self._limits["requests"], self._limits["tokens"]
        return max(requests.free_at(1, now), tokens.free_at(self.tokens(cost), now))

    def start(self, cost: Cost, now: float) -> Started:
        """Count a call that begins now."""
        if not self._calls and self._short_at is None and now > self._last_at + FORGET_S:
            self._forget()
        self._last_at = now
        tokens = self.tokens(cost)
        counted = self._counted(now)
        self._limits["requests"].take(1, now, others=self._n_started - counted[0])
        self._limits["tokens"].take(tokens, now, others=self._tokens_started - counted[1])
        self._tokens_started += tokens
        self._n_started += 1
        if self._tried is not None and now >= self._tried.at + NOT_REFUSED_S:
            self._reopen()
        self._next_at = max(self._next_at, now) + 1 / self._per_s
        started = Started(self._n_started, now, tokens, counted)
        self._calls[started] = None
        if self.closed:
            self._tried = started
        return started

    def _counted(self, now: float) -> tuple[int, float]:
        """Return the requests and tokens of all calls but those that were just sent."""
        n, tokens = self._n_ended, self._tokens_ended
        for call in self._calls:
            if call.at > now - NOT_REFUSED_S:
                break
            n, tokens = n + 1, tokens + call.tokens
        return n, tokens

    def hear(self, started: Started, stated: Mapping[Kind, Stated], now: float) -> None:
        """Take what the response to a call states."""
        self.counts_tokens |= "tokens" in stated
        others: dict[Kind, float] = {
            "requests": self._n_started - started.counted[0] - 1,
            "tokens": self._tokens_started - started.counted[1] - started.tokens,
        }
        for kind, each in stated.items():
            self._limits[kind].state(each, now, sent_at=started.at, others=others[kind])

    def serve(self, started: Started, now: float) -> None:
        """Count a call as served."""
        self.end(started)
        self._last_at = now
        self._n_served += self._short_at is not None
        if started.number <= self._cut_after:
            return  # it began before the refusal, and tells nothing of the time since
        self._reopen()
        self._at_once += 1 / self._at_once
        self._per_s *= GROWTH
        if self._at_once > UNLIMITED:
            self._at_once = math.inf
        if self._per_s > UNLIMITED:
            self._per_s = math.inf

    def _reopen(self) -> None:
        self._tried = None
        self._pauses = 0
        self.asked_s = None

    def refuse(self, started: Started, cost: Cost, now: float, asked_s: float | None) -> float:
        """Count a call as refused because of the rate. Returns: when the next may begin.

        `asked_s`: how long the endpoint asks to wait.
        """
        at_once = len(self._calls)
        self.end(started)
        self._last_at = now
        self._learn_cost(cost, now)
        stated_s = self.stated_at(cost, now) - now
        if asked_s is not None:
            for limit in self._limits.values():
                limit.whole_by(now + asked_s)
        elif stated_s > 0:
            asked_s = stated_s
        if started.number > self._cut_after:
            first = not self._pauses
            self._cut(at_once, now)
            if first and asked_s is not None:
                self._open_at = -math.inf  # what was asked for is enough, unless it proves to be too little
        if asked_s is not None and now + asked_s > self._open_at:
            self._open_at = now + asked_s + _jitter(asked_s)
            self.asked_s = asked_s
        return self._open_at

    def _cut(self, at_once: int, now: float) -> None:
        """Halve what may be called at once, keep the rate that was served, and pause."""
        if self._pauses == 0:
            self._at_once = max(1.0, min(self._at_once, at_once) / 2)
            short_s = self.short_s(now)
            if self._n_served and short_s:
                self._per_s = min(self._per_s, self._n_served / short_s)
            self._n_served, self._short_s = 0, 0.0
            self._short_at = None if self._short_at is None else now
        pause_s = max(self._first_pause_s, min(1 / self._per_s, LONGEST_PAUSE_S)) * 2**self._pauses
        pause_s = min(pause_s, LONGEST_PAUSE_S)
        self._open_at = now + random.uniform(pause_s / 2, pause_s)  # noqa: S311 - spreads calls only
        self._pauses += 1
        self._cut_after = self._n_started
        self._tried = None

    def _learn_cost(self, cost: Cost, now: float) -> None:
        """Count the most tokens from now on, if only that explains the refusal."""
        limit = self._limits["tokens"]
        self._worst_case |= limit.free_at(cost.expected, now) <= now < limit.free_at(cost.most, now)

    def end(self, started: Started) -> None:
        """Count a call as ended, in whatever way; a second call does nothing."""
        if started in self._calls:
            del self._calls[started]
            self._n_ended += 1
            self._tokens_ended += started.tokens

    def short(self, now: float, *, waiting: bool) -> None:
        """Note whether calls have to wait from now on: only such a time tells what the endpoint serves."""
        if waiting and self._short_at is None:
            self._short_at = now
        elif not waiting and self._short_at is not None:
            self._short_s, self._short_at = self.short_s(now), None

    def short_s(self, now: float) -> float:
        """Return for how long calls had to wait since the last refusal."""
        return self._short_s + (0.0 if self._short_at is None else now - self._short_at)


def _jitter(asked_s: float) -> float:
    """Return a little more time, so that the processes of an account do not come back together."""
    return random.uniform(0, min(asked_s / 10, MOST_JITTER_S))  # noqa: S311 - spreads calls only
