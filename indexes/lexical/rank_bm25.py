"""The simple reference engine: rank-bm25 in memory; knows terms and keys, and writes nothing.

It is exact where tantivy rounds, and slow where tantivy is fast: every query scores every passage.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from indexes.lexical.base import LexicalEntry
from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope

K1 = 1.2
B = 0.75


class LuceneBM25(BM25Okapi):  # type: ignore[misc]  # rank_bm25 has no types
    """BM25 with Lucene's idf, ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative.

    Kamphuis et al. 2020, Which BM25 Do You Mean?, ECIR, table 1; Lucene's BM25Similarity; tantivy's bm25.rs.
    """

    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        n = self.corpus_size
        self.n_passages = nd
        self.idf = {term: math.log(1 + (n - count + 0.5) / (count + 0.5)) for term, count in nd.items()}


@dataclass(frozen=True, slots=True)
class _State:
    """The engine's data, replaced as one object, so that a search during a write sees the old or the new."""

    entries: tuple[LexicalEntry, ...]
    model: LuceneBM25 | None
    generation: int


_EMPTY = _State((), None, -1)


def _scores(model: LuceneBM25, terms: Sequence[str]) -> NDArray[np.float64]:
    """Return the score of every passage. Terms that are repeated equally often are scored together."""
    counts = Counter(terms)
    if len(counts) == len(terms):
        scores: NDArray[np.float64] = model.get_scores(terms)
        return scores
    by_count: dict[int, list[str]] = {}
    for term, count in counts.items():
        by_count.setdefault(count, []).append(term)
    weighted: NDArray[np.float64] = sum(
        (count * model.get_scores(group) for count, group in by_count.items()), np.zeros(model.corpus_size)
    )
    return weighted


class RankBM25Engine:
    """rank-bm25 over the passages added so far. Nothing is written to disk: it is rebuilt on each opening."""

    shared = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._state = _EMPTY

    @property
    def generation(self) -> int:
        """The catalog generation that it covers; -1 before the first `apply`."""
        return self._state.generation

    def refresh(self) -> None:
        """Do nothing: no other process writes here."""

    def apply(self, added: Iterable[LexicalEntry], removed: Iterable[int], *, generation: int) -> None:
        """Add and remove passages and cover `generation`."""
        entries = {entry.key: entry for entry in self._state.entries}
        for key in removed:
            entries.pop(key, None)
        entries |= {entry.key: entry for entry in added}
        held = tuple(entries[key] for key in sorted(entries))
        # If no passage has a term, the mean length is zero and nothing can be found.
        model = LuceneBM25([e.terms for e in held], k1=K1, b=B) if any(e.terms for e in held) else None
        self._state = _State(held, model, generation)

    def clear(self) -> None:
        """Remove all passages."""
        self._state = _EMPTY

    @property
    def count(self) -> int:
        """Number of passages held."""
        return len(self._state.entries)

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""
        return np.array([entry.key for entry in self._state.entries], np.int64)

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return the number of passages that contain each term."""
        model = self._state.model
        return [0 if model is None else model.n_passages.get(term, 0) for term in terms]

    def search(self, terms: Sequence[str], k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`; a repeated term counts each time."""
        state = self._state
        if state.model is None or not terms:
            return []
        entries = state.entries
        scores = _scores(state.model, terms)
        if (allowed := scope.keys()) is not None:
            scores = np.where(np.isin([entry.key for entry in entries], allowed), scores, 0)
        found = [
            (entries[i].key, float(scores[i]))
            for i in np.flatnonzero(scores > 0)
            if scope.access.may_read(entries[i].readers)
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]

    def close(self) -> None:
        """Do nothing: no file is open."""
