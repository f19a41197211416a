"""Completions that are kept: named by all that shapes them, flown once, apart for each asker."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from chat_server import ChatServer, Reply
from hypothesis import given
from hypothesis import strategies as st
from second_stage import SHOP, cell

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import BudgetExceeded, LLMUnavailable
from funnel.llm.base import Completion, Message, Request
from funnel.llm.budget import Ledger, Limits, Price
from funnel.llm.cache import Completions
from funnel.llm.limiter import Limiter
from funnel.llm.meter import Meter
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory, SqliteMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from funnel.trace.events import Events
from indexes import RawDocuments

ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
PRICE = Price(1.0, 10.0)
CLERK, BOSS = Asker.of("clerk"), Asker.of("boss")

texts = st.text(max_size=8)
schemas = st.none() | st.dictionaries(texts, st.integers() | texts, max_size=2)
requests = st.builds(
    Request,
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts), max_size=3).map(
        tuple
    ),
    st.sampled_from(["query", "turn"]),
    max_output_tokens=st.integers(1, 3),
    temperature=st.none() | st.sampled_from([0.0, 1.0]),
    schema=schemas,
)
calls = st.tuples(requests, texts, texts)


def shapes(call) -> str:
    """All that a provider is told, spelled so that different things are spelled differently."""
    request, model, endpoint = call
    said = [[message.role, message.content] for message in request.messages]
    sent = [said, request.max_output_tokens, repr(request.temperature), request.schema, model, endpoint]
    return json.dumps(sent, sort_keys=True)


@given(calls, calls)
def test_two_calls_have_one_name_exactly_if_the_model_is_told_the_same(one, other):
    assert (one[0].key(*one[1:]) == other[0].key(*other[1:])) == (shapes(one) == shapes(other))


@given(calls, st.data())
def test_a_change_in_anything_that_a_model_is_told_gives_another_name(call, data):
    request, model, endpoint = call
    changes = {
        "messages": (*request.messages, Message("user", "")),
        "max_output_tokens": request.max_output_tokens + 1,
        "temperature": 0.5,
        "schema": {**(request.schema or {}), "more": None},
    }
    field = data.draw(st.sampled_from(sorted(changes)))
    changed = replace(request, **{field: changes[field]})
    names = {request.key(model, endpoint), changed.key(model, endpoint)}
    assert len(names | {request.key(model + "x", endpoint), request.key(model, endpoint + "x")}) == 4


class Placed(ScriptedLLM):
    """A scripted model that says where it is, waits for `free`, and may be cut or fail."""

    endpoint = "here"

    def __init__(self, replies, *, reason="stop", name="m") -> None:
        super().__init__(replies, name=name)
        self.reason, self.free, self.began = reason, asyncio.Event(), asyncio.Event()
        self.free.set()

    async def complete(self, request, options=None) -> Completion:
        self.began.set()
        await self.free.wait()
        return replace(await super().complete(request, options), finish_reason=self.reason)


class Rig:
    """One run over a cache that others share."""

    def __init__(self, llm, cache, limits=None) -> None:
        self.ledger, self.seen = Ledger(limits or Limits()), []
        events = Events("r", self.seen.append)
        self.meter = Meter(llm, self.ledger, events, price=PRICE, limit=Limiter(64), cache=cache)

    async def ask(self, request=ASK) -> str:
        return (await self.meter.complete(request, parent=None)).text

    @property
    def took(self) -> tuple[int, int]:
        """Calls paid for, and calls answered from the cache."""
        return self.ledger.usage.model_calls, self.ledger.usage.cached_calls


@pytest.fixture
def completions():
    return Completions(InMemory())


async def test_a_call_that_was_made_is_not_made_again_and_is_counted_apart(completions):
    llm = Placed(["y" * 8])
    rig = Rig(llm, completions.of(LOCAL_OWNER))
    assert [await rig.ask(), await rig.ask()] == ["y" * 8] * 2
    usage = rig.ledger.usage
    assert (rig.took, usage.input_tokens, usage.output_tokens) == ((1, 1), 10, 2)
    (hit,) = (event.data for event in rig.seen if event.kind == "cache")
    assert (hit["source"], hit["saved_input_tokens"], hit["saved_output_tokens"]) == ("cache", 10, 2)


async def test_a_model_that_does_not_say_where_it_is_is_called_each_time(completions):
    rig = Rig(ScriptedLLM(["a", "b"]), completions.of(LOCAL_OWNER))
    assert [await rig.ask(), await rig.ask()] == ["a", "b"]


async def test_fifty_identical_calls_of_two_runs_at_once_are_one(completions):
    llm = Placed(["y"])
    runs = [Rig(llm, completions.of(LOCAL_OWNER)) for _ in range(2)]
    llm.free.clear()
    asking = [asyncio.create_task(runs[i % 2].ask()) for i in range(50)]
    await llm.began.wait()
    llm.free.set()
    assert await asyncio.gather(*asking) == ["y"] * 50
    assert sorted(run.took for run in runs) == [(0, 25), (1, 24)]


async def test_fifty_identical_calls_over_http_are_one(chat_server: ChatServer, completions):
    chat_server.default = lambda _body: Reply("y", delay_s=0.05)
    chat = OpenAIChat("m", base_url=chat_server.url)
    rig = Rig(chat, completions.of(LOCAL_OWNER))
    await asyncio.gather(*(rig.ask() for _ in range(50)))
    await chat.close()
    assert (chat_server.served.calls, rig.took) == (1, (1, 49))


async def test_who_waits_for_a_call_that_is_cancelled_makes_it(completions):
    llm = Placed(["y"])
    llm.free.clear()
    first, second = (Rig(llm, completions.of(LOCAL_OWNER)) for _ in range(2))
    leader = asyncio.create_task(first.ask())
    await llm.began.wait()
    follower = asyncio.create_task(second.ask())
    await asyncio.sleep(0)
    leader.cancel()
    llm.free.set()
    assert await follower == "y"
    assert (first.took, second.took) == ((1, 0), (1, 0))


async def test_who_waits_may_be_cancelled_without_the_call(completions):
    llm = Placed(["y"])
    llm.free.clear()
    rig = Rig(llm, completions.of(LOCAL_OWNER))
    leader = asyncio.create_task(rig.ask())
    await llm.began.wait()
    follower = asyncio.create_task(rig.ask())
    await asyncio.sleep(0)
    follower.cancel()
    await asyncio.wait([follower])
    llm.free.set()
    assert await leader == "y"
    assert rig.took == (1, 0)


async def test_a_run_without_budget_does_not_stop_another_that_waits_for_it(completions):
    llm = Placed(["y"])
    poor = Rig(llm, completions.of(LOCAL_OWNER), Limits(max_calls=0))
    rich = Rig(llm, completions.of(LOCAL_OWNER))
    found = await asyncio.gather(poor.ask(), rich.ask(), return_exceptions=True)
    assert isinstance(found[0], BudgetExceeded)
    assert (found[1], rich.took) == ("y", (1, 0))


async def test_a_run_whose_time_is_up_does_not_stop_another_that_waits_for_it(completions):
    llm = Placed(["y"])
    llm.free.clear()
    late, patient = (
        Rig(llm, completions.of(LOCAL_OWNER), Limits(timeout_s=0.1)),
        Rig(llm, completions.of(LOCAL_OWNER)),
    )
    asking = [asyncio.create_task(rig.ask()) for rig in (late, patient)]
    with pytest.raises(BudgetExceeded, match="timeout_s"):
        await asking[0]
    llm.free.set()
    assert await asking[1] == "y"


async def test_the_failure_of_a_call_is_that_of_all_who_wait_for_it_and_costs_them_nothing(completions):
    llm = Placed([LLMUnavailable("m", "e", "late", may_be_billed=True)])
    runs = [Rig(llm, completions.of(LOCAL_OWNER)) for _ in range(3)]
    found = await asyncio.gather(*(run.ask() for run in runs), return_exceptions=True)
    assert [type(error) for error in found] == [LLMUnavailable] * 3
    assert [run.took for run in runs] == [(1, 0), (0, 0), (0, 0)]


async def test_a_failure_is_not_kept(completions):
    rig = Rig(Placed([LLMUnavailable("m", "e", "down"), "y"]), completions.of(LOCAL_OWNER))
    with pytest.raises(LLMUnavailable):
        await rig.ask()
    assert await rig.ask() == "y"


@pytest.mark.parametrize("reason", ["length", "refusal", "content_filter"])
async def test_what_was_cut_or_refused_is_not_kept(completions, reason):
    rig = Rig(Placed(["y" * 400, "z" * 400], reason=reason), completions.of(LOCAL_OWNER))
    assert [await rig.ask(), await rig.ask()] == ["y" * 400, "z" * 400]


async def test_an_empty_answer_is_not_kept(completions):
    rig = Rig(Placed([" ", "z"]), completions.of(LOCAL_OWNER))
    assert [await rig.ask(), await rig.ask()] == [" ", "z"]


async def test_what_was_cut_to_the_budget_of_one_run_is_not_given_to_another(completions):
    """The first may take 70 tokens of 100; who waits for it has more, and asks for itself."""
    llm = Placed(["y" * 4 * 70, "whole"], reason="length")
    llm.free.clear()
    poor = Rig(llm, completions.of(LOCAL_OWNER), Limits(max_tokens=28 + 70))
    rich = Rig(llm, completions.of(LOCAL_OWNER))
    asking = [asyncio.create_task(rig.ask()) for rig in (poor, rich)]
    await llm.began.wait()
    llm.free.set()
    assert await asyncio.gather(*asking) == ["y" * 280, "whole"]
    assert (poor.took, rich.took) == ((1, 0), (1, 0))


async def test_fresh_takes_nothing_from_the_cache_and_replaces_what_is_there(completions):
    llm = Placed(["old", "new"])
    assert await Rig(llm, completions.of(LOCAL_OWNER)).ask() == "old"
    assert await Rig(llm, completions.of(LOCAL_OWNER, fresh=True)).ask() == "new"
    assert await Rig(llm, completions.of(LOCAL_OWNER)).ask() == "new"


async def test_fresh_does_not_share_what_another_is_just_taking_from_the_cache():
    class Slow(InMemory):
        async def get_many(self, where, keys):
            await asyncio.sleep(0.01)
            return await super().get_many(where, keys)

    completions, llm = Completions(Slow()), Placed(["old", "new"])
    assert await Rig(llm, completions.of(LOCAL_OWNER)).ask() == "old"
    rigs = [Rig(llm, completions.of(LOCAL_OWNER, fresh=fresh)) for fresh in (False, True)]
    _, fresh = await asyncio.gather(*(rig.ask() for rig in rigs))
    assert fresh == "new"


@pytest.mark.parametrize("other", [BOSS, LOCAL_OWNER, Asker.of("clerk", "boss"), Asker.of()])
async def test_a_completion_is_given_to_the_same_rights_only(completions, other):
    llm = Placed(["a", "b"])
    assert await Rig(llm, completions.of(CLERK)).ask() == "a"
    assert await Rig(llm, completions.of(other)).ask() == "b"
    assert await Rig(llm, completions.of(Asker.of("clerk"))).ask() == "a"


async def test_identical_calls_at_once_under_different_rights_are_two(completions):
    rigs = [Rig(Placed([text]), completions.of(access)) for text, access in (("a", CLERK), ("b", BOSS))]
    assert await asyncio.gather(*(rig.ask() for rig in rigs)) == ["a", "b"]


async def test_tenants_share_nothing():
    memory, llm = InMemory(), Placed(["a", "b"])
    for tenant, said in (("one", "a"), ("two", "b")):
        assert await Rig(llm, Completions(memory).of(Asker.owner(tenant))).ask() == said


async def test_what_one_process_paid_for_another_has(tmp_path):
    url = f"sqlite:///{tmp_path / 'memory.sqlite'}"
    for _ in range(2):
        memory = SqliteMemory(url)
        assert await Rig(Placed(["y"]), Completions(memory).of(LOCAL_OWNER)).ask() == "y"
        llm = Placed([])
        assert await Rig(llm, Completions(memory).of(LOCAL_OWNER)).ask() == "y"
        await memory.close()


async def test_a_completion_is_kept_as_long_as_was_said():
    now = [0.0]
    completions = Completions(InMemory(clock=lambda: now[0]), ttl_s=60.0)
    llm = Placed(["a", "b"])
    told = []
    for now[0] in (0.0, 59.0, 61.0):
        told.append(await Rig(llm, completions.of(LOCAL_OWNER)).ask())
    assert told == ["a", "a", "b"]


@pytest.mark.parametrize("stored", [b"\xff", b"[]", b"{}", b'{"text": "a", "later": 1}'])
async def test_an_entry_that_does_not_read_is_paid_for_again_and_replaced(stored):
    memory = InMemory()
    cache = Completions(memory).of(LOCAL_OWNER)
    await memory.put_many(cache._where, {ASK.key("m", "here"): stored})
    rig = Rig(Placed(["y"]), cache)
    assert [await rig.ask(), await rig.ask()] == ["y", "y"]


OPEN = [replace(document, readers=frozenset({"clerk", "boss"})) for document in SHOP]
ASKING = cell("submit(llm_query('Who signed?', 'Ada'), citations=[])")


@pytest.fixture
async def shop(tmp_path, chat_server):
    """A funnel over documents that clerk and boss may read alike, with real calls."""
    chat_server.default = lambda body: Reply("Ada" if "Who signed?" in str(body) else ASKING)
    chat = OpenAIChat("m", base_url=chat_server.url)
    funnel = Funnel(
        RawDocuments(OPEN).as_owner(),
        models=Models(chat, chat, prices={"m": (1.0, 10.0)}),
        memory=SqliteMemory(f"sqlite:///{tmp_path / 'memory.sqlite'}"),
        sandbox=MontySandbox(max_processes=8),
        trace_dir=tmp_path / "traces",
        router=Router(),
    )
    async with funnel:
        yield funnel


async def sub_calls(shop, chat_server, **options) -> int:
    before = len(chat_server.seen)
    answer = await shop.ask("Who signed the lease?", Options(mode="deep", **options))
    assert answer.text == "Ada"
    asked = [seen for seen in chat_server.seen[before:] if "Who signed?" in str(seen.body)]
    assert answer.usage.model_calls == len(chat_server.seen) - before
    assert answer.usage.cached_calls == 2 - answer.usage.model_calls
    return len(asked)


async def test_a_second_run_of_the_same_asker_pays_for_no_sub_call(shop, chat_server):
    assert [await sub_calls(shop, chat_server, asker=CLERK) for _ in range(2)] == [1, 0]


async def test_the_completions_of_one_asker_never_serve_another(shop, chat_server):
    assert [await sub_calls(shop, chat_server, asker=asker) for asker in (CLERK, BOSS, LOCAL_OWNER)] == [
        1,
        1,
        1,
    ]


async def test_a_fresh_run_pays_for_all(shop, chat_server):
    assert [await sub_calls(shop, chat_server, fresh=fresh) for fresh in (False, True, False)] == [1, 1, 0]


async def test_a_question_that_is_asked_again_pays_for_no_turn_however_long_the_turns_took(shop, chat_server):
    """The first run has fewer calls and seconds left at its second turn than the one that finds it cached."""
    chat_server.default = lambda body: Reply(
        cell("submit('x', citations=[])" if "Turn 3 of" in body["messages"][-1]["content"] else "x = 1"),
        delay_s=0.6,
    )
    answers = [await shop.ask("Who?", Options(mode="deep")) for _ in range(2)]
    assert [(a.usage.model_calls, a.usage.cached_calls) for a in answers] == [(3, 0), (0, 3)]


async def test_a_turn_under_one_limit_serves_none_under_another(shop, chat_server):
    chat_server.default = lambda _body: Reply(cell("submit(str(budget()['calls_left']), citations=[])"))
    for max_calls in (100, 99, 100):
        await shop.ask("Who?", Options(mode="deep", limits=Limits(max_calls=max_calls)))
    assert chat_server.served.calls == 2
