"""Dense retrievers: their base class, and the one with a space fitted to the collection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from indexes.dense.base import Embedder, FittedEmbedder, VectorEngine, VectorEngineFactory, Vectors
from indexes.dense.feedback import NO_FEEDBACK, SHARE_LATENT, SHARE_PRETRAINED, Feedback, with_feedback
from indexes.errors import EmbedderFailed
from indexes.retrieval.base import ProgressCallback, Scored, since
from indexes.scope import Keys, Scope
from indexes.storage import faults
from indexes.storage.files import fsync
from indexes.storage.permissions import make_engine_folder

if TYPE_CHECKING:
    from indexes.catalog.catalog import Catalog
    from indexes.catalog.reader import CatalogReader, PassageRow

FIT_PASSAGES = 20_000
"""A space is fitted to at most this many passages, evenly spread over the collection."""

REFIT_SHARE = 0.5
"""A space is refitted once more than this share of its passages has been added or removed since the fit."""

UNRELATED = 1e-6
"""Passages with a lower score are not returned: they are orthogonal or opposed to the query."""

_FIT = "fit"
_FOLD_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """An embedder and its engine, replaced together: scores of two spaces cannot be compared."""

    embedder: Embedder
    engine: VectorEngine


class DenseRetriever:
    """The base class of dense retrievers: searching within a scope, and files."""

    shared = True
    fitted = False
    """Whether the space that is searched is fitted to the collection."""
    feedback_share = SHARE_PRETRAINED
    """How far a query is moved towards the passages that another retriever found."""

    def __init__(self, directory: Path, catalog: Catalog, engines: VectorEngineFactory) -> None:
        self._directory = directory
        self._catalog = catalog
        self._engines = engines
        self._space: EmbeddingSpace | None = None

    @property
    def generation(self) -> int:
        """The catalog generation that the vectors cover."""
        space = self._space
        return -1 if space is None else space.engine.generation

    def clear(self) -> None:
        """Remove all vectors."""
        self._engines(self._directory, "").clear()
        self.refresh()

    def refresh(self) -> None:
        """Check the files again: another process may have written to them."""
        raise NotImplementedError

    def follow(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        """Add and remove the passages added and removed since the retriever's own generation."""
        raise NotImplementedError

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""
        space = self._space
        return np.empty(0, np.int64) if space is None else space.engine.keys()

    def search(self, query: str, k: int, *, scope: Scope, feedback: Feedback = NO_FEEDBACK) -> Scored:
        """Return the best `k` passages within `scope` by inner product.

        The query is moved towards the passages of `feedback`.
        """
        space = self._space
        if space is None:
            return []
        vector = space.embedder.embed_query(query)
        if feedback.rows:
            passages = self._vectors(space, feedback.rows)
            vector = with_feedback(vector, passages, feedback.scores, share=self.feedback_share)
        scored = space.engine.search(vector, k, scope=scope)
        return [(key, score) for key, score in scored if score > UNRELATED]

    def _vectors(self, space: EmbeddingSpace, rows: Sequence[PassageRow]) -> Vectors:
        """Return the vectors of passages that the retriever covers."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the vectors."""
        if self._space is not None:
            self._space.engine.close()


