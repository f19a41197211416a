"""A workspace finds passages of documents and notes by their terms, the same over any memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.asker import LOCAL_OWNER
from funnel.memory import InMemory, open_memory
from funnel.workspace.full_text import STRETCH_CHARS
from funnel.workspace.passages import PASSAGE_CHARS, best_passage
from funnel.workspace.workspace import Workspace

FILLER = "The parties met and talked about the weather at length. "


@dataclass(frozen=True)
class Info:
    id: str
    version: str = "v1"
    title: str = "Title"
    uri: str = "file:///x"


class Written(InMemory):
    def __init__(self):
        super().__init__()
        self.keys = []

    async def put_many(self, where, items, *, ttl_s=None):
        self.keys += items
        await super().put_many(where, items, ttl_s=ttl_s)


@pytest.fixture(params=["memory://", "sqlite:///{}/memory.sqlite", "file://{}/memory"])
async def memory(request, tmp_path):
    opened = open_memory(request.param.format(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def workspace(memory):
    return Workspace(memory, run="1", page_chars=1_000, asker=LOCAL_OWNER)


def shown(hits):
    return [(hit.document_id or f"note {hit.note}", hit.text) for hit in hits]


async def test_the_sentence_that_holds_the_terms_is_found_with_its_place_in_the_document(workspace):
    text = FILLER * 500 + "The lease of Hill House ends in May. " + FILLER * 500
    await workspace.add_document(Info("d"), text)
    [hit] = await workspace.search("when does the Hill House lease end", k=1)
    assert hit.text == "The lease of Hill House ends in May."
    assert text[hit.start : hit.stop] == hit.text


async def test_the_best_passage_is_first_wherever_it_stands(workspace):
    await workspace.add_document(Info("a"), f"A lease. {FILLER}")
    await workspace.add_document(Info("b"), f"{FILLER}The lease of Hill House. {FILLER}")
    await workspace.note("seen", "Hill House is a house on a hill, and its lease ends.")
    found = await workspace.search("lease Hill House")
    assert shown(found) == [
        ("note seen", "Hill House is a house on a hill, and its lease ends."),
        ("b", "The lease of Hill House."),
        ("a", "A lease."),
    ]


async def test_a_note_that_is_replaced_is_found_by_what_it_says_now(workspace):
    await workspace.note("n", "lease")
    await workspace.note("n", "grant")
    assert shown(await workspace.search("lease")) == []
    assert shown(await workspace.search("grant")) == [("note n", "grant")]


async def test_documents_and_notes_of_another_run_are_not_found(memory):
    other = Workspace(memory, run="2", asker=LOCAL_OWNER)
    await other.add_document(Info("d"), "lease")
    await other.note("n", "lease")
    assert await Workspace(memory, run="1", asker=LOCAL_OWNER).search("lease") == ()


async def test_a_version_is_found_by_its_own_text(workspace):
    await workspace.add_document(Info("d", "v1"), "lease")
    assert shown(await workspace.search("lease grant")) == [("d", "lease")]
    await workspace.add_document(Info("d", "v2"), "grant")
    assert shown(await workspace.search("lease grant")) == [("d", "grant")]


async def test_a_version_is_indexed_once_for_all_runs():
    memory = Written()
    for run in ("1", "2"):
        workspace = Workspace(memory, run=run, asker=LOCAL_OWNER)
        await workspace.add_document(Info("d"), "x" * STRETCH_CHARS + " lease")
        await workspace.search("lease")
    assert [key for key in memory.keys if key.startswith("terms/")] == [
        "terms/0000000000",
        "terms/0000000001",
    ]


@pytest.mark.parametrize("before", [STRETCH_CHARS - 3, STRETCH_CHARS - 1, STRETCH_CHARS, 2 * STRETCH_CHARS])
async def test_a_phrase_on_the_border_of_two_stretches_is_found_once(workspace, before):
    text = (FILLER * 400)[: before - 1] + " Hill House lease. " + FILLER * 200
    await workspace.add_document(Info("d"), text)
    found = await workspace.search("Hill House lease", k=3)
    assert "Hill House lease" in found[0].text
    assert sum("House lease" in hit.text for hit in found) == 1
    assert all(text[hit.start : hit.stop] == hit.text for hit in found)


@pytest.mark.parametrize("query", ["", "the", "  ", "nothing-of-this"])
async def test_a_query_without_a_match_finds_nothing(workspace, query):
    await workspace.add_document(Info("d"), "The lease.")
    assert await workspace.search(query) == ()


async def test_no_more_are_found_than_asked_for(workspace):
    for n in range(9):
        await workspace.add_document(Info(f"{n}"), "lease")
    assert [hit.document_id for hit in await workspace.search("lease", k=2)] == ["0", "1"]
    assert await workspace.search("lease", k=0) == ()


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(["lease ", "grant. ", "\ud800 ", "字字", "\n\n", "x"])), max_size=4
    ),
    page=st.integers(1, 40),
)
def test_the_size_of_a_page_changes_nothing(texts, page):
    async def found(page_chars):
        workspace = Workspace(InMemory(), run="1", page_chars=page_chars, asker=LOCAL_OWNER)
        for n, words in enumerate(texts):
            await workspace.add_document(Info(f"{n}"), "".join(words))
        return await workspace.search("lease grant 字字")

    assert asyncio.run(found(page)) == asyncio.run(found(65_536))


async def test_searching_a_large_document_holds_little_of_it(tmp_path):
    memory = open_memory(f"sqlite:///{tmp_path}/memory.sqlite")
    workspace = Workspace(memory, run="1", cache_bytes=1_000_000, asker=LOCAL_OWNER)
    pieces = (FILLER * 1_000 + (f"Lease {n}. " if n % 10 == 0 else "") for n in range(200))
    await workspace.add_document(Info("d"), pieces)
    assert await workspace.length("d") > 10_000_000
    tracemalloc.start()
    found = await workspace.search("lease", k=3)
    assert tracemalloc.get_traced_memory()[1] < 6_000_000
    tracemalloc.stop()
    await memory.close()
    assert [hit.text.split()[0] for hit in found] == ["Lease"] * 3


def test_of_equal_passages_the_shortest_is_taken_then_the_first():
    far = FILLER * 12
    text = f"A long lease it is. {far}A lease. {far}A lease."
    assert best_passage(text, {"aleas": 1.0}).start == text.index("A lease.")
    assert best_passage("Nothing of it.", {"aleas": 1.0}) is None


def test_a_text_without_sentences_is_cut():
    text = "x" * 100 + " lease " + "y " * 1_000
    passage = best_passage(text, {"aleas": 1.0})
    assert "lease" in text[passage.start : passage.stop]
    assert passage.stop - passage.start <= PASSAGE_CHARS
