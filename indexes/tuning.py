"""Labelled queries to a fusion weight, by cross-validation; knows rankings by weight, and no engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from indexes.errors import BadQuery
from indexes.judgements import Judged, p_value

GRID = tuple(step / 20 for step in range(21))
"""Shares of the dense leg that are tried."""

FOLDS = 5
LEAST_QUERIES = 10
SIGNIFICANT = 0.05

Value = Callable[[Judged, float], float]
"""What the ranking of a query is worth at a dense weight."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """`weight` is the dense leg's share fitted to all queries.

    `held_out` is the mean over queries, each at the weight fitted to the other folds; `before` the mean at
    the weight in use. `p` tells how likely such a difference is by chance.
    """

    weight: float
    held_out: float
    before: float
    p: float
    n_queries: int

    @property
    def significant(self) -> bool:
        """Whether the gain is more than chance at the 5 % level."""
        return self.held_out > self.before and self.p < SIGNIFICANT


def tune(queries: Sequence[Judged], value: Value, *, current: float) -> Tuned:
    """The best dense weight, judged on queries that it was not fitted to.

    Raises: `BadQuery` for fewer than `LEAST_QUERIES` queries, which would fit noise.
    """
    if len(queries) < LEAST_QUERIES:
        raise BadQuery(
            f"{len(queries)} labelled queries are too few to tune by. Bring at least {LEAST_QUERIES}."
        )
    values = {
        weight: [value(query, weight) for query in queries] for weight in dict.fromkeys((*GRID, current))
    }
    held_out = [0.0] * len(queries)
    for fold in range(FOLDS):
        inside = range(fold, len(queries), FOLDS)
        outside = [i for i in range(len(queries)) if i % FOLDS != fold]
        weight = _best(values, outside, current)
        for i in inside:
            held_out[i] = values[weight][i]
    before = values[current]
    return Tuned(
        _best(values, range(len(queries)), current),
        fmean(held_out),
        fmean(before),
        p_value(held_out, before),
        len(queries),
    )


def _best(values: Mapping[float, Sequence[float]], of: Sequence[int], current: float) -> float:
    """The weight with the best mean; of equals the nearest to the current one, then the smaller."""
    return min(values, key=lambda w: (-round(fmean(values[w][i] for i in of), 9), abs(w - current), w))
