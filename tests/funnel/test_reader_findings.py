"""The reader is shown what earlier runs found out: on the topic, while it holds, if the asker may read it."""

from __future__ import annotations

from contextlib import asynccontextmanager

from second_stage import FREE, doc, last, reading

from funnel.asker import LOCAL_OWNER, Asker
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import SqliteMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments

KNOWN = "(Found out earlier: "
REFUNDS = doc("refunds", "We refund within 14 days. Shipping is not refunded.", "Refunds")
LEASES = doc("leases", "The lease of Hill House ends in May 2026.", "Leases")
LOOKUP = Options(mode="lookup", asker=LOCAL_OWNER)
FIRST, SECOND = "How long do refunds take?", "Are refunds given within two weeks?"
FOUND = reading("A refund takes two weeks [1].", (1, "We refund within 14 days."))


class Located(ScriptedLLM):
    """A scripted model whose answers are cached."""

    endpoint = "http://scripted"


@asynccontextmanager
async def a_funnel(tmp_path, model, *documents):
    async with Funnel(
        RawDocuments(documents or (REFUNDS, LEASES)),
        models=Models(model, model, prices=FREE),
        memory=SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite"),
        sandbox=MontySandbox(max_processes=1),
        trace_dir=tmp_path / "traces",
        router=Router(),
    ) as funnel:
        yield funnel


async def asked_twice(tmp_path, second, *replies, options=LOOKUP, again=LOOKUP, documents=()):
    """The second answer, and the prompt that it was given to."""
    async with a_funnel(tmp_path, ScriptedLLM([FOUND])) as funnel:
        await funnel.ask(FIRST, options)
    model = ScriptedLLM(replies or [reading("Yes.")])
    async with a_funnel(tmp_path, model, *documents) as funnel:
        answer = await funnel.ask(second, again)
    return answer, last(model.requests[0])


async def test_a_question_on_the_topic_is_told_what_an_earlier_one_found_out(tmp_path):
    _, shown = await asked_twice(tmp_path, SECOND)
    assert f"{KNOWN}A refund takes two weeks.)" in shown


async def test_words_taken_from_it_are_cited_where_they_were_found(tmp_path):
    reply = reading("Two weeks [1].", (1, "A refund takes two weeks."))
    answer, _ = await asked_twice(tmp_path, SECOND, reply)
    assert [(c.document_id, c.start, c.quote) for c in answer.citations] == [
        ("refunds", 0, "We refund within 14 days.")
    ]


async def test_what_rests_on_two_places_is_cited_at_both(tmp_path):
    both = reading(
        "Refunds take two weeks, without the shipping [1].",
        (1, "We refund within 14 days."),
        (1, "Shipping is not refunded."),
    )
    again = reading("Refunds take two weeks, without the shipping [1].")
    async with a_funnel(tmp_path, ScriptedLLM([both])) as funnel:
        await funnel.ask(FIRST, LOOKUP)
    async with a_funnel(tmp_path, ScriptedLLM([again])) as funnel:
        answer = await funnel.ask(SECOND, LOOKUP)
    assert [c.quote for c in answer.citations] == ["We refund within 14 days.", "Shipping is not refunded."]


async def test_a_question_on_another_topic_is_told_nothing(tmp_path):
    _, shown = await asked_twice(tmp_path, "When does the lease of Hill House end?")
    assert KNOWN not in shown


async def test_what_was_found_in_another_version_of_a_document_is_not_told(tmp_path):
    changed = doc("refunds", "We refund within 30 days. Shipping is not refunded.", "Refunds")
    _, shown = await asked_twice(tmp_path, SECOND, documents=[changed, LEASES])
    assert KNOWN not in shown


async def test_what_another_asker_found_out_is_not_told(tmp_path):
    public = [doc("refunds", REFUNDS.text, "Refunds", readers=["public"]), LEASES]
    async with a_funnel(tmp_path, ScriptedLLM([FOUND]), *public) as funnel:
        await funnel.ask(FIRST, LOOKUP)
    model = ScriptedLLM([reading("Yes.")])
    async with a_funnel(tmp_path, model, *public) as funnel:
        await funnel.ask(SECOND, Options(mode="lookup", asker=Asker.of("alice")))
    assert KNOWN not in last(model.requests[0])


async def test_a_question_that_does_not_learn_is_told_nothing(tmp_path):
    _, shown = await asked_twice(
        tmp_path, SECOND, again=Options(mode="lookup", learn=False, asker=LOCAL_OWNER)
    )
    assert KNOWN not in shown


async def test_the_same_question_again_has_the_same_prompt(tmp_path):
    model = Located([FOUND])
    async with a_funnel(tmp_path, model) as funnel:
        await funnel.ask(FIRST, LOOKUP)
        again = await funnel.ask(FIRST, LOOKUP)
    assert (len(model.requests), again.usage.cached_calls) == (1, 1)
