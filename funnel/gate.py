"""The last gate: a citation leaves only if its quote is, now, the stored text at its span; knows no model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace

from funnel.citations import renumber
from funnel.run import Draft, Run
from funnel.types import Citation
from indexes.types import DocumentId

SURROUNDINGS_CHARS = 500


async def checked(run: Run, draft: Draft) -> Draft:
    """The draft with those citations only that stand in the store for this asker; says what was dropped."""
    kept = {
        number: [citation]
        for number, citation in enumerate(draft.citations, start=1)
        if await _stored(run, citation, citation.start, citation.stop) == citation.quote
    }
    if len(kept) == len(draft.citations):
        return draft
    lost = len(draft.citations) - len(kept)
    text, citations = renumber(draft.text, kept)
    notice = (
        f"{lost} of {len(draft.citations)} citations were dropped: "
        "the documents no longer say so at these places."
    )
    value = None if draft.value is None else json.loads(text)
    return replace(draft, text=text, citations=citations, value=value, notices=(*draft.notices, notice))


async def surroundings(run: Run, citations: Iterable[Citation]) -> list[dict[str, str]]:
    """What stands before and after each citation in its document, for whoever draws the trace."""
    found = []
    for citation in citations:
        first = max(0, citation.start - SURROUNDINGS_CHARS)
        before = await _stored(run, citation, first, citation.start)
        after = await _stored(run, citation, citation.stop, citation.stop + SURROUNDINGS_CHARS)
        found.append({"before": before or "", "after": after or ""})
    return found


async def _stored(run: Run, citation: Citation, start: int, stop: int) -> str | None:
    return await asyncio.to_thread(
        run.source.read,
        DocumentId(citation.document_id),
        start,
        stop,
        access=run.access,
        where=run.where,
    )
