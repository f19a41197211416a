"""The whole flow: retrieve, route, read or inspect, check, answer. Knows only protocols, no concrete part."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from funnel.budget import Ledger, Limits
from funnel.citations import renumber
from funnel.errors import BadQuestion, UnknownName
from funnel.events import Event, Events, JsonlSink, Sink
from funnel.inspector import Inspector
from funnel.llm.models import Models
from funnel.memory.base import Memory
from funnel.memory.workspace import Workspace
from funnel.reader import Reader
from funnel.router import Router
from funnel.run import Draft, Run, Source
from funnel.sandbox.base import Sandbox
from funnel.types import MODES, Answer, Decision, Mode
from funnel.waiting import wait_for
from indexes.filters import Filter
from indexes.types import OWNER, Access, DocumentHit, DocumentId

if TYPE_CHECKING:
    from pydantic import BaseModel

_NOT_ASKED = "the documents were still being searched, and the model was never asked"


@dataclass(frozen=True, slots=True)
class Options:
    """How one question is asked: `k` documents within `access` and `where` go from stage one to stage two.

    `schema`: what the answer's `value` must be, a pydantic model class or a JSON Schema.
    """

    mode: Mode = "auto"
    k: int = 20
    limits: Limits = field(default_factory=Limits)
    access: Access = OWNER
    where: Filter | None = None
    trace: Path | None = None
    schema: type[BaseModel] | Mapping[str, Any] | None = None


class Funnel:
    """Answers questions over one source. `async with` closes the models, memory and sandbox it was given."""

    def __init__(
        self,
        source: Source,
        *,
        models: Models,
        memory: Memory,
        sandbox: Sandbox,
        trace_dir: Path,
        router: Router,
    ) -> None:
        self._source = source
        self._models = models
        self._memory = memory
        self._sandbox = sandbox
        self._trace_dir = trace_dir
        self._router = router
        self._reader = Reader()
        self._inspector = Inspector(sandbox)

    async def ask(
        self, question: str, options: Options | None = None, *, on_event: Sink | None = None
    ) -> Answer:
        """One cited answer. `on_event` hears every event of the run as it happens.

        Raises: `BadQuestion`; `BudgetTooSmall` and `UnknownPrice` before anything is spent; `BudgetExceeded`
        when the time is up before the model has answered; `LLMError`, `SandboxError`, `MemoryFailed` when a
        part broke before there was anything to answer with.
        """
        options = options or Options()
        _check(question, options)
        async with self._run(question, options, on_event) as (run, trace):
            hits = await self._retrieve(run, options.k)
            decision = self._route(run, hits, options.mode)
            stage = self._reader if decision.route == "lookup" else self._inspector
            draft = await stage.answer(run, hits)
            checked = await self._check_citations(run, draft)
            answer = self._answer(run, decision, checked, trace)
            run.events.point("answer", parent=run.span, **answer.as_dict())
            return answer

    async def stream(self, question: str, options: Options | None = None) -> AsyncIterator[Event]:
        """The run's events as they happen; the last but one, of kind `answer`, holds the answer.

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

    @asynccontextmanager
    async def _run(
        self, question: str, options: Options, sink: Sink | None
    ) -> AsyncIterator[tuple[Run, Path]]:
        """What the parts of this run share, with its trace open."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        trace = options.trace or self._trace_dir / f"{name}.jsonl"
        ledger, events = Ledger(options.limits), Events(name)
        root, sub = self._models.meters(ledger, events)
        for meter in (root, sub):
            meter.check_start(options.limits)
        with JsonlSink(trace) as file:
            events.subscribe(file)
            if sink:
                events.subscribe(sink)
            with events.span(
                "run", parent=None, question=question, mode=options.mode, k=options.k, model=root.name,
                sub_model=sub.name, sandbox=self._sandbox.name, memory=self._memory.url,
            ) as span:  # fmt: skip
                async with Workspace(self._memory, run=name) as workspace:
                    yield (
                        Run(
                            name,
                            question,
                            options.access,
                            self._source,
                            ledger,
                            events,
                            root,
                            sub,
                            workspace,
                            span.id,
                            options.where,
                        ),
                        trace,
                    )

    async def _retrieve(self, run: Run, k: int) -> list[DocumentHit]:
        with run.events.span("retrieve", parent=run.span, query=run.question, k=k) as span:
            search = partial(self._source.search, run.question, k, access=run.access, where=run.where)
            try:
                hits = await wait_for(search, run.ledger.remaining_s)
            except TimeoutError:
                if run.ledger.remaining_s != 0:
                    raise  # the source's own
                raise run.ledger.out_of_time(_NOT_ASKED) from None
            span.data["documents"] = [{"id": hit.document.id, "score": round(hit.score, 4)} for hit in hits]
            return hits

    def _route(self, run: Run, hits: list[DocumentHit], mode: Mode) -> Decision:
        decision = self._router.decide(run.question, hits, mode=mode)
        run.events.point(
            "route", parent=run.span, route=decision.route, probability=decision.probability,
            reasons=list(decision.reasons), pinned=decision.pinned, shape=decision.shape,
            shape_reason=decision.shape_reason,
        )  # fmt: skip
        return decision

    async def _check_citations(self, run: Run, draft: Draft) -> Draft:
        """The last gate: a citation leaves only if its quote is, now, the stored text at its span."""
        kept = {}
        for number, citation in enumerate(draft.citations, start=1):
            stored = await asyncio.to_thread(
                self._source.read,
                DocumentId(citation.document_id),
                citation.start,
                citation.stop,
                access=run.access,
                where=run.where,
            )
            if stored == citation.quote:
                kept[number] = [citation]
        if len(kept) == len(draft.citations):
            return draft
        lost = len(draft.citations) - len(kept)
        text, citations = renumber(draft.text, kept)
        notice = (
            f"{lost} of {len(draft.citations)} citations were dropped: "
            "the documents no longer say so at these places."
        )
        value = None if draft.value is None else json.loads(text)
        return Draft(text, draft.status, citations, value, draft.sandbox, (*draft.notices, notice))

    def _answer(self, run: Run, decision: Decision, draft: Draft, trace: Path) -> Answer:
        return Answer(
            question=run.question,
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
            trace=str(trace),
            notices=tuple(draft.notices),
            shape=decision.shape,
        )

    async def close(self) -> None:
        """Close the models, the sandbox and the memory."""
        await self._models.close()
        await self._sandbox.close()
        await self._memory.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _check(question: str, options: Options) -> None:
    if not question.strip():
        raise BadQuestion("The question is empty. Write it in quotes: funnel ask 'What is …?' --kb DIR")
    if options.mode not in MODES:
        raise UnknownName("mode", options.mode, MODES)
    if options.k < 1:
        raise BadQuestion(f"k = {options.k}: at least one document is needed to answer from.")
