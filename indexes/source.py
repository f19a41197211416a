"""The interface of anything searchable: a `Source`, and its `Documents` bound to one asker's rights.

Knows no index. Rights are given once, when a view is created; nothing here defaults to the owner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from threading import Lock

from indexes.filters import Filter
from indexes.scope import COLLECTION, EVERYTHING, Scope, Statistics
from indexes.types import Access, Document, DocumentHit, DocumentId, DocumentInfo, Hits, VersionText

DEFAULT_K = 20


class Documents:
    """The documents of a source that one asker may read, and a record of those whose text was returned.

    Thread-safe. A document is in `exposed` once its title, a passage or its text has been returned. Ids,
    versions and the number of documents expose nothing.
    """

    def __init__(self, source: Source, scope: Scope) -> None:
        self._source = source
        self._scope = scope
        self._exposed: set[DocumentId] = set()
        self._order: list[DocumentId] = []
        self._lock = Lock()

    @property
    def source(self) -> Source:
        """The source of these documents, which can create views for other askers."""
        return self._source

    @property
    def scope(self) -> Scope:
        """The asker's rights and the filter, which limit every call."""
        return self._scope

    @property
    def exposed(self) -> tuple[DocumentId, ...]:
        """The documents whose text this view has returned, in the order of their first exposure."""
        return self.exposed_since(0)

    def exposed_since(self, n: int) -> tuple[DocumentId, ...]:
        """Return the exposed documents except the first `n`."""
        with self._lock:
            return tuple(self._order[n:])

    def expose(self, ids: Iterable[DocumentId]) -> None:
        """Record that other code returned text of these documents: a cache, or a page store."""
        with self._lock:
            for each in ids:
                if each not in self._exposed:
                    self._exposed.add(each)
                    self._order.append(each)

    def fresh(self) -> Documents:
        """Return a view with the same rights that has exposed nothing yet."""
        return Documents(self._source, self._scope)

    def search(self, query: str, k: int = DEFAULT_K) -> Hits:
        """Return the best `k` documents, best first, and expose them; `notes` says if a query was cut.

        Raises: whatever the source's search raises.
        """
        hits = Hits.of(self._source.search(query, k, self._scope))
        self.expose(hit.document.id for hit in hits)
        return hits

    def document(self, document_id: str) -> Document | None:
        """Return the whole document and expose it; None if there is no such document in this view."""
        found = self._source.document(document_id, self._scope)
        if found is not None:
            self.expose([found.id])
        return found

    def info(self, document_id: str) -> DocumentInfo | None:
        """Return title, metadata and length of a document and expose it; None if it is not in this view."""
        found = self._source.info(document_id, self._scope)
        if found is not None:
            self.expose([found.id])
        return found

    def read(self, document_id: str, start: int, stop: int) -> str | None:
        """Return the characters [start, stop) of a document and expose it; None if it is not in this view."""
        found = self._source.read(document_id, start, stop, self._scope)
        if found is not None:
            self.expose([DocumentId(document_id)])
        return found

    def infos(self) -> list[DocumentInfo]:
        """Return title, metadata and length of all documents in this view, by id, and expose them."""
        found = self._source.infos(self._scope)
        self.expose(info.id for info in found)
        return found

    def texts(self, ids: Sequence[str]) -> dict[DocumentId, VersionText]:
        """Return the texts of those of these documents that are in this view, and expose them."""
        found = self._source.texts(ids, self._scope)
        self.expose(found)
        return found

    def ids(self) -> list[DocumentId]:
        """Return the ids of all documents in this view, sorted. Exposes nothing."""
        return self._source.ids(self._scope)

    def count(self) -> int:
        """Return how many documents are in this view. Exposes nothing."""
        return self._source.count(self._scope)

    def version(self, document_id: str) -> str | None:
        """Return the version of a document's text; None if it is not in this view. Exposes nothing."""
        found = self._source.info(document_id, self._scope)
        return None if found is None else found.version

    def may_read(self, ids: Iterable[str]) -> bool:
        """Return whether all of these documents are in this view now. Exposes nothing."""
        return all(self.version(document_id) is not None for document_id in ids)


