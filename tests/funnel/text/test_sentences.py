"""Where sentences begin and end, and which statements of an answer carry no marker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.citations import uncited
from funnel.text.markers import markers
from funnel.text.sentences import sentences, statements
from funnel.types import Span

PROSE = st.text(alphabet="aB.!? \n\"'。-*#12\u00a0…", max_size=120)


@given(PROSE | st.text(max_size=120))
def test_sentences_are_spans_in_order_that_hold_every_word(text):
    spans = sentences(text)
    covered = 0
    for start, stop in spans:
        assert text[covered:start].strip() == ""
        assert text[start:stop] == text[start:stop].strip() != ""
        assert covered <= start < stop <= len(text)
        covered = stop
    assert text[covered:].strip() == ""


def test_sentences_end_where_a_reader_ends_them():
    text = "Dr. Roth came. “She left!” Why? Then, e.g. this, v1.2 is out.\n\n# Head\n- one\n- two"
    assert [text[a:b] for a, b in sentences(text)] == [
        "Dr. Roth came.", "“She left!”", "Why?", "Then, e.g. this, v1.2 is out.", "# Head", "- one", "- two",
    ]  # fmt: skip


def said(text):
    return [span.text for span in uncited(text)]


def test_a_sentence_without_a_marker_is_a_span_of_the_answer():
    text = "Refunds take 14 days [1]. Shipping is not refunded."
    assert uncited(text) == (Span(26, 51, "Shipping is not refunded."),)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Refunds take 14 days [1].", []),
        ("Refunds take 14 days.[1] Shipping is not refunded.", ["Shipping is not refunded."]),
        ("Refunds take 14 days. [1] Shipping is not refunded.", ["Shipping is not refunded."]),
        ("Refunds take 14 days. [1][2] [3] Shipping is not.", ["Shipping is not."]),
        ("Refunds take 14 days. Shipping is not. [1]", ["Refunds take 14 days."]),
        ("“We refund.” [1] Nobody else does.", ["Nobody else does."]),
        ("**Refunds take 14 days.** [1] Ask the desk.", ["Ask the desk."]),
        ("**Refunds take 14 days.** Ask the desk [1].", ["**Refunds take 14 days.**"]),
        ("Yes [1], says Dr. Roth of Heron Ltd. [2] for all", []),
        ("It ended in [2026] (see below).", ["It ended in [2026] (see below)."]),
        ("One line\nand the next [1].\n\nAnother paragraph.", ["Another paragraph."]),
        ("退款需要14天。[1]不退运费。", ["不退运费。"]),
        ("退款需要14天[1]。不退运费。去问吧！", ["不退运费。", "去问吧！"]),
        ("“退款。”[1]不退运费。", ["不退运费。"]),
        ("Is it refunded? Nobody says [1].", []),
        ("退款吗？", []),
        ("Four leases end before 2027:\n- Hill House [1]\n- Red Barn", ["- Red Barn"]),
        ("These do:\n1. Hill House. It is old. [1]\n2) Red Barn. In May.", ["2) Red Barn. In May."]),
        ("- Hill House ends\n  in May [1].\n- Red Barn\n  in June.\nThat is all.",
         ["- Red Barn\n  in June.", "That is all."]),
        ("- **Term**:\n  - two years [1]\n  - or three", ["- or three"]),
        ("# Refunds\nThey take 14 days [1].", []),
        ("**Refunds**\nThey take 14 days [1].", []),
        ("**Signals.** Two are sent [1].\n\n**Result.** It is kept [2].", []),
        ("**Early signals**: two are sent [1].\n**Yes.** They are kept [2].", []),
        ("Two are sent [1]. **Signals.**", ["**Signals.**"]),
        ("Two contracts provide for it\n- Hill House [1]\n- Red Barn [2]", []),
        ("Two contracts provide for it.\n- Hill House [1]", ["Two contracts provide for it."]),
        ("None of these says it:\n- Hill House [1]", ["None of these says it:"]),
        ("No model wrote this; it quotes:\n- Hill House [1]", []),
        ("Hill House: Ohio law [1]; says nothing about insurance.", ["says nothing about insurance."]),
        ("The others (of nine):\n- Hill House [1]", []),
        ("Hill House: Ohio law [1], of 2019.", []),
        ("Hill House says nothing about insurance [1].", []),
        ("**14 days**", ["**14 days**"]),
        ("Refunds take 14 days [1].\n\n---\n\nBye.", ["Bye."]),
        ("| lease | end |\n|---|---|\n| Hill | May [1] |\n| Red | June |", ["| Red | June |"]),
        ("> We refund. Always. [1]\n> We never do.", ["> We never do."]),
        ("Call `f(x). G[1]` first. Then stop [1].", ["Call `f(x). G[1]` first."]),
        ("Run this [1]:\n```python\na = b[1]. Then\n```\nIt works.", ["It works."]),
        ("```\nnever closed. Never.", []),
        ("… — !", []),
        ("", []),
        ('{"days": 14, "why": "It says so."}', []),
        ("[\n  5\n]", []),
        ("42", []),
        ('"It says so."', ['"It says so."']),
    ],
)  # fmt: skip
def test_what_carries_no_marker_is_named(text, bare):
    assert said(text) == bare


MARKDOWN = st.lists(
    st.sampled_from(
        ["Word", " a", ".", ". ", " [1]", "[23]", "\n", "\n\n", "- ", "1. ", "| ", "|---|", "# ", "> ", "**",
         "`", "```", "?", ":", "。", "退", "”", ")", "  ", "[", "{"]
    ),
    max_size=24,
).map("".join)  # fmt: skip


@given(MARKDOWN | st.text(max_size=80))
def test_statements_are_spans_in_order_that_do_not_overlap(text):
    end = 0
    for start, stop in statements(text):
        assert end <= start < stop <= len(text)
        assert text[start:stop].strip() == text[start:stop]
        end = stop


@given(MARKDOWN | st.text(max_size=80))
def test_no_bare_statement_holds_a_marker_outside_code(text):
    for span in uncited(text):
        assert text[span.start : span.stop] == span.text
        assert "`" in text or not list(markers(span.text))


@pytest.mark.parametrize(
    "text",
    ["-" * 99_000 + "x", ". " * 40_000, "`" * 99_000, " " * 99_000 + "x", "[1]" * 30_000, "\n" * 99_000],
)
def test_a_long_answer_costs_no_more_than_its_length(text):
    assert len(uncited(text)) <= 1
