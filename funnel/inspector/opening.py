"""How a task begins: the `context` variable, and what the first message says of it.

Both are bounded in size, whatever the documents weigh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from funnel.inspector.shelf import Shelf
from funnel.prompts import fence
from indexes.types import DocumentInfo

INLINE_CHARS = 100_000
INLINE_TOTAL_CHARS = 4_000_000
LISTED = 40
LABEL_CHARS = 120
TITLE_CHARS = 200
"""More of a title is told nowhere: one may be a whole page."""
EXCERPTS_CHARS = 8_000
WHOLE_CHARS = 1_500
HEAD_CHARS = 500
TAIL_CHARS = 200


async def context_variable(documents: Sequence[str], shelf: Shelf) -> list[dict[str, Any]]:
    """One dict a document: id, title, n_chars, text; text is None where it must be read piecewise."""
    context: list[dict[str, Any]] = []
    total = 0
    for name in documents:
        info = shelf.info(name)
        inline = info.n_chars <= INLINE_CHARS and total + info.n_chars <= INLINE_TOTAL_CHARS
        total += info.n_chars if inline else 0
        text = await shelf.read(name) if inline else None
        context.append(
            {"id": info.id, "title": info.title[:TITLE_CHARS], "n_chars": info.n_chars, "text": text}
        )
    return context


async def describe_context(
    question: str, documents: Sequence[str], shelf: Shelf, best: Mapping[str, tuple[int, int]]
) -> str:
    """The first message: the question, and what `context` holds.

    `best` are the spans by which stage one found the documents, for those that it found.
    """
    infos = [shelf.info(name) for name in documents]
    total = sum(info.n_chars for info in infos)
    whole = await shelf.count()
    lines = [
        fence("question", question),
        "",
        f"The whole collection holds {whole:,} documents that you may search.",
    ]
    if not infos:
        lines.append("context is empty: stage one found nothing. Use search() with other words.")
        return "\n".join(lines)
    lines.append(f"context holds {len(infos)} of them, {total:,} characters in all, best match first:")
    listed = [
        f"context[{i}] id={info.id[:LABEL_CHARS]!r} title={info.title[:LABEL_CHARS]!r} n_chars={info.n_chars}"
        for i, info in enumerate(infos[:LISTED])
    ]
    if len(infos) > LISTED:
        listed.append(f"… and {len(infos) - LISTED} more")
    lines.append(fence("documents", "\n".join(listed)))
    if any(info.n_chars > INLINE_CHARS for info in infos) or total > INLINE_TOTAL_CHARS:
        lines.append("Large documents have text None: use read() and grep().")
    lines.append("From the first of them:")
    room = EXCERPTS_CHARS
    for info in infos:
        excerpt = await _excerpt(info, shelf, best.get(info.id))
        room -= len(excerpt)
        if room < 0:
            break
        lines.append(excerpt)
    return "\n".join(lines)


async def _excerpt(info: DocumentInfo, shelf: Shelf, best: tuple[int, int] | None) -> str:
    """A short document whole; of a long one what stage one found it by, or else how it begins and ends."""
    if info.n_chars <= WHOLE_CHARS:
        return fence("excerpt", await shelf.read(info.id), id=info.id, what="whole")
    if best is not None:
        start, stop = best[0], min(best[1], best[0] + HEAD_CHARS + TAIL_CHARS)
        text = await shelf.read(info.id, start, stop)
        return fence("excerpt", text, id=info.id, what=f"best match, characters {start} to {stop}")
    head = await shelf.read(info.id, 0, HEAD_CHARS)
    tail = await shelf.read(info.id, info.n_chars - TAIL_CHARS, info.n_chars)
    return fence("excerpt", f"{head}\n[…]\n{tail}", id=info.id, what="beginning and end")
