"""Stage one: a hybrid index over documents; knows nothing about language models and is useful alone."""

from __future__ import annotations

from indexes.collection import Collection, Status
from indexes.errors import IndexesError
from indexes.filters import Filter, all_of, any_of, field, not_
from indexes.filters import parse as parse_filter
from indexes.raw import RawDocuments
from indexes.scope import Scope
from indexes.source import Documents, Source, SourceWrapper
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
    Hits,
    Passage,
    PassageId,
    RetrieverScore,
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
    "Documents",
    "Filter",
    "Hit",
    "Hits",
    "IndexesError",
    "Passage",
    "PassageId",
    "RawDocuments",
    "RetrieverScore",
    "Scope",
    "Section",
    "Source",
    "SourceWrapper",
    "Status",
    "all_of",
    "any_of",
    "field",
    "not_",
    "parse_filter",
]
