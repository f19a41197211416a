"""What a run had text of is in its record, whichever tool handed it out; and who may hear of its findings."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from second_stage import FREE, a_run, cell, doc, prompt

from funnel.asker import Asker
from funnel.errors import LLMUnavailable
from funnel.inspector import Inspector
from funnel.inspector.tools.declaration import Exposes, always, tool
from funnel.inspector.tools.documents import DocumentTools
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.memory.base import namespace
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.run.options import Options
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments
from indexes.filters import field

LEASES = doc("leases", "The lease of Hill House ends in May 2026. Ada Roth signed it.", "Leases")
GRANTS = doc("grants", "The board withdrew the grant of Project Heron in 2019.", "Grants")
PLANS = doc("plans", "Project Heron was planned in 2017.", "Plans")
ANN = Asker.of("ann")
OPEN = [replace(each, readers=frozenset({"ann"})) for each in (LEASES, GRANTS, PLANS)]
CLOSED = [OPEN[0], GRANTS, OPEN[2]]
"""The same, with the grants taken away from Ann."""
ENDS = 'cite("leases", quote="The lease of Hill House ends in May 2026.")'
DEEP = Options(mode="deep", asker=ANN, k=1)
ANSWER = cell(f'submit("In May 2026 " + {ENDS} + ".")')
RECALL = cell("submit(recall('Hill House lease'), citations=[])")
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")
QUESTION = "When does the lease of Hill House end?"


@pytest.fixture
async def memory():
    opened = InMemory()
    yield opened
    await opened.close()


@pytest.fixture
def funnel(tmp_path, memory):
    """A funnel over the same memory, as often as one is asked for."""

    @asynccontextmanager
    async def opened(*root, documents=OPEN):
        model = ScriptedLLM(root)
        parts = Funnel(
            RawDocuments(documents).as_owner(), models=Models(model, model, prices=FREE), memory=memory,
            sandbox=MontySandbox(max_processes=8), trace_dir=tmp_path, router=Router(),
        )  # fmt: skip
        yield parts, model
        await parts._sandbox.close()

    return opened


@pytest.fixture
def ask(funnel):
    async def asked(*root, documents=OPEN, options=DEEP):
        async with funnel(*root, documents=documents) as (opened, model):
            return await opened.ask(QUESTION, options), model.requests

    return asked


async def exposed(sandbox, *lines, documents=(LEASES, GRANTS, PLANS), replies=()):
    """The record of a run whose one cell this was, beside the one document that was found for it."""
    model = ScriptedLLM([cell(*lines), *replies, cell("submit(1, citations=[])")])
    async with a_run(model, documents=documents, question=QUESTION) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits(1))
        return set(await bench.run.documents.exposed(at_most=99)) - {"leases"}


# the record


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("read('grants', 0, 5)", {"grants"}),
        ("grep('grant', docs='all')", {"grants"}),
        ("grep('nothing of that', docs='all')", set()),
        ("grep('GRANTS', docs='all')", {"grants"}),
        ("search('Project Heron planned', k=1)", {"plans"}),
        ("documents(0, 1)", {"grants"}),
        ("documents()", {"grants", "plans"}),
        ("cite('grants', 0, 9)", {"grants"}),
        ("cite('grants', quote='Project Heron')", {"grants"}),
        ("rlm_query('Who?', ['grants'])", {"grants"}),
        ("budget()", set()),
        ("note('a', 'b')", set()),
        ("[notes(), last_output()]", set()),
    ],
)
async def test_what_a_tool_hands_out_is_in_the_record(sandbox, expression, shown):
    child = [cell("submit('nobody', citations=[])")] if "rlm" in expression else []
    assert await exposed(sandbox, expression, replies=child) == shown


async def test_what_is_only_looked_through_is_not_in_the_record(sandbox):
    """Every document is read for a grep; what matched in none of them was told to nobody."""
    assert await exposed(sandbox, "grep('withdrew', docs=['grants', 'plans'])") == {"grants"}


# a tool that somebody adds


def peek_recorded(self, name):
    """Text through the run's documents."""
    return self.shared.run.documents.read(name)


async def peek_title(self, name):
    """A title through the run's documents."""
    return self.shared.run.documents.info(await self.shared.run.documents.find(name)).title


async def peek_view(self, name):
    """Text past the pages, from the view itself."""
    return self.shared.run.documents.view.document(name).text


