"""Chooses the texts of documents that the first message shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from funnel.llm.base import estimated_tokens
from funnel.reader.passages import LABEL_TOKENS, MAX_CHARS, MAX_PASSAGES, Budget, gathered, joined
from funnel.sandbox.base import HostError
from funnel.text.spacing import trimmed
from funnel.workspace.documents import ReadableDocuments
from indexes.types import DocumentHit, DocumentId, DocumentInfo

WHOLE_CHARS = 1_500
"""A document up to this length is shown whole rather than by its passage."""
FEW = 3
"""Of so few documents the beginnings are shown, too: they tell what a long document looks like."""
HEAD_CHARS = 300
_BUDGET = Budget(grows=False)
"""What merely stands beside is left out: a cell can read it, and every turn repeats the first message."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A span of a document in the first message, its text as it is stored, and whether it is all of it.

    `header`: the rows that name the columns, if the text begins inside a table, or the lines of source code
    that begin the definitions around it.
    """

    document_id: str
    start: int
    stop: int
    text: str
    whole: bool
    header: str = ""

    @property
    def readable(self) -> str:
        """The text as the model is shown it."""
        return trimmed(f"{self.header}\n…\n{self.text}" if self.header else self.text)


async def shown_texts(
    question: str,
    infos: Sequence[DocumentInfo],
    documents: ReadableDocuments,
    hits: Sequence[DocumentHit],
    *,
    tokens: int,
) -> list[Shown]:
    """Return what is shown of these documents, best first, in at most `tokens` estimated tokens.

    All of them whole if they are few and short together; else the passages that the reader would be shown,
    with short documents whole. `hits`: what a search for the question found; if there are none, the documents
    are searched here. A document that was changed or deleted meanwhile is left out.
    """
    shown: list[Shown] = []
    for info, start, stop, header in await _wanted(question, infos, documents, hits):
        with suppress(HostError):
            text = await documents.read(info.id, start, stop)
            each = Shown(info.id, start, stop, text, whole=(start, stop) == (0, info.n_chars), header=header)
            room = tokens - LABEL_TOKENS
            if estimated_tokens(each.readable) > room:
                if shown or room <= 0:
                    break
                text = text[: 2 * room * len(text) // len(text.encode("utf-8", "replace"))]
                each = Shown(info.id, start, start + len(text), text, whole=False)
            tokens -= estimated_tokens(each.readable) + LABEL_TOKENS
            if each.readable:
                shown.append(each)
    return shown


async def _wanted(
    question: str, infos: Sequence[DocumentInfo], documents: ReadableDocuments, hits: Sequence[DocumentHit]
) -> list[tuple[DocumentInfo, int, int, str]]:
    """Return the spans that should be shown, by document, the best first, each with its header."""
    if len(infos) <= MAX_PASSAGES and sum(info.n_chars for info in infos) <= MAX_CHARS:
        return [(info, 0, info.n_chars, "") for info in infos]
    known = {info.id: info for info in infos}
    given = [hit for hit in hits if hit.document.id in known]
    given = given or [DocumentHit(info, 0.0, rank, {}, ()) for rank, info in enumerate(infos, start=1)]
    found = await gathered(documents.view, question, given, _BUDGET)
    spans: dict[DocumentId, list[tuple[int, int, str]]] = {}
    for source in joined(found):
        name = DocumentId(source.document_id)
        spans.setdefault(name, []).append((source.start, source.stop, source.header))
    if len(infos) <= FEW:
        for info in infos:
            first = spans.setdefault(info.id, [])
            if not any(start < HEAD_CHARS for start, _, _ in first):
                first.insert(0, (0, min(HEAD_CHARS, info.n_chars), ""))
    return list(_by_document(known, spans))


def _by_document(
    known: dict[DocumentId, DocumentInfo], spans: dict[DocumentId, list[tuple[int, int, str]]]
) -> Iterator[tuple[DocumentInfo, int, int, str]]:
    for name, some in spans.items():
        if known[name].n_chars <= WHOLE_CHARS:
            yield known[name], 0, known[name].n_chars, ""
        else:
            yield from ((known[name], *span) for span in some)
