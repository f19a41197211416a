"""The option `--rerank`, which reranks what a command's source returns; ranks nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexes import Source

HELP = "Rerank the best 50 passages with this cross-encoder, given by name or local path."


def reranked(source: Source, model: str | None) -> Source:
    """Return the source with its hits reranked by this model, or the source itself if `model` is None.

    Raises: `MissingExtra`.
    """
    if model is None:
        return source
    from indexes.rerank import Reranked, reranker

    return Reranked(source, reranker(model))
