"""Keeps track of the texts that wait for a pretrained embedder, and embeds them; knows no engine.

Vectors are stored in the cache batch by batch, so that a run interrupted by Ctrl-C or kill -9 loses at most
one batch and the next run continues from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from indexes.dense.base import Embedder, Vectors
from indexes.dense.vector_cache import VectorCache
from indexes.errors import EmbedderFailed

if TYPE_CHECKING:
    from indexes.catalog.catalog import Catalog
    from indexes.catalog.reader import CatalogReader, PassageRow
    from indexes.retrieval.base import ProgressCallback

BATCH = 128
"""The number of texts embedded and committed together: one request to an endpoint, or seconds on a CPU."""

STAGE = "embedding"


class EmbeddingBacklog:
    """The texts of one catalog that an embedder has no vector for yet."""

    def __init__(self, embedder: Embedder, cache: VectorCache, catalog: Catalog) -> None:
        self._embedder = embedder
        self._cache = cache
        self._catalog = catalog

    def keys(self, catalog: CatalogReader, since: int) -> list[int]:
        """Return one passage key for each text without a vector that was added after generation `since`."""
        found = {digest: key for key, digest in reversed(catalog.digests(since))}
        missing = self._cache.missing(found)
        return sorted(key for digest, key in found.items() if digest in missing)

    def n_embedded(self, catalog: CatalogReader) -> int:
        """Return how many passages have a vector."""
        stored = catalog.digests(-1)
        missing = self._cache.missing(digest for _, digest in stored)
        return sum(digest not in missing for _, digest in stored)

    def embed_all(self, progress: ProgressCallback) -> None:
        """Embed all waiting texts, including those added meanwhile; holds no lock.

        Raises: `EmbedderFailed`, also if the model's vectors differ in length from those stored.
        """
        while True:
            with self._catalog.read() as catalog:
                stored = {digest for _, digest in catalog.digests(-1)}
                waiting = self.keys(catalog, -1)
            if not waiting:
                return
            done = len(stored) - len(waiting)
            total = len(stored)
            progress(STAGE, done, total)
            todo = iter(waiting)
            while batch := list(islice(todo, BATCH)):
                with self._catalog.read() as catalog:
                    rows, generation = catalog.rows(batch), catalog.generation
                self.embed(rows, generation)
                done += len(batch)
                progress(STAGE, done, total)

    def embed(self, rows: Sequence[PassageRow], generation: int) -> None:
        """Embed rows read at catalog `generation`, and store their vectors. Raises: `EmbedderFailed`."""
        if not rows:
            return
        digests = [row.digest for row in rows]
        vectors = self._embedder.embed_documents([row.text for row in rows])
        self._check(vectors)
        self._cache.put(digests, vectors)
        # The vector of a text deleted while it was being embedded is removed again. If the text is deleted
        # after this check, the deletion finds the vector in the cache and removes it.
        with self._catalog.read() as catalog:
            gone = set(digests).intersection(catalog.forgotten(generation))
        if gone:
            self._cache.forget(gone)

    def _check(self, vectors: Vectors) -> None:
        kept = self._cache.dimension()
        if kept not in {0, vectors.shape[1]}:
            raise EmbedderFailed(
                self._embedder.name,
                f"it now gives vectors of {vectors.shape[1]} numbers, but the stored ones have {kept}: "
                "the model behind the name has changed. Index into a new directory.",
            )
