"""The lookup route: one call over the passages that stage one found. Knows no recursion."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from funnel.errors import BadAnswer, BudgetExceeded, LLMError
from funnel.findings.recall import Recall
from funnel.llm.base import MAX_REPLY_CHARS, Completion, Request
from funnel.llm.hearing import unusable
from funnel.reader.asking import ask, ask_again, is_plain
from funnel.reader.binding import Bound, bind
from funnel.reader.passages import BUDGETS, gathered, unread
from funnel.reader.plain import declines, plain_answer
from funnel.reader.replies import Reply, read_reply
from funnel.reader.support import SupportFinder
from funnel.run.context import NOT_BACKED, Draft, Run
from funnel.schema import AnswerSchema
from funnel.seen import coverage_of
from funnel.text.citations import CitableText, renumber
from funnel.text.sentences import sentences
from funnel.trace.kinds import ReplyRejected
from funnel.types import EndReason
from indexes.types import DocumentHit

NO_WORDS = "it holds no answer in words"
_IN_PART = "The question is answered in part:"
_MISSING = "The passages that were found do not answer the question."


class Reader:
    """Answers from retrieved passages with one call; a second one only if the first reply was malformed."""

    async def answer(self, run: Run, hits: Sequence[DocumentHit]) -> Draft:
        """Return the answer with its quotes located in the passages.

        Raises: `LLMError`, `BudgetExceeded` if not even the first call was possible; `MemoryFailed`.
        """
        if not hits:
            nothing = "Nothing in the collection matches the question."
            return Draft(nothing, "declined", end_reason=EndReason.NOT_FOUND)
        recall = Recall(run.findings, run.documents, run.journal, model=run.root.name)
        known = await recall.known_passages(run.question, [hit.document for hit in hits])
        every = await gathered(run.documents.view, run.question, hits, BUDGETS[run.form], known=known)
        request, sources, completion = await ask(run, every)
        reading = _Reading(run, request, sources)
        draft = await (reading.plainly(completion) if is_plain(run) else reading.formed(completion))
        shown = ((each.document_id, each.start, each.text) for each in sources)
        draft = replace(draft, coverage=coverage_of(hits, shown))
        if not (n_unread := unread(every, sources)):
            return draft
        notice = f"{n_unread} of {len(every)} passages did not fit the prompt and were not read."
        return replace(draft, notices=(*draft.notices, notice))


class _Reading:
    """What is made of the replies to one call. `request`: the call, `sources`: the passages in it."""

    def __init__(self, run: Run, request: Request, sources: Sequence[CitableText]) -> None:
        self._run = run
        self._request = request
        self._sources = sources

    async def formed(self, completion: Completion) -> Draft:
        """Return the answer in the object asked for; from a second reply if the first was malformed."""
        run, model = self._run, self._run.root.name
        reply, wrong = await _parsed(completion.text, run.schema)
        if not wrong:
            return await self._draft(reply)
        if reply is None:
            run.forms.malformed(model)
        wrong = unusable(completion) or wrong
        try:
            completion = await self._again(completion, wrong)
        except (BudgetExceeded, LLMError) as error:
            stopped = await self._unformed(reply, completion.text, wrong, str(error))
            return replace(stopped, end_reason=EndReason.of(error))
        second, wrong = await _parsed(completion.text, run.schema)
        if second is None:
            run.forms.malformed(model)
        wrong = wrong and (unusable(completion) or wrong)
        reply = second or reply
        return await (self._unformed(reply, completion.text, wrong) if wrong else self._draft(reply))

    async def plainly(self, completion: Completion) -> Draft:
        """Return the answer of a small model, which was asked for plain words, with its support located."""
        reply = _in_words(completion, self._run.question)
        if reply is None:
            wrong = unusable(completion) or NO_WORDS
            try:
                completion = await self._again(completion, wrong)
            except (BudgetExceeded, LLMError) as error:
                stopped = await self._unformed(None, "", wrong, str(error))
                return replace(stopped, end_reason=EndReason.of(error))
            reply = _in_words(completion, self._run.question)
            if reply is None:
                return await self._unformed(None, "", unusable(completion) or NO_WORDS)
        return await self._draft(reply, everywhere=True)

    async def _again(self, completion: Completion, wrong: str) -> Completion:
        run = self._run
        run.events.point(ReplyRejected(reason=wrong), parent=run.event)
        if run.words is not None:
            run.words.retract(f"the reply was malformed: {wrong}")
        return await ask_again(run, self._request, completion.text, wrong)

    async def _draft(self, reply: Reply | None, *, everywhere: bool = False) -> Draft:
        """Return the reply with each quote located; a notice counts those that are not in their passages.

        A reply that names what is missing is partial, and a notice repeats that.
        `everywhere`: whether support is looked for where the model names none, too. A reply of which no quote
        stands in a passage counts as malformed: where an endpoint enforces the form, nothing else shows that
        the form asks too much of the model.
        """
        if reply is None or not reply.found:
            text = renumber(reply.answer, {})[0] if reply is not None else ""
            return Draft(text or _MISSING, "declined", end_reason=EndReason.NOT_FOUND)
        bound = await self._bound(reply, everywhere=everywhere)
        invented = bound.dropped and bound.dropped == len(reply.quotes)
        tell = self._run.forms.malformed if invented else self._run.forms.well_formed
        tell(self._run.root.name)
        notices = []
        if bound.dropped:
            n_quotes = len(reply.quotes)
            notices.append(f"{bound.dropped} of {n_quotes} quotes are not in the documents and were dropped.")
        if not bound.citations:
            notices.append(NOT_BACKED)
        missing = renumber(reply.missing, {})[0]
        if missing:
            notices.append(f"{_IN_PART} {missing}")
        return Draft(
            bound.text,
            "complete" if bound.citations and not missing else "partial",
            bound.citations,
            bound.value,
            notices=tuple(notices),
            missing=missing,
            end_reason=EndReason.ANSWERED,
        )

    async def _bound(self, reply: Reply, *, everywhere: bool) -> Bound:
        def work() -> Bound:
            finder = SupportFinder(self._run.question, self._sources)
            return bind(reply, self._sources, finder, everywhere=everywhere)

        return await asyncio.to_thread(work)

    async def _unformed(self, reply: Reply | None, said: str, reason: str, *more: str) -> Draft:
        """Return a draft from a reply that was malformed even after the repair."""
        if reply is not None:
            draft = await self._draft(replace(reply, value=None))
            notice = f"The answer has no value of the form asked for ({reason})."
            notices = (notice, *more, *draft.notices)
            return replace(draft, status="partial", notices=notices, end_reason=EndReason.MALFORMED)
        text = await asyncio.to_thread(plain_answer, said, self._run.question)
        bound = await self._bound(Reply(found=True, answer=text), everywhere=True)
        none = "" if bound.citations else "; nothing could be cited"
        notice = f"The model did not keep to the answer format ({reason}){none}."
        # Without a citation its markers name passages only, so they are removed.
        words = bound.text if bound.citations else renumber(text, {})[0]
        shown = words or ("The model gave no answer in words." if said.strip() else _NOTHING)
        return Draft(
            shown, "partial", bound.citations, notices=(notice, *more), end_reason=EndReason.MALFORMED
        )


_NOTHING = "The model returned nothing."


def _in_words(completion: Completion, question: str) -> Reply | None:
    """Return a reply that was asked for in plain words, whatever form it has; None if it holds no answer."""
    if "{" in completion.text:
        reply = read_reply(completion.text)
        if isinstance(reply, Reply):
            return reply
    text = plain_answer(completion.text, question)
    if completion.cut or completion.finish_reason == "length":
        text = _finished(text)
    return Reply(found=not declines(text), answer=text) if text else None


def _finished(text: str) -> str:
    """Return the sentences of a text that was cut off, without the last one if others come before it."""
    spans = sentences(text)
    return text[: spans[-2][1]] if len(spans) > 1 else text[:MAX_REPLY_CHARS]


async def _parsed(text: str, schema: AnswerSchema | None) -> tuple[Reply | None, str]:
    """Return the reply, or None, and what is wrong with it in a few words, or ""."""
    reply = await asyncio.to_thread(read_reply, text)
    if isinstance(reply, str):
        return None, reply
    if schema is None or not reply.found:
        return replace(reply, value=None), ""
    try:
        await asyncio.to_thread(schema.check, reply.value)
    except BadAnswer as error:
        return reply, f"in its value {error}"
    return reply, ""
