"""An embedder and a reranker for tests that need no model: they compare words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from indexes.dense.base import Vectors
from indexes.rerank.base import Scores


class WordEmbedder:
    """Embeds a text as its word counts, each in the dimension that the word hashes to. Reproducible and fast.

    Two texts are near each other if they share words. `dimension` is the number of hash values.
    """

    def __init__(self, dimension: int = 64, *, name: str = "words") -> None:
        self._dimension = dimension
        self._name = name

    @property
    def name(self) -> str:
        """The name given to the constructor."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of a vector, as given to the constructor."""
        return self._dimension

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimension), rows L2-normalised; blank texts are zero rows."""
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in text.lower().split():
                vector[zlib.crc32(word.encode("utf-8", "surrogatepass")) % self._dimension] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return unit

    def embed_query(self, text: str) -> Vectors:
        """Return float32 (dimension,), L2-normalised, or zero."""
        query: Vectors = self.embed_documents([text])[0]
        return query


class WordReranker:
    """Scores a text by the share of the query's words that it contains."""

    @property
    def name(self) -> str:
        """Always `words`."""
        return "words"

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return float32 (n_texts,) between 0 and 1."""
        asked = set(query.lower().split())
        shares = [len(asked & set(text.lower().split())) / max(len(asked), 1) for text in texts]
        return np.array(shares, np.float32)
