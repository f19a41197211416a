"""Chooses the passages that the reader is shown, and fills its budget with them; calls no model.

The best come first: what earlier runs found out, what stage one found, what else in these documents has the
words of the question, and what stands beside all that. What overlaps or repeats is not shown twice. What
fits is then put in order for reading: by document, the best first, and within a document as it stands there.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice

from funnel.llm.base import estimated_tokens
from funnel.prompts.forms import Form
from funnel.reader.stretches import neighbours, stretch_of
from funnel.run.named import named_in
from funnel.text.citations import CitableText
from funnel.text.wording import Wording
from indexes.chunking import chunk
from indexes.retrieval.analysis import analyse
from indexes.source import Documents
from indexes.types import DocumentHit, DocumentInfo, Hit, Passage

LABEL_TOKENS = 60
"""An upper limit for the number and the title of a passage."""
MAX_PASSAGES = 20
MAX_CHARS = 24_000
MAX_SEARCHED_CHARS = 2_000_000
"""How much of the documents is searched once more if what stage one found leaves room."""
MAX_LOOKED_AT = 200
"""How many of them are looked at: most may repeat one another."""
_K1, _B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Budget:
    """How many passages the reader is shown and how many characters they have together.

    `grows`: whether the room that is left is filled with what says the same, and with what stands beside.
    Then the characters are counted as they are shown, without wide gaps, so that tables leave room for more.
    """

    n_passages: int = MAX_PASSAGES
    n_chars: int = MAX_CHARS
    grows: bool = True


FULL = Budget()
SIMPLE = Budget(n_passages=5, n_chars=10_000, grows=False)
"""For a small model, which loses the answer among more: five passages, as in any plain prompt.

