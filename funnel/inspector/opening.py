"""How a task begins: the `context` variable, and what the first message says of it.

Both are bounded in size, whatever the documents weigh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from funnel.inspector.shelf import Shelf
from funnel.prompts import advice, fence
from funnel.types import Shape
from indexes.types import DocumentInfo

INLINE_CHARS = 100_000
INLINE_TOTAL_CHARS = 4_000_000
LISTED = 40
LISTING_CHARS = 8_000
LABEL_CHARS = 120
TITLE_CHARS = 200
"""More of a title is told nowhere: one may be a whole page."""
EXCERPTS_CHARS = 8_000
WHOLE_CHARS = 1_500
MATCH_CHARS = 700
ROUNDED = 3
"""So many long documents are shown with beginning and end besides what stage one found them by."""
HEAD_CHARS, TAIL_CHARS = 200, 120
ALONE_HEAD_CHARS, ALONE_TAIL_CHARS = 500, 200
"""Where stage one found nothing in particular."""


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
    question: str,
    documents: Sequence[str],
    shelf: Shelf,
    best: Mapping[str, tuple[int, int]],
    *,
    shape: Shape | None = None,
) -> str:
    """The first message: the question, what `context` holds, and what the question looks like.

    `best` are the spans by which stage one found the documents, for those that it found.
    """
    infos = [shelf.info(name) for name in documents]
    whole = await shelf.count()
    lines = [
        fence("question", question),
        "",
        f"The whole collection holds {whole:,} documents that you may search.",
    ]
    lines += await _described(infos, shelf, best)
    if shape is not None:
        lines += ["", advice(shape)]
    return "\n".join(lines)


async def _described(
    infos: Sequence[DocumentInfo], shelf: Shelf, best: Mapping[str, tuple[int, int]]
) -> list[str]:
    if not infos:
        return ["context is empty: stage one found nothing. Use search() with other words."]
    total = sum(info.n_chars for info in infos)
    lines = [f"context holds {len(infos)} of them, {total:,} characters in all, best match first:"]
    lines.append(fence("documents", "\n".join(_listed(infos))))
    if any(info.n_chars > INLINE_CHARS for info in infos) or total > INLINE_TOTAL_CHARS:
        lines.append("Large documents have text None: use read() and grep().")
    lines.append("From the first of them:")
    room = EXCERPTS_CHARS
    for number, info in enumerate(infos):
        excerpt = await _excerpt(info, shelf, best.get(info.id), rounded=number < ROUNDED)
        room -= _weight(excerpt)
        if room < 0:
            break
        lines.append(excerpt)
    return lines


def _listed(infos: Sequence[DocumentInfo]) -> list[str]:
    """A line a document, as many as there is room for."""
    lines: list[str] = []
    room = LISTING_CHARS
    for i, info in enumerate(infos[:LISTED]):
        line = (
            f"context[{i}] id={info.id[:LABEL_CHARS]!r} title={info.title[:LABEL_CHARS]!r} "
            f"n_chars={info.n_chars}"
        )
        room -= _weight(line)
        if room < 0:
            break
        lines.append(line)
    if len(infos) > len(lines):
        lines.append(f"… and {len(infos) - len(lines)} more")
    return lines


def _weight(text: str) -> int:
    """Its characters, or as many as would be estimated at the same number of tokens, were they ASCII."""
    return max(len(text), len(text.encode("utf-8", "replace")) // 2)


async def _excerpt(info: DocumentInfo, shelf: Shelf, best: tuple[int, int] | None, *, rounded: bool) -> str:
    """A short document whole; of a long one what stage one found it by, and how it begins and ends."""
    end = info.n_chars
    if end <= WHOLE_CHARS:
        return fence("excerpt", await shelf.read(info.id), id=info.id, what="whole")
    if best is None:
        spans, what = [(0, ALONE_HEAD_CHARS), (end - ALONE_TAIL_CHARS, end)], "beginning and end"
    else:
        start, stop = best[0], min(best[1], best[0] + MATCH_CHARS)
        spans, what = [(start, stop)], f"best match, characters {start} to {stop}"
        if rounded:
            spans = [(0, HEAD_CHARS), (start, stop), (end - TAIL_CHARS, end)]
            what += "; and beginning and end"
    parts = [await shelf.read(info.id, start, stop) for start, stop in _joined(spans)]
    return fence("excerpt", "\n[…]\n".join(parts), id=info.id, what=what)


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that touch made one, so that nothing is shown twice."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
