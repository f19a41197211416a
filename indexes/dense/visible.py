"""Compares a query with the vectors of what one asker may read, and with nothing else; knows no engine.

Engines group, round and probe vectors in ways that depend on all of them. Here each passage's product is
computed by itself from its stored vector, so that its score depends on no other passage to the last bit.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexes.dense.base import Vectors
from indexes.retrieval.base import Scored
from indexes.scope import Keys

if TYPE_CHECKING:
    from indexes.catalog.catalog import Catalog
    from indexes.dense.vector_cache import VectorCache

KEPT_BYTES = 256 << 20
"""Vectors of the last askers: those of 170,000 passages with 384 numbers each."""

_BLOCK = 4_096


class VisibleVectors:
    """Exact nearest neighbours among the passages that an asker may read. Thread-safe."""

    def __init__(self, catalog: Catalog, cache: VectorCache, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._catalog = catalog
        self._cache = cache
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[int, tuple[Keys, Vectors]] = OrderedDict()
        self._lock = Lock()

    def complete(self, visible: Keys) -> bool:
        """Return whether each of these passages has a vector; false if there are none."""
        if self._known(visible) is not None:
            return True
        with self._catalog.read() as reader:
            digests = reader.digests_of(visible)
        return digests is not None and len(digests) > 0 and not self._cache.missing(digests)

    def search(self, query: Vectors, k: int, *, visible: Keys, allowed: Keys) -> Scored:
        """Return the best `k` (key, inner product) among `allowed`, ties by key.

        `visible` must be `complete`. Returns nothing if the query vector is zero, or a write has removed a
        passage since.
        """
        scores = self._scores(query, visible) if query.any() else None
        if scores is None:
            return []
        among = visible is allowed or np.isin(visible, allowed, assume_unique=True)
        places = np.flatnonzero(np.broadcast_to(among, visible.shape))
        order = places[np.lexsort((visible[places], -scores[places]))][:k]
        return [(int(visible[i]), float(scores[i])) for i in order]

    def _scores(self, query: Vectors, visible: Keys) -> NDArray[np.float32] | None:
        if (kept := self._known(visible)) is not None:
            return _products(kept, query)
        keeps = len(visible) * query.nbytes <= self._kept_bytes
        blocks: list[Vectors] = []
        scores = np.empty(len(visible), np.float32)
        with self._catalog.read() as reader:
            for at in range(0, len(visible), _BLOCK):
                digests = reader.digests_of(visible[at : at + _BLOCK])
                vectors = None if digests is None else self._cache.all_of(digests)
                if vectors is None or vectors.shape[1] != len(query):
                    return None
                scores[at : at + _BLOCK] = _products(vectors, query)
                if keeps:
                    blocks.append(vectors)
        if keeps:
            self._keep(visible, np.concatenate(blocks))
        return scores

    def _known(self, visible: Keys) -> Vectors | None:
        with self._lock:
            if (found := self._kept.get(id(visible))) is None:
                return None
            self._kept.move_to_end(id(visible))
            return found[1]

    def _keep(self, visible: Keys, vectors: Vectors) -> None:
        with self._lock:
            # The array of keys is kept too, so that no other one can have its id.
            self._kept[id(visible)] = (visible, vectors)
            while sum(kept.nbytes for _, kept in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)


def _products(vectors: Vectors, query: Vectors) -> NDArray[np.float32]:
    # Unlike a matrix product, einsum adds up each row by itself, in one order.
    products: NDArray[np.float32] = np.einsum("ij,j->i", vectors, query, optimize=False)
    return products
