"""What a long query costs is bounded, and what a search leaves out of it is told."""

from __future__ import annotations

import tracemalloc

import pytest

from indexes import Collection, Document, Hits, RawDocuments
from indexes.lexical.base import LexicalEntry
from indexes.lexical.rank_bm25 import RankBM25Engine
from indexes.lexical.tantivy import TantivyEngine
from indexes.rerank import Reranked
from indexes.retrieval.long_query import MAX_CHARS, MAX_EMBEDDED_CHARS, MAX_TERMS, ends, telling
from indexes.scope import EVERYTHING
from indexes.testing import WordEmbedder, WordReranker

DOCUMENTS = [
    Document("lease", "The lease of Hill House ends in May."),
    Document("grant", "The heron grant is paid in June."),
    *(Document(f"d{i}", f"Filler number{i} about nothing.") for i in range(20)),
]
MANY = " ".join(f"word{i}" for i in range(300_000))
"""Three hundred thousand different words, none of which is in a document."""


class Recorder(WordEmbedder):
    """An embedder that keeps the queries that it was given."""

    def __init__(self):
        super().__init__()
        self.queries = []

    def embed_query(self, text):
        self.queries.append(text)
        return super().embed_query(text)


class ListeningReranker(WordReranker):
    """A reranker that keeps the queries that it was given."""

    def __init__(self):
        self.queries = []

    def scores(self, query, texts):
        self.queries.append(query)
        return super().scores(query, texts)


@pytest.fixture(params=["tantivy", "rank-bm25", "raw"])
def source(request, tmp_path):
    if request.param == "raw":
        yield RawDocuments(DOCUMENTS)
        return
    with Collection.create(tmp_path / "kb", lexical=request.param) as kb:
        kb.upsert(DOCUMENTS)
        yield kb


def test_a_text_within_the_limit_is_unchanged():
    assert ends("one two three", 13) == "one two three"


def test_of_a_longer_text_both_ends_are_kept_up_to_a_word():
    assert ends("alpha beta gamma delta epsilon", 24) == "alpha beta\nepsilon"


def test_a_text_without_spaces_is_cut_anywhere():
    assert ends("x" * 30 + "y" * 30, 20) == "x" * 10 + "\n" + "y" * 10


def test_the_terms_of_a_short_query_are_searched_for_as_they_are():
    def never(_terms):
        raise AssertionError("a short query needs no frequencies")

    assert telling(["b", "a", "b"], never, 10).chosen == ["b", "a", "b"]


def test_terms_that_are_frequent_in_the_query_and_rare_in_the_collection_are_kept():
    terms = [*["topic"] * 9, "rare", *(f"common{i}" for i in range(MAX_TERMS)), "unknown"]
    frequencies = {"topic": 5, "rare": 1, "unknown": 0}
    found = telling(terms, lambda names: [frequencies.get(name, 90) for name in names], 100)
    # Two places go to them, so the last two common words are left out; an unknown word finds nothing.
    assert set(found.chosen) == {"topic", "rare", *(f"common{i}" for i in range(MAX_TERMS - 2))}
    assert found.n_different == MAX_TERMS + 3


def test_a_word_among_many_that_no_document_has_is_still_found(source):
    hits = source.as_owner().search(f"heron {MANY} lease", 2)
    assert {hit.document.id for hit in hits} == {"grant", "lease"}


def test_what_was_left_out_of_a_query_is_told(source):
    [note] = source.as_owner().search(f"heron {MANY}", 2).notes
    assert f"{len(MANY) + 6:,} characters" in note
    assert "different words" in note


def test_a_query_of_ordinary_length_gives_no_notes(source):
    assert source.as_owner().search("when does the lease of Hill House end?", 2).notes == ()


@pytest.mark.parametrize(
    "query", [MANY, "lease " * 300_000, "x" * 4_000_000, "\u6587\u5b57\u5316" * 700_000, "a.b_" * 500_000]
)
def test_a_query_of_megabytes_takes_little_memory(source, query):
    source.as_owner().search("lease", 1)
    tracemalloc.start()
    source.as_owner().search(query, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(query.encode()) + 40_000_000


@pytest.mark.parametrize("engine", [TantivyEngine, RankBM25Engine])
def test_a_term_that_is_repeated_thousands_of_times_counts_each_time(engine, tmp_path):
    opened = engine(tmp_path / "engine")
    texts = {1: ("lease",), 2: ("grant", "grant"), 3: ("may", "be")}
    opened.apply((LexicalEntry(key, terms, frozenset()) for key, terms in texts.items()), (), generation=1)
    once = dict(opened.search(["lease", "grant"], 3, scope=EVERYTHING))
    often = dict(opened.search(["lease"] * 5_000 + ["grant"] * 2_000, 3, scope=EVERYTHING))
    assert often == pytest.approx({1: 5_000 * once[1], 2: 2_000 * once[2]}, rel=1e-5)


def test_a_pretrained_model_is_given_both_ends_of_a_long_query(tmp_path):
    embedder = Recorder()
    with Collection.create(tmp_path / "kb", embedder=embedder) as kb:
        kb.upsert(DOCUMENTS)
        kb.as_owner().search(f"heron {MANY} lease", 2)
    [query] = embedder.queries
    assert len(query) <= MAX_EMBEDDED_CHARS + 1
    assert query.startswith("heron word0 ")
    assert query.endswith(" lease")


def test_a_reranker_is_given_both_ends_of_a_long_query_and_the_note_stays(source):
    reranker = ListeningReranker()
    hits = Reranked(source, reranker).as_owner().search(f"heron {MANY} lease", 2)
    assert [len(query) <= MAX_EMBEDDED_CHARS + 1 for query in reranker.queries] == [True]
    assert len(hits.notes) == 1


def test_as_many_documents_as_there_are_can_be_asked_for(source):
    assert len(source.as_owner().search("lease", 10**18)) == len(source.as_owner().search("lease", 22))


def test_hits_of_a_source_without_notes_have_none():
    assert Hits.of([]).notes == ()


def test_a_query_just_above_the_limit_keeps_its_last_word(source):
    hits = source.as_owner().search("and the " * (MAX_CHARS // 8) + "heron", 1)
    assert [hit.document.id for hit in hits] == ["grant"]
