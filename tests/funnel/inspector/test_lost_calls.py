"""Sub-calls that failed for good: the program has them, the model is told, and the answer says so."""

from __future__ import annotations

import random

import pytest
from chat_server import Reply
from rate_limit import RateLimit
from second_stage import a_run, cell, last

from funnel.errors import LLMUnavailable
from funnel.inspector import Inspector
from funnel.inspector.lost import LostCalls
from funnel.llm.budget import Limits
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox.monty.engine import MontySandbox
from funnel.types import EndReason

DOWN = LLMUnavailable("sub", "http://sub/v1", "HTTP 500, boom, after 5 attempts")
SUBMIT = "submit(str(sum(r['ok'] for r in rs)), citations=[])"


async def inspected(*cells: str, sub, limits: Limits | None = None):
    """The draft of an inspector that replies with these cells, and its model."""
    root, sandbox = ScriptedLLM(list(cells)), MontySandbox()
    async with a_run(root, sub=sub, limits=limits) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    await sandbox.close()
    return draft, root


def failing(*failing_prompts: str, calls: int = 10**9) -> ScriptedLLM:
    """A sub-model that fails for these prompts, so many times."""
    left = [calls]

    def reply(request):
        if any(prompt in last(request) for prompt in failing_prompts) and left[0] > 0:
            left[0] -= 1
            raise DOWN
        return "yes"

    return ScriptedLLM([reply] * 100, name="sub")


async def test_an_answer_without_what_sub_calls_would_have_told_is_partial_and_says_so():
    batch = "rs = llm_query_batched([f'part {i}' for i in range(40)])"
    draft, _ = await inspected(cell(batch, SUBMIT), sub=failing("part 1", "part 2"))
    assert draft.text == "18"
    assert (draft.status, draft.end_reason) == ("partial", EndReason.ANSWERED)
    assert draft.notices[-1].startswith(
        "22 of 40 sub-calls failed, and what they would have told is missing here (The model 'sub' at "
    )
    assert "HTTP 500, boom" in draft.notices[-1]


async def test_the_model_is_told_how_many_failed_and_that_they_can_be_asked_again():
    batch = "rs = llm_query_batched(['a', 'b', 'c'])"
    _, root = await inspected(cell(batch), cell(SUBMIT), sub=failing("b"))
    told = last(root.requests[1])
    assert "1 of 3 prompts got no answer, and ok is False there (the first: The model 'sub'" in told
    assert "They can be asked again" in told


@pytest.mark.parametrize(("lost", "status"), [(["b"], "complete"), (["b", "c"], "partial")])
async def test_an_answer_is_complete_only_if_the_model_knew_and_few_were_lost(lost, status):
    batch = "rs = llm_query_batched(['a', 'b', 'c'])"
    draft, _ = await inspected(cell(batch), cell(SUBMIT), sub=failing(*lost))
    assert draft.status == status
    assert draft.notices[-1].startswith(f"{len(lost)} of 3 sub-calls failed")


async def test_calls_that_were_asked_again_and_answered_are_not_missing():
    again = "again = llm_query_batched([p for p, r in zip(asked, rs) if not r['ok']])"
    draft, _ = await inspected(
        cell("asked = ['a', 'b', 'c']", "rs = llm_query_batched(asked)"),
        cell(again, "submit(str(len(again)), citations=[])"),
        sub=failing("b", "c", calls=2),
    )
    assert draft.text == "2"
    assert draft.status == "complete"
    assert not any("sub-calls" in notice for notice in draft.notices)


async def test_a_single_call_that_the_program_survives_is_missing_too():
    code = cell("try:\n    llm_query('a')\nexcept Exception:\n    pass", "submit('x', citations=[])")
    draft, _ = await inspected(code, sub=failing("a"))
    assert draft.status == "partial"
    assert draft.notices[-1].startswith("1 of 1 sub-call failed")


async def test_that_a_text_holds_nothing_is_an_answer():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    code = cell(f"rs = llm_query_batched(['a'], schema={schema})", SUBMIT)
    draft, _ = await inspected(code, sub=ScriptedLLM(["NONE"], name="sub"))
    assert (draft.text, draft.status) == ("0", "complete")


async def test_a_mistake_of_the_code_is_no_lost_call():
    code = cell("rs = rlm_query_batched(['q'], [[]])", SUBMIT)
    draft, _ = await inspected(code, sub=failing())
    assert draft.status == "complete"


async def test_a_child_that_failed_is_missing():
    root = ScriptedLLM([cell("rs = rlm_query_batched(['q'], [['roth']])", SUBMIT), DOWN])
    sandbox = MontySandbox()
    async with a_run(root) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    await sandbox.close()
    assert draft.status == "partial"
    assert "1 of 1 sub-call failed" in draft.notices[-1]


def test_identical_calls_of_a_batch_are_lost_each_by_itself_and_made_good_together():
    lost = LostCalls()
    lost.add([("a", "down"), ("a", None), ("a", "down"), ("b", "gone")], by=None)
    assert lost.notice().startswith("3 of 4 sub-calls failed, and what they would have told is missing here")
    assert lost.notice().endswith("(2 times: down; 1 times: gone).")
    lost.add([("a", None), ("a", "down")], by=None)
    assert lost.notice().startswith("2 of 4 sub-calls failed")
    lost.add([("a", None), ("b", None)], by=None)
    assert lost.notice() is None


@pytest.mark.parametrize("steady", [False, True])
async def test_of_forty_sub_calls_where_twenty_a_minute_are_taken_none_is_lost(chat_server, steady):
    random.seed(5)
    chat_server.default = limit = RateLimit(20, 1.0, steady=steady, reply=lambda _body: Reply("yes"))
    sub = OpenAIChat("sub", base_url=chat_server.url, backoff_s=1 / 60)
    batch = "rs = llm_query_batched([f'part {i}' for i in range(40)])"
    draft, _ = await inspected(cell(batch, SUBMIT), sub=sub)
    await sub.close()
    assert (draft.text, draft.status, limit.served) == ("40", "complete", 40)


async def test_a_batch_that_is_too_large_for_the_rate_leaves_its_program_what_was_answered(chat_server):
    chat_server.default = RateLimit(5, 600, reply=lambda _body: Reply("yes"))
    sub = OpenAIChat("sub", base_url=chat_server.url)
    batch = "rs = llm_query_batched([f'part {i}' for i in range(12)])"
    draft, _ = await inspected(cell(batch, SUBMIT), sub=sub, limits=Limits(timeout_s=10))
    await sub.close()
    assert (draft.text, draft.status) == ("5", "partial")
    assert draft.notices[-1].startswith("7 of 12 sub-calls failed")
    assert "too many requests" in draft.notices[-1]
