"""A source of documents that are not indexed on disk; knows only BM25, and no files.

Everything is in memory, and BM25 is computed at the first search: suitable for asking a few questions about a
folder or a book.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from indexes.chunking import chunk
from indexes.errors import DuplicateId
from indexes.lexical.base import LexicalEntry
from indexes.retrieval.analysis import analyse
from indexes.retrieval.long_query import MAX_CHARS, ends, note, telling
from indexes.retrieval.names import names_of, unweighted, with_names
from indexes.scope import VISIBLE, Keys, Scope
from indexes.source import Source
from indexes.types import (
    Document,
    DocumentHit,
    DocumentId,
    Hit,
    Hits,
    Passage,
    RetrieverScore,
    VersionText,
)

if TYPE_CHECKING:
    from indexes.lexical.rank_bm25 import RankBM25Engine

RETRIEVER = "lexical"
PASSAGES_EACH = 5
_ASKERS_KEPT = 8


class RawDocuments(Source):
    """Documents in memory, in the order given. Raises: `DuplicateId`."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents: dict[DocumentId, Document] = {}
        for document in documents:
            if document.id in self._documents:
                raise DuplicateId(document.id, self._documents[document.id].uri, document.uri)
            self._documents[document.id] = document
        self._engines: OrderedDict[frozenset[str], RankBM25Engine] = OrderedDict()
        self._lock = Lock()

    def search(self, query: str, k: int, scope: Scope) -> Hits:
        """Return the best `k` documents by BM25 over their passages.

        If fewer are found, the other documents follow in their own order with score 0.
        """
        engine = self._engine_for(scope)
        passages = self._passages
        terms = telling(analyse(ends(query, MAX_CHARS)), engine.frequencies, engine.count)
        found: dict[DocumentId, list[tuple[Passage, float]]] = {}
        wanted = with_names(terms.chosen, query)
        scored = engine.search(wanted, len(passages), scope=scope.bound(self._keys(scope)))
        for key, score in unweighted(scored):
            found.setdefault(passages[key].document_id, []).append((passages[key], score))
        hits = [
            _hit(self._documents[name], rank, found[name][:PASSAGES_EACH])
            for rank, name in enumerate(list(found)[:k], start=1)
        ]
        others = [d for d in self._documents.values() if d.id not in found and scope.admits(d)]
        for document in others[: k - len(hits)]:
            first = next(iter(chunk(document)), None)
            if first is not None:
                hits.append(_hit(document, len(hits) + 1, [(first, 0.0)]))
        said = note(query, terms)
        return Hits(hits, [] if said is None else [said])

    def ids(self, scope: Scope) -> list[DocumentId]:
        """Return the ids of the documents within `scope`, sorted."""
        return sorted(document.id for document in self._documents.values() if scope.admits(document))

    def document(self, document_id: str, scope: Scope) -> Document | None:
        """Return the whole document; None if there is no such document within `scope`."""
        document = self._documents.get(DocumentId(document_id))
        return document if document is not None and scope.admits(document) else None

    def texts(self, ids: Sequence[str], scope: Scope) -> dict[DocumentId, VersionText]:
        """Return the texts of those of these documents that are within `scope`."""
        found = (self.document(document_id, scope) for document_id in ids)
        return {each.id: VersionText(each.version, each.text) for each in found if each is not None}

    def _keys(self, scope: Scope) -> Callable[[], Keys]:
        """Return a function that computes the keys of the passages within `scope`."""
        return lambda: np.array(
            [key for key, p in enumerate(self._passages) if scope.admits(self._documents[p.document_id])],
            np.int64,
        )

    @cached_property
    def _passages(self) -> list[Passage]:
        return [passage for document in self._documents.values() for passage in chunk(document)]

    @cached_property
    def _entries(self) -> list[LexicalEntry]:
        return [
            LexicalEntry(
                key,
                (*analyse(document.title), *analyse(passage.text), *names_of(document.title, document.id)),
                document.readers,
            )
            for key, passage in enumerate(self._passages)
            for document in [self._documents[passage.document_id]]
        ]

    def _engine_for(self, scope: Scope) -> RankBM25Engine:
        """Return an engine over all passages or, for "visible" statistics, those that the asker may read."""
        if scope.statistics != VISIBLE or scope.access.everything:
            return self._engine
        readers = scope.access.principals
        with self._lock:
            if (engine := self._engines.pop(readers, None)) is None:
                engine = _filled(e for e in self._entries if scope.access.may_read(e.readers))
            self._engines[readers] = engine
            while len(self._engines) > _ASKERS_KEPT:
                self._engines.popitem(last=False)
        return engine

    @cached_property
    def _engine(self) -> RankBM25Engine:
        return _filled(self._entries)


def _filled(entries: Iterable[LexicalEntry]) -> RankBM25Engine:
    from indexes.lexical.rank_bm25 import RankBM25Engine  # noqa: PLC0415 - needed by the first search only

    engine = RankBM25Engine(Path())
    engine.apply(entries, (), generation=0)
    return engine


def _hit(document: Document, rank: int, scored: list[tuple[Passage, float]]) -> DocumentHit:
    """Return the document as a hit with its passages, best first."""
    best = scored[0][1]
    passages = tuple(
        Hit(passage, score, place, {RETRIEVER: RetrieverScore(place, score)})
        for place, (passage, score) in enumerate(scored, start=1)
    )
    return DocumentHit(document.info, best, rank, {RETRIEVER: RetrieverScore(rank, best)}, passages)
