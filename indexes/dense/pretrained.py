"""The dense retriever of a pretrained model; it uses a fitted space until every text has a model vector.

A write never waits for a slow model (a second for twenty texts): new passages are found at once, by their
terms and by the fitted space. The model's vectors are used only once they cover everything, because scores of
two spaces cannot be compared.
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
from indexes.dense.feedback import NO_FEEDBACK, SHARE_PRETRAINED, Feedback, with_feedback
from indexes.dense.retriever import UNRELATED, DenseRetriever, EmbeddingSpace, FittedRetriever
from indexes.dense.vector_cache import VECTORS, VectorCache
from indexes.dense.visible import VisibleVectors
from indexes.errors import AlreadyEmbedding, CollectionLocked, EmbedderFailed
from indexes.retrieval.base import ProgressCallback, Scored, since
from indexes.retrieval.long_query import MAX_EMBEDDED_CHARS, ends
from indexes.scope import VISIBLE, Keys, Scope
from indexes.storage.lock import WriterLock
from indexes.storage.permissions import make_engine_folder

if TYPE_CHECKING:
    from indexes.catalog.catalog import Catalog
    from indexes.catalog.reader import CatalogReader, PassageRow

AT_ONCE = 32
"""At most this many new texts are embedded within a write: one batch of the model, one to two seconds on two
cores. So a complete collection stays complete through small changes, and does not fall back to the fitted
space until somebody runs `embed`."""

QUERIES_KEPT = 1024

_SERVES = "serves"
_STAND_IN = "stand-in"
_logger = logging.getLogger(__name__)


class _Queries:
    """An embedder with a cache of the vectors of its most recent queries."""

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
        vector = self._query(ends(text, MAX_EMBEDDED_CHARS))
        if len(vector) != self._dimension():
            raise EmbedderFailed(
                self.name,
                f"it now gives vectors of {len(vector)} numbers, but those of the collection have "
                f"{self._dimension()}: the model behind the name has changed. Index into a new directory.",
            )
        return vector


class _CachedRetriever(DenseRetriever):
    """Vectors of a pretrained model, read from the cache."""

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
        """Check the files again: another process may have written to them."""
        self._engine.refresh()

    def follow(self, catalog: CatalogReader, _progress: ProgressCallback) -> None:
        """Bring the vectors up to the catalog's generation; all of them must be in the cache."""
        past = since(self, catalog)
        stored = catalog.digests(past)
        keys = np.array([key for key, _ in stored], np.int64)
        if stored:
            vectors = self._cache.get([digest for _, digest in stored])
        else:
            vectors = np.empty((0, self._engine.dimension or self._embedder.dimension), np.float32)
        self._engine.apply(keys, vectors, catalog.removed(past), generation=catalog.generation)


