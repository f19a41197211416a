"""Turns a query into ranked documents: searches both retrievers and fuses their results; writes no index."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from indexes.catalog.catalog import Catalog
from indexes.catalog.reader import CatalogReader
from indexes.dense.feedback import PASSAGES, Feedback
from indexes.lexical.retriever import LexicalRetriever
from indexes.retrieval import fusion
from indexes.retrieval.allowed_keys import AllowedKeys
from indexes.retrieval.base import Scored
from indexes.retrieval.long_query import MAX_CHARS, MAX_TERMS, ends, note
from indexes.retrieval.ranking import ScoredPassage, ranked
from indexes.retrieval.retrievers import STATISTICS_SETTING, Retrievers
from indexes.scope import COLLECTION, VISIBLE, Scope, Statistics
from indexes.types import DocumentHit, Hit, Hits

FusionPlan = tuple[fusion.Fuse, Mapping[str, float]]
"""A fusion function, and each retriever's weight in it."""

LEAST_CANDIDATES = 100
_CANDIDATES_PER_RESULT = 5
_DEPTH_FACTOR = 4
_TUNED = "tuned"
"""The catalog setting with the dense weights fitted to labelled queries: JSON, by embedder."""


class Searcher:
    """Searches one collection. If `fuse` or `weights` is None, the embedder in use decides it."""

    def __init__(self, catalog: Catalog, retrievers: Retrievers) -> None:
        self._catalog = catalog
        self._retrievers = retrievers
        self._allowed = AllowedKeys()
        with catalog.read() as reader:
            self._tuned: dict[str, float] = json.loads(reader.setting(_TUNED) or "{}")
        self.fuse: fusion.Fuse | None = None
        self.weights: Mapping[str, float] | None = None

    def search(self, query: str, k: int, scope: Scope) -> Hits:
        """Search as `Collection.search` describes."""
        scope = self._allowed.bind(self._as_kept(scope), self._catalog)
        lexical = self._lexical(scope)
        notes = _notes(query, scope, lexical)
        query = ends(query, MAX_CHARS)
        k = min(k, max(lexical.count, 1))
        depth = max(LEAST_CANDIDATES, _CANDIDATES_PER_RESULT * k)
        fuse, weights = self._plan_visible() if scope.statistics == VISIBLE else self.plan(query)
        while True:
            found = self._candidates(query, depth, scope, weights, lexical)
            # This view may be later than the scope's keys: passages may have been removed since, but the
            # readers of the passage with a key never change.
            with self._catalog.read() as reader:
                locations = reader.locations({key for scored in found.values() for key, _ in scored}, scope)
                documents = ranked(found, locations, k, fuse=fuse, weights=weights)
                if len(documents) == k or all(len(scored) < depth for scored in found.values()):
                    return Hits(_hits(reader, documents), notes)
            depth *= _DEPTH_FACTOR  # a few long documents took up all the candidates

    @property
    def statistics(self) -> Statistics:
        """What the scores of every search may depend on, as kept in the collection."""
        with self._catalog.read() as reader:
            return VISIBLE if reader.setting(STATISTICS_SETTING) == VISIBLE else COLLECTION

    def keep_statistics(self, statistics: Statistics) -> None:
        """Search with these statistics from now on. Raises: `CollectionLocked`."""
        with self._retrievers.lock.hold():
            self._catalog.set(STATISTICS_SETTING, statistics)
        if statistics == VISIBLE:
            self._retrievers.with_visible_statistics()

    def _as_kept(self, scope: Scope) -> Scope:
        """Return the scope with the stricter of its own statistics and those kept in the collection."""
        return scope if scope.statistics == VISIBLE else replace(scope, statistics=self.statistics)

    def _lexical(self, scope: Scope) -> LexicalRetriever:
        if scope.statistics == VISIBLE:
            return self._retrievers.with_visible_statistics()
        return self._retrievers.lexical

    def _plan_visible(self) -> FusionPlan:
        """Return how to fuse what is visible: with no space, weight or trust that comes from other texts."""
        weights = self.weights or fusion.PRETRAINED
        if not self._retrievers.dense.pretrained:
            weights = {"lexical": 1.0}
        return self.fuse or fusion.convex, weights

    def plan(self, query: str) -> FusionPlan:
        """Return how to fuse the retrievers for this query: as set, or else as the embedder requires."""
        tuned = self._tuned.get(self._retrievers.dense.serving)
        if not self._retrievers.dense.fitted:
            own = fusion.PRETRAINED if tuned is None else {"lexical": 1 - tuned, "dense": tuned}
            return self.fuse or fusion.convex, self.weights or own
        trust = self._retrievers.lexical.trust_in_latent(query) if tuned is None else tuned
        return self.fuse or fusion.noisy_or, self.weights or {"lexical": 1.0, "dense": trust}

    @contextmanager
    def weighted(self, weight: float | None) -> Iterator[None]:
        """Search with this weight of the dense retriever for a `with` block; the untuned weight if None."""
        kept, serving = self._tuned, self._retrievers.dense.serving
        self._tuned = {name: w for name, w in kept.items() if name != serving}
        if weight is not None:
            self._tuned[serving] = weight
        try:
            yield
        finally:
            self._tuned = kept

    def keep_weight(self, weight: float | None) -> None:
        """Search with this weight of the dense retriever from now on; the untuned weight if None.

        Raises: `CollectionLocked`.
        """
        with self.weighted(weight):
            tuned = self._tuned
        with self._retrievers.lock.hold():
            self._catalog.set(_TUNED, json.dumps(tuned))
        self._tuned = tuned

    def _candidates(
        self, query: str, k: int, scope: Scope, weights: Mapping[str, float], lexical: LexicalRetriever
    ) -> dict[str, Scored]:
        """Search each retriever that has a weight; the best lexical hits are feedback for the dense one."""
        found: dict[str, Scored] = {}
        if weights.get("lexical"):
            found["lexical"] = lexical.search(query, k, scope=scope)
        if weights.get("dense"):
            best = dict(found.get("lexical", [])[:PASSAGES])
            with self._catalog.read() as reader:
                rows = reader.rows(best)
            feedback = Feedback(rows, [best[row.key] for row in rows])
            found["dense"] = self._retrievers.dense.search(query, k, scope=scope, feedback=feedback)
        return found


def _notes(query: str, scope: Scope, lexical: LexicalRetriever) -> list[str]:
    """Return what to say about a query of which only a part is searched for."""
    if len(query) <= MAX_TERMS:
        return []  # it cannot have more terms than characters
    said = note(query, lexical.terms(ends(query, MAX_CHARS), scope))
    return [] if said is None else [said]


def _hits(reader: CatalogReader, documents: list[list[ScoredPassage]]) -> list[DocumentHit]:
    infos = reader.infos(found[0].location.document for found in documents)
    passages = iter(reader.passages(scored.location for found in documents for scored in found))
    hits = []
    for rank, found in enumerate(documents, 1):
        best = found[0]
        inside = tuple(Hit(next(passages), f.score, f.rank, f.retrievers) for f in found)
        hits.append(DocumentHit(infos[best.location.document], best.score, rank, best.retrievers, inside))
    return hits
