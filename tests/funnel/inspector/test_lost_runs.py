"""A run that ends without a submit: what it was shown is read once more, and then the documents are."""

from __future__ import annotations

from second_stage import a_run, cell, last, reading

from funnel.errors import LLMUnavailable
from funnel.inspector import Inspector
from funnel.inspector.reading import BY_READING
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.types import EndReason

LOOK = cell("print('looking')")
READ = reading("They take 14 days [1].", (1, "We refund within 14 days."))
NONE = reading("It is not said.", found=False)


async def inspected(sandbox, *replies, turns=1, max_calls=100, **how):
    model = ScriptedLLM(replies)
    async with a_run(model, limits=Limits(max_turns=turns, max_calls=max_calls), **how) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    return draft, model.requests


async def test_where_the_work_holds_no_answer_the_reader_gives_one_and_it_is_marked_as_such(sandbox):
    draft, requests = await inspected(sandbox, LOOK, "NOT FOUND", READ)
    assert [request.purpose for request in requests] == ["turn", "extract", "read"]
    assert (draft.text, draft.status, draft.end_reason) == (
        "They take 14 days [1].", "partial", EndReason.TURNS
    )  # fmt: skip
    assert [citation.quote for citation in draft.citations] == ["We refund within 14 days."]
    assert draft.notices[-1] == BY_READING
    assert "max_turns = 1 is used up" in draft.notices[0]


async def test_where_neither_finds_anything_it_is_declined(sandbox):
    draft, _ = await inspected(sandbox, LOOK, "NOT FOUND", NONE)
    assert (draft.status, draft.text) == ("declined", "No answer was found in 3 documents and 1 turn.")


async def test_what_the_work_holds_comes_before_what_the_reader_would_say(sandbox):
    draft, requests = await inspected(sandbox, LOOK, "They take 14 days.")
    assert draft.text == "They take 14 days."
    assert [request.purpose for request in requests] == ["turn", "extract"]


async def test_an_endpoint_that_is_down_is_not_asked_again(sandbox):
    down = LLMUnavailable("scripted", "http://localhost", "connection refused")
    _, requests = await inspected(sandbox, LOOK, down)
    assert [request.purpose for request in requests] == ["turn", "extract"]


async def test_a_call_is_kept_for_the_reader_where_calls_are_few(sandbox):
    looks = [cell(f"print({n})") for n in range(10)]
    draft, requests = await inspected(sandbox, *looks, "NOT FOUND", READ, turns=30, max_calls=12)
    assert [request.purpose for request in requests] == [*["turn"] * 10, "extract", "read"]
    assert draft.status == "partial"


async def test_the_last_call_sees_the_passages_of_the_first_message_and_every_turn(sandbox):
    looks = [cell(f"print('found {word}')") for word in ("alpha", "beta", "gamma")]
    _, requests = await inspected(sandbox, *looks, "NOT FOUND", NONE, turns=3)
    work = last(requests[3])
    assert "We refund within 14 days." in work
    assert all(f"found {word}" in work for word in ("alpha", "beta", "gamma"))


async def test_of_long_outputs_the_latest_stays_whole_and_earlier_ones_are_shortened(sandbox):
    sizes = {"alpha": 900, "beta": 300}
    looks = [cell(f"for n in range({n}): print('{word} line', n)") for word, n in sizes.items()]
    _, requests = await inspected(sandbox, *looks, "NOT FOUND", NONE, turns=2)
    work = last(requests[2])
    assert all(f"beta line {n}\n" in work for n in range(300))
    assert "alpha line 0\n" in work
    assert "alpha line 899\n" in work
    assert "[... the middle of " in work.partition("alpha line 899")[0]


async def test_what_was_dropped_from_the_conversation_is_read_by_the_last_call(sandbox):
    looks = [cell(f"print('output {n} ' * 900)") for n in range(8)]
    model = ScriptedLLM([*looks, "NOT FOUND", NONE])
    async with a_run(model, limits=Limits(max_turns=8, max_prompt_tokens=14_000)) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert "[dropped: " in last(model.requests[7]) or any(
        "[dropped: " in message.content for message in model.requests[7].messages
    )
    assert "output 3 output 3" in last(model.requests[8])


async def test_an_answer_in_json_is_shown_in_words(sandbox):
    draft, _ = await inspected(sandbox, LOOK, '{"answer": "They take 14 days.", "notes": []}')
    assert draft.text == "They take 14 days."
