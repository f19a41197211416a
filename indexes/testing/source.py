"""The contract of a source, as a test class to inherit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexes.errors import BadQuery
from indexes.filters import field
from indexes.source import Documents, Source
from indexes.types import OWNER, PUBLIC, Access, Document, DocumentHit, DocumentId

Make = Callable[[Sequence[Document]], Source]

ALICE = Access.of("alice")
BOB = Access.of("bob", "group:legal")
NOBODY = Access()
"""An asker without principals."""

_CALLS = ("search", "ids", "count", "info", "infos", "read", "texts", "document")


def _document(name: str, text: str, *readers: str, year: int) -> Document:
    return Document(
        DocumentId(name),
        text,
        title=f"On {name}",
        uri=f"file:///{name}.txt",
        metadata={"year": year},
        readers=frozenset(readers),
    )


DOCUMENTS = (
    _document("leases", "The lease of the house in Oak Street ends in May.", "alice", year=2019),
    _document("plans", "The secret plan is to end every lease in June.", year=2020),
    _document("rates", "Rents rise by 3 percent a year. A lease may say otherwise.", PUBLIC, year=2021),
    _document("terms", "A lease that is terminated early costs one rent.", "group:legal", year=2022),
)
"""One document for `alice`, one for the owner only, one for everyone, one for `group:legal`."""

QUERY = "when does the lease end"
READABLE = {"alice": ["leases", "rates"], "bob": ["rates", "terms"], "nobody": []}
ASKERS = {"alice": ALICE, "bob": BOB, "nobody": NOBODY}


def _ids(hits: Sequence[DocumentHit]) -> list[str]:
    return [hit.document.id for hit in hits]


def _reached(view: Documents) -> Mapping[str, Sequence[str]]:
    """Return the ids of the documents that each call of the view reaches."""
    names = [document.id for document in DOCUMENTS]
    return {
        "search": sorted(_ids(view.search(QUERY, 50))),
        "ids": list(view.ids()),
        "count": names[: view.count()],
        "info": [name for name in names if view.info(name) is not None],
        "read": [name for name in names if view.read(name, 0, 3) is not None],
        "document": [name for name in names if view.document(name) is not None],
        "infos": [info.id for info in view.infos()],
        "texts": sorted(view.texts([*names, "no such document", "\ud800"])),
        "version": [name for name in names if view.version(name) is not None],
        "may_read": [name for name in names if view.may_read([name])],
    }


def _same(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the result of `_reached` if exactly these documents are in the view."""
    calls = ("search", "ids", "info", "infos", "read", "texts", "document", "version", "may_read")
    some = [document.id for document in DOCUMENTS][: len(names)]
    return {call: sorted(names) for call in calls} | {"count": list(some)}


