"""What the inspector is shown first: the best texts, bounded, whatever the documents hold and are called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel.inspector.opening import FOR_TURNS_TOKENS, describe_context
from funnel.inspector.shown import Shown
from funnel.llm.base import estimated_tokens
from funnel.prompts import advice, fenced
from funnel.reader.passages import MAX_CHARS, MAX_PASSAGES
from funnel.router.shape import SURE
from funnel.text.locating import locate
from funnel.text.spacing import trimmed
from indexes import RawDocuments
from indexes.types import Document, DocumentHit, DocumentId, DocumentInfo, Hit, Passage, PassageId

ROOM = 28_000
"""Estimated tokens that the rest of a prompt has by default."""


@dataclass
class Texts:
    """Documents by id, with their titles; counts what is read."""

    texts: dict[str, str]
    titles: dict[str, str] = field(default_factory=dict)
    n_read: int = 0

    @property
    def view(self):
        found = [Document(DocumentId(n), t, title=self.titles.get(n, "")) for n, t in self.texts.items()]
        return RawDocuments(found).as_owner()

    async def count(self) -> int:
        return len(self.texts)

    def info(self, name):
        text = self.texts[name]
        return DocumentInfo(
            DocumentId(name), self.view.version(name), self.titles.get(name, ""), "", len(text), {}
        )

    async def read(self, name, start=0, stop=None):
        part = self.texts[name][start:stop]
        self.n_read += len(part)
        return part

    def hits(self, found):
        """Hits on these spans, best first: each a document with one passage."""
        hits = []
        for rank, (name, (start, stop)) in enumerate(found, start=1):
            text = self.texts[name][start:stop]
            passage = Passage(PassageId(f"{rank:04d}"), DocumentId(name), "v", start, stop, text)
            hit = Hit(passage, 1 / rank, rank, {})
            hits.append(DocumentHit(self.info(name), 1 / rank, rank, {}, (hit,)))
        return hits


def opened(documents, found=(), question="Why?", room=ROOM, **how):
    names, hits = list(documents.texts), documents.hits(found)
    return asyncio.run(describe_context(question, names, documents, hits, room=room, **how)).text


def passages(documents, found=(), **how):
    opening = opened(documents, found, **how)
    return [(about["of"], about["chars"], text) for about, text in fenced("passage", opening)]


def long(name, n=1_000):
    """A text that repeats no other: by its name and its numbers."""
    return "".join(f"{name.title()} {i} is told of {name}{i * 7919 % 1_000:03d}. " for i in range(n))


def test_short_documents_are_shown_whole_whatever_was_found():
    texts = Texts({"a": "Refunds take 14 days.", "b": "Leases end in May."})
    assert passages(texts, [("b", (0, 6))]) == [
        ("context[0]", "all", "Refunds take 14 days."),
        ("context[1]", "all", "Leases end in May."),
    ]


def test_of_long_documents_the_passages_that_the_reader_would_see_are_shown_best_first():
    texts = Texts({name: long(name) for name in "abcd"})
    found = [("c", (5_000, 6_000)), ("a", (0, 600))]
    shown = passages(texts, found)
    assert [of for of, _, _ in shown] == ["context[2]", "context[0]"]
    for (name, (start, stop)), (_, chars, text) in zip(found, shown, strict=True):
        first, last = map(int, chars.split(" to "))
        assert texts.texts[name][start:stop].strip() in text
        assert texts.texts[name][first:last].strip() == text.strip()


def test_a_short_document_among_long_ones_is_shown_whole():
    texts = Texts({"a": long("a"), "b": long("b", 30), "c": long("c"), "d": long("d")})
    [(of, chars, text)] = passages(texts, [("b", (100, 200))])
    assert (of, chars, text) == ("context[1]", "all", texts.texts["b"].rstrip())


def test_of_a_few_long_documents_the_beginnings_are_shown_too():
    texts = Texts({"a": long("a", 4_000), "b": long("b", 4_000)})
    shown = passages(texts, [("b", (90_000, 90_600))])
    assert [of for of, _, _ in shown] == ["context[1]", "context[1]", "context[0]"]
    assert [chars for _, chars, _ in shown][::2] == ["0 to 300", "0 to 300"]


def test_documents_in_which_nothing_was_found_are_searched_for_the_words_of_the_question():
    texts = Texts({name: long(name) for name in "abcd"})
    [(of, _, text), *_] = passages(texts, question="What is told of c777?")
    assert of == "context[2]"
    assert "is told of c777." in text


def test_as_much_is_shown_as_the_reader_gets():
    texts = Texts({f"d{n}": long(f"d{n}") for n in range(30)})
    shown = passages(texts, [(name, (600, 1_800)) for name in texts.texts])
    assert len(shown) <= MAX_PASSAGES
    assert 0.8 * MAX_CHARS <= sum(len(text) for _, _, text in shown) <= MAX_CHARS


def test_a_small_prompt_shows_less_and_at_least_the_beginning_of_the_best():
    texts = Texts({f"d{n}": long(f"d{n}") for n in range(30)})
    found = [(name, (600, 1_800)) for name in texts.texts]
    few = passages(texts, found, room=9_000)
    assert 1 <= len(few) < len(passages(texts, found))
    [(_, chars, text)] = passages(texts, found, room=FOR_TURNS_TOKENS + 900)
    first, last = map(int, chars.split(" to "))
    assert text
    assert texts.texts["d0"][first:last].strip() == text.strip()


def test_the_header_of_a_table_comes_with_its_rows():
    shown = Shown(
        "t", 900, 940, "| Total    | 7,966    | 10,997 |", whole=False, header="| item | 2023 | 2024 |"
    )
    assert shown.readable == "| item | 2023 | 2024 |\n…\n| Total  | 7,966  | 10,997 |"


def test_without_room_nothing_is_shown_but_what_there_is():
    text = long("a")
    opening = opened(Texts({"a": text}), [("a", (0, 600))], room=0)
    assert fenced("passage", opening) == []
    assert fenced("documents", opening) == [({}, f"0: 'a' '' {len(text)}")]


def test_twenty_titles_are_listed_and_the_rest_counted():
    documents = Texts({f"d{n}": "" for n in range(50)}, {"d0": "Leases", "d1": "d1"})
    [(_, listed)] = fenced("documents", opened(documents))
    assert listed.splitlines()[:3] == ["0: 'd0' 'Leases' 0", "1: 'd1' 0", "2: 'd2' '' 0"]
    assert listed.splitlines()[20:] == ["… and 30 more"]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("a\n\n \n\u00a0\nb  \n", "a\nb"),
        ("Revenue          7,966           10,997", "Revenue  7,966  10,997"),
        ("def f():\n        return 1", "def f():\n        return 1"),
        (f"{' ' * 90}Total", f"{' ' * 24}Total"),
        ("---\ntitle: Leases\ntags:\n  - a\n---\nThe lease ends.", "The lease ends."),
        ("---\nThe lease ends.\n---\n", "---\nThe lease ends.\n---"),
    ],
)
def test_blank_lines_wide_gaps_and_front_matter_are_left_out(stored, shown):
    assert trimmed(stored) == shown


@given(st.text(alphabet=st.sampled_from("ab,. \n\t\u00a0"), max_size=300))
def test_a_line_that_is_shown_is_found_where_it_is_stored(stored):
    for line in trimmed(stored).splitlines():
        assert locate(stored, line) is not None or len(line.split()) < 2


@pytest.mark.parametrize("shape", SURE)
def test_the_last_line_is_the_advice_for_the_shape(shape):
    assert opened(Texts({"a": "x"}), shape=shape).splitlines()[-1] == advice(shape)


def test_without_a_shape_nothing_is_guessed():
    assert "This may" not in opened(Texts({"a": "x"}))


def test_an_empty_context_gets_its_advice_too():
    assert opened(Texts({}), shape="aggregate").splitlines()[-2:] == [
        "context is empty: a first search found none of the 0 documents. Search with other words.",
        advice("aggregate"),
    ]


WORDS = st.text(max_size=400) | st.sampled_from(
    ["\x00" * 400, "\U000e0001" * 400, "\ud800" * 400, "界" * 400]
)
DOCUMENTS = st.dictionaries(
    WORDS.filter(bool), st.tuples(WORDS, st.sampled_from(["a", "界", "\U0001f98a"]), st.integers(0, 60_000)),
    max_size=60,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.booleans(), st.integers(0, 30_000))
def test_the_opening_is_bounded_whatever_titles_ids_and_documents(documents, found, room):
    texts = Texts(
        {name: (filler * n)[:n] for name, (_, filler, n) in documents.items()},
        {name: title for name, (title, _, _) in documents.items()},
    )
    spans = [(name, (n // 3, n // 2)) for name, (_, _, n) in documents.items() if n > 6]
    bare = estimated_tokens(opened(texts, room=0, shape="aggregate"))
    assert bare <= 4_000
    opening = opened(texts, spans if found else (), room=room, shape="aggregate")
    assert estimated_tokens(opening) <= max(bare, room - FOR_TURNS_TOKENS) + 300
    assert len(opening) <= MAX_CHARS + 6_000
    assert texts.n_read <= 4 * MAX_CHARS
