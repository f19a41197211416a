"""The dense retriever of a pretrained model, and the fitted space that serves until each text has its vector.

A write never waits for a model that takes a second for twenty texts: what came is found by its terms and by
the fitted space at once. The model's own vectors serve only when they cover everything, for scores of two
spaces do not compare.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexes.dense.backlog import EmbeddingBacklog
from indexes.dense.base import Embedder, FittedEmbedder, VectorEngineFactory, Vectors
from indexes.dense.embedders.latent import LatentEmbedder
from indexes.dense.feedback import NOTHING_NEAR, Near
from indexes.dense.retriever import DenseRetriever, EmbeddingSpace, FittedRetriever
from indexes.dense.vector_cache import VECTORS, VectorCache
from indexes.errors import AlreadyEmbedding, CollectionLocked, EmbedderFailed
from indexes.retrieval.base import ProgressCallback, Scored, since
from indexes.scope import Keys, Scope
from indexes.storage.lock import WriterLock

if TYPE_CHECKING:
    from indexes.catalog.catalog import Catalog
    from indexes.catalog.reader import CatalogReader, PassageRow

AT_ONCE = 32
"""So many new texts at most are embedded within the write: one batch of the model, one to two seconds on two
cores. A collection that is complete stays so through small changes, rather than fall back to the fitted space
until somebody runs the long job."""

QUERIES_KEPT = 1024

_SERVES = "serves"
_STAND_IN = "stand-in"
_logger = logging.getLogger(__name__)


class _Queries:
    """An embedder that remembers the vectors of its latest queries."""

    def __init__(self, embedder: Embedder, dimension: Callable[[], int]) -> None:
        self._embedder = embedder
        self._dimension = dimension
        self._query = lru_cache(QUERIES_KEPT)(embedder.embed_query)

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        vector = self._query(text)
        if len(vector) != self._dimension():
            raise EmbedderFailed(
                self.name,
                f"it gives vectors of {len(vector)} numbers now, those of the collection have "
                f"{self._dimension()}: the model behind the name has changed. Index into a new directory.",
            )
        return vector


class _CachedRetriever(DenseRetriever):
    """Vectors of a model that knows no corpus, as they stand in the cache."""

    def __init__(
        self,
        directory: Path,
        embedder: Embedder,
        catalog: Catalog,
        cache: VectorCache,
        engines: VectorEngineFactory,
    ) -> None:
        super().__init__(directory, catalog, engines)
        self._embedder = embedder
        self._cache = cache
        self._engine = engines(directory, embedder.name)
        self._space = EmbeddingSpace(_Queries(embedder, lambda: self._engine.dimension), self._engine)

    def _vectors(self, space: EmbeddingSpace, rows: Sequence[PassageRow]) -> Vectors:
        del space
        return self._cache.get([row.digest for row in rows])

    def refresh(self) -> None:
        """Look at the files again."""
        self._engine.refresh()

    def follow(self, catalog: CatalogReader, _progress: ProgressCallback) -> None:
        """Bring the vectors to the catalog's generation; each must be in the cache."""
        past = since(self, catalog)
        stored = catalog.digests(past)
        keys = np.array([key for key, _ in stored], np.int64)
        if stored:
            vectors = self._cache.get([digest for _, digest in stored])
        else:
            vectors = np.empty((0, self._engine.dimension or self._embedder.dimension), np.float32)
        self._engine.apply(keys, vectors, catalog.removed(past), generation=catalog.generation)


