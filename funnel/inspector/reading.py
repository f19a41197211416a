"""What the reader adds to a run that ended without a cited answer: its own answer, or the support of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from funnel.errors import BudgetError, LLMError
from funnel.llm.budget import Reservation
from funnel.reader import Reader
from funnel.reader.binding import bind
from funnel.reader.passages import BUDGETS, MAX_CHARS, gathered
from funnel.reader.replies import Reply
from funnel.reader.support import SupportFinder
from funnel.run.context import NOT_BACKED, Draft, Run
from funnel.trace.kinds import WorkStopped
from funnel.types import EndReason
from indexes.types import DocumentHit

INPUT_TOKENS = MAX_CHARS // 2 + 2_000
OUTPUT_TOKENS = 4_096
WORTH_RESERVING_CALLS = range(12, 51)
"""With fewer calls the work needs each of them; with more it seldom uses them up, so that one is left."""
WORTH_RESERVING_SHARE = 0.05
"""The most of the tokens and dollars of a run that is kept for this call."""
BY_READING = (
    "No program came to an answer: this one was read from the passages that the first search found, and "
    "nothing beyond them was looked at."
)


async def reserve(run: Run) -> Reservation | None:
    """Reserve the call before the work begins; None if the limits are too small to spare it."""
    ledger = run.ledger
    calls, tokens, usd = ledger.limits.max_calls, ledger.remaining_tokens(), ledger.remaining_usd()
    reply = run.root.reply_tokens(OUTPUT_TOKENS)
    price = 0.0 if run.root.price is None else run.root.price.cost(INPUT_TOKENS, reply)
    if (
        (calls is not None and calls not in WORTH_RESERVING_CALLS)
        or (tokens is not None and INPUT_TOKENS + reply > WORTH_RESERVING_SHARE * tokens)
        or (usd is not None and price > WORTH_RESERVING_SHARE * usd)
    ):
        return None
    await ledger.prepare(INPUT_TOKENS, reply, run.root.price)
    try:
        return ledger.reserve(input_tokens=INPUT_TOKENS, output_tokens=reply, price=run.root.price)
    except BudgetError:
        return None


async def read_instead(run: Run, hits: Sequence[DocumentHit]) -> Draft | None:
    """Return the reader's answer over what the first search found, marked as such; None if it has none."""
    try:
        # Its words come too late to be provisional.
        draft = await Reader().answer(replace(run, words=None), hits)
    except (BudgetError, LLMError) as error:
        stopped = WorkStopped(reason=str(error), end_reason=EndReason.of(error))
        run.events.point(stopped, parent=run.event)
        return None
    if draft.status not in {"complete", "partial"} or draft.end_reason is not EndReason.ANSWERED:
        return None
    return replace(draft, status="partial", notices=(BY_READING, *draft.notices))


async def backed(run: Run, hits: Sequence[DocumentHit], draft: Draft) -> Draft:
    """Return an answer without citations with those that the passages of the first search hold for it."""
    if draft.status not in {"complete", "partial"} or draft.citations or run.schema is not None or not hits:
        return draft
    sources = await gathered(run.documents.view, run.question, hits, BUDGETS[run.form])
    reply = Reply(found=True, answer=draft.text)
    finder = SupportFinder(run.question, sources)
    bound = await asyncio.to_thread(bind, reply, sources, finder, everywhere=True)
    if not bound.citations:
        return replace(draft, status="partial")
    run.documents.expose(source.document_id for source in sources)
    notices = tuple(notice for notice in draft.notices if notice != NOT_BACKED)
    return replace(draft, text=bound.text, citations=bound.citations, notices=notices)
