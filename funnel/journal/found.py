"""The hits of stage one as they are stored; knows the types of stage one, no collection."""

from __future__ import annotations

from typing import Any

from funnel.stored import Stored
from indexes.types import DocumentHit


def _with_retrievers(hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rename the scores of retrievers, which an earlier version called `legs`."""
    if not any("legs" in hit for hit in hits):
        return hits
    return [{**_renamed(hit), "passages": [_renamed(passage) for passage in hit["passages"]]} for hit in hits]


def _renamed(hit: dict[str, Any]) -> dict[str, Any]:
    return {"retrievers" if name == "legs" else name: value for name, value in hit.items()}


SEARCH_NOTES: Stored[list[str]] = Stored(list[str])
HITS: Stored[list[DocumentHit]] = Stored(list[DocumentHit], upgrade=_with_retrievers)
