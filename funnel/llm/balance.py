"""The counters of one ledger alone: what it has spent and reserved, and what it has left; knows no parent."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from funnel.errors import BudgetExceeded
from funnel.llm.limits import Limits, Reservation
from funnel.llm.tariff import Price
from funnel.types import Usage


class Balance:
    """Amounts spent and reserved within `limits`, which never change. `name` is its name in errors."""

    def __init__(
        self, limits: Limits, *, name: str = "run", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self.name = name
        self.answered = False
        self._clock = clock
        self._started = clock()
        self._open: dict[Reservation, None] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._calls = 0
        self._cached = 0
        self._replayed = 0
        self._turns = 0
        self._depth = 0
        self._output_chars = 0
        self._stored_bytes = 0
        self._input = 0
        self._output = 0
        self._cached_input = 0
        self._tiers: dict[str, None] = {}
        self._usd = 0.0
        self._unpriced = False

    # what is left

    @property
    def elapsed_s(self) -> float:
        """Seconds since the ledger was opened."""
        return self._clock() - self._started

    def left_s(self) -> float | None:
        """Seconds until the deadline, below zero after it; None if there is none."""
        timeout_s = self.limits.timeout_s
        return None if timeout_s is None else timeout_s - self.elapsed_s

    def left_calls(self) -> int | None:
        """Model calls left, less those in flight; None if there is no limit."""
        limit = self.limits.max_calls
        return None if limit is None else max(0, limit - self._calls - len(self._open))

    def left_usd(self) -> float | None:
        """Dollars left, less reservations; None if there is no limit."""
        limit = self.limits.max_usd
        return None if limit is None else max(0.0, limit - self._usd - sum(r.usd for r in self._open))

    def left_tokens(self) -> int | None:
        """Tokens left, less reservations; None if there is no limit."""
        limit = self.limits.max_tokens
        if limit is None:
            return None
        reserved = sum(r.input_tokens + r.output_tokens for r in self._open)
        return max(0, limit - self._input - self._output - reserved)

    def left_output_chars(self) -> int | None:
        """Characters that cells may still print and note; None if there is no limit."""
        limit = self.limits.max_output_chars
        return None if limit is None else max(0, limit - self._output_chars)

    def left_stored_bytes(self) -> int | None:
        """Bytes that may still be stored; None if there is no limit."""
        limit = self.limits.max_stored_bytes
        return None if limit is None else max(0, limit - self._stored_bytes)

    @property
    def in_flight(self) -> int:
        """Open reservations whose calls are being made now."""
        return sum(reservation.in_flight for reservation in self._open)

    # reservations

    def fit(self, input_tokens: int, output_tokens: int, price: Price | None, *, at_least: int) -> int:
        """Return how many of the output tokens a call may be granted here; reserves nothing.

        Raises: `BudgetExceeded` if not even `at_least` fit.
        """
        if self.left_calls() == 0:
            raise self.exceeded("max_calls", self._calls + len(self._open))
        granted = output_tokens
        floor = min(output_tokens, at_least)
        price = None if price is None else price.at(input_tokens)
        if (left_tokens := self.left_tokens()) is not None:
            granted = min(granted, left_tokens - input_tokens)
            if granted < floor:
                allowed = self.limits.max_tokens or 0
                raise self.exceeded("max_tokens", allowed - left_tokens, needed=input_tokens + floor)
        if (left_usd := self.left_usd()) is not None and price is not None:
            affordable = left_usd - price.cost(input_tokens, 0)
            if 0 <= affordable < price.cost(0, granted):
                # The millionth of a token keeps a sum that fits exactly from being rounded to one too few.
                granted = math.floor(affordable * 1_000_000 / price.output_usd + 1e-6)
            if affordable < 0 or granted < floor:
                allowed_usd = self.limits.max_usd or 0
                needed = price.cost(input_tokens, floor)
                raise self.exceeded("max_usd", allowed_usd - left_usd, needed=needed)
        return granted

    def may_gain(self, limit: str) -> bool:
        """Whether waiting may free more of this limit: calls in flight may use less than reserved."""
        return limit in {"max_usd", "max_tokens"} and self.in_flight > 0

    async def make_room(
        self,
        input_tokens: int,  # noqa: ARG002 - for balances that draw on another
        output_tokens: int,  # noqa: ARG002
        price: Price | None,  # noqa: ARG002
    ) -> None:
        """Wait until there may be room for such a call: until a reservation has been closed."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    async def prepare(self, input_tokens: int, output_tokens: int, price: Price | None) -> None:
        """Draw what such a call needs, if this balance draws on another."""

    def open(self, reservation: Reservation) -> None:
        """Count a reservation that fits."""
        self._open[reservation] = None

    def holds(self, reservation: Reservation) -> bool:
        """Whether the reservation is open."""
        return reservation in self._open

    def close(self, reservation: Reservation, *, spent: tuple[int, int, float | None] | None = None) -> None:
        """Free a reservation and book what was spent on it: tokens in, tokens out, dollars.

        Raises: `ValueError` if it is not open.
        """
        if reservation not in self._open:
            raise ValueError("this reservation was already settled or released")
        del self._open[reservation]
        if spent is not None:
            self.spend(*spent)
        self.wake()

    def wake(self) -> None:
        """Wake those who wait for room, since there may be some."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def durable(self) -> bool:
        """Whether `announce` writes anything."""
        return False

    async def announce(self, reservation: Reservation) -> None:
        """Make sure that the call of a reservation counts even if this process dies later."""

    # what was spent

    def spend(self, input_tokens: int, output_tokens: int, usd: float | None, *, calls: int = 1) -> None:
        """Book calls; `usd` is None if their price is unknown."""
        self._calls += calls
        self._input += input_tokens
        self._output += output_tokens
        if usd is None:
            self._unpriced = True
        else:
            self._usd += usd

    def count_served(self, tier: str, cached_input_tokens: int) -> None:
        """Count the input that an endpoint had in its cache, and the service tier of a call; "" if none."""
        self._cached_input += cached_input_tokens
        if tier:
            self._tiers[tier] = None

    def count_cached(self) -> None:
        """Count an answer that came from a cache and cost nothing."""
        self._cached += 1

    def count_replayed(self) -> None:
        """Count an answer that was replayed from the journal."""
        self._replayed += 1

    def count_turn(self, depth: int) -> None:
        """Count a turn of an inspector at that depth."""
        self._turns += 1
        self._depth = max(self._depth, depth)

    def count_output(self, n_chars: int) -> None:
        """Count characters that cells printed or noted."""
        self._output_chars += n_chars

    def count_stored(self, n_bytes: int) -> None:
        """Count bytes that were stored."""
        self._stored_bytes += n_bytes

    @property
    def usage(self) -> Usage:
        """The amounts spent so far."""
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
            stored_bytes=self._stored_bytes,
            cached_input_tokens=self._cached_input,
            tier=", ".join(self._tiers),
        )

    def exceeded(
        self, limit: str, spent: float, *, needed: float | None = None, detail: str = ""
    ) -> BudgetExceeded:
        """Return the error for this limit of this ledger."""
        allowed = getattr(self.limits, limit) or 0
        return BudgetExceeded(limit, allowed, spent, needed=needed, detail=detail, ledger=self.name)
