"""Documents that a question lists by name are among the hits, and each has a passage in the first prompt."""

from __future__ import annotations

import pytest
from second_stage import doc

from funnel.reader.passages import FULL, gathered
from funnel.run.named import named_in, search_with_named
from indexes import RawDocuments

DOUBT = "There is substantial doubt about the ability of the company to continue as a going concern. "
LISTED = ("Cepton, Inc.", "Edible Garden AG", "Genprex, Inc.", "Duos Technologies Group")
OTHERS = tuple(f"Company{n} Holdings" for n in range(30))
ASKED = (
    "Which of Edible Garden, Genprex, Duos Technologies and Cepton state that there is substantial doubt "
    "about the ability of the company to continue as a going concern?"
)
# Of the one that is missed only the name is asked for, and its text says little of the rest.
TEXTS = {name: f"{name} reports. {DOUBT * 3}" for name in (*LISTED[1:], *OTHERS)}
TEXTS[LISTED[0]] = "The firm makes sensors for cars. Its cash is sufficient for the next twelve months."
TEXTS |= {f"Page {n}": f"Sales of part {n} rose in the spring and fell in autumn." for n in range(300)}
FILINGS = RawDocuments([doc(f"f{n}", text, name) for n, (name, text) in enumerate(TEXTS.items())])


@pytest.fixture
def view():
    return FILINGS.as_owner()


def titles(hits):
    return [hit.document.title for hit in hits]


def test_each_document_that_a_question_lists_is_among_the_hits(view):
    assert LISTED[0] not in titles(view.search(ASKED, 10))
    hits = search_with_named(view, ASKED, 10)
    assert set(LISTED) <= set(titles(hits))
    assert len(hits) == 10
    assert [hit.rank for hit in hits] == list(range(1, 11))
    assert sorted((hit.score for hit in hits), reverse=True) == [hit.score for hit in hits]


def test_no_more_than_k_are_found_and_those_that_are_named_stay(view):
    assert set(titles(search_with_named(view, ASKED, 4))) == set(LISTED)


@pytest.mark.parametrize(
    "question",
    [
        "Who states substantial doubt as a going concern?",
        "Does Cepton state substantial doubt?",
        "Does Company1 Holdings or Company2 Holdings state substantial doubt?",
        "Do Alpha, Beta and Gamma state substantial doubt?",
        "cepton, genprex and duos",
    ],
)
def test_a_question_that_lists_nothing_more_is_searched_once(view, question, monkeypatch):
    found = view.search(question, 10)
    asked = []
    searched = type(view).search
    monkeypatch.setattr(
        type(view),
        "search",
        lambda self, query, *a, **k: asked.append(query) or searched(self, query, *a, **k),
    )
    assert titles(search_with_named(view, question, 10)) == titles(found)
    assert asked == [question]


async def test_each_of_them_has_a_passage_in_the_prompt(view):
    hits = search_with_named(view, ASKED, 10)
    assert len(named_in(ASKED, hits)) == len(LISTED)
    sources = await gathered(view, ASKED, hits, FULL)
    assert set(LISTED) <= {source.title for source in sources}
