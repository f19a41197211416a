"""Two tenants over one memory, and two askers of one tenant, never see anything of each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from second_stage import FREE, cell, doc

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import RunUnknown
from funnel.findings.store import FindingStore, SupportingSpan
from funnel.journal import Journal, housekeeping, listing
from funnel.journal.swapping import request_swap
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory, layout
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox
from funnel.workspace.workspace import Workspace
from indexes import RawDocuments
from indexes.types import PUBLIC

DOCS = [replace(doc("lease", "The lease ends in May. Ada signed it.", "Lease"), readers=frozenset({PUBLIC}))]
WORK = [cell('note("end", "May")'), cell("submit(f\"May {cite('lease', quote='ends in May')}\")")]
QUESTION = "When does the lease end?"
ACME, BETA = Asker.owner("acme"), Asker.owner("beta")
STRANGERS = [BETA, LOCAL_OWNER, Asker.of("ann", tenant="acme"), Asker.of("ann")]
"""None of them is the owner of acme, and none asked with that owner's rights."""


class Placed(ScriptedLLM):
    """A model whose answers a cache may keep."""

    endpoint = "here"


@pytest.fixture
def memory():
    return InMemory()


@pytest.fixture
async def funnel(memory, tmp_path):
    llm = Placed(WORK * 8)
    made = Funnel(
        RawDocuments(DOCS),
        models=Models(llm, llm, prices={**FREE, "scripted": (0.0, 0.0)}),
        memory=memory,
        sandbox=MontySandbox(max_processes=2),
        trace_dir=tmp_path,
        router=Router(),
    )
    async with made:
        yield made


async def asked(funnel: Funnel, asker: Asker, **options):
    return await funnel.ask(QUESTION, Options(mode="deep", asker=asker, **options))


async def listed(memory, asker: Asker) -> list[str]:
    return [each.record.run async for each in listing.runs(memory, asker=asker)]


def test_what_one_machine_stored_before_tenants_stays_where_it_was():
    spaces = (
        layout.run(LOCAL_OWNER, "r/1"),
        layout.document(LOCAL_OWNER, "d", "v"),
        layout.completions(LOCAL_OWNER),
        layout.findings(Asker.of("ann")),
    )
    assert spaces == (
        "local/run/r%2F1",
        "local/document/d/v",
        "local/cache/cd4f4b3f8e224c5d08f5f6b27bf0d77a",
        "local/learnt/7afa81a970137b9cdd17f2cb3fc5cc84",
    )


def test_an_asker_needs_a_tenant():
    with pytest.raises(ValueError, match="needs a name"):
        Asker.owner("")


async def test_every_namespace_that_a_run_writes_is_its_tenants(funnel, memory):
    await asked(funnel, ACME)
    assert {where.split("/")[0] for where in await memory.namespaces()} == {"acme"}
    kinds = {where.split("/")[1] for where in await memory.namespaces()}
    assert kinds == {"run", "document", "cache", "learnt"}


async def test_a_tenant_lists_its_own_runs_only(funnel, memory):
    runs = {asker: (await asked(funnel, asker)).run for asker in (ACME, BETA)}
    assert {asker: await listed(memory, asker) for asker in (ACME, BETA, LOCAL_OWNER)} == {
        ACME: [runs[ACME]],
        BETA: [runs[BETA]],
        LOCAL_OWNER: [],
    }


async def test_within_a_tenant_the_owner_lists_every_run_and_others_those_of_their_rights(funnel, memory):
    ann, bob = (Asker.of(name, tenant="acme") for name in ("ann", "bob"))
    runs = [(await asked(funnel, asker)).run for asker in (ACME, ann)]
    assert sorted(await listed(memory, ACME)) == sorted(runs)
    assert await listed(memory, ann) == [runs[1]]
    assert await listed(memory, bob) == []


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_run_is_not_shown_moved_or_removed_for_a_stranger(funnel, memory, stranger):
    run = (await asked(funnel, ACME)).run
    with pytest.raises(RunUnknown):
        await Journal(memory, run, asker=stranger).record()
    with pytest.raises(RunUnknown):
        await request_swap(memory, run, "memory://", asker=stranger)
    with pytest.raises(RunUnknown):
        await housekeeping.remove_runs(memory, [run], asker=stranger)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert (await housekeeping.remove_runs_before(memory, tomorrow, asker=stranger)).runs == ()
    assert await listed(memory, ACME) == [run]


async def test_the_owner_of_a_tenant_removes_its_runs_and_leaves_those_of_others(funnel, memory):
    mine, theirs = (await asked(funnel, ACME)).run, (await asked(funnel, BETA)).run
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    removed = await housekeeping.remove_runs_before(memory, tomorrow, asker=ACME)
    assert removed.runs == (mine,)
    assert await listed(memory, BETA) == [theirs]


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_run_is_resumed_for_its_own_asker_only(funnel, stranger):
    answer = await asked(funnel, ACME)
    with pytest.raises(RunUnknown):
        await funnel.resume(answer.run, ResumeOptions(asker=stranger))
    assert (await funnel.resume(answer.run, ResumeOptions(asker=ACME))).text == answer.text


async def test_the_completions_of_a_tenant_serve_no_other(funnel):
    calls = [(await asked(funnel, asker, learn=False)).usage.model_calls for asker in (ACME, ACME, BETA)]
    assert calls == [2, 0, 2]


async def test_what_a_tenant_learnt_is_found_by_no_other(memory):
    learnt = FindingStore(memory, asker=ACME)
    learnt.add("note", "When?", "May", [SupportingSpan("lease", "1", 0, 3, "check", "Lease")])
    await learnt.keep(["lease"])
    assert await FindingStore(memory, asker=ACME).versions() == [("lease", "1")]
    for stranger in STRANGERS:
        store = FindingStore(memory, asker=stranger)
        assert await store.versions() == []
        assert [found async for found in store.find("May", [("lease", "1")])] == []


async def test_notes_and_documents_of_a_run_are_its_tenants(funnel, memory):
    run = (await asked(funnel, ACME)).run
    async with (
        Workspace(memory, run=run, asker=ACME) as mine,
        Workspace(memory, run=run, asker=BETA) as other,
    ):
        assert (await mine.notes(), len(await mine.documents())) == ({"end": "May"}, 1)
    async with Workspace(memory, run=run, asker=BETA) as other:
        assert (await other.notes(), await other.documents()) == ({}, ())
