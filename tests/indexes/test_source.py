"""Everything that can be searched keeps one contract; a source without rights of its own cannot leak."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from indexes import OWNER, Access, Collection, Document, RawDocuments, Scope, Source, SourceWrapper, field
from indexes.rerank import Reranked
from indexes.scope import EVERYTHING
from indexes.testing import WordReranker
from indexes.testing.source import DOCUMENTS, SourceContract


class TestRawDocuments(SourceContract):
    @pytest.fixture
    def make(self):
        return RawDocuments


class TestCollection(SourceContract):
    dense = "faiss"

    def wrapped(self, kb):
        return kb

    @pytest.fixture
    def make(self, tmp_path):
        with ExitStack() as opened:

            def made(documents):
                kb = opened.enter_context(Collection.create(tmp_path / "kb", dense=self.dense))
                kb.upsert(documents)
                return self.wrapped(kb)

            yield made


class TestCollectionOfTheExactEngine(TestCollection):
    dense = "exact"


class TestReranked(SourceContract):
    @pytest.fixture
    def make(self):
        return lambda documents: Reranked(RawDocuments(documents), WordReranker())


class TestRerankedCollection(TestCollection):
    def wrapped(self, kb):
        return Reranked(kb, WordReranker())


class Smallest(Source):
    """A source of the three calls that every source must bring, and nothing else."""

    def __init__(self, documents):
        self._raw = RawDocuments(documents)

    def search(self, query, k, scope):
        return self._raw.search(query, k, scope)

    def ids(self, scope):
        return self._raw.ids(scope)

    def document(self, document_id, scope):
        return self._raw.document(document_id, scope)


class TestASourceOfThreeCalls(SourceContract):
    @pytest.fixture
    def make(self):
        return Smallest


class TestAWrapperThatChangesNothing(SourceContract):
    @pytest.fixture
    def make(self):
        return lambda documents: SourceWrapper(RawDocuments(documents))


class Blind(Smallest):
    """Looks at no rights."""

    def search(self, query, k, scope):
        return self._raw.search(query, k, EVERYTHING)


class Counts(Smallest):
    """Counts what the asker may not read."""

    def count(self, scope):
        return len(self._raw)


class Defaults(Smallest):
    """Takes whoever says nothing for the owner."""

    def ids(self, scope=EVERYTHING):
        return self._raw.ids(scope)


@pytest.mark.parametrize(
    ("source", "test", "arguments"),
    [
        (
            Blind,
            SourceContract.test_an_asker_reaches_only_readable_documents_by_any_call,
            ["alice"],
        ),
        (Blind, SourceContract.test_no_call_reaches_documents_that_a_filter_excludes, [OWNER]),
        (Counts, SourceContract.test_an_asker_reaches_only_readable_documents_by_any_call, ["bob"]),
        (Defaults, SourceContract.test_no_call_has_default_rights, []),
    ],
)
def test_the_contract_fails_for_a_source_that_leaks(source, test, arguments):
    with pytest.raises(AssertionError):
        test(SourceContract(), source(DOCUMENTS), *arguments)


def test_a_narrow_scope_without_an_index_has_no_keys_rather_than_all():
    for scope in (Scope(Access.of("alice")), Scope(OWNER, field("year") == 2020)):
        with pytest.raises(LookupError, match="not bound to an index"):
            scope.keys()
    assert EVERYTHING.keys() is None


def test_a_scope_is_the_same_whatever_index_it_is_bound_to():
    scope = Scope(Access.of("alice"), field("year") == 2020)
    assert scope.bound(lambda: None) == scope
    assert len({scope, scope.bound(lambda: None)}) == 1


def test_keys_are_computed_once_a_search_and_only_for_a_narrow_scope(tmp_path, monkeypatch):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([Document("d", "cat", readers=frozenset({"alice"}))])
        asked = []
        keys = kb._searcher._allowed.keys
        monkeypatch.setattr(kb._searcher._allowed, "keys", lambda *a: asked.append(a) or keys(*a))
        kb.as_owner().search("cat")
        assert asked == []
        kb.for_asker(Access.of("alice")).search("cat")
        assert len(asked) == 1
