"""All errors that stage one raises; knows no engine and no file format.

IndexesError
├── SourceError            a path, file or line that cannot be read as documents
│   ├── SourceNotFound     no such path
│   ├── NothingToIndex     a folder or file without a single document
│   ├── BadFile            binary, undecodable or malformed; carries the line, if any
│   └── DuplicateId        two documents with the same id
├── UnknownDocument        an id that no document of the collection has
├── MassDeletion           a source lost so many documents at once that the deletion needs confirmation
├── BadBackup              a file that cannot be written or restored as a backup
├── BadQuery               an empty query, or one that asks for no result
├── BadFilter              an invalid filter; carries the field and the operator
├── UnknownName            no engine, embedder or option has that name; lists the known names
├── MissingExtra           a name that needs an optional package that is not installed
├── PlugInFailed           a plug-in of another package that cannot be loaded
├── EmbedderFailed         an embedder could not be loaded or refused to embed
├── RerankerFailed         a reranker could not be loaded or refused to score
└── CollectionError        a failure of the collection as a whole
    ├── CollectionNotFound    no collection in that directory
    ├── CollectionMismatch    built with another embedder or engine than the one asked for
    ├── CollectionTooNew      written by a newer version
    ├── CollectionLocked      another process is writing
    ├── CollectionNotReadable this user has no permission to read its files
    ├── CollectionNotWritable the disk is full, or the directory is not writable
    ├── AlreadyEmbedding      another process or thread is embedding its passages
    └── CollectionDamaged     the catalog itself cannot be read
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class IndexesError(Exception):
    """Base of all errors. `str(error)` is one line that says what is wrong, where, and what to do."""


class SourceError(IndexesError):
    """A path, a file or a line that cannot be read as documents."""


class SourceNotFound(SourceError):
    """No such path."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        super().__init__(f"No such file or folder: {path}. Check the path and run the command again.")


class NothingToIndex(SourceError):
    """A folder or file that holds no document at all."""

    def __init__(self, path: Path | str, *, reason: str = "it holds no readable document") -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"Nothing to index in {path}: {reason}. Name a folder or file with text in it.")


class CodeUnread(IndexesError):
    """Source code could not be parsed, with the reason."""


class BadFile(SourceError):
    """A file that is binary, undecodable or malformed. `line` starts at 1."""

    def __init__(self, path: Path | str, reason: str, *, line: int | None = None) -> None:
        self.path = Path(path)
        self.reason = reason
        self.line = line
        where = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{where}: {reason}.")


class DuplicateId(SourceError):
    """Two documents with the same id."""

    def __init__(self, document_id: str, first: str, second: str) -> None:
        self.document_id = document_id
        self.first = first
        self.second = second
        super().__init__(
            f"Two documents have the id {document_id!r}: {first} and {second}. Give one of them another id."
        )


class UnknownDocument(IndexesError):
    """Ids that no document of the collection has."""

    def __init__(self, path: Path | str, ids: Iterable[str]) -> None:
        self.path = Path(path)
        self.ids = tuple(ids)
        super().__init__(
            f"No document of {path} has the id {', '.join(map(repr, self.ids))}. Nothing was changed."
        )


class MassDeletion(IndexesError):
    """A source lost so many documents at once that deleting them needs confirmation."""

    def __init__(self, source: str, gone: int, stored: int) -> None:
        self.source = source
        self.gone = gone
        self.stored = stored
        super().__init__(
            f"{gone} of {stored} documents of {source} are missing at once; nothing was changed. "
            "If that is intended, run it again with --allow-mass-delete."
        )


class BadBackup(IndexesError):
    """A file that cannot be written or restored as a backup."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}.")


class BadQuery(IndexesError, ValueError):
    """An empty query, or one that asks for no result."""


class BadFilter(IndexesError, ValueError):
    """An invalid filter. `field` and `operator` say where; each is "" if it does not apply."""

    def __init__(self, reason: str, *, field: str = "", operator: str = "") -> None:
        self.reason = reason
        self.field = field
        self.operator = operator
        where = [f"field {field!r}"] * bool(field) + [f"operator {operator!r}"] * bool(operator)
        super().__init__(f"The filter{', ' * bool(where)}{', '.join(where)}: {reason}.")


class UnknownName(IndexesError):
    """No engine, embedder or option has that name; lists the known names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"Unknown {kind} {name!r}. Known: {', '.join(self.known) or 'none'}.")


