"""The ledger: no cap is passed by calls in flight together, and what is booked is what was taken."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from funnel.errors import BadSetting, BudgetExceeded
from funnel.llm.budget import MIN_OUTPUT_TOKENS, Ledger, Limits, Price

DOLLAR = Price(1.0, 10.0)
"""A million input tokens for one dollar, a million output tokens for ten."""


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def exceeded(ledger: Ledger, **call) -> BudgetExceeded:
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(**{"input_tokens": 100, "output_tokens": 100, "price": DOLLAR, **call})
    return caught.value


def test_a_call_costs_its_tokens_times_the_price():
    assert DOLLAR.cost(1000, 200) == (1000 * 1 + 200 * 10) / 1_000_000


def test_what_was_settled_is_the_usage():
    ledger = Ledger(Limits(), clock=Clock())
    call = ledger.reserve(input_tokens=100, output_tokens=100, price=DOLLAR)
    assert ledger.settle(call, input_tokens=50, output_tokens=20, price=DOLLAR) == (50 + 200) / 1e6
    usage = ledger.usage
    assert (usage.model_calls, usage.input_tokens, usage.output_tokens) == (1, 50, 20)
    assert usage.cost_usd == (50 + 200) / 1e6


def test_a_call_without_a_price_leaves_the_whole_cost_unknown():
    ledger = Ledger(Limits())
    for price in (DOLLAR, None, DOLLAR):
        call = ledger.reserve(input_tokens=1, output_tokens=1, price=price)
        ledger.settle(call, input_tokens=1, output_tokens=1, price=price)
    assert ledger.usage.cost_usd is None
    assert ledger.usage.model_calls == 3


def test_reservations_count_against_the_caps_before_they_are_settled():
    ledger = Ledger(Limits(max_calls=3, max_tokens=1000, max_usd=1.0))
    ledger.reserve(input_tokens=100, output_tokens=200, price=DOLLAR)
    assert ledger.remaining_calls() == 3 - 1
    assert ledger.remaining_tokens() == 1000 - 300
    assert ledger.remaining_usd() == 1.0 - (100 + 2000) / 1e6


def test_a_released_call_leaves_no_trace():
    ledger = Ledger(Limits(max_calls=1, max_tokens=1000, max_usd=1.0), clock=Clock())
    before = ledger.usage
    ledger.release(ledger.reserve(input_tokens=100, output_tokens=200, price=DOLLAR))
    assert ledger.usage == before
    assert (ledger.remaining_calls(), ledger.remaining_tokens(), ledger.remaining_usd()) == (1, 1000, 1.0)


def test_the_output_is_cut_to_the_tokens_that_are_left():
    ledger = Ledger(Limits(max_tokens=1000))
    assert ledger.reserve(input_tokens=300, output_tokens=4096, price=None).output_tokens == 1000 - 300


def test_the_output_is_cut_to_the_dollars_that_are_left():
    ledger = Ledger(Limits(max_usd=0.002))
    call = ledger.reserve(input_tokens=1000, output_tokens=4096, price=DOLLAR)
    assert call.output_tokens == (2000 - 1000) / 10


def test_dollars_that_fit_exactly_are_not_rounded_to_a_token_less():
    ledger = Ledger(Limits(max_usd=DOLLAR.cost(1, 64) + DOLLAR.cost(2, 64)))
    ledger.reserve(input_tokens=1, output_tokens=64, price=DOLLAR)
    assert ledger.reserve(input_tokens=2, output_tokens=64, price=DOLLAR).output_tokens == 64


def test_a_call_that_would_get_less_than_the_least_output_is_refused():
    ledger = Ledger(Limits(max_tokens=100 + MIN_OUTPUT_TOKENS - 1))
    assert exceeded(ledger).limit == "max_tokens"
    assert ledger.usage.model_calls == 0


def test_a_caller_may_insist_on_more_than_the_least_output():
    ledger = Ledger(Limits(max_tokens=100 + 99))
    assert exceeded(ledger, at_least=100).limit == "max_tokens"
    assert ledger.reserve(input_tokens=100, output_tokens=100, price=None).output_tokens == 99


def test_a_call_that_asks_for_little_may_have_it():
    ledger = Ledger(Limits(max_tokens=100 + 5))
    assert ledger.reserve(input_tokens=100, output_tokens=5, price=None).output_tokens == 5


def test_the_call_after_the_last_is_refused():
    ledger = Ledger(Limits(max_calls=1))
    ledger.reserve(input_tokens=1, output_tokens=1, price=None)
    error = exceeded(ledger)
    assert (error.limit, error.allowed, error.spent) == ("max_calls", 1, 1)


def test_no_call_begins_after_the_deadline():
    clock = Clock()
    ledger = Ledger(Limits(timeout_s=10), clock=clock)
    clock.now = 10.0
    assert ledger.remaining_s == 0
    assert exceeded(ledger).limit == "timeout_s"


def test_without_limits_nothing_is_refused_and_nothing_is_left_to_tell():
    ledger = Ledger(Limits(max_calls=None, timeout_s=None))
    assert ledger.reserve(input_tokens=10**9, output_tokens=10**9, price=DOLLAR).output_tokens == 10**9
    left = (ledger.remaining_s, ledger.remaining_calls(), ledger.remaining_tokens(), ledger.remaining_usd())
    assert left == (None, None, None, None)


def test_usage_above_the_reservation_is_booked_as_it_was():
    ledger = Ledger(Limits(max_tokens=300))
    call = ledger.reserve(input_tokens=100, output_tokens=100, price=DOLLAR)
    ledger.settle(call, input_tokens=500, output_tokens=500, price=DOLLAR)
    assert ledger.usage.input_tokens + ledger.usage.output_tokens == 1000
    assert ledger.remaining_tokens() == 0


def test_a_free_model_runs_under_a_cap_of_no_dollars():
    ledger = Ledger(Limits(max_usd=0.0))
    assert ledger.reserve(input_tokens=5, output_tokens=500, price=Price(0, 0)).output_tokens == 500


def test_a_reservation_closes_once_even_where_another_has_the_same_size():
    ledger = Ledger(Limits())
    first, _second = (ledger.reserve(input_tokens=1, output_tokens=1, price=None) for _ in range(2))
    ledger.release(first)
    with pytest.raises(ValueError, match="already settled"):
        ledger.release(first)
    assert ledger.remaining_calls() == 100 - 1


def test_only_calls_being_made_count_as_in_flight():
    ledger = Ledger(Limits())
    ledger.reserve(input_tokens=1, output_tokens=1, price=None)
    flying = ledger.reserve(input_tokens=1, output_tokens=1, price=None, in_flight=True)
    assert ledger.in_flight == 1
    ledger.release(flying)
    assert ledger.in_flight == 0


async def test_who_waits_for_room_is_woken_by_a_settlement():
    ledger = Ledger(Limits())
    call = ledger.reserve(input_tokens=1, output_tokens=1, price=None)
    waiting = [asyncio.create_task(ledger.balances[0].make_room(1, 1, None)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    ledger.settle(call, input_tokens=1, output_tokens=1, price=None)
    await asyncio.gather(*waiting[1:])


@pytest.mark.parametrize(
    "name",
    ["max_usd", "max_calls", "max_tokens", "timeout_s", "max_turns", "max_depth", "max_prompt_tokens"],
)
@pytest.mark.parametrize("value", [-1, math.nan])
def test_a_limit_that_is_no_amount_is_refused_by_name(name, value):
    with pytest.raises(BadSetting, match=rf"^{name}: must be 0 or more, not "):
        Limits(**{name: value})


def test_what_was_spent_before_counts_even_above_a_limit_and_leaves_nothing():
    ledger = Ledger(Limits(max_calls=2, max_tokens=1000, max_usd=0.001))
    ledger.book(input_tokens=900, output_tokens=900, usd=0.5, answered=True, calls=3)
    left = (ledger.remaining_calls(), ledger.remaining_tokens(), ledger.remaining_usd())
    assert left == (0, 0, 0)
    error = exceeded(ledger)
    assert (error.limit, error.allowed, error.spent) == ("max_calls", 2, 3)
    usage = ledger.usage
    assert (usage.model_calls, usage.input_tokens, usage.cost_usd, usage.replayed_calls) == (3, 900, 0.5, 1)


def test_an_answer_from_the_cache_that_was_given_before_costs_nothing_again():
    ledger = Ledger(Limits())
    ledger.book(input_tokens=0, output_tokens=0, usd=0.0, answered=True, cached=True)
    usage = ledger.usage
    assert (usage.model_calls, usage.cached_calls, usage.replayed_calls) == (0, 1, 1)


def test_a_call_of_unknown_end_is_no_answer_that_was_given_again():
    ledger = Ledger(Limits())
    ledger.book(input_tokens=5, output_tokens=5, usd=None, answered=False)
    assert (ledger.usage.model_calls, ledger.usage.replayed_calls, ledger.usage.cost_usd) == (1, 0, None)
    assert not ledger.answered


async def test_what_is_awaited_in_time_ends_at_the_deadline():
    ledger = Ledger(Limits(timeout_s=0.05))
    with pytest.raises(BudgetExceeded, match="still at it"):
        async with asyncio.timeout(10), ledger.in_time("still at it"):
            await asyncio.Event().wait()


async def test_a_timeout_of_another_is_not_taken_for_the_deadline():
    with pytest.raises(TimeoutError):
        async with Ledger(Limits(timeout_s=60)).in_time():
            raise TimeoutError


tokens = st.integers(0, 5000)
prices = st.builds(Price, st.floats(0, 100), st.floats(0, 100))


@given(prices, tokens, tokens, st.floats(0, 1))
def test_a_grant_never_costs_more_than_is_left(price, input_tokens, output_tokens, max_usd):
    ledger = Ledger(Limits(max_usd=max_usd))
    try:
        call = ledger.reserve(input_tokens=input_tokens, output_tokens=output_tokens, price=price)
    except BudgetExceeded:
        least = price.cost(input_tokens, min(output_tokens, MIN_OUTPUT_TOKENS))
        assert least > max_usd or math.isclose(least, max_usd)
    else:
        assert call.usd <= max_usd + 1e-9


# a ledger above others


def a_tree(**caps):
    """A run on a job on an owner; `caps`: the limits of each, by its name."""
    owner = Ledger(caps.get("owner", Limits.only()), name="owner")
    job = Ledger(caps.get("job", Limits.only()), parent=owner, name="job")
    return owner, job, Ledger(caps.get("run", Limits()), parent=job)


def test_a_reservation_is_made_in_every_ledger_up_to_the_root():
    owner, job, run = tree = a_tree(owner=Limits.only(max_usd=1.0), job=Limits.only(max_tokens=1000))
    call = run.reserve(input_tokens=100, output_tokens=200, price=DOLLAR)
    assert [ledger.holds(call) for ledger in tree] == [True] * 3
    assert owner.remaining_usd() == run.remaining_usd() == 1.0 - (100 + 2000) / 1e6
    assert job.remaining_tokens() == run.remaining_tokens() == 1000 - 300


@pytest.mark.parametrize("refusing", ["run", "job", "owner"])
@pytest.mark.parametrize(
    ("limits", "limit", "allowed", "needed"),
    [
        (Limits.only(max_calls=0), "max_calls", 0, None),
        (Limits.only(max_tokens=150), "max_tokens", 150, 100 + 64),
        (Limits.only(max_usd=0.0006), "max_usd", 0.0006, (100 + 640) / 1e6),
    ],
)
def test_whichever_ledger_refuses_none_reserves_and_the_error_says_which(
    refusing, limits, limit, allowed, needed
):
    tree = a_tree(**{refusing: limits})
    error = exceeded(tree[-1])
    assert (error.ledger, error.limit, error.allowed) == (refusing, limit, allowed)
    assert (error.left, error.needed) == (allowed, pytest.approx(needed) if needed else None)
    assert (f"of the {refusing}" in str(error)) == (refusing != "run")
    assert [ledger.in_flight + len(ledger.balances[0]._open) for ledger in tree] == [0, 0, 0]


def test_an_error_says_what_was_left_and_what_was_needed():
    *_, run = a_tree(owner=Limits.only(max_tokens=150))
    assert str(exceeded(run)) == (
        "max_tokens = 150 of the owner is used up (0 spent or reserved, 150 left, 164 needed)."
    )


def test_what_is_settled_adds_up_at_every_level():
    owner, job, first = a_tree()
    second = Ledger(Limits(), parent=job)
    for run in (first, second):
        call = run.reserve(input_tokens=100, output_tokens=100, price=DOLLAR)
        run.settle(call, input_tokens=50, output_tokens=20, price=DOLLAR)
        run.count_turn(1)
        run.count_cached()
    for ledger, runs in ((first, 1), (job, 2), (owner, 2)):
        usage = ledger.usage
        assert (usage.model_calls, usage.input_tokens, usage.output_tokens) == (runs, runs * 50, runs * 20)
        assert usage.cost_usd == pytest.approx(runs * (50 + 200) / 1e6)
        assert (usage.turns, usage.depth, usage.cached_calls) == (runs, 1, runs)


def test_a_release_frees_every_level():
    owner, job, run = a_tree(owner=Limits.only(max_calls=1))
    run.release(run.reserve(input_tokens=1, output_tokens=1, price=None))
    assert [ledger.usage.model_calls for ledger in (owner, job, run)] == [0, 0, 0]
    run.reserve(input_tokens=1, output_tokens=1, price=None)
    assert exceeded(run).ledger == "owner"


def test_the_output_is_cut_to_what_is_left_above():
    *_, run = a_tree(job=Limits.only(max_tokens=500))
    assert run.reserve(input_tokens=300, output_tokens=4096, price=None).output_tokens == 200


def test_the_deadline_of_a_job_bounds_its_runs():
    clock = Clock()
    job = Ledger(Limits.only(timeout_s=10), name="job", clock=clock)
    clock.now = 8.0
    run = Ledger(Limits(timeout_s=100), parent=job, clock=clock)
    assert run.remaining_s == 2
    with run.keeping_back(0.5, at_most_s=60):
        assert run.remaining_s == 1
    clock.now = 10.0
    error = exceeded(run)
    assert (error.ledger, error.limit, error.allowed, error.spent) == ("job", "timeout_s", 10, 10)
    assert error.headline == "timeout_s = 10 of the job is used up"


async def test_a_run_without_a_deadline_ends_at_its_jobs():
    job = Ledger(Limits.only(timeout_s=0.05), name="job")
    with pytest.raises(BudgetExceeded, match="of the job"):
        async with asyncio.timeout(10), Ledger(Limits.only(), parent=job).in_time():
            await asyncio.Event().wait()


def test_what_a_run_spent_before_it_was_resumed_is_not_booked_above_it_again():
    owner, job, run = a_tree()
    run.book(input_tokens=900, output_tokens=900, usd=0.5, answered=True)
    assert [ledger.usage.model_calls for ledger in (owner, job, run)] == [0, 0, 1]


def test_what_cells_print_is_bounded_by_a_job_too():
    job = Ledger(Limits(max_output_chars=10), name="job")
    first, second = (Ledger(Limits(), parent=job) for _ in range(2))
    assert (first.take_output(6), second.take_output(6), second.remaining_output_chars()) == (6, 4, 0)
    assert "max_output_chars = 10 of the job is used up" in str(second.out_of_output())


async def test_a_run_waits_for_calls_of_its_siblings_before_it_takes_less_than_it_asks_for():
    job = Ledger(Limits.only(max_tokens=300), name="job")
    first, second = (Ledger(Limits(), parent=job) for _ in range(2))
    flying = first.reserve_at_once(100, 100, None)
    assert second.reserve_at_once(100, 100, None) is None
    waiting = asyncio.create_task(second.reserve_in_turn(100, 100, None))
    await asyncio.sleep(0)
    first.settle(flying, input_tokens=50, output_tokens=50, price=None)
    assert (await waiting).output_tokens == 100


async def test_cancelling_who_waits_for_room_leaves_no_reservation_in_any_ledger():
    job = Ledger(Limits.only(max_tokens=300), name="job")
    first, second = (Ledger(Limits(), parent=job) for _ in range(2))
    flying = first.reserve_at_once(100, 100, None)
    waiting = asyncio.create_task(second.reserve_in_turn(100, 100, None))
    await asyncio.sleep(0)
    first.release(flying)  # room has come, and it has not run since
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert job.remaining_tokens() == 300


@pytest.mark.parametrize(
    "limits", [Limits.only(max_calls=1), Limits.only(max_tokens=150), Limits.only(max_usd=0.0009)]
)
def test_a_run_that_its_job_leaves_no_room_is_refused_before_it_begins(limits):
    job = Ledger(limits, name="job")
    job.settle(
        job.reserve(input_tokens=1, output_tokens=80, price=DOLLAR),
        input_tokens=1, output_tokens=80, price=DOLLAR,
    )  # fmt: skip
    with pytest.raises(BudgetExceeded, match="of the job"):
        Ledger(Limits(), parent=job).check_above(10, 64, DOLLAR)


class AnyOrderOfRuns(RuleBasedStateMachine):
    """Owners, jobs and runs as they come, with their calls interleaved: every cap holds at every level."""

    ledgers = Bundle("ledgers")
    open_calls = Bundle("open_calls")

    def __init__(self):
        super().__init__()
        self.made = []
        self.booked = {}

    @rule(target=ledgers, max_usd=st.floats(0, 0.1), max_calls=st.integers(0, 8))
    def found(self, max_usd, max_calls):
        return self._founded(Ledger(Limits.only(max_usd=max_usd, max_calls=max_calls), name="owner"), None)

    @rule(target=ledgers, above=ledgers, max_tokens=st.integers(0, 20_000), max_calls=st.integers(0, 8))
    def branch(self, above, max_tokens, max_calls):
        limits = Limits.only(max_tokens=max_tokens, max_calls=max_calls)
        return self._founded(Ledger(limits, parent=above), above)

    def _founded(self, ledger, above):
        self.made.append((ledger, above))
        self.booked[ledger] = [0, 0]
        return ledger

    def _up(self, ledger):
        while ledger is not None:
            yield ledger
            ledger = dict(self.made)[ledger]

    @rule(target=open_calls, ledger=ledgers, input_tokens=tokens, output_tokens=tokens, price=prices)
    def reserve(self, ledger, input_tokens, output_tokens, price):
        try:
            call = ledger.reserve(input_tokens=input_tokens, output_tokens=output_tokens, price=price)
        except BudgetExceeded:
            return None
        assert all(each.holds(call) for each in self._up(ledger))
        return ledger, call, price

    @rule(opened=consumes(open_calls), share=st.floats(0, 1))
    def settle(self, opened, share):
        if opened is None:
            return
        ledger, call, price = opened
        took = int(call.input_tokens * share), int(call.output_tokens * share)
        ledger.settle(call, input_tokens=took[0], output_tokens=took[1], price=price)
        for each in self._up(ledger):
            self.booked[each][0] += 1
            self.booked[each][1] += sum(took)
            assert not each.holds(call)

    @rule(opened=consumes(open_calls))
    def release(self, opened):
        if opened is not None:
            opened[0].release(opened[1])
            assert not any(each.holds(opened[1]) for each in self._up(opened[0]))

    @invariant()
    def no_cap_is_passed_and_usage_adds_up_at_every_level(self):
        for ledger, _ in self.made:
            usage, limits = ledger.usage, ledger.limits
            used = usage.input_tokens + usage.output_tokens
            assert [usage.model_calls, used] == self.booked[ledger]
            assert usage.model_calls <= limits.max_calls
            assert limits.max_tokens is None or used <= limits.max_tokens
            assert limits.max_usd is None or usage.cost_usd <= limits.max_usd + 1e-9


TestAnyOrderOfRuns = AnyOrderOfRuns.TestCase
TestAnyOrderOfRuns.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


class AnyOrderOfCalls(RuleBasedStateMachine):
    """Reservations, settlements within them and releases, interleaved as they come."""

    open_calls = Bundle("open_calls")

    def __init__(self):
        super().__init__()
        self.limits = Limits(max_usd=0.05, max_calls=12, max_tokens=20_000)
        self.ledger = Ledger(self.limits)
        self.booked = [0, 0, 0.0, 0]

    @rule(target=open_calls, input_tokens=tokens, output_tokens=tokens, price=prices)
    def reserve(self, input_tokens, output_tokens, price):
        try:
            call = self.ledger.reserve(input_tokens=input_tokens, output_tokens=output_tokens, price=price)
        except BudgetExceeded:
            return None
        return call, price

    @rule(opened=consumes(open_calls), share_in=st.floats(0, 1), share_out=st.floats(0, 1))
    def settle(self, opened, share_in, share_out):
        if opened is None:
            return
        call, price = opened
        took = int(call.input_tokens * share_in), int(call.output_tokens * share_out)
        usd = self.ledger.settle(call, input_tokens=took[0], output_tokens=took[1], price=price)
        for i, amount in enumerate([*took, usd, 1]):
            self.booked[i] += amount

    @rule(opened=consumes(open_calls))
    def release(self, opened):
        if opened is not None:
            self.ledger.release(opened[0])

    @invariant()
    def no_cap_is_passed(self):
        usage = self.ledger.usage
        assert usage.cost_usd <= self.limits.max_usd + 1e-9
        assert usage.model_calls <= self.limits.max_calls
        assert usage.input_tokens + usage.output_tokens <= self.limits.max_tokens

    @invariant()
    def usage_is_the_sum_of_what_was_booked(self):
        usage = self.ledger.usage
        assert [usage.input_tokens, usage.output_tokens, usage.cost_usd, usage.model_calls] == self.booked


TestAnyOrderOfCalls = AnyOrderOfCalls.TestCase
TestAnyOrderOfCalls.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
