"""Stage one: a hybrid index over documents; knows nothing of language models and is useful alone."""

from __future__ import annotations

from indexes.collection import Collection, Status
from indexes.errors import IndexesError
from indexes.raw import RawDocuments
from indexes.types import (
    OWNER,
    PUBLIC,
    Access,
    Changes,
    Document,
    DocumentHit,
    DocumentId,
    DocumentInfo,
    Hit,
    LegScore,
    Passage,
    PassageId,
    Section,
)

__all__ = [
    "OWNER",
    "PUBLIC",
    "Access",
    "Changes",
    "Collection",
    "Document",
    "DocumentHit",
    "DocumentId",
    "DocumentInfo",
    "Hit",
    "IndexesError",
    "LegScore",
    "Passage",
    "PassageId",
    "RawDocuments",
    "Section",
    "Status",
]
