"""The last call of a run whose budget ended: the best answer from its notes and turns. Runs no code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from funnel.errors import BadAnswer, BudgetExceeded, ContextTooLong, LLMError
from funnel.inspector.citations import CitationRegistry
from funnel.inspector.loop import Unfinished
from funnel.inspector.reading import read_instead
from funnel.inspector.replies import prose
from funnel.inspector.tools.registry import names
from funnel.inspector.transcript import middle_out
from funnel.llm.base import Completion, Message, Request, StepId, estimated_tokens
from funnel.llm.budget import Reservation
from funnel.llm.hearing import unusable
from funnel.prompts import fence, render
from funnel.prompts.forms import Form
from funnel.reader.plain import declines, plain_answer
from funnel.run.context import Draft, Run
from funnel.schema.json_values import first_json
from funnel.text.citations import markers_in, renumber_value
from funnel.trace.kinds import WorkStopped
from funnel.types import EndReason, Status
from indexes.counting import counted
from indexes.fingerprint import joint_fingerprint
from indexes.types import DocumentHit

INPUT_TOKENS: dict[Form, int] = {"full": 8_000, "simple": 4_000}
MIN_INPUT_TOKENS = 1_000
"""Minimum size of the work that is sent; only a huge schema or a tiny window leaves less room."""
OUTPUT_TOKENS: dict[Form, int] = {"full": 4_000, "simple": 512}
"""A small model is often a slow one, and one that goes on and on."""
MIN_PART_TOKENS = 100
"""A turn that would be cut to less is left out."""
MOST_SHARES = 4
"""An earlier turn gets a quarter of what is left or more, so that the latest of them tell the most."""
WORTH_RESERVING_CALLS = 4
EXTRACTION = (1,)
"""The path of this call in the journal."""


class Reply(BaseModel):
    """The reply that is asked for if the answer must be typed."""

    model_config = ConfigDict(extra="ignore")
    answer: str
    value: Any = None


async def reserve(run: Run) -> Reservation | None:
    """Reserve the call before the work begins; None if the limits are too small to share."""
    calls = run.ledger.limits.max_calls
    if calls is not None and calls < WORTH_RESERVING_CALLS:
        return None
    # A schema is sent twice: in the prompt and beside it.
    tokens = INPUT_TOKENS[run.form] + (0 if run.schema is None else len(run.schema.text))
    reply = run.root.reply_tokens(OUTPUT_TOKENS[run.form])
    await run.ledger.prepare(tokens, reply, run.root.price)
    try:
        return run.ledger.reserve(input_tokens=tokens, output_tokens=reply, price=run.root.price)
    except BudgetExceeded:
        return None


async def extract(
    run: Run, registry: CitationRegistry, ended: Unfinished, hits: Sequence[DocumentHit]
) -> Draft:
    """Return a draft from the work so far, with a `partial` answer if there is one.

    If the work holds none, the reader is asked over `hits`. If it finds none either, the draft is `failed` if
    a part broke, else `declined`. If the run has a schema, the call asks for text and a value; a value that
    does not meet the schema is left out.
    """
    notes = await run.notes.all()
    notices = [f"The work ended before an answer was submitted: {ended.reason}"]
    value: Any = None
    answered = True
    try:
        completion = await _ask(run, notes, ended)
        if wrong := unusable(completion):
            notices.append(f"The call for what is known so far did not come to an end: {wrong}.")
        text, value = ("", None) if completion.cut == "repetition" else _read(run, completion.text)
    except (BudgetExceeded, LLMError) as error:
        stopped = WorkStopped(reason=str(error), end_reason=EndReason.of(error))
        run.events.point(stopped, parent=run.event)
        answered = False
        text = "\n".join(f"{key}: {note}" for key, note in notes.items())
    if not text or text.startswith("NOT FOUND"):
        if answered and (read := await read_instead(run, hits)) is not None:
            return replace(read, notices=(*notices, *read.notices), end_reason=ended.end_reason)
        looked = (
            f"No answer was found in {counted(len(run.documents.ids), 'document')} "
            f"and {counted(sum(turn.count for turn in ended.turns), 'turn')}."
        )
        status: Status = "failed" if ended.end_reason is EndReason.BROKEN else "declined"
        return Draft(looked, status, notices=tuple(notices), end_reason=ended.end_reason)
    if run.schema is not None:
        try:
            await asyncio.to_thread(run.schema.check, value)
        except BadAnswer as error:
            reason = "none was submitted" if value is None else str(error)
            notices.append(f"The answer has no value of the form asked for ({reason}).")
            value = None
    cited = registry.cited(markers_in([text, value]))
    (text, value), citations = renumber_value([text, value], cited)
    return Draft(
        text.strip(), "partial", citations, value, notices=tuple(notices), end_reason=ended.end_reason
    )


def _step(request: Request) -> StepId:
    """Return a step id made from the prompt: a resumed run may get here again, with more in its notes."""
    check = joint_fingerprint(*(message.content for message in request.messages))
    return StepId((*EXTRACTION, int(check, 16)), check)


async def _ask(run: Run, notes: Mapping[str, str], ended: Unfinished) -> Completion:
    """Return the reply; if the work does not fit the model's window, ask again with less of it.

    Raises: as `Meter.complete`.
    """
    most = INPUT_TOKENS[run.form]
    while True:
        room = run.root.prompt_room(OUTPUT_TOKENS[run.form]) - _asking(run, "").estimated_input_tokens()
        work = max(MIN_INPUT_TOKENS, min(most, room))
        request = _asking(run, _material(notes, ended, work))
        try:
            return await run.root.complete(request, parent=run.event, place=_step(request))
        except ContextTooLong:
            if work == MIN_INPUT_TOKENS:
                raise
            most = work * 3 // 4


def _asking(run: Run, work: str) -> Request:
    system = render("extract")
    parts = [fence("question", run.question), fence("work", work)]
    schema = None
    if run.schema is not None:
        system = f"{system}\n\n{render('extract_typed')}"
        parts.append(fence("schema", run.schema.text))
        schema = run.schema.member("value", {"answer": {"type": "string"}})
    messages = (Message("system", system), Message("user", "\n\n".join(parts)))
    return Request(messages, "extract", max_output_tokens=OUTPUT_TOKENS[run.form], schema=schema)


def _read(run: Run, reply: str) -> tuple[str, Any]:
    """Return the text and the value of a reply, or only its text if it is not the object asked for."""
    tools = names(run.tools)
    if run.schema is None:
        return _words(run, reply, prose(reply, tools)), None
    try:
        found = Reply.model_validate(first_json(reply))
    except (BadAnswer, ValidationError):
        return prose(reply, tools), None
    return found.answer.strip(), found.value


def _words(run: Run, reply: str, text: str) -> str:
    """Return what a reply says in words, "" if it holds no answer; `text`: all of it but its code.

    A small model may also give its answer in JSON, in code, or after the beginning of the prompt.
    """
    if run.form == "simple":
        found = plain_answer(reply, run.question)
        return "" if declines(found) else found
    return plain_answer(text, run.question) if text[:1] in {"{", "["} else text


def _material(notes: Mapping[str, str], ended: Unfinished, tokens: int) -> str:
    """Return all that the model was shown, within so many tokens: notes, first message, turns.

    The last turn that printed something is whole if it fits, and what is left is shared out among the others.
    """
    noted = middle_out("\n".join(f"note {key}: {value}" for key, value in notes.items()), tokens // 2)
    turns = [f"{turn.reply}\n{turn.feedback}" for turn in ended.turns if not turn.astray]
    latest = middle_out(turns[-1], max(MIN_PART_TOKENS, tokens // 2)) if turns else ""
    room = tokens - sum(estimated_tokens(part) for part in (noted, latest))
    opening = middle_out(ended.opening, max(MIN_PART_TOKENS, room // 2 if turns[:-1] else room))
    room -= estimated_tokens(opening)
    earlier: list[str] = []
    for number, turn in enumerate(reversed(turns[:-1])):
        share = room // min(len(turns) - 1 - number, MOST_SHARES)
        if share < MIN_PART_TOKENS:
            break
        earlier.insert(0, middle_out(turn, share))
        room -= estimated_tokens(earlier[0])
    return middle_out("\n\n".join(filter(None, [noted, opening, *earlier, latest])), tokens)
