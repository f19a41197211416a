"""Chooses the texts of documents that the first message shows, and trims them for reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from funnel.llm.base import estimated_tokens
from funnel.reader.passages import LABEL_TOKENS, MAX_CHARS, MAX_PASSAGES, choose
from funnel.sandbox.base import HostError
from funnel.workspace.documents import ReadableDocuments
from indexes.types import DocumentHit, DocumentId, DocumentInfo

WHOLE_CHARS = 1_500
"""A document up to this length is shown whole rather than by its passage."""
FEW = 3
"""Of so few documents the beginnings are shown, too: they tell what a long document looks like."""
HEAD_CHARS = 300
JOINED_CHARS = 200
"""Passages of a document with at most this much text between them are shown as one."""
MAX_INDENT = 24
_WIDE = re.compile(r"(?<=\S)[^\S\n]{3,}(?=\S)")
_INDENT = re.compile(rf"^[^\S\n]{{{MAX_INDENT},}}")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?:[\w.-]+:.*\n|[ \t#-].*\n|\n)*---[ \t]*(?:\n|\Z)")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """A span of a document in the first message, its text as it is stored, and whether it is all of it."""

    document_id: str
    start: int
    stop: int
    text: str
    whole: bool


async def shown_texts(
    infos: Sequence[DocumentInfo],
    documents: ReadableDocuments,
    hits: Sequence[DocumentHit],
    *,
    tokens: int,
) -> list[Shown]:
    """Return what is shown of these documents, best first, in at most `tokens` estimated tokens.

    All of them whole if they are few and short together; else the passages that the reader would be shown,
    with short documents whole. A document that was changed or deleted meanwhile is left out.
    """
    shown: list[Shown] = []
    for info, span in _joined(infos, _wanted(infos, hits)):
        with suppress(HostError):
            text = await documents.read(info.id, *span)
            room = tokens - LABEL_TOKENS
            if estimated_tokens(trimmed(text)) > room:
                if shown or room <= 0:
                    break
                text = text[: 2 * room * len(text) // len(text.encode("utf-8", "replace"))]
            tokens -= estimated_tokens(trimmed(text)) + LABEL_TOKENS
            stop = span[0] + len(text)
            if trimmed(text):
                shown.append(Shown(info.id, span[0], stop, text, whole=(span[0], stop) == (0, info.n_chars)))
    return shown


def _wanted(infos: Sequence[DocumentInfo], hits: Sequence[DocumentHit]) -> Iterator[tuple[DocumentId, Span]]:
    """Yield what should be shown, best first."""
    if len(infos) <= MAX_PASSAGES and sum(info.n_chars for info in infos) <= MAX_CHARS:
        yield from ((info.id, (0, info.n_chars)) for info in infos)
        return
    sizes = {info.id: info.n_chars for info in infos}
    for document, hit in choose(hits):
        name, passage = document.document.id, hit.passage
        if name in sizes:
            short = sizes[name] <= WHOLE_CHARS
            yield name, (0, sizes[name]) if short else (passage.start, min(passage.stop, sizes[name]))
    if len(infos) <= FEW:
        for info in infos:
            yield info.id, (0, info.n_chars if info.n_chars <= WHOLE_CHARS else HEAD_CHARS)


def _joined(
    infos: Sequence[DocumentInfo], wanted: Iterator[tuple[DocumentId, Span]]
) -> Iterator[tuple[DocumentInfo, Span]]:
    """Yield the spans by document, best document first, with near ones joined."""
    by_name: dict[DocumentId, list[Span]] = {}
    for name, span in wanted:
        by_name.setdefault(name, []).append(span)
    known = {info.id: info for info in infos}
    for name, spans in by_name.items():
        joined: list[Span] = []
        for start, stop in sorted(spans):
            if joined and start <= joined[-1][1] + JOINED_CHARS:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        yield from ((known[name], span) for span in joined if span[0] < span[1])


def trimmed(text: str) -> str:
    """Return a text without front matter, blank lines and wide gaps, which cost tokens and tell nothing.

    A quote from it is still found in the document, since spaces do not count there.
    """
    lines = (line.rstrip() for line in _FRONT_MATTER.sub("", text).split("\n"))
    return "\n".join(_INDENT.sub(" " * MAX_INDENT, _WIDE.sub("  ", line)) for line in lines if line.strip())
