"""Documents that were never indexed, behind the same calls as a Collection; knows BM25 only, and no files.

Everything is in memory, and BM25 is computed when somebody searches for the first time: fit for a folder or
a book that is asked a few questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from indexes.chunking import chunk
from indexes.errors import DuplicateId
from indexes.filters import Filter, matches
from indexes.lexical.base import LexicalEntry
from indexes.retrieval.analysis import analyse
from indexes.types import (
    OWNER,
    Access,
    Document,
    DocumentHit,
    DocumentId,
    DocumentInfo,
    Hit,
    Passage,
    RetrieverScore,
)

if TYPE_CHECKING:
    from indexes.lexical.rank_bm25 import RankBM25Engine

LEG = "lexical"
PASSAGES_EACH = 5


class RawDocuments:
    """The documents by id, in the order given. Raises: `DuplicateId`."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents: dict[DocumentId, Document] = {}
        for document in documents:
            if document.id in self._documents:
                raise DuplicateId(document.id, self._documents[document.id].uri, document.uri)
            self._documents[document.id] = document

    def __len__(self) -> int:
        return len(self._documents)

    def search(
        self, query: str, k: int = 20, *, access: Access = OWNER, where: Filter | None = None
    ) -> list[DocumentHit]:
        """The best `k` documents by BM25 over their passages, then the others in their order with score 0."""
        engine, passages = self._engine
        found: dict[DocumentId, list[tuple[Passage, float]]] = {}
        for key, score in engine.search(analyse(query), len(passages), access=access):
            passage = passages[key]
            if _is_open(self._documents[passage.document_id], access, where):
                found.setdefault(passage.document_id, []).append((passage, score))
        hits = [
            _hit(self._documents[name], rank, found[name][:PASSAGES_EACH])
            for rank, name in enumerate(list(found)[:k], start=1)
        ]
        others = [d for d in self._documents.values() if d.id not in found and _is_open(d, access, where)]
        for document in others[: k - len(hits)]:
            first = next(iter(chunk(document)), None)
            if first is not None:
                hits.append(_hit(document, len(hits) + 1, [(first, 0.0)]))
        return hits

    def ids(self, *, access: Access = OWNER, where: Filter | None = None) -> list[DocumentId]:
        """The ids of every document that `access` may read and `where` matches, sorted."""
        return sorted(d.id for d in self._documents.values() if _is_open(d, access, where))

    def count(self, *, access: Access = OWNER, where: Filter | None = None) -> int:
        """How many documents `access` may read and `where` matches."""
        return sum(_is_open(d, access, where) for d in self._documents.values())

    def document(
        self, document_id: DocumentId, *, access: Access = OWNER, where: Filter | None = None
    ) -> Document | None:
        """The whole document, or None where there is none that `access` may read and `where` matches."""
        document = self._documents.get(document_id)
        return document if document is not None and _is_open(document, access, where) else None

    def info(
        self, document_id: DocumentId, *, access: Access = OWNER, where: Filter | None = None
    ) -> DocumentInfo | None:
        """What is known of a document without its text, or None likewise."""
        document = self.document(document_id, access=access, where=where)
        return None if document is None else _info(document)

    def read(
        self,
        document_id: DocumentId,
        start: int,
        stop: int,
        *,
        access: Access = OWNER,
        where: Filter | None = None,
    ) -> str | None:
        """Characters start to stop of a document, or None likewise."""
        document = self.document(document_id, access=access, where=where)
        return None if document is None else document.text[start:stop]

    @cached_property
    def _engine(self) -> tuple[RankBM25Engine, list[Passage]]:
        from indexes.lexical.rank_bm25 import RankBM25Engine  # noqa: PLC0415 - loaded when somebody searches

        passages = [passage for document in self._documents.values() for passage in chunk(document)]
        engine = RankBM25Engine(Path())
        engine.apply(
            (
                LexicalEntry(
                    key,
                    tuple(analyse(self._documents[passage.document_id].title) + analyse(passage.text)),
                    self._documents[passage.document_id].readers,
                )
                for key, passage in enumerate(passages)
            ),
            (),
            generation=0,
        )
        return engine, passages


def _is_open(document: Document, access: Access, where: Filter | None) -> bool:
    return access.may_read(document.readers) and (where is None or matches(where, document.metadata))


def _info(document: Document) -> DocumentInfo:
    return DocumentInfo(
        document.id, document.version, document.title, document.uri, len(document.text), document.metadata
    )


def _hit(document: Document, rank: int, scored: list[tuple[Passage, float]]) -> DocumentHit:
    """The document with its passages, best first."""
    best = scored[0][1]
    passages = tuple(
        Hit(passage, score, place, {LEG: RetrieverScore(place, score)})
        for place, (passage, score) in enumerate(scored, start=1)
    )
    return DocumentHit(_info(document), best, rank, {LEG: RetrieverScore(rank, best)}, passages)
