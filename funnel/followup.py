"""Turns a question that follows others into one that stands alone, by one call; knows no route."""

from __future__ import annotations

from dataclasses import replace

from funnel.errors import BudgetExceeded, LLMError
from funnel.llm.base import Message, Request, StepId, estimated_tokens
from funnel.prompts import fence, render
from funnel.run.context import Run
from funnel.run.earlier import Exchange
from funnel.run.lifecycle import PreparedRun
from funnel.settings import EXTRACTIVE
from funnel.trace.kinds import QuestionFollows
from indexes.fingerprint import joint_fingerprint

OUTPUT_TOKENS = 1_024
PLACE = (2,)
"""The path of the call in the journal."""
MAX_CHARS = 2_000
"""A longer reply is no question, but an answer to one."""


async def standing_alone(prepared: PreparedRun) -> PreparedRun:
    """Return the run with a question that can be understood alone, if it follows others.

    It is the question as asked if there is no model, or the model does not answer; a notice says the latter.
    """
    run = prepared.run
    notices = run.earlier.notices
    if run.earlier.exchanges and run.sub.name != EXTRACTIVE:
        question, reason = await _rewritten(run)
        run.events.point(
            QuestionFollows(run=prepared.record.follows or "", standalone=question), parent=run.event
        )
        run = replace(run, question=question)
        if reason:
            notices = (*notices, f"The question was taken as it stands: {reason}")
    return replace(prepared, run=run, notices=(*notices, *prepared.notices))


async def _rewritten(run: Run) -> tuple[str, str]:
    """Return the question, and why it is the one that was asked, or ""."""
    request = _request(run)
    place = StepId(PLACE, joint_fingerprint(*(message.content for message in request.messages)))
    try:
        completion = await run.sub.complete(request, parent=run.event, place=place)
    except (BudgetExceeded, LLMError) as error:
        return run.question, str(error)
    lines = [line.strip() for line in completion.text.strip().splitlines() if line.strip()]
    question = lines[-1].strip("\"'`“”„*").strip() if lines else ""
    if not question or len(question) > MAX_CHARS:
        return run.question, "the model's reply is not a question."
    return question, ""


def _request(run: Run) -> Request:
    """Return the call with as many of the latest exchanges as fit the prompt."""
    system, asked = render("follow_up"), fence("question", run.question)
    room = run.sub.prompt_room(OUTPUT_TOKENS) - estimated_tokens(system) - estimated_tokens(asked)
    shown: list[str] = []
    for exchange in reversed(run.earlier.exchanges):
        text = _told(exchange)
        room -= estimated_tokens(text)
        if room < 0:
            break
        shown.insert(0, text)
    messages = Message("system", system), Message("user", "\n\n".join([*shown, asked]))
    return Request(messages, "follow_up", max_output_tokens=OUTPUT_TOKENS)


def _told(exchange: Exchange) -> str:
    return fence("earlier", f"{exchange.question}\n\n{exchange.answer}")
