"""Code out of a reply, feedback on a cell, and a transcript that stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.errors import BudgetTooSmall
from funnel.inspector.output import USUAL_CHARS, shorten
from funnel.inspector.replies import Code, Malformed, parse
from funnel.inspector.transcript import (
    CLOSING_TOKENS,
    MIN_TURNS_TOKENS,
    Turn,
    compact,
    feedback,
    room_for_turns,
    transcript,
)
from funnel.llm.base import Request, estimated_tokens
from funnel.prompts import fence
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
        ("```json\n{}\n```", False, "no ```python block"),
        ("```python\n\n```", False, "block is empty"),
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
    shown = shorten("a" * 6_000 + "b" * 4_000 + "c" * 2_000)
    assert shown.startswith("a" * 6_000 + "\n[... 4,000 of 12,000 characters not shown")
    assert shown.endswith("\n" + "c" * 2_000)


def test_a_text_that_just_fits_is_whole():
    text = "a" * USUAL_CHARS
    assert shorten(text) == text


def test_an_error_is_shown_with_its_line_and_what_to_write_instead():
    error = CellError("ZeroDivisionError", "division by zero", 3, "  x = 1 / 0", "Check first.")
    told = fence("error", "Error: ZeroDivisionError: division by zero\n  line 3: x = 1 / 0")
    assert feedback(CellResult("out\n", error)).splitlines()[-6:] == [
        *told.splitlines(),
        "Instead: Check first.",
        "What the cell assigned before that line is kept.",
    ]


def test_a_cell_that_was_undone_is_not_said_to_be_kept():
    shown = feedback(CellResult("", CellError("RuntimeError", "too many host calls"), restored=True))
    assert "is kept" not in shown
    assert shown.endswith("The variables are as they were before this cell.")


def test_a_cell_that_was_refused_is_said_not_to_have_run():
    error = CellError("NotImplementedError", "no yield", 2, "yield 1", "Return a list.")
    shown = feedback(CellResult("", error, refused=True))
    assert shown.endswith("Instead: Return a list.\nNothing of this cell was run.")


def test_an_error_in_a_function_is_shown_with_the_call_and_the_place():
    error = CellError("KeyError", "'x'", 7, "rows(d)", within="line 2, in rows: return d['x']")
    told = fence("error", "Error: KeyError: 'x'\n  line 7: rows(d)\n  line 2, in rows: return d['x']")
    assert told in feedback(CellResult("", error))


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
    assert compact(few, limit=2_000) == few


def total(kept):
    return sum(turn.tokens for turn in kept)


def test_a_turn_takes_what_its_two_messages_are_estimated_at():
    assert Turn("r" * 100, "f" * 50).tokens == (100 // 2 + 8) + (50 // 2 + 8)


def test_the_oldest_outputs_go_first_and_the_last_three_stay_whole():
    kept = compact(turns(*[9_000] * 10), limit=40_000)
    assert kept[0].feedback.startswith("[dropped: 9,000 characters of output")
    assert kept[0].reply == "r0" * 10
    assert [turn.feedback for turn in kept[-3:]] == ["f" * 9_000] * 3
    assert total(kept) <= 40_000 * 2 // 3


def test_compacting_twice_changes_nothing_until_the_limit_is_passed_again():
    kept = compact(turns(*[9_000] * 10), limit=40_000)
    assert compact(kept, limit=40_000) == kept
    more = (*kept, *turns(9_000))
    assert total(more) <= 40_000
    assert compact(more, limit=40_000) == more


def test_the_beginning_of_the_prompt_stays_the_same_for_many_turns():
    kept, changed = (), 0
    for turn in turns(*[1_000] * 200):
        before, kept = kept, compact((*kept, turn), limit=12_000)
        changed += kept[: len(before)] != before
    # A turn takes 500 + 8 + 10 + 8 tokens, and a third of the limit is freed at once: room for 7 of them.
    assert changed <= 200 // 7


def test_output_that_only_looks_dropped_is_dropped_too():
    turns = [Turn("code", f"[dropped{'x' * 9_000}") for _ in range(6)]
    kept = compact(turns, limit=MIN_TURNS_TOKENS * 10)
    assert kept[0] == Turn(
        "code",
        "[dropped: 9,008 characters of output; what you assigned and noted is still there]",
        dropped=True,
    )


def test_many_dropped_turns_become_one():
    first, *_, last = kept = compact(turns(*[300] * 1_000), limit=2_000)
    assert first.feedback == f"[dropped: {first.count} turns; what you assigned and noted is there]"
    assert sum(turn.count for turn in kept) == 1_000
    assert last.feedback == "f" * 300


def test_a_last_turn_that_is_too_long_by_itself_loses_its_middle():
    reply, seen = "begin" + "r" * 50_000 + "end", "Output:" + "界" * 9_000 + "Error"
    [cut] = compact([Turn(reply, seen)], limit=2_000)
    assert cut.tokens <= 2_000
    assert (cut.reply[:5], cut.reply[-3:]) == ("begin", "end")
    assert (cut.feedback[:7], cut.feedback[-5:]) == ("Output:", "Error")
    assert "[... the middle of 50,008 characters is left out ...]" in cut.reply


def test_of_a_long_turn_the_short_side_stays_whole():
    [cut] = compact([Turn("short", "f" * 50_000)], limit=2_000)
    assert cut.reply == "short"
    [cut] = compact([Turn("r" * 50_000, "short")], limit=2_000)
    assert cut.feedback == "short"


TEXTS = st.builds(lambda n, c: c * n, st.integers(0, 30_000), st.sampled_from("r\u00e9界\U0001f98a\ud800"))


@settings(deadline=None)
@given(
    st.lists(st.builds(Turn, TEXTS, TEXTS), max_size=40),
    st.text(max_size=2_000),
    st.text(max_size=5_000),
    st.integers(0, 60_000),
)
def test_any_transcript_is_within_any_limit_that_its_fixed_part_leaves_room_in(every, system, opening, more):
    fixed = estimated_tokens(system) + estimated_tokens(opening) + CLOSING_TOKENS + MIN_TURNS_TOKENS
    limit = fixed + more
    room = room_for_turns(system, opening, max_prompt_tokens=limit)
    kept = compact(every, limit=room)
    closing = "c" * (2 * CLOSING_TOKENS - 4)
    request = Request(transcript(system, opening, kept, closing), "turn")
    assert request.estimated_input_tokens() <= limit
    assert sum(turn.count for turn in kept) == len(every)
    assert compact(kept, limit=room) == kept


def test_a_limit_below_the_fixed_part_is_refused_in_one_line():
    needed = (1_000 + 8) + (2_000 + 8) + CLOSING_TOKENS + MIN_TURNS_TOKENS
    assert room_for_turns("s" * 2_000, "o" * 4_000, max_prompt_tokens=needed) == MIN_TURNS_TOKENS
    with pytest.raises(BudgetTooSmall, match=f"max_prompt_tokens = {needed - 1} is too small to start"):
        room_for_turns("s" * 2_000, "o" * 4_000, max_prompt_tokens=needed - 1)


def test_a_transcript_alternates_and_ends_with_the_budget():
    messages = transcript("s", "o", turns(3, 3), "Turn 3 of 16.")
    assert [message.role for message in messages] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert messages[-1].content == "fff\n\nTurn 3 of 16."
    assert messages[1].content == "o"
