"""One ledger for a whole run and its children: reserve before a call, settle after; knows no model.

A reservation is the worst case of a call, so that calls in flight together cannot pass a limit that each
of them alone would have kept. For one event loop; no thread may touch it from outside.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from funnel.errors import BadSetting, BudgetExceeded
from funnel.types import Usage

MIN_OUTPUT_TOKENS = 64
"""A call that may answer with fewer tokens than this is not worth its input."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take, children included. None means no limit of that kind.

    `max_turns` is of each inspector; `max_output_chars` of what all their cells print and note together.

    `max_prompt_tokens`: what a prompt of an inspector may be estimated at, whatever the documents' size.

    Raises: `BadSetting` for a limit below zero or not a number.
    """

    max_usd: float | None = None
    max_calls: int | None = 100
    max_tokens: int | None = None
    timeout_s: float | None = 300.0
    max_turns: int = 16
    max_depth: int = 2
    max_prompt_tokens: int = 32_000
    max_output_chars: int | None = 4_000_000

    def __post_init__(self) -> None:
        for name in (
            "max_usd", "max_calls", "max_tokens", "timeout_s", "max_turns", "max_depth", "max_output_chars",
            "max_prompt_tokens",
        ):  # fmt: skip
            value = getattr(self, name)
            # A cap of NaN would compare as neither passed nor kept.
            if value is not None and (math.isnan(value) or value < 0):
                raise BadSetting(name, f"must be 0 or more, not {value:g}.")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input_usd: float
    output_usd: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Dollars for a call of this size."""
        return (input_tokens * self.input_usd + output_tokens * self.output_usd) / 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """The worst case of one call. `output_tokens` is what the call may be asked for at most.

    Two of the same size are two: compared by identity. `in_flight`: its call is being made now, so that it
    pays to wait for its end; otherwise it is kept for a later call.
    """

    input_tokens: int
    output_tokens: int
    usd: float
    in_flight: bool = False


