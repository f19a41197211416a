"""Computes how far to trust a fitted dense retriever with a query, from document frequencies alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

MOST_TRUST = 0.8
LEAST_TRUST = 0.05
"""Not zero, so that passages that only the dense retriever found still appear, at the end."""

COMMON = 3.75
"""The mean idf up to which trust is highest: terms in 1 of 43 passages, by geometric mean."""

RARE = 5.75
"""The mean idf from which trust is lowest: terms in 1 of 314 passages."""


def specificity(frequencies: Sequence[int], n_passages: int) -> float:
    """Return the mean idf of a query's terms, ln(1 + (n - df + .5) / (df + .5)), counting repeated terms.

    It is high for names, numbers and rare words, which need an exact match, and low for topics in the
    collection's common words, which a latent space represents best. It is `RARE` if the query has no terms.
    """
    if not frequencies:
        return RARE
    return sum(log(1 + (n_passages - df + 0.5) / (df + 0.5)) for df in frequencies) / len(frequencies)


def latent_trust(frequencies: Sequence[int], n_passages: int) -> float:
    """Return the trust in a space fitted to the collection; it falls linearly from `COMMON` to `RARE`."""
    rare = (specificity(frequencies, n_passages) - COMMON) / (RARE - COMMON)
    return max(LEAST_TRUST, MOST_TRUST * (1 - min(max(rare, 0.0), 1.0)))
