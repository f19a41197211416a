"""Whom a funnel answers: nobody is taken for the owner unless it was said in words."""

from __future__ import annotations

import pytest
from second_stage import FREE, doc, prompt, reading

from funnel import Options
from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import BadQuestion, RunUnknown
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.run.audience import Audience
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments, field
from indexes.types import PUBLIC, Access

DOCS = (
    doc("menu", "Soup is served at noon.", readers=[PUBLIC]),
    doc("pay", "Ada earns 90,000 euros.", readers=["ada"]),
    doc("audit", "The audit found a gap.", readers=["boss"]),
)
ADA, BOSS = Asker.of("ada"), Asker.of("boss")


@pytest.fixture
async def ask(tmp_path):
    """Which of the documents are in the prompt of a lookup."""
    sandbox = MontySandbox(max_processes=1)

    async def shown(documents, options=None):
        model = ScriptedLLM([reading("None.", found=False)])
        funnel = Funnel(
            documents, models=Models(model, model, prices=FREE), memory=InMemory(), sandbox=sandbox,
            trace_dir=tmp_path, router=Router(),
        )  # fmt: skip
        await funnel.ask("What is said?", options or Options(mode="lookup"))
        return {each.id for each in DOCS if each.text in prompt(model.requests[0])}

    yield shown
    await sandbox.close()


async def test_over_a_source_nobody_is_taken_for_the_owner(ask):
    with pytest.raises(BadQuestion, match=r"No asker is named.*as_owner\(\).*Options\(asker="):
        await ask(RawDocuments(DOCS))


async def test_over_a_source_a_question_names_its_asker(ask):
    assert await ask(RawDocuments(DOCS), Options(mode="lookup", asker=ADA)) == {"menu", "pay"}


async def test_over_the_owners_documents_the_owner_asks(ask):
    assert await ask(RawDocuments(DOCS).as_owner()) == {"menu", "pay", "audit"}


async def test_over_the_owners_documents_a_question_may_name_somebody_else(ask):
    owners = RawDocuments(DOCS).as_owner()
    assert await ask(owners, Options(mode="lookup", asker=BOSS)) == {"menu", "audit"}


async def test_over_an_askers_documents_that_asker_asks(ask):
    assert await ask(RawDocuments(DOCS).for_asker(ADA.access)) == {"menu", "pay"}


@pytest.mark.parametrize("other", [BOSS, LOCAL_OWNER, Asker.of("ada", "boss")])
async def test_over_an_askers_documents_nobody_else_may_ask(ask, other):
    with pytest.raises(BadQuestion, match="built over the documents of another asker"):
        await ask(RawDocuments(DOCS).for_asker(ADA.access), Options(mode="lookup", asker=other))


def test_a_question_is_asked_within_the_filter_of_the_funnels_documents():
    old, long = field("year") < 2000, field("pages") > 9
    audience = Audience(RawDocuments(DOCS).as_owner(old))
    assert (audience.narrow(None), audience.narrow(long)) == (old, old & long)


def test_over_a_source_the_filter_is_that_of_the_question():
    long = field("pages") > 9
    audience = Audience(RawDocuments(DOCS))
    assert (audience.narrow(None), audience.narrow(long)) == (None, long)


async def test_an_asker_resumes_no_run_of_somebody_else(tmp_path):
    model, memory = ScriptedLLM([reading("None.", found=False)]), InMemory()
    parts = {
        "models": Models(model, model, prices=FREE), "memory": memory, "sandbox": MontySandbox(),
        "trace_dir": tmp_path, "router": Router(),
    }  # fmt: skip
    source = RawDocuments(DOCS)
    run = (await Funnel(source, **parts).ask("What?", Options(mode="lookup", asker=BOSS))).run
    with pytest.raises(RunUnknown):
        await Funnel(source.for_asker(Access.of("ada")), **parts).resume(run)
    with pytest.raises(BadQuestion, match="No asker is named"):
        await Funnel(source, **parts).resume(run)
    answers = [
        await Funnel(source.as_owner(), **parts).resume(run),
        await Funnel(source, **parts).resume(run, ResumeOptions(asker=BOSS)),
    ]
    assert [answer.text for answer in answers] == ["None."] * 2


def test_a_funnel_over_visible_statistics_gives_every_question_these():
    strict, other = (Audience(RawDocuments(DOCS).as_owner(statistics=s)) for s in ("visible", "collection"))
    assert [strict.statistics(asked) for asked in ("collection", "visible")] == ["visible", "visible"]
    assert [other.statistics(asked) for asked in ("collection", "visible")] == ["collection", "visible"]
