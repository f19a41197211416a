"""Each quote is bound to its own statement and passage, and no marker leaves without support."""

from __future__ import annotations

import json

import pytest
from second_stage import a_run, doc, reading

from funnel.llm.scripted import ScriptedLLM
from funnel.reader import Reader
from funnel.text.citations import uncited

DOCUMENTS = (
    doc("refunds", "We refund within 14 days. Shipping is not refunded. Ask the desk for a form.", "Refunds"),
    doc("leases", "The lease of Hill House ends in May 2026. Ada Roth signed it.", "Leases"),
)
QUESTION = "How long do refunds take, and who signed the lease of Hill House?"
DAYS, POST, FORM = "We refund within 14 days.", "Shipping is not refunded.", "Ask the desk for a form."
LEASE, SIGNED = "The lease of Hill House ends in May 2026.", "Ada Roth signed it."


async def read(reply, question=QUESTION):
    async with a_run(ScriptedLLM([reply]), documents=DOCUMENTS, question=question) as bench:
        hits = bench.hits()
        return await Reader().answer(bench.run, hits)


async def numbers():
    seen = {}

    def reply(request):
        text = request.messages[-1].content
        order = sorted((text.index(d.text[:20]), d.id) for d in DOCUMENTS)
        seen.update({name: n for n, (_, name) in enumerate(order, start=1)})
        return reading("x")

    await read(reply)
    return seen["refunds"], seen["leases"]


REFUNDS, LEASES = 1, 2


@pytest.fixture(autouse=True)
async def _numbers():
    global REFUNDS, LEASES
    REFUNDS, LEASES = await numbers()


def cited(draft):
    return [citation.quote for citation in draft.citations]


async def test_three_quotes_of_a_passage_that_is_named_twice_go_to_the_statements_they_support():
    n = REFUNDS
    draft = await read(
        reading(f"14 days, not for shipping [{n}]. Ask the desk [{n}].", (n, DAYS), (n, POST), (n, FORM))
    )
    assert draft.text == "14 days, not for shipping [1][2]. Ask the desk [3]."
    assert cited(draft) == [DAYS, POST, FORM]


async def test_quotes_in_another_order_than_their_markers_go_where_they_belong():
    n = REFUNDS
    draft = await read(
        reading(f"Shipping is not refunded [{n}]. It takes 14 days [{n}].", (n, DAYS), (n, POST))
    )
    assert draft.text == "Shipping is not refunded [1]. It takes 14 days [2]."
    assert cited(draft) == [POST, DAYS]


async def test_a_quote_that_is_dropped_moves_no_other_marker():
    n = REFUNDS
    said = f"It takes 14 days [{n}]. Gold is free [{n}]. Ask the desk for a form [{n}]."
    draft = await read(reading(said, (n, DAYS), (n, "Gold is given away for free."), (n, FORM)))
    assert draft.text == "It takes 14 days [1]. Gold is free. Ask the desk for a form [2]."
    assert cited(draft) == [DAYS, FORM]
    assert [span.text for span in uncited(draft.text)] == ["Gold is free."]


async def test_one_quote_does_not_back_two_statements_of_which_it_supports_one():
    n = REFUNDS
    draft = await read(reading(f"It takes 14 days [{n}]. Cats are grey [{n}].", (n, DAYS)))
    assert draft.text == "It takes 14 days [1]. Cats are grey."


async def test_a_statement_whose_quote_is_missing_gets_the_sentence_that_supports_it():
    n = REFUNDS
    draft = await read(reading(f"It takes 14 days [{n}]. Shipping is not refunded [{n}].", (n, DAYS)))
    assert draft.text == "It takes 14 days [1]. Shipping is not refunded [2]."
    assert cited(draft) == [DAYS, POST]


async def test_a_marker_of_another_passage_than_the_quote_is_that_of_the_quote():
    draft = await read(reading(f"Ada Roth signed it [{REFUNDS}].", (REFUNDS, SIGNED)))
    assert [citation.document_id for citation in draft.citations] == ["leases"]
    assert draft.text == "Ada Roth signed it [1]."


@pytest.mark.parametrize(
    "form",
    ["[{0}, {1}]", "[{0}][{1}]", "[passage {0}, passage {1}]", "【{0}†source】【{1}†source】", "({0}, {1})"],
)
async def test_several_passages_in_any_form_become_a_marker_each(form):
    said = "14 days, and Ada Roth " + form.format(REFUNDS, LEASES) + "."
    draft = await read(reading(said, (REFUNDS, DAYS), (LEASES, SIGNED)))
    assert draft.text == "14 days, and Ada Roth [1][2]."
    assert sorted(cited(draft)) == sorted([DAYS, SIGNED])


