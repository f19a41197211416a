"""Citation verification: a citation is kept only if the source still holds its quote at its span.

A typed value is kept only if it meets its schema after that. Asks no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from funnel.errors import BadAnswer
from funnel.run.context import Draft, Run
from funnel.schema import AnswerSchema
from funnel.text.citations import answer_text, renumber_value
from funnel.trace.kinds import Surroundings
from funnel.types import Citation, EndReason

SURROUNDINGS_CHARS = 500


async def checked(run: Run, draft: Draft) -> Draft:
    """Return the draft without citations that the source no longer supports, and count them in a notice."""
    kept = {
        number: [citation]
        for number, citation in enumerate(draft.citations, start=1)
        if await _stored(run, citation, citation.start, citation.stop) == citation.quote
    }
    lost = len(draft.citations) - len(kept)
    if lost:
        notice = (
            f"{lost} of {len(draft.citations)} citations were dropped: "
            "the documents no longer say so at these places."
        )
        draft = replace(_renumbered(draft, kept), notices=(*draft.notices, notice))
    return draft if run.schema is None or draft.value is None else await _typed(run.schema, draft)


def _renumbered(draft: Draft, kept: Mapping[int, Sequence[Citation]]) -> Draft:
    """Return the draft with these citations, and its markers renumbered to match."""
    if _is_value(draft):
        value, citations = renumber_value(draft.value, kept)
        return replace(draft, text=answer_text(value).strip(), value=value, citations=citations)
    (text, value), citations = renumber_value([draft.text, draft.value], kept)
    return replace(draft, text=text.strip(), value=value, citations=citations)


async def _typed(schema: AnswerSchema, draft: Draft) -> Draft:
    """Return the draft with its value checked once more, since renumbering changed its markers."""
    try:
        value = await asyncio.to_thread(schema.check, draft.value)
    except BadAnswer as error:
        notice = f"The value no longer met the schema when its citations were numbered: {error}"
        notices = (*draft.notices, notice)
        return replace(draft, status="partial", value=None, notices=notices, end_reason=EndReason.MALFORMED)
    text = answer_text(value).strip() if _is_value(draft) else draft.text
    return replace(draft, text=text, value=value)


def _is_value(draft: Draft) -> bool:
    """Whether the text of a draft is its value, not words about it."""
    return draft.value is not None and draft.text == answer_text(draft.value).strip()


async def surroundings(run: Run, citations: Iterable[Citation]) -> tuple[Surroundings, ...]:
    """Return the text before and after each citation in its document, for the page of a trace."""
    found = []
    for citation in citations:
        first = max(0, citation.start - SURROUNDINGS_CHARS)
        before = await _stored(run, citation, first, citation.start)
        after = await _stored(run, citation, citation.stop, citation.stop + SURROUNDINGS_CHARS)
        found.append(Surroundings(before or "", after or ""))
    return tuple(found)


async def _stored(run: Run, citation: Citation, start: int, stop: int) -> str | None:
    return await asyncio.to_thread(run.documents.view.read, citation.document_id, start, stop)
