"""A source that reorders the best passages of another one with a reranker; forwards everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from indexes.catalog.text import indexed_text
from indexes.rerank.base import Reranker
from indexes.retrieval.long_query import MAX_EMBEDDED_CHARS, ends
from indexes.scope import Scope
from indexes.source import Source, SourceWrapper
from indexes.types import DocumentHit, DocumentId, DocumentInfo, Hit, Hits, RetrieverScore, VersionText

DEPTH = 50
"""How many passages are scored for a query; each costs a run of the model."""

RETRIEVER = "rerank"


class Reranked(SourceWrapper):
    """The wrapped source, with a search whose first `depth` passages are reordered by `reranker`.

    A hit keeps the scores of its retrievers and gains the reranker's. Passages beyond `depth` follow in their
    previous order.
    """

    def __init__(self, source: Source, reranker: Reranker, *, depth: int = DEPTH) -> None:
        if depth < 1:
            raise ValueError(f"a depth of {depth} passages reranks nothing: the depth must be at least 1")
        super().__init__(source)
        self._reranker = reranker
        self._depth = depth

    def infos(self, scope: Scope) -> list[DocumentInfo]:
        """Forward to the wrapped source, which may do it in one query."""
        return self._source.infos(scope)

    def texts(self, ids: Sequence[str], scope: Scope) -> dict[DocumentId, VersionText]:
        """Forward to the wrapped source, which may do it in one query."""
        return self._source.texts(ids, scope)

    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """Return the best `k` documents within `scope`; ties break by passage id.

        Raises: `RerankerFailed`, and whatever the wrapped search raises.
        """
        found = self._source.search(query, max(k, self._depth), scope)
        if not found:
            return []
        titles = {hit.document.id: hit.document.title for hit in found}
        passages = sorted(
            chain.from_iterable(hit.passages for hit in found), key=lambda hit: (-hit.score, hit.passage.id)
        )
        by_document: dict[DocumentId, list[Hit]] = {}
        for passage in self._ordered(query, passages, titles):
            by_document.setdefault(passage.passage.document_id, []).append(passage)
        hits = [_merged(hit, by_document[hit.document.id]) for hit in found]
        best = sorted(hits, key=lambda hit: hit.passages[0].rank)[:k]
        return Hits((replace(hit, rank=rank) for rank, hit in enumerate(best, 1)), Hits.of(found).notes)

    def _ordered(self, query: str, hits: list[Hit], titles: dict[DocumentId, str]) -> list[Hit]:
        """Return the passages in their new order; `hits` must be sorted, best first."""
        top, rest = hits[: self._depth], hits[self._depth :]
        texts = [indexed_text(titles[hit.passage.document_id], hit.passage.text) for hit in top]
        scores = [float(score) for score in self._reranker.scores(ends(query, MAX_EMBEDDED_CHARS), texts)]
        pairs = sorted(zip(scores, top, strict=True), key=lambda pair: (-pair[0], pair[1].passage.id))
        reranked = [
            replace(hit, score=score, retrievers={**hit.retrievers, RETRIEVER: RetrieverScore(rank, score)})
            for rank, (score, hit) in enumerate(pairs, 1)
        ]
        # They follow below the reranker's lowest score, with the same distances between them as before.
        below = [replace(hit, score=min(scores) - (rest[0].score - hit.score)) for hit in rest]
        return [replace(hit, rank=rank) for rank, hit in enumerate([*reranked, *below], 1)]


def _merged(hit: DocumentHit, passages: list[Hit]) -> DocumentHit:
    return replace(hit, score=passages[0].score, retrievers=passages[0].retrievers, passages=tuple(passages))
