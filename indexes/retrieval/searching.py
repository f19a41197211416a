"""How a query becomes ranked documents: both retrievers within a scope, joined; knows no write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from indexes.catalog.catalog import Catalog
from indexes.catalog.reader import CatalogReader
from indexes.dense.feedback import PASSAGES, Near
from indexes.retrieval import fusion
from indexes.retrieval.allowed_keys import AllowedKeys
from indexes.retrieval.base import Scored
from indexes.retrieval.ranking import ScoredPassage, ranked
from indexes.retrieval.retrievers import Retrievers
from indexes.scope import Scope
from indexes.types import DocumentHit, Hit

Joined = tuple[fusion.Fuse, Mapping[str, float]]
"""A way to join the retrievers, and each retriever's weight in it."""

LEAST_CANDIDATES = 100
_CANDIDATES_A_RESULT = 5
_DEEPER = 4
_TUNED = "tuned"
"""Dense weights fitted to labelled queries, as JSON, by the embedder that served."""


class Searcher:
    """Searches the retrievers of one collection; `fuse` and `weights` left at None suit the vectors."""

    def __init__(self, catalog: Catalog, retrievers: Retrievers) -> None:
        self._catalog = catalog
        self._retrievers = retrievers
        self._allowed = AllowedKeys()
        with catalog.read() as reader:
            self._tuned: dict[str, float] = json.loads(reader.setting(_TUNED) or "{}")
        self.fuse: fusion.Fuse | None = None
        self.weights: Mapping[str, float] | None = None

    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """As `Collection.search`."""
        depth = max(LEAST_CANDIDATES, _CANDIDATES_A_RESULT * k)
        fuse, weights = self.joined(query)
        scope = self._allowed.bind(scope, self._catalog)
        while True:
            found = self._found(query, depth, scope, weights)
            # A later view than the scope's: what is there may have changed, who may read a key cannot.
            with self._catalog.read() as reader:
                places = reader.places({key for scored in found.values() for key, _ in scored}, scope)
                documents = ranked(found, places, k, fuse=fuse, weights=weights)
                if len(documents) == k or all(len(scored) < depth for scored in found.values()):
                    return _hits(reader, documents)
            depth *= _DEEPER  # a few long documents had all the passages that were found

    def joined(self, query: str) -> Joined:
        """How this query's retrievers are joined: as set, else as suits the vectors that serve."""
        tuned = self._tuned.get(self._retrievers.dense.serving)
        if not self._retrievers.dense.fitted:
            own = fusion.PRETRAINED if tuned is None else {"lexical": 1 - tuned, "dense": tuned}
            return self.fuse or fusion.convex, self.weights or own
        trust = self._retrievers.lexical.trust_in_latent(query) if tuned is None else tuned
        return self.fuse or fusion.noisy_or, self.weights or {"lexical": 1.0, "dense": trust}

    @contextmanager
    def weighted(self, weight: float | None) -> Iterator[None]:
        """Search with this weight of the serving dense retriever for a block; None searches untuned."""
        kept, serving = self._tuned, self._retrievers.dense.serving
        self._tuned = {name: w for name, w in kept.items() if name != serving}
        if weight is not None:
            self._tuned[serving] = weight
        try:
            yield
        finally:
            self._tuned = kept

    def keep_weight(self, weight: float | None) -> None:
        """Search with this weight of the dense retriever that serves from now on; None: as if never tuned.

        Raises: `CollectionLocked`.
        """
        with self.weighted(weight):
            tuned = self._tuned
        with self._retrievers.lock.hold():
            self._catalog.set(_TUNED, json.dumps(tuned))
        self._tuned = tuned

    def _found(self, query: str, k: int, scope: Scope, weights: Mapping[str, float]) -> dict[str, Scored]:
        """Search each retriever that has a weight; the dense one is told the lexical one's best passages."""
        found: dict[str, Scored] = {}
        if weights.get("lexical"):
            found["lexical"] = self._retrievers.lexical.search(query, k, scope=scope)
        if weights.get("dense"):
            best = dict(found.get("lexical", [])[:PASSAGES])
            with self._catalog.read() as reader:
                rows = reader.rows(best)
            near = Near(rows, [best[row.key] for row in rows])
            found["dense"] = self._retrievers.dense.search(query, k, scope=scope, near=near)
        return found


def _hits(reader: CatalogReader, documents: list[list[ScoredPassage]]) -> list[DocumentHit]:
    infos = reader.infos(found[0].place.document for found in documents)
    passages = iter(reader.passages(found.place for of in documents for found in of))
    hits = []
    for rank, of in enumerate(documents, 1):
        found = tuple(Hit(next(passages), f.score, f.rank, f.retrievers) for f in of)
        hits.append(DocumentHit(infos[of[0].place.document], of[0].score, rank, of[0].retrievers, found))
    return hits