class PretrainedRetriever:
    """Searches the model's vectors if every text has one, or else a space fitted to the collection."""

    shared = True
    pretrained = True
    """Whether there is a model that was not fitted to the collection."""

    def __init__(
        self, directory: Path, embedder: Embedder, catalog: Catalog, engines: VectorEngineFactory
    ) -> None:
        cache = VectorCache(directory.parent / VECTORS, embedder.name)
        self._directory = directory
        self._catalog = catalog
        self._cache = cache
        self._name = embedder.name
        self._backlog = EmbeddingBacklog(embedder, cache, catalog)
        self._queries = _Queries(embedder, cache.dimension)
        self._visible_vectors = VisibleVectors(catalog, cache)
        self._model_vectors = _CachedRetriever(directory, embedder, catalog, cache, engines)
        self._stand_in = FittedRetriever(directory / _STAND_IN, LatentEmbedder(), catalog, engines)

    @property
    def generation(self) -> int:
        """The catalog generation of the fitted space, or of the model's vectors if they are due and older."""
        due = self._model_vectors.generation if self._due() else self._stand_in.generation
        return min(due, self._stand_in.generation)

    @property
    def fitted(self) -> bool:
        """Whether the space that is searched is fitted to the collection."""
        return self._in_use.fitted

    @property
    def serving(self) -> str:
        """The name of the embedder whose vectors are searched."""
        return self._stand_in.serving if self.fitted else self._name

    def embedded(self, catalog: CatalogReader) -> int:
        """Return how many passages have a vector of the model."""
        return self._backlog.n_embedded(catalog)

    def refresh(self) -> None:
        """Check the files again: another process may have written to them."""
        self._model_vectors.refresh()
        self._stand_in.refresh()

    def follow(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        """Update from the catalog. If few texts wait for the model, embed them now and use its vectors."""
        past = self._stand_in.generation
        complete = self._completed(catalog)
        # Recorded first, so that the next opening repairs an engine that should be in use but is behind.
        self._catalog.set(_SERVES, self._name if complete else self._stand_in.serving)
        for retriever in (self._model_vectors, self._stand_in) if complete else (self._stand_in,):
            if retriever.generation != catalog.generation:
                retriever.follow(catalog, progress)
        self._cache.forget(catalog.forgotten(past))

    def embed(self, progress: ProgressCallback) -> bool:
        """Embed the waiting texts without blocking writers.

        Returns: whether `follow` can use the vectors now.

        Raises: `EmbedderFailed`; vectors computed before it are kept.
        """
        self._backlog.embed_all(progress)
        with self._catalog.read() as catalog:
            return self.fitted and catalog.n_added(-1) > 0

    @contextmanager
    def embedding(self) -> Iterator[None]:
        """Hold the right to run `embed` for a `with` block. Raises: `AlreadyEmbedding`."""
        make_engine_folder(self._directory)
        worker = WriterLock(self._directory)
        try:
            with worker.hold(wait_s=0):
                yield
        except CollectionLocked as exc:
            if exc.path != self._directory:
                raise
            raise AlreadyEmbedding(self._directory.parent, exc.holder) from None

    def clear(self) -> None:
        """Remove all vectors except those in the cache."""
        self._model_vectors.clear()
        self._stand_in.clear()

    def keys(self) -> Keys:
        """Return the keys of all passages in the vectors in use, ascending."""
        return self._in_use.keys()

    def search(self, query: str, k: int, *, scope: Scope, feedback: Feedback = NO_FEEDBACK) -> Scored:
        """Return the best `k` passages within `scope`, by the vectors in use.

        With the statistics of what is visible, by the model's vectors alone; none if a visible passage has
        no vector yet.
        """
        if scope.statistics == VISIBLE:
            return self._search_visible(query, k, scope, feedback)
        return self._in_use.search(query, k, scope=scope, feedback=feedback)

    def _search_visible(self, query: str, k: int, scope: Scope, feedback: Feedback) -> Scored:
        visible, allowed = scope.visible(), scope.keys()
        if visible is None or allowed is None:
            with self._catalog.read() as catalog:
                everything = catalog.keys()
            visible = everything if visible is None else visible
            allowed = visible if allowed is None else allowed
        if not self._visible_vectors.complete(visible):
            return []
        vector = self._queries.embed_query(query)
        if feedback.rows:
            passages = self._cache.all_of([row.digest for row in feedback.rows])
            if passages is None:
                return []
            vector = with_feedback(vector, passages, feedback.scores, share=SHARE_PRETRAINED)
        scored = self._visible_vectors.search(vector, k, visible=visible, allowed=allowed)
        return [(key, score) for key, score in scored if score > UNRELATED]

    def close(self) -> None:
        """Release the vectors."""
        self._model_vectors.close()
        self._stand_in.close()

    @property
    def _in_use(self) -> DenseRetriever:
        own, stand_in = self._model_vectors.generation, self._stand_in.generation
        return self._model_vectors if own >= max(stand_in, 0) else self._stand_in

    def _due(self) -> bool:
        with self._catalog.read() as catalog:
            return catalog.setting(_SERVES) == self._name

    def _completed(self, catalog: CatalogReader) -> bool:
        """Embed the waiting texts if they are few, and return whether every text then has a vector."""
        past = (
            self._model_vectors.generation
            if 0 <= self._model_vectors.generation <= catalog.generation
            else -1
        )
        waiting = self._backlog.keys(catalog, past)
        # Nothing has been embedded yet, and even the vector length may need a model or an endpoint.
        nothing = past < 0 and not catalog.n_added(-1)
        if nothing or len(waiting) > AT_ONCE:
            return False
        try:
            self._backlog.embed(catalog.rows(waiting), catalog.generation)
        except EmbedderFailed as exc:
            _logger.warning("%s Until `funnel embed` runs, %s is used.", exc, self._stand_in.serving)
            return False
        return True


def dense_retriever(
    directory: Path, embedder: Embedder, catalog: Catalog, engines: VectorEngineFactory
) -> FittedRetriever | PretrainedRetriever:
    """Return the retriever for this embedder, over engines that `engines` opens."""
    if isinstance(embedder, FittedEmbedder):
        return FittedRetriever(directory, embedder, catalog, engines)
    return PretrainedRetriever(directory, embedder, catalog, engines)
