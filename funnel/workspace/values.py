"""What a workspace knows of documents and finds in them, as values; knows no memory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Protocol

from funnel.workspace.grep import Match
from funnel.workspace.pages import Layout


class DocumentLike(Protocol):
    """What a workspace must know of a document: `indexes.types.DocumentInfo` has it."""

    @property
    def id(self) -> str:
        """The document's id, not empty."""

    @property
    def version(self) -> str:
        """Names the text: the same id and version are the same characters. Not empty."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def uri(self) -> str:
        """Where it came from."""


class Registrable(DocumentLike, Protocol):
    """The same with the length of its text: `indexes.types.DocumentInfo` has it."""

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
    """A document and how its pages are cut; `whole` where all of them are in the memory."""

    stored: WorkspaceDocument
    layout: Layout
    whole: bool


@dataclass(frozen=True, slots=True)
class GrepResult:
    """The first matches, and how many there are in all."""

    matches: tuple[Match, ...]
    total: int


@dataclass(frozen=True, slots=True)
class TextHit:
    """A passage of the document `document_id`, or of the note `note`: its characters `start` to `stop`."""

    document_id: str | None
    note: str | None
    start: int
    stop: int
    text: str
    score: float


def entry_of(known: KnownDocument) -> bytes:
    """A document of a run, as its memory has it."""
    return json.dumps({**asdict(known.stored), **asdict(known.layout), "whole": known.whole}).encode()


def known_of(entry: bytes) -> KnownDocument:
    """What `entry_of` gave."""
    found = json.loads(entry)
    stored = WorkspaceDocument(found["id"], found["version"], found["title"], found["uri"], found["n_chars"])
    return KnownDocument(stored, Layout(found["n_chars"], found["page_chars"]), found.get("whole", True))
