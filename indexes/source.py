"""What anything searchable offers: a `Source`, and its `Documents` bound to one asker's rights.

Knows no index. Rights are given once, where a view is made; nothing here defaults to the owner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from threading import Lock

from indexes.filters import Filter
from indexes.scope import EVERYTHING, Scope
from indexes.types import Access, Document, DocumentHit, DocumentId, DocumentInfo

DEFAULT_K = 20


class Documents:
    """The documents of a source that one asker may read, and a record of whose text left this view.

    Thread-safe. A document whose title, passage or text was handed out is in `exposed`; its id alone, its
    version and the number of documents expose nothing.
    """

    def __init__(self, source: Source, scope: Scope) -> None:
        self._source = source
        self._scope = scope
        self._exposed: set[DocumentId] = set()
        self._order: list[DocumentId] = []
        self._lock = Lock()

    @property
    def source(self) -> Source:
        """What these are documents of, from which views for other askers are made."""
        return self._source

    @property
    def scope(self) -> Scope:
        """The asker's rights and the filter that every call is held to."""
        return self._scope

    @property
    def exposed(self) -> tuple[DocumentId, ...]:
        """The documents whose text left this view, in the order of their first exposure."""
        return self.exposed_since(0)

    def exposed_since(self, n: int) -> tuple[DocumentId, ...]:
        """Return the exposed documents but for the first `n`."""
        with self._lock:
            return tuple(self._order[n:])

    def expose(self, ids: Iterable[DocumentId]) -> None:
        """Record that text of these documents was handed out by someone else: a cache, or a page store."""
        with self._lock:
            for each in ids:
                if each not in self._exposed:
                    self._exposed.add(each)
                    self._order.append(each)

    def fresh(self) -> Documents:
        """Return a view under the same rights that has exposed nothing yet."""
        return Documents(self._source, self._scope)

    def search(self, query: str, k: int = DEFAULT_K) -> list[DocumentHit]:
        """Return the best `k` documents, best first; each that is returned is exposed.

        Raises: what the source's search raises.
        """
        hits = self._source.search(query, k, self._scope)
        self.expose(hit.document.id for hit in hits)
        return hits

    def document(self, document_id: str) -> Document | None:
        """Return the whole document, which is exposed; None if there is no such document in this view."""
        found = self._source.document(document_id, self._scope)
        if found is not None:
            self.expose([found.id])
        return found

    def info(self, document_id: str) -> DocumentInfo | None:
        """Return title, metadata and length of a document, which is exposed; None as for `document`."""
        found = self._source.info(document_id, self._scope)
        if found is not None:
            self.expose([found.id])
        return found

    def read(self, document_id: str, start: int, stop: int) -> str | None:
        """Return the characters [start, stop) of a document, which is exposed; None as for `document`."""
        found = self._source.read(document_id, start, stop, self._scope)
        if found is not None:
            self.expose([DocumentId(document_id)])
        return found

    def ids(self) -> list[DocumentId]:
        """Return the ids of all documents in this view, sorted. Exposes nothing."""
        return self._source.ids(self._scope)

    def count(self) -> int:
        """Return how many documents are in this view. Exposes nothing."""
        return self._source.count(self._scope)

    def version(self, document_id: str) -> str | None:
        """Return the version of a document's text; None as for `document`. Exposes nothing."""
        found = self._source.info(document_id, self._scope)
        return None if found is None else found.version

    def may_read(self, ids: Iterable[str]) -> bool:
        """Return whether all of these documents are in this view now. Exposes nothing."""
        return all(self.version(document_id) is not None for document_id in ids)


class Source(ABC):
    """Documents that can be searched and read. A new source implements `search`, `ids` and `document`.

    Each of these takes a `Scope` and returns nothing outside it. `count`, `info` and `read` follow from them,
    and are overridden where that is cheaper. Callers ask through `for_asker` or `as_owner`. The suite that a
    source has to pass is `indexes.testing.SourceContract`.
    """

    def for_asker(self, access: Access, where: Filter | None = None) -> Documents:
        """Return the documents that `access` may read and `where` matches."""
        return Documents(self, Scope(access, where))

    def as_owner(self, where: Filter | None = None) -> Documents:
        """Return the documents that `where` matches, whoever their readers are; all of them without it."""
        return Documents(self, EVERYTHING if where is None else Scope(EVERYTHING.access, where))

    @abstractmethod
    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """Return the best `k` documents within `scope`, best first; ties break by id.

        Raises: `BadQuery` if a source cannot search for an empty query or for no result; others return hits.
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
        """Return what is known of a document besides its text; None as for `document`."""
        found = self.document(document_id, scope)
        return None if found is None else found.info

    def read(self, document_id: str, start: int, stop: int, scope: Scope) -> str | None:
        """Return the characters [start, stop) of a document; None as for `document`."""
        found = self.document(document_id, scope)
        return None if found is None else found.text[max(start, 0) : max(stop, 0)]

    def __len__(self) -> int:
        return self.count(EVERYTHING)


class SourceWrapper(Source):
    """A source that passes everything on to another one; a subclass overrides what it does differently."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """As the wrapped source."""
        return self._source.search(query, k, scope)

    def ids(self, scope: Scope) -> list[DocumentId]:
        """As the wrapped source."""
        return self._source.ids(scope)

    def document(self, document_id: str, scope: Scope) -> Document | None:
        """As the wrapped source."""
        return self._source.document(document_id, scope)

    def count(self, scope: Scope) -> int:
        """As the wrapped source."""
        return self._source.count(scope)

    def info(self, document_id: str, scope: Scope) -> DocumentInfo | None:
        """As the wrapped source."""
        return self._source.info(document_id, scope)

    def read(self, document_id: str, start: int, stop: int, scope: Scope) -> str | None:
        """As the wrapped source."""
        return self._source.read(document_id, start, stop, scope)
