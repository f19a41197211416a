"""The lookup route: one call over the passages that stage one found. Knows no recursion."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from funnel.errors import BadAnswer, BudgetExceeded, BudgetTooSmall, ContextTooLong, LLMError
from funnel.llm.base import MAX_REPLY_CHARS, Completion, Message, Request, StepId, estimated_tokens
from funnel.llm.hearing import unusable
from funnel.llm.meter import Meter
from funnel.prompts import fence, render
from funnel.reader.passages import BUDGETS, fitting, gathered, unread
from funnel.reader.words import AnswerInReply
from funnel.run.context import Draft, Run
from funnel.schema import AnswerSchema
from funnel.text.citations import MARKER, CitableText, cite, renumber, renumber_value
from funnel.trace.kinds import ReplyRejected
from funnel.types import Citation, EndReason
from indexes.fingerprint import joint_fingerprint
from indexes.types import DocumentHit

_QUOTE = {
    "type": "object",
    "properties": {"passage": {"type": "integer"}, "quote": {"type": "string"}},
    "required": ["passage", "quote"],
    "additionalProperties": False,
}
_MEMBERS = {
    "found": {"type": "boolean"},
    "answer": {"type": "string"},
    "quotes": {"type": "array", "items": _QUOTE},
}
"""The members of a typed reply beside its value, in a form that endpoints can enforce."""

FIRST, REPAIR = (0,), (1,)
"""The paths of the call and of its repair in the journal."""
OUTPUT_TOKENS = 4_096
MIN_PASSAGE_TOKENS = 150
"""With less room for passages there is nothing to read."""
MIN_REPEATED_CHARS, MAX_REPEATED_CHARS = 200, 8_000
"""Least and greatest length of a malformed reply when it is shown to the model again."""


# The docstrings of these two are part of the schema that endpoints are sent.
class Quote(BaseModel):
    """A quote that the model says it took from a passage."""

    model_config = ConfigDict(extra="ignore")
    passage: int
    quote: str


class Reply(BaseModel):
    """What the reader's model is asked for."""

    model_config = ConfigDict(extra="ignore")
    found: bool = True
    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    quotes: list[Quote] = []
    value: Any = None


class Reader:
    """Answers from retrieved passages with one call; a second one only if the first reply was malformed."""

    async def answer(self, run: Run, hits: Sequence[DocumentHit]) -> Draft:
        """Return the answer with its quotes located in the passages.

        Raises: `LLMError`, `BudgetExceeded` if not even the first call was possible.
        """
        if not hits:
            nothing = "Nothing in the collection matches the question."
            return Draft(nothing, "declined", end_reason=EndReason.NOT_FOUND)
        every = await gathered(run.documents.view, run.question, hits, BUDGETS[run.form])
        request, sources, completion = await _ask(run, every)
        draft = await self._read(run, request, sources, completion)
        if not (n_unread := unread(every, sources)):
            return draft
        notice = f"{n_unread} of {len(every)} passages did not fit the prompt and were not read."
        return replace(draft, notices=(*draft.notices, notice))

    async def _read(
        self, run: Run, request: Request, sources: Sequence[CitableText], completion: Completion
    ) -> Draft:
        """Return the answer that a reply gives, or that a second reply does if the first was malformed."""
        reply, wrong = await _parse(completion.text, run.schema)
        if wrong:
            wrong = unusable(completion) or wrong
            run.events.point(ReplyRejected(reason=wrong), parent=run.event)
            if run.words is not None:
                run.words.retract(f"the reply was malformed: {wrong}")
            again = _again(run, request, completion.text, wrong)
            try:
                completion = await _heard(run).complete(again, parent=run.event, place=_step(REPAIR, again))
            except (BudgetExceeded, LLMError) as error:
                stopped = _unformed(reply, completion.text, sources, wrong, str(error))
                return replace(stopped, end_reason=EndReason.of(error))
            second, wrong = await _parse(completion.text, run.schema)
            wrong = wrong and (unusable(completion) or wrong)
            reply = second or reply
        if wrong or reply is None:
            return _unformed(reply, completion.text, sources, wrong)
        return _draft(reply, sources)


def _heard(run: Run) -> Meter:
    """Return the root's meter; if somebody listens, one that shows the answer's words as they come."""
    return run.root if run.words is None else run.root.heard_by(AnswerInReply(run.words))


def _step(path: tuple[int, ...], request: Request) -> StepId:
    """Return the step id of a call, by which the journal replays it."""
    return StepId(path, joint_fingerprint(*(message.content for message in request.messages)))


def _request(run: Run, sources: Sequence[CitableText]) -> Request:
    """Return the call; if the answer is to be typed, it shows the schema and asks for a value."""
    system, prompt = run.prompts.render_for(run.root.name, "reader"), _prompt(run.question, sources)
    if run.schema is None:
        schema = Reply.model_json_schema()
        del schema["properties"]["value"]
    else:
        system = f"{system}\n\n{render('reader_typed')}"
        prompt = f"{prompt}\n\n{fence('schema', run.schema.text)}"
        schema = run.schema.member("value", _MEMBERS)
    messages = (Message("system", system), Message("user", prompt))
    return Request(messages, "read", max_output_tokens=OUTPUT_TOKENS, schema=schema)


