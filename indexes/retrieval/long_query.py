"""Bounds what a long query costs: its text by size, its terms by how much they tell; knows no engine.

A query within the bounds is searched as it is.

Figures: docs/decisions/0031-long-queries-and-visible-statistics.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, sqrt

MAX_CHARS = 50_000
"""Of a longer query, both ends are searched: the question is usually there, and pasted text in the middle."""

MAX_EMBEDDED_CHARS = 6_000
"""What a pretrained model is given of a query. Endpoints refuse over 8,192 tokens; local models read less."""

MAX_TERMS = 512
"""The number of different terms of a query that are searched for."""

Frequencies = Callable[[Sequence[str]], Sequence[int]]
"""Returns the number of passages with each term."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms to search for, with repeats, and how many different ones the query has."""

    chosen: list[str]
    n_different: int


def ends(text: str, most: int) -> str:
    """Return the first and the last `most / 2` characters of a longer text, cut after a word if possible."""
    if len(text) <= most:
        return text
    half = most // 2
    head, tail = text[:half], text[len(text) - half :]
    head_words, _, _ = head.rpartition(" ")
    _, _, tail_words = tail.partition(" ")
    # In a script without spaces there may be no word that ends near the cut.
    head = head_words if len(head_words) >= half // 2 else head
    tail = tail_words if len(tail_words) >= half // 2 else tail
    return f"{head}\n{tail}"


def telling(terms: Sequence[str], frequencies: Frequencies, n_passages: int) -> Terms:
    """Return the terms of a query, at most `MAX_TERMS` different ones: those with the highest sqrt(tf) * idf.

    If any are left out, a term that occurs n times in the query counts sqrt(n) times.
    """
    counts = Counter(terms)
    if len(counts) <= MAX_TERMS:
        return Terms(list(terms), len(counts))
    weights = {
        term: sqrt(counts[term]) * log(1 + (n_passages - df + 0.5) / (df + 0.5))
        for term, df in zip(counts, frequencies(list(counts)), strict=True)
        if df
    }
    # Sorting is stable: among equal weights, the terms that come first in the query are kept.
    best = sorted(weights, key=lambda term: -weights[term])[:MAX_TERMS]
    return Terms([term for term in best for _ in range(round(sqrt(counts[term])))], len(counts))


def note(query: str, terms: Terms) -> str | None:
    """Return one sentence on what a search left out of a query; None if it left out nothing."""
    left_out = []
    if len(query) > MAX_CHARS:
        left_out.append(f"of its {len(query):,} characters the first and last {MAX_CHARS // 2:,} were read")
    if terms.n_different > MAX_TERMS:
        n_chosen = len(set(terms.chosen))
        told = f"the {n_chosen:,} most telling were searched for" if n_chosen else "none is in a document"
        left_out.append(f"of its {terms.n_different:,} different words {told}")
    return f"The query is long: {', and '.join(left_out)}." if left_out else None
