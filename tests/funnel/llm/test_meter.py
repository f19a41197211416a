"""The one way to a model: slots, reservations, spans, bills."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress

import pytest
from chat_server import ChatServer, Reply, error
from event_loops import loop_time, virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.errors import (
    BudgetExceeded,
    BudgetTooSmall,
    LLMBadResponse,
    LLMError,
    LLMRefused,
    LLMUnavailable,
    UnknownPrice,
)
from funnel.llm.base import CallOptions, Completion, Message, Request, Retry
from funnel.llm.budget import Ledger, Limits, Price
from funnel.llm.limiter import CallQueue, Limiter
from funnel.llm.meter import FIRST_CALL_INPUT_TOKENS, Meter
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.scripted import ScriptedLLM
from funnel.testing import FakeClock
from funnel.trace.events import Events
from funnel.trace.kinds import NoteWritten

PRICE = Price(1.0, 10.0)
ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
WORST = (40 // 2 + 8, 100)
"""Input and output tokens that ASK reserves."""


class Rig:
    """A meter and all that it writes to."""

    def __init__(self, llm, limits=None, *, price=PRICE, parallel=4, clock=time.monotonic):
        self.ledger = Ledger(limits or Limits(), clock=clock)
        self.seen = []
        self.slots = Limiter(parallel)
        self.meter = Meter(llm, self.ledger, Events("r", self.seen.append), price=price, limit=self.slots)

    async def ask(self, request=ASK):
        return await self.meter.complete(request, parent=None)

    @property
    def booked(self):
        usage = self.ledger.usage
        return usage.model_calls, usage.input_tokens, usage.output_tokens

    @property
    def end(self):
        return next(e.data for e in reversed(self.seen) if e.kind == "model_call" and e.phase == "end")


class Hanging:
    """A model that never answers; `began` is set once it was called."""

    name = "hanging"

    def __init__(self):
        self.began = asyncio.Event()

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        self.began.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None: ...


class Retrying(ScriptedLLM):
    """A model that tells of these retries before it answers."""

    def __init__(self, *retries: Retry):
        super().__init__(["y" * 8])
        self.retries = retries

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        for retry in self.retries:
            (options or CallOptions()).on_retry(retry)
        return await super().complete(request)


async def test_a_call_is_booked_at_what_it_took():
    rig = Rig(ScriptedLLM(["y" * 8]))
    assert (await rig.ask()).text == "y" * 8
    assert rig.booked == (1, 40 // 4, 8 // 4)
    assert rig.ledger.usage.cost_usd == (10 * 1 + 2 * 10) / 1e6


async def test_a_call_is_a_span_with_all_that_a_trace_shows():
    rig = Rig(ScriptedLLM(["y" * 8]))
    parent = Events("r", rig.seen.append).point(NoteWritten(key="k", text="t"), parent=None)
    await rig.meter.complete(ASK, parent=parent)
    start, end = (e for e in rig.seen if e.kind == "model_call")
    assert (start.parent, start.phase, end.phase, start.id) == (parent, "start", "end", end.id)
    messages = [{"role": "user", "content": "x" * 40}]
    said = {"purpose": "query", "model": "scripted", "messages": messages, "max_output_tokens": 100}
    assert start.data == said
    cost = (10 * 1 + 2 * 10) / 1e6
    tokens = {"input_tokens": 10, "output_tokens": 2, "cost_usd": cost, "usage": "reported"}
    assert {**end.data, "wall_s": 0} == {"text": "y" * 8, "finish_reason": "stop", **tokens, "wall_s": 0}


async def test_the_model_is_asked_for_no_more_output_than_was_granted():
    llm = ScriptedLLM(["y"])
    await Rig(llm, Limits(max_tokens=28 + 70)).ask()
    assert llm.requests[0].max_output_tokens == 70


async def test_a_retry_is_a_point_inside_the_call():
    rig = Rig(Retrying(Retry(1, "HTTP 429", 0.5)))
    await rig.ask()
    (point,) = (e for e in rig.seen if e.kind == "retry")
    assert point.data == {"attempt": 1, "reason": "HTTP 429", "wait_s": 0.5}
    assert point.parent == rig.seen[0].id
    assert rig.booked[0] == 1


async def test_an_attempt_that_may_be_billed_is_booked_at_its_worst_beside_the_one_that_answered():
    rig = Rig(Retrying(Retry(1, "timeout", 0.0, may_be_billed=True)))
    await rig.ask()
    assert rig.booked == (2, WORST[0] + 10, WORST[1] + 2)
    cost = PRICE.cost(*WORST) + PRICE.cost(10, 2)
    assert (rig.end["usage"], rig.end["cost_usd"]) == ("worst_case", cost)
    assert rig.ledger.in_flight == 0


async def test_an_attempt_is_not_made_again_where_the_cap_has_no_room_for_it():
    rig = Rig(Retrying(Retry(1, "timeout", 0.0, may_be_billed=True)), Limits(max_calls=1))
    with pytest.raises(BudgetExceeded, match="max_calls"):
        await rig.ask()
    assert rig.booked == (1, *WORST)


@pytest.mark.parametrize("failure", [LLMRefused("m", "e", "no", advice=""), LLMUnavailable("m", "e", "down")])
async def test_a_call_that_was_refused_or_never_reached_the_model_costs_nothing(failure):
    rig = Rig(ScriptedLLM([failure]))
    with pytest.raises(type(failure)):
        await rig.ask()
    assert rig.booked == (0, 0, 0)
    assert rig.end["usage"] == "none"
    assert type(failure).__name__ in rig.end["error"]
    assert rig.ledger.in_flight == 0


@pytest.mark.parametrize(
    "failure",
    [
        LLMBadResponse("m", "e", "html"),
        LLMUnavailable("m", "e", "late", may_be_billed=True),
        RuntimeError("bug"),
    ],
)
async def test_a_call_that_may_have_been_served_is_booked_at_its_worst(failure):
    rig = Rig(ScriptedLLM([failure]))
    with pytest.raises(type(failure)):
        await rig.ask()
    assert rig.booked == (1, *WORST)
    assert rig.end["usage"] == "worst_case"


async def test_usage_above_the_reservation_is_booked_as_it_was(chat_server):
    chat_server.script(Reply("y", usage=(900, 800)))
    rig = Rig(chat := OpenAIChat("m", base_url=chat_server.url))
    await rig.ask()
    assert rig.booked == (1, 900, 800)
    await chat.close()


async def test_usage_that_was_estimated_is_booked_and_said_to_be_so(chat_server):
    chat_server.script(Reply("y" * 8, no_usage=True))
    rig = Rig(chat := OpenAIChat("m", base_url=chat_server.url))
    await rig.ask()
    assert rig.booked == (1, 40 // 2 + 8, 8 // 2 + 8)
    assert rig.end["usage"] == "estimated"
    await chat.close()


async def test_without_a_price_tokens_are_booked_and_the_cost_is_unknown():
    rig = Rig(ScriptedLLM(["y" * 8]), price=None)
    await rig.ask()
    assert rig.booked == (1, 10, 2)
    assert rig.end["cost_usd"] is None
    assert rig.ledger.usage.cost_usd is None


async def test_a_dollar_cap_on_a_model_without_a_price_stops_before_any_call():
    llm = ScriptedLLM(["y"])
    rig = Rig(llm, Limits(max_usd=1.0), price=None)
    with pytest.raises(UnknownPrice, match="FUNNEL_PRICES"):
        await rig.ask()
    with pytest.raises(UnknownPrice):
        rig.meter.check_start(rig.ledger.limits)
    assert llm.requests == []


LEAST_USD = (FIRST_CALL_INPUT_TOKENS * 1 + 64 * 10) / 1e6


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(max_usd=LEAST_USD * 0.99), "max_usd"),
        (Limits(max_calls=0), "max_calls"),
        (Limits(max_tokens=FIRST_CALL_INPUT_TOKENS + 63), "max_tokens"),
        (Limits(timeout_s=0), "timeout_s"),
    ],
)
async def test_limits_that_allow_no_first_call_are_found_out_at_the_start(limits, limit):
    with pytest.raises(BudgetTooSmall) as caught:
        Rig(ScriptedLLM([])).meter.check_start(limits)
    assert caught.value.limit == limit


async def test_limits_that_just_allow_a_first_call_pass():
    tokens = FIRST_CALL_INPUT_TOKENS + 64
    Rig(ScriptedLLM([])).meter.check_start(Limits(LEAST_USD, 1, tokens, 0.1))


@virtual_time
async def test_a_deadline_during_a_call_ends_it_as_a_budget_that_is_used_up():
    rig = Rig(Hanging(), Limits(timeout_s=0.1), clock=loop_time)
    with pytest.raises(BudgetExceeded) as caught:
        await rig.ask()
    assert caught.value.limit == "timeout_s"
    assert rig.booked == (1, *WORST)


async def test_a_model_that_notices_the_deadline_first_has_not_failed():
    late = LLMUnavailable("m", "e", "no answer within 60 s", may_be_billed=True)
    clock = FakeClock()

    class Punctual(ScriptedLLM):
        async def complete(self, request, options=None):
            clock.passes(60)
            raise late

    rig = Rig(Punctual([]), Limits(timeout_s=60), clock=clock)
    with pytest.raises(BudgetExceeded, match="timeout_s"):
        await rig.ask()
    assert rig.booked == (1, *WORST)


async def test_a_deadline_during_a_call_over_http_ends_it_too(chat_server):
    chat_server.script(Reply("late", delay_s=300))
    rig = Rig(chat := OpenAIChat("m", base_url=chat_server.url), Limits(timeout_s=0.2))
    async with asyncio.timeout(60):
        with pytest.raises(BudgetExceeded, match="timeout_s"):
            await rig.ask()
    await chat.close()


async def test_a_deadline_while_waiting_for_a_slot_costs_nothing():
    rig = Rig(ScriptedLLM(["y"]), Limits(timeout_s=0.05), parallel=0)
    with pytest.raises(BudgetExceeded, match="timeout_s"):
        await rig.ask()
    assert rig.booked == (0, 0, 0)


async def test_cancelling_a_call_books_its_worst_and_gives_its_slot_back():
    rig = Rig(llm := Hanging(), parallel=1)
    task = asyncio.create_task(rig.ask())
    await llm.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.booked == (1, *WORST)
    assert rig.ledger.in_flight == 0
    assert not rig.slots.locked()


async def test_cancelling_a_call_that_waits_for_a_slot_leaves_no_trace():
    rig = Rig(llm := Hanging(), parallel=1)
    first = asyncio.create_task(rig.ask())
    await llm.began.wait()
    second = asyncio.create_task(rig.ask())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    assert rig.ledger.in_flight == 1
    first.cancel()
    await asyncio.wait([first])
    assert rig.booked == (1, *WORST)


@pytest.mark.parametrize(("phase", "calls"), [("start", 0), ("end", 1)])
async def test_a_trace_that_cannot_be_written_leaves_no_reservation_behind(phase, calls):
    def full(event):
        if event.phase == phase:
            raise OSError("no space left")

    rig = Rig(ScriptedLLM(["y"]))
    rig.meter = Meter(ScriptedLLM(["y"]), rig.ledger, Events("r", full), price=PRICE, limit=rig.slots)
    with pytest.raises(OSError, match="no space"):
        await rig.ask()
    assert (rig.booked[0], rig.ledger.in_flight) == (calls, 0)


async def test_a_call_waits_for_calls_in_flight_that_hold_the_room_it_needs():
    """Each may take 128 tokens of 150 and takes 12: one after the other, all three fit."""
    rig = Rig(llm := ScriptedLLM(["y" * 8] * 3), Limits(max_tokens=150 + 24))
    await asyncio.gather(*(rig.ask() for _ in range(3)))
    assert rig.booked == (3, 30, 6)
    assert [r.max_output_tokens for r in llm.requests] == [100, 100, 100]


async def test_a_reservation_kept_for_later_is_not_waited_for():
    rig = Rig(ScriptedLLM(["y"]), Limits(max_tokens=300))
    rig.ledger.reserve(input_tokens=100, output_tokens=100, price=PRICE)
    async with asyncio.timeout(60):
        await rig.ask()
    assert rig.booked[0] == 1


async def test_two_meters_share_one_limit(chat_server):
    chat_server.default = lambda _body: Reply("ok", delay_s=0.02)
    root, sub = (OpenAIChat(name, base_url=chat_server.url) for name in ("root", "sub"))
    rig = Rig(root, parallel=3)
    other = Meter(sub, rig.ledger, Events("r"), price=PRICE, limit=rig.slots)
    await asyncio.gather(*(meter.complete(ASK, parent=None) for meter in [rig.meter, other] * 6))
    assert chat_server.most_at_once == 3
    assert chat_server.served.calls == rig.booked[0] == 12
    await root.close()
    await sub.close()


# A tree of calls as a recursive run makes them: a node asks, then its children ask, together or in turn.
outcomes = st.sampled_from(
    ["ok"] * 6 + ["once_429", "once_500", "refused", "down", "once_lost", "lost", "html"]
)
node = {"outcome": outcomes, "prompt": st.integers(0, 400), "reply": st.sampled_from([0, 30, 900, 1200])}
trees = st.recursive(
    st.fixed_dictionaries(node),
    lambda inner: st.fixed_dictionaries(
        {**node, "children": st.lists(inner, min_size=2, max_size=6), "together": st.booleans()}
    ),
    max_leaves=16,
)
# One call reserves about 300 tokens, 0.0026 dollars: each cap lets some of a tree through and stops the rest.
caps = st.builds(
    Limits,
    max_usd=st.none() | st.floats(0.001, 0.02),
    max_calls=st.none() | st.integers(1, 10),
    max_tokens=st.none() | st.integers(100, 3000),
)


class Provider:
    """Behaves as each prompt says, and never writes more than it was asked for."""

    def __init__(self):
        self.attempts = {}

    def __call__(self, body):
        said = json.loads(body["messages"][0]["content"].rstrip())
        before = self.attempts.get(said["id"], 0)
        self.attempts[said["id"]] = before + 1
        text = "y" * min(said["reply"], 4 * body["max_tokens"])
        outcome = said["outcome"].removeprefix("once_") if not before else said["outcome"]
        return {
            "429": error(429), "500": error(500), "refused": error(400), "down": error(500),
            "lost": Reply(text, hang_up=True), "html": Reply(body=b"<html>"),
        }.get(outcome, Reply(text))  # fmt: skip


async def run_tree(rig, node, ids):
    said = json.dumps({"id": next(ids), "outcome": node["outcome"], "reply": node["reply"]})
    request = Request((Message("user", said + " " * node["prompt"]),), "query", max_output_tokens=250)
    with suppress(LLMError, BudgetExceeded, BudgetTooSmall):
        await rig.ask(request)
    children = [run_tree(rig, child, ids) for child in node.get("children", [])]
    if node.get("together"):
        await asyncio.gather(*children)
    else:
        for child in children:
            await child


@settings(max_examples=40, deadline=None)
@given(trees, caps)
async def test_over_any_tree_of_calls_no_cap_is_passed_and_no_bill_is_above_what_was_reported(tree, limits):
    with ChatServer() as server:
        server.default = Provider()
        chat = OpenAIChat("m", base_url=server.url, max_retries=2, backoff_s=0.0001)
        rig = Rig(chat, limits, parallel=3)
        await run_tree(rig, tree, iter(range(100)))
        await chat.close()
        served, usage = server.served, rig.ledger.usage

    billed = served.input_tokens, served.output_tokens
    reported = usage.input_tokens, usage.output_tokens
    if any(e.data.get("usage") == "worst_case" for e in rig.seen):
        assert served.calls <= usage.model_calls
        assert all(b <= r for b, r in zip(billed, reported, strict=True))
    else:
        assert (served.calls, *billed) == rig.booked
    assert usage.cost_usd == pytest.approx(PRICE.cost(*reported))
    ends = [e.data for e in rig.seen if e.kind == "model_call" and e.phase == "end"]
    assert sum(end["input_tokens"] + end["output_tokens"] for end in ends) == sum(reported)
    assert sum(end["cost_usd"] for end in ends) == pytest.approx(usage.cost_usd)

    assert usage.cost_usd <= (1 if limits.max_usd is None else limits.max_usd + 1e-9)
    assert usage.model_calls <= (100 if limits.max_calls is None else limits.max_calls)
    assert sum(reported) <= (10**9 if limits.max_tokens is None else limits.max_tokens)
    assert server.most_at_once <= 3
    assert rig.ledger.in_flight == 0
    assert not rig.slots.locked()


async def test_a_call_that_waits_for_room_holds_up_no_other_run(chat_server):
    """Its own run's money is in flight; the limiter's places are for those who can go on."""
    chat_server.default = lambda _body: Reply("ok", delay_s=0.05)
    queue, llm = CallQueue(), OpenAIChat("m", base_url=chat_server.url)
    poor, rich = (
        Meter(llm, Ledger(limits), Events("r"), price=PRICE, limit=Limiter(2, queue=queue))
        for limits in (Limits(max_tokens=sum(WORST)), Limits())
    )
    waiting = [asyncio.create_task(poor.complete(ASK, parent=None)) for _ in range(4)]
    assert await asyncio.to_thread(chat_server.called.wait, 10)
    assert not poor._limit.locked()
    assert (await rich.complete(ASK, parent=None)).text == "ok"
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(each, Completion) for each in done) >= 1
    assert not rich._limit.locked()
    await llm.close()


async def test_a_refusal_by_a_job_is_told_as_such_even_before_the_first_answer():
    job = Ledger(Limits.only(max_tokens=28 + 63), name="job")
    meter = Meter(
        ScriptedLLM(["y"]), Ledger(Limits(), parent=job), Events("r"), price=PRICE, limit=Limiter(1)
    )
    with pytest.raises(BudgetExceeded, match="max_tokens = 91 of the job") as refused:
        await meter.complete(ASK, parent=None)
    assert (refused.value.ledger, refused.value.needed) == ("job", 28 + 64)


async def test_a_dollar_cap_of_a_job_needs_the_price_too():
    job = Ledger(Limits.only(max_usd=1.0), name="job")
    meter = Meter(ScriptedLLM(["y"]), Ledger(Limits(), parent=job), Events("r"), price=None, limit=Limiter(1))
    with pytest.raises(UnknownPrice):
        await meter.complete(ASK, parent=None)
