"""How a task begins: the `context` variable, and what the first message says of it.

Both are bounded in size, whatever the documents weigh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from funnel.inspector.shelf import Shelf
from funnel.prompts import fence

INLINE_CHARS = 100_000
INLINE_TOTAL_CHARS = 4_000_000
LISTED = 40
SHOWN = 3
HEAD_CHARS = 400
TAIL_CHARS = 120


async def context_variable(documents: Sequence[str], shelf: Shelf) -> list[dict[str, Any]]:
    """One dict a document: id, title, n_chars, text; text is None where it must be read piecewise."""
    context: list[dict[str, Any]] = []
    total = 0
    for name in documents:
        info = shelf.info(name)
        inline = info.n_chars <= INLINE_CHARS and total + info.n_chars <= INLINE_TOTAL_CHARS
        total += info.n_chars if inline else 0
        text = await shelf.read(name) if inline else None
        context.append({"id": info.id, "title": info.title, "n_chars": info.n_chars, "text": text})
    return context


async def describe_context(question: str, documents: Sequence[str], shelf: Shelf) -> str:
    """The first message: the question, and what `context` holds."""
    infos = [shelf.info(name) for name in documents]
    total = sum(info.n_chars for info in infos)
    lines = [fence("question", question), ""]
    if not infos:
        lines.append("context is empty: stage one found nothing. Use search() with other words.")
        return "\n".join(lines)
    lines.append(f"context holds {len(infos)} documents, {total:,} characters in all, best match first:")
    lines += [
        f"  context[{i}] id={info.id!r} title={info.title[:120]!r} n_chars={info.n_chars}"
        for i, info in enumerate(infos[:LISTED])
    ]
    if len(infos) > LISTED:
        lines.append(f"  … and {len(infos) - LISTED} more")
    if any(info.n_chars > INLINE_CHARS for info in infos) or total > INLINE_TOTAL_CHARS:
        lines.append("Large documents have text None: use read() and grep().")
    lines.append("How the first of them begin and end:")
    for info in infos[:SHOWN]:
        head = await shelf.read(info.id, 0, HEAD_CHARS + TAIL_CHARS)
        if info.n_chars > HEAD_CHARS + TAIL_CHARS:
            tail = await shelf.read(info.id, info.n_chars - TAIL_CHARS, info.n_chars)
            head = f"{head[:HEAD_CHARS]}\n[…]\n{tail}"
        lines.append(fence("excerpt", head, id=info.id))
    return "\n".join(lines)
