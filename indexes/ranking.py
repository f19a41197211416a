"""What each leg found to ranked documents; a pure function between the engines' keys and the hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indexes.catalog_reader import Place
from indexes.fusion import Fuse
from indexes.lexical.base import Scored
from indexes.types import LegScore, PassageId


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as found, before its text is read."""

    place: Place
    score: float
    rank: int
    legs: Mapping[str, LegScore]


def ranked(
    found: Mapping[str, Scored], places: Mapping[int, Place], *, fuse: Fuse, weights: Mapping[str, float]
) -> list[list[Found]]:
    """The documents, best first, each as its passages, best first.

    A document's score is that of its best passage. Keys without a place, gone or closed to the asker, take
    no part and leave no gap in the ranks. Ties break by passage id, then by document id.
    """
    by_id = {place.id: place for place in places.values()}
    legs: dict[str, dict[PassageId, LegScore]] = {}
    for name, scored in found.items():
        open_ = [(places[key].id, score) for key, score in scored if key in places]
        legs[name] = {id_: LegScore(rank, score) for rank, (id_, score) in enumerate(open_, 1)}
    scores = {name: {id_: leg.score for id_, leg in of.items()} for name, of in legs.items()}
    documents: dict[str, list[Found]] = {}
    for rank, (id_, score) in enumerate(fuse(scores, weights), 1):
        own = {name: of[id_] for name, of in legs.items() if id_ in of}
        documents.setdefault(by_id[id_].document_id, []).append(Found(by_id[id_], score, rank, own))
    return sorted(
        documents.values(), key=lambda passages: (-passages[0].score, passages[0].place.document_id)
    )
