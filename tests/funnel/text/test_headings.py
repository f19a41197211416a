"""Headings of texts without markup."""

from __future__ import annotations

import pytest

from funnel.text.headings import headings


def found(text):
    return [(each.title, each.level) for each in headings(text)]


def around(line):
    return f"Some text that goes on.\n\n{line}\n\nMore text that goes on.\n"


@pytest.mark.parametrize(
    "line",
    [
        "Chapter IV",
        "CHAPTER 12. The Storm",
        "PART TWO",
        "ARTICLE III - TERM",
        "Section 3.",
        "Kapitel 7",
        "Chapitre II",
        "Capítulo 3",
        "Exhibit A",
        "Abstract",
        "REFERENCES",
        "3.2 Methods",
        "1. DEFINITIONS",
        "2.1.3 Data and Models",
        "XIV",
        "CONFIDENTIAL INFORMATION",
    ],
)
def test_a_line_that_numbers_or_names_a_part_is_a_heading(line):
    assert [title for title, _ in found(around(line))] == [line]


@pytest.mark.parametrize(
    "line",
    [
        "He read the chapter again, and part of the next one.",
        "Part of the reason was money.",
        "3 apples and 4 pears",
        "2019 was a good year.",
        "1. The tenant shall pay the rent on the first day of each month.",
        "12.5 % of the shares",
        "A",
        "I",
        "$ 1,200",
        "- - -",
        "WHO ARE YOU?",
    ],
)
def test_a_line_of_the_text_is_none(line):
    assert not [title for title, _ in found(around(line)) if title != "I"]


def test_a_number_alone_takes_the_title_below_it():
    assert found(
        "Chapter I\nThe Bertolini\n\n“The Signora had no business to do it,” said Miss Bartlett.\n"
    ) == [("Chapter I The Bertolini", 1)]


def test_a_number_alone_takes_no_sentence_and_no_other_heading_for_its_title():
    text = "Item 5.\n\nItem 6.\nThe company has nothing to report.\n"
    assert [title for title, _ in found(text)] == ["Item 5.", "Item 6."]


def test_levels_are_told_by_what_is_numbered_and_have_no_gaps():
    text = "PART ONE\n\nChapter 1\n\ntext.\n\nChapter 2\n\n2.1 Rain\n\ntext.\n\nPART TWO\n"
    assert [level for _, level in found(text)] == [1, 2, 2, 3, 1]


def test_a_heading_is_where_its_line_is():
    text = "text.\n\n   Chapter 2\n\ntext.\n"
    (heading,) = headings(text)
    assert text[heading.start :].startswith("Chapter 2")


def test_a_text_without_headings_has_none():
    assert headings("One line.\nAnother line.\n" * 100) == []
