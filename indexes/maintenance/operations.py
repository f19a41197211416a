"""Reports a collection's size on disk, and erases with proof; knows a Collection and its directory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from indexes.catalog.catalog import CATALOG
from indexes.collection import Collection, Status
from indexes.dense.vector_cache import VECTORS
from indexes.errors import UnknownDocument
from indexes.maintenance.erasure import Proof, evidence, prove
from indexes.retrieval.base import ProgressCallback, no_progress

_PARTS = {
    CATALOG: "catalog",
    f"{CATALOG}-wal": "catalog",
    f"{CATALOG}-shm": "catalog",
    VECTORS: "vectors",
    f"{VECTORS}-wal": "vectors",
    f"{VECTORS}-shm": "vectors",
    "lexical": "lexical",
    "dense": "dense",
    "visible": "lexical",
}
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class StorageStatus:
    """A collection's status, and the size in bytes of each of its parts on disk."""

    status: Status
    size_bytes: dict[str, int]

    @property
    def total_bytes(self) -> int:
        """The total size of all parts in bytes."""
        return sum(self.size_bytes.values())


def describe(collection: Collection) -> StorageStatus:
    """Return the collection's status and sizes."""
    sizes = dict.fromkeys(("catalog", "lexical", "dense", "vectors", _OTHER), 0)
    for path in collection.path.rglob("*"):
        part = _PARTS.get(path.relative_to(collection.path).parts[0], _OTHER)
        sizes[part] += _size(path)
    return StorageStatus(collection.status(), sizes)


def erase(collection: Collection, ids: Iterable[str], *, progress: ProgressCallback | None = None) -> Proof:
    """Erase documents, then search every byte of the collection's directory for what only they contained.

    Raises: as `Collection.erase`; `OSError` if a file cannot be read.
    """
    asked = list(dict.fromkeys(ids))
    documents = collection.as_owner()
    found = {id_: documents.document(id_) for id_ in asked}
    if unknown := [id_ for id_, document in found.items() if document is None]:
        raise UnknownDocument(collection.path, unknown)
    sought = evidence(document for document in found.values() if document is not None)
    collection.erase(asked, progress=progress)
    others = (documents.document(id_) for id_ in documents.ids())
    remaining = (document for document in others if document is not None)
    return prove(collection.path, sought, remaining, progress or no_progress)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0  # a writer has just removed or replaced the file
