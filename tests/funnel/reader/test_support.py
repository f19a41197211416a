"""A sentence supports a statement if it holds its numbers, names and words, and is about the question."""

from __future__ import annotations

import pytest

from funnel.reader.support import SupportFinder
from funnel.text.citations import CitableText

PASSAGES = (
    (
        "The Panthers gave up 308 points and boasted four Pro Bowl selections. Kawann Short led the team in "
        "sacks with 11. The line also featured Jared Allen, the league's active career sack leader with 136, "
        "along with Kony Ealy, who had 5 sacks in just nine starts."
    ),
    "We refund within 14 days. Shipping is not refunded. 136 people work here.",
)
SOURCES = [
    CitableText(f"d{n}", title, "", 0, text)
    for n, (title, text) in enumerate(zip(("Super Bowl 50", "Refunds"), PASSAGES, strict=True))
]


def found(question, statement, **how):
    return [
        SOURCES[each.source].text[each.start : each.stop]
        for each in SupportFinder(question, SOURCES).find(statement, **how)
    ]


@pytest.mark.parametrize(
    ("question", "statement", "holds"),
    [
        ("How many career sacks did Jared Allen have?", "136", "leader with 136"),
        (
            "How many career sacks did Jared Allen have?",
            "Jared Allen had 136 career sacks.",
            "leader with 136",
        ),
        ("How many Panthers were selected for the Pro Bowl?", "4", "four Pro Bowl selections"),
        ("Who had five sacks in nine games?", "Kony Ealy", "Kony Ealy, who had 5 sacks"),
        ("How long do refunds take?", "Fourteen days.", "within 14 days"),
        ("Is shipping refunded?", "No", "not refunded"),
        ("Is shipping refunded?", "No, shipping is not refunded.", "not refunded"),
    ],
)
def test_the_sentence_that_holds_the_answer_is_found(question, statement, holds):
    (sentence,) = found(question, statement)
    assert holds in sentence


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("How many career sacks did Jared Allen have?", "137"),
        ("How long do refunds take?", "30 days"),
        ("How long do refunds take?", "Refunds take 14 weeks."),
        ("Is shipping refunded?", "Yes"),
        ("Is shipping refunded?", "Yes, shipping is refunded."),
        ("Who signed the lease?", "Ada Marsh"),
        ("Who signed the lease?", "Ada Short"),
        ("What is the capital of France?", "136"),
        ("Who had five sacks in nine games?", ""),
    ],
)
def test_a_sentence_that_does_not_support_the_statement_is_not_cited(question, statement):
    assert found(question, statement) == []


def test_two_sentences_support_together_what_neither_holds_alone():
    said = "Short had 11 sacks, and Ealy had 5."
    assert [text.split()[0] for text in found("Who had sacks?", said)] == ["Kawann", "The"]


def test_only_the_passages_that_are_named_are_looked_in():
    assert found("How long do refunds take?", "14 days", within=[0]) == []
    assert found("How long do refunds take?", "14 days", within=[1]) == ["We refund within 14 days."]
