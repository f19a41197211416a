"""A citation of part of a table's row carries the row, and the header of its table, as they are stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from second_stage import a_run, doc

from funnel import verification
from funnel.llm.scripted import ScriptedLLM
from funnel.reader.reader import NOT_BACKED
from funnel.run.context import Draft
from funnel.types import Citation, EndReason
from indexes.types import Document, DocumentId

TABLE = "| Item | 2023 | 2022 |\n|---|---|---|\n| Rent | 5,001 | 4,120 |\n| Heat | 77 | 88 |"
TEXT = f"The costs of Hill House follow.\n\n{TABLE}\n\nThat is all."


def cited(text, quote):
    start = text.index(quote)
    return Citation("costs", "costs", "file:///costs", start, start + len(quote), quote)


async def checked(text, *citations, said="It was 77 [1].", stored=None):
    async with a_run(ScriptedLLM([]), documents=[doc("costs", stored or text)]) as bench:
        draft = Draft(said, "complete", citations, end_reason=EndReason.ANSWERED)
        return await verification.checked(bench.run, draft)


async def test_a_cell_is_cited_with_its_row_and_the_header_of_the_table():
    draft = await checked(TEXT, cited(TEXT, "77"))
    (citation,) = draft.citations
    assert (citation.quote, citation.header) == ("| Heat | 77 | 88 |", "| Item | 2023 | 2022 |")
    assert TEXT[citation.start : citation.stop] == citation.quote
    assert (draft.text, draft.notices) == ("It was 77 [1].", ())


@pytest.mark.parametrize(
    ("uri", "header"),
    [("file:///shop.py", "class Shop(Base):\n    def total(self):"), ("file:///shop.txt", "")],
)
async def test_a_quote_of_source_code_carries_the_class_and_the_function_around_it(uri, header):
    text = "class Shop(Base):\n    def total(self):\n        return 77\n"
    stored = Document(DocumentId("shop"), text, title="shop", uri=uri)
    async with a_run(ScriptedLLM([]), documents=[stored]) as bench:
        citation = replace(cited(text, "return 77"), document_id="shop", title="shop", uri=uri)
        draft = Draft("It is 77 [1].", "complete", (citation,), end_reason=EndReason.ANSWERED)
        checked_draft = await verification.checked(bench.run, draft)
    assert checked_draft.citations == (replace(citation, header=header),)


async def test_the_header_may_be_thousands_of_characters_above_the_row():
    rows = "\n".join(f"thing {i}\t{i},000" for i in range(900))
    text = f"Costs:\n\nItem\tPrice\n{rows}"
    draft = await checked(text, cited(text, "thing 899"))
    assert [(c.quote, c.header) for c in draft.citations] == [("thing 899\t899,000", "Item\tPrice")]


@pytest.mark.parametrize("n", [900, 3_000], ids=["with a header", "with one too far away"])
async def test_a_row_in_the_middle_of_a_long_list_of_values_is_found(n):
    text = "name,city,age\n" + "\n".join(f"name{i},city{i},{i}" for i in range(n))
    draft = await checked(text, cited(text, f"city{n - 50}"))
    (citation,) = draft.citations
    assert citation.quote == f"name{n - 50},city{n - 50},{n - 50}"
    assert citation.header in {"name,city,age", ""}
    assert (citation.header == "") == (n == 3_000)


async def test_of_several_citations_those_that_are_lost_are_counted():
    text = f"{TEXT}\n\nNothing else."
    citations = [cited(text, quote) for quote in ("77", "88", "Nothing else.")]
    draft = await checked(text, *citations, stored=text.replace("Nothing else.", "Something else"))
    assert draft.notices[0].startswith("1 of 3 citations were dropped")


async def test_a_header_that_is_too_far_away_is_not_guessed():
    rows = "\n".join(f"thing {i}\tred {i}" for i in range(2_000))
    text = f"Item\tColour\n{rows}"
    draft = await checked(text, cited(text, "red 1999"))
    assert [(c.quote, c.header) for c in draft.citations] == [("thing 1999\tred 1999", "")]


async def test_two_cells_of_one_row_become_one_citation():
    draft = await checked(TEXT, cited(TEXT, "77"), cited(TEXT, "88"), said="First 77 [1], then 88 [2].")
    assert draft.text == "First 77 [1], then 88 [1]."
    assert [citation.quote for citation in draft.citations] == ["| Heat | 77 | 88 |"]


@pytest.mark.parametrize("quote", ["The costs of Hill House follow.", "That is all."])
async def test_prose_beside_a_table_is_cited_as_it_was(quote):
    draft = await checked(TEXT, cited(TEXT, quote))
    assert draft.citations == (cited(TEXT, quote),)


async def test_the_header_itself_has_no_header():
    draft = await checked(TEXT, cited(TEXT, "| Item | 2023 | 2022 |"))
    assert [citation.header for citation in draft.citations] == [""]


async def test_a_row_that_is_no_longer_stored_is_not_cited():
    draft = await checked(TEXT, cited(TEXT, "77"), stored=TEXT.replace("77", "99"))
    assert draft.citations == ()
    dropped = "1 of 1 citations were dropped: the documents no longer say so at these places."
    assert draft.notices == (dropped, NOT_BACKED)


async def test_markers_in_a_value_follow_their_rows():
    async with a_run(ScriptedLLM([]), documents=[doc("costs", TEXT)]) as bench:
        value = {"first": "77 [1]", "then": "88 [2]"}
        draft = Draft(
            "77 [1], 88 [2]",
            "complete",
            (cited(TEXT, "77"), cited(TEXT, "88")),
            value,
            end_reason=EndReason.ANSWERED,
        )
        found = await verification.checked(bench.run, draft)
    assert found.value == {"first": "77 [1]", "then": "88 [1]"}
