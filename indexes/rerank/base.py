"""The protocol of a reranker, which scores how relevant texts are to a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


class Reranker(Protocol):
    """Scores query and text together: more precise than comparing vectors, but runs a model for each text."""

    @property
    def name(self) -> str:
        """The name that `--rerank` takes."""

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return float32 (n_texts,) between 0 and 1, higher is more relevant. Raises: `RerankerFailed`."""
