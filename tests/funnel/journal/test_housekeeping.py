"""Runs and documents are taken out of a memory, and nothing that others have."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from second_stage import doc

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import RunTaken, RunUnknown
from funnel.journal import Journal, RunRecord
from funnel.journal.entries import Kept
from funnel.journal.housekeeping import Removed, erase_documents, remove_runs, remove_runs_before
from funnel.journal.swapping import Mailbox, request_swap
from funnel.llm.base import StepId
from funnel.llm.budget import Limits
from funnel.memory import InMemory, namespace
from funnel.memory.swap.hot_swap import HotSwap
from funnel.workspace.workspace import Workspace
from indexes.types import OWNER

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORD = RunRecord(
    run="", question="Who?", mode="deep", k=20, limits=Limits(), access=OWNER, where=None, model="m",
    sub_model="m", sandbox="monty", started_at=NOW.isoformat(timespec="milliseconds"),
)  # fmt: skip
OLD = NOW - timedelta(days=40)


@pytest.fixture
def memory():
    return InMemory()


@asynccontextmanager
async def working(memory, name, *documents, began=NOW):
    """A run that is being worked on."""
    async with (
        Journal(memory, name, asker=LOCAL_OWNER) as journal,
        Workspace(memory, run=name, asker=LOCAL_OWNER) as workspace,
    ):
        await journal.begin(replace(RECORD, run=name, started_at=began.isoformat()))
        for document in documents:
            await workspace.add_document(replace(doc(document, "text of " + document)), "x" * 100)
        await workspace.note("n", "a note")
        yield journal


async def ended(memory, name, *documents, began=NOW):
    async with working(memory, name, *documents, began=began):
        pass


async def spaces(memory):
    return [where.removeprefix("local/") for where in await memory.namespaces()]


def versions(memory_spaces):
    return [where.split("/")[1] for where in memory_spaces if where.startswith("document/")]


async def test_a_run_is_removed_with_the_documents_that_only_it_had(memory):
    await ended(memory, "one", "a", "b")
    await ended(memory, "two", "b", "c")
    assert await remove_runs(memory, ["one"], asker=LOCAL_OWNER) == Removed(("one",), documents=1)
    left = await spaces(memory)
    assert versions(left) == ["b", "c"]
    assert [where for where in left if where.startswith("run/")] == ["run/two"]
    async with Workspace(memory, run="two", asker=LOCAL_OWNER) as workspace:
        assert await workspace.read("b") == "x" * 100


async def test_what_two_runs_have_goes_with_the_last_of_them(memory):
    await ended(memory, "one", "a")
    await ended(memory, "two", "a")
    assert await remove_runs(memory, ["one", "two"], asker=LOCAL_OWNER) == Removed(
        ("one", "two"), documents=1
    )
    assert await spaces(memory) == []


async def test_a_document_that_another_tenant_has_is_its_own(memory):
    await ended(memory, "one", "a")
    async with Workspace(memory, run="one", asker=Asker.owner("other")) as theirs:
        await theirs.add_document(doc("a", ""), "x")
    await remove_runs(memory, ["one"], asker=LOCAL_OWNER)
    assert [where.partition("/")[0] for where in await memory.namespaces()] == ["other", "other"]


async def test_a_run_without_a_name_is_unknown(memory):
    with pytest.raises(RunUnknown):
        await remove_runs(memory, [""], asker=LOCAL_OWNER)
    with pytest.raises(RunUnknown):
        await request_swap(memory, "", "memory://", asker=LOCAL_OWNER)


async def test_a_run_that_is_not_there_is_named_and_nothing_removed(memory):
    await ended(memory, "one", "a")
    with pytest.raises(RunUnknown, match="Run 'two' is not available from memory://"):
        await remove_runs(memory, ["one", "two"], asker=LOCAL_OWNER)
    assert len(await spaces(memory)) == 2


async def test_a_run_that_somebody_works_on_is_not_removed(memory):
    await ended(memory, "one", "a")
    before = await spaces(memory)
    async with working(memory, "two", "b") as journal:
        with pytest.raises(RunTaken):
            await taken_soon(journal, remove_runs(memory, ["one", "two"], asker=LOCAL_OWNER))
        assert set(before) < set(await spaces(memory))


async def taken_soon(journal, work):
    """Its holder is heard of at once, where it would be within seconds."""
    doing = asyncio.create_task(work)
    await asyncio.sleep(0.01)
    await journal._lease._renew()
    return await doing


async def test_old_runs_are_removed_and_what_expired_ones_left(memory):
    await ended(memory, "old", "a", began=OLD)
    await ended(memory, "new", "b")
    await memory.put_many(namespace("local", "run", "left"), {"moved": b'"redis://there"'})
    removed = await remove_runs_before(memory, NOW - timedelta(days=30), asker=LOCAL_OWNER)
    assert removed == Removed(("left", "old"), documents=1)
    assert versions(await spaces(memory)) == ["b"]


async def test_a_run_of_a_later_version_stays(memory):
    record = json.loads(replace(RECORD, run="r").dump()) | {"format": 99}
    await memory.put_many(namespace("local", "run", "r"), {"record": json.dumps(record).encode()})
    assert await remove_runs_before(memory, NOW + timedelta(days=30), asker=LOCAL_OWNER) == Removed()


async def test_a_run_that_moved_away_can_be_removed(memory):
    class Lasting(InMemory):
        async def close(self): ...

    old = Lasting()
    hot = HotSwap(old)
    async with working(hot, "one", "a"), Mailbox(hot, "one", asker=LOCAL_OWNER):
        await hot.swap(InMemory())
    with pytest.raises(RunUnknown, match="it has moved to memory://"):
        await Journal(old, "one", asker=LOCAL_OWNER).record()
    assert "moved" not in await hot.scan(namespace("local", "run", "one"))
    assert await remove_runs(old, ["one"], asker=LOCAL_OWNER) == Removed(("one",), documents=1)
    assert await old.namespaces() == []


# erasure


async def test_an_erased_document_is_gone_in_every_version_with_what_was_made_of_it(memory):
    await ended(memory, "had", "a", "b")
    await ended(memory, "never", "c")
    async with working(memory, "named", "c") as journal:
        journal.set_value("hits", [{"document": {"id": "a"}}])
    await memory.put_many(namespace("local", "document", "a", "2"), {"page": b"older"})
    await memory.put_many(namespace("other", "cache", "x"), {"key": b"{}"})
    learnt = {
        ("local", "learnt", "scope"): b"text",
        ("local", "learnt", "scope", "a", "1"): b"{}",
        ("local", "learnt", "scope", "b", "1"): b'{"sources": [{"document_id": "a"}]}',
        ("local", "learnt", "scope", "c", "1"): b'{"sources": [{"document_id": "c"}]}',
    }
    for parts, value in learnt.items():
        await memory.put_many(namespace(*parts), {"fact/1": value})
    assert await erase_documents(memory, ["a"]) == Removed(("had", "named"), documents=2, caches=1, learnt=3)
    left = await spaces(memory)
    assert versions(left) == ["b", "c"]
    assert [where for where in left if not where.startswith("document/")] == [
        "learnt/scope/c/1",
        "run/never",
    ]


async def test_a_run_that_may_have_had_text_of_any_document_is_erased_with_each(memory):
    for name, everything in (("any", True), ("one", False)):
        async with working(memory, name, "c") as journal:
            journal.expose(["c"], everything=everything)
            journal.keep(StepId((0, 1), ""), Kept("text of b, which a caller's own tool gave"))
    assert (await erase_documents(memory, ["b"])).runs == ("any",)


async def test_an_id_that_is_part_of_another_is_another(memory):
    await ended(memory, "one", "a/b")
    assert await erase_documents(memory, ["a", "b"]) == Removed()
    assert await erase_documents(memory, ["a/b"]) == Removed(("one",), documents=1)


async def test_nothing_is_erased_while_a_run_works_on_the_document(memory):
    await ended(memory, "had", "a")
    async with working(memory, "works", "a") as journal:
        before = await spaces(memory)
        with pytest.raises(RunTaken, match="Run 'works' is being worked on by process"):
            await taken_soon(journal, erase_documents(memory, ["a"]))
        assert await spaces(memory) == before
