"""The vocabulary of stage one: Document, Passage, Hit, Access; no I/O, no engine.

Offsets are characters in the canonical text of one document version; ranks start at 1; a higher score
is better.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NewType

from indexes.fingerprint import fingerprint

DocumentId = NewType("DocumentId", str)
PassageId = NewType("PassageId", str)

MAX_ID_CHARS = 1024
"""Ids appear in prompts, citations and messages, so longer ones are rejected when documents are read."""

Scalar = str | int | float | bool | None
Metadata = Mapping[str, Scalar | list[str]]

PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of an asker: a document is readable if its `readers` include one of the `principals`.

    `OWNER` is anyone with access to the collection's directory, and may read everything. Any other asker has
    principals (`alice`, `group:legal`). A document without readers is private to the owner: it fails closed.
    """

    principals: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def of(cls, *principals: str) -> Access:
        """Return the rights of an asker with these principals and `public`."""
        return cls(frozenset(principals) | {PUBLIC})

    def may_read(self, readers: frozenset[str]) -> bool:
        """Return whether this asker may read a document with these readers."""
        return self.everything or not self.principals.isdisjoint(readers)


OWNER = Access(everything=True)


@dataclass(frozen=True, slots=True)
class Section:
    """A span of a document's text and its place in the source: heading, page, first line."""

    start: int
    stop: int
    title: str = ""
    page: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class Document:
    """A document: canonical text, where it came from, who may read it."""

    id: DocumentId
    text: str
    title: str = ""
    uri: str = ""
    metadata: Metadata = field(default_factory=dict)
    readers: frozenset[str] = frozenset()
    sections: tuple[Section, ...] = ()

    @cached_property
    def version(self) -> str:
        """The first 16 hex digits of the SHA-256 of the text. Offsets belong to one version."""
        return fingerprint(self.text)

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the SHA-256 of all fields but `id`; if unchanged, nothing is stored."""
        parts = [
            self.version,
            self.title,
            self.uri,
            sorted(self.readers),
            dict(self.metadata),
            [(s.start, s.stop, s.title, s.page, s.line) for s in self.sections],
        ]
        blob = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
        return fingerprint(blob)

    @property
    def info(self) -> DocumentInfo:
        """The document's fields except its text."""
        return DocumentInfo(self.id, self.version, self.title, self.uri, len(self.text), self.metadata)


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document's fields except its text."""

    id: DocumentId
    version: str
    title: str
    uri: str
    n_chars: int
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VersionText:
    """The whole text of one version of a document."""

    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A span of one document version: `document.text[start:stop] == text`, always."""

    id: PassageId
    document_id: DocumentId
    version: str
    start: int
    stop: int
    text: str
    section: Section | None = None


@dataclass(frozen=True, slots=True)
class RetrieverScore:
    """One retriever's score of a passage; `rank` starts at 1."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found: fused score, rank, and each retriever's own rank and score."""

    passage: Passage
    score: float
    rank: int
    retrievers: Mapping[str, RetrieverScore]


@dataclass(frozen=True, slots=True)
class DocumentHit:
    """A document that was found: the scores of its best passage, and all its found passages, best first."""

    document: DocumentInfo
    score: float
    rank: int
    retrievers: Mapping[str, RetrieverScore]
    passages: tuple[Hit, ...]


class Hits(list[DocumentHit]):
    """The documents that a search found, best first.

    `notes`: sentences for whoever asked, such as that only part of a long query was searched for.
    """

    def __init__(self, hits: Iterable[DocumentHit] = (), notes: Iterable[str] = ()) -> None:
        super().__init__(hits)
        self.notes = tuple(notes)

    @classmethod
    def of(cls, hits: list[DocumentHit]) -> Hits:
        """Return hits as they are, or without notes if their source has none."""
        return hits if isinstance(hits, Hits) else cls(hits)


@dataclass(frozen=True, slots=True)
class Changes:
    """The ids of the documents that a write added, updated and deleted."""

    added: tuple[DocumentId, ...] = ()
    updated: tuple[DocumentId, ...] = ()
    deleted: tuple[DocumentId, ...] = ()
    unchanged: int = 0

    @property
    def any(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.updated or self.deleted)
