"""What is no finding: that something is absent, and what was inferred."""

from __future__ import annotations

import pytest

from funnel.findings.absences import says_something, sound


@pytest.mark.parametrize(
    "text",
    [
        "No cap was found.", "The other five exclude only consequential damages.", "NONE", "[]", "null",
        '{"cap": null, "fee": ""}', "It presumably ends in May.", "Vermutlich endet er im Mai.",
        "报告未提及签署人。",
    ],
)  # fmt: skip
def test_an_absence_or_an_inference_leaves_nothing(text):
    assert sound(text, lambda _: []) == ""


def test_what_else_a_text_says_is_kept():
    assert sound("The fee is 7 crowns [1]. No cap was found [1].", lambda _: []) == "The fee is 7 crowns [1]."


def test_an_absence_that_a_quote_states_is_kept():
    text = "There is no cap [1]."
    assert sound(text, lambda _: ["There shall be no cap on the liability of either party."]) == text


@pytest.mark.parametrize("value", [0, False, "7", {"cap": None, "fee": 7}, [None, "x"]])
def test_a_value_that_holds_something_is_kept(value):
    assert says_something(value)
