"""The option `--rerank`: how a command puts a reranker behind what it searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexes import Source

HELP = "Let this cross-encoder, by name or local path, order the best 50 passages anew."


def reranked(source: Source, model: str | None) -> Source:
    """Return the source behind this reranker; the source itself if no model is named.

    Raises: `MissingExtra`.
    """
    if model is None:
        return source
    from indexes.rerank import Reranked, reranker

    return Reranked(source, reranker(model))
