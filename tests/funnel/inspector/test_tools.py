"""What the model's code may call is declared once: prompt, journal, findings and parser follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from second_stage import a_run, cell, reading

from funnel.inspector import Inspector
from funnel.inspector.replies import prose
from funnel.inspector.tools.declaration import Exposes, declared
from funnel.inspector.tools.registry import OWNERS, TOOLS, described, names
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM
from funnel.prompts import render
from funnel.tools import RunTools

PROMPT = Path(__file__).with_name("inspector_prompt.md").read_text("utf-8").strip()
CALLS = ["recall('lease')", "rlm_query_batched(qs, lists)", "last_output()", "await read('a')", "notes()"]


def test_the_prompt_is_word_for_word_as_it_was_written_by_hand():
    assert render("inspector", tools=described(RunTools()), dialect="$dialect") == PROMPT


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_stands_in_the_prompt_with_how_it_is_called(name):
    assert f"`{name}(" in described(RunTools())
    assert TOOLS[name].prompt.removeprefix("- ").startswith(f"`{name}(")


def test_a_tool_cannot_be_declared_without_its_line():
    from funnel.inspector.tools.declaration import tool  # noqa: PLC0415

    with pytest.raises(TypeError, match="prompt"):
        tool(exposes=Exposes.NOTHING)


class Watched:
    """A sandbox that remembers by which names functions were handed to it."""

    def __init__(self, sandbox):
        self.name, self.dialect = sandbox.name, sandbox.dialect
        self._sandbox = sandbox

    def session(self, functions, *rest):
        self.functions = list(functions)
        return self._sandbox.session(functions, *rest)


async def test_the_sandbox_is_given_every_declared_tool_and_no_other(sandbox):
    model, watched = ScriptedLLM([cell("submit(1, citations=[])")]), Watched(sandbox)
    async with a_run(model) as bench:
        await Inspector(watched).answer(bench.run, bench.hits())
    assert watched.functions == list(TOOLS) == [each.name for owner in OWNERS for each in declared(owner)]


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("call", ["{}()", "await {}('x')", "{}('a', [\n'b'])"])
def test_a_stray_call_of_any_tool_is_no_prose(name, call):
    assert prose(call.format(name), names(RunTools())) == ""


@pytest.mark.parametrize(
    "text", ["Readers (all) agree.", "It ends in May.", "recall that it ended", "f(x) = 1"]
)
def test_words_that_look_a_little_like_a_call_are_prose(text):
    assert prose(text, names(RunTools())) == text


@pytest.mark.parametrize("call", CALLS)
async def test_a_run_whose_last_reply_is_a_stray_call_has_no_answer(sandbox, call):
    model = ScriptedLLM([cell("x = 1"), call, reading("It is not said.", found=False)])
    async with a_run(model, limits=Limits(max_turns=1)) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert (draft.status, draft.text) == ("declined", "No answer was found in 3 documents and 1 turn.")
