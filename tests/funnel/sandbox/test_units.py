"""The units that stand in for what the engine lacks agree with CPython, which can run their source, too."""

from __future__ import annotations

import ast
import calendar
import difflib
import functools
import pprint
import re
import statistics
import textwrap
import urllib.parse
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.sandbox.monty.stdlib import ADDED, UNITS, added, bound_method, module_source, shim_name

FLOATS = st.floats(-1e9, 1e9, allow_nan=False)
DATA = st.lists(FLOATS | st.integers(-1_000, 1_000), min_size=2, max_size=12)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text("ab '\"\\\n", max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def unit(name):
    namespace = {}
    exec(module_source(name), namespace)  # noqa: S102 - our own source
    return namespace[shim_name(name)]


NUMBER, PATTERN, TEXT, SET = unit("+number"), unit("+pattern"), unit("+text"), unit("+set")
STATISTICS, WRAP, DIFF = unit("statistics"), unit("textwrap"), unit("difflib")


@given(FLOATS, st.integers(-4, 6))
def test_rounding_agrees(value, digits):
    assert NUMBER.round(value, digits) == round(value, digits)


@given(st.integers(-(2**70), 2**70))
def test_bits_and_bytes_of_integers_agree(value):
    assert (NUMBER.bit_length(value), NUMBER.bit_count(value)) == (value.bit_length(), value.bit_count())
    data = value.to_bytes(10, "big", signed=True)
    assert NUMBER.to_bytes(value, 10, "big", signed=True) == data
    assert NUMBER.from_bytes(data, "big", signed=True) == value


@given(FLOATS)
def test_the_ratio_of_a_number_agrees(value):
    assert NUMBER.as_integer_ratio(value) == value.as_integer_ratio()
    assert NUMBER.is_integer(value) == value.is_integer()


@given(st.integers(-50, 50), st.integers(-20, 20), st.integers(2, 50))
def test_powers_with_a_modulus_agree(base, exponent, modulus):
    try:
        wanted = pow(base, exponent, modulus)
    except ValueError:
        with pytest.raises(ValueError, match="not invertible"):
            NUMBER.pow(base, exponent, modulus)
    else:
        assert NUMBER.pow(base, exponent, modulus) == wanted


@pytest.mark.parametrize("name", ["mean", "variance", "pvariance", "stdev", "pstdev", "fmean", "median"])
@given(data=DATA)
def test_statistics_agree_to_the_last_digit(name, data):
    assert getattr(STATISTICS, name)(data) == getattr(statistics, name)(data)


@given(st.lists(st.integers(1, 100), min_size=2, max_size=8))
def test_a_harmonic_mean_agrees(data):
    exact = len(data) / sum(Fraction(1, each) for each in data)
    assert STATISTICS.harmonic_mean(data) == pytest.approx(float(exact))


@given(st.text("abc -'(.—é", max_size=120), st.integers(5, 40))
def test_any_text_wraps_alike(text, width):
    assert WRAP.wrap(text, width) == textwrap.wrap(text, width)


@given(st.text("ab", min_size=190, max_size=260), st.text("abc", min_size=190, max_size=260))
def test_the_similarity_of_long_texts_agrees(a, b):
    mine, theirs = DIFF.SequenceMatcher(None, a, b), difflib.SequenceMatcher(None, a, b)
    assert (mine.ratio(), mine.quick_ratio()) == (theirs.ratio(), theirs.quick_ratio())


@given(st.lists(st.sampled_from("abcd"), max_size=15), st.lists(st.sampled_from("abcd"), max_size=15))
def test_differences_agree(a, b):
    assert DIFF.SequenceMatcher(None, a, b).get_opcodes() == difflib.SequenceMatcher(None, a, b).get_opcodes()
    assert list(DIFF.unified_diff(a, b, "x", "y", n=1)) == list(difflib.unified_diff(a, b, "x", "y", n=1))


@given(PLAIN)
def test_values_are_shown_alike_over_several_lines(value):
    assert unit("pprint").pformat(value, width=40) == pprint.pformat(value, width=40)


@given(st.text("abé\x80€ü", max_size=20), st.sampled_from(["latin-1", "cp1252", "utf-8"]))
def test_encodings_agree(text, encoding):
    data = text.encode(encoding, "ignore")
    assert TEXT.encode(text, encoding, "ignore") == data
    assert TEXT.decode(data, encoding) == data.decode(encoding, "replace")


@given(st.text("abcx", max_size=20))
def test_translated_text_agrees(text):
    assert TEXT.maketrans("ab", "xy", "c") == str.maketrans("ab", "xy", "c")
    assert TEXT.translate(text, {97: "AA", 98: None, 99: 120}) == text.translate(
        {97: "AA", 98: None, 99: 120}
    )


@given(st.text("ab1 ", max_size=20), st.integers(0, 20))
def test_replacing_by_a_function_and_from_a_position_agrees(text, at):
    pattern = re.compile(r"([ab]+)(1)?")
    assert PATTERN.subn(pattern, lambda m: f"<{m[1]}>", text) == pattern.subn(lambda m: f"<{m[1]}>", text)
    assert PATTERN.findall(pattern, text, at) == pattern.findall(text, at)
    assert [m.span() for m in PATTERN.finditer(pattern, text, at)] == [
        m.span() for m in pattern.finditer(text, at)
    ]
    mine, theirs = PATTERN.match(pattern, text, at), pattern.match(text, at)
    assert (mine and (mine.span(), mine.groups())) == (theirs and (theirs.span(), theirs.groups()))


@pytest.mark.parametrize(
    "pattern", ["(a)(?P<x>b)", "[(]a(?:b)(c)", r"\((a)", "(?P<a>x)|(?P<b>y)", "()[]()]()"]
)
def test_the_groups_of_a_pattern_are_counted(pattern):
    compiled = re.compile(pattern)
    assert PATTERN.groups(compiled) == compiled.groups
    assert PATTERN.groupindex(compiled) == dict(compiled.groupindex)


@pytest.mark.parametrize("text", ["b", "ab", "a", "bc"])
def test_the_last_group_of_a_match_agrees(text):
    match = re.match(r"(?P<one>a)?(?P<two>b)?(?P<three>c)?", text)
    assert (PATTERN.lastindex(match), PATTERN.lastgroup(match)) == (match.lastindex, match.lastgroup)


@given(st.sets(st.integers(0, 9)), st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_sets_agree(a, b, c):
    assert SET.union(a, b, c) == a.union(b, c)
    assert SET.intersection(a, b, c) == a.intersection(b, c)
    for name in ("difference_update", "intersection_update", "symmetric_difference_update"):
        mine, theirs = set(a), set(a)
        getattr(SET, name)(mine, b)
        getattr(theirs, name)(b)
        assert mine == theirs


@given(st.lists(st.integers(-5, 5)), st.booleans())
def test_sorting_by_a_comparison_agrees(items, reverse):

    key = unit("+functools").cmp_to_key(lambda a, b: a % 3 - b % 3)
    wanted = sorted(items, key=functools.cmp_to_key(lambda a, b: a % 3 - b % 3), reverse=reverse)
    assert unit("+compare").sorted(items, key=key, reverse=reverse) == wanted


@given(st.text(max_size=20))
def test_quoted_addresses_agree(text):
    text = text.encode("utf-8", "replace").decode()
    served = unit("urllib.parse")
    assert served.quote(text) == urllib.parse.quote(text)
    assert served.unquote(urllib.parse.quote(text)) == text


@given(PLAIN)
def test_a_written_value_is_read(value):
    assert unit("ast").literal_eval(repr(value)) == ast.literal_eval(repr(value))


@pytest.mark.parametrize("text", ["__import__('os')", "x", "[f() for f in []]", "1 if 2 else 3", "print(1)"])
def test_code_is_not_read_as_a_value(text):
    with pytest.raises(ValueError, match="malformed"):
        unit("ast").literal_eval(text)


@given(st.integers(1990, 2050), st.integers(1, 12))
def test_months_agree(year, month):
    assert unit("calendar").monthrange(year, month) == calendar.monthrange(year, month)


@pytest.mark.parametrize("module", [name for name, names in ADDED.items() if names])
def test_what_is_added_to_a_module_is_there(module):
    assert [name for name in ADDED[module] if not hasattr(unit(added(module)), name)] == []


@pytest.mark.parametrize("name", sorted(UNITS))
def test_a_unit_does_not_use_the_names_of_the_code(name):
    lost = {each: f"_kept_{each}" for each in ("len", "list", "str", "sum", "isinstance", "sorted", "type")}
    names = {each: getattr(__builtins__, each, None) or __builtins__[each] for each in lost}
    namespace = dict.fromkeys(lost, 3) | {f"_kept_{each}": value for each, value in names.items()}
    exec(module_source(name, lost), namespace)  # noqa: S102 - our own source
    assert namespace[shim_name(name)]


def test_a_method_is_a_value_only_of_the_types_that_have_it():
    of = unit(bound_method("get")).of
    assert of({"a": 1})("a") == 1
    with pytest.raises(AttributeError, match="'list' object has no attribute 'get'"):
        of([1])
