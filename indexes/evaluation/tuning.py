"""Labelled queries to a fusion weight, by cross-validation; knows collections, and no engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from indexes.errors import BadQuery, UnknownName
from indexes.evaluation.labelled_queries import LabelledQuery, ndcg_at, p_value, recall_at

if TYPE_CHECKING:
    from indexes.collection import Collection

GRID = tuple(step / 10 for step in range(11))
"""Weights of the dense retriever that are tried, besides what the collection does by itself."""

FOLDS = 5
LEAST_QUERIES = 10
SIGNIFICANT = 0.05
MEASURES: dict[str, Callable[[Sequence[str], Mapping[str, int], int], float]] = {
    "recall": recall_at,
    "ndcg": ndcg_at,
}

Weight = float | None
"""None: what the collection does by itself."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """`weight` of the dense retriever, fitted to all queries; None if nothing beat the collection's own.

    `held_out` is the mean over queries, each at the weight fitted to the other folds; `before` the mean
    without tuning. `p` tells how likely such a difference is by chance.
    """

    weight: Weight
    held_out: float
    before: float
    p: float
    n_queries: int

    @property
    def significant(self) -> bool:
        """Whether the gain is more than chance at the 5 % level."""
        return self.held_out > self.before and self.p < SIGNIFICANT


def tune(
    collection: Collection,
    queries: Sequence[LabelledQuery],
    *,
    measure: str = "recall",
    k: int = 100,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Tuned:
    """Fit the dense retriever's weight to labelled queries and keep it in the collection.

    Stage two reads the `k` documents, so that recall among them is what counts by default.

    Raises: `UnknownName` for a measure that is none; `BadQuery` for too few queries, which would fit noise;
    `CollectionLocked`.
    """
    if measure not in MEASURES:
        raise UnknownName("measure", measure, MEASURES)
    if len(queries) < LEAST_QUERIES:
        raise BadQuery(
            f"{len(queries)} labelled queries are too few to tune by. Bring at least {LEAST_QUERIES}."
        )
    weights: tuple[Weight, ...] = (None, *GRID)
    values: dict[Weight, list[float]] = {}
    documents = collection.as_owner()
    for done, weight in enumerate(weights, start=1):
        with collection.weighted(weight):
            rankings = [[hit.document.id for hit in documents.search(query.text, k)] for query in queries]
        values[weight] = [
            MEASURES[measure](ranking, query.grades, k)
            for ranking, query in zip(rankings, queries, strict=True)
        ]
        if progress:
            progress("tuning", done, len(weights))
    tuned = cross_validated(values)
    collection.keep_weight(tuned.weight)
    return tuned


def cross_validated(values: Mapping[Weight, Sequence[float]]) -> Tuned:
    """The best weight, judged on queries that it was not fitted to: query i is in fold i mod `FOLDS`."""
    n = len(values[None])
    held_out = [0.0] * n
    for fold in range(FOLDS):
        weight = _best(values, [i for i in range(n) if i % FOLDS != fold])
        for i in range(fold, n, FOLDS):
            held_out[i] = values[weight][i]
    before = values[None]
    p = p_value(held_out, before)
    return Tuned(_best(values, range(n)), fmean(held_out), fmean(before), p, n)


def _best(values: Mapping[Weight, Sequence[float]], of: Sequence[int]) -> Weight:
    """The weight with the best mean; of equals the collection's own way, then the smaller."""
    return min(values, key=lambda w: (-round(fmean(values[w][i] for i in of), 9), w is not None, w or 0.0))
