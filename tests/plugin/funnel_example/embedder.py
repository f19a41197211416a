"""`hashed:DIMENSION`: an embedder that hashes words into so many places."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from indexes.retrieval.analysis import analyse


class HashedEmbedder:
    """Each term adds one at the place of its hash; a text is the sum, of length one."""

    def __init__(self, dimension: str) -> None:
        self.dimension = int(dimension)
        self.name = f"hashed:{self.dimension}"

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n_texts, dimension), rows L2-normalised."""
        return np.array([self.embed_query(text) for text in texts], np.float32).reshape(-1, self.dimension)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """float32 (dimension,), L2-normalised, or zero."""
        vector = np.zeros(self.dimension, np.float32)
        for term in analyse(text):
            digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            vector[int.from_bytes(digest) % self.dimension] += 1
        length = np.linalg.norm(vector)
        return vector / length if length else vector
