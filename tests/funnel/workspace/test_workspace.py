"""A workspace reads, greps and notes over any memory, touching only what it needs."""

import asyncio
import json
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import MemoryFailed, UnknownDocument
from funnel.memory import InMemory, namespace, open_memory
from funnel.workspace.workspace import Workspace

LETTERS = st.sampled_from(
    [*"ab .\n", "\r\n", "é", "e\u0301", "\U0001f469\u200d\U0001f680", "\ud800", "字", "\u2028", "\x00"]
)
TEXTS = st.lists(LETTERS, max_size=60).map("".join)


@dataclass(frozen=True)
class Info:
    id: str
    version: str = "v1"
    title: str = "Title"
    uri: str = "file:///x"


class CountingMemory(InMemory):
    """Which keys were read and written."""

    def __init__(self):
        super().__init__()
        self.read, self.written = [], []

    async def get_many(self, where, keys):
        self.read += [key for key in keys if key[0].isdigit()]
        return await super().get_many(where, keys)

    async def put_many(self, where, items, *, ttl_s=None):
        self.written += [key for key in items if key[0].isdigit()]
        await super().put_many(where, items, ttl_s=ttl_s)


@pytest.fixture(params=["memory://", "sqlite:///{}/memory.sqlite"])
async def memory(request, tmp_path):
    opened = open_memory(request.param.format(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def workspace(memory):
    return Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER)


# documents


@settings(max_examples=150, deadline=None)
@given(
    text=TEXTS,
    page=st.integers(1, 9),
    spans=st.lists(st.tuples(st.none() | st.integers(-70, 70), st.none() | st.integers(-70, 70)), max_size=6),
)
def test_read_is_a_slice_of_the_text(text, page, spans):
    async def check():
        workspace = Workspace(InMemory(), run="1", page_chars=page, cache_bytes=300, asker=LOCAL_OWNER)
        await workspace.add_document(Info("d"), text)
        assert await workspace.length("d") == len(text)
        assert [await workspace.read("d", *span) for span in spans] == [text[slice(*span)] for span in spans]

    asyncio.run(check())


@dataclass(frozen=True)
class Registered(Info):
    n_chars: int = 0


def fetching(workspace, texts):
    """Texts by id for the workspace to fetch from; the spans that it asked for."""
    asked = []

    async def fetch(name, start, stop):
        asked.append((name, start, stop))
        return texts[name][start:stop]

    workspace.fetch_with(fetch)
    return asked


@settings(max_examples=150, deadline=None)
@given(
    text=TEXTS,
    page=st.integers(1, 9),
    spans=st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=6),
)
def test_a_read_of_a_registered_document_is_a_slice_of_its_text_and_each_page_is_fetched_once(
    text, page, spans
):
    async def check():
        workspace = Workspace(InMemory(), run="1", page_chars=page, cache_bytes=300, asker=LOCAL_OWNER)
        asked = fetching(workspace, {"d": text})
        await workspace.register([Registered("d", n_chars=len(text))])
        assert [await workspace.read("d", *span) for span in spans] == [text[slice(*span)] for span in spans]
        before = len(asked)
        for span in spans:
            await workspace.read("d", *span)
        assert len(asked) == before

    asyncio.run(check())


async def test_only_the_pages_that_are_not_there_are_fetched(workspace):
    asked = fetching(workspace, {"d": "a" * 45})
    await workspace.register([Registered("d", n_chars=45)])
    await workspace.read("d", 5, 15)
    await workspace.read("d", 0, 45)
    assert asked == [("d", 0, 20), ("d", 20, 45)]


async def test_a_registered_document_is_searched_by_its_terms(workspace):
    fetching(workspace, {"d": "A heron stands in the reeds."})
    await workspace.register([Registered("d", n_chars=28)])
    assert [hit.document_id for hit in await workspace.search("heron")] == ["d"]


async def test_a_document_of_an_earlier_version_of_this_package_reads_from_its_pages(memory, workspace):
    await workspace.add_document(Info("d"), "stored")
    entry = {"id": "d", "version": "v1", "title": "", "uri": "", "n_chars": 6, "page_chars": 10}
    await memory.put_many(namespace("local", "run", "1"), {"document/d": json.dumps(entry).encode()})
    assert await Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER).read("d") == "stored"


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(TEXTS, max_size=8), page=st.integers(1, 30))
def test_pieces_of_any_size_make_the_same_document(pieces, page):
    async def stored(text):
        workspace = Workspace(InMemory(), run="1", page_chars=page, asker=LOCAL_OWNER)
        await workspace.add_document(Info("d"), text)
        return await workspace.read("d")

    assert asyncio.run(stored(iter(pieces))) == asyncio.run(stored("".join(pieces))) == "".join(pieces)


async def test_a_read_fetches_only_its_pages():
    memory = CountingMemory()
    workspace = Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER)
    await workspace.add_document(Info("d"), "0123456789" * 100)
    assert await workspace.read("d", 505, 515) == "5678901234"
    assert memory.read == ["10/0000000050", "10/0000000051"]


