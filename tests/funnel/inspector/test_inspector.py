"""The deep route: a scripted model writes cells, a real sandbox runs them."""

from __future__ import annotations

import asyncio
import json

import pytest
from event_loops import jumping
from second_stage import a_run, cell, doc, last, prompt, reading

from funnel.errors import BudgetTooSmall, LLMUnavailable
from funnel.inspector import Inspector
from funnel.llm.base import Completion
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox.base import SandboxLimits

DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")
CITE = 'mark = cite("refunds", quote="We refund within 14 days.")'
SUBMIT = cell(CITE, 'submit("They take 14 days " + mark + ".")')
NONE = reading("The passages do not say.", found=False)
NOTED = cell(CITE, 'note("days", "14 days " + mark)')


@pytest.fixture
def inspect(sandbox):
    """Runs an inspector over what the model replies; gives the draft, the model and the bench."""

    async def inspected(*replies, sub=(), **how):
        model = ScriptedLLM(replies)
        async with a_run(model, sub=ScriptedLLM(sub, name="scripted"), **how) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return draft, model, bench

    return inspected


async def test_submit_ends_the_run_with_a_cited_answer(inspect):
    draft, model, _ = await inspect(SUBMIT)
    assert (draft.status, draft.text, draft.sandbox) == ("complete", "They take 14 days [1].", "monty")
    assert [(c.document_id, c.start, c.stop, c.quote) for c in draft.citations] == [
        ("refunds", 0, 25, "We refund within 14 days.")
    ]
    assert (model.remaining, draft.value, draft.notices) == (0, None, ())


async def test_nothing_after_submit_is_run(inspect):
    _, _, bench = await inspect(cell("submit('x', citations=[])", "note('after', 'submit')"))
    assert await bench.run.notes.all() == {}


async def test_no_handler_inside_can_hold_a_submit_back(inspect):
    draft, _, _ = await inspect(
        cell("try:", "    submit('first', citations=[])", "except BaseException:", "    submit('second')")
    )
    assert draft.text == "first"


async def test_variables_last_from_turn_to_turn(inspect):
    draft, model, _ = await inspect(
        cell("n = len(context)", "print(n, question)"), cell("submit('n = ' + str(n), citations=[])")
    )
    assert draft.text == "n = 3"
    assert "3 How long do refunds take?" in last(model.requests[1])


async def test_a_cell_that_raises_keeps_what_it_assigned_and_the_error_comes_back_with_its_line(inspect):
    draft, model, _ = await inspect(
        cell("kept = 41", "print('before')", "lost = 1 // 0"), cell("submit(kept + 1, citations=[])")
    )
    shown = last(model.requests[1])
    assert "before" in shown
    assert "Error: ZeroDivisionError: " in shown
    assert "line 3: lost = 1 // 0" in shown
    assert "What the cell assigned before that line is kept." in shown
    assert draft.value == 42


async def test_a_syntax_error_is_told_and_the_run_goes_on(inspect):
    draft, model, _ = await inspect(cell("x = = 1"), SUBMIT)
    assert "Error: SyntaxError" in last(model.requests[1])
    assert draft.status == "complete"


async def test_a_host_call_that_was_caught_inside_goes_on(inspect):
    draft, _, _ = await inspect(
        cell(
            "try:", "    read('nowhere')", "except RuntimeError as e:",
            "    submit('told: ' + str(e)[:25], citations=[])",
        )
    )  # fmt: skip
    assert draft.text == "told: there is no document 'now"


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("They take 14 days.", "Prose is not an answer"),
        ("", "Your reply was empty"),
    ],
)
async def test_a_reply_without_a_block_is_repaired(inspect, reply, told):
    draft, model, bench = await inspect(reply, SUBMIT)
    assert draft.status == "complete"
    assert told in last(model.requests[1])
    assert told in bench.data("repair")[0]["reason"]


class CutOff(ScriptedLLM):
    """Its first reply ends for want of tokens."""

    async def complete(self, request, options=None):
        done = await super().complete(request, options)
        reason = "length" if len(self.requests) == 1 else "stop"
        return Completion(done.text, done.model, done.input_tokens, done.output_tokens, reason)


async def test_a_reply_that_was_cut_off_is_told_to_be_shorter(sandbox):
    model = CutOff(["```python\nx = [1, 2,", SUBMIT])
    async with a_run(model) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert draft.status == "complete"
    assert "was cut off" in last(model.requests[1])


