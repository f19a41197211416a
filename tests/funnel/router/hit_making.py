"""Document hits for the router's tests, from (score, text) pairs, best first."""

from __future__ import annotations

from indexes.types import DocumentHit, DocumentId, DocumentInfo, Hit, Passage, PassageId, RetrieverScore


def hits_of(*found: tuple[float, str]) -> list[DocumentHit]:
    hits = []
    for rank, (score, text) in enumerate(found, 1):
        document = DocumentId(f"d{rank}")
        passage = Passage(PassageId(f"d{rank}:0"), document, "v", 0, len(text), text)
        retrievers = {"lexical": RetrieverScore(rank, score)}
        info = DocumentInfo(document, "v", "", "", len(text))
        hits.append(DocumentHit(info, score, rank, retrievers, (Hit(passage, score, rank, retrievers),)))
    return hits
