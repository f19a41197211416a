"""Quotes are spans of stored text, and markers count in order of appearance."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.citations import (
    MARKER,
    CitableText,
    answer_text,
    cite,
    markers_in,
    renumber,
    renumber_value,
    span_of,
)
from funnel.text.locating import locate
from funnel.types import Citation

TEXT = "Cats sleep. “It’s the owner’s\n  choice” – said Ada—twice…  Dogs bark."


def citation(start, stop=None):
    return Citation("d", "", "", start, start + 1 if stop is None else stop, "q")


A, B, C = citation(0), citation(10), citation(20)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("Cats sleep.", "Cats sleep."),
        ("  Cats sleep. \n", "Cats sleep."),
        ("the owner’s choice", "the owner’s\n  choice"),
        ("\"It's the owner's choice\" - said", "“It’s the owner’s\n  choice” – said"),
        ("said Ada-twice...", "said Ada—twice…"),
        ("Ada–twice… Dogs", "Ada—twice…  Dogs"),
        ("sleep.\u00a0\"It's", "sleep. “It’s"),
    ],
)
def test_a_quote_is_found_where_white_space_quotation_marks_and_dashes_were_retyped(quote, found):
    start, stop = locate(TEXT, quote)
    assert TEXT[start:stop] == found


@pytest.mark.parametrize(
    "quote",
    ["", " \n", "Cats sleeps.", "cats sleep.", "Dogs  meow.", "Cats … bark.", "owners choice", "Cats.sleep."],
)
def test_words_that_do_not_stand_there_to_the_letter_are_nowhere(quote):
    assert locate(TEXT, quote) is None


def test_the_stretch_that_is_exact_goes_before_an_earlier_one_that_is_only_alike():
    assert locate("a\nb and a b", "a b") == (8, 11)


def test_the_first_of_several_exact_places_is_named():
    assert locate("yes, yes", "yes") == (0, 3)


def test_a_quote_with_the_signs_of_a_pattern_is_taken_to_the_letter():
    assert locate("so f(x)  = [a|b]+ holds", "f(x) = [a|b]+") == (3, 17)
    assert locate("so f(xy) = ab holds", "f(x.) = [a|b]+") is None


def alike(text):
    """The words of a text with everything that may be retyped made the same."""
    kinds = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})
    return text.translate(kinds).split()


SIGNS = st.text(alphabet="ab .-–—'’\"“…\n\u00a0(*", max_size=24)


@given(SIGNS, SIGNS)
def test_a_span_holds_the_words_of_the_quote_whatever_both_are(text, quote):
    span = locate(text, quote)
    if quote.strip() and quote.strip() in text:
        assert span is not None
    if span is not None:
        assert alike(text[span[0] : span[1]]) == alike(quote)


@given(st.text(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_every_stretch_of_a_text_is_found_in_it_retyped_or_not(text, start, length):
    quote = text[start : start + length].strip()
    if quote:
        begin, stop = locate(text, quote)
        assert text[begin:stop] == quote


def test_a_citation_carries_the_stored_words_at_offsets_of_the_whole_document():
    source = CitableText("d7", "Title", "file:///d7", 100, "Cats  sleep. Dogs bark.")
    assert cite(source, "Cats sleep.") == Citation("d7", "Title", "file:///d7", 100, 112, "Cats  sleep.")


def test_there_is_no_citation_of_words_that_stand_nowhere():
    assert cite(CitableText("d", "", "", 0, "Cats sleep."), "Cats bark.") is None


def test_markers_count_in_order_of_appearance():
    assert renumber("x [7] y [2] z [7]", {2: [A], 7: [B]}) == ("x [1] y [2] z [1]", (B, A))


def test_a_marker_that_stands_for_nothing_is_taken_out_with_the_space_before_it():
    assert renumber("x [9], y [2] [9] z [9].", {2: [A]}) == ("x, y [1] z.", (A,))


def test_of_markers_side_by_side_the_first_that_is_left_keeps_the_space():
    assert renumber("x [9][2].", {2: [A]}) == ("x [1].", (A,))
    assert renumber("x [8][9][2][7]. y [9][8].", {2: [A]}) == ("x [1]. y.", (A,))


def test_a_span_that_goes_beyond_the_text_is_cited_as_far_as_the_text_goes():
    cited = span_of(CitableText("a", "A", "file:///a", 10, "We refund."), 3, 40)
    assert (cited.quote, cited.start, cited.stop) == ("refund.", 13, 20)


def test_a_marker_for_several_quotes_becomes_several():
    assert renumber("x [1].", {1: [A, B]}) == ("x [1][2].", (A, B))


def test_equal_spans_become_one_citation():
    assert renumber("x [1] y [2]", {1: [A], 2: [citation(0)]}) == ("x [1] y [1]", (A,))


def test_citations_that_no_marker_names_follow_those_that_are_named():
    assert renumber("x [3]", {1: [A], 2: [B], 3: [C]}) == ("x [1]", (C, A, B))


def test_what_is_in_brackets_and_no_number_is_left_alone():
    assert renumber("a[i] [x] [2024] [1]", {1: [A]}) == ("a[i] [x] [2024] [1]", (A,))


def test_spaces_stay_as_they_are_where_no_marker_was_removed():
    assert renumber("a  b\n    code [1]", {1: [A]})[0] == "a  b\n    code [1]"


def test_the_indent_of_code_stays_where_a_marker_was_removed():
    assert renumber("x [9]\n    code", {})[0] == "x\n    code"


@given(
    st.lists(st.sampled_from(["word", " ", "[1]", "[2]", "[3]", "[40]", "\n", "."]), max_size=20),
    st.dictionaries(st.integers(1, 4), st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=3)),
)
def test_after_renumbering_every_marker_names_a_citation_and_they_count_from_one(parts, numbered):
    text, citations = renumber("".join(parts), numbered)
    shown = [int(number) for number in MARKER.findall(text)]
    first_seen = list(dict.fromkeys(shown))
    assert first_seen == list(range(1, len(first_seen) + 1))
    assert len(first_seen) <= len(citations) == len(set(citations))
    assert set(citations) == {c for quotes in numbered.values() for c in quotes}
    assert re.sub(r"\[\d+\]|\s", "", text) == re.sub(r"\[\d+\]|\s", "", "".join(parts))


NUMBERED = st.dictionaries(st.integers(1, 4), st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=3))
WORDS = st.lists(
    st.sampled_from(["word", " ", "  ", "[1]", "[2]", "[40]", '"', "\\", "\n", ".", "[2026]", "退款。"]),
    max_size=8,
).map("".join)
VALUES = st.recursive(
    WORDS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def leaves(value):
    """Every text, number and key of a value, in order."""
    if isinstance(value, dict):
        return [part for key, item in value.items() for part in (("key", key), *leaves(item))]
    if isinstance(value, list):
        return [part for item in value for part in leaves(item)]
    return [(type(value), value)]


@given(VALUES, NUMBERED)
def test_a_renumbered_value_has_the_same_shape_keys_and_numbers(value, numbered):
    renumbered, _ = renumber_value(value, numbered)
    before, after = leaves(value), leaves(renumbered)
    assert [(kind, part) for kind, part in before if kind is not str] == [
        (kind, part) for kind, part in after if kind is not str
    ]
    assert len(before) == len(after)


@given(VALUES, NUMBERED)
def test_the_texts_of_a_value_lose_nothing_but_markers_and_the_spaces_before_them(value, numbered):
    renumbered, _ = renumber_value(value, numbered)
    for (kind, before), (_, after) in zip(leaves(value), leaves(renumbered), strict=True):
        if kind is str and not MARKER.search(before):
            assert after == before
        elif kind is str:
            assert re.sub(r" *\[\d{1,3}\]", "", after).strip() == re.sub(r" *\[\d{1,3}\]", "", before).strip()


@given(VALUES, NUMBERED)
def test_the_markers_of_a_value_count_from_one_and_name_its_citations(value, numbered):
    renumbered, citations = renumber_value(value, numbered)
    first_seen = list(dict.fromkeys(markers_in(renumbered)))
    assert first_seen == list(range(1, len(first_seen) + 1))
    assert set(citations) == {c for quotes in numbered.values() for c in quotes}
    once, again = renumber_value(renumbered, {n: [c] for n, c in enumerate(citations, start=1)})
    assert (once, again) == (renumbered, citations)


@given(VALUES)
def test_the_text_of_a_value_is_json_unless_it_is_text(value):
    text = answer_text(value)
    assert text == value if isinstance(value, str) else json.loads(text) == value


def test_a_number_in_a_list_is_no_marker():
    assert MARKER.findall(answer_text({"n": [5]})) == markers_in({"n": [5], "[3]": 1}) == []


def test_a_run_of_spaces_costs_no_more_than_its_length():
    assert renumber(" " * 50_000 + "x" + " " * 50_000 + "y", {})[0] == "x" + " " * 50_000 + "y"
