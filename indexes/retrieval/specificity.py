"""How far a fitted dense retriever is trusted with a query; knows document frequencies and no engine."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

MOST_TRUST = 0.8
LEAST_TRUST = 0.05
"""Not zero: at the tail, what only the dense retriever found still comes before nothing."""

COMMON = 3.75
"""Mean idf up to which the dense retriever is trusted most: a term in 1 of 43 passages (geometric mean)."""

RARE = 5.75
"""Mean idf from which it has least: each term in 1 of 314."""


def specificity(frequencies: Sequence[int], n_passages: int) -> float:
    """The mean idf of a query's terms, ln(1 + (n - df + .5) / (df + .5)); repeats count, unknown terms too.

    High for names, numbers and rare words, which want to be matched exactly; low for topics in the
    collection's own common words, which a latent space knows best. `RARE` for a query without a term.
    """
    if not frequencies:
        return RARE
    return sum(log(1 + (n_passages - df + 0.5) / (df + 0.5)) for df in frequencies) / len(frequencies)


def latent_trust(frequencies: Sequence[int], n_passages: int) -> float:
    """Trust in a retriever whose space is fitted to the collection: falls evenly from `COMMON` to `RARE`."""
    rare = (specificity(frequencies, n_passages) - COMMON) / (RARE - COMMON)
    return max(LEAST_TRUST, MOST_TRUST * (1 - min(max(rare, 0.0), 1.0)))
