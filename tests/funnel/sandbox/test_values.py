"""What may cross: plain, bounded copies."""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.sandbox.values import (
    MAX_ARGUMENTS,
    MAX_DEPTH,
    MAX_NAME,
    NotPlain,
    bounded_arguments,
    compiled_pattern,
    copy_from_host,
    refuse_objects,
    text_bytes,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def copy_from_sandbox(value):
    """An argument as the Monty engine takes it over."""
    refuse_objects([value])
    (copy,), _ = bounded_arguments([value], {})
    return copy


class Colour(StrEnum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: str


@given(JSON)
def test_json_values_cross_unchanged_in_both_directions(value):
    assert copy_from_sandbox(value) == value
    assert copy_from_host(value) == value


@pytest.mark.parametrize(
    ("given_value", "crossed"),
    [
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (Colour.RED, "red"),
        (Point(1, "b"), [1, "b"]),
        (Counter("aab"), {"a": 2, "b": 1}),
        ({1: "a", None: 2}, {1: "a", None: 2}),
    ],
)
def test_what_is_nearly_plain_becomes_plain(given_value, crossed):
    value = copy_from_sandbox(given_value)
    assert value == crossed
    assert type(value) is type(crossed)


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_the_deepest_allowed_value_crosses():
    assert copy_from_sandbox(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


def shared(levels):
    value = [0]
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (nested(MAX_DEPTH + 1), "flatten it"),
        (shared(25), "pass a smaller one"),
        (["x" * 1_000_000] * 17, "pass a slice of it"),
        (1 << 5000, "as a float or as text"),
        (b"x", "type bytes"),
        (object(), "type object"),
        ({(1, 2): 3}, "str(key)"),
        ("dict_values([1, 2])", "pass list(...)"),
        ("range(0, 3)", "pass list(...)"),
        ("<function 'f' at 0x2c>", "pass list(...)"),
    ],
)
def test_what_may_not_cross_is_refused_with_what_to_pass(value, advice):
    with pytest.raises(NotPlain) as caught:
        copy_from_sandbox(value)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("args", "kwargs", "advice"),
    [
        (["x" * 1_000_000] * 17, {}, "pass a slice of it"),
        (["\U0001f600" * 1_000_000] * 9, {}, "pass a slice of it"),
        ([[0] * 150_000, [0] * 150_000], {}, "pass a smaller one"),
        (range(MAX_ARGUMENTS + 1), {}, "pass a list"),
        ([], {str(i): i for i in range(MAX_ARGUMENTS + 1)}, "pass a list"),
        ([], {"x" * (MAX_NAME + 1): 1}, "the name of an argument"),
    ],
)
def test_the_arguments_of_one_call_are_bounded_together(args, kwargs, advice):
    with pytest.raises(NotPlain) as caught:
        bounded_arguments(list(args), kwargs)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "range of motion", "What is dict_values([1])?", "<class notes>."]
)
def test_text_that_only_resembles_a_printed_object_crosses(text):
    assert copy_from_sandbox(text) == text


def test_a_lone_surrogate_of_ours_becomes_one_character():
    assert copy_from_host(["a\ud800é"]) == ["a?é"]


def test_the_size_of_text_is_counted_in_bytes_of_utf_8():
    assert text_bytes({"é": ["ab", 1, None]}) == 2 + 2


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "re.compile('a'",
        "re.compile(a)",
        "re.compile(1)",
        "x.compile('a')",
        "re.compile('a', flags=2)",
        3,
    ],
)
def test_what_is_not_the_repr_of_a_pattern_is_not_taken_for_one(text):
    assert compiled_pattern(text) is None


@given(
    st.text(max_size=400),
    st.sampled_from(
        [0, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.VERBOSE, re.ASCII, re.IGNORECASE | re.VERBOSE]
    ),
)
def test_any_pattern_crosses_whole(text, flags):
    pattern = re.compile(re.escape(text), flags)
    (crossed,), _ = bounded_arguments([pattern], {})
    assert compiled_pattern(crossed) == (re.escape(text), flags)
