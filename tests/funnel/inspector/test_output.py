"""How much of an output a model sees, where it is cut, and what it is told to hold the rest."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from second_stage import a_run, cell, last

from funnel.inspector import Inspector
from funnel.inspector.output import LEAST_CHARS, printed_name, shorten, window
from funnel.llm.budget import Limits
from funnel.llm.scripted import ScriptedLLM

LINES = "".join(f"line {n:05d} of a long output\n" for n in range(2_000))
DONE = cell("submit('done', citations=[])")


def test_the_window_is_half_of_what_is_free_where_much_is():
    # An estimated token is two characters of plain text, and half of them are shown.
    assert window(26_000, 28_000) == 26_000


def test_the_window_does_not_shrink_below_what_it_was_unless_all_turns_have_less():
    assert window(100, 28_000) == LEAST_CHARS
    assert window(100, 3_000) == 3_000


def test_a_remainder_under_a_fifth_of_the_window_is_shown():
    assert shorten("x" * 9_600, chars=8_000) == "x" * 9_600
    assert len(shorten("x" * 9_601, chars=8_000)) < 9_000


def test_a_cut_falls_between_lines():
    before, _, after = shorten(LINES, chars=8_000).split("\n[... ")[0], "", shorten(LINES).split("...]\n")[1]
    assert LINES.startswith(before + "\n")
    assert LINES.endswith("\n" + after)


def test_what_is_said_to_be_missing_is_exactly_what_is():
    shown = shorten(LINES, chars=8_000)
    missing, first = re.search(
        r"\[\.\.\. ([\d,]+) of 56,000 characters not shown, from ([\d,]+) on", shown
    ).groups()
    note = re.search(r"\n?\[\.\.\. .* \.\.\.\]\n", shown)[0]
    at = int(first.replace(",", ""))
    left = LINES[:at] + LINES[at + int(missing.replace(",", "")) :]
    assert shown.replace(note, "\n", 1) == left


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("text = read('a')\nprint(text)", "text"),
        ("text = read('a')\ntext", "text"),
        ("print(text[:10])", ""),
        ("print(a)\nprint(b)", ""),
        ("for t in ts:\n    print(t)", ""),
        ("def f(t):\n    print(t)\nf(x)", ""),
        ("print(a, b)", ""),
        ("print(text)\nother", ""),
    ],
)
def test_a_variable_is_named_only_if_it_is_all_that_the_cell_showed(source, name):
    assert printed_name(source) == name


async def test_the_named_variable_and_last_output_hold_the_rest(sandbox):
    model = ScriptedLLM([
        cell("text = ''.join(f'line {n:05d} of a long output\\n' for n in range(4_000))", "print(text)"),
        cell("submit([len(text), len(last_output())], citations=[])"),
    ])  # fmt: skip
    async with a_run(model) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert "the whole is in `text`; in the next cell last_output() has all" in last(model.requests[1])
    assert draft.value == [112_000, 112_001]


async def test_the_hint_beside_a_cut_shows_the_next_part_when_it_is_copied(sandbox):
    def copied(request):
        return cell(re.search(r"print\(last_output\(\)\[\d+:\d+\]\)", last(request))[0])

    model = ScriptedLLM(
        [cell("for n in range(4_000): print(f'line {n:05d} of a long output')"), copied, DONE]
    )
    async with a_run(model) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    shown = [int(n) for n in re.findall(r"line (\d{5})", last(model.requests[1]))]
    cut = next(n for n, after in pairwise(shown) if after != n + 1)
    assert f"line {cut + 1:05d}" in last(model.requests[2])


async def test_an_output_that_fits_the_free_half_of_the_prompt_is_whole(sandbox):
    model = ScriptedLLM([cell("print('word ' * 4_000)"), DONE])
    async with a_run(model, limits=Limits(max_prompt_tokens=32_000)) as bench:
        await Inspector(sandbox).answer(bench.run, bench.hits())
    assert last(model.requests[1]).count("word ") == 4_000