class SourceContract:
    """Tests that every `indexes.source.Source` must pass.

        class TestMine(SourceContract):
            @pytest.fixture
            def make(self):
                return MySource.of_documents

    `make` returns a source that holds exactly the given documents, in any order. A test calls it once and
    closes nothing; the fixture may yield and then close the source.
    """

    @pytest.fixture
    def source(self, make: Make) -> Source:
        """A source over `DOCUMENTS`."""
        return make(DOCUMENTS)

    def test_no_call_has_default_rights(self, source: Source) -> None:
        for name in _CALLS:
            scope = inspect.signature(getattr(source, name)).parameters["scope"]
            assert scope.default is inspect.Parameter.empty, name
        assert inspect.signature(source.for_asker).parameters["access"].default is inspect.Parameter.empty

    def test_the_owner_reaches_every_document_by_every_call(self, source: Source) -> None:
        assert _reached(source.as_owner()) == _same([document.id for document in DOCUMENTS])
        assert len(source) == len(DOCUMENTS)

    @pytest.mark.parametrize("name", ASKERS)
    def test_an_asker_reaches_only_readable_documents_by_any_call(self, source: Source, name: str) -> None:
        assert _reached(source.for_asker(ASKERS[name])) == _same(READABLE[name])

    @pytest.mark.parametrize("access", [OWNER, ALICE, BOB], ids=["owner", "alice", "bob"])
    def test_no_call_reaches_documents_that_a_filter_excludes(self, source: Source, access: Access) -> None:
        inside = [d.id for d in DOCUMENTS if access.may_read(d.readers) and d.metadata["year"] == 2021]
        assert _reached(source.for_asker(access, field("year") == 2021)) == _same(inside)

    def test_a_filter_narrows_the_owner_too(self, source: Source) -> None:
        assert source.as_owner(field("year") <= 2020).ids() == ["leases", "plans"]

    def test_a_search_returns_k_documents_if_that_many_are_readable(self, make: Make) -> None:
        closed = [_document(f"a{i:02}", "lease lease lease", year=1) for i in range(30)]
        opened = [_document(f"b{i}", "a lease among other things", PUBLIC, year=1) for i in range(3)]
        view = make([*closed, *opened]).for_asker(ALICE)
        assert min(_ids(view.search("lease", 2))).startswith("b")
        assert len(view.search("lease", 2)) == 2
        assert len(view.search("lease", 9)) == 3

    def test_the_best_document_comes_first_and_ranks_count_from_one(self, source: Source) -> None:
        hits = source.as_owner().search("rents rise by percent", 3)
        assert hits[0].document.id == "rates"
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)

    def test_documents_with_the_same_text_are_in_order_of_their_ids(self, make: Make) -> None:
        view = make([_document(f"d{i}", "The same lease.", year=1) for i in range(8)]).as_owner()
        assert _ids(view.search("lease", 5)) == ["d0", "d1", "d2", "d3", "d4"]

    def test_a_passage_is_the_text_of_its_document_at_its_offsets(self, source: Source) -> None:
        view = source.as_owner()
        for hit in view.search(QUERY, 10):
            assert hit.passages
            for found in hit.passages:
                passage = found.passage
                assert (passage.document_id, passage.version) == (hit.document.id, hit.document.version)
                assert view.read(passage.document_id, passage.start, passage.stop) == passage.text

    def test_a_document_comes_back_as_it_was_given(self, source: Source) -> None:
        view = source.as_owner()
        for document in DOCUMENTS:
            assert view.document(document.id) == document
            assert view.info(document.id) == document.info
            assert view.version(document.id) == document.version

    def test_whole_texts_and_facts_are_those_of_the_documents(self, source: Source) -> None:
        view = source.as_owner()
        assert view.infos() == [document.info for document in DOCUMENTS]
        asked = ["terms", "leases", "no such document"]
        assert {name: (found.version, found.text) for name, found in view.texts(asked).items()} == {
            document.id: (document.version, document.text) for document in DOCUMENTS if document.id in asked
        }

    def test_a_long_text_and_an_empty_one_come_back_whole(self, make: Make) -> None:
        long = "".join(f"{n} é\ud800" for n in range(20_000))
        documents = [_document("long", long, PUBLIC, year=1), _document("none", "", PUBLIC, year=1)]
        found = make(documents).for_asker(ALICE).texts(["none", "long"])
        assert {name: each.text for name, each in found.items()} == {"long": long, "none": ""}

    def test_a_span_is_clamped_to_the_text(self, source: Source) -> None:
        view, text = source.as_owner(), DOCUMENTS[0].text
        assert view.read("leases", 4, 9) == text[4:9]
        assert view.read("leases", -5, 3) == text[:3]
        assert view.read("leases", 40, 9_999) == text[40:]
        assert view.read("leases", 9_999, 10_000) == ""
        assert view.read("leases", 9, 4) == ""

    @pytest.mark.parametrize("name", ["none", "", "LEASES", "lease%", "\udc80"])
    def test_an_unknown_id_gives_none_and_no_error(self, source: Source, name: str) -> None:
        view = source.as_owner()
        found = [view.document(name), view.info(name), view.read(name, 0, 9), view.version(name)]
        assert found == [None] * 4
        assert not view.may_read(["leases", name])
        assert view.exposed == ()

    def test_an_empty_query_is_refused_or_answered_within_the_rights(self, source: Source) -> None:
        view = source.for_asker(ALICE)
        for query in ("", "  \n"):
            try:
                found = _ids(view.search(query, 50))
            except BadQuery:
                found = []
            assert set(found) <= set(READABLE["alice"])

    @pytest.mark.parametrize(
        "query", ["xylophone", "the of and", "lease \udc80", "\0", "lease* OR (", "x" * 9_999]
    )
    def test_no_query_raises_an_error(self, source: Source, query: str) -> None:
        assert set(_ids(source.for_asker(ALICE).search(query, 50))) <= set(READABLE["alice"])

    def test_a_source_without_documents_finds_none(self, make: Make) -> None:
        view = make([]).as_owner()
        assert (view.search("lease", 5), view.ids(), view.count()) == ([], [], 0)

    def test_a_new_view_has_exposed_nothing(self, source: Source) -> None:
        assert source.as_owner().exposed == ()

    def test_the_hits_of_a_search_are_exposed_in_order(self, source: Source) -> None:
        view = source.for_asker(BOB)
        hits = view.search(QUERY, 1)
        assert len(hits) == 1
        assert view.exposed == tuple(hit.document.id for hit in hits)

    @pytest.mark.parametrize("call", ["document", "info", "read"])
    def test_title_and_text_expose_their_document(self, source: Source, call: str) -> None:
        view = source.for_asker(ALICE)
        for name in ("rates", "leases", "rates"):
            getattr(view, call)(name, *([0, 5] if call == "read" else []))
        assert view.exposed == ("rates", "leases")

    def test_checking_listing_and_counting_expose_nothing(self, source: Source) -> None:
        view = source.as_owner()
        assert (view.ids(), view.count()) == (sorted(d.id for d in DOCUMENTS), 4)
        assert view.may_read(["rates", "plans"])
        assert view.version("rates") is not None
        assert view.exposed == ()

    def test_refused_documents_are_not_exposed(self, source: Source) -> None:
        view = source.for_asker(ALICE)
        found = [view.document("plans"), view.info("plans"), view.read("plans", 0, 9)]
        assert found == [None] * 3
        assert view.exposed == ()

    def test_text_from_elsewhere_can_be_recorded_as_exposed(self, source: Source) -> None:
        view = source.for_asker(ALICE)
        view.read("rates", 0, 5)
        view.expose([DocumentId("leases"), DocumentId("rates")])
        assert view.exposed == ("rates", "leases")

    def test_two_views_have_separate_records(self, source: Source) -> None:
        first = source.for_asker(ALICE, field("year") >= 2020)
        first.read("rates", 0, 5)
        second = first.fresh()
        assert (first.exposed, second.exposed) == (("rates",), ())
        assert second.scope == first.scope
        assert second.ids() == first.ids() == ["rates"]

    def test_many_threads_get_the_same_results_and_share_a_record(self, source: Source) -> None:
        expected = source.for_asker(ALICE).search(QUERY, 5)
        view = source.for_asker(ALICE)

        def ask(turn: int) -> bool:
            found = view.search(QUERY, 5)
            name = READABLE["alice"][turn % 2]
            return (
                found == expected and view.read(name, 0, 3) is not None and view.read("plans", 0, 3) is None
            )

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(64)))
        assert sorted(view.exposed) == READABLE["alice"]
