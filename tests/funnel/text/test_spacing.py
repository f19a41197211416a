"""Texts are trimmed for a model: needless spaces are left out, and paragraphs stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.locating import locate
from funnel.text.spacing import without_gaps


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Revenue          7,966           10,997", "Revenue  7,966  10,997"),
        ("One.\n\n \n\u00a0\n\nTwo.\n", "One.\n\nTwo."),
        ("Hill      1\n\n\nMill      2\n\nBoth are let.", "Hill  1\nMill  2\n\nBoth are let."),
        ("a\tb\n\nc\td", "a\tb\nc\td"),
        ("| a | b |\n\n| c | d |", "| a | b |\n| c | d |"),
        ("def f():\n\n        return 1", "def f():\n\n        return 1"),
        (f"{' ' * 90}Total", f"{' ' * 24}Total"),
        ("---\ndate: 2024\n---\nThe lease ends.", "---\ndate: 2024\n---\nThe lease ends."),
        ("\n\nThe lease.", "The lease."),
    ],
)
def test_what_tells_nothing_is_left_out(stored, shown):
    assert without_gaps(stored) == shown


@given(st.text(alphabet=st.sampled_from("ab,. \n\t\u00a0|"), max_size=300))
def test_a_line_that_is_shown_is_found_where_it_is_stored(stored):
    for line in without_gaps(stored).splitlines():
        assert locate(stored, line) is not None or len(line.split()) < 2
