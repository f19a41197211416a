"""Ranks documents by what each retriever found: a pure function of keys, scores and locations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexes.catalog.reader import PassageLocation
from indexes.retrieval.base import Scored
from indexes.retrieval.fusion import Fuse
from indexes.types import DocumentId, PassageId, RetrieverScore


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A passage that was found and whose text has not been read yet."""

    location: PassageLocation
    score: float
    rank: int
    retrievers: Mapping[str, RetrieverScore]


def ranked(
    found: Mapping[str, Scored],
    locations: Mapping[int, PassageLocation],
    k: int,
    *,
    fuse: Fuse,
    weights: Mapping[str, float],
) -> list[list[ScoredPassage]]:
    """Return the best `k` documents, best first, each as its passages, best first.

    A document's score is that of its best passage. Keys without a location (passages that are gone or that
    the asker may not read) are left out and leave no gap in the ranks. Ties break by passage id, then by
    document id.
    """
    by_id = {location.id: location for location in locations.values()}
    scores_by_retriever = {
        name: {locations[key].id: score for key, score in scored if key in locations}
        for name, scored in found.items()
    }
    documents: dict[DocumentId, list[tuple[int, PassageId, float]]] = {}
    for rank, (id_, score) in enumerate(fuse(scores_by_retriever, weights), 1):
        documents.setdefault(by_id[id_].document_id, []).append((rank, id_, score))
    best = sorted(documents.items(), key=lambda item: (-item[1][0][2], item[0]))[:k]
    # Most passages that were found are not returned, so objects are created only for those that are.
    ranks = {
        name: {id_: rank for rank, id_ in enumerate(scores, 1)}
        for name, scores in scores_by_retriever.items()
    }
    return [
        [
            ScoredPassage(
                by_id[id_],
                score,
                rank,
                {
                    name: RetrieverScore(rank_of[id_], scores_by_retriever[name][id_])
                    for name, rank_of in ranks.items()
                    if id_ in rank_of
                },
            )
            for rank, id_, score in passages
        ]
        for _, passages in best
    ]
