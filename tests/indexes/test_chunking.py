from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.chunking import chunk
from indexes.types import Document, DocumentId, Section


def document(text: str, *sections: Section) -> Document:
    return Document(DocumentId("d"), text, sections=sections)


def texts(text: str, max_chars: int) -> list[str]:
    return [passage.text for passage in chunk(document(text), max_chars=max_chars)]


nasty = st.one_of(
    st.text(
        st.sampled_from("ab. \n\r\t\u0301\u200d\U0001f1e9\U0001f469\u3002\u4e2d\ud800\udc00\u2029"),
        max_size=400,
    ),
    st.text(max_size=200),
    st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=9), st.integers(1, 80)),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(nasty)
    borders = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(borders, borders), max_size=6))
    return document(text, *(Section(min(s), max(s), title=str(i)) for i, s in enumerate(spans)))


@settings(deadline=None)
@given(documents(), st.integers(1, 60))
def test_passages_are_exact_ordered_bounded_and_numbered(source, max_chars):
    stop = 0
    for number, passage in enumerate(chunk(source, max_chars=max_chars)):
        assert source.text[passage.start : passage.stop] == passage.text
        assert stop <= passage.start < passage.stop
        assert len(passage.text) <= max_chars
        assert passage.text.strip()
        assert passage.id == f"d#{number}"
        assert passage.version == source.version
        stop = passage.stop


@settings(deadline=None)
@given(documents(), st.integers(1, 60))
def test_everything_but_white_space_is_in_a_passage(source, max_chars):
    passages = chunk(source, max_chars=max_chars)
    stops = [0, *(passage.stop for passage in passages)]
    starts = [*(passage.start for passage in passages), len(source.text)]
    assert not "".join(source.text[a:b] for a, b in zip(stops, starts, strict=True)).strip()


@settings(deadline=None)
@given(documents(), st.integers(1, 60))
def test_no_passage_crosses_a_border_and_each_knows_a_section_around_it(source, max_chars):
    borders = {border for s in source.sections if s.start < s.stop for border in (s.start, s.stop)}
    for passage in chunk(source, max_chars=max_chars):
        assert not any(passage.start < border < passage.stop for border in borders)
        around = [s for s in source.sections if s.start <= passage.start and passage.stop <= s.stop]
        assert passage.section in around if around else passage.section is None


@settings(deadline=None)
@given(st.text(st.sampled_from("abc \n."), max_size=500))
def test_two_neighbours_never_fit_into_one_passage(text):
    words = " ".join(word[:10] for word in text.split())
    passages = chunk(document(words), max_chars=40)
    for left, right in pairwise(passages):
        assert right.stop - left.start > 40


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["e\u0301", "\U0001f469\u200d\U0001f680", "\U0001f44d\U0001f3fd", "\r\n", "x"]))
)
def test_what_a_reader_sees_as_one_character_is_not_cut(characters):
    text = "".join(characters)
    for passage in chunk(document(text), max_chars=5):
        first = passage.text[0]
        assert unicodedata.category(first)[0] != "M"
        assert first not in "\u200d\U0001f3fd\U0001f680"


def test_flags_are_not_cut_into_letters():
    assert texts("\U0001f1e9\U0001f1ea" * 3, 3) == ["\U0001f1e9\U0001f1ea"] * 3


def test_a_cut_falls_after_a_paragraph_before_a_sentence():
    assert texts("One. Two three.\n\nFour. Five six.", 20) == ["One. Two three.", "Four. Five six."]


def test_a_cut_falls_after_a_sentence_before_a_line():
    assert texts("One two three. Four\nfive six.", 22) == ["One two three.", "Four\nfive six."]


def test_a_cut_falls_after_a_line_before_a_word():
    assert texts("one two three\nfour five six", 20) == ["one two three", "four five six"]


def test_a_cut_falls_after_a_word_before_a_letter():
    assert texts("one abcdefghijklmnop", 17) == ["one", "abcdefghijklmnop"]


def test_a_word_longer_than_a_passage_is_cut_anywhere():
    assert texts("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_a_sentence_ends_in_chinese_too():
    assert texts("一二三四。五六七八。", 7) == ["一二三四。", "五六七八。"]


def test_short_sections_stay_apart_and_short_paragraphs_do_not():
    source = document("a\n\nb\n\nc", Section(0, 6, title="A"), Section(6, 7, title="C"))
    assert [(p.text, p.section and p.section.title) for p in chunk(source)] == [("a\n\nb", "A"), ("c", "C")]


def test_the_innermost_section_names_a_passage():
    source = document("aabbcc", Section(0, 6, title="outer"), Section(2, 4, title="inner"))
    assert [p.section and p.section.title for p in chunk(source)] == ["outer", "inner", "outer"]


def test_indentation_of_the_first_line_is_kept():
    assert texts("\n  \n    return 1\n", 99) == ["    return 1"]


@pytest.mark.parametrize("text", ["", " ", "\n \r\n\t", " " * 10_000])
def test_white_space_alone_is_no_passage(text):
    assert texts(text, 10) == []


@pytest.mark.parametrize("unit", ["x", "word ", "a. ", "\n", "\u0301", "\U0001f1e9"])
def test_one_line_of_two_million_characters_is_cut_into_passages_of_nearly_full_size(unit):
    text = unit * (2_000_000 // len(unit))
    passages = chunk(document(text))
    assert sum(len(passage.text) for passage in passages) >= 0.9 * len(text.strip())
    assert len(passages) <= 2 * len(text) / 2000 + 1


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="max_chars = 0"):
        chunk(document("x"), max_chars=0)
