"""Citation verification: a citation is kept only if the source still holds its quote at its span.

A citation of part of a table's row grows to the row, and gets the header of the table; one of source code
gets the lines of the definitions around it. All are read from the source, so that none can say what is not
stored. A typed value is kept only if it meets its schema after that. Asks no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from funnel.errors import BadAnswer
from funnel.run.context import NOT_BACKED, Draft, Run
from funnel.schema import AnswerSchema
from funnel.text.citations import answer_text, renumber_value
from funnel.text.enclosing import CODE_CHARS, enclosing
from funnel.text.tables import MAX_ROW_CHARS, header_at, row_at, tables
from funnel.trace.kinds import Surroundings
from funnel.types import Citation, EndReason
from indexes.code.languages import language_of

SURROUNDINGS_CHARS = 500
TABLE_CHARS = 20_000
"""How far above a row the header of its table is looked for."""
UNBACKED_ANSWER = "No answer was found that a citation backs."
WHY_DECLINED = "An answer without a citation was declined, since only backed answers are wanted (strict)."


async def checked(run: Run, draft: Draft) -> Draft:
    """Return the draft with its citations as they are stored now.

    Those that the source no longer supports are left out, and counted in a notice.
    """
    kept = {}
    for number, citation in enumerate(draft.citations, start=1):
        if (supported := await _supported(run, citation)) is not None:
            kept[number] = [supported]
    n_cited = len(draft.citations)
    lost = n_cited - len(kept)
    if [each for some in kept.values() for each in some] != list(draft.citations):
        draft = _renumbered(draft, kept)
    if lost:
        notice = (
            f"{lost} of {n_cited} citations were dropped: the documents no longer say so at these places."
        )
        draft = replace(draft, notices=(*draft.notices, notice))
        if not draft.citations and draft.status == "complete":
            draft = replace(draft, status="partial", notices=(*draft.notices, NOT_BACKED))
    return draft if run.schema is None or draft.value is None else await _typed(run.schema, draft)


async def _supported(run: Run, citation: Citation) -> Citation | None:
    """Return a citation with its row and its header; None if the source does not support it."""
    language = language_of(citation.uri, citation.title, citation.document_id)
    first = max(0, citation.start - (TABLE_CHARS if language is None else CODE_CHARS))
    around = await _stored(run, citation, first, citation.stop + MAX_ROW_CHARS)
    start, stop = citation.start - first, citation.stop - first
    if around is None or around[start:stop] != citation.quote:
        return None
    if language is not None:
        return replace(citation, header=enclosing(around, start, language.name))
    return await asyncio.to_thread(_as_row, citation, around, first)


def _as_row(citation: Citation, around: str, first: int) -> Citation:
    start, stop = citation.start - first, citation.stop - first
    # The last line may be half a row.
    whole = around[: max(around.rfind("\n"), stop)]
    found = tables(whole if len(around) == stop + MAX_ROW_CHARS else around, is_cut=first > 0)
    row = row_at(found, start, stop)
    if row is None:
        return citation
    grown = row if row[1] - row[0] <= stop - start + MAX_ROW_CHARS else (start, stop)
    header = header_at(found, grown[0])
    return replace(
        citation,
        start=first + grown[0],
        stop=first + grown[1],
        quote=around[slice(*grown)],
        header="" if header is None else around[slice(*header)].strip(),
    )


def backed(draft: Draft) -> Draft:
    """Return the draft if a citation backs it, else one that declines."""
    if draft.citations or draft.status not in {"complete", "partial"}:
        return draft
    reason = EndReason.NOT_FOUND if draft.end_reason is EndReason.ANSWERED else draft.end_reason
    notices = tuple(notice for notice in draft.notices if notice != NOT_BACKED)
    return replace(
        draft,
        text=UNBACKED_ANSWER,
        status="declined",
        value=None,
        notices=(*notices, WHY_DECLINED),
        end_reason=reason,
    )


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
