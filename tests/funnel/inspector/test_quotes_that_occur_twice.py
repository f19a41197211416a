"""A quote that a document holds several times is cited where the model saw it."""

from __future__ import annotations

import pytest
from second_stage import a_run, cell, doc

from funnel.inspector import Inspector
from funnel.llm.scripted import ScriptedLLM

QUOTE = "The fee is due in May."
PARTS = [f"Part {n}. " + f"It goes on in its own way, number {n}. " * 60 for n in range(4)]
TEXT = f" {QUOTE} ".join(PARTS)
PLACES = [at for at in range(len(TEXT)) if TEXT.startswith(QUOTE, at)]
SECOND = f"{PLACES[1] - 40}, {PLACES[1] + 60}"


@pytest.mark.parametrize(
    ("cells", "place"),
    [
        ([], 0),
        ([f"print(read('fees', {SECOND}))"], 1),
        ([f"part = read('fees', {SECOND})"], 1),
        (["found = grep('The fee is due', docs=['fees'])", "doc = found[2]"], 2),
    ],
)
async def test_it_is_cited_where_it_was_seen(sandbox, cells, place):
    first, *others = cells or ["doc = 'fees'"]
    lines = ["doc = 'fees'", *others, f"submit('May ' + cite(doc, quote='{QUOTE}'))"]
    model = ScriptedLLM([cell(first), cell(*lines)])
    async with a_run(model, documents=[doc("fees", TEXT)], question="What did Ada Marsh say?") as bench:
        draft = await Inspector(sandbox).answer(bench.run, [])
    assert [(each.start, each.quote) for each in draft.citations] == [(PLACES[place], QUOTE)]
