"""Ordinary errors are answered by what to write, with the names of the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.sandbox.advice import advice, indexed_by, nearest_name, with_keys


@pytest.mark.parametrize(
    ("kind", "message", "line", "told"),
    [
        ("AttributeError", "'dict' object has no attribute 'title'", "x = rows[0].title", 'rows[0]["title"]'),
        ("AttributeError", "'list' object has no attribute 'text'", "print(hits.text)", "hits[0]"),
        ("AttributeError", "'NoneType' object has no attribute 'group'", "n = m.group(1)", "if m: m.group()"),
        ("AttributeError", "'str' object has no attribute 'get'", "x = v.get('a')", "json.loads(v)"),
        ("TypeError", "'NoneType' object is not subscriptable", "d['text'][:9]", "read(d, 0, 20_000)"),
        ("TypeError", "'NoneType' object is not subscriptable", "if found[0]:", "if found is not None"),
        ("TypeError", "list indices must be integers or slices, not str", "x = hits['id']", 'hits[0]["id"]'),
        ("TypeError", "string indices must be integers, not 'str'", "for k in d: k['a']", "d.items()"),
        ("TypeError", "unhashable type: 'dict'", "seen.add(hit)", 'd["id"]'),
        ("TypeError", "unhashable type: 'list'", "seen.add(x)", "tuple(x)"),
        ("TypeError", 'can only concatenate str (not "int") to str', "'a' + 1", "f-string"),
        ("TypeError", "'str' object is not callable", "str(3)", "another name"),
        ("IndexError", "list index out of range", "xs[0]", "if xs"),
        ("StopIteration", "", "next(it)", "None)"),
    ],
)
def test_an_error_is_answered_with_the_names_of_its_line(kind, message, line, told):
    assert told in advice(kind, message, line)


@pytest.mark.parametrize(
    "line", ["", "elif x['a'] == 1:", "x = f(d['a'],", "return d['a']", "\x00", "((((", "é = 1"]
)
def test_a_line_that_is_part_of_a_statement_does_no_harm(line):
    assert isinstance(advice("TypeError", "'NoneType' object is not subscriptable", line), str)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_any_error_has_advice_or_none(kind, message, line):
    assert isinstance(advice(kind, message, line), str)
    assert isinstance(indexed_by(message, line), tuple)


def test_an_error_of_other_code_has_no_advice():
    assert advice("ValueError", "no such thing", "raise ValueError('no such thing')") == ""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("print(d['c'])", ("d",)),
        ("x = rows[0]['c']", ("rows[0]",)),
        ("x = a.b['c'] + d['other']", ("a.b",)),
        ("x = load()['c']", ()),
        ("x = d[key]", ("d",)),
    ],
)
def test_only_what_can_be_evaluated_again_is_looked_at_for_a_missing_key(line, found):
    assert indexed_by("'c'", line) == found


def test_an_empty_dict_is_said_to_be_empty():
    assert with_keys("'c'", [], 0) == "'c' (the dict is empty)"


def test_a_name_is_found_whatever_its_case():
    assert "hits" in nearest_name("NameError", "name 'Hits' is not defined", ["hits", "other"])


def test_names_of_ours_are_not_suggested():
    assert nearest_name("NameError", "name 'hidden' is not defined", ["_hidden"]) == ""
