"""Pseudo-relevance feedback on query vectors; knows vectors and scores, no engine and no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexes.dense.base import Vectors

if TYPE_CHECKING:
    from indexes.catalog.reader import PassageRow

PASSAGES = 5
"""The number of the lexical retriever's best passages that a query is moved towards."""

SHARE_LATENT = 1.0
SHARE_PRETRAINED = 0.5

_SHARPNESS = 4
"""The exponent of the scores: a passage with half the best score has 1/16 of its weight."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Passages that another retriever found for the same query, and its scores: positive, best first."""

    rows: Sequence[PassageRow] = ()
    scores: Sequence[float] = ()


NO_FEEDBACK = Feedback()


def with_feedback(query: Vectors, passages: Vectors, scores: Sequence[float], *, share: float) -> Vectors:
    """Return `query` moved towards `passages`: float32 (dimension,), L2-normalised, or zero.

    Rocchio 1971, Relevance Feedback in Information Retrieval, without negative examples: query + share *
    centroid, the centroid L2-normalised and weighted by score ** 4. `passages` is float32 (n, dimension),
    rows L2-normalised; `scores` are the lexical retriever's, positive. A zero query becomes the centroid;
    without passages the query is returned unchanged.
    """
    best = max(scores, default=0.0)
    if best <= 0:
        return query
    weights = (np.asarray(scores, np.float32) / np.float32(best)) ** _SHARPNESS
    centroid = weights @ passages
    length = float(np.linalg.norm(centroid))
    if not length:
        return query
    moved = query + np.float32(share / length) * centroid
    length = float(np.linalg.norm(moved))
    unit: Vectors = (moved / np.float32(length)).astype(np.float32) if length else query
    return unit
