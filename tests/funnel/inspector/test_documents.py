"""Readable documents: found by stage one, fetched when they are read, the same until they are not."""

from __future__ import annotations

import pytest
from second_stage import Bench, a_run, cell, doc, last, readable

from funnel.asker import LOCAL_OWNER
from funnel.inspector import Inspector
from funnel.inspector.citations import CitationRegistry
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox.base import HostError
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.workspace import Workspace
from indexes.types import DocumentId

LONG = "".join(f"{n:06d} refunds take a while. " for n in range(10_000))
PAGE_CHARS = 65_536
DOCUMENTS = [doc("long", LONG), *(doc(f"d{n}", f"Refunds, part {n}.") for n in range(20))]


def pages(bench: Bench) -> list[str]:
    """Which pages of documents are stored, in all namespaces."""
    return [key for space in bench.memory._spaces.values() for key in space.values if key[0].isdigit()]


def change(bench: Bench, name: str, text: str | None) -> None:
    """The source has another text of this document from now on, or none."""
    del bench.source._documents[DocumentId(name)]
    if text is not None:
        bench.source._documents[DocumentId(name)] = doc(name, text)


async def found(bench: Bench) -> ReadableDocuments:
    await bench.run.documents.add(hit.document for hit in bench.hits())
    return bench.run.documents


@pytest.fixture
async def bench():
    async with a_run(ScriptedLLM([]), documents=DOCUMENTS) as made:
        yield made


async def test_what_is_found_is_known_without_being_read(bench):
    documents = await found(bench)
    assert pages(bench) == []
    assert documents.info("long").n_chars == len(LONG)


async def test_all_that_is_found_at_once_is_written_at_once(bench, monkeypatch):
    puts = []
    put_many = bench.memory.put_many

    async def counted(where, items, **options):
        puts.append(len(items))
        await put_many(where, items, **options)

    monkeypatch.setattr(bench.memory, "put_many", counted)
    documents = await found(bench)
    assert puts == [len(documents.ids)]


async def test_a_read_stores_the_pages_that_it_touches(bench):
    documents = await found(bench)
    span = PAGE_CHARS - 5, PAGE_CHARS + 5
    assert await documents.read("long", *span) == LONG[slice(*span)]
    assert len(pages(bench)) == 2


async def test_a_grep_finds_everything_and_stores_nothing(bench):
    documents = await found(bench)
    result = await documents.grep(r"\d{6} refunds", ["long"], context=0, limit=200, ignore_case=False)
    assert result.total == 10_000
    assert {LONG[match.start : match.stop] for match in result.matches} == {m.text for m in result.matches}
    assert pages(bench) == []


@pytest.mark.parametrize("now", ["Another text.", None])
async def test_a_document_that_is_no_longer_as_it_was_found_is_not_read(bench, now):
    documents = await found(bench)
    change(bench, "long", now)
    with pytest.raises(HostError, match="'long' was changed or deleted since it was found"):
        await documents.read("long", 0, 10)
    with pytest.raises(HostError, match="'long' was changed or deleted since it was found"):
        await documents.grep("refunds", ["long"], context=80, limit=200, ignore_case=False)


async def test_what_was_read_before_the_change_is_still_there(bench):
    documents = await found(bench)
    before = await documents.read("long", 0, 10)
    change(bench, "long", "Another text.")
    assert await documents.read("long", 0, 10) == before == LONG[:10]


async def test_what_another_run_stored_is_not_read_by_who_may_read_the_document_no_more(bench):
    documents = await found(bench)
    await documents.read("long", 0, 10)  # its page is in the memory now, for whichever run
    change(bench, "long", None)
    citations = CitationRegistry(documents, bench.run.journal)
    for look in (
        lambda: documents.read("long", 0, 10),
        lambda: citations.cite("long", 0, 10),
        lambda: citations.cite_sentence("long", 0, 6),
        lambda: citations.cite_quote("long", LONG[:20]),
    ):
        with pytest.raises(HostError, match="document 'long' was changed or deleted"):
            await look()


async def test_another_search_finds_what_the_document_is_now(bench):
    documents = await found(bench)
    change(bench, "d3", "Refunds, part 3, new.")
    await documents.search("refunds part 3 new", 30)
    assert await documents.read("d3") == "Refunds, part 3, new."


async def test_a_later_attempt_of_the_run_fetches_what_the_first_had_only_found(bench):
    first = await found(bench)
    await first.read("d1")
    async with Workspace(bench.memory, run="r", asker=LOCAL_OWNER) as workspace:
        again = readable(bench.source, workspace)
        await again.restore()
        assert sorted(again.ids) == sorted(first.ids)
        assert [await again.read(name) for name in ("d1", "d2")] == ["Refunds, part 1.", "Refunds, part 2."]


async def test_a_document_that_went_before_the_first_turn_is_not_in_context(sandbox):
    model = ScriptedLLM([cell("submit(str([d['id'] for d in context]), citations=[])")])
    async with a_run(model, documents=DOCUMENTS[1:3]) as bench:
        info = bench.source.info

        def gone_after_a_look(name, scope):
            told = info(name, scope)
            bench.source._documents.pop(name, None)
            return told

        bench.source.info = gone_after_a_look
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert (draft.status, draft.text) == ("complete", "[]")
    assert "context is empty" in last(model.requests[0])
