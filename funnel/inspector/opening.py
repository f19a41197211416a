"""The beginning of a task: the `context` variable, and the first message, which shows the best of it.

Both are bounded in size, however large the documents are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from funnel.inspector.shown import Shown, shown_texts
from funnel.llm.base import estimated_tokens
from funnel.prompts import advice, fence
from funnel.sandbox.base import HostError
from funnel.types import Shape
from funnel.workspace.documents import ReadableDocuments
from indexes.types import DocumentHit, DocumentInfo

INLINE_CHARS = 100_000
INLINE_TOTAL_CHARS = 4_000_000
LISTED = 20
LISTING_CHARS, LEAST_LISTING_CHARS = 3_000, 300
FOR_TURNS_TOKENS = 3_000
"""What is left for the turns, for findings and for the closing line, however small the prompt may be."""
LABEL_CHARS = 80
TITLE_CHARS = 200
"""Longer titles are cut wherever they are shown: one may be a whole page."""


_INTRODUCTION = 'The best passages, without blank lines; cite(context[0], quote="...") takes their words:'


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message, and the texts of documents in it."""

    text: str
    shown: tuple[Shown, ...]


async def context_variable(names: Sequence[str], documents: ReadableDocuments) -> list[dict[str, Any]]:
    """Return a dict for each document: id, title, n_chars, text; text is None if it is too long to hand over.

    A document that was changed or deleted since it was found is left out.
    """
    context: list[dict[str, Any]] = []
    total = 0
    for name in names:
        info = documents.info(name)
        inline = info.n_chars <= INLINE_CHARS and total + info.n_chars <= INLINE_TOTAL_CHARS
        total += info.n_chars if inline else 0
        try:
            text = await documents.read(name) if inline else None
        except HostError:
            continue
        context.append(
            {"id": info.id, "title": info.title[:TITLE_CHARS], "n_chars": info.n_chars, "text": text}
        )
    return context


async def describe_context(
    question: str,
    names: Sequence[str],
    documents: ReadableDocuments,
    hits: Sequence[DocumentHit],
    *,
    room: int,
    shape: Shape | None = None,
) -> Opening:
    """Return the first message: the question, what `context` holds, the best texts, advice for its shape.

    `hits`: what a search for the question found; a child has none. `room`: how many estimated tokens the
    prompt may still have. The texts get half of what is free, since every turn repeats them; the other half
    is for the turns, which need some room in a small window, too.
    """
    infos = [documents.info(name) for name in names]
    asked = fence("question", question)
    left = room - estimated_tokens(asked) - FOR_TURNS_TOKENS
    lines = [asked, *await _described(infos, documents, min(LISTING_CHARS, max(LEAST_LISTING_CHARS, left)))]
    free = room - sum(map(estimated_tokens, lines))
    tokens = min(free // 2, free - FOR_TURNS_TOKENS)
    shown = await shown_texts(question, infos, documents, hits, tokens=tokens)
    if shown:
        lines.append(_INTRODUCTION)
    places = {name: place for place, name in enumerate(names)}
    for each in shown:
        # Named by its place, since an id is foreign text, too.
        chars = "all" if each.whole else f"{each.start} to {each.stop}"
        of = f"context[{places[each.document_id]}]"
        lines.append(fence("passage", each.readable, of=of, chars=chars))
    if shape is not None:
        lines.append(advice(shape))
    return Opening("\n".join(lines), tuple(shown))


async def _described(
    infos: Sequence[DocumentInfo], documents: ReadableDocuments, listing_chars: int
) -> list[str]:
    whole = await documents.count()
    if not infos:
        none = f"context is empty: a first search found none of the {whole:,} documents."
        return [f"{none} Search with other words."]
    total = sum(info.n_chars for info in infos)
    large = any(info.n_chars > INLINE_CHARS for info in infos) or total > INLINE_TOTAL_CHARS
    what = f"{len(infos)} of {whole:,} documents, best first (place: id, title, n_chars)"
    return [
        f"context: {what}.{' Large ones have text None: read() and grep() them.' if large else ''}",
        fence("documents", "\n".join(_listed(infos, listing_chars))),
    ]


def _listed(infos: Sequence[DocumentInfo], room: int) -> list[str]:
    """Return a line for each document, as many as there is room for."""
    lines: list[str] = []
    for place, info in enumerate(infos[:LISTED]):
        title = "" if info.title == info.id else f" {info.title[:LABEL_CHARS]!r}"
        line = f"{place}: {info.id[:LABEL_CHARS]!r}{title} {info.n_chars}"
        room -= _weight(line)
        if room < 0:
            break
        lines.append(line)
    if len(infos) > len(lines):
        lines.append(f"… and {len(infos) - len(lines)} more")
    return lines


def _weight(text: str) -> int:
    """Return the length of an ASCII text that is estimated at the same number of tokens."""
    return max(len(text), len(text.encode("utf-8", "replace")) // 2)
