"""Rerankers, one file each, and the wrapper that puts one behind a collection's search."""

from __future__ import annotations

from indexes.rerank.base import Reranker
from indexes.rerank.reranked import DEPTH, Reranked

__all__ = ["DEPTH", "Reranked", "Reranker", "reranker"]


def reranker(name: str) -> Reranker:
    """The reranker that `--rerank NAME` means: a cross-encoder's name or local path, loaded on first use.

    Raises: `MissingExtra`.
    """
    from indexes.rerank.cross_encoder import CrossEncoderReranker  # noqa: PLC0415  # only where it is used

    return CrossEncoderReranker(name)
