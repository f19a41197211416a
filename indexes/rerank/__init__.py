"""Rerankers, one module each, their registry, and the source that puts one behind another source's search."""

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
"""A kind to a function or class that takes a model's name, which is empty if none was given."""


def reranker(name: str) -> Reranker:
    """Return the reranker that `--rerank NAME` means; models are loaded on first use.

    A name is KIND:MODEL, the name of a plug-in's kind, or else the name or local path of a cross-encoder.

    Raises: `MissingExtra`; `PlugInFailed` if a plug-in does not load.
    """
    kind, colon, model = name.partition(":")
    # A colon after one letter is a Windows drive, and a path may have one anywhere.
    if colon and len(kind) > 1 and kind in RERANKERS:
        return RERANKERS.get(kind)(model)
    if name in RERANKERS.plug_ins():
        return RERANKERS.get(name)("")
    return RERANKERS.get(_CROSS_ENCODER)(name)