async def test_a_page_read_before_is_not_fetched_again():
    memory = CountingMemory()
    workspace = Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER)
    await workspace.add_document(Info("d"), "0123456789" * 100)
    await workspace.read("d", 500, 505)
    await workspace.read("d", 505, 510)
    assert memory.read == ["10/0000000050"]


async def test_the_pages_kept_stay_within_their_bytes():
    workspace = Workspace(InMemory(), run="1", page_chars=1000, cache_bytes=5_000, asker=LOCAL_OWNER)
    await workspace.add_document(Info("d"), "x" * 50_000)
    await workspace.read("d")
    pages = workspace._pages
    assert (
        sum(map(sys.getsizeof, pages._cached.values()))
        == pages._cached_bytes
        == 4 * sys.getsizeof("x" * 1000)
    )


async def test_a_page_larger_than_the_cache_is_read_all_the_same():
    workspace = Workspace(InMemory(), run="1", page_chars=1000, cache_bytes=10, asker=LOCAL_OWNER)
    await workspace.add_document(Info("d"), "x" * 2_500)
    assert await workspace.read("d", 900, 1100) == "x" * 200


async def test_a_stored_version_is_not_written_again_by_another_run():
    memory = CountingMemory()
    await Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER).add_document(Info("d"), "0123456789ab")
    second = Workspace(memory, run="2", page_chars=7, asker=LOCAL_OWNER)
    await second.add_document(Info("d"), "0123456789ab")
    assert memory.written == ["10/0000000000", "10/0000000001"]
    assert await second.read("d", 8) == "89ab"


async def test_an_import_cut_short_is_done_again(memory):
    def torn():
        yield "0123456789" * 40
        raise OSError("the disk went away")

    first = Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER)
    with pytest.raises(OSError, match="went away"):
        await first.add_document(Info("d"), torn())
    with pytest.raises(UnknownDocument):
        await first.length("d")
    await first.add_document(Info("d"), "whole")
    assert await first.read("d") == "whole"


async def test_a_new_version_takes_the_place_of_the_old_one_in_this_run_only(memory):
    first, second = (
        Workspace(memory, run="1", asker=LOCAL_OWNER),
        Workspace(memory, run="2", asker=LOCAL_OWNER),
    )
    await first.add_document(Info("d", "v1"), "old")
    await second.add_document(Info("d", "v1"), "old")
    await second.add_document(Info("d", "v2"), "new")
    assert (await first.read("d"), await second.read("d")) == ("old", "new")


async def test_a_run_cannot_read_or_grep_what_was_given_to_another(memory):
    await Workspace(memory, run="1", asker=LOCAL_OWNER).add_document(Info("secret"), "text")
    other = Workspace(memory, run="2", asker=LOCAL_OWNER)
    with pytest.raises(UnknownDocument, match="no document 'secret'"):
        await other.read("secret")
    with pytest.raises(UnknownDocument):
        await other.grep("text", ["secret"])
    assert await other.documents() == ()


async def test_a_tenant_stores_its_own_copy(memory):
    await Workspace(memory, run="1", asker=Asker.owner("a")).add_document(Info("d"), "of a")
    theirs = Workspace(memory, run="1", asker=Asker.owner("b"))
    await theirs.add_document(Info("d"), "of b")
    assert await theirs.read("d") == "of b"


async def test_a_run_opened_again_knows_its_documents(memory):
    await Workspace(memory, run="1", asker=LOCAL_OWNER).add_document(Info("b", title="B"), "text of b")
    await Workspace(memory, run="1", asker=LOCAL_OWNER).add_document(Info("a/../b", title="A"), "text of a")
    again = Workspace(memory, run="1", asker=LOCAL_OWNER)
    assert [(d.id, d.title, d.n_chars) for d in await again.documents()] == [
        ("a/../b", "A", 9),
        ("b", "B", 9),
    ]
    assert await again.read("a/../b", 8) == "a"


async def test_a_lost_page_is_reported(memory):
    workspace = Workspace(memory, run="1", page_chars=10, asker=LOCAL_OWNER)
    await workspace.add_document(Info("d"), "0123456789" * 3)
    await memory.delete_many(namespace("local", "document", "d", "v1"), ["10/0000000001"])
    with pytest.raises(MemoryFailed, match="a page of local/document/d/v1 is gone"):
        await workspace.read("d")


# notes


async def test_notes_come_back_by_key(workspace):
    await workspace.note("b", "first")
    await workspace.note("", "nameless")
    await workspace.note("a/é", "second \ud800")
    await workspace.note("b", "replaced")
    assert await workspace.notes() == {"": "nameless", "a/é": "second \ud800", "b": "replaced"}


async def test_notes_are_of_one_run(memory):
    await Workspace(memory, run="1", asker=LOCAL_OWNER).note("k", "one")
    await Workspace(memory, run="1/2", asker=LOCAL_OWNER).note("k", "two")
    assert await Workspace(memory, run="1", asker=LOCAL_OWNER).notes() == {"k": "one"}
