"""What a program is told that cites words which do not stand where it says."""

from __future__ import annotations

import time

import pytest
from second_stage import a_run, cell, doc, last

from funnel.inspector import Inspector
from funnel.llm.scripted import ScriptedLLM
from funnel.text.nearest import nearest

RENT = "The house has nine rooms. The monthly rent of 90 crowns is due on the first day. It may rise in May."
LEASE = doc("05", RENT, "Lease of Hill House")
REPORT = doc("06", "The audit failed in spring. The board withdrew its grant in 2019.", "Report")


@pytest.fixture
def told(sandbox):
    """What the model is told of a call, and the draft if it then does as it was told."""

    async def tell(call):
        model = ScriptedLLM(
            [cell(call), lambda request: cell(f"submit('So it is ' + {copied(last(request))})")]
        )
        async with a_run(model, documents=[LEASE, REPORT]) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return last(model.requests[1]), draft

    return tell


def copied(message):
    """The call at the end of an error."""
    at = message.index(": cite(") + 2
    return message[at : message.index("\n", at)]


async def test_the_nearest_sentence_is_told_ready_to_cite(told):
    message, draft = await told("cite('05', quote='The rent is 90 crowns a month, due on the first day')")
    assert "does not stand in 05 word for word. The nearest there is 'The monthly rent" in message
    assert draft.citations[0].quote == "The monthly rent of 90 crowns is due on the first day."


async def test_a_quote_of_another_document_is_told_with_its_place(told):
    message, draft = await told("cite('05', quote='The board withdrew its grant')")
    assert "but in '06': cite('06', 28, 56)" in message
    assert (draft.citations[0].document_id, draft.citations[0].quote) == (
        "06",
        "The board withdrew its grant",
    )


async def test_a_quote_that_nothing_resembles_is_told_to_be_looked_up(told, sandbox):
    model = ScriptedLLM(
        [cell("cite('05', quote='Elephants migrate southwards')"), cell("submit('x', citations=[])")]
    )
    async with a_run(model, documents=[LEASE, REPORT]) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert 'look it up: grep(r"southwards", docs="all")' in last(model.requests[1])


async def test_the_line_that_is_told_is_that_of_the_call(sandbox):
    lines = ("x = 1", "marks = [cite('05', quote='nine large rooms in it')]")
    model = ScriptedLLM([cell(*lines), cell("submit('x', citations=[])")])
    async with a_run(model, documents=[LEASE, REPORT]) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert f"line 2: {lines[1]}" in last(model.requests[1])


def test_several_sentences_are_compared_with_several():
    text = "One is here. The house is old. Its roof is new. Nobody lives there."
    near = nearest(text, "The house is very old. Its roof is quite new.")
    assert text[near.start : near.stop] == "The house is old. Its roof is new."


def test_a_large_document_takes_no_long_time():
    text = "".join(f"Clause {i} speaks of matter {i * 7} and of nothing else. " for i in range(3_000)) + RENT
    began = time.process_time()
    near = nearest(text, "The rent of 90 crowns is due monthly on the first day")
    assert "90 crowns" in text[near.start : near.stop]
    assert time.process_time() - began < 3
