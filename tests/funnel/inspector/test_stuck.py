"""A model that does not get on is told what to write next, and then gets the simple form."""

from __future__ import annotations

import pytest
from second_stage import a_run, cell, last, prompt

from funnel.inspector import Inspector
from funnel.inspector.progress import MAX_IDLE
from funnel.inspector.repairs import does_nothing, example, printed_answer, terms, unfilled
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import render
from funnel.prompts.forms import Forms

QUESTION = "How long do refunds take?"
DONE = cell("submit('14 days', citations=[])")
FIRST_CELL = f"```python\n{example(QUESTION)}\n```"
IDLE = [cell(f"# I shall search for refunds now, step {n}") for n in range(1, 9)]


@pytest.fixture
def seen(sandbox):
    """Runs an inspector over what the model replies; gives the draft and the requests."""

    async def seen_by(*replies, form="full"):
        model = ScriptedLLM(replies)
        async with a_run(model) as bench:
            object.__setattr__(bench.run, "form", form)
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return draft, model.requests

    return seen_by


def test_the_first_cell_searches_for_the_words_of_this_question():
    assert terms("Which lease of Hill House ends before 2027?") == ["lease", "Hill", "House", "ends", "2027"]
    assert example("Who led Project Heron?").startswith('hits = search("led Project Heron", k=5)\n')


def test_each_further_example_looks_in_another_way():
    assert len({example("Who led Project Heron?", number) for number in range(3)}) == 3


def test_a_question_without_a_word_of_its_own_still_has_an_example():
    assert example("What is it?").startswith('hits = search("What is it?", k=5)')


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("They take 14 days.", "Prose is not an answer"),
        ("", "Your reply was empty"),
        ('{"answer": "14 days"}', "JSON is not an answer"),
    ],
)
async def test_a_malformed_reply_is_answered_with_the_first_cell_of_this_question(seen, reply, told):
    _, requests = await seen(reply, DONE)
    assert told in last(requests[1])
    assert FIRST_CELL in last(requests[1])


async def test_a_malformed_reply_does_not_stay_in_the_transcript(seen):
    _, requests = await seen("They take very long, I believe, as refunds do.", DONE)
    assert [m.role for m in requests[1].messages] == ["system", "user"]


async def test_a_cell_that_fails_once_more_does_not_stay_in_the_transcript(seen):
    _, requests = await seen(cell("x = 1 / 0 # once"), cell("x = 1 / 0 # twice"), DONE)
    assert "1 / 0 # once" in prompt(requests[1])
    assert [m.role for m in requests[2].messages] == ["system", "user"]
    assert "The same cell failed once more." in last(requests[2])
    assert "ZeroDivisionError" in last(requests[2])


async def test_a_small_model_is_sure_of_its_words_but_where_they_led_nowhere(seen):
    _, requests = await seen(cell("print(1)"), "Hm.", DONE, form="simple")
    assert [request.temperature for request in requests] == [0.0, 0.0, 0.8]
    _, requests = await seen("Hm.", DONE)
    assert [request.temperature for request in requests] == [None, None]


async def test_the_opening_message_sent_back_is_called_that(seen):
    _, requests = await seen(lambda request: request.messages[1].content, DONE)
    assert "Your reply is the message itself, sent back" in last(requests[1])
    assert [m.role for m in requests[1].messages] == ["system", "user"]


async def test_the_same_malformed_reply_again_is_called_that_and_takes_no_more_room(seen):
    _, requests = await seen("They take 14 days.", "They take 14 days.", DONE)
    assert "It is the reply before it, word for word." in last(requests[2])
    assert len(requests[2].messages) == len(requests[1].messages)


@pytest.mark.parametrize("reply", ["They take 14 days.", '{"answer": "They take 14 days."}'])
async def test_an_answer_in_words_comes_back_as_the_call_that_submits_it(seen, reply):
    _, requests = await seen(reply, DONE)
    assert 'submit("They take 14 days.")' in last(requests[1])


async def test_a_printed_answer_comes_back_as_the_call_that_submits_it(seen):
    _, requests = await seen(cell("print('They take 14 days.')"), DONE)
    assert 'submit("They take 14 days.")' in last(requests[1])


def test_what_was_computed_or_read_is_not_taken_for_a_printed_answer():
    assert printed_answer("print(n)", "14\n") == ""
    assert printed_answer("print(f'found {t}')", "found it\n") == ""
    assert printed_answer("print('14 days')", "14 days\n") == "14 days"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("# only words", "only comments"),
        ("pass", "only `pass` or text"),
        ('"""Plan."""', "only `pass` or text"),
        ("import re\nimport json", "only imports"),
        ("a = 1\nb = ['x', 2]", "only constants"),
        ("a = len(context)", ""),
        ("a = context", ""),
        ("def f():\n    return 1", ""),
    ],
)
def test_cells_that_do_nothing_are_known(source, what):
    assert does_nothing(source) == what


