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

MOST_TOKENS = 17_000
"""Of a whole opening but for the question: half is the list of documents, half the excerpts."""


@dataclass
class Texts:
    """A shelf of texts by id, with their titles; counts what is read."""

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


def opened(shelf, best=None, question="Why?", **how):
    return asyncio.run(describe_context(question, list(shelf.texts), shelf, best or {}, **how))


def excerpts(shelf, best=None):
    return [(about["what"], text) for about, text in fenced("excerpt", opened(shelf, best))]


LONG = "".join(f"{n:04d}," for n in range(2_000))


def test_a_short_document_is_shown_whole():
    assert excerpts(Texts({"a": "Refunds take 14 days."})) == [("whole", "Refunds take 14 days.")]


def test_a_long_document_is_shown_with_beginning_best_match_and_end():
    [(what, text)] = excerpts(Texts({"a": LONG}), {"a": (5_000, 5_300)})
    assert what == "best match, characters 5000 to 5300; and beginning and end"
    assert text.split("\n[…]\n") == [LONG[:200], LONG[5_000:5_300], LONG[-120:]]


@pytest.mark.parametrize(
    ("best", "shown"),
    [
        ((100, 400), [LONG[:400], LONG[-120:]]),
        ((0, 50), [LONG[:200], LONG[-120:]]),
        ((200, 300), [LONG[:300], LONG[-120:]]),
        ((9_800, 10_000), [LONG[:200], LONG[9_800:]]),
        ((5_000, 9_000), [LONG[:200], LONG[5_000:5_700], LONG[-120:]]),
    ],
)
def test_nothing_is_shown_twice_and_a_match_is_cut(best, shown):
    [(_, text)] = excerpts(Texts({"a": LONG}), {"a": best})
    assert text.split("\n[…]\n") == shown


def test_the_fourth_long_document_is_shown_by_its_match_only():
    shelf = Texts(dict.fromkeys("abcd", LONG))
    *first, last = excerpts(shelf, dict.fromkeys("abcd", (5_000, 5_100)))
    assert [text.count("[…]") for _, text in first] == [2, 2, 2]
    assert last == ("best match, characters 5000 to 5100", LONG[5_000:5_100])


def test_a_long_document_that_was_not_found_is_shown_by_beginning_and_end():
    assert excerpts(Texts({"a": LONG})) == [
        ("beginning and end", f"{LONG[:500]}\n[…]\n{LONG[-200:]}"),
    ]


def test_of_many_documents_the_rest_are_counted():
    shelf = Texts({f"d{n}": "" for n in range(50)})
    [(_, listed)] = fenced("documents", opened(shelf))
    assert listed.splitlines()[0] == "context[0] id='d0' title='' n_chars=0"
    assert listed.splitlines()[40:] == ["… and 10 more"]


@pytest.mark.parametrize("shape", get_args(Shape))
def test_the_last_line_is_the_advice_for_the_shape(shape):
    assert opened(Texts({"a": "x"}), shape=shape).splitlines()[-1] == advice(shape)


def test_without_a_shape_nothing_is_guessed():
    assert "looks like" not in opened(Texts({"a": "x"}))


def test_an_empty_context_gets_its_advice_too():
    assert opened(Texts({}), shape="lookup").splitlines()[-3:] == [
        "context is empty: stage one found nothing. Use search() with other words.",
        "",
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
    shelf = Texts(
        {name: (filler * n)[:n] for name, (_, filler, n) in documents.items()},
        {name: title for name, (title, _, _) in documents.items()},
    )
    best = {name: (n // 3, n // 2) for name, (_, _, n) in documents.items()} if found else {}
    opening = opened(shelf, best, shape="scan")
    assert estimated_tokens(opening) <= MOST_TOKENS
    assert len(opening) <= 2 * 8_000 + 1_000
    assert shelf.n_read <= 20_000
