"""What the models of one run are shown: bounded, fitted to the model, with a guess at the work to be done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from second_stage import a_run, cell, doc, prompt

from funnel.errors import BudgetTooSmall
from funnel.inspector import Inspector
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import advice, fenced
from funnel.prompts.addenda import Addendum, Prompts
from funnel.reader import Reader

DONE = cell("submit('done', citations=[])")
CROWDED = [doc(f"{'界' * 60}{n}", "合同" * 20_000, title="題" * 200) for n in range(30)]


async def seen_by_root(sandbox, *replies, shape=None, prompts=None, sub=(), name="scripted", **how):
    root, parts = ScriptedLLM(replies, name=name), ScriptedLLM(sub, name="sub")
    prices = {"scripted": (0.0, 0.0), "sub": (0.0, 0.0), name: (0.0, 0.0)}
    async with a_run(root, sub=parts, prices=prices, **how) as bench:
        run = replace(bench.run, shape=shape, **({"prompts": prompts} if prompts else {}))
        draft = await Inspector(sandbox).answer(run, bench.hits())
    return draft, root.requests, parts.requests


@pytest.mark.parametrize("letter", ["x", "界", "\U0001f98a"])
async def test_no_prompt_passes_the_limit_whatever_the_cells_print(sandbox, letter):
    noisy = cell(f"print({letter!r} * 8000)")
    limits = Limits(max_prompt_tokens=12_000, max_turns=12)
    draft, requests, _ = await seen_by_root(sandbox, *[noisy] * 11, DONE, limits=limits)
    assert draft.text == "done"
    assert len(requests) == 12
    assert max(request.estimated_input_tokens() for request in requests) <= 12_000


async def test_the_last_call_keeps_to_the_limit_too(sandbox):
    noted = cell("note('n', '界' * 140_000)")
    limits = Limits(max_prompt_tokens=10_000, max_turns=1)
    _, requests, _ = await seen_by_root(sandbox, noted, "an answer", limits=limits)
    assert [request.purpose for request in requests] == ["turn", "extract"]
    assert requests[-1].estimated_input_tokens() <= 10_000


async def test_long_documents_with_long_names_in_a_dense_script_fit_the_default_limit(sandbox):
    _, requests, _ = await seen_by_root(sandbox, DONE, documents=CROWDED, question="合同")
    assert requests[0].estimated_input_tokens() <= Limits().max_prompt_tokens


async def test_a_limit_that_the_first_prompt_does_not_fit_is_refused_before_any_call(sandbox):
    root = ScriptedLLM([DONE])
    async with a_run(root, limits=Limits(max_prompt_tokens=1_000)) as bench:
        with pytest.raises(
            BudgetTooSmall, match=r"max_prompt_tokens = 1000 is too small to start: .* \d{4,5}\."
        ):
            await Inspector(sandbox).answer(bench.run, bench.hits())
    assert root.requests == []


async def test_the_first_message_of_the_root_ends_with_the_advice_for_the_shape(sandbox):
    _, requests, _ = await seen_by_root(sandbox, DONE, shape="aggregate")
    assert advice("aggregate") in requests[0].messages[1].content


async def test_a_child_has_a_question_of_its_own_and_gets_no_advice(sandbox):
    ask = cell("submit(rlm_query('Who signed?', ['leases']), citations=[])")
    child = cell("submit('Ada', citations=[])")
    _, requests, _ = await seen_by_root(sandbox, ask, child, shape="aggregate")
    assert [advice("aggregate") in prompt(request) for request in requests] == [True, False]
    assert fenced("question", prompt(requests[1])) == [({}, "Who signed?")]


async def test_a_child_whose_question_does_not_fit_is_an_error_of_the_code_that_asked(sandbox):
    ask = cell("rlm_query('Who? ' * 20_000, ['leases'])")
    draft, requests, _ = await seen_by_root(sandbox, ask, DONE)
    told = prompt(requests[1])
    assert "the recursive call could not begin: max_prompt_tokens = 32000 is too small to start" in told
    assert draft.text == "done"


TOLD = Prompts(
    tuple(
        Addendum(match=(glob,), purpose=purpose, text=f"{purpose} for {glob}")
        for purpose in ("inspector", "sub_call", "reader")
        for glob in ("lead*", "sub*")
    )
)


async def test_each_model_is_told_what_is_for_it_and_for_what_it_does(sandbox):
    ask = cell("submit(llm_query('What is it?'), citations=[])")
    _, root, sub = await seen_by_root(sandbox, ask, prompts=TOLD, sub=["a lease"], name="lead-1")
    assert root[0].messages[0].content.endswith("\n\ninspector for lead*")
    assert sub[0].messages[0].content.endswith("\n\nsub_call for sub*")


async def test_the_reader_is_told_what_is_for_it():
    root = ScriptedLLM(['{"found": false, "answer": "It is not said."}'], name="lead-1")
    async with a_run(root, prices={"lead-1": (0.0, 0.0), "sub": (0.0, 0.0)}) as bench:
        await Reader().answer(replace(bench.run, prompts=TOLD), bench.hits())
    assert root.requests[0].messages[0].content.endswith("\n\nreader for lead*")
