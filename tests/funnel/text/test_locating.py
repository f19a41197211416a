"""A quote is found as a pattern would find it, in time that no text and no quote can blow up."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.locating import locate

SIGNS = st.lists(
    st.sampled_from(["a", "b", " ", "\n", "\u00a0", ".", "…", "...", "-", "–", "'", "’", '"', "“"])
)
TEXTS = SIGNS.map("".join)
LOOSE = {"'": "['‘’]", '"': '["“”]', "-": "[-–—]"}
RETYPED = str.maketrans({"’": "'", "“": '"', "–": "-", "\u00a0": " ", "…": "..."})
LONG = 200_000
SOON_S = 1.0
"""A pattern takes from four seconds to hours for these; the words take some hundredths."""


def by_pattern(text, quote):
    """What a regular expression finds, word for word."""
    words = quote.strip().translate(RETYPED).split()
    if len(words) < 2:
        return None
    loose = ("".join(LOOSE.get(c, re.escape(c)) for c in word) for word in words)
    pattern = r"\s+".join(word.replace(r"\.\.\.", r"(?:\.\.\.|…)") for word in loose)
    found = re.search(pattern, text)
    return found.span() if found else None


@given(TEXTS, TEXTS)
def test_words_are_found_where_a_pattern_finds_them(text, quote):
    expected = by_pattern(text, quote)
    if quote.strip() not in text and "...." not in quote.translate(RETYPED):
        found = locate(text, quote)
        if expected is None and found is not None:
            assert without_space(text[slice(*found)]) == without_space(quote)
        else:
            assert found == expected


def without_space(quote):
    """A quote without white space, and without what it stands between."""
    return "".join(quote.translate(RETYPED).split()).strip("'\"`")


CODE = "try:\n    pass\nexcept Retry as exc:\n    task.retries = max(task.retries, 1)\n"


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("max(task.retries,1)", "max(task.retries, 1)"),
        ("task.retries=max( task.retries, 1 )", "task.retries = max(task.retries, 1)"),
        ("'except Retry as exc:'", "except Retry as exc:"),
        ("`max(task.retries,1)`", "max(task.retries, 1)"),
        ("max(task.retries, 12)", None),
        ("tas k.retries", None),
    ],
)
def test_white_space_beside_signs_does_not_matter(quote, found):
    span = locate(CODE, quote)
    assert (span and CODE[slice(*span)]) == found


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("a " * (LONG // 2), "a " * 900 + "b c"),
        ("a" + " " * LONG + "a", "a a b"),
        ("a \n" * (LONG // 3), "a " * (LONG // 2) + "b"),
        ("… " * (LONG // 2), ".. " * 900 + ".."),
        ("…" * LONG + " " + "…" * LONG, ". ."),
        ("ab" * (LONG // 2) + " x", "ab" * (LONG // 4) + "c x"),
    ],
)
def test_a_text_and_a_quote_made_to_take_long_do_not(text, quote):
    began = time.thread_time()
    locate(text, quote)
    assert time.thread_time() - began < SOON_S