async def test_repairs_in_a_row_are_bounded(inspect):
    draft, model, _ = await inspect("a", "b", "c", "d", "NOT FOUND", NONE)
    assert draft.status == "declined"
    assert "4 replies in a row held no code to run" in draft.notices[0]
    assert [request.purpose for request in model.requests] == [*["turn"] * 4, "extract", "read"]


async def test_a_good_turn_between_them_starts_the_count_of_repairs_again(inspect):
    look = cell("print(1)")
    draft, _, _ = await inspect("a", "b", "c", look, "a", "b", "c", SUBMIT)
    assert draft.status == "complete"


async def test_an_invented_marker_is_rejected(inspect):
    draft, model, _ = await inspect(cell("submit('14 days [7].')"), SUBMIT)
    assert "no citation [7]: markers come from cite()" in last(model.requests[1])
    assert draft.status == "complete"


async def test_an_uncited_answer_is_rejected_once(inspect):
    draft, model, _ = await inspect(cell("submit('14 days.')"), cell("submit('14 days.')"))
    assert "the answer cites nothing" in last(model.requests[1])
    assert (draft.status, draft.text) == ("complete", "14 days.")
    assert draft.notices == ("Nothing in this answer is backed by a quote.",)


async def test_an_empty_list_of_citations_is_taken_at_its_word(inspect):
    draft, model, _ = await inspect(cell("submit('14 days.', citations=[])"))
    assert (draft.status, len(model.requests)) == ("complete", 1)


async def test_found_false_declines(inspect):
    draft, _, _ = await inspect(cell("submit('Nothing about returns by post.', found=False)"))
    assert (draft.status, draft.text) == ("declined", "Nothing about returns by post.")
    assert draft.notices == ()


@pytest.mark.parametrize(
    "arguments",
    ["''", "' '", "None", "'x' * 100_001, citations=[]", "'x', citations=['one']", "'x', citations={'a': 1}"],
)
async def test_an_answer_that_cannot_be_one_is_rejected_and_said(inspect, arguments):
    draft, model, _ = await inspect(cell(f"submit({arguments})"), SUBMIT)
    assert "Error: RuntimeError" in last(model.requests[1])
    assert draft.text == "They take 14 days [1]."


@pytest.mark.parametrize("value", [14, 2.5, True, [5], [1, [2]], {"days": [14]}, "7"])
async def test_a_value_is_given_as_it_was_submitted(inspect, value):
    draft, model, _ = await inspect(cell(f"submit({value!r}, citations=[])"))
    assert len(model.requests) == 1
    assert draft.value == (None if isinstance(value, str) else value)
    assert json.loads(draft.text) == (7 if isinstance(value, str) else value)


async def test_a_number_in_a_value_is_no_marker(inspect):
    draft, _, _ = await inspect(cell(CITE, "submit({'days': [1]}, citations=[mark])"))
    assert draft.value == {"days": [1]}
    assert len(draft.citations) == 1


async def test_markers_inside_a_value_count_like_those_of_the_text(inspect):
    draft, _, _ = await inspect(
        cell(
            "cite('roth', quote='Ada Roth led Project Heron.')", CITE,
            "submit([{'days': 14, 'why': 'said so ' + mark}])",
        )
    )  # fmt: skip
    assert draft.value == [{"days": 14, "why": "said so [1]"}]
    assert json.loads(draft.text) == draft.value
    assert [c.document_id for c in draft.citations] == ["refunds"]


async def test_several_markers_may_stand_in_one_text_of_the_list(inspect):
    draft, _, _ = await inspect(
        cell(CITE, "other = cite('roth', 0, 8)", "submit('x', citations=[mark + other])")
    )
    assert [c.quote for c in draft.citations] == ["We refund within 14 days.", "Ada Roth"]


async def test_markers_in_the_list_are_citations_though_the_text_names_none(inspect):
    draft, _, _ = await inspect(cell(CITE, "submit(14, citations=[mark])"))
    assert (draft.text, draft.value, len(draft.citations)) == ("14", 14, 1)


async def test_no_document_at_all_is_said_in_the_first_message(inspect):
    _, model, _ = await inspect(cell("submit('none', found=False)"), documents=[])
    assert "context is empty" in last(model.requests[0])


