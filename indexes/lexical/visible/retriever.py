"""The lexical retriever whose choice of terms and scores depend on visible passages only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indexes.lexical.retriever import LexicalRetriever
from indexes.lexical.visible.engine import VisibleEngine
from indexes.retrieval.long_query import MAX_TERMS, Terms, telling
from indexes.scope import Scope


class VisibleRetriever(LexicalRetriever):
    """Searches what an asker may read as if the collection held nothing else."""

    def __init__(self, engine: VisibleEngine, analyse: Callable[[str], Sequence[str]]) -> None:
        super().__init__(engine, analyse)
        self._visible = engine

    def terms(self, query: str, scope: Scope) -> Terms:
        """Return the terms to search for, chosen by how rare they are in what the asker may read."""
        terms = self._analyse(query)
        different = list(dict.fromkeys(terms))
        if len(different) <= MAX_TERMS:
            return telling(terms, self._engine.frequencies, 0)
        found, n_visible = self._visible.frequencies_within(different, scope)
        known = dict(zip(different, found, strict=True))
        return telling(terms, lambda names: [known[name] for name in names], n_visible)
