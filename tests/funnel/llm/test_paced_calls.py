"""Calls to an endpoint with a rate limit: none is lost while there is time, and waiting holds nothing."""

from __future__ import annotations

import asyncio
import time

import pytest
from chat_server import ChatServer, Reply, error
from rate_limit import RateLimit

from funnel.asker import LOCAL_OWNER
from funnel.errors import BudgetExceeded, LLMRefused, LLMUnavailable
from funnel.journal import Journal
from funnel.llm.base import CallOptions, Message, Request, Retry, StepId
from funnel.llm.budget import Ledger, Limits
from funnel.llm.limiter import Limiter, queue_of
from funnel.llm.meter import Meter
from funnel.llm.openai.chat import OpenAIChat
from funnel.memory import open_memory
from funnel.trace.events import Event, Events
from funnel.trace.kinds import CallRetried, CallWaited, CallWaits

ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
SPAN_S = 1.0


class Caller:
    """The calls of one run to one model of a server."""

    def __init__(self, server: ChatServer, limits: Limits | None = None, *, model="m", at_once=16, **parts):
        self.chat = OpenAIChat(model, api_key="sk-1", base_url=server.url, backoff_s=SPAN_S / 60)
        self.seen: list[Event] = []
        self.ledger = parts.pop("ledger", None) or Ledger(limits or Limits())
        self.limiter = Limiter(at_once, queue=queue_of(self.chat.account))
        events = Events("r", self.seen.append)
        self.meter = Meter(self.chat, self.ledger, events, price=None, limit=self.limiter, **parts)

    async def ask(self, **how):
        return await self.meter.complete(ASK, parent=None, **how)

    def data(self, kind: type) -> list:
        return [event.data for event in self.seen if isinstance(event.data, kind)]


