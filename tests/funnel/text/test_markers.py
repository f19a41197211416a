"""References to passages are read in all usual forms; other numbers in brackets are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.markers import in_one_form, markers, replace_markers


def one_form(text, quoted=(1, 2, 3)):
    return in_one_form(text, 5, quoted, lambda _number, words: words.endswith(".pdf"))


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Yes [1, 2].", "Yes [1][2]."),
        ("Yes [1; 2] and [2 and 3].", "Yes [1][2] and [2][3]."),
        ("Yes [1-3].", "Yes [1][2][3]."),
        ("Yes [1–2], [2,3].", "Yes [1][2], [2][3]."),
        ("Yes【1†source】.", "Yes[1]."),
        ("Yes 【1:0†source】【2†L3-L5】.", "Yes [1][2]."),
        ("Yes [passage 1], [Source: 2], (Passages 1 and 3).", "Yes [1], [2], [1][3]."),
        ("Yes [passage 1, passage 2].", "Yes [1][2]."),
        ("Ja [Quelle 1].", "Ja [1]."),
        ('Yes [n="2"], [#1], [[3]], \\[1\\].', "Yes [2], [1], [3], [1]."),
        ("Yes (1). No (2)", "Yes [1]. No [2]"),
        ("Yes [^1].", "Yes [1]."),
        ("Yes [1](https://example.org/a), <sup>2</sup>.", "Yes [1], [2]."),
        ("Yes it does.¹", "Yes it does. [1]"),
        ("Yes [1].\n\n[1]: Refunds.pdf", "Yes [1].\n\n"),
        ("Yes [1].\n\nSources:\n[1] Refunds.pdf\n[2] Leases.pdf", "Yes [1].\n"),
        ("[1]: They take 14 days.\n[2]: By post.", "They take 14 days. [1]\nBy post. [2]"),
    ],
)
def test_a_reference_is_read_in_any_usual_form(text, marked):
    assert one_form(text) == marked


@pytest.mark.parametrize(
    "text",
    [
        "In [2019] and [1990-2000].",
        "Five (5) days, thirty (30) days.",
        "Set argv[1], x[0], a_list[2] and sys.path[1].",
        "Write `a[1]` or\n```\nb [1, 2]\n```",
        "It returns [10, 20] and [0, 1].",
        "An area of 20 m² and 10³ items.",
        "Mostly [^1].\n\n[^1]: But not on Sundays.",
        "First (1) open it, then (2) close it.",
    ],
)
def test_what_is_no_reference_stays_as_it_is(text):
    assert one_form(text) == text


def test_a_number_in_parentheses_is_one_only_if_that_passage_is_quoted():
    assert one_form("Yes (2).", quoted=(1,)) == "Yes (2)."


def test_markers_are_those_outside_code():
    text = "A [1], `b[2]`, argv[1], days[3].\n```\nc [4]\n```"
    assert [int(marker[1]) for marker in markers(text)] == [1, 3]


def test_a_marker_that_is_removed_takes_the_space_before_it_along():
    assert replace_markers("A [1], b  [2] c.", lambda n: None if n == 1 else "[9]") == "A, b  [9] c."


@given(st.text(alphabet="[]()^†【】1234, -:ab.\n`_<sup>/", max_size=120))
def test_no_text_raises(text):
    assert isinstance(one_form(text), str)