async def _ask(run: Run, every: Sequence[CitableText]) -> tuple[Request, Sequence[CitableText], Completion]:
    """Ask about as many of the passages as fit the prompt, and about fewer if it is refused as too long.

    Returns: what was asked, the passages in it, and the reply. Raises: as `Meter.complete`; `BudgetTooSmall`
    if no passage fits.
    """
    most: int | None = None
    path: tuple[int, ...] = FIRST
    for tries in count(1):
        bare = _request(run, ()).estimated_input_tokens()
        limit = run.root.prompt_room(OUTPUT_TOKENS)
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
            if run.root.prompt_room(OUTPUT_TOKENS) - bare >= size:
                most = size * 3 // 4  # no number was told that would make it smaller
            path = (*FIRST, tries)  # a resumed run makes the same tries again, and finds the one that fitted
        else:
            return request, sources, completion
    raise AssertionError("it counts for ever")


def _too_small(run: Run, limit: int, needed: int) -> BudgetTooSmall:
    if limit == run.ledger.limits.max_prompt_tokens:
        return BudgetTooSmall("max_prompt_tokens", limit, needed)
    return run.root.window_too_small(needed, OUTPUT_TOKENS, "a lookup")


def _again(run: Run, request: Request, said: str, wrong: str) -> Request:
    """Return the same call with the rejected reply, as far as it fits, and the reason for its rejection."""
    member = ', "value": what the schema asks for' if run.schema is not None else ""
    repair = Message("user", render("reader_repair", reason=fence("problem", f"({wrong})"), typed=member))
    room = run.root.prompt_room(OUTPUT_TOKENS) - request.estimated_input_tokens()
    n_chars = max(MIN_REPEATED_CHARS, 2 * (room - estimated_tokens(repair.content)))
    shown = said[: min(MAX_REPEATED_CHARS, n_chars)]
    return replace(request, messages=(*request.messages, Message("assistant", shown or "(empty)"), repair))


def _unformed(
    reply: Reply | None, said: str, sources: Sequence[CitableText], reason: str, *more: str
) -> Draft:
    """Return a draft from a reply that was malformed even after the repair."""
    if reply is not None:
        draft = _draft(reply.model_copy(update={"value": None}), sources)
        notice = f"The answer has no value of the form asked for ({reason})."
        notices = (notice, *more, *draft.notices)
        return replace(draft, status="partial", notices=notices, end_reason=EndReason.MALFORMED)
    notice = f"The model did not keep to the answer format ({reason}); nothing could be cited."
    # Its markers name passages, not citations, so they are removed.
    text = renumber(said[:MAX_REPLY_CHARS], {})[0] or "The model returned nothing."
    return Draft(text, "partial", notices=(notice, *more), end_reason=EndReason.MALFORMED)


def _prompt(question: str, sources: Sequence[CitableText]) -> str:
    passages = [
        fence("passage", source.shown, n=number, title=source.title or source.document_id)
        for number, source in enumerate(sources, start=1)
    ]
    return "\n\n".join([fence("question", question), *passages])


async def _parse(text: str, schema: AnswerSchema | None) -> tuple[Reply | None, str]:
    """Return the reply, or None, and what is wrong with it in a few words, or ""."""
    reply = _reply(text)
    if isinstance(reply, str):
        return None, reply
    if schema is None or not reply.found:
        reply.value = None
    else:
        try:
            await asyncio.to_thread(schema.check, reply.value)
        except BadAnswer as error:
            return reply, f"in its value {error}"
    return reply, ""


def _reply(text: str) -> Reply | str:
    """Return the reply, or in a few words why it is malformed; text around the object is ignored."""
    if len(text) > MAX_REPLY_CHARS:
        return f"it has {len(text):,} characters, and at most {MAX_REPLY_CHARS:,} are read"
    start, stop = text.find("{"), text.rfind("}")
    if start < 0 or stop < start:
        return "no JSON object in it"
    try:
        return Reply.model_validate_json(text[start : stop + 1])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the object"
        return f"{where}: {first['msg']}"


def _draft(reply: Reply, sources: Sequence[CitableText]) -> Draft:
    """Return the reply with each quote located; a notice counts those that are not in their passages."""
    if not reply.found:
        return Draft(renumber(reply.answer, {})[0], "declined", end_reason=EndReason.NOT_FOUND)
    numbered: dict[int, list[Citation]] = {}
    dropped = 0
    for quote in reply.quotes:
        citation = None
        if 1 <= quote.passage <= len(sources):
            citation = cite(sources[quote.passage - 1], quote.quote)
        if citation is None:
            dropped += 1
        else:
            numbered.setdefault(quote.passage, []).append(citation)
    text, single = _one_by_one(reply.answer, numbered)
    (text, value), citations = renumber_value([text, reply.value], numbered | single)
    notices = []
    if dropped:
        notices.append(f"{dropped} of {len(reply.quotes)} quotes are not in the documents and were dropped.")
    if not citations:
        notices.append("Nothing in this answer is backed by a quote.")
    return Draft(
        text.strip(), "complete", citations, value, notices=tuple(notices), end_reason=EndReason.ANSWERED
    )


def _one_by_one(text: str, numbered: dict[int, list[Citation]]) -> tuple[str, dict[int, list[Citation]]]:
    """Return text and quotes with a marker for each quote, if a passage is named as often as it is quoted.

    Models cite passages, not quotes: if one is named twice and quoted twice, the first marker means the
    first.
    """
    named = Counter(int(number) for number in MARKER.findall(text))
    turns = {n: iter(quotes) for n, quotes in numbered.items() if len(quotes) > 1 and named[n] == len(quotes)}
    single = {n: quotes for n, quotes in numbered.items() if n not in turns}
    fresh = count(max([*numbered, *named], default=0) + 1)

    def replace(match: re.Match[str]) -> str:
        number = int(match.group(1))
        if number not in turns:
            return match.group()
        own = next(fresh)
        single[own] = [next(turns[number])]
        return f"[{own}]"

    return MARKER.sub(replace, text), single
