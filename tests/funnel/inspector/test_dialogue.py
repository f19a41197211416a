"""What the model is told as its conversation fills up, and what it may still spend."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from second_stage import a_run, cell, last, prompt

from funnel.inspector import Inspector
from funnel.inspector.dialogue import NEARLY_FULL
from funnel.inspector.transcript import Turn, compact, follow, told_variables, transcript
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox.base import Variable

DONE = cell("submit('done', citations=[])")
NARROW = Limits(max_prompt_tokens=14_000)


def filling(n):
    return cell(f"names_{n} = ['a'] * {n}", f"print('{n} ' * 2_500)")


async def requests_of(sandbox, *replies, limits=NARROW):
    model = ScriptedLLM(replies)
    async with a_run(model, limits=limits) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    return model.requests


async def test_after_outputs_were_dropped_the_model_is_told_its_variables(sandbox):
    requests = await requests_of(sandbox, *map(filling, range(1, 7)), DONE)
    told = next(request for request in requests if "<variables" in prompt(request))
    assert "[dropped: " in prompt(told)
    assert "names_1: list, 1 long\nnames_2: list, 2 long\n" in last(told)
    assert "context:" not in last(told).partition("<variables")[2].partition("</variables")[0]


async def test_a_turn_before_outputs_are_dropped_the_model_is_warned(sandbox):
    requests = await requests_of(sandbox, *map(filling, range(1, 7)), DONE)
    dropped = next(i for i, request in enumerate(requests) if "[dropped: " in prompt(request))
    assert NEARLY_FULL in last(requests[dropped - 1])
    assert NEARLY_FULL not in last(requests[0])


async def test_a_session_is_asked_for_its_variables_only_when_something_was_dropped(sandbox):
    asked = []

    class Watched:
        name, dialect = sandbox.name, sandbox.dialect

        def session(self, *given):
            return Opened(sandbox.session(*given))

    class Opened:
        def __init__(self, opening):
            self._opening = opening

        async def __aenter__(self):
            session = await self._opening.__aenter__()
            variables = session.variables

            async def counted():
                asked.append(1)
                return await variables()

            session.variables = counted
            return session

        async def __aexit__(self, *exc):
            return await self._opening.__aexit__(*exc)

    await requests_of(Watched(), cell("x = 1", "print(x)"), DONE)
    assert not asked
    await requests_of(Watched(), *map(filling, range(1, 7)), DONE)
    assert asked


def test_variables_are_told_by_name_kind_and_size():
    told = told_variables(
        [Variable("hits", "list", 12), Variable("n", "int"), Variable("question", "str", 5)], {"question"}
    )
    assert "hits: list, 12 long\nn: int\n" in told
    assert "question" not in told


def test_without_variables_of_its_own_nothing_is_said():
    assert told_variables([Variable("question", "str", 5)], {"question"}) == ""


def test_of_very_many_variables_the_latest_are_told_and_the_others_counted():
    told = told_variables([Variable(f"v{n}", "int") for n in range(100)], ())
    assert "(60 more)\nv60: int\n" in told


def test_short_cells_stay_when_long_ones_are_dropped():
    long, short = Turn("r" * 3_000, "f" * 50), Turn("x = search('a')", "f" * 50)
    kept = compact([long, short] * 6, limit=9_000)
    assert [turn.reply for turn in kept[1::2]] == ["x = search('a')"] * 6
    assert "dropped: an earlier cell" in kept[0].reply


def test_of_turns_in_a_row_that_led_nowhere_the_last_stands_for_all():
    first, second = Turn("", "x", astray=True), Turn("", "y", astray=True)
    good = Turn("code", "z")
    assert follow(follow((good,), first), second) == (good, Turn("", "y", count=2, astray=True))
    assert follow((first,), good) == (first, good)


def test_a_turn_that_failed_like_the_one_before_it_stands_for_both():
    good, failed, again = Turn("code", "z"), Turn("x = ", "error"), Turn("", "error", astray=True, again=True)
    assert follow((good, failed), again) == (good, replace(again, count=2))


def test_what_led_nowhere_is_told_in_the_message_before():
    turns = [Turn("code", "output"), Turn("", "That was no code.", astray=True)]
    messages = transcript("system", "opening", turns, "closing")
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[-1].content == "output\n\nThat was no code.\n\nclosing"


@pytest.mark.parametrize("calls", [6, 9])
async def test_what_the_budget_line_says_is_what_the_turn_can_spend(sandbox, calls):
    def spends(request):
        left = int(re.search(r"Left: (\d+) model calls", last(request))[1])
        return cell(
            f"a = llm_query_batched(['What is it?'] * {left})",
            "print([x['ok'] for x in a])",
            "submit(budget()['calls_left'], citations=[])",
        )

    model = ScriptedLLM([spends])
    sub = ScriptedLLM(["a lease"] * calls, name="sub")
    async with a_run(model, sub=sub, limits=Limits(max_calls=calls)) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert draft.value == 0
    assert sub.requests