async def test_a_cell_that_did_nothing_is_told_so_and_what_to_write_next(seen):
    _, requests = await seen(IDLE[0], DONE)
    assert "The cell did nothing: it holds only comments." in last(requests[1])
    assert FIRST_CELL in last(requests[1])
    assert "step 1" not in prompt(requests[1])


async def test_the_same_cell_with_the_same_output_is_told_so_whatever_its_comments(seen):
    again = cell("# once more", "print( 6*7 )")
    _, requests = await seen(cell("print(6 * 7)"), again, DONE)
    assert "This is the cell before it once more, and it gave the same." in last(requests[2])


async def test_another_cell_that_shows_the_same_is_told_so(seen):
    _, requests = await seen(cell("print('refund ' * 5)"), cell("x = 'refund ' * 5", "print(x)"), DONE)
    assert "An earlier cell showed the same already." in last(requests[2])


async def test_short_outputs_that_happen_to_be_equal_are_nothing_strange(seen):
    _, requests = await seen(cell("print(grep('zz'))"), cell("print(grep('yy'))"), DONE)
    assert "showed the same" not in last(requests[2])


async def test_the_placeholder_of_an_example_is_never_submitted(seen):
    draft, requests = await seen(cell('submit("<answer>")'), DONE)
    assert "the cell submits the placeholder" in last(requests[1])
    assert draft.text == "14 days"


LONG = "How long do refunds of bricks take in Acton?"


@pytest.mark.parametrize(
    ("source", "submitted"),
    [
        ('submit("...")', "the placeholder of the example"),
        ("submit('<answer>')", "the placeholder of the example"),
        (f'submit("{" ".join(terms(LONG))}", k=5)', "the words that were searched for"),
        ('submit("Acton")', ""),
        ('submit("14 days")', ""),
        (f'hits = search("{" ".join(terms(LONG))}")', ""),
    ],
)
def test_what_stands_in_an_example_is_no_answer(source, submitted):
    assert unfilled(source, LONG) == submitted


async def test_a_placeholder_that_was_copied_is_not_shown_again_at_once(seen):
    copied = cell('submit("<answer>")')
    _, requests = await seen(copied, copied, DONE, form="simple")
    assert copied.removeprefix("So:\n") in last(requests[0])
    assert "<answer>" not in last(requests[1])
    assert last(requests[1]).count("```python") == 1


SIMPLE = render("inspector_simple")


@pytest.mark.parametrize("replies", [["Hm.", "Well."], IDLE[:2], ["Hm.", IDLE[0]], [cell("print(1)")] * 3])
async def test_after_two_turns_in_a_row_that_led_nowhere_the_prompts_are_simple(seen, replies):
    _, requests = await seen(*replies, DONE)
    assert SIMPLE not in prompt(requests[-2])
    assert requests[-1].messages[0].content == SIMPLE
    assert len(prompt(requests[-1])) < len(prompt(requests[0]))


async def test_one_turn_that_led_nowhere_changes_no_prompt(seen):
    _, requests = await seen("Hm.", cell("print(1)"), "Well.", DONE)
    assert {request.messages[0] for request in requests} == {requests[0].messages[0]}


async def test_a_small_model_has_the_simple_form_from_the_start(seen):
    draft, requests = await seen(DONE, form="simple")
    assert requests[0].messages[0].content == SIMPLE
    assert "We refund within 14 days." in last(requests[0])
    assert FIRST_CELL in last(requests[0])
    assert draft.status == "complete"


async def test_what_a_small_model_answers_is_cited_where_the_documents_say_it(seen):
    draft, requests = await seen(cell("submit('14 days')"), form="simple")
    assert len(requests) == 1
    assert draft.text == "14 days [1]"
    assert [citation.quote for citation in draft.citations] == ["We refund within 14 days."]
    assert draft.notices == ()


async def test_what_the_documents_do_not_say_stays_uncited(seen):
    draft, _ = await seen(cell("submit('Ninety years', citations=[])"), form="simple")
    assert (draft.text, draft.citations) == ("Ninety years", ())


async def test_cells_that_do_nothing_turn_after_turn_end_the_work_before_all_calls_are_used(seen):
    draft, requests = await seen(*IDLE[: MAX_IDLE + 1], "They take 14 days.")
    assert [request.purpose for request in requests] == [*["turn"] * (MAX_IDLE + 1), "extract"]
    assert "7 cells in a row did nothing" in draft.notices[0]
    assert draft.text == "They take 14 days."


async def test_malformed_replies_are_counted_for_later_runs_of_the_model(sandbox):
    forms = Forms()
    async with a_run(ScriptedLLM(["Hm.", "Well.", DONE])) as bench:
        object.__setattr__(bench.run, "forms", forms)
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert forms.form_for("scripted", None) == "simple"
