"""Pseudo-relevance feedback in vector space; knows vectors and scores, no engine and no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexes.dense.base import Vectors

if TYPE_CHECKING:
    from indexes.catalog.reader import PassageRow

PASSAGES = 5
"""How many of the lexical retriever's best passages the query is moved towards."""

SHARE_LATENT = 1.0
SHARE_PRETRAINED = 0.5

_SHARPNESS = 4
"""The best hit counts most: a passage with half its score counts 1/16 of it."""


@dataclass(frozen=True, slots=True)
class Near:
    """Passages that another retriever found for the same query, with its scores, positive, best first."""

    rows: Sequence[PassageRow] = ()
    scores: Sequence[float] = ()


NOTHING_NEAR = Near()


def with_feedback(query: Vectors, passages: Vectors, scores: Sequence[float], *, share: float) -> Vectors:
    """`query` moved towards `passages`, float32 (dimension,), L2-normalised, or zero.

    Rocchio 1971, Relevance Feedback in Information Retrieval, without negative examples: query + share *
    centroid, the centroid L2-normalised and weighted by score ** 4. `passages` is float32 (n, dimension),
    rows L2-normalised; `scores` are the lexical retriever's, positive. A zero query takes the centroid's
    place, and no passage leaves the query as it is.
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
