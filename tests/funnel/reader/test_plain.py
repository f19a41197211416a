"""An answer in plain words is taken out of any reply of a small model: no JSON, code, echo, repetition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.reader.plain import declines, plain_answer

QUESTION = "How long do refunds take?"


@pytest.mark.parametrize(
    "reply",
    [
        "14 days",
        "Answer: 14 days",
        "**Answer:** 14 days",
        "A: 14 days",
        "Final answer: 14 days",
        '{"answer": "14 days"}',
        '{"found": true, "answer": "14 days", "quotes": []}',
        '{"days": "14 days"}',
        '["14 days"]',
        '"14 days"',
        '```json\n{"answer": "14 days"}\n```',
        "```\n14 days\n```",
        '```python\nprint("14 days")\n```',
        'answer = "14 days"\nprint(answer)',
        'def f():\n    return "14 days"',
        '```python\nsubmit("14 days")',
        "<answer>14 days</answer>",
        f"{QUESTION} 14 days",
        f"Question: {QUESTION}\nAnswer: 14 days",
        "14 days\n\nQuestion: Who pays?\nAnswer: the shop",
        "14 days\nEvidence: We refund within 14 days.",
        "Sure! Here is the answer:\n14 days",
        "Based on the passages: 14 days",
    ],
)
def test_only_the_answer_is_left(reply):
    assert plain_answer(reply, QUESTION) == "14 days"


def test_what_is_said_twice_is_shown_once():
    said = "Refunds take 14 days."
    assert plain_answer(f"{said} {said}\n{said}", QUESTION) == said


@pytest.mark.parametrize("reply", ["", "<your answer>", QUESTION, "```python\nx = y\n```", "{}"])
def test_a_reply_without_an_answer_leaves_nothing(reply):
    assert plain_answer(reply, QUESTION) == ""


def test_code_that_the_words_around_it_explain_is_left_out():
    assert plain_answer("It returns 3.\n```python\nfoo()\n```", "What does foo return?") == "It returns 3."


@pytest.mark.parametrize(
    "answer",
    [
        "I do not know.",
        "I don't know",
        "The passages do not mention it.",
        "Not found in the text.",
        "Unknown",
        "The text does not provide this information.",
        "Sorry, I cannot find it.",
        "No information is given.",
    ],
)
def test_an_answer_that_there_is_none_declines(answer):
    assert declines(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "The fee does not include shipping.",
        "Shipping is not refunded.",
        "No.",
        "14 days",
        "He did not know her.",
    ],
)
def test_a_statement_with_a_negation_does_not_decline(answer):
    assert not declines(answer)


@given(st.text(max_size=300), st.text(max_size=50))
def test_no_reply_raises(reply, question):
    assert isinstance(plain_answer(reply, question), str)
