"""What a write does to the catalog, document by document; knows no engine."""

from __future__ import annotations

from collections.abc import Iterable

from indexes.catalog_writer import Writer
from indexes.chunking import chunk
from indexes.errors import DuplicateId, SourceError
from indexes.legs import Tell
from indexes.types import Changes, Document, DocumentId


def upsert(
    writer: Writer, documents: Iterable[Document], *, source: str | None, prune: bool, tell: Tell
) -> Changes:
    """Store the documents that are new or changed; to `prune` is to remove those of the source that went.

    Raises: `DuplicateId`, `SourceError`, and whatever the iterator raises; the transaction is then void.
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
        tell("reading", done, None)
    gone = tuple(i for i in writer.ids_of(source) if i not in seen) if source is not None and prune else ()
    return Changes(
        tuple(added),
        tuple(updated),
        delete(writer, gone).deleted,
        unchanged=len(seen) - len(added) - len(updated),
    )


def delete(writer: Writer, ids: Iterable[str]) -> Changes:
    """Remove the documents with these ids; an id that is not there is passed over."""
    deleted: list[DocumentId] = []
    for id_ in ids:
        if (stored := writer.stored(id_)) is not None:
            writer.remove(stored.number)
            deleted.append(DocumentId(id_))
    return Changes(deleted=tuple(deleted))


def _named(uri: str, source: str | None) -> str:
    return uri or source or "a document without a source"


def _check(document: Document) -> None:
    """SQLite keeps text as UTF-8, which has no lone surrogates; file names on Linux can."""
    if not document.id:
        raise SourceError(f"A document of {_named(document.uri, None)} has an empty id. Give it one.")
    for value in (document.id, document.title, document.uri, *document.readers):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SourceError(
                f"Document {document.id!r}: {value!r} is not valid Unicode. Rename what it comes from."
            ) from None
