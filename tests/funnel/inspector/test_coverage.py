"""What a run has seen of its documents, and what it is told before an absence is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from second_stage import a_run, cell, doc, last

from funnel.inspector import Inspector
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.seen import is_whole, merged, total_of
from funnel.text.citations import uncited
from funnel.text.overlap import stretches
from funnel.types import CoverageTotal, DocumentCoverage

FILLER = "".join(
    f"Clause {i} speaks of matter {i * 7} and of nothing that was asked for. " for i in range(900)
)
LONG = f"The fee is 7 crowns. {FILLER} Liability ends at 90 crowns."
CONTRACT = doc("05", LONG, "Acme Services Agreement")
OTHER = doc("06", f"The rent is 9 crowns. {FILLER}", "Beta Lease")
QUESTION = "What is the cap on liability in the Acme Services Agreement?"
NONE = cell("submit('No cap on liability was found.', citations=[])")


@pytest.fixture
def asked(sandbox):
    """Runs an inspector over two long contracts; gives the draft and the model."""

    async def ask(*replies, sub=(), question=QUESTION, documents=(CONTRACT, OTHER), limits=None):
        model = ScriptedLLM(replies)
        parts = ScriptedLLM(sub, name="scripted")
        async with a_run(model, sub=parts, documents=documents, question=question, limits=limits) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return draft, model

    return ask


def of(draft, name="05"):
    """The coverage of one document."""
    return next(each for each in draft.coverage if each.document_id == name)


async def test_an_absence_is_answered_once_with_what_was_seen(asked):
    draft, model = await asked(cell("print(grep('indemni', docs='05'))"), NONE, NONE)
    told = last(model.requests[2])
    assert "'No cap on liability was found.' claims that nothing else is there" in told
    assert (
        f"of {len(LONG):,} characters of '05' (Acme Services Agreement), and grepped it for 'indemni'" in told
    )
    assert (draft.status, draft.text, model.remaining) == ("complete", "No cap on liability was found.", 0)


async def test_what_it_is_told_to_look_at_is_code_that_runs_and_finds_it(asked):
    _, model = await asked(NONE, NONE)
    told = last(model.requests[1])
    look = next(line for line in told.splitlines() if "grep(" in line).partition("such as: ")[2]
    draft, model = await asked(NONE, cell(look), cell("submit('90 crowns ' + cite(m))"))
    assert "90 crowns" in last(model.requests[2])
    assert draft.citations[0].quote == "Liability ends at 90 crowns."


async def test_a_program_that_submits_again_before_its_model_was_told_does_not_insist(asked):
    twice = cell(
        "try:", "    submit('None.', citations=[])", "except Exception:", "    submit('None.', citations=[])"
    )
    _, model = await asked(twice, NONE)
    assert len(model.requests) == 2


async def test_a_document_that_was_printed_whole_needs_no_second_look(asked):
    text = "The fee is 7 crowns. It is paid in May. Nobody signed."
    draft, model = await asked(NONE, documents=[doc("05", text, "Acme Services Agreement")])
    assert len(model.requests) == 1
    assert (of(draft).n_chars, of(draft).read) == (len(text), len(text) - 1)


async def test_a_document_that_sub_models_read_whole_needs_no_second_look(asked):
    judge = cell(
        "parts = [read('05', i, i + 20_000) for i in range(0, 80_000, 20_000)]",
        "print(llm_query_batched(['Is there a cap?'] * 4, parts))",
    )
    draft, model = await asked(judge, NONE, sub=["NONE"] * 4)
    assert len(model.requests) == 2
    assert of(draft).judged == len(LONG)


async def test_lines_that_a_program_joined_for_a_sub_model_count_as_judged(asked):
    joined = cell(
        "lines = read('05')[:9_000].split('. ')",
        "print(llm_query('Which?\\n' + '\\n'.join(f'{i}: {x}' for i, x in enumerate(lines))))",
    )
    draft, _ = await asked(joined, NONE, NONE, sub=["NONE"])
    assert 8_000 < of(draft).judged <= 9_000


async def test_text_that_a_program_read_but_no_model_saw_does_not_count(asked):
    draft, _ = await asked(cell("whole = read('05')", "print(len(whole))"), NONE, NONE)
    assert of(draft).read < 0.5 * len(LONG)


@pytest.mark.parametrize(
    "shown", ["print(part)", "print(repr(part))", "print(part.split('. '))", "print(' '.join(part.split()))"]
)
async def test_however_it_is_printed_text_that_was_shown_counts(asked, shown):
    fish = "".join(f"Boat {i} lands {i * 3} herrings. " for i in range(150))[:4_000]
    documents = [doc("05", LONG[:30_000] + fish + LONG[30_000:], "Acme Services Agreement")]
    before, _ = await asked(NONE, NONE, documents=documents)
    draft, _ = await asked(cell("part = read('05', 30_000, 34_000)", shown), NONE, NONE, documents=documents)
    assert of(draft).read - of(before).read == pytest.approx(4_000, abs=60)


@pytest.mark.parametrize(
    "limits", [Limits(max_turns=1), Limits(max_calls=1)], ids=["no turn left", "no call left"]
)
async def test_a_run_that_can_take_no_further_turn_is_not_asked_to(asked, limits):
    draft, model = await asked(NONE, limits=limits)
    assert (draft.status, len(model.requests)) == ("complete", 1)


async def test_a_statement_with_a_marker_of_its_own_is_accepted(asked):
    draft, model = await asked(
        cell("submit('Liability is not limited otherwise ' + cite('05', 0, 20) + '.')")
    )
    assert (draft.status, len(model.requests)) == ("complete", 1)


async def test_that_the_documents_lack_an_answer_is_an_absence(asked):
    lacking = cell("submit('It is not said.', found=False)")
    draft, model = await asked(lacking, lacking)
    assert (draft.status, len(model.requests)) == ("declined", 2)
    assert of(draft).read > 0


async def test_a_count_of_what_was_grepped_everywhere_is_accepted(asked):
    counting = cell("found = grep('crowns', docs='all')", "submit(len(found), citations=[])")
    draft, model = await asked(counting, question="How many sums are in crowns?")
    assert (draft.value, len(model.requests)) == (3, 1)
    assert [(each.searched, each.matched) for each in draft.coverage] == [(1, 2), (1, 1)]


async def test_a_count_of_what_was_not_looked_at_is_not(asked):
    guess = cell("submit(3, citations=[])")
    _, model = await asked(guess, guess, question="How many sums are in crowns?")
    assert "'3' claims that nothing else is there" in last(model.requests[1])


async def test_what_a_child_read_counts_as_judged(asked):
    ask = cell("print(rlm_query('Is there a cap?', ['05']))")
    reads = cell("print(read('05', 50_000, 54_000))")
    child = cell("submit('Liability ends at 90 crowns ' + cite('05', quote='Liability ends at 90 crowns.'))")
    draft, _ = await asked(ask, reads, child, NONE, NONE)
    assert of(draft).judged > 3_900


def test_a_stretch_that_stands_in_two_texts_is_counted_once():
    boilerplate = "This agreement is governed by the laws of the state of New York."
    shown = f"{boilerplate} The fee of Acme is seven crowns a year."
    known = [
        f"{boilerplate} The fee of Beta is nine.",
        f"{boilerplate} The fee of Acme is seven crowns a year.",
    ]
    assert [each.text for each in stretches(shown, known)] == [1]


def test_numbers_put_between_lines_do_not_part_a_stretch():
    text = "\n".join(f"Row {name} holds {i} stones" for i, name in enumerate("abcdefgh"))
    shown = "\n".join(f"{i}. {line}" for i, line in enumerate(text.splitlines()))
    assert stretches(shown, [text]) == [(0, 0, len(text))]


async def test_what_the_last_call_says_is_marked_and_comes_with_what_was_seen(asked):
    draft, _ = await asked(
        cell("print(grep('cap', docs='all'))"), "No cap was found.", limits=Limits(max_turns=1)
    )
    assert (draft.status, draft.text) == ("partial", "No cap was found.")
    assert of(draft).searched == 1
    assert [span.absent for span in uncited(draft.text)] == [True]


def test_of_two_coverages_of_a_document_the_greater_numbers_count():
    one = DocumentCoverage("05", "", 900, searched=2, matched=1, read=100, judged=50)
    assert merged([one], [DocumentCoverage("05", "", 900, matched=4, read=300)]) == (
        DocumentCoverage("05", "", 900, searched=2, matched=4, read=300, judged=50),
    )


@pytest.mark.parametrize(
    ("spans", "whole"),
    [
        ([(0, 1_000)], True),
        ([(0, 450), (500, 1_000)], True),
        ([(0, 400), (650, 1_000)], False),
        ([(0, 150), (300, 1_000)], False),
    ],
)
def test_a_document_is_whole_if_no_long_stretch_and_little_in_all_is_left_out(spans, whole):
    assert is_whole(spans, 1_000) is whole


async def test_a_small_model_is_told_in_few_words(sandbox):
    model = ScriptedLLM([NONE, NONE])
    async with a_run(model, documents=(CONTRACT, OTHER), question=QUESTION) as bench:
        await Inspector(sandbox).answer(replace(bench.run, form="simple"), bench.hits())
    told = last(model.requests[1])
    assert "claims that nothing else is there" in told
    assert told.count("You have read") == 1
    assert "llm_query" not in told


def test_all_documents_are_counted_however_many():
    found = [DocumentCoverage(str(i), "", 9, searched=1, read=i % 2) for i in range(254)]
    assert total_of(merged(found)) == CoverageTotal(254, searched=254, read=127)