@pytest.fixture
async def caller(chat_server):
    made = []

    def make(*args, **kwargs) -> Caller:
        made.append(Caller(chat_server, *args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        await each.chat.close()


@pytest.mark.parametrize("steady", [False, True])
async def test_forty_calls_where_twenty_a_minute_are_taken_all_come_through(caller, chat_server, steady):
    limit = chat_server.default = RateLimit(20, SPAN_S, steady=steady)  # a minute takes a second here
    run = caller()
    answered = await asyncio.gather(*(run.ask() for _ in range(40)))
    assert [completion.text for completion in answered] == ["ok"] * 40
    assert limit.served == 40
    assert limit.refused < 40
    assert run.ledger.usage.model_calls == 40


@pytest.mark.parametrize("steady", [False, True])
async def test_where_headers_state_what_is_left_no_call_is_ever_refused(caller, chat_server, steady):
    limit = chat_server.default = RateLimit(20, SPAN_S, steady=steady, headers=True)
    run = caller()
    await asyncio.gather(*(run.ask() for _ in range(50)))
    assert (limit.served, limit.refused) == (50, 0)


async def test_where_a_refusal_says_when_to_come_back_nobody_comes_before(caller, chat_server):
    limit = chat_server.default = RateLimit(20, SPAN_S, retry_after=True)
    run = caller()
    began = time.monotonic()
    await asyncio.gather(*(run.ask() for _ in range(40)))
    assert limit.served == 40
    assert limit.refused <= 16  # those that were under way when the limit was reached
    assert time.monotonic() - began >= SPAN_S


async def test_a_call_that_waits_is_an_event_with_reason_and_time(caller, chat_server):
    chat_server.script(error(429, "slow down", retry_after="0.2"))
    run = caller()
    await run.ask()
    assert run.data(CallRetried) == [CallRetried(attempt=1, reason="HTTP 429, slow down", wait_s=0.2)]
    (waits,), (waited,) = run.data(CallWaits), run.data(CallWaited)
    assert waits["reason"] == "HTTP 429, slow down"
    assert 0.1 < waits["wait_s"] < 0.3
    assert waited["wall_s"] > 0.15


async def test_a_429_that_means_the_account_has_no_money_is_not_waited_for(chat_server):
    for reply in (
        error(429, "You exceeded your current quota", code="insufficient_quota"),
        error(429, "You exceeded your current quota, please check your plan and billing details."),
        error(429, "Insufficient balance or no resource package. Please recharge.", code="1113"),
    ):
        chat_server.script(reply)
        chat = OpenAIChat("m", base_url=chat_server.url)
        with pytest.raises(LLMRefused, match="plan and billing"):
            await chat.complete(ASK, CallOptions(timeout_s=60))
        await chat.close()
    assert len(chat_server.seen) == 3


async def test_a_429_that_speaks_of_billing_and_of_a_time_to_wait_is_waited_for(chat_server):
    said = "You exceeded your current quota, check your plan and billing. Please retry in 20ms."
    chat_server.script(error(429, said))
    chat = OpenAIChat("m", base_url=chat_server.url)
    assert (await chat.complete(ASK)).text == "ok"
    await chat.close()


async def test_429s_use_up_none_of_the_retries(chat_server):
    chat_server.script(*[error(429)] * 9, *[error(500)] * 4, error(429))
    chat = OpenAIChat("m", base_url=chat_server.url, backoff_s=0.0001)
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "ok"
    assert [retry.attempt for retry in heard] == list(range(1, 15))
    await chat.close()


async def test_a_wait_of_hours_is_told_at_once_to_all_that_have_less_time(caller, chat_server):
    chat_server.default = lambda _body: error(429, "slow down", retry_after="7200")
    run = caller(Limits(timeout_s=300))
    for _ in range(2):
        with pytest.raises(LLMUnavailable, match=r"it asks to wait 7,2\d\d s, and (300|299) s are left"):
            await run.ask()
    assert len(chat_server.seen) == 1  # the second one did not even try


async def test_without_a_time_to_wait_the_run_waits_until_its_own_time_is_up_and_says_for_what(
    caller, chat_server
):
    chat_server.default = lambda _body: error(429, "slow down")
    run = caller(Limits(timeout_s=1))
    with pytest.raises((BudgetExceeded, LLMUnavailable), match="HTTP 429, slow down"):
        await run.ask()
    usage = run.ledger.usage
    assert (usage.model_calls, usage.input_tokens) == (0, 0)


async def test_sub_calls_stop_waiting_while_their_program_still_has_time_to_go_on(caller, chat_server):
    chat_server.default = RateLimit(5, 60)
    run = caller(Limits(timeout_s=8))
    ended = await asyncio.gather(*(run.ask() for _ in range(12)), return_exceptions=True)
    assert sum(isinstance(each, BudgetExceeded | LLMUnavailable) for each in ended) == 7
    assert run.ledger.remaining_s > 0


async def test_calls_that_wait_for_one_model_hold_up_no_other_model_of_the_account(caller, chat_server):
    chat_server.default = RateLimit(1, 60, only="limited")
    run, other = caller(model="limited", at_once=2), caller(model="other", at_once=2)
    waiting = [asyncio.create_task(run.ask()) for _ in range(8)]
    await _until(lambda: len(run.data(CallWaits)) >= 7)
    await asyncio.wait_for(asyncio.gather(*(other.ask() for _ in range(20))), 30)
    await _cancel(waiting)


async def test_calls_that_wait_hold_no_money(caller, chat_server):
    chat_server.default = RateLimit(1, 60, only="limited")
    job = Ledger(Limits.only(max_calls=5), name="job")  # one each for what is served, and for who tries
    run = caller(model="limited", ledger=Ledger(Limits(), parent=job))
    other = caller(model="other", ledger=Ledger(Limits(), parent=job))
    waiting = [asyncio.create_task(run.ask()) for _ in range(3)]
    await _until(lambda: len(run.data(CallWaits)) - len(run.data(CallWaited)) == 2)
    assert (run.ledger.usage.model_calls, run.ledger.in_flight) == (1, 0)
    for _ in range(3):
        await asyncio.wait_for(other.ask(), 30)
    await _cancel(waiting)


async def test_a_call_that_finds_its_money_gone_after_a_wait_says_so(caller, chat_server):
    chat_server.script(error(429, "slow down", retry_after="0.3"))
    run = caller(Limits(max_calls=1))
    waiting = asyncio.create_task(run.ask())
    await _until(lambda: run.data(CallWaits))
    run.ledger.book(input_tokens=1, output_tokens=1, usd=None, answered=True)
    with pytest.raises(BudgetExceeded, match="max_calls"):
        await waiting
    assert run.ledger.in_flight == 0
    assert not run.limiter.locked()


async def test_whatever_is_cancelled_while_it_waits_places_and_money_come_back(caller, chat_server):
    chat_server.default = RateLimit(5, SPAN_S / 4)
    run = caller(at_once=3)
    calls = [asyncio.create_task(run.ask()) for _ in range(40)]
    for number, call in enumerate(calls):
        await asyncio.sleep(0.005)
        if number % 3:
            call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert run.ledger.in_flight == 0
    assert not Limiter(1, queue=queue_of(run.chat.account)).locked()
    assert run.chat._pacer._pace.in_flight == 0


async def test_a_run_that_is_stopped_while_its_calls_wait_has_none_under_way(caller, chat_server):
    memory = open_memory("memory://")
    chat_server.default = lambda _body: error(429, "slow down")
    async with Journal(memory, "r", asker=LOCAL_OWNER) as journal:
        run = caller(journal=journal)
        waiting = [asyncio.create_task(run.ask(place=StepId((0, n), "c"))) for n in range(5)]
        await _until(lambda: len(run.data(CallWaits)) >= 5)
        await _cancel(waiting)
    async with Journal(memory, "r", asker=LOCAL_OWNER) as again:
        await again.resume()
        assert again.spent == []


async def test_an_attempt_that_was_lost_before_a_wait_stays_booked(caller, chat_server):
    memory = open_memory("memory://")
    chat_server.script(Reply("lost", hang_up=True), *[error(429, "slow down", retry_after="60")] * 2)
    async with Journal(memory, "r", asker=LOCAL_OWNER) as journal:
        run = caller(journal=journal)
        waiting = asyncio.create_task(run.ask(place=StepId((0, 1), "c")))
        await _until(lambda: len(run.data(CallRetried)) == 2)
        await asyncio.sleep(0.05)
        await _cancel([waiting])
    async with Journal(memory, "r", asker=LOCAL_OWNER) as again:
        await again.resume()
        assert [outcome.calls for outcome in again.spent] == [1]
    assert run.ledger.usage.model_calls == 1


async def _until(so) -> None:
    async with asyncio.timeout(30):
        while not so():  # noqa: ASYNC110 - what is waited for happens in a server's thread
            await asyncio.sleep(0.005)


async def _cancel(tasks) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