Of long documents 4,000 characters are two passages, which held the answer to .537 of 80 questions, not .70.
"""
BUDGETS: dict[Form, Budget] = {"full": FULL, "simple": SIMPLE}


def choose(hits: Sequence[DocumentHit]) -> list[tuple[DocumentHit, Hit]]:
    """Return the best passages of all documents, best first, as many as fit one prompt; at least one."""
    pairs = [(document, hit) for document in hits for hit in document.passages]
    pairs.sort(key=lambda pair: (-pair[1].score, pair[1].passage.id))
    chosen: list[tuple[DocumentHit, Hit]] = []
    size = 0
    for document, hit in pairs[:MAX_PASSAGES]:
        size += len(hit.passage.text)
        if chosen and size > MAX_CHARS:
            break
        chosen.append((document, hit))
    return chosen


async def gathered(
    documents: Documents,
    question: str,
    hits: Sequence[DocumentHit],
    budget: Budget = FULL,
    *,
    known: Iterable[CitableText] = (),
) -> list[CitableText]:
    """Return the passages to show, best first, as many as fill the budget; at least one if there is a hit.

    `known`: passages with findings of earlier runs, which come first.
    """
    return await asyncio.to_thread(_chosen, documents, question, hits, budget, list(known))


def fitting(sources: Sequence[CitableText], tokens: int) -> Sequence[CitableText]:
    """Return the first passages that have so many estimated tokens together, in the order for reading.

    Of the first one, its beginning is returned if it has too many alone.
    """
    sizes = accumulate(estimated_tokens(source.shown) + LABEL_TOKENS for source in sources)
    fit = [source for source, size in zip(sources, sizes, strict=True) if size <= tokens]
    if fit:
        return joined(fit)
    first = replace(sources[0], header="", known=())
    n_chars = len(first.text) * (tokens - LABEL_TOKENS) // estimated_tokens(first.text)
    return [replace(first, text=first.text[:n_chars])]


def unread(every: Sequence[CitableText], shown: Sequence[CitableText]) -> int:
    """Return how many of the passages begin in none of those shown."""
    return sum(
        not any(
            source.document_id == other.document_id and other.start <= source.start < other.stop
            for other in shown
        )
        for source in every
    )


def joined(sources: Sequence[CitableText]) -> list[CitableText]:
    """Return passages in the order for reading, with those that meet or overlap as one."""
    by_document: dict[str, list[CitableText]] = {}
    for source in sources:
        by_document.setdefault(source.document_id, []).append(source)
    found: list[CitableText] = []
    for some in by_document.values():
        some.sort(key=lambda source: (source.start, -source.stop))
        one = some[0]
        for source in some[1:]:
            if source.start <= one.stop:
                more = source.text[one.stop - source.start :]
                known = tuple(dict.fromkeys([*one.known, *source.known]))
                one = replace(one, text=one.text + more, known=known)
            else:
                found.append(one)
                one = source
        found.append(one)
    return [replace(source, text=source.text.rstrip()) for source in found]


def _chosen(
    view: Documents, question: str, hits: Sequence[DocumentHit], budget: Budget, known: list[CitableText]
) -> list[CitableText]:
    choice = _Choice(question, budget)
    for source in known:
        choice.take(source)
    for info, passage in islice(_best_first(view, question, hits), MAX_LOOKED_AT):
        if not choice.holds(info.id, passage.start, passage.stop) and not choice.take(
            stretch_of(view, info, passage)
        ):
            break
    if budget.grows:
        choice.grow(view)
    return choice.sources


class _Choice:
    """The passages chosen so far, in the order in which they were."""

    def __init__(self, question: str, budget: Budget) -> None:
        self.sources: list[CitableText] = []
        self._asked = frozenset(analyse(question))
        self._budget = budget
        self._wordings: list[tuple[CitableText, Wording]] = []
        self._copies: list[CitableText] = []

    def holds(self, document_id: str, start: int, stop: int) -> bool:
        """Return whether a span is part of one passage, chosen or put off."""
        return any(
            source.document_id == document_id and source.start <= start and stop <= source.stop
            for source in (*self.sources, *self._copies)
        )

    def take(self, source: CitableText) -> bool:
        """Choose a passage unless it repeats another one; return False if there is no room for it."""
        wording = Wording.of(source.text)
        repeated = [by for by, other in self._wordings if wording.repeats(other)]
        if any(by.document_id == source.document_id for by in repeated):
            return True
        if repeated and not any(self._is_asked_for(source, by) for by in repeated):
            self._copies.append(source)
            return True
        if not self._fits(source):
            return False
        self.sources.append(source)
        self._wordings.append((source, wording))
        return True

    def grow(self, view: Documents) -> None:
        """Fill the room that is left: with what other documents repeat, then with what stands beside."""
        for source in self._copies:
            if self._fits(source):
                self.sources.append(source)
        edge = list(self.sources)
        while edge:
            beside = [near for source in edge for near in neighbours(view, source)]
            edge = []
            for source in beside:
                if not self.holds(source.document_id, source.start, source.stop) and self._fits(source):
                    self.sources.append(source)
                    edge.append(source)

    def _fits(self, source: CitableText) -> bool:
        if not self.sources:
            return True
        shown = joined([*self.sources, source])
        n_chars = sum(len(each.shown if self._budget.grows else each.stored) for each in shown)
        return len(shown) <= self._budget.n_passages and n_chars <= self._budget.n_chars

    def _is_asked_for(self, source: CitableText, instead: CitableText) -> bool:
        """Return whether the question names the document of a passage that says the same as another one."""
        own = analyse(f"{source.title} {source.document_id}")
        other = analyse(f"{instead.title} {instead.document_id}")
        return bool(self._asked.intersection(own).difference(other))


def _best_first(
    view: Documents, question: str, hits: Sequence[DocumentHit]
) -> Iterator[tuple[DocumentInfo, Passage]]:
    """Yield the passages that stage one found, then what else in its documents has words of the question.

    Of several documents that the question names, the best passage of each comes before all others.
    """
    found = [(document.document, hit) for document in hits for hit in document.passages]
    found.sort(key=lambda pair: (-pair[1].score, pair[1].passage.id))
    named = named_in(question, hits)
    if len(named) > 1:
        # What a search for the name alone found in one says little about the question.
        for hit in hits:
            if hit.document.id in named:
                yield from islice(_searched_again(view, question, [hit]), 1)
    yield from ((info, hit.passage) for info, hit in found if hit.score > 0)
    yield from _searched_again(view, question, hits)
    # A source may fill its list up with documents that do not match at all.
    yield from ((info, hit.passage) for info, hit in found if hit.score <= 0)


def _searched_again(
    view: Documents, question: str, hits: Sequence[DocumentHit]
) -> Iterator[tuple[DocumentInfo, Passage]]:
    """Yield the passages of the documents that have words of the question, best first, by BM25."""
    asked = frozenset(analyse(question))
    passages: list[tuple[DocumentInfo, Passage]] = []
    terms: list[list[str]] = []
    room = MAX_SEARCHED_CHARS
    for hit in hits:
        info = hit.document
        document = view.document(info.id) if info.n_chars <= room else None
        if document is None or document.version != info.version:
            continue
        room -= info.n_chars
        for passage in chunk(document):
            passages.append((info, passage))
            terms.append(analyse(passage.text))
    if not passages:
        return
    counts = [Counter(term for term in of if term in asked) for of in terms]
    frequencies = Counter(term for each in counts for term in each)
    n, mean = len(passages), sum(map(len, terms)) / len(passages)

    def score(i: int) -> float:
        norm = _K1 * (1 - _B + _B * len(terms[i]) / mean)
        return math.fsum(
            math.log(1 + (n - frequencies[term] + 0.5) / (frequencies[term] + 0.5)) * tf / (tf + norm)
            for term, tf in counts[i].items()
        )

    scores = [score(i) if counts[i] else 0.0 for i in range(n)]
    yield from (passages[i] for i in sorted(range(n), key=lambda i: -scores[i]) if scores[i] > 0)
