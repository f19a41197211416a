"""Rerankers, one module each, their registry, and a source that applies one to another source's hits."""

from __future__ import annotations

from collections.abc import Callable

from indexes.plugins import BuiltIn, Registry
from indexes.rerank.base import Reranker
from indexes.rerank.reranked import DEPTH, Reranked

__all__ = ["DEPTH", "RERANKERS", "Reranked", "Reranker", "reranker"]

_CROSS_ENCODER = "cross-encoder"

RERANKERS: Registry[Callable[[str], Reranker]] = Registry(
    "reranker",
    group="indexes.reranker",
    built_in={_CROSS_ENCODER: BuiltIn("indexes.rerank.cross_encoder:CrossEncoderReranker")},
)
"""Maps a kind to a function or class that takes a model's name, which is empty if none was given."""


def reranker(name: str) -> Reranker:
    """Return the reranker that `--rerank NAME` means; models are loaded on first use.

    A name is KIND:MODEL, the kind of a plug-in, or the name or local path of a cross-encoder.

    Raises: `MissingExtra`; `PlugInFailed` if a plug-in cannot be loaded.
    """
    kind, colon, model = name.partition(":")
    # A colon after one letter is a Windows drive, and a path may have one anywhere.
    if colon and len(kind) > 1 and kind in RERANKERS:
        return RERANKERS.get(kind)(model)
    if name in RERANKERS.plug_ins():
        return RERANKERS.get(name)("")
    return RERANKERS.get(_CROSS_ENCODER)(name)