class Source(ABC):
    """Documents that can be searched and read. A new source implements `search`, `ids` and `document`.

    Each of these takes a `Scope` and returns nothing outside it. `count`, `info`, `infos`, `read` and `texts`
    are derived from them; override those that can be done more cheaply. Callers use `for_asker` or
    `as_owner`. A source must pass the tests of `indexes.testing.source.SourceContract`.
    """

    def for_asker(
        self, access: Access, where: Filter | None = None, *, statistics: Statistics = COLLECTION
    ) -> Documents:
        """Return the documents that `access` may read and `where` matches.

        With the statistics of what is "visible", nothing that a search returns depends on other documents.
        """
        return Documents(self, Scope(access, where, statistics))

    def as_owner(self, where: Filter | None = None, *, statistics: Statistics = COLLECTION) -> Documents:
        """Return the documents that `where` matches, whoever may read them; all documents if it is None."""
        return Documents(self, Scope(EVERYTHING.access, where, statistics))

    @abstractmethod
    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """Return the best `k` documents within `scope`, best first; ties break by id.

        A source that has something to say about a search returns `Hits` with notes.

        Raises: `BadQuery` if the query is empty or `k` is below 1, unless the source can answer that.
        """

    @abstractmethod
    def ids(self, scope: Scope) -> list[DocumentId]:
        """Return the ids of the documents within `scope`, sorted."""

    @abstractmethod
    def document(self, document_id: str, scope: Scope) -> Document | None:
        """Return the whole document; None if there is no such document within `scope`."""

    def count(self, scope: Scope) -> int:
        """Return how many documents are within `scope`."""
        return len(self.ids(scope))

    def info(self, document_id: str, scope: Scope) -> DocumentInfo | None:
        """Return a document's fields except its text; None if there is no such document within `scope`."""
        found = self.document(document_id, scope)
        return None if found is None else found.info

    def read(self, document_id: str, start: int, stop: int, scope: Scope) -> str | None:
        """Return the characters [start, stop) of a document; None if there is no such document in `scope`."""
        found = self.document(document_id, scope)
        return None if found is None else found.text[max(start, 0) : max(stop, 0)]

    def infos(self, scope: Scope) -> list[DocumentInfo]:
        """Return the fields except the text of all documents within `scope`, by id."""
        found = (self.info(document_id, scope) for document_id in self.ids(scope))
        return [info for info in found if info is not None]

    def texts(self, ids: Sequence[str], scope: Scope) -> dict[DocumentId, VersionText]:
        """Return the texts of those of these documents that are in `scope` and do not change meanwhile."""
        found: dict[DocumentId, VersionText] = {}
        for document_id in ids:
            before = self.info(document_id, scope)
            text = None if before is None else self.read(document_id, 0, before.n_chars, scope)
            after = self.info(document_id, scope)
            if before and after and text is not None and before.version == after.version:
                found[after.id] = VersionText(after.version, text)
        return found

    def __len__(self) -> int:
        return self.count(EVERYTHING)


class SourceWrapper(Source):
    """A source that forwards every call to another one; a subclass overrides what it does differently.

    Only `infos` and `texts` are not forwarded: they are derived, so that a subclass that changes what `info`
    or `read` returns changes these too.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """Forward to the wrapped source."""
        return self._source.search(query, k, scope)

    def ids(self, scope: Scope) -> list[DocumentId]:
        """Forward to the wrapped source."""
        return self._source.ids(scope)

    def document(self, document_id: str, scope: Scope) -> Document | None:
        """Forward to the wrapped source."""
        return self._source.document(document_id, scope)

    def count(self, scope: Scope) -> int:
        """Forward to the wrapped source."""
        return self._source.count(scope)

    def info(self, document_id: str, scope: Scope) -> DocumentInfo | None:
        """Forward to the wrapped source."""
        return self._source.info(document_id, scope)

    def read(self, document_id: str, start: int, stop: int, scope: Scope) -> str | None:
        """Forward to the wrapped source."""
        return self._source.read(document_id, start, stop, scope)