async def test_one_passage_named_twice_in_a_row_is_cited_once():
    n = REFUNDS
    draft = await read(reading(f"14 days [{n}][{n}].", (n, DAYS)))
    assert draft.text == "14 days [1]."


@pytest.mark.parametrize(
    "quote", ["we refund within 14 days", "We refund ... 14 days.", "We refund in 14 days."]
)
async def test_a_quote_that_was_not_copied_exactly_is_replaced_by_the_stored_text(quote):
    draft = await read(reading(f"14 days [{REFUNDS}].", (REFUNDS, quote)))
    (citation,) = draft.citations
    assert citation.quote in {DAYS, DAYS[:-1]}
    assert draft.notices == ()


async def test_a_quote_with_another_number_backs_nothing():
    draft = await read(reading(f"40 days [{REFUNDS}].", (REFUNDS, "We refund within 40 days.")))
    assert (draft.status, draft.text, draft.citations) == ("partial", "40 days.", ())


async def test_a_quote_without_a_marker_is_put_at_the_statement_that_it_supports():
    said = "Refunds take 14 days. Ada Roth signed the lease."
    draft = await read(reading(said, (LEASES, SIGNED), (REFUNDS, DAYS)))
    assert draft.text == "Refunds take 14 days. [1] Ada Roth signed the lease. [2]"
    assert cited(draft) == [DAYS, SIGNED]


async def test_an_answer_without_quotes_and_markers_is_backed_where_the_passages_back_it():
    draft = await read(reading("Refunds take 14 days. Moons are blue."))
    assert (draft.status, draft.text) == ("complete", "Refunds take 14 days. [1] Moons are blue.")
    assert cited(draft) == [DAYS]


async def test_subscripts_and_years_in_an_answer_are_no_markers():
    said = f"It takes 14 days [{REFUNDS}], as argv[1] and `a[2]` say, since [2019]."
    draft = await read(reading(said, (REFUNDS, DAYS)))
    assert draft.text == "It takes 14 days [1], as argv[1] and `a[2]` say, since [2019]."


async def test_in_a_table_the_marker_stands_in_the_last_cell():
    said = "| what | how long |\n|---|---|\n| refunds | 14 days |"
    draft = await read(reading(said, (REFUNDS, DAYS)))
    assert draft.text.splitlines()[-1] == "| refunds | 14 days [1] |"


async def test_that_nothing_was_found_is_said_in_words():
    draft = await read(json.dumps({"found": False, "answer": None}))
    assert (draft.status, draft.text) == (
        "declined",
        "The passages that were found do not answer the question.",
    )


async def test_a_quote_that_has_nothing_to_do_with_its_statement_does_not_back_it():
    draft = await read(reading(f"Ada Marsh did [{REFUNDS}].", (REFUNDS, FORM)))
    assert (draft.status, draft.text, draft.citations) == ("partial", "Ada Marsh did.", ())


async def test_the_sentence_that_supports_a_statement_replaces_a_quote_that_does_not():
    draft = await read(reading(f"Refunds take 14 days [{REFUNDS}].", (LEASES, SIGNED)))
    assert (draft.text, cited(draft)) == ("Refunds take 14 days [1].", [DAYS])


async def test_a_quote_in_another_language_than_its_statement_is_kept():
    said = reading(f"Versand wird nicht erstattet [{REFUNDS}].", (REFUNDS, POST))
    draft = await read(said, question="Wird der Versand (shipping) erstattet? refunds, Hill House lease")
    assert (draft.text, cited(draft)) == ("Versand wird nicht erstattet [1].", [POST])


async def test_a_quote_for_a_name_in_a_list_is_kept_for_what_is_said_of_it_later():
    stated = "Losses raise substantial doubt as to its ability to continue as a going concern."
    filings = [
        doc(name, f"{name.upper()}, INC.\n\nNotes, page 8.\n\n{stated}", name) for name in ("Acme", "Bolt")
    ]
    said = "Acme [1] and Bolt [2] do state substantial doubt."
    async with a_run(
        ScriptedLLM([reading(said, (1, stated), (2, stated))]),
        documents=filings,
        question="Which of Acme and Bolt do NOT state that there is substantial doubt now?",
    ) as bench:
        draft = await Reader().answer(bench.run, bench.hits())
    assert draft.text == said
    assert cited(draft) == [stated, stated]
