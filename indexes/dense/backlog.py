"""The texts that wait for a pretrained embedder, and the work of embedding them; knows no engine.

What is embedded goes into the cache batch by batch, so a run that is cut off, by Ctrl-C or kill -9, loses
one batch at most and the next run goes on from there.
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
"""Texts that are embedded and committed at once: one request to an endpoint, seconds of a processor."""

STAGE = "embedding"


class EmbeddingBacklog:
    """The texts of one catalog that an embedder has no vector for yet."""

    def __init__(self, embedder: Embedder, cache: VectorCache, catalog: Catalog) -> None:
        self._embedder = embedder
        self._cache = cache
        self._catalog = catalog

    def keys(self, catalog: CatalogReader, since: int) -> list[int]:
        """One passage for each text without a vector, of those that came after generation `since`."""
        found = {digest: key for key, digest in reversed(catalog.digests(since))}
        missing = self._cache.missing(found)
        return sorted(key for digest, key in found.items() if digest in missing)

    def n_embedded(self, catalog: CatalogReader) -> int:
        """How many passages have their vector."""
        stored = catalog.digests(-1)
        missing = self._cache.missing(digest for _, digest in stored)
        return sum(digest not in missing for _, digest in stored)

    def embed_all(self, progress: ProgressCallback) -> None:
        """Embed until nothing waits, whatever comes or goes meanwhile; no lock is held.

        Raises: `EmbedderFailed`, also when the model's vectors do not go with those that are kept.
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
        """Embed these rows of that catalog generation and keep their vectors. Raises: `EmbedderFailed`."""
        if not rows:
            return
        digests = [row.digest for row in rows]
        vectors = self._embedder.embed_documents([row.text for row in rows])
        self._check(vectors)
        self._cache.put(digests, vectors)
        # A text that was deleted while it was being embedded leaves nothing behind. Whoever deletes it after
        # this look finds the vector in the cache and forgets it.
        with self._catalog.read() as catalog:
            gone = set(digests).intersection(catalog.forgotten(generation))
        if gone:
            self._cache.forget(gone)

    def _check(self, vectors: Vectors) -> None:
        kept = self._cache.dimension()
        if kept not in {0, vectors.shape[1]}:
            raise EmbedderFailed(
                self._embedder.name,
                f"it gives vectors of {vectors.shape[1]} numbers now, those that are kept have {kept}: "
                "the model behind the name has changed. Index into a new directory.",
            )
