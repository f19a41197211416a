"""Fits the fusion weight to labelled queries, by cross-validation; knows collections and no engine."""

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
"""Weights of the dense retriever to try, in addition to the collection's default fusion."""

FOLDS = 5
MIN_QUERIES = 10
SIGNIFICANT = 0.05
MEASURES: dict[str, Callable[[Sequence[str], Mapping[str, int], int], float]] = {
    "recall": recall_at,
    "ndcg": ndcg_at,
}

DenseWeight = float | None
"""A weight of the dense retriever; None means the collection's default fusion."""


@dataclass(frozen=True, slots=True)
class TuningResult:
    """Result of tuning. `weight` is fitted to all queries; None if no weight beat the default fusion.

    `held_out` is the mean over queries, each with the weight fitted to the other folds; `before` is the mean
    with the default fusion. `p` is the probability of such a difference by chance.
    """

    weight: DenseWeight
    held_out: float
    before: float
    p: float
    n_queries: int

    @property
    def significant(self) -> bool:
        """Whether there is a gain that is significant at the 5 % level."""
        return self.held_out > self.before and self.p < SIGNIFICANT


def tune(
    collection: Collection,
    queries: Sequence[LabelledQuery],
    *,
    measure: str = "recall",
    k: int = 100,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> TuningResult:
    """Fit the dense retriever's weight to labelled queries and store it in the collection.

    The default measure is recall among the `k` documents, because these are what stage two reads.

    Raises: `UnknownName` if there is no such measure; `BadQuery` if there are too few queries, since the
    weight would fit noise; `CollectionLocked`.
    """
    if measure not in MEASURES:
        raise UnknownName("measure", measure, MEASURES)
    if len(queries) < MIN_QUERIES:
        raise BadQuery(
            f"{len(queries)} labelled queries are too few to tune by. Provide at least {MIN_QUERIES}."
        )
    weights: tuple[DenseWeight, ...] = (None, *GRID)
    values: dict[DenseWeight, list[float]] = {}
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


def cross_validated(values: Mapping[DenseWeight, Sequence[float]]) -> TuningResult:
    """Fit the weight, and evaluate it on queries not fitted to: query i is in fold i % `FOLDS`."""
    n = len(values[None])
    held_out = [0.0] * n
    for fold in range(FOLDS):
        weight = _best(values, [i for i in range(n) if i % FOLDS != fold])
        for i in range(fold, n, FOLDS):
            held_out[i] = values[weight][i]
    before = values[None]
    p = p_value(held_out, before)
    return TuningResult(_best(values, range(n)), fmean(held_out), fmean(before), p, n)


def _best(values: Mapping[DenseWeight, Sequence[float]], of: Sequence[int]) -> DenseWeight:
    """Return the weight with the best mean; ties go to the default fusion, then to the smaller weight."""
    return min(values, key=lambda w: (-round(fmean(values[w][i] for i in of), 9), w is not None, w or 0.0))
