"""The reservation of one call until it is booked, and what its end event says of the cost; knows no model."""

from __future__ import annotations

from typing import Any

from funnel.errors import LLMError
from funnel.llm.base import Completion, Outcome
from funnel.llm.budget import Ledger, Reservation
from funnel.llm.tariff import NOTHING_CACHED, CachedInput, Price, Tariff, name_of
from funnel.types import Tier


class Bill:
    """The open reservation of one call, and in `data` what the end event says of its cost.

    `asked`: the service tier that the call asks for. It is reserved at the dearest price that it may have,
    and booked at the price of the tier that served it.
    """

    def __init__(
        self, ledger: Ledger, reservation: Reservation, tariff: Tariff | None, asked: Tier = "standard"
    ) -> None:
        self._ledger = ledger
        self._open: Reservation | None = reservation
        self._size = reservation
        self._tariff = tariff
        self._asked = asked
        self._worst = None if tariff is None else tariff.worst(asked)
        self.calls = 0
        self.data: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0.0, "usage": "none"}

    def settle(self, completion: Completion) -> None:
        """Book what a call took that was answered."""
        price = None if self._tariff is None else self._tariff.served(completion.tier, asked=self._asked)
        cached = CachedInput(completion.cached_input_tokens, completion.cache_written_tokens)
        usage = "estimated" if completion.estimated else "reported"
        served = name_of(completion.tier)
        tier = "" if served == "standard" == self._asked else served
        self._book(completion.input_tokens, completion.output_tokens, usage, price, cached=cached, tier=tier)
        read = cached.within(completion.input_tokens).read
        if read:
            self.data["cached_input_tokens"] = read
        if tier:
            self.data["tier"] = tier

    @property
    def size(self) -> tuple[int, int]:
        """The tokens in and out that an attempt reserves."""
        return self._size.input_tokens, self._size.output_tokens

    @property
    def worst(self) -> Price | None:
        """The price that an attempt reserves at."""
        return self._worst

    def reserve_again(self) -> Reservation:
        """Reserve the next attempt. Raises: `BudgetExceeded`."""
        self._open = again = self._ledger.reserve(
            input_tokens=self._size.input_tokens,
            output_tokens=self._size.output_tokens,
            price=self._worst,
            at_least=self._size.output_tokens,
            in_flight=True,
        )
        return again

    def reopen(self, reservation: Reservation) -> None:
        """Take a reservation for the next attempt, instead of one that was released."""
        self._open = reservation

    def at_worst(self, reservation: Reservation) -> Outcome:
        """Return the most that an attempt with this reservation may take, as a journal records it."""
        usd = None if self._tariff is None else reservation.usd
        return Outcome(None, "", reservation.input_tokens, reservation.output_tokens, usd)

    def fail(self, error: BaseException) -> None:
        """Book a call that failed: nothing if it cannot have been served, else its worst case."""
        if isinstance(error, LLMError) and not error.may_be_billed:
            self.release()
        elif self._open is not None:
            self.book_worst_case()

    def release(self) -> None:
        """Release what is still reserved; a second call does nothing."""
        if self._open is not None:
            self._ledger.release(self._open)
            self._open = None

    def book_worst_case(self) -> None:
        """Book an attempt that may have been served."""
        self._book(*self.size, "worst_case", self._worst, answered=False)

    def outcome(self, completion: Completion | None, failure: str) -> Outcome:
        """Return how the call ended, as a journal records it."""
        data = self.data
        return Outcome(
            completion,
            failure,
            data["input_tokens"],
            data["output_tokens"],
            data["cost_usd"],
            calls=self.calls,
            cached_input_tokens=data.get("cached_input_tokens", 0),
            tier=data.get("tier", ""),
        )

    def _book(
        self,
        input_tokens: int,
        output_tokens: int,
        usage: str,
        price: Price | None,
        *,
        answered: bool = True,
        cached: CachedInput = NOTHING_CACHED,
        tier: str = "",
    ) -> None:
        if self._open is None:
            raise ValueError("this call is already booked")
        usd = self._ledger.settle(
            self._open,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            price=price,
            answered=answered,
            cached=cached,
            tier=tier,
        )
        self._open = None
        self.calls += 1
        # Lost attempts of the same call stay in its sums.
        before = self.data
        self.data = {
            "input_tokens": before["input_tokens"] + input_tokens,
            "output_tokens": before["output_tokens"] + output_tokens,
            "cost_usd": None if usd is None else before["cost_usd"] + usd,
            "usage": usage if before["usage"] == "none" else "worst_case",
        }
