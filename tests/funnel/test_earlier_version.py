"""Runs that the version before stored: resumed where they stopped, or refused in one line."""

from __future__ import annotations

import json
import shutil
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from second_stage import SHOP, cell, reading

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import RunUnknown
from funnel.findings.store import FindingStore
from funnel.journal import Journal, lease, listing
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import SqliteMemory, namespace
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.types import Citation, EndReason
from indexes import RawDocuments
from indexes.fingerprint import fingerprint
from indexes.types import Access

NONE = reading("It is not said.", found=False)
KEPT = Path(__file__).parent / "earlier_version"
PRICES = {"scripted": (1.0, 2.0), "sub": (0.5, 1.0)}
OPEN = [replace(doc, readers=frozenset({"clerk"}), metadata={"year": 2026}) for doc in SHOP]
CLERK = Asker("local", Access.of("clerk"))
CITED = Citation("refunds", "Refunds", "file:///refunds", 0, 25, "We refund within 14 days.")


class Lasting(SqliteMemory):
    """A memory that outlives its funnels."""

    async def close(self): ...


@pytest.fixture
async def memory(tmp_path):
    """The memory that the version before left, in a file of this test's own."""
    shutil.copy(KEPT / "runs.sqlite", tmp_path)

    memory = Lasting(f"sqlite:///{tmp_path / 'runs.sqlite'}")
    yield memory
    await SqliteMemory.close(memory)


@asynccontextmanager
async def a_funnel(memory, tmp_path, sandbox, *replies):
    models = Models(ScriptedLLM(replies), ScriptedLLM([], name="sub"), prices=PRICES)
    yield Funnel(
        RawDocuments(OPEN).as_owner(),
        models=models,
        memory=memory,
        sandbox=sandbox,
        trace_dir=tmp_path,
        router=Router(),
    )


async def test_a_run_that_was_killed_goes_on_and_pays_for_nothing_twice(
    memory, tmp_path, sandbox, monkeypatch
):
    monkeypatch.setitem(lease.Lease.__init__.__kwdefaults__, "ttl_s", 0.1)
    submit = cell('submit(f"14 days {mark}, {len(hits)} hits, {notes()}.")')
    async with a_funnel(memory, tmp_path, sandbox, submit) as funnel:
        answer = await funnel.resume("20261128-190000-killed")
    assert answer.text == "14 days [1], 2 hits, {'plan': '2 hits'}."
    assert (answer.citations, answer.status, answer.end_reason) == ((CITED,), "complete", "answered")
    assert (answer.usage.replayed_calls, answer.usage.model_calls) == (2, 3)
    assert not any("no longer fitted" in notice for notice in answer.notices)


async def test_a_run_that_was_cut_short_goes_on(memory, tmp_path, sandbox):
    async with a_funnel(memory, tmp_path, sandbox, "NOT FOUND", NONE) as funnel:
        answer = await funnel.resume("20261128-190000-cut")
    assert (answer.status, answer.end_reason) == ("declined", "turns")
    assert answer.usage.replayed_calls == 2


@pytest.mark.parametrize(
    ("name", "status", "end_reason"),
    [("whole", "complete", EndReason.ANSWERED), ("none", "declined", EndReason.NOT_FOUND)],
)
async def test_a_run_that_came_to_its_answer_gives_it_again(
    memory, tmp_path, sandbox, name, status, end_reason
):
    async with a_funnel(memory, tmp_path, sandbox) as funnel:
        answer = await funnel.resume(f"20261128-190000-{name}")
    assert (answer.status, answer.end_reason) == (status, end_reason)
    assert answer.question == "How long do refunds take?"


async def test_every_stored_answer_has_a_reason(memory):
    found = {
        listed.record.run.rpartition("-")[2]: listed.answer and listed.answer.end_reason
        async for listed in listing.runs(memory, asker=LOCAL_OWNER)
    }
    assert found == {"cut": "turns", "killed": None, "none": "not_found", "whole": "answered"}


async def test_what_the_run_learnt_is_found(memory):
    store = FindingStore(memory, asker=CLERK)
    found = [fact async for fact in store.find("refunds weeks", await store.versions())]
    told = {fact.kind: fact for fact in found}
    assert told["sub-call"].text == "Two weeks."
    assert told["sub-call"].exposed == ("refunds", "leases", "roth")
    [source] = told["sub-call"].sources
    assert (source.document_id, source.start, source.stop) == ("refunds", 0, 76)
    assert source.fingerprint == fingerprint(SHOP[0].text)


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        ("record", {"format": 9}, r"its record cannot be read \(format 9; this version reads"),
        ("record", {"k": "many"}, r"its record cannot be read \(k: Input should be a valid integer"),
        ("record", {"access": None}, None),
        ("answer", {"status": "great"}, r"its answer cannot be read \(status: Input should be"),
        (
            "journal/000000/000000004",
            {"outcome": {"completion": None, "calls": "x"}},
            r"its entry journal/000000/000000004 cannot be read \(outcome.calls: Input should",
        ),
    ],
)
async def test_what_does_not_read_is_refused_in_one_line(memory, tmp_path, sandbox, key, change, told):
    where = namespace("local", "run", "20261128-190000-none")
    stored = json.loads((await memory.get_many(where, [key]))[key])
    await memory.put_many(where, {key: json.dumps({**stored, **change}).encode()})
    async with a_funnel(memory, tmp_path, sandbox) as funnel:
        if told is None:  # a name that format 1 does not know is passed over
            assert (await funnel.resume("20261128-190000-none")).status == "declined"
            return
        with pytest.raises(RunUnknown, match=told) as raised:
            await funnel.resume("20261128-190000-none")
    assert "\n" not in str(raised.value)


async def test_an_entry_of_a_later_version_is_passed_over(memory):
    where = namespace("local", "run", "20261128-190000-none")
    await memory.put_many(where, {"journal/000000/000000009": b'{"weather": "fine"}'})
    async with Journal(memory, "20261128-190000-none", asker=LOCAL_OWNER) as journal:
        await journal.record()
        await journal.resume()
        assert len(journal.spent) == 1
