"""Builds the calls of the reader, and asks about as many passages as fit the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from funnel.errors import BudgetTooSmall, ContextTooLong
from funnel.llm.base import Completion, Message, Request, StepId, estimated_tokens
from funnel.llm.meter import Meter
from funnel.prompts import fence, render
from funnel.reader.passages import fitting
from funnel.reader.words import AnswerInReply
from funnel.run.context import Run
from funnel.text.citations import CitableText
from indexes.fingerprint import joint_fingerprint

FIRST, REPAIR = (0,), (1,)
"""The paths of the call and of its repair in the journal."""
OUTPUT_TOKENS, FEW_OUTPUT_TOKENS = 4_096, 512
"""How long a reply may be; a small model that does not come to an end is stopped sooner."""
MIN_PASSAGE_TOKENS = 150
"""With less room for passages there is nothing to read."""
MIN_REPEATED_CHARS, MAX_REPEATED_CHARS = 200, 8_000
"""Least and greatest length of a malformed reply when it is shown to the model again."""

_QUOTE = {
    "type": "object",
    "properties": {"passage": {"type": "integer"}, "quote": {"type": "string"}},
    "required": ["passage", "quote"],
    "additionalProperties": False,
}
_FOUND = {"found": {"type": "boolean"}, "answer": {"type": "string"}}
_MEMBERS = {**_FOUND, "missing": {"type": "string"}, "quotes": {"type": "array", "items": _QUOTE}}
"""The members of a reply, the answer before what supports it, in a form that endpoints can enforce."""
SCHEMA = {
    "type": "object",
    "properties": _MEMBERS,
    "required": list(_MEMBERS),
    "additionalProperties": False,
}


def is_plain(run: Run) -> bool:
    """Return whether the model is asked for plain words: it is small, and no value of some form is wanted."""
    return run.form == "simple" and run.schema is None


async def ask(run: Run, every: Sequence[CitableText]) -> tuple[Request, Sequence[CitableText], Completion]:
    """Ask about as many of the passages as fit the prompt, and about fewer if it is refused as too long.

    Returns: what was asked, the passages in it, and the reply. Raises: as `Meter.complete`; `BudgetTooSmall`
    if no passage fits.
    """
    usual = _reply_tokens(run)
    most: int | None = None
    path: tuple[int, ...] = FIRST
    for tries in count(1):
        bare = _request(run, ()).estimated_input_tokens()
        limit = run.root.prompt_room(usual)
        room = limit - bare if most is None else min(limit - bare, most)
        if room < MIN_PASSAGE_TOKENS:
            raise _too_small(run, limit, bare + MIN_PASSAGE_TOKENS)
        sources = fitting(every, room)
        request = _request(run, sources)
        try:
            completion = await _heard(run).complete(request, parent=run.event, place=_step(path, request))
        except ContextTooLong:
            size = sum(estimated_tokens(source.shown) for source in sources)
            if size * 3 // 4 < MIN_PASSAGE_TOKENS:
                raise
            if run.root.prompt_room(usual) - bare >= size:
                most = size * 3 // 4  # no number was told that would make it smaller
            path = (*FIRST, tries)  # a resumed run makes the same tries again, and finds the one that fitted
        else:
            return request, sources, completion
    raise AssertionError("it counts for ever")


async def ask_again(run: Run, request: Request, said: str, wrong: str) -> Completion:
    """Ask once more after a malformed reply. `wrong`: what is wrong with it. Raises: as `Meter.complete`."""
    again = _in_words(request) if is_plain(run) else _repeated(run, request, said, wrong)
    return await _heard(run).complete(again, parent=run.event, place=_step(REPAIR, again))


def _heard(run: Run) -> Meter:
    """Return the root's meter; if somebody listens, one that shows the answer's words as they come."""
    if run.words is None:
        return run.root
    return run.root.heard_by(AnswerInReply(run.words, plain=is_plain(run)))


def _step(path: tuple[int, ...], request: Request) -> StepId:
    """Return the step id of a call, by which the journal replays it."""
    return StepId(path, joint_fingerprint(*(message.content for message in request.messages)))


def _request(run: Run, sources: Sequence[CitableText]) -> Request:
    """Return the call; if the answer is to be typed, it shows the schema and asks for a value."""
    is_simple = run.form == "simple"
    system = run.prompts.render_for(run.root.name, "reader", form=run.form)
    prompt, schema = _prompt(run, sources), None if is_simple else SCHEMA
    if run.schema is not None:
        system = f"{system}\n\n{render('reader_simple_typed' if is_simple else 'reader_typed')}"
        prompt = f"{prompt}\n\n{fence('schema', run.schema.text)}"
        schema = run.schema.member("value", _FOUND if is_simple else _MEMBERS)
    return Request(
        (Message("system", system), Message("user", prompt)),
        "read",
        max_output_tokens=_reply_tokens(run),
        temperature=0.0 if is_simple else None,
        schema=schema,
    )


def _reply_tokens(run: Run) -> int:
    return FEW_OUTPUT_TOKENS if is_plain(run) else OUTPUT_TOKENS


def _prompt(run: Run, sources: Sequence[CitableText]) -> str:
    """Return the passages and the question, which is last for a small model: it forgets what is far."""
    question = fence("question", run.question)
    if is_plain(run):
        passages = [fence("passage", each.shown, title=each.title or each.document_id) for each in sources]
        return "\n\n".join([*passages, question])
    passages = [
        fence("passage", source.shown, n=number, title=source.title or source.document_id)
        for number, source in enumerate(sources, start=1)
    ]
    return "\n\n".join([question, *passages])


def _too_small(run: Run, limit: int, needed: int) -> BudgetTooSmall:
    if limit == run.ledger.limits.max_prompt_tokens:
        return BudgetTooSmall("max_prompt_tokens", limit, needed)
    return run.root.window_too_small(needed, _reply_tokens(run), "a lookup")


def _in_words(request: Request) -> Request:
    """Return the same call with one line more; without the rejected reply, which a small model repeats."""
    *before, last = request.messages
    asked = replace(last, content=f"{last.content}\n\n{render('reader_simple_repair')}")
    return replace(request, messages=(*before, asked))


def _repeated(run: Run, request: Request, said: str, wrong: str) -> Request:
    """Return the same call with the rejected reply, as far as it fits, and the reason for its rejection."""
    member = ', "value": what the schema asks for' if run.schema is not None else ""
    repair = Message("user", render("reader_repair", reason=fence("problem", f"({wrong})"), typed=member))
    room = run.root.prompt_room(request.max_output_tokens) - request.estimated_input_tokens()
    n_chars = max(MIN_REPEATED_CHARS, 2 * (room - estimated_tokens(repair.content)))
    shown = said[: min(MAX_REPEATED_CHARS, n_chars)]
    return replace(request, messages=(*request.messages, Message("assistant", shown or "(empty)"), repair))
