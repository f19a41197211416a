"""The exact engine: compares every vector, in numpy; knows keys and vectors, no text.

It is the simple reference for other engines, and fast enough for about ten thousand passages: a search takes
time in proportion to the number of vectors, and every vector is in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from indexes.dense.base import Vectors
from indexes.dense.engines.file_engine import FileEngine
from indexes.retrieval.base import Scored
from indexes.scope import Keys

REWRITTEN = 2_048
"""With up to this many vectors, a change rewrites the file."""

TAIL = 8_192
"""At most this many changes are kept in the log."""


@dataclass(frozen=True, slots=True)
class ExactSnapshot:
    """Vectors, float32 (n, dimension), under ascending keys, int64 (n,)."""

    keys: Keys
    vectors: Vectors
    n_pending: int = 0

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.keys)

    def all_keys(self) -> Keys:
        """Return all keys, ascending."""
        return self.keys

    def changed(self, keys: Keys, vectors: Vectors, removed: Keys) -> ExactSnapshot:
        """Return a snapshot with `vectors` (n, dimension) added for `keys` (n,), and without `removed`."""
        kept = ~np.isin(self.keys, removed)
        all_keys = np.concatenate([self.keys[kept], keys])
        order = np.argsort(all_keys, kind="stable")
        all_vectors = np.concatenate([self.vectors[kept], np.asarray(vectors, np.float32)])
        pending = self.n_pending + len(keys) + int((~kept).sum())
        return ExactSnapshot(all_keys[order], all_vectors[order], pending)

    def search(self, query: Vectors, k: int, *, allowed: Keys | None) -> Scored:
        """Return the best `k` (key, inner product), ties by key; only among `allowed` keys if given."""
        # All vectors are scored, also those not allowed: a product of fewer rows may differ in its last bit.
        scores = self.vectors @ np.asarray(query, np.float32)
        keys = self.keys
        if allowed is not None:
            among = np.isin(keys, allowed, assume_unique=True)
            scores, keys = scores[among], keys[among]
        if k < len(scores):
            least = np.partition(scores, len(scores) - k)[len(scores) - k]
            best = np.flatnonzero(scores >= least)
            scores, keys = scores[best], keys[best]
        order = np.lexsort((keys, -scores))[:k]
        return [(int(keys[i]), float(scores[i])) for i in order]


class ExactEngine(FileEngine[ExactSnapshot]):
    """Plain numpy over the vectors of the embedding space `space` in `directory`."""

    suffix = ".vectors"

    def __init__(self, directory: Path, space: str, *, rewritten: int = REWRITTEN, tail: int = TAIL) -> None:
        super().__init__(directory, space, rewritten=rewritten, tail=tail)

    def _built(self, keys: Keys, vectors: Vectors) -> ExactSnapshot:
        nothing = ExactSnapshot(np.empty(0, np.int64), np.empty((0, vectors.shape[1]), np.float32))
        return self._merged(nothing.changed(keys, vectors, nothing.keys))

    def _merged(self, held: ExactSnapshot) -> ExactSnapshot:
        return replace(held, n_pending=0)

    def _opened(self, path: Path) -> ExactSnapshot:
        with path.open("rb") as file:
            return ExactSnapshot(np.load(file, allow_pickle=False), np.load(file, allow_pickle=False))

    def _save(self, held: ExactSnapshot, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, held.keys, allow_pickle=False)
            np.save(file, held.vectors, allow_pickle=False)
