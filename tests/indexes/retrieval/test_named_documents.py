"""The documents that a query names come first: by title, by part of it, by id, and by abbreviation."""

from __future__ import annotations

import pytest

from indexes import Collection, Document, RawDocuments
from indexes.maintenance.operations import erase
from indexes.retrieval.names import MARK, names_in, names_of
from indexes.types import Access

TALK = "The revenue of {0} and its risk factors were discussed, {0} itself being a rival of {0}."
"""Mentions a company more often than its own filings do."""
FILING = "Item {0}. Revenue of the period and risk factors are set out in note {0} of this report."


def filings(title, name="f"):
    """Twelve filings with a title, and fifteen talks about it with another title."""
    company = title.partition(",")[0]
    return [
        *(Document(f"{name}{i}", FILING.format(i), title=title) for i in range(12)),
        *(Document(f"talk{i}", f"{TALK.format(company)} Talk {i}.", title=f"Talk {i}") for i in range(15)),
        *(Document(f"else{i}", FILING.format(i + 50), title=f"Other {i} Corp") for i in range(30)),
    ]


@pytest.fixture(params=["raw", "tantivy", "rank-bm25"])
def search(request, tmp_path):
    """A function that searches documents and returns ids."""
    opened = []

    def found(documents, query, k=12):
        if request.param == "raw":
            source = RawDocuments(documents)
        else:
            source = Collection.create(tmp_path / f"kb{len(opened)}", lexical=request.param)
            source.upsert(documents)
            opened.append(source)
        return [hit.document.id for hit in source.as_owner().search(query, k)]

    yield found
    for collection in opened:
        collection.close()


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("Exact Sciences, Corporation 10-K", "What was the revenue of Exact Sciences?"),
        ("International Business Machines, 10-K", "What was the revenue of IBM?"),
        ("IBM, 10-K", "What was the revenue of International Business Machines?"),
        ("Johnson & Johnson, 10-K", "What are the risk factors of J&J?"),
        ("J&J, 10-K", "What are the risk factors of Johnson and Johnson?"),
        ("Tesla, Inc.", "what was the revenue of tesla"),
        ("Annual report of Zembla", "What was the revenue of Zembla?"),
    ],
)
def test_the_filings_of_a_company_come_before_texts_that_mention_it(search, title, query):
    found = search(filings(title), query)
    assert sum(name.startswith("f") for name in found) >= 11


def test_a_document_is_found_by_its_own_name_whatever_its_title_says(search):
    named = [
        Document(f"filings/acme_{i}_10K.pdf", FILING.format(i), title="Annual report") for i in range(12)
    ]
    found = search([*named, *filings("Tesla, Inc.")], "What was the revenue of Acme?")
    assert all(name.startswith("filings/acme") for name in found)


def test_the_best_passage_of_a_named_document_is_that_with_the_words_of_the_question(search):
    texts = ["Nothing is said here.", "The rent is 7 crowns.", "Nor here."]
    documents = [Document(f"d{i}", text, title="Tesla, Inc.") for i, text in enumerate(texts)]
    assert search([*documents, *filings("Other, Inc.")], "What is the rent of Tesla?", 1) == ["d1"]


def test_a_title_that_is_a_sentence_is_no_name():
    title = "Induction of myelodysplasia by myeloid-derived suppressor cells of the mouse"
    assert names_of(title, "7") == ()
    assert names_of("similarity laws for stressing heated wings", "7") == ()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("EXACT SCIENCES CORPORATION", "exact_scienc"),
        ("CybergyHoldingsInc_20140520_10-Q_EX-10.27", "cybergi_hold"),
        ("Super Bowl 50", "super_bowl_50"),
        ("Bank of America Corp", "bank_america"),
        ("The Procter & Gamble Company", "pg"),
        ("AT&T Inc.", "att"),
        ("Zembla - Annual Report 2023", "zembla"),
    ],
)
def test_the_beginning_of_a_title_is_a_name(title, name):
    assert MARK + name in names_of(title, "7")


@pytest.mark.parametrize("name", ["20231231", "7"])
def test_a_number_alone_is_no_name(name):
    assert names_of(name, name) == ()
    assert MARK + name not in names_in(f"What happened in {name}?")


def test_a_word_of_a_question_is_a_name_only_with_a_capital_unless_it_has_none():
    assert MARK + "exact" not in names_in("What is the exact amount that Acme paid?")
    assert MARK + "acm" in names_in("What is the exact amount that Acme paid?")
    assert MARK + "acm" in names_in("what is the exact amount that acme paid")


def test_names_cost_little_however_long_the_title_and_the_query_are():
    long = "Acme & Sons, " * 100_000
    assert len(names_of(long, long)) < 200
    assert len(names_in(long)) < 500


def test_names_that_an_asker_may_not_read_change_nothing_with_visible_statistics(tmp_path):
    mine = [Document(f"m{i}", f"The fee of Acme is {i}.", readers=frozenset({"me"})) for i in range(5)]
    secret = [Document(f"s{i}", "Nothing.", title="Acme, Inc.", readers=frozenset({"you"})) for i in range(5)]
    scores = []
    for number, documents in enumerate((mine, [*mine, *secret])):
        with Collection.create(tmp_path / str(number), statistics="visible") as collection:
            collection.upsert(documents)
            hits = collection.for_asker(Access.of("me")).search("the fee of Acme", 5)
            scores.append([(hit.document.id, hit.score) for hit in hits])
    assert scores[0] == scores[1]


def test_erasing_a_document_erases_its_names(tmp_path):
    with Collection.create(tmp_path / "kb") as collection:
        collection.upsert(
            [Document("acme/one", "A text.", title="Zembla Works"), Document("two", "Another.")]
        )
        proof = erase(collection, ["acme/one"])
    assert proof.traces == ()
    assert b"zembla_work" not in b"".join(p.read_bytes() for p in (tmp_path / "kb").rglob("*") if p.is_file())
