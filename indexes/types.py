"""The vocabulary of stage one: Document, Passage, Hit, Access; no I/O, no engine.

Offsets are characters in the canonical text of one document version; ranks start at 1; a higher score
is better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NewType

from indexes.fingerprint import fingerprint

DocumentId = NewType("DocumentId", str)
PassageId = NewType("PassageId", str)

MAX_ID_CHARS = 1024
"""An id stands in prompts, citations and messages: a longer one is refused where documents come in."""

Scalar = str | int | float | bool | None
Metadata = Mapping[str, Scalar | list[str]]

PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks. A document is readable when its `readers` and the asker's `principals` meet.

    `OWNER` is whoever holds the collection's directory and reads everything. Any other asker names
    principals (`alice`, `group:legal`); a document without readers is private to the owner: fail closed.
    """

    principals: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def of(cls, *principals: str) -> Access:
        """The access of an asker with these principals; `public` is always among them."""
        return cls(frozenset(principals) | {PUBLIC})

    def may_read(self, readers: frozenset[str]) -> bool:
        """Whether a document with these readers is open to this asker."""
        return self.everything or not self.principals.isdisjoint(readers)


OWNER = Access(everything=True)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's text and where it stood in the source: heading, page, first line."""

    start: int
    stop: int
    title: str = ""
    page: int | None = None
    line: int | None = None


@dataclass(frozen=True)
class Document:
    """One document: canonical text, where it came from, who may read it."""

    id: DocumentId
    text: str
    title: str = ""
    uri: str = ""
    metadata: Metadata = field(default_factory=dict)
    readers: frozenset[str] = frozenset()
    sections: tuple[Section, ...] = ()

    @cached_property
    def version(self) -> str:
        """First 16 hex digits of the SHA-256 of the text: offsets belong to one version."""
        return fingerprint(self.text)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of every field: equal means nothing to do."""
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
        """What is known of the document besides its text."""
        return DocumentInfo(self.id, self.version, self.title, self.uri, len(self.text), self.metadata)


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What is known of a stored document without its text."""

    id: DocumentId
    version: str
    title: str
    uri: str
    n_chars: int
    metadata: Metadata = field(default_factory=dict)


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
    """What one retriever thought of a passage; `rank` starts at 1."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage as found: fused score, rank, and each retriever's own rank and score."""

    passage: Passage
    score: float
    rank: int
    retrievers: Mapping[str, RetrieverScore]


@dataclass(frozen=True, slots=True)
class DocumentHit:
    """A document as found: its best passage's scores, and all its found passages, best first."""

    document: DocumentInfo
    score: float
    rank: int
    retrievers: Mapping[str, RetrieverScore]
    passages: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a write did, by document id."""

    added: tuple[DocumentId, ...] = ()
    updated: tuple[DocumentId, ...] = ()
    deleted: tuple[DocumentId, ...] = ()
    unchanged: int = 0

    @property
    def any(self) -> bool:
        """Whether anything changed at all."""
        return bool(self.added or self.updated or self.deleted)
