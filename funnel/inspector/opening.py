"""The beginning of a task: the `context` variable, and the first message, which describes it.

Both are bounded in size, however large the documents are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from funnel.prompts import advice, fence
from funnel.sandbox.base import HostError
from funnel.text.sentences import sentences
from funnel.types import Shape
from funnel.workspace.documents import ReadableDocuments
from indexes.retrieval.analysis import analyse
from indexes.types import DocumentInfo

INLINE_CHARS = 100_000
INLINE_TOTAL_CHARS = 4_000_000
LISTED = 4
LISTING_CHARS = 2_000
LABEL_CHARS = 80
TITLE_CHARS = 200
"""Longer titles are cut wherever they are shown: one may be a whole page."""
SHOWN = 2
"""Number of documents with an excerpt. Every turn repeats the excerpts; a cell can print the rest."""
WHOLE_CHARS = 500
MATCH_CHARS = 220
HEAD_CHARS, TAIL_CHARS = 100, 60
ALONE_HEAD_CHARS, ALONE_TAIL_CHARS = 300, 100
"""The same for a document without a best passage."""


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
    best: Mapping[str, tuple[int, int]],
    *,
    shape: Shape | None = None,
) -> str:
    """Return the first message: the question, what `context` holds, and advice for its shape.

    `best`: the span of the best passage in each document that stage one found.
    """
    infos = [documents.info(name) for name in names]
    lines = [fence("question", question), *await _described(question, infos, documents, best)]
    if shape is not None:
        lines.append(advice(shape))
    return "\n".join(lines)


async def _described(
    question: str,
    infos: Sequence[DocumentInfo],
    documents: ReadableDocuments,
    best: Mapping[str, tuple[int, int]],
) -> list[str]:
    whole = await documents.count()
    if not infos:
        none = f"context is empty: a first search found none of the {whole:,} documents."
        return [f"{none} Search with other words."]
    total = sum(info.n_chars for info in infos)
    large = any(info.n_chars > INLINE_CHARS for info in infos) or total > INLINE_TOTAL_CHARS
    what = f"{len(infos)} of {whole:,} documents, these with {total:,} characters, best first"
    lines = [
        f"context: {what} (id, title, n_chars):",
        fence("documents", "\n".join(_listed(infos))),
        *(["Large ones have text None: read() and grep() them."] if large else []),
    ]
    terms = frozenset(analyse(question))
    for i, info in enumerate(infos[:SHOWN]):
        # A document may be changed or deleted at any moment; then it is not shown.
        with suppress(HostError):
            what, text = await _excerpt(info, documents, best.get(info.id), terms)
            # Named by its place, since an id is foreign text, too.
            lines.append(fence("excerpt", text, of=f"context[{i}]", what=what))
    return lines


def _listed(infos: Sequence[DocumentInfo]) -> list[str]:
    """Return a line for each document, as many as there is room for."""
    lines: list[str] = []
    room = LISTING_CHARS
    for info in infos[:LISTED]:
        line = f"{info.id[:LABEL_CHARS]!r}, {info.title[:LABEL_CHARS]!r}, {info.n_chars}"
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


async def _excerpt(
    info: DocumentInfo, documents: ReadableDocuments, best: tuple[int, int] | None, terms: frozenset[str]
) -> tuple[str, str]:
    """Return what is shown and its text: a short document whole, else beginning, best match and end."""
    end = info.n_chars
    if end <= WHOLE_CHARS:
        return "whole", await documents.read(info.id)
    if best is None:
        spans, what = [(0, ALONE_HEAD_CHARS), (end - ALONE_TAIL_CHARS, end)], "beginning and end"
    else:
        start, stop = await _match(info, documents, best, terms)
        spans = [(0, HEAD_CHARS), (start, stop), (end - TAIL_CHARS, end)]
        what = f"beginning, {start} to {stop}, end"
    parts = [await documents.read(info.id, start, stop) for start, stop in _joined(spans)]
    return what, "\n[…]\n".join(parts)


async def _match(
    info: DocumentInfo, documents: ReadableDocuments, best: tuple[int, int], terms: frozenset[str]
) -> tuple[int, int]:
    """Return a span of the best passage that starts at the sentence with most terms of the question."""
    start, stop = best
    text = await documents.read(info.id, start, stop)
    held = [(len(terms.intersection(analyse(text[a:b]))), -a) for a, b in sentences(text)]
    first = start - max(held, default=(0, 0))[1]
    return first, min(first + MATCH_CHARS, stop)


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans in order, with touching ones joined, so that nothing is shown twice."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
