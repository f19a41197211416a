"""Questions that follow others: made to stand alone, with the variables of the earlier program."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from second_stage import FREE, SHOP, cell, last, prompt, reading

from funnel.asker import Asker
from funnel.errors import LLMUnavailable, RunUnknown
from funnel.llm.extractive import Extractive
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sync import SyncFunnel
from indexes import RawDocuments
from indexes.types import DocumentId

LOOKUP, DEEP = Options(mode="lookup"), Options(mode="deep")
FIRST = "How long do refunds take?"
THEN = "And who signed the lease?"
ALONE = "Who signed the lease of Hill House?"
READ = reading("They take 14 days [1].", (1, "We refund within 14 days."))
SIGNED = reading("Ada Roth [1].", (1, "Ada Roth signed it."))
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")
POWER_CUT = RuntimeError("power cut")


class Lasting(InMemory):
    """A memory that outlives its funnels."""

    async def close(self) -> None: ...


@pytest.fixture
def memory():
    return Lasting()


@pytest.fixture
def shop(tmp_path, memory, sandbox):
    """Opens a funnel over the shop with scripted replies, and gives it with its model."""

    @asynccontextmanager
    async def opened(*replies, root=None, source=None):
        model = root or ScriptedLLM(replies)
        source = source or RawDocuments(SHOP)
        async with Funnel(
            source,
            models=Models(model, model, prices=FREE),
            memory=memory,
            sandbox=sandbox,
            trace_dir=tmp_path / "traces",
            router=Router(),
        ) as funnel:
            yield funnel, model

    return opened


def as_owner(options):
    return replace(options, asker=Asker.owner())


async def test_a_follow_up_is_asked_so_that_it_stands_alone(shop):
    async with shop(READ, ALONE, SIGNED) as (funnel, model), funnel.conversation(as_owner(LOOKUP)) as talk:
        first = await talk.ask(FIRST)
        then = await talk.ask(THEN)
    assert (first.question, first.standalone) == (FIRST, "")
    assert (then.question, then.standalone, then.text) == (THEN, ALONE, "Ada Roth [1].")
    rewriting, answering = model.requests[1:]
    assert rewriting.purpose == "follow_up"
    assert FIRST in prompt(rewriting)
    assert "They take 14 days." in prompt(rewriting)
    assert THEN in last(rewriting)
    assert ALONE in prompt(answering)
    assert THEN not in prompt(answering)


async def test_what_is_searched_for_is_the_question_that_stands_alone(shop):
    events = []
    async with shop(READ, ALONE, SIGNED) as (funnel, _):
        talk = funnel.conversation(as_owner(LOOKUP))
        await talk.ask(FIRST)
        await talk.ask(THEN, on_event=events.append)
    told = {event.kind: event.data for event in events if event.kind in {"follows", "retrieve"}}
    assert told["follows"]["standalone"] == ALONE
    (began,) = [e.data for e in events if (e.kind, e.phase) == ("retrieve", "start")]
    assert began["query"] == ALONE


@pytest.mark.parametrize("said", [f'"{ALONE}"', f"\n**{ALONE}**\n", f"Sure, here it is:\n{ALONE}"])
async def test_the_words_around_the_question_are_left_out(shop, said):
    async with shop(READ, said, SIGNED) as (funnel, _):
        talk = funnel.conversation(as_owner(LOOKUP))
        await talk.ask(FIRST)
        assert (await talk.ask(THEN)).standalone == ALONE


@pytest.mark.parametrize("said", ["", "x" * 3_000, DOWN])
async def test_without_a_question_from_the_model_it_is_asked_as_it_stands(shop, said):
    async with shop(READ, said, SIGNED) as (funnel, _):
        talk = funnel.conversation(as_owner(LOOKUP))
        await talk.ask(FIRST)
        answer = await talk.ask(THEN)
    assert answer.standalone == THEN
    assert any(notice.startswith("The question was taken as it stands: ") for notice in answer.notices)


async def test_without_a_language_model_nothing_is_rewritten(shop):
    async with shop(root=Extractive()) as (funnel, _):
        talk = funnel.conversation(as_owner(LOOKUP))
        await talk.ask(FIRST)
        answer = await talk.ask(ALONE)
    assert answer.usage.model_calls == 1
    assert "Leases" in answer.text


async def test_a_program_begins_with_the_plain_variables_of_the_one_before(shop):
    first = cell("days = {'refunds': 14}", "names = ['a', 'b']", "opaque = {1, 2}")
    submit = cell("submit('14 days', citations=[])")
    then = cell("submit(str(days['refunds'] + len(names)), citations=[])")
    async with shop(first, submit, ALONE, then) as (funnel, model):
        talk = funnel.conversation(as_owner(DEEP))
        await talk.ask(FIRST)
        answer = await talk.ask(THEN)
    assert answer.text == "16"
    opening = prompt(model.requests[-1])
    assert "`days` (dict, 1)" in opening
    assert "`names` (list, 2)" in opening
    assert "opaque" not in opening
    assert "14 days" in opening


async def test_it_goes_on_in_another_process(shop):
    async with shop(cell("found = [1, 2]"), cell("submit('x', citations=[])")) as (funnel, _):
        talk = funnel.conversation(as_owner(DEEP))
        await talk.ask(FIRST)
        run = talk.run
    async with shop(ALONE, cell("submit(str(sum(found)), citations=[])")) as (funnel, _):
        talk = funnel.conversation(as_owner(replace(DEEP, follows=run)))
        assert (await talk.ask(THEN)).text == "3"


async def test_any_run_can_be_followed_without_its_variables(shop):
    async with shop(READ, ALONE, SIGNED) as (funnel, _):
        first = await funnel.ask(FIRST, as_owner(LOOKUP))
        answer = await funnel.ask(THEN, as_owner(replace(LOOKUP, follows=first.run)))
    assert answer.standalone == ALONE


async def test_a_run_that_is_not_there_is_told_before_anything_is_asked(shop):
    async with shop() as (funnel, model):
        with pytest.raises(RunUnknown, match="no-such-run"):
            await funnel.ask(THEN, as_owner(replace(LOOKUP, follows="no-such-run")))
    assert model.requests == []


async def test_another_asker_cannot_follow_it(shop):
    source = RawDocuments([replace(each, readers=frozenset({"alice", "bob"})) for each in SHOP])
    async with shop(READ, source=source) as (funnel, _):
        first = await funnel.ask(FIRST, replace(LOOKUP, asker=Asker.of("alice")))
        with pytest.raises(RunUnknown):
            await funnel.ask(THEN, replace(LOOKUP, asker=Asker.of("bob"), follows=first.run))


async def test_what_came_from_a_document_that_is_closed_now_is_neither_said_nor_kept(shop):
    source = RawDocuments(SHOP)
    async with shop(
        cell("secret = read('refunds')"), cell("submit('14 days', citations=[])"), source=source
    ) as (
        funnel,
        _,
    ):
        talk = funnel.conversation(as_owner(DEEP))
        await talk.ask(FIRST)
    del source._documents[DocumentId("refunds")]
    submit = cell("try: known = secret", "except NameError: known = 'gone'", "submit(known, citations=[])")
    async with shop(submit, source=source) as (funnel, model):
        answer = await funnel.ask(THEN, as_owner(replace(DEEP, follows=talk.run)))
    assert answer.text == "gone"
    assert "14 days" not in prompt(model.requests[0])
    assert "secret" not in prompt(model.requests[0])
    assert "1 earlier exchange left out: its documents are closed to you, or gone." in answer.notices


async def test_variables_are_left_out_if_a_document_has_changed_since(shop):
    source = RawDocuments(SHOP)
    async with shop(
        cell("text = read('refunds')"), cell("submit('14 days', citations=[])"), source=source
    ) as (
        funnel,
        _,
    ):
        talk = funnel.conversation(as_owner(DEEP))
        await talk.ask(FIRST)
    source._documents[DocumentId("refunds")] = replace(SHOP[0], text="We refund within 30 days.")
    async with shop(ALONE, cell("submit('x', citations=[])"), source=source) as (funnel, model):
        answer = await funnel.ask(THEN, as_owner(replace(DEEP, follows=talk.run)))
    assert "`text`" not in prompt(model.requests[1])
    assert any("a document has changed since" in notice for notice in answer.notices)


async def test_a_resumed_follow_up_pays_for_its_question_once(shop):
    async with shop(READ) as (funnel, _):
        first = await funnel.ask(FIRST, as_owner(LOOKUP))
    events = []
    async with shop(ALONE, POWER_CUT) as (funnel, _):
        with pytest.raises(RuntimeError, match="power cut"):
            await funnel.ask(THEN, as_owner(replace(LOOKUP, follows=first.run)), on_event=events.append)
    async with shop(SIGNED) as (funnel, model):
        answer = await funnel.resume(events[0].run, ResumeOptions(asker=Asker.owner()))
    assert (answer.standalone, answer.text) == (ALONE, "Ada Roth [1].")
    assert len(model.requests) == 1


async def test_a_question_that_fails_is_no_part_of_the_conversation(shop):
    async with shop(READ, DOWN, DOWN, ALONE, SIGNED) as (funnel, model):
        talk = funnel.conversation(as_owner(LOOKUP))
        first = await talk.ask(FIRST)
        with pytest.raises(LLMUnavailable):
            await talk.ask("And the grant?")
        assert talk.run == first.run
        assert (await talk.ask(THEN)).standalone == ALONE
    assert "grant" not in prompt(model.requests[-2])


async def test_a_question_asked_meanwhile_waits_for_the_one_before(shop):
    async with shop(READ, ALONE, SIGNED) as (funnel, _):
        talk = funnel.conversation(as_owner(LOOKUP))
        first, then = await asyncio.gather(talk.ask(FIRST), talk.ask(THEN))
    assert (first.standalone, then.standalone) == ("", ALONE)


def test_a_script_talks_without_await(tmp_path, memory, sandbox):
    model = ScriptedLLM([READ, ALONE, SIGNED])

    def build():
        return Funnel(
            RawDocuments(SHOP).as_owner(),
            models=Models(model, model, prices=FREE),
            memory=memory,
            sandbox=sandbox,
            trace_dir=tmp_path,
            router=Router(),
        )

    with SyncFunnel(build) as funnel:
        talk = funnel.conversation(LOOKUP)
        talk.ask(FIRST)
        assert talk.ask(THEN).standalone == ALONE
