"""Documents without an index behind the calls of a collection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from indexes import RawDocuments, field
from indexes.errors import DuplicateId
from indexes.types import PUBLIC, Access, Document, DocumentId

ALICE = Access.of("alice")


def doc(name, text, *readers, title=""):
    return Document(DocumentId(name), text, title=title, uri=f"file:///{name}", readers=frozenset(readers))


RAW = RawDocuments(
    [
        doc("soup", "Soup is boiled for an hour. Salt is added.", PUBLIC),
        doc("rent", "The rent is 900 crowns.", "alice"),
        doc("pay", "The pay is 5000 crowns.", "bob"),
        doc("plan", "Crowns are minted in May."),
    ]
)


def names(hits):
    return [hit.document.id for hit in hits]


def test_the_best_documents_come_first_and_the_others_follow_without_a_score():
    hits = RAW.as_owner().search("boiled soup")
    assert names(hits) == ["soup", "rent", "pay", "plan"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert hits[0].score > hits[1].score == hits[2].score == hits[3].score == 0


def test_no_more_than_k_documents_come():
    assert names(RAW.as_owner().search("crowns", 2)) == names(RAW.as_owner().search("crowns", 4))[:2]
    assert len(RAW.as_owner().search("nothing of this", 3)) == 3


def test_a_document_counts_once_with_its_best_passages_first():
    long = "\n\n".join(f"Paragraph {i} of words. " * 60 + ("Saffron " * i) for i in range(12))
    [hit] = RawDocuments([doc("long", long)]).as_owner().search("saffron")
    scores = [passage.score for passage in hit.passages]
    assert hit.score == scores[0] == max(scores)
    assert scores == sorted(scores, reverse=True)
    assert 1 < len(hit.passages) <= 5


def test_every_passage_is_the_text_at_its_span():
    for hit in RAW.as_owner().search("crowns salt", 4):
        for found in hit.passages:
            passage = found.passage
            assert RAW.as_owner().read(hit.document.id, passage.start, passage.stop) == passage.text


def test_a_title_is_searched_too():
    raw = RawDocuments([doc("a", "Words."), doc("b", "Words.", title="Saffron")])
    assert names(raw.as_owner().search("saffron"))[0] == "b"


@pytest.mark.parametrize("query", ["crowns", "soup", "the", "zebra", ""])
def test_a_search_gives_nothing_that_the_asker_may_not_read(query):
    assert set(names(RAW.for_asker(ALICE).search(query, 50))) == {"soup", "rent"}
    assert set(names(RAW.for_asker(Access.of()).search(query, 50))) == {"soup"}
    assert set(names(RAW.as_owner().search(query, 50))) == {"soup", "rent", "pay", "plan"}


def test_whoever_may_not_read_a_document_gets_none_of_it_by_any_call():
    for name in ("pay", "plan", "none"):
        assert RAW.for_asker(ALICE).document(name) is None
        assert RAW.for_asker(ALICE).read(name, 0, 5) is None
        assert RAW.for_asker(ALICE).info(name) is None
    assert RAW.for_asker(ALICE).ids() == ["rent", "soup"]


def test_what_a_filter_leaves_out_is_reached_by_no_call():
    stored = [replace(doc(f"d{year}", "Crowns.", PUBLIC), metadata={"year": year}) for year in (2019, 2024)]
    raw, scope = RawDocuments(stored), {"access": ALICE, "where": field("year") >= 2020}
    view = raw.for_asker(**scope)
    assert names(view.search("crowns")) == names(view.search("nothing")) == ["d2024"]
    assert view.ids() == ["d2024"]
    assert view.count() == 1
    for call in (view.document, view.info, lambda name: view.read(name, 0, 3)):
        assert call("d2019") is None
        assert call("d2024") is not None


def test_a_document_and_its_characters_are_as_they_were_given():
    assert RAW.for_asker(ALICE).document("rent").text == "The rent is 900 crowns."
    assert RAW.as_owner().read("rent", 4, 8) == "rent"
    assert RAW.as_owner().info("rent").n_chars == 23
    assert len(RAW) == 4


@pytest.mark.parametrize("documents", [[], [doc("empty", " \n ")]])
def test_documents_without_a_word_are_searched_and_nothing_is_found(documents):
    assert RawDocuments(documents).as_owner().search("word") == []


def test_two_documents_of_one_id_are_refused():
    with pytest.raises(DuplicateId, match="Two documents have the id 'a'"):
        RawDocuments([doc("a", "x"), doc("a", "y")])
