"""The stand-in that calls no model: what it reads from a question, and both routes for real."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_stage import FREE, a_run, doc

from funnel.inspector import Inspector
from funnel.llm.base import Message, Request
from funnel.llm.budget import Limits
from funnel.llm.extractive import Extractive
from funnel.llm.extractive.programs import DISCLAIMER
from funnel.llm.extractive.question import read_question
from funnel.llm.extractive.support import MAX_SENTENCE_CHARS, rank_sentences
from funnel.prompts import fence
from funnel.reader import Reader
from indexes.retrieval.analysis import analyse

COMPARED = "Compare how threading, multiprocessing and concurrent.futures let a caller wait with a timeout"
BLOCKING = "Which functions in the standard library can block for ever unless a timeout is given?"


@pytest.mark.parametrize(
    ("question", "shape", "names", "words"),
    [
        (COMPARED, "compare", ["threading", "multiprocessing", "concurrent.futures"],
         ["caller", "wait", "timeout"]),
        ("What is the difference between cats and dogs?", "compare", ["cats", "dogs"], []),
        ("Contrast Alpha with Beta on liability", "compare", ["Alpha", "Beta"], ["liability"]),
        ("Compare tea, coffee, cocoa or milk", "compare", ["tea", "coffee", "cocoa", "milk"], []),
        ("Compare the rent of Hill House and Red Barn in “June”", "compare", ["Hill House", "Red Barn"],
         ["rent", "June"]),
        ("How does Hill House compare with Red Barn on rent?", "compare", ["Hill House", "Red Barn"],
         ["rent"]),
        ("Compare these", "chain", [], []),
        (BLOCKING, "list", [], ["block", "timeout"]),
        ("Which leases end before 2027?", "list", [], ["leases", "end", "2027"]),
        ("How many contracts mention a penalty?", "list", [], ["contracts", "penalty"]),
        ("List all invoices over 100 crowns", "list", [], ["invoices", "100", "crowns"]),
        ("Find every document that mentions arson", "list", [], ["arson"]),
        ("Who signed the lease of Hill House?", "chain", ["Hill House"], ["signed", "lease"]),
        ("Why did the project that Ada Roth led lose its funding?", "chain", ["Ada Roth"],
         ["project", "led", "lose", "funding"]),
        ("What does functools.lru_cache do?", "chain", ["functools.lru_cache"], []),
        ("What does json.loads raise?", "chain", ["json.loads"], ["raise"]),
        ("Where is “Project Heron” paid from?", "chain", ["Project Heron", "Heron"], ["paid"]),
        ("Why does parseConfig fail?", "chain", ["parseConfig"], ["fail"]),
        ("  spaced \n out  ", "chain", [], ["spaced"]),
        ("", "chain", [], []),
        ("?", "chain", [], []),
    ],
)  # fmt: skip
def test_a_question_is_taken_apart(question, shape, names, words):
    found = read_question(question)
    assert (found.kind, list(found.names), list(found.words)) == (shape, names, words)


@given(st.text(max_size=200))
def test_any_text_is_a_question_of_some_shape(text):
    found = read_question(text)
    assert found.kind in {"compare", "list", "chain"}
    assert len({name.lower() for name in found.names}) == len(found.names)
    assert len(found.words) <= 8


def test_a_sentence_without_an_end_is_cut():
    (found,) = rank_sentences(["x"], ["x" * 5_000], [""])
    assert (found.start, found.stop) == (0, MAX_SENTENCE_CHARS)


def test_the_sentence_with_the_rarer_word_of_the_question_ranks_first():
    text = "The shop opens. The shop closes. The shop refunds."
    first = rank_sentences(analyse("shop refunds"), [text], [""])[0]
    assert text[first.start : first.stop] == "The shop refunds."


def test_a_title_helps_the_sentences_under_it():
    first = rank_sentences(analyse("roth project"), ["It was a project."] * 2, ["Ada Smith", "Ada Roth"])[0]
    assert first.text == 1


HOUSES = (
    doc("hill", "The rent of Hill House is 900 crowns a month. Its garden is large.", "Hill House"),
    doc("barn", "The rent of Red Barn is 300 crowns a month. It has a mill.", "Red Barn"),
    doc("lodge", "The rent of Old Lodge is 500 crowns a month. It was built in 1802.", "Old Lodge"),
    doc("mill", "The lease of the mill ends in 2026. Ada Roth signed it for Heron Works.", "Mill lease"),
    doc("works", "Heron Works was founded by Bea Lund. Its office is in Aarhus.", "Heron Works"),
    doc("soup", "Soup is boiled for an hour. Salt is added at the end.", "Soup"),
)


async def lookup(question, documents=HOUSES):
    async with a_run(Extractive(), documents=documents, question=question, prices=FREE) as bench:
        return await Reader().answer(bench.run, bench.hits()), bench


@pytest.fixture
def deep(sandbox):
    async def asked(question, documents=HOUSES, k=20, **how):
        model = Extractive()
        async with a_run(
            model, sub=model, documents=documents, question=question, prices={"extractive": (0.0, 0.0)}, **how
        ) as bench:
            return await Inspector(sandbox).answer(bench.run, bench.hits(k)), bench

    return asked


def quotes(draft):
    return {(c.document_id, c.quote) for c in draft.citations}


async def test_a_lookup_quotes_the_sentence_that_answers():
    draft, _ = await lookup("What is the rent of Red Barn?")
    assert draft.status == "complete"
    assert ("barn", "The rent of Red Barn is 300 crowns a month.") in quotes(draft)
    assert draft.text.splitlines()[1].startswith(
        '- Red Barn: "The rent of Red Barn is 300 crowns a month." [1]'
    )


async def test_a_lookup_of_what_no_document_says_declines():
    draft, _ = await lookup("Which comet struck Jupiter in 1994?")
    assert draft.status == "declined"
    assert draft.citations == ()
    assert DISCLAIMER in draft.text


async def test_a_comparison_groups_what_it_finds_by_name(deep):
    draft, _ = await deep("Compare the rent of Hill House and Red Barn")
    assert draft.status == "complete"
    headed = [line for line in draft.text.splitlines()[1:] if line.endswith(":")]
    assert headed == ["Hill House:", "Red Barn:"]
    hill, barn = draft.text.split("Red Barn:\n")
    assert "900 crowns" in hill
    assert "300 crowns" in barn
    assert {("hill", "The rent of Hill House is 900 crowns a month."),
            ("barn", "The rent of Red Barn is 300 crowns a month.")} <= quotes(draft)  # fmt: skip


async def test_a_comparison_says_for_which_name_nothing_was_found(deep):
    draft, _ = await deep("Compare the rent of Hill House and Zanzibar")
    assert "900 crowns" in draft.text
    assert "Zanzibar: nothing found." in draft.text


async def test_a_list_finds_all_of_them(deep):
    draft, _ = await deep("Which houses have a rent in crowns?")
    assert {c.document_id for c in draft.citations} == {"hill", "barn", "lodge"}


async def test_a_list_goes_beyond_what_the_first_search_gave(deep):
    draft, _ = await deep("Which houses have a rent in crowns?", k=1)
    assert {c.document_id for c in draft.citations} == {"hill", "barn", "lodge"}


async def test_a_chain_follows_a_name_into_a_new_search(deep):
    draft, bench = await deep("Who founded the company for which the lease of the mill was signed?", k=1)
    searched = [call["arguments"][0] for call in bench.data("host_call", "start") if call["name"] == "search"]
    assert any("Heron Works" in query for query in searched)
    assert ("works", "Heron Works was founded by Bea Lund.") in quotes(draft)


@pytest.mark.parametrize(
    "question",
    ["Which comets struck Jupiter?", "Compare Jupiter and Saturn", "Who observed the comet of Jupiter?"],
)
async def test_where_nothing_is_found_every_shape_declines(deep, question):
    draft, _ = await deep(question)
    assert (draft.status, draft.citations) == ("declined", ())
    assert DISCLAIMER in draft.text


@pytest.mark.parametrize(
    "question",
    ["Compare the rent of Hill House and Red Barn", "Which houses have a rent?", "Who is Ada Roth?"],
)
async def test_every_answer_of_both_routes_says_that_no_model_wrote_it(deep, question):
    assert DISCLAIMER in (await deep(question))[0].text
    assert DISCLAIMER in (await lookup(question))[0].text


async def test_an_answer_that_a_limit_cut_short_says_it_too(deep):
    draft, _ = await deep("Which houses have a rent in crowns?", limits=Limits(max_turns=3))
    assert draft.status == "partial"
    assert DISCLAIMER in draft.text


async def test_calls_are_counted_and_cost_nothing(deep):
    _, bench = await deep("Compare the rent of Hill House and Red Barn")
    usage = bench.run.ledger.usage
    made = bench.data("model_call", "end")
    assert (usage.model_calls, usage.cost_usd) == (len(made), 0.0)
    assert usage.model_calls > 4
    assert usage.input_tokens > 0


async def test_the_same_question_gives_the_same_answer(deep):
    first, _ = await deep("Compare the rent of Hill House and Red Barn")
    second, _ = await deep("Compare the rent of Hill House and Red Barn")
    assert first == second


@pytest.mark.parametrize(
    "question", ["?", "🦊", "{x}", "'\"\\", "比較這兩份合約", "which " * 200, "'''", "{{}} %s"]
)
async def test_an_odd_question_ends_in_an_answer_and_not_in_an_error(deep, question):
    draft, bench = await deep(question)
    assert draft.status in {"complete", "declined"}
    assert [end.get("error") for end in bench.data("cell", "end")] == [None] * len(bench.data("cell", "end"))


async def test_documents_that_speak_of_errors_do_not_stop_the_program(deep):
    trap = doc("trap", "The rent is due.\nError: NameError: name 'x' is not defined\nPay the rent.", "Rent")
    draft, _ = await deep("Which documents mention rent?", documents=[trap])
    assert draft.status == "complete"


async def test_a_program_that_failed_is_given_up_in_the_open():
    question = fence("question", "Which houses have a rent?")
    turn = Request(
        (
            Message("system", "s"), Message("user", question), Message("assistant", "```python\nx\n```"),
            Message("user", "Error: NameError: name 'x' is not defined"),
        ),
        "turn",
    )  # fmt: skip
    reply = (await Extractive().complete(turn)).text
    assert "found=False" in reply
    assert "Its program failed before it had an answer" in reply


async def test_a_sub_call_without_anything_to_quote_says_none():
    query = Request((Message("system", "s"), Message("user", f"rent\n\n{fence('text', 'Soup.')}")), "query")
    assert (await Extractive().complete(query)).text == "NONE"


async def test_an_extraction_without_notes_finds_nothing():
    extract = Request((Message("system", "s"), Message("user", fence("work", "print(1)"))), "extract")
    assert (await Extractive().complete(extract)).text == "NOT FOUND"
