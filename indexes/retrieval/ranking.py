"""What each retriever found to ranked documents; a pure function between the engines' keys and the hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexes.catalog.reader import PassageLocation
from indexes.retrieval.base import Scored
from indexes.retrieval.fusion import Fuse
from indexes.types import DocumentId, PassageId, RetrieverScore


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """A passage as found, before its text is read."""

    place: PassageLocation
    score: float
    rank: int
    retrievers: Mapping[str, RetrieverScore]


def ranked(
    found: Mapping[str, Scored],
    places: Mapping[int, PassageLocation],
    k: int,
    *,
    fuse: Fuse,
    weights: Mapping[str, float],
) -> list[list[ScoredPassage]]:
    """The best `k` documents, best first, each as its passages, best first.

    A document's score is that of its best passage. Keys without a place, gone or closed to the asker, take
    no part and leave no gap in the ranks. Ties break by passage id, then by document id.
    """
    by_id = {place.id: place for place in places.values()}
    retrievers = {
        name: {places[key].id: score for key, score in scored if key in places}
        for name, scored in found.items()
    }
    documents: dict[DocumentId, list[tuple[int, PassageId, float]]] = {}
    for rank, (id_, score) in enumerate(fuse(retrievers, weights), 1):
        documents.setdefault(by_id[id_].document_id, []).append((rank, id_, score))
    best = sorted(documents.items(), key=lambda item: (-item[1][0][2], item[0]))[:k]
    # Most of what was found is not shown: only what is becomes a value of its own.
    ranks = {
        name: {id_: rank for rank, id_ in enumerate(retriever, 1)} for name, retriever in retrievers.items()
    }
    return [
        [
            ScoredPassage(
                by_id[id_],
                score,
                rank,
                {
                    name: RetrieverScore(of[id_], retrievers[name][id_])
                    for name, of in ranks.items()
                    if id_ in of
                },
            )
            for rank, id_, score in passages
        ]
        for _, passages in best
    ]