async def peek_elsewhere(self, name):
    """Text that no record can know of."""
    return GRANTS.text


def added(monkeypatch, function, **how):
    function.__name__ = "peek"
    monkeypatch.setattr(DocumentTools, "peek", tool(prompt="- `peek(name)`.", **how)(function), raising=False)


@pytest.mark.parametrize(
    ("function", "how"),
    [
        (peek_recorded, {}),
        (peek_recorded, {"exposes": Exposes.RECORDED}),
        (peek_title, {"exposes": Exposes.RECORDED}),
        (peek_view, {"exposes": Exposes.RECORDED}),
        (peek_elsewhere, {}),
        (peek_elsewhere, {"replayed": always}),
    ],
)
async def test_a_tool_that_is_added_cannot_leak_by_omission(ask, monkeypatch, function, how):
    """What the run finds out after it is told to who may read the grants, and to nobody else."""
    added(monkeypatch, function, **how)
    await ask(cell("peek('grants')"), ANSWER)
    assert len((await ask(RECALL))[0].value) == 1
    answer, requests = await ask(RECALL, documents=CLOSED)
    assert answer.value == []
    assert "In May 2026" not in prompt(requests[0])


async def test_without_it_the_same_run_tells_both(ask):
    await ask(ANSWER)
    assert len((await ask(RECALL, documents=CLOSED))[0].value) == 1


async def test_what_a_filter_leaves_out_is_part_of_everything(ask, monkeypatch):
    """The tool may know what lies outside of the run's filter."""
    added(monkeypatch, peek_elsewhere)
    dated = [replace(OPEN[0], metadata={"year": 2020}), *OPEN[1:]]
    await ask(cell("peek('x')"), ANSWER, documents=dated, options=replace(DEEP, where=field("year") >= 2020))
    assert len((await ask(RECALL, documents=dated))[0].value) == 1
    assert (await ask(RECALL, documents=[dated[0], *CLOSED[1:]]))[0].value == []


async def test_a_run_that_may_have_seen_too_many_documents_tells_nobody(ask, monkeypatch):
    added(monkeypatch, peek_elsewhere)
    many = [*OPEN, *(doc(f"d{n}", "A garage.", readers=["ann"]) for n in range(500))]
    await ask(cell("peek('x')"), ANSWER, documents=many)
    assert (await ask(RECALL, documents=many))[0].value == []


# the record of earlier attempts


@pytest.mark.parametrize(
    "work",
    [
        "text = search('withdrew the grant', k=1)[0]['text']",
        "text = rlm_query('Which grant?', ['grants'])",
        "text = documents()[0]['title']",
        "text = peek('grants')",
    ],
)
async def test_a_resumed_run_has_the_record_of_the_results_that_it_is_answered_again(
    ask, funnel, monkeypatch, work
):
    added(monkeypatch, peek_elsewhere, replayed=always)
    child = [cell("peek('x')", "submit(read('grants'), citations=[])")] if "rlm" in work else []
    answer, _ = await ask(cell(work), *child, DOWN, DOWN)
    async with funnel(ANSWER) as (opened, _model):
        assert (await opened.resume(answer.run)).status == "complete"
    assert len((await ask(RECALL))[0].value) == 1
    assert (await ask(RECALL, documents=CLOSED))[0].value == []


async def test_a_resumed_run_of_a_version_without_a_record_counts_as_having_seen_everything(
    ask, funnel, memory
):
    answer, _ = await ask(cell("text = search('withdrew the grant', k=1)[0]['text']"), DOWN, DOWN)
    where = namespace("local", "run", answer.run)
    for key in await memory.scan(where, "journal/"):
        if b'"exposed"' in (await memory.get_many(where, [key]))[key]:
            await memory.delete_many(where, [key])
    async with funnel(ANSWER) as (opened, _model):
        await opened.resume(answer.run)
    assert (await ask(RECALL, documents=CLOSED))[0].value == []


async def test_a_recalled_finding_hands_on_what_it_may_come_from(ask):
    """The second run saw no grants, but its answer may repeat what the first one saw there."""
    await ask(cell("read('grants')"), ANSWER)
    again = cell("found = recall('Hill House lease')", f'submit("It ends: May 2026 " + {ENDS} + ".")')
    await ask(again, options=replace(DEEP, learn=True))
    assert (await ask(RECALL, documents=CLOSED))[0].value == []