class Ledger:
    """Live counters of one run; `Limits` are never changed."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._started = clock()
        self._open: dict[Reservation, None] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._calls = 0
        self._answered = False
        self._cached = 0
        self._replayed = 0
        self._turns = 0
        self._depth = 0
        self._output_chars = 0
        self._kept_back_s = 0.0
        self._input = 0
        self._output = 0
        self._usd = 0.0
        self._unpriced = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._started

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, what is kept back taken off, never below zero; None without one."""
        timeout_s = self.limits.timeout_s
        return None if timeout_s is None else max(0.0, timeout_s - self._kept_back_s - self.elapsed_s)

    @contextmanager
    def keeping_back(self, share: float, *, at_most_s: float) -> Iterator[None]:
        """Inside, the deadline comes earlier by that share of the time left: it is for what comes after."""
        remaining_s = self.remaining_s
        kept_s = 0.0 if remaining_s is None else min(remaining_s * share, at_most_s)
        self._kept_back_s += kept_s
        try:
            yield
        finally:
            self._kept_back_s -= kept_s

    @asynccontextmanager
    async def in_time(self, detail: str = "") -> AsyncIterator[None]:
        """Inside, the deadline ends what is awaited. Raises: `BudgetExceeded` with that detail."""
        try:
            async with asyncio.timeout(self.remaining_s) as deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise self.out_of_time(detail) from None

    def remaining_calls(self) -> int | None:
        """Model calls left, those in flight taken off; None without a limit."""
        limit = self.limits.max_calls
        return None if limit is None else max(0, limit - self._calls - len(self._open))

    def remaining_usd(self) -> float | None:
        """Dollars left, reservations taken off; None without a limit."""
        limit = self.limits.max_usd
        return None if limit is None else max(0.0, limit - self._usd - sum(r.usd for r in self._open))

    def remaining_tokens(self) -> int | None:
        """Tokens left, reservations taken off; None without a limit."""
        limit = self.limits.max_tokens
        reserved = sum(r.input_tokens + r.output_tokens for r in self._open)
        return None if limit is None else max(0, limit - self._input - self._output - reserved)

    @property
    def in_flight(self) -> int:
        """Open reservations whose calls are being made now."""
        return sum(reservation.in_flight for reservation in self._open)

    def reserve(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        price: Price | None,
        at_least: int = MIN_OUTPUT_TOKENS,
        in_flight: bool = False,
    ) -> Reservation:
        """Set aside the worst case of one call, with fewer output tokens than asked where that fits.

        Raises: `BudgetExceeded` when not even `at_least` output tokens fit; nothing is then reserved.
        """
        limits = self.limits
        if self.remaining_s == 0:
            raise self.out_of_time()
        if self.remaining_calls() == 0:
            raise BudgetExceeded("max_calls", limits.max_calls or 0, self._calls + len(self._open))
        granted = output_tokens
        floor = min(output_tokens, at_least)
        if (left_tokens := self.remaining_tokens()) is not None:
            granted = min(granted, left_tokens - input_tokens)
            if granted < floor:
                allowed = limits.max_tokens or 0
                needed = input_tokens + floor
                raise BudgetExceeded("max_tokens", allowed, allowed - left_tokens, needed=needed)
        if (left_usd := self.remaining_usd()) is not None and price is not None:
            affordable = left_usd - price.cost(input_tokens, 0)
            if 0 <= affordable < price.cost(0, granted):
                # The millionth of a token keeps a sum that fits exactly from being rounded to one too few.
                granted = math.floor(affordable * 1_000_000 / price.output_usd + 1e-6)
            if affordable < 0 or granted < floor:
                usd = price.cost(input_tokens, floor)
                raise BudgetExceeded(
                    "max_usd", limits.max_usd or 0, (limits.max_usd or 0) - left_usd, needed=usd
                )
        usd = price.cost(input_tokens, granted) if price else 0.0
        reservation = Reservation(input_tokens, granted, usd, in_flight)
        self._open[reservation] = None
        return reservation

    def settle(
        self,
        reservation: Reservation,
        *,
        input_tokens: int,
        output_tokens: int,
        price: Price | None,
        answered: bool = True,
    ) -> float | None:
        """Book what the call really took, even above its reservation, and free that.

        Not `answered`: it brought nothing, but may have cost as much.
        Returns: its dollars, None if unpriced. Raises: `ValueError` for a reservation that is not open.
        """
        self._close(reservation)
        self._calls += 1
        self._answered |= answered
        self._input += input_tokens
        self._output += output_tokens
        if price is None:
            self._unpriced = True
            return None
        usd = price.cost(input_tokens, output_tokens)
        self._usd += usd
        return usd

    def release(self, reservation: Reservation) -> None:
        """Free the reservation of a call that took nothing. Raises: `ValueError` as `settle` does."""
        self._close(reservation)

    async def freed(self) -> None:
        """Wait until a reservation that is open now has been settled or released."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    @property
    def answered(self) -> bool:
        """Whether any call has brought an answer."""
        return self._answered

    def out_of_time(self, detail: str = "") -> BudgetExceeded:
        """The error that says the deadline has passed, and by default whether the model had answered."""
        if not self._answered:
            detail = detail or "the model had not answered"
        return BudgetExceeded("timeout_s", self.limits.timeout_s or 0, self.elapsed_s, detail=detail)

    def _close(self, reservation: Reservation) -> None:
        if reservation not in self._open:
            raise ValueError("this reservation was settled or released before")
        del self._open[reservation]
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def count_cached(self) -> None:
        """Count an answer that came from a cache and cost nothing."""
        self._cached += 1
        self._answered = True

    def book(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        usd: float | None,
        answered: bool,
        cached: bool = False,
        calls: int = 1,
    ) -> None:
        """Book what this run spent on one call before it was interrupted, above a limit too."""
        self._replayed += answered
        self._answered |= answered
        if cached:
            self._cached += 1
            return
        self._calls += calls
        self._input += input_tokens
        self._output += output_tokens
        if usd is None:
            self._unpriced = True
        else:
            self._usd += usd

    def count_turn(self, depth: int) -> None:
        """Count a turn of an inspector at that depth; the first is at 0."""
        self._turns += 1
        self._depth = max(self._depth, depth)

    def remaining_output_chars(self) -> int | None:
        """Characters that cells may still print and note; None without a limit."""
        limit = self.limits.max_output_chars
        return None if limit is None else max(0, limit - self._output_chars)

    def take_output(self, n_chars: int) -> int:
        """Count what a cell printed or noted. Returns: how many of its characters are within the limit."""
        limit = self.limits.max_output_chars
        taken = n_chars if limit is None else max(0, min(n_chars, limit - self._output_chars))
        self._output_chars += taken
        return taken

    def out_of_output(self) -> BudgetExceeded:
        """The error that says that the cells have printed and noted all that they may."""
        return BudgetExceeded("max_output_chars", self.limits.max_output_chars or 0, self._output_chars)

    @property
    def usage(self) -> Usage:
        """What was spent so far."""
        return Usage(
            model_calls=self._calls,
            input_tokens=self._input,
            output_tokens=self._output,
            cost_usd=None if self._unpriced else self._usd,
            wall_s=self.elapsed_s,
            cached_calls=self._cached,
            replayed_calls=self._replayed,
            turns=self._turns,
            depth=self._depth,
            output_chars=self._output_chars,
        )
