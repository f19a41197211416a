"""What each leg found to ranked documents; a pure function between the engines' keys and the hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexes.catalog.reader import Place
from indexes.lexical.base import Scored
from indexes.retrieval.fusion import Fuse
from indexes.types import DocumentId, LegScore, PassageId


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as found, before its text is read."""

    place: Place
    score: float
    rank: int
    legs: Mapping[str, LegScore]


def ranked(
    found: Mapping[str, Scored],
    places: Mapping[int, Place],
    k: int,
    *,
    fuse: Fuse,
    weights: Mapping[str, float],
) -> list[list[Found]]:
    """The best `k` documents, best first, each as its passages, best first.

    A document's score is that of its best passage. Keys without a place, gone or closed to the asker, take
    no part and leave no gap in the ranks. Ties break by passage id, then by document id.
    """
    by_id = {place.id: place for place in places.values()}
    legs = {
        name: {places[key].id: score for key, score in scored if key in places}
        for name, scored in found.items()
    }
    documents: dict[DocumentId, list[tuple[int, PassageId, float]]] = {}
    for rank, (id_, score) in enumerate(fuse(legs, weights), 1):
        documents.setdefault(by_id[id_].document_id, []).append((rank, id_, score))
    best = sorted(documents.items(), key=lambda item: (-item[1][0][2], item[0]))[:k]
    # Most of what was found is not shown: only what is becomes a value of its own.
    ranks = {name: {id_: rank for rank, id_ in enumerate(leg, 1)} for name, leg in legs.items()}
    return [
        [
            Found(
                by_id[id_],
                score,
                rank,
                {name: LegScore(of[id_], legs[name][id_]) for name, of in ranks.items() if id_ in of},
            )
            for rank, id_, score in passages
        ]
        for _, passages in best
    ]
