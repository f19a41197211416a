"""What the inspector is told first: bounded, whatever the documents are called and however long they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.inspector.opening import describe_context
from funnel.llm.base import estimated_tokens
from funnel.prompts import advice, fenced
from funnel.types import Shape
from indexes.types import DocumentId, DocumentInfo

MOST_TOKENS = 4_000
"""Of a whole opening but for the question."""


@dataclass
class Texts:
    """Documents by id, with their titles; counts what is read."""

    texts: dict[str, str]
    titles: dict[str, str] = field(default_factory=dict)
    n_read: int = 0

    async def count(self) -> int:
        return len(self.texts)

    def info(self, name):
        text = self.texts[name]
        return DocumentInfo(DocumentId(name), "v", self.titles.get(name, ""), "", len(text), {})

    async def read(self, name, start=0, stop=None):
        part = self.texts[name][start:stop]
        self.n_read += len(part)
        return part


def opened(documents, best=None, question="Why?", **how):
    return asyncio.run(describe_context(question, list(documents.texts), documents, best or {}, **how))


def excerpts(documents, best=None, **how):
    return [(about["what"], text) for about, text in fenced("excerpt", opened(documents, best, **how))]


LONG = "".join(f"{n:04d}," for n in range(2_000))


def test_a_short_document_is_shown_whole():
    assert excerpts(Texts({"a": "Refunds take 14 days."})) == [("whole", "Refunds take 14 days.")]


def test_a_long_document_is_shown_with_beginning_best_match_and_end():
    [(what, text)] = excerpts(Texts({"a": LONG}), {"a": (5_000, 5_220)})
    assert what == "beginning, 5000 to 5220, end"
    assert text.split("\n[…]\n") == [LONG[:100], LONG[5_000:5_220], LONG[-60:]]


@pytest.mark.parametrize(
    ("best", "shown"),
    [
        ((50, 250), [LONG[:250], LONG[-60:]]),
        ((0, 50), [LONG[:100], LONG[-60:]]),
        ((100, 200), [LONG[:200], LONG[-60:]]),
        ((9_800, 10_000), [LONG[:100], LONG[9_800:]]),
        ((5_000, 9_000), [LONG[:100], LONG[5_000:5_220], LONG[-60:]]),
    ],
)
def test_nothing_is_shown_twice_and_a_match_is_cut(best, shown):
    [(_, text)] = excerpts(Texts({"a": LONG}), {"a": best})
    assert text.split("\n[…]\n") == shown


def test_of_the_best_passage_the_sentence_with_the_most_of_the_question_is_shown():
    passage = f"{'Filler stands here. ' * 40}The refund window is thirty days. {'More filler. ' * 40}"
    [(_, text)] = excerpts(
        Texts({"a": passage}), {"a": (0, len(passage))}, question="How long is the refund window?"
    )
    assert text.split("\n[…]\n")[1].startswith("The refund window is thirty days. More filler.")


def test_only_the_first_two_documents_are_shown():
    assert len(excerpts(Texts(dict.fromkeys("abcd", LONG)))) == 2


def test_a_long_document_that_was_not_found_is_shown_by_beginning_and_end():
    assert excerpts(Texts({"a": LONG})) == [
        ("beginning and end", f"{LONG[:300]}\n[…]\n{LONG[-100:]}"),
    ]


def test_of_many_documents_the_rest_are_counted():
    documents = Texts({f"d{n}": "" for n in range(50)})
    [(_, listed)] = fenced("documents", opened(documents))
    assert listed.splitlines()[0] == "'d0', '', 0"
    assert listed.splitlines()[4:] == ["… and 46 more"]


@pytest.mark.parametrize("shape", get_args(Shape))
def test_the_last_line_is_the_advice_for_the_shape(shape):
    assert opened(Texts({"a": "x"}), shape=shape).splitlines()[-1] == advice(shape)


def test_without_a_shape_nothing_is_guessed():
    assert "This may" not in opened(Texts({"a": "x"}))


def test_an_empty_context_gets_its_advice_too():
    assert opened(Texts({}), shape="lookup").splitlines()[-2:] == [
        "context is empty: a first search found none of the 0 documents. Search with other words.",
        advice("lookup"),
    ]


WORDS = st.text(max_size=400) | st.sampled_from(
    ["\x00" * 400, "\U000e0001" * 400, "\ud800" * 400, "界" * 400]
)
DOCUMENTS = st.dictionaries(
    WORDS.filter(bool), st.tuples(WORDS, st.sampled_from(["a", "界", "\U0001f98a"]), st.integers(0, 60_000)),
    max_size=60,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.booleans())
def test_the_opening_is_bounded_whatever_titles_ids_and_documents(documents, found):
    texts = Texts(
        {name: (filler * n)[:n] for name, (_, filler, n) in documents.items()},
        {name: title for name, (title, _, _) in documents.items()},
    )
    best = {name: (n // 3, n // 2) for name, (_, _, n) in documents.items()} if found else {}
    opening = opened(texts, best, shape="scan")
    assert estimated_tokens(opening) <= MOST_TOKENS
    assert len(opening) <= 6_000