class PretrainedRetriever:
    """The model's vectors at full coverage, a space fitted to the collection until then."""

    shared = True

    def __init__(
        self, directory: Path, embedder: Embedder, catalog: Catalog, engines: VectorEngineFactory
    ) -> None:
        cache = VectorCache(directory.parent / VECTORS, embedder.name)
        self._directory = directory
        self._catalog = catalog
        self._cache = cache
        self._name = embedder.name
        self._waiting = EmbeddingBacklog(embedder, cache, catalog)
        self._own = _CachedRetriever(directory, embedder, catalog, cache, engines)
        self._stand_in = FittedRetriever(directory / _STAND_IN, LatentEmbedder(), catalog, engines)

    @property
    def generation(self) -> int:
        """The catalog generation that what serves covers; an older one where the model's vectors are due."""
        due = self._own.generation if self._due() else self._stand_in.generation
        return min(due, self._stand_in.generation)

    @property
    def fitted(self) -> bool:
        """Whether the space that is searched is fitted to the collection."""
        return self._serves.fitted

    @property
    def serving(self) -> str:
        """Name of the embedder whose vectors are searched."""
        return self._stand_in.serving if self.fitted else self._name

    def embedded(self, catalog: CatalogReader) -> int:
        """How many passages have the model's own vector."""
        return self._waiting.n_embedded(catalog)

    def refresh(self) -> None:
        """Look at the files again."""
        self._own.refresh()
        self._stand_in.refresh()

    def follow(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        """Take in what came; the model's vectors serve if few texts wait, which are then embedded at once."""
        past = self._stand_in.generation
        complete = self._completed(catalog)
        # Recorded first: an engine that was due and does not cover the generation is made good on opening.
        self._catalog.set(_SERVES, self._name if complete else self._stand_in.serving)
        for retriever in (self._own, self._stand_in) if complete else (self._stand_in,):
            if retriever.generation != catalog.generation:
                retriever.follow(catalog, progress)
        self._cache.forget(catalog.forgotten(past))

    def embed(self, progress: ProgressCallback) -> bool:
        """Embed what waits, without holding up any writer; whether `follow` is to let the vectors serve now.

        Raises: `EmbedderFailed`; what was embedded until then is kept.
        """
        self._waiting.embed_all(progress)
        with self._catalog.read() as catalog:
            return self.fitted and catalog.n_added(-1) > 0

    @contextmanager
    def embedding(self) -> Iterator[None]:
        """The right to run `embed`, for a block. Raises: `AlreadyEmbedding`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        worker = WriterLock(self._directory)
        try:
            with worker.hold(wait_s=0):
                yield
        except CollectionLocked as exc:
            if exc.path != self._directory:
                raise
            raise AlreadyEmbedding(self._directory.parent, exc.holder) from None

    def clear(self) -> None:
        """Forget every vector that is derived; the cache stays."""
        self._own.clear()
        self._stand_in.clear()

    def keys(self) -> Keys:
        """The keys of every passage that what serves holds, ascending."""
        return self._serves.keys()

    def search(self, query: str, k: int, *, scope: Scope, near: Near = NOTHING_NEAR) -> Scored:
        """The best `k` passages within `scope`, by the model's vectors or by those that stand in for them."""
        return self._serves.search(query, k, scope=scope, near=near)

    def close(self) -> None:
        """Let go of the vectors."""
        self._own.close()
        self._stand_in.close()

    @property
    def _serves(self) -> DenseRetriever:
        own, stand_in = self._own.generation, self._stand_in.generation
        return self._own if own >= max(stand_in, 0) else self._stand_in

    def _due(self) -> bool:
        with self._catalog.read() as catalog:
            return catalog.setting(_SERVES) == self._name

    def _completed(self, catalog: CatalogReader) -> bool:
        """Whether every text has its vector, after the few that may wait have been embedded."""
        past = self._own.generation if 0 <= self._own.generation <= catalog.generation else -1
        waiting = self._waiting.keys(catalog, past)
        # Nothing was ever embedded: to learn how long a vector is may take a model or an endpoint.
        nothing = past < 0 and not catalog.n_added(-1)
        if nothing or len(waiting) > AT_ONCE:
            return False
        try:
            self._waiting.embed(catalog.rows(waiting), catalog.generation)
        except EmbedderFailed as exc:
            _logger.warning("%s Until `funnel embed`, %s stands in.", exc, self._stand_in.serving)
            return False
        return True


def dense_retriever(
    directory: Path, embedder: Embedder, catalog: Catalog, engines: VectorEngineFactory
) -> FittedRetriever | PretrainedRetriever:
    """Return the retriever that goes with this embedder, over engines that `engines` makes."""
    if isinstance(embedder, FittedEmbedder):
        return FittedRetriever(directory, embedder, catalog, engines)
    return PretrainedRetriever(directory, embedder, catalog, engines)
