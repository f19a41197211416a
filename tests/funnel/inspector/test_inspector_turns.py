"""Code out of a reply, feedback on a cell, and a transcript that stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.inspector.turns import (
    HEAD_CHARS,
    MAX_TRANSCRIPT_CHARS,
    TAIL_CHARS,
    Code,
    Malformed,
    Turn,
    compact,
    feedback,
    parse,
    shorten,
    transcript,
)
from funnel.sandbox.base import CellError, CellResult


@pytest.mark.parametrize(
    "reply",
    [
        "```python\nx = 1\n```",
        "```py\nx = 1\n```\n",
        "```repl\nx = 1\n```",
        "```\nx = 1\n```",
        "I shall look.\n```python\nx = 1\n```\nThen we see.",
        "  ```python\nx = 1\n  ```",
        "```json\n{}\n```\n```python\nx = 1\n```",
        "```python title=a\nx = 1\n```  ",
    ],
)
def test_the_one_python_block_is_the_code(reply):
    assert parse(reply) == Code("x = 1\n")


@pytest.mark.parametrize(
    ("reply", "cut", "reason"),
    [
        ("", False, "was empty"),
        (" \n", False, "was empty"),
        ("The answer is 4.", False, "Prose is not an answer"),
        ("submit('x')", False, "no ```python block"),
        ("```json\n{}\n```", False, "no ```python block"),
        ("```python\n\n```", False, "no ```python block"),
        ("```python\nx\n```\n```python\ny\n```", False, "has 2 python blocks"),
        ("```python\nx = [1,", True, "cut off"),
        ("```python\nx = [1,", False, "no ```python block"),
        ("Let me think", True, "cut off"),
    ],
)
def test_any_other_reply_is_told_what_was_wrong(reply, cut, reason):
    wrong = parse(reply, cut=cut)
    assert isinstance(wrong, Malformed)
    assert reason in wrong.reason


def test_a_whole_block_of_a_reply_that_was_cut_later_is_run():
    assert parse("```python\nx = 1\n```\nAnd then I", cut=True) == Code("x = 1\n")


@given(st.text(alphabet="`python\n x", max_size=60))
def test_any_reply_is_code_or_a_reason(reply):
    found = parse(reply)
    assert isinstance(found, Code) == hasattr(found, "source")
    assert (found.source if isinstance(found, Code) else found.reason).strip()


def test_a_long_output_shows_head_tail_and_true_length():
    shown = shorten("a" * HEAD_CHARS + "b" * 1_000 + "c" * TAIL_CHARS)
    assert shown.startswith("a" * HEAD_CHARS + "\n[... 1,000 of 9,000 characters not shown")
    assert shown.endswith("\n" + "c" * TAIL_CHARS)


def test_a_text_that_just_fits_is_whole():
    text = "a" * (HEAD_CHARS + TAIL_CHARS)
    assert shorten(text) == text


def test_an_error_is_shown_with_its_line_and_what_to_write_instead():
    error = CellError("ZeroDivisionError", "division by zero", 3, "  x = 1 / 0", "Check first.")
    assert feedback(CellResult("out\n", error)).splitlines()[-4:] == [
        "Error: ZeroDivisionError: division by zero",
        "  line 3: x = 1 / 0",
        "Instead: Check first.",
        "What the cell assigned before that line is kept.",
    ]


def test_a_cell_that_was_undone_is_not_said_to_be_kept():
    shown = feedback(CellResult("", CellError("RuntimeError", "too many host calls"), restored=True))
    assert "is kept" not in shown
    assert shown.endswith("The variables are as they were before this cell.")


def test_a_syntax_error_ran_nothing_so_nothing_is_said_to_be_kept():
    assert "is kept" not in feedback(CellResult("", CellError("SyntaxError", "invalid syntax", 1, "x =")))


def test_a_silent_cell_is_told_to_print():
    assert feedback(CellResult()) == "The cell printed nothing. Use print() to see values."


def test_many_remarks_are_shown_as_a_few_and_a_count():
    shown = feedback(CellResult("x"), [f"remark {n}" for n in range(10_000)])
    assert "remark 0\n" in shown
    assert len(shown) < 1_500
    assert "… and 9,990 more remarks" in shown


def test_equal_remarks_are_said_once():
    assert feedback(CellResult("x"), ["same"] * 3).count("same") == 1


def turns(*sizes):
    return tuple(Turn(f"r{n}" * 10, "f" * size) for n, size in enumerate(sizes))


def test_turns_that_fit_are_left_alone():
    few = turns(100, 100)
    assert compact(few) == few


def test_the_oldest_outputs_go_first_and_the_last_three_stay_whole():
    kept = compact(turns(*[9_000] * 10), limit=80_000)
    assert kept[0].feedback.startswith("[dropped: 9,000 characters of output")
    assert [turn.feedback for turn in kept[-3:]] == ["f" * 9_000] * 3
    assert sum(turn.size for turn in kept) <= 80_000 * 2 // 3


def test_compacting_twice_changes_nothing_until_the_limit_is_passed_again():
    kept = compact(turns(*[9_000] * 10), limit=80_000)
    assert compact(kept, limit=80_000) == kept
    more = (*kept, *turns(9_000))
    assert compact(more, limit=80_000) == more


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 10_000)), min_size=1, max_size=50))
def test_what_is_compacted_fits_or_only_the_last_turn_is_still_whole(sizes):
    every = tuple(Turn("r" * reply, "f" * seen) for reply, seen in sizes)
    kept = compact(every)
    assert len(kept) == len(every)
    assert kept[-1] == every[-1]
    assert sum(turn.size for turn in kept) <= max(MAX_TRANSCRIPT_CHARS, every[-1].size + 150 * len(every))


def test_a_transcript_alternates_and_ends_with_the_budget():
    messages = transcript("s", "o", turns(3, 3), "Turn 3 of 16.")
    assert [message.role for message in messages] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert messages[-1].content == "fff\n\nTurn 3 of 16."
    assert messages[1].content == "o"
