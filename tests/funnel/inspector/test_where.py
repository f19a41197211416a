"""A run under a filter: what lies outside it can be found, listed, counted, read and cited by no call."""

from __future__ import annotations

from dataclasses import replace

import pytest
from second_stage import a_run, cell, doc, last, readable

from funnel.inspector import Inspector
from funnel.llm.scripted import ScriptedLLM
from indexes import Access, Collection, field

STORED = [
    replace(doc("in", "The lease of 2024 costs 100."), metadata={"year": 2024}, readers=frozenset({"alice"})),
    replace(doc("out", "The lease of 2010 costs 40."), metadata={"year": 2010}, readers=frozenset({"alice"})),
    replace(doc("closed", "The lease of 2025 costs 7."), metadata={"year": 2025}),
]
PROGRAM = cell(
    "found = [context, search('lease costs', k=50), grep('costs'), documents()]",
    "for name in ['out', 'closed', 'nothing']:",
    "    for look in [read, lambda d: cite(d, 0, 3), lambda d: grep('costs', docs=[d])]:",
    "        try:",
    "            found.append(look(name))",
    "        except RuntimeError as e:",
    "            found.append(str(e).replace(name, 'NAME'))",
    "submit(found, citations=[])",
)


@pytest.mark.parametrize("indexed", [True, False])
async def test_what_the_filter_leaves_out_is_as_if_it_were_not_there(sandbox, tmp_path, indexed):
    model = ScriptedLLM([PROGRAM])
    scope = {"access": Access.of("alice"), "where": field("year") >= 2020}
    async with a_run(model, documents=STORED, question="lease costs", **scope) as bench:
        with Collection.create(tmp_path / "kb") as kb:
            kb.upsert(STORED)
            documents = readable(kb if indexed else bench.source, bench.workspace, **scope)
            run = replace(bench.run, documents=documents)
            draft = await Inspector(sandbox).answer(run, documents.view.search("lease costs", 9))
    context, _, _, listed, *errors = draft.value
    assert [d["id"] for d in context] == [d["id"] for d in listed] == ["in"]
    assert "costs 40" not in str(draft.value)
    assert "costs 7" not in str(draft.value)
    # The error for a document outside is, to the letter, the one for a document that is nowhere.
    assert errors[:3] == errors[3:6] == errors[6:]
    assert "there is no document 'NAME'" in errors[0]
    assert "context: 1 of 1 documents" in last(model.requests[0])
