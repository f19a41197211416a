"""What a reranker is: a query and texts to how relevant each text is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


class Reranker(Protocol):
    """Reads query and text together: better than comparing their vectors, and a model's run a text dear."""

    @property
    def name(self) -> str:
        """As in `--rerank NAME`."""

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """float32 (n_texts,) between 0 and 1, higher is more relevant. Raises: `RerankerFailed`."""
