"""A finding: what a run found out about versions of documents, and the spans that it rests on; pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from funnel.findings.tables import Version, name_of
from funnel.stored import Stored
from funnel.types import Citation
from indexes.fingerprint import fingerprint

FindingKind = Literal["note", "sub-call", "child", "answer", "table"]

MAX_CHARS = 2_000
MAX_ASKED_CHARS = 500
MAX_TITLE_CHARS = 200
MAX_SOURCES = 20


@dataclass(frozen=True, slots=True)
class SupportingSpan:
    """A span of a document version; its `fingerprint` shows whether the text has changed.

    `title`: the document's title, since a finding often does not name its subject.
    """

    document_id: str
    version: str
    start: int
    stop: int
    fingerprint: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding: the answer to what was `asked`, and its sources. `found_at` is in seconds since 1970.

    `exposed`: every document whose text the run had seen when it wrote this, since a model may repeat what it
    read in a document other than the cited one.

    `value`: the answer, unless it is a text. `payload`: the fingerprint of a value that is stored beside it,
    the rows of a table or what was noted; "" if there is none. `holds_for`: the document versions from which
    a noted value came. `words`: what it is found by besides what it shows.
    """

    kind: FindingKind
    asked: str
    text: str
    sources: tuple[SupportingSpan, ...]
    found_at: float = 0.0
    exposed: tuple[str, ...] = ()
    value: Any = None
    payload: str = ""
    holds_for: tuple[Version, ...] = ()
    words: str = ""

    @property
    def name(self) -> str:
        """The name by which a table or a noted value is recalled; "" for all others."""
        return name_of(self.digest) if self.payload else ""

    @property
    def versions(self) -> frozenset[Version]:
        """The document versions that it rests on."""
        return frozenset((span.document_id, span.version) for span in self.sources)

    @property
    def searched(self) -> str:
        """The text that is searched: titles, what was asked, what was found out."""
        titles = dict.fromkeys(span.title for span in self.sources)
        return "\n".join([*titles, self.asked, self.text, self.words, self.name])

    @property
    def digest(self) -> str:
        """A hash that is the same if the same is found out again."""
        parts = [self.kind, self.asked, self.text, *(list(asdict(span).values()) for span in self.sources)]
        parts += [self.payload] if self.payload else []
        return fingerprint(json.dumps(parts))


def supporting_span(citation: Citation, version: str) -> SupportingSpan:
    """Return the span that a citation of this document version rests on."""
    title = citation.title[:MAX_TITLE_CHARS]
    return SupportingSpan(
        citation.document_id, version, citation.start, citation.stop, fingerprint(citation.quote), title
    )


def _renamed(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a stored finding with the present names; spans had a `check`, findings `at` and `given`."""
    if "given" not in stored:
        return stored
    found = {_NAMES.get(name, name): value for name, value in stored.items()}
    found["sources"] = [
        {_NAMES.get(name, name): value for name, value in span.items()} for span in stored["sources"]
    ]
    return found


_NAMES = {"check": "fingerprint", "at": "found_at", "given": "exposed"}
FINDINGS: Stored[Finding] = Stored(Finding, upgrade=_renamed)
"""Findings as they are stored."""


def load(stored: bytes | None) -> Finding | None:
    """Return a stored finding; None if it was removed meanwhile, or a later version wrote it."""
    try:
        return None if stored is None else FINDINGS.load(stored)
    except ValueError:
        return None
