"""A ledger: what a run, a job or an owner may spend; knows no model.

A reservation is the worst case of a call, so that calls in flight together cannot pass a limit that each of
them alone would have kept. It is made in a ledger and in every ledger above it, or in none: a run draws
on its job, a job on its owner's budget. For one event loop and no other thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from funnel.errors import BudgetExceeded
from funnel.llm.balance import Balance
from funnel.llm.limiter import Limiter
from funnel.llm.limits import MIN_OUTPUT_TOKENS, Limits, Reservation
from funnel.llm.tariff import NOTHING_CACHED, CachedInput, Price
from funnel.types import Usage

_N = TypeVar("_N", int, float)


class Ledger:
    """Live counters within `limits`, and within the limits of every ledger above.

    `name` is its name in errors: run, job, owner. What remains is that of the ledger with the least left.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        parent: Ledger | None = None,
        name: str = "run",
        clock: Callable[[], float] = time.monotonic,
        balance: Balance | None = None,
    ) -> None:
        """Open a ledger. `balance`: existing counters, whose limits then replace `limits`."""
        self._balance = balance or Balance(limits, name=name, clock=clock)
        self.balances: tuple[Balance, ...] = (self._balance, *(parent.balances if parent else ()))
        """The counters of this ledger and of every ledger above it."""
        self._in_line = Limiter(1)
        self._kept_back_s = 0.0
        self._storage_ended = False

    @property
    def name(self) -> str:
        """The name of this ledger in errors."""
        return self._balance.name

    @property
    def limits(self) -> Limits:
        """The limits of this ledger alone."""
        return self._balance.limits

    @property
    def usage(self) -> Usage:
        """The amounts spent so far, including those of all ledgers below."""
        return self._balance.usage

    @property
    def answered(self) -> bool:
        """Whether any call has returned an answer."""
        return self._balance.answered

    @property
    def capped_in_usd(self) -> bool:
        """Whether this ledger or one above it has a limit in dollars, for which prices must be known."""
        return any(balance.limits.max_usd is not None for balance in self.balances)

    # time

    @property
    def elapsed_s(self) -> float:
        """Seconds since this ledger was opened."""
        return self._balance.elapsed_s

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the first deadline, less what is kept back, at least 0; None if there is none."""
        left_s = _least([balance.left_s() for balance in self.balances])
        return None if left_s is None else max(0.0, left_s - self._kept_back_s)

    @contextmanager
    def keeping_back(self, share: float, *, at_most_s: float) -> Iterator[None]:
        """Move the deadline forward, inside the block, by a share of the time left: it is kept for later."""
        remaining_s = self.remaining_s
        kept_s = 0.0 if remaining_s is None else min(remaining_s * share, at_most_s)
        self._kept_back_s += kept_s
        try:
            yield
        finally:
            self._kept_back_s -= kept_s

    @asynccontextmanager
    async def in_time(self, detail: str = "") -> AsyncIterator[None]:
        """Cancel the block at the deadline. Raises: `BudgetExceeded` with that detail."""
        try:
            async with asyncio.timeout(self.remaining_s) as deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise self.out_of_time(detail) from None

    def out_of_time(self, detail: str = "") -> BudgetExceeded:
        """Return the error for the deadline that passed, which says if the model had not answered."""
        if not self.answered:
            detail = detail or "the model had not answered"
        times = [(left_s, i) for i, each in enumerate(self.balances) if (left_s := each.left_s()) is not None]
        first = self.balances[min(times)[1]] if times else self._balance
        return first.exceeded("timeout_s", first.elapsed_s, detail=detail)

    # what remains

    def remaining_calls(self) -> int | None:
        """Model calls left, less those in flight; None if there is no limit."""
        return _least([balance.left_calls() for balance in self.balances])

    def remaining_usd(self) -> float | None:
        """Dollars left, less reservations; None if there is no limit."""
        return _least([balance.left_usd() for balance in self.balances])

    def remaining_tokens(self) -> int | None:
        """Tokens left, less reservations; None if there is no limit."""
        return _least([balance.left_tokens() for balance in self.balances])

    @property
    def in_flight(self) -> int:
        """Open reservations whose calls are being made now."""
        return self._balance.in_flight

    # reservations

    def reserve(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        price: Price | None,
        at_least: int = MIN_OUTPUT_TOKENS,
        in_flight: bool = False,
    ) -> Reservation:
        """Set aside the worst case of one call, with fewer output tokens than asked if only those fit.

        Raises: `BudgetExceeded` if not even `at_least` output tokens fit; nothing is then reserved anywhere.
        """
        if self.remaining_s == 0:
            raise self.out_of_time()
        granted = output_tokens
        for balance in self.balances:
            granted = balance.fit(input_tokens, granted, price, at_least=at_least)
        return self._opened(input_tokens, granted, price, in_flight=in_flight)

    def reserve_at_once(
        self, input_tokens: int, output_tokens: int, price: Price | None
    ) -> Reservation | None:
        """Reserve for a call that is made now; None if it is worth waiting for room.

        Waiting is worthwhile while calls are in flight, since they seldom use all that they reserved. Until
        they end, no call is granted less than it asks for.

        Raises: `BudgetExceeded`.
        """
        found = self._try(input_tokens, output_tokens, price)
        return None if isinstance(found, Balance) else found

    async def reserve_in_turn(
        self, input_tokens: int, output_tokens: int, price: Price | None
    ) -> Reservation:
        """Reserve for a call, waiting for room in order of arrival. Raises: `BudgetExceeded`."""
        async with self._in_line:
            while True:
                found = self._try(input_tokens, output_tokens, price)
                if isinstance(found, Reservation):
                    return found
                await found.make_room(input_tokens, output_tokens, price)

    def _try(self, input_tokens: int, output_tokens: int, price: Price | None) -> Reservation | Balance:
        """Return the reservation, or the balance in which to wait for room. Raises: `BudgetExceeded`."""
        if self.remaining_s == 0:
            raise self.out_of_time()
        granted = output_tokens
        for balance in self.balances:
            # Nothing is cut while waiting may make room for all of it.
            at_least = granted if balance.may_gain("max_tokens") else MIN_OUTPUT_TOKENS
            try:
                granted = balance.fit(input_tokens, granted, price, at_least=at_least)
            except BudgetExceeded as refused:
                if not balance.may_gain(refused.limit):
                    raise
                return balance
        return self._opened(input_tokens, granted, price, in_flight=True)

    @property
    def durable(self) -> bool:
        """Whether this ledger or one above it is kept in a memory."""
        return any(balance.durable for balance in self.balances)

    async def prepare(self, input_tokens: int, output_tokens: int, price: Price | None) -> None:
        """Draw what such a call needs from ledgers that are kept in a memory, so that `reserve` finds it.

        Raises: `MemoryFailed`.
        """
        for balance in self.balances:
            await balance.prepare(input_tokens, output_tokens, price)

    def check_above(self, input_tokens: int, output_tokens: int, price: Price | None) -> None:
        """Make sure that every ledger above has or may gain room for such a call.

        Raises: `BudgetExceeded`.
        """
        for balance in self.balances[1:]:
            left_s = balance.left_s()
            if left_s is not None and left_s <= 0:
                raise balance.exceeded("timeout_s", balance.elapsed_s)
            try:
                balance.fit(input_tokens, output_tokens, price, at_least=output_tokens)
            except BudgetExceeded as refused:
                if not balance.may_gain(refused.limit):
                    raise

    def _opened(
        self, input_tokens: int, output_tokens: int, price: Price | None, *, in_flight: bool
    ) -> Reservation:
        usd = price.cost(input_tokens, output_tokens) if price else 0.0
        reservation = Reservation(input_tokens, output_tokens, usd, in_flight)
        for balance in self.balances:
            balance.open(reservation)
        return reservation

    def holds(self, reservation: Reservation) -> bool:
        """Whether the reservation is open."""
        return self._balance.holds(reservation)

    async def announce(self, reservation: Reservation) -> None:
        """Say that the call is about to be sent. Once this returns, it counts even if this process dies.

        Raises: `MemoryFailed` from a ledger that is kept in a memory.
        """
        for balance in self.balances:
            if balance.durable:
                await balance.announce(reservation)

    def settle(
        self,
        reservation: Reservation,
        *,
        input_tokens: int,
        output_tokens: int,
        price: Price | None,
        answered: bool = True,
        cached: CachedInput = NOTHING_CACHED,
        tier: str = "",
    ) -> float | None:
        """Book what the call really used, even above its reservation, and free that, at every level.

        `answered`: whether it returned anything; if not, it may still have been billed. `cached`: what part
        of the input the endpoint had in its cache. `tier`: the service tier of the call, if one was named.

        Returns: its dollars, None if its price is unknown. Raises: `ValueError` if the reservation is not
        open.
        """
        cached = cached.within(input_tokens)
        usd = None if price is None else price.cost(input_tokens, output_tokens, cached)
        for balance in self.balances:
            balance.close(reservation, spent=(input_tokens, output_tokens, usd))
            balance.count_served(tier, cached.read)
            balance.answered |= answered
        return usd

    def release(self, reservation: Reservation) -> None:
        """Free the reservation of a call that used nothing. Raises: `ValueError` as `settle` does."""
        for balance in self.balances:
            balance.close(reservation)

    # what was spent

    def book(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        usd: float | None,
        answered: bool,
        cached: bool = False,
        calls: int = 1,
        cached_input_tokens: int = 0,
        tier: str = "",
    ) -> None:
        """Book what this run spent on one call before it was interrupted, even above a limit.

        In this ledger only: it was booked in those above when it was spent.
        """
        self._balance.answered |= answered
        if answered:
            self._balance.count_replayed()
        if cached:
            self._balance.count_cached()
        else:
            self._balance.spend(input_tokens, output_tokens, usd, calls=calls)
            self._balance.count_served(tier, cached_input_tokens)

    def count_cached(self) -> None:
        """Count an answer that came from a cache and cost nothing."""
        for balance in self.balances:
            balance.count_cached()
            balance.answered = True

    def count_turn(self, depth: int) -> None:
        """Count a turn of an inspector at that depth; the first is at 0."""
        for balance in self.balances:
            balance.count_turn(depth)

    def remaining_output_chars(self) -> int | None:
        """Characters that cells may still print and note; None if there is no limit."""
        return _least([balance.left_output_chars() for balance in self.balances])

    def take_output(self, n_chars: int) -> int:
        """Count what a cell printed or noted. Returns: how many of its characters are within the limit."""
        left = self.remaining_output_chars()
        taken = n_chars if left is None else min(n_chars, left)
        for balance in self.balances:
            balance.count_output(taken)
        return taken

    def remaining_stored_bytes(self) -> int | None:
        """Bytes that may still be stored; None if there is no limit."""
        if self._storage_ended:
            return 0
        return _least([balance.left_stored_bytes() for balance in self.balances])

    def count_stored(self, n_bytes: int) -> None:
        """Count bytes that are stored whatever the limit is, such as what a paid call returned."""
        for balance in self.balances:
            balance.count_stored(n_bytes)

    def take_stored(self, n_bytes: int) -> bool:
        """Count bytes if they are within the limit. Returns: whether they are."""
        left = self.remaining_stored_bytes()
        fits = left is None or n_bytes <= left
        if fits:
            self.count_stored(n_bytes)
        return fits

    def end_storage(self) -> None:
        """Let nothing more be stored, since something that had to be did not fit."""
        self._storage_ended = True

    def out_of_storage(self) -> BudgetExceeded:
        """Return the error for a run that has stored all that it may."""
        bounded = [each for each in self.balances if each.left_stored_bytes() is not None]
        least = min(bounded, key=lambda each: each.left_stored_bytes() or 0, default=self._balance)
        return least.exceeded("max_stored_bytes", least.usage.stored_bytes)

    def out_of_output(self) -> BudgetExceeded:
        """Return the error for cells that have printed and noted all that they may."""
        used_up = next((each for each in self.balances if each.left_output_chars() == 0), self._balance)
        return used_up.exceeded("max_output_chars", used_up.usage.output_chars)


def _least(amounts: Iterable[_N | None]) -> _N | None:
    least: _N | None = None
    for amount in amounts:
        if amount is not None and (least is None or amount < least):
            least = amount
    return least


__all__ = ["MIN_OUTPUT_TOKENS", "Ledger", "Limits", "Price", "Reservation"]
