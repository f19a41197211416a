"""Pacers: calls begin no faster than an endpoint takes them, in turn, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from event_loops import loop_time, virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.llm.allowance import Stated
from funnel.llm.base import CallOptions
from funnel.llm.pace import Cost
from funnel.llm.pacing import Pacer, TooSlow, pacer_of

NEVER = float("inf")


class Endpoint:
    """An endpoint that takes `n` calls in each span of `span_s` seconds, and `at_once` at the same time.

    `steady`: the limit is filled again steadily, up to `burst`, and not when a span ends.
    """

    def __init__(
        self,
        n: int = 10**9,
        span_s: float = 60,
        *,
        steady: bool = False,
        burst: float | None = None,
        at_once: int = 10**9,
        takes_s: float = 0.5,
    ) -> None:
        self.n, self.span_s, self.steady, self.at_once, self.takes_s = n, span_s, steady, at_once, takes_s
        self.burst = n if burst is None else burst
        self.left, self.seen_at = float(self.burst if steady else n), 0.0
        self.running = self.most_running = self.refused = self.calls = 0
        self.served: list[float] = []

    def takes(self, now: float) -> bool:
        if self.steady:
            self.left = min(self.burst, self.left + (now - self.seen_at) * self.n / self.span_s)
        elif now // self.span_s != self.seen_at // self.span_s:
            self.left = self.n
        self.seen_at = now
        taken = self.left >= 1 and self.running < self.at_once
        self.left -= taken
        return taken

    async def call(self, pacer: Pacer, options: CallOptions | None = None, give_up_at: float = NEVER) -> int:
        """Call until it is served. Returns: how often it was refused."""
        refused = 0
        while True:
            async with pacer.turn(Cost(), options or CallOptions(), give_up_at=give_up_at) as turn:
                self.calls += 1
                if self.takes(loop_time()):
                    self.running += 1
                    self.most_running = max(self.running, self.most_running)
                    try:
                        await asyncio.sleep(self.takes_s)
                    finally:
                        self.running -= 1
                    self.served.append(loop_time())
                    turn.serve()
                    return refused
                await asyncio.sleep(0.01)
                turn.refuse("too fast", None)
                refused += 1
                self.refused += 1

    async def calls_of(self, pacer: Pacer, n: int, at_once: int = 16) -> float:
        """Make so many calls. Returns: how long that took."""
        began, left = loop_time(), iter(range(n))

        async def work() -> None:
            for _ in left:
                await self.call(pacer)

        await asyncio.gather(*(work() for _ in range(at_once)))
        return loop_time() - began


@virtual_time
async def test_calls_that_are_never_refused_never_wait():
    endpoint = Endpoint(takes_s=1)
    assert await endpoint.calls_of(Pacer(), 160) == pytest.approx(10)


@virtual_time
@pytest.mark.parametrize(
    ("endpoint", "n", "within_s"),
    [
        (Endpoint(20, 60), 40, 95),  # 60 s at best
        (Endpoint(20, 60, steady=True), 40, 95),  # 60 s at best
        (Endpoint(20, 60), 120, 400),  # 300 s at best
        (Endpoint(20, 60, steady=True, burst=1), 40, 230),  # 117 s at best
        (Endpoint(200, 60), 800, 260),  # 180 s at best
        (Endpoint(10, 1, takes_s=0.05), 100, 20),  # 9 s at best
        (Endpoint(at_once=4, takes_s=2), 100, 100),  # 50 s at best
        (Endpoint(at_once=1, takes_s=0.2), 50, 25),  # 10 s at best
    ],
)
async def test_the_rate_of_an_endpoint_that_states_nothing_is_learnt(endpoint, n, within_s):
    random.seed(7)
    assert await endpoint.calls_of(Pacer(), n) < within_s
    assert len(endpoint.served) == n
    assert endpoint.refused < n


@virtual_time
async def test_once_the_rate_is_known_few_calls_are_refused():
    random.seed(7)
    endpoint, pacer = Endpoint(20, 60, steady=True), Pacer()
    await endpoint.calls_of(pacer, 60)
    endpoint.refused = 0
    await endpoint.calls_of(pacer, 60)
    assert endpoint.refused < 60 / 4


@virtual_time
async def test_a_single_refusal_costs_seconds_and_no_more():
    endpoint, pacer = Endpoint(takes_s=1), Pacer()
    endpoint.left = 5
    lost = asyncio.create_task(endpoint.calls_of(pacer, 160))
    await asyncio.sleep(0.5)
    endpoint.left = 10**9
    assert await lost < 20  # 10 s without it


@virtual_time
async def test_after_a_wait_one_call_tries_and_the_others_wait_for_how_it_goes():
    endpoint, pacer = Endpoint(), Pacer(first_pause_s=4)
    endpoint.left = 0
    waiting = [asyncio.create_task(endpoint.call(pacer)) for _ in range(16)]
    await asyncio.sleep(0.1)
    assert endpoint.calls == 16
    await asyncio.sleep(12)  # two pauses of at most 4 and 8 seconds
    assert 16 < endpoint.calls <= 18
    for each in waiting:
        each.cancel()


@virtual_time
async def test_a_slow_reply_of_the_one_that_tries_does_not_hold_up_the_others():
    endpoint, pacer = Endpoint(takes_s=100), Pacer()
    endpoint.left = 0
    waiting = [asyncio.create_task(endpoint.call(pacer)) for _ in range(8)]
    await asyncio.sleep(0.1)
    endpoint.left = 10**9
    await asyncio.sleep(30)
    assert endpoint.running == 4  # half as many as before
    for each in waiting:
        each.cancel()


@virtual_time
async def test_as_long_as_the_endpoint_asks_nobody_calls():
    pacer, began = Pacer(), []

    async def call() -> None:
        async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER):
            began.append(loop_time())

    async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as turn:
        assert 30 <= turn.refuse("slow down", 30) <= 31
    await asyncio.gather(*(call() for _ in range(3)))
    assert 30 <= began[0] <= 31


@virtual_time
async def test_a_wait_that_is_asked_for_and_always_too_short_grows():
    endpoint, pacer = Endpoint(), Pacer()
    while loop_time() < 300:
        async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as turn:
            endpoint.calls += 1
            turn.refuse("slow down", 0.0)
    assert endpoint.calls < 30


@virtual_time
async def test_who_has_less_time_than_the_endpoint_asks_for_is_told_at_once_and_the_others_wait():
    pacer = Pacer()

    async def call(give_up_at: float) -> float:
        async with pacer.turn(Cost(), CallOptions(), give_up_at=give_up_at):
            return loop_time()

    async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as first:
        pacer._pace._at_once = 1
        hasty, patient = asyncio.create_task(call(100)), asyncio.create_task(call(5000))
        await asyncio.sleep(1)
        first.refuse("HTTP 429, slow down", 3600)
    with pytest.raises(TooSlow) as told:
        await hasty
    assert loop_time() == 1
    assert told.value.reason == "HTTP 429, slow down"
    assert 3600 <= told.value.wait_s <= 3601
    with pytest.raises(TooSlow):
        await call(100)
    assert 3601 <= await patient <= 3602


@virtual_time
async def test_a_call_waits_until_what_is_stated_to_be_left_is_enough():
    pacer = Pacer()

    async def call(tokens: int) -> float:
        async with pacer.turn(Cost(tokens, tokens), CallOptions(), give_up_at=NEVER) as turn:
            turn.serve()
            return loop_time()

    async with pacer.turn(Cost(100, 100), CallOptions(), give_up_at=NEVER) as turn:
        turn.hear({"tokens": Stated(left=500, whole_in_s=12, limit=1000)})
        turn.serve()
    assert await call(400) == 0
    assert await call(400) == 12
    assert await call(50_000) == 24  # more than the limit: all of it is waited for


@virtual_time
async def test_the_calls_that_are_under_way_count_against_what_is_stated_to_be_left():
    pacer, began = Pacer(), []

    async def call(number: int) -> None:
        async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as turn:
            began.append(loop_time())
            await asyncio.sleep(1)
            turn.hear({"requests": Stated(left=max(0, 4 - number), whole_in_s=59, limit=5)})
            turn.serve()

    first = asyncio.create_task(call(0))
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(call(number)) for number in range(1, 3)]
    await first
    others += [asyncio.create_task(call(number)) for number in range(3, 8)]
    await asyncio.gather(*others)
    assert [at < 10 for at in began] == [True] * 5 + [False] * 3


@virtual_time
async def test_a_limit_that_fills_steadily_is_not_waited_for_until_it_is_whole():
    pacer = Pacer()
    for left in (90, 80, 50, 0):
        async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as turn:
            turn.hear({"requests": Stated(left=left, whole_in_s=(100 - left) * 0.6, limit=100)})
            turn.serve()
    async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER):
        assert loop_time() == pytest.approx(0.6)


@virtual_time
async def test_a_limit_that_ends_with_a_window_is_waited_for_until_it_is_whole():
    pacer = Pacer()
    for left in (90, 80, 50, 0):
        async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as turn:
            turn.hear({"requests": Stated(left=left, whole_in_s=58, limit=100)})
            turn.serve()
    async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER):
        assert loop_time() == pytest.approx(58)


@virtual_time
async def test_an_endpoint_that_counts_the_most_that_a_call_may_take_is_believed_after_one_refusal():
    pacer, cost = Pacer(), Cost(expected=100, most=800)
    stated = {"tokens": Stated(left=500, whole_in_s=10, limit=1000)}
    async with pacer.turn(cost, CallOptions(), give_up_at=NEVER) as turn:
        turn.hear(stated)
        turn.refuse("too many tokens", None)
    async with pacer.turn(cost, CallOptions(), give_up_at=NEVER) as turn:
        assert loop_time() >= 10
        turn.serve()
        turn.hear(stated)
    at = loop_time()
    async with pacer.turn(cost, CallOptions(), give_up_at=NEVER):
        assert loop_time() == at + 10


@virtual_time
async def test_parties_that_wait_have_their_turns_round_robin():
    endpoint, pacer, done = Endpoint(1, 1, takes_s=0.1), Pacer(), []

    async def call(party: str) -> None:
        await endpoint.call(pacer, CallOptions(party=party))
        done.append(party)

    endpoint.left = 0
    many = [asyncio.create_task(call("many")) for _ in range(30)]
    await asyncio.sleep(0.05)
    one = asyncio.create_task(call("one"))
    await asyncio.gather(*many, one)
    assert done.index("one") < 16  # after at most those whose second or third turn came before


@virtual_time
async def test_a_pacer_that_was_not_used_for_minutes_begins_anew():
    endpoint, pacer = Endpoint(1, 60, takes_s=1), Pacer()
    await endpoint.calls_of(pacer, 5)
    endpoint.n = endpoint.left = 10**9
    await asyncio.sleep(200)
    assert await endpoint.calls_of(pacer, 160) == pytest.approx(10)


@virtual_time
async def test_the_turn_of_one_who_is_cancelled_in_the_moment_it_comes_goes_to_the_next():
    pacer, done = Pacer(), []
    pacer._pace._at_once = 1

    async def call(name: str) -> None:
        async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER):
            done.append(name)

    async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER):
        first, second = asyncio.create_task(call("first")), asyncio.create_task(call("second"))
        await asyncio.sleep(0)
    first.cancel()  # its turn has come, and it has not run since
    await asyncio.gather(first, second, return_exceptions=True)
    assert done == ["second"]


async def _chaos(endpoint: Endpoint, actions: list[tuple[int, float, bool]]) -> None:
    """Make calls that begin, fail and are cancelled as told; all that are left alone must be served."""
    pacer, most = Pacer(), 0
    start = pacer._pace.start

    def counting(cost: Cost, now: float):
        nonlocal most
        allowed = pacer._pace._at_once
        started = start(cost, now)
        assert pacer._pace.in_flight <= max(1, allowed)
        return started

    pacer._pace.start = counting  # type: ignore[method-assign]  # watches what the pacer admits
    kept, dropped = [], []
    for party, pause_s, cancelled in actions:
        task = asyncio.create_task(endpoint.call(pacer, CallOptions(party=party)))
        (dropped if cancelled else kept).append(task)
        await asyncio.sleep(pause_s)
        if cancelled:
            task.cancel()
    async with asyncio.timeout(20_000):
        await asyncio.gather(*kept)
    await asyncio.gather(*dropped, return_exceptions=True)
    assert pacer._pace.in_flight == 0
    assert not pacer._waiting
    assert not pacer._timers
    assert endpoint.most_running <= endpoint.at_once


endpoints = st.builds(
    Endpoint,
    st.integers(1, 40),
    st.sampled_from([1.0, 10.0, 60.0]),
    steady=st.booleans(),
    at_once=st.integers(1, 16),
    takes_s=st.sampled_from([0.0, 0.1, 3.0, 40.0]),
)
actions = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.0, 0.01, 2.0, 70.0]), st.booleans()), max_size=40
)


@virtual_time
@settings(max_examples=150)
@given(endpoints, actions)
async def test_whatever_is_cancelled_all_others_are_served_and_never_more_at_once_than_allowed(
    endpoint: Endpoint, actions: list[tuple[int, float, bool]]
):
    endpoint.seen_at = -1e9
    await _chaos(endpoint, actions)


def test_event_loops_of_several_threads_share_a_pacer():
    pacer, running, most = Pacer(first_pause_s=0.01), 0, 0
    pacer._pace._at_once = 3.0
    pacer._pace.serve = lambda started, _now: pacer._pace.end(started)  # type: ignore[method-assign]  # learns nothing

    async def work() -> int:
        served = 0

        async def call() -> None:
            nonlocal running, most, served
            async with pacer.turn(Cost(), CallOptions(), give_up_at=NEVER) as turn:
                running += 1
                most = max(most, running)
                await asyncio.sleep(0.0005)
                running -= 1
                turn.serve()
                served += 1

        await asyncio.gather(*(call() for _ in range(50)))
        return served

    with ThreadPoolExecutor(4) as threads:
        served = [future.result(120) for future in [threads.submit(asyncio.run, work()) for _ in range(4)]]
    assert served == [50] * 4
    assert most <= 3


def test_the_turn_that_an_event_loop_had_when_it_was_closed_is_free_again():
    pacer = Pacer()
    pacer._pace._at_once = 1
    ended = asyncio.new_event_loop()
    turn = pacer.turn(Cost(), CallOptions(), give_up_at=NEVER)
    ended.run_until_complete(turn.__aenter__())
    ended.close()

    async def call() -> bool:
        async with asyncio.timeout(60), pacer.turn(Cost(), CallOptions(), give_up_at=NEVER):
            return True

    assert asyncio.run(call())


def test_models_of_one_account_have_pacers_of_their_own():
    first, same, other = pacer_of("a", "m"), pacer_of("a", "m"), pacer_of("a", "n")
    assert first is same
    assert first is not other
