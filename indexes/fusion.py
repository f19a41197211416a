"""Scores of several legs to one score a passage; pure functions that know no engine and no document."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from indexes.types import PassageId

Leg = Mapping[PassageId, float]
"""What one leg found: its own score of each passage, higher is better."""

Fused = list[tuple[PassageId, float]]
"""Best first; ties broken by the smaller id."""

Fuse = Callable[[Mapping[str, Leg], Mapping[str, float]], Fused]

DENSE_WEIGHT_LATENT = 0.3
"""Share of the dense leg where its space is fitted to the corpus; the lexical leg has the rest."""

DENSE_WEIGHT_PRETRAINED = 0.5

RRF_K = 60


def convex(legs: Mapping[str, Leg], weights: Mapping[str, float]) -> Fused:
    """The weighted mean of min-max normalised scores.

    Bruch, Gai and Ingber 2023, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 42(1):
    sum of w * (s - min) / (max - min). A passage that a leg did not find has 0 from it; where all scores of
    a leg are equal each counts 1. A leg of weight zero takes no part, and its passages none through it.
    """
    shares: list[tuple[float, Leg]] = []
    for weight, leg in _weighted(legs, weights):
        low, high = min(leg.values()), max(leg.values())
        width = high - low
        shares.append((weight, {i: (s - low) / width if width else 1.0 for i, s in leg.items()}))
    return _sum(shares)


def rrf(legs: Mapping[str, Leg], weights: Mapping[str, float], k: int = RRF_K) -> Fused:
    """Weighted reciprocal rank fusion.

    Cormack, Clarke and Büttcher 2009, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank
    Learning Methods, SIGIR: sum of w / (k + rank), ranks from 1. A passage that a leg did not find has 0
    from it. A leg of weight zero takes no part.
    """
    shares: list[tuple[float, Leg]] = []
    for weight, leg in _weighted(legs, weights):
        ranked = sorted(leg, key=lambda i: (-leg[i], i))
        shares.append((weight, {i: 1 / (k + rank) for rank, i in enumerate(ranked, 1)}))
    return _sum(shares)


def _weighted(legs: Mapping[str, Leg], weights: Mapping[str, float]) -> list[tuple[float, Leg]]:
    return [(weights[name], leg) for name, leg in sorted(legs.items()) if leg and weights.get(name, 0.0)]


def _sum(shares: list[tuple[float, Leg]]) -> Fused:
    total: dict[PassageId, float] = {}
    for weight, leg in shares:
        for passage_id, score in leg.items():
            total[passage_id] = total.get(passage_id, 0.0) + weight * score
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))
