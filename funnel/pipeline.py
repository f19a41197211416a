"""The whole flow: retrieve, route, read or inspect, verify, answer. Knows protocols, no concrete part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

from funnel import verification
from funnel.asker import LOCAL_OWNER, Asker
from funnel.conversation import Conversation
from funnel.errors import BadQuestion, UnknownName
from funnel.findings.store import MAX_EXPOSED
from funnel.followup import standing_alone
from funnel.inspector import Inspector
from funnel.inspector.tools.registry import RESERVED
from funnel.journal.found import HITS, SEARCH_NOTES
from funnel.llm.budget import Ledger, Limits
from funnel.llm.models import Models
from funnel.memory.base import Memory
from funnel.prompts.addenda import Prompts, shipped
from funnel.prompts.forms import Form, Forms
from funnel.reader import Reader
from funnel.router import Router
from funnel.run.context import Draft, Run
from funnel.run.lifecycle import PreparedRun, RunLifecycle
from funnel.run.named import search_with_named
from funnel.run.options import Options, ResumeOptions
from funnel.run.under_way import UnderWay
from funnel.sandbox.base import Sandbox
from funnel.seen import MAX_DOCUMENTS, total_of
from funnel.stored import Stored
from funnel.text.citations import uncited
from funnel.trace.events import Event, Sink
from funnel.trace.kinds import AnswerGiven, FoundDocument, RetrieveEnded, RetrieveStarted, RouteDecided
from funnel.types import MODES, Answer, Decision, EndReason, Span
from funnel.waiting import wait_for
from indexes.source import Documents, Source
from indexes.types import DocumentHit, Hits

_NOT_ASKED = "the documents were still being searched, and the model was never asked"
_DECISIONS: Stored[Decision] = Stored(Decision)
_FORMS: Stored[tuple[Form, Form]] = Stored(tuple[Form, Form])
_DIVERGED = "From some step on, earlier results no longer fitted; from there the work was done again."


class Funnel:
    """Answers questions over a source, or over the documents of one asker.

    `async with` closes the models, memory and sandbox that it was given.

    `keep_s`: how long a run's data is kept, for a resume and for later runs; None means forever. `learn`:
    whether runs offer each other their findings, unless a question's options forbid it. `daily`: what all
    runs of a tenant may spend per day (UTC), over all processes with the same memory. `strict`: whether
    answers that no citation backs are declined, unless a question's options say.
    """

    def __init__(  # noqa: PLR0913 - its parts, and two settings of the memory
        self,
        documents: Source | Documents,
        *,
        models: Models,
        memory: Memory,
        sandbox: Sandbox,
        trace_dir: Path,
        router: Router,
        prompts: Prompts | None = None,
        forms: Forms | None = None,
        keep_s: float | None = None,
        learn: bool = True,
        strict: bool = False,
        daily: Limits | None = None,
    ) -> None:
        self._models = models
        self._memory = memory
        self._sandbox = sandbox
        self._router = router
        self._under_way = UnderWay()
        self._reader = Reader()
        self._inspector = Inspector(sandbox)
        self._runs = RunLifecycle(
            documents,
            models=models,
            memory=memory,
            sandbox=sandbox.name,
            reserved=RESERVED,
            trace_dir=trace_dir,
            prompts=prompts or shipped(),
            forms=forms or Forms(),
            keep_s=keep_s,
            learn=learn,
            strict=strict,
            daily=daily,
        )

    async def ask(
        self, question: str, options: Options | None = None, *, on_event: Sink | None = None
    ) -> Answer:
        """Return one cited answer. `on_event` is called with every event of the run as it happens.

        Raises: `BadQuestion`; `BudgetTooSmall` and `UnknownPrice` before anything is spent; `BudgetExceeded`
        if the time is up before the model has answered; `LLMError`, `SandboxError`, `MemoryFailed` if a part
        fails before there is anything to answer with. After these a run can be resumed. `FunnelClosed` if
        this is closed, also meanwhile, and `OtherLoop` in another event loop than that of the first use.
        """
        options = options or Options()
        _check(question, options)
        async with (
            self._under_way.entered() as asked,
            self._runs.begin(question, options, on_event) as prepared,
        ):
            asked.run = prepared.run.id
            return await self._work(prepared)

    async def resume(
        self, run: str, again: ResumeOptions | None = None, *, on_event: Sink | None = None
    ) -> Answer:
        """Resume a run that was interrupted, or that ended without an answer, and return its answer.

        Calls that had ended are not paid for again.

        Raises: `RunUnknown`, `RunTaken`, `RunLost`, `RunChanged`; `BadSetting` if the models, sandbox or
        tools have changed; as `ask`.
        """
        async with (
            self._under_way.entered() as asked,
            self._runs.resume(run, again or ResumeOptions(), on_event) as prepared,
        ):
            asked.run = prepared.run.id
            return prepared.ended or await self._work(prepared)

    async def holds(self, run: str, *, asker: Asker | None = None) -> bool:
        """Whether the memory still holds the run, so that it can be resumed. Raises: `MemoryFailed`."""
        return await self._runs.holds(run, asker)

    def job(
        self, limits: Limits, *, asker: Asker = LOCAL_OWNER, name: str | None = None
    ) -> AbstractAsyncContextManager[Ledger]:
        """Open a ledger for the runs of one job, which each of them gets in its `Options.ledger`.

        It draws on the asker's budget for the day, if there is one. With a `name` it is kept in the memory:
        every process that opens it draws on the same ledger, and what was spent is known if the job goes on
        later.

        Raises: `MemoryFailed`.
        """
        return self._runs.job(limits, asker=asker, name=name)

    async def stream(self, question: str, options: Options | None = None) -> AsyncIterator[Event]:
        """Yield the run's events as they happen; the last but one, of kind `answer`, holds the answer.

        On the lookup route its words come before it, as events of kind `answer.delta`.

        Leaving the loop early cancels the run. Raises: as `ask`.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        task = asyncio.create_task(self.ask(question, options, on_event=queue.put_nowait))
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def conversation(self, options: Options | None = None) -> Conversation:
        """Open a conversation, each question of which may refer to those before it."""
        return Conversation(self.ask, options or Options())

    async def _work(self, prepared: PreparedRun) -> Answer:
        try:
            return await self._answered(prepared)
        except BaseException as error:
            if prepared.run.words is not None:
                prepared.run.words.retract("the run ended without an answer")
            await prepared.run.journal.stop(EndReason.of(error))
            raise

    async def _answered(self, prepared: PreparedRun) -> Answer:
        prepared = await standing_alone(prepared)
        hits = await self._retrieve(prepared)
        prepared = replace(prepared, notices=(*hits.notes, *prepared.notices))
        decision = self._route(prepared, hits)
        await prepared.run.root.look()
        run = _with_forms(replace(prepared.run, shape=decision.shape if decision.shape_sure else None))
        stage = self._reader if decision.route == "lookup" else self._inspector
        draft = await verification.checked(run, await stage.answer(run, hits))
        if prepared.record.strict:
            draft = verification.backed(draft)
        await _keep_findings(run, draft)
        answer = self._answer(prepared, decision, draft)
        if run.words is not None:
            run.words.settle(answer.text)
        around = await verification.surroundings(run, answer.citations)
        run.events.point(AnswerGiven.of(answer, around), parent=run.event)
        run.record_exposed()  # for a question that follows this one
        await run.journal.finish(answer)
        return answer

    async def _retrieve(self, prepared: PreparedRun) -> Hits:
        run, k = prepared.run, prepared.record.k
        if (found := run.journal.value_of("hits", HITS)) is not None:
            run.documents.expose(hit.document.id for hit in found)
            notes = run.journal.value_of("search_notes", SEARCH_NOTES)
            return Hits(found, notes or ())
        with run.events.open(RetrieveStarted(query=run.question, k=k), parent=run.event) as retrieval:
            search = partial(search_with_named, run.documents.view, run.question, k)
            try:
                hits = await wait_for(search, run.ledger.remaining_s)
            except TimeoutError:
                if run.ledger.remaining_s != 0:
                    raise  # the time-out is the source's own
                raise run.ledger.out_of_time(_NOT_ASKED) from None
            listed = tuple(FoundDocument(hit.document.id, round(hit.score, 4)) for hit in hits)
            retrieval.end_with(RetrieveEnded(documents=listed))
            if hits.notes:
                run.journal.set_value("search_notes", list(hits.notes))
            run.journal.set_value("hits", hits)
            return hits

    def _route(self, prepared: PreparedRun, hits: list[DocumentHit]) -> Decision:
        run = prepared.run
        if (decision := run.journal.value_of("decision", _DECISIONS)) is None:
            decision = self._router.decide(run.question, hits, mode=prepared.record.mode)
            run.journal.set_value("decision", decision)
        run.events.point(RouteDecided.of(decision), parent=run.event)
        return decision

    def _answer(self, prepared: PreparedRun, decision: Decision, draft: Draft) -> Answer:
        run = prepared.run
        diverged = (_DIVERGED,) if run.journal.diverged else ()
        of_models = dict.fromkeys((*run.root.notices, *run.sub.notices))
        return Answer(
            question=prepared.record.question,
            text=draft.text,
            status=draft.status,
            route=decision.route,
            route_probability=round(decision.probability, 4),
            reasons=decision.reasons,
            citations=tuple(draft.citations),
            value=draft.value,
            usage=run.ledger.usage,
            model=run.root.name,
            sandbox=draft.sandbox,
            run=run.id,
            trace=str(prepared.trace),
            notices=(*draft.notices, *of_models, *prepared.notices, *diverged),
            shape=decision.shape,
            uncited=_uncited(draft, run.question) if draft.status in {"complete", "partial"} else (),
            coverage=tuple(draft.coverage[:MAX_DOCUMENTS]),
            coverage_total=total_of(draft.coverage),
            standalone=run.question if prepared.record.follows is not None else "",
            end_reason=draft.end_reason,
        )

    def subscribe(self, sink: Sink) -> None:
        """Call `sink` with every event of every later run; an exception from it ends that run."""
        self._runs.subscribe(sink)

    async def close(self) -> None:
        """End what is under way, and close the models, the sandbox and the memory.

        Whoever waits for an answer gets `FunnelClosed`. What a run has paid for is kept, and it can be
        resumed. Raises: `OtherLoop` in another event loop than that of the first use.
        """
        await self._under_way.close()
        await self._models.close()
        await self._sandbox.close()
        await self._memory.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _with_forms(run: Run) -> Run:
    """Return the run with the forms of its prompts: those that it began with, if it is resumed."""
    if (forms := run.journal.value_of("forms", _FORMS)) is None:
        root, sub = (run.forms.form_for(meter.name, meter.window_tokens) for meter in (run.root, run.sub))
        forms = (root, sub)
        run.journal.set_value("forms", list(forms))
    return replace(run, form=forms[0], sub_form=forms[1])


