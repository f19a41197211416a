"""Fuses the scores of several retrievers into one score per passage; pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from indexes.types import PassageId

WeightedScores = Mapping[PassageId, float]
"""The passages that one retriever found, with its scores; higher is better."""

Fused = list[tuple[PassageId, float]]
"""Best first; ties broken by the smaller id."""

Fuse = Callable[[Mapping[str, WeightedScores], Mapping[str, float]], Fused]

PRETRAINED = {"lexical": 0.4, "dense": 0.6}
"""Weights for `convex` with a pretrained embedder. On nine sets of questions nDCG@10 rises by .000 to .086
over BM25 alone, except -.002 (p = .66) on one set whose questions contain the title."""

RRF_K = 60


def convex(retrievers: Mapping[str, WeightedScores], weights: Mapping[str, float]) -> Fused:
    """Return the weighted sum of min-max normalised scores, best first.

    Bruch, Gai and Ingber 2023, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 42(1):
    sum of w * (s - min) / (max - min). A passage that a retriever did not find gets 0 from it; if all
    scores of a retriever are equal, each counts 1. A retriever of weight zero is left out, with the passages
    that only it found.
    """
    shares: list[tuple[float, WeightedScores]] = []
    for weight, scores in _weighted(retrievers, weights):
        low, high = min(scores.values()), max(scores.values())
        width = high - low
        shares.append((weight, {i: (s - low) / width if width else 1.0 for i, s in scores.items()}))
    return _sum(shares)


def noisy_or(retrievers: Mapping[str, WeightedScores], trust: Mapping[str, float]) -> Fused:
    """Return 1 - product over the retrievers of (1 - trust * share), best first.

    This is the probability that at least one of several independent events happens (noisy-or; Pearl 1988,
    Probabilistic Reasoning in Intelligent Systems, ch. 4). A share is a min-max normalised score; trust is in
    [0, 1]. A second retriever can only add to what remains below 1, so the first passage of a fully trusted
    retriever stays first and the second retriever orders the rest. A passage that a retriever did not find
    has share 0; if all scores of a retriever are equal, each share is 1. A retriever of trust zero is left
    out, with the passages that only it found. Ties break by the smaller id.
    """
    remainders: dict[PassageId, float] = {}
    for name, scores in sorted(retrievers.items()):
        if not scores or not (trusted := trust.get(name, 0.0)):
            continue
        low, high = min(scores.values()), max(scores.values())
        width = high - low
        for passage_id, score in scores.items():
            share = (score - low) / width if width else 1.0
            remainders[passage_id] = remainders.get(passage_id, 1.0) * (1 - trusted * share)
    return sorted(((i, 1 - rest) for i, rest in remainders.items()), key=lambda item: (-item[1], item[0]))


def rrf(retrievers: Mapping[str, WeightedScores], weights: Mapping[str, float], k: int = RRF_K) -> Fused:
    """Return the scores of weighted reciprocal rank fusion, best first.

    Cormack, Clarke and Büttcher 2009, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank
    Learning Methods, SIGIR: sum of w / (k + rank), ranks from 1. A passage that a retriever did not find gets
    0 from it. A retriever of weight zero is left out.
    """
    shares: list[tuple[float, WeightedScores]] = []
    for weight, scores in _weighted(retrievers, weights):
        ranked = sorted(scores, key=lambda i: (-scores[i], i))
        shares.append((weight, {i: 1 / (k + rank) for rank, i in enumerate(ranked, 1)}))
    return _sum(shares)


def _weighted(
    retrievers: Mapping[str, WeightedScores], weights: Mapping[str, float]
) -> list[tuple[float, WeightedScores]]:
    return [
        (weights[name], scores)
        for name, scores in sorted(retrievers.items())
        if scores and weights.get(name, 0.0)
    ]


def _sum(shares: list[tuple[float, WeightedScores]]) -> Fused:
    total: dict[PassageId, float] = {}
    for weight, scores in shares:
        for passage_id, score in scores.items():
            total[passage_id] = total.get(passage_id, 0.0) + weight * score
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))
