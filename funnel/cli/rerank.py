"""The option `--rerank`: how a command puts a reranker behind what it searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexes import Collection, RawDocuments
    from indexes.rerank import Reranked

HELP = "Let this cross-encoder, by name or local path, order the best 50 passages anew."


def reranked(source: Collection | RawDocuments, model: str | None) -> Collection | RawDocuments | Reranked:
    """What is to be searched: the source itself where no model is named. Raises: `MissingExtra`."""
    if model is None:
        return source
    from indexes.rerank import Reranked, reranker

    return Reranked(source, reranker(model))