async def _keep_findings(run: Run, draft: Draft) -> None:
    """Store what the run found out; nothing is stored unless the run was answered."""
    if run.findings is None or draft.status not in {"complete", "partial"}:
        return
    if draft.status == "complete":
        versions = {}
        for name in {citation.document_id for citation in draft.citations}:
            version = await asyncio.to_thread(run.documents.view.version, name)
            if version is not None:
                versions[name] = version
        run.findings.add_answer(run.question, draft.text, draft.citations, versions)
    # If a run saw text of more documents, checking who may read all of them would cost too much.
    exposed = await run.documents.exposed(at_most=MAX_EXPOSED)
    if exposed is not None:
        await run.findings.keep(exposed, question=run.question)


def _uncited(draft: Draft, question: str) -> tuple[Span, ...]:
    """Return what the text of a draft states without a citation, but for what it says is missing."""
    gone_through = len(draft.coverage)
    known = gone_through > 0
    found = uncited(
        draft.text,
        placed=bool(draft.citations),
        question=question,
        documents=gone_through if known else None,
    )
    return tuple(span for span in found if not draft.missing or _bare(span.text) != _bare(draft.missing))


def _bare(sentence: str) -> str:
    return " ".join(sentence.split()).rstrip(".").casefold()


def _check(question: str, options: Options) -> None:
    if not question.strip():
        raise BadQuestion("The question is empty. Write it in quotes: funnel ask 'What is …?' --kb DIR")
    if options.mode not in MODES:
        raise UnknownName("mode", options.mode, MODES)
    if options.k < 1:
        raise BadQuestion(f"k = {options.k}: at least one document is needed to answer from.")


__all__ = ["Funnel", "Options"]
