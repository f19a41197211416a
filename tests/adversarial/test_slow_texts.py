"""Texts that are made to take long, in every place that reads a text of a model or of a document."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.errors import BadAnswer
from funnel.findings.provenance import MAX_REMEMBERED, Provenance, TextSpan
from funnel.inspector.fences import blocks
from funnel.inspector.replies import Code, parse, prose
from funnel.schema.json_values import first_json
from funnel.text.citations import uncited
from funnel.text.sentences import sentences, statements
from funnel.workspace.passages import best_passage

LIMIT = 100_000
SOON_S = 3.0
"""What each took before, where it took long, is more than ten times as much."""
REPLIES = [
    "```a\n" * 20_000, "```python\nx\n" * 8_000, " " * LIMIT, "\n ```" * 20_000, "```\n" * 25_000,
    "```python\ns = '''\n```\n" * 5_000, "```python\n'''\n" + '```python\n"""x"""\n```\n' * 4_000,
    "<code>" * 16_000, "print(\n" * 14_000, "x = 1\n" * 16_000, "`" * LIMIT,
    "\t" * 50_000 + "```\n" + "\t" * 49_000, "[" * LIMIT, "{" * 50 + "x" * 90_000,
    '{"a":' * 20_000,
    "[1," * 30_000, '"' * LIMIT, "a. " * 30_000, "\n" * LIMIT, "\n " * 50_000 + "x",
    ". " + " " * 90_000 + "a",
    '."' + '"' * 90_000, "[1]" * 30_000, "|" * LIMIT, "-" * LIMIT + "x", "*" * 99_999, "( \n" * 30_000,
    ".\n\n \n" * 20_000, "*_" * 50_000 + "x", "**a" * 30_000, "A. " * 30_000,
]  # fmt: skip
FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
"""What a fenced block is, as a pattern, which takes quadratic time."""


def first(reply):
    try:
        first_json(reply)
    except BadAnswer:
        return


READERS = {
    "parse": parse,
    "prose": lambda text: prose(text, {"x"}),
    "first_json": first,
    "sentences": sentences,
    "statements": statements,
    "uncited": uncited,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_reply_takes_long_to_read(read):
    began = time.thread_time()
    for reply in REPLIES:
        read(reply[:LIMIT])
    assert time.thread_time() - began < SOON_S


@given(st.lists(st.sampled_from([("```python", "x = 1"), (" ```py", "y"), ("```", ""), ("```json a", "{}")])))
def test_the_blocks_of_a_reply_are_those_of_the_pattern(parts):
    reply = "".join(f"{opening}\n{body}\n``` \nwords\n" for opening, body in parts)
    assert [(block.label, block.body) for block in blocks(reply)] == FENCE.findall(reply)


@given(
    st.lists(st.sampled_from(["```", "```python", "~~~", "````", "x = 1", "s = '''", "a ```", "", "``` b c"]))
)
def test_the_blocks_of_any_reply_follow_one_another(lines):
    reply, at = "\n".join(lines), 0
    for block in blocks(reply):
        assert at <= block.start < block.stop <= len(reply) + 1
        at = block.stop


def test_a_reply_of_unclosed_fences_before_a_block_still_has_its_code():
    assert parse("```text\n```\n```python\nx = 1\n```\n```a") == Code("x = 1\n")


@pytest.mark.parametrize("text", ["Lease. Refund. Money! " * 9_000, "Lease lease. " * 15_000])
def test_no_document_takes_long_to_find_its_best_passage(text):
    began = time.thread_time()
    found = best_passage(text, {"aleas": 1.0, "arefund": 1.0, "amoney": 1.0})
    assert time.thread_time() - began < SOON_S
    assert found.stop - found.start <= 600


@pytest.mark.parametrize(
    "texts",
    [
        ["ab " * 66_000 + str(i) for i in range(20)],
        ["x" * 15 + f"{i:07d}" for i in range(190_000)],
        ["a" * 199_000 + str(i) for i in range(20)],
    ],
    ids=["long", "many", "alike"],
)
def test_a_batch_of_texts_takes_no_time_to_find_where_they_come_from(texts):
    provenance = Provenance()
    for text in texts:
        provenance.add(TextSpan("d", 0, text))
    began = time.thread_time()
    assert not any(provenance.find("ab " * 50 + f"c{i}") for i in range(500))
    assert time.thread_time() - began < SOON_S


def test_the_latest_of_very_many_short_texts_are_known():
    provenance = Provenance()
    for i in range(MAX_REMEMBERED + 10):
        provenance.add(TextSpan("d", i, f"the text of number {i:07d}"))
    assert provenance.find(f"the text of number {MAX_REMEMBERED + 9:07d}") == ("d", MAX_REMEMBERED + 9)
    assert provenance.find(f"the text of number {0:07d}") is None
