"""What stage one found, as JSON and back; knows the vocabulary of stage one, no collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from indexes.types import DocumentHit, DocumentInfo, Hit, Passage, RetrieverScore, Section


def dump(hits: Iterable[DocumentHit]) -> list[dict[str, Any]]:
    """As JSON types."""
    return [asdict(hit) for hit in hits]


def load(kept: Iterable[Mapping[str, Any]]) -> list[DocumentHit]:
    """What `dump` gave."""
    return [
        DocumentHit(
            DocumentInfo(**hit["document"]),
            hit["score"],
            hit["rank"],
            _retrievers(hit["retrievers"]),
            tuple(_hit(passage) for passage in hit["passages"]),
        )
        for hit in kept
    ]


def _hit(kept: Mapping[str, Any]) -> Hit:
    passage = dict(kept["passage"])
    section = passage.pop("section")
    found = Passage(**passage, section=None if section is None else Section(**section))
    return Hit(found, kept["score"], kept["rank"], _retrievers(kept["retrievers"]))


def _retrievers(kept: Mapping[str, Any]) -> dict[str, RetrieverScore]:
    return {name: RetrieverScore(**retriever) for name, retriever in kept.items()}