async def test_max_turns_ends_in_what_the_extraction_gives(inspect):
    draft, model, _ = await inspect(
        NOTED, cell("print(2)"), "They take 14 days [1].", limits=Limits(max_turns=2)
    )
    assert (draft.status, draft.text) == ("partial", "They take 14 days [1].")
    assert draft.citations[0].quote == "We refund within 14 days."
    assert draft.notices == ("The work ended before an answer was submitted: max_turns = 2 is used up",)
    assert "This is the last turn: submit now" in last(model.requests[1])
    assert "note days: 14 days [1]" in last(model.requests[2])


async def test_the_last_call_is_kept_for_the_extraction(inspect):
    draft, model, _ = await inspect(
        NOTED, cell("print(2)"), cell("print(3)"), "14 days [1].", limits=Limits(max_calls=4)
    )
    assert (draft.status, draft.text) == ("partial", "14 days [1].")
    assert "max_calls = 4 is used up" in draft.notices[0]
    assert [request.purpose for request in model.requests] == ["turn", "turn", "turn", "extract"]


async def test_an_extraction_that_finds_nothing_declines_and_says_what_was_looked_at(inspect):
    draft, _, _ = await inspect(cell("print(1)"), "NOT FOUND", NONE, limits=Limits(max_turns=1))
    assert (draft.status, draft.text) == ("declined", "No answer was found in 3 documents and 1 turn.")


@pytest.mark.parametrize(
    "code", ["```python\nsubmit('14 days')\n```", "submit('14 days')", "a = read('refunds')"]
)
async def test_code_is_no_answer_of_an_extraction(inspect, code):
    draft, _, _ = await inspect(cell("print(1)"), code, NONE, limits=Limits(max_turns=1))
    assert draft.status == "declined"


async def test_what_an_extraction_says_beside_code_is_its_answer(inspect):
    reply = "It takes 14 days [1].\n```python\nsubmit('x')\n```"
    draft, _, _ = await inspect(NOTED, reply, limits=Limits(max_turns=1))
    assert (draft.status, draft.text) == ("partial", "It takes 14 days [1].")


async def test_a_turn_without_end_is_told_and_not_repeated(inspect):
    draft, model, _ = await inspect(cell("x" * 200_000), SUBMIT)
    assert draft.status == "complete"
    assert "at most 100,000 are read" in last(model.requests[1])
    assert len(prompt(model.requests[1])) < 40_000


async def test_a_marker_that_the_extraction_invents_is_taken_out(inspect):
    draft, _, _ = await inspect(NOTED, "14 days [1], by post [9].", limits=Limits(max_turns=1))
    assert draft.text == "14 days [1], by post."


async def test_an_endpoint_that_dies_in_the_middle_gives_what_the_notes_hold(inspect):
    draft, _, _ = await inspect(NOTED, DOWN, DOWN)
    assert (draft.status, draft.text) == ("partial", "days: 14 days [1]")
    assert draft.citations[0].quote == "We refund within 14 days."
    assert "connection refused" in draft.notices[0]


async def test_an_endpoint_that_dies_before_anything_was_noted_fails_and_says_so(inspect):
    draft, _, _ = await inspect(cell("print(1)"), DOWN, DOWN)
    assert draft.status == "failed"


async def test_a_first_call_that_fails_raises_and_leaves_nothing_reserved(sandbox):
    async with a_run(ScriptedLLM([DOWN])) as bench:
        with pytest.raises(LLMUnavailable):
            await Inspector(sandbox).answer(bench.run, bench.hits())
        assert bench.run.ledger.remaining_calls() == 100
    with pytest.raises(BudgetTooSmall):
        async with a_run(ScriptedLLM([]), limits=Limits(max_tokens=1_200)) as bench:
            await Inspector(sandbox).answer(bench.run, bench.hits())


@jumping
@pytest.mark.usefixtures("ledgers_in_loop_time")
@pytest.mark.parametrize("stuck", ["while True:\n    pass", "sum(range(10 ** 12))"])
async def test_the_deadline_ends_a_cell_that_does_not_end(sandbox, stuck):
    loop = asyncio.get_running_loop()
    began = loop.time()

    def soon_out_of_time(_request):
        # A seventh is kept for the last call.
        loop.call_later(0.5, loop.jump_to, began + 0.85 * 100)
        return cell(stuck)

    model = ScriptedLLM([NOTED, soon_out_of_time, "Fourteen days [1]."])
    async with a_run(model, limits=Limits(timeout_s=100)) as bench:
        draft = await Inspector(sandbox, limits=SandboxLimits(cell_s=300)).answer(bench.run, bench.hits())
    # Some of the time had been kept for the last call.
    assert (draft.status, draft.text) == ("partial", "Fourteen days [1].")
    assert "timeout_s = 100 is used up" in draft.notices[0]