class MissingExtra(IndexesError):
    """A name that needs an optional package that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.what = what
        self.extra = extra
        super().__init__(f"{what} needs an optional package: pip install 'funnel-rlm[{extra}]'.")


class PlugInFailed(IndexesError):
    """A plug-in of another package that cannot be loaded. `target` is its entry point, "module:object"."""

    def __init__(self, kind: str, name: str, target: str, error: Exception) -> None:
        self.kind = kind
        self.name = name
        self.target = target
        message = " ".join(str(error).split())
        self.reason = f"its plug-in {target} does not load: {type(error).__name__}{message and ': '}{message}"
        super().__init__(
            f"{kind.capitalize()} {name!r}: {self.reason}. Fix or uninstall the package that provides it."
        )


class EmbedderFailed(IndexesError):
    """An embedder could not be loaded, or refused to embed."""

    def __init__(self, embedder: str, reason: str) -> None:
        self.embedder = embedder
        self.reason = reason
        super().__init__(f"Embedder {embedder!r}: {reason}")


class RerankerFailed(IndexesError):
    """A reranker could not be loaded, or refused to score."""

    def __init__(self, reranker: str, reason: str) -> None:
        self.reranker = reranker
        self.reason = reason
        super().__init__(f"Reranker {reranker!r}: {reason}")


class CollectionError(IndexesError):
    """A failure of the collection as a whole."""


class CollectionNotFound(CollectionError):
    """No collection in that directory."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        super().__init__(f"No collection in {path}. Build one: funnel index PATH --kb {path}")


class CollectionMismatch(CollectionError):
    """The collection was built with another embedder or engine than the one asked for."""

    def __init__(self, path: Path | str, kind: str, built: str, asked: str) -> None:
        self.path = Path(path)
        self.kind = kind
        self.built = built
        self.asked = asked
        super().__init__(
            f"The collection {path} was built with {kind} {built!r}, not {asked!r}. "
            f"Leave out --{kind}, or build a new collection in another directory."
        )


class CollectionTooNew(CollectionError):
    """Written by a newer version of this package."""

    def __init__(self, path: Path | str, found: int, supported: int) -> None:
        self.path = Path(path)
        self.found = found
        self.supported = supported
        super().__init__(
            f"The collection {path} has format {found}; this version reads up to {supported}. "
            "Upgrade funnel-rlm to open it."
        )


class CollectionLocked(CollectionError):
    """Another process holds the writer's lock."""

    def __init__(self, path: Path | str, holder: str) -> None:
        self.path = Path(path)
        self.holder = holder
        super().__init__(
            f"{holder} is writing to the collection {path}. Wait until it has finished, then run this again."
        )


class AlreadyEmbedding(CollectionError):
    """Another process or thread is embedding the collection's passages; a second would pay for them twice."""

    def __init__(self, path: Path | str, holder: str) -> None:
        self.path = Path(path)
        self.holder = holder
        super().__init__(
            f"{holder} is already embedding the passages of {path}, and includes passages added meanwhile. "
            "Wait until it has finished."
        )


class CollectionNotWritable(CollectionError):
    """The disk is full, or the directory is not writable."""

    def __init__(self, path: Path | str, reason: str, *, advice: str = "") -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{path} cannot be written to: {reason}.{advice and ' '}{advice}")


class CollectionNotReadable(CollectionError):
    """This user has no permission to read the collection's files."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        super().__init__(
            f"You have no permission to read the collection {path}. Ask its owner for permission to read the "
            "directory and the files in it, or run this as a user who has it."
        )


class CollectionDamaged(CollectionError):
    """The catalog itself cannot be read."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(
            f"The catalog of {path} cannot be read: {reason}. Restore it from a copy, or index again."
        )
