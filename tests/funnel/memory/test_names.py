"""Names of files and objects: any text, its order kept, nothing that a file system could misread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from funnel.memory.backends import names
from funnel.testing.memory import KEYS


@given(KEYS)
def test_a_short_text_is_read_off_its_name(text):
    assert names.decode(names.encode(text, keep=40)) == text


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_a_name_is_made_of_digits_small_letters_and_four_marks(text):
    name = names.encode(text, keep=5)
    assert names.is_name(name)
    assert set(name) <= set("0123456789abcdefghijklmnopqrstuvwxyz-_~.")
    assert len(name) <= 3 * 5 + 41


@given(KEYS, KEYS)
def test_names_sort_as_their_texts(one, other):
    assert (names.encode(one, keep=40) < names.encode(other, keep=40)) == (one < other)


@given(KEYS, KEYS)
def test_a_hashed_name_sorts_as_its_beginning_does(one, other):
    one_name, other_name = names.encode(one, keep=2), names.encode(other, keep=2)
    if names.beginning(one, keep=2) != names.beginning(other, keep=2):
        assert (one_name < other_name) == (one < other)
    else:
        assert (one_name == other_name) == (one == other)


@given(KEYS, KEYS)
def test_the_names_of_all_that_begins_alike_begin_alike(one, other):
    assert names.encode(one + other, keep=3).startswith(names.beginning(one, keep=3))


def test_what_a_name_looks_like():
    assert names.encode("note/Über_x.1", keep=40) == "note-2f~c3~9cber_5fx-2e1"


def test_what_is_no_name_is_told():
    assert not any(map(names.is_name, ["", "A", "lost+found", ".DS_Store", "a-2", "a-zz", "a.txt", "ä"]))
