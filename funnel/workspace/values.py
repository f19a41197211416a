"""The documents of a workspace and what is found in them, as values; knows no memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

from funnel.workspace.grep import Match
from funnel.workspace.pages import Pagination


class DocumentLike(Protocol):
    """The facts about a document that a workspace needs; `indexes.types.DocumentInfo` has them."""

    @property
    def id(self) -> str:
        """The document's id, not empty."""

    @property
    def version(self) -> str:
        """The name of this text: the same id and version have the same characters. Not empty."""

    @property
    def title(self) -> str:
        """The title shown to people."""

    @property
    def uri(self) -> str:
        """Where the document came from."""


class Registrable(DocumentLike, Protocol):
    """The same facts with the length of the text: `indexes.types.DocumentInfo` has them."""

    @property
    def n_chars(self) -> int:
        """Characters of the text."""


@dataclass(frozen=True, slots=True)
class WorkspaceDocument:
    """A document of this run."""

    id: str
    version: str
    title: str
    uri: str
    n_chars: int


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document and its pages; `whole` if all of them are in the memory."""

    stored: WorkspaceDocument
    pagination: Pagination
    whole: bool


@dataclass(frozen=True, slots=True)
class GrepResult:
    """Matches, the number of all matches, and that of each document that has any, in order."""

    matches: tuple[Match, ...]
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextHit:
    """A passage of a document or of a note: its characters `start` to `stop`."""

    document_id: str | None
    note: str | None
    start: int
    stop: int
    text: str
    score: float


def entry_of(known: KnownDocument) -> bytes:
    """Return the stored form of a document of a run."""
    return json.dumps({**asdict(known.stored), **asdict(known.pagination), "whole": known.whole}).encode()


def known_of(entry: bytes) -> KnownDocument:
    """Restore a document from the result of `entry_of`."""
    found = json.loads(entry)
    stored = WorkspaceDocument(found["id"], found["version"], found["title"], found["uri"], found["n_chars"])
    return KnownDocument(stored, Pagination(found["n_chars"], found["page_chars"]), found.get("whole", True))
