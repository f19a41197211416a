"""Adds, updates and deletes documents in one catalog transaction; knows no engine."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from indexes.catalog.writer import CatalogWriter
from indexes.chunking import chunk
from indexes.errors import DuplicateId, MassDeletion, SourceError
from indexes.retrieval.base import ProgressCallback
from indexes.types import MAX_ID_CHARS, Changes, Document, DocumentId

MASS_SHARE = 0.3
MASS_MIN = 10
"""A sync needs permission to delete at least this many of a source's documents and more than this share."""


@dataclass(frozen=True, slots=True)
class Prune:
    """Options for deleting the documents that a source no longer has.

    `unread` are URIs of files and folders that could not be read this time; documents from there stay.
    """

    unread: tuple[str, ...] = ()
    allow_mass_delete: bool = False

    def spares(self, uri: str) -> bool:
        """Return whether a document with this URI is kept because its file could not be read."""
        return any(uri == at or uri.startswith((f"{at}#", f"{at}/")) for at in self.unread)


def upsert(
    writer: CatalogWriter,
    documents: Iterable[Document],
    *,
    source: str | None,
    prune: Prune | None,
    progress: ProgressCallback,
) -> Changes:
    """Store new and changed documents, and delete those of `source` that are gone, as `prune` allows.

    Raises: `DuplicateId`, `MassDeletion`, `SourceError`, and whatever the iterator raises; the caller then
    rolls the transaction back.
    """
    seen: dict[DocumentId, str] = {}
    added: list[DocumentId] = []
    updated: list[DocumentId] = []
    for done, document in enumerate(documents, 1):
        if document.id in seen:
            raise DuplicateId(document.id, seen[document.id], _named(document.uri, source))
        seen[document.id] = _named(document.uri, source)
        _check(document)
        stored = writer.stored(document.id)
        if stored is None:
            writer.put(document, chunk(document), source=source or "")
            added.append(document.id)
        else:
            if source is not None and stored.source != source:
                raise DuplicateId(
                    document.id, _named(stored.uri, stored.source), _named(document.uri, source)
                )
            if stored.fingerprint != document.fingerprint:
                writer.remove(stored.number)
                writer.put(document, chunk(document), source=stored.source)
                updated.append(document.id)
        progress("reading", done, None)
    gone = () if source is None or prune is None else _gone(writer, source, seen, len(added), prune)
    return Changes(
        tuple(added),
        tuple(updated),
        delete(writer, gone).deleted,
        unchanged=len(seen) - len(added) - len(updated),
    )


def delete(writer: CatalogWriter, ids: Iterable[str]) -> Changes:
    """Remove the documents with these ids; unknown ids are skipped."""
    deleted: list[DocumentId] = []
    for id_ in ids:
        if (stored := writer.stored(id_)) is not None:
            writer.remove(stored.number)
            deleted.append(DocumentId(id_))
    return Changes(deleted=tuple(deleted))


def _gone(
    writer: CatalogWriter, source: str, seen: Container[DocumentId], n_added: int, prune: Prune
) -> tuple[DocumentId, ...]:
    stored = writer.uris_of(source)
    gone = tuple(id_ for id_, uri in stored if id_ not in seen and not prune.spares(uri))
    before = len(stored) - n_added
    if not prune.allow_mass_delete and len(gone) >= MASS_MIN and len(gone) > MASS_SHARE * before:
        raise MassDeletion(source, len(gone), before)
    return gone


def _named(uri: str, source: str | None) -> str:
    return uri or source or "a document without a source"


def _check(document: Document) -> None:
    """Check that the id is not too long to show, and that SQLite accepts the text (no lone surrogates)."""
    if not document.id:
        raise SourceError(f"A document of {_named(document.uri, None)} has an empty id. Give it one.")
    if len(document.id) > MAX_ID_CHARS:
        raise SourceError(
            f"The id of a document of {_named(document.uri, None)} has {len(document.id):,} characters "
            f"({document.id[:80]!r}…); at most {MAX_ID_CHARS:,} are allowed. Give it a shorter one."
        )
    for value in (document.id, document.title, document.uri, *document.readers):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SourceError(
                f"Document {document.id!r}: {value!r} is not valid Unicode. Change it in its source."
            ) from None
