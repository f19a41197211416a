"""What the reader is shown: its budget filled, the best first, nothing twice, tables with their headers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from second_stage import doc

from funnel.reader.passages import FULL, MAX_CHARS, MAX_PASSAGES, SIMPLE, Budget, fitting, gathered, unread
from funnel.text.citations import CitableText, Known, cite
from indexes import RawDocuments

PLENTY = 1_000_000
"""More tokens than any of these passages have."""


async def shown(*documents, question="the fee in crowns", budget=FULL, known=()):
    """What is shown to a model without limits, in the order for reading."""
    view = RawDocuments(documents).as_owner()
    hits = view.search(question, len(documents))
    return fitting(await gathered(view, question, hits, budget, known=known), PLENTY)


def filler(n, *, words="Filler about gardens"):
    return "\n\n".join(f"{words}, part {i}. " + f"It goes on and on in number {i}. " * 40 for i in range(n))


def contract(*clauses, n=200):
    """A long document with clauses far apart in it."""
    return doc("contract", "\n\n".join(f"{filler(n // len(clauses), words=c[:9])}\n\n{c}" for c in clauses))


async def test_one_long_document_fills_the_budget():
    found = await shown(contract("The fee is 7 crowns.", n=200))
    assert sum(len(source.text) for source in found) > 0.9 * MAX_CHARS


async def test_passages_beyond_those_that_search_kept_are_found():
    clauses = [f"Clause {i}: the fee for case {i} is {i} crowns." for i in range(12)]
    found = await shown(contract(*clauses))
    text = "\n".join(source.text for source in found)
    assert [clause for clause in clauses if clause not in text] == []


async def test_a_document_without_a_word_of_the_question_is_read_from_its_beginning():
    long = doc("long", filler(100))
    found = await shown(long, question="zebra")
    assert [source.start for source in found] == [0]
    assert len(found[0].text) > 0.9 * MAX_CHARS


async def test_every_text_stands_in_its_document_at_its_offset():
    documents = [contract("The fee is 7 crowns."), doc("other", filler(9) + "\n\nNo fee in crowns here.")]
    texts = {document.id: document.text for document in documents}
    found = await shown(*documents)
    assert [texts[s.document_id][s.start : s.stop] == s.text for s in found] == [True] * len(found)


async def test_passages_that_meet_are_one_and_stand_in_the_order_of_the_document():
    found = await shown(
        contract("The fee is 7 crowns.", "A late fee is 9 crowns.", "No other fee in crowns.")
    )
    assert [source.start for source in found] == sorted(source.start for source in found)
    assert all(a.stop < b.start for a, b in pairwise(found))


async def test_the_document_with_the_best_passage_comes_first():
    found = await shown(doc("b", "A word about crowns."), doc("a", "The fee is a fee of 7 crowns."))
    assert [source.document_id for source in found] == ["a", "b"]


async def test_what_a_document_says_twice_is_shown_once():
    again = "The fee is 7 crowns and is due on the first day of May. " * 20
    found = await shown(doc("a", f"{again}\n\n{filler(20)}\n\n{again}"), budget=SIMPLE)
    assert sum(source.text.count(again.strip()) for source in found) == 1


async def test_another_document_that_says_the_same_makes_room_for_one_that_says_more():
    same = "The fee is 7 crowns, the fee is due in May."
    documents = [*(doc(f"copy{i}", same) for i in range(9)), doc("more", "A dog costs 9 crowns.")]
    found = await shown(*documents, budget=SIMPLE)
    assert [source.document_id for source in found] == ["copy0", "more"]


async def test_another_document_that_says_the_same_is_shown_if_the_question_names_it():
    same = "The fee is 7 crowns, the fee is due in May."
    documents = [doc("1", same, "Hill House"), doc("2", same, "Mill House"), doc("3", same, "Barn")]
    found = await shown(
        *documents, question="Is the fee the same for Hill House and Mill House?", budget=SIMPLE
    )
    assert {source.title for source in found} == {"Hill House", "Mill House"}


async def test_texts_that_differ_in_a_number_do_not_say_the_same():
    documents = [doc(year, f"In {year} the fee was 7 crowns, as agreed.") for year in ("2021", "2022")]
    assert len(await shown(*documents, budget=SIMPLE)) == 2


async def test_a_small_model_gets_five_passages_at_most():
    documents = [doc(f"d{i}", f"Fee {i}: {i} crowns. " + f"So it was in {i}. " * 30) for i in range(30)]
    found = await shown(*documents, budget=SIMPLE)
    assert len(found) == 5
    assert sum(len(source.text) for source in found) <= SIMPLE.n_chars


LIST = "1. A deposit of two months.\n2. A key for the cellar.\n3. The cleaning of the stairs."


@pytest.mark.parametrize("colon", [":", "："])
async def test_a_passage_that_ends_with_a_colon_comes_with_what_follows(colon):
    head = "The fee in crowns covers the following" + colon
    text = f"{filler(12)}\n\n{'x ' * 900}{head}\n\n{LIST}\n\n{filler(12)}"
    found = await shown(doc("long", text), budget=Budget(1, 4_000, grows=False))
    assert head in found[0].text
    assert LIST in found[0].text


TABLE = "| Item | Crowns |\n|---|---|\n" + "\n".join(f"| thing {i} | {i},000 |" for i in range(30))


async def test_a_passage_that_ends_before_a_table_comes_with_the_table():
    text = f"{filler(12)}\n\n{'x ' * 900}The fee in crowns is listed here.\n\n{TABLE}\n\n{filler(12)}"
    found = await shown(doc("long", text), budget=Budget(1, 5_000, grows=False))
    assert "| thing 29 | 29,000 |" in found[0].text


async def test_rows_far_below_the_header_of_their_table_are_shown_with_it():
    rows = "\n".join(f"| thing {i} | {i},000 |" for i in range(600))
    text = f"| Item | Price in 2023 |\n|---|---|\n{rows}\n| fee | 7 crowns |"
    found = await shown(doc("prices", text), budget=Budget(1, 3_000, grows=False))
    assert found[0].header == "| Item | Price in 2023 |"
    assert found[0].shown.startswith("| Item | Price in 2023 |\n…\n")
    assert text[found[0].start : found[0].stop] == found[0].text


async def test_a_document_that_has_changed_since_it_was_found_is_shown_as_it_was_found():
    before = RawDocuments([doc("a", "The fee is 7 crowns:\n\n" + LIST)]).as_owner()
    after = RawDocuments([doc("a", "Nothing is left of it.")]).as_owner()
    hits = before.search("fee", 1)
    found = await gathered(after, "fee", hits)
    assert [source.text for source in found] == [hits[0].passages[0].passage.text]


async def test_what_does_not_fit_the_prompt_is_the_worst():
    documents = [doc(f"d{i}", "The fee is one of crowns. " * (9 - i) + filler(2)) for i in range(4)]
    view = RawDocuments(documents).as_owner()
    every = await gathered(view, "fee crowns", view.search("fee crowns", 4))
    some = fitting(every, 1_500)
    assert every[0].document_id in {source.document_id for source in some}
    assert every[-1].document_id not in {source.document_id for source in some}
    assert unread(every, some) > 0
    assert unread(every, fitting(every, PLENTY)) == 0


async def test_more_short_sections_than_passages_are_shown_as_what_they_stand_in():
    text = "\n\n".join(f"Section {i}\n\nThe fee {i} is {i} crowns." for i in range(100))
    found = await shown(doc("sections", text))
    assert len(found) <= MAX_PASSAGES
    assert sum(len(source.text) for source in found) == len(text)


async def test_what_is_known_comes_first_and_its_words_are_cited_where_it_was_found():
    text = f"{filler(30)}\n\nThe sum named above is 7.\n\n{filler(30)}"
    start = text.index("The sum")
    known = CitableText(
        "a",
        "a",
        "",
        start,
        "The sum named above is 7.",
        known=(Known("The fee is 7 crowns.", start, start + 25),),
    )
    view = RawDocuments([doc("a", text)]).as_owner()
    every = await gathered(view, "gardens", view.search("gardens", 1), known=[known])
    assert every[0] == known
    source = next(s for s in fitting(every, PLENTY) if s.known)
    assert "The fee is 7 crowns." in source.shown
    citation = cite(source, "The fee is 7 crowns.")
    assert (citation.start, citation.quote) == (start, "The sum named above is 7.")


# source code


def storages(suffix, n=60):
    """A long file of classes, each with one method of the same name."""
    body = "        # " + "a comment on gardens and on nothing else\n        # " * 60 + "\n"
    text = "".join(
        f"class Storage{i}(Base):\n    def other(self):\n{body}        pass\n\n"
        f"    def fee(self):\n        return 'the fee is {i} crowns'\n\n"
        for i in range(n)
    )
    return doc(f"storages.{suffix}", text)


async def test_a_passage_of_source_code_comes_with_the_class_that_it_is_in():
    code = storages("py")
    found = await shown(code, budget=Budget(grows=False))
    inside = [source for source in found if not source.text.lstrip().startswith("class ")]
    assert inside
    for source in inside:
        own = code.text.rindex("class ", 0, source.start + 1)
        line = code.text[own : code.text.index("\n", own)]
        assert source.shown.startswith(f"{line}\n")


async def test_a_text_that_is_no_source_code_has_no_such_lines():
    found = await shown(storages("txt"), budget=Budget(grows=False))
    assert {source.header for source in found} == {""}


async def test_what_is_shown_with_the_lines_around_it_keeps_to_the_budget():
    found = await shown(storages("py"), storages("java"))
    assert sum(len(source.shown) for source in found) <= MAX_CHARS


async def test_a_line_around_a_passage_is_no_part_of_what_is_cited():
    code = storages("py")
    found = await shown(code, budget=Budget(grows=False))
    source = next(each for each in found if each.header)
    quote = source.text.strip().split("\n")[0]
    citation = cite(source, quote)
    assert citation is not None
    assert code.text[citation.start : citation.stop] == citation.quote


async def test_wide_gaps_and_blank_lines_are_not_shown_and_leave_room_for_more():
    rows = "\n\n".join(f"Fee of case {i}{' ' * 60}{i} crowns" for i in range(600))
    wide = await shown(doc("wide", rows))
    assert sum(len(source.text) for source in wide) > 1.5 * MAX_CHARS
    assert sum(len(source.shown) for source in wide) <= MAX_CHARS
    assert "Fee of case 3  3 crowns\nFee of case 4  4 crowns" in "\n".join(source.shown for source in wide)


def test_a_quote_as_it_was_shown_is_cited_as_it_is_stored():
    source = CitableText(
        "d", "", "", 10, "Hill House      \u00a0      7,966\n\n\nSea Court               10,997"
    )
    line, _ = source.shown.splitlines()
    assert cite(source, line).quote == "Hill House      \u00a0      7,966"
    assert cite(source, source.shown).quote == source.text


async def test_rows_have_the_header_of_their_table_also_where_what_stands_before_them_is_joined():
    rows = "\n".join(f"| House {i} | {i} crowns | let to tenants of the town |" for i in range(500))
    rows = rows.replace("| House 250 |", "| Zebra House |")
    table = f"| House | Rent | Use |\n|---|---|---|\n{rows}"
    found = await shown(doc("rents", table), question="zebra", budget=Budget(n_chars=12_000))
    assert [source.header for source in found] == ["| House | Rent | Use |"]
    assert len(found[0].text) > 8_000
    assert found[0].text.index("Zebra") > 1_000
