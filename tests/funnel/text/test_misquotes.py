"""A quote that was not copied exactly is found where it means, unless it says something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.misquotes import locate_misquote

TEXT = (
    "We refund within 14 days. Shipping is not refunded. The board withdrew its grant in 2019, since “Heron” "
    "had failed. It may be granted again after a new vote of all members."
)


HERON = "The board withdrew its grant in 2019, since “Heron” had failed."


@pytest.mark.parametrize(
    ("quote", "stored"),
    [
        ("we refund WITHIN 14 days", "We refund within 14 days"),
        ("We refund within fourteen days.", "We refund within 14 days."),
        ("We refund in 14 days.", "We refund within 14 days."),
        ("We will refund within 14 days.", "We refund within 14 days."),
        ("shipping is not refunded", "Shipping is not refunded"),
        ("The board withdrew the grant in 2019 since Heron failed", HERON[:-1]),
        ("The board withdrew the grant in 2019 since 'Heron' had failed.", HERON),
        ("The bord withdrew its grant in 2019", "The board withdrew its grant in 2019"),
        ("The board withdrew ... had failed", HERON[:-1]),
        ("We refund within 14 days […] Shipping is not refunded", TEXT[:50]),
    ],
)
def test_a_quote_with_small_differences_is_found(quote, stored):
    span = locate_misquote(TEXT, quote)
    assert (span and TEXT[span[0] : span[1]]) == stored


@pytest.mark.parametrize(
    "quote",
    [
        "We refund within 40 days.",
        "Shipping is refunded.",
        "We do not refund within 14 days.",
        "The board withdrew its grant in 2018, since",
        "Ada Roth withdrew its grant in 2019",
        "It must be granted again after a new vote",
        "It may be granted again before a new vote",
        "It may be granted again after a new vote of some members",
        "We refund within 14 days ... for any reason",
        "days",
        "",
        "...",
    ],
)
def test_a_quote_that_says_something_else_is_not_found(quote):
    assert locate_misquote(TEXT, quote) is None


@given(st.text(alphabet="ab .1…", max_size=80), st.text(alphabet="ab .1…", max_size=80))
def test_what_is_found_is_a_span_of_the_text(text, quote):
    span = locate_misquote(text, quote)
    assert span is None or 0 <= span[0] < span[1] <= len(text)