class FittedRetriever(DenseRetriever):
    """Vectors in a space fitted to the collection, and refitted when much of the collection has changed."""

    fitted = True
    pretrained = False
    """Whether there is a model that was not fitted to the collection."""
    feedback_share = SHARE_LATENT

    def __init__(
        self, directory: Path, embedder: FittedEmbedder, catalog: Catalog, engines: VectorEngineFactory
    ) -> None:
        super().__init__(directory, catalog, engines)
        self._unfitted = embedder
        self.refresh()

    @property
    def serving(self) -> str:
        """The name of the embedder whose vectors are searched."""
        return self._unfitted.name

    def embedded(self, catalog: CatalogReader) -> int:
        """Return how many passages have a vector: all of them, since each write adds vectors."""
        return catalog.n_added(-1)

    def embed(self, _progress: ProgressCallback) -> bool:
        """Do nothing and return False: there are no other vectors that `follow` could switch to."""
        return False

    def embedding(self) -> AbstractContextManager[None]:
        """Hold the right to run `embed`, which does nothing here."""
        return nullcontext()

    def _vectors(self, space: EmbeddingSpace, rows: Sequence[PassageRow]) -> Vectors:
        return space.embedder.embed_documents([row.text for row in rows])

    def refresh(self) -> None:
        """Check the files again: the engine names the space, whose file is in the same directory."""
        space = self._engines.space_in(self._directory)
        if space is None or not space.startswith(f"{self._unfitted.name}-"):
            self._space = None
            return
        if self._space is not None and self._space.engine.space == space:
            self._space.engine.refresh()
            return
        embedder = copy(self._unfitted)
        try:
            embedder.load(self._file(space))
        except EmbedderFailed:
            self._space = None  # generation -1 causes a refit
            return
        self._space = EmbeddingSpace(embedder, self._engines(self._directory, space))

    def follow(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        """Fold new passages into the space, or refit the space."""
        past = since(self, catalog)
        if self._space is None or past < 0 or self._outgrown(catalog, self._space.engine):
            self._refit(catalog, progress)
        else:
            keys, vectors = _folded(self._space.embedder, catalog, past, progress)
            self._space.engine.apply(keys, vectors, catalog.removed(past), generation=catalog.generation)

    def _outgrown(self, catalog: CatalogReader, engine: VectorEngine) -> bool:
        fit = json.loads(catalog.setting(_FIT) or "{}")
        if fit.get("space") != engine.space:
            return True
        past = engine.generation
        # Counting the passages in the catalog would scan all of them at every write.
        total = engine.count + catalog.n_added(past) - len(catalog.removed(past))
        came = len(catalog.keys(after=fit["last_key"]))
        went = fit["passages"] - (total - came)
        return bool(max(came, went) > REFIT_SHARE * fit["passages"])

    def _refit(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        total = catalog.n_added(-1)
        progress("fitting", 0, total)
        embedder = copy(self._unfitted)
        sample = catalog.keys()[:: -(-total // FIT_PASSAGES) or 1]
        embedder.fit([row.text for row in catalog.rows(sample.tolist())])
        space = f"{embedder.name}-{uuid4().hex}"
        path = self._file(space)
        make_engine_folder(path.parent)
        faults.step("latent.save")
        embedder.save(path)
        faults.step("latent.saved")
        fsync(path)
        faults.step("latent.synced")
        keys, vectors = _folded(embedder, catalog, -1, progress)
        fit = {"space": space, "passages": total, "last_key": int(keys[-1]) if total else 0}
        self._catalog.set(_FIT, json.dumps(fit))
        faults.step("latent.recorded")
        # After this `apply`, the new space is in use.
        engine = self._engines(self._directory, space)
        engine.apply(keys, vectors, (), generation=catalog.generation)
        self._space = EmbeddingSpace(embedder, engine)
        for old in self._directory.glob(f"{embedder.name}-*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
                faults.step("latent.pruned")

    def _file(self, space: str) -> Path:
        return self._directory / f"{space}.npz"


def _folded(
    embedder: Embedder, catalog: CatalogReader, past: int, progress: ProgressCallback
) -> tuple[Keys, Vectors]:
    """Return keys and vectors of the passages added after generation `past`, in the current space."""
    rows = catalog.added(past)
    total = catalog.n_added(past)
    keys = np.empty(total, np.int64)
    vectors = np.empty((total, embedder.dimension), np.float32)
    done = 0
    while block := list(islice(rows, _FOLD_BLOCK)):
        here = slice(done, done + len(block))
        keys[here] = [row.key for row in block]
        vectors[here] = embedder.embed_documents([row.text for row in block])
        done += len(block)
        progress("embedding", done, total)
    return keys, vectors