@jumping
@pytest.mark.usefixtures("ledgers_in_loop_time")
async def test_the_deadline_ends_a_sub_call_that_does_not_end(sandbox):
    class Hanging(ScriptedLLM):
        async def complete(self, request, options=None):
            loop = asyncio.get_running_loop()
            loop.jump_to(loop.time() + 0.85 * 100)
            await asyncio.sleep(3_600)

    model = ScriptedLLM([cell("llm_query('x')"), "NOT FOUND", NONE])
    async with a_run(model, sub=Hanging([], name="scripted"), limits=Limits(timeout_s=100)) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert draft.status == "declined"
    assert "timeout_s = 100 is used up" in draft.notices[0]


async def test_a_process_that_dies_costs_the_cell_and_not_the_run(inspect):
    draft, model, _ = await inspect(
        cell("kept = 1", "x = 'a' * 10", "y = [x * 10 ** 9 for _ in range(10)]"),
        SUBMIT,
    )
    assert draft.status == "complete"
    assert "The variables are as they were before this cell." in last(model.requests[1])


async def test_a_transcript_of_forty_turns_that_print_a_lot_stays_bounded(inspect):
    loud = cell("print('x' * 100_000)")
    draft, model, _ = await inspect(*[loud] * 39, SUBMIT, limits=Limits(max_turns=40))
    sizes = [len(prompt(request)) for request in model.requests]
    fixed = sizes[0]
    assert draft.status == "complete"
    assert max(sizes) <= fixed + 80_000 + 10_000
    assert "100,001 characters" in last(model.requests[1])


async def test_a_cell_that_greps_a_thousand_times_does_not_flood_the_prompt(inspect):
    draft, model, _ = await inspect(
        cell("for i in range(300):", "    grep('a|' + 'b' * (i + 400))"),
        SUBMIT,
        documents=[doc("refunds", "We refund within 14 days. " + "a " * 300)],
    )
    assert draft.status == "complete"
    assert len(last(model.requests[1])) < 3_000


async def test_everything_that_was_printed_can_be_had_again(inspect):
    draft, _, _ = await inspect(cell("print('x' * 50_000)"), cell("submit(len(last_output()), citations=[])"))
    assert draft.value == 50_001


async def test_the_size_of_the_first_prompt_does_not_depend_on_the_size_of_the_documents(inspect):
    done = cell("submit('none', found=False)")
    sizes = []
    for times in (10_000, 100_000):
        _, model, _ = await inspect(done, done, documents=[doc("d", "word " * times)], question="word")
        sizes.append(len(prompt(model.requests[0])))
    assert abs(sizes[1] - sizes[0]) < 1_200


async def test_many_documents_are_listed_up_to_a_number(sandbox):
    many = [doc(f"d{i}", "word") for i in range(300)]
    model = ScriptedLLM([cell("submit(len(context), citations=[])")])
    async with a_run(model, documents=many) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits(300))
    assert draft.value == 300
    assert "… and 280 more" in last(model.requests[0])


async def test_a_large_document_has_no_text_in_context_and_can_be_read(inspect):
    text = "word " * 30_000 + "The fee is 7 crowns."
    draft, model, _ = await inspect(
        cell(
            "big = [d for d in context if d['text'] is None]", "print(len(context), len(big))",
            "at = grep('The fee')[0]['start']", "print(read(big[0], at, at + 10), big[0]['n_chars'])",
        ),
        cell("submit('7 ' + cite('big', quote='The fee is 7 crowns.'))"),
        documents=[doc("big", text), doc("small", "word")], question="word",
    )  # fmt: skip
    assert "2 1\nThe fee is 150020" in last(model.requests[1])
    assert "Large ones have text None" in last(model.requests[0])
    assert (draft.citations[0].start, draft.citations[0].stop) == (150_000, 150_020)


async def test_the_turns_and_cells_of_a_run_are_events_inside_it(inspect):
    _, _, bench = await inspect(cell("print(1)"), SUBMIT)
    assert [turn["number"] for turn in bench.data("turn", "start")] == [1, 2]
    assert bench.data("cell", "end")[0]["stdout"] == "1\n"
    assert bench.data("submit")[0]["found"] is True
    assert [call["name"] for call in bench.data("host_call", "start")] == ["cite", "submit"]
